/*
 * actions.c - the Query API's mutations: parameters in, what was done out.
 *
 * Knows parameters and answers. What is allowed decides eni.c and its like.
 */
#include <stdio.h>

#include "call.h"

static bool done(struct sim_call *call)
{
    sim_xml_bool(&call->xml, "return", true);
    return true;
}

/* ---- CreateNetworkInterface ---- */

/* PrivateIpAddress, or the one of PrivateIpAddresses.N that says Primary; the others are secondary.
 */
static bool create_addresses(struct sim_call *call, struct sim_create *create)
{
    struct slice primary = sim_param_text(call, "PrivateIpAddress");
    struct slice address = { 0 }, flag = { 0 };
    uint32_t count = 0, secondary = 0;

    while (sim_param(call, &address, "PrivateIpAddresses.%u.PrivateIpAddress", count + 1)) {
        count++;
    }
    struct slice *list = ARENA_ARRAY(call->arena, struct slice, count);
    for (uint32_t i = 1; i <= count; i++) {
        (void)sim_param(call, &address, "PrivateIpAddresses.%u.PrivateIpAddress", i);
        if (sim_param(call, &flag, "PrivateIpAddresses.%u.Primary", i) && slice_is(flag, "true")) {
            primary = address;
        } else {
            list[secondary++] = address;
        }
    }
    if (primary.len > 0 && slice_ipv4(primary, &create->primary_ip) != ERR_OK) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "Value (%.*s) for parameter privateIpAddress is invalid.",
                          primary.len > 64 ? 64 : (int)primary.len, primary.data);
    }
    create->address_count = secondary;
    return sim_param_ips(call, list, secondary, &create->addresses);
}

static bool create_type(struct sim_call *call, enum eni_type *ret)
{
    struct slice type = sim_param_text(call, "InterfaceType");

    *ret = slice_is(type, "trunk") ? ENI_TRUNK : slice_is(type, "efa") ? ENI_EFA : ENI_STANDARD;
    if (type.len > 0 && *ret == ENI_STANDARD && !slice_is(type, "interface")) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "The interface type '%.*s' is not supported",
                          type.len > 64 ? 64 : (int)type.len, type.data);
    }
    return true;
}

static bool create_counts(struct sim_call *call, struct sim_create *create)
{
    uint32_t block_count = 0;
    const struct slice *blocks = sim_param_fields(call, "Ipv4Prefix", ".Ipv4Prefix", &block_count);

    create->block_count = block_count;
    if (!sim_param_u32(call, "SecondaryPrivateIpAddressCount", 65536, &create->ips) ||
        !sim_param_u32(call, "Ipv4PrefixCount", 4096, &create->prefixes) ||
        !sim_param_blocks(call, blocks, block_count, &create->blocks)) {
        return false;
    }
    uint32_t prefixes = create->prefixes + create->block_count;
    if ((create->ips > 0 && create->address_count > 0) || (create->ips > 0 && prefixes > 0) ||
        (create->prefixes > 0 && create->block_count > 0)) {
        return sim_refuse(&call->problem, "InvalidParameterCombination",
                          "Secondary addresses, their count, prefixes and their count exclude each "
                          "other");
    }
    return true;
}

static bool read_create(struct sim_call *call, struct sim_create *create)
{
    create->groups = sim_param_list(call, "SecurityGroupId", &create->group_count);
    create->description = sim_param_text(call, "Description");
    create->client_token = sim_param_text(call, "ClientToken");
    create->params = sim_params_hash(call);
    if (create->client_token.len > CLIENT_TOKEN_MAX - 1) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "The client token is longer than 64 characters");
    }
    if (create->description.len > 255) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "The description is longer than 255 characters");
    }
    return sim_param_required(call, "SubnetId", &create->subnet) &&
           create_addresses(call, create) && create_type(call, &create->type) &&
           create_counts(call, create) &&
           sim_param_tag_specification(call, "network-interface", &create->tags,
                                       &create->tag_count);
}

