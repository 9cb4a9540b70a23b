/*
 * measure.c - waits, and which of them a better attach would have avoided; the oracle that
 * avoids them all; samples for plots.
 *
 * A wait is avoidable while the node's zone has a free address in a permitted subnet and the node
 * has room for it: on an ENI whose subnet has one, or in an ENI slot for which a permitted subnet
 * has two. Judged whenever something happens at the node: at least at each retry of a waiting pod.
 */
#include "state.h"

enum { FINE_BUCKETS = 1000 }; /* of 100 ms; the rest are of 10 s */

/* ---- is there an address for the node? ---- */

static bool is_public(const struct sim_ec2 *ec2, uint32_t subnet)
{
    uint32_t table = ec2->subnets[subnet].route_table;

    for (uint32_t i = 0; table == ROW_NONE && i < ec2->route_table_count; i++) {
        table = ec2->route_tables[i].main ? i : ROW_NONE;
    }
    for (uint32_t i = 0; table != ROW_NONE && i < ec2->route_tables[table].route_count; i++) {
        const struct sim_route *route = &ec2->route_tables[table].routes[i];
        if (slice_is(route->destination, "0.0.0.0/0") &&
            slice_starts(route->target, SLICE("igw-"))) {
            return true;
        }
    }
    return false;
}

static bool of_other_cluster(const struct world *world, const struct sim_subnet *subnet)
{
    struct slice prefix = SLICE(TAG_SUBNET_CLUSTER_PREFIX);
    struct slice cluster = world->settings.cluster_name;
    bool any = false;

    for (uint32_t i = 0; i < subnet->tags.count; i++) {
        struct slice key = sim_name(world->ec2, subnet->tags.items[i].key);
        if (!slice_starts(key, prefix)) {
            continue;
        }
        struct slice name = { key.data + prefix.len, key.len - prefix.len };
        if (cluster.len == 0 || slice_eq(name, cluster)) {
            return false;
        }
        any = true;
    }
    return any;
}

bool world_excluded(const struct world *world, uint32_t subnet)
{
    const struct sim_subnet *row = &world->ec2->subnets[subnet];
    struct slice role = SLICE("");

    (void)sim_tags_find(world->ec2, &row->tags, SLICE(TAG_SUBNET_ROLE), &role);
    return slice_is(role, "0") || (role.len > 0 && of_other_cluster(world, row));
}

static bool permitted(struct world *world, const struct world_node *node, uint32_t subnet)
{
    const struct sim_subnet *row = &world->ec2->subnets[subnet];

    return node->pool != ROW_NONE && world->pools[node->pool].subnets[subnet] && row->usable &&
           slice_eq(row->zone, interner_get(&world->zones, node->zone)) &&
           is_public(world->ec2, subnet) == is_public(world->ec2, node->primary_subnet) &&
           !world_excluded(world, subnet);
}

/* Addresses that may be taken from it. */
static uint32_t to_be_had(const struct world *world, const struct world_node *node, uint32_t subnet,
                          bool reserve)
{
    const struct sim_space *space = &world->ec2->subnets[subnet].space;
    uint32_t reserved = reserve && node->pool != ROW_NONE
                            ? world->pools[node->pool].pool.reserved_ips
                            : 0;
    uint32_t free = space->free > reserved ? space->free - reserved : 0;

    if (free > 0 && world->settings.prefix_delegation && node->type.prefixes &&
        sim_space_free_blocks(space) == 0) {
        return 0;
    }
    return free;
}

static bool room_on_eni(struct world *world, const struct world_node *node)
{
    const struct sim_instance *instance = &world->ec2->instances[node->instance_row];
    uint32_t most = node->type.ips_per_eni - 1;

    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni *eni = &world->ec2->enis[instance->enis[i]];
        bool first = eni->now.device_index == 0;
        if (eni->type == ENI_TRUNK || (first && world->settings.custom_networking)) {
            continue;
        }
        if (eni->now.ips.count + eni->now.prefixes.count < most &&
            to_be_had(world, node, eni->subnet, permitted(world, node, eni->subnet)) > 0) {
            return true;
        }
    }
    return false;
}

static bool has_slot(const struct world *world, const struct world_node *node)
{
    const struct sim_instance *instance = &world->ec2->instances[node->instance_row];
    uint32_t kept = world->settings.pod_eni && node->type.trunk;

    for (uint32_t i = 0; i < instance->eni_count; i++) {
        if (world->ec2->enis[instance->enis[i]].type == ENI_TRUNK) {
            kept = 0;
        }
    }
    return instance->eni_count + node->lent_enis + kept < node->type.enis;
}

