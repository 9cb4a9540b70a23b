/*
 * ec2_intent_test.c - an attach is three calls, and any of their answers may be lost: there is one
 * ENI in the end.
 */
#include "ec2_rig.h"

static struct rig rig;

static void expect_done(uint64_t id)
{
    expect(rig_result(&rig, id, CLOUD_DONE) != NULL);
    expect_u64(rig_ends(&rig, id), 1);
    expect(ec2_idle(rig.ec2));
}

TEST(ec2, sends_the_create_in_the_step_of_the_attach_action)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    const struct rig_fetch *fetch = rig_need(&rig, "Action=CreateNetworkInterface");
    expect_text(fetch->target, "https://ec2.us-west-2.amazonaws.com/");
    expect_text(fetch->method, "POST");
    expect_text(fetch->body,
                "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId=subnet-1"
                "&Description=headroom%3A%20node%20a&SecurityGroupId.1=sg-1&SecurityGroupId.2=sg-2"
                "&SecondaryPrivateIpAddressCount=2&ClientToken=token-1"
                "&TagSpecification.1.ResourceType=network-interface"
                "&TagSpecification.1.Tag.1.Key=headroom.dev%2Fintent"
                "&TagSpecification.1.Tag.1.Value=token-1"
                "&TagSpecification.1.Tag.2.Key=headroom.dev%2Fnode"
                "&TagSpecification.1.Tag.2.Value=node%20a");
    expect_contains(slice_of(fetch->headers), "Host: ec2.us-west-2.amazonaws.com\n");
    expect_contains(slice_of(fetch->headers),
                    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDRIG/20261125/us-west-2/ec2/");
    expect(!strstr(fetch->headers, "rig-secret"));
    rig_end(&rig);
}

TEST(ec2, attaches_in_three_calls_and_reports_each)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    const struct cloud_result *created = rig_need_result(&rig, 7, CLOUD_CREATED);
    expect_text(created->eni.text, "eni-1");
    expect_u64(created->ips, 2);

    expect_text(rig_need(&rig, "AttachNetworkInterface")->body,
                "Action=AttachNetworkInterface&Version=2016-11-15&NetworkInterfaceId=eni-1"
                "&InstanceId=i-1&DeviceIndex=3");
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    expect(rig_result(&rig, 7, CLOUD_ATTACHED) != NULL);
    expect(!ec2_idle(rig.ec2));

    expect_text(rig_need(&rig, "ModifyNetworkInterfaceAttribute")->body,
                "Action=ModifyNetworkInterfaceAttribute&Version=2016-11-15&NetworkInterfaceId=eni-1"
                "&Attachment.AttachmentId=eni-attach-1&Attachment.DeleteOnTermination=true");
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    expect_contains(slice_of(rig.logs), "attach done");
    expect_contains(slice_of(rig.logs), "node=node a");
    rig_end(&rig);
}

TEST(ec2, asks_for_prefixes_where_the_intent_has_them)
{
    struct eni_intent intent = rig_intent();

    rig_start(&rig, NULL);
    intent.ips = 0;
    intent.prefixes = 4;
    rig_act(&rig, (struct plan_action){ .kind = PLAN_ATTACH, .id = 1, .attach = intent });
    const struct rig_fetch *fetch = rig_need(&rig, "CreateNetworkInterface");
    expect_contains(slice_of(fetch->body), "&Ipv4PrefixCount=4&");
    expect(!strstr(fetch->body, "SecondaryPrivateIpAddressCount"));
    rig_end(&rig);
}

