/*
 * advice.c - what would help: for each zone of a pool whether its addresses last, for its nodes
 * which limit they hit, and what somebody could do about either.
 *
 * Knows which remedy goes with which trouble. Refuses to judge the trouble: states, forecasts and
 * decisions are the controller's, and what it says of a node is passed on in its words.
 */
#include <headroom/table.h>

#include "advice.h"

enum { DAY_S = 86400, SHOWN_NAMES = 3, SUBNET_OWN = 5, RESERVED_DEFAULT = 8, LIMITS_MAX = 32 };

static void add(struct advices *advices, struct advice advice)
{
    uint32_t at = advices->count;

    if (advices->count == advices->capacity) {
        uint32_t capacity = advices->capacity ? advices->capacity * 2 : 16;
        struct advice *items = ARENA_ARRAY(advices->arena, struct advice, capacity);
        if (advices->count > 0) {
            memcpy(items, advices->items, advices->count * sizeof(*items));
        }
        advices->items = items;
        advices->capacity = capacity;
    }
    while (at > 0 && advice.act >= advices->items[at - 1].act &&
           (advice.act > advices->items[at - 1].act ||
            advice.within_s < advices->items[at - 1].within_s)) {
        advices->items[at] = advices->items[at - 1];
        at--;
    }
    advices->items[at] = advice;
    advices->count++;
}

static struct slice more(struct arena *arena, struct slice text, const char *between,
                         struct slice one)
{
    return text.len == 0
               ? one
               : arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(text), between, SLICE_ARG(one));
}

/* ---- a zone of a pool ---- */

struct zone {
    struct advices *advices;
    const struct doc *spec; /* NULL: not known */
    struct slice pool, name;
    uint64_t nodes, reserved;
    uint32_t subnets, healthy, troubled; /* troubled: not Healthy, or its end is in sight */
    uint64_t spare;                      /* what Headroom may take, of all usable subnets */
    double per_s;                        /* how fast it goes */
    struct slice ending, best;           /* the troubled ones in words; where most is left */
    uint64_t best_spare;
    bool fragmented, paused;
};

static struct arena *arena_of(const struct zone *zone)
{
    return zone->advices->arena;
}

static void advise(const struct zone *zone, bool act, uint64_t within_s, const char *reason,
                   struct slice message)
{
    add(zone->advices,
        (struct advice){ zone->pool, zone->name, slice_of(reason), message, act, within_s });
}

/* "tag it headroom.dev/pool=pods": by the first term that a new subnet could match. */
static struct slice how_to_join(const struct zone *zone)
{
    const struct doc *term = doc_first(doc_get(zone->spec, "subnetSelectorTerms"));
    struct slice tags = SLICE("");

    while (term && !doc_is(doc_get(term, "tags"), DOC_MAPPING)) {
        term = term->next;
    }
    for (const struct doc *tag = doc_first(doc_get(term, "tags")); tag; tag = tag->next) {
        struct slice pair = arena_printf(arena_of(zone), "%.*s=%.*s", SLICE_ARG(tag->key),
                                         SLICE_ARG(doc_text(tag)));
        tags = more(arena_of(zone), tags, " and ", pair);
    }
    if (tags.len > 0) {
        return arena_printf(arena_of(zone), "and tag it %.*s", SLICE_ARG(tags));
    }
    return SLICE("and name it in the pool's spec.subnetSelectorTerms");
}

/* The smallest block that lasts for a day at this rate. */
static struct slice how_large(const struct zone *zone)
{
    double wanted = zone->per_s * DAY_S;
    uint32_t bits = 28;

    if (zone->per_s <= 0) {
        return SLICE("");
    }
    while (bits > 16 && (double)(UINT32_C(1) << (32 - bits)) - SUBNET_OWN < wanted) {
        bits--;
    }
    double room = (double)(UINT32_C(1) << (32 - bits)) - SUBNET_OWN;
    return arena_printf(arena_of(zone), "; at the present rate a /%u lasts %.*s", bits,
                        SLICE_ARG(cli_duration(arena_of(zone), (uint64_t)(room / zone->per_s))));
}

