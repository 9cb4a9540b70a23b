/*
 * call.c - one call of the EC2 API, from its form to its outcome.
 *
 *   WAITING --identity, token, time--> SENT --answer--> outcome --> RETIRED
 *      ^                                 |
 *      '----- throttled, 5xx, cut, expired token, wrong clock: full jitter, six tries
 *
 * Knows signing, sending, parsing and repeating. Refuses to know what a call is for: its owner's
 * `done` does.
 */
#include <assert.h>
#include <stdio.h>

#include <headroom/timestamp.h>

#include "machine.h"
#include "query.h"

#define BACKOFF_BASE_NS (200 * MS_NS)
#define BACKOFF_CAP_NS (10 * SECOND_NS)
#define GIVE_UP_NS (60 * SECOND_NS)
/* A signature holds for five minutes either way; less is no reason to mistrust our clock. */
#define SKEW_LEAST_NS (INT64_C(30) * 1000000000)
enum { READ_TIMEOUT_MS = 30000, MUTATION_TIMEOUT_MS = 15000, HEADERS_MAX = 7 };

/* ---- places ---- */

struct call *ec2_call_new(struct ec2 *ec2, enum ec2_op op, uint32_t owner, call_done_fn *done)
{
    struct call *call = NULL;

    for (uint32_t i = 0; i < CALLS_MAX && !call; i++) {
        call = ec2->calls[i].state == CALL_FREE ? &ec2->calls[i] : NULL;
    }
    assert(call);
    struct buf form = call->form;
    struct arena arena = call->arena;
    *call = (struct call){
        .state = CALL_WAITING,
        .op = op,
        .owner = owner,
        .done = done,
        .repeatable = !ec2_op_mutates(op),
        .sequence = ++ec2->call_sequence,
        .form = form,
        .arena = arena,
    };
    if (call->form.max == 0) {
        buf_init(&call->form, EC2_FORM_MAX);
        arena_init(&call->arena);
    }
    buf_reset(&call->form);
    ec2_query_begin(&call->form, ec2_op_name(op), "2016-11-15");
    return call;
}

bool ec2_calls_crowded(const struct ec2 *ec2)
{
    uint32_t free_places = 0;

    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        free_places += ec2->calls[i].state == CALL_FREE;
    }
    return free_places < CALLS_MAX / 4;
}

void ec2_calls_reap(struct ec2 *ec2)
{
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &ec2->calls[i];
        if (call->state == CALL_RETIRED) {
            arena_reset(&call->arena);
            arena_done(&call->pages_arena);
            call->state = CALL_FREE;
        } else if (call->told) {
            arena_reset(&call->arena);
            call->told = false;
        }
    }
}

void ec2_calls_done(struct ec2 *ec2)
{
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        ec2_xml_free(ec2->calls[i].xml);
        buf_done(&ec2->calls[i].form);
        arena_done(&ec2->calls[i].arena);
        arena_done(&ec2->calls[i].pages_arena);
    }
}

void ec2_pages_add(struct call *call, struct page_rows *rows, const void *items, uint32_t count,
                   size_t size)
{
    if (count == 0) {
        return;
    }
    if (rows->count + count > rows->capacity) {
        uint32_t more = rows->capacity + rows->capacity / 2;
        uint32_t capacity = more > rows->count + count ? more : rows->count + count;
        struct arena grown;
        arena_init(&grown);
        void *fresh = arena_array(&grown, capacity, size);
        if (rows->count > 0) {
            memcpy(fresh, rows->items, rows->count * size);
        }
        /* The old array goes at once: all ENIs of a large cluster are megabytes. */
        arena_done(&call->pages_arena);
        call->pages_arena = grown;
        rows->items = fresh;
        rows->capacity = capacity;
    }
    memcpy((char *)rows->items + rows->count * size, items, count * size);
    rows->count += count;
}

void ec2_call_next_page(struct ec2 *ec2, struct call *call, struct slice token)
{
    (void)ec2;
    call->form.len = call->form_len;
    ec2_query_text(&call->form, "NextToken", token);
    call->state = CALL_WAITING;
    call->paid = false;
    call->attempt = 0;
    call->first_ns = 0;
    call->due_ns = 0;
    call->pages++;
}

/* ---- sending ---- */

