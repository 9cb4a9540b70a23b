/*
 * The planner's stories about what Kubernetes shows: nodes that come back as others, types,
 * ENIConfigs, pods, and a cluster that is too large for one step.
 */
#include "plan_fixture.h"

#include <stdio.h>

#include "plan/state.h"

static void type_says(struct story *s, const char *name, uint32_t enis, uint32_t ips_per_eni)
{
    struct plan_event event = { .kind = PLAN_TYPE };

    event.type =
        (struct instance_type){ .name = slice_of(name), .enis = enis, .ips_per_eni = ips_per_eni };
    story_step(s, &event);
}

static void gone(struct story *s, const char *name)
{
    struct plan_event event = { .kind = PLAN_NODE_GONE, .name = slice_of(name) };

    story_step(s, &event);
}

/* ---- types ---- */

TEST(plan_cluster, limits_of_zero_are_no_limits)
{
    struct story *s = story_needy_held();

    s->nodes[0].type = "z9.huge";
    story_go(s);
    type_says(s, "z9.huge", 0, 6);
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    type_says(s, "z9.huge", 3, 0);
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_saw_nothing(s);
    expect_u64(story_count(s, "event node n1 UnknownInstanceType"), 1);
    type_says(s, "z9.huge", 3, 6);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_cluster, a_type_that_is_known_stays_known)
{
    struct story *s = story_needy_held();
    struct plan_event event = { .kind = PLAN_TYPE_UNKNOWN, .name = SLICE("t3.medium") };

    story_go(s);
    story_step(s, &event);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_saw_not(s, "UnknownInstanceType");
    story_end(s);
}

/* ---- nodes ---- */

TEST(plan_cluster, a_node_that_comes_back_on_another_instance_begins_anew)
{
    struct story *s = story_needy_held();

    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_forget(s);
    s->nodes[0].instance = story_id("i-second");
    story_eni(s, "n1", "a", 0, 2, 0)->id = story_id("eni-second-0");
    story_send_node(s, "n1");
    expect_text(story_decision(s, "n1").instance.text, "i-second");
    expect_u64(story_decision(s, "n1").addresses, 2);
    expect_u64(story_decision(s, "n1").enis, 2); /* its own and one under way */
    require(s->order_count == 2);
    expect_text(s->orders[1].action.attach.instance.text, "i-second");
    /* What was made for the first instance is not this one's. */
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-made");
    story_is(s, "n1", PLAN_DECISION_Attaching);
    expect_u64(story_decision(s, "n1").enis, 2);
    story_end(s);
}

TEST(plan_cluster, two_nodes_that_name_one_instance_share_nothing)
{
    struct story *s = story_needy_held();

    story_node(s, "n2", "t3.medium", "a", 3);
    s->nodes[1].node.provider_id = SLICE("aws:///us-west-2a/i-n1");
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_is(s, "n2", PLAN_DECISION_Incomplete);
    expect_slice(story_decision(s, "n2").detail, "the ENIs of i-n1 have not been read yet");
    /* The second one was wrong and says so: the first keeps its instance. */
    s->nodes[1].node.provider_id = SLICE("aws:///us-west-2a/i-n2");
    story_send_node(s, "n2");
    expect_u64(story_decision(s, "n2").addresses, 3);
    story_find_eni(s, "eni-n1-0")->ip_count = 4;
    story_enis(s, "n1");
    expect_u64(story_decision(s, "n1").addresses, 4);
    /* Wrong again, and gone: the first keeps it still. */
    s->nodes[1].node.provider_id = SLICE("aws:///us-west-2a/i-n1");
    story_send_node(s, "n2");
    gone(s, "n2");
    story_find_eni(s, "eni-n1-0")->ip_count = 3;
    story_enis(s, "n1");
    expect_u64(story_decision(s, "n1").addresses, 3);
    story_end(s);
}

TEST(plan_cluster, a_node_that_loses_its_instance_is_left_alone)
{
    struct story *s = story_needy_held();
    struct plan_decision decision;

    story_go(s);
    s->nodes[0].node.provider_id = SLICE("kind://docker/kind/n1");
    story_send_node(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Excluded);
    expect_text(story_decision(s, "n1").instance.text, "");
    gone(s, "n1");
    expect(!plan_decision_of(s->planner, SLICE("n1"), &decision));
    expect_u64(plan_node_count(s->planner), 0);
    story_end(s);
}

