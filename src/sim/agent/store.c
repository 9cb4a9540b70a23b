/*
 * store.c - the agent's data store: ENIs, their addresses, which pod holds one, which of them
 * cools.
 *
 * Knows the agent's rules for giving out an address and for letting an ENI go. Refuses to know EC2
 * and time: both come as arguments.
 */
#include "agent.h"

static struct agent_address *address_at(const struct agent_cidr *cidr, uint32_t index)
{
    return cidr->prefix ? &cidr->many[index] : (struct agent_address *)&cidr->one;
}

static uint32_t cidr_size(const struct agent_cidr *cidr)
{
    return cidr->prefix ? PREFIX_SIZE : 1;
}

static bool cools(const struct agent_address *address, uint64_t now_ns)
{
    return !address->pod && address->freed_ns && now_ns - address->freed_ns <= AGENT_IP_COOLING_NS;
}

struct agent_eni *store_find(struct agent_store *store, const struct aws_id *id)
{
    for (uint32_t i = 0; i < store->count; i++) {
        if (aws_id_eq(&store->enis[i].id, id)) {
            return &store->enis[i];
        }
    }
    return NULL;
}

struct agent_eni *store_add(struct agent_store *store, const struct eni *eni, uint64_t now_ns)
{
    mem_reserve(&store->enis, &store->capacity, store->count + 1, sizeof(struct agent_eni));
    struct agent_eni *row = &store->enis[store->count++];

    *row = (struct agent_eni){
        .id = eni->id,
        .subnet = eni->subnet,
        .since_ns = now_ns,
        .primary = eni->device_index == 0 && eni->card == 0,
        .trunk = eni->type == ENI_TRUNK,
        .efa = eni->type == ENI_EFA,
    };
    return row;
}

static void cidr_done(struct agent_cidr *cidr)
{
    if (cidr->prefix) {
        mem_free(cidr->many);
    }
}

static void eni_done(struct agent_eni *eni)
{
    for (uint32_t i = 0; i < eni->cidr_count; i++) {
        cidr_done(&eni->cidrs[i]);
    }
    mem_free(eni->cidrs);
}

void store_remove(struct agent_store *store, struct agent_eni *eni)
{
    uint32_t at = (uint32_t)(eni - store->enis);

    eni_done(eni);
    memmove(eni, eni + 1, (store->count - at - 1) * sizeof(*eni));
    store->count--;
}

void store_clear(struct agent_store *store)
{
    for (uint32_t i = 0; i < store->count; i++) {
        eni_done(&store->enis[i]);
    }
    mem_free(store->enis);
    *store = (struct agent_store){ .prefix_mode = store->prefix_mode };
}

static void add_cidr(struct agent_eni *eni, uint32_t base, bool prefix)
{
    mem_reserve(&eni->cidrs, &eni->cidr_capacity, eni->cidr_count + 1, sizeof(struct agent_cidr));
    struct agent_cidr *cidr = &eni->cidrs[eni->cidr_count++];

    *cidr = (struct agent_cidr){ .base = base, .prefix = prefix };
    if (prefix) {
        cidr->many = mem_resize(NULL, PREFIX_SIZE, sizeof(struct agent_address));
        memset(cidr->many, 0, PREFIX_SIZE * sizeof(struct agent_address));
    }
}

void store_remove_cidr(struct agent_eni *eni, uint32_t index)
{
    struct agent_cidr *cidr = &eni->cidrs[index];

    eni->used -= cidr->used;
    cidr_done(cidr);
    memmove(cidr, cidr + 1, (eni->cidr_count - index - 1) * sizeof(*cidr));
    eni->cidr_count--;
}

static bool listed(const uint32_t *list, uint32_t count, uint32_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i] == base) {
            return true;
        }
    }
    return false;
}

static bool eni_has(const struct agent_eni *eni, uint32_t base, bool prefix)
{
    for (uint32_t i = 0; i < eni->cidr_count; i++) {
        if (eni->cidrs[i].base == base && eni->cidrs[i].prefix == prefix) {
            return true;
        }
    }
    return false;
}

bool store_sync(struct agent_eni *eni, const struct eni *truth)
{
    bool changed = false;

    for (uint32_t i = eni->cidr_count; i-- > 0;) {
        const struct agent_cidr *cidr = &eni->cidrs[i];
        if (!(cidr->prefix ? listed(truth->prefixes, truth->prefix_count, cidr->base)
                           : listed(truth->ips, truth->ip_count, cidr->base))) {
            store_remove_cidr(eni, i);
            changed = true;
        }
    }
    for (uint32_t i = 0; i < truth->ip_count; i++) {
        if (!eni_has(eni, truth->ips[i], false)) {
            add_cidr(eni, truth->ips[i], false);
            changed = true;
        }
    }
    for (uint32_t i = 0; i < truth->prefix_count; i++) {
        if (!eni_has(eni, truth->prefixes[i], true)) {
            add_cidr(eni, truth->prefixes[i], true);
            changed = true;
        }
    }
    return changed;
}

