/*
 * api.c - one request and its whole answer, with the identity that the kubeconfig gives.
 *
 * Knows how a kubeconfig's user convinces the API server. Refuses to know what is asked. A
 * command runs once, so nothing is kept or refreshed.
 */
#include <assert.h>

#include <headroom/credential.h>

#include "cli.h"

enum { ANSWER_MAX = 64 << 20, FILE_MAX = 1 << 20 };

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

static enum err read_file(struct cli *cli, struct slice path, struct slice *ret,
                          struct error *error)
{
    return io_read_file(&cli->arena, arena_slice(&cli->arena, path).data, FILE_MAX, ret, error);
}

static enum err run_plugin(struct cli *cli, const struct kube_access *access,
                           struct cli_identity *ret, struct error *error)
{
    struct slice ca_pem = access->tls.ca_pem, ca_file = credential_ca_file(access);
    struct credential credential = { 0 };
    struct reply reply = { 0 };
    struct fetch fetch = { .id = 1 };

    if (ca_file.len > 0 && read_file(cli, ca_file, &ca_pem, error) != ERR_OK) {
        return error->code;
    }
    credential_fetch(&cli->arena, access, ca_pem, &fetch);
    buf_init(&reply.body, fetch.response_max);
    enum err err = wait_for(cli, &fetch, &reply, error);
    if (err == ERR_OK) {
        err = credential_read(&cli->arena, access->exec.api_version, buf_slice(&reply.body),
                              &credential, error);
    }
    buf_done(&reply.body);
    if (err != ERR_OK) {
        credential_explain(access, error);
        return err;
    }
    if (credential.token.len > 0) {
        ret->header = credential_bearer(&cli->arena, credential.token);
    }
    if (credential.cert_pem.len > 0) {
        ret->tls.cert_pem = credential.cert_pem;
        ret->tls.key_pem = credential.key_pem;
        ret->tls.cert_file = ret->tls.key_file = (struct slice){ 0 };
    }
    return ERR_OK;
}

static enum err identify(struct cli *cli, const struct kube_access *access,
                         struct cli_identity *ret, struct error *error)
{
    struct slice token = access->token;

    *ret = (struct cli_identity){ .tls = access->tls };
    if (access->token_file.len > 0 && read_file(cli, access->token_file, &token, error) != ERR_OK) {
        return error->code;
    }
    if (token.len > 0) {
        ret->header = credential_bearer(&cli->arena, slice_trim(token));
    } else if (access->username.len > 0) {
        ret->header = credential_basic(&cli->arena, access->username, access->password);
    } else if (access->exec.command.len > 0) {
        return run_plugin(cli, access, ret, error);
    }
    return ERR_OK;
}

/* ---- the request ---- */

static enum err judge(struct cli *cli, const struct kube_access *access, struct slice target,
                      const struct reply *reply, struct error *error)
{
    const struct doc *status = NULL;
    struct slice message = { 0 };

    if (reply->status == 200 || reply->status == 201) {
        return ERR_OK;
    }
    if (reply->status == 401 && access) {
        return credential_rejected(&cli->arena, access, error);
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

/* Once for a command: a plugin may take a second and ask AWS. */
static enum err find_identity(struct cli *cli, const struct kube_access *access,
                              struct error *error)
{
    if (!cli->identity) {
        struct cli_identity *identity = ARENA_NEW(&cli->arena, struct cli_identity);
        enum err err = identify(cli, access, identity, error);
        if (err != ERR_OK) {
            return err;
        }
        cli->identity = identity;
    }
    return ERR_OK;
}

/* To the API server as who we are, and as whom we act. */
static void present(struct cli *cli, const struct kube_access *access, struct fetch *fetch)
{
    struct fetch_header *headers = ARENA_ARRAY(&cli->arena, struct fetch_header,
                                               fetch->header_count + 1 + access->impersonate_count);

    memcpy(headers, fetch->headers, fetch->header_count * sizeof(*headers));
    if (cli->identity->header.len > 0) {
        headers[fetch->header_count++] = (struct fetch_header){ SLICE("Authorization"),
                                                                cli->identity->header };
    }
    for (size_t i = 0; i < access->impersonate_count; i++) {
        headers[fetch->header_count++] = access->impersonate[i];
    }
    fetch->headers = headers;
    fetch->tls = &cli->identity->tls;
    fetch->target = arena_printf(&cli->arena, "%.*s%.*s", SLICE_ARG(access->server),
                                 SLICE_ARG(fetch->target));
}

static enum err ask(struct cli *cli, const struct kube_access *access, struct slice target,
                    struct slice body, struct slice *ret, struct error *error)
{
    static const struct fetch_header headers[] = {
        { { "Accept", 6 }, { "application/json", 16 } },
        { { "Content-Type", 12 }, { "application/json", 16 } },
    };
    struct reply reply = { 0 };
    struct fetch fetch = {
        .id = 2,
        .method = body.len > 0 ? "POST" : "GET",
        .target = target,
        .headers = headers,
        .header_count = body.len > 0 ? 2 : 1,
        .body = body,
        .gzip = true,
        .response_max = ANSWER_MAX,
    };

    if (access) {
        enum err err = find_identity(cli, access, error);
        if (err != ERR_OK) {
            return err;
        }
        present(cli, access, &fetch);
    }
    buf_init(&reply.body, ANSWER_MAX);
    enum err err = wait_for(cli, &fetch, &reply, error);
    if (err == ERR_OK) {
        err = judge(cli, access, target, &reply, error);
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
