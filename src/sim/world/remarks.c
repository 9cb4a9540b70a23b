/*
 * remarks.c - what is odd in a scenario: names that mean nothing are refused, and what can be
 * played but was hardly meant is remarked upon.
 *
 * Knows what people mistype and forget. Refuses to change anything.
 */
#include <stdio.h>

#include "../ec2/scenario.h"
#include "state.h"

/* ---- names in demands ---- */

struct names {
    struct arena *arena;
    struct interner nodes, groups, zones, workloads;
    bool scaled; /* a smaller cluster has not all of its nodes */
};

static void learn_nodes(struct world *world, struct names *names)
{
    uint32_t row = 0, group = 0;
    const struct doc *at = doc_first(doc_get(world->top, "instances"));

    for (; at; at = at->next, group++) {
        uint64_t count = doc_u64_or(doc_get(at, "count"), 1);
        (void)interner_add(&names->groups, world->groups[group].name);
        for (uint64_t i = 0; i < count && row < world->ec2->instance_count; i++, row++) {
            struct slice node = i == 0 ? world->groups[group].node : SLICE("");
            (void)interner_add(&names->nodes,
                               node.len > 0 ? node : world->ec2->instances[row].dns_name);
        }
    }
}

static void learn(struct world *world, struct names *names)
{
    interner_init(&names->nodes);
    interner_init(&names->groups);
    interner_init(&names->zones);
    interner_init(&names->workloads);
    learn_nodes(world, names);
    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        (void)interner_add(&names->zones, world->ec2->subnets[i].zone);
    }
    for (uint32_t i = 0; i < world->act_count; i++) {
        const struct act *act = &world->acts[i];
        if (act->kind == ACT_DO_PODS || act->kind == ACT_DO_JOBS || act->kind == ACT_DO_SCALE) {
            (void)interner_add(&names->workloads, act->name);
        }
    }
}

static void forget(struct names *names)
{
    interner_done(&names->nodes);
    interner_done(&names->groups);
    interner_done(&names->zones);
    interner_done(&names->workloads);
}

static bool has(const struct interner *known, struct slice name)
{
    return interner_find(known, name) != INDEX_NONE;
}

/* "workers-x3": the third that an autoscaler brings. */
static bool is_launched(const struct names *names, struct slice name)
{
    for (size_t i = 0; i + 2 < name.len; i++) {
        if (slice_starts((struct slice){ name.data + i, name.len - i }, SLICE("-x")) &&
            has(&names->groups, (struct slice){ name.data, i })) {
            return true;
        }
    }
    return false;
}

static enum err refuse(const struct names *names, const struct act *act, const char *what,
                       struct slice name, const struct interner *known, struct error *error)
{
    const struct doc at = { .line = act->line };
    struct slice *all = ARENA_ARRAY(names->arena, struct slice, known->count);

    for (uint32_t i = 0; i < known->count; i++) {
        all[i] = interner_get(known, i);
    }
    return sim_doc_unknown(names->arena, &at, what, name, all, known->count, error);
}

static enum err check_node(const struct names *names, const struct act *act, struct slice name,
                           struct error *error)
{
    return has(&names->nodes, name) || is_launched(names, name) || names->scaled
               ? ERR_OK
               : refuse(names, act, "node", name, &names->nodes, error);
}

static enum err check_name(const struct names *names, const struct act *act, struct error *error)
{
    const struct doc at = { .line = act->line };

    switch (act->kind) {
    case ACT_DO_PODS:
        return act->on.len > 0 ? check_node(names, act, act->on, error) : ERR_OK;
    case ACT_DO_JOBS:
    case ACT_DO_SCALE:
    case ACT_DO_DRAIN:
        return ERR_OK;
    case ACT_DO_RESTART:
        return has(&names->workloads, act->name)
                   ? ERR_OK
                   : refuse(names, act, "workload", act->name, &names->workloads, error);
    case ACT_DO_NODES:
        return has(&names->groups, act->name)
                   ? ERR_OK
                   : refuse(names, act, "row of instances named", act->name, &names->groups, error);
    case ACT_DO_REMOVE:
        return has(&names->groups, act->name) ? ERR_OK : check_node(names, act, act->name, error);
    case ACT_DO_EVACUATE:
        return has(&names->zones, act->name)
                   ? ERR_OK
                   : refuse(names, act, "zone", act->name, &names->zones, error);
    case ACT_DO_CORDON:
    case ACT_DO_VANISH:
        return check_node(names, act, act->name, error);
    case ACT_DO_AGENTS:
        return slice_is(act->name, "restart")
                   ? ERR_OK
                   : sim_doc_fail(error, &at, "agents takes restart, not \"%.*s\"",
                                  SLICE_ARG(act->name));
    }
    return ERR_OK;
}

