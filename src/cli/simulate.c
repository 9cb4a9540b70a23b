/*
 * simulate.c - `headroom simulate`: a scenario played three times, and what came of it.
 *
 * Knows flags, files and how results are written. Refuses to know how a cluster is simulated:
 * world.h.
 */
#include <unistd.h>

#include <headroom/doc.h>
#include <headroom/flags.h>
#include <headroom/io.h>
#include <headroom/json.h>
#include <headroom/table.h>

#include "commands.h"
#include "simulate.h"

enum { OUTPUT_MAX = 64 << 20, SLICES = 200, BAR = 30 };

struct options {
    struct slice format, html, seed, scale, column, trace;
    bool faults, help;
};

/* Whoever does not read what we say does not miss it. */
static void say(int fd, struct slice text)
{
    if (io_write(fd, text, NULL) != ERR_OK) {
        return;
    }
}

static void write_table(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    struct table table;
    struct slice name, value;

    buf_addf(out, "%.*s, %.*s of virtual time, seed %llu\n", SLICE_ARG(simulation->name),
             SLICE_ARG(simulate_duration(arena, (double)simulation->duration_ns / 1e9)),
             (unsigned long long)simulation->seed);
    if (simulation->description.len > 0) {
        buf_addf(out, "%.*s\n", SLICE_ARG(simulation->description));
    }
    buf_add_char(out, '\n');
    table_init(&table, arena, "|>AGENT ALONE|>WITH HEADROOM|>ORACLE");
    for (uint32_t row = 0; simulate_row(arena, simulation, row, WORLD_AGENT, &name, &value);
         row++) {
        table_add(&table, name);
        for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
            (void)simulate_row(arena, simulation, row, column, &name, &value);
            table_add(&table, simulation->columns[column].there ? value : SLICE("-"));
        }
    }
    table_print(&table, "", out);
    struct slice verdict = simulate_verdict(arena, simulation);
    if (verdict.len > 0) {
        buf_add_char(out, '\n');
        cli_wrap(verdict, 0, out);
    }
}

/* ---- subnets ---- */

struct subnet_use {
    uint32_t begin, least, end;
};

static struct subnet_use use_of(const struct world_series *series, uint32_t subnet)
{
    const uint32_t *free = series->free + subnet;
    struct subnet_use use = { .begin = free[0],
                              .least = UINT32_MAX,
                              .end = free[(series->count - 1) * series->subnet_count] };

    for (uint32_t i = 0; i < series->count; i++) {
        uint32_t now = free[i * series->subnet_count];
        use.least = now < use.least ? now : use.least;
    }
    return use;
}

static struct slice least_and_end(struct arena *arena, const struct simulated *one, uint32_t subnet)
{
    if (!one->there || one->series.count == 0) {
        return SLICE("-");
    }
    struct subnet_use use = use_of(&one->series, subnet);
    struct slice least = simulate_count(arena, use.least);
    return use.least == use.end ? least
                                : arena_printf(arena, "%.*s, %.*s", SLICE_ARG(least),
                                               SLICE_ARG(simulate_count(arena, use.end)));
}

/* All columns begin with the same. */
static void write_subnets(struct arena *arena, const struct simulation *simulation, struct buf *out)
{
    const struct world_series *any = NULL;
    struct table table;

    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        const struct simulated *one = &simulation->columns[column];
        any = one->there && one->series.count > 0 ? &one->series : any;
    }
    table_init(&table, arena, "SUBNET|>TOTAL|>FREE|>AGENT ALONE|>WITH HEADROOM|>ORACLE");
    for (uint32_t i = 0; any && i < any->subnet_count; i++) {
        table_add(&table, any->subnets[i]);
        table_add(&table, simulate_count(arena, any->totals[i]));
        table_add(&table, simulate_count(arena, use_of(any, i).begin));
        for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
            table_add(&table, least_and_end(arena, &simulation->columns[column], i));
        }
    }
    if (!table_empty(&table)) {
        buf_add_text(out, "\nFree addresses at the beginning, at least, and at the end where "
                          "that is more:\n");
        table_print(&table, "", out);
    }
}

static void write_violations(const struct simulation *simulation, struct buf *out)
{
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        const struct simulated *one = &simulation->columns[column];
        for (uint32_t i = 0; i < one->violation_count && i < 10; i++) {
            buf_addf(out, "\nbroken at %.3f s, %s: %s", (double)one->violations[i].at_ns / 1e9,
                     simulate_title(column), one->violations[i].text);
        }
        if (one->violation_count > 10) {
            buf_addf(out, "\n... and %u more", one->violation_count - 10);
        }
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n') {
        buf_add_char(out, '\n');
    }
}

