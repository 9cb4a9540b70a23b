/*
 * status.c - a pool's status: what it says, and when it is worth writing.
 *
 * Knows that etcd pays for each write: a state, a condition, a membership at once; mere counts
 * rounded, and at most every ten seconds. Refuses to write what has not changed in a way that
 * matters.
 */
#include <assert.h>
#include <stdlib.h>

#include "state.h"
#include "token.h"

static const uint64_t APART_NS = 10 * SECOND_NS;

void status_class(struct planner *p, struct node_row *node, enum node_class class)
{
    if (node->class == class) {
        return;
    }
    assert(node->pool != NONE);
    struct pool_row *row = &p->pools[node->pool];
    if (node->class != CLASS_NONE) {
        row->classes[node->class]--;
    }
    if (class != CLASS_NONE) {
        row->classes[class]++;
    }
    pools_touch(p, node->pool, class == CLASS_EXHAUSTED || node->class == CLASS_EXHAUSTED);
    node->class = (uint8_t) class;
}

/* ---- subnets and zones ---- */

struct sort_key {
    const struct planner *p;
    uint32_t subnet;
};

static int by_zone(const void *a, const void *b)
{
    const struct sort_key *x = a;
    const struct sort_key *y = b;
    const struct subnet_row *s = &x->p->subnets[x->subnet];
    const struct subnet_row *t = &y->p->subnets[y->subnet];
    struct slice zone_s = s->zone == NONE ? SLICE("") : plan_text(x->p, x->p->zones[s->zone].name);
    struct slice zone_t = t->zone == NONE ? SLICE("") : plan_text(x->p, x->p->zones[t->zone].name);
    int order = slice_cmp(zone_s, zone_t);

    return order != 0 ? order : strcmp(s->id.text, t->id.text);
}

static void add_subnets(struct planner *p, const struct pool_row *row, struct pool_status *ret)
{
    struct sort_key *keys = ARENA_ARRAY(&p->arena, struct sort_key, row->members);
    struct subnet_status *list = ARENA_ARRAY(&p->arena, struct subnet_status, row->members);
    uint32_t count = 0;

    for (uint32_t i = 0; i < row->link_count; i++) {
        if (row->links[i].member) {
            keys[count++] = (struct sort_key){ p, i };
        }
    }
    qsort(keys, count, sizeof(*keys), by_zone);
    for (uint32_t i = 0; i < count; i++) {
        const struct subnet_row *s = &p->subnets[keys[i].subnet];
        list[i] = (struct subnet_status){
            .id = s->id,
            .zone = s->zone == NONE ? SLICE("") : plan_text(p, p->zones[s->zone].name),
            .cidr = s->cidr,
            .total = s->total,
            .free = subnet_free(s),
            .free_prefixes = subnet_blocks(s),
            .in_flight = s->debit_ips,
            .state = (enum subnet_state)row->links[keys[i].subnet].state,
            .exhausted_in_s = subnet_exhausted_in_s(s),
            .observed_wall_ns = s->observed_wall_ns,
        };
        ret->free += list[i].free;
        ret->in_flight += list[i].in_flight;
        ret->low_subnets += list[i].state != SUBNET_Healthy;
    }
    ret->subnets = list;
    ret->subnet_count = count;
}

static int by_name(const void *a, const void *b)
{
    const struct zone_status *x = a;
    const struct zone_status *y = b;

    return slice_cmp(x->zone, y->zone);
}

static struct zone_status *zone_in(struct zone_status *zones, uint32_t *count, struct slice name)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (slice_eq(zones[i].zone, name)) {
            return &zones[i];
        }
    }
    zones[*count] = (struct zone_status){ .zone = name };
    return &zones[(*count)++];
}

