/*
 * lease.h - leading by a coordination.k8s.io/v1 Lease, as client-go's leaderelection does.
 *
 *   FOLLOW --lease free or lapsed--> (create or take over) --won--> LEAD --.
 *      ^-------------------------- renewal too old ------------------------'
 */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include <headroom/buf.h>
#include <headroom/doc.h>

struct kube;

#define LEASE_NAME "headroom-controller"

struct lease_record {
    char version[64]; /* of the object; "": it does not exist */
    char uid[64];
    char holder[256];
    char acquired[48];
    char renewed[48];
    uint64_t duration_ms;
    uint32_t transitions;
};

struct lease {
    bool leading;
    bool stopping, released;
    struct lease_record record; /* as last seen */
    uint64_t observed_ns;       /* when the record last changed, by our clock */
    uint64_t renewal_sent_ns;   /* of the last renewal that succeeded */
    uint64_t next_ns;           /* when to look or renew again */
    uint64_t request;           /* under way */
    uint64_t request_sent_ns;
    uint64_t watch; /* the watch that shortens the wait; 0: none */
    uint64_t watch_next_ns;
    uint32_t attempt;
    struct buf body;
    bool lost_said;
};

void lease_init(struct kube *kube);
void lease_done(struct kube *kube);
void lease_step(struct kube *kube);
uint64_t lease_deadline_ns(const struct kube *kube);
uint64_t lease_fence_ns(const struct kube *kube);
/* Begins to give the lease back; lease.released says when that is over. */
void lease_release(struct kube *kube);

#endif
