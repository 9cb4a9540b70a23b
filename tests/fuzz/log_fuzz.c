/*
 * A log line is one line of printable JSON whatever a peer put into the fields, and reads back as
 * UTF-8.
 */
#include <headroom/log.h>

#include "fuzz.h"

static void check_line(struct slice line)
{
    unsigned quotes = 0;

    assert(line.len > 0 && line.data[line.len - 1] == '\n');
    for (size_t i = 0; i + 1 < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        assert(c >= 0x20 && c != 0x7F);
        if (c == '\\') {
            i++;
            assert(memchr("btnfru\"\\", line.data[i], 8));
        } else {
            quotes += c == '"';
        }
    }
    assert(quotes == 4 * 4 + 4); /* time, level, module, msg; and the field */
}

static size_t replacements(struct slice s)
{
    size_t count = 0;

    for (size_t i = 0; i + 3 <= s.len; i++) {
        count += memcmp(s.data + i, "\xEF\xBF\xBD", 3) == 0;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf first, again;
    struct slice text = fuzz_input(data, size);

    arena_init(&arena);
    struct log_list list = { .arena = &arena };
    struct log_record *record = log_add(&list, LOG_INFO, "fuzz", "%.*s", SLICE_ARG(text));
    log_text(&list, record, "field", text);
    buf_init(&first, 1024 + 12 * size);
    log_render(record, size * UINT64_C(1000000007), &first);
    assert(buf_check(&first, NULL) == ERR_OK);
    check_line(buf_slice(&first));

    /* What was replaced is UTF-8 now: escaping the escaped adds no replacement. */
    buf_init(&again, 16 * 1024 + 64 * size);
    buf_add_json(&again, buf_slice(&first));
    assert(buf_check(&again, NULL) == ERR_OK);
    assert(replacements(buf_slice(&again)) == replacements(buf_slice(&first)));
    buf_done(&again);
    buf_done(&first);
    arena_done(&arena);
    return 0;
}
