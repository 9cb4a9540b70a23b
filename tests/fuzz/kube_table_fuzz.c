/*
 * A Table as it arrives: the network's cuts do not change the rows, and a row has its wanted cells.
 * The same bytes as lines of a watch: an event or an error.
 */
#include <headroom/kube_wire.h>

#include "fuzz.h"

static const char *const wanted[] = { "Name", "IP", "Node" };
enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

struct seen {
    uint32_t rows;
    uint64_t hash;
};

static enum err count_row(void *context, const struct slice *cells, struct error *error)
{
    struct seen *seen = context;

    (void)error;
    seen->rows++;
    for (uint32_t i = 0; i < WANTED; i++) {
        seen->hash = seen->hash * 31 + slice_hash(cells[i]);
    }
    return ERR_OK;
}

static enum err read_in_pieces(struct kube_table *table, struct slice input, size_t step,
                               struct seen *seen)
{
    struct error error = { 0 };
    enum err err = ERR_OK;

    kube_table_reset(table);
    while (err == ERR_OK && input.len > 0) {
        size_t len = input.len < step ? input.len : step;
        err = kube_table_feed(table, (struct slice){ input.data, len }, count_row, seen, &error);
        input.data += len;
        input.len -= len;
    }
    if (err == ERR_OK) {
        err = kube_table_end(table, &error);
    }
    assert(err == ERR_OK || error.text[0] != '\0');
    return err;
}

static void read_events(struct kube_table *table, struct slice input)
{
    struct slice cells[KUBE_TABLE_WANTED];
    enum kube_change change;

    kube_table_reset(table);
    while (input.len > 0) {
        struct error error = { 0 };
        struct slice line = slice_cut(&input, '\n');
        enum err err = kube_table_event(table, line, &change, cells, &error);
        assert((err == ERR_OK) == (error.text[0] == '\0'));
        assert(err != ERR_OK || change <= KUBE_BOOKMARK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    struct kube_table table;
    struct seen whole = { 0 };
    static const size_t steps[] = { 1, 5 };

    kube_table_init(&table, wanted, WANTED);
    enum err err = read_in_pieces(&table, input, size + 1, &whole);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct seen other = { 0 };
        enum err again = read_in_pieces(&table, input, steps[i], &other);
        assert((again == ERR_OK) == (err == ERR_OK));
        assert(other.rows == whole.rows && other.hash == whole.hash);
    }
    read_events(&table, input);
    kube_table_done(&table);
    return 0;
}
