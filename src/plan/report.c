/*
 * report.c - what users read about nodes, subnets and orders: events, node conditions, taints,
 * decisions.
 *
 * Knows how to say what, where, why and what to do, once for each episode. Refuses to decide.
 */
#include <assert.h>

#include "state.h"

void report_pool_event(struct planner *p, uint32_t pool, enum event_reason reason, bool warning,
                       struct slice message)
{
    if (!p->leader || pool == NONE) {
        return;
    }
    struct plan_action *action = plan_add(p, PLAN_EVENT);
    action->event = (struct user_event){
        .reason = reason,
        .warning = warning,
        .name = arena_slice(&p->arena, p->pools[pool].pool.name),
        .uid = arena_slice(&p->arena, p->pools[pool].pool.uid),
        .message = message,
    };
}

void report_node_event(struct planner *p, const struct node_row *node, enum event_reason reason,
                       bool warning, struct slice message)
{
    if (!p->leader) {
        return;
    }
    struct plan_action *action = plan_add(p, PLAN_EVENT);
    action->event = (struct user_event){
        .reason = reason,
        .warning = warning,
        .on_node = true,
        .name = arena_slice(&p->arena, plan_text(p, node->name)),
        .message = message,
    };
}

static struct slice zone_name(const struct planner *p, uint32_t zone)
{
    return plan_text(p, p->zones[zone].name);
}

/* ---- subnets ---- */

static struct slice subnet_in_words(const struct planner *p, struct arena *arena, uint32_t subnet)
{
    const struct subnet_row *s = &p->subnets[subnet];

    return arena_printf(arena, "%s (%.*s) has %u of %u addresses free", s->id.text,
                        SLICE_ARG(zone_name(p, s->zone)), subnet_free(s), s->total);
}

void report_subnet(struct planner *p, uint32_t pool, uint32_t subnet, enum subnet_state old)
{
    enum subnet_state state = subnet_state_of(p, pool, subnet);
    const struct pool *spec = &p->pools[pool].pool;
    struct slice words = subnet_in_words(p, &p->arena, subnet);
    const struct subnet_row *s = &p->subnets[subnet];

    if (!p->synced || state == old) {
        return;
    }
    plan_log(p, LOG_INFO, "%s is %s, was %s: %.*s", s->id.text, subnet_state_name(state),
             subnet_state_name(old), SLICE_ARG(words));
    switch (state) {
    case SUBNET_Low:
        if (old == SUBNET_Healthy) {
            report_pool_event(
                p, pool, EVENT_SubnetLow, true,
                arena_printf(
                    &p->arena,
                    "%.*s, below the low watermark of %u; nodes that depend on it get ENIs in "
                    "other subnets ahead of need",
                    SLICE_ARG(words), amount_of(spec->low, s->total)));
        }
        break;
    case SUBNET_Exhausted:
        report_pool_event(
            p, pool, EVENT_SubnetExhausted, true,
            s->refused
                ? arena_printf(
                      &p->arena,
                      "%.*s, but EC2 refused to give one; it is avoided until a later read "
                      "shows free addresses",
                      SLICE_ARG(words))
                : arena_printf(&p->arena,
                               "%.*s; nodes that depend on it are served from other subnets of "
                               "the pool",
                               SLICE_ARG(words)));
        break;
    case SUBNET_Fragmented:
        report_pool_event(
            p, pool, EVENT_SubnetFragmented, true,
            arena_printf(&p->arena,
                         "%.*s but no whole /28 block, which prefix delegation needs; consider a "
                         "prefix reservation (aws ec2 create-subnet-cidr-reservation)",
                         SLICE_ARG(words)));
        break;
    case SUBNET_Healthy:
        report_pool_event(p, pool, EVENT_SubnetRecovered, false,
                          arena_printf(&p->arena, "%.*s again", SLICE_ARG(words)));
        break;
    case SUBNET_Unavailable:
        break; /* the pool's status says so; EC2 or somebody removed it */
    }
}

/* ---- nodes ---- */

