/*
 * intent.c - mutations: the three calls of an attach as one recoverable intent, assigns, deletes.
 *
 *            .eni set: what is there?
 *   QUEUED --------> DESCRIBE <---- unknown outcome, already in use ----.
 *      |             |  |  attached to ours                             |
 *      '-> CREATE ---+->'--> ATTACH ----------> MODIFY ------> DONE     |
 *            |            `---------------------------------------------'
 *            same ClientToken, until EC2 has said what became of it
 *
 * Knows how an intent is finished whatever was lost on the way. Decides nothing: which ENI, where
 * and whether is the planner's; it never deletes by itself. The tokens of all its calls are taken
 * before the first, so that no ENI is created and then waits for the budget.
 */
#include <assert.h>
#include <stdio.h>

#include "machine.h"
#include "query.h"

#define REPAIR_BASE_NS (500 * MS_NS)
#define REPAIR_CAP_NS (4 * SECOND_NS)

static void on_call(struct ec2 *ec2, struct call *call, const struct outcome *outcome);

/* ---- results ---- */

static struct cloud_result *result_add(struct ec2 *ec2, const struct mutation *m,
                                       enum cloud_stage stage)
{
    struct plan_event *event = ec2_event_add(ec2, PLAN_RESULT);

    event->result = (struct cloud_result){ .action = m->id, .stage = stage };
    return &event->result;
}

static const char *kind_name(enum plan_action_kind kind)
{
    return kind == PLAN_ATTACH ? "attach" : kind == PLAN_ASSIGN ? "assign" : "delete";
}

static void log_end(struct ec2 *ec2, const struct mutation *m, const struct cloud_result *result)
{
    bool ok = result->stage == CLOUD_DONE;
    struct log_record *record = log_add(ec2->logs, ok ? LOG_INFO : LOG_WARN, "ec2", "%s %s",
                                        kind_name(m->kind), ok ? "done" : "failed");
    struct slice node = { 0 };

    log_number(record, "action", (int64_t)m->id);
    if (pair_find(m->intent.tags, m->intent.tag_count, SLICE(TAG_NODE), &node)) {
        log_text(ec2->logs, record, "node", node);
    }
    if (m->instance.text[0]) {
        log_text(ec2->logs, record, "instance", aws_id_slice(&m->instance));
    }
    if (m->intent.subnet.text[0]) {
        log_text(ec2->logs, record, "subnet", aws_id_slice(&m->intent.subnet));
    }
    if (m->eni.text[0]) {
        log_text(ec2->logs, record, "eni", aws_id_slice(&m->eni));
    }
    log_number(record, "ms", (int64_t)((ec2->now_ns - m->queued_ns) / MS_NS));
    if (!ok) {
        log_text(ec2->logs, record, "code", slice_of(cloud_code_name(result->code)));
        log_text(ec2->logs, record, "operation", result->operation);
        log_text(ec2->logs, record, "error", result->message);
    }
}

static void refund(struct ec2 *ec2, struct mutation *m)
{
    for (uint32_t op = 0; op < EC2_OP_COUNT; op++) {
        if (m->prepaid & 1u << op) {
            ec2_bucket_refund(&ec2->buckets[op]);
        }
    }
    m->prepaid = 0;
}

static void end(struct ec2 *ec2, struct mutation *m)
{
    refund(ec2, m);
    ec2->mutations_active -= m->state != MUTATION_QUEUED;
    arena_reset(&m->arena);
    m->state = MUTATION_FREE;
    uint32_t handle = (uint32_t)(m - ec2->mutations);
    if (handle < ec2->mutation_hint) {
        ec2->mutation_hint = handle;
    }
}

static void done(struct ec2 *ec2, struct mutation *m, uint32_t ips, uint32_t prefixes)
{
    struct cloud_result *result = result_add(ec2, m, CLOUD_DONE);

    result->eni = m->eni;
    result->ips = ips;
    result->prefixes = prefixes;
    log_end(ec2, m, result);
    end(ec2, m);
}

