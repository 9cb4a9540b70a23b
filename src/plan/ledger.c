/*
 * ledger.c - what is under way: orders, their debits, how they begin and are taken over by
 * observations.
 *
 *   order --CREATED--> debit stands --read that began 3 s later--> the subnet's count includes it
 *         --FAILED, nothing created--> debit goes back at once
 *         --FAILED, outcome unknown--> debit stands, the same token is sent again
 *
 * Knows intents, tokens and debits. Refuses to choose subnets and to judge failures (outcome.c).
 */
#include <assert.h>

#include "ledger.h"
#include "token.h"

/* EC2's free count lags behind a create; a debit that stands a little longer costs nothing. */
static const uint64_t LAG_NS = 3 * SECOND_NS;

enum { HANDLE_BITS = 20 };

static struct order *new_order(struct planner *p, enum order_kind kind, uint32_t node)
{
    uint32_t handle = p->order_unused;

    if (handle != NONE) {
        p->order_unused = p->orders[handle].next;
    } else {
        handle = p->order_count++;
        assert(handle < UINT32_C(1) << HANDLE_BITS);
        mem_reserve(&p->orders, &p->order_capacity, p->order_count, sizeof(*p->orders));
    }
    struct order *order = &p->orders[handle];
    *order = (struct order){
        .id = ++p->order_sequence << HANDLE_BITS | handle,
        .kind = kind,
        .node = node,
        .pool = NONE,
        .subnet = NONE,
        .next = NONE,
        .began_ns = p->now_ns,
    };
    if (node != NONE) {
        order->next = p->nodes[node].orders;
        order->pool = p->nodes[node].pool;
        order->instance = p->nodes[node].instance;
        p->nodes[node].orders = handle;
    }
    return order;
}

struct order *ledger_find(const struct planner *p, uint64_t id)
{
    uint64_t handle = id & ((UINT64_C(1) << HANDLE_BITS) - 1);

    if (id == 0 || handle >= p->order_count || p->orders[handle].id != id) {
        return NULL;
    }
    return &p->orders[handle];
}

static void unlink_node(struct planner *p, struct order *order)
{
    uint32_t handle = (uint32_t)(order - p->orders);

    if (order->node == NONE) {
        return;
    }
    uint32_t *link = &p->nodes[order->node].orders;
    while (*link != handle) {
        assert(*link != NONE);
        link = &p->orders[*link].next;
    }
    *link = order->next;
    order->node = NONE;
}

static void free_order(struct planner *p, struct order *order)
{
    unlink_node(p, order);
    *order = (struct order){ .next = p->order_unused };
    p->order_unused = (uint32_t)(order - p->orders);
}

/* ---- debits ---- */

static void debit(struct planner *p, struct order *order, uint32_t ips, uint32_t blocks)
{
    struct subnet_row *s = &p->subnets[order->subnet];

    order->debit_ips = ips + blocks * PREFIX_IPS;
    order->debit_blocks = blocks;
    s->debit_ips += order->debit_ips;
    s->debit_blocks += order->debit_blocks;
    subnet_settle(p, order->subnet);
    pools_touch(p, order->pool, false);
}

void ledger_release(struct planner *p, struct order *order)
{
    if (order->debit_ips == 0) {
        return;
    }
    struct subnet_row *s = &p->subnets[order->subnet];
    assert(s->debit_ips >= order->debit_ips && s->debit_blocks >= order->debit_blocks);
    s->debit_ips -= order->debit_ips;
    s->debit_blocks -= order->debit_blocks;
    order->debit_ips = order->debit_blocks = 0;
    pools_touch(p, order->pool, false);
}

