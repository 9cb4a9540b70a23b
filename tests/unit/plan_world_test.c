/*
 * plan_world_test.c - random clusters that live, for the recorded runs.
 *
 * Knows what agents, pods and people do to a cluster. Refuses to know what the planner should do
 * about it.
 */
#include "plan_world.h"

#include <stdio.h>

static const struct pair wanted_tag = { SLICE("pods"), SLICE("yes") };
static const struct selector_term wanted_term = { .tags = &wanted_tag, .tag_count = 1 };

static bool one_in(struct prng *prng, uint32_t n)
{
    return chaos_below(prng, n) == 0;
}

static const char *some_node(struct prng *prng)
{
    return chaos_nodes[chaos_below(prng, CHAOS_NODES)];
}

static struct story_subnet *some_subnet(struct story *s, struct prng *prng)
{
    return &s->subnets[chaos_below(prng, CHAOS_SUBNETS)];
}

/* ---- at first ---- */

static void tell_groups(struct story *s, struct prng *prng)
{
    static const struct plan_group groups[] = {
        { .id = { "sg-1" }, .tags = &wanted_tag, .tag_count = 1 },
        { .id = { "sg-2" } },
        { .id = { "sg-3" }, .tags = &wanted_tag, .tag_count = 1 },
    };
    struct plan_event event = { .kind = PLAN_GROUPS };

    event.groups.groups = groups;
    event.groups.count = chaos_below(prng, 4);
    story_step(s, &event);
}

static void tell_eniconfig(struct story *s, struct prng *prng)
{
    static const struct aws_id groups[] = { { "sg-pods" }, { "sg-more" } };
    static const char *const names[] = { "default", "us-west-2a", "us-west-2b" };
    struct plan_event event = { .kind = one_in(prng, 5) ? PLAN_ENICONFIG_GONE : PLAN_ENICONFIG };
    struct slice name = slice_of(names[chaos_below(prng, 3)]);
    uint32_t count = chaos_below(prng, 3);

    if (event.kind == PLAN_ENICONFIG_GONE) {
        event.name = name;
    } else {
        event.eniconfig =
            (struct eniconfig){ .name = name, .groups = groups, .group_count = count };
        event.eniconfig.subnet = some_subnet(s, prng)->id;
    }
    story_step(s, &event);
}

static void set_agent(struct story *s, struct prng *prng)
{
    s->agent.max_eni = one_in(prng, 4) ? 2 : AGENT_UNSET;
    s->agent.minimum_ip_target = one_in(prng, 4) ? 9 : AGENT_UNSET;
    s->agent.manage_non_schedulable = one_in(prng, 4);
    s->agent.manage_untagged = !one_in(prng, 4);
    s->agent.custom_networking = one_in(prng, 5);
    s->agent.eniconfig_label = SLICE("topology.kubernetes.io/zone");
}

static void set_pool(struct pool *pool, struct prng *prng)
{
    pool->min_ips_per_node = one_in(prng, 3) ? 12 : 0;
    pool->max_enis = one_in(prng, 4) ? 5 : 0;
    pool->max_enis_per_node = one_in(prng, 4) ? 3 : 0;
    pool->low.value = 5 + chaos_below(prng, 20);
    pool->low.percent = chaos_below(prng, 2);
    pool->high = (struct amount){ pool->low.value * 2, pool->low.percent };
    pool->reserved_ips = one_in(prng, 2) ? 8 : chaos_below(prng, 4);
    pool->addressing = (enum pool_addressing)chaos_below(prng, 3);
    pool->group_terms = &wanted_term;
    pool->group_term_count = one_in(prng, 4);
}

static void second_pool(struct story *s, struct prng *prng)
{
    static const struct slice values[] = { SLICE("blue"), SLICE("green") };
    static const struct selector_requirement blue = { SLICE("team"), SELECTOR_IN, values, 1 };
    struct pool *pool = story_pool(s, "second");

    pool->nodes = (struct label_selector){ &blue, chaos_below(prng, 2) };
    pool->weight = chaos_below(prng, 2) * 10;
    set_pool(pool, prng);
}

static void set_subnet(struct story_subnet *subnet, struct prng *prng)
{
    subnet->route = one_in(prng, 6) ? ROUTE_PUBLIC : ROUTE_PRIVATE;
    subnet->reservations[0].cidr = (struct cidr){ subnet->base + 64, 27 };
    subnet->reservations[0].prefix = chaos_below(prng, 2);
    subnet->reservation_count = one_in(prng, 4);
}

