/*
 * watched.c - somebody looks at the snapshots.
 *
 * Knows that what people take for the present should be it. Refuses to know who looks.
 */
#include "state.h"

void engine_watched(struct engine *engine, bool watched)
{
    engine->watched = watched;
    ec2_watched(engine->ec2, watched);
}