/* ---- JSON ---- */

/* Milliseconds are enough: "12.4", "1200". */
static void json_number(struct json_out *json, const char *key, double value)
{
    char text[40];
    struct buf out = { .data = text, .size = sizeof(text), .max = sizeof(text) - 1 };

    buf_addf(&out, "%.3f", value);
    while (out.len > 0 && out.data[out.len - 1] == '0') {
        out.len--;
    }
    out.len -= out.len > 0 && out.data[out.len - 1] == '.';
    json_key(json, key);
    json_raw(json, buf_slice(&out));
}

static void json_subnets(struct json_out *json, const struct world_series *series)
{
    json_key(json, "subnets");
    json_begin_array(json);
    for (uint32_t i = 0; series->count > 0 && i < series->subnet_count; i++) {
        struct subnet_use use = use_of(series, i);
        json_begin_object(json);
        json_field_text(json, "subnet", series->subnets[i]);
        json_field_u64(json, "total", series->totals[i]);
        json_field_u64(json, "free_begin", use.begin);
        json_field_u64(json, "free_least", use.least);
        json_field_u64(json, "free_end", use.end);
        json_end_object(json);
    }
    json_end_array(json);
}

static void json_column(struct json_out *json, const struct simulated *one)
{
    const struct world_result *r = &one->result;

    json_begin_object(json);
    json_number(json, "stall_s", r->stall_s);
    json_number(json, "avoidable_stall_s", r->avoidable_stall_s);
    json_field_u64(json, "pods_started", r->pods_started);
    json_field_u64(json, "pods_waited", r->pods_waited);
    json_number(json, "wait_p99_s", r->wait_p99_s);
    json_number(json, "wait_max_s", r->wait_max_s);
    json_field_u64(json, "waiting_at_end", r->waiting);
    json_field_u64(json, "unscheduled_at_end", r->unscheduled);
    json_field_u64(json, "enis_attached", r->enis_attached);
    json_field_u64(json, "enis_preattached", r->enis_preattached);
    json_field_u64(json, "addresses_held_max", r->addresses_held_max);
    json_field_u64(json, "ec2_calls", r->ec2_calls);
    json_field_u64(json, "controller_calls", r->controller_calls);
    json_field_u64(json, "controller_mutations", r->controller_mutations);
    json_field_u64(json, "flaps", r->flaps);
    json_field_u64(json, "launch_failures", r->launch_failures);
    json_field_u64(json, "nodes_max", r->nodes_max);
    json_field_u64(json, "steps", r->steps);
    json_subnets(json, &one->series);
    json_key(json, "violations");
    json_begin_array(json);
    for (uint32_t i = 0; i < one->violation_count; i++) {
        json_begin_object(json);
        json_number(json, "at_s", (double)one->violations[i].at_ns / 1e9);
        json_field_text(json, "what", slice_of(one->violations[i].text));
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_json(const struct simulation *simulation, struct buf *out)
{
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("headroom.dev/v1alpha1"));
    json_field_text(&json, "kind", SLICE("Simulation"));
    json_field_text(&json, "scenario", simulation->name);
    json_field_text(&json, "description", simulation->description);
    json_key(&json, "remarks");
    json_begin_array(&json);
    for (uint32_t i = 0; i < simulation->remark_count; i++) {
        json_string(&json, simulation->remarks[i]);
    }
    json_end_array(&json);
    json_field_u64(&json, "seed", simulation->seed);
    json_number(&json, "scale", simulation->scale);
    json_number(&json, "duration_s", (double)simulation->duration_ns / 1e9);
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        if (simulation->columns[column].there) {
            json_key(&json, world_column_name(column));
            json_column(&json, &simulation->columns[column]);
        }
    }
    json_end_object(&json);
    buf_add_char(out, '\n');
}

static enum err write_yaml(struct arena *arena, const struct simulation *simulation,
                           struct buf *out, struct error *error)
{
    const struct doc_limits limits = { .bytes = OUTPUT_MAX, .nodes = 8 << 20 };
    const struct doc *doc = NULL;
    struct buf json;

