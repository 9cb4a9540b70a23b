/*
 * credential.c - headers that convince the API server, and both sides of an exec plugin's format.
 *
 * Knows ExecCredential. Refuses to know when a credential is asked for, and how a program is run.
 */
#include <openssl/evp.h>

#include <headroom/credential.h>
#include <headroom/doc.h>
#include <headroom/json.h>
#include <headroom/timestamp.h>

enum {
    INFO_MAX = 2 << 20, /* a kubeconfig's certificate authority in base64, and more */
    PRINTED_MAX = 256 << 10,
    PLUGIN_MS = 60000, /* it may ask somebody elsewhere, who is slow */
};

struct slice credential_bearer(struct arena *arena, struct slice token)
{
    return arena_printf(arena, "Bearer %.*s", SLICE_ARG(token));
}

static struct slice base64(struct arena *arena, struct slice plain)
{
    unsigned char *coded = arena_alloc(arena, plain.len / 3 * 4 + 8);
    int len = EVP_EncodeBlock(coded, (const unsigned char *)plain.data, (int)plain.len);

    return (struct slice){ (const char *)coded, (size_t)len };
}

struct slice credential_basic(struct arena *arena, struct slice username, struct slice password)
{
    struct slice plain = arena_printf(arena, "%.*s:%.*s", SLICE_ARG(username), SLICE_ARG(password));

    return arena_printf(arena, "Basic %.*s", SLICE_ARG(base64(arena, plain)));
}

/* What the server was shown, for people. */
static struct slice shown(struct arena *arena, const struct kube_access *access)
{
    const struct fetch_tls *tls = &access->tls;

    if (access->token_file.len > 0) {
        return arena_printf(arena, "token file %.*s", SLICE_ARG(access->token_file));
    }
    if (access->token.len > 0) {
        return SLICE("token");
    }
    if (access->username.len > 0) {
        return SLICE("user and password");
    }
    if (tls->cert_pem.len > 0) {
        return SLICE("inline client certificate");
    }
    if (tls->cert_file.len > 0) {
        return arena_printf(arena, "client certificate %.*s", SLICE_ARG(tls->cert_file));
    }
    if (access->exec.command.len > 0) {
        return arena_printf(arena, "credential plugin \"%.*s\"", SLICE_ARG(access->exec.command));
    }
    return SLICE("it has none");
}

enum err credential_rejected(struct arena *arena, const struct kube_access *access,
                             struct error *error)
{
    return error_set(error, ERR_DENIED,
                     "the API server does not accept the credentials of context \"%.*s\" (%.*s); "
                     "they may have expired",
                     SLICE_ARG(access->context), SLICE_ARG(shown(arena, access)));
}

static void optional(struct json_out *json, const char *key, struct slice value)
{
    if (value.len > 0) {
        json_field_text(json, key, value);
    }
}

static void write_cluster(struct json_out *json, struct arena *arena,
                          const struct kube_access *access, struct slice ca_pem)
{
    const struct fetch_tls *tls = &access->tls;

    json_key(json, "cluster");
    json_begin_object(json);
    json_field_text(json, "server", access->server);
    optional(json, "tls-server-name", tls->server_name);
    if (tls->insecure) {
        json_field_bool(json, "insecure-skip-tls-verify", true);
    }
    if (ca_pem.len > 0) {
        json_field_text(json, "certificate-authority-data", base64(arena, ca_pem));
    }
    optional(json, "proxy-url", tls->proxy_url);
    if (access->exec.cluster_config.len > 0) {
        json_key(json, "config");
        json_raw(json, access->exec.cluster_config);
    }
    json_end_object(json);
}

/* The value of KUBERNETES_EXEC_INFO. */
static struct slice exec_info(struct arena *arena, const struct kube_access *access,
                              struct slice ca_pem)
{
    struct json_out json;
    struct buf buf;

