/*
 * reflector.c - when to list, when to watch, when to wait.
 *
 * Knows resource versions, HTTP statuses and backoff. Refuses to know what it reflects: the bytes
 * go through reflector_read.c to a sink.
 */
#include <assert.h>

#include "core.h"
#include "reflector_read.h"

/* The server itself gives a request up after 60 s. */
enum { LIST_MS = 300000, LIST_IDLE_MS = 70000 };
/* Bookmarks come once a minute: a watch that is silent for longer has lost its connection. */
enum { WATCH_IDLE_MS = 75000, WATCH_MIN_S = 300, WATCH_SPREAD_S = 300 };

#define BACKOFF_BASE_NS (SECOND_NS / 2)
#define BACKOFF_CAP_NS (30 * SECOND_NS)
#define ABSENT_EVERY_NS (20 * SECOND_NS)
#define RESYNC_MIN_NS (30 * MINUTE_NS)
#define SHORT_WATCH_NS SECOND_NS

#define ACCEPT_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"

static const char *const accepts[] = {
    [ENCODING_TABLE] = ACCEPT_TABLE,
    [ENCODING_PROTO] = "application/vnd.kubernetes.protobuf",
    [ENCODING_JSON] = "application/json",
};

static void on_list_done(struct kube *kube, void *owner, const struct answer *answer);
static void on_watch_done(struct kube *kube, void *owner, const struct answer *answer);

/* Pages of a megabyte or so, where the server honours them. */
static const uint32_t page_sizes[] = {
    [ENCODING_TABLE] = 5000, [ENCODING_PROTO] = 500, [ENCODING_JSON] = 20
};

void reflector_init(struct reflector *reflector, const struct reflector_kind *kind)
{
    *reflector = (struct reflector){ .kind = kind, .list_encoding = kind->list, .must_list = true };
    kube_table_init(&reflector->table, kind->columns, kind->column_count);
    proto_list_init(&reflector->proto, KUBE_OBJECT_MAX);
    buf_init(&reflector->buf, REFLECTOR_BUF_MAX);
}

void reflector_done(struct reflector *reflector)
{
    kube_table_done(&reflector->table);
    proto_list_done(&reflector->proto);
    buf_done(&reflector->buf);
}

static void wait_until(struct reflector *reflector, uint64_t at_ns)
{
    reflector->phase = REFLECTOR_WAIT;
    reflector->next_ns = at_ns;
    reflector->unreached = false;
}

/* How long to wait after a failure; the server's own wish is a lower bound, jitter on top of it. */
static uint64_t back_off(struct kube *kube, struct reflector *reflector, uint32_t retry_after_ms)
{
    uint64_t asked = (uint64_t)retry_after_ms * 1000000;
    uint64_t wait = BACKOFF_BASE_NS / 2 +
                    prng_backoff(&kube->prng, BACKOFF_BASE_NS, BACKOFF_CAP_NS, reflector->attempt);

    if (reflector->attempt < 16) {
        reflector->attempt++;
    }
    if (asked > 0) {
        wait = asked + prng_below(&kube->prng, asked / 4 + SECOND_NS / 10);
    }
    wait_until(reflector, kube->now_ns + wait);
    return wait;
}

/* ---- what is asked ---- */

static const char *selector(const struct reflector *reflector)
{
    return reflector->reduced ? reflector->kind->fallback_selector : reflector->kind->selector;
}

static struct slice list_path(struct kube *kube, const struct reflector *reflector)
{
    struct slice path = arena_printf(&kube->step, "%s?%s", reflector->kind->path,
                                     selector(reflector));
    struct slice next = slice_of(reflector->next_page);
    uint32_t page = page_sizes[reflector->list_encoding];

    if (reflector->list_encoding == ENCODING_TABLE) {
        path = arena_printf(&kube->step, "%.*s&includeObject=None", SLICE_ARG(path));
    }
    if (next.len > 0) {
        return arena_printf(&kube->step, "%.*s&limit=%u&continue=%.*s", SLICE_ARG(path), page,
                            SLICE_ARG(url_encoded(&kube->step, next)));
    }
    /* What is held as a whole while it is read must come in pages, which a cached list has not. */
    if (reflector->fresh_read || reflector->list_encoding == ENCODING_JSON) {
        return arena_printf(&kube->step, "%.*s&limit=%u", SLICE_ARG(path), page);
    }
    if (reflector->version[0]) {
        /* Never older than what we have seen, else the picture would go back in time. */
        return arena_printf(&kube->step,
                            "%.*s&resourceVersion=%s&resourceVersionMatch=NotOlderThan",
                            SLICE_ARG(path), reflector->version);
    }
    return arena_printf(&kube->step, "%.*s&resourceVersion=0", SLICE_ARG(path));
}

