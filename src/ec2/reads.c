/*
 * reads.c - what is read again and again: subnets, route tables, every ENI, security groups,
 * reservations.
 *
 *   VPC known --> route tables (10 min) --> subnets (the planner's pace) --> PLAN_SUBNETS
 *            \--> every ENI (5 min, under the lease) --> PLAN_SWEEP, page by page
 *             \-> security groups (10 min) --> PLAN_GROUPS
 *   somebody uses /28 prefixes --> CIDR reservations, subnet by subnet (30 min)
 *
 * Knows cycles and pages. Refuses to know what a subnet's state means.
 */
#include <assert.h>

#include "machine.h"
#include "query.h"

#define ROUTES_PACE_NS (600 * SECOND_NS)
#define GROUPS_PACE_NS (600 * SECOND_NS)
#define RESERVATIONS_PACE_NS (1800 * SECOND_NS)
#define DENIED_PACE_NS (60 * SECOND_NS)
#define OPTIONAL_DENIED_PACE_NS (1800 * SECOND_NS)
#define READS_APART_NS (500 * MS_NS)
#define SUBNET_PACE_LEAST_NS SECOND_NS
#define SUBNET_PACE_WATCHED_NS SECOND_NS /* a twentieth of what an account may ask in a Region */
#define FAILED_BASE_NS (2 * SECOND_NS)
#define FAILED_CAP_NS (60 * SECOND_NS)
enum { SWEEP_ROWS_MAX = 500000, ROUTE_PAGE_ROWS = 100 /* EC2's limit for route tables */ };

void ec2_reads_init(struct ec2 *ec2, const struct ec2_config *config)
{
    struct reads *reads = &ec2->reads;

    reads->subnet_pace_ns = (config->subnet_pace_ms ? config->subnet_pace_ms : 15000) * MS_NS;
    reads->sweep_pace_ns = (config->sweep_pace_ms ? config->sweep_pace_ms : 300000) * MS_NS;
    arena_init(&reads->route_arena);
    interner_init(&reads->type_names);
}

void ec2_reads_done(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;

    ec2_observe_done(ec2);
    ec2_types_done(ec2);
    arena_done(&reads->route_arena);
    mem_free(reads->subnet_ids);
    mem_free(reads->reserved);
    mem_free(reads->reserved_fresh);
}

void ec2_reads_vpc(struct ec2 *ec2, const struct aws_id *vpc)
{
    if (ec2->reads.vpc.text[0]) {
        return;
    }
    ec2->reads.vpc = *vpc;
    struct log_record *record = log_add(ec2->logs, LOG_INFO, "ec2", "the cluster's VPC is known");
    log_text(ec2->logs, record, "vpc", aws_id_slice(vpc));
}

void ec2_reads_note_enis(struct ec2 *ec2, const struct eni *enis, uint32_t count)
{
    struct reads *reads = &ec2->reads;

    for (uint32_t i = 0; i < count; i++) {
        reads->prefixes_seen |= enis[i].prefix_count > 0;
        bool other = reads->vpc.text[0] && enis[i].instance.text[0] &&
                     !aws_id_eq(&enis[i].vpc, &reads->vpc);
        if (other && !reads->several_vpcs_told) {
            reads->several_vpcs_told = true;
            struct log_record *record = log_add(
                ec2->logs, LOG_WARN, "ec2",
                "instances of the cluster are in several VPCs, only the first is served");
            log_text(ec2->logs, record, "vpc", aws_id_slice(&reads->vpc));
            log_text(ec2->logs, record, "other_vpc", aws_id_slice(&enis[i].vpc));
        }
    }
}

/* ---- cycles ---- */

static struct call *cycle_begin(struct ec2 *ec2, struct cycle *cycle, enum ec2_op op,
                                call_done_fn *on_page)
{
    cycle->busy = true;
    cycle->again = cycle->wanted = false;
    cycle->began_ns = ec2->now_ns;
    cycle->rows = (struct page_rows){ 0 };
    return ec2_call_new(ec2, op, 0, on_page);
}

