/*
 * The planner's stories about need: when it acts, where, and with how much.
 *
 * A t3.medium has 3 ENIs of 5 addresses for pods (k = 5), an m5.large 3 of 9, an m5.xlarge 4 of 14.
 * A subnet is a /24 with 251 addresses; its low watermark is 25, the high one 50.
 */
#include "plan_fixture.h"

#include <stdio.h>

/* subnet-a has `a` free, its sibling subnet-b 200; n1 is a t3.medium with 5 addresses in subnet-a.
 */
static struct story *two_subnets(uint32_t a)
{
    return story_one("t3.medium", 5, a, 200);
}

TEST(plan_need, leaves_a_node_alone_whose_agent_can_grow)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 4, 0);
    story_go(s);
    story_wait(s, 60);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_pods(s, "n1", 5, 2);
    story_wait(s, 5);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_need, serves_waiting_pods_from_the_sibling_within_a_second_of_the_need)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 4, 0);
    story_go(s);
    story_saw_nothing(s);
    s->subnets[0].free = 0; /* nobody has told the planner yet */
    story_wait(s, 10);
    story_forget(s);
    story_pods(s, "n1", 5, 1); /* the need makes it read, see, and act in the same instant */
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_wait(s, 1);
    story_saw(s, "event node n1 ENIPreAttached: attached eni-new1 from subnet-b to node n1 at "
                 "device index 2 "
                 "with 5 addresses");
    story_saw(s, "event pool default ENIPreAttached");
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_end(s);
}

TEST(plan_need, gives_an_idle_node_a_bare_eni_before_its_subnet_is_empty)
{
    struct story *s = two_subnets(200);

    story_go(s);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_free(s, "a", 24); /* below the low watermark of 25 */
    story_saw(s, "event pool default SubnetLow (warning): subnet-a (us-west-2a) has 24 of 251 "
                 "addresses free");
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    story_wait(s, 200);
    expect_u64(story_count(s, "attach "), 1);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_end(s);
}

TEST(plan_need, gives_a_small_node_another_bare_eni_when_the_first_is_adopted)
{
    struct story *s = two_subnets(200);

    story_go(s);
    story_free(s, "a", 24);
    story_wait(s, 40);
    expect_u64(s->order_count, 1);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    story_wait(s, 40);
    /* 5 free and room for 5: a pod every three seconds would outrun the next adoption. */
    require(s->order_count == 2);
    expect_u64(s->orders[1].action.attach.ips, 0);
    expect_u64(s->orders[1].action.attach.device_index, 1);
    story_end(s);
}

/* What is attached before the agent starts it finds at once, later only when it looks again, a
 * minute and more after that: pods come within a second of its start. */
TEST(plan_need, gives_a_node_whose_agent_starts_all_that_it_may_grow_into_at_once)
{
    struct story *s = story_one("m5.xlarge", 1, 0, 200);

    s->nodes[0].node.max_pods = 58;
    story_go(s);
    story_agent_pod(s, "n1", false);
    story_wait(s, 1);
    require(s->order_count == 3);
    expect_u64(s->orders[0].action.attach.ips, 13); /* warm, with the one that it has */
    for (uint32_t i = 0; i < 3; i++) {
        expect_text(s->orders[i].action.attach.subnet.text, "subnet-b");
        expect_u64(s->orders[i].action.attach.device_index, 3 - i);
        expect_u64(s->orders[i].action.attach.ips, i == 0 ? 13 : 0);
    }
    story_wait(s, 200);
    expect_u64(s->order_count, 3);
    story_end(s);
}

TEST(plan_need, gives_a_node_whose_agent_starts_no_more_than_its_pods_could_fill)
{
    struct story *s = story_one("m5.4xlarge", 1, 0, 200);

    s->nodes[0].node.max_pods = 110;
    story_go(s);
    story_agent_pod(s, "n1", false);
    story_wait(s, 1);
    /* 29 addresses, and three times room for 29; four of its eight slots stay free. */
    expect_u64(s->order_count, 4);
    story_end(s);
}

