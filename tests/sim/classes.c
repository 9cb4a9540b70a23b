/*
 * classes.c - the stall classes of the agent, one scenario each: alone it stalls, with Headroom it
 * does not.
 *
 * In all but the one that no controller can help, nobody waits who could be helped: as with the
 * oracle. The one ends in a condition and an event. The last scenario is no class: an agent that
 * helps itself, if slowly, must not fare worse for our help.
 */
#include <stdio.h>

#include <headroom/io.h>
#include <headroom/world.h>

#include "sim.h"

enum { SCENARIO_MAX = 1 << 20 };

enum outcome {
    SERVED,    /* no pod waits with Headroom */
    HELPLESS,  /* pods wait in every column, none of it avoidable: users are told */
    NOT_WORSE, /* pods wait as they do with the agent alone */
};

struct expectation {
    const char *scenario;
    double agent_least_s; /* avoidable stall of the agent alone: the class is real */
    enum outcome outcome;
};

static const struct expectation expectations[] = {
    { "1-no-slot", 0, HELPLESS },
    { "2-nibbling", 100, SERVED },
    { "3-custom-networking", 1000, SERVED },
    { "4-untagged", 1000, SERVED },
    { "5-all-or-nothing", 1000, SERVED },
    { "6-cooldown", 400, SERVED },
    { "7-fragmented", 1000, SERVED },
    { "8-masked", 1000, SERVED },
    { "9-herd", 1000, SERVED },
    { "slow-agent", 10, NOT_WORSE },
};

/* Does the node that nobody can help say so, where users look? */
static bool says_so(const struct world *world)
{
    struct slice status = SLICE(""), reason = SLICE("");

    return world_condition(world, SLICE("node-1"), SLICE("SufficientIP"), &status, &reason) &&
           slice_is(status, "False") && slice_is(reason, "ENILimitReached") &&
           world_told(world, SLICE("NodeAtENILimit"), SLICE("node-1"));
}

/* False: *ret_why says what. */
static bool play(struct arena *arena, struct slice scenario, const char *name,
                 enum world_column column, struct world_result *ret, bool *ret_says_so,
                 struct slice *ret_why)
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
    *ret_says_so = says_so(world);
    const struct world_violation *violations = world_violations(world, &count);
    if (count > 0) {
        *ret_why = arena_printf(arena, "%s: at %.3f s: %s", world_column_name(column),
                                (double)violations[0].at_ns / 1e9, violations[0].text);
    }
    world_free(world);
    return count == 0;
}

static bool judge(struct arena *arena, const struct expectation *want,
                  const struct world_result *results, bool says, struct slice *ret_why)
{
    const struct world_result *agent = &results[WORLD_AGENT];
    const struct world_result *headroom = &results[WORLD_HEADROOM];
    const struct world_result *oracle = &results[WORLD_ORACLE];
    bool served = want->outcome == SERVED;

    if (oracle->avoidable_stall_s > 0) {
        *ret_why = arena_printf(arena, "the oracle leaves %.1f s that it could avoid",
                                oracle->avoidable_stall_s);
    } else if (agent->avoidable_stall_s < want->agent_least_s) {
        *ret_why = arena_printf(arena, "the agent alone stalls for %.1f s only: no such class",
                                agent->avoidable_stall_s);
    } else if (want->outcome == HELPLESS &&
               (headroom->stall_s <= 0 || headroom->avoidable_stall_s > 0)) {
        *ret_why = arena_printf(arena,
                                "stall %.1f s, avoidable %.1f s: nobody should be able to help",
                                headroom->stall_s, headroom->avoidable_stall_s);
    } else if ((want->outcome == HELPLESS) != says) {
        *ret_why = slice_of(says ? "SufficientIP is False at the end"
                                 : "no condition SufficientIP=False, or no event, names the limit");
    } else if (served && (headroom->avoidable_stall_s > 0 || headroom->wait_max_s > 0)) {
        *ret_why = arena_printf(arena, "avoidable stall of %.1f s, a pod waits for %.1f s",
                                headroom->avoidable_stall_s, headroom->wait_max_s);
    } else if (want->outcome == NOT_WORSE && headroom->stall_s > agent->stall_s) {
        *ret_why = arena_printf(arena, "stall of %.1f s, %.1f s with the agent alone",
                                headroom->stall_s, agent->stall_s);
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
        bool says[WORLD_COLUMNS] = { false };
        char path[128];

        arena_init(&arena);
        (void)snprintf(path, sizeof(path), "tests/sim/scenarios/%s.yaml", want->scenario);
        bool good = io_read_file(&arena, path, SCENARIO_MAX, &scenario, &error) == ERR_OK;
        why = good ? why : slice_of(error.text);
        for (enum world_column column = 0; column < WORLD_COLUMNS && good; column++) {
            good = play(&arena, scenario, path, column, &results[column], &says[column], &why);
        }
        good = good && judge(&arena, want, results, says[WORLD_HEADROOM], &why);
        sim_verdict(want->scenario, good,
                    arena_printf(&arena,
                                 "%.*s; replay: build/headroom simulate %s --trace headroom",
                                 SLICE_ARG(why), path)
                        .data);
        arena_done(&arena);
    }
}
