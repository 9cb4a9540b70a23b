/*
 * The planner's stories about pods that wait though all seems well or nothing seems to help: what
 * the agent does that nobody tells, addresses that rest, orders that it has not noticed yet.
 */
#include "plan_fixture.h"

/* A t3.medium at its limit of three ENIs: the primary one in subnet-a, which is empty, with four of
 * its five addresses; two in subnet-b, which has `b` free, full but for `room`. The agent asks its
 * ENIs in any order and gives up at the first refusal, which the primary one may be. */
static struct story *at_the_limit(uint32_t b, uint32_t room)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 0);
    story_subnet(s, "b", b);
    story_node(s, "n1", "t3.medium", "a", 4);
    story_eni(s, "n1", "b", 1, 5, 0);
    story_eni(s, "n1", "b", 2, 5 - room, 0);
    story_pool(s, "default");
    s->agent.subnet_discovery = false;
    return s;
}

/* ---- what nobody tells ---- */

TEST(plan_waiting, a_node_at_its_limit_is_looked_at_again_and_given_what_its_agent_gave_back)
{
    struct story *s = at_the_limit(200, 0);

    story_pods(s, "n1", 13, 0);
    story_go(s);
    story_find_eni(s, "eni-n1-agent-2")->ip_count = 3;
    story_pods(s, "n1", 12, 4);
    story_is(s, "n1", PLAN_DECISION_AtENILimit);
    story_saw_nothing(s);
    story_wait(s, 16);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=2 prefixes=0 waiting");
    story_end(s);
}

TEST(plan_waiting, pods_that_wait_for_something_else_cost_ever_fewer_reads)
{
    struct story *s = at_the_limit(200, 0);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_pods(s, "n1", 5, 1); /* its volume is missing, perhaps */
    story_is(s, "n1", PLAN_DECISION_Enough);
    uint32_t before = s->observes;
    story_wait(s, 60);
    expect(s->observes - before >= 2 && s->observes - before <= 4);
    before = s->observes;
    story_wait(s, 600);
    expect(s->observes - before >= 9 && s->observes - before <= 11);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_waiting, a_pod_that_has_just_come_is_given_five_seconds)
{
    struct story *s = at_the_limit(200, 0);

    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_wait(s, 120);
    uint32_t before = s->observes;
    story_pods(s, "n1", 5, 1);
    story_wait(s, 4);
    expect_u64(s->observes, before);
    story_wait(s, 2);
    expect_u64(s->observes, before + 1);
    story_end(s);
}

/* It gives surplus back in its next round, long before the pods ask again. */
TEST(plan_waiting, what_an_agent_with_a_warm_ip_target_has_beyond_it_is_not_counted_on)
{
    struct story *s = at_the_limit(200, 1);

    s->agent.warm_ip_target = 1;
    s->agent.subnet_discovery = true;
    story_pods(s, "n1", 6, 0);
    story_go(s);
    story_pods(s, "n1", 6, 2);
    story_is(s, "n1", PLAN_DECISION_Enough); /* just read: they may still get it */
    s->deaf = true;
    story_wait(s, 6);
    story_pods(s, "n1", 6, 3);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    expect_u64(story_decision(s, "n1").avail, 1);
    story_end(s);
}

/* ---- what is given and not noticed yet ---- */

TEST(plan_waiting, an_order_for_more_addresses_is_said_to_be_under_way)
{
    struct story *s = at_the_limit(200, 3);

    s->holds = true;
    story_pods(s, "n1", 11, 1);
    story_go(s);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=3");
    story_is(s, "n1", PLAN_DECISION_Assign);
    expect_u64(story_decision(s, "n1").device_index, 2);
    expect_contains(story_decision(s, "n1").detail,
                    "3 more addresses for the ENI in subnet-b at device index 2: ");
    story_pods(s, "n1", 11, 9); /* beyond what it brings */
    story_is(s, "n1", PLAN_DECISION_Assign);
    story_end(s);
}

TEST(plan_waiting, what_could_not_be_given_makes_the_node_read_again)
{
    struct story *s = at_the_limit(200, 3);

    s->holds = true;
    story_pods(s, "n1", 11, 1);
    story_go(s);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=3");
    s->deaf = true;
    uint32_t before = s->observes;
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    expect_u64(s->observes, before + 1);
    story_end(s);
}

