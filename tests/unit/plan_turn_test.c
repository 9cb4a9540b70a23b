/*
 * The planner's stories about whose turn it is, and where an ENI goes when little is left.
 */
#include "plan_fixture.h"

#include <stdio.h>

#include "plan/state.h" /* forecasts that take minutes to come about */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* n1's own subnet is empty; b has so much, below its low watermark, and there are more idle nodes
 * like it. */
static bool gets_a_foothold(uint32_t b, uint32_t nodes, bool has_one)
{
    struct story *s = story_one("m5.large", 9, 0, b);

    story_pods(s, "n1", 0, 0);
    if (has_one) {
        story_eni(s, "n1", "b", 1, 0, 0);
        story_find_eni(s, "eni-n1-agent-1")->ip_count = 9;
    }
    for (uint32_t i = 1; i < nodes; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        story_node(s, name, "m5.large", "a", 9);
        story_pods(s, name, 5, 0);
        s->nodes[i].node.unschedulable = true; /* wants none itself */
    }
    s->pools[0].low = (struct amount){ 200, false };
    s->pools[0].high = (struct amount){ 210, false };
    s->holds = true;
    story_go(s);
    bool gets = story_count(s, "attach n1 subnet-b") == 1;
    story_end(s);
    return gets;
}

TEST(plan_turn, a_foot_in_another_subnet_is_set_while_it_has_two_addresses_for_each_node)
{
    /* Its own address, the reserve of eight, and two for each node of the zone. */
    expect(gets_a_foothold(1 + 8 + 2, 1, false));
    expect(!gets_a_foothold(1 + 8 + 2 - 1, 1, false));
    expect(gets_a_foothold(1 + 8 + 6, 3, false));
    expect(!gets_a_foothold(1 + 8 + 6 - 1, 3, false));
    expect(!gets_a_foothold(1 + 8 + 20, 1, true)); /* it has one there */
    expect(!gets_a_foothold(0, 1, false));
}

TEST(plan_turn, a_foot_is_set_in_a_healthy_subnet_though_it_will_not_last)
{
    struct story *s = story_begin();

    story_subnet(s, "b", 200);
    story_subnet(s, "a", 0);
    story_node(s, "n1", "m5.large", "a", 9);
    story_pool(s, "default")->paused = true;
    s->holds = true;
    story_go(s);
    s->deaf = true;
    uint32_t handle = subnet_handle(s->planner, &s->subnets[0].id);
    struct subnet_row *b = &s->planner->subnets[handle];
    b->fast_per_s = b->slow_per_s = 2; /* 100 s */
    b->declining_ns = SECOND_NS;
    b->declined_ns = s->now_ns;
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    expect(subnet_dying(s->planner, 0, handle));
    expect_u64(subnet_state_of(s->planner, 0, handle), SUBNET_Healthy);
    story_saw(s, "attach n1 subnet-b ips=0");
    story_end(s);
}

TEST(plan_turn, where_nobody_has_enough_the_first_subnet_counts_as_the_others)
{
    struct story *s = story_begin();

    story_subnet(s, "b", 8 + 1 + 2); /* two beyond the reserve and the ENI's own */
    story_subnet(s, "a", 0);
    story_node(s, "n1", "t3.medium", "a", 5);
    story_pool(s, "default");
    story_pods(s, "n1", 5, 4);
    s->holds = true;
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=2");
    story_end(s);
}

/* n1's own subnet is empty, it wants nothing yet, and b has so much, eight of them in reserve. */
static bool gets_a_bare_one(uint32_t b, uint32_t min_ips)
{
    struct story *s = story_one("t3.medium", 5, 0, b);

    story_pods(s, "n1", 0, 0);
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    s->pools[0].min_ips_per_node = min_ips;
    s->holds = true;
    story_go(s);
    bool gets = story_count(s, "attach n1 subnet-b ips=0") == 1;
    story_end(s);
    return gets;
}

TEST(plan_turn, a_bare_eni_takes_the_last_address_that_is_not_in_reserve)
{
    expect(gets_a_bare_one(8 + 1, 0));
    expect(!gets_a_bare_one(8, 0));
}

