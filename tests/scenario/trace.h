/* trace.h - what the files of tests/scenario share. */
#ifndef TESTS_SCENARIO_TRACE_H
#define TESTS_SCENARIO_TRACE_H

#include <headroom/arena.h>
#include <headroom/slice.h>

/* Plays the scenario with seed 1 and writes what the planner was told and asked for, a line each.
 * False: *ret_trace says why there is none. */
bool trace_play(struct arena *arena, struct slice scenario, const char *name,
                struct slice *ret_trace);

/* The lines in which two texts differ, with three around them: "-" only in the first, "+" only in
 * the second. */
struct slice trace_diff(struct arena *arena, struct slice before, struct slice after);

#endif
