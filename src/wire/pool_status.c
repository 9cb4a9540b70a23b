/*
 * pool_status.c - a SubnetPool's status as JSON.
 *
 * Knows the status' fields as crds/ has them: the API server and the readers of a printed plan get
 * the same. Refuses to know when a change matters, which is the planner's.
 */
#include <headroom/pool_status.h>
#include <headroom/timestamp.h>

static void write_time(struct json_out *json, const char *key, uint64_t wall_ns)
{
    char text[TIMESTAMP_MAX];

    json_field_text(json, key, timestamp_format(wall_ns, 0, text));
}

void pool_status_forecast(struct json_out *json, const char *key, uint32_t seconds)
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

void pool_status_conditions(struct json_out *json, const struct pool_status *status)
{
    static const char *const values[] = {
        [CONDITION_UNKNOWN] = "Unknown",
        [CONDITION_TRUE] = "True",
        [CONDITION_FALSE] = "False",
    };

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
        write_time(json, "lastTransitionTime", condition->since_wall_ns);
        json_field_u64(json, "observedGeneration", (uint64_t)status->observed_generation);
        json_end_object(json);
    }
    json_end_array(json);
}

void pool_status_subnet_fields(struct json_out *json, const struct subnet_status *subnet)
{
    uint32_t base = subnet->cidr.base;

    json_field_text(json, "zone", subnet->zone);
    json_key(json, "cidr");
    json_textf(json, "%u.%u.%u.%u/%u", base >> 24, base >> 16 & 255, base >> 8 & 255, base & 255,
               subnet->cidr.bits);
    json_field_u64(json, "total", subnet->total);
    json_field_u64(json, "free", subnet->free);
    json_field_u64(json, "freePrefixes", subnet->free_prefixes);
    json_field_u64(json, "inFlight", subnet->in_flight);
    json_field_text(json, "state", slice_of(subnet_state_name(subnet->state)));
}

static void write_subnet(struct json_out *json, const struct subnet_status *subnet)
{
    json_begin_object(json);
    json_field_text(json, "id", aws_id_slice(&subnet->id));
    pool_status_subnet_fields(json, subnet);
    pool_status_forecast(json, "exhaustedIn", subnet->exhausted_in_s);
    if (subnet->observed_wall_ns > 0) {
        write_time(json, "observedAt", subnet->observed_wall_ns);
    }
    json_end_object(json);
}

static void write_subnets(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "subnets");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->subnet_count && i < POOL_STATUS_SUBNETS_MAX; i++) {
        write_subnet(json, &status->subnets[i]);
    }
    json_end_array(json);
}

void pool_status_zones(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "zones");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->zone_count && i < POOL_STATUS_ZONES_MAX; i++) {
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

void pool_status_nodes(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "nodes");
    json_begin_object(json);
    json_field_u64(json, "total", status->nodes_total);
    json_field_u64(json, "covered", status->nodes_covered);
    json_field_u64(json, "atRisk", status->nodes_at_risk + status->nodes_exhausted);
    json_field_u64(json, "exhausted", status->nodes_exhausted);
    json_end_object(json);
}

static void write_named(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "nodesAtRisk");
    json_begin_array(json);
    for (uint32_t i = 0; i < status->named_count; i++) {
        json_begin_object(json);
        json_field_text(json, "name", status->named[i].name);
        json_field_text(json, "decision", slice_of(status->named[i].decision));
        json_field_text(json, "message", status->named[i].message);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_summary(struct json_out *json, const struct pool_status *status)
{
    json_key(json, "summary");
    json_begin_object(json);
    json_field_u64(json, "subnets", status->subnet_count);
    json_field_u64(json, "free", status->free);
    json_field_u64(json, "low", status->low_subnets);
    json_field_u64(json, "inFlight", status->in_flight);
    json_end_object(json);
}

void pool_status_json(struct json_out *json, const struct pool_status *status)
{
    json_begin_object(json);
    json_field_u64(json, "observedGeneration", (uint64_t)status->observed_generation);
    pool_status_conditions(json, status);
    write_subnets(json, status);
    pool_status_zones(json, status);
    pool_status_nodes(json, status);
    write_named(json, status);
    write_summary(json, status);
    json_end_object(json);
}