static bool settle_endpoint(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    struct error error = { 0 };
    struct endpoint_choice choice = {
        .region = slice_of(identity->region),
        .custom = identity->endpoint_ec2,
        .fips = identity->use_fips,
        .dualstack = identity->use_dualstack,
    };

    if (ec2->endpoint_generation == identity->generation) {
        return true;
    }
    if (ec2_endpoint_set(&ec2->endpoint, "ec2", &choice, &error)) {
        (void)snprintf(identity->error, sizeof(identity->error), "endpoint of EC2: %.300s",
                       error.text);
        ec2_health_note(ec2, EC2_OP_COUNT, CLOUD_DENIED, slice_of(identity->error));
        return false;
    }
    ec2->endpoint_generation = identity->generation;
    return true;
}

static void sign(struct ec2 *ec2, struct call *call, struct fetch *fetch)
{
    const struct sigv4_credentials *credentials = &ec2->identity.credentials;
    struct fetch_header *headers = ARENA_ARRAY(&ec2->step, struct fetch_header, HEADERS_MAX);
    size_t count = 0;
    char date[SIGV4_DATE_LEN + 1];

    sigv4_date((uint64_t)((int64_t)ec2->wall_ns + ec2->skew_ns), date);
    headers[count++] = (struct fetch_header){ SLICE("Content-Type"),
                                              SLICE("application/x-www-form-urlencoded; "
                                                    "charset=utf-8") };
    headers[count++] = (struct fetch_header){ SLICE("Host"),
                                              ec2_step_copy(ec2, slice_of(ec2->endpoint.host)) };
    headers[count++] = (struct fetch_header){ SLICE("X-Amz-Date"),
                                              ec2_step_copy(ec2, slice_of(date)) };
    if (credentials->session_token.len > 0) {
        headers[count++] = (struct fetch_header){ SLICE("X-Amz-Security-Token"),
                                                  ec2_step_copy(ec2, credentials->session_token) };
    }
    struct sigv4_request request = {
        .method = SLICE("POST"),
        .path = slice_of(ec2->endpoint.path),
        .headers = headers,
        .header_count = count,
        .body = buf_slice(&call->form),
    };
    struct slice authorization = sigv4_authorization(&ec2->step, credentials,
                                                     slice_of(ec2->identity.region), SLICE("ec2"),
                                                     slice_of(date), &request);
    headers[count++] = (struct fetch_header){ SLICE("Authorization"), authorization };
    if (ec2->user_agent[0]) {
        headers[count++] = (struct fetch_header){ SLICE("User-Agent"), slice_of(ec2->user_agent) };
    }
    fetch->headers = headers;
    fetch->header_count = count;
}

static bool fenced(const struct call *call)
{
    return ec2_op_mutates(call->op) && !call->dry_run;
}

static void send(struct ec2 *ec2, struct call *call)
{
    bool mutates = ec2_op_mutates(call->op);

    call->fetch_id = ++ec2->fetch_next;
    struct fetch *fetch = fetch_add(ec2->fetches, call->fetch_id);
    fetch->method = "POST";
    fetch->target = ec2_step_copy(ec2, slice_of(ec2->endpoint.url));
    fetch->body = ec2_step_copy(ec2, buf_slice(&call->form));
    fetch->tls = slice_starts(fetch->target, SLICE("https://")) ? &ec2->tls : NULL;
    fetch->response_max = RESPONSE_MAX;
    fetch->connect_ms = 5000;
    fetch->total_ms = mutates ? MUTATION_TIMEOUT_MS : READ_TIMEOUT_MS;
    fetch->gzip = !mutates;
    /* Connecting may take longer than the lease has left, and a paused process has no clock. */
    fetch->send_by_ns = fenced(call) && ec2->fence_ns != UINT64_MAX ? ec2->fence_ns : 0;
    /* On a fresh connection HTTP never sends a request twice by itself; the others bear it. */
    fetch->stream = call->op == OP_AssignPrivateIpAddresses;
    sign(ec2, call, fetch);

    if (!call->paid) {
        ec2_bucket_take(&ec2->buckets[call->op], ec2->now_ns);
    }
    call->paid = false;
    call->state = CALL_SENT;
    call->sent_ns = ec2->now_ns;
    call->generation = ec2->identity.generation;
    call->first_ns = call->first_ns ? call->first_ns : ec2->now_ns;
    if (call->pages == 0) {
        call->asked_ns = ec2->now_ns;
    }
    call->status = 0;
    call->retry_after_ms = 0;
    call->date[0] = '\0';
    call->xml_error = (struct error){ 0 };
    ec2_xml_free(call->xml);
    call->xml = ec2_xml_new(&call->arena);
    ec2->stats[call->op].requests++;
}

