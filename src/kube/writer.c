/*
 * writer.c - wishes in order of importance, each until it is done or useless.
 *
 * Knows queues, retries and coalescing. A follower keeps its wishes (not its events) until it
 * leads: its planner has told them once and will not tell them again.
 */
#include <assert.h>

#include "core.h"

enum { EVENT_TRIES = 5, TEXT_MAX = 512 << 10 };

#define BASE_NS (SECOND_NS / 2)
#define CAP_NS (60 * SECOND_NS)
#define DENIED_NS (60 * SECOND_NS)

static struct slice key_of(const void *rows, uint32_t handle)
{
    return slice_of(((struct write *const *)rows)[handle]->key);
}

void writer_init(struct kube *kube)
{
    struct writer *writer = &kube->writer;

    *writer = (struct writer){ .series_ns = NEVER_NS };
    index_init(&writer->index, key_of);
    for (uint32_t i = 0; i < WRITE_KINDS; i++) {
        timers_init(&writer->queues[i]);
    }
}

static void empty(struct write *write)
{
    mem_free(write->key);
    mem_free(write->name);
    buf_done(&write->text);
    *write = (struct write){ 0 };
}

void writer_done(struct kube *kube)
{
    struct writer *writer = &kube->writer;

    for (uint32_t i = 0; i < writer->count; i++) {
        empty(writer->writes[i]);
        mem_free(writer->writes[i]);
    }
    writer->writes = mem_resize(writer->writes, 0, sizeof(struct write *));
    index_done(&writer->index);
    for (uint32_t i = 0; i < WRITE_KINDS; i++) {
        timers_done(&writer->queues[i]);
    }
}

static char *copy(struct slice s)
{
    char *text = mem_resize(NULL, s.len + 1, 1);

    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return text;
}

static uint32_t handle_of(const struct kube *kube, const struct write *write)
{
    return index_find(&kube->writer.index, kube->writer.writes, slice_of(write->key));
}

static uint32_t free_handle(struct writer *writer)
{
    if (writer->pending < writer->count) {
        for (uint32_t i = 0; i < writer->count; i++) {
            if (!writer->writes[i]->used) {
                return i;
            }
        }
    }
    mem_reserve(&writer->writes, &writer->capacity, writer->count + 1, sizeof(struct write *));
    writer->writes[writer->count] = mem_resize(NULL, 1, sizeof(struct write));
    *writer->writes[writer->count] = (struct write){ 0 };
    return writer->count++;
}

static struct slice key_for(struct kube *kube, enum write_kind kind, struct slice name)
{
    static const char marks[] = "tcse";

    return arena_printf(&kube->step, "%c/%.*s", marks[kind], SLICE_ARG(name));
}

struct write *writer_find(struct kube *kube, enum write_kind kind, struct slice name)
{
    uint32_t at = index_find(&kube->writer.index, kube->writer.writes, key_for(kube, kind, name));

    return at == INDEX_NONE ? NULL : kube->writer.writes[at];
}

struct write *writer_wish(struct kube *kube, enum write_kind kind, struct slice name)
{
    struct writer *writer = &kube->writer;
    struct write *write = writer_find(kube, kind, name);

    if (write) {
        write->again = write->request != 0;
        buf_reset(&write->text);
        return write;
    }
    if (writer->pending == WRITES_MAX ||
        (kind == WRITE_EVENT && writer->events_queued == EVENTS_QUEUED_MAX)) {
        return NULL;
    }
    uint32_t at = free_handle(writer);
    write = writer->writes[at];
    *write = (struct write){ .used = true,
                             .kind = kind,
                             .key = copy(key_for(kube, kind, name)),
                             .name = copy(name),
                             .kube = kube };
    buf_init(&write->text, TEXT_MAX);
    index_add(&writer->index, writer->writes, at);
    writer->pending++;
    writer->events_queued += kind == WRITE_EVENT;
    return write;
}

void writer_queue(struct kube *kube, struct write *write, uint64_t at_ns)
{
    if (write->request != 0) {
        return; /* `again` brings it back */
    }
    timers_set(&kube->writer.queues[write->kind], handle_of(kube, write), at_ns);
}

static void drop(struct kube *kube, struct write *write)
{
    struct writer *writer = &kube->writer;
    uint32_t at = handle_of(kube, write);

    timers_set(&writer->queues[write->kind], at, TIMERS_NEVER);
    index_remove(&writer->index, writer->writes, slice_of(write->key));
    writer->pending--;
    writer->events_queued -= write->kind == WRITE_EVENT;
    empty(write);
}

void writer_finish(struct kube *kube, struct write *write)
{
    write->request = 0;
    write->attempt = 0;
    kube->writer.under_way--;
    if (write->again) {
        write->again = false;
        writer_queue(kube, write, kube->now_ns);
    } else {
        drop(kube, write);
    }
}

