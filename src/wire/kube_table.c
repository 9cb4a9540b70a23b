/*
 * kube_table.c - the rows of an `as=Table` list, scanned as the bytes arrive, and of a watch.
 *
 *   {"kind":"Table","metadata":{"resourceVersion":"7"},"columnDefinitions":[{"name":"Name"},...],
 *    "rows":[{"cells":["web-1","1/1",...],"object":null},...]}
 *
 * One pass, no tree: a byte is looked at once, and only wanted cells are copied. Knows JSON's
 * grammar and these few names. Refuses to know what a cell means, except that "<none>" is how
 * kubectl prints nothing.
 */
#include <assert.h>
#include <endian.h>

#include <headroom/kube_wire.h>

#include "json_text.h"

enum { TOKEN_MAX = 64 << 10, ROW_MAX = 256 << 10 };

/* What may come next. */
enum {
    VALUE,
    VALUE_OR_END,
    KEY,
    KEY_OR_END,
    COLON,
    COMMA_OR_END,
    IN_STRING,
    IN_KEY,
    IN_SCALAR,
    DONE
};

/* What an open object or array is. */
enum { OUTSIDE, EVENT, ROOT, META, COLUMNS, COLUMN, ROWS, ROW, CELLS, OTHER_OBJECT, OTHER_ARRAY };

/* Which member of it comes. */
enum {
    K_OTHER,
    K_TYPE,
    K_OBJECT,
    K_KIND,
    K_META,
    K_COLUMNS,
    K_ROWS,
    K_NAME,
    K_CELLS,
    K_VERSION,
    K_CONTINUE
};

static const struct {
    uint8_t place, key;
    const char *name;
} keys[] = {
    { EVENT, K_TYPE, "type" },
    { EVENT, K_OBJECT, "object" },
    { ROOT, K_KIND, "kind" },
    { ROOT, K_META, "metadata" },
    { ROOT, K_COLUMNS, "columnDefinitions" },
    { ROOT, K_ROWS, "rows" },
    { META, K_VERSION, "resourceVersion" },
    { META, K_CONTINUE, "continue" },
    { COLUMN, K_NAME, "name" },
    { ROW, K_CELLS, "cells" },
};

struct scan {
    struct kube_table *table;
    const char *at, *end;
    kube_table_fn *row;
    void *context;
    struct error *error;
};

void kube_table_init(struct kube_table *table, const char *const *wanted, uint32_t wanted_count)
{
    assert(wanted_count <= KUBE_TABLE_WANTED);
    *table = (struct kube_table){ .wanted = wanted, .wanted_count = wanted_count };
    buf_init(&table->token, TOKEN_MAX);
    buf_init(&table->row, ROW_MAX);
}

void kube_table_done(struct kube_table *table)
{
    buf_done(&table->token);
    buf_done(&table->row);
}

void kube_table_reset(struct kube_table *table)
{
    struct buf token = table->token, row = table->row;

    buf_reset(&token);
    buf_reset(&row);
    *table = (struct kube_table){
        .wanted = table->wanted, .wanted_count = table->wanted_count, .token = token, .row = row
    };
}

static enum err bad(const struct scan *scan, const char *what)
{
    return error_set(scan->error, ERR_INVALID, "bad Table: %s", what);
}

static uint8_t place(const struct kube_table *table)
{
    return table->places[table->depth];
}

static bool is_array(uint8_t what)
{
    return what == COLUMNS || what == ROWS || what == CELLS || what == OTHER_ARRAY;
}

static bool wants_cell(const struct kube_table *table)
{
    return place(table) == CELLS && table->cell < table->columns &&
           table->wanted_at[table->cell] > 0;
}

/* Whether the scalar that comes is one that somebody reads. */
static bool wants_value(const struct kube_table *table)
{
    return wants_cell(table) || (!is_array(place(table)) && table->key != K_OTHER);
}

/* ---- what a whole token means ---- */

static enum err add_cell(struct scan *scan, struct slice raw, bool text)
{
    struct kube_table *table = scan->table;
    uint32_t at = table->wanted_at[table->cell] - 1U;

