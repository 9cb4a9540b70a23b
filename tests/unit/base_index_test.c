/*
 * The index: names to handles, also when names are many, alike, or chosen to collide.
 */
#include <headroom/index.h>
#include <headroom/prng.h>

#include "test.h"

struct names {
    struct slice items[6000];
};

static struct slice name_key(const void *rows, uint32_t handle)
{
    return ((const struct names *)rows)->items[handle];
}

TEST(index, finds_each_name_and_no_other)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    uint32_t wrong = 0;

    index_init(&index, name_key);
    expect_u64(index_find(&index, names, SLICE("early")), INDEX_NONE);
    for (uint32_t i = 0; i < 5000; i++) {
        names->items[i] = arena_printf(test_arena(), "ip-10-0-%u-%u.ec2.internal", i / 256,
                                       i % 256);
        index_add(&index, names, i);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        wrong += index_find(&index, names, names->items[i]) != i;
    }
    expect_u64(wrong, 0);
    expect_u64(index.count, 5000);
    expect_u64(index_find(&index, names, SLICE("ip-10-0-0-0.ec2.interna")), INDEX_NONE);
    expect_u64(index_find(&index, names, SLICE("")), INDEX_NONE);
    index_done(&index);
}

TEST(index, guesses_a_row_by_the_hash_of_its_name_alone)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    uint32_t wrong = 0;

    index_init(&index, name_key);
    index_fetch(&index, index_hash(SLICE("early")));
    expect_u64(index_guess(&index, index_hash(SLICE("early"))), INDEX_NONE);
    for (uint32_t i = 0; i < 5000; i++) {
        names->items[i] = arena_printf(test_arena(), "ip-10-0-%u-%u.ec2.internal", i / 256,
                                       i % 256);
        index_add(&index, names, i);
    }
    index_remove(&index, names, names->items[77]);
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t hash = index_hash(names->items[i]);
        index_fetch(&index, hash);
        wrong += index_guess(&index, hash) != (i == 77 ? INDEX_NONE : i);
    }
    expect_u64(wrong, 0);
    index_done(&index);
}

TEST(index, takes_an_empty_name_like_any_other)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;

    index_init(&index, name_key);
    index_add(&index, names, 3); /* its row is zeroed: NULL and 0 */
    expect_u64(index_find(&index, names, SLICE("")), 3);
    index_remove(&index, names, SLICE(""));
    expect_u64(index_find(&index, names, SLICE("")), INDEX_NONE);
    index_done(&index);
}

/* The longest way from a slot where a search may begin to the empty slot that ends it. */
static uint32_t longest_run(const struct index *index)
{
    uint32_t longest = 0, run = 0;

    for (uint32_t i = 0; i < 2 * index->size; i++) {
        run = index->slots[i % index->size].row ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* Whoever names pods can choose names whose hashes end alike. Without mixing, the 600 names here
 * would all want every 256th slot. */
TEST(index, spreads_names_that_were_chosen_to_share_the_low_bits_of_their_hash)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    struct prng prng;
    uint32_t count = 0, wrong = 0;

    prng_init(&prng, 1);
    index_init(&index, name_key);
    while (count < 600) {
        struct slice name = arena_printf(test_arena(), "pod-%016llx",
                                         (unsigned long long)prng_next(&prng));
        if ((slice_hash(name) & 0xFF) == 0) {
            names->items[count] = name;
            index_add(&index, names, count++);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        wrong += index_find(&index, names, names->items[i]) != i;
    }
    expect_u64(wrong, 0);
    if (longest_run(&index) > 64) {
        test_fail("the longest run is %u slots of %u", longest_run(&index), index.size);
    }
    index_done(&index);
}

TEST(index, still_finds_what_lies_behind_a_removed_name)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    uint32_t wrong = 0;

    index_init(&index, name_key);
    for (uint32_t i = 0; i < 3000; i++) {
        names->items[i] = arena_printf(test_arena(), "pod-%u", i);
        index_add(&index, names, i);
    }
    for (uint32_t i = 0; i < 3000; i += 2) {
        index_remove(&index, names, names->items[i]);
    }
    for (uint32_t i = 0; i < 3000; i++) {
        wrong += index_find(&index, names, names->items[i]) != (i % 2 ? i : INDEX_NONE);
    }
    expect_u64(wrong, 0);
    expect_u64(index.count, 1500);
    index_remove(&index, names, SLICE("never there"));
    expect_u64(index.count, 1500);
    index_done(&index);
}

TEST(index, does_not_grow_when_pods_only_come_and_go)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    char text[32];
    uint32_t wrong = 0;

    index_init(&index, name_key);
    for (uint32_t i = 0; i < 100000; i++) {
        int len = snprintf(text, sizeof(text), "pod-%u", i);
        names->items[i % 10] = (struct slice){ text, (size_t)len };
        index_add(&index, names, i % 10);
        wrong += index_find(&index, names, slice_of(text)) != i % 10;
        index_remove(&index, names, slice_of(text));
    }
    expect_u64(wrong, 0);
    expect_u64(index.count, 0);
    expect(index.size <= 32);
    index_done(&index);
}

