/*
 * write_status.c - a SubnetPool's status, by server-side apply under our own name.
 *
 * Knows the status' fields as crds/ has them. Refuses to know when a change matters, which is the
 * planner's.
 */
#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "core.h"

enum { TOTAL_MS = 10000 };

/* maxItems of the CRD. */
enum { SUBNETS_SHOWN = 1000, ZONES_SHOWN = 100 };

static void write_conditions(struct json_out *json, const struct pool_status *status)
{
    static const char *const values[] = { "Unknown", "True", "False" };
    char time[TIMESTAMP_MAX];

    json_key(json, "conditions");
    json_begin_array(json);
    for (uint32_t i = 0; i < POOL_CONDITIONS; i++) {
        const struct condition *condition = &status->conditions[i];
        if (!condition->type) {
            continue;
        }
        json_begin_object(json);
        json_field_text(json, "type", slice_of(condition->type));
        json_field_text(json, "status", slice_of(values[condition->value]));
        json_field_text(json, "reason", slice_of(condition->reason));
        json_field_text(json, "message", condition->message);
        json_field_text(json, "lastTransitionTime",
                        timestamp_format(condition->since_wall_ns, 0, time));
        json_field_u64(json, "observedGeneration", (uint64_t)status->observed_generation);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_duration(struct json_out *json, const char *key, uint32_t seconds)
{
    json_key(json, key);
    if (seconds >= 3600) {
        json_textf(json, "%uh%um", seconds / 3600, seconds / 60 % 60);
    } else if (seconds >= 60) {
        json_textf(json, "%um%us", seconds / 60, seconds % 60);
    } else {
        json_textf(json, "%us", seconds);
    }
}

static void write_subnet(struct json_out *json, const struct subnet_status *subnet)
{
    char time[TIMESTAMP_MAX];
    uint32_t base = subnet->cidr.base;

    json_begin_object(json);
    json_field_text(json, "id", aws_id_slice(&subnet->id));
    json_field_text(json, "zone", subnet->zone);
    json_key(json, "cidr");
    json_textf(json, "%u.%u.%u.%u/%u", base >> 24, base >> 16 & 255, base >> 8 & 255, base & 255,
               subnet->cidr.bits);
    json_field_u64(json, "total", subnet->total);
    json_field_u64(json, "free", subnet->free);
    json_field_u64(json, "freePrefixes", subnet->free_prefixes);
    json_field_u64(json, "inFlight", subnet->in_flight);
    json_field_text(json, "state", slice_of(subnet_state_name(subnet->state)));
    if (subnet->exhausted_in_s != FORECAST_NEVER_S) {
        write_duration(json, "exhaustedIn", subnet->exhausted_in_s);
    }
    if (subnet->observed_wall_ns > 0) {
        json_field_text(json, "observedAt", timestamp_format(subnet->observed_wall_ns, 0, time));
    }
    json_end_object(json);
}

static void write_zones(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "zones");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->zone_count && i < ZONES_SHOWN; i++) {
        const struct zone_status *zone = &status->zones[i];
        json_begin_object(json);
        json_field_text(json, "zone", zone->zone);
        json_field_u64(json, "subnets", zone->subnets);
        json_field_u64(json, "total", zone->total);
        json_field_u64(json, "free", zone->free);
        json_field_u64(json, "nodes", zone->nodes);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_totals(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "nodes");
    json_begin_object(json);
    json_field_u64(json, "total", status->nodes_total);
    json_field_u64(json, "covered", status->nodes_covered);
    json_field_u64(json, "atRisk", status->nodes_at_risk);
    json_field_u64(json, "exhausted", status->nodes_exhausted);
    json_end_object(json);
    json_key(json, "summary");
    json_begin_object(json);
    json_field_u64(json, "subnets", status->subnet_count);
    json_field_u64(json, "free", status->free);
    json_field_u64(json, "low", status->low_subnets);
    json_field_u64(json, "inFlight", status->in_flight);
    json_end_object(json);
}

void write_status_body(struct kube *kube, const struct pool_status *status, struct buf *out)
{
    struct json_out json;

    (void)kube;
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
    json_begin_object(&json);
    json_field_u64(&json, "observedGeneration", (uint64_t)status->observed_generation);
    write_conditions(&json, status);
    json_key(&json, "subnets");
    json_begin_array(&json);
    for (uint32_t i = 0; i < status->subnet_count && i < SUBNETS_SHOWN; i++) {
        write_subnet(&json, &status->subnets[i]);
    }
    json_end_array(&json);
    write_zones(&json, status);
    write_totals(&json, status);
    json_end_object(&json);
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
