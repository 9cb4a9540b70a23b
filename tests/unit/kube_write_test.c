/* What users see of Headroom in their cluster, and what they must not lose by it. */
#include "kube_fake.h"

static const struct kube_config plain = { .leader_elect = false };

static struct plan_action node_event(const char *message)
{
    return (struct plan_action){ .kind = PLAN_EVENT,
                                 .event = { .reason = EVENT_NoHealthySubnet,
                                            .warning = true,
                                            .on_node = true,
                                            .name = SLICE("n1"),
                                            .message = slice_of(message) } };
}

static struct plan_action taint(bool set)
{
    return (struct plan_action){ .kind = PLAN_NODE_TAINT,
                                 .taint = { .node = SLICE("n1"), .set = set } };
}

static struct plan_action condition(bool short_of_ips)
{
    return (struct plan_action){ .kind = PLAN_NODE_CONDITION,
                                 .condition = { .node = SLICE("n1"),
                                                .short_of_ips = short_of_ips,
                                                .reason = "NoHealthySubnet",
                                                .message = SLICE("all full") } };
}

static struct plan_action status(uint32_t free)
{
    struct subnet_status *subnet = ARENA_NEW(test_arena(), struct subnet_status);
    *subnet = (struct subnet_status){ .id = { "subnet-1" },
                                      .zone = SLICE("us-west-2a"),
                                      .cidr = { 0x0A000000, 20 },
                                      .total = 4091,
                                      .free = free,
                                      .state = SUBNET_Low,
                                      .exhausted_in_s = 840,
                                      .observed_wall_ns = FAKE_WALL };
    struct plan_action action = { .kind = PLAN_POOL_STATUS,
                                  .pool_status = { .name = SLICE("main"),
                                                   .uid = SLICE("pool-uid"),
                                                   .observed_generation = 2,
                                                   .subnets = subnet,
                                                   .subnet_count = 1,
                                                   .free = free } };
    action.pool_status.conditions[0] = (struct condition){ "Ready", CONDITION_FALSE, "SubnetLow",
                                                           SLICE("subnet-1 is low"), FAKE_WALL };
    return action;
}

static void act(struct fake *api, struct plan_action action)
{
    fake_act(api, &action);
}

/* ---- events ---- */

TEST(events, of_a_node_are_found_by_kubectl_describe)
{
    struct fake *api = fake_new(&plain);

    act(api, node_event("no subnet helps"));
    struct fake_fetch *post = fake_request(api, "POST",
                                           "/events.k8s.io/v1/namespaces/default/events");
    expect_contains(post->body,
                    "\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\","
                    "\"uid\":\"n1\"}");
    expect_contains(post->body,
                    "\"reason\":\"NoHealthySubnet\",\"type\":\"Warning\",\"note\":\"no subnet "
                    "helps\"");
    expect_contains(post->body, "\"reportingController\":\"headroom.dev/controller\"");
    expect_contains(post->body, "\"eventTime\":\"2026-01-02T03:20:45.000000Z\"");
    fake_done(api);
}

TEST(events, that_repeat_become_a_series)
{
    struct fake *api = fake_new(&plain);

    act(api, node_event("no subnet helps"));
    struct fake_fetch *post = fake_request(api, "POST", "/events");
    fake_answer(api, post, 201, SLICE("{}"));
    fake_pass(api, FAKE_SECOND);
    act(api, node_event("no subnet helps"));
    struct fake_fetch *patch = fake_request(api, "PATCH", "/namespaces/default/events/n1.");
    expect_slice(patch->content_type, "application/merge-patch+json");
    expect_slice(patch->body, "{\"series\":{\"count\":2,\"lastObservedTime\":"
                              "\"2026-01-02T03:20:46.000000Z\"}}");
    fake_answer(api, patch, 200, SLICE("{}"));
    for (uint32_t i = 0; i < 30; i++) {
        act(api, node_event("no subnet helps"));
    }
    expect(!fake_peek(api, "PATCH", "/events")); /* together, a minute later */
    fake_pass(api, 61 * FAKE_SECOND);
    expect_contains(fake_request(api, "PATCH", "/events")->body, "\"count\":32");
    expect(!fake_peek(api, "POST", "/events"));
    fake_done(api);
}

