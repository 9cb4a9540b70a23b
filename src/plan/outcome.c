/*
 * outcome.c - how orders end: what a result changes, and what a refusal means for the next try.
 *
 * Knows EC2's codes as far as the next step depends on them. Refuses to count debits itself
 * (ledger.c).
 */
#include "ledger.h"

static uint64_t jitter(struct planner *p, uint64_t base_ns, uint64_t cap_ns, uint32_t attempt)
{
    /* At least half of the full wait: a zero draw would hammer. */
    uint64_t drawn = prng_backoff(&p->prng, base_ns, cap_ns, attempt);
    uint64_t least = base_ns / 2;

    return later(drawn, least);
}

static void back_off(struct planner *p, struct order *order, enum cloud_code code, uint64_t wait_ns)
{
    if (order->node != NONE) {
        struct node_row *node = &p->nodes[order->node];
        node->attempts++;
        node->failed = code;
        node->backoff_ns = p->now_ns + wait_ns;
    }
}

static void observe_node(struct planner *p, const struct order *order)
{
    if (order->node != NONE) {
        (void)plan_observe(p, order->node, URGENT_WAITING);
    }
}

static void new_salt(struct planner *p, const struct order *order)
{
    if (order->node != NONE) {
        p->nodes[order->node].salt++;
    }
}

static bool is_capacity(enum cloud_code code)
{
    return code == CLOUD_SUBNET_FULL || code == CLOUD_NO_PREFIX || code == CLOUD_SUBNET_SHORT ||
           code == CLOUD_SUBNET_GONE;
}

static void touch_all(struct planner *p)
{
    for (uint32_t i = 0; i < p->pool_count; i++) {
        pools_touch(p, i, true);
    }
}

/* Of orders that went out together the first that is refused tells all. */
static void hold_quota(struct planner *p, enum cloud_code code)
{
    if (p->quota != CLOUD_OK && p->now_ns < p->quota_until_ns) {
        return;
    }
    p->quota = code;
    p->quota_until_ns = p->now_ns + jitter(p, MINUTE_NS, 10 * MINUTE_NS, p->quota_tries++);
    touch_all(p);
}

static void hold_denied(struct planner *p)
{
    if (p->denied && p->now_ns < p->denied_until_ns) {
        return;
    }
    p->denied = true;
    p->denied_until_ns = p->now_ns + jitter(p, 30 * SECOND_NS, 10 * MINUTE_NS, p->denied_tries++);
    touch_all(p);
}

/* What the code says beyond "not now". */
static void learn(struct planner *p, struct order *order, const struct cloud_result *result)
{
    uint32_t tries = order->node == NONE ? 0 : p->nodes[order->node].attempts;
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];

    switch (result->code) {
    case CLOUD_SUBNET_FULL:
    case CLOUD_NO_PREFIX:
    case CLOUD_SUBNET_SHORT:
    case CLOUD_SUBNET_GONE:
        subnet_refused(p, order->subnet, result->code, order->prefixes > 0);
        break;
    case CLOUD_INDEX_IN_USE:
        if (node) {
            node->index_refused |= UINT64_C(1)
                                   << (order->device_index < 63 ? order->device_index : 63);
        }
        observe_node(p, order);
        break;
    case CLOUD_ATTACH_LIMIT:
    case CLOUD_IP_LIMIT:
        observe_node(p, order);
        back_off(p, order, result->code, jitter(p, 30 * SECOND_NS, 10 * MINUTE_NS, tries));
        break;
    case CLOUD_INSTANCE_STATE:
        back_off(p, order, result->code, MINUTE_NS);
        break;
    case CLOUD_INSTANCE_GONE:
        back_off(p, order, result->code, 5 * MINUTE_NS);
        break;
    case CLOUD_ENI_GONE:
    case CLOUD_ENI_IN_USE:
        new_salt(p, order);
        leftover_drop(p, &order->eni);
        observe_node(p, order);
        back_off(p, order, result->code, jitter(p, SECOND_NS, MINUTE_NS, tries));
        break;
    case CLOUD_TOKEN_MISMATCH:
        /* Another request had this token: look for what it made before making more. */
        new_salt(p, order);
        plan_sweep(p, SECOND_NS);
        observe_node(p, order);
        back_off(p, order, result->code, jitter(p, 5 * SECOND_NS, MINUTE_NS, tries));
        break;
    case CLOUD_ENI_QUOTA:
    case CLOUD_NAU_LIMIT:
        hold_quota(p, result->code);
        break;
    case CLOUD_DENIED:
        hold_denied(p);
        break;
    case CLOUD_FENCED:
        back_off(p, order, result->code, SECOND_NS);
        break;
    case CLOUD_OK:
    case CLOUD_GROUP_GONE:
    case CLOUD_THROTTLED:
    case CLOUD_UNAVAILABLE:
    case CLOUD_INVALID:
        back_off(p, order, result->code, jitter(p, 5 * SECOND_NS, 5 * MINUTE_NS, tries));
        break;
    }
}

