/*
 * pools.c - SubnetPools: which subnets and nodes each one has, and its own limits.
 *
 * Knows selectors, weights, groups of nodes by pool and zone, and the bucket of attachPerMinute.
 * Refuses to judge subnets (subnet.c) and nodes (decide.c).
 */
#include <assert.h>

#include "state.h"

uint32_t pools_find(const struct planner *p, struct slice name)
{
    for (uint32_t i = 0; i < p->pool_count; i++) {
        if (p->pools[i].live && slice_eq(p->pools[i].pool.name, name)) {
            return i;
        }
    }
    return NONE;
}

void pools_touch(struct planner *p, uint32_t pool, bool urgent)
{
    if (pool != NONE) {
        p->pools[pool].dirty = true;
        p->pools[pool].urgent = p->pools[pool].urgent || urgent;
    }
}

/* ---- which pool serves a node ---- */

/* The higher weight wins, then the name that sorts first. */
static bool wins(const struct pool *a, const struct pool *b)
{
    return a->weight != b->weight ? a->weight > b->weight : slice_cmp(a->name, b->name) < 0;
}

static void tell_conflict(struct planner *p, uint32_t loser, uint32_t winner,
                          const struct node_row *node)
{
    struct pool_row *row = &p->pools[loser];

    if (row->conflict_told || row->pool.weight != p->pools[winner].pool.weight || !p->synced ||
        !p->leader) {
        return;
    }
    row->conflict_told = true;
    report_pool_event(
        p, loser, EVENT_PoolConflict, true,
        arena_printf(&p->arena,
                     "node %.*s is selected by SubnetPools %.*s and %.*s with equal weight %u; "
                     "%.*s serves it, "
                     "whose name sorts first; give the pool that is meant a higher spec.weight",
                     SLICE_ARG(plan_text(p, node->name)), SLICE_ARG(p->pools[winner].pool.name),
                     SLICE_ARG(row->pool.name), row->pool.weight,
                     SLICE_ARG(p->pools[winner].pool.name)));
}

static uint32_t match(struct planner *p, const struct node_row *node)
{
    uint32_t best = NONE;
    struct pair *labels = strings_pairs(&p->strings, &p->arena, node->labels, node->label_count);

    for (uint32_t i = 0; i < p->pool_count; i++) {
        const struct pool *pool = &p->pools[i].pool;
        if (!p->pools[i].live || !label_selector_matches(&pool->nodes, labels, node->label_count)) {
            continue;
        }
        if (best == NONE) {
            best = i;
            continue;
        }
        uint32_t loser = wins(pool, &p->pools[best].pool) ? best : i;
        best = loser == best ? i : best;
        tell_conflict(p, loser, best, node);
    }
    return best;
}

void pools_tell_conflicts(struct planner *p)
{
    for (uint32_t i = 0; i < p->node_count && p->pool_count > 1; i++) {
        if (p->nodes[i].live && p->nodes[i].pool != NONE) {
            (void)match(p, &p->nodes[i]);
        }
    }
}

static uint32_t group_of(struct planner *p, uint32_t pool, uint32_t zone)
{
    struct pool_row *row = &p->pools[pool];

    for (uint32_t i = 0; i < row->group_count; i++) {
        if (p->groups[row->groups[i]].zone == zone) {
            return row->groups[i];
        }
    }
    uint32_t handle = p->group_count++;
    mem_reserve(&p->groups, &p->group_capacity, p->group_count, sizeof(*p->groups));
    p->groups[handle] = (struct group){ .pool = pool, .zone = zone };
    mem_reserve(&row->groups, &row->group_capacity, row->group_count + 1, sizeof(*row->groups));
    row->groups[row->group_count++] = handle;
    return handle;
}

void pools_place(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];
    uint32_t pool = match(p, node);

    assert(node->group == NONE);
    node->pool = pool;
    if (pool == NONE) {
        return;
    }
    node->group = group_of(p, pool, node->zone);
    struct group *group = &p->groups[node->group];
    mem_reserve(&group->nodes, &group->capacity, group->count + 1, sizeof(*group->nodes));
    node->group_at = group->count;
    group->nodes[group->count++] = handle;
    pools_touch(p, pool, false);
}

void pools_starve(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    assert(node->starved_at == NONE);
    struct zone_row *zone = &p->zones[node->zone];
    mem_reserve(&zone->starved, &zone->starved_capacity, zone->starved_count + 1,
                sizeof(*zone->starved));
    node->starved_at = zone->starved_count;
    zone->starved[zone->starved_count++] = handle;
}

void pools_unstarve(struct planner *p, struct node_row *node)
{
    if (node->starved_at != NONE) {
        struct zone_row *zone = &p->zones[node->zone];
        uint32_t last = zone->starved[--zone->starved_count];
        zone->starved[node->starved_at] = last;
        p->nodes[last].starved_at = node->starved_at;
        node->starved_at = NONE;
    }
}

