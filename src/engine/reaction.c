/*
 * reaction.c - how soon news from Kubernetes becomes a request to EC2.
 *
 * Knows which EC2 requests were begun in the step that brought the news, and when their first byte
 * went out. Refuses to count what waited on purpose: for budget, for a timer, for EC2's own answer.
 */
#include "state.h"

/* At the soonest: an arrival is known to the turn of the loop that it was read in. */
static const double bounds[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004,
                                 0.005,  0.0075,  0.01,   0.025, 0.05,   0.1,   1 };

void reaction_init(struct engine *engine)
{
    histogram_init(&engine->reaction_seconds, bounds, sizeof(bounds) / sizeof(bounds[0]));
}

void reaction_begun(struct engine *engine, const struct fetch_list *fetches)
{
    for (uint32_t i = 0; i < fetches->start_count && engine->news_ns > 0; i++) {
        struct reaction *slot = &engine->reactions[engine->reaction_next++ % REACTIONS_MAX];
        *slot = (struct reaction){ .fetch = fetches->starts[i].id, .news_ns = engine->news_ns };
    }
}

void reaction_answered(struct engine *engine, const struct fetch_event *event)
{
    for (uint32_t i = 0; i < REACTIONS_MAX; i++) {
        struct reaction *reaction = &engine->reactions[i];
        if (reaction->news_ns == 0 || reaction->fetch != event->id) {
            continue;
        }
        if (event->sent_ns >= reaction->news_ns) {
            histogram_add(&engine->reaction_seconds,
                          (double)(event->sent_ns - reaction->news_ns) / 1e9);
        }
        *reaction = (struct reaction){ 0 };
    }
}
