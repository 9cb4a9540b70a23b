/*
 * apiserver.h - a modelled Kubernetes API server: bytes in, bytes out. Private to src/sim.
 *
 *   world --put, delete--> rows --> log of changes --> open watches (bytes that wait to be read)
 *                           ^             |
 *   request (GET, LIST, PATCH, PUT, POST) '--> a watch that begins later, until compaction
 *
 * Built from what Kubernetes documents (API concepts: lists, Tables, watches, bookmarks, 410 Gone,
 * patches, optimistic locking) and from generated.proto's field numbers. One resourceVersion for
 * all objects, as etcd gives it. Nodes, pods, SubnetPools, ENIConfigs, DaemonSets, Leases and
 * Events; of their verbs, those that a controller of addresses can need.
 */
#ifndef SIM_APISERVER_APISERVER_H
#define SIM_APISERVER_APISERVER_H

#include <headroom/arena.h>
#include <headroom/buf.h>
#include <headroom/doc.h>
#include <headroom/index.h>
#include <headroom/json.h>
#include <headroom/model.h>

enum { API_NONE = UINT32_MAX, API_WATCHES_MAX = 64, API_TAINTS_MAX = 16, API_CONDITIONS_MAX = 8 };
enum { API_TEXT_MAX = 4 << 20 }; /* of one object */

enum api_kind {
    API_NODES,
    API_PODS,
    API_DAEMONSETS,
    API_POOLS,
    API_ENICONFIGS,
    API_LEASES,
    API_EVENTS,
    API_KINDS
};

enum api_phase { PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED };

/* A pod. Rows are the caller's; names are made of workload and number, "web-7". */
struct api_pod {
    bool used;
    uint32_t workload; /* interned by api_name */
    uint32_t number;
    uint32_t node; /* row of the node; API_NONE: not bound */
    uint32_t ip;   /* 0: none */
    enum api_phase phase;
    bool host_network, agent, ready, branch;
    uint64_t uid, version;
};

struct api_taint {
    struct slice key, value, effect;
};

struct api_condition {
    struct slice type, status, reason, message; /* owned by the node's row */
    uint64_t since_wall_ns, beat_wall_ns;
};

struct api_node {
    bool used;
    struct slice name, provider_id;
    const struct pair *labels, *annotations;
    uint32_t label_count, annotation_count;
    uint32_t ip, max_pods;
    bool unschedulable, deleting;
    struct api_taint taints[API_TAINTS_MAX];
    uint32_t taint_count;
    struct api_condition conditions[API_CONDITIONS_MAX];
    uint32_t condition_count;
    uint64_t uid, version, created_wall_ns;
};

/* A custom resource, a DaemonSet or a Lease: spec and status are JSON texts. */
struct api_object {
    bool used;
    enum api_kind kind;
    struct slice name, namespace;
    uint64_t uid, version, generation;
    struct buf spec, status;
};

/* What selectors look at, before and after a change. */
struct api_look {
    bool there, bound, host_network, agent;
    enum api_phase phase;
};

struct api_change {
    uint64_t version, at_ns;
    enum api_kind kind;
    uint32_t row;
    struct api_look was, is;
    /* Owned: protobuf of nodes and pods, else JSON; after it a pod's row of a Table. After the
     * change, or the last state. */
    char *bytes;
    size_t len, row_len;
};

struct api_selector {
    bool refuses;                   /* a field that is not known */
    char name[128];                 /* metadata.name; "": any */
    int host_network, bound, agent; /* -1: any */
    uint32_t phases;                /* bit by phase: left out */
};

struct api_watch {
    bool open;
    enum api_kind kind;
    struct api_selector selector;
    bool proto, table, columns_told, bookmarks;
    struct buf out; /* not read yet */
    uint64_t sent;  /* version up to which `out` has everything */
    uint64_t bookmark_ns, end_ns;
    bool over; /* the server closes it once `out` is read */
};

struct api {
    struct arena memory; /* names, labels: as long as the server lives */
    struct interner names;
    uint64_t now_ns, wall_ns;
    uint64_t version, next_uid, compacted;
    struct api_node *nodes;
    uint32_t node_count, node_capacity;
    struct index node_index;
    struct api_pod *pods;
    uint32_t pod_count, pod_capacity;
    struct api_object *objects;
    uint32_t object_count, object_capacity;
    struct interner events; /* names of Events that were written */
    struct interner told;   /* "Reason name" of each: what is said of which object */
    uint64_t events_written, events_repeated;
    struct api_change *changes; /* a ring */
    uint32_t change_begin, change_count, change_capacity;
    struct api_watch watches[API_WATCHES_MAX];
    uint32_t watch_count;  /* from there on none was ever open */
    struct buf scratch[4]; /* protobuf: one for each depth of a message that is being written */
    char token[64], old_token[64];
    bool absent[API_KINDS]; /* the CRD is not there */
    bool changed;           /* a watch got bytes since the caller looked */
    uint64_t requests;
};