TEST(plan_turn, a_node_with_its_minimum_gets_its_bare_eni_like_one_without)
{
    expect(gets_a_bare_one(200, 5));
    expect(!gets_a_bare_one(200, 6)); /* but one with the address that is missing */
}

TEST(plan_turn, of_two_that_run_short_some_day_the_one_with_fewer_spare_addresses_goes_first)
{
    static const uint32_t holding[][2] = { { 4, 5 }, { 3, 4 }, { 1, 3 } };

    for (size_t i = 0; i < COUNT(holding); i++) {
        struct story *s = story_one("t3.medium", 5, 0, 0);
        story_node(s, "n2", "t3.medium", "a", 5);
        story_pods(s, "n1", holding[i][0], 0);
        story_pods(s, "n2", holding[i][1], 0);
        story_go(s);
        story_forget(s);
        story_free(s, "b", 200);
        const char *first = strstr(s->trace, "attach n2");
        const char *second = strstr(s->trace, "attach n1");
        expect(first && second && first < second);
        story_end(s);
    }
}

static uint32_t orders_at_once(uint32_t nodes, uint32_t waiting)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    s->subnets[1].bits = 16;
    s->subnets[1].base = 0x0a010000U;
    story_pods(s, "n1", 5, waiting);
    for (uint32_t i = 1; i < nodes; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 5, waiting);
    }
    s->holds = true;
    story_go(s);
    story_forget(s);
    story_free(s, "b", 60000);
    uint32_t orders = story_count(s, "attach ");
    story_end(s);
    return orders;
}

TEST(plan_turn, so_many_orders_are_under_way_at_once)
{
    expect_u64(orders_at_once(64, 1), 64);
    expect_u64(orders_at_once(66, 1), 64);
    expect_u64(orders_at_once(16, 0), 16);
    expect_u64(orders_at_once(18, 0), 16);
}

TEST(plan_turn, who_has_waited_longest_goes_first_whatever_else_has_changed)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n1", 5, 0); /* it wants some from the beginning */
    story_pods(s, "n2", 0, 0);
    story_go(s);
    story_wait(s, 5);
    story_pods(s, "n2", 5, 1);
    story_wait(s, 5);
    story_pods(s, "n1", 5, 1);
    story_wait(s, 5);
    story_pods(s, "n2", 5, 2); /* another one */
    s->holds = true;
    story_forget(s);
    story_free(s, "b", 200);
    const char *first = strstr(s->trace, "attach n2");
    const char *second = strstr(s->trace, "attach n1");
    expect(first && second && first < second);
    require(s->order_count == 2);
    expect(s->orders[0].action.rank < s->orders[1].action.rank);
    story_end(s);
}

TEST(plan_turn, pods_that_wait_now_go_before_a_stall_that_was_foreseen_before)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_pods(s, "n1", 5, 0);
    for (uint32_t i = 1; i < 18; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        story_node(s, name, "t3.medium", "a", 5);
        story_pods(s, name, 5, 0);
    }
    s->holds = true;
    story_go(s);
    for (uint32_t i = 0; i < 18; i++) {
        s->planner->nodes[i].pods_per_s = 1.0F; /* the next one will wait */
    }
    story_free(s, "b", 200);
    expect_u64(s->order_count, 16);
    story_is(s, "m17", PLAN_DECISION_Queued);
    story_wait(s, 1);
    story_pods(s, "m17", 5, 1);
    story_saw(s, "attach m17 subnet-b");
    story_is(s, "m16", PLAN_DECISION_Queued);
    story_end(s);
}

