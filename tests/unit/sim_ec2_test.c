/*
 * sim_ec2_test.c - the modelled EC2, held to what EC2 documents: addresses, ENIs, quotas,
 * consistency.
 */
#include "sim_ec2_world.h"

/* ---- subnets and their addresses ---- */

TEST(ec2sim, keeps_five_addresses_of_each_subnet)
{
    struct world world;

    start(&world, "");
    expect_u64(free_of(&world, "subnet-a"), 32 - 5 - 1); /* the instance's primary ENI has one */
    expect_u64(free_of(&world, "subnet-b"), 256 - 5);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, gives_out_a_subnet_to_its_last_address_and_then_says_that_it_is_full)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "throttle: {enabled: false}\n");
    for (uint32_t i = 0; i < 26; i++) {
        expect_code(create(&world, "subnet-a", 0, 0, &eni), CLOUD_OK);
    }
    expect_u64(free_of(&world, "subnet-a"), 0);
    expect_code(create(&world, "subnet-a", 0, 0, &eni), CLOUD_SUBNET_FULL);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 1, 0), CLOUD_SUBNET_FULL);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &eni), CLOUD_OK);
    expect_u64(free_of(&world, "subnet-a"), 1);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, takes_all_addresses_of_a_request_or_none)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "");
    expect_code(create(&world, "subnet-a", 26, 0, &eni), CLOUD_SUBNET_FULL);
    expect_u64(free_of(&world, "subnet-a"), 26);
    expect_code(create(&world, "subnet-a", 25, 0, &eni), CLOUD_OK);
    expect_u64(free_of(&world, "subnet-a"), 0);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, shows_exhaustion_with_its_third_face_when_the_scenario_says_so)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "exhaustion: parameter\n");
    expect_code(create(&world, "subnet-a", 26, 0, &eni), CLOUD_SUBNET_SHORT);
    expect_code(create(&world, "subnet-a", 0, 2, &eni), CLOUD_SUBNET_SHORT);
    struct sim_http_response response = ask(
        &world, "Action=CreateNetworkInterface&SubnetId=subnet-a&Ipv4PrefixCount=2");
    expect_refusal(response, 400, "InvalidParameterValue");
    expect_contains(response.body, "There aren't sufficient free Ipv4 addresses or prefixes");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, has_no_prefix_left_where_single_addresses_lie_in_every_block)
{
    struct world world;
    struct aws_id eni = { 0 }, subnet = id("subnet-a2");
    struct error error = { 0 };

    start(&world, "throttle: {enabled: false}\n");
    expect(sim_ec2_free_prefixes(world.ec2, &subnet) >= 13);
    require_ok(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 100, &error), &error);
    expect_u64(free_of(&world, "subnet-a2"), 100);
    expect_u64(sim_ec2_free_prefixes(world.ec2, &subnet), 0);
    expect_code(create(&world, "subnet-a2", 0, 1, &eni), CLOUD_NO_PREFIX);
    expect_code(create(&world, "subnet-a2", 9, 0, &eni), CLOUD_OK);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, counts_whole_blocks_when_addresses_are_taken_from_the_lowest)
{
    struct world world;
    struct aws_id eni = { 0 }, subnet = id("subnet-b");

    start(&world, "allocation: lowest\n");
    expect_u64(sim_ec2_free_prefixes(world.ec2, &subnet), 14); /* of 16: EC2's own are in two */
    expect_code(create(&world, "subnet-b", 15, 0, &eni), CLOUD_OK); /* .4 to .19 */
    expect_u64(sim_ec2_free_prefixes(world.ec2, &subnet), 13);
    expect_code(create(&world, "subnet-b", 0, 13, &eni), CLOUD_OK);
    expect_code(create(&world, "subnet-b", 0, 1, &eni), CLOUD_NO_PREFIX);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, keeps_reserved_addresses_from_who_does_not_ask_for_them)
{
    struct world world;
    struct aws_id eni = { 0 }, subnet = id("subnet-r");

    start(&world, "throttle: {enabled: false}\n");
    expect_u64(free_of(&world, "subnet-r"), 64 - 5 - 16 - 8);
    expect_code(create(&world, "subnet-r", 34, 0, &eni), CLOUD_OK);
    expect_u64(free_of(&world, "subnet-r"), 0);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 1, 0), CLOUD_SUBNET_FULL);
    /* The prefix reservation still has its block, the explicit one what is asked for by name. */
    expect_u64(sim_ec2_free_prefixes(world.ec2, &subnet), 1);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 0, 1), CLOUD_OK);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 0, 1), CLOUD_NO_PREFIX);
    struct slice form = arena_printf(
        test_arena(),
        "Action=AssignPrivateIpAddresses&NetworkInterfaceId=%s&PrivateIpAddress.1="
        "10.0.4.50",
        eni.text);
    struct sim_http_response response = ask(&world, form.data);
    expect_i64(response.status, 200);
    expect_contains(response.body, "<privateIpAddress>10.0.4.50</privateIpAddress>");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, lets_other_tenants_take_addresses_and_give_them_back)
{
    struct world world;
    struct aws_id subnet = id("subnet-a2");
    struct error error = { 0 };

    start(&world, "");
    require_ok(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 3, &error), &error);
    expect_u64(free_of(&world, "subnet-a2"), 3);
    struct sim_http_response response = ask(
        &world, "Action=DescribeNetworkInterfaces&Filter.1.Name=subnet-id&Filter.1.Value.1="
                "subnet-a2");
    /* The exact map of the subnet: their ENIs are to be seen, and as nobody's instance. */
    expect_u64(occurrences(response.body, "<primary>"), 251 - 3);
    expect_u64(occurrences(response.body, "<instanceId>"), 1);
    require_ok(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 250, &error), &error);
    expect_u64(free_of(&world, "subnet-a2"), 250);
    expect_err(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 251, &error), ERR_LIMIT, &error);
    sim_ec2_free(world.ec2);
}