/* An ENI that exists and is not attached, as far as we know, goes along: it is the planner's to
 * finish. */
static void failed(struct ec2 *ec2, struct mutation *m, enum cloud_code code, const char *operation,
                   struct slice message)
{
    struct cloud_result *result = result_add(ec2, m, CLOUD_FAILED);

    result->code = code;
    if (m->kind == PLAN_ATTACH && !m->attached && code != CLOUD_ENI_GONE) {
        result->eni = m->eni;
    }
    result->operation = slice_of(operation);
    result->message = ec2_step_copy(ec2, message);
    log_end(ec2, m, result);
    end(ec2, m);
}

static void failed_call(struct ec2 *ec2, struct mutation *m, enum ec2_op op,
                        const struct outcome *outcome)
{
    failed(ec2, m, outcome->code, ec2_op_name(op), outcome->message);
}

/* ---- steps ---- */

static struct call *step_call(struct ec2 *ec2, struct mutation *m, enum mutation_state state,
                              enum ec2_op op)
{
    struct call *call = ec2_call_new(ec2, op, (uint32_t)(m - ec2->mutations), on_call);

    m->state = state;
    call->mutation = true;
    call->paid = (m->prepaid & 1u << op) != 0;
    m->prepaid &= ~(1u << op);
    return call;
}

static void describe(struct ec2 *ec2, struct mutation *m, uint64_t due_ns)
{
    struct call *call = step_call(ec2, m, MUTATION_DESCRIBE, OP_DescribeNetworkInterfaces);

    ec2_query_item(&call->form, "NetworkInterfaceId", 1, aws_id_slice(&m->eni));
    call->due_ns = due_ns;
}

static void create(struct ec2 *ec2, struct mutation *m)
{
    struct call *call = step_call(ec2, m, MUTATION_CREATE, OP_CreateNetworkInterface);

    call->repeatable = true; /* the ClientToken makes it one ENI */
    ec2_query_create(&call->form, &m->intent);
}

static void attach(struct ec2 *ec2, struct mutation *m, uint64_t due_ns)
{
    struct call *call = step_call(ec2, m, MUTATION_ATTACH, OP_AttachNetworkInterface);

    ec2_query_attach(&call->form, &m->eni, &m->intent.instance, m->intent.device_index);
    call->due_ns = due_ns;
}

static void modify(struct ec2 *ec2, struct mutation *m, uint64_t due_ns)
{
    struct call *call = step_call(ec2, m, MUTATION_MODIFY, OP_ModifyNetworkInterfaceAttribute);

    call->repeatable = true;
    ec2_query_bind(&call->form, &m->eni, slice_of(m->attachment));
    call->due_ns = due_ns;
}

static void assign(struct ec2 *ec2, struct mutation *m)
{
    struct call *call = step_call(ec2, m, MUTATION_ASSIGN, OP_AssignPrivateIpAddresses);

    ec2_query_text(&call->form, "NetworkInterfaceId", aws_id_slice(&m->eni));
    ec2_query_addresses(&call->form, m->ips, m->prefixes);
}

static void delete_eni(struct ec2 *ec2, struct mutation *m)
{
    struct call *call = step_call(ec2, m, MUTATION_DELETE, OP_DeleteNetworkInterface);

    call->repeatable = true;
    ec2_query_text(&call->form, "NetworkInterfaceId", aws_id_slice(&m->eni));
}

/* May it be tried once more, and when? Lag and unknown outcomes pass within seconds. */
static bool repair(struct ec2 *ec2, struct mutation *m, uint64_t *ret_due_ns)
{
    if (m->repairs == MUTATION_REPAIRS_MAX) {
        return false;
    }
    uint64_t half = REPAIR_BASE_NS << (m->repairs < 3 ? m->repairs : 3);
    *ret_due_ns = ec2_backoff_ns(ec2, REPAIR_BASE_NS, REPAIR_CAP_NS, m->repairs) + half / 2;
    m->repairs++;
    return true;
}