/* What happens to one subnet, where a remedy is of that subnet alone. */
static void advise_subnet(struct zone *zone, const struct doc *subnet)
{
    struct slice id = doc_text(doc_get(subnet, "id")), state = doc_text(doc_get(subnet, "state"));
    unsigned long long free = doc_u64_or(doc_get(subnet, "free"), 0);
    unsigned long long total = doc_u64_or(doc_get(subnet, "total"), 0);
    unsigned long long reserved = zone->reserved;

    if (slice_is(state, "Unavailable")) {
        advise(zone, true, 0, "SubnetUnavailable",
               arena_printf(arena_of(zone),
                            "EC2 does not show %.*s as available. Restore it, or take it out of "
                            "the pool.",
                            SLICE_ARG(id)));
    } else if (slice_is(state, "Fragmented")) {
        zone->fragmented = true;
        advise(zone, true, 0, "ReservePrefixes",
               arena_printf(arena_of(zone),
                            "%.*s has %llu free addresses but no whole /28, which prefixes are "
                            "made of. Reserve a block for them (aws ec2 "
                            "create-subnet-cidr-reservation --subnet-id %.*s --reservation-type "
                            "prefix --cidr BLOCK): its /28s become free as what is in them ends. "
                            "At once helps a subnet that only prefixes are taken from.",
                            SLICE_ARG(id), free, SLICE_ARG(id)));
    } else if (reserved > 0 && reserved >= total) {
        advise(zone, true, 0, "LowerReservedIPs",
               arena_printf(arena_of(zone),
                            "spec.reservedIPs keeps %llu addresses free in each subnet, and %.*s "
                            "has %llu in all: Headroom never takes one of it. Lower reservedIPs, "
                            "or give these nodes a pool of their own.",
                            reserved, SLICE_ARG(id), total));
    } else if (slice_is(state, "Exhausted") && free > 0 && free <= reserved) {
        advise(zone, true, 0, "LowerReservedIPs",
               arena_printf(arena_of(zone),
                            "The %llu free addresses of %.*s are kept by spec.reservedIPs (%llu) "
                            "for new nodes and load balancers. Lowering it gives Headroom what is "
                            "beyond; the nodes' agents do not know of it and take them anyway.",
                            free, SLICE_ARG(id), reserved));
    }
}

static void look_at_subnet(struct zone *zone, const struct doc *subnet)
{
    struct arena *arena = arena_of(zone);
    struct slice id = doc_text(doc_get(subnet, "id")), state = doc_text(doc_get(subnet, "state"));
    uint64_t free = doc_u64_or(doc_get(subnet, "free"), 0), left_s = pool_list_left_s(subnet);
    uint64_t spare = free > zone->reserved ? free - zone->reserved : 0;
    bool healthy = slice_is(state, "Healthy");
    bool usable = healthy || slice_is(state, "Low");

    zone->subnets++;
    zone->healthy += healthy;
    zone->spare += usable ? spare : 0;
    zone->per_s += left_s > 0 && left_s != UINT64_MAX ? (double)free / (double)left_s : 0;
    if (usable && spare > zone->best_spare) {
        zone->best_spare = spare;
        zone->best = arena_printf(arena, "%.*s (%llu free)", SLICE_ARG(id),
                                  (unsigned long long)free);
    }
    if (healthy && left_s == UINT64_MAX) {
        return;
    }
    if (zone->troubled++ < SHOWN_NAMES) {
        struct slice how = left_s > 0 && left_s != UINT64_MAX
                               ? arena_printf(arena, "runs out in %.*s",
                                              SLICE_ARG(cli_duration(arena, left_s)))
                               : arena_printf(arena, "is %.*s", SLICE_ARG(state));
        zone->ending = more(arena, zone->ending, ", ",
                            arena_printf(arena, "%.*s %.*s", SLICE_ARG(id), SLICE_ARG(how)));
    }
    advise_subnet(zone, subnet);
}

