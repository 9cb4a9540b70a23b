/*
 * simulate_words.c - what came of a simulation in words and numbers for people: the same on the
 * terminal and on the page.
 *
 * Knows what is worth saying. Refuses to know where it is shown.
 */
#include "simulate.h"

const char *simulate_title(enum world_column column)
{
    static const char *const titles[] = { "agent alone", "with Headroom", "oracle" };

    return titles[column];
}

struct slice simulate_duration(struct arena *arena, double seconds)
{
    unsigned long long whole = (unsigned long long)(seconds + 0.5);

    if (seconds < 100) {
        return seconds < 0.05 ? SLICE("0 s") : arena_printf(arena, "%.1f s", seconds);
    }
    if (whole < 7200 && whole % 3600 != 0) {
        return whole % 60 == 0 ? arena_printf(arena, "%llum", whole / 60)
                               : arena_printf(arena, "%llum %02llus", whole / 60, whole % 60);
    }
    if (whole < 360000) {
        return whole % 3600 < 60
                   ? arena_printf(arena, "%lluh", whole / 3600)
                   : arena_printf(arena, "%lluh %02llum", whole / 3600, whole / 60 % 60);
    }
    return arena_printf(arena, "%.*s h", SLICE_ARG(simulate_count(arena, whole / 3600)));
}

struct slice simulate_count(struct arena *arena, uint64_t value)
{
    struct slice text = arena_printf(arena, "%llu", (unsigned long long)(value % 1000));

    while (value >= 1000) {
        value /= 1000;
        while (text.len % 4 != 3) { /* groups of three, and the commas between them */
            text = arena_printf(arena, "0%.*s", SLICE_ARG(text));
        }
        text = arena_printf(arena, "%llu,%.*s", (unsigned long long)(value % 1000),
                            SLICE_ARG(text));
    }
    return text;
}

bool simulate_row(struct arena *arena, const struct simulation *simulation, uint32_t row,
                  enum world_column column, struct slice *ret_name, struct slice *ret_value)
{
    const struct world_result *r = &simulation->columns[column].result;
    const struct {
        const char *name;
        bool time;
        double seconds;
        uint64_t count;
    } rows[] = {
        { "pods waited for, all together", true, r->stall_s, 0 },
        { "  of it avoidable", true, r->avoidable_stall_s, 0 },
        { "pods started", false, 0, r->pods_started },
        { "pods that waited", false, 0, r->pods_waited },
        { "wait of 99 in 100", true, r->wait_p99_s, 0 },
        { "longest wait", true, r->wait_max_s, 0 },
        { "still waiting at the end", false, 0, r->waiting },
        { "pods without a node at the end", false, 0, r->unscheduled },
        { "ENIs attached", false, 0, r->enis_attached },
        { "  of them by Headroom", false, 0, r->enis_preattached },
        { "most addresses held", false, 0, r->addresses_held_max },
        { "EC2 calls", false, 0, r->ec2_calls },
        { "  of them by Headroom", false, 0, r->controller_calls },
        { "attached and freed within 10 m", false, 0, r->flaps },
        { "instances without an address", false, 0, r->launch_failures },
    };

    if (row >= sizeof(rows) / sizeof(rows[0])) {
        return false;
    }
    *ret_name = slice_of(rows[row].name);
    *ret_value = rows[row].time ? simulate_duration(arena, rows[row].seconds)
                                : simulate_count(arena, rows[row].count);
    return true;
}

/* ---- the verdict ---- */

