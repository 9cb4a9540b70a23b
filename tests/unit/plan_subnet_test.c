/*
 * The planner's stories about subnets as EC2 shows them: tags, zones, counts, blocks, refusals; and
 * about pools that come, change and go.
 */
#include "plan_fixture.h"

/* The same with prefixes: n1 has one, full. */
static struct story *prefixes(void)
{
    struct story *s = story_needy_held();

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    story_find_eni(s, "eni-n1-0")->prefix_count = 1;
    story_pods(s, "n1", 16, 1);
    return s;
}

static void pool_gone(struct story *s, const char *name)
{
    struct plan_event event = { .kind = PLAN_POOL_GONE, .name = slice_of(name) };

    story_step(s, &event);
}

static const struct subnet_status *status_of(const struct story *s, const char *id)
{
    for (uint32_t i = 0; i < s->status.subnet_count; i++) {
        if (strcmp(s->status.subnets[i].id.text, id) == 0) {
            return &s->status.subnets[i];
        }
    }
    require(false);
    return NULL;
}

/* ---- tags, zones, sizes ---- */

TEST(plan_subnet, tagged_for_this_cluster_too_is_used)
{
    static const char *const keys[] = { "cni.networking.k8s.aws/cluster/demo",
                                        "cni.networking.k8s.aws/cluster/other" };

    for (int both = 0; both < 2; both++) {
        struct story *s = story_needy_held();
        story_tag(&s->subnets[1], keys[both], "shared");
        story_tag(&s->subnets[1], keys[!both], "shared");
        story_go(s);
        story_saw(s, "attach n1 subnet-b");
        story_end(s);
    }
    struct story *s = story_needy_held();
    story_tag(&s->subnets[1], keys[1], "shared");
    s->config.cluster_name = s->agent.cluster_name = SLICE(
        ""); /* nobody knows which cluster it is */
    story_go(s);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_subnet, an_empty_role_says_nothing)
{
    struct story *s = story_needy_held();

    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "");
    story_go(s);
    story_saw(s, "attach n1 subnet-b"); /* not excluded, and not the agent's to discover */
    story_end(s);
}

TEST(plan_subnet, follows_each_change_of_what_ec2_tells)
{
    struct story *s = story_needy_held();

    s->subnets[1].tags[0].value = SLICE("no");
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    s->subnets[1].tags[0] = (struct pair){ SLICE("else"), SLICE("no") };
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    s->subnets[1].tags[0].value = SLICE("yes"); /* the key is still another one */
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    s->subnets[1].tags[0].key = SLICE("headroom");
    s->subnets[1].route = ROUTE_PUBLIC;
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    s->subnets[1].route = ROUTE_PRIVATE;
    s->subnets[1].usable = false;
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    s->subnets[1].usable = true;
    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "0");
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    expect_contains(story_decision(s, "n1").detail, "its tags exclude it from pods");
    s->subnets[1].tag_count = 1;
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    story_end(s);
}

TEST(plan_subnet, that_the_agent_discovers_must_lie_in_the_nodes_vpc)
{
    struct story *s = story_needy_held();

    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "1");
    s->subnets[1].vpc = "vpc-2";
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    story_end(s);

    s = story_needy_held();
    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "1");
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_AgentCanGrow);
    story_end(s);

    s = story_needy_held();
    s->subnets[0].free = 20; /* low: an early ENI would be due */
    s->pools[0].paused = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_Paused);
    story_tag(&s->subnets[1], "kubernetes.io/role/cni", "1");
    story_read(s);
    story_is(s, "n1", PLAN_DECISION_Enough);
    story_end(s);
}

TEST(plan_subnet, without_a_zone_is_shown_and_serves_nobody)
{
    struct story *s = story_needy_held();

    story_subnet(s, "0", 250)->zone = "";
    story_subnet(s, "1", 250)->zone = "";
    story_go(s);
    story_saw(s, "attach n1 subnet-b");
    require(s->status.subnet_count == 4);
    expect_text(s->status.subnets[0].id.text, "subnet-0"); /* "" sorts first */
    expect_slice(s->status.subnets[0].zone, "");
    expect_text(s->status.subnets[1].id.text, "subnet-1");
    expect_text(s->status.subnets[2].id.text, "subnet-a");
    s->subnets[2].route = ROUTE_PUBLIC;
    s->subnets[3].gone = true;
    story_read(s);
    expect_u64(s->status.subnet_count, 3);
    story_end(s);
}

