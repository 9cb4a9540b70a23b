/*
 * check.c - what must never be, looked for at every request of the controller's, every deed
 * of an agent, each minute, and at the end.
 *
 * Knows the rules of facts/agent-ipamd.md and of design's "Never". Looks at the truth of the
 * modelled EC2, not at what the controller thinks.
 */
#include <stdio.h>

#include "state.h"

#define FLAP_NS (600 * SIM_S)
#define SETTLED_NS (600 * SIM_S) /* after the last fault: by then all must be well */
#define REASON_NS (60 * SIM_S)   /* a wait of so long needs a reason */
#define CALM_NS (300 * SIM_S)    /* a subnet that is as it is for so long is known */
#define NEWS_NS (10 * SIM_S)     /* what an agent did so lately the controller may not know yet */

enum { LEAK_MINUTES = 10, QUIET_CALLS = 20 };

void world_violate(struct world *world, const char *format, ...)
{
    va_list args;
    struct world_violation violation = { .at_ns = world->now_ns - world->begin_ns };

    world->result.violations++;
    va_start(args, format);
    (void)vsnprintf(violation.text, sizeof(violation.text), format, args);
    va_end(args);
    world_note(world, "VIOLATION %s", violation.text);
    if (world->violation_count < VIOLATIONS_MAX) {
        if (!world->violations) {
            world->violations = mem_resize(NULL, VIOLATIONS_MAX, sizeof(violation));
        }
        world->violations[world->violation_count++] = violation;
    }
}

const struct world_violation *world_violations(const struct world *world, uint32_t *ret_count)
{
    *ret_count = world->violation_count;
    return world->violations;
}

/* ---- the controller's requests ---- */

/* A parameter of a form whose value needs no decoding. */
static struct slice param(struct slice form, const char *name)
{
    while (form.len > 0) {
        struct slice value = slice_cut(&form, '&');
        if (slice_is(slice_cut(&value, '='), name)) {
            return value;
        }
    }
    return SLICE("");
}

/* Interned; INDEX_NONE: not of the controller's making. */
static uint32_t intent_of(const struct world *world, const struct sim_eni *eni)
{
    uint32_t key = interner_find(&world->ec2->names, SLICE(TAG_INTENT));

    for (uint32_t i = 0; i < eni->now.tags.count; i++) {
        if (eni->now.tags.items[i].key == key) {
            return eni->now.tags.items[i].value;
        }
    }
    return INDEX_NONE;
}

static bool lives(const struct sim_eni *eni)
{
    return eni->used && eni->gone_ns == TIMERS_NEVER;
}

static bool is_public(const struct sim_ec2 *ec2, uint32_t subnet)
{
    uint32_t table = ec2->subnets[subnet].route_table;

    for (uint32_t i = 0; table == ROW_NONE && i < ec2->route_table_count; i++) {
        table = ec2->route_tables[i].main ? i : ROW_NONE;
    }
    for (uint32_t i = 0; table != ROW_NONE && i < ec2->route_tables[table].route_count; i++) {
        if (slice_starts(ec2->route_tables[table].routes[i].target, SLICE("igw-"))) {
            return true;
        }
    }
    return false;
}

/* The ENI that the token made: no other one that lives has its intent. */
static void check_created(struct world *world, struct slice token)
{
    struct sim_ec2 *ec2 = world->ec2;
    uint32_t place = index_find(&ec2->token_index, ec2->tokens, token);
    uint32_t row = place == INDEX_NONE ? ROW_NONE
                                       : sim_find_eni(ec2, aws_id_slice(&ec2->tokens[place].eni));
    uint32_t intent = row == ROW_NONE ? INDEX_NONE : intent_of(world, &ec2->enis[row]);

    if (intent == INDEX_NONE) {
        return;
    }
    while (world->made_count <= intent) {
        mem_reserve(&world->made, &world->made_capacity, world->made_count + 1,
                    sizeof(*world->made));
        world->made[world->made_count++] = ROW_NONE;
    }
    uint32_t before = world->made[intent];
    world->made[intent] = row;
    if (before != ROW_NONE && before != row && lives(&ec2->enis[before]) &&
        intent_of(world, &ec2->enis[before]) == intent) {
        world_violate(world, "two ENIs for one need: the intent %.*s",
                      SLICE_ARG(sim_name(ec2, intent)));
    }
}

