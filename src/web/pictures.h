/*
 * pictures.h - the newest snapshot, handed over by the control thread, and what is rendered of it.
 *
 *   control thread                 web thread
 *   pictures_offer --> inbox ----> newest --> state           for /api/state
 *         ^                          |   `--> whole, change   for pages, once for all of them
 *         `---------- outbox <-------'        (who made it frees it)
 *
 * Neither thread ever waits for the other: a pointer is exchanged, and there is no lock in which a
 * thread that comes after all others on a busy machine could be put aside. Texts are used again, so
 * that the web thread is rarely in the allocator that both share.
 */
#ifndef HEADROOM_WEB_PICTURES_H
#define HEADROOM_WEB_PICTURES_H

#include <stdatomic.h>

#include <headroom/snapshot.h>

#include "change.h"

/* A body and how many are still sending it. */
struct text {
    struct text *next; /* among those to be used again */
    struct texts *home;
    uint32_t holders;
    struct buf bytes;
};

struct texts {
    struct text *spare;
    uint32_t spare_count;
};

struct text *text_new(struct texts *texts); /* empty, one holder */
struct text *text_hold(struct text *text);
void text_drop(struct text *text); /* NULL: nothing */

/* The web thread's, but for inbox and outbox. Zeroed: nothing was shown yet. */
struct pictures {
    _Atomic(struct snapshot_ref *) inbox, outbox;
    struct snapshot_ref *newest;
    struct texts texts;
    struct text *state, *whole, *change;
    struct rows rows, before;              /* of whole, and of the picture before it */
    uint64_t state_wall_ns, drawn_wall_ns; /* of the snapshots that they show */
    uint64_t number;                       /* of whole, from 1 */
};

void pictures_done(struct pictures *pictures);

/* Control thread: takes a reference of its own. */
void pictures_offer(struct pictures *pictures, struct snapshot_ref *ref);

/* Web thread. Valid until the next call of this function; NULL: none was shown yet. */
const struct snapshot *pictures_newest(struct pictures *pictures);
/* The newest as /api/state has it, to be dropped; NULL: none was shown yet. */
struct text *pictures_state(struct pictures *pictures);
/* Renders the newest for pages. False: it is the one that they have. */
bool pictures_draw(struct pictures *pictures);
/* What a page that has seen picture number *seen lacks (0: none), to be dropped; NULL: nothing. */
struct text *pictures_next(struct pictures *pictures, uint64_t *seen);

#endif
