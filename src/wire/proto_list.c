/*
 * proto_list.c - a Kubernetes list in protobuf, taken apart as it arrives.
 *
 *   k8s\0 | Unknown: [1 typeMeta] [2 raw, LENGTH | List: [1 metadata] [2 item] [2 item] ...] [3]
 * [4] MAGIC   ENVELOPE                               LIST                                      REST
 *
 * Knows that much and no more: an item is somebody else's.
 */
#include <assert.h>

#include <headroom/proto.h>

enum { MAGIC, ENVELOPE, LIST, REST };

/* Field numbers of runtime.Unknown, of every List, and of ListMeta. */
enum { UNKNOWN_RAW = 2, LIST_METADATA = 1, LIST_ITEMS = 2, META_VERSION = 2, META_CONTINUE = 3 };

enum { HEADER_MAX = 20 }; /* a tag and a length */
enum { PIECE_MAX = 128 << 10 };

void proto_list_init(struct proto_list *list, size_t item_max)
{
    *list = (struct proto_list){ .item_max = item_max };
    buf_init(&list->buf, item_max + HEADER_MAX + PIECE_MAX);
}

void proto_list_done(struct proto_list *list)
{
    buf_done(&list->buf);
}

void proto_list_reset(struct proto_list *list)
{
    struct buf buf = list->buf;
    size_t item_max = list->item_max;

    buf_reset(&buf);
    *list = (struct proto_list){ .buf = buf, .item_max = item_max };
}

static enum err bad(struct error *error, const char *what)
{
    return error_set(error, ERR_INVALID, "bad protobuf list: %s", what);
}

static enum err read_metadata(struct proto_list *list, struct slice bytes, struct error *error)
{
    struct proto in = proto_of(bytes);
    struct proto_field field;

    while (proto_next(&in, &field)) {
        enum err err = ERR_OK;
        if (proto_is(&field, META_VERSION)) {
            err = slice_copy(field.bytes, list->resource_version_text,
                             sizeof(list->resource_version_text));
            list->resource_version = slice_of(list->resource_version_text);
        } else if (proto_is(&field, META_CONTINUE)) {
            err = slice_copy(field.bytes, list->next_text, sizeof(list->next_text));
            list->next = slice_of(list->next_text);
        }
        if (err != ERR_OK) {
            return bad(error, "a metadata field is too long");
        }
    }
    list->metadata_seen = true;
    return in.bad ? bad(error, "its metadata") : ERR_OK;
}

/* A field's header at the front of `in`: its length, and how many bytes the header takes. 0: not
 * all of it is there. */
static size_t peek_header(struct proto in, struct proto_field *ret, bool *ret_bad)
{
    const unsigned char *start = in.at;
    uint64_t numbers[2] = { 0, 0 };
    uint32_t want = 1;

    *ret_bad = false;
    for (uint32_t i = 0; i < want; i++) {
        uint32_t shift = 0;
        for (;; shift += 7) {
            if (in.at == in.end) {
                return 0;
            }
            unsigned char byte = *in.at++;
            if (shift > 56) {
                *ret_bad = true;
                return 0;
            }
            numbers[i] |= (uint64_t)(byte & 0x7F) << shift;
            if (byte < 0x80) {
                break;
            }
        }
        ret->number = (uint32_t)(numbers[0] >> 3);
        ret->type = (enum proto_type)(numbers[0] & 7);
        want = 2;
    }
    ret->value = numbers[1];
    return (size_t)(in.at - start);
}

/* One field of the list. *ret_used 0: more bytes are needed. */
static enum err take_field(struct proto_list *list, struct slice at, proto_item_fn *item,
                           void *context, size_t *ret_used, struct error *error)
{
    struct proto_field field = { 0 };
    bool broken = false;
    size_t header = peek_header(proto_of(at), &field, &broken);

    *ret_used = 0;
    if (broken || (header > 0 && field.type != PROTO_BYTES)) {
        return bad(error, "a field that no list has");
    }
    if (header == 0) {
        return at.len > HEADER_MAX ? bad(error, "a field's header") : ERR_OK;
    }
    if (field.value > list->list_left || header > list->list_left - field.value) {
        return bad(error, "a field is longer than the list");
    }
    if (field.number != LIST_METADATA && field.number != LIST_ITEMS) {
        list->skip = field.value;
        list->list_left -= header + field.value;
        *ret_used = header;
        return ERR_OK;
    }
    if (field.value > list->item_max) {
        return error_set(error, ERR_LIMIT, "an item of %llu bytes, more than %zu",
                         (unsigned long long)field.value, list->item_max);
    }
    if (at.len - header < field.value) {
        return ERR_OK;
    }
    struct slice bytes = { at.data + header, (size_t)field.value };
    list->list_left -= header + field.value;
    *ret_used = header + bytes.len;
    return field.number == LIST_METADATA ? read_metadata(list, bytes, error)
                                         : item(context, bytes, error);
}