TEST(plan_cluster, a_heartbeat_costs_nothing)
{
    struct story *s = story_needy_held();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 0, 0);
    story_label(&s->nodes[0], "team", "a");
    s->show_reads = s->show_status = true;
    story_go(s);
    story_wait(s, 60);
    story_forget(s);
    story_send_node(s, "n1");
    story_pods(s, "n1", 0, 0);
    story_agent_pod(s, "n1", true);
    expect_text(s->trace, "");
    story_end(s);
}

TEST(plan_cluster, follows_each_change_of_a_node)
{
    struct story *s = story_needy_held();
    struct slice value = SLICE("b");
    struct selector_requirement wanted = { SLICE("team"), SELECTOR_IN, &value, 1 };
    struct pool *other = story_pool(s, "team-b");

    other->weight = 2;
    other->nodes = (struct label_selector){ &wanted, 1 };
    story_label(&s->nodes[0], "squad", "b");
    story_go(s);
    expect_slice(story_decision(s, "n1").pool, "default");
    s->nodes[0].labels[0].key = SLICE("team"); /* another key, the same value */
    story_send_node(s, "n1");
    expect_slice(story_decision(s, "n1").pool, "team-b");
    s->nodes[0].node.max_pods = 5;
    story_pods(s, "n1", 5, 0);
    gone(s, "n1");
    story_send_node(s, "n1");
    story_pods(s, "n1", 5, 0);
    story_is(s, "n1", PLAN_DECISION_Enough); /* with the order that it finds again */
    s->nodes[0].node.max_pods = 110;
    story_send_node(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Attaching);
    s->nodes[0].node.deleting = true;
    story_send_node(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Excluded);
    s->nodes[0].node.deleting = false;
    s->nodes[0].type = "m5.xlarge";
    story_send_node(s, "n1");
    expect_u64(story_decision(s, "n1").eni_limit, 4);
    story_end(s);
}

TEST(plan_cluster, clears_a_condition_that_somebody_else_has_set)
{
    struct story *s = story_needy_held();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 30);
    s->nodes[0].node.short_of_ips = true;
    story_send_node(s, "n1");
    story_wait(s, 9);
    story_saw_not(s, "condition");
    story_wait(s, 2);
    story_saw(s, "condition n1 True AddressesAvailable: the node has 5 free addresses and its "
                 "agent can get more");
    s->nodes[0].node.short_of_ips = false;
    story_send_node(s, "n1");
    story_forget(s);
    s->nodes[0].node.tainted = true;
    story_send_node(s, "n1");
    story_saw(s, "taint n1 clear");
    story_end(s);
}

TEST(plan_cluster, a_node_without_a_zone_is_counted_and_waits)
{
    struct story *s = story_needy_held();

    s->nodes[0].zone = "";
    s->nodes[0].node.provider_id = SLICE("aws:///x/i-n1");
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    expect_slice(story_decision(s, "n1").detail,
                 "the node has no label topology.kubernetes.io/zone");
    expect_slice(story_decision(s, "n1").zone, "");
    expect_u64(s->status.nodes_total, 1);
    require(s->status.zone_count == 1);
    expect_u64(s->status.zones[0].nodes, 0);
    expect_text(s->status.conditions[2].reason, "CapacityAvailable");
    s->nodes[0].zone = "us-west-2a";
    story_send_node(s, "n1");
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_cluster, a_node_that_nobody_selects_may_change_as_it_likes)
{
    struct story *s = story_needy_held();

    s->pool_count = 0;
    story_go(s);
    story_send_node(s, "n1");
    s->nodes[0].node.unschedulable = true;
    story_send_node(s, "n1");
    story_is(s, "n1", PLAN_DECISION_NoPool);
    expect_slice(story_decision(s, "n1").detail, "no SubnetPool selects this node");
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_cluster, forgets_nodes_that_go_before_the_first_list_is_whole)
{
    struct story *s = story_needy_held();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_node(s, "n3", "t3.medium", "a", 5);
    story_send_pool(s, "default");
    story_send_node(s, "n2");
    story_send_node(s, "n3");
    gone(s, "n2");
    gone(s, "n3"); /* n1 takes the row of one of them */
    struct plan_event eniconfig_gone = { .kind = PLAN_ENICONFIG_GONE, .name = SLICE("none") };
    story_step(s, &eniconfig_gone);
    expect_u64(plan_deadline_ns(s->planner), UINT64_MAX); /* nothing is due before the lists are */
    s->node_count = 1;
    story_go(s);
    expect_u64(plan_node_count(s->planner), 1);
    expect_u64(s->status.nodes_total, 1);
    struct plan_decision decision;
    expect(!plan_decision_of(s->planner, SLICE("n2"), &decision));
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_end(s);
}