/* The ENI that a failed order leaves behind, attached to nothing. */
static void keep_leftover(struct planner *p, const struct order *order,
                          const struct cloud_result *result)
{
    enum cloud_code code = result->code;

    if (!aws_id_is_set(&order->eni) || code == CLOUD_ENI_GONE || code == CLOUD_ENI_IN_USE) {
        return;
    }
    struct leftover *leftover = leftover_add(p, &order->eni, order->node, order->subnet, order->ips,
                                             order->prefixes, order->pool);
    leftover->tries++;
    /* The instance will not take it: it goes at once instead of waiting for a need. */
    if (code == CLOUD_ATTACH_LIMIT || code == CLOUD_INSTANCE_GONE || order->node == NONE) {
        leftover->doomed = true;
    }
}

/* Nobody knows whether it was done: the debit stands and the same token goes out again. */
static bool may_have_happened(const struct order *order, const struct cloud_result *result)
{
    enum { TRIES_MAX = 6 };

    return result->code == CLOUD_UNAVAILABLE && order->node != NONE && order->tries < TRIES_MAX;
}

static void attach_failed(struct planner *p, struct order *order, const struct cloud_result *result)
{
    if (order->mend) {
        ledger_end(p, order); /* tried again after mended_ns */
        return;
    }
    bool unclear = may_have_happened(order, result);
    if (order->created_ns == 0 && !unclear) {
        ledger_release(p, order);
    }
    learn(p, order, result);
    if (order->node != NONE && (!is_capacity(result->code) && result->code != CLOUD_FENCED)) {
        report_refusal(p, order, result);
    }
    if (unclear) {
        order->again = true;
        order->tries++;
        plan_dirty(p, order->node);
        return;
    }
    if (order->listed) {
        ledger_end(p, order); /* attached; only DeleteOnTermination failed, which is mended later */
        return;
    }
    keep_leftover(p, order, result);
    ledger_end(p, order);
}

static void assign_failed(struct planner *p, struct order *order, const struct cloud_result *result)
{
    ledger_release(p, order);
    learn(p, order, result);
    if (order->node != NONE && !is_capacity(result->code) && result->code != CLOUD_FENCED) {
        report_refusal(p, order, result);
    }
    observe_node(p, order);
    ledger_end(p, order);
}

static void delete_ended(struct planner *p, struct order *order, const struct cloud_result *result)
{
    bool gone = result->stage == CLOUD_DONE || result->code == CLOUD_ENI_GONE;

    leftover_deleted(p, &order->eni, gone, gone || result->code == CLOUD_ENI_IN_USE);
    if (result->stage == CLOUD_FAILED && result->code == CLOUD_DENIED) {
        hold_denied(p);
    }
    ledger_end(p, order);
}