static void add_zones(struct planner *p, const struct pool_row *row, struct pool_status *ret)
{
    struct zone_status *zones = ARENA_ARRAY(&p->arena, struct zone_status,
                                            (size_t)ret->subnet_count + row->group_count);
    uint32_t count = 0;

    for (uint32_t i = 0; i < ret->subnet_count; i++) {
        struct zone_status *zone = zone_in(zones, &count, ret->subnets[i].zone);
        zone->subnets++;
        zone->total += ret->subnets[i].total;
        zone->free += ret->subnets[i].free;
    }
    for (uint32_t i = 0; i < row->group_count; i++) {
        const struct group *group = &p->groups[row->groups[i]];
        ret->nodes_total += group->count;
        if (group->count > 0 && group->zone != NONE) {
            zone_in(zones, &count, plan_text(p, p->zones[group->zone].name))->nodes += group->count;
        }
    }
    qsort(zones, count, sizeof(*zones), by_name);
    ret->zones = zones;
    ret->zone_count = count;
}

/* ---- conditions ---- */

static const char *const condition_types[POOL_CONDITIONS] = {
    [CONDITION_Ready] = "Ready",
    [CONDITION_SubnetsReady] = "SubnetsReady",
    [CONDITION_CapacityHealthy] = "CapacityHealthy",
    [CONDITION_CloudAPIHealthy] = "CloudAPIHealthy",
    [CONDITION_AgentCompatible] = "AgentCompatible",
};

static struct condition says(enum condition_value value, const char *reason, struct slice message)
{
    return (struct condition){ .value = value, .reason = reason, .message = message };
}

static struct condition subnets_ready(struct planner *p, const struct pool_row *row)
{
    if (!p->have_subnets) {
        return says(CONDITION_UNKNOWN, "NotReadYet", SLICE("the subnets have not been read yet"));
    }
    if (row->members == 0) {
        return says(CONDITION_FALSE, "SubnetsNotFound",
                    SLICE("spec.subnetSelectorTerms select no subnet of the cluster's VPC; check "
                          "ids and tags"));
    }
    if (row->groups_missing) {
        return says(CONDITION_FALSE, "SecurityGroupsNotFound",
                    SLICE("spec.securityGroupSelectorTerms select no security group of the VPC"));
    }
    return says(CONDITION_TRUE, "SubnetsFound",
                arena_printf(&p->arena, "%u subnets selected", row->members));
}

static bool zone_has_state(const struct planner *p, const struct pool_row *row, uint32_t zone,
                           enum subnet_state state)
{
    for (uint32_t i = 0; i < p->zones[zone].subnet_count; i++) {
        const struct link *link = &row->links[p->zones[zone].subnets[i]];
        if (link->member && link->state == state) {
            return true;
        }
    }
    return false;
}

static struct condition capacity(struct planner *p, const struct pool_row *row,
                                 const struct pool_status *status)
{
    if (!p->have_subnets) {
        return says(CONDITION_UNKNOWN, "NotReadYet", SLICE("the subnets have not been read yet"));
    }
    if (row->classes[CLASS_EXHAUSTED] > 0) {
        return says(
            CONDITION_FALSE, "NodesExhausted",
            arena_printf(
                &p->arena,
                "%u of %u nodes %s no address left and no subnet helps; condition " NODE_CONDITION
                " of the node says why",
                row->classes[CLASS_EXHAUSTED], status->nodes_total,
                row->classes[CLASS_EXHAUSTED] == 1 ? "has" : "have"));
    }
    for (uint32_t i = 0; i < row->group_count; i++) {
        const struct group *group = &p->groups[row->groups[i]];
        if (group->count == 0 || group->zone == NONE ||
            zone_has_state(p, row, group->zone, SUBNET_Healthy)) {
            continue;
        }
        struct slice zone = plan_text(p, p->zones[group->zone].name);
        if (zone_has_state(p, row, group->zone, SUBNET_Low)) {
            return says(
                CONDITION_FALSE, "CapacityLow",
                arena_printf(
                    &p->arena,
                    "every subnet of the pool in %.*s is low or worse (%u nodes there); add a "
                    "subnet or free addresses",
                    SLICE_ARG(zone), group->count));
        }
        return says(
            CONDITION_FALSE, "SubnetsExhausted",
            arena_printf(
                &p->arena,
                "no subnet of the pool in %.*s has addresses to give (%u nodes there); add a "
                "subnet or free addresses",
                SLICE_ARG(zone), group->count));
    }
    return says(CONDITION_TRUE, "CapacityAvailable",
                SLICE("every zone with nodes has a healthy subnet"));
}