    table->cell_at[at] = table->row.len;
    if (!text && slice_is(raw, "null")) {
        table->cell_len[at] = 0;
        return ERR_OK;
    }
    if (!table->escaped) {
        buf_add_slice(&table->row, raw);
    } else if (!json_unescape(&table->row, raw)) {
        return bad(scan, "an escape");
    }
    /* A row that is empty so far may have no memory yet. */
    size_t len = table->row.len - table->cell_at[at];
    struct slice cell = { len ? table->row.data + table->cell_at[at] : "", len };
    table->cell_len[at] = slice_is(cell, "<none>") ? 0 : cell.len;
    return buf_check(&table->row, scan->error);
}

static enum err on_column_name(struct scan *scan, struct slice name)
{
    struct kube_table *table = scan->table;

    for (uint32_t i = 0; i < table->wanted_count; i++) {
        if (slice_is(name, table->wanted[i])) {
            table->wanted_at[table->columns] = (uint8_t)(i + 1);
        }
    }
    return ERR_OK;
}

static enum err on_value(struct scan *scan, struct slice raw, bool text)
{
    struct kube_table *table = scan->table;
    enum err err = ERR_OK;

    if (wants_cell(table)) {
        return add_cell(scan, raw, text);
    }
    switch (table->key) {
    case K_TYPE:
        table->change_known = text && kube_change_named(raw, &table->change);
        return ERR_OK;
    case K_KIND:
        table->is_table = text && slice_is(raw, "Table");
        return table->is_table ? ERR_OK
                               : error_set(scan->error, ERR_UNSUPPORTED, "the answer is no Table");
    case K_VERSION:
        err = slice_copy(raw, table->resource_version, sizeof(table->resource_version));
        break;
    case K_CONTINUE:
        err = slice_copy(raw, table->next, sizeof(table->next));
        break;
    case K_NAME:
        return on_column_name(scan, raw);
    case K_ROWS:
        table->rows_known = true; /* null: none */
        break;
    default:
        break;
    }
    return err == ERR_OK ? ERR_OK : bad(scan, "a metadata field is too long");
}

static void on_key(struct kube_table *table, struct slice name)
{
    table->key = K_OTHER;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].place == place(table) && slice_is(name, keys[i].name)) {
            table->key = keys[i].key;
        }
    }
}

/* ---- opening and closing ---- */

static uint8_t place_inside(const struct kube_table *table, bool array)
{
    static const struct {
        uint8_t outer, key, array, inner;
    } places[] = {
        { EVENT, K_OBJECT, false, ROOT },   { ROOT, K_META, false, META },
        { ROOT, K_COLUMNS, true, COLUMNS }, { COLUMNS, K_OTHER, false, COLUMN },
        { ROOT, K_ROWS, true, ROWS },       { ROWS, K_OTHER, false, ROW },
        { ROW, K_CELLS, true, CELLS },
    };

    if (table->depth == 0 && !array) {
        return table->watching ? EVENT : ROOT;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].outer == place(table) && places[i].key == table->key &&
            places[i].array == array) {
            return places[i].inner;
        }
    }
    return array ? OTHER_ARRAY : OTHER_OBJECT;
}

static enum err check_columns(struct scan *scan)
{
    struct kube_table *table = scan->table;

    for (uint32_t i = 0; i < table->wanted_count; i++) {
        bool there = false;
        for (uint32_t column = 0; column < table->columns; column++) {
            there = there || table->wanted_at[column] == i + 1;
        }
        if (!there) {
            return error_set(scan->error, ERR_UNSUPPORTED, "the Table has no column \"%s\"",
                             table->wanted[i]);
        }
    }
    table->columns_known = true;
    return ERR_OK;
}

static enum err open_level(struct scan *scan, bool array)
{
    struct kube_table *table = scan->table;
    uint8_t inner = place_inside(table, array);

    if (table->depth == KUBE_TABLE_DEPTH) {
        return error_set(scan->error, ERR_LIMIT, "a Table nested deeper than %d", KUBE_TABLE_DEPTH);
    }
    if (table->depth == 0 && array) {
        return bad(scan, "no object");
    }
    if (inner == ROWS && (!table->is_table || !table->columns_known)) {
        return error_set(scan->error, ERR_UNSUPPORTED, "a Table that begins with its rows");
    }
    if (inner == COLUMN && table->columns == KUBE_TABLE_COLUMNS) {
        return error_set(scan->error, ERR_LIMIT, "a Table of more than %d columns",
                         KUBE_TABLE_COLUMNS);
    }
    if (inner == COLUMNS) {
        table->columns = 0;
        table->columns_known = false;
        memset(table->wanted_at, 0, sizeof(table->wanted_at));
    }
    if (inner == CELLS) {
        table->cell = 0;
        buf_reset(&table->row);
        memset(table->cell_len, 0, sizeof(table->cell_len));
    }
    table->places[++table->depth] = inner;
    table->key = K_OTHER;
    table->state = array ? VALUE_OR_END : KEY_OR_END;
    return ERR_OK;
}

