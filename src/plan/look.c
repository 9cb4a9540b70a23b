/*
 * look.c - looking after a node between decisions: when to read its ENIs again, and when to decide
 * anew though nothing tells of a change.
 *
 * Knows what agents do that nobody tells: they adopt, give back and free. Refuses to decide what is
 * done about it.
 */
#include "state.h"

static const uint64_t UNADOPTED_NS = 5 * MINUTE_NS;

static void watch_adoption(struct planner *p, uint32_t handle, const struct view *v)
{
    struct node_row *node = &p->nodes[handle];
    uint64_t apart_ns = (v->waiting > 0 ? 5 : 15) * SECOND_NS;

    for (uint32_t i = 0; i < node->eni_count; i++) {
        struct node_eni *eni = &node->enis[i];
        uint64_t age_ns = p->now_ns - eni->since_ns;
        if (p->now_ns < eni->unseen_ns) {
            plan_wake(p, handle, eni->unseen_ns);
        }
        if (eni->adopted || !node_eligible(p, node, eni)) {
            continue;
        }
        if (age_ns >= UNADOPTED_NS && (v->waiting == 0 || v->avail >= (int32_t)v->waiting)) {
            eni->adopted = true; /* nothing contradicts */
            plan_dirty(p, handle);
            continue;
        }
        if (age_ns >= UNADOPTED_NS && !eni->told && plan_acting(p)) {
            eni->told = true;
            report_unadopted(p, node, eni);
        }
        uint64_t first_ns = eni->since_ns + 20 * SECOND_NS;
        uint64_t next_ns = node->enis_asked_ns + (age_ns >= UNADOPTED_NS ? MINUTE_NS : apart_ns);
        uint64_t due_ns = later(first_ns, next_ns);
        if (p->now_ns >= due_ns) {
            (void)plan_observe(p, handle, URGENT_REFRESH);
        } else {
            plan_wake(p, handle, due_ns);
        }
    }
}

/* An own ENI must go when its instance goes. */
static void mend(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];
    const struct pool *pool = &p->pools[node->pool].pool;

    if (!plan_acting(p) || p->config.dry_run || pool->dry_run || pool->paused) {
        return;
    }
    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        if (!eni->ours || eni->provisional || eni->delete_on_termination || eni->subnet == NONE ||
            ledger_works_on(p, &eni->id)) {
            continue;
        }
        uint64_t due_ns = node->mended_ns == 0 ? 0 : node->mended_ns + MINUTE_NS;
        if (p->now_ns >= due_ns) {
            ledger_mend(p, handle, eni);
        } else {
            plan_wake(p, handle, due_ns);
        }
    }
}

/* A node that is low and helps itself is about to change: soon, then ever less soon. */
static void look_at_low(struct planner *p, uint32_t handle, const struct view *v)
{
    enum { TIMES = 6 };
    struct node_row *node = &p->nodes[handle];

    if (!v->low || !v->can_grow_later) {
        node->low_reads = 0;
        node->low_ns = 0;
        return;
    }
    if (node->low_ns == 0 || node->low_addresses != v->addresses) {
        node->low_ns = p->now_ns;
        node->low_addresses = v->addresses;
    }
    uint64_t due_ns = node->enis_asked_ns + (15 * SECOND_NS << node->low_reads);
    uint64_t vain_ns = node->low_ns + IN_VAIN_NS;
    if (v->prefixes && node->enis_asked_ns < vain_ns && vain_ns < due_ns) {
        due_ns = vain_ns; /* this read decides */
    } else if (node->low_reads == TIMES) {
        return;
    }
    if (p->now_ns < due_ns) {
        plan_wake(p, handle, due_ns);
    } else if (plan_observe(p, handle, URGENT_REFRESH)) {
        node->low_reads += node->low_reads < TIMES;
    }
}

