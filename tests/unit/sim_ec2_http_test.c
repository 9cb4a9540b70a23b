/*
 * sim_ec2_http_test.c - how the modelled EC2 answers requests: budgets, identities, errors, pages,
 * faults, metadata.
 */
#include "sim_ec2_world.h"

/* ---- budget ---- */

TEST(ec2sim, throttles_by_action_as_documented)
{
    struct world world;
    struct aws_id eni = { 0 };
    uint32_t let_through = 0;

    start(&world, "");
    for (uint32_t i = 0; i < 150; i++) {
        let_through += create(&world, "subnet-a2", 0, 0, &eni) == CLOUD_OK;
    }
    expect_u64(let_through, 100);
    expect_refusal(ask(&world, "Action=CreateNetworkInterface&SubnetId=subnet-a2"), 503,
                   "RequestLimitExceeded");
    expect_i64(ask(&world, "Action=DescribeSubnets").status, 200); /* a bucket of its own */
    world.now_ns += 2 * SECOND;
    let_through = 0;
    for (uint32_t i = 0; i < 50; i++) {
        let_through += create(&world, "subnet-a2", 0, 0, &eni) == CLOUD_OK;
    }
    expect_u64(let_through, 10);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, gives_describes_that_ask_for_everything_a_smaller_bucket)
{
    struct world world;
    uint32_t plain = 0, paged = 0;

    start(&world, "");
    for (uint32_t i = 0; i < 60; i++) {
        plain += ask(&world, "Action=DescribeInstances").status == 200;
        paged += ask(&world, "Action=DescribeInstances&MaxResults=1000").status == 200;
    }
    expect_u64(plain, 50);
    expect_u64(paged, 60);
    sim_ec2_free(world.ec2);
}

/* ---- who asks ---- */

TEST(ec2sim, believes_only_right_signatures)
{
    struct world world;
    struct asked as = controller;

    start(&world, "");
    as.secret = "wrong";
    expect_refusal(ask_as(&world, &as, "Action=DescribeSubnets"), 403, "SignatureDoesNotMatch");
    as = (struct asked){ "AKIDNOBODY", "secret", NULL, "ec2", 0 };
    expect_refusal(ask_as(&world, &as, "Action=DescribeSubnets"), 401, "AuthFailure");
    as = controller;
    as.skew_s = -301;
    expect_refusal(ask_as(&world, &as, "Action=DescribeSubnets"), 400, "RequestExpired");
    as.skew_s = 299;
    expect_i64(ask_as(&world, &as, "Action=DescribeSubnets").status, 200);
    as = controller;
    as.service = "sts";
    expect_refusal(ask_as(&world, &as, "Action=DescribeSubnets"), 403, "SignatureDoesNotMatch");
    struct sim_http_request bare = {
        .method = SLICE("POST"),
        .path = SLICE("/"),
        .body = SLICE("Action=DescribeSubnets&Version=2016-11-15"),
    };
    struct sim_http_response response;
    sim_ec2_http(world.ec2, test_arena(), world.now_ns, WALL_NS + world.now_ns, &bare, &response);
    expect_refusal(response, 403, "MissingAuthenticationToken");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, hands_out_sessions_that_end)
{
    struct world world;
    struct asked as = { "AKIDTEST", "secret", NULL, "sts", 0 };

    start(&world, "sessions: {lifetime_ms: 60000}\n");
    struct slice body = ask_as(&world, &as,
                               "Action=AssumeRole&RoleSessionName=s&RoleArn=arn%3Aaws%3Aiam%3A%3A1"
                               "%3Arole%2Fheadroom")
                            .body;
    struct asked session = {
        arena_slice(test_arena(), element(body, "AccessKeyId")).data,
        arena_slice(test_arena(), element(body, "SecretAccessKey")).data,
        arena_slice(test_arena(), element(body, "SessionToken")).data,
        "ec2",
        0,
    };
    expect_i64(ask_as(&world, &session, "Action=DescribeSubnets").status, 200);
    struct asked tokenless = session;
    tokenless.token = NULL;
    expect_refusal(ask_as(&world, &tokenless, "Action=DescribeSubnets"), 401, "AuthFailure");
    expect_contains(control(&world, "/_sim/requests", NULL).body, "\"who\":\"headroom\"");
    world.now_ns += 60 * SECOND;
    expect_refusal(ask_as(&world, &session, "Action=DescribeSubnets"), 400, "RequestExpired");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, takes_a_web_identity_without_a_signature_and_keeps_its_token_from_the_log)
{
    struct world world;
    struct sim_http_response response;
    struct sim_http_request bare = {
        .method = SLICE("POST"),
        .path = SLICE("/"),
        .body = SLICE("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=s"
                      "&RoleArn=arn:aws:iam::1:role/pod&WebIdentityToken=eyJhbGciOi"),
    };

    start(&world, "sessions: {web_identity_token: eyJhbGciOi}\n");
    sim_ec2_http(world.ec2, test_arena(), world.now_ns, WALL_NS, &bare, &response);
    expect_i64(response.status, 200);
    expect(element(response.body, "SessionToken").len > 0);
    expect(!slice_contains(control(&world, "/_sim/requests", NULL).body, SLICE("eyJhbGciOi")));
    bare.body = SLICE("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=s"
                      "&RoleArn=arn:aws:iam::1:role/pod&WebIdentityToken=other");
    sim_ec2_http(world.ec2, test_arena(), world.now_ns, WALL_NS, &bare, &response);
    expect_refusal(response, 400, "InvalidIdentityToken");
    sim_ec2_free(world.ec2);
}