/* What keeps every subnet of the pool in the zone from serving the node. */
static struct slice subnets_in_words(const struct planner *p, struct arena *arena,
                                     const struct node_row *node)
{
    enum { SHOWN_MAX = 3 };
    struct slice text = SLICE("");
    uint32_t shown = 0;
    uint32_t others = 0;
    const struct pool_row *pool = &p->pools[node->pool];

    for (uint32_t i = 0; i < p->zones[node->zone].subnet_count; i++) {
        uint32_t subnet = p->zones[node->zone].subnets[i];
        const struct subnet_row *s = &p->subnets[subnet];
        if (!pool->links[subnet].member) {
            continue;
        }
        if (shown == SHOWN_MAX) {
            others++;
            continue;
        }
        const char *why = "";
        if (!s->usable) {
            why = " but is unavailable";
        } else if (s->excluded) {
            why = " but its tags exclude it from pods";
        } else if (s->refused) {
            why = " but EC2 refuses";
        } else if (p->agent.prefix_delegation && subnet_blocks(s) == 0) {
            why = " but no whole /28 block";
        } else if (!choose_fits(p, node, subnet)) {
            why = " but another kind of route table than the node's";
        }
        text = arena_printf(arena, "%.*s%s%.*s%s", SLICE_ARG(text), shown > 0 ? ", " : "",
                            SLICE_ARG(subnet_in_words(p, arena, subnet)), why);
        shown++;
    }
    if (shown == 0) {
        return arena_printf(arena, "the pool selects no subnet in %.*s",
                            SLICE_ARG(zone_name(p, node->zone)));
    }
    return others == 0 ? text : arena_printf(arena, "%.*s, and %u more", SLICE_ARG(text), others);
}

static uint32_t least_needed(const struct planner *p, const struct node_row *node,
                             const struct view *v)
{
    uint32_t pods = v->left < 0 ? (uint32_t) - (int64_t)v->left : 1;

    return pods + 1 + p->pools[node->pool].pool.reserved_ips;
}

static struct slice pods_wait(struct arena *arena, uint32_t count)
{
    return count == 0   ? SLICE("no pod waits")
           : count == 1 ? SLICE("1 pod waits")
                        : arena_printf(arena, "%u pods wait", count);
}

static struct slice why_short(const struct planner *p, struct arena *arena,
                              const struct node_row *node, const struct view *v)
{
    if (node->kind == PLAN_DECISION_AtENILimit && v->slots == v->agent_slots &&
        p->agent.max_eni > 0 && (uint32_t)p->agent.max_eni < p->types[node->type].limits.enis) {
        return arena_printf(
            arena,
            "all %u ENIs that MAX_ENI of aws-node allows are in use and no attached ENI can get "
            "another address; %.*s; raise MAX_ENI, or set spec.headroom.maxENIsPerNode to "
            "let Headroom go beyond it (this %.*s has %u slots)",
            v->slots, SLICE_ARG(pods_wait(arena, v->waiting)),
            SLICE_ARG(plan_text(p, p->types[node->type].name)), p->types[node->type].limits.enis);
    }
    if (node->kind == PLAN_DECISION_AtENILimit) {
        return arena_printf(arena,
                            "all %u usable ENI slots of this %.*s are in use and no attached ENI "
                            "can get another address; "
                            "%.*s; use a larger instance type, prefix delegation, or free "
                            "addresses in the ENIs' subnets",
                            v->slots, SLICE_ARG(plan_text(p, p->types[node->type].name)),
                            SLICE_ARG(pods_wait(arena, v->waiting)));
    }
    if (node->want == WANT_BARE) {
        return arena_printf(arena,
                            "%.*s; each is below its low watermark or running out, so that an ENI "
                            "ahead of need would not last; add a subnet of %.*s to "
                            "spec.subnetSelectorTerms or free addresses",
                            SLICE_ARG(subnets_in_words(p, arena, node)),
                            SLICE_ARG(zone_name(p, node->zone)));
    }
    return arena_printf(
        arena,
        "%.*s; the node needs a subnet with %u free (%u of them are spec.reservedIPs); add a "
        "subnet of %.*s to spec.subnetSelectorTerms or free addresses",
        SLICE_ARG(subnets_in_words(p, arena, node)), least_needed(p, node, v),
        p->pools[node->pool].pool.reserved_ips, SLICE_ARG(zone_name(p, node->zone)));
}

