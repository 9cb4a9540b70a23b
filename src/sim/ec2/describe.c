/*
 * describe.c - DescribeNetworkInterfaces, DescribeSubnets, DescribeInstances: the describes
 * that lag.
 *
 * Knows which filters each has and what they look at. Refuses to look at anything newer than the
 * lag allows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

/* ---- network interfaces ---- */

static bool match_attachment(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                             const struct sim_eni *eni, const struct sim_eni_state *state)
{
    static const char *const statuses[] = { "detached", "attaching", "attached", "detaching" };
    char text[40];

    if (eni->tenant) {
        return (sim_filter_is(filter, "attachment.status") &&
                sim_filter_matches(filter, SLICE("attached"))) ||
               (sim_filter_is(filter, "attachment.instance-owner-id") &&
                sim_filter_matches(filter, SLICE("999999999999")));
    }
    if (state->attach == ATTACH_NONE) {
        return false;
    }
    if (sim_filter_is(filter, "attachment.instance-id")) {
        return sim_filter_matches(filter, aws_id_slice(&ec2->instances[state->instance].id));
    }
    if (sim_filter_is(filter, "attachment.instance-owner-id")) {
        return sim_filter_matches(filter, ec2->account);
    }
    if (sim_filter_is(filter, "attachment.status")) {
        return sim_filter_matches(filter, slice_of(statuses[state->attach]));
    }
    if (sim_filter_is(filter, "attachment.delete-on-termination")) {
        return sim_filter_matches(filter,
                                  slice_of(state->delete_on_termination ? "true" : "false"));
    }
    if (sim_filter_is(filter, "attachment.attachment-id")) {
        sim_attachment_id(state->attachment, text);
    } else {
        (void)snprintf(text, sizeof(text), "%u", state->device_index);
    }
    return sim_filter_matches(filter, slice_of(text));
}

static bool match_ip(const struct sim_filter *filter, uint32_t ip)
{
    char text[20];

    (void)snprintf(text, sizeof(text), "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
                   ip & 255);
    return sim_filter_matches(filter, slice_of(text));
}

static bool match_addresses(const struct sim_filter *filter, const struct sim_eni *eni,
                            const struct sim_eni_state *state)
{
    bool found = match_ip(filter, eni->primary_ip);

    for (uint32_t i = 0; i < state->ips.count && !found; i++) {
        found = match_ip(filter, state->ips.items[i]);
    }
    return found;
}

static bool match_groups(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                         const struct sim_eni_state *state)
{
    bool by_name = sim_filter_is(filter, "group-name");

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct sim_group *group = &ec2->groups[state->groups[i]];
        if (sim_filter_matches(filter, by_name ? group->name : aws_id_slice(&group->id))) {
            return true;
        }
    }
    return false;
}

static bool match_eni(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                      const struct sim_eni *eni, const struct sim_eni_state *state)
{
    static const char *const types[] = { "interface", "trunk",    "branch",
                                         "efa",       "efa-only", "interface" };
    const struct sim_subnet *subnet = &ec2->subnets[eni->subnet];
    char mac[20];

    if (slice_starts(filter->name, SLICE("attachment."))) {
        return match_attachment(ec2, filter, eni, state);
    }
    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &state->tags);
    }
    if (slice_starts(filter->name, SLICE("group-"))) {
        return match_groups(ec2, filter, state);
    }
    if (sim_filter_is(filter, "addresses.private-ip-address")) {
        return match_addresses(filter, eni, state);
    }
    if (sim_filter_is(filter, "private-ip-address")) {
        return match_ip(filter, eni->primary_ip);
    }
    if (sim_filter_is(filter, "status")) {
        bool in_use = state->attach != ATTACH_NONE || eni->tenant;
        return sim_filter_matches(filter, slice_of(in_use ? "in-use" : "available"));
    }
    sim_mac(eni->primary_ip, mac);
    struct slice value = sim_filter_is(filter, "subnet-id")     ? aws_id_slice(&subnet->id)
                         : sim_filter_is(filter, "vpc-id")      ? aws_id_slice(&ec2->vpc)
                         : sim_filter_is(filter, "description") ? sim_name(ec2, state->description)
                         : sim_filter_is(filter, "interface-type")    ? slice_of(types[eni->type])
                         : sim_filter_is(filter, "mac-address")       ? slice_of(mac)
                         : sim_filter_is(filter, "availability-zone") ? subnet->zone
                         : sim_filter_is(filter, "network-interface-id")    ? aws_id_slice(&eni->id)
                         : sim_filter_is(filter, "owner-id") && eni->tenant ? SLICE("999999999999")
                         : sim_filter_is(filter, "owner-id")                ? ec2->account
                                                             : SLICE("false"); /* requester-managed
                                                                                */
    return sim_filter_matches(filter, value);
}

