/*
 * report.c - the modelled EC2 as JSON: state, requests, statistics.
 *
 * Shows the truth, without lag (and, beside it, what a describe would show).
 */
#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "control.h"

static void text_ip(struct json_out *json, uint32_t ip)
{
    json_textf(json, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static void text_cidr(struct json_out *json, struct cidr cidr)
{
    json_textf(json, "%u.%u.%u.%u/%u", cidr.base >> 24, cidr.base >> 16 & 255, cidr.base >> 8 & 255,
               cidr.base & 255, cidr.bits);
}

static void add_tags(struct json_out *json, const struct sim_ec2 *ec2, const struct sim_tags *tags)
{
    json_key(json, "tags");
    json_begin_object(json);
    for (uint32_t i = 0; i < tags->count; i++) {
        json_key_slice(json, sim_name(ec2, tags->items[i].key));
        json_string(json, sim_name(ec2, tags->items[i].value));
    }
    json_end_object(json);
}

static void add_subnet(struct json_out *json, const struct sim_ec2 *ec2, uint32_t row)
{
    const struct sim_subnet *subnet = &ec2->subnets[row];
    uint32_t enis = 0, tenants = 0;

    for (uint32_t at = subnet->first_eni; at != ROW_NONE; at = ec2->enis[at].next) {
        enis += ec2->enis[at].gone_ns == TIMERS_NEVER && !ec2->enis[at].tenant;
        tenants += ec2->enis[at].gone_ns == TIMERS_NEVER && ec2->enis[at].tenant
                       ? sim_eni_units(&ec2->enis[at])
                       : 0;
    }
    json_begin_object(json);
    json_field_text(json, "id", aws_id_slice(&subnet->id));
    json_field_text(json, "name", subnet->name);
    json_field_text(json, "zone", subnet->zone);
    json_key(json, "cidr");
    text_cidr(json, subnet->space.cidr);
    json_field_u64(json, "total", subnet->space.size - SPACE_OWN);
    json_field_u64(json, "free", subnet->space.free);
    json_field_u64(json, "free_as_described", sim_subnet_seen(ec2, row));
    json_field_u64(json, "free_prefixes", sim_space_free_blocks(&subnet->space));
    json_field_u64(json, "enis", enis);
    json_field_u64(json, "other_tenants", tenants);
    add_tags(json, ec2, &subnet->tags);
    json_end_object(json);
}

static void add_eni(struct json_out *json, const struct sim_ec2 *ec2, const struct sim_eni *eni)
{
    static const char *const states[] = { "available", "attaching", "attached", "detaching" };
    char attachment[40], time[TIMESTAMP_MAX];

    json_begin_object(json);
    json_field_text(json, "id", aws_id_slice(&eni->id));
    json_field_text(json, "subnet", aws_id_slice(&ec2->subnets[eni->subnet].id));
    json_field_text(json, "state",
                    slice_of(eni->tenant ? "other tenant" : states[eni->now.attach]));
    if (eni->now.instance != ROW_NONE) {
        sim_attachment_id(eni->now.attachment, attachment);
        json_field_text(json, "instance", aws_id_slice(&ec2->instances[eni->now.instance].id));
        json_field_u64(json, "device_index", eni->now.device_index);
        json_field_bool(json, "delete_on_termination", eni->now.delete_on_termination);
        json_field_text(json, "attachment", slice_of(attachment));
    }
    json_field_text(json, "created", timestamp_format(eni->created_wall_ns, 3, time));
    json_field_text(json, "description", sim_name(ec2, eni->now.description));
    json_key(json, "primary_ip");
    text_ip(json, eni->primary_ip);
    json_key(json, "ips");
    json_begin_array(json);
    for (uint32_t i = 0; i < eni->now.ips.count; i++) {
        text_ip(json, eni->now.ips.items[i]);
    }
    json_end_array(json);
    json_key(json, "prefixes");
    json_begin_array(json);
    for (uint32_t i = 0; i < eni->now.prefixes.count; i++) {
        text_cidr(json, (struct cidr){ eni->now.prefixes.items[i], 28 });
    }
    json_end_array(json);
    json_key(json, "groups");
    json_begin_array(json);
    for (uint32_t i = 0; i < eni->now.group_count; i++) {
        json_string(json, aws_id_slice(&ec2->groups[eni->now.groups[i]].id));
    }
    json_end_array(json);
    add_tags(json, ec2, &eni->now.tags);
    json_end_object(json);
}

static void add_instance(struct json_out *json, const struct sim_ec2 *ec2,
                         const struct sim_instance *instance)
{
    json_begin_object(json);
    json_field_text(json, "id", aws_id_slice(&instance->id));
    json_field_text(json, "name", instance->dns_name);
    json_field_text(json, "type", instance->type.name);
    json_field_text(json, "zone", ec2->subnets[instance->subnet].zone);
    json_field_text(json, "subnet", aws_id_slice(&ec2->subnets[instance->subnet].id));
    json_field_text(json, "state", slice_of(sim_instance_state_name(instance->state)));
    json_field_u64(json, "max_enis", instance->type.enis);
    json_field_u64(json, "ips_per_eni", instance->type.ips_per_eni);
    json_key(json, "enis");
    json_begin_array(json);
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        json_string(json, aws_id_slice(&ec2->enis[instance->enis[i]].id));
    }
    json_end_array(json);
    add_tags(json, ec2, &instance->tags);
    json_end_object(json);
}

static void add_enis(struct json_out *json, const struct sim_ec2 *ec2, bool tenants)
{
    json_key(json, "enis");
    json_begin_array(json);
    for (uint32_t i = 0; i < ec2->eni_rows; i++) {
        const struct sim_eni *eni = &ec2->enis[i];
        if (eni->used && eni->gone_ns == TIMERS_NEVER && (tenants || !eni->tenant)) {
            add_eni(json, ec2, eni);
        }
    }
    json_end_array(json);
}

bool sim_report_state(struct sim_control *control)
{
    const struct sim_ec2 *ec2 = control->ec2;
    struct json_out json;
    char time[TIMESTAMP_MAX];

    json_start(&json, &control->out);
    json_begin_object(&json);
    json_field_text(&json, "time", timestamp_format(ec2->wall_ns, 3, time));
    json_field_text(&json, "region", ec2->region);
    json_field_text(&json, "vpc", aws_id_slice(&ec2->vpc));
    json_field_u64(&json, "lag_ms", ec2->lag_ns / 1000000);
    json_key(&json, "quotas");
    json_begin_object(&json);
    json_field_u64(&json, "enis", ec2->quota_enis);
    json_field_u64(&json, "enis_used", ec2->live_enis);
    json_field_u64(&json, "nau", ec2->quota_nau);
    json_field_u64(&json, "nau_used", ec2->nau);
    json_end_object(&json);
    json_key(&json, "subnets");
    json_begin_array(&json);
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        add_subnet(&json, ec2, i);
    }
    json_end_array(&json);
    json_key(&json, "instances");
    json_begin_array(&json);
    for (uint32_t i = 0; i < ec2->instance_count; i++) {
        add_instance(&json, ec2, &ec2->instances[i]);
    }
    json_end_array(&json);
    add_enis(&json, ec2, slice_contains(control->query, SLICE("tenants=1")));
    json_end_object(&json);
    return true;
}