void ledger_settle(struct planner *p, uint64_t asked_ns)
{
    for (uint32_t i = 0; i < p->order_count; i++) {
        struct order *order = &p->orders[i];
        if (order->debit_ips == 0 || order->created_ns == 0 ||
            asked_ns < order->created_ns + LAG_NS) {
            continue;
        }
        struct subnet_row *s = &p->subnets[order->subnet];
        s->own_taken += order->debit_ips;
        if (s->mapped && s->mapped_ns < order->created_ns) {
            s->blocks = less(s->blocks, order->debit_blocks);
        }
        ledger_release(p, order);
        if (order->over) {
            free_order(p, order);
        }
    }
}

uint32_t plan_in_flight(const struct planner *p)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < p->subnet_count; i++) {
        sum += p->subnets[i].debit_ips;
    }
    return sum;
}

/* ---- sending ---- */

static void make_token(struct planner *p, struct order *order, const struct aws_id *groups,
                       uint32_t group_count)
{
    const struct node_row *node = &p->nodes[order->node];
    const uint64_t epoch_ns = 10 * MINUTE_NS; /* an ENI that the agent frees later is not asked for
                                                 again */
    struct token_digest digest;
    struct token_digest sum = { 0, 0 };

    token_begin(&digest);
    token_text(&digest, plan_cluster(p));
    token_text(&digest, aws_id_slice(&order->instance));
    /* A set: the order in which reads list ENIs must not matter. */
    for (uint32_t i = 0; i < node->eni_count; i++) {
        struct token_digest one;
        token_begin(&one);
        token_text(&one, aws_id_slice(&node->enis[i].id));
        sum.a += one.a;
        sum.b += one.b;
    }
    token_number(&digest, sum.a);
    token_number(&digest, sum.b);
    token_text(&digest, aws_id_slice(&p->subnets[order->subnet].id));
    token_number(&digest, order->device_index);
    token_number(&digest, order->ips);
    token_number(&digest, order->prefixes);
    for (uint32_t i = 0; i < group_count; i++) {
        token_text(&digest, aws_id_slice(&groups[i]));
    }
    token_number(&digest, p->wall_ns / epoch_ns);
    token_number(&digest, node->salt);
    token_end(&digest, order->token, sizeof(order->token));
}

static void add_tag(struct pair *tags, uint32_t *count, const char *key, struct slice value)
{
    if (value.len > 0) {
        tags[(*count)++] = (struct pair){ slice_of(key), value };
    }
}

/* Without eks:eni:owner: the agent adds that one when it adopts the ENI, and so shows that it has.
 */
static void set_tags(struct planner *p, const struct order *order, struct eni_intent *intent)
{
    enum { OWN_TAGS = 6 };
    uint32_t extra = p->agent.extra_tag_count;
    struct pair *tags = ARENA_ARRAY(&p->arena, struct pair, (size_t)extra + OWN_TAGS);
    uint32_t count = 0;

    add_tag(tags, &count, TAG_INTENT, arena_slice(&p->arena, slice_of(order->token)));
    add_tag(tags, &count, TAG_POOL, p->pools[order->pool].pool.name);
    add_tag(tags, &count, TAG_NODE, plan_text(p, p->nodes[order->node].name));
    add_tag(tags, &count, TAG_CLUSTER, plan_cluster(p));
    add_tag(tags, &count, TAG_AGENT_INSTANCE,
            arena_slice(&p->arena, aws_id_slice(&order->instance)));
    add_tag(tags, &count, TAG_AGENT_CLUSTER, p->agent.cluster_name);
    for (uint32_t i = 0; i < extra; i++) {
        struct slice old;
        if (!pair_find(tags, count, p->agent.extra_tags[i].key, &old)) {
            tags[count++] = p->agent.extra_tags[i];
        }
    }
    intent->tags = tags;
    intent->tag_count = count;
}

/* Lower is needier: since when pods wait, or how soon they would. */
static uint32_t rank_of(const struct planner *p, const struct order *order)
{
    const struct node_row *node = &p->nodes[order->node];
    return order->urgency == URGENT_WAITING ? (uint32_t)(node_short_since_ns(node) / SECOND_NS)
                                            : node->stall_in_s;
}

