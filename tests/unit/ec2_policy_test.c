/*
 * ec2_policy_test.c - the IAM policy that users apply is enough for whatever the controller does,
 * and has nothing that it does not need.
 *
 * The modelled EC2 enforces manifests/iam/policy.json while the whole engine plays stories that
 * between them make it do everything. With the policy as it is nothing is refused and all is well
 * in the end; without any one of its statements, or any one action of a statement, something is
 * refused.
 */
#include <stdio.h>

#include "ec2_stories.h"

enum { POLICY_MAX = 16 * 1024, PLACES_MAX = 64 };

struct policy {
    char text[POLICY_MAX];
    struct place {
        size_t at; /* of an action's first character */
        uint32_t statement;
        char action[64];
    } places[PLACES_MAX];
    uint32_t place_count, statement_count;
    char statements[16][32];
};

static const struct {
    const char *name, *scenario, *refused_once;
} stories[] = {
    { "attach", STORY_ATTACH, NULL },
    { "undo", STORY_UNDO, "AttachNetworkInterface" },
    { "assign", STORY_ASSIGN, NULL },
    { "prefix", STORY_PREFIX, NULL },
};

enum { STORIES = sizeof(stories) / sizeof(stories[0]) };

/* ---- the policy's text ---- */

/* As a user does it: the cluster's name is put in. */
static void put_name(struct slice text, char ret[POLICY_MAX])
{
    static const char word[] = "CLUSTER_NAME";
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.len - i >= sizeof(word) - 1 &&
            memcmp(text.data + i, word, sizeof(word) - 1) == 0) {
            len += (size_t)snprintf(ret + len, POLICY_MAX - len, "sim");
            i += sizeof(word) - 2;
            continue;
        }
        require(len + 2 < POLICY_MAX);
        ret[len++] = text.data[i];
    }
    ret[len] = '\0';
}

static void read_policy(struct policy *ret)
{
    char *at = ret->text;

    memset(ret, 0, sizeof(*ret));
    put_name(test_fixture("../../manifests/iam/policy.json"), ret->text);
    while ((at = strchr(at, '"'))) {
        char *end = strchr(at + 1, '"');
        require(end != NULL);
        bool key = end[1] == ':';
        if (key && strncmp(at, "\"Sid\"", 5) == 0) {
            require(sscanf(end, "\": \"%31[A-Za-z]", ret->statements[ret->statement_count]) == 1);
            ret->statement_count++;
        } else if (!key && strncmp(at, "\"ec2:", 5) == 0) {
            require(ret->place_count < PLACES_MAX);
            struct place *place = &ret->places[ret->place_count++];
            *place = (struct place){ (size_t)(at + 5 - ret->text), ret->statement_count - 1, "" };
            (void)snprintf(place->action, sizeof(place->action), "%.*s", (int)(end - at - 5),
                           at + 5);
        }
        at = end + 1;
    }
}

/* An action that nobody calls stands where the action stood. */
static void take_away(const struct policy *policy, uint32_t statement, uint32_t place,
                      char ret[POLICY_MAX])
{
    (void)snprintf(ret, POLICY_MAX, "%s", policy->text);
    for (uint32_t i = 0; i < policy->place_count; i++) {
        if (i == place || policy->places[i].statement == statement) {
            memset(ret + policy->places[i].at, 'X', strlen(policy->places[i].action));
        }
    }
}

/* ---- one story under a policy ---- */

static void refuse_for_a_while(struct sim_ec2 *ec2, const char *action)
{
    struct sim_fault *fault = &ec2->faults[ec2->fault_count++];

    *fault = (struct sim_fault){ .kind = FAULT_ERROR,
                                 .count = 40,
                                 .probability = 1,
                                 .cut_after = SIZE_MAX,
                                 .code = "IncorrectState",
                                 .message = "The instance is not running",
                                 .status = 400 };
    (void)snprintf(fault->action, sizeof(fault->action), "%s", action);
}