TEST(plan_subnet, of_an_absurd_size_breaks_nothing)
{
    static const uint8_t bits[] = { 0, 15, 16, 28, 29, 30, 32 };
    static const uint32_t totals[] = { UINT32_MAX - 5, 131067, 65531, 11, 3, 0, 0 };

    for (size_t i = 0; i < sizeof(bits); i++) {
        struct story *s = prefixes();
        s->pools[0].paused = true;
        s->subnets[1].bits = bits[i];
        s->subnets[1].base = 0x0a640000U;
        s->subnets[1].free = 40;
        story_go(s);
        story_sweep(s);
        story_wait(s, 30);
        expect_u64(status_of(s, "subnet-b")->total, totals[i]);
        /* Larger than a VPC's largest or smaller than a block: only the count tells of blocks. */
        expect_u64(status_of(s, "subnet-b")->free_prefixes, bits[i] == 28 ? 0 : 2);
        story_end(s);
    }
}

TEST(plan_subnet, a_reservation_that_sticks_out_counts_as_far_as_it_lies_inside)
{
    struct story *s = story_needy_held();
    struct story_subnet *b = &s->subnets[1];

    s->pools[0].reserved_ips = 0;
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    b->free = 130;
    b->reservations[0] = (struct cidr_reservation){ { b->base + 128, 24 }, false };
    b->reservation_count = 1;
    story_go(s);
    story_wait(s, 3);
    require(s->order_count == 1);
    /* Of the 128 addresses inside, AWS keeps the last: 127 are held back, 3 are for all. */
    expect_u64(s->orders[0].action.attach.ips, 2);
    story_end(s);
}

/* ---- counts ---- */

TEST(plan_subnet, is_low_below_the_watermark_and_healthy_again_at_the_high_one)
{
    static const struct {
        uint32_t free;
        enum subnet_state state;
    } steps[] = {
        { 25, SUBNET_Healthy },  { 24, SUBNET_Low },      { 25, SUBNET_Low },
        { 49, SUBNET_Low },      { 50, SUBNET_Healthy },  { 26, SUBNET_Healthy },
        { 0, SUBNET_Exhausted }, { 8, SUBNET_Exhausted }, { 9, SUBNET_Low },
        { 1, SUBNET_Low },       { 0, SUBNET_Exhausted }, { 49, SUBNET_Low },
        { 0, SUBNET_Exhausted }, { 50, SUBNET_Healthy },  { 0, SUBNET_Exhausted },
    };
    struct story *s = story_needy_held();

    s->pools[0].paused = true;
    s->subnets[0].free = 200;
    story_go(s);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        story_wait(s, 200);
        story_free(s, "b", steps[i].free);
        story_wait(s, 11);
        if (status_of(s, "subnet-b")->state != steps[i].state) {
            test_fail("step %zu: %u free is %s, not %s", i, steps[i].free,
                      subnet_state_name(status_of(s, "subnet-b")->state),
                      subnet_state_name(steps[i].state));
        }
    }
    story_end(s);
}

TEST(plan_subnet, reopens_at_a_low_watermark_below_the_reserve)
{
    struct story *s = story_needy_held();

    s->pools[0].paused = true;
    s->pools[0].low = (struct amount){ 3, false };
    s->pools[0].high = (struct amount){ 5, false };
    story_go(s);
    story_free(s, "b", 0);
    story_free(s, "b", 3);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Exhausted);
    story_free(s, "b", 4);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Low);
    story_end(s);
}