static void told_attached(struct ec2 *ec2, struct mutation *m, struct slice attachment)
{
    if (slice_copy(attachment, m->attachment, sizeof(m->attachment))) {
        m->attachment[0] = '\0';
    }
    if (!m->attached) {
        m->attached = true;
        result_add(ec2, m, CLOUD_ATTACHED)->eni = m->eni;
    }
}

/* ---- answers ---- */

static void on_create(struct ec2 *ec2, struct mutation *m, const struct outcome *outcome)
{
    if (outcome->code != CLOUD_OK) {
        failed_call(ec2, m, OP_CreateNetworkInterface, outcome);
        return;
    }
    if (outcome->reply->count != 1 || outcome->reply->enis[0].id.text[0] == '\0') {
        failed(ec2, m, CLOUD_UNAVAILABLE, "CreateNetworkInterface",
               SLICE("the answer names no ENI"));
        return;
    }
    const struct eni *eni = &outcome->reply->enis[0];
    m->eni = eni->id;
    m->created_now = true;
    struct cloud_result *result = result_add(ec2, m, CLOUD_CREATED);
    result->eni = m->eni;
    result->ips = eni->ip_count;
    result->prefixes = eni->prefix_count;
    if (eni->attachment_id.len > 0 || eni->status == ENI_IN_USE || eni->status == ENI_ATTACHING) {
        describe(ec2, m, 0); /* an earlier life of this intent got further */
    } else {
        attach(ec2, m, 0);
    }
}

static void on_attach(struct ec2 *ec2, struct mutation *m, const struct outcome *outcome)
{
    uint64_t due = 0;

    switch (outcome->code) {
    case CLOUD_OK:
        told_attached(ec2, m, outcome->reply->attachment_id);
        modify(ec2, m, 0);
        return;
    case CLOUD_UNAVAILABLE:
        m->attach_unknown = true;
        if (repair(ec2, m, &due)) {
            describe(ec2, m, due);
            return;
        }
        break;
    case CLOUD_ENI_IN_USE:
        if (repair(ec2, m, &due)) {
            describe(ec2, m, m->attach_unknown ? due : 0);
            return;
        }
        break;
    case CLOUD_INDEX_IN_USE:
        /* Perhaps by our own attach: its answer was lost, or HTTP sent it twice when a kept-alive
         * connection broke. */
        if ((m->attach_unknown || !m->index_in_use) && repair(ec2, m, &due)) {
            m->index_in_use = true;
            describe(ec2, m, m->attach_unknown ? due : 0);
            return;
        }
        break;
    case CLOUD_ENI_GONE:
        if (m->created_now && repair(ec2, m, &due)) {
            attach(ec2, m, due);
            return;
        }
        break;
    default:
        break;
    }
    failed_call(ec2, m, OP_AttachNetworkInterface, outcome);
}

static void on_modify(struct ec2 *ec2, struct mutation *m, const struct outcome *outcome)
{
    uint64_t due = 0;
    bool lag = outcome->code == CLOUD_ENI_GONE || outcome->code == CLOUD_INSTANCE_STATE ||
               slice_starts(outcome->error_code, SLICE("InvalidAttachmentID"));

    if (outcome->code == CLOUD_OK) {
        done(ec2, m, 0, 0);
    } else if (lag && repair(ec2, m, &due)) {
        modify(ec2, m, due);
    } else {
        failed_call(ec2, m, OP_ModifyNetworkInterfaceAttribute, outcome);
    }
}

