/* pool_list.h - SubnetPools with their status, from whichever source. */
#ifndef CLI_POOL_LIST_H
#define CLI_POOL_LIST_H

#include "cli.h"

struct pool_list {
    const struct doc *first;
    const struct doc *state; /* of a controller; NULL: from the Kubernetes API */
    struct slice text;       /* as it came */
};

enum err pool_list_find(struct cli *cli, struct pool_list *ret, struct error *error) ERR_CHECKED;

/* Of one of them: the CRD's status, its name. */
const struct doc *pool_list_status(const struct doc *pool);
struct slice pool_list_name(const struct doc *pool);
/* When the subnet of a status runs out: seconds in a controller's state, a Kubernetes duration in
 * the CRD. UINT64_MAX: no end in sight. */
uint64_t pool_list_left_s(const struct doc *subnet);

#endif
