/*
 * cluster.c - what Kubernetes shows: nodes, their pods' counts, the agent and its ENIConfigs,
 * instance types.
 *
 * Knows how these become rows and which rows a change touches. Refuses to decide anything.
 */
#include "state.h"

uint32_t cluster_find(const struct planner *p, struct slice name)
{
    return index_find(&p->node_names, p, name);
}

uint32_t cluster_zone(struct planner *p, struct slice name)
{
    if (name.len == 0) {
        return NONE;
    }
    for (uint32_t i = 0; i < p->zone_count; i++) {
        if (slice_eq(plan_text(p, p->zones[i].name), name)) {
            return i;
        }
    }
    mem_reserve(&p->zones, &p->zone_capacity, p->zone_count + 1, sizeof(*p->zones));
    p->zones[p->zone_count] = (struct zone_row){ .name = strings_hold(&p->strings, name) };
    return p->zone_count++;
}

/* ---- instance types ---- */

uint32_t cluster_type(struct planner *p, struct slice name)
{
    if (name.len == 0) {
        return NONE;
    }
    for (uint32_t i = 0; i < p->type_count; i++) {
        if (slice_eq(plan_text(p, p->types[i].name), name)) {
            return i;
        }
    }
    mem_reserve(&p->types, &p->type_capacity, p->type_count + 1, sizeof(*p->types));
    struct type_row *row = &p->types[p->type_count];
    *row = (struct type_row){ .name = strings_hold(&p->strings, name) };
    row->known = instance_type_builtin(name, &row->limits);
    if (!row->known) {
        plan_add(p, PLAN_NEED_TYPE)->type_name = plan_text(p, row->name);
    }
    return p->type_count++;
}

static void dirty_type(struct planner *p, uint32_t type)
{
    for (uint32_t i = 0; i < p->listed_count; i++) {
        if (p->nodes[p->listed[i]].type == type) {
            plan_dirty(p, p->listed[i]);
        }
    }
}

void cluster_type_limits(struct planner *p, const struct instance_type *type)
{
    uint32_t handle = cluster_type(p, type->name);

    if (handle == NONE) {
        return;
    }
    struct type_row *row = &p->types[handle];
    row->limits = *type;
    row->limits.name = plan_text(p, row->name);
    row->known = type->enis > 0 && type->ips_per_eni > 0;
    row->unknown = !row->known;
    dirty_type(p, handle);
}

void cluster_type_unknown(struct planner *p, struct slice name)
{
    uint32_t handle = cluster_type(p, name);

    if (handle != NONE && !p->types[handle].known) {
        p->types[handle].unknown = true;
        dirty_type(p, handle);
    }
}

/* ---- nodes ---- */

static uint32_t new_node(struct planner *p, struct slice name)
{
    uint32_t handle = p->node_unused;

    if (handle != NONE) {
        p->node_unused = p->nodes[handle].listed_at;
    } else {
        handle = p->node_count++;
        mem_reserve(&p->nodes, &p->node_capacity, p->node_count, sizeof(*p->nodes));
    }
    bool dirty = p->nodes[handle].dirty; /* still in the list of its last owner */
    uint32_t text = strings_hold(&p->strings, name);
    p->nodes[handle] = (struct node_row){
        .name = text,
        .name_text = plan_text(p, text),
        .zone = NONE,
        .type = NONE,
        .pool = NONE,
        .group = NONE,
        .starved_at = NONE,
        .orders = NONE,
        .subnet = NONE,
        .live = true,
        .agent_ready = true,
        .dirty = dirty,
        .stall_in_s = FORECAST_NEVER_S,
    };
    index_add(&p->node_names, p, handle);
    mem_reserve(&p->listed, &p->listed_capacity, p->listed_count + 1, sizeof(*p->listed));
    p->nodes[handle].listed_at = p->listed_count;
    p->listed[p->listed_count++] = handle;
    decide_kind(p, &p->nodes[handle], PLAN_DECISION_Incomplete);
    return handle;
}

static bool same_labels(const struct planner *p, const struct node_row *row,
                        const struct node *node)
{
    return row->label_count == node->label_count &&
           strings_same_pairs(&p->strings, row->labels, node->labels, node->label_count);
}

static void set_labels(struct planner *p, struct node_row *row, const struct node *node)
{
    strings_drop_pairs(&p->strings, row->labels, row->label_count);
    row->labels = strings_hold_pairs(&p->strings, node->labels, node->label_count);
    row->label_count = node->label_count;
}

static void set_instance(struct planner *p, uint32_t handle, const struct aws_id *instance)
{
    struct node_row *row = &p->nodes[handle];

    if (aws_id_eq(&row->instance, instance)) {
        return;
    }
    if (aws_id_is_set(&row->instance) &&
        index_find(&p->node_instances, p, aws_id_slice(&row->instance)) == handle) {
        index_remove(&p->node_instances, p, aws_id_slice(&row->instance));
    }
    /* What is under way for the old one is not for this one. */
    ledger_forget_node(p, handle);
    enis_clear(p, row);
    row->enis_known = false;
    row->observe_sent_ns = 0; /* this one was not asked for */
    row->want = WANT_NOTHING;
    row->instance = *instance;
    /* Two nodes that name one instance: the first keeps it, the second stays Incomplete. */
    if (aws_id_is_set(instance) &&
        index_find(&p->node_instances, p, aws_id_slice(instance)) == INDEX_NONE) {
        index_add(&p->node_instances, p, handle);
        ledger_find_node(p, handle);
    }
}

