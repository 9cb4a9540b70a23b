/*
 * slice.h - borrowed bytes: a pointer and a length, never owned, not NUL-terminated.
 *
 * A slice lives as long as what it points into; each function that hands one out says how long.
 */
#ifndef HEADROOM_SLICE_H
#define HEADROOM_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <headroom/error.h>

struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
#define SLICE_ARG(s) (int)(s).len, (s).data /* for "%.*s" */

static inline struct slice slice_of(const char *text)
{
    return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_contains(struct slice s, struct slice part);
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII */
int slice_cmp(struct slice a, struct slice b);        /* bytewise, shorter first */
struct slice slice_trim(struct slice s);              /* ASCII white space, both ends */

/* Cuts *rest at the first `sep`: returns what is before it, *rest becomes what is after it.
 * Without `sep` returns all and *rest becomes empty with data NULL. */
struct slice slice_cut(struct slice *rest, char sep);

/* Whole slice must be the number. ERR_INVALID: not a number; ERR_LIMIT: over max. */
enum err slice_u64(struct slice s, uint64_t max, uint64_t *ret) ERR_CHECKED;
/* "true"/"false" in the spellings of Go's strconv.ParseBool, which the agent's settings use. */
enum err slice_bool(struct slice s, bool *ret) ERR_CHECKED;

/* Dotted quad to host order. */
enum err slice_ipv4(struct slice s, uint32_t *ret) ERR_CHECKED;

/* Copies into a fixed array with a NUL. ERR_LIMIT when it does not fit; dst is then "". */
enum err slice_copy(struct slice s, char *dst, size_t dst_size) ERR_CHECKED;

/* Bytes of the UTF-8 character at the front, 1 to 4; 0: there is none. */
size_t slice_utf8_char(struct slice s);
/* Bytes at the front that are UTF-8: s.len when all are. */
size_t slice_utf8(struct slice s);

/* How many letters must be put in, left out or replaced to make b of a; SIZE_MAX: they are too long
 * for a guess. */
size_t slice_distance(struct slice a, struct slice b);
/* The name that a word with a slip or two in it was meant to be, of a list that ends with NULL;
 * empty: none. */
struct slice slice_nearest(struct slice word, const char *const *names);

/* FNV-1a 64: stable between runs, not for hostile keys alone. */
uint64_t slice_hash(struct slice s);
/* Five times as quick, eight bytes at a time: for tables in memory alone, since it differs between
 * kinds of machines. All 64 bits depend on all bytes. */
uint64_t slice_hash_quick(struct slice s);

#endif
