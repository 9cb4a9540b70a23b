/*
 * The planner's stories about what goes wrong: refusals, lost answers, crashes, leftovers,
 * hand-backs.
 */
#include "plan_fixture.h"

/* With a third subnet, that has room too. */
static struct story *needy(void)
{
    struct story *s = story_needy_held();

    story_subnet(s, "c", 100);
    return s;
}

static const char *token_of(const struct story_order *order)
{
    return order->action.attach.client_token;
}

/* ---- refusals ---- */

TEST(plan_fail, a_full_subnet_sends_the_node_to_the_next_one_in_the_same_step)
{
    struct story *s = needy();

    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting");
    story_forget(s);
    s->deaf = true;
    story_ends(s, CLOUD_FAILED, CLOUD_SUBNET_FULL, NULL);
    story_saw(s, "event pool default SubnetExhausted (warning): subnet-b (us-west-2a) has 200 of "
                 "251 addresses free, "
                 "but EC2 refused to give one");
    story_saw(s, "attach n1 subnet-c ips=5 index=2 waiting");
    story_end(s);
}

TEST(plan_fail, a_refused_subnet_reopens_with_the_next_read_and_not_by_an_older_one)
{
    struct story *s = needy();

    story_go(s);
    s->deaf = true;
    story_ends(s, CLOUD_FAILED, CLOUD_SUBNET_FULL, NULL);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 1);
    story_forget(s);
    story_read(s);
    story_saw(s, "event pool default SubnetRecovered: subnet-b (us-west-2a) has 200 of 251 "
                 "addresses free again");
    story_end(s);
}

TEST(plan_fail, each_face_of_exhaustion_is_known)
{
    static const enum cloud_code faces[] = { CLOUD_SUBNET_FULL, CLOUD_SUBNET_SHORT,
                                             CLOUD_SUBNET_GONE };

    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        struct story *s = needy();
        story_go(s);
        s->deaf = true;
        story_ends(s, CLOUD_FAILED, faces[i], NULL);
        story_saw(s, "attach n1 subnet-c ips=5 index=2 waiting");
        story_end(s);
    }
}

TEST(plan_fail, a_subnet_that_is_gone_is_the_pools_no_longer)
{
    struct story *s = needy();

    story_go(s);
    expect_u64(s->status.subnet_count, 3);
    s->deaf = true;
    story_ends(s, CLOUD_FAILED, CLOUD_SUBNET_GONE, NULL);
    story_wait(s, 20);
    expect_u64(s->status.subnet_count, 2);
    expect_text(s->status.subnets[1].id.text, "subnet-c");
    story_end(s);
}

TEST(plan_fail, a_subnet_without_a_block_is_fragmented_after_the_refusal)
{
    struct story *s = needy();

    s->agent.prefix_delegation = true;
    s->agent.warm_prefix_target = 1;
    story_find_eni(s, "eni-n1-0")->ip_count = 0;
    story_find_eni(s, "eni-n1-0")->prefix_count = 1;
    story_pods(s, "n1", 16, 1);
    story_go(s);
    story_saw(s, "attach n1 subnet-b prefixes=2 index=2 waiting");
    story_ends(s, CLOUD_FAILED, CLOUD_NO_PREFIX, NULL);
    story_saw(s, "event pool default SubnetFragmented");
    story_saw(s, "attach n1 subnet-c prefixes=2 index=2 waiting");
    story_end(s);
}

TEST(plan_fail, an_index_in_use_is_avoided_and_the_same_eni_is_attached)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_INDEX_IN_USE, "eni-made");
    story_wait(s, 2);
    story_saw(s, "attach n1 subnet-b ips=5 index=1 waiting eni-made");
    expect_u64(story_count(s, "attach n"), 1);
    story_end(s);
}

TEST(plan_fail, an_eni_that_the_instance_will_not_take_is_deleted_once)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_ATTACH_LIMIT, "eni-made");
    story_is(s, "n1", PLAN_DECISION_AtENILimit);
    story_wait(s, 5);
    expect_u64(story_count(s, "delete eni-made"), 1);
    expect_u64(story_order(s)->action.rank, UINT32_MAX); /* nothing waits for it */
    expect_u64(story_count(s, "attach n"), 0);
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_GONE, NULL);
    story_wait(s, 5);
    expect_u64(story_count(s, "delete eni-made"), 1);
    story_end(s);
}

