/*
 * The modelled agent's further rules: where it looks for addresses, what it leaves alone, what an
 * idle one costs.
 */
#include "sim_agent_world.h"

/* ---- what was read in the agent's source ---- */

TEST(sim_agent, discovery_goes_to_the_tagged_subnet_with_the_most_room_in_its_zone)
{
    struct world world;

    begin_exhausted(&world);
    drain(&world, "subnet-a", 0);
    drain(&world, "subnet-t", 100);
    start_agent(&world);
    pass(&world, 10);
    uint32_t count = 0;
    const struct eni *enis = sim_ec2_instance_enis(world.ec2, test_arena(), &world.instance,
                                                   &count);
    require(count == 2);
    expect_text(enis[1].subnet.text, "subnet-t"); /* not the untagged b, the excluded x, nor o in
                                                     another zone */
    expect_u64(enis[1].device_index, 1);          /* the lowest free */
    expect_u64(enis[1].ip_count, 5);
    expect(enis[1].delete_on_termination);
    end(&world);
}

TEST(sim_agent, asks_for_all_addresses_of_a_new_ENI_or_none)
{
    struct world world;

    begin_exhausted(&world);
    drain(&world, "subnet-a", 0);
    drain(&world, "subnet-t", 5); /* primary address and four: one is missing */
    start_agent(&world);
    pass(&world, 10);
    expect_u64(stats(&world).enis, 1);
    expect(stats(&world).cooldown_until_ns > world.now_ns);
    end(&world);
}

TEST(sim_agent, gives_pods_no_address_of_an_excluded_subnet)
{
    struct world world;

    begin_exhausted(&world);
    exhaust(&world);
    attach(&world, "subnet-x", 5, 0, NULL, 0);
    (void)seconds_until(&world, ADOPTED, 1, ADOPTION_MAX_S);
    expect(!served(&world, "p3"));
    end(&world);
}

TEST(sim_agent, a_cordoned_node_adopts_but_neither_grows_nor_frees)
{
    struct world world;

    begin(&world, "i-medium", "t3.medium");
    start_agent(&world);
    pass(&world, 10);
    sim_agent_cordon(world.agent, world.now_ns, true);
    expect(served(&world, "p1")); /* low now */
    attach(&world, "subnet-b", 5, 0, NULL, 0);
    (void)seconds_until(&world, ADOPTED, 1, ADOPTION_MAX_S);
    sim_agent_del(world.agent, world.now_ns, SLICE("p1"));
    pass(&world, 200);
    expect_u64(stats(&world).enis_created, 0);
    expect_u64(stats(&world).enis_freed, 0);
    sim_agent_cordon(world.agent, world.now_ns, false);
    pass(&world, 10);
    expect_u64(stats(&world).enis_freed, 1);
    end(&world);
}

TEST(sim_agent, with_provisioning_disabled_it_adopts_without_tagging_and_does_nothing_else)
{
    struct world world;

    begin(&world, "i-medium", "t3.medium");
    world.settings.provisioning_disabled = true;
    start_agent(&world);
    pass(&world, 30);
    expect_u64(stats(&world).addresses, 0);
    struct aws_id eni = attach(&world, "subnet-b", 5, 0, NULL, 0);
    (void)seconds_until(&world, ADOPTED, 1, ADOPTION_MAX_S);
    expect(served(&world, "p1"));
    const struct eni *found = find_eni(&world, &eni);
    require(found != NULL);
    expect_u64(found->tag_count, 0);
    pass(&world, 200);
    expect_u64(stats(&world).enis_freed, 0);
    end(&world);
}

TEST(sim_agent, leaves_a_slot_for_a_trunk_and_adopts_within_seconds_while_it_waits_for_one)
{
    struct world world;

    begin(&world, "i-xlarge", "m5.xlarge");
    require(world.type.trunk);
    world.settings.pod_eni = true;
    world.settings.warm_eni_target = 10; /* wants all it can get */
    start_agent(&world);
    pass(&world, 120);
    expect_u64(stats(&world).enis, 3); /* of 4 */
    attach(&world, "subnet-b", 5, 0, NULL, 0);
    expect_between(seconds_until(&world, ADOPTED, 1, 10), 0, 5.5);
    end(&world);
}