/* Its agent is about to free ENIs: without a look nobody would know for minutes. */
static void look_at_surplus(struct planner *p, uint32_t handle, const struct view *v)
{
    struct node_row *node = &p->nodes[handle];
    uint64_t due_ns = node->enis_asked_ns + MINUTE_NS;

    if (v->mode != MODE_ENI || v->can_grow_later || node->eni_count < 2 ||
        v->avail < (int64_t)(v->warm_enis + 1) * v->k) {
        return;
    }
    if (p->now_ns >= due_ns) {
        (void)plan_observe(p, handle, URGENT_REFRESH);
    } else {
        plan_wake(p, handle, due_ns);
    }
}

/* Pods wait though there seem to be addresses, or for room that there seems not to be: the agent
 * may have given some back, which nobody tells. Looked at ever less often while nothing moves: such
 * pods may wait for something else than an address. */
static void look_for_changes(struct planner *p, uint32_t handle)
{
    const uint64_t first_ns = 5 * SECOND_NS;
    const uint64_t least_ns = 15 * SECOND_NS;
    struct node_row *node = &p->nodes[handle];
    uint64_t asked_ns = node->enis_asked_ns;
    uint64_t moved_ns = later(node->pods_ns, node->waiting_ns);
    uint64_t apart_ns = asked_ns > moved_ns + least_ns ? asked_ns - moved_ns : least_ns;
    uint64_t due_ns = asked_ns + sooner(apart_ns, MINUTE_NS);

    due_ns = later(due_ns, node->waiting_ns + first_ns);
    if (p->now_ns < due_ns) {
        plan_wake(p, handle, due_ns);
    } else {
        (void)plan_observe(p, handle, URGENT_REFRESH); /* which wakes the node */
    }
}

static void look_at_waiting(struct planner *p, uint32_t handle, const struct view *v)
{
    const uint64_t doubt_ns = 5 * SECOND_NS;
    struct node_row *node = &p->nodes[handle];
    const struct order *order = ledger_active(p, node);

    if (order && v->short_now && p->now_ns < order->began_ns + SOON_NS) {
        plan_wake(p, handle, order->began_ns + SOON_NS);
    }
    if (v->mode == MODE_IP && !v->short_now && p->now_ns <= node->enis_asked_ns + ROUND_NS) {
        /* Pods that have not taken this read's addresses by then may find them given back. */
        plan_wake(p, handle, node->enis_asked_ns + ROUND_NS + 1);
    }
    if (!v->short_now || !v->can_grow_now) {
        look_for_changes(p, handle);
        return;
    }
    /* The counts say that the agent gets on by itself: are they still true? */
    if (p->now_ns - p->subnets_asked_ns > doubt_ns) {
        plan_observe_subnets(p, doubt_ns);
    }
    if (p->now_ns - node->enis_asked_ns > doubt_ns && !v->can_grow_later) {
        (void)plan_observe(p, handle, URGENT_WAITING);
    }
    bool timed = node->could_ns != 0 && p->now_ns < node->could_ns + node_stuck_ns(v);
    plan_wake(p, handle, timed ? node->could_ns + node_stuck_ns(v) : p->now_ns + doubt_ns);
}

static void look_again(struct planner *p, uint32_t handle, const struct view *v)
{
    struct node_row *node = &p->nodes[handle];

    if (node->recheck_ns != 0 && p->now_ns >= node->recheck_ns) {
        enum urgency urgency = v->waiting > 0 ? URGENT_WAITING : URGENT_REFRESH;
        node->recheck_ns = plan_observe(p, handle, urgency) ? 0 : node->recheck_ns;
    } else if (node->recheck_ns != 0) {
        plan_wake(p, handle, node->recheck_ns);
    }
    look_at_low(p, handle, v);
    look_at_surplus(p, handle, v);
    if (v->waiting > 0) {
        look_at_waiting(p, handle, v);
    }
}

void look_after(struct planner *p, uint32_t handle, const struct view *v)
{
    watch_adoption(p, handle, v);
    look_again(p, handle, v);
    mend(p, handle);
}