/* The ENI as it is: what of the intent is left to do? */
static void go_on_from(struct ec2 *ec2, struct mutation *m, const struct eni *eni)
{
    uint64_t due = 0;

    if (eni->instance.text[0] && !aws_id_eq(&eni->instance, &m->intent.instance)) {
        m->attached = true; /* not ours to attach any more */
        failed(ec2, m, CLOUD_ENI_IN_USE, "DescribeNetworkInterfaces",
               arena_printf(&ec2->step, "%s is attached to %s", m->eni.text, eni->instance.text));
    } else if (eni->instance.text[0] && eni->status != ENI_DETACHING) {
        told_attached(ec2, m, eni->attachment_id);
        if (eni->delete_on_termination) {
            done(ec2, m, eni->ip_count, eni->prefix_count);
        } else {
            modify(ec2, m, 0);
        }
    } else if (eni->status == ENI_AVAILABLE && m->index_in_use && !m->attach_unknown) {
        failed(ec2, m, CLOUD_INDEX_IN_USE, "AttachNetworkInterface",
               arena_printf(&ec2->step, "%s has another ENI at device index %u",
                            m->intent.instance.text, m->intent.device_index));
    } else if (eni->status == ENI_AVAILABLE) {
        attach(ec2, m, 0); /* EC2 itself refuses a second one, should this view be late */
    } else if (repair(ec2, m, &due)) {
        describe(ec2, m, due);
    } else {
        failed(ec2, m, CLOUD_ENI_IN_USE, "DescribeNetworkInterfaces",
               SLICE("the ENI is neither attached nor available"));
    }
}

static void on_describe_for_attach(struct ec2 *ec2, struct mutation *m,
                                   const struct outcome *outcome)
{
    bool missing = outcome->code == CLOUD_ENI_GONE ||
                   (outcome->code == CLOUD_OK && outcome->reply->count == 0);
    uint64_t due = 0;

    if (missing && repair(ec2, m, &due)) {
        describe(ec2, m, due); /* it may be too young to be seen */
    } else if (missing) {
        failed(ec2, m, CLOUD_ENI_GONE, "DescribeNetworkInterfaces", SLICE("the ENI is not there"));
    } else if (outcome->code != CLOUD_OK) {
        failed_call(ec2, m, OP_DescribeNetworkInterfaces, outcome);
    } else {
        go_on_from(ec2, m, &outcome->reply->enis[0]);
    }
}

/* Deletes only what is ours by its tag, and free. */
static void on_describe_for_delete(struct ec2 *ec2, struct mutation *m,
                                   const struct outcome *outcome)
{
    struct slice intent = { 0 };

    if (outcome->code == CLOUD_ENI_GONE ||
        (outcome->code == CLOUD_OK && outcome->reply->count == 0)) {
        done(ec2, m, 0, 0);
        return;
    }
    if (outcome->code != CLOUD_OK) {
        failed_call(ec2, m, OP_DescribeNetworkInterfaces, outcome);
        return;
    }
    const struct eni *eni = &outcome->reply->enis[0];
    if (!pair_find(eni->tags, eni->tag_count, SLICE(TAG_INTENT), &intent)) {
        failed(ec2, m, CLOUD_INVALID, "DescribeNetworkInterfaces",
               SLICE("not deleted: the ENI does not bear our tag " TAG_INTENT));
    } else if (eni->status != ENI_AVAILABLE || eni->instance.text[0]) {
        failed(ec2, m, CLOUD_ENI_IN_USE, "DescribeNetworkInterfaces",
               SLICE("not deleted: the ENI is in use"));
    } else {
        delete_eni(ec2, m);
    }
}

static void on_assign(struct ec2 *ec2, struct mutation *m, const struct outcome *outcome)
{
    if (outcome->code == CLOUD_OK) {
        done(ec2, m, outcome->reply->ips, outcome->reply->prefixes);
        return;
    }
    if (outcome->code == CLOUD_UNAVAILABLE && m->instance.text[0]) {
        ec2_observe_want(ec2, &m->instance, URGENT_WAITING); /* nobody knows: look */
    }
    failed_call(ec2, m, OP_AssignPrivateIpAddresses, outcome);
}

static void on_delete(struct ec2 *ec2, struct mutation *m, const struct outcome *outcome)
{
    if (outcome->code == CLOUD_OK || outcome->code == CLOUD_ENI_GONE) {
        done(ec2, m, 0, 0);
    } else {
        failed_call(ec2, m, OP_DeleteNetworkInterface, outcome);
    }
}

