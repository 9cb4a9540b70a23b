/*
 * leftover.c - own ENIs that exist and are attached to nothing: finished while their node needs
 * one, else deleted.
 *
 * Knows our tags and how long an ENI has lain about. Refuses to touch what is not tagged for this
 * cluster, and what an order of ours is still working on.
 */
#include "state.h"

static struct leftover *find(const struct planner *p, const struct aws_id *eni)
{
    for (uint32_t i = 0; i < p->leftover_count; i++) {
        if (p->leftovers[i].live && aws_id_eq(&p->leftovers[i].eni, eni)) {
            return &p->leftovers[i];
        }
    }
    return NULL;
}

struct leftover *leftover_add(struct planner *p, const struct aws_id *eni, uint32_t node,
                              uint32_t subnet, uint32_t ips, uint32_t prefixes, uint32_t pool)
{
    struct leftover *leftover = find(p, eni);

    if (!leftover) {
        uint32_t at = 0;
        while (at < p->leftover_count && p->leftovers[at].live) {
            at++;
        }
        mem_reserve(&p->leftovers, &p->leftover_capacity, at + 1, sizeof(*p->leftovers));
        p->leftover_count = larger(at + 1, p->leftover_count);
        leftover = &p->leftovers[at];
        *leftover = (struct leftover){ .live = true, .eni = *eni, .since_ns = p->now_ns };
    }
    leftover->node = node;
    leftover->subnet = subnet;
    leftover->ips = ips;
    leftover->prefixes = prefixes;
    leftover->pool = pool;
    leftover->seen_ns = p->now_ns;
    return leftover;
}

static bool is_ours(const struct planner *p, const struct eni *eni)
{
    struct slice value;
    struct slice cluster = plan_cluster(p);

    return cluster.len > 0 && pair_find(eni->tags, eni->tag_count, SLICE(TAG_CLUSTER), &value) &&
           slice_eq(value, cluster);
}

void leftover_found(struct planner *p, const struct eni *eni)
{
    struct slice token;
    struct slice value;

    if (!pair_find(eni->tags, eni->tag_count, SLICE(TAG_INTENT), &token) || !is_ours(p, eni) ||
        ledger_works_on(p, &eni->id) || ledger_has_token(p, token)) {
        return;
    }
    uint32_t node = NONE;
    if (pair_find(eni->tags, eni->tag_count, SLICE(TAG_NODE), &value)) {
        node = cluster_find(p, value);
    }
    uint32_t pool = NONE;
    if (pair_find(eni->tags, eni->tag_count, SLICE(TAG_POOL), &value)) {
        pool = pools_find(p, value);
    }
    struct leftover *old = find(p, &eni->id);
    bool doomed = old && old->doomed;
    struct leftover *leftover = leftover_add(p, &eni->id, node, subnet_handle(p, &eni->subnet),
                                             eni->ip_count, eni->prefix_count, pool);
    leftover->doomed = doomed;
    if (node != NONE) {
        plan_dirty(p, node);
    }
}

/* What a complete sweep no longer shows, or no longer shows as unattached, is settled; a fresh one
 * may be missing. began_ns: when its first page came. */
void leftover_swept(struct planner *p, uint64_t asked_ns, uint64_t began_ns)
{
    const uint64_t lag_ns = 15 * SECOND_NS;

    for (uint32_t i = 0; i < p->leftover_count; i++) {
        struct leftover *leftover = &p->leftovers[i];
        if (leftover->live && !leftover->ordered && leftover->seen_ns < began_ns &&
            leftover->since_ns + lag_ns < asked_ns) {
            leftover->live = false;
        }
    }
}

void leftover_drop(struct planner *p, const struct aws_id *eni)
{
    struct leftover *leftover = find(p, eni);

    if (leftover) {
        leftover->live = false;
    }
}

/* No order works on it any more. */
void leftover_release(struct planner *p, const struct aws_id *eni)
{
    struct leftover *leftover = find(p, eni);

    if (leftover) {
        leftover->ordered = false;
    }
}

