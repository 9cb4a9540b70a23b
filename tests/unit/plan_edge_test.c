/*
 * The planner's stories about edges: what comes late, twice, for nobody, or in an unusual shape.
 */
#include "plan_fixture.h"

#include <stdio.h>

#include "plan/state.h" /* what is held, which users see as memory */

TEST(plan_edge, events_about_the_unknown_change_nothing)
{
    static const enum plan_event_kind kinds[] = { PLAN_NODE_GONE, PLAN_POOL_GONE,
                                                  PLAN_ENICONFIG_GONE, PLAN_TYPE_UNKNOWN };
    struct story *s = story_needy();

    story_go(s);
    story_forget(s);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct plan_event event = { .kind = kinds[i], .name = SLICE("nobody") };
        story_step(s, &event);
        event.name = SLICE("");
        story_step(s, &event);
    }
    struct plan_event pods = { .kind = PLAN_PODS };
    pods.pods.node = SLICE("nobody");
    story_step(s, &pods);
    story_agent_pod(s, "nobody", true);
    struct plan_event type = { .kind = PLAN_TYPE };
    story_step(s, &type);
    struct plan_event result = { .kind = PLAN_RESULT };
    result.result.action = 12345;
    result.result.stage = CLOUD_DONE;
    story_step(s, &result);
    struct aws_id stranger = { "i-stranger" };
    struct plan_event enis = { .kind = PLAN_ENIS };
    enis.enis.instances = &stranger;
    enis.enis.instance_count = 1;
    story_step(s, &enis);
    expect_u64(plan_node_count(s->planner), 1);
    story_saw_nothing(s);
    struct plan_decision decision;
    expect(!plan_decision_of(s->planner, SLICE("nobody"), &decision));
    expect(plan_decision_at(s->planner, 0, &decision));
    expect_slice(decision.node, "n1");
    expect(!plan_decision_at(s->planner, 1, &decision));
    story_end(s);
    plan_free(NULL);
}

TEST(plan_edge, an_older_read_does_not_overwrite_a_newer_one)
{
    struct story *s = story_needy();

    story_go(s);
    struct plan_event old = { .kind = PLAN_SUBNETS };
    old.subnets.asked_ns = s->now_ns - STORY_S;
    story_step(s, &old); /* says that there are no subnets */
    expect_u64(s->status.subnet_count, 2);
    struct plan_event enis = { .kind = PLAN_ENIS };
    enis.enis.instances = &s->nodes[0].instance;
    enis.enis.instance_count = 1;
    enis.enis.asked_ns = s->now_ns - STORY_S;
    story_step(s, &enis);
    expect_u64(story_decision(s, "n1").addresses, 5);
    story_end(s);
}

TEST(plan_edge, a_subnet_that_is_gone_leaves_the_pool)
{
    struct story *s = story_needy();

    story_go(s);
    s->subnets[0].gone = true;
    story_read(s);
    expect_u64(s->status.subnet_count, 1);
    s->subnets[1].usable = false;
    story_read(s);
    expect_u64(s->status.subnets[0].state, SUBNET_Unavailable);
    story_end(s);
}

TEST(plan_edge, follows_a_change_of_a_subnets_tags)
{
    struct story *s = story_needy();

    s->subnets[1].free = 8;
    s->subnets[1].tag_count = 0;
    story_go(s);
    story_wait(s, 1);
    story_saw(s, "condition n1 False NoHealthySubnet");
    s->subnets[1].free = 200;
    story_tag(&s->subnets[1], "headroom", "no");
    story_read(s);
    story_wait(s, 1);
    story_saw_nothing(s);
    s->subnets[1].tags[0].value = SLICE("yes");
    story_read(s);
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_edge, says_why_each_subnet_of_the_zone_does_not_help)
{
    struct story *s = story_needy();

    s->subnets[1].usable = false;
    story_subnet(s, "c", 200)->route = ROUTE_PUBLIC;
    story_tag(story_subnet(s, "d", 200), "kubernetes.io/role/cni", "0");
    story_subnet(s, "e", 0);
    story_go(s);
    story_wait(s, 1);
    struct slice detail = story_decision(s, "n1").detail;
    expect_contains(detail,
                    "subnet-b (us-west-2a) has 200 of 251 addresses free but is unavailable");
    expect_contains(detail,
                    "subnet-c (us-west-2a) has 200 of 251 addresses free but another kind of "
                    "route table than the node's");
    expect_contains(detail, "and 2 more");
    story_end(s);
}

