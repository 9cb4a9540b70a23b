/*
 * ec2_xml.c - reading EC2's XML: which elements matter, and which field or row each of them is.
 *
 * Knows the shape of each answer as a table of elements. Refuses to know what a row is for
 * (ec2_rows.c keeps them), and everything that no table names: it is skipped, but still counted and
 * bounded.
 *
 *   DescribeSubnetsResponse          rule                  state of an open element
 *     subnetSet                      children ---------->  stack[depth] = its rule, or NULL:
 * skipped item                         starts a SUBNET row subnetId  "subnet-1"       text: field
 * SUBNET_ID
 */
#include <assert.h>

#include <headroom/buf.h>

#include "ec2_rows.h"
#include "xml.h"

struct rule {
    struct slice name;           /* without data: the end of the list */
    const struct rule *children; /* NULL: a leaf */
    enum ec2_row row;            /* the element begins and ends such a row */
    enum ec2_field field;        /* of a leaf: what its text is */
};

#define LEAF(name, field)                                                                          \
    {                                                                                              \
        { name, sizeof(name) - 1 }, NULL, ROW_NONE, FIELD_##field                                  \
    }
#define GROUP(name, children)                                                                      \
    {                                                                                              \
        { name, sizeof(name) - 1 }, children, ROW_NONE, FIELD_NONE                                 \
    }
#define ROW(name, children, row)                                                                   \
    {                                                                                              \
        { name, sizeof(name) - 1 }, children, ROW_##row, FIELD_NONE                                \
    }
#define END                                                                                        \
    {                                                                                              \
        { NULL, 0 }, NULL, ROW_NONE, FIELD_NONE                                                    \
    }

static const struct rule tag[] = { LEAF("key", TAG_KEY), LEAF("value", TAG_VALUE), END };
static const struct rule tag_set[] = { ROW("item", tag, TAG), END };

static const struct rule subnet[] = {
    LEAF("subnetId", ID),
    LEAF("vpcId", VPC),
    LEAF("availabilityZone", ZONE),
    LEAF("availabilityZoneId", ZONE_ID),
    LEAF("cidrBlock", CIDR),
    LEAF("availableIpAddressCount", AVAILABLE),
    LEAF("state", STATE),
    GROUP("tagSet", tag_set),
    END,
};
static const struct rule subnet_set[] = { ROW("item", subnet, SUBNET), END };
static const struct rule describe_subnets[] = {
    GROUP("subnetSet", subnet_set),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};

static const struct rule attachment[] = {
    LEAF("attachmentId", ATTACHMENT),
    LEAF("instanceId", INSTANCE),
    LEAF("deviceIndex", DEVICE_INDEX),
    LEAF("networkCardIndex", CARD),
    LEAF("deleteOnTermination", DELETE_ON_TERMINATION),
    END,
};
static const struct rule address[] = {
    LEAF("privateIpAddress", ADDRESS),
    LEAF("primary", ADDRESS_PRIMARY),
    END,
};
static const struct rule address_set[] = { ROW("item", address, ADDRESS), END };
static const struct rule prefix[] = { LEAF("ipv4Prefix", PREFIX), END };
static const struct rule prefix_set[] = { GROUP("item", prefix), END };
static const struct rule eni_group[] = { LEAF("groupId", GROUP), END };
static const struct rule eni_group_set[] = { GROUP("item", eni_group), END };
static const struct rule eni[] = {
    LEAF("networkInterfaceId", ID),
    LEAF("subnetId", SUBNET),
    LEAF("vpcId", VPC),
    LEAF("availabilityZone", ZONE),
    LEAF("description", DESCRIPTION),
    LEAF("status", STATE),
    LEAF("interfaceType", TYPE),
    LEAF("privateIpAddress", PRIMARY_IP),
    GROUP("attachment", attachment),
    GROUP("privateIpAddressesSet", address_set),
    GROUP("ipv4PrefixSet", prefix_set),
    GROUP("groupSet", eni_group_set),
    GROUP("tagSet", tag_set),
    END,
};
static const struct rule eni_set[] = { ROW("item", eni, ENI), END };
static const struct rule describe_enis[] = {
    GROUP("networkInterfaceSet", eni_set),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};
static const struct rule create_eni[] = { ROW("networkInterface", eni, ENI), END };
static const struct rule attach_eni[] = { LEAF("attachmentId", REPLY_ATTACHMENT), END };
static const struct rule returned[] = { LEAF("return", RETURN), END };

static const struct rule assigned_address[] = { LEAF("privateIpAddress", ASSIGNED_IP), END };
static const struct rule assigned_addresses[] = { GROUP("item", assigned_address), END };
static const struct rule assigned_prefix[] = { LEAF("ipv4Prefix", ASSIGNED_PREFIX), END };
static const struct rule assigned_prefixes[] = { GROUP("item", assigned_prefix), END };
static const struct rule assign[] = {
    GROUP("assignedPrivateIpAddressesSet", assigned_addresses),
    GROUP("assignedIpv4PrefixSet", assigned_prefixes),
    LEAF("return", RETURN),
    END,
};

