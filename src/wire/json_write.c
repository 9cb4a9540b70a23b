/*
 * json_write.c - writing JSON one token at a time.
 *
 * Knows where commas go and refuses a token that does not fit. Refuses to know what is written.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <headroom/doc.h>
#include <headroom/json.h>

enum { TEXT_MAX = 1024 };

void json_start(struct json_out *json, struct buf *buf)
{
    *json = (struct json_out){ .buf = buf };
}

bool json_complete(const struct json_out *json)
{
    return json->started && json->depth == 0;
}

static uint64_t level(const struct json_out *json)
{
    return UINT64_C(1) << json->depth;
}

static bool in_object(const struct json_out *json)
{
    return (json->objects & level(json)) != 0;
}

static void comma(struct json_out *json)
{
    if (json->filled & level(json)) {
        buf_add_char(json->buf, ',');
    }
    json->filled |= level(json);
}

/* Every value passes here: the root comes once, a member after its key, an element anywhere. */
static void value(struct json_out *json)
{
    if (json->depth == 0) {
        assert(!json->started);
        json->started = true;
    } else if (in_object(json)) {
        assert(json->keyed);
        json->keyed = false;
    } else {
        comma(json);
    }
}

static void begin(struct json_out *json, bool object)
{
    value(json);
    assert(json->depth < JSON_DEPTH_MAX);
    json->depth++;
    json->filled &= ~level(json);
    json->objects = object ? json->objects | level(json) : json->objects & ~level(json);
    buf_add_char(json->buf, object ? '{' : '[');
}

static void end(struct json_out *json, bool object)
{
    assert(json->depth > 0 && in_object(json) == object && !json->keyed);
    json->depth--;
    buf_add_char(json->buf, object ? '}' : ']');
}

void json_begin_object(struct json_out *json)
{
    begin(json, true);
}

void json_end_object(struct json_out *json)
{
    end(json, true);
}

void json_begin_array(struct json_out *json)
{
    begin(json, false);
}

void json_end_array(struct json_out *json)
{
    end(json, false);
}

void json_key_slice(struct json_out *json, struct slice key)
{
    assert(json->depth > 0 && in_object(json) && !json->keyed);
    comma(json);
    buf_add_json(json->buf, key);
    buf_add_char(json->buf, ':');
    json->keyed = true;
}

void json_key(struct json_out *json, const char *key)
{
    json_key_slice(json, slice_of(key));
}

void json_string(struct json_out *json, struct slice text)
{
    value(json);
    buf_add_json(json->buf, text);
}

void json_text(struct json_out *json, const char *text)
{
    json_string(json, slice_of(text));
}

void json_textf(struct json_out *json, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_text(json, text);
}

void json_u64(struct json_out *json, uint64_t number)
{
    value(json);
    buf_addf(json->buf, "%" PRIu64, number);
}

void json_i64(struct json_out *json, int64_t number)
{
    value(json);
    buf_addf(json->buf, "%" PRId64, number);
}

void json_double(struct json_out *json, double number)
{
    char text[40];

    if (!isfinite(number)) {
        json_null(json);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        double back = strtod(text, NULL);
        if (!(back < number) && !(back > number)) {
            break;
        }
    }
    value(json);
    buf_add_text(json->buf, text);
}

void json_bool(struct json_out *json, bool truth)
{
    value(json);
    buf_add_text(json->buf, truth ? "true" : "false");
}

void json_null(struct json_out *json)
{
    value(json);
    buf_add_text(json->buf, "null");
}

void json_raw(struct json_out *json, struct slice text)
{
    value(json);
    buf_add_slice(json->buf, text);
}

/* YAML has numbers that JSON has not: +1, 007. */
static void json_number(struct json_out *json, struct slice text)
{
    struct slice digits = text;

    if (slice_starts(digits, SLICE("-"))) {
        digits = (struct slice){ digits.data + 1, digits.len - 1 };
    }
    bool zeros = digits.len > 1 && digits.data[0] == '0' && digits.data[1] >= '0' &&
                 digits.data[1] <= '9';
    if (zeros || slice_starts(text, SLICE("+"))) {
        json_string(json, text);
    } else {
        json_raw(json, text);
    }
}

static void json_members(struct json_out *json, const struct doc *doc)
{
    for (const struct doc *at = doc->first; at; at = at->next) {
        if (doc->kind == DOC_MAPPING) {
            json_key_slice(json, at->key);
        }
        json_doc(json, at);
    }
}

void json_doc(struct json_out *json, const struct doc *doc)
{
    switch (doc ? doc->kind : DOC_NULL) {
    case DOC_NULL:
        json_null(json);
        return;
    case DOC_BOOL:
        json_bool(json, doc_bool_or(doc, false));
        return;
    case DOC_NUMBER:
        json_number(json, doc->text);
        return;
    case DOC_STRING:
        json_string(json, doc->text);
        return;
    case DOC_SEQUENCE:
        json_begin_array(json);
        json_members(json, doc);
        json_end_array(json);
        return;
    case DOC_MAPPING:
        json_begin_object(json);
        json_members(json, doc);
        json_end_object(json);
        return;
    }
    assert(false); /* no other kind */
}

void json_field_text(struct json_out *json, const char *key, struct slice text)
{
    json_key(json, key);
    json_string(json, text);
}

void json_field_u64(struct json_out *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_u64(json, number);
}

void json_field_bool(struct json_out *json, const char *key, bool truth)
{
    json_key(json, key);
    json_bool(json, truth);
}
