/*
 * copy.c - deep copies of what a machine lends for one step.
 *
 * Knows the shapes of fetches, log records and actions. Refuses to know what they are for.
 */
#include <assert.h>

#include "state.h"

char *copy_text(struct slice s)
{
    char *copy = mem_resize(NULL, s.len + 1, 1);

    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

static void *copy_array(struct arena *arena, const void *items, size_t count, size_t size)
{
    if (count == 0) {
        return NULL;
    }
    return memcpy(arena_array(arena, count, size), items, count * size);
}

static const struct fetch_header *copy_headers(struct arena *arena, const struct fetch_header *from,
                                               size_t count)
{
    struct fetch_header *headers = ARENA_ARRAY(arena, struct fetch_header, count);

    for (size_t i = 0; i < count; i++) {
        headers[i] = (struct fetch_header){
            .name = arena_slice(arena, from[i].name),
            .value = arena_slice(arena, from[i].value),
        };
    }
    return headers;
}

static void copy_fetch(struct arena *arena, const struct fetch *from, struct fetch *ret)
{
    *ret = *from; /* method is a literal, tls outlives the fetch */
    ret->target = arena_slice(arena, from->target);
    ret->headers = copy_headers(arena, from->headers, from->header_count);
    ret->body = arena_slice(arena, from->body);
    ret->env = copy_headers(arena, from->env, from->env_count);
    struct slice *args = ARENA_ARRAY(arena, struct slice, from->arg_count);
    for (size_t i = 0; i < from->arg_count; i++) {
        args[i] = arena_slice(arena, from->args[i]);
    }
    ret->args = args;
}

void copy_fetches(struct fetch_list *to, const struct fetch_list *from)
{
    for (uint32_t i = 0; i < from->start_count; i++) {
        copy_fetch(to->arena, &from->starts[i], fetch_add(to, from->starts[i].id));
    }
    for (uint32_t i = 0; i < from->cancel_count; i++) {
        fetch_cancel(to, from->cancels[i]);
    }
}

void copy_log(struct log_list *to, const struct log_record *record)
{
    struct log_record *copy = log_add(to, record->level, record->module, "%.*s",
                                      SLICE_ARG(record->message));

    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        if (field->is_number) {
            log_number(copy, field->key, field->number);
        } else {
            log_text(to, copy, field->key, field->text);
        }
    }
}

static void copy_intent(struct arena *arena, struct eni_intent *intent)
{
    struct pair *tags = ARENA_ARRAY(arena, struct pair, intent->tag_count);

    for (uint32_t i = 0; i < intent->tag_count; i++) {
        tags[i] = (struct pair){
            .key = arena_slice(arena, intent->tags[i].key),
            .value = arena_slice(arena, intent->tags[i].value),
        };
    }
    intent->tags = tags;
    intent->groups = copy_array(arena, intent->groups, intent->group_count,
                                sizeof(*intent->groups));
    intent->description = arena_slice(arena, intent->description);
}

void copy_pool_status(struct arena *arena, const struct pool_status *from, struct pool_status *ret)
{
    *ret = *from;
    ret->name = arena_slice(arena, from->name);
    ret->uid = arena_slice(arena, from->uid);
    for (int i = 0; i < POOL_CONDITIONS; i++) {
        ret->conditions[i].message = arena_slice(arena, from->conditions[i].message);
    }
    struct subnet_status *subnets = copy_array(arena, from->subnets, from->subnet_count,
                                               sizeof(*subnets));
    for (uint32_t i = 0; i < from->subnet_count; i++) {
        subnets[i].zone = arena_slice(arena, subnets[i].zone);
    }
    struct zone_status *zones = copy_array(arena, from->zones, from->zone_count, sizeof(*zones));
    for (uint32_t i = 0; i < from->zone_count; i++) {
        zones[i].zone = arena_slice(arena, zones[i].zone);
    }
    struct node_at_risk *named = copy_array(arena, from->named, from->named_count, sizeof(*named));
    for (uint32_t i = 0; i < from->named_count; i++) {
        named[i].name = arena_slice(arena, named[i].name);
        named[i].message = arena_slice(arena, named[i].message);
    }
    ret->subnets = subnets;
    ret->zones = zones;
    ret->named = named;
}

void copy_action(struct arena *arena, const struct plan_action *from, struct plan_action *ret)
{
    *ret = *from;
    switch (from->kind) {
    case PLAN_ATTACH:
        copy_intent(arena, &ret->attach);
        break;
    case PLAN_NEED_TYPE:
        ret->type_name = arena_slice(arena, from->type_name);
        break;
    case PLAN_EVENT:
        ret->event.name = arena_slice(arena, from->event.name);
        ret->event.uid = arena_slice(arena, from->event.uid);
        ret->event.message = arena_slice(arena, from->event.message);
        break;
    case PLAN_POOL_STATUS:
        copy_pool_status(arena, &from->pool_status, &ret->pool_status);
        break;
    case PLAN_NODE_CONDITION:
        ret->condition.node = arena_slice(arena, from->condition.node);
        ret->condition.message = arena_slice(arena, from->condition.message);
        break;
    case PLAN_NODE_TAINT:
        ret->taint.node = arena_slice(arena, from->taint.node);
        break;
    case PLAN_ASSIGN:
    case PLAN_DELETE:
    case PLAN_OBSERVE:
    case PLAN_OBSERVE_SUBNETS:
    case PLAN_SUBNET_PACE:
        break; /* values only */
    }
}
