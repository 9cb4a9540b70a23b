/* The picture of the cluster: whole at first, exact afterwards, kept when the server falters. */
#include "kube_fake.h"

static const struct kube_config plain = { .leader_elect = false };

static struct fake *synced(const char *pod_rows)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, pod_rows);
    return api;
}

#define ROWS                                                                                       \
    "{\"cells\":[\"web-1\",\"10.0.0.5\",\"n1\"]},{\"cells\":[\"web-2\",\"\\u003cnone\\u003e\","    \
    "\"n1\"]}"

TEST(kube, is_synced_once_every_first_list_is_in)
{
    struct fake *api = fake_new(&plain);

    expect(!kube_synced(api->kube));
    fake_sync(api, ROWS);
    expect_slice(fake_trace(api), "leads\n"
                                  "node n1 zone=us-west-2a type=m5.large pods=29 ready\n"
                                  "agent-pod n1 ready\n"
                                  "pods n1 1+1 branch 0\n"
                                  "synced\n");
    expect(kube_synced(api->kube));
    fake_done(api);
}

TEST(kube, asks_the_server_for_its_own_projection_of_the_pods_that_matter)
{
    struct fake *api = fake_new(&plain);
    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 200, SLICE(JSON_LIST("")));
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");

    expect_slice(list->accept, "application/json;as=Table;v=v1;g=meta.k8s.io");
    expect_contains(list->target, "includeObject=None");
    expect_contains(list->target, "spec.hostNetwork%3Dfalse");
    expect_contains(list->target, "resourceVersion=0");
    expect_slice(list->authorization, "Bearer secret-token");
    fake_done(api);
}

TEST(kube, counts_pods_exactly_as_the_watch_tells_them)
{
    struct fake *api = synced(ROWS);
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
    struct fake_pod web2 = { .name = "web-2", .uid = "u2", .node = "n1", .ip = "10.0.0.6" };
    struct fake_pod web3 = { .name = "web-3", .uid = "u3", .node = "n1" };
    struct fake_pod done = { .name = "web-1", .uid = "u1", .node = "n1", .ip = "10.0.0.5" };

    (void)fake_trace(api);
    expect_contains(watch->target, "resourceVersion=1");
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&web2)));
    expect_slice(fake_trace(api), "pods n1 2+0 branch 0\n");
    fake_body(api, watch, pb_event("ADDED", pb_pod(&web3)));
    expect_slice(fake_trace(api), "pods n1 2+1 branch 0\n");
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&web3)));
    expect_slice(fake_trace(api), "");
    fake_body(api, watch, pb_event("DELETED", pb_pod(&done)));
    expect_slice(fake_trace(api), "pods n1 1+1 branch 0\n");
    fake_done(api);
}

static struct fake *synced_with_tables(const char *pod_rows)
{
    struct fake *api = fake_new(&plain);

    api->tables = true;
    fake_sync(api, pod_rows);
    (void)fake_trace(api);
    return api;
}

TEST(kube, watches_pods_as_the_rows_that_it_lists)
{
    struct fake *api = synced_with_tables(ROWS);
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
    struct fake_pod web1 = { .name = "web-1", .node = "n1", .ip = "10.0.0.5" };
    struct fake_pod web2 = { .name = "web-2", .node = "n1", .ip = "10.0.0.6" };
    struct fake_pod web3 = { .name = "web-3", .node = "n1" };
    struct fake_pod bookmark = { .name = "", .version = "77" };

    expect_contains(watch->target, "includeObject=None");
    expect_contains(watch->target, "spec.hostNetwork%3Dfalse");
    fake_body(api, watch, table_event(true, "MODIFIED", &web2));
    expect_slice(fake_trace(api), "pods n1 2+0 branch 0\n");
    fake_body(api, watch, table_event(false, "ADDED", &web3));
    expect_slice(fake_trace(api), "pods n1 2+1 branch 0\n");
    fake_body(api, watch, table_event(false, "MODIFIED", &web3));
    expect_slice(fake_trace(api), "");
    fake_body(api, watch, table_event(false, "DELETED", &web1));
    expect_slice(fake_trace(api), "pods n1 1+1 branch 0\n");
    fake_body(api, watch, table_event(false, "BOOKMARK", &bookmark));
    fake_end(api, watch, ERR_OK, "");
    expect_contains(fake_watch(api, "/api/v1/pods")->target, "resourceVersion=77");
    expect_slice(fake_trace(api), "");
    fake_done(api);
}

