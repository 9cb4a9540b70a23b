/*
 * typed.c - the same EC2 as typed calls: for agents in the world, who drink from the same
 * buckets.
 *
 * Knows how an answer becomes a cloud_code. Refuses to know anything that the actions themselves
 * know.
 */
#include "state.h"

static const struct slice agents = { "agent", 5 };

/* What is left to be said after the gate: CLOUD_OK lets the call go on. A lost reply is said only
 * afterwards. */
static enum cloud_code enter(struct sim_ec2 *ec2, uint64_t now_ns, enum sim_action action,
                             struct sim_gate *gate)
{
    sim_ec2_advance(ec2, now_ns);
    sim_gate(ec2, agents, action, false, gate);
    ec2->typed_calls++;
    if (gate->hold) {
        ec2->hold_count--; /* a typed call cannot wait */
    }
    if (gate->lost_request) {
        return CLOUD_UNAVAILABLE;
    }
    enum cloud_code code = sim_cloud_code(&gate->problem);
    ec2->typed_refused += code != CLOUD_OK;
    ec2->typed_throttled += code == CLOUD_THROTTLED;
    return code;
}

static enum cloud_code leave(struct sim_ec2 *ec2, const struct sim_gate *gate,
                             const struct sim_problem *problem)
{
    enum cloud_code code = sim_cloud_code(problem);

    ec2->typed_refused += code != CLOUD_OK;
    return gate->lost_reply || gate->cut_after != SIZE_MAX ? CLOUD_UNAVAILABLE : code;
}

/* The token stands for what is asked: the fields that EC2 gets to see. */
static uint64_t intent_hash(const struct eni_intent *intent)
{
    uint64_t hash = slice_hash(aws_id_slice(&intent->subnet)) * 31 +
                    slice_hash(intent->description) + intent->ips * 7 + intent->prefixes * 11;

    for (uint32_t i = 0; i < intent->group_count; i++) {
        hash = hash * 31 + slice_hash(aws_id_slice(&intent->groups[i]));
    }
    for (uint32_t i = 0; i < intent->tag_count; i++) {
        hash = hash * 31 + slice_hash(intent->tags[i].key) * 3 + slice_hash(intent->tags[i].value);
    }
    return hash;
}

