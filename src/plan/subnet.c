/*
 * subnet.c - what subnets have: free addresses, whole /28 blocks, states, forecasts.
 *
 * Knows that EC2's count lags behind, says nothing of blocks and reservations, and that a refusal
 * is truer than a count. Refuses to know nodes beyond which of them a crossed line concerns.
 *
 *   total |------- high -------- low ------ 0      Healthy -> Low below `low`, back at `high`
 *         Healthy    (as before)  Low   Exhausted  Exhausted at 0, back above reservedIPs
 */
#include "state.h"

/* Two time constants: what both see is a trend; one wave of pods moves the slow one little. The
 * third looks as far back as a large cluster must look ahead. */
static const double FAST_S = 20;
static const double SLOW_S = 120;
static const double LONG_S = 600;

/* A third of the five creates a second that EC2 documents for an account. */
static const double ATTACHES_PER_S = 5.0 / 3;
/* Farther ahead a trend says nothing: days have waves. */
static const uint64_t REACH_MOST_NS = 60 * MINUTE_NS;

enum { DAY_S = 86400 };

uint32_t subnet_handle(struct planner *p, const struct aws_id *id)
{
    uint32_t handle = index_find(&p->subnet_ids, p, aws_id_slice(id));

    if (handle != NONE || !aws_id_is_set(id)) {
        return handle;
    }
    handle = p->subnet_count++;
    mem_reserve(&p->subnets, &p->subnet_capacity, p->subnet_count, sizeof(*p->subnets));
    p->subnets[handle] = (struct subnet_row){ .id = *id, .zone = NONE };
    index_add(&p->subnet_ids, p, handle);
    pools_link(p, handle);
    return handle;
}

/* ---- numbers ---- */

uint32_t subnet_free(const struct subnet_row *s)
{
    return less(s->available, s->debit_ips + (s->mapped ? s->held_back : s->reserved));
}

/* Addresses that others have taken since the map was made, as far as reads have shown. */
static uint32_t fallen(const struct subnet_row *s)
{
    return less(s->mapped_available, s->available);
}

uint32_t subnet_blocks(const struct subnet_row *s)
{
    uint32_t most = less(s->available, s->debit_ips) / PREFIX_IPS;
    uint32_t lost = fallen(s) / PREFIX_IPS; /* at least: agents in prefix mode take them whole */
    uint32_t seen = s->mapped ? less(s->blocks, s->debit_blocks + lost) : most;

    return s->refused_blocks ? 0 : smaller(seen, most);
}

/* A wave of pods, or agents that start, take much within seconds; what goes on for longer is a
 * trend. */
static double decline_per_s(const struct subnet_row *s)
{
    const uint64_t trend_ns = 20 * SECOND_NS;

    if (s->declining_ns == 0 || s->declined_ns - s->declining_ns < trend_ns) {
        return 0;
    }
    return s->fast_per_s < 2 * s->slow_per_s ? s->fast_per_s : 2 * s->slow_per_s;
}

uint32_t subnet_exhausted_in_s(const struct subnet_row *s)
{
    uint32_t free = subnet_free(s);
    double rate = decline_per_s(s);

    if (free == 0) {
        return 0;
    }
    if (rate * DAY_S < (double)free) {
        return FORECAST_NEVER_S;
    }
    return (uint32_t)((double)free / rate);
}

/* Below zero a little, so that coming and going is no decline; not far, so that a recovery hides no
 * new one. */
static void follow(double *rate, double taken, double apart_s, double constant_s,
                   double floor_per_s)
{
    *rate = (*rate * constant_s + taken) / (constant_s + apart_s);
    if (*rate < floor_per_s) {
        *rate = floor_per_s;
    }
}

/* ---- state ---- */

static enum subnet_state state_now(const struct planner *p, const struct pool *pool,
                                   const struct subnet_row *s, const struct link *link)
{
    uint32_t free = subnet_free(s);
    uint32_t low = amount_of(pool->low, s->total);
    uint32_t high = amount_of(pool->high, s->total);
    enum subnet_state old = link->stated ? link->state : SUBNET_Healthy;
    uint32_t reopen = smaller(low, pool->reserved_ips);

    if (!s->known || !s->usable) {
        return SUBNET_Unavailable;
    }
    if (s->refused || free == 0 || (old == SUBNET_Exhausted && free <= reopen)) {
        return SUBNET_Exhausted;
    }
    if (p->agent.prefix_delegation) {
        uint32_t blocks = subnet_blocks(s);
        if (blocks == 0 || (old == SUBNET_Fragmented && s->mapped && blocks < 2)) {
            return less(s->available, s->debit_ips) < PREFIX_IPS ? SUBNET_Exhausted
                                                                 : SUBNET_Fragmented;
        }
    }
    if (free < low) {
        return SUBNET_Low;
    }
    bool climbing = old == SUBNET_Low || old == SUBNET_Exhausted;
    return climbing && free < high ? SUBNET_Low : SUBNET_Healthy;
}

