/*
 * state.c - a snapshot as JSON: what the page draws and `headroom status` prints. docs/ describes
 * it field by field.
 *
 * Knows the names that users see. Refuses to know who reads it. Times are RFC 3339, durations are
 * seconds, an unknown or endless one is null.
 */
#include <headroom/pool_status.h>
#include <headroom/timestamp.h>
#include <headroom/web.h>

#include "state.h"

static void field_time(struct json_out *json, const char *key, uint64_t wall_ns)
{
    char text[TIMESTAMP_MAX];

    json_key(json, key);
    if (wall_ns == 0) {
        json_null(json);
    } else {
        json_string(json, timestamp_format(wall_ns, 3, text));
    }
}

static void field_seconds(struct json_out *json, const char *key, uint32_t seconds)
{
    json_key(json, key);
    if (seconds == FORECAST_NEVER_S) {
        json_null(json);
    } else {
        json_u64(json, seconds);
    }
}

static void field_literal(struct json_out *json, const char *key, const char *text)
{
    json_field_text(json, key, slice_of(text ? text : ""));
}

static void add_subnet(struct rows *rows, struct json_out *json, const struct subnet_status *subnet)
{
    row_begin(rows, json, "id", aws_id_slice(&subnet->id));
    pool_status_subnet_fields(json, subnet);
    field_seconds(json, "exhaustedIn", subnet->exhausted_in_s);
    field_time(json, "observedAt", subnet->observed_wall_ns);
    row_end(rows, json);
}

static void add_pool(struct rows *rows, struct json_out *json, const struct pool_status *pool)
{
    json_begin_object(json);
    json_field_text(json, "name", pool->name);
    json_field_u64(json, "free", pool->free);
    json_field_u64(json, "inFlight", pool->in_flight);
    json_field_u64(json, "lowSubnets", pool->low_subnets);
    pool_status_nodes(json, pool);
    pool_status_conditions(json, pool);
    pool_status_zones(json, pool);
    json_key(json, "subnets");
    json_begin_array(json);
    rows_list(rows, pool->name);
    for (uint32_t i = 0; i < pool->subnet_count; i++) {
        add_subnet(rows, json, &pool->subnets[i]);
    }
    json_end_array(json);
    json_end_object(json);
}

static void add_node(struct rows *rows, struct json_out *json, const struct snapshot_node *node)
{
    row_begin(rows, json, "name", node->name);
    json_field_text(json, "zone", node->zone);
    json_field_text(json, "pool", node->pool);
    field_literal(json, "decision", plan_decision_name(node->kind));
    field_literal(json, "text", plan_decision_text(node->kind));
    json_field_text(json, "detail", node->detail);
    json_field_u64(json, "addresses", node->addresses);
    json_field_u64(json, "holding", node->holding);
    json_field_u64(json, "waiting", node->waiting);
    json_field_u64(json, "enis", node->enis);
    json_field_u64(json, "eniLimit", node->eni_limit);
    field_seconds(json, "stallIn", node->stall_in_s);
    row_end(rows, json);
}

static void add_nodes(struct rows *rows, struct json_out *json, const struct snapshot *snapshot,
                      uint32_t nodes_max)
{
    json_field_u64(json, "nodeTotal", snapshot->node_total);
    json_field_u64(json, "podsWaiting", snapshot->pods_waiting);
    json_key(json, "decisions");
    json_begin_object(json);
    for (uint32_t i = 0; i < sizeof(snapshot->decisions) / sizeof(snapshot->decisions[0]); i++) {
        if (snapshot->decisions[i] > 0) {
            json_field_u64(json, plan_decision_name((enum plan_decision_kind)i),
                           snapshot->decisions[i]);
        }
    }
    json_end_object(json);
    json_key(json, "nodes");
    json_begin_array(json);
    rows_list(rows, SLICE("nodes"));
    for (uint32_t i = 0; i < snapshot->node_count && i < nodes_max; i++) {
        add_node(rows, json, &snapshot->nodes[i]);
    }
    json_end_array(json);
}

/* The newest so many. */
static void add_happenings(struct rows *rows, struct json_out *json,
                           const struct snapshot *snapshot, uint32_t max)
{
    json_key(json, "happenings");
    json_begin_array(json);
    rows_list(rows, SLICE("happenings"));
    uint32_t first = snapshot->happening_count > max ? snapshot->happening_count - max : 0;
    for (uint32_t i = first; i < snapshot->happening_count; i++) {
        const struct happening *happening = &snapshot->happenings[i];
        row_begin_number(rows, json, "sequence", happening->sequence);
        field_time(json, "time", happening->wall_ns);
        field_literal(json, "type", happening->warning ? "Warning" : "Normal");
        field_literal(json, "reason", happening->reason);
        field_literal(json, "on", happening->on_node ? "Node" : "SubnetPool");
        json_field_text(json, "name", happening->name);
        json_field_text(json, "message", happening->message);
        row_end(rows, json);
    }
    json_end_array(json);
}

