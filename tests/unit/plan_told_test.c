/*
 * The planner's stories about ENIs as reads show them, and about what is told to whom: the leader
 * alone speaks, once, and to the point.
 */
#include "plan_fixture.h"

#include <stdio.h>

/* ---- ENIs ---- */

TEST(plan_enis, absurd_numbers_are_kept_within_bounds)
{
    struct story *s = story_needy_held();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    struct eni enis[] = {
        { .id = { "eni-0" },
          .subnet = { "subnet-a" },
          .instance = s->nodes[0].instance,
          .status = ENI_IN_USE,
          .ip_count = 100000 },
        { .id = { "eni-1" },
          .subnet = { "subnet-a" },
          .instance = s->nodes[0].instance,
          .status = ENI_IN_USE,
          .device_index = 1000,
          .ip_count = 1 },
        { .id = { "eni-2" },
          .subnet = { "subnet-a" },
          .instance = s->nodes[0].instance,
          .status = ENI_IN_USE,
          .device_index = 1,
          .card = 1000,
          .ip_count = 1 },
        { .id = { "eni-3" },
          .subnet = { "subnet-a" },
          .instance = { "i-stranger" },
          .status = ENI_IN_USE,
          .device_index = 1,
          .ip_count = 1 },
    };
    struct plan_event event = { .kind = PLAN_ENIS };
    event.enis.instances = &s->nodes[0].instance;
    event.enis.instance_count = 1;
    event.enis.enis = enis;
    event.enis.count = sizeof(enis) / sizeof(enis[0]);
    event.enis.asked_ns = s->now_ns;
    story_step(s, &event);
    expect_u64(story_decision(s, "n1").addresses, 65536);
    expect_u64(story_decision(s, "n1").enis, 2);
    story_end(s);
}

TEST(plan_enis, those_of_a_second_card_are_not_the_agents)
{
    struct story *s = story_needy_held();

    s->enis[0].index = 0; /* two before the primary ENI: reads have no order */
    s->enis[0].card = 1;
    s->enis[0].id = story_id("eni-n1-efa");
    story_eni(s, "n1", "b", 2, 5, 0)->card = 1;
    story_eni(s, "n1", "a", 0, 5, 0);
    story_go(s);
    expect_u64(story_decision(s, "n1").addresses, 5);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting"); /* index 2 of card 0 is free */
    story_end(s);
}

TEST(plan_enis, a_read_without_the_primary_eni_is_no_picture_of_a_node)
{
    struct story *s = story_needy_held();

    story_go(s);
    story_find_eni(s, "eni-n1-0")->hidden = true;
    story_eni(s, "n1", "b", 1, 5, 0);
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_find_eni(s, "eni-n1-0")->hidden = false;
    story_wait(s, 11);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_find_eni(s, "eni-n1-0")->subnet = (struct aws_id){ "" };
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_end(s);
}

TEST(plan_enis, tags_say_whose_an_eni_is)
{
    static const struct {
        const char *key, *value;
        uint32_t addresses;
    } cases[] = {
        { TAG_AGENT_NO_MANAGE, "true", 5 },       { TAG_AGENT_NO_MANAGE, "false", 8 },
        { TAG_AGENT_INSTANCE, "i-n1", 8 },        { TAG_AGENT_INSTANCE, "i-other", 5 },
        { TAG_AGENT_OWNER, "amazon-vpc-cni", 5 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = story_needy_held();
        bool no_manage = strcmp(cases[i].key, TAG_AGENT_NO_MANAGE) == 0;
        struct story_eni *eni = story_eni(s, "n1", "b", 1, 3, 0);
        s->agent.manage_untagged = no_manage; /* else only the agent's tag counts */
        eni->tags[0] = (struct pair){ slice_of(cases[i].key), slice_of(cases[i].value) };
        eni->tag_count = 1;
        story_go(s);
        if (story_decision(s, "n1").addresses != cases[i].addresses) {
            test_fail("%s=%s: %u addresses, not %u", cases[i].key, cases[i].value,
                      story_decision(s, "n1").addresses, cases[i].addresses);
        }
        story_end(s);
    }
}

TEST(plan_enis, all_security_groups_of_the_primary_eni_go_on_ours)
{
    struct story *s = story_needy_held();
    struct aws_id groups[2] = { { "sg-one" }, { "sg-two" } };
    struct eni primary = { .id = { "eni-n1-0" },
                           .subnet = { "subnet-a" },
                           .instance = s->nodes[0].instance,
                           .status = ENI_IN_USE,
                           .ip_count = 5,
                           .groups = groups,
                           .group_count = 2 };

    s->deaf = true;
    s->pools[0].paused = true;
    story_go(s);
    struct plan_event event = { .kind = PLAN_ENIS };
    event.enis.instances = &s->nodes[0].instance;
    event.enis.instance_count = 1;
    event.enis.enis = &primary;
    event.enis.count = 1;
    event.enis.asked_ns = s->now_ns;
    story_step(s, &event);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    require(s->order_count == 1);
    require(s->orders[0].action.attach.group_count == 2);
    expect_text(s->orders[0].action.attach.groups[0].text, "sg-one");
    expect_text(s->orders[0].action.attach.groups[1].text, "sg-two");
    story_end(s);
}

TEST(plan_enis, more_prefixes_than_we_gave_show_that_the_agent_works_with_it)
{
    struct story *s = story_needy_held();

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    story_find_eni(s, "eni-n1-0")->prefix_count = 1;
    story_pods(s, "n1", 16, 1);
    story_go(s);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Adopting);
    expect_u64(story_decision(s, "n1").addresses, 16);
    story_find_eni(s, "eni-new1")->prefix_count = 3;
    story_enis(s, "n1");
    expect_u64(story_decision(s, "n1").addresses, 64);
    story_end(s);
}

