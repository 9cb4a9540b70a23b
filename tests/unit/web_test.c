/*
 * web_test.c - the page's server as a browser, a probe and Prometheus meet it.
 *
 * Knows web.h, and the private policy.h and listen.h. Refuses to know libwebsockets.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <headroom/doc.h>
#include <headroom/io.h>
#include <headroom/web.h>

#include "test.h"
#include "web/history.h"
#include "web/listen.h"
#include "web/page.h"
#include "web/pictures.h"
#include "web/policy.h"
#include "web/state.h"

enum { TEXT_MAX = 1 << 20 };

static const struct subnet_status subnets[] = {
    { .id = { "subnet-0aa" },
      .zone = SLICE("us-west-2a"),
      .cidr = { 0x0a000000, 24 },
      .total = 251,
      .free = 12,
      .free_prefixes = 0,
      .in_flight = 6,
      .state = SUBNET_Low,
      .exhausted_in_s = 240,
      .observed_wall_ns = UINT64_C(1767323045500000000) },
    { .id = { "subnet-0bb" },
      .zone = SLICE("us-west-2b"),
      .cidr = { 0x0a000100, 24 },
      .total = 251,
      .free = 240,
      .free_prefixes = 14,
      .state = SUBNET_Healthy,
      .exhausted_in_s = FORECAST_NEVER_S },
};

static const struct zone_status zones[] = {
    { SLICE("us-west-2a"), 1, 251, 12, 3 },
    { SLICE("us-west-2b"), 1, 251, 240, 2 },
};

static const struct pool_status pool = {
    .name = SLICE("default \"one\"\\\n"),
    .conditions = { { .type = "Ready",
                      .value = CONDITION_FALSE,
                      .reason = "SubnetsLow",
                      .message = SLICE("subnet-0aa has 12 of 251 addresses free") },
                    { .type = "SubnetsReady", .value = CONDITION_TRUE, .reason = "Found" } },
    .subnets = subnets,
    .subnet_count = 2,
    .zones = zones,
    .zone_count = 2,
    .nodes_total = 5,
    .nodes_covered = 4,
    .nodes_at_risk = 1,
    .free = 252,
    .in_flight = 6,
};

static const struct snapshot_node nodes[] = {
    { .name = SLICE("ip-10-0-0-7"),
      .zone = SLICE("us-west-2a"),
      .pool = SLICE("default"),
      .kind = PLAN_DECISION_NoHealthySubnet,
      .detail = SLICE("no <subnet> fits"),
      .addresses = 14,
      .holding = 14,
      .waiting = 3,
      .enis = 1,
      .eni_limit = 3,
      .stall_in_s = FORECAST_NEVER_S },
};

static const struct happening happenings[] = {
    { .wall_ns = UINT64_C(1767323045000000000),
      .sequence = 41,
      .reason = "SubnetLow",
      .warning = true,
      .name = SLICE("default"),
      .message = SLICE("subnet-0aa is low") },
};

/* One holder, the caller. */
static struct snapshot_ref *picture(bool ready)
{
    struct arena *arena = NULL;
    struct snapshot *snapshot = NULL;
    struct snapshot_ref *ref = snapshot_new(&arena, &snapshot);
    static const double bounds[] = { 0.5, 1, 2.5 };

