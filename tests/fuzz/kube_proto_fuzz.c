/*
 * Kubernetes' protobuf: lists whatever their cuts, watch frames and objects whatever their bytes.
 */
#include <headroom/kube_wire.h>
#include <headroom/proto.h>

#include "fuzz.h"

enum { ITEM_MAX = 64 * 1024 };

struct seen {
    struct slice input; /* what an item must not leave */
    uint32_t items;
    uint64_t hash;
};

static enum err count_item(void *context, struct slice item, struct error *error)
{
    struct seen *seen = context;

    (void)error;
    assert(item.len <= ITEM_MAX);
    seen->items++;
    seen->hash = seen->hash * 31 + slice_hash(item);
    return ERR_OK;
}

static enum err read_in_pieces(struct slice input, size_t step, struct seen *seen)
{
    struct proto_list list;
    struct error error = { 0 };
    enum err err = ERR_OK;

    proto_list_init(&list, ITEM_MAX);
    while (err == ERR_OK && input.len > 0) {
        size_t len = input.len < step ? input.len : step;
        err = proto_list_feed(&list, (struct slice){ input.data, len }, count_item, seen, &error);
        input.data += len;
        input.len -= len;
    }
    if (err == ERR_OK) {
        err = proto_list_end(&list, &error);
    }
    assert(err == ERR_OK || error.text[0] != '\0');
    proto_list_done(&list);
    return err;
}

static bool inside(struct slice outer, struct slice inner)
{
    return inner.len == 0 ||
           (inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len);
}

static void read_object(struct arena *arena, struct slice raw)
{
    struct kube_pod pod = { 0 };
    struct kube_node node = { 0 };
    struct kube_status status = { 0 };
    struct slice version = { 0 };
    struct error error = { 0 };

    if (kube_proto_pod(raw, &pod, &error) == ERR_OK) {
        assert(inside(raw, pod.namespace) && inside(raw, pod.name) && inside(raw, pod.node));
        assert(inside(raw, pod.ip) && inside(raw, pod.uid) && inside(raw, pod.resource_version));
    }
    if (kube_proto_node(arena, raw, SLICE("k8s.amazonaws.com/eniConfig"), &node, &error) !=
        ERR_OK) {
        assert(error.text[0] != '\0');
    }
    if (kube_proto_version(raw, &version, &error) == ERR_OK) {
        assert(inside(raw, version));
    }
    if (kube_proto_status(raw, &status, &error) == ERR_OK) {
        assert(inside(raw, status.reason) && inside(raw, status.message));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    struct seen whole = { 0 }, bytes = { 0 };
    struct slice raw = { 0 };
    enum kube_change change = KUBE_ADDED;
    struct error error = { 0 };
    struct arena arena;

    arena_init(&arena);
    enum err err = read_in_pieces(input, size + 1, &whole);
    enum err other = read_in_pieces(input, 1, &bytes);
    assert((err == ERR_OK) == (other == ERR_OK));
    assert(err != ERR_OK || (whole.items == bytes.items && whole.hash == bytes.hash));

    read_object(&arena, input);
    if (kube_proto_envelope(input, &raw, &error) == ERR_OK) {
        assert(inside(input, raw));
        read_object(&arena, raw);
    }
    if (kube_proto_watch(input, &change, &raw, &error) == ERR_OK) {
        assert(inside(input, raw));
        read_object(&arena, raw);
    }
    arena_done(&arena);
    return 0;
}
