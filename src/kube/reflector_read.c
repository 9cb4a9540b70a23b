/*
 * reflector_read.c - lists and watches, taken apart in the encoding they come in.
 *
 * Knows frames, lines and pages. Refuses to know when to ask again.
 */
#include <assert.h>

#include "core.h"
#include "reflector_read.h"

struct sink_call {
    struct kube *kube;
    struct reflector *reflector;
};

struct slice url_encoded(struct arena *arena, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, s.len * 3 + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            text[len++] = (char)c;
        } else {
            text[len++] = '%';
            text[len++] = digits[c >> 4];
            text[len++] = digits[c & 15];
        }
    }
    return (struct slice){ text, len };
}

/* ---- lists ---- */

static enum err on_row(void *context, const struct slice *cells, struct error *error)
{
    struct sink_call *call = context;

    return call->reflector->kind->sink->row(call->kube, cells, error);
}

static enum err on_item(void *context, struct slice item, struct error *error)
{
    struct sink_call *call = context;

    return call->reflector->kind->sink->item(call->kube, item, error);
}

enum err reflector_read_list(struct kube *kube, void *owner, struct slice body, struct error *error)
{
    struct reflector *reflector = owner;
    struct sink_call call = { kube, reflector };

    reflector->contact_ns = kube->now_ns;
    switch (reflector->list_encoding) {
    case ENCODING_TABLE:
        return kube_table_feed(&reflector->table, body, on_row, &call, error);
    case ENCODING_PROTO:
        return proto_list_feed(&reflector->proto, body, on_item, &call, error);
    case ENCODING_JSON:
        break;
    }
    buf_add_slice(&reflector->buf, body);
    return buf_check(&reflector->buf, error);
}

static enum err note_version(struct reflector *reflector, struct slice version, struct error *error)
{
    if (version.len == 0 ||
        slice_copy(version, reflector->version, sizeof(reflector->version)) != ERR_OK) {
        return error_set(error, ERR_INVALID, "no usable resourceVersion");
    }
    return ERR_OK;
}

static enum err note_list(struct reflector *reflector, struct slice version, struct slice next,
                          struct error *error)
{
    if (slice_copy(next, reflector->next_page, sizeof(reflector->next_page)) != ERR_OK) {
        return error_set(error, ERR_LIMIT, "a continue token of %zu bytes", next.len);
    }
    return note_version(reflector, version, error);
}

static enum err end_json(struct kube *kube, struct reflector *reflector, struct error *error)
{
    struct doc_limits limits = { .bytes = REFLECTOR_BUF_MAX };
    const struct doc *list = NULL;
    enum err err = json_parse(&kube->step, buf_slice(&reflector->buf), &limits, &list, error);

    buf_reset(&reflector->buf);
    if (err != ERR_OK) {
        return err;
    }
    if (!doc_is(doc_at(list, "metadata"), DOC_MAPPING)) {
        return error_set(error, ERR_INVALID, "the answer is no list");
    }
    const struct doc *item = doc_first(doc_get(list, "items"));
    for (; item; item = item->next) {
        reflector->kind->sink->document(kube, item);
    }
    return note_list(reflector, doc_text(doc_at(list, "metadata", "resourceVersion")),
                     doc_text(doc_at(list, "metadata", "continue")), error);
}

enum err reflector_end_list(struct kube *kube, struct reflector *reflector, struct error *error)
{
    enum err err = ERR_OK;

    switch (reflector->list_encoding) {
    case ENCODING_TABLE:
        err = kube_table_end(&reflector->table, error);
        return err != ERR_OK ? err
                             : note_list(reflector, slice_of(reflector->table.resource_version),
                                         slice_of(reflector->table.next), error);
    case ENCODING_PROTO:
        err = proto_list_end(&reflector->proto, error);
        return err != ERR_OK ? err
                             : note_list(reflector, reflector->proto.resource_version,
                                         reflector->proto.next, error);
    case ENCODING_JSON:
        break;
    }
    return end_json(kube, reflector, error);
}

/* ---- watches ---- */

static enum err watch_error(struct reflector *reflector, const struct kube_status *status,
                            struct error *error)
{
    /* "too old resource version" comes as an event when the watch has begun already. */
    reflector->gone = status->code == 410;
    return error_set(error, status->code == 410 ? ERR_GONE : ERR_UNAVAILABLE,
                     "the watch ended with an error: %.*s", SLICE_ARG(status->message));
}

static enum err on_frame(struct kube *kube, struct reflector *reflector, struct slice frame,
                         struct error *error)
{
    enum kube_change change;
    struct slice object, version;
    struct kube_status status;
    enum err err = kube_proto_watch(frame, &change, &object, error);

    if (err != ERR_OK) {
        return err;
    }
    if (change == KUBE_ERROR) {
        err = kube_proto_status(object, &status, error);
        return err != ERR_OK ? err : watch_error(reflector, &status, error);
    }
    err = kube_proto_version(object, &version, error);
    if (err == ERR_OK && change != KUBE_BOOKMARK) {
        kube->stats.watch_events++;
        err = reflector->kind->sink->change(kube, change, object, error);
    }
    return err == ERR_OK ? note_version(reflector, version, error) : err;
}

