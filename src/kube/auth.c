/*
 * auth.c - tokens, token files, exec plugins and client certificates.
 *
 * Knows when what convinced the server must be asked for again: a token file every minute, an exec
 * plugin before its credential expires, both at once after a 401. Secrets stay in an identity's
 * arena and never enter a log.
 */
#include <assert.h>

#include <openssl/evp.h>

#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "core.h"

enum { FILE_MAX = 64 << 10, EXEC_MAX = 256 << 10, EXEC_MS = 60000 };

#define FILE_EVERY_NS MINUTE_NS
#define EARLY_NS (30 * SECOND_NS) /* before a credential expires */
#define REJECTED_WAIT_NS (2 * SECOND_NS)
#define PLUGIN_WAIT_MOST_NS (30 * SECOND_NS) /* it may cost a second of CPU, and a call elsewhere */

static bool uses_file(const struct kube *kube)
{
    return kube->config.access.token_file.len > 0;
}

static bool uses_exec(const struct kube *kube)
{
    return kube->config.access.exec.command.len > 0;
}

static struct auth_identity *identity_new(void)
{
    struct auth_identity *identity = mem_resize(NULL, 1, sizeof(*identity));

    *identity = (struct auth_identity){ .users = 1 };
    arena_init(&identity->arena);
    return identity;
}

void auth_drop(struct auth_identity *identity)
{
    assert(identity->users > 0);
    if (--identity->users == 0) {
        arena_done(&identity->arena);
        mem_free(identity);
    }
}

struct auth_identity *auth_hold(struct kube *kube)
{
    assert(auth_ready(kube));
    kube->auth.current->users++;
    return kube->auth.current;
}

bool auth_ready(const struct kube *kube)
{
    return kube->auth.current && !kube->auth.rejected;
}

static void set_current(struct kube *kube, struct auth_identity *identity)
{
    if (kube->auth.current) {
        auth_drop(kube->auth.current);
    }
    kube->auth.current = identity;
    kube->auth.rejected = false;
    kube->auth.attempt = 0;
}

static struct slice basic(struct arena *arena, struct slice username, struct slice password)
{
    struct slice plain = arena_printf(arena, "%.*s:%.*s", SLICE_ARG(username), SLICE_ARG(password));
    unsigned char *coded = arena_alloc(arena, plain.len / 3 * 4 + 8);

    (void)EVP_EncodeBlock(coded, (const unsigned char *)plain.data, (int)plain.len);
    return arena_printf(arena, "Basic %s", (const char *)coded);
}

/* What never changes: certificates, a fixed token, a password. */
static struct auth_identity *fixed_identity(struct kube *kube)
{
    const struct kube_access *access = &kube->config.access;
    struct auth_identity *identity = identity_new();

    identity->tls = access->tls; /* lives as long as the machine */
    if (access->token.len > 0) {
        identity->header = arena_printf(&identity->arena, "Bearer %.*s", SLICE_ARG(access->token));
    } else if (access->username.len > 0) {
        identity->header = basic(&identity->arena, access->username, access->password);
    }
    return identity;
}

void auth_init(struct kube *kube)
{
    kube->auth = (struct auth){ .refresh_ns = NEVER_NS };
    if (uses_file(kube) || uses_exec(kube)) {
        kube->auth.refresh_ns = 0;
    } else {
        kube->auth.current = fixed_identity(kube);
    }
}

void auth_done(struct kube *kube)
{
    if (kube->auth.current) {
        auth_drop(kube->auth.current);
    }
}

/* At once for what has worked before; what is refused when it is new is asked for ever more rarely.
 */
static uint64_t rejected_wait_ns(struct kube *kube)
{
    uint32_t before = kube->auth.rejections;

    if (before == 0 || uses_file(kube)) {
        return before == 0 ? 0 : REJECTED_WAIT_NS;
    }
    return REJECTED_WAIT_NS / 2 +
           prng_backoff(&kube->prng, REJECTED_WAIT_NS, PLUGIN_WAIT_MOST_NS, before - 1);
}