TEST(events, keep_their_body_when_they_repeat_before_they_are_sent)
{
    struct fake *api = fake_new(&plain);

    act(api, node_event("no subnet helps"));
    act(api, node_event("no subnet helps"));
    fake_pass(api, 2 * FAKE_SECOND);
    struct fake_fetch *post = fake_request(api, "POST", "/events");
    fake_answer(api, post, 500, SLICE(""));
    fake_pass(api, 3 * FAKE_SECOND);
    expect_contains(fake_request(api, "POST", "/events")->body, "no subnet helps");
    fake_done(api);
}

TEST(events, are_never_a_flood)
{
    struct fake *api = fake_new(&plain);
    struct kube_stats stats;
    char text[32];
    uint32_t posts = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof(text), "message %u", i);
        act(api, node_event(text));
    }
    for (struct fake_fetch *post; (post = fake_peek(api, "POST", "/events")); posts++) {
        fake_answer(api, post, 201, SLICE("{}"));
    }
    expect_u64(posts, 10);
    kube_stats(api->kube, &stats);
    expect_u64(stats.events_dropped, 0); /* the others are in the series */
    fake_done(api);
}

TEST(events, of_many_objects_are_bounded_as_well)
{
    struct fake *api = fake_new(&plain);
    struct kube_stats stats;
    uint32_t posts = 0;

    for (uint32_t i = 0; i < 500; i++) {
        struct plan_action action = node_event("x");
        action.event.name = arena_printf(test_arena(), "node-%u", i);
        act(api, action);
    }
    for (struct fake_fetch *post; (post = fake_peek(api, "POST", "/events")); posts++) {
        fake_answer(api, post, 201, SLICE("{}"));
    }
    expect_u64(posts, 100);
    kube_stats(api->kube, &stats);
    expect_u64(stats.events_dropped, 400);
    fake_pass(api, 10 * FAKE_SECOND);
    act(api, node_event("later, there is room again"));
    expect(fake_peek(api, "POST", "/events") != NULL);
    fake_done(api);
}

TEST(events, are_cut_at_what_the_server_takes_and_not_inside_a_character)
{
    struct fake *api = fake_new(&plain);
    struct buf long_text = pb_new();

    buf_add_char(&long_text, 'x');
    for (uint32_t i = 0; i < 600; i++) {
        buf_add_text(&long_text, "\xC3\xA9");
    }
    struct plan_action action = node_event("");
    action.event.message = pb_done(&long_text);
    act(api, action);
    struct fake_fetch *post = fake_request(api, "POST", "/events");
    expect(!slice_contains(post->body, SLICE("\xEF\xBF\xBD")));
    expect(post->body.len < 1500);
    fake_done(api);
}

TEST(events, that_are_forbidden_are_dropped_with_the_missing_rule)
{
    struct fake *api = fake_new(&plain);

    act(api, node_event("no subnet helps"));
    fake_answer(api, fake_request(api, "POST", "/events"), 403,
                SLICE("{\"message\":\"events is forbidden\",\"code\":403}"));
    expect_contains(fake_logs(api), "RBAC must allow create and patch on events.events.k8s.io");
    fake_pass(api, 300 * FAKE_SECOND);
    expect(!fake_peek(api, "POST", "/events"));
    fake_done(api);
}

/* ---- statuses ---- */

TEST(status, is_applied_under_our_own_name)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    struct fake_fetch *patch = fake_request(api, "PATCH", "/subnetpools/main/status");
    expect_contains(patch->target, "?fieldManager=headroom-controller&force=true");
    expect_slice(patch->content_type, "application/apply-patch+yaml");
    expect_contains(patch->body, "\"metadata\":{\"name\":\"main\",\"uid\":\"pool-uid\"}");
    expect_contains(patch->body,
                    "{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"SubnetLow\",\"message\":"
                    "\"subnet-1 is low\",\"lastTransitionTime\":\"2026-01-02T03:04:05Z\","
                    "\"observedGeneration\":2}");
    expect_contains(patch->body, "\"cidr\":\"10.0.0.0/20\",\"total\":4091,\"free\":12");
    expect_contains(patch->body, "\"exhaustedIn\":\"14m0s\"");
    fake_done(api);
}