TEST(plan_edge, says_that_the_pool_has_no_subnet_in_the_zone)
{
    struct story *s = story_needy();

    s->subnets[0].tag_count = 0;
    s->subnets[1].zone = "us-west-2b";
    story_go(s);
    story_wait(s, 1);
    expect_contains(story_decision(s, "n1").detail, "the pool selects no subnet in us-west-2a");
    expect_text(s->status.conditions[2].reason, "NodesExhausted");
    story_end(s);
}

TEST(plan_edge, says_what_is_missing)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 200);
    story_node(s, "n1", "t3.medium", "a", 5);
    story_pool(s, "default");
    s->deaf = true;
    story_send_pool(s, "default");
    story_send_node(s, "n1");
    struct plan_event synced = { .kind = PLAN_KUBE_SYNCED };
    story_step(s, &synced);
    story_lease(s, true);
    expect_contains(story_decision(s, "n1").detail, "the aws-node DaemonSet has not been seen");
    expect_text(s->status.conditions[4].reason, "AgentNotFound");
    struct plan_event agent = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &agent);
    expect_contains(story_decision(s, "n1").detail, "the subnets have not been read yet");
    expect_text(s->status.conditions[1].reason, "NotReadYet");
    story_read(s);
    expect_contains(story_decision(s, "n1").detail, "the ENIs of i-n1 have not been read yet");
    s->nodes[0].zone = "";
    s->nodes[0].node.provider_id = SLICE("aws:///x/i-n1");
    story_send_node(s, "n1");
    expect_contains(story_decision(s, "n1").detail, "topology.kubernetes.io/zone");
    s->nodes[0].type = "";
    story_send_node(s, "n1");
    expect_contains(story_decision(s, "n1").detail, "instance type (none)");
    story_end(s);
}

TEST(plan_edge, a_changed_label_moves_a_node_between_pools)
{
    struct story *s = story_needy();
    struct slice value = SLICE("b");
    struct selector_requirement wanted = { SLICE("team"), SELECTOR_IN, &value, 1 };

    s->pools[0].weight = 1;
    struct pool *other = story_pool(s, "team-b");
    other->weight = 2;
    other->nodes = (struct label_selector){ &wanted, 1 };
    story_label(&s->nodes[0], "team", "a");
    story_go(s);
    expect_slice(story_decision(s, "n1").pool, "default");
    s->nodes[0].labels[0].value = SLICE("b");
    story_send_node(s, "n1");
    expect_slice(story_decision(s, "n1").pool, "team-b");
    /* The same selector again: nothing moves; another value: it does. */
    story_send_pool(s, "team-b");
    value = SLICE("c");
    story_send_pool(s, "team-b");
    expect_slice(story_decision(s, "n1").pool, "default");
    wanted.op = SELECTOR_NOT_IN;
    story_send_pool(s, "team-b");
    expect_slice(story_decision(s, "n1").pool, "team-b");
    story_end(s);
}

TEST(plan_edge, eniconfigs_come_change_and_go)
{
    struct story *s = story_needy();
    struct plan_event event = { .kind = PLAN_ENICONFIG };

    s->agent.custom_networking = true;
    story_go(s);
    story_wait(s, 1);
    /* No ENIConfig: nobody knows where its pods belong; the primary ENI's subnet is the model. */
    event.eniconfig = (struct eniconfig){ .name = SLICE("default"), .subnet = s->subnets[0].id };
    story_step(s, &event);
    struct plan_event gone = { .kind = PLAN_ENICONFIG_GONE, .name = SLICE("default") };
    story_step(s, &gone);
    event.eniconfig.name = SLICE("other");
    story_step(s, &event);
    event.eniconfig.name = SLICE("default");
    story_step(s, &event);
    story_wait(s, 1);
    require(s->order_count >= 1);
    expect_text(s->orders[0].action.attach.groups[0].text, "sg-node"); /* the primary ENI's */
    story_end(s);
}

TEST(plan_edge, branches_leaving_and_unmanaged_enis_count_for_nothing)
{
    struct story *s = story_needy();

    story_eni(s, "n1", "b", 1, 5, 0)->type = ENI_BRANCH;
    story_eni(s, "n1", "b", 2, 5, 0)->status = ENI_DETACHING;
    struct story_eni *unmanaged = story_eni(s, "n1", "b", 1, 5, 0);
    unmanaged->tags[0] = (struct pair){ SLICE(TAG_AGENT_NO_MANAGE), SLICE("true") };
    unmanaged->tag_count = 1;
    unmanaged->id = story_id("eni-unmanaged");
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 5);
    expect_u64(story_decision(s, "n1").enis, 3); /* primary, unmanaged, the one under way */
    require(s->order_count == 1);
    expect_u64(s->orders[0].action.attach.device_index, 2);
    story_end(s);
}

