/*
 * The planner's stories that are alike but for one thing, told as tables: where an ENI may go, what
 * each refusal is told as, which addresses a map marks, what makes a pool write its status.
 */
#include "plan_fixture.h"

#include <stdio.h>

#include "plan/state.h" /* drawn waits, trends that take minutes to come about */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- where an ENI may go when no subnet lasts ---- */

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

TEST(plan_table, a_foot_in_another_subnet_is_set_while_it_has_two_addresses_for_each_node)
{
    /* Its own address, the reserve of eight, and two for each node of the zone. */
    expect(gets_a_foothold(1 + 8 + 2, 1, false));
    expect(!gets_a_foothold(1 + 8 + 2 - 1, 1, false));
    expect(gets_a_foothold(1 + 8 + 6, 3, false));
    expect(!gets_a_foothold(1 + 8 + 6 - 1, 3, false));
    expect(!gets_a_foothold(1 + 8 + 20, 1, true)); /* it has one there */
    expect(!gets_a_foothold(0, 1, false));
}

/* ---- who goes first ---- */

TEST(plan_table, of_two_that_run_short_some_day_the_one_with_fewer_spare_addresses_goes_first)
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

/* ---- how each refusal is told ---- */

TEST(plan_table, a_refusal_is_told_unless_the_subnet_or_the_lease_was_why)
{
    for (int code = CLOUD_OK + 1; code <= CLOUD_INVALID; code++) {
        bool quiet = code == CLOUD_SUBNET_FULL || code == CLOUD_NO_PREFIX ||
                     code == CLOUD_SUBNET_SHORT || code == CLOUD_SUBNET_GONE ||
                     code == CLOUD_FENCED;
        struct story *s = story_needy_held();
        story_go(s);
        story_forget(s);
        story_ends(s, CLOUD_FAILED, (enum cloud_code)code, NULL);
        uint32_t told = story_count(s, "event node n1 ENIAttachFailed") +
                        story_count(s, "CloudAPIDenied");
        if ((told > 0) == quiet) {
            test_fail("%s is told %u times", cloud_code_name((enum cloud_code)code), told);
        }
        story_end(s);
    }
}

static uint64_t waits_until_ns(const struct story *s)
{
    const struct planner *p = s->planner;

    return p->nodes[0].backoff_ns > s->now_ns ? p->nodes[0].backoff_ns
           : p->quota_until_ns > s->now_ns    ? p->quota_until_ns
                                              : p->denied_until_ns;
}

/* Drawn, and so the same for the same seed: seconds that each cause makes a node wait, try after
 * try, up to the longest. */
TEST(plan_table, each_cause_has_its_own_waits)
{
    static const struct {
        enum cloud_code code;
        const char *waits;
    } rows[] = {
        { CLOUD_ATTACH_LIMIT, "19 54 39 90 143 17 518 132 159" },
        { CLOUD_INSTANCE_STATE, "60 60 60 60 60 60 60 60 60" },
        { CLOUD_INSTANCE_GONE, "300 300 300 300 300 300 300 300 300" },
        { CLOUD_ENI_GONE, "0 1 0 1 15 9 38 12 39" },
        { CLOUD_TOKEN_MISMATCH, "2 3 18 10 23 17 38 12 39" },
        { CLOUD_ENI_QUOTA, "30 54 39 330 30 30 518 132 159" },
        { CLOUD_DENIED, "19 54 39 90 143 17 518 132 159" },
        { CLOUD_FENCED, "1 1 1 1 1 1 1 1 1" },
        { CLOUD_INVALID, "2 3 18 10 63 137 218 132 159" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_needy_held();
        struct slice waits = SLICE("");
        story_go(s);
        for (int try = 0; try < 9; try++) {
            story_ends(s, CLOUD_FAILED, rows[i].code, NULL);
            uint64_t until_ns = waits_until_ns(s);
            waits = arena_printf(&s->arena, "%.*s%s%u", SLICE_ARG(waits), try > 0 ? " " : "",
                                 (unsigned)((until_ns - s->now_ns) / STORY_S));
            s->now_ns = until_ns;
            story_read(s);
            story_enis(s, "n1");
            require(story_order(s) != NULL);
        }
        if (!slice_is(waits, rows[i].waits)) {
            test_fail("%s waits %.*s", cloud_code_name(rows[i].code), SLICE_ARG(waits));
        }
        story_end(s);
    }
}

TEST(plan_table, what_cannot_be_deleted_waits_ever_longer)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
    struct plan_event tick = { .kind = PLAN_TICK };
    struct slice waits = SLICE("");

    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_CLUSTER), SLICE("demo") };
    s->holds = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    s->now_ns += 90 * STORY_S;
    story_step(s, &tick);
    for (int try = 0; try < 9; try++) {
        story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
        uint64_t until_ns = s->planner->leftovers[0].retry_ns;
        waits = arena_printf(&s->arena, "%.*s%u ", SLICE_ARG(waits),
                             (unsigned)((until_ns - s->now_ns) / STORY_S));
        s->now_ns = until_ns;
        story_step(s, &tick);
    }
    expect_slice(waits, "19 14 39 10 143 17 518 132 159 ");
    story_end(s);
}