/* Each line may come in pieces, and several in one. */
TEST(kube, takes_rows_however_the_network_cuts_them)
{
    struct fake *api = synced_with_tables("");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
    struct fake_pod a = { .name = "a", .node = "n1" }, b = { .name = "b", .node = "n1" };
    struct slice first = table_event(true, "ADDED", &a);

    for (size_t i = 0; i < first.len; i++) {
        fake_body(api, watch, (struct slice){ first.data + i, 1 });
    }
    expect_slice(fake_trace(api), "pods n1 0+1 branch 0\n");
    fake_body(api, watch,
              arena_printf(test_arena(), "%s%s", table_event(false, "ADDED", &b).data,
                           table_event(false, "DELETED", &a).data));
    expect_slice(fake_trace(api), "pods n1 0+1 branch 0\n");
    fake_done(api);
}

TEST(kube, goes_on_in_protobuf_where_the_rows_of_a_watch_do_not_serve)
{
    static const char *const unfit[] = {
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{}}}\n",
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"columnDefinitions\":[{\"name\":"
        "\"Name\"}],\"rows\":[]}}\n",
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"columnDefinitions\":null,\"rows\":[]}"
        "}\n",
    };

    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        struct fake *api = synced_with_tables(ROWS);
        struct fake_pod web3 = { .name = "web-3", .uid = "u3", .node = "n1" };
        fake_body(api, fake_watch(api, "/api/v1/pods"), slice_of(unfit[i]));
        struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
        expect(!slice_contains(watch->target, SLICE("includeObject")));
        expect(!slice_contains(watch->accept, SLICE("as=Table")));
        expect_contains(watch->target, "resourceVersion=1");
        expect_contains(fake_logs(api), "watched as protobuf");
        fake_body(api, watch, pb_event("ADDED", pb_pod(&web3)));
        expect_slice(fake_trace(api), "pods n1 1+2 branch 0\n");
        fake_done(api);
    }
}

TEST(kube, reads_protobuf_from_a_server_that_prefers_it_to_rows)
{
    struct fake *api = synced(ROWS);
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
    struct fake_pod web3 = { .name = "web-3", .uid = "u3", .node = "n1" };

    (void)fake_trace(api);
    expect_contains(watch->accept, "as=Table");
    expect_contains(watch->accept, "protobuf");
    fake_body(api, watch, pb_event("ADDED", pb_pod(&web3)));
    expect_slice(fake_trace(api), "pods n1 1+2 branch 0\n");
    fake_done(api);
}

/* Once it may have been the connection; what comes again will not get better. */
TEST(kube, lists_anew_when_the_lines_of_a_watch_are_no_events)
{
    static const char *const broken[] = {
        "{\"type\":\"SHRUNK\",\"object\":{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":"
        "\"3\"},"
        "\"columnDefinitions\":[" POD_COLUMNS "],\"rows\":[]}}\n",
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":"
        "\"3\"},"
        "\"columnDefinitions\":[" POD_COLUMNS "],\"rows\":[]}}\n",
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"columnDefinitions\":[" POD_COLUMNS
        "],\"rows\":[{\"cells\":[\"a\",\"\",\"n1\"]}]}}\n",
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":"
        "\"3\"},"
        "\"columnDefinitions\":[" POD_COLUMNS "],\"rows\":[{\"cells\":[\"a\",\"\",\"n1\"]},"
        "{\"cells\":[\"b\",\"\",\"n1\"]}]}}\n",
        "{\"type\":\"ADDED\"\n",
    };

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct fake *api = synced_with_tables(ROWS);
        for (uint32_t times = 0; times < 2; times++) {
            fake_body(api, fake_watch(api, "/api/v1/pods"), slice_of(broken[i]));
            fake_pass(api, 2 * FAKE_SECOND);
        }
        expect_slice(fake_trace(api), ""); /* none of it was counted */
        expect_contains(fake_request(api, "GET", "/api/v1/pods?")->target, "NotOlderThan");
        fake_done(api);
    }
}