TEST(plan_edge, without_manage_untagged_only_the_agents_tag_counts)
{
    struct story *s = story_needy();

    story_eni(s, "n1", "b", 1, 5, 0);
    s->agent.manage_untagged = false;
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 5);
    story_end(s);
}

TEST(plan_edge, additional_tags_of_the_agent_go_on_our_enis_too)
{
    struct story *s = story_needy();
    struct pair extra[] = { { SLICE("cost-center"), SLICE("42") },
                            { SLICE(TAG_POOL), SLICE("x") } };
    struct slice value;

    s->agent.extra_tags = extra;
    s->agent.extra_tag_count = 2;
    story_go(s);
    require(s->order_count == 1);
    const struct eni_intent *intent = &s->orders[0].action.attach;
    expect(pair_find(intent->tags, intent->tag_count, SLICE("cost-center"), &value) &&
           slice_is(value, "42"));
    expect(pair_find(intent->tags, intent->tag_count, SLICE(TAG_POOL), &value) &&
           slice_is(value, "default"));
    story_end(s);
}

TEST(plan_edge, tells_of_each_state_of_the_api)
{
    static const struct {
        enum cloud_code code;
        const char *reason, *event;
    } states[] = {
        { CLOUD_UNAVAILABLE, "Unavailable", "CloudAPIUnavailable" },
        { CLOUD_DENIED, "Denied", "CloudAPIDenied" },
        { CLOUD_THROTTLED, "Throttled", "CloudAPIThrottled" },
    };
    struct story *s = story_needy();

    story_go(s);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct plan_event event = { .kind = PLAN_CLOUD };
        event.cloud.code = states[i].code;
        event.cloud.operation = SLICE("DescribeSubnets");
        event.cloud.message = SLICE("no");
        story_step(s, &event);
        expect_text(s->status.conditions[3].reason, states[i].reason);
        story_saw(s, states[i].event);
    }
    story_end(s);
}

TEST(plan_edge, a_nau_limit_keeps_the_eni_for_later)
{
    struct story *s = story_needy();

    s->holds = true;
    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_FAILED, CLOUD_NAU_LIMIT, "eni-made");
    expect_text(s->status.conditions[3].reason, "AddressUsageLimitReached");
    story_is(s, "n1", PLAN_DECISION_CloudQuota);
    story_end(s);
}

TEST(plan_edge, a_failed_last_step_leaves_the_eni_attached_and_is_mended)
{
    struct story *s = story_needy();

    s->holds = true;
    story_go(s);
    struct story_order *order = story_order(s);
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
    eni->delete_on_termination = false;
    eni->id = story_id("eni-made");
    for (uint32_t i = 0; i < order->action.attach.tag_count; i++) {
        eni->tags[eni->tag_count++] = order->action.attach.tags[i];
    }
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-made");
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, "eni-made"); /* ModifyNetworkInterfaceAttribute */
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_wait(s, 30);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 refresh eni-made");
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL); /* not even that: later again */
    story_forget(s);
    story_wait(s, 90);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 refresh eni-made");
    story_end(s);
}

TEST(plan_edge, a_pause_stops_what_may_have_happened_from_being_sent_again)
{
    struct story *s = story_needy();

    s->holds = true;
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 60);
    expect_u64(s->order_count, 1);
    story_end(s);

    s = story_needy();
    s->holds = true;
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n1") };
    story_step(s, &gone);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_edge, a_paused_pools_leftovers_stay)
{
    struct story *s = story_needy();

    s->holds = true;
    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
    story_wait(s, 200);
    story_saw_not(s, "delete ");
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting eni-made");
    story_end(s);
}

TEST(plan_edge, reservations_keep_their_addresses_and_blocks)
{
    struct story *s = story_needy();
    struct story_subnet *b = &s->subnets[1];

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    b->reservations[0] = (struct cidr_reservation){ { b->base + 128, 26 }, true };
    b->reservations[1] = (struct cidr_reservation){ { b->base + 192, 27 }, false };
    b->reservation_count = 2;
    s->holds = true;
    story_go(s);
    story_wait(s, 3);
    /* Of 16 blocks the first and the last hold AWS's own, two are kept, two are in flight. */
    expect_u64(s->status.subnets[1].free_prefixes, 10);
    story_end(s);
}

