/*
 * The planner's arithmetic at its edges: what subnets have, how much a node is given, when it runs
 * short. Each line of a table says what its numbers mean.
 */
#include "plan_fixture.h"

#include "plan/state.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- subnets ---- */

TEST(plan_numbers, free_is_what_ec2_counts_less_what_is_in_flight_and_kept_back)
{
    static const struct {
        struct subnet_row subnet;
        uint32_t free;
    } rows[] = {
        { { .available = 10, .debit_ips = 3, .reserved = 4, .held_back = 2 }, 3 },
        { { .available = 10, .debit_ips = 3, .reserved = 4, .held_back = 2, .mapped = true }, 5 },
        { { .available = 7, .debit_ips = 3, .reserved = 4 }, 0 },
        { { .available = 6, .debit_ips = 3, .reserved = 4 }, 0 },
        { { .available = 8, .debit_ips = 3, .reserved = 4 }, 1 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_u64(subnet_free(&rows[i].subnet), rows[i].free);
    }
}

TEST(plan_numbers, blocks_are_as_many_as_the_map_shows_and_the_count_allows)
{
    static const struct {
        struct subnet_row subnet;
        uint32_t blocks;
    } rows[] = {
        { { .available = 47 }, 2 }, /* unmapped: what the count allows */
        { { .available = 48 }, 3 },
        { { .available = 50, .debit_ips = 2 }, 3 },
        { { .available = 50, .debit_ips = 3 }, 2 },
        { { .available = 50, .debit_ips = 51 }, 0 },
        { { .available = 200, .mapped = true, .blocks = 4 }, 4 },
        { { .available = 200, .mapped = true, .blocks = 4, .debit_blocks = 1 }, 3 },
        { { .available = 200, .mapped = true, .blocks = 1, .debit_blocks = 2 }, 0 },
        { { .available = 40, .mapped = true, .blocks = 4 }, 2 },
        { { .available = 200, .mapped = true, .blocks = 4, .refused_blocks = true }, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_u64(subnet_blocks(&rows[i].subnet), rows[i].blocks);
    }
}

/* Of 120 free ones, with these rates, after a decline of so many seconds. */
static uint32_t ends_in(uint32_t available, double fast, double slow, uint64_t declining_ns)
{
    struct subnet_row subnet = { .available = available,
                                 .fast_per_s = fast,
                                 .slow_per_s = slow,
                                 .declining_ns = 100 * SECOND_NS,
                                 .declined_ns = 100 * SECOND_NS + declining_ns };

    return subnet_exhausted_in_s(&subnet);
}

TEST(plan_numbers, a_forecast_rests_on_the_slower_trend_and_reaches_a_day)
{
    expect_u64(ends_in(120, 2, 2, 20 * SECOND_NS), 60);
    expect_u64(ends_in(120, 2, 2, 20 * SECOND_NS - 1), FORECAST_NEVER_S); /* one wave */
    expect_u64(ends_in(0, 2, 2, 0), 0);
    expect_u64(ends_in(1, 2, 2, 20 * SECOND_NS), 0);
    expect_u64(ends_in(2, 2, 2, 20 * SECOND_NS), 1);
    expect_u64(ends_in(120, 6, 2, 20 * SECOND_NS), 30); /* the fast one twice as fast at most */
    expect_u64(ends_in(120, 3, 2, 20 * SECOND_NS), 40);
    expect_u64(ends_in(120, -0.5, 2, 20 * SECOND_NS), FORECAST_NEVER_S);
    expect_u64(ends_in(120, 0, 2, 20 * SECOND_NS), FORECAST_NEVER_S);
    expect_u64(ends_in(86400, 1, 1, 20 * SECOND_NS), 86400);
    expect_u64(ends_in(86401, 1, 1, 20 * SECOND_NS), FORECAST_NEVER_S);
    struct subnet_row calm = { .available = 120, .fast_per_s = 2, .slow_per_s = 2 };
    calm.declined_ns = 100 * SECOND_NS; /* since never */
    expect_u64(subnet_exhausted_in_s(&calm), FORECAST_NEVER_S);
}

TEST(plan_numbers, a_count_crosses_the_sizes_above_the_smaller_and_up_to_the_larger_one)
{
    const uint64_t one = 1;
    const struct {
        uint32_t a, b;
        uint64_t sizes;
    } rows[] = {
        { 0, 0, 0 },
        { 0, 1, one << 1 },
        { 3, 5, one << 4 | one << 5 },
        { 61, 62, one << 62 },
        { 62, 62, 0 },
        { 62, 63, one << 63 },
        { 63, 63, 0 },
        { 63, 64, one << 63 },
        { 100, 200, one << 63 },
        { 100, 100, 0 },
        { 61, 100, one << 62 | one << 63 },
        { 0, 100, UINT64_MAX - 1 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_u64(subnet_sizes_between(rows[i].a, rows[i].b), rows[i].sizes);
        expect_u64(subnet_sizes_between(rows[i].b, rows[i].a), rows[i].sizes);
    }
    struct zone_row zone = { .sizes = one << 5 };
    struct planner p = { .zones = &zone };
    subnet_watch_size(&p, 0, 0);
    subnet_watch_size(&p, 0, 62);
    subnet_watch_size(&p, 0, 63);
    expect_u64(zone.sizes, one | one << 5 | one << 62 | one << 63);
    zone.sizes = 0;
    subnet_watch_size(&p, 0, 1000);
    expect_u64(zone.sizes, one << 63);
}

/* ---- how much a node is given ---- */

struct wanted {
    const char *why;
    struct view v;
    uint32_t min_ips, wanted;
};

static void check_wanted(const struct wanted *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t wanted = node_wanted(&rows[i].v, rows[i].min_ips);
        if (wanted != rows[i].wanted) {
            test_fail("%s: %u are wanted instead of %u", rows[i].why, wanted, rows[i].wanted);
        }
    }
}

/* k = 9, room for many pods; in mode ENI the warm target is warm_enis * k. */
#define ENI_VIEW(...)                                                                              \
    {                                                                                              \
        .mode = MODE_ENI, .k = 9, .unit = 1, .max_pods = 110, __VA_ARGS__                          \
    }

TEST(plan_numbers, an_agent_with_warm_enis_is_given_what_makes_it_content_and_what_it_keeps)
{
    static const struct wanted rows[] = {
        { "none is free", ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9), 0, 9 },
        { "four are free", ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = 4), 0,
          5 },
        { "one is missing", ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = 8),
          0, 1 },
        { "none is missing", ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = 9),
          0, 0 },
        { "three wait: more than an ENI carries",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = -3), 0, 9 },
        { "freed once: half of what is spare",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .hand_backs = 1), 0, 4 },
        { "freed once, two wait: these, and half of the nine",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = -2, .hand_backs = 1),
          0, 6 },
        { "the pool's minimum",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = 9), 12, 3 },
        { "the pool's minimum, and what comes counts",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .coming = 2, .left = 11), 12,
          1 },
        { "the pool's minimum, but never as many as are freed again",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 9, .left = 9), 50, 8 },
        { "no warm ENI, none free: one less than an ENI", ENI_VIEW(.warm_enis = 0, .addresses = 9),
          0, 8 },
        { "no warm ENI, one waits: it, and what is kept",
          ENI_VIEW(.warm_enis = 0, .addresses = 9, .left = -1), 0, 9 },
        { "no warm ENI, freed once, one waits: it, and half of the rest",
          ENI_VIEW(.warm_enis = 0, .hand_backs = 1, .left = -1), 0, 5 },
        { "as many pods as fit",
          ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 104, .coming = 2), 0, 4 },
        { "no more pods fit", ENI_VIEW(.warm_enis = 1, .warm_target = 9, .addresses = 110), 0, 0 },
    };

    check_wanted(rows, COUNT(rows));
}