TEST(plan_subnet, a_steady_decline_is_foreseen_to_the_minute)
{
    struct story *s = story_needy_held();
    struct pool_status now;

    s->pools[0].paused = true;
    s->subnets[1].bits = 22;
    s->subnets[1].free = 1000;
    story_go(s);
    for (uint32_t second = 2; second <= 400; second += 2) { /* one address a second */
        s->subnets[1].free = 1000 - second;
        story_wait(s, 2);
        if (second == 50) { /* too young to be believed in full: twice the slow average */
            expect(plan_pool_status_at(s->planner, 0, &now));
            expect(now.subnets[1].exhausted_in_s > 1250 && now.subnets[1].exhausted_in_s < 1650);
        }
    }
    expect(plan_pool_status_at(s->planner, 0, &now));
    uint32_t in_s = now.subnets[1].exhausted_in_s;
    expect(in_s >= 590 && in_s <= 640);
    story_wait(s, 200); /* it stops: the forecast goes within some minutes */
    story_wait(s, 600);
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect(now.subnets[1].exhausted_in_s > 7200);
    story_end(s);
}

TEST(plan_subnet, what_headroom_takes_itself_is_no_decline)
{
    struct story *s = story_begin();
    static const char *const names[] = { "n1", "n2", "n3", "n4", "n5", "n6" };

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 240);
    story_pool(s, "default");
    for (size_t i = 0; i < 6; i++) {
        story_node(s, names[i], "m5.xlarge", "a", 14);
    }
    story_go(s);
    for (size_t i = 0; i < 6; i++) {
        story_pods(s, names[i], 14, 3);
        story_wait(s, 15);
    }
    expect(s->order_count >= 6);
    struct pool_status now;
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect_u64(now.subnets[1].exhausted_in_s, FORECAST_NEVER_S);
    story_end(s);
}

struct helped {
    uint32_t early, at_risk;
};

/* So many nodes in a subnet that others take 60 addresses a second of, once it has so many seconds
 * left: how many got an ENI ahead of need, and how many are said to be at risk. */
static struct helped helped_early(uint32_t nodes, uint32_t left_s, uint32_t per_minute, bool paused)
{
    const uint32_t per_s = 60;
    struct story *s = story_begin();
    struct pool_status now;

    story_subnet(s, "a", 60000)->bits = 16;
    story_subnet(s, "b", 60000)->bits = 16;
    s->subnets[1].base = 0x0a640000U;
    story_pool(s, "default")->attach_per_minute = per_minute;
    s->pools[0].paused = paused;
    for (uint32_t i = 0; i < nodes; i++) {
        story_node(s, story_text(s, "%sn%u", "", i), "m5.xlarge", "a", 10);
    }
    story_go(s);
    for (uint32_t i = 0; i < nodes; i++) {
        story_pods(s, s->nodes[i].name, 5, 0); /* below the agent's warm target: it will ask */
    }
    while (s->subnets[0].free > left_s * per_s) {
        s->subnets[0].free -= 10 * per_s;
        story_wait(s, 10);
    }
    require(plan_pool_status_at(s->planner, 0, &now));
    struct helped helped = { s->order_count, now.nodes_at_risk };
    story_end(s);
    return helped;
}

TEST(plan_subnet, that_many_nodes_depend_on_is_left_as_early_as_reaching_them_takes)
{
    /* Five creates a second, a third of them ours: 300 nodes take three minutes beyond the lead of
     * two. */
    expect_u64(helped_early(1, 180, 0, false).early, 0);
    expect_u64(helped_early(1, 60, 0, false).early, 1);
    expect_u64(helped_early(300, 400, 0, false).early, 0);
    expect(helped_early(300, 180, 0, false).early > 0);
    /* A pool's own limit is slower still. */
    expect_u64(helped_early(20, 180, 0, false).early, 0);
    expect(helped_early(20, 180, 6, false).early > 0);
    expect_u64(helped_early(20, 180, 6000, false).early, 0);
}

TEST(plan_subnet, that_is_left_early_puts_nobody_at_risk_before_the_lead_time)
{
    expect(helped_early(20, 180, 6, false).early > 0); /* wanted already */
    expect_u64(helped_early(20, 180, 6, true).at_risk, 0);
    expect_u64(helped_early(20, 60, 6, true).at_risk, 20);
}

/* ---- blocks ---- */

