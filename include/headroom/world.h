/*
 * world.h - a simulated cluster in virtual time, for proof and for what-if questions.
 *
 *   scenario + seed --> world --> one column: the agent alone, with Headroom, or with an oracle
 *
 * The production engine (planner, Kubernetes and EC2 sides) runs inside, on bytes: against a
 * modelled API server and the modelled EC2. Agents, kubelets, a scheduler, deployments, autoscaler
 * and other tenants are modelled around it. The same scenario, seed and column give the same run,
 * to the byte. No clock, no I/O. The scenario's format: docs/simulator.md.
 */
#ifndef HEADROOM_WORLD_H
#define HEADROOM_WORLD_H

#include <headroom/arena.h>
#include <headroom/engine.h>
#include <headroom/slice.h>

enum world_column {
    WORLD_AGENT,    /* nodes' agents alone */
    WORLD_HEADROOM, /* and the controller */
    /* a pod that is refused gets an address at once wherever one is to be had: the lower bound */
    WORLD_ORACLE,
    WORLD_COLUMNS
};

const char *world_column_name(enum world_column column); /* "agent", "headroom", "oracle" */

enum { WORLD_SCENARIO_MAX = 64 << 20 }; /* bytes */

struct world_config {
    struct slice scenario; /* YAML; copied */
    struct slice name;     /* of the scenario, for messages */
    uint64_t seed;
    enum world_column column;
    double scale; /* of nodes, pods and addresses; 0: 1 */
    bool faults;  /* besides the scenario's, faults drawn from the seed */
    bool check;   /* invariants, at every step */
    /* The controller's witnesses, see engine.h; NULL: nobody */
    void (*witness)(void *witness_of, const struct plan_event *event);
    void (*acted)(void *witness_of, const struct plan_action *action);
    void *witness_of;
};

struct world;

/* The error names the scenario, line and field, and what would be right. */
enum err world_new(const struct world_config *config, struct world **ret, struct error *error)
    ERR_CHECKED;
void world_free(struct world *world);

/* Runs until this time since the begin, or the end. False: it is over. */
bool world_run(struct world *world, uint64_t until_ns);
uint64_t world_now_ns(const struct world *world);          /* since the begin */
uint64_t world_duration_ns(const struct world *world);     /* the scenario's */
struct slice world_description(const struct world *world); /* of its file; empty: none */

/* A pod waits from the kubelet's first refused attempt until it has an address. */
struct world_result {
    double stall_s; /* all waits added up */
    double
        /* of it: while the node's zone had a free address in a permitted subnet and the node room
         * for it */
        avoidable_stall_s;
    uint64_t pods_started, pods_waited;
    double wait_p99_s, wait_max_s; /* over all pods that were bound */
    uint32_t waiting, unscheduled; /* at the end */
    uint64_t enis_attached;        /* by anybody, primaries left out */
    uint64_t enis_preattached;     /* of them by the controller */
    uint32_t addresses_held_max;   /* by the cluster's ENIs, at one time */
    uint64_t ec2_calls;            /* by anybody */
    uint64_t controller_calls;     /* of them by the controller */
    uint64_t controller_mutations; /* of those: not Describe */
    uint64_t
        flaps; /* an ENI of the controller's that an agent freed within ten minutes of its attach */
    uint64_t launch_failures; /* instances for which there was no address */
    uint64_t steps, violations;
    uint32_t nodes_max;
};

void world_result(const struct world *world, struct world_result *ret);

/* What was wrong: the first few hundred. */
struct world_violation {
    uint64_t at_ns;
    char text[320];
};

const struct world_violation *world_violations(const struct world *world, uint32_t *ret_count);

/* What users would see: the status and reason of a node's condition, as slices of the world until
 * it runs on; and whether an Event with this reason was written about an object of this name.
 * False: there is none; always in the columns without Headroom. */
bool world_condition(const struct world *world, struct slice node, struct slice type,
                     struct slice *ret_status, struct slice *ret_reason);
bool world_told(const struct world *world, struct slice reason, struct slice name);

/* What can be played and was hardly meant, one sentence each, with its line: a pool that selects
 * nothing, a demand after the end. Known from the begin. */
const struct slice *world_remarks(const struct world *world, uint32_t *ret_count);

/* Samples at even distances, for plots. */
struct world_series {
    uint32_t count, subnet_count;
    const uint64_t *at_ns;
    const uint32_t *waiting, *enis, *addresses; /* [count] */
    const uint32_t *free;                       /* [count * subnet_count] */
    const struct slice *subnets;                /* names or ids */
    const uint32_t *totals;                     /* usable addresses of each */
};

void world_series(const struct world *world, struct world_series *ret);

/* Happenings as lines "12.345s node-1 ...", oldest first, the first few thousand: for people who
 * look for a cause. */
struct slice world_trace(const struct world *world);

#endif