void cluster_node(struct planner *p, const struct node *node)
{
    uint32_t handle = cluster_find(p, node->name);
    struct aws_id instance;
    enum node_exclusion exclusion = node_instance(node, &instance);

    if (handle == NONE) {
        handle = new_node(p, node->name);
    }
    set_instance(p, handle, &instance);
    uint32_t zone = cluster_zone(p, node->zone);
    uint32_t type = cluster_type(p, node->instance_type);
    struct node_row *row = &p->nodes[handle];
    bool moved = zone != row->zone || !same_labels(p, row, node) || row->exclusion != exclusion;
    bool changed = moved || type != row->type || row->max_pods != node->max_pods ||
                   row->unschedulable != node->unschedulable ||
                   row->condition_set != node->short_of_ips || row->taint_set != node->tainted;
    row->type = type;
    row->exclusion = (uint8_t)exclusion;
    row->max_pods = node->max_pods;
    row->unschedulable = node->unschedulable;
    row->condition_set = node->short_of_ips;
    row->taint_set = node->tainted;
    changed = strings_set(&p->strings, &row->eniconfig, node->eniconfig_annotation) || changed;
    if (moved || row->group == NONE) {
        pools_unplace(p, handle);
        row->zone = zone;
        set_labels(p, row, node);
        pools_place(p, handle);
    }
    if (changed || !row->enis_known) {
        plan_dirty(p, handle); /* a heartbeat changes nothing and costs nothing */
    }
}

static void free_node(struct planner *p, struct node_row *node)
{
    strings_drop_pairs(&p->strings, node->labels, node->label_count);
    enis_clear(p, node);
    mem_free(node->enis);
    strings_drop(&p->strings, node->groups);
    strings_drop(&p->strings, node->eniconfig);
    strings_drop(&p->strings, node->name);
}

void cluster_node_gone(struct planner *p, struct slice name)
{
    uint32_t handle = cluster_find(p, name);

    if (handle == NONE) {
        return;
    }
    struct node_row *row = &p->nodes[handle];
    if (row->counted_waiting) {
        p->waiting_nodes--;
    }
    pools_unplace(p, handle);
    ledger_forget_node(p, handle);
    leftover_forget_node(p, handle);
    timers_set(&p->timers, handle, TIMERS_NEVER);
    timers_set(&p->needy, handle, TIMERS_NEVER);
    if (aws_id_is_set(&row->instance) &&
        index_find(&p->node_instances, p, aws_id_slice(&row->instance)) == handle) {
        index_remove(&p->node_instances, p, aws_id_slice(&row->instance));
    }
    index_remove(&p->node_names, p, name);
    uint32_t last = p->listed[--p->listed_count];
    p->listed[row->listed_at] = last;
    p->nodes[last].listed_at = row->listed_at;
    free_node(p, row);
    bool dirty = row->dirty;
    *row = (struct node_row){ .listed_at = p->node_unused, .dirty = dirty };
    p->node_unused = handle;
}

/* Pods that took or want an address, a second, over about a minute. */
static void follow_rate(struct planner *p, struct node_row *row, uint32_t before, uint32_t after)
{
    const float minute_s = 60.0F;
    float apart_s = (float)(p->now_ns - row->pods_ns) / (float)SECOND_NS;
    float grown = after > before ? (float)(after - before) : 0.0F;

    if (row->pods_ns == 0) {
        grown = 0; /* the first count is a state, not a growth */
    }
    row->pods_per_s = (row->pods_per_s * minute_s + grown) / (minute_s + apart_s);
    row->pods_ns = p->now_ns;
}

/* Two spans of time instead of a time for each address. */
static void follow_cooling(struct planner *p, struct node_row *row, uint32_t left)
{
    uint64_t apart_ns = p->now_ns - row->cooled_ns;

    if (left > 0 && apart_ns >= COOLING_NS) {
        row->cooled[1] = apart_ns < 2 * COOLING_NS ? row->cooled[0] : 0;
        row->cooled[0] = 0;
        row->cooled_ns = p->now_ns;
    }
    row->cooled[0] += left;
}

void cluster_pods(struct planner *p, const struct plan_event *event)
{
    uint32_t handle = cluster_find(p, event->pods.node);

    if (handle == NONE) {
        return;
    }
    struct node_row *row = &p->nodes[handle];
    if (row->holding == event->pods.holding && row->waiting == event->pods.waiting &&
        row->branch == event->pods.branch) {
        return;
    }
    follow_rate(p, row, row->holding + row->waiting, event->pods.holding + event->pods.waiting);
    follow_cooling(p, row, less(row->holding, event->pods.holding));
    row->holding = event->pods.holding;
    row->waiting = event->pods.waiting;
    row->branch = event->pods.branch;
    if (row->waiting == 0) {
        row->waiting_ns = 0;
    } else if (row->waiting_ns == 0) {
        row->waiting_ns = p->now_ns;
    }
    plan_dirty(p, handle);
}

