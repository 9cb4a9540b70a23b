/*
 * state.h - the rows of a simulated cluster, shared by its files. Private to src/sim.
 *
 *   world.c     virtual time: whose turn is next
 *   scenario.c  the scenario's keys that are not EC2's
 *   remarks.c   whether names in it mean something, and what was hardly meant
 *   net.c       requests under way between the controller and the modelled servers
 *   nodes.c     instances, agents, Node objects
 *   pods.c      kubelets: a pod asks for its address, waits, runs, ends
 *   work.c      Deployments, Jobs and the scheduler
 *   demand.c    what happens when: waves, churn, drains
 *   faults.c    what goes wrong, and when it heals
 *   check.c     what must never be
 *   measure.c   waits, avoidable or not; series
 *
 * Rows are named by their place. Each kind of row has a queue of deadlines; the earliest of all is
 * the next step, equal ones go in the order of the queues, so that a run repeats.
 */
#ifndef SIM_WORLD_STATE_H
#define SIM_WORLD_STATE_H

#include <headroom/kube_wire.h>
#include <headroom/timers.h>
#include <headroom/timestamp.h>
#include <headroom/world.h>

#include "../agent/agent.h"
#include "../apiserver/apiserver.h"
#include "../ec2/state.h"

#define WORLD_BEGIN_NS (1000 * SIM_S)                      /* monotonic time has been running */
#define WORLD_BEGIN_WALL_NS (UINT64_C(1767225600) * SIM_S) /* 2026-01-01T00:00:00Z */

enum {
    CALLS_MAX = 256,
    REPLICAS = 1,
    OWN_ENIS = 16,
    VIOLATIONS_MAX = 256,
    SAMPLES = 720,
    GROUP_TEXT = 64
};

/* ---- requests under way ---- */

enum call_phase { CALL_UP, CALL_DOWN, CALL_STREAM, CALL_END };

struct world_call {
    bool used, orphan; /* orphan: who asked is gone, what was asked is still done */
    uint64_t id;
    enum call_phase phase;
    uint64_t at_ns;    /* when the phase goes on */
    uint64_t limit_ns; /* total_ms */
    uint64_t idle_ns, heard_ns;
    struct arena arena;
    enum fetch_kind kind;
    const char *method;
    struct slice target, body;
    struct fetch_header *headers;
    size_t header_count;
    size_t response_max;
    bool to_kube;
    int status;
    struct slice content_type, answer;
    size_t cut_after;
    uint32_t watch;     /* API_NONE */
    struct error error; /* of its END */
};

/* ---- nodes ---- */

struct own_eni { /* an ENI that the controller attached to the node */
    struct aws_id id;
    uint64_t attached_ns;
    bool needed; /* pods waited when it came, or until the agent knew it */
    bool served; /* a pod has had an address of it */
    bool bet;    /* its agent, which gives surplus back, had all that it wants when it came */
};

struct world_group { /* a row of the scenario's instances */
    struct slice name, type, subnet, node;
    const struct pair *labels, *annotations;
    uint32_t label_count, annotation_count;
    struct api_taint taints[API_TAINTS_MAX];
    uint32_t taint_count;
    uint32_t max_pods, launched;
};

enum node_phase { NODE_OFF, NODE_LAUNCHING, NODE_UP, NODE_LEAVING };

struct world_node {
    enum node_phase phase;
    char name[GROUP_TEXT];
    struct aws_id instance;
    struct instance_type type;
    uint32_t group, instance_row, zone; /* zone: interned in world->zones */
    uint32_t pool;                      /* row; ROW_NONE */
    uint32_t primary_subnet;            /* row of EC2's */
    uint32_t api;                       /* row; API_NONE: no API server in this column */
    uint32_t agent_pod;                 /* row of the API server's pods */
    struct sim_agent *agent;
    bool ready, agent_ready, cordoned, tainted;
    uint32_t max_pods; /* for pods with an address of their own */
    uint32_t pods, waiting;
    uint32_t first_pod; /* list through pods */
    uint64_t leaves_ns; /* autoscaler; 0: stays */
    uint64_t seen_freed, seen_created;
    struct own_eni own[OWN_ENIS];
    uint32_t own_count, flaps;
    uint64_t flapped_ns; /* the last flap */
    /* measure */
    uint64_t accounted_ns;
    bool helpable;
    /* oracle: addresses lent to pods, as if on ENIs of its own */
    uint32_t lent, lent_enis;
};

