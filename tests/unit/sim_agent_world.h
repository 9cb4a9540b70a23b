/*
 * sim_agent_world.h - a small world for tests of the modelled agent: one node, its subnets, and an
 * ENI that comes from outside.
 */
#ifndef SIM_AGENT_WORLD_H
#define SIM_AGENT_WORLD_H

#include <headroom/sim.h>

#include "test.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

/* The reconcile's slot is 5 s wide, and tagging and set-up take their time. */
#define ADOPTION_MAX_S 66

static const char scenario[] =
    "lag_ms: 0\n"
    "allocation: lowest\n"
    "security_groups: [{id: sg-node}, {id: sg-pods}]\n"
    "subnets:\n"
    "  - {id: subnet-a, zone: us-west-2a, cidr: 10.0.0.0/24}\n"
    "  - {id: subnet-b, zone: us-west-2a, cidr: 10.0.1.0/24}\n"
    "  - {id: subnet-t, zone: us-west-2a, cidr: 10.0.2.0/24, tags: {kubernetes.io/role/cni: '1'}}\n"
    "  - {id: subnet-x, zone: us-west-2a, cidr: 10.0.3.0/24, tags: {kubernetes.io/role/cni: '0'}}\n"
    "  - {id: subnet-o, zone: us-west-2c, cidr: 10.0.4.0/24, tags: {kubernetes.io/role/cni: '1'}}\n"
    "instances:\n"
    "  - {id: i-medium, type: t3.medium, subnet: subnet-a, groups: [sg-node]}\n"
    "  - {id: i-xlarge, type: m5.xlarge, subnet: subnet-a, groups: [sg-node]}\n";

struct world {
    struct sim_ec2 *ec2;
    struct sim_agent *agent;
    struct agent_settings settings;
    struct eniconfig eniconfig;
    struct aws_id instance;
    struct instance_type type;
    uint32_t max_pods;
    uint64_t seed, now_ns;
};

static inline struct aws_id id(const char *text)
{
    struct aws_id ret;

    require_ok(aws_id_set(&ret, slice_of(text)), NULL);
    return ret;
}

/* Subnets other than b are full unless a test gives them room: b is where no agent goes by itself.
 */
static inline void drain(struct world *world, const char *subnet, uint32_t free)
{
    struct error error = { 0 };
    struct aws_id which = id(subnet);

    require_ok(sim_ec2_drain(world->ec2, world->now_ns, &which, free, &error), &error);
}

static inline void begin(struct world *world, const char *instance, const char *type)
{
    struct error error = { 0 };

    *world = (struct world){ .seed = 1, .now_ns = 1000 * S, .max_pods = 110 };
    world->instance = id(instance);
    agent_settings_default(&world->settings);
    require(instance_type_builtin(slice_of(type), &world->type));
    require_ok(
        sim_ec2_new(slice_of(scenario), 1, world->now_ns, 1700000000 * S, &world->ec2, &error),
        &error);
    drain(world, "subnet-t", 0);
}

static inline void start_agent(struct world *world)
{
    struct sim_agent_config config = {
        .instance = world->instance,
        .node = SLICE("node-1"),
        .settings = world->settings,
        .type = world->type,
        .max_pods = world->max_pods,
        .eniconfig = world->eniconfig,
        .seed = world->seed,
        .warm_start_ns = world->now_ns,
        .trace = true,
    };

    world->agent = sim_agent_new(&config, world->ec2);
}

