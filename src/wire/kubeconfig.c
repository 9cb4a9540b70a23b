/*
 * kubeconfig.c - from kubeconfig files to how the API server is reached and convinced.
 *
 * Knows the format of client-go's v1 Config and its merging rules. Refuses to read files, the
 * environment or a clock: the caller hands the contents over, and paths go out as paths.
 */
#include <openssl/evp.h>

#include <headroom/doc.h>
#include <headroom/json.h>
#include <headroom/kubeconfig.h>

enum { FILES_MAX = 32, ARGS_MAX = 64, IMPERSONATE_MAX = 256, CLUSTER_CONFIG_MAX = 64 << 10 };

/* One entry of clusters, users or contexts, and the file that it came from. */
struct found {
    const struct doc *doc;
    struct slice file;
    const char *what;
};

struct reader {
    struct arena *arena;
    const struct kubeconfig_file *files;
    const struct doc *docs[FILES_MAX];
    size_t count;
    struct error *error;
};

static enum err field_error(const struct reader *reader, const struct found *in, const char *field,
                            const char *why)
{
    return error_set(reader->error, ERR_INVALID, "%.*s: %s: %s %s", SLICE_ARG(in->file), in->what,
                     field, why);
}

/* The first file that has the name wins, as in client-go. */
static bool find(const struct reader *reader, const char *list, const char *member,
                 struct slice name, struct found *ret)
{
    for (size_t i = 0; i < reader->count; i++) {
        const struct doc *entry = doc_first(doc_get(reader->docs[i], list));
        for (; entry; entry = entry->next) {
            if (slice_eq(doc_text(doc_get(entry, "name")), name)) {
                *ret = (struct found){ doc_get(entry, member), reader->files[i].path, member };
                return true;
            }
        }
    }
    return false;
}

static enum err text_field(const struct reader *reader, const struct found *in, const char *field,
                           struct slice *ret)
{
    const struct doc *value = doc_get(in->doc, field);

    *ret = SLICE("");
    if (!value) {
        return ERR_OK;
    }
    /* A token of digits alone is still a token. */
    if (value->kind == DOC_SEQUENCE || value->kind == DOC_MAPPING) {
        return field_error(reader, in, field, "must be a string");
    }
    *ret = value->text;
    return ERR_OK;
}

static enum err flag_field(const struct reader *reader, const struct found *in, const char *field,
                           bool *ret)
{
    const struct doc *value = doc_get(in->doc, field);

    *ret = false;
    if (value && value->kind != DOC_BOOL) {
        return field_error(reader, in, field, "must be true or false");
    }
    *ret = doc_bool_or(value, false);
    return ERR_OK;
}

/* A path is relative to the folder of the file that names it. */
static enum err path_field(const struct reader *reader, const struct found *in, const char *field,
                           struct slice *ret)
{
    enum err err = text_field(reader, in, field, ret);

    if (err != ERR_OK || ret->len == 0 || ret->data[0] == '/') {
        return err;
    }
    size_t folder = in->file.len;
    while (folder > 0 && in->file.data[folder - 1] != '/') {
        folder--;
    }
    *ret = arena_printf(reader->arena, "%.*s%.*s", (int)folder, in->file.data, SLICE_ARG(*ret));
    return ERR_OK;
}

static enum err base64_field(const struct reader *reader, const struct found *in, const char *field,
                             struct slice *ret)
{
    struct slice text;
    enum err err = text_field(reader, in, field, &text);

    *ret = SLICE("");
    if (err != ERR_OK || text.len == 0) {
        return err;
    }
    char *packed = arena_alloc(reader->arena, text.len);
    size_t len = 0, pad = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr(" \t\r\n", text.data[i], 4)) {
            packed[len++] = text.data[i];
        }
    }
    while (pad < 2 && pad < len && packed[len - 1 - pad] == '=') {
        pad++;
    }
    unsigned char *bytes = arena_alloc(reader->arena, len / 4 * 3 + 1);
    int got = EVP_DecodeBlock(bytes, (const unsigned char *)packed, (int)len);
    if (got < (int)pad || len % 4 != 0) {
        return field_error(reader, in, field, "must be base64");
    }
    *ret = (struct slice){ (const char *)bytes, (size_t)got - pad };
    return ERR_OK;
}

static enum err read_server(const struct reader *reader, const struct found *cluster,
                            struct kube_access *ret)
{
    struct slice server;
    enum err err = text_field(reader, cluster, "server", &server);

