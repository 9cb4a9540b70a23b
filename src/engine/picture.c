/*
 * picture.c - a snapshot of the whole, for the page, the metrics and `headroom status`.
 *
 * Knows which nodes are worth showing. Refuses to know who looks. Nodes are looked at anew only
 * after a pause that grows with their number, so that showing costs about a hundredth of one core
 * at most, and a fifth of that while nobody looks closely.
 */
#include <assert.h>

#include "state.h"

/* 100 us a node: 0.1 s at 1,000 nodes, 10 s at 100,000; for scrapes five times that. */
#define LOOK_PAUSE_NS_A_NODE UINT64_C(100000)
#define LOOK_PAUSE_UNWATCHED 5

/* Worse first. */
static int trouble(enum plan_decision_kind kind)
{
    switch (kind) {
    case PLAN_DECISION_AtENILimit:
    case PLAN_DECISION_NoHealthySubnet:
    case PLAN_DECISION_PoolLimit:
    case PLAN_DECISION_CloudQuota:
    case PLAN_DECISION_Backoff:
    case PLAN_DECISION_HandedBack:
        return 0;
    case PLAN_DECISION_Attach:
    case PLAN_DECISION_Attaching:
    case PLAN_DECISION_Adopting:
    case PLAN_DECISION_Assign:
    case PLAN_DECISION_DryRun:
    case PLAN_DECISION_Queued:
    case PLAN_DECISION_Paused:
    case PLAN_DECISION_NotLeader:
    case PLAN_DECISION_Stale:
        return 1;
    default:
        return 2;
    }
}

/* Below zero: a is needier. */
static int compare(const struct plan_glance *a, const struct plan_glance *b)
{
    if (a->waiting != b->waiting) {
        return a->waiting > b->waiting ? -1 : 1;
    }
    if (trouble(a->kind) != trouble(b->kind)) {
        return trouble(a->kind) - trouble(b->kind);
    }
    if (a->stall_in_s != b->stall_in_s) {
        return a->stall_in_s < b->stall_in_s ? -1 : 1;
    }
    return slice_cmp(a->node, b->node);
}

/* Keeps the neediest in order. */
static void offer(struct plan_glance neediest[SHOWN_NODES_MAX], uint32_t *count,
                  const struct plan_glance *node)
{
    uint32_t from = 0, to = *count;

    if (to == SHOWN_NODES_MAX) {
        if (compare(node, &neediest[to - 1]) >= 0) {
            return;
        }
        to--;
    } else {
        (*count)++;
    }
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (compare(node, &neediest[middle]) < 0) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    memmove(&neediest[from + 1], &neediest[from], (*count - 1 - from) * sizeof(*neediest));
    neediest[from] = *node;
}

static struct snapshot_node in_words(struct engine *engine, uint32_t index)
{
    struct plan_decision decision;
    bool there = plan_decision_at(engine->planner, index, &decision);

    assert(there);
    return (struct snapshot_node){
        .name = arena_slice(&engine->view, decision.node),
        .zone = arena_slice(&engine->view, decision.zone),
        .pool = arena_slice(&engine->view, decision.pool),
        .kind = decision.kind,
        .detail = arena_slice(&engine->view, decision.detail),
        .addresses = decision.addresses,
        .holding = decision.holding,
        .waiting = decision.waiting,
        .enis = decision.enis,
        .eni_limit = decision.eni_limit,
        .stall_in_s = decision.stall_in_s,
    };
}

/* All are looked at, and only those that are shown are put into words: that is what costs. */
static void look_at_nodes(struct engine *engine)
{
    uint64_t pause = plan_node_count(engine->planner) * LOOK_PAUSE_NS_A_NODE *
                     (engine->watched ? 1 : LOOK_PAUSE_UNWATCHED);
    struct plan_glance neediest[SHOWN_NODES_MAX], node;
    uint32_t count = 0;

    if (engine->view_made && engine->now_ns - engine->view_ns < pause) {
        return;
    }
    engine->view_made = true;
    engine->view_ns = engine->now_ns;
    memset(engine->view_decisions, 0, sizeof(engine->view_decisions));
    engine->view_total = 0;
    engine->view_waiting = 0;
    for (uint32_t i = 0; plan_glance_at(engine->planner, i, &node); i++) {
        engine->view_decisions[node.kind]++;
        engine->view_total++;
        engine->view_waiting += node.waiting;
        offer(neediest, &count, &node);
    }
    arena_reset(&engine->view);
    engine->view_nodes = ARENA_ARRAY(&engine->view, struct snapshot_node, count);
    engine->view_count = count;
    for (uint32_t i = 0; i < count; i++) {
        engine->view_nodes[i] = in_words(engine, neediest[i].index);
    }
}