TEST(plan_need, a_node_whose_pods_fit_is_ahead_with_one_bare_eni)
{
    struct story *s = story_one("m5.xlarge", 14, 24, 200);

    s->nodes[0].node.max_pods = 20;
    story_go(s);
    story_wait(s, 40);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    story_wait(s, 400);
    expect_u64(s->order_count, 1);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_end(s);
}

TEST(plan_need, keeps_a_foot_in_another_subnet_when_none_lasts)
{
    struct story *s = two_subnets(200);

    story_go(s);
    s->subnets[1].free = 20;
    story_free(s, "a", 20);
    story_wait(s, 40);
    require(s->order_count == 1);
    expect_text(s->orders[0].action.attach.subnet.text, "subnet-b");
    expect_u64(s->orders[0].action.attach.ips, 0);
    story_wait(s, 600);
    expect_u64(s->order_count, 1); /* one foot is enough */
    story_end(s);
}

TEST(plan_need, foresees_a_subnet_that_others_drain_and_acts_two_minutes_ahead)
{
    struct story *s = two_subnets(250);
    uint32_t free_then = 0;

    story_go(s);
    /* One address a second for four minutes. */
    for (uint32_t second = 1; second <= 240 && free_then == 0; second++) {
        s->subnets[0].free = 250 - second;
        story_wait(s, 1);
        free_then = story_count(s, "attach n1 subnet-b ips=0") > 0 ? 250 - second : 0;
    }
    expect(free_then >= 65 && free_then <= 140); /* adoption takes up to 65 s */
    expect_u64(s->pace_ms, 2000);
    story_end(s);
}

TEST(plan_need, does_not_take_one_wave_of_pods_for_a_trend)
{
    struct story *s = two_subnets(250);

    story_go(s);
    story_wait(s, 60);
    s->subnets[0].free = 150;
    story_wait(s, 180);
    story_saw_nothing(s);
    expect_u64(s->pace_ms, 30000);
    story_end(s);
}

TEST(plan_need, fills_the_eni_of_a_node_that_is_low_when_its_subnet_is_dead)
{
    struct story *s = two_subnets(0);

    story_pods(s, "n1", 2, 0);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->order_count, 1);
    expect_u64(s->orders[0].action.attach.ips, 2); /* 3 are free, WARM_ENI_TARGET wants 5 */
    story_end(s);
}

TEST(plan_need, gives_a_bare_eni_while_the_agent_still_nibbles_at_a_dying_subnet)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 3, 0);
    story_go(s);
    story_free(s, "a", 20); /* low: the agent can still grow there, and will */
    story_saw(s, "attach n1 subnet-b ips=0 index=2 forecast");
    story_end(s);
}

TEST(plan_need, keeps_to_one_eni_for_one_need)
{
    struct story *s = two_subnets(0);

    story_pods(s, "n1", 5, 2);
    story_go(s);
    story_wait(s, 40); /* not adopted: nothing shows it */
    story_pods(s, "n1", 5, 3);
    story_wait(s, 40);
    expect_u64(s->order_count, 1);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_end(s);
}

TEST(plan_need, tops_up_an_eni_that_is_not_adopted_yet_when_more_pods_wait)
{
    struct story *s = two_subnets(200);

    story_go(s);
    story_free(s, "a", 20);
    story_wait(s, 1); /* a bare one is attached */
    story_free(s, "a", 0);
    story_forget(s);
    story_pods(s, "n1", 5, 2);
    story_saw(s, "assign n1 eni-new1 ips=5 prefixes=0 waiting");
    story_wait(s, 2);
    expect_u64(s->order_count, 2);
    expect_u64(story_find_eni(s, "eni-new1")->ip_count, 5);
    story_end(s);
}

