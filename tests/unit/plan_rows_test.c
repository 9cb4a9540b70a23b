/*
 * The planner's stories about what its rows keep: maps, limits, ENIs, strings, memory.
 */
#include "plan_fixture.h"

#include "plan/state.h" /* the rows */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

TEST(plan_rows, an_address_takes_the_block_that_it_lies_in_and_no_other)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = NULL;

    s->agent.prefix_delegation = true;
    eni = story_eni(s, "n1", "b", 1, 0, 0);
    story_go(s);
    for (uint32_t at = 0; at < 256; at++) {
        eni->primary_ip = s->subnets[1].base + at;
        story_sweep(s);
        /* AWS keeps addresses in the first and in the last one. */
        uint32_t wanted = at < 16 || at >= 240 ? 14 : 13;
        const struct subnet_row *subnet = &s->planner->subnets[1];
        if (subnet->blocks != wanted) {
            test_fail("address %u leaves %u blocks", at, subnet->blocks);
        }
    }
    story_end(s);
}

TEST(plan_rows, a_subnet_that_is_larger_than_its_map_is_not_mapped)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    s->agent.prefix_delegation = true;
    s->subnets[1].bits = 16; /* and begins a /24 after a multiple of it */
    story_go(s);
    story_sweep(s);
    expect(s->planner->subnets[0].mapped);
    expect(!s->planner->subnets[1].mapped);
    story_end(s);
}

TEST(plan_rows, a_sweep_that_is_under_way_is_given_fifteen_seconds_before_another_is_asked_for)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event settings = { .kind = PLAN_AGENT };

    story_go(s);
    s->deaf = true;
    s->now_ns += 100 * STORY_S;
    s->planner->sweep_sent_ns = s->now_ns; /* not answered yet */
    s->agent.prefix_delegation = true;
    settings.agent = s->agent;
    story_step(s, &settings);
    story_subnet(s, "c", 200);
    story_read(s);
    expect_u64(s->planner->sweep_due_ns, s->now_ns + 15 * STORY_S);
    story_end(s);
}

TEST(plan_rows, a_prefix_eni_is_mended_with_what_it_has)
{
    for (int reversed = 0; reversed < 2; reversed++) {
        struct story *s = story_one("t3.medium", 0, 200, 200);
        struct story_eni *eni = story_eni(s, "n1", "b", 1, 0, 3);
        s->agent.prefix_delegation = true;
        s->holds = true;
        s->reversed = reversed;
        eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
        eni->delete_on_termination = false;
        story_go(s);
        story_saw(s, "attach n1 subnet-b prefixes=3 index=1 refresh eni-n1-agent-1");
        story_end(s);
    }
}

TEST(plan_rows, what_is_told_again_and_again_fills_no_memory)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct plan_event cloud = { .kind = PLAN_CLOUD };
    struct plan_event settings = { .kind = PLAN_AGENT, .agent = s->agent };
    size_t total[2] = { 0 };

    cloud.cloud.code = CLOUD_THROTTLED;
    cloud.cloud.operation = cloud.cloud.message = SLICE("DescribeSubnets");
    story_go(s);
    for (int i = 0; i < 40; i++) {
        story_step(s, &cloud);
        story_step(s, &settings);
        story_send_pool(s, "default");
        const struct planner *p = s->planner;
        total[i > 0] = p->arena.total + p->cloud_arena.total + p->agent_arena.total +
                       p->pools[0].arena.total;
    }
    expect_u64(total[1], total[0]);
    story_end(s);
}

/* Its agent still grows where it is, so that only an ENI ahead of need is thought of. */
TEST(plan_rows, a_pod_that_has_waited_long_brings_no_eni_ahead_of_need_before_the_pause_is_over)
{
    struct story *s = story_one("t3.medium", 3, 200, 200);

    s->agent.warm_ip_target = 1;
    story_pods(s, "n1", 3, 1);
    story_go(s);
    s->deaf = true;
    s->now_ns += 100 * STORY_S;
    struct node_row *node = &s->planner->nodes[0];
    node->hand_back_ns = s->now_ns + 60 * STORY_S;
    node->waiting_ns = s->now_ns - 50 * STORY_S;
    struct link *a = &s->planner->pools[0].links[0];
    a->dying = a->leaving = a->ending = true;
    plan_dirty(s->planner, 0);
    struct plan_event tick = { .kind = PLAN_TICK };
    story_step(s, &tick);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    expect_contains(story_decision(s, "n1").detail, "the next one may follow in 60 s: ");
    story_end(s);
}

