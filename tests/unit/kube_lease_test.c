/* Who leads: never two at once, and soon another one. */
#include "kube_fake.h"

static const struct kube_config elects = { .leader_elect = true };

#define LEASES "/leases"

/* The Lease as an API server shows it. */
static struct slice lease(const char *holder, const char *renewed, const char *version,
                          uint32_t seconds)
{
    return arena_printf(
        test_arena(),
        "{\"metadata\":{\"name\":\"headroom-controller\",\"uid\":\"u\","
        "\"resourceVersion\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\","
        "\"leaseDurationSeconds\":%u,\"acquireTime\":\"2026-01-01T00:00:00.000000Z\","
        "\"renewTime\":\"%s\",\"leaseTransitions\":3}}",
        version, holder, seconds, renewed);
}

static struct fake_fetch *lease_request(struct fake *api, const char *method)
{
    return fake_request(api, method, "/leases/headroom-controller");
}

/* A machine that has just taken a free Lease. */
static struct fake *leading(void)
{
    struct fake *api = fake_new(&elects);

    fake_answer(api, lease_request(api, "GET"), 200, lease("", "x", "7", 1));
    fake_answer(api, lease_request(api, "PUT"), 200, lease("me", "y", "8", 15));
    expect_contains(fake_trace(api), "leads after 3 handovers\n");
    return api;
}

TEST(lease, is_created_by_the_first_replica)
{
    struct fake *api = fake_new(&elects);

    expect_u64(kube_fence_ns(api->kube), 0);
    fake_answer(api, lease_request(api, "GET"), 404, SLICE(NO_STATUS));
    struct fake_fetch *post = fake_request(api, "POST", LEASES);
    expect_contains(post->target, "/namespaces/headroom-system/leases");
    expect_contains(post->body, "\"holderIdentity\":\"me\",\"leaseDurationSeconds\":15");
    expect_contains(post->body, "\"renewTime\":\"2026-01-02T03:20:45.000000Z\"");
    expect_contains(post->body, "\"leaseTransitions\":0");
    expect(!slice_contains(post->body, SLICE("resourceVersion")));
    fake_answer(api, post, 201, lease("me", "y", "1", 15));
    expect_slice(fake_trace(api), "leads after 3 handovers\n");
    fake_done(api);
}

TEST(lease, of_another_is_respected_for_as_long_as_it_moves)
{
    struct fake *api = fake_new(&elects);
    char renewed[16];

    for (uint32_t i = 0; i < 60; i++) {
        (void)snprintf(renewed, sizeof(renewed), "t%u", i);
        struct fake_fetch *get = fake_peek(api, "GET", "/leases/headroom-controller");
        if (get) {
            fake_answer(api, get, 200, lease("other", renewed, renewed, 15));
        }
        expect(!fake_peek(api, "PUT", LEASES));
        fake_pass(api, FAKE_SECOND);
    }
    expect_slice(fake_trace(api), "");
    fake_done(api);
}

TEST(lease, of_a_dead_one_is_taken_after_its_duration_by_our_own_clock)
{
    struct fake *api = fake_new(&elects);
    uint64_t began = api->now_ns;

    /* Its renewTime lies far in the past, or in the future: that says nothing about our clock. */
    while (!fake_peek(api, "PUT", LEASES)) {
        struct fake_fetch *get = fake_peek(api, "GET", "/leases/headroom-controller");
        if (get) {
            fake_answer(api, get, 200, lease("other", "2020-01-01T00:00:00.000000Z", "7", 15));
        }
        if (!fake_peek(api, "PUT", LEASES)) {
            fake_pass(api, FAKE_SECOND / 10);
        }
    }
    expect(api->now_ns - began >= 15 * FAKE_SECOND);
    expect(api->now_ns - began < 18 * FAKE_SECOND);
    struct fake_fetch *put = lease_request(api, "PUT");
    expect_contains(put->body, "\"resourceVersion\":\"7\"");
    expect_contains(put->body, "\"leaseTransitions\":4");
    fake_answer(api, put, 200, lease("me", "y", "8", 15));
    expect_slice(fake_trace(api), "leads after 3 handovers\n");
    fake_done(api);
}

TEST(lease, that_is_released_is_taken_at_once)
{
    struct fake *api = fake_new(&elects);

    fake_answer(api, lease_request(api, "GET"), 200, lease("other", "x", "7", 15));
    fake_pass(api, FAKE_SECOND / 10);
    struct fake_fetch *watch = fake_watch(api, LEASES);
    expect_contains(watch->target, "fieldSelector=metadata.name%3Dheadroom-controller");
    fake_body(api, watch, SLICE("{\"type\":\"MODIFIED\",\"object\":{}}\n"));
    fake_answer(api, lease_request(api, "GET"), 200, lease("", "y", "8", 1));
    expect(fake_peek(api, "PUT", LEASES) != NULL);
    fake_done(api);
}

TEST(lease, fences_by_when_the_renewal_was_sent)
{
    struct fake *api = fake_new(&elects);

    fake_answer(api, lease_request(api, "GET"), 200, lease("", "x", "7", 1));
    struct fake_fetch *put = lease_request(api, "PUT");
    uint64_t sent = put->at_ns;
    api->now_ns += 2 * FAKE_SECOND; /* a slow answer */
    fake_answer(api, put, 200, lease("me", "y", "8", 15));
    expect_u64(kube_fence_ns(api->kube), sent + 12 * FAKE_SECOND);
    fake_done(api);
}

