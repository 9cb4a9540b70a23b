/*
 * source.c - where the facts are: at a controller's page, or behind the Kubernetes API.
 *
 * Knows addresses. Refuses to know what is done with the answers.
 */
#include "cli.h"

enum err cli_access(struct cli *cli, struct kube_access *ret, struct error *error)
{
    struct engine_config config;
    enum err err = run_config(&cli->arena, &cli->run, &config, error);

    if (err == ERR_OK) {
        *ret = config.kube.access;
    }
    return err;
}

enum err cli_state(struct cli *cli, const struct doc **ret, struct slice *ret_text,
                   struct error *error)
{
    struct slice url = cli->url;

    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    url = arena_printf(&cli->arena, "%.*s/api/state", SLICE_ARG(url));
    enum err err = cli_get(cli, NULL, url, ret_text, error);
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
