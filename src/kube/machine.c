/*
 * machine.c - the machine as a whole: what it is made of, one step, one deadline.
 *
 * Knows which reflectors there are and in what order they begin. Refuses to know how any part
 * works.
 */
#include <assert.h>

#include "core.h"

enum { NODES_LIMIT = 200000, AGENT_PODS_LIMIT = 400000, POOLS_LIMIT = 1000, OTHERS_LIMIT = 5000 };

/* Bookmarks come once a minute, so that silence of less means nothing. */
#define STALE_NS (90 * SECOND_NS)
#define ERROR_SHOWN_NS (2 * MINUTE_NS)
#define STOP_NS (3 * SECOND_NS)    /* for what is still to be written */
#define RELEASE_NS (2 * SECOND_NS) /* for the Lease after that */
/* What pods are listed for depends on the agent's settings. */
#define AGENT_WAIT_NS (3 * SECOND_NS)

#define AGENT_NAMESPACE "kube-system"

static const char *const pod_columns[] = { "Name", "IP", "Node" };
static const char *const agent_columns[] = { "Name", "Ready", "Node" };

static const struct reflector_kind kinds[REFLECTORS] = {
    [R_AGENT] = {
        .name = "the aws-node DaemonSet",
        .path = "/apis/apps/v1/namespaces/" AGENT_NAMESPACE "/daemonsets",
        .rule = "get, list and watch on daemonsets.apps in namespace " AGENT_NAMESPACE,
        .selector = "fieldSelector=metadata.name%3Daws-node",
        .list = ENCODING_JSON,
        .watch = ENCODING_JSON,
        .sink = &agents_sink,
    },
    [R_NODES] = {
        .name = "nodes",
        .path = "/api/v1/nodes",
        .rule = "get, list and watch on nodes",
        .selector = "",
        .list = ENCODING_PROTO,
        .watch = ENCODING_PROTO,
        .sink = &nodes_sink,
    },
    [R_PODS] = {
        .name = "pods",
        .path = "/api/v1/pods",
        .rule = "list and watch on pods in all namespaces",
        .selector = "fieldSelector=spec.hostNetwork%3Dfalse%2Cspec.nodeName%21%3D%2C"
                    "status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed",
        .fallback_selector = "fieldSelector=spec.nodeName%21%3D%2C"
                             "status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed",
        .list = ENCODING_TABLE,
        .watch = ENCODING_TABLE,
        .columns = pod_columns,
        .column_count = 3,
        .sink = &pods_sink,
    },
    [R_AGENT_PODS] = {
        .name = "the agent's pods",
        .path = "/api/v1/namespaces/" AGENT_NAMESPACE "/pods",
        .rule = "list and watch on pods in namespace " AGENT_NAMESPACE,
        .selector = "labelSelector=k8s-app%3Daws-node",
        .list = ENCODING_TABLE,
        .watch = ENCODING_PROTO,
        .columns = agent_columns,
        .column_count = 3,
        .sink = &agent_pods_sink,
    },
    [R_POOLS] = {
        .name = "SubnetPools",
        .path = "/apis/headroom.dev/v1alpha1/subnetpools",
        .rule = "get, list and watch on subnetpools.headroom.dev",
        .selector = "",
        .absent = "the API server does not know SubnetPools: apply crds/; looking again every 20 s",
        .absent_level = LOG_WARN,
        .list = ENCODING_JSON,
        .watch = ENCODING_JSON,
        .sink = &pools_sink,
    },
    [R_ENICONFIGS] = {
        .name = "ENIConfigs",
        .path = "/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs",
        .rule = "get, list and watch on eniconfigs.crd.k8s.amazonaws.com",
        .selector = "",
        .absent = "the API server does not know ENIConfigs: custom networking is not in use",
        .absent_level = LOG_INFO,
        .list = ENCODING_JSON,
        .watch = ENCODING_JSON,
        .sink = &eniconfigs_sink,
    },
};

/* ---- life ---- */

static void copy_config(struct kube *kube, const struct kube_config *config)
{
    kube->config = *config;
    kube_access_copy(&kube->own, &config->access, &kube->config.access);
    kube->config.namespace = arena_slice(
        &kube->own, config->namespace.len > 0 ? config->namespace : SLICE("headroom-system"));
    kube->config.identity = arena_slice(
        &kube->own, config->identity.len > 0 ? config->identity : SLICE("headroom-controller"));
    kube->config.user_agent = arena_slice(
        &kube->own, config->user_agent.len > 0 ? config->user_agent : SLICE("headroom"));
    if (kube->config.stale_ns == 0) {
        kube->config.stale_ns = STALE_NS;
    }
    assert(!config->leader_elect || config->read_only || config->identity.len > 0);
}