/* ---- blocks ---- */

TEST(plan_table, an_address_takes_the_block_that_it_lies_in_and_no_other)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = NULL;

    s->agent.prefix_delegation = true;
    eni = story_eni(s, "n1", "b", 1, 0, 0);
    story_go(s);
    for (uint32_t at = 0; at < 256; at++) {
        eni->primary_ip = s->subnets[1].base + at;
        story_sweep(s);
        /* AWS keeps addresses in the first and in the last one. */
        uint32_t wanted = at < 16 || at >= 240 ? 14 : 13;
        const struct subnet_row *subnet = &s->planner->subnets[1];
        if (subnet->blocks != wanted) {
            test_fail("address %u leaves %u blocks", at, subnet->blocks);
        }
    }
    story_end(s);
}

/* ---- what a pool's status is written for ---- */

static void poke_free_zero(struct planner *p)
{
    p->subnets[0].held_back = p->subnets[0].available;
    p->subnets[0].mapped = true;
}

static void poke_in_flight(struct planner *p)
{
    p->subnets[0].debit_ips = 1;
}

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

TEST(plan_table, a_forecast_is_written_when_it_comes_to_be_another_thing_for_people)
{
    static const uint32_t limits_s[] = { 60, 240, 960, 3840 };

    for (size_t i = 0; i < COUNT(limits_s); i++) {
        expect(is_written(limits_s[i], limits_s[i] + 1));
        expect(!is_written(limits_s[i] - 1, limits_s[i]));
        expect(!is_written(limits_s[i] + 1, limits_s[i] + 2));
    }
    expect(!is_written(4000, 80000)); /* an hour or a day: later */
}

TEST(plan_table, a_subnet_without_an_address_or_with_some_in_flight_is_written)
{
    static void (*const pokes[])(struct planner *) = { poke_free_zero, poke_in_flight };

    for (size_t i = 0; i < COUNT(pokes); i++) {
        struct story *s = story_begin();
        struct plan_event tick = { .kind = PLAN_TICK };
        story_subnet(s, "a", 1)->bits = 8;
        story_pool(s, "default");
        story_go(s);
        s->now_ns += 20 * STORY_S;
        story_step(s, &tick);
        s->statuses = 0;
        s->now_ns += 20 * STORY_S;
        pokes[i](s->planner);
        pools_touch(s->planner, 0, false);
        story_step(s, &tick);
        expect_u64(s->statuses, 1);
        s->planner->subnets[0].debit_ips = 0;
        story_end(s);
    }
}

/* ---- said again ---- */

TEST(plan_table, after_an_edit_a_conflict_is_told_once_more)
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

TEST(plan_table, a_follower_says_too_what_is_missing_no_more)
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

TEST(plan_table, a_waiting_pod_makes_sure_of_a_refusal_that_an_old_read_does_not)
{
    for (uint32_t waiting = 0; waiting < 2; waiting++) {
        struct story *s = story_one("t3.medium", 5, 200, 0);
        story_pods(s, "n1", 5, waiting);
        story_go(s);
        s->deaf = true;
        s->now_ns += 31 * STORY_S;
        story_free(s, "a", 0);
        expect_u64(s->planner->nodes[0].cooldown_ns, waiting ? s->now_ns + 125 * STORY_S : 0);
        story_end(s);
    }
}

TEST(plan_table, where_the_primary_eni_stands_in_a_read_does_not_matter)
{
    struct story *s = story_needy();

    s->reversed = true;
    story_eni(s, "n1", "a", 2, 5, 0);
    story_pods(s, "n1", 10, 1);
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=1 waiting");
    story_end(s);
}