TEST(plan_edge, the_limit_of_attaches_a_minute_follows_an_edit)
{
    struct story *s = story_needy();

    s->pools[0].attach_per_minute = 60;
    story_go(s);
    s->pools[0].attach_per_minute = 1;
    story_send_pool(s, "default");
    story_wait(s, 200);
    expect(s->order_count <= 4);
    story_end(s);
}

TEST(plan_edge, an_empty_id_of_a_subnet_names_none)
{
    struct story *s = story_needy();
    struct subnet nameless = { .usable = true };
    struct plan_event event = { .kind = PLAN_SUBNETS };

    event.subnets.subnets = &nameless;
    event.subnets.count = 1;
    event.subnets.asked_ns = s->now_ns;
    story_step(s, &event);
    story_go(s);
    expect_u64(s->status.subnet_count, 2);
    story_end(s);
}

TEST(plan_edge, decisions_tell_of_every_kind_of_eni)
{
    struct story *s = story_needy();

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    story_find_eni(s, "eni-n1-0")->prefix_count = 1;
    s->holds = true;
    story_pods(s, "n1", 16, 1);
    story_go(s);
    expect_contains(story_decision(s, "n1").detail, "/28 prefixes at device index 2");
    story_end(s);

    s = story_needy();
    s->holds = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    expect_contains(story_decision(s, "n1").detail, "a bare ENI in subnet-b at device index 2");
    story_end(s);
}

TEST(plan_edge, an_early_eni_that_nothing_can_carry_is_said_so)
{
    struct story *s = story_needy();

    story_pods(s, "n1", 0, 0);
    s->subnets[1].free = 9;
    story_node(s, "n2", "t3.medium", "a", 5);
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    expect_contains(story_decision(s, "n1").detail, "an ENI ahead of need would not last");
    story_saw_not(s, "condition");
    story_end(s);
}

/* ---- what is borrowed, and what is left ---- */

TEST(plan_edge, what_the_daemonset_said_is_kept_when_its_bytes_are_gone)
{
    static const struct aws_id group = { "sg-pods" };
    char label[] = "example.com/eni", cluster[] = "prod", key[] = "cost", value[] = "42";
    struct pair extra = { slice_of(key), slice_of(value) };
    struct story *s = story_needy_held();
    struct plan_event event = { .kind = PLAN_ENICONFIG };
    struct slice found;

    s->agent.custom_networking = true;
    s->agent.eniconfig_label = slice_of(label);
    s->agent.cluster_name = slice_of(cluster);
    s->agent.extra_tags = &extra;
    s->agent.extra_tag_count = 1;
    story_label(&s->nodes[0], "example.com/eni", "mine");
    event.eniconfig =
        (struct eniconfig){ .name = SLICE("mine"), .groups = &group, .group_count = 1 };
    event.eniconfig.subnet = s->subnets[0].id;
    s->gone = true;
    story_tell_kube(s);
    memset(label, 'x', sizeof(label) - 1);
    memset(cluster, 'x', sizeof(cluster) - 1);
    memset(key, 'x', sizeof(key) - 1);
    memset(value, 'x', sizeof(value) - 1);
    story_step(s, &event);
    story_lease(s, true);
    story_read(s);
    story_sweep(s);
    require(s->order_count >= 1);
    const struct eni_intent *intent = &s->orders[0].action.attach;
    require(intent->group_count == 1);
    expect_text(intent->groups[0].text, "sg-pods");
    expect(pair_find(intent->tags, intent->tag_count, SLICE("cost"), &found) &&
           slice_is(found, "42"));
    expect(pair_find(intent->tags, intent->tag_count, SLICE(TAG_AGENT_CLUSTER), &found) &&
           slice_is(found, "prod"));
    story_end(s);
}

TEST(plan_edge, nothing_is_left_of_enis_of_instances_that_are_no_nodes)
{
    struct story *s = story_needy_held();
    struct aws_id stranger = { "i-stranger" };
    char name[32];
    struct pair tags[] = { { SLICE(TAG_INTENT), SLICE("headroom-1") },
                           { SLICE(TAG_POOL), { "", 0 } } };
    struct eni eni = { .id = { "eni-strange" }, .tags = tags, .tag_count = 2 };
    struct plan_event event = { .kind = PLAN_ENIS };

    story_go(s);
    uint32_t held = 0;
    eni.instance = stranger;
    eni.subnet = s->subnets[0].id;
    eni.status = ENI_IN_USE;
    event.enis.instances = &stranger;
    event.enis.instance_count = 1;
    event.enis.enis = &eni;
    event.enis.count = 1;
    for (uint32_t i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "pool-%u", i);
        tags[1].value = slice_of(name);
        event.enis.asked_ns = s->now_ns;
        story_step(s, &event);
        held = i == 0 ? s->planner->strings.count : held;
    }
    expect_u64(s->planner->strings.count, held);
    story_end(s);
}

