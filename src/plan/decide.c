/*
 * decide.c - what is done for one node, and for which nodes first.
 *
 *   decide: want? -> where? -> allowed? -> fresh? --> needy queue --> serve: neediest first,
 *                                                                            within a window
 *
 * Knows when the planner acts: the node wants addresses and its agent cannot get them itself, now
 * or within the lead time. Refuses to know how orders are carried out and how decisions are told.
 */
#include <assert.h>

#include "state.h"

/* Orders that may be under way at once. EC2's budget is smaller; what waits here can still be
 * decided anew. */
enum { WINDOW_WAITING = 64, WINDOW_FORECAST = 16 };

static const uint64_t FRESH_NS = 5 * SECOND_NS;
static const uint64_t FRESH_WAITING_NS = 30 * SECOND_NS;
static const uint64_t FRESH_BARE_NS = MINUTE_NS;

struct plan_want {
    enum node_want want;
    enum plan_decision_kind kind; /* of the decision when nothing is wanted */
    uint32_t slots, least;
    const struct node_eni *eni; /* ASSIGN */
    enum urgency urgency;
};

void decide_kind(struct planner *p, struct node_row *node, enum plan_decision_kind kind)
{
    if (node->kind != kind) {
        node->kind = (uint8_t)kind;
        node->since_wall_ns = p->wall_ns;
    }
}

/* ---- what the node wants ---- */

static struct plan_want nothing(enum plan_decision_kind kind)
{
    return (struct plan_want){ .want = WANT_NOTHING, .kind = kind };
}

/* The agent has had its time: with what it has seen, it does not get on. While pods wait that is
 * soon. In prefix mode also when it is only low, and a read shows that it has got nothing: which
 * blocks are whole, a map of the ENIs that we may see does not tell for sure. */
static bool is_stuck(const struct planner *p, const struct node_row *node, const struct view *v)
{
    bool in_vain = v->prefixes && node->low_ns != 0 &&
                   node->enis_asked_ns >= node->low_ns + IN_VAIN_NS;

    return in_vain ||
           (v->short_now && node->could_ns != 0 && p->now_ns - node->could_ns >= node_stuck_ns(v));
}

/* Slots that can be added to an ENI with so many: as it can carry them, and its subnet has them. */
static uint32_t room_on(const struct planner *p, const struct node_row *node, const struct view *v,
                        uint32_t subnet, uint32_t used)
{
    const struct subnet_row *s = &p->subnets[subnet];
    uint32_t reserved = p->pools[node->pool].pool.reserved_ips;
    uint32_t room = v->prefixes ? subnet_blocks(s) : less(subnet_free(s), reserved);
    uint32_t most = less(v->k, used);

    if (!s->known || s->refused) {
        return 0;
    }
    return smaller(room, most);
}

static bool serves_itself(const struct planner *p, const struct node_row *node)
{
    return !p->agent.provisioning_disabled &&
           !(node->unschedulable && !p->agent.manage_non_schedulable);
}

/* Silent or stuck, an agent finds what is added to an ENI that it has as soon as it would adopt
 * another one. That takes no slot, and no ENI is left over when these pods have ended. What is
 * left in a subnet that ends it gets itself, but for an agent that gets nothing, or chooses by
 * chance. */
static bool tops_up(const struct planner *p, const struct node_row *node, const struct view *v,
                    const struct node_eni *eni)
{
    return !eni->adopted || v->slots_used >= v->slots || !serves_itself(p, node) ||
           !p->agent.subnet_discovery || !subnet_leaving(p, node->pool, eni->subnet);
}

/* An ENI that can carry more in a subnet that has it: adopted ones where the agent itself will not
 * ask, others so that they are full when they are adopted. */
