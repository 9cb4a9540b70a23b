/*
 * work.c - Deployments, Jobs, and the scheduler that binds their pods: the emptiest node
 * first.
 *
 * Knows how many pods are wanted. Refuses to know addresses.
 */
#include "state.h"

uint32_t world_workload(struct world *world, struct slice name, bool job)
{
    for (uint32_t i = 0; i < world->workload_count; i++) {
        if (slice_eq(world->workloads[i].name, name)) {
            return i;
        }
    }
    mem_reserve(&world->workloads, &world->workload_capacity, world->workload_count + 1,
                sizeof(*world->workloads));
    world->workloads[world->workload_count] = (struct workload){
        .name = name,
        .name_id = world->api ? api_name(world->api, name) : 0,
        .job = job,
    };
    return world->workload_count++;
}

/* ---- the list of a workload's pods ---- */

static void enlist(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    struct workload *work = &world->workloads[row->workload];

    mem_reserve(&work->pods, &work->capacity, work->count + 1, sizeof(*work->pods));
    row->place = work->count;
    row->number = work->next_number++;
    row->generation = work->generation;
    work->pods[work->count++] = pod;
}

static void delist(struct world *world, uint32_t pod)
{
    const struct world_pod *row = &world->pods[pod];
    struct workload *work = &world->workloads[row->workload];
    uint32_t last = work->pods[--work->count];

    work->pods[row->place] = last;
    work->fresh = row->place < work->fresh ? row->place : work->fresh;
    world->pods[last].place = row->place;
}

/* ---- pods without a node ---- */

static void queue(struct world *world, uint32_t pod)
{
    if (world->pending_count == world->pending_capacity) {
        uint32_t capacity = world->pending_capacity ? world->pending_capacity * 2 : 64;
        uint32_t *fresh = mem_resize(NULL, capacity, sizeof(*fresh));
        for (uint32_t i = 0; i < world->pending_count; i++) {
            fresh[i] = world->pending[(world->pending_begin + i) % world->pending_capacity];
        }
        mem_free(world->pending);
        world->pending = fresh;
        world->pending_begin = 0;
        world->pending_capacity = capacity;
    }
    world->pending[(world->pending_begin + world->pending_count++) % world->pending_capacity] = pod;
}

static void unqueue(struct world *world, uint32_t pod)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < world->pending_count; i++) {
        uint32_t at = (world->pending_begin + i) % world->pending_capacity;
        if (world->pending[at] != pod) {
            world->pending[(world->pending_begin + kept++) % world->pending_capacity] =
                world->pending[at];
        }
    }
    world->pending_count = kept;
}

void world_schedule(struct world *world)
{
    world->schedule = false;
    while (world->pending_count > 0 && world->load.count > 0) {
        uint32_t node = world->load.heap[0].handle;
        uint32_t pod = world->pending[world->pending_begin];
        world->pending_begin = (world->pending_begin + 1) % world->pending_capacity;
        world->pending_count--;
        world_pod_bind(world, pod, node);
    }
}

static void add(struct world *world, uint32_t workload)
{
    uint32_t pod = world_pod_new(world, workload, world->workloads[workload].lifetime_ns);

    enlist(world, pod);
    queue(world, pod);
}

static void take_away(struct world *world, uint32_t pod)
{
    delist(world, pod);
    if (world->pods[pod].phase == POD_PENDING) {
        unqueue(world, pod);
    }
    world_pod_end(world, pod);
}

/* ---- Deployments ---- */

void world_work_scale(struct world *world, uint32_t workload, uint32_t count)
{
    while (world->workloads[workload].count < count) {
        add(world, workload);
    }
    while (world->workloads[workload].count > count) {
        struct workload *work = &world->workloads[workload];
        take_away(world, work->pods[work->count - 1]);
    }
    world_schedule(world);
}

void world_work_place(struct world *world, uint32_t workload, uint32_t count, uint32_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pod = world_pod_new(world, workload, world->workloads[workload].lifetime_ns);
        enlist(world, pod);
        world_pod_bind(world, pod, node);
    }
}

/* The first pod of an earlier generation; ROW_NONE: all are new. */
static uint32_t old_pod(const struct world *world, struct workload *work)
{
    for (; work->fresh < work->count; work->fresh++) {
        uint32_t pod = work->pods[work->fresh];
        if (world->pods[pod].generation != work->generation) {
            return pod;
        }
    }
    return ROW_NONE;
}

void world_work_restart(struct world *world, uint32_t workload, uint32_t surge)
{
    struct workload *work = &world->workloads[workload];

    work->generation++;
    work->restart_left = work->count;
    work->surge = surge > 0 ? surge : 1;
    work->surging = work->fresh = 0;
    while (world->workloads[workload].restart_left > 0 &&
           world->workloads[workload].surging < world->workloads[workload].surge) {
        world->workloads[workload].surging++;
        world->workloads[workload].restart_left--;
        add(world, workload);
    }
    world_schedule(world);
}

void world_work_running(struct world *world, uint32_t pod)
{
    uint32_t workload = world->pods[pod].workload;
    struct workload *work = &world->workloads[workload];

    if (work->surging == 0 || world->pods[pod].generation != work->generation) {
        return;
    }
    work->surging--;
    uint32_t old = old_pod(world, work);
    if (old != ROW_NONE) {
        take_away(world, old);
    }
    if (world->workloads[workload].restart_left > 0) {
        world->workloads[workload].restart_left--;
        world->workloads[workload].surging++;
        add(world, workload);
    }
    world_schedule(world);
}

void world_work_lost(struct world *world, uint32_t pod)
{
    uint32_t workload = world->pods[pod].workload;
    bool job = world->workloads[workload].job;

    take_away(world, pod);
    if (!job) {
        add(world, workload);
    }
}

void world_work_ended(struct world *world, uint32_t pod)
{
    take_away(world, pod);
    world_schedule(world);
}
