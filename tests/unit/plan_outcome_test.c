/*
 * The planner's stories about how orders end: late, twice, for a node that is gone, again and
 * again; and about what they leave behind.
 */
#include "plan_fixture.h"

/* With a third subnet, that has room too. */
static struct story *needy(void)
{
    struct story *s = story_needy_held();

    story_subnet(s, "c", 100);
    return s;
}

/* n1 needs nothing. */
static struct story *idle(void)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    return s;
}

static void node_gone(struct story *s, const char *name)
{
    struct plan_event event = { .kind = PLAN_NODE_GONE, .name = slice_of(name) };

    story_step(s, &event);
}

static void pool_gone(struct story *s, const char *name)
{
    struct plan_event event = { .kind = PLAN_POOL_GONE, .name = slice_of(name) };

    story_step(s, &event);
}

static void result(struct story *s, const struct story_order *order, enum cloud_stage stage,
                   enum cloud_code code)
{
    struct plan_event event = { .kind = PLAN_RESULT };

    event.result = (struct cloud_result){
        .action = order->action.id, .stage = stage, .code = code, .eni = order->eni
    };
    story_step(s, &event);
}

/* ---- results ---- */

TEST(plan_result, of_an_order_that_has_ended_changes_nothing)
{
    struct story *s = needy();
    struct plan_event nothing = { .kind = PLAN_RESULT };

    story_go(s);
    story_step(s, &nothing); /* of action 0, which is nobody's */
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    result(s, &s->orders[0], CLOUD_FAILED, CLOUD_INVALID); /* it has said so already */
    expect_u64(plan_in_flight(s->planner), 6);
    story_wait(s, 30);
    require(s->order_count == 2);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_u64(plan_in_flight(s->planner), 6); /* until a read includes it */
    story_forget(s);
    result(s, &s->orders[1], CLOUD_DONE, CLOUD_OK);
    result(s, &s->orders[1], CLOUD_FAILED, CLOUD_INVALID);
    expect_text(s->trace, "");
    story_wait(s, 10);
    expect_u64(plan_in_flight(s->planner), 0);
    story_forget(s);
    result(s, &s->orders[1], CLOUD_DONE, CLOUD_OK);
    expect_text(s->trace, "");
    expect_u64(story_decision(s, "n1").enis, 2);
    story_end(s);
}

TEST(plan_result, an_eni_that_was_found_by_its_token_needs_no_creation)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-found");
    story_is(s, "n1", PLAN_DECISION_Attaching); /* DeleteOnTermination is still to be set */
    expect_u64(story_decision(s, "n1").enis, 2);
    s->holds = true;
    story_wait(s, 2);
    story_read(s);
    expect_u64(plan_in_flight(s->planner), 6);
    story_wait(s, 2);
    story_read(s);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_result, a_read_may_show_the_eni_before_its_result_does)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
    eni->id = story_id("eni-made");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    story_enis(s, "n1");
    expect_u64(story_decision(s, "n1").enis, 2);
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-made");
    expect_u64(story_decision(s, "n1").enis, 2);
    expect_u64(s->order_count, 1);
    story_end(s);
}

TEST(plan_result, a_long_creation_gives_its_debit_back_and_goes_on)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_wait(s, 12); /* attached late; reads have long included it */
    expect_u64(plan_in_flight(s->planner), 0);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    expect_u64(s->order_count, 1);
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, "eni-made");
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_result, what_was_made_and_counted_is_not_given_back_when_its_pool_is_paused)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_wait(s, 12);
    expect_u64(plan_in_flight(s->planner), 0); /* a read has included it */
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    uint32_t sweeps = s->sweeps;
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, "eni-made"); /* attached or not: who knows */
    story_wait(s, 31);
    expect_u64(plan_in_flight(s->planner), 0);
    expect(s->sweeps > sweeps);
    expect(!story_order(s));
    story_end(s);
}

TEST(plan_result, of_a_node_that_is_gone_is_taken_all_the_same)
{
    static const enum cloud_code codes[] = { CLOUD_INDEX_IN_USE, CLOUD_INSTANCE_STATE,
                                             CLOUD_TOKEN_MISMATCH, CLOUD_INVALID,
                                             CLOUD_UNAVAILABLE };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct story *s = needy();
        story_go(s);
        node_gone(s, "n1");
        story_ends(s, CLOUD_FAILED, codes[i], NULL);
        expect_u64(plan_in_flight(s->planner), 0);
        story_saw_not(s, "ENIAttachFailed");
        story_end(s);
    }
    struct story *s = needy();
    story_go(s);
    node_gone(s, "n1");
    story_forget(s);
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_saw_not(s, "ENIPreAttached");
    story_wait(s, 10);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_result, a_node_that_comes_back_finds_its_own_orders_and_no_others)
{
    struct story *s = needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_go(s);
    node_gone(s, "n1");
    story_send_node(s, "n2");
    node_gone(s, "n2");
    story_send_node(s, "n2"); /* the order of n1 lies there, and is none of its */
    story_is(s, "n2", PLAN_DECISION_Attaching);
    uint32_t before = s->order_count;
    story_send_node(s, "n1");
    story_pods(s, "n1", 5, 1);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    expect_u64(s->order_count, before);
    story_end(s);
}

