/*
 * advice.h - what would help a pool whose subnets run out, or whose nodes are short of addresses.
 *
 * Judged from a SubnetPool's spec and status, or from a controller's state, which has no spec: then
 * what only the spec tells is left out. One piece of advice for each zone and each cause.
 */
#ifndef CLI_ADVICE_H
#define CLI_ADVICE_H

#include "pool_list.h"

struct advice {
    struct slice pool, zone; /* zone empty: not of one zone */
    struct slice reason;     /* CamelCase: AddSubnet, NothingToDo ..., docs/kubectl-headroom.md */
    struct slice message;    /* sentences: what is, and what to do */
    bool act;                /* false: it goes well by itself */
    uint64_t within_s;       /* when it is too late; UINT64_MAX: not foreseen */
};

struct advices {
    struct arena *arena;
    struct advice *items; /* the most urgent first */
    uint32_t count, capacity;
};

/* Adds what would help this pool. `state`: of a controller, for its nodes; NULL: the pool's own. */
void advice_for_pool(struct advices *advices, const struct doc *pool, const struct doc *state);

#endif