TEST(status, that_is_overtaken_is_never_written)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    act(api, status(11));
    act(api, status(10));
    struct fake_fetch *first = fake_request(api, "PATCH", "/status");
    fake_answer(api, first, 200, SLICE("{}"));
    struct fake_fetch *second = fake_request(api, "PATCH", "/status");
    expect_contains(second->body, "\"free\":10");
    fake_answer(api, second, 200, SLICE("{}"));
    expect(!fake_peek(api, "PATCH", "/status"));
    fake_done(api);
}

TEST(status, is_tried_again_until_the_server_takes_it)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    for (uint32_t i = 0; i < 12; i++) {
        fake_answer(api, fake_request(api, "PATCH", "/status"), 503, SLICE(""));
        fake_pass(api, 61 * FAKE_SECOND);
    }
    expect_contains(fake_request(api, "PATCH", "/status")->body, "\"free\":12");
    fake_done(api);
}

TEST(status, of_a_pool_that_is_gone_is_dropped)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    fake_answer(api, fake_request(api, "PATCH", "/status"), 404, SLICE(NO_STATUS));
    fake_pass(api, 300 * FAKE_SECOND);
    expect(!fake_peek(api, "PATCH", "/status"));
    fake_done(api);
}

/* ---- conditions ---- */

TEST(condition, keeps_its_transition_time_while_its_status_stays)
{
    struct fake *api = fake_new(&plain);

    act(api, condition(true));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
                SLICE("{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},"
                      "{\"type\":\"SufficientIP\",\"status\":\"False\",\"reason\":\"AtENILimit\","
                      "\"message\":\"m\",\"lastTransitionTime\":\"2025-12-31T00:00:00Z\"}]}}"));
    struct fake_fetch *patch = fake_request(api, "PATCH", "/api/v1/nodes/n1/status");
    expect_slice(patch->content_type, "application/strategic-merge-patch+json");
    expect_contains(patch->body, "\"type\":\"SufficientIP\",\"status\":\"False\",\"reason\":"
                                 "\"NoHealthySubnet\",\"message\":\"all full\"");
    expect_contains(patch->body, "\"lastTransitionTime\":\"2025-12-31T00:00:00Z\"");
    expect(!slice_contains(patch->body, SLICE("\"Ready\"")));
    fake_done(api);
}

TEST(condition, gets_a_new_transition_time_when_its_status_turns)
{
    struct fake *api = fake_new(&plain);

    act(api, condition(false));
    fake_answer(
        api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
        SLICE("{\"status\":{\"conditions\":[{\"type\":\"SufficientIP\",\"status\":\"False\","
              "\"lastTransitionTime\":\"2025-12-31T00:00:00Z\"}]}}"));
    expect_contains(fake_request(api, "PATCH", "/status")->body,
                    "\"lastTransitionTime\":\"2026-01-02T03:20:45Z\"");
    fake_done(api);
}

TEST(condition, that_holds_already_is_not_written)
{
    struct fake *api = fake_new(&plain);

    act(api, condition(true));
    fake_answer(
        api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
        SLICE("{\"status\":{\"conditions\":[{\"type\":\"SufficientIP\",\"status\":\"False\","
              "\"reason\":\"NoHealthySubnet\",\"message\":\"all full\"}]}}"));
    expect(!fake_peek(api, "PATCH", "/api/v1/nodes"));
    fake_done(api);
}

/* ---- taints ---- */

TEST(taint, is_added_to_those_of_others)
{
    struct fake *api = fake_new(&plain);

    act(api, taint(true));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
                SLICE("{\"spec\":{\"taints\":[{\"key\":\"mine\",\"effect\":\"NoSchedule\"}]}}"));
    struct fake_fetch *patch = fake_request(api, "PATCH", "/api/v1/nodes/n1?");
    expect_slice(patch->content_type, "application/json-patch+json");
    expect_slice(patch->body, "[{\"op\":\"add\",\"path\":\"/spec/taints/-\",\"value\":{\"key\":"
                              "\"headroom.dev/no-ip-capacity\",\"effect\":\"NoSchedule\"}}]");
    fake_done(api);
}