    if (err != ERR_OK) {
        return err;
    }
    while (slice_ends(server, SLICE("/"))) {
        server.len--;
    }
    if (!slice_starts(server, SLICE("https://")) && !slice_starts(server, SLICE("http://"))) {
        return field_error(reader, cluster, "server", "must be an http:// or https:// address");
    }
    ret->server = server;
    return ERR_OK;
}

/* What a cluster's entry holds for exec plugins, see client-go's ExecCluster. */
static struct slice plugin_extension(const struct reader *reader, const struct found *cluster)
{
    const struct doc *entry = doc_first(doc_get(cluster->doc, "extensions"));
    struct json_out json;
    struct buf buf;

    while (entry &&
           !slice_is(doc_text(doc_get(entry, "name")), "client.authentication.k8s.io/exec")) {
        entry = entry->next;
    }
    if (!doc_get(entry, "extension")) {
        return SLICE("");
    }
    buf_init(&buf, CLUSTER_CONFIG_MAX);
    json_start(&json, &buf);
    json_doc(&json, doc_get(entry, "extension"));
    struct slice text = buf.failed ? SLICE("") : arena_slice(reader->arena, buf_slice(&buf));
    buf_done(&buf);
    return text;
}

static enum err read_proxy(const struct reader *reader, const struct found *cluster,
                           struct slice *ret)
{
    enum err err = text_field(reader, cluster, "proxy-url", ret);

    if (err == ERR_OK && ret->len > 0 && !slice_starts(*ret, SLICE("http://")) &&
        !slice_starts(*ret, SLICE("https://")) && !slice_starts(*ret, SLICE("socks5://"))) {
        return field_error(reader, cluster, "proxy-url",
                           "must be an http://, https:// or socks5:// address");
    }
    return err;
}

static enum err read_cluster(const struct reader *reader, const struct found *cluster,
                             struct kube_access *ret)
{
    enum err err = read_server(reader, cluster, ret);

    if (err == ERR_OK) {
        err = base64_field(reader, cluster, "certificate-authority-data", &ret->tls.ca_pem);
    }
    if (err == ERR_OK && ret->tls.ca_pem.len == 0) {
        err = path_field(reader, cluster, "certificate-authority", &ret->tls.ca_file);
    }
    if (err == ERR_OK) {
        err = flag_field(reader, cluster, "insecure-skip-tls-verify", &ret->tls.insecure);
    }
    if (err == ERR_OK) {
        err = text_field(reader, cluster, "tls-server-name", &ret->tls.server_name);
    }
    if (err == ERR_OK) {
        err = read_proxy(reader, cluster, &ret->tls.proxy_url);
    }
    ret->exec.cluster_config = plugin_extension(reader, cluster);
    if (err == ERR_OK && ret->tls.insecure &&
        (ret->tls.ca_pem.len > 0 || ret->tls.ca_file.len > 0)) {
        return field_error(reader, cluster, "insecure-skip-tls-verify",
                           "cannot be true next to a certificate-authority; remove one of them");
    }
    return err;
}

static enum err read_exec_args(const struct reader *reader, const struct found *exec,
                               struct kube_access *ret)
{
    const struct doc *list = doc_get(exec->doc, "args");
    size_t count = doc_count(list);

    if (count > ARGS_MAX || (list && list->kind != DOC_SEQUENCE)) {
        return field_error(reader, exec, "args", "must be a list of at most 64 strings");
    }
    struct slice *args = ARENA_ARRAY(reader->arena, struct slice, count);
    size_t at = 0;
    for (const struct doc *arg = doc_first(list); arg; arg = arg->next) {
        args[at++] = doc_text(arg);
    }
    ret->exec.args = args;
    ret->exec.arg_count = count;
    return ERR_OK;
}

static enum err read_exec_env(const struct reader *reader, const struct found *exec,
                              struct kube_access *ret)
{
    const struct doc *list = doc_get(exec->doc, "env");
    size_t count = doc_count(list);

    if (count > ARGS_MAX || (list && list->kind != DOC_SEQUENCE)) {
        return field_error(reader, exec, "env", "must be a list of at most 64 {name, value}");
    }
    struct fetch_header *env = ARENA_ARRAY(reader->arena, struct fetch_header, count);
    size_t at = 0;
    for (const struct doc *pair = doc_first(list); pair; pair = pair->next) {
        env[at].name = doc_text(doc_get(pair, "name"));
        env[at++].value = doc_text(doc_get(pair, "value"));
    }
    ret->exec.env = env;
    ret->exec.env_count = count;
    return ERR_OK;
}

