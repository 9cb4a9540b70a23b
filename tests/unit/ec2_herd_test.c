/*
 * ec2_herd_test.c - many nodes that need an ENI at the same time, against the modelled EC2 with the
 * account's documented buckets: as fast as these allow, the neediest first, nobody else throttled;
 * and one ENI for each need, whatever is lost on the way.
 */
#include "ec2_world.h"

enum { NODES_MAX = 1000 };

static struct world world;

/* ---- the story ---- */

static struct {
    uint32_t nodes;
    char tokens[NODES_MAX][16];
    struct aws_id instances[NODES_MAX];
    bool met[NODES_MAX];
    uint64_t met_ns[NODES_MAX];
    uint32_t met_count, failures, free_enis, sweeps_after;
    uint64_t next_id, begun_ns, met_at_ns;
    bool settle;
} story;

static const struct pair story_tags[] = { { { TAG_INTENT, 19 }, { "x", 1 } } };

/* Every second node has pods that wait, as the planner would say it. */
static enum urgency urgency_of(uint32_t node)
{
    return node % 2 == 1 ? URGENT_WAITING : URGENT_FORECAST;
}

static void want(struct world *w, uint32_t node, const struct aws_id *eni)
{
    struct plan_action action = {
        .kind = PLAN_ATTACH,
        .id = ++story.next_id * NODES_MAX + node,
        .urgency = urgency_of(node),
        .rank = node,
        .attach = { .instance = story.instances[node],
                    .subnet = { "subnet-big" },
                    .device_index = 2,
                    .ips = 3,
                    .tags = story_tags,
                    .tag_count = 1 },
    };

    if (eni) {
        action.attach.eni = *eni;
    }
    (void)snprintf(action.attach.client_token, sizeof(action.attach.client_token), "%s",
                   story.tokens[node]);
    world_act(w, action);
}

/* Plays the planner: what failed is tried again, with the ENI if there is one. */
static void meet_needs(struct world *w, const struct plan_event *event)
{
    if (event->kind == PLAN_SWEEP && story.settle) {
        story.sweeps_after++;
        story.free_enis = 0;
        for (uint32_t i = 0; i < event->enis.count; i++) {
            story.free_enis += event->enis.enis[i].instance.text[0] == '\0';
        }
    }
    if (event->kind != PLAN_RESULT) {
        return;
    }
    uint32_t node = (uint32_t)(event->result.action % NODES_MAX);
    if (event->result.stage == CLOUD_DONE) {
        expect(!story.met[node]);
        story.met[node] = true;
        story.met_ns[node] = w->now_ns;
        story.met_count++;
        story.met_at_ns = w->now_ns;
    } else if (event->result.stage == CLOUD_FAILED) {
        story.failures++;
        want(w, node, event->result.eni.text[0] ? &event->result.eni : NULL);
    }
}

static bool all_met(struct world *w)
{
    (void)w;
    return story.met_count == story.nodes;
}

static bool swept(struct world *w)
{
    (void)w;
    return story.sweeps_after > 0;
}

