/*
 * progress.c - which instances there are, and what the first plan still waits for.
 *
 * Knows which first answers are in. Refuses to know what they say. Once the first plan is made it
 * stays made: a reader of /readyz must not see a running controller come and go with each new node.
 */
#include <stdio.h>

#include "state.h"

static struct slice name_key(const void *rows, uint32_t handle)
{
    return slice_of(((const struct engine_node *)rows)[handle].name);
}

static struct slice instance_key(const void *rows, uint32_t handle)
{
    return aws_id_slice(&((const struct engine_node *)rows)[handle].instance);
}

void progress_init(struct engine *engine)
{
    index_init(&engine->by_name, name_key);
    index_init(&engine->by_instance, instance_key);
    interner_init(&engine->types);
}

void progress_done(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->node_count; i++) {
        mem_free(engine->nodes[i].name);
    }
    mem_free(engine->nodes);
    mem_free(engine->free_rows);
    mem_free(engine->type_known);
    index_done(&engine->by_name);
    index_done(&engine->by_instance);
    interner_done(&engine->types);
}

static uint32_t add_row(struct engine *engine, struct slice name)
{
    uint32_t row = engine->node_count;

    if (engine->free_count > 0) {
        row = engine->free_rows[--engine->free_count];
    } else {
        mem_reserve(&engine->nodes, &engine->node_capacity, row + 1, sizeof(*engine->nodes));
        engine->node_count++;
    }
    engine->nodes[row] = (struct engine_node){ .name = copy_text(name) };
    index_add(&engine->by_name, engine->nodes, row);
    return row;
}

static void forget_instance(struct engine *engine, struct engine_node *node)
{
    index_remove(&engine->by_instance, engine->nodes, aws_id_slice(&node->instance));
    engine->instances--;
    engine->uncovered -= !node->covered;
    node->instance = (struct aws_id){ 0 };
    node->covered = false;
}

bool progress_node(struct engine *engine, const struct node *node, struct ec2_input *ret)
{
    struct aws_id instance = { 0 };
    enum node_exclusion exclusion = node_instance(node, &instance);
    uint32_t row = index_find(&engine->by_name, engine->nodes, node->name);

    if (row == INDEX_NONE) {
        row = add_row(engine, node->name);
    }
    struct engine_node *known = &engine->nodes[row];
    /* A leaving node keeps its instance until it is gone. */
    if (exclusion == NODE_EXCLUDED_LEAVING) {
        return false;
    }
    if (exclusion != NODE_EXCLUDED_NONE) {
        instance = (struct aws_id){ 0 };
    }
    if (aws_id_eq(&known->instance, &instance)) {
        return false;
    }
    if (known->instance.text[0] != '\0') {
        *ret = (struct ec2_input){ .kind = EC2_INSTANCE_GONE, .instance = known->instance };
        forget_instance(engine, known);
        return true;
    }
    /* Two nodes that claim one instance: the first keeps it. */
    if (index_find(&engine->by_instance, engine->nodes, aws_id_slice(&instance)) != INDEX_NONE) {
        return false;
    }
    known->instance = instance;
    known->told_ns = engine->now_ns;
    index_add(&engine->by_instance, engine->nodes, row);
    engine->instances++;
    engine->uncovered++;
    *ret = (struct ec2_input){ .kind = EC2_INSTANCE, .instance = instance };
    return true;
}

bool progress_node_gone(struct engine *engine, struct slice name, struct ec2_input *ret)
{
    uint32_t row = index_find(&engine->by_name, engine->nodes, name);

    if (row == INDEX_NONE) {
        return false;
    }
    struct engine_node *node = &engine->nodes[row];
    bool known = node->instance.text[0] != '\0';
    if (known) {
        *ret = (struct ec2_input){ .kind = EC2_INSTANCE_GONE, .instance = node->instance };
        forget_instance(engine, node);
    }
    index_remove(&engine->by_name, engine->nodes, name);
    mem_free(node->name);
    *node = (struct engine_node){ 0 };
    mem_reserve(&engine->free_rows, &engine->free_capacity, engine->free_count + 1,
                sizeof(*engine->free_rows));
    engine->free_rows[engine->free_count++] = row;
    return known;
}

void progress_need_type(struct engine *engine, struct slice name)
{
    uint32_t type = interner_add(&engine->types, name);

    mem_reserve(&engine->type_known, &engine->type_capacity, type + 1, sizeof(*engine->type_known));
}

static void know_type(struct engine *engine, struct slice name)
{
    uint32_t type = interner_find(&engine->types, name);

    if (type != INDEX_NONE && !engine->type_known[type]) {
        engine->type_known[type] = true;
        engine->types_known++;
    }
}

