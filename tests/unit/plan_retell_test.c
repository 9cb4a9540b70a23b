/*
 * plan_retell_test.c - everything that a step puts out, in words: when, what was logged, what a
 * status says, when the planner wants to be called again.
 *
 * Knows how to show it. Refuses to judge it.
 */
#include "plan_fixture.h"

static void note_log(struct story *s, const struct log_record *record)
{
    struct slice text = arena_printf(&s->arena, "log %s %s: %.*s", log_level_name(record->level),
                                     record->module, SLICE_ARG(record->message));

    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        text = field->is_number ? arena_printf(&s->arena, "%.*s %s=%lld", SLICE_ARG(text),
                                               field->key, (long long)field->number)
                                : arena_printf(&s->arena, "%.*s %s=%.*s", SLICE_ARG(text),
                                               field->key, SLICE_ARG(field->text));
    }
    story_note(s, "%.*s", SLICE_ARG(text));
}

static int seconds(uint64_t wall_ns)
{
    return wall_ns == 0 ? -1 : (int)(wall_ns / STORY_S - UINT64_C(1700000000));
}

/* A line of a status, unless the last status said the same there. */
static void note_line(struct story *s, struct slice *last, struct slice line)
{
    if (!slice_eq(line, *last)) {
        story_note(s, "  %.*s", SLICE_ARG(line));
        *last = line;
    }
}

static void note_status(struct story *s, const struct pool_status *status)
{
    bool second = s->pool_count > 1 && slice_eq(status->name, s->pools[1].name);
    struct slice *last = s->status_lines[second];
    struct arena *arena = &s->arena;

    note_line(s, last++,
              arena_printf(arena,
                           "%.*s %lld: nodes %u covered %u at risk %u exhausted %u, free %u low %u "
                           "in flight %u",
                           SLICE_ARG(status->uid), (long long)status->observed_generation,
                           status->nodes_total, status->nodes_covered, status->nodes_at_risk,
                           status->nodes_exhausted, status->free, status->low_subnets,
                           status->in_flight));
    for (uint32_t i = 0; i < POOL_CONDITIONS; i++) {
        const struct condition *condition = &status->conditions[i];
        note_line(s, last++,
                  arena_printf(arena, "%s %s since %d: %.*s", condition->type, condition->reason,
                               seconds(condition->since_wall_ns), SLICE_ARG(condition->message)));
    }
    for (uint32_t i = 0; i < status->zone_count; i++) {
        const struct zone_status *zone = &status->zones[i];
        note_line(s, last++,
                  arena_printf(arena, "%.*s subnets %u free %u/%u nodes %u", SLICE_ARG(zone->zone),
                               zone->subnets, zone->free, zone->total, zone->nodes));
    }
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        const struct subnet_status *subnet = &status->subnets[i];
        note_line(s, last++,
                  arena_printf(arena, "%s %.*s %s %u/%u blocks %u in flight %u ends in %d",
                               subnet->id.text, SLICE_ARG(subnet->zone),
                               subnet_state_name(subnet->state), subnet->free, subnet->total,
                               subnet->free_prefixes, subnet->in_flight,
                               (int)subnet->exhausted_in_s));
    }
    for (uint32_t i = 0; i < status->named_count; i++) {
        note_line(s, last++,
                  arena_printf(arena, "%.*s %s: %.*s", SLICE_ARG(status->named[i].name),
                               status->named[i].decision, SLICE_ARG(status->named[i].message)));
    }
    require(last <= s->status_lines[second] + STORY_MANY);
}

void story_retell_begin(struct story *s, const struct plan_actions *out)
{
    if (s->show_all && out->count + out->log_count > 0) {
        uint64_t at_ms = (s->now_ns - s->began_ns) / (STORY_S / 1000);
        story_note(s, "@ %u.%03u", (unsigned)(at_ms / 1000), (unsigned)(at_ms % 1000));
    }
}

void story_retell_end(struct story *s, const struct plan_actions *out)
{
    if (!s->show_all || out->count + out->log_count == 0) {
        return;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->items[i].kind == PLAN_POOL_STATUS) {
            note_status(s, &out->items[i].pool_status);
        }
    }
    for (uint32_t i = 0; i < out->log_count; i++) {
        note_log(s, &out->logs[i]);
    }
}
