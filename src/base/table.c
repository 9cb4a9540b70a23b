/*
 * table.c - text tables for terminals.
 *
 * Knows how wide UTF-8 text is, one column a code point. Refuses to know what stands in the cells.
 */
#include <assert.h>

#include <headroom/table.h>

enum { GAP = 3 };

static uint32_t width(struct slice cell)
{
    uint32_t columns = 0;

    for (size_t i = 0; i < cell.len; i++) {
        columns += ((unsigned char)cell.data[i] & 0xC0) != 0x80;
    }
    return columns;
}

static void add(struct table *table, struct slice cell)
{
    if (table->count == table->capacity) {
        uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
        struct slice *cells = ARENA_ARRAY(table->arena, struct slice, capacity);
        if (table->count > 0) {
            memcpy(cells, table->cells, table->count * sizeof(*cells));
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = cell;
}

void table_init(struct table *table, struct arena *arena, const char *heads)
{
    struct slice rest = slice_of(heads);

    *table = (struct table){ .arena = arena };
    while (rest.len > 0) {
        struct slice head = slice_cut(&rest, '|');
        assert(table->columns < TABLE_COLUMNS_MAX);
        if (head.len > 0 && head.data[0] == '>') {
            table->right |= 1U << table->columns;
            head.data++;
            head.len--;
        }
        table->columns++;
        add(table, arena_slice(arena, head));
    }
    assert(table->columns > 0);
}

void table_add(struct table *table, struct slice cell)
{
    add(table, arena_slice(table->arena, cell));
}

void table_addf(struct table *table, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(table, arena_vprintf(table->arena, format, args));
    va_end(args);
}

bool table_empty(const struct table *table)
{
    return table->count <= table->columns;
}

static void pad(struct buf *out, uint32_t columns)
{
    while (columns-- > 0) {
        buf_add_char(out, ' ');
    }
}

void table_print(const struct table *table, const char *indent, struct buf *out)
{
    uint32_t widths[TABLE_COLUMNS_MAX] = { 0 };

    assert(table->count % table->columns == 0);
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t wide = width(table->cells[i]);
        uint32_t *widest = &widths[i % table->columns];
        *widest = wide > *widest ? wide : *widest;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t column = i % table->columns;
        uint32_t room = widths[column] - width(table->cells[i]);
        bool last = column + 1 == table->columns;
        bool right = table->right >> column & 1;
        if (column == 0) {
            buf_add_text(out, indent);
        }
        pad(out, right ? room : 0);
        buf_add_slice(out, table->cells[i]);
        pad(out, last ? 0 : (right ? 0 : room) + GAP);
        buf_add_text(out, last ? "\n" : "");
    }
}