static void advise_add(const struct zone *zone, uint64_t within_s)
{
    struct arena *arena = arena_of(zone);
    struct slice join = how_to_join(zone), size = how_large(zone);
    const char *only = zone->subnets == 1 ? ", the pool's only subnet there" : "";
    struct slice then = SLICE("no other subnet of the pool there has addresses for Headroom");

    if (within_s > 0 && within_s != UINT64_MAX) {
        then = arena_printf(arena, "what the pool has there lasts %.*s at the present rate",
                            SLICE_ARG(cli_duration(arena, within_s)));
    } else if (zone->spare > 0) {
        then = SLICE("no subnet of the pool there is Healthy, so that nodes get no ENI ahead of "
                     "need");
    }
    advise(zone, true, within_s, "AddSubnet",
           arena_printf(arena,
                        "%.*s%s, and %.*s. Add a subnet of %.*s (of a secondary CIDR, if the VPC "
                        "has no room) %.*s%.*s.",
                        SLICE_ARG(zone->ending), only, SLICE_ARG(then), SLICE_ARG(zone->name),
                        SLICE_ARG(join), SLICE_ARG(size)));
}

static void advise_zone(const struct zone *zone)
{
    struct arena *arena = arena_of(zone);
    uint64_t last_s = zone->spare == 0    ? 0
                      : zone->per_s > 0.0 ? (uint64_t)((double)zone->spare / zone->per_s)
                                          : UINT64_MAX;

    if (zone->subnets == 0 && zone->nodes > 0) {
        struct slice join = how_to_join(zone);
        advise(zone, true, 0, "AddSubnet",
               arena_printf(arena,
                            "%llu %s there, and the pool has no subnet there: Headroom "
                            "cannot help them. Add a subnet of %.*s %.*s.",
                            (unsigned long long)zone->nodes,
                            zone->nodes == 1 ? "node is" : "nodes are", SLICE_ARG(zone->name),
                            SLICE_ARG(join)));
    } else if (zone->troubled > 0 && (zone->healthy == 0 || last_s < DAY_S)) {
        advise_add(zone, last_s);
    } else if (zone->troubled > 0 && !zone->paused) {
        advise(zone, false, last_s, "NothingToDo",
               arena_printf(arena, "%.*s; Headroom serves its nodes from %.*s. Nothing to do.",
                            SLICE_ARG(zone->ending), SLICE_ARG(zone->best)));
    }
}

/* ---- what is amiss with the pool ---- */

static void advise_conditions(struct advices *advices, struct slice pool, const struct doc *status)
{
    const struct doc *at = doc_first(doc_get(status, "conditions"));

    for (; at; at = at->next) {
        struct slice type = doc_text(doc_get(at, "type"));
        if (slice_is(doc_text(doc_get(at, "status")), "False") && !slice_is(type, "Ready") &&
            !slice_is(type, "CapacityHealthy")) {
            add(advices, (struct advice){ pool, SLICE(""), doc_text(doc_get(at, "reason")),
                                          doc_text(doc_get(at, "message")), true, 0 });
        }
    }
}

static void advise_held(struct advices *advices, struct slice pool, const char *field)
{
    bool paused = slice_is(slice_of(field), "paused");

    add(advices,
        (struct advice){ pool, SLICE(""), slice_of(paused ? "Unpause" : "EndDryRun"),
                         arena_printf(advices->arena,
                                      "Headroom would act for this pool, but spec.%s is true: "
                                      "kubectl patch snp %.*s --type merge -p "
                                      "'{\"spec\":{\"%s\":false}}'",
                                      field, SLICE_ARG(pool), field),
                         true, 0 });
}

/* ---- nodes ---- */

/* What ends by itself, or has been said of the pool or its zone. */
static bool is_told(struct slice decision)
{
    static const char *const told[] = { "Enough",     "AgentCanGrow",    "NoPool", "Excluded",
                                        "Incomplete", "Cooling",         "Attach", "Attaching",
                                        "Adopting",   "Assign",          "Paused", "NotLeader",
                                        "AtPodLimit", "NoHealthySubnet", NULL };
    const char *const *at = told;

    while (*at && !slice_is(decision, *at)) {
        at++;
    }
    return *at;
}

