/*
 * plan_orders_test.c - the small cluster's other half: how orders end, how time passes, how a story
 * looks back.
 *
 * Knows what EC2 would do with an order, and refuses it as EC2 would. Refuses to know why the
 * planner gave it.
 */
#include "plan_fixture.h"

#include <stdio.h>

/* ---- how orders end ---- */

struct story_order *story_order(struct story *s)
{
    for (uint32_t i = 0; i < s->order_count; i++) {
        if (s->orders[i].open) {
            return &s->orders[i];
        }
    }
    return NULL;
}

static void send_result(struct story *s, struct story_order *order, enum cloud_stage stage,
                        enum cloud_code code)
{
    struct plan_event event = { .kind = PLAN_RESULT };

    event.result = (struct cloud_result){
        .action = order->action.id,
        .stage = stage,
        .code = code,
        .eni = order->eni,
        .message = code == CLOUD_OK ? SLICE("") : SLICE("EC2 says no"),
        .operation = SLICE("CreateNetworkInterface"),
    };
    story_step(s, &event);
}

/* The same token gives the same ENI. */
static struct story_eni *made_with(struct story *s, const char *token)
{
    for (uint32_t i = 0; i < s->eni_count; i++) {
        struct slice value;
        if (s->enis[i].id.text[0] &&
            pair_find(s->enis[i].tags, s->enis[i].tag_count, SLICE(TAG_INTENT), &value) &&
            slice_is(value, token)) {
            return &s->enis[i];
        }
    }
    return NULL;
}

/* The ENI comes into the world, as EC2 would make it. */
static struct story_eni *create_eni(struct story *s, struct story_order *order)
{
    const struct eni_intent *intent = &order->action.attach;
    struct story_subnet *subnet = story_subnet_of(s, intent->subnet.text);
    struct story_eni *eni = &s->enis[s->eni_count++];
    *eni = (struct story_eni){
        .id = story_id(story_text(s, "eni-%s%u", "new", ++s->next_eni)),
        .subnet = intent->subnet,
        .status = ENI_AVAILABLE,
        .index = intent->device_index,
        .ip_count = intent->ips,
        .prefix_count = intent->prefixes,
        .primary_ip = subnet->base + 100 + s->next_eni,
    };
    for (uint32_t i = 0; i < intent->tag_count; i++) {
        eni->tags[eni->tag_count++] = intent->tags[i];
    }
    subnet->free -= 1 + intent->ips + intent->prefixes * 16;
    order->eni = eni->id;
    return eni;
}

static enum cloud_code room_for(struct story *s, const struct aws_id *subnet, uint32_t ips,
                                uint32_t prefixes)
{
    if (story_subnet_of(s, subnet->text)->free < ips + prefixes * 16) {
        return prefixes > 0 ? CLOUD_NO_PREFIX : CLOUD_SUBNET_FULL;
    }
    return CLOUD_OK;
}

static enum cloud_code slot_for(struct story *s, const struct eni_intent *intent)
{
    const struct story_node *node = story_instance_of(s, &intent->instance);
    struct instance_type type;
    uint32_t used = 0;

    for (uint32_t i = 0; i < s->eni_count; i++) {
        const struct story_eni *eni = &s->enis[i];
        if (eni->id.text[0] && aws_id_eq(&eni->instance, &intent->instance)) {
            used++;
            if (eni->index == intent->device_index) {
                return CLOUD_INDEX_IN_USE;
            }
        }
    }
    bool known = node && instance_type_builtin(slice_of(node->type), &type);
    return known && used >= type.enis ? CLOUD_ATTACH_LIMIT : CLOUD_OK;
}

static void refuse(struct story *s, struct story_order *order, enum cloud_code code)
{
    send_result(s, order, CLOUD_FAILED, code);
}

static void do_attach(struct story *s, struct story_order *order)
{
    const struct eni_intent *intent = &order->action.attach;
    struct story_eni *eni = intent->eni.text[0] ? story_find_eni(s, intent->eni.text)
                                                : made_with(s, intent->client_token);
    enum cloud_code code = CLOUD_OK;

    if (intent->eni.text[0] && !eni) {
        refuse(s, order, CLOUD_ENI_GONE);
        return;
    }
    if (!eni) {
        code = room_for(s, &intent->subnet, intent->ips + 1, intent->prefixes);
        if (code != CLOUD_OK) {
            refuse(s, order, code);
            return;
        }
        eni = create_eni(s, order);
    }
    order->eni = eni->id;
    send_result(s, order, CLOUD_CREATED, CLOUD_OK);
    if (!aws_id_eq(&eni->instance, &intent->instance)) {
        code = eni->instance.text[0] ? CLOUD_ENI_IN_USE : slot_for(s, intent);
        if (code != CLOUD_OK) {
            refuse(s, order, code);
            return;
        }
        eni->instance = intent->instance;
        eni->status = ENI_IN_USE;
        eni->index = intent->device_index;
    }
    send_result(s, order, CLOUD_ATTACHED, CLOUD_OK);
    eni->delete_on_termination = true;
    send_result(s, order, CLOUD_DONE, CLOUD_OK);
}

static void do_assign(struct story *s, struct story_order *order)
{
    uint32_t ips = order->action.assign.ips;
    uint32_t prefixes = order->action.assign.prefixes;
    struct story_eni *eni = story_find_eni(s, order->action.assign.eni.text);
    enum cloud_code code = eni ? room_for(s, &eni->subnet, ips, prefixes) : CLOUD_ENI_GONE;

    if (code != CLOUD_OK) {
        refuse(s, order, code);
        return;
    }
    eni->ip_count += ips;
    eni->prefix_count += prefixes;
    story_subnet_of(s, eni->subnet.text)->free -= ips + prefixes * 16;
    send_result(s, order, CLOUD_DONE, CLOUD_OK);
}