static uint64_t query_number(struct slice query, const char *name, uint64_t absent)
{
    uint64_t value = absent;

    while (query.len > 0) {
        struct slice text = slice_cut(&query, '&');
        struct slice key = slice_cut(&text, '=');
        if (slice_is(key, name) && slice_u64(text, UINT64_MAX, &value) != ERR_OK) {
            value = absent;
        }
    }
    return value;
}

/* {"last":7,"requests":[...]}: the next call asks since=7. */
bool sim_report_requests(struct sim_control *control)
{
    uint64_t since = query_number(control->query, "since", 0);
    uint64_t count = query_number(control->query, "count", SIM_LOG_MAX);
    uint64_t last = 0;
    bool first = true;

    struct slice lines = sim_ec2_requests(control->ec2, control->arena, since,
                                          count > SIM_LOG_MAX ? SIM_LOG_MAX : (uint32_t)count,
                                          &last);
    buf_addf(&control->out, "{\"last\":%llu,\"requests\":[", (unsigned long long)last);
    while (lines.len > 0) {
        struct slice line = slice_cut(&lines, '\n');
        if (line.len > 0) {
            buf_add_text(&control->out, first ? "\n" : ",\n");
            buf_add_slice(&control->out, line);
            first = false;
        }
    }
    buf_add_text(&control->out, "]}");
    return true;
}

bool sim_report_stats(struct sim_control *control)
{
    const struct sim_ec2 *ec2 = control->ec2;
    struct json_out json;

    json_start(&json, &control->out);
    json_begin_object(&json);
    json_field_bool(&json, "throttle", ec2->throttle);
    json_field_u64(&json, "agent_calls", ec2->typed_calls);
    json_field_u64(&json, "agent_calls_refused", ec2->typed_refused);
    json_field_u64(&json, "agent_calls_throttled", ec2->typed_throttled);
    json_key(&json, "actions");
    json_begin_object(&json);
    for (enum sim_action action = 0; action < ACT_COUNT; action++) {
        const struct sim_bucket *bucket = &ec2->buckets[action];
        const struct sim_bucket *plain = &ec2->plain_describe[action];
        json_key(&json, sim_action_info(action)->name);
        json_begin_object(&json);
        json_key(&json, "burst");
        json_double(&json, bucket->burst);
        json_key(&json, "refill_per_s");
        json_double(&json, bucket->refill_per_s);
        json_field_u64(&json, "let_through", bucket->taken + plain->taken);
        json_field_u64(&json, "throttled", bucket->refused + plain->refused);
        json_end_object(&json);
    }
    json_end_object(&json);
    json_key(&json, "faults");
    json_begin_array(&json);
    for (uint32_t i = 0; i < ec2->fault_count; i++) {
        json_begin_object(&json);
        json_field_u64(&json, "id", ec2->faults[i].id);
        json_field_text(&json, "action", slice_of(ec2->faults[i].action));
        json_field_text(&json, "who", slice_of(ec2->faults[i].who));
        json_field_u64(&json, "hits", ec2->faults[i].hits);
        json_field_u64(&json, "left", ec2->faults[i].count);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    return true;
}

bool sim_report_holds(struct sim_control *control)
{
    const struct sim_ec2 *ec2 = control->ec2;
    struct json_out json;

    json_start(&json, &control->out);
    json_begin_object(&json);
    json_key(&json, "holds");
    json_begin_array(&json);
    for (uint32_t i = 0; i < ec2->hold_count; i++) {
        json_begin_object(&json);
        json_field_u64(&json, "hold", ec2->holds[i].id);
        json_field_text(&json, "action", slice_of(sim_action_info(ec2->holds[i].action)->name));
        json_field_text(&json, "who", slice_of(ec2->holds[i].who));
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    return true;
}