/* Its subnet is low and gives what the pod needs: an agent that works takes it. */
TEST(plan_table, an_agent_that_is_not_ready_is_not_waited_for)
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

TEST(plan_table, a_prefix_eni_is_mended_with_what_it_has)
{
    struct story *s = story_one("t3.medium", 0, 200, 200);
    struct story_eni *eni = story_eni(s, "n1", "b", 1, 0, 3);

    s->agent.prefix_delegation = true;
    s->holds = true;
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->delete_on_termination = false;
    story_go(s);
    story_saw(s, "attach n1 subnet-b prefixes=3 index=1 refresh eni-n1-agent-1");
    story_end(s);
}

TEST(plan_table, a_subnet_that_is_larger_than_its_map_is_not_mapped)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->agent.prefix_delegation = true;
    s->subnets[1].bits = 16; /* and begins a /24 after a multiple of it */
    story_go(s);
    story_sweep(s);
    expect(s->planner->subnets[0].mapped);
    expect(!s->planner->subnets[1].mapped);
    story_end(s);
}

TEST(plan_table, a_sweep_that_is_under_way_is_given_fifteen_seconds_before_another_is_asked_for)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event settings = { .kind = PLAN_AGENT };

    story_go(s);
    s->deaf = true;
    s->now_ns += 100 * STORY_S;
    s->planner->sweep_sent_ns = s->now_ns; /* not answered yet */
    s->agent.prefix_delegation = true;
    settings.agent = s->agent;
    story_step(s, &settings);
    story_subnet(s, "c", 200);
    story_read(s);
    expect_u64(s->planner->sweep_due_ns, s->now_ns + 15 * STORY_S);
    story_end(s);
}

TEST(plan_table, a_refusal_of_blocks_is_confirmed_by_a_map_without_one_and_by_no_other)
{
    for (uint32_t blocks = 0; blocks < 3; blocks++) {
        struct story *s = story_one("t3.medium", 5, 200, 200);
        s->agent.prefix_delegation = true;
        s->subnets[1].bits = 26; /* of four blocks two are whole */
        s->subnets[1].base &= ~UINT32_C(63);
        story_go(s);
        struct subnet_row *subnet = &s->planner->subnets[1];
        subnet->refused_blocks = true;
        subnet->refused_blocks_ns = s->now_ns;
        subnet->refused_blocks_until_ns = s->now_ns + UINT64_C(1000) * STORY_S;
        struct story_eni *others = story_eni(s, "n1", "b", 3, 2 - blocks, 0);
        others->instance = story_id("i-stranger");
        others->primary_ip = s->subnets[1].base + 8; /* in the first one */
        others->ips[0] = s->subnets[1].base + 20;
        others->ips[1] = s->subnets[1].base + 40;
        s->now_ns += STORY_S;
        story_sweep(s);
        expect_u64(subnet->blocks, blocks);
        expect_u64(subnet->refused_blocks_ns, s->now_ns - (blocks > 0 ? STORY_S : 0));
        story_end(s);
    }
}

TEST(plan_table, what_is_told_again_and_again_fills_no_memory)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event cloud = { .kind = PLAN_CLOUD };
    struct plan_event settings = { .kind = PLAN_AGENT, .agent = s->agent };
    size_t total[2] = { 0 };

    cloud.cloud.code = CLOUD_THROTTLED;
    cloud.cloud.operation = cloud.cloud.message = SLICE("DescribeSubnets");
    story_go(s);
    for (int i = 0; i < 40; i++) {
        story_step(s, &cloud);
        story_step(s, &settings);
        story_send_pool(s, "default");
        const struct planner *p = s->planner;
        total[i > 0] = p->arena.total + p->cloud_arena.total + p->agent_arena.total +
                       p->pools[0].arena.total;
    }
    expect_u64(total[1], total[0]);
    story_end(s);
}

