/*
 * write.c - what clients change: Leases, Events, a node's conditions and taints, a
 * status.
 *
 * Knows the patch formats (RFC 6902 with its test, strategic merge of lists by key, server-side
 * apply by one owner) and the optimistic lock. Refuses what the real server refuses: an old
 * resourceVersion, another uid, a test that does not hold.
 */
#include <headroom/timestamp.h>

#include "apiserver.h"

enum { BODY_MAX = 4 << 20 };

static void done(struct api *api, struct arena *arena, int status, const struct api_object *object,
                 struct api_response *ret)
{
    struct buf body;

    buf_init(&body, BODY_MAX);
    api_object_json(api, object, &body);
    *ret = (struct api_response){ status, SLICE("application/json"),
                                  arena_slice(arena, buf_slice(&body)), API_NONE };
    buf_done(&body);
}

static void node_done(struct api *api, struct arena *arena, uint32_t row, struct api_response *ret)
{
    struct buf body;

    buf_init(&body, BODY_MAX);
    api_node_json(api, &api->nodes[row], &body);
    *ret = (struct api_response){ 200, SLICE("application/json"),
                                  arena_slice(arena, buf_slice(&body)), API_NONE };
    buf_done(&body);
}

static void refuse(struct arena *arena, int code, const char *reason, const char *message,
                   struct api_response *ret)
{
    api_status(arena, false, code, reason, slice_of(message), ret);
}

static void missing(struct arena *arena, struct slice name, struct api_response *ret)
{
    api_status(arena, false, 404, "NotFound",
               arena_printf(arena, "\"%.*s\" not found", SLICE_ARG(name)), ret);
}

/* The member's value as JSON text. */
static void json_of(const struct doc *doc, struct buf *out)
{
    struct json_out json;

    buf_reset(out);
    json_start(&json, out);
    json_doc(&json, doc);
}

/* ---- Leases ---- */

static void put_spec(struct api *api, enum api_kind kind, struct slice namespace, struct slice name,
                     const struct doc *body, uint32_t *ret)
{
    struct buf spec;

    buf_init(&spec, BODY_MAX);
    json_of(doc_get(body, "spec"), &spec);
    *ret = api_object_put(api, kind, namespace, name, buf_slice(&spec));
    buf_done(&spec);
}

static void create_lease(struct api *api, struct arena *arena, struct slice namespace,
                         const struct doc *body, struct api_response *ret)
{
    struct slice name = doc_text(doc_at(body, "metadata", "name"));
    uint32_t row = api_object_find(api, API_LEASES, namespace, name);

    if (name.len == 0) {
        refuse(arena, 422, "Invalid", "metadata.name: Required value", ret);
    } else if (row != API_NONE) {
        refuse(arena, 409, "AlreadyExists", "leases.coordination.k8s.io already exists", ret);
    } else {
        put_spec(api, API_LEASES, namespace, name, body, &row);
        done(api, arena, 201, &api->objects[row], ret);
    }
}

static void replace_lease(struct api *api, struct arena *arena, struct slice namespace,
                          struct slice name, const struct doc *body, struct api_response *ret)
{
    uint32_t row = api_object_find(api, API_LEASES, namespace, name);
    struct slice version = doc_text(doc_at(body, "metadata", "resourceVersion"));
    uint64_t number = 0;

    if (row == API_NONE) {
        missing(arena, name, ret);
    } else if (version.len > 0 && (slice_u64(version, UINT64_MAX, &number) != ERR_OK ||
                                   number != api->objects[row].version)) {
        refuse(arena, 409, "Conflict",
               "the object has been modified; please apply your changes to the latest version",
               ret);
    } else {
        put_spec(api, API_LEASES, namespace, name, body, &row);
        done(api, arena, 200, &api->objects[row], ret);
    }
}

/* ---- Events ---- */

static void create_event(struct api *api, struct arena *arena, const struct doc *body,
                         struct api_response *ret)
{
    struct slice name = doc_text(doc_at(body, "metadata", "name"));

    if (name.len == 0 || doc_text(doc_get(body, "reason")).len == 0 ||
        doc_text(doc_get(body, "action")).len == 0 ||
        doc_text(doc_get(body, "reportingController")).len == 0 ||
        doc_text(doc_get(body, "eventTime")).len == 0 ||
        doc_text(doc_get(body, "note")).len > 1024) {
        refuse(arena, 422, "Invalid", "the Event lacks a field, or its note is too long", ret);
        return;
    }
    if (interner_find(&api->events, name) != INDEX_NONE) {
        refuse(arena, 409, "AlreadyExists", "events.events.k8s.io already exists", ret);
        return;
    }
    (void)interner_add(&api->events, name);
    (void)interner_add(
        &api->told, arena_printf(arena, "%.*s %.*s", SLICE_ARG(doc_text(doc_get(body, "reason"))),
                                 SLICE_ARG(doc_text(doc_at(body, "regarding", "name")))));
    api->events_written++;
    *ret = (struct api_response){ 201, SLICE("application/json"), SLICE("{}"), API_NONE };
}

