/*
 * ec2_sim_test.c - the EC2 machine against the modelled EC2: reads that agree with it, and attaches
 * under faults that leave one ENI each.
 */
#include "ec2_world.h"

static struct world world;

/* ---- reading ---- */

static const char small[] =
    "region: us-west-2\n"
    "vpc: {id: vpc-test, cidrs: [10.0.0.0/16]}\n"
    "route_tables:\n"
    "  - {id: rtb-private, main: true, routes: [{destination: 0.0.0.0/0, target: nat-1}]}\n"
    "  - {id: rtb-public, routes: [{destination: 0.0.0.0/0, target: igw-1}]}\n"
    "subnets:\n"
    "  - {id: subnet-a, zone: us-west-2a, cidr: 10.0.0.0/24, tags: {kubernetes.io/role/cni: '1'}}\n"
    "  - {id: subnet-p, zone: us-west-2a, cidr: 10.0.3.0/24, route_table: rtb-public}\n"
    "  - {id: subnet-r, zone: us-west-2b, cidr: 10.0.4.0/26,\n"
    "     reservations: [{cidr: 10.0.4.32/28, type: prefix}]}\n"
    "security_groups:\n"
    "  - {id: sg-nodes, tags: {role: node}}\n"
    "instances:\n"
    "  - {id: i-a, type: m5.large, subnet: subnet-a, groups: [sg-nodes], secondary_ips: 2}\n"
    "  - {id: i-b, type: t3.medium, subnet: subnet-r, groups: [sg-nodes]}\n"
    "timing: {attach_ms: 0}\n";

static struct {
    uint32_t subnets, enis, sweep, groups, reservations;
    enum route_kind public_kind, private_kind;
    char private_table[AWS_ID_MAX], group_tag[16];
    uint32_t available, ips_of_a;
    struct instance_type type;
    uint32_t unknown_types;
} seen;

static void see_subnet(const struct subnet *subnet)
{
    struct slice role = { 0 };

    if (slice_is(aws_id_slice(&subnet->id), "subnet-p")) {
        seen.public_kind = subnet->route_kind;
    } else if (slice_is(aws_id_slice(&subnet->id), "subnet-a")) {
        seen.private_kind = subnet->route_kind;
        seen.available = subnet->available;
        (void)snprintf(seen.private_table, sizeof(seen.private_table), "%s",
                       subnet->route_table.text);
        expect(pair_find(subnet->tags, subnet->tag_count, SLICE(TAG_SUBNET_ROLE), &role));
        expect_slice(role, "1");
        expect_u64(subnet->cidr.base, 0x0A000000);
        expect_u64(subnet->cidr.bits, 24);
        expect_slice(subnet->zone, "us-west-2a");
    }
    seen.reservations += subnet->reservation_count;
}

static void see(struct world *w, const struct plan_event *event)
{
    (void)w;
    switch (event->kind) {
    case PLAN_SUBNETS:
        seen.subnets = event->subnets.count;
        seen.reservations = 0;
        for (uint32_t i = 0; i < event->subnets.count; i++) {
            see_subnet(&event->subnets.subnets[i]);
        }
        break;
    case PLAN_ENIS:
        seen.enis += event->enis.count;
        for (uint32_t i = 0; i < event->enis.count; i++) {
            if (slice_is(aws_id_slice(&event->enis.enis[i].instance), "i-a")) {
                seen.ips_of_a = event->enis.enis[i].ip_count;
            }
        }
        break;
    case PLAN_SWEEP:
        seen.sweep = event->enis.count;
        break;
    case PLAN_GROUPS:
        seen.groups = event->groups.count;
        break;
    case PLAN_TYPE:
        seen.type = event->type;
        expect_slice(event->type.name, "m5.large");
        seen.type.name = (struct slice){ 0 };
        break;
    case PLAN_TYPE_UNKNOWN:
        expect_slice(event->name, "no.such");
        seen.unknown_types++;
        break;
    default:
        break;
    }
}

static bool everything_seen(struct world *w)
{
    (void)w;
    return seen.subnets > 0 && seen.sweep > 0 && seen.groups > 0 && seen.enis > 0 &&
           seen.type.enis > 0 && seen.unknown_types > 0;
}

static void tell_instance(const char *id)
{
    struct ec2_input input = { .kind = EC2_INSTANCE };

    expect_ok(aws_id_set(&input.instance, slice_of(id)), NULL);
    world_step(&world, input);
}

