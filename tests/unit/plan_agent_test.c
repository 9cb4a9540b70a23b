/*
 * The planner's stories about agents and nodes of the rarer kind: cordoned ones, trunks, EFA, ENIs
 * that EC2 tells little of, and the queue when many nodes want at once.
 */
#include "plan_fixture.h"

#include <stdio.h>

/* subnet-a has `a` free, its sibling subnet-b 200; n1 is a t3.medium with 5 addresses in subnet-a.
 */
static struct story *two_subnets(uint32_t a)
{
    struct story *s = story_one("t3.medium", 5, a, 200);

    s->holds = true;
    return s;
}

/* ---- settings ---- */

TEST(plan_agents, unset_warm_enis_mean_one)
{
    struct story *s = two_subnets(200);

    s->agent.warm_eni_target = AGENT_UNSET;
    story_go(s);
    expect_u64(story_decision(s, "n1").warm_target, 5);
    story_end(s);
}

TEST(plan_agents, a_minimum_alone_is_a_target_too)
{
    struct story *s = two_subnets(0);

    s->agent.minimum_ip_target = 8;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    expect_u64(story_decision(s, "n1").warm_target, 0);
    require(s->order_count == 1);
    expect(s->orders[0].action.attach.ips >= 3);
    story_end(s);
}

TEST(plan_agents, a_node_that_does_not_say_how_many_pods_it_takes_takes_110)
{
    struct story *s = two_subnets(200);

    s->nodes[0].node.max_pods = 0;
    story_find_eni(s, "eni-n1-0")->ip_count = 109;
    story_pods(s, "n1", 109, 1);
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_find_eni(s, "eni-n1-0")->ip_count = 110;
    story_pods(s, "n1", 110, 1);
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_AtPodLimit);
    story_end(s);
}

TEST(plan_agents, the_pools_minimum_a_node_is_met_beyond_the_agents_own)
{
    struct story *s = two_subnets(0);

    s->pools[0].min_ips_per_node = 9;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    require(s->order_count == 1); /* 5 are free: the agent wants no more */
    expect_u64(s->orders[0].action.attach.ips, 4);
    story_end(s);

    s = two_subnets(0);
    s->pools[0].min_ips_per_node = 5;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    expect_u64(s->orders[0].action.attach.ips, 0); /* an early one: the minimum is met */
    story_end(s);
}

TEST(plan_agents, data_may_be_of_any_age_if_the_pool_says_so)
{
    struct story *s = two_subnets(30);

    s->pools[0].stale_ns = 0;
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    story_pods(s, "n1", 1, 0);
    story_go(s);
    s->deaf = true;
    story_wait(s, 4000);
    s->agent.warm_ip_target = 30;
    s->agent.provisioning_disabled = true;
    struct plan_event event = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &event);
    story_enis(s, "n1");
    story_saw(s, "attach n1 subnet-b ips=5");
    story_end(s);
}

/* An agent that was refused is silent for 120 s: what waits then is served at once. */
TEST(plan_agents, one_that_was_refused_is_not_waited_for_even_when_its_subnet_recovers)
{
    struct story *s = two_subnets(200);

    s->pools[0].paused = true;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_wait(s, 100); /* the node's ENIs are not read meanwhile */
    story_free(s, "a", 0);
    story_pods(s, "n1", 5, 1);
    story_wait(s, 20);
    story_free(s, "a", 200);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_saw(s, "attach n1 subnet-");
    story_end(s);

    s = two_subnets(200); /* its silence is over a minute before an ENI would be adopted */
    s->pools[0].paused = true;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_free(s, "a", 0);
    story_pods(s, "n1", 5, 1);
    story_free(s, "a", 200);
    story_wait(s, 66);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_end(s);
}

/* ---- cordoned nodes ---- */

