/*
 * views.c - the truth for the world's own use: an instance's ENIs, subnets; and other tenants
 * who drain a subnet.
 *
 * Knows rows as they are, without lag. Refuses to know who looks.
 */
#include <assert.h>

#include "state.h"

static enum eni_status status_of(const struct sim_eni *eni)
{
    switch (eni->now.attach) {
    case ATTACH_ATTACHING:
        return ENI_ATTACHING;
    case ATTACH_ATTACHED:
        return ENI_IN_USE;
    case ATTACH_DETACHING:
        return ENI_DETACHING;
    default:
        return eni->tenant ? ENI_IN_USE : ENI_AVAILABLE;
    }
}

static const uint32_t *copy_u32s(struct arena *arena, const struct sim_u32s *list)
{
    uint32_t *copy = ARENA_ARRAY(arena, uint32_t, list->count);

    if (list->count > 0) {
        memcpy(copy, list->items, list->count * sizeof(*copy));
    }
    return copy;
}

static void view_eni(const struct sim_ec2 *ec2, struct arena *arena, const struct sim_eni *eni,
                     struct eni *ret)
{
    const struct sim_subnet *subnet = &ec2->subnets[eni->subnet];
    struct aws_id *groups = ARENA_ARRAY(arena, struct aws_id, eni->now.group_count);
    char attachment[40];

    for (uint32_t i = 0; i < eni->now.group_count; i++) {
        groups[i] = ec2->groups[eni->now.groups[i]].id;
    }
    *ret = (struct eni){
        .id = eni->id,
        .subnet = subnet->id,
        .vpc = ec2->vpc,
        .zone = subnet->zone,
        .type = eni->type,
        .status = status_of(eni),
        .device_index = eni->now.device_index,
        .delete_on_termination = eni->now.delete_on_termination,
        .description = sim_name(ec2, eni->now.description),
        .primary_ip = eni->primary_ip,
        .ips = copy_u32s(arena, &eni->now.ips),
        .ip_count = eni->now.ips.count,
        .prefixes = copy_u32s(arena, &eni->now.prefixes),
        .prefix_count = eni->now.prefixes.count,
        .groups = groups,
        .group_count = eni->now.group_count,
        .tags = sim_tags_pairs(ec2, &eni->now.tags, arena),
        .tag_count = eni->now.tags.count,
    };
    if (eni->now.instance != ROW_NONE) {
        ret->instance = ec2->instances[eni->now.instance].id;
        sim_attachment_id(eni->now.attachment, attachment);
        ret->attachment_id = arena_slice(arena, slice_of(attachment));
    }
}

const struct eni *sim_ec2_instance_enis(const struct sim_ec2 *ec2, struct arena *arena,
                                        const struct aws_id *instance_id, uint32_t *ret_count)
{
    uint32_t row = sim_find_instance(ec2, aws_id_slice(instance_id));
    uint32_t rows[SIM_INSTANCE_ENIS] = { 0 };
    uint32_t count = 0;

    *ret_count = 0;
    if (row == ROW_NONE) {
        return NULL;
    }
    const struct sim_instance *instance = &ec2->instances[row];
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni *eni = &ec2->enis[instance->enis[i]];
        if (eni->now.attach != ATTACH_ATTACHED) {
            continue; /* the metadata service does not show it */
        }
        uint32_t at = count++;
        while (at > 0 && ec2->enis[rows[at - 1]].now.device_index > eni->now.device_index) {
            rows[at] = rows[at - 1];
            at--;
        }
        rows[at] = instance->enis[i];
    }
    struct eni *views = ARENA_ARRAY(arena, struct eni, count);
    for (uint32_t i = 0; i < count; i++) {
        view_eni(ec2, arena, &ec2->enis[rows[i]], &views[i]);
    }
    *ret_count = count;
    return views;
}

