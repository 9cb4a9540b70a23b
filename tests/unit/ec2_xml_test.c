/*
 * ec2_xml_test.c - answers of EC2: those recorded from moto 5.2.5 (tests/fixtures/ec2/moto_*.xml,
 * an endpoint that others wrote), those that the API reference shows, and those that nobody should
 * send.
 */
#include <stdio.h>

#include <headroom/buf.h>
#include <headroom/ec2_xml.h>

#include "test.h"

/* In pieces of `step` bytes; 0: in one. */
static enum err read_in(struct slice text, size_t step, struct ec2_reply *ret, struct error *error)
{
    struct ec2_xml *xml = ec2_xml_new(test_arena());
    enum err err = ERR_OK;

    *error = (struct error){ 0 };
    step = step ? step : text.len + 1;
    while (!err && text.len > 0) {
        size_t len = text.len < step ? text.len : step;
        err = ec2_xml_feed(xml, (struct slice){ text.data, len }, error);
        text.data += len;
        text.len -= len;
    }
    if (!err) {
        err = ec2_xml_end(xml, ret, error);
    }
    ec2_xml_free(xml);
    return err;
}

static struct ec2_reply read_fixture(const char *name)
{
    struct slice text = test_fixture(name);
    struct ec2_reply reply, pieces;
    struct error error;

    require_ok(read_in(text, 0, &reply, &error), &error);
    require_ok(read_in(text, 1, &pieces, &error), &error);
    expect_u64(pieces.count, reply.count); /* wherever the network cuts */
    expect_u64(pieces.kind, reply.kind);
    return reply;
}

static enum err read_text(const char *text, struct ec2_reply *ret, struct error *error)
{
    return read_in(slice_of(text), 0, ret, error);
}

TEST(ec2_xml, reads_subnets)
{
    struct ec2_reply reply = read_fixture("ec2/moto_subnets.xml");
    struct slice role = { 0 };

    require(reply.kind == EC2_REPLY_DescribeSubnets && reply.count == 1);
    const struct subnet *subnet = &reply.subnets[0];
    expect(slice_starts(aws_id_slice(&subnet->id), SLICE("subnet-")));
    expect(slice_starts(aws_id_slice(&subnet->vpc), SLICE("vpc-")));
    expect_slice(subnet->zone, "us-west-2a");
    expect_slice(subnet->zone_id, "usw2-az2");
    expect_u64(subnet->cidr.base, 0x0A000100);
    expect_u64(subnet->cidr.bits, 24);
    expect_u64(subnet->available, 250);
    expect(subnet->usable);
    expect(pair_find(subnet->tags, subnet->tag_count, SLICE(TAG_SUBNET_ROLE), &role));
    expect_slice(role, "1");
}

TEST(ec2_xml, reads_enis_with_their_attachments)
{
    struct ec2_reply reply = read_fixture("ec2/moto_enis.xml");
    struct slice intent = { 0 };

    require(reply.kind == EC2_REPLY_DescribeNetworkInterfaces && reply.count == 2);
    const struct eni *primary = &reply.enis[0], *ours = &reply.enis[1];
    expect_u64(primary->device_index, 0);
    expect_u64(primary->primary_ip, 0x0A000104);
    expect_u64(primary->ip_count, 0);
    expect(slice_starts(aws_id_slice(&primary->instance), SLICE("i-")));
    expect(aws_id_eq(&primary->instance, &ours->instance));
    expect_u64(ours->device_index, 2);
    expect_u64(ours->ip_count, 3); /* without the primary */
    expect_u64(ours->group_count, 1);
    expect_u64(ours->status, ENI_IN_USE);
    expect_u64(ours->type, ENI_STANDARD);
    expect_slice(ours->description, "headroom & co");
    expect(slice_starts(ours->attachment_id, SLICE("eni-attach-")));
    expect(pair_find(ours->tags, ours->tag_count, SLICE(TAG_INTENT), &intent));
    expect_slice(intent, "token");
}

