/*
 * remote.c - credentials from something beside us: the container endpoint (EKS Pod Identity among
 * them), instance metadata.
 *
 * Knows their paths and what they answer. Refuses to send a bearer token to a host that is neither
 * local nor one of theirs.
 */
#include <stdio.h>

#include "machine.h"

/* ---- container endpoint ---- */

/* Loopback, ECS, EKS: the hosts that a plain-text URL may name (AWS SDKs' rule). */
static bool is_local_host(struct slice host)
{
    static const char *const hosts[] = { "localhost", "::1", "169.254.170.2", "169.254.170.23",
                                         "fd00:ec2::23" };
    uint32_t address = 0;

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (slice_is(host, hosts[i])) {
            return true;
        }
    }
    return !slice_ipv4(host, &address) && address >> 24 == 127;
}

static const char *container_source(const struct endpoint *endpoint)
{
    struct slice host = ec2_endpoint_host(endpoint);

    return slice_is(host, "169.254.170.23") || slice_is(host, "fd00:ec2::23") ? "EKS Pod Identity"
                                                                              : "container";
}

static void ask_container(struct ec2 *ec2, struct slice token)
{
    struct fetch *fetch = ec2_identity_ask(ec2, STEP_CONTAINER, FETCH_HTTP,
                                           ec2->identity.container_url);

    if (token.len > 0) {
        struct fetch_header *header = ARENA_NEW(&ec2->step, struct fetch_header);
        *header = (struct fetch_header){ SLICE("Authorization"), token };
        fetch->headers = header;
        fetch->header_count = 1;
    }
}

void ec2_container_ask(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    const struct ec2_environment *env = &ec2->env;
    struct endpoint endpoint;
    struct error error = { 0 };

    if (env->container_relative_uri.len > 0) {
        identity->container_url = arena_printf(&identity->work, "http://169.254.170.2%.*s",
                                               SLICE_ARG(env->container_relative_uri));
    } else if (env->container_full_uri.len > 0) {
        identity->container_url = env->container_full_uri;
    } else {
        ec2_identity_skip(ec2, "container: AWS_CONTAINER_CREDENTIALS_FULL_URI is not set");
        return;
    }
    if (ec2_endpoint_parse(&endpoint, identity->container_url, &error)) {
        ec2_identity_fail(ec2, false, "container credentials: %s", error.text);
        return;
    }
    if (!slice_starts(identity->container_url, SLICE("https://")) &&
        !is_local_host(ec2_endpoint_host(&endpoint))) {
        ec2_identity_fail(ec2, false,
                          "container credentials: the host '%s' is neither local nor reached by "
                          "https",
                          endpoint.host);
        return;
    }
    if (env->container_token_file.len > 0) {
        (void)ec2_identity_ask(ec2, STEP_CONTAINER_TOKEN_FILE, FETCH_FILE,
                               env->container_token_file);
    } else {
        ask_container(ec2, env->container_token);
    }
}

void ec2_container_token_read(struct ec2 *ec2, const struct error *error)
{
    struct slice token = slice_trim(buf_slice(&ec2->identity.answer));

    if (error->code || token.len == 0 || memchr(token.data, '\n', token.len) ||
        memchr(token.data, '\r', token.len)) {
        ec2_identity_fail(ec2, true, "container credentials: cannot use the token file: %s",
                          error->code ? error->text : "it is empty or has several lines");
        return;
    }
    ask_container(ec2, ec2_step_copy(ec2, token));
}

void ec2_container_answer(struct ec2 *ec2, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    struct endpoint endpoint;
    struct error parse_error = { 0 };
    const char *source = "container";

    if (!ec2_endpoint_parse(&endpoint, identity->container_url, &parse_error)) {
        source = container_source(&endpoint);
    }
    if (error->code) {
        ec2_identity_fail(ec2, true, "%s: %s", source, error->text);
    } else if (identity->status != 200) {
        ec2_identity_fail(ec2, identity->status >= 500, "%s: HTTP %d: %.*s", source,
                          identity->status,
                          (int)(identity->answer.len < 200 ? identity->answer.len : 200),
                          identity->answer.data ? identity->answer.data : "");
    } else if (ec2_identity_json(ec2, buf_slice(&identity->answer), source)) {
        ec2_identity_found(ec2, source);
    }
}