TEST(plan_fail, a_stopped_instance_is_left_alone_for_a_minute)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, "eni-made");
    story_is(s, "n1", PLAN_DECISION_Backoff);
    story_wait(s, 55);
    story_saw_nothing(s);
    story_wait(s, 10);
    story_saw(s, "attach n1 subnet-b ips=5 index=2 waiting eni-made");
    story_end(s);
}

TEST(plan_fail, a_denied_action_names_the_permission_and_holds_everything)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    story_saw(s, "event pool default CloudAPIDenied (warning): EC2 denied CreateNetworkInterface "
                 "for node n1 (EC2 says "
                 "no); grant ec2:CreateNetworkInterface to the controller's role");
    expect_u64(s->status.conditions[3].value, CONDITION_FALSE);
    expect_text(s->status.conditions[3].reason, "Denied");
    expect_text(s->status.conditions[0].reason, "Denied");
    story_is(s, "n1", PLAN_DECISION_Backoff);
    story_forget(s);
    story_wait(s, 10);
    story_saw_nothing(s);
    story_wait(s, 60);
    story_saw(s, "attach n1");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 1);
    expect_u64(s->status.conditions[3].value, CONDITION_TRUE);
    story_end(s);
}

TEST(plan_fail, a_quota_stops_all_nodes_and_one_order_probes)
{
    struct story *s = needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    story_go(s);
    expect_u64(story_count(s, "attach n"), 2);
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_QUOTA, NULL);
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_QUOTA, NULL);
    story_is(s, "n1", PLAN_DECISION_CloudQuota);
    expect_text(s->status.conditions[3].reason, "ENIQuotaReached");
    story_wait(s, 20);
    story_saw_nothing(s);
    story_wait(s, 280);
    expect_u64(story_count(s, "attach n"), 1);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 1);
    expect_u64(story_count(s, "attach n"), 2);
    expect_u64(s->status.conditions[3].value, CONDITION_TRUE);
    story_end(s);
}

/* Three nodes want an ENI at the end of each hold; the first that is refused speaks for all. */
static void one_probes(enum cloud_code code)
{
    struct story *s = needy();

    story_node(s, "n2", "t3.medium", "a", 5);
    story_pods(s, "n2", 5, 1);
    story_node(s, "n3", "t3.medium", "a", 5);
    story_pods(s, "n3", 5, 1);
    story_go(s);
    expect_u64(story_count(s, "attach n"), 3);
    for (uint32_t i = 0; i < 3; i++) {
        story_ends(s, CLOUD_FAILED, code, NULL);
    }
    story_wait(s, 61); /* the first hold: three refusals at once are one */
    for (uint32_t probe = 0; probe < 3; probe++) {
        uint32_t waited = 0;
        story_forget(s);
        story_ends(s, CLOUD_FAILED, code, NULL);
        story_saw_nothing(s);
        while (story_count(s, "attach n") == 0 && waited++ < 700) {
            story_wait(s, 1);
        }
        expect_u64(story_count(s, "attach n"), 1);
        expect(waited >= 15);
    }
    story_end(s);
}

TEST(plan_fail, nobody_follows_a_probe_that_the_quota_refuses)
{
    one_probes(CLOUD_NAU_LIMIT);
}

TEST(plan_fail, nobody_follows_a_probe_that_lacks_a_permission)
{
    one_probes(CLOUD_DENIED);
}

TEST(plan_fail, an_unclear_outcome_is_asked_again_with_the_same_token)
{
    struct story *s = needy();
    char token[CLIENT_TOKEN_MAX];

    story_go(s);
    memcpy(token, token_of(&s->orders[0]), sizeof(token));
    expect_u64(plan_in_flight(s->planner), 6);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    story_is(s, "n1", PLAN_DECISION_Attaching);
    expect_u64(plan_in_flight(s->planner), 6); /* it may have been made */
    story_wait(s, 30);
    require(s->order_count == 2);
    expect_text(token_of(&s->orders[1]), token);
    expect(s->orders[0].action.id != s->orders[1].action.id);
    expect_text(s->orders[1].action.attach.subnet.text, s->orders[0].action.attach.subnet.text);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 10);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_fail, a_mismatched_token_gets_a_new_salt_after_a_look_around)
{
    struct story *s = needy();

    story_go(s);
    uint32_t sweeps = s->sweeps;
    story_ends(s, CLOUD_FAILED, CLOUD_TOKEN_MISMATCH, NULL);
    story_wait(s, 60);
    expect(s->sweeps > sweeps);
    require(s->order_count == 2);
    expect(strcmp(token_of(&s->orders[0]), token_of(&s->orders[1])) != 0);
    story_end(s);
}