static void finish(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    call->state = CALL_RETIRED;
    call->done(ec2, call, outcome);
}

static void finish_unsent(struct ec2 *ec2, struct call *call, enum cloud_code code,
                          struct slice message)
{
    struct outcome outcome = { .code = code, .message = ec2_step_copy(ec2, message) };

    finish(ec2, call, &outcome);
}

/* A renewed identity was wanted, and the renewal has ended without one. */
static bool renewal_failed(const struct ec2 *ec2, const struct call *call)
{
    const struct identity *identity = &ec2->identity;

    return identity->generation < call->generation_least && identity->step == STEP_REST &&
           identity->failed;
}

/* False: it has to wait. */
static bool try_send(struct ec2 *ec2, struct call *call)
{
    if (call->due_ns > ec2->now_ns || (ec2->stopping && !call->mutation)) {
        return false;
    }
    if (fenced(call) && ec2->now_ns >= ec2->fence_ns) {
        finish_unsent(ec2, call, CLOUD_FENCED, SLICE("not sent: the lease may have lapsed"));
        return true;
    }
    enum identity_state state = ec2_identity_state(ec2);
    bool endpoint = state == IDENTITY_READY && settle_endpoint(ec2);
    if (state == IDENTITY_FAILED || renewal_failed(ec2, call) ||
        (state == IDENTITY_READY && !endpoint)) {
        if (call->mutation) {
            finish_unsent(ec2, call, ec2->identity.unavailable ? CLOUD_UNAVAILABLE : CLOUD_DENIED,
                          slice_of(ec2->identity.error));
            return true;
        }
        return false;
    }
    if (state != IDENTITY_READY || ec2->identity.generation < call->generation_least) {
        return false;
    }
    if (!call->paid && !ec2_bucket_has(&ec2->buckets[call->op], ec2->now_ns)) {
        return false;
    }
    if (call->form_len == 0) {
        call->form_len = call->form.len;
        assert(!call->form.failed);
    }
    send(ec2, call);
    return true;
}

static struct call *next_waiting(struct ec2 *ec2, bool mutation, uint64_t after)
{
    struct call *next = NULL;

    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &ec2->calls[i];
        if (call->state == CALL_WAITING && call->mutation == mutation && call->sequence > after &&
            (!next || call->sequence < next->sequence)) {
            next = call;
        }
    }
    return next;
}

static void run(struct ec2 *ec2, bool mutations)
{
    uint64_t after = 0;

    for (struct call *call = next_waiting(ec2, mutations, after); call;
         call = next_waiting(ec2, mutations, after)) {
        after = call->sequence;
        (void)try_send(ec2, call);
    }
}

void ec2_calls_repeat(struct ec2 *ec2)
{
    run(ec2, true);
}

/* Mutations' calls first; among equals the older one. What a `done` starts meanwhile is newer: it
 * has its turn too. */
void ec2_calls_run(struct ec2 *ec2)
{
    run(ec2, true);
    run(ec2, false);
}

uint64_t ec2_calls_deadline_ns(struct ec2 *ec2)
{
    uint64_t deadline = UINT64_MAX;
    bool ready = ec2_identity_state(ec2) == IDENTITY_READY;

    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct call *call = &ec2->calls[i];
        if (call->state != CALL_WAITING || !ready || (ec2->stopping && !call->mutation) ||
            ec2->identity.generation < call->generation_least) {
            continue;
        }
        uint64_t at = call->due_ns;
        uint64_t token = call->paid ? 0 : ec2_bucket_ready_ns(&ec2->buckets[call->op], ec2->now_ns);
        ec2_earliest(&deadline, at > token ? at : token);
    }
    return deadline;
}

/* ---- answers ---- */

