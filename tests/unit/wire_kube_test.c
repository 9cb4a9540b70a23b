/*
 * The API server's bytes, as a real kube-apiserver v1.37.2 wrote them (tests/fixtures/kube), and as
 * a hostile one might.
 */
#include <headroom/kube_wire.h>
#include <headroom/proto.h>

#include "test.h"

struct seen {
    uint32_t count;
    struct buf text;
};

static struct seen seen_new(void)
{
    struct seen seen = { 0 };

    buf_init(&seen.text, 1 << 20);
    return seen;
}

static struct slice seen_text(struct seen *seen)
{
    struct slice text = arena_slice(test_arena(), buf_slice(&seen->text));

    buf_done(&seen->text);
    return text;
}

static enum err on_pod(void *context, struct slice item, struct error *error)
{
    struct seen *seen = context;
    struct kube_pod pod;
    enum err err = kube_proto_pod(item, &pod, error);

    if (err == ERR_OK) {
        seen->count++;
        buf_addf(&seen->text, "%.*s/%.*s %.*s %.*s%s%s\n", SLICE_ARG(pod.namespace),
                 SLICE_ARG(pod.name), SLICE_ARG(pod.node), SLICE_ARG(pod.ip),
                 pod.host_network ? " host" : "", pod.ready ? " ready" : "");
    }
    return err;
}

static enum err on_node(void *context, struct slice item, struct error *error)
{
    struct seen *seen = context;
    struct kube_node node;
    enum err err = kube_proto_node(test_arena(), item, SLICE("k8s.amazonaws.com/eniConfig"), &node,
                                   error);

    if (err == ERR_OK) {
        seen->count++;
        buf_addf(&seen->text, "%.*s %.*s %.*s %.*s %u %.*s%s\n", SLICE_ARG(node.node.name),
                 SLICE_ARG(node.node.provider_id), SLICE_ARG(node.node.zone),
                 SLICE_ARG(node.node.instance_type), node.node.max_pods,
                 SLICE_ARG(node.node.eniconfig_annotation), node.node.ready ? " ready" : "");
    }
    return err;
}

static enum err on_row(void *context, const struct slice *cells, struct error *error)
{
    struct seen *seen = context;

    (void)error;
    seen->count++;
    buf_addf(&seen->text, "%.*s|%.*s|%.*s\n", SLICE_ARG(cells[0]), SLICE_ARG(cells[1]),
             SLICE_ARG(cells[2]));
    return ERR_OK;
}

static const char *const pod_columns[] = { "Name", "IP", "Node" };

/* Feeds a list in pieces of that size. */
static enum err feed_list(struct slice bytes, size_t piece, proto_item_fn *item, struct seen *seen,
                          char version[64], struct error *error)
{
    struct proto_list list;
    enum err err = ERR_OK;

    proto_list_init(&list, KUBE_OBJECT_MAX);
    for (size_t at = 0; at < bytes.len && err == ERR_OK; at += piece) {
        size_t len = bytes.len - at < piece ? bytes.len - at : piece;
        err = proto_list_feed(&list, (struct slice){ bytes.data + at, len }, item, seen, error);
    }
    if (err == ERR_OK) {
        err = proto_list_end(&list, error);
    }
    memcpy(version, list.resource_version_text, 64);
    proto_list_done(&list);
    return err;
}

static enum err feed_table(struct slice bytes, size_t piece, struct seen *seen, char version[64],
                           struct error *error)
{
    struct kube_table table;
    enum err err = ERR_OK;

    kube_table_init(&table, pod_columns, 3);
    for (size_t at = 0; at < bytes.len && err == ERR_OK; at += piece) {
        size_t len = bytes.len - at < piece ? bytes.len - at : piece;
        err = kube_table_feed(&table, (struct slice){ bytes.data + at, len }, on_row, seen, error);
    }
    if (err == ERR_OK) {
        err = kube_table_end(&table, error);
    }
    memcpy(version, table.resource_version, 64);
    kube_table_done(&table);
    return err;
}

static const size_t pieces[] = { 1, 2, 3, 7, 64, 1000, 1 << 20 };

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