/* What was given is found when its time is up, and not put off then. */
TEST(plan_rows, what_the_agent_gets_later_puts_nothing_off_that_it_has_found)
{
    for (uint64_t early_ns = 0; early_ns <= 1; early_ns++) {
        struct story *s = story_one("t3.medium", 3, 200, 200);
        story_pods(s, "n1", 0, 0);
        story_go(s);
        s->now_ns += 100 * STORY_S;
        struct node_eni *eni = s->planner->nodes[0].enis;
        eni->unseen = 2;
        eni->unseen_ns = s->now_ns + early_ns;
        story_find_eni(s, "eni-n1-0")->ip_count = 4;
        story_enis(s, "n1");
        expect_u64(story_decision(s, "n1").addresses, early_ns > 0 ? 2 : 4);
        story_end(s);
    }
}

TEST(plan_rows, orders_that_have_ended_make_room_for_others)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = story_eni(s, "n1", "b", 1, 5, 0);

    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->delete_on_termination = false;
    story_go(s);
    for (int i = 0; i < 10; i++) {
        story_wait(s, 61);
        eni->delete_on_termination = false; /* somebody's whim */
        story_enis(s, "n1");
    }
    expect(s->order_count >= 10);
    expect(s->planner->order_count <= 2);
    /* What has no number is of no order, and not of a row that is free. */
    struct plan_event event = { .kind = PLAN_RESULT, .result = { .stage = CLOUD_DONE } };
    story_wait(s, 1);
    expect_u64(s->planner->orders[0].id, 0);
    story_step(s, &event);
    story_end(s);
}

TEST(plan_rows, on_a_machine_that_has_just_booted_all_is_as_on_any_other)
{
    static const uint64_t starts_ns[] = { 1, 2, STORY_S, 1000 * STORY_S };

    for (size_t i = 0; i < COUNT(starts_ns); i++) {
        struct story *s = story_needy();
        s->now_ns = s->began_ns = starts_ns[i];
        story_go(s);
        story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
        story_wait(s, 1);
        story_saw(s, "ENIPreAttached");
        story_pods(s, "n1", 10, 0);
        story_enis(s, "n1");
        story_pods(s, "n1", 8, 0);
        struct plan_event tick = { .kind = PLAN_TICK };
        s->now_ns += COOLING_NS;
        story_step(s, &tick);
        expect_u64(node_cooling(s->planner, &s->planner->nodes[0]), 2);
        s->now_ns += COOLING_NS;
        story_step(s, &tick);
        expect_u64(node_cooling(s->planner, &s->planner->nodes[0]), 0);
        story_end(s);
    }
}

/* What a whole ENI takes, with its own address; and what is wanted of one. */
TEST(plan_rows, a_node_is_decided_anew_when_a_subnet_comes_to_have_what_it_wants)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_pods(s, "n1", 2, 0); /* three are free, five are wanted */
    story_go(s);
    expect_u64(s->planner->zones[0].sizes, UINT64_C(1) << 6 | UINT64_C(1) << 3);
    story_end(s);
}

TEST(plan_rows, limits_of_a_type_are_known_when_both_are)
{
    static const struct {
        uint32_t enis, ips;
        bool known;
    } rows[] = {
        { 0, 5, false }, { 5, 0, false }, { 0, 0, false }, { 1, 1, true }, { 2, 6, true }
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("x9.odd", 5, 0, 200);
        struct plan_event type = { .kind = PLAN_TYPE };
        story_go(s);
        type.type = (struct instance_type){ .name = SLICE("x9.odd"),
                                            .enis = rows[i].enis,
                                            .ips_per_eni = rows[i].ips };
        story_step(s, &type);
        expect_u64(story_kind(s, "n1") != PLAN_DECISION_Incomplete, rows[i].known);
        story_end(s);
    }
}

