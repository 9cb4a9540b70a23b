/*
 * nodes_state.h - the rows of the played nodes, shared by nodes*.c.
 *
 *   nodes.c           the thread: what is due, in which order; the answer of /_sim/nodes
 *   nodes_scenario.c  the scenario's key `kubernetes`, and its instances' fields
 *   nodes_request.c   requests to the API server: queued, repeated until they are answered
 *   nodes_watch.c     list and watch, and what the answers lead to
 *   nodes_objects.c   what is registered: Node, DaemonSet, aws-node pods, ENIConfigs
 *   nodes_kubelet.c   pods: bound, served or refused, running, deleted
 *   nodes_schedule.c  binding, where no kube-scheduler runs
 */
#ifndef EC2SIM_NODES_STATE_H
#define EC2SIM_NODES_STATE_H

#include <pthread.h>

#include <headroom/doc.h>
#include <headroom/index.h>
#include <headroom/io.h>
#include <headroom/json.h>
#include <headroom/kubeconfig.h>
#include <headroom/prng.h>
#include <headroom/timers.h>

#include "nodes.h"

#define NODES_MS UINT64_C(1000000)
#define NODES_S UINT64_C(1000000000)

enum {
    ROW_NONE = UINT32_MAX,
    IN_FLIGHT_MAX = 48,  /* requests at a time, besides the two watches */
    NODE_NAME_MAX = 254, /* a DNS subdomain and NUL */
    UID_MAX = 64,
    BODY_MAX = 64 * 1024 * 1024, /* of a page of a list */
    PAGE = 500,
    WAITS_MAX = 100000,
    REQUESTS_MAX = 1 << 20 /* rows; a request's id is a multiple of it and its row */
};

enum node_agent { AGENT_MODEL, AGENT_EXTERNAL, AGENT_NONE };

/* What the scenario says of one instance's node. Texts live in the nodes' arena. */
struct node_scenario {
    struct aws_id instance;
    struct slice name;
    const struct doc *labels, *annotations, *taints;
    uint32_t max_pods; /* 0: by type */
    enum node_agent agent;
};

struct taint {
    struct slice key, value, effect;
};

struct node_row {
    bool used, leaving;
    uint64_t looked; /* the last look that found its instance */
    char name[NODE_NAME_MAX];
    struct sim_instance_view view;        /* its slices live in the nodes' arena */
    const struct node_scenario *scenario; /* NULL: defaults */
    struct sim_agent *agent;              /* NULL: external */
    uint32_t max_pods;
    bool agent_ready; /* as last written to the aws-node pod */
    /* As the API server shows it; for scheduling and for the agent. */
    struct arena spec;
    const struct pair *labels;
    uint32_t label_count;
    const struct taint *taints;
    uint32_t taint_count;
    bool seen, unschedulable;
    uint32_t pods;   /* bound, not hostNetwork, not finished */
    bool registered; /* the API server has its Node */
    bool posting;    /* a status is on its way: a slow API server is not asked twice */
    uint64_t heartbeat_ns;
};

enum pod_state {
    POD_UNBOUND,
    POD_BINDING,  /* we asked for its binding */
    POD_WAITING,  /* bound, wants an address */
    POD_STARTING, /* has one (or needs none), the status is being written */
    POD_RUNNING,
    POD_REMOVING, /* its deletion is being confirmed */
    POD_OVER      /* finished, or of no concern */
};

struct pod_row {
    bool used;
    char *key;        /* namespace/name, owned; the agent knows it by uid */
    char *containers; /* "name\nimage\n" for each, owned */
    char uid[UID_MAX];
    uint32_t node;
    enum pod_state state;
    bool host_network, agent_pod, held;
    bool writing; /* a status is on its way */
    uint32_t ip;
    uint32_t tries;
    uint64_t bound_ns, event_ns;
    uint32_t epoch;
    struct arena spec; /* while unbound: what scheduling needs */
    struct pair *selector;
    uint32_t selector_count;
    struct toleration {
        struct slice key, value, effect;
        bool exists;
    } * tolerations;
    uint32_t toleration_count;
};

enum request_kind {
    REQ_PAGE, /* of a list */
    REQ_WATCH,
    REQ_PLAIN, /* repeated until it is answered, then forgotten */
    REQ_SOON,  /* the same; what it is about may not be there yet, so that 404 is repeated for a
                  while */
    REQ_DAEMONSET,
    REQ_NODE,   /* the Node itself: .row is told */
    REQ_STATUS, /* of a Node: .row is told */
    REQ_POD,    /* status, deletion, binding of a pod: .row is told */
};

struct request {
    bool used, in_flight;
    uint64_t id;
    enum request_kind kind;
    uint32_t row, stream; /* of the pod or node; of the reflector */
    char uid[UID_MAX];    /* of the pod: its row may be another's by now */
    const char *method, *content_type;
    char *path, *body; /* owned; body may be NULL */
    uint32_t attempts;
    uint64_t at_ns;
    int status;
    uint32_t retry_after_ms;
    struct buf answer;
};

