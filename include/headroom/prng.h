/*
 * prng.h - seeded pseudo-random numbers: the same seed gives the same run. Not for secrets.
 */
#ifndef HEADROOM_PRNG_H
#define HEADROOM_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state[4]; /* xoshiro256**, seeded by splitmix64 */
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
uint64_t prng_below(struct prng *prng, uint64_t limit); /* uniform in [0, limit); limit > 0 */
double prng_unit(struct prng *prng);                    /* uniform in [0, 1) */

/* Full jitter: uniform in [0, min(cap, base * 2^attempt)], in the caller's unit. */
uint64_t prng_backoff(struct prng *prng, uint64_t base, uint64_t cap, uint32_t attempt);

#endif