    snapshot->sequence = 9;
    snapshot->wall_ns = UINT64_C(1767323045500000000);
    snapshot->now_ns = UINT64_C(90000000000);
    snapshot->started_wall_ns = UINT64_C(1767323000000000000);
    snapshot->version = SLICE("0.1.0");
    snapshot->cluster_name = SLICE("demo");
    snapshot->ready = ready;
    snapshot->not_ready_because = ready ? SLICE("") : SLICE("waiting for 3 s for AWS credentials");
    snapshot->leader = true;
    snapshot->pools = &pool;
    snapshot->pool_count = 1;
    snapshot->nodes = nodes;
    snapshot->node_count = 1;
    snapshot->node_total = 5;
    snapshot->decisions[PLAN_DECISION_NoHealthySubnet] = 1;
    snapshot->decisions[PLAN_DECISION_Enough] = 4;
    snapshot->happenings = happenings;
    snapshot->happening_count = 1;
    snapshot->ec2.action_count = 2;
    snapshot->ec2.actions[0] = (struct ec2_action_stats){
        .action = "CreateNetworkInterface",
        .tokens = 31.25,
        .burst = 33,
        .refill_per_s = 1.5,
        .requests = 3,
        .throttled = 1,
        .latency_sum_us = 900000,
        .latency_count = 3,
        .codes = { { "ok", 2 }, { "RequestLimitExceeded", 1 } },
        .code_count = 2,
    };
    snapshot->ec2.actions[1] = (struct ec2_action_stats){ .action = "DescribeSubnets" };
    snapshot->kube.last_contact_ns = UINT64_C(88500000000);
    snapshot->kube.nodes = 5;
    histogram_init(&snapshot->attach_seconds, bounds, 3);
    histogram_init(&snapshot->plan_seconds, bounds, 3);
    histogram_add(&snapshot->attach_seconds, 0.75);
    histogram_add(&snapshot->attach_seconds, 1);
    histogram_add(&snapshot->attach_seconds, 60);
    snapshot->enis_attached = 3;
    snapshot->cpu_seconds = 0.1;
    return ref;
}

static struct slice render(void (*body)(const struct snapshot *, struct buf *), bool ready)
{
    struct snapshot_ref *ref = picture(ready);
    struct buf text;

    buf_init(&text, TEXT_MAX);
    body(snapshot_get(ref), &text);
    expect(!text.failed);
    struct slice copy = arena_slice(test_arena(), buf_slice(&text));
    buf_done(&text);
    snapshot_drop(ref);
    return copy;
}

TEST(web, writes_metrics_that_name_subnets_decisions_and_requests)
{
    struct slice text = render(web_metrics, true);

    expect_contains(text, "# TYPE headroom_subnet_free_addresses gauge\n"
                          "headroom_subnet_free_addresses{pool=\"default \\\"one\\\"\\\\\\n\","
                          "subnet=\"subnet-0aa\",zone=\"us-west-2a\"} 12\n");
    expect_contains(text, "subnet=\"subnet-0aa\",zone=\"us-west-2a\",state=\"Low\"} 1\n");
    expect_contains(text, "subnet=\"subnet-0aa\",zone=\"us-west-2a\",state=\"Healthy\"} 0\n");
    expect_contains(text, "subnet=\"subnet-0bb\",zone=\"us-west-2b\"} +Inf\n");
    expect_contains(text, "headroom_nodes{decision=\"NoHealthySubnet\"} 1\n");
    expect_contains(text, "headroom_nodes{decision=\"Queued\"} 0\n");
    expect_contains(text, "type=\"Ready\"} 0\n");
    expect_contains(text, "type=\"SubnetsReady\"} 1\n");
    expect_contains(text, "headroom_ec2_requests_total{action=\"CreateNetworkInterface\","
                          "code=\"RequestLimitExceeded\"} 1\n");
    expect_contains(text,
                    "headroom_ec2_requests_total{action=\"DescribeSubnets\",code=\"ok\"} 0\n");
    expect_contains(text, "headroom_ec2_budget_tokens{action=\"CreateNetworkInterface\"} 31.25\n");
    expect_contains(text, "headroom_watch_lag_seconds 1.5\n");
    expect_contains(text, "process_cpu_seconds_total 0.1\n");
}

TEST(web, writes_histograms_cumulatively)
{
    struct slice text = render(web_metrics, true);

    expect_contains(text, "# TYPE headroom_eni_attach_seconds histogram\n"
                          "headroom_eni_attach_seconds_bucket{le=\"0.5\"} 0\n"
                          "headroom_eni_attach_seconds_bucket{le=\"1\"} 2\n"
                          "headroom_eni_attach_seconds_bucket{le=\"2.5\"} 2\n"
                          "headroom_eni_attach_seconds_bucket{le=\"+Inf\"} 3\n"
                          "headroom_eni_attach_seconds_sum 61.75\n"
                          "headroom_eni_attach_seconds_count 3\n");
}

TEST(web, satisfies_promtool_where_it_is_installed)
{
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        return;
    }
    struct slice text = render(web_metrics, true);
    FILE *promtool = popen("promtool check metrics >&2", "w");
    require(promtool != NULL);
    expect_u64(fwrite(text.data, 1, text.len, promtool), text.len);
    expect_i64(pclose(promtool), 0);
}

