/*
 * arena.h - memory that is freed all at once: one arena for each step and each request.
 *
 *   chunk 1            chunk 2
 *   [used......|free]  [used|free.........]     allocation bumps a pointer; reset keeps one
 *
 * Under AddressSanitizer, what lies past a piece or was reset is poisoned.
 */
#ifndef HEADROOM_ARENA_H
#define HEADROOM_ARENA_H

#include <stdarg.h>

#include <headroom/slice.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t total;               /* bytes handed out since the last reset */
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);
/* The same, and nothing of what was in it stays in memory: for secrets. */
void arena_wipe(struct arena *arena);

/* Zeroed, aligned for any type; never NULL (an empty heap aborts). Size 0: a unique pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* count elements of size each; asserts on overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A copy with a NUL after it, which len does not count. */
struct slice arena_slice(struct arena *arena, struct slice s);
struct slice arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct slice arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

/* The only door to the heap for long-lived memory; all abort when it is empty. */
void *mem_resize(void *old, size_t count, size_t size); /* count 0 frees and returns NULL */
void *mem_zeroed(size_t count, size_t size); /* pages of a large one are taken as they are used */
void mem_free(void *old);

/* Makes *items hold at least `need` elements, and some more; new elements are zeroed. */
void mem_reserve(void *items_pointer, uint32_t *capacity, uint32_t need, size_t size);

#endif
