/*
 * engine_progress_test.c - what is still awaited is what nobody has told us, and nothing else.
 */
#include "engine/state.h"

#include "test.h"

static void tell(struct engine *engine, const char *name, const char *provider_id)
{
    struct node node = { .name = slice_of(name), .provider_id = slice_of(provider_id) };
    struct ec2_input input;

    expect(progress_node(engine, &node, &input));
    expect(input.kind == EC2_INSTANCE);
}

/* The list of nodes came in two pieces, and the sweep was asked for between them: it names the
 * second node's ENIs too, so the planner asks for nothing more. */
TEST(engine_progress, a_sweep_covers_whom_it_names_though_they_came_after_it_was_asked_for)
{
    struct engine engine = { .now_ns = 100 };
    struct eni enis[2] = { 0 };

    progress_init(&engine);
    tell(&engine, "a", "aws:///us-west-2a/i-0a");
    engine.now_ns = 200;
    tell(&engine, "b", "aws:///us-west-2a/i-0b");
    tell(&engine, "c", "aws:///us-west-2a/i-0c");
    expect_u64(engine.uncovered, 3);
    require(aws_id_set(&enis[0].instance, SLICE("i-0a")) == ERR_OK);
    require(aws_id_set(&enis[1].instance, SLICE("i-0b")) == ERR_OK);
    progress_event(&engine,
                   &(struct plan_event){ .kind = PLAN_SWEEP,
                                         .enis = { .enis = enis, .count = 2, .asked_ns = 150 } });
    expect_u64(engine.uncovered, 1); /* c: launched since, it is observed by itself */
    progress_done(&engine);
}
