/*
 * simulate_plot.c - drawing curves: scales, marks, points, names at the curves' ends.
 *
 * Knows how a plot is read. Refuses to know what is plotted.
 */
#include "simulate_plot.h"

void plot_text(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '&':
            buf_add_text(out, "&amp;");
            break;
        case '<':
            buf_add_text(out, "&lt;");
            break;
        case '"':
            buf_add_text(out, "&quot;");
            break;
        default:
            buf_add_char(out, text.data[i]);
        }
    }
}

void plot_init(struct plot *plot, struct arena *arena, uint64_t duration_ns, bool large)
{
    *plot = (struct plot){ .arena = arena, .end_s = (double)duration_ns / 1e9, .large = large };
}

void plot_add(struct plot *plot, const struct world_series *series, enum world_column column,
              const uint32_t *values, uint32_t stride)
{
    if (series->count > 0) {
        plot->curves[plot->count++] = (struct plot_curve){ series, column, values, stride };
    }
}

/* ---- scales ---- */

/* 1, 2 or 5 times a power of ten, so that at most so many lines fit. */
static uint64_t step_of(uint64_t top, uint64_t most)
{
    uint64_t step = 1;

    for (uint32_t i = 0; top > step * most; i++) {
        step = i % 3 == 1 ? step / 2 * 5 : step * 2;
    }
    return step;
}

static uint64_t time_step_s(double end_s, uint32_t most)
{
    static const uint64_t steps[] = { 1,   5,    10,   30,   60,    120,   300,
                                      600, 1800, 3600, 7200, 10800, 21600, 43200 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (end_s <= (double)steps[i] * most) {
            return steps[i];
        }
    }
    return 86400;
}

static uint32_t value_at(const struct plot_curve *curve, uint32_t i)
{
    return curve->values[(size_t)i * curve->stride];
}

static uint32_t most_of(const struct plot_curve *curve)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < curve->series->count; i++) {
        most = value_at(curve, i) > most ? value_at(curve, i) : most;
    }
    return most;
}

/* The lowest line of the grid that no curve exceeds. */
static uint64_t top_of(const struct plot *plot, uint64_t *ret_step)
{
    uint64_t most = plot->large ? 4 : 2;

    for (uint32_t i = 0; i < plot->count; i++) {
        uint32_t one = most_of(&plot->curves[i]);
        most = one > most ? one : most;
    }
    *ret_step = step_of(most, plot->large ? 5 : 3);
    return (most + *ret_step - 1) / *ret_step * *ret_step;
}

/* ---- marks ---- */

static struct slice time_mark(struct arena *arena, uint64_t at_s)
{
    unsigned long long s = at_s;

    return s == 0          ? SLICE("0")
           : s % 3600 == 0 ? arena_printf(arena, "%lluh", s / 3600)
           : s % 60 != 0   ? arena_printf(arena, "%llus", s)
           : s / 3600 == 0 ? arena_printf(arena, "%llum", s / 60)
                           : arena_printf(arena, "%lluh%02llu", s / 3600, s / 60 % 60);
}

static void write_times(const struct plot *plot, struct buf *out)
{
    uint64_t step_s = time_step_s(plot->end_s, plot->large ? 10 : 4);
    uint32_t number = 0;

    for (uint64_t at_s = 0; (double)at_s <= plot->end_s; at_s += step_s, number++) {
        buf_addf(out, "<span class=\"x%s\" style=\"left:%.2f%%\">%.*s</span>",
                 number % 2 == 1 && plot->large ? " odd" : "", (double)at_s / plot->end_s * 100,
                 SLICE_ARG(time_mark(plot->arena, at_s)));
    }
}

static void write_values(const struct plot *plot, uint64_t top, uint64_t step, struct buf *out)
{
    for (uint64_t value = 0; value <= top; value += step) {
        buf_addf(out, "<span class=\"y\" style=\"top:%.2f%%\">%.*s</span>",
                 100 - (double)value / (double)top * 100,
                 SLICE_ARG(simulate_count(plot->arena, value)));
    }
}

