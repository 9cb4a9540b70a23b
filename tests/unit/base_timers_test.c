/*
 * Deadlines and seeded randomness: one seed, one history.
 */
#include <headroom/prng.h>
#include <headroom/timers.h>

#include "test.h"

TEST(timers, have_no_deadline_when_nothing_is_set)
{
    struct timers timers;
    uint32_t handle = 9;

    timers_init(&timers);
    expect_u64(timers_next_ns(&timers), TIMERS_NEVER);
    expect(!timers_pop(&timers, UINT64_MAX - 1, &handle));
    expect_u64(timers_get(&timers, 5), TIMERS_NEVER);
    timers_set(&timers, 5, TIMERS_NEVER); /* cancels what was never set */
    expect_u64(timers_next_ns(&timers), TIMERS_NEVER);
    timers_done(&timers);
}

TEST(timers, ring_at_their_time_and_not_before)
{
    struct timers timers;
    uint32_t handle = 9;

    timers_init(&timers);
    timers_set(&timers, 4, 1000);
    expect_u64(timers_next_ns(&timers), 1000);
    expect(!timers_pop(&timers, 999, &handle));
    expect_u64(handle, 9);
    expect(timers_pop(&timers, 1000, &handle));
    expect_u64(handle, 4);
    expect_u64(timers_get(&timers, 4), TIMERS_NEVER);
    expect(!timers_pop(&timers, 5000, &handle));
    timers_done(&timers);
}

TEST(timers, tell_what_comes_next_without_taking_it)
{
    struct timers timers;
    uint32_t first[4] = { 9, 9, 9, 9 };

    timers_init(&timers);
    expect_u64(timers_first(&timers, first, 4), 0);
    for (uint32_t i = 0; i < 100; i++) {
        timers_set(&timers, i, 1000 - i);
    }
    expect_u64(timers_first(&timers, first, 3), 3);
    expect_u64(first[0], 99);
    expect_u64(first[3], 9); /* no more than there is room for */
    expect_u64(timers.count, 100);
    timers_done(&timers);
}

TEST(timers, move_earlier_later_and_away)
{
    struct timers timers;
    uint32_t handle = 9;

    timers_init(&timers);
    timers_set(&timers, 0, 100);
    timers_set(&timers, 1, 200);
    timers_set(&timers, 2, 300);
    timers_set(&timers, 2, 50);
    expect_u64(timers_next_ns(&timers), 50);
    timers_set(&timers, 2, 400);
    expect_u64(timers_next_ns(&timers), 100);
    timers_set(&timers, 0, TIMERS_NEVER);
    expect_u64(timers_next_ns(&timers), 200);
    expect_u64(timers_get(&timers, 2), 400);
    expect(timers_pop(&timers, 1000, &handle) && handle == 1);
    expect(timers_pop(&timers, 1000, &handle) && handle == 2);
    timers_done(&timers);
}

TEST(timers, ring_in_the_order_of_handles_when_they_are_due_together)
{
    static const uint32_t order[] = { 7, 3, 9, 0, 5, 8, 1 };
    static const uint32_t wanted[] = { 0, 1, 3, 5, 7, 8, 9 };
    struct timers timers;

    timers_init(&timers);
    for (size_t i = 0; i < 7; i++) {
        timers_set(&timers, order[i], 77);
    }
    for (size_t i = 0; i < 7; i++) {
        uint32_t handle = 0;
        expect(timers_pop(&timers, 77, &handle));
        expect_u64(handle, wanted[i]);
    }
    timers_done(&timers);
}

enum { HANDLES = 64 };

/* The reference: the smallest deadline, and among equals the smallest handle. */
static uint32_t earliest(const uint64_t deadlines[HANDLES])
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < HANDLES; i++) {
        best = deadlines[i] < deadlines[best] ? i : best;
    }
    return best;
}