static const struct node_eni *assignable(const struct planner *p, const struct node_row *node,
                                         const struct view *v, bool adopted, uint32_t *ret_slots)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        if (eni->adopted != adopted || eni->subnet == NONE || !node_eligible(p, node, eni) ||
            !tops_up(p, node, v, eni)) {
            continue;
        }
        *ret_slots = room_on(p, node, v, eni->subnet, (uint32_t)eni->ips + eni->prefixes);
        if (*ret_slots > 0) {
            return eni;
        }
    }
    return NULL;
}

static bool has_assign(const struct planner *p, const struct node_row *node)
{
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        if (!p->orders[i].over && p->orders[i].kind == ORDER_ASSIGN) {
            return true;
        }
    }
    return false;
}

static struct plan_want want_assign(const struct planner *p, const struct node_row *node,
                                    const struct view *v, bool adopted, uint32_t slots)
{
    uint32_t room = 0;
    const struct node_eni *eni = has_assign(p, node) ? NULL
                                                     : assignable(p, node, v, adopted, &room);

    if (!eni) {
        return nothing(PLAN_DECISION_Enough);
    }
    return (struct plan_want){
        .want = WANT_ASSIGN,
        .slots = slots < room ? slots : room,
        .eni = eni,
        .urgency = v->short_now ? URGENT_WAITING : URGENT_FORECAST,
    };
}

static enum plan_decision_kind on_its_way(const struct planner *p, const struct node_row *node)
{
    return ledger_active(p, node) ? PLAN_DECISION_Attaching : PLAN_DECISION_Adopting;
}

/* It freed the last one soon: what it does not need at once it would free again. */
static bool hands_back(const struct planner *p, const struct node_row *node, const struct view *v)
{
    if (p->now_ns >= node->hand_back_ns) {
        return false;
    }
    if (v->waiting > 0 && v->short_now) {
        /* Nor what its agent gets meanwhile: the last address of a subnet, or one that rested. */
        return v->mode == MODE_IP && p->now_ns < node_pause_ends_ns(node, v);
    }
    /* Without a warm target it frees an ENI as soon as the pods end that it came for, or that it
     * filled it for: however many addresses the next one brings, these pods come and go. */
    return v->mode == MODE_IP || v->warm_target == 0 || v->left > 0;
}

static struct plan_want want_bare(const struct planner *p, const struct node_row *node)
{
    if (p->now_ns < node->hand_back_ns) {
        return nothing(PLAN_DECISION_HandedBack);
    }
    return (struct plan_want){ .want = WANT_BARE, .urgency = URGENT_FORECAST };
}

/* Not low, or low and helping itself: the only thing worth doing is a bare ENI in a subnet that
 * lasts, and only where it would be kept. */
static struct plan_want want_early(const struct planner *p, const struct node_row *node,
                                   const struct view *v, enum plan_decision_kind otherwise)
{
    if (v->coming_enis > 0) {
        otherwise = on_its_way(p, node);
        if (node->agent_ready) {
            return nothing(otherwise); /* one after the other: the next when this one is adopted */
        }
        /* What is attached when its agent starts is found at once, later only when it looks. */
    }
    if (node_is_ahead(v) || node->unschedulable || !node_keeps_early(p, node, v)) {
        return nothing(otherwise);
    }
    if (v->mode == MODE_IP && node->recheck_ns != 0) {
        return nothing(otherwise); /* it is giving back: the next look shows what room that makes */
    }
    if (v->slots_used >= v->slots && v->room > 0) {
        return nothing(otherwise); /* as far ahead as the instance allows */
    }
    return want_bare(p, node);
}

/* An attach that ends in a moment leaves room for these pods, too: topping that ENI up then
 * costs one call and no slot. */
static bool soon_has_room(const struct planner *p, const struct node_row *node,
                          const struct view *v, uint32_t slots)
{
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        const struct order *order = &p->orders[i];
        if (order->kind == ORDER_ATTACH && !order->over && !order->listed &&
            p->now_ns < order->began_ns + SOON_NS &&
            room_on(p, node, v, order->subnet, order->ips + order->prefixes) >= slots) {
            return true;
        }
    }
    return false;
}

