/* report.h - turning what went wrong into what a person reads, once. */
#ifndef KUBE_REPORT_H
#define KUBE_REPORT_H

#include <headroom/log.h>

#include "request.h"

enum { REPORTS_REMEMBERED = 32 };

struct reports {
    struct {
        uint64_t hash, at_ns;
    } seen[REPORTS_REMEMBERED];
    uint32_t next;
};

/* Why an answer is no success. `what` says what we wanted: "list nodes"; `rule` what RBAC must
 * allow, for 403: "list on nodes" or NULL. */
enum err answer_error(struct kube *kube, const struct answer *answer, const char *what,
                      const char *rule, struct error *ret);

/* Logs the failure unless the same was logged within a minute, and keeps it for kube_stats.
 * retry_ns 0: no retry. */
void report_failure(struct kube *kube, enum log_level level, const struct error *error,
                    uint64_t retry_ns);

#endif
