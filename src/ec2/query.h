/*
 * query.h - the form of an EC2 Query request: "Action=...&Version=2016-11-15&Filter.1.Name=...".
 *
 * Lists are flattened as EC2 documents it: Filter.1.Value.2, SecurityGroupId.1. Percent encoding is
 * RFC 3986's.
 */
#ifndef EC2_QUERY_H
#define EC2_QUERY_H

#include <headroom/buf.h>
#include <headroom/model.h>

enum { EC2_FORM_MAX = 256 * 1024 };

void ec2_query_begin(struct buf *form, const char *action, const char *version);
void ec2_query_text(struct buf *form, const char *name, struct slice value);
void ec2_query_u32(struct buf *form, const char *name, uint32_t value);
/* Filter.N.Name with one value; N counts from 1. */
void ec2_query_filter(struct buf *form, uint32_t n, const char *name, struct slice value);
/* The further values of a filter, M from 1. */
void ec2_query_filter_value(struct buf *form, uint32_t n, uint32_t m, struct slice value);
/* PREFIX.N = value */
void ec2_query_item(struct buf *form, const char *prefix, uint32_t n, struct slice value);

void ec2_query_create(struct buf *form, const struct eni_intent *intent);
void ec2_query_attach(struct buf *form, const struct aws_id *eni, const struct aws_id *instance,
                      uint32_t device_index);
/* The ENI goes when its instance does. */
void ec2_query_bind(struct buf *form, const struct aws_id *eni, struct slice attachment);
/* Count of secondary addresses or of prefixes, whichever is asked for. */
void ec2_query_addresses(struct buf *form, uint32_t ips, uint32_t prefixes);
void ec2_query_encode(struct buf *form, struct slice value);

#endif