static void start_list(struct kube *kube, struct reflector *reflector)
{
    struct request_spec spec = {
        .method = "GET",
        .path = list_path(kube, reflector),
        .accept = accepts[reflector->list_encoding],
        .total_ms = LIST_MS,
        .idle_ms = LIST_IDLE_MS,
        .gzip = reflector->list_encoding == ENCODING_TABLE,
        .on_body = reflector_read_list,
        .on_done = on_list_done,
        .owner = reflector,
    };

    kube_table_reset(&reflector->table);
    proto_list_reset(&reflector->proto);
    buf_reset(&reflector->buf);
    if (!reflector->listing) {
        reflector->listing = true;
        reflector->kind->sink->begin(kube);
    }
    kube->stats.lists++;
    reflector->phase = REFLECTOR_LIST;
    reflector->started_ns = kube->now_ns;
    reflector->request = request_http(kube, &spec);
}

/* How the events are wanted. A Table only by who has listed one: then its cells say all that is to
 * be known of an object. */
static enum encoding wanted_events(const struct reflector *reflector)
{
    if (reflector->kind->watch != ENCODING_TABLE) {
        return reflector->kind->watch;
    }
    return reflector->list_encoding == ENCODING_TABLE && !reflector->no_table_watch
               ? ENCODING_TABLE
               : ENCODING_PROTO;
}

/* A server that has no Tables, or something on the way, may answer with the second choice. */
static void on_watch_head(struct kube *kube, void *owner, const struct fetch_event *head)
{
    struct reflector *reflector = owner;

    (void)kube;
    reflector->watch_encoding = wanted_events(reflector);
    if (reflector->watch_encoding == ENCODING_TABLE &&
        !slice_starts(head->content_type, SLICE("application/json"))) {
        reflector->watch_encoding = ENCODING_PROTO;
    }
}

static void start_watch(struct kube *kube, struct reflector *reflector)
{
    static const char *const stream_accepts[] = {
        [ENCODING_TABLE] = ACCEPT_TABLE ",application/vnd.kubernetes.protobuf;stream=watch",
        [ENCODING_PROTO] = "application/vnd.kubernetes.protobuf;stream=watch",
        [ENCODING_JSON] = "application/json",
    };
    uint64_t seconds = WATCH_MIN_S + prng_below(&kube->prng, WATCH_SPREAD_S);
    enum encoding wanted = wanted_events(reflector);
    struct request_spec spec = {
        .method = "GET",
        .path = arena_printf(&kube->step,
                             "%s?%s&watch=true&allowWatchBookmarks=true&timeoutSeconds=%llu&"
                             "resourceVersion=%s%s",
                             reflector->kind->path, selector(reflector),
                             (unsigned long long)seconds, reflector->version,
                             wanted == ENCODING_TABLE ? "&includeObject=None" : ""),
        .accept = stream_accepts[wanted],
        .idle_ms = WATCH_IDLE_MS,
        .stream = true,
        .on_head = on_watch_head,
        .on_body = reflector_read_watch,
        .on_done = on_watch_done,
        .owner = reflector,
    };

    kube_table_reset(&reflector->table);
    buf_reset(&reflector->buf);
    reflector->gone = false;
    reflector->bytes_seen = 0;
    reflector->phase = REFLECTOR_WATCH;
    reflector->started_ns = kube->now_ns;
    reflector->request = request_http(kube, &spec);
}

/* ---- how a list ends ---- */

static void end_listing(struct kube *kube, struct reflector *reflector, bool whole)
{
    if (reflector->listing) {
        reflector->listing = false;
        if (whole) {
            reflector->kind->sink->end(kube);
        } else {
            reflector->kind->sink->abort(kube);
        }
    }
    reflector->next_page[0] = '\0';
}

