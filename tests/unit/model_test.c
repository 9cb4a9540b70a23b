/*
 * What can be said about a node, a tag, a selector, an instance type from itself alone.
 */
#include <headroom/model.h>

#include "test.h"

TEST(model, keeps_identifiers_that_ec2_could_have_given)
{
    struct aws_id id;
    struct aws_id other;

    expect_ok(aws_id_set(&id, SLICE("eni-0123456789abcdef0")), NULL);
    expect_text(id.text, "eni-0123456789abcdef0");
    expect_ok(aws_id_set(&other, SLICE("eni-0123456789abcdef1")), NULL);
    expect(!aws_id_eq(&id, &other));
    expect_ok(aws_id_set(&other, SLICE("ENI-9")), NULL);
    expect_ok(aws_id_set(&id, SLICE("")), NULL);
    expect_text(id.text, "");
    expect_err(aws_id_set(&id, SLICE("eni-0123456789abcdef0123456789abcdef")), ERR_INVALID, NULL);
    expect_err(aws_id_set(&id, SLICE("eni-1\" onload")), ERR_INVALID, NULL);
    expect_err(aws_id_set(&id, SLICE("eni_1")), ERR_INVALID, NULL);
    expect_text(id.text, "");
}

TEST(model, finds_a_tag_by_its_key)
{
    struct pair tags[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), SLICE("2") } };
    struct slice value = { 0 };

    expect(pair_find(tags, 2, SLICE("b"), &value));
    expect_slice(value, "2");
    expect(!pair_find(tags, 2, SLICE("c"), &value));
    expect(!pair_find(NULL, 0, SLICE("a"), &value));
}

TEST(model, knows_the_instance_of_a_node_and_which_nodes_are_not_served)
{
    static const struct {
        const char *provider, *key, *label, *instance;
        enum node_exclusion why;
    } nodes[] = {
        { "aws:///us-west-2a/i-0abc", "", "", "i-0abc", NODE_EXCLUDED_NONE },
        { "aws:///us-west-2a/i-", "", "", "", NODE_EXCLUDED_NO_INSTANCE },
        { "", "", "", "", NODE_EXCLUDED_NO_INSTANCE },
        { "aws:///us-west-2a/i-0a_b", "", "", "", NODE_EXCLUDED_NO_INSTANCE },
        { "kind://docker/x", "", "", "", NODE_EXCLUDED_NO_INSTANCE },
        { "aws:///us-west-2a/fargate-ip-10-0-0-1", "", "", "", NODE_EXCLUDED_FARGATE },
        { "x", "eks.amazonaws.com/compute-type", "fargate", "", NODE_EXCLUDED_FARGATE },
        { "x", "eks.amazonaws.com/compute-type", "hybrid", "", NODE_EXCLUDED_HYBRID },
        { "eks-hybrid:///us-west-2/c/n", "", "", "", NODE_EXCLUDED_HYBRID },
        { "aws:///us-west-2a/i-0abc", "eks.amazonaws.com/compute-type", "auto", "",
          NODE_EXCLUDED_AUTO_MODE },
        { "aws:///a/sagemaker/cluster/x", "", "", "", NODE_EXCLUDED_HYPERPOD },
        { "x", "sagemaker.amazonaws.com/compute-type", "hyperpod", "", NODE_EXCLUDED_HYPERPOD },
    };

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        struct pair label = { slice_of(nodes[i].key), slice_of(nodes[i].label) };
        struct node node = { .provider_id = slice_of(nodes[i].provider),
                             .labels = &label,
                             .label_count = 1 };
        struct aws_id instance;
        expect_u64(node_instance(&node, &instance), nodes[i].why);
        expect_text(instance.text, nodes[i].instance);
    }
    struct node leaving = { .provider_id = SLICE("aws:///us-west-2a/i-0abc"), .deleting = true };
    struct aws_id instance;
    expect_u64(node_instance(&leaving, &instance), NODE_EXCLUDED_LEAVING);
    leaving.ipv6 = true;
    expect_u64(node_instance(&leaving, &instance), NODE_EXCLUDED_IPV6);
    leaving.os = NODE_OS_WINDOWS;
    expect_u64(node_instance(&leaving, &instance), NODE_EXCLUDED_WINDOWS);
    expect_text(node_exclusion_text(NODE_EXCLUDED_NONE), "");
}

TEST(model, matches_labels_as_kubernetes_does)
{
    struct pair labels[] = { { SLICE("team"), SLICE("a") }, { SLICE("spot"), SLICE("") } };
    struct slice values[] = { SLICE("b"), SLICE("a") };
    struct selector_requirement one = { SLICE("team"), SELECTOR_IN, values, 2 };
    struct label_selector selector = { &one, 1 };

    expect(label_selector_matches(&selector, labels, 2));
    one.value_count = 1;
    expect(!label_selector_matches(&selector, labels, 2));
    one.op = SELECTOR_NOT_IN;
    expect(label_selector_matches(&selector, labels, 2));
    expect(label_selector_matches(&selector, NULL, 0)); /* NotIn also when it is not there */
    one.value_count = 2;
    expect(!label_selector_matches(&selector, labels, 2));
    one.op = SELECTOR_EXISTS;
    one.key = SLICE("spot");
    expect(label_selector_matches(&selector, labels, 2));
    one.op = SELECTOR_NOT_EXISTS;
    expect(!label_selector_matches(&selector, labels, 2));
    selector.count = 0;
    expect(label_selector_matches(&selector, NULL, 0));
}