TEST(kube, tells_a_nodes_pods_once_for_a_burst_of_events)
{
    struct fake *api = synced("");
    struct buf burst = pb_new();
    char names[20][16];

    (void)fake_trace(api);
    for (uint32_t i = 0; i < 20; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "p%u", i);
        struct fake_pod pod = { .name = names[i], .node = i % 2 ? "n1" : "n2", .branch = i == 3 };
        buf_add_slice(&burst, pb_event("ADDED", pb_pod(&pod)));
    }
    fake_body(api, fake_watch(api, "/api/v1/pods"), pb_done(&burst));
    expect_slice(fake_trace(api), "pods n2 0+10 branch 0\npods n1 0+10 branch 1\n");
    fake_done(api);
}

TEST(kube, keeps_namesakes_of_two_namespaces_apart)
{
    struct fake *api = synced("{\"cells\":[\"web-0\",\"10.0.0.5\",\"n1\"]},"
                              "{\"cells\":[\"web-0\",\"\",\"n1\"]}");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");
    struct fake_pod a = {
        .namespace = "a", .name = "web-0", .uid = "a", .node = "n1", .ip = "10.0.0.5"
    };
    struct fake_pod b = {
        .namespace = "b", .name = "web-0", .uid = "b", .node = "n1", .ip = "10.0.0.9"
    };

    (void)fake_trace(api);
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&a)));
    expect_slice(fake_trace(api), "pods n1 1+1 branch 0\n");
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&b)));
    expect_slice(fake_trace(api), "pods n1 2+0 branch 0\n");
    /* A restarted sandbox gets another address: still one pod. */
    a.ip = "10.0.0.7";
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&a)));
    expect_slice(fake_trace(api), "pods n1 2+0 branch 0\n");
    fake_body(api, watch, pb_event("DELETED", pb_pod(&b)));
    fake_body(api, watch, pb_event("DELETED", pb_pod(&a)));
    expect_contains(fake_trace(api), "pods n1 0+0 branch 0\n");
    fake_done(api);
}

TEST(kube, takes_a_frame_that_comes_byte_by_byte)
{
    struct fake *api = synced("");
    struct fake_pod pod = { .name = "slow", .node = "n1" };
    struct slice frame = pb_event("ADDED", pb_pod(&pod));

    (void)fake_trace(api);
    for (size_t i = 0; i < frame.len; i++) {
        fake_body(api, fake_watch(api, "/api/v1/pods"), (struct slice){ frame.data + i, 1 });
    }
    expect_slice(fake_trace(api), "pods n1 0+1 branch 0\n");
    fake_done(api);
}

TEST(kube, does_not_repeat_a_node_for_its_heartbeat)
{
    struct fake *api = synced("");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/nodes");

    (void)fake_trace(api);
    fake_body(api, watch, pb_event("MODIFIED", pb_node("n1", "us-west-2a", "", "7")));
    expect_slice(fake_trace(api), "");
    fake_body(api, watch,
              pb_event("MODIFIED", pb_node("n1", "us-west-2a", "karpenter.sh/disrupted", "8")));
    expect_contains(fake_trace(api), "node n1 zone=us-west-2a type=m5.large pods=29 ready leaving");
    fake_body(api, watch, pb_event("DELETED", pb_node("n1", "us-west-2a", "", "9")));
    expect_slice(fake_trace(api), "node-gone n1\n");
    fake_done(api);
}

/* Who listens forgets the counts of nodes that it does not know. */
TEST(kube, tells_a_nodes_pods_again_when_the_node_is_seen_after_them)
{
    struct fake *api = synced("{\"cells\":[\"early-1\",\"\\u003cnone\\u003e\",\"n7\"]}");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/nodes");

    expect_contains(fake_trace(api), "pods n7 0+1 branch 0\n");
    fake_body(api, watch, pb_event("ADDED", pb_node("n7", "us-west-2a", "", "7")));
    expect_slice(fake_trace(api), "node n7 zone=us-west-2a type=m5.large pods=29 ready\n"
                                  "pods n7 0+1 branch 0\n");
    fake_body(api, watch, pb_event("DELETED", pb_node("n7", "us-west-2a", "", "8")));
    expect_slice(fake_trace(api), "node-gone n7\n");
    fake_body(api, watch, pb_event("ADDED", pb_node("n7", "us-west-2a", "", "9")));
    expect_contains(fake_trace(api), "pods n7 0+1 branch 0\n");
    fake_done(api);
}