TEST(plan_result, more_addresses_for_a_node_that_is_gone_are_nobodys)
{
    for (int done = 0; done < 2; done++) {
        struct story *s = needy();
        s->agent.provisioning_disabled = true;
        s->subnets[0].free = 100;
        story_find_eni(s, "eni-n1-0")->ip_count = 2;
        story_pods(s, "n1", 2, 1);
        story_go(s);
        story_saw(s, "assign n1 eni-n1-0 ips=3 prefixes=0 waiting");
        node_gone(s, "n1");
        story_forget(s);
        if (done) {
            story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
        } else {
            story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
        }
        story_saw_not(s, "event");
        story_wait(s, 10);
        expect_u64(plan_in_flight(s->planner), 0);
        story_end(s);
    }
}

TEST(plan_result, a_refused_assignment_is_told_unless_the_lease_or_the_subnet_was_why)
{
    static const struct {
        enum cloud_code code;
        bool told;
    } cases[] = {
        { CLOUD_INVALID, true },
        { CLOUD_IP_LIMIT, true },
        { CLOUD_FENCED, false },
        { CLOUD_SUBNET_FULL, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = needy();
        s->agent.provisioning_disabled = true;
        s->subnets[0].free = 100;
        story_find_eni(s, "eni-n1-0")->ip_count = 2;
        story_pods(s, "n1", 2, 1);
        story_go(s);
        expect_u64(plan_in_flight(s->planner), 3);
        story_ends(s, CLOUD_FAILED, cases[i].code, NULL);
        expect_u64(story_count(s, "event node n1 ENIAttachFailed"), cases[i].told);
        story_end(s);
    }
}

TEST(plan_result, of_a_call_without_a_name_is_told_too)
{
    struct story *s = needy();

    story_go(s);
    result(s, &s->orders[0], CLOUD_FAILED, CLOUD_INVALID);
    story_saw(s, "event node n1 ENIAttachFailed (warning): could not attach an ENI from subnet-b "
                 "to node n1: the EC2 call said INVALID (); tried again with backoff");
    story_end(s);
}

TEST(plan_result, an_attachment_that_ends_after_the_lease_is_told_by_nobody)
{
    struct story *s = needy();

    story_go(s);
    story_lease(s, false);
    story_forget(s);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_text(s->trace, "");
    story_end(s);
}

TEST(plan_result, each_refusal_comes_with_advice)
{
    static const struct {
        enum cloud_code code;
        const char *advice;
    } cases[] = {
        { CLOUD_ENI_QUOTA, "raise the quota \"Network interfaces per Region\" (L-DF5E4CA3)" },
        { CLOUD_NAU_LIMIT, "raise the VPC's quota of network address usage" },
        { CLOUD_ATTACH_LIMIT, "the instance has no free ENI slot" },
        { CLOUD_INSTANCE_STATE, "tried again in a minute" },
        { CLOUD_INVALID, "tried again with backoff" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = needy();
        story_go(s);
        story_ends(s, CLOUD_FAILED, cases[i].code, NULL);
        story_saw(s, cases[i].advice);
        story_end(s);
    }
}

/* ---- again and again ---- */

/* Seconds until the next order. */
static uint32_t next_after(struct story *s, uint32_t most)
{
    uint32_t waited = 0;

    while (!story_order(s) && waited < most) {
        story_wait(s, 1);
        waited++;
    }
    return waited;
}

TEST(plan_again, an_unclear_outcome_is_asked_six_times_and_then_let_go)
{
    struct story *s = needy();
    char token[CLIENT_TOKEN_MAX];

    story_go(s);
    memcpy(token, s->orders[0].action.attach.client_token, sizeof(token));
    for (int i = 0; i < 6; i++) {
        story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
        expect_u64(plan_in_flight(s->planner), 6);
        require(next_after(s, 400) < 400);
        expect_text(s->orders[s->order_count - 1].action.attach.client_token, token);
    }
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_again, what_may_have_happened_is_let_go_with_its_pool_or_its_node)
{
    struct story *s = needy();
    struct slice value = SLICE("no");
    struct selector_requirement none = { SLICE("team"), SELECTOR_IN, &value, 1 };

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    pool_gone(s, "default");
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 100);
    expect_u64(s->order_count, 1);
    story_end(s);

    s = needy();
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    s->pools[0].nodes = (struct label_selector){ &none, 1 };
    story_send_pool(s, "default"); /* it selects the node no longer */
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 100);
    expect_u64(s->order_count, 1);
    story_end(s);

    s = needy();
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    s->nodes[0].node.deleting = true;
    story_send_node(s, "n1");
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 100);
    expect_u64(s->order_count, 1);
    story_end(s);

    s = needy();
    story_pool(s, "heavy")->weight = 9;
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    pool_gone(s, "heavy"); /* another pool serves the node: it orders for itself */
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 100);
    expect_u64(s->order_count, 2);
    expect(strcmp(s->orders[0].action.attach.client_token,
                  s->orders[1].action.attach.client_token) == 0); /* the same need */
    story_end(s);

    s = needy();
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    s->pools[0].dry_run = true;
    story_send_pool(s, "default");
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_again, a_quota_is_probed_ever_less_often)
{
    struct story *s = needy();
    uint32_t waited = 0;

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_QUOTA, NULL);
    waited = next_after(s, 1000);
    expect(waited >= 30 && waited <= 61);
    for (int i = 0; i < 10; i++) {
        story_ends(s, CLOUD_FAILED, CLOUD_ENI_QUOTA, NULL);
        waited = next_after(s, 1000);
        expect(waited >= 30 && waited <= 601);
    }
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_text(s->status.conditions[3].reason, "Reachable");
    story_end(s);
}

