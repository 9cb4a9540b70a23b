/*
 * simulate_html.c - the report as one page: a table and plots in SVG, light or dark as the
 * reader's system is, no script, nothing from outside.
 *
 * Knows how to draw. Refuses to know what the numbers mean.
 */
#include "simulate.h"

enum { WIDTH = 880, LEFT = 56, RIGHT = 22, TOP = 10, BOTTOM = 24, HUES = 8, SHOWN_SUBNETS = 8 };

static const char style[] =
    ":root{color-scheme:light "
    "dark;--bg:#fbfbfa;--fg:#23262b;--soft:#6b7178;--line:#e3e4e2;--card:#fff;"
    "--agent:#c2571a;--headroom:#1f7a5c;--oracle:#7d8590}"
    "@media(prefers-color-scheme:dark){:root{--bg:#16181b;--fg:#e4e6e8;--soft:#949aa1;--line:#"
    "2c3035;"
    "--card:#1c1f23;--agent:#e98a4e;--headroom:#4fbf95;--oracle:#8b939d}}"
    "body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}"
    "main{max-width:928px;margin:0 auto;padding:32px 24px 64px}"
    "h1{font-size:24px;font-weight:600;margin:0 0 "
    "4px}h2{font-size:16px;font-weight:600;margin:32px 0 8px}"
    "p{margin:4px 0;color:var(--soft)}p.lead{color:var(--fg);font-size:17px;margin:16px 0}"
    "table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);"
    "border-radius:6px;font-variant-numeric:tabular-nums}"
    "th,td{padding:6px 14px;text-align:right;border-bottom:1px solid var(--line)}"
    "th:first-child,td:first-child{text-align:left}tr:last-child td{border-bottom:0}"
    "th{font-weight:600}td:first-child{color:var(--soft)}"
    "svg{display:block;width:100%;height:auto;background:var(--card);border:1px solid var(--line);"
    "border-radius:6px}"
    "svg text{font:11px system-ui,sans-serif;fill:var(--soft)}"
    ".grid{stroke:var(--line);stroke-width:1}.plot{fill:none;stroke-width:1.8;stroke-linejoin:"
    "round}"
    ".agent{stroke:var(--agent)}.headroom{stroke:var(--headroom)}.oracle{stroke:var(--oracle);"
    "stroke-dasharray:4 3}"
    ".key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:6px 0 "
    "8px;font-size:13px;color:var(--soft)}"
    ".key i{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;"
    "vertical-align:middle}"
    "ul{padding-left:20px}li{color:var(--agent)}"
    /* On a telephone plots are pushed aside rather than made too small to read. */
    ".wide{overflow-x:auto}"
    "@media(max-width:640px){main{padding:20px 16px 40px}table{font-size:13px}"
    "th,td{padding:5px 6px}svg{min-width:720px}}";

/* Told apart also by people who do not see all colours: Okabe and Ito's set, the yellow darkened.
 * */
static const char *const hues[HUES] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                        "#56b4e9", "#e69f00", "#b8a000", "#7f7f7f" };

static const char *const titles[] = { "agent alone", "with Headroom", "oracle" };

static const char *const subnet_titles[] = {
    "Free addresses by subnet, agent alone",
    "Free addresses by subnet, with Headroom",
    "Free addresses by subnet, oracle",
};

static void text(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.data[i]) {
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
            buf_add_char(out, s.data[i]);
        }
    }
}

/* ---- plots ---- */

struct plot {
    struct buf *out;
    uint32_t height;
    uint64_t end_ns;
    double top; /* value at the upper edge */
};

/* 1, 2 or 5 times a power of ten, so that at most five lines fit. */
static double step_of(double top)
{
    double step = 1;

    for (uint32_t i = 0; top / step > 5; i++) {
        step *= i % 3 == 1 ? 2.5 : 2;
    }
    return step;
}

static double x_of(const struct plot *plot, uint64_t at_ns)
{
    return LEFT + (double)(WIDTH - LEFT - RIGHT) * (double)at_ns / (double)plot->end_ns;
}

static double y_of(const struct plot *plot, double value)
{
    return TOP + (double)(plot->height - TOP - BOTTOM) * (1 - value / plot->top);
}

static void time_mark(struct buf *out, uint64_t at_s)
{
    if (at_s % 3600 == 0 && at_s > 0) {
        buf_addf(out, "%lluh", (unsigned long long)(at_s / 3600));
    } else if (at_s % 60 == 0) {
        buf_addf(out, "%llum", (unsigned long long)(at_s / 60));
    } else {
        buf_addf(out, "%llus", (unsigned long long)at_s);
    }
}

static uint64_t time_step_s(uint64_t end_s)
{
    static const uint64_t steps[] = { 10,   30,   60,   120,   300,   600,
                                      1800, 3600, 7200, 10800, 21600, 43200 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (end_s / steps[i] <= 10) {
            return steps[i];
        }
    }
    return 86400;
}

