/*
 * ec2_rows.c - the open row of an answer: its fields as they come, and its place in the arena when
 * it is complete.
 *
 * Knows how EC2 writes identifiers, addresses, states and numbers. Refuses to know XML.
 */
#include <headroom/buf.h>

#include "ec2_rows.h"

void ec2_rows_init(struct ec2_rows *rows, struct arena *arena)
{
    *rows = (struct ec2_rows){ .arena = arena };
}

void ec2_rows_done(struct ec2_rows *rows)
{
    mem_free(rows->tags.items);
    mem_free(rows->ips.items);
    mem_free(rows->prefixes.items);
    mem_free(rows->groups.items);
    mem_free(rows->subnets.items);
}

/* ---- lists ---- */

static enum err add_part(struct ec2_parts *parts, const void *item, size_t size,
                         struct error *error)
{
    if (parts->count == EC2_XML_PARTS_MAX) {
        return error_set(error, ERR_LIMIT, "a row of the answer has more than %d parts",
                         EC2_XML_PARTS_MAX);
    }
    mem_reserve(&parts->items, &parts->capacity, parts->count + 1, size);
    memcpy((char *)parts->items + parts->count * size, item, size);
    parts->count++;
    return ERR_OK;
}

static void *parts_in_arena(struct arena *arena, const struct ec2_parts *parts, size_t size)
{
    if (parts->count == 0) {
        return NULL;
    }
    void *copy = arena_array(arena, parts->count, size);
    memcpy(copy, parts->items, parts->count * size);
    return copy;
}

static enum err add_row(struct ec2_rows *rows, const void *item, size_t size, struct error *error)
{
    if (rows->count == EC2_XML_ROWS_MAX) {
        return error_set(error, ERR_LIMIT, "the answer has more than %d rows", EC2_XML_ROWS_MAX);
    }
    if (rows->count == rows->capacity) {
        uint32_t capacity = rows->capacity ? rows->capacity * 2 : 16;
        void *items = arena_array(rows->arena, capacity, size);
        if (rows->count > 0) {
            memcpy(items, rows->items, rows->count * size);
        }
        rows->items = items;
        rows->capacity = capacity;
    }
    memcpy((char *)rows->items + rows->count * size, item, size);
    rows->count++;
    return ERR_OK;
}

/* ---- texts ---- */

static enum err read_id(struct aws_id *id, struct slice text, const char *name, struct error *error)
{
    if (aws_id_set(id, text)) {
        return error_set(error, ERR_INVALID, "'%.*s' is no %s id",
                         (int)(text.len < 40 ? text.len : 40), text.data, name);
    }
    return ERR_OK;
}

static enum err read_u32(uint32_t *ret, struct slice text, uint32_t max, const char *name,
                         struct error *error)
{
    uint64_t value = 0;

    if (slice_u64(text, max, &value)) {
        return error_set(error, ERR_INVALID, "'%.*s' is no %s",
                         (int)(text.len < 40 ? text.len : 40), text.data, name);
    }
    *ret = (uint32_t)value;
    return ERR_OK;
}

static enum err read_ip(uint32_t *ret, struct slice text, struct error *error)
{
    if (slice_ipv4(text, ret)) {
        return error_set(error, ERR_INVALID, "'%.*s' is no IPv4 address",
                         (int)(text.len < 40 ? text.len : 40), text.data);
    }
    return ERR_OK;
}

static enum err read_cidr(struct cidr *ret, struct slice text, struct error *error)
{
    struct slice bits = text;
    struct slice base = slice_cut(&bits, '/');
    uint32_t value = 0;

    enum err err = read_ip(&ret->base, base, error);
    if (!err) {
        err = read_u32(&value, bits, 32, "CIDR block", error);
    }
    ret->bits = (uint8_t)value;
    return err;
}

static bool is_true(struct slice text)
{
    return slice_is(text, "true");
}

/* Fields of the answer itself; ERR_NOT_FOUND: not one of them. */
static enum err reply_text(struct ec2_rows *rows, enum ec2_field field, struct slice text)
{
    struct ec2_reply *reply = &rows->reply;
    struct slice *to = NULL;