/* ---- creating, attaching, deleting ---- */

TEST(ec2sim, returns_the_same_eni_for_the_same_client_token_and_parameters)
{
    struct world world;
    const char *form = "Action=CreateNetworkInterface&SubnetId=subnet-a2&ClientToken=t"
                       "&SecondaryPrivateIpAddressCount=3";

    start(&world, "");
    struct slice first = element(ask(&world, form).body, "networkInterfaceId");
    expect_u64(free_of(&world, "subnet-a2"), 246);
    expect_slices(element(ask(&world, form).body, "networkInterfaceId"), first);
    expect_u64(free_of(&world, "subnet-a2"), 246);
    expect_refusal(ask(&world, "Action=CreateNetworkInterface&SubnetId=subnet-a2&ClientToken=t"
                               "&SecondaryPrivateIpAddressCount=4"),
                   400, "IdempotentParameterMismatch");
    struct slice form_delete = arena_printf(
        test_arena(), "Action=DeleteNetworkInterface&NetworkInterfaceId=%.*s", SLICE_ARG(first));
    expect_i64(ask(&world, form_delete.data).status, 200);
    /* What a token made it goes on naming, also when it is gone. */
    expect_slices(element(ask(&world, form).body, "networkInterfaceId"), first);
    expect_u64(free_of(&world, "subnet-a2"), 250);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, does_not_remember_the_token_of_a_create_that_failed)
{
    struct world world;
    struct aws_id subnet = id("subnet-a");
    struct error error = { 0 };
    const char *form = "Action=CreateNetworkInterface&SubnetId=subnet-a&ClientToken=t";

    start(&world, "");
    require_ok(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 0, &error), &error);
    expect_refusal(ask(&world, form), 400, "InsufficientFreeAddressesInSubnet");
    require_ok(sim_ec2_drain(world.ec2, world.now_ns, &subnet, 5, &error), &error);
    expect_i64(ask(&world, form).status, 200);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, refuses_attachments_that_ec2_refuses)
{
    struct world world;
    struct aws_id eni = { 0 }, other = { 0 }, far = { 0 }, big = { 0 };

    start(&world, "");
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_OK);
    expect_code(create(&world, "subnet-a2", 0, 0, &other), CLOUD_OK);
    expect_code(create(&world, "subnet-b", 0, 0, &far), CLOUD_OK);
    expect_code(create(&world, "subnet-a2", 4, 0, &big), CLOUD_OK);
    expect_code(attach(&world, &far, "i-a", 1), CLOUD_INVALID); /* another zone */
    expect_code(attach(&world, &eni, "i-a", 0), CLOUD_INDEX_IN_USE);
    expect_code(attach(&world, &eni, "i-none", 1), CLOUD_INSTANCE_GONE);
    expect_code(attach(&world, &big, "i-tiny", 1), CLOUD_IP_LIMIT);
    expect_code(attach(&world, &eni, "i-tiny", 1), CLOUD_OK);
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_ENI_IN_USE);
    expect_code(attach(&world, &other, "i-tiny", 2), CLOUD_ATTACH_LIMIT);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &eni), CLOUD_ENI_IN_USE);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 4, 0), CLOUD_IP_LIMIT);
    struct aws_id instance = id("i-a"), gone = id("eni-0");
    expect_code(sim_ec2_terminate(world.ec2, world.now_ns, &instance), CLOUD_OK);
    expect_code(attach(&world, &other, "i-a", 1), CLOUD_INSTANCE_STATE);
    expect_code(attach(&world, &gone, "i-tiny", 1), CLOUD_ENI_GONE);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, takes_along_with_an_instance_only_what_is_to_be_deleted_with_it)
{
    struct world world;
    struct aws_id kept = { 0 }, deleted = { 0 }, instance = id("i-a");
    uint32_t count = 0;

    start(&world, "");
    expect_code(create(&world, "subnet-a2", 4, 0, &kept), CLOUD_OK);
    expect_code(create(&world, "subnet-a2", 4, 0, &deleted), CLOUD_OK);
    expect_code(attach(&world, &kept, "i-a", 1), CLOUD_OK);
    expect_code(attach(&world, &deleted, "i-a", 2), CLOUD_OK);
    expect_code(sim_ec2_set_delete_on_termination(world.ec2, world.now_ns, &deleted), CLOUD_OK);
    const struct eni *enis = sim_ec2_instance_enis(world.ec2, test_arena(), &instance, &count);
    expect_u64(count, 3);
    expect(count == 3 && enis[1].device_index == 1 && enis[2].delete_on_termination);
    expect_code(sim_ec2_terminate(world.ec2, world.now_ns, &instance), CLOUD_OK);
    expect_u64(free_of(&world, "subnet-a"), 27);   /* the primary ENI is gone */
    expect_u64(free_of(&world, "subnet-a2"), 245); /* one of the two is */
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &deleted), CLOUD_ENI_GONE);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &kept), CLOUD_OK);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, needs_time_to_attach_and_to_detach)
{
    struct world world;
    struct aws_id eni = { 0 }, instance = id("i-a");
    uint32_t count = 0;

    start(&world, "");
    sim_ec2_free(world.ec2);
    struct error error = { 0 };
    struct slice yaml = SLICE("subnets: [{id: subnet-a2, cidr: 10.0.1.0/24}]\n"
                              "instances: [{id: i-a, subnet: subnet-a2}]\n"
                              "timing: {attach_ms: 400, detach_ms: 2500}\n");
    require_ok(sim_ec2_new(yaml, 1, world.now_ns, WALL_NS, &world.ec2, &error), &error);
    expect_code(create(&world, "subnet-a2", 2, 0, &eni), CLOUD_OK);
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_OK);
    (void)sim_ec2_instance_enis(world.ec2, test_arena(), &instance, &count);
    expect_u64(count, 1);
    expect_u64(sim_ec2_deadline_ns(world.ec2), world.now_ns + 400000000);
    world.now_ns = sim_ec2_deadline_ns(world.ec2);
    sim_ec2_advance(world.ec2, world.now_ns);
    (void)sim_ec2_instance_enis(world.ec2, test_arena(), &instance, &count);
    expect_u64(count, 2);
    expect_code(sim_ec2_detach_eni(world.ec2, world.now_ns, &eni), CLOUD_OK);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &eni), CLOUD_ENI_IN_USE);
    world.now_ns += 2500000000;
    sim_ec2_advance(world.ec2, world.now_ns);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &eni), CLOUD_OK);
    expect_u64(sim_ec2_deadline_ns(world.ec2), UINT64_MAX);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, holds_to_the_quotas_of_account_and_vpc)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "quotas: {enis: 4, nau: 12}\n");
    expect_code(create(&world, "subnet-a2", 9, 0, &eni), CLOUD_OK); /* 2 instances, this */
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_NAU_LIMIT);   /* 2 + 10 addresses + 1 */
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_OK);
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_OK);
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_ENI_QUOTA);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, gives_prefixes_only_to_types_that_take_them)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "");
    expect_code(create(&world, "subnet-a2", 0, 1, &eni), CLOUD_OK);
    expect_code(attach(&world, &eni, "i-tiny", 1), CLOUD_INVALID);
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_OK);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 0, 8), CLOUD_OK);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 0, 1), CLOUD_IP_LIMIT);
    sim_ec2_free(world.ec2);
}

