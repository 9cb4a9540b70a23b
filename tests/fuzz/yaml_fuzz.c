/*
 * YAML within its limits gives a sound tree; what is refused says why.
 */
#include <headroom/doc.h>

#include "fuzz.h"

enum { DEPTH = 32, NODES = 10000 };

static uint32_t walk(const struct doc *doc, uint32_t depth)
{
    uint32_t nodes = 1, count = 0;

    assert(depth <= DEPTH + 1);
    if (doc->text.data) {
        assert(doc->text.data[doc->text.len] == '\0');
    }
    assert(!doc->first || doc->kind == DOC_SEQUENCE || doc->kind == DOC_MAPPING);
    for (const struct doc *at = doc->first; at; at = at->next) {
        if (doc->kind == DOC_MAPPING && at->kind != DOC_NULL) {
            assert(doc_get_slice(doc, at->key) == at); /* a key stands there once */
        }
        nodes += walk(at, depth + 1);
        count++;
    }
    assert(count == doc->count);
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct doc_limits limits = { .bytes = 64 * 1024, .depth = DEPTH, .nodes = NODES };
    const struct doc *doc = NULL;
    struct error error = { 0 };
    struct arena arena;

    arena_init(&arena);
    if (yaml_parse(&arena, fuzz_input(data, size), SLICE("input"), &limits, &doc, &error) !=
        ERR_OK) {
        assert(error.code != ERR_OK && error.text[0] != '\0');
    } else if (doc) {
        assert(walk(doc, 1) <= NODES + 1);
    }
    arena_done(&arena);
    return 0;
}