struct leftover *leftover_of(const struct planner *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->leftover_count; i++) {
        struct leftover *leftover = &p->leftovers[i];
        if (leftover->live && leftover->node == node && !leftover->ordered && !leftover->doomed &&
            leftover->subnet != NONE) {
            return leftover;
        }
    }
    return NULL;
}

void leftover_forget_node(struct planner *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->leftover_count; i++) {
        if (p->leftovers[i].node == node) {
            p->leftovers[i].node = NONE;
        }
    }
}

void leftover_forget_pool(struct planner *p, uint32_t pool)
{
    for (uint32_t i = 0; i < p->leftover_count; i++) {
        if (p->leftovers[i].pool == pool) {
            p->leftovers[i].pool = NONE;
        }
    }
}

void leftover_deleted(struct planner *p, const struct aws_id *eni, bool deleted, bool settled)
{
    struct leftover *leftover = find(p, eni);

    if (!leftover) {
        return;
    }
    if (!settled) {
        leftover->tries++;
        leftover->retry_ns = p->now_ns + prng_backoff(&p->prng, 10 * SECOND_NS, 10 * MINUTE_NS,
                                                      leftover->tries);
        leftover->doomed = true;
        return;
    }
    leftover->live = false;
    if (!deleted) {
        return; /* somebody attached it meanwhile */
    }
    struct slice text = arena_printf(&p->arena, "deleted the unattached %s, which no node needs",
                                     eni->text);
    if (leftover->pool != NONE) {
        report_pool_event(p, leftover->pool, EVENT_LeakedENIDeleted, false, text);
    }
    plan_log(p, LOG_INFO, "%.*s", SLICE_ARG(text));
}

/* Its node wants an ENI and is about to get this one; but not for ever. */
static bool is_wanted(const struct planner *p, const struct leftover *leftover)
{
    if (leftover->node == NONE || p->nodes[leftover->node].pool == NONE) {
        return false;
    }
    const struct node_row *node = &p->nodes[leftover->node];
    return (node->want == WANT_FILLED || node->want == WANT_BARE) && leftover->subnet != NONE &&
           choose_fits(p, node, leftover->subnet);
}

static uint64_t due_ns(const struct planner *p, const struct leftover *leftover)
{
    const uint64_t wanted_ns = 5 * MINUTE_NS;
    uint64_t grace_ns = p->config.leak_grace_ns;

    if (is_wanted(p, leftover)) {
        grace_ns = later(grace_ns, wanted_ns);
    }
    uint64_t at_ns = leftover->doomed ? leftover->retry_ns : leftover->since_ns + grace_ns;

    return later(at_ns, p->denied_until_ns);
}

static bool is_paused(const struct planner *p, const struct leftover *leftover)
{
    if (p->config.dry_run) {
        return true;
    }
    if (leftover->pool == NONE) {
        return false;
    }
    const struct pool *pool = &p->pools[leftover->pool].pool;
    return pool->paused || pool->dry_run;
}

void leftover_tick(struct planner *p)
{
    for (uint32_t i = 0; i < p->leftover_count; i++) {
        struct leftover *leftover = &p->leftovers[i];
        if (leftover->live && !leftover->ordered && due_ns(p, leftover) <= p->now_ns &&
            !is_paused(p, leftover)) {
            ledger_delete(p, leftover);
        }
    }
}

uint64_t leftover_deadline_ns(const struct planner *p)
{
    uint64_t at_ns = TIMERS_NEVER;

    for (uint32_t i = 0; i < p->leftover_count; i++) {
        const struct leftover *leftover = &p->leftovers[i];
        if (leftover->live && !leftover->ordered && !is_paused(p, leftover) &&
            due_ns(p, leftover) < at_ns) {
            at_ns = due_ns(p, leftover);
        }
    }
    return at_ns;
}
