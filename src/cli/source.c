/*
 * source.c - where the facts are: at a controller's page, or behind the Kubernetes API.
 *
 * Knows addresses. Refuses to know what is done with the answers.
 */
#include "cli.h"

#define PROXY_NS (UINT64_C(5) * 1000000000)

enum err cli_access(struct cli *cli, struct kube_access *ret, struct error *error)
{
    struct engine_config config;
    enum err err = run_config(&cli->arena, &cli->run, &config, error);

    if (err == ERR_OK) {
        *ret = config.kube.access;
    }
    return err;
}

/* The Lease's holder is a pod's name and something unique. */
static enum err leader_path(struct cli *cli, const struct kube_access *access, struct slice *ret,
                            struct error *error)
{
    const struct doc *lease = NULL;
    struct slice text, holder;
    struct slice path = arena_printf(
        &cli->arena, "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases/headroom-controller",
        SLICE_ARG(cli->run.namespace));
    enum err err = cli_get(cli, access, path, &text, error);

    if (err == ERR_OK) {
        err = json_parse(&cli->arena, text, NULL, &lease, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    holder = doc_text(doc_at(lease, "spec", "holderIdentity"));
    while (holder.len > 0 && holder.data[holder.len - 1] != '_') {
        holder.len--;
    }
    if (holder.len < 2) {
        return error_set(error, ERR_NOT_FOUND, "no controller leads");
    }
    holder.len--;
    *ret = arena_printf(&cli->arena, "/api/v1/namespaces/%.*s/pods/%.*s/proxy/api/state",
                        SLICE_ARG(cli->run.namespace), SLICE_ARG(holder));
    return ERR_OK;
}

/* The API server reaches the leader's first port, if the network lets it. */
static enum err leaders_state(struct cli *cli, struct slice *ret_text, struct error *error)
{
    struct kube_access access;
    struct slice path;
    uint64_t patience_ns = cli->timeout_ns;
    enum err err = cli_access(cli, &access, error);

    if (err == ERR_OK) {
        err = leader_path(cli, &access, &path, error);
    }
    if (err == ERR_OK) {
        cli->timeout_ns = patience_ns < PROXY_NS ? patience_ns : PROXY_NS;
        err = cli_get(cli, &access, path, ret_text, error);
        cli->timeout_ns = patience_ns;
    }
    if (err != ERR_OK) {
        (void)error_prefix(error,
                           "the leading controller cannot be reached through the API server");
    }
    return err;
}

enum err cli_state(struct cli *cli, const struct doc **ret, struct slice *ret_text,
                   struct error *error)
{
    struct slice url = cli->url;
    enum err err = ERR_OK;

    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    if (url.len > 0) {
        url = arena_printf(&cli->arena, "%.*s/api/state", SLICE_ARG(url));
        err = cli_get(cli, NULL, url, ret_text, error);
    } else {
        err = leaders_state(cli, ret_text, error);
    }
    if (err == ERR_OK) {
        err = json_parse(&cli->arena, *ret_text, &(struct doc_limits){ .bytes = 64 << 20 }, ret,
                         error);
    }
    return err;
}

struct slice cli_duration(struct arena *arena, uint64_t seconds)
{
    if (seconds >= 3600) {
        return arena_printf(arena, "%lluh%llum", (unsigned long long)(seconds / 3600),
                            (unsigned long long)(seconds / 60 % 60));
    }
    if (seconds >= 60) {
        return arena_printf(arena, "%llum", (unsigned long long)((seconds + 30) / 60));
    }
    return arena_printf(arena, "%llus", (unsigned long long)seconds);
}
