/*
 * plan_world.h - random clusters that live: agents that grow and free, pods within what there is,
 * people who edit. Broader than the chaos, which must keep every rule: here also the odd happens.
 */
#ifndef PLAN_WORLD_H
#define PLAN_WORLD_H

#include "plan_chaos.h"

/* Of the chaos, with settings of every kind, two pools for some, ENIConfigs and groups. */
struct story *world_cluster(struct prng *prng);
void world_happen(struct story *s, struct prng *prng);

#endif