/* What is attached or on its way and not adopted does not suffice for the pods that wait. */
static struct plan_want want_more(const struct planner *p, const struct node_row *node,
                                  const struct view *v, struct plan_want filled)
{
    struct plan_want more = want_assign(p, node, v, false, filled.slots);

    if (more.want != WANT_ASSIGN) {
        more = want_assign(p, node, v, true, filled.slots);
    }
    if (more.want == WANT_ASSIGN || has_assign(p, node)) {
        return more.want == WANT_ASSIGN ? more : nothing(PLAN_DECISION_Assign);
    }
    if (soon_has_room(p, node, v, filled.least)) {
        return nothing(PLAN_DECISION_Attaching);
    }
    /* Only what waiting pods need: their spare addresses follow when the first ENI is adopted. */
    filled.slots = filled.least;
    return filled;
}

/* There are addresses for all; but are they to be had? */
static enum plan_decision_kind enough(const struct planner *p, const struct node_row *node,
                                      const struct view *v)
{
    if (has_assign(p, node)) {
        return PLAN_DECISION_Assign;
    }
    if (v->avail < (int32_t)v->waiting) {
        return on_its_way(p, node);
    }
    bool rest = v->avail - (int32_t)v->cooling < (int32_t)v->waiting;
    return rest ? PLAN_DECISION_Cooling : PLAN_DECISION_Enough;
}

static struct plan_want want_of(const struct planner *p, const struct node_row *node,
                                const struct view *v)
{
    const struct pool *pool = &p->pools[node->pool].pool;
    uint64_t total = (uint64_t)v->addresses + v->coming;
    bool short_of_min = v->mode == MODE_ENI && total < pool->min_ips_per_node;

    if (total >= v->max_pods) {
        return nothing(v->left <= 0 ? PLAN_DECISION_AtPodLimit : enough(p, node, v));
    }
    if (!v->low && !short_of_min) {
        return want_early(p, node, v, enough(p, node, v));
    }
    if (node->unschedulable && !p->agent.manage_non_schedulable && !v->short_now) {
        return nothing(PLAN_DECISION_Enough); /* nobody comes to a cordoned node */
    }
    if (v->can_grow_lasting && !is_stuck(p, node, v)) {
        return want_early(p, node, v, PLAN_DECISION_AgentCanGrow);
    }
    uint32_t wanted = node_wanted(v, pool->min_ips_per_node);
    uint32_t pods = v->left < 0 ? (uint32_t) - (int64_t)v->left : 1;
    struct plan_want filled = {
        .want = WANT_FILLED,
        .slots = (wanted + v->unit - 1) / v->unit,
        .least = (pods + v->unit - 1) / v->unit,
        .urgency = v->short_now ? URGENT_WAITING : URGENT_FORECAST,
    };
    filled.least = smaller(filled.least, v->k);
    if (v->coming_enis > 0 || has_assign(p, node)) {
        return v->short_now ? want_more(p, node, v, filled) : nothing(on_its_way(p, node));
    }
    if (v->can_grow_now && !is_stuck(p, node, v) && node->agent_ready) {
        /* It still grows, into what is dying: what it gets now and ours together would be too much.
         */
        return want_early(p, node, v, PLAN_DECISION_AgentCanGrow);
    }
    if (wanted == 0) {
        return nothing(PLAN_DECISION_Enough);
    }
    if (hands_back(p, node, v)) {
        return nothing(PLAN_DECISION_HandedBack);
    }
    struct plan_want assign = want_assign(p, node, v, true, filled.slots);
    return assign.want == WANT_ASSIGN ? assign : filled;
}

/* ---- may it be done? ---- */

static bool leftover_fits(const struct planner *p, const struct node_row *node,
                          const struct leftover *leftover)
{
    return choose_fits(p, node, leftover->subnet);
}