TEST(kube, goes_on_watching_from_the_last_bookmark)
{
    struct fake *api = synced("");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/nodes");

    fake_pass(api, 5 * FAKE_SECOND);
    fake_body(api, watch, pb_bookmark("4711"));
    fake_end(api, watch, ERR_OK, "");
    fake_pass(api, FAKE_SECOND);
    expect_contains(fake_watch(api, "/api/v1/nodes")->target, "resourceVersion=4711");
    fake_done(api);
}

TEST(kube, keeps_the_old_picture_until_a_new_list_is_whole)
{
    struct fake *api = synced(ROWS);
    struct fake_fetch *watch = fake_watch(api, "/api/v1/pods");

    (void)fake_trace(api);
    fake_body(api, watch, pb_error(410, "too old resource version"));
    fake_pass(api, FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");
    fake_head(api, list, 200, 0);
    fake_body(api, list,
              SLICE(EMPTY_TABLE(POD_COLUMNS) "[{\"cells\":[\"web-9\",\"10.0.0.9\",\"n2\"]}"));
    fake_end(api, list, ERR_UNAVAILABLE, "connection reset");
    expect_slice(fake_trace(api), "");
    fake_pass(api, 3 * FAKE_SECOND);
    list = fake_request(api, "GET", "/api/v1/pods?");
    fake_answer(api, list, 200,
                SLICE(EMPTY_TABLE(POD_COLUMNS) "[{\"cells\":[\"web-9\",\"10.0.0.9\",\"n2\"]}]}"));
    expect_slice(fake_trace(api), "pods n2 1+0 branch 0\npods n1 0+0 branch 0\n");
    fake_done(api);
}

TEST(kube, lists_anew_when_the_watch_is_refused_as_too_old)
{
    struct fake *api = synced("");
    struct slice node = pb_node("n2", "us-west-2b", "", "9");
    struct fake_fetch *watch = fake_watch(api, "/api/v1/nodes");

    fake_end(api, watch, ERR_OK, "");
    fake_pass(api, 2 * FAKE_SECOND);
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?&watch"), 410, SLICE(""));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/nodes?");
    /* From etcd: what is too old to be watched may be too old to be listed. */
    expect(!slice_contains(list->target, SLICE("resourceVersion")));
    fake_answer(api, list, 200, pb_list("10", "", &node, 1));
    expect_slice(fake_trace(api), "node n2 zone=us-west-2b type=m5.large pods=29 ready\n"
                                  "node-gone n1\n");
    fake_done(api);
}

TEST(kube, follows_the_pages_of_a_list)
{
    struct fake *api = synced("");
    struct slice nodes[] = { pb_node("n1", "us-west-2a", "", "9"),
                             pb_node("n2", "us-west-2a", "", "9") };

    fake_body(api, fake_watch(api, "/api/v1/nodes"), pb_error(410, "gone"));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 200,
                pb_list("10", "next/page+", &nodes[1], 1));
    struct fake_fetch *second = fake_request(api, "GET", "/api/v1/nodes?");
    expect_contains(second->target, "continue=next%2Fpage%2B");
    fake_answer(api, second, 200, pb_list("10", "", &nodes[0], 1));
    expect(!slice_contains(fake_trace(api), SLICE("node-gone")));
    expect_contains(fake_watch(api, "/api/v1/nodes")->target, "resourceVersion=10");
    fake_done(api);
}