/* Addresses of the mode that the agent runs in. */
static uint32_t eni_total(const struct agent_store *store, const struct agent_eni *eni)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < eni->cidr_count; i++) {
        if (eni->cidrs[i].prefix == store->prefix_mode) {
            total += cidr_size(&eni->cidrs[i]);
        }
    }
    return total;
}

static uint32_t eni_free_prefixes(const struct agent_eni *eni)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < eni->cidr_count; i++) {
        count += eni->cidrs[i].prefix && eni->cidrs[i].used == 0;
    }
    return count;
}

void store_stats(const struct agent_store *store, struct store_stats *ret)
{
    *ret = (struct store_stats){ 0 };
    for (uint32_t i = 0; i < store->count; i++) {
        const struct agent_eni *eni = &store->enis[i];
        if (store->prefix_mode) {
            ret->free_prefixes += eni_free_prefixes(eni);
            for (uint32_t j = 0; j < eni->cidr_count; j++) {
                ret->prefixes += eni->cidrs[j].prefix;
            }
        }
        if (!eni->excluded) {
            ret->total += eni_total(store, eni);
            ret->assigned += eni->used;
        }
    }
}

static bool eni_cools(const struct agent_eni *eni, uint64_t now_ns, uint64_t *latest_ns,
                      uint32_t *count)
{
    bool any = false;

    for (uint32_t i = 0; i < eni->cidr_count; i++) {
        for (uint32_t j = 0; j < cidr_size(&eni->cidrs[i]); j++) {
            const struct agent_address *address = address_at(&eni->cidrs[i], j);
            if (!cools(address, now_ns)) {
                continue;
            }
            any = true;
            *count += 1;
            if (address->freed_ns > *latest_ns) {
                *latest_ns = address->freed_ns;
            }
        }
    }
    return any;
}

uint32_t store_cooling(const struct agent_store *store, uint64_t now_ns)
{
    uint64_t latest_ns = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < store->count; i++) {
        (void)eni_cools(&store->enis[i], now_ns, &latest_ns, &count);
    }
    return count;
}

static struct agent_address *find_pod(const struct agent_store *store, uint64_t pod,
                                      struct agent_eni **ret_eni, struct agent_cidr **ret_cidr,
                                      uint32_t *ret_ip)
{
    for (uint32_t i = 0; i < store->count; i++) {
        struct agent_eni *eni = &store->enis[i];
        for (uint32_t j = 0; eni->used && j < eni->cidr_count; j++) {
            struct agent_cidr *cidr = &eni->cidrs[j];
            for (uint32_t k = 0; cidr->used && k < cidr_size(cidr); k++) {
                struct agent_address *address = address_at(cidr, k);
                if (address->pod == pod) {
                    *ret_eni = eni;
                    *ret_cidr = cidr;
                    *ret_ip = cidr->base + k;
                    return address;
                }
            }
        }
    }
    return NULL;
}

bool store_holds(const struct agent_store *store, uint64_t pod, uint32_t *ret_ip)
{
    struct agent_eni *eni = NULL;
    struct agent_cidr *cidr = NULL;

    return find_pod(store, pod, &eni, &cidr, ret_ip) != NULL;
}

static bool assign_from(struct agent_eni *eni, struct agent_cidr *cidr, uint64_t now_ns,
                        uint64_t pod, uint32_t *ret_ip)
{
    for (uint32_t i = 0; i < cidr_size(cidr); i++) {
        struct agent_address *address = address_at(cidr, i);
        if (!address->pod && !cools(address, now_ns)) {
            *address = (struct agent_address){ .pod = pod };
            cidr->used++;
            eni->used++;
            *ret_ip = cidr->base + i;
            return true;
        }
    }
    return false;
}

uint32_t store_walk(const struct agent_store *store, struct prng *prng)
{
    enum { SLOTS = 8 };
    uint32_t count = store->count;

    if (count > SLOTS) { /* spread by hash over more groups */
        return (uint32_t)prng_below(prng, count);
    }
    uint32_t slot = (uint32_t)prng_below(prng, SLOTS);
    return slot < count ? slot : 0;
}