TEST(web, writes_the_state_as_json)
{
    const struct doc *state = NULL;
    struct error error = { 0 };

    require_ok(json_parse(test_arena(), render(web_state, true), NULL, &state, &error), &error);
    const struct doc *pool_doc = doc_first(doc_get(state, "pools"));
    const struct doc *subnet = doc_first(doc_get(pool_doc, "subnets"));
    expect_slice(doc_text(doc_get(pool_doc, "name")), "default \"one\"\\\n");
    expect_slice(doc_text(doc_get(subnet, "cidr")), "10.0.0.0/24");
    expect_slice(doc_text(doc_get(subnet, "state")), "Low");
    expect_u64(doc_u64_or(doc_get(subnet, "exhaustedIn"), 0), 240);
    expect(doc_get(subnet->next, "exhaustedIn") == NULL); /* null: not foreseen */
    expect_slice(doc_text(doc_get(subnet, "observedAt")), "2026-01-02T03:04:05.500Z");
    const struct doc *node = doc_first(doc_get(state, "nodes"));
    expect_slice(doc_text(doc_get(node, "decision")), "NoHealthySubnet");
    expect_slice(doc_text(doc_get(node, "detail")), "no <subnet> fits");
    expect_u64(doc_u64_or(doc_at(state, "decisions", "Enough"), 0), 4);
    const struct doc *happening = doc_first(doc_get(state, "happenings"));
    expect_slice(doc_text(doc_get(happening, "reason")), "SubnetLow");
    expect_slice(doc_text(doc_get(happening, "type")), "Warning");
}

static struct slice history_text(const struct history *history)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    history_write(history, &text);
    struct slice copy = arena_slice(test_arena(), buf_slice(&text));
    buf_done(&text);
    return copy;
}

TEST(web, tells_pages_of_the_neediest_nodes_and_of_all_waiting_pods)
{
    struct snapshot_ref *ref = picture(true);
    struct snapshot snapshot = *snapshot_get(ref);
    struct snapshot_node *many = ARENA_ARRAY(test_arena(), struct snapshot_node, 200);
    struct buf brief, all;

    for (uint32_t i = 0; i < 200; i++) {
        many[i] = nodes[0];
        many[i].name = arena_printf(test_arena(), "node-%u.", i);
    }
    snapshot.nodes = many;
    snapshot.node_count = 200;
    snapshot.pods_waiting = 4000; /* most of them on nodes that are less needy than these 200 */
    buf_init(&brief, TEXT_MAX);
    buf_init(&all, TEXT_MAX);
    state_brief(&snapshot, NULL, &brief);
    web_state(&snapshot, &all);
    expect_contains(buf_slice(&brief), "\"node-59.\"");
    expect(!slice_contains(buf_slice(&brief), SLICE("\"node-60.\"")));
    expect_contains(buf_slice(&brief), "\"podsWaiting\":4000");
    expect_contains(buf_slice(&all), "\"node-199.\"");
    buf_done(&brief);
    buf_done(&all);
    snapshot_drop(ref);
}

/* The picture of `picture`, a second later, with one more node and the first one changed or not. */
static struct snapshot_ref *next_second(bool changed)
{
    struct arena *arena = NULL;
    struct snapshot *snapshot = NULL;
    struct snapshot_ref *first = picture(true), *ref = snapshot_new(&arena, &snapshot);
    struct snapshot_node *two = ARENA_ARRAY(arena, struct snapshot_node, 2);

    *snapshot = *snapshot_get(first);
    two[0] = two[1] = nodes[0];
    two[0].name = SLICE("ip-10-0-0-8");
    two[1].waiting += changed;
    snapshot->nodes = two;
    snapshot->node_count = 2;
    snapshot->wall_ns += UINT64_C(1000000000) + changed;
    snapshot_drop(first);
    return ref;
}

static void show(struct pictures *pictures, struct snapshot_ref *ref)
{
    pictures_offer(pictures, ref);
    snapshot_drop(ref);
}