TEST(ec2, learns_the_vpc_from_its_first_instance_and_reads_all_of_it)
{
    memset(&seen, 0, sizeof(seen));
    world_start(&world, slice_of(small), 1);
    world.on_event = see;
    tell_instance("i-0gone");
    tell_instance("i-a");
    world_act(&world,
              (struct plan_action){ .kind = PLAN_NEED_TYPE, .type_name = SLICE("m5.large") });
    world_act(&world,
              (struct plan_action){ .kind = PLAN_NEED_TYPE, .type_name = SLICE("no.such") });
    expect(world_run(&world, 30 * WORLD_SECOND, everything_seen));
    expect_u64(seen.subnets, 3);
    expect_u64(seen.sweep, 2);
    expect_u64(seen.groups, 2); /* and the VPC's default */
    expect_u64(seen.public_kind, ROUTE_PUBLIC);
    expect_u64(seen.private_kind, ROUTE_PRIVATE);
    expect_text(seen.private_table, "rtb-private");
    expect_u64(seen.available, 251 - 3);
    expect_u64(seen.ips_of_a, 2);
    expect_u64(seen.type.enis, 3);
    expect_u64(seen.type.ips_per_eni, 10);
    expect(seen.type.prefixes && seen.type.trunk);
    expect_u64(seen.reservations, 0); /* nobody uses prefixes: nobody asks */
    world_end(&world);
}

static bool reservations_seen(struct world *w)
{
    (void)w;
    return seen.reservations > 0;
}

