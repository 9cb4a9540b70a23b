/*
 * ec2_rows.h - the rows that ec2_xml.c fills from the elements of an answer. Private to src/wire.
 */
#ifndef WIRE_EC2_ROWS_H
#define WIRE_EC2_ROWS_H

#include <headroom/ec2_xml.h>

/* What begins and ends with an element. TAG, ADDRESS, ROUTE and CARD are parts of the row around
 * them. */
enum ec2_row {
    ROW_NONE,
    ROW_SUBNET,
    ROW_ENI,
    ROW_ROUTE_TABLE,
    ROW_GROUP,
    ROW_TYPE,
    ROW_RESERVATION,
    ROW_TAG,
    ROW_ADDRESS,
    ROW_ROUTE,
    ROW_CARD
};

/* What a leaf's text is. */
enum ec2_field {
    FIELD_NONE,
    /* of the answer */
    FIELD_NEXT_TOKEN,
    FIELD_REPLY_ATTACHMENT,
    FIELD_RETURN,
    FIELD_ASSIGNED_IP,
    FIELD_ASSIGNED_PREFIX,
    FIELD_ERROR_CODE,
    FIELD_ERROR_MESSAGE,
    FIELD_ACCESS_KEY_ID,
    FIELD_SECRET_ACCESS_KEY,
    FIELD_SESSION_TOKEN,
    FIELD_EXPIRATION,
    /* of a row; which row, its element says */
    FIELD_ID,
    FIELD_VPC,
    FIELD_SUBNET,
    FIELD_INSTANCE,
    FIELD_GROUP,
    FIELD_ASSOCIATED_SUBNET,
    FIELD_ZONE,
    FIELD_ZONE_ID,
    FIELD_CIDR,
    FIELD_AVAILABLE,
    FIELD_STATE,
    FIELD_TYPE,
    FIELD_DESCRIPTION,
    FIELD_PRIMARY_IP,
    FIELD_ATTACHMENT,
    FIELD_DEVICE_INDEX,
    FIELD_CARD,
    FIELD_DELETE_ON_TERMINATION,
    FIELD_PREFIX,
    FIELD_MAIN,
    FIELD_TYPE_NAME,
    FIELD_HYPERVISOR,
    FIELD_BARE_METAL,
    FIELD_BURSTABLE,
    FIELD_TYPE_ENIS,
    FIELD_TYPE_IPS,
    /* of a part */
    FIELD_TAG_KEY,
    FIELD_TAG_VALUE,
    FIELD_ADDRESS,
    FIELD_ADDRESS_PRIMARY,
    FIELD_DESTINATION,
    FIELD_GATEWAY,
    FIELD_CARD_ENIS
};

/* A list that grows on the heap while a row is open; its content goes to the arena at the end. */
struct ec2_parts {
    void *items;
    uint32_t count, capacity;
};

struct ec2_rows {
    struct arena *arena;
    struct ec2_reply reply;
    void *items; /* rows of the answer's kind, in the arena */
    uint32_t count, capacity;

    /* the open row: all that one can have */
    struct aws_id id, vpc, subnet, instance;
    struct slice zone, zone_id, description, attachment_id, type_name, type, state;
    struct cidr cidr;
    uint32_t available, primary_ip, device_index, card;
    bool delete_on_termination, main, public_route;
    bool nitro, bare_metal, burstable;
    uint32_t type_enis, type_ips, card_enis;
    struct ec2_parts tags, ips, prefixes, groups, subnets;

    /* the open part */
    struct pair tag;
    uint32_t address;
    bool address_primary;
    struct slice destination, gateway;
    uint32_t part_card, part_card_enis;
};

void ec2_rows_init(struct ec2_rows *rows, struct arena *arena);
void ec2_rows_done(struct ec2_rows *rows);
void ec2_rows_begin(struct ec2_rows *rows, enum ec2_row row);
enum err ec2_rows_text(struct ec2_rows *rows, enum ec2_field field, struct slice text,
                       struct error *error) ERR_CHECKED;
enum err ec2_rows_end(struct ec2_rows *rows, enum ec2_row row, struct error *error) ERR_CHECKED;
struct ec2_reply ec2_rows_reply(const struct ec2_rows *rows);

#endif
