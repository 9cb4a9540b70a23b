/*
 * kube_proto.c - nodes, pods, watch frames and statuses from the API server's protobuf.
 *
 * Knows the field numbers of generated.proto that are used here, and steps over all others. Refuses
 * to know what a node or pod means to the planner.
 */
#include <headroom/kube_wire.h>
#include <headroom/proto.h>

enum { UNKNOWN_RAW = 2 };
enum { WATCH_TYPE = 1, WATCH_OBJECT = 2, RAW_EXTENSION_RAW = 1 };
enum { OBJECT_META = 1, OBJECT_SPEC = 2, OBJECT_STATUS = 3 };
enum { META_NAME = 1, META_NAMESPACE = 3, META_UID = 5, META_VERSION = 6, META_DELETION = 9 };
enum { META_LABELS = 11, META_ANNOTATIONS = 12 };
enum { MAP_KEY = 1, MAP_VALUE = 2, QUANTITY_STRING = 1 };
enum { POD_CONTAINERS = 2, POD_NODE = 10, POD_HOST_NETWORK = 11, POD_INIT_CONTAINERS = 20 };
enum { CONTAINER_RESOURCES = 8, RESOURCES_LIMITS = 1, RESOURCES_REQUESTS = 2 };
enum { POD_PHASE = 1, POD_CONDITIONS = 2, POD_IP = 6, CONDITION_TYPE = 1, CONDITION_STATUS = 2 };
enum { NODE_PROVIDER = 3, NODE_UNSCHEDULABLE = 4, NODE_TAINTS = 5, TAINT_KEY = 1 };
enum { NODE_CAPACITY = 1, NODE_CONDITIONS = 4, NODE_ADDRESSES = 5, NODE_INFO = 7 };
enum { ADDRESS_TYPE = 1, ADDRESS_TEXT = 2, INFO_OS = 9 };
enum {
    STATUS_MESSAGE = 3,
    STATUS_REASON = 4,
    STATUS_DETAILS = 5,
    STATUS_CODE = 6,
    DETAILS_RETRY = 5
};

#define BRANCH_RESOURCE SLICE("vpc.amazonaws.com/pod-eni")

static enum err bad(struct error *error, const char *what)
{
    return error_set(error, ERR_INVALID, "bad protobuf in %s", what);
}

enum err kube_proto_envelope(struct slice s, struct slice *ret_raw, struct error *error)
{
    if (!slice_starts(s, (struct slice){ "k8s\0", 4 })) {
        return error_set(error, ERR_INVALID, "an object that does not begin with k8s");
    }
    struct proto in = proto_of((struct slice){ s.data + 4, s.len - 4 });
    struct proto_field field;
    *ret_raw = SLICE("");
    while (proto_next(&in, &field)) {
        if (proto_is(&field, UNKNOWN_RAW)) {
            *ret_raw = field.bytes;
        }
    }
    return in.bad ? bad(error, "an object's envelope") : ERR_OK;
}

/* The first BYTES field of that number inside a message. */
static bool inner(struct slice message, uint32_t number, struct slice *ret)
{
    struct proto in = proto_of(message);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        if (proto_is(&field, number)) {
            *ret = field.bytes;
            return true;
        }
    }
    return false;
}

enum err kube_proto_watch(struct slice frame, enum kube_change *ret_change,
                          struct slice *ret_object, struct error *error)
{
    struct proto in = proto_of(frame);
    struct proto_field field;
    struct slice type = SLICE(""), object = SLICE("");

    while (proto_next(&in, &field)) {
        if (proto_is(&field, WATCH_TYPE)) {
            type = field.bytes;
        } else if (proto_is(&field, WATCH_OBJECT)) {
            (void)inner(field.bytes, RAW_EXTENSION_RAW, &object);
        }
    }
    if (in.bad || !kube_change_named(type, ret_change)) {
        return bad(error, "a watch event");
    }
    return kube_proto_envelope(object, ret_object, error);
}

enum err kube_proto_version(struct slice raw, struct slice *ret, struct error *error)
{
    struct slice meta = SLICE("");

    *ret = SLICE("");
    if (!inner(raw, OBJECT_META, &meta) || !inner(meta, META_VERSION, ret)) {
        return bad(error, "an object's metadata");
    }
    return ERR_OK;
}

