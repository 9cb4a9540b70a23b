/* simulate.h - what the files of `headroom simulate` share. */
#ifndef CLI_SIMULATE_H
#define CLI_SIMULATE_H

#include <headroom/buf.h>
#include <headroom/world.h>

/* One column of a simulation that is over; all of it in an arena. */
struct simulated {
    bool there;
    struct world_result result;
    struct world_series series;
    const struct world_violation *violations;
    uint32_t violation_count;
};

struct simulation {
    struct slice name, description;
    uint64_t seed, duration_ns;
    double scale;
    const struct slice *remarks; /* on the scenario */
    uint32_t remark_count;
    struct simulated columns[WORLD_COLUMNS];
};

/* ---- in words (simulate_words.c) ---- */

const char *simulate_title(enum world_column column); /* "agent alone" */
/* "1h 35m", "12.4 s", "0 s"; "12,345" */
struct slice simulate_duration(struct arena *arena, double seconds);
struct slice simulate_count(struct arena *arena, uint64_t value);
/* Whether Headroom helps and what it costs, in words; empty: not both columns were played. */
struct slice simulate_verdict(struct arena *arena, const struct simulation *simulation);
/* The rows of the table: what it is called, and its value in a column as people read it. False: no
 * such row. */
bool simulate_row(struct arena *arena, const struct simulation *simulation, uint32_t row,
                  enum world_column column, struct slice *ret_name, struct slice *ret_value);
/* One self-contained page. */
void simulate_html(struct arena *arena, const struct simulation *simulation, struct buf *out);

#endif
