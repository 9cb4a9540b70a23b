/*
 * scenario_network.c - the scenario's route tables, subnets, security groups and instances.
 *
 * Knows which of them name each other, by id or by name. Refuses to know accounts and budgets.
 */
#include <stdio.h>

#include "scenario.h"

/* ---- route tables ---- */

static enum err read_routes(struct sim_ec2 *ec2, const struct doc *list,
                            struct sim_route_table *table, struct error *error)
{
    static const char *const keys[] = { "destination", "target", NULL };
    struct sim_route *routes = ARENA_ARRAY(&ec2->arena, struct sim_route, doc_count(list) + 1);

    table->routes = routes;
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        enum err err = sim_doc_keys(at, "a route", keys, error);
        if (err != ERR_OK) {
            return err;
        }
        routes[table->route_count++] = (struct sim_route){
            .destination = doc_text_or(doc_get(at, "destination"), SLICE("0.0.0.0/0")),
            .target = doc_text(doc_get(at, "target")),
        };
    }
    return ERR_OK;
}

static enum err read_route_tables(struct sim_ec2 *ec2, const struct doc *list, struct error *error)
{
    static const char *const keys[] = { "id", "name", "main", "routes", "tags", NULL };

    for (const struct doc *at = doc_first(list); at; at = at->next) {
        struct sim_route_table table = { .main = doc_bool_or(doc_get(at, "main"), false) };
        enum err err = sim_doc_keys(at, "a route table", keys, error);
        if (err == ERR_OK) {
            err = sim_doc_id(at, "rtb", &table.id, error);
        }
        if (err == ERR_OK) {
            err = read_routes(ec2, doc_get(at, "routes"), &table, error);
        }
        if (err == ERR_OK) {
            err = sim_doc_tags(ec2, doc_get(at, "tags"), &table.tags, error);
        }
        mem_reserve(&ec2->route_tables, &ec2->route_table_capacity, ec2->route_table_count + 1,
                    sizeof(table));
        ec2->route_tables[ec2->route_table_count++] = table;
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* A VPC always has a main table; without one in the scenario it leads out through a NAT gateway. */
static void need_main_table(struct sim_ec2 *ec2)
{
    struct sim_route_table table = { .main = true, .route_count = 1 };
    struct sim_route *route = ARENA_NEW(&ec2->arena, struct sim_route);

    for (uint32_t i = 0; i < ec2->route_table_count; i++) {
        if (ec2->route_tables[i].main) {
            return;
        }
    }
    *route = (struct sim_route){ SLICE("0.0.0.0/0"), SLICE("nat-0a1b2c3d4e5f60718") };
    table.routes = route;
    (void)snprintf(table.id.text, sizeof(table.id.text), "rtb-0a1b2c3d4e5f60718");
    mem_reserve(&ec2->route_tables, &ec2->route_table_capacity, ec2->route_table_count + 1,
                sizeof(table));
    ec2->route_tables[ec2->route_table_count++] = table;
}

static enum err find_route_table(const struct sim_ec2 *ec2, const struct doc *doc, uint32_t *ret,
                                 struct error *error)
{
    struct aws_id made;
    struct slice name = doc_text(doc);

    *ret = ROW_NONE;
    if (!doc) {
        return ERR_OK;
    }
    (void)snprintf(made.text, sizeof(made.text), "rtb-0%016llx",
                   (unsigned long long)slice_hash(name));
    for (uint32_t i = 0; i < ec2->route_table_count; i++) {
        if (slice_eq(name, aws_id_slice(&ec2->route_tables[i].id)) ||
            aws_id_eq(&made, &ec2->route_tables[i].id)) {
            *ret = i;
            return ERR_OK;
        }
    }
    return sim_doc_fail(error, doc, "no route table %.*s", SLICE_ARG(name));
}

/* ---- subnets ---- */

static enum err read_reservations(struct sim_ec2 *ec2, const struct doc *list,
                                  struct sim_subnet *subnet, struct error *error)
{
    static const char *const keys[] = { "cidr", "type", NULL };
    struct cidr_reservation *rows = ARENA_ARRAY(&ec2->arena, struct cidr_reservation,
                                                doc_count(list) + 1);

    subnet->reservations = rows;
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        struct cidr_reservation *row = &rows[subnet->reservation_count++];
        struct slice type = doc_text_or(doc_get(at, "type"), SLICE("prefix"));
        enum err err = sim_doc_keys(at, "a reservation", keys, error);
        if (err == ERR_OK) {
            err = sim_doc_cidr(doc_get(at, "cidr"), "reservations.cidr", &row->cidr, error);
        }
        if (err != ERR_OK) {
            return err;
        }
        row->prefix = slice_is(type, "prefix");
        if (!row->prefix && !slice_is(type, "explicit")) {
            return sim_doc_fail(error, at, "a reservation's type is prefix or explicit");
        }
        if (!sim_space_reserve(&subnet->space, *row)) {
            return sim_doc_fail(error, at, "the reservation is outside of the subnet or overlaps");
        }
    }
    return ERR_OK;
}

static enum err check_cidr(const struct sim_ec2 *ec2, const struct doc *row, struct cidr cidr,
                           struct error *error)
{
    bool inside = false;

