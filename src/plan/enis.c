/*
 * enis.c - which ENIs nodes have, as reads and results tell, and which of them the agent has
 * adopted.
 *
 * Knows that a fresh attachment may be missing from reads for seconds, and that adoption shows only
 * by what the agent does: its tag, more addresses, or more pods than the other ENIs could hold.
 * Refuses to guess it by time while pods wait.
 */
#include <assert.h>

#include "state.h"

/* How long a read may miss an attachment that EC2 has confirmed. */
static const uint64_t LAG_NS = 15 * SECOND_NS;

struct node_eni *enis_find(struct node_row *node, const struct aws_id *id)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (aws_id_eq(&node->enis[i].id, id)) {
            return &node->enis[i];
        }
    }
    return NULL;
}

static void count_own(struct planner *p, uint32_t pool_name, bool more)
{
    uint32_t pool = pool_name == 0 ? NONE : pools_find(p, plan_text(p, pool_name));

    if (pool != NONE) {
        struct pool_row *row = &p->pools[pool];
        row->own_enis = more ? row->own_enis + 1 : row->own_enis - (row->own_enis > 0);
    }
}

static void drop_eni(struct planner *p, struct node_eni *eni)
{
    count_own(p, eni->pool, false);
    strings_drop(&p->strings, eni->pool);
}

void enis_clear(struct planner *p, struct node_row *node)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        drop_eni(p, &node->enis[i]);
    }
    node->eni_count = 0;
}

/* Takes over what `eni` holds. */
static struct node_eni *add_eni(struct planner *p, struct node_row *node,
                                const struct node_eni *eni)
{
    node->enis = mem_resize(node->enis, (size_t)node->eni_count + 1, sizeof(*node->enis));
    struct node_eni *added = &node->enis[node->eni_count++];
    *added = *eni;
    count_own(p, eni->pool, true);
    return added;
}

