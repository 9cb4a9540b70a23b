/*
 * yaml_write.c - a document as YAML for people: block style, as few quotes as may be.
 *
 * Knows which plain scalars mean something else than their letters, in YAML 1.1 and 1.2. Refuses to
 * know what the document is about.
 */
#include <headroom/doc.h>

static bool is_word(struct slice s)
{
    static const char *const words[] = { "null", "true", "false", "yes", "no",
                                         "on",   "off",  "y",     "n",   "~" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_eq_nocase(s, slice_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* Digits, signs and what numbers, times and dates are made of. */
static bool looks_like_number(struct slice s)
{
    bool digit = false;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        digit |= c >= '0' && c <= '9';
        if (!memchr("0123456789abcdefABCDEFxXoO.+-:_TZ", c, 33)) {
            return false;
        }
    }
    return digit;
}

static bool is_plain(struct slice s)
{
    if (s.len == 0 || is_word(s) || looks_like_number(s)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && (memchr("-+=@ ,()%", c, 9) ||
                               (c == ':' && i + 1 < s.len && s.data[i + 1] != ' '));
        if (!letter && c != '_' && c != '.' && c != '/' && !inner) {
            return false;
        }
    }
    return s.data[s.len - 1] != ' ';
}

void yaml_write_text(struct slice text, struct buf *out)
{
    if (is_plain(text)) {
        buf_add_slice(out, text);
    } else {
        buf_add_json(out, text);
    }
}

static void write_scalar(const struct doc *doc, struct buf *out)
{
    if (!doc || doc->kind == DOC_NULL) {
        buf_add_text(out, "null");
    } else if (doc->kind == DOC_STRING) {
        yaml_write_text(doc->text, out);
    } else {
        buf_add_slice(out, doc->text);
    }
}

static bool has_lines(const struct doc *doc)
{
    return doc_count(doc) > 0;
}

static void write_leaf(const struct doc *doc, struct buf *out)
{
    if (doc_is(doc, DOC_MAPPING)) {
        buf_add_text(out, "{}");
    } else if (doc_is(doc, DOC_SEQUENCE)) {
        buf_add_text(out, "[]");
    } else {
        write_scalar(doc, out);
    }
    buf_add_char(out, '\n');
}

/* `inside`: the first line's beginning is there already, after a dash. */
static void write_lines(const struct doc *doc, uint32_t indent, bool inside, struct buf *out)
{
    bool sequence = doc->kind == DOC_SEQUENCE;

    for (const struct doc *at = doc->first; at; at = at->next) {
        buf_addf(out, "%*s", inside ? 0 : (int)indent, "");
        inside = false;
        if (sequence) {
            buf_add_text(out, "- ");
        } else {
            yaml_write_text(at->key, out);
            buf_add_char(out, ':');
        }
        if (!has_lines(at)) {
            buf_add_text(out, sequence ? "" : " ");
            write_leaf(at, out);
        } else if (sequence) {
            write_lines(at, indent + 2, true, out);
        } else {
            buf_add_char(out, '\n');
            write_lines(at, indent + 2, false, out);
        }
    }
}

void yaml_write(const struct doc *doc, uint32_t indent, struct buf *out)
{
    if (has_lines(doc)) {
        write_lines(doc, indent, false, out);
    } else {
        buf_addf(out, "%*s", (int)indent, "");
        write_leaf(doc, out);
    }
}