void ledger_send_attach(struct planner *p, struct order *order)
{
    const struct node_row *node = &p->nodes[order->node];
    struct eni_intent intent = {
        .instance = order->instance,
        .subnet = p->subnets[order->subnet].id,
        .eni = order->eni,
        .device_index = order->device_index,
        .ips = order->ips,
        .prefixes = order->prefixes,
    };

    intent.group_count = pools_groups_of(p, node, &intent.groups);
    if (order->token[0] == '\0') {
        make_token(p, order, intent.groups, intent.group_count);
    }
    set_tags(p, order, &intent);
    intent.description = arena_printf(&p->arena, "headroom %.*s",
                                      SLICE_ARG(plan_text(p, node->name)));
    memcpy(intent.client_token, order->token, sizeof(intent.client_token));
    p->active[order->urgency]++;
    struct plan_action *action = plan_add(p, PLAN_ATTACH);
    action->id = order->id;
    action->urgency = (enum urgency)order->urgency;
    action->rank = rank_of(p, order);
    action->attach = intent;
    struct log_record *record = plan_log(p, LOG_INFO, "attaching an ENI");
    log_text(&p->logs, record, "node", plan_text(p, node->name));
    log_text(&p->logs, record, "subnet", aws_id_slice(&intent.subnet));
    log_text(&p->logs, record, "eni", aws_id_slice(&intent.eni));
    log_number(record, "ips", intent.ips);
    log_number(record, "prefixes", intent.prefixes);
    log_number(record, "device_index", intent.device_index);
    log_number(record, "waiting", node->waiting);
    log_text(&p->logs, record, "token", slice_of(order->token));
}

struct order *ledger_attach(struct planner *p, uint32_t node, const struct choice *choice,
                            uint32_t device_index, enum urgency urgency)
{
    struct order *order = new_order(p, ORDER_ATTACH, node);

    order->subnet = choice->subnet;
    order->device_index = device_index;
    order->ips = choice->ips;
    order->prefixes = choice->prefixes;
    order->urgency = (uint8_t)urgency;
    p->pools[order->pool].active++;
    debit(p, order, choice->ips + 1, choice->prefixes);
    ledger_send_attach(p, order);
    return order;
}

struct order *ledger_resume(struct planner *p, uint32_t node, struct leftover *leftover,
                            uint32_t device_index, enum urgency urgency)
{
    struct order *order = new_order(p, ORDER_ATTACH, node);

    order->eni = leftover->eni;
    order->subnet = leftover->subnet;
    order->device_index = device_index;
    order->ips = leftover->ips;
    order->prefixes = leftover->prefixes;
    order->urgency = (uint8_t)urgency;
    leftover->ordered = true;
    p->pools[order->pool].active++;
    ledger_send_attach(p, order);
    return order;
}

void ledger_mend(struct planner *p, uint32_t node, const struct node_eni *eni)
{
    struct order *order = new_order(p, ORDER_ATTACH, node);

    order->eni = eni->id;
    order->subnet = eni->subnet;
    order->device_index = eni->device_index;
    order->ips = eni->ips;
    order->prefixes = eni->prefixes;
    order->urgency = URGENT_REFRESH;
    order->mend = order->listed = true;
    p->nodes[node].mended_ns = p->now_ns;
    ledger_send_attach(p, order);
}

struct order *ledger_assign(struct planner *p, uint32_t node, const struct node_eni *eni,
                            uint32_t slots, bool prefixes, enum urgency urgency)
{
    struct order *order = new_order(p, ORDER_ASSIGN, node);

    order->eni = eni->id;
    order->subnet = eni->subnet;
    order->device_index = eni->device_index;
    order->ips = prefixes ? 0 : slots;
    order->prefixes = prefixes ? slots : 0;
    order->urgency = (uint8_t)urgency;
    debit(p, order, order->ips, order->prefixes);
    p->active[urgency]++;
    struct plan_action *action = plan_add(p, PLAN_ASSIGN);
    action->id = order->id;
    action->urgency = urgency;
    action->rank = rank_of(p, order);
    action->assign.eni = order->eni;
    action->assign.instance = order->instance;
    action->assign.ips = order->ips;
    action->assign.prefixes = order->prefixes;
    return order;
}

