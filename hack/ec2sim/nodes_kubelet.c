/*
 * nodes_kubelet.c - pods on the played nodes: asked for an address, refused or running, deleted.
 *
 *   UNBOUND --binding--> WAITING --address--> STARTING --status written--> RUNNING --deleted-->
 * REMOVING --> (gone)
 *                          `--refused: again after a while, with the event that the kubelet writes
 *
 * Knows what the kubelet does as far as addresses go. Refuses to know how the agent comes by them.
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "nodes_state.h"

/* The kubelet's workers come back to a failed pod after 10 s with a jitter of a half
 * (pod_workers.go: backOffPeriod); the sandbox that was made and removed wakes them once before
 * that (PLEG's relist, 1 s). */
#define FIRST_RETRY_NS (1000 * NODES_MS)
#define RETRY_NS (10 * NODES_S)
/* From the binding to the CNI plugin's call: the watch, the volumes, the sandbox. */
#define FIRST_TRY_NS (200 * NODES_MS)
/* An Event for each pod at most so often, and so many for all. */
#define EVENT_POD_NS (60 * NODES_S)
#define EVENT_ALL_NS (200 * NODES_MS)
#define REMOVE_NS (300 * NODES_MS)
#define WRITING_NS (100 * NODES_MS)

enum { STATUS_MAX = 64 * 1024 };

/* ---- rows ---- */

static struct slice key_text(const struct pod_row *pod)
{
    return slice_of(pod->key);
}

static struct slice pod_path(struct nodes *nodes, const struct pod_row *pod, const char *rest)
{
    struct slice name = key_text(pod), namespace = slice_cut(&name, '/');

    return arena_printf(&nodes->scratch, "/api/v1/namespaces/%.*s/pods/%.*s%s",
                        SLICE_ARG(namespace), SLICE_ARG(name), rest);
}

static uint32_t new_row(struct nodes *nodes, struct slice key, struct slice uid)
{
    uint32_t index = nodes->free_pod;

    if (index == ROW_NONE) {
        mem_reserve(&nodes->pods, &nodes->pod_capacity, nodes->pod_count + 1,
                    sizeof(struct pod_row));
        index = nodes->pod_count++;
    } else {
        nodes->free_pod = nodes->pods[index].node;
    }
    struct pod_row *pod = &nodes->pods[index];
    *pod = (struct pod_row){ .used = true, .node = ROW_NONE, .state = POD_UNBOUND };
    pod->key = mem_resize(NULL, key.len + 1, 1);
    memcpy(pod->key, key.data, key.len);
    pod->key[key.len] = '\0';
    (void)!slice_copy(uid, pod->uid, UID_MAX);
    arena_init(&pod->spec);
    nodes->unbound++;
    index_add(&nodes->pod_index, nodes->pods, index);
    return index;
}

static void set_state(struct nodes *nodes, struct pod_row *pod, enum pod_state state)
{
    nodes->unbound -= pod->state == POD_UNBOUND;
    nodes->unbound += state == POD_UNBOUND;
    pod->state = state;
}

static bool counts(const struct pod_row *pod)
{
    return pod->node != ROW_NONE && pod->state != POD_OVER;
}

static void give_back(struct nodes *nodes, struct pod_row *pod)
{
    if (pod->held) {
        struct sim_agent *agent = nodes->rows[pod->node].agent;
        if (agent) {
            sim_agent_del(agent, nodes->now_ns, slice_of(pod->uid));
        }
        pod->held = false;
    }
}

static void free_row(struct nodes *nodes, uint32_t index)
{
    struct pod_row *pod = &nodes->pods[index];

    give_back(nodes, pod);
    if (counts(pod)) {
        nodes->rows[pod->node].pods--;
        nodes->reschedule = true;
    }
    set_state(nodes, pod, POD_OVER);
    timers_set(&nodes->pod_timers, index, TIMERS_NEVER);
    index_remove(&nodes->pod_index, nodes->pods, key_text(pod));
    mem_free(pod->key);
    mem_free(pod->containers);
    arena_done(&pod->spec);
    *pod = (struct pod_row){ .node = nodes->free_pod };
    nodes->free_pod = index;
}