TEST(wire, reads_a_real_list_of_nodes_in_any_pieces)
{
    struct slice bytes = test_fixture("kube/nodes.pb");

    for (size_t i = 0; i < PIECES; i++) {
        struct seen seen = seen_new();
        struct error error = { 0 };
        char version[64];
        expect_ok(feed_list(bytes, pieces[i], on_node, &seen, version, &error), &error);
        expect_slice(seen_text(&seen),
                     "ip-10-0-0-1.us-west-2.compute.internal aws:///us-west-2a/i-0000000000000000a "
                     "us-west-2a m5.large 29  ready\n"
                     "ip-10-0-0-2.us-west-2.compute.internal aws:///us-west-2b/i-0000000000000000b "
                     "us-west-2b m5.large 29 group1 ready\n");
        expect(version[0] >= '1' && version[0] <= '9');
    }
}

TEST(wire, reads_a_real_list_of_pods_in_any_pieces)
{
    struct slice bytes = test_fixture("kube/pods.pb");

    for (size_t i = 0; i < PIECES; i++) {
        struct seen seen = seen_new();
        struct error error = { 0 };
        char version[64];
        expect_ok(feed_list(bytes, pieces[i], on_pod, &seen, version, &error), &error);
        struct slice text = seen_text(&seen);
        expect_u64(seen.count, 5);
        expect_contains(text, "default/web-1 ip-10-0-0-1.us-west-2.compute.internal 10.0.0.5\n");
        expect_contains(text, "default/host-1 ip-10-0-0-1.us-west-2.compute.internal  host\n");
        expect_contains(text,
                        "kube-system/aws-node-abc ip-10-0-0-1.us-west-2.compute.internal  host "
                        "ready\n");
        expect_contains(text, "default/unbound  \n");
    }
}

TEST(wire, reads_a_real_table_of_pods_in_any_pieces)
{
    struct slice bytes = test_fixture("kube/pods_table.json");

    for (size_t i = 0; i < PIECES; i++) {
        struct seen seen = seen_new();
        struct error error = { 0 };
        char version[64];
        expect_ok(feed_table(bytes, pieces[i], &seen, version, &error), &error);
        expect_slice(seen_text(&seen), "web-1|10.0.0.5|ip-10-0-0-1.us-west-2.compute.internal\n"
                                       "web-2||ip-10-0-0-1.us-west-2.compute.internal\n");
        expect(version[0] >= '1' && version[0] <= '9');
    }
}

/* As a server writes it, without white space: whole rows are taken at once, unless a piece cuts
 * them. */
TEST(wire, reads_rows_without_white_space_in_any_pieces)
{
    struct slice bytes = SLICE(
        "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
        "v1\",\"metadata\":{\"resourceVersion\":\"7\"},"
        "\"columnDefinitions\":[{\"name\":\"Name\"},{\"name\":\"Ready\"},{\"name\":\"IP\"},"
        "{\"name\":\"Node\"}],\"rows\":["
        "{\"cells\":[\"a\",\"1/"
        "1\",\"10.0.0.5\",\"node-of-more-than-eight-bytes\"],\"object\":null},"
        "{\"cells\":[\"b\",\"0/1\",\"\\u003cnone\\u003e\",\"n\"],\"object\":null},"
        "{\"cells\":[\"c\",\"0/1\",\"<none>\",\"n\"],\"object\":null},"
        "{\"cells\":[\"d\\\"\\u00e9\",\"0/1\",\"\",\"\\u003cnone\\u003e2\"],\"object\":null},"
        "{\"cells\":[\"e\",null,null,\"n\"],\"object\":null}, "
        "{\"cells\":[\"f\",7,\"1.2.3.4\",\"n\"],\"object\":{\"kind\":\"Pod\"}},"
        "{\"cells\":[\"g\",\"1/1\",\"1.2.3.5\",\"\xC3\xA9\"],\"object\":null}]}\n");

    for (size_t i = 0; i < PIECES; i++) {
        struct seen seen = seen_new();
        struct error error = { 0 };
        char version[64];
        expect_ok(feed_table(bytes, pieces[i], &seen, version, &error), &error);
        expect_slice(seen_text(&seen), "a|10.0.0.5|node-of-more-than-eight-bytes\n"
                                       "b||n\n"
                                       "c||n\n"
                                       "d\"\xC3\xA9||<none>2\n"
                                       "e||n\n"
                                       "f|1.2.3.4|n\n"
                                       "g|1.2.3.5|\xC3\xA9\n");
        expect_slice(slice_of(version), "7");
    }
}