/* More that is not adopted yet than the node could want. */
static void check_surplus(struct world *world, uint32_t row)
{
    const struct world_node *node = &world->nodes[row];
    uint32_t each = node->type.ips_per_eni - 1, fresh = 0;

    if (world->settings.prefix_delegation) {
        each *= PREFIX_SIZE;
    }
    for (uint32_t i = 0; i < node->own_count; i++) {
        fresh += !store_find(&node->agent->store, &node->own[i].id);
    }
    uint32_t warm = node->agent->warm_enis + 1;
    if (fresh > 1 && (fresh - 1) * each > node->waiting + warm * each) {
        world_violate(world, "%s has %u ENIs that its agent does not know yet, %u pods wait",
                      node->name, fresh, node->waiting);
    }
}

/* For an agent with a WARM_IP_TARGET or MINIMUM_IP_TARGET that has all it wants, also when the pods
 * that are bound have got their addresses. */
static bool is_bet(const struct world_node *node)
{
    struct store_stats stats;

    if (!node->agent || !node->agent->targets_defined) {
        return false;
    }
    store_stats(&node->agent->store, &stats);
    stats.assigned = stats.assigned > node->pods ? stats.assigned : node->pods;
    return !agent_low(node->agent, &stats);
}

static void check_attached(struct world *world, struct slice id)
{
    uint32_t eni_row = sim_find_eni(world->ec2, id);

    if (eni_row == ROW_NONE || world->ec2->enis[eni_row].now.instance == ROW_NONE) {
        return;
    }
    const struct sim_eni *eni = &world->ec2->enis[eni_row];
    const struct sim_instance *instance = &world->ec2->instances[eni->now.instance];
    uint32_t row = world_node_of_instance(world, eni->now.instance);
    if (instance->eni_count > instance->type.enis) {
        world_violate(world, "%s has %u ENIs, its type takes %u", instance->id.text,
                      instance->eni_count, instance->type.enis);
    }
    if (eni->now.card != 0) {
        world_violate(world, "%s is attached to network card %u", eni->id.text, eni->now.card);
    }
    if (!slice_eq(world->ec2->subnets[eni->subnet].zone,
                  world->ec2->subnets[instance->subnet].zone)) {
        world_violate(world, "%s is attached across zones", eni->id.text);
    }
    if (is_public(world->ec2, eni->subnet) != is_public(world->ec2, instance->subnet)) {
        world_violate(world, "%s is attached across kinds of route tables", eni->id.text);
    }
    if (row == ROW_NONE) {
        world_violate(world, "%s is attached to an instance that is no node", eni->id.text);
        return;
    }
    struct world_node *node = &world->nodes[row];
    for (uint32_t i = 0; i < node->own_count; i++) {
        if (aws_id_eq(&node->own[i].id, &eni->id)) {
            return; /* said again */
        }
    }
    if (node->own_count < OWN_ENIS) {
        node->own[node->own_count++] = (struct own_eni){ .id = eni->id,
                                                         .attached_ns = world->now_ns,
                                                         .needed = node->waiting > 0,
                                                         .bet = is_bet(node) };
        world->result.enis_preattached++;
        world->quiet_since_ns = world->now_ns;
        world_note(world, "%s gets %s from %.*s with %u addresses, %u prefixes", node->name,
                   eni->id.text, SLICE_ARG(world->subnet_names[eni->subnet]), eni->now.ips.count,
                   eni->now.prefixes.count);
        if (world->config.check && node->agent) {
            check_surplus(world, row);
        }
    }
}

