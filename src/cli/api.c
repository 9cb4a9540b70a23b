/*
 * api.c - one request and its whole answer, with the identity that the kubeconfig gives.
 *
 * Knows how a kubeconfig's user convinces the API server. Refuses to know what is asked. A
 * command runs once, so nothing is kept or refreshed.
 */
#include <assert.h>

#include <headroom/json.h>

#include "cli.h"

enum { ANSWER_MAX = 64 << 20, PLUGIN_MAX = 1 << 20, TOKEN_MAX = 1 << 20 };

/* What came back for one fetch. */
struct reply {
    int status;
    struct buf body;
};

static enum err wait_for(struct cli *cli, const struct fetch *fetch, struct reply *reply,
                         struct error *error)
{
    uint64_t limit = io_now_ns() + cli->timeout_ns;

    io_start(cli->io, fetch);
    for (;;) {
        uint32_t count = 0;
        const struct fetch_event *events = io_wait(cli->io, limit, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (events[i].kind == FETCH_HEAD) {
                reply->status = events[i].status;
            } else if (events[i].kind == FETCH_BODY) {
                buf_add_slice(&reply->body, events[i].body);
            } else {
                *error = events[i].error;
                return error->code;
            }
        }
        if (io_stop_requests(cli->io) > 0) {
            return error_set(error, ERR_CANCELLED, "stopped");
        }
        if (io_now_ns() >= limit) {
            return error_set(error, ERR_TIMEOUT, "no answer within %llu s",
                             (unsigned long long)(cli->timeout_ns / 1000000000));
        }
    }
}

/* ---- identity ---- */

struct cli_identity {
    struct slice header; /* of Authorization; may be empty */
    struct fetch_tls tls;
};

static struct slice exec_info(struct cli *cli, const struct kube_access *access)
{
    struct buf text;
    struct json_out json;

    buf_init(&text, PLUGIN_MAX);
    json_start(&json, &text);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", access->exec.api_version);
    json_field_text(&json, "kind", SLICE("ExecCredential"));
    json_key(&json, "spec");
    json_begin_object(&json);
    json_field_bool(&json, "interactive", false);
    if (access->exec.provide_cluster_info) {
        json_key(&json, "cluster");
        json_begin_object(&json);
        json_field_text(&json, "server", access->server);
        json_end_object(&json);
    }
    json_end_object(&json);
    json_end_object(&json);
    struct slice copy = arena_slice(&cli->arena, buf_slice(&text));
    buf_done(&text);
    return copy;
}

static enum err read_credential(struct cli *cli, struct slice text, struct cli_identity *ret,
                                struct error *error)
{
    const struct doc *doc = NULL;

    if (json_parse(&cli->arena, text, NULL, &doc, error) != ERR_OK) {
        return error_prefix(error, "the credential plugin's output");
    }
    struct slice token = doc_text(doc_at(doc, "status", "token"));
    struct slice certificate = doc_text(doc_at(doc, "status", "clientCertificateData"));
    if (token.len == 0 && certificate.len == 0) {
        return error_set(error, ERR_INVALID,
                         "the credential plugin's output holds neither a token nor a certificate");
    }
    if (token.len > 0) {
        ret->header = arena_printf(&cli->arena, "Bearer %.*s", SLICE_ARG(token));
    }
    if (certificate.len > 0) {
        ret->tls.cert_pem = certificate;
        ret->tls.key_pem = doc_text(doc_at(doc, "status", "clientKeyData"));
        ret->tls.cert_file = ret->tls.key_file = (struct slice){ 0 };
    }
    return ERR_OK;
}

static enum err run_plugin(struct cli *cli, const struct kube_access *access,
                           struct cli_identity *ret, struct error *error)
{
    struct fetch_header *env = ARENA_ARRAY(&cli->arena, struct fetch_header,
                                           access->exec.env_count + 1);
    struct reply reply = { 0 };
    struct fetch fetch = {
        .id = 1,
        .kind = FETCH_EXEC,
        .target = access->exec.command,
        .args = access->exec.args,
        .arg_count = access->exec.arg_count,
        .env = env,
        .env_count = access->exec.env_count + 1,
    };

    for (size_t i = 0; i < access->exec.env_count; i++) {
        env[i + 1] = access->exec.env[i];
    }
    env[0] = (struct fetch_header){ SLICE("KUBERNETES_EXEC_INFO"), exec_info(cli, access) };
    buf_init(&reply.body, PLUGIN_MAX);
    enum err err = wait_for(cli, &fetch, &reply, error);
    if (err == ERR_OK) {
        err = read_credential(cli, arena_slice(&cli->arena, buf_slice(&reply.body)), ret, error);
    } else if (err == ERR_NOT_FOUND && access->exec.install_hint.len > 0) {
        (void)error_set(error, ERR_NOT_FOUND, "%.*s", SLICE_ARG(access->exec.install_hint));
    }
    buf_done(&reply.body);
    return err;
}

