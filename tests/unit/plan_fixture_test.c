/*
 * plan_fixture_test.c - the small cluster behind the planner's stories.
 *
 * Knows what EC2 and Kubernetes would tell the planner about it. Refuses to know what the planner
 * should do.
 */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct story *story_begin(void)
{
    struct story *s = mem_zeroed(1, sizeof(*s));

    arena_init(&s->arena);
    s->now_ns = s->began_ns = 1000 * STORY_S;
    s->wall_ns = UINT64_C(1700000000) * STORY_S;
    s->config = (struct plan_config){ .seed = 1, .cluster_name = SLICE("demo") };
    agent_settings_default(&s->agent);
    s->agent.cluster_name = SLICE("demo");
    s->agent.version = SLICE("v1.23.2");
    s->pace_ms = 30000;
    return s;
}

void story_end(struct story *s)
{
    story_audit(s);
    plan_free(s->planner);
    arena_done(&s->arena);
    mem_free(s);
}

const char *story_text(struct story *s, const char *format, const char *a, uint32_t n)
{
    char buffer[128];

    (void)snprintf(buffer, sizeof(buffer), format, a, n);
    return arena_slice(&s->arena, slice_of(buffer)).data;
}

struct aws_id story_id(const char *value)
{
    struct aws_id id;

    require(aws_id_set(&id, slice_of(value)) == ERR_OK);
    return id;
}

struct story_subnet *story_subnet_of(struct story *s, const char *id)
{
    for (uint32_t i = 0; i < s->subnet_count; i++) {
        if (strcmp(s->subnets[i].id.text, id) == 0) {
            return &s->subnets[i];
        }
    }
    return NULL;
}

struct story_node *story_node_of(struct story *s, const char *name)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (strcmp(s->nodes[i].name, name) == 0) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

struct story_node *story_instance_of(struct story *s, const struct aws_id *instance)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (aws_id_eq(&s->nodes[i].instance, instance)) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

struct story_subnet *story_subnet(struct story *s, const char *letter, uint32_t free)
{
    struct story_subnet *subnet = &s->subnets[s->subnet_count];

    *subnet = (struct story_subnet){
        .id = story_id(story_text(s, "subnet-%s", letter, 0)),
        .zone = "us-west-2a",
        .vpc = "vpc-1",
        .base = 0x0a000000U + s->subnet_count * 256,
        .bits = 24,
        .free = free,
        .usable = true,
        .route = ROUTE_PRIVATE,
    };
    story_tag(subnet, "headroom", "yes");
    s->subnet_count++;
    return subnet;
}

void story_tag(struct story_subnet *subnet, const char *key, const char *value)
{
    require(subnet->tag_count < STORY_TAGS);
    subnet->tags[subnet->tag_count++] = (struct pair){ slice_of(key), slice_of(value) };
}

void story_label(struct story_node *node, const char *key, const char *value)
{
    require(node->label_count < STORY_TAGS);
    node->labels[node->label_count++] = (struct pair){ slice_of(key), slice_of(value) };
}

struct story_eni *story_eni(struct story *s, const char *node, const char *letter, uint32_t index,
                            uint32_t ips, uint32_t prefixes)
{
    struct story_subnet *subnet = story_subnet_of(s, story_text(s, "subnet-%s", letter, 0));
    struct story_node *owner = story_node_of(s, node);
    struct story_eni *eni = &s->enis[s->eni_count++];

    require(subnet && owner);
    *eni = (struct story_eni){
        .id = story_id(story_text(s, index == 0 ? "eni-%s-0" : "eni-%s-agent-%u", node, index)),
        .subnet = subnet->id,
        .instance = owner->instance,
        .index = index,
        .ip_count = ips,
        .prefix_count = prefixes,
        .status = ENI_IN_USE,
        .delete_on_termination = true,
        .primary_ip = subnet->base + 10 + s->eni_count,
    };
    return eni;
}

struct story_node *story_node(struct story *s, const char *name, const char *type,
                              const char *letter, uint32_t ips)
{
    struct story_subnet *subnet = story_subnet_of(s, story_text(s, "subnet-%s", letter, 0));
    struct story_node *node = &s->nodes[s->node_count++];

    require(subnet != NULL);
    *node = (struct story_node){ .name = arena_slice(&s->arena, slice_of(name)).data,
                                 .type = type,
                                 .zone = subnet->zone };
    node->instance = story_id(story_text(s, "i-%s", name, 0));
    node->node = (struct node){ .max_pods = 110, .ready = true };
    story_eni(s, name, letter, 0, ips, 0);
    return node;
}

