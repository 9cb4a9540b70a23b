/*
 * kube_fake.h - a scripted API server for the kube machine: bytes in, requests out, a clock that a
 * test turns.
 *
 *     struct fake *api = fake_new(&(struct kube_config){ ... });
 *     fake_answer(api, fake_request(api, "GET", "/api/v1/nodes"), 200, body);
 *     expect_contains(fake_trace(api), "node-gone n1");
 *
 * Everything of a fake lives in the test's arena, except for the machine: fake_done frees it.
 */
#ifndef KUBE_FAKE_H
#define KUBE_FAKE_H

#include <stdio.h>
#include <stdlib.h>

#include <headroom/kube.h>
#include <headroom/kube_wire.h>

#include "test.h"

enum { FAKE_FETCHES = 2000 };

#define FAKE_SECOND UINT64_C(1000000000)
#define FAKE_WALL UINT64_C(1767323045000000000) /* 2026-01-02T03:04:05Z */

struct fake_fetch {
    uint64_t id, at_ns;
    enum fetch_kind kind;
    const char *method;
    struct slice target, body, accept, authorization, impersonate, impersonate_group, content_type,
        exec_info, cert_pem;
    bool ended, cancelled, stream, seen;
    uint32_t idle_ms;
};

struct fake {
    struct kube *kube;
    struct arena arena; /* of everything below */
    uint64_t now_ns;
    bool tables; /* watches are answered with Tables where they are wanted */
    struct fake_fetch fetches[FAKE_FETCHES];
    uint32_t count;
    struct buf trace, logs;
};

static inline void fake_note(struct fake *api, const struct plan_event *event)
{
    struct buf *out = &api->trace;

    switch (event->kind) {
    case PLAN_NODE:
        buf_addf(out, "node %.*s zone=%.*s type=%.*s pods=%u%s%s%s%s%s%s\n",
                 SLICE_ARG(event->node.name), SLICE_ARG(event->node.zone),
                 SLICE_ARG(event->node.instance_type), event->node.max_pods,
                 event->node.ready ? " ready" : "", event->node.unschedulable ? " cordoned" : "",
                 event->node.deleting ? " leaving" : "", event->node.short_of_ips ? " short" : "",
                 event->node.tainted ? " tainted" : "", event->node.ipv6 ? " ipv6" : "");
        break;
    case PLAN_NODE_GONE:
        buf_addf(out, "node-gone %.*s\n", SLICE_ARG(event->name));
        break;
    case PLAN_PODS:
        buf_addf(out, "pods %.*s %u+%u branch %u\n", SLICE_ARG(event->pods.node),
                 event->pods.holding, event->pods.waiting, event->pods.branch);
        break;
    case PLAN_AGENT_POD:
        buf_addf(out, "agent-pod %.*s %s\n", SLICE_ARG(event->agent_pod.node),
                 event->agent_pod.ready ? "ready" : "down");
        break;
    case PLAN_POOL:
        buf_addf(out, "pool %.*s generation %lld\n", SLICE_ARG(event->pool.name),
                 (long long)event->pool.generation);
        break;
    case PLAN_POOL_GONE:
        buf_addf(out, "pool-gone %.*s\n", SLICE_ARG(event->name));
        break;
    case PLAN_AGENT:
        buf_addf(out, "agent %.*s\n", SLICE_ARG(event->agent.version));
        break;
    case PLAN_ENICONFIG:
        buf_addf(out, "eniconfig %.*s %s\n", SLICE_ARG(event->eniconfig.name),
                 event->eniconfig.subnet.text);
        break;
    case PLAN_ENICONFIG_GONE:
        buf_addf(out, "eniconfig-gone %.*s\n", SLICE_ARG(event->name));
        break;
    case PLAN_KUBE_SYNCED:
        buf_addf(out, "synced\n");
        break;
    case PLAN_KUBE_STALE:
        buf_addf(out, "%s\n", event->stale ? "stale" : "fresh");
        break;
    case PLAN_LEASE:
        buf_addf(out, "%s", event->leader ? "leads" : "follows");
        buf_addf(out, event->leader && event->handovers > 0 ? " after %u handovers\n" : "\n",
                 event->handovers);
        break;
    default:
        buf_addf(out, "event %d\n", (int)event->kind);
        break;
    }
}

static inline struct slice fake_header(const struct fetch *fetch, const char *name)
{
    for (size_t i = 0; i < fetch->header_count; i++) {
        if (slice_is(fetch->headers[i].name, name)) {
            return fetch->headers[i].value;
        }
    }
    return SLICE("");
}

