/*
 * proto.c - protobuf's wire format.
 *
 * Knows varints, lengths and the envelope of a Kubernetes list. Refuses to know any message.
 */
#include <assert.h>

#include <headroom/proto.h>

struct proto proto_of(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;

    return (struct proto){ .at = at, .end = at ? at + s.len : at };
}

static bool varint(struct proto *in, uint64_t *ret)
{
    uint64_t value = 0;

    for (uint32_t shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        unsigned char byte = *in->at++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool fixed(struct proto *in, uint32_t width, uint64_t *ret)
{
    if (in->end - in->at < (ptrdiff_t)width) {
        return false;
    }
    *ret = 0;
    for (uint32_t i = 0; i < width; i++) {
        *ret |= (uint64_t)in->at[i] << (8 * i);
    }
    in->at += width;
    return true;
}

static bool header(struct proto *in, struct proto_field *ret)
{
    uint64_t tag = 0;

    if (!varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) {
        return false;
    }
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (enum proto_type)(tag & 7);
    return true;
}

static bool content(struct proto *in, struct proto_field *ret)
{
    switch (ret->type) {
    case PROTO_VARINT:
        return varint(in, &ret->value);
    case PROTO_FIXED64:
        return fixed(in, 8, &ret->value);
    case PROTO_FIXED32:
        return fixed(in, 4, &ret->value);
    case PROTO_BYTES:
        if (!varint(in, &ret->value) || ret->value > (uint64_t)(in->end - in->at)) {
            return false;
        }
        ret->bytes = (struct slice){ (const char *)in->at, (size_t)ret->value };
        in->at += ret->value;
        return true;
    default:
        return false;
    }
}

bool proto_next(struct proto *in, struct proto_field *ret)
{
    if (in->bad || in->at == in->end) {
        return false;
    }
    *ret = (struct proto_field){ 0 };
    if (!header(in, ret) || !content(in, ret)) {
        in->bad = true;
        return false;
    }
    return true;
}
