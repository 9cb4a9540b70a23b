/*
 * Buffers, arenas and growing arrays: a peer's size never becomes ours without a cap.
 */
#include <stdalign.h>

#include <headroom/buf.h>

#include "test.h"

TEST(buffer, grows_and_is_always_a_string)
{
    struct buf buf;

    buf_init(&buf, 100000);
    for (int i = 0; i < 1000; i++) {
        buf_addf(&buf, "%03d,", i);
    }
    expect_u64(buf.len, 4000);
    expect_u64(strlen(buf.data), 4000);
    expect(slice_starts(buf_slice(&buf), SLICE("000,001,")));
    expect(slice_ends(buf_slice(&buf), SLICE("998,999,")));
    expect_ok(buf_check(&buf, NULL), NULL);
    buf_done(&buf);
}

TEST(buffer, takes_exactly_its_limit)
{
    struct buf buf;

    buf_init(&buf, 5);
    buf_add_text(&buf, "12345");
    expect_ok(buf_check(&buf, NULL), NULL);
    expect_slice(buf_slice(&buf), "12345");
    buf_done(&buf);
}

TEST(buffer, fails_for_good_when_one_addition_does_not_fit)
{
    struct buf buf;
    struct error error = { 0 };

    buf_init(&buf, 5);
    buf_add_text(&buf, "1234");
    buf_add_text(&buf, "56");
    buf_add_char(&buf, '5'); /* would fit: a hole in the middle must not go unnoticed */
    expect_slice(buf_slice(&buf), "1234");
    expect_err(buf_check(&buf, &error), ERR_LIMIT, &error);
    expect_text(error.text, "more than 5 bytes");

    buf_reset(&buf);
    buf_addf(&buf, "%s", "56789");
    expect_ok(buf_check(&buf, NULL), NULL);
    buf_addf(&buf, "%d", 0);
    expect_slice(buf_slice(&buf), "56789");
    expect_err(buf_check(&buf, NULL), ERR_LIMIT, NULL);
    buf_done(&buf);
}

TEST(buffer, does_not_wrap_when_a_peer_names_an_absurd_size)
{
    struct buf buf;

    buf_init(&buf, 1024);
    buf_add_text(&buf, "x");
    buf_add(&buf, "y", SIZE_MAX); /* reads nothing: it is refused by its size */
    expect(buf.failed);
    expect_slice(buf_slice(&buf), "x");
    buf_done(&buf);
}

TEST(buffer, loses_its_front_when_that_is_read)
{
    struct buf buf;

    buf_init(&buf, 100);
    buf_add_text(&buf, "first\nsecond\n");
    buf_drop(&buf, 6);
    expect_slice(buf_slice(&buf), "second\n");
    buf_drop(&buf, 0);
    buf_drop(&buf, 7);
    expect_u64(buf.len, 0);
    buf_add_text(&buf, "third");
    expect_text(buf.data, "third");
    buf_done(&buf);
}

TEST(buffer, can_be_released_before_its_first_use_and_twice)
{
    struct buf buf = { 0 };

    buf_done(&buf);
    buf_init(&buf, 1);
    buf_add(&buf, NULL, 0);
    buf_reset(&buf);
    buf_done(&buf);
    buf_done(&buf);
    expect(buf.data == NULL);
}

TEST(arena, gives_zeroed_and_aligned_memory_also_after_a_reset)
{
    struct arena arena;
    bool clean = true;

    arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 3000; size = size * 3 + 1) {
            unsigned char *bytes = arena_alloc(&arena, size);
            clean = clean && (uintptr_t)bytes % alignof(max_align_t) == 0;
            for (size_t i = 0; i < size; i++) {
                clean = clean && bytes[i] == 0;
            }
            memset(bytes, 0xFF, size);
        }
        arena_reset(&arena);
        expect_u64(arena.total, 0);
    }
    expect(clean);
    arena_done(&arena);
}

