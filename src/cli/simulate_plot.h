/*
 * simulate_plot.h - a plot of curves over time as HTML and SVG.
 *
 * The SVG is stretched to whatever room there is, in units of seconds and of values; labels are
 * HTML beside it, so that they are never stretched, nor small on a telephone.
 */
#ifndef CLI_SIMULATE_PLOT_H
#define CLI_SIMULATE_PLOT_H

#include "simulate.h"

struct plot_curve {
    const struct world_series *series;
    enum world_column column;
    const uint32_t *values; /* every stride-th one */
    uint32_t stride;
};

struct plot {
    struct arena *arena;
    double end_s;
    bool large; /* with room for more marks, and names at the curves' ends */
    struct plot_curve curves[WORLD_COLUMNS];
    uint32_t count;
};

void plot_init(struct plot *plot, struct arena *arena, uint64_t duration_ns, bool large);
/* Borrowed until the plot is written. */
void plot_add(struct plot *plot, const struct world_series *series, enum world_column column,
              const uint32_t *values, uint32_t stride);
/* `label`: what it shows, for those who do not see it. */
void plot_write(const struct plot *plot, struct slice label, struct buf *out);

/* Text as HTML. */
void plot_text(struct buf *out, struct slice text);

#endif
