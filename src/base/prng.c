/*
 * prng.c - xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64.
 *
 * Knows arithmetic. Refuses to find a seed of its own.
 */
#include <assert.h>

#include <headroom/prng.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

void prng_init(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        prng->state[i] = splitmix64(&seed);
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    assert(limit > 0);
    /* The first (2^64 mod limit) values would make some results likelier: drawn again. */
    uint64_t first = (0 - limit) % limit;
    uint64_t value = 0;

    do {
        value = prng_next(prng);
    } while (value < first);
    return value % limit;
}

double prng_unit(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1.0p-53;
}

uint64_t prng_backoff(struct prng *prng, uint64_t base, uint64_t cap, uint32_t attempt)
{
    uint64_t most = cap;

    if (base == 0) {
        most = 0;
    } else if (attempt < 64 && base <= UINT64_MAX >> attempt && base << attempt < cap) {
        most = base << attempt;
    }
    return most == UINT64_MAX ? prng_next(prng) : prng_below(prng, most + 1);
}
