/*
 * classes.c - the stall classes of the agent, one scenario each: alone it stalls, with Headroom it
 * does not.
 *
 * The bounds are what docs/simulator.md promises: no avoidable stall where the demand can be
 * foreseen, else attach and adoption.
 */
#include <stdio.h>

#include <headroom/io.h>
#include <headroom/world.h>

#include "sim.h"

enum { SCENARIO_MAX = 1 << 20 };

struct expectation {
    const char *scenario;
    double agent_least_s;   /* avoidable stall of the agent alone: the class is real */
    double headroom_most_s; /* avoidable stall with Headroom */
    double longest_wait_s;  /* with Headroom; 0: no pod may wait */
    bool nobody_can_help;   /* then pods wait in every column, and none of it is avoidable */
};

/* Attach, adoption up to 65 s, and the kubelet's next try. */
#define UNFORESEEN_S 82

static const struct expectation expectations[] = {
    { "1-no-slot", 0, 0, 0, true },
    /* The agent helps itself after a few seconds: it must not become worse. */
    { "2-nibbling", 10, 20, 16, false },
    { "3-custom-networking", 1000, 200, UNFORESEEN_S, false },
    { "4-untagged", 1000, 0, 0, false },
    { "5-all-or-nothing", 1000, 0, 0, false },
    { "6-cooldown", 400, 0, 0, false },
    { "7-fragmented", 1000, 0, 0, false },
    { "8-masked", 1000, 0, 0, false },
    { "9-herd", 1000, 0, 0, false },
};

/* False: *ret_why says what. */
static bool play(struct arena *arena, struct slice scenario, const char *name,
                 enum world_column column, struct world_result *ret, struct slice *ret_why)
{
    struct world_config config = {
        .scenario = scenario, .name = slice_of(name), .seed = 1, .column = column, .check = true
    };
    struct world *world = NULL;
    struct error error = { 0 };
    uint32_t count = 0;

    if (world_new(&config, &world, &error) != ERR_OK) {
        *ret_why = arena_printf(arena, "%s", error.text);
        return false;
    }
    while (world_run(world, UINT64_MAX / 4)) {
    }
    world_result(world, ret);
    const struct world_violation *violations = world_violations(world, &count);
    if (count > 0) {
        *ret_why = arena_printf(arena, "%s: at %.3f s: %s", world_column_name(column),
                                (double)violations[0].at_ns / 1e9, violations[0].text);
    }
    world_free(world);
    return count == 0;
}

static bool judge(struct arena *arena, const struct expectation *want,
                  const struct world_result *results, struct slice *ret_why)
{
    const struct world_result *agent = &results[WORLD_AGENT];
    const struct world_result *headroom = &results[WORLD_HEADROOM];
    const struct world_result *oracle = &results[WORLD_ORACLE];

    if (oracle->avoidable_stall_s > 0) {
        *ret_why = arena_printf(arena, "the oracle leaves %.1f s that it could avoid",
                                oracle->avoidable_stall_s);
    } else if (want->nobody_can_help &&
               (headroom->stall_s <= 0 || headroom->avoidable_stall_s > 0)) {
        *ret_why = arena_printf(arena,
                                "stall %.1f s, avoidable %.1f s: nobody should be able to help",
                                headroom->stall_s, headroom->avoidable_stall_s);
    } else if (agent->avoidable_stall_s < want->agent_least_s) {
        *ret_why = arena_printf(arena, "the agent alone stalls for %.1f s only: no such class",
                                agent->avoidable_stall_s);
    } else if (headroom->avoidable_stall_s > want->headroom_most_s) {
        *ret_why = arena_printf(arena,
                                "avoidable stall of %.1f s with Headroom, at most %.0f s allowed",
                                headroom->avoidable_stall_s, want->headroom_most_s);
    } else if (!want->nobody_can_help && headroom->wait_max_s > want->longest_wait_s) {
        *ret_why = arena_printf(arena, "a pod waits %.1f s with Headroom, at most %.0f s allowed",
                                headroom->wait_max_s, want->longest_wait_s);
    } else if (headroom->flaps > 0) {
        *ret_why = arena_printf(arena, "an agent freed an ENI that it had just been given");
    } else {
        return true;
    }
    return false;
}

void sim_classes(void)
{
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        const struct expectation *want = &expectations[i];
        struct world_result results[WORLD_COLUMNS] = { 0 };
        struct slice scenario = SLICE(""), why = SLICE("");
        struct error error = { 0 };
        struct arena arena;
        char path[128];

        arena_init(&arena);
        (void)snprintf(path, sizeof(path), "tests/sim/scenarios/%s.yaml", want->scenario);
        bool good = io_read_file(&arena, path, SCENARIO_MAX, &scenario, &error) == ERR_OK;
        why = good ? why : slice_of(error.text);
        for (enum world_column column = 0; column < WORLD_COLUMNS && good; column++) {
            good = play(&arena, scenario, path, column, &results[column], &why);
        }
        good = good && judge(&arena, want, results, &why);
        sim_verdict(want->scenario, good,
                    arena_printf(&arena,
                                 "%.*s; replay: build/headroom simulate %s --trace headroom",
                                 SLICE_ARG(why), path)
                        .data);
        arena_done(&arena);
    }
}
