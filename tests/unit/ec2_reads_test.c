/*
 * ec2_reads_test.c - describes: few of them, complete, at the pace that the planner wants, and
 * honest about the API's health.
 */
#include "ec2_rig.h"

static struct rig rig;

#define NO_ROUTES "<DescribeRouteTablesResponse><routeTableSet/></DescribeRouteTablesResponse>"
#define NO_GROUPS                                                                                  \
    "<DescribeSecurityGroupsResponse><securityGroupInfo/></DescribeSecurityGroupsResponse>"
#define ONE_SUBNET                                                                                 \
    "<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId>"                      \
    "<cidrBlock>10.0.0.0/24</cidrBlock></item></subnetSet></DescribeSubnetsResponse>"
#define ENI_PAGE(id, token)                                                                        \
    "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>" id        \
    "</networkInterfaceId><vpcId>vpc-1</vpcId><status>in-use</status>"                             \
    "</item></networkInterfaceSet><nextToken>" token                                               \
    "</nextToken></DescribeNetworkInterfacesResponse>"

static void tell_instance(const char *id)
{
    struct ec2_input input = { .kind = EC2_INSTANCE };

    expect_ok(aws_id_set(&input.instance, slice_of(id)), NULL);
    rig_step(&rig, input);
}

static void observe(const char *id, enum urgency urgency)
{
    struct plan_action action = { .kind = PLAN_OBSERVE, .urgency = urgency };

    expect_ok(aws_id_set(&action.instance, slice_of(id)), NULL);
    rig_act(&rig, action);
}

/* Up to the point where everything has been read once. */
static void start_known(void)
{
    rig_start(&rig, NULL);
    tell_instance("i-1");
    rig_answer(&rig, "attachment.instance-id", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    rig_answer(&rig, "DescribeRouteTables", 200, NO_ROUTES);
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    rig_answer(&rig, "DescribeSecurityGroups", 200, NO_GROUPS);
    rig_answer(&rig, "Name=vpc-id", 200, ENI_PAGE("eni-1", ""));
    expect_u64(rig_open(&rig, "Action="), 0);
}

TEST(ec2_reads, finds_the_vpc_by_the_first_instance_that_ec2_knows)
{
    rig_start(&rig, NULL);
    tell_instance("i-gone");
    tell_instance("i-1");
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body), "Value.1=i-gone");
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_NO_ENI);
    rig_tick(&rig);
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body), "Value.1=i-1");
    rig_answer(&rig, "DescribeNetworkInterfaces", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    expect_u64(rig.eni_events, 2); /* what was learnt by the way is told, too */
    expect_contains(slice_of(rig_need(&rig, "DescribeRouteTables")->body),
                    "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1");
    expect_u64(rig_open(&rig, "DescribeSecurityGroups"), 1);
    expect_u64(rig_open(&rig, "Name=vpc-id&Filter.1.Value.1=vpc-1&MaxResults=1000"), 2);
    rig_end(&rig);
}

TEST(ec2_reads, asks_again_for_instances_that_ec2_does_not_know_yet)
{
    rig_start(&rig, NULL);
    tell_instance("i-1");
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, RIG_NO_ENI);
    expect_contains(slice_of(rig.logs), "EC2 knows no ENI of the cluster's instances");
    expect_u64(rig_open(&rig, "Action="), 0);
    rig_pass(&rig, 6 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 1);
    rig_end(&rig);
}

static void expect_page(const char *eni, bool continued, bool more, uint64_t asked_ns)
{
    const struct plan_event *event = NULL;

    for (uint32_t i = 0; i < rig.out.event_count; i++) {
        event = rig.out.events[i].kind == PLAN_SWEEP ? &rig.out.events[i] : event;
    }
    require(event);
    expect_u64(event->enis.count, 1);
    expect_text(event->enis.enis[0].id.text, eni);
    expect(event->enis.continued == continued && event->enis.more == more);
    expect_u64(event->enis.asked_ns, asked_ns);
}

