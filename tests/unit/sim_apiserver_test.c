/*
 * The modelled API server keeps what Kubernetes documents: whoever finds a shortcut in it would
 * prove nothing with the simulator.
 */
#include <headroom/kube_wire.h>
#include <headroom/proto.h>

#include "sim/apiserver/apiserver.h"
#include "test.h"

#define S UINT64_C(1000000000)
#define PODS                                                                                       \
    "/api/v1/"                                                                                     \
    "pods?fieldSelector=spec.hostNetwork%3Dfalse%2Cspec.nodeName%21%3D%2Cstatus.phase%21%"         \
    "3DSucceeded%2Cstatus.phase%21%3DFailed"

static struct api *server(void)
{
    struct api *api = api_new();
    struct pair label = { SLICE("topology.kubernetes.io/zone"), SLICE("us-west-2a") };
    struct api_node node = { .name = SLICE("node-1"),
                             .provider_id = SLICE("aws:///us-west-2a/i-1"),
                             .labels = &label,
                             .label_count = 1,
                             .ip = 0x0A000007,
                             .max_pods = 17 };

    api_token(api, SLICE("first"));
    api_token(api, SLICE("second"));
    api_advance(api, S, S);
    (void)api_node_add(api, &node);
    return api;
}

static void put_pod(struct api *api, uint32_t row, bool host_network, enum api_phase phase)
{
    struct api_pod pod = { .workload = api_name(api, SLICE("web")),
                           .number = row,
                           .ip = 0x0A000010 + row,
                           .host_network = host_network,
                           .phase = phase,
                           .ready = true };

    api_pod_put(api, row, &pod);
}

static struct api_response ask(struct api *api, const char *method, struct slice target,
                               const char *accept, const char *type, struct slice body)
{
    struct api_request request = { .method = method,
                                   .target = target,
                                   .accept = slice_of(accept),
                                   .content_type = slice_of(type),
                                   .authorization = SLICE("Bearer second"),
                                   .body = body };
    struct api_response response;

    api_serve(api, test_arena(), api->now_ns, api->wall_ns, &request, &response);
    return response;
}

static struct api_response get(struct api *api, struct slice target, const char *accept)
{
    return ask(api, "GET", target, accept, "", SLICE(""));
}

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"

static enum err count_row(void *context, const struct slice *cells, struct error *error)
{
    (void)cells;
    (void)error;
    ++*(uint32_t *)context;
    return ERR_OK;
}

/* Rows of a Table, read by the product's own reader; *ret_next: what to continue with. */
static uint32_t rows_of(struct slice body, struct slice *ret_next)
{
    static const char *const columns[] = { "Name", "IP", "Node" };
    struct kube_table table;
    uint32_t rows = 0;

    kube_table_init(&table, columns, 3);
    expect_ok(kube_table_feed(&table, body, count_row, &rows, NULL), NULL);
    expect_ok(kube_table_end(&table, NULL), NULL);
    *ret_next = arena_slice(test_arena(), slice_of(table.next));
    kube_table_done(&table);
    return rows;
}

TEST(sim_apiserver, lists_what_the_selector_leaves)
{
    struct api *api = server();
    struct slice next;

    put_pod(api, 0, false, PHASE_RUNNING);
    put_pod(api, 1, true, PHASE_RUNNING);
    put_pod(api, 2, false, PHASE_SUCCEEDED);
    put_pod(api, 3, false, PHASE_PENDING);
    struct api_response all = get(api, SLICE(PODS "&resourceVersion=0"), TABLE);
    expect_u64((uint64_t)all.status, 200);
    expect_u64(rows_of(all.body, &next), 2);
    expect_contains(all.body, "web-3");
    struct api_response unknown = get(api, SLICE("/api/v1/pods?fieldSelector=spec.color%3Dred"),
                                      TABLE);
    expect_u64((uint64_t)unknown.status, 400);
    api_free(api);
}

TEST(sim_apiserver, gives_each_row_once_over_all_pages)
{
    struct api *api = server();
    struct slice next = SLICE("");
    uint32_t rows = 0, pages = 0;

    for (uint32_t i = 0; i < 25; i++) {
        put_pod(api, i, false, PHASE_RUNNING);
    }
    do {
        struct slice target = arena_printf(test_arena(), "%s&limit=10&continue=%.*s", PODS,
                                           SLICE_ARG(next));
        rows += rows_of(get(api, target, TABLE).body, &next);
        pages++;
    } while (next.len > 0 && pages < 10);
    expect_u64(rows, 25);
    expect_u64(pages, 3);
    api_compact(api);
    struct api_response late = get(api, SLICE(PODS "&limit=10&continue=1000.3"), TABLE);
    expect_u64((uint64_t)late.status, 410);
    api_free(api);
}

