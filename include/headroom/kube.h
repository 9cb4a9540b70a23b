/*
 * kube.h - the Kubernetes side as a sans-I/O machine: reflectors, lease, writers.
 *
 *   status, event, condition, taint --> kube_step --> fetches: LIST, watch, PATCH, files, exec
 *   answers, time                   -->           --> events: node, pods, pool, agent, lease
 *
 * One reflector each for nodes, pods that hold or await an address, aws-node pods, the aws-node
 * DaemonSet, SubnetPools and ENIConfigs (an absent CRD is an empty list, asked for again later).
 * First state through the server's own projection where that is cheaper (as=Table: twenty times
 * fewer bytes), then a watch. Old state is kept until a new list is complete.
 */
#ifndef HEADROOM_KUBE_H
#define HEADROOM_KUBE_H

#include <headroom/fetch.h>
#include <headroom/kubeconfig.h>
#include <headroom/log.h>
#include <headroom/model.h>
#include <headroom/plan.h>

struct kube;

struct kube_config {
    struct kube_access access; /* copied deeply */
    uint64_t seed;
    uint64_t fetch_base;    /* ids of fetches are fetch_base + 1, 2, ... */
    struct slice namespace; /* of the Lease; "headroom-system" */
    struct slice identity;  /* of this replica: pod name or host name, plus something unique */
    struct slice user_agent;
    bool leader_elect; /* false: leader at once, no Lease */
    bool read_only;    /* --once, a dry run: no write, no Lease, and told to lead at once */
    uint32_t lease_ms, renew_ms, retry_ms; /* 0: 15,000, 10,000, 2,000 as client-go's defaults */
    /* A reflector without contact for so long makes PLAN_KUBE_STALE. 0: 90 s, since the server's
     * bookmarks come once a minute: silence of less says nothing. */
    uint64_t stale_ns;
};

struct kube *kube_new(const struct kube_config *config);
void kube_free(struct kube *kube);

enum kube_input_kind {
    KUBE_TICK,
    KUBE_FETCH,  /* .fetch */
    KUBE_ACTION, /* .action: PLAN_EVENT, PLAN_POOL_STATUS, PLAN_NODE_CONDITION, PLAN_NODE_TAINT */
    KUBE_STOP    /* release the lease, flush what must be written, start nothing new */
};

struct kube_input {
    enum kube_input_kind kind;
    uint64_t now_ns, wall_ns;
    union {
        struct fetch_event fetch;
        struct plan_action action;
    };
};

struct kube_output {
    /* Of the machine, until its next step; now_ns and wall_ns are set. */
    const struct plan_event *events;
    uint32_t event_count;
    struct fetch_list fetches;
    struct log_list logs;
};

/* Events: PLAN_NODE, NODE_GONE, PODS (coalesced: one a node and step), AGENT_POD, POOL, POOL_GONE,
 * AGENT, ENICONFIG, ENICONFIG_GONE, KUBE_SYNCED (once), KUBE_STALE, LEASE. */
void kube_step(struct kube *kube, const struct kube_input *input, struct kube_output *out);
uint64_t kube_deadline_ns(const struct kube *kube);

/* Until when EC2 may be changed: the lease's last renewal was sent less than lease_ms before that,
 * less a margin. 0: not leader. UINT64_MAX: no election. */
uint64_t kube_fence_ns(const struct kube *kube);
bool kube_synced(const struct kube *kube);
/* After KUBE_STOP: the lease is released, writes are out or given up. */
bool kube_stopped(const struct kube *kube);

struct kube_stats {
    uint32_t nodes, pods, pools;
    uint64_t watch_events, lists, relists, writes, write_errors, bytes_in;
    uint64_t last_contact_ns; /* the oldest of the reflectors' last signs of life; 0: one is mute */
    uint64_t events_dropped;  /* user events beyond the rate limit */
    bool leader;
    char leader_identity[128];       /* who holds the lease, as last seen */
    char last_error[ERROR_TEXT_MAX]; /* of the last two minutes; "" when all is well */
};

void kube_stats(const struct kube *kube, struct kube_stats *ret);

#endif