TEST(plan_waiting, a_dry_run_tells_addresses_for_an_eni_from_an_eni)
{
    for (uint32_t prefixes = 0; prefixes <= 1; prefixes++) {
        struct story *s = at_the_limit(200, 3);
        s->pools[0].dry_run = true;
        s->agent.prefix_delegation = prefixes > 0;
        story_pods(s, "n1", 11, 1);
        story_go(s);
        story_is(s, "n1", PLAN_DECISION_DryRun);
        expect_contains(story_decision(s, "n1").detail,
                        prefixes > 0 ? "1 more /28 prefixes for the ENI in subnet-b at device "
                                       "index 2 would be added: "
                                     : "3 more addresses for the ENI in subnet-b at device index 2 "
                                       "would be added: ");
        story_end(s);
    }
}

TEST(plan_waiting, at_the_limit_more_pods_get_more_before_the_agent_has_found_the_first)
{
    struct story *s = at_the_limit(8 + 1, 3); /* one beyond the reserve */

    story_pods(s, "n1", 11, 1);
    story_go(s);
    story_wait(s, 2);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=1 prefixes=0 waiting");
    story_forget(s);
    story_free(s, "b", 200);
    story_saw_nothing(s); /* that one is enough for now */
    story_pods(s, "n1", 11, 2);
    story_wait(s, 1);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=2 prefixes=0 waiting");
    story_wait(s, 1);
    expect_u64(story_decision(s, "n1").addresses, 11); /* it has found none of the three */
    story_end(s);
}

/* One address was given, nobody waits for it any more, and the agent wants five spare ones. */
static struct story *one_given(void)
{
    struct story *s = at_the_limit(8 + 1, 3);

    story_pods(s, "n1", 11, 1);
    story_go(s);
    story_wait(s, 2);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=1 prefixes=0 waiting");
    story_forget(s);
    story_free(s, "b", 200);
    story_pods(s, "n1", 11, 0);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    return s;
}

TEST(plan_waiting, when_the_agent_has_found_them_the_node_is_looked_at_by_itself)
{
    struct story *s = one_given();

    story_wait(s, 60);
    story_saw_nothing(s);
    story_wait(s, 8);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=2 prefixes=0 forecast");
    story_end(s);
}

/* Also where one of ours is attached that somebody told the agent to leave alone. */
TEST(plan_waiting, of_more_addresses_it_is_not_said_that_an_eni_is_to_be_adopted)
{
    for (uint32_t left_alone = 0; left_alone <= 1; left_alone++) {
        struct story *s = one_given();

        if (left_alone) {
            struct story_eni *eni = story_eni(s, "n1", "b", 3, 5, 0);
            eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
            eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_NO_MANAGE),
                                                         SLICE("true") };
            story_enis(s, "n1");
        }
        story_wait(s, 30);
        story_is(s, "n1", PLAN_DECISION_Adopting);
        expect_contains(story_decision(s, "n1").detail,
                        "1 more addresses that the agent will find");
        require(s->status.named_count == 1);
        expect_contains(s->status.named[0].message,
                        "an ENI has more addresses; its agent finds them within 65 s");
        story_end(s);
    }
}

TEST(plan_waiting, each_success_of_the_agent_puts_off_that_it_finds_them)
{
    struct story *s = one_given();

    story_wait(s, 40);
    story_find_eni(s, "eni-n1-0")->ip_count = 5; /* somebody freed one in subnet-a */
    story_enis(s, "n1");
    story_wait(s, 30);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_wait(s, 40);
    expect(story_kind(s, "n1") != PLAN_DECISION_Adopting);
    story_end(s);

    s = one_given(); /* one less is no success */
    story_wait(s, 40);
    story_find_eni(s, "eni-n1-0")->ip_count = 3;
    story_enis(s, "n1");
    story_wait(s, 30);
    story_saw(s, "assign n1 eni-n1-agent-2 ips=2");
    story_end(s);
}

/* ---- addresses that rest ---- */

/* Five pods have just gone, so many wait. */
static struct story *five_left(uint32_t waiting)
{
    struct story *s = at_the_limit(200, 0);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 14, 0);
    story_go(s);
    story_wait(s, 60);
    story_pods(s, "n1", 9, waiting);
    return s;
}

