/*
 * The planner's stories about who may act, which pool serves a node, where an ENI goes, and what
 * users read.
 */
#include "plan_fixture.h"

#include <stdio.h>

/* ---- when it may act at all ---- */

TEST(plan_start, waits_for_lists_lease_and_a_sweep_under_that_lease)
{
    struct story *s = story_needy();

    s->deaf = true;
    s->gone = true;
    story_sweep(s); /* before the lease: does not count */
    story_read(s);
    story_saw_nothing(s);
    story_tell_kube(s);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_sweep(s);
    story_is(s, "n1", PLAN_DECISION_NotLeader);
    story_saw_nothing(s);
    s->now_ns += STORY_S;
    story_lease(s, true);
    story_saw_nothing(s);
    expect_slice(story_decision(s, "n1").detail, "EC2 has not been swept under this lease yet");
    expect_u64(s->sweeps, 1);
    s->now_ns += STORY_S;
    story_sweep(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_start, asks_again_for_the_sweep_that_never_comes)
{
    struct story *s = story_needy();

    s->deaf = true;
    story_tell_kube(s);
    story_lease(s, true);
    story_wait(s, 40);
    expect_u64(s->sweeps, 3);
    story_end(s);
}

TEST(plan_start, does_nothing_while_kubernetes_is_out_of_sight)
{
    struct story *s = story_needy();
    struct plan_event event = { .kind = PLAN_KUBE_STALE, .stale = true };

    s->subnets[0].free = 200;
    story_go(s);
    story_step(s, &event);
    story_free(s, "a", 0);
    story_wait(s, 30);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Stale);
    event.stale = false;
    story_step(s, &event);
    story_wait(s, 1);
    story_saw(s, "attach n1");
    story_end(s);
}

TEST(plan_start, does_nothing_on_data_older_than_the_pool_allows)
{
    struct story *s = story_needy();

    s->subnets[0].free = 30;
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    story_pods(s, "n1", 1, 0);
    story_go(s);
    s->deaf = true;
    story_wait(s, 400);
    s->agent.warm_ip_target = 30; /* the need comes now */
    s->agent.provisioning_disabled = true;
    struct plan_event event = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &event);
    story_is(s, "n1", PLAN_DECISION_Stale);
    story_saw_nothing(s);
    s->deaf = false;
    story_wait(s, 31);
    story_saw(s, "attach n1 subnet-b ips=5");
    story_end(s);
}

TEST(plan_start, plans_but_does_not_act_in_a_dry_run)
{
    struct story *s = story_needy();

    s->config.dry_run = true;
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_DryRun);
    struct plan_decision decision = story_decision(s, "n1");
    expect_text(decision.subnet.text, "subnet-b");
    expect_u64(decision.ips, 5);
    expect_u64(decision.device_index, 2);
    expect_contains(decision.detail,
                    "an ENI in subnet-b with 5 addresses at device index 2 would be attached");
    story_end(s);
}

TEST(plan_start, a_paused_or_dry_pool_only_shows_what_it_would_do)
{
    struct story *s = story_needy();

    s->pools[0].paused = true;
    story_go(s);
    story_wait(s, 5);
    story_is(s, "n1", PLAN_DECISION_Paused);
    s->pools[0].paused = false;
    s->pools[0].dry_run = true;
    s->pools[0].generation = 2;
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_DryRun);
    expect_i64(s->status.observed_generation, 2);
    story_saw_nothing(s);
    s->pools[0].dry_run = false;
    s->pools[0].generation = 3;
    story_send_pool(s, "default");
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b");
    expect_i64(s->status.observed_generation, 3);
    story_end(s);
}