TEST(ec2_xml, reads_what_the_three_calls_of_an_attach_answer)
{
    struct ec2_reply created = read_fixture("ec2/moto_create.xml");
    struct ec2_reply attached = read_fixture("ec2/moto_attach.xml");
    struct ec2_reply modified = read_fixture("ec2/moto_modify.xml");

    require(created.kind == EC2_REPLY_CreateNetworkInterface && created.count == 1);
    expect_u64(created.enis[0].ip_count, 3);
    expect_u64(created.enis[0].status, ENI_AVAILABLE);
    expect_text(created.enis[0].instance.text, "");
    expect_u64(attached.kind, EC2_REPLY_AttachNetworkInterface);
    expect(slice_starts(attached.attachment_id, SLICE("eni-attach-")));
    expect_u64(modified.kind, EC2_REPLY_ModifyNetworkInterfaceAttribute);
    expect_u64(read_fixture("ec2/moto_delete.xml").kind, EC2_REPLY_DeleteNetworkInterface);
}

TEST(ec2_xml, reads_route_tables_and_tells_public_from_private)
{
    struct ec2_reply reply = read_fixture("ec2/moto_route_tables.xml");

    require(reply.kind == EC2_REPLY_DescribeRouteTables && reply.count == 2);
    expect(reply.route_tables[0].main);
    expect_u64(reply.route_tables[0].kind, ROUTE_PRIVATE);
    expect_u64(reply.route_tables[0].subnet_count, 0);
    expect(!reply.route_tables[1].main);
    expect_u64(reply.route_tables[1].kind, ROUTE_PUBLIC);
    require(reply.route_tables[1].subnet_count == 1);
    expect(slice_starts(aws_id_slice(&reply.route_tables[1].subnets[0]), SLICE("subnet-")));
}

TEST(ec2_xml, reads_instance_types_and_groups)
{
    struct ec2_reply types = read_fixture("ec2/moto_instance_types.xml");
    struct ec2_reply groups = read_fixture("ec2/moto_security_groups.xml");

    require(types.kind == EC2_REPLY_DescribeInstanceTypes && types.count == 2);
    expect_slice(types.types[0].name, "m5.large");
    expect_u64(types.types[0].enis, 3);
    expect_u64(types.types[0].ips_per_eni, 10);
    expect(types.types[0].prefixes && types.types[0].trunk);
    expect_slice(types.types[1].name, "t3.medium");
    expect_u64(types.types[1].ips_per_eni, 6);
    expect(types.types[1].prefixes && !types.types[1].trunk);
    expect_u64(groups.kind, EC2_REPLY_DescribeSecurityGroups);
    expect_u64(groups.count, 2);
    expect(slice_starts(aws_id_slice(&groups.groups[1].id), SLICE("sg-")));
}

TEST(ec2_xml, reads_prefixes_cards_and_reservations)
{
    struct ec2_reply reply;
    struct error error;

    require_ok(
        read_text("<DescribeNetworkInterfacesResponse><networkInterfaceSet><item>"
                  "<networkInterfaceId>eni-1</networkInterfaceId>"
                  "<interfaceType>trunk</interfaceType><status>attaching</status>"
                  "<attachment><deviceIndex>1</deviceIndex><networkCardIndex>1</networkCardIndex>"
                  "<deleteOnTermination>true</deleteOnTermination></attachment>"
                  "<ipv4PrefixSet><item><ipv4Prefix>10.0.0.16/28</ipv4Prefix></item>"
                  "<item><ipv4Prefix>10.0.0.64/28</ipv4Prefix></item></ipv4PrefixSet>"
                  "</item></networkInterfaceSet><nextToken>abc</nextToken>"
                  "</DescribeNetworkInterfacesResponse>",
                  &reply, &error),
        &error);
    expect_u64(reply.enis[0].prefix_count, 2);
    expect_u64(reply.enis[0].prefixes[1], 0x0A000040);
    expect_u64(reply.enis[0].type, ENI_TRUNK);
    expect_u64(reply.enis[0].status, ENI_ATTACHING);
    expect_u64(reply.enis[0].card, 1);
    expect(reply.enis[0].delete_on_termination);
    expect_slice(reply.next_token, "abc");

    /* Of several cards the limit of card 0 counts, not the sum. */
    require_ok(read_text("<DescribeInstanceTypesResponse><instanceTypeSet><item>"
                         "<instanceType>p4d.24xlarge</instanceType><networkInfo>"
                         "<maximumNetworkInterfaces>60</maximumNetworkInterfaces><networkCards>"
                         "<item><networkCardIndex>0</networkCardIndex>"
                         "<maximumNetworkInterfaces>15</maximumNetworkInterfaces></item>"
                         "<item><networkCardIndex>1</networkCardIndex>"
                         "<maximumNetworkInterfaces>14</maximumNetworkInterfaces></item>"
                         "</networkCards></networkInfo></item></instanceTypeSet>"
                         "</DescribeInstanceTypesResponse>",
                         &reply, &error),
               &error);
    expect_u64(reply.types[0].enis, 15);

    require_ok(read_text("<GetSubnetCidrReservationsResponse><subnetIpv4CidrReservationSet><item>"
                         "<subnetId>subnet-1</subnetId><cidr>10.0.4.32/28</cidr>"
                         "<reservationType>prefix</reservationType></item>"
                         "</subnetIpv4CidrReservationSet></GetSubnetCidrReservationsResponse>",
                         &reply, &error),
               &error);
    require(reply.count == 1);
    expect(reply.reservations[0].reservation.prefix);
    expect_u64(reply.reservations[0].reservation.cidr.bits, 28);
}

