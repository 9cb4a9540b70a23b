/*
 * machine.h - the inside of struct ec2, shared by the files of src/ec2. Nobody else includes it.
 *
 *   intent.c  reads.c          what is to be done: mutations, describes
 *        \     /
 *        call.c                one API call: sign, send, parse, classify, retry
 *       /   |   \
 *  budget identity endpoint    may it go now, as whom, where to
 *
 * A call ends with `done`; whoever started it goes on from there. Everything that an event or a
 * fetch points to lies in the step's arena, or in a call's, which is emptied when the next step
 * begins.
 */
#ifndef EC2_MACHINE_H
#define EC2_MACHINE_H

#include <headroom/ec2.h>
#include <headroom/ec2_xml.h>
#include <headroom/index.h>
#include <headroom/prng.h>

#include "budget.h"
#include "endpoint.h"
#include "identity.h"
#include "op.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS UINT64_C(1000000)

enum {
    CALLS_MAX = 96, /* API calls at a time */
    MUTATIONS_ACTIVE_MAX = 64,
    CALL_TRIES_MAX = 6,
    OBSERVE_BATCH_MAX = 200, /* EC2's limit of values in one filter */
    OBSERVES_MAX = 4,        /* describes of instances at a time */
    PAGE_ROWS = 1000,        /* EC2's limit of MaxResults */
    RESPONSE_MAX = 32 * 1024 *
                   1024 /* 1,000 ENIs with 50 addresses each have 12 MB; read as they come */
};

/* ---- one call ---- */

enum call_state {
    CALL_FREE,
    CALL_WAITING, /* for the time of its next try, an identity, a token */
    CALL_SENT,
    CALL_RETIRED /* ended; its rows live until the next step */
};

/* How a call ended. `reply` is there when code is CLOUD_OK. */
struct outcome {
    enum cloud_code code;
    struct slice error_code, message; /* EC2's, or ours */
    const struct ec2_reply *reply;
};

struct call;
typedef void call_done_fn(struct ec2 *ec2, struct call *call, const struct outcome *outcome);

struct call {
    enum call_state state;
    enum ec2_op op;
    bool mutation;   /* a step of a mutation: goes first, and is told when there is no identity */
    bool paid;       /* the first try's token was taken at admission */
    bool dry_run;    /* changes nothing: needs no lease */
    bool repeatable; /* an unknown outcome may be answered by sending it again */
    bool optional;   /* a refusal is no illness: we know how to do without */
    uint32_t owner;  /* of whoever started it */
    call_done_fn *done;
    uint64_t sequence;
    struct buf form;
    size_t form_len;          /* of the form without its NextToken */
    struct arena arena;       /* of what the rows point to, over all pages */
    struct arena pages_arena; /* of the rows that ec2_pages_add has gathered */
    struct ec2_xml *xml;
    struct error xml_error;
    uint64_t fetch_id, due_ns;
    uint64_t first_ns;         /* of the first try of this page */
    uint64_t sent_ns;          /* of the last try */
    uint64_t asked_ns;         /* when the first page's answer was asked for */
    uint64_t generation;       /* of the identity that signed the last try */
    uint64_t generation_least; /* of the identity to use */
    uint32_t attempt, pages;
    bool told; /* the rows of the last page are out: forgotten when the next step begins */
    int status;
    uint32_t retry_after_ms;
    char date[40];
    uint64_t date_wall_ns; /* our clock when the date came */
    bool identity_renewed, skew_learnt;
};

/* Rows of several pages, in the call's pages_arena: gone with the call. */
struct page_rows {
    void *items;
    uint32_t count, capacity;
};

/* ---- mutations ---- */

enum mutation_state {
    MUTATION_FREE,
    MUTATION_QUEUED,
    MUTATION_DESCRIBE, /* what is there already? */
    MUTATION_CREATE,
    MUTATION_ATTACH,
    MUTATION_MODIFY,
    MUTATION_ASSIGN,
    MUTATION_DELETE
};

enum { MUTATION_REPAIRS_MAX = 6 };

struct mutation {
    enum mutation_state state;
    enum plan_action_kind kind;
    uint64_t id, queued_ns, sequence;
    enum urgency urgency;
    uint32_t rank;
    uint32_t prepaid;   /* by op: a token was taken at admission and not used yet */
    struct arena arena; /* of the intent's slices */
    struct eni_intent intent;
    struct aws_id eni, instance;
    uint32_t ips, prefixes; /* ASSIGN */
    char attachment[64];
    bool created_now;    /* EC2 may not know the ENI everywhere yet */
    bool attach_unknown; /* an attach was sent and not answered */
    bool index_in_use;   /* EC2 says so: perhaps by our own attach, sent twice below us */
    bool attached;
    uint32_t repairs; /* repeats because of lag or unknown outcomes */
};