TEST(sim_agent, an_address_that_was_given_back_cools_for_30_s)
{
    struct world world;

    begin_exhausted(&world);
    exhaust(&world);
    sim_agent_del(world.agent, world.now_ns, SLICE("p1"));
    pass(&world, 29.9);
    expect(!served(&world, "p3"));
    expect_u64(stats(&world).cooling, 1);
    pass(&world, 0.2);
    expect(served(&world, "p3"));
    end(&world);
}

TEST(sim_agent, forgets_an_ENI_that_is_taken_from_it_together_with_its_pods)
{
    struct world world;
    uint32_t ip = 0;

    begin_exhausted(&world);
    exhaust(&world);
    struct aws_id eni = attach(&world, "subnet-b", 5, 0, NULL, 0);
    (void)seconds_until(&world, ADOPTED, 1, ADOPTION_MAX_S);
    expect(add(&world, "p3", &ip));
    expect_u64(stats(&world).assigned, 3);
    require(sim_ec2_detach_eni(world.ec2, world.now_ns, &eni) == CLOUD_OK);
    (void)seconds_until(&world, ENIS, 1, 70);
    expect_u64(stats(&world).assigned, 2);
    end(&world);
}

TEST(sim_agent, finds_addresses_that_are_added_to_an_ENI_that_it_has)
{
    struct world world;

    begin_exhausted(&world);
    exhaust(&world);
    struct aws_id eni = attach(&world, "subnet-b", 1, 0, NULL, 0);
    (void)seconds_until(&world, ADOPTED, 1, ADOPTION_MAX_S);
    require(sim_ec2_assign(world.ec2, world.now_ns, &eni, 3, 0) == CLOUD_OK);
    (void)seconds_until(&world, ADDRESSES, 2 + 4, 70);
    end(&world);
}

TEST(sim_agent, is_never_low_once_it_has_an_address_for_each_pod_that_may_run)
{
    struct world world;

    begin(&world, "i-medium", "t3.medium");
    world.max_pods = 5;
    start_agent(&world);
    pass(&world, 10);
    for (int i = 0; i < 5; i++) {
        expect(served(&world, arena_printf(test_arena(), "p%d", i).data));
    }
    pass(&world, 60);
    expect_u64(stats(&world).enis, 1);
    end(&world);
}

TEST(sim_agent, an_idle_node_costs_the_simulation_one_step_a_minute)
{
    struct world world;
    uint32_t steps = 0;

    begin(&world, "i-medium", "t3.medium");
    start_agent(&world);
    pass(&world, 120);
    for (uint64_t until_ns = world.now_ns + 3600 * S; world.now_ns < until_ns; steps++) {
        step_until(&world, until_ns);
    }
    expect(steps <= 62);
    end(&world);
}

TEST(sim_agent, the_same_seed_gives_the_same_life)
{
    struct slice traces[2];

    for (int i = 0; i < 2; i++) {
        struct world world;
        begin(&world, "i-xlarge", "m5.xlarge");
        world.seed = 7;
        start_agent(&world);
        for (int pod = 0; pod < 40; pod++) {
            (void)served(&world, arena_printf(test_arena(), "p%d", pod).data);
            pass(&world, 3);
        }
        for (int pod = 0; pod < 40; pod += 2) {
            sim_agent_del(world.agent, world.now_ns, arena_printf(test_arena(), "p%d", pod));
        }
        pass(&world, 300);
        traces[i] = sim_agent_trace(world.agent, test_arena());
        end(&world);
    }
    expect_contains(traces[0], "creates");
    expect_slices(traces[0], traces[1]);
}