void writer_failed(struct kube *kube, struct write *write, const struct answer *answer,
                   const char *what, const char *rule)
{
    struct error error = { 0 };
    enum err err = answer_error(kube, answer, what, rule, &error);
    bool hopeless = err == ERR_INVALID || err == ERR_NOT_FOUND ||
                    (write->kind == WRITE_EVENT &&
                     (err == ERR_DENIED || write->attempt + 1 >= EVENT_TRIES));
    uint64_t wait = BASE_NS / 2 + prng_backoff(&kube->prng, BASE_NS, CAP_NS, write->attempt);

    kube->stats.write_errors++;
    if (hopeless || kube->stopping) {
        report_failure(kube, err == ERR_NOT_FOUND ? LOG_DEBUG : LOG_ERROR, &error, 0);
        writer_finish(kube, write);
        return;
    }
    if (err == ERR_DENIED && answer->status == 403) {
        wait += DENIED_NS;
    }
    if (answer->retry_after_ms > 0) {
        wait += (uint64_t)answer->retry_after_ms * 1000000;
    }
    report_failure(kube, err == ERR_CONFLICT ? LOG_DEBUG : LOG_WARN, &error, wait);
    write->request = 0;
    write->again = false;
    write->attempt += write->attempt < 16;
    kube->writer.under_way--;
    writer_queue(kube, write, kube->now_ns + wait);
}

/* ---- what the planner wants ---- */

static void wish_status(struct kube *kube, const struct pool_status *status)
{
    struct write *write = writer_wish(kube, WRITE_STATUS, status->name);

    if (write) {
        write_status_body(status, &write->text);
        writer_queue(kube, write, kube->now_ns);
    }
}

static void wish_condition(struct kube *kube, const struct plan_action *action)
{
    struct write *write = writer_wish(kube, WRITE_CONDITION, action->condition.node);

    if (write) {
        write->set = action->condition.short_of_ips;
        write->reason = action->condition.reason;
        buf_add_slice(&write->text, action->condition.message);
        writer_queue(kube, write, kube->now_ns);
    }
}

static void wish_taint(struct kube *kube, const struct plan_action *action)
{
    struct write *write = writer_wish(kube, WRITE_TAINT, action->taint.node);

    if (write) {
        write->set = action->taint.set;
        writer_queue(kube, write, kube->now_ns);
    }
}

void writer_action(struct kube *kube, const struct plan_action *action)
{
    if (kube->config.read_only || kube->stopping) {
        return;
    }
    switch (action->kind) {
    case PLAN_EVENT:
        if (kube->lease.leading) {
            events_add(kube, &action->event);
        }
        break;
    case PLAN_POOL_STATUS:
        wish_status(kube, &action->pool_status);
        break;
    case PLAN_NODE_CONDITION:
        wish_condition(kube, action);
        break;
    case PLAN_NODE_TAINT:
        wish_taint(kube, action);
        break;
    default:
        break; /* not ours */
    }
}

/* ---- the outside ---- */

static void send(struct kube *kube, struct write *write)
{
    kube->writer.under_way++;
    kube->stats.writes++;
    switch (write->kind) {
    case WRITE_TAINT:
    case WRITE_CONDITION:
        write_node_send(kube, write);
        break;
    case WRITE_STATUS:
        write_status_send(kube, write);
        break;
    case WRITE_EVENT:
        events_send(kube, write);
        break;
    case WRITE_KINDS:
        break;
    }
    assert(write->request != 0);
}

static bool may_write(const struct kube *kube)
{
    return kube->lease.leading && auth_ready(kube);
}

void writer_step(struct kube *kube)
{
    struct writer *writer = &kube->writer;
    uint32_t handle = 0;

    events_step(kube);
    if (!may_write(kube)) {
        return;
    }
    for (uint32_t kind = 0; kind < WRITE_KINDS; kind++) {
        while (writer->under_way < WRITES_AT_ONCE &&
               timers_pop(&writer->queues[kind], kube->now_ns, &handle)) {
            send(kube, writer->writes[handle]);
        }
    }
}

uint64_t writer_deadline_ns(const struct kube *kube)
{
    uint64_t at = events_deadline_ns(kube);

    if (!may_write(kube) || kube->writer.under_way >= WRITES_AT_ONCE) {
        return at;
    }
    for (uint32_t kind = 0; kind < WRITE_KINDS; kind++) {
        at = earlier(at, timers_next_ns(&kube->writer.queues[kind]));
    }
    return at;
}

bool writer_idle(const struct kube *kube)
{
    return kube->writer.pending == 0;
}

void writer_drop(struct kube *kube)
{
    struct writer *writer = &kube->writer;

    for (uint32_t i = 0; i < writer->count; i++) {
        struct write *write = writer->writes[i];
        if (write->used) {
            request_abandon(kube, write->request);
            drop(kube, write);
        }
    }
    writer->under_way = 0;
}
