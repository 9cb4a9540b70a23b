/*
 * When a node is looked at again although nobody tells of a change: by what it waits for.
 */
#include "plan_fixture.h"

#include "plan/state.h" /* its timer */

struct wake {
    const char *what;
    void (*begin)(struct story *s);
    double after_s; /* 0: not at all */
};

static void give(struct story *s)
{
    story_free(s, "b", 200);
}

static void nothing_to_give(struct story *s)
{
    (void)s;
}

static void at_max_enis(struct story *s)
{
    s->pools[0].max_enis = 1;
    story_send_pool(s, "default");
    s->planner->pools[0].own_enis = 1;
    give(s);
    s->planner->pools[0].own_enis = 0;
}

static void without_tokens(struct story *s, uint64_t left_milli)
{
    s->pools[0].attach_per_minute = 2;
    story_send_pool(s, "default");
    s->planner->pools[0].tokens_milli = left_milli;
    s->planner->pools[0].tokens_ns = s->now_ns;
    give(s);
}

static void without_any_token(struct story *s)
{
    without_tokens(s, 0);
}

static void with_a_part_of_a_token(struct story *s)
{
    without_tokens(s, 400);
}

static void on_stale_data(struct story *s)
{
    s->pools[0].stale_ns = STORY_S;
    story_send_pool(s, "default");
    give(s);
    s->now_ns += 2 * STORY_S;
    story_agent_pod(s, "n1", false);
    story_enis(s, "n1");
}

static void paused(struct story *s)
{
    s->pools[0].paused = true;
    story_send_pool(s, "default");
    give(s);
}

static void refused(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_INSTANCE_STATE, NULL);
}

static void over_quota(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_ENI_QUOTA, NULL);
    s->planner->quota_until_ns = s->now_ns + 33 * STORY_S;
    story_enis(s, "n1");
}

static void denied(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_DENIED, NULL);
    s->planner->denied_until_ns = s->now_ns + 34 * STORY_S;
    story_enis(s, "n1");
}

static void attached(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_DONE, CLOUD_OK, NULL);
    story_enis(s, "n1");
}

static void attached_for_long(struct story *s)
{
    attached(s);
    s->now_ns += 100 * STORY_S;
    story_enis(s, "n1");
}

static void attached_and_a_pod_waits(struct story *s)
{
    attached(s);
    s->now_ns += 100 * STORY_S;
    story_pods(s, "n1", 5, 1);
    story_enis(s, "n1");
}

static void attached_in_vain(struct story *s)
{
    s->pools[0].stale_ns = 0;
    story_send_pool(s, "default");
    attached(s);
    s->now_ns += 301 * STORY_S;
    story_pods(s, "n1", 5, 1);
    story_pods(s, "n1", 5, 2);
    story_enis(s, "n1");
}

