/*
 * yaml.c - reading one YAML document through libyaml's events into a document.
 *
 * Knows the events, the core schema's plain scalars, and that an alias stands for a copy of what
 * its anchor names; copies count as much as what is written out, so that a small file cannot ask
 * for a huge tree. Refuses tags and merge keys.
 */
#include <assert.h>

#include <yaml.h>

#include <headroom/doc.h>

#include "doc_build.h"

/* Looking for a key that stands there twice is quadratic: so many in one mapping at most. */
enum { KEYS_MAX = 4096, ANCHORS_MAX = 1024 };

struct anchor {
    struct slice name;
    const struct doc *node;
    struct anchor *before;
};

struct reader {
    struct doc_builder builder;
    struct anchor *anchors; /* the last one first */
    uint32_t anchor_count;
    struct slice name, text;
    struct error *error;
    struct slice key; /* of the member that comes next */
    bool key_is_set;
};

static enum err fail(const struct reader *reader, enum err code, yaml_mark_t mark, const char *what)
{
    return error_set(reader->error, code, "%.*s: line %zu, column %zu: %s", SLICE_ARG(reader->name),
                     mark.line + 1, mark.column + 1, what);
}

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
    }
    return s.len > 0;
}

/* [-+]? digits [. digits]? [eE [-+]? digits]? */
static bool is_number(struct slice s)
{
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+')) {
        s = (struct slice){ s.data + 1, s.len - 1 };
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == 'e' || s.data[i] == 'E') {
            struct slice power = { s.data + i + 1, s.len - i - 1 };
            if (power.len > 0 && (power.data[0] == '-' || power.data[0] == '+')) {
                power = (struct slice){ power.data + 1, power.len - 1 };
            }
            if (!is_digits(power)) {
                return false;
            }
            s.len = i;
        }
    }
    struct slice rest = s;
    struct slice whole = slice_cut(&rest, '.');
    return is_digits(whole) && (!rest.data || is_digits(rest));
}

static enum doc_kind scalar_kind(struct slice s, bool plain)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
    static const char *const bools[] = { "true", "True", "TRUE", "false", "False", "FALSE" };

    if (!plain) {
        return DOC_STRING;
    }
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        if (slice_is(s, nulls[i])) {
            return DOC_NULL;
        }
    }
    for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
        if (slice_is(s, bools[i])) {
            return DOC_BOOL;
        }
    }
    return is_number(s) ? DOC_NUMBER : DOC_STRING;
}

static bool in_mapping(const struct doc_builder *builder)
{
    return builder->depth > 0 && builder->open[builder->depth - 1].parent->kind == DOC_MAPPING;
}

static bool key_is_there(const struct doc_builder *builder, struct slice key)
{
    const struct doc *at = builder->open[builder->depth - 1].parent->first;

    for (; at; at = at->next) {
        if (slice_eq(at->key, key)) {
            return true;
        }
    }
    return false;
}

/* The key of the member that comes next. */
static enum err set_key(struct reader *reader, struct slice text, yaml_mark_t mark)
{
    if (reader->builder.open[reader->builder.depth - 1].parent->count == KEYS_MAX) {
        return fail(reader, ERR_LIMIT, mark, "too many keys in one mapping");
    }
    if (key_is_there(&reader->builder, text)) {
        return fail(reader, ERR_INVALID, mark, "the key stands here twice");
    }
    if (slice_is(text, "<<")) {
        return fail(reader, ERR_UNSUPPORTED, mark, "merge keys (<<) are not accepted");
    }
    reader->key = arena_slice(reader->builder.arena, text);
    reader->key_is_set = true;
    return ERR_OK;
}

static bool key_comes(const struct reader *reader)
{
    return in_mapping(&reader->builder) && !reader->key_is_set;
}

static enum err add(struct reader *reader, enum doc_kind kind, yaml_mark_t mark, struct doc **ret)
{
    struct slice key = SLICE("");
    struct error why = { 0 };

    if (key_comes(reader)) {
        return fail(reader, ERR_UNSUPPORTED, mark, "a mapping's key must be a scalar");
    }
    if (in_mapping(&reader->builder)) {
        key = reader->key;
        reader->key_is_set = false;
    }
    enum err err = doc_build_add(&reader->builder, kind, key, ret, &why);
    if (err != ERR_OK) {
        return fail(reader, err, mark, why.text);
    }
    (*ret)->line = (uint32_t)mark.line + 1;
    return ERR_OK;
}

/* name may be NULL: there is no anchor. */
static enum err add_anchor(struct reader *reader, const yaml_char_t *name, const struct doc *node,
                           yaml_mark_t mark)
{
    if (!name) {
        return ERR_OK;
    }
    if (reader->anchor_count++ == ANCHORS_MAX) {
        return fail(reader, ERR_LIMIT, mark, "too many anchors");
    }
    struct anchor *anchor = ARENA_NEW(reader->builder.arena, struct anchor);
    *anchor = (struct anchor){
        .name = arena_slice(reader->builder.arena, slice_of((const char *)name)),
        .node = node,
        .before = reader->anchors,
    };
    reader->anchors = anchor;
    return ERR_OK;
}

