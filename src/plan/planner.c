/*
 * planner.c - one step: take the event, decide the nodes that it touched, serve, report.
 *
 *   event --> rows --> dirty nodes --> decide --> needy queue --> serve --> actions
 *                         ^ timers                                 status, events, conditions
 *
 * Knows the order of things in a step. Refuses to know EC2, Kubernetes and the agent.
 */
#include <assert.h>

#include "state.h"

/* A step decides so many nodes; a crossing that touches more goes on in the next one, due at once.
 */
enum { DECIDE_MAX = 8192, ROUNDS_MAX = 8, ACTIONS_KEPT = 256, FETCHED = 16 };

static struct slice node_name_key(const void *rows, uint32_t handle)
{
    const struct planner *p = rows;

    return p->nodes[handle].name_text;
}

static struct slice node_instance_key(const void *rows, uint32_t handle)
{
    const struct planner *p = rows;

    return aws_id_slice(&p->nodes[handle].instance);
}

static struct slice subnet_key(const void *rows, uint32_t handle)
{
    const struct planner *p = rows;

    return aws_id_slice(&p->subnets[handle].id);
}

struct planner *plan_new(const struct plan_config *config)
{
    struct planner *p = mem_resize(NULL, 1, sizeof(*p));

    *p = (struct planner){ .config = *config };
    if (p->config.leak_grace_ns == 0) {
        p->config.leak_grace_ns = 90 * SECOND_NS;
    }
    strings_init(&p->strings);
    p->cluster = strings_hold(&p->strings, config->cluster_name);
    p->config.cluster_name = plan_text(p, p->cluster);
    prng_init(&p->prng, config->seed);
    arena_init(&p->arena);
    arena_init(&p->agent_arena);
    arena_init(&p->cloud_arena);
    index_init(&p->node_names, node_name_key);
    index_init(&p->node_instances, node_instance_key);
    index_init(&p->subnet_ids, subnet_key);
    timers_init(&p->timers);
    timers_init(&p->needy);
    p->node_unused = NONE;
    p->sweep_due_ns = TIMERS_NEVER;
    p->order_unused = NONE;
    agent_settings_default(&p->agent);
    return p;
}

static void free_rows(struct planner *p)
{
    for (uint32_t i = 0; i < p->node_count; i++) {
        mem_free(p->nodes[i].labels);
        mem_free(p->nodes[i].enis);
    }
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        mem_free(p->subnets[i].tags);
        mem_free(p->subnets[i].reservations);
    }
    for (uint32_t i = 0; i < p->zone_count; i++) {
        mem_free(p->zones[i].subnets);
        mem_free(p->zones[i].starved);
    }
    for (uint32_t i = 0; i < p->pool_count; i++) {
        arena_done(&p->pools[i].arena);
        mem_free(p->pools[i].links);
        mem_free(p->pools[i].groups);
    }
    for (uint32_t i = 0; i < p->group_count; i++) {
        mem_free(p->groups[i].nodes);
    }
    for (uint32_t i = 0; i < p->security_group_count; i++) {
        mem_free(p->security_groups[i].tags);
    }
}

void plan_free(struct planner *p)
{
    if (!p) {
        return;
    }
    free_rows(p);
    mem_free(p->nodes);
    mem_free(p->listed);
    mem_free(p->subnets);
    mem_free(p->zones);
    mem_free(p->pools);
    mem_free(p->groups);
    mem_free(p->types);
    mem_free(p->eniconfigs);
    mem_free(p->security_groups);
    mem_free(p->orders);
    mem_free(p->leftovers);
    mem_free(p->dirty);
    mem_free(p->actions);
    sweep_drop(p);
    index_done(&p->node_names);
    index_done(&p->node_instances);
    index_done(&p->subnet_ids);
    timers_done(&p->timers);
    timers_done(&p->needy);
    strings_done(&p->strings);
    arena_done(&p->arena);
    arena_done(&p->agent_arena);
    arena_done(&p->cloud_arena);
    mem_free(p);
}

/* ---- the step ---- */

static void send_sweep(struct planner *p)
{
    /* One from before all nodes are known would leave those out that come later. */
    if (!p->synced || (!p->leader && !p->config.dry_run)) {
        return;
    }
    bool first = p->leader && !p->swept && plan_first_sweep_ns(p) <= p->now_ns;
    if (first || p->sweep_due_ns <= p->now_ns) {
        p->sweep_due_ns = TIMERS_NEVER;
        p->sweep_sent_ns = p->now_ns;
        plan_add(p, PLAN_OBSERVE)->urgency = URGENT_REFRESH;
    }
}

static void take_lease(struct planner *p, bool leader, uint32_t handovers)
{
    if (leader == p->leader) {
        return;
    }
    p->leader = leader;
    if (leader && handovers != p->handovers) {
        /* What agents have lately handed back only the last holder knows. */
        p->handovers = handovers;
        p->bets_ns = p->now_ns + HAND_BACK_NS;
    }
    p->swept = false; /* the last holder may have changed what we have not seen */
    p->leader_ns = p->now_ns;
    p->sweep_sent_ns = 0;
    send_sweep(p); /* before each node asks for what it will bring */
    for (uint32_t i = 0; i < p->pool_count; i++) {
        p->pools[i].told = false;
        pools_touch(p, i, true);
    }
    plan_dirty_all(p);
}

