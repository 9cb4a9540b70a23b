/*
 * call.h - one request to the Query API while it is being answered. Private to src/sim/ec2.
 *
 *   form body --> params, sorted --> handler of the action --> rows, and XML in `xml`
 */
#ifndef SIM_EC2_CALL_H
#define SIM_EC2_CALL_H

#include "state.h"

enum { SIM_BODY_MAX = 1024 * 1024 };

struct sim_param {
    struct slice name, value;
};

struct sim_call {
    struct sim_ec2 *ec2;
    struct arena *arena;
    const struct sim_param *params; /* sorted by name */
    uint32_t param_count;
    struct slice who;
    enum sim_action action;
    struct buf xml; /* the answer; lent by ec2 */
    struct sim_problem problem;
    char request_id[40];
};

/* True: done, the answer is in xml. False: problem. */
typedef bool sim_handler(struct sim_call *call);

/* ---- parameters (params.c) ---- */

/* Percent-decoded pairs of a form. False: too many, or an escape that is none. */
bool sim_params_parse(struct arena *arena, struct slice form, const struct sim_param **ret,
                      uint32_t *ret_count);
/* False: not there. The name is a printf format: ("Filter.%u.Name", 1). */
bool sim_param(const struct sim_call *call, struct slice *ret, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct slice sim_param_text(const struct sim_call *call, const char *name); /* empty: not there */
/* False with a problem: it is there and no number, or over max. *ret stays if it is not there. */
bool sim_param_u32(struct sim_call *call, const char *name, uint32_t max, uint32_t *ret);
bool sim_param_bool(struct sim_call *call, const char *name, bool *ret);
/* NAME.1, NAME.2 ...; in the arena. */
const struct slice *sim_param_list(const struct sim_call *call, const char *name,
                                   uint32_t *ret_count);
/* NAME.N.FIELD */
const struct slice *sim_param_fields(const struct sim_call *call, const char *name,
                                     const char *field, uint32_t *ret_count);
bool sim_param_ips(struct sim_call *call, const struct slice *texts, uint32_t count,
                   const uint32_t **ret);
bool sim_param_blocks(struct sim_call *call, const struct slice *texts, uint32_t count,
                      const uint32_t **ret);
/* Tag.N.Key and .Value, or below a prefix as in "TagSpecification.1." */
const struct pair *sim_param_tags(const struct sim_call *call, const char *prefix,
                                  uint32_t *ret_count);
/* The tags of TagSpecification.N for a type of resource. False: for another type as well. */
bool sim_param_tag_specification(struct sim_call *call, const char *resource_type,
                                 const struct pair **ret, uint32_t *ret_count);
bool sim_param_required(struct sim_call *call, const char *name, struct slice *ret);
/* Hash of all but ClientToken, DryRun: what a client token stands for. */
uint64_t sim_params_hash(const struct sim_call *call);

/* ---- filters and pages (filter.c) ---- */

struct sim_filter {
    struct slice name;
    bool by_tag;
    uint32_t tag;        /* by_tag: KEY of "tag:KEY", interned; INDEX_NONE: nothing has it */
    struct slice *plain; /* sorted */
    uint32_t plain_count;
    const struct slice *patterns; /* with "*" or "?" */
    uint32_t pattern_count;
};

struct sim_filters {
    struct sim_filter *items;
    uint32_t count;
    const struct slice *ids; /* sorted; wanted by id */
    uint32_t id_count;
    uint32_t from, most; /* row to begin with; rows on the page */
    bool paged;
};

/* Filter.N, ID_NAME.N, MaxResults, NextToken. `known`: names of filters, separated by one space;
 * tag:KEY and tag-key always are. */
bool sim_filters_parse(struct sim_call *call, const char *known, const char *id_name,
                       uint32_t page_max, struct sim_filters *ret);
/* "*" any run of bytes, "?" one; fold: without regard to ASCII's case. */
bool sim_glob(struct slice pattern, struct slice text, bool fold);
bool sim_filter_is(const struct sim_filter *filter, const char *name);
bool sim_filter_matches(const struct sim_filter *filter, struct slice value);
bool sim_filter_matches_tags(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                             const struct sim_tags *tags);
bool sim_filter_wants(const struct sim_filters *filters, struct slice id);
/* Writes nextToken if rows are left. */
void sim_filters_next(struct sim_call *call, const struct sim_filters *filters, uint32_t row,
                      bool more);

/* ---- XML (xml_out.c) ---- */

static inline void sim_xml_open(struct buf *xml, const char *tag)
{
    buf_add_char(xml, '<');
    buf_add_text(xml, tag);
    buf_add_char(xml, '>');
}

static inline void sim_xml_close(struct buf *xml, const char *tag)
{
    buf_add_text(xml, "</");
    buf_add_text(xml, tag);
    buf_add_char(xml, '>');
}

void sim_xml_text(struct buf *xml, const char *tag, struct slice text);
void sim_xml_u64(struct buf *xml, const char *tag, uint64_t value);
void sim_xml_bool(struct buf *xml, const char *tag, bool value);
void sim_xml_ip(struct buf *xml, const char *tag, uint32_t ip);
void sim_xml_cidr(struct buf *xml, const char *tag, struct cidr cidr);
void sim_xml_time(struct buf *xml, const char *tag, uint64_t wall_ns);
void sim_xml_tags(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_tags *tags);
void sim_xml_groups(struct buf *xml, const struct sim_ec2 *ec2, const uint32_t *groups,
                    uint32_t count);
void sim_xml_escape(struct buf *xml, struct slice text);
/* An ENI as DescribeNetworkInterfaces, CreateNetworkInterface and (in_instance) DescribeInstances
 * show it. */
void sim_xml_eni(struct buf *xml, const struct sim_ec2 *ec2, const struct sim_eni *eni,
                 const struct sim_eni_state *state, bool in_instance);

/* ---- handlers ---- */

sim_handler sim_describe_enis, sim_describe_subnets, sim_describe_instances, sim_describe_types,
    sim_describe_route_tables, sim_describe_groups, sim_describe_vpcs, sim_describe_zones,
    sim_get_reservations;
sim_handler sim_do_create, sim_do_attach, sim_do_detach, sim_do_delete, sim_do_modify,
    sim_do_assign, sim_do_unassign, sim_do_create_tags, sim_do_delete_tags, sim_do_run,
    sim_do_terminate;
sim_handler sim_do_caller, sim_do_assume, sim_do_assume_web;
/* An instance and, in the same element order as EC2, all of its parts. */
void sim_xml_instance(struct buf *xml, const struct sim_ec2 *ec2, uint32_t row,
                      enum sim_instance_state state);

/* ---- request log (log.c) ---- */

void sim_log_add(struct sim_call *call, const char *action, int status, const char *code);
void sim_log_json(const struct sim_request_log *entry, struct buf *out);

#endif
