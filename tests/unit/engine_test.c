/*
 * engine_test.c - the three machines joined: a scripted API server on one side, the modelled EC2
 * on the other, a clock that
 * the test turns in between.
 *
 * Knows engine.h, snapshot.h and what the two outsides speak. Refuses to know the inside of a
 * machine.
 */
#include <headroom/engine.h>
#include <headroom/sim.h>

#include "kube_fake.h"
#include "test.h"

enum { ANSWERS_MAX = 256, TURNS_MAX = 20000 };

#define SECOND UINT64_C(1000000000)
/* What comes has come a moment before the step, what is asked for goes out a moment after it. */
#define ARRIVED_BEFORE UINT64_C(1000000)
#define SENT_AFTER UINT64_C(500000)
#define KUBE_OWNER UINT64_C(1)
#define EC2_OWNER UINT64_C(2)

static const char scenario[] =
    "vpc: {id: vpc-1, cidrs: [10.0.0.0/16]}\n"
    "route_tables: [{id: rtb-private, main: true, routes: [{target: nat-1}]}]\n"
    "subnets:\n"
    "- {id: subnet-nodes, zone: us-west-2a, cidr: 10.0.0.0/27}\n"
    "- {id: subnet-pods, zone: us-west-2a, cidr: 10.0.1.0/24, tags: {role: pods}}\n"
    "security_groups: [{id: sg-nodes, name: nodes}]\n"
    "instances:\n"
    "- {id: i-0123456789abcdef0, type: m5.large, subnet: subnet-nodes, groups: [nodes]}\n"
    "timing: {attach_ms: 0, detach_ms: 0, terminate_ms: 0}\n"
    "identities:\n"
    "- {name: controller, access_key_id: AKIDTEST, secret_access_key: secret}\n";

#define POOL                                                                                       \
    "{\"metadata\":{\"name\":\"pods\",\"uid\":\"u-1\",\"generation\":1,\"resourceVersion\":\"5\"}" \
    ","                                                                                            \
    "\"spec\":{\"subnetSelectorTerms\":[{\"id\":\"subnet-nodes\"},{\"tags\":{\"role\":\"pods\"}}]" \
    "}}"
#define THREE_WAIT                                                                                 \
    "{\"cells\":[\"web-1\",\"<none>\",\"n1\"]},{\"cells\":[\"web-2\",\"<none>\",\"n1\"]},"         \
    "{\"cells\":[\"web-3\",\"<none>\",\"n1\"]}"

#define AGENT                                                                                      \
    "{\"metadata\":{\"name\":\"aws-node\",\"namespace\":\"kube-system\",\"resourceVersion\":"      \
    "\"4\"},"                                                                                      \
    "\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"aws-node\","                    \
    "\"image\":\"example/amazon-k8s-cni:v1.23.2\",\"env\":[]}]}}}}"

#define LEASE                                                                                      \
    "{\"metadata\":{\"name\":\"headroom-controller\",\"uid\":\"u-8\",\"resourceVersion\":\"8\"},"  \
    "\"spec\":{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":15,"                          \
    "\"acquireTime\":\"2026-01-02T03:00:00.000000Z\",\"renewTime\":\"2026-01-02T03:20:44."         \
    "000000Z\"}}"

/* What is on its way to the engine. */
struct answer {
    uint64_t id, at_ns, sent_ns;
    int status; /* 0: no head */
    struct slice body;
    bool open; /* a watch: no end */
    enum err end;
};

struct rig {
    struct engine *engine;
    struct sim_ec2 *ec2;
    struct arena arena;
    uint64_t now_ns;
    struct answer answers[ANSWERS_MAX];
    uint32_t count;
    struct buf
        asked; /* "GET /api/v1/nodes?...\n" of Kubernetes, "CreateNetworkInterface\n" of EC2 */
    struct buf logs;
    bool kube_down, lease_taken;
    uint64_t pod_watch;
    const char *pods;
    uint32_t more_nodes; /* m100, m101 ... */
};

static void answer(struct rig *rig, struct answer it)
{
    require(rig->count < ANSWERS_MAX);
    it.at_ns = it.at_ns ? it.at_ns : rig->now_ns + 1000000;
    rig->answers[rig->count++] = it;
}