/* Random additions, searches and removals against a plain array of flags. */
TEST(index, agrees_with_a_plain_list_through_random_changes)
{
    enum { NAMES = 200, STEPS = 50000 };
    struct names *names = ARENA_NEW(test_arena(), struct names);
    bool present[NAMES] = { false };
    uint32_t count = 0, wrong = 0;
    struct index index;
    struct prng prng;

    prng_init(&prng, 42);
    index_init(&index, name_key);
    for (uint32_t i = 0; i < NAMES; i++) {
        names->items[i] = arena_printf(test_arena(), "%u", i);
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = (uint32_t)prng_below(&prng, NAMES);
        wrong += index_find(&index, names, names->items[i]) != (present[i] ? i : INDEX_NONE);
        /* Now and then all go, so that the table passes through full and empty. */
        bool add = step / 1000 % 2 ? prng_below(&prng, 4) > 0 : prng_below(&prng, 4) == 0;
        if (add && !present[i]) {
            index_add(&index, names, i);
        } else if (!add && present[i]) {
            index_remove(&index, names, names->items[i]);
        }
        count = count - present[i] + add;
        present[i] = add;
        wrong += index.count != count || index.used < index.count ||
                 (index.size && index.used >= index.size);
    }
    expect_u64(wrong, 0);
    index_done(&index);
}

struct twice {
    struct index *index;
    struct names *names;
};

static void add_one_name_twice(void *context)
{
    struct twice *twice = context;

    index_add(twice->index, twice->names, 1);
}

TEST(index, aborts_when_a_name_is_added_twice)
{
    struct names *names = ARENA_NEW(test_arena(), struct names);
    struct index index;
    struct twice twice = { &index, names };

    names->items[0] = names->items[1] = SLICE("node-a");
    index_init(&index, name_key);
    index_add(&index, names, 0);
    expect(test_aborts(add_one_name_twice, &twice));
    index_done(&index);
}

TEST(interner, gives_equal_texts_one_handle_and_keeps_its_copy)
{
    struct interner interner;
    char zone[] = "us-east-1a";

    interner_init(&interner);
    uint32_t first = interner_add(&interner, slice_of(zone));
    uint32_t second = interner_add(&interner, SLICE("us-east-1b"));
    memset(zone, 'x', sizeof(zone) - 1);
    expect_u64(first, 0);
    expect_u64(second, 1);
    expect_u64(interner_add(&interner, SLICE("us-east-1a")), first);
    expect_u64(interner_find(&interner, SLICE("us-east-1b")), second);
    expect_u64(interner_find(&interner, SLICE("us-east-1c")), INDEX_NONE);
    expect_u64(interner.count, 2);
    expect_slice(interner_get(&interner, first), "us-east-1a");
    expect_text(interner_get(&interner, first).data, "us-east-1a");
    interner_done(&interner);
}

TEST(interner, hands_out_texts_that_stay_where_they_are_while_it_grows)
{
    struct interner interner;
    uint32_t wrong = 0;

    interner_init(&interner);
    struct slice first = interner_get(&interner, interner_add(&interner, SLICE("first")));
    for (uint32_t i = 0; i < 5000; i++) {
        wrong += interner_add(&interner, arena_printf(test_arena(), "name-%u", i)) != i + 1;
    }
    expect_u64(wrong, 0);
    expect_slice(first, "first");
    expect(interner_get(&interner, 0).data == first.data);
    expect_u64(interner_add(&interner, SLICE("")), 5001);
    expect_slice(interner_get(&interner, 5001), "");
    interner_done(&interner);
    expect_u64(interner.count, 0);
}