static void over(struct nodes *nodes, struct pod_row *pod)
{
    give_back(nodes, pod);
    if (counts(pod)) {
        nodes->rows[pod->node].pods--;
        nodes->reschedule = true;
    }
    set_state(nodes, pod, POD_OVER);
}

/* ---- what the API server says ---- */

static char *container_names(struct nodes *nodes, const struct doc *object)
{
    struct buf buf;

    (void)nodes;
    buf_init(&buf, STATUS_MAX);
    for (const struct doc *one = doc_first(doc_at(object, "spec", "containers")); one;
         one = one->next) {
        buf_add_slice(&buf, doc_text(doc_get(one, "name")));
        buf_add_char(&buf, '\n');
        buf_add_slice(&buf, doc_text(doc_get(one, "image")));
        buf_add_char(&buf, '\n');
    }
    buf_add_char(&buf, '\0');
    char *copy = mem_resize(NULL, buf.len, 1);
    memcpy(copy, buf.data, buf.len);
    buf_done(&buf);
    return copy;
}

static bool is_agent_pod(const struct doc *object)
{
    return slice_is(doc_text(doc_at(object, "metadata", "namespace")), "kube-system") &&
           slice_is(doc_text(doc_at(object, "metadata", "labels", "k8s-app")), "aws-node");
}

static bool has_condition(const struct doc *object, const char *type)
{
    for (const struct doc *one = doc_first(doc_at(object, "status", "conditions")); one;
         one = one->next) {
        if (slice_is(doc_text(doc_get(one, "type")), type)) {
            return slice_is(doc_text(doc_get(one, "status")), "True");
        }
    }
    return false;
}

/* A pod that came bound, or was bound just now. */
static void bound(struct nodes *nodes, uint32_t index, const struct doc *object, uint32_t node)
{
    struct pod_row *pod = &nodes->pods[index];
    uint64_t delay_ns = FIRST_TRY_NS + prng_below(&nodes->prng, FIRST_TRY_NS);

    pod->node = node;
    pod->host_network = doc_bool_or(doc_at(object, "spec", "hostNetwork"), false);
    pod->agent_pod = is_agent_pod(object);
    pod->bound_ns = nodes->now_ns;
    pod->tries = 0;
    nodes->rows[node].pods++;
    arena_reset(&pod->spec);
    pod->selector_count = pod->toleration_count = 0;
    if (!pod->host_network && nodes->rows[node].scenario &&
        nodes->rows[node].scenario->agent == AGENT_EXTERNAL) {
        set_state(nodes, pod, POD_RUNNING); /* whoever runs the agent plays the kubelet too */
        return;
    }
    if (doc_text(doc_at(object, "status", "podIP")).len > 0 || has_condition(object, "Ready")) {
        set_state(nodes, pod, POD_RUNNING); /* of a run before ours */
        return;
    }
    set_state(nodes, pod, POD_WAITING);
    timers_set(&nodes->pod_timers, index, nodes->now_ns + delay_ns);
}

