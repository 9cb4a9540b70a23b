/*
 * plan_fixture.h - a small cluster for the planner's stories: given it, when this happens, then
 * these actions.
 *
 *     struct story *s = story_begin();
 *     story_subnet(s, "a", 3);                      // subnet-a, us-west-2a, a /24 with 3 free
 *     story_subnet(s, "b", 200);
 *     story_node(s, "n1", "t3.medium", "a", 5);     // its primary ENI with 5 addresses for pods
 *     story_pool(s, "default");                     // selects all subnets and nodes
 *     story_go(s);                                  // lists, lease, first reads
 *     story_pods(s, "n1", 5, 1);                    // 5 hold an address, 1 waits
 *     story_saw(s, "attach n1 subnet-b ips=4 index=2 waiting");
 *     story_end(s);
 *
 * The fixture answers what the planner asks: reads of ENIs and subnets at once from its own world,
 * orders after 600 ms with success, unless the story says otherwise. It is no simulator: agents do
 * only what the story says.
 */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include <headroom/plan.h>

#include "test.h"

#define STORY_S UINT64_C(1000000000)

enum { STORY_TAGS = 4, STORY_IPS = 64, STORY_MANY = 64, STORY_NODES = 320, STORY_ORDERS = 2048 };

struct story_subnet {
    struct aws_id id;
    const char *zone, *vpc;
    uint32_t base;
    uint8_t bits;
    uint32_t free; /* what EC2 tells */
    bool usable, gone;
    enum route_kind route;
    struct pair tags[STORY_TAGS];
    uint32_t tag_count;
    struct cidr_reservation reservations[2];
    uint32_t reservation_count;
};

struct story_eni {
    struct aws_id id, subnet, instance;
    uint32_t index, card, ip_count, prefix_count;
    uint32_t ips[STORY_IPS], prefixes[STORY_IPS];
    uint32_t primary_ip;
    enum eni_type type;
    enum eni_status status;
    bool delete_on_termination, hidden; /* hidden: EC2's reads lag behind */
    struct pair tags[16];
    uint32_t tag_count;
};

struct story_node {
    const char *name, *type, *zone;
    struct aws_id instance;
    struct pair labels[STORY_TAGS];
    uint32_t label_count;
    struct node node; /* what is told; the fields above are filled in */
    uint32_t holding, waiting, branch;
};

/* One order of the planner that has not ended. */
struct story_order {
    struct plan_action action;
    char node[64];
    bool open;
    uint64_t due_ns;
    struct aws_id eni;
};

struct story {
    struct planner *planner;
    struct plan_config config;
    struct arena arena;
    uint64_t now_ns, wall_ns, began_ns; /* began: for what is shown */
    struct agent_settings agent;
    struct story_subnet subnets[STORY_MANY];
    struct story_eni enis[STORY_ORDERS];
    struct story_node nodes[STORY_NODES];
    struct pool pools[8];
    uint32_t subnet_count, eni_count, node_count, pool_count, next_eni;
    struct story_order orders[STORY_ORDERS];
    uint32_t order_count;
    bool gone;     /* story_go was called */
    uint32_t page; /* ENIs of a page of a sweep; 0: all */
    bool deaf;     /* reads are not answered */
    bool reversed; /* the newest ENI, tag, label is listed first */
    bool holds;    /* orders wait for story_ends */
    bool show_reads, show_status;
    bool show_all; /* also when, log records, statuses in full: plan_retell_test.c */
    uint32_t pace_ms;
    uint64_t read_ns; /* last read of the subnets */
    uint32_t observes, sweeps, subnet_reads, statuses, events, ticks;
    struct pool_status status; /* the last one that was to be written, arrays in the arena */
    struct slice status_lines[2][STORY_MANY]; /* of the first two pools, as last told */
    bool condition_short;
    char trace[262144];
    size_t trace_len;
};

