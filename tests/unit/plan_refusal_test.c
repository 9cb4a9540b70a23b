/*
 * The planner's stories about refusals: how each is told, how long each makes a node wait, what
 * confirms it.
 */
#include "plan_fixture.h"

#include "plan/state.h" /* drawn waits */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

TEST(plan_refusal, a_refusal_is_told_unless_the_subnet_or_the_lease_was_why)
{
    for (int code = CLOUD_OK + 1; code <= CLOUD_INVALID; code++) {
        bool quiet = code == CLOUD_SUBNET_FULL || code == CLOUD_NO_PREFIX ||
                     code == CLOUD_SUBNET_SHORT || code == CLOUD_SUBNET_GONE ||
                     code == CLOUD_FENCED;
        struct story *s = story_needy_held();
        story_go(s);
        story_forget(s);
        story_ends(s, CLOUD_FAILED, (enum cloud_code)code, NULL);
        uint32_t told = story_count(s, "event node n1 ENIAttachFailed") +
                        story_count(s, "CloudAPIDenied");
        if ((told > 0) == quiet) {
            test_fail("%s is told %u times", cloud_code_name((enum cloud_code)code), told);
        }
        story_end(s);
    }
}

static uint64_t waits_until_ns(const struct story *s)
{
    const struct planner *p = s->planner;

    return p->nodes[0].backoff_ns > s->now_ns ? p->nodes[0].backoff_ns
           : p->quota_until_ns > s->now_ns    ? p->quota_until_ns
                                              : p->denied_until_ns;
}

/* Drawn, and so the same for the same seed: seconds that each cause makes a node wait, try after
 * try, up to the longest. */
TEST(plan_refusal, each_cause_has_its_own_waits)
{
    static const struct {
        enum cloud_code code;
        const char *waits;
    } rows[] = {
        { CLOUD_ATTACH_LIMIT, "19 54 39 90 143 17 518 132 159" },
        { CLOUD_INSTANCE_STATE, "60 60 60 60 60 60 60 60 60" },
        { CLOUD_INSTANCE_GONE, "300 300 300 300 300 300 300 300 300" },
        { CLOUD_ENI_GONE, "0 1 0 1 15 9 38 12 39" },
        { CLOUD_TOKEN_MISMATCH, "2 3 18 10 23 17 38 12 39" },
        { CLOUD_ENI_QUOTA, "30 54 39 330 30 30 518 132 159" },
        { CLOUD_DENIED, "19 54 39 90 143 17 518 132 159" },
        { CLOUD_FENCED, "1 1 1 1 1 1 1 1 1" },
        { CLOUD_INVALID, "2 3 18 10 63 137 218 132 159" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_needy_held();
        struct slice waits = SLICE("");
        story_go(s);
        for (int try = 0; try < 9; try++) {
            story_ends(s, CLOUD_FAILED, rows[i].code, NULL);
            uint64_t until_ns = waits_until_ns(s);
            waits = arena_printf(&s->arena, "%.*s%s%u", SLICE_ARG(waits), try > 0 ? " " : "",
                                 (unsigned)((until_ns - s->now_ns) / STORY_S));
            s->now_ns = until_ns;
            story_read(s);
            story_enis(s, "n1");
            require(story_order(s) != NULL);
        }
        if (!slice_is(waits, rows[i].waits)) {
            test_fail("%s waits %.*s", cloud_code_name(rows[i].code), SLICE_ARG(waits));
        }
        story_end(s);
    }
}

TEST(plan_refusal, that_says_the_node_is_otherwise_than_thought_has_it_read_at_once)
{
    static const enum cloud_code codes[] = { CLOUD_INDEX_IN_USE, CLOUD_ATTACH_LIMIT,
                                             CLOUD_IP_LIMIT,     CLOUD_ENI_GONE,
                                             CLOUD_ENI_IN_USE,   CLOUD_TOKEN_MISMATCH };

    for (size_t i = 0; i < COUNT(codes); i++) {
        struct story *s = story_needy_held();
        story_go(s);
        s->deaf = true;
        uint32_t before = s->observes;
        story_ends(s, CLOUD_FAILED, codes[i], NULL);
        if (s->observes != before + 1) {
            test_fail("after %s it was not", cloud_code_name(codes[i]));
        }
        story_end(s);
    }
}

TEST(plan_refusal, once_a_node_is_served_its_waits_begin_anew)
{
    struct story *s = story_needy_held();

    story_go(s);
    const struct node_row *node = &s->planner->nodes[0];
    for (int try = 0; try < 6; try++) {
        story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
        s->now_ns = node->backoff_ns;
        story_read(s);
        story_enis(s, "n1");
        require(story_order(s) != NULL);
    }
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_pods(s, "n1", 5, 9); /* more than came */
    require(story_order(s) != NULL);
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    expect(node->backoff_ns > s->now_ns && node->backoff_ns <= s->now_ns + 5 * STORY_S);
    story_end(s);
}

TEST(plan_refusal, is_forgotten_when_another_order_of_the_node_succeeds)
{
    struct story *s = story_needy_held();

    story_go(s);
    story_pods(s, "n1", 5, 12);
    expect_u64(s->order_count, 2); /* five addresses each */
    story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
    story_is(s, "n1", PLAN_DECISION_Backoff);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    expect_u64(s->order_count, 3);
    story_end(s);
}

TEST(plan_refusal, what_cannot_be_deleted_waits_ever_longer)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = story_eni(s, "n1", "b", 2, 5, 0);
    struct plan_event tick = { .kind = PLAN_TICK };
    struct slice waits = SLICE("");

    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_CLUSTER), SLICE("demo") };
    s->holds = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    s->now_ns += 90 * STORY_S;
    story_step(s, &tick);
    for (int try = 0; try < 9; try++) {
        story_ends(s, CLOUD_FAILED, CLOUD_INVALID, NULL);
        expect(story_order(s) == NULL);
        uint64_t until_ns = s->planner->leftovers[0].retry_ns;
        waits = arena_printf(&s->arena, "%.*s%u ", SLICE_ARG(waits),
                             (unsigned)((until_ns - s->now_ns) / STORY_S));
        s->now_ns = until_ns;
        story_step(s, &tick);
    }
    expect_slice(waits, "19 14 39 10 143 17 518 132 159 ");
    story_end(s);
}