void ledger_delete(struct planner *p, struct leftover *leftover)
{
    struct order *order = new_order(p, ORDER_DELETE, NONE);

    order->eni = leftover->eni;
    order->urgency = URGENT_REFRESH;
    leftover->ordered = true;
    p->active[URGENT_REFRESH]++;
    struct plan_action *action = plan_add(p, PLAN_DELETE);
    action->id = order->id;
    action->urgency = URGENT_REFRESH;
    action->rank = UINT32_MAX;
    action->eni = order->eni;
}

/* ---- ending ---- */

void ledger_listed(struct planner *p, struct order *order)
{
    if (!order->listed && order->kind == ORDER_ATTACH) {
        if (order->pool != NONE) {
            p->pools[order->pool].active--;
        }
        order->listed = true;
    }
}

void ledger_idle(struct planner *p, struct order *order)
{
    assert(p->active[order->urgency] > 0);
    p->active[order->urgency]--;
}

void ledger_end(struct planner *p, struct order *order)
{
    ledger_listed(p, order);
    leftover_release(p, &order->eni);
    order->over = true;
    if (order->node != NONE) {
        plan_dirty(p, order->node);
    }
    if (order->debit_ips == 0) {
        free_order(p, order);
    }
}

void ledger_resend(struct planner *p, struct order *order)
{
    uint64_t handle = (uint64_t)(order - p->orders);

    order->id = ++p->order_sequence << HANDLE_BITS | handle;
    order->again = false;
    ledger_send_attach(p, order);
}

struct order *ledger_active(const struct planner *p, const struct node_row *node)
{
    for (uint32_t i = node->orders; i != NONE; i = p->orders[i].next) {
        if (!p->orders[i].over && !p->orders[i].mend) {
            return &p->orders[i];
        }
    }
    return NULL;
}

bool ledger_works_on(const struct planner *p, const struct aws_id *eni)
{
    for (uint32_t i = 0; i < p->order_count; i++) {
        if (!p->orders[i].over && aws_id_eq(&p->orders[i].eni, eni)) {
            return true;
        }
    }
    return false;
}

bool ledger_has_token(const struct planner *p, struct slice token)
{
    for (uint32_t i = 0; i < p->order_count; i++) {
        if (!p->orders[i].over && slice_eq(slice_of(p->orders[i].token), token)) {
            return true;
        }
    }
    return false;
}

/* The node is gone, its orders are not: their results still come. */
void ledger_forget_node(struct planner *p, uint32_t node)
{
    while (p->nodes[node].orders != NONE) {
        struct order *order = &p->orders[p->nodes[node].orders];
        unlink_node(p, order);
        if (order->again) {
            /* What it may have created is found by a sweep. */
            ledger_release(p, order);
            ledger_end(p, order);
        }
    }
}

/* A node that comes back under the same instance finds its orders again. */
void ledger_find_node(struct planner *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->order_count; i++) {
        struct order *order = &p->orders[i];
        if (!order->over && order->kind != ORDER_DELETE && order->node == NONE &&
            aws_id_eq(&order->instance, &p->nodes[node].instance)) {
            order->node = node;
            order->next = p->nodes[node].orders;
            p->nodes[node].orders = i;
        }
    }
}

void ledger_forget_pool(struct planner *p, uint32_t pool)
{
    for (uint32_t i = 0; i < p->order_count; i++) {
        if (p->orders[i].pool == pool) {
            p->orders[i].pool = NONE;
        }
    }
}
