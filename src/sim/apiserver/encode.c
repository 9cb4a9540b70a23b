/*
 * encode.c - objects as protobuf and JSON, watch frames, statuses.
 *
 * Knows generated.proto's field numbers of core/v1 and meta/v1, and what kubectl's printers put
 * into a row. Refuses to know who reads it: fields that nobody here asks for are written all the
 * same, as a server would.
 */
#include <assert.h>

#include <headroom/timestamp.h>

#include "apiserver.h"

/* A buffer in an array: it never grows. */
#define FIXED(bytes)                                                                               \
    {                                                                                              \
        .data = (bytes), .size = sizeof(bytes), .max = sizeof(bytes) - 1                           \
    }

/* ---- protobuf ---- */

static void varint(struct buf *out, uint64_t value)
{
    char bytes[10];
    size_t len = 0;

    do {
        bytes[len++] = (char)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value > 0);
    buf_add(out, bytes, len);
}

void api_proto_number(struct buf *out, uint32_t number, uint64_t value)
{
    varint(out, (uint64_t)number << 3);
    varint(out, value);
}

void api_proto_field(struct buf *out, uint32_t number, struct slice bytes)
{
    varint(out, (uint64_t)number << 3 | 2);
    varint(out, bytes.len);
    buf_add_slice(out, bytes);
}

static void text(struct buf *out, uint32_t number, const char *value)
{
    api_proto_field(out, number, slice_of(value));
}

/* metav1.Time: seconds. */
static void moment(struct buf *out, uint32_t number, uint64_t wall_ns)
{
    char bytes[16];
    struct buf inner = FIXED(bytes);

    api_proto_number(&inner, 1, wall_ns / 1000000000);
    api_proto_field(out, number, buf_slice(&inner));
}

/* map<string, string>: an entry is a message of key and value. */
static void entry(struct buf *out, uint32_t number, struct slice key, struct slice value)
{
    size_t head = 2 + key.len + value.len + 2;

    head += key.len > 127;
    head += value.len > 127;
    varint(out, (uint64_t)number << 3 | 2);
    varint(out, head);
    api_proto_field(out, 1, key);
    api_proto_field(out, 2, value);
}

void api_proto_envelope(struct buf *out, const char *version, const char *kind, struct slice raw)
{
    char bytes[160];
    struct buf meta = FIXED(bytes);

    text(&meta, 1, version);
    text(&meta, 2, kind);
    buf_add(out, "k8s\0", 4);
    api_proto_field(out, 1, buf_slice(&meta));
    api_proto_field(out, 2, raw);
    text(out, 3, "");
    text(out, 4, "");
}

static void proto_uid(struct buf *out, uint64_t uid)
{
    buf_addf(out, "%c%c%08x-0000-4000-8000-%012llx", 5 << 3 | 2, 36, (unsigned)(uid >> 32),
             (unsigned long long)(uid & UINT64_C(0xffffffffffff)));
}

static void proto_version(struct buf *out, uint32_t number, uint64_t version)
{
    char digits[24];
    size_t len = sizeof(digits);

    do {
        digits[--len] = (char)('0' + version % 10);
        version /= 10;
    } while (version > 0);
    api_proto_field(out, number, (struct slice){ digits + len, sizeof(digits) - len });
}

/* Who wrote what: half of a real object's bytes. */
static void managed(struct buf *out, const char *manager)
{
    char bytes[200];
    struct buf inner = FIXED(bytes);

    text(&inner, 1, manager);
    text(&inner, 2, "Update");
    text(&inner, 3, "v1");
    text(&inner, 6, "FieldsV1");
    text(&inner, 7, "\n{\"f:status\":{\"f:conditions\":{}}}");
    api_proto_field(out, 17, buf_slice(&inner));
}

static void quantity(struct buf *out, uint32_t number, const char *key, const char *value)
{
    char bytes[40];
    struct buf inner = FIXED(bytes);

    text(&inner, 1, value);
    entry(out, number, slice_of(key), buf_slice(&inner));
}