/* ---- pods ---- */

enum pod_phase { POD_FREE, POD_PENDING, POD_ASKING, POD_RUNNING, POD_ENDED };

struct world_pod {
    enum pod_phase phase;
    uint32_t workload, number;
    uint32_t node, next, prev; /* list of its node */
    uint32_t place;            /* in its workload's list */
    uint32_t generation;
    uint64_t bound_ns, refused_ns, ends_ns; /* refused_ns: first time; 0: never */
    uint64_t lifetime_ns;
    uint32_t tries, ip;
    uint32_t lent_subnet; /* oracle: where its address is from; ROW_NONE */
    bool waiting;
};

struct workload {
    struct slice name;
    uint32_t name_id; /* in the API server */
    bool job;
    uint32_t *pods, count, capacity;
    uint32_t next_number;
    uint32_t generation, restart_left, surge, surging;
    uint32_t fresh; /* so many of pods[], from the first, are of this generation */
    uint64_t lifetime_ns;
};

/* ---- demand and faults: data ---- */

enum act_kind {
    ACT_DO_PODS,
    ACT_DO_JOBS,
    ACT_DO_SCALE,
    ACT_DO_RESTART,
    ACT_DO_NODES,
    ACT_DO_REMOVE,
    ACT_DO_EVACUATE,
    ACT_DO_CORDON,
    ACT_DO_VANISH,
    ACT_DO_DRAIN,
    ACT_DO_AGENTS
};

struct act {
    enum act_kind kind;
    struct slice name;
    struct slice on; /* pods: the node that they are bound to; empty: the scheduler chooses */
    uint64_t at_ns, every_ns, until_ns, lifetime_ns, over_ns;
    uint32_t count, from, begun, line;
    bool started;
    uint64_t started_ns;
};

enum world_fault_kind {
    BREAK_LAG,
    BREAK_THROTTLE,
    BREAK_ERROR,
    BREAK_LOST_REPLY,
    BREAK_LOST_REQUEST,
    BREAK_CUT,
    BREAK_LATENCY,
    BREAK_CRASH,
    BREAK_SILENCE,
    BREAK_API,
    BREAK_COMPACT,
    BREAK_STEAL,
    BREAK_CLOCK,
    BREAK_KINDS
};

struct world_fault {
    enum world_fault_kind kind;
    uint64_t at_ns, for_ns;
    double share;       /* of requests that are hit */
    uint64_t amount_ns; /* lag, latency, jump */
    bool on;
    uint64_t id; /* of EC2's fault */
};

struct world_pool {
    struct pool pool;
    struct slice spec_json;
    bool *subnets; /* by EC2's row: selected */
};

struct wait_bucket {
    uint64_t count;
};

enum { WAIT_BUCKETS = 2048 };

struct world {
    struct world_config config;
    const struct doc *top; /* the scenario */
    struct arena arena, scratch;
    struct sim_ec2 *ec2;
    struct api *api;        /* NULL: no controller in this column */
    struct engine *engine;  /* NULL: down, or none */
    uint64_t engine_due_ns; /* its deadline, which changes in its steps alone */
    uint64_t engine_back_ns, incarnation;
    struct prng prng, net_prng;
    uint64_t now_ns, begin_ns, end_ns, heal_ns;
    uint64_t memory_ns; /* since when the controller has watched: a new one knows nothing before */
    int64_t clock_jump_ns; /* of the controller's wall clock */
    uint64_t steps;
    struct interner zones;