/* HTTP's date, "Sun, 06 Nov 1994 08:49:37 GMT", in the form that timestamp_parse reads. */
static enum err parse_http_date(struct slice s, uint64_t *ret_wall_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[48], month[4] = "";
    unsigned day = 0, year = 0, hour = 0, minute = 0, second = 0;

    if (slice_copy(s, text, sizeof(text)) || sscanf(text, "%*3s, %2u %3s %4u %2u:%2u:%2u GMT", &day,
                                                    month, &year, &hour, &minute, &second) != 6) {
        return ERR_INVALID;
    }
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3 != 0) {
        return ERR_INVALID;
    }
    (void)snprintf(text, sizeof(text), "%04u-%02d-%02uT%02u:%02u:%02uZ", year % 10000,
                   (int)(at - months) / 3 + 1, day % 100, hour % 100, minute % 100, second % 100);
    return timestamp_parse(slice_of(text), ret_wall_ns);
}

/* True: the server's clock is far from what we took it for, and we know it now. */
static bool learn_skew(struct ec2 *ec2, struct call *call)
{
    uint64_t server = 0;

    if (call->skew_learnt || parse_http_date(slice_of(call->date), &server)) {
        return false;
    }
    int64_t skew = (int64_t)(server - call->date_wall_ns);
    int64_t change = skew - ec2->skew_ns;
    if (change < SKEW_LEAST_NS && change > -SKEW_LEAST_NS) {
        return false;
    }
    call->skew_learnt = true;
    ec2->skew_ns = skew;
    struct log_record *record = log_add(ec2->logs, LOG_WARN, "ec2",
                                        "our clock is off; corrected by EC2's");
    log_number(record, "skew_ms", skew / 1000000);
    return true;
}

static bool is_one_of(struct slice s, const char *const *texts)
{
    for (; *texts; texts++) {
        if (slice_is(s, *texts)) {
            return true;
        }
    }
    return false;
}

/* A refusal that another clock or fresh credentials may cure; true: the call waits for its next
 * try. */
static bool cure_denial(struct ec2 *ec2, struct call *call, struct slice code)
{
    static const char *const clock[] = { "RequestExpired", "AuthFailure", "SignatureDoesNotMatch",
                                         "InvalidSignatureException", NULL };
    static const char *const keys[] = { "ExpiredToken",         "ExpiredTokenException",
                                        "AuthFailure",          "InvalidClientTokenId",
                                        "InvalidSecurityToken", "UnrecognizedClientException",
                                        "RequestExpired",       NULL };

    if (is_one_of(code, clock) && learn_skew(ec2, call)) {
        call->state = CALL_WAITING;
        return true;
    }
    if (is_one_of(code, keys) && !call->identity_renewed) {
        call->identity_renewed = true;
        call->generation_least = call->generation + 1;
        call->state = CALL_WAITING;
        if (ec2->identity.generation == call->generation) {
            ec2_identity_renew(ec2);
        }
        return true;
    }
    return false;
}

static bool repeat(struct ec2 *ec2, struct call *call, enum cloud_code code)
{
    bool may = code == CLOUD_THROTTLED || (code == CLOUD_UNAVAILABLE && call->repeatable);

    call->attempt++;
    if (!may || call->attempt >= CALL_TRIES_MAX || ec2->now_ns - call->first_ns > GIVE_UP_NS) {
        return false;
    }
    call->state = CALL_WAITING;
    call->due_ns = ec2_backoff_ns(ec2, BACKOFF_BASE_NS, BACKOFF_CAP_NS, call->attempt);
    uint64_t asked = ec2->now_ns + call->retry_after_ms * MS_NS;
    if (call->retry_after_ms > 0 && asked > call->due_ns && call->retry_after_ms < 60000) {
        call->due_ns = asked;
    }
    return true;
}