TEST(plan_resting, a_pod_that_waits_for_an_address_which_another_has_just_left_is_told_so)
{
    struct story *s = five_left(1);

    story_is(s, "n1", PLAN_DECISION_Cooling);
    story_wait(s, 24);
    story_is(s, "n1", PLAN_DECISION_Cooling);
    story_wait(s, 60);
    story_is(s, "n1", PLAN_DECISION_Enough); /* it is something else */
    story_end(s);

    s = five_left(0);
    story_is(s, "n1", PLAN_DECISION_Enough); /* nobody waits */
    story_end(s);
}

TEST(plan_resting, addresses_that_were_left_one_after_the_other_count_together_for_a_while)
{
    struct story *s = five_left(0);

    story_wait(s, 26);
    story_pods(s, "n1", 8, 3); /* one more: all six rest */
    story_is(s, "n1", PLAN_DECISION_Cooling);
    story_wait(s, 23);
    story_pods(s, "n1", 8, 5);
    story_is(s, "n1", PLAN_DECISION_Cooling);
    story_wait(s, 3);
    story_pods(s, "n1", 8, 4);
    story_pods(s, "n1", 8, 5);
    story_is(s, "n1", PLAN_DECISION_Enough); /* the first five are to be had */
    story_wait(s, 100);
    story_pods(s, "n1", 7, 6);
    story_is(s, "n1", PLAN_DECISION_Enough); /* only the last one rests */
    story_pods(s, "n1", 5, 7);
    story_is(s, "n1", PLAN_DECISION_Cooling); /* and two more */
    story_end(s);
}

TEST(plan_resting, an_agent_whose_addresses_rest_is_given_longer_before_it_counts_as_stuck)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 200);
    story_node(s, "n1", "t3.medium", "a", 5);
    story_pool(s, "default");
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_wait(s, 30);
    story_pods(s, "n1", 4, 2);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_wait(s, 35);
    story_saw_nothing(s);
    story_wait(s, 10);
    story_saw(s, "attach n1 subnet-a");
    story_end(s);
}

/* More pods have addresses than the node had when it was looked at: its agent has helped itself. */
TEST(plan_waiting, counts_that_contradict_each_other_are_read_again_before_anything_is_done)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 3, 0);
    story_go(s);
    story_wait(s, 2);
    story_eni(s, "n1", "b", 1, 4, 0);
    story_pods(s, "n1", 6, 0);
    story_free(s, "a", 0);
    story_wait(s, 2);
    story_saw_nothing(s);
    expect_u64(story_decision(s, "n1").addresses, 9);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_end(s);
}

/* ---- on an ENI that is there, rather than with another one ---- */

TEST(plan_topping, an_agent_that_is_stuck_finds_more_on_the_eni_that_it_has)
{
    struct story *s = story_one("t3.medium", 3, 200, 200);

    story_pods(s, "n1", 3, 2);
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_wait(s, 25);
    expect_u64(s->order_count, 1);
    story_saw(s, "assign n1 eni-n1-0 ips=2 prefixes=0 waiting");
    story_end(s);
}

/* Each ENI can carry fourteen, 35 pods have an address, and the agent, without discovery, asks for
 * none: the primary ENI's subnet gives nothing. */
TEST(plan_topping, what_one_eni_does_not_hold_goes_to_the_next_one_that_the_agent_has)
{
    struct story *s = story_one("m5.xlarge", 13, 0, 200);

    s->agent.subnet_discovery = false;
    story_eni(s, "n1", "b", 1, 12, 0);
    story_eni(s, "n1", "b", 2, 10, 0);
    story_pods(s, "n1", 35, 4);
    story_go(s);
    story_wait(s, 3);
    expect_u64(s->order_count, 2); /* a slot is left, and stays free */
    story_saw(s, "assign n1 eni-n1-agent-1 ips=2 prefixes=0 waiting");
    story_saw(s, "assign n1 eni-n1-agent-2 ips=4 prefixes=0 waiting");
    story_end(s);
}

/* ---- after a hand-back ---- */

/* An ENI of ours was freed a moment ago. */
static void hand_back(struct story *s)
{
    story_wait(s, 30);
    expect_u64(s->order_count, 1);
    story_forget_eni(s, "eni-new1");
    story_enis(s, "n1");
    story_wait(s, 1);
    story_forget(s);
}

/* Likewise, on a t3.medium whose agent wants so many warm addresses. */
static struct story *handed_back_warm_ip(int32_t warm_ips)
{
    struct story *s = story_one("t3.medium", 5, 0, 200);

