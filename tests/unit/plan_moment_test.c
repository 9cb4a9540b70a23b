/*
 * Moments: what the planner does from a point in time on, and not one nanosecond before.
 *
 *     begin ---- one nanosecond less ----> late: not yet
 *     begin ---- so long ----------------> late: now
 *
 * Between the two nothing happens, not even a tick: what comes late is the first that the planner
 * hears again.
 */
#include "plan_fixture.h"

#include "plan/state.h" /* since when, and until when */

struct moment {
    const char *what;
    struct story *(*begin)(uint64_t *after_ns); /* may say itself how long it takes */
    uint64_t after_ns;
    bool (*late)(struct story *s);
};

static bool holds(const struct moment *moment, bool early)
{
    uint64_t after_ns = moment->after_ns;
    struct story *s = moment->begin(&after_ns);

    s->now_ns += after_ns - early;
    s->wall_ns += after_ns - early;
    story_forget(s);
    bool held = moment->late(s);
    story_end(s);
    return held;
}

static void check(const struct moment *moments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (holds(&moments[i], true)) {
            test_fail("%s: already one nanosecond before", moments[i].what);
        }
        if (!holds(&moments[i], false)) {
            test_fail("%s: not even then", moments[i].what);
        }
    }
}

#define CHECK(moments) check((moments), sizeof(moments) / sizeof((moments)[0]))

static struct node_row *node_of(struct story *s)
{
    return &s->planner->nodes[0];
}

static bool saw(struct story *s, const char *part)
{
    return strstr(s->trace, part) != NULL;
}

static bool is(struct story *s, enum plan_decision_kind kind)
{
    return story_kind(s, "n1") == kind;
}

/* ---- how old what is known may be ---- */

/* Nothing is there to give, and reads are not answered. */
static struct story *barren(uint32_t waiting)
{
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_pods(s, "n1", 5, waiting);
    story_go(s);
    story_enis(s, "n1");
    s->deaf = true;
    return s;
}

static struct story *idle_without_room(uint64_t *after_ns)
{
    (void)after_ns;
    struct story *s = story_one("t3.medium", 5, 0, 0);

    story_pods(s, "n1", 0, 0);
    story_go(s);
    s->deaf = true;
    return s;
}

static struct story *full_without_room(uint64_t *after_ns)
{
    (void)after_ns;
    return barren(0);
}

static struct story *waiting_without_room(uint64_t *after_ns)
{
    (void)after_ns;
    return barren(1);
}

static bool room_is_not_used(struct story *s)
{
    story_free(s, "b", 200);
    return !saw(s, "attach n1");
}

static bool room_is_not_used_for_a_new_pod(struct story *s)
{
    story_pods(s, "n1", 5, 1);
    return room_is_not_used(s);
}

static struct story *paused(uint64_t *after_ns)
{
    struct story *s = story_needy();

    (void)after_ns;
    s->pools[0].paused = true;
    story_go(s);
    s->deaf = true;
    return s;
}

static bool is_stale(struct story *s)
{
    story_enis(s, "n1");
    return is(s, PLAN_DECISION_Stale);
}

TEST(plan_moment, what_is_too_old_to_act_on)
{
    static const struct moment moments[] = {
        { "ENIs, for pods that came since", full_without_room, 5 * STORY_S + 1,
          room_is_not_used_for_a_new_pod },
        { "ENIs, for pods that waited already", waiting_without_room, 30 * STORY_S + 1,
          room_is_not_used },
        { "ENIs, for one ahead of need", idle_without_room, 60 * STORY_S + 1, room_is_not_used },
        { "subnets, by the pool's maxDataAge", paused, 300 * STORY_S + 1, is_stale },
    };

    CHECK(moments);
}

/* ---- pods that leave, and addresses that rest ---- */

static struct story *one_left(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    (void)after_ns;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    story_pods(s, "n1", 4, 0);
    return s;
}