TEST(ec2_reads, tells_a_sweep_page_by_page)
{
    rig_start(&rig, NULL);
    tell_instance("i-1");
    rig_answer(&rig, "attachment.instance-id", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    rig_answer(&rig, "DescribeSecurityGroups", 200, NO_GROUPS);
    rig_answer(&rig, "DescribeRouteTables", 200, NO_ROUTES);
    uint64_t begun = rig.now_ns;
    rig_pass(&rig, RIG_SECOND);
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-1", "tok/1=="));
    expect_page("eni-1", false, true, begun);
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body),
                    "&MaxResults=1000&NextToken=tok%2F1%3D%3D");
    /* A page that fails is asked for again, not the whole. */
    rig_error(&rig, "DescribeNetworkInterfaces", 500, "InternalError", "oops");
    rig_pass(&rig, 5 * RIG_SECOND);
    expect_contains(slice_of(rig_need(&rig, "DescribeNetworkInterfaces")->body), "NextToken=tok");
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-2", "tok2"));
    expect_page("eni-2", true, true, begun); /* no later: what ended before is included */
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-3", ""));
    expect_page("eni-3", true, false, begun);
    expect_u64(rig.sweep_events, 3);
    rig_end(&rig);
}

TEST(ec2_reads, observes_many_instances_with_one_describe)
{
    char id[AWS_ID_MAX];

    start_known();
    for (int i = 0; i < 250; i++) {
        (void)snprintf(id, sizeof(id), "i-%08d", i);
        observe(id, i == 7 ? URGENT_WAITING : URGENT_REFRESH);
    }
    observe("i-00000003", URGENT_REFRESH); /* twice is once */
    expect_u64(rig_open(&rig, "Action="), 0);
    rig_pass(&rig, 60 * RIG_MS);
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 2);
    expect_u64(rig_open(&rig, "&Filter.1.Value.200="), 1);
    expect_u64(rig_open(&rig, "&Filter.1.Value.201="), 0);
    rig_answer(&rig, "&Filter.1.Value.200=", 200, RIG_NO_ENI);
    require(rig.out.event_count == 1);
    expect_u64(rig.out.events[0].enis.instance_count, 200); /* complete for each of them */
    expect_u64(rig.out.events[0].enis.count, 0);
    rig_end(&rig);
}

TEST(ec2_reads, observes_again_what_could_not_be_observed)
{
    start_known();
    observe("i-2", URGENT_WAITING);
    rig_pass(&rig, 60 * RIG_MS);
    for (int i = 0; i < 6; i++) {
        rig_lose(&rig, "DescribeNetworkInterfaces");
        rig_pass(&rig, 12 * RIG_SECOND);
    }
    expect_contains(slice_of(rig_need(&rig, "attachment.instance-id")->body), "Value.1=i-2");
    rig_end(&rig);
}

TEST(ec2_reads, forgets_an_instance_that_went)
{
    start_known();
    observe("i-2", URGENT_REFRESH);
    struct ec2_input gone = { .kind = EC2_INSTANCE_GONE, .instance = { "i-2" } };
    rig_step(&rig, gone);
    rig_pass(&rig, 5 * RIG_SECOND);
    expect_u64(rig_open(&rig, "attachment.instance-id"), 0);
    rig_end(&rig);
}

/* ---- pace ---- */

TEST(ec2_reads, reads_subnets_at_the_planners_pace)
{
    start_known();
    rig_act(&rig, (struct plan_action){ .kind = PLAN_SUBNET_PACE, .pace_ms = 5000 });
    rig_pass(&rig, 4900 * RIG_MS);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_pass(&rig, 200 * RIG_MS);
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    rig_act(&rig, (struct plan_action){ .kind = PLAN_SUBNET_PACE, .pace_ms = 60000 });
    rig_pass(&rig, 59 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_pass(&rig, 2 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 1);
    expect_u64(rig.subnet_events, 2);
    rig_end(&rig);
}

TEST(ec2_reads, reads_subnets_each_second_while_somebody_looks)
{
    start_known();
    rig_act(&rig, (struct plan_action){ .kind = PLAN_SUBNET_PACE, .pace_ms = 30000 });
    rig_pass(&rig, 10 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    ec2_watched(rig.ec2, true);
    for (int i = 0; i < 3; i++) {
        rig_pass(&rig, 1100 * RIG_MS);
        rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    }
    ec2_watched(rig.ec2, false);
    rig_pass(&rig, 25 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_pass(&rig, 5 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 1);
    rig_end(&rig);
}

TEST(ec2_reads, reads_subnets_at_once_after_a_surprise_but_not_in_a_rush)
{
    start_known();
    rig_pass(&rig, RIG_SECOND);
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE_SUBNETS });
    expect_u64(rig_open(&rig, "DescribeSubnets"), 1);
    rig_pass(&rig, RIG_MS);
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE_SUBNETS });
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE_SUBNETS });
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_pass(&rig, 600 * RIG_MS);
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    rig_pass(&rig, 5 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeSubnets"), 0);
    rig_end(&rig);
}

