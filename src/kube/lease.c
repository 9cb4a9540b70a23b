/*
 * lease.c - who leads, agreed upon with every other replica through one Lease object.
 *
 * Knows the protocol of client-go's leaderelection: a record counts as alive for its duration from
 * the moment that *we* saw it change, so that no two clocks are compared; a clean stop empties the
 * holder. A watch shortens the wait for that; correctness rests on resourceVersion alone.
 *
 * The fence: a renewal that the server may have taken at the earliest when we sent it keeps others
 * away until `sent + lease_ms`; less a margin, so that what starts before the fence also arrives
 * before it.
 */
#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "core.h"

enum { LEASE_MS = 15000, RENEW_MS = 10000, RETRY_MS = 2000, WATCH_IDLE_MS = 75000 };
enum { BODY_MAX = 64 << 10, TRANSITIONS_MAX = 1 << 30 };
enum { MARGIN_SHARE = 5 }; /* a fifth of the lease */

#define MS_NS UINT64_C(1000000)

static uint64_t lease_ns(const struct kube *kube)
{
    return (kube->config.lease_ms ? kube->config.lease_ms : LEASE_MS) * MS_NS;
}

static uint64_t renew_ns(const struct kube *kube)
{
    return (kube->config.renew_ms ? kube->config.renew_ms : RENEW_MS) * MS_NS;
}

static uint64_t retry_ns(const struct kube *kube)
{
    return (kube->config.retry_ms ? kube->config.retry_ms : RETRY_MS) * MS_NS;
}

static bool elects(const struct kube *kube)
{
    return kube->config.leader_elect && !kube->config.read_only;
}

void lease_init(struct kube *kube)
{
    kube->lease = (struct lease){ 0 };
    buf_init(&kube->lease.body, BODY_MAX);
}

void lease_done(struct kube *kube)
{
    buf_done(&kube->lease.body);
}

static bool ours(const struct kube *kube)
{
    return slice_eq(slice_of(kube->lease.record.holder), kube->config.identity);
}

static void set_leading(struct kube *kube, bool leading)
{
    if (kube->lease.leading == leading) {
        return;
    }
    kube->lease.leading = leading;
    kube->stats.leader = leading;
    struct plan_event *event = kube_emit(kube, PLAN_LEASE);
    event->leader = leading;
    event->handovers = kube->lease.record.transitions;
    struct log_record *record = log_add(
        &kube->logs, leading || kube->stopping ? LOG_INFO : LOG_WARN, "kube", "%s",
        leading ? "this replica leads now" : "this replica does not lead any more");
    log_text(&kube->logs, record, "identity", kube->config.identity);
    log_text(&kube->logs, record, "holder", slice_of(kube->lease.record.holder));
}

/* ---- the record ---- */

static void copy_text(char *to, size_t size, struct slice from)
{
    if (slice_copy(from, to, size) != ERR_OK) {
        to[0] = '\0';
    }
}

static bool record_equal(const struct lease_record *a, const struct lease_record *b)
{
    return strcmp(a->holder, b->holder) == 0 && strcmp(a->acquired, b->acquired) == 0 &&
           strcmp(a->renewed, b->renewed) == 0 && strcmp(a->uid, b->uid) == 0 &&
           a->duration_ms == b->duration_ms && a->transitions == b->transitions;
}

static void read_record(const struct doc *object, struct lease_record *ret)
{
    const struct doc *meta = doc_get(object, "metadata"), *spec = doc_get(object, "spec");
    uint64_t seconds = doc_u64_or(doc_get(spec, "leaseDurationSeconds"), 0);
    uint64_t transitions = doc_u64_or(doc_get(spec, "leaseTransitions"), 0);

    *ret = (struct lease_record){
        .duration_ms = (seconds < 86400 ? seconds : 86400) * 1000,
        .transitions = (uint32_t)(transitions < TRANSITIONS_MAX ? transitions : TRANSITIONS_MAX),
    };
    copy_text(ret->version, sizeof(ret->version), doc_text(doc_get(meta, "resourceVersion")));
    copy_text(ret->uid, sizeof(ret->uid), doc_text(doc_get(meta, "uid")));
    copy_text(ret->holder, sizeof(ret->holder), doc_text(doc_get(spec, "holderIdentity")));
    copy_text(ret->acquired, sizeof(ret->acquired), doc_text(doc_get(spec, "acquireTime")));
    copy_text(ret->renewed, sizeof(ret->renewed), doc_text(doc_get(spec, "renewTime")));
}

