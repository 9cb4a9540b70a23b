/*
 * describe_more.c - describes of what hardly changes: types, route tables, groups, VPC, zones,
 * tags, reservations.
 *
 * Knows their shapes and filters. None of them lags.
 */
#include <stdio.h>

#include "call.h"

/* ---- instance types ---- */

static void write_type(struct buf *xml, const struct instance_type *type)
{
    sim_xml_open(xml, "item");
    sim_xml_text(xml, "instanceType", type->name);
    sim_xml_bool(xml, "currentGeneration", true);
    sim_xml_bool(xml, "bareMetal", slice_contains(type->name, SLICE(".metal")));
    sim_xml_text(xml, "hypervisor", type->prefixes ? SLICE("nitro") : SLICE("xen"));
    sim_xml_open(xml, "networkInfo");
    sim_xml_text(xml, "networkPerformance", SLICE("Up to 10 Gigabit"));
    sim_xml_u64(xml, "maximumNetworkInterfaces", type->enis);
    sim_xml_u64(xml, "maximumNetworkCards", 1);
    sim_xml_u64(xml, "defaultNetworkCardIndex", 0);
    sim_xml_open(xml, "networkCards");
    sim_xml_open(xml, "item");
    sim_xml_u64(xml, "networkCardIndex", 0);
    sim_xml_text(xml, "networkPerformance", SLICE("Up to 10 Gigabit"));
    sim_xml_u64(xml, "maximumNetworkInterfaces", type->enis);
    sim_xml_close(xml, "item");
    sim_xml_close(xml, "networkCards");
    sim_xml_u64(xml, "ipv4AddressesPerInterface", type->ips_per_eni);
    sim_xml_u64(xml, "ipv6AddressesPerInterface", type->ips_per_eni);
    sim_xml_bool(xml, "ipv6Supported", true);
    sim_xml_text(xml, "enaSupport", SLICE("required"));
    sim_xml_bool(xml, "efaSupported", false);
    sim_xml_close(xml, "networkInfo");
    sim_xml_close(xml, "item");
}

bool sim_describe_types(struct sim_call *call)
{
    struct sim_ec2 *ec2 = call->ec2;
    uint32_t count = 0;
    bool known = false;
    const struct slice *names = sim_param_list(call, "InstanceType", &count);
    /* A filter leaves out what is unknown, where a name is refused. */
    bool filtered = count == 0 && slice_is(sim_param_text(call, "Filter.1.Name"), "instance-type");

    if (filtered) {
        names = sim_param_list(call, "Filter.1.Value", &count);
    }
    if (count == 0) {
        /* The whole list is long and of use to nobody here: the types that instances have. */
        return sim_refuse(&call->problem, "UnsupportedOperation",
                          "This endpoint describes instance types by name only");
    }
    if (count > 100) {
        return sim_refuse(&call->problem, "InvalidParameterValue", "More than 100 instance types");
    }
    for (uint32_t i = 0; i < count && !filtered; i++) {
        (void)sim_type(ec2, names[i], &known);
        if (!known) {
            return sim_refuse(&call->problem, "InvalidInstanceType",
                              "The following supplied instance types do not exist: [%.*s]",
                              names[i].len > 64 ? 64 : (int)names[i].len, names[i].data);
        }
    }
    sim_xml_open(&call->xml, "instanceTypeSet");
    for (uint32_t i = 0; i < count; i++) {
        struct instance_type type = sim_type(ec2, names[i], &known);
        if (known) {
            write_type(&call->xml, &type);
        }
    }
    sim_xml_close(&call->xml, "instanceTypeSet");
    return true;
}

/* ---- route tables ---- */

static bool match_association(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                              uint32_t table)
{
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        if (ec2->subnets[i].route_table == table &&
            sim_filter_matches(filter, aws_id_slice(&ec2->subnets[i].id))) {
            return true;
        }
    }
    return false;
}

static bool match_route_table(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                              uint32_t row)
{
    const struct sim_route_table *table = &ec2->route_tables[row];

    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &table->tags);
    }
    if (sim_filter_is(filter, "association.subnet-id")) {
        return match_association(ec2, filter, row);
    }
    if (sim_filter_is(filter, "association.main")) {
        return sim_filter_matches(filter, slice_of(table->main ? "true" : "false"));
    }
    return sim_filter_matches(filter, sim_filter_is(filter, "vpc-id") ? aws_id_slice(&ec2->vpc)
                                                                      : aws_id_slice(&table->id));
}

