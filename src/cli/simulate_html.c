/*
 * simulate_html.c - the report as one page, light or dark as the reader's system is, nothing from
 * outside: the verdict, what it rests on at a glance, plots, all numbers.
 *
 * Knows the page's parts and their order. Refuses to know how a plot is drawn (simulate_plot.c) and
 * what the numbers mean.
 */
#include "simulate_plot.h"

enum { SHOWN_SUBNETS = 24, SHOWN_VIOLATIONS = 50 };

/* Blue, vermilion and grey are told apart by people who do not see all colours, and by their
 * strokes. */
static const char style[] =
    ":root{color-scheme:light dark;--bg:#f8f8f7;--fg:#1f2328;--soft:#59616a;--line:#e1e3e1;"
    "--card:#fff;--agent:#b8480f;--headroom:#0a62a8;--oracle:#6b737c}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--soft:#a2a9b1;"
    "--line:#30353b;--card:#1b1f23;--agent:#f2955a;--headroom:#67b7f5;--oracle:#98a1aa}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}"
    "h1{font-size:22px;font-weight:600;margin:0 0 2px;overflow-wrap:anywhere}"
    "h2{font-size:17px;font-weight:600;margin:40px 0 4px}"
    "h3,.card h2{font-size:14px;font-weight:600;margin:0;overflow-wrap:anywhere}"
    "p{margin:4px 0;color:var(--soft)}"
    ".lead strong{font-weight:600}.lead{color:var(--fg);font-size:19px;line-height:1.4;margin:20px "
    "0}"
    ".notes{margin:12px 0;padding:10px 16px 10px 32px;border-left:3px solid var(--agent);"
    "background:var(--card);overflow-wrap:anywhere}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}"
    ".bar{display:grid;grid-template-columns:1fr auto;gap:0 8px;margin-top:6px;font-size:13px;"
    "color:var(--soft)}.bar b{color:var(--fg);font-size:15px;font-variant-numeric:tabular-nums}"
    ".bar i{grid-column:1/3;height:6px;border-radius:3px;background:var(--c)}"
    ".agent{--c:var(--agent)}.headroom{--c:var(--headroom)}.oracle{--c:var(--oracle)}"
    ".key{display:flex;flex-wrap:wrap;gap:2px 18px;margin:2px 0 8px;font-size:13px;"
    "color:var(--soft)}"
    ".key i{display:inline-block;width:18px;border-top:3px solid var(--c);margin-right:6px;"
    "vertical-align:middle}.key .oracle i{border-top-style:dotted}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px}"
    "figure{margin:0}figcaption{display:flex;justify-content:space-between;gap:12px;"
    "align-items:baseline;min-height:22px}"
    ".read{font-size:12px;color:var(--soft);text-align:right;font-variant-numeric:tabular-nums}"
    ".area{position:relative;height:210px;margin:10px 116px 26px 58px;font-size:12px;"
    "color:var(--soft);cursor:crosshair;touch-action:pan-y}"
    ".grid .area{height:110px;margin:8px 12px 24px 50px}"
    ".area:focus-visible{outline:2px solid var(--headroom);outline-offset:4px}"
    ".area svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}"
    ".area path,.area polyline{fill:none;vector-effect:non-scaling-stroke}"
    ".area path{stroke:var(--line)}"
    ".area polyline{stroke:var(--c);stroke-width:2;stroke-linejoin:round}"
    ".area polyline.oracle{stroke-dasharray:2 4;stroke-linecap:round}"
    ".area polyline.agent{stroke-width:4}"
    ".area span{position:absolute;white-space:nowrap;line-height:1}"
    ".y{right:100%;margin-right:8px;transform:translateY(-50%)}"
    ".x{top:100%;margin-top:8px;transform:translateX(-50%)}"
    ".end{left:100%;margin-left:8px;transform:translateY(-50%);color:var(--c)}"
    ".at{top:0;bottom:0;width:0;border-left:1px solid var(--fg);display:none}"
    ".note{font-size:12px;margin:-2px 0 0 58px}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:5px 0 5px 16px;text-align:right;border-bottom:1px solid var(--line)}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}"
    "tr:last-child>*{border-bottom:0}td{white-space:nowrap}th{font-weight:600}tbody "
    "th{font-weight:400;"
    "color:var(--soft)}tbody th.sub{padding-left:16px}.wide{overflow-x:auto}"
    "@media(max-width:640px){main{padding:20px 14px 40px}.lead{font-size:17px}"
    "table{font-size:13px}th,td{padding-left:8px}.area{margin-right:14px;height:180px}"
    ".area .end,.area .odd{display:none}.grid{grid-template-columns:1fr}figcaption{display:block}"
    ".read{text-align:left;min-height:18px}}";

