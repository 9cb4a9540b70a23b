/*
 * http.c - a request to the Query API, from its bytes to the bytes of its answer.
 *
 *   form -> who signed it -> is there such an action -> budget and faults -> policy -> the action
 * -> XML
 *
 * Knows the order in which EC2 says no. Refuses to know sockets.
 */
#include <stdio.h>

#include "call.h"
#include "policy.h"

/* ---- the actions ---- */

struct entry {
    sim_handler *run;
    const char *params; /* what it takes, without .N; Action, Version and DryRun always */
};

static const struct entry entries[ACT_COUNT] = {
    [ACT_CreateNetworkInterface] = { sim_do_create,
                                     "SubnetId Description SecurityGroupId PrivateIpAddress "
                                     "PrivateIpAddresses SecondaryPrivateIpAddressCount "
                                     "Ipv4Prefix Ipv4PrefixCount InterfaceType "
                                     "TagSpecification ClientToken" },
    [ACT_DeleteNetworkInterface] = { sim_do_delete, "NetworkInterfaceId" },
    [ACT_AttachNetworkInterface] = { sim_do_attach, "NetworkInterfaceId InstanceId DeviceIndex "
                                                    "NetworkCardIndex" },
    [ACT_DetachNetworkInterface] = { sim_do_detach, "AttachmentId Force" },
    [ACT_ModifyNetworkInterfaceAttribute] = { sim_do_modify,
                                              "NetworkInterfaceId Attachment Description "
                                              "SecurityGroupId" },
    [ACT_AssignPrivateIpAddresses] = { sim_do_assign, "NetworkInterfaceId PrivateIpAddress "
                                                      "SecondaryPrivateIpAddressCount Ipv4Prefix "
                                                      "Ipv4PrefixCount AllowReassignment" },
    [ACT_UnassignPrivateIpAddresses] = { sim_do_unassign,
                                         "NetworkInterfaceId PrivateIpAddress Ipv4Prefix" },
    [ACT_CreateTags] = { sim_do_create_tags, "ResourceId Tag" },
    [ACT_DeleteTags] = { sim_do_delete_tags, "ResourceId Tag" },
    [ACT_RunInstances] = { sim_do_run, "MinCount MaxCount SubnetId InstanceType ImageId "
                                       "IamInstanceProfile SecurityGroupId TagSpecification "
                                       "ClientToken" },
    [ACT_TerminateInstances] = { sim_do_terminate, "InstanceId" },
    [ACT_DescribeSubnets] = { sim_describe_subnets, "SubnetId Filter MaxResults NextToken" },
    [ACT_DescribeNetworkInterfaces] = { sim_describe_enis,
                                        "NetworkInterfaceId Filter MaxResults NextToken" },
    [ACT_DescribeInstances] = { sim_describe_instances, "InstanceId Filter MaxResults NextToken" },
    [ACT_DescribeInstanceTypes] = { sim_describe_types,
                                    "InstanceType Filter MaxResults NextToken" },
    [ACT_DescribeRouteTables] = { sim_describe_route_tables,
                                  "RouteTableId Filter MaxResults NextToken" },
    [ACT_DescribeSecurityGroups] = { sim_describe_groups,
                                     "GroupId GroupName Filter MaxResults NextToken" },
    [ACT_DescribeVpcs] = { sim_describe_vpcs, "VpcId Filter MaxResults NextToken" },
    [ACT_DescribeAvailabilityZones] = { sim_describe_zones,
                                        "ZoneName ZoneId Filter AllAvailabilityZones" },
    [ACT_GetSubnetCidrReservations] = { sim_get_reservations,
                                        "SubnetId Filter MaxResults NextToken" },
    [ACT_GetCallerIdentity] = { sim_do_caller, "" },
    [ACT_AssumeRole] = { sim_do_assume, "RoleArn RoleSessionName DurationSeconds ExternalId" },
    [ACT_AssumeRoleWithWebIdentity] = { sim_do_assume_web, "RoleArn RoleSessionName "
                                                           "WebIdentityToken DurationSeconds" },
};

static bool is_sts(enum sim_action action)
{
    return action == ACT_GetCallerIdentity || action == ACT_AssumeRole ||
           action == ACT_AssumeRoleWithWebIdentity;
}