    if (cidr.bits < 16 || cidr.bits > 28) {
        return sim_doc_fail(error, row, "a subnet's cidr is /16 to /28, not /%u", cidr.bits);
    }
    for (uint32_t i = 0; i < ec2->vpc_cidr_count; i++) {
        const struct cidr *vpc = &ec2->vpc_cidrs[i];
        uint64_t size = UINT64_C(1) << (32 - vpc->bits);
        inside |= cidr.bits >= vpc->bits && cidr.base >= vpc->base && cidr.base - vpc->base < size;
    }
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        const struct sim_space *other = &ec2->subnets[i].space;
        uint32_t size = UINT32_C(1) << (32 - cidr.bits);
        if (sim_space_contains(other, cidr.base) ||
            (other->cidr.base >= cidr.base && other->cidr.base - cidr.base < size)) {
            return sim_doc_fail(error, row, "the subnet overlaps %s", ec2->subnets[i].id.text);
        }
    }
    return inside ? ERR_OK
                  : sim_doc_fail(error, row,
                                 "the subnet is outside of the VPC's cidrs; add its block to "
                                 "vpc.cidrs (without vpc: 10.0.0.0/16)");
}

/* "usw2-az1" for us-west-2a. */
static struct slice zone_id(struct sim_ec2 *ec2, struct slice zone)
{
    struct slice rest = zone;
    struct slice area = slice_cut(&rest, '-');
    struct slice place = slice_cut(&rest, '-');
    char letter = zone.len > 0 ? zone.data[zone.len - 1] : 'a';

    return arena_printf(&ec2->arena, "%.*s%c%c-az%d", SLICE_ARG(area),
                        place.len > 0 ? place.data[0] : 'x', rest.len > 0 ? rest.data[0] : '1',
                        letter >= 'a' && letter <= 'z' ? letter - 'a' + 1 : 1);
}

static enum err read_subnet(struct sim_ec2 *ec2, const struct doc *row, struct error *error)
{
    static const char *const keys[] = { "id",   "name",         "zone",        "zone_id", "cidr",
                                        "tags", "reservations", "route_table", "free",    "usable",
                                        NULL };
    struct sim_subnet *subnet = NULL;
    struct aws_id id = { 0 };
    struct cidr cidr = { 0 };