static void start_story(uint32_t nodes, double share)
{
    struct buf scenario;

    memset(&story, 0, sizeof(story));
    story.nodes = nodes;
    buf_init(&scenario, 1024 * 1024);
    buf_add_text(
        &scenario,
        "region: us-west-2\n"
        "vpc: {id: vpc-test, cidrs: [10.0.0.0/16]}\n"
        "subnets:\n"
        "  - {id: subnet-nodes, zone: us-west-2a, cidr: 10.0.0.0/20}\n"
        "  - {id: subnet-big, zone: us-west-2a, cidr: 10.0.64.0/18}\n"
        "latency_ms: {default: 50, CreateNetworkInterface: 350, AttachNetworkInterface: 250}\n"
        "timing: {attach_ms: 300}\n"
        "lag_ms: 2000\n"
        "instances:\n");
    for (uint32_t i = 0; i < nodes; i++) {
        buf_addf(&scenario, "  - {id: i-%04u, type: m5.large, subnet: subnet-nodes}\n", i);
        (void)snprintf(story.instances[i].text, AWS_ID_MAX, "i-%04u", i);
        (void)snprintf(story.tokens[i], sizeof(story.tokens[i]), "token-%04u", i);
    }
    world_start(&world, buf_slice(&scenario), share);
    buf_done(&scenario);
    world.on_event = meet_needs;
    world_step(&world, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    world_tell_instance(&world, "i-0000");
}

static void all_want(void)
{
    story.begun_ns = world.now_ns;
    for (uint32_t i = 0; i < story.nodes; i++) {
        want(&world, i, NULL);
    }
}

/* As EC2 has it in truth: each instance its primary and one more, which goes with it. */
static void expect_one_eni_each(void)
{
    for (uint32_t i = 0; i < story.nodes; i++) {
        uint32_t count = 0;
        arena_reset(&world.arena);
        const struct eni *enis = sim_ec2_instance_enis(world.sim, &world.arena, &story.instances[i],
                                                       &count);
        expect_u64(count, 2);
        if (count == 2) {
            expect_u64(enis[1].device_index, 2);
            expect(enis[1].delete_on_termination);
            expect_u64(enis[1].ip_count, 3);
        }
    }
    story.settle = true;
    expect(world_run(&world, 700 * WORLD_SECOND, swept));
    expect_u64(story.free_enis, 0);
}

static uint64_t throttled_calls(uint64_t *ret_mutations)
{
    struct ec2_stats stats;
    uint64_t throttled = 0;

    ec2_stats(world.ec2, world.now_ns, &stats);
    *ret_mutations = 0;
    for (uint32_t i = 0; i < stats.action_count; i++) {
        throttled += stats.actions[i].throttled;
        *ret_mutations += strncmp(stats.actions[i].action, "Describe", 8) == 0
                              ? 0
                              : stats.actions[i].requests;
    }
    return throttled;
}

/* ---- as fast as the buckets allow ---- */

TEST(ec2, attaches_as_fast_as_the_buckets_allow_and_is_never_throttled)
{
    uint64_t mutations = 0;

    start_story(120, 1);
    all_want();
    expect(world_run(&world, 300 * WORLD_SECOND, all_met));
    expect_u64(throttled_calls(&mutations), 0);
    /* Attach: 50 at once, then 5 a second. */
    uint64_t least = (120 - 50) / 5;
    expect((story.met_at_ns - story.begun_ns) / WORLD_SECOND <= least * 115 / 100 + 2);
    expect_u64(story.failures, 0);
    expect_one_eni_each();
    world_end(&world);
}

/* ---- sharing the account ---- */

static struct {
    struct prng prng;
    uint64_t calls, throttled, due_ns;
} agents;

/* Agents take two thirds of what EC2 refills: ten calls of each kind in three seconds, but no two
 * of them evenly apart. */
#define AGENTS_EVERY_NS (300 * WORLD_MS)

static void agents_call(struct world *w)
{
    static const struct aws_id nobody = { "i-0nobody" }, nothing = { "eni-0nothing" };
    struct eni_intent intent = { .subnet = { "subnet-0nowhere" } };
    struct aws_id eni;

    agents.due_ns += AGENTS_EVERY_NS;
    w->others_at_ns = agents.due_ns + prng_below(&agents.prng, AGENTS_EVERY_NS - WORLD_MS);
    agents.calls += 3;
    agents.throttled += sim_ec2_create_eni(w->sim, w->now_ns, &intent, &eni) == CLOUD_THROTTLED;
    agents.throttled += sim_ec2_attach_eni(w->sim, w->now_ns, &nothing, &nobody, 1) ==
                        CLOUD_THROTTLED;
    agents.throttled += sim_ec2_set_delete_on_termination(w->sim, w->now_ns, &nothing) ==
                        CLOUD_THROTTLED;
}

/* The agents have been at it for a while: their part of the burst is gone. */
static void agents_begin(void)
{
    memset(&agents, 0, sizeof(agents));
    prng_init(&agents.prng, 11);
    world.others = agents_call;
    for (int i = 0; i < 33; i++) {
        agents_call(&world);
    }
    agents.due_ns = world.now_ns;
}

/* What the same agents meet in the same time without us. */
static uint64_t agents_alone(uint32_t nodes, uint64_t for_ns)
{
    start_story(nodes, 0);
    agents_begin();
    (void)world_run(&world, for_ns, NULL);
    world_end(&world);
    return agents.throttled;
}

/* Nodes without waiting pods that were served while one with them was not. */
static uint32_t overtakers(void)
{
    uint64_t last_ns = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < story.nodes; i++) {
        if (urgency_of(i) == URGENT_WAITING && story.met_ns[i] > last_ns) {
            last_ns = story.met_ns[i];
        }
    }
    for (uint32_t i = 0; i < story.nodes; i++) {
        count += urgency_of(i) == URGENT_FORECAST && story.met_ns[i] < last_ns;
    }
    return count;
}