static enum err on_line(struct kube *kube, struct reflector *reflector, struct slice line,
                        struct error *error)
{
    struct doc_limits limits = { .bytes = KUBE_OBJECT_MAX * 2 };
    const struct doc *doc = NULL, *object = NULL;
    enum kube_change change;
    struct kube_status status;

    enum err err = json_parse(&kube->step, line, &limits, &doc, error);
    if (err == ERR_OK) {
        err = kube_json_watch(doc, &change, &object, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (change == KUBE_ERROR) {
        kube_json_status(object, &status);
        return watch_error(reflector, &status, error);
    }
    if (change != KUBE_BOOKMARK) {
        kube->stats.watch_events++;
        reflector->kind->sink->document_change(kube, change, object);
    }
    return note_version(reflector, doc_text(doc_at(object, "metadata", "resourceVersion")), error);
}

/* Its version first: what is told again after a break, an ADDED for one, must not count twice. */
static enum err on_table(struct kube *kube, struct reflector *reflector, struct slice line,
                         struct error *error)
{
    struct slice cells[KUBE_TABLE_WANTED];
    enum kube_change change;
    enum err err = kube_table_event(&reflector->table, line, &change, cells, error);

    if (err != ERR_OK) {
        return err;
    }
    struct slice version = slice_of(reflector->table.resource_version);
    if (version.len > 0 && change != KUBE_BOOKMARK) {
        kube->stats.watch_events++;
        err = reflector->kind->sink->row_change(kube, change, cells, error);
    }
    return err != ERR_OK ? err : note_version(reflector, version, error);
}

/* How a watch ends badly is told by a Status, whatever was asked for. */
static enum err on_table_line(struct kube *kube, struct reflector *reflector, struct slice line,
                              struct error *error)
{
    if (slice_starts(line, SLICE("{\"type\":\"ERROR\""))) {
        return on_line(kube, reflector, line, error);
    }
    return on_table(kube, reflector, line, error);
}

/* The next whole frame at the front of s; false: not all of it is there. */
static bool next_frame(struct slice s, struct slice *ret_frame, size_t *ret_used,
                       struct error *error)
{
    if (s.len < 4) {
        return false;
    }
    const unsigned char *at = (const unsigned char *)s.data;
    size_t len = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | (size_t)at[3];
    if (len > KUBE_OBJECT_MAX) {
        (void)error_set(error, ERR_LIMIT, "a watch frame of %zu bytes, more than %d", len,
                        KUBE_OBJECT_MAX);
        return false;
    }
    if (s.len - 4 < len) {
        return false;
    }
    *ret_frame = (struct slice){ s.data + 4, len };
    *ret_used = len + 4;
    return true;
}

static bool next_line(struct slice s, struct slice *ret_line, size_t *ret_used)
{
    const char *end = s.len > 0 ? memchr(s.data, '\n', s.len) : NULL;

    if (!end) {
        return false;
    }
    *ret_line = (struct slice){ s.data, (size_t)(end - s.data) };
    *ret_used = ret_line->len + 1;
    return true;
}

static enum err read_unit(struct kube *kube, struct reflector *reflector, struct slice unit,
                          struct error *error)
{
    switch (reflector->watch_encoding) {
    case ENCODING_PROTO:
        return on_frame(kube, reflector, unit, error);
    case ENCODING_TABLE:
        return unit.len > 0 ? on_table_line(kube, reflector, unit, error) : ERR_OK;
    case ENCODING_JSON:
        break;
    }
    return unit.len > 0 ? on_line(kube, reflector, unit, error) : ERR_OK;
}

static enum err read_piece(struct kube *kube, struct reflector *reflector, struct error *error)
{
    bool proto = reflector->watch_encoding == ENCODING_PROTO;
    struct slice rest = buf_slice(&reflector->buf), unit;
    struct error broken = { 0 };
    size_t used = 0, total = 0;

    while (proto ? next_frame(rest, &unit, &used, &broken) : next_line(rest, &unit, &used)) {
        enum err err = read_unit(kube, reflector, unit, error);
        if (err != ERR_OK) {
            return err;
        }
        rest = (struct slice){ rest.data + used, rest.len - used };
        total += used;
        reflector->attempt = 0;
        reflector->hurried = false;
    }
    if (broken.code != ERR_OK) {
        return error_set(error, broken.code, "%s", broken.text);
    }
    buf_drop(&reflector->buf, total);
    return ERR_OK;
}

enum err reflector_read_watch(struct kube *kube, void *owner, struct slice body,
                              struct error *error)
{
    struct reflector *reflector = owner;

    reflector->contact_ns = kube->now_ns;
    reflector->bytes_seen += body.len;
    while (body.len > 0) {
        struct slice piece = { body.data, body.len < REFLECTOR_PIECE ? body.len : REFLECTOR_PIECE };
        body = (struct slice){ body.data + piece.len, body.len - piece.len };
        buf_add_slice(&reflector->buf, piece);
        if (buf_check(&reflector->buf, NULL) != ERR_OK) {
            return error_set(error, ERR_LIMIT, "a line of the watch that does not end");
        }
        enum err err = read_piece(kube, reflector, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}
