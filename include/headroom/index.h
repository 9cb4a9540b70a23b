/*
 * index.h - from a name to the handle of its row.
 *
 *   index: hash table of u32              rows: an array that the caller owns
 *   [ -, 2, -, 0, 1 ]  ---- handle --->   [ row 0 ][ row 1 ][ row 2 ]
 *
 * The table stores handles and a part of each hash, not keys: the caller's callback gives the key
 * of a handle. Rows stay where they are, so handles are stable and iterating rows is deterministic.
 */
#ifndef HEADROOM_INDEX_H
#define HEADROOM_INDEX_H

#include <headroom/slice.h>

enum { INDEX_NONE = UINT32_MAX };

/* The key of a row; borrowed, valid while the index is being used. */
typedef struct slice index_key_fn(const void *rows, uint32_t handle);

struct index_slot {
    uint32_t row;  /* handle + 1; 0: empty; UINT32_MAX: deleted */
    uint32_t hash; /* the upper half of the key's hash, to spare most comparisons */
};

struct index {
    struct index_slot *slots;
    uint32_t size;  /* a power of two, or 0 */
    uint32_t used;  /* full and deleted slots */
    uint32_t count; /* full slots */
    index_key_fn *key;
};

void index_init(struct index *index, index_key_fn *key);
void index_done(struct index *index);

uint32_t index_find(const struct index *index, const void *rows, struct slice key);
/* The key must not be there yet; the row must be in place already. */
void index_add(struct index *index, const void *rows, uint32_t handle);
void index_remove(struct index *index, const void *rows, struct slice key);

/* For several keys whose rows are wanted soon: all slots are fetched from memory before the first
 * is read. A guess is the first row with this hash, which other keys may share; INDEX_NONE: no row
 * has it. */
uint32_t index_hash(struct slice key);
void index_fetch(const struct index *index, uint32_t hash);
uint32_t index_guess(const struct index *index, uint32_t hash);

/* Interned strings: one copy each, u32 handles, never freed one by one. */
struct interner {
    struct index index;
    char **texts; /* NUL-terminated */
    uint32_t *lens;
    uint32_t count, capacity, lens_capacity;
};

void interner_init(struct interner *interner);
void interner_done(struct interner *interner);
uint32_t interner_add(struct interner *interner, struct slice s);            /* finds or adds */
uint32_t interner_find(const struct interner *interner, struct slice s);     /* or INDEX_NONE */
struct slice interner_get(const struct interner *interner, uint32_t handle); /* borrowed, stable */

#endif
