/*
 * arena.c - the one home of the heap: arenas, and long-lived arrays that grow.
 *
 * Knows malloc and its family, and aborts when they have nothing left. Refuses to know what lives
 * in the memory; freeing a single allocation of an arena is not possible.
 */
#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include <headroom/arena.h>

enum { CHUNK_SIZE = 16 * 1024 };

/* With ASan, memory that is not handed out is poisoned, and so is a gap after each piece: a read
 * past a piece, or of one that was reset, is found as it would be with malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
enum { GAP = 0 };
#endif

struct arena_chunk {
    struct arena_chunk *next; /* older */
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

static _Noreturn void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "headroom: out of memory: cannot allocate %zu bytes\n", size);
    abort();
}

static size_t product(size_t count, size_t size)
{
    size_t total = 0;
    bool overflow = __builtin_mul_overflow(count, size, &total);

    assert(!overflow);
    return total;
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t total = product(count, size);

    if (total == 0) {
        free(old);
        return NULL;
    }
    void *fresh = realloc(old, total);
    if (!fresh) {
        out_of_memory(total);
    }
    return fresh;
}

void *mem_zeroed(size_t count, size_t size)
{
    void *fresh = calloc(count, size);

    if (!fresh) {
        out_of_memory(product(count, size));
    }
    return fresh;
}

void mem_free(void *old)
{
    free(old);
}

void mem_reserve(void *items_pointer, uint32_t *capacity, uint32_t need, size_t size)
{
    /* Then by eighths: what is large stays so, and half of it empty would be megabytes. */
    enum { FIRST_CAPACITY = 8, DOUBLE_UP_TO = 1024 };
    void *items = NULL;

    if (need <= *capacity) {
        return;
    }
    uint64_t fresh = *capacity ? *capacity : FIRST_CAPACITY;
    while (fresh < need) {
        fresh += fresh < DOUBLE_UP_TO ? fresh : fresh / 8;
    }
    if (fresh > UINT32_MAX) {
        fresh = UINT32_MAX;
    }
    /* Through memcpy: a `struct row **` may not be read as a `void **`. */
    memcpy(&items, items_pointer, sizeof(items));
    items = mem_resize(items, fresh, size);
    memset((char *)items + *capacity * size, 0, (fresh - *capacity) * size);
    memcpy(items_pointer, &items, sizeof(items));
    *capacity = (uint32_t)fresh;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){ 0 };
}

static void free_chunk(struct arena_chunk *chunk)
{
    ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->size);
    free(chunk);
}

void arena_done(struct arena *arena)
{
    arena_reset(arena);
    if (arena->chunks) {
        free_chunk(arena->chunks);
    }
    *arena = (struct arena){ 0 };
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = NULL;
    struct arena_chunk *chunk = arena->chunks;

    /* Keeps one chunk of the usual size: most steps fit into it and allocate nothing. */
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        if (!kept && chunk->size == CHUNK_SIZE) {
            kept = chunk;
            kept->next = NULL;
            kept->used = 0;
            ASAN_POISON_MEMORY_REGION(kept->bytes, kept->size);
        } else {
            free_chunk(chunk);
        }
        chunk = next;
    }
    *arena = (struct arena){ .chunks = kept };
}

void arena_wipe(struct arena *arena)
{
    for (struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next) {
        ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->used);
        explicit_bzero(chunk->bytes, chunk->used);
    }
    arena_reset(arena);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t need)
{
    size_t size = need > CHUNK_SIZE ? need : CHUNK_SIZE;
    struct arena_chunk *chunk = mem_resize(NULL, 1, sizeof(*chunk) + size);

    chunk->size = size;
    chunk->used = 0;
    ASAN_POISON_MEMORY_REGION(chunk->bytes, chunk->size);
    if (size > CHUNK_SIZE && arena->chunks) {
        /* A large piece fills its chunk: put it behind the newest, whose free room stays in use. */
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

/* What is in it is not known. */
static void *take(struct arena *arena, size_t size)
{
    const size_t step = alignof(max_align_t);
    struct arena_chunk *chunk = arena->chunks;

    assert(size < SIZE_MAX / 2);
    size_t need = (size + step - 1) / step * step;
    if (need == 0) {
        need = step;
    }
    need += GAP;
    if (!chunk || need > chunk->size - chunk->used) {
        chunk = add_chunk(arena, need);
    }
    void *fresh = chunk->bytes + chunk->used;
    chunk->used += need;
    arena->total += need;
    ASAN_UNPOISON_MEMORY_REGION(fresh, size);
    return fresh;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size), 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    return arena_alloc(arena, product(count, size));
}

struct slice arena_slice(struct arena *arena, struct slice s)
{
    assert(s.len < SIZE_MAX / 2);
    char *copy = take(arena, s.len + 1);

    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = '\0';
    return (struct slice){ copy, s.len };
}

struct slice arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    char *text = take(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct slice){ text, (size_t)len };
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