TEST(plan_cluster, the_views_order_stays_whole_when_nodes_go)
{
    static const char *const names[] = { "n1", "n2", "n3", "n4" };
    struct story *s = story_needy_held();
    struct plan_decision decision;
    uint32_t seen = 0;

    for (size_t i = 1; i < 4; i++) {
        story_node(s, names[i], "t3.medium", "a", 5);
    }
    story_go(s);
    gone(s, "n1"); /* the last takes its place */
    gone(s, "n4");
    gone(s, "n2");
    for (uint32_t i = 0; plan_decision_at(s->planner, i, &decision); i++) {
        expect_slice(decision.node, "n3");
        seen++;
    }
    expect_u64(seen, 1);
    story_send_node(s, "n1");
    story_send_node(s, "n2");
    gone(s, "n3");
    expect_u64(plan_node_count(s->planner), 2);
    expect(plan_decision_at(s->planner, 0, &decision) && slice_is(decision.node, "n2"));
    expect(plan_decision_at(s->planner, 1, &decision) && slice_is(decision.node, "n1"));
    story_wait(s, 11);
    expect_u64(s->status.nodes_total, 2);
    story_end(s);
}

TEST(plan_cluster, a_glance_says_of_each_node_what_its_decision_says)
{
    struct story *s = story_needy();
    struct plan_decision decision;
    struct plan_glance glance;

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 3, 0);
    story_go(s);
    for (uint32_t i = 0; i < 2; i++) {
        require(plan_glance_at(s->planner, i, &glance));
        require(plan_decision_at(s->planner, i, &decision));
        expect_u64(glance.index, i);
        expect_slices(glance.node, decision.node);
        expect_u64(glance.kind, decision.kind);
        expect_u64(glance.waiting, decision.waiting);
        expect_u64(glance.stall_in_s, decision.stall_in_s);
    }
    expect(!plan_glance_at(s->planner, 2, &glance));
    story_end(s);
}

TEST(plan_cluster, pods_that_move_to_branch_enis_free_addresses)
{
    struct story *s = story_needy_held();

    story_pods(s, "n1", 5, 0);
    story_go(s);
    expect_u64(story_decision(s, "n1").avail, 0);
    s->nodes[0].branch = 2;
    story_pods(s, "n1", 5, 0);
    expect_u64(story_decision(s, "n1").avail, 2);
    s->nodes[0].branch = 7; /* five of those that hold, two of those that wait */
    story_pods(s, "n1", 5, 3);
    expect_u64(story_decision(s, "n1").avail, 5);
    expect_u64(story_decision(s, "n1").waiting, 3);
    story_saw_not(s, "waiting");
    s->nodes[0].branch = 12;
    story_pods(s, "n1", 5, 3);
    expect_u64(story_decision(s, "n1").avail, 5);
    story_end(s);
}

/* The deadline is now while a part of the nodes waits for the next step; each gets its turn. */
TEST(plan_cluster, more_nodes_than_one_step_decides_are_decided_in_the_next_ones)
{
    enum { NODES = 10000 };
    struct planner *p = plan_new(&(struct plan_config){ .seed = 1 });
    struct plan_event event = { .kind = PLAN_NODE, .now_ns = STORY_S, .wall_ns = STORY_S };
    struct plan_event synced = { .kind = PLAN_KUBE_SYNCED, .now_ns = STORY_S, .wall_ns = STORY_S };
    struct plan_event tick = { .kind = PLAN_TICK, .now_ns = STORY_S, .wall_ns = STORY_S };
    struct plan_decision first;
    struct plan_decision last;
    struct plan_actions out;
    char name[32];

    for (uint32_t i = 0; i < NODES; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        event.node = (struct node){ .name = slice_of(name) };
        plan_step(p, &event, &out);
    }
    plan_step(p, &synced, &out);
    expect(plan_decision_at(p, 0, &first) && first.kind == PLAN_DECISION_NoPool);
    expect(plan_decision_at(p, NODES - 1, &last) && last.kind == PLAN_DECISION_Incomplete);
    expect_u64(plan_deadline_ns(p), STORY_S);
    plan_step(p, &tick, &out);
    expect(plan_decision_at(p, NODES - 1, &last) && last.kind == PLAN_DECISION_NoPool);
    expect_u64(plan_deadline_ns(p), UINT64_MAX);
    plan_free(p);
}