static void patch_event(struct api *api, struct arena *arena, struct slice name,
                        struct api_response *ret)
{
    if (interner_find(&api->events, name) == INDEX_NONE) {
        missing(arena, name, ret);
        return;
    }
    api->events_repeated++;
    *ret = (struct api_response){ 200, SLICE("application/json"), SLICE("{}"), API_NONE };
}

/* ---- nodes ---- */

/* Strategic merge of status.conditions: by type. Other parts of a status are not for us to write.
 * */
static void merge_conditions(struct api *api, struct arena *arena, uint32_t row,
                             const struct doc *body, struct api_response *ret)
{
    const struct doc *one = doc_first(doc_at(body, "status", "conditions"));

    for (; one; one = one->next) {
        struct slice type = doc_text(doc_get(one, "type"));
        struct api_node *node = &api->nodes[row];
        uint64_t since = 0;
        if (type.len == 0) {
            refuse(arena, 422, "Invalid", "status.conditions[].type: Required value", ret);
            return;
        }
        api_node_condition(api, row, type, doc_text(doc_get(one, "status")),
                           doc_text(doc_get(one, "reason")), doc_text(doc_get(one, "message")));
        if (timestamp_parse(doc_text(doc_get(one, "lastTransitionTime")), &since) == ERR_OK) {
            for (uint32_t i = 0; i < node->condition_count; i++) {
                if (slice_eq(node->conditions[i].type, type)) {
                    node->conditions[i].since_wall_ns = since;
                }
            }
        }
    }
    api_node_touched(api, row);
    node_done(api, arena, row, ret);
}

/* "/spec/taints", "/spec/taints/-", "/spec/taints/2", "/spec/taints/2/key" */
struct pointer {
    bool list, append, key;
    uint64_t at;
};

static bool read_pointer(struct slice path, struct pointer *ret)
{
    struct slice prefix = SLICE("/spec/taints");

    *ret = (struct pointer){ 0 };
    if (!slice_starts(path, prefix)) {
        return false;
    }
    struct slice rest = { path.data + prefix.len, path.len - prefix.len };
    if (rest.len == 0) {
        ret->list = true;
        return true;
    }
    (void)slice_cut(&rest, '/');
    struct slice at = slice_cut(&rest, '/');
    ret->append = slice_is(at, "-");
    ret->key = slice_is(rest, "key");
    return (ret->append || slice_u64(at, UINT32_MAX, &ret->at) == ERR_OK) &&
           (rest.len == 0 || ret->key);
}

static bool add_taint(struct api *api, uint32_t row, const struct doc *value)
{
    struct api_taint taint = { doc_text(doc_get(value, "key")), doc_text(doc_get(value, "value")),
                               doc_text(doc_get(value, "effect")) };

    return taint.key.len > 0 && taint.effect.len > 0 && api_node_taint(api, row, &taint);
}

static bool add(struct api *api, uint32_t row, const struct pointer *at, const struct doc *value)
{
    struct api_node *node = &api->nodes[row];

    if (at->append) {
        /* Appending to a list that is not there is an error in RFC 6902. */
        return node->taint_count > 0 && add_taint(api, row, value);
    }
    if (!at->list) {
        return false;
    }
    node->taint_count = 0;
    for (const struct doc *one = doc_first(value); one; one = one->next) {
        if (!add_taint(api, row, one)) {
            return false;
        }
    }
    return true;
}

static bool apply_op(struct api *api, uint32_t row, const struct doc *op)
{
    struct api_node *node = &api->nodes[row];
    struct slice name = doc_text(doc_get(op, "op"));
    const struct doc *value = doc_get(op, "value");
    struct pointer at;

    if (!read_pointer(doc_text(doc_get(op, "path")), &at)) {
        return false;
    }
    if (slice_is(name, "test")) {
        if (at.list) {
            return !value && node->taint_count == 0; /* null: not there */
        }
        return at.key && at.at < node->taint_count &&
               slice_eq(node->taints[at.at].key, doc_text(value));
    }
    if (slice_is(name, "remove")) {
        if (at.list || at.key || at.at >= node->taint_count) {
            return false;
        }
        return api_node_untaint(api, row, node->taints[at.at].key);
    }
    return slice_is(name, "add") && add(api, row, &at, value);
}

