/*
 * trace.c - a run of the simulated world as the lines of a story.
 *
 * Knows which events and actions matter to a reader, and the scenario's names for EC2's ids.
 * Refuses to know what is right. Times are in tenths of a second: what is only a little later is no
 * other behaviour.
 */
#include <stdio.h>

#include <headroom/buf.h>
#include <headroom/world.h>

#include "sim/world/state.h"

#include "trace.h"

#define LASTING_NS (1500 * SIM_MS)

enum { TRACE_MAX = 64 << 10, ENIS_MAX = 64, NODES_MAX = 64, SUBNETS_MAX = 64, ACTIONS_MAX = 64 };

struct story {
    struct world *world;
    struct buf out;
    struct aws_id enis[ENIS_MAX]; /* in the order in which the story meets them */
    uint32_t eni_count;
    struct {
        uint64_t since_ns; /* pods wait without a break; 0: none do */
        uint32_t waiting, holding, told;
    } nodes[NODES_MAX];
    bool stated[SUBNETS_MAX];
    enum subnet_state states[SUBNETS_MAX];
};

static void line(struct story *story, const char *what)
{
    buf_addf(&story->out, "%8.1f  %-9s ", (double)world_now_ns(story->world) / 1e9, what);
}

/* ---- names ---- */

static const char *node_name(const struct story *story, const struct aws_id *instance)
{
    uint32_t row = sim_find_instance(story->world->ec2, aws_id_slice(instance));
    uint32_t node = row == ROW_NONE ? ROW_NONE : world_node_of_instance(story->world, row);

    return node == ROW_NONE ? "?" : story->world->nodes[node].name;
}

static struct slice subnet_name(const struct story *story, const struct aws_id *id)
{
    uint32_t row = sim_find_subnet(story->world->ec2, aws_id_slice(id));

    return row == ROW_NONE ? SLICE("?") : story->world->subnet_names[row];
}

/* ENIs are numbered as they come. */
static uint32_t eni_number(struct story *story, const struct aws_id *id)
{
    for (uint32_t i = 0; i < story->eni_count; i++) {
        if (aws_id_eq(&story->enis[i], id)) {
            return i + 1;
        }
    }
    if (story->eni_count == ENIS_MAX) {
        return 0;
    }
    story->enis[story->eni_count] = *id;
    return ++story->eni_count;
}

static const char *urgency_name(enum urgency urgency)
{
    return urgency == URGENT_WAITING    ? "pods wait"
           : urgency == URGENT_FORECAST ? "foreseen"
                                        : "tidying up";
}

/* ---- what the planner is told ---- */

/* Each pod waits for a moment: told are those that wait for longer. */
static void tell_waits(struct story *story)
{
    for (uint32_t i = 0; i < NODES_MAX && i < story->world->node_count; i++) {
        bool lasts = story->nodes[i].since_ns &&
                     world_now_ns(story->world) - story->nodes[i].since_ns >= LASTING_NS;
        if (story->nodes[i].waiting == story->nodes[i].told ||
            (!lasts && story->nodes[i].waiting)) {
            continue;
        }
        story->nodes[i].told = story->nodes[i].waiting;
        line(story, "pods");
        buf_addf(&story->out, "%s: %u wait, %u have an address\n", story->world->nodes[i].name,
                 story->nodes[i].waiting, story->nodes[i].holding);
    }
}

static void note_pods(struct story *story, const struct plan_event *event)
{
    uint32_t node = world_node_find(story->world, event->pods.node);

    if (node >= NODES_MAX) {
        return;
    }
    story->nodes[node].waiting = event->pods.waiting;
    story->nodes[node].holding = event->pods.holding;
    if (event->pods.waiting == 0) {
        story->nodes[node].since_ns = 0;
    } else if (story->nodes[node].since_ns == 0) {
        story->nodes[node].since_ns = world_now_ns(story->world);
    }
}

static void tell_result(struct story *story, const struct cloud_result *result)
{
    static const char *const stages[] = { "created", "attached", "done", "failed" };

    line(story, "result");
    buf_addf(&story->out, "%s", stages[result->stage]);
    if (result->stage == CLOUD_FAILED) {
        buf_addf(&story->out, ", %s", cloud_code_name(result->code));
    }
    if (result->eni.text[0]) {
        buf_addf(&story->out, ", ENI %u", eni_number(story, &result->eni));
    }
    buf_addf(&story->out, "\n");
}

static void on_event(void *of, const struct plan_event *event)
{
    struct story *story = of;

    tell_waits(story);
    if (event->kind == PLAN_PODS) {
        note_pods(story, event);
        tell_waits(story);
    } else if (event->kind == PLAN_RESULT) {
        tell_result(story, &event->result);
    } else if (event->kind == PLAN_LEASE) {
        line(story, "lease");
        buf_addf(&story->out, "%s\n", event->leader ? "leads" : "leads no more");
    }
}

/* ---- what it asks for ---- */

static void tell_amount(struct story *story, uint32_t ips, uint32_t prefixes)
{
    buf_addf(&story->out, " with %u %s", prefixes ? prefixes : ips,
             prefixes ? "prefixes" : "addresses");
}