static struct slice list_of(const struct rig *rig, struct slice target)
{
    if (slice_contains(target, SLICE("/api/v1/nodes?"))) {
        struct slice *nodes = ARENA_ARRAY(test_arena(), struct slice, 1 + rig->more_nodes);
        nodes[0] = pb_node("n1", "us-west-2a", "", "1");
        for (uint32_t i = 0; i < rig->more_nodes; i++) {
            struct slice name = arena_printf(test_arena(), "m%u", 100 + i);
            nodes[1 + i] = pb_node(name.data, "us-west-2a", "", "1");
        }
        return pb_list("1", "", nodes, 1 + rig->more_nodes);
    }
    if (slice_contains(target, SLICE("/kube-system/pods?"))) {
        return SLICE(EMPTY_TABLE(AGENT_COLUMNS) "[{\"cells\":[\"aws-node-1\",\"1/1\",\"n1\"]}]}");
    }
    if (slice_contains(target, SLICE("/api/v1/pods?"))) {
        return arena_printf(test_arena(), EMPTY_TABLE(POD_COLUMNS) "[%s]}", rig->pods);
    }
    if (slice_contains(target, SLICE("/subnetpools?"))) {
        return SLICE(JSON_LIST(POOL));
    }
    if (slice_contains(target, SLICE("/daemonsets?"))) {
        return SLICE(JSON_LIST(AGENT));
    }
    return SLICE(JSON_LIST(""));
}

/* As the API server answers a write: the object, with a version. */
static struct slice stored(struct slice body)
{
    static const char meta[] = "\"metadata\":{";
    const char *at = memmem(body.data, body.len, meta, sizeof(meta) - 1);
    size_t before = at ? (size_t)(at - body.data) + sizeof(meta) - 1 : 0;

    return arena_printf(test_arena(), "%.*s%s%.*s", (int)before, body.data,
                        at ? "\"uid\":\"u-9\",\"resourceVersion\":\"9\"," : "",
                        (int)(body.len - before), body.data + before);
}

static void ask_kube(struct rig *rig, const struct fetch *fetch)
{
    struct slice target = fetch->target;
    bool get = strcmp(fetch->method, "GET") == 0;

    buf_addf(&rig->asked, "%s %.*s\n", fetch->method, SLICE_ARG(target));
    if (rig->kube_down) {
        answer(rig, (struct answer){ .id = fetch->id, .end = ERR_UNAVAILABLE });
    } else if (get && slice_contains(target, SLICE("watch=true"))) {
        answer(rig, (struct answer){ .id = fetch->id, .status = 200, .open = true });
        if (slice_contains(target, SLICE("/api/v1/pods?"))) {
            rig->pod_watch = fetch->id;
        }
    } else if (get && rig->lease_taken && slice_contains(target, SLICE("/leases"))) {
        answer(rig, (struct answer){ .id = fetch->id, .status = 200, .body = SLICE(LEASE) });
    } else if (slice_contains(target, SLICE("eniconfigs")) ||
               (get && slice_contains(target, SLICE("/leases/")))) {
        answer(rig, (struct answer){ .id = fetch->id, .status = 404, .body = SLICE(NO_STATUS) });
    } else if (get) {
        answer(rig,
               (struct answer){ .id = fetch->id, .status = 200, .body = list_of(rig, target) });
    } else {
        answer(rig, (struct answer){ .id = fetch->id,
                                     .status = strcmp(fetch->method, "POST") == 0 ? 201 : 200,
                                     .body = stored(fetch->body) });
    }
}

static void ask_ec2(struct rig *rig, const struct fetch *fetch)
{
    struct sim_http_request request = { .method = slice_of(fetch->method),
                                        .path = SLICE("/"),
                                        .headers = fetch->headers,
                                        .header_count = fetch->header_count,
                                        .body = fetch->body };
    struct sim_http_response response;
    struct slice rest = fetch->body;

    (void)slice_cut(&rest, '=');
    struct slice action = slice_cut(&rest, '&');
    buf_addf(&rig->asked, "%.*s\n", SLICE_ARG(action));
    sim_ec2_http(rig->ec2, &rig->arena, rig->now_ns, FAKE_WALL + rig->now_ns, &request, &response);
    answer(rig, (struct answer){ .id = fetch->id,
                                 .at_ns = rig->now_ns + response.delay_ns,
                                 .sent_ns = rig->now_ns + SENT_AFTER,
                                 .status = response.status,
                                 .body = arena_slice(test_arena(), response.body) });
}