static enum err emit_row(struct scan *scan)
{
    struct kube_table *table = scan->table;
    struct slice cells[KUBE_TABLE_WANTED];

    if (table->cell != table->columns) {
        return bad(scan, "a row with another number of cells than columns");
    }
    for (uint32_t i = 0; i < table->wanted_count; i++) {
        cells[i] = table->cell_len[i] == 0
                       ? SLICE("")
                       : (struct slice){ table->row.data + table->cell_at[i], table->cell_len[i] };
    }
    return scan->row(scan->context, cells, scan->error);
}

/* A value is over, be it a token or a level. */
static void after_value(struct kube_table *table)
{
    if (place(table) == CELLS) {
        table->cell++;
    }
    table->key = K_OTHER;
    table->state = table->depth == 0 ? DONE : COMMA_OR_END;
}

static enum err close_level(struct scan *scan, bool array)
{
    struct kube_table *table = scan->table;
    uint8_t closed = place(table);
    enum err err = ERR_OK;

    if (table->depth == 0 || is_array(closed) != array) {
        return bad(scan, "a bracket that does not match");
    }
    table->depth--;
    if (closed == CELLS) {
        err = emit_row(scan);
    } else if (closed == COLUMN) {
        table->columns++;
    } else if (closed == COLUMNS) {
        err = check_columns(scan);
    } else if (closed == ROWS) {
        table->rows_known = true;
    }
    after_value(table);
    return err;
}

/* ---- tokens ---- */

static void start_token(struct kube_table *table, uint8_t state, bool keep)
{
    table->state = state;
    table->slash = false;
    table->escaped = false;
    table->keep = keep;
    buf_reset(&table->token);
}

/* The token's bytes: those of earlier chunks and those from `start` on. */
static enum err whole_token(struct scan *scan, const char *start, struct slice *ret)
{
    struct kube_table *table = scan->table;

    *ret = (struct slice){ start, (size_t)(scan->at - start) };
    if (table->token.len == 0 || !table->keep) {
        return ERR_OK;
    }
    buf_add_slice(&table->token, *ret);
    *ret = buf_slice(&table->token);
    return buf_check(&table->token, scan->error);
}

static enum err keep_token(struct scan *scan, const char *start)
{
    if (!scan->table->keep) {
        return ERR_OK;
    }
    buf_add(&scan->table->token, start, (size_t)(scan->at - start));
    return buf_check(&scan->table->token, scan->error);
}

static enum err end_string(struct scan *scan, const char *start)
{
    struct kube_table *table = scan->table;
    struct slice token;
    enum err err = whole_token(scan, start, &token);

    scan->at++;
    if (err != ERR_OK) {
        return err;
    }
    if (table->state == IN_KEY) {
        on_key(table, token);
        table->state = COLON;
        return ERR_OK;
    }
    if (table->keep) {
        err = on_value(scan, token, true);
    }
    after_value(table);
    return err;
}

/* Bytes of a string that mean themselves. */
static bool is_plain(char c)
{
    return c != '"' && c != '\\' && (unsigned char)c >= 0x20;
}

#define BYTES(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))
#define HIGH_BITS BYTES(0x80)

/* Which of eight bytes end a run of plain ones, or lie above one that does: the lowest bit that is
 * set is right. */
static uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ BYTES('"'), slash = word ^ BYTES('\\');

    return (((quote - BYTES(1)) & ~quote) | ((slash - BYTES(1)) & ~slash) |
            ((word - BYTES(0x20)) & ~word)) &
           HIGH_BITS;
}

/* The first byte from `at` on that is not plain, or the end. */
static const char *skip_plain(const char *at, const char *end)
{
    while ((size_t)(end - at) >= sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, at, sizeof(word));
        uint64_t special = special_bytes(le64toh(word));
        if (special != 0) {
            return at + __builtin_ctzll(special) / 8;
        }
        at += sizeof(word);
    }
    while (at < end && is_plain(*at)) {
        at++;
    }
    return at;
}

static enum err scan_string(struct scan *scan)
{
    struct kube_table *table = scan->table;
    const char *start = scan->at;
    const char *at = start;