TEST(lease, is_renewed_every_two_seconds_and_moves_the_fence)
{
    struct fake *api = leading();
    uint64_t before = kube_fence_ns(api->kube);

    fake_pass(api, 2 * FAKE_SECOND);
    struct fake_fetch *put = lease_request(api, "PUT");
    expect_contains(put->body, "\"resourceVersion\":\"8\"");
    expect_contains(put->body, "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\"");
    expect_contains(put->body, "\"leaseTransitions\":3");
    fake_answer(api, put, 200, lease("me", "z", "9", 15));
    expect_u64(kube_fence_ns(api->kube), before + 2 * FAKE_SECOND);
    expect_slice(fake_trace(api), "");
    fake_done(api);
}

TEST(lease, that_cannot_be_renewed_is_given_up_before_the_fence)
{
    struct fake *api = leading();
    uint64_t fence = kube_fence_ns(api->kube);

    while (api->now_ns < fence && kube_fence_ns(api->kube) != 0) {
        struct fake_fetch *put = fake_peek(api, "PUT", LEASES);
        if (put) {
            fake_answer(api, put, 500, SLICE(""));
        }
        fake_pass(api, FAKE_SECOND / 10);
    }
    expect(api->now_ns < fence);
    expect_slice(fake_trace(api), "follows\n");
    expect_u64(kube_fence_ns(api->kube), 0);
    expect_contains(fake_logs(api), "could not be renewed for 10 s");
    fake_done(api);
}

TEST(lease, with_a_renewal_that_never_answers_is_given_up_as_well)
{
    struct fake *api = leading();
    uint64_t fence = kube_fence_ns(api->kube);

    fake_pass(api, 11 * FAKE_SECOND);
    expect(api->now_ns < fence);
    expect_slice(fake_trace(api), "follows\n");
    fake_done(api);
}

TEST(lease, that_another_took_is_noticed_by_the_conflict)
{
    struct fake *api = leading();

    fake_pass(api, 2 * FAKE_SECOND);
    fake_answer(api, lease_request(api, "PUT"), 409, SLICE(""));
    fake_pass(api, FAKE_SECOND);
    fake_answer(api, lease_request(api, "GET"), 200, lease("other", "q", "12", 15));
    expect_slice(fake_trace(api), "follows\n");
    expect(!fake_peek(api, "PUT", LEASES));
    fake_done(api);
}

TEST(lease, whose_renewal_got_lost_on_the_way_back_stays_ours)
{
    struct fake *api = leading();

    fake_pass(api, 2 * FAKE_SECOND);
    fake_end(api, lease_request(api, "PUT"), ERR_UNAVAILABLE, "connection reset");
    fake_pass(api, 3 * FAKE_SECOND);
    fake_answer(api, lease_request(api, "PUT"), 409, SLICE("")); /* it had been written */
    fake_pass(api, FAKE_SECOND);
    fake_answer(api, lease_request(api, "GET"), 200, lease("me", "y2", "9", 15));
    fake_answer(api, lease_request(api, "PUT"), 200, lease("me", "y3", "10", 15));
    expect_slice(fake_trace(api), "");
    expect(kube_fence_ns(api->kube) > api->now_ns);
    fake_done(api);
}

TEST(lease, is_emptied_by_a_clean_stop)
{
    struct fake *api = leading();

    fake_stop(api);
    expect_slice(fake_trace(api), "follows\n");
    struct fake_fetch *put = lease_request(api, "PUT");
    expect_contains(put->body, "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,");
    expect_contains(put->body, "\"resourceVersion\":\"8\"");
    expect(!kube_stopped(api->kube));
    fake_answer(api, put, 200, lease("", "z", "9", 1));
    expect(kube_stopped(api->kube));
    expect_u64(kube_deadline_ns(api->kube), UINT64_MAX);
    fake_done(api);
}

TEST(lease, waits_for_a_renewal_under_way_before_it_is_emptied)
{
    struct fake *api = leading();

    fake_pass(api, 2 * FAKE_SECOND);
    struct fake_fetch *renewal = lease_request(api, "PUT");
    fake_stop(api);
    fake_answer(api, renewal, 200, lease("me", "z", "9", 15));
    expect_contains(lease_request(api, "PUT")->body, "\"resourceVersion\":\"9\"");
    fake_done(api);
}

TEST(lease, does_not_keep_a_stop_waiting_for_a_dead_server)
{
    struct fake *api = leading();

    fake_stop(api);
    fake_pass(api, 6 * FAKE_SECOND);
    expect(kube_stopped(api->kube));
    fake_done(api);
}

TEST(lease, is_left_alone_by_a_dry_run)
{
    struct kube_config config = { .leader_elect = true, .read_only = true };
    struct fake *api = fake_new(&config);

    fake_pass(api, 20 * FAKE_SECOND);
    expect(!fake_peek(api, "GET", LEASES));
    expect_contains(fake_trace(api), "leads\n");
    expect_u64(kube_fence_ns(api->kube), UINT64_MAX);
    fake_done(api);
}

TEST(lease, says_that_its_namespace_is_missing)
{
    struct fake *api = fake_new(&elects);

    fake_answer(api, lease_request(api, "GET"), 404, SLICE(NO_STATUS));
    fake_answer(api, fake_request(api, "POST", LEASES), 404, SLICE(NO_STATUS));
    expect_contains(fake_logs(api),
                    "namespace \\\"headroom-system\\\" is not there; apply manifests/");
    fake_done(api);
}