enum subnet_state subnet_state_of(const struct planner *p, uint32_t pool, uint32_t subnet)
{
    return (enum subnet_state)p->pools[pool].links[subnet].state;
}

bool subnet_dying(const struct planner *p, uint32_t pool, uint32_t subnet)
{
    return p->pools[pool].links[subnet].dying;
}

bool subnet_leaving(const struct planner *p, uint32_t pool, uint32_t subnet)
{
    return p->pools[pool].links[subnet].leaving;
}

bool subnet_ending(const struct planner *p, uint32_t pool, uint32_t subnet)
{
    return p->pools[pool].links[subnet].ending;
}

/* How long it takes to give each node one ENI. Those that are not reached before the subnet ends
 * must compete for EC2's rate with the retries of every agent. */
static uint64_t reach_ns(const struct planner *p, const struct pool *pool)
{
    double limit_per_s = (double)pool->attach_per_minute / 60;
    double per_s = limit_per_s > 0 && limit_per_s < ATTACHES_PER_S ? limit_per_s : ATTACHES_PER_S;
    uint64_t ns = (uint64_t)((double)p->listed_count / per_s) * SECOND_NS;

    return sooner(ns, REACH_MOST_NS);
}

/* Once foreseen, half as much again must be left before it counts as averted. */
static bool ends_within(const struct subnet_row *s, const struct link *link, uint64_t lead_ns,
                        bool foreseen)
{
    uint64_t in_ns = (uint64_t)subnet_exhausted_in_s(s) * SECOND_NS;

    return link->state != SUBNET_Healthy || in_ns <= (foreseen ? lead_ns + lead_ns / 2 : lead_ns);
}

/* The same by the long trend, where the lead is too short to reach all nodes. */
static bool ends_before_reach(const struct planner *p, const struct pool *pool,
                              const struct subnet_row *s, bool foreseen)
{
    uint64_t needed_ns = reach_ns(p, pool);
    double within_s = (double)(pool->lead_ns + needed_ns) / (double)SECOND_NS;

    return needed_ns > pool->lead_ns &&
           s->long_per_s * within_s * (foreseen ? 1.5 : 1) > (double)subnet_free(s);
}

static void dirty_group(struct planner *p, uint32_t pool, uint32_t zone)
{
    for (uint32_t i = 0; i < p->pools[pool].group_count; i++) {
        const struct group *group = &p->groups[p->pools[pool].groups[i]];
        for (uint32_t j = 0; group->zone == zone && j < group->count; j++) {
            plan_dirty(p, group->nodes[j]);
        }
    }
}

static void settle_link(struct planner *p, uint32_t pool, uint32_t subnet)
{
    struct pool_row *row = &p->pools[pool];
    struct link *link = &row->links[subnet];
    const struct subnet_row *s = &p->subnets[subnet];
    enum subnet_state state = state_now(p, &row->pool, s, link);
    enum subnet_state old = (enum subnet_state)link->state;
    bool stated = link->stated;

    link->state = (uint8_t)state;
    link->stated = true;
    bool dying = ends_within(s, link, row->pool.lead_ns, link->dying);
    bool leaving = dying || ends_before_reach(p, &row->pool, s, link->leaving);
    bool ending = ends_within(s, link, ADOPTION_NS, link->ending);
    if (stated && state == old && dying == link->dying && leaving == link->leaving &&
        ending == link->ending) {
        return;
    }
    link->dying = dying;
    link->leaving = leaving;
    link->ending = ending;
    if (link->member && (!stated || state != old)) {
        pools_touch(p, pool, true);
        report_subnet(p, pool, subnet, stated ? old : SUBNET_Healthy);
    }
    dirty_group(p, pool, s->zone);
}

/* Sizes are bits of 64; the last one stands for all that are larger, too. */
enum { LAST_SIZE = 63 };

