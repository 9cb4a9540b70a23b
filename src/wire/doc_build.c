/*
 * doc_build.c - growing a document's tree, never beyond its limits.
 *
 * Knows counts and nesting. Refuses to know any syntax.
 */
#include <assert.h>

#include "doc_build.h"

enum { BYTES_DEFAULT = 4 << 20, DEPTH_DEFAULT = 64, NODES_DEFAULT = 200000 };

void doc_build_start(struct doc_builder *builder, struct arena *arena,
                     const struct doc_limits *limits)
{
    *builder = (struct doc_builder){ .arena = arena };
    if (limits) {
        builder->limits = *limits;
    }
    if (builder->limits.bytes == 0) {
        builder->limits.bytes = BYTES_DEFAULT;
    }
    if (builder->limits.depth == 0) {
        builder->limits.depth = DEPTH_DEFAULT;
    }
    if (builder->limits.nodes == 0) {
        builder->limits.nodes = NODES_DEFAULT;
    }
    assert(builder->limits.depth <= DOC_DEPTH_MAX);
}

enum err doc_build_add(struct doc_builder *builder, enum doc_kind kind, struct slice key,
                       struct doc **ret, struct error *error)
{
    if (builder->nodes == builder->limits.nodes) {
        return error_set(error, ERR_LIMIT, "more than %u values", builder->limits.nodes);
    }
    bool opens = kind == DOC_SEQUENCE || kind == DOC_MAPPING;
    if (opens && builder->depth == builder->limits.depth) {
        return error_set(error, ERR_LIMIT, "nested deeper than %u", builder->limits.depth);
    }
    struct doc *node = ARENA_NEW(builder->arena, struct doc);
    node->kind = kind;
    node->key = key;
    builder->nodes++;
    if (builder->depth == 0) {
        assert(!builder->root);
        builder->root = node;
    } else {
        struct doc *parent = builder->open[builder->depth - 1].parent;
        struct doc *last = builder->open[builder->depth - 1].last;
        if (last) {
            last->next = node;
        } else {
            parent->first = node;
        }
        parent->count++;
        builder->open[builder->depth - 1].last = node;
    }
    if (opens) {
        builder->open[builder->depth].parent = node;
        builder->open[builder->depth].last = NULL;
        builder->depth++;
    }
    *ret = node;
    return ERR_OK;
}

void doc_build_close(struct doc_builder *builder)
{
    assert(builder->depth > 0);
    builder->depth--;
}