TEST(plan_edge, a_node_of_which_little_was_known_leaves_the_count_too)
{
    struct story *s = story_needy_held();
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n2") };

    story_node(s, "n2", "t3.medium", "a", 5)->zone = "";
    s->nodes[1].node.provider_id = SLICE("aws:///x/i-n2");
    story_go(s);
    story_wait(s, 30);
    expect_u64(s->status.nodes_total, 2);
    uint32_t statuses = s->statuses;
    story_wait(s, 30);
    expect_u64(s->statuses, statuses);
    story_step(s, &gone);
    story_wait(s, 11);
    expect_u64(s->status.nodes_total, 1);
    story_end(s);
}

TEST(plan_edge, subnets_are_mapped_often_while_eight_blocks_are_left_and_not_while_nine_are)
{
    for (uint32_t blocks = 8; blocks <= 9; blocks++) {
        struct story *s = story_begin();

        story_subnet(s, "a", blocks * 16);
        story_node(s, "n1", "m5.large", "a", 0);
        story_pool(s, "default");
        s->agent.prefix_delegation = true;
        s->agent.warm_prefix_target = 1;
        story_find_eni(s, "eni-n1-0")->prefix_count = 1;
        story_go(s);
        story_wait(s, 5);
        uint32_t sweeps = s->sweeps;
        story_wait(s, 100);
        if (blocks == 8) {
            expect(s->sweeps - sweeps >= 2);
        } else {
            expect_u64(s->sweeps, sweeps);
        }
        story_end(s);
    }
}

TEST(plan_edge, the_largest_subnet_that_a_vpc_can_have_is_mapped_too)
{
    struct story *s = story_begin();
    struct story_subnet *subnet = story_subnet(s, "a", 65536 - 5 - 4);

    subnet->bits = 16;
    subnet->base = 0x0a000000U;
    story_node(s, "n1", "m5.large", "a", 0);
    story_pool(s, "default");
    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    s->holds = true;
    struct story_eni *eni = story_find_eni(s, "eni-n1-0");
    eni->ip_count = 3; /* one address in each of three blocks */
    for (uint32_t i = 0; i < 3; i++) {
        eni->ips[i] = subnet->base + 1000 * (i + 1);
    }
    story_go(s);
    story_wait(s, 20);
    /* The first and the last block hold AWS's own addresses, the first the node's, too. */
    struct pool_status now;
    require(plan_pool_status_at(s->planner, 0, &now));
    expect_u64(now.subnets[0].free_prefixes, 4096 - 2 - 3);
    story_end(s);
}

TEST(plan_edge, enis_that_went_with_their_node_make_room_below_the_pools_limit)
{
    struct story *s = story_needy();
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n1") };

    s->pools[0].max_enis = 1;
    story_node(s, "n2", "t3.medium", "a", 5);
    story_go(s);
    story_wait(s, 2);
    expect_u64(s->order_count, 1);
    story_pods(s, "n2", 5, 1);
    story_wait(s, 20);
    story_is(s, "n2", PLAN_DECISION_PoolLimit);
    story_step(s, &gone);
    story_wait(s, 20);
    require(s->order_count == 2);
    expect_text(s->orders[1].node, "n2");
    story_end(s);
}

TEST(plan_edge, counts_the_subnets_that_are_not_healthy)
{
    struct story *s = story_needy();

    story_subnet(s, "c", 200);
    story_subnet(s, "d", 200);
    story_go(s);
    expect_u64(s->status.low_subnets, 1);
    story_end(s);
}

TEST(plan_edge, a_subnet_that_comes_to_fit_in_one_thing_is_taken_with_the_read_that_shows_it)
{
    for (int usable = 0; usable <= 1; usable++) {
        struct story *s = story_needy_held();
        s->subnets[1].usable = usable;
        s->subnets[1].route = usable ? ROUTE_PUBLIC : ROUTE_PRIVATE;
        story_go(s);
        story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
        s->subnets[1].usable = true;
        s->subnets[1].route = ROUTE_PRIVATE;
        story_read(s);
        story_is(s, "n1", PLAN_DECISION_Attaching);
        story_end(s);
    }
}

