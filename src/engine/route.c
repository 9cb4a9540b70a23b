/*
 * route.c - who hears of what: events to the planner, actions to EC2 or Kubernetes, the fence from
 * one to the other.
 *
 * Knows which machine an action belongs to. Refuses to decide anything. Nothing here calls itself:
 * kube's events reach ec2 and plan, ec2's events reach plan, plan's actions wait in the queue.
 */
#include <assert.h>

#include "state.h"

/* More than a cluster of 100,000 nodes can cause in one step: beyond it the machines answer each
 * other in a circle. */
enum { ACTIONS_MAX = 4 * 1000 * 1000, QUEUE_KEPT = 256 };

static void take_logs(struct engine *engine, const struct log_record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        copy_log(&engine->out->logs, &records[i]);
    }
}

void engine_run_plan(struct engine *engine, const struct plan_event *event)
{
    struct plan_actions actions = { 0 };
    uint64_t before = engine->clock_ns ? engine->clock_ns() : 0;

    if (engine->witness) {
        engine->witness(engine->witness_of, event);
    }
    account_event(engine, event);
    plan_step(engine->planner, event, &actions);
    progress_event(engine, event); /* may ask what the planner knows now */
    engine->plan_events++;
    if (engine->clock_ns) {
        histogram_add(&engine->plan_seconds, (double)(engine->clock_ns() - before) / 1e9);
    }
    take_logs(engine, actions.logs, actions.log_count);
    mem_reserve(&engine->queue, &engine->queue_capacity, engine->queue_count + actions.count,
                sizeof(*engine->queue));
    for (uint32_t i = 0; i < actions.count; i++) {
        if (engine->acted) {
            engine->acted(engine->witness_of, &actions.items[i]);
        }
        copy_action(&engine->step, &actions.items[i], &engine->queue[engine->queue_count++]);
    }
    if (event->kind != PLAN_TICK || actions.count > 0) {
        engine->sequence++;
    }
}

void engine_run_ec2(struct engine *engine, struct ec2_input *input)
{
    struct ec2_output output = { 0 };

    input->now_ns = engine->now_ns;
    input->wall_ns = engine->wall_ns;
    ec2_step(engine->ec2, input, &output);
    copy_fetches(&engine->out->fetches, &output.fetches);
    reaction_begun(engine, &output.fetches);
    take_logs(engine, output.logs.records, output.logs.count);
    for (uint32_t i = 0; i < output.event_count; i++) {
        engine_run_plan(engine, &output.events[i]);
    }
}

/* EC2 is changed only as long as the lease surely holds, and neither changed nor read as a whole
 * before it is known what there is. */
static void tell_fence(struct engine *engine)
{
    uint64_t fence = engine->kube_synced ? kube_fence_ns(engine->kube) : 0;

    if (engine->fence_told && fence == engine->fence_ns) {
        return;
    }
    engine->fence_told = true;
    engine->fence_ns = fence;
    engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_FENCE, .fence_ns = fence });
}

static void learn_cluster(struct engine *engine, struct slice name)
{
    if (engine->cluster_name[0] != '\0' || name.len == 0) {
        return;
    }
    mem_free(engine->cluster_name);
    engine->cluster_name = copy_text(name);
}

static void kube_event(struct engine *engine, const struct plan_event *event)
{
    struct ec2_input input;

    engine_run_plan(engine, event);
    switch (event->kind) {
    case PLAN_AGENT:
        learn_cluster(engine, event->agent.cluster_name);
        break;
    case PLAN_NODE:
        while (progress_node(engine, &event->node, &input)) {
            engine_run_ec2(engine, &input);
        }
        break;
    case PLAN_NODE_GONE:
        if (progress_node_gone(engine, event->name, &input)) {
            engine_run_ec2(engine, &input);
        }
        break;
    default:
        break;
    }
}

void engine_run_kube(struct engine *engine, struct kube_input *input)
{
    struct kube_output output = { 0 };

    input->now_ns = engine->now_ns;
    input->wall_ns = engine->wall_ns;
    kube_step(engine->kube, input, &output);
    copy_fetches(&engine->out->fetches, &output.fetches);
    take_logs(engine, output.logs.records, output.logs.count);
    /* First the fence: a leader's first action must find it open, and a lost lease must close it at
     * once. */
    tell_fence(engine);
    for (uint32_t i = 0; i < output.event_count; i++) {
        if (i % PLAN_EXPECT_MAX == 0) {
            plan_expect(engine->planner, &output.events[i], output.event_count - i);
        }
        kube_event(engine, &output.events[i]);
        tell_fence(engine);
    }
}

static void route(struct engine *engine, const struct plan_action *action)
{
    account_action(engine, action);
    reaction_needed(engine, action);
    switch (action->kind) {
    case PLAN_NEED_TYPE:
        progress_need_type(engine, action->type_name);
        /* fall through */
    case PLAN_ATTACH:
    case PLAN_ASSIGN:
    case PLAN_DELETE:
    case PLAN_OBSERVE:
    case PLAN_OBSERVE_SUBNETS:
    case PLAN_SUBNET_PACE:
        engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_ACTION, .action = *action });
        return;
    case PLAN_EVENT:
    case PLAN_POOL_STATUS:
    case PLAN_NODE_CONDITION:
    case PLAN_NODE_TAINT:
        engine_run_kube(engine, &(struct kube_input){ .kind = KUBE_ACTION, .action = *action });
        return;
    }
    assert(false); /* no other kind */
}

void engine_drain(struct engine *engine)
{
    while (engine->queue_head < engine->queue_count) {
        assert(engine->queue_head < ACTIONS_MAX);
        /* A copy: the queue may move while it grows. */
        struct plan_action action = engine->queue[engine->queue_head++];
        route(engine, &action);
    }
    engine->queue_head = 0;
    engine->queue_count = 0;
    if (engine->queue_capacity > QUEUE_KEPT) {
        /* The start asks for every node's ENIs in one step: megabytes that are not needed again. */
        mem_free(engine->queue);
        engine->queue = NULL;
        engine->queue_capacity = 0;
    }
}