const struct eni *sim_ec2_instance_eni(const struct sim_ec2 *ec2, struct arena *arena,
                                       const struct aws_id *instance_id, const struct aws_id *id)
{
    uint32_t row = sim_find_eni(ec2, aws_id_slice(id));

    if (row == ROW_NONE || ec2->enis[row].now.attach != ATTACH_ATTACHED ||
        ec2->enis[row].now.instance == ROW_NONE ||
        !aws_id_eq(&ec2->instances[ec2->enis[row].now.instance].id, instance_id)) {
        return NULL;
    }
    struct eni *view = ARENA_ARRAY(arena, struct eni, 1);
    view_eni(ec2, arena, &ec2->enis[row], view);
    return view;
}

/* Its own route table or the VPC's main one. */
static void view_route_table(const struct sim_ec2 *ec2, const struct sim_subnet *from,
                             struct subnet *ret)
{
    uint32_t row = from->route_table;

    for (uint32_t i = 0; row == ROW_NONE && i < ec2->route_table_count; i++) {
        row = ec2->route_tables[i].main ? i : ROW_NONE;
    }
    if (row == ROW_NONE) {
        return;
    }
    const struct sim_route_table *table = &ec2->route_tables[row];
    ret->route_table = table->id;
    ret->route_kind = ROUTE_PRIVATE;
    for (uint32_t i = 0; i < table->route_count; i++) {
        if (slice_is(table->routes[i].destination, "0.0.0.0/0") &&
            slice_starts(table->routes[i].target, SLICE("igw-"))) {
            ret->route_kind = ROUTE_PUBLIC;
        }
    }
}

static uint32_t primary_ip(const struct sim_ec2 *ec2, const struct sim_instance *instance)
{
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni *eni = &ec2->enis[instance->enis[i]];
        if (eni->now.device_index == 0 && eni->now.card == 0) {
            return eni->primary_ip;
        }
    }
    return 0;
}

const struct sim_instance_view *sim_ec2_instances(const struct sim_ec2 *ec2, struct arena *arena,
                                                  uint32_t *ret_count)
{
    struct sim_instance_view *views = ARENA_ARRAY(arena, struct sim_instance_view,
                                                  ec2->instance_count);
    uint32_t count = 0;

    for (uint32_t i = 0; i < ec2->instance_count; i++) {
        const struct sim_instance *instance = &ec2->instances[i];
        if (instance->state == INSTANCE_TERMINATED) {
            continue;
        }
        const struct sim_subnet *subnet = &ec2->subnets[instance->subnet];
        views[count++] = (struct sim_instance_view){
            .id = instance->id,
            .subnet = subnet->id,
            .zone = subnet->zone,
            .dns_name = instance->dns_name,
            .type = instance->type,
            .primary_ip = primary_ip(ec2, instance),
            .running = instance->state == INSTANCE_RUNNING,
            .tags = sim_tags_pairs(ec2, &instance->tags, arena),
            .tag_count = instance->tags.count,
        };
    }
    *ret_count = count;
    return views;
}

uint64_t sim_ec2_instance_version(const struct sim_ec2 *ec2, const struct aws_id *instance)
{
    uint32_t row = sim_find_instance(ec2, aws_id_slice(instance));

    return row == ROW_NONE ? 0 : ec2->instances[row].version + 1;
}

static const struct subnet *view_subnets(const struct sim_ec2 *ec2, struct arena *arena,
                                         bool lagging, uint32_t *ret_count)
{
    struct subnet *views = ARENA_ARRAY(arena, struct subnet, ec2->subnet_count);

    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        const struct sim_subnet *subnet = &ec2->subnets[i];
        views[i] = (struct subnet){
            .id = subnet->id,
            .vpc = ec2->vpc,
            .zone = subnet->zone,
            .zone_id = subnet->zone_id,
            .cidr = subnet->space.cidr,
            .available = lagging ? sim_subnet_seen(ec2, i) : subnet->space.free,
            .usable = subnet->usable,
            .reservations = subnet->reservations,
            .reservation_count = subnet->reservation_count,
            .tags = sim_tags_pairs(ec2, &subnet->tags, arena),
            .tag_count = subnet->tags.count,
        };
        view_route_table(ec2, subnet, &views[i]);
    }
    *ret_count = ec2->subnet_count;
    return views;
}

const struct subnet *sim_ec2_subnets(const struct sim_ec2 *ec2, struct arena *arena,
                                     uint32_t *ret_count)
{
    return view_subnets(ec2, arena, false, ret_count);
}

