/*
 * history.h - how many addresses each subnet had free during the last ten minutes: a page that is
 * opened when things go wrong shows how they came to.
 */
#ifndef HEADROOM_WEB_HISTORY_H
#define HEADROOM_WEB_HISTORY_H

#include <headroom/buf.h>
#include <headroom/snapshot.h>

enum { HISTORY_POINTS = 120, HISTORY_APART_S = 5, HISTORY_SUBNETS_MAX = 4096 };

struct history_row;

/* A row for each subnet that was ever shown, up to HISTORY_SUBNETS_MAX. Zeroed: empty. */
struct history {
    struct history_row *rows;
    uint32_t count, capacity;
    uint64_t noted_ns; /* wall time of the newest points */
};

/* Keeps a point for each subnet, unless the last ones are not HISTORY_APART_S old. */
void history_note(struct history *history, const struct snapshot *snapshot);

/* {"subnets":{"subnet-0a":[[1767323045,12],...]}}: Unix seconds, free addresses; oldest first */
void history_write(const struct history *history, struct buf *out);

void history_done(struct history *history);

#endif
