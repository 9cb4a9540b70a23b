/* plan_chaos.h - random clusters and happenings, shared by the chaos and the recorded runs. */
#ifndef PLAN_CHAOS_H
#define PLAN_CHAOS_H

#include <headroom/prng.h>

#include "plan_fixture.h"

enum { CHAOS_NODES = 8, CHAOS_SUBNETS = 6 };

extern const char *const chaos_letters[CHAOS_SUBNETS];
extern const char *const chaos_nodes[CHAOS_NODES];

uint32_t chaos_below(struct prng *prng, uint32_t limit);
/* Two zones of subnets, eight nodes, an agent and a pool with settings of all kinds. */
struct story *chaos_cluster(struct prng *prng);
/* Pods, subnets, failures, freed and adopted ENIs, nodes that go, leases, edits. */
void chaos_happen(struct story *s, struct prng *prng);

#endif