/* ---- instance metadata, version 2 ---- */

static struct slice imds_url(struct ec2 *ec2, const char *path, struct slice rest)
{
    struct slice base = ec2->env.metadata_endpoint.len > 0 ? ec2->env.metadata_endpoint
                                                           : SLICE("http://169.254.169.254");

    while (base.len > 0 && base.data[base.len - 1] == '/') {
        base.len--;
    }
    return arena_printf(&ec2->step, "%.*s%s%.*s", SLICE_ARG(base), path, (int)rest.len,
                        rest.data ? rest.data : "");
}

static void imds_get(struct ec2 *ec2, enum identity_step step, const char *path, struct slice rest)
{
    struct fetch *fetch = ec2_identity_ask(ec2, step, FETCH_HTTP, imds_url(ec2, path, rest));
    struct fetch_header *header = ARENA_NEW(&ec2->step, struct fetch_header);

    *header = (struct fetch_header){ SLICE("X-aws-ec2-metadata-token"),
                                     ec2_step_copy(ec2, ec2->identity.imds_token) };
    fetch->headers = header;
    fetch->header_count = 1;
}

void ec2_imds_ask(struct ec2 *ec2, bool for_region)
{
    static const struct fetch_header ttl = { { "X-aws-ec2-metadata-token-ttl-seconds", 36 },
                                             { "300", 3 } };
    struct identity *identity = &ec2->identity;

    identity->imds_for_region = for_region;
    if (ec2->env.metadata_disabled) {
        if (for_region) {
            ec2_identity_fail(ec2, false,
                              "no AWS Region: set AWS_REGION (instance metadata is switched off)");
        } else {
            ec2_identity_skip(ec2, "instance metadata: switched off by AWS_EC2_METADATA_DISABLED");
        }
        return;
    }
    struct fetch *fetch = ec2_identity_ask(ec2, STEP_IMDS_TOKEN, FETCH_HTTP,
                                           imds_url(ec2, "/latest/api/token", (struct slice){ 0 }));
    fetch->method = "PUT";
    fetch->headers = &ttl;
    fetch->header_count = 1;
}

/* Why instance metadata does not answer; for the Region others may know better, for credentials it
 * is the last. */
static void imds_failed(struct ec2 *ec2, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    char why[ERROR_TEXT_MAX];

    if (error->code) {
        (void)snprintf(why, sizeof(why),
                       "instance metadata: %.200s (a pod reaches it only with a hop limit of 2)",
                       error->text);
    } else {
        (void)snprintf(why, sizeof(why), "instance metadata: HTTP %d%s", identity->status,
                       identity->status == 404 ? " (the instance has no role)" : "");
    }
    if (identity->imds_for_region) {
        buf_addf(&identity->tried, "%s", why);
        return;
    }
    ec2_identity_skip(ec2, why);
    if (identity->failed && error->code) {
        identity->unavailable = true;
    }
}

void ec2_imds_answer(struct ec2 *ec2, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    struct slice text = slice_trim(buf_slice(&identity->answer));
    struct slice role = text;

    if (error->code || identity->status != 200 || text.len == 0) {
        imds_failed(ec2, error);
        return;
    }
    switch (identity->answered) {
    case STEP_IMDS_TOKEN:
        identity->imds_token = arena_slice(&identity->work, text);
        if (identity->imds_for_region) {
            imds_get(ec2, STEP_IMDS_REGION, "/latest/meta-data/placement/region",
                     (struct slice){ 0 });
        } else {
            imds_get(ec2, STEP_IMDS_ROLE, "/latest/meta-data/iam/security-credentials/",
                     (struct slice){ 0 });
        }
        break;
    case STEP_IMDS_REGION:
        if (slice_copy(text, identity->region, sizeof(identity->region))) {
            identity->region[0] = '\0';
        }
        break;
    case STEP_IMDS_ROLE:
        imds_get(ec2, STEP_IMDS_CREDENTIALS, "/latest/meta-data/iam/security-credentials/",
                 ec2_step_copy(ec2, slice_trim(slice_cut(&role, '\n'))));
        break;
    default:
        if (ec2_identity_json(ec2, text, "instance metadata")) {
            ec2_identity_found(ec2, "instance metadata");
        }
        break;
    }
}