/* All of it or nothing. */
static void patch_taints(struct api *api, struct arena *arena, uint32_t row, const struct doc *body,
                         struct api_response *ret)
{
    struct api_node *node = &api->nodes[row];
    struct api_taint before[API_TAINTS_MAX];
    uint32_t count = node->taint_count;

    memcpy(before, node->taints, sizeof(before));
    for (const struct doc *op = doc_first(body); op; op = op->next) {
        if (!apply_op(api, row, op)) {
            memcpy(node->taints, before, sizeof(before));
            node->taint_count = count;
            refuse(arena, 422, "Invalid", "the server rejected our request due to an error in it",
                   ret);
            return;
        }
    }
    api_node_touched(api, row);
    node_done(api, arena, row, ret);
}

static void patch_node(struct api *api, struct arena *arena, struct slice name,
                       struct slice subresource, const struct api_request *request,
                       const struct doc *body, struct api_response *ret)
{
    uint32_t row = index_find(&api->node_index, api->nodes, name);

    if (row == INDEX_NONE) {
        missing(arena, name, ret);
    } else if (slice_is(request->content_type, "application/strategic-merge-patch+json") &&
               slice_is(subresource, "status")) {
        merge_conditions(api, arena, row, body, ret);
    } else if (slice_is(request->content_type, "application/json-patch+json") &&
               subresource.len == 0) {
        patch_taints(api, arena, row, body, ret);
    } else {
        refuse(arena, 415, "UnsupportedMediaType",
               "the body of the request was in an unknown format", ret);
    }
}

/* ---- a SubnetPool's status by server-side apply: one owner, so what it applies is the status
 * ---- */

static void apply_status(struct api *api, struct arena *arena, struct slice name,
                         const struct api_request *request, const struct doc *body,
                         struct api_response *ret)
{
    uint32_t row = api_object_find(api, API_POOLS, SLICE(""), name);
    struct slice uid = doc_text(doc_at(body, "metadata", "uid"));
    struct buf status;

    if (!slice_is(request->content_type, "application/apply-patch+yaml") ||
        !slice_contains(request->target, SLICE("fieldManager="))) {
        refuse(arena, 400, "BadRequest", "PatchOptions.fieldManager: is required for apply patch",
               ret);
        return;
    }
    if (row == API_NONE) {
        missing(arena, name, ret);
        return;
    }
    struct api_object *object = &api->objects[row];
    struct slice own = arena_printf(arena, "%08x-0000-4000-8000-%012llx",
                                    (unsigned)(object->uid >> 32),
                                    (unsigned long long)(object->uid & UINT64_C(0xffffffffffff)));
    if (uid.len > 0 && !slice_eq(uid, own)) {
        refuse(arena, 409, "Conflict", "Precondition failed: UID in precondition", ret);
        return;
    }
    buf_init(&status, BODY_MAX);
    json_of(doc_get(body, "status"), &status);
    if (!slice_eq(buf_slice(&status), buf_slice(&object->status))) {
        buf_reset(&object->status);
        buf_add_slice(&object->status, buf_slice(&status));
        api_object_touched(api, row);
    }
    buf_done(&status);
    done(api, arena, 200, object, ret);
}

/* ---- all of them ---- */

void api_write(struct api *api, struct arena *arena, enum api_kind kind, struct slice namespace,
               struct slice name, struct slice subresource, const struct api_request *request,
               struct api_response *ret)
{
    const struct doc *body = NULL;
    bool post = strcmp(request->method, "POST") == 0, put = strcmp(request->method, "PUT") == 0;
    bool patch = strcmp(request->method, "PATCH") == 0;

    if (json_parse(arena, request->body, NULL, &body, NULL) != ERR_OK) {
        refuse(arena, 400, "BadRequest", "the body is no JSON", ret);
    } else if (kind == API_LEASES && post && name.len == 0) {
        create_lease(api, arena, namespace, body, ret);
    } else if (kind == API_LEASES && put) {
        replace_lease(api, arena, namespace, name, body, ret);
    } else if (kind == API_EVENTS && post && name.len == 0) {
        create_event(api, arena, body, ret);
    } else if (kind == API_EVENTS && patch) {
        patch_event(api, arena, name, ret);
    } else if (kind == API_NODES && patch) {
        patch_node(api, arena, name, subresource, request, body, ret);
    } else if (kind == API_POOLS && patch && slice_is(subresource, "status")) {
        apply_status(api, arena, name, request, body, ret);
    } else {
        refuse(arena, 405, "MethodNotAllowed", "the server does not allow this method", ret);
    }
}
