/*
 * ec2.c - the EC2 machine: its step, its deadline, its views.
 *
 * Knows the order in which the parts have their turn. Refuses to know how any of them works.
 */
#include <assert.h>
#include <stdio.h>

#include "machine.h"

void ec2_earliest(uint64_t *deadline_ns, uint64_t at_ns)
{
    if (at_ns < *deadline_ns) {
        *deadline_ns = at_ns;
    }
}

struct slice ec2_step_copy(struct ec2 *ec2, struct slice s)
{
    return arena_slice(&ec2->step, s);
}

uint64_t ec2_backoff_ns(struct ec2 *ec2, uint64_t base_ns, uint64_t cap_ns, uint32_t attempt)
{
    return ec2->now_ns + prng_backoff(&ec2->prng, base_ns, cap_ns, attempt);
}

struct plan_event *ec2_event_add(struct ec2 *ec2, enum plan_event_kind kind)
{
    if (ec2->event_count == ec2->event_capacity) {
        uint32_t capacity = ec2->event_capacity ? ec2->event_capacity * 2 : 8;
        struct plan_event *events = ARENA_ARRAY(&ec2->step, struct plan_event, capacity);
        if (ec2->event_count > 0) {
            memcpy(events, ec2->events, ec2->event_count * sizeof(*events));
        }
        ec2->events = events;
        ec2->event_capacity = capacity;
    }
    struct plan_event *event = &ec2->events[ec2->event_count++];
    *event = (struct plan_event){ .kind = kind, .now_ns = ec2->now_ns, .wall_ns = ec2->wall_ns };
    return event;
}

/* ---- making and freeing ---- */

/* Every slice of the environment becomes our own. */
static void copy_environment(struct arena *arena, struct ec2_environment *env)
{
    struct slice *texts[] = {
        &env->access_key_id,
        &env->secret_access_key,
        &env->session_token,
        &env->region,
        &env->default_region,
        &env->profile,
        &env->config_file,
        &env->credentials_file,
        &env->web_identity_token_file,
        &env->role_arn,
        &env->role_session_name,
        &env->container_full_uri,
        &env->container_relative_uri,
        &env->container_token,
        &env->container_token_file,
        &env->metadata_endpoint,
        &env->endpoint_ec2,
        &env->endpoint_sts,
        &env->endpoint,
        &env->ca_bundle,
        &env->user_agent,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_slice(arena, *texts[i]);
    }
}