TEST(plan_blocks, a_fragmented_subnet_reopens_when_two_blocks_are_whole)
{
    struct story *s = prefixes();
    struct story_subnet *b = &s->subnets[1];
    struct story_eni *others = story_eni(s, "n1", "b", 3, 15, 0);

    s->pools[0].paused = true;
    others->instance = story_id("i-stranger"); /* one address in each of its 14 blocks */
    others->primary_ip = b->base + 240;
    for (uint32_t i = 0; i < 15; i++) {
        others->ips[i] = b->base + i * 16 + 5;
    }
    story_go(s);
    story_wait(s, 3);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Fragmented);
    expect_u64(status_of(s, "subnet-b")->free, 200);
    expect_u64(status_of(s, "subnet-b")->free_prefixes, 0);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    expect_contains(story_decision(s, "n1").detail,
                    "subnet-b (us-west-2a) has 200 of 251 addresses free but no whole /28 block");
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    others->ip_count = 14; /* one block is whole: too little to be called healthy */
    story_sweep(s);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Fragmented);
    others->ip_count = 13;
    story_sweep(s);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Healthy);
    others->ip_count = 14;
    story_sweep(s);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Healthy);
    b->free = 15; /* blocks cannot be more than addresses */
    story_read(s);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Exhausted);
    story_end(s);
}

TEST(plan_blocks, a_refusal_is_truer_than_the_map_until_a_later_one)
{
    struct story *s = prefixes();

    s->subnets[0].usable = false;
    story_go(s);
    story_saw(s, "attach n1 subnet-b prefixes=2 index=2 waiting");
    story_ends(s, CLOUD_FAILED, CLOUD_SUBNET_SHORT, NULL);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Fragmented);
    expect_u64(status_of(s, "subnet-b")->free_prefixes, 0);
    story_is(s, "n1", PLAN_DECISION_NoHealthySubnet);
    story_wait(s, 50);
    expect_u64(s->order_count, 1);
    story_wait(s, 45); /* a minute, and the next read */
    expect_u64(s->order_count, 2);
    story_end(s);
}

TEST(plan_blocks, without_a_map_one_block_is_enough_to_reopen)
{
    struct story *s = prefixes();

    s->subnets[1].free = 60;
    story_go(s); /* the only sweep came before the subnets were known */
    s->deaf = true;
    story_ends(s, CLOUD_FAILED, CLOUD_NO_PREFIX, NULL);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Fragmented);
    s->pools[0].stale_ns = 0;
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    story_send_pool(s, "default");
    story_wait(s, 62);
    s->subnets[1].free = 30;
    story_read(s);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Healthy);
    story_end(s);
}

TEST(plan_blocks, blocks_behind_other_routes_are_said_to_be_so)
{
    struct story *s = prefixes();

    s->subnets[1].route = ROUTE_PUBLIC;
    story_go(s);
    story_wait(s, 3);
    expect_contains(story_decision(s, "n1").detail,
                    "subnet-b (us-west-2a) has 200 of 251 addresses free but another kind of route "
                    "table than the node's");
    story_end(s);
}

TEST(plan_blocks, a_sweep_that_is_on_its_way_is_waited_for)
{
    struct story *s = prefixes();

    s->deaf = true;
    story_tell_kube(s);
    story_lease(s, true);
    expect_u64(s->sweeps, 1);
    s->now_ns += STORY_S;
    story_read(s);
    story_wait(s, 10);
    expect_u64(s->sweeps, 1);
    story_wait(s, 5);
    expect_u64(s->sweeps, 2);
    story_end(s);
}

TEST(plan_blocks, a_sweep_that_shows_none_confirms_the_refusal)
{
    struct story *s = prefixes();
    struct story_subnet *b = &s->subnets[1];

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_NO_PREFIX, NULL);
    struct story_eni *others = story_eni(s, "n1", "b", 3, 15, 0);
    others->instance = story_id("i-stranger");
    others->primary_ip = b->base + 240;
    for (uint32_t i = 0; i < 15; i++) {
        others->ips[i] = b->base + i * 16 + 5;
    }
    story_wait(s, 200);
    expect_u64(s->order_count, 1);
    expect_u64(status_of(s, "subnet-b")->state, SUBNET_Fragmented);
    others->ip_count = 0;
    story_wait(s, 100);
    expect_u64(s->order_count, 2);
    story_end(s);
}