struct pool *story_pool(struct story *s, const char *name)
{
    struct pool *pool = &s->pools[s->pool_count++];
    struct pair *tag = ARENA_NEW(&s->arena, struct pair);
    struct selector_term *term = ARENA_NEW(&s->arena, struct selector_term);

    pool_default(pool);
    *tag = (struct pair){ SLICE("headroom"), SLICE("yes") };
    *term = (struct selector_term){ .tags = tag, .tag_count = 1 };
    pool->name = arena_slice(&s->arena, slice_of(name));
    pool->uid = arena_slice(&s->arena, slice_of(story_text(s, "uid-%s", name, 0)));
    pool->generation = 1;
    pool->subnet_terms = term;
    pool->subnet_term_count = 1;
    return pool;
}

/* ---- trace ---- */

void story_note(struct story *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(s->trace + s->trace_len, sizeof(s->trace) - s->trace_len, format, args);
    va_end(args);
    require(len >= 0 && s->trace_len + (size_t)len + 2 < sizeof(s->trace));
    s->trace_len += (size_t)len;
    s->trace[s->trace_len++] = '\n';
    s->trace[s->trace_len] = '\0';
}

static const char *urgency_name(enum urgency urgency)
{
    return urgency == URGENT_WAITING    ? "waiting"
           : urgency == URGENT_FORECAST ? "forecast"
                                        : "refresh";
}

static void keep_order(struct story *s, const struct plan_action *action, const char *node)
{
    struct story_order *order = &s->orders[s->order_count++];

    require(s->order_count < STORY_ORDERS);
    *order = (struct story_order){ .action = *action, .open = true };
    order->due_ns = s->now_ns + 6 * STORY_S / 10;
    (void)snprintf(order->node, sizeof(order->node), "%s", node);
    if (action->kind == PLAN_ATTACH) {
        struct eni_intent *intent = &order->action.attach;
        struct aws_id *groups = ARENA_ARRAY(&s->arena, struct aws_id, intent->group_count);
        struct pair *tags = ARENA_ARRAY(&s->arena, struct pair, intent->tag_count);
        memcpy(groups, intent->groups, intent->group_count * sizeof(*groups));
        for (uint32_t i = 0; i < intent->tag_count; i++) {
            tags[i].key = arena_slice(&s->arena, intent->tags[i].key);
            tags[i].value = arena_slice(&s->arena, intent->tags[i].value);
        }
        intent->groups = groups;
        intent->tags = tags;
        intent->description = arena_slice(&s->arena, intent->description);
        order->eni = intent->eni;
    }
}

static void take_attach(struct story *s, const struct plan_action *action)
{
    const struct eni_intent *intent = &action->attach;
    struct story_node *node = story_instance_of(s, &intent->instance);
    const char *name = node ? node->name : intent->instance.text;

    if (intent->prefixes > 0) {
        story_note(s, "attach %s %s prefixes=%u index=%u %s%s%s", name, intent->subnet.text,
                   intent->prefixes, intent->device_index, urgency_name(action->urgency),
                   intent->eni.text[0] ? " " : "", intent->eni.text);
    } else {
        story_note(s, "attach %s %s ips=%u index=%u %s%s%s", name, intent->subnet.text, intent->ips,
                   intent->device_index, urgency_name(action->urgency),
                   intent->eni.text[0] ? " " : "", intent->eni.text);
    }
    keep_order(s, action, name);
}

static void keep_status(struct story *s, const struct pool_status *status)
{
    struct subnet_status *subnets = ARENA_ARRAY(&s->arena, struct subnet_status,
                                                status->subnet_count);
    struct zone_status *zones = ARENA_ARRAY(&s->arena, struct zone_status, status->zone_count);

    memcpy(subnets, status->subnets, status->subnet_count * sizeof(*subnets));
    memcpy(zones, status->zones, status->zone_count * sizeof(*zones));
    s->status = *status;
    s->status.subnets = subnets;
    s->status.zones = zones;
    struct node_at_risk *named = ARENA_ARRAY(&s->arena, struct node_at_risk, status->named_count);
    for (uint32_t i = 0; i < status->named_count; i++) {
        named[i] = status->named[i];
        named[i].name = arena_slice(&s->arena, named[i].name);
        named[i].message = arena_slice(&s->arena, named[i].message);
    }
    s->status.named = named;
    s->status.name = arena_slice(&s->arena, status->name);
    for (uint32_t i = 0; i < POOL_CONDITIONS; i++) {
        s->status.conditions[i].message = arena_slice(&s->arena, status->conditions[i].message);
    }
    s->statuses++;
    if (s->show_status) {
        story_note(s, "status %.*s ready=%d reason=%s subnets=%u", SLICE_ARG(status->name),
                   status->conditions[0].value, status->conditions[0].reason, status->subnet_count);
    }
}

