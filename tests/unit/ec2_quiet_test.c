/*
 * ec2_quiet_test.c - what a large cluster in which nothing happens costs the account: the whole
 * engine, 5,000 nodes with pods, virtual time.
 */
#include <stdio.h>

#include "sim/world/state.h"

/* After the world's headers: CUnit has macros of its own. */
#include "test.h"

enum { NODES = 5000, LOUD_MINUTES = 8, QUIET_MINUTES = 22, MOST_A_MINUTE = 20 };

static const char scenario[] =
    "region: us-west-2\n"
    "vpc: {name: main, cidrs: [10.0.0.0/8]}\n"
    "quotas: {enis: 100000, nau: 1000000}\n"
    "security_groups: [{name: nodes}]\n"
    "subnets:\n"
    "  - {name: a, zone: us-west-2a, cidr: 10.0.0.0/16, tags: {pool: pods, kubernetes.io/role/cni: "
    "'1'}}\n"
    "  - {name: a2, zone: us-west-2a, cidr: 10.1.0.0/16, tags: {pool: pods}}\n"
    "  - {name: b, zone: us-west-2b, cidr: 10.2.0.0/16, tags: {pool: pods, kubernetes.io/role/cni: "
    "'1'}}\n"
    "  - {name: b2, zone: us-west-2b, cidr: 10.3.0.0/16, tags: {pool: pods}}\n"
    "instances:\n"
    "  - {name: a, count: 2500, type: m5.large, subnet: a, groups: [nodes], secondary_ips: 9}\n"
    "  - {name: b, count: 2500, type: m5.large, subnet: b, groups: [nodes], secondary_ips: 9}\n"
    "kubernetes: {agent: {CLUSTER_NAME: sim, WARM_IP_TARGET: '2'}}\n"
    "pools:\n"
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"
    "duration: 31m\n";

TEST(ec2, asks_at_most_twenty_calls_a_minute_where_5000_nodes_are_quiet)
{
    struct world_config config = {
        .scenario = slice_of(scenario), .name = SLICE("quiet"), .seed = 2, .column = WORLD_HEADROOM
    };
    struct world *world = NULL;
    struct error error = { 0 };
    uint64_t before = 0, most = 0, begin = 0;

    require_ok(world_new(&config, &world, &error), &error);
    for (uint64_t minute = 1; minute <= LOUD_MINUTES + QUIET_MINUTES; minute++) {
        expect(world_run(world, minute * 60 * SIM_S));
        uint64_t calls = world->result.controller_calls - before;
        before = world->result.controller_calls;
        if (minute == LOUD_MINUTES) {
            begin = before;
        } else if (minute > LOUD_MINUTES && calls > most) {
            most = calls;
        }
    }
    expect_u64(world->node_count, NODES);
    expect(engine_planned(world->engine));
    printf("     measured: %d quiet nodes: %.1f calls of EC2 a minute, %llu in the busiest of %d\n",
           NODES, (double)(before - begin) / QUIET_MINUTES, (unsigned long long)most,
           QUIET_MINUTES);
    expect(before > begin); /* it still looks */
    expect(most <= MOST_A_MINUTE);
    world_free(world);
}
