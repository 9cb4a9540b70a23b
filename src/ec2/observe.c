/*
 * observe.c - the ENIs of instances: many instances in one describe, and the VPC learnt from the
 * first answer.
 *
 *   wanted: i-1, i-2 .. --after a short while--> Filter attachment.instance-id = i-1, i-2 .. -->
 * PLAN_ENIS
 *
 * Knows which instances there are and which were asked for. Refuses to know why.
 */
#include <assert.h>

#include "machine.h"
#include "query.h"

/* How long a request waits for company: the first of a while until all that came with the same news
 * has been looked at, the next ones for the time that they must keep apart. */
#define COMPANY_NS 1

/* Between two requests. */
static const uint64_t patience_ns[URGENCY_COUNT] = {
    [URGENT_WAITING] = 50 * MS_NS,
    [URGENT_FORECAST] = 250 * MS_NS,
    [URGENT_REFRESH] = SECOND_NS,
};

#define DISCOVER_RETRY_NS (5 * SECOND_NS)
#define FAILED_RETRY_NS (2 * SECOND_NS)
#define RETRY_CAP_NS (60 * SECOND_NS)

static struct slice instance_key(const void *rows, uint32_t handle)
{
    return aws_id_slice(&((const struct instance_row *)rows)[handle].id);
}

static uint32_t find_or_add(struct ec2 *ec2, const struct aws_id *id)
{
    struct reads *reads = &ec2->reads;

    if (!reads->instance_index.key) {
        index_init(&reads->instance_index, instance_key);
    }
    uint32_t place = index_find(&reads->instance_index, reads->instances, aws_id_slice(id));
    if (place != INDEX_NONE) {
        return place;
    }
    if (reads->spare_count > 0) {
        place = reads->spare[--reads->spare_count];
    } else {
        mem_reserve(&reads->instances, &reads->instance_capacity, reads->instance_count + 1,
                    sizeof(*reads->instances));
        place = reads->instance_count++;
    }
    reads->instances[place] = (struct instance_row){ .id = *id };
    index_add(&reads->instance_index, reads->instances, place);
    return place;
}

void ec2_observe_instance(struct ec2 *ec2, const struct aws_id *instance)
{
    struct reads *reads = &ec2->reads;
    uint32_t before = reads->instance_index.count;

    if (instance->text[0]) {
        (void)find_or_add(ec2, instance);
    }
    /* One that has not been asked for yet is worth asking at once, unless an answer is under way.
     */
    if (reads->instance_index.count > before && reads->discover_due_ns != UINT64_MAX &&
        reads->discover_failures > 0) {
        reads->discover_due_ns = ec2->now_ns;
    }
}

void ec2_observe_instance_gone(struct ec2 *ec2, const struct aws_id *instance)
{
    struct reads *reads = &ec2->reads;

    if (!reads->instance_index.key) {
        return;
    }
    uint32_t place = index_find(&reads->instance_index, reads->instances, aws_id_slice(instance));
    if (place == INDEX_NONE) {
        return;
    }
    index_remove(&reads->instance_index, reads->instances, aws_id_slice(instance));
    reads->instances[place] = (struct instance_row){ .gone = true };
    for (uint32_t i = 0; i < reads->wanted_count; i++) {
        if (reads->wanted[i] == place) {
            reads->wanted[i] = reads->wanted[--reads->wanted_count];
            break;
        }
    }
    mem_reserve(&reads->spare, &reads->spare_capacity, reads->spare_count + 1,
                sizeof(*reads->spare));
    reads->spare[reads->spare_count++] = place;
}

static uint64_t due_ns(const struct ec2 *ec2, enum urgency urgency)
{
    uint64_t patience = patience_ns[urgency < URGENCY_COUNT ? urgency : URGENT_REFRESH];
    uint64_t earliest = ec2->reads.observed_ns + patience;

    if (urgency != URGENT_WAITING) {
        return ec2->now_ns + patience;
    }
    return earliest > ec2->now_ns + COMPANY_NS ? earliest : ec2->now_ns + COMPANY_NS;
}