void auth_judge(struct kube *kube, const struct auth_identity *identity, int status)
{
    struct auth *auth = &kube->auth;

    if (identity != auth->current || auth->rejected) {
        return;
    }
    if (status != 401) {
        auth->rejections = 0;
    } else if (uses_file(kube) || uses_exec(kube)) {
        auth->rejected = true;
        auth->refresh_ns = kube->now_ns + rejected_wait_ns(kube);
        auth->rejections += auth->rejections < 16;
    }
}

static void ask_failed(struct kube *kube, const struct error *error)
{
    struct auth *auth = &kube->auth;
    uint64_t wait = SECOND_NS / 2 +
                    prng_backoff(&kube->prng, SECOND_NS, 30 * SECOND_NS, auth->attempt);

    auth->attempt++;
    auth->refresh_ns = kube->now_ns + wait;
    report_failure(kube, LOG_ERROR, error, wait);
}

/* ---- token file ---- */

static void on_file(struct kube *kube, void *owner, const struct answer *answer)
{
    struct auth *auth = owner;
    struct slice token = slice_trim(answer->body);
    struct error error = answer->error;

    auth->asking = 0;
    if (error.code == ERR_OK && (token.len == 0 || memchr(token.data, '\n', token.len))) {
        (void)error_set(&error, ERR_INVALID, "it holds no token");
    }
    if (error.code != ERR_OK) {
        (void)error_prefix(&error, "cannot read the token file %.*s",
                           SLICE_ARG(kube->config.access.token_file));
        ask_failed(kube, &error);
        return;
    }
    struct auth_identity *identity = identity_new();
    identity->tls = kube->config.access.tls;
    identity->header = arena_printf(&identity->arena, "Bearer %.*s", SLICE_ARG(token));
    set_current(kube, identity);
    auth->refresh_ns = kube->now_ns + FILE_EVERY_NS;
}

static void ask_file(struct kube *kube)
{
    struct fetch *fetch = request_other(kube, on_file, &kube->auth);

    fetch->kind = FETCH_FILE;
    fetch->target = kube->config.access.token_file;
    fetch->response_max = FILE_MAX;
    kube->auth.asking = fetch->id;
}

/* ---- exec plugin ---- */

static void write_cluster(struct json_out *json, const struct kube_access *access)
{
    const struct fetch_tls *tls = &access->tls;

    json_key(json, "cluster");
    json_begin_object(json);
    json_field_text(json, "server", access->server);
    if (tls->server_name.len > 0) {
        json_field_text(json, "tls-server-name", tls->server_name);
    }
    if (tls->proxy_url.len > 0) {
        json_field_text(json, "proxy-url", tls->proxy_url);
    }
    if (tls->insecure) {
        json_field_bool(json, "insecure-skip-tls-verify", true);
    }
    json_end_object(json);
}

/* KUBERNETES_EXEC_INFO, as the plugin expects it. */
static struct slice exec_info(struct kube *kube)
{
    const struct kube_access *access = &kube->config.access;
    struct json_out json;
    struct buf buf;

    buf_init(&buf, FILE_MAX);
    json_start(&json, &buf);
    json_begin_object(&json);
    json_field_text(&json, "kind", SLICE("ExecCredential"));
    json_field_text(&json, "apiVersion", access->exec.api_version);
    json_key(&json, "spec");
    json_begin_object(&json);
    if (access->exec.provide_cluster_info) {
        write_cluster(&json, access);
    }
    json_field_bool(&json, "interactive", false);
    json_end_object(&json);
    json_end_object(&json);
    struct slice info = arena_slice(&kube->step, buf_slice(&buf));
    buf_done(&buf);
    return info;
}

static uint64_t expiry(struct kube *kube, struct slice text)
{
    uint64_t wall_ns = 0;

    if (text.len == 0 || timestamp_parse(text, &wall_ns) != ERR_OK) {
        return NEVER_NS;
    }
    uint64_t left = wall_ns > kube->wall_ns ? wall_ns - kube->wall_ns : 0;
    /* A short life is used to its half. */
    left = left > 2 * EARLY_NS ? left - EARLY_NS : left / 2;
    return kube->now_ns + (left > SECOND_NS ? left : SECOND_NS);
}