TEST(plan_rows, a_string_that_is_set_says_whether_it_is_another)
{
    struct strings strings;
    uint32_t handle = 0;

    strings_init(&strings);
    expect(strings_set(&strings, &handle, SLICE("one")));
    expect(!strings_set(&strings, &handle, SLICE("one")));
    expect(strings_set(&strings, &handle, SLICE("two")));
    expect_u64(strings_find(&strings, SLICE("one")), INDEX_NONE);
    expect_slice(strings_get(&strings, handle), "two");
    expect(strings_set(&strings, &handle, SLICE("")));
    expect_u64(handle, 0);
    strings_done(&strings);
}

/* The agent makes an ENI, or more addresses; what we add is found later for it. */
TEST(plan_rows, only_the_agents_own_success_puts_off_that_it_finds_ours)
{
    static const struct {
        bool ours, grown, put_off;
    } rows[] = { { false, false, true }, { true, false, false }, { true, true, true } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_one("m5.large", 5, 200, 200);
        story_pods(s, "n1", 0, 0);
        s->holds = true;
        story_go(s);
        s->planner->nodes[0].enis[0].unseen_ns = s->now_ns + 10 * STORY_S;
        struct story_eni *eni = story_eni(s, "n1", "b", 1, 2, 0);
        if (rows[i].ours) {
            eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
        }
        s->now_ns += STORY_S;
        story_enis(s, "n1");
        if (rows[i].grown) {
            eni->ip_count++;
            story_enis(s, "n1");
        }
        uint64_t unseen_ns = s->planner->nodes[0].enis[0].unseen_ns;
        expect_u64(unseen_ns, s->now_ns + (rows[i].put_off ? UNSEEN_NS : 9 * STORY_S));
        story_end(s);
    }
}

TEST(plan_rows, an_attachment_may_be_told_by_its_end_alone)
{
    struct story *s = story_needy_held();
    struct plan_event event = { .kind = PLAN_RESULT };

    story_go(s);
    event.result.action = story_order(s)->action.id;
    event.result.stage = CLOUD_DONE;
    event.result.eni = story_id("eni-made");
    s->deaf = true;
    story_order(s)->open = false;
    story_step(s, &event);
    expect_u64(s->planner->nodes[0].eni_count, 2);
    expect(enis_find(&s->planner->nodes[0], &event.result.eni) != NULL);
    expect_u64(s->planner->pools[0].own_enis, 1);
    story_end(s);
}

TEST(plan_rows, the_enis_of_an_instance_go_with_it)
{
    struct story *s = story_needy();

    story_go(s);
    story_wait(s, 1);
    expect_u64(s->planner->nodes[0].eni_count, 2);
    expect_u64(s->planner->pools[0].own_enis, 1);
    s->deaf = true;
    s->nodes[0].instance = story_id("i-other");
    story_send_node(s, "n1");
    expect_u64(s->planner->nodes[0].eni_count, 0);
    expect_u64(s->planner->pools[0].own_enis, 0);
    story_end(s);
}

/* In whatever order EC2 lists them. */
TEST(plan_rows, each_tag_of_a_subnet_says_for_which_cluster_it_is)
{
    static const struct {
        const char *cluster;
        bool excluded;
    } rows[] = { { "kubernetes.io/cluster/other", false },
                 { "cni.networking.k8s.aws/cluster/other", true },
                 { "cni.networking.k8s.aws/cluster/demo", false } };

    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct story *s = story_one("t3.medium", 5, 200, 200);
        story_tag(&s->subnets[1], rows[i / 2].cluster, "shared");
        s->reversed = i % 2;
        story_go(s);
        expect_u64(s->planner->subnets[1].excluded, rows[i / 2].excluded);
        story_end(s);
    }
}

/* A sweep shows it before its result comes. */
TEST(plan_rows, an_eni_with_the_token_of_an_order_is_no_leftover)
{
    for (uint32_t known = 0; known < 2; known++) {
        struct story *s = story_needy_held();
        story_go(s);
        const struct eni_intent *intent = &story_order(s)->action.attach;
        struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
        eni->instance = (struct aws_id){ "" };
        eni->status = ENI_AVAILABLE;
        for (uint32_t i = 0; i < intent->tag_count; i++) {
            eni->tags[eni->tag_count++] = intent->tags[i];
        }
        if (!known) {
            eni->tags[0].value = SLICE("headroom-of-another-time");
        }
        s->deaf = true;
        story_sweep(s);
        expect_u64(s->planner->leftover_count, known ? 0 : 1);
        story_end(s);
    }
}

