/*
 * EC2's answers: the network's cuts do not change what is read.
 */
#include <headroom/ec2_xml.h>

#include "fuzz.h"

struct outcome {
    enum err err;
    struct ec2_reply reply;
};

/* Fed in pieces of `step` bytes. */
static struct outcome read_in_pieces(struct arena *arena, struct slice input, size_t step)
{
    struct outcome outcome = { 0 };
    struct error error = { 0 };
    struct ec2_xml *xml = ec2_xml_new(arena);

    while (outcome.err == ERR_OK && input.len > 0) {
        size_t len = input.len < step ? input.len : step;
        outcome.err = ec2_xml_feed(xml, (struct slice){ input.data, len }, &error);
        input.data += len;
        input.len -= len;
    }
    if (outcome.err == ERR_OK) {
        outcome.err = ec2_xml_end(xml, &outcome.reply, &error);
    }
    assert(outcome.err == ERR_OK || (error.code == outcome.err && error.text[0] != '\0'));
    ec2_xml_free(xml);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    struct arena arena;

    arena_init(&arena);
    struct outcome whole = read_in_pieces(&arena, input, size + 1);
    static const size_t steps[] = { 1, 7, 64 };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct outcome other = read_in_pieces(&arena, input, steps[i]);
        /* A broken text may be over a limit, too: which of the two is seen first is not promised.
         */
        assert((other.err == ERR_OK) == (whole.err == ERR_OK));
        if (whole.err == ERR_OK) {
            assert(other.reply.kind == whole.reply.kind && other.reply.count == whole.reply.count);
            assert(slice_eq(other.reply.next_token, whole.reply.next_token));
            assert(slice_eq(other.reply.error_code, whole.reply.error_code));
            assert(slice_eq(other.reply.attachment_id, whole.reply.attachment_id));
        }
    }
    assert(whole.err != ERR_OK || whole.reply.count <= EC2_XML_ROWS_MAX);
    arena_done(&arena);
    return 0;
}