static bool wants_eni(const struct sim_ec2 *ec2, const struct sim_filters *filters, uint32_t row,
                      const struct sim_eni_state **ret)
{
    const struct sim_eni *eni = &ec2->enis[row];

    *ret = sim_eni_seen(ec2, row);
    if (!*ret || !sim_filter_wants(filters, aws_id_slice(&eni->id))) {
        return false;
    }
    for (uint32_t i = 0; i < filters->count; i++) {
        if (!match_eni(ec2, &filters->items[i], eni, *ret)) {
            return false;
        }
    }
    return true;
}

/* Every id that was asked for must be there, as far as the lag lets it be seen. */
static bool enis_exist(struct sim_call *call, const struct sim_filters *filters)
{
    for (uint32_t i = 0; i < filters->id_count; i++) {
        struct slice id = filters->ids[i];
        uint32_t row = ROW_NONE;
        if (!slice_starts(id, SLICE("eni-"))) {
            return sim_require_eni(call->ec2, id, &row, &call->problem);
        }
        row = sim_find_eni(call->ec2, id);
        for (uint32_t j = call->ec2->gone_begin; row == ROW_NONE && j < call->ec2->gone_enis.count;
             j++) {
            uint32_t gone = call->ec2->gone_enis.items[j];
            row = slice_eq(aws_id_slice(&call->ec2->enis[gone].id), id) ? gone : ROW_NONE;
        }
        if (row == ROW_NONE || !sim_eni_seen(call->ec2, row)) {
            return sim_refuse(&call->problem, "InvalidNetworkInterfaceID.NotFound",
                              "The networkInterface ID '%.*s' does not exist", SLICE_ARG(id));
        }
    }
    return true;
}