static bool map_entry(struct slice bytes, struct pair *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    *ret = (struct pair){ SLICE(""), SLICE("") };
    while (proto_next(&in, &field)) {
        if (proto_is(&field, MAP_KEY)) {
            ret->key = field.bytes;
        } else if (proto_is(&field, MAP_VALUE)) {
            ret->value = field.bytes;
        }
    }
    return !in.bad;
}

/* A condition or a node's address: both begin with a type and what is true of it. */
static bool typed(struct slice bytes, struct slice *ret_type, struct slice *ret_value)
{
    struct pair pair;
    bool good = map_entry(bytes, &pair);

    *ret_type = pair.key;
    *ret_value = pair.value;
    return good;
}

/* ---- pods ---- */

static bool read_pod_meta(struct slice bytes, struct kube_pod *pod)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        if (proto_is(&field, META_NAME)) {
            pod->name = field.bytes;
        } else if (proto_is(&field, META_NAMESPACE)) {
            pod->namespace = field.bytes;
        } else if (proto_is(&field, META_UID)) {
            pod->uid = field.bytes;
        } else if (proto_is(&field, META_VERSION)) {
            pod->resource_version = field.bytes;
        }
    }
    return !in.bad;
}

static bool requests_branch(struct slice resources, bool *ret)
{
    struct proto in = proto_of(resources);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        struct pair entry;
        if (!proto_is(&field, RESOURCES_LIMITS) && !proto_is(&field, RESOURCES_REQUESTS)) {
            continue;
        }
        if (!map_entry(field.bytes, &entry)) {
            return false;
        }
        *ret = *ret || slice_eq(entry.key, BRANCH_RESOURCE);
    }
    return !in.bad;
}

static bool read_container(struct slice bytes, struct kube_pod *pod)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        if (proto_is(&field, CONTAINER_RESOURCES) && !requests_branch(field.bytes, &pod->branch)) {
            return false;
        }
    }
    return !in.bad;
}

static bool read_pod_spec(struct slice bytes, struct kube_pod *pod)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        if (proto_is(&field, POD_NODE)) {
            pod->node = field.bytes;
        } else if (field.number == POD_HOST_NETWORK && field.type == PROTO_VARINT) {
            pod->host_network = field.value != 0;
        } else if (proto_is(&field, POD_CONTAINERS) || proto_is(&field, POD_INIT_CONTAINERS)) {
            if (!read_container(field.bytes, pod)) {
                return false;
            }
        }
    }
    return !in.bad;
}

static bool read_pod_status(struct slice bytes, struct kube_pod *pod)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        struct slice type, value;
        if (proto_is(&field, POD_PHASE)) {
            pod->finished = slice_is(field.bytes, "Succeeded") || slice_is(field.bytes, "Failed");
        } else if (proto_is(&field, POD_IP)) {
            pod->ip = field.bytes;
        } else if (proto_is(&field, POD_CONDITIONS)) {
            if (!typed(field.bytes, &type, &value)) {
                return false;
            }
            pod->ready = pod->ready || (slice_is(type, "Ready") && slice_is(value, "True"));
        }
    }
    return !in.bad;
}

enum err kube_proto_pod(struct slice raw, struct kube_pod *ret, struct error *error)
{
    struct proto in = proto_of(raw);
    struct proto_field field;
    bool good = true;

    *ret = (struct kube_pod){ 0 };
    while (good && proto_next(&in, &field)) {
        if (proto_is(&field, OBJECT_META)) {
            good = read_pod_meta(field.bytes, ret);
        } else if (proto_is(&field, OBJECT_SPEC)) {
            good = read_pod_spec(field.bytes, ret);
        } else if (proto_is(&field, OBJECT_STATUS)) {
            good = read_pod_status(field.bytes, ret);
        }
    }
    return good && !in.bad && ret->name.len > 0 ? ERR_OK : bad(error, "a pod");
}

/* ---- nodes ---- */

struct node_reader {
    struct arena *arena;
    struct slice annotation;
    struct kube_node *out;
    struct pair *labels;
    uint32_t label_capacity;
    bool address_seen;
};

static void add_label(struct node_reader *reader, struct pair label)
{
    struct node *node = &reader->out->node;

    if (node->label_count == reader->label_capacity) {
        uint32_t capacity = reader->label_capacity ? reader->label_capacity * 2 : 32;
        struct pair *labels = ARENA_ARRAY(reader->arena, struct pair, capacity);
        if (node->label_count > 0) {
            memcpy(labels, reader->labels, node->label_count * sizeof(*labels));
        }
        reader->labels = labels;
        reader->label_capacity = capacity;
    }
    reader->labels[node->label_count++] = label;
    node->labels = reader->labels;
}

