/*
 * json.c - reading a JSON text through json-c into a document.
 *
 * Knows json-c, whose tree takes tens of bytes for each byte of text: it is for small texts, and
 * gone before the caller sees the document. Refuses to know what the text means.
 */
#include <json-c/json.h>

#include <headroom/doc.h>

#include "doc_build.h"

static enum err convert(struct doc_builder *builder, json_object *value, struct slice key,
                        struct error *error);

static enum err convert_object(struct doc_builder *builder, json_object *value, struct error *error)
{
    struct lh_entry *entry = NULL;

    lh_foreach(json_object_get_object(value), entry)
    {
        struct slice key = arena_slice(builder->arena, slice_of(lh_entry_k(entry)));
        enum err err = convert(builder, lh_entry_v(entry), key, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    doc_build_close(builder);
    return ERR_OK;
}

static enum err convert_array(struct doc_builder *builder, json_object *value, struct error *error)
{
    size_t count = json_object_array_length(value);

    for (size_t i = 0; i < count; i++) {
        enum err err = convert(builder, json_object_array_get_idx(value, i), SLICE(""), error);
        if (err != ERR_OK) {
            return err;
        }
    }
    doc_build_close(builder);
    return ERR_OK;
}

static struct slice scalar_text(json_object *value)
{
    if (json_object_is_type(value, json_type_string)) {
        return (struct slice){ json_object_get_string(value),
                               (size_t)json_object_get_string_len(value) };
    }
    return slice_of(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

static enum doc_kind kind_of(json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return DOC_BOOL;
    case json_type_double:
    case json_type_int:
        return DOC_NUMBER;
    case json_type_object:
        return DOC_MAPPING;
    case json_type_array:
        return DOC_SEQUENCE;
    case json_type_string:
        return DOC_STRING;
    case json_type_null:
        break;
    }
    return DOC_NULL;
}

/* Recursion is as deep as json-c's tokener let the text nest. */
static enum err convert(struct doc_builder *builder, json_object *value, struct slice key,
                        struct error *error)
{
    enum doc_kind kind = kind_of(value);
    struct doc *node = NULL;
    enum err err = doc_build_add(builder, kind, key, &node, error);

    if (err != ERR_OK) {
        return err;
    }
    if (kind == DOC_MAPPING) {
        return convert_object(builder, value, error);
    }
    if (kind == DOC_SEQUENCE) {
        return convert_array(builder, value, error);
    }
    if (kind != DOC_NULL) {
        node->text = arena_slice(builder->arena, scalar_text(value));
    }
    return ERR_OK;
}

static enum err tokener_error(json_tokener *tokener, size_t offset, struct error *error)
{
    enum json_tokener_error code = json_tokener_get_error(tokener);

    if (code == json_tokener_continue) {
        return error_set(error, ERR_TRUNCATED, "the JSON text ends too early, at byte %zu", offset);
    }
    return error_set(error, code == json_tokener_error_depth ? ERR_LIMIT : ERR_INVALID,
                     "bad JSON at byte %zu: %s", offset, json_tokener_error_desc(code));
}

/* At least so many values follow one another; json-c would build them all before we can count. */
static size_t commas(struct slice text)
{
    size_t count = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"') {
            quoted = !quoted;
        } else if (quoted && text.data[i] == '\\') {
            i++;
        } else if (!quoted && text.data[i] == ',') {
            count++;
        }
    }
    return count;
}

static size_t skip_space(struct slice text, size_t at)
{
    while (at < text.len && memchr(" \t\r\n", text.data[at], 4)) {
        at++;
    }
    return at;
}

enum err json_parse(struct arena *arena, struct slice text, const struct doc_limits *limits,
                    const struct doc **ret, struct error *error)
{
    struct doc_builder builder;

    doc_build_start(&builder, arena, limits);
    if (text.len > builder.limits.bytes || text.len > INT32_MAX / 2) {
        return error_set(error, ERR_LIMIT, "a JSON text of %zu bytes, more than %zu", text.len,
                         builder.limits.bytes);
    }
    if (skip_space(text, 0) == text.len) {
        return error_set(error, ERR_TRUNCATED, "an empty JSON text");
    }
    /* Looked at here, because json-c takes overlong forms for valid. */
    size_t good = slice_utf8(text);
    if (good < text.len) {
        return error_set(error, ERR_INVALID, "bad JSON at byte %zu: not UTF-8", good);
    }
    if (commas(text) >= builder.limits.nodes) {
        return error_set(error, ERR_LIMIT, "more than %u values", builder.limits.nodes);
    }
    /* One level more than a document may have: doc_build_add then says so in our words. */
    json_tokener *tokener = json_tokener_new_ex((int)builder.limits.depth + 2);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    json_object *value = json_tokener_parse_ex(tokener, text.data, (int)text.len);
    enum json_tokener_error code = json_tokener_get_error(tokener);
    size_t offset = json_tokener_get_parse_end(tokener);
    if (code == json_tokener_continue) {
        /* A number at the very end is only whole once something follows it. */
        value = json_tokener_parse_ex(tokener, "\n", 1);
        code = json_tokener_get_error(tokener);
        offset = text.len;
    }
    enum err err = ERR_OK;
    if (code != json_tokener_success) {
        err = tokener_error(tokener, offset, error);
    } else if (skip_space(text, offset) < text.len) {
        err = error_set(error, ERR_INVALID, "bad JSON at byte %zu: something follows the value",
                        skip_space(text, offset));
    } else {
        err = convert(&builder, value, SLICE(""), error);
    }
    json_object_put(value);
    json_tokener_free(tokener);
    if (err == ERR_OK) {
        *ret = builder.root;
    }
    return err;
}
