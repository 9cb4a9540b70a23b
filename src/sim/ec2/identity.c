/*
 * identity.c - who signed a request: access keys, sessions with an end, clock skew.
 *
 * Knows what EC2 and STS answer to each kind of wrong signature. Refuses to know what the caller
 * may do.
 */
#include <stdio.h>

#include <headroom/sigv4.h>
#include <headroom/timestamp.h>

#include "scenario.h"
#include "state.h"

void sim_identity_add(struct sim_ec2 *ec2, struct slice key_id, struct slice secret,
                      struct slice who)
{
    mem_reserve(&ec2->identities, &ec2->identity_capacity, ec2->identity_count + 1,
                sizeof(*ec2->identities));
    ec2->identities[ec2->identity_count] = (struct sim_identity){
        .key_id = key_id,
        .secret = secret,
        .who = who,
    };
    index_add(&ec2->identity_index, ec2->identities, ec2->identity_count++);
}

static struct slice random_text(struct sim_ec2 *ec2, const char *prefix, uint32_t count,
                                const char *letters)
{
    size_t start = strlen(prefix);
    char *text = arena_alloc(&ec2->arena, start + count + 1);

    memcpy(text, prefix, start);
    for (uint32_t i = 0; i < count; i++) {
        text[start + i] = letters[prng_below(&ec2->prng, strlen(letters))];
    }
    return (struct slice){ text, start + count };
}

uint32_t sim_identity_session(struct sim_ec2 *ec2, struct slice who, uint64_t lives_ns)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char any[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    sim_identity_add(ec2, random_text(ec2, "ASIA", 16, upper), random_text(ec2, "", 40, any),
                     sim_name(ec2, interner_add(&ec2->names, who)));
    struct sim_identity *session = &ec2->identities[ec2->identity_count - 1];
    session->session = true;
    session->token = random_text(ec2, "", 240, any);
    session->expires_wall_ns = ec2->wall_ns + lives_ns;
    return ec2->identity_count - 1;
}

struct slice sim_header(const struct sim_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, slice_of(name))) {
            return request->headers[i].value;
        }
    }
    return (struct slice){ 0 };
}

bool sim_compact_date(struct slice date, uint64_t *ret_wall_ns)
{
    char text[32];

    if (date.len != SIGV4_DATE_LEN || date.data[8] != 'T') {
        return false;
    }
    (void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date.data, date.data + 4,
                   date.data + 6, date.data + 9, date.data + 11, date.data + 13);
    return timestamp_parse(slice_of(text), ret_wall_ns) == ERR_OK;
}

static uint64_t clock_ns(const struct sim_ec2 *ec2)
{
    return (uint64_t)((int64_t)ec2->wall_ns + ec2->clock_offset_ns);
}

static bool check_date(const struct sim_ec2 *ec2, struct slice date, struct sim_problem *problem)
{
    uint64_t signed_ns = 0;
    uint64_t now_ns = clock_ns(ec2);

    if (!sim_compact_date(date, &signed_ns)) {
        return sim_refuse(problem, "IncompleteSignature",
                          "Date must be in ISO-8601 'basic format'. Got '%.*s'.",
                          date.len > 40 ? 40 : (int)date.len, date.data ? date.data : "");
    }
    uint64_t skew_ns = signed_ns > now_ns ? signed_ns - now_ns : now_ns - signed_ns;
    if (skew_ns > ec2->skew_max_ns) {
        return sim_refuse(problem, "RequestExpired",
                          "Request has expired: its clock and ours are %llu s apart.",
                          (unsigned long long)(skew_ns / 1000000000));
    }
    return true;
}

static bool check_scope(const struct sim_ec2 *ec2, const struct sigv4_parsed *parsed,
                        const char *service, struct sim_problem *problem)
{
    if (!slice_eq(parsed->region, ec2->region)) {
        return sim_refuse(problem, "SignatureDoesNotMatch",
                          "Credential should be scoped to a valid region: %.*s, not %.*s.",
                          SLICE_ARG(ec2->region), SLICE_ARG(parsed->region));
    }
    if (!slice_is(parsed->service, service)) {
        return sim_refuse(problem, "SignatureDoesNotMatch",
                          "Credential should be scoped to correct service: '%s'.", service);
    }
    return true;
}

static const struct sim_identity *find_identity(const struct sim_ec2 *ec2, struct slice key_id,
                                                bool sts, struct sim_problem *problem)
{
    uint32_t row = index_find(&ec2->identity_index, ec2->identities, key_id);

    if (row != INDEX_NONE) {
        return &ec2->identities[row];
    }
    (void)sim_refuse(problem, sts ? "InvalidClientTokenId" : "AuthFailure", "%s",
                     sts ? "The security token included in the request is invalid."
                         : "AWS was not able to validate the provided access credentials");
    return NULL;
}

