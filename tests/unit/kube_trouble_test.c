/* The picture of the cluster when the API server falters, refuses, falls silent or lies. */
#include "kube_fake.h"

static const struct kube_config plain = { .leader_elect = false };

static struct fake *synced(const char *pod_rows)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, pod_rows);
    return api;
}

TEST(kube, names_the_rule_that_rbac_lacks)
{
    struct fake *api = fake_new(&plain);

    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 403,
                SLICE("{\"kind\":\"Status\",\"message\":\"nodes is forbidden: User \\\"x\\\"\","
                      "\"code\":403}"));
    struct slice logs = fake_logs(api);
    expect_contains(logs,
                    "not allowed to list nodes: RBAC must allow get, list and watch on nodes");
    expect_contains(logs, "nodes is forbidden");
    fake_done(api);
}

TEST(kube, says_once_that_the_server_cannot_be_reached)
{
    struct fake *api = fake_new(&plain);
    struct kube_stats stats;

    for (uint32_t i = 0; i < 5; i++) {
        fake_end(api, fake_request(api, "GET", "https://api:6443/"), ERR_UNAVAILABLE,
                 "connection refused");
    }
    struct slice logs = fake_logs(api);
    expect_contains(
        logs, "\"error\",\"module\":\"kube\",\"msg\":\"cannot reach the Kubernetes API server "
              "https://api:6443: connection refused; retrying in ");
    const char *first = strstr(logs.data, "\"level\":\"error\"");
    expect(first && !strstr(first + 1, "\"level\":\"error\""));
    kube_stats(api->kube, &stats);
    expect_text(stats.last_error,
                "cannot reach the Kubernetes API server https://api:6443: connection "
                "refused");
    fake_done(api);
}

TEST(kube, forgets_trouble_that_is_over)
{
    struct fake *api = fake_new(&plain);
    struct kube_stats stats;

    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 500, SLICE(""));
    fake_pass(api, 60 * FAKE_SECOND);
    kube_stats(api->kube, &stats);
    expect_text(stats.last_error, "cannot list nodes: HTTP status 500: without a reason");
    fake_pass(api, 61 * FAKE_SECOND);
    kube_stats(api->kube, &stats);
    expect_text(stats.last_error, "");
    fake_done(api);
}

TEST(kube, waits_as_long_as_a_busy_server_asks)
{
    struct fake *api = fake_new(&plain);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/nodes?");

    fake_head(api, list, 429, 7000);
    fake_end(api, list, ERR_OK, "");
    fake_pass(api, 6900000000);
    expect(!fake_peek(api, "GET", "/api/v1/nodes?"));
    fake_pass(api, 3 * FAKE_SECOND);
    expect(fake_peek(api, "GET", "/api/v1/nodes?") != NULL);
    fake_done(api);
}

TEST(kube, asks_a_failing_server_ever_more_rarely)
{
    struct fake *api = fake_new(&plain);
    uint32_t tries = 0;

    for (uint64_t end = api->now_ns + 600 * FAKE_SECOND; api->now_ns < end;) {
        struct fake_fetch *list = fake_peek(api, "GET", "/api/v1/nodes?");
        if (list) {
            tries++;
            fake_answer(api, list, 500, SLICE(""));
        }
        fake_pass(api, FAKE_SECOND / 4);
    }
    expect(tries > 20 && tries < 120); /* half of 30 s between two, in the mean */
    fake_done(api);
}

/* The list of nodes fails for as long as it takes until its next try is far off. */
static void fail_until_patient(struct fake *api)
{
    for (uint32_t tries = 0; tries < 8; tries++) {
        fake_end(api, fake_request(api, "GET", "/api/v1/nodes?"), ERR_UNAVAILABLE, "refused");
        for (uint32_t i = 0; i < 80 && !fake_peek(api, "GET", "/api/v1/nodes?"); i++) {
            fake_pass(api, FAKE_SECOND / 2);
        }
    }
    fake_end(api, fake_request(api, "GET", "/api/v1/nodes?"), ERR_UNAVAILABLE, "refused");
}

TEST(kube, does_not_wait_any_longer_when_the_server_answers_others_again)
{
    struct fake *api = fake_new(&plain);

    fail_until_patient(api);
    fake_pass(api, FAKE_SECOND / 2);
    require(!fake_peek(api, "GET", "/api/v1/nodes?"));
    fake_answer(api, fake_request(api, "GET", "/eniconfigs?"), 200,
                SLICE("{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"));
    fake_pass(api, FAKE_SECOND / 2);
    expect(fake_peek(api, "GET", "/api/v1/nodes?") != NULL);

    /* But once: a server that answers some and hangs up on others is not stormed. */
    fake_end(api, fake_request(api, "GET", "/api/v1/nodes?"), ERR_UNAVAILABLE, "refused");
    fake_head(api, fake_request(api, "GET", "/eniconfigs?"), 200, 0);
    fake_pass(api, FAKE_SECOND / 2);
    expect(!fake_peek(api, "GET", "/api/v1/nodes?"));
    fake_done(api);
}