enum cloud_code sim_ec2_create_eni(struct sim_ec2 *ec2, uint64_t now_ns,
                                   const struct eni_intent *intent, struct aws_id *ret_eni)
{
    struct slice groups[SIM_GROUPS_MAX];
    struct sim_problem problem = { 0 };
    struct sim_gate gate;
    uint32_t row = ROW_NONE, token = ROW_NONE;

    enum cloud_code code = enter(ec2, now_ns, ACT_CreateNetworkInterface, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    uint32_t group_count = intent->group_count < SIM_GROUPS_MAX ? intent->group_count
                                                                : SIM_GROUPS_MAX;
    for (uint32_t i = 0; i < group_count; i++) {
        groups[i] = aws_id_slice(&intent->groups[i]);
    }
    struct sim_create create = {
        .subnet = aws_id_slice(&intent->subnet),
        .description = intent->description,
        .ips = intent->ips,
        .prefixes = intent->prefixes,
        .groups = groups,
        .group_count = group_count,
        .tags = intent->tags,
        .tag_count = intent->tag_count,
        .client_token = slice_of(intent->client_token),
        .params = intent_hash(intent),
    };
    if (sim_eni_create(ec2, &create, &row, &token, &problem)) {
        *ret_eni = token != ROW_NONE ? ec2->tokens[token].eni : ec2->enis[row].id;
    }
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_attach_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                                   const struct aws_id *instance, uint32_t device_index)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;
    uint32_t row = 0;

    enum cloud_code code = enter(ec2, now_ns, ACT_AttachNetworkInterface, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    (void)sim_eni_attach(ec2, aws_id_slice(eni), aws_id_slice(instance), device_index, 0, &row,
                         &problem);
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_set_delete_on_termination(struct sim_ec2 *ec2, uint64_t now_ns,
                                                  const struct aws_id *eni)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;
    uint32_t row = 0;

    enum cloud_code code = enter(ec2, now_ns, ACT_ModifyNetworkInterfaceAttribute, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    if (sim_require_eni(ec2, aws_id_slice(eni), &row, &problem)) {
        if (ec2->enis[row].now.attach == ATTACH_NONE) {
            (void)sim_refuse(&problem, "InvalidAttachmentID.NotFound",
                             "The attachment ID does not exist");
        } else {
            sim_eni_touch(ec2, row);
            ec2->enis[row].now.delete_on_termination = true;
        }
    }
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_assign(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                               uint32_t ips, uint32_t prefixes)
{
    struct sim_assign assign = { .eni = aws_id_slice(eni), .ips = ips, .prefixes = prefixes };
    struct sim_problem problem = { 0 };
    struct sim_gate gate;
    uint32_t row = 0, first_ip = 0, first_prefix = 0;

    enum cloud_code code = enter(ec2, now_ns, ACT_AssignPrivateIpAddresses, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    (void)sim_eni_assign(ec2, &assign, &row, &first_ip, &first_prefix, &problem);
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_unassign(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni,
                                 const uint32_t *addresses, uint32_t count, bool prefixes)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;

    enum cloud_code code = enter(ec2, now_ns, ACT_UnassignPrivateIpAddresses, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    (void)sim_eni_unassign(ec2, aws_id_slice(eni), addresses, prefixes ? 0 : count, addresses,
                           prefixes ? count : 0, &problem);
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_detach_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;
    uint32_t row = 0;

    enum cloud_code code = enter(ec2, now_ns, ACT_DetachNetworkInterface, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    if (sim_require_eni(ec2, aws_id_slice(eni), &row, &problem)) {
        (void)sim_eni_detach(ec2, row, false, &problem);
    }
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_delete_eni(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *eni)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;

    enum cloud_code code = enter(ec2, now_ns, ACT_DeleteNetworkInterface, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    (void)sim_eni_delete(ec2, aws_id_slice(eni), &problem);
    return leave(ec2, &gate, &problem);
}

enum cloud_code sim_ec2_tag(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *resource,
                            const struct pair *tags, uint32_t count)
{
    struct sim_problem problem = { 0 };
    struct sim_gate gate;

    enum cloud_code code = enter(ec2, now_ns, ACT_CreateTags, &gate);
    if (code != CLOUD_OK) {
        return code;
    }
    (void)sim_tag_resource(ec2, aws_id_slice(resource), tags, count, false, &problem);
    return leave(ec2, &gate, &problem);
}

/* ---- instances: the world's doing, not an agent's, so no gate ---- */

enum cloud_code sim_ec2_run_instance(struct sim_ec2 *ec2, uint64_t now_ns, const struct aws_id *id,
                                     struct slice type, const struct aws_id *subnet,
                                     const struct pair *tags, uint32_t tag_count)
{
    struct sim_run run = {
        .id = *id,
        .type = type,
        .subnet = aws_id_slice(subnet),
        .tags = tags,
        .tag_count = tag_count,
        .at_once = true,
    };
    struct sim_problem problem = { 0 };
    uint32_t row = 0;

    sim_ec2_advance(ec2, now_ns);
    (void)sim_instance_run(ec2, &run, &row, &problem);
    return sim_cloud_code(&problem);
}

enum cloud_code sim_ec2_terminate(struct sim_ec2 *ec2, uint64_t now_ns,
                                  const struct aws_id *instance)
{
    struct sim_problem problem = { 0 };

    sim_ec2_advance(ec2, now_ns);
    (void)sim_instance_terminate(ec2, aws_id_slice(instance), &problem);
    return sim_cloud_code(&problem);
}