static uint32_t cooling_in(struct story *s, uint64_t in_ns)
{
    struct plan_event tick = { .kind = PLAN_TICK };

    s->now_ns += in_ns;
    story_step(s, &tick);
    return node_cooling(s->planner, node_of(s));
}

static bool none_rests(struct story *s)
{
    return cooling_in(s, 0) == 0;
}

/* Two spans: the second one began with the second pod, or both left in the first. */
static bool second_span(struct story *s)
{
    story_pods(s, "n1", 3, 0);
    return cooling_in(s, 0) == 2 && cooling_in(s, COOLING_NS) == 1;
}

static bool first_is_forgotten(struct story *s)
{
    story_pods(s, "n1", 3, 0);
    return cooling_in(s, 0) == 1;
}

TEST(plan_moment, until_when_addresses_rest)
{
    static const struct moment moments[] = {
        { "an address that was left rests no more", one_left, 50 * STORY_S, none_rests },
        { "a second span begins", one_left, 25 * STORY_S, second_span },
        { "the span before the last is forgotten", one_left, 50 * STORY_S, first_is_forgotten },
    };

    CHECK(moments);
}

/* ---- after a refusal ---- */

static struct story *failed_with(enum cloud_code code)
{
    struct story *s = story_needy_held();

    story_go(s);
    story_ends(s, CLOUD_FAILED, code, NULL);
    return s;
}

static struct story *stopped(uint64_t *after_ns)
{
    (void)after_ns;
    return failed_with(CLOUD_INSTANCE_STATE);
}

static struct story *vanished(uint64_t *after_ns)
{
    (void)after_ns;
    return failed_with(CLOUD_INSTANCE_GONE);
}

static struct story *fenced(uint64_t *after_ns)
{
    (void)after_ns;
    return failed_with(CLOUD_FENCED);
}

static struct story *throttled(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_THROTTLED);

    *after_ns = node_of(s)->backoff_ns - s->now_ns;
    return s;
}

static struct story *over_quota(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_ENI_QUOTA);

    *after_ns = s->planner->quota_until_ns - s->now_ns;
    return s;
}

static struct story *denied(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_DENIED);

    *after_ns = s->planner->denied_until_ns - s->now_ns;
    return s;
}

static bool is_tried_again(struct story *s)
{
    s->pace_ms = UINT32_MAX;
    story_read(s);
    story_enis(s, "n1");
    return saw(s, "attach n1 subnet-b");
}

/* The same token once more, without a look at the node before. */
static bool is_sent_again(struct story *s)
{
    struct plan_event tick = { .kind = PLAN_TICK };

    story_step(s, &tick);
    return saw(s, "attach n1 subnet-b");
}

static struct story *unclear(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_UNAVAILABLE);

    *after_ns = node_of(s)->backoff_ns - s->now_ns;
    return s;
}

static struct story *full_subnet(uint64_t *after_ns)
{
    (void)after_ns;
    return failed_with(CLOUD_SUBNET_FULL);
}

static bool reopens(struct story *s)
{
    story_read(s);
    return !s->planner->subnets[1].refused;
}

static struct story *full_subnet_again(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_SUBNET_FULL);

    /* The hold is drawn, and may be none. */
    for (int tries = 0; tries < 20; tries++) {
        s->now_ns += STORY_S;
        story_read(s);
        story_enis(s, "n1");
        if (story_order(s)) {
            story_ends(s, CLOUD_FAILED, CLOUD_SUBNET_FULL, NULL);
        }
        *after_ns = s->planner->subnets[1].refused_until_ns - s->now_ns;
        if (s->planner->subnets[1].refused_until_ns > s->now_ns + STORY_S) {
            break;
        }
    }
    return s;
}

static struct story *fragmented_subnet(uint64_t *after_ns)
{
    struct story *s = failed_with(CLOUD_NO_PREFIX);

    *after_ns = s->planner->subnets[1].refused_blocks_until_ns - s->now_ns;
    return s;
}