/* ---- policies ---- */

static const char policy[] =
    "policies:\n"
    "- who: controller\n"
    "  document:\n"
    "    Statement:\n"
    "    - {Effect: Allow, Action: 'ec2:Describe*', Resource: '*'}\n"
    "    - {Effect: Allow, Action: ec2:CreateNetworkInterface,\n"
    "       Resource: 'arn:*:ec2:*:*:network-interface/*',\n"
    "       Condition: {StringEquals: {'aws:RequestTag/cluster': [test, other]}}}\n"
    "    - {Effect: Allow, Action: ec2:CreateNetworkInterface,\n"
    "       Resource: ['arn:*:ec2:*:*:subnet/*', 'arn:*:ec2:*:*:security-group/*']}\n"
    "    - {Effect: Allow, Action: ec2:CreateTags, Resource: 'arn:*:ec2:*:*:network-interface/*',\n"
    "       Condition: {StringEquals: {'ec2:CreateAction': CreateNetworkInterface}}}\n"
    "    - {Effect: Allow, Action: ['ec2:Attach*', 'ec2:Delete*'],\n"
    "       Resource: 'arn:*:ec2:*:*:network-interface/*',\n"
    "       Condition: {StringEquals: {'aws:ResourceTag/cluster': test}}}\n"
    "    - {Effect: Allow, Action: ec2:AttachNetworkInterface,\n"
    "       Resource: 'arn:*:ec2:*:*:instance/*'}\n"
    "    - {Effect: Deny, Action: 'ec2:*', Resource: '*',\n"
    "       Condition: {StringEquals: {'aws:ResourceTag/keep': 'yes'}}}\n";

#define TAGGED                                                                                     \
    "Action=CreateNetworkInterface&SubnetId=subnet-a2"                                             \
    "&TagSpecification.1.ResourceType=network-interface&TagSpecification.1.Tag.1.Key="

