/*
 * kube_wire.h - the Kubernetes API's bytes as rows: protobuf, Table and JSON.
 *
 * Field numbers are those of k8s.io/api's generated.proto (core/v1, meta/v1), which never change.
 * Slices that come out point into what went in unless a function says otherwise.
 */
#ifndef HEADROOM_KUBE_WIRE_H
#define HEADROOM_KUBE_WIRE_H

#include <headroom/buf.h>
#include <headroom/doc.h>
#include <headroom/model.h>

enum { KUBE_OBJECT_MAX = 4 << 20 }; /* etcd takes 1.5 MiB; a watch frame adds little */

/* ---- protobuf ---- */

/* A pod, as far as addresses are concerned. */
struct kube_pod {
    struct slice namespace, name, uid, resource_version;
    struct slice node; /* spec.nodeName, empty: not bound */
    struct slice ip;   /* status.podIP, empty: none yet */
    bool host_network;
    bool finished; /* phase Succeeded or Failed: holds no address */
    bool branch;   /* requests vpc.amazonaws.com/pod-eni */
    bool ready;    /* condition Ready is True */
};

struct kube_node {
    struct node node; /* labels in the arena */
    struct slice uid, resource_version;
    uint64_t hash; /* of what `node` says: equal hash, equal node */
};

/* metav1.Status: why a request was refused. */
struct kube_status {
    uint32_t code;
    struct slice reason, message;
    uint32_t retry_after_s;
};

enum kube_change { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED, KUBE_BOOKMARK, KUBE_ERROR };

/* Strips "k8s\0" and the Unknown message around an object. */
enum err kube_proto_envelope(struct slice s, struct slice *ret_raw, struct error *error)
    ERR_CHECKED;
/* One frame of a watch, without its length: what happened and the object, stripped. */
enum err kube_proto_watch(struct slice frame, enum kube_change *ret_change,
                          struct slice *ret_object, struct error *error) ERR_CHECKED;
enum err kube_proto_pod(struct slice raw, struct kube_pod *ret, struct error *error) ERR_CHECKED;
/* eniconfig_annotation: the annotation's name, from the agent's settings. */
enum err kube_proto_node(struct arena *arena, struct slice raw, struct slice eniconfig_annotation,
                         struct kube_node *ret, struct error *error) ERR_CHECKED;
/* metadata.resourceVersion of any object: all that a bookmark has. */
enum err kube_proto_version(struct slice raw, struct slice *ret, struct error *error) ERR_CHECKED;
enum err kube_proto_status(struct slice raw, struct kube_status *ret, struct error *error)
    ERR_CHECKED;

/* The status in an error's body, in either encoding; text of the arena. False: there is none. */
bool kube_status_read(struct arena *arena, struct slice body, struct kube_status *ret);

/* ---- `as=Table` lists, row by row as the bytes arrive ---- */

enum { KUBE_TABLE_WANTED = 8, KUBE_TABLE_COLUMNS = 64, KUBE_TABLE_DEPTH = 16 };

struct kube_table {
    const char *const *wanted; /* names of columns, at most KUBE_TABLE_WANTED */
    uint32_t wanted_count;
    uint8_t wanted_at[KUBE_TABLE_COLUMNS]; /* by the Table's column: index into wanted + 1 */
    uint32_t columns;                      /* in the Table */
    bool is_table, columns_known, rows_known;
    bool watching;           /* it is the object of a watch event */
    enum kube_change change; /* of that event */
    bool change_known;
    char resource_version[64];
    char next[4096]; /* metadata.continue */

    /* Where the scanner stands; kube_table.c says what the numbers mean. */
    uint8_t state, depth, key;
    uint8_t places[KUBE_TABLE_DEPTH + 1];
    bool slash, escaped, keep; /* of the token at hand */
    struct buf token;          /* what there is of it, if a chunk cut it */
    uint32_t cell;             /* of the row */
    struct buf row;            /* the wanted cells, one after another */
    size_t cell_at[KUBE_TABLE_WANTED], cell_len[KUBE_TABLE_WANTED];
};

/* cells[i] belongs to wanted[i]; "<none>" comes as an empty slice. */
typedef enum err kube_table_fn(void *context, const struct slice *cells, struct error *error);

void kube_table_init(struct kube_table *table, const char *const *wanted, uint32_t wanted_count);
void kube_table_done(struct kube_table *table);
void kube_table_reset(struct kube_table *table);
/* ERR_UNSUPPORTED: a wanted column is not there, so another encoding is needed. ERR_INVALID,
 * ERR_LIMIT: not such a Table. */
enum err kube_table_feed(struct kube_table *table, struct slice bytes, kube_table_fn *row,
                         void *context, struct error *error) ERR_CHECKED;
enum err kube_table_end(const struct kube_table *table, struct error *error) ERR_CHECKED;
/* {"type":"ADDED","object":{a Table of one row}}: one line of a watch. Its version is in
 * table->resource_version; its cells live until the next call. The columns come with the first
 * event only and are kept until kube_table_reset. ERR_UNSUPPORTED: the object is no Table (how a
 * watch ends is told by a Status), or a wanted column is not there. */
enum err kube_table_event(struct kube_table *table, struct slice line, enum kube_change *ret_change,
                          struct slice ret_cells[KUBE_TABLE_WANTED], struct error *error)
    ERR_CHECKED;

/* ---- JSON objects; what comes out lives in the arena ---- */

/* A SubnetPool. The API server has checked it against the CRD; what is wrong all the same is
 * ERR_INVALID and the text names the field. */
enum err kube_json_pool(struct arena *arena, const struct doc *object, struct pool *ret,
                        struct error *error) ERR_CHECKED;
enum err kube_json_eniconfig(struct arena *arena, const struct doc *object, struct eniconfig *ret,
                             struct error *error) ERR_CHECKED;
/* The aws-node DaemonSet. A value that the agent itself would not understand keeps its default, as
 * the agent does; `ret_odd` names the first such variable or is empty. */
enum err kube_json_agent(struct arena *arena, const struct doc *object, struct agent_settings *ret,
                         struct slice *ret_odd, struct error *error) ERR_CHECKED;
/* {"type":"ADDED","object":{...}}: one line of a watch. */
enum err kube_json_watch(const struct doc *line, enum kube_change *ret_change,
                         const struct doc **ret_object, struct error *error) ERR_CHECKED;
void kube_json_status(const struct doc *object, struct kube_status *ret);
/* "ADDED". False: no such change. */
bool kube_change_named(struct slice name, enum kube_change *ret);

#endif