#define IP_VIEW(...)                                                                               \
    {                                                                                              \
        .mode = MODE_IP, .k = 9, .unit = 1, .max_pods = 110, __VA_ARGS__                           \
    }

TEST(plan_numbers, an_agent_with_a_warm_ip_target_is_given_what_is_short_and_some_ahead)
{
    static const struct wanted rows[] = {
        { "what is short", IP_VIEW(.warm_target = 5, .addresses = 9, .left = 2), 0, 3 },
        { "none is short", IP_VIEW(.warm_target = 5, .addresses = 9, .left = 5), 0, 0 },
        { "some ahead", IP_VIEW(.warm_target = 5, .addresses = 9, .left = 3, .ahead = 4), 0, 6 },
        { "ten ahead where nobody waits",
          { .mode = MODE_IP,
            .k = 30,
            .unit = 1,
            .max_pods = 110,
            .warm_target = 5,
            .addresses = 9,
            .left = 3,
            .ahead = 25 },
          0,
          12 },
        { "as many as come where pods wait",
          { .mode = MODE_IP,
            .k = 30,
            .unit = 1,
            .max_pods = 110,
            .warm_target = 1,
            .addresses = 9,
            .left = -1,
            .waiting = 1,
            .ahead = 25 },
          0,
          27 },
        { "an ENI ahead at most where pods wait",
          IP_VIEW(.warm_target = 1, .addresses = 9, .left = 1, .waiting = 1, .ahead = 25), 0, 9 },
        { "freed once: half ahead",
          IP_VIEW(.warm_target = 5, .addresses = 9, .left = 3, .ahead = 4, .hand_backs = 1), 0, 4 },
        { "the minimum", IP_VIEW(.min_ips = 12, .addresses = 5, .left = 5), 0, 7 },
        { "the minimum, and what comes counts",
          IP_VIEW(.min_ips = 12, .addresses = 5, .coming = 4, .left = 5), 0, 3 },
        { "the larger of both", IP_VIEW(.min_ips = 12, .warm_target = 8, .addresses = 5, .left = 0),
          0, 8 },
    };

    check_wanted(rows, COUNT(rows));
}