TEST(ec2sim, allows_what_a_policy_allows_and_nothing_else)
{
    struct world world;

    start(&world, policy);
    expect_i64(ask(&world, "Action=DescribeSubnets").status, 200);
    expect_refusal(ask(&world, "Action=GetSubnetCidrReservations&SubnetId=subnet-a2"), 403,
                   "UnauthorizedOperation");
    expect_refusal(ask(&world, "Action=CreateNetworkInterface&SubnetId=subnet-a2"), 403,
                   "UnauthorizedOperation");
    expect_refusal(ask(&world, TAGGED "cluster&TagSpecification.1.Tag.1.Value=foreign"), 403,
                   "UnauthorizedOperation");
    struct sim_http_response made = ask(&world,
                                        TAGGED "cluster&TagSpecification.1.Tag.1.Value=test");
    expect_i64(made.status, 200);
    struct slice eni = element(made.body, "networkInterfaceId");
    struct slice form = arena_printf(
        test_arena(),
        "Action=AttachNetworkInterface&NetworkInterfaceId=%.*s&InstanceId=i-a&DeviceIndex=1",
        SLICE_ARG(eni));
    expect_i64(ask(&world, form.data).status, 200);
    /* Tagging is allowed as a part of creating only. */
    form = arena_printf(test_arena(), "Action=CreateTags&ResourceId.1=%.*s&Tag.1.Key=a",
                        SLICE_ARG(eni));
    expect_refusal(ask(&world, form.data), 403, "UnauthorizedOperation");
    /* Who has no policy may do everything: the agents are not what is tested. */
    struct aws_id any = { 0 };
    expect_code(create(&world, "subnet-a2", 0, 0, &any), CLOUD_OK);
    form = arena_printf(test_arena(), "Action=DeleteNetworkInterface&NetworkInterfaceId=%s",
                        any.text);
    expect_refusal(ask(&world, form.data), 403, "UnauthorizedOperation");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, lets_a_denial_win_over_what_is_allowed)
{
    struct world world;

    start(&world, policy);
    struct slice eni = arena_slice(
        test_arena(), element(ask(&world, TAGGED "cluster&TagSpecification.1.Tag.1.Value=test"
                                                 "&TagSpecification.1.Tag.2.Key=keep"
                                                 "&TagSpecification.1.Tag.2.Value=yes")
                                  .body,
                              "networkInterfaceId"));
    struct slice form = arena_printf(
        test_arena(), "Action=DeleteNetworkInterface&NetworkInterfaceId=%.*s", SLICE_ARG(eni));
    expect_refusal(ask(&world, form.data), 403, "UnauthorizedOperation");
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, refuses_a_policy_that_it_could_only_misunderstand)
{
    struct world world;
    static const struct {
        const char *body, *says;
    } wrong[] = {
        { "{\"who\":\"c\",\"document\":{}}", "has a Statement" },
        { "{\"who\":\"c\",\"document\":{\"Statement\":{\"Effect\":\"Allow\"}}}", "one of Action" },
        { "{\"who\":\"c\",\"document\":{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","
          "\"Resource\":\"*\",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}}}}",
          "IpAddress is not modelled" },
        { "{\"who\":\"c\",\"document\":{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","
          "\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"aws:SourceVpc\":\"x\"}}}}}",
          "aws:SourceVpc is not modelled" },
    };

    start(&world, "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sim_http_response response = control(&world, "/_sim/policy", wrong[i].body);
        expect_i64(response.status, 400);
        expect_contains(response.body, wrong[i].says);
    }
    sim_ec2_free(world.ec2);
}

/* ---- requests and answers ---- */