static void take(struct story *s, const struct plan_action *action, bool *enis, bool *subnets,
                 bool *sweep)
{
    struct story_node *node = NULL;

    switch (action->kind) {
    case PLAN_ATTACH:
        take_attach(s, action);
        break;
    case PLAN_ASSIGN:
        node = story_instance_of(s, &action->assign.instance);
        story_note(s, "assign %s %s ips=%u prefixes=%u %s", node ? node->name : "?",
                   action->assign.eni.text, action->assign.ips, action->assign.prefixes,
                   urgency_name(action->urgency));
        keep_order(s, action, node ? node->name : "?");
        break;
    case PLAN_DELETE:
        story_note(s, "delete %s", action->eni.text);
        keep_order(s, action, "");
        break;
    case PLAN_OBSERVE:
        if (action->instance.text[0] == '\0') {
            s->sweeps++;
            *sweep = true;
            if (s->show_reads) {
                story_note(s, "sweep");
            }
            break;
        }
        s->observes++;
        node = story_instance_of(s, &action->instance);
        if (node) {
            enis[node - s->nodes] = true;
        }
        if (s->show_reads) {
            story_note(s, "observe %s %s", node ? node->name : "?", urgency_name(action->urgency));
        }
        break;
    case PLAN_OBSERVE_SUBNETS:
        *subnets = true;
        if (s->show_reads) {
            story_note(s, "observe subnets");
        }
        break;
    case PLAN_NEED_TYPE:
        story_note(s, "type %.*s", SLICE_ARG(action->type_name));
        break;
    case PLAN_SUBNET_PACE:
        s->pace_ms = action->pace_ms;
        if (s->show_reads) {
            story_note(s, "pace %u", action->pace_ms);
        }
        break;
    case PLAN_EVENT:
        s->events++;
        story_note(s, "event %s %.*s %s%s: %.*s", action->event.on_node ? "node" : "pool",
                   SLICE_ARG(action->event.name), event_reason_name(action->event.reason),
                   action->event.warning ? " (warning)" : "", SLICE_ARG(action->event.message));
        break;
    case PLAN_POOL_STATUS:
        keep_status(s, &action->pool_status);
        break;
    case PLAN_NODE_CONDITION:
        story_note(s, "condition %.*s %s %s: %.*s", SLICE_ARG(action->condition.node),
                   action->condition.short_of_ips ? "False" : "True", action->condition.reason,
                   SLICE_ARG(action->condition.message));
        break;
    case PLAN_NODE_TAINT:
        story_note(s, "taint %.*s %s", SLICE_ARG(action->taint.node),
                   action->taint.set ? "set" : "clear");
        break;
    }
}

void story_step(struct story *s, struct plan_event *event)
{
    struct plan_actions out;
    bool enis[STORY_NODES] = { false };
    bool subnets = false;
    bool sweep = false;

    if (!s->planner) {
        s->planner = plan_new(&s->config);
    }
    event->now_ns = s->now_ns;
    event->wall_ns = s->wall_ns;
    plan_expect(s->planner, event, 1); /* as the engine does: changes nothing */
    plan_step(s->planner, event, &out);
    story_retell_begin(s, &out);
    for (uint32_t i = 0; i < out.count; i++) {
        take(s, &out.items[i], enis, &subnets, &sweep);
    }
    story_retell_end(s, &out);
    if (s->deaf) {
        return;
    }
    if (subnets) {
        story_read(s);
    }
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (enis[i]) {
            story_enis(s, s->nodes[i].name);
        }
    }
    if (sweep) {
        story_sweep(s);
    }
}