struct api_request {
    const char *method;
    struct slice target; /* path and query */
    struct slice accept, content_type, authorization, body;
};

struct api_response {
    int status;
    struct slice content_type, body; /* in the arena, or literal */
    uint32_t watch;                  /* API_NONE: a plain answer */
};

struct api *api_new(void);
void api_free(struct api *api);
uint32_t api_name(struct api *api, struct slice name);
/* A token for a bearer from now on; the one before stays good until the next call. */
void api_token(struct api *api, struct slice token);

void api_serve(struct api *api, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
               const struct api_request *request, struct api_response *ret);

/* What a watch has for its reader; the reader empties it. */
struct buf *api_watch_out(struct api *api, uint32_t watch);
void api_watch_close(struct api *api, uint32_t watch);
/* Bookmarks and ends that are due. */
void api_advance(struct api *api, uint64_t now_ns, uint64_t wall_ns);
uint64_t api_deadline_ns(const struct api *api);
/* etcd forgets what has been up to now: later watches from before get 410. */
void api_compact(struct api *api);

/* ---- what the world does to objects; time is api->now_ns ---- */

uint32_t api_node_add(struct api *api, const struct api_node *node); /* row; texts are copied */
void api_node_delete(struct api *api, uint32_t row);
void api_node_touched(struct api *api, uint32_t row); /* after a change of the row */
void api_node_condition(struct api *api, uint32_t row, struct slice type, struct slice status,
                        struct slice reason, struct slice message);
bool api_node_taint(struct api *api, uint32_t row, const struct api_taint *taint);
bool api_node_untaint(struct api *api, uint32_t row, struct slice key);
const struct api_condition *api_find_condition(const struct api_node *node, struct slice type);
bool api_has_taint(const struct api_node *node, struct slice key);
void api_pod_put(struct api *api, uint32_t row, const struct api_pod *pod); /* uid, version: ours */
void api_pod_delete(struct api *api, uint32_t row);
/* Creates or replaces the spec; the generation grows if it differs. */
uint32_t api_object_put(struct api *api, enum api_kind kind, struct slice namespace,
                        struct slice name, struct slice spec_json);
uint32_t api_object_find(const struct api *api, enum api_kind kind, struct slice namespace,
                         struct slice name);
void api_object_touched(struct api *api, uint32_t row);

/* ---- private to src/sim/apiserver ---- */

/* objects.c */
void api_node_drop(struct api_node *node);

/* watch.c */
/* The object's bytes are in `body`, from `len` on its row of a Table. */
void api_log_change(struct api *api, enum api_kind kind, uint32_t row, struct api_look was,
                    struct api_look is, const struct buf *body, size_t len);
struct api_query;
void api_watch_begin(struct api *api, enum api_kind kind, const struct api_selector *selector,
                     const struct api_query *query, struct slice accept, struct api_response *ret);

/* encode.c: objects, lists and frames as bytes. */
void api_pod_proto(struct api *api, const struct api_pod *pod, struct buf *out);
void api_node_proto(struct api *api, const struct api_node *node, struct buf *out);
void api_node_json(struct api *api, const struct api_node *node, struct buf *out);
void api_object_json(const struct api *api, const struct api_object *object, struct buf *out);
void api_proto_envelope(struct buf *out, const char *version, const char *kind, struct slice raw);
void api_proto_field(struct buf *out, uint32_t number, struct slice bytes);
void api_proto_number(struct buf *out, uint32_t number, uint64_t value);
/* A frame of a watch: type and object (raw protobuf, or JSON). */
void api_frame(struct api *api, struct api_watch *watch, const char *type, struct slice object);
void api_bookmark(struct api *api, struct api_watch *watch);
void api_watch_error(struct api *api, struct api_watch *watch, int code, const char *reason,
                     const char *message);
void api_status(struct arena *arena, bool proto, int code, const char *reason, struct slice message,
                struct api_response *ret);

/* table.c: pods as rows. */
void api_table_columns(struct buf *out);
void api_table_row(const struct api *api, const struct api_pod *pod, struct buf *out);
void api_table_frame(struct api *api, struct api_watch *watch, const char *type, uint64_t version,
                     struct slice row);

/* list.c */
struct api_query {
    struct slice fields, labels, version, match, next;
    uint64_t limit, timeout_s;
    bool watch, bookmarks, bad;
};
void api_list(struct api *api, struct arena *arena, enum api_kind kind,
              const struct api_selector *selector, const struct api_query *query,
              struct slice accept, struct api_response *ret);
bool api_selects(const struct api_selector *selector, const struct api_look *look);
struct api_look api_pod_look(const struct api_pod *pod);
bool api_named(const struct api *api, const struct api_selector *selector, enum api_kind kind,
               uint32_t row);

/* write.c: PATCH, PUT, POST. */
void api_write(struct api *api, struct arena *arena, enum api_kind kind, struct slice namespace,
               struct slice name, struct slice subresource, const struct api_request *request,
               struct api_response *ret);

#endif