static void set_condition(struct planner *p, struct node_row *node, bool is_short,
                          const char *reason, struct slice message)
{
    struct plan_action *action = plan_add(p, PLAN_NODE_CONDITION);

    action->condition.node = arena_slice(&p->arena, plan_text(p, node->name));
    action->condition.short_of_ips = is_short;
    action->condition.reason = reason;
    action->condition.message = message;
    node->condition_set = is_short;
}

static void set_taint(struct planner *p, struct node_row *node, bool set)
{
    struct plan_action *action = plan_add(p, PLAN_NODE_TAINT);

    action->taint.node = arena_slice(&p->arena, plan_text(p, node->name));
    action->taint.set = set;
    node->taint_set = set;
}

static void begin_episode(struct planner *p, struct node_row *node, const struct view *v)
{
    bool limit = node->kind == PLAN_DECISION_AtENILimit;
    struct slice message = why_short(p, &p->arena, node, v);

    set_condition(p, node, true, limit ? "ENILimitReached" : "NoHealthySubnet", message);
    report_node_event(p, node, limit ? EVENT_NodeAtENILimit : EVENT_NoHealthySubnet, true, message);
}

static void end_episode(struct planner *p, struct node_row *node, const char *reason,
                        struct slice message)
{
    set_condition(p, node, false, reason, message);
    report_node_event(p, node, EVENT_NodeRecovered, false, message);
}

static bool deserves_condition(const struct node_row *node, const struct view *v)
{
    bool blocked = node->kind == PLAN_DECISION_AtENILimit ||
                   node->kind == PLAN_DECISION_NoHealthySubnet;

    return blocked && !v->can_grow_now && (v->short_now || (v->low && v->avail <= 0));
}

/* Once for each time that it comes to this; what would be done is in the detail. */
static void report_dry_run(struct planner *p, const struct node_row *node, const struct view *v)
{
    struct slice detail = report_detail(p, &p->arena, node, v);
    struct slice message = arena_printf(&p->arena, "dry run, node %.*s: %.*s",
                                        SLICE_ARG(plan_text(p, node->name)), SLICE_ARG(detail));

    report_node_event(p, node, EVENT_DryRun, false, message);
    report_pool_event(p, node->pool, EVENT_DryRun, false, message);
}

void report_node(struct planner *p, uint32_t handle, const struct view *v)
{
    const uint64_t calm_ns = 10 * SECOND_NS;
    struct node_row *node = &p->nodes[handle];
    bool taints = p->pools[node->pool].pool.on_exhausted == EXHAUSTED_TAINT &&
                  !p->pools[node->pool].pool.dry_run && !p->config.dry_run;

    if (!plan_acting(p)) {
        return;
    }
    if (node->kind == PLAN_DECISION_DryRun && !node->dry_run_told) {
        report_dry_run(p, node, v);
    }
    node->dry_run_told = node->kind == PLAN_DECISION_DryRun;
    bool is_short = deserves_condition(node, v);
    if (is_short && !node->condition_set) {
        begin_episode(p, node, v);
    }
    bool fine = v->can_grow_later || v->avail > (int32_t)v->waiting ||
                ((uint64_t)v->addresses >= v->max_pods && v->waiting == 0);
    if (is_short || !fine) {
        node->recovered_ns = 0;
    } else if (node->condition_set && node->recovered_ns == 0) {
        node->recovered_ns = p->now_ns;
        plan_wake(p, handle, p->now_ns + calm_ns);
    } else if (node->condition_set && p->now_ns - node->recovered_ns >= calm_ns) {
        end_episode(p, node, "AddressesAvailable",
                    arena_printf(&p->arena, "the node has %d free addresses%s",
                                 v->avail > 0 ? v->avail : 0,
                                 v->can_grow_later ? " and its agent can get more" : ""));
    } else if (node->condition_set) {
        plan_wake(p, handle, node->recovered_ns + calm_ns);
    }
    if (node->taint_set != (node->condition_set && taints)) {
        set_taint(p, node, !node->taint_set);
    }
}