TEST(kube, begins_with_the_first_page_again_when_a_later_one_fails)
{
    struct fake *api = synced("");
    struct slice node = pb_node("n1", "us-west-2a", "", "9");

    fake_body(api, fake_watch(api, "/api/v1/nodes"), pb_error(410, "gone"));
    fake_pass(api, FAKE_SECOND);
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 200,
                pb_list("10", "page-2", &node, 1));
    fake_answer(api, fake_request(api, "GET", "continue=page-2"), 500, SLICE(""));
    fake_pass(api, 2 * FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/nodes?");
    expect(!slice_contains(list->target, SLICE("continue")));
    fake_done(api);
}

TEST(kube, lists_pods_as_protobuf_where_the_table_lacks_a_column)
{
    struct fake *api = fake_new(&plain);
    struct fake_pod pod = { .name = "web-1", .node = "n1", .ip = "10.0.0.5" };
    struct fake_pod host = {
        .name = "kube-proxy", .node = "n1", .ip = "10.0.0.1", .host_network = true
    };
    struct fake_pod done = { .name = "job", .node = "n1", .ip = "10.0.0.8", .phase = "Succeeded" };
    struct slice pods[] = { pb_pod(&pod), pb_pod(&host), pb_pod(&done) };

    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 200, SLICE(JSON_LIST("")));
    fake_answer(api, fake_request(api, "GET", "/api/v1/pods?"), 200,
                SLICE(EMPTY_TABLE("{\"name\":\"Name\"},{\"name\":\"IP\"}") "[]}"));
    fake_pass(api, FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");
    expect_slice(list->accept, "application/vnd.kubernetes.protobuf");
    (void)fake_trace(api);
    fake_answer(api, list, 200, pb_list("5", "", pods, 3));
    expect_slice(fake_trace(api), "pods n1 1+0 branch 0\n");
    fake_done(api);
}

TEST(kube, lists_pods_with_their_requests_where_they_may_use_branch_enis)
{
    struct fake *api = fake_new(&plain);

    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 200,
                SLICE(JSON_LIST("{\"metadata\":{\"name\":\"aws-node\",\"generation\":1},\"spec\":{"
                                "\"template\":{\"spec\":{\"containers\":[{\"name\":\"aws-node\","
                                "\"image\":\"r/cni:v1.23.2\",\"env\":[{\"name\":\"ENABLE_POD_ENI\","
                                "\"value\":\"true\"}]}]}}}}")));
    expect_contains(fake_trace(api), "agent v1.23.2\n");
    expect_slice(fake_request(api, "GET", "/api/v1/pods?")->accept,
                 "application/vnd.kubernetes.protobuf");
    fake_done(api);
}

