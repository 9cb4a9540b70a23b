/* ENIConfigs, the agent's DaemonSet and pods: what follows from each change of them. */
#include "kube_fake.h"

static const struct kube_config plain = { .leader_elect = false };

/* A machine that is synced, with ENIConfigs and an agent. */
static struct fake *with_eniconfigs(void)
{
    struct fake *api = fake_new(&plain);

    fake_answer(
        api, fake_request(api, "GET", "/eniconfigs?"), 200,
        SLICE(JSON_LIST("{\"metadata\":{\"name\":\"us-west-2a\",\"uid\":\"1\",\"generation\":1},"
                        "\"spec\":{\"subnet\":\"subnet-1\"}},"
                        "{\"metadata\":{\"name\":\"us-west-2b\",\"uid\":\"2\",\"generation\":1},"
                        "\"spec\":{\"subnet\":\"subnet-2\"}}")));
    return api;
}

TEST(eniconfig, is_told_with_every_change_of_it)
{
    struct fake *api = with_eniconfigs();

    expect_contains(fake_trace(api),
                    "eniconfig us-west-2a subnet-1\neniconfig us-west-2b subnet-2\n");
    struct fake_fetch *watch = fake_watch(api, "/eniconfigs");
    fake_body(
        api, watch,
        SLICE(
            "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"us-west-2a\",\"uid\":"
            "\"1\","
            "\"generation\":2,\"resourceVersion\":\"5\"},\"spec\":{\"subnet\":\"subnet-9\"}}}\n"));
    expect_slice(fake_trace(api), "eniconfig us-west-2a subnet-9\n");
    fake_body(
        api, watch,
        SLICE(
            "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"us-west-2a\",\"uid\":\"1\","
            "\"generation\":2,\"resourceVersion\":\"6\"},\"spec\":{}}}\n"));
    expect_slice(fake_trace(api), "eniconfig-gone us-west-2a\n");
    fake_done(api);
}

TEST(eniconfig, that_is_broken_is_left_out_by_name)
{
    struct fake *api = with_eniconfigs();

    (void)fake_trace(api);
    fake_body(api, fake_watch(api, "/eniconfigs"),
              SLICE("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"odd\",\"uid\":\"3\","
                    "\"generation\":1,\"resourceVersion\":\"5\"},\"spec\":{}}}\n"));
    fake_body(
        api, fake_watch(api, "/eniconfigs"),
        SLICE("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"odder\",\"uid\":\"3\","
              "\"generation\":1,\"resourceVersion\":\"5\"},\"spec\":{\"subnet\":\"no id\"}}}\n"));
    expect_contains(fake_logs(api),
                    "ENIConfig odder is left out: spec.subnet must be the id of a subnet");
    fake_done(api);
}

TEST(eniconfig, that_a_new_list_lacks_is_gone)
{
    struct fake *api = with_eniconfigs();

    fake_body(api, fake_watch(api, "/eniconfigs"),
              SLICE("{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n"));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(
        api, fake_request(api, "GET", "/eniconfigs?"), 200,
        SLICE(JSON_LIST("{\"metadata\":{\"name\":\"us-west-2b\",\"uid\":\"2\",\"generation\":1},"
                        "\"spec\":{\"subnet\":\"subnet-2\"}}")));
    expect_slice(fake_trace(api), "eniconfig-gone us-west-2a\n");
    fake_done(api);
}

/* The DaemonSet with these variables, as an item or an event's object. */
static const char *daemonset(uint32_t generation, const char *env)
{
    return arena_printf(
               test_arena(),
               "{\"metadata\":{\"name\":\"aws-node\",\"uid\":\"d\",\"generation\":%u,"
               "\"resourceVersion\":\"%u\"},\"spec\":{\"template\":{\"spec\":{\"containers\":["
               "{\"name\":\"other\"},{\"name\":\"aws-node\",\"image\":\"r/cni:v1.23.%u\","
               "\"env\":[%s]}]}}}}",
               generation, generation + 10, generation, env)
        .data;
}

static void change_agent(struct fake *api, uint32_t generation, const char *env)
{
    fake_body(api, fake_watch(api, "/daemonsets"),
              arena_printf(test_arena(), "{\"type\":\"MODIFIED\",\"object\":%s}\n",
                           daemonset(generation, env)));
}