TEST(ec2, reads_cidr_reservations_once_somebody_uses_prefixes)
{
    static const struct pair tags[] = { { { TAG_INTENT, 19 }, { "t", 1 } } };
    struct eni_intent intent = { .instance = { "i-a" },
                                 .subnet = { "subnet-a" },
                                 .device_index = 2,
                                 .prefixes = 1,
                                 .tags = tags,
                                 .tag_count = 1,
                                 .client_token = "t" };

    memset(&seen, 0, sizeof(seen));
    world_start(&world, slice_of(small), 1);
    world.on_event = see;
    world_step(&world, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    tell_instance("i-a");
    world_act(&world, (struct plan_action){ .kind = PLAN_ATTACH, .id = 1, .attach = intent });
    expect(world_run(&world, 60 * WORLD_SECOND, reservations_seen));
    expect_u64(seen.reservations, 1);
    world_end(&world);
}

/* ---- attaches under faults ---- */

enum { NODES = 120 };

static struct {
    char tokens[NODES][16];
    struct aws_id instances[NODES];
    bool met[NODES];
    uint32_t met_count, failures, free_enis, sweeps_after;
    uint64_t next_id, met_at_ns;
    bool settle;
} story;

static const struct pair story_tags[] = { { { TAG_INTENT, 19 }, { "x", 1 } } };

static void want(struct world *w, uint32_t node, const struct aws_id *eni)
{
    struct plan_action action = {
        .kind = PLAN_ATTACH,
        .id = ++story.next_id * 1000 + node,
        .rank = node,
        .attach = { .instance = story.instances[node],
                    .subnet = { "subnet-big" },
                    .device_index = 2,
                    .ips = 3,
                    .tags = story_tags,
                    .tag_count = 1 },
    };

    if (eni) {
        action.attach.eni = *eni;
    }
    (void)snprintf(action.attach.client_token, sizeof(action.attach.client_token), "%s",
                   story.tokens[node]);
    world_act(w, action);
}

/* Plays the planner: what failed is tried again, with the ENI if there is one. */
static void meet_needs(struct world *w, const struct plan_event *event)
{
    if (event->kind == PLAN_SWEEP && story.settle) {
        story.sweeps_after++;
        story.free_enis = 0;
        for (uint32_t i = 0; i < event->enis.count; i++) {
            story.free_enis += event->enis.enis[i].instance.text[0] == '\0';
        }
    }
    if (event->kind != PLAN_RESULT) {
        return;
    }
    uint32_t node = (uint32_t)(event->result.action % 1000);
    if (event->result.stage == CLOUD_DONE) {
        expect(!story.met[node]);
        story.met[node] = true;
        story.met_count++;
        story.met_at_ns = w->now_ns;
    } else if (event->result.stage == CLOUD_FAILED) {
        story.failures++;
        want(w, node, event->result.eni.text[0] ? &event->result.eni : NULL);
    }
}

static bool all_met(struct world *w)
{
    (void)w;
    return story.met_count == NODES;
}

static bool swept(struct world *w)
{
    (void)w;
    return story.sweeps_after > 0;
}

static void start_story(double share)
{
    struct buf scenario;

    memset(&story, 0, sizeof(story));
    buf_init(&scenario, 1024 * 1024);
    buf_add_text(
        &scenario,
        "region: us-west-2\n"
        "vpc: {id: vpc-test, cidrs: [10.0.0.0/16]}\n"
        "subnets:\n"
        "  - {id: subnet-nodes, zone: us-west-2a, cidr: 10.0.0.0/22}\n"
        "  - {id: subnet-big, zone: us-west-2a, cidr: 10.0.64.0/18}\n"
        "latency_ms: {default: 50, CreateNetworkInterface: 350, AttachNetworkInterface: 250}\n"
        "timing: {attach_ms: 300}\n"
        "lag_ms: 2000\n"
        "instances:\n");
    for (uint32_t i = 0; i < NODES; i++) {
        buf_addf(&scenario, "  - {id: i-%04u, type: m5.large, subnet: subnet-nodes}\n", i);
        (void)snprintf(story.instances[i].text, AWS_ID_MAX, "i-%04u", i);
        (void)snprintf(story.tokens[i], sizeof(story.tokens[i]), "token-%04u", i);
    }
    world_start(&world, buf_slice(&scenario), share);
    buf_done(&scenario);
    world.on_event = meet_needs;
    world_step(&world, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    tell_instance("i-0000");
    for (uint32_t i = 0; i < NODES; i++) {
        want(&world, i, NULL);
    }
}

/* As EC2 has it in truth: each instance its primary and one more, which goes with it. */
static void expect_one_eni_each(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t count = 0;
        arena_reset(&world.arena);
        const struct eni *enis = sim_ec2_instance_enis(world.sim, &world.arena, &story.instances[i],
                                                       &count);
        expect_u64(count, 2);
        if (count == 2) {
            expect_u64(enis[1].device_index, 2);
            expect(enis[1].delete_on_termination);
            expect_u64(enis[1].ip_count, 3);
        }
    }
    story.settle = true;
    expect(world_run(&world, 700 * WORLD_SECOND, swept));
    expect_u64(story.free_enis, 0);
}

TEST(ec2, attaches_as_fast_as_the_buckets_allow_and_is_never_throttled)
{
    struct ec2_stats stats;

    start_story(1);
    uint64_t begun = world.now_ns;
    expect(world_run(&world, 300 * WORLD_SECOND, all_met));
    ec2_stats(world.ec2, world.now_ns, &stats);
    for (uint32_t i = 0; i < stats.action_count; i++) {
        expect_u64(stats.actions[i].throttled, 0);
    }
    /* Attach: 50 at once, then 5 a second. */
    uint64_t least = (NODES - 50) / 5;
    expect((story.met_at_ns - begun) / WORLD_SECOND <= least * 115 / 100 + 2);
    expect_u64(story.failures, 0);
    expect_one_eni_each();
    world_end(&world);
}

TEST(ec2, leaves_one_eni_for_each_need_whatever_is_lost_on_the_way)
{
    static const char *const faults[] = {
        "{\"kind\":\"lost_reply\",\"action\":\"CreateNetworkInterface\",\"probability\":0.2,"
        "\"count\":\"all\"}",
        "{\"kind\":\"lost_reply\",\"action\":\"AttachNetworkInterface\",\"probability\":0.2,"
        "\"count\":\"all\"}",
        "{\"kind\":\"lost_reply\",\"action\":\"ModifyNetworkInterfaceAttribute\",\"probability\":0."
        "2,\"count\":\"all\"}",
        "{\"kind\":\"lost_request\",\"probability\":0.1,\"count\":\"all\"}",
        "{\"kind\":\"error\",\"status\":503,\"code\":\"Unavailable\",\"probability\":0.1,\"count\":"
        "\"all\"}",
        "{\"kind\":\"cut_body\",\"probability\":0.1,\"count\":\"all\"}",
        "{\"kind\":\"throttle\",\"probability\":0.05,\"count\":\"all\"}",
    };

    start_story(1);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        world_control(&world, "POST", "/_sim/fault", faults[i]);
    }
    world_control(&world, "POST", "/_sim/lag", "{\"ms\":10000}");
    expect(world_run(&world, 3600 * WORLD_SECOND, all_met));
    world_control(&world, "POST", "/_sim/clear", "{}");
    (void)world_run(&world, 15 * WORLD_SECOND, NULL);
    expect_one_eni_each();
    world_end(&world);
}

/* ---- crashes ---- */

static uint32_t crash_at;
static bool one_done;

static bool time_to_crash(struct world *w)
{
    return w->sent + w->answered >= crash_at;
}