    switch (field) {
    case FIELD_NEXT_TOKEN:
        to = &reply->next_token;
        break;
    case FIELD_REPLY_ATTACHMENT:
        to = &reply->attachment_id;
        break;
    case FIELD_ERROR_CODE:
        to = &reply->error_code;
        break;
    case FIELD_ERROR_MESSAGE:
        to = &reply->error_message;
        break;
    case FIELD_ACCESS_KEY_ID:
        to = &reply->access_key_id;
        break;
    case FIELD_SECRET_ACCESS_KEY:
        to = &reply->secret_access_key;
        break;
    case FIELD_SESSION_TOKEN:
        to = &reply->session_token;
        break;
    case FIELD_EXPIRATION:
        to = &reply->expiration;
        break;
    case FIELD_RETURN:
        reply->returned = is_true(text);
        return ERR_OK;
    case FIELD_ASSIGNED_IP:
        reply->ips++;
        return ERR_OK;
    case FIELD_ASSIGNED_PREFIX:
        reply->prefixes++;
        return ERR_OK;
    default:
        return ERR_NOT_FOUND;
    }
    *to = arena_slice(rows->arena, text);
    return ERR_OK;
}

static enum err id_text(struct ec2_rows *rows, enum ec2_field field, struct slice text,
                        struct error *error)
{
    struct aws_id id = { 0 };

    switch (field) {
    case FIELD_ID:
        return read_id(&rows->id, text, "resource", error);
    case FIELD_VPC:
        return read_id(&rows->vpc, text, "VPC", error);
    case FIELD_SUBNET:
        return read_id(&rows->subnet, text, "subnet", error);
    case FIELD_INSTANCE:
        return read_id(&rows->instance, text, "instance", error);
    case FIELD_GROUP:
        if (read_id(&id, text, "security group", error)) {
            return ERR_INVALID;
        }
        return add_part(&rows->groups, &id, sizeof(id), error);
    case FIELD_ASSOCIATED_SUBNET:
        if (read_id(&id, text, "subnet", error)) {
            return ERR_INVALID;
        }
        return add_part(&rows->subnets, &id, sizeof(id), error);
    default:
        return ERR_NOT_FOUND;
    }
}

static enum err copied_text(struct ec2_rows *rows, enum ec2_field field, struct slice text)
{
    struct slice *to = NULL;

    switch (field) {
    case FIELD_ZONE:
        to = &rows->zone;
        break;
    case FIELD_ZONE_ID:
        to = &rows->zone_id;
        break;
    case FIELD_STATE:
        to = &rows->state;
        break;
    case FIELD_TYPE:
        to = &rows->type;
        break;
    case FIELD_TYPE_NAME:
        to = &rows->type_name;
        break;
    case FIELD_DESCRIPTION:
        to = &rows->description;
        break;
    case FIELD_ATTACHMENT:
        to = &rows->attachment_id;
        break;
    case FIELD_TAG_KEY:
        to = &rows->tag.key;
        break;
    case FIELD_TAG_VALUE:
        to = &rows->tag.value;
        break;
    case FIELD_DESTINATION:
        to = &rows->destination;
        break;
    case FIELD_GATEWAY:
        to = &rows->gateway;
        break;
    default:
        return ERR_NOT_FOUND;
    }
    *to = arena_slice(rows->arena, text);
    return ERR_OK;
}

static enum err flag_text(struct ec2_rows *rows, enum ec2_field field, struct slice text)
{
    switch (field) {
    case FIELD_DELETE_ON_TERMINATION:
        rows->delete_on_termination = is_true(text);
        return ERR_OK;
    case FIELD_MAIN:
        rows->main = rows->main || is_true(text);
        return ERR_OK;
    case FIELD_ADDRESS_PRIMARY:
        rows->address_primary = is_true(text);
        return ERR_OK;
    case FIELD_HYPERVISOR:
        rows->nitro = slice_is(text, "nitro");
        return ERR_OK;
    case FIELD_BARE_METAL:
        rows->bare_metal = is_true(text);
        return ERR_OK;
    case FIELD_BURSTABLE:
        rows->burstable = is_true(text);
        return ERR_OK;
    default:
        return ERR_NOT_FOUND;
    }
}

static enum err prefix_text(struct ec2_rows *rows, struct slice text, struct error *error)
{
    struct cidr cidr = { 0 };

    enum err err = read_cidr(&cidr, text, error);
    return err ? err : add_part(&rows->prefixes, &cidr.base, sizeof(cidr.base), error);
}