static void do_delete(struct story *s, struct story_order *order)
{
    struct story_eni *eni = story_find_eni(s, order->action.eni.text);

    if (!eni || eni->instance.text[0]) {
        refuse(s, order, eni ? CLOUD_ENI_IN_USE : CLOUD_ENI_GONE);
        return;
    }
    story_forget_eni(s, order->action.eni.text);
    send_result(s, order, CLOUD_DONE, CLOUD_OK);
}

/* EC2 does what is asked, or refuses as it would. */
static void succeed(struct story *s, struct story_order *order)
{
    order->open = false;
    if (order->action.kind == PLAN_ATTACH) {
        do_attach(s, order);
    } else if (order->action.kind == PLAN_ASSIGN) {
        do_assign(s, order);
    } else {
        do_delete(s, order);
    }
}

void story_ends(struct story *s, enum cloud_stage stage, enum cloud_code code, const char *eni)
{
    struct story_order *order = story_order(s);

    require(order != NULL);
    if (eni) {
        order->eni = story_id(eni);
    }
    if (stage == CLOUD_DONE) {
        succeed(s, order);
        return;
    }
    order->open = stage != CLOUD_FAILED;
    send_result(s, order, stage, code);
}

/* ---- time ---- */

static void deliver(struct story *s)
{
    for (uint32_t i = 0; !s->holds && i < s->order_count; i++) {
        if (s->orders[i].open && s->orders[i].due_ns <= s->now_ns) {
            succeed(s, &s->orders[i]);
        }
    }
    if (!s->deaf && s->now_ns - s->read_ns >= s->pace_ms * UINT64_C(1000000)) {
        story_read(s);
    }
}

static uint64_t next_ns(const struct story *s, uint64_t end_ns)
{
    uint64_t at_ns = plan_deadline_ns(s->planner);

    for (uint32_t i = 0; !s->holds && i < s->order_count; i++) {
        if (s->orders[i].open && s->orders[i].due_ns < at_ns) {
            at_ns = s->orders[i].due_ns;
        }
    }
    if (!s->deaf && s->read_ns + s->pace_ms * UINT64_C(1000000) < at_ns) {
        at_ns = s->read_ns + s->pace_ms * UINT64_C(1000000);
    }
    return at_ns < end_ns ? at_ns : end_ns;
}

void story_wait(struct story *s, double seconds)
{
    uint64_t end_ns = s->now_ns + (uint64_t)(seconds * 1e9);
    uint32_t turns = 0;

    while (s->now_ns < end_ns) {
        uint64_t at_ns = next_ns(s, end_ns);
        /* A deadline that is due now and stays due would turn for ever: that is a finding. */
        turns = at_ns > s->now_ns ? 0 : turns + 1;
        require(turns < 1000);
        if (at_ns > s->now_ns) {
            s->wall_ns += at_ns - s->now_ns;
            s->now_ns = at_ns;
        }
        struct plan_event tick = { .kind = PLAN_TICK };
        s->ticks++;
        story_step(s, &tick);
        deliver(s);
    }
}

/* ---- looking ---- */

enum plan_decision_kind story_kind(struct story *s, const char *node)
{
    return story_decision(s, node).kind;
}

struct plan_decision story_decision(struct story *s, const char *node)
{
    struct plan_decision decision;

    require(plan_decision_of(s->planner, slice_of(node), &decision));
    return decision;
}

void story_forget(struct story *s)
{
    s->trace_len = 0;
    s->trace[0] = '\0';
}

void story_saw_at(struct story *s, const char *line, const char *file, int line_number)
{
    if (!strstr(s->trace, line)) {
        test_fail_at(file, line_number, "did not see: %s\nsaw:\n%s", line, s->trace);
    }
}

void story_saw_not_at(struct story *s, const char *line, const char *file, int line_number)
{
    if (strstr(s->trace, line)) {
        test_fail_at(file, line_number, "should not have seen: %s\nsaw:\n%s", line, s->trace);
    }
}

void story_saw_nothing_at(struct story *s, const char *file, int line_number)
{
    if (strstr(s->trace, "attach ") == s->trace || strstr(s->trace, "\nattach ") ||
        strstr(s->trace, "assign ") == s->trace || strstr(s->trace, "\nassign ") ||
        strstr(s->trace, "delete ") == s->trace || strstr(s->trace, "\ndelete ")) {
        test_fail_at(file, line_number, "should not have acted, but saw:\n%s", s->trace);
    }
}

void story_trace_is_at(struct story *s, const char *golden, const char *file, int line_number)
{
    test_slice(file, line_number, "the trace", slice_of(s->trace), slice_of(golden));
    story_forget(s);
}

void story_is_at(struct story *s, const char *node, enum plan_decision_kind kind, const char *file,
                 int line_number)
{
    struct plan_decision decision = story_decision(s, node);

    if (decision.kind != kind) {
        test_fail_at(file, line_number, "%s is %s, not %s: %.*s\nsaw:\n%s", node,
                     plan_decision_name(decision.kind), plan_decision_name(kind),
                     SLICE_ARG(decision.detail), s->trace);
    }
}

uint32_t story_count(const struct story *s, const char *part)
{
    uint32_t count = 0;

    for (const char *at = strstr(s->trace, part); at; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}
