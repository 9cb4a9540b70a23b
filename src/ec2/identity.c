/*
 * identity.c - the chain: which provider is asked, what holds now, when it is renewed.
 *
 * Knows the order and the clock of credentials. Refuses to know how a provider is asked: profile.c,
 * sts.c and remote.c do. The first provider that is configured answers for all of them, so that a
 * broken role never turns silently into the node's own identity.
 */
#include <assert.h>
#include <stdio.h>

#include <headroom/doc.h>
#include <headroom/timestamp.h>

#include "machine.h"

/* Renewed so long before the end, but never before half of the lifetime. */
#define RENEW_BEFORE_NS (10 * 60 * SECOND_NS)
/* Not used any more so long before the end: a request under way must still be in time. */
#define LAST_USE_NS (5 * SECOND_NS)
#define RETRY_BASE_NS SECOND_NS
#define RETRY_CAP_NS (60 * SECOND_NS)

enum { TRIED_MAX = 2048, FETCH_TIMEOUT_MS = 10000, IMDS_TIMEOUT_MS = 2000 };

static void wipe(struct slice s)
{
    if (s.len > 0) {
        explicit_bzero((char *)(uintptr_t)s.data, s.len);
    }
}

static void wipe_credentials(struct sigv4_credentials *credentials)
{
    wipe(credentials->access_key_id);
    wipe(credentials->secret_access_key);
    wipe(credentials->session_token);
    *credentials = (struct sigv4_credentials){ 0 };
}

static void wipe_answer(struct identity *identity)
{
    if (identity->answer.len > 0) {
        explicit_bzero(identity->answer.data, identity->answer.len);
    }
    buf_reset(&identity->answer);
}

void ec2_identity_init(struct identity *identity)
{
    *identity = (struct identity){ 0 };
    arena_init(&identity->arena);
    arena_init(&identity->files);
    arena_init(&identity->work);
    buf_init(&identity->answer, IDENTITY_ANSWER_MAX);
    buf_init(&identity->tried, TRIED_MAX);
}

void ec2_identity_done(struct identity *identity)
{
    wipe_credentials(&identity->credentials);
    wipe_credentials(&identity->found.credentials);
    wipe_answer(identity);
    arena_wipe(&identity->arena);
    arena_wipe(&identity->files);
    arena_wipe(&identity->work);
    arena_done(&identity->arena);
    arena_done(&identity->files);
    arena_done(&identity->work);
    buf_done(&identity->answer);
    buf_done(&identity->tried);
}

/* The server's time: what an expiration is compared with. */
static uint64_t server_wall_ns(const struct ec2 *ec2)
{
    return (uint64_t)((int64_t)ec2->wall_ns + ec2->skew_ns);
}

static bool still_good(const struct ec2 *ec2)
{
    const struct identity *identity = &ec2->identity;

    return identity->have && (identity->expires_wall_ns == 0 ||
                              server_wall_ns(ec2) + LAST_USE_NS < identity->expires_wall_ns);
}

enum identity_state ec2_identity_state(struct ec2 *ec2)
{
    const struct identity *identity = &ec2->identity;

    if (still_good(ec2) && identity->region[0] != '\0') {
        return IDENTITY_READY;
    }
    return identity->failed ? IDENTITY_FAILED : IDENTITY_PENDING;
}

/* ---- asking ---- */

struct fetch *ec2_identity_ask(struct ec2 *ec2, enum identity_step step, enum fetch_kind kind,
                               struct slice target)
{
    struct identity *identity = &ec2->identity;

    identity->step = step;
    identity->fetch_id = ++ec2->fetch_next;
    identity->status = 0;
    wipe_answer(identity);
    struct fetch *fetch = fetch_add(ec2->fetches, identity->fetch_id);
    fetch->kind = kind;
    fetch->target = ec2_step_copy(ec2, target);
    fetch->response_max = IDENTITY_ANSWER_MAX;
    if (kind == FETCH_HTTP) {
        bool imds = step == STEP_IMDS_TOKEN || step == STEP_IMDS_REGION || step == STEP_IMDS_ROLE ||
                    step == STEP_IMDS_CREDENTIALS;
        fetch->method = "GET";
        fetch->connect_ms = imds ? IMDS_TIMEOUT_MS : 5000;
        fetch->total_ms = imds ? IMDS_TIMEOUT_MS : FETCH_TIMEOUT_MS;
        fetch->tls = slice_starts(target, SLICE("https://")) ? &ec2->tls : NULL;
    } else {
        fetch->total_ms = kind == FETCH_EXEC ? 60000 : FETCH_TIMEOUT_MS;
    }
    return fetch;
}