static bool read_label(struct node_reader *reader, struct slice bytes)
{
    struct node *node = &reader->out->node;
    struct pair label;

    if (!map_entry(bytes, &label)) {
        return false;
    }
    add_label(reader, label);
    if (slice_is(label.key, "topology.kubernetes.io/zone")) {
        node->zone = label.value;
    } else if (slice_is(label.key, "node.kubernetes.io/instance-type")) {
        node->instance_type = label.value;
    }
    return true;
}

static bool read_node_meta(struct node_reader *reader, struct slice bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;
    struct node *node = &reader->out->node;

    while (proto_next(&in, &field)) {
        struct pair annotation;
        if (proto_is(&field, META_NAME)) {
            node->name = field.bytes;
        } else if (proto_is(&field, META_UID)) {
            reader->out->uid = field.bytes;
        } else if (proto_is(&field, META_VERSION)) {
            reader->out->resource_version = field.bytes;
        } else if (proto_is(&field, META_DELETION)) {
            node->deleting = true;
        } else if (proto_is(&field, META_LABELS)) {
            if (!read_label(reader, field.bytes)) {
                return false;
            }
        } else if (proto_is(&field, META_ANNOTATIONS)) {
            if (!map_entry(field.bytes, &annotation)) {
                return false;
            }
            if (slice_eq(annotation.key, reader->annotation)) {
                node->eniconfig_annotation = annotation.value;
            }
        }
    }
    return !in.bad;
}

static void read_taint(struct node *node, struct slice key)
{
    /* Whoever sets one of these is about to take the node away. */
    static const char *const leaving[] = {
        "node.kubernetes.io/out-of-service",
        "node.cloudprovider.kubernetes.io/shutdown",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "ToBeDeletedByClusterAutoscaler",
    };

    for (size_t i = 0; i < sizeof(leaving) / sizeof(leaving[0]); i++) {
        node->deleting = node->deleting || slice_is(key, leaving[i]);
    }
    node->unschedulable = node->unschedulable || slice_is(key, "node.kubernetes.io/unschedulable");
    node->tainted = node->tainted || slice_is(key, NODE_TAINT);
}

static bool read_node_spec(struct node *node, struct slice bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        struct slice key = SLICE("");
        if (proto_is(&field, NODE_PROVIDER)) {
            node->provider_id = field.bytes;
        } else if (field.number == NODE_UNSCHEDULABLE && field.type == PROTO_VARINT) {
            node->unschedulable = node->unschedulable || field.value != 0;
        } else if (proto_is(&field, NODE_TAINTS) && inner(field.bytes, TAINT_KEY, &key)) {
            read_taint(node, key);
        }
    }
    return !in.bad;
}

/* A Quantity in its canonical form, whole: "110", "1k". */
static uint32_t quantity(struct slice text)
{
    uint64_t value = 0;
    bool thousands = slice_ends(text, SLICE("k"));

    if (thousands) {
        text.len--;
    }
    if (slice_u64(text, 1000000, &value) != ERR_OK) {
        return 0;
    }
    return (uint32_t)value * (thousands ? 1000 : 1);
}

static void read_capacity(struct node *node, struct slice bytes)
{
    struct pair entry;
    struct slice text = SLICE("");

    if (map_entry(bytes, &entry) && slice_is(entry.key, "pods") &&
        inner(entry.value, QUANTITY_STRING, &text)) {
        node->max_pods = quantity(text);
    }
}

static void read_node_condition(struct node *node, struct slice bytes)
{
    struct slice type, value;

    if (!typed(bytes, &type, &value)) {
        return;
    }
    if (slice_is(type, "Ready")) {
        node->ready = slice_is(value, "True");
    } else if (slice_is(type, NODE_CONDITION)) {
        node->short_of_ips = slice_is(value, "False");
    }
}

static void read_address(struct node_reader *reader, struct slice bytes)
{
    struct slice type, text;

    if (!reader->address_seen && typed(bytes, &type, &text) && slice_is(type, "InternalIP")) {
        reader->address_seen = true;
        reader->out->node.ipv6 = slice_contains(text, SLICE(":"));
    }
}