static bool has_blocks_again(struct story *s)
{
    story_read(s);
    return !s->planner->subnets[1].refused_blocks;
}

TEST(plan_moment, when_what_was_refused_is_tried_again)
{
    static const struct moment moments[] = {
        { "a stopped instance", stopped, 60 * STORY_S, is_tried_again },
        { "an instance that is gone", vanished, 300 * STORY_S, is_tried_again },
        { "an order without the lease", fenced, STORY_S, is_tried_again },
        { "a throttled order", throttled, 0, is_tried_again },
        { "an account at its quota", over_quota, 0, is_tried_again },
        { "a missing permission", denied, 0, is_tried_again },
        { "what may have happened", unclear, 0, is_sent_again },
        { "a subnet, by a read after the refusal", full_subnet, 1, reopens },
        { "a subnet that refused twice", full_subnet_again, 0, reopens },
        { "a subnet without a block", fragmented_subnet, 0, has_blocks_again },
    };

    CHECK(moments);
}

/* ---- what the agent does with an ENI ---- */

/* EC2 says that it is attached; no read shows it yet. */
static struct story *attached_unseen(uint64_t *after_ns)
{
    struct story *s = story_needy_held();

    (void)after_ns;
    story_go(s);
    story_ends(s, CLOUD_ATTACHED, CLOUD_OK, "eni-new");
    s->deaf = true;
    return s;
}

static bool is_not_there(struct story *s)
{
    story_enis(s, "n1");
    return node_of(s)->eni_count == 1;
}

static bool is_taken_at_the_agents_start(struct story *s)
{
    story_agent_pod(s, "n1", false);
    story_agent_pod(s, "n1", true);
    return node_of(s)->enis[1].adopted;
}

static struct story *attached(uint64_t *after_ns)
{
    struct story *s = story_needy();

    (void)after_ns;
    story_go(s);
    story_wait(s, 1);
    s->deaf = true;
    s->now_ns = node_of(s)->enis[1].since_ns; /* so that `after` counts from there */
    return s;
}

static bool was_handed_back(struct story *s)
{
    story_enis(s, "n1"); /* no longer provisional */
    story_forget_eni(s, "eni-new1");
    story_enis(s, "n1");
    return node_of(s)->hand_backs == 1;
}

static bool was_kept_for_long(struct story *s)
{
    story_enis(s, "n1"); /* seen for the last time */
    story_forget_eni(s, "eni-new1");
    s->now_ns += STORY_S;
    story_enis(s, "n1");
    return node_of(s)->hand_backs == 0;
}

/* A pod waits although the agent could grow. */
static struct story *could_grow(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    (void)after_ns;
    story_pods(s, "n1", 5, 1);
    story_go(s);
    s->deaf = true;
    return s;
}

static bool is_helped(struct story *s)
{
    story_enis(s, "n1");
    return saw(s, "attach n1");
}

/* It is refused: within 30 s of a read that shows it low that is sure. */
static struct story *low_and_grows(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 0);

    (void)after_ns;
    story_pods(s, "n1", 5, 0);
    story_go(s);
    s->deaf = true;
    return s;
}

static bool is_not_known_to_be_silent(struct story *s)
{
    story_free(s, "a", 0);
    return node_of(s)->cooldown_ns == 0;
}

static struct story *silent(uint64_t *after_ns)
{
    struct story *s = barren(1);

    *after_ns = 125 * STORY_S;
    s->now_ns = node_of(s)->cooldown_ns - 125 * STORY_S;
    return s;
}

static bool is_refused_again(struct story *s)
{
    uint64_t before_ns = node_of(s)->cooldown_ns;

    story_enis(s, "n1");
    return node_of(s)->cooldown_ns == before_ns + 125 * STORY_S;
}

