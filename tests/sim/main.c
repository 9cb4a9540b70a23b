/*
 * main.c - simulated clusters as tests: the nine stall classes, and random clusters with random
 * faults.
 *
 *   build/tests/sim                 the classes, 40 random clusters, and those that once showed a
 *                                   mistake
 *   build/tests/sim --seeds 10000   so many random clusters; --first N begins with another one
 *   build/tests/sim --replay 4711   one of them, with all that happened in it
 *
 * The last line counts: "N passed, N failed".
 */
#include <stdio.h>
#include <string.h>

#include <headroom/io.h>
#include <headroom/slice.h>

#include "sim.h"

/* What each of them brought to light is told by a test of tests/unit/plan_*: nodes at their limit
 * that nobody looked at again, ENIs given again to agents that had just freed one, reasons that
 * were not true. */
static const uint64_t telling[] = { 171,   254,   391,   768,   877,   998,   1165, 1261, 1295,
                                    1329,  1347,  1444,  2062,  2092,  2591,  3124, 3313, 3667,
                                    3691,  4190,  4364,  4608,  4671,  5004,  5082, 5112, 5464,
                                    5839,  6269,  7218,  7636,  8087,  8239,  8910, 9050, 9440,
                                    10244, 20263, 20455, 50098, 50361, 303068 };

static uint32_t passed, failed;

void sim_verdict(const char *name, bool good, const char *why)
{
    if (good) {
        passed++;
        printf("ok %s\n", name);
    } else {
        failed++;
        printf("FAIL %s\n    %s\n", name, why);
    }
    fflush(stdout);
}

static uint64_t number(int argc, char **argv, const char *flag, uint64_t absent)
{
    uint64_t value = absent;

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], flag) == 0 &&
            slice_u64(slice_of(argv[i + 1]), UINT64_MAX, &value) != ERR_OK) {
            fprintf(stderr, "%s takes a number, not %s\n", flag, argv[i + 1]);
        }
    }
    return value;
}

int main(int argc, char **argv)
{
    enum { USUAL = 40 };
    uint64_t replay = number(argc, argv, "--replay", UINT64_MAX);
    uint64_t seeds = number(argc, argv, "--seeds", USUAL);
    uint64_t first = number(argc, argv, "--first", 1);
    uint64_t until_ns = number(argc, argv, "--seconds", 0) * UINT64_C(1000000000);

    if (replay != UINT64_MAX) {
        return sim_random(replay, true) ? 0 : 1;
    }
    if (argc == 1) {
        sim_classes();
    }
    until_ns = until_ns ? io_now_ns() + until_ns : UINT64_MAX;
    for (uint64_t seed = first; seed < first + seeds && io_now_ns() < until_ns; seed++) {
        (void)sim_random(seed, false);
    }
    for (size_t i = 0; argc == 1 && i < sizeof(telling) / sizeof(telling[0]); i++) {
        (void)sim_random(telling[i], false);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
