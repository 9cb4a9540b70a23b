/*
 * json_text.c - what stands between the quotes of a JSON string, as the text that it means.
 *
 * Knows escapes. Refuses to know where a string begins and ends.
 */
#include <string.h>

#include "json_text.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_code_point(struct buf *out, uint32_t code)
{
    if (code < 0x80) {
        buf_add_char(out, (char)code);
    } else if (code < 0x800) {
        buf_add_char(out, (char)(0xC0 | code >> 6));
        buf_add_char(out, (char)(0x80 | (code & 0x3F)));
    } else {
        /* Half a surrogate pair becomes U+FFFD: nothing that is wanted here has one. */
        code = code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code;
        buf_add_char(out, (char)(0xE0 | code >> 12));
        buf_add_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        buf_add_char(out, (char)(0x80 | (code & 0x3F)));
    }
}

/* The escape whose letter is at raw[0]; how many bytes it takes, 0: none. */
static size_t add_escape(struct buf *out, struct slice raw)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

    if (raw.len == 0) {
        return 0;
    }
    if (raw.data[0] == 'u') {
        uint32_t code = 0;
        for (size_t i = 1; i <= 4; i++) {
            int digit = i < raw.len ? hex(raw.data[i]) : -1;
            if (digit < 0) {
                return 0;
            }
            code = code << 4 | (uint32_t)digit;
        }
        add_code_point(out, code);
        return 5;
    }
    const char *letter = memchr(letters, raw.data[0], sizeof(letters) - 1);
    if (!letter) {
        return 0;
    }
    buf_add_char(out, meanings[letter - letters]);
    return 1;
}

bool json_unescape(struct buf *out, struct slice raw)
{
    while (raw.len > 0) {
        const char *slash = memchr(raw.data, '\\', raw.len);
        size_t plain = slash ? (size_t)(slash - raw.data) : raw.len;
        buf_add(out, raw.data, plain);
        raw = (struct slice){ raw.data + plain, raw.len - plain };
        if (raw.len > 0) {
            raw = (struct slice){ raw.data + 1, raw.len - 1 };
            size_t used = add_escape(out, raw);
            if (used == 0) {
                return false;
            }
            raw = (struct slice){ raw.data + used, raw.len - used };
        }
    }
    return true;
}