static void set_policy(struct world *world, const char *policy)
{
    struct slice body = arena_printf(test_arena(), "{\"who\":\"%.*s\",\"document\":%s}",
                                     SLICE_ARG(world->ec2->identities[0].who), policy);
    struct sim_http_request request = { .method = SLICE("POST"),
                                        .path = SLICE("/_sim/policy"),
                                        .body = body };
    struct sim_http_response response;

    sim_ec2_control(world->ec2, test_arena(), world->now_ns, world_wall_ns(world), &request,
                    &response);
    require(response.status == 200);
}

struct seen {
    uint32_t refused;
    bool well;
    char action[48]; /* that was refused first */
};

static void look_at_log(const struct sim_ec2 *ec2, struct seen *ret)
{
    for (uint32_t i = 0; i < ec2->log_count; i++) {
        const struct sim_request_log *entry = &ec2->log[(ec2->log_begin + i) % ec2->log_capacity];
        if (strcmp(entry->code, "UnauthorizedOperation") == 0) {
            if (ret->refused++ == 0) {
                (void)snprintf(ret->action, sizeof(ret->action), "%s", entry->action);
            }
        }
    }
}

static struct seen play(uint32_t story, const char *policy)
{
    struct world_config config = { .scenario = slice_of(stories[story].scenario),
                                   .name = slice_of(stories[story].name),
                                   .seed = 4,
                                   .column = WORLD_HEADROOM,
                                   .check = true };
    struct world *world = NULL;
    struct error error = { 0 };
    struct seen seen = { 0 };
    uint32_t violations = 0;

    require_ok(world_new(&config, &world, &error), &error);
    set_policy(world, policy);
    if (stories[story].refused_once) {
        refuse_for_a_while(world->ec2, stories[story].refused_once);
    }
    while (world_run(world, UINT64_MAX / 4)) {
    }
    (void)world_violations(world, &violations);
    seen.well = violations == 0 && world->waiting == 0;
    look_at_log(world->ec2, &seen);
    world_free(world);
    return seen;
}

/* Without this statement or this place something must be refused. */
static void expect_needed(const struct policy *policy, uint32_t statement, uint32_t place,
                          const char *what)
{
    char text[POLICY_MAX];
    struct seen seen = { 0 };

    take_away(policy, statement, place, text);
    for (uint32_t i = 0; i < STORIES && seen.refused == 0; i++) {
        seen = play(i, text);
    }
    if (seen.refused == 0) {
        test_fail("nobody misses %s", what);
    }
}

/* ---- tests ---- */

static struct policy policy;

TEST(ec2, needs_no_more_than_the_policy_that_users_apply)
{
    read_policy(&policy);
    for (uint32_t i = 0; i < STORIES; i++) {
        struct seen seen = play(i, policy.text);
        if (seen.refused > 0 || !seen.well) {
            test_fail("%s: %u calls refused (%s), %s", stories[i].name, seen.refused, seen.action,
                      seen.well ? "all is well" : "not all is well in the end");
        }
    }
}

TEST(ec2, misses_every_statement_and_every_action_of_the_policy)
{
    char what[128];

    read_policy(&policy);
    expect(policy.statement_count == 6 && policy.place_count >= 12);
    for (uint32_t i = 0; i < policy.statement_count; i++) {
        (void)snprintf(what, sizeof(what), "the statement %s", policy.statements[i]);
        expect_needed(&policy, i, UINT32_MAX, what);
    }
    for (uint32_t i = 0; i < policy.place_count; i++) {
        (void)snprintf(what, sizeof(what), "%s of the statement %s", policy.places[i].action,
                       policy.statements[policy.places[i].statement]);
        expect_needed(&policy, UINT32_MAX, i, what);
    }
    printf("     measured: %u statements, %u actions, each missed\n", policy.statement_count,
           policy.place_count);
}