    s->agent.warm_ip_target = warm_ips;
    story_pods(s, "n1", 4, 0);
    story_go(s);
    hand_back(s);
    return s;
}

TEST(plan_hand_back, a_node_whose_pods_wait_gets_half_then_a_quarter_of_the_spare_addresses)
{
    struct story *s = story_one("m5.xlarge", 14, 0, 200);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 14, 1);
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=14"); /* one more free one would be too many */
    hand_back(s);
    require(s->order_count == 2);
    expect_u64(s->orders[1].action.attach.ips, 7);
    story_wait(s, 30);
    story_forget_eni(s, "eni-new2");
    story_enis(s, "n1");
    story_wait(s, 1);
    require(s->order_count == 3);
    expect_u64(s->orders[2].action.attach.ips, 4);
    story_end(s);
}

TEST(plan_hand_back, an_agent_without_a_warm_target_gets_the_next_one_when_a_pod_waits)
{
    for (uint32_t filled = 0; filled <= 1; filled++) {
        struct story *s = story_one("m5.xlarge", 14, 0, 200);

        s->agent.warm_eni_target = 0;
        story_pods(s, "n1", 14, 0);
        story_go(s);
        story_saw(s, "attach n1 subnet-b ips=13"); /* fourteen free ones would be freed again */
        story_wait(s, 30);
        /* All thirteen were in use for a while, or one of the fourteen pods ended. */
        story_find_eni(s, "eni-new1")->ip_count = filled ? 14 : 13;
        story_enis(s, "n1");
        story_forget_eni(s, "eni-new1");
        story_enis(s, "n1");
        story_wait(s, 300);
        expect_u64(s->order_count, 1);
        story_is(s, "n1", PLAN_DECISION_HandedBack);
        story_pods(s, "n1", 14, 1);
        story_wait(s, 1);
        require(s->order_count == 2);
        expect_u64(s->orders[1].action.attach.ips, 7); /* for it, and half of the rest */
        story_end(s);
    }
}

TEST(plan_hand_back, an_agent_with_a_warm_ip_target_gets_forty_five_seconds_to_help_itself)
{
    struct story *s = handed_back_warm_ip(1);

    story_pods(s, "n1", 5, 1);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    expect_contains(story_decision(s, "n1").detail, "the next one may follow in 45 s: ");
    story_wait(s, 43);
    story_saw_nothing(s);
    story_wait(s, 3);
    story_saw(s,
              "attach n1 subnet-b ips=4 index=2 waiting"); /* one waits, one warm, half of five */
    story_end(s);
}