static struct call *cycle_begin_of_vpc(struct ec2 *ec2, struct cycle *cycle, enum ec2_op op,
                                       call_done_fn *on_page)
{
    struct call *call = cycle_begin(ec2, cycle, op, on_page);

    ec2_query_filter(&call->form, 1, "vpc-id", aws_id_slice(&ec2->reads.vpc));
    ec2_query_u32(&call->form, "MaxResults",
                  op == OP_DescribeRouteTables ? ROUTE_PAGE_ROWS : PAGE_ROWS);
    return call;
}

/* Collects a page; true: the read is complete. */
static bool cycle_page(struct ec2 *ec2, struct cycle *cycle, struct call *call,
                       const struct ec2_reply *reply, const void *rows, size_t size)
{
    ec2_pages_add(call, &cycle->rows, rows, reply->count, size);
    if (reply->next_token.len > 0 && cycle->rows.count < SWEEP_ROWS_MAX) {
        ec2_call_next_page(ec2, call, reply->next_token);
        return false;
    }
    return true;
}

static void cycle_complete(struct ec2 *ec2, struct cycle *cycle, const struct call *call,
                           uint64_t pace_ns)
{
    cycle->busy = false;
    cycle->failures = 0;
    cycle->asked_ns = call->asked_ns;
    /* A read of many pages costs as many calls: the next surprise waits longer. */
    cycle->apart_ns = READS_APART_NS + call->pages * SECOND_NS;
    cycle->due_ns = call->asked_ns + (cycle->again ? cycle->apart_ns : pace_ns);
    if (cycle->due_ns < ec2->now_ns) {
        cycle->due_ns = ec2->now_ns;
    }
}

static void cycle_failed(struct ec2 *ec2, struct cycle *cycle, const struct outcome *outcome,
                         uint64_t denied_pace_ns)
{
    cycle->busy = false;
    cycle->due_ns = outcome->code == CLOUD_DENIED
                        ? ec2->now_ns + denied_pace_ns
                        : SECOND_NS +
                              ec2_backoff_ns(ec2, FAILED_BASE_NS, FAILED_CAP_NS, cycle->failures);
    cycle->failures++;
    /* What has been read of it lies in the call's arena, which goes. */
    cycle->rows = (struct page_rows){ 0 };
}

/* ---- route tables ---- */

static void keep_routes(struct ec2 *ec2, const struct page_rows *rows)
{
    struct reads *reads = &ec2->reads;

    arena_reset(&reads->route_arena);
    reads->route_rows = ARENA_ARRAY(&reads->route_arena, struct ec2_route_table, rows->count);
    reads->route_count = rows->count;
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct ec2_route_table *from = &((const struct ec2_route_table *)rows->items)[i];
        struct aws_id *subnets = ARENA_ARRAY(&reads->route_arena, struct aws_id,
                                             from->subnet_count);
        if (from->subnet_count > 0) {
            memcpy(subnets, from->subnets, from->subnet_count * sizeof(*subnets));
        }
        reads->route_rows[i] = *from;
        reads->route_rows[i].subnets = subnets;
    }
}

static void on_routes(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;

    if (outcome->code != CLOUD_OK) {
        reads->routes_tried = true;
        cycle_failed(ec2, &reads->routes, outcome, DENIED_PACE_NS);
    } else if (cycle_page(ec2, &reads->routes, call, outcome->reply, outcome->reply->route_tables,
                          sizeof(struct ec2_route_table))) {
        reads->routes_tried = true;
        keep_routes(ec2, &reads->routes.rows);
        cycle_complete(ec2, &reads->routes, call, ROUTES_PACE_NS);
    }
}

/* The subnet's own table, else the VPC's main one; none: not known. */
static const struct ec2_route_table *route_table_of(const struct reads *reads,
                                                    const struct aws_id *subnet)
{
    const struct ec2_route_table *main_table = NULL;

    for (uint32_t i = 0; i < reads->route_count; i++) {
        const struct ec2_route_table *table = &reads->route_rows[i];
        for (uint32_t j = 0; j < table->subnet_count; j++) {
            if (aws_id_eq(&table->subnets[j], subnet)) {
                return table;
            }
        }
        main_table = table->main ? table : main_table;
    }
    return main_table;
}

/* ---- subnets ---- */

