/*
 * sts.c - the three actions of STS that credential chains use.
 *
 * Knows sessions. Refuses to know trust policies: whoever may call may assume any role.
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "call.h"

bool sim_do_caller(struct sim_call *call)
{
    struct buf *xml = &call->xml;

    buf_addf(xml, "<GetCallerIdentityResult><Arn>arn:aws:sts::%.*s:assumed-role/",
             SLICE_ARG(call->ec2->account));
    sim_xml_escape(xml, call->who);
    buf_addf(xml, "/session</Arn><UserId>AROAEXAMPLE:session</UserId><Account>%.*s</Account>",
             SLICE_ARG(call->ec2->account));
    sim_xml_close(xml, "GetCallerIdentityResult");
    return true;
}

/* "arn:aws:iam::111122223333:role/path/name": the session is called by the role's name. */
static bool role_name(struct sim_call *call, struct slice arn, struct slice *ret)
{
    struct slice rest = arn;

    if (!slice_starts(arn, SLICE("arn:")) || !slice_contains(arn, SLICE(":role/"))) {
        return sim_refuse(&call->problem, "ValidationError", "%.*s is invalid",
                          arn.len > 64 ? 64 : (int)arn.len, arn.data);
    }
    while (rest.len > 0) {
        *ret = slice_cut(&rest, '/');
    }
    return true;
}

static bool lifetime(struct sim_call *call, uint64_t *ret_ns)
{
    uint32_t seconds = 0;

    if (!sim_param_u32(call, "DurationSeconds", 43200, &seconds)) {
        return false;
    }
    if (seconds != 0 && seconds < 900) {
        return sim_refuse(&call->problem, "ValidationError",
                          "Value '%u' at 'durationSeconds' failed to satisfy constraint: Member "
                          "must have value greater than or equal to 900",
                          seconds);
    }
    /* The scenario's lifetime, so that tests see sessions end; never longer than what was asked
     * for. */
    *ret_ns = call->ec2->session_ns;
    if (seconds != 0 && *ret_ns > seconds * UINT64_C(1000000000)) {
        *ret_ns = seconds * UINT64_C(1000000000);
    }
    return true;
}

static void write_session(struct sim_call *call, const char *result, struct slice role_arn,
                          struct slice session_name, uint32_t row)
{
    const struct sim_identity *identity = &call->ec2->identities[row];
    struct buf *xml = &call->xml;
    char text[TIMESTAMP_MAX];

    sim_xml_open(xml, result);
    sim_xml_open(xml, "Credentials");
    sim_xml_text(xml, "AccessKeyId", identity->key_id);
    sim_xml_text(xml, "SecretAccessKey", identity->secret);
    sim_xml_text(xml, "SessionToken", identity->token);
    sim_xml_text(xml, "Expiration", timestamp_format(identity->expires_wall_ns, 0, text));
    sim_xml_close(xml, "Credentials");
    sim_xml_open(xml, "AssumedRoleUser");
    sim_xml_open(xml, "Arn");
    sim_xml_escape(xml, role_arn);
    buf_add_char(xml, '/');
    sim_xml_escape(xml, session_name);
    sim_xml_close(xml, "Arn");
    sim_xml_open(xml, "AssumedRoleId");
    buf_add_text(xml, "AROAEXAMPLE:");
    sim_xml_escape(xml, session_name);
    sim_xml_close(xml, "AssumedRoleId");
    sim_xml_close(xml, "AssumedRoleUser");
    sim_xml_close(xml, result);
}

static bool assume(struct sim_call *call, const char *result)
{
    struct slice arn = { 0 }, session = { 0 }, role = { 0 };
    uint64_t lives_ns = 0;

    if (!sim_param_required(call, "RoleArn", &arn) ||
        !sim_param_required(call, "RoleSessionName", &session) || !role_name(call, arn, &role) ||
        !lifetime(call, &lives_ns)) {
        return false;
    }
    uint32_t row = sim_identity_session(call->ec2, role, lives_ns);
    write_session(call, result, arn, session, row);
    return true;
}

bool sim_do_assume(struct sim_call *call)
{
    return assume(call, "AssumeRoleResult");
}

bool sim_do_assume_web(struct sim_call *call)
{
    struct slice token = { 0 };
    struct slice wanted = call->ec2->web_identity_token;

    if (!sim_param_required(call, "WebIdentityToken", &token)) {
        return false;
    }
    if (wanted.len > 0 && !slice_eq(wanted, token)) {
        return sim_refuse(&call->problem, "InvalidIdentityToken",
                          "The web identity token that was passed could not be validated");
    }
    return assume(call, "AssumeRoleWithWebIdentityResult");
}
