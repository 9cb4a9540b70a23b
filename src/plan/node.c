/*
 * node.c - one node's arithmetic: what its agent has, sees and wants, and how much of ours it would
 * keep.
 *
 * Knows the agent's rules (facts: agent-ipamd.md, sections 1 to 3) and nothing of queues, orders or
 * reports. Pure.
 *
 *   mode              low when         freed (podless) when           makes it content, is kept
 *   WARM_ENI W >= 1   avail < W*k      avail >= (W+1)*k               up to W*k, below (W+1)*k
 *            W == 0   avail == 0       avail >= k                     below k
 *   WARM_IP, MINIMUM  avail < WARM or  other ENIs alone meet both     what is short
 *                     total < MINIMUM
 *   prefixes, P >= 1  avail < 16*P     free prefixes elsewhere >= P   P less free prefixes
 *             P == 0  avail == 0       always                         what waiting pods need
 */
#include <assert.h>

#include "state.h"

/* An ENI is adopted after about so long: an agent that is back sooner helps itself. */
static const uint64_t SOONER_NS = MINUTE_NS;
/* Spare addresses for a node where no pod waits yet: hundreds of such nodes must not empty a
 * subnet. */
enum { SOME_AHEAD = 10 };

/* Agents with these modes give back what they do not want; only the first keeps an ENI that carries
 * nothing. */
static void settings_of(const struct planner *p, struct view *v)
{
    const struct agent_settings *a = &p->agent;

    v->prefixes = a->prefix_delegation;
    v->unit = v->prefixes ? PREFIX_IPS : 1;
    v->warm_enis = a->warm_eni_target < 0 ? 1 : (uint32_t)a->warm_eni_target;
    v->warm_ips = a->warm_ip_target < 0 ? 0 : (uint32_t)a->warm_ip_target;
    v->min_ips = a->minimum_ip_target < 0 ? 0 : (uint32_t)a->minimum_ip_target;
    v->warm_prefixes = a->warm_prefix_target < 0 ? 0 : (uint32_t)a->warm_prefix_target;
    if (v->warm_ips > 0 || v->min_ips > 0) {
        v->mode = MODE_IP;
        v->warm_target = v->warm_ips;
    } else if (v->prefixes) {
        v->mode = MODE_PREFIX;
        v->warm_target = v->warm_prefixes * PREFIX_IPS;
    } else {
        v->mode = MODE_ENI;
        v->warm_target = v->warm_enis * v->k;
    }
}

bool node_eligible(const struct planner *p, const struct node_row *node, const struct node_eni *eni)
{
    (void)node;
    if (eni->card != 0 || eni->unmanaged || (eni->type != ENI_STANDARD && eni->type != ENI_EFA)) {
        return false;
    }
    if (p->agent.custom_networking && eni->device_index == 0) {
        return false;
    }
    return eni->subnet == NONE || !p->subnets[eni->subnet].excluded;
}

static uint32_t addresses_on(const struct view *v, uint32_t ips, uint32_t prefixes)
{
    return v->prefixes ? prefixes * PREFIX_IPS : ips;
}

/* A read may show an ENI before its result does. */
static bool is_listed(const struct node_row *node, const struct order *order)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (aws_id_eq(&node->enis[i].id, &order->eni)) {
            return true;
        }
    }
    return false;
}

/* An ENI is under way that no read has shown. */
static bool is_coming(const struct node_row *node, const struct order *order)
{
    return order->kind == ORDER_ATTACH && !order->over && !order->listed && !is_listed(node, order);
}

static void count_enis(const struct planner *p, const struct node_row *node, struct view *v)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        v->slots_used += eni->card == 0;
        if (!node_eligible(p, node, eni)) {
            continue;
        }
        uint32_t addresses = addresses_on(v, eni->ips, eni->prefixes);
        if (eni->adopted) {
            uint32_t unseen = p->now_ns < eni->unseen_ns ? smaller(eni->unseen * v->unit, addresses)
                                                         : 0;
            v->addresses += addresses - unseen;
            v->coming += unseen;
            v->coming_enis += unseen > 0;
        } else {
            v->coming += addresses;
            v->coming_enis++;
        }
    }
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        const struct order *order = &p->orders[i];
        bool comes = is_coming(node, order);
        if (comes || (order->kind == ORDER_ASSIGN && !order->over)) {
            v->coming += addresses_on(v, order->ips, order->prefixes);
        }
        v->slots_used += comes;
        v->coming_enis += comes;
    }
}

