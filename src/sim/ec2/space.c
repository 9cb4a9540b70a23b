/*
 * space.c - taking and giving back a subnet's addresses.
 *
 * Knows bits. Refuses to know ENIs, and who is allowed to ask.
 */
#include <assert.h>

#include <headroom/arena.h>

#include "space.h"

enum { WORD = 64 };

static bool bit(const uint64_t *words, uint32_t at)
{
    return (words[at / WORD] >> (at % WORD)) & 1;
}

static void set_bit(uint64_t *words, uint32_t at, bool on)
{
    uint64_t mask = UINT64_C(1) << (at % WORD);

    words[at / WORD] = on ? words[at / WORD] | mask : words[at / WORD] & ~mask;
}

static uint32_t word_count(const struct sim_space *space)
{
    return (space->size + WORD - 1) / WORD;
}

/* The 16 bits of an aligned block. */
static uint32_t block_bits(const uint64_t *words, uint32_t at)
{
    return (uint32_t)(words[at / WORD] >> (at % WORD)) & 0xffff;
}

static uint64_t *new_words(uint32_t count)
{
    uint64_t *words = mem_resize(NULL, count, sizeof(*words));

    memset(words, 0, count * sizeof(*words));
    return words;
}

void sim_space_init(struct sim_space *space, struct cidr cidr)
{
    assert(cidr.bits >= 16 && cidr.bits <= 28);
    *space = (struct sim_space){ .cidr = cidr, .size = UINT32_C(1) << (32 - cidr.bits) };
    space->used = new_words(word_count(space));
    space->held = new_words(word_count(space));
    space->held_prefix = new_words(word_count(space));
    for (uint32_t at = 0; at < SPACE_OWN - 1; at++) {
        set_bit(space->used, at, true);
    }
    set_bit(space->used, space->size - 1, true);
    space->free = space->size - SPACE_OWN;
}

void sim_space_done(struct sim_space *space)
{
    mem_free(space->used);
    mem_free(space->held);
    mem_free(space->held_prefix);
    *space = (struct sim_space){ 0 };
}

bool sim_space_contains(const struct sim_space *space, uint32_t address)
{
    return address >= space->cidr.base && address - space->cidr.base < space->size;
}

bool sim_space_reserve(struct sim_space *space, struct cidr_reservation reservation)
{
    uint64_t count = UINT64_C(1) << (32 - reservation.cidr.bits);

    if (!sim_space_contains(space, reservation.cidr.base) ||
        reservation.cidr.base - space->cidr.base + count > space->size) {
        return false;
    }
    uint32_t from = reservation.cidr.base - space->cidr.base;
    for (uint32_t at = from; at < from + count; at++) {
        if (bit(space->held, at)) {
            return false;
        }
    }
    for (uint32_t at = from; at < from + count; at++) {
        space->free -= !bit(space->used, at);
        set_bit(space->held, at, true);
        set_bit(space->held_prefix, at, reservation.prefix);
    }
    return true;
}

bool sim_space_is_used(const struct sim_space *space, uint32_t address)
{
    return bit(space->used, address - space->cidr.base);
}

bool sim_space_is_held(const struct sim_space *space, uint32_t address)
{
    return bit(space->held, address - space->cidr.base);
}

bool sim_space_take(struct sim_space *space, uint32_t address)
{
    uint32_t at = address - space->cidr.base;

    assert(sim_space_contains(space, address));
    if (bit(space->used, at)) {
        return false;
    }
    set_bit(space->used, at, true);
    space->free -= !bit(space->held, at);
    return true;
}

void sim_space_give(struct sim_space *space, uint32_t address)
{
    uint32_t at = address - space->cidr.base;

    assert(sim_space_contains(space, address) && bit(space->used, at));
    set_bit(space->used, at, false);
    space->free += !bit(space->held, at);
}

bool sim_space_take_block(struct sim_space *space, uint32_t base)
{
    uint32_t at = base - space->cidr.base;

    assert(sim_space_contains(space, base) && at % SPACE_BLOCK == 0);
    if (block_bits(space->used, at)) {
        return false;
    }
    for (uint32_t i = 0; i < SPACE_BLOCK; i++) {
        (void)sim_space_take(space, base + i);
    }
    return true;
}

void sim_space_give_block(struct sim_space *space, uint32_t base)
{
    for (uint32_t i = 0; i < SPACE_BLOCK; i++) {
        sim_space_give(space, base + i);
    }
}

/* The first free and not held address at or after `from`. */
static bool next_free(const struct sim_space *space, uint32_t from, uint32_t *ret)
{
    for (uint32_t word = from / WORD; word < word_count(space); word++) {
        uint64_t open = ~(space->used[word] | space->held[word]);
        if (word == from / WORD) {
            open &= ~UINT64_C(0) << (from % WORD);
        }
        if (open) {
            uint32_t at = word * WORD + (uint32_t)__builtin_ctzll(open);
            *ret = space->cidr.base + at;
            return at < space->size;
        }
    }
    return false;
}

bool sim_space_pick(struct sim_space *space, struct prng *prng, uint32_t *ret)
{
    uint32_t from = prng ? (uint32_t)prng_below(prng, space->size) : 0;

    if (space->free == 0 || (!next_free(space, from, ret) && !next_free(space, 0, ret))) {
        return false;
    }
    return sim_space_take(space, *ret);
}

/* reserved: looks only at blocks that lie whole in a prefix reservation, else only at blocks
 * without any held address. */
static bool block_is_free(const struct sim_space *space, uint32_t at, bool reserved)
{
    uint32_t held = block_bits(space->held, at);

    return block_bits(space->used, at) == 0 &&
           (reserved ? block_bits(space->held_prefix, at) == 0xffff : held == 0);
}

bool sim_space_pick_block(struct sim_space *space, struct prng *prng, uint32_t *ret)
{
    uint32_t blocks = space->size / SPACE_BLOCK;
    uint32_t first = prng ? (uint32_t)prng_below(prng, blocks) : 0;

    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < blocks; i++) {
            uint32_t at = (first + i) % blocks * SPACE_BLOCK;
            if (block_is_free(space, at, round == 0)) {
                *ret = space->cidr.base + at;
                return sim_space_take_block(space, *ret);
            }
        }
    }
    return false;
}

bool sim_space_hold_block(struct sim_space *space, struct prng *prng, uint32_t *ret)
{
    uint32_t blocks = space->size / SPACE_BLOCK;
    uint32_t first = prng ? (uint32_t)prng_below(prng, blocks) : 0;

    for (uint32_t i = 0; i < blocks; i++) {
        uint32_t at = (first + i) % blocks * SPACE_BLOCK;
        if (block_is_free(space, at, false)) {
            *ret = space->cidr.base + at;
            return sim_space_reserve(space, (struct cidr_reservation){ { *ret, 28 }, true });
        }
    }
    return false;
}

void sim_space_let_go_block(struct sim_space *space, uint32_t base)
{
    for (uint32_t at = base - space->cidr.base, i = 0; i < SPACE_BLOCK; at++, i++) {
        set_bit(space->held, at, false);
        set_bit(space->held_prefix, at, false);
        space->free += !bit(space->used, at);
    }
}

uint32_t sim_space_free_blocks(const struct sim_space *space)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < space->size; at += SPACE_BLOCK) {
        count += block_is_free(space, at, true) || block_is_free(space, at, false);
    }
    return count;
}