static struct condition cloud(struct planner *p)
{
    struct slice said = arena_printf(&p->arena, "%.*s: %.*s", SLICE_ARG(p->cloud_operation),
                                     SLICE_ARG(p->cloud_message));

    if (p->denied || p->cloud == CLOUD_DENIED) {
        return says(CONDITION_FALSE, "Denied",
                    p->cloud == CLOUD_DENIED
                        ? arena_printf(&p->arena,
                                       "EC2 denied %.*s; grant it to the controller's role",
                                       SLICE_ARG(said))
                        : SLICE("EC2 denied an ENI operation; the event CloudAPIDenied names the "
                                "permission"));
    }
    if (p->quota == CLOUD_ENI_QUOTA) {
        return says(
            CONDITION_FALSE, "ENIQuotaReached",
            SLICE(
                "the account's quota of network interfaces in the Region is reached (L-DF5E4CA3)"));
    }
    if (p->quota == CLOUD_NAU_LIMIT) {
        return says(CONDITION_FALSE, "AddressUsageLimitReached",
                    SLICE("the VPC's quota of network address usage is reached"));
    }
    if (p->cloud == CLOUD_THROTTLED) {
        return says(CONDITION_FALSE, "Throttled",
                    arena_printf(&p->arena, "EC2 throttles %.*s", SLICE_ARG(said)));
    }
    if (p->cloud == CLOUD_UNAVAILABLE) {
        return says(CONDITION_FALSE, "Unavailable",
                    arena_printf(&p->arena, "EC2 does not answer %.*s", SLICE_ARG(said)));
    }
    if (!p->have_subnets) {
        return says(CONDITION_UNKNOWN, "NotReadYet", SLICE("EC2 has not answered yet"));
    }
    return says(CONDITION_TRUE, "Reachable", SLICE("EC2 answers"));
}

static struct condition agent(struct planner *p, const struct pool_row *row)
{
    const struct agent_settings *a = &p->agent;

    if (!p->have_agent) {
        return says(CONDITION_UNKNOWN, "AgentNotFound",
                    SLICE("DaemonSet kube-system/aws-node has not been seen"));
    }
    if (a->ipv6) {
        return says(CONDITION_FALSE, "IPv6",
                    SLICE("aws-node runs with ENABLE_IPv6: it adopts no ENI at run time"));
    }
    if (row->pool.addressing == ADDRESSING_PREFIX && !a->prefix_delegation) {
        return says(CONDITION_FALSE, "PrefixDelegationDisabled",
                    SLICE("spec.addressing is Prefix but aws-node does not run with "
                          "ENABLE_PREFIX_DELEGATION, "
                          "so its pods could not use prefixes; secondary addresses are used"));
    }
    if (row->pool.addressing == ADDRESSING_SECONDARY_IP && a->prefix_delegation) {
        return says(
            CONDITION_FALSE, "PrefixDelegationEnabled",
            SLICE("spec.addressing is SecondaryIP but aws-node runs with ENABLE_PREFIX_DELEGATION, "
                  "so its pods could not use secondary addresses; prefixes are used"));
    }
    return says(CONDITION_TRUE, "Compatible",
                arena_printf(&p->arena, "aws-node %.*s", SLICE_ARG(a->version)));
}

