/*
 * plan_audit_test.c - what must be true of the planner at the end of every story, whatever it
 * told: what is counted twice says the same, what is linked links back, and what is held is used.
 *
 * Knows every row. Refuses to know what a story is about.
 */
#include "plan_fixture.h"

#include "plan/state.h"

#define same(what, is, wanted) same_at((what), (is), (wanted), __LINE__)

static void same_at(const char *what, uint64_t is, uint64_t wanted, int line)
{
    if (is != wanted) {
        test_fail_at(__FILE__, line, "at the end of the story %s: %llu instead of %llu", what,
                     (unsigned long long)is, (unsigned long long)wanted);
    }
}

/* ---- strings: each is held by as many rows as it says ---- */

static void hold(uint32_t *held, uint32_t string)
{
    held[string]++;
}

static void hold_pairs(uint32_t *held, const uint32_t *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < 2 * count; i++) {
        hold(held, pairs[i]);
    }
}

static void hold_node(uint32_t *held, const struct node_row *node)
{
    hold(held, node->name);
    hold(held, node->eniconfig);
    hold(held, node->groups);
    hold_pairs(held, node->labels, node->label_count);
    for (uint32_t i = 0; i < node->eni_count; i++) {
        hold(held, node->enis[i].pool);
    }
}

static void audit_strings(struct story *s)
{
    const struct planner *p = s->planner;
    uint32_t *held = ARENA_ARRAY(&s->arena, uint32_t, p->strings.count);

    hold(held, p->cluster);
    for (uint32_t i = 0; i < p->listed_count; i++) {
        hold_node(held, &p->nodes[p->listed[i]]);
    }
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        hold_pairs(held, p->subnets[i].tags, p->subnets[i].tag_count);
    }
    for (uint32_t i = 0; i < p->security_group_count; i++) {
        hold_pairs(held, p->security_groups[i].tags, p->security_groups[i].tag_count);
    }
    for (uint32_t i = 0; i < p->zone_count; i++) {
        hold(held, p->zones[i].name);
    }
    for (uint32_t i = 0; i < p->type_count; i++) {
        hold(held, p->types[i].name);
    }
    for (uint32_t i = 0; i < p->eniconfig_count; i++) {
        hold(held, p->eniconfigs[i].name);
        hold(held, p->eniconfigs[i].groups);
    }
    for (uint32_t i = 0; i < p->sweep.eni_count; i++) {
        hold(held, p->sweep.enis[i].eni.pool);
        hold(held, p->sweep.enis[i].groups);
    }
    for (uint32_t i = 1; i < p->strings.count; i++) {
        const struct string_row *row = &p->strings.rows[i];
        same("holders of a string", row->text ? row->holders : 0, held[i]);
    }
}

/* ---- nodes ---- */

static void audit_node(const struct planner *p, uint32_t place)
{
    const struct node_row *node = &p->nodes[p->listed[place]];
    uint32_t orders = 0;

    same("a listed node is live", node->live, true);
    same("a node's place in the list", node->listed_at, place);
    same("a node is found by its name", index_find(&p->node_names, p, node->name_text),
         p->listed[place]);
    same("a node has a pool and a group, or neither", node->pool == NONE, node->group == NONE);
    if (node->group != NONE) {
        const struct group *group = &p->groups[node->group];
        same("the pool of a node's group", group->pool, node->pool);
        same("the zone of a node's group", group->zone, node->zone);
        same("a node's place in its group", group->nodes[node->group_at], p->listed[place]);
    }
    if (node->starved_at != NONE) {
        same("a node's place among the starved", p->zones[node->zone].starved[node->starved_at],
             p->listed[place]);
    }
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        same("an order's node", p->orders[i].node, p->listed[place]);
        same("orders of a node", orders++ < p->order_count, true);
    }
    same("a node has a timer", timers_get(&p->timers, p->listed[place]) != TIMERS_NEVER,
         node->timed);
    same("a node is in the needy queue", timers_get(&p->needy, p->listed[place]) != TIMERS_NEVER,
         node->queued);
}