static uint64_t sizes_up_to(uint32_t n)
{
    return n < LAST_SIZE ? (UINT64_C(2) << n) - 1 : UINT64_MAX;
}

uint64_t subnet_sizes_between(uint32_t a, uint32_t b)
{
    uint64_t between = sizes_up_to(a) ^ sizes_up_to(b);

    return a != b && a >= LAST_SIZE && b >= LAST_SIZE ? UINT64_C(1) << LAST_SIZE : between;
}

void subnet_watch_size(struct planner *p, uint32_t zone, uint32_t n)
{
    p->zones[zone].sizes |= UINT64_C(1) << (n < LAST_SIZE ? n : LAST_SIZE);
}

void subnet_settle(struct planner *p, uint32_t subnet)
{
    struct subnet_row *s = &p->subnets[subnet];

    if (s->asked_ns == 0 || s->zone == NONE) {
        return;
    }
    for (uint32_t i = 0; i < p->pool_count; i++) {
        if (p->pools[i].live) {
            settle_link(p, i, subnet);
            p->pools[i].dirty = true;
        }
    }
    struct zone_row *zone = &p->zones[s->zone];
    uint32_t free = subnet_free(s);
    uint32_t blocks = subnet_blocks(s);
    uint64_t crossed = subnet_sizes_between(free, s->seen_free) |
                       subnet_sizes_between(blocks, s->seen_blocks);
    bool more = free > s->seen_free || blocks > s->seen_blocks;
    s->seen_free = free;
    s->seen_blocks = blocks;
    if (crossed & zone->sizes) {
        plan_dirty_zone(p, s->zone);
    } else if (more) {
        for (uint32_t i = 0; i < zone->starved_count; i++) {
            plan_dirty(p, zone->starved[i]);
        }
    }
}

/* ---- reads ---- */