    buf_init(&json, OUTPUT_MAX);
    write_json(simulation, &json);
    enum err err = json_parse(arena, buf_slice(&json), &limits, &doc, error);
    buf_done(&json);
    if (err == ERR_OK) {
        yaml_write(doc, 0, out);
    }
    return err;
}

/* ---- playing ---- */

static void show_progress(enum world_column column, double share, bool shown)
{
    char bar[BAR + 1];
    char line[128];
    struct buf out = { .data = line, .size = sizeof(line), .max = sizeof(line) - 1 };

    if (!shown) {
        return;
    }
    for (int i = 0; i < BAR; i++) {
        bar[i] = i < (int)(share * BAR + 0.5) ? '#' : '.';
    }
    bar[BAR] = '\0';
    buf_addf(&out, "\r%-14s [%s] %3d%%", simulate_title(column), bar, (int)(share * 100));
    say(2, buf_slice(&out));
}

static void *keep(struct arena *arena, const void *from, size_t count_of, size_t size)
{
    void *copy = arena_array(arena, count_of, size);

    if (count_of > 0) {
        memcpy(copy, from, count_of * size);
    }
    return copy;
}

static void keep_results(struct arena *arena, const struct world *world, struct simulated *ret)
{
    struct world_series *series = &ret->series;
    size_t n = 0;

    ret->there = true;
    world_result(world, &ret->result);
    world_series(world, series);
    n = series->count;
    series->at_ns = keep(arena, series->at_ns, n, sizeof(*series->at_ns));
    series->waiting = keep(arena, series->waiting, n, sizeof(*series->waiting));
    series->enis = keep(arena, series->enis, n, sizeof(*series->enis));
    series->addresses = keep(arena, series->addresses, n, sizeof(*series->addresses));
    series->free = keep(arena, series->free, n * series->subnet_count, sizeof(*series->free));
    series->totals = keep(arena, series->totals, series->subnet_count, sizeof(*series->totals));
    struct slice *names = ARENA_ARRAY(arena, struct slice, series->subnet_count);
    for (uint32_t i = 0; i < series->subnet_count; i++) {
        names[i] = arena_slice(arena, series->subnets[i]);
    }
    series->subnets = names;
    const struct world_violation *violations = world_violations(world, &ret->violation_count);
    ret->violations = keep(arena, violations, ret->violation_count, sizeof(*violations));
}

/* What is odd in the scenario, once. */
static void show_remarks(const struct simulation *simulation)
{
    struct buf out;

    buf_init(&out, 64 << 10);
    for (uint32_t i = 0; i < simulation->remark_count; i++) {
        buf_addf(&out, "note: %.*s: %.*s\n", SLICE_ARG(simulation->name),
                 SLICE_ARG(simulation->remarks[i]));
    }
    say(2, buf_slice(&out));
    buf_done(&out);
}

static void keep_remarks(struct arena *arena, const struct world *world,
                         struct simulation *simulation)
{
    const struct slice *remarks = world_remarks(world, &simulation->remark_count);
    struct slice *kept = ARENA_ARRAY(arena, struct slice, simulation->remark_count);

    for (uint32_t i = 0; i < simulation->remark_count; i++) {
        kept[i] = arena_slice(arena, remarks[i]);
    }
    simulation->remarks = kept;
    show_remarks(simulation);
}

static enum err play(struct arena *arena, const struct world_config *config, bool trace,
                     struct simulation *simulation, struct error *error)
{
    struct world *world = NULL;
    bool shown = isatty(2) && !trace;

    enum err err = world_new(config, &world, error);
    if (err != ERR_OK) {
        return err;
    }
    if (!simulation->remarks) {
        simulation->description = arena_slice(arena, world_description(world));
        keep_remarks(arena, world, simulation); /* those of the other columns are the same */
    }
    simulation->duration_ns = world_duration_ns(world);
    for (uint64_t i = 1; world_run(world, simulation->duration_ns / SLICES * i); i++) {
        show_progress(config->column, (double)i / SLICES, shown);
    }
    keep_results(arena, world, &simulation->columns[config->column]);
    if (trace) {
        say(2, world_trace(world));
    }
    if (shown) {
        say(2, SLICE("\r\033[K"));
    }
    world_free(world);
    return ERR_OK;
}

/* ---- the command ---- */

static void usage(void)
{
    struct buf out;

    buf_init(&out, 64 << 10);
    cli_help_command(cli_command(SLICE("simulate")), &out);
    say(1, buf_slice(&out));
    buf_done(&out);
}