TEST(plan_blocks, prefixes_of_others_and_what_is_in_flight_are_no_blocks)
{
    struct story *s = prefixes();
    struct story_eni *others = story_eni(s, "n1", "b", 3, 0, 3);

    others->instance = story_id("i-stranger");
    for (uint32_t i = 0; i < 3; i++) {
        others->prefixes[i] = s->subnets[1].base + 16 * (i + 1);
    }
    others->primary_ip = s->subnets[1].base + 80;
    story_go(s);
    story_wait(s, 12);
    /* 16 less AWS's two, three of others, the one of its primary address, two in flight. */
    expect_u64(status_of(s, "subnet-b")->free_prefixes, 8);
    expect_u64(status_of(s, "subnet-b")->in_flight, 33);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 5); /* a read has the addresses, the map is still the old one */
    story_wait(s, 11);
    expect_u64(status_of(s, "subnet-b")->in_flight, 0);
    expect_u64(status_of(s, "subnet-b")->free_prefixes, 8);
    story_end(s);
}

TEST(plan_blocks, a_cluster_that_may_not_act_asks_for_no_map)
{
    struct story *s = prefixes();

    s->show_reads = true;
    story_tell_kube(s);
    story_read(s);
    story_saw_not(s, "sweep");
    story_lease(s, true);
    story_saw(s, "sweep");
    story_end(s);
}

TEST(plan_blocks, scarce_ones_are_mapped_every_half_minute)
{
    struct story *s = prefixes();

    story_pods(s, "n1", 0, 0);
    s->subnets[0].free = s->subnets[1].free = 120; /* seven blocks */
    story_go(s);
    story_wait(s, 1);
    uint32_t before = s->sweeps;
    story_wait(s, 300);
    expect(s->sweeps - before >= 8 && s->sweeps - before <= 11);
    s->subnets[0].free = s->subnets[1].free = 200;
    story_wait(s, 60);
    before = s->sweeps;
    story_wait(s, 300);
    expect_u64(s->sweeps - before, 0);
    story_end(s);
}

/* As the planner counts them at this moment, told or not. */
static uint32_t blocks_now(struct story *s)
{
    struct pool_status now;

    expect(plan_pool_status_at(s->planner, 0, &now));
    for (uint32_t i = 0; i < now.subnet_count; i++) {
        if (slice_is(aws_id_slice(&now.subnets[i].id), "subnet-b")) {
            return now.subnets[i].free_prefixes;
        }
    }
    return UINT32_MAX;
}

TEST(plan_blocks, what_others_take_after_the_map_counts_before_the_next_one)
{
    struct story *s = prefixes();
    struct story_eni *others = story_eni(s, "n1", "b", 3, 8, 0);

    others->instance = story_id("i-stranger"); /* one address in each of 8 blocks, and its own */
    for (uint32_t i = 0; i < 8; i++) {
        others->ips[i] = s->subnets[1].base + 16 * (i + 1);
    }
    others->primary_ip = s->subnets[1].base + 17;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 1);
    expect_u64(blocks_now(s), 6);
    /* The first read after the map is what later ones are held against. */
    story_free(s, "b", 190);
    expect_u64(blocks_now(s), 6);
    uint32_t before = s->sweeps;
    story_free(s, "b", 190 - 31);
    expect_u64(blocks_now(s), 5);
    story_free(s, "b", 190 - 32);
    expect_u64(blocks_now(s), 4);
    expect_u64(s->sweeps, before);
    story_sweep(s); /* a map that shows them not: the count begins anew */
    expect_u64(blocks_now(s), 6);
    story_end(s);
}