/* What the frames of a watch say, as "ADDED DELETED". */
static struct slice frames(struct api *api, uint32_t watch)
{
    static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };
    struct buf *out = api_watch_out(api, watch);
    struct slice text = SLICE("");
    size_t at = 0;

    while (at + 4 <= out->len) {
        const unsigned char *head = (const unsigned char *)out->data + at;
        size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        enum kube_change change = KUBE_ADDED;
        struct slice object;
        struct slice frame = { out->data + at + 4, len };
        require(kube_proto_watch(frame, &change, &object, NULL) == ERR_OK);
        text = arena_printf(test_arena(), "%.*s%s%s", SLICE_ARG(text), text.len > 0 ? " " : "",
                            names[change]);
        at += 4 + len;
    }
    buf_reset(out);
    return text;
}

static struct slice watch_from(uint64_t version)
{
    return arena_printf(
        test_arena(),
        "%s&watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=%llu", PODS,
        (unsigned long long)version);
}

#define PROTO_WATCH "application/vnd.kubernetes.protobuf;stream=watch"

TEST(sim_apiserver, tells_a_watch_what_came_after_its_version_through_its_selector)
{
    struct api *api = server();

    put_pod(api, 0, false, PHASE_RUNNING);
    uint64_t version = api->version;
    put_pod(api, 1, false, PHASE_PENDING);
    put_pod(api, 2, true, PHASE_RUNNING);
    struct api_response watch = get(api, watch_from(version), PROTO_WATCH);
    require(watch.watch != API_NONE);
    expect_slice(frames(api, watch.watch), "ADDED");
    put_pod(api, 1, false, PHASE_RUNNING);
    put_pod(api, 0, false, PHASE_SUCCEEDED); /* leaves the selector */
    api_pod_delete(api, 1);
    api_pod_delete(api, 2);
    expect_slice(frames(api, watch.watch), "MODIFIED DELETED DELETED");
    api_advance(api, 61 * S + S, 62 * S);
    expect_slice(frames(api, watch.watch), "BOOKMARK");
    api_free(api);
}

/* What the lines of a Table watch say, read by the product's own reader: "ADDED web-1 1.2.3.4 ". */
static struct slice lines(struct api *api, struct kube_table *table, uint32_t watch)
{
    static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK" };
    struct buf *out = api_watch_out(api, watch);
    struct slice rest = buf_slice(out), text = SLICE("");

    while (rest.len > 0) {
        enum kube_change change = KUBE_ERROR;
        struct slice cells[KUBE_TABLE_WANTED];
        struct slice line = slice_cut(&rest, '\n');
        require(kube_table_event(table, line, &change, cells, NULL) == ERR_OK);
        text = arena_printf(test_arena(), "%.*s%s %.*s %.*s ", SLICE_ARG(text), names[change],
                            SLICE_ARG(cells[0]), SLICE_ARG(cells[1]));
    }
    buf_reset(out);
    return text;
}

TEST(sim_apiserver, watches_pods_as_a_table_whose_columns_come_once)
{
    static const char *const columns[] = { "Name", "IP" };
    struct api *api = server();
    struct kube_table table;

    kube_table_init(&table, columns, 2);
    uint64_t version = api->version;
    put_pod(api, 1, false, PHASE_PENDING);
    struct api_response watch = get(api, watch_from(version), TABLE "," PROTO_WATCH);
    require(watch.watch != API_NONE);
    expect_slice(watch.content_type, "application/json");
    expect_slice(lines(api, &table, watch.watch), "ADDED web-1 10.0.0.17 ");
    put_pod(api, 1, false, PHASE_RUNNING);
    api_pod_delete(api, 1);
    expect(!slice_contains(buf_slice(api_watch_out(api, watch.watch)), SLICE("\"Node\"")));
    expect_slice(lines(api, &table, watch.watch),
                 "MODIFIED web-1 10.0.0.17 DELETED web-1 10.0.0.17 ");
    expect_slice(slice_of(table.resource_version),
                 arena_printf(test_arena(), "%llu", (unsigned long long)api->version).data);
    api_advance(api, 61 * S + S, 62 * S);
    expect_slice(lines(api, &table, watch.watch), "BOOKMARK   ");
    kube_table_done(&table);
    api_free(api);
}

TEST(sim_apiserver, sends_a_watch_that_is_too_old_away)
{
    struct api *api = server();

    uint64_t version = api->version;
    put_pod(api, 0, false, PHASE_RUNNING);
    api_compact(api);
    struct api_response watch = get(api, watch_from(version), PROTO_WATCH);
    expect_u64((uint64_t)watch.status, 200);
    expect_slice(frames(api, watch.watch), "ERROR");
    expect(api->watches[watch.watch].over);
    api_free(api);
}