static bool choose(const struct planner *p, const struct node_row *node, const struct view *v,
                   const struct plan_want *want, struct choice *choice)
{
    return want->want == WANT_BARE ? choose_early(p, node, v, choice)
                                   : choose_subnet(p, node, v, want->slots, want->least, choice);
}

/* Where and at which index; false: the decision says why not. */
static bool place(struct planner *p, uint32_t handle, const struct view *v,
                  const struct plan_want *want, struct choice *choice)
{
    struct node_row *node = &p->nodes[handle];
    uint32_t index = 0;

    if (want->want == WANT_ASSIGN) {
        *choice = (struct choice){ .subnet = want->eni->subnet,
                                   .ips = v->prefixes ? 0 : want->slots,
                                   .prefixes = v->prefixes ? want->slots : 0 };
        node->device_index = want->eni->device_index;
        return true;
    }
    if (v->slots_used >= v->slots || !choose_index(p, node, v, &index)) {
        decide_kind(p, node, PLAN_DECISION_AtENILimit);
        return false;
    }
    const struct leftover *leftover = leftover_of(p, handle);
    if (leftover && leftover_fits(p, node, leftover)) {
        *choice = (struct choice){ leftover->subnet, leftover->ips, leftover->prefixes };
    } else if (!choose(p, node, v, want, choice)) {
        decide_kind(p, node, PLAN_DECISION_NoHealthySubnet);
        pools_starve(p, handle);
        plan_wake(p, handle, p->now_ns + MINUTE_NS);
        return false;
    }
    node->device_index = index;
    return true;
}

static bool is_stale(const struct planner *p, const struct node_row *node)
{
    uint64_t stale_ns = p->pools[node->pool].pool.stale_ns;
    uint64_t read_ns = p->subnets_asked_ns;

    return p->kube_stale || (stale_ns > 0 && p->now_ns - read_ns > stale_ns);
}

/* Why what is wanted may not be done now; NoPool: it may. */
static enum plan_decision_kind forbidden(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];
    const struct pool *pool = &p->pools[node->pool].pool;

    if (is_stale(p, node)) {
        plan_observe_subnets(p, 10 * SECOND_NS);
        plan_wake(p, handle, p->now_ns + 10 * SECOND_NS);
        return PLAN_DECISION_Stale;
    }
    if (pool->paused) {
        return PLAN_DECISION_Paused;
    }
    if (p->config.dry_run || pool->dry_run) {
        return PLAN_DECISION_DryRun;
    }
    if (!p->leader) {
        return PLAN_DECISION_NotLeader;
    }
    if (!plan_acting(p)) {
        return PLAN_DECISION_Incomplete;
    }
    if (p->now_ns < node->backoff_ns) {
        plan_wake(p, handle, node->backoff_ns);
        return node->failed == CLOUD_ATTACH_LIMIT ? PLAN_DECISION_AtENILimit
                                                  : PLAN_DECISION_Backoff;
    }
    if (p->quota != CLOUD_OK && p->now_ns < p->quota_until_ns) {
        plan_wake(p, handle, p->quota_until_ns);
        return PLAN_DECISION_CloudQuota;
    }
    if (p->denied && p->now_ns < p->denied_until_ns) {
        plan_wake(p, handle, p->denied_until_ns);
        return PLAN_DECISION_Backoff;
    }
    if (node->want != WANT_ASSIGN && !pools_take(p, node->pool, false)) {
        plan_wake(p, handle, pools_next_ns(p, node->pool));
        return PLAN_DECISION_PoolLimit;
    }
    return PLAN_DECISION_NoPool;
}