static const struct rule route[] = {
    LEAF("destinationCidrBlock", DESTINATION),
    LEAF("gatewayId", GATEWAY),
    END,
};
static const struct rule route_set[] = { ROW("item", route, ROUTE), END };
static const struct rule association[] = {
    LEAF("subnetId", ASSOCIATED_SUBNET),
    LEAF("main", MAIN),
    END,
};
static const struct rule association_set[] = { GROUP("item", association), END };
static const struct rule route_table[] = {
    LEAF("routeTableId", ID),
    LEAF("vpcId", VPC),
    GROUP("routeSet", route_set),
    GROUP("associationSet", association_set),
    END,
};
static const struct rule route_table_set[] = { ROW("item", route_table, ROUTE_TABLE), END };
static const struct rule describe_route_tables[] = {
    GROUP("routeTableSet", route_table_set),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};

static const struct rule group[] = {
    LEAF("groupId", ID),
    LEAF("vpcId", VPC),
    GROUP("tagSet", tag_set),
    END,
};
static const struct rule group_info[] = { ROW("item", group, GROUP), END };
static const struct rule describe_groups[] = {
    GROUP("securityGroupInfo", group_info),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};

static const struct rule card[] = {
    LEAF("networkCardIndex", CARD),
    LEAF("maximumNetworkInterfaces", CARD_ENIS),
    END,
};
static const struct rule cards[] = { ROW("item", card, CARD), END };
static const struct rule network_info[] = {
    LEAF("maximumNetworkInterfaces", TYPE_ENIS),
    LEAF("ipv4AddressesPerInterface", TYPE_IPS),
    GROUP("networkCards", cards),
    END,
};
static const struct rule type[] = {
    LEAF("instanceType", TYPE_NAME),    LEAF("hypervisor", HYPERVISOR),
    LEAF("bareMetal", BARE_METAL),      LEAF("burstablePerformanceSupported", BURSTABLE),
    GROUP("networkInfo", network_info), END,
};
static const struct rule type_set[] = { ROW("item", type, TYPE), END };
static const struct rule describe_types[] = {
    GROUP("instanceTypeSet", type_set),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};

static const struct rule reservation[] = {
    LEAF("subnetId", SUBNET),
    LEAF("cidr", CIDR),
    LEAF("reservationType", TYPE),
    END,
};
static const struct rule reservation_set[] = { ROW("item", reservation, RESERVATION), END };
static const struct rule get_reservations[] = {
    GROUP("subnetIpv4CidrReservationSet", reservation_set),
    LEAF("nextToken", NEXT_TOKEN),
    END,
};

static const struct rule credentials[] = {
    LEAF("AccessKeyId", ACCESS_KEY_ID),
    LEAF("SecretAccessKey", SECRET_ACCESS_KEY),
    LEAF("SessionToken", SESSION_TOKEN),
    LEAF("Expiration", EXPIRATION),
    END,
};
static const struct rule role_result[] = { GROUP("Credentials", credentials), END };
static const struct rule assume_role[] = { GROUP("AssumeRoleResult", role_result), END };
static const struct rule assume_web[] = {
    GROUP("AssumeRoleWithWebIdentityResult", role_result),
    END,
};

static const struct rule error_rule[] = {
    LEAF("Code", ERROR_CODE),
    LEAF("Message", ERROR_MESSAGE),
    END,
};
static const struct rule errors[] = { GROUP("Error", error_rule), END };
static const struct rule response[] = { GROUP("Errors", errors), END };

struct root {
    const char *name;
    enum ec2_reply_kind kind;
    const struct rule *children;
};

static const struct root roots[] = {
    { "DescribeSubnetsResponse", EC2_REPLY_DescribeSubnets, describe_subnets },
    { "DescribeNetworkInterfacesResponse", EC2_REPLY_DescribeNetworkInterfaces, describe_enis },
    { "DescribeRouteTablesResponse", EC2_REPLY_DescribeRouteTables, describe_route_tables },
    { "DescribeSecurityGroupsResponse", EC2_REPLY_DescribeSecurityGroups, describe_groups },
    { "DescribeInstanceTypesResponse", EC2_REPLY_DescribeInstanceTypes, describe_types },
    { "GetSubnetCidrReservationsResponse", EC2_REPLY_GetSubnetCidrReservations, get_reservations },
    { "CreateNetworkInterfaceResponse", EC2_REPLY_CreateNetworkInterface, create_eni },
    { "AttachNetworkInterfaceResponse", EC2_REPLY_AttachNetworkInterface, attach_eni },
    { "ModifyNetworkInterfaceAttributeResponse", EC2_REPLY_ModifyNetworkInterfaceAttribute,
      returned },
    { "AssignPrivateIpAddressesResponse", EC2_REPLY_AssignPrivateIpAddresses, assign },
    { "DeleteNetworkInterfaceResponse", EC2_REPLY_DeleteNetworkInterface, returned },
    { "AssumeRoleResponse", EC2_REPLY_AssumeRole, assume_role },
    { "AssumeRoleWithWebIdentityResponse", EC2_REPLY_AssumeRoleWithWebIdentity, assume_web },
    { "Response", EC2_REPLY_Error, response },
    { "ErrorResponse", EC2_REPLY_Error, errors },
};

