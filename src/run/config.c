/*
 * config.c - from flags and environment to the engine's configuration.
 *
 * Knows where kubeconfig files lie, in which order they count, and how the AWS SDKs name their
 * variables. Refuses to know what stands in the files (kubeconfig_parse) and what credentials are
 * for.
 */
#include <headroom/run.h>
#include <headroom/version.h>

enum { KUBECONFIG_MAX = 1 << 20, KUBECONFIG_FILES_MAX = 32 };

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

static struct slice home_file(struct arena *arena, const char *path)
{
    struct slice home = io_env("HOME");

    if (home.len == 0) {
        return (struct slice){ 0 };
    }
    return arena_printf(arena, "%.*s/%s", SLICE_ARG(home), path);
}

/* ---- Kubernetes ---- */

struct files {
    struct kubeconfig_file items[KUBECONFIG_FILES_MAX];
    size_t count;
};

static enum err add_file(struct arena *arena, struct slice path, struct files *files,
                         struct error *error)
{
    if (files->count == KUBECONFIG_FILES_MAX) {
        return error_set(error, ERR_LIMIT, "KUBECONFIG names more than %d files",
                         KUBECONFIG_FILES_MAX);
    }
    struct kubeconfig_file *file = &files->items[files->count];
    file->path = arena_slice(arena, path);
    enum err err = io_read_file(arena, file->path.data, KUBECONFIG_MAX, &file->content, error);
    if (err == ERR_OK) {
        files->count++;
    }
    return err;
}

/* As kubectl does, a file of the list that is not there is passed over. */
static enum err add_listed(struct arena *arena, struct slice list, struct files *files,
                           struct error *error)
{
    struct slice all = list;

    while (list.len > 0) {
        struct slice path = slice_cut(&list, ':');
        if (path.len == 0 || !io_file_exists(arena_slice(arena, path).data)) {
            continue;
        }
        enum err err = add_file(arena, path, files, error);
        if (err != ERR_OK) {
            return error_prefix(error, "KUBECONFIG");
        }
    }
    if (files->count == 0) {
        return error_set(error, ERR_NOT_FOUND, "KUBECONFIG is \"%.*s\", and no such file exists",
                         SLICE_ARG(all));
    }
    return ERR_OK;
}

static enum err in_cluster(struct arena *arena, struct kube_access *ret, struct error *error)
{
    struct slice host = io_env("KUBERNETES_SERVICE_HOST");

    if (host.len == 0 || !io_file_exists(SERVICE_ACCOUNT "token")) {
        return error_set(error, ERR_NOT_FOUND,
                         "no cluster to talk to: set KUBECONFIG or --kubeconfig, or run in a pod "
                         "with a service account");
    }
    kube_access_in_cluster(arena, host, io_env("KUBERNETES_SERVICE_PORT"),
                           SLICE(SERVICE_ACCOUNT "token"), SLICE(SERVICE_ACCOUNT "ca.crt"), ret);
    return ERR_OK;
}

static enum err find_access(struct arena *arena, const struct run_options *options,
                            struct kube_access *ret, struct error *error)
{
    struct files *files = ARENA_NEW(arena, struct files);
    struct slice list = io_env("KUBECONFIG");
    struct slice home = home_file(arena, ".kube/config");
    enum err err = ERR_OK;