TEST(wire, refuses_rows_that_are_short_or_broken)
{
    static const char *const rows[] = {
        "{\"cells\":[\"a\",\"1\"],\"object\":null}",
        "{\"cells\":[\"a\",\"1\",\"n\",\"more\"],\"object\":null}",
        "{\"cells\":[\"a\\x\",\"1\",\"n\"],\"object\":null}",
        "{\"cells\":[\"a\n\",\"1\",\"n\"],\"object\":null}",
        "{\"cells\":[\"a\",\"1\" \"n\"],\"object\":null}",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice bytes = arena_printf(
            test_arena(),
            "{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":\"7\"},\"columnDefinitions\":["
            "{\"name\":\"Name\"},{\"name\":\"IP\"},{\"name\":\"Node\"}],\"rows\":[%s]}",
            rows[i]);
        for (size_t n = 0; n < PIECES; n++) {
            struct seen seen = seen_new();
            char version[64];
            expect(feed_table(bytes, pieces[n], &seen, version, NULL) == ERR_INVALID);
            buf_done(&seen.text);
        }
    }
}

TEST(wire, reads_a_real_watch_of_rows)
{
    struct slice rest = test_fixture("kube/pods_table_watch.json");
    struct seen seen = seen_new();
    struct error error = { 0 };
    struct kube_table table;
    struct slice cells[KUBE_TABLE_WANTED];
    enum kube_change change;

    kube_table_init(&table, pod_columns, 3);
    for (int i = 0; i < 5; i++) {
        struct slice line = slice_cut(&rest, '\n');
        require_ok(kube_table_event(&table, line, &change, cells, &error), &error);
        buf_addf(&seen.text, "%d %s %.*s|%.*s|%.*s\n", change, table.resource_version,
                 SLICE_ARG(cells[0]), SLICE_ARG(cells[1]), SLICE_ARG(cells[2]));
    }
    expect_slice(seen_text(&seen),
                 "1 85488 service-375-7d9c6b8f5d-17f21|10.65.127.33|"
                 "ip-10-0-8-33.us-west-2.compute.internal\n"
                 "0 85491 service-450-7d9c6b8f5d-249f0||ip-10-0-9-121.us-west-2.compute.internal\n"
                 "1 85489 service-940-7d9c6b8f5d-07c67|10.64.124.103|"
                 "ip-10-0-11-231.us-west-2.compute.internal\n"
                 "2 86494 service-450-7d9c6b8f5d-249f0|10.66.73.240|"
                 "ip-10-0-9-121.us-west-2.compute.internal\n"
                 "3 86889 ||\n");
    /* A Status: somebody else reads it. */
    expect(kube_table_event(&table, slice_cut(&rest, '\n'), &change, cells, NULL) ==
           ERR_UNSUPPORTED);
    kube_table_done(&table);
}

TEST(wire, takes_no_part_of_a_list_for_the_whole)
{
    struct slice nodes = test_fixture("kube/nodes.pb"),
                 table = test_fixture("kube/pods_table.json");
    char version[64];

    for (size_t len = 0; len < nodes.len - 4; len++) {
        struct seen seen = seen_new();
        struct slice cut = { nodes.data, len };
        enum err err = feed_list(cut, len + 1, on_node, &seen, version, NULL);
        /* Behind the list come the envelope's last two fields, which are empty. */
        expect(err == ERR_TRUNCATED);
        buf_done(&seen.text);
    }
    for (size_t len = 0; len + 2 < table.len; len++) {
        struct seen seen = seen_new();
        struct slice cut = { table.data, len };
        expect(feed_table(cut, len + 1, &seen, version, NULL) == ERR_TRUNCATED);
        buf_done(&seen.text);
    }
}

/* The frames of a recorded watch, one after another. */
static bool next_frame(struct slice *rest, struct slice *ret)
{
    const unsigned char *at = (const unsigned char *)rest->data;

    if (rest->len < 4) {
        return false;
    }
    size_t len = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    require(len <= rest->len - 4);
    *ret = (struct slice){ rest->data + 4, len };
    *rest = (struct slice){ rest->data + 4 + len, rest->len - 4 - len };
    return true;
}