#define PREFIX_VIEW(...)                                                                           \
    {                                                                                              \
        .mode = MODE_PREFIX, .k = 9, .unit = 16, .max_pods = 110, .prefixes = true, __VA_ARGS__    \
    }

TEST(plan_numbers, an_agent_with_warm_prefixes_is_given_whole_ones)
{
    static const struct wanted rows[] = {
        { "one free prefix is missing", PREFIX_VIEW(.warm_prefixes = 1, .left = 15), 0, 16 },
        { "none is missing", PREFIX_VIEW(.warm_prefixes = 1, .left = 16), 0, 0 },
        { "one of two", PREFIX_VIEW(.warm_prefixes = 2, .left = 31), 0, 16 },
        { "pods wait: theirs too", PREFIX_VIEW(.warm_prefixes = 1, .left = -3), 0, 19 },
        { "more come than a prefix holds", PREFIX_VIEW(.warm_prefixes = 1, .left = 2, .ahead = 25),
          0, 23 },
        { "more come than are free", PREFIX_VIEW(.warm_prefixes = 1, .left = 16, .ahead = 25), 0,
          9 },
        { "no warm prefix, none waits", PREFIX_VIEW(.left = 0, .ahead = 25), 0, 0 },
        { "no warm prefix, three wait", PREFIX_VIEW(.left = -3), 0, 3 },
    };

    check_wanted(rows, COUNT(rows));
}

/* ---- ahead of need ---- */

