/*
 * utf8.c - which bytes are UTF-8: RFC 3629, table 3-7 of the Unicode Standard.
 *
 * Knows well-formed sequences. Refuses to know what the characters mean.
 */
#include <headroom/slice.h>

size_t slice_utf8_char(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;
    unsigned char low = 0x80, high = 0xBF;
    size_t len = 0;

    if (s.len == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        len = 2;
    } else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        len = 3;
        low = at[0] == 0xE0 ? 0xA0 : low;   /* shorter forms exist */
        high = at[0] == 0xED ? 0x9F : high; /* surrogates */
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        len = 4;
        low = at[0] == 0xF0 ? 0x90 : low;
        high = at[0] == 0xF4 ? 0x8F : high; /* past U+10FFFF */
    }
    if (len == 0 || s.len < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

size_t slice_utf8(struct slice s)
{
    size_t good = 0;

    while (good < s.len) {
        size_t len = slice_utf8_char((struct slice){ s.data + good, s.len - good });
        if (len == 0) {
            break;
        }
        good += len;
    }
    return good;
}