bool sim_do_create(struct sim_call *call)
{
    struct sim_create create = { 0 };
    uint32_t row = ROW_NONE, token = ROW_NONE;
    struct sim_ec2 *ec2 = call->ec2;

    if (!read_create(call, &create) ||
        !sim_eni_create(ec2, &create, &row, &token, &call->problem)) {
        return false;
    }
    const struct sim_eni *eni = row != ROW_NONE ? &ec2->enis[row] : &ec2->tokens[token].image;
    sim_xml_open(&call->xml, "networkInterface");
    sim_xml_eni(&call->xml, ec2, eni, &eni->now, false);
    sim_xml_close(&call->xml, "networkInterface");
    if (create.client_token.len > 0) {
        sim_xml_text(&call->xml, "clientToken", create.client_token);
    }
    return true;
}

/* ---- attach, detach, delete, modify ---- */

bool sim_do_attach(struct sim_call *call)
{
    struct slice eni = { 0 }, instance = { 0 }, index_text = { 0 };
    uint32_t index = 0, card = 0, row = 0;
    char id[40];

    if (!sim_param_required(call, "NetworkInterfaceId", &eni) ||
        !sim_param_required(call, "InstanceId", &instance) ||
        !sim_param_required(call, "DeviceIndex", &index_text) ||
        !sim_param_u32(call, "DeviceIndex", 255, &index) ||
        !sim_param_u32(call, "NetworkCardIndex", 255, &card) ||
        !sim_eni_attach(call->ec2, eni, instance, index, card, &row, &call->problem)) {
        return false;
    }
    sim_attachment_id(call->ec2->enis[row].now.attachment, id);
    sim_xml_text(&call->xml, "attachmentId", slice_of(id));
    sim_xml_u64(&call->xml, "networkCardIndex", card);
    return true;
}

static bool require_attachment(struct sim_call *call, struct slice id, uint32_t *ret)
{
    if (!slice_starts(id, SLICE("eni-attach-"))) {
        return sim_refuse(&call->problem, "InvalidAttachmentID.Malformed",
                          "Invalid id: \"%.*s\" (expecting \"eni-attach-...\")",
                          id.len > 64 ? 64 : (int)id.len, id.data);
    }
    *ret = sim_attachment_eni(call->ec2, id);
    if (*ret == ROW_NONE) {
        return sim_refuse(&call->problem, "InvalidAttachmentID.NotFound",
                          "The attachment ID '%.*s' does not exist", id.len > 64 ? 64 : (int)id.len,
                          id.data);
    }
    return true;
}

bool sim_do_detach(struct sim_call *call)
{
    struct slice id = { 0 };
    uint32_t row = 0;
    bool force = false;

    if (!sim_param_required(call, "AttachmentId", &id) || !sim_param_bool(call, "Force", &force) ||
        !require_attachment(call, id, &row) ||
        !sim_eni_detach(call->ec2, row, force, &call->problem)) {
        return false;
    }
    return done(call);
}

bool sim_do_delete(struct sim_call *call)
{
    struct slice eni = { 0 };

    return sim_param_required(call, "NetworkInterfaceId", &eni) &&
           sim_eni_delete(call->ec2, eni, &call->problem) && done(call);
}

/* One attribute a request, as EC2 wants it. */
bool sim_do_modify(struct sim_call *call)
{
    struct sim_ec2 *ec2 = call->ec2;
    struct slice eni = { 0 }, attachment = { 0 }, description = { 0 };
    uint32_t row = 0, attached = 0, group_count = 0;
    bool delete_on_termination = false;

    if (!sim_param_required(call, "NetworkInterfaceId", &eni) ||
        !sim_require_eni(ec2, eni, &row, &call->problem)) {
        return false;
    }
    const struct slice *groups = sim_param_list(call, "SecurityGroupId", &group_count);
    bool has_attachment = sim_param(call, &attachment, "Attachment.AttachmentId");
    bool has_description = sim_param(call, &description, "Description.Value");
    if ((group_count > 0) + has_attachment + has_description != 1) {
        return sim_refuse(&call->problem, "InvalidParameterCombination",
                          "Exactly one attribute of a network interface can be modified at a time");
    }
    if (group_count > 0) {
        return sim_eni_set_groups(ec2, row, groups, group_count, &call->problem) && done(call);
    }
    if (has_description) {
        sim_eni_touch(ec2, row);
        ec2->enis[row].now.description = interner_add(&ec2->names, description);
        return done(call);
    }
    if (!sim_param_bool(call, "Attachment.DeleteOnTermination", &delete_on_termination) ||
        !require_attachment(call, attachment, &attached)) {
        return false;
    }
    if (attached != row) {
        return sim_refuse(&call->problem, "InvalidAttachmentID.NotFound",
                          "The attachment ID '%.*s' is not of '%.*s'", SLICE_ARG(attachment),
                          SLICE_ARG(eni));
    }
    sim_eni_touch(ec2, row);
    ec2->enis[row].now.delete_on_termination = delete_on_termination;
    return done(call);
}