enum cloud_code sim_ec2_describe_subnets(struct sim_ec2 *ec2, uint64_t now_ns, struct arena *arena,
                                         const struct subnet **ret, uint32_t *ret_count)
{
    struct sim_gate gate;

    sim_ec2_advance(ec2, now_ns);
    sim_gate(ec2, SLICE("agent"), ACT_DescribeSubnets, false, &gate);
    ec2->typed_calls++;
    if (gate.hold) {
        ec2->hold_count--;
    }
    if (gate.lost_request || gate.lost_reply || gate.cut_after != SIZE_MAX) {
        return CLOUD_UNAVAILABLE;
    }
    if (gate.problem.code) {
        ec2->typed_refused++;
        ec2->typed_throttled += sim_cloud_code(&gate.problem) == CLOUD_THROTTLED;
        return sim_cloud_code(&gate.problem);
    }
    *ret = view_subnets(ec2, arena, true, ret_count);
    return CLOUD_OK;
}

uint32_t sim_ec2_free_prefixes(const struct sim_ec2 *ec2, const struct aws_id *subnet)
{
    uint32_t row = sim_find_subnet(ec2, aws_id_slice(subnet));

    return row == ROW_NONE ? 0 : sim_space_free_blocks(&ec2->subnets[row].space);
}

/* ---- other tenants ---- */

static void add_tenant(struct sim_ec2 *ec2, uint32_t subnet, uint32_t addresses)
{
    struct sim_space *space = &ec2->subnets[subnet].space;
    uint32_t ip = 0;

    bool picked = sim_space_pick(space, sim_scatter(ec2), &ip);
    assert(picked);
    uint32_t row = sim_eni_new(ec2, subnet, ip); /* which may move the rows */
    struct sim_eni *eni = &ec2->enis[row];
    eni->tenant = true;
    eni->now.description = interner_add(&ec2->names, SLICE("of another account in this VPC"));
    while (--addresses > 0) {
        picked = sim_space_pick(space, sim_scatter(ec2), &ip);
        assert(picked);
        sim_u32s_add(&eni->now.ips, ip);
    }
    ec2->nau += sim_eni_units(eni);
}

/* Gives back up to `wanted` addresses of one tenant; how many. */
static uint32_t shrink_tenant(struct sim_ec2 *ec2, uint32_t row, uint32_t wanted)
{
    struct sim_eni *eni = &ec2->enis[row];
    uint32_t given = 0;

    if (wanted > eni->now.ips.count) {
        given = sim_eni_units(eni);
        sim_eni_gone(ec2, row);
        return given;
    }
    sim_eni_touch(ec2, row);
    while (given < wanted) {
        sim_space_give(&ec2->subnets[eni->subnet].space, eni->now.ips.items[--eni->now.ips.count]);
        given++;
        ec2->nau--;
    }
    return given;
}

enum err sim_ec2_drain(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *id, uint32_t free,
                       struct error *error)
{
    sim_ec2_advance(ec2, now_ns);
    uint32_t subnet_row = sim_find_subnet(ec2, aws_id_slice(id));
    if (subnet_row == ROW_NONE) {
        return error_set(error, ERR_NOT_FOUND, "no subnet %s", id->text);
    }
    struct sim_subnet *subnet = &ec2->subnets[subnet_row];
    sim_subnet_touch(ec2, subnet_row);
    while (subnet->space.free > free) {
        uint32_t more = subnet->space.free - free;
        add_tenant(ec2, subnet_row, more < SIM_TENANT_IPS ? more : SIM_TENANT_IPS);
    }
    for (uint32_t row = subnet->first_eni; row != ROW_NONE && subnet->space.free < free;
         row = ec2->enis[row].next) {
        if (ec2->enis[row].tenant && ec2->enis[row].gone_ns == TIMERS_NEVER) {
            (void)shrink_tenant(ec2, row, free - subnet->space.free);
        }
    }
    if (subnet->space.free < free) {
        return error_set(error, ERR_LIMIT, "%s has %u free addresses once all other tenants left",
                         id->text, subnet->space.free);
    }
    return ERR_OK;
}