static enum err read_numbers(const struct options *options, struct simulation *simulation,
                             struct error *error)
{
    uint64_t permille = 0;
    struct slice rest = options->scale;
    struct slice whole = slice_cut(&rest, '.');
    uint64_t before = 0;

    if (slice_u64(options->seed, UINT64_MAX, &simulation->seed) != ERR_OK) {
        return error_set(error, ERR_INVALID, "--seed takes a whole number, not \"%.*s\"",
                         SLICE_ARG(options->seed));
    }
    struct slice digits = { rest.data, rest.len < 3 ? rest.len : 3 };
    if (slice_u64(whole, 1, &before) != ERR_OK ||
        (digits.len > 0 && slice_u64(digits, 999, &permille) != ERR_OK)) {
        return error_set(error, ERR_INVALID, "--scale takes a share from 0.001 to 1, not \"%.*s\"",
                         SLICE_ARG(options->scale));
    }
    for (size_t i = digits.len; i < 3; i++) {
        permille *= 10;
    }
    simulation->scale = (double)before + (double)permille / 1000;
    if (simulation->scale <= 0 || simulation->scale > 1) {
        return error_set(error, ERR_INVALID, "--scale takes a share from 0.001 to 1, not \"%.*s\"",
                         SLICE_ARG(options->scale));
    }
    return ERR_OK;
}

static bool wanted(const struct options *options, enum world_column column)
{
    return options->column.len == 0 || slice_is(options->column, world_column_name(column));
}

static enum err check_column(const char *flag, struct slice given, struct error *error)
{
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        if (given.len == 0 || slice_is(given, world_column_name(column))) {
            return ERR_OK;
        }
    }
    return error_set(error, ERR_INVALID, "%s takes agent, headroom or oracle, not \"%.*s\"", flag,
                     SLICE_ARG(given));
}

static enum err check_options(struct options *options, struct error *error)
{
    enum err err = check_column("--column", options->column, error);

    if (err == ERR_OK) {
        err = check_column("--trace", options->trace, error);
    }
    if (err == ERR_OK && options->trace.len > 0 && options->column.len > 0 &&
        !slice_eq(options->trace, options->column)) {
        return error_set(error, ERR_INVALID, "--trace %.*s needs that column to be played",
                         SLICE_ARG(options->trace));
    }
    if (slice_is(options->format, "text")) {
        options->format = SLICE("table"); /* what the other commands call it */
    }
    if (err == ERR_OK && !slice_is(options->format, "table") &&
        !slice_is(options->format, "json") && !slice_is(options->format, "yaml")) {
        return error_set(error, ERR_INVALID, "--format takes table, json or yaml, not \"%.*s\"",
                         SLICE_ARG(options->format));
    }
    return err;
}

/* Before minutes of playing rather than after them. */
static enum err check_html(struct arena *arena, struct slice html, struct slice scenario,
                           struct error *error)
{
    size_t folder = html.len;

    while (folder > 0 && html.data[folder - 1] != '/') {
        folder--;
    }
    struct slice path = { html.data, folder };
    if (html.len > 0 && slice_eq(html, scenario)) {
        return error_set(error, ERR_INVALID, "--html would overwrite the scenario %.*s",
                         SLICE_ARG(html));
    }
    if (folder > 0 && !io_file_exists(arena_slice(arena, path).data)) {
        return error_set(error, ERR_NOT_FOUND, "--html: there is no folder %.*s", SLICE_ARG(path));
    }
    return ERR_OK;
}

static enum err play_all(struct arena *arena, struct slice path, const struct options *options,
                         struct simulation *simulation, struct error *error)
{
    struct slice text = SLICE("");
    bool piped = slice_is(path, "-");

    simulation->name = piped ? SLICE("standard input") : path;
    enum err err = io_read_file(arena, piped ? "/dev/stdin" : path.data, WORLD_SCENARIO_MAX, &text,
                                error);
    for (enum world_column column = 0; column < WORLD_COLUMNS && err == ERR_OK; column++) {
        if (wanted(options, column)) {
            struct world_config config = {
                .scenario = text,
                .name = simulation->name,
                .seed = simulation->seed,
                .column = column,
                .scale = simulation->scale,
                .faults = options->faults,
                .check = true,
            };
            err = play(arena, &config,
                       slice_eq(options->trace, slice_of(world_column_name(column))), simulation,
                       error);
        }
    }
    return err;
}