TEST(ec2sim, names_what_is_wrong_with_a_request)
{
    struct world world;
    static const struct {
        const char *form, *code;
        int status;
    } wrong[] = {
        { "Action=DescribeEverything", "InvalidAction", 400 },
        { "Action=CreateNetworkInterface", "MissingParameter", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-none", "InvalidSubnetID.NotFound", 400 },
        { "Action=CreateNetworkInterface&SubnetId=x", "InvalidSubnetID.Malformed", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-a2&SecurityGroupId.1=sg-none",
          "InvalidGroup.NotFound", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-a2&Colour=red", "UnknownParameter", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-a2&SecondaryPrivateIpAddressCount=x",
          "InvalidParameterValue", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-a2&SecondaryPrivateIpAddressCount=1"
          "&Ipv4PrefixCount=1",
          "InvalidParameterCombination", 400 },
        { "Action=CreateNetworkInterface&SubnetId=subnet-a2&DryRun=true", "DryRunOperation", 412 },
        { "Action=DescribeNetworkInterfaces&Filter.1.Name=colour&Filter.1.Value.1=red",
          "InvalidParameterValue", 400 },
        { "Action=DescribeNetworkInterfaces&MaxResults=4", "InvalidParameterValue", 400 },
        { "Action=DescribeNetworkInterfaces&MaxResults=5&NextToken=x", "InvalidNextToken", 400 },
        { "Action=DescribeInstanceTypes&InstanceType.1=m99.huge", "InvalidInstanceType", 400 },
        { "Action=DetachNetworkInterface&AttachmentId=eni-attach-none",
          "InvalidAttachmentID.NotFound", 400 },
        { "Action=DescribeSubnets&SubnetId.1=%zz", "MalformedQueryString", 400 },
    };

    start(&world, "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sim_http_response response = ask(&world, wrong[i].form);
        expect_slice(element(response.body, "Code"), wrong[i].code);
        expect_i64(response.status, wrong[i].status);
    }
    expect_u64(free_of(&world, "subnet-a2"), 250); /* nothing of it did anything */
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, pages_through_enis_without_losing_or_repeating_one)
{
    struct world world;
    struct aws_id eni = { 0 };
    struct slice token = { 0 };
    uint32_t pages = 0, seen = 0;

    start(&world, "");
    for (uint32_t i = 0; i < 21; i++) {
        expect_code(create(&world, "subnet-b", 0, 0, &eni), CLOUD_OK);
    }
    do {
        struct slice form = arena_printf(
            test_arena(),
            "Action=DescribeNetworkInterfaces&MaxResults=5&Filter.1.Name=subnet-id"
            "&Filter.1.Value.1=subnet-b%s%.*s",
            token.len ? "&NextToken=" : "", SLICE_ARG(token));
        struct slice body = ask(&world, form.data).body;
        seen += occurrences(body, "<networkInterfaceId>");
        token = element(body, "nextToken");
        pages++;
    } while (token.len > 0 && pages < 10);
    expect_u64(pages, 5);
    expect_u64(seen, 21);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, filters_enis_by_what_the_agents_and_the_controller_ask_for)
{
    struct world world;
    static const struct {
        const char *filter;
        uint32_t count;
    } filters[] = {
        { "attachment.instance-id&Filter.1.Value.1=i-a&Filter.1.Value.2=i-none", 1 },
        { "tag:owner&Filter.1.Value.1=me", 1 },
        { "tag:owner&Filter.1.Value.1=m*", 1 },
        { "tag:owner&Filter.1.Value.1=you", 0 },
        { "tag-key&Filter.1.Value.1=owner", 1 },
        { "status&Filter.1.Value.1=available", 1 },
        { "status&Filter.1.Value.1=in-use", 2 },
        { "vpc-id&Filter.1.Value.1=vpc-test", 3 },
        { "attachment.status&Filter.1.Value.1=attached", 2 },
        { "group-id&Filter.1.Value.1=sg-nodes", 1 },
        { "availability-zone&Filter.1.Value.1=us-west-2a&Filter.2.Name=subnet-id"
          "&Filter.2.Value.1=subnet-a2",
          2 },
    };

    start(&world, "");
    expect_i64(ask(&world, "Action=CreateNetworkInterface&SubnetId=subnet-a2"
                           "&TagSpecification.1.ResourceType=network-interface"
                           "&TagSpecification.1.Tag.1.Key=owner&TagSpecification.1.Tag.1.Value=me")
                   .status,
               200);
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        struct slice form = arena_printf(
            test_arena(), "Action=DescribeNetworkInterfaces&Filter.1.Name=%s", filters[i].filter);
        uint32_t count = occurrences(ask(&world, form.data).body, "<networkInterfaceId>");
        if (count != filters[i].count) {
            test_fail("%s finds %u ENIs, wanted %u", filters[i].filter, count, filters[i].count);
        }
    }
    sim_ec2_free(world.ec2);
}

/* ---- faults ---- */

TEST(ec2sim, loses_a_reply_but_not_what_it_was_about)
{
    struct world world;
    const char *form = "Action=CreateNetworkInterface&SubnetId=subnet-a2&ClientToken=t";

    start(&world, "");
    expect_i64(control(&world, "/_sim/fault",
                       "{\"kind\":\"lost_reply\",\"action\":\"CreateNetworkInterface\"}")
                   .status,
               200);
    expect_i64(ask(&world, form).status, 0);
    expect_u64(free_of(&world, "subnet-a2"), 249);
    expect_i64(ask(&world, form).status, 200);
    expect_u64(free_of(&world, "subnet-a2"), 249);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, strikes_whom_and_as_often_as_it_was_told)
{
    struct world world;
    struct aws_id eni = { 0 };

    start(&world, "");
    (void)control(&world, "/_sim/fault",
                  "{\"kind\":\"error\",\"code\":\"Unavailable\",\"status\":503,\"who\":"
                  "\"controller\",\"action\":\"CreateNetworkInterface\",\"skip\":1,\"count\":2}");
    const char *form = "Action=CreateNetworkInterface&SubnetId=subnet-a2";
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_OK); /* an agent's */
    expect_i64(ask(&world, form).status, 200);
    expect_refusal(ask(&world, form), 503, "Unavailable");
    expect_refusal(ask(&world, form), 503, "Unavailable");
    expect_i64(ask(&world, form).status, 200);
    (void)control(&world, "/_sim/fault", "{\"kind\":\"lost_request\",\"count\":\"all\"}");
    expect_i64(ask(&world, form).status, 0);
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_UNAVAILABLE);
    expect_u64(free_of(&world, "subnet-a2"), 247);
    (void)control(&world, "/_sim/clear", "{}");
    (void)control(&world, "/_sim/fault", "{\"kind\":\"latency\",\"ms\":1500}");
    expect_u64(ask(&world, "Action=DescribeSubnets").delay_ns, 1500000000);
    (void)control(&world, "/_sim/fault", "{\"kind\":\"cut_body\",\"bytes\":40}");
    expect_u64(ask(&world, "Action=DescribeSubnets").cut_after, 40);
    expect_u64(ask(&world, "Action=DescribeSubnets").cut_after, SIZE_MAX);
    sim_ec2_free(world.ec2);
}

