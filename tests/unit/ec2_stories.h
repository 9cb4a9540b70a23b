/*
 * ec2_stories.h - small clusters whose controller makes each call of EC2 that it can make, for the
 * simulated world.
 */
#ifndef TESTS_EC2_STORIES_H
#define TESTS_EC2_STORIES_H

#include "sim/world/state.h"

/* After the world's headers: CUnit has macros of its own. */
#include "test.h"

#define NETWORK                                                                                    \
    "region: us-west-2\n"                                                                          \
    "vpc: {name: main, cidrs: [10.0.0.0/16]}\n"                                                    \
    "security_groups: [{name: nodes}]\n"                                                           \
    "subnets:\n"                                                                                   \
    "  - {name: nodes, zone: us-west-2a, cidr: 10.0.0.0/25, tags: {pool: pods}}\n"                 \
    "  - {name: spare, zone: us-west-2a, cidr: 10.0.1.0/25, tags: {pool: pods}}\n"                 \
    "instances:\n"                                                                                 \
    "  - {name: node-1, type: t3.medium, subnet: nodes, groups: [nodes]}\n"                        \
    "pools:\n"                                                                                     \
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"                   \
    "duration: 15m\n"

/* The node's subnet runs dry, pods wait: an ENI of the spare one is attached. */
#define STORY_ATTACH                                                                               \
    NETWORK                                                                                        \
    "kubernetes: {agent: {CLUSTER_NAME: sim, WARM_ENI_TARGET: \"0\"}}\n"                           \
    "demand:\n"                                                                                    \
    "  - {drain: nodes, at: 5s, free: 0}\n"                                                        \
    "  - {pods: web, at: 8s, count: 7}\n"

/* The need goes before the ENI is attached (where EC2 refuses that for a while): it is deleted. */
#define STORY_UNDO                                                                                 \
    NETWORK                                                                                        \
    "kubernetes: {agent: {CLUSTER_NAME: sim, WARM_ENI_TARGET: \"0\"}}\n"                           \
    "demand:\n"                                                                                    \
    "  - {drain: nodes, at: 5s, free: 0}\n"                                                        \
    "  - {jobs: web, at: 8s, count: 7, lifetime: 30s}\n"                                           \
    "  - {drain: nodes, at: 50s, free: 100}\n"

/* Custom networking: the agent would never ask where there is something: its ENI is topped up. */
#define STORY_ASSIGN                                                                               \
    "region: us-west-2\n"                                                                          \
    "vpc: {name: main, cidrs: [10.0.0.0/16]}\n"                                                    \
    "security_groups: [{name: nodes}]\n"                                                           \
    "subnets:\n"                                                                                   \
    "  - {name: nodes, zone: us-west-2a, cidr: 10.0.0.0/24}\n"                                     \
    "  - {name: pods, zone: us-west-2a, cidr: 10.0.1.0/25, tags: {pool: pods}}\n"                  \
    "  - {name: spare, zone: us-west-2a, cidr: 10.0.2.0/25, tags: {pool: pods}}\n"                 \
    "instances:\n"                                                                                 \
    "  - {name: node-1, type: t3.medium, subnet: nodes, groups: [nodes]}\n"                        \
    "kubernetes:\n"                                                                                \
    "  agent: {CLUSTER_NAME: sim, AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: \"true\",\n"                 \
    "    WARM_IP_TARGET: \"2\", ENI_CONFIG_LABEL_DEF: topology.kubernetes.io/zone}\n"              \
    "  eniConfigs:\n"                                                                              \
    "    - {name: us-west-2a, subnet: pods, securityGroups: [nodes]}\n"                            \
    "pools:\n"                                                                                     \
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"                   \
    "demand:\n"                                                                                    \
    "  - {drain: pods, at: 1m, over: 2m, free: 0}\n"                                               \
    "  - {pods: web, at: 2m30s, every: 15s, until: 4m30s, count: 1}\n"                             \
    "duration: 20m\n"

/* Prefixes: reservations matter; and a node of a type that our table does not know. */
#define STORY_PREFIX                                                                               \
    "region: us-west-2\n"                                                                          \
    "vpc: {name: main, cidrs: [10.0.0.0/16]}\n"                                                    \
    "security_groups: [{name: nodes}]\n"                                                           \
    "types: {x9.new: {enis: 3, ips: 10}}\n"                                                        \
    "subnets:\n"                                                                                   \
    "  - {name: nodes, zone: us-west-2a, cidr: 10.0.0.0/24, tags: {pool: pods}}\n"                 \
    "  - {name: spare, zone: us-west-2a, cidr: 10.0.1.0/24, tags: {pool: pods}}\n"                 \
    "instances:\n"                                                                                 \
    "  - {name: node-1, type: m5.large, subnet: nodes, groups: [nodes]}\n"                         \
    "  - {name: node-2, type: x9.new, subnet: nodes, groups: [nodes]}\n"                           \
    "kubernetes: {agent: {CLUSTER_NAME: sim, ENABLE_PREFIX_DELEGATION: \"true\"}}\n"               \
    "pools:\n"                                                                                     \
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"                   \
    "demand:\n"                                                                                    \
    "  - {drain: nodes, at: 5s, free: 0}\n"                                                        \
    "  - {pods: web, at: 8s, count: 40}\n"                                                         \
    "duration: 15m\n"

#endif
