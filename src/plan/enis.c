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
static const uint64_t HAND_BACK_NS = 10 * MINUTE_NS;

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

static struct node_eni *add_eni(struct planner *p, struct node_row *node, struct slice pool)
{
    mem_reserve(&node->enis, &node->eni_capacity, node->eni_count + 1, sizeof(*node->enis));
    struct node_eni *eni = &node->enis[node->eni_count++];
    *eni = (struct node_eni){ .pool = strings_hold(&p->strings, pool) };
    count_own(p, eni->pool, true);
    return eni;
}

static uint16_t small(uint32_t n)
{
    return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
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
    uint32_t holding = node->holding > node->branch ? node->holding - node->branch : 0;
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
    const struct eni *eni;
    struct slice pool;
    bool ours, owner, instance, no_manage;
};

static struct facts facts_of(const struct eni *eni)
{
    struct facts facts = { .eni = eni, .pool = { "", 0 } };
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

static void set_eni(struct planner *p, struct node_eni *row, const struct facts *facts,
                    const struct node_eni *old)
{
    const struct eni *eni = facts->eni;

    row->id = eni->id;
    row->subnet = subnet_handle(p, &eni->subnet);
    row->ips = small(eni->ip_count);
    row->prefixes = small(eni->prefix_count);
    row->device_index = (uint8_t)(eni->device_index < UINT8_MAX ? eni->device_index : UINT8_MAX);
    row->card = (uint8_t)(eni->card < UINT8_MAX ? eni->card : UINT8_MAX);
    row->type = (uint8_t)eni->type;
    row->ours = facts->ours;
    row->unmanaged = facts->no_manage ||
                     (!facts->instance && !p->agent.manage_untagged && eni->device_index > 0);
    row->owner_tag = facts->owner;
    row->instance_tag = facts->instance;
    row->delete_on_termination = eni->delete_on_termination;
    row->since_ns = old ? old->since_ns : p->now_ns;
    row->told = old && old->told;
    row->unseen = old ? old->unseen : 0;
    row->unseen_ns = old ? old->unseen_ns : 0;
    /* Addresses that we did not give: the agent works with it. */
    row->adopted = old && (old->adopted || row->ips > old->ips || row->prefixes > old->prefixes);
}

static void set_groups(struct planner *p, struct node_row *node, const struct eni *primary)
{
    struct slice joined = { "", 0 };

    for (uint32_t i = 0; i < primary->group_count; i++) {
        joined = arena_printf(&p->arena, "%.*s%s%s", SLICE_ARG(joined), i > 0 ? "," : "",
                              primary->groups[i].text);
    }
    strings_set(&p->strings, &node->groups, joined);
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
        struct node_eni *kept = add_eni(p, node, plan_text(p, old->pool));
        uint32_t pool = kept->pool;
        *kept = *old;
        kept->pool = pool;
        return;
    }
    if (was_handed_back(p, old)) {
        /* One that was kept for long may follow soon: the agent will keep it, too. One that was
         * freed soon was given against the agent's rule, whatever we think that it is. */
        bool soon = node->enis_asked_ns < old->since_ns + HAND_BACK_NS; /* as last seen */
        uint32_t times = node->hand_backs < 4 ? node->hand_backs + 1 : 4;
        node->hand_backs = soon ? times : 0;
        node->hand_back_ns = p->now_ns + (soon ? HAND_BACK_NS << (times - 1) : MINUTE_NS);
        node->salt++; /* the token of an ENI that is gone must not name it again */
        plan_log(p, LOG_INFO, "%.*s no longer has %s: the agent freed it",
                 SLICE_ARG(plan_text(p, node->name)), old->id.text);
    }
}