TEST(plan_cordoned, an_idle_one_gets_nothing_ahead)
{
    struct story *s = two_subnets(20);

    s->nodes[0].node.unschedulable = true;
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Enough);
    s->nodes[0].node.unschedulable = false;
    story_send_node(s, "n1");
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    story_end(s);
}

TEST(plan_cordoned, an_agent_that_manages_it_all_the_same_grows)
{
    struct story *s = two_subnets(200);

    s->nodes[0].node.unschedulable = true;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_saw(s, "attach n1 subnet-a ips=5"); /* nobody else helps */
    story_end(s);

    s = two_subnets(200);
    s->agent.manage_non_schedulable = true;
    s->nodes[0].node.unschedulable = true;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_pods(s, "n1", 5, 0);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_free(s, "a", 0);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 forecast"); /* low, and it would try */
    story_end(s);
}

/* ---- ENIs ---- */

TEST(plan_agents, an_efa_eni_carries_pods_unless_it_is_for_efa_alone)
{
    struct story *s = two_subnets(200);

    story_eni(s, "n1", "a", 1, 4, 0)->type = ENI_EFA;
    story_eni(s, "n1", "a", 2, 3, 0)->type = ENI_EFA_ONLY;
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 9);
    expect_u64(story_decision(s, "n1").enis, 3);
    story_end(s);
}

TEST(plan_agents, max_eni_counts_the_trunk)
{
    struct story *s = two_subnets(0);

    s->nodes[0].type = "m5.xlarge"; /* 4 slots */
    s->agent.pod_eni = true;
    s->agent.max_eni = 3;
    story_go(s);
    expect_u64(story_decision(s, "n1").eni_limit, 2);
    story_end(s);

    s = two_subnets(0);
    s->nodes[0].type = "m5.xlarge";
    s->agent.max_eni = 3;
    story_go(s);
    expect_u64(story_decision(s, "n1").eni_limit, 3);
    story_end(s);
}

TEST(plan_agents, an_eni_in_no_known_subnet_counts_and_is_left_alone)
{
    struct story *s = two_subnets(30);
    struct story_eni *eni = story_eni(s, "n1", "b", 1, 2, 0);

    s->agent.provisioning_disabled = true;
    eni->subnet = (struct aws_id){ "" };
    eni->tags[0] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[1] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    eni->tag_count = 2;
    eni->delete_on_termination = false;
    story_pods(s, "n1", 7, 1);
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 7);
    require(s->order_count == 1); /* not more addresses on it, no mending of it */
    expect_text(s->orders[0].action.attach.subnet.text, "subnet-b");
    expect_text(s->orders[0].action.attach.eni.text, "");
    story_end(s);

    /* Nor can its agent grow on it, for now or for long. */
    s = two_subnets(20);
    story_eni(s, "n1", "b", 1, 2, 0)->subnet = (struct aws_id){ "" };
    story_pods(s, "n1", 6, 0);
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 7);
    expect(story_decision(s, "n1").stall_in_s > 0);
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    story_end(s);
}

TEST(plan_agents, ours_that_somebody_takes_from_the_agent_is_not_waited_for)
{
    struct story *s = two_subnets(0);

    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 30);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_NO_MANAGE), SLICE("true") };
    story_enis(s, "n1");
    require(s->order_count == 2); /* another one is */
    expect_u64(s->orders[1].action.attach.device_index, 1);
    story_wait(s, 400);
    story_saw_not(s, "AgentIncompatible");
    story_end(s);
}

TEST(plan_agents, only_the_leader_complains_of_an_eni_that_is_not_adopted)
{
    struct story *s = two_subnets(0);

    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 200);
    story_lease(s, false);
    story_wait(s, 200);
    story_enis(s, "n1");
    story_saw_not(s, "AgentIncompatible");
    story_lease(s, true);
    story_wait(s, 20);
    story_saw(s, "event node n1 AgentIncompatible (warning): eni-new1 is attached for more than "
                 "five minutes, pods wait, and aws-node has not adopted it");
    story_end(s);
}