TEST(plan_fail, a_fenced_order_waits_for_the_lease_and_leaves_no_debit)
{
    struct story *s = needy();

    story_go(s);
    story_forget(s);
    story_ends(s, CLOUD_FAILED, CLOUD_FENCED, NULL);
    story_saw_not(s, "ENIAttachFailed");
    story_lease(s, false);
    expect_u64(plan_in_flight(s->planner), 0);
    story_wait(s, 60);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_NotLeader);
    story_lease(s, true);
    story_wait(s, 2);
    story_saw(s, "attach n1 subnet-b");
    story_end(s);
}

TEST(plan_fail, a_failure_of_another_kind_backs_off_longer_each_time_and_says_so)
{
    struct story *s = needy();

    story_go(s);
    for (int i = 0; i < 6; i++) {
        story_ends(s, CLOUD_FAILED, i % 2 ? CLOUD_INVALID : CLOUD_GROUP_GONE, NULL);
        story_is(s, "n1", PLAN_DECISION_Backoff);
        for (int waited = 0; !story_order(s); waited++) {
            require(waited < 400);
            story_wait(s, 1);
        }
    }
    story_saw(s, "event node n1 ENIAttachFailed (warning): could not attach an ENI from subnet-b "
                 "to node n1: "
                 "CreateNetworkInterface said GROUP_GONE (EC2 says no); check "
                 "spec.securityGroupSelectorTerms");
    story_end(s);
}

TEST(plan_fail, throttling_of_the_whole_api_is_a_condition_and_an_event)
{
    struct story *s = needy();
    struct plan_event event = { .kind = PLAN_CLOUD };

    story_go(s);
    event.cloud.code = CLOUD_THROTTLED;
    event.cloud.operation = SLICE("CreateNetworkInterface");
    event.cloud.message = SLICE("Request limit exceeded.");
    story_step(s, &event);
    story_saw(
        s, "event pool default CloudAPIThrottled (warning): EC2 throttles CreateNetworkInterface");
    expect_text(s->status.conditions[3].reason, "Throttled");
    event.cloud.code = CLOUD_OK;
    story_step(s, &event);
    expect_u64(s->status.conditions[3].value, CONDITION_TRUE);
    story_end(s);
}

/* ---- the ledger ---- */

TEST(plan_ledger, a_debit_stands_until_a_read_that_must_include_it)
{
    struct story *s = needy();

    story_go(s);
    expect_u64(plan_in_flight(s->planner), 6); /* 5 addresses and the ENI's own */
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 1);
    story_read(s); /* began before EC2's count can be trusted */
    expect_u64(plan_in_flight(s->planner), 6);
    story_wait(s, 4);
    story_read(s);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_ledger, a_failed_order_gives_its_debit_back_once)
{
    struct story *s = needy();

    story_go(s);
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    expect_u64(plan_in_flight(s->planner), 0);
    story_end(s);
}

TEST(plan_ledger, two_nodes_do_not_get_the_same_addresses)
{
    struct story *s = story_begin();

    story_subnet(s, "a", 0);
    story_subnet(s, "b", 8 + 6 + 3); /* reserve, one ENI of five, one of two */
    story_node(s, "n1", "t3.medium", "a", 5);
    story_node(s, "n2", "t3.medium", "a", 5);
    story_pool(s, "default");
    s->pools[0].low = s->pools[0].high = (struct amount){ 0, false };
    story_pods(s, "n1", 5, 5);
    story_pods(s, "n2", 5, 5);
    s->holds = true;
    story_go(s);
    require(s->order_count == 2);
    expect_u64(s->orders[0].action.attach.ips, 5);
    expect_u64(s->orders[1].action.attach.ips, 2);
    story_end(s);
}

TEST(plan_ledger, a_node_that_leaves_does_not_disturb_its_order)
{
    struct story *s = needy();
    struct plan_event gone = { .kind = PLAN_NODE_GONE, .name = SLICE("n1") };

    story_go(s);
    story_step(s, &gone);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-made");
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_GONE, "eni-made");
    story_wait(s, 1);
    story_saw(s, "delete eni-made");
    story_end(s);
}

/* ---- leftovers ---- */

static struct story_eni *leftover(struct story *s, const char *node, const char *cluster)
{
    struct story_eni *eni = story_eni(s, "n1", "b", 7, 4, 0);

