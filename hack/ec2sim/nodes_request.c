/*
 * nodes_request.c - the played nodes' requests to the API server.
 *
 * Knows that each is bounded, and repeated with a back-off until it is answered: the API server may
 * restart. Refuses to know what the answers mean.
 */
#include <stdarg.h>
#include <stdio.h>

#include "nodes_state.h"

enum { WATCH_IDLE_MS = 270000, TOTAL_MS = 30000 };

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
        .id = ++nodes->next_id * REQUESTS_MAX + at,
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

struct request *nodes_apply(struct nodes *nodes, enum request_kind kind, struct slice path,
                            struct slice body)
{
    struct slice target = arena_printf(&nodes->scratch, "%.*s?fieldManager=ec2sim&force=true",
                                       SLICE_ARG(path));

    return nodes_request(nodes, kind, "PATCH", "application/apply-patch+yaml", target, body);
}

void nodes_request_done(struct request *request)
{
    mem_free(request->path);
    mem_free(request->body);
    buf_done(&request->answer);
    *request = (struct request){ 0 };
}

bool nodes_is_stream(const struct request *request)
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
    nodes->in_flight += !nodes_is_stream(request);
    io_start(nodes->io, &fetch);
}

void nodes_start_requests(struct nodes *nodes)
{
    uint32_t count = nodes->request_count, first = count > 0 ? nodes->turn % count : 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (first + i) % count;
        struct request *request = &nodes->requests[at];
        bool due = request->used && !request->in_flight && request->at_ns <= nodes->now_ns;
        if (due && (nodes_is_stream(request) || nodes->in_flight < IN_FLIGHT_MAX)) {
            begin(nodes, request);
            nodes->turn = at + 1;
        }
    }
}

uint64_t nodes_backoff_ns(struct nodes *nodes, uint32_t attempts)
{
    return (100 + prng_backoff(&nodes->prng, 200, 5000, attempts)) * NODES_MS;
}

uint64_t nodes_requests_deadline_ns(const struct nodes *nodes)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t i = 0; i < nodes->request_count; i++) {
        const struct request *request = &nodes->requests[i];
        bool may = nodes_is_stream(request) || nodes->in_flight < IN_FLIGHT_MAX;
        if (request->used && !request->in_flight && may && request->at_ns < deadline_ns) {
            deadline_ns = request->at_ns;
        }
    }
    return deadline_ns;
}