/* ---- consistency ---- */

TEST(ec2sim, shows_a_new_eni_and_the_free_count_only_after_the_lag)
{
    struct world world;
    const char *by_subnet = "Action=DescribeNetworkInterfaces&Filter.1.Name=subnet-id"
                            "&Filter.1.Value.1=subnet-b";
    const char *subnet = "Action=DescribeSubnets&SubnetId.1=subnet-b";

    start(&world, "lag_ms: 2000\n");
    struct slice eni = element(ask(&world, "Action=CreateNetworkInterface&SubnetId=subnet-b").body,
                               "networkInterfaceId");
    struct slice by_id = arena_printf(
        test_arena(), "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%.*s", SLICE_ARG(eni));
    expect_u64(occurrences(ask(&world, by_subnet).body, "<networkInterfaceId>"), 0);
    expect_refusal(ask(&world, by_id.data), 400, "InvalidNetworkInterfaceID.NotFound");
    expect_slice(element(ask(&world, subnet).body, "availableIpAddressCount"), "251");
    expect_u64(free_of(&world, "subnet-b"), 250);
    world.now_ns += 2 * SECOND;
    expect_u64(occurrences(ask(&world, by_subnet).body, "<networkInterfaceId>"), 1);
    expect_i64(ask(&world, by_id.data).status, 200);
    expect_slice(element(ask(&world, subnet).body, "availableIpAddressCount"), "250");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, goes_on_showing_an_eni_as_it_was_and_where_it_was)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "");
    expect_code(create(&world, "subnet-a2", 1, 0, &eni), CLOUD_OK);
    world.now_ns += SECOND;
    expect_i64(control(&world, "/_sim/lag", "{\"ms\":3000}").status, 200);
    world.now_ns += 3 * SECOND;
    struct slice by_id = arena_printf(
        test_arena(), "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s", eni.text);
    expect_code(sim_ec2_assign(world.ec2, world.now_ns, &eni, 2, 0), CLOUD_OK);
    world.now_ns += SECOND;
    expect_code(attach(&world, &eni, "i-a", 2), CLOUD_OK);
    world.now_ns += SECOND;
    /* Two seconds after the assign, one after the attach: neither is to be seen. */
    struct slice seen = ask(&world, by_id.data).body;
    expect_u64(occurrences(seen, "<primary>"), 2);
    expect_slice(element(seen, "status"), "available");
    world.now_ns += SECOND;
    seen = ask(&world, by_id.data).body;
    expect_u64(occurrences(seen, "<primary>"), 4);
    expect_slice(element(seen, "status"), "available");
    world.now_ns += SECOND;
    seen = ask(&world, by_id.data).body;
    expect_slice(element(seen, "deviceIndex"), "2");
    expect_code(sim_ec2_detach_eni(world.ec2, world.now_ns, &eni), CLOUD_OK);
    expect_code(sim_ec2_delete_eni(world.ec2, world.now_ns, &eni), CLOUD_OK);
    expect_i64(ask(&world, by_id.data).status, 200); /* still there, it seems */
    world.now_ns += 3 * SECOND;
    expect_refusal(ask(&world, by_id.data), 400, "InvalidNetworkInterfaceID.NotFound");
    sim_ec2_free(world.ec2);
}