TEST(plan_start, leaves_kinds_of_nodes_alone_that_it_cannot_help)
{
    static const struct {
        const char *provider, *label;
        enum node_os os;
        bool ipv6, deleting;
        enum node_exclusion why;
    } kinds[] = {
        { "aws:///us-west-2a/i-n1", NULL, NODE_OS_LINUX, true, false, NODE_EXCLUDED_IPV6 },
        { "aws:///us-west-2a/i-n1", NULL, NODE_OS_WINDOWS, false, false, NODE_EXCLUDED_WINDOWS },
        { "aws:///us-west-2a/i-n1", NULL, NODE_OS_LINUX, false, true, NODE_EXCLUDED_LEAVING },
        { "aws:///us-west-2a/fargate-10.0.0.1", NULL, NODE_OS_LINUX, false, false,
          NODE_EXCLUDED_FARGATE },
        { "aws:///us-west-2a/sagemaker/cluster/x", NULL, NODE_OS_LINUX, false, false,
          NODE_EXCLUDED_HYPERPOD },
        { "eks-hybrid:///us-west-2/demo/n1", NULL, NODE_OS_LINUX, false, false,
          NODE_EXCLUDED_HYBRID },
        { "aws:///us-west-2a/i-n1", "auto", NODE_OS_LINUX, false, false, NODE_EXCLUDED_AUTO_MODE },
        { "kind://docker/kind/n1", NULL, NODE_OS_LINUX, false, false, NODE_EXCLUDED_NO_INSTANCE },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct story *s = story_needy();
        s->nodes[0].node.provider_id = slice_of(kinds[i].provider);
        s->nodes[0].node.os = kinds[i].os;
        s->nodes[0].node.ipv6 = kinds[i].ipv6;
        s->nodes[0].node.deleting = kinds[i].deleting;
        if (kinds[i].label) {
            story_label(&s->nodes[0], "eks.amazonaws.com/compute-type", kinds[i].label);
        }
        story_go(s);
        story_wait(s, 5);
        story_saw_nothing(s);
        story_is(s, "n1", PLAN_DECISION_Excluded);
        expect_u64(story_decision(s, "n1").exclusion, kinds[i].why);
        expect_slice(story_decision(s, "n1").detail, node_exclusion_text(kinds[i].why));
        story_end(s);
    }
}

TEST(plan_start, asks_for_the_limits_of_a_type_and_says_when_nobody_knows_them)
{
    struct story *s = story_needy();
    struct plan_event event = { .kind = PLAN_TYPE_UNKNOWN, .name = SLICE("z9.huge") };

    s->nodes[0].type = "z9.huge";
    story_go(s);
    story_saw(s, "type z9.huge");
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    expect_slice(story_decision(s, "n1").detail, "the limits of instance type z9.huge are unknown");
    story_step(s, &event);
    story_saw(s, "event node n1 UnknownInstanceType");
    event = (struct plan_event){ .kind = PLAN_TYPE };
    event.type = (struct instance_type){ .name = SLICE("z9.huge"), .enis = 3, .ips_per_eni = 6 };
    story_step(s, &event);
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_start, reads_the_enis_of_a_node_that_joins)
{
    struct story *s = story_needy();

    story_go(s);
    story_wait(s, 5);
    story_node(s, "n2", "t3.medium", "a", 0);
    story_send_node(s, "n2");
    story_wait(s, 2);
    story_saw(s, "attach n2 subnet-b ips=5 index=2 forecast"); /* launched into an empty subnet */
    story_end(s);
}

/* ---- pools ---- */

TEST(plan_pool, the_heavier_pool_wins_then_the_name_that_sorts_first)
{
    struct story *s = story_needy();
    struct pool *other = story_pool(s, "another");

    other->weight = 5;
    story_go(s);
    expect_slice(story_decision(s, "n1").pool, "another");
    story_saw_not(s, "PoolConflict");
    other->weight = 0;
    other->generation = 2;
    story_send_pool(s, "another");
    expect_slice(story_decision(s, "n1").pool, "another");
    story_saw(s, "event pool default PoolConflict (warning): node n1 is selected by SubnetPools "
                 "another and default "
                 "with equal weight 0; another serves it");
    s->pools[0].weight = 9;
    story_send_pool(s, "default");
    expect_slice(story_decision(s, "n1").pool, "default");
    story_end(s);
}

TEST(plan_pool, serves_only_the_nodes_that_it_selects)
{
    struct story *s = story_needy();
    struct slice value = SLICE("yes");
    struct selector_requirement wanted = { SLICE("team"), SELECTOR_IN, &value, 1 };

    s->pools[0].nodes = (struct label_selector){ &wanted, 1 };
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_NoPool);
    story_saw_nothing(s);
    story_label(&s->nodes[0], "team", "yes");
    story_send_node(s, "n1");
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_pool, a_selector_that_matches_no_subnet_is_a_condition_and_an_event)
{
    struct story *s = story_needy();

    s->subnets[0].tag_count = s->subnets[1].tag_count = 0;
    story_go(s);
    story_wait(s, 60);
    expect_text(s->status.conditions[0].reason, "SubnetsNotFound");
    expect_u64(s->status.conditions[1].value, CONDITION_FALSE);
    expect_u64(story_count(s, "event pool default SubnetsNotFound"), 1);
    story_tag(&s->subnets[1], "headroom", "yes");
    story_read(s);
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b");
    expect_u64(s->status.conditions[1].value, CONDITION_TRUE);
    story_end(s);
}