TEST(ec2sim, holds_an_answer_until_it_is_released)
{
    struct world world;

    start(&world, "");
    (void)control(&world, "/_sim/pause-after", "{\"action\":\"AttachNetworkInterface\"}");
    expect_u64(ask(&world, "Action=DescribeSubnets").hold, 0);
    struct aws_id eni = { 0 };
    expect_code(create(&world, "subnet-a2", 0, 0, &eni), CLOUD_OK);
    struct slice form = arena_printf(test_arena(),
                                     "Action=AttachNetworkInterface&NetworkInterfaceId=%s"
                                     "&InstanceId=i-a&DeviceIndex=2",
                                     eni.text);
    uint64_t hold = ask(&world, form.data).hold;
    expect(hold != 0 && sim_ec2_held(world.ec2, hold));
    expect_contains(control(&world, "/_sim/holds", NULL).body, "AttachNetworkInterface");
    expect_code(attach(&world, &eni, "i-a", 1), CLOUD_ENI_IN_USE); /* it was done, though */
    expect_contains(control(&world, "/_sim/release", "{}").body, "\"released\":1");
    expect(!sim_ec2_held(world.ec2, hold));
    sim_ec2_free(world.ec2);
}

/* ---- metadata ---- */

TEST(ec2sim, shows_an_instance_its_metadata_for_a_token_only)
{
    struct world world;
    struct aws_id eni = { 0 };
    const char *header = "X-aws-ec2-metadata-token";

    start(&world, "");
    expect_i64(imds(&world, "GET", "/imds/i-a/latest/meta-data/instance-id", "x", SLICE("")).status,
               401);
    expect_i64(imds(&world, "PUT", "/imds/i-a/latest/api/token", "x", SLICE("")).status, 400);
    struct slice token = imds(&world, "PUT", "/imds/i-a/latest/api/token",
                              "X-aws-ec2-metadata-token-ttl-seconds", SLICE("60"))
                             .body;
    expect_slice(imds(&world, "GET", "/imds/i-a/latest/meta-data/instance-id", header, token).body,
                 "i-a");
    expect_code(create(&world, "subnet-a2", 2, 0, &eni), CLOUD_OK);
    expect_code(attach(&world, &eni, "i-a", 2), CLOUD_OK);
    struct slice macs = imds(&world, "GET", "/imds/i-a/latest/meta-data/network/interfaces/macs/",
                             header, token)
                            .body;
    expect_u64(occurrences(macs, "/"), 2);
    (void)slice_cut(&macs, '\n');
    struct slice path = arena_printf(
        test_arena(), "/imds/i-a/latest/meta-data/network/interfaces/macs/%.*slocal-ipv4s",
        SLICE_ARG(macs));
    struct sim_http_response response = imds(&world, "GET", path.data, header, token);
    expect_u64(occurrences(response.body, "10.0.1."), 3);
    expect_i64(imds(&world, "GET", "/imds/i-tiny/latest/meta-data/", header, token).status, 401);
    world.now_ns += 61 * SECOND;
    expect_i64(imds(&world, "GET", "/imds/i-a/latest/meta-data/", header, token).status, 401);
    sim_ec2_free(world.ec2);
}
