/*
 * report.c - the plan as one JSON document: what --once -o json prints.
 *
 * Knows its shape, which docs/plan.md describes; a pool's status has the fields of the CRD. Refuses
 * to know how the plan came about.
 */
#include <headroom/pool_status.h>
#include <headroom/run.h>
#include <headroom/timestamp.h>

static void field_time(struct json_out *json, const char *key, uint64_t wall_ns)
{
    char text[TIMESTAMP_MAX];

    if (wall_ns > 0) {
        json_field_text(json, key, timestamp_format(wall_ns, 0, text));
    }
}

static void add_pool(struct json_out *json, const struct pool_status *status)
{
    json_begin_object(json);
    json_field_text(json, "name", status->name);
    json_key(json, "status");
    pool_status_json(json, status);
    json_end_object(json);
}

static void add_node(struct json_out *json, const struct plan_decision *decision)
{
    json_begin_object(json);
    json_field_text(json, "name", decision->node);
    json_field_text(json, "pool", decision->pool);
    json_field_text(json, "zone", decision->zone);
    json_field_text(json, "instance", aws_id_slice(&decision->instance));
    json_field_text(json, "instanceType", decision->instance_type);
    json_field_text(json, "decision", slice_of(plan_decision_name(decision->kind)));
    json_field_text(json, "reason",
                    decision->detail.len > 0 ? decision->detail
                                             : slice_of(plan_decision_text(decision->kind)));
    json_key(json, "inputs");
    json_begin_object(json);
    json_field_u64(json, "addresses", decision->addresses);
    json_field_u64(json, "holding", decision->holding);
    json_field_u64(json, "waiting", decision->waiting);
    json_field_u64(json, "available", decision->avail);
    json_field_u64(json, "warmTarget", decision->warm_target);
    json_field_u64(json, "enis", decision->enis);
    json_field_u64(json, "eniLimit", decision->eni_limit);
    json_field_bool(json, "low", decision->low);
    json_field_bool(json, "agentCanGrow", decision->agent_can_grow);
    pool_status_forecast(json, "stallIn", decision->stall_in_s);
    json_end_object(json);
    json_end_object(json);
}

/* An ENI, or more addresses for one: what a run without --dry-run would ask EC2 for first. */
static bool is_action(const struct plan_decision *decision)
{
    return decision->subnet.text[0] != '\0' &&
           (decision->kind == PLAN_DECISION_DryRun || decision->kind == PLAN_DECISION_Attach ||
            decision->kind == PLAN_DECISION_Assign);
}

static void add_action(struct json_out *json, const struct plan_decision *decision)
{
    json_begin_object(json);
    json_field_text(json, "node", decision->node);
    json_field_text(json, "instance", aws_id_slice(&decision->instance));
    json_field_text(json, "subnet", aws_id_slice(&decision->subnet));
    json_field_u64(json, "deviceIndex", decision->device_index);
    json_field_u64(json, "ips", decision->ips);
    json_field_u64(json, "prefixes", decision->prefixes);
    json_end_object(json);
}

static void add_pools(struct json_out *json, struct planner *planner)
{
    struct pool_status status;

    json_key(json, "pools");
    json_begin_array(json);
    for (uint32_t i = 0; plan_pool_status_at(planner, i, &status); i++) {
        add_pool(json, &status);
    }
    json_end_array(json);
}

void run_report_json(struct engine *engine, struct slice cluster_name, uint64_t wall_ns,
                     struct buf *out)
{
    struct planner *planner = engine_planner(engine);
    struct plan_decision decision;
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("headroom.dev/v1alpha1"));
    json_field_text(&json, "kind", SLICE("Plan"));
    field_time(&json, "generatedAt", wall_ns);
    json_field_text(&json, "cluster", cluster_name);
    add_pools(&json, planner);
    json_key(&json, "nodes");
    json_begin_array(&json);
    for (uint32_t i = 0; plan_decision_at(planner, i, &decision); i++) {
        add_node(&json, &decision);
    }
    json_end_array(&json);
    json_key(&json, "actions");
    json_begin_array(&json);
    for (uint32_t i = 0; plan_decision_at(planner, i, &decision); i++) {
        if (is_action(&decision)) {
            add_action(&json, &decision);
        }
    }
    json_end_array(&json);
    json_end_object(&json);
    buf_add_char(out, '\n');
}
