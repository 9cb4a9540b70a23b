/*
 * fuzz.h - the shape of a harness, tests/fuzz/NAME_fuzz.c:
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
 *     {
 *         ... decode, and assert() what must hold for any input ...
 *         return 0;
 *     }
 *
 * `make fuzz NAME=...` hunts with libFuzzer; `make test` replays tests/fuzz/corpus/NAME/. A harness
 * keeps nothing between two calls.
 */
#ifndef HEADROOM_FUZZ_H
#define HEADROOM_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <headroom/slice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice fuzz_input(const uint8_t *data, size_t size)
{
    return (struct slice){ (const char *)data, size };
}

#endif
