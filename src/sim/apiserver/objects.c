/*
 * objects.c - the modelled API server's rows: nodes, pods and the rest, as the world and its
 * clients change them.
 *
 * Knows versions, generations and who owns a text. Refuses to know who is told of a change.
 */
#include <assert.h>

#include "apiserver.h"

/* ---- nodes ---- */

static void own(struct slice *field, struct slice value)
{
    char *copy = mem_resize((char *)(uintptr_t)field->data, value.len + 1, 1);

    if (value.len > 0) {
        memmove(copy, value.data, value.len);
    }
    copy[value.len] = '\0';
    *field = (struct slice){ copy, value.len };
}

static void drop(struct slice *field)
{
    mem_free((char *)(uintptr_t)field->data);
    *field = (struct slice){ 0 };
}

static void drop_condition(struct api_condition *condition)
{
    drop(&condition->type);
    drop(&condition->status);
    drop(&condition->reason);
    drop(&condition->message);
}

void api_node_drop(struct api_node *node)
{
    for (uint32_t i = 0; i < node->condition_count; i++) {
        drop_condition(&node->conditions[i]);
    }
    *node = (struct api_node){ 0 };
}

static const struct api_look there = { .there = true }, gone = { 0 };

static const struct pair *copy_pairs(struct api *api, const struct pair *from, uint32_t count)
{
    struct pair *pairs = ARENA_ARRAY(&api->memory, struct pair, count);

    for (uint32_t i = 0; i < count; i++) {
        pairs[i].key = interner_get(&api->names, api_name(api, from[i].key));
        pairs[i].value = interner_get(&api->names, api_name(api, from[i].value));
    }
    return pairs;
}

static void log_node(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->nodes[row].version = ++api->version;
    buf_reset(body);
    api_node_proto(api, &api->nodes[row], body);
    api_log_change(api, API_NODES, row, was, is, body, body->len);
}

uint32_t api_node_add(struct api *api, const struct api_node *from)
{
    uint32_t row = 0;

    while (row < api->node_count && api->nodes[row].used) {
        row++;
    }
    mem_reserve(&api->nodes, &api->node_capacity, row + 1, sizeof(*api->nodes));
    api->node_count = row == api->node_count ? row + 1 : api->node_count;
    struct api_node *node = &api->nodes[row];
    *node = *from;
    node->used = true;
    node->name = arena_slice(&api->memory, from->name);
    node->provider_id = arena_slice(&api->memory, from->provider_id);
    node->labels = copy_pairs(api, from->labels, from->label_count);
    node->annotations = copy_pairs(api, from->annotations, from->annotation_count);
    node->taint_count = node->condition_count = 0;
    for (uint32_t i = 0; i < from->taint_count; i++) {
        (void)api_node_taint(api, row, &from->taints[i]);
    }
    node->uid = ++api->next_uid;
    node->created_wall_ns = api->wall_ns;
    index_add(&api->node_index, api->nodes, row);
    log_node(api, row, gone, there);
    return row;
}

void api_node_touched(struct api *api, uint32_t row)
{
    log_node(api, row, there, there);
}

void api_node_delete(struct api *api, uint32_t row)
{
    log_node(api, row, there, gone);
    index_remove(&api->node_index, api->nodes, api->nodes[row].name);
    api_node_drop(&api->nodes[row]);
}

const struct api_condition *api_find_condition(const struct api_node *node, struct slice type)
{
    for (uint32_t i = 0; i < node->condition_count; i++) {
        if (slice_eq(node->conditions[i].type, type)) {
            return &node->conditions[i];
        }
    }
    return NULL;
}

void api_node_condition(struct api *api, uint32_t row, struct slice type, struct slice status,
                        struct slice reason, struct slice message)
{
    struct api_node *node = &api->nodes[row];
    uint32_t at = 0;

    while (at < node->condition_count && !slice_eq(node->conditions[at].type, type)) {
        at++;
    }
    assert(at < API_CONDITIONS_MAX);
    struct api_condition *condition = &node->conditions[at];
    if (at == node->condition_count) {
        node->condition_count++;
        *condition = (struct api_condition){ 0 };
        own(&condition->type, type);
    }
    if (!slice_eq(condition->status, status)) {
        condition->since_wall_ns = api->wall_ns;
    }
    condition->beat_wall_ns = api->wall_ns;
    own(&condition->status, status);
    own(&condition->reason, reason);
    own(&condition->message, message);
}

