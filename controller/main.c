/*
 * main.c - the controller's main program: options, wiring, the loop, a clean stop.
 *
 * Knows who is joined to whom. Refuses to decide anything about subnets, nodes or retries.
 *
 *   io_wait --> engine_step --> io_start/io_cancel, log
 *                    `--------> snapshot --> web (its own thread)
 */
#include <headroom/version.h>
#include <headroom/web.h>

#include "options.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_AT_ONCE = 130 };

#define MS_NS UINT64_C(1000000)
#define SHOW_WATCHED_NS (250 * MS_NS)  /* pages are told twice a second */
#define SHOW_SOONEST_NS (1000 * MS_NS) /* while only scrapes and probes look */
#define SHOW_LATEST_NS (5000 * MS_NS)  /* so that /healthz knows that we live */
#define STOP_NS (10000 * MS_NS)        /* then the lease lapses by itself */
#define DROP_NS (300 * MS_NS)          /* while starting */
#define DROP_LATER_NS (60000 * MS_NS)

struct shown {
    uint64_t at_ns, sequence;
    bool planned;
};

static int print(struct slice text)
{
    return io_write(1, text, NULL) == ERR_OK ? EXIT_OK : EXIT_FAILED;
}

static int complain(const struct error *error, int code)
{
    struct buf line;

    buf_init(&line, 2 * ERROR_TEXT_MAX);
    buf_addf(&line, "headroom-controller: %s\n", error->text);
    if (io_write(2, buf_slice(&line), NULL) != ERR_OK) {
        code = EXIT_FAILED;
    }
    buf_done(&line);
    return code;
}

static int help(void)
{
    struct buf text;

    buf_init(&text, 64 * 1024);
    options_help(&text);
    int code = print(buf_slice(&text));
    buf_done(&text);
    return code;
}

static int once(struct run *run, const struct options *options)
{
    enum { REPORT_MAX = 256 << 20 }; /* 100,000 nodes at a kilobyte each, twice over */
    struct error error = { 0 };
    struct buf text;

    if (run_until_planned(run, options->timeout_ns, &error) != ERR_OK) {
        return complain(&error, EXIT_FAILED);
    }
    struct snapshot_ref *ref = engine_snapshot(run->engine, io_now_ns(), io_wall_ns());
    struct slice cluster = snapshot_get(ref)->cluster_name;
    buf_init(&text, REPORT_MAX);
    if (options->json) {
        run_report_json(run->engine, cluster, io_wall_ns(), &text);
    } else {
        run_report_text(run->engine, cluster, &text);
    }
    snapshot_drop(ref);
    int code = EXIT_FAILED;
    if (buf_check(&text, &error) != ERR_OK || io_write(1, buf_slice(&text), &error) != ERR_OK) {
        code = complain(&error, EXIT_FAILED);
    } else {
        code = EXIT_OK;
    }
    buf_done(&text);
    return code;
}

/* A picture costs more than a hundred events of the watches: made as often as somebody looks. */
static uint64_t next_show_ns(const struct run *run, const struct web *web,
                             const struct shown *shown)
{
    if (!web) {
        return UINT64_MAX;
    }
    if (shown->at_ns == 0 || engine_planned(run->engine) != shown->planned) {
        return 0; /* /readyz waits for it */
    }
    if (engine_sequence(run->engine) == shown->sequence) {
        return shown->at_ns + SHOW_LATEST_NS;
    }
    return shown->at_ns + (web_watched(web) ? SHOW_WATCHED_NS : SHOW_SOONEST_NS);
}

static void show(struct run *run, struct web *web, struct shown *shown)
{
    uint64_t now = io_now_ns();
    double cpu_seconds = 0;
    uint64_t resident_bytes = 0;

    if (now < next_show_ns(run, web, shown)) {
        return;
    }
    *shown = (struct shown){
        .at_ns = now,
        .sequence = engine_sequence(run->engine),
        .planned = engine_planned(run->engine),
    };
    io_usage(&cpu_seconds, &resident_bytes);
    engine_usage(run->engine, cpu_seconds, resident_bytes);
    struct snapshot_ref *ref = engine_snapshot(run->engine, now, io_wall_ns());
    web_show(web, ref);
    snapshot_drop(ref);
}