static uint16_t small(uint32_t n)
{
    return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static uint8_t tiny(uint32_t n)
{
    return n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

/* Slots that eligible ENIs other than this one offer, in the agent's way of counting. */
static uint32_t capacity_without(const struct planner *p, const struct node_row *node,
                                 const struct node_eni *skip)
{
    bool prefixes = p->agent.prefix_delegation;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < node->eni_count; i++) {
        const struct node_eni *eni = &node->enis[i];
        if (eni != skip && node_eligible(p, node, eni)) {
            sum += prefixes ? eni->prefixes * (uint32_t)PREFIX_IPS : eni->ips;
        }
    }
    return sum;
}

/* What only the agent can have done. */
void enis_find_adoption(struct planner *p, struct node_row *node)
{
    uint32_t holding = less(node->holding, node->branch);
    /* Pods say something about ENIs only when these were read after them. */
    bool tells = node->enis_asked_ns >= node->pods_ns;

    for (uint32_t i = 0; i < node->eni_count; i++) {
        struct node_eni *eni = &node->enis[i];
        if (eni->adopted) {
            continue;
        }
        eni->adopted = !eni->ours || eni->owner_tag ||
                       (tells && holding > capacity_without(p, node, eni));
        if (eni->adopted && eni->ours) {
            node->recheck_ns = p->now_ns + 8 * SECOND_NS;
        }
    }
}

struct facts {
    struct slice pool;
    bool ours, owner, instance, no_manage;
};

static struct facts facts_of(const struct eni *eni)
{
    struct facts facts = { .pool = SLICE("") };
    struct slice value;

    facts.ours = pair_find(eni->tags, eni->tag_count, SLICE(TAG_INTENT), &value);
    if (facts.ours && pair_find(eni->tags, eni->tag_count, SLICE(TAG_POOL), &value)) {
        facts.pool = value;
    }
    facts.owner = pair_find(eni->tags, eni->tag_count, SLICE(TAG_AGENT_OWNER), &value);
    facts.instance = pair_find(eni->tags, eni->tag_count, SLICE(TAG_AGENT_INSTANCE), &value) &&
                     slice_eq(value, aws_id_slice(&eni->instance));
    facts.no_manage = pair_find(eni->tags, eni->tag_count, SLICE(TAG_AGENT_NO_MANAGE), &value) &&
                      slice_is(value, "true");
    return facts;
}

static uint32_t join_groups(struct planner *p, const struct eni *eni)
{
    struct slice joined = SLICE("");

    for (uint32_t i = 0; i < eni->group_count; i++) {
        joined = arena_printf(&p->arena, "%.*s%s%s", SLICE_ARG(joined), i > 0 ? "," : "",
                              eni->groups[i].text);
    }
    return strings_hold(&p->strings, joined);
}

static bool is_primary(const struct node_eni *eni)
{
    return eni->device_index == 0 && eni->card == 0;
}

bool enis_see(struct planner *p, const struct eni *eni, struct seen_eni *ret)
{
    if (eni->type == ENI_BRANCH || eni->status == ENI_DETACHING) {
        return false; /* a branch has no slot of the instance; what is leaving has none soon */
    }
    struct facts facts = facts_of(eni);
    *ret = (struct seen_eni){
        .instance = eni->instance,
        .eni = {
            .id = eni->id,
            .subnet = subnet_handle(p, &eni->subnet),
            .ips = small(eni->ip_count),
            .prefixes = small(eni->prefix_count),
            .device_index = tiny(eni->device_index),
            .card = tiny(eni->card),
            .type = (uint8_t)eni->type,
            .ours = facts.ours,
            .unmanaged = facts.no_manage || (!facts.instance && !p->agent.manage_untagged &&
                                             eni->device_index > 0),
            .owner_tag = facts.owner,
            .delete_on_termination = eni->delete_on_termination,
            .pool = strings_hold(&p->strings, facts.pool),
        },
    };
    ret->groups = is_primary(&ret->eni) ? join_groups(p, eni) : 0;
    return true;
}

void enis_unsee(struct planner *p, struct seen_eni *seen)
{
    strings_drop(&p->strings, seen->eni.pool);
    strings_drop(&p->strings, seen->groups);
    *seen = (struct seen_eni){ 0 };
}

/* Of an ENI that no read has shown before. One of ours that no order of ours knows is of an earlier
 * leader: it has been there for longer than reads lag, since the lease had to lapse. Its agent may
 * free it the moment after. */
static uint64_t seen_since_ns(const struct planner *p, const struct node_eni *eni)
{
    bool earlier = eni->ours && !ledger_works_on(p, &eni->id);

    return earlier ? p->now_ns - LAG_NS : p->now_ns;
}

/* What earlier reads and our own doing have shown of it; true: the agent has given it addresses. */
static bool recall(const struct planner *p, struct node_eni *eni, const struct node_eni *old)
{
    eni->since_ns = old ? old->since_ns : seen_since_ns(p, eni);
    eni->told = old && old->told;
    eni->unseen = old ? old->unseen : 0;
    eni->unseen_ns = old ? old->unseen_ns : 0;
    /* Addresses that we did not give: the agent works with it. */
    bool grown = old ? eni->ips > old->ips || eni->prefixes > old->prefixes : !eni->ours;
    eni->adopted = old && (old->adopted || grown);
    return grown;
}

static bool take_seen(struct planner *p, struct node_row *node, struct seen_eni *seen,
                      const struct node_eni *old)
{
    bool grown = recall(p, add_eni(p, node, &seen->eni), old);

    leftover_drop(p, &seen->eni.id);
    if (is_primary(&seen->eni)) {
        strings_drop(&p->strings, node->groups);
        node->groups = seen->groups;
    }
    *seen = (struct seen_eni){ 0 };
    return grown;
}

/* The agent looks for addresses that it has not asked for a minute after its last success, and so
 * puts it off with each. */
static void put_off_unseen(struct node_row *node, uint64_t asked_ns)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (node->enis[i].unseen_ns > asked_ns) {
            node->enis[i].unseen_ns = asked_ns + UNSEEN_NS;
        }
    }
}

static bool was_handed_back(const struct planner *p, const struct node_eni *old)
{
    return old->ours && p->now_ns - old->since_ns >= LAG_NS;
}

