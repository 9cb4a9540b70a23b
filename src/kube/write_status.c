/*
 * write_status.c - a SubnetPool's status, by server-side apply under our own name.
 *
 * Knows the request and what its answer means. Refuses to know when a change matters, which is the
 * planner's.
 */
#include <headroom/pool_status.h>

#include "core.h"

enum { TOTAL_MS = 10000 };

void write_status_body(const struct pool_status *status, struct buf *out)
{
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("headroom.dev/v1alpha1"));
    json_field_text(&json, "kind", SLICE("SubnetPool"));
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", status->name);
    if (status->uid.len > 0) {
        json_field_text(&json, "uid", status->uid); /* not to a namesake that came later */
    }
    json_end_object(&json);
    json_key(&json, "status");
    pool_status_json(&json, status);
    json_end_object(&json);
}

static void on_applied(struct kube *kube, void *owner, const struct answer *answer)
{
    struct write *write = owner;

    if (answer->status == 200 || answer->status == 201) {
        writer_finish(kube, write);
        return;
    }
    writer_failed(kube, write, answer, "write a SubnetPool's status",
                  "patch on subnetpools/status in headroom.dev");
}

void write_status_send(struct kube *kube, struct write *write)
{
    struct request_spec spec = {
        .method = "PATCH",
        .path = arena_printf(
            &kube->step,
            "/apis/headroom.dev/v1alpha1/subnetpools/%s/status?fieldManager=" FIELD_MANAGER
            "&force=true",
            write->name),
        .content_type = "application/apply-patch+yaml",
        .body = buf_slice(&write->text),
        .total_ms = TOTAL_MS,
        .on_done = on_applied,
        .owner = write,
    };

    write->request = request_http(kube, &spec);
}
