/*
 * known.c - a small set of named rows, for what there are thousands of at most.
 *
 * Knows names. Refuses to know what they stand for.
 */
#include <assert.h>

#include <headroom/arena.h>

#include "known.h"

static struct slice key_of(const void *rows, uint32_t handle)
{
    return known_name(&((const struct known *)rows)[handle]);
}

void known_init(struct known_set *set, uint32_t limit)
{
    *set = (struct known_set){ .limit = limit };
    index_init(&set->index, key_of);
}

void known_done(struct known_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        mem_free(set->rows[i].name);
    }
    set->rows = mem_resize(set->rows, 0, sizeof(*set->rows));
    index_done(&set->index);
}

struct known *known_find(const struct known_set *set, struct slice name)
{
    uint32_t at = index_find(&set->index, set->rows, name);

    return at == INDEX_NONE ? NULL : &set->rows[at];
}

/* A free row, else a new one. Rows are freed rarely, so that looking for one costs little. */
static uint32_t take_row(struct known_set *set)
{
    if (set->live < set->count) {
        for (uint32_t i = 0; i < set->count; i++) {
            if (!set->rows[i].name) {
                return i;
            }
        }
    }
    mem_reserve(&set->rows, &set->capacity, set->count + 1, sizeof(*set->rows));
    return set->count++;
}

struct known *known_add(struct known_set *set, struct slice name, bool *ret_new)
{
    struct known *known = known_find(set, name);

    *ret_new = !known;
    if (known) {
        return known;
    }
    if (set->live == set->limit) {
        return NULL;
    }
    uint32_t at = take_row(set);
    known = &set->rows[at];
    *known = (struct known){ .name = mem_resize(NULL, name.len + 1, 1),
                             .name_len = (uint32_t)name.len };
    memcpy(known->name, name.data, name.len);
    known->name[name.len] = '\0';
    set->live++;
    index_add(&set->index, set->rows, at);
    return known;
}

void known_remove(struct known_set *set, struct known *known)
{
    index_remove(&set->index, set->rows, known_name(known));
    mem_free(known->name);
    *known = (struct known){ 0 };
    set->live--;
}