/* ---- addresses ---- */

static void write_assigned(struct sim_call *call, uint32_t row, uint32_t first_ip,
                           uint32_t first_prefix)
{
    const struct sim_eni *eni = &call->ec2->enis[row];
    struct buf *xml = &call->xml;

    sim_xml_text(xml, "networkInterfaceId", aws_id_slice(&eni->id));
    sim_xml_open(xml, "assignedPrivateIpAddressesSet");
    for (uint32_t i = first_ip; i < eni->now.ips.count; i++) {
        sim_xml_open(xml, "item");
        sim_xml_ip(xml, "privateIpAddress", eni->now.ips.items[i]);
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "assignedPrivateIpAddressesSet");
    sim_xml_open(xml, "assignedIpv4PrefixSet");
    for (uint32_t i = first_prefix; i < eni->now.prefixes.count; i++) {
        sim_xml_open(xml, "item");
        sim_xml_cidr(xml, "ipv4Prefix", (struct cidr){ eni->now.prefixes.items[i], 28 });
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "assignedIpv4PrefixSet");
    sim_xml_bool(xml, "return", true);
}

bool sim_do_assign(struct sim_call *call)
{
    struct sim_assign assign = { 0 };
    uint32_t row = 0, first_ip = 0, first_prefix = 0;
    const struct slice *ips = sim_param_list(call, "PrivateIpAddress", &assign.address_count);
    const struct slice *blocks = sim_param_list(call, "Ipv4Prefix", &assign.block_count);

    if (!sim_param_required(call, "NetworkInterfaceId", &assign.eni) ||
        !sim_param_u32(call, "SecondaryPrivateIpAddressCount", 65536, &assign.ips) ||
        !sim_param_u32(call, "Ipv4PrefixCount", 4096, &assign.prefixes) ||
        !sim_param_bool(call, "AllowReassignment", &assign.allow_reassignment) ||
        !sim_param_ips(call, ips, assign.address_count, &assign.addresses) ||
        !sim_param_blocks(call, blocks, assign.block_count, &assign.blocks)) {
        return false;
    }
    if ((assign.ips > 0) + (assign.address_count > 0) + (assign.prefixes > 0) +
            (assign.block_count > 0) >
        1) {
        return sim_refuse(&call->problem, "InvalidParameterCombination",
                          "Addresses, their count, prefixes and their count exclude each other");
    }
    if (!sim_eni_assign(call->ec2, &assign, &row, &first_ip, &first_prefix, &call->problem)) {
        return false;
    }
    write_assigned(call, row, first_ip, first_prefix);
    return true;
}

bool sim_do_unassign(struct sim_call *call)
{
    struct slice eni = { 0 };
    const uint32_t *ips = NULL, *blocks = NULL;
    uint32_t ip_count = 0, block_count = 0;
    const struct slice *ip_texts = sim_param_list(call, "PrivateIpAddress", &ip_count);
    const struct slice *block_texts = sim_param_list(call, "Ipv4Prefix", &block_count);

    if (!sim_param_required(call, "NetworkInterfaceId", &eni) ||
        !sim_param_ips(call, ip_texts, ip_count, &ips) ||
        !sim_param_blocks(call, block_texts, block_count, &blocks)) {
        return false;
    }
    if (ip_count + block_count == 0) {
        return sim_refuse(&call->problem, "MissingParameter",
                          "The request must contain the parameter privateIpAddress or ipv4Prefix");
    }
    return sim_eni_unassign(call->ec2, eni, ips, ip_count, blocks, block_count, &call->problem) &&
           done(call);
}

/* ---- tags ---- */