TEST(plan_cluster, expecting_events_of_nodes_known_and_unknown_changes_nothing)
{
    enum { MANY = 3 * PLAN_EXPECT_MAX };
    struct planner *p = plan_new(&(struct plan_config){ .seed = 1 });
    struct plan_event *events = ARENA_ARRAY(test_arena(), struct plan_event, MANY);
    struct plan_actions out;

    plan_expect(p, events, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        events[i] = (struct plan_event){ .kind = i % 2 == 0 ? PLAN_NODE : PLAN_PODS };
        events[i].now_ns = events[i].wall_ns = STORY_S;
        struct slice name = arena_printf(test_arena(), "n%u", i / 2);
        *(i % 2 == 0 ? &events[i].node.name : &events[i].pods.node) = name;
    }
    plan_expect(p, events, MANY); /* nothing is known yet */
    expect_u64(plan_node_count(p), 0);
    for (uint32_t i = 0; i < 10; i++) {
        plan_step(p, &events[i], &out);
    }
    plan_expect(p, events, MANY);
    expect_u64(plan_node_count(p), 5);
    expect_u64(plan_deadline_ns(p), UINT64_MAX); /* nothing is synced, and nothing was begun */
    plan_free(p);
}

static uint32_t count_observes(const struct plan_actions *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < out->count; i++) {
        count += out->items[i].kind == PLAN_OBSERVE && out->items[i].instance.text[0] != '\0';
    }
    return count;
}

TEST(plan_cluster, the_first_sweep_stands_for_the_reads_of_all_nodes_unless_it_never_comes)
{
    enum { NODES = 300 };
    struct planner *p = plan_new(&(struct plan_config){ .seed = 1 });
    struct plan_event event = { .kind = PLAN_POOL, .now_ns = STORY_S, .wall_ns = STORY_S };
    struct plan_actions out;
    char name[32];
    char provider[64];

    pool_default(&event.pool);
    event.pool.name = SLICE("default");
    plan_step(p, &event, &out);
    event = (struct plan_event){ .kind = PLAN_LEASE, .leader = true };
    event.now_ns = event.wall_ns = STORY_S;
    plan_step(p, &event, &out);
    for (uint32_t i = 0; i < NODES; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        (void)snprintf(provider, sizeof(provider), "aws:///us-west-2a/i-%u", i);
        event = (struct plan_event){ .kind = PLAN_NODE, .now_ns = STORY_S, .wall_ns = STORY_S };
        event.node = (struct node){ .name = slice_of(name), .provider_id = slice_of(provider) };
        plan_step(p, &event, &out);
    }
    event = (struct plan_event){ .kind = PLAN_KUBE_SYNCED, .now_ns = STORY_S, .wall_ns = STORY_S };
    plan_step(p, &event, &out);
    expect_u64(count_observes(&out), 0);
    event = (struct plan_event){ .kind = PLAN_TICK, .now_ns = 16 * STORY_S };
    plan_step(p, &event, &out);
    expect_u64(count_observes(&out), NODES);
    plan_step(p, &event, &out);
    expect_u64(out.count, 0);
    plan_free(p);
}

/* An autoscaler brings and takes nodes for weeks, each with a name and labels of its own. */
TEST(plan_cluster, nothing_is_left_of_nodes_that_are_gone)
{
    struct story *s = story_needy_held();
    uint32_t held = 0;
    char value[32];

    story_label(&s->nodes[0], "team", "a");
    story_go(s);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(value, sizeof(value), "passing-%d", i);
        gone(s, "n1");
        s->nodes[0].labels[0].value = slice_of(value);
        s->nodes[0].node.eniconfig_annotation = slice_of(value);
        story_send_node(s, "n1");
        story_enis(s, "n1");
        held = i == 1 ? s->planner->strings.count : held;
    }
    expect_u64(s->planner->strings.count, held);
    expect_u64(s->planner->node_count, 1);
    story_end(s);
}

/* ---- ENIConfigs ---- */

static void eniconfig(struct story *s, const char *name, const char *subnet, const char *group_a,
                      const char *group_b)
{
    struct aws_id groups[2] = { story_id(group_a), story_id(group_b) };
    struct plan_event event = { .kind = PLAN_ENICONFIG };

    event.eniconfig = (struct eniconfig){ .name = slice_of(name), .groups = groups };
    if (subnet[0]) {
        event.eniconfig.subnet = story_id(subnet);
    }
    event.eniconfig.group_count = group_a[0] == '\0' ? 0 : group_b[0] == '\0' ? 1 : 2;
    story_step(s, &event);
}