TEST(kube, works_without_crds_and_finds_them_when_they_come)
{
    struct fake *api = fake_new(&plain);

    fake_answer(api, fake_request(api, "GET", "/subnetpools?"), 404, SLICE(NO_STATUS));
    expect_contains(fake_logs(api), "apply crds/");
    fake_pass(api, 40 * FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(api, fake_request(api, "GET", "/subnetpools?"), 200,
                SLICE(JSON_LIST("{\"metadata\":{\"name\":\"main\",\"uid\":\"u\",\"generation\":3},"
                                "\"spec\":{\"subnetSelectorTerms\":[{\"id\":\"subnet-1\"}]}}")));
    expect_slice(fake_trace(api), "pool main generation 3\n");
    fake_done(api);
}

TEST(kube, tells_a_pool_again_for_its_spec_and_not_for_its_status)
{
    struct fake *api = synced("");
    struct fake_fetch *watch = fake_watch(api, "/subnetpools");

    (void)fake_trace(api);
    fake_body(
        api, watch,
        SLICE("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"main\",\"uid\":\"u\","
              "\"generation\":1,\"resourceVersion\":\"5\"},\"spec\":{}}}\n"
              "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"main\",\"uid\":\"u\","
              "\"generation\":1,\"resourceVersion\":\"6\"},\"spec\":{},\"status\":{}}}\n"));
    expect_slice(fake_trace(api), "pool main generation 1\n");
    fake_body(
        api, watch,
        SLICE("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"main\",\"uid\":\"u\","
              "\"generation\":2,\"resourceVersion\":\"7\"},\"spec\":{\"weight\":\"heavy\"}}}\n"));
    expect_slice(fake_trace(api), "");
    expect_contains(fake_logs(api), "SubnetPool main is left out: spec.weight must be");
    fake_body(
        api, watch,
        SLICE("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"main\",\"uid\":\"u\","
              "\"generation\":2,\"resourceVersion\":\"8\"},\"spec\":{}}}\n"));
    expect_slice(fake_trace(api), "pool-gone main\n");
    fake_done(api);
}

TEST(kube, follows_the_agents_pods_through_a_rolling_update)
{
    struct fake *api = synced("");
    struct fake_fetch *watch = fake_watch(api, "/kube-system/pods");
    struct fake_pod old = { .name = "aws-node-1", .node = "n1", .ready = true };
    struct fake_pod new = { .name = "aws-node-2", .node = "n1", .ready = false };

    (void)fake_trace(api);
    fake_body(api, watch, pb_event("ADDED", pb_pod(&new)));
    expect_slice(fake_trace(api), "");
    fake_body(api, watch, pb_event("DELETED", pb_pod(&old)));
    expect_slice(fake_trace(api), "agent-pod n1 down\n");
    new.ready = true;
    fake_body(api, watch, pb_event("MODIFIED", pb_pod(&new)));
    expect_slice(fake_trace(api), "agent-pod n1 ready\n");
    fake_done(api);
}

/* ---- what the server does wrong ---- */

TEST(kube, forgets_the_pools_when_their_crd_is_deleted)
{
    struct fake *api = synced("");

    fake_body(api, fake_watch(api, "/subnetpools"),
              SLICE("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"main\",\"uid\":\"u\","
                    "\"generation\":1,\"resourceVersion\":\"5\"},\"spec\":{}}}\n"));
    fake_end(api, fake_watch(api, "/subnetpools"), ERR_OK, "");
    fake_pass(api, FAKE_SECOND);
    fake_answer(api, fake_request(api, "GET", "/subnetpools?"), 404, SLICE(NO_STATUS));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(api, fake_request(api, "GET", "/subnetpools?"), 404, SLICE(NO_STATUS));
    expect_slice(fake_trace(api), "pool-gone main\n");
    expect_contains(fake_logs(api), "apply crds/");
    fake_done(api);
}

TEST(kube, lists_anew_within_the_hour_so_that_no_drift_stays)
{
    struct fake *api = synced("");
    uint32_t lists = 0;

    for (uint32_t minute = 0; minute < 70; minute++) {
        struct fake_fetch *pods = fake_request(api, "GET", "/api/v1/pods?");
        if (slice_contains(pods->target, SLICE("watch=true"))) {
            fake_body(api, fake_watch(api, "/api/v1/pods"), pb_bookmark("77"));
            fake_end(api, pods, ERR_OK, "");
        } else {
            lists++;
            /* Not older than what was seen, from the server's cache. */
            expect_contains(pods->target, "resourceVersion=77&resourceVersionMatch=NotOlderThan");
            fake_answer(api, pods, 200, SLICE(EMPTY_TABLE(POD_COLUMNS) "[]}"));
        }
        fake_pass(api, 60 * FAKE_SECOND);
    }
    expect(lists == 1 || lists == 2);
    fake_done(api);
}

TEST(kube, does_without_a_selector_that_an_older_server_lacks)
{
    struct fake *api = fake_new(&plain);

    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 200, SLICE(JSON_LIST("")));
    fake_answer(api, fake_request(api, "GET", "/api/v1/pods?"), 400,
                SLICE("{\"message\":\"field label not supported: spec.hostNetwork\"}"));
    fake_pass(api, FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");
    expect(!slice_contains(list->target, SLICE("hostNetwork")));
    expect_contains(list->target, "spec.nodeName%21%3D");
    expect_slice(list->accept, "application/vnd.kubernetes.protobuf");
    fake_done(api);
}

/* ---- exactness ---- */

static uint32_t lines(struct slice text, const char *prefix)
{
    uint32_t count = 0;

    while (text.len > 0) {
        count += slice_starts(slice_cut(&text, '\n'), slice_of(prefix));
    }
    return count;
}

/* A thousand nodes with a pod each, as rows of a Table. */
static const char *rows_of_many(void)
{
    struct buf rows = pb_new();

    for (uint32_t i = 0; i < 1000; i++) {
        buf_addf(&rows, "%s{\"cells\":[\"p%u\",\"10.2.%u.%u\",\"m%u\"]}", i ? "," : "", i, i / 250,
                 i % 250, i);
    }
    return pb_done(&rows).data;
}

TEST(kube, is_synced_only_when_every_nodes_pods_are_told)
{
    struct fake *api = synced(rows_of_many());

    fake_pass(api, FAKE_SECOND);
    struct slice trace = fake_trace(api);
    expect_u64(lines(trace, "pods m"), 1000);
    expect(slice_ends(trace, SLICE("synced\n")));
    fake_done(api);
}

TEST(kube, loses_no_change_that_a_new_list_finds_untold)
{
    struct fake *api = synced("");
    struct buf burst = pb_new();
    char name[16], node[16];

    (void)fake_trace(api);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "p%u", i);
        (void)snprintf(node, sizeof(node), "m%u", i);
        struct fake_pod pod = { .name = name, .node = node, .ip = "10.2.0.1" };
        buf_add_slice(&burst, pb_event("ADDED", pb_pod(&pod)));
    }
    buf_add_slice(&burst, pb_error(410, "too old"));
    fake_body(api, fake_watch(api, "/api/v1/pods"), pb_done(&burst));
    api->now_ns += FAKE_SECOND;
    fake_tick(api);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");
    expect(lines(arena_slice(test_arena(), buf_slice(&api->trace)), "pods m") < 1000);
    fake_answer(api, list, 200,
                arena_printf(test_arena(), EMPTY_TABLE(POD_COLUMNS) "[%s]}", rows_of_many()));
    fake_pass(api, FAKE_SECOND);
    expect_u64(lines(fake_trace(api), "pods m"), 1000);
    fake_done(api);
}