static void list_whole(struct kube *kube, struct reflector *reflector)
{
    end_listing(kube, reflector, true);
    if (reflector->synced) {
        kube->stats.relists++;
    }
    reflector->synced = true;
    reflector->must_list = false;
    reflector->fresh_read = false;
    reflector->attempt = 0;
    reflector->hurried = false;
    reflector->listed_ns = reflector->contact_ns = kube->now_ns;
    wait_until(reflector, kube->now_ns);
}

/* A CRD that is not there: nothing of its kind is, and it may come any time. */
static void list_absent(struct kube *kube, struct reflector *reflector)
{
    end_listing(kube, reflector, false);
    reflector->kind->sink->begin(kube);
    reflector->kind->sink->end(kube);
    if (!reflector->absent_said) {
        reflector->absent_said = true;
        (void)log_add(&kube->logs, reflector->kind->absent_level, "kube", "%s",
                      reflector->kind->absent);
    }
    reflector->synced = true;
    reflector->must_list = true;
    reflector->version[0] = '\0';
    reflector->contact_ns = kube->now_ns;
    wait_until(reflector,
               kube->now_ns + ABSENT_EVERY_NS / 2 + prng_below(&kube->prng, ABSENT_EVERY_NS));
}

/* Some refusals ask for another question rather than for patience. */
static bool ask_otherwise(struct kube *kube, struct reflector *reflector,
                          const struct answer *answer)
{
    bool table = reflector->list_encoding == ENCODING_TABLE;

    if (table && (answer->error.code == ERR_UNSUPPORTED || answer->status == 406)) {
        reflector->list_encoding = ENCODING_PROTO;
        (void)log_add(&kube->logs, LOG_INFO, "kube",
                      "%s are listed as protobuf, since the server's table does not serve: %s",
                      reflector->kind->name, answer->error.text);
    } else if (answer->status == 400 && reflector->kind->fallback_selector && !reflector->reduced) {
        reflector->reduced = true;
        reflector->list_encoding = ENCODING_PROTO;
    } else if ((answer->status == 410 || answer->status == 504) && !reflector->fresh_read) {
        reflector->fresh_read = true;
    } else if (answer->status == 410 && reflector->next_page[0]) {
        reflector->fresh_read = true; /* the pages were too slow: from the start */
    } else {
        return false;
    }
    return true;
}

static void list_failed(struct kube *kube, struct reflector *reflector, const struct answer *answer)
{
    struct error error = { 0 };

    if (answer->status == 404 && reflector->kind->absent) {
        list_absent(kube, reflector);
        return;
    }
    bool otherwise = ask_otherwise(kube, reflector, answer);
    end_listing(kube, reflector, false);
    if (otherwise) {
        wait_until(reflector, kube->now_ns + prng_below(&kube->prng, SECOND_NS / 10));
        return;
    }
    struct slice what = arena_printf(&kube->step, "list %s", reflector->kind->name);
    (void)answer_error(kube, answer, what.data, reflector->kind->rule, &error);
    report_failure(kube, LOG_ERROR, &error, back_off(kube, reflector, answer->retry_after_ms));
    reflector->unreached = answer->status == 0;
}

static void on_list_done(struct kube *kube, void *owner, const struct answer *answer)
{
    struct reflector *reflector = owner;
    struct answer judged = *answer;

    reflector->request = 0;
    if (answer->status == 200 && answer->error.code == ERR_OK) {
        (void)reflector_end_list(kube, reflector, &judged.error);
    }
    if (judged.status != 200 || judged.error.code != ERR_OK) {
        list_failed(kube, reflector, &judged);
        return;
    }
    if (reflector->next_page[0]) {
        start_list(kube, reflector);
        return;
    }
    list_whole(kube, reflector);
}

/* ---- how a watch ends ---- */

static void relist_soon(struct kube *kube, struct reflector *reflector)
{
    reflector->must_list = true;
    wait_until(reflector, kube->now_ns + prng_below(&kube->prng, SECOND_NS / 4));
}

/* A Table that does not serve is watched as protobuf from where it stands: once, since after that
 * nobody asks for one. */