/* Where the pointer or the arrow keys are in a plot, its values are read out. The curves' points
 * are seconds and values, so nothing else is needed. */
static const char script[] =
    "for(const area of document.querySelectorAll('.area')){"
    "const read=area.closest('figure').querySelector('.read'),mark=area.querySelector('.at'),"
    "end=+area.dataset.end,top=+area.dataset.top;"
    "const "
    "rest=read.textContent,lines=[...area.querySelectorAll('polyline')].map(l=>({name:l.dataset."
    "name,"
    "points:l.getAttribute('points').trim().split(' ').map(p=>p.split(',').map(Number))}));"
    "let at=null;"
    "const value=(p,t)=>{let a=0,b=p.length-1;while(b-a>1){const m=a+b>>1;p[m][0]<=t?a=m:b=m}"
    "const f=p[b][0]>p[a][0]?Math.min(1,Math.max(0,(t-p[a][0])/(p[b][0]-p[a][0]))):0;"
    "return Math.round(top-(p[a][1]+f*(p[b][1]-p[a][1])))};"
    "const time=s=>{s=Math.round(s);const h=Math.floor(s/3600),m=Math.floor(s/60)%60,"
    "r=s%60;return h?h+'h '+m+'m':m?m+'m '+r+'s':r+'s'};"
    "const show=t=>{at=t;if(t===null){mark.style.display='none';read.textContent=rest;return}"
    "at=Math.min(end,Math.max(0,t));mark.style.display='block';mark.style.left=at/end*100+'%';"
    "read.textContent=time(at)+': '+lines.map(l=>l.name+' '+"
    "value(l.points,at).toLocaleString('en-US')).join(' \\u00b7 ');"
    "area.setAttribute('aria-valuenow',Math.round(at));"
    "area.setAttribute('aria-valuetext',read.textContent)};"
    "area.setAttribute('role','slider');area.tabIndex=0;"
    "area.setAttribute('aria-valuemin',0);area.setAttribute('aria-valuemax',Math.round(end));"
    "area.setAttribute('aria-valuenow',0);"
    "area.addEventListener('pointermove',e=>{const r=area.getBoundingClientRect();"
    "show((e.clientX-r.left)/r.width*end)});"
    "area.addEventListener('pointerleave',()=>show(null));"
    "area.addEventListener('focus',()=>area.matches(':focus-visible')&&show(at===null?end:at));"
    "area.addEventListener('blur',()=>show(null));"
    "area.addEventListener('keydown',e=>{const step=end/(e.shiftKey?10:100),"
    "to={ArrowLeft:at-step,ArrowRight:at+step,Home:0,End:end}[e.key];"
    "if(to!==undefined){e.preventDefault();show(to)}})}";

/* ---- at a glance ---- */

struct measure {
    double value;
    struct slice text;
};

static void tile(const struct simulation *simulation, const char *title,
                 const struct measure measures[WORLD_COLUMNS], struct buf *out)
{
    double most = 0;

    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        most = measures[column].value > most ? measures[column].value : most;
    }
    buf_addf(out, "<div class=\"card\"><h2>%s</h2>", title);
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        if (simulation->columns[column].there) {
            buf_addf(out,
                     "<div class=\"bar %s\"><span>%s</span><b>%.*s</b>"
                     "<i style=\"width:%.1f%%\"></i></div>",
                     world_column_name(column), simulate_title(column),
                     SLICE_ARG(measures[column].text),
                     most > 0 ? measures[column].value / most * 100 : 0);
        }
    }
    buf_add_text(out, "</div>");
}

static void tiles(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    struct measure stall[WORLD_COLUMNS], longest[WORLD_COLUMNS];
    struct measure held[WORLD_COLUMNS], calls[WORLD_COLUMNS];

    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        const struct world_result *r = &simulation->columns[column].result;
        stall[column] = (struct measure){ r->stall_s, simulate_duration(arena, r->stall_s) };
        longest[column] = (struct measure){ r->wait_max_s,
                                            simulate_duration(arena, r->wait_max_s) };
        held[column] = (struct measure){ r->addresses_held_max,
                                         simulate_count(arena, r->addresses_held_max) };
        calls[column] = (struct measure){ (double)r->ec2_calls,
                                          simulate_count(arena, r->ec2_calls) };
    }
    buf_add_text(out, "<div class=\"tiles\">");
    tile(simulation, "Waiting, all pods together", stall, out);
    tile(simulation, "Longest wait of a pod", longest, out);
    tile(simulation, "Cost: most addresses held", held, out);
    tile(simulation, "Cost: EC2 calls", calls, out);
    buf_add_text(out, "</div>");
}