TEST(wire, reads_a_real_watch_of_pods)
{
    struct slice rest = test_fixture("kube/pods_watch.pb"), frame, object;
    struct seen seen = seen_new();
    struct error error = { 0 };
    enum kube_change change;

    while (next_frame(&rest, &frame)) {
        require_ok(kube_proto_watch(frame, &change, &object, &error), &error);
        expect_u64(change, KUBE_ADDED);
        require_ok(on_pod(&seen, object, &error), &error);
    }
    expect_contains(seen_text(&seen),
                    "default/web-1 ip-10-0-0-1.us-west-2.compute.internal 10.0.0.5\n");
    expect_u64(rest.len, 0);
}

TEST(wire, survives_every_truncation_of_a_watch_frame)
{
    struct slice rest = test_fixture("kube/pods_watch.pb"), frame, object;
    struct kube_pod pod;
    enum kube_change change;
    uint32_t good = 0;

    require(next_frame(&rest, &frame));
    for (size_t len = 0; len < frame.len; len++) {
        struct slice cut = arena_slice(test_arena(), (struct slice){ frame.data, len });
        good += kube_proto_watch(cut, &change, &object, NULL) == ERR_OK &&
                kube_proto_pod(object, &pod, NULL) == ERR_OK;
    }
    expect_u64(good, 0);
}

TEST(wire, reads_why_a_request_was_refused_in_both_encodings)
{
    struct kube_status status;

    require(kube_status_read(test_arena(), test_fixture("kube/status_404.pb"), &status));
    expect_slice(status.message, "pods \"none\" not found");
    expect_slice(status.reason, "NotFound");
    expect_u64(status.code, 404);
    require(kube_status_read(test_arena(),
                             SLICE("{\"message\":\"slow down\",\"code\":429,\"details\":{"
                                   "\"retryAfterSeconds\":7}}"),
                             &status));
    expect_slice(status.message, "slow down");
    expect_u64(status.retry_after_s, 7);
    expect(!kube_status_read(test_arena(), SLICE("<html>"), &status));
}

static void expect_table(const char *text, enum err wanted, const char *why)
{
    struct seen seen = seen_new();
    struct error error = { 0 };
    char version[64];

    expect_err(feed_table(slice_of(text), 1 << 20, &seen, version, &error), wanted, &error);
    expect_contains(slice_of(error.text), why);
    buf_done(&seen.text);
}

#define COLUMNS "\"columnDefinitions\":[{\"name\":\"Name\"},{\"name\":\"IP\"},{\"name\":\"Node\"}]"
#define TABLE "{\"kind\":\"Table\",\"metadata\":{}," COLUMNS ",\"rows\":"

TEST(wire, wants_another_encoding_where_a_table_does_not_serve)
{
    expect_table("{\"kind\":\"PodList\",\"items\":[]}", ERR_UNSUPPORTED, "no Table");
    expect_table("{\"kind\":\"Table\",\"columnDefinitions\":[{\"name\":\"Name\"}],\"rows\":[]}",
                 ERR_UNSUPPORTED, "no column \"IP\"");
    expect_table("{\"kind\":\"Table\",\"rows\":[]}", ERR_UNSUPPORTED, "begins with its rows");
    expect_table("{}", ERR_UNSUPPORTED, "no columns");
    expect_table(TABLE "null}", ERR_OK, "");
}

TEST(wire, refuses_a_table_that_is_broken)
{
    expect_table(TABLE "[{\"cells\":[\"a\",\"b\"]}]}", ERR_INVALID, "another number of cells");
    expect_table(TABLE "[{\"cells\":[\"a\",\"b\",\"c\",\"d\"]}]}", ERR_INVALID, "number of cells");
    expect_table(TABLE "[}", ERR_INVALID, "does not match");
    expect_table(TABLE "[{\"cells\" [", ERR_INVALID, "no colon");
    expect_table(TABLE "[{\"cells\":[\"a\" \"b\"", ERR_INVALID, "no comma");
    expect_table(TABLE "[{\"cells\":[\"\\q\",\"b\",\"c\"]}]}", ERR_INVALID, "an escape");
    expect_table(TABLE "[]} x", ERR_INVALID, "follows its end");
    expect_table("[]", ERR_INVALID, "no object");
    expect_table("7", ERR_INVALID, "no object");
    expect_table("{\"a\":[[[[[[[[[[[[[[[[[[[[", ERR_LIMIT, "nested deeper");
    expect_table(TABLE "[{\"cells\":[\"a\nb\"", ERR_INVALID, "control character");
}