static void cover_row(struct engine *engine, uint32_t row)
{
    if (!engine->nodes[row].covered) {
        engine->nodes[row].covered = true;
        engine->uncovered--;
    }
}

static void cover(struct engine *engine, const struct aws_id *instance)
{
    uint32_t row = index_find(&engine->by_instance, engine->nodes, aws_id_slice(instance));

    if (row != INDEX_NONE) {
        cover_row(engine, row);
    }
}

/* A read of every ENI says all about the instances that were there when it began, and about those
 * whose ENIs the planner has from it, for which it asks for nothing more. */
static void cover_swept(struct engine *engine, uint64_t asked_ns)
{
    for (uint32_t row = 0; row < engine->node_count && engine->uncovered > 0; row++) {
        const struct engine_node *node = &engine->nodes[row];
        if (node->instance.text[0] != '\0' &&
            (node->told_ns <= asked_ns || plan_enis_known(engine->planner, slice_of(node->name)))) {
            cover_row(engine, row);
        }
    }
}

void progress_event(struct engine *engine, const struct plan_event *event)
{
    switch (event->kind) {
    case PLAN_KUBE_SYNCED:
        engine->kube_synced = true;
        break;
    case PLAN_SUBNETS:
        engine->subnets_seen = true;
        break;
    case PLAN_ENIS:
        for (uint32_t i = 0; i < event->enis.instance_count; i++) {
            cover(engine, &event->enis.instances[i]);
        }
        break;
    case PLAN_SWEEP:
        if (!event->enis.more) {
            cover_swept(engine, event->enis.asked_ns);
        }
        break;
    case PLAN_LEASE:
        engine->leader = event->leader;
        break;
    case PLAN_TYPE:
        know_type(engine, event->type.name);
        break;
    case PLAN_TYPE_UNKNOWN:
        know_type(engine, event->name);
        break;
    case PLAN_CLOUD:
        engine->cloud_code = event->cloud.code;
        (void)snprintf(engine->cloud_message, sizeof(engine->cloud_message), "%.*s",
                       SLICE_ARG(event->cloud.message));
        break;
    default:
        break;
    }
}

/* A replica that stands by asks for no ENIs: it will when it leads. */
static bool needs_enis(const struct engine *engine)
{
    return engine->uncovered > 0 && (engine->leader || engine->dry_run);
}

bool engine_planned(const struct engine *engine)
{
    return engine->planned ||
           (engine->kube_synced && (engine->subnets_seen || engine->instances == 0) &&
            !needs_enis(engine) && engine->types_known == engine->types.count);
}

static void add_awaited(struct buf *out, const char *what)
{
    buf_add_text(out, out->len > 0 ? "; " : "");
    buf_add_text(out, what);
}

static void add_kube_awaits(const struct engine *engine, struct buf *out)
{
    struct kube_stats stats;

    kube_stats(engine->kube, &stats);
    add_awaited(out, "the first lists from the Kubernetes API");
    if (stats.last_error[0] != '\0') {
        buf_addf(out, " (%s)", stats.last_error);
    }
}

static void add_ec2_awaits(const struct engine *engine, struct buf *out)
{
    struct ec2_stats *stats = mem_resize(NULL, 1, sizeof(*stats));

    ec2_stats(engine->ec2, engine->now_ns, stats);
    if (!engine->subnets_seen) {
        add_awaited(out, stats->identity_source[0] == '\0' ? "AWS credentials"
                                                           : "the subnets of the VPC from EC2");
    } else {
        add_awaited(out, "");
        buf_addf(out, "the ENIs of %u of %u instances from EC2", engine->uncovered,
                 engine->instances);
    }
    if (engine->cloud_code != CLOUD_OK && engine->cloud_message[0] != '\0') {
        buf_addf(out, " (%s)", engine->cloud_message);
    }
    mem_free(stats);
}

struct slice engine_awaits(const struct engine *engine, struct arena *arena)
{
    enum { AWAITS_MAX = 2048 };
    struct buf text;

    if (engine_planned(engine)) {
        return (struct slice){ 0 };
    }
    buf_init(&text, AWAITS_MAX);
    if (!engine->kube_synced) {
        add_kube_awaits(engine, &text);
    }
    if (engine->instances > 0 && (!engine->subnets_seen || needs_enis(engine))) {
        add_ec2_awaits(engine, &text);
    }
    for (uint32_t i = 0; i < engine->types.count; i++) {
        if (!engine->type_known[i]) {
            add_awaited(&text, "the limits of instance type ");
            buf_add_slice(&text, interner_get(&engine->types, i));
            break;
        }
    }
    struct slice copy = arena_slice(arena, buf_slice(&text));
    buf_done(&text);
    return copy;
}