static struct slice of_help(struct arena *arena, const struct world_result *agent,
                            const struct world_result *headroom)
{
    double less = agent->stall_s > 0 ? 1 - headroom->stall_s / agent->stall_s : 0;
    struct slice with = simulate_duration(arena, headroom->stall_s);
    struct slice without = simulate_duration(arena, agent->stall_s);

    if (agent->stall_s < 0.05 && headroom->stall_s < 0.05) {
        return SLICE("No pod waits for an address, with Headroom or without.");
    }
    if (less < 0.005 && less > -0.005) {
        return arena_printf(arena,
                            "Headroom changes nothing here: pods wait %.*s in all, of it %.*s "
                            "while there was an address for them.",
                            SLICE_ARG(with),
                            SLICE_ARG(simulate_duration(arena, headroom->avoidable_stall_s)));
    }
    if (less < 0) {
        return arena_printf(arena,
                            "With Headroom pods wait longer here: %.*s in all rather than "
                            "%.*s.",
                            SLICE_ARG(with), SLICE_ARG(without));
    }
    if (headroom->stall_s < 0.05) {
        return arena_printf(arena,
                            "With Headroom no pod waits, rather than %.*s of them for %.*s "
                            "in all.",
                            SLICE_ARG(simulate_count(arena, agent->pods_waited)),
                            SLICE_ARG(without));
    }
    bool shorter = headroom->wait_max_s < agent->wait_max_s * 0.995;
    struct slice longest = simulate_duration(arena, headroom->wait_max_s);
    return arena_printf(
        arena,
        "With Headroom pods wait %.*f%% less: %.*s in all rather than %.*s, at "
        "most %.*s%s%.*s.",
        less > 0.99 && less < 0.9995 ? 1 : 0, less * 100, SLICE_ARG(with), SLICE_ARG(without),
        SLICE_ARG(longest), shorter ? " rather than " : " with or without it",
        SLICE_ARG(shorter ? simulate_duration(arena, agent->wait_max_s) : SLICE("")));
}

/* "12 more than", "3 fewer than", "as many as". */
static struct slice difference(struct arena *arena, uint64_t value, uint64_t before)
{
    if (value == before) {
        return SLICE("as many as");
    }
    return arena_printf(
        arena, "%.*s %s than",
        SLICE_ARG(simulate_count(arena, value > before ? value - before : before - value)),
        value > before ? "more" : "fewer");
}

static struct slice of_cost(struct arena *arena, const struct world_result *agent,
                            const struct world_result *headroom)
{
    return arena_printf(
        arena,
        "It attaches %.*s ENI%s; the cluster holds at most %.*s addresses (%.*s "
        "the agents alone) and makes %.*s EC2 calls (%.*s they).",
        SLICE_ARG(simulate_count(arena, headroom->enis_preattached)),
        headroom->enis_preattached == 1 ? "" : "s",
        SLICE_ARG(simulate_count(arena, headroom->addresses_held_max)),
        SLICE_ARG(difference(arena, headroom->addresses_held_max, agent->addresses_held_max)),
        SLICE_ARG(simulate_count(arena, headroom->ec2_calls)),
        SLICE_ARG(difference(arena, headroom->ec2_calls, agent->ec2_calls)));
}

/* What no address for pods could have helped. */
static struct slice of_nodes(struct arena *arena, const struct world_result *r)
{
    struct slice instances = SLICE(""), pods = SLICE("");

    if (r->launch_failures > 0) {
        instances = arena_printf(arena,
                                 " %.*s instance%s got no address in %s own subnet and never "
                                 "came.",
                                 SLICE_ARG(simulate_count(arena, r->launch_failures)),
                                 r->launch_failures == 1 ? "" : "s",
                                 r->launch_failures == 1 ? "its" : "their");
    }
    if (r->unscheduled > 0) {
        pods = arena_printf(arena, " %.*s pod%s found no node with room.",
                            SLICE_ARG(simulate_count(arena, r->unscheduled)),
                            r->unscheduled == 1 ? "" : "s");
    }
    return arena_printf(arena, "%.*s%.*s", SLICE_ARG(instances), SLICE_ARG(pods));
}

struct slice simulate_verdict(struct arena *arena, const struct simulation *simulation)
{
    const struct simulated *agent = &simulation->columns[WORLD_AGENT];
    const struct simulated *headroom = &simulation->columns[WORLD_HEADROOM];

    if (!agent->there || !headroom->there) {
        return SLICE("");
    }
    return arena_printf(arena, "%.*s %.*s%.*s",
                        SLICE_ARG(of_help(arena, &agent->result, &headroom->result)),
                        SLICE_ARG(of_cost(arena, &agent->result, &headroom->result)),
                        SLICE_ARG(of_nodes(arena, &headroom->result)));
}