static bool takes(const char *known, struct slice root)
{
    struct slice rest = slice_of(known);

    while (rest.len > 0) {
        if (slice_eq(slice_cut(&rest, ' '), root)) {
            return true;
        }
    }
    return slice_is(root, "Action") || slice_is(root, "Version") || slice_is(root, "DryRun");
}

static bool check_params(struct sim_call *call)
{
    for (uint32_t i = 0; i < call->param_count; i++) {
        struct slice rest = call->params[i].name;
        struct slice root = slice_cut(&rest, '.');
        if (!takes(entries[call->action].params, root)) {
            return sim_refuse(&call->problem, "UnknownParameter",
                              "The parameter %.*s is not recognized",
                              root.len > 64 ? 64 : (int)root.len, root.data);
        }
        if (i > 0 && slice_eq(call->params[i].name, call->params[i - 1].name)) {
            return sim_refuse(&call->problem, "InvalidParameterCombination",
                              "The parameter %.*s stands there twice", SLICE_ARG(root));
        }
    }
    return true;
}

static bool find_action(struct sim_call *call)
{
    struct slice action = { 0 };
    struct slice version = sim_param_text(call, "Version");

    if (!sim_param_required(call, "Action", &action)) {
        return false;
    }
    call->action = sim_action_find(action);
    if (call->action == ACT_COUNT) {
        return sim_refuse(&call->problem, "InvalidAction",
                          "The action %.*s is not valid for this web service.",
                          action.len > 64 ? 64 : (int)action.len, action.data);
    }
    if (!slice_is(version, is_sts(call->action) ? "2011-06-15" : "2016-11-15")) {
        return sim_refuse(&call->problem, "NoSuchVersion",
                          "The requested version (%.*s) of service "
                          "AmazonEC2 does not exist",
                          version.len > 32 ? 32 : (int)version.len,
                          version.data ? version.data : "");
    }
    return true;
}

/* ---- the answer ---- */

