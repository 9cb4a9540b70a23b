/*
 * The planner's stories about what a pool's status is written for, and what is told again.
 */
#include "plan_fixture.h"

#include "plan/state.h" /* forecasts that take minutes to come about */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Of a large subnet: a step of a twentieth is far. */
static void ends_in(struct planner *p, uint32_t seconds)
{
    struct subnet_row *subnet = &p->subnets[0];

    subnet->available = 2 * seconds;
    subnet->fast_per_s = subnet->slow_per_s = 2;
    subnet->declining_ns = SECOND_NS;
    subnet->declined_ns = MINUTE_NS;
}

/* From one forecast to another: is that worth a write? */
static bool is_written(uint32_t from_s, uint32_t to_s)
{
    struct story *s = story_begin();
    struct plan_event tick = { .kind = PLAN_TICK };

    story_subnet(s, "a", 200)->bits = 8; /* 16 million addresses */
    story_pool(s, "default")->low = (struct amount){ 0, false };
    story_go(s);
    for (int i = 0; i < 2; i++) {
        s->now_ns += 20 * STORY_S;
        ends_in(s->planner, i == 0 ? from_s : to_s);
        pools_touch(s->planner, 0, false);
        s->statuses = 0;
        story_step(s, &tick);
    }
    bool written = s->statuses == 1;
    s->planner->subnets[0].debit_ips = 0;
    story_end(s);
    return written;
}

TEST(plan_status, a_forecast_is_written_when_it_comes_to_be_another_thing_for_people)
{
    static const uint32_t limits_s[] = { 60, 240, 960, 3840 };

    for (size_t i = 0; i < COUNT(limits_s); i++) {
        expect(is_written(limits_s[i], limits_s[i] + 1));
        expect(!is_written(limits_s[i] - 1, limits_s[i]));
        expect(!is_written(limits_s[i] + 1, limits_s[i] + 2));
    }
    expect(!is_written(4000, 80000)); /* an hour or a day: later */
}

TEST(plan_status, a_subnet_with_some_in_flight_is_written)
{
    struct story *s = story_begin();
    struct plan_event tick = { .kind = PLAN_TICK };

    story_subnet(s, "a", 100)->bits = 8;
    story_pool(s, "default")->low = (struct amount){ 0, false };
    story_go(s);
    s->now_ns += 20 * STORY_S;
    story_step(s, &tick);
    s->statuses = 0;
    s->now_ns += 20 * STORY_S;
    s->planner->subnets[0].debit_ips = 1;
    pools_touch(s->planner, 0, false);
    story_step(s, &tick);
    expect_u64(s->statuses, 1);
    s->planner->subnets[0].debit_ips = 0;
    story_end(s);
}

TEST(plan_status, after_an_edit_a_conflict_is_told_once_more)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    story_pool(s, "other");
    story_go(s);
    expect_u64(story_count(s, "PoolConflict"), 1);
    story_send_node(s, "n1");
    expect_u64(story_count(s, "PoolConflict"), 1);
    story_send_pool(s, "other");
    story_label(&s->nodes[0], "moved", "yes");
    story_send_node(s, "n1");
    expect_u64(story_count(s, "PoolConflict"), 2);
    story_end(s);
}

TEST(plan_status, a_follower_says_too_what_is_missing_no_more)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event settings = { .kind = PLAN_AGENT, .agent = s->agent };

    s->nodes[0].zone = "us-west-2c"; /* has no subnet */
    s->gone = true;
    story_tell_kube(s);
    story_step(s, &settings);
    story_enis(s, "n1");
    expect_slice(story_decision(s, "n1").detail, "the subnets have not been read yet");
    story_read(s);
    expect(story_kind(s, "n1") != PLAN_DECISION_Incomplete);
    story_end(s);
}

TEST(plan_status, a_zone_with_even_one_node_wants_a_healthy_subnet)
{
    static const struct {
        uint32_t a, b;
        const char *reason;
    } rows[] = {
        { 200, 0, "CapacityAvailable" }, { 20, 200, "CapacityAvailable" },
        { 20, 20, "CapacityLow" },       { 0, 20, "CapacityLow" },
        { 0, 0, "SubnetsExhausted" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("t3.medium", 5, rows[i].a, rows[i].b);
        struct pool_status status;
        story_pods(s, "n1", 0, 0);
        s->holds = true;
        story_go(s);
        require(plan_pool_status_at(s->planner, 0, &status));
        expect_text(status.conditions[CONDITION_CapacityHealthy].reason, rows[i].reason);
        story_end(s);
    }
}

/* Its namesake has no status yet, and nobody saw it go. */
TEST(plan_status, a_pool_that_was_made_anew_is_told_all_once_more)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    story_go(s);
    story_wait(s, 30);
    uint32_t before = s->statuses;
    story_send_pool(s, "default");
    expect_u64(s->statuses, before);
    s->pools[0].uid = SLICE("uid-of-another");
    story_send_pool(s, "default");
    expect_u64(s->statuses, before + 1);
    expect_slice(s->status.uid, "uid-of-another");
    story_end(s);
}

TEST(plan_status, what_was_missing_once_is_told_again_when_it_goes_again)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event settings = { .kind = PLAN_AGENT };

    story_go(s);
    for (uint32_t times = 1; times <= 2; times++) {
        s->subnets[0].gone = s->subnets[1].gone = true;
        s->agent.ipv6 = true;
        settings.agent = s->agent;
        story_step(s, &settings);
        story_read(s);
        story_wait(s, 30);
        expect_u64(story_count(s, "SubnetsNotFound"), times);
        expect_u64(story_count(s, "AgentIncompatible"), times);
        s->subnets[0].gone = s->subnets[1].gone = false;
        s->agent.ipv6 = false;
        settings.agent = s->agent;
        story_step(s, &settings);
        story_read(s);
        story_wait(s, 30);
    }
    story_end(s);
}

TEST(plan_status, what_comes_is_said_to_be_bare_or_so_many)
{
    static const char *const said[] = { "a bare ENI that the agent will adopt and fill: ",
                                        "1 more addresses that the agent will find soon: ",
                                        "2 more addresses that the agent will find soon: " };

    for (uint32_t ips = 0; ips < COUNT(said); ips++) {
        struct story *s = story_one("t3.medium", 5, 200, 0);
        struct story_eni *eni = story_eni(s, "n1", "b", 2, ips, 0);
        eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
        story_pods(s, "n1", 0, 0);
        s->pools[0].min_ips_per_node = 20;
        story_go(s);
        story_free(s, "a", 0);
        story_is(s, "n1", PLAN_DECISION_Adopting);
        expect_contains(story_decision(s, "n1").detail, said[ips]);
        story_end(s);
    }
}

TEST(plan_status, that_no_subnet_is_there_is_told_with_the_first_read)
{
    struct story *s = story_begin();

    story_pool(s, "default");
    s->gone = true;
    story_tell_kube(s);
    story_lease(s, true);
    expect_text(s->status.conditions[CONDITION_SubnetsReady].reason, "NotReadYet");
    s->now_ns += STORY_S;
    story_read(s);
    expect_text(s->status.conditions[CONDITION_SubnetsReady].reason, "SubnetsNotFound");
    story_saw(s, "SubnetsNotFound");
    story_end(s);
}