static bool finished(const struct doc *object)
{
    struct slice phase = doc_text(doc_at(object, "status", "phase"));

    return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

static uint32_t find_or_add(struct nodes *nodes, const struct doc *object)
{
    struct slice uid = doc_text(doc_at(object, "metadata", "uid"));
    struct slice key = arena_printf(&nodes->scratch, "%.*s/%.*s",
                                    SLICE_ARG(doc_text(doc_at(object, "metadata", "namespace"))),
                                    SLICE_ARG(doc_text(doc_at(object, "metadata", "name"))));
    uint32_t index = index_find(&nodes->pod_index, nodes->pods, key);

    if (index != INDEX_NONE && !slice_is(uid, nodes->pods[index].uid)) {
        free_row(nodes, index); /* deleted and made anew while we did not look */
        index = INDEX_NONE;
    }
    if (index == INDEX_NONE) {
        index = new_row(nodes, key, uid);
        nodes->pods[index].containers = container_names(nodes, object);
        nodes_read_spec(nodes, &nodes->pods[index], object);
        nodes->reschedule = true;
    }
    return index;
}

void nodes_see_pod(struct nodes *nodes, const struct doc *object, bool gone)
{
    struct slice name = doc_text(doc_at(object, "spec", "nodeName"));
    uint32_t index = find_or_add(nodes, object);
    struct pod_row *pod = &nodes->pods[index];

    pod->epoch = nodes->streams[STREAM_PODS].epoch;
    if (gone) {
        free_row(nodes, index);
        return;
    }
    if (pod->node == ROW_NONE && name.len > 0) {
        uint32_t node = index_find(&nodes->row_index, nodes->rows, name);
        if (node == INDEX_NONE) {
            set_state(nodes, pod, POD_OVER); /* on a node that is not ours */
        } else {
            bound(nodes, index, object, node);
        }
    }
    if (finished(object) && pod->state != POD_REMOVING) {
        over(nodes, pod);
    }
    bool deleting = doc_at(object, "metadata", "deletionTimestamp") != NULL;
    if (deleting && pod->node != ROW_NONE && pod->state != POD_REMOVING) {
        if (pod->state == POD_OVER) { /* counted out already */
            nodes->rows[pod->node].pods++;
        }
        set_state(nodes, pod, POD_REMOVING);
        timers_set(&nodes->pod_timers, index, nodes->now_ns + REMOVE_NS);
    }
}

void nodes_forget_pods(struct nodes *nodes, uint32_t epoch)
{
    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        if (nodes->pods[i].used && nodes->pods[i].epoch != epoch) {
            free_row(nodes, i);
        }
    }
}

/* ---- status ---- */

static void condition(struct json_out *json, const char *type, bool value, struct slice now)
{
    json_begin_object(json);
    json_field_text(json, "type", slice_of(type));
    json_field_text(json, "status", value ? SLICE("True") : SLICE("False"));
    json_field_text(json, "lastTransitionTime", now);
    json_end_object(json);
}

static void containers(struct json_out *json, const struct pod_row *pod, bool ready,
                       struct slice now)
{
    struct slice rest = slice_of(pod->containers);

    json_key(json, "containerStatuses");
    json_begin_array(json);
    while (rest.len > 0) {
        struct slice name = slice_cut(&rest, '\n'), image = slice_cut(&rest, '\n');
        json_begin_object(json);
        json_field_text(json, "name", name);
        json_field_text(json, "image", image);
        json_field_text(json, "imageID", SLICE(""));
        json_field_bool(json, "ready", ready);
        json_field_bool(json, "started", ready);
        json_field_u64(json, "restartCount", 0);
        json_key(json, "state");
        json_begin_object(json);
        json_key(json, ready ? "running" : "waiting");
        json_begin_object(json);
        if (ready) {
            json_field_text(json, "startedAt", now);
        } else {
            json_field_text(json, "reason",
                            pod->agent_pod ? SLICE("CrashLoopBackOff")
                                           : SLICE("ContainerCreating"));
        }
        json_end_object(json);
        json_end_object(json);
        json_end_object(json);
    }
    json_end_array(json);
}

static void ips(struct json_out *json, const char *one, const char *many, uint32_t ip)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
                   ip & 255);
    json_field_text(json, one, slice_of(text));
    json_key(json, many);
    json_begin_array(json);
    json_begin_object(json);
    json_field_text(json, "ip", slice_of(text));
    json_end_object(json);
    json_end_array(json);
}

/* Running with its address; or not ready: of an agent whose process is down, or while there is no
 * address. */
