/*
 * core.h - the machine's inside: what its parts share.
 *
 * Each part is a file of its own with an `x_step` for time that has passed and an `x_deadline_ns`.
 */
#ifndef KUBE_CORE_H
#define KUBE_CORE_H

#include <headroom/kube.h>
#include <headroom/kube_wire.h>
#include <headroom/prng.h>

#include "auth.h"
#include "known.h"
#include "lease.h"
#include "pod_table.h"
#include "reflector.h"
#include "report.h"
#include "request.h"
#include "writer.h"

#define SECOND_NS UINT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define NEVER_NS UINT64_MAX

enum { R_AGENT, R_NODES, R_PODS, R_AGENT_PODS, R_POOLS, R_ENICONFIGS, REFLECTORS };

struct agent_nodes {
    struct interner names;
    struct agent_node {
        uint32_t ready; /* pods of the agent that are */
        int8_t told;    /* -1: nothing yet */
    } * nodes;
    uint32_t capacity;
};

struct kube {
    struct kube_config config;
    struct arena own;  /* what config points to, what lives as long as the machine */
    struct arena step; /* what goes out, until the next step */
    struct prng prng;
    uint64_t now_ns, wall_ns;

    struct plan_event *events;
    uint32_t event_count, event_capacity;
    struct fetch_list fetches;
    struct log_list logs;

    struct requests requests;
    struct auth auth;
    struct reports reports;
    struct reflector reflectors[REFLECTORS];
    struct known_set nodes, agent_pods, pools, eniconfigs, agents;
    struct agent_nodes agent_nodes;
    struct pod_table pods, new_pods;
    bool pods_hidden; /* new_pods is being filled */
    struct slice eniconfig_annotation;
    bool pod_eni;
    struct lease lease;
    struct writer writer;
    struct kube_stats stats;
    bool started, synced, stale, stopping;
    uint64_t stop_ns;  /* when stopping gives up */
    uint64_t error_ns; /* when stats.last_error was said */
};

extern const struct reflector_sink nodes_sink, pods_sink, agent_pods_sink, pools_sink,
    eniconfigs_sink, agents_sink;

/* A zeroed event of that kind, with its times. Valid until the next one. */
struct plan_event *kube_emit(struct kube *kube, enum plan_event_kind kind);
/* Pods' counts go out at most so many a step; true when some are left. */
bool pods_tell(struct kube *kube);
bool pods_pending(const struct kube *kube);
void agent_nodes_done(struct kube *kube);
void agent_nodes_retell(struct kube *kube, struct slice node); /* as pod_table_retell */

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