static struct slice next_text(struct pictures *pictures, uint64_t *seen)
{
    struct text *text = pictures_next(pictures, seen);
    struct slice copy = text ? arena_slice(test_arena(), buf_slice(&text->bytes)) : SLICE("");

    text_drop(text);
    return copy;
}

TEST(web, tells_a_page_what_is_new_since_the_picture_that_it_had)
{
    struct pictures pictures = { .newest = NULL };
    uint64_t seen = 0, late = 0;

    expect(!pictures_draw(&pictures));
    expect_slice(next_text(&pictures, &seen), "");
    show(&pictures, picture(true));
    expect(pictures_draw(&pictures));
    struct slice whole = next_text(&pictures, &seen);
    expect_contains(whole, "\"nodes\":[{\"name\":\"ip-10-0-0-7\"");
    expect_contains(next_text(&pictures, &late), "\"detail\":\"no <subnet> fits\"");
    expect(!pictures_draw(&pictures)); /* nothing new */
    expect_slice(next_text(&pictures, &seen), "");

    show(&pictures, next_second(false));
    expect(pictures_draw(&pictures));
    struct slice change = next_text(&pictures, &seen);
    expect_contains(change, "\"nodes\":[{\"name\":\"ip-10-0-0-8\"");
    expect_contains(change, "},\"ip-10-0-0-7\"]");
    expect_contains(change, "\"subnets\":[\"subnet-0aa\",\"subnet-0bb\"]");
    expect_contains(change, "\"happenings\":[41]");
    expect_contains(change, "\"actions\":[\"CreateNetworkInterface\",\"DescribeSubnets\"]");
    const struct doc *doc = NULL;
    struct error error = { 0 };
    require_ok(json_parse(test_arena(), change, NULL, &doc, &error), &error);

    /* One who missed a picture, and one who comes now, are told all. */
    show(&pictures, next_second(true));
    expect(pictures_draw(&pictures));
    expect_contains(next_text(&pictures, &seen),
                    "\"nodes\":[\"ip-10-0-0-8\",{\"name\":\"ip-10-0-0-7\"");
    struct slice all = next_text(&pictures, &late);
    expect_contains(all, "\"nodes\":[{\"name\":\"ip-10-0-0-8\"");
    expect_contains(all, "\"subnets\":[{\"id\":\"subnet-0aa\"");
    late = 0;
    expect_slices(next_text(&pictures, &late), all);
    pictures_done(&pictures);
}

TEST(web, passes_over_pictures_that_nobody_came_to_look_at)
{
    struct pictures pictures = { .newest = NULL };

    show(&pictures, picture(true));
    show(&pictures, picture(false)); /* ASan would say if the first one were left */
    expect(!pictures_newest(&pictures)->ready);
    show(&pictures, next_second(false));
    show(&pictures, next_second(true));
    expect_u64(pictures_newest(&pictures)->node_count, 2);
    pictures_done(&pictures);
}

TEST(web, remembers_ten_minutes_of_each_subnet)
{
    struct history history = { 0 };
    struct snapshot_ref *ref = picture(true);
    struct snapshot snapshot = *snapshot_get(ref);

    expect_slice(history_text(&history), "{\"subnets\":{}}\n");
    history_note(&history, &snapshot);
    snapshot.wall_ns += UINT64_C(4900000000); /* too soon for another point */
    history_note(&history, &snapshot);
    snapshot.wall_ns += UINT64_C(100000000);
    history_note(&history, &snapshot);
    expect_contains(history_text(&history), "\"subnet-0aa\":[[1767323045,");
    expect_contains(history_text(&history), "],[1767323050,");
    for (uint32_t i = 0; i < HISTORY_POINTS - 1; i++) {
        snapshot.wall_ns += UINT64_C(5000000000);
        history_note(&history, &snapshot);
    }
    /* The first of them has gone, the second is the oldest. */
    expect_contains(history_text(&history), "\"subnet-0aa\":[[1767323050,");
    history_done(&history);
    snapshot_drop(ref);
}

TEST(web, keeps_a_snapshot_until_its_last_holder_drops_it)
{
    struct snapshot_ref *ref = picture(true);
    struct snapshot_ref *other = snapshot_hold(ref);

    snapshot_drop(ref);
    expect_u64(snapshot_get(other)->node_total, 5); /* ASan would say if it were gone */
    snapshot_drop(other);
    snapshot_drop(NULL);
}

