/*
 * change.h - what of a picture is new since the one before it.
 *
 *   before   {"sequence":8, "nodes":[{"name":"a","waiting":0},{"name":"b","waiting":2}]}
 *   now      {"sequence":9, "nodes":[{"name":"b","waiting":2},{"name":"a","waiting":1}]}
 *   change   {"sequence":9, "nodes":["b",{"name":"a","waiting":1}]}
 *
 * A row that was in the same list before, byte for byte, stands as its name: the value of its first
 * field. All else is there in full, so that a reader needs nothing but the rows of the picture that
 * it had.
 */
#ifndef HEADROOM_WEB_CHANGE_H
#define HEADROOM_WEB_CHANGE_H

#include <headroom/json.h>

/* One object of a list, by where its bytes are in the picture's text. */
struct row {
    uint64_t hash; /* of its list and its bytes */
    uint32_t from, name, name_end, to;
};

/* Of one text, in its order. Zeroed: none. */
struct rows {
    struct row *list;
    uint32_t count, capacity;
    uint64_t group; /* of the list that is being written */
};

void rows_done(struct rows *rows);
void rows_reset(struct rows *rows);

/* While a picture is written; rows NULL: nothing is noted. */
void rows_list(struct rows *rows, struct slice name);
/* Begins the object and writes its name. */
void row_begin(struct rows *rows, struct json_out *json, const char *key, struct slice name);
void row_begin_number(struct rows *rows, struct json_out *json, const char *key, uint64_t number);
void row_end(struct rows *rows, struct json_out *json);

/* The rows of `before` change their order. */
void change_write(struct slice before, struct rows *before_rows, struct slice now,
                  const struct rows *now_rows, struct buf *out);

#endif