static void see_one(struct world *w, const struct plan_event *event)
{
    (void)w;
    one_done = one_done || (event->kind == PLAN_RESULT && event->result.stage == CLOUD_DONE);
}

static bool is_done(struct world *w)
{
    (void)w;
    return one_done;
}

static void want_one(void)
{
    static const struct pair tags[] = { { { TAG_INTENT, 19 }, { "t", 1 } } };

    one_done = false;
    world_step(&world, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    world_act(&world, (struct plan_action){ .kind = PLAN_ATTACH,
                                            .id = 1,
                                            .attach = { .instance = { "i-a" },
                                                        .subnet = { "subnet-a" },
                                                        .device_index = 2,
                                                        .ips = 1,
                                                        .tags = tags,
                                                        .tag_count = 1,
                                                        .client_token = "t" } });
}

TEST(ec2, ends_with_one_eni_wherever_it_crashes)
{
    /* Three calls: six moments, before and after each answer. */
    for (crash_at = 1; crash_at <= 6; crash_at++) {
        uint32_t count = 0;
        world_start(&world, slice_of(small), 1);
        world.on_event = see_one;
        world_control(&world, "POST", "/_sim/lag", "{\"ms\":3000}");
        want_one();
        expect(world_run(&world, 60 * WORLD_SECOND, time_to_crash));
        world_crash(&world);
        want_one(); /* the same need has the same token */
        expect(world_run(&world, 60 * WORLD_SECOND, is_done));
        arena_reset(&world.arena);
        const struct eni *enis = sim_ec2_instance_enis(world.sim, &world.arena,
                                                       &(struct aws_id){ "i-a" }, &count);
        expect_u64(count, 2);
        expect(count == 2 && enis[1].delete_on_termination && enis[1].device_index == 2);
        uint32_t subnets = 0;
        const struct subnet *rows = sim_ec2_subnets(world.sim, &world.arena, &subnets);
        expect_u64(rows[0].available, 251 - 3 - 2); /* no second ENI lies about */
        world_end(&world);
    }
}

/* ---- sharing the account ---- */

static struct {
    uint64_t calls, throttled;
} agents;

/* Agents take two thirds of what EC2 refills: ten calls of each kind in three seconds. */
static void agents_call(struct world *w)
{
    static const struct aws_id nobody = { "i-0nobody" }, nothing = { "eni-0nothing" };
    struct eni_intent intent = { .subnet = { "subnet-0nowhere" } };
    struct aws_id eni;

    agents.calls += 3;
    agents.throttled += sim_ec2_create_eni(w->sim, w->now_ns, &intent, &eni) == CLOUD_THROTTLED;
    agents.throttled += sim_ec2_attach_eni(w->sim, w->now_ns, &nothing, &nobody, 1) ==
                        CLOUD_THROTTLED;
    agents.throttled += sim_ec2_set_delete_on_termination(w->sim, w->now_ns, &nothing) ==
                        CLOUD_THROTTLED;
}

TEST(ec2, leaves_the_agents_their_share_and_uses_its_own)
{
    struct ec2_stats stats;
    uint64_t ours = 0, requests = 0;

    memset(&agents, 0, sizeof(agents));
    start_story(0); /* the default: a third */
    world.others = agents_call;
    world.others_every_ns = 300 * WORLD_MS;
    /* The agents have been at it for a while: their part of the burst is gone. */
    for (int i = 0; i < 33; i++) {
        agents_call(&world);
    }
    uint64_t begun = world.now_ns;
    expect(world_run(&world, 600 * WORLD_SECOND, all_met));
    uint64_t took_ms = (story.met_at_ns - begun) / WORLD_MS;
    /* Attach: a third of 50 at once, then a third of 5 a second. */
    uint64_t least_ms = (NODES - 16) * 1000 * 3 / 5;
    if (took_ms > least_ms * 115 / 100) {
        test_fail("took %llu ms, the buckets allow %llu", (unsigned long long)took_ms,
                  (unsigned long long)least_ms);
    }
    ec2_stats(world.ec2, world.now_ns, &stats);
    for (uint32_t i = 0; i < stats.action_count; i++) {
        ours += stats.actions[i].throttled;
        requests += i >= 6 ? stats.actions[i].requests : 0;
    }
    expect_u64(agents.throttled, 0);
    expect_u64(ours, 0);
    /* Create, attach, modify, and next to nothing beside. */
    expect(requests * 10 <= NODES * 32);
    expect_one_eni_each();
    world_end(&world);
}
