/*
 * nodes_watch.c - what the API server says to the played nodes: two list+watches, and the answers
 * to their requests.
 *
 * Knows pages, watch lines, and when to list again. Refuses to know what the objects mean.
 */
#include <headroom/kube_wire.h>

#include "nodes_state.h"

/* A watch ends by itself after so long, so that none hangs on a dead connection for ever. */
enum { WATCH_SECONDS = 240, NOT_YET_MAX = 20 };

uint64_t nodes_streams_deadline_ns(const struct nodes *nodes)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        if (!nodes->streams[i].busy && nodes->streams[i].at_ns < deadline_ns) {
            deadline_ns = nodes->streams[i].at_ns;
        }
    }
    return deadline_ns;
}

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
    stream->at_ns = nodes->now_ns + nodes_backoff_ns(nodes, stream->failures);
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
        request->at_ns = nodes->now_ns + nodes_backoff_ns(nodes, request->attempts);
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
    } else if (done.kind == REQ_NODE || done.kind == REQ_STATUS) {
        nodes_node_answer(nodes, &done, ok);
    } else if (done.kind == REQ_POD) {
        nodes_pod_answer(nodes, &done, ok);
    }
    nodes_request_done(&done);
}

void nodes_take_event(struct nodes *nodes, const struct fetch_event *event)
{
    uint32_t at = (uint32_t)(event->id % REQUESTS_MAX);

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
        if (nodes_is_stream(request)) {
            struct request done = *request;
            *request = (struct request){ 0 };
            end_stream(nodes, &done, &event->error);
            nodes_request_done(&done);
        } else {
            end_plain(nodes, request, &event->error);
        }
        break;
    }
}