static void ip_text(uint32_t ip, struct buf *out)
{
    buf_addf(out, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static struct slice ip_slice(uint32_t ip, char bytes[16])
{
    struct buf out = { .data = bytes, .size = 16, .max = 15 };

    ip_text(ip, &out);
    return buf_slice(&out);
}

static const char *const phases[] = { "Pending", "Running", "Succeeded", "Failed" };

static void pod_meta(struct api *api, const struct api_pod *pod, struct buf *out)
{
    char name[96];
    struct buf named = FIXED(name);

    buf_reset(out);
    buf_addf(&named, "%.*s-%u", SLICE_ARG(interner_get(&api->names, pod->workload)), pod->number);
    api_proto_field(out, 1, buf_slice(&named));
    text(out, 2, "");
    text(out, 3, pod->agent ? "kube-system" : "default");
    text(out, 4, "");
    proto_uid(out, pod->uid);
    proto_version(out, 6, pod->version);
    api_proto_number(out, 7, 1);
    if (pod->agent) {
        entry(out, 11, SLICE("k8s-app"), SLICE("aws-node"));
    } else {
        entry(out, 11, SLICE("app"), interner_get(&api->names, pod->workload));
    }
    managed(out, "kubelet");
}

static void pod_spec(struct api *api, const struct api_pod *pod, struct buf *out,
                     struct buf *container)
{
    char bytes[128];
    struct buf resources = FIXED(bytes);

    buf_reset(container);
    text(container, 1, pod->agent ? "aws-node" : "main");
    text(container, 2, "example/app:v1");
    quantity(&resources, 2, "cpu", "100m");
    if (pod->branch) {
        quantity(&resources, 1, "vpc.amazonaws.com/pod-eni", "1");
    }
    api_proto_field(container, 8, buf_slice(&resources));
    buf_reset(out);
    api_proto_field(out, 2, buf_slice(container));
    text(out, 3, "Always");
    if (pod->node != API_NONE) {
        api_proto_field(out, 10, api->nodes[pod->node].name);
    }
    api_proto_number(out, 11, pod->host_network);
    text(out, 19, "default-scheduler");
}

static void condition(struct buf *out, uint32_t number, const char *type, const char *value,
                      uint64_t wall_ns)
{
    char bytes[160];
    struct buf inner = FIXED(bytes);

    text(&inner, 1, type);
    text(&inner, 2, value);
    moment(&inner, 4, wall_ns);
    api_proto_field(out, number, buf_slice(&inner));
}

static void pod_status(struct api *api, const struct api_pod *pod, struct buf *out)
{
    char bytes[16];

    buf_reset(out);
    text(out, 1, phases[pod->phase]);
    condition(out, 2, "PodScheduled", pod->node != API_NONE ? "True" : "False", api->wall_ns);
    condition(out, 2, "Initialized", "True", api->wall_ns);
    condition(out, 2, "Ready", pod->ready ? "True" : "False", api->wall_ns);
    if (pod->ip != 0) {
        struct slice ip = ip_slice(pod->ip, bytes);
        char inner[24];
        struct buf ips = FIXED(inner);
        api_proto_field(out, 6, ip);
        api_proto_field(&ips, 1, ip);
        api_proto_field(out, 12, buf_slice(&ips));
    }
    text(out, 9, "Burstable");
}

void api_pod_proto(struct api *api, const struct api_pod *pod, struct buf *out)
{
    struct buf *inner = &api->scratch[0];

    pod_meta(api, pod, inner);
    api_proto_field(out, 1, buf_slice(inner));
    pod_spec(api, pod, inner, &api->scratch[1]);
    api_proto_field(out, 2, buf_slice(inner));
    pod_status(api, pod, inner);
    api_proto_field(out, 3, buf_slice(inner));
}

static void node_meta(const struct api_node *node, struct buf *out)
{
    buf_reset(out);
    api_proto_field(out, 1, node->name);
    text(out, 2, "");
    text(out, 3, "");
    text(out, 4, "");
    proto_uid(out, node->uid);
    proto_version(out, 6, node->version);
    api_proto_number(out, 7, 0);
    moment(out, 8, node->created_wall_ns);
    if (node->deleting) {
        moment(out, 9, node->created_wall_ns);
    }
    for (uint32_t i = 0; i < node->label_count; i++) {
        entry(out, 11, node->labels[i].key, node->labels[i].value);
    }
    for (uint32_t i = 0; i < node->annotation_count; i++) {
        entry(out, 12, node->annotations[i].key, node->annotations[i].value);
    }
    managed(out, "kubelet");
}

static void node_spec(const struct api_node *node, struct buf *out, struct buf *inner)
{
    buf_reset(out);
    text(out, 1, "");
    api_proto_field(out, 3, node->provider_id);
    api_proto_number(out, 4, node->unschedulable);
    for (uint32_t i = 0; i < node->taint_count; i++) {
        buf_reset(inner);
        api_proto_field(inner, 1, node->taints[i].key);
        api_proto_field(inner, 2, node->taints[i].value);
        api_proto_field(inner, 3, node->taints[i].effect);
        api_proto_field(out, 5, buf_slice(inner));
    }
}

static void node_address(struct buf *out, struct buf *inner, const char *type, struct slice address)
{
    buf_reset(inner);
    text(inner, 1, type);
    api_proto_field(inner, 2, address);
    api_proto_field(out, 5, buf_slice(inner));
}

static void node_status(const struct api_node *node, struct buf *out, struct buf *inner)
{
    char bytes[16], pods[12];
    struct buf number = FIXED(pods);

    buf_addf(&number, "%u", node->max_pods);
    buf_reset(out);
    quantity(out, 1, "cpu", "8");
    quantity(out, 1, "memory", "32Gi");
    quantity(out, 1, "pods", number.data);
    quantity(out, 2, "pods", number.data);
    for (uint32_t i = 0; i < node->condition_count; i++) {
        const struct api_condition *one = &node->conditions[i];
        buf_reset(inner);
        api_proto_field(inner, 1, one->type);
        api_proto_field(inner, 2, one->status);
        moment(inner, 3, one->beat_wall_ns);
        moment(inner, 4, one->since_wall_ns);
        api_proto_field(inner, 5, one->reason);
        api_proto_field(inner, 6, one->message);
        api_proto_field(out, 4, buf_slice(inner));
    }
    node_address(out, inner, "InternalIP", ip_slice(node->ip, bytes));
    node_address(out, inner, "Hostname", node->name);
    buf_reset(inner);
    text(inner, 4, "6.12.0");
    text(inner, 7, "v1.37.2");
    text(inner, 9, "linux");
    text(inner, 10, "amd64");
    api_proto_field(out, 7, buf_slice(inner));
}

void api_node_proto(struct api *api, const struct api_node *node, struct buf *out)
{
    struct buf *part = &api->scratch[0], *inner = &api->scratch[1];

    node_meta(node, part);
    api_proto_field(out, 1, buf_slice(part));
    node_spec(node, part, inner);
    api_proto_field(out, 2, buf_slice(part));
    node_status(node, part, inner);
    api_proto_field(out, 3, buf_slice(part));
}

/* ---- JSON ---- */

static void json_uid(struct json_out *json, uint64_t uid)
{
    json_key(json, "uid");
    json_textf(json, "%08x-0000-4000-8000-%012llx", (unsigned)(uid >> 32),
               (unsigned long long)(uid & UINT64_C(0xffffffffffff)));
}

static void json_pairs(struct json_out *json, const char *key, const struct pair *pairs,
                       uint32_t count)
{
    json_key(json, key);
    json_begin_object(json);
    for (uint32_t i = 0; i < count; i++) {
        json_key_slice(json, pairs[i].key);
        json_string(json, pairs[i].value);
    }
    json_end_object(json);
}

static void json_taints(struct json_out *json, const struct api_node *node)
{
    if (node->taint_count == 0) {
        return; /* omitempty */
    }
    json_key(json, "taints");
    json_begin_array(json);
    for (uint32_t i = 0; i < node->taint_count; i++) {
        json_begin_object(json);
        json_field_text(json, "key", node->taints[i].key);
        if (node->taints[i].value.len > 0) {
            json_field_text(json, "value", node->taints[i].value);
        }
        json_field_text(json, "effect", node->taints[i].effect);
        json_end_object(json);
    }
    json_end_array(json);
}

static void json_conditions(struct json_out *json, const struct api_node *node)
{
    char time[TIMESTAMP_MAX];

    json_key(json, "conditions");
    json_begin_array(json);
    for (uint32_t i = 0; i < node->condition_count; i++) {
        const struct api_condition *one = &node->conditions[i];
        json_begin_object(json);
        json_field_text(json, "type", one->type);
        json_field_text(json, "status", one->status);
        json_field_text(json, "lastHeartbeatTime", timestamp_format(one->beat_wall_ns, 0, time));
        json_field_text(json, "lastTransitionTime", timestamp_format(one->since_wall_ns, 0, time));
        json_field_text(json, "reason", one->reason);
        json_field_text(json, "message", one->message);
        json_end_object(json);
    }
    json_end_array(json);
}

void api_node_json(struct api *api, const struct api_node *node, struct buf *out)
{
    struct json_out json;

    (void)api;
    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "kind", SLICE("Node"));
    json_field_text(&json, "apiVersion", SLICE("v1"));
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", node->name);
    json_uid(&json, node->uid);
    json_key(&json, "resourceVersion");
    json_textf(&json, "%llu", (unsigned long long)node->version);
    json_pairs(&json, "labels", node->labels, node->label_count);
    json_pairs(&json, "annotations", node->annotations, node->annotation_count);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_text(&json, "providerID", node->provider_id);
    if (node->unschedulable) {
        json_field_bool(&json, "unschedulable", true);
    }
    json_taints(&json, node);
    json_end_object(&json);
    json_key(&json, "status");
    json_begin_object(&json);
    json_conditions(&json, node);
    json_end_object(&json);
    json_end_object(&json);
}

struct api_type {
    const char *version, *kind;
};

static const struct api_type types[API_KINDS] = {
    [API_NODES] = { "v1", "Node" },
    [API_PODS] = { "v1", "Pod" },
    [API_DAEMONSETS] = { "apps/v1", "DaemonSet" },
    [API_POOLS] = { "headroom.dev/v1alpha1", "SubnetPool" },
    [API_ENICONFIGS] = { "crd.k8s.amazonaws.com/v1alpha1", "ENIConfig" },
    [API_LEASES] = { "coordination.k8s.io/v1", "Lease" },
    [API_EVENTS] = { "events.k8s.io/v1", "Event" },
};

void api_object_json(const struct api *api, const struct api_object *object, struct buf *out)
{
    struct json_out json;

    (void)api;
    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", slice_of(types[object->kind].version));
    json_field_text(&json, "kind", slice_of(types[object->kind].kind));
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", object->name);
    if (object->namespace.len > 0) {
        json_field_text(&json, "namespace", object->namespace);
    }
    json_uid(&json, object->uid);
    json_key(&json, "resourceVersion");
    json_textf(&json, "%llu", (unsigned long long)object->version);
    json_field_u64(&json, "generation", object->generation);
    json_end_object(&json);
    json_key(&json, "spec");
    json_raw(&json, buf_slice(&object->spec));
    if (object->status.len > 0) {
        json_key(&json, "status");
        json_raw(&json, buf_slice(&object->status));
    }
    json_end_object(&json);
}

/* ---- watches ---- */

/* raw: the object's protobuf, not in its envelope yet. */
static void proto_frame(struct api *api, struct api_watch *watch, const char *type,
                        const struct api_type *of, struct slice raw)
{
    struct buf *object = &api->scratch[2], *extension = &api->scratch[3], *event = &api->scratch[0];

    buf_reset(object);
    api_proto_envelope(object, of->version, of->kind, raw);
    buf_reset(extension);
    api_proto_field(extension, 1, buf_slice(object));
    buf_reset(event);
    text(event, 1, type);
    api_proto_field(event, 2, buf_slice(extension));
    unsigned char length[4] = { (unsigned char)(event->len >> 24),
                                (unsigned char)(event->len >> 16), (unsigned char)(event->len >> 8),
                                (unsigned char)event->len };
    buf_add(&watch->out, length, 4);
    buf_add_slice(&watch->out, buf_slice(event));
}

void api_frame(struct api *api, struct api_watch *watch, const char *type, struct slice object)
{
    if (watch->proto) {
        proto_frame(api, watch, type, &types[watch->kind], object);
    } else {
        buf_addf(&watch->out, "{\"type\":\"%s\",\"object\":%.*s}\n", type, SLICE_ARG(object));
    }
    api->changed = true;
}

void api_bookmark(struct api *api, struct api_watch *watch)
{
    const struct api_type *type = &types[watch->kind];
    char meta[40], whole[48], json[256];
    struct buf inner = FIXED(meta);
    struct buf raw = FIXED(whole);
    struct buf line = FIXED(json);

    if (watch->table) {
        api_table_frame(api, watch, "BOOKMARK", api->version,
                        SLICE("{\"cells\":[\"\",\"0/0\",\"\",\"0\",\"\\u003cunknown\\u003e\","
                              "\"\\u003cnone\\u003e\",\"\\u003cnone\\u003e\","
                              "\"\\u003cnone\\u003e\",\"\\u003cnone\\u003e\"],\"object\":null}"));
        return;
    }
    if (watch->proto) {
        proto_version(&inner, 6, api->version);
        api_proto_field(&raw, 1, buf_slice(&inner));
        api_frame(api, watch, "BOOKMARK", buf_slice(&raw));
        return;
    }
    buf_addf(&line,
             "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\"}}",
             type->kind, type->version, (unsigned long long)api->version);
    api_frame(api, watch, "BOOKMARK", buf_slice(&line));
}

static void status_proto(struct buf *out, int code, const char *reason, struct slice message)
{
    text(out, 1, "");
    text(out, 2, "Failure");
    api_proto_field(out, 3, message);
    text(out, 4, reason);
    api_proto_number(out, 6, (uint64_t)code);
}

static void status_json(struct buf *out, int code, const char *reason, struct slice message)
{
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "kind", SLICE("Status"));
    json_field_text(&json, "apiVersion", SLICE("v1"));
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_end_object(&json);
    json_field_text(&json, "status", SLICE("Failure"));
    json_field_text(&json, "message", message);
    json_field_text(&json, "reason", slice_of(reason));
    json_field_u64(&json, "code", (uint64_t)code);
    json_end_object(&json);
}