/* The permitted subnet with the most addresses; ROW_NONE: none has so many. */
static uint32_t best_subnet(struct world *world, const struct world_node *node, uint32_t need)
{
    uint32_t best = ROW_NONE, most = 0;

    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        if (world->ec2->subnets[i].space.free < need || !permitted(world, node, i)) {
            continue;
        }
        uint32_t free = to_be_had(world, node, i, true);
        if (free >= need && free > most) {
            best = i;
            most = free;
        }
    }
    return best;
}

/* Addresses that an ENI of the node takes. */
static uint32_t places(const struct world *world, const struct world_node *node)
{
    uint32_t most = node->type.ips_per_eni - 1;

    return world->settings.prefix_delegation && node->type.prefixes ? most * PREFIX_SIZE : most;
}

bool world_helpable(struct world *world, uint32_t row)
{
    const struct world_node *node = &world->nodes[row];
    bool room_lent = node->lent < node->lent_enis * places(world, node);

    if (node->phase != NODE_UP) {
        return false;
    }
    return room_on_eni(world, node) || (room_lent && best_subnet(world, node, 1) != ROW_NONE) ||
           (has_slot(world, node) && best_subnet(world, node, 2) != ROW_NONE);
}

/* ---- accounts ---- */

void world_account(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];
    double passed_ns = (double)(world->now_ns - node->accounted_ns) * node->waiting;

    world->stall_ns += passed_ns;
    world->avoidable_ns += node->helpable ? passed_ns : 0;
    node->accounted_ns = world->now_ns;
    node->helpable = node->waiting > 0 && world_helpable(world, row);
}

void world_waited(struct world *world, const struct world_pod *pod)
{
    uint64_t wait_ns = pod->refused_ns ? world->now_ns - pod->refused_ns : 0;
    uint64_t bucket = (wait_ns + 99 * SIM_MS) / (100 * SIM_MS);
    double wait_s = (double)wait_ns / 1e9;

    if (bucket >= FINE_BUCKETS) {
        bucket = FINE_BUCKETS + (wait_ns - FINE_BUCKETS * 100 * SIM_MS) / (10 * SIM_S);
    }
    world->waits[bucket < WAIT_BUCKETS ? bucket : WAIT_BUCKETS - 1]++;
    world->wait_max_s = wait_s > world->wait_max_s ? wait_s : world->wait_max_s;
}

static double quantile_s(const struct world *world, double share)
{
    uint64_t total = 0, seen = 0;

    for (uint32_t i = 0; i < WAIT_BUCKETS; i++) {
        total += world->waits[i];
    }
    for (uint32_t i = 0; i < WAIT_BUCKETS; i++) {
        seen += world->waits[i];
        if (total > 0 && (double)seen >= share * (double)total) {
            double at_s = i < FINE_BUCKETS ? i * 0.1 : 100 + (i - FINE_BUCKETS) * 10.0;
            return at_s < world->wait_max_s ? at_s : world->wait_max_s;
        }
    }
    return 0;
}

void world_measure_end(struct world *world)
{
    struct world_result *result = &world->result;

    for (uint32_t i = 0; i < world->node_count; i++) {
        world_account(world, i);
    }
    for (uint32_t i = 0; i < world->pod_count; i++) {
        if (world->pods[i].waiting) {
            world_waited(world, &world->pods[i]);
        }
    }
    world_sample(world);
    result->stall_s = world->stall_ns / 1e9;
    result->avoidable_stall_s = world->avoidable_ns / 1e9;
    result->wait_p99_s = quantile_s(world, 0.99);
    result->wait_max_s = world->wait_max_s;
    result->waiting = world->waiting;
    result->unscheduled = world->pending_count;
    result->enis_attached = result->enis_preattached + world->agents_created;
    result->ec2_calls = result->controller_calls + world->agents_calls;
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].agent) {
            result->enis_attached += world->nodes[i].agent->stats.enis_created;
            result->ec2_calls += world->nodes[i].agent->stats.ec2_calls;
        }
    }
}

void world_result(const struct world *world, struct world_result *ret)
{
    *ret = world->result;
}

/* ---- samples ---- */

