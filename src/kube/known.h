/*
 * known.h - a small set of named rows.
 */
#ifndef KUBE_KNOWN_H
#define KUBE_KNOWN_H

#include <headroom/index.h>

/* Nodes, agent pods and custom resources are few: a row each, found by name. */
struct known {
    char *name; /* NULL: a free row */
    uint32_t name_len;
    uint32_t seen;   /* number of the list that it was last in */
    uint64_t mark;   /* what it looked like: hash, or generation */
    uint32_t detail; /* of the kind */
    bool flag;
};

struct known_set {
    struct index index;
    struct known *rows;
    uint32_t count, capacity, limit;
    uint32_t list; /* number of the list under way, or of the last one */
    uint32_t live;
};

void known_init(struct known_set *set, uint32_t limit);
void known_done(struct known_set *set);
struct known *known_find(const struct known_set *set, struct slice name);
/* Finds or adds; NULL: over the limit. *ret_new tells which. */
struct known *known_add(struct known_set *set, struct slice name, bool *ret_new);
void known_remove(struct known_set *set, struct known *known);
static inline struct slice known_name(const struct known *known)
{
    return (struct slice){ known->name, known->name_len };
}

#endif