static void count_slots(const struct planner *p, const struct node_row *node, struct view *v)
{
    const struct instance_type *type = &p->types[node->type].limits;
    uint32_t slots = type->enis;
    bool trunk = false;

    for (uint32_t i = 0; i < node->eni_count; i++) {
        trunk = trunk || node->enis[i].type == ENI_TRUNK;
    }
    v->trunk_slot = p->agent.pod_eni && type->trunk && !trunk;
    if (v->trunk_slot) {
        slots--;
    }
    v->agent_slots = slots;
    if (p->agent.max_eni > 0) {
        v->agent_slots = smaller((uint32_t)p->agent.max_eni - (v->trunk_slot ? 1 : 0), slots);
    }
    /* The agent adopts beyond its MAX_ENI, but somebody set it for a reason: only the pool's own
     * word goes beyond. */
    uint32_t own = p->pools[node->pool].pool.max_enis_per_node;
    v->slots = own > 0 ? smaller(own, slots) : v->agent_slots;
}

uint32_t node_cooling(const struct planner *p, const struct node_row *node)
{
    uint64_t apart_ns = p->now_ns - node->cooled_ns;

    if (apart_ns >= 2 * COOLING_NS) {
        return 0;
    }
    return node->cooled[0] + (apart_ns < COOLING_NS ? node->cooled[1] : 0);
}

/* Addresses that rest are free to the agent, though no pod gets them: it asks for no others. One
 * that has freed what came is believed for longer to get on. */
uint64_t node_stuck_ns(const struct view *v)
{
    return STUCK_NS << ((v->cooling > 0) + (v->hand_backs > 0));
}

uint64_t node_short_since_ns(const struct node_row *node)
{
    return node->waiting_ns != 0 ? node->waiting_ns : node->pods_ns;
}

/* Pods wait so long for what their agent finds elsewhere. If ours were adopted while all that it
 * wants to have free rests, it would give ours back: pods come for what rests within as long again.
 */
static uint64_t elsewhere_ns(const struct view *v)
{
    return ELSEWHERE_NS << (v->cooling > 0 && v->cooling >= v->warm_ips);
}

uint64_t node_pause_ends_ns(const struct node_row *node, const struct view *v)
{
    if (v->mode == MODE_IP && v->waiting > 0 && v->short_now) {
        return sooner(node->waiting_ns + elsewhere_ns(v), node->hand_back_ns);
    }
    return node->hand_back_ns;
}

uint64_t node_next_eni_ns(const struct planner *p, const struct node_row *node,
                          const struct view *v)
{
    uint64_t ends_ns = node_pause_ends_ns(node, v);

    /* What comes ahead of need waits for longer than what waiting pods need. */
    return ends_ns > p->now_ns ? ends_ns : node->hand_back_ns;
}

/* An agent with a WARM_IP_TARGET gives surplus back within seconds, one with warm prefixes within
 * half a minute: of an old count only what it wanted to keep is believed. */
static int32_t believed_avail(const struct planner *p, const struct node_row *node,
                              const struct view *v)
{
    int64_t avail = (int64_t)v->addresses - v->holding;

    if (v->mode == MODE_IP && !p->agent.provisioning_disabled &&
        p->now_ns - node->enis_asked_ns > ROUND_NS) {
        int64_t held = node->holding_at_read;
        int64_t then = (int64_t)v->addresses - held;
        int64_t wanted = higher(v->warm_ips, v->min_ips - held);
        int64_t kept = (wanted + v->unit - 1) / v->unit * v->unit;
        int64_t grown = (int64_t)node->holding - held;
        int64_t least_left = lower(then, kept) - higher(grown, 0);
        avail = lower(least_left, avail);
    }
    return (int32_t)avail;
}

static bool is_low(const struct view *v, int64_t avail, int64_t total)
{
    if (total >= v->max_pods) {
        return false;
    }
    switch (v->mode) {
    case MODE_IP:
        return avail < v->warm_ips || total < v->min_ips;
    case MODE_PREFIX:
    case MODE_ENI:
        break;
    }
    return v->warm_target > 0 ? avail < v->warm_target : avail <= 0;
}

/* ---- can the agent help itself? ---- */