static enum err read_exec(const struct reader *reader, const struct found *user,
                          struct kube_access *ret)
{
    struct found exec = { doc_get(user->doc, "exec"), user->file, "user.exec" };

    if (!exec.doc) {
        return ERR_OK;
    }
    enum err err = text_field(reader, &exec, "command", &ret->exec.command);
    if (err == ERR_OK && slice_contains(ret->exec.command, SLICE("/"))) {
        err = path_field(reader, &exec, "command", &ret->exec.command);
    }
    if (err == ERR_OK) {
        err = text_field(reader, &exec, "apiVersion", &ret->exec.api_version);
    }
    if (err == ERR_OK) {
        err = text_field(reader, &exec, "installHint", &ret->exec.install_hint);
    }
    if (err == ERR_OK) {
        err = flag_field(reader, &exec, "provideClusterInfo", &ret->exec.provide_cluster_info);
    }
    if (err == ERR_OK) {
        err = read_exec_args(reader, &exec, ret);
    }
    if (err == ERR_OK) {
        err = read_exec_env(reader, &exec, ret);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (ret->exec.command.len == 0) {
        return field_error(reader, &exec, "command", "must name a program");
    }
    if (slice_is(doc_text(doc_get(exec.doc, "interactiveMode")), "Always")) {
        return field_error(reader, &exec, "interactiveMode",
                           "is Always, and there is no terminal to ask at; use IfAvailable or "
                           "Never if the plugin can do without");
    }
    if (!slice_is(ret->exec.api_version, "client.authentication.k8s.io/v1") &&
        !slice_is(ret->exec.api_version, "client.authentication.k8s.io/v1beta1")) {
        return field_error(reader, &exec, "apiVersion",
                           "must be client.authentication.k8s.io/v1 or /v1beta1");
    }
    return ERR_OK;
}

static enum err read_certificate(const struct reader *reader, const struct found *user,
                                 struct kube_access *ret)
{
    enum err err = base64_field(reader, user, "client-certificate-data", &ret->tls.cert_pem);

    if (err == ERR_OK && ret->tls.cert_pem.len == 0) {
        err = path_field(reader, user, "client-certificate", &ret->tls.cert_file);
    }
    if (err == ERR_OK) {
        err = base64_field(reader, user, "client-key-data", &ret->tls.key_pem);
    }
    if (err == ERR_OK && ret->tls.key_pem.len == 0) {
        err = path_field(reader, user, "client-key", &ret->tls.key_file);
    }
    if (err != ERR_OK) {
        return err;
    }
    bool cert = ret->tls.cert_pem.len > 0 || ret->tls.cert_file.len > 0;
    bool key = ret->tls.key_pem.len > 0 || ret->tls.key_file.len > 0;
    if (cert != key) {
        return field_error(reader, user, cert ? "client-key" : "client-certificate",
                           "is missing: a client certificate and its key go together");
    }
    return ERR_OK;
}

/* A header's name cannot hold every byte that a key may hold: those are written as %2F. */
static struct slice extra_name(struct arena *arena, struct slice key)
{
    static const char also[] = "!#$&'*+-.^_`|~";
    char *text = arena_alloc(arena, 3 * key.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c != '\0' && strchr(also, c));
        if (plain) {
            text[len++] = (char)c;
        } else {
            text[len++] = '%';
            text[len++] = "0123456789ABCDEF"[c >> 4];
            text[len++] = "0123456789ABCDEF"[c & 15];
        }
    }
    return arena_printf(arena, "Impersonate-Extra-%.*s", (int)len, text);
}

static void add_impersonate(struct kube_access *access, struct fetch_header *headers,
                            struct slice name, struct slice value)
{
    if (value.len > 0 && access->impersonate_count < IMPERSONATE_MAX) {
        headers[access->impersonate_count++] = (struct fetch_header){ name, value };
    }
}

static enum err read_impersonation(const struct reader *reader, const struct found *user,
                                   struct kube_access *ret)
{
    const struct doc *groups = doc_first(doc_get(user->doc, "as-groups"));
    const struct doc *extra = doc_first(doc_get(user->doc, "as-user-extra"));
    struct fetch_header *headers = ARENA_ARRAY(reader->arena, struct fetch_header, IMPERSONATE_MAX);
    struct slice as, uid;
    enum err err = text_field(reader, user, "as", &as);

