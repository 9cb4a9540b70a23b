/*
 * sts.c - credentials from the Security Token Service: a role by web identity, a role by another
 * one's keys.
 *
 * Knows STS's two actions and its endpoint. Refuses to know which profile or variable asked for
 * them.
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "machine.h"
#include "query.h"

enum { WEB_TOKEN_MAX = 64 * 1024 };

static bool set_endpoint(struct ec2 *ec2, struct endpoint *endpoint)
{
    const struct identity *identity = &ec2->identity;
    struct error error = { 0 };
    struct endpoint_choice choice = {
        .region = slice_of(identity->region),
        .custom = identity->endpoint_sts,
        .fips = identity->use_fips,
        .dualstack = identity->use_dualstack,
    };

    if (ec2_endpoint_set(endpoint, "sts", &choice, &error)) {
        ec2_identity_fail(ec2, false, "STS: %s", error.text);
        return false;
    }
    return true;
}

/* STS wants a name for the session; CloudTrail shows it. */
static struct slice session_name(struct slice wanted)
{
    return wanted.len > 0 ? wanted : SLICE("headroom-controller");
}

enum { STS_HEADERS_MAX = 6 };

static struct fetch *post(struct ec2 *ec2, enum identity_step step, const struct endpoint *endpoint,
                          const struct buf *form, struct fetch_header **ret_headers)
{
    struct fetch *fetch = ec2_identity_ask(ec2, step, FETCH_HTTP, slice_of(endpoint->url));
    struct fetch_header *headers = ARENA_ARRAY(&ec2->step, struct fetch_header, STS_HEADERS_MAX);

    fetch->method = "POST";
    fetch->body = ec2_step_copy(ec2, buf_slice(form));
    headers[0] = (struct fetch_header){ SLICE("Host"),
                                        ec2_step_copy(ec2, slice_of(endpoint->host)) };
    headers[1] = (struct fetch_header){ SLICE("Content-Type"),
                                        SLICE("application/x-www-form-urlencoded; charset=utf-8") };
    fetch->headers = headers;
    fetch->header_count = 2;
    *ret_headers = headers;
    return fetch;
}

/* ---- web identity ---- */

void ec2_sts_web_identity(struct ec2 *ec2)
{
    (void)ec2_identity_ask(ec2, STEP_WEB_TOKEN_FILE, FETCH_FILE, ec2->identity.web_token_file);
}

void ec2_sts_web_token_read(struct ec2 *ec2, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    struct slice token = slice_trim(buf_slice(&identity->answer));
    struct endpoint endpoint;
    struct fetch_header *headers = NULL;
    struct buf form;

    if (error->code || token.len == 0 || token.len > WEB_TOKEN_MAX) {
        ec2_identity_fail(ec2, true, "web identity: cannot use the token file: %s",
                          error->code ? error->text : "it is empty or too large");
        return;
    }
    if (!set_endpoint(ec2, &endpoint)) {
        return;
    }
    buf_init(&form, EC2_FORM_MAX);
    ec2_query_begin(&form, "AssumeRoleWithWebIdentity", "2011-06-15");
    ec2_query_text(&form, "RoleArn", identity->web_role_arn);
    ec2_query_text(&form, "RoleSessionName", session_name(identity->web_session_name));
    ec2_query_text(&form, "WebIdentityToken", token);
    (void)post(ec2, STEP_WEB_IDENTITY, &endpoint, &form, &headers);
    explicit_bzero(form.data, form.len);
    buf_done(&form);
}

/* ---- role by role ---- */

