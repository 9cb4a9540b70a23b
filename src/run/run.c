/*
 * run.c - the engine on the real world: what it asks for is begun, what comes is brought to it.
 *
 * Knows io and the engine's face. Refuses to know what either does.
 */
#include <assert.h>
#include <stdio.h>

#include <headroom/run.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

void run_init(struct run *run, struct io *io, struct engine *engine)
{
    *run = (struct run){ .io = io, .engine = engine, .level = LOG_INFO };
    buf_init(&run->line, LINE_MAX_BYTES);
}

void run_done(struct run *run)
{
    buf_done(&run->line);
}

static void plain_line(const struct log_record *record, struct buf *out)
{
    buf_addf(out, "%-5s %s: %.*s", log_level_name(record->level), record->module,
             SLICE_ARG(record->message));
    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        if (field->is_number) {
            buf_addf(out, " %s=%lld", field->key, (long long)field->number);
        } else {
            buf_addf(out, " %s=%.*s", field->key, SLICE_ARG(field->text));
        }
    }
    buf_add_char(out, '\n');
}

void run_log(struct run *run, const struct log_list *logs)
{
    for (uint32_t i = 0; i < logs->count; i++) {
        const struct log_record *record = &logs->records[i];
        if (record->level < run->level) {
            continue;
        }
        buf_reset(&run->line);
        if (run->plain_logs) {
            plain_line(record, &run->line);
        } else {
            log_render(record, io_wall_ns(), &run->line);
        }
        /* A closed standard error is no reason to stop. */
        if (!run->line.failed && io_write(2, buf_slice(&run->line), NULL) != ERR_OK) {
            return;
        }
    }
}

void run_step(struct run *run, enum engine_input_kind kind, const struct fetch_event *fetch)
{
    struct engine_output output;
    struct engine_input input = {
        .kind = kind,
        .now_ns = io_now_ns(),
        .wall_ns = io_wall_ns(),
    };

    if (fetch) {
        input.fetch = *fetch;
    }
    engine_step(run->engine, &input, &output);
    for (uint32_t i = 0; i < output.fetches.start_count; i++) {
        io_start(run->io, &output.fetches.starts[i]);
    }
    for (uint32_t i = 0; i < output.fetches.cancel_count; i++) {
        io_cancel(run->io, output.fetches.cancels[i]);
    }
    run_log(run, &output.logs);
}

void run_turn(struct run *run, uint64_t deadline_ns)
{
    uint64_t own = engine_deadline_ns(run->engine);
    uint32_t count = 0;
    const struct fetch_event *events = io_wait(run->io, own < deadline_ns ? own : deadline_ns,
                                               &count);

    for (uint32_t i = 0; i < count; i++) {
        run_step(run, ENGINE_FETCH, &events[i]);
    }
    if (count == 0) {
        run_step(run, ENGINE_TICK, NULL);
    }
}

enum err run_until_planned(struct run *run, uint64_t timeout_ns, struct error *error)
{
    uint64_t limit = io_now_ns() + timeout_ns;

    run_step(run, ENGINE_TICK, NULL);
    while (!engine_planned(run->engine)) {
        if (io_stop_requests(run->io) > 0) {
            return error_set(error, ERR_CANCELLED, "stopped before the plan was made");
        }
        if (io_now_ns() >= limit) {
            struct arena arena;
            arena_init(&arena);
            struct slice awaits = engine_awaits(run->engine, &arena);
            (void)error_set(error, ERR_TIMEOUT, "gave up after %llu s waiting for %.*s",
                            (unsigned long long)(timeout_ns / 1000000000), SLICE_ARG(awaits));
            arena_done(&arena);
            return ERR_TIMEOUT;
        }
        run_turn(run, limit);
    }
    return ERR_OK;
}
