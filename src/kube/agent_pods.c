/*
 * agent_pods.c - is the agent of a node ready?
 *
 *   known (by pod's name) ---detail---> agent_nodes[] {ready pods, what was told}
 *
 * During a rolling update a node can have two of these pods: it is ready while one of them is.
 */
#include "core.h"

/* The order of the reflector's columns. */
enum { CELL_NAME, CELL_READY, CELL_NODE };

enum { NAMES_SLACK = 1000 };

static uint32_t node_of(struct kube *kube, struct slice name)
{
    struct agent_nodes *nodes = &kube->agent_nodes;
    uint32_t capacity = nodes->capacity;
    uint32_t node = interner_add(&nodes->names, name);

    mem_reserve(&nodes->nodes, &nodes->capacity, node + 1, sizeof(*nodes->nodes));
    for (uint32_t i = capacity; i < nodes->capacity; i++) {
        nodes->nodes[i].told = -1;
    }
    return node;
}

void agent_nodes_done(struct kube *kube)
{
    struct agent_nodes *nodes = &kube->agent_nodes;

    interner_done(&nodes->names);
    nodes->nodes = mem_resize(nodes->nodes, 0, sizeof(*nodes->nodes));
}

static void tell(struct kube *kube, uint32_t at)
{
    struct agent_node *node = &kube->agent_nodes.nodes[at];
    bool ready = node->ready > 0;

    if (node->told == (int8_t)ready) {
        return;
    }
    node->told = (int8_t)ready;
    struct plan_event *event = kube_emit(kube, PLAN_AGENT_POD);
    event->agent_pod.node = interner_get(&kube->agent_nodes.names, at);
    event->agent_pod.ready = ready;
}

void agent_nodes_retell(struct kube *kube, struct slice node)
{
    uint32_t at = interner_find(&kube->agent_nodes.names, node);

    if (at != INDEX_NONE && kube->agent_nodes.nodes[at].told >= 0) {
        kube->agent_nodes.nodes[at].told = -1;
        tell(kube, at);
    }
}

static void set_ready(struct kube *kube, struct known *known, bool ready)
{
    struct agent_node *node = &kube->agent_nodes.nodes[known->detail];

    if (known->flag != ready) {
        node->ready += ready ? 1U : UINT32_MAX;
        known->flag = ready;
    }
}

static enum err note(struct kube *kube, struct slice name, struct slice node, bool ready,
                     bool tell_now, struct error *error)
{
    bool is_new = false;

    if (node.len == 0) {
        return ERR_OK; /* not bound yet */
    }
    struct known *known = known_add(&kube->agent_pods, name, &is_new);
    if (!known) {
        return error_set(error, ERR_LIMIT, "more than %u pods of the agent",
                         kube->agent_pods.limit);
    }
    uint32_t at = node_of(kube, node);
    if (!is_new && known->detail != at) {
        set_ready(kube, known, false);
    }
    known->detail = at;
    known->seen = kube->agent_pods.list;
    set_ready(kube, known, ready);
    if (tell_now) {
        tell(kube, at);
    }
    return ERR_OK;
}

static void forget(struct kube *kube, struct known *known)
{
    uint32_t at = known->detail;

    set_ready(kube, known, false);
    known_remove(&kube->agent_pods, known);
    tell(kube, at);
}

/* "2/2": every container is ready. */
static bool all_ready(struct slice cell)
{
    struct slice rest = cell;
    struct slice ready = slice_cut(&rest, '/');

    return ready.len > 0 && slice_eq(ready, rest) && !slice_is(ready, "0");
}

static enum err row(struct kube *kube, const struct slice *cells, struct error *error)
{
    return note(kube, cells[CELL_NAME], cells[CELL_NODE], all_ready(cells[CELL_READY]), true,
                error);
}

static enum err change(struct kube *kube, enum kube_change what, struct slice raw,
                       struct error *error)
{
    struct kube_pod pod;
    enum err err = kube_proto_pod(raw, &pod, error);

    if (err != ERR_OK) {
        return err;
    }
    if (what != KUBE_DELETED) {
        return note(kube, pod.name, pod.node, pod.ready && !pod.finished, true, error);
    }
    struct known *known = known_find(&kube->agent_pods, pod.name);
    if (known) {
        forget(kube, known);
    }
    return ERR_OK;
}

static enum err item(struct kube *kube, struct slice raw, struct error *error)
{
    return change(kube, KUBE_ADDED, raw, error);
}

/* Nodes come and go, their names would stay: now and then only those with a pod are kept. */
static void compact(struct kube *kube)
{
    struct agent_nodes old = kube->agent_nodes;

    if (old.names.count < 2 * kube->agent_pods.live + NAMES_SLACK) {
        return;
    }
    kube->agent_nodes = (struct agent_nodes){ 0 };
    interner_init(&kube->agent_nodes.names);
    for (uint32_t i = 0; i < kube->agent_pods.count; i++) {
        struct known *known = &kube->agent_pods.rows[i];
        if (known->name) {
            uint32_t at = node_of(kube, interner_get(&old.names, known->detail));
            kube->agent_nodes.nodes[at] = old.nodes[known->detail];
            known->detail = at;
        }
    }
    interner_done(&old.names);
    mem_free(old.nodes);
}

static void begin(struct kube *kube)
{
    kube->agent_pods.list++;
    compact(kube); /* here no event of this step points to a name yet */
}

static void end(struct kube *kube)
{
    for (uint32_t i = 0; i < kube->agent_pods.count; i++) {
        struct known *known = &kube->agent_pods.rows[i];
        if (known->name && known->seen != kube->agent_pods.list) {
            forget(kube, known);
        }
    }
}

static void stop(struct kube *kube)
{
    (void)kube;
}

const struct reflector_sink agent_pods_sink = {
    .begin = begin,
    .row = row,
    .item = item,
    .end = end,
    .abort = stop,
    .change = change,
};