TEST(plan_need, attaches_several_enis_when_more_pods_wait_than_one_can_hold)
{
    struct story *s = two_subnets(0);

    story_pods(s, "n1", 5, 8);
    story_go(s);
    story_wait(s, 2);
    expect_u64(s->order_count, 2);
    expect_u64(s->orders[0].action.attach.ips + s->orders[1].action.attach.ips, 8);
    expect_u64(s->orders[0].action.attach.device_index, 2);
    expect_u64(s->orders[1].action.attach.device_index, 1);
    story_end(s);
}

TEST(plan_need, gives_a_smaller_eni_where_not_enough_is_left)
{
    struct story *s = two_subnets(0);

    s->subnets[1].free = 12; /* 8 are reserved, 1 is the ENI's own */
    story_pods(s, "n1", 5, 4);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->order_count, 1);
    expect_u64(s->orders[0].action.attach.ips, 3);
    story_end(s);
}

TEST(plan_need, keeps_spare_addresses_back_where_a_subnet_is_low)
{
    struct story *s = two_subnets(0);

    s->subnets[1].free = 20;
    story_pods(s, "n1", 5, 2);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->orders[0].action.attach.ips, 2); /* 7 would make the agent content */
    story_end(s);
}

/* Its pods come faster than it refills. An ENI of ours would wait for a minute without such growth
 * until it is adopted, and take the slot that the agent needs meanwhile. */
TEST(plan_need, leaves_an_agent_its_slots_that_gets_on_if_slowly)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 5, 2);
    story_go(s);
    for (uint32_t served = 6; served < 12; served++) {
        story_wait(s, 12);
        story_pods(s, "n1", served, 2);
    }
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_need, serves_a_node_whose_agent_gets_nowhere_although_it_could)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 15);
    story_saw_nothing(s); /* the agent has its time */
    story_wait(s, 10);
    story_saw(s, "ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_need, forgives_a_volume_that_keeps_a_pod_waiting)
{
    struct story *s = two_subnets(200);

    story_pods(s, "n1", 1, 1); /* four addresses are free: it is not for want of one */
    story_go(s);
    story_wait(s, 300);
    story_saw_nothing(s);
    expect(s->observes <= 8);
    story_end(s);
}

TEST(plan_need, reads_again_when_pods_wait_although_there_seem_to_be_addresses)
{
    struct story *s = two_subnets(0);

    s->agent.minimum_ip_target = 5;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 60);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_find_eni(s, "eni-n1-0")->ip_count = 1; /* the agent gave four back, unseen */
    story_forget(s);
    story_pods(s, "n1", 1, 2);
    story_wait(s, 7);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_need, does_nothing_for_a_node_that_holds_as_many_addresses_as_pods_fit)
{
    struct story *s = two_subnets(0);

    s->nodes[0].node.max_pods = 5;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_wait(s, 60);
    story_is(s, "n1", PLAN_DECISION_AtPodLimit);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_need, counts_pods_on_branch_enis_as_holding_nothing)
{
    struct story *s = two_subnets(0);

    s->nodes[0].branch = 5;
    story_pods(s, "n1", 5, 0); /* all on branch ENIs */
    story_go(s);
    story_wait(s, 1);
    expect_u64(story_decision(s, "n1").avail, 5);
    story_saw_not(s, "waiting");
    story_end(s);
}

/* ---- the agent's modes ---- */

TEST(plan_modes, warm_eni_target_0_gets_less_than_an_eni)
{
    struct story *s = two_subnets(0);

    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 4, 0);
    story_go(s);
    story_wait(s, 1);
    /* One is free: not low. An early ENI brings one address: bare, it would be filled and freed. */
    expect_u64(s->orders[0].action.attach.ips, 1);
    story_end(s);

    s = two_subnets(0);
    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 1, 0); /* four are free: with one more it would free what we give */
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_end(s);

    s = two_subnets(0);
    s->agent.warm_eni_target = 0;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_wait(s, 1);
    /* With k of 5 free it would give the ENI back: one less is what the next pods find. */
    expect_u64(s->orders[0].action.attach.ips, 4);
    story_end(s);
}

