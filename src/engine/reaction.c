/*
 * reaction.c - how soon news from Kubernetes becomes a request to EC2.
 *
 *   news --> action for an instance --> its first EC2 request --> ... --> the first that changes it
 *                                   reaction_seconds                  reaction_change_seconds
 *
 * Knows what a need is: an instance that the planner asks something for in the step that brought
 * the news, be it a read of its ENIs without which it may not act, or the change itself. A request
 * is an instance's if it names it. Refuses to know why one had to wait.
 */
#include "state.h"

#define FORGOTTEN_NS UINT64_C(60000000000) /* the planner has thought better of it */

/* At the soonest: an arrival is known to the turn of the loop that it was read in. */
static const double bounds[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004,
                                 0.005,  0.0075,  0.01,   0.025, 0.05,   0.1,   1 };

void reaction_init(struct engine *engine)
{
    histogram_init(&engine->reaction_seconds, bounds, sizeof(bounds) / sizeof(bounds[0]));
    histogram_init(&engine->change_seconds, bounds, sizeof(bounds) / sizeof(bounds[0]));
}

static struct reaction *find(struct engine *engine, const struct aws_id *instance)
{
    for (uint32_t i = 0; i < REACTIONS_MAX; i++) {
        struct reaction *reaction = &engine->reactions[i];
        if (reaction->news_ns > 0 && aws_id_eq(&reaction->instance, instance)) {
            return reaction;
        }
    }
    return NULL;
}

void reaction_needed(struct engine *engine, const struct plan_action *action)
{
    struct aws_id instance = { 0 }, eni = { 0 };

    if (action->kind == PLAN_ATTACH) {
        instance = action->attach.instance;
    } else if (action->kind == PLAN_ASSIGN) {
        instance = action->assign.instance;
        eni = action->assign.eni;
    } else if (action->kind == PLAN_OBSERVE && action->urgency == URGENT_WAITING) {
        instance = action->instance;
    }
    if (instance.text[0] == '\0') {
        return;
    }
    struct reaction *reaction = find(engine, &instance);
    if (reaction && engine->now_ns - reaction->news_ns > FORGOTTEN_NS) {
        *reaction = (struct reaction){ 0 };
        reaction = NULL;
    }
    if (!reaction && engine->news_ns > 0) {
        reaction = &engine->reactions[engine->reaction_next++ % REACTIONS_MAX];
        *reaction = (struct reaction){ .news_ns = engine->news_ns, .instance = instance };
    }
    if (reaction && eni.text[0] != '\0') {
        reaction->eni = eni; /* such a request names it alone */
    }
}

static bool names(struct slice body, const struct aws_id *id)
{
    return id->text[0] != '\0' && slice_contains(body, aws_id_slice(id));
}

void reaction_begun(struct engine *engine, const struct fetch_list *fetches)
{
    for (uint32_t i = 0; i < fetches->start_count; i++) {
        const struct fetch *fetch = &fetches->starts[i];
        bool reads = slice_contains(fetch->body, SLICE("Action=Describe"));
        for (uint32_t n = 0; n < REACTIONS_MAX; n++) {
            struct reaction *reaction = &engine->reactions[n];
            if (reaction->news_ns == 0 || (reaction->begun && (reads || reaction->change != 0)) ||
                (!names(fetch->body, &reaction->instance) && !names(fetch->body, &reaction->eni))) {
                continue;
            }
            reaction->first = reaction->begun ? reaction->first : fetch->id;
            reaction->begun = true;
            reaction->change = reads ? 0 : fetch->id;
        }
    }
}

static void count(struct histogram *histogram, const struct reaction *reaction, uint64_t sent_ns)
{
    if (sent_ns >= reaction->news_ns) {
        histogram_add(histogram, (double)(sent_ns - reaction->news_ns) / 1e9);
    }
}

void reaction_answered(struct engine *engine, const struct fetch_event *event)
{
    for (uint32_t i = 0; i < REACTIONS_MAX; i++) {
        struct reaction *reaction = &engine->reactions[i];
        if (reaction->news_ns == 0) {
            continue;
        }
        if (reaction->first == event->id) {
            count(&engine->reaction_seconds, reaction, event->sent_ns);
            reaction->first = 0;
        }
        if (reaction->change == event->id) {
            count(&engine->change_seconds, reaction, event->sent_ns);
            *reaction = (struct reaction){ 0 };
        }
    }
}
