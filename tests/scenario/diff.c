/*
 * diff.c - where two traces differ, for the eye: what both have in the same
 * order stays, the rest is marked.
 *
 * Knows lines. Refuses to know what they say.
 */
#include <headroom/buf.h>

#include "trace.h"

enum { LINES_MAX = 1000, AROUND = 3, DIFF_MAX = 256 << 10 };

struct lines {
    struct slice items[LINES_MAX];
    uint32_t count;
};

static void split(struct slice text, struct lines *ret)
{
    while (text.len > 0 && ret->count < LINES_MAX) {
        ret->items[ret->count++] = slice_cut(&text, '\n');
    }
}

/* common[i][j]: lines that a[i..] and b[j..] have in common, in order */
static uint16_t *common_lines(struct arena *arena, const struct lines *a, const struct lines *b)
{
    uint32_t width = b->count + 1;
    uint16_t *common = ARENA_ARRAY(arena, uint16_t, (a->count + 1) * width);

    for (uint32_t j = 0; j <= b->count; j++) {
        common[a->count * width + j] = 0;
    }
    for (uint32_t i = a->count; i-- > 0;) {
        common[i * width + b->count] = 0;
        for (uint32_t j = b->count; j-- > 0;) {
            uint16_t skip_a = common[(i + 1) * width + j], skip_b = common[i * width + j + 1];
            common[i * width + j] = slice_eq(a->items[i], b->items[j])
                                        ? (uint16_t)(common[(i + 1) * width + j + 1] + 1)
                                    : skip_a > skip_b ? skip_a
                                                      : skip_b;
        }
    }
    return common;
}

struct row {
    char mark;
    struct slice text;
};

static uint32_t rows_of(struct arena *arena, const struct lines *a, const struct lines *b,
                        struct row *ret)
{
    const uint16_t *common = common_lines(arena, a, b);
    uint32_t width = b->count + 1, i = 0, j = 0, count = 0;

    while (i < a->count || j < b->count) {
        if (i < a->count && j < b->count && slice_eq(a->items[i], b->items[j])) {
            ret[count++] = (struct row){ ' ', a->items[i++] };
            j++;
        } else if (j == b->count ||
                   (i < a->count && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
            ret[count++] = (struct row){ '-', a->items[i++] };
        } else {
            ret[count++] = (struct row){ '+', b->items[j++] };
        }
    }
    return count;
}

static bool near_change(const struct row *rows, uint32_t count, uint32_t at)
{
    uint32_t from = at > AROUND ? at - AROUND : 0;

    for (uint32_t i = from; i < count && i <= at + AROUND; i++) {
        if (rows[i].mark != ' ') {
            return true;
        }
    }
    return false;
}

struct slice trace_diff(struct arena *arena, struct slice before, struct slice after)
{
    struct lines *a = ARENA_ARRAY(arena, struct lines, 1);
    struct lines *b = ARENA_ARRAY(arena, struct lines, 1);
    struct buf out;
    bool shown = true;

    a->count = b->count = 0;
    split(before, a);
    split(after, b);
    struct row *rows = ARENA_ARRAY(arena, struct row, a->count + b->count);
    uint32_t count = rows_of(arena, a, b, rows);
    buf_init(&out, DIFF_MAX);
    for (uint32_t i = 0; i < count; i++) {
        bool show = near_change(rows, count, i);
        if (show) {
            buf_addf(&out, "    %c %.*s\n", rows[i].mark, SLICE_ARG(rows[i].text));
        } else if (shown) {
            buf_addf(&out, "      ...\n");
        }
        shown = show;
    }
    struct slice text = arena_slice(arena, buf_slice(&out));
    buf_done(&out);
    return text;
}