    struct agent_settings settings;
    struct slice daemonset_spec;
    const struct doc *env;
    struct eniconfig *eniconfigs;
    uint32_t eniconfig_count;
    uint64_t retry_ns; /* the kubelet's back-off */
    bool serving;      /* agents that are there from the begin are not started then */
    struct world_pool *pools;
    uint32_t pool_count;
    struct world_group *groups;
    uint32_t group_count;

    struct world_call calls[CALLS_MAX];
    uint32_t call_count; /* from there on none was ever used */
    struct timers call_timers, agent_timers, node_timers, pod_timers, act_timers, fault_timers;
    struct world_node *nodes;
    uint32_t node_count, node_capacity, nodes_up;
    uint32_t *node_of_instance; /* by row of EC2's; ROW_NONE */
    uint32_t node_of_instance_count, node_of_instance_capacity;
    struct timers load; /* nodes that take pods, by load: the scheduler's order */
    struct world_pod *pods;
    uint32_t pod_count, pod_capacity;
    uint32_t *free_pods;
    uint32_t free_pod_count, free_pod_capacity;
    uint32_t *pending; /* FIFO of pods without a node */
    uint32_t pending_begin, pending_count, pending_capacity;
    bool schedule;
    struct workload *workloads;
    uint32_t workload_count, workload_capacity;
    struct act *acts;
    uint32_t act_count, act_capacity;
    struct world_fault *faults;
    uint32_t fault_count, fault_capacity;
    bool silent, api_down;
    uint64_t stolen_until_ns, steal_next_ns;
    uint64_t token_ns; /* when the bearer token changes */
    uint32_t tokens;

    /* measure */
    uint64_t sample_ns, sample_every_ns;
    uint64_t *sample_at;
    uint32_t *sample_waiting, *sample_enis, *sample_addresses, *sample_free;
    uint32_t sample_count;
    struct slice *subnet_names;
    uint32_t *subnet_totals;
    uint32_t waiting;
    uint64_t waits[WAIT_BUCKETS]; /* pods by wait, in units that grow */
    struct world_result result;
    double stall_ns, avoidable_ns;
    uint64_t agents_created, agents_calls; /* of agents that are gone */
    double wait_max_s;

    /* check */
    uint64_t check_ns, quiet_since_ns, minute_calls, minute_pods;
    uint32_t minute_actions[ACT_COUNT];
    uint32_t *calm_free; /* by row of a subnet: free addresses, and since when so many */
    uint64_t *calm_ns;
    uint64_t moved_ns; /* when an agent last made or freed an ENI, or others took addresses */
    uint32_t *made;    /* by intent, interned by EC2: the latest ENI made for it; ROW_NONE */
    uint32_t made_count, made_capacity;
    uint8_t *leaks; /* by row of an ENI: minutes that it is ours and attached to nothing */
    uint32_t leak_capacity;
    struct world_violation *violations;
    uint32_t violation_count;
    struct buf trace;
    struct slice *remarks; /* on the scenario, for people */
    uint32_t remark_count, remark_capacity;
};