static enum err write_all(struct arena *arena, const struct options *options,
                          const struct simulation *simulation, struct error *error)
{
    struct buf out;
    enum err err = ERR_OK;

    buf_init(&out, OUTPUT_MAX);
    if (options->html.len > 0) {
        simulate_html(arena, simulation, &out);
        err = io_write_file(options->html.data, buf_slice(&out), error);
        buf_reset(&out);
    }
    if (err == ERR_OK && slice_is(options->format, "json")) {
        write_json(simulation, &out);
    } else if (err == ERR_OK && slice_is(options->format, "yaml")) {
        err = write_yaml(arena, simulation, &out, error);
    } else if (err == ERR_OK) {
        write_table(arena, simulation, &out);
        write_subnets(arena, simulation, &out);
        write_violations(simulation, &out);
    }
    if (err == ERR_OK) {
        err = io_write(1, buf_slice(&out), error);
    }
    buf_done(&out);
    return err;
}

static int fail(const struct error *error, int status)
{
    struct buf out;

    buf_init(&out, 4096);
    buf_addf(&out, "headroom simulate: %s\n", error->text);
    say(2, buf_slice(&out));
    buf_done(&out);
    return status;
}

static void fill_flags(struct options *options, struct flag flags[CLI_SIMULATE_FLAGS])
{
    const struct flag table[CLI_SIMULATE_FLAGS] = {
        { "format", 'o', FLAG_TEXT, "table|json|yaml", NULL, "table", "how the results are printed",
          &options->format },
        { "html", 0, FLAG_TEXT, "FILE", NULL, "",
          "writes a page with plots to FILE, which needs nothing\nelse", &options->html },
        { "seed", 0, FLAG_TEXT, "NUMBER", NULL, "1",
          "another seed is another run; the same one repeats it", &options->seed },
        { "scale", 0, FLAG_TEXT, "SHARE", NULL, "1",
          "plays a smaller cluster: so much of its nodes, pods and\naddresses, from 0.001",
          &options->scale },
        { "column", 0, FLAG_TEXT, "agent|headroom|oracle", NULL, "", "plays this one only",
          &options->column },
        { "faults", 0, FLAG_BOOL, NULL, NULL, "false",
          "draws faults from the seed: crashes, lost replies,\nthrottling, stale watches ...",
          &options->faults },
        { "trace", 0, FLAG_TEXT, "agent|headroom|oracle", NULL, "",
          "writes what happened in this column to standard error", &options->trace },
        { "help", 'h', FLAG_BOOL, NULL, NULL, "false", "shows this", &options->help },
    };

    memcpy(flags, table, sizeof(table));
}

void cli_simulate_flags(struct flag flags[CLI_SIMULATE_FLAGS])
{
    struct options none = { 0 };

    fill_flags(&none, flags);
    for (size_t i = 0; i < CLI_SIMULATE_FLAGS; i++) {
        flags[i].value = NULL; /* to be looked at, not parsed with */
    }
}

int cli_simulate(int argc, char *const *argv)
{
    struct options options = { 0 };
    struct flag flags[CLI_SIMULATE_FLAGS];
    struct simulation *simulation;
    struct error error = { 0 };
    struct slice operand = { 0 };
    struct arena arena;
    size_t operands = 0;
    uint64_t violations = 0;

    fill_flags(&options, flags);
    enum err err = flags_parse(flags, CLI_SIMULATE_FLAGS, argc, argv, io_env, &operand, 1,
                               &operands, &error);
    if (err != ERR_OK) {
        return fail(&error, 2);
    }
    if (options.help || operands == 0) {
        usage();
        return options.help ? 0 : 2;
    }
    arena_init(&arena);
    simulation = ARENA_NEW(&arena, struct simulation);
    err = check_options(&options, &error);
    if (err == ERR_OK) {
        err = read_numbers(&options, simulation, &error);
    }
    if (err == ERR_OK) {
        err = check_html(&arena, options.html, operand, &error);
    }
    if (err == ERR_OK) {
        err = play_all(&arena, operand, &options, simulation, &error);
    }
    if (err == ERR_OK) {
        err = write_all(&arena, &options, simulation, &error);
    }
    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        violations += simulation->columns[column].result.violations;
    }
    arena_done(&arena);
    return err != ERR_OK ? fail(&error, 2) : violations > 0 ? 1 : 0;
}