TEST(plan_turn, pods_that_wait_go_first_then_who_stalls_soonest_then_who_may_some_day)
{
    static const char *const order[] = { "attach n4 ", "attach n3 ", "attach n2 ", "attach n5 ",
                                         "attach n1 " };
    static const char *const others[] = { "n2", "n3", "n4", "n5" };
    struct story *s = story_one("t3.medium", 5, 0, 0);
    size_t last = 0;

    for (size_t i = 0; i < COUNT(others); i++) {
        story_node(s, others[i], "t3.medium", "a", 5);
    }
    story_pods(s, "n1", 0, 0); /* none is missing: one ahead of need */
    story_pods(s, "n2", 1, 0);
    story_pods(s, "n3", 1, 0);
    story_pods(s, "n4", 5, 1);
    story_pods(s, "n5", 1, 0);
    s->holds = true;
    story_go(s);
    s->planner->nodes[0].pods_per_s = 1.0F; /* 5 s, and yet nothing is missing */
    s->planner->nodes[1].pods_per_s = 0.4F; /* 10 s */
    s->planner->nodes[2].pods_per_s = 0.5F; /* 8 s */
    story_forget(s);
    story_free(s, "b", 200);
    for (size_t i = 0; i < COUNT(order); i++) {
        const char *at = strstr(s->trace, order[i]);
        require(at != NULL);
        expect((size_t)(at - s->trace) >= last);
        last = (size_t)(at - s->trace);
    }
    story_end(s);
}

TEST(plan_turn, of_subnets_that_are_alike_the_first_gives_what_is_less_than_wanted)
{
    struct story *s = story_one("t3.medium", 5, 0, 12);

    story_subnet(s, "c", 12);
    story_subnet(s, "d", 11);
    s->pools[0].low = (struct amount){ 0, false };
    story_pods(s, "n1", 5, 5);
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=3 index=2 waiting");
    story_end(s);
}

/* Its subnet is low and gives what the pod needs: an agent that works takes it. */
TEST(plan_turn, an_agent_that_is_not_ready_is_not_waited_for)
{
    static const char *const given[] = { "attach n1 subnet-b ips=5 index=2 waiting",
                                         "attach n1 subnet-b ips=0 index=2 forecast" };

    for (uint32_t ready = 0; ready < COUNT(given); ready++) {
        struct story *s = story_one("t3.medium", 3, 3, 0);
        story_pods(s, "n1", 3, 1);
        s->holds = true;
        story_go(s);
        story_agent_pod(s, "n1", false);
        if (ready) {
            story_agent_pod(s, "n1", true);
        }
        story_saw_nothing(s);
        story_free(s, "b", 200);
        story_saw(s, given[ready]);
        story_end(s);
    }
}

TEST(plan_turn, where_the_primary_eni_stands_in_a_read_does_not_matter)
{
    struct story *s = story_needy();

    s->reversed = true;
    story_eni(s, "n1", "a", 2, 5, 0);
    story_pods(s, "n1", 10, 1);
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=1 waiting");
    story_end(s);
}

TEST(plan_turn, a_bucket_gives_whole_tokens_only)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->pools[0].attach_per_minute = 60;
    story_go(s);
    struct pool_row *row = &s->planner->pools[0];
    row->tokens_ns = s->now_ns;
    row->tokens_milli = 999;
    expect(!pools_take(s->planner, 0, true));
    expect_u64(row->tokens_milli, 999);
    expect_u64(pools_next_ns(s->planner, 0), s->now_ns + STORY_S / 1000);
    row->tokens_milli = 1000;
    expect(pools_take(s->planner, 0, false));
    expect_u64(row->tokens_milli, 1000);
    expect(pools_take(s->planner, 0, true));
    expect_u64(row->tokens_milli, 0);
    story_end(s);
}

/* Its agent can still take one address, in a subnet that lasts. */
TEST(plan_turn, a_node_with_all_its_enis_is_as_far_ahead_as_it_can_be_while_one_has_room)
{
    static const struct {
        uint32_t ips;
        enum plan_decision_kind kind;
    } rows[] = { { 3, PLAN_DECISION_AtENILimit }, { 2, PLAN_DECISION_AgentCanGrow } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("t3.small", 3, 0, 200);
        story_eni(s, "n1", "b", 1, 3, 0);
        story_eni(s, "n1", "b", 2, rows[i].ips, 0);
        story_pods(s, "n1", 6, 0);
        story_go(s);
        story_is(s, "n1", rows[i].kind);
        story_end(s);
    }
}