static void begin_plot(struct plot *plot, const char *label)
{
    uint64_t end_s = plot->end_ns / 1000000000, step_s = time_step_s(end_s);
    double step = step_of(plot->top);

    buf_addf(plot->out, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">",
             label);
    buf_addf(plot->out, "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"%s\">", WIDTH,
             plot->height, label);
    for (double value = 0; value <= plot->top; value += step) {
        double y = y_of(plot, value);
        buf_addf(plot->out,
                 "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                 "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>",
                 LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, value);
    }
    for (uint64_t at_s = 0; at_s <= end_s; at_s += step_s) {
        buf_addf(plot->out, "<text x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">",
                 x_of(plot, at_s * 1000000000), plot->height - 8);
        time_mark(plot->out, at_s);
        buf_add_text(plot->out, "</text>");
    }
}

/* Every `stride`-th value from `values` on; points on a straight run are left out. */
static void line(const struct plot *plot, const struct world_series *series, const uint32_t *values,
                 uint32_t stride, const char *class, const char *colour)
{
    buf_addf(plot->out, "<polyline class=\"plot %s\" stroke=\"%s\" points=\"", class, colour);
    for (uint32_t i = 0; i < series->count; i++) {
        bool same_before = i > 0 && values[i * stride] == values[(i - 1) * stride];
        bool same_after = i + 1 < series->count && values[i * stride] == values[(i + 1) * stride];
        if (!same_before || !same_after) {
            buf_addf(plot->out, "%.1f,%.1f ", x_of(plot, series->at_ns[i]),
                     y_of(plot, values[i * stride]));
        }
    }
    buf_add_text(plot->out, "\"/>");
}

static double most(const uint32_t *values, uint32_t count)
{
    uint32_t top = 0;

    for (uint32_t i = 0; i < count; i++) {
        top = values[i] > top ? values[i] : top;
    }
    return top;
}

static void key(const struct simulation *simulation, struct buf *out)
{
    buf_add_text(out, "<div class=\"key\">");
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        if (simulation->columns[column].there) {
            buf_addf(out, "<span><i style=\"background:var(--%s)\"></i>%s</span>",
                     world_column_name(column), titles[column]);
        }
    }
    buf_add_text(out, "</div>");
}

enum what { WAITING, ENIS, ADDRESSES };

static const uint32_t *values_of(const struct world_series *series, enum what what)
{
    return what == WAITING ? series->waiting : what == ENIS ? series->enis : series->addresses;
}

static void compare(const struct simulation *simulation, enum what what, const char *title,
                    struct buf *out)
{
    struct plot plot = { out, 200, simulation->duration_ns, 4 };

    buf_addf(out, "<h2>%s</h2>", title);
    key(simulation, out);
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        const struct world_series *series = &simulation->columns[column].series;
        double top = most(values_of(series, what), series->count) * 1.06;
        plot.top = top > plot.top ? top : plot.top;
    }
    begin_plot(&plot, title);
    for (enum world_column column = WORLD_COLUMNS; column > 0; column--) {
        const struct simulated *one = &simulation->columns[column - 1];
        if (one->there) {
            line(&plot, &one->series, values_of(&one->series, what), 1,
                 world_column_name(column - 1), "none");
        }
    }
    buf_add_text(out, "</svg></div>");
}

/* The smallest share of the subnet's addresses that was ever free. */
static double least_share(const struct world_series *series, uint32_t subnet)
{
    uint32_t least = UINT32_MAX;

    for (uint32_t i = 0; i < series->count; i++) {
        uint32_t free = series->free[i * series->subnet_count + subnet];
        least = free < least ? free : least;
    }
    return (double)least / (double)(series->totals[subnet] + 1);
}

/* The subnets that came closest to their end, in the scenario's order. */
static uint32_t choose_subnets(struct arena *arena, const struct world_series *series,
                               uint32_t chosen[SHOWN_SUBNETS])
{
    bool *taken = ARENA_ARRAY(arena, bool, series->subnet_count);
    uint32_t count = 0;

    for (uint32_t i = 0; i < SHOWN_SUBNETS && i < series->subnet_count; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t subnet = 0; subnet < series->subnet_count; subnet++) {
            if (!taken[subnet] &&
                (best == UINT32_MAX || least_share(series, subnet) < least_share(series, best))) {
                best = subnet;
            }
        }
        taken[best] = true;
    }
    for (uint32_t subnet = 0; subnet < series->subnet_count; subnet++) {
        if (taken[subnet]) {
            chosen[count++] = subnet;
        }
    }
    return count;
}