static bool other_cluster(const struct planner *p, const struct subnet *subnet)
{
    struct slice prefix = SLICE(TAG_SUBNET_CLUSTER_PREFIX);
    struct slice cluster = plan_cluster(p);
    bool any = false;

    for (uint32_t i = 0; i < subnet->tag_count; i++) {
        struct slice key = subnet->tags[i].key;
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

static bool tags_differ(const struct planner *p, const struct subnet_row *s,
                        const struct subnet *subnet)
{
    return s->tag_count != subnet->tag_count ||
           !strings_same_pairs(&p->strings, s->tags, subnet->tags, subnet->tag_count);
}

static void set_tags(struct planner *p, struct subnet_row *s, const struct subnet *subnet)
{
    strings_drop_pairs(&p->strings, s->tags, s->tag_count);
    s->tags = strings_hold_pairs(&p->strings, subnet->tags, subnet->tag_count);
    s->tag_count = subnet->tag_count;
}

static uint32_t size_of(struct cidr cidr)
{
    return cidr.bits == 0 ? UINT32_MAX : UINT32_C(1) << (32 - cidr.bits);
}

/* True when nodes of its zone must be decided anew whatever the numbers say. */
static bool take_facts(struct planner *p, uint32_t handle, const struct subnet *subnet)
{
    struct subnet_row *s = &p->subnets[handle];
    struct slice role = SLICE("");
    bool tagged = pair_find(subnet->tags, subnet->tag_count, SLICE(TAG_SUBNET_ROLE), &role) &&
                  role.len > 0;
    bool excluded = (tagged && slice_is(role, "0")) || other_cluster(p, subnet);
    bool cni_tag = tagged && !excluded;
    bool moved = !s->known || s->excluded != excluded || s->cni_tag != cni_tag ||
                 s->usable != subnet->usable || s->route_kind != subnet->route_kind ||
                 tags_differ(p, s, subnet);

    if (s->zone == NONE) {
        s->zone = cluster_zone(p, subnet->zone);
        if (s->zone != NONE) {
            struct zone_row *zone = &p->zones[s->zone];
            mem_reserve(&zone->subnets, &zone->subnet_capacity, zone->subnet_count + 1,
                        sizeof(*zone->subnets));
            zone->subnets[zone->subnet_count++] = handle;
        }
    }
    s->vpc = subnet->vpc;
    s->cidr = subnet->cidr;
    s->total = less(size_of(subnet->cidr), SUBNET_RESERVED);
    s->usable = subnet->usable;
    s->excluded = excluded;
    s->cni_tag = cni_tag;
    s->route_kind = subnet->route_kind;
    s->known = true;
    s->reserved = 0;
    s->reservation_count = subnet->reservation_count;
    mem_reserve(&s->reservations, &s->reservation_capacity, s->reservation_count,
                sizeof(*s->reservations));
    for (uint32_t i = 0; i < subnet->reservation_count; i++) {
        s->reservations[i] = subnet->reservations[i];
        s->reserved += size_of(subnet->reservations[i].cidr);
    }
    if (moved) {
        set_tags(p, s, subnet);
        pools_link(p, handle);
    }
    return moved;
}

/* A read that began after the refusal, and after the hold that repeated refusals earn, reopens. */
static void reopen(struct planner *p, struct subnet_row *s, uint64_t asked_ns)
{
    if (s->refused && asked_ns > s->refused_ns && p->now_ns >= s->refused_until_ns) {
        s->refused = false;
    }
    if (s->refused_blocks && asked_ns > s->refused_blocks_ns &&
        p->now_ns >= s->refused_blocks_until_ns) {
        s->refused_blocks = false;
    }
}

static void take_count(struct planner *p, struct subnet_row *s, const struct subnet *subnet,
                       uint64_t asked_ns)
{
    if (s->asked_ns != 0 && asked_ns > s->asked_ns) {
        double apart_s = (double)(asked_ns - s->asked_ns) / (double)SECOND_NS;
        double taken = (double)s->available - (double)subnet->available - (double)s->own_taken;
        follow(&s->fast_per_s, taken, apart_s, FAST_S, -0.5);
        follow(&s->slow_per_s, taken, apart_s, SLOW_S, -0.1);
        follow(&s->long_per_s, taken, apart_s, LONG_S, -0.1);
        if (taken > 0) {
            bool goes_on = s->declining_ns != 0 && asked_ns - s->declined_ns <= MINUTE_NS;
            s->declining_ns = goes_on ? s->declining_ns : asked_ns;
            s->declined_ns = asked_ns;
        }
    }
    s->mapped_available = less(s->mapped_available, s->own_taken); /* its blocks are debited */
    s->own_taken = 0;
    s->available = subnet->available;
    if (s->mapped_available == 0) {
        s->mapped_available = s->available;
    }
    s->asked_ns = asked_ns;
    s->observed_wall_ns = p->wall_ns;
    reopen(p, s, asked_ns);
}

static void take_one(struct planner *p, const struct subnet *subnet, uint64_t asked_ns)
{
    uint32_t handle = subnet_handle(p, &subnet->id);

    if (handle == NONE) {
        return;
    }
    bool moved = take_facts(p, handle, subnet);
    struct subnet_row *s = &p->subnets[handle];
    take_count(p, s, subnet, asked_ns);
    s->touched = true;
    if (moved && s->zone != NONE) {
        plan_dirty_zone(p, s->zone);
    }
}

/* Only a sweep shows blocks and what is free in reservations: wanted once for each subnet; in
 * prefix mode often while blocks are scarce, and when what was taken since may have broken all. */
static void ask_for_maps(struct planner *p)
{
    enum { SCARCE = 8 };
    bool unmapped = false;
    bool scarce = false;
    bool doubtful = false;

    for (uint32_t i = 0; i < p->subnet_count; i++) {
        const struct subnet_row *s = &p->subnets[i];
        bool prefixes = p->agent.prefix_delegation && s->available >= PREFIX_IPS;
        bool member = false;
        for (uint32_t j = 0; s->known && j < p->pool_count; j++) {
            member = member || (p->pools[j].live && p->pools[j].links[i].member);
        }
        unmapped = unmapped || (member && s->mapped_ns == 0 &&
                                (p->agent.prefix_delegation || s->reservation_count > 0));
        scarce = scarce || (member && prefixes && subnet_blocks(s) <= SCARCE);
        doubtful = doubtful || (member && prefixes && fallen(s) >= subnet_blocks(s));
    }
    if (unmapped) {
        /* The last sweep came before the subnets were known. */
        plan_sweep(p, p->swept_ns >= p->sweep_sent_ns ? SECOND_NS : 15 * SECOND_NS);
    } else if (scarce) {
        plan_sweep(p, 30 * SECOND_NS);
    } else if (doubtful) {
        plan_sweep(p, 2 * MINUTE_NS);
    }
}

void subnet_observe(struct planner *p, const struct plan_event *event)
{
    uint64_t asked_ns = event->subnets.asked_ns;

    if (p->have_subnets && asked_ns < p->subnets_asked_ns) {
        return; /* overtaken by a later read */
    }
    p->subnets_asked_ns = asked_ns;
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        p->subnets[i].touched = false;
    }
    ledger_settle(p, asked_ns);
    for (uint32_t i = 0; i < event->subnets.count; i++) {
        take_one(p, &event->subnets.subnets[i], asked_ns);
    }
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        struct subnet_row *s = &p->subnets[i];
        if (!s->touched && s->known) {
            s->known = false;
            pools_link(p, i);
            plan_dirty_zone(p, s->zone);
        }
        subnet_settle(p, i);
    }
    ask_for_maps(p);
    if (!p->have_subnets) {
        p->have_subnets = true;
        for (uint32_t i = 0; i < p->pool_count; i++) {
            pools_touch(p, i, true);
        }
        plan_dirty_all(p);
    }
}

