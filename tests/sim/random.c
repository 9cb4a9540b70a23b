/*
 * random.c - a small cluster drawn from a seed: its network, its agents' settings, its demand; and
 * faults, which heal.
 *
 * Everything may happen at once. What must hold all the same are the world's invariants, and that
 * all is well some time after the last fault.
 */
#include <stdio.h>

#include <headroom/buf.h>
#include <headroom/prng.h>
#include <headroom/world.h>

#include "sim.h"

enum { SCENARIO_MAX = 64 << 10, MINUTES = 44 };

struct draw {
    struct prng prng;
    struct buf out;
    uint32_t zones, siblings, nodes;
    bool custom;
};

static uint32_t below(struct draw *draw, uint32_t limit)
{
    return (uint32_t)prng_below(&draw->prng, limit);
}

static bool chance(struct draw *draw, uint32_t percent)
{
    return below(draw, 100) < percent;
}

static void network(struct draw *draw)
{
    buf_add_text(&draw->out, "region: us-west-2\nvpc: {name: main, cidrs: [10.0.0.0/16]}\n"
                             "security_groups: [{name: nodes}]\nsubnets:\n");
    for (uint32_t zone = 0; zone < draw->zones; zone++) {
        for (uint32_t i = 0; i <= draw->siblings; i++) {
            bool tagged = i == 0 || chance(draw, 50);
            buf_addf(&draw->out,
                     "  - {name: s-%u-%u, zone: us-west-2%c, cidr: 10.0.%u.0/%u, tags: {pool: "
                     "pods%s}}\n",
                     zone, i, "abc"[zone], zone * 16 + i, 24 + below(draw, 3),
                     tagged ? ", kubernetes.io/role/cni: \"1\"" : "");
        }
    }
}

static void nodes(struct draw *draw)
{
    static const char *const types[] = { "t3.medium", "t3.small", "m5.large", "m5.xlarge" };

    buf_add_text(&draw->out, "instances:\n");
    for (uint32_t zone = 0; zone < draw->zones; zone++) {
        buf_addf(&draw->out,
                 "  - {name: n%u, count: %u, type: %s, subnet: s-%u-0, groups: [nodes]}\n", zone,
                 draw->nodes, types[below(draw, 4)], zone);
    }
}

static void settings(struct draw *draw)
{
    buf_add_text(&draw->out, "kubernetes:\n  agent:\n    CLUSTER_NAME: sim\n");
    switch (below(draw, 5)) {
    case 0:
        buf_addf(&draw->out, "    WARM_ENI_TARGET: \"%u\"\n", below(draw, 3));
        break;
    case 1:
        buf_addf(&draw->out, "    WARM_IP_TARGET: \"%u\"\n", 1 + below(draw, 5));
        break;
    case 2:
        buf_addf(&draw->out, "    MINIMUM_IP_TARGET: \"%u\"\n    WARM_IP_TARGET: \"%u\"\n",
                 2 + below(draw, 8), 1 + below(draw, 3));
        break;
    case 3:
        buf_add_text(&draw->out,
                     "    ENABLE_PREFIX_DELEGATION: \"true\"\n    WARM_PREFIX_TARGET: \"1\"\n");
        break;
    default:
        break;
    }
    if (chance(draw, 25)) {
        buf_add_text(&draw->out, "    ENABLE_SUBNET_DISCOVERY: \"false\"\n");
    }
    draw->custom = chance(draw, 15);
    if (!draw->custom) {
        return;
    }
    buf_add_text(&draw->out, "    AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: \"true\"\n"
                             "    ENI_CONFIG_LABEL_DEF: topology.kubernetes.io/zone\n"
                             "  eniConfigs:\n");
    for (uint32_t zone = 0; zone < draw->zones; zone++) {
        buf_addf(&draw->out, "    - {name: us-west-2%c, subnet: s-%u-1, securityGroups: [nodes]}\n",
                 "abc"[zone], zone);
    }
}

static void pool(struct draw *draw)
{
    static const char *const strategies[] = { "MostFree", "Balanced", "Ordered" };

    buf_addf(&draw->out,
             "pools:\n  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}], "
             "reservedIPs: %u, strategy: %s, onNodeExhausted: %s%s}}\n",
             below(draw, 10), strategies[below(draw, 3)], chance(draw, 50) ? "Taint" : "Report",
             chance(draw, 20) ? ", limits: {attachPerMinute: 6}" : "");
}