TEST(ec2, repeats_a_create_whose_answer_was_lost_with_the_same_token)
{
    char first[16384];

    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    (void)snprintf(first, sizeof(first), "%s", rig_need(&rig, "CreateNetworkInterface")->body);
    rig_lose(&rig, "CreateNetworkInterface");
    expect_u64(rig_ends(&rig, 7), 0);
    rig_pass(&rig, 15 * RIG_SECOND);
    expect_text(rig_need(&rig, "CreateNetworkInterface")->body, first);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, looks_before_it_repeats_an_attach_whose_answer_was_lost)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_lose(&rig, "AttachNetworkInterface");
    rig_pass(&rig, 5 * RIG_SECOND);
    expect_u64(rig_open(&rig, "AttachNetworkInterface"), 0);
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body),
                    "&NetworkInterfaceId.1=eni-1");
    /* It had arrived: only DeleteOnTermination is missing. */
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "false"), ""));
    expect(rig_result(&rig, 7, CLOUD_ATTACHED) != NULL);
    expect_contains(slice_of(rig_need(&rig, "ModifyNetworkInterfaceAttribute")->body),
                    "Attachment.AttachmentId=eni-attach-9");
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, attaches_again_when_the_lost_attach_never_arrived)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_error(&rig, "AttachNetworkInterface", 503, "Unavailable", "try later");
    rig_pass(&rig, 5 * RIG_SECOND);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_ENI("available", "", ""));
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, takes_the_index_in_use_for_its_own_lost_attach)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_lose(&rig, "AttachNetworkInterface");
    rig_pass(&rig, 5 * RIG_SECOND);
    /* The describe lags behind, the attach itself does not. */
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_ENI("available", "", ""));
    rig_error(&rig, "AttachNetworkInterface", 400, "InvalidParameterValue",
              "Instance 'i-1' already has an interface attached at device index '3'.");
    expect_u64(rig_ends(&rig, 7), 0);
    rig_pass(&rig, 10 * RIG_SECOND);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "false"), ""));
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, finds_its_own_eni_at_the_index_when_http_sent_the_attach_twice)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_error(&rig, "AttachNetworkInterface", 400, "InvalidParameterValue",
              "Instance 'i-1' already has an interface attached at device index '3'.");
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "false"), ""));
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, repeats_a_modify_whose_answer_was_lost)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_lose(&rig, "ModifyNetworkInterfaceAttribute");
    rig_pass(&rig, 10 * RIG_SECOND);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

TEST(ec2, waits_until_ec2_knows_the_eni_that_it_has_just_created)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_error(&rig, "AttachNetworkInterface", 400, "InvalidNetworkInterfaceID.NotFound", "no");
    expect_u64(rig_ends(&rig, 7), 0);
    rig_pass(&rig, 10 * RIG_SECOND);
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(7);
    rig_end(&rig);
}

/* ---- finishing what an earlier life began ---- */

static void finish_intent(uint64_t id)
{
    struct eni_intent intent = rig_intent();

    (void)snprintf(intent.eni.text, sizeof(intent.eni.text), "eni-1");
    rig_act(&rig, (struct plan_action){ .kind = PLAN_ATTACH, .id = id, .attach = intent });
    expect_u64(rig_open(&rig, "CreateNetworkInterface"), 0);
}

TEST(ec2, does_only_what_is_missing_of_an_intent_with_an_eni)
{
    rig_start(&rig, NULL);
    finish_intent(1);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_ENI("available", "", ""));
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(1);

    finish_intent(2);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    expect_done(2);
    rig_end(&rig);
}

TEST(ec2, leaves_an_eni_alone_that_another_instance_has)
{
    rig_start(&rig, NULL);
    finish_intent(1);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-2", "false"), ""));
    expect_u64(rig_failure(&rig, 1), CLOUD_ENI_IN_USE);
    expect_text(rig_need_result(&rig, 1, CLOUD_FAILED)->eni.text, "");
    expect(ec2_idle(rig.ec2));
    rig_end(&rig);
}

TEST(ec2, gives_up_an_eni_that_stays_away)
{
    rig_start(&rig, NULL);
    finish_intent(1);
    for (int i = 0; i < 20 && rig_ends(&rig, 1) == 0; i++) {
        if (rig_open(&rig, "DescribeNetworkInterfaces") > 0) {
            rig_error(&rig, "DescribeNetworkInterfaces", 400, "InvalidNetworkInterfaceID.NotFound",
                      "The networkInterface ID 'eni-1' does not exist");
        }
        rig_pass(&rig, 5 * RIG_SECOND);
    }
    expect_u64(rig_failure(&rig, 1), CLOUD_ENI_GONE);
    expect_text(rig_need_result(&rig, 1, CLOUD_FAILED)->eni.text, "");
    rig_end(&rig);
}

TEST(ec2, reports_the_eni_that_it_could_not_attach)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_error(&rig, "AttachNetworkInterface", 400, "AttachmentLimitExceeded",
              "Interface count 4 exceeds the limit for t3.medium");
    const struct cloud_result *result = rig_need_result(&rig, 7, CLOUD_FAILED);
    expect_u64(result->code, CLOUD_ATTACH_LIMIT);
    expect_text(result->eni.text, "eni-1");
    expect_u64(rig_open(&rig, "DeleteNetworkInterface"), 0); /* deleting is the planner's decision
                                                              */
    rig_end(&rig);
}

/* ---- every face of a refusal ---- */

struct refusal {
    const char *code, *message;
    enum cloud_code means;
};

