/* auth.h - what convinces the API server, and keeping it fresh. */
#ifndef KUBE_AUTH_H
#define KUBE_AUTH_H

#include <headroom/arena.h>
#include <headroom/kubeconfig.h>

#include "request.h"

/* One answer to "who are we", shared by the requests that were sent with it. */
struct auth_identity {
    struct arena arena;
    struct slice header; /* "Bearer ..." or "Basic ..."; secret; may be empty */
    struct fetch_tls tls;
    uint32_t users; /* requests under way, and one while it is the current one */
};

struct auth {
    struct auth_identity *current; /* NULL: not known yet */
    uint64_t refresh_ns;           /* when to ask again; UINT64_MAX: never */
    uint64_t asking;               /* request under way; 0: none */
    uint32_t attempt;
    uint32_t rejections; /* in a row */
    bool rejected;       /* the current one was answered with 401 */
};

void auth_init(struct kube *kube);
void auth_done(struct kube *kube);
bool auth_ready(const struct kube *kube);
void auth_step(struct kube *kube);
uint64_t auth_deadline_ns(const struct kube *kube);
/* The API server said 401 to this identity, or something else. */
void auth_judge(struct kube *kube, const struct auth_identity *identity, int status);
struct auth_identity *auth_hold(struct kube *kube);
void auth_drop(struct auth_identity *identity);

#endif