static void write_association(struct buf *xml, const struct aws_id *table,
                              const struct aws_id *subnet)
{
    uint64_t number = slice_hash(aws_id_slice(table)) ^
                      (subnet ? slice_hash(aws_id_slice(subnet)) : 0);

    sim_xml_open(xml, "item");
    buf_addf(xml, "<routeTableAssociationId>rtbassoc-0%016llx</routeTableAssociationId>",
             (unsigned long long)number);
    sim_xml_text(xml, "routeTableId", aws_id_slice(table));
    if (subnet) {
        sim_xml_text(xml, "subnetId", aws_id_slice(subnet));
    }
    sim_xml_bool(xml, "main", !subnet);
    buf_add_text(xml, "<associationState><state>associated</state></associationState></item>");
}

static void write_route(struct buf *xml, struct slice destination, struct slice target)
{
    bool nat = slice_starts(target, SLICE("nat-"));

    sim_xml_open(xml, "item");
    sim_xml_text(xml, "destinationCidrBlock", destination);
    sim_xml_text(xml, nat ? "natGatewayId" : "gatewayId", target);
    buf_add_text(xml, "<state>active</state>");
    sim_xml_text(xml, "origin",
                 slice_is(target, "local") ? SLICE("CreateRouteTable") : SLICE("CreateRoute"));
    sim_xml_close(xml, "item");
}

static void write_route_table(struct sim_call *call, uint32_t row)
{
    const struct sim_ec2 *ec2 = call->ec2;
    const struct sim_route_table *table = &ec2->route_tables[row];
    struct buf *xml = &call->xml;
    char text[40];

    sim_xml_open(xml, "item");
    sim_xml_text(xml, "routeTableId", aws_id_slice(&table->id));
    sim_xml_text(xml, "vpcId", aws_id_slice(&ec2->vpc));
    sim_xml_text(xml, "ownerId", ec2->account);
    sim_xml_open(xml, "routeSet");
    for (uint32_t i = 0; i < ec2->vpc_cidr_count; i++) {
        const struct cidr *cidr = &ec2->vpc_cidrs[i];
        (void)snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", cidr->base >> 24,
                       cidr->base >> 16 & 255, cidr->base >> 8 & 255, cidr->base & 255, cidr->bits);
        write_route(xml, slice_of(text), SLICE("local"));
    }
    for (uint32_t i = 0; i < table->route_count; i++) {
        write_route(xml, table->routes[i].destination, table->routes[i].target);
    }
    sim_xml_close(xml, "routeSet");
    sim_xml_open(xml, "associationSet");
    if (table->main) {
        write_association(xml, &table->id, NULL);
    }
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        if (ec2->subnets[i].route_table == row) {
            write_association(xml, &table->id, &ec2->subnets[i].id);
        }
    }
    sim_xml_close(xml, "associationSet");
    buf_add_text(xml, "<propagatingVgwSet/>");
    sim_xml_tags(xml, ec2, &table->tags);
    sim_xml_close(xml, "item");
}

/* Rows of one kind: all that match, page by page. */
struct listing {
    const char *set, *id_name, *known;
    uint32_t page_max, count;
    bool (*match)(const struct sim_ec2 *, const struct sim_filter *, uint32_t row);
    struct slice (*id)(const struct sim_ec2 *, uint32_t row);
    void (*write)(struct sim_call *, uint32_t row);
    const char *missing; /* the code when an id does not exist */
};

static bool ids_exist(struct sim_call *call, const struct listing *listing,
                      const struct sim_filters *filters)
{
    for (uint32_t i = 0; i < filters->id_count; i++) {
        bool found = false;
        for (uint32_t row = 0; row < listing->count && !found; row++) {
            found = slice_eq(listing->id(call->ec2, row), filters->ids[i]);
        }
        if (!found) {
            return sim_refuse(&call->problem, listing->missing, "The ID '%.*s' does not exist",
                              filters->ids[i].len > 64 ? 64 : (int)filters->ids[i].len,
                              filters->ids[i].data);
        }
    }
    return true;
}