void pools_unplace(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    pools_unstarve(p, node);
    status_class(p, node, CLASS_NONE);
    if (node->group == NONE) {
        return;
    }
    struct group *group = &p->groups[node->group];
    uint32_t last = group->nodes[--group->count];
    group->nodes[node->group_at] = last;
    p->nodes[last].group_at = node->group_at;
    pools_touch(p, node->pool, false);
    node->group = NONE;
    node->pool = NONE;
}

static void place_all(struct planner *p)
{
    for (uint32_t i = 0; i < p->listed_count; i++) {
        uint32_t handle = p->listed[i];
        uint32_t old = p->nodes[handle].pool;
        pools_unplace(p, handle);
        pools_place(p, handle);
        if (old != p->nodes[handle].pool) {
            plan_dirty(p, handle);
        }
    }
}

/* ---- subnets ---- */

/* A pool's view of a subnet, made anew; the state follows in subnet_settle. */
static void link_one(struct planner *p, struct pool_row *row, uint32_t subnet,
                     const struct pair *tags, uint32_t tag_count)
{
    const struct subnet_row *s = &p->subnets[subnet];
    struct link *link = &row->links[subnet];
    bool member = false;

    assert(row->pool.subnet_term_count <= UINT8_MAX);
    for (uint32_t term = 0; s->known && !member && term < row->pool.subnet_term_count; term++) {
        member = selector_terms_match(&row->pool.subnet_terms[term], 1, aws_id_slice(&s->id), tags,
                                      tag_count);
        link->term = (uint8_t)term;
    }
    if (member != link->member) {
        row->members = member ? row->members + 1 : row->members - 1;
        link->member = member;
        row->dirty = row->urgent = true;
    }
}

void pools_link(struct planner *p, uint32_t subnet)
{
    const struct subnet_row *s = &p->subnets[subnet];
    struct pair *tags = strings_pairs(&p->strings, &p->arena, s->tags, s->tag_count);

    for (uint32_t i = 0; i < p->pool_count; i++) {
        struct pool_row *row = &p->pools[i];
        mem_reserve(&row->links, &row->link_capacity, p->subnet_count, sizeof(*row->links));
        row->link_count = p->subnet_count;
        if (row->live) {
            link_one(p, row, subnet, tags, s->tag_count);
        }
    }
}

/* ---- security groups ---- */

static void keep_groups(struct planner *p, const struct plan_group *groups, uint32_t count)
{
    for (uint32_t i = 0; i < p->security_group_count; i++) {
        const struct group_row *row = &p->security_groups[i];
        strings_drop_pairs(&p->strings, row->tags, row->tag_count);
    }
    mem_reserve(&p->security_groups, &p->security_group_capacity, count,
                sizeof(*p->security_groups));
    p->security_group_count = count;
    for (uint32_t i = 0; i < count; i++) {
        p->security_groups[i] = (struct group_row){
            .id = groups[i].id,
            .tags = strings_hold_pairs(&p->strings, groups[i].tags, groups[i].tag_count),
            .tag_count = groups[i].tag_count,
        };
    }
}

static bool group_selected(struct planner *p, const struct pool *pool,
                           const struct group_row *group)
{
    struct pair *tags = strings_pairs(&p->strings, &p->arena, group->tags, group->tag_count);

    return selector_terms_match(pool->group_terms, pool->group_term_count, aws_id_slice(&group->id),
                                tags, group->tag_count);
}

static void find_missing_groups(struct planner *p)
{
    for (uint32_t i = 0; i < p->pool_count; i++) {
        struct pool_row *row = &p->pools[i];
        bool missing = row->live && row->pool.group_term_count > 0 && p->have_groups;
        for (uint32_t j = 0; missing && j < p->security_group_count; j++) {
            missing = !group_selected(p, &row->pool, &p->security_groups[j]);
        }
        if (missing != row->groups_missing) {
            row->groups_missing = missing;
            pools_touch(p, i, true);
        }
    }
}

void pools_security_groups(struct planner *p, const struct plan_group *groups, uint32_t count)
{
    keep_groups(p, groups, count);
    p->have_groups = true;
    find_missing_groups(p);
}

/* "sg-1,sg-2" in the arena as ids. */
static uint32_t split_groups(struct planner *p, struct slice joined, const struct aws_id **ret)
{
    struct aws_id *ids = ARENA_ARRAY(&p->arena, struct aws_id, joined.len / 2 + 1);
    uint32_t count = 0;

    while (joined.len > 0) {
        bool fits = aws_id_set(&ids[count++], slice_cut(&joined, ',')) == ERR_OK;
        assert(fits); /* it was an id before it was joined */
    }
    *ret = ids;
    return count;
}

uint32_t pools_groups_of(struct planner *p, const struct node_row *node, const struct aws_id **ret)
{
    const struct pool *pool = &p->pools[node->pool].pool;
    uint32_t count = 0;

    if (pool->group_term_count == 0) {
        const struct eniconfig_row *eniconfig = p->agent.custom_networking
                                                    ? cluster_eniconfig_of(p, node)
                                                    : NULL;
        /* An ENIConfig without groups means the primary ENI's, as the agent reads it. */
        bool own = eniconfig && eniconfig->groups != 0;
        return split_groups(p, plan_text(p, own ? eniconfig->groups : node->groups), ret);
    }
    struct aws_id *ids = ARENA_ARRAY(&p->arena, struct aws_id, p->security_group_count);
    for (uint32_t i = 0; i < p->security_group_count; i++) {
        if (group_selected(p, pool, &p->security_groups[i])) {
            ids[count++] = p->security_groups[i].id;
        }
    }
    *ret = ids;
    return count;
}