static void sign(struct ec2 *ec2, struct fetch *fetch, struct fetch_header *headers,
                 const struct endpoint *endpoint)
{
    const struct identity *identity = &ec2->identity;
    const struct sigv4_credentials *credentials = &identity->found.credentials;
    char date[SIGV4_DATE_LEN + 1];
    size_t count = fetch->header_count;

    sigv4_date((uint64_t)((int64_t)ec2->wall_ns + ec2->skew_ns), date);
    headers[count++] = (struct fetch_header){ SLICE("X-Amz-Date"),
                                              ec2_step_copy(ec2, slice_of(date)) };
    if (credentials->session_token.len > 0) {
        headers[count++] = (struct fetch_header){ SLICE("X-Amz-Security-Token"),
                                                  ec2_step_copy(ec2, credentials->session_token) };
    }
    struct sigv4_request request = {
        .method = SLICE("POST"),
        .path = slice_of(endpoint->path),
        .headers = headers,
        .header_count = count,
        .body = fetch->body,
    };
    struct slice authorization = sigv4_authorization(&ec2->step, credentials,
                                                     slice_of(identity->region), SLICE("sts"),
                                                     slice_of(date), &request);
    headers[count++] = (struct fetch_header){ SLICE("Authorization"), authorization };
    fetch->header_count = count;
}

void ec2_sts_assume(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    const struct identity_role *role = &identity->roles[identity->role_count - 1];
    struct endpoint endpoint;
    struct fetch_header *headers = NULL;
    struct buf form;

    if (!set_endpoint(ec2, &endpoint)) {
        return;
    }
    buf_init(&form, EC2_FORM_MAX);
    ec2_query_begin(&form, "AssumeRole", "2011-06-15");
    ec2_query_text(&form, "RoleArn", role->arn);
    ec2_query_text(&form, "RoleSessionName", session_name(role->session_name));
    if (role->external_id.len > 0) {
        ec2_query_text(&form, "ExternalId", role->external_id);
    }
    if (role->duration_s > 0) {
        ec2_query_u32(&form, "DurationSeconds", role->duration_s);
    }
    struct fetch *fetch = post(ec2, STEP_ASSUME_ROLE, &endpoint, &form, &headers);
    sign(ec2, fetch, headers, &endpoint);
    buf_done(&form);
}

static bool read_answer(struct ec2 *ec2, struct slice text, struct ec2_reply *ret,
                        struct error *error)
{
    struct ec2_xml *xml = ec2_xml_new(&ec2->identity.work);

    enum err err = ec2_xml_feed(xml, text, error);
    if (!err) {
        err = ec2_xml_end(xml, ret, error);
    }
    ec2_xml_free(xml);
    return !err;
}

void ec2_sts_answer(struct ec2 *ec2, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    struct identity_found *found = &identity->found;
    struct ec2_reply reply = { 0 };
    struct error xml_error = { 0 };

    if (error->code) {
        ec2_identity_fail(ec2, true, "STS: %s", error->text);
        return;
    }
    if (!read_answer(ec2, buf_slice(&identity->answer), &reply, &xml_error)) {
        ec2_identity_fail(ec2, true, "STS: HTTP %d, %s", identity->status, xml_error.text);
        return;
    }
    if (identity->status != 200 || reply.access_key_id.len == 0 ||
        reply.secret_access_key.len == 0) {
        /* STS may not have seen a fresh OIDC token or role yet: worth a try soon either way. */
        ec2_identity_fail(ec2, identity->status >= 500, "STS: %.*s: %.*s",
                          (int)(reply.error_code.len < 60 ? reply.error_code.len : 60),
                          reply.error_code.data ? reply.error_code.data : "",
                          (int)(reply.error_message.len < 250 ? reply.error_message.len : 250),
                          reply.error_message.data ? reply.error_message.data : "");
        return;
    }
    found->credentials = (struct sigv4_credentials){
        .access_key_id = reply.access_key_id,
        .secret_access_key = reply.secret_access_key,
        .session_token = reply.session_token,
    };
    found->expires_wall_ns = 0;
    if (reply.expiration.len > 0 && timestamp_parse(reply.expiration, &found->expires_wall_ns)) {
        ec2_identity_fail(ec2, false, "STS: the expiration is no time");
        return;
    }
    if (reply.kind == EC2_REPLY_AssumeRole) {
        identity->role_count--;
        ec2_identity_found(ec2, "assumed role");
    } else {
        ec2_identity_found(ec2, "web identity");
    }
}