    buf_init(&buf, INFO_MAX);
    json_start(&json, &buf);
    json_begin_object(&json);
    json_field_text(&json, "kind", SLICE("ExecCredential"));
    json_field_text(&json, "apiVersion", access->exec.api_version);
    json_key(&json, "spec");
    json_begin_object(&json);
    if (access->exec.provide_cluster_info) {
        write_cluster(&json, arena, access, ca_pem);
    }
    json_field_bool(&json, "interactive", false);
    json_end_object(&json);
    json_end_object(&json);
    struct slice info = arena_slice(arena, buf_slice(&buf));
    buf_done(&buf);
    return info;
}

struct slice credential_ca_file(const struct kube_access *access)
{
    return access->exec.provide_cluster_info ? access->tls.ca_file : SLICE("");
}

void credential_fetch(struct arena *arena, const struct kube_access *access, struct slice ca_pem,
                      struct fetch *ret)
{
    size_t count = access->exec.env_count;
    struct fetch_header *env = ARENA_ARRAY(arena, struct fetch_header, count + 1);

    for (size_t i = 0; i < count; i++) {
        env[i] = access->exec.env[i];
    }
    env[count] = (struct fetch_header){ SLICE("KUBERNETES_EXEC_INFO"),
                                        exec_info(arena, access, ca_pem) };
    ret->kind = FETCH_EXEC;
    ret->target = access->exec.command;
    ret->args = access->exec.args;
    ret->arg_count = access->exec.arg_count;
    ret->env = env;
    ret->env_count = count + 1;
    ret->response_max = PRINTED_MAX;
    ret->total_ms = PLUGIN_MS;
}

static enum err read_expiry(const struct doc *status, uint64_t *ret, struct error *error)
{
    struct slice text = doc_text(doc_get(status, "expirationTimestamp"));

    *ret = UINT64_MAX;
    if (text.len > 0 && timestamp_parse(text, ret) != ERR_OK) {
        return error_set(error, ERR_INVALID, "its answer's expirationTimestamp \"%.*s\" is no time",
                         (int)(text.len < 64 ? text.len : 64), text.data);
    }
    return ERR_OK;
}

enum err credential_read(struct arena *arena, struct slice api_version, struct slice text,
                         struct credential *ret, struct error *error)
{
    struct doc_limits limits = { .bytes = PRINTED_MAX, .nodes = 1000 };
    const struct doc *doc = NULL;

    if (slice_trim(text).len == 0) {
        return error_set(error, ERR_INVALID, "it printed nothing");
    }
    if (json_parse(arena, text, &limits, &doc, error) != ERR_OK) {
        return error_prefix(error, "it printed no ExecCredential");
    }
    struct slice version = doc_text(doc_get(doc, "apiVersion"));
    if (!slice_eq(version, api_version)) {
        return error_set(error, ERR_INVALID,
                         "it answered as \"%.*s\", not as %.*s, which the kubeconfig asks for",
                         (int)(version.len < 64 ? version.len : 64), version.data,
                         SLICE_ARG(api_version));
    }
    const struct doc *status = doc_get(doc, "status");
    ret->token = doc_text(doc_get(status, "token"));
    ret->cert_pem = doc_text(doc_get(status, "clientCertificateData"));
    ret->key_pem = doc_text(doc_get(status, "clientKeyData"));
    if ((ret->cert_pem.len > 0) != (ret->key_pem.len > 0)) {
        return error_set(error, ERR_INVALID, "its answer has a certificate or a key, not both");
    }
    if (ret->token.len == 0 && ret->cert_pem.len == 0) {
        return error_set(error, ERR_INVALID, "its answer has neither a token nor a certificate");
    }
    return read_expiry(status, &ret->expires_wall_ns, error);
}

void credential_explain(const struct kube_access *access, struct error *error)
{
    struct error whole = { 0 };
    struct slice hint = error->code == ERR_NOT_FOUND ? access->exec.install_hint : SLICE("");

    (void)error_set(&whole, error->code, "credential plugin \"%.*s\": %s%s%.*s%s",
                    SLICE_ARG(access->exec.command), error->text, hint.len > 0 ? " (" : "",
                    SLICE_ARG(hint), hint.len > 0 ? ")" : "");
    *error = whole;
}