TEST(plan_eniconfig, is_found_as_the_agent_finds_it)
{
    static const struct {
        const char *external, *annotation, *label, *groups;
    } cases[] = {
        { "by-external", "by-annotation", "by-label", "sg-external" },
        { "", "by-annotation", "by-label", "sg-annotation" },
        { "", "", "by-label", "sg-label" },
        { "", "", "", "sg-default" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = story_needy_held();
        s->agent.custom_networking = true;
        eniconfig(s, "by-external", "subnet-a", "sg-external", "");
        eniconfig(s, "by-annotation", "subnet-a", "sg-annotation", "");
        eniconfig(s, "by-label", "subnet-a", "sg-label", "");
        eniconfig(s, "default", "subnet-a", "sg-default", "");
        story_label(&s->nodes[0], "unrelated", "by-nothing");
        story_label(&s->nodes[0], "vpc.amazonaws.com/externalEniConfig", cases[i].external);
        story_label(&s->nodes[0], "k8s.amazonaws.com/eniConfig", cases[i].label);
        s->nodes[0].node.eniconfig_annotation = slice_of(cases[i].annotation);
        story_pods(s, "n1", 0, 1);
        story_go(s);
        require(s->order_count >= 1);
        require(s->orders[0].action.attach.group_count == 1);
        expect_text(s->orders[0].action.attach.groups[0].text, cases[i].groups);
        story_end(s);
    }
}

TEST(plan_eniconfig, an_edited_annotation_is_followed)
{
    struct story *s = story_needy_held();

    s->agent.custom_networking = true;
    s->pools[0].paused = true;
    eniconfig(s, "one", "subnet-a", "sg-one", "");
    eniconfig(s, "two", "subnet-a", "sg-two", "sg-three");
    s->nodes[0].node.eniconfig_annotation = SLICE("one");
    story_pods(s, "n1", 0, 1);
    story_go(s);
    s->nodes[0].node.eniconfig_annotation = SLICE("two");
    story_send_node(s, "n1");
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    require(s->order_count == 1);
    require(s->orders[0].action.attach.group_count == 2);
    expect_text(s->orders[0].action.attach.groups[0].text, "sg-two");
    expect_text(s->orders[0].action.attach.groups[1].text, "sg-three");
    story_end(s);
}

TEST(plan_eniconfig, without_a_subnet_that_exists_leaves_the_node_to_its_primary_enis_routes)
{
    static const char *const subnets[] = { "", "subnet-nowhere" };

    for (size_t i = 0; i < 2; i++) {
        struct story *s = story_needy_held();
        s->agent.custom_networking = true;
        eniconfig(s, "default", subnets[i], "", "");
        story_pods(s, "n1", 0, 1);
        story_go(s);
        require(s->order_count == 1);
        expect_text(s->orders[0].action.attach.subnet.text, "subnet-b");
        expect_text(s->orders[0].action.attach.groups[0].text, "sg-node");
        story_end(s);
    }
}

TEST(plan_eniconfig, the_routes_of_its_subnet_count)
{
    struct story *s = story_needy_held();

    s->agent.custom_networking = true;
    story_subnet(s, "c", 100)->route = ROUTE_PUBLIC;
    story_subnet(s, "p", 0)->route = ROUTE_PUBLIC;
    eniconfig(s, "default", "subnet-p", "", "");
    story_pods(s, "n1", 0, 1);
    story_go(s);
    require(s->order_count == 1);
    expect_text(s->orders[0].action.attach.subnet.text, "subnet-c");
    story_end(s);
}

TEST(plan_eniconfig, that_goes_makes_room_for_the_next_one)
{
    struct story *s = story_needy_held();

    story_go(s);
    for (uint32_t i = 0; i < 10; i++) {
        const char *name = i % 2 == 0 ? "one" : "two";
        struct plan_event gone = { .kind = PLAN_ENICONFIG_GONE, .name = slice_of(name) };
        eniconfig(s, name, "subnet-b", "", "");
        story_step(s, &gone);
    }
    expect_u64(s->planner->eniconfig_count, 1);
    story_end(s);
}

TEST(plan_eniconfig, its_subnet_lets_the_agent_grow)
{
    struct story *s = story_needy_held();

    s->agent.custom_networking = true;
    eniconfig(s, "default", "subnet-b", "", "");
    story_pods(s, "n1", 0, 1);
    story_go(s);
    story_wait(s, 5);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    struct plan_event event = { .kind = PLAN_ENICONFIG_GONE, .name = SLICE("default") };
    story_step(s, &event);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}
