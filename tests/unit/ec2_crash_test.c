/*
 * ec2_crash_test.c - the controller is killed at every call that it makes of EC2, in turn, and
 * comes back: whatever it had begun is finished or undone.
 *
 * The whole engine runs in the simulated world, leader election and all. Each call has three
 * moments to die at: it has left and never arrives; EC2 has done it and the answer is on its way;
 * the answer has been taken in. The world's invariants are checked throughout (no second ENI for a
 * need, none left over, nobody's pods forgotten), and the truth of EC2 at the end.
 */
#include <stdlib.h>

#include "ec2_stories.h"

#define STEP_NS (5 * SIM_MS) /* a request takes 30 ms at least, an answer 70 */
#define BACK_NS (5 * SIM_S)

enum moment { LOST, NOT_ANSWERED, ANSWERED, MOMENTS };

static const char *const moment_names[MOMENTS] = { "left and never arrived",
                                                   "was done and not answered", "was answered" };

struct story {
    const char *scenario;
    uint64_t until_ns;    /* calls made until then are died at */
    const char *refused;  /* an action that EC2 refuses until then; NULL: none */
    uint32_t least, most; /* ENIs of ours in the end, each attached and set to go with its node */
    const char *actions[12]; /* that must be among the calls */
};

/* ---- one run ---- */

static struct world *begin(const struct story *story)
{
    struct world_config config = { .scenario = slice_of(story->scenario),
                                   .name = SLICE("crash"),
                                   .seed = 4,
                                   .column = WORLD_HEADROOM,
                                   .check = true };
    struct world *world = NULL;
    struct error error = { 0 };

    require_ok(world_new(&config, &world, &error), &error);
    if (story->refused) {
        struct sim_fault *fault = &world->ec2->faults[world->ec2->fault_count++];
        *fault = (struct sim_fault){ .kind = FAULT_ERROR,
                                     .count = UINT32_MAX,
                                     .probability = 1,
                                     .cut_after = SIZE_MAX,
                                     .code = "IncorrectState",
                                     .message = "The instance is not running",
                                     .status = 400 };
        (void)snprintf(fault->action, sizeof(fault->action), "%s", story->refused);
        (void)snprintf(fault->who, sizeof(fault->who), "%.*s",
                       SLICE_ARG(world->ec2->identities[0].who));
    }
    return world;
}

static struct slice action_of(const struct world_call *call)
{
    struct slice rest = call->body, name = slice_cut(&rest, '&');

    (void)slice_cut(&name, '=');
    return name;
}

static bool to_ec2(const struct world_call *call)
{
    return call->used && !call->orphan && call->kind == FETCH_HTTP && !call->to_kube;
}

/* The call with the least id above `after`: the next one that was sent. */
static struct world_call *next_call(struct world *world, uint64_t after)
{
    struct world_call *next = NULL;

    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct world_call *call = &world->calls[i];
        if (to_ec2(call) && call->id > after && (!next || call->id < next->id)) {
            next = call;
        }
    }
    return next;
}

static struct world_call *same_call(struct world *world, uint64_t id)
{
    struct world_call *call = next_call(world, id - 1);

    return call && call->id == id ? call : NULL;
}

/* Runs until the n-th call has been sent; NULL: there are not so many. Names go to `ret_names`. */
static struct world_call *run_to_call(struct world *world, const struct story *story, uint32_t n,
                                      struct slice *ret_names)
{
    uint64_t last = 0, at_ns = 0;

    for (uint32_t sent = 0; at_ns < story->until_ns;) {
        struct world_call *call = next_call(world, last);
        if (!call) {
            at_ns += STEP_NS;
            (void)world_run(world, at_ns);
            continue;
        }
        last = call->id;
        if (ret_names) {
            ret_names[sent] = arena_slice(test_arena(), action_of(call));
        }
        if (++sent == n) {
            return call;
        }
    }
    return NULL;
}

static void die(struct world *world, struct world_call *call, enum moment moment)
{
    uint64_t id = call->id, at_ns = world_now_ns(world);

    if (moment == LOST) {
        call->body = SLICE(""); /* what arrives asks for nothing */
    }
    while (moment != LOST && (call = same_call(world, id)) &&
           (moment == ANSWERED || call->phase == CALL_UP)) {
        at_ns += STEP_NS;
        (void)world_run(world, at_ns);
    }
    world_stop_engine(world);
    world->engine_back_ns = world->now_ns + BACK_NS;
    world->heal_ns = world->engine_back_ns > world->heal_ns ? world->engine_back_ns
                                                            : world->heal_ns;
}

/* ---- what must be in the end ---- */

