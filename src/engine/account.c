/*
 * account.c - counters, histograms and the ring of happenings.
 *
 * Knows how an action began and ended. Refuses to know why.
 */
#include <assert.h>

#include "state.h"

void account_done(struct engine *engine)
{
    for (uint32_t i = 0; i < HAPPENINGS_MAX; i++) {
        mem_free(engine->happenings[i].text);
    }
    mem_free(engine->actions);
}

static void add_happening(struct engine *engine, const struct user_event *event)
{
    struct engine_happening *happening =
        &engine->happenings[engine->happening_count % HAPPENINGS_MAX];
    size_t name_len = event->name.len;

    mem_free(happening->text);
    happening->text = mem_resize(NULL, name_len + event->message.len + 1, 1);
    if (name_len > 0) {
        memcpy(happening->text, event->name.data, name_len);
    }
    if (event->message.len > 0) {
        memcpy(happening->text + name_len, event->message.data, event->message.len);
    }
    happening->seen = (struct happening){
        .wall_ns = engine->wall_ns,
        .sequence = ++engine->happening_count,
        .reason = event_reason_name(event->reason),
        .warning = event->warning,
        .on_node = event->on_node,
        .name = { happening->text, name_len },
        .message = { happening->text + name_len, event->message.len },
    };
    engine->user_events++;
}

void account_action(struct engine *engine, const struct plan_action *action)
{
    switch (action->kind) {
    case PLAN_EVENT:
        add_happening(engine, &action->event);
        return;
    case PLAN_ATTACH:
    case PLAN_ASSIGN:
    case PLAN_DELETE:
        mem_reserve(&engine->actions, &engine->action_capacity, engine->action_count + 1,
                    sizeof(*engine->actions));
        engine->actions[engine->action_count++] = (struct engine_action){
            .id = action->id,
            .begun_ns = engine->now_ns,
            .kind = action->kind,
        };
        return;
    default:
        return;
    }
}

static void note_attached(struct engine *engine, struct engine_action *action)
{
    if (action->kind == PLAN_ATTACH && !action->attached) {
        action->attached = true;
        engine->enis_attached++;
        histogram_add(&engine->attach_seconds, (double)(engine->now_ns - action->begun_ns) / 1e9);
    }
}

void account_event(struct engine *engine, const struct plan_event *event)
{
    if (event->kind != PLAN_RESULT) {
        return;
    }
    for (uint32_t i = 0; i < engine->action_count; i++) {
        struct engine_action *action = &engine->actions[i];
        if (action->id != event->result.action) {
            continue;
        }
        switch (event->result.stage) {
        case CLOUD_CREATED:
            return;
        case CLOUD_ATTACHED:
            note_attached(engine, action);
            return;
        case CLOUD_DONE:
            note_attached(engine, action);
            engine->enis_deleted += action->kind == PLAN_DELETE;
            break;
        case CLOUD_FAILED:
            engine->enis_failed += action->kind == PLAN_ATTACH;
            break;
        }
        *action = engine->actions[--engine->action_count];
        return;
    }
}