static void step(struct rig *rig, const struct engine_input *given)
{
    struct engine_input input = *given;
    struct engine_output out;

    input.now_ns = rig->now_ns;
    input.wall_ns = FAKE_WALL + rig->now_ns;
    engine_step(rig->engine, &input, &out);
    arena_reset(&rig->arena);
    for (uint32_t i = 0; i < out.fetches.start_count; i++) {
        const struct fetch *fetch = &out.fetches.starts[i];
        require(fetch->kind == FETCH_HTTP);
        if (fetch->id >> 56 == KUBE_OWNER) {
            ask_kube(rig, fetch);
        } else {
            expect_u64(fetch->id >> 56, EC2_OWNER);
            ask_ec2(rig, fetch);
        }
    }
    for (uint32_t i = 0; i < out.fetches.cancel_count; i++) {
        answer(rig, (struct answer){ .id = out.fetches.cancels[i], .end = ERR_CANCELLED });
    }
    for (uint32_t i = 0; i < out.logs.count; i++) {
        log_render(&out.logs.records[i], input.wall_ns, &rig->logs);
    }
}

static void bring(struct rig *rig, const struct answer *it)
{
    struct engine_input input = { .kind = ENGINE_FETCH };

    if (it->status != 0) {
        input.fetch =
            (struct fetch_event){ .id = it->id, .kind = FETCH_HEAD, .status = it->status };
        input.fetch.sent_ns = it->sent_ns;
        step(rig, &input);
    }
    if (it->body.len > 0) {
        input.fetch = (struct fetch_event){ .id = it->id, .kind = FETCH_BODY, .body = it->body };
        input.fetch.arrived_ns = rig->now_ns - ARRIVED_BEFORE;
        step(rig, &input);
    }
    if (!it->open) {
        input.fetch = (struct fetch_event){ .id = it->id, .kind = FETCH_END };
        if (it->end != ERR_OK) {
            (void)error_set(&input.fetch.error, it->end, "https://api:6443: connection refused");
        }
        step(rig, &input);
    }
}

/* The next thing that is due: an answer, else the engine's own deadline. False: nothing until the
 * limit. */
static bool turn(struct rig *rig, uint64_t limit_ns)
{
    uint32_t first = ANSWERS_MAX;

    for (uint32_t i = 0; i < rig->count; i++) {
        if (first == ANSWERS_MAX || rig->answers[i].at_ns < rig->answers[first].at_ns) {
            first = i;
        }
    }
    uint64_t at = engine_deadline_ns(rig->engine);
    bool has_answer = first < ANSWERS_MAX && rig->answers[first].at_ns <= at;
    at = has_answer ? rig->answers[first].at_ns : at;
    if (at > limit_ns) {
        rig->now_ns = limit_ns;
        return false;
    }
    rig->now_ns = at > rig->now_ns ? at : rig->now_ns;
    if (has_answer) {
        struct answer it = rig->answers[first];
        memmove(&rig->answers[first], &rig->answers[first + 1],
                (--rig->count - first) * sizeof(it));
        bring(rig, &it);
    } else {
        step(rig, &(struct engine_input){ .kind = ENGINE_TICK });
    }
    return true;
}

static void pass(struct rig *rig, uint64_t ns)
{
    uint64_t limit = rig->now_ns + ns;
    uint32_t turns = 0;

    while (turn(rig, limit)) {
        require(turns++ < TURNS_MAX); /* it asks to be woken at once, for ever */
    }
}

static uint64_t ticking_clock(void)
{
    static uint64_t now;

    return now += 1500; /* a plan step takes 1.5 us */
}