struct kube *kube_new(const struct kube_config *config)
{
    struct kube *kube = mem_zeroed(1, sizeof(*kube));

    arena_init(&kube->own);
    arena_init(&kube->step);
    copy_config(kube, config);
    prng_init(&kube->prng, config->seed);
    requests_init(&kube->requests, config->fetch_base);
    known_init(&kube->nodes, NODES_LIMIT);
    known_init(&kube->agent_pods, AGENT_PODS_LIMIT);
    known_init(&kube->pools, POOLS_LIMIT);
    known_init(&kube->eniconfigs, OTHERS_LIMIT);
    known_init(&kube->agents, OTHERS_LIMIT);
    interner_init(&kube->agent_nodes.names);
    pod_table_init(&kube->pods);
    struct agent_settings agent;
    agent_settings_default(&agent);
    kube->eniconfig_annotation = arena_slice(&kube->own, agent.eniconfig_annotation);
    for (uint32_t i = 0; i < REFLECTORS; i++) {
        reflector_init(&kube->reflectors[i], &kinds[i]);
    }
    kube->reflectors[R_PODS].held = true;
    auth_init(kube);
    lease_init(kube);
    writer_init(kube);
    return kube;
}

void kube_free(struct kube *kube)
{
    if (!kube) {
        return;
    }
    writer_done(kube);
    lease_done(kube);
    requests_done(&kube->requests);
    auth_done(kube);
    for (uint32_t i = 0; i < REFLECTORS; i++) {
        reflector_done(&kube->reflectors[i]);
    }
    if (kube->pods_hidden) {
        pod_table_done(&kube->new_pods);
    }
    pod_table_done(&kube->pods);
    agent_nodes_done(kube);
    known_done(&kube->nodes);
    known_done(&kube->agent_pods);
    known_done(&kube->pools);
    known_done(&kube->eniconfigs);
    known_done(&kube->agents);
    arena_done(&kube->step);
    arena_done(&kube->own);
    mem_free(kube);
}

static void begin_step(struct kube *kube, const struct kube_input *input)
{
    assert(input->now_ns >= kube->now_ns);
    kube->now_ns = input->now_ns;
    kube->wall_ns = input->wall_ns;
    arena_reset(&kube->step);
    kube->events = NULL;
    kube->event_count = kube->event_capacity = 0;
    kube->fetches = (struct fetch_list){ .arena = &kube->step };
    kube->logs = (struct log_list){ .arena = &kube->step };
}

/* ---- how fresh the picture is ---- */

static bool all_synced(const struct kube *kube)
{
    for (uint32_t i = 0; i < REFLECTORS; i++) {
        if (!kube->reflectors[i].synced) {
            return false;
        }
    }
    return true;
}

static uint64_t oldest_contact_ns(const struct kube *kube)
{
    uint64_t oldest = NEVER_NS;

    for (uint32_t i = 0; i < REFLECTORS; i++) {
        oldest = earlier(oldest, kube->reflectors[i].contact_ns);
    }
    return oldest;
}

/* Trouble that has not come back for a while is over: what fails is tried every half minute. */
static void forget_error(struct kube *kube)
{
    if (kube->stats.last_error[0] && kube->now_ns - kube->error_ns >= ERROR_SHOWN_NS) {
        kube->stats.last_error[0] = '\0';
    }
}

static void judge_freshness(struct kube *kube)
{
    if (!kube->synced) {
        kube->synced = all_synced(kube) && !pods_pending(kube);
        if (kube->synced) {
            (void)kube_emit(kube, PLAN_KUBE_SYNCED);
            struct log_record *record = log_add(&kube->logs, LOG_INFO, "kube",
                                                "the first picture of the cluster is whole");
            log_number(record, "nodes", kube->nodes.live);
            log_number(record, "pods", kube->pods.count);
            log_number(record, "pools", kube->pools.live);
        }
        return;
    }
    uint64_t silent = kube->now_ns - oldest_contact_ns(kube);
    bool stale = silent >= kube->config.stale_ns;
    if (stale != kube->stale) {
        kube->stale = stale;
        kube_emit(kube, PLAN_KUBE_STALE)->stale = stale;
        struct log_record *record = log_add(&kube->logs, stale ? LOG_ERROR : LOG_INFO, "kube", "%s",
                                            stale
                                                ? "the picture of the cluster is too old to act on"
                                                : "the picture of the cluster is fresh again");
        log_number(record, "silent_s", (int64_t)(silent / SECOND_NS));
    }
}

static uint64_t stale_deadline_ns(const struct kube *kube)
{
    if (!kube->synced || kube->stale || kube->stopping) {
        return NEVER_NS;
    }
    return oldest_contact_ns(kube) + kube->config.stale_ns;
}