TEST(plan_blocks, a_map_is_made_anew_when_so_much_was_taken_that_all_may_be_broken)
{
    struct story *s = prefixes();

    s->subnets[0].bits = s->subnets[1].bits = 22;  /* 62 blocks */
    s->subnets[0].free = s->subnets[1].free = 700; /* no more than 43 of them */
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 300);
    uint32_t before = s->sweeps;
    story_free(s, "b", 660);
    expect_u64(blocks_now(s), 41);
    story_wait(s, 1);
    expect_u64(s->sweeps, before);
    story_free(s, "b", 659); /* 41 addresses, 41 blocks */
    story_wait(s, 1);
    expect_u64(s->sweeps, before + 1);
    /* Two minutes apart at least. */
    story_free(s, "b", 657);
    story_free(s, "b", 600);
    story_wait(s, 100);
    expect_u64(s->sweeps, before + 1);
    story_wait(s, 40);
    expect_u64(s->sweeps, before + 2);
    story_end(s);
}

/* ---- pools ---- */

TEST(plan_pools, one_that_goes_leaves_the_others_as_they_are)
{
    struct story *s = story_needy_held();
    struct pool_status now;

    story_pool(s, "second")->weight = 1;
    story_pool(s, "third");
    story_go(s);
    expect_u64(plan_pool_count(s->planner), 3);
    expect_slice(story_decision(s, "n1").pool, "second");
    pool_gone(s, "second");
    expect_u64(plan_pool_count(s->planner), 2);
    expect_slice(story_decision(s, "n1").pool, "default");
    expect(plan_pool_status_at(s->planner, 0, &now) && slice_is(now.name, "default"));
    expect(plan_pool_status_at(s->planner, 1, &now) && slice_is(now.name, "third"));
    expect(!plan_pool_status_at(s->planner, 2, &now));
    /* New subnets and reads reach those that are there. */
    story_subnet(s, "c", 100);
    story_read(s);
    story_wait(s, 30);
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect_u64(now.subnet_count, 3);
    expect_slice(story_decision(s, "n1").pool, "default");
    /* One that comes takes the row of the one that went. */
    story_send_pool(s, "second");
    expect_slice(story_decision(s, "n1").pool, "second");
    expect(plan_pool_status_at(s->planner, 1, &now) && slice_is(now.name, "second"));
    expect_u64(now.subnet_count, 3);
    story_end(s);
}

TEST(plan_pools, without_any_the_reads_are_slow)
{
    struct story *s = story_needy_held();

    s->pools[0].paused = true;
    story_go(s);
    expect_u64(s->pace_ms, 2000); /* pods wait */
    pool_gone(s, "default");
    story_wait(s, 200);
    expect_u64(s->pace_ms, 30000);
    story_end(s);
}

TEST(plan_pools, a_conflict_is_told_once_and_by_the_leader)
{
    struct story *s = story_needy_held();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_node(s, "n3", "t3.medium", "a", 5);
    story_pool(s, "another");
    story_tell_kube(s);
    s->nodes[0].node.max_pods = 50;
    story_label(&s->nodes[0], "team", "a");
    story_send_node(s, "n1");
    story_saw_not(s, "PoolConflict");
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n1") };
    story_step(s, &gone);
    story_lease(s, true);
    story_read(s);
    story_sweep(s);
    expect_u64(story_count(s, "event pool default PoolConflict"), 1);
    story_saw(s, "node n2 is selected by SubnetPools another and default with equal weight 0");
    story_send_node(s, "n1");
    story_lease(s, false);
    story_lease(s, true);
    story_sweep(s);
    expect_u64(story_count(s, "event pool default PoolConflict"), 1);
    story_send_pool(s, "default"); /* an edit that did not help */
    story_send_node(s, "n1");
    story_end(s);
}

TEST(plan_pools, a_node_that_none_selects_is_in_no_conflict)
{
    struct story *s = story_needy_held();
    struct slice value = SLICE("b");
    struct selector_requirement wanted = { SLICE("team"), SELECTOR_IN, &value, 1 };

    story_pool(s, "second");
    s->pools[0].nodes = s->pools[1].nodes = (struct label_selector){ &wanted, 1 };
    story_go(s);
    story_is(s, "n1", PLAN_DECISION_NoPool);
    story_saw_not(s, "PoolConflict");
    story_end(s);
}