static inline void fake_keep(struct fake *api, const struct fetch *fetch)
{
    struct arena *arena = &api->arena;

    require(api->count < FAKE_FETCHES);
    struct fake_fetch *kept = &api->fetches[api->count++];
    *kept = (struct fake_fetch){
        .id = fetch->id,
        .at_ns = api->now_ns,
        .kind = fetch->kind,
        .method = fetch->method,
        .target = arena_slice(arena, fetch->target),
        .body = arena_slice(arena, fetch->body),
        .accept = arena_slice(arena, fake_header(fetch, "Accept")),
        .authorization = arena_slice(arena, fake_header(fetch, "Authorization")),
        .impersonate = arena_slice(arena, fake_header(fetch, "Impersonate-User")),
        .impersonate_group = arena_slice(arena, fake_header(fetch, "Impersonate-Group")),
        .content_type = arena_slice(arena, fake_header(fetch, "Content-Type")),
        .cert_pem = fetch->tls ? arena_slice(arena, fetch->tls->cert_pem) : SLICE(""),
        .stream = fetch->stream,
        .idle_ms = fetch->idle_ms,
    };
    for (size_t i = 0; i < fetch->env_count; i++) {
        if (slice_is(fetch->env[i].name, "KUBERNETES_EXEC_INFO")) {
            kept->exec_info = arena_slice(arena, fetch->env[i].value);
        }
    }
}

static inline struct fake_fetch *fake_find(struct fake *api, uint64_t id)
{
    for (uint32_t i = 0; i < api->count; i++) {
        if (api->fetches[i].id == id) {
            return &api->fetches[i];
        }
    }
    test_fail("no fetch has that id");
    test_end();
}

static inline void fake_step(struct fake *api, struct kube_input *input)
{
    struct kube_output out;

    input->now_ns = api->now_ns;
    input->wall_ns = FAKE_WALL + api->now_ns;
    kube_step(api->kube, input, &out);
    for (uint32_t i = 0; i < out.event_count; i++) {
        expect_u64(out.events[i].now_ns, api->now_ns);
        fake_note(api, &out.events[i]);
    }
    for (uint32_t i = 0; i < out.logs.count; i++) {
        log_render(&out.logs.records[i], input->wall_ns, &api->logs);
    }
    uint64_t cancelled[64];
    uint32_t cancels = out.fetches.cancel_count;
    require(cancels <= 64);
    for (uint32_t i = 0; i < cancels; i++) {
        cancelled[i] = out.fetches.cancels[i];
    }
    for (uint32_t i = 0; i < out.fetches.start_count; i++) {
        fake_keep(api, &out.fetches.starts[i]);
    }
    /* As io does: a cancelled fetch still ends. */
    for (uint32_t i = 0; i < cancels; i++) {
        struct fake_fetch *fetch = fake_find(api, cancelled[i]);
        if (!fetch->ended) {
            fetch->cancelled = fetch->ended = true;
            struct kube_input end = { .kind = KUBE_FETCH };
            end.fetch.id = fetch->id;
            end.fetch.kind = FETCH_END;
            (void)error_set(&end.fetch.error, ERR_CANCELLED, "cancelled");
            fake_step(api, &end);
        }
    }
}

static inline void fake_tick(struct fake *api)
{
    struct kube_input input = { .kind = KUBE_TICK };

    fake_step(api, &input);
}

/* Turns the clock, stopping wherever the machine wants to be woken. */
static inline void fake_pass(struct fake *api, uint64_t ns)
{
    uint64_t until = api->now_ns + ns;

    for (uint32_t i = 0; i < 100000; i++) {
        uint64_t at = kube_deadline_ns(api->kube);
        if (at > until) {
            api->now_ns = until;
            fake_tick(api);
            return;
        }
        api->now_ns = at > api->now_ns ? at : api->now_ns;
        fake_tick(api);
    }
    test_fail("the machine wants to be woken without end");
    test_end();
}

static inline struct fake *fake_new(const struct kube_config *config)
{
    struct fake *api = ARENA_NEW(test_arena(), struct fake);
    struct kube_config full = *config;

    if (full.access.server.len == 0) {
        full.access.server = SLICE("https://api:6443");
        full.access.context = SLICE("test");
        if (full.access.token_file.len == 0 && full.access.exec.command.len == 0) {
            full.access.token = SLICE("secret-token");
        }
    }
    full.fetch_base = 1000;
    full.seed = 42;
    if (full.identity.len == 0) {
        full.identity = SLICE("me");
    }
    arena_init(&api->arena);
    buf_init(&api->trace, 4 << 20);
    buf_init(&api->logs, 4 << 20);
    api->now_ns = 1000 * FAKE_SECOND;
    api->kube = kube_new(&full);
    fake_tick(api);
    return api;
}