TEST(wire, bounds_a_table_that_does_not_end)
{
    struct kube_table table;
    struct seen seen = seen_new();
    struct error error = { 0 };
    char junk[4096];
    enum err err = ERR_OK;

    memset(junk, 'x', sizeof(junk));
    kube_table_init(&table, pod_columns, 3);
    struct slice head = SLICE(TABLE "[{\"cells\":[\"");
    require_ok(kube_table_feed(&table, head, on_row, &seen, &error), &error);
    for (uint32_t i = 0; i < 1000 && err == ERR_OK; i++) {
        err = kube_table_feed(&table, (struct slice){ junk, sizeof(junk) }, on_row, &seen, &error);
    }
    expect_err(err, ERR_LIMIT, &error);
    kube_table_done(&table);
    buf_done(&seen.text);
}

TEST(wire, bounds_a_list_that_claims_too_much)
{
    /* k8s, Unknown.raw of 2^40 bytes, an item of 2^31. */
    static const char bytes[] = "k8s\0\x12\x80\x80\x80\x80\x80\x20\x12\x80\x80\x80\x80\x08";
    struct seen seen = seen_new();
    struct error error = { 0 };
    char version[64];

    expect_err(
        feed_list((struct slice){ bytes, sizeof(bytes) - 1 }, 100, on_pod, &seen, version, &error),
        ERR_LIMIT, &error);
    expect_contains(slice_of(error.text), "an item of 2147483648 bytes");
    buf_done(&seen.text);
}

/* ---- JSON ---- */

static const struct doc *json(const char *text)
{
    const struct doc *doc = NULL;
    struct error error = { 0 };

    require_ok(json_parse(test_arena(), slice_of(text), NULL, &doc, &error), &error);
    return doc;
}

TEST(wire, reads_every_field_of_a_subnetpool)
{
    const struct doc *doc = json(
        "{\"metadata\":{\"name\":\"main\",\"uid\":\"u\",\"generation\":7},\"spec\":{"
        "\"subnetSelectorTerms\":[{\"id\":\"subnet-1\"},{\"tags\":{\"a\":\"b\",\"c\":\"*\"}}],"
        "\"nodeSelector\":{\"matchLabels\":{\"x\":\"y\"},\"matchExpressions\":[{\"key\":\"z\","
        "\"operator\":\"NotIn\",\"values\":[\"1\",\"2\"]},{\"key\":\"w\",\"operator\":\"Exists\"}]}"
        ","
        "\"weight\":10,\"securityGroupSelectorTerms\":[{\"id\":\"sg-1\"}],"
        "\"watermarks\":{\"low\":\"15%\",\"high\":64},\"reservedIPs\":4,"
        "\"headroom\":{\"minIPsPerNode\":5,\"leadTime\":\"90s\",\"maxENIsPerNode\":3},"
        "\"strategy\":\"Ordered\",\"addressing\":\"Prefix\",\"onNodeExhausted\":\"Taint\","
        "\"limits\":{\"attachPerMinute\":30,\"maxENIs\":100},\"paused\":true,\"dryRun\":true,"
        "\"maxDataAge\":\"10m\"}}");
    struct pool pool;
    struct error error = { 0 };

    require_ok(kube_json_pool(test_arena(), doc, &pool, &error), &error);
    expect_slice(pool.name, "main");
    expect_i64(pool.generation, 7);
    expect_u64(pool.subnet_term_count, 2);
    expect_slice(pool.subnet_terms[0].id, "subnet-1");
    expect_slice(pool.subnet_terms[1].tags[1].value, "*");
    expect_u64(pool.nodes.count, 3);
    expect_u64(pool.nodes.requirements[1].op, SELECTOR_NOT_IN);
    expect_u64(pool.nodes.requirements[1].value_count, 2);
    expect(pool.low.percent && pool.low.value == 15 && !pool.high.percent && pool.high.value == 64);
    expect_u64(pool.reserved_ips, 4);
    expect_u64(pool.min_ips_per_node, 5);
    expect_u64(pool.lead_ns, UINT64_C(90000000000));
    expect_u64(pool.max_enis_per_node, 3);
    expect_u64(pool.strategy, STRATEGY_ORDERED);
    expect_u64(pool.addressing, ADDRESSING_PREFIX);
    expect_u64(pool.on_exhausted, EXHAUSTED_TAINT);
    expect_u64(pool.attach_per_minute, 30);
    expect_u64(pool.max_enis, 100);
    expect_u64(pool.stale_ns, UINT64_C(600000000000));
    expect(pool.paused && pool.dry_run && pool.weight == 10);
    expect_slice(pool.group_terms[0].id, "sg-1");
}

