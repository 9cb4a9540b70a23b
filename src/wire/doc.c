/*
 * doc.c - finding one's way in a document that was read.
 *
 * Knows kinds, keys and scalars. Refuses to know whether it was YAML or JSON.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <headroom/doc.h>

static const char *const kind_names[] = {
    [DOC_NULL] = "null",       [DOC_BOOL] = "a boolean",  [DOC_NUMBER] = "a number",
    [DOC_STRING] = "a string", [DOC_SEQUENCE] = "a list", [DOC_MAPPING] = "a mapping",
};

const struct doc *doc_get_slice(const struct doc *doc, struct slice key)
{
    if (!doc_is(doc, DOC_MAPPING)) {
        return NULL;
    }
    for (const struct doc *member = doc->first; member; member = member->next) {
        if (slice_eq(member->key, key)) {
            return member->kind == DOC_NULL ? NULL : member;
        }
    }
    return NULL;
}

const struct doc *doc_get(const struct doc *doc, const char *key)
{
    return doc_get_slice(doc, slice_of(key));
}

const struct doc *doc_at_keys(const struct doc *doc, const char *const *keys)
{
    for (; *keys && doc; keys++) {
        doc = doc_get(doc, *keys);
    }
    return doc;
}

const struct doc *doc_first(const struct doc *doc)
{
    return doc_is(doc, DOC_SEQUENCE) || doc_is(doc, DOC_MAPPING) ? doc->first : NULL;
}

uint32_t doc_count(const struct doc *doc)
{
    return doc_is(doc, DOC_SEQUENCE) || doc_is(doc, DOC_MAPPING) ? doc->count : 0;
}

bool doc_is(const struct doc *doc, enum doc_kind kind)
{
    return doc && doc->kind == kind;
}

static bool is_scalar(const struct doc *doc)
{
    return doc_is(doc, DOC_STRING) || doc_is(doc, DOC_NUMBER) || doc_is(doc, DOC_BOOL);
}

struct slice doc_text(const struct doc *doc)
{
    return doc_text_or(doc, SLICE(""));
}

struct slice doc_text_or(const struct doc *doc, struct slice absent)
{
    return is_scalar(doc) ? doc->text : absent;
}

bool doc_bool_or(const struct doc *doc, bool absent)
{
    return doc_is(doc, DOC_BOOL) ? slice_eq_nocase(doc->text, SLICE("true")) : absent;
}

uint64_t doc_u64_or(const struct doc *doc, uint64_t absent)
{
    uint64_t value = 0;

    return doc_is(doc, DOC_NUMBER) && slice_u64(doc->text, UINT64_MAX, &value) == ERR_OK ? value
                                                                                         : absent;
}

double doc_double_or(const struct doc *doc, double absent)
{
    double value = absent;

    return doc_read_double(doc, "", &value, NULL) == ERR_OK ? value : absent;
}

static enum err wrong_kind(const struct doc *doc, const char *field, const char *wanted,
                           struct error *error)
{
    if (doc->line > 0) {
        return error_set(error, ERR_INVALID, "line %u: %s must be %s, not %s", doc->line, field,
                         wanted, kind_names[doc->kind]);
    }
    return error_set(error, ERR_INVALID, "%s must be %s, not %s", field, wanted,
                     kind_names[doc->kind]);
}

enum err doc_read_text(const struct doc *doc, const char *field, struct slice *ret,
                       struct error *error)
{
    if (!doc || doc->kind == DOC_NULL) {
        return ERR_OK;
    }
    if (doc->kind != DOC_STRING) {
        return wrong_kind(doc, field, "a string", error);
    }
    *ret = doc->text;
    return ERR_OK;
}

enum err doc_read_u64(const struct doc *doc, const char *field, uint64_t max, uint64_t *ret,
                      struct error *error)
{
    uint64_t value = 0;

    if (!doc || doc->kind == DOC_NULL) {
        return ERR_OK;
    }
    if (doc->kind != DOC_NUMBER || slice_u64(doc->text, UINT64_MAX, &value) != ERR_OK) {
        return wrong_kind(doc, field, "a whole number", error);
    }
    if (value > max) {
        return error_set(error, ERR_LIMIT, "%s must be at most %llu", field,
                         (unsigned long long)max);
    }
    *ret = value;
    return ERR_OK;
}

enum err doc_read_double(const struct doc *doc, const char *field, double *ret, struct error *error)
{
    if (!doc || doc->kind == DOC_NULL) {
        return ERR_OK;
    }
    if (doc->kind != DOC_NUMBER) {
        return wrong_kind(doc, field, "a number", error);
    }
    char *end = NULL;
    double value = strtod(doc->text.data, &end);
    if (end != doc->text.data + doc->text.len || !isfinite(value)) {
        return wrong_kind(doc, field, "a finite number", error);
    }
    *ret = value;
    return ERR_OK;
}

enum err doc_read_bool(const struct doc *doc, const char *field, bool *ret, struct error *error)
{
    if (!doc || doc->kind == DOC_NULL) {
        return ERR_OK;
    }
    if (doc->kind != DOC_BOOL) {
        return wrong_kind(doc, field, "true or false", error);
    }
    *ret = doc_bool_or(doc, false);
    return ERR_OK;
}