TEST(plan_table, on_a_machine_that_has_just_booted_all_is_as_on_any_other)
{
    static const uint64_t starts_ns[] = { 1, 2, STORY_S, 1000 * STORY_S };

    for (size_t i = 0; i < COUNT(starts_ns); i++) {
        struct story *s = story_needy();
        s->now_ns = s->began_ns = starts_ns[i];
        story_go(s);
        story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
        story_wait(s, 1);
        story_saw(s, "ENIPreAttached");
        story_pods(s, "n1", 10, 0);
        story_enis(s, "n1");
        story_pods(s, "n1", 8, 0);
        struct plan_event tick = { .kind = PLAN_TICK };
        s->now_ns += COOLING_NS;
        story_step(s, &tick);
        expect_u64(node_cooling(s->planner, &s->planner->nodes[0]), 2);
        s->now_ns += COOLING_NS;
        story_step(s, &tick);
        expect_u64(node_cooling(s->planner, &s->planner->nodes[0]), 0);
        story_end(s);
    }
}

/* What a whole ENI takes, with its own address; and what is wanted of one. */
TEST(plan_table, a_node_is_decided_anew_when_a_subnet_comes_to_have_what_it_wants)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_pods(s, "n1", 2, 0); /* three are free, five are wanted */
    story_go(s);
    expect_u64(s->planner->zones[0].sizes, UINT64_C(1) << 6 | UINT64_C(1) << 3);
    story_end(s);
}

/* ---- turns ---- */

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

TEST(plan_table, so_many_orders_are_under_way_at_once)
{
    expect_u64(orders_at_once(64, 1), 64);
    expect_u64(orders_at_once(66, 1), 64);
    expect_u64(orders_at_once(16, 0), 16);
    expect_u64(orders_at_once(18, 0), 16);
}

TEST(plan_table, pods_that_wait_go_first_then_who_stalls_soonest_then_who_may_some_day)
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

TEST(plan_table, of_subnets_that_are_alike_the_first_gives_what_is_less_than_wanted)
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

TEST(plan_table, limits_of_a_type_are_known_when_both_are)
{
    static const struct {
        uint32_t enis, ips;
        bool known;
    } rows[] = {
        { 0, 5, false }, { 5, 0, false }, { 0, 0, false }, { 1, 1, true }, { 2, 6, true }
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("x9.odd", 5, 0, 200);
        struct plan_event type = { .kind = PLAN_TYPE };
        story_go(s);
        type.type = (struct instance_type){ .name = SLICE("x9.odd"),
                                            .enis = rows[i].enis,
                                            .ips_per_eni = rows[i].ips };
        story_step(s, &type);
        expect_u64(story_kind(s, "n1") != PLAN_DECISION_Incomplete, rows[i].known);
        story_end(s);
    }
}

TEST(plan_table, a_zone_with_even_one_node_wants_a_healthy_subnet)
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

TEST(plan_table, what_was_missing_once_is_told_again_when_it_goes_again)
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

TEST(plan_table, what_comes_is_said_to_be_bare_or_so_many)
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

TEST(plan_table, a_string_that_is_set_says_whether_it_is_another)
{
    struct strings strings;
    uint32_t handle = 0;

    strings_init(&strings);
    expect(strings_set(&strings, &handle, SLICE("one")));
    expect(!strings_set(&strings, &handle, SLICE("one")));
    expect(strings_set(&strings, &handle, SLICE("two")));
    expect_u64(strings_find(&strings, SLICE("one")), INDEX_NONE);
    expect_slice(strings_get(&strings, handle), "two");
    expect(strings_set(&strings, &handle, SLICE("")));
    expect_u64(handle, 0);
    strings_done(&strings);
}

/* The agent makes an ENI, or more addresses; what we add is found later for it. */
TEST(plan_table, only_the_agents_own_success_puts_off_that_it_finds_ours)
{
    static const struct {
        bool ours, grown, put_off;
    } rows[] = { { false, false, true }, { true, false, false }, { true, true, true } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("m5.large", 5, 200, 200);
        story_pods(s, "n1", 0, 0);
        s->holds = true;
        story_go(s);
        s->planner->nodes[0].enis[0].unseen_ns = s->now_ns + 10 * STORY_S;
        struct story_eni *eni = story_eni(s, "n1", "b", 1, 2, 0);
        if (rows[i].ours) {
            eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
        }
        s->now_ns += STORY_S;
        story_enis(s, "n1");
        if (rows[i].grown) {
            eni->ip_count++;
            story_enis(s, "n1");
        }
        uint64_t unseen_ns = s->planner->nodes[0].enis[0].unseen_ns;
        expect_u64(unseen_ns, s->now_ns + (rows[i].put_off ? UNSEEN_NS : 9 * STORY_S));
        story_end(s);
    }
}