void world_measure_begin(struct world *world)
{
    uint32_t subnets = world->ec2->subnet_count;

    world->sample_every_ns = (world->end_ns - world->begin_ns) / (SAMPLES - 2);
    if (world->sample_every_ns < SIM_S) {
        world->sample_every_ns = SIM_S;
    }
    world->sample_ns = world->begin_ns;
    world->check_ns = world->config.check ? world->begin_ns + 60 * SIM_S : UINT64_MAX;
    world->sample_at = mem_resize(NULL, SAMPLES, sizeof(uint64_t));
    world->sample_waiting = mem_resize(NULL, SAMPLES, sizeof(uint32_t));
    world->sample_enis = mem_resize(NULL, SAMPLES, sizeof(uint32_t));
    world->sample_addresses = mem_resize(NULL, SAMPLES, sizeof(uint32_t));
    world->sample_free = mem_resize(NULL, (size_t)SAMPLES * subnets, sizeof(uint32_t));
    world->subnet_names = ARENA_ARRAY(&world->arena, struct slice, subnets);
    world->subnet_totals = ARENA_ARRAY(&world->arena, uint32_t, subnets);
    for (uint32_t i = 0; i < subnets; i++) {
        const struct sim_subnet *subnet = &world->ec2->subnets[i];
        world->subnet_names[i] = subnet->name.len > 0 ? subnet->name : aws_id_slice(&subnet->id);
        world->subnet_totals[i] = subnet->space.size - SPACE_OWN;
    }
}

void world_sample(struct world *world)
{
    uint32_t at = world->sample_count, enis = 0, addresses = 0;

    world->sample_ns = world->now_ns + world->sample_every_ns;
    if (at == SAMPLES) {
        return;
    }
    for (uint32_t i = 0; i < world->ec2->eni_rows; i++) {
        const struct sim_eni *eni = &world->ec2->enis[i];
        if (!eni->used || eni->gone_ns != TIMERS_NEVER || eni->tenant) {
            continue;
        }
        enis += eni->now.attach != ATTACH_NONE;
        addresses += 1 + eni->now.ips.count + 16 * eni->now.prefixes.count;
    }
    world->sample_at[at] = world->now_ns - world->begin_ns;
    world->sample_waiting[at] = world->waiting;
    world->sample_enis[at] = enis;
    world->sample_addresses[at] = addresses;
    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        world->sample_free[at * world->ec2->subnet_count + i] = world->ec2->subnets[i].space.free;
    }
    if (addresses > world->result.addresses_held_max) {
        world->result.addresses_held_max = addresses;
    }
    world->sample_count++;
}

void world_series(const struct world *world, struct world_series *ret)
{
    *ret = (struct world_series){
        .count = world->sample_count,
        .subnet_count = world->ec2->subnet_count,
        .at_ns = world->sample_at,
        .waiting = world->sample_waiting,
        .enis = world->sample_enis,
        .addresses = world->sample_addresses,
        .free = world->sample_free,
        .subnets = world->subnet_names,
        .totals = world->subnet_totals,
    };
}

/* ---- the oracle ---- */

static bool take(struct world *world, uint32_t subnet, uint32_t *ret_ip)
{
    sim_subnet_touch(world->ec2, subnet);
    return sim_space_pick(&world->ec2->subnets[subnet].space, NULL, ret_ip);
}

/* On an ENI of the oracle's own there are as many places as on any other. What it takes for such
 * an ENI itself is left out: the bound stays a lower one. */
bool world_oracle_lend(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    struct world_node *node = &world->nodes[row->node];
    uint32_t subnet = best_subnet(world, node, 1);

    if (subnet == ROW_NONE || !world_helpable(world, row->node)) {
        return false;
    }
    if (!take(world, subnet, &row->ip)) {
        return false;
    }
    node->lent++;
    if (node->lent > node->lent_enis * places(world, node)) {
        node->lent_enis += has_slot(world, node);
    }
    row->lent_subnet = subnet;
    return true;
}

void world_oracle_return(struct world *world, uint32_t pod)
{
    struct world_pod *row = &world->pods[pod];
    struct world_node *node = &world->nodes[row->node];

    sim_subnet_touch(world->ec2, row->lent_subnet);
    sim_space_give(&world->ec2->subnets[row->lent_subnet].space, row->ip);
    row->lent_subnet = ROW_NONE;
    node->lent--;
    if (node->lent == 0) {
        node->lent_enis = 0;
    }
}