/* What was there and is not in a complete read: too fresh to be seen, or gone. */
static void keep_or_lose(struct planner *p, struct node_row *node, struct node_eni *old,
                         uint64_t asked_ns)
{
    if (old->provisional && asked_ns < old->since_ns + LAG_NS) {
        struct node_eni *kept = add_eni(p, node, old);
        kept->pool = strings_hold(&p->strings, plan_text(p, old->pool));
        return;
    }
    if (was_handed_back(p, old)) {
        /* One that was kept for long may follow soon: the agent will keep it, too. One that was
         * freed soon was given against the agent's rule, whatever we think that it is; an older one
         * that goes along with it says nothing else. */
        bool soon = node->enis_asked_ns < old->since_ns + HAND_BACK_NS; /* as last seen */
        if (soon) {
            node->hand_backs = smaller(node->hand_backs + 1, 4);
            node->hand_back_ns = p->now_ns + (HAND_BACK_NS << (node->hand_backs - 1));
        } else if (p->now_ns >= node->hand_back_ns) {
            node->hand_backs = 0;
            node->hand_back_ns = p->now_ns + MINUTE_NS;
        }
        node->salt++; /* the token of an ENI that is gone must not name it again */
        plan_log(p, LOG_INFO, "%.*s no longer has %s: the agent freed it",
                 SLICE_ARG(plan_text(p, node->name)), old->id.text);
    }
}

void enis_replace(struct planner *p, uint32_t handle, struct seen_eni *const *seen, uint32_t count,
                  uint64_t asked_ns)
{
    struct node_row *node = &p->nodes[handle];
    struct node_eni *old = node->enis;
    uint32_t old_count = node->eni_count;
    bool primary = false;
    bool grown = false;

    if (node->enis_known && asked_ns < node->enis_asked_ns) {
        return; /* overtaken by a later read */
    }
    node->enis = NULL;
    node->eni_count = 0;
    struct node_row before = { .enis = old, .eni_count = old_count };
    for (uint32_t i = 0; i < count; i++) {
        primary |= is_primary(&seen[i]->eni) && seen[i]->eni.subnet != NONE;
        grown |= take_seen(p, node, seen[i], enis_find(&before, &seen[i]->eni.id));
    }
    for (uint32_t i = 0; i < old_count; i++) {
        if (!enis_find(node, &old[i].id)) {
            keep_or_lose(p, node, &old[i], asked_ns);
        }
        drop_eni(p, &old[i]);
    }
    mem_free(old);
    if (grown) {
        put_off_unseen(node, asked_ns);
    }
    /* Without its primary ENI in a subnet the read is no picture of a running instance. */
    node->enis_known = primary;
    node->want = primary ? node->want : WANT_NOTHING;
    node->enis_asked_ns = asked_ns;
    node->holding_at_read = node->holding;
    node->index_refused = 0;
    enis_find_adoption(p, node);
    pools_touch(p, node->pool, false);
    plan_dirty(p, handle);
}

void enis_observe(struct planner *p, const struct plan_event *event)
{
    uint32_t count = event->enis.count;
    struct seen_eni *seen = ARENA_ARRAY(&p->arena, struct seen_eni, count);
    struct seen_eni **of_node = ARENA_ARRAY(&p->arena, struct seen_eni *, count);
    uint32_t *owner = ARENA_ARRAY(&p->arena, uint32_t, count);

    for (uint32_t i = 0; i < count; i++) {
        const struct eni *eni = &event->enis.enis[i];
        bool counts = aws_id_is_set(&eni->instance) && enis_see(p, eni, &seen[i]);
        owner[i] = counts ? index_find(&p->node_instances, p, aws_id_slice(&eni->instance)) : NONE;
    }
    for (uint32_t i = 0; i < event->enis.instance_count; i++) {
        const struct aws_id *instance = &event->enis.instances[i];
        uint32_t handle = index_find(&p->node_instances, p, aws_id_slice(instance));
        uint32_t own = 0;
        for (uint32_t j = 0; handle != NONE && j < count; j++) {
            if (owner[j] == handle) {
                of_node[own++] = &seen[j];
            }
        }
        if (handle != NONE) {
            enis_replace(p, handle, of_node, own, event->enis.asked_ns);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        enis_unsee(p, &seen[i]);
    }
}

void enis_attached(struct planner *p, const struct order *order)
{
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];

    if (!node) {
        return;
    }
    assert(aws_id_is_set(&order->eni));
    leftover_drop(p, &order->eni);
    if (!enis_find(node, &order->eni)) {
        struct slice pool = order->pool == NONE ? SLICE("") : p->pools[order->pool].pool.name;
        struct node_eni eni = {
            .id = order->eni,
            .subnet = order->subnet,
            .pool = strings_hold(&p->strings, pool),
            .since_ns = p->now_ns,
            .provisional = true,
            .ips = small(order->ips),
            .prefixes = small(order->prefixes),
            .device_index = (uint8_t)order->device_index,
            .ours = true,
        };
        (void)add_eni(p, node, &eni);
    }
}