enum err world_check_names(struct world *world, struct error *error)
{
    struct names names = { .arena = &world->arena, .scaled = world->config.scale < 1 };
    enum err err = ERR_OK;

    learn(world, &names);
    for (uint32_t i = 0; i < world->act_count && err == ERR_OK; i++) {
        err = check_name(&names, &world->acts[i], error);
    }
    forget(&names);
    return err;
}

/* ---- remarks ---- */

enum { REMARKS_MAX = 40 };

static void remark(struct world *world, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void remark(struct world *world, uint32_t line, const char *format, ...)
{
    va_list args;

    if (world->remark_count == REMARKS_MAX) {
        return;
    }
    va_start(args, format);
    struct slice text = arena_vprintf(&world->arena, format, args);
    va_end(args);
    mem_reserve(&world->remarks, &world->remark_capacity, world->remark_count + 1,
                sizeof(*world->remarks));
    world->remarks[world->remark_count++] =
        line > 0 ? arena_printf(&world->arena, "line %u: %.*s", line, SLICE_ARG(text)) : text;
}

/* A time as people write it: "90s", "30m", "2h5m". */
static struct slice in_words(struct world *world, uint64_t ns)
{
    unsigned long long s = ns / SIM_S;

    return s % 60 != 0 || s == 0 ? arena_printf(&world->arena, "%llus", s)
           : s % 3600 != 0       ? arena_printf(&world->arena, "%llum", s / 60)
                                 : arena_printf(&world->arena, "%lluh", s / 3600);
}

static void remark_times(struct world *world)
{
    uint64_t end_ns = world->end_ns - world->begin_ns;

    for (uint32_t i = 0; i < world->act_count; i++) {
        const struct act *act = &world->acts[i];
        if (act->at_ns >= end_ns) {
            remark(world, act->line,
                   "at %.*s is when all is over (duration: %.*s): it never happens",
                   SLICE_ARG(in_words(world, act->at_ns)), SLICE_ARG(in_words(world, end_ns)));
        }
    }
}

static void remark_settings(struct world *world)
{
    /* Those of struct agent_settings. */
    static const char *const known[] = { "WARM_ENI_TARGET",
                                         "WARM_IP_TARGET",
                                         "MINIMUM_IP_TARGET",
                                         "WARM_PREFIX_TARGET",
                                         "MAX_ENI",
                                         "ENABLE_PREFIX_DELEGATION",
                                         "ENABLE_SUBNET_DISCOVERY",
                                         "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
                                         "ENABLE_POD_ENI",
                                         "MANAGE_UNTAGGED_ENI",
                                         "AWS_MANAGE_ENIS_NON_SCHEDULABLE",
                                         "DISABLE_NETWORK_RESOURCE_PROVISIONING",
                                         "ENABLE_IPv6",
                                         "CLUSTER_NAME",
                                         "ENI_CONFIG_LABEL_DEF",
                                         "ENI_CONFIG_ANNOTATION_DEF",
                                         "ADDITIONAL_ENI_TAGS",
                                         NULL };

    for (const struct doc *at = doc_first(world->env); at; at = at->next) {
        const char *const *name = known;
        while (*name && !slice_is(at->key, *name)) {
            name++;
        }
        struct slice meant = slice_nearest(at->key, known);
        if (!*name && meant.len > 0) {
            remark(world, at->line, "the agent has no setting %.*s; did you mean %.*s?",
                   SLICE_ARG(at->key), SLICE_ARG(meant));
        } else if (!*name) {
            remark(world, at->line, "what %.*s does is not modelled: it changes nothing here",
                   SLICE_ARG(at->key));
        }
    }
}

static struct slice name_of(const struct sim_subnet *subnet)
{
    return subnet->name.len > 0 ? subnet->name : aws_id_slice(&subnet->id);
}

/* Nodes that the pool serves; in this zone, if one is named. */
static uint32_t served(const struct world *world, uint32_t pool, struct slice zone)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct world_node *node = &world->nodes[i];
        count += node->pool == pool &&
                 (zone.len == 0 || slice_eq(interner_get(&world->zones, node->zone), zone));
    }
    return count;
}