TEST(plan_enis, the_agents_own_that_it_frees_are_no_hand_back)
{
    struct story *s = story_needy_held();

    s->subnets[0].free = 20; /* low: an early ENI is due */
    story_pods(s, "n1", 5, 0);
    story_eni(s, "n1", "a", 1, 5, 0);
    story_eni(s, "n1", "a", 2, 5, 0);
    story_go(s);
    story_wait(s, 100);
    story_forget_eni(s, "eni-n1-agent-2");
    story_enis(s, "n1");
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    story_end(s);
}

/* Seconds from the hand-back until the next early ENI. */
static uint32_t after_hand_back(struct story *s, const char *eni)
{
    uint32_t before = s->order_count;

    story_forget_eni(s, eni);
    story_enis(s, "n1");
    for (uint32_t waited = 0; waited < 12000; waited += 10) {
        if (s->order_count > before) {
            return waited;
        }
        story_wait(s, 10);
    }
    return UINT32_MAX;
}

TEST(plan_hand_back, each_one_that_comes_soon_doubles_the_pause)
{
    static const uint32_t pauses[] = { 600, 1200, 2400, 4800, 4800 };
    struct story *s = story_needy_held();
    char id[32];

    s->holds = false;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    for (uint32_t i = 0; i < 5; i++) {
        story_wait(s, 30);
        (void)snprintf(id, sizeof(id), "eni-new%u", i + 1);
        uint32_t waited = after_hand_back(s, id);
        expect(waited >= pauses[i] - 10 && waited <= pauses[i] + 10);
    }
    story_wait(s, 700); /* this one is kept for long: the agent will keep the next, too */
    story_enis(s, "n1");
    expect(after_hand_back(s, "eni-new6") <= 70);
    story_wait(s, 30);
    expect(after_hand_back(s, "eni-new7") <= 610); /* and the count begins anew */
    story_end(s);
}

TEST(plan_hand_back, an_older_one_that_is_freed_later_does_not_end_the_pause)
{
    struct story *s = story_needy_held();

    s->holds = false;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 500);
    expect_u64(s->order_count, 2); /* the second one when the first was adopted */
    story_forget_eni(s, "eni-new2");
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_wait(s, 300);
    story_enis(s, "n1");
    uint32_t waited = after_hand_back(s, "eni-new1");
    expect(waited >= 290 && waited <= 310); /* ten minutes after the second one's */
    story_end(s);
}

TEST(plan_hand_back, says_when_the_next_may_follow)
{
    struct story *s = story_needy_held();

    s->holds = false;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 30);
    story_forget_eni(s, "eni-new1");
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    expect_slice(story_decision(s, "n1").detail,
                 "the next one may follow in 600 s, sooner when a pod waits: 0 of 5 addresses are "
                 "in use, no pod waits, the "
                 "agent wants 5 free");
    story_end(s);
}

/* ---- who speaks ---- */

TEST(plan_told, a_replica_without_the_lease_says_nothing)
{
    struct story *s = story_needy_held();
    struct plan_event gone = { .kind = PLAN_POOL_GONE, .name = SLICE("default") };

    s->nodes[0].node.short_of_ips = s->nodes[0].node.tainted = true;
    s->subnets[0].free = 200;
    story_tell_kube(s);
    story_read(s);
    story_sweep(s);
    story_free(s, "a", 3);
    expect_u64(story_decision(s, "n1").kind, PLAN_DECISION_NotLeader);
    story_step(s, &gone);
    story_wait(s, 30);
    expect_text(s->trace, "");
    expect_u64(s->statuses, 0);
    story_end(s);
}