/* Slots that the agent asks for when it creates an ENI: all or nothing. */
static uint32_t agent_request(const struct view *v)
{
    int64_t avail = (int64_t)v->addresses - v->holding;
    int64_t total = v->addresses;
    int64_t wanted = v->k;

    if (v->mode == MODE_IP) {
        wanted = (higher(v->warm_ips - avail, v->min_ips - total) + v->unit - 1) / v->unit;
    } else if (v->mode == MODE_PREFIX) {
        wanted = (int64_t)v->warm_prefixes - higher(avail, 0) / PREFIX_IPS;
    }
    wanted = higher(wanted, 1);
    return (uint32_t)lower(wanted, v->k);
}

/* How long what can be had can be had: a set of these. */
enum growth {
    GROWS_NOW = 1,
    GROWS_SOON = 2,    /* after an adoption */
    GROWS_LATER = 4,   /* after the lead time */
    GROWS_LASTING = 8, /* until all nodes that depend on it could be reached */
    GROWS_ALWAYS = 15
};

static uint32_t subnet_gives(const struct planner *p, const struct node_row *node, uint32_t subnet,
                             const struct view *v, uint32_t slots, bool new_eni)
{
    if (subnet == NONE) {
        return 0;
    }
    const struct subnet_row *s = &p->subnets[subnet];
    /* Reservations keep addresses from the agent as from us; reservedIPs does not. */
    uint32_t ips = (v->prefixes ? 0 : slots) + (new_eni ? 1 : 0);
    bool now = s->known && s->usable && !s->excluded && !s->refused && subnet_free(s) >= ips &&
               (!v->prefixes || subnet_blocks(s) >= slots);
    if (!now) {
        return 0;
    }
    uint32_t gives = GROWS_NOW;
    if (!subnet_ending(p, node->pool, subnet)) {
        gives |= GROWS_SOON;
    }
    if (!subnet_dying(p, node->pool, subnet)) {
        gives |= GROWS_LATER;
    }
    if (!subnet_leaving(p, node->pool, subnet)) {
        gives |= GROWS_LASTING;
    }
    return gives;
}

/* Room on ENIs that are there; `all`: what each of them gives. */
static uint32_t grow_on_enis(const struct planner *p, const struct node_row *node,
                             const struct view *v, bool adopted, uint32_t *all)
{
    uint32_t sum = 0;

    *all = GROWS_ALWAYS;
    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        if (!node_eligible(p, node, eni) || eni->adopted != adopted ||
            (uint32_t)eni->ips + eni->prefixes >= v->k) {
            continue;
        }
        uint32_t one = subnet_gives(p, node, eni->subnet, v, 1, false);
        *all &= one;
        sum |= one;
    }
    return sum;
}

uint32_t node_primary_subnet(const struct node_row *node)
{
    const struct node_eni *eni = node->enis;

    assert(node->enis_known);
    while (eni->device_index != 0 || eni->card != 0) {
        eni++; /* enis_known: it is there */
    }
    return eni->subnet;
}

static uint32_t grow_by_eni(const struct planner *p, const struct node_row *node,
                            const struct view *v)
{
    uint32_t sum = 0;
    uint32_t primary = node_primary_subnet(node);
    uint32_t slots = agent_request(v);

    if (v->slots_used >= v->agent_slots) {
        return sum;
    }
    if (p->agent.custom_networking) {
        const struct eniconfig_row *eniconfig = cluster_eniconfig_of(p, node);
        return subnet_gives(p, node, eniconfig ? eniconfig->subnet : NONE, v, slots, true);
    }
    sum = subnet_gives(p, node, primary, v, slots, true);
    if (!p->agent.subnet_discovery) {
        return sum;
    }
    const struct zone_row *zone = &p->zones[node->zone];
    for (uint32_t i = 0; i < zone->subnet_count; i++) {
        const struct subnet_row *s = &p->subnets[zone->subnets[i]];
        if (s->cni_tag && aws_id_eq(&s->vpc, &p->subnets[primary].vpc)) {
            sum |= subnet_gives(p, node, zone->subnets[i], v, slots, true);
        }
    }
    return sum;
}

static bool lasts(const struct planner *p, const struct node_row *node, uint32_t subnet)
{
    return subnet != NONE && p->subnets[subnet].known && !subnet_leaving(p, node->pool, subnet);
}

/* Addresses that may still be added to ENIs in subnets that last, also to those under way. What the
 * agent moves from here to `addresses` leaves the sum as it was: a count of some minutes ago still
 * tells how far the node can go. */
