/*
 * options.c - the controller's flags, their environment variables and their help.
 *
 * Knows names and defaults. Refuses to know what they bring about.
 */
#include <headroom/timestamp.h>

#include "options.h"

/* As written by the user; turned into struct options below. */
struct raw {
    struct slice kubeconfig, context, namespace, cluster_name, listen, output, timeout, log_level,
        log_format;
    bool leader_elect, once, dry_run, version, help;
};

enum { FLAG_COUNT = 14 };

static void fill_flags(struct raw *raw, struct flag flags[FLAG_COUNT])
{
    const struct flag table[FLAG_COUNT] = {
        { "kubeconfig", 0, FLAG_TEXT, "FILE", NULL, "",
          "how to reach the cluster; else the files of $KUBECONFIG,\n"
          "~/.kube/config, or the pod's service account",
          &raw->kubeconfig },
        { "context", 0, FLAG_TEXT, "NAME", NULL, "",
          "context of the kubeconfig; else its current one", &raw->context },
        { "namespace", 'n', FLAG_TEXT, "NAME", "POD_NAMESPACE", "headroom-system",
          "where the Lease lives", &raw->namespace },
        { "cluster-name", 0, FLAG_TEXT, "NAME", "CLUSTER_NAME", "",
          "name of the EKS cluster, for tags; else learnt from the\naws-node DaemonSet",
          &raw->cluster_name },
        { "leader-elect", 0, FLAG_BOOL, NULL, "HEADROOM_LEADER_ELECT", "true",
          "act only while holding the Lease, so that replicas can\nstand by; --no-leader-elect "
          "turns it off",
          &raw->leader_elect },
        { "listen", 0, FLAG_TEXT, "ADDRESS", "HEADROOM_LISTEN", ":8080",
          "where /healthz, /readyz, /metrics and the page are served:\nPORT, IP:PORT or off",
          &raw->listen },
        { "dry-run", 0, FLAG_BOOL, NULL, "HEADROOM_DRY_RUN", "false",
          "plan and report, but change nothing in EC2", &raw->dry_run },
        { "once", 0, FLAG_BOOL, NULL, NULL, "false",
          "read everything, print the plan, change nothing, exit", &raw->once },
        { "output", 'o', FLAG_TEXT, "FORMAT", NULL, "text", "of --once: text or json",
          &raw->output },
        { "timeout", 0, FLAG_TEXT, "DURATION", NULL, "60s",
          "of --once: how long to wait for answers", &raw->timeout },
        { "log-level", 0, FLAG_TEXT, "LEVEL", "HEADROOM_LOG_LEVEL", "info",
          "debug, info, warn or error; with --once at least warn\nunless given", &raw->log_level },
        { "log-format", 0, FLAG_TEXT, "FORMAT", "HEADROOM_LOG_FORMAT", "json",
          "of the log on standard error: json or text", &raw->log_format },
        { "version", 0, FLAG_BOOL, NULL, NULL, "false", "print the version and exit",
          &raw->version },
        { "help", 'h', FLAG_BOOL, NULL, NULL, "false", "print this help and exit", &raw->help },
    };

    memcpy(flags, table, sizeof(table));
}

static enum err choose(struct slice value, const char *flag, const char *one, const char *other,
                       bool *ret_other, struct error *error)
{
    if (!slice_is(value, one) && !slice_is(value, other)) {
        return error_set(error, ERR_INVALID, "%s takes %s or %s, not \"%.*s\"", flag, one, other,
                         SLICE_ARG(value));
    }
    *ret_other = slice_is(value, other);
    return ERR_OK;
}

static enum err read_formats(const struct raw *raw, struct options *ret, struct error *error)
{
    enum err err = choose(raw->output, "--output", "text", "json", &ret->json, error);

    if (err == ERR_OK) {
        err = choose(raw->log_format, "--log-format", "json", "text", &ret->plain_logs, error);
    }
    if (err == ERR_OK && log_level_parse(raw->log_level, &ret->log_level) != ERR_OK) {
        err = error_set(error, ERR_INVALID,
                        "--log-level takes debug, info, warn or error, not \"%.*s\"",
                        SLICE_ARG(raw->log_level));
    }
    if (err == ERR_OK &&
        (duration_parse(raw->timeout, &ret->timeout_ns) != ERR_OK || ret->timeout_ns == 0)) {
        err = error_set(error, ERR_INVALID,
                        "--timeout takes a duration such as 60s or 2m, not \"%.*s\"",
                        SLICE_ARG(raw->timeout));
    }
    return err;
}

static enum err check_together(const struct raw *raw, struct error *error)
{
    if (!raw->once && !slice_is(raw->output, "text")) {
        return error_set(error, ERR_INVALID, "--output needs --once");
    }
    if (raw->namespace.len == 0) {
        return error_set(error, ERR_INVALID, "--namespace must not be empty");
    }
    return ERR_OK;
}

enum err options_parse(int argc, char *const *argv, flags_env_fn *env, struct options *ret,
                       struct error *error)
{
    struct raw raw = { 0 };
    struct flag flags[FLAG_COUNT];
    size_t operands = 0;

    *ret = (struct options){ 0 };
    fill_flags(&raw, flags);
    enum err err = flags_parse(flags, FLAG_COUNT, argc, argv, env, NULL, 0, &operands, error);
    if (err != ERR_OK) {
        return err;
    }
    if (raw.help || raw.version) {
        ret->command = raw.help ? OPTIONS_HELP : OPTIONS_VERSION;
        return ERR_OK;
    }
    err = read_formats(&raw, ret, error);
    if (err == ERR_OK) {
        err = check_together(&raw, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    ret->command = raw.once ? OPTIONS_ONCE : OPTIONS_RUN;
    ret->listen = slice_is(raw.listen, "off") ? (struct slice){ 0 } : raw.listen;
    ret->run = (struct run_options){
        .kubeconfig = raw.kubeconfig,
        .context = raw.context,
        .namespace = raw.namespace,
        .cluster_name = raw.cluster_name,
        .leader_elect = raw.leader_elect,
        .dry_run = raw.dry_run,
        .read_only = raw.once,
    };
    /* Standard output is for the plan; a terminal should not fill with what went well. */
    if (raw.once && ret->log_level < LOG_WARN && slice_is(raw.log_level, "info")) {
        ret->log_level = LOG_WARN;
    }
    return ERR_OK;
}

void options_help(struct buf *out)
{
    struct raw raw = { 0 };
    struct flag flags[FLAG_COUNT];

    fill_flags(&raw, flags);
    buf_add_text(
        out,
        "headroom-controller keeps IP headroom on every node of an Amazon VPC CNI cluster.\n"
        "\n"
        "Usage: headroom-controller [flags]\n"
        "\n"
        "It needs no flag where KUBECONFIG or a pod's service account leads to the cluster and\n"
        "the usual AWS_* environment to EC2. Try it first without any effect:\n"
        "\n"
        "  headroom-controller --once\n"
        "\n"
        "Flags:\n");
    flags_help(flags, FLAG_COUNT, out);
    buf_add_text(
        out,
        "\n"
        "AWS credentials, Region and endpoints are found as the AWS SDKs find them: AWS_REGION,\n"
        "AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE, EKS Pod Identity, IMDSv2,\n"
        "AWS_ENDPOINT_URL_EC2 and so on.\n"
        "\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped at once by a second signal.\n");
}