static void add_reservations(struct ec2 *ec2, struct subnet *subnet)
{
    const struct reads *reads = &ec2->reads;
    uint32_t count = 0;

    for (uint32_t i = 0; i < reads->reserved_count; i++) {
        count += aws_id_eq(&reads->reserved[i].subnet, &subnet->id);
    }
    struct cidr_reservation *rows = ARENA_ARRAY(&ec2->step, struct cidr_reservation, count);
    for (uint32_t i = 0, at = 0; i < reads->reserved_count; i++) {
        if (aws_id_eq(&reads->reserved[i].subnet, &subnet->id)) {
            rows[at++] = reads->reserved[i].reservation;
        }
    }
    subnet->reservations = rows;
    subnet->reservation_count = count;
}

static void emit_subnets(struct ec2 *ec2, const struct call *call)
{
    struct reads *reads = &ec2->reads;
    const struct page_rows *rows = &reads->subnets.rows;
    struct subnet *subnets = ARENA_ARRAY(&ec2->step, struct subnet, rows->count);

    mem_reserve(&reads->subnet_ids, &reads->subnet_capacity, rows->count,
                sizeof(*reads->subnet_ids));
    reads->subnet_count = rows->count;
    for (uint32_t i = 0; i < rows->count; i++) {
        subnets[i] = ((const struct subnet *)rows->items)[i];
        reads->subnet_ids[i] = subnets[i].id;
        const struct ec2_route_table *table = route_table_of(reads, &subnets[i].id);
        if (table) {
            subnets[i].route_table = table->id;
            subnets[i].route_kind = table->kind;
        }
        add_reservations(ec2, &subnets[i]);
    }
    struct plan_event *event = ec2_event_add(ec2, PLAN_SUBNETS);
    event->subnets.subnets = subnets;
    event->subnets.count = rows->count;
    event->subnets.asked_ns = call->asked_ns;
}

static uint64_t subnet_pace_ns(const struct reads *reads)
{
    bool sooner = reads->watched && reads->subnet_pace_ns > SUBNET_PACE_WATCHED_NS;

    return sooner ? SUBNET_PACE_WATCHED_NS : reads->subnet_pace_ns;
}

static void on_subnets(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;

    if (outcome->code != CLOUD_OK) {
        cycle_failed(ec2, &reads->subnets, outcome, DENIED_PACE_NS);
    } else if (cycle_page(ec2, &reads->subnets, call, outcome->reply, outcome->reply->subnets,
                          sizeof(struct subnet))) {
        emit_subnets(ec2, call);
        cycle_complete(ec2, &reads->subnets, call, subnet_pace_ns(reads));
    }
}

static void read_now(struct ec2 *ec2, struct cycle *cycle)
{
    uint64_t earliest = cycle->asked_ns ? cycle->asked_ns + cycle->apart_ns : ec2->now_ns;

    if (cycle->busy) {
        cycle->again |= cycle->began_ns < ec2->now_ns;
        return;
    }
    cycle->wanted = true;
    if (earliest < ec2->now_ns) {
        earliest = ec2->now_ns;
    }
    /* After a failure its own waiting time counts: a surprise is no reason to press. */
    if (cycle->failures == 0 && earliest < cycle->due_ns) {
        cycle->due_ns = earliest;
    }
}

void ec2_reads_subnets_now(struct ec2 *ec2)
{
    read_now(ec2, &ec2->reads.subnets);
}

void ec2_reads_sweep_now(struct ec2 *ec2)
{
    read_now(ec2, &ec2->reads.sweep);
}

static void pace_changed(struct reads *reads)
{
    if (!reads->subnets.busy && reads->subnets.asked_ns && reads->subnets.failures == 0) {
        reads->subnets.due_ns = reads->subnets.asked_ns + subnet_pace_ns(reads);
    }
}

void ec2_reads_subnet_pace(struct ec2 *ec2, uint32_t pace_ms)
{
    struct reads *reads = &ec2->reads;

    reads->subnet_pace_ns = pace_ms * MS_NS;
    if (reads->subnet_pace_ns < SUBNET_PACE_LEAST_NS) {
        reads->subnet_pace_ns = SUBNET_PACE_LEAST_NS;
    }
    pace_changed(reads);
}