/* ---- scenarios ---- */

TEST(ec2sim, says_the_line_and_the_field_of_a_wrong_scenario)
{
    static const struct {
        const char *yaml, *says;
    } wrong[] = {
        { "subnets: []", "needs subnets" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.1/24}",
          "line 2: cidr: a block of /24 begins at 10.0.0.0" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24, colour: red}", "no field \"colour\"" },
        { "subnets:\n- {id: subnet-a, cidr: 10.9.0.0/24}\nvpc: {id: vpc-1, cidrs: [10.0.0.0/16]}",
          "outside of the VPC" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24}\n- {id: subnet-b, cidr: 10.0.0.128/25}",
          "overlaps subnet-a" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24}\ninstances:\n- {subnet: none}",
          "line 4: there is no subnet none; there is subnet-a" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24}\ninstances:\n"
          "- {subnet: subnet-a, type: m99.huge}",
          "m99.huge" },
        { "subnets:\n- {id: subnet-a, cidr: 10.0.0.0/24}\nlag_ms: soon", "lag_ms" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct error error = { 0 };
        struct sim_ec2 *ec2 = NULL;
        expect_err(sim_ec2_new(slice_of(wrong[i].yaml), 1, 0, WALL_NS, &ec2, &error), ERR_INVALID,
                   &error);
        expect_contains(slice_of(error.text), wrong[i].says);
    }
}

/* 59 addresses, two whole /28 at most: 22 single ones, anywhere, before the prefixes. */
TEST(ec2sim, finds_the_prefixes_that_instances_have_whatever_stands_before_them)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct error error = { 0 };
        struct sim_ec2 *ec2 = NULL;
        require_ok(sim_ec2_new(SLICE("subnets:\n- {id: subnet-a, cidr: 10.0.0.0/26, free: 2}\n"
                                     "instances:\n"
                                     "- {name: n, type: m5.large, subnet: subnet-a, count: 2, "
                                     "secondary_ips: 9}\n"
                                     "- {name: m, type: m5.large, subnet: subnet-a, prefixes: 1, "
                                     "enis: [{subnet: subnet-a, prefixes: 1}]}\n"),
                               seed, 0, WALL_NS, &ec2, &error),
                   &error);
        sim_ec2_free(ec2);
    }
}

TEST(ec2sim, answers_the_same_in_every_run_of_a_seed)
{
    struct world first, second;
    const char *form = "Action=CreateNetworkInterface&SubnetId=subnet-a2"
                       "&SecondaryPrivateIpAddressCount=5";

    start(&first, "");
    start(&second, "");
    expect_slices(ask(&first, form).body, ask(&second, form).body);
    sim_ec2_free(first.ec2);
    sim_ec2_free(second.ec2);
}