static void take_cloud(struct planner *p, const struct plan_event *event)
{
    if (event->cloud.code != p->cloud) {
        for (uint32_t i = 0; i < p->pool_count; i++) {
            pools_touch(p, i, true);
        }
    }
    p->cloud = event->cloud.code;
    arena_reset(&p->cloud_arena);
    p->cloud_operation = arena_slice(&p->cloud_arena, event->cloud.operation);
    p->cloud_message = arena_slice(&p->cloud_arena, event->cloud.message);
}

static void dispatch(struct planner *p, const struct plan_event *event)
{
    switch (event->kind) {
    case PLAN_TICK:
        break;
    case PLAN_NODE:
        cluster_node(p, &event->node);
        break;
    case PLAN_NODE_GONE:
        cluster_node_gone(p, event->name);
        break;
    case PLAN_PODS:
        cluster_pods(p, event);
        break;
    case PLAN_AGENT_POD:
        cluster_agent_pod(p, event->agent_pod.node, event->agent_pod.ready);
        break;
    case PLAN_POOL:
        pools_set(p, &event->pool);
        break;
    case PLAN_POOL_GONE:
        pools_gone(p, event->name);
        break;
    case PLAN_AGENT:
        cluster_agent(p, &event->agent);
        break;
    case PLAN_ENICONFIG:
        cluster_eniconfig(p, &event->eniconfig);
        break;
    case PLAN_ENICONFIG_GONE:
        cluster_eniconfig_gone(p, event->name);
        break;
    case PLAN_KUBE_SYNCED:
        p->synced = true;
        send_sweep(p); /* as in take_lease */
        break;
    case PLAN_KUBE_STALE:
        p->kube_stale = event->stale;
        break;
    case PLAN_LEASE:
        take_lease(p, event->leader, event->handovers);
        break;
    case PLAN_SUBNETS:
        subnet_observe(p, event);
        break;
    case PLAN_ENIS:
        enis_observe(p, event);
        break;
    case PLAN_SWEEP:
        sweep_page(p, event);
        break;
    case PLAN_TYPE:
        cluster_type_limits(p, &event->type);
        break;
    case PLAN_TYPE_UNKNOWN:
        cluster_type_unknown(p, event->name);
        break;
    case PLAN_GROUPS:
        pools_security_groups(p, event->groups.groups, event->groups.count);
        break;
    case PLAN_RESULT:
        ledger_result(p, &event->result);
        break;
    case PLAN_CLOUD:
        take_cloud(p, event);
        break;
    }
}

/* Decides at most so many of the dirty nodes; says how many. */
static uint32_t decide_dirty(struct planner *p, uint32_t most)
{
    uint32_t node = NONE;
    uint32_t done = 0;

    while (timers_pop(&p->timers, p->now_ns, &node)) {
        p->nodes[node].timed = false;
        plan_dirty(p, node);
    }
    if (!p->synced) {
        return 0;
    }
    while (done < p->dirty_count && done < most) {
        if (done % FETCHED == 0) {
            uint32_t rest = p->dirty_count - done;
            plan_fetch(p, p->dirty + done, rest < FETCHED ? rest : FETCHED);
        }
        node = p->dirty[done++];
        p->nodes[node].dirty = false;
        if (p->nodes[node].live) {
            decide(p, node);
        }
    }
    if (done > 0) {
        memmove(p->dirty, p->dirty + done, (p->dirty_count - done) * sizeof(*p->dirty));
        p->dirty_count -= done;
    }
    p->more_waiting = p->dirty_count > 0;
    return done;
}

void plan_step(struct planner *p, const struct plan_event *event, struct plan_actions *out)
{
    assert(event->now_ns >= p->now_ns);
    p->now_ns = event->now_ns;
    p->wall_ns = event->wall_ns;
    arena_reset(&p->arena);
    p->logs = (struct log_list){ .arena = &p->arena };
    p->action_count = 0;
    if (p->action_capacity > ACTIONS_KEPT) {
        /* The start asks for every node's ENIs in one step: megabytes that are not needed again. */
        p->actions = mem_resize(p->actions, 0, sizeof(*p->actions));
        p->action_capacity = 0;
    }

    dispatch(p, event);
    if (plan_acting(p) != p->was_acting) {
        p->was_acting = !p->was_acting;
        plan_dirty_all(p);
        pools_tell_conflicts(p);
    }
    /* Serving one node may call for another look at it: pods beyond one ENI's addresses. */
    uint32_t left = DECIDE_MAX;
    for (uint32_t round = 0; round < ROUNDS_MAX && (round == 0 || p->dirty_count > 0); round++) {
        left -= decide_dirty(p, left);
        decide_serve(p);
    }
    if (plan_acting(p)) {
        leftover_tick(p);
    }
    subnet_tick(p);
    send_sweep(p);
    status_tick(p);
    *out = (struct plan_actions){
        .items = p->actions,
        .count = p->action_count,
        .logs = p->logs.records,
        .log_count = p->logs.count,
    };
}

uint64_t plan_deadline_ns(const struct planner *p)
{
    uint64_t at_ns = TIMERS_NEVER;

    if (p->synced) {
        at_ns = p->dirty_count > 0 ? p->now_ns : timers_next_ns(&p->timers);
        at_ns = sooner(at_ns, status_deadline_ns(p));
    }
    if (p->synced && (p->leader || p->config.dry_run)) {
        at_ns = sooner(at_ns, p->sweep_due_ns);
    }
    if (p->synced && p->leader && !p->swept) {
        at_ns = sooner(at_ns, plan_first_sweep_ns(p));
    }
    if (plan_acting(p)) {
        at_ns = sooner(at_ns, leftover_deadline_ns(p));
    }
    return at_ns;
}