void ec2_watched(struct ec2 *ec2, bool watched)
{
    if (ec2->reads.watched != watched) {
        ec2->reads.watched = watched;
        pace_changed(&ec2->reads);
    }
}

/* ---- every ENI ---- */

static void on_sweep(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;

    const struct ec2_reply *reply = outcome->reply;

    if (outcome->code != CLOUD_OK) {
        cycle_failed(ec2, &reads->sweep, outcome, DENIED_PACE_NS);
        return;
    }
    struct plan_event *event = ec2_event_add(ec2, PLAN_SWEEP);
    reads->sweep.rows.count += reply->count;
    event->enis.enis = reply->enis;
    event->enis.count = reply->count;
    event->enis.asked_ns = call->asked_ns;
    event->enis.continued = call->pages > 0;
    event->enis.more = reply->next_token.len > 0 && reads->sweep.rows.count < SWEEP_ROWS_MAX;
    for (uint32_t i = 0; i < reply->count; i++) {
        reads->prefixes_seen |= reply->enis[i].prefix_count > 0;
    }
    if (event->enis.more) {
        call->told = true;
        ec2_call_next_page(ec2, call, reply->next_token);
    } else {
        /* What is read for leftovers and drift alone comes the less often the more it is: 15 pages
         * of 1,000 ENIs are some 60 MB. */
        cycle_complete(ec2, &reads->sweep, call, reads->sweep_pace_ns * (1 + call->pages / 2));
    }
}

/* ---- security groups ---- */

static void on_groups(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;

    if (outcome->code != CLOUD_OK) {
        if (outcome->code == CLOUD_DENIED && reads->groups.failures == 0) {
            struct log_record *record = log_add(
                ec2->logs, LOG_WARN, "ec2",
                "security groups cannot be read: securityGroupSelectorTerms select nothing");
            log_text(ec2->logs, record, "error", outcome->message);
        }
        cycle_failed(ec2, &reads->groups, outcome, OPTIONAL_DENIED_PACE_NS);
        return;
    }
    if (!cycle_page(ec2, &reads->groups, call, outcome->reply, outcome->reply->groups,
                    sizeof(struct ec2_group))) {
        return;
    }
    uint32_t count = reads->groups.rows.count;
    struct plan_group *groups = ARENA_ARRAY(&ec2->step, struct plan_group, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct ec2_group *from = &((const struct ec2_group *)reads->groups.rows.items)[i];
        groups[i] = (struct plan_group){
            .id = from->id, .vpc = from->vpc, .tags = from->tags, .tag_count = from->tag_count
        };
    }
    struct plan_event *event = ec2_event_add(ec2, PLAN_GROUPS);
    event->groups.groups = groups;
    event->groups.count = count;
    cycle_complete(ec2, &reads->groups, call, GROUPS_PACE_NS);
}

/* ---- CIDR reservations, one subnet after the other ---- */

static void on_reservations(struct ec2 *ec2, struct call *call, const struct outcome *outcome);

static void ask_reservations(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;
    struct call *call = cycle_begin(ec2, &reads->reservations, OP_GetSubnetCidrReservations,
                                    on_reservations);

    call->optional = true;
    ec2_query_text(&call->form, "SubnetId",
                   aws_id_slice(&reads->subnet_ids[reads->reservation_next]));
    ec2_query_u32(&call->form, "MaxResults", PAGE_ROWS);
}

static void reservations_complete(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;
    struct ec2_subnet_reservation *rows = reads->reserved;
    uint32_t capacity = reads->reserved_capacity;

    reads->reserved = reads->reserved_fresh;
    reads->reserved_capacity = reads->reserved_fresh_capacity;
    reads->reserved_count = reads->reserved_fresh_count;
    reads->reserved_fresh = rows;
    reads->reserved_fresh_capacity = capacity;
    reads->reserved_fresh_count = 0;
    reads->reservation_next = 0;
    reads->reservations.due_ns = ec2->now_ns + RESERVATIONS_PACE_NS;
    if (reads->reserved_count > 0) {
        ec2_reads_subnets_now(ec2);
    }
}