TEST(plan_numbers, a_node_is_ahead_that_gets_through_the_time_that_help_takes)
{
    static const struct {
        struct view v;
        bool ahead;
    } rows[] = {
        { { .mode = MODE_ENI, .warm_enis = 1, .room = 5, .left = 20, .reach = 25 }, true },
        { { .mode = MODE_ENI, .warm_enis = 1, .room = 5, .left = 19, .reach = 25 }, false },
        { { .mode = MODE_ENI, .warm_enis = 1, .room = 1, .left = 24, .reach = 25 }, true },
        { { .mode = MODE_ENI, .warm_enis = 1, .room = 5, .left = -5, .reach = 0 }, true },
        { { .mode = MODE_ENI, .warm_enis = 1, .room = 0, .left = 30, .reach = 25 }, false },
        { { .mode = MODE_ENI, .warm_enis = 1, .new_eni_lasting = true, .reach = 25 }, true },
        { { .mode = MODE_ENI, .warm_enis = 0, .room = 1, .reach = 25 }, true },
        { { .mode = MODE_ENI, .warm_enis = 0, .room = 0, .reach = 25 }, false },
        { { .mode = MODE_IP, .warm_enis = 1, .room = 1, .reach = 25 }, true },
        { { .mode = MODE_IP, .warm_enis = 1, .room = 0, .reach = 25 }, false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (node_is_ahead(&rows[i].v) != rows[i].ahead) {
            test_fail("line %u: ahead %d", (unsigned)i + 1, !rows[i].ahead);
        }
    }
}

TEST(plan_numbers, an_empty_node_may_get_the_whole_next_wave_one_that_a_quarter_fills_does_not)
{
    struct story *s = story_one("m5.large", 9, 200, 200);
    struct view v;

    s->nodes[0].node.max_pods = 40;
    story_go(s);
    story_pods(s, "n1", 9, 0);
    node_view(s->planner, &s->planner->nodes[0], &v);
    expect_u64(v.reach, 31);
    story_pods(s, "n1", 9, 1);
    node_view(s->planner, &s->planner->nodes[0], &v);
    expect_u64(v.reach, 25);
    story_end(s);
}

TEST(plan_numbers, pods_come_as_fast_as_lately_or_as_a_wave_and_as_far_as_they_fit)
{
    static const struct {
        float pods_per_s;
        uint32_t max_pods, ahead;
    } rows[] = { { 0.0F, 110, 25 },  { 0.2F, 110, 25 }, { 1.0F, 110, 75 },
                 { 2.0F, 110, 110 }, { 1.0F, 1, 1 },    { 0.0F, 0, 25 } };
    struct story *s = story_one("m5.large", 9, 200, 200);
    struct view v;

    story_go(s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct node_row *node = &s->planner->nodes[0];
        node->pods_per_s = rows[i].pods_per_s;
        node->max_pods = rows[i].max_pods;
        node_view(s->planner, node, &v);
        expect_u64(v.ahead, rows[i].ahead);
    }
    story_end(s);
}

TEST(plan_numbers, an_early_eni_carries_what_makes_it_stay)
{
    struct view v = { .mode = MODE_ENI, .k = 9, .warm_enis = 1, .warm_ips = 4 };

    expect_u64(node_early_ips(&v), 0);
    v.warm_enis = 0;
    expect_u64(node_early_ips(&v), 1);
    v.mode = MODE_IP;
    expect_u64(node_early_ips(&v), 4);
    v.warm_ips = 10;
    expect_u64(node_early_ips(&v), 9);
}

static bool keeps(struct view v, bool disabled, uint32_t hand_backs)
{
    struct node_row node = { .hand_backs = hand_backs };
    struct plan_config config = { .seed = 1 };
    struct planner *p = plan_new(&config);

    p->agent.provisioning_disabled = disabled;
    bool kept = node_keeps_early(p, &node, &v);
    plan_free(p);
    return kept;
}

TEST(plan_numbers, an_early_eni_is_kept_unless_the_agent_has_enough_without)
{
    struct view warm = { .mode = MODE_ENI, .k = 9, .warm_enis = 1, .avail = 17 };

    expect(keeps(warm, false, 0));
    expect(!keeps(warm, true, 0));
    warm.coming = 1;
    expect(!keeps(warm, false, 0)); /* it wants 9, and frees what makes 18 */
    struct view cold = { .mode = MODE_ENI, .k = 9, .warm_enis = 0, .avail = 3 };
    expect(keeps(cold, false, 0)); /* with the one that it brings 4, the half of 9 */
    cold.avail = 4;
    expect(!keeps(cold, false, 0));
    struct view prefix = { .mode = MODE_PREFIX, .k = 9, .warm_enis = 1, .prefixes = true };
    expect(!keeps(prefix, false, 0));
    struct view ip = { .mode = MODE_IP, .k = 9, .warm_ips = 1 };
    expect(keeps(ip, false, 0));
    expect(!keeps(ip, false, 1));
    ip.can_grow_soon = true;
    expect(!keeps(ip, false, 0));
    ip.can_grow_soon = false;
    ip.prefixes = true;
    expect(!keeps(ip, false, 0));
    ip.prefixes = false;
    ip.warm_ips = 0;
    expect(!keeps(ip, false, 0));
}

TEST(plan_numbers, an_agent_is_believed_to_get_on_for_longer_with_each_reason)
{
    struct view v = { .cooling = 0 };

    expect_u64(node_stuck_ns(&v), 20 * SECOND_NS);
    v.cooling = 1;
    expect_u64(node_stuck_ns(&v), 40 * SECOND_NS);
    v.hand_backs = 1;
    expect_u64(node_stuck_ns(&v), 80 * SECOND_NS);
    v.cooling = 0;
    v.hand_backs = 3;
    expect_u64(node_stuck_ns(&v), 40 * SECOND_NS);
}

/* ---- when it runs short ---- */

static uint32_t stalls_in(struct view v, float pods_per_s, uint32_t subnet_ends_in_s)
{
    struct subnet_row subnets[2] = { { .available = 100 } };
    struct planner p = { .subnets = subnets };
    struct node_eni enis[2] = { { .subnet = NONE }, { .subnet = 0 } };
    struct node_row node = { .enis = enis, .eni_count = 2, .pods_per_s = pods_per_s };

    subnets[0].available = subnet_ends_in_s == 0 ? 0 : 100;
    subnets[0].fast_per_s = subnets[0].slow_per_s = 100.0 / subnet_ends_in_s;
    subnets[0].declining_ns = SECOND_NS;
    subnets[0].declined_ns = MINUTE_NS;
    return node_stall_in_s(&p, &node, &v);
}

TEST(plan_numbers, a_node_stalls_when_its_addresses_are_used_up_and_its_subnets_have_ended)
{
    struct view v = { .left = 10 };

    expect_u64(stalls_in(v, 0.5F, 0), 20);
    expect_u64(stalls_in(v, 0, 0), FORECAST_NEVER_S);
    expect_u64(stalls_in(v, 1.0F / 3600, 0), FORECAST_NEVER_S);
    v.can_grow_now = true;
    expect_u64(stalls_in(v, 0.5F, 50), 50);
    expect_u64(stalls_in(v, 0.5F, 10), 20);
    v.left = -2;
    expect_u64(stalls_in(v, 0.5F, 10), 10);
    v.left = 0;
    expect_u64(stalls_in(v, 0.5F, 0), 0);
    v.short_now = true;
    expect_u64(stalls_in(v, 0.5F, 50), 50);
    v.can_grow_now = false;
    expect_u64(stalls_in(v, 0.5F, 50), 0);
    v = (struct view){ .left = 10, .can_grow_now = true, .can_grow_later = true };
    expect_u64(stalls_in(v, 0.5F, 50), FORECAST_NEVER_S);
    v = (struct view){ .left = 10, .will_grow = true };
    expect_u64(stalls_in(v, 0.5F, 50), FORECAST_NEVER_S);
}

/* ---- how a subnet goes on ---- */

/* A pool with a lead of two minutes and this limit of attaches a minute, b with so many free, and
 * so many nodes. */
static struct story *foreseen(uint32_t nodes, uint32_t attach_per_minute)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->pools[0].low = (struct amount){ 1, false };
    s->pools[0].attach_per_minute = attach_per_minute;
    s->deaf = true;
    story_go(s);
    s->planner->subnets[1].available = 100;
    s->planner->listed_count = nodes; /* put back below */
    return s;
}