static void subnets(const struct simulation *simulation, enum world_column column,
                    const uint32_t *chosen, uint32_t count, struct buf *out)
{
    const struct world_series *series = &simulation->columns[column].series;
    struct plot plot = { out, 200, simulation->duration_ns, 4 };

    buf_addf(out, "<h2>%s</h2><div class=\"key\">", subnet_titles[column]);
    for (uint32_t i = 0; i < count; i++) {
        buf_addf(out, "<span><i style=\"background:%s\"></i>", hues[i % HUES]);
        text(out, series->subnets[chosen[i]]);
        buf_add_text(out, "</span>");
        for (uint32_t j = 0; j < series->count; j++) {
            double free = series->free[j * series->subnet_count + chosen[i]] * 1.06;
            plot.top = free > plot.top ? free : plot.top;
        }
    }
    buf_add_text(out, "</div>");
    begin_plot(&plot, subnet_titles[column]);
    for (uint32_t i = 0; i < count; i++) {
        line(&plot, series, series->free + chosen[i], series->subnet_count, "subnet",
             hues[i % HUES]);
    }
    buf_add_text(out, "</svg></div>");
}

/* ---- the page ---- */

static void verdict(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    const struct world_result *agent = &simulation->columns[WORLD_AGENT].result;
    const struct world_result *headroom = &simulation->columns[WORLD_HEADROOM].result;

    if (!simulation->columns[WORLD_AGENT].there || !simulation->columns[WORLD_HEADROOM].there) {
        return;
    }
    buf_addf(
        out,
        "<p class=\"lead\">Pods waited for addresses for <b>%.*s</b> in all with the agents alone, "
        "<b>%.*s</b> with Headroom; of it <b>%.*s</b> and <b>%.*s</b> while their zone had an "
        "address "
        "that they could have had.</p>",
        SLICE_ARG(simulate_duration(arena, agent->stall_s)),
        SLICE_ARG(simulate_duration(arena, headroom->stall_s)),
        SLICE_ARG(simulate_duration(arena, agent->avoidable_stall_s)),
        SLICE_ARG(simulate_duration(arena, headroom->avoidable_stall_s)));
}

static void table(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    struct slice name, value;

    buf_add_text(out, "<table><thead><tr><td></td>");
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        buf_addf(out, "<th>%s</th>", titles[column]);
    }
    buf_add_text(out, "</tr></thead><tbody>");
    for (uint32_t row = 0; simulate_row(arena, simulation, row, WORLD_AGENT, &name, &value);
         row++) {
        buf_add_text(out, "<tr><td>");
        text(out, name);
        buf_add_text(out, "</td>");
        for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
            (void)simulate_row(arena, simulation, row, column, &name, &value);
            buf_addf(out, "<td>%.*s</td>",
                     SLICE_ARG(simulation->columns[column].there ? value : SLICE("-")));
        }
        buf_add_text(out, "</tr>");
    }
    buf_add_text(out, "</tbody></table>");
}

static void violations(const struct simulation *simulation, struct buf *out)
{
    const struct simulated *one = &simulation->columns[WORLD_HEADROOM];

    if (one->violation_count == 0) {
        return;
    }
    buf_add_text(out, "<h2>Broken invariants</h2><ul>");
    for (uint32_t i = 0; i < one->violation_count && i < 50; i++) {
        buf_addf(out, "<li>%.1f s: ", (double)one->violations[i].at_ns / 1e9);
        text(out, slice_of(one->violations[i].text));
        buf_add_text(out, "</li>");
    }
    buf_add_text(out, "</ul>");
}

void simulate_html(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    uint32_t chosen[SHOWN_SUBNETS] = { 0 }, count = 0;

    buf_add_text(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    text(out, simulation->name);
    buf_addf(out,
             "</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
             "<style>%s</style></head><body><main><h1>",
             style);
    text(out, simulation->description.len > 0 ? simulation->description : simulation->name);
    buf_add_text(out, "</h1><p>");
    text(out, simulation->name);
    buf_addf(out, ", %.*s of virtual time, seed %llu, scale %g</p>",
             SLICE_ARG(simulate_duration(arena, (double)simulation->duration_ns / 1e9)),
             (unsigned long long)simulation->seed, simulation->scale);
    verdict(arena, simulation, out);
    table(arena, simulation, out);
    violations(simulation, out);
    compare(simulation, WAITING, "Pods that wait for an address", out);
    for (enum world_column column = 0; column < WORLD_ORACLE; column++) {
        if (simulation->columns[column].there) {
            count = count ? count
                          : choose_subnets(arena, &simulation->columns[column].series, chosen);
            subnets(simulation, column, chosen, count, out);
        }
    }
    compare(simulation, ENIS, "Attached ENIs", out);
    compare(simulation, ADDRESSES, "Addresses held by the cluster", out);
    buf_add_text(out, "</main></body></html>\n");
}
