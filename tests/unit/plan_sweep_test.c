/*
 * The planner's stories about a read of every ENI that comes page by page: what nodes have changes
 * when it is whole, and never before.
 */
#include "plan_fixture.h"

/* n1 has three ENIs, and the pages cut between them. */
static struct story *paged(void)
{
    struct story *s = story_needy_held();

    s->subnets[0].free = 200;
    (void)story_eni(s, "n1", "a", 1, 5, 0);
    story_node(s, "n2", "t3.medium", "a", 5);
    (void)story_eni(s, "n1", "a", 2, 5, 0);
    s->page = 1;
    return s;
}

/* Of the read that begins now: nothing more is on it. */
static struct plan_event last_page(const struct story *s)
{
    struct plan_event last = { .kind = PLAN_SWEEP };

    last.enis.asked_ns = s->now_ns;
    last.enis.continued = true;
    return last;
}

TEST(plan_sweep, brings_together_the_enis_of_an_instance_from_all_its_pages)
{
    struct story *s = paged();

    story_go(s);
    expect_u64(story_decision(s, "n1").enis, 3);
    expect_u64(story_decision(s, "n1").addresses, 15);
    expect_u64(story_decision(s, "n2").enis, 1);
    expect(plan_enis_known(s->planner, SLICE("n2")));
    story_end(s);
}

/* One that began earlier would leave out the nodes that come later, and each of those was asked for
 * by itself then: at the start, when most is to be done. */
TEST(plan_sweep, waits_until_every_node_is_known)
{
    struct story *s = story_needy_held();

    s->deaf = true;
    story_lease(s, true);
    story_read(s);
    expect_u64(s->sweeps, 0);
    expect(plan_deadline_ns(s->planner) > s->now_ns);
    story_tell_kube(s);
    expect_u64(s->sweeps, 1);
    expect_u64(s->observes, 0);
    story_end(s);
}

/* Nor does one that stood by ask for each node when it takes over. */
TEST(plan_sweep, is_all_that_a_new_leader_asks_for)
{
    struct story *s = story_needy_held();

    s->deaf = true;
    story_tell_kube(s);
    story_read(s);
    expect_u64(s->sweeps, 0);
    story_lease(s, true);
    expect_u64(s->sweeps, 1);
    expect_u64(s->observes, 0);
    story_end(s);
}

/* Prefixes need its map. */
TEST(plan_sweep, is_asked_for_at_once_in_a_dry_run_too_on_a_machine_that_has_just_booted)
{
    struct story *s = story_needy_held();

    s->now_ns = s->began_ns = 1;
    s->config.dry_run = true;
    s->agent.prefix_delegation = true;
    story_tell_kube(s);
    story_read(s);
    expect_u64(s->sweeps, 1);
    story_end(s);
}

TEST(plan_sweep, changes_nothing_before_its_last_page)
{
    struct story *s = paged();

    story_go(s);
    story_find_eni(s, "eni-n1-0")->ip_count = 2;
    story_find_eni(s, "eni-n1-agent-2")->hidden = true;
    s->deaf = true;
    s->now_ns += 60 * STORY_S;
    story_sweep_part(s, 2);
    expect_u64(story_decision(s, "n1").enis, 3);
    expect_u64(story_decision(s, "n1").addresses, 15);
    s->now_ns += STORY_S;
    story_sweep(s); /* the one before broke off: this one stands alone */
    expect_u64(story_decision(s, "n1").enis, 2);
    expect_u64(story_decision(s, "n1").addresses, 7);
    story_end(s);
}

TEST(plan_sweep, that_has_begun_is_not_enough_to_act_on)
{
    struct story *s = story_needy_held();

    (void)story_eni(s, "n1", "a", 1, 5, 0);
    story_pods(s, "n1", 10, 1);
    s->deaf = true;
    s->page = 1;
    story_tell_kube(s);
    story_read(s);
    story_lease(s, true);
    story_sweep_part(s, 1);
    expect(!plan_enis_known(s->planner, SLICE("n1")));
    story_is(s, "n1", PLAN_DECISION_Incomplete);
    story_sweep(s);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_end(s);
}

TEST(plan_sweep, gives_way_to_a_later_read_that_overtook_it)
{
    struct story *s = paged();

    story_go(s);
    s->now_ns += 60 * STORY_S;
    struct plan_event last = last_page(s);
    story_sweep_part(s, 3);
    s->now_ns += STORY_S;
    story_find_eni(s, "eni-n1-0")->ip_count = 4;
    story_enis(s, "n1");
    story_step(s, &last);
    expect_u64(story_decision(s, "n1").addresses, 14);
    expect_u64(story_decision(s, "n1").enis, 3);
    story_end(s);
}

TEST(plan_sweep, names_a_node_that_appeared_between_its_pages)
{
    struct story *s = paged();

    s->deaf = true;
    story_tell_kube(s);
    story_read(s);
    story_lease(s, true);
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n2") };
    story_step(s, &gone);
    struct plan_event last = last_page(s);
    story_sweep_part(s, 3);
    story_send_node(s, "n2");
    story_step(s, &last);
    expect(plan_enis_known(s->planner, SLICE("n2")));
    story_end(s);
}

TEST(plan_sweep, is_not_troubled_by_subnets_of_which_only_the_name_is_known)
{
    struct story *s = paged();

    story_go(s);
    for (uint32_t i = 0; i < 60; i++) { /* ENIConfigs of another VPC */
        struct plan_event event = { .kind = PLAN_ENICONFIG };
        event.eniconfig.name = slice_of(story_text(s, "config%s-%u", "", i));
        event.eniconfig.subnet = story_id(story_text(s, "subnet-far%s-%u", "", i));
        story_step(s, &event);
    }
    s->now_ns += STORY_S;
    story_sweep(s);
    expect_u64(story_decision(s, "n1").enis, 3);
    expect_u64(s->status.subnet_count, 2);
    story_end(s);
}

TEST(plan_sweep, of_one_instance_takes_no_eni_that_is_attached_to_none)
{
    struct story *s = paged();
    struct eni loose = { .id = { "eni-loose" }, .status = ENI_AVAILABLE };
    struct plan_event event = { .kind = PLAN_ENIS };

    story_go(s);
    expect(!plan_enis_known(s->planner, SLICE("nobody")));
    s->now_ns += STORY_S;
    s->deaf = true;
    event.enis.instances = &s->nodes[1].instance;
    event.enis.instance_count = 1;
    event.enis.enis = &loose;
    event.enis.count = 1;
    event.enis.asked_ns = s->now_ns;
    story_step(s, &event);
    expect(!plan_enis_known(s->planner, SLICE("n2"))); /* not even its primary one came */
    expect_u64(story_decision(s, "n1").enis, 3);
    story_end(s);
}