    require(aws_id_set(&eni->id, SLICE("eni-left")) == ERR_OK);
    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[0] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[1] = (struct pair){ SLICE(TAG_CLUSTER), slice_of(cluster) };
    eni->tags[2] = (struct pair){ SLICE(TAG_NODE), slice_of(node) };
    eni->tags[3] = (struct pair){ SLICE(TAG_POOL), SLICE("default") };
    eni->tag_count = 4;
    return eni;
}

TEST(plan_leftover, what_a_crash_left_is_attached_to_the_node_that_needs_it)
{
    struct story *s = needy();

    leftover(s, "n1", "demo");
    story_go(s);
    story_saw(s, "attach n1 subnet-b ips=4 index=2 waiting eni-left");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 200);
    expect_u64(story_count(s, "attach n"), 1);
    expect_u64(story_count(s, "delete "), 0);
    story_end(s);
}

TEST(plan_leftover, what_nobody_needs_is_deleted_after_the_grace_time_and_once)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    leftover(s, "n1", "demo");
    story_go(s);
    story_wait(s, 80);
    story_saw_nothing(s);
    story_wait(s, 15);
    story_saw(s, "delete eni-left");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_saw(s, "event pool default LeakedENIDeleted: deleted the unattached eni-left, which no "
                 "node needs");
    story_wait(s, 600);
    expect_u64(story_count(s, "delete "), 1);
    story_end(s);
}

TEST(plan_leftover, another_clusters_is_not_touched)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    leftover(s, "n1", "other");
    story_go(s);
    story_wait(s, 600);
    story_saw_nothing(s);
    story_end(s);
}

TEST(plan_leftover, one_that_could_not_be_deleted_is_tried_again_later)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    leftover(s, "gone-node", "demo");
    story_go(s);
    story_wait(s, 95);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    story_wait(s, 700);
    expect_u64(story_count(s, "delete eni-left"), 2);
    story_end(s);
}

TEST(plan_leftover, that_is_found_attached_is_none)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    struct story_eni *eni = leftover(s, "n1", "demo");
    story_go(s);
    eni->instance = s->nodes[0].instance; /* by an order of the last leader */
    eni->status = ENI_IN_USE;
    eni->index = 2;
    story_wait(s, 10);
    story_enis(s, "n1");
    story_wait(s, 200);
    story_saw_not(s, "delete ");
    story_end(s);
}

TEST(plan_leftover, that_is_gone_or_taken_is_not_tried_again)
{
    static const enum cloud_code codes[] = { CLOUD_ENI_GONE, CLOUD_ENI_IN_USE };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct story *s = needy();
        struct story_eni *eni = leftover(s, "n1", "demo");
        story_go(s);
        story_saw(s, "attach n1 subnet-b ips=4 index=2 waiting eni-left");
        eni->hidden = true;
        uint32_t before = s->observes;
        story_ends(s, CLOUD_FAILED, codes[i], NULL);
        expect_u64(s->observes, before + 1); /* what has the node by now? */
        story_forget(s);
        story_wait(s, 10);
        story_saw(s, "attach n1 subnet-");
        story_saw_not(s, "eni-left");
        story_end(s);
    }
}

TEST(plan_leftover, an_attached_eni_that_would_outlive_its_instance_is_mended)
{
    struct story *s = needy();

    s->subnets[0].free = 200;
    story_pods(s, "n1", 1, 0);
    struct story_eni *eni = leftover(s, "n1", "demo");
    eni->instance = s->nodes[0].instance;
    eni->status = ENI_IN_USE;
    eni->index = 2;
    eni->delete_on_termination = false;
    story_go(s);
    story_wait(s, 1);
    story_saw(s, "attach n1 subnet-b ips=4 index=2 refresh eni-left");
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_wait(s, 300);
    expect_u64(story_count(s, "attach n"), 1);
    story_end(s);
}

TEST(plan_leftover, an_eni_in_the_middle_of_attaching_is_no_second_need)
{
    struct story *s = needy();
    struct story_eni *eni = leftover(s, "n1", "demo");

    eni->instance = s->nodes[0].instance;
    eni->status = ENI_ATTACHING;
    eni->index = 2;
    story_go(s);
    story_wait(s, 10);
    story_saw_nothing(s);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_end(s);
}

/* ---- tokens ---- */

