/*
 * types.c - limits of instance types: from EC2, from the embedded table where EC2 does not say.
 *
 * Knows how names are gathered into one describe. Refuses to guess: a type that neither knows is
 * reported as unknown.
 */
#include "machine.h"
#include "query.h"

enum { TYPES_IN_ONE_MAX = 100 }; /* EC2's limit of names and of MaxResults */

#define PATIENCE_NS (50 * MS_NS)
#define RETRY_BASE_NS (2 * SECOND_NS)
#define RETRY_CAP_NS (60 * SECOND_NS)

static bool contains(const uint32_t *handles, uint32_t count, uint32_t handle)
{
    for (uint32_t i = 0; i < count; i++) {
        if (handles[i] == handle) {
            return true;
        }
    }
    return false;
}

void ec2_types_want(struct ec2 *ec2, struct slice name)
{
    struct reads *reads = &ec2->reads;

    if (name.len == 0 || name.len > 64) {
        struct plan_event *event = ec2_event_add(ec2, PLAN_TYPE_UNKNOWN);
        event->name = ec2_step_copy(ec2, name);
        return;
    }
    uint32_t handle = interner_add(&reads->type_names, name);
    if (contains(reads->type_waiting, reads->type_waiting_count, handle) ||
        contains(reads->type_asked, reads->type_asked_count, handle)) {
        return;
    }
    if (reads->type_waiting_count == 0 && reads->type_due_ns < ec2->now_ns + PATIENCE_NS) {
        reads->type_due_ns = ec2->now_ns + PATIENCE_NS;
    }
    mem_reserve(&reads->type_waiting, &reads->type_waiting_capacity, reads->type_waiting_count + 1,
                sizeof(*reads->type_waiting));
    reads->type_waiting[reads->type_waiting_count++] = handle;
}

static void emit(struct ec2 *ec2, struct slice name, const struct instance_type *described)
{
    struct instance_type builtin = { 0 };
    bool known = instance_type_builtin(name, &builtin);

    if (!described && !known) {
        ec2_event_add(ec2, PLAN_TYPE_UNKNOWN)->name = ec2_step_copy(ec2, name);
        return;
    }
    struct instance_type type = described ? *described : builtin;
    if (described && known) {
        type.trunk = builtin.trunk; /* EC2 does not say which types carry branch ENIs */
    }
    type.name = ec2_step_copy(ec2, name);
    ec2_event_add(ec2, PLAN_TYPE)->type = type;
}

static const struct instance_type *find_type(const struct page_rows *rows, struct slice name)
{
    const struct instance_type *types = rows->items;

    for (uint32_t i = 0; i < rows->count; i++) {
        bool usable = types[i].enis > 0 && types[i].ips_per_eni > 0;
        if (usable && slice_eq(types[i].name, name)) {
            return &types[i];
        }
    }
    return NULL;
}

/* EC2 did not answer: the table serves what it knows; the rest is asked for again. A refusal is
 * final. */
static void fall_back(struct ec2 *ec2, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;
    bool again = outcome->code == CLOUD_UNAVAILABLE || outcome->code == CLOUD_THROTTLED;
    struct log_record *record = log_add(
        ec2->logs, LOG_WARN, "ec2", "no answer about instance types, the built-in table serves");

    log_text(ec2->logs, record, "error", outcome->message);
    for (uint32_t i = 0; i < reads->type_asked_count; i++) {
        struct slice name = interner_get(&reads->type_names, reads->type_asked[i]);
        struct instance_type builtin = { 0 };
        if (again && !instance_type_builtin(name, &builtin)) {
            mem_reserve(&reads->type_waiting, &reads->type_waiting_capacity,
                        reads->type_waiting_count + 1, sizeof(*reads->type_waiting));
            reads->type_waiting[reads->type_waiting_count++] = reads->type_asked[i];
        } else {
            emit(ec2, name, NULL);
        }
    }
    reads->type_due_ns = ec2_backoff_ns(ec2, RETRY_BASE_NS, RETRY_CAP_NS, reads->type_failures);
    reads->type_failures++;
}

static void on_types(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;
    struct page_rows *rows = &reads->type_rows;

    if (outcome->code == CLOUD_OK) {
        ec2_pages_add(call, rows, outcome->reply->types, outcome->reply->count,
                      sizeof(struct instance_type));
        if (outcome->reply->next_token.len > 0) {
            ec2_call_next_page(ec2, call, outcome->reply->next_token);
            return;
        }
        reads->type_failures = 0;
        for (uint32_t i = 0; i < reads->type_asked_count; i++) {
            struct slice name = interner_get(&reads->type_names, reads->type_asked[i]);
            emit(ec2, name, find_type(rows, name));
        }
    } else {
        fall_back(ec2, outcome);
    }
    *rows = (struct page_rows){ 0 };
    reads->type_asked_count = 0;
}

void ec2_types_run(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;

    if (reads->type_asked_count > 0 || reads->type_waiting_count == 0 ||
        ec2->now_ns < reads->type_due_ns) {
        return;
    }
    uint32_t count = reads->type_waiting_count < TYPES_IN_ONE_MAX ? reads->type_waiting_count
                                                                  : TYPES_IN_ONE_MAX;
    mem_reserve(&reads->type_asked, &reads->type_asked_capacity, count, sizeof(*reads->type_asked));
    memcpy(reads->type_asked, reads->type_waiting, count * sizeof(*reads->type_asked));
    reads->type_asked_count = count;
    reads->type_waiting_count -= count;
    memmove(reads->type_waiting, reads->type_waiting + count,
            reads->type_waiting_count * sizeof(*reads->type_waiting));

    struct call *call = ec2_call_new(ec2, OP_DescribeInstanceTypes, 0, on_types);
    call->optional = true;
    /* A filter: a name that EC2 does not know must not spoil the answer about the others. */
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = interner_get(&reads->type_names, reads->type_asked[i]);
        if (i == 0) {
            ec2_query_filter(&call->form, 1, "instance-type", name);
        } else {
            ec2_query_filter_value(&call->form, 1, i + 1, name);
        }
    }
    ec2_query_u32(&call->form, "MaxResults", TYPES_IN_ONE_MAX);
}

uint64_t ec2_types_deadline_ns(const struct ec2 *ec2)
{
    const struct reads *reads = &ec2->reads;

    return reads->type_waiting_count > 0 && reads->type_asked_count == 0 ? reads->type_due_ns
                                                                         : UINT64_MAX;
}

void ec2_types_done(struct ec2 *ec2)
{
    interner_done(&ec2->reads.type_names);
    mem_free(ec2->reads.type_waiting);
    mem_free(ec2->reads.type_asked);
}