/* ---- over loopback ---- */

struct reply {
    int status;
    struct slice content_type;
    struct slice body;
};

static struct reply get(struct io *io, const struct web *web, const char *method, const char *path)
{
    static uint64_t id;
    struct reply reply = { 0 };
    struct buf body;
    uint64_t limit = io_now_ns() + UINT64_C(20000000000);
    bool done = false;
    struct fetch fetch = {
        .id = ++id,
        .method = method,
        .target = arena_printf(test_arena(), "http://127.0.0.1:%u%s", web_port(web), path),
    };

    buf_init(&body, TEXT_MAX);
    io_start(io, &fetch);
    while (!done) {
        uint32_t count = 0;
        require(io_now_ns() < limit);
        const struct fetch_event *events = io_wait(io, limit, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (events[i].kind == FETCH_HEAD) {
                reply.status = events[i].status;
                reply.content_type = arena_slice(test_arena(), events[i].content_type);
            } else if (events[i].kind == FETCH_BODY) {
                buf_add_slice(&body, events[i].body);
            } else {
                done = true;
                expect_ok(events[i].error.code, &events[i].error);
            }
        }
    }
    reply.body = arena_slice(test_arena(), buf_slice(&body));
    buf_done(&body);
    return reply;
}

static void start(struct io **io, struct web **web)
{
    struct error error = { 0 };

    require_ok(io_new(io, &error), &error);
    require_ok(web_new(SLICE("127.0.0.1:0"), web, &error), &error);
}

