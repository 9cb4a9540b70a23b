/* sim.h - what the files of tests/sim share. */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

void sim_verdict(const char *name, bool good, const char *why);

/* The scenarios of tests/sim/scenarios, in three columns. */
void sim_classes(void);

/* A cluster, its demand and its faults, all drawn from the seed. False: an invariant was broken. */
bool sim_random(uint64_t seed, bool loud);

#endif