void api_watch_error(struct api *api, struct api_watch *watch, int code, const char *reason,
                     const char *message)
{
    static const struct api_type status = { "v1", "Status" };
    struct buf body;

    buf_init(&body, 4096);
    if (watch->proto) {
        status_proto(&body, code, reason, slice_of(message));
        proto_frame(api, watch, "ERROR", &status, buf_slice(&body));
    } else {
        status_json(&body, code, reason, slice_of(message));
        buf_addf(&watch->out, "{\"type\":\"ERROR\",\"object\":%.*s}\n",
                 SLICE_ARG(buf_slice(&body)));
    }
    buf_done(&body);
    api->changed = true;
    watch->over = true;
}

void api_status(struct arena *arena, bool proto, int code, const char *reason, struct slice message,
                struct api_response *ret)
{
    struct buf body, whole;

    buf_init(&body, 64 << 10);
    buf_init(&whole, 64 << 10);
    *ret = (struct api_response){ .status = code, .watch = API_NONE };
    if (proto) {
        status_proto(&body, code, reason, message);
        api_proto_envelope(&whole, "v1", "Status", buf_slice(&body));
        ret->content_type = SLICE("application/vnd.kubernetes.protobuf");
    } else {
        status_json(&whole, code, reason, message);
        ret->content_type = SLICE("application/json");
    }
    ret->body = arena_slice(arena, buf_slice(&whole));
    buf_done(&body);
    buf_done(&whole);
}
