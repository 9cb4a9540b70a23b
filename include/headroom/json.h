/*
 * json.h - writing JSON into a buffer, one call a token.
 *
 *     struct json_out json;
 *     json_start(&json, &buf);
 *     json_begin_object(&json);
 *     json_key(&json, "free");   json_u64(&json, 12);
 *     json_field_text(&json, "zone", zone);            // key and value in one
 *     json_end_object(&json);                          // {"free":12,"zone":"us-west-2a"}
 *
 * Commas come by themselves. A call out of order (a value without its key, an end that does not
 * match) asserts. buf_check of the buffer says whether all of it fitted. For reading: doc.h.
 */
#ifndef HEADROOM_JSON_H
#define HEADROOM_JSON_H

#include <headroom/buf.h>

enum { JSON_DEPTH_MAX = 63 };

struct doc;

struct json_out {
    struct buf *buf;
    uint32_t depth;
    uint64_t objects; /* bit by depth: an object, else an array */
    uint64_t filled;  /* bit by depth: has a member already */
    bool keyed;       /* a key waits for its value */
    bool started;     /* the outermost value is there */
};

void json_start(struct json_out *json, struct buf *buf);
bool json_complete(const struct json_out *json); /* one whole value has been written */

void json_begin_object(struct json_out *json);
void json_end_object(struct json_out *json);
void json_begin_array(struct json_out *json);
void json_end_array(struct json_out *json);
void json_key(struct json_out *json, const char *key);
void json_key_slice(struct json_out *json, struct slice key);

void json_string(struct json_out *json, struct slice value); /* escaped; not UTF-8 becomes U+FFFD */
void json_text(struct json_out *json, const char *value);
void json_textf(struct json_out *json, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* at most 1,023 bytes */
void json_u64(struct json_out *json, uint64_t value);
void json_i64(struct json_out *json, int64_t value);
void json_double(struct json_out *json,
                 double value); /* shortest that reads back; not finite: null */
void json_bool(struct json_out *json, bool value);
void json_null(struct json_out *json);
void json_raw(struct json_out *json,
              struct slice value); /* a JSON value that is trusted to be one */

/* What was read, as JSON again; NULL: null. */
void json_doc(struct json_out *json, const struct doc *doc);

/* key and value at once */
void json_field_text(struct json_out *json, const char *key, struct slice value);
void json_field_u64(struct json_out *json, const char *key, uint64_t value);
void json_field_bool(struct json_out *json, const char *key, bool value);

#endif