static uint32_t check_enis(struct world *world, const char *when)
{
    uint32_t ours = 0;

    for (uint32_t i = 0; i < world->ec2->eni_rows; i++) {
        const struct sim_eni *eni = &world->ec2->enis[i];
        struct slice intent;
        if (!eni->used || eni->gone_ns != TIMERS_NEVER ||
            !sim_tags_find(world->ec2, &eni->now.tags, SLICE(TAG_INTENT), &intent)) {
            continue;
        }
        ours++;
        if (eni->now.attach != ATTACH_ATTACHED || !eni->now.delete_on_termination) {
            test_fail("%s: %s is %s", when, eni->id.text,
                      eni->now.attach != ATTACH_ATTACHED ? "attached to nothing"
                                                         : "not set to go with its node");
        }
    }
    return ours;
}

static void finish(struct world *world, const struct story *story, const char *when)
{
    uint32_t count = 0;

    while (world_run(world, UINT64_MAX / 4)) {
    }
    const struct world_violation *violations = world_violations(world, &count);
    if (count > 0) {
        test_fail("%s: at %.3f s %s", when, (double)violations[0].at_ns / 1e9, violations[0].text);
    }
    if (world->waiting > 0) {
        test_fail("%s: %u pods still wait", when, world->waiting);
    }
    uint32_t ours = check_enis(world, when);
    if (ours < story->least || ours > story->most) {
        test_fail("%s: %u ENIs of ours, wanted %u to %u", when, ours, story->least, story->most);
    }
    world_free(world);
}

static bool reads_only(struct slice action)
{
    return slice_starts(action, SLICE("Describe"));
}

/* Whether it changes something, or is the first such read since the last change: the later ones are
 * the same again, and have their turn with HEADROOM_LONG=1 only. */
static bool is_new(const struct slice *names, uint32_t at)
{
    uint32_t same = 0;

    for (uint32_t i = at; i > 0 && reads_only(names[i - 1]); i--) {
        same += slice_eq(names[i - 1], names[at]);
    }
    return !reads_only(names[at]) || same < 1 || getenv("HEADROOM_LONG");
}

/* Undisturbed: how many calls there are, and which. */
static uint32_t count_calls(const struct story *story, struct slice *names, uint32_t most)
{
    struct world *world = begin(story);
    uint32_t count = 0;

    (void)run_to_call(world, story, most, names);
    finish(world, story, "undisturbed");
    while (count < most && names[count].len > 0) {
        count++;
    }
    expect(count < most);
    for (uint32_t i = 0; story->actions[i]; i++) {
        bool found = false;
        for (uint32_t j = 0; j < count; j++) {
            found = found || slice_is(names[j], story->actions[i]);
        }
        if (!found) {
            test_fail("no %s is among the calls", story->actions[i]);
        }
    }
    return count;
}

static void die_at_every_call(const struct story *story)
{
    enum { CALLS = 400 };
    struct slice *names = ARENA_ARRAY(test_arena(), struct slice, CALLS);
    uint32_t count = count_calls(story, names, CALLS);

    uint32_t deaths = 0;

    printf("     killed at:");
    for (uint32_t n = 1; n <= count; n++) {
        if (!is_new(names, n - 1)) {
            continue;
        }
        printf(" %.*s", SLICE_ARG(names[n - 1]));
        for (enum moment moment = 0; moment < MOMENTS; moment++) {
            struct world *world = begin(story);
            struct world_call *call = run_to_call(world, story, n, NULL);
            require(call != NULL);
            char when[160];
            (void)snprintf(when, sizeof(when), "killed when call %u, %.*s, %s", n,
                           SLICE_ARG(names[n - 1]), moment_names[moment]);
            die(world, call, moment);
            finish(world, story, when);
            deaths++;
        }
    }
    printf("\n     measured: %u deaths at %d moments of a call\n", deaths, MOMENTS);
}

/* ---- stories ---- */

TEST(ec2, finishes_an_attach_wherever_it_is_killed)
{
    static const struct story story = {
        .scenario = STORY_ATTACH,
        .until_ns = 25 * SIM_S,
        .least = 1,
        .most = 1,
        .actions = { "DescribeSubnets", "DescribeNetworkInterfaces", "DescribeRouteTables",
                     "DescribeSecurityGroups", "CreateNetworkInterface", "AttachNetworkInterface",
                     "ModifyNetworkInterfaceAttribute" },
    };

    die_at_every_call(&story);
}

TEST(ec2, undoes_what_nobody_needs_any_more_wherever_it_is_killed)
{
    static const struct story story = {
        .scenario = STORY_UNDO,
        .until_ns = 420 * SIM_S,
        .refused = "AttachNetworkInterface",
        .actions = { "CreateNetworkInterface", "AttachNetworkInterface", "DeleteNetworkInterface" },
    };

    die_at_every_call(&story);
}

TEST(ec2, finishes_an_assignment_wherever_it_is_killed)
{
    static const struct story story = {
        .scenario = STORY_ASSIGN,
        .until_ns = 300 * SIM_S,
        .least = 1,
        .most = 2, /* how many it takes depends on when it comes back */
        .actions = { "CreateNetworkInterface", "AttachNetworkInterface",
                     "AssignPrivateIpAddresses" },
    };

    die_at_every_call(&story);
}