/* A binary heap of handles, the neediest first. */
struct queue {
    uint32_t *handles;
    uint32_t count, capacity;
};

enum queue_kind { QUEUE_ATTACH, QUEUE_ASSIGN, QUEUE_DELETE, QUEUE_COUNT };

/* ---- reads ---- */

struct instance_row {
    struct aws_id id;
    bool gone;      /* its place is free */
    bool wanted;    /* to be observed */
    bool looked_up; /* the search for the VPC has asked for it */
};

struct observe_batch {
    bool active, discovery; /* discovery: also looks for the VPC */
    struct aws_id ids[OBSERVE_BATCH_MAX];
    uint32_t count;
    struct page_rows enis;
};

/* A read that comes round: one at a time, page after page. */
struct cycle {
    uint64_t due_ns;   /* next begin */
    uint64_t asked_ns; /* begin of the last complete one; 0: never */
    uint64_t apart_ns; /* the least between two of them when they are asked for */
    uint32_t failures; /* in a row */
    bool busy;
    bool again; /* asked for after the one that is under way had begun */
    bool wanted;
    uint64_t began_ns;
    struct page_rows rows;
};

struct reads {
    struct aws_id vpc;
    bool several_vpcs_told;

    /* observe.c */
    struct instance_row *instances;
    uint32_t instance_count, instance_capacity;
    struct index instance_index;
    uint32_t *spare; /* places of instances that went */
    uint32_t spare_count, spare_capacity;
    uint32_t *wanted; /* places to be observed, in order */
    uint32_t wanted_count, wanted_capacity;
    uint64_t observe_due_ns, discover_due_ns;
    uint64_t observed_ns; /* when the last batch went */
    uint32_t discover_failures, observe_failures;
    struct observe_batch batches[OBSERVES_MAX];

    /* reads.c */
    struct cycle subnets, routes, sweep, groups, reservations;
    uint64_t subnet_pace_ns, sweep_pace_ns;
    bool watched;             /* see ec2_watched */
    struct arena route_arena; /* of the last complete read */
    struct ec2_route_table *route_rows;
    uint32_t route_count;
    bool routes_tried;
    bool prefixes_seen; /* somebody uses /28 prefixes: reservations matter */
    struct aws_id *subnet_ids;
    uint32_t subnet_count, subnet_capacity;
    struct ec2_subnet_reservation *reserved, *reserved_fresh;
    uint32_t reserved_count, reserved_fresh_count, reserved_capacity, reserved_fresh_capacity;
    uint32_t reservation_next; /* subnet to be asked for */

    /* types.c */
    struct interner type_names;
    uint32_t *type_waiting, *type_asked; /* handles of names */
    uint32_t type_waiting_count, type_waiting_capacity;
    uint32_t type_asked_count, type_asked_capacity;
    uint64_t type_due_ns;
    uint32_t type_failures;
    struct page_rows type_rows;
};

/* ---- health ---- */

struct op_health {
    enum cloud_code code;
    uint32_t failures; /* in a row */
    uint64_t at_ns;
    char message[ERROR_TEXT_MAX];
};

struct op_stats {
    uint64_t requests, throttled, failed, latency_sum_us, latency_count;
    struct {
        char code[48];
        uint64_t count;
    } codes[EC2_CODES_MAX];
    uint32_t code_count;
};

struct ec2 {
    struct ec2_environment env; /* in `arena` */
    struct arena arena;
    char user_agent[160];
    struct prng prng;
    uint64_t fetch_next;
    struct fetch_tls tls;

    /* the step */
    uint64_t now_ns, wall_ns;
    struct arena step;
    struct plan_event *events;
    uint32_t event_count, event_capacity;
    struct fetch_list *fetches;
    struct log_list *logs;

    struct identity identity;
    struct endpoint endpoint;     /* of EC2; known once identity.region is */
    uint64_t endpoint_generation; /* of the identity that it was made for; 0: none */
    int64_t skew_ns;              /* the server's clock minus ours */

    struct bucket buckets[EC2_OP_COUNT];
    struct op_stats stats[EC2_OP_COUNT];
    struct op_health health[EC2_OP_COUNT + 1]; /* the last: identity */
    enum cloud_code told_code;
    uint32_t told_op;
    bool told_once, answered_once;

    struct call calls[CALLS_MAX];
    uint64_t call_sequence;

    struct mutation *mutations;
    uint32_t mutation_count, mutation_capacity;
    uint32_t mutations_active; /* neither free nor queued */
    uint32_t mutation_hint;    /* no place before it is free */
    struct queue queues[QUEUE_COUNT];
    uint64_t mutation_sequence;
    uint64_t fence_ns;
    bool stopping;
    uint64_t deadline_ns;

    struct reads reads;
    uint64_t probes[EC2_PROBES_MAX]; /* ids; 0: the place is free */
};