static void write_status(struct nodes *nodes, uint32_t index, bool ready)
{
    struct pod_row *pod = &nodes->pods[index];
    uint32_t host_ip = nodes->rows[pod->node].view.primary_ip;
    char text[TIMESTAMP_MAX];
    struct slice now = timestamp_format(nodes->wall_ns, 0, text);
    struct json_out json;
    struct buf buf;

    buf_init(&buf, STATUS_MAX);
    json_start(&json, &buf);
    json_begin_object(&json);
    json_key(&json, "status");
    json_begin_object(&json);
    bool creating = pod->state == POD_WAITING;
    json_field_text(&json, "phase", creating ? SLICE("Pending") : SLICE("Running"));
    json_field_text(&json, "startTime", now);
    ips(&json, "hostIP", "hostIPs", host_ip);
    if (!creating) {
        ips(&json, "podIP", "podIPs", pod->host_network ? host_ip : pod->ip);
    }
    json_key(&json, "conditions");
    json_begin_array(&json);
    condition(&json, "PodReadyToStartContainers", !creating, now);
    condition(&json, "Initialized", true, now);
    condition(&json, "Ready", ready, now);
    condition(&json, "ContainersReady", ready, now);
    json_end_array(&json);
    containers(&json, pod, ready, now);
    json_end_object(&json);
    json_end_object(&json);
    struct request *request = nodes_request(nodes, REQ_POD, "PATCH",
                                            "application/strategic-merge-patch+json",
                                            pod_path(nodes, pod, "/status"), buf_slice(&buf));
    request->row = index;
    memcpy(request->uid, pod->uid, UID_MAX);
    pod->writing = true;
    buf_done(&buf);
}

void nodes_agent_ready(struct nodes *nodes, uint32_t row)
{
    struct sim_agent_stats stats = { .running = true };

    if (nodes->rows[row].agent) {
        sim_agent_stats(nodes->rows[row].agent, &stats);
    }
    if (stats.running == nodes->rows[row].agent_ready) {
        return;
    }
    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        struct pod_row *pod = &nodes->pods[i];
        if (pod->used && pod->agent_pod && pod->node == row && pod->state == POD_RUNNING) {
            nodes->rows[row].agent_ready = stats.running;
            set_state(nodes, pod, POD_STARTING);
            write_status(nodes, i, stats.running);
        }
    }
}

/* ---- the CNI plugin's call ---- */

static void write_event(struct nodes *nodes, struct pod_row *pod, const char *why)
{
    char text[TIMESTAMP_MAX];
    struct slice now = timestamp_format(nodes->wall_ns, 0, text);
    struct slice name = key_text(pod), namespace = slice_cut(&name, '/');
    struct slice body;

    if (nodes->now_ns < nodes->next_event_ns ||
        (pod->event_ns && nodes->now_ns - pod->event_ns < EVENT_POD_NS)) {
        return;
    }
    nodes->next_event_ns = nodes->now_ns + EVENT_ALL_NS;
    pod->event_ns = nodes->now_ns;
    body = arena_printf(
        &nodes->scratch,
        "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"%.*s.%llx\","
        "\"namespace\":\"%.*s\"},"
        "\"involvedObject\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"%.*s\","
        "\"namespace\":\"%.*s\","
        "\"uid\":\"%s\"},\"reason\":\"FailedCreatePodSandBox\",\"message\":\"Failed to create pod "
        "sandbox: rpc "
        "error: code = Unknown desc = failed to setup network for sandbox: plugin "
        "type=\\\"aws-cni\\\" "
        "name=\\\"aws-cni\\\" failed (add): add cmd: %s\",\"type\":\"Warning\",\"count\":%u,"
        "\"firstTimestamp\":\"%.*s\",\"lastTimestamp\":\"%.*s\",\"source\":{\"component\":"
        "\"kubelet\","
        "\"host\":\"%s\"},\"reportingComponent\":\"kubelet\",\"reportingInstance\":\"%s\"}",
        SLICE_ARG(name), (unsigned long long)prng_next(&nodes->prng), SLICE_ARG(namespace),
        SLICE_ARG(name), SLICE_ARG(namespace), pod->uid, why, pod->tries, SLICE_ARG(now),
        SLICE_ARG(now), nodes->rows[pod->node].name, nodes->rows[pod->node].name);
    (void)nodes_request(
        nodes, REQ_PLAIN, "POST", "application/json",
        arena_printf(&nodes->scratch, "/api/v1/namespaces/%.*s/events", SLICE_ARG(namespace)),
        body);
}

