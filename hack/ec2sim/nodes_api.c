/*
 * nodes_api.c - the played nodes' way to the API server: requests and two list+watches.
 *
 * Knows that each request is bounded, and repeated with a back-off until it is answered: the API
 * server may restart. Refuses to know what the objects mean.
 */
#include <stdarg.h>
#include <stdio.h>

#include <headroom/kube_wire.h>

#include "nodes_state.h"

/* A watch ends by itself after so long, so that none hangs on a dead connection for ever. */
enum {
    WATCH_SECONDS = 240,
    WATCH_IDLE_MS = 270000,
    TOTAL_MS = 30000,
    SLOTS = 1 << 20,
    NOT_YET_MAX = 20
};

void nodes_log(const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)fprintf(stderr, "ec2sim: nodes: %s\n", line);
}

static char *own(struct slice s)
{
    char *copy = mem_resize(NULL, s.len + 1, 1);

    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

struct request *nodes_request(struct nodes *nodes, enum request_kind kind, const char *method,
                              const char *content_type, struct slice path, struct slice body)
{
    uint32_t at = 0;

    while (at < nodes->request_count && nodes->requests[at].used) {
        at++;
    }
    if (at == nodes->request_count) {
        mem_reserve(&nodes->requests, &nodes->request_capacity, at + 1, sizeof(struct request));
        nodes->request_count++;
    }
    struct request *request = &nodes->requests[at];
    *request = (struct request){
        .used = true,
        .id = ++nodes->next_id * SLOTS + at,
        .kind = kind,
        .row = ROW_NONE,
        .method = method,
        .content_type = content_type,
        .path = own(path),
        .body = body.data ? own(body) : NULL,
        .at_ns = nodes->now_ns,
    };
    buf_init(&request->answer, BODY_MAX);
    return request;
}

void nodes_apply(struct nodes *nodes, enum request_kind kind, struct slice path, struct slice body)
{
    struct slice target = arena_printf(&nodes->scratch, "%.*s?fieldManager=ec2sim&force=true",
                                       SLICE_ARG(path));

    (void)nodes_request(nodes, kind, "PATCH", "application/apply-patch+yaml", target, body);
}

static void forget(struct request *request)
{
    mem_free(request->path);
    mem_free(request->body);
    buf_done(&request->answer);
    *request = (struct request){ 0 };
}

static bool is_stream(const struct request *request)
{
    return request->kind == REQ_PAGE || request->kind == REQ_WATCH;
}

static void begin(struct nodes *nodes, struct request *request)
{
    struct fetch_header headers[3];
    size_t count = 0;

    headers[count++] = (struct fetch_header){ SLICE("Accept"), SLICE("application/json") };
    if (nodes->authorization.len > 0) {
        headers[count++] = (struct fetch_header){ SLICE("Authorization"), nodes->authorization };
    }
    if (request->content_type) {
        headers[count++] = (struct fetch_header){ SLICE("Content-Type"),
                                                  slice_of(request->content_type) };
    }
    struct fetch fetch = {
        .id = request->id,
        .kind = FETCH_HTTP,
        .method = request->method,
        .target = arena_printf(&nodes->scratch, "%.*s%s", SLICE_ARG(nodes->access.server),
                               request->path),
        .headers = headers,
        .header_count = count,
        .body = request->body ? slice_of(request->body) : (struct slice){ 0 },
        .tls = &nodes->access.tls,
        .total_ms = request->kind == REQ_WATCH ? 0 : TOTAL_MS,
        .idle_ms = request->kind == REQ_WATCH ? WATCH_IDLE_MS : 0,
        .response_max = request->kind == REQ_WATCH ? 0 : BODY_MAX,
        .stream = request->kind == REQ_WATCH,
    };
    request->in_flight = true;
    request->status = 0;
    buf_reset(&request->answer);
    nodes->in_flight += !is_stream(request);
    io_start(nodes->io, &fetch);
}

void nodes_start_requests(struct nodes *nodes)
{
    for (uint32_t i = 0; i < nodes->request_count; i++) {
        struct request *request = &nodes->requests[i];
        bool due = request->used && !request->in_flight && request->at_ns <= nodes->now_ns;
        if (due && (is_stream(request) || nodes->in_flight < IN_FLIGHT_MAX)) {
            begin(nodes, request);
        }
    }
}

static uint64_t backoff_ns(struct nodes *nodes, uint32_t attempts)
{
    return (100 + prng_backoff(&nodes->prng, 200, 5000, attempts)) * NODES_MS;
}

uint64_t nodes_api_deadline_ns(const struct nodes *nodes)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t i = 0; i < nodes->request_count; i++) {
        const struct request *request = &nodes->requests[i];
        bool may = is_stream(request) || nodes->in_flight < IN_FLIGHT_MAX;
        if (request->used && !request->in_flight && may && request->at_ns < deadline_ns) {
            deadline_ns = request->at_ns;
        }
    }
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        if (!nodes->streams[i].busy && nodes->streams[i].at_ns < deadline_ns) {
            deadline_ns = nodes->streams[i].at_ns;
        }
    }
    return deadline_ns;
}