static bool list_rows(struct sim_call *call, const struct listing *listing)
{
    struct sim_filters filters;
    uint32_t written = 0, row = 0;

    if (!sim_filters_parse(call, listing->known, listing->id_name, listing->page_max, &filters) ||
        !ids_exist(call, listing, &filters)) {
        return false;
    }
    sim_xml_open(&call->xml, listing->set);
    for (row = filters.from; row < listing->count; row++) {
        bool wanted = sim_filter_wants(&filters, listing->id(call->ec2, row));
        for (uint32_t i = 0; i < filters.count && wanted; i++) {
            wanted = listing->match(call->ec2, &filters.items[i], row);
        }
        if (!wanted) {
            continue;
        }
        if (written++ == filters.most) {
            break;
        }
        listing->write(call, row);
    }
    sim_xml_close(&call->xml, listing->set);
    sim_filters_next(call, &filters, row, row < listing->count);
    return true;
}

static struct slice route_table_id(const struct sim_ec2 *ec2, uint32_t row)
{
    return aws_id_slice(&ec2->route_tables[row].id);
}

bool sim_describe_route_tables(struct sim_call *call)
{
    struct listing listing = {
        .set = "routeTableSet",
        .id_name = "RouteTableId",
        .known = "route-table-id vpc-id association.main association.subnet-id "
                 "association.route-table-id",
        .page_max = 100,
        .count = call->ec2->route_table_count,
        .match = match_route_table,
        .id = route_table_id,
        .write = write_route_table,
        .missing = "InvalidRouteTableID.NotFound",
    };

    return list_rows(call, &listing);
}

/* ---- security groups ---- */

static bool match_group(const struct sim_ec2 *ec2, const struct sim_filter *filter, uint32_t row)
{
    const struct sim_group *group = &ec2->groups[row];

    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &group->tags);
    }
    struct slice value = sim_filter_is(filter, "group-id")     ? aws_id_slice(&group->id)
                         : sim_filter_is(filter, "group-name") ? group->name
                         : sim_filter_is(filter, "owner-id")   ? ec2->account
                                                               : aws_id_slice(&ec2->vpc);
    return sim_filter_matches(filter, value);
}

static struct slice group_id(const struct sim_ec2 *ec2, uint32_t row)
{
    return aws_id_slice(&ec2->groups[row].id);
}

static void write_group(struct sim_call *call, uint32_t row)
{
    const struct sim_group *group = &call->ec2->groups[row];
    struct buf *xml = &call->xml;

    sim_xml_open(xml, "item");
    sim_xml_text(xml, "ownerId", call->ec2->account);
    sim_xml_text(xml, "groupId", aws_id_slice(&group->id));
    sim_xml_text(xml, "groupName", group->name);
    sim_xml_text(xml, "groupDescription", group->name);
    sim_xml_text(xml, "vpcId", aws_id_slice(&call->ec2->vpc));
    buf_add_text(xml, "<ipPermissions/><ipPermissionsEgress/>");
    sim_xml_tags(xml, call->ec2, &group->tags);
    sim_xml_close(xml, "item");
}

bool sim_describe_groups(struct sim_call *call)
{
    struct listing listing = {
        .set = "securityGroupInfo",
        .id_name = "GroupId",
        .known = "group-id group-name owner-id vpc-id",
        .page_max = SIM_PAGE_MAX,
        .count = call->ec2->group_count,
        .match = match_group,
        .id = group_id,
        .write = write_group,
        .missing = "InvalidGroup.NotFound",
    };

    return list_rows(call, &listing);
}

/* ---- the VPC ---- */

static bool match_vpc(const struct sim_ec2 *ec2, const struct sim_filter *filter, uint32_t row)
{
    (void)row;
    if (slice_starts(filter->name, SLICE("tag"))) {
        return sim_filter_matches_tags(ec2, filter, &ec2->vpc_tags);
    }
    return sim_filter_matches(filter, sim_filter_is(filter, "vpc-id")     ? aws_id_slice(&ec2->vpc)
                                      : sim_filter_is(filter, "owner-id") ? ec2->account
                                      : sim_filter_is(filter, "state")    ? SLICE("available")
                                                                          : SLICE("false"));
}

static struct slice vpc_id(const struct sim_ec2 *ec2, uint32_t row)
{
    (void)row;
    return aws_id_slice(&ec2->vpc);
}