bool store_assign(struct agent_store *store, struct prng *prng, uint64_t now_ns, uint64_t pod,
                  uint32_t *ret_ip)
{
    uint32_t first = store_walk(store, prng);

    for (uint32_t i = 0; i < store->count; i++) {
        struct agent_eni *eni = &store->enis[(first + i) % store->count];
        if (eni->excluded || eni->cidr_count == 0) {
            continue;
        }
        uint32_t begin = (uint32_t)prng_below(prng, eni->cidr_count);
        for (uint32_t j = 0; j < eni->cidr_count; j++) {
            struct agent_cidr *cidr = &eni->cidrs[(begin + j) % eni->cidr_count];
            if (cidr->prefix == store->prefix_mode && assign_from(eni, cidr, now_ns, pod, ret_ip)) {
                return true;
            }
        }
    }
    return false;
}

bool store_release(struct agent_store *store, uint64_t now_ns, uint64_t pod)
{
    struct agent_eni *eni = NULL;
    struct agent_cidr *cidr = NULL;
    uint32_t ip = 0;
    struct agent_address *address = find_pod(store, pod, &eni, &cidr, &ip);

    if (!address) {
        return false;
    }
    *address = (struct agent_address){ .freed_ns = now_ns ? now_ns : 1 };
    cidr->used--;
    eni->used--;
    return true;
}

bool store_restore(struct agent_store *store, uint32_t ip, uint64_t pod)
{
    for (uint32_t i = 0; i < store->count; i++) {
        struct agent_eni *eni = &store->enis[i];
        for (uint32_t j = 0; j < eni->cidr_count; j++) {
            struct agent_cidr *cidr = &eni->cidrs[j];
            if (ip - cidr->base < cidr_size(cidr) && !address_at(cidr, ip - cidr->base)->pod) {
                address_at(cidr, ip - cidr->base)->pod = pod;
                cidr->used++;
                eni->used++;
                return true;
            }
        }
    }
    return false;
}

const struct agent_eni *store_trunk(const struct agent_store *store)
{
    for (uint32_t i = 0; i < store->count; i++) {
        if (store->enis[i].trunk) {
            return &store->enis[i];
        }
    }
    return NULL;
}

static uint32_t round_to_prefixes(const struct agent_store *store, uint32_t ips)
{
    return store->prefix_mode ? (ips + PREFIX_SIZE - 1) / PREFIX_SIZE * PREFIX_SIZE : ips;
}

/* Would the other ENIs alone miss a target? */
static bool required(const struct agent_store *store, const struct agent_eni *eni,
                     const struct store_targets *targets)
{
    uint32_t warm = 0, total = 0, prefixes = 0;

    for (uint32_t i = 0; i < store->count; i++) {
        const struct agent_eni *other = &store->enis[i];
        if (other == eni || other->excluded) {
            continue;
        }
        uint32_t size = eni_total(store, other);
        total += size;
        warm += size - other->used;
        prefixes += eni_free_prefixes(other);
    }
    return (targets->warm_ips && warm < round_to_prefixes(store, targets->warm_ips)) ||
           (targets->minimum_ips && total < round_to_prefixes(store, targets->minimum_ips)) ||
           (store->prefix_mode && targets->warm_prefixes && prefixes < targets->warm_prefixes);
}

struct agent_eni *store_deletable(struct agent_store *store, struct prng *prng, uint64_t now_ns,
                                  const struct store_targets *targets, uint64_t *ret_wake_ns)
{
    uint32_t first = store_walk(store, prng);

    *ret_wake_ns = UINT64_MAX;
    for (uint32_t i = 0; i < store->count; i++) {
        struct agent_eni *eni = &store->enis[(first + i) % store->count];
        uint64_t wake_ns = 0, freed_ns = 0;
        uint32_t cooling = 0;
        if (eni->primary || eni->trunk || eni->efa || eni->used || required(store, eni, targets)) {
            continue;
        }
        if (now_ns - eni->since_ns < AGENT_ENI_YOUNG_NS) {
            wake_ns = eni->since_ns + AGENT_ENI_YOUNG_NS;
        } else if (eni_cools(eni, now_ns, &freed_ns, &cooling)) {
            wake_ns = freed_ns + AGENT_IP_COOLING_NS + 1;
        } else {
            return eni;
        }
        if (wake_ns < *ret_wake_ns) {
            *ret_wake_ns = wake_ns;
        }
    }
    return NULL;
}

bool store_freeable_exists(const struct agent_store *store)
{
    for (uint32_t i = 0; i < store->count; i++) {
        const struct agent_eni *eni = &store->enis[i];
        if (!eni->primary && !eni->trunk && !eni->efa && !eni->used) {
            return true;
        }
    }
    return false;
}
