/*
 * nodes.h - the scenario's instances as Kubernetes nodes: Node objects, aws-node pods, agents and
 * kubelets, played against a real API server.
 *
 * Runs in a thread of its own with an io of its own; the modelled EC2 is shared under the caller's
 * lock, which is held for moments only and never while waiting. EC2's clock is io_now_ns(), read
 * under that lock. The caller must not hold the lock when it calls a function of this file. SIGTERM
 * and SIGINT are blocked from nodes_start on (io.h), so that they may reach this thread: on_stop.
 * Scenario keys: README.md, section "Nodes".
 */
#ifndef EC2SIM_NODES_H
#define EC2SIM_NODES_H

#include <pthread.h>

#include <headroom/buf.h>
#include <headroom/sim.h>

struct nodes;

struct nodes_config {
    struct slice scenario;      /* the same YAML that sim_ec2_new was given; copied */
    struct slice scenario_name; /* its path, for errors */
    const char *kubeconfig;     /* path */
    struct sim_ec2 *ec2;
    pthread_mutex_t *lock; /* of ec2 */
    uint64_t seed;
    void (*on_stop)(void *context); /* SIGTERM or SIGINT reached the nodes' thread; may be NULL */
    void *context;
};

/* Reads scenario and kubeconfig, then starts the thread, which registers the nodes by itself and
 * again after a loss. */
enum err nodes_start(const struct nodes_config *config, struct nodes **ret, struct error *error)
    ERR_CHECKED;
/* Ends the thread. Objects in the API server stay: a test or a person may look at them. NULL-safe.
 */
void nodes_stop(struct nodes *nodes);
/* For /_sim/nodes, one JSON object:
 *   ready: both watches run
 *   nodes[]: name, instance, zone, pods, waiting, agent{running, enis, addresses, assigned,
 *            cooling, created, adopted, freed, refused, ec2_calls, ec2_errors, cooldown}
 *   waits: served, refusals, p50_s, p99_s, max_s: from a pod's binding to its address */
void nodes_describe(struct nodes *nodes, struct buf *out);

#endif