void world_check_call(struct world *world, enum sim_action action, struct slice params, int status,
                      struct slice answer)
{
    (void)answer;
    switch (action) {
    case ACT_CreateNetworkInterface:
        if (world->config.check) {
            check_created(world, param(params, "ClientToken"));
        }
        break;
    case ACT_AttachNetworkInterface:
        check_attached(world, param(params, "NetworkInterfaceId"));
        break;
    case ACT_DetachNetworkInterface:
        world_violate(world, "the controller detaches an ENI (HTTP %d)", status);
        break;
    case ACT_DeleteNetworkInterface:
        if (status == 400 && slice_contains(answer, SLICE("InUse"))) {
            world_violate(world, "the controller wants to delete %.*s, which is attached",
                          SLICE_ARG(param(params, "NetworkInterfaceId")));
        }
        break;
    case ACT_UnassignPrivateIpAddresses:
        world_violate(world, "the controller takes addresses away (HTTP %d)", status);
        break;
    default:
        break;
    }
}

/* ---- agents ---- */

/* It has decided to; the detach and the delete follow within seconds. */
static bool frees(const struct sim_agent *agent, const struct aws_id *id)
{
    return (agent->op == OP_DETACH || agent->op == OP_DELETE) && aws_id_eq(&agent->eni, id);
}

static bool carries(const struct sim_eni *eni, uint32_t ip)
{
    for (uint32_t i = 0; i < eni->now.ips.count; i++) {
        if (eni->now.ips.items[i] == ip) {
            return true;
        }
    }
    for (uint32_t i = 0; i < eni->now.prefixes.count; i++) {
        if (ip - eni->now.prefixes.items[i] < 16) {
            return true;
        }
    }
    return false;
}

void world_check_served(struct world *world, uint32_t row, uint32_t ip)
{
    struct world_node *node = &world->nodes[row];

    for (uint32_t i = 0; i < node->own_count; i++) {
        uint32_t eni = node->own[i].served
                           ? ROW_NONE
                           : sim_find_eni(world->ec2, aws_id_slice(&node->own[i].id));
        node->own[i].served = node->own[i].served ||
                              (eni != ROW_NONE && carries(&world->ec2->enis[eni], ip));
    }
}

void world_check_refused(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    for (uint32_t i = 0; i < node->own_count; i++) {
        struct own_eni *own = &node->own[i];
        own->needed = own->needed || !store_find(&node->agent->store, &own->id);
    }
}

/* A new controller cannot know what was freed. */
void world_check_forget(struct world *world)
{
    world->memory_ns = world->now_ns;
}

/* Whoever gives knows of the last flap; or makes a bet, which a new controller does not before it
 * has watched for long enough. To an agent that is below its targets and cannot grow it gives all
 * the same: what it held back pods would wait for. In 500 random clusters that was tried, they
 * waited 494 s longer, and no fewer ENIs were freed. */
static bool knows_better(const struct world *world, const struct world_node *node,
                         const struct own_eni *own)
{
    return node->flapped_ns >= world->memory_ns || own->bet;
}

/* No node is given and frees again within ten minutes. The first ENI that its agent frees so soon
 * is what tells that it does: pods have ended, which nobody can foresee. After that, one that is
 * given again within ten minutes, and freed within ten, is not understood; unless it was of use:
 * pods waited for it, had addresses of it, and have ended. Only who lets pods wait avoids that. */
static void check_flap(struct world *world, struct world_node *node, const struct own_eni *own)
{
    bool of_use = own->needed && own->served;
    bool again = !of_use && node->flaps > 0 && own->attached_ns >= node->flapped_ns &&
                 own->attached_ns - node->flapped_ns < FLAP_NS && knows_better(world, node, own);

    world->result.flaps++;
    node->flaps++;
    node->flapped_ns = world->now_ns;
    world_note(world, "%s frees %s, %.0f s after its attach", node->name, own->id.text,
               (double)(world->now_ns - own->attached_ns) / 1e9);
    if (world->config.check && again) {
        world_violate(world,
                      "%s flaps: its agent freed an ENI of ours within ten minutes, was given "
                      "another one%s, and freed that%s",
                      node->name, own->needed ? "" : " though no pod waited",
                      own->served ? "" : " before any pod had an address of it");
    }
}