static void new_request_id(struct sim_ec2 *ec2, char ret[40])
{
    uint64_t high = prng_next(&ec2->prng), low = prng_next(&ec2->prng);

    (void)snprintf(ret, 40, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(high >> 32),
                   (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
                   (unsigned)(low >> 48 & 0xfff),
                   (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

/* What stands before that which the action itself writes. */
static void begin_success(struct sim_call *call)
{
    const char *name = sim_action_info(call->action)->name;

    buf_add_text(&call->xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (is_sts(call->action)) {
        buf_addf(&call->xml, "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">",
                 name);
    } else {
        buf_addf(&call->xml, "<%sResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">",
                 name);
        buf_addf(&call->xml, "<requestId>%s</requestId>", call->request_id);
    }
}

static void end_success(struct sim_call *call)
{
    if (is_sts(call->action)) {
        buf_addf(&call->xml, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>",
                 call->request_id);
    }
    buf_addf(&call->xml, "</%sResponse>\n", sim_action_info(call->action)->name);
}

static void write_failure(struct sim_call *call)
{
    const struct sim_problem *problem = &call->problem;
    struct buf *out = &call->xml;

    buf_reset(out);
    buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (call->action != ACT_COUNT && is_sts(call->action)) {
        buf_addf(out,
                 "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
                 "<Type>%s</Type><Code>%s</Code>",
                 problem->status >= 500 ? "Receiver" : "Sender", problem->code);
        sim_xml_text(out, "Message", slice_of(problem->message));
        buf_addf(out, "</Error><RequestId>%s</RequestId></ErrorResponse>\n", call->request_id);
    } else {
        buf_addf(out, "<Response><Errors><Error><Code>%s</Code>", problem->code);
        sim_xml_text(out, "Message", slice_of(problem->message));
        buf_addf(out, "</Error></Errors><RequestID>%s</RequestID></Response>\n", call->request_id);
    }
}

static void respond(struct sim_call *call, const struct sim_gate *gate, bool ok,
                    struct sim_http_response *ret)
{
    struct slice asked = sim_param_text(call, "Action");
    struct slice shown = { asked.data, asked.len > 47 ? 47 : asked.len };
    struct slice action = arena_slice(call->arena, shown);
    const char *note = gate->lost_reply ? "(reply lost)" : ok ? "ok" : call->problem.code;

    ret->status = ok ? 200 : call->problem.status;
    if (ok) {
        end_success(call);
    } else {
        write_failure(call);
    }
    ret->body = arena_slice(call->arena, buf_slice(&call->xml));
    ret->content_type = SLICE("text/xml;charset=UTF-8");
    ret->delay_ns = gate->delay_ns;
    ret->hold = gate->hold;
    ret->cut_after = gate->cut_after < ret->body.len ? gate->cut_after : SIZE_MAX;
    sim_log_add(call, action.data, ret->status, note);
    if (gate->lost_reply) {
        ret->status = 0;
    }
}

/* ---- the request ---- */

static bool read_form(struct sim_call *call, const struct sim_http_request *request)
{
    bool post = slice_is(request->method, "POST");

    if (!post && !slice_is(request->method, "GET")) {
        return sim_refuse(&call->problem, "InvalidAction", "The method %.*s is not allowed",
                          request->method.len > 16 ? 16 : (int)request->method.len,
                          request->method.data);
    }
    if (request->body.len > SIM_BODY_MAX ||
        !sim_params_parse(call->arena, post ? request->body : request->query, &call->params,
                          &call->param_count)) {
        return sim_refuse(&call->problem, "MalformedQueryString",
                          "The query string contains a syntax error or is too long");
    }
    return true;
}

/* Neither filtered nor paginated nor by id: EC2 gives such describes a smaller bucket. */
static bool is_plain(const struct sim_call *call)
{
    for (uint32_t i = 0; i < call->param_count; i++) {
        struct slice name = call->params[i].name;
        if (!slice_is(name, "Action") && !slice_is(name, "Version") && !slice_is(name, "DryRun")) {
            return false;
        }
    }
    return !sim_action_info(call->action)->mutating && !is_sts(call->action);
}

static bool run(struct sim_call *call, struct sim_gate *gate)
{
    bool dry_run = false;

    sim_gate(call->ec2, call->who, call->action, is_plain(call), gate);
    if (gate->problem.code) {
        call->problem = gate->problem;
        return false;
    }
    if (gate->lost_request) {
        return true;
    }
    if (!check_params(call) || !sim_param_bool(call, "DryRun", &dry_run) ||
        !sim_policy_allows(call)) {
        return false;
    }
    if (dry_run) {
        return sim_refuse(&call->problem, "DryRunOperation",
                          "Request would have succeeded, but DryRun flag is set.");
    }
    begin_success(call);
    return entries[call->action].run(call);
}

void sim_ec2_http(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                  const struct sim_http_request *request, struct sim_http_response *ret)
{
    struct sim_call call = { .ec2 = ec2, .arena = arena, .action = ACT_COUNT, .xml = ec2->answer };
    struct sim_gate gate = { .cut_after = SIZE_MAX };
    bool ok = false;

    sim_at(ec2, now_ns, wall_ns);
    *ret = (struct sim_http_response){ .cut_after = SIZE_MAX };
    call.who = SLICE("unknown");
    buf_reset(&call.xml);
    new_request_id(ec2, call.request_id);
    if (read_form(&call, request)) {
        enum sim_action action = sim_action_find(sim_param_text(&call, "Action"));
        bool sts = action != ACT_COUNT && is_sts(action);
        call.action = action;
        ok = (action == ACT_AssumeRoleWithWebIdentity ||
              sim_identify(ec2, request, sts ? "sts" : "ec2", &call.who, &call.problem)) &&
             find_action(&call) && run(&call, &gate);
    }
    if (gate.lost_request) {
        sim_log_add(&call, sim_action_info(call.action)->name, 0, "(request lost)");
    } else {
        respond(&call, &gate, ok, ret);
    }
    ec2->answer = call.xml;
}

bool sim_ec2_held(const struct sim_ec2 *ec2, uint64_t hold)
{
    for (uint32_t i = 0; i < ec2->hold_count; i++) {
        if (ec2->holds[i].id == hold) {
            return true;
        }
    }
    return false;
}