static uint32_t lasting_room(const struct planner *p, const struct node_row *node,
                             const struct view *v)
{
    uint32_t slots = 0;

    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        uint32_t used = (uint32_t)eni->ips + eni->prefixes;
        if (node_eligible(p, node, eni) && lasts(p, node, eni->subnet)) {
            slots += less(v->k, used);
        }
    }
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        const struct order *order = &p->orders[i];
        if (is_coming(node, order) && lasts(p, node, order->subnet)) {
            slots += v->k - smaller(v->k, order->ips + order->prefixes);
        }
    }
    return slots * v->unit;
}

static void find_growth(const struct planner *p, const struct node_row *node, struct view *v)
{
    uint32_t all, of_ours;

    if (p->agent.provisioning_disabled ||
        (node->unschedulable && !p->agent.manage_non_schedulable)) {
        return;
    }
    uint32_t mine = grow_on_enis(p, node, v, true, &all);
    uint32_t fresh = grow_by_eni(p, node, v);
    if (!p->agent.subnet_discovery) {
        /* The first refusal ends its round and begins 120 s of silence, and which ENI it tries
         * first is chance: one that gives nothing spoils all. */
        mine &= all;
        fresh &= all;
    }
    v->fails = is_low(v, v->avail, v->addresses) && !((mine | fresh) & GROWS_NOW);
    if ((mine & GROWS_NOW) && !(mine & GROWS_LASTING)) {
        /* It nibbles: as long as a dying subnet gives one address a round, it asks for no new
         * ENI. */
        fresh &= mine;
    }
    if (p->now_ns + SOONER_NS < node->cooldown_ns) {
        mine = fresh = 0;
    }
    v->new_eni_lasting = (fresh & GROWS_LASTING) != 0;
    mine |= fresh;
    v->can_grow_now = (mine & GROWS_NOW) != 0;
    v->can_grow_soon = (mine & GROWS_SOON) != 0;
    v->can_grow_later = (mine & GROWS_LATER) != 0;
    v->can_grow_lasting = (mine & GROWS_LASTING) != 0;
    v->will_grow = (grow_on_enis(p, node, v, false, &of_ours) & GROWS_LATER) != 0;
    v->room = lasting_room(p, node, v);
}

/* Pods that may come while an ENI is attached and adopted: as fast as lately, or one every three
 * seconds, which is how a scheduler fills a node that a wave reaches; never more than fit. */
static void look_ahead(const struct node_row *node, struct view *v)
{
    const float adoption_s = 75.0F;
    const uint32_t wave = 25;
    uint32_t by_rate = (uint32_t)(node->pods_per_s * adoption_s);
    uint32_t there = v->holding + v->waiting;
    uint32_t fit = less(v->max_pods, there);

    v->ahead = smaller(larger(by_rate, wave), fit);
    /* A scheduler gives an empty node the whole next wave. */
    v->reach = there < v->max_pods / 4 ? fit : v->ahead;
}

void node_view(const struct planner *p, const struct node_row *node, struct view *ret)
{
    uint32_t branch = smaller(node->branch, node->holding);
    uint32_t rest = node->branch - branch;

    *ret = (struct view){
        .k = p->types[node->type].limits.ips_per_eni - 1,
        .max_pods = node->max_pods > 0 ? node->max_pods : DEFAULT_MAX_PODS,
        .holding = node->holding - branch,
        .waiting = less(node->waiting, rest),
        .hand_backs = p->now_ns < node->hand_back_ns ? node->hand_backs : 0,
    };
    settings_of(p, ret);
    count_enis(p, node, ret);
    count_slots(p, node, ret);
    ret->avail = believed_avail(p, node, ret);
    ret->cooling = smaller(node_cooling(p, node), (uint32_t)higher(ret->avail, 0));
    ret->left = ret->avail + (int32_t)ret->coming - (int32_t)ret->waiting;
    ret->low = is_low(ret, ret->left, (int64_t)ret->addresses + ret->coming);
    ret->short_now = ret->left < 0;
    find_growth(p, node, ret);
    look_ahead(node, ret);
}

/* ---- how much ---- */

/* Beyond what waiting pods need: the less, the more often the agent has freed the ENI that came,
 * for the pods that it was sized for may end again. What little there is then is in use by the next
 * pod, and keeps it. */
static int64_t spare(const struct view *v, int64_t n)
{
    return n > 0 ? n >> v->hand_backs : n;
}