static enum err on_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct arena *arena = reader->builder.arena;
    struct slice text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const yaml_char_t *anchor = event->data.scalar.anchor;

    if (event->data.scalar.tag && !event->data.scalar.plain_implicit &&
        !event->data.scalar.quoted_implicit) {
        return fail(reader, ERR_UNSUPPORTED, event->start_mark, "tags are not accepted");
    }
    if (key_comes(reader)) {
        return anchor ? fail(reader, ERR_UNSUPPORTED, event->start_mark,
                             "an anchor of a key is not accepted")
                      : set_key(reader, text, event->start_mark);
    }
    struct doc *node = NULL;
    enum err err = add(reader, scalar_kind(text, plain), event->start_mark, &node);
    if (err == ERR_OK && node->kind != DOC_NULL) {
        node->text = arena_slice(arena, text);
    }
    return err != ERR_OK ? err : add_anchor(reader, anchor, node, event->start_mark);
}

static enum err on_start(struct reader *reader, const yaml_event_t *event)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = mapping ? event->data.mapping_start.anchor
                                        : event->data.sequence_start.anchor;
    struct doc *node = NULL;

    if (mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag) {
        return fail(reader, ERR_UNSUPPORTED, event->start_mark, "tags are not accepted");
    }
    enum err err = add(reader, mapping ? DOC_MAPPING : DOC_SEQUENCE, event->start_mark, &node);
    return err != ERR_OK ? err : add_anchor(reader, anchor, node, event->start_mark);
}

/* Calls itself as deep as a document may be: its limits hold for what comes out. */
static enum err copy(struct reader *reader, const struct doc *from, yaml_mark_t mark)
{
    struct doc *node = NULL;
    enum err err = add(reader, from->kind, mark, &node);

    if (err != ERR_OK) {
        return err;
    }
    node->text = from->text;
    if (from->kind != DOC_SEQUENCE && from->kind != DOC_MAPPING) {
        return ERR_OK;
    }
    for (const struct doc *at = from->first; at && err == ERR_OK; at = at->next) {
        reader->key = at->key;
        reader->key_is_set = from->kind == DOC_MAPPING;
        err = copy(reader, at, mark);
    }
    doc_build_close(&reader->builder);
    return err;
}

static enum err on_alias(struct reader *reader, const yaml_event_t *event)
{
    const struct anchor *at = reader->anchors;

    while (at && !slice_is(at->name, (const char *)event->data.alias.anchor)) {
        at = at->before;
    }
    if (!at) {
        return fail(reader, ERR_INVALID, event->start_mark, "an alias without its anchor");
    }
    for (uint32_t i = 0; i < reader->builder.depth; i++) {
        if (reader->builder.open[i].parent == at->node) {
            return fail(reader, ERR_INVALID, event->start_mark, "an alias inside of what it names");
        }
    }
    return copy(reader, at->node, event->start_mark);
}

static enum err on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return on_alias(reader, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_start(reader, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        doc_build_close(&reader->builder);
        return ERR_OK;
    case YAML_DOCUMENT_START_EVENT:
        return reader->builder.root
                   ? fail(reader, ERR_UNSUPPORTED, event->start_mark, "a second document follows")
                   : ERR_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return ERR_OK;
}

/* What libyaml says of a tab helps nobody to find what an editor shows as spaces. */
static const char *problem_of(const struct reader *reader, const yaml_parser_t *parser)
{
    struct slice rest = reader->text, line = slice_cut(&rest, '\n');

    for (size_t i = 0; i < parser->problem_mark.line; i++) {
        line = slice_cut(&rest, '\n');
    }
    for (size_t i = 0; i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'); i++) {
        if (line.data[i] == '\t') {
            return "a tab; YAML is indented with spaces";
        }
    }
    return parser->problem ? parser->problem : "not YAML";
}

static enum err read_events(struct reader *reader, yaml_parser_t *parser)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return fail(reader, ERR_INVALID, parser->problem_mark, problem_of(reader, parser));
        }
        enum err err = on_event(reader, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err yaml_parse(struct arena *arena, struct slice text, struct slice name,
                    const struct doc_limits *limits, const struct doc **ret, struct error *error)
{
    struct reader reader = { .name = name, .text = text, .error = error };
    yaml_parser_t parser;

    doc_build_start(&reader.builder, arena, limits);
    if (text.len > reader.builder.limits.bytes) {
        return error_set(error, ERR_LIMIT, "%.*s: %zu bytes, more than %zu", SLICE_ARG(name),
                         text.len, reader.builder.limits.bytes);
    }
    int ready = yaml_parser_initialize(&parser);
    assert(ready);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    enum err err = read_events(&reader, &parser);
    yaml_parser_delete(&parser);
    if (err != ERR_OK) {
        return err;
    }
    if (!reader.builder.root) {
        struct doc *empty = NULL;
        err = doc_build_add(&reader.builder, DOC_NULL, SLICE(""), &empty, error);
    }
    *ret = reader.builder.root;
    return err;
}