static enum err number_text(struct ec2_rows *rows, enum ec2_field field, struct slice text,
                            struct error *error)
{
    switch (field) {
    case FIELD_CIDR:
        return read_cidr(&rows->cidr, text, error);
    case FIELD_PREFIX:
        return prefix_text(rows, text, error);
    case FIELD_PRIMARY_IP:
        return read_ip(&rows->primary_ip, text, error);
    case FIELD_ADDRESS:
        return read_ip(&rows->address, text, error);
    case FIELD_AVAILABLE:
        return read_u32(&rows->available, text, UINT32_MAX, "address count", error);
    case FIELD_DEVICE_INDEX:
        return read_u32(&rows->device_index, text, 1000, "device index", error);
    case FIELD_CARD:
        rows->part_card = 0;
        if (read_u32(&rows->part_card, text, 1000, "card index", error)) {
            return ERR_INVALID;
        }
        rows->card = rows->part_card;
        return ERR_OK;
    case FIELD_TYPE_ENIS:
        return read_u32(&rows->type_enis, text, 1000, "interface limit", error);
    case FIELD_TYPE_IPS:
        return read_u32(&rows->type_ips, text, 1000, "address limit", error);
    case FIELD_CARD_ENIS:
        return read_u32(&rows->part_card_enis, text, 1000, "interface limit", error);
    default:
        return ERR_NOT_FOUND;
    }
}

enum err ec2_rows_text(struct ec2_rows *rows, enum ec2_field field, struct slice text,
                       struct error *error)
{
    enum err err = reply_text(rows, field, text);

    if (err == ERR_NOT_FOUND) {
        err = copied_text(rows, field, text);
    }
    if (err == ERR_NOT_FOUND) {
        err = flag_text(rows, field, text);
    }
    if (err == ERR_NOT_FOUND) {
        err = id_text(rows, field, text, error);
    }
    if (err == ERR_NOT_FOUND) {
        err = number_text(rows, field, text, error);
    }
    return err;
}

/* ---- rows ---- */

static void begin_part(struct ec2_rows *rows, enum ec2_row row)
{
    switch (row) {
    case ROW_TAG:
        rows->tag = (struct pair){ 0 };
        break;
    case ROW_ADDRESS:
        rows->address = 0;
        rows->address_primary = false;
        break;
    case ROW_ROUTE:
        rows->destination = rows->gateway = (struct slice){ 0 };
        break;
    default:
        rows->part_card = rows->part_card_enis = 0;
        break;
    }
}

void ec2_rows_begin(struct ec2_rows *rows, enum ec2_row row)
{
    if (row >= ROW_TAG) {
        begin_part(rows, row);
        return;
    }
    struct ec2_rows fresh = {
        .arena = rows->arena,
        .reply = rows->reply,
        .items = rows->items,
        .count = rows->count,
        .capacity = rows->capacity,
        .tags = rows->tags,
        .ips = rows->ips,
        .prefixes = rows->prefixes,
        .groups = rows->groups,
        .subnets = rows->subnets,
    };
    fresh.tags.count = fresh.ips.count = fresh.prefixes.count = 0;
    fresh.groups.count = fresh.subnets.count = 0;
    *rows = fresh;
}

static enum err end_part(struct ec2_rows *rows, enum ec2_row row, struct error *error)
{
    switch (row) {
    case ROW_TAG:
        return add_part(&rows->tags, &rows->tag, sizeof(rows->tag), error);
    case ROW_ADDRESS:
        if (rows->address_primary || rows->address == 0) {
            return ERR_OK;
        }
        return add_part(&rows->ips, &rows->address, sizeof(rows->address), error);
    case ROW_ROUTE:
        if (slice_is(rows->destination, "0.0.0.0/0") &&
            slice_starts(rows->gateway, SLICE("igw-"))) {
            rows->public_route = true;
        }
        return ERR_OK;
    default:
        if (rows->part_card == 0) {
            rows->card_enis = rows->part_card_enis;
        }
        return ERR_OK;
    }
}

static enum err end_subnet(struct ec2_rows *rows, struct error *error)
{
    struct subnet subnet = {
        .id = rows->id,
        .vpc = rows->vpc,
        .zone = rows->zone,
        .zone_id = rows->zone_id,
        .cidr = rows->cidr,
        .available = rows->available,
        .usable = slice_is(rows->state, "available"),
        .tags = parts_in_arena(rows->arena, &rows->tags, sizeof(struct pair)),
        .tag_count = rows->tags.count,
    };

    return add_row(rows, &subnet, sizeof(subnet), error);
}

static enum eni_status eni_status(struct slice text)
{
    return slice_is(text, "available")   ? ENI_AVAILABLE
           : slice_is(text, "attaching") ? ENI_ATTACHING
           : slice_is(text, "detaching") ? ENI_DETACHING
           : slice_is(text, "pending")   ? ENI_PENDING
                                         : ENI_IN_USE;
}

static enum eni_type eni_type(struct slice text)
{
    return text.len == 0 || slice_is(text, "interface") ? ENI_STANDARD
           : slice_is(text, "trunk")                    ? ENI_TRUNK
           : slice_is(text, "branch")                   ? ENI_BRANCH
           : slice_is(text, "efa")                      ? ENI_EFA
           : slice_is(text, "efa-only")                 ? ENI_EFA_ONLY
                                                        : ENI_OTHER;
}