static void init_buckets(struct ec2 *ec2, double share)
{
#define X(name, burst, refill, mutates)                                                            \
    ec2_bucket_init(&ec2->buckets[OP_##name], (burst)*share, (refill)*share);
    EC2_OPS(X)
#undef X
}

/* A header's value: what is not plain becomes "-". */
static void set_user_agent(struct ec2 *ec2, struct slice name)
{
    (void)snprintf(ec2->user_agent, sizeof(ec2->user_agent), "%.*s%s%.*s",
                   (int)(ec2->env.user_agent.len < 60 ? ec2->env.user_agent.len : 60),
                   ec2->env.user_agent.data, name.len > 0 ? " cluster/" : "",
                   (int)(name.len < 80 ? name.len : 80), name.data ? name.data : "");
    for (char *at = ec2->user_agent; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '-';
        }
    }
}

struct ec2 *ec2_new(const struct ec2_config *config)
{
    struct ec2 *ec2 = mem_zeroed(1, sizeof(*ec2));

    arena_init(&ec2->arena);
    arena_init(&ec2->step);
    ec2->env = config->env;
    copy_environment(&ec2->arena, &ec2->env);
    ec2->tls.ca_file = ec2->env.ca_bundle;
    prng_init(&ec2->prng, config->seed);
    ec2->fetch_next = config->fetch_base;
    init_buckets(ec2, config->budget_share > 0 ? config->budget_share : 1.0 / 3);
    set_user_agent(ec2, config->cluster_name);
    ec2_identity_init(&ec2->identity);
    ec2_reads_init(ec2, config);
    return ec2;
}

void ec2_free(struct ec2 *ec2)
{
    if (!ec2) {
        return;
    }
    ec2_identity_done(&ec2->identity);
    ec2_calls_done(ec2);
    ec2_mutations_done(ec2);
    ec2_reads_done(ec2);
    arena_done(&ec2->step);
    arena_done(&ec2->arena);
    mem_free(ec2);
}

/* ---- stepping ---- */

static void take_action(struct ec2 *ec2, const struct plan_action *action)
{
    switch (action->kind) {
    case PLAN_ATTACH:
    case PLAN_ASSIGN:
    case PLAN_DELETE:
        ec2_mutation_add(ec2, action);
        break;
    case PLAN_OBSERVE:
        if (action->instance.text[0]) {
            ec2_observe_want(ec2, &action->instance, action->urgency);
        } else {
            ec2_reads_sweep_now(ec2);
        }
        break;
    case PLAN_OBSERVE_SUBNETS:
        ec2_reads_subnets_now(ec2);
        break;
    case PLAN_NEED_TYPE:
        ec2_types_want(ec2, action->type_name);
        break;
    case PLAN_SUBNET_PACE:
        ec2_reads_subnet_pace(ec2, action->pace_ms);
        break;
    case PLAN_EVENT:
    case PLAN_POOL_STATUS:
    case PLAN_NODE_CONDITION:
    case PLAN_NODE_TAINT:
        assert(false && "an action of the Kubernetes side");
    }
}

static void take_input(struct ec2 *ec2, const struct ec2_input *input)
{
    switch (input->kind) {
    case EC2_TICK:
        break;
    case EC2_FETCH:
        if (!ec2_identity_fetch(ec2, &input->fetch)) {
            (void)ec2_calls_fetch(ec2, &input->fetch);
        }
        break;
    case EC2_ACTION:
        take_action(ec2, &input->action);
        break;
    case EC2_INSTANCE:
        ec2_observe_instance(ec2, &input->instance);
        break;
    case EC2_INSTANCE_GONE:
        ec2_observe_instance_gone(ec2, &input->instance);
        break;
    case EC2_PROBE:
        ec2_probe_add(ec2, &input->probe);
        break;
    case EC2_FENCE:
        ec2->fence_ns = input->fence_ns;
        break;
    case EC2_STOP:
        ec2->stopping = true;
        break;
    }
}

static uint64_t next_deadline_ns(struct ec2 *ec2)
{
    uint64_t deadline = ec2_identity_deadline_ns(ec2);

    ec2_earliest(&deadline, ec2_calls_deadline_ns(ec2));
    ec2_earliest(&deadline, ec2_mutations_deadline_ns(ec2));
    if (!ec2->stopping) {
        ec2_earliest(&deadline, ec2_reads_deadline_ns(ec2));
        ec2_earliest(&deadline, ec2_observe_deadline_ns(ec2));
        ec2_earliest(&deadline, ec2_types_deadline_ns(ec2));
    }
    /* What is due now and did not go waits for an answer: no reason to spin. */
    return deadline <= ec2->now_ns ? ec2->now_ns + MS_NS : deadline;
}

void ec2_step(struct ec2 *ec2, const struct ec2_input *input, struct ec2_output *out)
{
    assert(input->now_ns >= ec2->now_ns);
    ec2->now_ns = input->now_ns;
    ec2->wall_ns = input->wall_ns;
    ec2_calls_reap(ec2);
    arena_reset(&ec2->step);
    ec2->events = NULL;
    ec2->event_count = ec2->event_capacity = 0;
    *out = (struct ec2_output){ .fetches = { .arena = &ec2->step },
                                .logs = { .arena = &ec2->step } };
    ec2->fetches = &out->fetches;
    ec2->logs = &out->logs;

    take_input(ec2, input);
    ec2_identity_run(ec2);
    ec2_calls_repeat(ec2); /* what was throttled has its turn before what is new */
    ec2_mutations_admit(ec2);
    if (!ec2->stopping) {
        ec2_reads_run(ec2);
        ec2_observe_run(ec2);
        ec2_types_run(ec2);
    }
    ec2_calls_run(ec2);
    ec2_health_report(ec2);

    out->events = ec2->events;
    out->event_count = ec2->event_count;
    ec2->deadline_ns = next_deadline_ns(ec2);
    ec2->fetches = NULL;
    ec2->logs = NULL;
}

uint64_t ec2_deadline_ns(const struct ec2 *ec2)
{
    return ec2->deadline_ns;
}

bool ec2_idle(const struct ec2 *ec2)
{
    uint32_t queued = 0;

    for (enum queue_kind kind = QUEUE_ATTACH; kind < QUEUE_COUNT; kind++) {
        queued += ec2->queues[kind].count;
    }
    return ec2->mutations_active == 0 && queued == 0;
}

/* ---- views ---- */

static void action_stats(const struct ec2 *ec2, enum ec2_op op, uint64_t now_ns,
                         struct ec2_action_stats *ret)
{
    const struct op_stats *stats = &ec2->stats[op];
    struct bucket bucket = ec2->buckets[op];

    ec2_bucket_advance(&bucket, now_ns);
    *ret = (struct ec2_action_stats){
        .action = ec2_op_name(op),
        .tokens = bucket.tokens,
        .burst = bucket.burst,
        .refill_per_s = bucket.refill,
        .requests = stats->requests,
        .throttled = stats->throttled,
        .failed = stats->failed,
        .latency_sum_us = stats->latency_sum_us,
        .latency_count = stats->latency_count,
        .code_count = stats->code_count,
    };
    for (uint32_t i = 0; i < stats->code_count; i++) {
        memcpy(ret->codes[i].code, stats->codes[i].code, sizeof(ret->codes[i].code));
        ret->codes[i].count = stats->codes[i].count;
    }
}

void ec2_stats(const struct ec2 *ec2, uint64_t now_ns, struct ec2_stats *ret)
{
    _Static_assert((int)EC2_OP_COUNT <= (int)EC2_ACTION_NAMES_MAX,
                   "the actions must fit into the view");
    *ret = (struct ec2_stats){ .action_count = EC2_OP_COUNT };
    for (uint32_t op = 0; op < EC2_OP_COUNT; op++) {
        action_stats(ec2, (enum ec2_op)op, now_ns, &ret->actions[op]);
    }
    for (uint32_t i = 0; i < ec2->mutation_count; i++) {
        const struct mutation *m = &ec2->mutations[i];
        if (m->state == MUTATION_QUEUED) {
            ret->queued[m->urgency < URGENCY_COUNT ? m->urgency : URGENT_REFRESH]++;
        }
    }
    (void)snprintf(ret->identity_source, sizeof(ret->identity_source), "%s", ec2->identity.source);
    ret->identity_expires_wall_ns = ec2->identity.expires_wall_ns;
    ret->clock_skew_ms = ec2->skew_ns / 1000000;
    (void)snprintf(ret->region, sizeof(ret->region), "%s", ec2->identity.region);
    (void)snprintf(ret->endpoint, sizeof(ret->endpoint), "%s", ec2->endpoint.url);
    ret->subnets_asked_ns = ec2->reads.subnets.asked_ns;
    ret->sweep_asked_ns = ec2->reads.sweep.asked_ns;
}
