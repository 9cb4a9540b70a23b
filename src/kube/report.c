/*
 * report.c - what went wrong, in words that name the thing and the way out, and not a hundred
 * times.
 *
 * Knows HTTP statuses and the API server's own explanations. Refuses to decide what happens next.
 */
#include <headroom/credential.h>

#include "core.h"

enum { REPEAT_S = 60 };

static enum err denied(struct kube *kube, struct slice said, const char *what, const char *rule,
                       struct error *ret)
{
    if (rule) {
        return error_set(ret, ERR_DENIED,
                         "not allowed to %s: RBAC must allow %s (manifests/ has the rule); the API "
                         "server says: %.*s",
                         what, rule, SLICE_ARG(said));
    }
    return error_set(ret, ERR_DENIED, "not allowed to %s: %.*s; context \"%.*s\"", what,
                     SLICE_ARG(said), SLICE_ARG(kube->config.access.context));
}

static enum err refused(struct kube *kube, const struct answer *answer, const char *what,
                        const char *rule, struct error *ret)
{
    struct kube_status status = { 0 };
    struct slice said = SLICE("without a reason");

    if (kube_status_read(&kube->step, answer->body, &status)) {
        said = status.message;
    }
    switch (answer->status) {
    case 401:
        /* Whatever was asked: it is the same trouble for all, and said once. */
        return credential_rejected(&kube->step, &kube->config.access, ret);
    case 403:
        return denied(kube, said, what, rule, ret);
    case 404:
        return error_set(ret, ERR_NOT_FOUND, "cannot %s: %.*s", what, SLICE_ARG(said));
    case 409:
        return error_set(ret, ERR_CONFLICT, "cannot %s: %.*s", what, SLICE_ARG(said));
    case 410:
        return error_set(ret, ERR_GONE, "cannot %s: %.*s", what, SLICE_ARG(said));
    case 429:
        return error_set(ret, ERR_THROTTLED, "cannot %s: the API server is busy: %.*s", what,
                         SLICE_ARG(said));
    default:
        return error_set(ret, answer->status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID,
                         "cannot %s: HTTP status %d: %.*s", what, answer->status, SLICE_ARG(said));
    }
}

enum err answer_error(struct kube *kube, const struct answer *answer, const char *what,
                      const char *rule, struct error *ret)
{
    struct slice server = kube->config.access.server;

    if (answer->status != 0 && (answer->status < 200 || answer->status > 299)) {
        return refused(kube, answer, what, rule, ret);
    }
    if (answer->status == 0 && answer->error.code != ERR_OK) {
        return error_set(ret, answer->error.code, "cannot reach the Kubernetes API server %.*s: %s",
                         SLICE_ARG(server), answer->error.text);
    }
    if (answer->error.code != ERR_OK) {
        return error_set(ret, answer->error.code, "cannot %s: %s", what, answer->error.text);
    }
    return error_set(ret, ERR_INVALID, "cannot %s: the answer makes no sense", what);
}

/* Six reflectors that cannot reach one server are one message. */
static bool said_lately(struct kube *kube, struct slice text)
{
    struct reports *reports = &kube->reports;
    uint64_t hash = slice_hash(text);

    for (uint32_t i = 0; i < REPORTS_REMEMBERED; i++) {
        if (reports->seen[i].hash == hash) {
            if (kube->now_ns - reports->seen[i].at_ns < REPEAT_S * SECOND_NS) {
                return true;
            }
            reports->seen[i].at_ns = kube->now_ns;
            return false;
        }
    }
    reports->seen[reports->next].hash = hash;
    reports->seen[reports->next].at_ns = kube->now_ns;
    reports->next = (reports->next + 1) % REPORTS_REMEMBERED;
    return false;
}

void report_failure(struct kube *kube, enum log_level level, const struct error *error,
                    uint64_t retry_ns)
{
    _Static_assert(sizeof(kube->stats.last_error) >= sizeof(error->text), "the text fits");
    memcpy(kube->stats.last_error, error->text, sizeof(error->text));
    kube->error_ns = kube->now_ns;
    if (said_lately(kube, slice_of(error->text))) {
        level = LOG_DEBUG;
    }
    if (retry_ns > 0) {
        (void)log_add(&kube->logs, level, "kube", "%s; retrying in %.1f s", error->text,
                      (double)retry_ns / (double)SECOND_NS);
    } else {
        (void)log_add(&kube->logs, level, "kube", "%s", error->text);
    }
}