void ec2_observe_want(struct ec2 *ec2, const struct aws_id *instance, enum urgency urgency)
{
    struct reads *reads = &ec2->reads;
    uint64_t due = due_ns(ec2, urgency);

    if (instance->text[0] == '\0') {
        return;
    }
    uint32_t place = find_or_add(ec2, instance);
    if (!reads->instances[place].wanted) {
        reads->instances[place].wanted = true;
        mem_reserve(&reads->wanted, &reads->wanted_capacity, reads->wanted_count + 1,
                    sizeof(*reads->wanted));
        reads->wanted[reads->wanted_count++] = place;
        if (reads->wanted_count == 1 || due < reads->observe_due_ns) {
            reads->observe_due_ns = due;
        }
    } else if (due < reads->observe_due_ns) {
        reads->observe_due_ns = due;
    }
}

/* ---- one describe ---- */

static uint32_t free_batch(const struct ec2 *ec2)
{
    uint32_t i = 0;

    while (i < OBSERVES_MAX && ec2->reads.batches[i].active) {
        i++;
    }
    return i;
}

/* No instance had an ENI: the others are asked, and when all were, all again after a while. */
static void search_on(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;
    bool untried = false;

    for (uint32_t i = 0; i < reads->instance_count; i++) {
        untried = untried || (!reads->instances[i].gone && !reads->instances[i].looked_up);
    }
    reads->discover_due_ns = ec2->now_ns;
    if (!untried) {
        for (uint32_t i = 0; i < reads->instance_count; i++) {
            reads->instances[i].looked_up = false;
        }
        reads->discover_due_ns += DISCOVER_RETRY_NS
                                  << (reads->discover_failures < 3 ? reads->discover_failures : 3);
        reads->discover_failures++;
        (void)log_add(ec2->logs, LOG_WARN, "ec2",
                      "EC2 knows no ENI of the cluster's instances in this account and Region");
    }
}

static void emit(struct ec2 *ec2, const struct call *call, const struct observe_batch *batch)
{
    struct plan_event *event = ec2_event_add(ec2, PLAN_ENIS);
    struct aws_id *ids = ARENA_ARRAY(&ec2->step, struct aws_id, batch->count);

    memcpy(ids, batch->ids, batch->count * sizeof(*ids));
    event->enis.instances = ids;
    event->enis.instance_count = batch->count;
    event->enis.enis = batch->enis.items;
    event->enis.count = batch->enis.count;
    event->enis.asked_ns = call->asked_ns;
}

static void want_again(struct ec2 *ec2, const struct observe_batch *batch)
{
    struct reads *reads = &ec2->reads;
    uint32_t shift = reads->observe_failures < 5 ? reads->observe_failures : 5;
    uint64_t delay = FAILED_RETRY_NS << shift;

    reads->observe_failures++;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t place = index_find(&reads->instance_index, reads->instances,
                                    aws_id_slice(&batch->ids[i]));
        if (place != INDEX_NONE) { /* those that went meanwhile are not asked for again */
            ec2_observe_want(ec2, &batch->ids[i], URGENT_REFRESH);
        }
    }
    reads->observe_due_ns = ec2->now_ns + (delay < RETRY_CAP_NS ? delay : RETRY_CAP_NS);
}

static void on_enis(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct observe_batch *batch = &ec2->reads.batches[call->owner];

    if (outcome->code == CLOUD_OK) {
        ec2_pages_add(call, &batch->enis, outcome->reply->enis, outcome->reply->count,
                      sizeof(struct eni));
        if (outcome->reply->next_token.len > 0) {
            ec2_call_next_page(ec2, call, outcome->reply->next_token);
            return;
        }
        const struct eni *enis = batch->enis.items;
        ec2->reads.observe_failures = 0;
        ec2_reads_note_enis(ec2, enis, batch->enis.count);
        emit(ec2, call, batch);
        if (batch->discovery && batch->enis.count > 0 && enis[0].vpc.text[0]) {
            ec2_reads_vpc(ec2, &enis[0].vpc);
        } else if (batch->discovery) {
            search_on(ec2);
        }
    } else if (batch->discovery) {
        ec2->reads.discover_due_ns = ec2_backoff_ns(ec2, DISCOVER_RETRY_NS, RETRY_CAP_NS,
                                                    ec2->reads.discover_failures) +
                                     SECOND_NS;
        ec2->reads.discover_failures++;
        for (uint32_t i = 0; i < ec2->reads.instance_count; i++) {
            ec2->reads.instances[i].looked_up = false;
        }
    } else {
        want_again(ec2, batch);
    }
    batch->active = false;
}

