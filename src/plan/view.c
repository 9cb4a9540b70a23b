/*
 * view.c - read-only views of decisions, for the page, --once and explain.
 *
 * Knows how a node's row becomes a decision that users read. Refuses to change anything but the
 * step's arena.
 */
#include "state.h"

uint32_t plan_node_count(const struct planner *p)
{
    return p->listed_count;
}

static struct slice missing(const struct planner *p, struct arena *arena,
                            const struct node_row *node)
{
    if (!p->have_agent) {
        return SLICE(
            "the aws-node DaemonSet has not been seen, so the agent's settings are unknown");
    }
    if (!p->have_subnets) {
        return SLICE("the subnets have not been read yet");
    }
    if (node->type == NONE || !p->types[node->type].known) {
        return arena_printf(arena, "the limits of instance type %.*s are unknown",
                            SLICE_ARG(node->type == NONE
                                          ? SLICE("(none)")
                                          : plan_text(p, p->types[node->type].name)));
    }
    if (node->zone == NONE) {
        return SLICE("the node has no label topology.kubernetes.io/zone");
    }
    if (!node->enis_known) {
        return arena_printf(arena, "the ENIs of %s have not been read yet", node->instance.text);
    }
    return SLICE("EC2 has not been swept under this lease yet");
}

static void fill(const struct planner *p, const struct node_row *node, struct plan_decision *ret)
{
    struct arena *arena = (struct arena *)&p->arena; /* text only; the rows stay as they are */
    bool known = node->type != NONE && p->types[node->type].known;

    *ret = (struct plan_decision){
        .node = plan_text(p, node->name),
        .zone = node->zone == NONE ? SLICE("") : plan_text(p, p->zones[node->zone].name),
        .instance_type = node->type == NONE ? SLICE("") : plan_text(p, p->types[node->type].name),
        .instance = node->instance,
        .kind = (enum plan_decision_kind)node->kind,
        .exclusion = (enum node_exclusion)node->exclusion,
        .holding = node->holding,
        .waiting = node->waiting,
        .ips = node->ips,
        .prefixes = node->prefixes,
        .device_index = node->device_index,
        .stall_in_s = node->stall_in_s,
        .low = node->low,
        .agent_can_grow = node->can_grow,
        .since_wall_ns = node->since_wall_ns,
    };
    if (node->pool != NONE) {
        ret->pool = p->pools[node->pool].pool.name;
    }
    if (node->subnet != NONE) {
        ret->subnet = p->subnets[node->subnet].id;
    }
    if (node->pool == NONE || !known || !node->enis_known || node->zone == NONE) {
        ret->detail = node->kind == PLAN_DECISION_Excluded
                          ? slice_of(node_exclusion_text(ret->exclusion))
                      : node->kind == PLAN_DECISION_Incomplete
                          ? missing(p, arena, node)
                          : slice_of(plan_decision_text(ret->kind));
        return;
    }
    struct view v;
    node_view(p, node, &v);
    ret->addresses = v.addresses;
    ret->avail = v.avail > 0 ? (uint32_t)v.avail : 0;
    ret->warm_target = v.warm_target;
    ret->enis = v.slots_used;
    ret->eni_limit = v.slots;
    ret->detail = node->kind == PLAN_DECISION_Excluded
                      ? slice_of(node_exclusion_text(ret->exclusion))
                  : node->kind == PLAN_DECISION_Incomplete ? missing(p, arena, node)
                                                           : report_detail(p, arena, node, &v);
}

bool plan_enis_known(const struct planner *p, struct slice node)
{
    uint32_t handle = cluster_find(p, node);

    return handle != NONE && p->nodes[handle].enis_known;
}

bool plan_decision_at(const struct planner *p, uint32_t index, struct plan_decision *ret)
{
    if (index >= p->listed_count) {
        return false;
    }
    fill(p, &p->nodes[p->listed[index]], ret);
    return true;
}

bool plan_glance_at(const struct planner *p, uint32_t index, struct plan_glance *ret)
{
    if (index >= p->listed_count) {
        return false;
    }
    const struct node_row *node = &p->nodes[p->listed[index]];
    *ret = (struct plan_glance){
        .node = node->name_text,
        .kind = (enum plan_decision_kind)node->kind,
        .index = index,
        .waiting = node->waiting,
        .stall_in_s = node->stall_in_s,
    };
    return true;
}

bool plan_decision_of(const struct planner *p, struct slice node, struct plan_decision *ret)
{
    uint32_t handle = cluster_find(p, node);

    if (handle == NONE) {
        return false;
    }
    fill(p, &p->nodes[handle], ret);
    return true;
}