TEST(agent, that_reads_another_annotation_makes_us_read_it_too)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, "");
    (void)fake_trace(api);
    change_agent(api, 1,
                 "{\"name\":\"ENI_CONFIG_ANNOTATION_DEF\",\"value\":\"example.com/config\"}");
    expect_contains(fake_trace(api), "agent v1.23.1\n");
    fake_pass(api, FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/nodes?");
    expect(!slice_contains(list->target, SLICE("watch=true")));
    fake_done(api);
}

TEST(agent, that_begins_to_use_branch_enis_makes_us_list_pods_with_their_requests)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, "{\"cells\":[\"web-1\",\"10.0.0.5\",\"n1\"]}");
    (void)fake_trace(api);
    change_agent(api, 1, "{\"name\":\"ENABLE_POD_ENI\",\"value\":\"true\"}");
    fake_pass(api, FAKE_SECOND);
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/pods?");
    expect_slice(list->accept, "application/vnd.kubernetes.protobuf");
    struct fake_pod pod = { .name = "web-1", .node = "n1", .ip = "10.0.0.5", .branch = true };
    struct slice item = pb_pod(&pod);
    (void)fake_trace(api);
    fake_answer(api, list, 200, pb_list("20", "", &item, 1));
    expect_slice(fake_trace(api), "pods n1 1+0 branch 1\n");
    fake_done(api);
}

TEST(agent, whose_daemonset_is_deleted_keeps_its_last_settings)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, "");
    change_agent(api, 1, "");
    (void)fake_trace(api);
    fake_body(
        api, fake_watch(api, "/daemonsets"),
        arena_printf(test_arena(), "{\"type\":\"DELETED\",\"object\":%s}\n", daemonset(1, "")));
    expect_slice(fake_trace(api), "");
    change_agent(api, 2, "");
    expect_slice(fake_trace(api), "agent v1.23.2\n");
    fake_done(api);
}

TEST(agent, with_a_value_that_it_does_not_understand_is_reported)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, "");
    change_agent(
        api, 1,
        "{\"name\":\"WARM_IP_TARGET\",\"value\":\"many\"},{\"name\":\"ADDITIONAL_ENI_TAGS\","
        "\"value\":\"{\\\"team\\\":\\\"a\\\"}\"}");
    expect_contains(fake_logs(api), "the agent does not understand WARM_IP_TARGET=many");
    fake_done(api);
}

TEST(agent, whose_pod_a_new_list_lacks_is_down)
{
    struct fake *api = fake_new(&plain);

    fake_sync(api, "");
    fake_body(api, fake_watch(api, "/kube-system/pods"), pb_error(410, "too old"));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(api, fake_request(api, "GET", "/kube-system/pods?"), 200,
                SLICE(EMPTY_TABLE(AGENT_COLUMNS) "[{\"cells\":[\"aws-node-2\",\"0/1\",\"n2\"]},"
                                                 "{\"cells\":[\"aws-node-3\",\"2/2\",\"n3\"]}]}"));
    expect_slice(fake_trace(api), "agent-pod n2 down\nagent-pod n3 ready\nagent-pod n1 down\n");
    fake_done(api);
}

TEST(agent, stays_known_while_thousands_of_nodes_come_and_go)
{
    struct fake *api = fake_new(&plain);
    char name[24], node[24];

    fake_sync(api, "");
    struct fake_fetch *watch = fake_watch(api, "/kube-system/pods");
    for (uint32_t i = 0; i < 1500; i++) {
        (void)snprintf(name, sizeof(name), "aws-node-x%u", i);
        (void)snprintf(node, sizeof(node), "x%u", i);
        struct fake_pod pod = { .name = name, .node = node, .ready = true };
        fake_body(api, watch, pb_event("ADDED", pb_pod(&pod)));
        fake_body(api, watch, pb_event("DELETED", pb_pod(&pod)));
    }
    fake_body(api, watch, pb_error(410, "too old"));
    fake_pass(api, FAKE_SECOND);
    (void)fake_trace(api);
    fake_answer(
        api, fake_request(api, "GET", "/kube-system/pods?"), 200,
        SLICE(EMPTY_TABLE(AGENT_COLUMNS) "[{\"cells\":[\"aws-node-1\",\"1/1\",\"n1\"]},"
                                         "{\"cells\":[\"aws-node-x7b\",\"1/1\",\"x7\"]}]}"));
    expect_slice(fake_trace(api), "agent-pod x7 ready\n"); /* of n1 nothing new */
    fake_done(api);
}