/* ---- blocks ---- */

enum { MAP_SIZE = 65536 }; /* a VPC's largest subnet */

static struct address_map *map_of(struct sweep *sweep, uint32_t subnet, uint32_t base)
{
    mem_reserve(&sweep->maps, &sweep->map_count, subnet + 1, sizeof(*sweep->maps));
    struct address_map *map = &sweep->maps[subnet];
    if (!map->used) {
        map->used = mem_resize(NULL, MAP_SIZE / 8, 1);
        memset(map->used, 0, MAP_SIZE / 8);
        map->base = base & ~UINT32_C(0xFFFF);
    }
    return map;
}

static void mark(struct address_map *map, uint32_t ip, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = ip - map->base + i;
        if (at < MAP_SIZE) {
            map->used[at / 8] = (uint8_t)(map->used[at / 8] | (1U << (at % 8)));
        }
    }
}

void subnet_note_eni(struct planner *p, const struct eni *eni)
{
    uint32_t subnet = subnet_handle(p, &eni->subnet);

    if (subnet == NONE) {
        return;
    }
    struct address_map *map = map_of(&p->sweep, subnet, eni->primary_ip);
    mark(map, eni->primary_ip, 1);
    for (uint32_t i = 0; i < eni->ip_count; i++) {
        mark(map, eni->ips[i], 1);
    }
    for (uint32_t i = 0; i < eni->prefix_count; i++) {
        mark(map, eni->prefixes[i], PREFIX_IPS);
    }
}

static uint32_t count_blocks(const struct address_map *map, uint32_t first, uint32_t size)
{
    uint32_t blocks = 0;

    for (uint32_t at = first; at + PREFIX_IPS <= first + size; at += PREFIX_IPS) {
        blocks += map->used[at / 8] == 0 && map->used[at / 8 + 1] == 0;
    }
    return blocks;
}

/* Free addresses in reservations; then nobody takes a block from an explicit one by itself. */
static void apply_reservations(struct subnet_row *s, struct address_map *map)
{
    s->held_back = 0;
    for (uint32_t i = 0; i < s->reservation_count; i++) {
        const struct cidr_reservation *kept = &s->reservations[i];
        uint32_t size = size_of(kept->cidr);
        for (uint32_t j = 0; j < size; j++) {
            uint32_t inside = kept->cidr.base + j - s->cidr.base;
            uint32_t at = s->cidr.base - map->base + inside;
            s->held_back += inside < size_of(s->cidr) && !(map->used[at / 8] >> (at % 8) & 1);
        }
        if (!kept->prefix) {
            mark(map, kept->cidr.base, size);
        }
    }
}

static void map_one(struct planner *p, uint32_t subnet, uint64_t asked_ns)
{
    struct subnet_row *s = &p->subnets[subnet];
    struct address_map *map = map_of(&p->sweep, subnet, s->cidr.base);
    uint32_t size = size_of(s->cidr);
    uint32_t first = s->cidr.base - map->base;

    if ((uint64_t)first + size > MAP_SIZE) {
        return; /* its ENIs' addresses are not its own */
    }
    mark(map, s->cidr.base, SUBNET_RESERVED - 1);
    mark(map, s->cidr.base + size - 1, 1);
    apply_reservations(s, map);
    s->blocks = count_blocks(map, first, size);
    s->mapped = true;
    s->mapped_available = 0;
    if (s->refused_blocks && asked_ns > s->refused_blocks_ns && s->blocks == 0) {
        s->refused_blocks_ns = asked_ns; /* confirmed */
    }
    subnet_settle(p, subnet);
}