/* AddressSanitizer keeps others from looking at what was given back. */
__attribute__((no_sanitize_address)) static bool all_zero(const char *data, size_t len)
{
    while (len > 0 && data[len - 1] == '\0') {
        len--;
    }
    return len == 0;
}

TEST(arena, leaves_nothing_of_a_secret_when_it_is_wiped)
{
    struct arena arena;

    arena_init(&arena);
    struct slice secret = arena_slice(&arena, SLICE("a secret that must not stay"));
    arena_wipe(&arena);
    expect_u64(arena.total, 0);
    expect(all_zero(secret.data, secret.len));
    arena_done(&arena);
}

TEST(arena, keeps_pieces_apart_whatever_their_sizes)
{
    enum { PIECES = 300 };
    struct arena *arena = test_arena();
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];
    bool intact = true;

    for (size_t i = 0; i < PIECES; i++) {
        /* Mostly small, now and then larger than a chunk. */
        sizes[i] = i % 50 == 49 ? 40000 : i * 7 % 900;
        pieces[i] = arena_alloc(arena, sizes[i]);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            intact = intact && pieces[i][at] == i % 251;
        }
    }
    expect(intact);
}

TEST(arena, reuses_its_chunk_so_that_a_quiet_step_allocates_nothing)
{
    struct arena arena;

    arena_init(&arena);
    (void)arena_alloc(&arena, 100000); /* a piece larger than a chunk is not what stays */
    for (int i = 0; i < 1000; i++) {
        (void)arena_alloc(&arena, 1000);
    }
    arena_reset(&arena);
    void *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    expect(arena_alloc(&arena, 100) == first);
    arena_done(&arena);
}

TEST(arena, gives_each_empty_piece_an_address_of_its_own)
{
    void *one = arena_alloc(test_arena(), 0);

    expect(one != NULL && one != arena_alloc(test_arena(), 0));
}

TEST(arena, copies_slices_and_formats_text_with_a_NUL_behind)
{
    struct slice copy = arena_slice(test_arena(), (struct slice){ "subnet-1234", 6 });
    struct slice text = arena_printf(test_arena(), "%s has %d free", copy.data, 12);

    expect_text(copy.data, "subnet");
    expect_u64(copy.len, 6);
    expect_slice(text, "subnet has 12 free");
    expect_text(text.data, "subnet has 12 free");
    expect_text(arena_slice(test_arena(), (struct slice){ NULL, 0 }).data, "");
}

static void ask_for_more_than_there_is(void *context)
{
    (void)arena_array(context, SIZE_MAX / 4, 8);
}

TEST(arena, aborts_when_a_size_overflows)
{
    expect(test_aborts(ask_for_more_than_there_is, test_arena()));
}

TEST(memory, grows_arrays_by_doubling_with_zeroed_new_elements)
{
    struct row {
        uint64_t a, b;
    } *rows = NULL;
    uint32_t capacity = 0;

    mem_reserve(&rows, &capacity, 1, sizeof(*rows));
    expect_u64(capacity, 8);
    memset(rows, 0xFF, capacity * sizeof(*rows));
    mem_reserve(&rows, &capacity, 8, sizeof(*rows));
    expect_u64(capacity, 8);
    mem_reserve(&rows, &capacity, 100, sizeof(*rows));
    expect_u64(capacity, 128);
    expect_u64(rows[7].b, UINT64_MAX);
    for (uint32_t i = 8; i < capacity; i++) {
        expect(rows[i].a == 0 && rows[i].b == 0);
    }
    mem_free(rows);
}

static void overflow_an_array(void *context)
{
    uint32_t *capacity = context;
    void *items = NULL;

    mem_reserve(&items, capacity, UINT32_MAX, SIZE_MAX / 2);
}

TEST(memory, aborts_rather_than_hand_out_less_than_was_asked_for)
{
    uint32_t capacity = 0;

    expect(test_aborts(overflow_an_array, &capacity));
}

TEST(memory, frees_at_count_zero)
{
    void *some = mem_resize(NULL, 10, 10);

    expect(some != NULL);
    expect(mem_resize(some, 0, 10) == NULL);
}