TEST(plan_pool, follows_an_edit_of_the_watermark_at_once)
{
    struct story *s = story_needy();

    s->subnets[0].free = 100;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    s->pools[0].low = (struct amount){ 50, true };
    s->pools[0].high = (struct amount){ 60, true };
    s->pools[0].generation = 2;
    story_send_pool(s, "default");
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    expect_i64(s->status.observed_generation, 2);
    expect_u64(s->status.subnets[0].state, SUBNET_Low);
    story_end(s);
}

TEST(plan_pool, goes_and_takes_taints_and_conditions_along_but_no_eni)
{
    struct story *s = story_needy();
    struct plan_event gone = { .kind = PLAN_POOL_GONE, .name = SLICE("default") };

    s->subnets[1].free = 0;
    s->pools[0].on_exhausted = EXHAUSTED_TAINT;
    story_go(s);
    story_wait(s, 1);
    story_saw(s, "condition n1 False NoHealthySubnet: subnet-a (us-west-2a) has 0 of 251 addresses "
                 "free, subnet-b "
                 "(us-west-2a) has 0 of 251 addresses free; the node needs a subnet with 10 free");
    story_saw(s, "taint n1 set");
    story_step(s, &gone);
    story_saw(s, "condition n1 True NotManaged: no SubnetPool selects this node");
    story_saw(s, "taint n1 clear");
    story_saw_nothing(s);
    expect_u64(plan_pool_count(s->planner), 0);
    story_end(s);
}

TEST(plan_pool, clears_what_a_former_life_left_on_nodes)
{
    struct story *s = story_needy();

    s->pool_count = 0;
    s->nodes[0].node.short_of_ips = true;
    s->nodes[0].node.tainted = true;
    story_go(s);
    story_saw(s, "condition n1 True NotManaged");
    story_saw(s, "taint n1 clear");
    story_end(s);
}

TEST(plan_pool, keeps_its_limits)
{
    struct story *s = story_needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_node(s, "n3", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    story_pods(s, "n3", 5, 1);
    s->pools[0].attach_per_minute = 2;
    story_go(s);
    story_wait(s, 5);
    expect_u64(s->order_count, 2);
    story_is(s, "n3", PLAN_DECISION_PoolLimit);
    story_wait(s, 30);
    expect_u64(s->order_count, 3);
    story_end(s);

    s = story_needy();
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    s->pools[0].max_enis = 1;
    story_go(s);
    story_wait(s, 120);
    expect_u64(s->order_count, 1);
    story_end(s);
}

/* The story fails where the planner asks to be called at once for ever. */
TEST(plan_pool, at_its_number_of_enis_with_one_attach_to_spare_is_looked_at_now_and_then)
{
    struct story *s = story_needy();
    struct story_eni *own = story_eni(s, "n1", "b", 1, 5, 0);

    own->tags[own->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    own->tags[own->tag_count++] = (struct pair){ SLICE(TAG_POOL), SLICE("default") };
    s->pools[0].max_enis = 1;
    s->pools[0].attach_per_minute = 1;
    story_pods(s, "n1", 10, 1);
    story_go(s);
    story_wait(s, 60);
    story_is(s, "n1", PLAN_DECISION_PoolLimit);
    expect_u64(s->order_count, 0);
    story_end(s);
}

TEST(plan_pool, selects_security_groups_by_tag)
{
    struct story *s = story_needy();
    struct pair tag = { SLICE("pods"), SLICE("yes") };
    struct selector_term term = { .tags = &tag, .tag_count = 1 };
    struct plan_group groups[2] = { { .id = { "sg-1" } },
                                    { .id = { "sg-2" }, .tags = &tag, .tag_count = 1 } };
    struct plan_event event = { .kind = PLAN_GROUPS };

    s->pools[0].group_terms = &term;
    s->pools[0].group_term_count = 1;
    event.groups.groups = groups;
    event.groups.count = 2;
    story_step(s, &event);
    story_go(s);
    require(s->order_count == 1);
    require(s->orders[0].action.attach.group_count == 1);
    expect_text(s->orders[0].action.attach.groups[0].text, "sg-2");
    event.groups.count = 1;
    story_step(s, &event);
    expect_text(s->status.conditions[1].reason, "SecurityGroupsNotFound");
    expect_text(s->status.conditions[0].reason, "SecurityGroupsNotFound");
    /* Whoever mends the pool is told at once, and not after the next read of the groups. */
    s->pools[0].group_term_count = 0;
    story_send_pool(s, "default");
    expect_text(s->status.conditions[1].reason, "SubnetsFound");
    story_end(s);
}

TEST(plan_pool, says_when_its_addressing_does_not_fit_the_agent)
{
    struct story *s = story_needy();

    s->pools[0].addressing = ADDRESSING_PREFIX;
    story_go(s);
    story_saw(s, "event pool default AgentIncompatible");
    expect_text(s->status.conditions[4].reason, "PrefixDelegationDisabled");
    expect_u64(s->orders[0].action.attach.ips, 5);
    s->agent.prefix_delegation = true;
    s->pools[0].addressing = ADDRESSING_SECONDARY_IP;
    struct plan_event event = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &event);
    story_send_pool(s, "default");
    expect_text(s->status.conditions[4].reason, "PrefixDelegationEnabled");
    s->agent.ipv6 = true;
    event.agent = s->agent;
    story_step(s, &event);
    expect_text(s->status.conditions[4].reason, "IPv6");
    story_end(s);
}

/* ---- where ---- */

/* The subnet of the first order, with subnets a (empty, the node's), b and c. */
static struct aws_id chosen(void (*shape)(struct story *s))
{
    struct story *s = story_begin();
    struct aws_id subnet = { "" };

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 100);
    story_subnet(s, "c", 200);
    story_node(s, "n1", "t3.medium", "a", 5);
    story_pool(s, "default");
    story_pods(s, "n1", 5, 1);
    shape(s);
    story_go(s);
    if (s->order_count > 0) {
        subnet = s->orders[0].action.attach.subnet;
    }
    story_end(s);
    return subnet;
}