TEST(taint, that_is_the_first_does_not_overwrite_one_that_comes_meanwhile)
{
    struct fake *api = fake_new(&plain);

    act(api, taint(true));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200, SLICE("{\"spec\":{}}"));
    struct fake_fetch *patch = fake_request(api, "PATCH", "/api/v1/nodes/n1?");
    expect_contains(patch->body, "{\"op\":\"test\",\"path\":\"/spec/taints\",\"value\":null}");
    fake_answer(api, patch, 422, SLICE("{\"message\":\"test failed\"}"));
    fake_pass(api, 3 * FAKE_SECOND);
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
                SLICE("{\"spec\":{\"taints\":[{\"key\":\"late\",\"effect\":\"NoSchedule\"}]}}"));
    expect_contains(fake_request(api, "PATCH", "/api/v1/nodes/n1?")->body, "/spec/taints/-");
    fake_done(api);
}

TEST(taint, is_removed_by_place_and_name)
{
    struct fake *api = fake_new(&plain);

    act(api, taint(false));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
                SLICE("{\"spec\":{\"taints\":[{\"key\":\"mine\"},{\"key\":"
                      "\"headroom.dev/no-ip-capacity\"}]}}"));
    expect_slice(
        fake_request(api, "PATCH", "/api/v1/nodes/n1?")->body,
        "[{\"op\":\"test\",\"path\":\"/spec/taints/1/key\",\"value\":"
        "\"headroom.dev/no-ip-capacity\"},{\"op\":\"remove\",\"path\":\"/spec/taints/1\"}]");
    fake_done(api);
}

TEST(taint, that_is_there_already_is_left_alone)
{
    struct fake *api = fake_new(&plain);

    act(api, taint(true));
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes/n1"), 200,
                SLICE("{\"spec\":{\"taints\":[{\"key\":\"headroom.dev/no-ip-capacity\"}]}}"));
    expect(!fake_peek(api, "PATCH", "/api/v1/nodes"));
    fake_done(api);
}

/* ---- all of them ---- */

TEST(writes, go_out_in_order_of_importance_and_few_at_a_time)
{
    struct kube_config config = { .leader_elect = true };
    struct fake *api = fake_new(&config);
    uint32_t under_way = 0;

    /* A follower keeps its wishes, until it leads. */
    act(api, node_event("lost: a follower has nothing to tell"));
    act(api, status(12));
    act(api, condition(true));
    act(api, taint(true));
    expect(!fake_peek(api, "GET", "/api/v1/nodes/n1"));
    fake_answer(api, fake_request(api, "GET", "/leases/"), 404, SLICE(NO_STATUS));
    fake_answer(
        api, fake_request(api, "POST", "/leases"), 201,
        SLICE("{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"holderIdentity\":\"me\"}}"));
    expect(fake_peek(api, "GET", "/api/v1/nodes/n1") != NULL);
    expect(fake_peek(api, "PATCH", "/status") != NULL);
    expect(!fake_peek(api, "POST", "/events"));
    for (uint32_t i = 0; i < 50; i++) {
        struct plan_action action = condition(true);
        action.condition.node = arena_printf(test_arena(), "node-%u", i);
        act(api, action);
    }
    for (uint32_t i = 0; i < api->count; i++) {
        under_way += !api->fetches[i].ended &&
                     slice_contains(api->fetches[i].target, SLICE("/nodes/"));
    }
    expect_u64(under_way, 3); /* of four: the status is one */
    fake_done(api);
}

TEST(writes, are_not_made_by_a_dry_run)
{
    struct kube_config config = { .read_only = true };
    struct fake *api = fake_new(&config);

    act(api, status(12));
    act(api, condition(true));
    act(api, taint(true));
    act(api, node_event("x"));
    fake_pass(api, 10 * FAKE_SECOND);
    for (uint32_t i = 0; i < api->count; i++) {
        expect(!api->fetches[i].method || strcmp(api->fetches[i].method, "GET") == 0);
    }
    expect(!fake_peek(api, "GET", "/api/v1/nodes/n1"));
    fake_done(api);
}

TEST(writes, that_are_due_are_made_before_a_stop)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    fake_stop(api);
    expect(!kube_stopped(api->kube));
    fake_answer(api, fake_request(api, "PATCH", "/status"), 200, SLICE("{}"));
    expect(kube_stopped(api->kube));
    fake_done(api);
}

TEST(writes, do_not_keep_a_stop_waiting_for_long)
{
    struct fake *api = fake_new(&plain);

    act(api, status(12));
    fake_stop(api);
    fake_pass(api, 6 * FAKE_SECOND);
    expect(kube_stopped(api->kube));
    fake_done(api);
}