/* What the lease opens is asked for by the planner in the same step: that read will do. */
TEST(ec2_reads, sweeps_under_the_lease_or_on_demand_and_once_for_both)
{
    rig_start(&rig, NULL);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = 0 });
    tell_instance("i-1");
    rig_answer(&rig, "attachment.instance-id", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    rig_pass(&rig, 60 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 0); /* it stands by */
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 1);
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE });
    rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-1", ""));
    rig_pass(&rig, 60 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 0);
    rig_step(&rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = 0 });
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE });
    rig_pass(&rig, 2 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeNetworkInterfaces"), 1);
    rig_end(&rig);
}

/* 5,000 nodes with three ENIs each: a sweep has 15 pages. */
static void answer_all(uint32_t *page, uint32_t *calls)
{
    while (rig_open(&rig, "Action=") > 0) {
        if (rig_open(&rig, "DescribeSubnets")) {
            rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
        } else if (rig_open(&rig, "DescribeRouteTables")) {
            rig_answer(&rig, "DescribeRouteTables", 200, NO_ROUTES);
        } else if (rig_open(&rig, "DescribeSecurityGroups")) {
            rig_answer(&rig, "DescribeSecurityGroups", 200, NO_GROUPS);
        } else if (++*page % 15 == 0) {
            rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-1", ""));
        } else {
            rig_answer(&rig, "DescribeNetworkInterfaces", 200, ENI_PAGE("eni-1", "more"));
        }
        ++*calls;
    }
}

TEST(ec2_reads, makes_few_calls_in_a_quiet_cluster)
{
    uint32_t page = 0, calls = 0;

    start_known();
    rig_act(&rig, (struct plan_action){ .kind = PLAN_SUBNET_PACE, .pace_ms = 15000 });
    for (int second = 0; second < 3600; second++) {
        rig_pass(&rig, RIG_SECOND);
        answer_all(&page, &calls);
    }
    expect(calls / 60 <= 20);
    expect(calls / 60 >= 4);
    rig_end(&rig);
}

TEST(ec2_reads, asks_for_reservations_where_prefixes_are_in_use)
{
    start_known();
    observe("i-1", URGENT_WAITING);
    rig_pass(&rig, 60 * RIG_MS);
    rig_answer(&rig, "attachment.instance-id", 200,
               RIG_ENI("in-use",
                       "<ipv4PrefixSet><item><ipv4Prefix>10.0.0.16/28</ipv4Prefix></item>"
                       "</ipv4PrefixSet>",
                       ""));
    expect_text(rig_need(&rig, "GetSubnetCidrReservations")->body,
                "Action=GetSubnetCidrReservations&Version=2016-11-15&SubnetId=subnet-1"
                "&MaxResults=1000");
    rig_error(&rig, "GetSubnetCidrReservations", 403, "UnauthorizedOperation", "no");
    expect_u64(rig.health, CLOUD_OK); /* a finer picture, not a need */
    rig_pass(&rig, 1700 * RIG_SECOND);
    expect_u64(rig_open(&rig, "GetSubnetCidrReservations"), 0);
    rig_end(&rig);
}

/* ---- types ---- */

#define TYPE_M5                                                                                    \
    "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>m5.large</instanceType>"  \
    "<hypervisor>nitro</hypervisor><bareMetal>false</bareMetal>"                                   \
    "<networkInfo><maximumNetworkInterfaces>3</maximumNetworkInterfaces>"                          \
    "<ipv4AddressesPerInterface>10</ipv4AddressesPerInterface></networkInfo></item>"               \
    "</instanceTypeSet></DescribeInstanceTypesResponse>"

static void need_type(const char *name)
{
    rig_act(&rig, (struct plan_action){ .kind = PLAN_NEED_TYPE, .type_name = slice_of(name) });
}