TEST(kube, calls_its_picture_stale_when_nothing_comes_any_more)
{
    struct fake *api = synced("");

    (void)fake_trace(api);
    for (uint32_t i = 0; i < 8; i++) {
        fake_pass(api, 10 * FAKE_SECOND);
    }
    expect(!slice_contains(fake_trace(api), SLICE("stale")));
    fake_pass(api, 11 * FAKE_SECOND);
    expect_contains(fake_trace(api), "stale\n");
    fake_body(api, fake_watch(api, "/api/v1/nodes"), pb_bookmark("2"));
    fake_body(api, fake_watch(api, "/api/v1/pods"), pb_bookmark("2"));
    fake_body(api, fake_watch(api, "/kube-system/pods"), pb_bookmark("2"));
    expect_slice(fake_trace(api), "");
    fake_body(api, fake_watch(api, "/subnetpools"), SLICE("\n"));
    fake_body(api, fake_watch(api, "/daemonsets"), SLICE("\n"));
    struct fake_fetch *eniconfigs = fake_peek(api, "GET", "/eniconfigs?");
    if (eniconfigs) {
        fake_answer(api, eniconfigs, 404, SLICE(NO_STATUS));
    }
    expect_contains(fake_trace(api), "fresh\n");
    fake_done(api);
}

TEST(kube, takes_an_accepted_watch_for_a_sign_of_life)
{
    static const char *const paths[] = { "/api/v1/nodes", "/api/v1/pods", "/kube-system/pods",
                                         "/subnetpools", "/daemonsets" };
    struct fake *api = synced("");

    (void)fake_trace(api);
    fake_pass(api, 60 * FAKE_SECOND);
    for (uint32_t i = 0; i < 5; i++) {
        fake_end(api, fake_watch(api, paths[i]), ERR_UNAVAILABLE, "connection reset");
        fake_pass(api, 5 * FAKE_SECOND);
        fake_head(api, fake_request(api, "GET", paths[i]), 200, 0);
    }
    struct fake_fetch *eniconfigs = fake_peek(api, "GET", "/eniconfigs?");
    if (eniconfigs) {
        fake_answer(api, eniconfigs, 404, SLICE(NO_STATUS));
    }
    fake_pass(api, 20 * FAKE_SECOND);
    expect(!slice_contains(fake_trace(api), SLICE("stale")));
    fake_done(api);
}

TEST(kube, bounds_what_a_hostile_server_sends)
{
    static const struct {
        const char *path;
        struct slice bytes;
    } attacks[] = {
        { "/api/v1/pods", { "\x7F\xFF\xFF\xFF", 4 } },                 /* a frame of 2 GiB */
        { "/api/v1/pods", { "\x00\x00\x00\x04\xFF\xFF\xFF\xFF", 8 } }, /* no protobuf */
        { "/api/v1/pods", { "\x00\x00\x00\x00", 4 } },                 /* an empty event */
        { "/subnetpools",
          { "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 69 } },
        { "/subnetpools", { "{\"type\":7}\n", 11 } }, /* wrong types */
        { "/subnetpools", { "{\"type\":\"ADDED\",\"object\":[]}\n", 30 } },
    };

    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        struct fake *api = synced("");
        struct kube_stats stats;
        struct fake_fetch *watch = fake_watch(api, attacks[i].path);
        fake_body(api, watch, attacks[i].bytes);
        expect(watch->ended); /* hung up on */
        fake_pass(api, 60 * FAKE_SECOND);
        kube_stats(api->kube, &stats);
        expect_u64(stats.nodes, 1);
        fake_done(api);
    }
}

TEST(kube, lists_anew_what_it_cannot_read_twice)
{
    struct fake *api = synced("");

    for (uint32_t i = 0; i < 2; i++) {
        fake_body(api, fake_watch(api, "/api/v1/pods"), (struct slice){ "\0\0\0\2\xFF\xFF", 6 });
        fake_pass(api, 5 * FAKE_SECOND);
    }
    expect(!slice_contains(fake_request(api, "GET", "/api/v1/pods?")->target, SLICE("watch=true")));
    expect_contains(fake_logs(api), "cannot watch pods: bad protobuf in a watch event");
    fake_done(api);
}

TEST(kube, hangs_up_on_a_line_without_an_end)
{
    struct fake *api = synced("");
    struct fake_fetch *watch = fake_watch(api, "/subnetpools");
    char *junk = arena_alloc(test_arena(), 1 << 20);

    memset(junk, 'x', 1 << 20);
    for (uint32_t i = 0; i < 20 && !watch->ended; i++) {
        fake_body(api, watch, (struct slice){ junk, 1 << 20 });
    }
    expect(watch->ended);
    fake_done(api);
}