TEST(plan_moment, what_agents_do_in_time)
{
    static const struct moment moments[] = {
        { "an attachment that no read shows is none", attached_unseen, 15 * STORY_S, is_not_there },
        { "an agent that starts takes what was attached for long enough", attached_unseen,
          10 * STORY_S, is_taken_at_the_agents_start },
        { "an ENI that is gone was handed back", attached, 15 * STORY_S, was_handed_back },
        { "an ENI that is gone was kept for long", attached, 600 * STORY_S, was_kept_for_long },
        { "an agent that gets nowhere is helped", could_grow, 20 * STORY_S, is_helped },
        { "a read is too old to know that the agent was refused", low_and_grows, 30 * STORY_S + 1,
          is_not_known_to_be_silent },
        { "an agent ends its silence, and is refused again", silent, 0, is_refused_again },
    };

    CHECK(moments);
}

/* ---- orders ---- */

static struct story *created(uint64_t *after_ns)
{
    struct story *s = story_needy_held();

    (void)after_ns;
    story_go(s);
    story_ends(s, CLOUD_CREATED, CLOUD_OK, "eni-new");
    return s;
}

static bool debit_is_gone(struct story *s)
{
    story_read(s);
    return plan_in_flight(s->planner) == 0;
}

/* A bare one is on its way when a pod comes. */
static struct story *bare_on_its_way(uint64_t *after_ns)
{
    struct story *s = story_one("m5.large", 9, 0, 200);

    (void)after_ns;
    s->holds = true;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    expect_u64(story_count(s, "attach n1 subnet-b ips=0"), 1);
    return s;
}

static bool is_not_waited_for(struct story *s)
{
    story_pods(s, "n1", 9, 1);
    story_enis(s, "n1");
    return saw(s, "attach n1");
}

TEST(plan_moment, how_long_an_order_is_waited_for)
{
    static const struct moment moments[] = {
        { "a read includes what was created", created, 3 * STORY_S, debit_is_gone },
        { "a bare ENI that is under way is not waited for", bare_on_its_way, 5 * STORY_S,
          is_not_waited_for },
    };

    CHECK(moments);
}

/* ---- leftovers ---- */

static struct story *lying_about(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);
    struct story_eni *eni = NULL;

    (void)after_ns;
    story_pods(s, "n1", 0, 0);
    eni = story_eni(s, "n1", "b", 2, 5, 0);
    eni->instance = (struct aws_id){ "" };
    eni->status = ENI_AVAILABLE;
    eni->tags[0] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-1") };
    eni->tags[1] = (struct pair){ SLICE(TAG_CLUSTER), SLICE("demo") };
    eni->tag_count = 2;
    story_go(s);
    expect(s->planner->leftover_count == 1 && s->planner->leftovers[0].live);
    s->planner->leftovers[0].since_ns = s->now_ns;
    return s;
}

static bool is_deleted(struct story *s)
{
    struct plan_event tick = { .kind = PLAN_TICK };

    story_step(s, &tick);
    return saw(s, "delete eni-");
}

static bool is_settled_by_others(struct story *s)
{
    s->planner->config.leak_grace_ns = UINT64_C(3600) * STORY_S;
    story_forget_eni(s, "eni-n1-agent-2");
    story_sweep(s);
    return !s->planner->leftovers[0].live;
}

TEST(plan_moment, how_long_an_eni_may_lie_about)
{
    static const struct moment moments[] = {
        { "what nobody needs is deleted", lying_about, 90 * STORY_S, is_deleted },
        { "what a sweep no longer shows is gone", lying_about, 15 * STORY_S + 1,
          is_settled_by_others },
    };

    CHECK(moments);
}

/* ---- subnets over time ---- */

/* Others have taken 20 in two reads. */
static struct story *declining(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    (void)after_ns;
    story_go(s);
    s->now_ns += 10 * STORY_S;
    story_free(s, "a", 190);
    s->now_ns += 10 * STORY_S;
    story_free(s, "a", 180);
    s->deaf = true;
    return s;
}

static bool decline_begins_anew(struct story *s)
{
    story_free(s, "a", 170);
    return s->planner->subnets[0].declining_ns == s->now_ns;
}