TEST(plan_told, a_lease_that_is_confirmed_asks_for_no_second_sweep)
{
    struct story *s = story_needy_held();

    story_go(s);
    uint32_t sweeps = s->sweeps;
    s->now_ns += STORY_S;
    story_lease(s, true);
    story_wait(s, 5);
    expect_u64(s->sweeps, sweeps);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_end(s);
}

TEST(plan_told, a_sweep_from_before_the_lease_does_not_count)
{
    struct story *s = story_needy_held();

    s->deaf = true;
    story_tell_kube(s);
    story_read(s);
    story_lease(s, true);
    struct plan_event sweep = { .kind = PLAN_SWEEP };
    sweep.enis.asked_ns = s->now_ns - 1;
    story_step(s, &sweep);
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    sweep.enis.asked_ns = s->now_ns;
    story_step(s, &sweep);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_end(s);
}

TEST(plan_told, nothing_is_done_before_the_agent_was_seen)
{
    struct story *s = story_needy_held();
    struct plan_event synced = { .kind = PLAN_KUBE_SYNCED };

    s->subnets[1].free = 5;
    story_send_pool(s, "default");
    story_send_node(s, "n1");
    story_step(s, &synced);
    story_lease(s, true);
    story_read(s);
    story_sweep(s);
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_wait(s, 60);
    story_saw_nothing(s);
    struct plan_event agent = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &agent);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    story_end(s);
}

TEST(plan_told, a_dry_run_plans_without_the_lease_and_reads_what_it_needs)
{
    struct story *s = story_needy_held();

    s->config.dry_run = true;
    s->pools[0].on_exhausted = EXHAUSTED_TAINT;
    s->subnets[1].free = 0;
    story_tell_kube(s);
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet); /* it has read the node's ENIs */
    story_wait(s, 1);
    story_free(s, "b", 200);
    story_is(s, "n1", PLAN_DECISION_DryRun);
    story_lease(s, true);
    story_wait(s, 5);
    expect_u64(story_count(s, "event node n1 DryRun: dry run, node n1: an ENI in subnet-b with 5 "
                              "addresses at device index 2 would be attached"),
               1);
    story_pods(s, "n1", 0, 0);
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_Paused);
    s->pools[0].paused = false;
    story_pods(s, "n1", 5, 1);
    story_send_pool(s, "default");
    expect_u64(story_count(s, "event pool default DryRun: dry run, node n1: "), 2);
    expect_u64(story_count(s, "event node n1 DryRun"), 2); /* a new time that it comes to this */
    story_end(s);
}

TEST(plan_told, no_taint_in_a_dry_run)
{
    for (int of_pool = 0; of_pool < 2; of_pool++) {
        struct story *s = story_needy_held();
        s->pools[0].on_exhausted = EXHAUSTED_TAINT;
        s->pools[0].dry_run = of_pool;
        s->config.dry_run = !of_pool;
        s->subnets[1].free = 0;
        story_go(s);
        story_wait(s, 5);
        story_saw_not(s, "taint");
        story_saw(s, "condition n1 False NoHealthySubnet");
        story_end(s);
    }
}

TEST(plan_told, conditions_and_taints_wait_while_kubernetes_is_out_of_sight)
{
    struct story *s = story_needy_held();
    struct plan_event stale = { .kind = PLAN_KUBE_STALE, .stale = true };
    struct plan_event gone = { .kind = PLAN_POOL_GONE, .name = SLICE("default") };

    s->subnets[1].free = 0;
    story_go(s);
    story_saw(s, "condition n1 False NoHealthySubnet");
    story_forget(s);
    story_step(s, &stale);
    story_step(s, &gone);
    story_saw_not(s, "condition");
    stale.stale = false;
    story_step(s, &stale);
    story_saw(s, "condition n1 True NotManaged: no SubnetPool selects this node");
    story_end(s);
}

TEST(plan_told, a_node_that_leaves_is_cleared_with_the_reason)
{
    struct story *s = story_needy_held();

    s->subnets[1].free = 0;
    story_go(s);
    story_saw(s, "condition n1 False NoHealthySubnet");
    s->nodes[0].node.deleting = true;
    s->nodes[0].node.short_of_ips = true;
    story_send_node(s, "n1");
    story_saw(s, "condition n1 True NotManaged: the node is being deleted or out of service");
    story_end(s);
}