TEST(model, selects_by_id_or_by_all_tags_of_a_term)
{
    struct pair tags[] = { { SLICE("env"), SLICE("prod") }, { SLICE("tier"), SLICE("pods") } };
    struct pair wanted[] = { { SLICE("env"), SLICE("prod") }, { SLICE("tier"), SLICE("*") } };
    struct selector_term terms[] = { { .id = SLICE("subnet-1") },
                                     { .tags = wanted, .tag_count = 2 } };

    expect(selector_terms_match(terms, 2, SLICE("subnet-1"), NULL, 0));
    expect(selector_terms_match(terms, 2, SLICE("subnet-9"), tags, 2));
    expect(!selector_terms_match(terms, 2, SLICE("subnet-9"), tags, 1));
    expect(!selector_terms_match(terms, 1, SLICE("subnet-9"), tags, 2));
    wanted[0].value = SLICE("test");
    expect(!selector_terms_match(terms, 2, SLICE("subnet-9"), tags, 2));
    struct selector_term nothing = { 0 };
    expect(!selector_terms_match(&nothing, 1, SLICE("subnet-9"), tags, 2));
}

TEST(model, takes_amounts_as_counts_or_shares)
{
    expect_u64(amount_of((struct amount){ 25, false }, 251), 25);
    expect_u64(amount_of((struct amount){ 10, true }, 251), 25);
    expect_u64(amount_of((struct amount){ 100, true }, UINT32_MAX), UINT32_MAX);
}

TEST(model, copies_a_pool_with_all_that_it_borrows)
{
    char name[] = "default";
    char key[] = "team";
    char value[] = "a";
    struct slice values = slice_of(value);
    struct selector_requirement requirement = { slice_of(key), SELECTOR_IN, &values, 1 };
    struct pair tag = { slice_of(key), slice_of(value) };
    struct selector_term term = { .id = slice_of(name), .tags = &tag, .tag_count = 1 };
    struct pool pool;
    struct pool copy;

    pool_default(&pool);
    expect_u64(pool.reserved_ips, 8);
    pool.name = slice_of(name);
    pool.nodes = (struct label_selector){ &requirement, 1 };
    pool.subnet_terms = pool.group_terms = &term;
    pool.subnet_term_count = pool.group_term_count = 1;
    pool_copy(test_arena(), &pool, &copy);
    memset(name, 'x', sizeof(name) - 1);
    memset(key, 'x', sizeof(key) - 1);
    memset(value, 'x', sizeof(value) - 1);
    expect_slice(copy.name, "default");
    expect_slice(copy.nodes.requirements[0].key, "team");
    expect_slice(copy.nodes.requirements[0].values[0], "a");
    expect_slice(copy.subnet_terms[0].tags[0].value, "a");
    expect_slice(copy.group_terms[0].id, "default");
}

TEST(model, knows_the_limits_of_instance_types)
{
    struct instance_type type;

    require(instance_type_builtin(SLICE("t3.medium"), &type));
    expect_u64(type.enis, 3);
    expect_u64(type.ips_per_eni, 6);
    expect(type.prefixes);
    expect(!type.trunk); /* T3 carries no branch ENIs */
    require(instance_type_builtin(SLICE("m5.large"), &type));
    expect(type.trunk);
    require(instance_type_builtin(SLICE("m4.large"), &type));
    expect(!type.prefixes);                                     /* Xen */
    require(instance_type_builtin(SLICE("a1.2xlarge"), &type)); /* the first */
    require(instance_type_builtin(SLICE("z1d.xlarge"), &type)); /* the last but a few */
    require(instance_type_builtin(SLICE("p5.48xlarge"), &type));
    expect_u64(type.enis, 2); /* of card 0 alone, of 64 in all */
    expect(!instance_type_builtin(SLICE("t3"), &type));
    expect(!instance_type_builtin(SLICE(""), &type));
}

TEST(model, has_the_agents_own_defaults_and_a_name_for_everything)
{
    struct agent_settings agent;

    agent_settings_default(&agent);
    expect_i64(agent.warm_eni_target, 1);
    expect_i64(agent.warm_ip_target, AGENT_UNSET);
    expect(agent.subnet_discovery && agent.manage_untagged && !agent.prefix_delegation);
    expect_text(cloud_code_name(CLOUD_SUBNET_FULL), "SUBNET_FULL");
    expect_text(event_reason_name(EVENT_ENIPreAttached), "ENIPreAttached");
    expect_text(subnet_state_name(SUBNET_Fragmented), "Fragmented");
}