TEST(plan_token, the_same_need_gives_the_same_token_after_a_crash)
{
    struct story *s = needy();
    struct story *t = needy();

    story_go(s);
    t->now_ns += 7 * STORY_S; /* another process, some seconds later */
    t->wall_ns += 7 * STORY_S;
    t->config.seed = 99;
    story_go(t);
    expect_text(token_of(&t->orders[0]), token_of(&s->orders[0]));
    expect(strlen(token_of(&s->orders[0])) <= 64);
    story_end(s);
    story_end(t);
}

TEST(plan_token, another_node_subnet_or_hour_gives_another)
{
    struct story *s = needy();
    struct story *t = needy();
    struct story *u = needy();

    story_go(s);
    t->wall_ns += 3600 * STORY_S;
    story_go(t);
    u->nodes[0].instance = (struct aws_id){ "i-other" };
    u->enis[0].instance = u->nodes[0].instance;
    story_go(u);
    expect(strcmp(token_of(&t->orders[0]), token_of(&s->orders[0])) != 0);
    expect(strcmp(token_of(&u->orders[0]), token_of(&s->orders[0])) != 0);
    story_end(s);
    story_end(t);
    story_end(u);
}

static void two_more_enis(struct story *s, bool swapped)
{
    story_eni(s, "n1", swapped ? "c" : "a", swapped ? 2 : 1, 0, 0);
    story_eni(s, "n1", swapped ? "a" : "c", swapped ? 1 : 2, 0, 0);
}

TEST(plan_token, the_enis_that_are_there_count_and_their_order_does_not)
{
    struct story *s = needy();
    struct story *t = needy();
    struct story *u = needy();

    s->nodes[0].type = t->nodes[0].type = u->nodes[0].type = "m5.xlarge";
    two_more_enis(s, false);
    two_more_enis(t, true);
    two_more_enis(u, false);
    u->enis[1].id = story_id("eni-another");
    s->subnets[2].free = t->subnets[2].free = u->subnets[2].free = 0; /* nobody grows there */
    story_go(s);
    story_go(t);
    story_go(u);
    expect_text(token_of(&t->orders[0]), token_of(&s->orders[0]));
    expect(strcmp(token_of(&u->orders[0]), token_of(&s->orders[0])) != 0);
    story_end(s);
    story_end(t);
    story_end(u);
}

/* A token with other parameters is refused by EC2: what is asked for is a part of it. */
TEST(plan_token, other_security_groups_or_another_cluster_give_another)
{
    static const struct selector_term one = { .id = SLICE("sg-1") };
    static const struct selector_term two = { .id = SLICE("sg-2") };
    static const struct plan_group groups[] = { { .id = { "sg-1" } }, { .id = { "sg-2" } } };
    const struct selector_term *const terms[] = { &one, &two, &two };
    char tokens[3][CLIENT_TOKEN_MAX];

    for (int i = 0; i < 3; i++) {
        struct story *s = needy();
        struct plan_event event = { .kind = PLAN_GROUPS };
        s->pools[0].group_terms = terms[i];
        s->pools[0].group_term_count = 1;
        s->config.cluster_name = i == 2 ? SLICE("another") : SLICE("demo");
        event.groups.groups = groups;
        event.groups.count = 2;
        story_step(s, &event);
        story_go(s);
        memcpy(tokens[i], token_of(&s->orders[0]), CLIENT_TOKEN_MAX);
        story_end(s);
    }
    expect(strcmp(tokens[0], tokens[1]) != 0);
    expect(strcmp(tokens[1], tokens[2]) != 0);
}

TEST(plan_token, lasts_ten_minutes)
{
    static const struct {
        uint64_t after_s;
        bool same;
    } cases[] = { { 0, true }, { 399, true }, { 400, false }, { 1000, false } };
    char first[CLIENT_TOKEN_MAX] = "";

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story *s = needy();
        s->wall_ns += cases[i].after_s * STORY_S; /* the epoch began 200 s before */
        story_go(s);
        if (i == 0) {
            memcpy(first, token_of(&s->orders[0]), sizeof(first));
        }
        if ((strcmp(first, token_of(&s->orders[0])) == 0) != cases[i].same) {
            test_fail("after %u s the token is %s", (unsigned)cases[i].after_s,
                      cases[i].same ? "another one" : "the same");
        }
        story_end(s);
    }
}

