/*
 * report.c - the plan as one JSON document: what --once -o json prints.
 *
 * Knows its shape, which docs/plan.md describes; a pool's status has the fields of the CRD. Refuses
 * to know how the plan came about.
 */
#include <headroom/json.h>
#include <headroom/run.h>
#include <headroom/timestamp.h>

static void field_time(struct json_out *json, const char *key, uint64_t wall_ns)
{
    char text[TIMESTAMP_MAX];

    if (wall_ns > 0) {
        json_field_text(json, key, timestamp_format(wall_ns, 0, text));
    }
}

static void field_duration(struct json_out *json, const char *key, uint32_t seconds)
{
    if (seconds == FORECAST_NEVER_S) {
        return;
    }
    json_key(json, key);
    if (seconds >= 3600) {
        json_textf(json, "%uh%um", seconds / 3600, seconds / 60 % 60);
    } else if (seconds >= 60) {
        json_textf(json, "%um%us", seconds / 60, seconds % 60);
    } else {
        json_textf(json, "%us", seconds);
    }
}

static void add_conditions(struct json_out *json, const struct pool_status *status)
{
    static const char *const values[] = {
        [CONDITION_UNKNOWN] = "Unknown",
        [CONDITION_TRUE] = "True",
        [CONDITION_FALSE] = "False",
    };

    json_key(json, "conditions");
    json_begin_array(json);
    for (int i = 0; i < POOL_CONDITIONS; i++) {
        const struct condition *condition = &status->conditions[i];
        if (!condition->type) {
            continue;
        }
        json_begin_object(json);
        json_field_text(json, "type", slice_of(condition->type));
        json_field_text(json, "status", slice_of(values[condition->value]));
        json_field_text(json, "reason", slice_of(condition->reason));
        json_field_text(json, "message", condition->message);
        field_time(json, "lastTransitionTime", condition->since_wall_ns);
        json_end_object(json);
    }
    json_end_array(json);
}

static void add_subnet(struct json_out *json, const struct subnet_status *subnet)
{
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
    field_duration(json, "exhaustedIn", subnet->exhausted_in_s);
    field_time(json, "observedAt", subnet->observed_wall_ns);
    json_end_object(json);
}

static void add_zone(struct json_out *json, const struct zone_status *zone)
{
    json_begin_object(json);
    json_field_text(json, "zone", zone->zone);
    json_field_u64(json, "subnets", zone->subnets);
    json_field_u64(json, "total", zone->total);
    json_field_u64(json, "free", zone->free);
    json_field_u64(json, "nodes", zone->nodes);
    json_end_object(json);
}

static void add_pool(struct json_out *json, const struct pool_status *status)
{
    json_begin_object(json);
    json_field_text(json, "name", status->name);
    json_key(json, "status");
    json_begin_object(json);
    json_key(json, "observedGeneration");
    json_i64(json, status->observed_generation);
    add_conditions(json, status);
    json_key(json, "subnets");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        add_subnet(json, &status->subnets[i]);
    }
    json_end_array(json);
    json_key(json, "zones");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->zone_count; i++) {
        add_zone(json, &status->zones[i]);
    }
    json_end_array(json);
    json_key(json, "nodes");
    json_begin_object(json);
    json_field_u64(json, "total", status->nodes_total);
    json_field_u64(json, "covered", status->nodes_covered);
    json_field_u64(json, "atRisk", status->nodes_at_risk);
    json_field_u64(json, "exhausted", status->nodes_exhausted);
    json_end_object(json);
    json_end_object(json);
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
    field_duration(json, "stallIn", decision->stall_in_s);
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