/* Shared by the fixture's two files. */
const char *story_text(struct story *s, const char *format, const char *a, uint32_t n);
struct aws_id story_id(const char *value);
struct story_subnet *story_subnet_of(struct story *s, const char *id);
struct story_node *story_node_of(struct story *s, const char *name);
struct story_node *story_instance_of(struct story *s, const struct aws_id *instance);
void story_note(struct story *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fails the test where the planner's rows contradict each other; each story ends with it. */
void story_audit(struct story *s);
/* Begins and ends what a step has put out, where all is shown. */
void story_retell_begin(struct story *s, const struct plan_actions *out);
void story_retell_end(struct story *s, const struct plan_actions *out);

struct story *story_begin(void);
/* Begun: a pool, n1 with so many addresses for pods in subnet-a, and what a and b have free. */
struct story *story_one(const char *type, uint32_t ips, uint32_t a, uint32_t b);
/* Begun: subnet-a is empty, b has room, and a pod waits on n1, a t3.medium with its 5 addresses in
 * use. Held: orders end when the story says so. */
struct story *story_needy(void);
struct story *story_needy_held(void);
void story_end(struct story *s);

struct story_subnet *story_subnet(struct story *s, const char *letter, uint32_t free);
struct story_node *story_node(struct story *s, const char *name, const char *type,
                              const char *letter, uint32_t ips);
/* One more ENI, as the agent would have made it. */
struct story_eni *story_eni(struct story *s, const char *node, const char *letter, uint32_t index,
                            uint32_t ips, uint32_t prefixes);
struct pool *story_pool(struct story *s, const char *name);
void story_tag(struct story_subnet *subnet, const char *key, const char *value);
void story_label(struct story_node *node, const char *key, const char *value);

/* Tells everything: agent, pools, nodes, pods, synced, lease, subnets, sweep. */
void story_go(struct story *s);
/* The same, in pieces. */
void story_tell_kube(struct story *s);
void story_step(struct story *s, struct plan_event *event); /* fills in the time */
void story_send_node(struct story *s, const char *name);
void story_send_pool(struct story *s, const char *name);
void story_lease(struct story *s, bool leader);

void story_pods(struct story *s, const char *node, uint32_t holding, uint32_t waiting);
void story_agent_pod(struct story *s, const char *node, bool ready);
void story_free(struct story *s, const char *letter, uint32_t free); /* and EC2 is read */
void story_read(struct story *s);                                    /* the subnets */
void story_enis(struct story *s, const char *node);                  /* the node's ENIs */
void story_sweep(struct story *s);
/* So many of its first pages, and then it breaks off. */
void story_sweep_part(struct story *s, uint32_t pages);
/* Time passes: deadlines are met, subnets are read at the asked pace, orders end. */
void story_wait(struct story *s, double seconds);

/* The oldest order that is open ends so. */
void story_ends(struct story *s, enum cloud_stage stage, enum cloud_code code, const char *eni);
struct story_order *story_order(struct story *s); /* NULL: none is open */
struct story_eni *story_find_eni(struct story *s, const char *id);
void story_forget_eni(struct story *s, const char *id); /* the agent frees it */

enum plan_decision_kind story_kind(struct story *s, const char *node);
struct plan_decision story_decision(struct story *s, const char *node);

/* The trace since the last look: one line an action. Looking empties it. */
#define story_saw(s, line) story_saw_at((s), (line), __FILE__, __LINE__)
#define story_saw_not(s, line) story_saw_not_at((s), (line), __FILE__, __LINE__)
#define story_saw_nothing(s) story_saw_nothing_at((s), __FILE__, __LINE__)
#define story_trace_is(s, golden) story_trace_is_at((s), (golden), __FILE__, __LINE__)
#define story_is(s, node, decision) story_is_at((s), (node), (decision), __FILE__, __LINE__)
void story_saw_at(struct story *s, const char *line, const char *file, int line_number);
void story_saw_not_at(struct story *s, const char *line, const char *file, int line_number);
void story_saw_nothing_at(struct story *s, const char *file, int line_number); /* no attach, assign,
                                                                                  delete */
void story_trace_is_at(struct story *s, const char *golden, const char *file, int line_number);
void story_is_at(struct story *s, const char *node, enum plan_decision_kind kind, const char *file,
                 int line_number);
void story_forget(struct story *s);
uint32_t story_count(const struct story *s, const char *part); /* lines with the part */

#endif
