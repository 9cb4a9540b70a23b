/*
 * snapshot.h - an immutable picture of the controller, made by the engine and shown by web.
 *
 * Built in one arena, handed over by pointer and reference counted: the thread of the page reads
 * it while control goes on.
 */
#ifndef HEADROOM_SNAPSHOT_H
#define HEADROOM_SNAPSHOT_H

#include <headroom/ec2.h>
#include <headroom/kube.h>
#include <headroom/plan.h>

enum { HISTOGRAM_BUCKETS = 16 };

/* Upper bounds in seconds, ascending; the last one is +Inf and not stored. */
struct histogram {
    double bounds[HISTOGRAM_BUCKETS];
    uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* not cumulative */
    uint32_t bound_count;
    uint64_t count;
    double sum;
};

void histogram_init(struct histogram *histogram, const double *bounds, uint32_t count);
void histogram_add(struct histogram *histogram, double value);

/* A decision or happening, newest last. */
struct happening {
    uint64_t wall_ns;
    uint64_t sequence;  /* grows by one with each happening of the process */
    const char *reason; /* name of an event_reason */
    bool warning, on_node;
    struct slice name, message;
};

struct snapshot_node {
    struct slice name, zone, pool;
    enum plan_decision_kind kind;
    struct slice detail;
    uint32_t addresses, holding, waiting, enis, eni_limit, stall_in_s;
};

struct snapshot {
    uint64_t sequence, now_ns, wall_ns;
    struct slice version, cluster_name;
    bool live;                      /* the loop turns */
    bool ready;                     /* synced with Kubernetes and EC2: /readyz */
    struct slice not_ready_because; /* what is awaited, and since when it fails */
    bool leader, dry_run;
    const struct pool_status *pools; /* deep */
    uint32_t pool_count;
    /* at most a few hundred: the neediest first; totals are in pools */
    const struct snapshot_node *nodes;
    uint32_t node_count, node_total;
    uint64_t pods_waiting; /* on all nodes, those that are not among `nodes` included */
    uint32_t decisions[PLAN_DECISION_CloudQuota + 1]; /* nodes by decision */
    const struct happening *happenings;               /* the last few hundred */
    uint32_t happening_count;
    struct ec2_stats ec2;
    struct kube_stats kube;
    struct histogram attach_seconds; /* from the node's need to attached */
    struct histogram plan_seconds;   /* one plan_step */
    /* From the arrival of news from Kubernetes to the first byte of the first EC2 request for the
     * node that it is about, be it a read of its ENIs that has to come first; and to that of the
     * first request that changes something. */
    struct histogram reaction_seconds, change_seconds;
    uint64_t enis_attached, enis_failed, enis_deleted, plan_events, user_events;
    uint64_t started_wall_ns;
    double cpu_seconds;
    uint64_t resident_bytes;
};

/* Reference counted; the last drop frees the arena that all of it lives in. Safe
 * between threads. */
struct snapshot_ref;
struct snapshot_ref *snapshot_new(struct arena **ret_arena, struct snapshot **ret); /* count 1 */
struct snapshot_ref *snapshot_hold(struct snapshot_ref *ref);
void snapshot_drop(struct snapshot_ref *ref);
const struct snapshot *snapshot_get(const struct snapshot_ref *ref);

#endif