static inline void fake_done(struct fake *api)
{
    kube_free(api->kube);
    buf_done(&api->trace);
    buf_done(&api->logs);
    arena_done(&api->arena);
}

/* What was told since the last call. */
static inline struct slice fake_trace(struct fake *api)
{
    struct slice trace = arena_slice(test_arena(), buf_slice(&api->trace));

    buf_reset(&api->trace);
    return trace;
}

static inline struct slice fake_logs(struct fake *api)
{
    struct slice logs = arena_slice(test_arena(), buf_slice(&api->logs));

    buf_reset(&api->logs);
    return logs;
}

/* The oldest request under way whose target contains the text; NULL: none. Seen ones come again. */
static inline struct fake_fetch *fake_peek(struct fake *api, const char *method, const char *text)
{
    for (uint32_t i = 0; i < api->count; i++) {
        struct fake_fetch *fetch = &api->fetches[i];
        bool fits = method ? fetch->method && strcmp(fetch->method, method) == 0 : !fetch->method;
        if (!fetch->ended && fits && slice_contains(fetch->target, slice_of(text))) {
            return fetch;
        }
    }
    return NULL;
}

static inline struct fake_fetch *fake_request(struct fake *api, const char *method,
                                              const char *text)
{
    struct fake_fetch *fetch = fake_peek(api, method, text);

    if (!fetch) {
        test_fail("no %s %s is under way; trace: %s logs: %s", method ? method : "file", text,
                  api->trace.data, api->logs.data);
        test_end();
    }
    return fetch;
}

static inline void fake_head(struct fake *api, struct fake_fetch *fetch, int status,
                             uint32_t retry_after_ms)
{
    struct kube_input input = { .kind = KUBE_FETCH };

    input.fetch = (struct fetch_event){
        .id = fetch->id, .kind = FETCH_HEAD, .status = status, .retry_after_ms = retry_after_ms
    };
    fake_step(api, &input);
}

/* Of a watch: in what encoding it comes. */
static inline void fake_watch_head(struct fake *api, struct fake_fetch *fetch)
{
    struct kube_input input = { .kind = KUBE_FETCH };
    bool table = api->tables && slice_contains(fetch->accept, SLICE("as=Table"));

    input.fetch = (struct fetch_event){
        .id = fetch->id,
        .kind = FETCH_HEAD,
        .status = 200,
        .content_type = table ? SLICE("application/json") : SLICE(""),
    };
    fake_step(api, &input);
}

static inline void fake_body(struct fake *api, struct fake_fetch *fetch, struct slice body)
{
    struct kube_input input = { .kind = KUBE_FETCH };

    if (fetch->ended) {
        return; /* the machine has cancelled it */
    }
    input.fetch = (struct fetch_event){ .id = fetch->id, .kind = FETCH_BODY, .body = body };
    fake_step(api, &input);
}

static inline void fake_end(struct fake *api, struct fake_fetch *fetch, enum err code,
                            const char *text)
{
    struct kube_input input = { .kind = KUBE_FETCH };

    if (fetch->ended) {
        return;
    }
    fetch->ended = true;
    input.fetch = (struct fetch_event){ .id = fetch->id, .kind = FETCH_END };
    if (code != ERR_OK) {
        (void)error_set(&input.fetch.error, code, "%s", text);
    }
    fake_step(api, &input);
}

static inline void fake_answer(struct fake *api, struct fake_fetch *fetch, int status,
                               struct slice body)
{
    fake_head(api, fetch, status, 0);
    if (body.len > 0) {
        fake_body(api, fetch, body);
    }
    fake_end(api, fetch, ERR_OK, "");
}

static inline void fake_act(struct fake *api, const struct plan_action *action)
{
    struct kube_input input = { .kind = KUBE_ACTION, .action = *action };

    fake_step(api, &input);
}

static inline void fake_stop(struct fake *api)
{
    struct kube_input input = { .kind = KUBE_STOP };

    fake_step(api, &input);
}

/* ---- protobuf, as the API server writes it ---- */

static inline void pb_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        buf_add_char(out, (char)(value | 0x80));
    }
    buf_add_char(out, (char)value);
}

static inline void pb_number(struct buf *out, uint32_t field, uint64_t value)
{
    pb_varint(out, (uint64_t)field << 3);
    pb_varint(out, value);
}

static inline void pb_bytes(struct buf *out, uint32_t field, struct slice bytes)
{
    pb_varint(out, (uint64_t)field << 3 | 2);
    pb_varint(out, bytes.len);
    buf_add_slice(out, bytes);
}

