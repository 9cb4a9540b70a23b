/*
 * pool_list.c - the SubnetPools with their status, from the API server or from a controller.
 *
 * Knows that the two have the same fields under other roofs. Refuses to know who shows them.
 */
#include <headroom/timestamp.h>

#include "pool_list.h"

enum err pool_list_find(struct cli *cli, struct pool_list *ret, struct error *error)
{
    struct kube_access access;
    const struct doc *list = NULL;
    enum err err = ERR_OK;

    *ret = (struct pool_list){ 0 };
    if (cli->url.len > 0) {
        err = cli_state(cli, &ret->state, &ret->text, error);
        ret->first = doc_first(doc_get(ret->state, "pools"));
        return err;
    }
    err = cli_access(cli, &access, error);
    if (err != ERR_OK) {
        return err;
    }
    err = cli_get(cli, &access, SLICE("/apis/headroom.dev/v1alpha1/subnetpools"), &ret->text,
                  error);
    if (err == ERR_NOT_FOUND) {
        return error_set(error, ERR_NOT_FOUND,
                         "this cluster does not know SubnetPools: install Headroom first "
                         "(kubectl apply -f crds/ -f manifests/)");
    }
    if (err == ERR_OK) {
        err = json_parse(&cli->arena, ret->text, &(struct doc_limits){ .bytes = 64 << 20 }, &list,
                         error);
    }
    ret->first = doc_first(doc_get(list, "items"));
    return err;
}

const struct doc *pool_list_status(const struct doc *pool)
{
    return doc_is(doc_get(pool, "metadata"), DOC_MAPPING) ? doc_get(pool, "status") : pool;
}

struct slice pool_list_name(const struct doc *pool)
{
    return doc_text_or(doc_get(pool, "name"), doc_text(doc_at(pool, "metadata", "name")));
}

uint64_t pool_list_left_s(const struct doc *subnet)
{
    const struct doc *field = doc_get(subnet, "exhaustedIn");
    uint64_t ns = 0;

    if (doc_is(field, DOC_NUMBER)) {
        return doc_u64_or(field, UINT64_MAX);
    }
    if (!field || duration_parse(doc_text(field), &ns) != ERR_OK) {
        return UINT64_MAX;
    }
    return ns / 1000000000;
}