static void add_ec2_action(struct rows *rows, struct json_out *json,
                           const struct ec2_action_stats *action)
{
    row_begin(rows, json, "action", slice_of(action->action));
    json_key(json, "tokens");
    json_double(json, (double)(int64_t)(action->tokens * 10) / 10);
    json_key(json, "burst");
    json_double(json, (double)(int64_t)(action->burst * 10) / 10);
    json_key(json, "refillPerSecond");
    json_double(json, action->refill_per_s);
    json_field_u64(json, "requests", action->requests);
    json_field_u64(json, "throttled", action->throttled);
    json_field_u64(json, "failed", action->failed);
    row_end(rows, json);
}

static void add_ec2(struct rows *rows, struct json_out *json, const struct ec2_stats *ec2)
{
    json_key(json, "ec2");
    json_begin_object(json);
    field_literal(json, "region", ec2->region);
    field_literal(json, "endpoint", ec2->endpoint);
    field_literal(json, "identity", ec2->identity_source);
    field_time(json, "identityExpiresAt", ec2->identity_expires_wall_ns);
    json_key(json, "clockSkewMs");
    json_i64(json, ec2->clock_skew_ms);
    json_key(json, "queued");
    json_begin_object(json);
    json_field_u64(json, "waiting", ec2->queued[URGENT_WAITING]);
    json_field_u64(json, "forecast", ec2->queued[URGENT_FORECAST]);
    json_field_u64(json, "refresh", ec2->queued[URGENT_REFRESH]);
    json_end_object(json);
    json_key(json, "actions");
    json_begin_array(json);
    rows_list(rows, SLICE("actions"));
    for (uint32_t i = 0; i < ec2->action_count; i++) {
        add_ec2_action(rows, json, &ec2->actions[i]);
    }
    json_end_array(json);
    json_end_object(json);
}

static void add_kube(struct json_out *json, const struct kube_stats *kube)
{
    json_key(json, "kubernetes");
    json_begin_object(json);
    json_field_u64(json, "nodes", kube->nodes);
    json_field_u64(json, "pods", kube->pods);
    json_field_u64(json, "pools", kube->pools);
    json_field_u64(json, "watchEvents", kube->watch_events);
    json_field_u64(json, "writes", kube->writes);
    json_field_u64(json, "writeErrors", kube->write_errors);
    field_literal(json, "lastError", kube->last_error);
    json_end_object(json);
}

static void write_state(const struct snapshot *snapshot, uint32_t rows_max, struct rows *rows,
                        struct buf *out)
{
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    field_literal(&json, "apiVersion", "headroom.dev/v1alpha1");
    field_literal(&json, "kind", "State");
    json_field_u64(&json, "sequence", snapshot->sequence);
    field_time(&json, "time", snapshot->wall_ns);
    field_time(&json, "startedAt", snapshot->started_wall_ns);
    json_field_text(&json, "version", snapshot->version);
    json_field_text(&json, "cluster", snapshot->cluster_name);
    json_field_bool(&json, "ready", snapshot->ready);
    json_field_text(&json, "notReadyBecause", snapshot->not_ready_because);
    json_field_bool(&json, "leader", snapshot->leader);
    field_literal(&json, "leaderIdentity", snapshot->kube.leader_identity);
    json_field_bool(&json, "dryRun", snapshot->dry_run);
    json_field_u64(&json, "enisAttached", snapshot->enis_attached);
    json_field_u64(&json, "enisFailed", snapshot->enis_failed);
    json_field_u64(&json, "enisDeleted", snapshot->enis_deleted);
    json_key(&json, "pools");
    json_begin_array(&json);
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        add_pool(rows, &json, &snapshot->pools[i]);
    }
    json_end_array(&json);
    add_nodes(rows, &json, snapshot, rows_max);
    add_happenings(rows, &json, snapshot, rows_max);
    add_ec2(rows, &json, &snapshot->ec2);
    add_kube(&json, &snapshot->kube);
    json_end_object(&json);
    buf_add_char(out, '\n');
}

void web_state(const struct snapshot *snapshot, struct buf *out)
{
    write_state(snapshot, UINT32_MAX, NULL, out);
}

void state_brief(const struct snapshot *snapshot, struct rows *rows, struct buf *out)
{
    write_state(snapshot, STATE_BRIEF_ROWS, rows, out);
}