TEST(plan_modes, warm_ip_target_gets_its_warm_addresses_early_but_once)
{
    struct story *s = two_subnets(200);

    s->agent.warm_ip_target = 3;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_free(s, "a", 20);
    story_wait(s, 60);
    story_saw(s, "attach n1 subnet-b ips=3 index=2 forecast");
    /* The agent gave the surplus back from ours, not from the primary ENI, and then freed it. */
    story_forget(s);
    story_forget_eni(s, "eni-new1");
    story_enis(s, "n1");
    story_wait(s, 1200);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_modes, warm_ip_target_gets_nothing_early_from_a_new_leader_before_it_knows_of_hand_backs)
{
    struct story *s = two_subnets(200);
    struct plan_event lease = { .kind = PLAN_LEASE };

    s->agent.warm_ip_target = 3;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    for (uint32_t handovers = 2; handovers-- > 0;) {
        lease.leader = false;
        story_step(s, &lease);
        lease.leader = true;
        lease.handovers = 1; /* the second time it is ours again without another holder */
        story_step(s, &lease);
        story_wait(s, handovers > 0 ? 400 : 60);
        story_free(s, "a", 20);
        story_wait(s, 60);
        story_saw_nothing(s);
    }
    story_wait(s, 25);
    story_saw(s, "attach n1 subnet-b ips=3 index=2 forecast");
    story_end(s);
}

TEST(plan_modes, warm_ip_target_is_given_enough_when_it_is_short)
{
    struct story *s = two_subnets(200);

    s->agent.warm_ip_target = 3;
    s->subnets[1].free = 0;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_free(s, "a", 0);
    story_pods(s, "n1", 3, 0);
    story_wait(s, 1);
    story_saw_nothing(s);
    story_free(s, "b", 200);
    /* One is short; the rest is for what comes while the agent is silent after its failure. */
    story_saw(s, "attach n1 subnet-b ips=5 index=2 forecast");
    story_end(s);
}

TEST(plan_modes, minimum_ip_target_is_met)
{
    struct story *s = two_subnets(0);

    s->agent.warm_ip_target = 1;
    s->agent.minimum_ip_target = 9;
    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->orders[0].action.attach.ips, 5);
    story_end(s);
}

static struct story *prefix_story(int32_t warm, uint32_t prefixes)
{
    struct story *s = two_subnets(0);

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = warm;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    story_find_eni(s, "eni-n1-0")->prefix_count = prefixes;
    return s;
}

TEST(plan_modes, warm_prefix_target_gets_the_missing_prefix)
{
    struct story *s = prefix_story(1, 1);

    story_pods(s, "n1", 1, 0);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->orders[0].action.attach.prefixes, 1);
    expect_u64(s->orders[0].action.attach.ips, 0);
    story_end(s);
}

TEST(plan_modes, without_a_warm_prefix_target_only_waiting_pods_get_a_prefix)
{
    struct story *s = prefix_story(AGENT_UNSET, 1);

    story_pods(s, "n1", 16, 0);
    story_go(s);
    story_wait(s, 30);
    story_saw_nothing(s); /* any podless ENI would be freed at once */
    story_pods(s, "n1", 16, 3);
    story_saw(s, "attach n1 subnet-b prefixes=1 index=2 waiting");
    story_end(s);
}