/* Takes over what the server says; what is new restarts the holder's time. */
static void observe(struct kube *kube, const struct lease_record *seen)
{
    struct lease *lease = &kube->lease;

    if (!record_equal(&lease->record, seen)) {
        lease->observed_ns = kube->now_ns;
    }
    lease->record = *seen;
    copy_text(kube->stats.leader_identity, sizeof(kube->stats.leader_identity),
              slice_of(seen->holder));
}

static bool observe_answer(struct kube *kube, const struct answer *answer)
{
    struct doc_limits limits = { .bytes = BODY_MAX };
    const struct doc *object = NULL;
    struct lease_record seen;

    if (json_parse(&kube->step, answer->body, &limits, &object, NULL) != ERR_OK) {
        return false;
    }
    read_record(object, &seen);
    if (seen.version[0] == '\0') {
        return false;
    }
    observe(kube, &seen);
    return true;
}

/* ---- requests ---- */

static struct slice path(struct kube *kube, bool object)
{
    return arena_printf(&kube->step, "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases%s",
                        SLICE_ARG(kube->config.namespace), object ? "/" LEASE_NAME : "");
}

static void send(struct kube *kube, const char *method, bool object, struct slice body,
                 request_done_fn *on_done)
{
    struct request_spec spec = {
        .method = method,
        .path = path(kube, object),
        .content_type = body.len > 0 ? "application/json" : NULL,
        .body = body,
        .total_ms = (uint32_t)(renew_ns(kube) / MS_NS / 2),
        .on_done = on_done,
        .owner = &kube->lease,
    };

    kube->lease.request_sent_ns = kube->now_ns;
    kube->lease.request = request_http(kube, &spec);
}

static void write_meta(struct kube *kube, struct json_out *json)
{
    const struct lease_record *record = &kube->lease.record;

    json_key(json, "metadata");
    json_begin_object(json);
    json_field_text(json, "name", SLICE(LEASE_NAME));
    json_field_text(json, "namespace", kube->config.namespace);
    if (record->version[0]) {
        json_field_text(json, "resourceVersion", slice_of(record->version));
        json_field_text(json, "uid", slice_of(record->uid));
    }
    json_end_object(json);
}

/* The record that we want: ours, or nobody's. */
static struct slice wanted(struct kube *kube, bool release)
{
    struct lease *lease = &kube->lease;
    const struct lease_record *record = &lease->record;
    char now[TIMESTAMP_MAX];
    struct slice time = timestamp_format(kube->wall_ns, 6, now);
    bool keeps = ours(kube);
    uint64_t seconds = release ? 1 : (lease_ns(kube) + SECOND_NS - 1) / SECOND_NS;
    struct json_out json;

    buf_reset(&lease->body);
    json_start(&json, &lease->body);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("coordination.k8s.io/v1"));
    json_field_text(&json, "kind", SLICE("Lease"));
    write_meta(kube, &json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_text(&json, "holderIdentity", release ? SLICE("") : kube->config.identity);
    json_field_u64(&json, "leaseDurationSeconds", seconds);
    json_field_text(&json, "acquireTime",
                    keeps && record->acquired[0] && !release ? slice_of(record->acquired) : time);
    json_field_text(&json, "renewTime", time);
    /* The first holder is no transition. */
    json_field_u64(&json, "leaseTransitions",
                   record->transitions + (!keeps && !release && record->version[0] ? 1U : 0U));
    json_end_object(&json);
    json_end_object(&json);
    return buf_slice(&lease->body);
}

static uint64_t jittered_retry(struct kube *kube)
{
    return retry_ns(kube) + prng_below(&kube->prng, retry_ns(kube) / 5 + 1);
}