static bool watch_otherwise(struct kube *kube, struct reflector *reflector,
                            const struct answer *answer)
{
    bool unfit = answer->status == 200 && answer->error.code == ERR_UNSUPPORTED;

    if (wanted_events(reflector) != ENCODING_TABLE || (!unfit && answer->status != 406)) {
        return false;
    }
    reflector->no_table_watch = true;
    (void)log_add(&kube->logs, LOG_INFO, "kube",
                  "%s are watched as protobuf, since the server's table does not serve: %s",
                  reflector->kind->name, answer->error.text);
    return true;
}

static void on_watch_done(struct kube *kube, void *owner, const struct answer *answer)
{
    struct reflector *reflector = owner;
    struct error error = { 0 };
    uint64_t lasted = kube->now_ns - reflector->started_ns;

    reflector->request = 0;
    if (reflector->must_list) {
        wait_until(reflector, kube->now_ns);
        return;
    }
    if (watch_otherwise(kube, reflector, answer)) {
        wait_until(reflector, kube->now_ns);
        return;
    }
    if (answer->status == 410 || reflector->gone) {
        reflector->fresh_read = true; /* what is too old to watch may be too old to list */
        relist_soon(kube, reflector);
        return;
    }
    if (answer->status == 200 && answer->error.code == ERR_OK) {
        /* Closed by the server, as announced. One that closes at once is not to be asked in a loop.
         */
        if (lasted < SHORT_WATCH_NS && reflector->bytes_seen == 0) {
            (void)back_off(kube, reflector, 0);
        } else if (kube->now_ns - reflector->listed_ns >
                   RESYNC_MIN_NS + prng_below(&kube->prng, RESYNC_MIN_NS)) {
            relist_soon(kube, reflector); /* drift, should there be any, ends here */
        } else {
            wait_until(reflector, kube->now_ns);
        }
        return;
    }
    if (answer->status == 404) {
        relist_soon(kube, reflector); /* the CRD is gone */
        return;
    }
    if (answer->status == 200 && reflector->attempt == 0) {
        /* The connection broke: once, that is no news. */
        reflector->attempt = 1;
        wait_until(reflector, kube->now_ns + prng_below(&kube->prng, SECOND_NS / 5));
        return;
    }
    if (answer->error.code == ERR_INVALID || answer->error.code == ERR_LIMIT) {
        reflector->must_list = true; /* what cannot be read will not get better */
    }
    struct slice what = arena_printf(&kube->step, "watch %s", reflector->kind->name);
    (void)answer_error(kube, answer, what.data, reflector->kind->rule, &error);
    report_failure(kube, LOG_WARN, &error, back_off(kube, reflector, answer->retry_after_ms));
    reflector->unreached = answer->status == 0;
}

/* ---- the outside ---- */

void reflector_step(struct kube *kube, struct reflector *reflector)
{
    if (reflector->held || reflector->phase != REFLECTOR_WAIT ||
        kube->now_ns < reflector->next_ns) {
        return;
    }
    if (reflector->must_list) {
        start_list(kube, reflector);
    } else {
        start_watch(kube, reflector);
    }
}

uint64_t reflector_deadline_ns(const struct kube *kube, const struct reflector *reflector)
{
    if (reflector->held || reflector->phase != REFLECTOR_WAIT || !auth_ready(kube)) {
        return NEVER_NS;
    }
    return reflector->next_ns;
}

void reflector_relist(struct kube *kube, struct reflector *reflector, enum encoding encoding)
{
    reflector->must_list = true;
    reflector->list_encoding = encoding;
    if (reflector->phase == REFLECTOR_WAIT) {
        return; /* its wait is there for a reason */
    }
    request_abandon(kube, reflector->request);
    reflector->request = 0;
    end_listing(kube, reflector, false);
    wait_until(reflector, kube->now_ns);
}

void reflector_hurry(struct kube *kube, struct reflector *reflector)
{
    /* Once in a trouble: a server that answers some and hangs up on others is not to be stormed. */
    if (reflector->phase == REFLECTOR_WAIT && reflector->unreached && !reflector->hurried) {
        reflector->hurried = true;
        wait_until(reflector, earlier(reflector->next_ns,
                                      kube->now_ns + prng_below(&kube->prng, SECOND_NS / 2)));
    }
}

void reflector_stop(struct kube *kube, struct reflector *reflector)
{
    request_abandon(kube, reflector->request);
    reflector->request = 0;
    end_listing(kube, reflector, false);
    reflector->held = true;
    wait_until(reflector, NEVER_NS);
}