/* Shaking hands, Kubernetes' lists, EC2's XML: each stage of the start has code of its own, and the
 * last is when memory is highest. */
static void drop_code(const struct run *run, uint64_t *dropped_ns)
{
    uint64_t pause = engine_planned(run->engine) ? DROP_LATER_NS : DROP_NS;

    if (io_now_ns() - *dropped_ns >= pause) {
        *dropped_ns = io_now_ns();
        io_drop_code();
    }
}

static int stop(struct run *run)
{
    uint64_t limit = io_now_ns() + STOP_NS;

    run_step(run, ENGINE_STOP, NULL);
    while (!engine_stopped(run->engine) && io_now_ns() < limit) {
        if (io_stop_requests(run->io) > 1) {
            return EXIT_AT_ONCE;
        }
        run_turn(run, limit);
    }
    return EXIT_OK;
}

static int serve(struct run *run, const struct options *options)
{
    struct error error = { 0 };
    struct web *web = NULL;
    struct shown shown = { 0 };
    uint64_t dropped_ns = 0;

    if (options->listen.len > 0 && web_new(options->listen, &web, &error) != ERR_OK) {
        return complain(&error, EXIT_FAILED);
    }
    run_step(run, ENGINE_TICK, NULL);
    while (io_stop_requests(run->io) == 0) {
        drop_code(run, &dropped_ns);
        show(run, web, &shown);
        engine_watched(run->engine, web && web_watched(web));
        run_turn(run, next_show_ns(run, web, &shown));
    }
    int code = stop(run);
    web_free(web);
    return code;
}

static void log_start(struct run *run, const struct engine_config *config,
                      const struct options *options)
{
    struct arena arena;

    arena_init(&arena);
    struct log_list logs = { .arena = &arena };
    struct log_record *record = log_add(&logs, LOG_INFO, "main", "headroom-controller starts");
    log_text(&logs, record, "version", config->version);
    log_text(&logs, record, "server", config->kube.access.server);
    log_text(&logs, record, "context", config->kube.access.context);
    log_text(&logs, record, "identity", config->kube.identity);
    log_text(&logs, record, "listen", options->listen.len > 0 ? options->listen : SLICE("off"));
    log_text(&logs, record, "dry_run", options->run.dry_run ? SLICE("true") : SLICE("false"));
    run_log(run, &logs);
    arena_done(&arena);
}

static int run_with(struct io *io, const struct engine_config *config,
                    const struct options *options)
{
    struct engine *engine = engine_new(config);
    struct run run;

    run_init(&run, io, engine);
    run.level = options->log_level;
    run.plain_logs = options->plain_logs;
    int code = 0;
    if (options->command == OPTIONS_ONCE) {
        code = once(&run, options);
    } else {
        log_start(&run, config, options);
        code = serve(&run, options);
    }
    run_done(&run);
    engine_free(engine);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error = { 0 };

    if (options_parse(argc, argv, io_env, &options, &error) != ERR_OK) {
        return complain(&error, EXIT_USAGE);
    }
    if (options.command == OPTIONS_HELP) {
        return help();
    }
    if (options.command == OPTIONS_VERSION) {
        return print(slice_of(version_text())) || print(SLICE("\n"));
    }
    io_hide_memory();

    struct arena arena;
    struct io *io = NULL;
    struct engine_config config;
    int code = EXIT_FAILED;
    arena_init(&arena);
    if (io_new(&io, &error) != ERR_OK ||
        run_config(&arena, &options.run, &config, &error) != ERR_OK) {
        code = complain(&error, EXIT_FAILED);
    } else {
        io_return_memory();
        code = run_with(io, &config, &options);
    }
    io_free(io);
    arena_done(&arena);
    return code;
}