static enum err take_credential(struct kube *kube, const struct doc *doc, struct error *error)
{
    const struct doc *status = doc_get(doc, "status");
    struct slice token = doc_text(doc_get(status, "token"));
    struct slice cert = doc_text(doc_get(status, "clientCertificateData"));
    struct slice key = doc_text(doc_get(status, "clientKeyData"));

    if (!slice_eq(doc_text(doc_get(doc, "apiVersion")), kube->config.access.exec.api_version)) {
        return error_set(error, ERR_INVALID, "it answered as %.*s, not as %.*s",
                         SLICE_ARG(doc_text(doc_get(doc, "apiVersion"))),
                         SLICE_ARG(kube->config.access.exec.api_version));
    }
    if (token.len == 0 && (cert.len == 0 || key.len == 0)) {
        return error_set(error, ERR_INVALID, "its answer has neither a token nor a certificate");
    }
    struct auth_identity *identity = identity_new();
    identity->tls = kube->config.access.tls;
    if (token.len > 0) {
        identity->header = arena_printf(&identity->arena, "Bearer %.*s", SLICE_ARG(token));
    }
    if (cert.len > 0 && key.len > 0) {
        identity->tls.cert_file = identity->tls.key_file = SLICE("");
        identity->tls.cert_pem = arena_slice(&identity->arena, cert);
        identity->tls.key_pem = arena_slice(&identity->arena, key);
    }
    set_current(kube, identity);
    kube->auth.refresh_ns = expiry(kube, doc_text(doc_get(status, "expirationTimestamp")));
    return ERR_OK;
}

static void on_exec(struct kube *kube, void *owner, const struct answer *answer)
{
    struct auth *auth = owner;
    const struct kube_access *access = &kube->config.access;
    struct doc_limits limits = { .bytes = EXEC_MAX, .nodes = 1000 };
    const struct doc *doc = NULL;
    struct error error = answer->error;

    auth->asking = 0;
    if (error.code == ERR_OK &&
        json_parse(&kube->step, answer->body, &limits, &doc, &error) == ERR_OK &&
        take_credential(kube, doc, &error) == ERR_OK) {
        return;
    }
    (void)error_prefix(&error, "credential plugin \"%.*s\"", SLICE_ARG(access->exec.command));
    if (access->exec.install_hint.len > 0 && answer->error.code == ERR_NOT_FOUND) {
        struct error hinted = { 0 };
        (void)error_set(&hinted, error.code, "%s (%.*s)", error.text,
                        SLICE_ARG(access->exec.install_hint));
        error = hinted;
    }
    ask_failed(kube, &error);
}

static void ask_exec(struct kube *kube)
{
    const struct kube_access *access = &kube->config.access;
    size_t count = access->exec.env_count + 1;
    struct fetch_header *env = ARENA_ARRAY(&kube->step, struct fetch_header, count);
    struct fetch *fetch = request_other(kube, on_exec, &kube->auth);

    if (access->exec.env_count > 0) {
        memcpy(env, access->exec.env, access->exec.env_count * sizeof(*env));
    }
    env[count - 1] = (struct fetch_header){ SLICE("KUBERNETES_EXEC_INFO"), exec_info(kube) };
    fetch->kind = FETCH_EXEC;
    fetch->target = access->exec.command;
    fetch->args = access->exec.args;
    fetch->arg_count = access->exec.arg_count;
    fetch->env = env;
    fetch->env_count = count;
    fetch->response_max = EXEC_MAX;
    fetch->total_ms = EXEC_MS;
    kube->auth.asking = fetch->id;
}

void auth_step(struct kube *kube)
{
    struct auth *auth = &kube->auth;

    if (auth->asking != 0 || kube->now_ns < auth->refresh_ns) {
        return;
    }
    if (uses_file(kube)) {
        ask_file(kube);
    } else {
        ask_exec(kube);
    }
}

uint64_t auth_deadline_ns(const struct kube *kube)
{
    return kube->auth.asking != 0 ? NEVER_NS : kube->auth.refresh_ns;
}