static void add_nodes(struct engine *engine, struct arena *arena, struct snapshot *snapshot)
{
    struct snapshot_node *nodes = ARENA_ARRAY(arena, struct snapshot_node, engine->view_count);

    for (uint32_t i = 0; i < engine->view_count; i++) {
        nodes[i] = engine->view_nodes[i];
        nodes[i].name = arena_slice(arena, nodes[i].name);
        nodes[i].zone = arena_slice(arena, nodes[i].zone);
        nodes[i].pool = arena_slice(arena, nodes[i].pool);
        nodes[i].detail = arena_slice(arena, nodes[i].detail);
    }
    snapshot->nodes = nodes;
    snapshot->node_count = engine->view_count;
    snapshot->node_total = engine->view_total;
    snapshot->pods_waiting = engine->view_waiting;
    memcpy(snapshot->decisions, engine->view_decisions, sizeof(snapshot->decisions));
}

static void add_pools(struct engine *engine, struct arena *arena, struct snapshot *snapshot)
{
    uint32_t count = plan_pool_count(engine->planner);
    struct pool_status *pools = ARENA_ARRAY(arena, struct pool_status, count);
    struct pool_status status;

    for (uint32_t i = 0; i < count && plan_pool_status_at(engine->planner, i, &status); i++) {
        copy_pool_status(arena, &status, &pools[i]);
        snapshot->pool_count++;
    }
    snapshot->pools = pools;
}

static void add_happenings(const struct engine *engine, struct arena *arena,
                           struct snapshot *snapshot)
{
    uint64_t first = engine->happening_count > HAPPENINGS_MAX
                         ? engine->happening_count - HAPPENINGS_MAX
                         : 0;
    uint32_t count = (uint32_t)(engine->happening_count - first);
    struct happening *happenings = ARENA_ARRAY(arena, struct happening, count);

    for (uint32_t i = 0; i < count; i++) {
        happenings[i] = engine->happenings[(first + i) % HAPPENINGS_MAX].seen;
        happenings[i].name = arena_slice(arena, happenings[i].name);
        happenings[i].message = arena_slice(arena, happenings[i].message);
    }
    snapshot->happenings = happenings;
    snapshot->happening_count = count;
}

static struct slice why_not_ready(const struct engine *engine, struct arena *arena)
{
    struct slice awaits = engine_awaits(engine, arena);

    if (awaits.len == 0) {
        return awaits;
    }
    return arena_printf(arena, "waiting for %llu s for %.*s",
                        (unsigned long long)((engine->now_ns - engine->started_ns) / 1000000000),
                        SLICE_ARG(awaits));
}

struct snapshot_ref *engine_snapshot(struct engine *engine, uint64_t now_ns, uint64_t wall_ns)
{
    struct arena *arena = NULL;
    struct snapshot *snapshot = NULL;
    struct snapshot_ref *ref = snapshot_new(&arena, &snapshot);

    engine->now_ns = now_ns;
    look_at_nodes(engine);
    snapshot->sequence = engine->sequence;
    snapshot->now_ns = now_ns;
    snapshot->wall_ns = wall_ns;
    snapshot->version = arena_slice(arena, slice_of(engine->version));
    snapshot->cluster_name = arena_slice(arena, slice_of(engine->cluster_name));
    snapshot->live = true;
    snapshot->ready = engine_planned(engine);
    snapshot->not_ready_because = why_not_ready(engine, arena);
    snapshot->dry_run = engine->dry_run;
    ec2_stats(engine->ec2, now_ns, &snapshot->ec2);
    kube_stats(engine->kube, &snapshot->kube);
    snapshot->leader = snapshot->kube.leader;
    add_pools(engine, arena, snapshot);
    add_nodes(engine, arena, snapshot);
    add_happenings(engine, arena, snapshot);
    snapshot->attach_seconds = engine->attach_seconds;
    snapshot->plan_seconds = engine->plan_seconds;
    snapshot->reaction_seconds = engine->reaction_seconds;
    snapshot->change_seconds = engine->change_seconds;
    snapshot->enis_attached = engine->enis_attached;
    snapshot->enis_failed = engine->enis_failed;
    snapshot->enis_deleted = engine->enis_deleted;
    snapshot->plan_events = engine->plan_events;
    snapshot->user_events = engine->user_events;
    snapshot->started_wall_ns = engine->started_wall_ns;
    snapshot->cpu_seconds = engine->cpu_seconds;
    snapshot->resident_bytes = engine->resident_bytes;
    return ref;
}
