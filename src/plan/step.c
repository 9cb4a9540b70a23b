/*
 * step.c - what a step gathers while it runs: nodes to decide, looks to come, reads, actions, log
 * records.
 *
 * Knows who may act at all and how often a read is sane. Refuses to know why somebody asks;
 * planner.c takes up what was gathered.
 */
#include <assert.h>

#include "state.h"

struct slice plan_text(const struct planner *p, uint32_t string)
{
    return strings_get(&p->strings, string);
}

struct slice plan_cluster(const struct planner *p)
{
    struct slice own = plan_text(p, p->cluster);

    return own.len > 0 ? own : p->agent.cluster_name;
}

struct plan_action *plan_add(struct planner *p, enum plan_action_kind kind)
{
    mem_reserve(&p->actions, &p->action_capacity, p->action_count + 1, sizeof(*p->actions));
    struct plan_action *action = &p->actions[p->action_count++];
    *action = (struct plan_action){ .kind = kind };
    return action;
}

struct log_record *plan_log(struct planner *p, enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = arena_vprintf(&p->arena, format, args);
    va_end(args);
    return log_add(&p->logs, level, "plan", "%.*s", SLICE_ARG(text));
}

/* Everything is known and nothing forbids: only then may EC2 or a node be changed. */
bool plan_acting(const struct planner *p)
{
    return p->synced && !p->kube_stale && p->leader && p->have_subnets && p->swept && p->have_agent;
}

void plan_dirty(struct planner *p, uint32_t node)
{
    struct node_row *row = &p->nodes[node];

    assert(row->live);
    if (!row->dirty) {
        row->dirty = true;
        mem_reserve(&p->dirty, &p->dirty_capacity, p->dirty_count + 1, sizeof(*p->dirty));
        p->dirty[p->dirty_count++] = node;
    }
}

void plan_dirty_all(struct planner *p)
{
    for (uint32_t i = 0; i < p->listed_count; i++) {
        plan_dirty(p, p->listed[i]);
    }
}

static void dirty_group(struct planner *p, const struct group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        plan_dirty(p, group->nodes[i]);
    }
}

void plan_dirty_pool(struct planner *p, uint32_t pool)
{
    for (uint32_t i = 0; i < p->pools[pool].group_count; i++) {
        dirty_group(p, &p->groups[p->pools[pool].groups[i]]);
    }
}

void plan_dirty_zone(struct planner *p, uint32_t zone)
{
    for (uint32_t i = 0; i < p->group_count; i++) {
        if (p->groups[i].zone == zone) {
            dirty_group(p, &p->groups[i]);
        }
    }
}

void plan_wake(struct planner *p, uint32_t node, uint64_t at_ns)
{
    struct node_row *row = &p->nodes[node];

    if (!row->timed || at_ns < timers_get(&p->timers, node)) {
        row->timed = true;
        timers_set(&p->timers, node, at_ns);
    }
}

/* ---- reads ---- */

bool plan_observe(struct planner *p, uint32_t node, enum urgency urgency)
{
    struct node_row *row = &p->nodes[node];
    uint64_t apart_ns = urgency == URGENT_WAITING ? SECOND_NS : 10 * SECOND_NS;

    if (!p->leader && !p->config.dry_run) {
        return false;
    }
    if (row->observe_sent_ns != 0 && p->now_ns - row->observe_sent_ns < apart_ns) {
        plan_wake(p, node, row->observe_sent_ns + apart_ns);
        return false;
    }
    row->observe_sent_ns = p->now_ns;
    struct plan_action *action = plan_add(p, PLAN_OBSERVE);
    action->urgency = urgency;
    action->instance = row->instance;
    /* An answer that never comes is asked for again. */
    plan_wake(p, node, p->now_ns + 10 * SECOND_NS);
    return true;
}

void plan_observe_subnets(struct planner *p, uint64_t apart_ns)
{
    if (p->subnets_sent_ns == 0 || p->now_ns - p->subnets_sent_ns >= apart_ns) {
        p->subnets_sent_ns = p->now_ns;
        plan_add(p, PLAN_OBSERVE_SUBNETS)->urgency = URGENT_WAITING;
    }
}

void plan_sweep(struct planner *p, uint64_t apart_ns)
{
    uint64_t due_ns = p->sweep_sent_ns == 0 ? p->now_ns : p->sweep_sent_ns + apart_ns;

    p->sweep_due_ns = sooner(due_ns, p->sweep_due_ns);
}

uint64_t plan_first_sweep_ns(const struct planner *p)
{
    return p->sweep_sent_ns == 0 ? p->now_ns : p->sweep_sent_ns + SWEEP_NS;
}

bool plan_sweep_coming(const struct planner *p)
{
    return p->leader && !p->swept && p->now_ns < plan_first_sweep_ns(p);
}