static void tell_attach(struct story *story, const struct plan_action *action)
{
    const struct eni_intent *intent = &action->attach;

    line(story, "ATTACH");
    if (intent->eni.text[0]) {
        buf_addf(&story->out, "%s gets ENI %u", node_name(story, &intent->instance),
                 eni_number(story, &intent->eni));
    } else {
        buf_addf(&story->out, "%s gets a new ENI of %.*s", node_name(story, &intent->instance),
                 SLICE_ARG(subnet_name(story, &intent->subnet)));
        tell_amount(story, intent->ips, intent->prefixes);
    }
    buf_addf(&story->out, ", device %u: %s\n", intent->device_index, urgency_name(action->urgency));
}

/* Subnets whose state is another one than it was. */
static void tell_states(struct story *story, const struct pool_status *status)
{
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        const struct subnet_status *subnet = &status->subnets[i];
        uint32_t row = sim_find_subnet(story->world->ec2, aws_id_slice(&subnet->id));
        if (row >= SUBNETS_MAX || (story->stated[row] && story->states[row] == subnet->state)) {
            continue;
        }
        story->stated[row] = true;
        story->states[row] = subnet->state;
        line(story, "SUBNET");
        buf_addf(&story->out, "%.*s is %s\n", SLICE_ARG(subnet_name(story, &subnet->id)),
                 subnet_state_name(subnet->state));
    }
}

static void tell_order(struct story *story, const struct plan_action *action)
{
    if (action->kind == PLAN_ASSIGN) {
        line(story, "ASSIGN");
        buf_addf(&story->out, "%s's ENI %u is filled up",
                 node_name(story, &action->assign.instance),
                 eni_number(story, &action->assign.eni));
        tell_amount(story, action->assign.ips, action->assign.prefixes);
    } else {
        line(story, "DELETE");
        buf_addf(&story->out, "ENI %u", eni_number(story, &action->eni));
    }
    buf_addf(&story->out, ": %s\n", urgency_name(action->urgency));
}

static void tell_users(struct story *story, const struct plan_action *action)
{
    if (action->kind == PLAN_EVENT) {
        line(story, "EVENT");
        buf_addf(&story->out, "%s about %.*s\n", event_reason_name(action->event.reason),
                 SLICE_ARG(action->event.name));
    } else if (action->kind == PLAN_NODE_CONDITION) {
        line(story, "CONDITION");
        buf_addf(&story->out, "%.*s: SufficientIP=%s, %s\n", SLICE_ARG(action->condition.node),
                 action->condition.short_of_ips ? "False" : "True", action->condition.reason);
    } else {
        line(story, "TAINT");
        buf_addf(&story->out, "%.*s: %s\n", SLICE_ARG(action->taint.node),
                 action->taint.set ? "set" : "taken off");
    }
}

static void on_action(void *of, const struct plan_action *action)
{
    struct story *story = of;

    switch (action->kind) {
    case PLAN_ATTACH:
        tell_attach(story, action);
        break;
    case PLAN_ASSIGN:
    case PLAN_DELETE:
        tell_order(story, action);
        break;
    case PLAN_EVENT:
    case PLAN_NODE_CONDITION:
    case PLAN_NODE_TAINT:
        tell_users(story, action);
        break;
    case PLAN_POOL_STATUS:
        tell_states(story, &action->pool_status);
        break;
    case PLAN_OBSERVE:
    case PLAN_OBSERVE_SUBNETS:
    case PLAN_NEED_TYPE:
    case PLAN_SUBNET_PACE:
        break; /* looks change nothing */
    }
}

/* ---- the play ---- */

static void tell_end(struct story *story)
{
    struct world_result result;
    uint32_t count = 0;
    const struct world_violation *violations = world_violations(story->world, &count);

    world_result(story->world, &result);
    line(story, "end");
    buf_addf(&story->out,
             "%llu pods started, %llu waited; avoidable %.0f s; %llu ENIs of ours, %llu flaps\n",
             (unsigned long long)result.pods_started, (unsigned long long)result.pods_waited,
             result.avoidable_stall_s, (unsigned long long)result.enis_preattached,
             (unsigned long long)result.flaps);
    for (uint32_t i = 0; i < count; i++) {
        buf_addf(&story->out, "VIOLATION %s\n", violations[i].text);
    }
}

bool trace_play(struct arena *arena, struct slice scenario, const char *name,
                struct slice *ret_trace)
{
    struct story story = { 0 };
    struct error error = { 0 };
    struct world_config config = {
        .scenario = scenario,
        .name = slice_of(name),
        .seed = 1,
        .column = WORLD_HEADROOM,
        .check = true,
        .witness = on_event,
        .acted = on_action,
        .witness_of = &story,
    };

    if (world_new(&config, &story.world, &error) != ERR_OK) {
        *ret_trace = arena_printf(arena, "%s", error.text);
        return false;
    }
    buf_init(&story.out, TRACE_MAX);
    buf_addf(&story.out, "# %s, seed 1. `make traces` renews it.\n", name);
    while (world_run(story.world, UINT64_MAX / 4)) {
    }
    tell_end(&story);
    *ret_trace = arena_slice(arena, buf_slice(&story.out));
    bool whole = !story.out.failed;
    buf_done(&story.out);
    world_free(story.world);
    if (!whole) {
        *ret_trace = SLICE("the trace is too long");
    }
    return whole;
}