static void set_node(struct story_node *node, struct prng *prng)
{
    static const char *const teams[] = { "blue", "green" };

    node->node.max_pods = one_in(prng, 3) ? 17 : 110;
    node->node.unschedulable = one_in(prng, 6);
    node->branch = one_in(prng, 6) ? 2 : 0;
    story_label(node, "team", teams[chaos_below(prng, 2)]);
    story_label(node, "topology.kubernetes.io/zone", node->zone);
}

struct story *world_cluster(struct prng *prng)
{
    struct story *s = chaos_cluster(prng);

    if (one_in(prng, 2)) {
        s->now_ns = s->began_ns = 2; /* the machine has just booted */
    }
    set_agent(s, prng);
    set_pool(&s->pools[0], prng);
    for (uint32_t i = 0; i < CHAOS_SUBNETS; i++) {
        set_subnet(&s->subnets[i], prng);
    }
    for (uint32_t i = 0; i < CHAOS_NODES; i++) {
        set_node(&s->nodes[i], prng);
        if (one_in(prng, 2)) {
            s->enis[i].ip_count = 5 - chaos_below(prng, 3);
        }
    }
    if (one_in(prng, 3)) {
        second_pool(s, prng);
    }
    if (one_in(prng, 3)) {
        tell_groups(s, prng);
    }
    s->config.dry_run = one_in(prng, 10);
    s->page = one_in(prng, 3) ? 5 : 0;
    s->reversed = one_in(prng, 2);
    for (int i = 0; s->agent.custom_networking && i < 5; i++) {
        tell_eniconfig(s, prng);
    }
    s->show_reads = s->show_status = s->show_all = true;
    return s;
}

/* ---- pods and agents ---- */

/* Pods as many as find an address, and some that wait. */
static void some_pods(struct story *s, struct prng *prng)
{
    const char *name = some_node(prng);
    struct plan_decision decision;
    uint32_t waiting = one_in(prng, 2) ? chaos_below(prng, 5) : 0;
    uint32_t fewer = chaos_below(prng, 4);

    if (plan_decision_of(s->planner, slice_of(name), &decision)) {
        uint32_t most = decision.addresses;
        story_pods(s, name, most > fewer ? most - fewer : 0, waiting);
    }
}

static struct story_eni *some_eni(struct story *s, struct prng *prng)
{
    struct story_eni *eni = &s->enis[chaos_below(prng, s->eni_count)];

    return eni->id.text[0] && eni->instance.text[0] ? eni : NULL;
}

/* The agent takes some addresses more, or gives some back. */
static void agent_moves(struct story *s, struct prng *prng)
{
    struct story_eni *eni = some_eni(s, prng);
    uint32_t more = 1 + chaos_below(prng, 3);
    bool back = one_in(prng, 3);

    if (!eni || !eni->subnet.text[0]) {
        return;
    }
    uint32_t *count = s->agent.prefix_delegation ? &eni->prefix_count : &eni->ip_count;
    uint32_t size = s->agent.prefix_delegation ? 16 : 1;
    struct story_subnet *subnet = story_subnet_of(s, eni->subnet.text);
    if (back) {
        more = more < *count ? more : *count;
        *count -= more;
        subnet->free += more * size;
    } else if (*count + more <= 5 && subnet->free >= more * size) {
        *count += more;
        subnet->free -= more * size;
    }
}

static void agent_attaches(struct story *s, struct prng *prng)
{
    static const enum eni_type types[] = { ENI_STANDARD, ENI_STANDARD, ENI_TRUNK, ENI_EFA };
    const char *node = some_node(prng);
    const char *letter = chaos_letters[chaos_below(prng, CHAOS_SUBNETS)];
    struct story_eni *eni = story_eni(s, node, letter, 1, chaos_below(prng, 4), 0);

    eni->type = types[chaos_below(prng, 4)];
    eni->card = one_in(prng, 6);
    eni->status = one_in(prng, 8) ? ENI_DETACHING : ENI_IN_USE;
    if (one_in(prng, 3)) {
        eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_INSTANCE),
                                                     aws_id_slice(&eni->instance) };
    }
}

/* ---- what people do ---- */

static void edit_node(struct story *s, struct prng *prng)
{
    static const char *const teams[] = { "blue", "green" };
    struct story_node *node = story_node_of(s, some_node(prng));

    switch (chaos_below(prng, 5)) {
    case 0:
        node->node.unschedulable = !node->node.unschedulable;
        break;
    case 1:
        node->node.short_of_ips = !node->node.short_of_ips;
        break;
    case 2:
        node->node.tainted = !node->node.tainted;
        break;
    case 3:
        node->node.deleting = !node->node.deleting;
        break;
    default:
        node->labels[0].value = slice_of(teams[chaos_below(prng, 2)]);
        break;
    }
    story_send_node(s, node->name);
}