enum { MODEL_PODS = 60, MODEL_NODES = 4 };

/* The server's truth, and what the machine has told last. */
struct model {
    struct fake *api;
    struct fake_pod pods[MODEL_PODS];
    bool there[MODEL_PODS];
    char names[MODEL_PODS][16], uids[MODEL_PODS][24], ips[MODEL_PODS][20];
    uint32_t serial, told_holding[MODEL_NODES], told_waiting[MODEL_NODES];
    uint64_t random, watch; /* the fetch that the last event went to */
};

static const char *const model_nodes[MODEL_NODES] = { "na", "nb", "nc", "nd" };

static uint32_t roll(struct model *model, uint32_t limit)
{
    model->random = model->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(model->random >> 33) % limit;
}

static void take_told(struct model *model)
{
    struct slice trace = fake_trace(model->api);

    while (trace.len > 0) {
        struct slice line = slice_cut(&trace, '\n');
        char node[8];
        unsigned holding = 0, waiting = 0;
        if (sscanf(line.data, "pods %7s %u+%u", node, &holding, &waiting) != 3) {
            continue;
        }
        for (uint32_t i = 0; i < MODEL_NODES; i++) {
            if (strcmp(node, model_nodes[i]) == 0) {
                model->told_holding[i] = holding;
                model->told_waiting[i] = waiting;
            }
        }
    }
}

static bool told_is_true(struct model *model)
{
    take_told(model);
    for (uint32_t node = 0; node < MODEL_NODES; node++) {
        uint32_t holding = 0, waiting = 0;
        for (uint32_t i = 0; i < MODEL_PODS; i++) {
            if (model->there[i] && model->pods[i].node == model_nodes[node]) {
                holding += model->ips[i][0] != '\0';
                waiting += model->ips[i][0] == '\0';
            }
        }
        if (holding != model->told_holding[node] || waiting != model->told_waiting[node]) {
            test_fail("node %s: told %u+%u, true is %u+%u, after %u changes", model_nodes[node],
                      model->told_holding[node], model->told_waiting[node], holding, waiting,
                      model->serial);
            return false;
        }
    }
    return true;
}