/* ---- all numbers ---- */

static void table(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    struct slice name, value;

    buf_add_text(out, "<h2>All numbers</h2><div class=\"wide card\" tabindex=\"0\" role=\"region\" "
                      "aria-label=\"All numbers\"><table><thead><tr><td></td>");
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        buf_addf(out, "<th scope=\"col\">%s</th>", simulate_title(column));
    }
    buf_add_text(out, "</tr></thead><tbody>");
    for (uint32_t row = 0; simulate_row(arena, simulation, row, WORLD_AGENT, &name, &value);
         row++) {
        buf_addf(out, "<tr><th scope=\"row\"%s>%.*s</th>",
                 slice_starts(name, SLICE(" ")) ? " class=\"sub\"" : "",
                 SLICE_ARG(slice_trim(name)));
        for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
            (void)simulate_row(arena, simulation, row, column, &name, &value);
            buf_addf(out, "<td>%.*s</td>",
                     SLICE_ARG(simulation->columns[column].there ? value : SLICE("-")));
        }
        buf_add_text(out, "</tr>");
    }
    buf_add_text(out, "</tbody></table></div>");
}

static void list(const char *title, const struct slice *items, uint32_t count, struct buf *out)
{
    if (count == 0) {
        return;
    }
    buf_addf(out, "<ul class=\"notes\" aria-label=\"%s\">", title);
    for (uint32_t i = 0; i < count; i++) {
        buf_add_text(out, "<li>");
        plot_text(out, items[i]);
        buf_add_text(out, "</li>");
    }
    buf_add_text(out, "</ul>");
}

static void violations(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    const struct simulated *one = &simulation->columns[WORLD_HEADROOM];
    struct slice items[SHOWN_VIOLATIONS];
    uint32_t count = 0;

    for (; count < one->violation_count && count < SHOWN_VIOLATIONS; count++) {
        items[count] = arena_printf(arena, "%.1f s: %s", (double)one->violations[count].at_ns / 1e9,
                                    one->violations[count].text);
    }
    if (count > 0) {
        buf_add_text(out, "<h2>Broken invariants: a bug in Headroom, please report it</h2>");
    }
    list("Broken invariants", items, count, out);
}

/* ---- plots ---- */

static void key(const struct simulation *simulation, enum world_column last, struct buf *out)
{
    buf_add_text(out, "<div class=\"key\">");
    for (enum world_column column = 0; column <= last; column++) {
        if (simulation->columns[column].there) {
            buf_addf(out, "<span class=\"%s\"><i></i>%s</span>", world_column_name(column),
                     simulate_title(column));
        }
    }
    buf_add_text(out, "</div>");
}

enum what { WAITING, ENIS, ADDRESSES };

static void compare(struct arena *arena, const struct simulation *simulation, enum what what,
                    const char *title, struct buf *out)
{
    struct plot plot;

    plot_init(&plot, arena, simulation->duration_ns, true);
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        const struct simulated *one = &simulation->columns[column];
        const struct world_series *series = &one->series;
        if (one->there) {
            plot_add(&plot, series, column,
                     what == WAITING ? series->waiting
                     : what == ENIS  ? series->enis
                                     : series->addresses,
                     1);
        }
    }
    buf_addf(out, "<h2>%s</h2>", title);
    key(simulation, WORLD_ORACLE, out);
    buf_add_text(out, "<figure class=\"card\"><figcaption><span></span>"
                      "<span class=\"read\"></span></figcaption>");
    plot_write(&plot, slice_of(title), out);
    buf_add_text(out, "<p class=\"note\">virtual time since the beginning</p></figure>");
}

/* The smallest share of the subnet's addresses that was ever free, but for the oracle. */
static double least_share(const struct simulation *simulation, uint32_t subnet)
{
    double least = 2;

    for (enum world_column column = 0; column < WORLD_ORACLE; column++) {
        const struct world_series *series = &simulation->columns[column].series;
        for (uint32_t i = 0; simulation->columns[column].there && i < series->count; i++) {
            double share = (double)series->free[i * series->subnet_count + subnet] /
                           (double)(series->totals[subnet] + 1);
            least = share < least ? share : least;
        }
    }
    return least;
}