TEST(sim_apiserver, writes_nodes_that_the_product_reads)
{
    struct api *api = server();
    struct api_taint taint = { SLICE(NODE_TAINT), SLICE(""), SLICE("NoSchedule") };
    struct kube_node node;
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    api_node_condition(api, 0, SLICE("Ready"), SLICE("True"), SLICE("KubeletReady"), SLICE("ok"));
    expect(api_node_taint(api, 0, &taint));
    api_node_proto(api, &api->nodes[0], &bytes);
    require(kube_proto_node(test_arena(), buf_slice(&bytes), SLICE("none"), &node, NULL) == ERR_OK);
    expect_slice(node.node.name, "node-1");
    expect_slice(node.node.zone, "us-west-2a");
    expect_u64(node.node.max_pods, 17);
    expect(node.node.ready && node.node.tainted && !node.node.unschedulable && !node.node.ipv6);
    buf_done(&bytes);
    api_free(api);
}

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/headroom-system/leases"

TEST(sim_apiserver, lets_one_of_two_take_a_lease)
{
    struct api *api = server();
    const char *type = "application/json";
    struct slice mine = SLICE(
        "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"holderIdentity\":\"me\"}}");

    expect_u64((uint64_t)ask(api, "POST", SLICE(LEASES), "", type, mine).status, 201);
    expect_u64((uint64_t)ask(api, "POST", SLICE(LEASES), "", type, mine).status, 409);
    struct slice body = get(api, SLICE(LEASES "/l"), "").body;
    const struct doc *lease = NULL;
    require(json_parse(test_arena(), body, NULL, &lease, NULL) == ERR_OK);
    struct slice version = doc_text(doc_at(lease, "metadata", "resourceVersion"));
    struct slice next = arena_printf(test_arena(),
                                     "{\"metadata\":{\"name\":\"l\",\"resourceVersion\":\"%.*s\"},"
                                     "\"spec\":{\"holderIdentity\":\"you\"}}",
                                     SLICE_ARG(version));
    expect_u64((uint64_t)ask(api, "PUT", SLICE(LEASES "/l"), "", type, next).status, 200);
    expect_u64((uint64_t)ask(api, "PUT", SLICE(LEASES "/l"), "", type, next).status, 409);
    expect_contains(get(api, SLICE(LEASES "/l"), "").body, "\"you\"");
    api_free(api);
}

TEST(sim_apiserver, applies_a_patch_whole_or_not_at_all)
{
    struct api *api = server();
    const char *type = "application/json-patch+json";
    struct slice path = SLICE("/api/v1/nodes/node-1");
    struct slice first = SLICE(
        "[{\"op\":\"test\",\"path\":\"/spec/taints\",\"value\":null},{\"op\":\"add\",\"path\":"
        "\"/spec/taints\",\"value\":[{\"key\":\"a\",\"effect\":\"NoSchedule\"}]}]");
    struct slice wrong = SLICE(
        "[{\"op\":\"add\",\"path\":\"/spec/taints/-\",\"value\":{\"key\":\"b\",\"effect\":"
        "\"NoSchedule\"}},{\"op\":\"test\",\"path\":\"/spec/taints/0/key\",\"value\":\"c\"}]");

    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, first).status, 200);
    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, first).status, 422);
    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, wrong).status, 422);
    expect_u64(api->nodes[0].taint_count, 1);
    expect(api_has_taint(&api->nodes[0], SLICE("a")));
    api_free(api);
}

TEST(sim_apiserver, changes_nothing_when_a_status_says_the_same)
{
    struct api *api = server();
    struct slice path = SLICE("/apis/headroom.dev/v1alpha1/subnetpools/p/status?fieldManager=x");
    struct slice status = SLICE("{\"metadata\":{\"name\":\"p\"},\"status\":{\"free\":7}}");
    const char *type = "application/apply-patch+yaml";

    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, status).status, 404);
    uint32_t row = api_object_put(api, API_POOLS, SLICE(""), SLICE("p"), SLICE("{}"));
    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, status).status, 200);
    uint64_t version = api->version, generation = api->objects[row].generation;
    expect_u64((uint64_t)ask(api, "PATCH", path, "", type, status).status, 200);
    expect_u64(api->version, version);
    expect_u64(api->objects[row].generation, generation);
    api_free(api);
}

TEST(sim_apiserver, knows_its_bearers)
{
    struct api *api = server();
    struct api_request request = { .method = "GET", .target = SLICE("/api/v1/nodes/node-1") };
    struct api_response response;
    static const struct {
        const char *header;
        int status;
    } tries[] = {
        { "", 401 },
        { "Bearer third", 401 },
        { "Bearer second", 200 },
        { "Bearer first", 200 }, /* just replaced: still good */
    };

    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        request.authorization = slice_of(tries[i].header);
        api_serve(api, test_arena(), S, S, &request, &response);
        expect_i64(response.status, tries[i].status);
    }
    api_token(api, SLICE("third"));
    api_serve(api, test_arena(), S, S, &request, &response);
    expect_i64(response.status, 401);
    api_free(api);
}