TEST(plan_again, a_missing_permission_is_probed_ever_less_often)
{
    struct story *s = needy();
    uint32_t waited = 0;

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    waited = next_after(s, 1000);
    expect(waited >= 15 && waited <= 31);
    for (int i = 0; i < 10; i++) {
        story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
        story_is(s, "n1", PLAN_DECISION_Backoff);
        expect_contains(story_decision(s, "n1").detail, "the last try ended with DENIED");
        waited = next_after(s, 1000);
        expect(waited >= 15 && waited <= 601);
    }
    story_end(s);
}

TEST(plan_again, a_wait_that_is_over_is_due_in_no_seconds)
{
    struct story *s = needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    story_wait(s, 650); /* denied no longer; one probes */
    s->deaf = true;
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, NULL);
    story_is(s, "n2", PLAN_DECISION_Backoff);
    expect_contains(story_decision(s, "n2").detail, "the next is due in 0 s");
    story_end(s);
}

TEST(plan_again, a_node_waits_between_tries_as_long_as_the_cause_asks)
{
    static const struct {
        enum cloud_code code;
        uint32_t least, most;
    } cases[] = {
        { CLOUD_ATTACH_LIMIT, 15, 31 },   { CLOUD_IP_LIMIT, 15, 31 },
        { CLOUD_INSTANCE_STATE, 60, 61 }, { CLOUD_INSTANCE_GONE, 300, 301 },
        { CLOUD_ENI_GONE, 1, 2 },         { CLOUD_ENI_IN_USE, 1, 2 },
        { CLOUD_TOKEN_MISMATCH, 2, 6 },   { CLOUD_FENCED, 1, 2 },
        { CLOUD_GROUP_GONE, 2, 6 },       { CLOUD_THROTTLED, 2, 6 },
        { CLOUD_INVALID, 2, 6 },          { CLOUD_INDEX_IN_USE, 0, 2 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = needy();
        story_go(s);
        story_ends(s, CLOUD_FAILED, cases[i].code, NULL);
        uint32_t waited = next_after(s, 1000);
        if (waited < cases[i].least || waited > cases[i].most) {
            test_fail("%s: tried again after %u s, not %u to %u", cloud_code_name(cases[i].code),
                      waited, cases[i].least, cases[i].most);
        }
        story_end(s);
    }
}

TEST(plan_again, failures_in_a_row_wait_longer_and_success_forgets_them)
{
    struct story *s = needy();
    uint32_t longest = 0;

    story_go(s);
    for (int i = 0; i < 9; i++) {
        story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
        uint32_t waited = next_after(s, 1000);
        longest = waited > longest ? waited : longest;
    }
    expect(longest > 30 && longest <= 301);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_pods(s, "n1", 5, 7); /* one more need */
    require(story_order(s) != NULL);
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    expect(next_after(s, 1000) <= 6);
    story_end(s);
}

/* ---- leftovers ---- */

static struct story_eni *leftover(struct story *s, const char *id)
{
    struct story_eni *eni = story_eni(s, "n1", "b", 7, 4, 0);

    eni->id = story_id(id);
    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[0] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[1] = (struct pair){ SLICE(TAG_CLUSTER), SLICE("demo") };
    eni->tags[2] = (struct pair){ SLICE(TAG_NODE), SLICE("n1") };
    eni->tags[3] = (struct pair){ SLICE(TAG_POOL), SLICE("default") };
    eni->tag_count = 4;
    return eni;
}

TEST(plan_leftover, what_is_not_tagged_as_ours_is_not_touched)
{
    struct story *s = idle();

    leftover(s, "eni-no-intent")->tags[0].key = SLICE("else");
    leftover(s, "eni-no-cluster")->tags[1].key = SLICE("else");
    leftover(s, "eni-attached")->instance = story_id("i-stranger");
    leftover(s, "eni-pending")->status = ENI_PENDING;
    story_go(s);
    story_wait(s, 600);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_leftover, in_a_cluster_without_a_name_nothing_is_known_to_be_ours)
{
    struct story *s = needy();
    struct slice value;

    s->config.cluster_name = s->agent.cluster_name = SLICE("");
    leftover(s, "eni-left")->tags[1].value = SLICE("");
    story_go(s);
    require(s->order_count == 1);
    const struct eni_intent *intent = &s->orders[0].action.attach;
    expect_text(intent->eni.text, "");
    expect(!pair_find(intent->tags, intent->tag_count, SLICE(TAG_CLUSTER), &value));
    expect(!pair_find(intent->tags, intent->tag_count, SLICE(TAG_AGENT_CLUSTER), &value));
    expect(pair_find(intent->tags, intent->tag_count, SLICE(TAG_NODE), &value));
    story_wait(s, 600);
    story_saw_not(s, "delete");
    story_end(s);
}

TEST(plan_leftover, the_clusters_name_comes_from_the_agent_if_nobody_says_it)
{
    struct story *s = needy();

    s->config.cluster_name = SLICE("");
    leftover(s, "eni-left");
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=4 index=2 waiting eni-left");
    story_end(s);
}

TEST(plan_leftover, of_no_node_and_no_pool_goes_without_an_event)
{
    struct story *s = needy();

    leftover(s, "eni-left")->tag_count = 2;
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting\n"); /* it is not for this node */
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 85);
    story_saw_not(s, "delete");
    story_wait(s, 10);
    story_saw(s, "delete eni-left");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_saw_not(s, "LeakedENIDeleted");
    story_end(s);
}