/* How many nodes do not fare as well as the rest of the message sounds. */
static struct slice at_risk(struct planner *p, const struct pool_row *row,
                            const struct pool_status *status)
{
    uint32_t count = row->classes[CLASS_AT_RISK];

    return count == 0
               ? SLICE("")
               : arena_printf(&p->arena, "; %u of %u nodes %s at risk: status.nodesAtRisk says why",
                              count, status->nodes_total, count == 1 ? "is" : "are");
}

/* Of the others; NULL: none. */
static const struct condition *first_that_is(enum condition_value value,
                                             const struct pool_status *status)
{
    for (uint32_t i = CONDITION_Ready + 1; i < POOL_CONDITIONS; i++) {
        if (status->conditions[i].value == value) {
            return &status->conditions[i];
        }
    }
    return NULL;
}

static struct condition ready(struct planner *p, const struct pool_row *row,
                              const struct pool_status *status)
{
    struct slice risk = at_risk(p, row, status);
    const struct condition *amiss = first_that_is(CONDITION_FALSE, status);

    if (!amiss) {
        amiss = first_that_is(CONDITION_UNKNOWN, status);
    }
    if (amiss) {
        return says(amiss->value, amiss->reason, amiss->message);
    }
    if (row->pool.paused) {
        return says(CONDITION_TRUE, "Paused",
                    arena_printf(&p->arena, "spec.paused is true: nothing is attached%.*s",
                                 SLICE_ARG(risk)));
    }
    if (row->pool.dry_run || p->config.dry_run) {
        return says(CONDITION_TRUE, "DryRun",
                    arena_printf(&p->arena, "dry run: decisions are shown, nothing is attached%.*s",
                                 SLICE_ARG(risk)));
    }
    return says(CONDITION_TRUE, risk.len > 0 ? "NodesAtRisk" : "Ready",
                arena_printf(&p->arena, "the pool serves its nodes%.*s", SLICE_ARG(risk)));
}

static void add_conditions(struct planner *p, struct pool_row *row, struct pool_status *ret)
{
    struct condition *c = ret->conditions;

    c[CONDITION_SubnetsReady] = subnets_ready(p, row);
    c[CONDITION_CapacityHealthy] = capacity(p, row, ret);
    c[CONDITION_CloudAPIHealthy] = cloud(p);
    c[CONDITION_AgentCompatible] = agent(p, row);
    c[CONDITION_Ready] = ready(p, row, ret);
    for (uint32_t i = 0; i < POOL_CONDITIONS; i++) {
        struct pool_condition *kept = &row->conditions[i];
        c[i].type = condition_types[i];
        if (kept->value != c[i].value || kept->since_wall_ns == 0) {
            kept->value = c[i].value;
            kept->since_wall_ns = p->wall_ns;
        }
        c[i].since_wall_ns = kept->since_wall_ns;
    }
}

void status_build(struct planner *p, uint32_t pool, struct pool_status *ret)
{
    struct pool_row *row = &p->pools[pool];

    *ret = (struct pool_status){
        .name = arena_slice(&p->arena, row->pool.name),
        .uid = arena_slice(&p->arena, row->pool.uid),
        .observed_generation = row->pool.generation,
        .nodes_covered = row->classes[CLASS_COVERED],
        .nodes_at_risk = row->classes[CLASS_AT_RISK],
        .nodes_exhausted = row->classes[CLASS_EXHAUSTED],
    };
    add_subnets(p, row, ret);
    add_zones(p, row, ret);
    add_conditions(p, row, ret);
}

/* ---- nodes at risk ---- */

static bool is_needier(const struct planner *p, const struct node_row *a, const struct node_row *b)
{
    if (a->waiting != b->waiting) {
        return a->waiting > b->waiting;
    }
    if (a->class != b->class) {
        return a->class > b->class;
    }
    if (a->stall_in_s != b->stall_in_s) {
        return a->stall_in_s < b->stall_in_s;
    }
    return slice_cmp(plan_text(p, a->name), plan_text(p, b->name)) < 0;
}