static void remark_zones(struct world *world, uint32_t row, uint32_t line)
{
    const struct world_pool *pool = &world->pools[row];
    struct interner seen;

    interner_init(&seen);
    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        struct slice zone = world->ec2->subnets[i].zone;
        uint32_t usable = 0;
        if (interner_find(&seen, zone) != INDEX_NONE) {
            continue;
        }
        (void)interner_add(&seen, zone);
        for (uint32_t k = i; k < world->ec2->subnet_count; k++) {
            usable += pool->subnets[k] && slice_eq(world->ec2->subnets[k].zone, zone) &&
                      !world_excluded(world, k);
        }
        if (usable == 0 && served(world, row, zone) > 0) {
            remark(world, line, "pool %.*s has nodes in %.*s and no subnet to help them with there",
                   SLICE_ARG(pool->pool.name), SLICE_ARG(zone));
        }
    }
    interner_done(&seen);
}

static void remark_pool(struct world *world, uint32_t row, uint32_t line)
{
    const struct world_pool *pool = &world->pools[row];
    struct slice name = pool->pool.name;
    uint32_t selected = 0;

    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        const struct sim_subnet *subnet = &world->ec2->subnets[i];
        selected += pool->subnets[i];
        if (pool->subnets[i] && world_excluded(world, i)) {
            remark(world, line,
                   "pool %.*s selects %.*s, but that subnet's tags (%s=0, or another cluster's "
                   "name) keep pods' addresses out of it: it is not used",
                   SLICE_ARG(name), SLICE_ARG(name_of(subnet)), TAG_SUBNET_ROLE);
        }
    }
    if (pool->pool.paused || pool->pool.dry_run) {
        remark(world, line, "pool %.*s has %s: true, so that Headroom does nothing for it",
               SLICE_ARG(name), pool->pool.paused ? "paused" : "dryRun");
    }
    if (selected == 0) {
        remark(world, line,
               "pool %.*s selects no subnet: compare its subnetSelectorTerms with the subnets' "
               "tags and ids",
               SLICE_ARG(name));
    } else if (served(world, row, SLICE("")) == 0) {
        remark(world, line,
               "pool %.*s serves no node: compare its nodeSelector with the instances' labels, and "
               "its weight with other pools'",
               SLICE_ARG(name));
    } else {
        remark_zones(world, row, line);
    }
}

static void remark_quotas(struct world *world)
{
    const struct doc *quotas = doc_get(world->top, "quotas");
    const struct sim_ec2 *ec2 = world->ec2;

    if (ec2->live_enis >= ec2->quota_enis) {
        remark(world, quotas ? quotas->line : 0,
               "there are %u ENIs, and quotas.enis is %u: nobody can create one more",
               ec2->live_enis, ec2->quota_enis);
    }
    if (ec2->nau >= ec2->quota_nau) {
        remark(world, quotas ? quotas->line : 0,
               "there are %u network address units, and quotas.nau is %u: no ENI can be attached",
               ec2->nau, ec2->quota_nau);
    }
}

void world_remark_all(struct world *world)
{
    const struct doc *pool = doc_first(doc_get(world->top, "pools"));

    if (world->group_count == 0) {
        remark(world, 0, "there are no instances, so nothing can happen");
    }
    if (world->pool_count == 0) {
        remark(world, 0, "there are no pools: Headroom acts only where a pool asks it to");
    }
    for (uint32_t i = 0; i < world->pool_count; i++, pool = pool->next) {
        remark_pool(world, i, pool->line);
    }
    if (world->pool_count > 0 && served(world, ROW_NONE, SLICE("")) > 0) {
        remark(world, 0, "no pool serves %u of the %u nodes: Headroom leaves these alone",
               served(world, ROW_NONE, SLICE("")), world->node_count);
    }
    remark_settings(world);
    remark_quotas(world);
    remark_times(world);
}