static inline void pb_text(struct buf *out, uint32_t field, const char *text)
{
    pb_bytes(out, field, slice_of(text));
}

/* Ends a message: its bytes, in the test's arena. */
static inline struct slice pb_done(struct buf *out)
{
    struct slice bytes = arena_slice(test_arena(), buf_slice(out));

    buf_done(out);
    return bytes;
}

static inline struct buf pb_new(void)
{
    struct buf buf;

    buf_init(&buf, 8 << 20);
    return buf;
}

static inline struct slice pb_pair(const char *key, const char *value)
{
    struct buf out = pb_new();

    pb_text(&out, 1, key);
    pb_text(&out, 2, value);
    return pb_done(&out);
}

/* "k8s\0" Unknown{typeMeta{v1, Kind}, raw} */
static inline struct slice pb_envelope(struct slice raw)
{
    struct buf out = pb_new();

    buf_add(&out, "k8s\0", 4);
    pb_bytes(&out, 1, pb_pair("v1", "Thing"));
    pb_bytes(&out, 2, raw);
    pb_text(&out, 3, "");
    pb_text(&out, 4, "");
    return pb_done(&out);
}

static inline struct slice pb_list(const char *version, const char *next, const struct slice *items,
                                   uint32_t count)
{
    struct buf out = pb_new(), meta = pb_new();

    pb_text(&meta, 1, "");
    pb_text(&meta, 2, version);
    pb_text(&meta, 3, next);
    pb_bytes(&out, 1, pb_done(&meta));
    for (uint32_t i = 0; i < count; i++) {
        pb_bytes(&out, 2, items[i]);
    }
    return pb_envelope(pb_done(&out));
}

/* A frame of a watch, with its length. */
static inline struct slice pb_event(const char *type, struct slice object)
{
    struct buf event = pb_new(), raw = pb_new(), out = pb_new();

    pb_text(&event, 1, type);
    pb_bytes(&raw, 1, pb_envelope(object));
    pb_bytes(&event, 2, pb_done(&raw));
    struct slice bytes = pb_done(&event);
    unsigned char len[4] = { (unsigned char)(bytes.len >> 24), (unsigned char)(bytes.len >> 16),
                             (unsigned char)(bytes.len >> 8), (unsigned char)bytes.len };
    buf_add(&out, len, 4);
    buf_add_slice(&out, bytes);
    return pb_done(&out);
}

static inline struct slice pb_meta(const char *name, const char *namespace, const char *uid,
                                   const char *version)
{
    struct buf out = pb_new();

    pb_text(&out, 1, name);
    pb_text(&out, 3, namespace);
    pb_text(&out, 5, uid);
    pb_text(&out, 6, version);
    return pb_done(&out);
}

struct fake_pod {
    const char *namespace, *name, *uid, *node, *ip, *phase, *version;
    bool host_network, branch, ready;
};

static inline struct slice pb_pod(const struct fake_pod *pod)
{
    struct buf spec = pb_new(), status = pb_new(), out = pb_new();

    if (pod->branch) {
        struct buf container = pb_new(), resources = pb_new();
        pb_bytes(&resources, 2,
                 pb_pair("vpc.amazonaws.com/pod-eni", "\n\001"
                                                      "1"));
        pb_text(&container, 1, "c");
        pb_bytes(&container, 8, pb_done(&resources));
        pb_bytes(&spec, 2, pb_done(&container));
    }
    pb_text(&spec, 10, pod->node ? pod->node : "");
    pb_number(&spec, 11, pod->host_network);
    pb_text(&status, 1, pod->phase ? pod->phase : "Running");
    pb_bytes(&status, 2, pb_pair("Ready", pod->ready ? "True" : "False"));
    pb_text(&status, 6, pod->ip ? pod->ip : "");
    pb_bytes(&out, 1,
             pb_meta(pod->name, pod->namespace ? pod->namespace : "default",
                     pod->uid ? pod->uid : pod->name, pod->version ? pod->version : "2"));
    pb_bytes(&out, 2, pb_done(&spec));
    pb_bytes(&out, 3, pb_done(&status));
    return pb_done(&out);
}