TEST(ec2_xml, keeps_the_parts_of_one_row_from_the_next)
{
    struct ec2_reply reply;
    struct error error;

    require_ok(read_text("<DescribeNetworkInterfacesResponse><networkInterfaceSet>"
                         "<item><networkInterfaceId>eni-1</networkInterfaceId><tagSet><item>"
                         "<key>k</key><value>v</value></item></tagSet><attachment>"
                         "<instanceId>i-1</instanceId></attachment><groupSet><item>"
                         "<groupId>sg-1</groupId></item></groupSet></item>"
                         "<item><networkInterfaceId>eni-2</networkInterfaceId></item>"
                         "</networkInterfaceSet></DescribeNetworkInterfacesResponse>",
                         &reply, &error),
               &error);
    require(reply.count == 2);
    expect_u64(reply.enis[0].tag_count, 1);
    expect_u64(reply.enis[1].tag_count, 0);
    expect_u64(reply.enis[1].group_count, 0);
    expect_text(reply.enis[1].instance.text, "");
}

TEST(ec2_xml, reads_errors_of_ec2_and_of_sts)
{
    struct ec2_reply reply = read_fixture("ec2/moto_eni_not_found.xml");
    struct error error;

    expect_u64(reply.kind, EC2_REPLY_Error);
    expect_slice(reply.error_code, "InvalidNetworkInterfaceID.NotFound");
    expect_slice(reply.error_message,
                 "The networkInterface ID 'eni-0123456789abcdef0' does not exist");
    require_ok(
        read_text("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
                  "<Type>Sender</Type><Code>ExpiredTokenException</Code>"
                  "<Message>Token expired</Message></Error></ErrorResponse>",
                  &reply, &error),
        &error);
    expect_u64(reply.kind, EC2_REPLY_Error);
    expect_slice(reply.error_code, "ExpiredTokenException");
}

/* ---- what nobody should send ---- */

TEST(ec2_xml, refuses_entities)
{
    struct ec2_reply reply;
    struct error error;

    expect_err(read_text("<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>"
                         "<DescribeSubnetsResponse>&b;</DescribeSubnetsResponse>",
                         &reply, &error),
               ERR_INVALID, &error);
    expect_contains(slice_of(error.text), "document type");
    expect_err(
        read_text("<DescribeSubnetsResponse>&undefined;</DescribeSubnetsResponse>", &reply, &error),
        ERR_INVALID, &error);
}

TEST(ec2_xml, calls_an_answer_that_was_cut_truncated)
{
    struct slice whole = test_fixture("ec2/moto_enis.xml");
    struct ec2_reply reply;
    struct error error;

    for (size_t len = 0; len + 1 < whole.len; len += 97) {
        expect_err(read_in((struct slice){ whole.data, len }, 0, &reply, &error), ERR_TRUNCATED,
                   &error);
    }
}