/* Labels and tags, the newest first where reads are reversed. */
static const struct pair *in_order(struct story *s, const struct pair *pairs, uint32_t count)
{
    struct pair *copy = ARENA_ARRAY(&s->arena, struct pair, count);

    for (uint32_t i = 0; i < count; i++) {
        copy[i] = pairs[s->reversed ? count - 1 - i : i];
    }
    return copy;
}

/* ---- what Kubernetes tells ---- */

void story_send_node(struct story *s, const char *name)
{
    struct story_node *row = story_node_of(s, name);
    struct plan_event event = { .kind = PLAN_NODE };

    require(row != NULL);
    event.node = row->node;
    event.node.name = slice_of(row->name);
    event.node.zone = slice_of(row->zone);
    event.node.instance_type = slice_of(row->type);
    if (event.node.provider_id.len == 0) {
        char provider[128];
        (void)snprintf(provider, sizeof(provider), "aws:///%s/%s", row->zone, row->instance.text);
        event.node.provider_id = arena_slice(&s->arena, slice_of(provider));
    }
    event.node.labels = in_order(s, row->labels, row->label_count);
    event.node.label_count = row->label_count;
    story_step(s, &event);
}

void story_send_pool(struct story *s, const char *name)
{
    for (uint32_t i = 0; i < s->pool_count; i++) {
        if (slice_is(s->pools[i].name, name)) {
            struct plan_event event = { .kind = PLAN_POOL, .pool = s->pools[i] };
            story_step(s, &event);
        }
    }
}

void story_lease(struct story *s, bool leader)
{
    struct plan_event event = { .kind = PLAN_LEASE, .leader = leader };

    story_step(s, &event);
}

static void send_pods(struct story *s, const struct story_node *node)
{
    struct plan_event event = { .kind = PLAN_PODS };

    event.pods.node = slice_of(node->name);
    event.pods.holding = node->holding;
    event.pods.waiting = node->waiting;
    event.pods.branch = node->branch;
    story_step(s, &event);
}

void story_pods(struct story *s, const char *name, uint32_t holding, uint32_t waiting)
{
    struct story_node *node = story_node_of(s, name);

    require(node != NULL);
    node->holding = holding;
    node->waiting = waiting;
    if (s->gone) {
        send_pods(s, node);
    }
}

struct story *story_one(const char *type, uint32_t ips, uint32_t a, uint32_t b)
{
    struct story *s = story_begin();

    story_subnet(s, "a", a);
    story_subnet(s, "b", b);
    story_node(s, "n1", type, "a", ips);
    story_pool(s, "default");
    return s;
}

struct story *story_needy(void)
{
    struct story *s = story_one("t3.medium", 5, 0, 200);

    story_pods(s, "n1", 5, 1);
    return s;
}

struct story *story_needy_held(void)
{
    struct story *s = story_needy();

    s->holds = true;
    return s;
}

void story_agent_pod(struct story *s, const char *node, bool ready)
{
    struct plan_event event = { .kind = PLAN_AGENT_POD };

    event.agent_pod.node = slice_of(node);
    event.agent_pod.ready = ready;
    story_step(s, &event);
}

void story_tell_kube(struct story *s)
{
    struct plan_event agent = { .kind = PLAN_AGENT, .agent = s->agent };
    struct plan_event synced = { .kind = PLAN_KUBE_SYNCED };

    story_step(s, &agent);
    for (uint32_t i = 0; i < s->pool_count; i++) {
        struct plan_event event = { .kind = PLAN_POOL, .pool = s->pools[i] };
        story_step(s, &event);
    }
    for (uint32_t i = 0; i < s->node_count; i++) {
        story_send_node(s, s->nodes[i].name);
        send_pods(s, &s->nodes[i]);
    }
    story_step(s, &synced);
}

void story_go(struct story *s)
{
    s->gone = true;
    story_tell_kube(s);
    story_lease(s, true);
    story_read(s);
    if (s->sweeps == 0 || s->deaf) {
        story_sweep(s);
    }
}

/* ---- what EC2 tells ---- */

void story_read(struct story *s)
{
    struct subnet subnets[STORY_MANY];
    uint32_t count = 0;
    struct plan_event event = { .kind = PLAN_SUBNETS };

    for (uint32_t i = 0; i < s->subnet_count; i++) {
        const struct story_subnet *row = &s->subnets[i];
        if (row->gone) {
            continue;
        }
        subnets[count++] = (struct subnet){
            .id = row->id,
            .vpc = story_id(row->vpc),
            .zone = slice_of(row->zone),
            .cidr = { row->base, row->bits },
            .available = row->free,
            .usable = row->usable,
            .route_kind = row->route,
            .reservations = row->reservations,
            .reservation_count = row->reservation_count,
            .tags = in_order(s, row->tags, row->tag_count),
            .tag_count = row->tag_count,
        };
    }
    s->subnet_reads++;
    s->read_ns = s->now_ns;
    event.subnets.subnets = subnets;
    event.subnets.count = count;
    event.subnets.asked_ns = s->now_ns;
    story_step(s, &event);
}