static void forget(struct story *s)
{
    s->planner->listed_count = 1;
    story_end(s);
}

static const struct link *link_when_it_ends_in(struct story *s, uint32_t seconds)
{
    struct subnet_row *b = &s->planner->subnets[1];

    b->available = seconds;
    b->fast_per_s = b->slow_per_s = 1;
    b->declining_ns = SECOND_NS;
    b->declined_ns = MINUTE_NS;
    subnet_settle(s->planner, 1);
    return &s->planner->pools[0].links[1];
}

TEST(plan_numbers, a_subnet_is_dying_within_the_lead_and_averted_at_half_as_much_again)
{
    struct story *s = foreseen(1, 0);

    expect(!link_when_it_ends_in(s, 121)->dying);
    expect(link_when_it_ends_in(s, 120)->dying);
    expect(link_when_it_ends_in(s, 180)->dying);
    expect(!link_when_it_ends_in(s, 181)->dying);
    expect(!link_when_it_ends_in(s, 76)->ending);
    expect(link_when_it_ends_in(s, 75)->ending);
    expect(link_when_it_ends_in(s, 112)->ending);
    expect(!link_when_it_ends_in(s, 113)->ending);
    expect(link_when_it_ends_in(s, 180)->leaving); /* dying is */
    forget(s);
}