void report_node_clear(struct planner *p, struct node_row *node)
{
    if (!p->leader || p->kube_stale) {
        return;
    }
    if (node->condition_set) {
        set_condition(p, node, false, "NotManaged",
                      node->pool == NONE
                          ? SLICE("no SubnetPool selects this node")
                          : slice_of(node_exclusion_text((enum node_exclusion)node->exclusion)));
    }
    if (node->taint_set) {
        set_taint(p, node, false);
    }
}

/* ---- orders ---- */

static struct slice contents(struct planner *p, const struct order *order)
{
    if (order->prefixes > 0) {
        return arena_printf(&p->arena, "%u /28 prefix%s", order->prefixes,
                            order->prefixes > 1 ? "es" : "");
    }
    return order->ips == 0 ? SLICE("no addresses yet (the agent adds them)")
                           : arena_printf(&p->arena, "%u addresses", order->ips);
}

void report_attached(struct planner *p, const struct order *order)
{
    const struct node_row *node = &p->nodes[order->node];
    struct slice message = arena_printf(
        &p->arena, "attached %s from %s to node %.*s at device index %u with %.*s, because %s",
        order->eni.text, p->subnets[order->subnet].id.text, SLICE_ARG(plan_text(p, node->name)),
        order->device_index, SLICE_ARG(contents(p, order)),
        order->urgency == URGENT_WAITING ? "pods waited there and its agent could not get addresses"
                                         : "the subnets that its agent uses are running out");

    report_node_event(p, node, EVENT_ENIPreAttached, false, message);
    report_pool_event(p, order->pool, EVENT_ENIPreAttached, false, message);
    struct log_record *record = plan_log(p, LOG_INFO, "attached an ENI");
    log_text(&p->logs, record, "node", plan_text(p, node->name));
    log_text(&p->logs, record, "eni", aws_id_slice(&order->eni));
    log_number(record, "took_ms", (int64_t)((p->now_ns - order->began_ns) / 1000000));
}

void report_unadopted(struct planner *p, const struct node_row *node, const struct node_eni *eni)
{
    report_node_event(
        p, node, EVENT_AgentIncompatible, true,
        arena_printf(&p->arena,
                     "%s is attached for more than five minutes, pods wait, and aws-node has not "
                     "adopted it; look at the log of aws-node on this node, and whether its role "
                     "allows ec2:CreateTags",
                     eni->id.text));
}

static const char *advice(enum cloud_code code)
{
    switch (code) {
    case CLOUD_GROUP_GONE:
        return "; check spec.securityGroupSelectorTerms and the security groups of the primary ENI";
    case CLOUD_ENI_QUOTA:
        return "; raise the quota \"Network interfaces per Region\" (L-DF5E4CA3)";
    case CLOUD_NAU_LIMIT:
        return "; raise the VPC's quota of network address usage";
    case CLOUD_ATTACH_LIMIT:
        return "; the instance has no free ENI slot";
    case CLOUD_INSTANCE_STATE:
        return "; tried again in a minute";
    default:
        return "; tried again with backoff";
    }
}

