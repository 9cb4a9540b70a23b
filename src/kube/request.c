/*
 * request.c - requests under way: started with what convinces the server, ended exactly once.
 *
 * Knows ids, bodies and their caps. Refuses to know what a request is for.
 */
#include <assert.h>
#include <stdlib.h>

#include "core.h"

void requests_init(struct requests *requests, uint64_t base)
{
    *requests = (struct requests){ .last_id = base };
}

void requests_done(struct requests *requests)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        if (requests->slots[i].id != 0) {
            if (requests->slots[i].identity) {
                auth_drop(requests->slots[i].identity);
            }
            buf_done(&requests->slots[i].body);
        }
    }
}

static struct request *take_slot(struct kube *kube)
{
    struct requests *requests = &kube->requests;

    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        struct request *request = &requests->slots[i];
        if (request->id == 0) {
            *request = (struct request){ .id = ++requests->last_id, .sent_ns = kube->now_ns };
            buf_init(&request->body, ANSWER_MAX);
            requests->under_way++;
            return request;
        }
    }
    /* Every part has a fixed number of requests, which together are fewer. */
    abort();
}

static void add_header(struct fetch_header *headers, size_t *count, const char *name,
                       struct slice value)
{
    if (value.len > 0) {
        headers[(*count)++] = (struct fetch_header){ slice_of(name), value };
    }
}

uint64_t request_http(struct kube *kube, const struct request_spec *spec)
{
    enum { HEADERS = 4 };
    struct request *request = take_slot(kube);
    struct auth_identity *identity = auth_hold(kube);
    struct fetch *fetch = fetch_add(&kube->fetches, request->id);
    const struct kube_access *access = &kube->config.access;
    struct fetch_header *headers = ARENA_ARRAY(&kube->step, struct fetch_header,
                                               HEADERS + access->impersonate_count);

    request->identity = identity;
    request->on_head = spec->on_head;
    request->on_body = spec->on_body;
    request->on_done = spec->on_done;
    request->owner = spec->owner;
    add_header(headers, &fetch->header_count, "Authorization", identity->header);
    for (size_t i = 0; i < access->impersonate_count; i++) {
        headers[fetch->header_count++] = access->impersonate[i];
    }
    add_header(headers, &fetch->header_count, "User-Agent", kube->config.user_agent);
    add_header(headers, &fetch->header_count, "Accept",
               slice_of(spec->accept ? spec->accept : "application/json"));
    add_header(headers, &fetch->header_count, "Content-Type", slice_of(spec->content_type));
    fetch->headers = headers;
    fetch->method = spec->method;
    fetch->target = arena_printf(&kube->step, "%.*s%.*s", SLICE_ARG(access->server),
                                 SLICE_ARG(spec->path));
    fetch->body = spec->body.len > 0 ? arena_slice(&kube->step, spec->body) : SLICE("");
    fetch->tls = &identity->tls;
    fetch->response_max = spec->on_body ? 0 : ANSWER_MAX;
    fetch->total_ms = spec->total_ms;
    fetch->idle_ms = spec->idle_ms;
    fetch->gzip = spec->gzip;
    fetch->stream = spec->stream;
    return request->id;
}

struct fetch *request_other(struct kube *kube, request_done_fn *on_done, void *owner)
{
    struct request *request = take_slot(kube);

    request->on_done = on_done;
    request->owner = owner;
    return fetch_add(&kube->fetches, request->id);
}

static struct request *find(struct kube *kube, uint64_t id)
{
    for (uint32_t i = 0; i < REQUESTS_MAX && id != 0; i++) {
        if (kube->requests.slots[i].id == id) {
            return &kube->requests.slots[i];
        }
    }
    return NULL;
}

void request_abandon(struct kube *kube, uint64_t id)
{
    struct request *request = find(kube, id);

    if (request && !request->abandoned) {
        request->abandoned = true;
        fetch_cancel(&kube->fetches, id);
    }
}

static void on_body(struct kube *kube, struct request *request, struct slice body)
{
    kube->stats.bytes_in += body.len;
    if (request->abandoned || request->error.code != ERR_OK) {
        return;
    }
    if (!request->on_body || request->status != 200) {
        /* What an endless error says past the cap is of no interest. */
        buf_add_slice(&request->body, body);
        return;
    }
    if (request->on_body(kube, request->owner, body, &request->error) != ERR_OK) {
        assert(request->error.code != ERR_OK);
        fetch_cancel(&kube->fetches, request->id);
    }
}

static void on_end(struct kube *kube, struct request *request, const struct error *error)
{
    struct request ended = *request;
    struct answer answer = {
        .status = ended.status,
        .retry_after_ms = ended.retry_after_ms,
        .sent_ns = ended.sent_ns,
        .body = buf_slice(&ended.body),
        .error = ended.error.code != ERR_OK ? ended.error : *error,
    };

    if (ended.body.failed && answer.error.code == ERR_OK && answer.status == 200) {
        (void)error_set(&answer.error, ERR_LIMIT, "an answer of more than %d bytes", ANSWER_MAX);
    }
    /* The slot is free before the owner is told: it may start the next one. */
    request->id = 0;
    if (!ended.abandoned) {
        ended.on_done(kube, ended.owner, &answer);
    }
    if (ended.identity) {
        auth_drop(ended.identity);
    }
    buf_done(&ended.body);
    kube->requests.under_way--;
}

static void on_head(struct kube *kube, struct request *request, const struct fetch_event *event)
{
    request->status = event->status;
    request->retry_after_ms = event->retry_after_ms;
    if (request->identity) {
        auth_judge(kube, request->identity, event->status);
    }
    if (request->on_head && !request->abandoned) {
        request->on_head(kube, request->owner, event);
    }
    /* An accepted stream is a sign of life, before its first byte comes. */
    on_body(kube, request, (struct slice){ "", 0 });
    for (uint32_t i = 0; i < REFLECTORS && event->status < 300; i++) {
        reflector_hurry(kube, &kube->reflectors[i]);
    }
}

void request_event(struct kube *kube, const struct fetch_event *event)
{
    struct request *request = find(kube, event->id);

    if (!request) {
        return;
    }
    switch (event->kind) {
    case FETCH_HEAD:
        on_head(kube, request, event);
        break;
    case FETCH_BODY:
        on_body(kube, request, event->body);
        break;
    case FETCH_END:
        on_end(kube, request, &event->error);
        break;
    }
}