/* ---- list and watch ---- */

void nodes_start_streams(struct nodes *nodes)
{
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        struct stream *stream = &nodes->streams[i];
        if (stream->busy || stream->at_ns > nodes->now_ns) {
            continue;
        }
        struct slice path;
        stream->listing = stream->version[0] == '\0';
        if (stream->listing) {
            stream->epoch += stream->next[0] == '\0';
            path = arena_printf(&nodes->scratch, "%s?limit=%d%s%s", stream->path, PAGE,
                                stream->next[0] ? "&continue=" : "", stream->next);
        } else {
            path = arena_printf(
                &nodes->scratch,
                "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s",
                stream->path, WATCH_SECONDS, stream->version);
        }
        struct request *request = nodes_request(nodes, stream->listing ? REQ_PAGE : REQ_WATCH,
                                                "GET", NULL, path, (struct slice){ 0 });
        request->stream = i;
        stream->busy = true;
    }
}

static void see(struct nodes *nodes, uint32_t stream, const struct doc *object, bool gone)
{
    if (stream == STREAM_PODS) {
        nodes_see_pod(nodes, object, gone);
    } else {
        nodes_see_node(nodes, object, gone);
    }
}

static void keep_version(struct stream *stream, const struct doc *object)
{
    struct slice version = doc_text(doc_at(object, "metadata", "resourceVersion"));

    if (version.len > 0 &&
        slice_copy(version, stream->version, sizeof(stream->version)) != ERR_OK) {
        stream->version[0] = '\0';
    }
}

static void start_again(struct nodes *nodes, struct stream *stream, bool from_scratch)
{
    stream->failures++;
    stream->at_ns = nodes->now_ns + backoff_ns(nodes, stream->failures);
    if (from_scratch) {
        stream->version[0] = stream->next[0] = '\0';
    }
}

static void take_page(struct nodes *nodes, struct stream *stream, uint32_t which, struct slice body)
{
    static const struct doc_limits limits = { .bytes = BODY_MAX, .nodes = 2000000 };
    const struct doc *list = NULL;
    struct error error = { 0 };
    struct arena page;

    arena_init(&page);
    if (json_parse(&page, body, &limits, &list, &error) != ERR_OK) {
        nodes_log("a list of %s cannot be read: %s", stream->path, error.text);
        start_again(nodes, stream, true);
    } else {
        for (const struct doc *item = doc_first(doc_get(list, "items")); item; item = item->next) {
            see(nodes, which, item, false);
        }
        struct slice next = doc_text(doc_at(list, "metadata", "continue"));
        if (slice_copy(next, stream->next, sizeof(stream->next)) != ERR_OK || next.len == 0) {
            stream->next[0] = '\0';
            keep_version(stream, list);
            stream->synced = true;
            if (which == STREAM_PODS) {
                nodes_forget_pods(nodes, stream->epoch);
            }
        }
        stream->failures = 0;
        stream->at_ns = nodes->now_ns;
    }
    arena_done(&page);
}

static void take_line(struct nodes *nodes, struct stream *stream, uint32_t which, struct slice line)
{
    const struct doc *doc = NULL, *object = NULL;
    enum kube_change change = KUBE_ERROR;
    struct arena memory;

    arena_init(&memory);
    if (json_parse(&memory, line, NULL, &doc, NULL) != ERR_OK ||
        kube_json_watch(doc, &change, &object, NULL) != ERR_OK || change == KUBE_ERROR) {
        stream->version[0] = '\0'; /* too old, most likely: list again */
    } else {
        stream->failures = 0;
        keep_version(stream, object);
        if (change != KUBE_BOOKMARK) {
            see(nodes, which, object, change == KUBE_DELETED);
        }
    }
    arena_done(&memory);
}