static const struct aws_id primary_group = { "sg-node" };

static struct eni eni_of(const struct story_eni *row)
{
    return (struct eni){
        .id = row->id,
        .subnet = row->subnet,
        .vpc = { "vpc-1" },
        .instance = row->instance,
        .type = row->type,
        .status = row->status,
        .device_index = row->index,
        .card = row->card,
        .delete_on_termination = row->delete_on_termination,
        .primary_ip = row->primary_ip,
        .ips = row->ips,
        .ip_count = row->ip_count,
        .prefixes = row->prefixes,
        .prefix_count = row->prefix_count,
        .groups = &primary_group,
        .group_count = 1,
        .tags = row->tags,
        .tag_count = row->tag_count,
    };
}

void story_enis(struct story *s, const char *name)
{
    struct eni enis[STORY_MANY];
    struct story_node *node = story_node_of(s, name);
    struct plan_event event = { .kind = PLAN_ENIS };
    uint32_t count = 0;

    require(node != NULL);
    for (uint32_t i = 0; i < s->eni_count; i++) {
        const struct story_eni *eni = &s->enis[s->reversed ? s->eni_count - 1 - i : i];
        if (aws_id_eq(&eni->instance, &node->instance) && !eni->hidden) {
            enis[count++] = eni_of(eni);
        }
    }
    event.enis.instances = &node->instance;
    event.enis.instance_count = 1;
    event.enis.enis = enis;
    event.enis.count = count;
    event.enis.asked_ns = s->now_ns;
    story_step(s, &event);
}

void story_sweep_part(struct story *s, uint32_t pages)
{
    struct eni *enis = ARENA_ARRAY(&s->arena, struct eni, s->eni_count);
    uint64_t asked_ns = s->now_ns;
    uint32_t count = 0, told = 0;

    for (uint32_t i = 0; i < s->eni_count; i++) {
        const struct story_eni *eni = &s->enis[s->reversed ? s->eni_count - 1 - i : i];
        if (!eni->hidden && aws_id_is_set(&eni->id)) {
            enis[count++] = eni_of(eni);
        }
    }
    for (uint32_t page = 0; page < pages && (page == 0 || told < count); page++) {
        uint32_t rest = count - told;
        struct plan_event event = { .kind = PLAN_SWEEP };
        event.enis.enis = enis + told;
        event.enis.count = s->page > 0 && s->page < rest ? s->page : rest;
        event.enis.asked_ns = asked_ns;
        event.enis.continued = page > 0;
        told += event.enis.count;
        event.enis.more = told < count;
        s->now_ns += page > 0 ? STORY_S / 10 : 0;
        story_step(s, &event);
    }
}

void story_sweep(struct story *s)
{
    story_sweep_part(s, UINT32_MAX);
}

void story_free(struct story *s, const char *letter, uint32_t free)
{
    struct story_subnet *subnet = story_subnet_of(s, story_text(s, "subnet-%s", letter, 0));

    require(subnet != NULL);
    subnet->free = free;
    story_read(s);
}

struct story_eni *story_find_eni(struct story *s, const char *id)
{
    for (uint32_t i = 0; i < s->eni_count; i++) {
        if (strcmp(s->enis[i].id.text, id) == 0) {
            return &s->enis[i];
        }
    }
    return NULL;
}

void story_forget_eni(struct story *s, const char *id)
{
    struct story_eni *eni = story_find_eni(s, id);

    require(eni != NULL);
    eni->id = (struct aws_id){ "" };
    eni->instance = (struct aws_id){ "" };
}

TEST(plan_fixture, tells_a_cluster_and_the_planner_knows_it)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 200);
    story_node(s, "n1", "t3.medium", "a", 5);
    story_pool(s, "default");
    story_go(s);
    expect_u64(plan_node_count(s->planner), 1);
    expect_u64(plan_pool_count(s->planner), 1);
    story_end(s);
}
