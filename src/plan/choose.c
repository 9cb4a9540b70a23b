/*
 * choose.c - where an ENI goes: which subnet, how much of it, which device index.
 *
 * Knows what must fit (zone, pool, tags, routes, reserve, blocks) and the pool's strategy. Refuses
 * to know why the node wants an ENI.
 */
#include <assert.h>

#include "state.h"

/* The subnet whose routes an ENI of this node must share: the pods' own under custom networking. */
static uint32_t model_subnet(const struct planner *p, const struct node_row *node)
{
    if (p->agent.custom_networking) {
        const struct eniconfig_row *eniconfig = cluster_eniconfig_of(p, node);
        if (eniconfig && eniconfig->subnet != NONE && p->subnets[eniconfig->subnet].known) {
            return eniconfig->subnet;
        }
    }
    return node_primary_subnet(node);
}

bool choose_fits(const struct planner *p, const struct node_row *node, uint32_t subnet)
{
    const struct subnet_row *s = &p->subnets[subnet];
    uint32_t model = model_subnet(p, node);

    if (!s->known || !s->usable || s->excluded || s->zone != node->zone) {
        return false;
    }
    const struct subnet_row *m = &p->subnets[model];
    return p->pools[node->pool].links[subnet].member && aws_id_eq(&s->vpc, &m->vpc) &&
           s->route_kind == m->route_kind;
}

/* Slots that the subnet can carry on one new ENI, reserve and primary address set aside; -1: not
 * even a bare one. */
static int64_t room_in(const struct planner *p, const struct node_row *node, uint32_t subnet,
                       const struct view *v)
{
    const struct subnet_row *s = &p->subnets[subnet];
    int64_t free = (int64_t)subnet_free(s) - p->pools[node->pool].pool.reserved_ips - 1;

    if (s->refused || free < 0) {
        return -1;
    }
    return v->prefixes ? (int64_t)subnet_blocks(s) : free;
}

/* Is a better than b for this pool? Both have room. */
static bool better(const struct planner *p, const struct node_row *node, uint32_t a, uint32_t b)
{
    const struct pool_row *pool = &p->pools[node->pool];
    const struct subnet_row *x = &p->subnets[a];
    const struct subnet_row *y = &p->subnets[b];
    uint64_t free_a = p->agent.prefix_delegation ? subnet_blocks(x) : subnet_free(x);
    uint64_t free_b = p->agent.prefix_delegation ? subnet_blocks(y) : subnet_free(y);

    if (pool->links[a].leaving != pool->links[b].leaving) {
        return !pool->links[a].leaving; /* what lasts, before any taste */
    }
    if (pool->pool.strategy == STRATEGY_ORDERED && pool->links[a].term != pool->links[b].term) {
        return pool->links[a].term < pool->links[b].term;
    }
    if (pool->pool.strategy == STRATEGY_BALANCED) {
        /* The emptier one by share, so that all fill alike. */
        uint64_t share_a = free_a * y->total;
        uint64_t share_b = free_b * x->total;
        if (share_a != share_b) {
            return share_a > share_b;
        }
    } else if (free_a != free_b) {
        return free_a > free_b;
    }
    return strcmp(x->id.text, y->id.text) < 0;
}

static uint32_t best_with(const struct planner *p, const struct node_row *node,
                          const struct view *v, int64_t slots, bool lasting)
{
    const struct zone_row *zone = &p->zones[node->zone];
    uint32_t best = NONE;

    for (uint32_t i = 0; i < zone->subnet_count; i++) {
        uint32_t subnet = zone->subnets[i];
        if (!choose_fits(p, node, subnet) || room_in(p, node, subnet, v) < slots ||
            (lasting && p->pools[node->pool].links[subnet].leaving)) {
            continue;
        }
        if (best == NONE || better(p, node, subnet, best)) {
            best = subnet;
        }
    }
    return best;
}

/* What is under way need not be looked at: an ENI ahead of need waits for it. */
static bool has_eni_in(const struct node_row *node, uint32_t subnet)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (node->enis[i].subnet == subnet) {
            return true;
        }
    }
    return false;
}