    enum err err = sim_doc_keys(row, "a subnet", keys, error);
    if (err == ERR_OK) {
        err = sim_doc_id(row, "subnet", &id, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_cidr(doc_get(row, "cidr"), "cidr", &cidr, error);
    }
    if (err == ERR_OK) {
        err = check_cidr(ec2, row, cidr, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (sim_find_subnet(ec2, aws_id_slice(&id)) != ROW_NONE) {
        return sim_doc_fail(error, row, "subnet %s stands there twice", id.text);
    }
    mem_reserve(&ec2->subnets, &ec2->subnet_capacity, ec2->subnet_count + 1, sizeof(*ec2->subnets));
    subnet = &ec2->subnets[ec2->subnet_count];
    subnet->id = id;
    subnet->first_eni = ROW_NONE;
    sim_space_init(&subnet->space, cidr);
    index_add(&ec2->subnet_index, ec2->subnets, ec2->subnet_count++);
    subnet->name = doc_text(doc_get(row, "name"));
    subnet->zone = doc_text_or(doc_get(row, "zone"),
                               arena_printf(&ec2->arena, "%.*sa", SLICE_ARG(ec2->region)));
    subnet->zone_id = doc_text_or(doc_get(row, "zone_id"), zone_id(ec2, subnet->zone));
    if (!slice_starts(subnet->zone, ec2->region)) {
        return sim_doc_fail(error, row,
                            "zone %.*s is not in Region %.*s; correct it, or set region",
                            SLICE_ARG(subnet->zone), SLICE_ARG(ec2->region));
    }
    subnet->usable = doc_bool_or(doc_get(row, "usable"), true);
    if (subnet->name.len > 0) {
        sim_tags_set(ec2, &subnet->tags, SLICE("Name"), subnet->name);
    }
    err = sim_doc_tags(ec2, doc_get(row, "tags"), &subnet->tags, error);
    if (err == ERR_OK) {
        err = find_route_table(ec2, doc_get(row, "route_table"), &subnet->route_table, error);
    }
    return err == ERR_OK ? read_reservations(ec2, doc_get(row, "reservations"), subnet, error)
                         : err;
}

uint32_t sim_subnet_by_name(const struct sim_ec2 *ec2, struct slice name)
{
    uint32_t row = sim_find_subnet(ec2, name);

    for (uint32_t i = 0; row == ROW_NONE && i < ec2->subnet_count; i++) {
        row = name.len > 0 && slice_eq(ec2->subnets[i].name, name) ? i : ROW_NONE;
    }
    return row;
}

static struct slice name_or_id(const struct sim_subnet *subnet)
{
    return subnet->name.len > 0 ? subnet->name : aws_id_slice(&subnet->id);
}

enum err sim_doc_no_subnet(struct sim_ec2 *ec2, const struct doc *doc, struct slice name,
                           struct error *error)
{
    struct slice *known = ARENA_ARRAY(&ec2->arena, struct slice, ec2->subnet_count);

    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        known[i] = name_or_id(&ec2->subnets[i]);
    }
    return name.len == 0
               ? sim_doc_fail(error, doc, "subnet is missing")
               : sim_doc_unknown(&ec2->arena, doc, "subnet", name, known, ec2->subnet_count, error);
}

/* After the instances have theirs: other tenants take addresses until `free` are left. */
static enum err drain_subnets(struct sim_ec2 *ec2, const struct doc *list, struct error *error)
{
    uint32_t row = 0;

    for (const struct doc *at = doc_first(list); at; at = at->next, row++) {
        uint64_t free = 0;
        const struct doc *field = doc_get(at, "free");
        if (!field) {
            continue;
        }
        enum err err = doc_read_u64(field, "free", UINT32_MAX, &free, error);
        if (err != ERR_OK) {
            return err;
        }
        struct sim_subnet *subnet = &ec2->subnets[row];
        if (free > subnet->space.free) {
            return sim_doc_fail(error, field,
                                "%.*s can have at most %u free addresses: the rest of its cidr "
                                "is EC2's five and the scenario's ENIs",
                                SLICE_ARG(name_or_id(subnet)), subnet->space.free);
        }
        struct aws_id id = subnet->id;
        err = sim_ec2_drain(ec2, ec2->now_ns, &id, (uint32_t)free, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* ---- security groups ---- */

static enum err read_groups(struct sim_ec2 *ec2, const struct doc *list, struct error *error)
{
    static const char *const keys[] = { "id", "name", "tags", NULL };

    /* The VPC's default group is the first: an ENI without groups gets it. */
    mem_reserve(&ec2->groups, &ec2->group_capacity, 1, sizeof(*ec2->groups));
    struct sim_group *first = &ec2->groups[ec2->group_count];
    (void)snprintf(first->id.text, sizeof(first->id.text), "sg-0%016llx",
                   (unsigned long long)slice_hash(SLICE("default")));
    first->name = SLICE("default");
    index_add(&ec2->group_index, ec2->groups, ec2->group_count++);
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        struct sim_group group = { .name = doc_text(doc_get(at, "name")) };
        enum err err = sim_doc_keys(at, "a security group", keys, error);
        if (err == ERR_OK) {
            err = sim_doc_id(at, "sg", &group.id, error);
        }
        if (err == ERR_OK && sim_find_group(ec2, aws_id_slice(&group.id)) != ROW_NONE) {
            err = sim_doc_fail(error, at, "security group %s stands there twice", group.id.text);
        }
        if (err != ERR_OK) {
            return err;
        }
        mem_reserve(&ec2->groups, &ec2->group_capacity, ec2->group_count + 1, sizeof(*ec2->groups));
        ec2->groups[ec2->group_count] = group;
        index_add(&ec2->group_index, ec2->groups, ec2->group_count);
        err = sim_doc_tags(ec2, doc_get(at, "tags"), &ec2->groups[ec2->group_count++].tags, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* ---- instances ---- */

static enum err instance_groups(struct sim_ec2 *ec2, const struct doc *list, struct slice *ret,
                                uint32_t *ret_count, struct error *error)
{
    *ret_count = 0;
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        uint32_t row = sim_find_group(ec2, doc_text(at));
        for (uint32_t i = 0; row == ROW_NONE && i < ec2->group_count; i++) {
            row = slice_eq(ec2->groups[i].name, doc_text(at)) ? i : ROW_NONE;
        }
        if (row == ROW_NONE || *ret_count == SIM_GROUPS_MAX) {
            return sim_doc_fail(error, at, "no security group %.*s, or too many of them",
                                SLICE_ARG(doc_text(at)));
        }
        ret[(*ret_count)++] = aws_id_slice(&ec2->groups[row].id);
    }
    return ERR_OK;
}

/* ENIs beyond the primary one, attached from the start. */
static enum err add_enis(struct sim_ec2 *ec2, const struct doc *list, uint32_t instance,
                         const struct sim_run *run, struct error *error)
{
    static const char *const keys[] = { "subnet", "ips", "prefixes", NULL };
    uint32_t index = 0;

    for (const struct doc *at = doc_first(list); at; at = at->next) {
        struct sim_problem problem = { 0 };
        uint64_t ips = 0, prefixes = 0;
        uint32_t row = 0, token = 0;
        enum err err = sim_doc_keys(at, "an ENI", keys, error);
        if (err == ERR_OK) {
            err = doc_read_u64(doc_get(at, "ips"), "ips", 64, &ips, error);
        }
        if (err == ERR_OK) {
            err = doc_read_u64(doc_get(at, "prefixes"), "prefixes", 64, &prefixes, error);
        }
        if (err != ERR_OK) {
            return err;
        }
        uint32_t subnet = sim_subnet_by_name(ec2, doc_text(doc_get(at, "subnet")));
        if (subnet == ROW_NONE) {
            return sim_doc_no_subnet(ec2, at, doc_text(doc_get(at, "subnet")), error);
        }
        struct sim_create create = {
            .subnet = aws_id_slice(&ec2->subnets[subnet].id),
            .groups = run->groups,
            .group_count = run->group_count,
            .ips = (uint32_t)ips,
            .prefixes = (uint32_t)prefixes,
        };
        const struct instance_type *type = &ec2->instances[instance].type;
        if (++index >= type->enis || 1 + ips + prefixes > type->ips_per_eni) {
            return sim_doc_fail(error, at, "more than instance type %.*s takes",
                                SLICE_ARG(type->name));
        }
        if (!sim_eni_create(ec2, &create, &row, &token, &problem)) {
            return sim_doc_fail(error, at, "%s: %s", problem.code, problem.message);
        }
        sim_eni_join(ec2, row, instance, index, true);
        ec2->enis[row].now.delete_on_termination = true;
    }
    return ERR_OK;
}

/* The count-th of several gets ids and names of its own: "i-node" becomes "i-node-3". */
static enum err run_one(struct sim_ec2 *ec2, const struct doc *row, struct sim_run *run,
                        uint64_t number, bool several, struct error *error)
{
    struct sim_problem problem = { 0 };
    struct slice id = doc_text(doc_get(row, "id"));
    struct slice name = doc_text(doc_get(row, "name"));
    uint32_t instance = 0;

    if (several && id.len > 0) {
        id = arena_printf(&ec2->arena, "%.*s-%llu", SLICE_ARG(id), (unsigned long long)number);
    }
    if (several && name.len > 0) {
        name = arena_printf(&ec2->arena, "%.*s-%llu", SLICE_ARG(name), (unsigned long long)number);
    }
    if (id.len == 0 && name.len > 0) {
        id = arena_printf(&ec2->arena, "i-0%016llx", (unsigned long long)slice_hash(name));
    }
    run->id = (struct aws_id){ 0 };
    if (id.len > 0 && (aws_id_set(&run->id, id) != ERR_OK || !slice_starts(id, SLICE("i-")))) {
        return sim_doc_fail(error, row, "id must look like i-...");
    }
    run->dns_name = name;
    if (!sim_instance_run(ec2, run, &instance, &problem)) {
        return sim_doc_fail(error, row, "this instance cannot be in %.*s: %s: %s",
                            SLICE_ARG(doc_text(doc_get(row, "subnet"))), problem.code,
                            problem.message);
    }
    if (name.len > 0) {
        sim_tags_set(ec2, &ec2->instances[instance].tags, SLICE("Name"), name);
    }
    enum err err = sim_doc_tags(ec2, doc_get(row, "tags"), &ec2->instances[instance].tags, error);
    return err == ERR_OK ? add_enis(ec2, doc_get(row, "enis"), instance, run, error) : err;
}

static bool knows_type(const struct sim_ec2 *ec2, struct slice name)
{
    bool known = false;

    (void)sim_type(ec2, name, &known);
    return known;
}

static enum err read_instance(struct sim_ec2 *ec2, const struct doc *row, struct error *error)
{
    static const char *const keys[] = { "id", "name", "type", "subnet", "groups", "role", "count",
                                        "tags", "secondary_ips", "prefixes", "enis",
                                        /* of the players of nodes */
                                        "node", "labels", "annotations", "max_pods", "agent",
                                        "taints", NULL };
    struct slice groups[SIM_GROUPS_MAX];
    struct sim_run run = { .groups = groups, .at_once = true };
    uint64_t count = 1, ips = 0, prefixes = 0;

    enum err err = sim_doc_keys(row, "an instance", keys, error);
    if (err == ERR_OK) {
        err = doc_read_u64(doc_get(row, "count"), "count", 10000, &count, error);
    }
    if (err == ERR_OK) {
        err = doc_read_u64(doc_get(row, "secondary_ips"), "secondary_ips", 64, &ips, error);
    }
    if (err == ERR_OK) {
        err = doc_read_u64(doc_get(row, "prefixes"), "prefixes", 64, &prefixes, error);
    }
    if (err == ERR_OK) {
        err = instance_groups(ec2, doc_get(row, "groups"), groups, &run.group_count, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    uint32_t subnet = sim_subnet_by_name(ec2, doc_text(doc_get(row, "subnet")));
    if (subnet == ROW_NONE) {
        return sim_doc_no_subnet(ec2, row, doc_text(doc_get(row, "subnet")), error);
    }
    run.subnet = aws_id_slice(&ec2->subnets[subnet].id);
    run.type = doc_text_or(doc_get(row, "type"), SLICE("m5.large"));
    if (!knows_type(ec2, run.type)) {
        return sim_doc_fail(error, row,
                            "there is no instance type %.*s; correct it, or describe it under "
                            "types, as %.*s: {enis: 4, ips: 15}",
                            SLICE_ARG(run.type), SLICE_ARG(run.type));
    }
    run.role = doc_text(doc_get(row, "role"));
    run.secondary_ips = (uint32_t)ips;
    run.prefixes = (uint32_t)prefixes;
    for (uint64_t i = 1; i <= count && err == ERR_OK; i++) {
        err = run_one(ec2, row, &run, i, count > 1, error);
    }
    return err;
}

/* ---- blocks for prefixes ---- */

/* Single addresses lie anywhere, and would leave no whole /28 for the prefixes of instances that
 * stand further down, though these had theirs before. */
struct kept_blocks {
    struct {
        uint32_t subnet, base;
    } * rows;
    uint32_t count, capacity;
};

static void keep_blocks(struct sim_ec2 *ec2, struct kept_blocks *kept, struct slice name,
                        uint64_t count)
{
    uint32_t subnet = sim_subnet_by_name(ec2, name), base = 0;

    while (subnet != ROW_NONE && count-- > 0 &&
           sim_space_hold_block(&ec2->subnets[subnet].space, sim_scatter(ec2), &base)) {
        mem_reserve(&kept->rows, &kept->capacity, kept->count + 1, sizeof(*kept->rows));
        kept->rows[kept->count].subnet = subnet;
        kept->rows[kept->count++].base = base;
    }
}

static void keep_all_blocks(struct sim_ec2 *ec2, const struct doc *list, struct kept_blocks *kept)
{
    for (const struct doc *row = doc_first(list); row; row = row->next) {
        uint64_t count = doc_u64_or(doc_get(row, "count"), 1);
        keep_blocks(ec2, kept, doc_text(doc_get(row, "subnet")),
                    count * doc_u64_or(doc_get(row, "prefixes"), 0));
        for (const struct doc *eni = doc_first(doc_get(row, "enis")); eni; eni = eni->next) {
            keep_blocks(ec2, kept, doc_text(doc_get(eni, "subnet")),
                        count * doc_u64_or(doc_get(eni, "prefixes"), 0));
        }
    }
}

static void let_go_blocks(struct sim_ec2 *ec2, struct kept_blocks *kept)
{
    for (uint32_t i = 0; i < kept->count; i++) {
        sim_space_let_go_block(&ec2->subnets[kept->rows[i].subnet].space, kept->rows[i].base);
    }
    mem_free(kept->rows);
}

static enum err each(struct sim_ec2 *ec2, const struct doc *list, const char *what,
                     enum err (*read)(struct sim_ec2 *, const struct doc *, struct error *),
                     struct error *error)
{
    if (list && !doc_is(list, DOC_SEQUENCE)) {
        return sim_doc_fail(error, list, "%s must be a list", what);
    }
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        enum err err = read(ec2, at, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err sim_scenario_network(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
{
    enum err err = read_route_tables(ec2, doc_get(top, "route_tables"), error);

    if (err != ERR_OK) {
        return err;
    }
    need_main_table(ec2);
    err = each(ec2, doc_get(top, "subnets"), "subnets", read_subnet, error);
    if (err == ERR_OK && ec2->subnet_count == 0) {
        err = sim_doc_fail(error, top, "the scenario needs subnets");
    }
    if (err == ERR_OK) {
        err = read_groups(ec2, doc_get(top, "security_groups"), error);
    }
    if (err == ERR_OK) {
        struct kept_blocks kept = { 0 };
        keep_all_blocks(ec2, doc_get(top, "instances"), &kept);
        err = each(ec2, doc_get(top, "instances"), "instances", read_instance, error);
        let_go_blocks(ec2, &kept);
    }
    return err == ERR_OK ? drain_subnets(ec2, doc_get(top, "subnets"), error) : err;
}
