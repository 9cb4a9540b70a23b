/*
 * nodes.c - nodes from protobuf to events, told only when something that is used has changed.
 *
 * Knows which nodes are there and a hash of each. Refuses to keep what the planner keeps.
 */
#include "core.h"

static void begin(struct kube *kube)
{
    kube->nodes.list++;
}

static struct slice keep(struct kube *kube, struct slice s)
{
    return s.len > 0 ? arena_slice(&kube->step, s) : SLICE("");
}

/* What the event points to must outlive the bytes it came from. */
static void tell(struct kube *kube, const struct node *from)
{
    struct node *node = &kube_emit(kube, PLAN_NODE)->node;
    struct pair *labels = ARENA_ARRAY(&kube->step, struct pair, from->label_count);

    for (uint32_t i = 0; i < from->label_count; i++) {
        labels[i].key = keep(kube, from->labels[i].key);
        labels[i].value = keep(kube, from->labels[i].value);
    }
    *node = *from;
    node->labels = labels;
    node->name = keep(kube, from->name);
    node->provider_id = keep(kube, from->provider_id);
    node->zone = keep(kube, from->zone);
    node->instance_type = keep(kube, from->instance_type);
    node->eniconfig_annotation = keep(kube, from->eniconfig_annotation);
}

static enum err note(struct kube *kube, const struct kube_node *node, struct error *error)
{
    bool is_new = false;
    struct known *known = known_add(&kube->nodes, node->node.name, &is_new);

    if (!known) {
        return error_set(error, ERR_LIMIT, "more than %u nodes", kube->nodes.limit);
    }
    known->seen = kube->nodes.list;
    if (is_new || known->mark != node->hash) {
        known->mark = node->hash;
        tell(kube, &node->node);
    }
    if (is_new) {
        /* Its pods may have been read before it was. */
        pod_table_retell(&kube->pods, node->node.name);
        agent_nodes_retell(kube, node->node.name);
    }
    return ERR_OK;
}

static void forget(struct kube *kube, struct known *known)
{
    kube_emit(kube, PLAN_NODE_GONE)->name = arena_slice(&kube->step, known_name(known));
    known_remove(&kube->nodes, known);
}

static enum err item(struct kube *kube, struct slice raw, struct error *error)
{
    struct kube_node node;
    enum err err = kube_proto_node(&kube->step, raw, kube->eniconfig_annotation, &node, error);

    return err != ERR_OK ? err : note(kube, &node, error);
}

static enum err change(struct kube *kube, enum kube_change what, struct slice raw,
                       struct error *error)
{
    struct kube_node node;
    enum err err = kube_proto_node(&kube->step, raw, kube->eniconfig_annotation, &node, error);

    if (err != ERR_OK || what != KUBE_DELETED) {
        return err != ERR_OK ? err : note(kube, &node, error);
    }
    struct known *known = known_find(&kube->nodes, node.node.name);
    if (known) {
        forget(kube, known);
    }
    return ERR_OK;
}

static void end(struct kube *kube)
{
    for (uint32_t i = 0; i < kube->nodes.count; i++) {
        struct known *known = &kube->nodes.rows[i];
        if (known->name && known->seen != kube->nodes.list) {
            forget(kube, known);
        }
    }
}

/* What a list told of nodes that are there stays true when it breaks off. */
static void stop(struct kube *kube)
{
    (void)kube;
}

const struct reflector_sink nodes_sink = {
    .begin = begin,
    .item = item,
    .end = end,
    .abort = stop,
    .change = change,
};