static void audit_nodes(const struct planner *p)
{
    uint32_t live = 0, found = 0, waiting = 0, grouped = 0, placed = 0, starved = 0,
             listed_starved = 0;

    for (uint32_t i = 0; i < p->node_count; i++) {
        live += p->nodes[i].live;
        waiting += p->nodes[i].live && p->nodes[i].counted_waiting;
        placed += p->nodes[i].live && p->nodes[i].group != NONE;
        starved += p->nodes[i].live && p->nodes[i].starved_at != NONE;
        found += p->nodes[i].live &&
                 index_find(&p->node_instances, p, aws_id_slice(&p->nodes[i].instance)) == i;
    }
    for (uint32_t i = 0; i < p->group_count; i++) {
        grouped += p->groups[i].count;
    }
    for (uint32_t i = 0; i < p->zone_count; i++) {
        listed_starved += p->zones[i].starved_count;
    }
    for (uint32_t i = 0; i < p->listed_count; i++) {
        audit_node(p, i);
    }
    same("nodes that are found by their instance", p->node_instances.count, found);
    same("nodes that are found by their name", p->node_names.count, live);
    same("nodes in the list", p->listed_count, live);
    same("nodes where pods wait", p->waiting_nodes, waiting);
    same("nodes in groups", grouped, placed);
    same("nodes that wait for capacity", listed_starved, starved);
}

/* ---- pools ---- */

static void audit_pool(const struct planner *p, uint32_t pool)
{
    const struct pool_row *row = &p->pools[pool];
    uint32_t classes[CLASS_COUNT] = { 0 };
    uint32_t name = strings_find(&p->strings, row->pool.name);
    uint32_t own = 0, active = 0, members = 0;

    for (uint32_t i = 0; i < p->listed_count; i++) {
        const struct node_row *node = &p->nodes[p->listed[i]];
        classes[node->class] += node->pool == pool;
        for (uint32_t j = 0; name != NONE && j < node->eni_count; j++) {
            own += node->enis[j].pool == name;
        }
    }
    for (uint32_t i = 0; i < p->order_count; i++) {
        const struct order *order = &p->orders[i];
        active += order->id != 0 && order->pool == pool && order->kind == ORDER_ATTACH &&
                  !order->listed;
    }
    for (uint32_t i = 0; i < row->link_count; i++) {
        members += row->links[i].member;
    }
    for (uint32_t i = CLASS_NONE + 1; i < CLASS_COUNT; i++) {
        same("nodes of a class", row->classes[i], classes[i]);
    }
    same("own ENIs of a pool", row->own_enis, own);
    same("orders of a pool", row->active, active);
    same("subnets of a pool", row->members, members);
    same("subnets that a pool knows of", row->link_count, p->subnet_count);
}

/* ---- orders and debits ---- */

static void audit_orders(struct story *s)
{
    const struct planner *p = s->planner;
    uint32_t *ips = ARENA_ARRAY(&s->arena, uint32_t, p->subnet_count);
    uint32_t *blocks = ARENA_ARRAY(&s->arena, uint32_t, p->subnet_count);
    uint32_t sent[URGENCY_COUNT] = { 0 };

    for (uint32_t i = 0; i < p->order_count; i++) {
        const struct order *order = &p->orders[i];
        if (order->id == 0) {
            continue;
        }
        sent[order->urgency] += !order->over && !order->again;
        if (order->debit_ips > 0) {
            ips[order->subnet] += order->debit_ips;
            blocks[order->subnet] += order->debit_blocks;
        }
    }
    for (uint32_t i = 0; i < URGENCY_COUNT; i++) {
        same("orders that are out", p->active[i], sent[i]);
    }
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        same("addresses in flight", p->subnets[i].debit_ips, ips[i]);
        same("blocks in flight", p->subnets[i].debit_blocks, blocks[i]);
    }
}

void story_audit(struct story *s)
{
    if (!s->planner) {
        return;
    }
    audit_strings(s);
    audit_nodes(s->planner);
    for (uint32_t i = 0; i < s->planner->pool_count; i++) {
        if (s->planner->pools[i].live) {
            audit_pool(s->planner, i);
        }
    }
    audit_orders(s);
}