TEST(plan_agents, an_unknown_type_is_told_when_there_is_somebody_to_tell)
{
    struct story *s = two_subnets(0);
    struct plan_event event = { .kind = PLAN_TYPE_UNKNOWN, .name = SLICE("z9.huge") };

    s->nodes[0].type = "z9.huge";
    story_tell_kube(s);
    story_step(s, &event);
    story_saw_not(s, "UnknownInstanceType");
    story_lease(s, true);
    story_read(s);
    story_wait(s, 60);
    expect_u64(story_count(s, "event node n1 UnknownInstanceType (warning): instance type z9.huge "
                              "is unknown"),
               1);
    story_end(s);
}

/* ---- the queue ---- */

TEST(plan_queue, what_waits_in_it_may_no_longer_want_when_its_turn_comes)
{
    struct story *s = story_begin();
    char name[16];

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 240)->bits = 23;
    story_pool(s, "default");
    s->holds = true;
    for (int i = 1; i <= 17; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 5, 0);
    }
    story_go(s);
    expect_u64(s->order_count, 16); /* not more under way for what is only foreseen */
    story_is(s, "n17", PLAN_DECISION_Queued);
    story_wait(s, 10);
    story_free(s, "a", 240); /* its agent is silent still; in a minute it is not */
    story_is(s, "n17", PLAN_DECISION_Queued);
    s->deaf = true;
    s->now_ns += 60 * STORY_S;
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    story_is(s, "n17", PLAN_DECISION_AgentCanGrow);
    expect_u64(s->order_count, 16);
    story_end(s);
}

TEST(plan_queue, waiting_pods_go_before_what_is_foreseen)
{
    struct story *s = story_begin();
    char name[16];

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 240)->bits = 23;
    story_pool(s, "default");
    s->holds = true;
    for (int i = 1; i <= 20; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 5, 0);
    }
    story_go(s);
    expect_u64(s->order_count, 16);
    story_pods(s, "n20", 5, 1);
    require(s->order_count == 17);
    expect_text(s->orders[16].node, "n20");
    expect_u64(s->orders[16].action.urgency, URGENT_WAITING);
    /* One of the sixteen ends: the window is full still. */
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_u64(s->order_count, 17);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_u64(s->order_count, 18);
    story_end(s);
}

TEST(plan_queue, a_second_eni_for_waiting_pods_goes_before_a_spare_address_elsewhere)
{
    struct story *s = two_subnets(0);

    s->subnets[1].free = 8 + 6 + 2; /* the reserve, an ENI of five, an ENI of one */
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n1", 5, 0); /* low: it would like a spare one */
    story_pods(s, "n2", 5, 6);
    story_go(s);
    require(s->order_count == 2);
    expect_text(s->orders[0].node, "n2");
    expect_text(s->orders[1].node, "n2");
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    story_end(s);
}

TEST(plan_queue, pods_do_not_wait_for_room_on_an_eni_whose_subnet_has_none)
{
    struct story *s = two_subnets(0);

    s->subnets[1].free = 8 + 2; /* one address and the ENI's own */
    story_subnet(s, "c", 8 + 2);
    story_pods(s, "n1", 5, 2);
    story_go(s);
    require(s->order_count == 2);
    expect_text(s->orders[0].action.attach.subnet.text, "subnet-b");
    expect_text(s->orders[1].action.attach.subnet.text, "subnet-c");
    story_end(s);
}

TEST(plan_queue, a_subnet_that_has_not_all_that_is_wanted_gives_what_pods_need)
{
    struct story *s = two_subnets(0);

    s->subnets[1].free = 8 + 4; /* six are wanted */
    story_pods(s, "n1", 5, 1);
    story_go(s);
    require(s->order_count == 1);
    expect_u64(s->orders[0].action.attach.ips, 1);
    story_end(s);
}