    if (table->slash && at < scan->end) {
        table->slash = false;
        at++; /* whatever it is */
    }
    for (;;) {
        at = skip_plain(at, scan->end);
        scan->at = at;
        if (at == scan->end) {
            return keep_token(scan, start);
        }
        if (*at == '"') {
            return end_string(scan, start);
        }
        if (*at != '\\') {
            return bad(scan, "a control character in a string");
        }
        table->escaped = true;
        table->slash = ++at == scan->end;
        at += !table->slash;
    }
}

static bool is_scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
           c == 'E';
}

static enum err scan_scalar(struct scan *scan)
{
    struct kube_table *table = scan->table;
    const char *start = scan->at;
    struct slice token;

    while (scan->at < scan->end && is_scalar_byte(*scan->at)) {
        scan->at++;
    }
    if (scan->at == scan->end) {
        return keep_token(scan, start);
    }
    enum err err = whole_token(scan, start, &token);
    if (err == ERR_OK && table->keep) {
        err = on_value(scan, token, false);
    }
    after_value(table);
    return err;
}

static enum err begin_value(struct scan *scan, char c)
{
    struct kube_table *table = scan->table;

    if (c == '{' || c == '[') {
        scan->at++;
        return open_level(scan, c == '[');
    }
    if (table->depth == 0) {
        return bad(scan, "no object");
    }
    if (c == '"') {
        scan->at++;
        start_token(table, IN_STRING, wants_value(table));
        return ERR_OK;
    }
    if (!is_scalar_byte(c)) {
        return bad(scan, "no value where one must be");
    }
    start_token(table, IN_SCALAR, wants_value(table));
    return ERR_OK;
}

static enum err begin_key(struct scan *scan, char c)
{
    if (c != '"') {
        return bad(scan, "no key where one must be");
    }
    scan->at++;
    start_token(scan->table, IN_KEY, true);
    return ERR_OK;
}

static enum err after_comma(struct scan *scan, char c)
{
    struct kube_table *table = scan->table;

    scan->at++;
    if (c == ',') {
        table->state = is_array(place(table)) ? VALUE : KEY;
        return ERR_OK;
    }
    if (c == '}' || c == ']') {
        return close_level(scan, c == ']');
    }
    return bad(scan, "no comma where one must be");
}

/* A byte that is no white space, outside of tokens. */
static enum err scan_mark(struct scan *scan)
{
    struct kube_table *table = scan->table;
    char c = *scan->at;

    switch (table->state) {
    case VALUE_OR_END:
    case KEY_OR_END:
        if (c == ']' || c == '}') {
            scan->at++;
            return close_level(scan, c == ']');
        }
        return table->state == KEY_OR_END ? begin_key(scan, c) : begin_value(scan, c);
    case VALUE:
        return begin_value(scan, c);
    case KEY:
        return begin_key(scan, c);
    case COLON:
        scan->at++;
        table->state = VALUE;
        return c == ':' ? ERR_OK : bad(scan, "no colon after a key");
    case COMMA_OR_END:
        return after_comma(scan, c);
    default:
        return bad(scan, "something follows its end");
    }
}

/* ---- rows as the server writes them ---- */

static bool skip_text(struct slice *rest, struct slice text)
{
    if (!slice_starts(*rest, text)) {
        return false;
    }
    *rest = (struct slice){ rest->data + text.len, rest->len - text.len };
    return true;
}

/* A string without escapes, except for how Go writes "<none>". */
static bool skip_string(struct slice *rest, struct slice *ret)
{
    struct slice string = { 0 };

    if (rest->len == 0 || rest->data[0] != '"') {
        return false;
    }
    const char *start = rest->data + 1, *end = rest->data + rest->len;
    const char *at = skip_plain(start, end);
    if (at < end && *at == '\\') {
        string = (struct slice){ start, (size_t)(end - start) };
        if (at != start || !skip_text(&string, SLICE("\\u003cnone\\u003e\""))) {
            return false;
        }
        *ret = SLICE("");
        *rest = string;
        return true;
    }
    if (at == end || *at != '"') {
        return false;
    }
    *ret = (struct slice){ start, (size_t)(at - start) };
    if (slice_is(*ret, "<none>")) {
        *ret = SLICE("");
    }
    *rest = (struct slice){ at + 1, (size_t)(end - at - 1) };
    return true;
}