uint32_t node_wanted(const struct view *v, uint32_t min_ips)
{
    int64_t total = (int64_t)v->addresses + v->coming;
    int64_t left = v->left;
    int64_t most = (int64_t)v->k * v->unit;
    int64_t wanted = (int64_t)v->warm_target - left;

    switch (v->mode) {
    case MODE_IP:
        /* Its last try has failed, so that it is silent for 120 s: it needs at once what comes
         * meanwhile. What it does not need it gives back within seconds, and keeps the ENI. */
        wanted = higher(v->min_ips - total, wanted);
        wanted += spare(v, smaller(v->ahead, v->waiting > 0 ? v->k * v->unit : SOME_AHEAD));
        break;
    case MODE_PREFIX:
        if (v->warm_prefixes == 0) {
            wanted = -left;
            break;
        }
        /* Free prefixes, not addresses, are what it counts; at most left / 16 of them are free. */
        wanted = ((int64_t)v->warm_prefixes - higher(left, 0) / PREFIX_IPS) * PREFIX_IPS -
                 lower(left, 0);
        wanted = higher(v->ahead - left, wanted);
        break;
    case MODE_ENI: {
        /* Without warm ENIs it asks for all of an ENI's addresses when it has none left: so may we,
         * up to what it keeps. The pods that come next find theirs, for no further call. */
        int64_t kept = (int64_t)(v->warm_enis + 1) * v->k - 1 - left;
        int64_t pods = higher(-left, 0);
        wanted = v->warm_enis == 0 ? kept : wanted;
        wanted = pods + spare(v, wanted - pods);
        wanted = higher(min_ips - total, wanted);
        wanted = lower(wanted, kept);
        break;
    }
    }
    int64_t fit = (int64_t)v->max_pods - total; /* more than pods fit on the node is of no use */
    wanted = lower(wanted, fit);
    wanted = lower(wanted, most);
    return wanted < 1 ? 0 : (uint32_t)wanted;
}

/* With WARM_ENI_TARGET=0 the agent fills a bare ENI with all k when it has none free, has k free
 * then, and frees it again. One that brought an address has that one in use by then: k - 1 are
 * kept. */
uint32_t node_early_ips(const struct view *v)
{
    if (v->mode == MODE_IP) {
        return smaller(v->warm_ips, v->k);
    }
    return v->warm_enis == 0 ? 1 : 0;
}

bool node_keeps_early(const struct planner *p, const struct node_row *node, const struct view *v)
{
    int64_t free = (int64_t)v->avail + v->coming;

    /* An agent that provisions nothing neither frees it nor fills it: of no use. */
    if (v->mode == MODE_PREFIX || p->agent.provisioning_disabled) {
        return false;
    }
    if (v->mode == MODE_IP) {
        /* With its targets met it gives the surplus back at once, and mostly begins with the eldest
         * ENI: ours then holds what is warm, and is kept. Otherwise it is freed a minute later,
         * unless pods come in that minute: only at the last moment, and not twice. */
        return v->warm_ips > 0 && !v->prefixes && !v->can_grow_soon && node->hand_backs == 0 &&
               p->now_ns >= p->bets_ns;
    }
    if (v->warm_enis == 0) {
        /* It frees whatever stands empty as soon as k are free: only near need, lest pods that
         * end make it so. */
        return free + node_early_ips(v) <= v->k / 2;
    }
    return free < (int64_t)(v->warm_enis + 1) * v->k;
}

bool node_is_ahead(const struct view *v)
{
    if ((v->mode == MODE_IP || v->warm_enis == 0) && v->room > 0) {
        return true; /* a second one would stand empty, and be freed */
    }
    return v->new_eni_lasting || (v->room > 0 && (int64_t)v->left + v->room >= v->reach);
}

uint32_t node_stall_in_s(const struct planner *p, const struct node_row *node, const struct view *v)
{
    const float least_per_s = 1.0F / 3600.0F;
    uint32_t soonest = FORECAST_NEVER_S;

    if (v->short_now && !v->can_grow_now) {
        return 0;
    }
    if (v->can_grow_later || v->will_grow) {
        return FORECAST_NEVER_S;
    }
    if (node->pods_per_s > least_per_s) {
        float in_s = (float)higher(v->left, 0) / node->pods_per_s;
        soonest = (uint32_t)in_s;
    }
    if (v->can_grow_now) {
        /* It stalls once the subnets that it grows in are dead too. */
        uint32_t dead = 0;
        for (uint32_t i = 0; i < node->eni_count; i++) {
            uint32_t in_s = node->enis[i].subnet == NONE
                                ? 0
                                : subnet_exhausted_in_s(&p->subnets[node->enis[i].subnet]);
            dead = larger(in_s, dead);
        }
        soonest = larger(soonest, dead);
    }
    return soonest;
}
