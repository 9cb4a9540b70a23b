/*
 * core.c - what the machine's parts say to the planner.
 *
 * Knows the events of this step. Refuses to know which part says what.
 */
#include "core.h"

struct plan_event *kube_emit(struct kube *kube, enum plan_event_kind kind)
{
    if (kube->event_count == kube->event_capacity) {
        uint32_t capacity = kube->event_capacity ? kube->event_capacity * 2 : 16;
        struct plan_event *events = ARENA_ARRAY(&kube->step, struct plan_event, capacity);
        if (kube->event_count > 0) {
            memcpy(events, kube->events, kube->event_count * sizeof(*events));
        }
        kube->events = events;
        kube->event_capacity = capacity;
    }
    struct plan_event *event = &kube->events[kube->event_count++];
    *event = (struct plan_event){ .kind = kind, .now_ns = kube->now_ns, .wall_ns = kube->wall_ns };
    return event;
}
