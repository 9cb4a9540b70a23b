/*
 * xml.c - one token after another: text, tags, and what is passed over.
 *
 * Knows which bytes belong together; a token that is not whole yet waits for more. Refuses to know
 * what any element means. Each take_* looks at the front of s and says how many bytes it has used;
 * none: more must come.
 */
#include "xml.h"

enum { PIECE_MAX = 64 * 1024, REFERENCE_MAX = 12 };

enum { WHITE = 1, NAME_FIRST = 2, NAME = 4, PLAIN = 8 };

/* PLAIN: a character of a text by itself; what is beyond ASCII is looked at closer. */
static const uint8_t classes[256] = {
    ['\t'] = WHITE | PLAIN,
    ['\n'] = WHITE | PLAIN,
    ['\r'] = WHITE | PLAIN,
    [' '] = WHITE | PLAIN,
    ['!' ... '%'] = PLAIN,
    ['\'' ... ','] = PLAIN,
    ['-' ... '.'] = NAME | PLAIN,
    ['/'] = PLAIN,
    ['0' ... '9'] = NAME | PLAIN,
    [':'] = NAME_FIRST | NAME | PLAIN,
    [';'] = PLAIN,
    ['=' ... '@'] = PLAIN,
    ['A' ... 'Z'] = NAME_FIRST | NAME | PLAIN,
    ['[' ... '^'] = PLAIN,
    ['_'] = NAME_FIRST | NAME | PLAIN,
    ['`'] = PLAIN,
    ['a' ... 'z'] = NAME_FIRST | NAME | PLAIN,
    ['{' ... 0x7F] = PLAIN,
};

void xml_init(struct xml *xml, const struct xml_handler *handler, void *context)
{
    *xml = (struct xml){ .handler = handler, .context = context };
    buf_init(&xml->rest, XML_TOKEN_MAX + PIECE_MAX);
}

void xml_done(struct xml *xml)
{
    buf_done(&xml->rest);
}

static enum err invalid(const struct xml *xml, const char *what, struct error *error)
{
    return error_set(error, ERR_INVALID, "not XML: %s at byte %llu", what,
                     (unsigned long long)xml->read);
}

/* ---- what tokens are made of ---- */

static size_t run_of(struct slice s, size_t from, uint8_t class)
{
    size_t at = from;

    while (at < s.len && (classes[(unsigned char)s.data[at]] & class)) {
        at++;
    }
    return at - from;
}

static size_t name_at(struct slice s, size_t from)
{
    bool begins = from < s.len && (classes[(unsigned char)s.data[from]] & NAME_FIRST);

    return begins ? run_of(s, from, NAME) : 0;
}

/* Where `text` begins in s, at or after `from`; s.len: nowhere. */
static size_t find(struct slice s, size_t from, const char *text)
{
    size_t len = strlen(text);
    const char *at = from < s.len ? memmem(s.data + from, s.len - from, text, len) : NULL;

    return at ? (size_t)(at - s.data) : s.len;
}