static bool is_left(struct story *s, double long_per_s)
{
    struct subnet_row *b = &s->planner->subnets[1];

    b->long_per_s = long_per_s;
    subnet_settle(s->planner, 1);
    return s->planner->pools[0].links[1].leaving;
}

TEST(plan_numbers, a_subnet_is_left_as_early_as_reaching_every_node_takes)
{
    struct story *s = foreseen(500, 0); /* at 5 in 3 seconds: 300 s, and the lead of 120 s */

    expect(!is_left(s, 100.0 / 420));
    expect(is_left(s, 100.1 / 420));
    expect(is_left(s, 100.1 / 630)); /* half as much again */
    expect(!is_left(s, 100.0 / 630));
    forget(s);
    s = foreseen(500, 60); /* at one a second: 500 s */
    expect(!is_left(s, 100.0 / 620));
    expect(is_left(s, 100.1 / 620));
    forget(s);
    s = foreseen(500, 101); /* faster than EC2 allows */
    expect(!is_left(s, 100.0 / 420));
    expect(is_left(s, 100.1 / 420));
    forget(s);
    s = foreseen(200, 0); /* 120 s: not longer than the lead */
    expect(!is_left(s, 1000));
    forget(s);
    s = foreseen(202, 0);
    expect(is_left(s, 1000));
    forget(s);
    s = foreseen(100000, 0); /* an hour at most */
    expect(!is_left(s, 100.0 / 3720));
    expect(is_left(s, 100.1 / 3720));
    forget(s);
}

static void about(double is, double wanted, int line)
{
    if (is < wanted - 1e-6 || is > wanted + 1e-6) {
        test_fail_at(__FILE__, line, "%f instead of %f", is, wanted);
    }
}