/* What the decision rests on must be younger than what it may change. */
static bool is_fresh(struct planner *p, uint32_t handle, const struct view *v,
                     const struct plan_want *want)
{
    struct node_row *node = &p->nodes[handle];
    uint64_t most_ns = want->want == WANT_BARE ? FRESH_BARE_NS : FRESH_NS;
    uint64_t age_ns = p->now_ns - node->enis_asked_ns;

    /* Read while its pods waited already: nothing has changed, and the neediest must not lose its
     * turn for a read. */
    bool seen_waiting = node->waiting_ns != 0 && node->enis_asked_ns >= node->waiting_ns;
    /* More pods have addresses than were there. */
    bool outdated = v->holding > v->addresses + v->coming && node->pods_ns > node->enis_asked_ns;
    /* What the agent has given back since, and of which ENI, is only guessed. */
    outdated = outdated || v->avail < (int64_t)v->addresses - v->holding;
    if (!outdated && (age_ns <= most_ns || (seen_waiting && age_ns <= FRESH_WAITING_NS))) {
        return true;
    }
    (void)plan_observe(p, handle, want->urgency);
    return false;
}

/* ---- the needy queue ---- */

/* Smaller is needier: class in the top bits, then since when pods wait, or when they would. */
static uint64_t priority(const struct planner *p, const struct node_row *node, const struct view *v)
{
    const uint64_t class_step = UINT64_C(1) << 61;
    uint64_t stall_s = node->stall_in_s;

    if (node->urgency == URGENT_WAITING) {
        return node_short_since_ns(node);
    }
    if (stall_s == FORECAST_NEVER_S) {
        stall_s = 3600 + (v->left > 0 ? (uint32_t)v->left : 0); /* fewer spare addresses, sooner */
    }
    return (node->want == WANT_BARE ? 2 : 1) * class_step + p->now_ns + stall_s * SECOND_NS;
}

static void order_it(struct planner *p, uint32_t handle, const struct plan_want *want,
                     const struct choice *choice)
{
    struct node_row *node = &p->nodes[handle];
    struct leftover *leftover = leftover_of(p, handle);

    if (want->want == WANT_ASSIGN) {
        ledger_assign(p, handle, want->eni, want->slots, choice->prefixes > 0, want->urgency);
        decide_kind(p, node, PLAN_DECISION_Assign);
        return;
    }
    (void)pools_take(p, node->pool, true);
    if (leftover && leftover_fits(p, node, leftover)) {
        ledger_resume(p, handle, leftover, node->device_index, want->urgency);
    } else {
        ledger_attach(p, handle, choice, node->device_index, want->urgency);
    }
    plan_dirty(p, handle); /* it is attaching now; pods beyond one ENI's addresses want another */
    p->more_waiting = p->more_waiting || want->urgency == URGENT_WAITING;
}

/* What is, or is to be, done: as the decision shows it. */
static void show(struct node_row *node, const struct choice *choice)
{
    node->subnet = choice->subnet;
    node->ips = choice->ips;
    node->prefixes = choice->prefixes;
}

static void serve(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];
    struct view v;
    struct choice choice;

    /* Others were served meanwhile: what was decided may not be there any more. */
    node_view(p, node, &v);
    struct plan_want want = want_of(p, node, &v);
    if (want.want == WANT_NOTHING || !place(p, handle, &v, &want, &choice)) {
        plan_dirty(p, handle);
        return;
    }
    if (forbidden(p, handle) != PLAN_DECISION_NoPool) {
        plan_dirty(p, handle);
        return;
    }
    show(node, &choice);
    order_it(p, handle, &want, &choice);
}

void decide_serve(struct planner *p)
{
    uint32_t handle = NONE;

    while (p->needy.count > 0) {
        const struct node_row *next = &p->nodes[p->needy.heap[0].handle];
        uint32_t window = next->urgency == URGENT_WAITING ? WINDOW_WAITING : WINDOW_FORECAST;
        if (p->quota != CLOUD_OK || p->denied) {
            window = 1; /* probing */
        }
        if (p->active[URGENT_WAITING] + p->active[URGENT_FORECAST] >= window) {
            return;
        }
        if (next->urgency != URGENT_WAITING && p->more_waiting) {
            return; /* what waiting pods still want goes before what is only foreseen */
        }
        bool popped = timers_pop(&p->needy, TIMERS_NEVER, &handle);
        assert(popped);
        p->nodes[handle].queued = false;
        serve(p, handle);
    }
}

