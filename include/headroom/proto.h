/*
 * proto.h - reading protobuf's wire format, one field at a time, never past its end.
 *
 *     struct proto in = proto_of(bytes);
 *     struct proto_field field;
 *     while (proto_next(&in, &field)) { ... proto_of(field.bytes) opens a nested message ... }
 *     if (in.bad) ...
 *
 * A nested message has an end of its own, so that an inner read cannot leave it. Nothing is copied
 * and nothing allocated. Groups, which proto2 left behind, are bad.
 */
#ifndef HEADROOM_PROTO_H
#define HEADROOM_PROTO_H

#include <headroom/buf.h>
#include <headroom/slice.h>

struct proto {
    const unsigned char *at, *end;
    bool bad; /* the bytes are no protobuf, or end too early */
};

enum proto_type { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_field {
    uint32_t number;
    enum proto_type type;
    uint64_t value;     /* VARINT, FIXED64, FIXED32 */
    struct slice bytes; /* BYTES: text or a message */
};

struct proto proto_of(struct slice s);
/* False at the end and on bad bytes. */
bool proto_next(struct proto *in, struct proto_field *ret);

/* True for a BYTES field of that number. */
static inline bool proto_is(const struct proto_field *field, uint32_t number)
{
    return field->number == number && field->type == PROTO_BYTES;
}

/*
 * A Kubernetes list as it arrives: "k8s\0", Unknown{raw = List{metadata = 1, items = 2}}. An item
 * is handed on as soon as it is whole, so that memory is that of the largest item.
 */
struct proto_list {
    struct buf buf; /* bytes that are not a whole field yet */
    size_t item_max;
    uint32_t state;
    uint64_t list_left; /* of the list inside the envelope */
    uint64_t skip;      /* bytes of a field that nobody wants */
    bool metadata_seen;
    struct slice resource_version, next; /* NUL-terminated, point into the arrays below */
    char resource_version_text[64], next_text[4096];
};

typedef enum err proto_item_fn(void *context, struct slice item, struct error *error);

void proto_list_init(struct proto_list *list, size_t item_max);
void proto_list_done(struct proto_list *list);
void proto_list_reset(struct proto_list *list);
/* ERR_INVALID: no such list; ERR_LIMIT: an item over item_max; or what `item` returned. */
enum err proto_list_feed(struct proto_list *list, struct slice bytes, proto_item_fn *item,
                         void *context, struct error *error) ERR_CHECKED;
/* ERR_TRUNCATED unless the whole list has been there. */
enum err proto_list_end(const struct proto_list *list, struct error *error) ERR_CHECKED;

#endif
