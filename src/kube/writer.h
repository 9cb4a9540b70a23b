/*
 * writer.h - what the planner wants the API server to know, written in order of importance.
 *
 *   taints > conditions > statuses > events; the newest wish for an object replaces an older one
 *
 * Knows when to write and when to try again. What is written is for write_*.c and events.c.
 */
#ifndef KUBE_WRITER_H
#define KUBE_WRITER_H

#include <headroom/buf.h>
#include <headroom/index.h>
#include <headroom/plan.h>
#include <headroom/timers.h>

#include "request.h"

struct kube;

enum write_kind { WRITE_TAINT, WRITE_CONDITION, WRITE_STATUS, WRITE_EVENT, WRITE_KINDS };

enum { WRITES_MAX = 32768, EVENTS_QUEUED_MAX = 256, WRITES_AT_ONCE = 4 };
enum { EVENT_ROWS = 512, EVENT_BUCKETS = 256 };

#define FIELD_MANAGER "headroom-controller"

struct write {
    bool used, again; /* again: a newer wish came while one was under way */
    enum write_kind kind;
    char *key;        /* "c/NODE": finds it */
    char *name;       /* of the object */
    uint64_t request; /* under way */
    uint32_t attempt;
    bool set;           /* taint, condition: the wish */
    bool fresh;         /* event: POST, else PATCH of its series */
    const char *reason; /* condition; literal */
    struct buf text;    /* condition: the message; status, event: the body */
    struct kube *kube;
};

/* One event that users see, and its repeats. */
struct event_row {
    uint64_t key, group; /* with and without the message */
    uint64_t last_ns, patch_ns;
    uint32_t count, told;
    char name[254]; /* of the Event object */
};

struct writer {
    struct write **writes; /* by handle */
    uint32_t count, capacity;
    struct index index;
    struct timers queues[WRITE_KINDS];
    uint32_t under_way, events_queued, pending;
    struct event_row rows[EVENT_ROWS];
    uint64_t series_ns; /* no row's patch_ns is earlier */
    struct {
        uint64_t group, at_ns;
        double tokens;
    } buckets[EVENT_BUCKETS], all;
};

void writer_init(struct kube *kube);
void writer_done(struct kube *kube);
void writer_action(struct kube *kube, const struct plan_action *action);
void writer_step(struct kube *kube);
uint64_t writer_deadline_ns(const struct kube *kube);
/* Nothing is left that could still be written. */
bool writer_idle(const struct kube *kube);
void writer_drop(struct kube *kube);

/* A wish for an object: an old one of the same kind is emptied and reused. NULL: too many. */
struct write *writer_find(struct kube *kube, enum write_kind kind, struct slice name); /* or NULL */
struct write *writer_wish(struct kube *kube, enum write_kind kind, struct slice name);
void writer_queue(struct kube *kube, struct write *write, uint64_t at_ns);
/* Ends it, or begins anew when a newer wish has come. */
void writer_finish(struct kube *kube, struct write *write);
/* Tries again later, or gives up where that is useless; logs why. */
void writer_failed(struct kube *kube, struct write *write, const struct answer *answer,
                   const char *what, const char *rule);

/* events.c */
void events_add(struct kube *kube, const struct user_event *event);
void events_step(struct kube *kube);
uint64_t events_deadline_ns(const struct kube *kube);
void events_send(struct kube *kube, struct write *write);

/* write_node.c, write_status.c */
void write_node_send(struct kube *kube, struct write *write);
void write_status_body(const struct pool_status *status, struct buf *out);
void write_status_send(struct kube *kube, struct write *write);

#endif