static struct slice base64(struct arena *arena, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = arena_alloc(arena, (s.len + 2) / 3 * 4 + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (i + k < s.len ? (unsigned char)s.data[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            text[len++] = i + k > s.len ? '=' : digits[bits >> (18 - 6 * k) & 63];
        }
    }
    return (struct slice){ text, len };
}

static enum err identify(struct cli *cli, const struct kube_access *access,
                         struct cli_identity *ret, struct error *error)
{
    struct slice token = access->token;

    *ret = (struct cli_identity){ .tls = access->tls };
    if (token.len == 0 && access->token_file.len > 0) {
        enum err err = io_read_file(&cli->arena, arena_slice(&cli->arena, access->token_file).data,
                                    TOKEN_MAX, &token, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (token.len > 0) {
        ret->header = arena_printf(&cli->arena, "Bearer %.*s", SLICE_ARG(slice_trim(token)));
    } else if (access->username.len > 0) {
        struct slice pair = arena_printf(&cli->arena, "%.*s:%.*s", SLICE_ARG(access->username),
                                         SLICE_ARG(access->password));
        ret->header = arena_printf(&cli->arena, "Basic %s", base64(&cli->arena, pair).data);
    } else if (access->exec.command.len > 0) {
        return run_plugin(cli, access, ret, error);
    }
    return ERR_OK;
}

/* ---- the request ---- */

static enum err judge(struct cli *cli, struct slice target, const struct reply *reply,
                      struct error *error)
{
    const struct doc *status = NULL;
    struct slice message = { 0 };

    if (reply->status == 200 || reply->status == 201) {
        return ERR_OK;
    }
    if (json_parse(&cli->arena, buf_slice(&reply->body), NULL, &status, NULL) == ERR_OK) {
        message = doc_text(doc_get(status, "message"));
    }
    enum err code = reply->status == 404                           ? ERR_NOT_FOUND
                    : reply->status == 401 || reply->status == 403 ? ERR_DENIED
                                                                   : ERR_UNAVAILABLE;
    return error_set(error, code, "%.*s was answered with status %d%s%.*s", SLICE_ARG(target),
                     reply->status, message.len > 0 ? ": " : "", SLICE_ARG(message));
}

static enum err ask(struct cli *cli, const struct kube_access *access, struct slice target,
                    struct slice body, struct slice *ret, struct error *error)
{
    struct cli_identity none = { 0 }, *identity = access ? cli->identity : &none;
    struct reply reply = { 0 };
    struct fetch_header headers[4] = { { SLICE("Accept"), SLICE("application/json") },
                                       { SLICE("Content-Type"), SLICE("application/json") } };
    struct fetch fetch = {
        .id = 2,
        .method = body.len > 0 ? "POST" : "GET",
        .target = target,
        .headers = headers,
        .header_count = body.len > 0 ? 2 : 1,
        .body = body,
        .tls = identity ? &identity->tls : NULL,
        .gzip = true,
        .response_max = ANSWER_MAX,
    };

    if (access) {
        if (!identity) { /* once: a plugin may take a second and ask AWS */
            identity = ARENA_NEW(&cli->arena, struct cli_identity);
            enum err err = identify(cli, access, identity, error);
            if (err != ERR_OK) {
                return err;
            }
            cli->identity = identity;
            fetch.tls = &identity->tls;
        }
        fetch.target = arena_printf(&cli->arena, "%.*s%.*s", SLICE_ARG(access->server),
                                    SLICE_ARG(target));
        if (identity->header.len > 0) {
            headers[fetch.header_count++] = (struct fetch_header){ SLICE("Authorization"),
                                                                   identity->header };
        }
        if (access->impersonate_user.len > 0) {
            headers[fetch.header_count++] = (struct fetch_header){ SLICE("Impersonate-User"),
                                                                   access->impersonate_user };
        }
    }
    buf_init(&reply.body, ANSWER_MAX);
    enum err err = wait_for(cli, &fetch, &reply, error);
    if (err == ERR_OK) {
        err = judge(cli, target, &reply, error);
    }
    if (err == ERR_OK) {
        *ret = arena_slice(&cli->arena, buf_slice(&reply.body));
    }
    buf_done(&reply.body);
    return err;
}

enum err cli_get(struct cli *cli, const struct kube_access *access, struct slice target,
                 struct slice *ret, struct error *error)
{
    return ask(cli, access, target, (struct slice){ 0 }, ret, error);
}

enum err cli_post(struct cli *cli, const struct kube_access *access, struct slice target,
                  struct slice body, struct slice *ret, struct error *error)
{
    assert(body.len > 0);
    return ask(cli, access, target, body, ret, error);
}
