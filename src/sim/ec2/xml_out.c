/*
 * xml_out.c - EC2's XML, element by element, in the order and with the names of the API
 * reference.
 *
 * Knows shapes. Refuses to know which rows are wanted.
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "call.h"

enum { IP_TEXT = 16 };

void sim_xml_escape(struct buf *xml, struct slice text)
{
    static const char *const entities[256] = {
        /* XML 1.0 cannot hold them */
        [0 ... 8] = "?", [11 ... 31] = "?", ['<'] = "&lt;",
        ['>'] = "&gt;",  ['&'] = "&amp;",   ['"'] = "&quot;",
    };
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *entity = entities[(unsigned char)text.data[i]];
        if (entity) {
            buf_add(xml, text.data + from, i - from);
            buf_add_text(xml, entity);
            from = i + 1;
        }
    }
    buf_add(xml, text.data + from, text.len - from);
}

void sim_xml_text(struct buf *xml, const char *tag, struct slice text)
{
    sim_xml_open(xml, tag);
    sim_xml_escape(xml, text);
    sim_xml_close(xml, tag);
}

/* A page holds tens of thousands of numbers: printf would be most of the work. Returns its end. */
static char *put_number(char *at, uint64_t value)
{
    char text[20];
    size_t from = sizeof(text);

    do {
        text[--from] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(at, text + from, sizeof(text) - from);
    return at + sizeof(text) - from;
}

static char *put_ip(char *at, uint32_t ip, char between)
{
    for (uint32_t shift = 32; shift > 0; shift -= 8) {
        if (shift < 32) {
            *at++ = between;
        }
        at = put_number(at, ip >> (shift - 8) & 255);
    }
    return at;
}

static void add_number(struct buf *xml, uint64_t value)
{
    char text[20];

    buf_add(xml, text, (size_t)(put_number(text, value) - text));
}

static void add_ip(struct buf *xml, uint32_t ip, char between)
{
    char text[IP_TEXT];

    buf_add(xml, text, (size_t)(put_ip(text, ip, between) - text));
}

void sim_xml_u64(struct buf *xml, const char *tag, uint64_t value)
{
    sim_xml_open(xml, tag);
    add_number(xml, value);
    sim_xml_close(xml, tag);
}

void sim_xml_bool(struct buf *xml, const char *tag, bool value)
{
    sim_xml_text(xml, tag, value ? SLICE("true") : SLICE("false"));
}

void sim_xml_ip(struct buf *xml, const char *tag, uint32_t ip)
{
    sim_xml_open(xml, tag);
    add_ip(xml, ip, '.');
    sim_xml_close(xml, tag);
}

void sim_xml_cidr(struct buf *xml, const char *tag, struct cidr cidr)
{
    sim_xml_open(xml, tag);
    add_ip(xml, cidr.base, '.');
    buf_add_char(xml, '/');
    add_number(xml, cidr.bits);
    sim_xml_close(xml, tag);
}

void sim_xml_time(struct buf *xml, const char *tag, uint64_t wall_ns)
{
    char text[TIMESTAMP_MAX];

    sim_xml_text(xml, tag, timestamp_format(wall_ns, 3, text));
}

void sim_xml_tags(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_tags *tags)
{
    sim_xml_open(xml, "tagSet");
    for (uint32_t i = 0; i < tags->count; i++) {
        sim_xml_open(xml, "item");
        sim_xml_text(xml, "key", sim_name(ec2, tags->items[i].key));
        sim_xml_text(xml, "value", sim_name(ec2, tags->items[i].value));
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "tagSet");
}

void sim_xml_groups(struct buf *xml, const struct sim_ec2 *ec2, const uint32_t *groups,
                    uint32_t count)
{
    sim_xml_open(xml, "groupSet");
    for (uint32_t i = 0; i < count; i++) {
        sim_xml_open(xml, "item");
        sim_xml_text(xml, "groupId", aws_id_slice(&ec2->groups[groups[i]].id));
        sim_xml_text(xml, "groupName", ec2->groups[groups[i]].name);
        sim_xml_close(xml, "item");
    }
    sim_xml_close(xml, "groupSet");
}

static void dns_name(struct buf *xml, const struct sim_ec2 *ec2, uint32_t ip)
{
    buf_add_text(xml, "<privateDnsName>ip-");
    add_ip(xml, ip, '-');
    buf_add_char(xml, '.');
    buf_add_slice(xml, ec2->region);
    buf_add_text(xml, ".compute.internal</privateDnsName>");
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

/* Most of a page's bytes are addresses: in few pieces. */
static void address(struct buf *xml, const struct sim_ec2 *ec2, uint32_t ip, bool primary)
{
    char text[128], *at = text;

    at = PUT(at, "<item><privateIpAddress>");
    at = put_ip(at, ip, '.');
    at = PUT(at, "</privateIpAddress><privateDnsName>ip-");
    at = put_ip(at, ip, '-');
    at = PUT(at, ".");
    buf_add(xml, text, (size_t)(at - text));
    buf_add_slice(xml, ec2->region);
    at = PUT(text, ".compute.internal</privateDnsName><primary>");
    at = primary ? PUT(at, "true") : PUT(at, "false");
    at = PUT(at, "</primary></item>");
    buf_add(xml, text, (size_t)(at - text));
}

static void addresses(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_eni *eni,
                      const struct sim_eni_state *state)
{
    sim_xml_open(xml, "privateIpAddressesSet");
    address(xml, ec2, eni->primary_ip, true);
    for (uint32_t i = 0; i < state->ips.count; i++) {
        address(xml, ec2, state->ips.items[i], false);
    }
    sim_xml_close(xml, "privateIpAddressesSet");
    buf_add_text(xml, "<ipv6AddressesSet/>");
    if (state->prefixes.count > 0) {
        sim_xml_open(xml, "ipv4PrefixSet");
        for (uint32_t i = 0; i < state->prefixes.count; i++) {
            sim_xml_open(xml, "item");
            sim_xml_cidr(xml, "ipv4Prefix", (struct cidr){ state->prefixes.items[i], 28 });
            sim_xml_close(xml, "item");
        }
        sim_xml_close(xml, "ipv4PrefixSet");
    }
}

static void attachment(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_eni *eni,
                       const struct sim_eni_state *state, bool in_instance)
{
    static const char *const statuses[] = { "detached", "attaching", "attached", "detaching" };
    char id[40];

    if (state->attach == ATTACH_NONE && !eni->tenant) {
        return;
    }
    sim_attachment_id(eni->tenant ? eni->primary_ip : state->attachment, id);
    sim_xml_open(xml, "attachment");
    sim_xml_text(xml, "attachmentId", slice_of(id));
    if (!in_instance) {
        if (!eni->tenant) {
            sim_xml_text(xml, "instanceId", aws_id_slice(&ec2->instances[state->instance].id));
        }
        sim_xml_text(xml, "instanceOwnerId", eni->tenant ? SLICE("999999999999") : ec2->account);
    }
    sim_xml_u64(xml, "deviceIndex", eni->tenant ? 1 : state->device_index);
    sim_xml_u64(xml, "networkCardIndex", state->card);
    sim_xml_text(xml, "status", slice_of(statuses[eni->tenant ? ATTACH_ATTACHED : state->attach]));
    sim_xml_time(xml, "attachTime", eni->tenant ? eni->created_wall_ns : state->attached_wall_ns);
    sim_xml_bool(xml, "deleteOnTermination", eni->tenant || state->delete_on_termination);
    sim_xml_close(xml, "attachment");
}

static const char *type_name(enum eni_type type)
{
    static const char *const names[] = { "interface", "trunk",    "branch",
                                         "efa",       "efa-only", "interface" };

    return names[type];
}

void sim_xml_eni(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_eni *eni,
                 const struct sim_eni_state *state, bool in_instance)
{
    const struct sim_subnet *subnet = &ec2->subnets[eni->subnet];
    bool available = state->attach == ATTACH_NONE && !eni->tenant;
    char mac[20];

    sim_mac(eni->primary_ip, mac);
    sim_xml_text(xml, "networkInterfaceId", aws_id_slice(&eni->id));
    sim_xml_text(xml, "subnetId", aws_id_slice(&subnet->id));
    sim_xml_text(xml, "vpcId", aws_id_slice(&ec2->vpc));
    if (!in_instance) {
        sim_xml_text(xml, "availabilityZone", subnet->zone);
    }
    sim_xml_text(xml, "description", sim_name(ec2, state->description));
    sim_xml_text(xml, "ownerId", eni->tenant ? SLICE("999999999999") : ec2->account);
    if (!in_instance) {
        sim_xml_bool(xml, "requesterManaged", false);
    }
    sim_xml_text(xml, "status", available ? SLICE("available") : SLICE("in-use"));
    sim_xml_text(xml, "macAddress", slice_of(mac));
    sim_xml_ip(xml, "privateIpAddress", eni->primary_ip);
    dns_name(xml, ec2, eni->primary_ip);
    sim_xml_bool(xml, "sourceDestCheck", true);
    sim_xml_groups(xml, ec2, state->groups, state->group_count);
    attachment(xml, ec2, eni, state, in_instance);
    if (!in_instance) {
        sim_xml_tags(xml, ec2, &state->tags);
    }
    addresses(xml, ec2, eni, state);
    sim_xml_text(xml, "interfaceType", slice_of(type_name(eni->type)));
}

static void state_of(struct buf *xml, const char *tag, enum sim_instance_state state)
{
    static const uint32_t codes[] = { 0, 16, 32, 48, 80 };

    sim_xml_open(xml, tag);
    sim_xml_u64(xml, "code", codes[state]);
    sim_xml_text(xml, "name", slice_of(sim_instance_state_name(state)));
    sim_xml_close(xml, tag);
}

static void instance_enis(struct buf *xml, const struct sim_ec2 *ec2, uint32_t row)
{
    const struct sim_instance *instance = &ec2->instances[row];

    sim_xml_open(xml, "networkInterfaceSet");
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni_state *state = sim_eni_seen(ec2, instance->enis[i]);
        if (state && state->instance == row) {
            sim_xml_open(xml, "item");
            sim_xml_eni(xml, ec2, &ec2->enis[instance->enis[i]], state, true);
            sim_xml_close(xml, "item");
        }
    }
    sim_xml_close(xml, "networkInterfaceSet");
}

void sim_xml_instance(struct buf *xml, const struct sim_ec2 *ec2, uint32_t row,
                      enum sim_instance_state state)
{
    const struct sim_instance *instance = &ec2->instances[row];
    const struct sim_eni *primary = instance->eni_count ? &ec2->enis[instance->enis[0]] : NULL;

    sim_xml_text(xml, "instanceId", aws_id_slice(&instance->id));
    sim_xml_text(xml, "imageId", SLICE("ami-0a1b2c3d4e5f60718"));
    state_of(xml, "instanceState", state);
    sim_xml_text(xml, "privateDnsName", instance->dns_name);
    buf_add_text(xml, "<dnsName/><amiLaunchIndex>0</amiLaunchIndex><productCodes/>");
    sim_xml_text(xml, "instanceType", instance->type.name);
    sim_xml_time(xml, "launchTime", instance->launched_wall_ns);
    sim_xml_open(xml, "placement");
    sim_xml_text(xml, "availabilityZone", ec2->subnets[instance->subnet].zone);
    buf_add_text(xml, "<groupName/><tenancy>default</tenancy></placement>"
                      "<monitoring><state>disabled</state></monitoring>");
    if (primary) {
        sim_xml_text(xml, "subnetId", aws_id_slice(&ec2->subnets[instance->subnet].id));
        sim_xml_text(xml, "vpcId", aws_id_slice(&ec2->vpc));
        sim_xml_ip(xml, "privateIpAddress", primary->primary_ip);
        sim_xml_bool(xml, "sourceDestCheck", true);
        sim_xml_groups(xml, ec2, primary->now.groups, primary->now.group_count);
    }
    buf_add_text(xml, "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>"
                      "<virtualizationType>hvm</virtualizationType>");
    sim_xml_tags(xml, ec2, &instance->tags);
    instance_enis(xml, ec2, row);
    buf_add_text(xml, "<hypervisor>xen</hypervisor><enaSupport>true</enaSupport>");
}
