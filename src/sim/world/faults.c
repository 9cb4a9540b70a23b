/*
 * faults.c - what goes wrong, and when it heals: data, from the scenario or drawn from the
 * seed.
 *
 * Knows how to break the modelled servers, the connections and the controller's process. Refuses
 * to touch the production code inside.
 */
#include <stdio.h>

#include "state.h"

#define CRASH_NS (5 * SIM_S) /* until the kubelet has started it again */
#define STEAL_EVERY_NS (2 * SIM_S)

enum { LEASE_S = 15 };

static const char *const names[BREAK_KINDS] = {
    [BREAK_LAG] = "EC2's describes lag",
    [BREAK_THROTTLE] = "EC2 throttles",
    [BREAK_ERROR] = "EC2 answers with 5xx",
    [BREAK_LOST_REPLY] = "EC2's replies are lost",
    [BREAK_LOST_REQUEST] = "requests to EC2 are lost",
    [BREAK_CUT] = "EC2's answers are cut",
    [BREAK_LATENCY] = "EC2 is slow",
    [BREAK_CRASH] = "the controller crashes",
    [BREAK_SILENCE] = "no byte comes from the API server",
    [BREAK_API] = "the API server is down",
    [BREAK_COMPACT] = "etcd is compacted, watches break",
    [BREAK_STEAL] = "another replica has the lease",
    [BREAK_CLOCK] = "the controller's wall clock is wrong",
};

void world_faults_begin(struct world *world)
{
    world->heal_ns = world->begin_ns;
    for (uint32_t i = 0; i < world->fault_count; i++) {
        const struct world_fault *fault = &world->faults[i];
        uint64_t end_ns = world->begin_ns + fault->at_ns + fault->for_ns + fault->amount_ns;
        if (world->api) {
            timers_set(&world->fault_timers, i, world->begin_ns + fault->at_ns);
        }
        world->heal_ns = end_ns > world->heal_ns ? end_ns : world->heal_ns;
    }
}

/* Two to six faults in the first half of the time. */
void world_faults_draw(struct world *world)
{
    uint64_t half_ns = (world->end_ns - world->begin_ns) / 2;
    uint64_t count = 2 + prng_below(&world->prng, 5);

    for (uint64_t i = 0; i < count; i++) {
        struct world_fault fault = {
            .kind = (enum world_fault_kind)prng_below(&world->prng, BREAK_KINDS),
            .at_ns = 5 * SIM_S + prng_below(&world->prng, half_ns),
            .for_ns = 10 * SIM_S + prng_below(&world->prng, 110 * SIM_S),
            .share = 0.1 + prng_unit(&world->prng) * 0.8,
        };
        if (fault.kind == BREAK_LAG) {
            fault.amount_ns = 5 * SIM_S + prng_below(&world->prng, 40 * SIM_S);
        } else if (fault.kind == BREAK_LATENCY) {
            fault.amount_ns = SIM_S + prng_below(&world->prng, 8 * SIM_S);
        } else if (fault.kind == BREAK_CLOCK) {
            fault.amount_ns = 30 * SIM_S + prng_below(&world->prng, 1200 * SIM_S);
        } else if (fault.kind == BREAK_CRASH) {
            fault.amount_ns = SIM_S + prng_below(&world->prng, 30 * SIM_S);
        }
        mem_reserve(&world->faults, &world->fault_capacity, world->fault_count + 1, sizeof(fault));
        world->faults[world->fault_count++] = fault;
    }
}

/* ---- EC2 ---- */

static void break_ec2(struct world *world, struct world_fault *fault)
{
    static const enum sim_fault_kind kinds[BREAK_KINDS] = {
        [BREAK_THROTTLE] = FAULT_THROTTLE,     [BREAK_ERROR] = FAULT_ERROR,
        [BREAK_LOST_REPLY] = FAULT_LOST_REPLY, [BREAK_LOST_REQUEST] = FAULT_LOST_REQUEST,
        [BREAK_CUT] = FAULT_CUT_BODY,          [BREAK_LATENCY] = FAULT_LATENCY,
    };

    if (world->ec2->fault_count == SIM_FAULTS_MAX) {
        return;
    }
    struct sim_fault *row = &world->ec2->faults[world->ec2->fault_count++];
    *row = (struct sim_fault){
        .id = ++world->ec2->next_fault,
        .kind = kinds[fault->kind],
        .count = UINT32_MAX,
        .probability = fault->share,
        .latency_ns = fault->amount_ns,
        .cut_after = 40,
        .code = "Unavailable",
        .message = "The service is unavailable. Please try again shortly.",
        .status = 503,
    };
    if (fault->kind != BREAK_THROTTLE && fault->kind != BREAK_LATENCY) {
        (void)snprintf(row->who, sizeof(row->who), "%.*s",
                       SLICE_ARG(world->ec2->identities[0].who));
    }
    fault->id = row->id;
}

