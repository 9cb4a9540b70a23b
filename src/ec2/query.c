/*
 * query.c - writing the form of a request, parameter by parameter.
 *
 * Knows names and flattening as the EC2 API Reference has them. Refuses to know when a request goes
 * out and who signs it.
 */
#include "query.h"

void ec2_query_encode(struct buf *form, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_add_char(form, c);
        } else {
            buf_addf(form, "%%%02X", (unsigned char)c);
        }
    }
}

void ec2_query_begin(struct buf *form, const char *action, const char *version)
{
    buf_addf(form, "Action=%s&Version=%s", action, version);
}

void ec2_query_text(struct buf *form, const char *name, struct slice value)
{
    buf_addf(form, "&%s=", name);
    ec2_query_encode(form, value);
}

void ec2_query_u32(struct buf *form, const char *name, uint32_t value)
{
    buf_addf(form, "&%s=%u", name, value);
}

void ec2_query_filter(struct buf *form, uint32_t n, const char *name, struct slice value)
{
    buf_addf(form, "&Filter.%u.Name=%s", n, name);
    ec2_query_filter_value(form, n, 1, value);
}

void ec2_query_filter_value(struct buf *form, uint32_t n, uint32_t m, struct slice value)
{
    buf_addf(form, "&Filter.%u.Value.%u=", n, m);
    ec2_query_encode(form, value);
}

void ec2_query_item(struct buf *form, const char *prefix, uint32_t n, struct slice value)
{
    buf_addf(form, "&%s.%u=", prefix, n);
    ec2_query_encode(form, value);
}

void ec2_query_addresses(struct buf *form, uint32_t ips, uint32_t prefixes)
{
    if (prefixes > 0) {
        ec2_query_u32(form, "Ipv4PrefixCount", prefixes);
    } else if (ips > 0) {
        ec2_query_u32(form, "SecondaryPrivateIpAddressCount", ips);
    }
}

void ec2_query_attach(struct buf *form, const struct aws_id *eni, const struct aws_id *instance,
                      uint32_t device_index)
{
    ec2_query_text(form, "NetworkInterfaceId", aws_id_slice(eni));
    ec2_query_text(form, "InstanceId", aws_id_slice(instance));
    ec2_query_u32(form, "DeviceIndex", device_index);
}

void ec2_query_bind(struct buf *form, const struct aws_id *eni, struct slice attachment)
{
    ec2_query_text(form, "NetworkInterfaceId", aws_id_slice(eni));
    ec2_query_text(form, "Attachment.AttachmentId", attachment);
    ec2_query_text(form, "Attachment.DeleteOnTermination", SLICE("true"));
}

void ec2_query_create(struct buf *form, const struct eni_intent *intent)
{
    ec2_query_text(form, "SubnetId", aws_id_slice(&intent->subnet));
    if (intent->description.len > 0) {
        ec2_query_text(form, "Description", intent->description);
    }
    for (uint32_t i = 0; i < intent->group_count; i++) {
        ec2_query_item(form, "SecurityGroupId", i + 1, aws_id_slice(&intent->groups[i]));
    }
    ec2_query_addresses(form, intent->ips, intent->prefixes);
    ec2_query_text(form, "ClientToken", slice_of(intent->client_token));
    if (intent->tag_count > 0) {
        ec2_query_text(form, "TagSpecification.1.ResourceType", SLICE("network-interface"));
    }
    for (uint32_t i = 0; i < intent->tag_count; i++) {
        buf_addf(form, "&TagSpecification.1.Tag.%u.Key=", i + 1);
        ec2_query_encode(form, intent->tags[i].key);
        buf_addf(form, "&TagSpecification.1.Tag.%u.Value=", i + 1);
        ec2_query_encode(form, intent->tags[i].value);
    }
}
