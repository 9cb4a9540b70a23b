/*
 * engine.h - the composition: routes typed events, actions and results between kube, plan and ec2.
 *
 * The only thing that controller/ and src/sim/ drive, so that what is proven is what runs. Keeps
 * the one merged deadline. Decides nothing about subnets, ENIs or Kubernetes objects; it carries,
 * counts and shows.
 */
#ifndef HEADROOM_ENGINE_H
#define HEADROOM_ENGINE_H

#include <headroom/ec2.h>
#include <headroom/kube.h>
#include <headroom/plan.h>
#include <headroom/snapshot.h>

struct engine;

struct engine_config {
    struct plan_config plan;
    struct kube_config kube;
    struct ec2_config ec2;
    struct slice version;
    /* to measure plan_step with, and for nothing else; NULL: not measured */
    uint64_t (*clock_ns)(void);
    /* Sees each event before the planner does, for what records the cluster as it is; what the
     * event points to is borrowed. NULL: nobody. */
    void (*witness)(void *witness_of, const struct plan_event *event);
    /* Likewise each action that the planner asks for. */
    void (*acted)(void *witness_of, const struct plan_action *action);
    void *witness_of;
};

struct engine *engine_new(const struct engine_config *config); /* deep copies */
void engine_free(struct engine *engine);

enum engine_input_kind { ENGINE_TICK, ENGINE_FETCH, ENGINE_STOP };

struct engine_input {
    enum engine_input_kind kind;
    uint64_t now_ns, wall_ns;
    struct fetch_event fetch; /* ENGINE_FETCH */
};

struct engine_output {
    struct fetch_list fetches; /* to start and to cancel, in order */
    struct log_list logs;
};

void engine_step(struct engine *engine, const struct engine_input *input,
                 struct engine_output *out);
uint64_t engine_deadline_ns(const struct engine *engine);

/* Both sides known, the first plan made: --once prints now; /readyz says so. */
bool engine_planned(const struct engine *engine);
/* What is still awaited: "nodes of the Kubernetes API", "credentials", "subnets"... in the arena.
 * Empty when planned. */
struct slice engine_awaits(const struct engine *engine, struct arena *arena);
/* After ENGINE_STOP: lease released, mutations ended or handed to the next start. */
bool engine_stopped(const struct engine *engine);

/* Grows with each change worth showing. */
uint64_t engine_sequence(const struct engine *engine);
/* A new picture; cost grows with pools, subnets and the nodes shown, not with the cluster. Caller
 * drops it. */
struct snapshot_ref *engine_snapshot(struct engine *engine, uint64_t now_ns, uint64_t wall_ns);

/* What the process has used so far, for the snapshots from now on. */
void engine_usage(struct engine *engine, double cpu_seconds, uint64_t resident_bytes);

/* Whether somebody looks at the snapshots; see ec2_watched. */
void engine_watched(struct engine *engine, bool watched);

/* For --once and explain: the planner itself, read-only, until the next step. */
struct planner *engine_planner(struct engine *engine);

#endif