    if (options->kubeconfig.len > 0) {
        err = add_file(arena, options->kubeconfig, files, error);
        if (err != ERR_OK) {
            return error_prefix(error, "--kubeconfig");
        }
    } else if (list.len > 0) {
        err = add_listed(arena, list, files, error);
    } else if (home.len > 0 && io_file_exists(home.data)) {
        err = add_file(arena, home, files, error);
    } else {
        return in_cluster(arena, ret, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    return kubeconfig_parse(arena, files->items, files->count, options->context, ret, error);
}

/* ---- AWS ---- */

static struct slice first_of(struct slice a, struct slice b)
{
    return a.len > 0 ? a : b;
}

static enum err read_switch(const char *name, bool *ret, struct error *error)
{
    struct slice value = io_env(name);

    *ret = false;
    if (value.len == 0) {
        return ERR_OK;
    }
    if (slice_eq_nocase(value, SLICE("true")) || slice_eq_nocase(value, SLICE("false"))) {
        *ret = value.len == 4;
        return ERR_OK;
    }
    return error_set(error, ERR_INVALID, "%s takes true or false, not \"%.*s\"", name,
                     SLICE_ARG(value));
}

static enum err aws_switches(struct ec2_environment *env, struct error *error)
{
    enum err err = read_switch("AWS_EC2_METADATA_DISABLED", &env->metadata_disabled, error);

    if (err == ERR_OK) {
        err = read_switch("AWS_USE_FIPS_ENDPOINT", &env->use_fips, error);
    }
    if (err == ERR_OK) {
        err = read_switch("AWS_USE_DUALSTACK_ENDPOINT", &env->use_dualstack, error);
    }
    if (err == ERR_OK) {
        err = read_switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", &env->ignore_endpoints, error);
    }
    return err;
}

static enum err aws_environment(struct arena *arena, struct ec2_environment *ret,
                                struct error *error)
{
    *ret = (struct ec2_environment){
        .access_key_id = io_env("AWS_ACCESS_KEY_ID"),
        .secret_access_key = io_env("AWS_SECRET_ACCESS_KEY"),
        .session_token = io_env("AWS_SESSION_TOKEN"),
        .region = io_env("AWS_REGION"),
        .default_region = io_env("AWS_DEFAULT_REGION"),
        .profile = first_of(io_env("AWS_PROFILE"), io_env("AWS_DEFAULT_PROFILE")),
        .config_file = first_of(io_env("AWS_CONFIG_FILE"), home_file(arena, ".aws/config")),
        .credentials_file = first_of(io_env("AWS_SHARED_CREDENTIALS_FILE"),
                                     home_file(arena, ".aws/credentials")),
        .web_identity_token_file = io_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
        .role_arn = io_env("AWS_ROLE_ARN"),
        .role_session_name = io_env("AWS_ROLE_SESSION_NAME"),
        .container_full_uri = io_env("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        .container_relative_uri = io_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        .container_token = io_env("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        .container_token_file = io_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        .metadata_endpoint = io_env("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        .endpoint_ec2 = io_env("AWS_ENDPOINT_URL_EC2"),
        .endpoint_sts = io_env("AWS_ENDPOINT_URL_STS"),
        .endpoint = io_env("AWS_ENDPOINT_URL"),
        .ca_bundle = io_env("AWS_CA_BUNDLE"),
        .user_agent = arena_printf(arena, "headroom/%s", version_text()),
    };
    return aws_switches(ret, error);
}

/* ---- all of it ---- */

/* Who this replica is, for the Lease: names the pod for people, and is never the same twice. */
static struct slice identity(struct arena *arena)
{
    struct slice name = first_of(io_env("POD_NAME"), io_host_name(arena));

    return arena_printf(arena, "%.*s_%08x", SLICE_ARG(name), (unsigned)(io_seed() & UINT32_MAX));
}

enum err run_config(struct arena *arena, const struct run_options *options,
                    struct engine_config *ret, struct error *error)
{
    *ret = (struct engine_config){
        .plan = { .seed = io_seed(),
                  .cluster_name = options->cluster_name,
                  .dry_run = options->dry_run || options->read_only },
        .kube = { .seed = io_seed(),
                  .namespace = options->namespace,
                  .identity = identity(arena),
                  .user_agent = arena_printf(arena, "headroom/%s", version_text()),
                  .leader_elect = options->leader_elect && !options->read_only,
                  .read_only = options->read_only },
        .ec2 = { .seed = io_seed(), .cluster_name = options->cluster_name },
        .version = slice_of(version_text()),
        .clock_ns = io_now_ns,
    };
    enum err err = find_access(arena, options, &ret->kube.access, error);
    if (err == ERR_OK) {
        err = aws_environment(arena, &ret->ec2.env, error);
    }
    return err;
}
