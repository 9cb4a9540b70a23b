/*
 * gate.c - what stands between a request and the world: the API's token buckets, and faults
 * that someone ordered.
 *
 * Knows who asks for which action. Refuses to know what the action does.
 */
#include <stdio.h>

#include "state.h"

static const struct sim_action_info infos[ACT_COUNT] = {
#define X(name, mutating, burst, refill) { #name, mutating, burst, refill },
    SIM_ACTIONS(X)
#undef X
};

const struct sim_action_info *sim_action_info(enum sim_action action)
{
    return &infos[action];
}

enum sim_action sim_action_find(struct slice name)
{
    for (enum sim_action action = 0; action < ACT_COUNT; action++) {
        if (slice_is(name, infos[action].name)) {
            return action;
        }
    }
    return ACT_COUNT;
}

void sim_buckets_init(struct sim_ec2 *ec2, double scale)
{
    enum { PLAIN_BURST = 50, PLAIN_REFILL = 10 };

    for (enum sim_action action = 0; action < ACT_COUNT; action++) {
        ec2->buckets[action] = (struct sim_bucket){
            .tokens = infos[action].burst * scale,
            .burst = infos[action].burst * scale,
            .refill_per_s = infos[action].refill * scale,
            .at_ns = ec2->now_ns,
        };
        ec2->plain_describe[action] = (struct sim_bucket){
            .tokens = PLAIN_BURST * scale,
            .burst = PLAIN_BURST * scale,
            .refill_per_s = PLAIN_REFILL * scale,
            .at_ns = ec2->now_ns,
        };
    }
}

static bool take_token(struct sim_bucket *bucket, uint64_t now_ns)
{
    if (now_ns > bucket->at_ns) {
        bucket->tokens += (double)(now_ns - bucket->at_ns) / 1e9 * bucket->refill_per_s;
        if (bucket->tokens > bucket->burst) {
            bucket->tokens = bucket->burst;
        }
        bucket->at_ns = now_ns;
    }
    if (bucket->tokens < 1) {
        bucket->refused++;
        return false;
    }
    bucket->tokens -= 1;
    bucket->taken++;
    return true;
}

static bool matches(const char *pattern, struct slice text)
{
    return pattern[0] == '\0' || slice_is(text, pattern);
}

static bool strikes(struct sim_ec2 *ec2, struct sim_fault *fault, struct slice who,
                    enum sim_action action)
{
    if (fault->count == 0 || !matches(fault->who, who) ||
        !matches(fault->action, slice_of(infos[action].name))) {
        return false;
    }
    if (fault->skip > 0) {
        fault->skip--;
        return false;
    }
    if (fault->probability < 1 && prng_unit(&ec2->prng) >= fault->probability) {
        return false;
    }
    if (fault->count != UINT32_MAX) {
        fault->count--;
    }
    fault->hits++;
    return true;
}

static void hold(struct sim_ec2 *ec2, struct slice who, enum sim_action action,
                 struct sim_gate *ret)
{
    if (ret->hold != 0) {
        return;
    }
    ret->hold = ++ec2->next_hold;
    mem_reserve(&ec2->holds, &ec2->hold_capacity, ec2->hold_count + 1, sizeof(*ec2->holds));
    struct sim_hold *entry = &ec2->holds[ec2->hold_count++];
    *entry = (struct sim_hold){ .id = ret->hold, .action = action };
    (void)snprintf(entry->who, sizeof(entry->who), "%.*s", SLICE_ARG(who));
}

static void apply(struct sim_ec2 *ec2, const struct sim_fault *fault, struct slice who,
                  enum sim_action action, struct sim_gate *ret)
{
    switch (fault->kind) {
    case FAULT_LATENCY:
        ret->delay_ns += fault->latency_ns;
        break;
    case FAULT_ERROR:
        (void)sim_refuse(&ret->problem, fault->code, "%s", fault->message);
        if (fault->status) {
            ret->problem.status = fault->status;
        }
        break;
    case FAULT_THROTTLE:
        (void)sim_refuse(&ret->problem, "RequestLimitExceeded", "Request limit exceeded.");
        break;
    case FAULT_LOST_REPLY:
        ret->lost_reply = true;
        break;
    case FAULT_LOST_REQUEST:
        ret->lost_request = true;
        break;
    case FAULT_CUT_BODY:
        ret->cut_after = fault->cut_after;
        break;
    case FAULT_HOLD:
        hold(ec2, who, action, ret);
        break;
    }
}

void sim_gate(struct sim_ec2 *ec2, struct slice who, enum sim_action action, bool plain,
              struct sim_gate *ret)
{
    struct sim_bucket *bucket = plain ? &ec2->plain_describe[action] : &ec2->buckets[action];

    *ret = (struct sim_gate){ .cut_after = SIZE_MAX, .delay_ns = ec2->latency_ns[action] };
    for (uint32_t i = 0; i < ec2->fault_count; i++) {
        if (strikes(ec2, &ec2->faults[i], who, action)) {
            apply(ec2, &ec2->faults[i], who, action, ret);
        }
    }
    if (ret->lost_request || ret->problem.code) {
        return;
    }
    if (ec2->throttle && !take_token(bucket, ec2->now_ns)) {
        (void)sim_refuse(&ret->problem, "RequestLimitExceeded", "Request limit exceeded.");
    }
}