TEST(ec2_reads, looks_up_types_together_and_knows_what_nobody_knows)
{
    start_known();
    need_type("m5.large");
    need_type("c5.large"); /* EC2 leaves it out; the table has it */
    need_type("zz.9large");
    need_type("m5.large");
    rig_pass(&rig, 60 * RIG_MS);
    expect_u64(rig_open(&rig, "DescribeInstanceTypes"), 1);
    expect_contains(slice_of(rig_need(&rig, "DescribeInstanceTypes")->body),
                    "Filter.1.Name=instance-type&Filter.1.Value.1=m5.large"
                    "&Filter.1.Value.2=c5.large&Filter.1.Value.3=zz.9large&MaxResults=100");
    rig_answer(&rig, "DescribeInstanceTypes", 200, TYPE_M5);
    expect_u64(rig.type_events, 2);
    expect_u64(rig.unknown_types, 1);
    rig_end(&rig);
}

TEST(ec2_reads, falls_back_to_the_table_when_types_may_not_be_read)
{
    start_known();
    need_type("m5.large");
    need_type("zz.9large");
    rig_pass(&rig, 60 * RIG_MS);
    rig_error(&rig, "DescribeInstanceTypes", 403, "UnauthorizedOperation", "no");
    expect_u64(rig.type_events, 1);
    expect_u64(rig.unknown_types, 1);
    expect_u64(rig.health, CLOUD_OK); /* we know how to do without */
    rig_end(&rig);
}

/* ---- budget ---- */

TEST(ec2_reads, halves_its_pace_when_throttled_and_recovers)
{
    struct ec2_stats stats;
    const struct ec2_action_stats *create = NULL;

    rig_start(&rig, NULL);
    rig_attach(&rig, 1);
    ec2_stats(rig.ec2, rig.now_ns, &stats);
    for (uint32_t i = 0; i < stats.action_count; i++) {
        create = slice_is(slice_of(stats.actions[i].action), "CreateNetworkInterface")
                     ? &stats.actions[i]
                     : create;
    }
    require(create);
    expect_u64((uint64_t)create->burst, 100);
    expect_u64((uint64_t)(create->refill_per_s * 10 + 0.5), 50);
    rig_error(&rig, "CreateNetworkInterface", 503, "RequestLimitExceeded",
              "Request limit exceeded.");
    expect_u64(rig_ends(&rig, 1), 0);
    ec2_stats(rig.ec2, rig.now_ns, &stats);
    expect_u64((uint64_t)(create->refill_per_s * 10 + 0.5), 25);
    expect_u64((uint64_t)create->tokens, 0);
    expect_u64(create->throttled, 1);
    rig_pass(&rig, 5 * RIG_SECOND);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_pass(&rig, 30 * RIG_SECOND);
    ec2_stats(rig.ec2, rig.now_ns, &stats);
    expect_u64((uint64_t)(create->refill_per_s * 10 + 0.5), 50);
    rig_end(&rig);
}

TEST(ec2_reads, serves_the_neediest_first_when_tokens_are_scarce)
{
    struct eni_intent intent = rig_intent();

    rig_start(&rig, NULL);
    for (uint64_t i = 0; i < 60; i++) { /* AttachNetworkInterface has 50 tokens */
        rig_act(&rig, (struct plan_action){ .kind = PLAN_ATTACH,
                                            .id = 100 + i,
                                            .attach = intent,
                                            .urgency = URGENT_REFRESH });
    }
    expect_u64(rig_open(&rig, "CreateNetworkInterface"), 50);
    (void)snprintf(intent.client_token, sizeof(intent.client_token), "rank-9");
    rig_act(&rig,
            (struct plan_action){ .kind = PLAN_ATTACH, .id = 1, .attach = intent, .rank = 9 });
    (void)snprintf(intent.client_token, sizeof(intent.client_token), "rank-2");
    rig_act(&rig,
            (struct plan_action){ .kind = PLAN_ATTACH, .id = 2, .attach = intent, .rank = 2 });
    for (int i = 0; i < 50; i++) {
        rig_error(&rig, "CreateNetworkInterface", 400, "InvalidSubnetID.NotFound", "gone");
    }
    /* The tokens of attaches that never came are given back; those of creates grow anew. */
    expect_u64(rig_open(&rig, "ClientToken=rank-2"), 1);
    expect_u64(rig_open(&rig, "ClientToken=rank-9"), 1);
    expect(rig_find(&rig, "rank-2")->id < rig_find(&rig, "rank-9")->id);
    rig_end(&rig);
}