TEST(wire, reads_the_pool_that_users_copy)
{
    const struct doc *list = NULL;
    struct error error = { 0 };
    struct pool pool;

    require_ok(json_parse(test_arena(), test_fixture("kube/subnetpools.json"), NULL, &list, &error),
               &error);
    require_ok(kube_json_pool(test_arena(), doc_first(doc_get(list, "items")), &pool, &error),
               &error);
    expect_slice(pool.name, "pods");
    expect_u64(pool.lead_ns, UINT64_C(120000000000));
    expect(pool.low.percent);
    expect_u64(pool.low.value, 10);
}

static void expect_pool_refusal(const char *spec, const char *why)
{
    struct pool pool;
    struct error error = { 0 };
    struct slice text = arena_printf(test_arena(), "{\"metadata\":{\"name\":\"p\"},\"spec\":%s}",
                                     spec);

    expect_err(kube_json_pool(test_arena(), json(text.data), &pool, &error), ERR_INVALID, &error);
    expect_contains(slice_of(error.text), why);
}

TEST(wire, names_the_field_of_a_pool_that_is_wrong)
{
    expect_pool_refusal("{\"subnetSelectorTerms\":7}", "spec.subnetSelectorTerms must be a list");
    expect_pool_refusal("{\"subnetSelectorTerms\":[{}]}", "terms with an id or tags");
    expect_pool_refusal("{\"watermarks\":{\"low\":\"-1\"}}", "spec.watermarks.low must be a count");
    expect_pool_refusal("{\"watermarks\":{\"low\":\"101%\"}}", "spec.watermarks.low");
    expect_pool_refusal("{\"headroom\":{\"leadTime\":\"soon\"}}",
                        "spec.headroom.leadTime must be a");
    expect_pool_refusal("{\"strategy\":\"Random\"}", "MostFree, Balanced or Ordered");
    expect_pool_refusal("{\"paused\":\"yes\"}", "spec.paused must be true or false");
    expect_pool_refusal("{\"reservedIPs\":-1}", "spec.reservedIPs");
}

TEST(wire, reads_the_agents_settings_as_the_agent_does)
{
    const struct doc *list = NULL;
    struct agent_settings agent;
    struct error error = { 0 };
    struct slice odd;

    require_ok(json_parse(test_arena(), test_fixture("kube/daemonsets.json"), NULL, &list, &error),
               &error);
    require_ok(
        kube_json_agent(test_arena(), doc_first(doc_get(list, "items")), &agent, &odd, &error),
        &error);
    expect_slice(agent.version, "v1.23.2");
    expect_slice(agent.cluster_name, "demo");
    expect_i64(agent.warm_eni_target, 1);
    expect_i64(agent.warm_ip_target, AGENT_UNSET);
    expect(!agent.prefix_delegation && agent.subnet_discovery);
    expect_slice(odd, "WARM_IP_TARGET=lots");
}

TEST(wire, reads_an_eniconfig_and_refuses_a_wrong_one)
{
    struct eniconfig config;
    struct error error = { 0 };

    require_ok(
        kube_json_eniconfig(test_arena(),
                            json("{\"metadata\":{\"name\":\"us-west-2a\"},\"spec\":{\"subnet\":"
                                 "\"subnet-1\",\"securityGroups\":[\"sg-1\",\"sg-2\"]}}"),
                            &config, &error),
        &error);
    expect_text(config.subnet.text, "subnet-1");
    expect_u64(config.group_count, 2);
    expect_text(config.groups[1].text, "sg-2");
    expect_err(
        kube_json_eniconfig(test_arena(),
                            json("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"subnet\":\"a b\"}}"),
                            &config, &error),
        ERR_INVALID, &error);
}
