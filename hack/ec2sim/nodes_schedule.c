/*
 * nodes_schedule.c - binds pods where no kube-scheduler runs: the fewest pods first.
 *
 * Knows nodeSelector, NoSchedule and NoExecute taints, cordons and the pod capacity. Refuses to
 * know affinity, spreading constraints and resources: who needs those runs a kube-scheduler.
 */
#include "nodes_state.h"

void nodes_read_spec(struct nodes *nodes, struct pod_row *pod, const struct doc *object)
{
    const struct doc *selector = doc_at(object, "spec", "nodeSelector");
    const struct doc *tolerations = doc_at(object, "spec", "tolerations");
    struct arena *arena = &pod->spec;

    if (!nodes->schedule || doc_text(doc_at(object, "spec", "nodeName")).len > 0) {
        return;
    }
    pod->selector = ARENA_ARRAY(arena, struct pair, doc_count(selector));
    for (const struct doc *one = doc_first(selector); one; one = one->next) {
        pod->selector[pod->selector_count].key = arena_slice(arena, one->key);
        pod->selector[pod->selector_count++].value = arena_slice(arena, one->text);
    }
    pod->tolerations = ARENA_ARRAY(arena, struct toleration, doc_count(tolerations));
    for (const struct doc *one = doc_first(tolerations); one; one = one->next) {
        pod->tolerations[pod->toleration_count++] = (struct toleration){
            .key = arena_slice(arena, doc_text(doc_get(one, "key"))),
            .value = arena_slice(arena, doc_text(doc_get(one, "value"))),
            .effect = arena_slice(arena, doc_text(doc_get(one, "effect"))),
            .exists = slice_is(doc_text(doc_get(one, "operator")), "Exists"),
        };
    }
}

static bool tolerates(const struct pod_row *pod, const struct taint *taint)
{
    for (uint32_t i = 0; i < pod->toleration_count; i++) {
        const struct toleration *one = &pod->tolerations[i];
        bool effect = one->effect.len == 0 || slice_eq(one->effect, taint->effect);
        bool key = (one->exists && one->key.len == 0) || slice_eq(one->key, taint->key);
        if (effect && key && (one->exists || slice_eq(one->value, taint->value))) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct nodes *nodes, const struct pod_row *pod, const struct node_row *row)
{
    (void)nodes;
    if (!row->used || !row->seen || row->leaving || row->unschedulable ||
        row->pods >= row->max_pods) {
        return false;
    }
    for (uint32_t i = 0; i < row->taint_count; i++) {
        if (!slice_is(row->taints[i].effect, "PreferNoSchedule") &&
            !tolerates(pod, &row->taints[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < pod->selector_count; i++) {
        struct slice value = { 0 };
        if (!pair_find(row->labels, row->label_count, pod->selector[i].key, &value) ||
            !slice_eq(value, pod->selector[i].value)) {
            return false;
        }
    }
    return true;
}

static void bind(struct nodes *nodes, uint32_t index, uint32_t row)
{
    struct pod_row *pod = &nodes->pods[index];
    struct slice name = slice_of(pod->key), namespace = slice_cut(&name, '/');
    struct slice body = arena_printf(
        &nodes->scratch,
        "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"%.*s\","
        "\"uid\":\"%s\"},\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\","
        "\"name\":\"%s\"}}",
        SLICE_ARG(name), pod->uid, nodes->rows[row].name);
    struct request *request = nodes_request(
        nodes, REQ_POD, "POST", "application/json",
        arena_printf(&nodes->scratch, "/api/v1/namespaces/%.*s/pods/%.*s/binding",
                     SLICE_ARG(namespace), SLICE_ARG(name)),
        body);
    request->row = index;
    memcpy(request->uid, pod->uid, UID_MAX);
    pod->state = POD_BINDING;
    nodes->unbound--;
}

void nodes_schedule(struct nodes *nodes)
{
    if (!nodes->schedule || !nodes->reschedule || nodes->unbound == 0 ||
        !nodes->streams[STREAM_NODES].synced) {
        return;
    }
    nodes->reschedule = false;
    uint32_t *planned = ARENA_ARRAY(&nodes->scratch, uint32_t, nodes->row_count + 1);
    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        const struct pod_row *pod = &nodes->pods[i];
        uint32_t best = ROW_NONE;
        if (!pod->used || pod->state != POD_UNBOUND) {
            continue;
        }
        for (uint32_t j = 0; j < nodes->row_count; j++) {
            const struct node_row *row = &nodes->rows[j];
            uint32_t load = row->pods + planned[j];
            if (load < row->max_pods && fits(nodes, pod, row) &&
                (best == ROW_NONE || load < nodes->rows[best].pods + planned[best])) {
                best = j;
            }
        }
        if (best != ROW_NONE) {
            planned[best]++;
            bind(nodes, i, best);
        }
    }
}