/* Keeps the neediest in order. */
static void offer(const struct planner *p, const struct node_row **named, uint32_t *count,
                  const struct node_row *node)
{
    uint32_t at = *count;

    if (at == POOL_STATUS_NAMED_MAX) {
        at--;
        if (!is_needier(p, node, named[at])) {
            return;
        }
    } else {
        (*count)++;
    }
    while (at > 0 && is_needier(p, node, named[at - 1])) {
        named[at] = named[at - 1];
        at--;
    }
    named[at] = node;
}

/* All nodes of the pool are looked at, which only a status that is to be written is worth. */
static void add_named(struct planner *p, const struct pool_row *row, struct pool_status *ret)
{
    const struct node_row *named[POOL_STATUS_NAMED_MAX];
    uint32_t count = 0;

    if (row->classes[CLASS_AT_RISK] + row->classes[CLASS_EXHAUSTED] == 0) {
        return;
    }
    for (uint32_t i = 0; i < row->group_count; i++) {
        const struct group *group = &p->groups[row->groups[i]];
        for (uint32_t k = 0; k < group->count; k++) {
            const struct node_row *node = &p->nodes[group->nodes[k]];
            if (node->class == CLASS_AT_RISK || node->class == CLASS_EXHAUSTED) {
                offer(p, named, &count, node);
            }
        }
    }
    struct node_at_risk *list = ARENA_ARRAY(&p->arena, struct node_at_risk, count);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (struct node_at_risk){
            .name = arena_slice(&p->arena, plan_text(p, named[i]->name)),
            .decision = plan_decision_name((enum plan_decision_kind)named[i]->kind),
            .message = report_risk(p, &p->arena, named[i]),
        };
    }
    ret->named = list;
    ret->named_count = count;
}

/* ---- when to write ---- */

/* What must be told at once. */
static uint64_t hash_states(const struct pool_status *status)
{
    struct token_digest digest;

    token_begin(&digest);
    token_number(&digest, (uint64_t)status->observed_generation);
    token_text(&digest, status->uid);
    /* Ready says what these say; that all is well but for some nodes is a matter of counts. No
     * reason stands for two values. */
    for (uint32_t i = CONDITION_Ready + 1; i < POOL_CONDITIONS; i++) {
        token_text(&digest, slice_of(status->conditions[i].reason));
    }
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        token_text(&digest, aws_id_slice(&status->subnets[i].id));
        token_number(&digest, status->subnets[i].state);
    }
    token_number(&digest, status->nodes_exhausted);
    return digest.a ^ digest.b;
}

/* Seconds until exhaustion as users think of them: a minute, some, a quarter, an hour, later. */
static uint32_t forecast_step(uint32_t in_s)
{
    enum { STEPS = 4 };
    uint32_t step = 0;

    for (uint32_t limit = 60; step < STEPS && in_s > limit; limit *= 4) {
        step++;
    }
    return step;
}

/* In steps of a twentieth. */
static uint64_t share_step(uint64_t part, uint32_t total)
{
    enum { STEPS = 20 };

    return total == 0 ? 0 : part * STEPS / total;
}

/* What may wait a little: counts, in steps. */
static uint64_t hash_counts(const struct pool_status *status)
{
    struct token_digest digest;

    token_begin(&digest);
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        const struct subnet_status *s = &status->subnets[i];
        token_number(&digest, share_step(s->free, s->total));
        token_number(&digest, share_step((uint64_t)s->free_prefixes * PREFIX_IPS, s->total));
        token_number(&digest, s->in_flight > 0);
        token_number(&digest, forecast_step(s->exhausted_in_s));
    }
    token_number(&digest, status->nodes_total);
    token_number(&digest, status->nodes_covered);
    token_number(&digest, status->nodes_at_risk);
    for (uint32_t i = 0; i < status->named_count; i++) {
        token_text(&digest, status->named[i].name);
        token_text(&digest, slice_of(status->named[i].decision));
    }
    return digest.a ^ digest.b;
}