void cluster_agent_pod(struct planner *p, struct slice node, bool ready)
{
    uint32_t handle = cluster_find(p, node);

    if (handle == NONE || p->nodes[handle].agent_ready == ready) {
        return;
    }
    struct node_row *row = &p->nodes[handle];
    row->agent_ready = ready;
    /* At its start, some seconds before it is ready, the agent takes every ENI that is attached. */
    for (uint32_t i = 0; ready && i < row->eni_count; i++) {
        row->enis[i].adopted = row->enis[i].adopted ||
                               row->enis[i].since_ns + 10 * SECOND_NS <= p->now_ns;
    }
    plan_dirty(p, handle);
}

/* ---- the agent ---- */

void cluster_agent(struct planner *p, const struct agent_settings *agent)
{
    struct arena *arena = &p->agent_arena;

    arena_reset(arena);
    p->agent = *agent;
    p->agent.cluster_name = arena_slice(arena, agent->cluster_name);
    p->agent.eniconfig_label = arena_slice(arena, agent->eniconfig_label);
    p->agent.eniconfig_annotation = arena_slice(arena, agent->eniconfig_annotation);
    p->agent.version = arena_slice(arena, agent->version);
    struct pair *tags = ARENA_ARRAY(arena, struct pair, agent->extra_tag_count);
    for (uint32_t i = 0; i < agent->extra_tag_count; i++) {
        tags[i].key = arena_slice(arena, agent->extra_tags[i].key);
        tags[i].value = arena_slice(arena, agent->extra_tags[i].value);
    }
    p->agent.extra_tags = tags;
    p->have_agent = true;
    for (uint32_t i = 0; i < p->pool_count; i++) {
        pools_touch(p, i, true);
    }
    plan_dirty_all(p);
}

static uint32_t find_eniconfig(const struct planner *p, struct slice name)
{
    for (uint32_t i = 0; i < p->eniconfig_count; i++) {
        if (p->eniconfigs[i].live && slice_eq(plan_text(p, p->eniconfigs[i].name), name)) {
            return i;
        }
    }
    return NONE;
}

void cluster_eniconfig(struct planner *p, const struct eniconfig *eniconfig)
{
    uint32_t handle = find_eniconfig(p, eniconfig->name);
    uint32_t subnet = subnet_handle(p, &eniconfig->subnet);

    for (uint32_t i = 0; handle == NONE && i < p->eniconfig_count; i++) {
        handle = p->eniconfigs[i].live ? NONE : i;
    }
    if (handle == NONE) {
        handle = p->eniconfig_count++;
        mem_reserve(&p->eniconfigs, &p->eniconfig_capacity, p->eniconfig_count,
                    sizeof(*p->eniconfigs));
    }
    struct eniconfig_row *row = &p->eniconfigs[handle];
    row->live = true;
    row->subnet = subnet;
    strings_set(&p->strings, &row->name, eniconfig->name);
    struct slice joined = SLICE("");
    for (uint32_t i = 0; i < eniconfig->group_count; i++) {
        joined = arena_printf(&p->arena, "%.*s%s%s", SLICE_ARG(joined), i > 0 ? "," : "",
                              eniconfig->groups[i].text);
    }
    strings_set(&p->strings, &row->groups, joined);
    plan_dirty_all(p);
}

void cluster_eniconfig_gone(struct planner *p, struct slice name)
{
    uint32_t handle = find_eniconfig(p, name);

    if (handle != NONE) {
        struct eniconfig_row *row = &p->eniconfigs[handle];
        strings_drop(&p->strings, row->name);
        strings_drop(&p->strings, row->groups);
        *row = (struct eniconfig_row){ 0 };
        plan_dirty_all(p);
    }
}

static struct slice label_of(const struct planner *p, const struct node_row *node, struct slice key)
{
    for (uint32_t i = 0; i < node->label_count; i++) {
        if (slice_eq(plan_text(p, node->labels[2 * i]), key)) {
            return plan_text(p, node->labels[2 * i + 1]);
        }
    }
    return SLICE("");
}

/* The order in which the agent looks: facts, section 4. */
const struct eniconfig_row *cluster_eniconfig_of(const struct planner *p,
                                                 const struct node_row *node)
{
    struct slice name = label_of(p, node, SLICE("vpc.amazonaws.com/externalEniConfig"));

    if (name.len == 0) {
        name = plan_text(p, node->eniconfig);
    }
    if (name.len == 0) {
        name = label_of(p, node, p->agent.eniconfig_label);
    }
    uint32_t handle = find_eniconfig(p, name.len > 0 ? name : SLICE("default"));
    return handle == NONE ? NULL : &p->eniconfigs[handle];
}
