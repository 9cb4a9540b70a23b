/*
 * doc.h - a document that was read, as a read-only tree: what YAML and JSON have in common.
 *
 *   {a: 1, b: [x, y]}     MAPPING --first--> NUMBER "1" (key a)
 *                                              | next
 *                                            SEQUENCE (key b) --first--> "x" --next--> "y"
 *
 * All of it lives in the arena that the reader was given. Every function takes NULL for "not there"
 * and says so in turn, so that a path of optional fields is read in one line. Numbers stay text:
 * the reader of a field knows its range.
 */
#ifndef HEADROOM_DOC_H
#define HEADROOM_DOC_H

#include <headroom/arena.h>
#include <headroom/buf.h>

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_NUMBER, DOC_STRING, DOC_SEQUENCE, DOC_MAPPING };

struct doc {
    enum doc_kind kind;
    struct slice key;        /* in a mapping: its name; a NUL follows */
    struct slice text;       /* of a scalar, as written; a NUL follows */
    const struct doc *first; /* of a sequence or mapping */
    const struct doc *next;  /* after this one, in the same sequence or mapping */
    uint32_t count;          /* of a sequence or mapping */
    uint32_t line;           /* YAML: where it stands, from 1; JSON: 0 */
};

/* Limits of a reader; 0 takes the default. What exceeds one is ERR_LIMIT. */
struct doc_limits {
    size_t bytes;   /* of the text: 4 MiB */
    uint32_t depth; /* of nesting: 64 */
    uint32_t nodes; /* in all: 200,000 */
};

/* One YAML document (libyaml; JSON is YAML too). An alias stands for a copy of what its anchor
 * names, which counts like any other node. Tags, merge keys, anchored keys and a second document
 * are refused, a mapping's key must be a scalar and stand there once. Plain scalars follow the core
 * schema: null, true, 12; quoted ones are strings. An empty text is DOC_NULL. `name` (a path) goes
 * into the error's text, with line and column. limits may be NULL. */
enum err yaml_parse(struct arena *arena, struct slice text, struct slice name,
                    const struct doc_limits *limits, const struct doc **ret, struct error *error)
    ERR_CHECKED;

/* One JSON text (json-c in its strict mode), valid UTF-8, nothing after it. Of a key that stands
 * there twice the last one counts. */
enum err json_parse(struct arena *arena, struct slice text, const struct doc_limits *limits,
                    const struct doc **ret, struct error *error) ERR_CHECKED;

/* Writes the tree as YAML in block style, each line indented by so many columns and ended by a
 * newline. Strings that would read back as something else are quoted. */
void yaml_write(const struct doc *doc, uint32_t indent, struct buf *out);
/* One string, quoted if need be. */
void yaml_write_text(struct slice text, struct buf *out);

/* A member of a mapping; NULL: not there, null, or `doc` is no mapping. */
const struct doc *doc_get(const struct doc *doc, const char *key);
const struct doc *doc_get_slice(const struct doc *doc, struct slice key);
/* doc_at(pod, "metadata", "name"): members of members. */
#define doc_at(doc, ...) doc_at_keys((doc), (const char *const[]){ __VA_ARGS__, NULL })
const struct doc *doc_at_keys(const struct doc *doc, const char *const *keys);

/* The first element or member, and how many; NULL and 0 for anything else. Then follow `next`. */
const struct doc *doc_first(const struct doc *doc);
uint32_t doc_count(const struct doc *doc);
bool doc_is(const struct doc *doc, enum doc_kind kind); /* false for NULL */

/* A scalar's text, `absent` when there is none. doc_text: empty slice when absent. */
struct slice doc_text(const struct doc *doc);
struct slice doc_text_or(const struct doc *doc, struct slice absent);
/* A boolean or number, `absent` when it is not there or not one (numbers: fractions, signs and
 * overflow included). */
bool doc_bool_or(const struct doc *doc, bool absent);
uint64_t doc_u64_or(const struct doc *doc, uint64_t absent);
double doc_double_or(const struct doc *doc, double absent);

/* The strict form for what a user writes: not there leaves *ret as it is; a wrong type is
 * ERR_INVALID and the text names `field` and what
 * was expected. */
enum err doc_read_text(const struct doc *doc, const char *field, struct slice *ret,
                       struct error *error) ERR_CHECKED;
enum err doc_read_u64(const struct doc *doc, const char *field, uint64_t max, uint64_t *ret,
                      struct error *error) ERR_CHECKED;
enum err doc_read_double(const struct doc *doc, const char *field, double *ret, struct error *error)
    ERR_CHECKED;
enum err doc_read_bool(const struct doc *doc, const char *field, bool *ret, struct error *error)
    ERR_CHECKED;

#endif