/* Names at the ends, pushed apart where curves end together: the lowest first. */
static void write_names(const struct plot *plot, uint64_t top, struct buf *out)
{
    enum { APART = 8 }; /* percent of the height */
    uint32_t order[WORLD_COLUMNS];
    double below = 100 + APART;

    for (uint32_t i = 0; i < plot->count; i++) {
        uint32_t at = i, value = value_at(&plot->curves[i], plot->curves[i].series->count - 1);
        while (at > 0) {
            const struct plot_curve *before = &plot->curves[order[at - 1]];
            if (value_at(before, before->series->count - 1) <= value) {
                break;
            }
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    for (uint32_t i = 0; i < plot->count; i++) {
        const struct plot_curve *curve = &plot->curves[order[i]];
        double at = 100 - (double)value_at(curve, curve->series->count - 1) / (double)top * 100;
        below = at < below - APART ? at : below - APART;
        buf_addf(out, "<span class=\"end %s\" style=\"top:%.2f%%\">%s</span>",
                 world_column_name(curve->column), below, simulate_title(curve->column));
    }
}

/* ---- curves ---- */

/* Points on a level run are left out, but for its ends. */
static void write_curve(const struct plot_curve *curve, uint64_t top, struct buf *out)
{
    const struct world_series *series = curve->series;

    buf_addf(out, "<polyline class=\"%s\" data-name=\"%s\" points=\"",
             world_column_name(curve->column), simulate_title(curve->column));
    for (uint32_t i = 0; i < series->count; i++) {
        uint32_t value = value_at(curve, i);
        bool level = i > 0 && i + 1 < series->count && value == value_at(curve, i - 1) &&
                     value == value_at(curve, i + 1);
        if (!level) {
            buf_addf(out, "%.8g,%llu ", (double)series->at_ns[i] / 1e9,
                     (unsigned long long)(top - value));
        }
    }
    buf_add_text(out, "\"/>");
}

/* "agent alone 0 at the beginning, at most 12, 3 at the end" for each curve. */
static void write_label(const struct plot *plot, struct slice label, struct buf *out)
{
    plot_text(out, label);
    for (uint32_t i = 0; i < plot->count; i++) {
        const struct plot_curve *curve = &plot->curves[i];
        buf_addf(out, "%s%s: %u at the beginning, at most %u, %u at the end", i > 0 ? "; " : ". ",
                 simulate_title(curve->column), value_at(curve, 0), most_of(curve),
                 value_at(curve, curve->series->count - 1));
    }
}

void plot_write(const struct plot *plot, struct slice label, struct buf *out)
{
    uint64_t step = 1, top = top_of(plot, &step);

    buf_addf(out,
             "<div class=\"area\" data-end=\"%.8g\" data-top=\"%llu\" role=\"img\" aria-label=\"",
             plot->end_s, (unsigned long long)top);
    write_label(plot, label, out);
    buf_addf(out,
             "\"><svg viewBox=\"0 0 %.8g %llu\" preserveAspectRatio=\"none\" "
             "aria-hidden=\"true\"><path d=\"",
             plot->end_s, (unsigned long long)top);
    for (uint64_t value = 0; value <= top; value += step) {
        buf_addf(out, "M0 %lluH%.8g", (unsigned long long)(top - value), plot->end_s);
    }
    buf_add_text(out, "\"/>");
    for (uint32_t i = 0; i < plot->count; i++) {
        write_curve(&plot->curves[i], top, out); /* thinner ones on thicker ones */
    }
    buf_add_text(out, "</svg>");
    write_values(plot, top, step, out);
    write_times(plot, out);
    if (plot->large) {
        write_names(plot, top, out);
    }
    buf_add_text(out, "<span class=\"at\"></span></div>");
}