static void ask_provider(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    const struct ec2_environment *env = &ec2->env;

    switch (identity->provider) {
    case PROVIDER_ENVIRONMENT:
        if (env->access_key_id.len == 0 || env->secret_access_key.len == 0) {
            ec2_identity_skip(
                ec2, "environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
            return;
        }
        identity->found.credentials = (struct sigv4_credentials){
            .access_key_id = arena_slice(&identity->work, env->access_key_id),
            .secret_access_key = arena_slice(&identity->work, env->secret_access_key),
            .session_token = arena_slice(&identity->work, env->session_token),
        };
        ec2_identity_found(ec2, "environment");
        return;
    case PROVIDER_PROFILE:
        ec2_profile_ask(ec2);
        return;
    case PROVIDER_WEB_IDENTITY:
        if (env->web_identity_token_file.len == 0 || env->role_arn.len == 0) {
            ec2_identity_skip(
                ec2, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set");
            return;
        }
        identity->web_token_file = env->web_identity_token_file;
        identity->web_role_arn = env->role_arn;
        identity->web_session_name = env->role_session_name;
        ec2_sts_web_identity(ec2);
        return;
    case PROVIDER_CONTAINER:
        ec2_container_ask(ec2);
        return;
    case PROVIDER_IMDS:
        ec2_imds_ask(ec2, false);
        return;
    case PROVIDER_COUNT:
        ec2_identity_fail(ec2, false, "no AWS credentials; tried %.*s",
                          SLICE_ARG(buf_slice(&identity->tried)));
        return;
    }
}

void ec2_identity_skip(struct ec2 *ec2, const char *why)
{
    struct identity *identity = &ec2->identity;

    if (identity->role_count > 0) {
        ec2_identity_fail(ec2, false, "the profile's credential_source does not answer: %s", why);
        return;
    }
    buf_addf(&identity->tried, "%s%s", identity->tried.len > 0 ? "; " : "", why);
    identity->provider++;
    ask_provider(ec2);
}

static void begin_chain(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;

    buf_reset(&identity->tried);
    wipe_credentials(&identity->found.credentials);
    identity->found.expires_wall_ns = 0;
    arena_wipe(&identity->work);
    identity->role_count = 0;
    identity->provider = PROVIDER_ENVIRONMENT;
    ask_provider(ec2);
}

/* The Region: environment, profile, instance metadata. Then the credentials. */
static void settle_region(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;

    if (identity->region[0] == '\0') {
        struct slice region = ec2->env.region.len > 0 ? ec2->env.region : ec2->env.default_region;
        if (slice_copy(region, identity->region, sizeof(identity->region))) {
            ec2_identity_fail(ec2, false, "the Region '%.*s' is too long", 40, region.data);
            return;
        }
    }
    ec2_profile_settings(ec2);
    if (identity->region[0] == '\0' && !identity->imds_region_tried) {
        identity->imds_region_tried = true;
        ec2_imds_ask(ec2, true);
        return;
    }
    if (identity->region[0] == '\0') {
        ec2_identity_fail(ec2, true,
                          "no AWS Region: set AWS_REGION; neither environment nor profile name "
                          "one; %.*s",
                          SLICE_ARG(buf_slice(&identity->tried)));
        return;
    }
    begin_chain(ec2);
}

static void begin(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;

    buf_reset(&identity->tried);
    identity->imds_region_tried = false;
    arena_wipe(&identity->files);
    identity->config = identity->credentials_file = (struct ini){ 0 };
    if (ec2_profile_files(ec2)) {
        settle_region(ec2);
    }
}

/* ---- ends ---- */

static void plan_refresh(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    uint64_t now = server_wall_ns(ec2);

    identity->refresh_wall_ns = 0;
    if (identity->expires_wall_ns == 0) {
        return;
    }
    uint64_t left = identity->expires_wall_ns > now ? identity->expires_wall_ns - now : 0;
    uint64_t before = left / 2 < RENEW_BEFORE_NS ? left / 2 : RENEW_BEFORE_NS;
    /* Replicas that started together do not renew together. */
    before += (uint64_t)(prng_unit(&ec2->prng) * 0.1 * (double)before);
    identity->refresh_wall_ns = identity->expires_wall_ns - before;
}

static void adopt(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    struct identity_found *found = &identity->found;

    wipe_credentials(&identity->credentials);
    arena_wipe(&identity->arena);
    identity->credentials = (struct sigv4_credentials){
        .access_key_id = arena_slice(&identity->arena, found->credentials.access_key_id),
        .secret_access_key = arena_slice(&identity->arena, found->credentials.secret_access_key),
        .session_token = arena_slice(&identity->arena, found->credentials.session_token),
    };
    identity->expires_wall_ns = found->expires_wall_ns;
    wipe_credentials(&found->credentials);
    (void)snprintf(identity->source, sizeof(identity->source), "%s", identity->found_source);
    identity->have = true;
    identity->generation++;
    identity->step = STEP_REST;
    identity->failed = false;
    identity->failures = 0;
    wipe_answer(identity);
    arena_wipe(&identity->work);
    ec2_profile_forget(ec2);
    plan_refresh(ec2);
    ec2_health_note(ec2, EC2_OP_COUNT, CLOUD_OK, (struct slice){ 0 });
    struct log_record *record = log_add(ec2->logs, LOG_INFO, "ec2", "AWS credentials found");
    log_text(ec2->logs, record, "source", slice_of(identity->source));
    log_text(ec2->logs, record, "region", slice_of(identity->region));
    if (identity->expires_wall_ns > 0) {
        char text[TIMESTAMP_MAX];
        log_text(ec2->logs, record, "expires",
                 timestamp_format(identity->expires_wall_ns, 0, text));
    }
}

void ec2_identity_found(struct ec2 *ec2, const char *source)
{
    struct identity *identity = &ec2->identity;

    if (source) {
        (void)snprintf(identity->found_source, sizeof(identity->found_source), "%s", source);
    }
    if (identity->found.expires_wall_ns != 0 &&
        identity->found.expires_wall_ns <= server_wall_ns(ec2)) {
        ec2_identity_fail(ec2, true, "%s: the credentials have expired already",
                          identity->found_source);
    } else if (identity->role_count > 0) {
        ec2_sts_assume(ec2);
    } else {
        adopt(ec2);
    }
}

void ec2_identity_fail(struct ec2 *ec2, bool unavailable, const char *format, ...)
{
    struct identity *identity = &ec2->identity;
    char error[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error, sizeof(error), format, args);
    va_end(args);
    bool repeated = identity->failed && strcmp(error, identity->error) == 0;
    memcpy(identity->error, error, sizeof(error));
    wipe_credentials(&identity->found.credentials);
    wipe_answer(identity);
    arena_wipe(&identity->work);
    identity->step = STEP_REST;
    identity->failed = true;
    identity->unavailable = unavailable;
    identity->retry_ns = ec2_backoff_ns(ec2, RETRY_BASE_NS, RETRY_CAP_NS, identity->failures);
    identity->failures++;
    if (!still_good(ec2)) {
        ec2_health_note(ec2, EC2_OP_COUNT, unavailable ? CLOUD_UNAVAILABLE : CLOUD_DENIED,
                        slice_of(identity->error));
    }
    struct log_record *record = log_add(
        ec2->logs, repeated ? LOG_DEBUG : LOG_WARN, "ec2",
        still_good(ec2) ? "cannot renew AWS credentials yet, the old ones still hold"
                        : "no AWS credentials");
    log_text(ec2->logs, record, "error", slice_of(identity->error));
}

bool ec2_identity_json(struct ec2 *ec2, struct slice text, const char *source)
{
    struct identity *identity = &ec2->identity;
    struct identity_found *found = &identity->found;
    const struct doc *doc = NULL;
    struct error error = { 0 };

    if (json_parse(&identity->work, text, NULL, &doc, &error)) {
        ec2_identity_fail(ec2, true, "%s: the answer is not JSON", source);
        return false;
    }
    struct slice expiration = doc_text(doc_get(doc, "Expiration"));
    struct slice token = doc_text(doc_get(doc, "Token"));
    found->credentials = (struct sigv4_credentials){
        .access_key_id = doc_text(doc_get(doc, "AccessKeyId")),
        .secret_access_key = doc_text(doc_get(doc, "SecretAccessKey")),
        .session_token = token.len > 0 ? token : doc_text(doc_get(doc, "SessionToken")),
    };
    found->expires_wall_ns = 0;
    if (found->credentials.access_key_id.len == 0 ||
        found->credentials.secret_access_key.len == 0) {
        struct slice code = doc_text(doc_get(doc, "Code"));
        struct slice message = doc_text(doc_get(doc, "Message"));
        if (message.len == 0) {
            message = doc_text(doc_get(doc, "message"));
        }
        ec2_identity_fail(ec2, false, "%s: no credentials in the answer %.*s %.*s", source,
                          (int)(code.len < 60 ? code.len : 60), code.data ? code.data : "",
                          (int)(message.len < 200 ? message.len : 200),
                          message.data ? message.data : "");
        return false;
    }
    if (expiration.len > 0 && timestamp_parse(expiration, &found->expires_wall_ns)) {
        ec2_identity_fail(ec2, false, "%s: the expiration is no time", source);
        return false;
    }
    return true;
}

/* ---- the machine ---- */

void ec2_identity_run(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;

    if (identity->step != STEP_REST) {
        return;
    }
    if (identity->failed) {
        if (ec2->now_ns >= identity->retry_ns) {
            identity->retry_ns = UINT64_MAX; /* until this try has ended */
            begin(ec2);
        }
        return;
    }
    bool due = identity->refresh_wall_ns > 0 && server_wall_ns(ec2) >= identity->refresh_wall_ns;
    if (!identity->have || due) {
        identity->refresh_wall_ns = 0;
        begin(ec2);
    }
}

void ec2_identity_renew(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;

    if (identity->step == STEP_REST && !identity->failed) {
        begin(ec2);
    }
}

static void answered(struct ec2 *ec2, enum identity_step step, const struct error *error)
{
    struct identity *identity = &ec2->identity;

    switch (step) {
    case STEP_CONFIG_FILE:
    case STEP_CREDENTIALS_FILE:
        if (ec2_profile_file_read(ec2, step, error)) {
            settle_region(ec2);
        }
        break;
    case STEP_PROCESS:
        ec2_profile_process_done(ec2, error);
        break;
    case STEP_WEB_TOKEN_FILE:
        ec2_sts_web_token_read(ec2, error);
        break;
    case STEP_WEB_IDENTITY:
    case STEP_ASSUME_ROLE:
        ec2_sts_answer(ec2, error);
        break;
    case STEP_CONTAINER_TOKEN_FILE:
        ec2_container_token_read(ec2, error);
        break;
    case STEP_CONTAINER:
        ec2_container_answer(ec2, error);
        break;
    case STEP_IMDS_TOKEN:
    case STEP_IMDS_REGION:
    case STEP_IMDS_ROLE:
    case STEP_IMDS_CREDENTIALS:
        ec2_imds_answer(ec2, error);
        if (identity->imds_for_region && identity->step == STEP_REST) {
            settle_region(ec2);
        }
        break;
    case STEP_REST:
        break;
    }
}

bool ec2_identity_fetch(struct ec2 *ec2, const struct fetch_event *event)
{
    struct identity *identity = &ec2->identity;
    enum identity_step step = identity->step;

    if (identity->fetch_id == 0 || event->id != identity->fetch_id) {
        return false;
    }
    switch (event->kind) {
    case FETCH_HEAD:
        identity->status = event->status;
        break;
    case FETCH_BODY:
        buf_add_slice(&identity->answer, event->body);
        break;
    case FETCH_END: {
        struct error error = event->error;
        if (!error.code && identity->answer.failed) {
            (void)error_set(&error, ERR_LIMIT, "the answer is too large");
        }
        identity->fetch_id = 0;
        identity->step = STEP_REST;
        identity->answered = step;
        answered(ec2, step, &error);
        break;
    }
    }
    return true;
}

uint64_t ec2_identity_deadline_ns(struct ec2 *ec2)
{
    const struct identity *identity = &ec2->identity;
    uint64_t deadline = UINT64_MAX, now = server_wall_ns(ec2);

    if (identity->step != STEP_REST) {
        return deadline;
    }
    if (identity->failed) {
        return identity->retry_ns;
    }
    if (!identity->have) {
        return ec2->now_ns;
    }
    if (identity->refresh_wall_ns > 0) {
        deadline = identity->refresh_wall_ns > now ? ec2->now_ns + (identity->refresh_wall_ns - now)
                                                   : ec2->now_ns;
    }
    return deadline;
}