/* Its second prefix comes with a call of its own and takes no further slot. */
TEST(plan_modes, a_prefix_that_is_missing_meanwhile_is_added_to_the_eni_that_is_being_attached)
{
    struct story *s = prefix_story(AGENT_UNSET, 1);

    story_pods(s, "n1", 16, 0);
    story_go(s);
    story_pods(s, "n1", 16, 3);
    story_saw(s, "attach n1 subnet-b prefixes=1 index=2 waiting");
    story_forget(s);
    story_pods(s, "n1", 16, 20);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_saw_nothing(s);
    story_wait(s, 1);
    story_saw(s, "assign n1 eni-new1 ips=0 prefixes=1 waiting");
    story_end(s);
}

TEST(plan_modes, a_content_prefix_node_gets_nothing_early)
{
    struct story *s = prefix_story(1, 2);

    story_pods(s, "n1", 16, 0);
    story_go(s);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_end(s);
}

TEST(plan_modes, sees_that_a_subnet_has_addresses_but_no_whole_block)
{
    struct story *s = prefix_story(1, 1);
    struct story_eni *other = NULL;

    s->subnets[0].free = 120;
    for (uint32_t i = 0; i < 16; i++) { /* one address in each /28 of subnet-a, of somebody else */
        other = story_eni(s, "n1", "a", 3, 0, 0);
        other->instance = (struct aws_id){ "" };
        other->type = ENI_OTHER;
        other->primary_ip = s->subnets[0].base + i * 16 + 7;
        char id[32];
        (void)snprintf(id, sizeof(id), "eni-other%u", i);
        require(aws_id_set(&other->id, slice_of(id)) == ERR_OK);
    }
    story_pods(s, "n1", 1, 0);
    s->gone = true;
    story_tell_kube(s);
    story_lease(s, true);
    story_read(s);
    story_wait(s, 2);
    story_saw(s, "event pool default SubnetFragmented (warning): subnet-a (us-west-2a) has 120 of "
                 "251 addresses "
                 "free but no whole /28 block");
    story_saw(s, "attach n1 subnet-b prefixes=1 index=2 forecast");
    story_end(s);
}

TEST(plan_modes, discovery_lets_the_agent_grow_in_tagged_siblings)
{
    struct story *s = two_subnets(0);

    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "1");
    story_pods(s, "n1", 4, 0);
    story_go(s);
    story_wait(s, 10);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_modes, the_agents_create_is_all_or_nothing)
{
    struct story *s = two_subnets(0);

    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "1");
    s->pools[0].low = (struct amount){ 2, false };
    s->pools[0].high = (struct amount){ 4, false };
    s->pools[0].reserved_ips = 0;
    s->subnets[1].free = 5; /* the agent asks for 6 */
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->orders[0].action.attach.ips, 4);
    story_end(s);
}

TEST(plan_modes, without_discovery_one_dead_subnet_spoils_the_room_in_others)
{
    struct story *s = two_subnets(0);

    s->agent.subnet_discovery = false;
    story_find_eni(s, "eni-n1-0")->ip_count = 4; /* room for one in the dead subnet */
    story_eni(s, "n1", "b", 1, 3, 0);            /* room for two in the healthy one */
    story_pods(s, "n1", 7, 1);
    story_go(s);
    story_wait(s, 1);
    story_saw(s, "assign n1 eni-n1-agent-1 ips=2 prefixes=0 waiting");
    story_end(s);
}

TEST(plan_modes, an_agent_that_provisions_nothing_is_served_on_the_enis_it_has)
{
    struct story *s = two_subnets(200);

    s->agent.provisioning_disabled = true;
    story_find_eni(s, "eni-n1-0")->ip_count = 2;
    story_pods(s, "n1", 2, 1);
    story_go(s);
    story_wait(s, 1);
    story_saw(s, "assign n1 eni-n1-0 ips=3 prefixes=0 waiting");
    story_end(s);
}