static void edit_agent(struct story *s, struct prng *prng)
{
    struct plan_event event = { .kind = PLAN_AGENT };

    switch (chaos_below(prng, 4)) {
    case 0:
        s->agent.warm_eni_target = (int32_t)chaos_below(prng, 3);
        break;
    case 1:
        s->agent.warm_ip_target = one_in(prng, 2) ? (int32_t)chaos_below(prng, 6) : AGENT_UNSET;
        break;
    case 2:
        s->agent.subnet_discovery = !s->agent.subnet_discovery;
        break;
    default:
        s->agent.prefix_delegation = !s->agent.prefix_delegation;
        break;
    }
    event.agent = s->agent;
    story_step(s, &event);
}

static void edit_pool(struct story *s, struct prng *prng)
{
    struct pool *pool = &s->pools[chaos_below(prng, s->pool_count)];
    struct plan_event gone = { .kind = PLAN_POOL_GONE, .name = pool->name };

    if (one_in(prng, 5)) {
        story_step(s, &gone);
        return;
    }
    pool->generation++;
    set_pool(pool, prng);
    pool->dry_run = one_in(prng, 6);
    pool->paused = one_in(prng, 6);
    pool->strategy = (enum pool_strategy)chaos_below(prng, 3);
    pool->attach_per_minute = one_in(prng, 3) ? 5 : 0;
    story_send_pool(s, pool->name.data);
}

static void edit_subnet(struct story *s, struct prng *prng)
{
    struct story_subnet *subnet = some_subnet(s, prng);

    switch (chaos_below(prng, 4)) {
    case 0:
        subnet->usable = !subnet->usable;
        break;
    case 1:
        subnet->gone = !subnet->gone;
        break;
    case 2:
        set_subnet(subnet, prng);
        break;
    default:
        subnet->tags[0].value = one_in(prng, 2) ? SLICE("yes") : SLICE("no");
        break;
    }
    story_read(s);
}

/* ---- what EC2 and Kubernetes do ---- */

static void cloud_says(struct story *s, struct prng *prng)
{
    static const enum cloud_code codes[] = { CLOUD_OK, CLOUD_OK, CLOUD_THROTTLED, CLOUD_DENIED,
                                             CLOUD_UNAVAILABLE };
    struct plan_event event = { .kind = PLAN_CLOUD };

    event.cloud.code = codes[chaos_below(prng, 5)];
    event.cloud.operation = SLICE("DescribeSubnets");
    event.cloud.message = SLICE("not now");
    story_step(s, &event);
}

static void kubernetes_says(struct story *s, struct prng *prng)
{
    struct plan_event event = { .kind = PLAN_KUBE_STALE, .stale = true };
    const char *name = some_node(prng);

    if (one_in(prng, 2)) {
        story_step(s, &event);
        story_wait(s, 3);
        event.stale = false;
        story_step(s, &event);
        return;
    }
    story_lease(s, false);
    story_pods(s, name, 2, 1);
    story_wait(s, 7);
    story_lease(s, true);
}

/* Others drain a subnet for a while, steadily. */
static void drain(struct story *s, struct prng *prng)
{
    struct story_subnet *subnet = some_subnet(s, prng);
    uint32_t each = 1 + chaos_below(prng, 6);

    for (int i = 0; i < 5; i++) {
        subnet->free = subnet->free > each ? subnet->free - each : 0;
        story_read(s);
        story_wait(s, 10);
    }
}

void world_happen(struct story *s, struct prng *prng)
{
    switch (chaos_below(prng, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        some_pods(s, prng);
        break;
    case 4:
    case 5:
        agent_moves(s, prng);
        break;
    case 6:
        agent_attaches(s, prng);
        break;
    case 7:
        edit_node(s, prng);
        break;
    case 8:
        edit_pool(s, prng);
        break;
    case 9:
        edit_subnet(s, prng);
        break;
    case 10:
        drain(s, prng);
        break;
    case 11:
        switch (chaos_below(prng, 6)) {
        case 0:
            edit_agent(s, prng);
            break;
        case 1:
            tell_groups(s, prng);
            break;
        case 2:
            tell_eniconfig(s, prng);
            break;
        case 3:
            story_sweep_part(s, 1);
            break;
        default:
            kubernetes_says(s, prng);
            break;
        }
        break;
    case 12:
        cloud_says(s, prng);
        break;
    default:
        chaos_happen(s, prng);
        break;
    }
}