static inline void end(struct world *world)
{
    sim_agent_free(world->agent);
    sim_ec2_free(world->ec2);
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline void step_until(struct world *world, uint64_t until_ns)
{
    uint64_t next_ns = earlier(sim_agent_deadline_ns(world->agent),
                               sim_ec2_deadline_ns(world->ec2));

    world->now_ns = earlier(next_ns > world->now_ns ? next_ns : world->now_ns, until_ns);
    sim_ec2_advance(world->ec2, world->now_ns);
    sim_agent_advance(world->agent, world->now_ns);
}

static inline void pass(struct world *world, double seconds)
{
    uint64_t until_ns = world->now_ns + (uint64_t)(seconds * 1e9);

    while (world->now_ns < until_ns) {
        step_until(world, until_ns);
    }
}

static inline struct sim_agent_stats stats(const struct world *world)
{
    struct sim_agent_stats ret;

    sim_agent_stats(world->agent, &ret);
    return ret;
}

enum what { ADDRESSES, ENIS, ADOPTED, FREED, CALLS };

static inline uint64_t value(const struct world *world, enum what what)
{
    struct sim_agent_stats now = stats(world);
    uint64_t values[] = { now.addresses, now.enis, now.enis_adopted, now.enis_freed,
                          now.ec2_calls };

    return values[what];
}

/* Seconds until the value is `wanted`; fails after max_s. */
static inline double seconds_until(struct world *world, enum what what, uint64_t wanted,
                                   double max_s)
{
    uint64_t begun_ns = world->now_ns, until_ns = begun_ns + (uint64_t)(max_s * 1e9);

    while (value(world, what) != wanted && world->now_ns < until_ns) {
        step_until(world, until_ns);
    }
    if (value(world, what) != wanted) {
        test_fail("value %d is %llu after %.1f s, wanted %llu; the agent says:\n%s", (int)what,
                  (unsigned long long)value(world, what), max_s, (unsigned long long)wanted,
                  sim_agent_trace(world->agent, test_arena()).data);
    }
    return (double)(world->now_ns - begun_ns) / 1e9;
}

static inline void expect_between(double actual, double low, double high)
{
    if (actual < low || actual > high) {
        test_fail("%.2f s is not between %.2f and %.2f s", actual, low, high);
    } else {
        expect(true);
    }
}

static inline bool add(struct world *world, const char *pod, uint32_t *ret_ip)
{
    return sim_agent_add(world->agent, world->now_ns, slice_of(pod), ret_ip, NULL) == ERR_OK;
}

static inline bool served(struct world *world, const char *pod)
{
    uint32_t ip = 0;

    return add(world, pod, &ip);
}

/* An ENI from outside, at the highest free index, as a controller makes it. */
static inline struct aws_id attach(struct world *world, const char *subnet, uint32_t ips,
                                   uint32_t prefixes, const struct pair *tags, uint32_t tag_count)
{
    struct aws_id groups[] = { id("sg-node") }, eni = { 0 };
    struct eni_intent intent = {
        .instance = world->instance,
        .subnet = id(subnet),
        .device_index = world->type.enis - 1,
        .ips = ips,
        .prefixes = prefixes,
        .groups = groups,
        .group_count = 1,
        .tags = tags,
        .tag_count = tag_count,
    };

    require(sim_ec2_create_eni(world->ec2, world->now_ns, &intent, &eni) == CLOUD_OK);
    require(sim_ec2_attach_eni(world->ec2, world->now_ns, &eni, &world->instance,
                               intent.device_index) == CLOUD_OK);
    return eni;
}

static inline const struct eni *find_eni(struct world *world, const struct aws_id *eni)
{
    uint32_t count = 0;
    const struct eni *enis = sim_ec2_instance_enis(world->ec2, test_arena(), &world->instance,
                                                   &count);

    for (uint32_t i = 0; i < count; i++) {
        if (aws_id_eq(&enis[i].id, eni)) {
            return &enis[i];
        }
    }
    return NULL;
}

static inline bool in_subnet_b(uint32_t ip)
{
    return ip >> 8 == ((10u << 16) | 1);
}

/* Two addresses were left in subnet-a when the node came: two pods run, the third is refused, the
 * agent is in its cooldown. */
static inline void begin_exhausted(struct world *world)
{
    begin(world, "i-medium", "t3.medium");
    drain(world, "subnet-a", 2);
}

static inline void exhaust(struct world *world)
{
    start_agent(world);
    pass(world, 20);
    expect(served(world, "p1"));
    expect(served(world, "p2"));
    pass(world, 10);
    expect(!served(world, "p3"));
}

#endif
