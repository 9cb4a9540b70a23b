/*
 * write_node.c - our condition and our taint on a node, and nothing of anybody else's.
 *
 * Reads the node first: an unchanged wish is not written, a condition keeps its transition time
 * while its status stays, and a taint is added to or removed from a list that others write too. A
 * list that changed in between fails the patch's test, and all begins anew.
 */
#include <headroom/json.h>
#include <headroom/timestamp.h>

#include <stdio.h>

#include "core.h"

enum { PATCH_MAX = 64 << 10, TOTAL_MS = 10000 };

#define EFFECT "NoSchedule"

static struct slice node_path(struct kube *kube, const struct write *write, const char *more)
{
    return arena_printf(&kube->step, "/api/v1/nodes/%s%s", write->name, more);
}

static const char *what_of(const struct write *write)
{
    return write->kind == WRITE_TAINT ? "taint a node" : "write a node's condition";
}

static const char *rule_of(const struct write *write)
{
    return write->kind == WRITE_TAINT ? "get and patch on nodes"
                                      : "get on nodes, patch on nodes/status";
}

static void on_patched(struct kube *kube, void *owner, const struct answer *answer)
{
    struct write *write = owner;
    struct answer judged = *answer;

    if (answer->status == 200) {
        writer_finish(kube, write);
        return;
    }
    /* The test of the patch did not hold: the same as a conflict. */
    if (answer->status == 422 && write->kind == WRITE_TAINT && write->attempt < 8) {
        judged.status = 409;
    }
    writer_failed(kube, write, &judged, what_of(write), rule_of(write));
}

static void patch(struct kube *kube, struct write *write, const char *subresource,
                  const char *content_type, const struct buf *body)
{
    struct request_spec spec = {
        .method = "PATCH",
        .path = arena_printf(&kube->step, "/api/v1/nodes/%s%s?fieldManager=" FIELD_MANAGER,
                             write->name, subresource),
        .content_type = content_type,
        .body = buf_slice(body),
        .total_ms = TOTAL_MS,
        .on_done = on_patched,
        .owner = write,
    };

    write->request = request_http(kube, &spec);
}

/* ---- the condition ---- */

static const struct doc *find_member(const struct doc *list, const char *key, const char *value)
{
    const struct doc *item = doc_first(list);

    while (item && !slice_is(doc_text(doc_get(item, key)), value)) {
        item = item->next;
    }
    return item;
}

static void write_condition(struct kube *kube, const struct write *write,
                            const struct doc *condition, struct buf *out)
{
    struct slice status = write->set ? SLICE("False") : SLICE("True");
    bool same = slice_eq(doc_text(doc_get(condition, "status")), status);
    char now[TIMESTAMP_MAX];
    struct slice time = timestamp_format(kube->wall_ns, 0, now);
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_key(&json, "status");
    json_begin_object(&json);
    json_key(&json, "conditions");
    json_begin_array(&json);
    json_begin_object(&json);
    json_field_text(&json, "type", SLICE(NODE_CONDITION));
    json_field_text(&json, "status", status);
    json_field_text(&json, "reason", slice_of(write->reason));
    json_field_text(&json, "message", buf_slice(&write->text));
    json_field_text(&json, "lastHeartbeatTime", time);
    json_field_text(&json, "lastTransitionTime",
                    same ? doc_text_or(doc_get(condition, "lastTransitionTime"), time) : time);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    json_end_object(&json);
}

static bool condition_holds(const struct write *write, const struct doc *condition)
{
    return condition &&
           slice_is(doc_text(doc_get(condition, "status")), write->set ? "False" : "True") &&
           slice_eq(doc_text(doc_get(condition, "reason")), slice_of(write->reason)) &&
           slice_eq(doc_text(doc_get(condition, "message")), buf_slice(&write->text));
}

static void send_condition(struct kube *kube, struct write *write, const struct doc *node)
{
    const struct doc *condition = find_member(doc_at(node, "status", "conditions"), "type",
                                              NODE_CONDITION);
    struct buf body;

    if (condition_holds(write, condition)) {
        writer_finish(kube, write);
        return;
    }
    buf_init(&body, PATCH_MAX);
    write_condition(kube, write, condition, &body);
    patch(kube, write, "/status", "application/strategic-merge-patch+json", &body);
    buf_done(&body);
}

/* ---- the taint ---- */

static void write_op(struct json_out *json, const char *op, const char *path)
{
    json_begin_object(json);
    json_field_text(json, "op", slice_of(op));
    json_field_text(json, "path", slice_of(path));
}

static void write_taint(struct json_out *json)
{
    json_begin_object(json);
    json_field_text(json, "key", SLICE(NODE_TAINT));
    json_field_text(json, "effect", SLICE(EFFECT));
    json_end_object(json);
}

/* To a list that is there the taint is appended; a first one brings the list, if there still is
 * none. */
static void write_add(struct json_out *json, bool list_is_there)
{
    if (list_is_there) {
        write_op(json, "add", "/spec/taints/-");
        json_key(json, "value");
        write_taint(json);
    } else {
        write_op(json, "test", "/spec/taints");
        json_key(json, "value");
        json_null(json);
        json_end_object(json);
        write_op(json, "add", "/spec/taints");
        json_key(json, "value");
        json_begin_array(json);
        write_taint(json);
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_remove(struct json_out *json, uint32_t at)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/spec/taints/%u/key", at);
    write_op(json, "test", path);
    json_field_text(json, "value", SLICE(NODE_TAINT));
    json_end_object(json);
    (void)snprintf(path, sizeof(path), "/spec/taints/%u", at);
    write_op(json, "remove", path);
    json_end_object(json);
}

static void send_taint(struct kube *kube, struct write *write, const struct doc *node)
{
    const struct doc *taints = doc_at(node, "spec", "taints");
    uint32_t at = 0;
    const struct doc *taint = doc_first(taints);
    struct json_out json;
    struct buf body;

    for (; taint && !slice_is(doc_text(doc_get(taint, "key")), NODE_TAINT); taint = taint->next) {
        at++;
    }
    if ((taint != NULL) == write->set) {
        writer_finish(kube, write);
        return;
    }
    buf_init(&body, PATCH_MAX);
    json_start(&json, &body);
    json_begin_array(&json);
    if (write->set) {
        write_add(&json, doc_count(taints) > 0);
    } else {
        write_remove(&json, at);
    }
    json_end_array(&json);
    patch(kube, write, "", "application/json-patch+json", &body);
    buf_done(&body);
}

/* ---- reading first ---- */

static void on_read(struct kube *kube, void *owner, const struct answer *answer)
{
    struct write *write = owner;
    const struct doc *node = NULL;

    if (answer->status != 200 || answer->error.code != ERR_OK) {
        writer_failed(kube, write, answer, what_of(write), rule_of(write));
        return;
    }
    if (json_parse(&kube->step, answer->body, NULL, &node, NULL) != ERR_OK) {
        writer_failed(kube, write, answer, what_of(write), rule_of(write));
        return;
    }
    /* What is wished now is sent now. */
    write->again = false;
    if (write->kind == WRITE_TAINT) {
        send_taint(kube, write, node);
    } else {
        send_condition(kube, write, node);
    }
}

void write_node_send(struct kube *kube, struct write *write)
{
    struct request_spec spec = {
        .method = "GET",
        .path = node_path(kube, write, ""),
        .total_ms = TOTAL_MS,
        .on_done = on_read,
        .owner = write,
    };

    write->request = request_http(kube, &spec);
}