/* world.c */
uint64_t world_wall_ns(const struct world *world);            /* true time */
uint64_t world_controller_wall_ns(const struct world *world); /* as its clock shows */
void world_start_engine(struct world *world);
void world_stop_engine(struct world *world); /* kill -9 */
void world_note(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number that depends on the seed and on who asks, not on when. */
uint64_t world_draw(const struct world *world, uint64_t who, uint64_t what, uint64_t below);

/* scenario.c */
enum err world_read_scenario(struct world *world, struct error *error) ERR_CHECKED;

/* remarks.c */
/* Demands that name a node, a group, a zone or a workload that is not there. */
enum err world_check_names(struct world *world, struct error *error) ERR_CHECKED;
void world_remark_all(struct world *world);

/* net.c */
void world_net_take(struct world *world, const struct fetch_list *list);
void world_net_due(struct world *world, uint32_t slot);
void world_net_crash(struct world *world);    /* nobody waits for any answer */
void world_net_api_lost(struct world *world); /* connections to the API server break */
void world_net_watches(struct world *world);  /* watches have bytes: when they arrive */
/* The engine gets it, what it asks for is sent. */
void world_step_engine(struct world *world, const struct fetch_event *event);

/* nodes.c */
void world_nodes_begin(struct world *world);
uint32_t world_node_launch(struct world *world, uint32_t group, uint64_t lifetime_ns);
void world_node_due(struct world *world, uint32_t node);
void world_agent_due(struct world *world, uint32_t node);
void world_agent_changed(struct world *world, uint32_t node); /* after any call into the agent */
void world_node_cordon(struct world *world, uint32_t node, bool on);
void world_node_remove(struct world *world, uint32_t node, bool gracefully);
void world_node_load(struct world *world, uint32_t node); /* its place in the scheduler's order */
uint32_t world_node_find(const struct world *world, struct slice name);
uint32_t world_node_of_instance(const struct world *world, uint32_t instance_row);

/* pods.c */
void world_pod_bind(struct world *world, uint32_t pod, uint32_t node);
void world_pod_due(struct world *world, uint32_t pod);
void world_pod_end(struct world *world, uint32_t pod); /* deleted, with what it holds */
uint32_t world_pod_new(struct world *world, uint32_t workload, uint64_t lifetime_ns);

/* work.c */
uint32_t world_workload(struct world *world, struct slice name, bool job);
void world_schedule(struct world *world);
void world_work_running(struct world *world, uint32_t pod);
void world_work_scale(struct world *world, uint32_t workload, uint32_t count);
/* More pods, all of them on this node; should they be lost, the scheduler finds them another. */
void world_work_place(struct world *world, uint32_t workload, uint32_t count, uint32_t node);
void world_work_restart(struct world *world, uint32_t workload, uint32_t surge);
/* A Deployment puts another one in its place. */
void world_work_lost(struct world *world, uint32_t pod);
void world_work_ended(struct world *world, uint32_t pod); /* its lifetime is over */

/* demand.c */
void world_demand_begin(struct world *world);
void world_act_due(struct world *world, uint32_t act);

/* faults.c */
void world_faults_begin(struct world *world);
void world_faults_draw(struct world *world);
void world_fault_due(struct world *world, uint32_t fault);
uint64_t world_steal_deadline_ns(const struct world *world);
void world_steal_due(struct world *world);

/* check.c */
void world_violate(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A request of the controller's that EC2 has answered. */
void world_check_call(struct world *world, enum sim_action action, struct slice params, int status,
                      struct slice answer);
void world_check_agent(struct world *world, uint32_t node); /* an agent has freed an ENI */
void world_check_served(struct world *world, uint32_t node, uint32_t ip); /* a pod has it now */
void world_check_refused(struct world *world, uint32_t node);             /* a pod begins to wait */
void world_check_forget(struct world *world); /* a new controller cannot know what was freed */
void world_check_due(struct world *world);    /* each minute */
void world_check_end(struct world *world);
void world_check_wait(struct world *world, uint32_t pod); /* refused again: is there a reason? */

/* measure.c */
void world_measure_begin(struct world *world);
void world_account(struct world *world,
                   uint32_t node); /* before its waiting pods or slots change */
bool world_helpable(struct world *world, uint32_t node);
/* Its tags keep pods' addresses out of it, whatever a pool says. */
bool world_excluded(const struct world *world, uint32_t subnet);
void world_waited(struct world *world, const struct world_pod *pod);
void world_sample(struct world *world);
void world_measure_end(struct world *world);
/* Oracle: an address for this pod, if the node's zone has one and the node a place for it. */
bool world_oracle_lend(struct world *world, uint32_t pod);
void world_oracle_return(struct world *world, uint32_t pod);

#endif