/* ---- ec2.c: what every part needs ---- */

/* A zeroed event with its times set; valid until the next one is added. */
struct plan_event *ec2_event_add(struct ec2 *ec2, enum plan_event_kind kind);
struct slice ec2_step_copy(struct ec2 *ec2, struct slice s);
/* now + a full-jitter delay; attempt 0 is the first repeat. */
uint64_t ec2_backoff_ns(struct ec2 *ec2, uint64_t base_ns, uint64_t cap_ns, uint32_t attempt);
void ec2_earliest(uint64_t *deadline_ns, uint64_t at_ns);

/* ---- call.c ---- */

/* A fresh call whose form has Action and Version already; goes out with ec2_calls_run. */
struct call *ec2_call_new(struct ec2 *ec2, enum ec2_op op, uint32_t owner, call_done_fn *done);
/* From `done`, with a next token: the same call asks for its next page. Rows so far stay, unless
 * the call is `told`. */
void ec2_call_next_page(struct ec2 *ec2, struct call *call, struct slice token);
void ec2_pages_add(struct call *call, struct page_rows *rows, const void *items, uint32_t count,
                   size_t size);
bool ec2_calls_crowded(const struct ec2 *ec2); /* a new mutation had better wait */
void ec2_calls_repeat(struct ec2 *ec2);        /* sends what mutations have to repeat */
void ec2_calls_run(struct ec2 *ec2);           /* sends what may go */
void ec2_calls_reap(struct ec2 *ec2);          /* forgets what ended in the last step */
bool ec2_calls_fetch(struct ec2 *ec2, const struct fetch_event *event); /* false: not ours */
uint64_t ec2_calls_deadline_ns(struct ec2 *ec2);
void ec2_calls_done(struct ec2 *ec2);

/* ---- probe.c ---- */

void ec2_probe_add(struct ec2 *ec2, const struct ec2_probe *probe);

/* ---- codes.c ---- */

enum cloud_code ec2_classify(int status, struct slice code, struct slice message);
/* For people: the refused action is named, an encoded authorization message is cut off. */
struct slice ec2_denial_text(struct arena *arena, enum ec2_op op, struct slice code,
                             struct slice message);

/* ---- health.c ---- */

void ec2_health_note(struct ec2 *ec2, uint32_t op, enum cloud_code code, struct slice message);
void ec2_health_report(struct ec2 *ec2); /* an event when the whole has changed */
void ec2_count(struct ec2 *ec2, enum ec2_op op, struct slice code, uint64_t latency_ns);

/* ---- intent.c, queue.c ---- */

void ec2_mutation_add(struct ec2 *ec2, const struct plan_action *action);
void ec2_mutations_admit(struct ec2 *ec2);
uint64_t ec2_mutations_deadline_ns(struct ec2 *ec2);
void ec2_mutations_done(struct ec2 *ec2);

/* The neediest first: urgency, rank, then who waited longest. */
void ec2_queue_push(struct ec2 *ec2, enum queue_kind kind, uint32_t handle);
uint32_t ec2_queue_top(const struct ec2 *ec2, enum queue_kind kind); /* INDEX_NONE: empty */
void ec2_queue_pop(struct ec2 *ec2, enum queue_kind kind);

/* ---- reads.c, observe.c, types.c ---- */

void ec2_reads_init(struct ec2 *ec2, const struct ec2_config *config);
void ec2_reads_done(struct ec2 *ec2);
void ec2_reads_run(struct ec2 *ec2);
uint64_t ec2_reads_deadline_ns(struct ec2 *ec2);
void ec2_reads_subnets_now(struct ec2 *ec2);
void ec2_reads_sweep_now(struct ec2 *ec2); /* every ENI of the VPC */
void ec2_reads_subnet_pace(struct ec2 *ec2, uint32_t pace_ms);
void ec2_reads_vpc(struct ec2 *ec2, const struct aws_id *vpc);
/* What ENIs tell by the way: the use of prefixes, a second VPC. */
void ec2_reads_note_enis(struct ec2 *ec2, const struct eni *enis, uint32_t count);

void ec2_observe_instance(struct ec2 *ec2, const struct aws_id *instance);
void ec2_observe_instance_gone(struct ec2 *ec2, const struct aws_id *instance);
void ec2_observe_want(struct ec2 *ec2, const struct aws_id *instance, enum urgency urgency);
void ec2_observe_run(struct ec2 *ec2);
void ec2_observe_done(struct ec2 *ec2);
uint64_t ec2_observe_deadline_ns(struct ec2 *ec2);

void ec2_types_want(struct ec2 *ec2, struct slice name);
void ec2_types_run(struct ec2 *ec2);
void ec2_types_done(struct ec2 *ec2);
uint64_t ec2_types_deadline_ns(const struct ec2 *ec2);

#endif