/* One list+watch. */
struct stream {
    const char *path;
    char version[64];
    char next[4096]; /* the list's continue token */
    bool synced, listing, busy;
    uint32_t epoch, failures;
    uint64_t at_ns; /* when to start again */
};

enum { STREAM_PODS, STREAM_NODES, STREAM_COUNT };

struct nodes {
    struct nodes_config config;
    pthread_t thread;
    pthread_mutex_t mutex; /* of all below; taken before config.lock */
    bool stopping, started;
    struct io *io;
    struct arena arena;   /* scenario, kubeconfig */
    struct arena scratch; /* one turn */
    struct kube_access access;
    struct slice authorization; /* header's value; empty: none */
    struct prng prng;
    uint64_t now_ns, wall_ns;

    const struct doc *env; /* of aws-node */
    const struct doc *eniconfigs;
    struct node_scenario *scenario;
    uint32_t scenario_count, scenario_capacity;
    bool schedule;
    uint64_t retry_ns;      /* 0: as the kubelet */
    struct slice daemonset; /* its JSON */
    struct agent_settings settings;
    char daemonset_uid[UID_MAX];

    struct node_row *rows;
    uint32_t row_count, row_capacity;
    struct index row_index; /* by name */
    struct index instances; /* the same rows by instance */
    uint64_t looks;         /* how often instances were looked at */
    uint64_t look_ns;       /* when to look for new instances */
    struct pod_row *pods;
    uint32_t pod_count, pod_capacity, free_pod; /* free rows are linked by .node */
    struct index pod_index;                     /* by key */
    struct timers pod_timers;
    struct request *requests;
    uint32_t request_count, request_capacity, in_flight;
    uint32_t turn; /* which request is looked at first: each comes to its turn */
    uint64_t next_id;
    struct stream streams[STREAM_COUNT];
    uint64_t next_event_ns; /* the next Event object may be written */
    uint32_t unbound;       /* pods in POD_UNBOUND */
    bool reschedule;        /* something changed that scheduling depends on */

    float *waits_s; /* from binding to address */
    uint32_t wait_count, wait_capacity;
    uint64_t refusals;
};

/* nodes_scenario.c */
enum err nodes_read_scenario(struct nodes *nodes, struct error *error) ERR_CHECKED;

/* nodes_request.c */
void nodes_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* path and body are copied. */
struct request *nodes_request(struct nodes *nodes, enum request_kind kind, const char *method,
                              const char *content_type, struct slice path, struct slice body);
/* Server-side apply. */
struct request *nodes_apply(struct nodes *nodes, enum request_kind kind, struct slice path,
                            struct slice body);
void nodes_request_done(struct request *request);
bool nodes_is_stream(const struct request *request);
uint64_t nodes_backoff_ns(struct nodes *nodes, uint32_t attempts);
void nodes_start_requests(struct nodes *nodes);
uint64_t nodes_requests_deadline_ns(const struct nodes *nodes);

/* nodes_watch.c */
void nodes_start_streams(struct nodes *nodes);
uint64_t nodes_streams_deadline_ns(const struct nodes *nodes);
void nodes_take_event(struct nodes *nodes, const struct fetch_event *event);

/* nodes_objects.c */
/* The scenario may name a subnet or group by its name, of which the modelled EC2 makes the id. */
struct slice nodes_object_id(struct nodes *nodes, struct slice text, const char *prefix);
struct slice nodes_daemonset_json(struct nodes *nodes);
void nodes_register_cluster(struct nodes *nodes); /* DaemonSet, CRD, ENIConfigs */
void nodes_register(struct nodes *nodes, uint32_t row);
void nodes_unregister(struct nodes *nodes, uint32_t row);
void nodes_node_answer(struct nodes *nodes, const struct request *request, bool ok);
void nodes_write_status(struct nodes *nodes, uint32_t row);
void nodes_register_agent_pod(struct nodes *nodes, uint32_t row);
/* A Node of the API server, for scheduling and cordons. */
void nodes_see_node(struct nodes *nodes, const struct doc *object, bool gone);

/* nodes_kubelet.c */
void nodes_see_pod(struct nodes *nodes, const struct doc *object, bool gone);
void nodes_forget_pods(struct nodes *nodes, uint32_t epoch); /* that a whole list did not have */
void nodes_pod_due(struct nodes *nodes, uint32_t pod);
void nodes_pod_answer(struct nodes *nodes, const struct request *request, bool ok);
void nodes_agent_ready(struct nodes *nodes, uint32_t row); /* writes the aws-node pod's readiness */
void nodes_lose_pods(struct nodes *nodes, uint32_t row);   /* the instance is gone */

/* nodes_schedule.c */
void nodes_read_spec(struct nodes *nodes, struct pod_row *pod, const struct doc *object);
void nodes_schedule(struct nodes *nodes);

#endif
