/*
 * reflector.h - list, then watch: keeping a local picture equal to the API server's.
 *
 *          list whole                watch ends
 *   WAIT --------> LIST --------> WATCH --------> WAIT (watch again from the last version)
 *     ^             |               |
 *     |   failed    v     410 Gone  v
 *     +----------- WAIT <----------- (list anew; the old picture stays until the new one is whole)
 */
#ifndef KUBE_REFLECTOR_H
#define KUBE_REFLECTOR_H

#include <headroom/kube_wire.h>
#include <headroom/log.h>
#include <headroom/proto.h>

#include "request.h"

enum encoding { ENCODING_TABLE, ENCODING_PROTO, ENCODING_JSON };

/* Where a reflector's objects go. List functions come between begin and end or abort. */
struct reflector_sink {
    void (*begin)(struct kube *kube);
    enum err (*row)(struct kube *kube, const struct slice *cells, struct error *error);
    enum err (*item)(struct kube *kube, struct slice raw, struct error *error);
    void (*document)(struct kube *kube, const struct doc *object);
    void (*end)(struct kube *kube);
    void (*abort)(struct kube *kube);
    enum err (*change)(struct kube *kube, enum kube_change change, struct slice raw,
                       struct error *error);
    enum err (*row_change)(struct kube *kube, enum kube_change change, const struct slice *cells,
                           struct error *error);
    void (*document_change)(struct kube *kube, enum kube_change change, const struct doc *object);
};

struct reflector_kind {
    const char *name;              /* "nodes" */
    const char *path;              /* "/api/v1/nodes" */
    const char *rule;              /* what RBAC must allow */
    const char *selector;          /* "fieldSelector=...", encoded, or "" */
    const char *fallback_selector; /* where a server does not know the first one; NULL: none */
    const char *absent; /* 404 means an empty list, and this is said once; NULL: an error */
    enum log_level absent_level;
    /* A Table is watched by who lists it, else protobuf is. */
    enum encoding list, watch;
    const char *const *columns;
    uint32_t column_count;
    const struct reflector_sink *sink;
};

enum reflector_phase { REFLECTOR_WAIT, REFLECTOR_LIST, REFLECTOR_WATCH };

struct reflector {
    const struct reflector_kind *kind;
    enum reflector_phase phase;
    enum encoding list_encoding;
    enum encoding watch_encoding; /* of the watch that is under way, as its answer says */
    bool no_table_watch;          /* the server's Table did not serve */
    bool held;                    /* not to begin yet */
    bool listing;                 /* between the sink's begin and end */
    bool synced;                  /* a list has been whole */
    bool must_list;               /* the next thing to do is a list */
    bool fresh_read;              /* from etcd, not "at least as new as" */
    bool reduced;                 /* with the fallback selector */
    bool absent_said;
    uint64_t request;
    uint64_t next_ns, started_ns, listed_ns, contact_ns;
    uint32_t attempt;
    bool unreached;      /* it waits because the server could not be reached */
    bool hurried;        /* this wait, or one before it in the same trouble, was cut short */
    uint64_t bytes_seen; /* of this watch */
    char version[64];
    char next_page[4096];
    struct kube_table table;
    struct proto_list proto;
    struct buf buf; /* of a watch: what is no whole frame or line yet */
    bool gone;      /* the watch said 410 */
};

void reflector_init(struct reflector *reflector, const struct reflector_kind *kind);
void reflector_done(struct reflector *reflector);
void reflector_step(struct kube *kube, struct reflector *reflector);
uint64_t reflector_deadline_ns(const struct kube *kube, const struct reflector *reflector);
/* Lists anew, in this encoding, as soon as it may. */
void reflector_relist(struct kube *kube, struct reflector *reflector, enum encoding encoding);
void reflector_stop(struct kube *kube, struct reflector *reflector);
/* The server has just answered somebody: who waits for it to come back need wait no longer. */
void reflector_hurry(struct kube *kube, struct reflector *reflector);

#endif