TEST(plan_leftover, that_somebody_else_deletes_is_forgotten)
{
    struct story *s = idle();

    s->pools[0].paused = true;
    leftover(s, "eni-left");
    story_go(s);
    story_wait(s, 30);
    story_forget_eni(s, "eni-left");
    story_sweep(s);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_wait(s, 300);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_leftover, that_a_sweep_misses_at_first_is_not_forgotten)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
    story_wait(s, 5);
    story_sweep(s); /* EC2's reads lag: it is not there yet */
    story_wait(s, 57);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting eni-made");
    story_end(s);
}

TEST(plan_leftover, in_another_zone_or_nowhere_is_deleted_and_not_attached)
{
    static const char *const subnets[] = { "subnet-far", "" };

    for (size_t i = 0; i < 2; i++) {
        struct story *s = needy();
        story_subnet(s, "far", 100)->zone = "us-west-2b";
        struct story_eni *eni = leftover(s, "eni-left");
        eni->subnet = (struct aws_id){ "" };
        if (subnets[i][0]) {
            eni->subnet = story_id(subnets[i]);
        }
        story_go(s);
        story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting\n");
        story_wait(s, 95);
        story_saw(s, "delete eni-left");
        story_end(s);
    }
    /* Nor while its node waits and may not be served. */
    struct story *s = needy();
    leftover(s, "eni-left")->subnet = (struct aws_id){ "" };
    s->pools[0].paused = true;
    story_go(s);
    story_wait(s, 95);
    story_saw_nothing(s);
    s->pools[0].paused = false;
    story_send_pool(s, "default");
    story_saw(s, "delete eni-left");
    story_end(s);
}

TEST(plan_leftover, for_an_instance_or_a_node_that_is_gone_is_deleted_at_once)
{
    for (int node = 0; node < 2; node++) {
        struct story *s = needy();
        story_go(s);
        story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
        story_forget(s);
        if (node) {
            node_gone(s, "n1");
        }
        story_ends(s, CLOUD_FAILED, node ? CLOUD_INVALID : CLOUD_INSTANCE_GONE, "eni-made");
        story_wait(s, 1);
        story_saw(s, "delete eni-made");
        story_end(s);
    }
}