static struct rig *start_beside(const struct engine_config *given, const char *pods,
                                bool lease_taken, uint32_t more_nodes)
{
    struct rig *rig = ARENA_NEW(test_arena(), struct rig);
    struct engine_config config = *given;
    struct error error = { 0 };

    rig->now_ns = 1000 * SECOND;
    rig->pods = pods;
    rig->lease_taken = lease_taken;
    rig->more_nodes = more_nodes;
    arena_init(&rig->arena);
    buf_init(&rig->asked, 4 << 20);
    buf_init(&rig->logs, 4 << 20);
    require_ok(
        sim_ec2_new(slice_of(scenario), 7, rig->now_ns, FAKE_WALL + rig->now_ns, &rig->ec2, &error),
        &error);
    config.version = SLICE("1.2.3");
    config.clock_ns = ticking_clock;
    config.plan.cluster_name = SLICE("demo");
    config.kube.access.server = SLICE("https://api:6443");
    config.kube.access.context = SLICE("test");
    config.kube.access.token = SLICE("secret-token");
    config.kube.identity = SLICE("me");
    config.kube.namespace = SLICE("headroom-system");
    config.ec2.env.access_key_id = SLICE("AKIDTEST");
    config.ec2.env.secret_access_key = SLICE("secret");
    config.ec2.env.region = SLICE("us-west-2");
    config.ec2.env.metadata_disabled = true;
    config.ec2.env.endpoint = SLICE("http://ec2:80");
    rig->engine = engine_new(&config);
    step(rig, &(struct engine_input){ .kind = ENGINE_TICK });
    return rig;
}

static struct rig *start(const struct engine_config *given, const char *pods)
{
    return start_beside(given, pods, false, 0);
}

static void drain(struct rig *rig, const char *subnet)
{
    struct aws_id id = { 0 };
    struct error error = { 0 };

    require_ok(aws_id_set(&id, slice_of(subnet)), &error);
    require_ok(sim_ec2_drain(rig->ec2, rig->now_ns, &id, 0, &error), &error);
}

static void finish(struct rig *rig)
{
    engine_free(rig->engine);
    sim_ec2_free(rig->ec2);
    buf_done(&rig->asked);
    buf_done(&rig->logs);
    arena_done(&rig->arena);
}

static uint32_t times(const struct rig *rig, const char *what)
{
    struct slice rest = buf_slice(&rig->asked);
    uint32_t count = 0;

    while (rest.len > 0) {
        count += slice_starts(slice_cut(&rest, '\n'), slice_of(what));
    }
    return count;
}

TEST(engine, carries_a_nodes_need_to_ec2_and_the_news_back_to_kubernetes)
{
    struct rig *rig = start(&(struct engine_config){ 0 }, THREE_WAIT);

    drain(rig, "subnet-nodes");
    pass(rig, 10 * SECOND);
    expect(engine_planned(rig->engine));
    expect_u64(times(rig, "CreateNetworkInterface"), 1);
    expect_u64(times(rig, "AttachNetworkInterface"), 1);
    expect_contains(buf_slice(&rig->asked), "PATCH https://api:6443/apis/headroom.dev/v1alpha1/"
                                            "subnetpools/pods/status");
    expect_contains(buf_slice(&rig->asked),
                    "POST https://api:6443/apis/events.k8s.io/v1/namespaces/default/events");
    expect_contains(buf_slice(&rig->logs), "the first plan is made");
    expect(!slice_contains(buf_slice(&rig->logs), SLICE("secret-token")));

    struct snapshot_ref *ref = engine_snapshot(rig->engine, rig->now_ns, FAKE_WALL + rig->now_ns);
    finish(rig);
    const struct snapshot *snapshot = snapshot_get(ref); /* outlives the engine */
    expect_u64(snapshot->enis_attached, 1);
    expect_u64(snapshot->attach_seconds.count, 1);
    expect(snapshot->plan_seconds.count == snapshot->plan_events && snapshot->plan_events > 5);
    expect_u64(snapshot->node_total, 1);
    expect_u64(snapshot->pods_waiting, 3);
    expect_slice(snapshot->nodes[0].name, "n1");
    expect_slice(snapshot->pools[0].name, "pods");
    expect_u64(snapshot->pools[0].subnet_count, 2);
    expect_slice(snapshot->cluster_name, "demo");
    expect(snapshot->ready && snapshot->leader);
    require(snapshot->happening_count >= 2);
    expect_u64(snapshot->happenings[snapshot->happening_count - 1].sequence,
               snapshot->happening_count);
    snapshot_drop(ref);
}