TEST(plan_refusal, a_refusal_of_blocks_is_confirmed_by_a_map_without_one_and_by_no_other)
{
    for (uint32_t blocks = 0; blocks < 3; blocks++) {
        struct story *s = story_one("t3.medium", 5, 200, 200);
        s->agent.prefix_delegation = true;
        s->subnets[1].bits = 26; /* of four blocks two are whole */
        s->subnets[1].base &= ~UINT32_C(63);
        story_go(s);
        struct subnet_row *subnet = &s->planner->subnets[1];
        subnet->refused_blocks = true;
        subnet->refused_blocks_ns = s->now_ns;
        subnet->refused_blocks_until_ns = s->now_ns + UINT64_C(1000) * STORY_S;
        struct story_eni *others = story_eni(s, "n1", "b", 3, 2 - blocks, 0);
        others->instance = story_id("i-stranger");
        others->primary_ip = s->subnets[1].base + 8; /* in the first one */
        others->ips[0] = s->subnets[1].base + 20;
        others->ips[1] = s->subnets[1].base + 40;
        s->now_ns += STORY_S;
        story_sweep(s);
        expect_u64(subnet->blocks, blocks);
        expect_u64(subnet->refused_blocks_ns, s->now_ns - (blocks > 0 ? STORY_S : 0));
        story_end(s);
    }
}

TEST(plan_refusal, a_waiting_pod_makes_sure_of_a_refusal_that_an_old_read_does_not)
{
    for (uint32_t waiting = 0; waiting < 2; waiting++) {
        struct story *s = story_one("t3.medium", 5, 200, 0);
        story_pods(s, "n1", 5, waiting);
        story_go(s);
        s->deaf = true;
        s->now_ns += 31 * STORY_S;
        story_free(s, "a", 0);
        expect_u64(s->planner->nodes[0].cooldown_ns, waiting ? s->now_ns + 125 * STORY_S : 0);
        story_end(s);
    }
}
