/*
 * token.c - the client token: the same need gives the same token, also after a crash.
 *
 * Knows what a need is made of. A 128-bit digest, not a cryptographic one: EC2 compares tokens
 * within one account, a cluster makes at most some thousands in the hours that EC2 remembers them
 * (chance of a collision below 2^-100), and nobody who could craft one gains by it, since every
 * input is ours. A collision would end in IdempotentParameterMismatch and a new salt.
 */
#include <stdio.h>

#include "token.h"

/* Two lanes of FNV-1a with unlike offsets, finished by MurmurHash3's fmix64. */
static void mix(struct token_digest *digest, const void *data, size_t len)
{
    const uint64_t prime = UINT64_C(0x100000001b3);
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++) {
        digest->a = (digest->a ^ bytes[i]) * prime;
        digest->b = (digest->b ^ (uint64_t)(bytes[i] ^ 0x5a)) * prime;
        digest->b ^= digest->b >> 29;
    }
}

void token_begin(struct token_digest *digest)
{
    *digest = (struct token_digest){ UINT64_C(0xcbf29ce484222325), UINT64_C(0x9e3779b97f4a7c15) };
}

void token_text(struct token_digest *digest, struct slice text)
{
    token_number(digest, text.len); /* so that "ab","c" and "a","bc" differ */
    mix(digest, text.data, text.len);
}

void token_number(struct token_digest *digest, uint64_t number)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned char byte = (unsigned char)(number >> shift);
        mix(digest, &byte, 1);
    }
}

static uint64_t finish(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

void token_end(const struct token_digest *digest, char *ret, size_t ret_size)
{
    (void)snprintf(ret, ret_size, "headroom-%016llx%016llx", (unsigned long long)finish(digest->a),
                   (unsigned long long)finish(digest->b + digest->a));
}