/* Edits of the node selector; after each the node is in the pool or not. */
TEST(plan_pools, each_edit_of_the_node_selector_is_followed)
{
    struct story *s = story_needy_held();
    struct slice values[2] = { SLICE("a"), SLICE("b") };
    struct selector_requirement wanted[2] = { { SLICE("team"), SELECTOR_IN, values, 1 },
                                              { SLICE("team"), SELECTOR_EXISTS, NULL, 0 } };

    story_label(&s->nodes[0], "team", "b");
    story_go(s);
    expect_slice(story_decision(s, "n1").pool, "default");
    s->pools[0].nodes = (struct label_selector){ wanted, 1 };
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_NoPool);
    wanted[0].value_count = 2;
    story_send_pool(s, "default");
    expect_slice(story_decision(s, "n1").pool, "default");
    wanted[0].key = SLICE("squad");
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_NoPool);
    wanted[0] = wanted[1];
    story_send_pool(s, "default");
    expect_slice(story_decision(s, "n1").pool, "default");
    wanted[0].op = SELECTOR_NOT_EXISTS;
    story_send_pool(s, "default");
    story_is(s, "n1", PLAN_DECISION_NoPool);
    s->pools[0].nodes.count = 0;
    story_send_pool(s, "default");
    expect_slice(story_decision(s, "n1").pool, "default");
    story_end(s);
}

TEST(plan_pools, both_limits_hold_at_once)
{
    struct story *s = story_needy_held();

    s->pools[0].max_enis = 1;
    s->pools[0].attach_per_minute = 5;
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    story_go(s);
    story_wait(s, 60);
    expect_u64(s->order_count, 1);
    story_is(s, "n2", PLAN_DECISION_PoolLimit);
    expect_contains(story_decision(s, "n2").detail, "would be attached");
    s->pools[0].max_enis = 2;
    story_send_pool(s, "default");
    expect_u64(s->order_count, 2);
    story_end(s);
}

TEST(plan_pools, attaches_a_minute_are_counted_to_the_second)
{
    struct story *s = story_begin();
    static const char *const names[] = { "n1", "n2", "n3", "n4", "n5" };

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 200);
    story_pool(s, "default")->attach_per_minute = 2;
    for (size_t i = 0; i < 5; i++) {
        story_node(s, names[i], "t3.medium", "a", 5);
        story_pods(s, names[i], 5, 1);
    }
    story_go(s);
    expect_u64(s->order_count, 2); /* the bucket was full */
    story_wait(s, 29);
    expect_u64(s->order_count, 2);
    story_wait(s, 2);
    expect_u64(s->order_count, 3);
    story_wait(s, 28);
    expect_u64(s->order_count, 3);
    story_wait(s, 2);
    expect_u64(s->order_count, 4);
    story_end(s);
}

TEST(plan_pools, security_groups_are_missing_only_when_they_were_read)
{
    struct story *s = story_needy_held();
    struct pair tag = { SLICE("pods"), SLICE("yes") };
    struct selector_term term = { .tags = &tag, .tag_count = 1 };
    struct plan_event event = { .kind = PLAN_GROUPS };

    s->pools[0].group_terms = &term;
    s->pools[0].group_term_count = 1;
    story_pool(s, "other")->weight = 0;
    story_pool(s, "gone");
    story_go(s);
    pool_gone(s, "gone");
    expect_text(s->status.conditions[1].reason, "SubnetsFound");
    story_step(s, &event); /* there is no group at all */
    struct pool_status now;
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect_text(now.conditions[1].reason, "SecurityGroupsNotFound");
    expect_u64(now.conditions[0].value, CONDITION_FALSE);
    expect(plan_pool_status_at(s->planner, 1, &now));
    expect_text(now.conditions[1].reason, "SubnetsFound");
    struct plan_group group = { .id = { "sg-2" }, .tags = &tag, .tag_count = 1 };
    event.groups.groups = &group;
    event.groups.count = 1;
    story_step(s, &event);
    expect(plan_pool_status_at(s->planner, 0, &now));
    expect_text(now.conditions[1].reason, "SubnetsFound");
    story_end(s);
}