static void failed(struct kube *kube, const struct answer *answer, const char *what)
{
    struct lease *lease = &kube->lease;
    struct error error = { 0 };
    uint64_t wait = jittered_retry(kube);

    if (answer->retry_after_ms > 0 && answer->retry_after_ms * MS_NS > wait) {
        wait = answer->retry_after_ms * MS_NS;
    }
    (void)answer_error(kube, answer, what,
                       "get, create, update and watch on leases in the controller's namespace",
                       &error);
    if (answer->status == 404) {
        (void)error_set(
            &error, ERR_NOT_FOUND,
            "cannot create the Lease: namespace \"%.*s\" is not there; apply manifests/",
            SLICE_ARG(kube->config.namespace));
    }
    lease->next_ns = kube->now_ns + wait;
    report_failure(kube, LOG_ERROR, &error, wait);
}

/* ---- giving it back ---- */

static void on_released(struct kube *kube, void *owner, const struct answer *answer)
{
    struct lease *lease = owner;

    lease->request = 0;
    lease->released = true;
    if (answer->status == 200) {
        (void)log_add(&kube->logs, LOG_INFO, "kube", "the Lease is released");
    } else {
        (void)log_add(&kube->logs, LOG_WARN, "kube",
                      "the Lease could not be released: another replica takes over when it lapses");
    }
}

static void give_back(struct kube *kube)
{
    struct lease *lease = &kube->lease;
    bool held = elects(kube) && ours(kube) && lease->record.version[0] && auth_ready(kube);

    if (held) {
        send(kube, "PUT", true, wanted(kube, true), on_released);
    } else {
        lease->released = true;
    }
}

void lease_release(struct kube *kube)
{
    struct lease *lease = &kube->lease;

    if (lease->stopping) {
        return;
    }
    lease->stopping = true;
    request_abandon(kube, lease->watch);
    lease->watch = 0;
    set_leading(kube, false);
    /* A renewal under way decides the version that the release must name: on_taken goes on. */
    if (lease->request == 0) {
        give_back(kube);
    }
}

/* ---- looking, taking, renewing ---- */

static void on_taken(struct kube *kube, void *owner, const struct answer *answer);

/* Nobody holds it, or its holder has not moved for as long as it promised. */
static bool free_to_take(const struct kube *kube)
{
    const struct lease *lease = &kube->lease;

    return lease->record.holder[0] == '\0' || ours(kube) ||
           kube->now_ns >= lease->observed_ns + lease->record.duration_ms * MS_NS;
}

static void wait_for_lapse(struct kube *kube)
{
    struct lease *lease = &kube->lease;

    lease->next_ns = kube->now_ns + jittered_retry(kube);
}

static void on_looked(struct kube *kube, void *owner, const struct answer *answer)
{
    struct lease *lease = owner;

    lease->request = 0;
    if (lease->stopping) {
        give_back(kube);
        return;
    }
    if (answer->status == 404) {
        lease->record = (struct lease_record){ 0 };
        send(kube, "POST", false, wanted(kube, false), on_taken);
        return;
    }
    if (answer->status != 200 || answer->error.code != ERR_OK || !observe_answer(kube, answer)) {
        failed(kube, answer, "read the Lease");
        return;
    }
    if (lease->leading && !ours(kube)) {
        set_leading(kube, false);
    }
    if (free_to_take(kube)) {
        send(kube, "PUT", true, wanted(kube, false), on_taken);
    } else {
        wait_for_lapse(kube);
    }
}

static void look(struct kube *kube)
{
    send(kube, "GET", true, SLICE(""), on_looked);
}

static void on_taken(struct kube *kube, void *owner, const struct answer *answer)
{
    struct lease *lease = owner;
    bool good = answer->status == 200 || answer->status == 201;

    lease->request = 0;
    if (lease->stopping) {
        if (good && answer->error.code == ERR_OK) {
            (void)observe_answer(kube, answer);
        }
        give_back(kube);
        return;
    }
    if (answer->status == 409) {
        /* Somebody was faster, or we are behind: see what there is. */
        lease->next_ns = kube->now_ns + prng_below(&kube->prng, retry_ns(kube) / 4 + 1);
        lease->record.version[0] = '\0';
        return;
    }
    if (!good || answer->error.code != ERR_OK || !observe_answer(kube, answer) || !ours(kube)) {
        failed(kube, answer, lease->leading ? "renew the Lease" : "take the Lease");
        return;
    }
    lease->renewal_sent_ns = answer->sent_ns;
    lease->next_ns = kube->now_ns + retry_ns(kube);
    set_leading(kube, true);
}

