/*
 * The simulated world: a run repeats, a wrong scenario is refused by its line, and an invariant
 * that is broken is seen.
 */
#include "sim/world/state.h"

/* After the world's headers: CUnit has macros of its own. */
#include "test.h"

#define NETWORK_OF(agent)                                                                          \
    "region: us-west-2\n"                                                                          \
    "vpc: {name: main, cidrs: [10.0.0.0/16]}\n"                                                    \
    "security_groups: [{name: nodes}]\n"                                                           \
    "subnets:\n"                                                                                   \
    "  - {name: a, zone: us-west-2a, cidr: 10.0.0.0/26, tags: {pool: pods}}\n"                     \
    "  - {name: a2, zone: us-west-2a, cidr: 10.0.1.0/26, tags: {pool: pods}}\n"                    \
    "  - {name: b, zone: us-west-2b, cidr: 10.0.2.0/26, tags: {pool: pods}}\n"                     \
    "instances:\n"                                                                                 \
    "  - {name: node-1, type: t3.medium, subnet: a, groups: [nodes]}\n"                            \
    "  - {name: node-2, type: t3.medium, subnet: b, groups: [nodes]}\n"                            \
    "kubernetes: {agent: {CLUSTER_NAME: sim" agent "}}\n"                                          \
    "pools:\n"                                                                                     \
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"

#define NETWORK NETWORK_OF("")

#define STORY                                                                                      \
    NETWORK "duration: 12m\n"                                                                      \
            "demand:\n"                                                                            \
            "  - {drain: a, at: 30s, over: 1m, free: 0}\n"                                         \
            "  - {pods: web, at: 2m, every: 5s, until: 4m, count: 1}\n"

static struct world *begin(const char *scenario, enum world_column column, uint64_t seed,
                           bool faults)
{
    struct world_config config = { .scenario = slice_of(scenario),
                                   .name = SLICE("test"),
                                   .seed = seed,
                                   .column = column,
                                   .faults = faults,
                                   .check = true };
    struct world *world = NULL;
    struct error error = { 0 };

    require_ok(world_new(&config, &world, &error), &error);
    return world;
}

static struct slice played(const char *scenario, uint64_t seed, struct world_result *ret)
{
    struct world *world = begin(scenario, WORLD_HEADROOM, seed, true);

    while (world_run(world, UINT64_MAX / 4)) {
    }
    world_result(world, ret);
    struct slice trace = arena_slice(test_arena(), world_trace(world));
    world_free(world);
    return trace;
}

TEST(sim_world, repeats_a_run_from_its_seed)
{
    struct world_result first, again, other;

    struct slice one = played(STORY, 5, &first);
    struct slice two = played(STORY, 5, &again);
    struct slice three = played(STORY, 6, &other);
    expect_u64(again.steps, first.steps);
    expect(slice_eq(one, two));
    expect(!slice_eq(one, three));
}

TEST(sim_world, runs_in_pieces_as_in_one)
{
    struct world *whole = begin(STORY, WORLD_HEADROOM, 3, false);
    struct world *pieces = begin(STORY, WORLD_HEADROOM, 3, false);

    while (world_run(whole, UINT64_MAX / 4)) {
    }
    for (uint64_t at_ns = SIM_S; world_run(pieces, at_ns); at_ns += SIM_S) {
    }
    expect_slices(world_trace(pieces), world_trace(whole));
    world_free(whole);
    world_free(pieces);
}

TEST(sim_world, measures_less_stall_with_headroom_and_none_that_the_oracle_could_avoid)
{
    struct world_result results[WORLD_COLUMNS];

    for (enum world_column column = 0; column < WORLD_COLUMNS; column++) {
        struct world *world = begin(STORY, column, 1, false);
        while (world_run(world, UINT64_MAX / 4)) {
        }
        world_result(world, &results[column]);
        world_free(world);
    }
    expect(results[WORLD_AGENT].avoidable_stall_s > 100);
    expect(results[WORLD_HEADROOM].avoidable_stall_s < results[WORLD_AGENT].avoidable_stall_s / 5);
    expect(results[WORLD_ORACLE].avoidable_stall_s <= 0);
    expect(results[WORLD_ORACLE].stall_s <= results[WORLD_HEADROOM].stall_s);
    expect_u64(results[WORLD_AGENT].controller_calls, 0);
    expect(results[WORLD_HEADROOM].enis_preattached > 0);
}