TEST(web, answers_probes_scrapes_and_people)
{
    struct io *io = NULL;
    struct web *web = NULL;

    start(&io, &web);
    expect_i64(get(io, web, "GET", "/healthz").status, 200);
    struct reply reply = get(io, web, "GET", "/readyz");
    expect_i64(reply.status, 503);
    expect_slice(reply.body, "starting\n");

    struct snapshot_ref *ref = picture(false);
    web_show(web, ref);
    snapshot_drop(ref);
    reply = get(io, web, "GET", "/readyz");
    expect_i64(reply.status, 503);
    expect_slice(reply.body, "waiting for 3 s for AWS credentials\n");

    ref = picture(true);
    web_show(web, ref);
    snapshot_drop(ref);
    expect_slice(get(io, web, "GET", "/readyz").body, "ok\n");
    reply = get(io, web, "GET", "/metrics");
    expect_slice(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
    expect_slices(reply.body, render(web_metrics, true));
    expect(!web_watched(web)); /* probes and scrapes want nothing fresher */
    reply = get(io, web, "GET", "/api/state");
    expect(web_watched(web));
    expect_slice(reply.content_type, "application/json");
    expect_contains(reply.body, "\"cluster\":\"demo\"");
    reply = get(io, web, "GET", "/");
    expect_slice(reply.content_type, "text/html; charset=utf-8");
    expect_slices(reply.body, web_page());
    expect_i64(get(io, web, "GET", "/nothing").status, 404);
    expect_i64(get(io, web, "POST", "/api/state").status, 405);
    web_free(web);
    io_free(io);
}

/* Sends text over a fresh connection and reads until `wanted` has come or the peer closes. */
static struct slice talk(const struct web *web, const char *text, const char *wanted)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(web_port(web)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 20 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct buf seen;

    buf_init(&seen, TEXT_MAX);
    require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    expect(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    while (!slice_contains(buf_slice(&seen), slice_of(wanted))) {
        char piece[4096];
        ssize_t got = recv(fd, piece, sizeof(piece), 0);
        if (got <= 0) {
            break;
        }
        buf_add(&seen, piece, (size_t)got);
    }
    (void)close(fd);
    struct slice copy = arena_slice(test_arena(), buf_slice(&seen));
    buf_done(&seen);
    return copy;
}

#define UPGRADE(host, more)                                                                        \
    "GET /ws HTTP/1.1\r\nHost: " host "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" more "\r\n"

TEST(web, pushes_the_state_to_pages_of_its_own_origin_only)
{
    struct io *io = NULL;
    struct web *web = NULL;

    start(&io, &web);
    expect_i64(get(io, web, "GET", "/api/state").status, 503);
    struct snapshot_ref *ref = picture(true);
    web_show(web, ref);
    snapshot_drop(ref);
    struct slice seen = talk(web,
                             UPGRADE("localhost:8080", "Sec-WebSocket-Protocol: headroom\r\n"
                                                       "Origin: http://localhost:8080\r\n"),
                             "\"lastError\":\"\"}}");
    expect_contains(seen, "101 Switching Protocols");
    expect_contains(seen, "\"cluster\":\"demo\"");
    seen = talk(web,
                UPGRADE("localhost:8080", "Sec-WebSocket-Protocol: headroom\r\n"
                                          "Origin: http://evil.example\r\n"),
                "\r\n\r\n");
    expect_contains(seen, "403 Forbidden");
    expect(!slice_contains(seen, SLICE("demo")));
    seen = talk(web, UPGRADE("localhost:8080", ""), "\r\n\r\n");
    expect(!slice_contains(seen, SLICE("101 Switching")));
    /* Those who were turned away are not counted as having left: others still come in. */
    seen = talk(web, UPGRADE("localhost:8080", "Sec-WebSocket-Protocol: headroom\r\n"),
                "\"lastError\":\"\"}}");
    expect_contains(seen, "\"cluster\":\"demo\"");
    web_free(web);
    io_free(io);
}

TEST(web, limits_what_a_browser_may_do_with_the_page)
{
    struct io *io = NULL;
    struct web *web = NULL;

    start(&io, &web);
    struct slice seen = talk(web, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                             "\r\n\r\n");
    expect_contains(seen, "content-security-policy: default-src 'none'; script-src 'sha256-");
    expect_contains(seen, "x-content-type-options: nosniff");
    web_free(web);
    io_free(io);
    /* The hashes only cover one script and one style, and nothing from elsewhere would load. */
    struct slice page = web_page();
    expect(page.len > 10000);
    expect(!slice_contains(page, SLICE("src=\"http")) && !slice_contains(page, SLICE("@import")));
    expect(!slice_contains(page, SLICE(" style=\"")) && !slice_contains(page, SLICE(" onclick=")));
    expect(!slice_contains(page, SLICE("innerHTML")));
}

TEST(web, compares_origin_and_host)
{
    expect(web_same_origin(SLICE("http://localhost:8080"), SLICE("localhost:8080")));
    expect(web_same_origin(SLICE("https://Headroom.example"), SLICE("headroom.example")));
    expect(!web_same_origin(SLICE("http://localhost:8081"), SLICE("localhost:8080")));
    expect(!web_same_origin(SLICE("null"), SLICE("localhost:8080")));
    expect(!web_same_origin(SLICE("http://"), SLICE("")));
}

TEST(web, reads_addresses_as_people_write_them)
{
    struct web_address address;
    struct error error = { 0 };

    require_ok(web_address_parse(SLICE(":8080"), &address, &error), &error);
    expect_text(address.host, "");
    expect_u64(address.port, 8080);
    require_ok(web_address_parse(SLICE("9090"), &address, &error), &error);
    expect_u64(address.port, 9090);
    require_ok(web_address_parse(SLICE("localhost:1"), &address, &error), &error);
    expect_text(address.host, "127.0.0.1");
    require_ok(web_address_parse(SLICE("[::1]:8080"), &address, &error), &error);
    expect_text(address.host, "::1");
    static const char *const bad[] = { "", ":", "a:1", "::1:80", ":70000", "[::1]", "1.2.3.4" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_err(web_address_parse(slice_of(bad[i]), &address, &error), ERR_INVALID, &error);
        expect_contains(slice_of(error.text), "PORT");
    }
}

TEST(web, says_when_somebody_else_listens_there)
{
    struct io *io = NULL;
    struct web *web = NULL, *second = NULL;
    struct error error = { 0 };

    start(&io, &web);
    struct slice taken = arena_printf(test_arena(), "127.0.0.1:%u", web_port(web));
    expect_err(web_new(taken, &second, &error), ERR_IO, &error);
    expect_contains(slice_of(error.text), "another process listens there");
    web_free(web);
    io_free(io);
    web_free(NULL);
}