TEST(plan_rows, an_eni_that_could_not_be_deleted_is_not_attached_either)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
    struct plan_event tick = { .kind = PLAN_TICK };

    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_CLUSTER), SLICE("demo") };
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_NODE), SLICE("n1") };
    s->holds = true;
    s->pools[0].paused = true; /* or it were attached at once */
    story_pods(s, "n1", 5, 1);
    story_go(s);
    s->now_ns += 301 * STORY_S;
    story_step(s, &tick);
    story_saw(s, "delete eni-n1-agent-2");
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_free(s, "b", 200);
    story_enis(s, "n1");
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting\n");
    story_end(s);
}

TEST(plan_rows, a_cluster_may_be_called_by_one_letter)
{
    struct story *s = story_needy_held();
    struct slice value = SLICE("");

    s->config.cluster_name = SLICE("d");
    story_go(s);
    const struct eni_intent *intent = &story_order(s)->action.attach;
    expect(pair_find(intent->tags, intent->tag_count, SLICE(TAG_CLUSTER), &value));
    expect_slice(value, "d");
    story_end(s);
}

TEST(plan_rows, seconds_that_have_begun_are_told_as_whole_ones)
{
    static const struct {
        uint64_t left_ns;
        const char *said;
    } rows[] = { { 33 * STORY_S, "is due in 33 s" },
                 { 32 * STORY_S + 1, "is due in 33 s" },
                 { 32 * STORY_S, "is due in 32 s" },
                 { 1, "is due in 1 s" } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_needy_held();
        story_go(s);
        story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, NULL);
        s->planner->nodes[0].backoff_ns = s->now_ns + rows[i].left_ns;
        expect_contains(story_decision(s, "n1").detail, rows[i].said);
        story_end(s);
    }
}

TEST(plan_rows, a_follower_mends_nothing)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = story_eni(s, "n1", "b", 1, 5, 0);

    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->delete_on_termination = false;
    s->gone = true;
    story_tell_kube(s);
    story_read(s);
    story_enis(s, "n1");
    story_saw_nothing(s);
    story_lease(s, true);
    story_saw(s, "attach n1 subnet-b ips=5 index=1 refresh eni-n1-agent-1");
    story_end(s);
}

TEST(plan_rows, a_pool_that_is_paused_or_dry_has_nothing_mended)
{
    for (int paused = 0; paused <= 1; paused++) {
        struct story *s = story_one("t3.medium", 5, 200, 200);
        struct story_eni *eni = story_eni(s, "n1", "b", 1, 5, 0);
        eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
        eni->delete_on_termination = false;
        s->pools[0].paused = paused;
        s->pools[0].dry_run = !paused;
        story_go(s);
        story_wait(s, 61);
        story_saw_nothing(s);
        s->pools[0].paused = s->pools[0].dry_run = false;
        story_send_pool(s, "default");
        story_wait(s, 1);
        story_saw(s, "attach n1 subnet-b ips=5 index=1 refresh eni-n1-agent-1");
        story_end(s);
    }
}

/* EC2 would give the ENI that is gone, or in use elsewhere, for the same token. */
TEST(plan_rows, an_eni_that_is_gone_is_not_asked_for_by_its_token_again)
{
    static const enum cloud_code codes[] = { CLOUD_ENI_GONE, CLOUD_ENI_IN_USE };

    for (size_t i = 0; i < COUNT(codes); i++) {
        struct story *s = story_needy_held();
        char token[CLIENT_TOKEN_MAX];
        story_go(s);
        memcpy(token, story_order(s)->action.attach.client_token, sizeof(token));
        story_ends(s, CLOUD_FAILED, codes[i], NULL);
        s->now_ns = s->planner->nodes[0].backoff_ns;
        story_read(s);
        story_enis(s, "n1");
        require(story_order(s) != NULL);
        expect(strcmp(story_order(s)->action.attach.client_token, token) != 0);
        story_end(s);
    }
}