/* ---- a pool comes, changes, goes ---- */

static void count_enis(struct planner *p, uint32_t handle)
{
    struct pool_row *row = &p->pools[handle];
    uint32_t name = strings_find(&p->strings, row->pool.name);

    for (uint32_t i = 0; name != NONE && i < p->listed_count; i++) {
        const struct node_row *node = &p->nodes[p->listed[i]];
        for (uint32_t j = 0; j < node->eni_count; j++) {
            row->own_enis += node->enis[j].pool == name;
        }
    }
}

static uint32_t new_pool(struct planner *p)
{
    uint32_t handle = 0;

    while (handle < p->pool_count && p->pools[handle].live) {
        handle++;
    }
    if (handle == p->pool_count) {
        mem_reserve(&p->pools, &p->pool_capacity, p->pool_count + 1, sizeof(*p->pools));
        p->pool_count++;
        arena_init(&p->pools[handle].arena);
    }
    return handle;
}

static bool selects_other_nodes(const struct pool *a, const struct pool *b)
{
    if (a->weight != b->weight || a->nodes.count != b->nodes.count) {
        return true;
    }
    for (uint32_t i = 0; i < a->nodes.count; i++) {
        const struct selector_requirement *x = &a->nodes.requirements[i];
        const struct selector_requirement *y = &b->nodes.requirements[i];
        if (!slice_eq(x->key, y->key) || x->op != y->op || x->value_count != y->value_count) {
            return true;
        }
        for (uint32_t j = 0; j < x->value_count; j++) {
            if (!slice_eq(x->values[j], y->values[j])) {
                return true;
            }
        }
    }
    return false;
}

void pools_set(struct planner *p, const struct pool *pool)
{
    uint32_t handle = pools_find(p, pool->name);
    bool fresh = handle == NONE;
    bool others = fresh || selects_other_nodes(&p->pools[handle].pool, pool);

    if (fresh) {
        handle = new_pool(p);
    }
    struct pool_row *row = &p->pools[handle];
    arena_reset(&row->arena);
    pool_copy(&row->arena, pool, &row->pool);
    if (fresh) {
        row->live = true;
        row->tokens_milli = (uint64_t)pool->attach_per_minute * 1000;
        row->tokens_ns = p->now_ns;
        count_enis(p, handle);
    }
    row->dirty = row->urgent = true;
    row->conflict_told = row->not_found_told = false;
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        pools_link(p, i);
        p->subnets[i].touched = true;
    }
    if (others) {
        place_all(p);
    }
    plan_dirty_pool(p, handle);
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        subnet_settle(p, i);
    }
    find_missing_groups(p);
}

void pools_gone(struct planner *p, struct slice name)
{
    uint32_t handle = pools_find(p, name);

    if (handle == NONE) {
        return;
    }
    struct pool_row *row = &p->pools[handle];
    row->live = false;
    place_all(p);
    ledger_forget_pool(p, handle);
    leftover_forget_pool(p, handle);
    struct pool_row old = *row;
    *row = (struct pool_row){ .arena = old.arena,
                              .groups = old.groups,
                              .group_count = old.group_count,
                              .group_capacity = old.group_capacity };
    mem_free(old.links);
}

/* ---- limits of the pool's own ---- */

static void refill(struct planner *p, struct pool_row *row)
{
    uint64_t most = (uint64_t)row->pool.attach_per_minute * 1000;
    uint64_t apart_ns = p->now_ns - row->tokens_ns;
    uint64_t grown = apart_ns / 1000000 * row->pool.attach_per_minute / 60;

    if (grown > 0) {
        row->tokens_ns = p->now_ns;
    }
    /* An edit may have made the bucket smaller than what is in it. */
    row->tokens_milli = row->tokens_milli + grown < most ? row->tokens_milli + grown : most;
}

bool pools_take(struct planner *p, uint32_t handle, bool spend)
{
    struct pool_row *row = &p->pools[handle];

    if (row->pool.max_enis > 0 && row->own_enis + row->active >= row->pool.max_enis) {
        return false;
    }
    if (row->pool.attach_per_minute == 0) {
        return true;
    }
    refill(p, row);
    if (row->tokens_milli < 1000) {
        return false;
    }
    row->tokens_milli -= spend ? 1000 : 0;
    return true;
}

uint64_t pools_next_ns(const struct planner *p, uint32_t handle)
{
    const struct pool_row *row = &p->pools[handle];

    if (row->pool.attach_per_minute == 0 || row->tokens_milli >= 1000) {
        return p->now_ns + 10 * SECOND_NS; /* maxENIs: until one goes */
    }
    return p->now_ns + (1000 - row->tokens_milli) * 60000000 / row->pool.attach_per_minute;
}