/* All of it within the first half hour or so; the rest is for the settling. */
static void demand(struct draw *draw)
{
    uint32_t zone = below(draw, draw->zones);

    buf_add_text(&draw->out, "demand:\n");
    buf_addf(&draw->out, "  - {pods: base, at: 10s, count: %u}\n",
             draw->zones * draw->nodes * (1 + below(draw, 3)));
    buf_addf(&draw->out, "  - {pods: drip, at: %us, every: %us, until: %um, count: 1}\n",
             60 + below(draw, 200), 2 + below(draw, 15), 6 + below(draw, 6));
    for (uint32_t i = 0; i < draw->zones; i++) {
        if (chance(draw, 70)) {
            buf_addf(&draw->out, "  - {drain: s-%u-%u, at: %us, over: %us, free: %u}\n", i,
                     draw->custom, 30 + below(draw, 300), below(draw, 300), below(draw, 20));
        }
    }
    if (chance(draw, 50)) {
        buf_addf(&draw->out,
                 "  - {pods: wave, at: %us, every: 5m, until: 18m, count: %u, lifetime: %us}\n",
                 60 + below(draw, 300), 1 + below(draw, 3 * draw->nodes), 60 + below(draw, 300));
    }
    if (chance(draw, 40)) {
        buf_addf(&draw->out,
                 "  - {jobs: batch, at: %us, every: 3m, until: 15m, count: %u, lifetime: %us}\n",
                 60 + below(draw, 300), 1 + below(draw, 2 * draw->nodes), 10 + below(draw, 60));
    }
    if (chance(draw, 40)) {
        buf_addf(&draw->out, "  - {restart: base, at: %us, count: %u}\n", 300 + below(draw, 600),
                 1 + below(draw, 4));
    }
    if (chance(draw, 40)) {
        buf_addf(&draw->out, "  - {nodes: n%u, at: %us, count: %u, lifetime: %us}\n", zone,
                 60 + below(draw, 600), 1 + below(draw, 3), 300 + below(draw, 600));
    }
    if (chance(draw, 30)) {
        buf_addf(&draw->out, "  - {vanish: n%u%s, at: %us}\n", zone, draw->nodes > 1 ? "-1" : "",
                 120 + below(draw, 900));
    }
    if (chance(draw, 20)) {
        buf_addf(&draw->out, "  - {cordon: n%u%s, at: %us, lifetime: %us}\n", zone,
                 draw->nodes > 1 ? "-1" : "", 60 + below(draw, 600), 60 + below(draw, 600));
    }
    if (chance(draw, 15)) {
        buf_addf(&draw->out, "  - {agents: restart, at: %us}\n", 120 + below(draw, 900));
    }
}

static void write_scenario(struct draw *draw)
{
    draw->zones = 1 + below(draw, 3);
    draw->siblings = 1 + below(draw, 3);
    draw->nodes = 1 + below(draw, 6);
    buf_addf(&draw->out, "duration: %dm\n", MINUTES);
    network(draw);
    nodes(draw);
    settings(draw);
    pool(draw);
    demand(draw);
}

bool sim_random(uint64_t seed, bool loud)
{
    struct draw draw;
    struct world *world = NULL;
    struct error error = { 0 };
    uint32_t count = 0;
    char name[64], why[512];

    prng_init(&draw.prng, seed * 7919);
    buf_init(&draw.out, SCENARIO_MAX);
    write_scenario(&draw);
    if (loud) {
        printf("%.*s\n", SLICE_ARG(buf_slice(&draw.out)));
    }
    struct world_config config = {
        .scenario = buf_slice(&draw.out),
        .name = SLICE("random"),
        .seed = seed,
        .column = WORLD_HEADROOM,
        .faults = true,
        .check = true,
    };
    (void)snprintf(name, sizeof(name), "random cluster %llu", (unsigned long long)seed);
    if (world_new(&config, &world, &error) != ERR_OK) {
        sim_verdict(name, false, error.text);
        buf_done(&draw.out);
        return false;
    }
    while (world_run(world, UINT64_MAX / 4)) {
    }
    const struct world_violation *violations = world_violations(world, &count);
    (void)snprintf(why, sizeof(why), "at %.3f s: %s; replay: build/tests/sim --replay %llu",
                   count ? (double)violations[0].at_ns / 1e9 : 0, count ? violations[0].text : "",
                   (unsigned long long)seed);
    if (loud) {
        printf("%.*s\n", SLICE_ARG(world_trace(world)));
    }
    sim_verdict(name, count == 0, why);
    world_free(world);
    buf_done(&draw.out);
    return count == 0;
}
