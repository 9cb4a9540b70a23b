/*
 * pictures.c - the newest snapshot, and what is rendered of it.
 *
 * Knows who may touch what without a lock. Refuses to know connections and when to send.
 */
#include <headroom/web.h>

#include "pictures.h"
#include "state.h"

enum {
    BODY_MAX = 8 << 20,   /* of a rendered snapshot */
    SPARE_MAX = 4,        /* the whole, the change, the ones before */
    SPARE_BYTES = 1 << 20 /* larger ones are not kept */
};

struct text *text_new(struct texts *texts)
{
    struct text *text = texts->spare;

    if (text) {
        texts->spare = text->next;
        texts->spare_count--;
        text->holders = 1;
        buf_reset(&text->bytes);
        return text;
    }
    text = mem_resize(NULL, 1, sizeof(*text));
    *text = (struct text){ .home = texts, .holders = 1 };
    buf_init(&text->bytes, BODY_MAX);
    return text;
}

struct text *text_hold(struct text *text)
{
    text->holders++;
    return text;
}

static void text_free(struct text *text)
{
    buf_done(&text->bytes);
    mem_free(text);
}

void text_drop(struct text *text)
{
    if (!text || --text->holders > 0) {
        return;
    }
    struct texts *home = text->home;
    if (home->spare_count == SPARE_MAX || text->bytes.size > SPARE_BYTES) {
        text_free(text);
        return;
    }
    text->next = home->spare;
    home->spare = text;
    home->spare_count++;
}

void pictures_done(struct pictures *pictures)
{
    text_drop(pictures->state);
    text_drop(pictures->whole);
    text_drop(pictures->change);
    while (pictures->texts.spare) {
        struct text *text = pictures->texts.spare;
        pictures->texts.spare = text->next;
        text_free(text);
    }
    rows_done(&pictures->rows);
    rows_done(&pictures->before);
    snapshot_drop(pictures->newest);
    snapshot_drop(atomic_load(&pictures->inbox));
    snapshot_drop(atomic_load(&pictures->outbox));
}

void pictures_offer(struct pictures *pictures, struct snapshot_ref *ref)
{
    /* Also the one that the web thread did not come to look at. */
    snapshot_drop(atomic_exchange(&pictures->inbox, snapshot_hold(ref)));
    snapshot_drop(atomic_exchange(&pictures->outbox, NULL));
}

const struct snapshot *pictures_newest(struct pictures *pictures)
{
    struct snapshot_ref *fresh = atomic_exchange(&pictures->inbox, NULL);

    if (fresh) {
        /* Another that still lies there met an offer half-way: it goes here. */
        snapshot_drop(atomic_exchange(&pictures->outbox, pictures->newest));
        pictures->newest = fresh;
    }
    return pictures->newest ? snapshot_get(pictures->newest) : NULL;
}

struct text *pictures_state(struct pictures *pictures)
{
    const struct snapshot *snapshot = pictures_newest(pictures);

    if (!snapshot) {
        return NULL;
    }
    if (!pictures->state || pictures->state_wall_ns != snapshot->wall_ns) {
        text_drop(pictures->state);
        pictures->state = text_new(&pictures->texts);
        pictures->state_wall_ns = snapshot->wall_ns;
        web_state(snapshot, &pictures->state->bytes);
    }
    return text_hold(pictures->state);
}

bool pictures_draw(struct pictures *pictures)
{
    const struct snapshot *snapshot = pictures_newest(pictures);
    struct text *before = pictures->whole;

    if (!snapshot || (before && snapshot->wall_ns == pictures->drawn_wall_ns)) {
        return false;
    }
    struct text *whole = text_new(&pictures->texts);
    struct rows rows = pictures->before;
    rows_reset(&rows);
    state_brief(snapshot, &rows, &whole->bytes);
    if (whole->bytes.failed) {
        pictures->before = rows;
        text_drop(whole);
        return false;
    }
    text_drop(pictures->change);
    pictures->change = NULL;
    if (before) {
        pictures->change = text_new(&pictures->texts);
        change_write(buf_slice(&before->bytes), &pictures->rows, buf_slice(&whole->bytes), &rows,
                     &pictures->change->bytes);
    }
    text_drop(before);
    pictures->before = pictures->rows;
    pictures->rows = rows;
    pictures->whole = whole;
    pictures->drawn_wall_ns = snapshot->wall_ns;
    pictures->number++;
    return true;
}

struct text *pictures_next(struct pictures *pictures, uint64_t *seen)
{
    if (*seen == pictures->number) {
        return NULL;
    }
    bool one_before = *seen > 0 && *seen + 1 == pictures->number;
    *seen = pictures->number;
    return text_hold(one_before ? pictures->change : pictures->whole);
}