TEST(plan_modes, custom_networking_uses_the_eniconfigs_groups_and_ignores_the_primary_eni)
{
    struct story *s = two_subnets(0);
    struct aws_id group = { "sg-pods" };
    struct plan_event event = { .kind = PLAN_ENICONFIG };

    s->agent.custom_networking = true;
    story_label(&s->nodes[0], "k8s.amazonaws.com/eniConfig", "zone-a");
    event.eniconfig = (struct eniconfig){
        .name = SLICE("zone-a"), .subnet = s->subnets[0].id, .groups = &group, .group_count = 1
    };
    story_step(s, &event);
    story_go(s);
    story_agent_pod(s, "n1", false); /* it crash-loops for want of an ENI */
    story_wait(s, 1);
    require(s->order_count == 2);
    expect_text(s->orders[0].action.attach.subnet.text, "subnet-b");
    expect_u64(s->orders[0].action.attach.ips, 5);
    expect_text(s->orders[0].action.attach.groups[0].text, "sg-pods");
    expect_u64(s->orders[1].action.attach.ips, 0); /* to grow into, as long as it is not back */
    story_end(s);
}

TEST(plan_modes, a_cordoned_node_is_served_only_while_pods_wait)
{
    struct story *s = two_subnets(0);

    s->nodes[0].node.unschedulable = true;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_wait(s, 30);
    story_saw_nothing(s);
    story_pods(s, "n1", 5, 1);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_end(s);
}

/* ---- slots ---- */

TEST(plan_slots, leaves_one_for_a_trunk)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 200);
    story_node(s, "n1", "m5.large", "a", 9); /* 3 slots, trunk-capable */
    story_eni(s, "n1", "a", 1, 9, 0);
    s->agent.pod_eni = true;
    story_pool(s, "default");
    story_pods(s, "n1", 18, 1);
    story_go(s);
    story_wait(s, 5);
    story_is(s, "n1", PLAN_DECISION_AtENILimit);
    story_saw(
        s,
        "condition n1 False ENILimitReached: all 2 usable ENI slots of this m5.large are in use");
    story_end(s);
}

TEST(plan_slots, an_attached_trunk_needs_no_slot_kept)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 200);
    story_node(s, "n1", "m5.xlarge", "a", 14);
    story_eni(s, "n1", "a", 3, 0, 0)->type = ENI_TRUNK;
    s->agent.pod_eni = true;
    story_pool(s, "default");
    story_pods(s, "n1", 14, 1);
    story_go(s);
    story_wait(s, 1);
    expect_u64(s->orders[0].action.attach.device_index, 2); /* 3 is the trunk's */
    story_end(s);
}

TEST(plan_slots, respects_max_eni_and_the_pools_limit)
{
    struct story *s = two_subnets(0);

    s->agent.max_eni = 1;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 1);
    story_is(s, "n1", PLAN_DECISION_AtENILimit);
    story_saw(s, "condition n1 False ENILimitReached: all 1 ENIs that MAX_ENI of aws-node allows "
                 "are in use");
    s->pools[0].max_enis_per_node = 3; /* the pool's own word goes beyond it */
    story_send_pool(s, "default");
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);

    s = two_subnets(0);
    s->pools[0].max_enis_per_node = 1;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    story_wait(s, 1);
    story_is(s, "n1", PLAN_DECISION_AtENILimit);
    story_end(s);
}

TEST(plan_slots, a_full_node_is_told_once_and_recovers)
{
    struct story *s = two_subnets(0);

    story_eni(s, "n1", "a", 1, 5, 0);
    story_eni(s, "n1", "a", 2, 5, 0);
    story_pods(s, "n1", 15, 1);
    story_go(s);
    story_wait(s, 60);
    expect_u64(story_count(s, "event node n1 NodeAtENILimit"), 1);
    expect_u64(story_count(s, "condition n1 False ENILimitReached"), 1);
    story_forget(s);
    story_pods(s, "n1", 12, 0);
    story_wait(s, 5);
    story_saw_not(s, "condition");
    story_wait(s, 10);
    story_saw(s, "condition n1 True AddressesAvailable");
    story_saw(s, "event node n1 NodeRecovered");
    story_end(s);
}
