/*
 * main.c - known scenarios, and the traces that their runs left when somebody last looked at them.
 *
 *   build/tests/scenario            plays each and compares: a difference is shown as a diff
 *   build/tests/scenario --renew    writes the traces anew: `make traces`, then read `git diff`
 *
 * A trace is a story of a few lines: what the planner learnt that made it act, and what it asked
 * for. It changes only when the planner's behaviour does. The last line counts: "N passed, N
 * failed".
 */
#include <stdio.h>
#include <string.h>

#include <headroom/buf.h>
#include <headroom/io.h>

#include "trace.h"

enum { FILE_MAX = 64 << 10 };

static const struct {
    const char *name, *scenario;
} stories[] = {
    /* Nobody can help: a condition, a taint, an Event. */
    { "no-slot", "tests/sim/scenarios/1-no-slot.yaml" },
    /* Foreseen: an ENI without addresses, long before the subnet is dry. */
    { "untagged", "tests/sim/scenarios/4-untagged.yaml" },
    /* Not foreseen: an ENI with addresses as soon as a subnet has some. */
    { "cooldown", "tests/sim/scenarios/6-cooldown.yaml" },
    /* Prefix mode: free addresses, and no whole block. */
    { "fragmented", "tests/sim/scenarios/7-fragmented.yaml" },
    /* Killed between an ENI's making and its attach: the next one finds it. */
    { "crash", "tests/scenario/crash.yaml" },
};

static bool read_file(struct arena *arena, const char *path, struct slice *ret)
{
    struct error error = { 0 };

    if (io_read_file(arena, path, FILE_MAX, ret, &error) != ERR_OK) {
        *ret = arena_printf(arena, "%s", error.text);
        return false;
    }
    return true;
}

static bool write_file(const char *path, struct slice text)
{
    FILE *file = fopen(path, "w");

    if (!file) {
        return false;
    }
    bool good = fwrite(text.data, 1, text.len, file) == text.len;
    return fclose(file) == 0 && good;
}

/* False: *ret_why says what. */
static bool judge(struct arena *arena, size_t story, bool renew, struct slice *ret_why)
{
    struct slice scenario = SLICE(""), trace = SLICE(""), before = SLICE("");
    char path[128];

    (void)snprintf(path, sizeof(path), "tests/scenario/%s.trace", stories[story].name);
    if (!read_file(arena, stories[story].scenario, &scenario)) {
        *ret_why = scenario;
        return false;
    }
    if (!trace_play(arena, scenario, stories[story].scenario, &trace)) {
        *ret_why = trace;
        return false;
    }
    if (renew) {
        *ret_why = arena_printf(arena, "%s cannot be written", path);
        return write_file(path, trace);
    }
    if (!read_file(arena, path, &before)) {
        *ret_why = before;
        return false;
    }
    *ret_why = arena_printf(arena,
                            "the planner acts otherwise than %s says (-), namely so (+):\n%.*s"
                            "    If that is meant: make traces, and commit it with the change.",
                            path, SLICE_ARG(trace_diff(arena, before, trace)));
    return slice_eq(before, trace);
}

int main(int argc, char **argv)
{
    bool renew = argc > 1 && strcmp(argv[1], "--renew") == 0;
    unsigned passed = 0, failed = 0;

    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        struct arena arena;
        struct slice why = SLICE("");
        arena_init(&arena);
        if (judge(&arena, i, renew, &why)) {
            passed++;
            printf("ok %s\n", stories[i].name);
        } else {
            failed++;
            printf("FAIL %s\n    %.*s\n", stories[i].name, SLICE_ARG(why));
        }
        arena_done(&arena);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
