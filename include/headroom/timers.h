/*
 * timers.h - a queue of deadlines: the earliest is found in O(1), set and cancelled in O(log n).
 *
 * A heap of u32 handles that the caller owns; a second array knows where each handle stands
 * in the heap, so that a deadline moves without a search. Equal deadlines come out in the order of
 * their handles: the same input gives the same order in every run.
 */
#ifndef HEADROOM_TIMERS_H
#define HEADROOM_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#define TIMERS_NEVER UINT64_MAX

struct timer_entry {
    uint64_t at_ns;
    uint32_t handle;
};

struct timers {
    struct timer_entry *heap;
    uint32_t *places; /* place in heap + 1 by handle; 0: not set */
    uint32_t count, heap_capacity, places_capacity;
};

void timers_init(struct timers *timers);
void timers_done(struct timers *timers);

/* Sets or moves; TIMERS_NEVER cancels. */
void timers_set(struct timers *timers, uint32_t handle, uint64_t at_ns);
uint64_t timers_get(const struct timers *timers, uint32_t handle); /* TIMERS_NEVER: not set */
uint64_t timers_next_ns(const struct timers *timers);              /* TIMERS_NEVER: empty */

/* Takes one handle whose deadline is at or before now; false when there is none. */
bool timers_pop(struct timers *timers, uint64_t now_ns, uint32_t *ret_handle);
/* Up to `most` of those that come next, in no order; says how many. */
uint32_t timers_first(const struct timers *timers, uint32_t *ret_handles, uint32_t most);

#endif