void report_refusal(struct planner *p, const struct order *order, const struct cloud_result *result)
{
    const struct node_row *node = &p->nodes[order->node];
    struct slice operation = result->operation.len > 0 ? result->operation : SLICE("the EC2 call");

    struct log_record *record = plan_log(p, LOG_WARN, "an order failed");
    log_text(&p->logs, record, "node", plan_text(p, node->name));
    log_text(&p->logs, record, "code", slice_of(cloud_code_name(result->code)));
    log_text(&p->logs, record, "operation", operation);
    log_text(&p->logs, record, "answer", result->message);
    if (result->code == CLOUD_DENIED) {
        struct slice message = arena_printf(&p->arena,
                                            "EC2 denied %.*s for node %.*s (%.*s); grant ec2:%.*s "
                                            "to the controller's role, see the IAM policy "
                                            "that Headroom ships",
                                            SLICE_ARG(operation),
                                            SLICE_ARG(plan_text(p, node->name)),
                                            SLICE_ARG(result->message), SLICE_ARG(operation));
        report_pool_event(p, order->pool, EVENT_CloudAPIDenied, true, message);
        return;
    }
    struct slice message = arena_printf(
        &p->arena, "could not attach an ENI from %s to node %.*s: %.*s said %s (%.*s)%s",
        p->subnets[order->subnet].id.text, SLICE_ARG(plan_text(p, node->name)),
        SLICE_ARG(operation), cloud_code_name(result->code), SLICE_ARG(result->message),
        advice(result->code));
    report_node_event(p, node, EVENT_ENIAttachFailed, true, message);
    report_pool_event(p, order->pool, EVENT_ENIAttachFailed, true, message);
}

/* ---- decisions ---- */

const char *plan_decision_name(enum plan_decision_kind kind)
{
    static const char *const names[] = {
#define X(name, text) #name,
        PLAN_DECISIONS(X)
#undef X
    };

    return names[kind];
}

const char *plan_decision_text(enum plan_decision_kind kind)
{
    static const char *const texts[] = {
#define X(name, text) text,
        PLAN_DECISIONS(X)
#undef X
    };

    return texts[kind];
}

static bool adds_to_eni(const struct node_row *node)
{
    return node->want == WANT_ASSIGN || node->kind == PLAN_DECISION_Assign;
}

/* What is, or would be, given, and where. */
static struct slice gift(const struct planner *p, struct arena *arena, const struct node_row *node)
{
    assert(node->subnet != NONE);
    const char *id = p->subnets[node->subnet].id.text;
    if (adds_to_eni(node)) {
        return arena_printf(
            arena, "%u more %s for the ENI in %s at device index %u", node->prefixes + node->ips,
            node->prefixes > 0 ? "/28 prefixes" : "addresses", id, node->device_index);
    }
    if (node->prefixes > 0) {
        return arena_printf(arena, "an ENI in %s with %u /28 prefixes at device index %u", id,
                            node->prefixes, node->device_index);
    }
    if (node->ips == 0) {
        return arena_printf(arena, "a bare ENI in %s at device index %u", id, node->device_index);
    }
    return arena_printf(arena, "an ENI in %s with %u addresses at device index %u", id, node->ips,
                        node->device_index);
}

static struct slice numbers(struct arena *arena, const struct node_row *node, const struct view *v)
{
    return arena_printf(arena, "%u of %u addresses are in use, %.*s, the agent wants %u free",
                        v->holding, v->addresses, SLICE_ARG(pods_wait(arena, node->waiting)),
                        v->warm_target);
}

static struct slice seconds_left(const struct planner *p, struct arena *arena, uint64_t at_ns)
{
    uint64_t in_s = at_ns > p->now_ns ? (at_ns - p->now_ns + SECOND_NS - 1) / SECOND_NS : 0;

    return arena_printf(arena, "in %u s", (unsigned)in_s);
}