static void on_reservations(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    struct reads *reads = &ec2->reads;
    const struct ec2_reply *reply = outcome->reply;

    if (outcome->code == CLOUD_OK &&
        !cycle_page(ec2, &reads->reservations, call, reply, reply->reservations,
                    sizeof(struct ec2_subnet_reservation))) {
        return;
    }
    if (outcome->code != CLOUD_OK && outcome->code != CLOUD_SUBNET_GONE) {
        if (reads->reservations.failures == 0) {
            struct log_record *record = log_add(ec2->logs, LOG_WARN, "ec2",
                                                "CIDR reservations of subnets cannot be read");
            log_text(ec2->logs, record, "error", outcome->message);
        }
        cycle_failed(ec2, &reads->reservations, outcome, OPTIONAL_DENIED_PACE_NS);
        reads->reservation_next = 0;
        reads->reserved_fresh_count = 0;
        return;
    }
    uint32_t count = reads->reservations.rows.count;
    if (count > 0) {
        mem_reserve(&reads->reserved_fresh, &reads->reserved_fresh_capacity,
                    reads->reserved_fresh_count + count, sizeof(*reads->reserved_fresh));
        memcpy(reads->reserved_fresh + reads->reserved_fresh_count, reads->reservations.rows.items,
               count * sizeof(*reads->reserved_fresh));
        reads->reserved_fresh_count += count;
    }
    cycle_complete(ec2, &reads->reservations, call, 0);
    if (++reads->reservation_next >= reads->subnet_count) {
        reservations_complete(ec2);
    }
}

/* ---- the machine ---- */

static bool is_due(const struct ec2 *ec2, const struct cycle *cycle)
{
    return !cycle->busy && ec2->now_ns >= cycle->due_ns;
}

/* A replica that stands by acts on nothing, and whoever takes the lease needs a sweep of its own
 * time: without the lease only on demand. */
static bool wants_sweep(const struct ec2 *ec2)
{
    return ec2->now_ns < ec2->fence_ns || ec2->reads.sweep.wanted;
}

static bool wants_reservations(const struct reads *reads)
{
    return reads->prefixes_seen && reads->subnet_count > 0;
}

void ec2_reads_run(struct ec2 *ec2)
{
    struct reads *reads = &ec2->reads;

    if (!reads->vpc.text[0]) {
        return;
    }
    if (is_due(ec2, &reads->routes)) {
        (void)cycle_begin_of_vpc(ec2, &reads->routes, OP_DescribeRouteTables, on_routes);
    }
    if (reads->routes_tried && is_due(ec2, &reads->subnets)) {
        (void)cycle_begin_of_vpc(ec2, &reads->subnets, OP_DescribeSubnets, on_subnets);
    }
    if (wants_sweep(ec2) && is_due(ec2, &reads->sweep)) {
        (void)cycle_begin_of_vpc(ec2, &reads->sweep, OP_DescribeNetworkInterfaces, on_sweep);
    }
    if (is_due(ec2, &reads->groups)) {
        cycle_begin_of_vpc(ec2, &reads->groups, OP_DescribeSecurityGroups, on_groups)->optional =
            true;
    }
    if (wants_reservations(reads) && is_due(ec2, &reads->reservations)) {
        ask_reservations(ec2);
    }
}

static void cycle_deadline(uint64_t *deadline_ns, const struct cycle *cycle)
{
    if (!cycle->busy) {
        ec2_earliest(deadline_ns, cycle->due_ns);
    }
}

uint64_t ec2_reads_deadline_ns(struct ec2 *ec2)
{
    const struct reads *reads = &ec2->reads;
    uint64_t deadline = UINT64_MAX;

    if (!reads->vpc.text[0]) {
        return deadline;
    }
    cycle_deadline(&deadline, &reads->routes);
    cycle_deadline(&deadline, &reads->groups);
    if (wants_sweep(ec2)) {
        cycle_deadline(&deadline, &reads->sweep);
    }
    if (reads->routes_tried) {
        cycle_deadline(&deadline, &reads->subnets);
    }
    if (wants_reservations(reads)) {
        cycle_deadline(&deadline, &reads->reservations);
    }
    return deadline;
}