/* All ENIs of one node, from one read. */
static void replace(struct planner *p, uint32_t handle, const struct eni *const *enis,
                    uint32_t count, uint64_t asked_ns)
{
    struct node_row *node = &p->nodes[handle];
    struct node_eni *old = node->enis;
    uint32_t old_count = node->eni_count;
    bool primary = false;

    if (node->enis_known && asked_ns < node->enis_asked_ns) {
        return;
    }
    node->enis = NULL;
    node->eni_count = node->eni_capacity = 0;
    struct node_row before = { .enis = old, .eni_count = old_count };
    for (uint32_t i = 0; i < count; i++) {
        if (enis[i]->type == ENI_BRANCH || enis[i]->status == ENI_DETACHING) {
            continue; /* a branch has no slot of the instance; what is leaving has none soon */
        }
        struct facts facts = facts_of(enis[i]);
        set_eni(p, add_eni(p, node, facts.pool), &facts, enis_find(&before, &enis[i]->id));
        leftover_drop(p, &enis[i]->id);
        if (enis[i]->device_index == 0 && enis[i]->card == 0) {
            primary = enis[i]->subnet.text[0] != '\0';
            set_groups(p, node, enis[i]);
        }
    }
    for (uint32_t i = 0; i < old_count; i++) {
        if (!enis_find(node, &old[i].id)) {
            keep_or_lose(p, node, &old[i], asked_ns);
        }
        drop_eni(p, &old[i]);
    }
    mem_free(old);
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

/* The node whose instance the ENI names; NONE: there is no such one. */
static uint32_t owner_of(const struct planner *p, const struct eni *eni)
{
    struct slice id = aws_id_slice(&eni->instance);

    return id.len == 0 ? NONE : index_find(&p->node_instances, p, id);
}

/* Calls replace for each node that ENIs name: ENIs of one instance need not stand together. */
static void replace_all(struct planner *p, const struct eni *enis, uint32_t count,
                        uint64_t asked_ns)
{
    uint32_t *owner = ARENA_ARRAY(&p->arena, uint32_t, count);
    uint32_t *starts = ARENA_ARRAY(&p->arena, uint32_t, (size_t)p->node_count + 1);

    for (uint32_t i = 0; i < count; i++) {
        owner[i] = owner_of(p, &enis[i]);
        if (owner[i] != NONE) {
            starts[owner[i] + 1]++;
        }
    }
    for (uint32_t i = 0; i < p->node_count; i++) {
        starts[i + 1] += starts[i];
    }
    const struct eni **sorted = ARENA_ARRAY(&p->arena, const struct eni *, count);
    uint32_t *at = ARENA_ARRAY(&p->arena, uint32_t, (size_t)p->node_count + 1);
    memcpy(at, starts, p->node_count * sizeof(*at));
    for (uint32_t i = 0; i < count; i++) {
        if (owner[i] != NONE) {
            sorted[at[owner[i]]++] = &enis[i];
        }
    }
    for (uint32_t i = 0; i < p->node_count; i++) {
        if (starts[i + 1] > starts[i]) {
            replace(p, i, sorted + starts[i], starts[i + 1] - starts[i], asked_ns);
        }
    }
}

void enis_observe(struct planner *p, const struct plan_event *event)
{
    uint32_t count = event->enis.count;
    uint32_t *owner = ARENA_ARRAY(&p->arena, uint32_t, count);
    const struct eni **enis = ARENA_ARRAY(&p->arena, const struct eni *, count);

    for (uint32_t i = 0; i < count; i++) {
        owner[i] = owner_of(p, &event->enis.enis[i]);
    }
    for (uint32_t i = 0; i < event->enis.instance_count; i++) {
        const struct aws_id *instance = &event->enis.instances[i];
        uint32_t handle = index_find(&p->node_instances, p, aws_id_slice(instance));
        uint32_t own = 0;
        if (handle == NONE) {
            continue;
        }
        for (uint32_t j = 0; j < count; j++) {
            if (owner[j] == handle) {
                enis[own++] = &event->enis.enis[j];
            }
        }
        replace(p, handle, enis, own, event->enis.asked_ns);
    }
}

void enis_sweep(struct planner *p, const struct plan_event *event)
{
    const struct eni *enis = event->enis.enis;
    uint64_t asked_ns = event->enis.asked_ns;

    replace_all(p, enis, event->enis.count, asked_ns);
    for (uint32_t i = 0; i < event->enis.count; i++) {
        if (enis[i].status == ENI_AVAILABLE && enis[i].instance.text[0] == '\0') {
            leftover_found(p, &enis[i]);
        }
    }
    leftover_swept(p, asked_ns);
    subnet_map(p, enis, event->enis.count, asked_ns);
    if (p->leader && asked_ns >= p->leader_ns) {
        p->swept = true;
    }
    p->swept_ns = asked_ns;
}

void enis_attached(struct planner *p, const struct order *order)
{
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];

    if (!node) {
        return;
    }
    assert(order->eni.text[0]);
    leftover_drop(p, &order->eni);
    struct node_eni *eni = enis_find(node, &order->eni);
    if (!eni) {
        eni = add_eni(p, node, order->pool == NONE ? SLICE("") : p->pools[order->pool].pool.name);
        eni->since_ns = p->now_ns;
        eni->provisional = true;
        eni->id = order->eni;
        eni->subnet = order->subnet;
        eni->ips = small(order->ips);
        eni->prefixes = small(order->prefixes);
        eni->device_index = (uint8_t)order->device_index;
        eni->ours = true;
        eni->instance_tag = true;
    }
}
