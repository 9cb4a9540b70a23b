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

static void tell_planner(struct engine *engine, const char *name, const char *provider_id)
{
    struct plan_event event = { .kind = PLAN_NODE, .now_ns = engine->now_ns };
    struct plan_actions actions;

    event.node.name = slice_of(name);
    event.node.provider_id = slice_of(provider_id);
    plan_step(engine->planner, &event, &actions);
    tell(engine, name, provider_id);
}

static void sweep(struct engine *engine, const char *instance, bool continued, bool more)
{
    struct eni eni = { .subnet = { "subnet-a" }, .status = ENI_IN_USE };
    struct plan_event event = { .kind = PLAN_SWEEP, .now_ns = engine->now_ns };
    struct plan_actions actions;

    require(aws_id_set(&eni.instance, slice_of(instance)) == ERR_OK);
    event.enis.enis = &eni;
    event.enis.count = 1;
    event.enis.asked_ns = 150;
    event.enis.continued = continued;
    event.enis.more = more;
    plan_step(engine->planner, &event, &actions);
    progress_event(engine, &event);
}

/* The list of nodes came in two pieces, and the sweep was asked for between them: it names the
 * second node's ENIs too, so the planner asks for nothing more. */
TEST(engine_progress, a_sweep_covers_whom_it_names_though_they_came_after_it_was_asked_for)
{
    struct plan_config config = { .seed = 1 };
    struct engine engine = { .now_ns = 100, .planner = plan_new(&config) };

    progress_init(&engine);
    tell_planner(&engine, "a", "aws:///us-west-2a/i-0a");
    engine.now_ns = 200;
    tell_planner(&engine, "b", "aws:///us-west-2a/i-0b");
    tell_planner(&engine, "c", "aws:///us-west-2a/i-0c");
    expect_u64(engine.uncovered, 3);
    sweep(&engine, "i-0a", false, true);
    expect_u64(engine.uncovered, 3); /* more is to come */
    sweep(&engine, "i-0b", true, false);
    expect_u64(engine.uncovered, 1); /* c: launched since, it is observed by itself */
    progress_done(&engine);
    plan_free(engine.planner);
}
