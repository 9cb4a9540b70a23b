/*
 * history.c - a ring of points for each subnet.
 *
 *   at ------------v
 *   [ 5 | 6 | 7 | 1 | 2 | 3 | 4 ]    the oldest point is where the next one goes
 *
 * Knows what was shown, and when. Refuses to know what it forebodes.
 */
#include <headroom/arena.h>
#include <headroom/json.h>

#include "history.h"

struct history_row {
    struct aws_id id;
    uint32_t at, count;
    struct {
        uint64_t wall_s;
        uint32_t free;
    } points[HISTORY_POINTS];
};

/* Subnets come in the same order each time: the row after the last one's is the likeliest. */
static struct history_row *row_of(struct history *history, const struct aws_id *id, uint32_t likely)
{
    for (uint32_t i = 0; i < history->count; i++) {
        struct history_row *row = &history->rows[(likely + i) % history->count];
        if (aws_id_eq(&row->id, id)) {
            return row;
        }
    }
    if (history->count == HISTORY_SUBNETS_MAX) {
        return NULL;
    }
    mem_reserve(&history->rows, &history->capacity, history->count + 1, sizeof(*history->rows));
    struct history_row *row = &history->rows[history->count++];
    *row = (struct history_row){ .id = *id };
    return row;
}

void history_note(struct history *history, const struct snapshot *snapshot)
{
    const uint64_t apart_ns = HISTORY_APART_S * UINT64_C(1000000000);
    uint32_t likely = 0;

    if (history->noted_ns > 0 && snapshot->wall_ns < history->noted_ns + apart_ns) {
        return;
    }
    history->noted_ns = snapshot->wall_ns;
    uint64_t wall_s = snapshot->wall_ns / 1000000000;
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        const struct pool_status *pool = &snapshot->pools[i];
        for (uint32_t k = 0; k < pool->subnet_count; k++) {
            struct history_row *row = row_of(history, &pool->subnets[k].id, likely);
            if (!row) {
                return;
            }
            likely = (uint32_t)(row - history->rows) + 1;
            uint32_t last = (row->at + HISTORY_POINTS - 1) % HISTORY_POINTS;
            if (row->count > 0 && row->points[last].wall_s == wall_s) {
                continue; /* it belongs to two pools */
            }
            row->points[row->at].wall_s = wall_s;
            row->points[row->at].free = pool->subnets[k].free;
            row->at = (row->at + 1) % HISTORY_POINTS;
            row->count += row->count < HISTORY_POINTS;
        }
    }
}

void history_write(const struct history *history, struct buf *out)
{
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_key(&json, "subnets");
    json_begin_object(&json);
    for (uint32_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        json_key_slice(&json, aws_id_slice(&row->id));
        json_begin_array(&json);
        for (uint32_t k = 0; k < row->count; k++) {
            uint32_t at = (row->at + HISTORY_POINTS - row->count + k) % HISTORY_POINTS;
            json_begin_array(&json);
            json_u64(&json, row->points[at].wall_s);
            json_u64(&json, row->points[at].free);
            json_end_array(&json);
        }
        json_end_array(&json);
    }
    json_end_object(&json);
    json_end_object(&json);
    buf_add_char(out, '\n');
}

void history_done(struct history *history)
{
    mem_free(history->rows);
    *history = (struct history){ 0 };
}