TEST(plan_edge, a_reservation_keeps_back_only_what_is_free_in_it)
{
    struct story *s = story_needy_held();
    struct story_subnet *b = &s->subnets[1];
    struct pool_status now;

    b->free = 100;
    b->reservations[0] = (struct cidr_reservation){ { b->base + 96, 27 }, true };
    b->reservation_count = 1;
    struct story_eni *eni = story_eni(s, "n1", "b", 1, 9, 0);
    for (uint32_t i = 0; i < eni->ip_count; i++) {
        eni->ips[i] = b->base + 95 + i; /* the one before, and the first eight of it */
    }
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 20);
    require(plan_pool_status_at(s->planner, 0, &now));
    expect_u64(now.subnets[1].free + now.subnets[1].in_flight, 100 - 24);
    story_end(s);
}

TEST(plan_edge, nothing_is_left_of_security_groups_that_have_changed)
{
    struct story *s = story_needy_held();
    uint32_t held = 0;
    char name[32];

    story_go(s);
    for (uint32_t i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "team-%u", i);
        struct pair tag = { slice_of(name), SLICE("yes") };
        struct plan_group group = { .id = { "sg-1" }, .tags = &tag, .tag_count = 1 };
        struct plan_event event = { .kind = PLAN_GROUPS };
        event.groups.groups = &group;
        event.groups.count = 1;
        story_step(s, &event);
        held = i == 0 ? s->planner->strings.count : held;
    }
    expect_u64(s->planner->strings.count, held);
    story_end(s);
}

TEST(plan_edge, a_subnet_that_takes_the_place_of_another_is_told_at_once)
{
    struct story *s = story_needy_held();

    story_go(s);
    expect_u64(s->status.free, 200 - 6); /* those are in flight */
    story_wait(s, 2);
    s->subnets[1].gone = true;
    story_subnet(s, "c", 200);
    story_read(s);
    require(s->status.subnet_count == 2);
    expect_text(s->status.subnets[1].id.text, "subnet-c");
    story_end(s);
}

TEST(plan_edge, the_rank_of_an_order_for_more_addresses_is_since_when_pods_wait)
{
    struct story *s = story_needy_held();

    s->agent.provisioning_disabled = true; /* nobody but us adds any */
    story_eni(s, "n1", "b", 1, 3, 0);
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 7);
    uint32_t before = s->order_count;
    story_pods(s, "n1", 8, 1);
    uint64_t since_s = s->now_ns / STORY_S;
    story_wait(s, 1);
    require(s->order_count == before + 1);
    expect_u64(s->orders[before].action.kind, PLAN_ASSIGN);
    expect_u64(s->orders[before].action.rank, since_s);
    story_end(s);
}

TEST(plan_edge, what_goes_on_for_twenty_seconds_is_a_trend)
{
    for (uint32_t s_long = 19; s_long <= 20; s_long++) {
        struct story *s = story_needy_held();
        struct pool_status now;

        s->subnets[1].free = 250;
        story_go(s);
        s->now_ns += 10 * STORY_S;
        story_free(s, "b", 240);
        s->now_ns += s_long * STORY_S;
        story_free(s, "b", 200);
        require(plan_pool_status_at(s->planner, 0, &now));
        expect((now.subnets[1].exhausted_in_s < FORECAST_NEVER_S) == (s_long == 20));
        story_end(s);
    }
}

TEST(plan_edge, security_groups_are_selected_by_any_of_their_tags)
{
    static const struct pair tags[] = { { SLICE("team"), SLICE("a") },
                                        { SLICE("pods"), SLICE("yes") } };
    for (size_t i = 0; i < 2; i++) {
        struct story *s = story_needy_held();
        struct selector_term term = { .tags = &tags[i], .tag_count = 1 };
        struct plan_group group = { .id = { "sg-1" }, .tags = tags, .tag_count = 2 };
        struct plan_event event = { .kind = PLAN_GROUPS };

        s->pools[0].group_terms = &term;
        s->pools[0].group_term_count = 1;
        event.groups.groups = &group;
        event.groups.count = 1;
        story_step(s, &event);
        story_go(s);
        require(s->order_count == 1);
        require(s->orders[0].action.attach.group_count == 1);
        expect_text(s->orders[0].action.attach.groups[0].text, "sg-1");
        story_end(s);
    }
}
