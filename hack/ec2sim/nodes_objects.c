/*
 * nodes_objects.c - what the played nodes register: Node, the aws-node DaemonSet and its pods,
 * ENIConfigs.
 *
 * Knows the objects' JSON and sends it by server-side apply, so that registering again changes
 * nothing and other writers' fields (the controller's condition, taints) stay theirs. Refuses to
 * know when.
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "nodes_state.h"

/* The image's tag is what a controller takes for the agent's version. */
#define AGENT_IMAGE "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.23.2"
#define HEARTBEAT_NS (60 * NODES_S)

enum { OBJECT_MAX = 256 * 1024 };

struct slice nodes_object_id(struct nodes *nodes, struct slice text, const char *prefix)
{
    if (slice_starts(text, arena_printf(&nodes->scratch, "%s-", prefix))) {
        return text;
    }
    return arena_printf(&nodes->scratch, "%s-0%016llx", prefix,
                        (unsigned long long)slice_hash(text));
}

static struct slice taken(struct nodes *nodes, struct buf *buf)
{
    struct slice text = arena_slice(&nodes->scratch, buf_slice(buf));

    buf_done(buf);
    return text;
}

static void begin_object(struct json_out *json, struct buf *buf, const char *api, const char *kind)
{
    buf_init(buf, OBJECT_MAX);
    json_start(json, buf);
    json_begin_object(json);
    json_field_text(json, "apiVersion", slice_of(api));
    json_field_text(json, "kind", slice_of(kind));
}

static void env_entry(struct json_out *json, struct slice name, struct slice value)
{
    json_begin_object(json);
    json_field_text(json, "name", name);
    json_field_text(json, "value", value);
    json_end_object(json);
}

static void agent_labels(struct json_out *json)
{
    json_key(json, "labels");
    json_begin_object(json);
    json_field_text(json, "app.kubernetes.io/name", SLICE("aws-node"));
    json_field_text(json, "k8s-app", SLICE("aws-node"));
    json_end_object(json);
}

static void agent_container(struct nodes *nodes, struct json_out *json)
{
    json_key(json, "containers");
    json_begin_array(json);
    json_begin_object(json);
    json_field_text(json, "name", SLICE("aws-node"));
    json_field_text(json, "image", SLICE(AGENT_IMAGE));
    json_key(json, "env");
    json_begin_array(json);
    for (const struct doc *entry = doc_first(nodes->env); entry; entry = entry->next) {
        env_entry(json, entry->key, entry->text);
    }
    json_end_array(json);
    json_end_object(json);
    json_end_array(json);
}

static void tolerate_all(struct json_out *json)
{
    json_key(json, "tolerations");
    json_begin_array(json);
    json_begin_object(json);
    json_field_text(json, "operator", SLICE("Exists"));
    json_end_object(json);
    json_end_array(json);
}

struct slice nodes_daemonset_json(struct nodes *nodes)
{
    struct json_out json;
    struct buf buf;

    begin_object(&json, &buf, "apps/v1", "DaemonSet");
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", SLICE("aws-node"));
    json_field_text(&json, "namespace", SLICE("kube-system"));
    agent_labels(&json);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_key(&json, "selector");
    json_raw(&json, SLICE("{\"matchLabels\":{\"k8s-app\":\"aws-node\"}}"));
    json_key(&json, "template");
    json_begin_object(&json);
    json_key(&json, "metadata");
    json_begin_object(&json);
    agent_labels(&json);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_bool(&json, "hostNetwork", true);
    tolerate_all(&json);
    agent_container(nodes, &json);
    json_end_object(&json);
    json_end_object(&json);
    json_end_object(&json);
    json_end_object(&json);
    return taken(nodes, &buf);
}

/* ---- ENIConfigs ---- */

static const char eniconfig_crd[] =
    "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
    "\"metadata\":{\"name\":\"eniconfigs.crd.k8s.amazonaws.com\"},"
    "\"spec\":{\"group\":\"crd.k8s.amazonaws.com\",\"scope\":\"Cluster\","
    "\"names\":{\"plural\":\"eniconfigs\",\"singular\":\"eniconfig\",\"kind\":\"ENIConfig\"},"
    "\"versions\":[{\"name\":\"v1alpha1\",\"served\":true,\"storage\":true,"
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
    "\"x-kubernetes-preserve-unknown-fields\":true}}}]}}";