static enum err take_envelope(struct proto_list *list, struct slice at, size_t *ret_used,
                              struct error *error)
{
    struct proto_field field = { 0 };
    bool broken = false;
    size_t header = peek_header(proto_of(at), &field, &broken);

    *ret_used = 0;
    if (broken || (header > 0 && field.type != PROTO_BYTES)) {
        return bad(error, "its envelope");
    }
    if (header == 0) {
        return at.len > HEADER_MAX ? bad(error, "its envelope") : ERR_OK;
    }
    *ret_used = header;
    if (field.number == UNKNOWN_RAW) {
        list->list_left = field.value;
        list->state = LIST;
    } else {
        list->skip = field.value;
    }
    return ERR_OK;
}

static enum err take_magic(struct proto_list *list, struct slice at, size_t *ret_used,
                           struct error *error)
{
    *ret_used = 0;
    if (at.len < 4) {
        return ERR_OK;
    }
    if (memcmp(at.data, "k8s\0", 4) != 0) {
        return bad(error, "it does not begin with k8s");
    }
    *ret_used = 4;
    list->state = ENVELOPE;
    return ERR_OK;
}

static enum err take(struct proto_list *list, struct slice at, proto_item_fn *item, void *context,
                     size_t *ret_used, struct error *error)
{
    if (list->state == LIST && list->list_left == 0) {
        list->state = REST;
    }
    switch (list->state) {
    case MAGIC:
        return take_magic(list, at, ret_used, error);
    case ENVELOPE:
        return take_envelope(list, at, ret_used, error);
    case LIST:
        return take_field(list, at, item, context, ret_used, error);
    default:
        *ret_used = at.len;
        return ERR_OK;
    }
}

static enum err feed_piece(struct proto_list *list, struct slice bytes, proto_item_fn *item,
                           void *context, struct error *error)
{
    bool carried = list->buf.len > 0;

    /* Only what a piece cut is copied; whole fields are read where they are. */
    if (carried) {
        buf_add_slice(&list->buf, bytes);
        bytes = buf_slice(&list->buf);
    }
    struct slice at = bytes;
    for (size_t used = 1; used > 0;) {
        size_t skipped = list->skip < at.len ? (size_t)list->skip : at.len;
        list->skip -= skipped;
        at = (struct slice){ at.data + skipped, at.len - skipped };
        used = 0;
        if (at.len > 0) {
            enum err err = take(list, at, item, context, &used, error);
            if (err != ERR_OK) {
                return err;
            }
            at = (struct slice){ at.data + used, at.len - used };
        }
    }
    if (carried) {
        buf_drop(&list->buf, bytes.len - at.len);
    } else {
        buf_add_slice(&list->buf, at);
    }
    return buf_check(&list->buf, error);
}

enum err proto_list_feed(struct proto_list *list, struct slice bytes, proto_item_fn *item,
                         void *context, struct error *error)
{
    while (bytes.len > 0) {
        struct slice piece = { bytes.data, bytes.len < PIECE_MAX ? bytes.len : PIECE_MAX };
        enum err err = feed_piece(list, piece, item, context, error);
        if (err != ERR_OK) {
            return err;
        }
        bytes = (struct slice){ bytes.data + piece.len, bytes.len - piece.len };
    }
    return ERR_OK;
}

enum err proto_list_end(const struct proto_list *list, struct error *error)
{
    bool whole = list->state == REST || (list->state == LIST && list->list_left == 0);

    if (!whole || list->skip > 0) {
        return error_set(error, ERR_TRUNCATED, "the list ends too early");
    }
    return list->metadata_seen ? ERR_OK : bad(error, "it has no metadata");
}