    if (err == ERR_OK) {
        err = text_field(reader, user, "as-uid", &uid);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (as.len == 0 && (uid.len > 0 || groups || extra)) {
        return field_error(reader, user, "as",
                           "is missing: as-uid, as-groups and as-user-extra need it");
    }
    ret->impersonate = headers;
    add_impersonate(ret, headers, SLICE("Impersonate-User"), as);
    add_impersonate(ret, headers, SLICE("Impersonate-Uid"), uid);
    for (; groups; groups = groups->next) {
        add_impersonate(ret, headers, SLICE("Impersonate-Group"), doc_text(groups));
    }
    for (; extra; extra = extra->next) {
        struct slice name = extra_name(reader->arena, extra->key);
        for (const struct doc *at = doc_first(extra); at; at = at->next) {
            add_impersonate(ret, headers, name, doc_text(at));
        }
    }
    return ERR_OK;
}

static enum err read_user(const struct reader *reader, const struct found *user,
                          struct kube_access *ret)
{
    enum err err = read_certificate(reader, user, ret);

    if (err == ERR_OK) {
        err = path_field(reader, user, "tokenFile", &ret->token_file);
    }
    /* A token file rotates, and wins over a token, as in client-go. */
    if (err == ERR_OK && ret->token_file.len == 0) {
        err = text_field(reader, user, "token", &ret->token);
    }
    if (err == ERR_OK) {
        err = text_field(reader, user, "username", &ret->username);
    }
    if (err == ERR_OK) {
        err = text_field(reader, user, "password", &ret->password);
    }
    if (err == ERR_OK) {
        err = read_impersonation(reader, user, ret);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (doc_get(user->doc, "auth-provider")) {
        return error_set(reader->error, ERR_UNSUPPORTED,
                         "%.*s: user: auth-provider is no longer supported by Kubernetes; use an "
                         "exec plugin",
                         SLICE_ARG(user->file));
    }
    bool otherwise = ret->token.len > 0 || ret->token_file.len > 0 || ret->username.len > 0 ||
                     ret->tls.cert_pem.len > 0 || ret->tls.cert_file.len > 0;
    return otherwise ? ERR_OK : read_exec(reader, user, ret);
}

static enum err read_files(struct reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        enum err err = yaml_parse(reader->arena, reader->files[i].content, reader->files[i].path,
                                  NULL, &reader->docs[i], reader->error);
        if (err != ERR_OK) {
            return err;
        }
        if (reader->docs[i]->kind != DOC_MAPPING && reader->docs[i]->kind != DOC_NULL) {
            return error_set(reader->error, ERR_INVALID, "%.*s: not a kubeconfig file",
                             SLICE_ARG(reader->files[i].path));
        }
    }
    return ERR_OK;
}

static enum err not_found(const struct reader *reader, const struct found *context,
                          const char *kind, struct slice name)
{
    return error_set(reader->error, ERR_NOT_FOUND,
                     "%.*s: the context names %s \"%.*s\", which no "
                     "kubeconfig file has",
                     SLICE_ARG(context->file), kind, SLICE_ARG(name));
}

static enum err resolve(const struct reader *reader, struct slice name, struct kube_access *ret)
{
    struct found context, cluster, user;
    struct slice cluster_name, user_name;

    if (!find(reader, "contexts", "context", name, &context)) {
        return error_set(reader->error, ERR_NOT_FOUND,
                         "%.*s: context \"%.*s\" is not there; `kubectl config get-contexts` lists "
                         "them",
                         SLICE_ARG(reader->files[0].path), SLICE_ARG(name));
    }
    ret->context = name;
    enum err err = text_field(reader, &context, "cluster", &cluster_name);
    if (err == ERR_OK) {
        err = text_field(reader, &context, "user", &user_name);
    }
    if (err == ERR_OK) {
        err = text_field(reader, &context, "namespace", &ret->namespace);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!find(reader, "clusters", "cluster", cluster_name, &cluster)) {
        return not_found(reader, &context, "cluster", cluster_name);
    }
    err = read_cluster(reader, &cluster, ret);
    if (err != ERR_OK || user_name.len == 0) {
        return err;
    }
    if (!find(reader, "users", "user", user_name, &user)) {
        return not_found(reader, &context, "user", user_name);
    }
    return read_user(reader, &user, ret);
}

enum err kubeconfig_parse(struct arena *arena, const struct kubeconfig_file *files, size_t count,
                          struct slice context, struct kube_access *ret, struct error *error)
{
    struct reader reader = { .arena = arena, .files = files, .count = count, .error = error };
    struct kube_access access = { 0 };

