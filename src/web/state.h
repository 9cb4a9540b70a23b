/*
 * state.h - what each open page is sent, up to twice a second.
 */
#ifndef HEADROOM_WEB_STATE_H
#define HEADROOM_WEB_STATE_H

#include <headroom/snapshot.h>

#include "change.h"

/* Of nodes and of happenings. */
enum { STATE_BRIEF_ROWS = 60 };

/* As web_state, with the neediest nodes and the newest happenings only. Notes where each subnet,
 * node, happening and EC2 action is. */
void state_brief(const struct snapshot *snapshot, struct rows *rows, struct buf *out);

#endif