TEST(plan_numbers, rates_follow_what_others_take)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    const struct subnet_row *b = NULL;

    s->deaf = true;
    story_go(s);
    b = &s->planner->subnets[1];
    s->now_ns += 10 * SECOND_NS;
    story_free(s, "b", 190);
    about(b->fast_per_s, 10.0 / 30, __LINE__);
    about(b->slow_per_s, 10.0 / 130, __LINE__);
    about(b->long_per_s, 10.0 / 610, __LINE__);
    expect_u64(b->declining_ns, s->now_ns);
    s->planner->subnets[1].own_taken = 4;
    s->now_ns += 10 * SECOND_NS;
    story_free(s, "b", 184);
    about(b->fast_per_s, (10.0 / 30 * 20 + 2) / 30, __LINE__);
    about(b->slow_per_s, (10.0 / 130 * 120 + 2) / 130, __LINE__);
    about(b->long_per_s, (10.0 / 610 * 600 + 2) / 610, __LINE__);
    expect_u64(b->own_taken, 0);
    expect_u64(b->declining_ns, s->now_ns - 10 * SECOND_NS);
    uint64_t declined_ns = s->now_ns;
    s->now_ns += 10 * SECOND_NS;
    story_free(s, "b", 184);
    expect_u64(b->declined_ns, declined_ns);
    s->now_ns += SECOND_NS;
    story_free(s, "b", 1000); /* a recovery hides no decline that follows */
    about(b->fast_per_s, -0.5, __LINE__);
    about(b->slow_per_s, -0.1, __LINE__);
    about(b->long_per_s, -0.1, __LINE__);
    expect_u64(b->declined_ns, declined_ns);
    story_end(s);
}

TEST(plan_numbers, a_subnets_state_follows_its_watermarks_and_the_reserve)
{
    static const struct {
        uint32_t free;
        enum subnet_state state;
    } rows[] = {
        { 200, SUBNET_Healthy }, { 25, SUBNET_Healthy },  { 24, SUBNET_Low },
        { 49, SUBNET_Low },      { 50, SUBNET_Healthy },  { 1, SUBNET_Low },
        { 0, SUBNET_Exhausted }, { 8, SUBNET_Exhausted }, { 9, SUBNET_Low },
        { 8, SUBNET_Low },       { 0, SUBNET_Exhausted }, { 49, SUBNET_Low },
        { 0, SUBNET_Exhausted }, { 50, SUBNET_Healthy },
    };
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->pools[0].low = (struct amount){ 25, false };
    s->pools[0].high = (struct amount){ 50, false };
    s->deaf = true;
    story_go(s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        story_free(s, "b", rows[i].free);
        if (subnet_state_of(s->planner, 0, 1) != rows[i].state) {
            test_fail("line %u, %u free: %s", (unsigned)i + 1, rows[i].free,
                      subnet_state_name(subnet_state_of(s->planner, 0, 1)));
        }
    }
    story_end(s);
}

/* ---- how often subnets are read ---- */

static uint32_t pace_at(double fast_per_s, uint32_t free, uint32_t low)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event tick = { .kind = PLAN_TICK };

    s->pools[0].low = s->pools[0].high = (struct amount){ low, false };
    s->deaf = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    struct subnet_row *b = &s->planner->subnets[1];
    b->available = free;
    subnet_settle(s->planner, 1);
    b->fast_per_s = fast_per_s;
    s->planner->pace_asked_ns = 0;
    s->planner->pace_ms = 0;
    story_step(s, &tick);
    uint32_t pace_ms = s->planner->pace_ms;
    story_end(s);
    return pace_ms;
}

TEST(plan_numbers, reads_are_as_frequent_as_what_may_happen_asks)
{
    expect_u64(pace_at(0, 100, 1), 30000);
    expect_u64(pace_at(0.02, 100, 1), 30000);
    expect_u64(pace_at(0.021, 100, 1), 10000);
    expect_u64(pace_at(0.27, 100, 1), 10000); /* three times the lead of 120 s: 97 */
    expect_u64(pace_at(0.28, 100, 1), 2000);  /* 100.8 */
    expect_u64(pace_at(0, 100, 101), 10000);
    expect_u64(pace_at(0, 100, 100), 30000);
    expect_u64(pace_at(1, 1, 1), 2000);
    expect_u64(pace_at(1, 0, 1), 10000); /* nothing is left to watch */
}

/* ---- how fast pods come ---- */