static bool check_session(const struct sim_ec2 *ec2, const struct sim_identity *identity,
                          struct slice token, bool sts, struct sim_problem *problem)
{
    if (!slice_eq(identity->token, token)) {
        return sim_refuse(problem, sts ? "InvalidClientTokenId" : "AuthFailure", "%s",
                          sts ? "The security token included in the request is invalid."
                              : "AWS was not able to validate the provided access credentials");
    }
    if (identity->session && identity->expires_wall_ns <= clock_ns(ec2)) {
        return sim_refuse(problem, sts ? "ExpiredToken" : "RequestExpired", "%s",
                          sts ? "The security token included in the request is expired"
                              : "Request has expired.");
    }
    return true;
}

bool sim_identify(struct sim_ec2 *ec2, const struct sim_http_request *request, const char *service,
                  struct slice *ret_who, struct sim_problem *problem)
{
    bool sts = strcmp(service, "sts") == 0;
    struct slice authorization = sim_header(request, "authorization");
    struct slice date = sim_header(request, "x-amz-date");
    struct sigv4_request signed_request = {
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = request->body,
    };
    struct sigv4_parsed parsed = { 0 };
    struct error error = { 0 };

    *ret_who = SLICE("unknown");
    if (authorization.len == 0) {
        return sim_refuse(problem, "MissingAuthenticationToken",
                          "The request must contain a valid (registered) AWS access key ID.");
    }
    if (sigv4_parse(authorization, &parsed, &error) != ERR_OK) {
        return sim_refuse(problem, "IncompleteSignature", "%s", error.text);
    }
    const struct sim_identity *identity = find_identity(ec2, parsed.access_key_id, sts, problem);
    if (!identity) {
        return false;
    }
    *ret_who = identity->who;
    if (!check_scope(ec2, &parsed, service, problem) || !check_date(ec2, date, problem) ||
        !check_session(ec2, identity, sim_header(request, "x-amz-security-token"), sts, problem)) {
        return false;
    }
    struct sigv4_credentials credentials = {
        .access_key_id = identity->key_id,
        .secret_access_key = identity->secret,
        .session_token = identity->token,
    };
    if (sigv4_check(&parsed, &credentials, date, &signed_request, &error) != ERR_OK) {
        return sim_refuse(problem, "SignatureDoesNotMatch",
                          "The request signature we calculated does not match the signature you "
                          "provided: %s",
                          error.text);
    }
    return true;
}

enum err sim_scenario_sessions(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
{
    static const char *const session_keys[] = { "lifetime_ms", "web_identity_token", NULL };
    static const char *const imds_keys[] = { "require_token", NULL };
    const struct doc *sessions = doc_get(top, "sessions");
    const struct doc *imds = doc_get(top, "imds");
    enum err err = ERR_OK;

    ec2->session_ns = UINT64_C(3600) * 1000000000;
    ec2->imds_token_required = true;
    if (sessions) {
        err = sim_doc_keys(sessions, "sessions", session_keys, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(sessions, "lifetime_ms"), "sessions.lifetime_ms", &ec2->session_ns,
                         error);
    }
    if (err == ERR_OK && imds) {
        err = sim_doc_keys(imds, "imds", imds_keys, error);
    }
    ec2->web_identity_token = doc_text(doc_get(sessions, "web_identity_token"));
    ec2->imds_token_required = doc_bool_or(doc_get(imds, "require_token"), true);
    return err;
}

struct slice sim_ec2_environment(const struct sim_ec2 *ec2, struct arena *arena,
                                 struct slice endpoint, struct slice who)
{
    for (uint32_t i = 0; i < ec2->identity_count; i++) {
        const struct sim_identity *identity = &ec2->identities[i];
        if (!identity->session && (who.len == 0 || slice_eq(identity->who, who))) {
            return arena_printf(arena,
                                "export AWS_ENDPOINT_URL='%.*s'\nexport AWS_REGION='%.*s'\n"
                                "export AWS_DEFAULT_REGION='%.*s'\n"
                                "export AWS_ACCESS_KEY_ID='%.*s'\n"
                                "export AWS_SECRET_ACCESS_KEY='%.*s'\n",
                                SLICE_ARG(endpoint), SLICE_ARG(ec2->region), SLICE_ARG(ec2->region),
                                SLICE_ARG(identity->key_id), SLICE_ARG(identity->secret));
        }
    }
    return (struct slice){ 0 };
}