static void register_eniconfig(struct nodes *nodes, const struct doc *config)
{
    struct slice name = doc_text(doc_get(config, "name"));
    struct json_out json;
    struct buf buf;

    begin_object(&json, &buf, "crd.k8s.amazonaws.com/v1alpha1", "ENIConfig");
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", name);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_text(&json, "subnet",
                    nodes_object_id(nodes, doc_text(doc_get(config, "subnet")), "subnet"));
    json_key(&json, "securityGroups");
    json_begin_array(&json);
    for (const struct doc *group = doc_first(doc_get(config, "securityGroups")); group;
         group = group->next) {
        json_string(&json, nodes_object_id(nodes, group->text, "sg"));
    }
    json_end_array(&json);
    json_end_object(&json);
    json_end_object(&json);
    (void)nodes_apply(nodes, REQ_SOON,
                      arena_printf(&nodes->scratch,
                                   "/apis/crd.k8s.amazonaws.com/v1alpha1/eniconfigs/%.*s",
                                   SLICE_ARG(name)),
                      taken(nodes, &buf));
}

void nodes_register_cluster(struct nodes *nodes)
{
    (void)nodes_apply(nodes, REQ_DAEMONSET,
                      SLICE("/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node"),
                      nodes->daemonset);
    if (doc_count(nodes->eniconfigs) > 0) {
        (void)nodes_apply(nodes, REQ_PLAIN,
                          SLICE("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                                "eniconfigs.crd.k8s.amazonaws.com"),
                          slice_of(eniconfig_crd));
    }
    for (const struct doc *config = doc_first(nodes->eniconfigs); config; config = config->next) {
        register_eniconfig(nodes, config);
    }
}

/* ---- Node ---- */

static void node_labels(struct json_out *json, const struct node_row *row)
{
    struct slice zone = row->view.zone;
    struct slice region = { zone.data, zone.len > 0 ? zone.len - 1 : 0 };

    json_key(json, "labels");
    json_begin_object(json);
    json_field_text(json, "kubernetes.io/arch", SLICE("amd64"));
    json_field_text(json, "kubernetes.io/hostname", slice_of(row->name));
    json_field_text(json, "kubernetes.io/os", SLICE("linux"));
    json_field_text(json, "node.kubernetes.io/instance-type", row->view.type.name);
    json_field_text(json, "topology.kubernetes.io/region", region);
    json_field_text(json, "topology.kubernetes.io/zone", zone);
    for (const struct doc *label = doc_first(row->scenario ? row->scenario->labels : NULL); label;
         label = label->next) {
        json_field_text(json, label->key.data, label->text);
    }
    json_end_object(json);
}

static void node_annotations(struct json_out *json, const struct node_row *row)
{
    const struct doc *annotations = row->scenario ? row->scenario->annotations : NULL;

    json_key(json, "annotations");
    json_begin_object(json);
    for (const struct doc *one = doc_first(annotations); one; one = one->next) {
        json_field_text(json, one->key.data, one->text);
    }
    json_end_object(json);
}

static void node_taints(struct json_out *json, const struct node_row *row)
{
    const struct doc *taints = row->scenario ? row->scenario->taints : NULL;

    if (doc_count(taints) == 0) {
        return; /* the list as a whole has one owner: without taints of ours it is the others' */
    }
    json_key(json, "taints");
    json_begin_array(json);
    for (const struct doc *taint = doc_first(taints); taint; taint = taint->next) {
        json_begin_object(json);
        json_field_text(json, "key", doc_text(doc_get(taint, "key")));
        json_field_text(json, "value", doc_text(doc_get(taint, "value")));
        json_field_text(json, "effect", doc_text_or(doc_get(taint, "effect"), SLICE("NoSchedule")));
        json_end_object(json);
    }
    json_end_array(json);
}

static struct slice node_path(struct nodes *nodes, const struct node_row *row, const char *rest)
{
    return arena_printf(&nodes->scratch, "/api/v1/nodes/%s%s", row->name, rest);
}

void nodes_register(struct nodes *nodes, uint32_t index)
{
    const struct node_row *row = &nodes->rows[index];
    struct json_out json;
    struct buf buf;

    begin_object(&json, &buf, "v1", "Node");
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", slice_of(row->name));
    node_labels(&json, row);
    node_annotations(&json, row);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_key(&json, "providerID");
    json_textf(&json, "aws:///%.*s/%s", SLICE_ARG(row->view.zone), row->view.id.text);
    node_taints(&json, row);
    json_end_object(&json);
    json_end_object(&json);
    struct request *request = nodes_apply(nodes, REQ_NODE, node_path(nodes, row, ""),
                                          taken(nodes, &buf));
    request->row = index;
    if (nodes->daemonset_uid[0]) {
        nodes_register_agent_pod(nodes, index);
    }
}

/* The status of a Node that is not there yet would be refused. */
void nodes_node_answer(struct nodes *nodes, const struct request *request, bool ok)
{
    struct node_row *row = &nodes->rows[request->row];

    if (request->kind == REQ_STATUS) {
        row->posting = false;
    } else if (ok && row->used) {
        row->registered = true;
        nodes_write_status(nodes, request->row);
    }
}

static void ready_condition(struct nodes *nodes, struct json_out *json)
{
    char text[TIMESTAMP_MAX];
    struct slice now = timestamp_format(nodes->wall_ns, 0, text);

    json_key(json, "conditions");
    json_begin_array(json);
    json_begin_object(json);
    json_field_text(json, "type", SLICE("Ready"));
    json_field_text(json, "status", SLICE("True"));
    json_field_text(json, "reason", SLICE("KubeletReady"));
    json_field_text(json, "message", SLICE("kubelet is posting ready status"));
    json_field_text(json, "lastHeartbeatTime", now);
    json_field_text(json, "lastTransitionTime", now);
    json_end_object(json);
    json_end_array(json);
}

static void capacity(struct json_out *json, const char *key, uint32_t pods)
{
    json_key(json, key);
    json_begin_object(json);
    json_field_text(json, "cpu", SLICE("64"));
    json_field_text(json, "memory", SLICE("256Gi"));
    json_key(json, "pods");
    json_textf(json, "%u", pods);
    json_end_object(json);
}

static void address(struct json_out *json, const char *type, struct slice value)
{
    json_begin_object(json);
    json_field_text(json, "type", slice_of(type));
    json_field_text(json, "address", value);
    json_end_object(json);
}

static void ip_text(uint32_t ip, char ret[16])
{
    (void)snprintf(ret, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

/* Ready, and the capacity: what the kubelet posts every so often. */
void nodes_write_status(struct nodes *nodes, uint32_t index)
{
    struct node_row *row = &nodes->rows[index];
    struct json_out json;
    struct buf buf;
    char ip[16];

    row->heartbeat_ns = nodes->now_ns + HEARTBEAT_NS;
    if (row->posting) {
        return;
    }
    row->posting = true;
    ip_text(row->view.primary_ip, ip);
    begin_object(&json, &buf, "v1", "Node");
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", slice_of(row->name));
    json_end_object(&json);
    json_key(&json, "status");
    json_begin_object(&json);
    capacity(&json, "capacity", row->max_pods);
    capacity(&json, "allocatable", row->max_pods);
    ready_condition(nodes, &json);
    json_key(&json, "addresses");
    json_begin_array(&json);
    address(&json, "InternalIP", slice_of(ip));
    address(&json, "Hostname", slice_of(row->name));
    json_end_array(&json);
    json_key(&json, "nodeInfo");
    json_raw(
        &json,
        SLICE("{\"machineID\":\"\",\"systemUUID\":\"\",\"bootID\":\"\",\"kernelVersion\":\"6.12\","
              "\"osImage\":\"ec2sim\",\"containerRuntimeVersion\":\"ec2sim://1\","
              "\"kubeletVersion\":\"v1.37.2\",\"kubeProxyVersion\":\"\","
              "\"operatingSystem\":\"linux\",\"architecture\":\"amd64\"}"));
    json_end_object(&json);
    json_end_object(&json);
    struct request *request = nodes_apply(nodes, REQ_STATUS, node_path(nodes, row, "/status"),
                                          taken(nodes, &buf));
    request->row = index;
}

static struct slice agent_pod_name(struct nodes *nodes, const struct node_row *row)
{
    return arena_printf(&nodes->scratch, "aws-node-%05x",
                        (unsigned)(slice_hash(slice_of(row->name)) & 0xfffff));
}

void nodes_unregister(struct nodes *nodes, uint32_t index)
{
    const struct node_row *row = &nodes->rows[index];

    (void)nodes_request(nodes, REQ_PLAIN, "DELETE", NULL, node_path(nodes, row, ""),
                        (struct slice){ 0 });
    (void)nodes_request(nodes, REQ_PLAIN, "DELETE", NULL,
                        arena_printf(&nodes->scratch,
                                     "/api/v1/namespaces/kube-system/pods/%s?gracePeriodSeconds=0",
                                     agent_pod_name(nodes, row).data),
                        (struct slice){ 0 });
}

/* Bound from the start, as the DaemonSet controller's pods soon are. */
void nodes_register_agent_pod(struct nodes *nodes, uint32_t index)
{
    const struct node_row *row = &nodes->rows[index];
    struct json_out json;
    struct buf buf;

    begin_object(&json, &buf, "v1", "Pod");
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", agent_pod_name(nodes, row));
    json_field_text(&json, "namespace", SLICE("kube-system"));
    agent_labels(&json);
    json_key(&json, "ownerReferences");
    json_begin_array(&json);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("apps/v1"));
    json_field_text(&json, "kind", SLICE("DaemonSet"));
    json_field_text(&json, "name", SLICE("aws-node"));
    json_field_text(&json, "uid", slice_of(nodes->daemonset_uid));
    json_field_bool(&json, "controller", true);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_text(&json, "nodeName", slice_of(row->name));
    json_field_bool(&json, "hostNetwork", true);
    json_field_u64(&json, "terminationGracePeriodSeconds", 10);
    tolerate_all(&json);
    agent_container(nodes, &json);
    json_end_object(&json);
    json_end_object(&json);
    (void)nodes_request(nodes, REQ_PLAIN, "POST", "application/json",
                        SLICE("/api/v1/namespaces/kube-system/pods"), taken(nodes, &buf));
}

/* ---- Nodes as the API server shows them ---- */

static void read_taints(struct node_row *row, const struct doc *list)
{
    struct taint *taints = ARENA_ARRAY(&row->spec, struct taint, doc_count(list));

    row->taint_count = 0;
    row->taints = taints;
    for (const struct doc *taint = doc_first(list); taint; taint = taint->next) {
        taints[row->taint_count++] = (struct taint){
            arena_slice(&row->spec, doc_text(doc_get(taint, "key"))),
            arena_slice(&row->spec, doc_text(doc_get(taint, "value"))),
            arena_slice(&row->spec, doc_text(doc_get(taint, "effect"))),
        };
    }
}

static void read_labels(struct node_row *row, const struct doc *mapping)
{
    struct pair *labels = ARENA_ARRAY(&row->spec, struct pair, doc_count(mapping));

    row->label_count = 0;
    row->labels = labels;
    for (const struct doc *label = doc_first(mapping); label; label = label->next) {
        labels[row->label_count].key = arena_slice(&row->spec, label->key);
        labels[row->label_count++].value = arena_slice(&row->spec, label->text);
    }
}

void nodes_see_node(struct nodes *nodes, const struct doc *object, bool gone)
{
    struct slice name = doc_text(doc_at(object, "metadata", "name"));
    uint32_t index = index_find(&nodes->row_index, nodes->rows, name);

    nodes->reschedule = true;
    if (index == INDEX_NONE) {
        return;
    }
    struct node_row *row = &nodes->rows[index];
    row->seen = !gone;
    if (gone) {
        return;
    }
    arena_reset(&row->spec);
    read_taints(row, doc_at(object, "spec", "taints"));
    read_labels(row, doc_at(object, "metadata", "labels"));
    row->unschedulable = doc_bool_or(doc_at(object, "spec", "unschedulable"), false);
    if (row->agent) {
        /* The taint is what the agent looks at; the controller that turns a cordon into it may not
         * run here. */
        bool cordoned = row->unschedulable;
        for (uint32_t i = 0; i < row->taint_count; i++) {
            cordoned = cordoned || slice_is(row->taints[i].key, "node.kubernetes.io/unschedulable");
        }
        sim_agent_cordon(row->agent, nodes->now_ns, cordoned);
    }
}