TEST(plan_numbers, pods_a_second_are_counted_over_about_a_minute)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->deaf = true;
    story_pods(s, "n1", 3, 0);
    story_go(s);
    const struct node_row *node = &s->planner->nodes[0];
    about((double)node->pods_per_s, 0, __LINE__); /* that was a state */
    s->now_ns += 30 * SECOND_NS;
    story_pods(s, "n1", 3, 2);
    about((double)node->pods_per_s, 2.0 / 90, __LINE__);
    s->now_ns += 30 * SECOND_NS;
    story_pods(s, "n1", 5, 0); /* the same pods */
    about((double)node->pods_per_s, 2.0 / 90 * 60 / 90, __LINE__);
    s->now_ns += 30 * SECOND_NS;
    story_pods(s, "n1", 1, 0);
    about((double)node->pods_per_s, 2.0 / 90 * 60 / 90 * 60 / 90, __LINE__);
    story_end(s);
}

/* ---- what the agent asks for: all of it or nothing ---- */

struct request {
    const char *what;
    struct agent_settings agent;
    uint32_t ips, prefixes, holding;
    uint32_t least; /* addresses that its subnet must have; 0: it asks for nothing */
};

static uint32_t least_to_grow(const struct request *request)
{
    struct story *s = story_one("t3.medium", request->ips, 200, 0);
    struct view v;
    uint32_t least = 0;

    s->agent = request->agent;
    s->agent.cluster_name = SLICE("demo");
    s->agent.subnet_discovery = true;
    s->enis[0].prefix_count = request->prefixes;
    s->deaf = true;
    story_pods(s, "n1", request->holding, 0);
    story_go(s);
    story_enis(s, "n1");
    struct subnet_row *a = &s->planner->subnets[0];
    for (a->available = 0; a->available <= 200; a->available++) {
        node_view(s->planner, &s->planner->nodes[0], &v);
        if (v.can_grow_now) {
            least = a->available;
            break;
        }
    }
    story_end(s);
    return least;
}

#define UNSET                                                                                      \
    .warm_ip_target = AGENT_UNSET, .minimum_ip_target = AGENT_UNSET,                               \
    .warm_prefix_target = AGENT_UNSET, .max_eni = AGENT_UNSET, .manage_untagged = true

TEST(plan_numbers, an_agent_asks_for_all_that_it_wants_or_gets_nothing)
{
    const struct agent_settings eni = { .warm_eni_target = 1, UNSET };
    struct agent_settings ip = eni, minimum = eni, one = eni, two = eni, none = eni, most = eni,
                          off = eni, in_prefixes = eni, many = eni;

    ip.warm_ip_target = 2;
    minimum.minimum_ip_target = 12;
    one.prefix_delegation = two.prefix_delegation = none.prefix_delegation = true;
    in_prefixes.prefix_delegation = many.prefix_delegation = true;
    in_prefixes.warm_ip_target = 2;
    many.warm_ip_target = 17;
    one.warm_prefix_target = 1;
    two.warm_prefix_target = 2;
    most.max_eni = 1;
    off.provisioning_disabled = true;
    const struct request rows[] = {
        { "an ENI of its type, with its own address", eni, 5, 0, 5, 6 },
        { "one address on an ENI with room", eni, 4, 0, 4, 1 },
        { "its warm addresses", ip, 5, 0, 5, 3 },
        { "one of its warm addresses", ip, 5, 0, 4, 2 },
        { "the minimum, but not more than an ENI carries", minimum, 5, 0, 0, 6 },
        { "a prefix", one, 0, 5, 80, 16 },
        { "both prefixes", two, 0, 5, 80, 32 },
        { "the second prefix", two, 0, 5, 64, 16 },
        { "both prefixes, for fifteen free are none", two, 0, 5, 65, 32 },
        { "a prefix for its warm addresses", in_prefixes, 0, 5, 80, 16 },
        { "two prefixes for its warm addresses", many, 0, 5, 80, 32 },
        { "one prefix at least", none, 0, 5, 80, 16 },
        { "nothing beyond MAX_ENI", most, 5, 0, 5, 0 },
        { "nothing at all", off, 4, 0, 4, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t least = least_to_grow(&rows[i]);
        if (least != rows[i].least) {
            test_fail("%s: %u instead of %u", rows[i].what, least, rows[i].least);
        }
    }
}
