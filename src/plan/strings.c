/*
 * strings.c - shared strings with a count of holders.
 *
 * Knows texts and how many rows hold each. Refuses to know who the holders are.
 */
#include "strings.h"

#include <assert.h>

#include <headroom/arena.h>

static struct slice key_of(const void *rows, uint32_t handle)
{
    const struct strings *strings = rows;

    return (struct slice){ strings->rows[handle].text, strings->rows[handle].len };
}

void strings_init(struct strings *strings)
{
    *strings = (struct strings){ 0 };
    index_init(&strings->index, key_of);
    mem_reserve(&strings->rows, &strings->capacity, 1, sizeof(*strings->rows));
    strings->count = 1;
}

void strings_done(struct strings *strings)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        mem_free(strings->rows[i].text);
    }
    mem_free(strings->rows);
    index_done(&strings->index);
}

uint32_t strings_find(const struct strings *strings, struct slice text)
{
    return text.len == 0 ? 0 : index_find(&strings->index, strings, text);
}

uint32_t strings_hold(struct strings *strings, struct slice text)
{
    uint32_t handle = strings_find(strings, text);

    if (handle == 0) {
        return 0;
    }
    if (handle != INDEX_NONE) {
        strings->rows[handle].holders++;
        return handle;
    }
    handle = strings->unused;
    if (handle != 0) {
        strings->unused = strings->rows[handle].holders;
    } else {
        handle = strings->count++;
        mem_reserve(&strings->rows, &strings->capacity, strings->count, sizeof(*strings->rows));
    }
    assert(text.len < UINT32_MAX);
    struct string_row *row = &strings->rows[handle];
    row->text = mem_resize(NULL, text.len + 1, 1);
    memcpy(row->text, text.data, text.len);
    row->text[text.len] = '\0';
    row->len = (uint32_t)text.len;
    row->holders = 1;
    index_add(&strings->index, strings, handle);
    return handle;
}

void strings_drop(struct strings *strings, uint32_t handle)
{
    struct string_row *row = &strings->rows[handle];

    if (handle == 0) {
        return;
    }
    assert(row->text && row->holders > 0);
    if (--row->holders > 0) {
        return;
    }
    index_remove(&strings->index, strings, key_of(strings, handle));
    mem_free(row->text);
    *row = (struct string_row){ .holders = strings->unused };
    strings->unused = handle;
}

struct slice strings_get(const struct strings *strings, uint32_t handle)
{
    assert(handle < strings->count);
    return handle == 0 ? SLICE("") : key_of(strings, handle);
}

bool strings_set(struct strings *strings, uint32_t *handle, struct slice text)
{
    uint32_t old = *handle;

    *handle = strings_hold(strings, text);
    strings_drop(strings, old);
    return *handle != old;
}

/* ---- labels and tags ---- */

uint32_t *strings_hold_pairs(struct strings *strings, const struct pair *pairs, uint32_t count)
{
    uint32_t *held = mem_resize(NULL, (size_t)count + count, sizeof(*held));
    uint32_t *at = held;

    for (uint32_t i = 0; i < count; i++) {
        *at++ = strings_hold(strings, pairs[i].key);
        *at++ = strings_hold(strings, pairs[i].value);
    }
    return held;
}

void strings_drop_pairs(struct strings *strings, uint32_t *held, uint32_t count)
{
    for (uint32_t i = 0; i < count + count; i++) {
        strings_drop(strings, held[i]); /* none: held is NULL, which nothing may be added to */
    }
    mem_free(held);
}

bool strings_same_pairs(const struct strings *strings, const uint32_t *held,
                        const struct pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, held += 2) {
        if (!slice_eq(strings_get(strings, held[0]), pairs[i].key) ||
            !slice_eq(strings_get(strings, held[1]), pairs[i].value)) {
            return false;
        }
    }
    return true;
}

struct pair *strings_pairs(const struct strings *strings, struct arena *arena, const uint32_t *held,
                           uint32_t count)
{
    struct pair *pairs = ARENA_ARRAY(arena, struct pair, count);

    for (uint32_t i = 0; i < count; i++, held += 2) {
        pairs[i] = (struct pair){ strings_get(strings, held[0]), strings_get(strings, held[1]) };
    }
    return pairs;
}