TEST(plan_leftover, waits_as_long_as_the_configuration_says)
{
    struct story *s = needy();

    s->config.leak_grace_ns = 600 * STORY_S;
    s->subnets[0].free = 200;
    story_pods(s, "n1", 0, 0);
    leftover(s, "eni-left");
    story_go(s);
    story_wait(s, 595);
    story_saw_nothing(s);
    story_wait(s, 10);
    story_saw(s, "delete eni-left");
    story_end(s);
}

TEST(plan_leftover, is_kept_for_a_node_that_wants_it_but_not_for_ever)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
    s->pools[0].attach_per_minute = 1; /* no token for this one: it waits for the pool's limit */
    story_send_pool(s, "default");
    for (int i = 0; i < 5; i++) {
        story_wait(s, 50);
        if (story_order(s)) {
            story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
        }
    }
    story_saw_not(s, "delete");
    story_wait(s, 60);
    if (story_order(s) && story_order(s)->action.kind == PLAN_ATTACH) {
        story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
    }
    story_saw(s, "delete eni-made");
    story_end(s);
}

TEST(plan_leftover, is_kept_in_a_dry_run)
{
    struct story *s = idle();

    s->config.dry_run = true;
    leftover(s, "eni-left");
    story_go(s);
    story_wait(s, 600);
    story_saw_nothing(s);
    story_end(s);

    s = idle();
    s->pools[0].dry_run = true;
    leftover(s, "eni-left");
    story_go(s);
    story_wait(s, 600);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_leftover, that_was_attached_while_it_was_to_be_deleted_is_nobodys_business)
{
    struct story *s = idle();

    struct story_eni *eni = leftover(s, "eni-left");
    story_go(s);
    story_wait(s, 95);
    story_saw(s, "delete eni-left");
    story_forget(s);
    eni->instance = s->nodes[0].instance;
    eni->status = ENI_IN_USE;
    story_enis(s, "n1");
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_IN_USE, NULL);
    story_saw_not(s, "LeakedENIDeleted");
    story_wait(s, 300);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_leftover, a_deletion_that_is_denied_holds_everything)
{
    struct story *s = idle();

    leftover(s, "eni-left");
    leftover(s, "eni-other")->tags[0].value = SLICE("headroom-2");
    story_go(s);
    story_wait(s, 95);
    expect_u64(story_count(s, "delete eni"), 2);
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_text(s->status.conditions[3].reason, "Denied");
    story_forget(s);
    story_wait(s, 14);
    story_saw_nothing(s);
    story_wait(s, 30);
    story_saw(s, "delete eni-left");
    story_end(s);
}

TEST(plan_leftover, of_a_node_or_pool_that_goes_is_deleted_in_silence)
{
    struct story *s = idle();

    leftover(s, "eni-left");
    story_pool(s, "second")->weight = 1;
    story_go(s);
    node_gone(s, "n1");
    pool_gone(s, "default");
    story_wait(s, 95);
    story_saw(s, "delete eni-left");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_saw_not(s, "LeakedENIDeleted");
    story_end(s);
}

TEST(plan_leftover, is_still_its_nodes_when_another_node_goes)
{
    struct story *s = idle();

    leftover(s, "eni-left");
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 1, 0);
    story_go(s);
    node_gone(s, "n2");
    story_free(s, "a", 0);
    story_pods(s, "n1", 5, 1);
    story_wait(s, 5);
    story_saw(s, "eni-left");
    expect_u64(story_count(s, "attach n1"), 1);
    story_end(s);
}

TEST(plan_leftover, several_are_kept_apart)
{
    struct story *s = idle();

    leftover(s, "eni-one");
    leftover(s, "eni-two")->tags[0].value = SLICE("headroom-2");
    leftover(s, "eni-three")->tags[0].value = SLICE("headroom-3");
    story_go(s);
    story_wait(s, 95);
    require(s->order_count == 3);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL); /* eni-one: its row is free again */
    leftover(s, "eni-four")->tags[0].value = SLICE("headroom-4");
    story_sweep(s);
    story_wait(s, 95);
    expect_u64(story_count(s, "delete eni-one"), 1);
    expect_u64(story_count(s, "delete eni-two"), 1);
    expect_u64(story_count(s, "delete eni-three"), 1);
    expect_u64(story_count(s, "delete eni-four"), 1);
    story_end(s);
}
