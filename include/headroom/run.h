/*
 * run.h - the engine on the real world: set up from flags and environment, driven by io, its plan
 * written for people.
 *
 * What headroom-controller and the `headroom` command have in common. The simulator has no use
 * for it.
 */
#ifndef HEADROOM_RUN_H
#define HEADROOM_RUN_H

#include <headroom/engine.h>
#include <headroom/io.h>

/* ---- setting up ---- */

struct run_options {
    /* a file; empty: KUBECONFIG (a list), ~/.kube/config, then the pod's service account */
    struct slice kubeconfig;
    struct slice context;      /* empty: the current one */
    struct slice namespace;    /* of the Lease */
    struct slice cluster_name; /* empty: learnt from the agent's settings */
    bool leader_elect;
    bool dry_run;   /* plans and reports, changes nothing in EC2 */
    bool read_only; /* changes nothing at all, not even a status or an event */
};

/* Everything in *ret lives in the arena or the environment. ERR_INVALID, ERR_NOT_FOUND: what the
 * user gave cannot be used, a retry would not help; the text says where it came from. */
enum err run_config(struct arena *arena, const struct run_options *options,
                    struct engine_config *ret, struct error *error) ERR_CHECKED;

/* ---- running ---- */

struct run {
    struct io *io;
    struct engine *engine;
    enum log_level level; /* records below it are dropped */
    bool plain_logs;      /* text rather than JSON */
    struct buf line;
};

void run_init(struct run *run, struct io *io, struct engine *engine);
void run_done(struct run *run); /* io and engine stay the caller's */

/* One engine_step, what it asks for begun, what it says logged to standard error. */
void run_step(struct run *run, enum engine_input_kind kind, const struct fetch_event *fetch);
/* Waits for what comes, until deadline_ns or the engine's own at the latest, and steps the engine
 * with all of it. */
void run_turn(struct run *run, uint64_t deadline_ns);
/* Until the first plan is made. ERR_TIMEOUT: the text says what is still awaited; ERR_CANCELLED:
 * asked to stop. */
enum err run_until_planned(struct run *run, uint64_t timeout_ns, struct error *error) ERR_CHECKED;
void run_log(struct run *run, const struct log_list *logs);

/* ---- the plan, for --once ---- */

/* {apiVersion: headroom.dev/v1alpha1, kind: Plan, ...}: docs/plan.md. */
void run_report_json(struct engine *engine, struct slice cluster_name, uint64_t wall_ns,
                     struct buf *out);
void run_report_text(struct engine *engine, struct slice cluster_name, struct buf *out);

#endif