/* ---- the decision ---- */

/* Is everything known that a decision rests on? Asks for what is not. */
static bool is_complete(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    if (node->type != NONE && p->types[node->type].unknown && !node->type_told && plan_acting(p)) {
        node->type_told = true;
        report_node_event(p, node, EVENT_UnknownInstanceType, true,
                          arena_printf(&p->arena,
                                       "instance type %.*s is unknown to EC2 and to the built-in "
                                       "table, so its ENI limits are; "
                                       "Headroom does nothing for this node",
                                       SLICE_ARG(plan_text(p, p->types[node->type].name))));
    }
    if (!node->enis_known && plan_sweep_coming(p)) {
        plan_wake(p, handle, p->sweep_sent_ns + SWEEP_NS); /* it will name them all */
    } else if (!node->enis_known) {
        (void)plan_observe(p, handle, URGENT_REFRESH);
    }
    return p->have_agent && p->have_subnets && node->type != NONE && p->types[node->type].known &&
           node->zone != NONE && node->enis_known;
}

static void want_it(struct planner *p, uint32_t handle, const struct view *v,
                    const struct plan_want *want)
{
    struct node_row *node = &p->nodes[handle];
    struct choice choice;

    node->urgency = (uint8_t)want->urgency;
    subnet_watch_size(p, node->zone, want->slots + 1);
    if (!place(p, handle, v, want, &choice)) {
        return;
    }
    show(node, &choice);
    enum plan_decision_kind why_not = forbidden(p, handle);
    if (why_not != PLAN_DECISION_NoPool) {
        decide_kind(p, node, why_not);
        return;
    }
    if (!is_fresh(p, handle, v, want)) {
        decide_kind(p, node,
                    want->want == WANT_ASSIGN ? PLAN_DECISION_Assign : PLAN_DECISION_Attach);
        return;
    }
    decide_kind(p, node, PLAN_DECISION_Queued);
    node->queued = true;
    timers_set(&p->needy, handle, priority(p, node, v));
}

static enum node_class class_of(const struct node_row *node, const struct view *v)
{
    if (node->condition_set) {
        return CLASS_EXHAUSTED;
    }
    bool helped = v->can_grow_later || v->will_grow;
    bool wants = node->want != WANT_NOTHING || node->kind == PLAN_DECISION_HandedBack;
    if ((wants || v->short_now || v->low) && !helped) {
        return CLASS_AT_RISK;
    }
    return CLASS_COVERED;
}

static void forget_decision(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    if (node->timed) {
        timers_set(&p->timers, handle, TIMERS_NEVER);
    }
    if (node->queued) {
        timers_set(&p->needy, handle, TIMERS_NEVER);
    }
    node->timed = node->queued = false;
    pools_unstarve(p, node);
    node->subnet = NONE;
    node->ips = node->prefixes = node->device_index = 0;
    node->want = WANT_NOTHING;
}

static void count_waiting(struct planner *p, struct node_row *node, bool waits)
{
    if (waits != node->counted_waiting) {
        node->counted_waiting = waits;
        p->waiting_nodes = waits ? p->waiting_nodes + 1 : p->waiting_nodes - 1;
    }
}

/* Pods wait although the agent could grow, and nothing is on its way: how long already without any
 * of them served? An agent that gets on, if slower than pods come, needs its slots itself: it would
 * try in vain to attach its own until it adopts ours, for which it finds no time. */
