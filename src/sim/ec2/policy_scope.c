/*
 * policy_scope.c - which resources a request touches, and what a condition may ask of each.
 *
 * Knows the reference's table for the actions that we have. Refuses to know statements.
 */
#include "policy.h"

static struct sim_scope *add(struct sim_call *call, struct sim_scopes *scopes, const char *action,
                             struct slice resource)
{
    if (scopes->count == SIM_SCOPES_MAX) {
        return &scopes->items[SIM_SCOPES_MAX - 1];
    }
    struct sim_scope *scope = &scopes->items[scopes->count++];
    *scope = (struct sim_scope){
        .action = arena_printf(call->arena, "ec2:%s", action),
        .resource = resource,
    };
    return scope;
}

static struct slice arn(const struct sim_call *call, const char *kind, struct slice id)
{
    return arena_printf(call->arena, "arn:aws:ec2:%.*s:%.*s:%s/%.*s", SLICE_ARG(call->ec2->region),
                        SLICE_ARG(call->ec2->account), kind, SLICE_ARG(id));
}

static const char *name_of(const struct sim_call *call)
{
    return sim_action_info(call->action)->name;
}

static void add_subnet_keys(const struct sim_call *call, struct sim_scope *scope, uint32_t subnet)
{
    scope->vpc = arn(call, "vpc", aws_id_slice(&call->ec2->vpc));
    if (subnet != ROW_NONE) {
        scope->subnet = arn(call, "subnet", aws_id_slice(&call->ec2->subnets[subnet].id));
        scope->zone = call->ec2->subnets[subnet].zone;
    }
}

/* What does not exist has no tags; that it does not exist is said later, to who may know. */
static void add_eni(struct sim_call *call, struct sim_scopes *scopes, struct slice id)
{
    uint32_t row = sim_find_eni(call->ec2, id);
    struct sim_scope *scope = add(call, scopes, name_of(call), arn(call, "network-interface", id));

    if (row != ROW_NONE) {
        scope->resource_tags = &call->ec2->enis[row].now.tags;
    }
    add_subnet_keys(call, scope, row == ROW_NONE ? ROW_NONE : call->ec2->enis[row].subnet);
}

static void add_instance(struct sim_call *call, struct sim_scopes *scopes, struct slice id)
{
    uint32_t row = sim_find_instance(call->ec2, id);
    struct sim_scope *scope = add(call, scopes, name_of(call), arn(call, "instance", id));

    if (row != ROW_NONE) {
        scope->resource_tags = &call->ec2->instances[row].tags;
        scope->zone = call->ec2->subnets[call->ec2->instances[row].subnet].zone;
    }
}

static void add_subnet(struct sim_call *call, struct sim_scopes *scopes, struct slice id)
{
    uint32_t row = sim_find_subnet(call->ec2, id);
    struct sim_scope *scope = add(call, scopes, name_of(call), arn(call, "subnet", id));

    if (row != ROW_NONE) {
        scope->resource_tags = &call->ec2->subnets[row].tags;
    }
    add_subnet_keys(call, scope, row);
}

static void add_groups(struct sim_call *call, struct sim_scopes *scopes)
{
    uint32_t count = 0;
    const struct slice *ids = sim_param_list(call, "SecurityGroupId", &count);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sim_find_group(call->ec2, ids[i]);
        struct sim_scope *scope = add(call, scopes, name_of(call),
                                      arn(call, "security-group", ids[i]));
        scope->vpc = arn(call, "vpc", aws_id_slice(&call->ec2->vpc));
        if (row != ROW_NONE) {
            scope->resource_tags = &call->ec2->groups[row].tags;
        }
    }
}