void world_check_agent(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    for (uint32_t i = 0; i < node->own_count;) {
        uint32_t eni = sim_find_eni(world->ec2, aws_id_slice(&node->own[i].id));
        bool attached = eni != ROW_NONE && world->ec2->enis[eni].now.attach == ATTACH_ATTACHED;
        if (attached && !frees(node->agent, &node->own[i].id)) {
            i++;
            continue;
        }
        if (world->now_ns - node->own[i].attached_ns < FLAP_NS) {
            check_flap(world, node, &node->own[i]);
        }
        node->own[i] = node->own[--node->own_count];
    }
}

static bool settled(const struct world *world, uint64_t since_ns)
{
    return world->engine && engine_planned(world->engine) && !world->silent && !world->api_down &&
           world->now_ns > world->heal_ns + since_ns;
}

void world_check_wait(struct world *world, uint32_t row)
{
    const struct world_pod *pod = &world->pods[row];
    const struct world_node *node = &world->nodes[pod->node];
    struct plan_decision decision;

    if (!world->config.check || !settled(world, 2 * REASON_NS) || node->pool == ROW_NONE ||
        node->phase != NODE_UP || world->now_ns - pod->refused_ns < REASON_NS) {
        return;
    }
    struct planner *planner = engine_planner(world->engine);
    if (!plan_decision_of(planner, slice_of(node->name), &decision)) {
        world_violate(world, "%s waits on %s, which the planner does not know", "a pod",
                      node->name);
        return;
    }
    /* Addresses that were seen free a moment ago were so: an agent with a WARM_IP_TARGET gives back
     * within seconds of an adoption what pods have not taken by then. */
    uint64_t wall_ns = world_controller_wall_ns(world);
    bool news = decision.kind == PLAN_DECISION_Enough && decision.since_wall_ns + NEWS_NS > wall_ns;
    if (!news && (decision.kind == PLAN_DECISION_Enough || decision.kind == PLAN_DECISION_NoPool ||
                  decision.kind == PLAN_DECISION_Incomplete)) {
        world_violate(world, "a pod waits on %s for %.0f s, and the reason on record is %s: %.*s",
                      node->name, (double)(world->now_ns - pod->refused_ns) / 1e9,
                      plan_decision_name(decision.kind), SLICE_ARG(decision.detail));
    }
}

/* ---- each minute ---- */

static uint8_t *leak_minutes(struct world *world)
{
    mem_reserve(&world->leaks, &world->leak_capacity, world->ec2->eni_rows + 1, sizeof(uint8_t));
    return world->leaks;
}

static void check_leaks(struct world *world)
{
    uint8_t *minutes = leak_minutes(world);

    for (uint32_t i = 0; i < world->ec2->eni_rows; i++) {
        const struct sim_eni *eni = &world->ec2->enis[i];
        bool loose = lives(eni) && eni->now.attach == ATTACH_NONE &&
                     intent_of(world, eni) != INDEX_NONE;
        minutes[i] = loose ? (uint8_t)(minutes[i] + 1) : 0;
        if (minutes[i] == LEAK_MINUTES && settled(world, LEAK_MINUTES * 60 * SIM_S)) {
            world_violate(world, "%s of ours is attached to nothing for %d minutes", eni->id.text,
                          LEAK_MINUTES);
        } else if (minutes[i] >= LEAK_MINUTES) {
            minutes[i] = LEAK_MINUTES - 1; /* told once it is settled */
        }
    }
}

/* "DescribeSubnets 12, DescribeRouteTables 1" */
static struct slice last_minute(struct world *world)
{
    struct slice text = SLICE("");

    for (enum sim_action action = 0; action < ACT_COUNT; action++) {
        if (world->minute_actions[action] > 0) {
            text = arena_printf(&world->scratch, "%.*s%s%s %u", SLICE_ARG(text),
                                text.len > 0 ? ", " : "", sim_action_info(action)->name,
                                world->minute_actions[action]);
        }
    }
    return text;
}