TEST(plan_token, tags_and_description_do_not_vary_between_tries)
{
    struct story *s = needy();
    struct story *t = needy();

    story_go(s);
    t->wall_ns += STORY_S;
    story_go(t);
    const struct eni_intent *a = &s->orders[0].action.attach;
    const struct eni_intent *b = &t->orders[0].action.attach;
    require(a->tag_count == b->tag_count);
    for (uint32_t i = 0; i < a->tag_count; i++) {
        expect(slice_eq(a->tags[i].key, b->tags[i].key));
        expect(slice_eq(a->tags[i].value, b->tags[i].value));
    }
    expect_slices(a->description, b->description);
    struct slice value;
    expect(pair_find(a->tags, a->tag_count, SLICE(TAG_AGENT_INSTANCE), &value) &&
           slice_is(value, "i-n1"));
    expect(pair_find(a->tags, a->tag_count, SLICE(TAG_AGENT_CLUSTER), &value) &&
           slice_is(value, "demo"));
    expect(pair_find(a->tags, a->tag_count, SLICE(TAG_CLUSTER), &value) && slice_is(value, "demo"));
    expect(pair_find(a->tags, a->tag_count, SLICE(TAG_POOL), &value) && slice_is(value, "default"));
    expect(pair_find(a->tags, a->tag_count, SLICE(TAG_NODE), &value) && slice_is(value, "n1"));
    story_end(s);
    story_end(t);
}

/* ---- adoption and hand-back ---- */

TEST(plan_adoption, shows_by_the_agents_tag)
{
    struct story *s = needy();

    s->holds = false;
    story_go(s);
    story_wait(s, 10);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    expect_u64(story_decision(s, "n1").addresses, 5);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    story_wait(s, 15);
    expect_u64(story_decision(s, "n1").addresses, 10);
    story_end(s);
}

TEST(plan_adoption, shows_by_pods_that_the_other_enis_could_not_hold)
{
    struct story *s = needy();

    s->holds = false;
    story_go(s);
    story_wait(s, 10);
    story_pods(s, "n1", 6, 0);
    expect_u64(story_decision(s, "n1").addresses, 5); /* the read is older than the pods */
    story_wait(s, 20);
    expect_u64(story_decision(s, "n1").addresses, 10);
    story_end(s);
}

TEST(plan_adoption, shows_by_the_agents_start)
{
    struct story *s = needy();

    s->holds = false;
    story_go(s);
    story_agent_pod(s, "n1", false);
    story_wait(s, 15);
    story_agent_pod(s, "n1", true);
    expect_u64(story_decision(s, "n1").addresses, 10);
    story_end(s);
}

TEST(plan_adoption, is_not_assumed_while_pods_wait)
{
    struct story *s = needy();

    s->holds = false;
    story_go(s);
    story_wait(s, 900);
    expect_u64(story_decision(s, "n1").addresses, 5);
    expect_u64(s->order_count, 1);
    expect_u64(story_count(s, "event node n1 AgentIncompatible"), 1);
    story_end(s);
}

TEST(plan_adoption, a_fresh_attachment_may_be_missing_from_reads_for_seconds)
{
    struct story *s = needy();

    s->holds = false;
    story_go(s);
    story_wait(s, 1);
    story_find_eni(s, "eni-new1")->hidden = true;
    story_enis(s, "n1");
    story_wait(s, 3);
    story_enis(s, "n1");
    expect_u64(s->order_count, 1);
    story_is(s, "n1", PLAN_DECISION_Adopting);
    story_end(s);
}

TEST(plan_hand_back, a_freed_early_eni_is_not_given_again_at_once)
{
    struct story *s = needy();

    s->holds = false;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 30);
    story_saw(s, "attach n1 subnet-b ips=0");
    story_forget_eni(s, "eni-new1");
    story_wait(s, 30);
    story_is(s, "n1", PLAN_DECISION_HandedBack);
    story_wait(s, 300);
    expect_u64(s->order_count, 1);
    story_wait(s, 300);
    expect_u64(s->order_count, 2);
    expect(strcmp(token_of(&s->orders[0]), token_of(&s->orders[1])) != 0);
    story_end(s);
}

TEST(plan_hand_back, a_node_that_is_low_and_cannot_grow_gets_one_all_the_same)
{
    struct story *s = needy();

    s->holds = false;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 30);
    story_forget_eni(s, "eni-new1");
    story_wait(s, 30);
    story_pods(s, "n1", 5, 1);
    story_wait(s, 1);
    expect_u64(s->order_count, 2);
    /* For the pod, and half of the usual spare addresses. */
    expect_u64(s->orders[1].action.attach.ips, 3);
    story_end(s);
}