/* ---- a step ---- */

static void start(struct kube *kube)
{
    kube->started = true;
    kube->reflectors[R_PODS].next_ns = kube->now_ns;
    kube->stop_ns = NEVER_NS;
    kube->reflectors[R_AGENT].started_ns = kube->now_ns;
    (void)log_add(&kube->logs, LOG_INFO, "kube", "reading the cluster at %.*s, context \"%.*s\"",
                  SLICE_ARG(kube->config.access.server), SLICE_ARG(kube->config.access.context));
}

static uint64_t pods_wait_ns(const struct kube *kube)
{
    const struct reflector *agent = &kube->reflectors[R_AGENT];

    if (!kube->reflectors[R_PODS].held || kube->stopping) {
        return NEVER_NS;
    }
    return agent->synced ? kube->now_ns : agent->started_ns + AGENT_WAIT_NS;
}

static void read_cluster(struct kube *kube)
{
    if (kube->now_ns >= pods_wait_ns(kube)) {
        kube->reflectors[R_PODS].held = false;
    }
    for (uint32_t i = 0; i < REFLECTORS && auth_ready(kube); i++) {
        reflector_step(kube, &kube->reflectors[i]);
    }
}

static void begin_stop(struct kube *kube)
{
    if (kube->stopping) {
        return;
    }
    kube->stopping = true;
    kube->stop_ns = kube->now_ns + STOP_NS;
    for (uint32_t i = 0; i < REFLECTORS; i++) {
        reflector_stop(kube, &kube->reflectors[i]);
    }
}

/* First what was promised is written, while we still lead; then the Lease goes. */
static void go_on_stopping(struct kube *kube)
{
    bool late = kube->now_ns >= kube->stop_ns;

    if (!kube->lease.stopping && (late || writer_idle(kube) || !kube->lease.leading)) {
        writer_drop(kube);
        lease_release(kube);
        kube->stop_ns = kube->now_ns + RELEASE_NS;
    } else if (kube->lease.stopping && late && !kube->lease.released) {
        request_abandon(kube, kube->lease.request);
        kube->lease.released = true;
    }
}

static void take(struct kube *kube, const struct kube_input *input)
{
    switch (input->kind) {
    case KUBE_TICK:
        break;
    case KUBE_FETCH:
        request_event(kube, &input->fetch);
        break;
    case KUBE_ACTION:
        writer_action(kube, &input->action);
        break;
    case KUBE_STOP:
        begin_stop(kube);
        break;
    }
}

void kube_step(struct kube *kube, const struct kube_input *input, struct kube_output *out)
{
    begin_step(kube, input);
    if (!kube->started) {
        start(kube);
    }
    take(kube, input);
    auth_step(kube);
    lease_step(kube);
    if (kube->stopping) {
        writer_step(kube);
        go_on_stopping(kube);
    } else {
        read_cluster(kube);
        writer_step(kube);
        (void)pods_tell(kube);
        judge_freshness(kube);
        forget_error(kube);
    }
    *out = (struct kube_output){
        .events = kube->events,
        .event_count = kube->event_count,
        .fetches = kube->fetches,
        .logs = kube->logs,
    };
}

uint64_t kube_deadline_ns(const struct kube *kube)
{
    if (!kube->started) {
        return 0;
    }
    if (kube_stopped(kube)) {
        return NEVER_NS;
    }
    uint64_t at = earlier(auth_deadline_ns(kube), lease_deadline_ns(kube));
    at = earlier(at, writer_deadline_ns(kube));
    if (kube->stopping) {
        return earlier(at, kube->stop_ns);
    }
    for (uint32_t i = 0; i < REFLECTORS; i++) {
        at = earlier(at, reflector_deadline_ns(kube, &kube->reflectors[i]));
    }
    if (auth_ready(kube)) {
        at = earlier(at, pods_wait_ns(kube));
    }
    return pods_pending(kube) ? kube->now_ns : earlier(at, stale_deadline_ns(kube));
}

/* ---- what others ask ---- */

uint64_t kube_fence_ns(const struct kube *kube)
{
    return lease_fence_ns(kube);
}

bool kube_synced(const struct kube *kube)
{
    return kube->synced;
}

bool kube_stopped(const struct kube *kube)
{
    return kube->stopping && kube->lease.released;
}

void kube_stats(const struct kube *kube, struct kube_stats *ret)
{
    *ret = kube->stats;
    ret->nodes = kube->nodes.live;
    ret->pods = kube->pods.count;
    ret->pools = kube->pools.live;
    ret->last_contact_ns = oldest_contact_ns(kube);
}
