/*
 * buf_json.c - a JSON string from bytes that nobody vouches for.
 *
 * Knows UTF-8 and JSON's escapes. Refuses to know objects and arrays: that is src/wire's.
 */
#include <headroom/buf.h>

/* Length of the UTF-8 sequence at the front of s (RFC 3629, table 3-7 of Unicode); 0: not one. */
static size_t utf8_length(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;
    unsigned char low = 0x80, high = 0xBF;
    size_t len = 0;

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

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char shorthand[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                      ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

    if (c < sizeof(shorthand) && shorthand[c] != '\0') {
        buf_add_char(out, '\\');
        buf_add_char(out, shorthand[c]);
    } else {
        buf_addf(out, "\\u%04x", c);
    }
}

/* One bad byte must not cost a log line: what is not UTF-8 shows as U+FFFD. */
void buf_add_json(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    while (s.len > 0) {
        unsigned char c = (unsigned char)s.data[0];
        size_t len = utf8_length(s);
        if (len == 0) {
            buf_add_text(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
            add_escaped(out, c);
        } else {
            buf_add(out, s.data, len);
        }
        s.data += len;
        s.len -= len;
    }
    buf_add_char(out, '"');
}