/* Dealing with a line may make requests, and so move their table. */
static void take_watch_bytes(struct nodes *nodes, uint32_t at, struct slice bytes)
{
    uint32_t which = nodes->requests[at].stream;
    struct stream *stream = &nodes->streams[which];

    buf_add_slice(&nodes->requests[at].answer, bytes);
    if (nodes->requests[at].status != 200) {
        return;
    }
    struct slice rest = buf_slice(&nodes->requests[at].answer);
    size_t done = 0;
    for (const char *end;
         done < rest.len && (end = memchr(rest.data + done, '\n', rest.len - done));) {
        size_t len = (size_t)(end - rest.data) - done;
        if (len > 0) {
            take_line(nodes, stream, which, (struct slice){ rest.data + done, len });
        }
        done += len + 1;
    }
    buf_drop(&nodes->requests[at].answer, done);
}

static void end_stream(struct nodes *nodes, struct request *request, const struct error *error)
{
    struct stream *stream = &nodes->streams[request->stream];
    struct slice body = buf_slice(&request->answer);

    stream->busy = false;
    if (request->kind == REQ_WATCH) {
        bool gone = request->status == 410 || stream->version[0] == '\0';
        if (request->status == 200 && !gone && error->code == ERR_OK) {
            stream->at_ns = nodes->now_ns; /* it came to its normal end */
        } else {
            start_again(nodes, stream, gone);
        }
    } else if (error->code == ERR_OK && request->status == 200 && !request->answer.failed) {
        take_page(nodes, stream, request->stream, body);
    } else {
        if (stream->failures == 0) {
            nodes_log("cannot list %s: %s (status %d)", stream->path, error->text, request->status);
        }
        start_again(nodes, stream, true);
    }
}

/* ---- answers ---- */

static void end_plain(struct nodes *nodes, struct request *request, const struct error *error)
{
    int status = request->status;
    bool again = error->code != ERR_OK || status >= 500 || status == 429 ||
                 (status == 409 && strcmp(request->method, "POST") != 0) ||
                 (status == 404 && request->kind == REQ_SOON && request->attempts < NOT_YET_MAX);
    bool ok = error->code == ERR_OK && status >= 200 && status < 300;
    const struct doc *doc = NULL;

    nodes->in_flight--;
    if (again) {
        request->in_flight = false;
        request->attempts++;
        request->at_ns = nodes->now_ns + backoff_ns(nodes, request->attempts);
        if (request->attempts % 20 == 3) {
            nodes_log("%s %s goes on failing: %s (status %d)", request->method, request->path,
                      error->text, status);
        }
        return;
    }
    if (!ok && status != 404 && status != 409) {
        struct slice body = buf_slice(&request->answer);
        nodes_log("%s %s: status %d: %.*s", request->method, request->path, status,
                  (int)(body.len < 400 ? body.len : 400), body.data);
    }
    struct request done = *request;
    request->used = false; /* a new request may take the row while the answer is dealt with */
    request->path = request->body = NULL;
    request->answer = (struct buf){ 0 };
    if (done.kind == REQ_DAEMONSET && ok &&
        json_parse(&nodes->scratch, buf_slice(&done.answer), NULL, &doc, NULL) == ERR_OK) {
        (void)!slice_copy(doc_text(doc_at(doc, "metadata", "uid")), nodes->daemonset_uid, UID_MAX);
        for (uint32_t i = 0; i < nodes->row_count; i++) {
            if (nodes->rows[i].used) {
                nodes_register_agent_pod(nodes, i);
            }
        }
    } else if (done.kind == REQ_POD) {
        nodes_pod_answer(nodes, &done, ok);
    }
    forget(&done);
}

void nodes_take_event(struct nodes *nodes, const struct fetch_event *event)
{
    uint32_t at = (uint32_t)(event->id % SLOTS);

    if (at >= nodes->request_count || nodes->requests[at].id != event->id) {
        return;
    }
    struct request *request = &nodes->requests[at];
    switch (event->kind) {
    case FETCH_HEAD:
        request->status = event->status;
        break;
    case FETCH_BODY:
        if (request->kind == REQ_WATCH) {
            take_watch_bytes(nodes, at, event->body);
        } else {
            buf_add_slice(&request->answer, event->body);
        }
        break;
    default:
        if (is_stream(request)) {
            struct request done = *request;
            *request = (struct request){ 0 };
            end_stream(nodes, &done, &event->error);
            forget(&done);
        } else {
            end_plain(nodes, request, &event->error);
        }
        break;
    }
}