static void write_vpc(struct sim_call *call, uint32_t row)
{
    const struct sim_ec2 *ec2 = call->ec2;
    struct buf *xml = &call->xml;

    (void)row;
    sim_xml_open(xml, "item");
    sim_xml_text(xml, "vpcId", aws_id_slice(&ec2->vpc));
    sim_xml_text(xml, "ownerId", ec2->account);
    sim_xml_text(xml, "state", SLICE("available"));
    sim_xml_cidr(xml, "cidrBlock", ec2->vpc_cidrs[0]);
    sim_xml_open(xml, "cidrBlockAssociationSet");
    for (uint32_t i = 0; i < ec2->vpc_cidr_count; i++) {
        sim_xml_open(xml, "item");
        buf_addf(xml, "<associationId>vpc-cidr-assoc-0%016x</associationId>", i + 1);
        sim_xml_cidr(xml, "cidrBlock", ec2->vpc_cidrs[i]);
        buf_add_text(xml, "<cidrBlockState><state>associated</state></cidrBlockState></item>");
    }
    sim_xml_close(xml, "cidrBlockAssociationSet");
    sim_xml_text(xml, "instanceTenancy", SLICE("default"));
    sim_xml_bool(xml, "isDefault", false);
    sim_xml_tags(xml, ec2, &ec2->vpc_tags);
    sim_xml_close(xml, "item");
}

bool sim_describe_vpcs(struct sim_call *call)
{
    struct listing listing = {
        .set = "vpcSet",
        .id_name = "VpcId",
        .known = "vpc-id owner-id state isDefault is-default",
        .page_max = SIM_PAGE_MAX,
        .count = 1,
        .match = match_vpc,
        .id = vpc_id,
        .write = write_vpc,
        .missing = "InvalidVpcID.NotFound",
    };

    return list_rows(call, &listing);
}

/* ---- zones ---- */

bool sim_describe_zones(struct sim_call *call)
{
    const struct sim_ec2 *ec2 = call->ec2;
    struct buf *xml = &call->xml;

    sim_xml_open(xml, "availabilityZoneInfo");
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++) {
            again |= slice_eq(ec2->subnets[j].zone, ec2->subnets[i].zone);
        }
        if (again) {
            continue;
        }
        sim_xml_open(xml, "item");
        sim_xml_text(xml, "zoneName", ec2->subnets[i].zone);
        sim_xml_text(xml, "zoneState", SLICE("available"));
        sim_xml_text(xml, "regionName", ec2->region);
        sim_xml_text(xml, "zoneId", ec2->subnets[i].zone_id);
        sim_xml_text(xml, "zoneType", SLICE("availability-zone"));
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "availabilityZoneInfo");
    return true;
}

/* ---- subnet CIDR reservations ---- */

static void write_reservations(struct sim_call *call, uint32_t row, bool prefix)
{
    const struct sim_subnet *subnet = &call->ec2->subnets[row];
    struct buf *xml = &call->xml;

    for (uint32_t i = 0; i < subnet->reservation_count; i++) {
        const struct cidr_reservation *reservation = &subnet->reservations[i];
        if (reservation->prefix != prefix) {
            continue;
        }
        sim_xml_open(xml, "item");
        buf_addf(xml, "<subnetCidrReservationId>scr-0%08x%08x</subnetCidrReservationId>", row,
                 reservation->cidr.base);
        sim_xml_text(xml, "subnetId", aws_id_slice(&subnet->id));
        sim_xml_cidr(xml, "cidr", reservation->cidr);
        sim_xml_text(xml, "reservationType", prefix ? SLICE("prefix") : SLICE("explicit"));
        sim_xml_text(xml, "ownerId", call->ec2->account);
        buf_add_text(xml, "<tagSet/></item>");
    }
}

bool sim_get_reservations(struct sim_call *call)
{
    struct slice id = { 0 };
    uint32_t row = 0;

    if (!sim_param_required(call, "SubnetId", &id) ||
        !sim_require_subnet(call->ec2, id, &row, &call->problem)) {
        return false;
    }
    sim_xml_open(&call->xml, "subnetIpv4CidrReservationSet");
    write_reservations(call, row, true);
    write_reservations(call, row, false);
    sim_xml_close(&call->xml, "subnetIpv4CidrReservationSet");
    buf_add_text(&call->xml, "<subnetIpv6CidrReservationSet/>");
    return true;
}