void subnet_map(struct planner *p, uint64_t asked_ns)
{
    for (uint32_t i = 0; i < p->subnet_count; i++) {
        struct subnet_row *s = &p->subnets[i];
        s->mapped_ns = s->known ? asked_ns : s->mapped_ns;
        if (s->known && size_of(s->cidr) >= PREFIX_IPS) {
            map_one(p, i, asked_ns);
        }
        subnet_drop_map(&p->sweep, i);
    }
}

void subnet_drop_map(struct sweep *sweep, uint32_t subnet)
{
    if (subnet < sweep->map_count) {
        mem_free(sweep->maps[subnet].used);
        sweep->maps[subnet].used = NULL;
    }
}

/* ---- refusals ---- */

static uint64_t hold_ns(struct planner *p, uint32_t refusals)
{
    /* The first refusal is the count's lag: the next read may reopen. Repeated ones earn up to 5
     * minutes. */
    return refusals <= 1 ? 0 : prng_backoff(&p->prng, 2 * SECOND_NS, 5 * MINUTE_NS, refusals);
}

void subnet_refused(struct planner *p, uint32_t subnet, enum cloud_code code, bool prefixes)
{
    struct subnet_row *s = &p->subnets[subnet];

    if (code == CLOUD_SUBNET_GONE) {
        s->known = false;
        pools_link(p, subnet);
    } else if (code == CLOUD_NO_PREFIX || (code == CLOUD_SUBNET_SHORT && prefixes)) {
        s->refused_blocks = true;
        s->refused_blocks_ns = p->now_ns;
        /* Blocks come back seldom, and no count shows it: the next try may wait for a sweep. */
        s->refused_blocks_until_ns = p->now_ns + MINUTE_NS + hold_ns(p, ++s->refusals);
        plan_sweep(p, 30 * SECOND_NS);
    } else {
        s->refused = true;
        s->refused_ns = p->now_ns;
        s->refused_until_ns = p->now_ns + hold_ns(p, ++s->refusals);
    }
    plan_observe_subnets(p, SECOND_NS);
    subnet_settle(p, subnet);
}

/* ---- how often to read ---- */

enum { PACE_HOT_MS = 2000, PACE_LOW_MS = 10000, PACE_WARM_MS = 10000, PACE_QUIET_MS = 30000 };

static uint32_t pace_of(const struct planner *p, uint32_t subnet)
{
    const double moving_per_s = 0.02;
    const struct subnet_row *s = &p->subnets[subnet];
    uint32_t pace = s->fast_per_s > moving_per_s ? PACE_WARM_MS : PACE_QUIET_MS;

    for (uint32_t i = 0; i < p->pool_count; i++) {
        const struct pool_row *row = &p->pools[i];
        if (!row->live || !s->known) {
            continue;
        }
        /* Also a single wave is looked at closely: the next read tells whether it is a trend. */
        double soon_s = 3 * (double)row->pool.lead_ns / (double)SECOND_NS;
        if (subnet_free(s) > 0 && s->fast_per_s * soon_s > (double)subnet_free(s)) {
            return PACE_HOT_MS;
        }
        if (row->links[subnet].member && row->links[subnet].state != SUBNET_Healthy) {
            pace = PACE_LOW_MS;
        }
    }
    return pace;
}

void subnet_tick(struct planner *p)
{
    const uint64_t hot_for_ns = 30 * SECOND_NS;
    uint32_t pace = PACE_QUIET_MS;

    if (p->waiting_nodes > 0) {
        pace = PACE_HOT_MS;
    }
    if (p->pace_asked_ns != p->subnets_asked_ns || pace == PACE_HOT_MS) {
        for (uint32_t i = 0; pace > PACE_HOT_MS && i < p->subnet_count; i++) {
            uint32_t one = pace_of(p, i);
            pace = smaller(one, pace);
        }
        p->pace_asked_ns = p->subnets_asked_ns;
    } else {
        return;
    }
    if (pace == p->pace_ms) {
        p->pace_ns = p->now_ns;
        return;
    }
    if (pace > p->pace_ms && p->pace_ms != 0 && p->now_ns - p->pace_ns < hot_for_ns) {
        return;
    }
    p->pace_ms = pace;
    p->pace_ns = p->now_ns;
    plan_add(p, PLAN_SUBNET_PACE)->pace_ms = pace;
}