TEST(engine, shows_the_neediest_nodes_of_many_in_order_and_counts_the_rest)
{
    enum { NODES = 600, SHOWN = 300 };
    struct buf pods;

    buf_init(&pods, 1 << 20);
    buf_add_text(&pods, "{\"cells\":[\"p\",\"10.0.0.9\",\"n1\"]}");
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t k = 0; k < i * 7 % 5; k++) {
            buf_addf(&pods, ",{\"cells\":[\"p%u-%u\",\"<none>\",\"m%u\"]}", i, k, 100 + i);
        }
    }
    struct rig *rig = start_beside(&(struct engine_config){ 0 }, pods.data, false, NODES);
    pass(rig, 10 * SECOND);
    struct snapshot_ref *ref = engine_snapshot(rig->engine, rig->now_ns, FAKE_WALL + rig->now_ns);
    const struct snapshot *snapshot = snapshot_get(ref);
    expect_u64(snapshot->node_total, NODES + 1);
    expect_u64(snapshot->pods_waiting, NODES / 5 * (1 + 2 + 3 + 4));
    require(snapshot->node_count == SHOWN);
    for (uint32_t i = 1; i < SHOWN; i++) {
        const struct snapshot_node *a = &snapshot->nodes[i - 1], *b = &snapshot->nodes[i];
        expect(
            a->waiting > b->waiting ||
            (a->waiting == b->waiting && (a->kind != b->kind || slice_cmp(a->name, b->name) < 0)));
    }
    expect_u64(snapshot->nodes[0].waiting, 4);
    expect_u64(snapshot->nodes[SHOWN - 1].waiting, 2); /* 120 wait with 4, 120 with 3 */
    expect(snapshot->nodes[0].detail.len > 0);
    snapshot_drop(ref);
    finish(rig);
    buf_done(&pods);
}

/* To the first request, and to the first that changes something. */
static struct histogram reactions(struct rig *rig, struct histogram *ret_changes)
{
    struct snapshot_ref *ref = engine_snapshot(rig->engine, rig->now_ns, FAKE_WALL + rig->now_ns);
    struct histogram seen = snapshot_get(ref)->reaction_seconds;

    *ret_changes = snapshot_get(ref)->change_seconds;
    snapshot_drop(ref);
    return seen;
}

TEST(engine, measures_how_soon_news_of_pods_becomes_a_request_to_ec2)
{
    struct rig *rig = start(&(struct engine_config){ 0 }, "");

    drain(rig, "subnet-nodes");
    pass(rig, 30 * SECOND);
    struct histogram changes_before, changes_after;
    struct histogram before = reactions(rig, &changes_before);
    uint32_t creates = times(rig, "CreateNetworkInterface");

    /* What follows from time alone is not counted. */
    pass(rig, 30 * SECOND);
    expect_u64(reactions(rig, &changes_after).count, before.count);
    expect_u64(changes_after.count, changes_before.count);

    for (int i = 0; i < 20; i++) {
        const char *name = arena_printf(test_arena(), "web-%d", i).data;
        struct fake_pod pod = { .name = name, .node = "n1", .phase = "Pending" };
        answer(rig, (struct answer){ .id = rig->pod_watch,
                                     .body = pb_event("ADDED", pb_pod(&pod)),
                                     .open = true });
    }
    pass(rig, 2 * SECOND);
    expect_u64(times(rig, "CreateNetworkInterface"), creates + 1);
    /* One need, however many pods, from the first of them on: that one asks for a read, which goes
     * in the turn that brought the news, and the next one leaves no doubt. */
    struct histogram after = reactions(rig, &changes_after);
    expect_u64(after.count, before.count + 1);
    expect(after.sum - before.sum > 0.00149 && after.sum - before.sum < 0.00151);
    expect_u64(changes_after.count, changes_before.count + 1);
    expect(changes_after.sum - changes_before.sum >= after.sum - before.sum);
    expect(changes_after.sum - changes_before.sum < 0.5);
    finish(rig);
}

