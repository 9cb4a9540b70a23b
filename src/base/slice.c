/*
 * slice.c - comparing, cutting and reading borrowed bytes.
 *
 * Knows ASCII and the shapes of numbers. Refuses to know locales, and never reads past a slice's
 * end.
 */
#include <headroom/slice.h>

enum { DISTANCE_MAX_LEN = 48 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq((struct slice){ s.data, prefix.len }, prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    if (s.len < suffix.len) {
        return false;
    }
    if (suffix.len == 0) {
        return true;
    }
    return memcmp(s.data + (s.len - suffix.len), suffix.data, suffix.len) == 0;
}

bool slice_contains(struct slice s, struct slice part)
{
    if (part.len == 0) {
        return true;
    }
    return s.len >= part.len && memmem(s.data, s.len, part.data, part.len) != NULL;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;

    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct slice slice_cut(struct slice *rest, char sep)
{
    struct slice all = *rest;
    const char *at = all.len ? memchr(all.data, sep, all.len) : NULL;

    if (!at) {
        *rest = (struct slice){ NULL, 0 };
        return all;
    }
    size_t before = (size_t)(at - all.data);
    *rest = (struct slice){ at + 1, all.len - before - 1 };
    return (struct slice){ all.data, before };
}

enum err slice_u64(struct slice s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    bool over = false;

    if (s.len == 0) {
        return ERR_INVALID;
    }
    /* Reads on after an overflow: "99999999999999999999x" is no number, whatever its size. */
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return ERR_INVALID;
        }
        over = over || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
               __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value);
    }
    if (over || value > max) {
        return ERR_LIMIT;
    }
    *ret = value;
    return ERR_OK;
}

enum err slice_bool(struct slice s, bool *ret)
{
    static const char *const spellings[2][6] = {
        { "0", "f", "F", "false", "FALSE", "False" },
        { "1", "t", "T", "true", "TRUE", "True" },
    };

    for (size_t value = 0; value < 2; value++) {
        for (size_t i = 0; i < 6; i++) {
            if (slice_is(s, spellings[value][i])) {
                *ret = value == 1;
                return ERR_OK;
            }
        }
    }
    return ERR_INVALID;
}

enum err slice_ipv4(struct slice s, uint32_t *ret)
{
    uint32_t address = 0;
    struct slice rest = s;

    for (int part = 0; part < 4; part++) {
        uint64_t octet = 0;
        if (part > 0 && !rest.data) {
            return ERR_INVALID;
        }
        struct slice text = slice_cut(&rest, '.');
        /* A leading zero is octal to some readers and decimal to others: nobody's address here. */
        if (text.len > 3 || (text.len > 1 && text.data[0] == '0') ||
            slice_u64(text, 255, &octet) != ERR_OK) {
            return ERR_INVALID;
        }
        address = address << 8 | (uint32_t)octet;
    }
    if (rest.data) {
        return ERR_INVALID;
    }
    *ret = address;
    return ERR_OK;
}

enum err slice_copy(struct slice s, char *dst, size_t dst_size)
{
    if (dst_size == 0) {
        return ERR_LIMIT;
    }
    dst[0] = '\0';
    if (s.len >= dst_size) {
        return ERR_LIMIT;
    }
    if (s.len > 0) {
        memcpy(dst, s.data, s.len);
    }
    dst[s.len] = '\0';
    return ERR_OK;
}

uint64_t slice_hash(struct slice s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.len; i++) {
        hash ^= (unsigned char)s.data[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Each word is mixed in reversibly: none of it is lost on the way. */
static uint64_t mix_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

uint64_t slice_hash_quick(struct slice s)
{
    uint64_t hash = s.len * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word = 0;
    size_t at = 0;

    for (; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.data + at, sizeof(word));
        hash = mix_word(hash, word);
    }
    if (at < s.len) {
        word = 0;
        memcpy(&word, s.data + at, s.len - at);
        hash = mix_word(hash, word);
    }
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* ---- guesses ---- */

size_t slice_distance(struct slice a, struct slice b)
{
    size_t row[DISTANCE_MAX_LEN + 1];

    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN) {
        return SIZE_MAX;
    }
    for (size_t k = 0; k <= b.len; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t above = row[k];
            size_t best = diagonal + (a.data[i - 1] != b.data[k - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[k] = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            diagonal = above;
        }
    }
    return row[b.len];
}

struct slice slice_nearest(struct slice word, const char *const *names)
{
    size_t nearest = word.len < 4 ? 2 : 3;
    struct slice found = SLICE("");

    for (; *names; names++) {
        size_t far = slice_distance(word, slice_of(*names));
        if (far < nearest) {
            nearest = far;
            found = slice_of(*names);
        }
    }
    return found;
}