/* The subnets that came closest to their end, in the scenario's order. */
static bool *choose_subnets(struct arena *arena, const struct simulation *simulation,
                            uint32_t count)
{
    bool *taken = ARENA_ARRAY(arena, bool, count);
    double *shares = ARENA_ARRAY(arena, double, count);

    for (uint32_t subnet = 0; subnet < count; subnet++) {
        shares[subnet] = least_share(simulation, subnet);
    }
    for (uint32_t i = 0; i < SHOWN_SUBNETS && i < count; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t subnet = 0; subnet < count; subnet++) {
            if (!taken[subnet] && (best == UINT32_MAX || shares[subnet] < shares[best])) {
                best = subnet;
            }
        }
        taken[best] = true;
    }
    return taken;
}

static void subnet(struct arena *arena, const struct simulation *simulation, uint32_t row,
                   struct slice name, uint32_t total, struct buf *out)
{
    struct plot plot;

    plot_init(&plot, arena, simulation->duration_ns, false);
    for (enum world_column column = 0; column < WORLD_ORACLE; column++) {
        const struct world_series *series = &simulation->columns[column].series;
        if (simulation->columns[column].there) {
            plot_add(&plot, series, column, series->free + row, series->subnet_count);
        }
    }
    buf_add_text(out, "<figure class=\"card\"><figcaption><h3>");
    plot_text(out, name);
    buf_add_text(out, "</h3></figcaption>");
    plot_write(&plot, arena_printf(arena, "Free addresses of %.*s", SLICE_ARG(name)), out);
    buf_addf(out, "<p class=\"read\">of %.*s addresses</p></figure>",
             SLICE_ARG(simulate_count(arena, total)));
}

static void subnets(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    const struct simulated *agent = &simulation->columns[WORLD_AGENT];
    const struct simulated *any = agent->there ? agent : &simulation->columns[WORLD_HEADROOM];
    const struct world_series *series = &any->series;

    if (!any->there || series->subnet_count == 0) {
        return;
    }
    bool *taken = choose_subnets(arena, simulation, series->subnet_count);
    buf_add_text(out, "<h2>Free addresses of each subnet</h2>");
    key(simulation, WORLD_HEADROOM, out);
    buf_add_text(out, "<p>Each plot has a scale of its own.");
    if (series->subnet_count > SHOWN_SUBNETS) {
        buf_addf(out, " Shown are the %d of %u that came closest to their end.", SHOWN_SUBNETS,
                 series->subnet_count);
    }
    buf_add_text(out, "</p><div class=\"grid\">");
    for (uint32_t i = 0; i < series->subnet_count; i++) {
        if (taken[i]) {
            subnet(arena, simulation, i, series->subnets[i], series->totals[i], out);
        }
    }
    buf_add_text(out, "</div>");
}

/* ---- the page ---- */

static void head(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    buf_add_text(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    plot_text(out, simulation->description.len > 0 ? simulation->description : simulation->name);
    buf_addf(out,
             "</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
             "<style>%s</style></head><body><main><h1>",
             style);
    plot_text(out, simulation->description.len > 0 ? simulation->description : simulation->name);
    buf_add_text(out, "</h1><p>");
    plot_text(out, simulation->name);
    buf_addf(out, ", %.*s of virtual time, seed %llu",
             SLICE_ARG(simulate_duration(arena, (double)simulation->duration_ns / 1e9)),
             (unsigned long long)simulation->seed);
    if (simulation->scale < 1) {
        buf_addf(out, ", scale %g", simulation->scale);
    }
    buf_add_text(out, "</p>");
}

void simulate_html(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    struct slice verdict = simulate_verdict(arena, simulation);

    head(arena, simulation, out);
    if (verdict.len > 0) {
        size_t first = 0; /* what it is all about stands in the first sentence */
        while (first + 1 < verdict.len &&
               !(verdict.data[first] == '.' && verdict.data[first + 1] == ' ')) {
            first++;
        }
        buf_addf(out, "<p class=\"lead\"><strong>%.*s.</strong>%.*s</p>", (int)first, verdict.data,
                 (int)(verdict.len - first - 1), verdict.data + first + 1);
    }
    list("Notes on the scenario", simulation->remarks, simulation->remark_count, out);
    tiles(arena, simulation, out);
    violations(arena, simulation, out);
    compare(arena, simulation, WAITING, "Pods that wait for an address", out);
    subnets(arena, simulation, out);
    compare(arena, simulation, ENIS, "Attached ENIs", out);
    compare(arena, simulation, ADDRESSES, "Addresses held by the cluster", out);
    table(arena, simulation, out);
    buf_add_text(out, "<p>Agent alone: the nodes' agents as they are. With Headroom: and the "
                      "controller. Oracle: a pod that is refused gets an address at once wherever "
                      "one is to be had; no controller can do better. A wait is avoidable while "
                      "a subnet that the pod's node may use has an address for it.</p>");
    buf_addf(out, "</main><script>%s</script></body></html>\n", script);
}