static void on_call(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct mutation *m = &ec2->mutations[call->owner];

    switch (m->state) {
    case MUTATION_DESCRIBE:
        if (m->kind == PLAN_DELETE) {
            on_describe_for_delete(ec2, m, outcome);
        } else {
            on_describe_for_attach(ec2, m, outcome);
        }
        break;
    case MUTATION_CREATE:
        on_create(ec2, m, outcome);
        break;
    case MUTATION_ATTACH:
        on_attach(ec2, m, outcome);
        break;
    case MUTATION_MODIFY:
        on_modify(ec2, m, outcome);
        break;
    case MUTATION_ASSIGN:
        on_assign(ec2, m, outcome);
        break;
    case MUTATION_DELETE:
        on_delete(ec2, m, outcome);
        break;
    case MUTATION_FREE:
    case MUTATION_QUEUED:
        assert(false);
    }
}

/* ---- admission ---- */

static uint32_t free_place(struct ec2 *ec2)
{
    for (uint32_t i = ec2->mutation_hint; i < ec2->mutation_count; i++) {
        if (ec2->mutations[i].state == MUTATION_FREE) {
            ec2->mutation_hint = i + 1;
            return i;
        }
    }
    ec2->mutation_hint = ec2->mutation_count + 1;
    mem_reserve(&ec2->mutations, &ec2->mutation_capacity, ec2->mutation_count + 1,
                sizeof(*ec2->mutations));
    arena_init(&ec2->mutations[ec2->mutation_count].arena);
    return ec2->mutation_count++;
}

static void copy_intent(struct arena *arena, const struct eni_intent *from, struct eni_intent *ret)
{
    struct pair *tags = ARENA_ARRAY(arena, struct pair, from->tag_count);
    struct aws_id *groups = ARENA_ARRAY(arena, struct aws_id, from->group_count);

    *ret = *from;
    for (uint32_t i = 0; i < from->tag_count; i++) {
        tags[i].key = arena_slice(arena, from->tags[i].key);
        tags[i].value = arena_slice(arena, from->tags[i].value);
    }
    if (from->group_count > 0) {
        memcpy(groups, from->groups, from->group_count * sizeof(*groups));
    }
    ret->tags = tags;
    ret->groups = groups;
    ret->description = arena_slice(arena, from->description);
}

void ec2_mutation_add(struct ec2 *ec2, const struct plan_action *action)
{
    uint32_t handle = free_place(ec2);
    struct mutation *m = &ec2->mutations[handle];
    struct arena arena = m->arena;

    *m = (struct mutation){
        .state = MUTATION_QUEUED,
        .kind = action->kind,
        .id = action->id,
        .queued_ns = ec2->now_ns,
        .sequence = ++ec2->mutation_sequence,
        .urgency = action->urgency,
        .rank = action->rank,
        .arena = arena,
    };
    if (action->kind == PLAN_ATTACH) {
        copy_intent(&m->arena, &action->attach, &m->intent);
        m->eni = action->attach.eni;
        m->instance = action->attach.instance;
        ec2->reads.prefixes_seen |= action->attach.prefixes > 0;
        ec2_queue_push(ec2, QUEUE_ATTACH, handle);
    } else if (action->kind == PLAN_ASSIGN) {
        m->eni = action->assign.eni;
        m->instance = action->assign.instance;
        m->ips = action->assign.ips;
        m->prefixes = action->assign.prefixes;
        ec2_queue_push(ec2, QUEUE_ASSIGN, handle);
    } else {
        m->eni = action->eni;
        ec2_queue_push(ec2, QUEUE_DELETE, handle);
    }
}

static uint32_t tokens_needed(const struct mutation *m)
{
    switch (m->kind) {
    case PLAN_ATTACH:
        return (m->eni.text[0] ? 0 : 1u << OP_CreateNetworkInterface) |
               1u << OP_AttachNetworkInterface | 1u << OP_ModifyNetworkInterfaceAttribute;
    case PLAN_ASSIGN:
        return 1u << OP_AssignPrivateIpAddresses;
    default:
        return 1u << OP_DeleteNetworkInterface;
    }
}

