/*
 * index.c - open addressing with linear probing, from a key to a row's handle.
 *
 * Knows hashes and slots. Refuses to know rows and to own keys. The place of a key follows from the
 * stored half of its hash alone, so growing never asks for a key, and every run has the same
 * layout.
 */
#include <assert.h>

#include <headroom/arena.h>
#include <headroom/index.h>

enum { FIRST_SIZE = 16 };

#define SLOT_DELETED UINT32_MAX

uint32_t index_hash(struct slice key)
{
    return (uint32_t)(slice_hash_quick(key) >> 32);
}

void index_init(struct index *index, index_key_fn *key)
{
    *index = (struct index){ .key = key };
}

void index_done(struct index *index)
{
    mem_free(index->slots);
    *index = (struct index){ .key = index->key };
}

/* The first slot from `at` on with this hash, or the empty one that ends the search: a quarter of
 * the slots is empty at any time. */
static uint32_t probe(const struct index *index, uint32_t hash, uint32_t at)
{
    uint32_t mask = index->size - 1;

    for (at &= mask; index->slots[at].row != 0; at = (at + 1) & mask) {
        if (index->slots[at].row != SLOT_DELETED && index->slots[at].hash == hash) {
            break;
        }
    }
    return at;
}

/* The slot that holds the key, or INDEX_NONE. */
static uint32_t find_slot(const struct index *index, const void *rows, struct slice key)
{
    if (index->count == 0) {
        return INDEX_NONE;
    }
    uint32_t hash = index_hash(key);
    for (uint32_t at = probe(index, hash, hash); index->slots[at].row != 0;
         at = probe(index, hash, at + 1)) {
        if (slice_eq(index->key(rows, index->slots[at].row - 1), key)) {
            return at;
        }
    }
    return INDEX_NONE;
}

static void place(struct index *index, struct index_slot slot)
{
    uint32_t mask = index->size - 1;
    uint32_t at = slot.hash & mask;

    while (index->slots[at].row != 0 && index->slots[at].row != SLOT_DELETED) {
        at = (at + 1) & mask;
    }
    index->used += index->slots[at].row == 0;
    index->count++;
    index->slots[at] = slot;
}

/* Moves all to a table that is at most half full; deleted slots do not come along. */
static void rehash(struct index *index)
{
    struct index old = *index;
    uint32_t size = FIRST_SIZE;

    while (size / 2 <= old.count) {
        assert(size <= UINT32_MAX / 2);
        size *= 2;
    }
    index->slots = mem_resize(NULL, size, sizeof(*index->slots));
    memset(index->slots, 0, size * sizeof(*index->slots));
    index->size = size;
    index->used = 0;
    index->count = 0;
    for (uint32_t at = 0; at < old.size; at++) {
        if (old.slots[at].row != 0 && old.slots[at].row != SLOT_DELETED) {
            place(index, old.slots[at]);
        }
    }
    mem_free(old.slots);
}

uint32_t index_find(const struct index *index, const void *rows, struct slice key)
{
    uint32_t at = find_slot(index, rows, key);

    return at == INDEX_NONE ? INDEX_NONE : index->slots[at].row - 1;
}

void index_fetch(const struct index *index, uint32_t hash)
{
    if (index->count > 0) {
        __builtin_prefetch(&index->slots[hash & (index->size - 1)]);
    }
}

uint32_t index_guess(const struct index *index, uint32_t hash)
{
    uint32_t row = index->count == 0 ? 0 : index->slots[probe(index, hash, hash)].row;

    return row == 0 ? INDEX_NONE : row - 1;
}

void index_add(struct index *index, const void *rows, uint32_t handle)
{
    struct slice key = index->key(rows, handle);

    assert(handle < UINT32_MAX - 1);
    assert(find_slot(index, rows, key) == INDEX_NONE);
    if (index->used >= index->size / 4 * 3) {
        rehash(index);
    }
    place(index, (struct index_slot){ handle + 1, index_hash(key) });
}

void index_remove(struct index *index, const void *rows, struct slice key)
{
    uint32_t at = find_slot(index, rows, key);

    if (at == INDEX_NONE) {
        return;
    }
    index->count--;
    if (index->slots[(at + 1) & (index->size - 1)].row != 0) {
        index->slots[at].row = SLOT_DELETED; /* a search must go on past it */
        return;
    }
    /* Nothing follows: this slot, and deleted ones right before it, are empty again. */
    index->slots[at].row = 0;
    index->used--;
    for (at = (at - 1) & (index->size - 1); index->slots[at].row == SLOT_DELETED;
         at = (at - 1) & (index->size - 1)) {
        index->slots[at].row = 0;
        index->used--;
    }
}

static struct slice interned_key(const void *rows, uint32_t handle)
{
    return interner_get(rows, handle);
}

void interner_init(struct interner *interner)
{
    *interner = (struct interner){ 0 };
    index_init(&interner->index, interned_key);
}

void interner_done(struct interner *interner)
{
    for (uint32_t i = 0; i < interner->count; i++) {
        mem_free(interner->texts[i]);
    }
    mem_free(interner->texts);
    mem_free(interner->lens);
    index_done(&interner->index);
    interner_init(interner);
}

uint32_t interner_add(struct interner *interner, struct slice s)
{
    uint32_t handle = interner_find(interner, s);

    if (handle != INDEX_NONE) {
        return handle;
    }
    assert(s.len < UINT32_MAX);
    handle = interner->count;
    mem_reserve(&interner->texts, &interner->capacity, handle + 1, sizeof(*interner->texts));
    mem_reserve(&interner->lens, &interner->lens_capacity, handle + 1, sizeof(*interner->lens));
    char *copy = mem_resize(NULL, s.len + 1, 1);
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    interner->texts[handle] = copy;
    interner->lens[handle] = (uint32_t)s.len;
    interner->count++;
    index_add(&interner->index, interner, handle);
    return handle;
}

uint32_t interner_find(const struct interner *interner, struct slice s)
{
    return index_find(&interner->index, interner, s);
}

struct slice interner_get(const struct interner *interner, uint32_t handle)
{
    assert(handle < interner->count);
    return (struct slice){ interner->texts[handle], interner->lens[handle] };
}