/* The new thing itself, and the right to tag it while it is made. */
static void add_created(struct sim_call *call, struct sim_scopes *scopes, const char *kind)
{
    const struct pair *tags = NULL;
    uint32_t count = 0;
    struct slice resource = arn(call, kind, SLICE("*"));

    if (!sim_param_tag_specification(call, kind, &tags, &count)) {
        call->problem.code = NULL; /* the action itself says so */
    }
    struct sim_scope *scope = add(call, scopes, name_of(call), resource);
    static const struct pair none = { { 0 }, { 0 } };
    scope->request_tags = tags ? tags : &none;
    scope->request_tag_count = count;
    add_subnet_keys(call, scope, sim_find_subnet(call->ec2, sim_param_text(call, "SubnetId")));
    if (count > 0) {
        scope = add(call, scopes, "CreateTags", resource);
        scope->request_tags = tags;
        scope->request_tag_count = count;
        scope->create_action = slice_of(name_of(call));
    }
}

static void add_tagged(struct sim_call *call, struct sim_scopes *scopes)
{
    uint32_t count = 0, tag_count = 0;
    const struct slice *ids = sim_param_list(call, "ResourceId", &count);
    const struct pair *tags = sim_param_tags(call, "", &tag_count);

    for (uint32_t i = 0; i < count; i++) {
        if (slice_starts(ids[i], SLICE("eni-"))) {
            add_eni(call, scopes, ids[i]);
        } else if (slice_starts(ids[i], SLICE("i-"))) {
            add_instance(call, scopes, ids[i]);
        } else {
            add_subnet(call, scopes, ids[i]);
        }
        struct sim_scope *scope = &scopes->items[scopes->count - 1];
        scope->request_tags = tags;
        scope->request_tag_count = tag_count;
    }
}

static void add_detached(struct sim_call *call, struct sim_scopes *scopes)
{
    uint32_t row = sim_attachment_eni(call->ec2, sim_param_text(call, "AttachmentId"));
    const struct sim_eni *eni = row == ROW_NONE ? NULL : &call->ec2->enis[row];

    add_eni(call, scopes, eni ? aws_id_slice(&eni->id) : SLICE("*"));
    add_instance(call, scopes,
                 eni ? aws_id_slice(&call->ec2->instances[eni->now.instance].id) : SLICE("*"));
}

void sim_policy_scopes(struct sim_call *call, struct sim_scopes *ret)
{
    uint32_t count = 0;
    const struct slice *ids = NULL;

    ret->count = 0;
    switch (call->action) {
    case ACT_CreateNetworkInterface:
        add_created(call, ret, "network-interface");
        add_subnet(call, ret, sim_param_text(call, "SubnetId"));
        add_groups(call, ret);
        break;
    case ACT_RunInstances:
        add_created(call, ret, "instance");
        add_subnet(call, ret, sim_param_text(call, "SubnetId"));
        add_groups(call, ret);
        break;
    case ACT_AttachNetworkInterface:
        add_eni(call, ret, sim_param_text(call, "NetworkInterfaceId"));
        add_instance(call, ret, sim_param_text(call, "InstanceId"));
        break;
    case ACT_DetachNetworkInterface:
        add_detached(call, ret);
        break;
    case ACT_DeleteNetworkInterface:
    case ACT_AssignPrivateIpAddresses:
    case ACT_UnassignPrivateIpAddresses:
        add_eni(call, ret, sim_param_text(call, "NetworkInterfaceId"));
        break;
    case ACT_ModifyNetworkInterfaceAttribute:
        add_eni(call, ret, sim_param_text(call, "NetworkInterfaceId"));
        add_groups(call, ret);
        break;
    case ACT_CreateTags:
    case ACT_DeleteTags:
        add_tagged(call, ret);
        break;
    case ACT_TerminateInstances:
        ids = sim_param_list(call, "InstanceId", &count);
        for (uint32_t i = 0; i < count; i++) {
            add_instance(call, ret, ids[i]);
        }
        break;
    case ACT_GetCallerIdentity:
    case ACT_AssumeRole:
    case ACT_AssumeRoleWithWebIdentity:
        break; /* the first needs no right; the others are the role's to allow */
    default:
        (void)add(call, ret, name_of(call), SLICE("*"));
    }
}