/* Markup counts as text here. */
static bool is_text(struct slice s)
{
    for (size_t at = 0; at < s.len;) {
        unsigned char c = (unsigned char)s.data[at];
        size_t len = (classes[c] & PLAIN) || c == '<' || c == '&' ? 1
                     : c >= 0x80 ? slice_utf8_char((struct slice){ s.data + at, s.len - at })
                                 : 0;
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

/* ---- telling ---- */

static enum err tell_text(struct xml *xml, struct slice text, struct error *error)
{
    if (xml->depth > 0) {
        return xml->handler->text(xml->context, text, error);
    }
    return run_of(text, 0, WHITE) == text.len
               ? ERR_OK
               : invalid(xml, "text outside of the root element", error);
}

static enum err open_element(struct xml *xml, struct slice name, struct error *error)
{
    if (xml->depth == 0 && xml->closed) {
        return invalid(xml, "a second root element", error);
    }
    if (xml->depth == XML_DEPTH_MAX) {
        return error_set(error, ERR_LIMIT, "elements are nested more than %d deep", XML_DEPTH_MAX);
    }
    if (name.len > XML_NAME_MAX) {
        return error_set(error, ERR_LIMIT, "the name of an element has more than %d bytes",
                         XML_NAME_MAX);
    }
    memcpy(xml->open[xml->depth].name, name.data, name.len);
    xml->open[xml->depth++].len = name.len;
    return xml->handler->start(xml->context, name, error);
}

static enum err close_element(struct xml *xml, struct error *error)
{
    xml->depth--;
    xml->closed = xml->depth == 0;
    return xml->handler->end(xml->context, error);
}

/* ---- tags ---- */

/* " xmlns='...'" at `at`; *ret_at: behind it, s.len: more must come. */
static enum err pass_attribute(const struct xml *xml, struct slice s, size_t at, size_t *ret_at,
                               struct error *error)
{
    size_t name = name_at(s, at);

    *ret_at = s.len;
    at += name;
    at += run_of(s, at, WHITE);
    if (at == s.len) {
        return ERR_OK;
    }
    if (name == 0 || s.data[at] != '=') {
        return invalid(xml, "a tag with something that is no attribute", error);
    }
    at++;
    at += run_of(s, at, WHITE);
    if (at == s.len) {
        return ERR_OK;
    }
    if (s.data[at] != '"' && s.data[at] != '\'') {
        return invalid(xml, "an attribute without quotes", error);
    }
    const char *end = memchr(s.data + at + 1, s.data[at], s.len - at - 1);
    if (!end) {
        return ERR_OK;
    }
    struct slice value = { s.data + at + 1, (size_t)(end - s.data) - at - 1 };
    if (memchr(value.data, '<', value.len) || !is_text(value)) {
        return invalid(xml, "an attribute with a character that may not be there", error);
    }
    *ret_at = (size_t)(end - s.data) + 1;
    return ERR_OK;
}

/* From behind the name to behind the ">". */
static enum err pass_attributes(const struct xml *xml, struct slice s, size_t at, size_t *ret_used,
                                bool *ret_empty, struct error *error)
{
    while (at < s.len) {
        size_t white = run_of(s, at, WHITE);
        at += white;
        if (at == s.len) {
            break;
        }
        if (s.data[at] == '>') {
            *ret_used = at + 1;
            return ERR_OK;
        }
        if (s.data[at] == '/') {
            if (at + 1 < s.len && s.data[at + 1] != '>') {
                return invalid(xml, "a tag with a / inside", error);
            }
            *ret_empty = true;
            *ret_used = at + 1 < s.len ? at + 2 : 0;
            return ERR_OK;
        }
        if (white == 0) {
            return invalid(xml, "a tag with something that is no attribute", error);
        }
        enum err err = pass_attribute(xml, s, at, &at, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err take_start(struct xml *xml, struct slice s, size_t *ret_used, struct error *error)
{
    struct slice name = { s.data + 1, name_at(s, 1) };
    bool empty = false;

    if (name.len == 0) {
        return invalid(xml, "a tag without a name", error);
    }
    enum err err = pass_attributes(xml, s, 1 + name.len, ret_used, &empty, error);
    if (err == ERR_OK && *ret_used > 0) {
        err = open_element(xml, name, error);
    }
    if (err == ERR_OK && *ret_used > 0 && empty) {
        err = close_element(xml, error);
    }
    return err;
}

static enum err take_end(struct xml *xml, struct slice s, size_t *ret_used, struct error *error)
{
    if (xml->depth == 0) {
        return invalid(xml, "the end of an element that never began", error);
    }
    size_t len = xml->open[xml->depth - 1].len;
    if (s.len <= 2 + len) {
        return ERR_OK;
    }
    size_t at = 2 + len + run_of(s, 2 + len, WHITE);
    if (at == s.len) {
        return ERR_OK;
    }
    if (memcmp(s.data + 2, xml->open[xml->depth - 1].name, len) != 0 || s.data[at] != '>') {
        return invalid(xml, "the end of another element than the last one that began", error);
    }
    *ret_used = at + 1;
    return close_element(xml, error);
}

/* ---- what is passed over ---- */

/* encoding="utf-8", if it says so at all. */
static bool says_utf8(struct slice declaration)
{
    size_t at = find(declaration, 0, "encoding");

    if (at == declaration.len) {
        return true;
    }
    struct slice rest = { declaration.data + at, declaration.len - at };
    char quote = slice_contains(rest, SLICE("\"")) ? '"' : '\'';
    (void)slice_cut(&rest, quote);
    struct slice name = slice_cut(&rest, quote);
    return slice_eq_nocase(name, SLICE("utf-8")) || slice_eq_nocase(name, SLICE("us-ascii"));
}

static enum err take_instruction(const struct xml *xml, struct slice s, size_t *ret_used,
                                 struct error *error)
{
    size_t end = find(s, 2, "?>");

    if (end == s.len) {
        return ERR_OK;
    }
    struct slice target = { s.data + 2, name_at(s, 2) };
    if (target.len == 0) {
        return invalid(xml, "an instruction without a target", error);
    }
    if (slice_eq_nocase(target, SLICE("xml"))) {
        if (xml->read > 0) {
            return invalid(xml, "a declaration that does not stand at the beginning", error);
        }
        if (!says_utf8((struct slice){ s.data, end })) {
            return invalid(xml, "an encoding other than UTF-8", error);
        }
    }
    *ret_used = end + 2;
    return ERR_OK;
}

static enum err take_comment(const struct xml *xml, struct slice s, size_t *ret_used,
                             struct error *error)
{
    size_t end = find(s, 4, "--");

    if (end + 2 >= s.len) {
        return ERR_OK;
    }
    if (s.data[end + 2] != '>') {
        return invalid(xml, "a comment with -- inside", error);
    }
    *ret_used = end + 3;
    return ERR_OK;
}

static enum err take_cdata(struct xml *xml, struct slice s, size_t from, size_t *ret_used,
                           struct error *error)
{
    size_t end = find(s, from, "]]>");

    if (end == s.len) {
        return ERR_OK;
    }
    struct slice text = { s.data + from, end - from };
    if (xml->depth == 0 || !is_text(text)) {
        return invalid(xml, "a CDATA section that may not be there", error);
    }
    *ret_used = end + 3;
    return text.len > 0 ? tell_text(xml, text, error) : ERR_OK;
}

static enum err take_declaration(struct xml *xml, struct slice s, size_t *ret_used,
                                 struct error *error)
{
    static const char *const known[] = { "<!--", "<![CDATA[", "<!DOCTYPE" };

    if (slice_starts(s, slice_of(known[0]))) {
        return take_comment(xml, s, ret_used, error);
    }
    if (slice_starts(s, slice_of(known[1]))) {
        return take_cdata(xml, s, strlen(known[1]), ret_used, error);
    }
    if (slice_starts(s, slice_of(known[2]))) {
        return error_set(error, ERR_INVALID, "it declares a document type");
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_starts(slice_of(known[i]), s)) {
            return ERR_OK;
        }
    }
    return invalid(xml, "an unknown declaration", error);
}

/* ---- text ---- */

static bool is_character(uint64_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code >= ' ' && code < 0xD800) ||
           (code > 0xDFFF && code < 0xFFFE) || (code > 0xFFFF && code <= 0x10FFFF);
}

/* "#38" or "#x26"; 0: no character. */
static uint32_t number_of(struct slice name)
{
    bool hex = slice_starts(name, SLICE("#x"));
    uint64_t base = hex ? 16 : 10, code = 0;

    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        unsigned char letter = c | 0x20;
        uint64_t digit = base;
        if (c >= '0' && c <= '9') {
            digit = c - (uint64_t)'0';
        } else if (letter >= 'a' && letter <= 'f') {
            digit = letter - (uint64_t)'a' + 10;
        }
        if (digit >= base) {
            return 0;
        }
        code = code * base + digit; /* REFERENCE_MAX keeps it from running over */
    }
    return is_character(code) ? (uint32_t)code : 0;
}

static struct slice encoded(uint32_t code, char text[4])
{
    uint32_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint32_t leads[] = { 0, 0xC0, 0xE0, 0xF0 };

    for (uint32_t i = more; i > 0; i--) {
        text[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    text[0] = (char)(leads[more] | code);
    return (struct slice){ text, more + 1 };
}

static uint32_t code_of(struct slice name)
{
    static const struct {
        struct slice name;
        char code;
    } known[] = { { { "lt", 2 }, '<' },
                  { { "gt", 2 }, '>' },
                  { { "amp", 3 }, '&' },
                  { { "quot", 4 }, '"' },
                  { { "apos", 4 }, '\'' } };

    if (slice_starts(name, SLICE("#"))) {
        return number_of(name);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_eq(name, known[i].name)) {
            return (uint32_t)known[i].code;
        }
    }
    return 0;
}

static enum err take_reference(struct xml *xml, struct slice s, size_t *ret_used,
                               struct error *error)
{
    size_t most = s.len < REFERENCE_MAX ? s.len : REFERENCE_MAX;
    const char *end = memchr(s.data, ';', most);
    char text[4];

    if (!end && most < REFERENCE_MAX) {
        return ERR_OK;
    }
    uint32_t code = end ? code_of((struct slice){ s.data + 1, (size_t)(end - s.data) - 1 }) : 0;
    if (code == 0 || xml->depth == 0) {
        return invalid(xml, "an unknown entity", error);
    }
    *ret_used = (size_t)(end - s.data) + 1;
    return tell_text(xml, encoded(code, text), error);
}

static enum err take_text(struct xml *xml, struct slice s, size_t *ret_used, struct error *error)
{
    size_t len = run_of(s, 0, PLAIN);

    if (len == 0 && s.data[0] == '&') {
        return take_reference(xml, s, ret_used, error);
    }
    if (len == 0) {
        len = (unsigned char)s.data[0] < 0x80 ? 0 : slice_utf8_char(s);
    }
    if (len == 0 && (unsigned char)s.data[0] >= 0x80 && s.len < 4) {
        return ERR_OK;
    }
    if (len == 0) {
        return invalid(xml, "a byte that is no text", error);
    }
    *ret_used = len;
    return tell_text(xml, (struct slice){ s.data, len }, error);
}

/* ---- in pieces ---- */

static enum err take(struct xml *xml, struct slice s, size_t *ret_used, struct error *error)
{
    *ret_used = 0;
    if (s.data[0] != '<') {
        return take_text(xml, s, ret_used, error);
    }
    if (s.len == 1) {
        return ERR_OK;
    }
    switch (s.data[1]) {
    case '/':
        return take_end(xml, s, ret_used, error);
    case '?':
        return take_instruction(xml, s, ret_used, error);
    case '!':
        return take_declaration(xml, s, ret_used, error);
    default:
        return take_start(xml, s, ret_used, error);
    }
}

/* *ret_left: so many bytes at its end wait for more. */
static enum err take_all(struct xml *xml, struct slice s, size_t *ret_left, struct error *error)
{
    size_t used = 1;

    while (s.len > 0 && used > 0) {
        enum err err = take(xml, s, &used, error);
        if (err != ERR_OK) {
            return err;
        }
        s = (struct slice){ s.data + used, s.len - used };
        xml->read += used;
    }
    *ret_left = s.len;
    return s.len <= XML_TOKEN_MAX
               ? ERR_OK
               : error_set(error, ERR_LIMIT, "a tag or comment of more than %d bytes",
                           XML_TOKEN_MAX);
}

static enum err feed_piece(struct xml *xml, struct slice piece, struct error *error)
{
    bool joined = xml->rest.len > 0;
    size_t left = 0;

    if (joined) {
        buf_add_slice(&xml->rest, piece);
    }
    enum err err = take_all(xml, joined ? buf_slice(&xml->rest) : piece, &left, error);
    if (err != ERR_OK) {
        return err;
    }
    if (joined) {
        buf_drop(&xml->rest, xml->rest.len - left);
    } else {
        buf_add(&xml->rest, piece.data + piece.len - left, left);
    }
    return ERR_OK;
}

enum err xml_feed(struct xml *xml, struct slice bytes, struct error *error)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && bytes.len > 0) {
        size_t len = bytes.len < PIECE_MAX ? bytes.len : PIECE_MAX;
        err = feed_piece(xml, (struct slice){ bytes.data, len }, error);
        bytes = (struct slice){ bytes.data + len, bytes.len - len };
    }
    return err;
}

enum err xml_end(const struct xml *xml, struct error *error)
{
    return xml->closed && xml->rest.len == 0
               ? ERR_OK
               : error_set(error, ERR_TRUNCATED, "the document ends too early");
}