TEST(ec2, reports_each_refused_create_at_once_with_what_it_means)
{
    static const struct refusal refusals[] = {
        { "InsufficientFreeAddressesInSubnet", "full", CLOUD_SUBNET_FULL },
        { "InsufficientCidrBlocks", "no /28", CLOUD_NO_PREFIX },
        { "InvalidParameterValue",
          "There aren't sufficient free Ipv4 addresses or prefixes in subnet subnet-1",
          CLOUD_SUBNET_SHORT },
        { "NetworkInterfaceLimitExceeded", "quota", CLOUD_ENI_QUOTA },
        { "PrivateIpAddressLimitExceeded", "too many", CLOUD_IP_LIMIT },
        { "InvalidSubnetID.NotFound", "gone", CLOUD_SUBNET_GONE },
        { "InvalidGroup.NotFound", "The security group 'sg-1' does not exist", CLOUD_GROUP_GONE },
        { "InvalidSecurityGroupID.NotFound", "gone", CLOUD_GROUP_GONE },
        { "IdempotentParameterMismatch", "token", CLOUD_TOKEN_MISMATCH },
        { "UnauthorizedOperation", "no", CLOUD_DENIED },
        { "InvalidParameterValue", "something else", CLOUD_INVALID },
        { "InvalidParameterCombination", "x", CLOUD_INVALID },
    };

    rig_start(&rig, NULL);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        rig_attach(&rig, i + 1);
        rig_error(&rig, "CreateNetworkInterface", 400, refusals[i].code, refusals[i].message);
        expect_u64(rig_failure(&rig, i + 1), refusals[i].means);
        expect_text(rig_need_result(&rig, i + 1, CLOUD_FAILED)->eni.text, "");
        expect_contains(slice_of(rig.messages[rig.result_count - 1]), "CreateNetworkInterface: ");
        expect_u64(rig_open(&rig, "Action="), 0);
    }
    rig_end(&rig);
}

TEST(ec2, reports_each_refused_attach_with_what_it_means)
{
    static const struct refusal refusals[] = {
        { "AttachmentLimitExceeded", "limit", CLOUD_ATTACH_LIMIT },
        { "NetworkAddressUsageLimitExceeded", "NAU", CLOUD_NAU_LIMIT },
        { "InvalidParameterValue",
          "Instance 'i-1' already has an interface attached at device index '3'.",
          CLOUD_INDEX_IN_USE },
        { "IncorrectState", "Instance 'i-1' is not 'running'", CLOUD_INSTANCE_STATE },
        { "IncorrectInstanceState", "stopped", CLOUD_INSTANCE_STATE },
        { "InvalidInstanceID.NotFound", "gone", CLOUD_INSTANCE_GONE },
        { "InvalidInstanceID.Malformed", "bad", CLOUD_INSTANCE_GONE },
    };

    rig_start(&rig, NULL);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        rig_attach(&rig, i + 1);
        rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
        rig_error(&rig, "AttachNetworkInterface", 400, refusals[i].code, refusals[i].message);
        if (refusals[i].means == CLOUD_INDEX_IN_USE) { /* by another ENI, not by this one? */
            rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_ENI("available", "", ""));
        }
        expect_u64(rig_failure(&rig, i + 1), refusals[i].means);
        expect_text(rig_need_result(&rig, i + 1, CLOUD_FAILED)->eni.text, "eni-1");
    }
    rig_end(&rig);
}

/* ---- the lease ---- */

TEST(ec2, sends_no_mutation_without_the_lease)
{
    rig_start(&rig, NULL);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = 0 });
    rig_attach(&rig, 7);
    expect_u64(rig_open(&rig, "Action="), 0);
    expect_u64(rig_failure(&rig, 7), CLOUD_FENCED);
    rig_end(&rig);
}

TEST(ec2, stops_between_two_calls_when_the_lease_lapses)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 7);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = rig.now_ns + RIG_SECOND });
    rig_pass(&rig, RIG_SECOND);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    expect_u64(rig_open(&rig, "AttachNetworkInterface"), 0);
    expect_u64(rig_failure(&rig, 7), CLOUD_FENCED);
    expect_text(rig_need_result(&rig, 7, CLOUD_FAILED)->eni.text, "eni-1");
    rig_end(&rig);
}

TEST(ec2, finishes_what_is_under_way_and_begins_nothing_when_it_stops)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 1);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_STOP });
    rig_attach(&rig, 2);
    expect_u64(rig_failure(&rig, 2), CLOUD_FENCED);
    expect(!ec2_idle(rig.ec2));
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    rig_answer(&rig, "ModifyNetworkInterfaceAttribute", 200, RIG_MODIFIED);
    expect_done(1);
    rig_end(&rig);
}

/* ---- assign and delete ---- */