static void attached(struct planner *p, struct order *order)
{
    if (order->created_ns == 0) {
        order->created_ns = p->now_ns;
    }
    if (!order->listed) {
        enis_attached(p, order);
        ledger_listed(p, order);
    }
}

static void succeeded(struct planner *p, struct order *order)
{
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];

    if (p->quota != CLOUD_OK || p->denied) {
        touch_all(p);
    }
    p->quota = CLOUD_OK;
    p->quota_tries = 0;
    p->denied = false;
    p->denied_tries = 0;
    p->subnets[order->subnet].refusals = 0;
    if (node) {
        node->attempts = 0;
        node->backoff_ns = 0;
        node->failed = CLOUD_OK;
    }
}

static void attach_done(struct planner *p, struct order *order)
{
    attached(p, order);
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];
    struct node_eni *eni = node ? enis_find(node, &order->eni) : NULL;

    if (eni) {
        eni->delete_on_termination = true;
    }
    if (node && !order->mend) {
        report_attached(p, order);
    }
    succeeded(p, order);
    ledger_end(p, order);
}

static void assign_done(struct planner *p, struct order *order)
{
    struct node_row *node = order->node == NONE ? NULL : &p->nodes[order->node];
    struct node_eni *eni = node ? enis_find(node, &order->eni) : NULL;

    if (eni) {
        eni->ips = (uint16_t)(eni->ips + order->ips);
        eni->prefixes = (uint16_t)(eni->prefixes + order->prefixes);
        uint32_t before = p->now_ns < eni->unseen_ns ? eni->unseen : 0;
        eni->unseen = (uint16_t)(before + order->ips + order->prefixes);
        eni->unseen_ns = p->now_ns + UNSEEN_NS;
    }
    order->created_ns = p->now_ns;
    succeeded(p, order);
    observe_node(p, order);
    ledger_end(p, order);
}

void ledger_result(struct planner *p, const struct cloud_result *result)
{
    struct order *order = ledger_find(p, result->action);

    if (!order || order->over || order->again) {
        return; /* of an earlier life of the row */
    }
    if (aws_id_is_set(&result->eni)) {
        order->eni = result->eni;
    }
    switch (result->stage) {
    case CLOUD_CREATED:
        order->created_ns = p->now_ns;
        return;
    case CLOUD_ATTACHED:
        attached(p, order);
        if (order->node != NONE) {
            plan_dirty(p, order->node);
        }
        return;
    case CLOUD_DONE:
        ledger_idle(p, order);
        if (order->kind == ORDER_DELETE) {
            delete_ended(p, order, result);
        } else if (order->kind == ORDER_ASSIGN) {
            assign_done(p, order);
        } else {
            attach_done(p, order);
        }
        return;
    case CLOUD_FAILED:
        ledger_idle(p, order);
        if (order->kind == ORDER_DELETE) {
            delete_ended(p, order, result);
        } else if (order->kind == ORDER_ASSIGN) {
            assign_failed(p, order, result);
        } else {
            attach_failed(p, order, result);
        }
        return;
    }
}

/* Sends again what may have happened, once its wait is over and nothing forbids. */
void ledger_again(struct planner *p, uint32_t handle)
{
    struct node_row *node = &p->nodes[handle];

    for (uint32_t i = node->orders; i != NONE;) {
        struct order *order = &p->orders[i];
        i = order->next;
        if (order->over || !order->again) {
            continue;
        }
        const struct pool *pool = order->pool == NONE ? NULL : &p->pools[order->pool].pool;
        if (!pool || pool->paused || pool->dry_run || node->pool == NONE ||
            node->exclusion != NODE_EXCLUDED_NONE) {
            /* Not to be finished: what it may have made is a leftover, which a sweep finds. */
            ledger_release(p, order);
            plan_sweep(p, 30 * SECOND_NS);
            ledger_end(p, order);
        } else if (p->now_ns >= node->backoff_ns) {
            ledger_resend(p, order);
        } else {
            plan_wake(p, handle, node->backoff_ns);
        }
    }
}