struct limit {
    const struct doc *node; /* the first that hit it */
    uint32_t others;
};

/* By decision; as many as there are kinds of decisions. */
static uint32_t find_limits(struct slice pool, const struct doc *first, struct limit *limits)
{
    uint32_t count = 0;

    for (const struct doc *node = first; node; node = node->next) {
        struct slice decision = doc_text(doc_get(node, "decision"));
        uint32_t at = 0;
        if (is_told(decision) || !slice_eq(doc_text_or(doc_get(node, "pool"), pool), pool)) {
            continue;
        }
        while (at < count && !slice_eq(doc_text(doc_get(limits[at].node, "decision")), decision)) {
            at++;
        }
        if (at < count) {
            limits[at].others++;
        } else if (count < LIMITS_MAX) {
            limits[count++] = (struct limit){ node, 0 };
        }
    }
    return count;
}

/* One piece of advice for all nodes that hit the same limit, in the words for the first one. */
static void advise_nodes(struct advices *advices, struct slice pool, const struct doc *first,
                         bool dry_run)
{
    struct limit limits[LIMITS_MAX];
    uint32_t count = find_limits(pool, first, limits);

    for (uint32_t i = 0; i < count; i++) {
        const struct doc *node = limits[i].node;
        struct slice decision = doc_text(doc_get(node, "decision")), company = SLICE("");
        struct slice words = doc_text_or(doc_get(node, "message"),
                                         doc_text(doc_get(node, "detail")));
        if (dry_run && slice_is(decision, "DryRun")) {
            continue; /* the pool's, which was said */
        }
        if (limits[i].others > 0) {
            company = arena_printf(advices->arena, " (and %u more)", limits[i].others);
        }
        add(advices, (struct advice){ pool, doc_text(doc_get(node, "zone")), decision,
                                      arena_printf(advices->arena, "%.*s%.*s: %.*s",
                                                   SLICE_ARG(doc_text(doc_get(node, "name"))),
                                                   SLICE_ARG(company), SLICE_ARG(words)),
                                      true, 0 });
    }
}

/* ---- all of it ---- */

void advice_for_pool(struct advices *advices, const struct doc *pool, const struct doc *state)
{
    const struct doc *status = pool_list_status(pool), *spec = doc_get(pool, "spec");
    bool paused = doc_bool_or(doc_get(spec, "paused"), false);
    bool dry_run = doc_bool_or(doc_get(spec, "dryRun"), false);
    uint32_t troubled = 0;

    for (const struct doc *at = doc_first(doc_get(status, "zones")); at; at = at->next) {
        struct zone zone = {
            .advices = advices,
            .spec = spec,
            .pool = pool_list_name(pool),
            .name = doc_text(doc_get(at, "zone")),
            .nodes = doc_u64_or(doc_get(at, "nodes"), 0),
            .reserved = spec ? doc_u64_or(doc_get(spec, "reservedIPs"), RESERVED_DEFAULT) : 0,
            .paused = paused || dry_run,
        };
        const struct doc *subnet = doc_first(doc_get(status, "subnets"));
        for (; subnet; subnet = subnet->next) {
            if (slice_eq(doc_text(doc_get(subnet, "zone")), zone.name)) {
                look_at_subnet(&zone, subnet);
            }
        }
        advise_zone(&zone);
        troubled += zone.troubled;
    }
    if (troubled > 0 && (paused || dry_run)) {
        advise_held(advices, pool_list_name(pool), paused ? "paused" : "dryRun");
    }
    advise_conditions(advices, pool_list_name(pool), status);
    advise_nodes(advices, pool_list_name(pool),
                 doc_first(state ? doc_get(state, "nodes") : doc_get(status, "nodesAtRisk")),
                 dry_run);
}
