/*
 * buf_json.c - a JSON string from bytes that nobody vouches for.
 *
 * Knows JSON's escapes. Refuses to know objects and arrays: that is src/wire's.
 */
#include <headroom/buf.h>

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
        size_t len = slice_utf8_char(s);
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