static void heal_ec2(struct world *world, const struct world_fault *fault)
{
    for (uint32_t i = 0; i < world->ec2->fault_count; i++) {
        if (world->ec2->faults[i].id == fault->id) {
            world->ec2->faults[i] = world->ec2->faults[--world->ec2->fault_count];
            return;
        }
    }
}

/* ---- the lease in other hands ---- */

uint64_t world_steal_deadline_ns(const struct world *world)
{
    return world->steal_next_ns;
}

void world_steal_due(struct world *world)
{
    char time[TIMESTAMP_MAX];
    struct slice now = timestamp_format(world_wall_ns(world), 6, time);

    if (world->now_ns >= world->stolen_until_ns) {
        world->steal_next_ns = world->stolen_until_ns = UINT64_MAX; /* it lapses */
        return;
    }
    (void)api_object_put(world->api, API_LEASES, SLICE("headroom-system"),
                         SLICE("headroom-controller"),
                         arena_printf(&world->scratch,
                                      "{\"holderIdentity\":\"another\",\"leaseDurationSeconds\":%d,"
                                      "\"acquireTime\":\"%.*s\",\"renewTime\":\"%.*s\","
                                      "\"leaseTransitions\":7}",
                                      LEASE_S, SLICE_ARG(now), SLICE_ARG(now)));
    world->steal_next_ns = world->now_ns + STEAL_EVERY_NS;
}

/* ---- one fault ---- */

static void parked_go_on(struct world *world)
{
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct world_call *call = &world->calls[i];
        if (call->used && call->to_kube && call->phase != CALL_STREAM && call->phase != CALL_END &&
            call->at_ns == UINT64_MAX) {
            call->at_ns = world->now_ns;
            timers_set(&world->call_timers, i, world->now_ns);
        }
    }
    world->api->changed = true;
}

static void strike(struct world *world, struct world_fault *fault)
{
    switch (fault->kind) {
    case BREAK_LAG:
        world->ec2->lag_ns = fault->amount_ns;
        return;
    case BREAK_CRASH:
        world_stop_engine(world);
        world->engine_back_ns = world->now_ns + (fault->amount_ns ? fault->amount_ns : CRASH_NS);
        return;
    case BREAK_SILENCE:
        world->silent = true;
        return;
    case BREAK_API:
        world->api_down = true;
        world_net_api_lost(world);
        return;
    case BREAK_COMPACT:
        api_compact(world->api);
        world_net_api_lost(world);
        return;
    case BREAK_STEAL:
        world->stolen_until_ns = world->now_ns +
                                 (fault->amount_ns ? fault->amount_ns : fault->for_ns);
        world->steal_next_ns = world->now_ns;
        return;
    case BREAK_CLOCK:
        world->clock_jump_ns = (int64_t)fault->amount_ns;
        return;
    default:
        break_ec2(world, fault);
        return;
    }
}

static void heal(struct world *world, struct world_fault *fault)
{
    switch (fault->kind) {
    case BREAK_LAG:
        world->ec2->lag_ns = 0;
        return;
    case BREAK_SILENCE:
        world->silent = false;
        parked_go_on(world);
        return;
    case BREAK_API:
        world->api_down = false;
        return;
    case BREAK_CLOCK:
        world->clock_jump_ns = 0;
        return;
    case BREAK_CRASH:
    case BREAK_COMPACT:
    case BREAK_STEAL:
        return;
    default:
        heal_ec2(world, fault);
        return;
    }
}

void world_fault_due(struct world *world, uint32_t row)
{
    struct world_fault *fault = &world->faults[row];

    if (fault->on) {
        fault->on = false;
        world_note(world, "healed: %s", names[fault->kind]);
        heal(world, fault);
        return;
    }
    fault->on = true;
    world_note(world, "fault: %s", names[fault->kind]);
    strike(world, fault);
    uint64_t for_ns = fault->for_ns ? fault->for_ns : 30 * SIM_S;
    timers_set(&world->fault_timers, row, world->now_ns + for_ns);
}