static void as_is(struct story *s)
{
    (void)s;
}

static void balanced(struct story *s)
{
    s->pools[0].strategy = STRATEGY_BALANCED;
    s->subnets[2].bits = 22; /* 200 of 1019: fuller than 100 of 251 */
    s->pools[0].low = (struct amount){ 10, false };
    s->pools[0].high = (struct amount){ 20, false };
}

static void ordered(struct story *s)
{
    struct selector_term *terms = ARENA_ARRAY(&s->arena, struct selector_term, 2);

    terms[0].id = SLICE("subnet-b");
    terms[1].id = SLICE("subnet-c");
    s->pools[0].strategy = STRATEGY_ORDERED;
    s->pools[0].subnet_terms = terms;
    s->pools[0].subnet_term_count = 2;
}

static void other_zone(struct story *s)
{
    s->subnets[2].zone = "us-west-2b";
}

static void public(struct story *s)
{
    s->subnets[2].route = ROUTE_PUBLIC;
}

static void role_0(struct story *s)
{
    story_tag(&s->subnets[2], "kubernetes.io/role/cni", "0");
}

static void other_cluster(struct story *s)
{
    story_tag(&s->subnets[2], "cni.networking.k8s.aws/cluster/other", "shared");
}

static void not_selected(struct story *s)
{
    s->subnets[2].tag_count = 0;
}

static void not_usable(struct story *s)
{
    s->subnets[2].usable = false;
}

static void other_vpc(struct story *s)
{
    s->subnets[2].vpc = "vpc-2";
}

static void reserved(struct story *s)
{
    s->subnets[2].reservations[0] = (struct cidr_reservation){ { s->subnets[2].base, 25 }, false };
    s->subnets[2].reservation_count = 1;
    s->subnets[2].free = 120; /* all of them in the reservation */
    s->agent.subnet_discovery = false;
}

static void dying(struct story *s)
{
    s->subnets[2].free = 24;
    s->subnets[2].bits = 24;
    s->subnets[1].free = 60;
}