static void check_budget(struct world *world)
{
    uint64_t calls = world->minute_calls,
             most = QUIET_CALLS + world->ec2->subnet_count * 2 + world->node_count / 40;

    world->minute_calls = 0;
    if (world->waiting > 0 || world->result.pods_started != world->minute_pods) {
        world->quiet_since_ns = world->now_ns;
        world->minute_pods = world->result.pods_started;
    }
    /* What agents and others take and give back moves the counts, which the controller then looks
     * at. */
    if (settled(world, SETTLED_NS) && world->now_ns - world->quiet_since_ns > SETTLED_NS &&
        world->now_ns - world->moved_ns > CALM_NS && calls > most) {
        world_violate(world, "%llu calls of EC2 in a quiet minute: %.*s", (unsigned long long)calls,
                      SLICE_ARG(last_minute(world)));
    }
    memset(world->minute_actions, 0, sizeof(world->minute_actions));
}

static void note_subnets(struct world *world)
{
    uint32_t count = world->ec2->subnet_count;

    if (!world->calm_free) {
        world->calm_free = ARENA_ARRAY(&world->arena, uint32_t, count);
        world->calm_ns = ARENA_ARRAY(&world->arena, uint64_t, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t free = world->ec2->subnets[i].space.free;
        if (world->calm_free[i] != free) {
            world->calm_free[i] = free;
            world->calm_ns[i] = world->now_ns;
        }
    }
}

void world_check_due(struct world *world)
{
    world->check_ns = world->now_ns + 60 * SIM_S;
    if (!world->api) {
        return;
    }
    note_subnets(world);
    check_leaks(world);
    check_budget(world);
}

/* ---- at the end ---- */

static void check_ledger(struct world *world)
{
    struct planner *planner = engine_planner(world->engine);
    struct pool_status status;

    if (plan_in_flight(planner) > 0) {
        world_violate(world, "at rest %u debits are in flight", plan_in_flight(planner));
    }
    for (uint32_t i = 0; plan_pool_status_at(planner, i, &status); i++) {
        for (uint32_t j = 0; j < status.subnet_count; j++) {
            const struct subnet_status *seen = &status.subnets[j];
            uint32_t row = sim_find_subnet(world->ec2, aws_id_slice(&seen->id));
            uint32_t free = row == ROW_NONE ? 0 : world->ec2->subnets[row].space.free;
            bool calm = row != ROW_NONE && world->now_ns - world->calm_ns[row] > CALM_NS;
            if (calm && seen->free != free) {
                world_violate(world,
                              "at rest the planner takes %s to have %u free addresses, it "
                              "has %u",
                              seen->id.text, seen->free, free);
            }
        }
    }
}

static void check_converged(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->phase != NODE_UP || node->waiting == 0 || node->pool == ROW_NONE ||
            !world_helpable(world, i)) {
            continue;
        }
        for (uint32_t pod = node->first_pod; pod != ROW_NONE; pod = world->pods[pod].next) {
            const struct world_pod *row = &world->pods[pod];
            uint64_t from_ns = row->refused_ns > world->heal_ns ? row->refused_ns : world->heal_ns;
            if (row->waiting && world->now_ns > from_ns + SETTLED_NS) {
                world_violate(world,
                              "%u pods wait on %s, which could be helped, %.0f s after all "
                              "healed",
                              node->waiting, node->name,
                              (double)(world->now_ns - world->heal_ns) / 1e9);
                break;
            }
        }
    }
}

void world_check_end(struct world *world)
{
    if (!world->api || !settled(world, SETTLED_NS)) {
        return;
    }
    check_converged(world);
    note_subnets(world);
    if (world->now_ns - world->quiet_since_ns > SETTLED_NS &&
        world->now_ns - world->moved_ns > CALM_NS) {
        check_ledger(world);
    }
}