TEST(ec2, assigns_addresses_and_says_how_many_came)
{
    rig_start(&rig, NULL);
    rig_act(&rig, (struct plan_action){
                      .kind = PLAN_ASSIGN,
                      .id = 5,
                      .assign = { .eni = { "eni-1" }, .instance = { "i-1" }, .ips = 3 } });
    expect_text(rig_need(&rig, "AssignPrivateIpAddresses")->body,
                "Action=AssignPrivateIpAddresses&Version=2016-11-15&NetworkInterfaceId=eni-1"
                "&SecondaryPrivateIpAddressCount=3");
    rig_answer(&rig, "AssignPrivateIpAddresses", 200,
               "<AssignPrivateIpAddressesResponse><assignedPrivateIpAddressesSet>"
               "<item><privateIpAddress>10.0.1.20</privateIpAddress></item>"
               "<item><privateIpAddress>10.0.1.21</privateIpAddress></item>"
               "</assignedPrivateIpAddressesSet><return>true</return>"
               "</AssignPrivateIpAddressesResponse>");
    expect_u64(rig_need_result(&rig, 5, CLOUD_DONE)->ips, 2);
    rig_end(&rig);
}

TEST(ec2, assigns_prefixes_and_says_how_many_came)
{
    rig_start(&rig, NULL);
    rig_act(&rig, (struct plan_action){
                      .kind = PLAN_ASSIGN,
                      .id = 5,
                      .assign = { .eni = { "eni-1" }, .instance = { "i-1" }, .prefixes = 2 } });
    expect_text(rig_need(&rig, "AssignPrivateIpAddresses")->body,
                "Action=AssignPrivateIpAddresses&Version=2016-11-15&NetworkInterfaceId=eni-1"
                "&Ipv4PrefixCount=2");
    rig_answer(&rig, "AssignPrivateIpAddresses", 200,
               "<AssignPrivateIpAddressesResponse><assignedIpv4PrefixSet>"
               "<item><ipv4Prefix>10.0.1.16/28</ipv4Prefix></item>"
               "<item><ipv4Prefix>10.0.1.32/28</ipv4Prefix></item>"
               "</assignedIpv4PrefixSet><return>true</return>"
               "</AssignPrivateIpAddressesResponse>");
    expect_u64(rig_need_result(&rig, 5, CLOUD_DONE)->prefixes, 2);
    rig_end(&rig);
}

TEST(ec2, looks_at_the_instance_after_an_assign_with_unknown_outcome)
{
    rig_start(&rig, NULL);
    rig_act(&rig, (struct plan_action){
                      .kind = PLAN_ASSIGN,
                      .id = 5,
                      .assign = { .eni = { "eni-1" }, .instance = { "i-1" }, .ips = 3 } });
    rig_lose(&rig, "AssignPrivateIpAddresses");
    expect_u64(rig_failure(&rig, 5), CLOUD_UNAVAILABLE);
    rig_pass(&rig, 100 * RIG_MS);
    expect_u64(rig_open(&rig, "AssignPrivateIpAddresses"), 0);
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body),
                    "Filter.1.Name=attachment.instance-id&Filter.1.Value.1=i-1");
    rig_end(&rig);
}

static void delete_eni(uint64_t id)
{
    rig_act(&rig, (struct plan_action){ .kind = PLAN_DELETE, .id = id, .eni = { "eni-1" } });
}

TEST(ec2, deletes_an_eni_only_if_it_is_free_and_bears_our_tag)
{
    rig_start(&rig, NULL);
    delete_eni(1);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_ENI("available", "", RIG_TAG("x")));
    expect_u64(rig_failure(&rig, 1), CLOUD_INVALID);

    delete_eni(2);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), RIG_TAG("headroom.dev/intent")));
    expect_u64(rig_failure(&rig, 2), CLOUD_ENI_IN_USE);
    expect_u64(rig_open(&rig, "DeleteNetworkInterface"), 0);

    delete_eni(3);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("available", "", RIG_TAG("headroom.dev/intent")));
    rig_answer(&rig, "DeleteNetworkInterface", 200, RIG_DELETED);
    expect_done(3);
    rig_end(&rig);
}

TEST(ec2, takes_an_eni_that_is_gone_for_deleted)
{
    rig_start(&rig, NULL);
    delete_eni(1);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_NO_ENI);
    expect_done(1);

    delete_eni(2);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("available", "", RIG_TAG("headroom.dev/intent")));
    rig_lose(&rig, "DeleteNetworkInterface");
    rig_pass(&rig, 10 * RIG_SECOND);
    rig_error(&rig, "DeleteNetworkInterface", 400, "InvalidNetworkInterfaceID.NotFound", "gone");
    expect_done(2);
    rig_end(&rig);
}