static void adopted(struct story *s)
{
    attached(s);
    struct story_eni *eni = story_find_eni(s, "eni-new1");
    eni->tags[eni->tag_count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    story_enis(s, "n1");
}

static void handed_back(struct story *s)
{
    attached(s);
    s->now_ns += 20 * STORY_S;
    story_enis(s, "n1");
    story_forget_eni(s, "eni-new1");
    story_enis(s, "n1");
}

static void a_pod_waits_for_nothing(struct story *s)
{
    story_find_eni(s, "eni-n1-0")->ip_count = 9;
    story_pods(s, "n1", 5, 1);
    story_enis(s, "n1");
}

static void a_pod_waits_for_room(struct story *s)
{
    story_pods(s, "n1", 5, 1);
    story_enis(s, "n1");
}

static void a_pod_has_waited_for_long(struct story *s)
{
    story_pods(s, "n1", 5, 1);
    s->now_ns += 25 * STORY_S;
    story_enis(s, "n1");
}

static void a_pod_has_waited_for_minutes(struct story *s)
{
    story_pods(s, "n1", 5, 1);
    s->now_ns += 300 * STORY_S;
    story_enis(s, "n1");
}

static void low_and_helps_itself(struct story *s)
{
    s->now_ns += 60 * STORY_S;
    story_free(s, "a", 200);
    story_pods(s, "n1", 4, 0);
    s->planner->nodes[0].low_reads = 0;
    story_enis(s, "n1");
}

static void low_twice(struct story *s)
{
    low_and_helps_itself(s);
    s->planner->nodes[0].low_reads = 2;
    story_enis(s, "n1");
}

static void low_too_often(struct story *s)
{
    low_and_helps_itself(s);
    s->planner->nodes[0].low_reads = 6;
    story_enis(s, "n1");
}

static void low_too_often_and_long_ago(struct story *s)
{
    low_too_often(s);
    s->now_ns += 1000 * STORY_S;
    story_agent_pod(s, "n1", false);
}

static void could_grow(struct story *s)
{
    s->now_ns += 200 * STORY_S;
    story_free(s, "a", 200);
    story_enis(s, "n1");
    story_pods(s, "n1", 5, 1);
    s->planner->nodes[0].low_reads = 6;
    s->now_ns += STORY_S;
    story_enis(s, "n1");
}

TEST(plan_wake, a_node_is_looked_at_again)
{
    static const struct wake wakes[] = {
        { "no subnet has room", nothing_to_give, 60 },
        { "the pool has all its ENIs", at_max_enis, 10 },
        { "the pool attaches twice a minute", without_any_token, 30 },
        { "the pool attaches twice a minute, and some of it is over", with_a_part_of_a_token, 18 },
        { "the data is stale", on_stale_data, 10 },
        { "the pool is paused", paused, 0 },
        { "its instance was stopped", refused, 60 },
        { "the account's quota is reached", over_quota, 33 },
        { "a permission is missing", denied, 34 },
        { "an ENI was attached", attached, 20 },
        { "an ENI was attached some time ago", attached_for_long, 15 },
        { "an ENI was attached some time ago, and a pod waits", attached_and_a_pod_waits, 5 },
        { "an ENI was attached, and is not adopted for minutes", attached_in_vain, 15 },
        { "an ENI was adopted", adopted, 8 },
        { "an ENI was handed back", handed_back, 600 },
        { "there are addresses again, and a pod waits", a_pod_waits_for_nothing, 10 },
        { "a pod waits for room", a_pod_waits_for_room, 15 },
        { "a pod has waited for longer than reads are apart", a_pod_has_waited_for_long, 25 },
        { "a pod has waited for minutes", a_pod_has_waited_for_minutes, 60 },
        { "it is low and helps itself", low_and_helps_itself, 15 },
        { "it is low and helps itself, at the third look", low_twice, 60 },
        { "it is low and helps itself, and was looked at often", low_too_often, 0 },
        { "it is low and helps itself, and was looked at often and long ago",
          low_too_often_and_long_ago, 0 },
        { "a pod waits though its agent could grow", could_grow, 19 },
    };

    for (size_t i = 0; i < sizeof(wakes) / sizeof(wakes[0]); i++) {
        struct story *s = story_one("t3.medium", 5, 0, 0);
        story_pods(s, "n1", 0, 0);
        s->holds = true;
        story_go(s);
        s->deaf = true;
        wakes[i].begin(s);
        uint64_t at_ns = timers_get(&s->planner->timers, 0);
        uint64_t in_ns = at_ns == TIMERS_NEVER ? 0 : at_ns - s->now_ns;
        if (in_ns != (uint64_t)(wakes[i].after_s * 1e9)) {
            test_fail("%s: in %.9f s instead of %.9f (%s)", wakes[i].what, (double)in_ns / 1e9,
                      wakes[i].after_s, plan_decision_name(story_kind(s, "n1")));
        }
        story_end(s);
    }
}

/* ---- sweeps ---- */

static void blocks_are_refused(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_NO_PREFIX, NULL);
}

static void a_token_was_used(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_TOKEN_MISMATCH, NULL);
}

static void what_may_have_happened_is_let_go(struct story *s)
{
    give(s);
    story_ends(s, CLOUD_FAILED, CLOUD_UNAVAILABLE, NULL);
    s->pools[0].paused = true;
    story_send_pool(s, "default");
}

static void blocks_are_scarce(struct story *s)
{
    struct plan_event settings = { .kind = PLAN_AGENT };

    s->agent.prefix_delegation = true;
    settings.agent = s->agent;
    story_step(s, &settings);
    story_sweep(s);
    story_free(s, "b", 130);
}

static void a_subnet_is_not_mapped(struct story *s)
{
    struct plan_event settings = { .kind = PLAN_AGENT };

    s->agent.prefix_delegation = true;
    settings.agent = s->agent;
    story_step(s, &settings);
    story_subnet(s, "c", 200);
    story_read(s);
}

TEST(plan_wake, all_enis_are_looked_at_again)
{
    static const struct wake sweeps[] = {
        { "nothing has happened", give, 0 },
        { "a subnet has no block", blocks_are_refused, 30 },
        { "somebody used the token", a_token_was_used, 1 },
        { "nobody finishes what may have happened", what_may_have_happened_is_let_go, 30 },
        { "blocks are scarce", blocks_are_scarce, 30 },
        { "a subnet was never mapped", a_subnet_is_not_mapped, 1 },
    };

    for (size_t i = 0; i < sizeof(sweeps) / sizeof(sweeps[0]); i++) {
        struct story *s = story_one("t3.medium", 5, 0, 0);
        story_pods(s, "n1", 0, 0);
        s->holds = true;
        story_go(s);
        s->deaf = true;
        s->planner->sweep_due_ns = TIMERS_NEVER;
        sweeps[i].begin(s);
        uint64_t due_ns = s->planner->sweep_due_ns;
        uint64_t after_ns = due_ns == TIMERS_NEVER ? 0 : due_ns - s->planner->sweep_sent_ns;
        if (after_ns != (uint64_t)(sweeps[i].after_s * 1e9)) {
            test_fail("%s: after %.9f s instead of %.9f", sweeps[i].what, (double)after_ns / 1e9,
                      sweeps[i].after_s);
        }
        story_end(s);
    }
}