/* What came, before it is known what follows from it. */
static struct outcome read_outcome(struct ec2 *ec2, struct call *call,
                                   const struct error *transport, struct ec2_reply *reply)
{
    struct error error = call->xml_error;
    bool success = call->status >= 200 && call->status < 300;

    if (transport->code) {
        return (struct outcome){ .code = transport->code == ERR_CANCELLED ? CLOUD_FENCED
                                                                          : CLOUD_UNAVAILABLE,
                                 .error_code = slice_of(err_name(transport->code)),
                                 .message = ec2_step_copy(ec2, slice_of(transport->text)) };
    }
    if (error.code || ec2_xml_end(call->xml, reply, &error)) {
        enum cloud_code code = success ? CLOUD_UNAVAILABLE
                                       : ec2_classify(call->status, (struct slice){ 0 },
                                                      (struct slice){ 0 });
        return (struct outcome){ .code = code,
                                 .error_code = arena_printf(&ec2->step, "HTTP %d", call->status),
                                 .message = arena_printf(&ec2->step, "HTTP %d, %s", call->status,
                                                         error.text) };
    }
    if (reply->kind == EC2_REPLY_Error || !success) {
        return (struct outcome){ .code = ec2_classify(call->status, reply->error_code,
                                                      reply->error_message),
                                 .error_code = reply->error_code,
                                 .message = reply->error_message };
    }
    static const enum ec2_reply_kind kinds[] = {
#define X(name, burst, refill, mutates) EC2_REPLY_##name,
        EC2_OPS(X)
#undef X
    };
    if (reply->kind != kinds[call->op]) {
        return (struct outcome){ .code = CLOUD_UNAVAILABLE,
                                 .error_code = SLICE("wrong answer"),
                                 .message = SLICE("the answer belongs to another action") };
    }
    return (struct outcome){ .code = CLOUD_OK, .reply = reply };
}

static void log_call(struct ec2 *ec2, const struct call *call, const struct outcome *outcome)
{
    struct log_record *record = log_add(ec2->logs, LOG_DEBUG, "ec2", "EC2 call answered");

    log_text(ec2->logs, record, "action", slice_of(ec2_op_name(call->op)));
    log_number(record, "ms", (int64_t)((ec2->now_ns - call->sent_ns) / MS_NS));
    log_number(record, "http_status", call->status);
    log_number(record, "attempt", call->attempt + 1);
    if (outcome->code == CLOUD_OK) {
        log_number(record, "rows", outcome->reply->count);
    } else {
        log_text(ec2->logs, record, "code", outcome->error_code);
        log_text(ec2->logs, record, "error", outcome->message);
    }
}

static void answered(struct ec2 *ec2, struct call *call, const struct error *transport)
{
    struct op_stats *stats = &ec2->stats[call->op];
    struct ec2_reply reply = { 0 };
    struct outcome outcome = read_outcome(ec2, call, transport, &reply);

    if (outcome.code == CLOUD_DENIED) {
        outcome.message = ec2_denial_text(&ec2->step, call->op, outcome.error_code,
                                          outcome.message);
    }
    ec2_xml_free(call->xml);
    call->xml = NULL;
    call->fetch_id = 0;
    ec2->answered_once = true;
    ec2_count(ec2, call->op, outcome.code == CLOUD_OK ? SLICE("ok") : outcome.error_code,
              ec2->now_ns - call->sent_ns);
    log_call(ec2, call, &outcome);
    stats->failed += outcome.code != CLOUD_OK && outcome.code != CLOUD_THROTTLED;
    if (outcome.code == CLOUD_THROTTLED) {
        stats->throttled++;
        ec2_bucket_throttled(&ec2->buckets[call->op], ec2->now_ns);
    }
    if (outcome.code == CLOUD_DENIED && cure_denial(ec2, call, outcome.error_code)) {
        return;
    }
    if (!(call->optional && outcome.code == CLOUD_DENIED)) {
        ec2_health_note(ec2, call->op, outcome.code, outcome.message);
    }
    if (!repeat(ec2, call, outcome.code)) {
        finish(ec2, call, &outcome);
    }
}

bool ec2_calls_fetch(struct ec2 *ec2, const struct fetch_event *event)
{
    struct call *call = NULL;

    for (uint32_t i = 0; i < CALLS_MAX && !call; i++) {
        bool ours = ec2->calls[i].state == CALL_SENT && ec2->calls[i].fetch_id == event->id;
        call = ours ? &ec2->calls[i] : NULL;
    }
    if (!call) {
        return false;
    }
    switch (event->kind) {
    case FETCH_HEAD:
        call->status = event->status;
        call->retry_after_ms = event->retry_after_ms;
        call->date_wall_ns = ec2->wall_ns;
        if (slice_copy(event->date, call->date, sizeof(call->date))) {
            call->date[0] = '\0';
        }
        break;
    case FETCH_BODY:
        if (!call->xml_error.code && ec2_xml_feed(call->xml, event->body, &call->xml_error)) {
            assert(call->xml_error.code); /* counts once the answer has ended */
        }
        break;
    case FETCH_END:
        answered(ec2, call, &event->error);
        break;
    }
    return true;
}