static void note_wait(struct nodes *nodes, const struct pod_row *pod)
{
    if (nodes->wait_count < WAITS_MAX) {
        mem_reserve(&nodes->waits_s, &nodes->wait_capacity, nodes->wait_count + 1, sizeof(float));
        nodes->waits_s[nodes->wait_count++] = (float)(nodes->now_ns - pod->bound_ns) / 1e9F;
    }
}

static void ask(struct nodes *nodes, uint32_t index)
{
    struct pod_row *pod = &nodes->pods[index];
    struct sim_agent *agent = nodes->rows[pod->node].agent;
    struct error error = { 0 };

    if (!pod->host_network && !agent) {
        return;
    }
    if (pod->writing) { /* two statuses under way might arrive in the wrong order */
        timers_set(&nodes->pod_timers, index, nodes->now_ns + WRITING_NS);
        return;
    }
    if (!pod->host_network &&
        sim_agent_add(agent, nodes->now_ns, slice_of(pod->uid), &pod->ip, &error)) {
        uint64_t retry_ns = nodes->retry_ns ? nodes->retry_ns : RETRY_NS;
        uint64_t base_ns = pod->tries++ == 0 && FIRST_RETRY_NS < retry_ns ? FIRST_RETRY_NS
                                                                          : retry_ns;
        nodes->refusals++;
        timers_set(&nodes->pod_timers, index,
                   nodes->now_ns + base_ns + prng_below(&nodes->prng, base_ns / 2 + 1));
        write_event(nodes, pod, error.text);
        return;
    }
    if (!pod->host_network) {
        pod->held = true;
        note_wait(nodes, pod);
    }
    if (pod->agent_pod) {
        struct sim_agent_stats stats = { .running = true };
        if (agent) {
            sim_agent_stats(agent, &stats);
        }
        nodes->rows[pod->node].agent_ready = stats.running;
        set_state(nodes, pod, POD_STARTING);
        write_status(nodes, index, stats.running);
        return;
    }
    set_state(nodes, pod, POD_STARTING);
    write_status(nodes, index, true);
}

static void confirm_removal(struct nodes *nodes, uint32_t index)
{
    struct pod_row *pod = &nodes->pods[index];

    give_back(nodes, pod);
    struct request *request = nodes_request(
        nodes, REQ_POD, "DELETE", "application/json", pod_path(nodes, pod, ""),
        arena_printf(&nodes->scratch,
                     "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}", pod->uid));
    request->row = index;
    memcpy(request->uid, pod->uid, UID_MAX);
}

void nodes_pod_due(struct nodes *nodes, uint32_t index)
{
    if (nodes->pods[index].state == POD_WAITING) {
        ask(nodes, index);
    } else if (nodes->pods[index].state == POD_REMOVING) {
        confirm_removal(nodes, index);
    }
}

void nodes_pod_answer(struct nodes *nodes, const struct request *request, bool ok)
{
    struct pod_row *pod = request->row < nodes->pod_count ? &nodes->pods[request->row] : NULL;

    if (!pod || !pod->used || strcmp(pod->uid, request->uid) != 0) {
        return;
    }
    pod->writing = false;
    if (pod->state == POD_BINDING && !ok) {
        set_state(nodes, pod, POD_UNBOUND); /* refused: someone else was quicker, or the node is
                                               gone */
        nodes->reschedule = true;
    } else if (pod->state == POD_STARTING) {
        set_state(nodes, pod, POD_RUNNING);
    }
}

void nodes_lose_pods(struct nodes *nodes, uint32_t row)
{
    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        struct pod_row *pod = &nodes->pods[i];
        if (pod->used && pod->node == row && pod->state != POD_REMOVING) {
            if (pod->state == POD_OVER) {
                nodes->rows[row].pods++;
            }
            set_state(nodes, pod, POD_REMOVING);
            pod->held = false;
            confirm_removal(nodes, i);
        }
    }
}