TEST(ec2_reads, gives_up_a_throttled_mutation_in_the_end)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 1);
    for (int i = 0; i < 6 && rig_ends(&rig, 1) == 0; i++) {
        rig_error(&rig, "CreateNetworkInterface", 503, "RequestLimitExceeded", "slow down");
        rig_pass(&rig, 15 * RIG_SECOND);
    }
    expect_u64(rig_failure(&rig, 1), CLOUD_THROTTLED);
    expect_u64(rig.health, CLOUD_THROTTLED);
    expect_text(rig.health_operation, "CreateNetworkInterface");
    rig_end(&rig);
}

/* ---- health ---- */

TEST(ec2_reads, names_the_denied_action_and_cuts_what_nobody_can_read)
{
    rig_start(&rig, NULL);
    rig_attach(&rig, 1);
    rig_error(&rig, "CreateNetworkInterface", 403, "UnauthorizedOperation",
              "You are not authorized to perform this operation. Encoded authorization failure "
              "message: dGhpcyBpcyBsb25nIGFuZCBzZWNyZXQ");
    expect_u64(rig.health, CLOUD_DENIED);
    expect_text(rig.health_operation, "CreateNetworkInterface");
    expect_contains(slice_of(rig.health_text), "ec2:CreateNetworkInterface");
    expect(!strstr(rig.health_text, "dGhpcyBp") && !strstr(rig.logs, "Encoded"));
    uint32_t told = rig.health_events;
    rig_attach(&rig, 2);
    rig_error(&rig, "CreateNetworkInterface", 403, "UnauthorizedOperation", "no");
    expect_u64(rig.health_events, told); /* once, not each time */
    rig_attach(&rig, 3);
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    expect_u64(rig.health, CLOUD_OK);
    expect_u64(rig.health_events, told + 1);
    rig_end(&rig);
}

TEST(ec2_reads, says_that_ec2_is_down_and_that_it_is_back)
{
    start_known();
    expect_u64(rig.health, CLOUD_OK);
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE_SUBNETS });
    rig_pass(&rig, RIG_SECOND);
    rig_lose(&rig, "DescribeSubnets");
    expect_u64(rig.health, CLOUD_OK); /* one cut connection is no outage */
    rig_pass(&rig, 2 * RIG_SECOND);
    rig_lose(&rig, "DescribeSubnets");
    expect_u64(rig.health, CLOUD_UNAVAILABLE);
    expect_contains(slice_of(rig.health_text), "connection reset");
    rig_pass(&rig, 10 * RIG_SECOND);
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    expect_u64(rig.health, CLOUD_OK);
    rig_end(&rig);
}

TEST(ec2_reads, does_not_take_a_portal_page_for_an_answer)
{
    start_known();
    rig_act(&rig, (struct plan_action){ .kind = PLAN_OBSERVE_SUBNETS });
    rig_pass(&rig, RIG_SECOND);
    rig_answer(&rig, "DescribeSubnets", 200, "<html><body>Please log in</body></html>");
    rig_pass(&rig, RIG_SECOND);
    rig_answer(&rig, "DescribeSubnets", 200, "<DescribeSubnetsResponse><subnetSet>");
    expect_u64(rig.health, CLOUD_UNAVAILABLE);
    expect_contains(slice_of(rig.health_text), "ends too early");
    expect_u64(rig.subnet_events, 1);
    rig_end(&rig);
}

TEST(ec2_reads, keeps_calls_of_route_tables_that_are_denied_rare_and_goes_on)
{
    rig_start(&rig, NULL);
    tell_instance("i-1");
    rig_answer(&rig, "attachment.instance-id", 200,
               RIG_ENI("in-use", RIG_ATTACHMENT("i-1", "true"), ""));
    rig_error(&rig, "DescribeRouteTables", 403, "UnauthorizedOperation", "no");
    rig_answer(&rig, "DescribeSubnets", 200, ONE_SUBNET);
    expect_u64(rig.subnet_events, 1);
    expect_u64(rig.health, CLOUD_DENIED);
    expect_text(rig.health_operation, "DescribeRouteTables");
    rig_pass(&rig, 59 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeRouteTables"), 0);
    rig_pass(&rig, 2 * RIG_SECOND);
    expect_u64(rig_open(&rig, "DescribeRouteTables"), 1);
    rig_end(&rig);
}