struct slice report_detail(const struct planner *p, struct arena *arena,
                           const struct node_row *node, const struct view *v)
{
    struct slice counts = numbers(arena, node, v);

    switch ((enum plan_decision_kind)node->kind) {
    case PLAN_DECISION_AtENILimit:
    case PLAN_DECISION_NoHealthySubnet:
        return why_short(p, arena, node, v);
    case PLAN_DECISION_DryRun:
    case PLAN_DECISION_Paused:
    case PLAN_DECISION_NotLeader:
    case PLAN_DECISION_PoolLimit:
    case PLAN_DECISION_CloudQuota:
        return arena_printf(arena, "%.*s would be %s: %.*s", SLICE_ARG(gift(p, arena, node)),
                            adds_to_eni(node) ? "added" : "attached", SLICE_ARG(counts));
    case PLAN_DECISION_Attaching:
    case PLAN_DECISION_Attach:
    case PLAN_DECISION_Queued:
    case PLAN_DECISION_Assign:
        return arena_printf(arena, "%.*s: %.*s", SLICE_ARG(gift(p, arena, node)),
                            SLICE_ARG(counts));
    case PLAN_DECISION_Adopting:
        return v->coming == 0
                   ? arena_printf(arena, "a bare ENI that the agent will adopt and fill: %.*s",
                                  SLICE_ARG(counts))
                   : arena_printf(arena, "%u more addresses that the agent will find soon: %.*s",
                                  v->coming, SLICE_ARG(counts));
    case PLAN_DECISION_Backoff:
        return arena_printf(
            arena, "the last try ended with %s, the next is due %.*s: %.*s",
            cloud_code_name(p->denied ? CLOUD_DENIED : node->failed),
            SLICE_ARG(seconds_left(p, arena, p->denied ? p->denied_until_ns : node->backoff_ns)),
            SLICE_ARG(counts));
    case PLAN_DECISION_HandedBack:
        return arena_printf(arena, "the next one may follow %.*s%s: %.*s",
                            SLICE_ARG(seconds_left(p, arena, node_next_eni_ns(p, node, v))),
                            v->waiting == 0 ? ", sooner when a pod waits" : "", SLICE_ARG(counts));
    case PLAN_DECISION_NoPool:
    case PLAN_DECISION_Excluded:
    case PLAN_DECISION_Incomplete:
    case PLAN_DECISION_Enough:
    case PLAN_DECISION_Cooling:
    case PLAN_DECISION_AgentCanGrow:
    case PLAN_DECISION_AtPodLimit:
    case PLAN_DECISION_Stale:
        break;
    }
    return counts;
}

static bool awaits_adoption(const struct planner *p, const struct node_row *node)
{
    for (uint32_t i = 0; i < node->eni_count; i++) {
        if (!node->enis[i].adopted && node_eligible(p, node, &node->enis[i])) {
            return true;
        }
    }
    return false;
}

static const char *risk(const struct planner *p, const struct node_row *node)
{
    switch ((enum plan_decision_kind)node->kind) {
    case PLAN_DECISION_Paused:
        return "an ENI would be attached, or given more addresses, but spec.paused is true; set it "
               "to false to let it be";
    case PLAN_DECISION_DryRun:
        return p->pools[node->pool].pool.dry_run
                   ? "an ENI would be attached, or given more addresses, but spec.dryRun is true; "
                     "set it to false to let it be"
                   : "an ENI would be attached, or given more addresses, but the controller runs "
                     "with --dry-run";
    case PLAN_DECISION_PoolLimit:
        return "a limit of the pool is reached; raise spec.limits, or wait until it allows more";
    case PLAN_DECISION_CloudQuota:
        return "a quota of the account or VPC is reached; condition CloudAPIHealthy names it";
    case PLAN_DECISION_Backoff:
        return "the last try failed and is repeated later; the node's events say what EC2 answered";
    case PLAN_DECISION_HandedBack:
        return "its agent freed the last ENI and would free another; higher warm targets of "
               "aws-node keep more";
    case PLAN_DECISION_Adopting:
        return awaits_adoption(p, node)
                   ? "an ENI is attached; its agent adopts it within 65 s of the last change there"
                   : "an ENI has more addresses; its agent finds them within 65 s of the last "
                     "change there";
    case PLAN_DECISION_Queued:
        return "other nodes are served first, as fast as the budget of EC2 requests allows";
    default:
        return plan_decision_text((enum plan_decision_kind)node->kind);
    }
}

struct slice report_risk(const struct planner *p, struct arena *arena, const struct node_row *node)
{
    struct view v;

    node_view(p, node, &v);
    if (node->kind == PLAN_DECISION_AtENILimit || node->kind == PLAN_DECISION_NoHealthySubnet) {
        return why_short(p, arena, node, &v);
    }
    return arena_printf(arena, "%s; %.*s", risk(p, node), SLICE_ARG(numbers(arena, node, &v)));
}