static int by_row(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

/* Without lag the ENIs of named instances are those that they have now: no other row needs a look.
 * NULL: all do. */
static const uint32_t *rows_of_instances(struct sim_call *call, const struct sim_filters *filters,
                                         uint32_t *ret_count)
{
    const struct sim_ec2 *ec2 = call->ec2;
    const struct sim_filter *filter = NULL;

    for (uint32_t i = 0; i < filters->count && !filter && ec2->lag_ns == 0; i++) {
        bool named = sim_filter_is(&filters->items[i], "attachment.instance-id") &&
                     filters->items[i].pattern_count == 0;
        filter = named ? &filters->items[i] : NULL;
    }
    if (!filter) {
        return NULL;
    }
    uint32_t *rows = ARENA_ARRAY(call->arena, uint32_t, filter->plain_count * SIM_INSTANCE_ENIS);
    uint32_t count = 0;
    for (uint32_t i = 0; i < filter->plain_count; i++) {
        uint32_t instance = sim_find_instance(ec2, filter->plain[i]);
        bool again = i > 0 && slice_eq(filter->plain[i], filter->plain[i - 1]);
        uint32_t has = instance == ROW_NONE || again ? 0 : ec2->instances[instance].eni_count;
        for (uint32_t j = 0; j < has; j++) {
            rows[count++] = ec2->instances[instance].enis[j];
        }
    }
    qsort(rows, count, sizeof(*rows), by_row);
    *ret_count = count;
    return rows;
}

bool sim_describe_enis(struct sim_call *call)
{
    static const char known[] =
        "attachment.instance-id attachment.attachment-id attachment.status attachment.device-index "
        "attachment.delete-on-termination attachment.instance-owner-id "
        "addresses.private-ip-address availability-zone description group-id group-name "
        "interface-type mac-address network-interface-id owner-id private-ip-address "
        "requester-managed status subnet-id vpc-id";
    struct sim_ec2 *ec2 = call->ec2;
    const struct sim_eni_state *state = NULL;
    struct sim_filters filters;
    uint32_t written = 0, at = 0, row = 0, count = ec2->eni_rows;

    if (!sim_filters_parse(call, known, "NetworkInterfaceId", SIM_PAGE_MAX, &filters) ||
        !enis_exist(call, &filters)) {
        return false;
    }
    const uint32_t *rows = rows_of_instances(call, &filters, &count);
    sim_xml_open(&call->xml, "networkInterfaceSet");
    for (at = rows ? 0 : filters.from; at < count; at++) {
        row = rows ? rows[at] : at;
        if (row < filters.from || !wants_eni(ec2, &filters, row, &state)) {
            continue;
        }
        if (written++ == filters.most) {
            break;
        }
        sim_xml_open(&call->xml, "item");
        sim_xml_eni(&call->xml, ec2, &ec2->enis[row], state, false);
        sim_xml_close(&call->xml, "item");
    }
    sim_xml_close(&call->xml, "networkInterfaceSet");
    sim_filters_next(call, &filters, row, at < count);
    return true;
}

/* ---- subnets ---- */

static bool match_subnet(const struct sim_ec2 *ec2, const struct sim_filter *filter, uint32_t row)
{
    const struct sim_subnet *subnet = &ec2->subnets[row];
    char text[40];

    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &subnet->tags);
    }
    if (sim_filter_is(filter, "cidr-block")) {
        struct cidr cidr = subnet->space.cidr;
        (void)snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", cidr.base >> 24, cidr.base >> 16 & 255,
                       cidr.base >> 8 & 255, cidr.base & 255, cidr.bits);
        return sim_filter_matches(filter, slice_of(text));
    }
    if (sim_filter_is(filter, "available-ip-address-count")) {
        (void)snprintf(text, sizeof(text), "%u", sim_subnet_seen(ec2, row));
        return sim_filter_matches(filter, slice_of(text));
    }
    struct slice value = sim_filter_is(filter, "subnet-id")  ? aws_id_slice(&subnet->id)
                         : sim_filter_is(filter, "vpc-id")   ? aws_id_slice(&ec2->vpc)
                         : sim_filter_is(filter, "owner-id") ? ec2->account
                         : sim_filter_is(filter, "availability-zone") ||
                                 sim_filter_is(filter, "availabilityZone")
                             ? subnet->zone
                         : sim_filter_is(filter, "availability-zone-id") ? subnet->zone_id
                         : subnet->usable                                ? SLICE("available")
                                                                         : SLICE("pending");
    return sim_filter_matches(filter, value);
}

static void write_subnet(struct sim_call *call, uint32_t row)
{
    const struct sim_ec2 *ec2 = call->ec2;
    const struct sim_subnet *subnet = &ec2->subnets[row];
    struct buf *xml = &call->xml;

    sim_xml_open(xml, "item");
    sim_xml_text(xml, "subnetId", aws_id_slice(&subnet->id));
    buf_addf(xml, "<subnetArn>arn:aws:ec2:%.*s:%.*s:subnet/%s</subnetArn>", SLICE_ARG(ec2->region),
             SLICE_ARG(ec2->account), subnet->id.text);
    sim_xml_text(xml, "state", subnet->usable ? SLICE("available") : SLICE("pending"));
    sim_xml_text(xml, "ownerId", ec2->account);
    sim_xml_text(xml, "vpcId", aws_id_slice(&ec2->vpc));
    sim_xml_cidr(xml, "cidrBlock", subnet->space.cidr);
    buf_add_text(xml, "<ipv6CidrBlockAssociationSet/>");
    sim_xml_u64(xml, "availableIpAddressCount", sim_subnet_seen(ec2, row));
    sim_xml_text(xml, "availabilityZone", subnet->zone);
    sim_xml_text(xml, "availabilityZoneId", subnet->zone_id);
    sim_xml_bool(xml, "defaultForAz", false);
    sim_xml_bool(xml, "mapPublicIpOnLaunch", false);
    sim_xml_bool(xml, "assignIpv6AddressOnCreation", false);
    sim_xml_tags(xml, ec2, &subnet->tags);
    sim_xml_close(xml, "item");
}