TEST(plan_choice, follows_the_strategy_and_never_leaves_the_fence)
{
    static const struct {
        void (*shape)(struct story *);
        const char *subnet;
    } cases[] = {
        { as_is, "subnet-c" },         { balanced, "subnet-b" },     { ordered, "subnet-b" },
        { other_zone, "subnet-b" },    { public, "subnet-b" },       { role_0, "subnet-b" },
        { other_cluster, "subnet-b" }, { not_selected, "subnet-b" }, { not_usable, "subnet-b" },
        { other_vpc, "subnet-b" },     { reserved, "subnet-b" },     { dying, "subnet-b" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aws_id subnet = chosen(cases[i].shape);
        if (strcmp(subnet.text, cases[i].subnet) != 0) {
            test_fail("case %zu chose %s, not %s", i, subnet.text, cases[i].subnet);
        }
    }
}

TEST(plan_choice, keeps_the_reserve_free)
{
    struct story *s = story_needy();

    s->subnets[1].free = 9; /* 8 reserved, 1 for the ENI itself: nothing for a pod */
    story_go(s);
    story_wait(s, 5);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    story_free(s, "b", 10);
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b ips=1 index=2 waiting");
    story_end(s);
}

TEST(plan_choice, serves_the_node_first_whose_pods_wait_longest)
{
    struct story *s = story_needy();

    s->subnets[1].free = 8;
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_pods(s, "n2", 5, 1);
    story_wait(s, 3);
    story_pods(s, "n1", 5, 1);
    story_wait(s, 3);
    story_forget(s);
    s->holds = true;
    story_free(s, "b", 10);
    story_saw(s, "attach n2 subnet-b ips=1");
    story_saw_not(s, "attach n1");
    story_end(s);
}

/* ---- what users read ---- */

TEST(plan_report, a_node_that_nothing_helps_is_told_once_and_recovers_when_a_subnet_does)
{
    struct story *s = story_needy();

    s->subnets[1].free = 0;
    story_go(s);
    story_wait(s, 60);
    expect_u64(story_count(s, "event node n1 NoHealthySubnet"), 1);
    expect_u64(story_count(s, "condition n1 False NoHealthySubnet"), 1);
    expect_u64(s->status.nodes_exhausted, 1);
    expect_text(s->status.conditions[2].reason, "NodesExhausted");
    story_forget(s);
    story_free(s, "b", 200);
    story_wait(s, 2);
    story_saw(s, "attach n1 subnet-b");
    story_wait(s, 3);
    story_pods(s, "n1", 6, 0);
    story_wait(s, 40);
    story_saw(s, "condition n1 True AddressesAvailable");
    expect_u64(story_count(s, "event node n1 NodeRecovered"), 1);
    expect_u64(s->status.nodes_exhausted, 0);
    story_end(s);
}

TEST(plan_report, the_status_shows_both_subnets_and_the_nodes)
{
    struct story *s = story_needy();

    story_go(s);
    require(s->status.subnet_count == 2);
    expect_text(s->status.subnets[0].id.text, "subnet-a");
    expect_u64(s->status.subnets[0].state, SUBNET_Exhausted);
    expect_u64(s->status.subnets[0].total, 251);
    expect_u64(s->status.subnets[0].exhausted_in_s, 0);
    expect_u64(s->status.subnets[1].state, SUBNET_Healthy);
    expect_u64(s->status.subnets[1].exhausted_in_s, FORECAST_NEVER_S);
    require(s->status.zone_count == 1);
    expect_slice(s->status.zones[0].zone, "us-west-2a");
    expect_u64(s->status.zones[0].nodes, 1);
    expect_u64(s->status.nodes_total, 1);
    expect_u64(s->status.low_subnets, 1);
    expect_text(s->status.conditions[0].type, "Ready");
    struct pool_status now;
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect(!plan_pool_status_at(s->planner, 1, &now));
    story_end(s);
}

TEST(plan_report, nodes_at_risk_are_named_the_neediest_first_with_what_to_do)
{
    struct story *s = story_needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 3);
    story_node(s, "n3", "t3.medium", "b", 5);
    story_pods(s, "n3", 1, 0);
    s->pools[0].paused = true;
    story_go(s);
    story_wait(s, 20);
    expect_u64(s->status.nodes_at_risk, 2);
    require(s->status.named_count == 2);
    expect_slice(s->status.named[0].name, "n2");
    expect_slice(s->status.named[1].name, "n1");
    expect_text(s->status.named[0].decision, "Paused");
    expect_contains(s->status.named[0].message, "set it to false");
    expect_contains(s->status.named[0].message, "5 of 5 addresses are in use, 3 pods wait");
    expect_text(s->status.conditions[0].reason, "Paused");
    expect_contains(s->status.conditions[0].message, "2 of 3 nodes are at risk");
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_wait(s, 30);
    expect_text(s->status.named[0].decision, "Adopting");
    expect_contains(s->status.named[0].message, "an ENI is attached; its agent adopts it within");
    expect_text(s->status.conditions[0].reason, "NodesAtRisk");
    expect_contains(s->status.conditions[0].message, "the pool serves its nodes; 2 of 3 nodes");
    story_pods(s, "n1", 2, 0);
    story_pods(s, "n2", 2, 0);
    story_wait(s, 30);
    expect_u64(s->status.nodes_at_risk, 0);
    expect_u64(s->status.named_count, 0);
    expect_text(s->status.conditions[0].reason, "Ready");
    expect_slice(s->status.conditions[0].message, "the pool serves its nodes");
    story_end(s);
}