TEST(ec2_xml, refuses_other_documents_and_says_which)
{
    struct ec2_reply reply;
    struct error error;

    expect_err(read_text("<html><body/></html>", &reply, &error), ERR_INVALID, &error);
    expect_contains(slice_of(error.text), "unexpected document <html>");
    expect_err(read_text("Service Unavailable", &reply, &error), ERR_INVALID, &error);
    expect_err(read_text("<Response></Response><Response/>", &reply, &error), ERR_INVALID, &error);
}

TEST(ec2_xml, refuses_identifiers_and_addresses_that_are_none)
{
    static const char *const bad[] = {
        "<subnetId>subnet-1\"; drop</subnetId>",
        "<subnetId>subnet-0123456789abcdef0123456789abcdef</subnetId>",
        "<cidrBlock>10.0.0.0</cidrBlock>",
        "<cidrBlock>10.0.0.0/33</cidrBlock>",
        "<cidrBlock>fd00::/64</cidrBlock>",
        "<availableIpAddressCount>-1</availableIpAddressCount>",
        "<availableIpAddressCount>99999999999</availableIpAddressCount>",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ec2_reply reply;
        struct error error;
        struct slice text = arena_printf(test_arena(),
                                         "<DescribeSubnetsResponse><subnetSet><item>%s</item>"
                                         "</subnetSet></DescribeSubnetsResponse>",
                                         bad[i]);
        expect_err(read_in(text, 0, &reply, &error), ERR_INVALID, &error);
    }
}

static void repeat(struct buf *buf, const char *text, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        buf_add_text(buf, text);
    }
}

TEST(ec2_xml, bounds_depth_text_rows_and_parts)
{
    struct ec2_reply reply;
    struct error error;
    struct buf text;

    buf_init(&text, 8 * 1024 * 1024);
    buf_add_text(&text, "<DescribeSubnetsResponse>");
    repeat(&text, "<a>", EC2_XML_DEPTH_MAX);
    expect_err(read_in(buf_slice(&text), 0, &reply, &error), ERR_LIMIT, &error);

    buf_reset(&text);
    buf_add_text(&text, "<DescribeSubnetsResponse><nextToken>");
    repeat(&text, "x", EC2_XML_TEXT_MAX + 1);
    expect_err(read_in(buf_slice(&text), 0, &reply, &error), ERR_LIMIT, &error);

    buf_reset(&text);
    buf_add_text(&text, "<DescribeSubnetsResponse><subnetSet>");
    repeat(&text, "<item></item>", EC2_XML_ROWS_MAX + 1);
    expect_err(read_in(buf_slice(&text), 0, &reply, &error), ERR_LIMIT, &error);

    buf_reset(&text);
    buf_add_text(&text, "<DescribeSubnetsResponse><subnetSet><item><tagSet>");
    repeat(&text, "<item></item>", EC2_XML_PARTS_MAX + 1);
    expect_err(read_in(buf_slice(&text), 0, &reply, &error), ERR_LIMIT, &error);

    /* What nobody reads may be long: it is not kept. */
    buf_reset(&text);
    buf_add_text(&text, "<DescribeSubnetsResponse><future>");
    repeat(&text, "x", 4 * EC2_XML_TEXT_MAX);
    buf_add_text(&text, "</future></DescribeSubnetsResponse>");
    expect_ok(read_in(buf_slice(&text), 0, &reply, &error), &error);
    buf_done(&text);
}

TEST(ec2_xml, gives_the_same_error_again_after_an_error)
{
    struct ec2_xml *xml = ec2_xml_new(test_arena());
    struct ec2_reply reply;
    struct error first = { 0 }, second = { 0 };

    expect_err(ec2_xml_feed(xml, SLICE("<nonsense/>"), &first), ERR_INVALID, &first);
    expect_err(ec2_xml_feed(xml, SLICE("<DescribeSubnetsResponse/>"), NULL), ERR_INVALID, NULL);
    expect_err(ec2_xml_end(xml, &reply, &second), ERR_INVALID, &second);
    expect_text(second.text, first.text);
    ec2_xml_free(xml);
}