static struct story *hot(uint64_t *after_ns)
{
    struct story *s = barren(1);

    (void)after_ns;
    expect_u64(s->pace_ms, 2000);
    s->planner->pace_ns = s->now_ns;
    return s;
}

static bool cools_down(struct story *s)
{
    story_pods(s, "n1", 5, 0);
    story_read(s);
    return s->pace_ms == 10000;
}

TEST(plan_moment, how_long_a_subnet_is_remembered)
{
    static const struct moment moments[] = {
        { "a decline after a break is a new one", declining, 60 * STORY_S + 1,
          decline_begins_anew },
        { "reads become slow when nothing hot was seen for so long", hot, 30 * STORY_S,
          cools_down },
    };

    CHECK(moments);
}

/* ---- what users are told, and what is read ---- */

static struct story *told(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    (void)after_ns;
    story_pods(s, "n1", 0, 0);
    story_go(s);
    story_wait(s, 40);
    story_free(s, "a", 150);
    expect_u64(s->planner->pools[0].told_ns, s->now_ns);
    return s;
}

static bool count_is_written(struct story *s)
{
    uint32_t before = s->statuses;

    story_free(s, "a", 100);
    return s->statuses == before + 1;
}

static struct story *recovering(uint64_t *after_ns)
{
    struct story *s = barren(1);

    (void)after_ns;
    story_saw(s, "condition n1 False");
    story_find_eni(s, "eni-n1-0")->ip_count = 8;
    story_enis(s, "n1");
    expect_u64(node_of(s)->recovered_ns, s->now_ns);
    return s;
}

static bool is_said_to_be_well(struct story *s)
{
    story_enis(s, "n1");
    return saw(s, "condition n1 True AddressesAvailable");
}

static struct story *just_read(uint64_t *after_ns)
{
    struct story *s = story_one("t3.medium", 5, 200, 200);

    (void)after_ns;
    story_go(s);
    s->deaf = true;
    node_of(s)->observe_sent_ns = s->now_ns;
    s->planner->subnets_sent_ns = s->now_ns;
    return s;
}

static bool may_be_read(struct story *s, enum urgency urgency)
{
    struct plan_event tick = { .kind = PLAN_TICK };

    story_step(s, &tick);
    return plan_observe(s->planner, 0, urgency);
}

static bool may_be_read_at_leisure(struct story *s)
{
    return may_be_read(s, URGENT_REFRESH);
}

static bool may_be_read_for_waiting_pods(struct story *s)
{
    return may_be_read(s, URGENT_WAITING);
}

static bool subnets_may_be_read(struct story *s)
{
    struct plan_event tick = { .kind = PLAN_TICK };

    story_step(s, &tick);
    plan_observe_subnets(s->planner, 7 * STORY_S);
    return s->planner->subnets_sent_ns == s->now_ns;
}

static struct story *stale(uint64_t *after_ns)
{
    struct story *s = paused(after_ns);

    s->now_ns += 400 * STORY_S;
    story_enis(s, "n1");
    expect_u64(s->planner->subnets_sent_ns, s->now_ns);
    return s;
}

static bool stale_subnets_are_asked_for(struct story *s)
{
    story_enis(s, "n1");
    return s->planner->subnets_sent_ns == s->now_ns;
}

TEST(plan_moment, how_often_things_are_told_and_read)
{
    static const struct moment moments[] = {
        { "counts are written", told, 10 * STORY_S, count_is_written },
        { "a node with addresses is well", recovering, 10 * STORY_S, is_said_to_be_well },
        { "a node is read again", just_read, 10 * STORY_S, may_be_read_at_leisure },
        { "a node is read again for pods that wait", just_read, STORY_S,
          may_be_read_for_waiting_pods },
        { "subnets that are stale are asked for again", stale, 10 * STORY_S,
          stale_subnets_are_asked_for },
        { "the subnets are read again", just_read, 7 * STORY_S, subnets_may_be_read },
    };

    CHECK(moments);
}