static void follow_stuck(struct planner *p, struct node_row *node, const struct view *v)
{
    bool could = v->short_now && v->can_grow_later && v->coming_enis == 0;

    if (!could) {
        node->could_ns = 0;
    } else if (node->could_ns == 0 || node->holding > node->could_holding) {
        node->could_ns = p->now_ns;
        node->could_holding = node->holding;
    } else if (node->holding < node->could_holding && p->now_ns < node->hand_back_ns) {
        node->could_holding = node->holding; /* whoever gets what these pods left is served, too */
    }
}

/* An agent that is low and refused falls silent for 120 s, and tries within five seconds of
 * being low. */
static void follow_cooldown(const struct planner *p, struct node_row *node, const struct view *v)
{
    const uint64_t silent_ns = 125 * SECOND_NS;
    bool sure = v->waiting > 0 || p->now_ns - node->enis_asked_ns <= 30 * SECOND_NS;

    if (v->fails && sure && p->now_ns >= node->cooldown_ns) {
        node->cooldown_ns = p->now_ns + silent_ns;
    }
}

static void resume_orders(struct planner *p, uint32_t handle)
{
    if (plan_acting(p)) {
        ledger_again(p, handle);
    }
}

/* Does a fresh count of the subnets bring this node on? */
static bool reads_help(const struct node_row *node)
{
    return node->kind != PLAN_DECISION_AtENILimit && node->kind != PLAN_DECISION_AtPodLimit;
}

static void decide_served(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];
    struct view v;

    enis_find_adoption(p, node);
    resume_orders(p, handle);
    node_view(p, node, &v);
    follow_cooldown(p, node, &v);
    follow_stuck(p, node, &v);
    node->low = v.low;
    node->can_grow = v.can_grow_later;
    node->stall_in_s = node_stall_in_s(p, node, &v);
    subnet_watch_size(p, node->zone, v.k + 1);
    struct plan_want want = want_of(p, node, &v);
    node->want = (uint8_t)want.want;
    if (want.want == WANT_NOTHING) {
        decide_kind(p, node, want.kind);
        const struct order *order = ledger_active(p, node);
        if (order) {
            node->subnet = order->subnet;
            node->ips = order->ips;
            node->prefixes = order->prefixes;
            node->device_index = order->device_index;
        }
    } else {
        want_it(p, handle, &v, &want);
    }
    look_after(p, handle, &v);
    if (node->kind == PLAN_DECISION_HandedBack) {
        plan_wake(p, handle, node_next_eni_ns(p, node, &v));
        if (v.cooling > 0) { /* the elder ones rest no longer from then on; then none does */
            bool both = p->now_ns - node->cooled_ns < COOLING_NS;
            plan_wake(p, handle, node->cooled_ns + (both ? 1 : 2) * COOLING_NS);
        }
    }
    if (v.mode == MODE_IP && p->now_ns < p->bets_ns) {
        plan_wake(p, handle, p->bets_ns);
    }
    count_waiting(p, node, v.short_now && !v.can_grow_later && reads_help(node));
    report_node(p, handle, &v);
    status_class(p, node, class_of(node, &v));
}

static void decide_unserved(struct planner *p, uint32_t handle, enum plan_decision_kind kind)
{
    struct node_row *node = &p->nodes[handle];

    node->stall_in_s = FORECAST_NEVER_S;
    node->low = node->can_grow = false;
    count_waiting(p, node, false);
    decide_kind(p, node, kind);
    status_class(p, node, CLASS_NONE);
    if (kind != PLAN_DECISION_Incomplete) {
        report_node_clear(p, node);
        resume_orders(p, handle);
    }
}

void decide(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    forget_decision(p, handle);
    if (node->pool == NONE) {
        decide_unserved(p, handle, PLAN_DECISION_NoPool);
    } else if (node->exclusion != NODE_EXCLUDED_NONE) {
        decide_unserved(p, handle, PLAN_DECISION_Excluded);
    } else if (!is_complete(p, handle)) {
        decide_unserved(p, handle, PLAN_DECISION_Incomplete);
    } else {
        decide_served(p, handle);
    }
}