TEST(sim_world, refuses_a_wrong_scenario_by_its_line)
{
    static const struct {
        const char *text, *wanted;
    } wrong[] = {
        { NETWORK "demand:\n  - {pods: web, att: 3s}\n", "no field \"att\"" },
        { NETWORK "demand:\n  - {pods: web, ats: 3s}\n", "did you mean \"at\"?" },
        { NETWORK "demand:\n  - {pods: web, at: soon}\n", "such as 90s or 5m, not \"soon\"" },
        { NETWORK "demand:\n  - {pods: web, at: 60}\n", "a duration with a unit" },
        { NETWORK "demand:\n  - {at: 3s}\n", "a demand needs one of" },
        { NETWORK "demand:\n  - {pods: web, jobs: b}\n", "has both pods and jobs" },
        { NETWORK "demand:\n  - {pods: web, every: 0s}\n", "every must be above 0" },
        { NETWORK "demand:\n  - {pods: web, at: 5m, until: 1m}\n", "until is before at" },
        { NETWORK "demand:\n  - {pods: web, on: node-3}\n", "did you mean node-1?" },
        { NETWORK "demand:\n  - {vanish: elsewhere}\n", "there are node-1, node-2" },
        { NETWORK "demand:\n  - {nodes: workers}\n", "no row of instances named workers" },
        { NETWORK "demand:\n  - {evacuate: us-west-2c}\n", "did you mean us-west-2a?" },
        { NETWORK "demand:\n  - {restart: web}\n", "no workload web; there are none" },
        { NETWORK "demand:\n  - {agents: stop}\n", "agents takes restart" },
        { NETWORK "demand:\n  - {drain: nowhere, at: 3s}\n", "no subnet nowhere; there are a, a2" },
        { NETWORK "faults:\n  - {flood: 3s, at: 3s}\n", "no field \"flood\"" },
        { NETWORK "duration: 400h\n", "duration must be" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct world_config config = { .scenario = slice_of(wrong[i].text), .name = SLICE("test") };
        struct world *world = NULL;
        struct error error = { 0 };
        expect_err(world_new(&config, &world, &error), ERR_INVALID, &error);
        expect_contains(slice_of(error.text), wrong[i].wanted);
        expect_contains(slice_of(error.text), "line 1");
    }
}

TEST(sim_world, names_file_line_and_remedy_also_when_it_plays_a_part)
{
    static const struct {
        const char *text, *wanted;
    } wrong[] = {
        { "subnets:\n  - {name: a, zoen: us-west-2a, cidr: 10.0.0.0/24}\n",
          "mine.yaml: line 2: a subnet has no field \"zoen\"; did you mean \"zone\"?" },
        { "subnets:\n  - {name: a, zone: eu-west-1a, cidr: 10.0.0.0/24}\n",
          "line 2: zone eu-west-1a is not in Region us-west-2" },
        { "subnets:\n  - {name: a, cidr: 10.0.0.9/24}\n", "begins at 10.0.0.0" },
        { "subnets:\n  - {name: a, cidr: 10.0.0.0/24}\ninstances:\n"
          "  - {name: n, type: m5.lrage, subnet: a}\n",
          "line 4: there is no instance type m5.lrage" },
        { "subnets:\n  - {name: apps, cidr: 10.0.0.0/24}\ninstances:\n  - {name: n, subnet: app}\n",
          "did you mean apps?" },
        { "subnets:\n  - {name: a, cidr: 10.0.0.0/24}\npools:\n  - name: p\n"
          "    spec: {subnetSelectorTerms: [{tag: {x: y}}]}\n",
          "line 5: a selector term has no field \"tag\"; did you mean \"tags\"?" },
        { "subnets:\n  - {name: a, cidr: 10.0.0.0/24}\npools:\n  - name: p\n"
          "    spec: {subnetSelectorTerms: [{id: a}], limits: {attachPerMin: 3}}\n",
          "limits has no field \"attachPerMin\"" },
        { "# nothing\n", "there is nothing in it" },
        { "subnets:\n\t- {name: a}\n", "mine.yaml: line 2, column 1: a tab" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct world_config config = { .scenario = slice_of(wrong[i].text),
                                       .name = SLICE("mine.yaml"),
                                       .scale = 0.1 };
        struct world *world = NULL;
        struct error error = { 0 };
        expect_err(world_new(&config, &world, &error), ERR_INVALID, &error);
        expect_contains(slice_of(error.text), wrong[i].wanted);
    }
}

TEST(sim_world, plays_a_part_of_subnets_with_reservations)
{
    struct world_config config = {
        .scenario = SLICE("subnets:\n"
                          "  - {name: a, cidr: 10.0.0.0/24, reservations: [\n"
                          "      {cidr: 10.0.0.64/26, type: prefix}, {cidr: 10.0.0.240/28}]}\n"
                          "instances:\n  - {name: n, subnet: a, count: 4}\n"),
        .name = SLICE("test"),
        .scale = 0.25
    };
    struct world *world = NULL;
    struct error error = { 0 };

    require_ok(world_new(&config, &world, &error), &error);
    expect_u64(world->ec2->subnets[0].space.cidr.bits, 26);
    expect_u64(world->ec2->subnets[0].reservation_count, 1);
    expect_u64(world->ec2->subnets[0].reservations[0].cidr.base, UINT32_C(0x0A000010));
    expect_u64(world->ec2->subnets[0].reservations[0].cidr.bits, 28);
    expect_u64(world->node_count, 1);
    world_free(world);
}

#define SERVING                                                                                    \
    "subnets:\n"                                                                                   \
    "  - {name: a, zone: us-west-2a, cidr: 10.0.0.0/20, free: 40, tags: {pool: pods}}\n"           \
    "instances:\n"                                                                                 \
    "  - {name: n, type: m5.large, subnet: a, count: 150, secondary_ips: 9,\n"                     \
    "     enis: [{subnet: a, ips: 9}]}\n"                                                          \
    "kubernetes: {serving: true, agent: {CLUSTER_NAME: sim, WARM_IP_TARGET: \"9\"}}\n"             \
    "pools:\n"                                                                                     \
    "  - {name: default, spec: {subnetSelectorTerms: [{tags: {pool: pods}}]}}\n"

/* What a snapshot holds is at rest: 150 agents that started at once would be throttled, tag their
 * ENIs, and give back what their pods, which come later, hold in truth. */
TEST(sim_world, goes_on_from_agents_that_serve_already)
{
    struct buf scenario;
    struct world_result result;
    struct world_series series;

    buf_init(&scenario, 1 << 20);
    buf_add_text(&scenario, SERVING "demand:\n");
    for (int i = 1; i <= 150; i++) {
        buf_addf(&scenario, "  - {pods: on-%d, on: n-%d, at: 0s, count: 9}\n", i, i);
    }
    struct world *world = begin(arena_slice(test_arena(), buf_slice(&scenario)).data, WORLD_AGENT,
                                1, false);
    while (world_run(world, UINT64_MAX / 4)) {
    }
    world_result(world, &result);
    world_series(world, &series);
    expect_u64(result.pods_started, 1350);
    expect_u64(result.pods_waited, 0);
    expect_u64(result.ec2_calls, 0);
    for (uint32_t i = 0; i < series.count; i++) {
        expect_u64(series.free[i], 40);
    }
    world_free(world);
    buf_done(&scenario);
}

static void expect_remark(const char *scenario, const char *wanted)
{
    struct world *world = begin(scenario, WORLD_HEADROOM, 1, false);
    uint32_t count = 0;
    const struct slice *remarks = world_remarks(world, &count);

    expect_u64(count, wanted ? 1 : 0);
    if (wanted && count == 1) {
        expect_contains(remarks[0], wanted);
    }
    world_free(world);
}

static const char *joined(const char *a, const char *b)
{
    return arena_printf(test_arena(), "%s%s", a, b).data;
}

TEST(sim_world, remarks_on_what_was_hardly_meant)
{
    static const char two[] = "subnets:\n"
                              "  - {name: a, zone: us-west-2a, cidr: 10.0.0.0/24}\n"
                              "  - {name: b, zone: us-west-2b, cidr: 10.0.1.0/24}\n"
                              "instances:\n"
                              "  - {name: n, subnet: a}\n"
                              "pools:\n"
                              "  - name: p\n"
                              "    spec: {subnetSelectorTerms: [{id: ";

    expect_remark(STORY, NULL);
    expect_remark(NETWORK "demand:\n  - {pods: web, at: 2h, count: 1}\n",
                  "at 2h is when all is over (duration: 30m)");
    expect_remark(NETWORK_OF(", WARM_IP_TARGTE: \"3\""), "did you mean WARM_IP_TARGET?");
    expect_remark(NETWORK_OF(", AWS_VPC_K8S_CNI_LOGLEVEL: debug"), "not modelled");
    expect_remark(joined(two, "a}]}\n"), NULL);
    expect_remark(joined(two, "b}]}\n"), "line 7: pool p has nodes in us-west-2a and no subnet");
    expect_remark(joined(two, "a}]}\nquotas: {nau: 1}\n"),
                  "there are 1 network address units, and quotas.nau is 1");
    expect_remark(joined(two, "c}]}\n"), "pool p selects no subnet");
    expect_remark(joined(two, "a}], dryRun: true}\n"), "dryRun: true");
}

/* An ENI of "ours", made behind the controller's back. */
static uint32_t own_eni(struct world *world, const char *subnet, const char *intent,
                        const char *client_token)
{
    struct pair tag = { SLICE(TAG_INTENT), slice_of(intent) };
    uint32_t row = 0, token = 0;
    uint32_t place = sim_subnet_by_name(world->ec2, slice_of(subnet));
    struct sim_problem problem = { 0 };
    struct sim_create create = { .subnet = aws_id_slice(&world->ec2->subnets[place].id),
                                 .client_token = slice_of(client_token),
                                 .tags = &tag,
                                 .tag_count = 1 };

    require(sim_eni_create(world->ec2, &create, &row, &token, &problem));
    return row;
}

static struct slice broken(struct world *world)
{
    uint32_t count = 0;
    const struct world_violation *violations = world_violations(world, &count);

    return count > 0 ? slice_of(violations[count - 1].text) : SLICE("");
}

TEST(sim_world, sees_an_eni_that_is_attached_where_it_must_not_be)
{
    struct world *world = begin(STORY, WORLD_HEADROOM, 1, false);

    (void)world_run(world, 60 * SIM_S);
    uint32_t row = own_eni(world, "b", "x", "x");
    sim_eni_join(world->ec2, row, world->nodes[0].instance_row, 3, true);
    struct slice form = arena_printf(test_arena(), "NetworkInterfaceId=%s",
                                     world->ec2->enis[row].id.text);
    world_check_call(world, ACT_AttachNetworkInterface, form, 200, SLICE(""));
    expect_contains(broken(world), "across zones");
    world_free(world);
}

TEST(sim_world, sees_two_enis_for_one_need_and_a_detach)
{
    struct world *world = begin(STORY, WORLD_HEADROOM, 1, false);

    (void)world_run(world, 60 * SIM_S);
    (void)own_eni(world, "a2", "need", "first");
    world_check_call(world, ACT_CreateNetworkInterface, SLICE("ClientToken=first"), 200, SLICE(""));
    world_check_call(world, ACT_CreateNetworkInterface, SLICE("ClientToken=first"), 200, SLICE(""));
    expect_slice(broken(world), "");
    (void)own_eni(world, "a2", "need", "second");
    world_check_call(world, ACT_CreateNetworkInterface, SLICE("ClientToken=second"), 200,
                     SLICE(""));
    expect_contains(broken(world), "for one need");
    world_check_call(world, ACT_DetachNetworkInterface, SLICE(""), 200, SLICE(""));
    expect_contains(broken(world), "detaches");
    world_free(world);
}

TEST(sim_world, sees_that_an_agent_is_given_what_it_frees_again)
{
    struct world *world = begin(STORY, WORLD_HEADROOM, 1, false);

    (void)world_run(world, 60 * SIM_S);
    struct world_node *node = &world->nodes[0];
    for (uint32_t i = 0; i < 2; i++) {
        node->own[node->own_count++] = (struct own_eni){ .id = { "eni-gone" },
                                                         .attached_ns = world->now_ns };
        world_check_agent(world, 0);
    }
    expect_contains(broken(world), "flaps");
    expect_u64(world->result.flaps, 2);
    world_free(world);
}

/* The controller attaches an ENI to the first node, whose agent frees it at once. */
static void give_in_vain(struct world *world, const char *intent)
{
    struct world_node *node = &world->nodes[0];
    uint32_t row = own_eni(world, "a2", intent, intent);

    sim_eni_join(world->ec2, row, node->instance_row, 2, true);
    struct slice form = arena_printf(test_arena(), "NetworkInterfaceId=%s",
                                     world->ec2->enis[row].id.text);
    world_check_call(world, ACT_AttachNetworkInterface, form, 200, SLICE(""));
    require(node->own_count > 0);
    sim_eni_part(world->ec2, row);
    world_check_agent(world, 0);
}

TEST(sim_world, holds_a_new_controller_to_its_bets_and_not_to_what_an_agent_lacked)
{
    struct world *world = begin(NETWORK_OF(", WARM_IP_TARGET: \"1\"") "duration: 12m\n",
                                WORLD_HEADROOM, 1, false);

    (void)world_run(world, 60 * SIM_S);
    give_in_vain(world, "before");
    (void)world_run(world, 61 * SIM_S);
    world_check_forget(world);
    world->nodes[0].pods += 5; /* bound a moment ago */
    give_in_vain(world, "for pods");
    expect_slice(broken(world), "");
    world->nodes[0].pods -= 5;
    (void)world_run(world, 62 * SIM_S);
    world_check_forget(world);
    give_in_vain(world, "a bet");
    expect_contains(broken(world), "flaps");
    world_free(world);
}

TEST(sim_world, goes_on_after_a_crash_in_the_api_servers_silence)
{
    struct world *world = begin(STORY "faults:\n  - {silence: 0s, at: 60s, for: 3m}\n"
                                      "  - {crash: 5s, at: 72s}\n",
                                WORLD_HEADROOM, 1, false);

    (void)world_run(world, 300 * SIM_S);
    expect_slice(broken(world), "");
    expect(world_now_ns(world) >= 299 * SIM_S);
    world_free(world);
}