TEST(plan_hand_back, an_agent_with_a_minimum_alone_gets_as_long)
{
    struct story *s = story_one("t3.medium", 5, 0, 200);

    s->agent.minimum_ip_target = 6;
    story_pods(s, "n1", 4, 0);
    story_go(s);
    hand_back(s);
    story_pods(s, "n1", 5, 1);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_wait(s, 43);
    story_saw_nothing(s);
    story_wait(s, 3);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_hand_back, what_rests_has_up_to_forty_five_seconds_more_to_be_picked_up)
{
    static const struct {
        uint32_t ends_s, nothing_until_s, comes_by_s;
        int32_t warm_ips;
        uint32_t ips; /* two wait, one rests, what is warm, half of five */
    } cases[] = { { 40, 88, 92, 1, 4 }, { 5, 53, 57, 1, 4 }, { 40, 44, 47, 2, 5 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = handed_back_warm_ip(cases[i].warm_ips);
        story_pods(s, "n1", 5, 2);
        story_wait(s, cases[i].ends_s);
        story_pods(s, "n1", 4, 2); /* this address is free to the agent, and pods get it in 30 s */
        story_wait(s, cases[i].nothing_until_s - cases[i].ends_s);
        story_saw_nothing(s);
        story_is(s, "n1", PLAN_DECISION_HandedBack);
        story_wait(s, cases[i].comes_by_s - cases[i].nothing_until_s);
        story_saw(s, "attach n1 subnet-b"); /* nobody has got it, or it does not suffice */
        expect_u64(s->orders[s->order_count - 1].action.attach.ips, cases[i].ips);
        story_end(s);
    }
}

/* It wants two, as many as rest at first: the one that was left before is to be had by then. */
TEST(plan_hand_back, less_than_the_agent_wants_free_is_not_waited_for)
{
    struct story *s = handed_back_warm_ip(2);

    story_pods(s, "n1", 5, 4);
    story_wait(s, 1);
    story_pods(s, "n1", 4, 4);
    story_wait(s, 26);
    story_pods(s, "n1", 3, 4);
    story_wait(s, 24);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_wait(s, 2);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_hand_back, addresses_in_use_beyond_those_that_are_known_are_no_need_of_a_pod)
{
    struct story *s = handed_back_warm_ip(1);

    story_pods(s, "n1", 7, 0); /* two of them are ending */
    story_wait(s, 60);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_end(s);
}

TEST(plan_hand_back, an_agent_that_could_get_on_is_believed_for_longer)
{
    struct story *s = story_one("t3.medium", 5, 20, 200);

    story_pods(s, "n1", 0, 0);
    story_go(s);
    hand_back(s);
    story_free(s, "a", 200);
    story_pods(s, "n1", 5, 2);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_wait(s, 35);
    story_saw_nothing(s);
    story_wait(s, 10);
    story_saw(s, "attach n1 subnet-");
    story_end(s);
}

TEST(plan_hand_back, an_agent_that_serves_one_pod_with_what_another_left_gets_on)
{
    for (uint32_t served = 0; served <= 1; served++) {
        struct story *s = story_one("t3.medium", 5, 20, 200);

        story_pods(s, "n1", 0, 0);
        story_go(s);
        hand_back(s);
        story_free(s, "a", 200);
        story_pods(s, "n1", 5, 2);
        story_pods(s, "n1", 4, 2);
        story_wait(s, 60); /* what was left rests first: 80 s in all */
        story_pods(s, "n1", 4 + served, 2);
        story_wait(s, 25);
        expect_u64(s->order_count, 2 - served);
        story_end(s);
    }
}

TEST(plan_hand_back, when_the_pause_is_over_the_agent_gets_as_much_as_at_first)
{
    struct story *s = story_one("m5.xlarge", 14, 0, 200);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 14, 0);
    story_go(s);
    story_pods(s, "n1", 5, 0); /* content */
    hand_back(s);
    story_wait(s, 620);
    story_saw_nothing(s);
    story_pods(s, "n1", 14, 0);
    require(s->order_count == 2);
    expect_u64(s->orders[1].action.attach.ips, 13);
    story_end(s);
}

TEST(plan_hand_back, an_earlier_leaders_eni_is_one_too_though_it_was_seen_for_a_moment_only)
{
    struct story *s = story_needy();

    story_pods(s, "n1", 0, 0);
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 0, 0);
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    story_go(s);
    story_wait(s, 3);
    story_forget_eni(s, "eni-n1-agent-2");
    story_enis(s, "n1");
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_wait(s, 300);
    story_saw_nothing(s);
    story_end(s);
}

/* ---- how old a picture may be ---- */

TEST(plan_waiting, what_was_read_more_than_five_seconds_ago_is_read_again_before_an_eni_is_attached)
{
    for (uint32_t age_ds = 49; age_ds <= 51; age_ds += 2) {
        struct story *s = story_one("t3.medium", 5, 200, 200);

        s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
        story_pods(s, "n1", 0, 0);
        story_go(s);
        story_wait(s, 60);
        story_enis(s, "n1");
        uint32_t observes = s->observes;
        s->now_ns += age_ds * STORY_S / 10;
        s->subnets[0].free = 0;
        story_pods(s, "n1", 5, 1);
        story_read(s);
        story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
        expect_u64(s->observes - observes, age_ds > 50);
        story_end(s);
    }
}

TEST(plan_waiting, addresses_that_pods_have_not_taken_in_a_round_of_the_agent_may_be_gone)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->agent.warm_ip_target = 1;
    story_pods(s, "n1", 2, 0);
    story_go(s);
    story_wait(s, 100);
    story_enis(s, "n1");
    story_pods(s, "n1", 2, 2); /* three are free, says the read */
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_find_eni(s, "eni-n1-0")->ip_count = 3; /* they have just been given back */
    story_wait(s, 4);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_wait(s, 1.1);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_end(s);
}

/* ---- what agents free ---- */