bool sim_describe_subnets(struct sim_call *call)
{
    static const char known[] = "subnet-id vpc-id availability-zone availabilityZone "
                                "availability-zone-id cidr-block available-ip-address-count state "
                                "owner-id";
    struct sim_ec2 *ec2 = call->ec2;
    struct sim_filters filters;
    uint32_t written = 0, row = 0, ignored = 0;

    if (!sim_filters_parse(call, known, "SubnetId", SIM_PAGE_MAX, &filters)) {
        return false;
    }
    for (uint32_t i = 0; i < filters.id_count; i++) {
        if (!sim_require_subnet(ec2, filters.ids[i], &ignored, &call->problem)) {
            return false;
        }
    }
    sim_xml_open(&call->xml, "subnetSet");
    for (row = filters.from; row < ec2->subnet_count; row++) {
        bool wanted = sim_filter_wants(&filters, aws_id_slice(&ec2->subnets[row].id));
        for (uint32_t i = 0; i < filters.count && wanted; i++) {
            wanted = match_subnet(ec2, &filters.items[i], row);
        }
        if (!wanted) {
            continue;
        }
        if (written++ == filters.most) {
            break;
        }
        write_subnet(call, row);
    }
    sim_xml_close(&call->xml, "subnetSet");
    sim_filters_next(call, &filters, row, row < ec2->subnet_count);
    return true;
}

/* ---- instances ---- */

static bool match_instance(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                           const struct sim_instance *instance, enum sim_instance_state state)
{
    const struct sim_subnet *subnet = &ec2->subnets[instance->subnet];

    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &instance->tags);
    }
    if (sim_filter_is(filter, "private-ip-address")) {
        return instance->eni_count > 0 && match_ip(filter, ec2->enis[instance->enis[0]].primary_ip);
    }
    struct slice value = sim_filter_is(filter, "instance-id")     ? aws_id_slice(&instance->id)
                         : sim_filter_is(filter, "instance-type") ? instance->type.name
                         : sim_filter_is(filter, "instance-state-name")
                             ? slice_of(sim_instance_state_name(state))
                         : sim_filter_is(filter, "availability-zone") ? subnet->zone
                         : sim_filter_is(filter, "subnet-id")         ? aws_id_slice(&subnet->id)
                         : sim_filter_is(filter, "private-dns-name")  ? instance->dns_name
                                                                      : aws_id_slice(&ec2->vpc);
    return sim_filter_matches(filter, value);
}

static void write_reservation(struct sim_call *call, uint32_t row, enum sim_instance_state state)
{
    struct buf *xml = &call->xml;

    sim_xml_open(xml, "item");
    buf_addf(xml, "<reservationId>r-0%016x</reservationId>", row + 1);
    sim_xml_text(xml, "ownerId", call->ec2->account);
    buf_add_text(xml, "<groupSet/>");
    sim_xml_open(xml, "instancesSet");
    sim_xml_open(xml, "item");
    sim_xml_instance(xml, call->ec2, row, state);
    sim_xml_close(xml, "item");
    sim_xml_close(xml, "instancesSet");
    sim_xml_close(xml, "item");
}

bool sim_describe_instances(struct sim_call *call)
{
    static const char known[] = "instance-id instance-type instance-state-name availability-zone "
                                "subnet-id private-dns-name private-ip-address vpc-id";
    struct sim_ec2 *ec2 = call->ec2;
    struct sim_filters filters;
    enum sim_instance_state state = INSTANCE_PENDING;
    uint32_t written = 0, row = 0, found = 0;

    if (!sim_filters_parse(call, known, "InstanceId", SIM_PAGE_MAX, &filters)) {
        return false;
    }
    for (uint32_t i = 0; i < filters.id_count; i++) {
        if (!sim_require_instance(ec2, filters.ids[i], &found, &call->problem)) {
            return false;
        }
        if (!sim_instance_seen(ec2, found, &state)) {
            return sim_refuse(&call->problem, "InvalidInstanceID.NotFound",
                              "The instance ID '%.*s' does not exist", SLICE_ARG(filters.ids[i]));
        }
    }
    sim_xml_open(&call->xml, "reservationSet");
    for (row = filters.from; row < ec2->instance_count; row++) {
        bool wanted = sim_instance_seen(ec2, row, &state) &&
                      sim_filter_wants(&filters, aws_id_slice(&ec2->instances[row].id));
        for (uint32_t i = 0; i < filters.count && wanted; i++) {
            wanted = match_instance(ec2, &filters.items[i], &ec2->instances[row], state);
        }
        if (!wanted) {
            continue;
        }
        if (written++ == filters.most) {
            break;
        }
        write_reservation(call, row, state);
    }
    sim_xml_close(&call->xml, "reservationSet");
    sim_filters_next(call, &filters, row, row < ec2->instance_count);
    return true;
}
