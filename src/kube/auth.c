/*
 * auth.c - tokens, token files, exec plugins and client certificates.
 *
 * Knows when what convinced the server must be asked for again: a token file every minute, an exec
 * plugin before its credential expires, both at once after a 401. Secrets stay in an identity's
 * arena and never enter a log.
 */
#include <assert.h>

#include <headroom/credential.h>

#include "core.h"

enum { FILE_MAX = 64 << 10, CA_MAX = 1 << 20 };

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

/* What never changes: certificates, a fixed token, a password. */
static struct auth_identity *fixed_identity(struct kube *kube)
{
    const struct kube_access *access = &kube->config.access;
    struct auth_identity *identity = identity_new();

    identity->tls = access->tls; /* lives as long as the machine */
    if (access->token.len > 0) {
        identity->header = credential_bearer(&identity->arena, access->token);
    } else if (access->username.len > 0) {
        identity->header = credential_basic(&identity->arena, access->username, access->password);
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
    identity->header = credential_bearer(&identity->arena, token);
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

/* When to ask again for what is good until then. */
static uint64_t refresh_ns(const struct kube *kube, uint64_t expires_wall_ns)
{
    if (expires_wall_ns == NEVER_NS) {
        return NEVER_NS;
    }
    uint64_t left = expires_wall_ns > kube->wall_ns ? expires_wall_ns - kube->wall_ns : 0;
    /* A short life is used to its half. */
    left = left > 2 * EARLY_NS ? left - EARLY_NS : left / 2;
    return kube->now_ns + (left > SECOND_NS ? left : SECOND_NS);
}

static void take_credential(struct kube *kube, const struct credential *credential)
{
    struct auth_identity *identity = identity_new();
    struct arena *arena = &identity->arena;

    identity->tls = kube->config.access.tls;
    if (credential->token.len > 0) {
        identity->header = credential_bearer(arena, credential->token);
    }
    if (credential->cert_pem.len > 0) {
        identity->tls.cert_file = identity->tls.key_file = SLICE("");
        identity->tls.cert_pem = arena_slice(arena, credential->cert_pem);
        identity->tls.key_pem = arena_slice(arena, credential->key_pem);
    }
    set_current(kube, identity);
    kube->auth.refresh_ns = refresh_ns(kube, credential->expires_wall_ns);
}

static void on_exec(struct kube *kube, void *owner, const struct answer *answer)
{
    struct auth *auth = owner;
    const struct kube_access *access = &kube->config.access;
    struct credential credential = { 0 };
    struct error error = answer->error;

    auth->asking = 0;
    if (error.code == ERR_OK && credential_read(&kube->step, access->exec.api_version, answer->body,
                                                &credential, &error) == ERR_OK) {
        take_credential(kube, &credential);
        return;
    }
    credential_explain(access, &error);
    ask_failed(kube, &error);
}

static void run_plugin(struct kube *kube, struct slice ca_pem)
{
    struct fetch *fetch = request_other(kube, on_exec, &kube->auth);

    credential_fetch(&kube->step, &kube->config.access, ca_pem, fetch);
    kube->auth.asking = fetch->id;
}

static void on_ca(struct kube *kube, void *owner, const struct answer *answer)
{
    struct auth *auth = owner;
    struct error error = answer->error;

    auth->asking = 0;
    if (error.code != ERR_OK) {
        (void)error_prefix(&error, "the certificate authority that the credential plugin is told");
        ask_failed(kube, &error);
        return;
    }
    run_plugin(kube, answer->body);
}

/* A plugin is told the authority's bytes, not where they stand. */
static void ask_exec(struct kube *kube)
{
    const struct kube_access *access = &kube->config.access;
    struct slice ca_file = credential_ca_file(access);

    if (ca_file.len == 0) {
        run_plugin(kube, access->tls.ca_pem);
        return;
    }
    struct fetch *fetch = request_other(kube, on_ca, &kube->auth);
    fetch->kind = FETCH_FILE;
    fetch->target = ca_file;
    fetch->response_max = CA_MAX;
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