TEST(plan_report, of_many_nodes_at_risk_the_neediest_ten_are_named)
{
    struct story *s = story_needy();

    for (int i = 10; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%d", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 5, i == 29 ? 4 : 2);
    }
    s->subnets[1].free = 0;
    story_go(s);
    story_wait(s, 60);
    expect_u64(s->status.nodes_exhausted, 21);
    require(s->status.named_count == POOL_STATUS_NAMED_MAX);
    expect_slice(s->status.named[0].name, "m29");
    expect_slice(s->status.named[1].name, "m10");
    expect_slice(s->status.named[9].name, "m18");
    expect_text(s->status.named[9].decision, "NoHealthySubnet");
    expect_contains(s->status.named[9].message, "add a subnet of us-west-2a");
    story_end(s);
}

TEST(plan_report, mere_counts_are_written_seldom_and_only_in_steps)
{
    struct story *s = story_needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_wait(s, 30);
    uint32_t before = s->statuses;
    for (int i = 0; i < 100; i++) {
        s->subnets[0].free = i % 2 ? 200 : 199;
        story_read(s);
        story_wait(s, 1);
    }
    expect(s->statuses - before <= 3);
    story_end(s);
}

TEST(plan_report, a_quiet_cluster_asks_ec2_for_little)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 200);
    story_subnet(s, "b", 200);
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "n%d", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 0, 0);
    }
    story_pool(s, "default");
    story_go(s);
    story_wait(s, 60);
    uint32_t reads = s->subnet_reads;
    uint32_t observes = s->observes;
    uint32_t sweeps = s->sweeps;
    story_wait(s, 600);
    expect(s->subnet_reads - reads <= 21);
    expect_u64(s->observes - observes, 0);
    expect_u64(s->sweeps - sweeps, 0);
    story_end(s);
}

TEST(plan_report, each_decision_and_event_has_words)
{
    for (int kind = 0; kind <= PLAN_DECISION_CloudQuota; kind++) {
        expect(strlen(plan_decision_text((enum plan_decision_kind)kind)) > 10);
        expect(strlen(plan_decision_name((enum plan_decision_kind)kind)) > 3);
    }
}

TEST(plan_report, the_story_of_one_drained_subnet_in_full)
{
    struct story *s = story_needy();

    s->subnets[0].free = 40;
    story_pods(s, "n1", 0, 0);
    s->show_status = true;
    story_go(s);
    story_forget(s);
    story_free(s, "a", 20);
    story_wait(s, 30);
    story_free(s, "a", 0);
    story_pods(s, "n1", 5, 0);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    eni->ip_count = 3;
    story_enis(s, "n1");
    story_pods(s, "n1", 7, 0);
    story_free(s, "a", 100);
    story_trace_is(
        s, "event pool default SubnetLow (warning): subnet-a (us-west-2a) has 20 of 251 addresses "
           "free, below the low "
           "watermark of 25; nodes that depend on it get ENIs in other subnets ahead of need\n"
           "attach n1 subnet-b ips=0 index=2 forecast\n"
           "status default ready=1 reason=Ready subnets=2\n"
           "event node n1 ENIPreAttached: attached eni-new1 from subnet-b to node n1 at device "
           "index 2 with no addresses "
           "yet (the agent adds them), because the subnets that its agent uses are running out\n"
           "event pool default ENIPreAttached: attached eni-new1 from subnet-b to node n1 at "
           "device index 2 with no "
           "addresses yet (the agent adds them), because the subnets that its agent uses are "
           "running out\n"
           "status default ready=1 reason=Ready subnets=2\n"
           "event pool default SubnetExhausted (warning): subnet-a (us-west-2a) has 0 of 251 "
           "addresses free; nodes that "
           "depend on it are served from other subnets of the pool\n"
           "status default ready=1 reason=Ready subnets=2\n"
           "assign n1 eni-new1 ips=2 prefixes=0 forecast\n"
           "event pool default SubnetRecovered: subnet-a (us-west-2a) has 100 of 251 addresses "
           "free again\n"
           "status default ready=1 reason=NodesAtRisk subnets=2\n");
    story_end(s);
}