struct ec2_xml {
    struct xml xml;
    struct ec2_rows rows;
    const struct rule *stack[XML_DEPTH_MAX]; /* of the open elements; NULL: skipped */
    const struct rule *children;             /* of the root */
    uint32_t depth;
    struct buf text;      /* of the open leaf */
    struct error failure; /* sticky */
};

static const struct rule *find_rule(const struct rule *rules, struct slice name)
{
    for (; rules && rules->name.data; rules++) {
        if (slice_eq(rules->name, name)) {
            return rules;
        }
    }
    return NULL;
}

static enum err start_root(struct ec2_xml *xml, struct slice name, struct error *error)
{
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (slice_is(name, roots[i].name)) {
            xml->children = roots[i].children;
            xml->rows.reply.kind = roots[i].kind;
            return ERR_OK;
        }
    }
    return error_set(error, ERR_INVALID, "unexpected document <%.*s>",
                     (int)(name.len < 60 ? name.len : 60), name.data);
}

static enum err on_start(void *context, struct slice name, struct error *error)
{
    struct ec2_xml *xml = context;

    buf_reset(&xml->text);
    if (xml->depth == 0) {
        xml->stack[xml->depth++] = NULL;
        return start_root(xml, name, error);
    }
    const struct rule *parent = xml->stack[xml->depth - 1];
    const struct rule *rules = xml->depth == 1 ? xml->children : parent ? parent->children : NULL;
    const struct rule *rule = find_rule(rules, name);
    xml->stack[xml->depth++] = rule;
    if (rule && rule->row != ROW_NONE) {
        ec2_rows_begin(&xml->rows, rule->row);
    }
    return ERR_OK;
}

static enum err on_end(void *context, struct error *error)
{
    struct ec2_xml *xml = context;
    const struct rule *rule = xml->stack[--xml->depth];
    enum err err = ERR_OK;

    if (rule && rule->field != FIELD_NONE) {
        err = ec2_rows_text(&xml->rows, rule->field, slice_trim(buf_slice(&xml->text)), error);
    } else if (rule && rule->row != ROW_NONE) {
        err = ec2_rows_end(&xml->rows, rule->row, error);
    }
    buf_reset(&xml->text);
    return err;
}

static enum err on_text(void *context, struct slice text, struct error *error)
{
    struct ec2_xml *xml = context;
    const struct rule *rule = xml->stack[xml->depth - 1];

    if (!rule || rule->field == FIELD_NONE) {
        return ERR_OK;
    }
    buf_add_slice(&xml->text, text);
    return xml->text.failed ? error_set(error, ERR_LIMIT, "an element of the answer is too long")
                            : ERR_OK;
}

static const struct xml_handler handler = { on_start, on_text, on_end };

struct ec2_xml *ec2_xml_new(struct arena *arena)
{
    struct ec2_xml *xml = mem_resize(NULL, 1, sizeof(*xml));

    _Static_assert((int)XML_DEPTH_MAX == (int)EC2_XML_DEPTH_MAX, "one limit, told to users");
    *xml = (struct ec2_xml){ 0 };
    xml_init(&xml->xml, &handler, xml);
    ec2_rows_init(&xml->rows, arena);
    buf_init(&xml->text, EC2_XML_TEXT_MAX);
    return xml;
}

void ec2_xml_free(struct ec2_xml *xml)
{
    if (xml) {
        xml_done(&xml->xml);
        ec2_rows_done(&xml->rows);
        buf_done(&xml->text);
        mem_free(xml);
    }
}

static enum err failed(const struct ec2_xml *xml, struct error *error)
{
    if (error) {
        *error = xml->failure;
    }
    return xml->failure.code;
}

enum err ec2_xml_feed(struct ec2_xml *xml, struct slice bytes, struct error *error)
{
    enum err err = xml->failure.code ? xml->failure.code
                                     : xml_feed(&xml->xml, bytes, &xml->failure);

    return err != ERR_OK ? failed(xml, error) : ERR_OK;
}

enum err ec2_xml_end(struct ec2_xml *xml, struct ec2_reply *ret, struct error *error)
{
    enum err err = xml->failure.code ? xml->failure.code : xml_end(&xml->xml, &xml->failure);

    *ret = err != ERR_OK ? (struct ec2_reply){ 0 } : ec2_rows_reply(&xml->rows);
    return err != ERR_OK ? failed(xml, error) : ERR_OK;
}
