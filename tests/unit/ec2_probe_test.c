/*
 * ec2_probe_test.c - doctor asks whether we may, without the lease, and nothing changes.
 */
#include "ec2_rig.h"

static struct rig rig;

static void probe(uint64_t id, const char *action)
{
    struct ec2_probe probe = { .id = id, .action = action, .intent = rig_intent() };

    require(aws_id_set(&probe.eni, SLICE("eni-9")) == ERR_OK);
    probe.attachment = SLICE("eni-attach-9");
    rig_step(&rig, (struct ec2_input){ .kind = EC2_PROBE, .probe = probe });
}

TEST(ec2, a_probe_is_the_real_call_with_dry_run_and_needs_no_lease)
{
    rig_start(&rig, NULL);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = 0 });
    probe(5, "CreateNetworkInterface");
    expect_contains(slice_of(rig_need(&rig, "CreateNetworkInterface")->body),
                    "&TagSpecification.1.Tag.2.Value=node%20a&DryRun=true");
    rig_error(&rig, "CreateNetworkInterface", 412, "DryRunOperation",
              "Request would have succeeded, but DryRun flag is set.");
    expect(rig_result(&rig, 5, CLOUD_DONE) != NULL);
    probe(6, "AttachNetworkInterface");
    expect_contains(slice_of(rig_need(&rig, "AttachNetworkInterface")->body),
                    "&NetworkInterfaceId=eni-9&InstanceId=i-1&DeviceIndex=3&DryRun=true");
    rig_error(&rig, "AttachNetworkInterface", 412, "DryRunOperation", "Request would have");
    expect(rig_result(&rig, 6, CLOUD_DONE) != NULL);
    expect(ec2_idle(rig.ec2));
    rig_end(&rig);
}

TEST(ec2, a_probe_that_is_refused_names_the_action)
{
    rig_start(&rig, NULL);
    probe(5, "DeleteNetworkInterface");
    rig_error(&rig, "DeleteNetworkInterface", 403, "UnauthorizedOperation", "no");
    expect(rig_failure(&rig, 5) == CLOUD_DENIED);
    expect_contains(rig_need_result(&rig, 5, CLOUD_FAILED)->message, "ec2:DeleteNetworkInterface");
    rig_end(&rig);
}

TEST(ec2, a_probe_without_credentials_ends)
{
    struct ec2_environment env = rig_environment();

    env.access_key_id = env.secret_access_key = (struct slice){ 0 };
    env.metadata_disabled = true;
    rig_start(&rig, &env);
    probe(5, "DescribeSubnets");
    rig_pass(&rig, RIG_SECOND);
    expect(rig_failure(&rig, 5) == CLOUD_DENIED);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_end(&rig);
}
