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