static enum err end_eni(struct ec2_rows *rows, struct error *error)
{
    struct eni eni = {
        .id = rows->id,
        .subnet = rows->subnet,
        .vpc = rows->vpc,
        .instance = rows->instance,
        .zone = rows->zone,
        .type = eni_type(rows->type),
        .status = eni_status(rows->state),
        .device_index = rows->device_index,
        .card = rows->card,
        .delete_on_termination = rows->delete_on_termination,
        .attachment_id = rows->attachment_id,
        .description = rows->description,
        .primary_ip = rows->primary_ip,
        .ips = parts_in_arena(rows->arena, &rows->ips, sizeof(uint32_t)),
        .ip_count = rows->ips.count,
        .prefixes = parts_in_arena(rows->arena, &rows->prefixes, sizeof(uint32_t)),
        .prefix_count = rows->prefixes.count,
        .groups = parts_in_arena(rows->arena, &rows->groups, sizeof(struct aws_id)),
        .group_count = rows->groups.count,
        .tags = parts_in_arena(rows->arena, &rows->tags, sizeof(struct pair)),
        .tag_count = rows->tags.count,
    };

    return add_row(rows, &eni, sizeof(eni), error);
}

static enum err end_route_table(struct ec2_rows *rows, struct error *error)
{
    struct ec2_route_table table = {
        .id = rows->id,
        .vpc = rows->vpc,
        .main = rows->main,
        .kind = rows->public_route ? ROUTE_PUBLIC : ROUTE_PRIVATE,
        .subnets = parts_in_arena(rows->arena, &rows->subnets, sizeof(struct aws_id)),
        .subnet_count = rows->subnets.count,
    };

    return add_row(rows, &table, sizeof(table), error);
}

static enum err end_group(struct ec2_rows *rows, struct error *error)
{
    struct ec2_group group = {
        .id = rows->id,
        .vpc = rows->vpc,
        .tags = parts_in_arena(rows->arena, &rows->tags, sizeof(struct pair)),
        .tag_count = rows->tags.count,
    };

    return add_row(rows, &group, sizeof(group), error);
}

/* Branch ENIs need Nitro; no burstable type carries them (as the VPC resource controller's table
 * has it). */
static enum err end_type(struct ec2_rows *rows, struct error *error)
{
    bool nitro = rows->nitro || rows->bare_metal;
    struct instance_type type = {
        .name = rows->type_name,
        .enis = rows->card_enis ? rows->card_enis : rows->type_enis,
        .ips_per_eni = rows->type_ips,
        .prefixes = nitro,
        .trunk = nitro && !rows->burstable,
    };

    return add_row(rows, &type, sizeof(type), error);
}

static enum err end_reservation(struct ec2_rows *rows, struct error *error)
{
    struct ec2_subnet_reservation row = {
        .subnet = rows->subnet,
        .reservation = { .cidr = rows->cidr, .prefix = slice_is(rows->type, "prefix") },
    };

    return add_row(rows, &row, sizeof(row), error);
}

enum err ec2_rows_end(struct ec2_rows *rows, enum ec2_row row, struct error *error)
{
    switch (row) {
    case ROW_SUBNET:
        return end_subnet(rows, error);
    case ROW_ENI:
        return end_eni(rows, error);
    case ROW_ROUTE_TABLE:
        return end_route_table(rows, error);
    case ROW_GROUP:
        return end_group(rows, error);
    case ROW_TYPE:
        return end_type(rows, error);
    case ROW_RESERVATION:
        return end_reservation(rows, error);
    default:
        return end_part(rows, row, error);
    }
}

struct ec2_reply ec2_rows_reply(const struct ec2_rows *rows)
{
    struct ec2_reply reply = rows->reply;

    reply.count = rows->count;
    switch (reply.kind) {
    case EC2_REPLY_DescribeSubnets:
        reply.subnets = rows->items;
        break;
    case EC2_REPLY_DescribeNetworkInterfaces:
    case EC2_REPLY_CreateNetworkInterface:
        reply.enis = rows->items;
        break;
    case EC2_REPLY_DescribeRouteTables:
        reply.route_tables = rows->items;
        break;
    case EC2_REPLY_DescribeSecurityGroups:
        reply.groups = rows->items;
        break;
    case EC2_REPLY_DescribeInstanceTypes:
        reply.types = rows->items;
        break;
    case EC2_REPLY_GetSubnetCidrReservations:
        reply.reservations = rows->items;
        break;
    default:
        break;
    }
    return reply;
}