TEST(timers, agree_with_a_plain_table_through_random_changes)
{
    uint64_t deadlines[HANDLES], now = 0;
    uint32_t wrong = 0;
    struct timers timers;
    struct prng prng;

    prng_init(&prng, 2026);
    timers_init(&timers);
    for (uint32_t i = 0; i < HANDLES; i++) {
        deadlines[i] = TIMERS_NEVER;
    }
    for (uint32_t step = 0; step < 30000; step++) {
        uint32_t handle = (uint32_t)prng_below(&prng, HANDLES);
        /* Few distinct deadlines, so that many are equal. */
        uint64_t at = prng_below(&prng, 5) == 0 ? TIMERS_NEVER : now + prng_below(&prng, 20);
        deadlines[handle] = at;
        timers_set(&timers, handle, at);
        wrong += timers_get(&timers, handle) != at;
        if (step % 7 == 0) {
            now += prng_below(&prng, 10);
            for (uint32_t got = 0; timers_pop(&timers, now, &got);) {
                wrong += got != earliest(deadlines) || deadlines[got] > now;
                deadlines[got] = TIMERS_NEVER;
            }
        }
        wrong += timers_next_ns(&timers) != deadlines[earliest(deadlines)];
    }
    expect_u64(wrong, 0);
    timers_done(&timers);
}

/* From the reference implementations: splitmix64 seeded with 0 gives the state, xoshiro256** the
 * rest. */
TEST(prng, gives_the_published_sequence)
{
    struct prng prng;

    prng_init(&prng, 0);
    expect_u64(prng.state[0], UINT64_C(0xe220a8397b1dcdaf));
    expect_u64(prng.state[1], UINT64_C(0x6e789e6aa1b965f4));
    prng = (struct prng){ { 1, 2, 3, 4 } };
    expect_u64(prng_next(&prng), 11520);
    expect_u64(prng_next(&prng), 0);
    expect_u64(prng_next(&prng), 1509978240);
    expect_u64(prng_next(&prng), UINT64_C(1215971899390074240));
}

TEST(prng, repeats_itself_for_one_seed_only)
{
    struct prng one, same, other;
    uint32_t equal = 0;

    prng_init(&one, 7);
    prng_init(&same, 7);
    prng_init(&other, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t value = prng_next(&one);
        expect_u64(prng_next(&same), value);
        equal += prng_next(&other) == value;
    }
    expect_u64(equal, 0);
}

TEST(prng, stays_below_its_limit_and_reaches_every_value)
{
    uint32_t seen[6] = { 0 };
    struct prng prng;

    prng_init(&prng, 3);
    for (int i = 0; i < 6000; i++) {
        seen[prng_below(&prng, 6)]++;
    }
    for (int i = 0; i < 6; i++) {
        expect(seen[i] > 800 && seen[i] < 1200); /* 1,000 wanted, six deviations are 173 */
    }
    expect_u64(prng_below(&prng, 1), 0);
    expect(prng_below(&prng, UINT64_MAX) < UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        double unit = prng_unit(&prng);
        expect(unit >= 0.0 && unit < 1.0);
    }
}

TEST(prng, backs_off_within_a_window_that_doubles_up_to_its_cap)
{
    struct prng prng;
    uint64_t most[8] = { 0 };

    prng_init(&prng, 11);
    for (int i = 0; i < 2000; i++) {
        for (uint32_t attempt = 0; attempt < 8; attempt++) {
            uint64_t wait = prng_backoff(&prng, 100, 2000, attempt);
            most[attempt] = wait > most[attempt] ? wait : most[attempt];
        }
    }
    static const uint64_t window[] = { 100, 200, 400, 800, 1600, 2000, 2000, 2000 };
    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        expect(most[attempt] <= window[attempt]);
        expect(most[attempt] > window[attempt] / 10 * 9); /* full jitter reaches the upper end */
    }
}

TEST(prng, backs_off_without_overflow_after_any_number_of_attempts)
{
    struct prng prng;

    prng_init(&prng, 12);
    expect(prng_backoff(&prng, UINT64_MAX, 500, 0) <= 500);
    expect(prng_backoff(&prng, 1, 500, 63) <= 500);
    expect(prng_backoff(&prng, 1, 500, 64) <= 500);
    expect(prng_backoff(&prng, 3, 500, UINT32_MAX) <= 500);
    expect_u64(prng_backoff(&prng, 0, 500, 10), 0);
    expect_u64(prng_backoff(&prng, 100, 0, 10), 0);
    (void)prng_backoff(&prng, 1, UINT64_MAX, 64); /* the whole range: no limit of 2^64 is asked for
                                                   */
}
