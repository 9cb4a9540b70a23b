/*
 * pods.c - kubelets: a pod asks its node's agent for an address, waits if it must, runs, and
 * ends.
 *
 * Knows the kubelet's rhythm: the first attempt within a second of the binding, the next one 1 to
 * 2 s later, then each 10 to 15 s. Refuses to know why a pod is there.
 */
#include "state.h"

#define FIRST_NS (200 * SIM_MS)
#define FIRST_SPREAD_NS (800 * SIM_MS)
#define SECOND_NS (1 * SIM_S)
#define JOB_GONE_NS (10 * SIM_S)

static struct slice pod_key(struct world *world, uint32_t pod)
{
    const struct world_pod *row = &world->pods[pod];

    return arena_printf(&world->scratch, "%u/%u/%u", row->workload, row->number, pod);
}

uint32_t world_pod_new(struct world *world, uint32_t workload, uint64_t lifetime_ns)
{
    uint32_t row;

    if (world->free_pod_count > 0) {
        row = world->free_pods[--world->free_pod_count];
    } else {
        row = world->pod_count++;
        mem_reserve(&world->pods, &world->pod_capacity, row + 1, sizeof(*world->pods));
    }
    world->pods[row] = (struct world_pod){
        .phase = POD_PENDING,
        .workload = workload,
        .node = ROW_NONE,
        .next = ROW_NONE,
        .prev = ROW_NONE,
        .lent_subnet = ROW_NONE,
        .lifetime_ns = lifetime_ns,
    };
    return row;
}

static void to_api(struct world *world, uint32_t pod, enum api_phase phase)
{
    const struct world_pod *row = &world->pods[pod];

    if (!world->api) {
        return;
    }
    struct api_pod object = {
        .workload = world->workloads[row->workload].name_id,
        .number = row->number,
        .node = world->nodes[row->node].api,
        .ip = row->ip,
        .phase = phase,
        .ready = phase == PHASE_RUNNING,
    };
    api_pod_put(world->api, pod, &object);
}

/* ---- the node's list ---- */

static void join(struct world *world, uint32_t pod, uint32_t node)
{
    struct world_pod *row = &world->pods[pod];

    row->node = node;
    row->next = world->nodes[node].first_pod;
    row->prev = ROW_NONE;
    if (row->next != ROW_NONE) {
        world->pods[row->next].prev = pod;
    }
    world->nodes[node].first_pod = pod;
    world->nodes[node].pods++;
    world_node_load(world, node);
}

static void part(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];

    if (row->prev != ROW_NONE) {
        world->pods[row->prev].next = row->next;
    } else {
        world->nodes[row->node].first_pod = row->next;
    }
    if (row->next != ROW_NONE) {
        world->pods[row->next].prev = row->prev;
    }
    world->nodes[row->node].pods--;
    world_node_load(world, row->node);
}

void world_pod_bind(struct world *world, uint32_t pod, uint32_t node)
{
    struct world_pod *row = &world->pods[pod];

    join(world, pod, node);
    row->phase = POD_ASKING;
    row->bound_ns = world->now_ns;
    world->result.pods_started++;
    to_api(world, pod, PHASE_PENDING);
    timers_set(&world->pod_timers, pod,
               world->now_ns + FIRST_NS +
                   world_draw(world, row->number, 4 + row->workload * 8, FIRST_SPREAD_NS));
}

/* ---- asking ---- */

static void stop_waiting(struct world *world, struct world_pod *row)
{
    if (row->waiting) {
        world_account(world, row->node);
        row->waiting = false;
        world->nodes[row->node].waiting--;
        world->waiting--;
    }
}

static void run(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];

    stop_waiting(world, row);
    world_waited(world, row);
    row->phase = POD_RUNNING;
    row->ends_ns = row->lifetime_ns ? world->now_ns + row->lifetime_ns : UINT64_MAX;
    to_api(world, pod, PHASE_RUNNING);
    timers_set(&world->pod_timers, pod, row->ends_ns);
    world_work_running(world, pod);
}

static void refused(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    uint64_t wait_ns = SECOND_NS;

    world_account(world, row->node);
    if (!row->waiting) {
        row->waiting = true;
        row->refused_ns = world->now_ns;
        world->nodes[row->node].waiting++;
        world->waiting++;
        world->result.pods_waited++;
        world->nodes[row->node].helpable = world_helpable(world, row->node);
        world_check_refused(world, row->node);
        world_note(world, "%s refuses %.*s-%u%s", world->nodes[row->node].name,
                   SLICE_ARG(world->workloads[row->workload].name), row->number,
                   world->nodes[row->node].helpable ? ", though its zone has an address" : "");
    }
    if (row->tries > 1) {
        wait_ns = world->retry_ns;
    }
    wait_ns += world_draw(world, row->number * 64 + row->tries, 5 + row->workload * 8,
                          row->tries > 1 ? wait_ns / 2 : wait_ns);
    timers_set(&world->pod_timers, pod, world->now_ns + wait_ns);
    world_check_wait(world, pod);
}

static void ask(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    struct world_node *node = &world->nodes[row->node];
    struct error error = { 0 };

    row->tries++;
    if (node->phase != NODE_UP) {
        timers_set(&world->pod_timers, pod, world->now_ns + world->retry_ns);
        return;
    }
    enum err err = sim_agent_add(node->agent, world->now_ns, pod_key(world, pod), &row->ip, &error);
    world_agent_changed(world, row->node);
    if (err == ERR_OK) {
        world_check_served(world, row->node, row->ip);
    }
    if (err == ERR_OK || (world->config.column == WORLD_ORACLE && world_oracle_lend(world, pod))) {
        run(world, pod);
    } else {
        refused(world, pod);
    }
}

/* ---- the end ---- */

static void give_back(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    struct world_node *node = &world->nodes[row->node];

    if (row->lent_subnet != ROW_NONE) {
        world_oracle_return(world, pod);
    } else if (row->phase == POD_RUNNING && node->phase == NODE_UP) {
        sim_agent_del(node->agent, world->now_ns, pod_key(world, pod));
        world_agent_changed(world, row->node);
    }
}

void world_pod_end(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];

    timers_set(&world->pod_timers, pod, TIMERS_NEVER);
    if (row->node != ROW_NONE) {
        if (row->phase == POD_ASKING) {
            stop_waiting(world, row);
            world_waited(world, row);
        }
        give_back(world, pod);
        part(world, pod);
        if (world->api) {
            api_pod_delete(world->api, pod);
        }
    }
    row->phase = POD_FREE;
    mem_reserve(&world->free_pods, &world->free_pod_capacity, world->free_pod_count + 1,
                sizeof(*world->free_pods));
    world->free_pods[world->free_pod_count++] = pod;
}

/* A Job's pod is over: its address is free, its object stays for a moment. */
static void complete(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];

    give_back(world, pod);
    row->phase = POD_ENDED;
    to_api(world, pod, PHASE_SUCCEEDED);
    timers_set(&world->pod_timers, pod, world->now_ns + JOB_GONE_NS);
}

void world_pod_due(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];

    switch (row->phase) {
    case POD_ASKING:
        ask(world, pod);
        return;
    case POD_RUNNING:
        if (world->workloads[row->workload].job) {
            complete(world, pod);
            return;
        }
        world_work_ended(world, pod);
        return;
    case POD_ENDED:
        world_work_ended(world, pod);
        return;
    default:
        return;
    }
}