TEST(plan_waiting, a_node_whose_agent_is_about_to_free_an_eni_is_looked_at_after_a_minute)
{
    for (uint32_t holding = 0; holding <= 1; holding++) {
        struct story *s = story_begin();

        story_subnet(s, "a", 0);
        story_node(s, "n1", "t3.medium", "a", 5);
        story_eni(s, "n1", "a", 1, 5, 0);
        story_pool(s, "default");
        story_pods(s, "n1", holding, 0); /* ten free ones are one too many for the agent */
        story_go(s);
        uint32_t observes = s->observes;
        story_wait(s, 59);
        expect_u64(s->observes, observes);
        story_wait(s, 2);
        expect_u64(s->observes - observes, holding == 0);
        story_end(s);
    }
}

/* ---- what no map tells ---- */

/* Blocks may be broken by whom we cannot see: another account in a shared VPC. */
static struct story *low_on_prefixes(bool prefixes)
{
    struct story *s = story_one("m5.large", 0, 200, 200);

    s->agent.prefix_delegation = prefixes;
    s->agent.warm_prefix_target = 1;
    s->agent.warm_ip_target = prefixes ? -1 : 1;
    story_find_eni(s, "eni-n1-0")->prefix_count = prefixes;
    story_find_eni(s, "eni-n1-0")->ip_count = prefixes ? 0 : 5;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    return s;
}

TEST(plan_waiting, an_agent_that_gets_no_prefix_for_200_seconds_is_given_one)
{
    struct story *s = low_on_prefixes(true);

    story_wait(s, 198);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_wait(s, 5);
    story_saw(s, "assign n1 eni-n1-0 ips=0 prefixes=1 forecast");
    story_end(s);
}

TEST(plan_waiting, an_agent_that_gets_prefixes_is_left_to_itself)
{
    struct story *s = low_on_prefixes(true);

    story_wait(s, 150);
    story_find_eni(s, "eni-n1-0")->prefix_count = 2;
    story_pods(s, "n1", 20, 0); /* and needs one more */
    story_enis(s, "n1");
    story_wait(s, 198);
    story_saw_nothing(s);
    story_wait(s, 5);
    story_saw(s, "assign n1 eni-n1-0 ips=0 prefixes=1 forecast");
    story_end(s);
}

TEST(plan_waiting, an_agent_that_is_not_low_meanwhile_begins_anew)
{
    struct story *s = low_on_prefixes(true);

    story_wait(s, 150);
    story_pods(s, "n1", 0, 0);
    story_pods(s, "n1", 5, 0);
    story_wait(s, 198);
    story_saw_nothing(s);
    story_wait(s, 5);
    story_saw(s, "assign n1 eni-n1-0 ips=0 prefixes=1 forecast");
    story_end(s);
}

TEST(plan_waiting, single_addresses_are_counted_by_ec2_and_the_agent_is_believed)
{
    struct story *s = low_on_prefixes(false);

    story_wait(s, 900);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_waiting, what_an_agent_may_have_given_back_is_read_before_anything_is_attached)
{
    struct story *s = story_one("m5.large", 8, 0, 200);
    struct story_eni *ours = story_eni(s, "n1", "b", 1, 9, 0);

    s->agent.warm_ip_target = 1;
    s->agent.manage_non_schedulable = true;
    s->nodes[0].node.unschedulable = true; /* cordoned: nothing comes ahead of need */
    story_pods(s, "n1", 8, 1);
    story_go(s);
    story_wait(s, 4);
    uint32_t before = s->observes;
    /* By now it has given back all but the one that the pod will take, if it does as usual; then
     * it would want another. */
    story_wait(s, 6);
    expect(s->observes > before);
    story_wait(s, 60);
    story_saw_nothing(s);
    ours->ip_count = 1; /* and so it is: there is room on that ENI, for which it asks itself */
    story_wait(s, 60);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_waiting, an_agent_that_has_just_adopted_ours_gives_back_before_another_comes)
{
    struct story *s = story_one("t3.medium", 5, 0, 200);

    s->agent.warm_ip_target = 2;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 2);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_wait(s, 55);
    story_forget(s);
    story_pods(s, "n1", 6, 0);
    story_enis(s, "n1"); /* adopted, and full as we gave it: that leaves it no room */
    story_wait(s, 6);
    story_saw_nothing(s);
    story_find_eni(s, "eni-new1")->ip_count = 3; /* one in use, two warm */
    story_wait(s, 120);
    story_saw_nothing(s);
    story_end(s);
}