/* A whole row in the very form that a server gives it; false: nothing is taken, and byte by byte it
 * will go as well. Most of the time of a large list goes by here. */
static bool take_row(struct scan *scan, struct slice *ret_cells)
{
    const struct kube_table *table = scan->table;
    struct slice rest = { scan->at, (size_t)(scan->end - scan->at) }, cell;

    if (!skip_text(&rest, SLICE("{\"cells\":["))) {
        return false;
    }
    for (uint32_t i = 0; i < table->columns; i++) {
        if ((i > 0 && !skip_text(&rest, SLICE(","))) || !skip_string(&rest, &cell)) {
            return false;
        }
        if (table->wanted_at[i] > 0) {
            ret_cells[table->wanted_at[i] - 1] = cell;
        }
    }
    if (!skip_text(&rest, SLICE("],\"object\":null}"))) {
        return false;
    }
    scan->at = rest.data;
    return true;
}

/* Rows, one after another, as long as they are plain. */
static enum err take_rows(struct scan *scan)
{
    struct kube_table *table = scan->table;
    struct slice cells[KUBE_TABLE_WANTED];
    enum err err = ERR_OK;

    while (err == ERR_OK && take_row(scan, cells)) {
        err = scan->row(scan->context, cells, scan->error);
        after_value(table);
        if (scan->end - scan->at < 2 || scan->at[0] != ',' || scan->at[1] != '{') {
            return err;
        }
        scan->at++;
        table->state = VALUE;
    }
    return err;
}

static bool at_row(const struct scan *scan)
{
    const struct kube_table *table = scan->table;

    return place(table) == ROWS && (table->state == VALUE || table->state == VALUE_OR_END) &&
           *scan->at == '{';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum err kube_table_feed(struct kube_table *table, struct slice bytes, kube_table_fn *row,
                         void *context, struct error *error)
{
    struct scan scan = { table, bytes.data, bytes.data + bytes.len, row, context, error };
    enum err err = ERR_OK;

    while (err == ERR_OK && scan.at < scan.end) {
        if (table->state == IN_STRING || table->state == IN_KEY) {
            err = scan_string(&scan);
        } else if (table->state == IN_SCALAR) {
            err = scan_scalar(&scan);
        } else if (is_space(*scan.at)) {
            scan.at++;
        } else {
            const char *before = scan.at;
            err = at_row(&scan) ? take_rows(&scan) : ERR_OK;
            if (err == ERR_OK && scan.at == before) {
                err = scan_mark(&scan);
            }
        }
    }
    return err;
}

enum err kube_table_end(const struct kube_table *table, struct error *error)
{
    if (table->state != DONE) {
        return error_set(error, ERR_TRUNCATED, "the Table ends too early");
    }
    if (!table->is_table || !table->columns_known || !table->rows_known) {
        return error_set(error, ERR_UNSUPPORTED, "the Table has no columns or no rows");
    }
    return ERR_OK;
}

/* ---- watches ---- */

struct event_row {
    struct slice *cells;
    uint32_t width, count;
};

static enum err keep_row(void *context, const struct slice *cells, struct error *error)
{
    struct event_row *row = context;

    if (row->count++ > 0) {
        return error_set(error, ERR_INVALID, "bad Table: an event of several rows");
    }
    memcpy(row->cells, cells, row->width * sizeof(*cells));
    return ERR_OK;
}

enum err kube_table_event(struct kube_table *table, struct slice line, enum kube_change *ret_change,
                          struct slice ret_cells[KUBE_TABLE_WANTED], struct error *error)
{
    struct event_row row = { .cells = ret_cells, .width = table->wanted_count };

    table->watching = true;
    table->state = VALUE;
    table->depth = 0;
    table->key = K_OTHER;
    table->is_table = table->rows_known = table->change_known = false;
    table->resource_version[0] = '\0';
    enum err err = kube_table_feed(table, line, keep_row, &row, error);
    bool whole = table->state == DONE;
    err = err == ERR_OK && whole ? kube_table_end(table, error) : err;
    if (err != ERR_OK) {
        return err;
    }
    bool bookmark = table->change_known && table->change == KUBE_BOOKMARK;
    if (!whole || !table->change_known || table->change == KUBE_ERROR ||
        (row.count == 0 && !bookmark)) {
        return error_set(error, ERR_INVALID, "a line that is no watch event");
    }
    *ret_change = table->change;
    return ERR_OK;
}