static void tell_not_found(struct planner *p, uint32_t pool, const struct pool_status *status)
{
    struct pool_row *row = &p->pools[pool];
    const struct condition *c = &status->conditions[CONDITION_SubnetsReady];

    if (c->value == CONDITION_FALSE && !row->not_found_told) {
        row->not_found_told = true;
        report_pool_event(p, pool, EVENT_SubnetsNotFound, true, c->message);
    } else if (c->value == CONDITION_TRUE) {
        row->not_found_told = false;
    }
    const struct condition *agent_says = &status->conditions[CONDITION_AgentCompatible];
    if (agent_says->value == CONDITION_FALSE && !row->incompatible_told) {
        row->incompatible_told = true;
        report_pool_event(p, pool, EVENT_AgentIncompatible, true, agent_says->message);
    } else if (agent_says->value == CONDITION_TRUE) {
        row->incompatible_told = false;
    }
}

static void tell_cloud(struct planner *p, uint32_t pool, const struct pool_status *status)
{
    struct pool_row *row = &p->pools[pool];
    const struct condition *c = &status->conditions[CONDITION_CloudAPIHealthy];

    if (c->value == CONDITION_FALSE && p->cloud != row->cloud_told) {
        switch (p->cloud) {
        case CLOUD_THROTTLED:
            report_pool_event(p, pool, EVENT_CloudAPIThrottled, true, c->message);
            break;
        case CLOUD_DENIED:
            report_pool_event(p, pool, EVENT_CloudAPIDenied, true, c->message);
            break;
        case CLOUD_UNAVAILABLE:
            report_pool_event(p, pool, EVENT_CloudAPIUnavailable, true, c->message);
            break;
        default:
            break;
        }
    }
    row->cloud_told = p->cloud;
}

static void tell(struct planner *p, uint32_t pool)
{
    struct pool_row *row = &p->pools[pool];
    struct pool_status status;

    if (row->told && !row->urgent && p->now_ns - row->told_ns < APART_NS) {
        return; /* the deadline comes back to it */
    }
    status_build(p, pool, &status);
    add_named(p, row, &status);
    uint64_t states = hash_states(&status);
    uint64_t counts = hash_counts(&status);
    bool differs = !row->told || states != row->told_states;
    row->urgent = false;
    if (!differs && p->now_ns - row->told_ns < APART_NS) {
        return;
    }
    row->dirty = false;
    if (!differs && counts == row->told_counts) {
        return;
    }
    row->told = true;
    row->told_ns = p->now_ns;
    row->told_states = states;
    row->told_counts = counts;
    tell_not_found(p, pool, &status);
    tell_cloud(p, pool, &status);
    plan_add(p, PLAN_POOL_STATUS)->pool_status = status;
}

void status_tick(struct planner *p)
{
    if (!p->synced || !p->leader) {
        return;
    }
    for (uint32_t i = 0; i < p->pool_count; i++) {
        if (p->pools[i].live && p->pools[i].dirty) {
            tell(p, i);
        }
    }
}

uint64_t status_deadline_ns(const struct planner *p)
{
    uint64_t at_ns = TIMERS_NEVER;

    for (uint32_t i = 0; p->leader && i < p->pool_count; i++) {
        const struct pool_row *row = &p->pools[i];
        if (row->live && row->dirty) {
            /* What is urgent, or was never told, was told in this step. */
            uint64_t due_ns = row->told_ns + APART_NS;
            at_ns = sooner(due_ns, at_ns);
        }
    }
    return at_ns;
}

/* ---- views ---- */

uint32_t plan_pool_count(const struct planner *p)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < p->pool_count; i++) {
        count += p->pools[i].live;
    }
    return count;
}

bool plan_pool_status_at(struct planner *p, uint32_t index, struct pool_status *ret)
{
    for (uint32_t i = 0; i < p->pool_count; i++) {
        if (p->pools[i].live && index-- == 0) {
            status_build(p, i, ret);
            return true;
        }
    }
    return false;
}