static bool read_node_status(struct node_reader *reader, struct slice bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;
    struct node *node = &reader->out->node;

    while (proto_next(&in, &field)) {
        struct slice os = SLICE("");
        if (proto_is(&field, NODE_CAPACITY)) {
            read_capacity(node, field.bytes);
        } else if (proto_is(&field, NODE_CONDITIONS)) {
            read_node_condition(node, field.bytes);
        } else if (proto_is(&field, NODE_ADDRESSES)) {
            read_address(reader, field.bytes);
        } else if (proto_is(&field, NODE_INFO) && inner(field.bytes, INFO_OS, &os)) {
            node->os = slice_is(os, "windows") ? NODE_OS_WINDOWS : NODE_OS_LINUX;
        }
    }
    return !in.bad;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t hash_node(const struct node *node)
{
    uint64_t hash = slice_hash(node->provider_id);

    hash = mix(hash, slice_hash(node->zone));
    hash = mix(hash, slice_hash(node->instance_type));
    hash = mix(hash, slice_hash(node->eniconfig_annotation));
    for (uint32_t i = 0; i < node->label_count; i++) {
        hash = mix(hash, slice_hash(node->labels[i].key));
        hash = mix(hash, slice_hash(node->labels[i].value));
    }
    hash = mix(hash, node->max_pods);
    hash = mix(hash, (uint64_t)(node->os == NODE_OS_WINDOWS) | (uint64_t)node->ready << 1 |
                         (uint64_t)node->unschedulable << 2 | (uint64_t)node->deleting << 3 |
                         (uint64_t)node->ipv6 << 4 | (uint64_t)node->short_of_ips << 5 |
                         (uint64_t)node->tainted << 6);
    return hash;
}

enum err kube_proto_node(struct arena *arena, struct slice raw, struct slice eniconfig_annotation,
                         struct kube_node *ret, struct error *error)
{
    struct node_reader reader = { .arena = arena, .annotation = eniconfig_annotation, .out = ret };
    struct proto in = proto_of(raw);
    struct proto_field field;
    bool good = true;

    *ret = (struct kube_node){ 0 };
    while (good && proto_next(&in, &field)) {
        if (proto_is(&field, OBJECT_META)) {
            good = read_node_meta(&reader, field.bytes);
        } else if (proto_is(&field, OBJECT_SPEC)) {
            good = read_node_spec(&ret->node, field.bytes);
        } else if (proto_is(&field, OBJECT_STATUS)) {
            good = read_node_status(&reader, field.bytes);
        }
    }
    ret->hash = hash_node(&ret->node);
    return good && !in.bad && ret->node.name.len > 0 ? ERR_OK : bad(error, "a node");
}

/* ---- statuses ---- */

enum err kube_proto_status(struct slice raw, struct kube_status *ret, struct error *error)
{
    struct proto in = proto_of(raw);
    struct proto_field field;

    *ret = (struct kube_status){ 0 };
    while (proto_next(&in, &field)) {
        if (proto_is(&field, STATUS_MESSAGE)) {
            ret->message = field.bytes;
        } else if (proto_is(&field, STATUS_REASON)) {
            ret->reason = field.bytes;
        } else if (field.number == STATUS_CODE && field.type == PROTO_VARINT) {
            ret->code = (uint32_t)field.value;
        } else if (proto_is(&field, STATUS_DETAILS)) {
            struct proto details = proto_of(field.bytes);
            struct proto_field detail;
            while (proto_next(&details, &detail)) {
                if (detail.number == DETAILS_RETRY && detail.type == PROTO_VARINT) {
                    ret->retry_after_s = (uint32_t)detail.value;
                }
            }
        }
    }
    return in.bad ? bad(error, "a status") : ERR_OK;
}

bool kube_status_read(struct arena *arena, struct slice body, struct kube_status *ret)
{
    struct slice raw = SLICE("");
    const struct doc *doc = NULL;

    *ret = (struct kube_status){ 0 };
    if (kube_proto_envelope(body, &raw, NULL) == ERR_OK) {
        if (kube_proto_status(raw, ret, NULL) != ERR_OK) {
            return false;
        }
        ret->message = arena_slice(arena, ret->message);
        ret->reason = arena_slice(arena, ret->reason);
        return ret->message.len > 0;
    }
    struct doc_limits limits = { .bytes = 64 << 10 };
    if (json_parse(arena, body, &limits, &doc, NULL) != ERR_OK) {
        return false;
    }
    kube_json_status(doc, ret);
    return ret->message.len > 0;
}