static void send_batch(struct ec2 *ec2, uint32_t place)
{
    struct observe_batch *batch = &ec2->reads.batches[place];
    struct call *call = ec2_call_new(ec2, OP_DescribeNetworkInterfaces, place, on_enis);

    batch->active = true;
    batch->enis = (struct page_rows){ 0 };
    ec2_query_filter(&call->form, 1, "attachment.instance-id", aws_id_slice(&batch->ids[0]));
    for (uint32_t i = 1; i < batch->count; i++) {
        ec2_query_filter_value(&call->form, 1, i + 1, aws_id_slice(&batch->ids[i]));
    }
    ec2_query_u32(&call->form, "MaxResults", PAGE_ROWS);
}

static void discover(struct ec2 *ec2, uint32_t place)
{
    struct reads *reads = &ec2->reads;
    struct observe_batch *batch = &reads->batches[place];

    batch->count = 0;
    for (uint32_t i = 0; i < reads->instance_count && batch->count < OBSERVE_BATCH_MAX; i++) {
        struct instance_row *row = &reads->instances[i];
        if (!row->gone && !row->looked_up) {
            row->looked_up = true;
            batch->ids[batch->count++] = row->id;
        }
    }
    if (batch->count > 0) {
        batch->discovery = true;
        reads->discover_due_ns = UINT64_MAX;
        send_batch(ec2, place);
    } else if (reads->instance_count > reads->spare_count) {
        search_on(ec2);
    }
}

void ec2_observe_run(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;
    uint32_t place = free_batch(ec2);

    if (!reads->vpc.text[0] && ec2->now_ns >= reads->discover_due_ns && place < OBSERVES_MAX) {
        discover(ec2, place);
    }
    while (reads->wanted_count > 0 && ec2->now_ns >= reads->observe_due_ns) {
        place = free_batch(ec2);
        if (place == OBSERVES_MAX) {
            return;
        }
        struct observe_batch *batch = &reads->batches[place];
        uint32_t count = reads->wanted_count < OBSERVE_BATCH_MAX ? reads->wanted_count
                                                                 : OBSERVE_BATCH_MAX;
        for (uint32_t i = 0; i < count; i++) {
            struct instance_row *row = &reads->instances[reads->wanted[i]];
            row->wanted = false;
            batch->ids[i] = row->id;
        }
        reads->wanted_count -= count;
        memmove(reads->wanted, reads->wanted + count, reads->wanted_count * sizeof(*reads->wanted));
        batch->count = count;
        batch->discovery = false;
        reads->observed_ns = ec2->now_ns;
        send_batch(ec2, place);
    }
}

uint64_t ec2_observe_deadline_ns(struct ec2 *ec2)
{
    const struct reads *reads = &ec2->reads;
    uint64_t deadline = UINT64_MAX;

    if (free_batch(ec2) == OBSERVES_MAX) {
        return deadline;
    }
    if (reads->wanted_count > 0) {
        ec2_earliest(&deadline, reads->observe_due_ns);
    }
    if (!reads->vpc.text[0] && reads->instance_count > reads->spare_count) {
        ec2_earliest(&deadline, reads->discover_due_ns);
    }
    return deadline;
}

void ec2_observe_done(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;

    if (reads->instance_index.key) {
        index_done(&reads->instance_index);
    }
    mem_free(reads->instances);
    mem_free(reads->spare);
    mem_free(reads->wanted);
}
