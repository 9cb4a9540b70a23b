/*
 * demand.c - what users, autoscalers and other tenants do, and when.
 *
 * Knows the acts of the scenario. Refuses to know how the cluster takes them.
 */
#include "state.h"

enum { DRAIN_STEPS = 240 };

void world_demand_begin(struct world *world)
{
    for (uint32_t i = 0; i < world->act_count; i++) {
        timers_set(&world->act_timers, i, world->begin_ns + world->acts[i].at_ns);
    }
}

static void add_pods(struct world *world, const struct act *act, bool job)
{
    uint32_t workload = world_workload(world, act->name, job);

    world->workloads[workload].lifetime_ns = act->lifetime_ns;
    uint32_t node = act->on.len > 0 ? world_node_find(world, act->on) : ROW_NONE;
    if (node != ROW_NONE && world->nodes[node].phase == NODE_UP) {
        world_work_place(world, workload, act->count, node);
        return;
    }
    world_work_scale(world, workload, world->workloads[workload].count + act->count);
}

static void launch(struct world *world, const struct act *act)
{
    for (uint32_t group = 0; group < world->group_count; group++) {
        if (!slice_eq(world->groups[group].name, act->name)) {
            continue;
        }
        for (uint32_t i = 0; i < act->count; i++) {
            (void)world_node_launch(world, group, act->lifetime_ns);
        }
        return;
    }
}

/* The youngest ones of a group, or the node of that name. */
static void remove_nodes(struct world *world, const struct act *act)
{
    uint32_t left = act->count;

    for (uint32_t i = world->node_count; i > 0 && left > 0; i--) {
        const struct world_node *node = &world->nodes[i - 1];
        if (node->phase == NODE_UP && (slice_eq(world->groups[node->group].name, act->name) ||
                                       slice_is(act->name, node->name))) {
            world_node_remove(world, i - 1, true);
            left--;
        }
    }
}

static void evacuate(struct world *world, struct slice zone)
{
    uint32_t handle = interner_find(&world->zones, zone);

    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].phase == NODE_UP && world->nodes[i].zone == handle) {
            world_node_cordon(world, i, true);
        }
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        while (world->nodes[i].phase == NODE_UP && world->nodes[i].zone == handle &&
               world->nodes[i].first_pod != ROW_NONE) {
            world_work_lost(world, world->nodes[i].first_pod);
        }
    }
    world_schedule(world);
}

/* Linear: the same number of addresses with each step, so that the cluster's own use comes on top.
 * */
static void drain(struct world *world, struct act *act)
{
    uint32_t row = sim_subnet_by_name(world->ec2, act->name);
    uint32_t goal = (uint32_t)((double)act->count * world->config.scale);
    uint32_t free = world->ec2->subnets[row].space.free, next = goal;
    struct aws_id id = world->ec2->subnets[row].id;
    struct error error = { 0 };

    if (!act->started) {
        act->started = true;
        act->started_ns = world->now_ns;
        act->from = free;
        act->begun = 0;
    }
    uint64_t passed_ns = world->now_ns - act->started_ns;
    bool last = passed_ns >= act->over_ns;
    if (!last) {
        uint32_t taken = (uint32_t)((double)(act->from > goal ? act->from - goal : 0) *
                                    (double)passed_ns / (double)act->over_ns);
        uint32_t more = taken > act->begun ? taken - act->begun : 0;
        act->begun = taken;
        next = free > more ? free - more : 0;
        next = next > goal ? next : goal;
        timers_set(&world->act_timers, (uint32_t)(act - world->acts),
                   world->now_ns + act->over_ns / DRAIN_STEPS + 1);
    }
    world->moved_ns = next < free ? world->now_ns : world->moved_ns;
    if ((next < free || act->from <= goal) &&
        sim_ec2_drain(world->ec2, world->now_ns, &id, next, &error) != ERR_OK) {
        world_note(world, "%s", error.text);
    }
    if (last) {
        world_note(world, "%.*s has %u free addresses", SLICE_ARG(act->name),
                   world->ec2->subnets[row].space.free);
        act->started = false;
    }
}

static void restart_agents(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].phase == NODE_UP) {
            sim_agent_restart(world->nodes[i].agent, world->now_ns);
            world_agent_changed(world, i);
        }
    }
}

static void cordon(struct world *world, struct act *act)
{
    uint32_t node = world_node_find(world, act->name);

    if (node == ROW_NONE) {
        return;
    }
    world_node_cordon(world, node, !act->started);
    if (!act->started && act->lifetime_ns) {
        timers_set(&world->act_timers, (uint32_t)(act - world->acts),
                   world->now_ns + act->lifetime_ns);
    }
    act->started = !act->started;
    world_schedule(world);
}

static void vanish(struct world *world, const struct act *act)
{
    uint32_t node = world_node_find(world, act->name);

    if (node != ROW_NONE) {
        world_node_remove(world, node, false);
    }
}

static void repeat(struct world *world, uint32_t row)
{
    const struct act *act = &world->acts[row];
    uint64_t next_ns = world->now_ns + act->every_ns;

    if (act->every_ns > 0 &&
        (act->until_ns == UINT64_MAX || next_ns <= world->begin_ns + act->until_ns)) {
        timers_set(&world->act_timers, row, next_ns);
    }
}

void world_act_due(struct world *world, uint32_t row)
{
    struct act *act = &world->acts[row];

    switch (act->kind) {
    case ACT_DO_PODS:
        add_pods(world, act, false);
        break;
    case ACT_DO_JOBS:
        add_pods(world, act, true);
        break;
    case ACT_DO_SCALE:
        world_work_scale(world, world_workload(world, act->name, false), act->count);
        break;
    case ACT_DO_RESTART:
        world_work_restart(world, world_workload(world, act->name, false), act->count);
        break;
    case ACT_DO_NODES:
        launch(world, act);
        break;
    case ACT_DO_REMOVE:
        remove_nodes(world, act);
        break;
    case ACT_DO_EVACUATE:
        evacuate(world, act->name);
        break;
    case ACT_DO_CORDON:
        cordon(world, act);
        return;
    case ACT_DO_VANISH:
        vanish(world, act);
        break;
    case ACT_DO_DRAIN:
        drain(world, act);
        return;
    case ACT_DO_AGENTS:
        restart_agents(world);
        break;
    }
    repeat(world, row);
}
