/*
 * fetch.c - the list in which a core collects what one step asks for.
 *
 * Knows how the list grows inside its arena. Refuses to know who answers, and how.
 */
#include <assert.h>

#include <headroom/fetch.h>

struct fetch *fetch_add(struct fetch_list *list, uint64_t id)
{
    if (list->start_count == list->start_capacity) {
        uint32_t capacity = list->start_capacity ? list->start_capacity * 2 : 8;
        struct fetch *starts = ARENA_ARRAY(list->arena, struct fetch, capacity);
        if (list->start_count > 0) {
            memcpy(starts, list->starts, list->start_count * sizeof(*starts));
        }
        list->starts = starts;
        list->start_capacity = capacity;
    }
    struct fetch *fetch = &list->starts[list->start_count++];
    *fetch = (struct fetch){ .id = id, .kind = FETCH_HTTP };
    return fetch;
}

void fetch_cancel(struct fetch_list *list, uint64_t id)
{
    if (list->cancel_count == list->cancel_capacity) {
        uint32_t capacity = list->cancel_capacity ? list->cancel_capacity * 2 : 8;
        uint64_t *cancels = ARENA_ARRAY(list->arena, uint64_t, capacity);
        if (list->cancel_count > 0) {
            memcpy(cancels, list->cancels, list->cancel_count * sizeof(*cancels));
        }
        list->cancels = cancels;
        list->cancel_capacity = capacity;
    }
    list->cancels[list->cancel_count++] = id;
}