static bool change_tags(struct sim_call *call, bool remove)
{
    uint32_t resource_count = 0, tag_count = 0;
    const struct slice *resources = sim_param_list(call, "ResourceId", &resource_count);
    const struct pair *tags = sim_param_tags(call, "", &tag_count);

    if (resource_count == 0 || (tag_count == 0 && !remove)) {
        return sim_refuse(&call->problem, "MissingParameter",
                          "The request must contain the parameter %s",
                          resource_count == 0 ? "resourceIdSet" : "tagSet");
    }
    for (uint32_t i = 0; i < resource_count; i++) {
        if (!sim_tag_resource(call->ec2, resources[i], tags, tag_count, remove, &call->problem)) {
            return false;
        }
    }
    return done(call);
}

bool sim_do_create_tags(struct sim_call *call)
{
    return change_tags(call, false);
}

bool sim_do_delete_tags(struct sim_call *call)
{
    return change_tags(call, true);
}

/* ---- instances ---- */

bool sim_do_run(struct sim_call *call)
{
    struct sim_run run = { 0 };
    uint32_t least = 0, most = 0, row = 0;
    struct slice subnet = { 0 }, ignored = { 0 };
    struct buf *xml = &call->xml;

    if (!sim_param_required(call, "MinCount", &ignored) ||
        !sim_param_required(call, "MaxCount", &ignored) ||
        !sim_param_u32(call, "MinCount", 1000, &least) ||
        !sim_param_u32(call, "MaxCount", 1000, &most) ||
        !sim_param_required(call, "SubnetId", &subnet) ||
        !sim_param_tag_specification(call, "instance", &run.tags, &run.tag_count)) {
        return false;
    }
    if (least == 0 || most < least) {
        return sim_refuse(&call->problem, "InvalidParameterValue", "MinCount exceeds MaxCount");
    }
    run.subnet = subnet;
    run.type = sim_param_text(call, "InstanceType");
    run.type = run.type.len > 0 ? run.type : SLICE("m5.large");
    run.role = sim_param_text(call, "IamInstanceProfile.Name");
    run.groups = sim_param_list(call, "SecurityGroupId", &run.group_count);
    buf_addf(xml, "<reservationId>r-0%016x</reservationId>", call->ec2->instance_count + 1);
    sim_xml_text(xml, "ownerId", call->ec2->account);
    buf_add_text(xml, "<groupSet/>");
    sim_xml_open(xml, "instancesSet");
    for (uint32_t i = 0; i < most; i++) {
        if (!sim_instance_run(call->ec2, &run, &row, &call->problem)) {
            if (i < least) {
                return false; /* what has been started stays: a test's own business */
            }
            call->problem.code = NULL;
            break;
        }
        sim_xml_open(xml, "item");
        sim_xml_instance(xml, call->ec2, row, call->ec2->instances[row].state);
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "instancesSet");
    return true;
}

static void write_state(struct buf *xml, const char *tag, enum sim_instance_state state)
{
    static const uint32_t codes[] = { 0, 16, 32, 48, 80 };

    buf_addf(xml, "<%s><code>%u</code><name>%s</name></%s>", tag, codes[state],
             sim_instance_state_name(state), tag);
}

bool sim_do_terminate(struct sim_call *call)
{
    struct sim_ec2 *ec2 = call->ec2;
    uint32_t count = 0, row = 0;
    const struct slice *ids = sim_param_list(call, "InstanceId", &count);

    if (count == 0) {
        return sim_refuse(&call->problem, "MissingParameter",
                          "The request must contain the parameter InstanceId");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!sim_require_instance(ec2, ids[i], &row, &call->problem)) {
            return false;
        }
    }
    sim_xml_open(&call->xml, "instancesSet");
    for (uint32_t i = 0; i < count; i++) {
        row = sim_find_instance(ec2, ids[i]);
        enum sim_instance_state before = ec2->instances[row].state;
        (void)sim_instance_terminate(ec2, ids[i], &call->problem);
        sim_xml_open(&call->xml, "item");
        sim_xml_text(&call->xml, "instanceId", ids[i]);
        write_state(&call->xml, "currentState", ec2->instances[row].state);
        write_state(&call->xml, "previousState", before);
        sim_xml_close(&call->xml, "item");
    }
    sim_xml_close(&call->xml, "instancesSet");
    return true;
}
