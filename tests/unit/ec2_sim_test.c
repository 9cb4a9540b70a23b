/*
 * ec2_sim_test.c - the EC2 machine against the modelled EC2: reads that agree with it, and a
 * need met by one ENI wherever the controller crashes. Many needs: ec2_herd_test.c.
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

TEST(ec2, learns_the_vpc_from_its_first_instance_and_reads_all_of_it)
{
    memset(&seen, 0, sizeof(seen));
    world_start(&world, slice_of(small), 1);
    world.on_event = see;
    world_step(&world, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    world_tell_instance(&world, "i-0gone");
    world_tell_instance(&world, "i-a");
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
    world_tell_instance(&world, "i-a");
    world_act(&world, (struct plan_action){ .kind = PLAN_ATTACH, .id = 1, .attach = intent });
    expect(world_run(&world, 60 * WORLD_SECOND, reservations_seen));
    expect_u64(seen.reservations, 1);
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