TEST(plan_told, a_full_node_below_its_max_eni_hears_of_its_slots_and_not_of_max_eni)
{
    static const struct {
        int32_t max_eni;
        const char *words;
    } cases[] = {
        { AGENT_UNSET, "all 3 usable ENI slots of this t3.medium are in use" },
        { 3, "all 3 usable ENI slots of this t3.medium are in use" },
        { 9, "all 3 usable ENI slots of this t3.medium are in use" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = story_needy_held();
        s->agent.max_eni = cases[i].max_eni;
        story_eni(s, "n1", "a", 1, 5, 0);
        story_eni(s, "n1", "a", 2, 5, 0);
        story_pods(s, "n1", 15, 1);
        story_go(s);
        story_wait(s, 5);
        story_saw(s, cases[i].words);
        story_end(s);
    }
}

TEST(plan_told, a_node_with_all_its_addresses_recovers_when_nobody_waits)
{
    struct story *s = story_needy_held();

    s->subnets[1].free = 0;
    s->nodes[0].node.max_pods = 5;
    s->nodes[0].node.short_of_ips = true;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 30);
    story_saw_not(s, "condition n1 True");
    story_pods(s, "n1", 5, 0);
    story_wait(s, 5);
    story_saw_not(s, "condition n1 True");
    story_pods(s, "n1", 5, 1); /* not calm yet: the ten seconds begin anew */
    story_wait(s, 7);
    story_pods(s, "n1", 5, 0);
    story_wait(s, 9);
    story_saw_not(s, "condition n1 True");
    story_wait(s, 2);
    story_saw(s, "condition n1 True AddressesAvailable: the node has 0 free addresses\n");
    story_end(s);
}

TEST(plan_told, each_state_of_the_api_once_and_again_when_it_comes_again)
{
    struct story *s = story_needy_held();
    struct plan_event event = { .kind = PLAN_CLOUD };

    event.cloud.operation = SLICE("DescribeSubnets");
    event.cloud.message = SLICE("no");
    story_go(s);
    event.cloud.code = CLOUD_THROTTLED;
    story_step(s, &event);
    story_step(s, &event);
    story_wait(s, 15);
    expect_u64(story_count(s, "CloudAPIThrottled"), 1);
    /* Denied by an order meanwhile: the API as a whole is well again, and nothing new is told. */
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    event.cloud.code = CLOUD_OK;
    story_step(s, &event);
    expect_text(s->status.conditions[3].reason, "Denied");
    story_free(s, "a", 100);
    story_wait(s, 11);
    event.cloud.code = CLOUD_THROTTLED;
    story_step(s, &event);
    story_free(s, "a", 150); /* told with the next status: what is denied weighs more */
    story_wait(s, 11);
    expect_u64(story_count(s, "CloudAPIThrottled"), 2);
    story_end(s);
}

TEST(plan_told, addressing_that_fits_is_compatible)
{
    struct story *s = story_needy_held();

    s->pools[0].addressing = ADDRESSING_SECONDARY_IP;
    story_go(s);
    expect_text(s->status.conditions[4].reason, "Compatible");
    expect_slice(s->status.conditions[4].message, "aws-node v1.23.2");
    s->agent.prefix_delegation = true;
    struct plan_event event = { .kind = PLAN_AGENT, .agent = s->agent };
    story_step(s, &event);
    expect_text(s->status.conditions[4].reason, "PrefixDelegationEnabled");
    s->pools[0].addressing = ADDRESSING_PREFIX;
    story_send_pool(s, "default");
    expect_text(s->status.conditions[4].reason, "Compatible");
    story_end(s);
}

TEST(plan_told, since_when_a_condition_and_a_decision_hold)
{
    struct story *s = story_needy_held();

    story_go(s);
    uint64_t began = s->wall_ns;
    expect_u64(s->status.conditions[0].since_wall_ns, began);
    expect_u64(story_decision(s, "n1").since_wall_ns, began);
    story_wait(s, 60);
    expect_u64(story_decision(s, "n1").since_wall_ns, began);
    expect_u64(s->status.conditions[0].since_wall_ns, began);
    struct pool_status now;
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect(now.subnets[0].observed_wall_ns > began);
    expect(now.subnets[0].observed_wall_ns <= s->wall_ns);
    s->pools[0].paused = true;
    s->subnets[0].gone = s->subnets[1].gone = true;
    story_read(s);
    expect_u64(s->status.conditions[0].value, CONDITION_FALSE);
    expect_u64(s->status.conditions[0].since_wall_ns, s->wall_ns);
    story_end(s);
}