TEST(ec2, serves_a_thousand_nodes_from_its_third_of_the_account_the_neediest_first)
{
    enum { NODES = 1000 };
    uint64_t mutations = 0;

    start_story(NODES, 0); /* the default: a third */
    agents_begin();
    all_want();
    expect(world_run(&world, 1200 * WORLD_SECOND, all_met));
    uint64_t took_ms = (story.met_at_ns - story.begun_ns) / WORLD_MS;
    /* Attach: a third of 50 at once, then a third of 5 a second. */
    uint64_t least_ms = (NODES - 16) * 1000 * 3 / 5;
    uint64_t throttled = agents.throttled;
    expect_u64(throttled_calls(&mutations), 0);
    printf("     measured: %d nodes in %.1f s, the buckets allow %.1f s: %.3f times; %llu calls of "
           "agents, %llu throttled; %.2f calls an ENI; %u overtook\n",
           NODES, (double)took_ms / 1e3, (double)least_ms / 1e3, (double)took_ms / (double)least_ms,
           (unsigned long long)agents.calls, (unsigned long long)throttled,
           (double)mutations / NODES, overtakers());
    expect(took_ms <= least_ms * 115 / 100);
    /* Create, attach, modify, and next to nothing beside. */
    expect(mutations * 10 <= NODES * 32);
    /* What the burst paid for before all were told. */
    expect(overtakers() <= 16);
    expect_one_eni_each();
    world_end(&world);
    expect(throttled <= agents_alone(NODES, took_ms * WORLD_MS));
}

/* The first creates meet an account whose bucket agents have drunk empty. */
TEST(ec2, repeats_what_was_throttled_before_it_begins_what_is_less_needy)
{
    start_story(120, 0);
    world_control(&world, "POST", "/_sim/fault",
                  "{\"kind\":\"throttle\",\"action\":\"CreateNetworkInterface\",\"count\":14}");
    all_want();
    expect(world_run(&world, 1200 * WORLD_SECOND, all_met));
    printf("     measured: %u overtook\n", overtakers());
    expect(overtakers() <= 16); /* what the burst paid for before all were told */
    expect_one_eni_each();
    world_end(&world);
}

/* ---- whatever is lost ---- */

static const char *const faults[] = {
    "{\"kind\":\"lost_reply\",\"action\":\"CreateNetworkInterface\",\"probability\":0.2,"
    "\"count\":\"all\"}",
    "{\"kind\":\"lost_reply\",\"action\":\"AttachNetworkInterface\",\"probability\":0.2,"
    "\"count\":\"all\"}",
    "{\"kind\":\"lost_reply\",\"action\":\"ModifyNetworkInterfaceAttribute\",\"probability\":0.2,"
    "\"count\":\"all\"}",
    "{\"kind\":\"lost_request\",\"probability\":0.1,\"count\":\"all\"}",
    "{\"kind\":\"error\",\"status\":503,\"code\":\"Unavailable\",\"probability\":0.1,\"count\":"
    "\"all\"}",
    "{\"kind\":\"error\",\"status\":500,\"code\":\"InternalError\",\"probability\":0.03,"
    "\"count\":\"all\"}",
    "{\"kind\":\"cut_body\",\"probability\":0.1,\"count\":\"all\"}",
    "{\"kind\":\"throttle\",\"probability\":0.05,\"count\":\"all\"}",
};

static bool stormy;
static uint32_t storms;

/* Each minute EC2 refuses everything for ten seconds; the other faults are always there. */
static void weather(struct world *w)
{
    stormy = !stormy;
    storms += stormy;
    w->others_at_ns = w->now_ns + (stormy ? 10 : 50) * WORLD_SECOND;
    world_control(w, "POST", "/_sim/clear", "{}");
    world_control(w, "POST", "/_sim/lag", "{\"ms\":10000}");
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        world_control(w, "POST", "/_sim/fault", faults[i]);
    }
    if (stormy) {
        world_control(w, "POST", "/_sim/fault", "{\"kind\":\"throttle\",\"count\":\"all\"}");
    }
}

TEST(ec2, leaves_one_eni_for_each_of_500_needs_whatever_is_lost_on_the_way)
{
    uint64_t mutations = 0;

    start_story(500, 1);
    stormy = true;
    storms = 0;
    world.others = weather;
    all_want();
    expect(world_run(&world, 4 * 3600 * WORLD_SECOND, all_met));
    uint64_t throttled = throttled_calls(&mutations);
    printf(
        "     measured: 500 attaches under faults and %u storms in %.0f s: %llu changes asked for, "
        "%llu calls throttled, %u attempts given back\n",
        storms, (double)(story.met_at_ns - story.begun_ns) / 1e9, (unsigned long long)mutations,
        (unsigned long long)throttled, story.failures);
    world.others = NULL;
    world_control(&world, "POST", "/_sim/clear", "{}");
    (void)world_run(&world, 15 * WORLD_SECOND, NULL);
    expect_one_eni_each();
    world_end(&world);
}
