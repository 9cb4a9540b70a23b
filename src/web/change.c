/*
 * change.c - what of a picture is new since the one before it.
 *
 * Knows where rows begin and end. Refuses to know what is in them: bytes are equal or not.
 */
#include <assert.h>
#include <stdlib.h>

#include <headroom/arena.h>

#include "change.h"

void rows_done(struct rows *rows)
{
    mem_free(rows->list);
    *rows = (struct rows){ 0 };
}

void rows_reset(struct rows *rows)
{
    rows->count = 0;
    rows->group = 0;
}

void rows_list(struct rows *rows, struct slice name)
{
    if (rows) {
        rows->group = slice_hash(name);
    }
}

static struct row *begin(struct rows *rows, struct json_out *json, const char *key)
{
    json_begin_object(json);
    struct row row = { .from = (uint32_t)json->buf->len - 1 };
    json_key(json, key);
    row.name = (uint32_t)json->buf->len;
    if (!rows) {
        return NULL;
    }
    mem_reserve(&rows->list, &rows->capacity, rows->count + 1, sizeof(*rows->list));
    rows->list[rows->count] = row;
    return &rows->list[rows->count++];
}

void row_begin(struct rows *rows, struct json_out *json, const char *key, struct slice name)
{
    struct row *row = begin(rows, json, key);

    json_string(json, name);
    if (row) {
        row->name_end = (uint32_t)json->buf->len;
    }
}

void row_begin_number(struct rows *rows, struct json_out *json, const char *key, uint64_t number)
{
    struct row *row = begin(rows, json, key);

    json_u64(json, number);
    if (row) {
        row->name_end = (uint32_t)json->buf->len;
    }
}

static struct slice bytes_of(struct slice text, const struct row *row)
{
    return (struct slice){ text.data + row->from, row->to - row->from };
}

void row_end(struct rows *rows, struct json_out *json)
{
    json_end_object(json);
    if (rows && !json->buf->failed) { /* what does not fit is not shown */
        struct row *row = &rows->list[rows->count - 1];
        row->to = (uint32_t)json->buf->len;
        row->hash = rows->group ^ slice_hash(bytes_of(buf_slice(json->buf), row));
    }
}

static int by_hash(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

void change_write(struct slice before, struct rows *before_rows, struct slice now,
                  const struct rows *now_rows, struct buf *out)
{
    uint32_t written = 0;

    qsort(before_rows->list, before_rows->count, sizeof(*before_rows->list), by_hash);
    for (uint32_t i = 0; i < now_rows->count; i++) {
        const struct row *row = &now_rows->list[i];
        const struct row *same = bsearch(row, before_rows->list, before_rows->count,
                                         sizeof(*before_rows->list), by_hash);
        if (!same || !slice_eq(bytes_of(before, same), bytes_of(now, row))) {
            continue;
        }
        assert(row->from >= written && row->name_end > row->name && row->to <= now.len);
        buf_add(out, now.data + written, row->from - written);
        buf_add(out, now.data + row->name, row->name_end - row->name);
        written = row->to;
    }
    buf_add(out, now.data + written, now.len - written);
}
