/*
 * timers.c - a heap of deadlines that knows where each handle stands. Four children to a parent lie
 * side by side: half as deep as with two, so that half as many places in memory are touched.
 *
 * Knows numbers that grow. Refuses to read a clock: now comes in from outside.
 */
#include <assert.h>

#include <headroom/arena.h>
#include <headroom/timers.h>

enum { CHILDREN = 4 };

static bool earlier(const struct timer_entry *a, const struct timer_entry *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->handle < b->handle;
}

void timers_init(struct timers *timers)
{
    *timers = (struct timers){ 0 };
}

void timers_done(struct timers *timers)
{
    mem_free(timers->heap);
    mem_free(timers->places);
    *timers = (struct timers){ 0 };
}

static void put(struct timers *timers, uint32_t at, struct timer_entry entry)
{
    timers->heap[at] = entry;
    timers->places[entry.handle] = at + 1;
}

static void sift_up(struct timers *timers, uint32_t at)
{
    struct timer_entry entry = timers->heap[at];

    while (at > 0) {
        uint32_t parent = (at - 1) / CHILDREN;
        if (!earlier(&entry, &timers->heap[parent])) {
            break;
        }
        put(timers, at, timers->heap[parent]);
        at = parent;
    }
    put(timers, at, entry);
}

/* The earliest child of `at`; `at` itself: it has none. */
static uint32_t first_child(const struct timers *timers, uint32_t at)
{
    uint64_t begin = (uint64_t)at * CHILDREN + 1;
    uint64_t end = begin + CHILDREN < timers->count ? begin + CHILDREN : timers->count;
    uint32_t first = at;

    for (uint64_t child = begin; child < end; child++) {
        if (first == at || earlier(&timers->heap[child], &timers->heap[first])) {
            first = (uint32_t)child;
        }
    }
    return first;
}

static void sift_down(struct timers *timers, uint32_t at)
{
    struct timer_entry entry = timers->heap[at];

    for (uint32_t child = first_child(timers, at);
         child != at && earlier(&timers->heap[child], &entry); child = first_child(timers, at)) {
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, entry);
}

static void remove_at(struct timers *timers, uint32_t at)
{
    timers->places[timers->heap[at].handle] = 0;
    timers->count--;
    if (at == timers->count) {
        return;
    }
    put(timers, at, timers->heap[timers->count]);
    sift_down(timers, at);
    sift_up(timers, at);
}

static uint32_t place_of(const struct timers *timers, uint32_t handle)
{
    return handle < timers->places_capacity ? timers->places[handle] : 0;
}

void timers_set(struct timers *timers, uint32_t handle, uint64_t at_ns)
{
    uint32_t place = place_of(timers, handle);

    assert(handle < UINT32_MAX);
    if (at_ns == TIMERS_NEVER) {
        if (place != 0) {
            remove_at(timers, place - 1);
        }
        return;
    }
    if (place != 0) {
        timers->heap[place - 1].at_ns = at_ns;
        sift_down(timers, place - 1);
        sift_up(timers, place - 1);
        return;
    }
    mem_reserve(&timers->places, &timers->places_capacity, handle + 1, sizeof(*timers->places));
    mem_reserve(&timers->heap, &timers->heap_capacity, timers->count + 1, sizeof(*timers->heap));
    timers->heap[timers->count] = (struct timer_entry){ at_ns, handle };
    sift_up(timers, timers->count++);
}

uint64_t timers_get(const struct timers *timers, uint32_t handle)
{
    uint32_t place = place_of(timers, handle);

    return place == 0 ? TIMERS_NEVER : timers->heap[place - 1].at_ns;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    return timers->count == 0 ? TIMERS_NEVER : timers->heap[0].at_ns;
}

bool timers_pop(struct timers *timers, uint64_t now_ns, uint32_t *ret_handle)
{
    if (timers->count == 0 || timers->heap[0].at_ns > now_ns) {
        return false;
    }
    *ret_handle = timers->heap[0].handle;
    remove_at(timers, 0);
    return true;
}

uint32_t timers_first(const struct timers *timers, uint32_t *ret_handles, uint32_t most)
{
    uint32_t count = timers->count < most ? timers->count : most;

    for (uint32_t i = 0; i < count; i++) {
        ret_handles[i] = timers->heap[i].handle;
    }
    return count;
}
