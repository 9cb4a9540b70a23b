/*
 * ec2_xml.h - answers of the EC2 and STS Query APIs: XML pushed in as it comes, rows out.
 *
 *   bytes --ec2_xml_feed--> rows in the caller's arena --ec2_xml_end--> struct ec2_reply
 *
 * The bytes are dropped as soon as they are read. Elements that no row needs are skipped, so an API
 * that grows does not break us. Refused: a document type or entity declaration, a root element that
 * is no known answer, identifiers and addresses that are none, more than the limits below, and a
 * document that ends before its root element does. Source: Amazon EC2 API Reference (2016-11-15),
 * AWS STS API Reference (2011-06-15).
 */
#ifndef HEADROOM_EC2_XML_H
#define HEADROOM_EC2_XML_H

#include <headroom/model.h>

enum {
    EC2_XML_DEPTH_MAX = 16,
    EC2_XML_TEXT_MAX = 16 * 1024, /* bytes of one element's text; a page token or an encoded message
                                   */
    EC2_XML_ROWS_MAX = 5000,      /* of one answer; we ask for 1,000 */
    EC2_XML_PARTS_MAX = 1024      /* addresses, tags, groups, routes ... of one row */
};

/* The root element. */
#define EC2_REPLIES(X)                                                                             \
    X(DescribeSubnets)                                                                             \
    X(DescribeNetworkInterfaces)                                                                   \
    X(DescribeRouteTables)                                                                         \
    X(DescribeSecurityGroups)                                                                      \
    X(DescribeInstanceTypes)                                                                       \
    X(GetSubnetCidrReservations)                                                                   \
    X(CreateNetworkInterface)                                                                      \
    X(AttachNetworkInterface)                                                                      \
    X(ModifyNetworkInterfaceAttribute)                                                             \
    X(AssignPrivateIpAddresses)                                                                    \
    X(DeleteNetworkInterface)                                                                      \
    X(AssumeRole)                                                                                  \
    X(AssumeRoleWithWebIdentity)                                                                   \
    X(Error) /* EC2's <Response><Errors> or STS's <ErrorResponse> */

enum ec2_reply_kind {
#define X(name) EC2_REPLY_##name,
    EC2_REPLIES(X)
#undef X
};

struct ec2_route_table {
    struct aws_id id, vpc;
    bool main;                    /* of its VPC: for subnets without a table of their own */
    enum route_kind kind;         /* public: 0.0.0.0/0 goes to an internet gateway; else private */
    const struct aws_id *subnets; /* associated one by one */
    uint32_t subnet_count;
};

struct ec2_group {
    struct aws_id id, vpc;
    const struct pair *tags;
    uint32_t tag_count;
};

struct ec2_subnet_reservation {
    struct aws_id subnet;
    struct cidr_reservation reservation;
};

/* What came; everything in the arena. Rows of other kinds are empty. */
struct ec2_reply {
    enum ec2_reply_kind kind;
    const struct subnet *subnets; /* route tables and reservations are not known here */
    const struct eni *enis;       /* CreateNetworkInterface: one */
    const struct ec2_route_table *route_tables;
    const struct ec2_group *groups;
    const struct instance_type *types; /* trunk: Nitro and not burstable */
    const struct ec2_subnet_reservation *reservations;
    uint32_t count;                         /* of the rows of this kind */
    struct slice next_token;                /* empty: the last page */
    struct slice attachment_id;             /* AttachNetworkInterface */
    uint32_t ips, prefixes;                 /* AssignPrivateIpAddresses: assigned now */
    bool returned;                          /* <return>true</return> */
    struct slice error_code, error_message; /* Error */
    struct slice access_key_id, secret_access_key, session_token, expiration; /* STS; secret */
};

struct ec2_xml;

/* Rows go into the arena, which must outlive the reader. */
struct ec2_xml *ec2_xml_new(struct arena *arena);
void ec2_xml_free(struct ec2_xml *xml);

/* ERR_INVALID: no such document; ERR_LIMIT: over a limit. After an error every further call gives
 * the same one. */
enum err ec2_xml_feed(struct ec2_xml *xml, struct slice bytes, struct error *error) ERR_CHECKED;
/* ERR_TRUNCATED: the document is not complete. Once. */
enum err ec2_xml_end(struct ec2_xml *xml, struct ec2_reply *ret, struct error *error) ERR_CHECKED;

#endif