/* Where nothing lasts, a foot in another subnet is still better than none: its last addresses,
 * and its recovery, are then within the agent's reach. Only while it has plenty for the nodes of
 * the zone. */
static uint32_t another_foothold(const struct planner *p, const struct node_row *node,
                                 const struct view *v)
{
    const struct zone_row *zone = &p->zones[node->zone];
    int64_t plenty = 2 * (int64_t)p->groups[node->group].count;
    uint32_t best = NONE;

    for (uint32_t i = 0; i < zone->subnet_count; i++) {
        uint32_t subnet = zone->subnets[i];
        enum subnet_state state = subnet_state_of(p, node->pool, subnet);
        if ((state != SUBNET_Healthy && state != SUBNET_Low) || has_eni_in(node, subnet) ||
            !choose_fits(p, node, subnet) || room_in(p, node, subnet, v) < plenty) {
            continue;
        }
        if (best == NONE || better(p, node, subnet, best)) {
            best = subnet;
        }
    }
    return best;
}

static uint32_t roomiest(const struct planner *p, const struct node_row *node, const struct view *v,
                         int64_t least)
{
    const struct zone_row *zone = &p->zones[node->zone];
    uint32_t best = NONE;
    int64_t most = least - 1;

    for (uint32_t i = 0; i < zone->subnet_count; i++) {
        int64_t room = choose_fits(p, node, zone->subnets[i])
                           ? room_in(p, node, zone->subnets[i], v)
                           : -1;
        if (room > most) {
            most = room;
            best = zone->subnets[i];
        }
    }
    return best;
}

static void fill(struct choice *choice, const struct view *v, uint32_t subnet, uint32_t slots)
{
    *choice = (struct choice){
        .subnet = subnet,
        .ips = v->prefixes ? 0 : slots,
        .prefixes = v->prefixes ? slots : 0,
    };
}

bool choose_early(const struct planner *p, const struct node_row *node, const struct view *v,
                  struct choice *ret)
{
    uint32_t ips = node_early_ips(v);
    uint32_t subnet = best_with(p, node, v, ips, true);

    assert(!v->prefixes); /* an agent in prefix mode keeps no early one */
    subnet = subnet == NONE ? another_foothold(p, node, v) : subnet;
    if (subnet == NONE) {
        return false;
    }
    fill(ret, v, subnet, ips);
    return true;
}

bool choose_subnet(const struct planner *p, const struct node_row *node, const struct view *v,
                   uint32_t wanted, uint32_t least, struct choice *ret)
{
    uint32_t slots = wanted;
    uint32_t subnet = best_with(p, node, v, wanted, false);

    if (subnet == NONE) {
        subnet = roomiest(p, node, v, 1);
        if (subnet != NONE) {
            slots = (uint32_t)room_in(p, node, subnet, v); /* less than wanted, or it were best */
        }
    }
    if (subnet == NONE) {
        return false;
    }
    /* Where little is left, other nodes' waiting pods come before this node's spare addresses. */
    if (p->pools[node->pool].links[subnet].state != SUBNET_Healthy) {
        slots = smaller(least, slots);
    }
    fill(ret, v, subnet, slots);
    return true;
}

static bool index_taken(const struct planner *p, const struct node_row *node, uint32_t index)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (node->enis[i].card == 0 && node->enis[i].device_index == index) {
            return true;
        }
    }
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        const struct order *order = &p->orders[i];
        if (!order->over && order->kind == ORDER_ATTACH && order->device_index == index) {
            return true;
        }
    }
    return (node->index_refused >> (index < 63 ? index : 63) & 1) != 0;
}

/* The highest free one: the agent takes the lowest. Where a trunk is still to come, the highest is
 * left for it, since EKS's resource controller takes the highest by its own map. */
bool choose_index(const struct planner *p, const struct node_row *node, const struct view *v,
                  uint32_t *ret)
{
    bool leave_one = v->trunk_slot;

    for (uint32_t index = p->types[node->type].limits.enis; index-- > 1;) {
        if (index_taken(p, node, index)) {
            continue;
        }
        if (leave_one) {
            leave_one = false;
            continue;
        }
        *ret = index;
        return true;
    }
    return false;
}
