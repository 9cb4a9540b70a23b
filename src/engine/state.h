/*
 * state.h - what the files of src/engine share.
 *
 *              +--> plan_step --> actions, copied --> queue --+
 *   kube_step -+     ^                                        |   drained until empty, in order,
 * within one engine_step ec2_step --------+   <-- attach, observe ...  <-----------+ kube_step <--
 * event, status, condition <-------+
 *
 * A machine's output lives until its own next step, so an action is copied before anyone is stepped
 * with it, and fetches and logs are copied into the step's arena.
 */
#ifndef HEADROOM_ENGINE_STATE_H
#define HEADROOM_ENGINE_STATE_H

#include <headroom/engine.h>
#include <headroom/index.h>

enum { HAPPENINGS_MAX = 256, SHOWN_NODES_MAX = 300, REACTIONS_MAX = 64 };

/* The upper byte of a fetch's id says whose it is. */
#define FETCH_KUBE (UINT64_C(1) << 56)
#define FETCH_EC2 (UINT64_C(2) << 56)
#define FETCH_OWNER (UINT64_C(0xff) << 56)

/* Which instance a node is: the EC2 side knows instances only, and wants to hear of each once. */
struct engine_node {
    char *name;             /* owned; NULL: the row is free */
    struct aws_id instance; /* "": not told to EC2 */
    bool covered;           /* its ENIs have been read */
    uint64_t told_ns;       /* when EC2 heard of it */
};

/* An attach, assign or delete that has not ended. */
struct engine_action {
    uint64_t id, begun_ns;
    enum plan_action_kind kind;
    bool attached;
};

/* An instance that news from Kubernetes made us act for, until a change of it has gone out. */
struct reaction {
    uint64_t news_ns; /* 0: a free place */
    struct aws_id instance, eni;
    bool begun;
    uint64_t first, change; /* fetches whose answer will say when they went; 0: none */
};

struct engine_happening {
    struct happening seen; /* its texts point into text */
    char *text;
};

struct engine {
    struct planner *planner;
    struct kube *kube;
    struct ec2 *ec2;
    uint64_t (*clock_ns)(void);
    void (*witness)(void *witness_of, const struct plan_event *event);
    void (*acted)(void *witness_of, const struct plan_action *action);
    void *witness_of;
    bool dry_run;
    char *version, *cluster_name; /* owned; "" cluster: not known yet */

    uint64_t now_ns, wall_ns, started_ns, started_wall_ns;
    bool started, stopping, kube_stopping;

    struct arena step; /* of the output */
    struct engine_output *out;
    struct plan_action *queue; /* what it points to is in step */
    uint32_t queue_head, queue_count, queue_capacity;
    uint64_t fence_ns;
    bool fence_told;

    struct engine_node *nodes; /* rows */
    uint32_t node_count, node_capacity;
    uint32_t *free_rows;
    uint32_t free_count, free_capacity;
    struct index by_name, by_instance;
    uint32_t instances, uncovered;

    struct interner types; /* instance types that were asked for */
    bool *type_known;
    uint32_t types_known, type_capacity;

    bool kube_synced, subnets_seen, leader, planned;
    enum cloud_code cloud_code;
    char cloud_message[ERROR_TEXT_MAX];

    struct engine_action *actions;
    uint32_t action_count, action_capacity;
    uint64_t sequence;
    struct engine_happening happenings[HAPPENINGS_MAX]; /* a ring by sequence */
    uint64_t happening_count;
    struct histogram attach_seconds, plan_seconds, reaction_seconds, change_seconds;
    uint64_t news_ns; /* when what this step works on came from Kubernetes; 0: it did not */
    struct reaction reactions[REACTIONS_MAX]; /* the oldest gives way */
    uint32_t reaction_next;
    uint64_t enis_attached, enis_failed, enis_deleted, plan_events, user_events;
    double cpu_seconds;
    uint64_t resident_bytes;

    struct arena view; /* the nodes as last looked at, see picture.c */
    struct snapshot_node *view_nodes;
    uint32_t view_count, view_total;
    uint64_t view_waiting;
    uint32_t view_decisions[PLAN_DECISION_CloudQuota + 1];
    uint64_t view_ns;
    bool view_made, watched;
};

/* ---- routing (route.c) ---- */

void engine_run_kube(struct engine *engine, struct kube_input *input);
void engine_run_ec2(struct engine *engine, struct ec2_input *input);
void engine_run_plan(struct engine *engine, const struct plan_event *event);
/* Until every action has been carried where it belongs. */
void engine_drain(struct engine *engine);

/* ---- what is known of nodes, and how far the start has come (progress.c) ---- */

void progress_init(struct engine *engine);
void progress_done(struct engine *engine);
/* After the planner has heard of it. */
void progress_event(struct engine *engine, const struct plan_event *event);
void progress_need_type(struct engine *engine, struct slice name);
/* After a node event: what EC2 is to hear. False: nothing. Called until it says so. */
bool progress_node(struct engine *engine, const struct node *node, struct ec2_input *ret);
bool progress_node_gone(struct engine *engine, struct slice name, struct ec2_input *ret);

/* ---- counting and showing (account.c, picture.c) ---- */

void account_action(struct engine *engine, const struct plan_action *action);
void account_event(struct engine *engine, const struct plan_event *event);
void account_done(struct engine *engine);

/* ---- how soon we act (reaction.c) ---- */

void reaction_init(struct engine *engine);
/* An action of the planner's, before it is carried to EC2. */
void reaction_needed(struct engine *engine, const struct plan_action *action);
/* EC2 requests that the step begins. */
void reaction_begun(struct engine *engine, const struct fetch_list *fetches);
void reaction_answered(struct engine *engine, const struct fetch_event *event);

/* ---- deep copies (copy.c) ---- */

void copy_fetches(struct fetch_list *to, const struct fetch_list *from);
void copy_log(struct log_list *to, const struct log_record *record);
void copy_action(struct arena *arena, const struct plan_action *from, struct plan_action *ret);
void copy_pool_status(struct arena *arena, const struct pool_status *from, struct pool_status *ret);
char *copy_text(struct slice s); /* mem_free */

#endif