/* When every bucket of the set has a token. */
static uint64_t tokens_ready_ns(struct ec2 *ec2, uint32_t ops)
{
    uint64_t ready = ec2->now_ns;

    for (uint32_t op = 0; op < EC2_OP_COUNT; op++) {
        if (ops & 1u << op) {
            uint64_t at = ec2_bucket_ready_ns(&ec2->buckets[op], ec2->now_ns);
            ready = at > ready ? at : ready;
        }
    }
    return ready;
}

static void start(struct ec2 *ec2, struct mutation *m)
{
    uint32_t ops = tokens_needed(m);

    for (uint32_t op = 0; op < EC2_OP_COUNT; op++) {
        if (ops & 1u << op) {
            ec2_bucket_take(&ec2->buckets[op], ec2->now_ns);
        }
    }
    m->prepaid = ops;
    ec2->mutations_active++;
    if (m->kind == PLAN_ASSIGN) {
        assign(ec2, m);
    } else if (m->kind == PLAN_ATTACH && !m->eni.text[0]) {
        create(ec2, m);
    } else {
        describe(ec2, m, 0);
    }
}

/* False: the neediest of this kind has to wait. */
static bool admit_one(struct ec2 *ec2, enum queue_kind kind)
{
    uint32_t handle = ec2_queue_top(ec2, kind);
    enum identity_state identity = ec2_identity_state(ec2);

    if (handle == INDEX_NONE) {
        return false;
    }
    struct mutation *m = &ec2->mutations[handle];
    if (ec2->stopping || ec2->now_ns >= ec2->fence_ns) {
        ec2_queue_pop(ec2, kind);
        failed(ec2, m, CLOUD_FENCED, "", SLICE("not sent: the lease may have lapsed, or we stop"));
        return true;
    }
    if (identity == IDENTITY_FAILED) {
        ec2_queue_pop(ec2, kind);
        failed(ec2, m, ec2->identity.unavailable ? CLOUD_UNAVAILABLE : CLOUD_DENIED, "credentials",
               slice_of(ec2->identity.error));
        return true;
    }
    if (identity != IDENTITY_READY || ec2->mutations_active >= MUTATIONS_ACTIVE_MAX ||
        ec2_calls_crowded(ec2) || tokens_ready_ns(ec2, tokens_needed(m)) > ec2->now_ns) {
        return false;
    }
    ec2_queue_pop(ec2, kind);
    start(ec2, m);
    return true;
}

void ec2_mutations_admit(struct ec2 *ec2)
{
    for (enum queue_kind kind = QUEUE_ATTACH; kind < QUEUE_COUNT; kind++) {
        while (admit_one(ec2, kind)) {
        }
    }
}

uint64_t ec2_mutations_deadline_ns(struct ec2 *ec2)
{
    uint64_t deadline = UINT64_MAX;

    if (ec2_identity_state(ec2) == IDENTITY_PENDING ||
        ec2->mutations_active >= MUTATIONS_ACTIVE_MAX) {
        return deadline;
    }
    for (enum queue_kind kind = QUEUE_ATTACH; kind < QUEUE_COUNT; kind++) {
        uint32_t handle = ec2_queue_top(ec2, kind);
        if (handle != INDEX_NONE) {
            ec2_earliest(&deadline, tokens_ready_ns(ec2, tokens_needed(&ec2->mutations[handle])));
        }
    }
    return deadline;
}

void ec2_mutations_done(struct ec2 *ec2)
{
    for (uint32_t i = 0; i < ec2->mutation_count; i++) {
        arena_done(&ec2->mutations[i].arena);
    }
    mem_free(ec2->mutations);
    for (enum queue_kind kind = QUEUE_ATTACH; kind < QUEUE_COUNT; kind++) {
        mem_free(ec2->queues[kind].handles);
    }
}