static inline struct slice pb_node(const char *name, const char *zone, const char *taint,
                                   const char *version)
{
    struct buf meta = pb_new(), spec = pb_new(), status = pb_new(), out = pb_new();

    pb_text(&meta, 1, name);
    pb_text(&meta, 5, name);
    pb_text(&meta, 6, version);
    pb_bytes(&meta, 11, pb_pair("topology.kubernetes.io/zone", zone));
    pb_bytes(&meta, 11, pb_pair("node.kubernetes.io/instance-type", "m5.large"));
    pb_text(&spec, 3, "aws:///us-west-2a/i-0123456789abcdef0");
    if (taint[0]) {
        pb_bytes(&spec, 5, pb_pair(taint, ""));
    }
    pb_bytes(&status, 1, pb_pair("pods", "\n\00229"));
    pb_bytes(&status, 4, pb_pair("Ready", "True"));
    pb_bytes(&status, 5, pb_pair("InternalIP", "10.0.0.1"));
    pb_bytes(&out, 1, pb_done(&meta));
    pb_bytes(&out, 2, pb_done(&spec));
    pb_bytes(&out, 3, pb_done(&status));
    return pb_done(&out);
}

static inline struct slice pb_bookmark(const char *version)
{
    struct buf out = pb_new();

    pb_bytes(&out, 1, pb_meta("", "", "", version));
    return pb_event("BOOKMARK", pb_done(&out));
}

static inline struct slice pb_error(uint32_t code, const char *message)
{
    struct buf out = pb_new();

    pb_text(&out, 3, message);
    pb_text(&out, 4, "Expired");
    pb_number(&out, 6, code);
    return pb_event("ERROR", pb_done(&out));
}

#define EMPTY_TABLE(columns)                                                                       \
    "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"                                            \
    "v1\",\"metadata\":{\"resourceVersion\":\"1\"},"                                               \
    "\"columnDefinitions\":[" columns "],\"rows\":"
#define POD_COLUMNS "{\"name\":\"Name\"},{\"name\":\"IP\"},{\"name\":\"Node\"}"
#define AGENT_COLUMNS "{\"name\":\"Name\"},{\"name\":\"Ready\"},{\"name\":\"Node\"}"
#define JSON_LIST(items) "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[" items "]}"
#define NO_STATUS                                                                                  \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"the server could not find the "     \
    "requested resource\",\"reason\":\"NotFound\",\"code\":404}"

/* A line of a watch of pods `as=Table`; the first has the columns. */
static inline struct slice table_event(bool first, const char *type, const struct fake_pod *pod)
{
    return arena_printf(
        test_arena(),
        "{\"type\":\"%s\",\"object\":{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\","
        "\"metadata\":{\"resourceVersion\":\"%s\"},\"columnDefinitions\":%s,\"rows\":[{\"cells\":["
        "\"%s\",\"%s\",\"%s\"],\"object\":null}]}}\n",
        type, pod->version ? pod->version : "2", first ? "[" POD_COLUMNS "]" : "null", pod->name,
        pod->ip && pod->ip[0] ? pod->ip : "\\u003cnone\\u003e", pod->node ? pod->node : "");
}

#define TABLE_GONE                                                                                 \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"   \
    "\"status\":\"Failure\",\"message\":\"too old resource version: 2 "                            \
    "(9)\",\"reason\":\"Expired\","                                                                \
    "\"code\":410}}\n"

/* Answers every first list with what little a small cluster has: node n1 and the rows of pods. */
static inline void fake_sync(struct fake *api, const char *pod_rows)
{
    struct slice node = pb_node("n1", "us-west-2a", "", "1");

    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 200, SLICE(JSON_LIST("")));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 200, pb_list("1", "", &node, 1));
    fake_answer(api, fake_request(api, "GET", "/kube-system/pods?"), 200,
                SLICE(EMPTY_TABLE(AGENT_COLUMNS) "[{\"cells\":[\"aws-node-1\",\"1/1\",\"n1\"]}]}"));
    fake_answer(api, fake_request(api, "GET", "/subnetpools?"), 200, SLICE(JSON_LIST("")));
    fake_answer(api, fake_request(api, "GET", "/eniconfigs?"), 404, SLICE(NO_STATUS));
    fake_answer(api, fake_request(api, "GET", "/api/v1/pods?"), 200,
                arena_printf(test_arena(), EMPTY_TABLE(POD_COLUMNS) "[%s]}", pod_rows));
    fake_tick(api);
}

/* The stream of that kind, its head already answered. */
static inline struct fake_fetch *fake_watch(struct fake *api, const char *path)
{
    struct slice target = arena_printf(test_arena(), "%s?", path);

    for (uint32_t i = api->count; i-- > 0;) {
        struct fake_fetch *fetch = &api->fetches[i];
        if (!fetch->ended && slice_contains(fetch->target, target) &&
            slice_contains(fetch->target, SLICE("watch=true"))) {
            if (!fetch->seen) {
                fetch->seen = true;
                fake_watch_head(api, fetch);
            }
            return fetch;
        }
    }
    test_fail("no watch of %s is under way", path);
    test_end();
}

#endif