/* Names repeat across namespaces, as StatefulSets' do; uids never do. */
static void model_add(struct model *model, uint32_t i, bool with_ip)
{
    model->serial++;
    (void)snprintf(model->names[i], sizeof(model->names[i]), "web-%u", i % 7);
    (void)snprintf(model->uids[i], sizeof(model->uids[i]), "uid-%u", model->serial);
    model->ips[i][0] = '\0';
    if (with_ip) {
        (void)snprintf(model->ips[i], sizeof(model->ips[i]), "10.1.%u.%u", model->serial / 250,
                       model->serial % 250 + 1);
    }
    model->pods[i] = (struct fake_pod){ .name = model->names[i],
                                        .uid = model->uids[i],
                                        .node = model_nodes[roll(model, MODEL_NODES)],
                                        .ip = model->ips[i] };
    model->there[i] = true;
}

static void model_tell(struct model *model, struct fake_fetch *watch, const char *type,
                       const struct fake_pod *pod)
{
    bool first = model->watch != watch->id;

    model->watch = watch->id;
    fake_body(model->api, watch,
              model->api->tables ? table_event(first, type, pod) : pb_event(type, pb_pod(pod)));
}

static void model_change(struct model *model, struct fake_fetch *watch)
{
    uint32_t i = roll(model, MODEL_PODS);

    if (!model->there[i]) {
        model_add(model, i, roll(model, 3) == 0);
        model_tell(model, watch, "ADDED", &model->pods[i]);
    } else if (roll(model, 3) == 0) {
        model->there[i] = false;
        model_tell(model, watch, "DELETED", &model->pods[i]);
    } else {
        /* An address comes, once; other changes say nothing new. */
        model->serial++;
        if (model->ips[i][0] == '\0') {
            (void)snprintf(model->ips[i], sizeof(model->ips[i]), "10.1.%u.%u", model->serial / 250,
                           model->serial % 250 + 1);
        }
        model_tell(model, watch, "MODIFIED", &model->pods[i]);
    }
}

static const char *model_rows(struct model *model)
{
    struct buf rows = pb_new();

    for (uint32_t i = 0; i < MODEL_PODS; i++) {
        if (model->there[i]) {
            buf_addf(&rows, "%s{\"cells\":[\"%s\",\"%s\",\"%s\"]}", rows.len ? "," : "",
                     model->names[i], model->ips[i][0] ? model->ips[i] : "<none>",
                     model->pods[i].node);
        }
    }
    return pb_done(&rows).data;
}

static void model_relist(struct model *model, struct fake_fetch *watch)
{
    fake_body(model->api, watch, model->api->tables ? SLICE(TABLE_GONE) : pb_error(410, "too old"));
    /* While nobody watches, much changes. */
    for (uint32_t n = 0; n < 20; n++) {
        uint32_t i = roll(model, MODEL_PODS);
        model->there[i] = !model->there[i];
        if (model->there[i]) {
            model_add(model, i, roll(model, 2) == 0);
        }
    }
    fake_pass(model->api, FAKE_SECOND);
    fake_answer(model->api, fake_request(model->api, "GET", "/api/v1/pods?"), 200,
                arena_printf(test_arena(), EMPTY_TABLE(POD_COLUMNS) "[%s]}", model_rows(model)));
}

static void thousand_changes(bool tables)
{
    struct model *model = ARENA_NEW(test_arena(), struct model);

    model->random = 7;
    for (uint32_t i = 0; i < MODEL_PODS; i += 2) {
        model_add(model, i, roll(model, 2) == 0);
    }
    model->api = fake_new(&plain);
    model->api->tables = tables;
    fake_sync(model->api, model_rows(model));
    expect(told_is_true(model));
    for (uint32_t n = 1; n <= 1000 && told_is_true(model); n++) {
        struct fake_fetch *watch = fake_watch(model->api, "/api/v1/pods");
        if (n % 100 == 0) {
            model_relist(model, watch);
        } else {
            model_change(model, watch);
        }
    }
    fake_done(model->api);
}

TEST(kube, tells_the_truth_after_every_change_of_a_thousand)
{
    thousand_changes(true);
}

TEST(kube, tells_the_truth_after_a_thousand_changes_in_protobuf)
{
    thousand_changes(false);
}
