/*
 * JSON that was read and written is read again as the same tree; what is refused says why.
 */
#include <headroom/doc.h>
#include <headroom/json.h>

#include "fuzz.h"

/* The limits keep each try short; a text at a limit is as good as a longer one. */
static const struct doc_limits limits = { .bytes = 256 * 1024, .depth = 32, .nodes = 10000 };

static void write_doc(struct json_out *json, const struct doc *doc)
{
    switch (doc->kind) {
    case DOC_NULL:
        json_null(json);
        break;
    case DOC_BOOL:
    case DOC_NUMBER:
        json_raw(json, doc->text);
        break;
    case DOC_STRING:
        json_string(json, doc->text);
        break;
    case DOC_SEQUENCE:
        json_begin_array(json);
        for (const struct doc *at = doc->first; at; at = at->next) {
            write_doc(json, at);
        }
        json_end_array(json);
        break;
    case DOC_MAPPING:
        json_begin_object(json);
        for (const struct doc *at = doc->first; at; at = at->next) {
            json_key_slice(json, at->key);
            write_doc(json, at);
        }
        json_end_object(json);
        break;
    }
}

static void compare(const struct doc *a, const struct doc *b)
{
    uint32_t count = 0;

    assert(a->kind == b->kind && a->count == b->count);
    assert(slice_eq(a->key, b->key) && slice_eq(a->text, b->text));
    const struct doc *other = b->first;
    for (const struct doc *at = a->first; at; at = at->next, other = other->next) {
        assert(other);
        compare(at, other);
        count++;
    }
    assert(!other && count == a->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct doc *doc = NULL, *again = NULL;
    struct error error = { 0 };
    struct arena arena;

    arena_init(&arena);
    if (json_parse(&arena, fuzz_input(data, size), &limits, &doc, &error) != ERR_OK) {
        assert(error.code != ERR_OK && error.text[0] != '\0');
    } else if (doc) {
        struct buf buf;
        struct json_out json;
        buf_init(&buf, 16 * size + 1024);
        json_start(&json, &buf);
        write_doc(&json, doc);
        assert(json_complete(&json) && buf_check(&buf, NULL) == ERR_OK);
        enum err err = json_parse(&arena, buf_slice(&buf), NULL, &again, &error);
        assert(err == ERR_OK);
        compare(doc, again);
        buf_done(&buf);
    }
    arena_done(&arena);
    return 0;
}