static void renew(struct kube *kube)
{
    /* A conflict has made our knowledge worthless: look first. */
    if (kube->lease.record.version[0] == '\0') {
        look(kube);
    } else {
        send(kube, "PUT", true, wanted(kube, false), on_taken);
    }
}

/* ---- the watch: only a reason to look at once ---- */

static enum err on_watch_body(struct kube *kube, void *owner, struct slice body,
                              struct error *error)
{
    struct lease *lease = owner;

    (void)body;
    (void)error;
    if (!lease->leading && lease->request == 0 && !lease->stopping) {
        lease->next_ns = kube->now_ns;
    }
    return ERR_OK;
}

static void on_watch_done(struct kube *kube, void *owner, const struct answer *answer)
{
    struct lease *lease = owner;

    lease->watch = 0;
    lease->watch_next_ns = kube->now_ns + jittered_retry(kube) +
                           (answer->status == 403 ? MINUTE_NS : 0);
}

static void watch(struct kube *kube)
{
    struct slice leases = path(kube, false);
    struct request_spec spec = {
        .method = "GET",
        .path = arena_printf(&kube->step,
                             "%.*s?fieldSelector=metadata.name%%3D" LEASE_NAME
                             "&watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
                             "&resourceVersion=%s",
                             SLICE_ARG(leases), kube->lease.record.version),
        .idle_ms = WATCH_IDLE_MS,
        .stream = true,
        .on_body = on_watch_body,
        .on_done = on_watch_done,
        .owner = &kube->lease,
    };

    kube->lease.watch = request_http(kube, &spec);
}

static void follow_watch(struct kube *kube)
{
    struct lease *lease = &kube->lease;

    if (lease->leading && lease->watch != 0) {
        request_abandon(kube, lease->watch);
        lease->watch = 0;
    } else if (!lease->leading && lease->watch == 0 && lease->record.version[0] != '\0' &&
               kube->now_ns >= lease->watch_next_ns) {
        watch(kube);
    }
}

/* ---- the outside ---- */

static uint64_t step_down_ns(const struct kube *kube)
{
    return kube->lease.leading ? kube->lease.renewal_sent_ns + renew_ns(kube) : NEVER_NS;
}

void lease_step(struct kube *kube)
{
    struct lease *lease = &kube->lease;

    if (lease->stopping) {
        return;
    }
    if (!elects(kube)) {
        set_leading(kube, true);
        return;
    }
    if (kube->now_ns >= step_down_ns(kube)) {
        (void)log_add(&kube->logs, LOG_ERROR, "kube",
                      "the Lease could not be renewed for %llu s: acting for it no longer",
                      (unsigned long long)(renew_ns(kube) / SECOND_NS));
        set_leading(kube, false);
    }
    if (!auth_ready(kube)) {
        return;
    }
    follow_watch(kube);
    if (lease->request == 0 && kube->now_ns >= lease->next_ns) {
        if (lease->leading) {
            renew(kube);
        } else {
            look(kube);
        }
    }
}

uint64_t lease_deadline_ns(const struct kube *kube)
{
    const struct lease *lease = &kube->lease;

    if (lease->stopping || !elects(kube)) {
        return NEVER_NS;
    }
    uint64_t at = step_down_ns(kube);
    if (lease->request == 0 && auth_ready(kube)) {
        at = earlier(at, lease->next_ns);
    }
    return at;
}

uint64_t lease_fence_ns(const struct kube *kube)
{
    if (!elects(kube)) {
        return NEVER_NS;
    }
    if (!kube->lease.leading) {
        return 0;
    }
    return kube->lease.renewal_sent_ns + lease_ns(kube) - lease_ns(kube) / MARGIN_SHARE;
}