TEST(engine, changes_nothing_when_it_may_only_read)
{
    struct rig *rig = start(&(struct engine_config){ .plan.dry_run = true, .kube.read_only = true },
                            THREE_WAIT);
    struct plan_decision decision;

    drain(rig, "subnet-nodes");
    pass(rig, 30 * SECOND);
    expect(engine_planned(rig->engine));
    require(plan_decision_of(engine_planner(rig->engine), SLICE("n1"), &decision));
    expect_text(plan_decision_name(decision.kind), "DryRun");
    expect_text(decision.subnet.text, "subnet-pods");
    expect_u64(times(rig, "CreateNetworkInterface"), 0);
    expect_u64(times(rig, "POST"), 0);
    expect_u64(times(rig, "PATCH"), 0);
    expect_u64(times(rig, "PUT"), 0);
    finish(rig);
}

TEST(engine, says_what_it_waits_for)
{
    struct rig *rig = start(&(struct engine_config){ 0 }, "");

    rig->kube_down = true;
    pass(rig, 5 * SECOND);
    expect(!engine_planned(rig->engine));
    expect_contains(engine_awaits(rig->engine, test_arena()), "Kubernetes API");
    expect_contains(engine_awaits(rig->engine, test_arena()), "connection refused");
    struct snapshot_ref *ref = engine_snapshot(rig->engine, rig->now_ns, FAKE_WALL + rig->now_ns);
    expect(!snapshot_get(ref)->ready);
    expect_contains(snapshot_get(ref)->not_ready_because, "waiting for 5 s for");
    snapshot_drop(ref);

    rig->kube_down = false;
    pass(rig, 120 * SECOND);
    expect(engine_planned(rig->engine));
    expect_u64(engine_awaits(rig->engine, test_arena()).len, 0);
    finish(rig);
}

TEST(engine, acts_only_while_it_holds_the_lease_and_gives_it_back_at_the_end)
{
    struct rig *rig = start(&(struct engine_config){ .kube.leader_elect = true }, THREE_WAIT);

    drain(rig, "subnet-nodes");
    pass(rig, 10 * SECOND);
    expect_u64(times(rig, "CreateNetworkInterface"), 1);
    struct slice asked = buf_slice(&rig->asked);
    const char *lease = memmem(asked.data, asked.len, "/leases", 7);
    const char *create = memmem(asked.data, asked.len, "CreateNetworkInterface", 22);
    expect(lease && create && lease < create);

    expect(!engine_stopped(rig->engine));
    buf_reset(&rig->asked);
    step(rig, &(struct engine_input){ .kind = ENGINE_STOP });
    pass(rig, 5 * SECOND);
    expect(engine_stopped(rig->engine));
    expect_contains(buf_slice(&rig->asked), "/leases/");
    expect_u64(times(rig, "CreateNetworkInterface"), 0);
    finish(rig);
}

TEST(engine, is_ready_also_as_the_one_that_stands_by)
{
    struct rig *rig = start_beside(&(struct engine_config){ .kube.leader_elect = true }, THREE_WAIT,
                                   true, 0);

    drain(rig, "subnet-nodes");
    pass(rig, 10 * SECOND);
    expect(engine_planned(rig->engine));
    struct snapshot_ref *ref = engine_snapshot(rig->engine, rig->now_ns, FAKE_WALL + rig->now_ns);
    expect(snapshot_get(ref)->ready && !snapshot_get(ref)->leader);
    expect_text(snapshot_get(ref)->kube.leader_identity, "other");
    snapshot_drop(ref);
    expect_u64(times(rig, "CreateNetworkInterface"), 0);
    finish(rig);
}

TEST(engine, stops_while_nobody_answers)
{
    struct rig *rig = start(&(struct engine_config){ .kube.leader_elect = true }, "");

    rig->kube_down = true;
    pass(rig, 3 * SECOND);
    step(rig, &(struct engine_input){ .kind = ENGINE_STOP });
    pass(rig, 10 * SECOND);
    expect(engine_stopped(rig->engine));
    finish(rig);
}

TEST(engine, counts_into_buckets_whose_upper_bound_is_included)
{
    static const double bounds[] = { 1, 2 };
    struct histogram histogram;

    histogram_init(&histogram, bounds, 2);
    histogram_add(&histogram, 1);
    histogram_add(&histogram, 1.5);
    histogram_add(&histogram, 99);
    expect_u64(histogram.counts[0], 1);
    expect_u64(histogram.counts[1], 1);
    expect_u64(histogram.counts[2], 1);
    expect_u64(histogram.count, 3);
    expect(histogram.sum > 101.49 && histogram.sum < 101.51);
}
