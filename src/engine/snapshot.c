/*
 * snapshot.c - the life of a picture: one arena, a count of its holders.
 *
 * Knows who holds it last. Refuses to know what it shows.
 */
#include <assert.h>
#include <stdatomic.h>

#include <headroom/snapshot.h>

struct snapshot_ref {
    atomic_uint holders;
    struct arena arena;
    struct snapshot snapshot;
};

struct snapshot_ref *snapshot_new(struct arena **ret_arena, struct snapshot **ret)
{
    struct snapshot_ref *ref = mem_resize(NULL, 1, sizeof(*ref));

    memset(ref, 0, sizeof(*ref));
    atomic_init(&ref->holders, 1);
    arena_init(&ref->arena);
    *ret_arena = &ref->arena;
    *ret = &ref->snapshot;
    return ref;
}

struct snapshot_ref *snapshot_hold(struct snapshot_ref *ref)
{
    unsigned before = atomic_fetch_add_explicit(&ref->holders, 1, memory_order_relaxed);

    assert(before > 0);
    return ref;
}

void snapshot_drop(struct snapshot_ref *ref)
{
    if (!ref) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&ref->holders, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        arena_done(&ref->arena);
        mem_free(ref);
    }
}

const struct snapshot *snapshot_get(const struct snapshot_ref *ref)
{
    return &ref->snapshot;
}