    if (count == 0) {
        return error_set(error, ERR_NOT_FOUND, "no kubeconfig file");
    }
    if (count > FILES_MAX) {
        return error_set(error, ERR_LIMIT, "%zu kubeconfig files, more than %d", count, FILES_MAX);
    }
    enum err err = read_files(&reader);
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < count && context.len == 0; i++) {
        context = doc_text(doc_get(reader.docs[i], "current-context"));
    }
    if (context.len == 0) {
        return error_set(error, ERR_NOT_FOUND,
                         "%.*s: no current-context; choose one with `kubectl config use-context`",
                         SLICE_ARG(files[0].path));
    }
    err = resolve(&reader, context, &access);
    if (err == ERR_OK) {
        kube_access_copy(arena, &access, ret);
    }
    return err;
}

void kube_access_in_cluster(struct arena *arena, struct slice host, struct slice port,
                            struct slice token_file, struct slice ca_file, struct kube_access *ret)
{
    bool v6 = slice_contains(host, SLICE(":"));

    *ret = (struct kube_access){
        .server = arena_printf(arena, v6 ? "https://[%.*s]:%.*s" : "https://%.*s:%.*s",
                               SLICE_ARG(host), SLICE_ARG(port)),
        .context = SLICE("in-cluster"),
        .token_file = arena_slice(arena, token_file),
        .tls.ca_file = arena_slice(arena, ca_file),
    };
}

static void copy_tls(struct arena *arena, const struct fetch_tls *from, struct fetch_tls *ret)
{
    *ret = (struct fetch_tls){
        .ca_pem = arena_slice(arena, from->ca_pem),
        .ca_file = arena_slice(arena, from->ca_file),
        .cert_pem = arena_slice(arena, from->cert_pem),
        .cert_file = arena_slice(arena, from->cert_file),
        .key_pem = arena_slice(arena, from->key_pem),
        .key_file = arena_slice(arena, from->key_file),
        .server_name = arena_slice(arena, from->server_name),
        .proxy_url = arena_slice(arena, from->proxy_url),
        .insecure = from->insecure,
    };
}

static const struct fetch_header *copy_pairs(struct arena *arena, const struct fetch_header *from,
                                             size_t count)
{
    struct fetch_header *pairs = ARENA_ARRAY(arena, struct fetch_header, count);

    for (size_t i = 0; i < count; i++) {
        pairs[i].name = arena_slice(arena, from[i].name);
        pairs[i].value = arena_slice(arena, from[i].value);
    }
    return pairs;
}

void kube_access_copy(struct arena *arena, const struct kube_access *from, struct kube_access *ret)
{
    struct slice *args = ARENA_ARRAY(arena, struct slice, from->exec.arg_count);
    struct kube_access copy = {
        .server = arena_slice(arena, from->server),
        .context = arena_slice(arena, from->context),
        .namespace = arena_slice(arena, from->namespace),
        .token = arena_slice(arena, from->token),
        .token_file = arena_slice(arena, from->token_file),
        .username = arena_slice(arena, from->username),
        .password = arena_slice(arena, from->password),
        .impersonate = copy_pairs(arena, from->impersonate, from->impersonate_count),
        .impersonate_count = from->impersonate_count,
        .exec = {
            .command = arena_slice(arena, from->exec.command),
            .args = args,
            .arg_count = from->exec.arg_count,
            .env = copy_pairs(arena, from->exec.env, from->exec.env_count),
            .env_count = from->exec.env_count,
            .api_version = arena_slice(arena, from->exec.api_version),
            .install_hint = arena_slice(arena, from->exec.install_hint),
            .provide_cluster_info = from->exec.provide_cluster_info,
            .cluster_config = arena_slice(arena, from->exec.cluster_config),
        },
    };

    for (size_t i = 0; i < from->exec.arg_count; i++) {
        args[i] = arena_slice(arena, from->exec.args[i]);
    }
    copy_tls(arena, &from->tls, &copy.tls);
    *ret = copy;
}