bool api_has_taint(const struct api_node *node, struct slice key)
{
    for (uint32_t i = 0; i < node->taint_count; i++) {
        if (slice_eq(node->taints[i].key, key)) {
            return true;
        }
    }
    return false;
}

bool api_node_taint(struct api *api, uint32_t row, const struct api_taint *taint)
{
    struct api_node *node = &api->nodes[row];

    if (node->taint_count == API_TAINTS_MAX || api_has_taint(node, taint->key)) {
        return false;
    }
    node->taints[node->taint_count++] = (struct api_taint){
        .key = interner_get(&api->names, api_name(api, taint->key)),
        .value = interner_get(&api->names, api_name(api, taint->value)),
        .effect = interner_get(&api->names, api_name(api, taint->effect)),
    };
    return true;
}

bool api_node_untaint(struct api *api, uint32_t row, struct slice key)
{
    struct api_node *node = &api->nodes[row];

    for (uint32_t i = 0; i < node->taint_count; i++) {
        if (slice_eq(node->taints[i].key, key)) {
            memmove(&node->taints[i], &node->taints[i + 1],
                    (--node->taint_count - i) * sizeof(*node->taints));
            return true;
        }
    }
    return false;
}

/* ---- pods ---- */

struct api_look api_pod_look(const struct api_pod *pod)
{
    return (struct api_look){
        .there = true,
        .bound = pod->node != API_NONE,
        .host_network = pod->host_network,
        .agent = pod->agent,
        .phase = pod->phase,
    };
}

static void log_pod(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->pods[row].version = ++api->version;
    buf_reset(body);
    api_pod_proto(api, &api->pods[row], body);
    size_t len = body->len;
    api_table_row(api, &api->pods[row], body);
    api_log_change(api, API_PODS, row, was, is, body, len);
}

void api_pod_put(struct api *api, uint32_t row, const struct api_pod *from)
{
    struct api_look was = gone;

    mem_reserve(&api->pods, &api->pod_capacity, row + 1, sizeof(*api->pods));
    api->pod_count = row < api->pod_count ? api->pod_count : row + 1;
    struct api_pod *pod = &api->pods[row];
    uint64_t uid = pod->uid;
    if (pod->used) {
        was = api_pod_look(pod);
    } else {
        uid = ++api->next_uid;
    }
    *pod = *from;
    pod->used = true;
    pod->uid = uid;
    log_pod(api, row, was, api_pod_look(pod));
}

void api_pod_delete(struct api *api, uint32_t row)
{
    log_pod(api, row, api_pod_look(&api->pods[row]), gone);
    api->pods[row] = (struct api_pod){ 0 };
}

/* ---- the rest ---- */

uint32_t api_object_find(const struct api *api, enum api_kind kind, struct slice namespace,
                         struct slice name)
{
    for (uint32_t i = 0; i < api->object_count; i++) {
        const struct api_object *object = &api->objects[i];
        if (object->used && object->kind == kind && slice_eq(object->name, name) &&
            slice_eq(object->namespace, namespace)) {
            return i;
        }
    }
    return API_NONE;
}

static void log_object(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->objects[row].version = ++api->version;
    buf_reset(body);
    api_object_json(api, &api->objects[row], body);
    api_log_change(api, api->objects[row].kind, row, was, is, body, body->len);
}

void api_object_touched(struct api *api, uint32_t row)
{
    log_object(api, row, there, there);
}

uint32_t api_object_put(struct api *api, enum api_kind kind, struct slice namespace,
                        struct slice name, struct slice spec)
{
    uint32_t row = api_object_find(api, kind, namespace, name);
    bool fresh = row == API_NONE;

    if (fresh) {
        row = api->object_count++;
        mem_reserve(&api->objects, &api->object_capacity, row + 1, sizeof(*api->objects));
        struct api_object *object = &api->objects[row];
        *object = (struct api_object){
            .used = true,
            .kind = kind,
            .name = arena_slice(&api->memory, name),
            .namespace = arena_slice(&api->memory, namespace),
            .uid = ++api->next_uid,
        };
        buf_init(&object->spec, API_TEXT_MAX);
        buf_init(&object->status, API_TEXT_MAX);
    }
    struct api_object *object = &api->objects[row];
    if (fresh || !slice_eq(buf_slice(&object->spec), spec)) {
        object->generation++;
        buf_reset(&object->spec);
        buf_add_slice(&object->spec, spec);
        log_object(api, row, fresh ? gone : there, there);
    }
    return row;
}
