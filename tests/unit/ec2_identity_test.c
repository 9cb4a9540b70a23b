/*
 * ec2_identity_test.c - credentials: every source of the chain, its order, renewal without a stall,
 * and what a person reads when there are none.
 */
#include "ec2_rig.h"

static struct rig rig;

#define EXPIRES_LATE "2026-11-25T16:00:00Z" /* RIG_WALL is 2026-11-25T09:46:40Z */
#define JSON_KEYS(key, expiration)                                                                 \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" key "\",\"SecretAccessKey\":\"s3cr3t\","            \
    "\"Token\":\"t0k3n\",\"Expiration\":\"" expiration "\"}"
#define STS_KEYS(action, key)                                                                      \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result>"   \
    "<Credentials><AccessKeyId>" key "</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey>"     \
    "<SessionToken>t0k3n</SessionToken><Expiration>" EXPIRES_LATE "</Expiration></Credentials>"    \
    "</" action "Result></" action "Response>"

static struct ec2_environment no_keys(void)
{
    return (struct ec2_environment){ .region = SLICE("us-west-2"), .metadata_disabled = true };
}

static void expect_source(const char *source)
{
    struct ec2_stats stats;

    ec2_stats(rig.ec2, rig.now_ns, &stats);
    expect_text(stats.identity_source, source);
}

/* A mutation waits for the identity and goes out with it. */
static void expect_signed_by(const char *key)
{
    char start[128];

    (void)snprintf(start, sizeof(start), "Authorization: AWS4-HMAC-SHA256 Credential=%s/", key);
    expect_contains(slice_of(rig_need(&rig, "CreateNetworkInterface")->headers), start);
    expect(!strstr(rig.logs, "s3cr3t") && !strstr(rig.logs, "t0k3n"));
}

static void missing_file(const char *path)
{
    struct rig_fetch *fetch = rig_need(&rig, path);

    fetch->open = false;
    rig_event(&rig, (struct fetch_event){ .id = fetch->id,
                                          .kind = FETCH_END,
                                          .error = { .code = ERR_NOT_FOUND, .text = "no file" } });
}

static void start(struct ec2_environment env)
{
    rig_start(&rig, &env);
    rig_attach(&rig, 1);
}

TEST(ec2_identity, uses_the_environment_first)
{
    struct ec2_environment env = rig_environment();

    env.container_full_uri = SLICE("http://169.254.170.23/v1/credentials");
    env.session_token = SLICE("t0k3n");
    start(env);
    expect_signed_by("AKIDRIG");
    expect_contains(slice_of(rig_need(&rig, "Create")->headers), "X-Amz-Security-Token: t0k3n\n");
    expect_source("environment");
    rig_end(&rig);
}

TEST(ec2_identity, reads_a_profile_from_the_shared_files)
{
    struct ec2_environment env = { .profile = SLICE("build"),
                                   .config_file = SLICE("/home/x/.aws/config"),
                                   .credentials_file = SLICE("/home/x/.aws/credentials"),
                                   .metadata_disabled = true };

    start(env);
    rig_answer(&rig, "/config", 0,
               "[default]\nregion = eu-west-1\n[profile build]\nregion=eu-central-1\n");
    rig_answer(
        &rig, "/credentials", 0,
        "# ours\n[build]\naws_access_key_id = AKIDBUILD ; inline\naws_secret_access_key=s3cr3t\n");
    expect_signed_by("AKIDBUILD");
    expect_text(rig_need(&rig, "Create")->target, "https://ec2.eu-central-1.amazonaws.com/");
    expect_source("profile");
    rig_end(&rig);
}

TEST(ec2_identity, runs_the_credential_process_of_a_profile)
{
    struct ec2_environment env = no_keys();

    env.config_file = SLICE("/config");
    start(env);
    rig_answer(&rig, "/config", 0,
               "[default]\ncredential_process = /opt/get-keys --for \"node group\" 'a b'\n");
    const struct rig_fetch *fetch = rig_need(&rig, "/opt/get-keys");
    expect_u64(fetch->kind, FETCH_EXEC);
    expect_text(fetch->args, "--for|node group|a b|");
    rig_answer(&rig, "/opt/get-keys", 0,
               "{\"Version\":1,\"AccessKeyId\":\"AKIDPROC\",\"SecretAccessKey\":\"s3cr3t\","
               "\"SessionToken\":\"t0k3n\",\"Expiration\":\"" EXPIRES_LATE "\"}");
    expect_signed_by("AKIDPROC");
    expect_source("credential_process");
    rig_end(&rig);
}

TEST(ec2_identity, follows_a_chain_of_roles_from_its_source)
{
    struct ec2_environment env = no_keys();

    env.profile = SLICE("outer");
    env.config_file = SLICE("/config");
    env.credentials_file = SLICE("/credentials");
    start(env);
    rig_answer(&rig, "/config", 0,
               "[profile outer]\nrole_arn = arn:aws:iam::1:role/outer\nsource_profile = inner\n"
               "external_id = ext\nrole_session_name = me\n"
               "[profile inner]\nrole_arn = arn:aws:iam::1:role/inner\nsource_profile = base\n");
    rig_answer(&rig, "/credentials", 0,
               "[base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=s3cr3t\n");
    const struct rig_fetch *inner = rig_need(&rig, "sts.us-west-2");
    expect_text(inner->target, "https://sts.us-west-2.amazonaws.com/");
    expect_text(inner->body,
                "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Finner"
                "&RoleSessionName=headroom-controller");
    expect_contains(slice_of(inner->headers), "Credential=AKIDBASE/20261125/us-west-2/sts/");
    rig_answer(&rig, "sts.us-west-2", 200, STS_KEYS("AssumeRole", "AKIDINNER"));
    const struct rig_fetch *outer = rig_need(&rig, "sts.us-west-2");
    expect_contains(slice_of(outer->headers), "Credential=AKIDINNER/");
    expect_contains(slice_of(outer->headers), "X-Amz-Security-Token: t0k3n\n");
    expect_contains(slice_of(outer->body), "role%2Fouter&RoleSessionName=me&ExternalId=ext");
    rig_answer(&rig, "sts.us-west-2", 200, STS_KEYS("AssumeRole", "AKIDOUTER"));
    expect_signed_by("AKIDOUTER");
    expect_source("assumed role");
    rig_end(&rig);
}

static struct ec2_environment web_identity(void)
{
    struct ec2_environment env = no_keys();

    env.web_identity_token_file = SLICE("/var/run/token");
    env.role_arn = SLICE("arn:aws:iam::1:role/headroom");
    return env;
}

TEST(ec2_identity, trades_a_service_account_token_for_a_role)
{
    start(web_identity());
    rig_answer(&rig, "/var/run/token", 0, "eyJ.web.token\n");
    const struct rig_fetch *fetch = rig_need(&rig, "sts.us-west-2");
    expect_text(fetch->body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                             "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fheadroom"
                             "&RoleSessionName=headroom-controller&WebIdentityToken=eyJ.web.token");
    expect(!strstr(fetch->headers, "Authorization")); /* unsigned: there is nothing to sign with */
    rig_answer(&rig, "sts.us-west-2", 200, STS_KEYS("AssumeRoleWithWebIdentity", "AKIDWEB"));
    expect_signed_by("AKIDWEB");
    expect_source("web identity");
    rig_end(&rig);
}

TEST(ec2_identity, says_what_sts_said_and_tries_again)
{
    start(web_identity());
    rig_answer(&rig, "/var/run/token", 0, "one.web.token");
    rig_answer(
        &rig, "sts.us-west-2", 403,
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not "
        "authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>");
    expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
    expect_u64(rig.health, CLOUD_DENIED);
    expect_text(rig.health_operation, "credentials");
    expect_contains(slice_of(rig.health_text), "sts:AssumeRoleWithWebIdentity");

    rig_pass(&rig, 5 * RIG_SECOND);
    rig_answer(&rig, "/var/run/token", 0, "two.web.token");
    expect_contains(slice_of(rig_need(&rig, "sts.us-west-2")->body),
                    "WebIdentityToken=two.web.token");
    rig_answer(&rig, "sts.us-west-2", 200, STS_KEYS("AssumeRoleWithWebIdentity", "AKIDWEB"));
    rig_attach(&rig, 2);
    expect_signed_by("AKIDWEB");
    rig_answer(&rig, "Create", 200, RIG_CREATED);
    expect_u64(rig.health, CLOUD_OK);
    rig_end(&rig);
}

static struct ec2_environment pod_identity(void)
{
    struct ec2_environment env = no_keys();

    env.container_full_uri = SLICE("http://169.254.170.23/v1/credentials");
    env.container_token_file = SLICE("/var/run/eks/token");
    return env;
}

TEST(ec2_identity, asks_the_pod_identity_agent_with_the_token_of_its_file)
{
    start(pod_identity());
    rig_answer(&rig, "/var/run/eks/token", 0, "pod-token\n");
    expect_text(rig_need(&rig, "169.254.170.23")->headers, "Authorization: pod-token\n");
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDPOD", EXPIRES_LATE));
    expect_signed_by("AKIDPOD");
    expect_source("EKS Pod Identity");
    rig_end(&rig);
}

TEST(ec2_identity, sends_no_token_in_the_clear_to_a_host_that_is_not_local)
{
    static const char *const refused[] = { "http://example.com/creds", "http://10.0.0.1/creds",
                                           "http://169.254.170.3/x", "ftp://localhost/" };
    static const char *const taken[] = { "http://localhost:8080/c", "http://127.1.2.3/c",
                                         "http://[::1]:80/c", "http://[fd00:ec2::23]/v1",
                                         "https://example.com/c" };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct ec2_environment env = pod_identity();
        env.container_full_uri = slice_of(refused[i]);
        env.container_token_file = (struct slice){ 0 };
        start(env);
        expect_u64(rig_open(&rig, "://"), 0);
        expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
        rig_end(&rig);
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct ec2_environment env = pod_identity();
        env.container_full_uri = slice_of(taken[i]);
        env.container_token_file = (struct slice){ 0 };
        start(env);
        expect_u64(rig_open(&rig, taken[i]), 1);
        rig_end(&rig);
    }
}

static struct ec2_environment instance_metadata(void)
{
    return (struct ec2_environment){ .region = SLICE("us-west-2") };
}

TEST(ec2_identity, asks_instance_metadata_version_two)
{
    start(instance_metadata());
    const struct rig_fetch *token = rig_need(&rig, "http://169.254.169.254/latest/api/token");
    expect_text(token->method, "PUT");
    expect_contains(slice_of(token->headers), "X-aws-ec2-metadata-token-ttl-seconds: ");
    rig_answer(&rig, "/latest/api/token", 200, "imds-token");
    expect_text(rig_need(&rig, "/iam/security-credentials/")->headers,
                "X-aws-ec2-metadata-token: imds-token\n");
    rig_answer(&rig, "/iam/security-credentials/", 200, "node-role\n");
    rig_answer(&rig, "/iam/security-credentials/node-role", 200,
               JSON_KEYS("AKIDNODE", EXPIRES_LATE));
    expect_signed_by("AKIDNODE");
    expect_source("instance metadata");
    rig_end(&rig);
}

TEST(ec2_identity, takes_the_region_from_instance_metadata_when_nobody_else_knows_it)
{
    struct ec2_environment env = rig_environment();

    env.region = (struct slice){ 0 };
    start(env);
    rig_answer(&rig, "/latest/api/token", 200, "imds-token");
    rig_answer(&rig, "/latest/meta-data/placement/region", 200, "ap-south-1");
    expect_text(rig_need(&rig, "Create")->target, "https://ec2.ap-south-1.amazonaws.com/");
    rig_end(&rig);
}

TEST(ec2_identity, says_that_a_region_is_missing)
{
    struct ec2_environment env = rig_environment();

    env.region = (struct slice){ 0 };
    env.metadata_disabled = true;
    start(env);
    expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
    expect_contains(slice_of(rig.health_text), "set AWS_REGION");
    rig_end(&rig);
}

TEST(ec2_identity, says_everything_that_was_tried)
{
    struct ec2_environment env = no_keys();

    env.config_file = SLICE("/config");
    env.credentials_file = SLICE("/credentials");
    start(env);
    missing_file("/config");
    missing_file("/credentials");
    expect_u64(rig.health, CLOUD_DENIED);
    expect_contains(slice_of(rig.health_text), "environment: AWS_ACCESS_KEY_ID");
    expect_contains(slice_of(rig.health_text), "profile 'default'");
    expect_contains(slice_of(rig.health_text), "web identity: ");
    expect_contains(slice_of(rig.health_text), "container: ");
    expect_contains(slice_of(rig.health_text), "instance metadata: switched off");
    rig_end(&rig);
}

TEST(ec2_identity, refuses_what_only_a_person_can_answer)
{
    static const char *const files[] = {
        "[default]\nsso_session = corp\n",
        "[default]\nrole_arn = arn:aws:iam::1:role/x\nmfa_serial = arn:aws:iam::1:mfa/me\n"
        "source_profile = default\n",
    };
    static const char *const words[] = { "SSO", "MFA" };

    for (size_t i = 0; i < 2; i++) {
        struct ec2_environment env = no_keys();
        env.config_file = SLICE("/config");
        start(env);
        rig_answer(&rig, "/config", 0, files[i]);
        expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
        expect_contains(slice_of(rig.health_text), words[i]);
        rig_end(&rig);
    }
}

TEST(ec2_identity, ends_a_circle_of_source_profiles)
{
    struct ec2_environment env = no_keys();

    env.profile = SLICE("a");
    env.config_file = SLICE("/config");
    start(env);
    rig_answer(&rig, "/config", 0,
               "[profile a]\nrole_arn=arn:1\nsource_profile=b\n[profile b]\nrole_arn=arn:2\n"
               "source_profile=a\n");
    expect_contains(slice_of(rig.health_text), "circular");
    rig_end(&rig);
}

/* ---- renewal ---- */

TEST(ec2_identity, renews_before_the_end_and_never_waits_for_it)
{
    start(pod_identity());
    rig_answer(&rig, "/var/run/eks/token", 0, "one");
    /* Good for 60 minutes. */
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDONE", "2026-11-25T10:46:40Z"));
    rig_pass(&rig, 45 * 60 * RIG_SECOND);
    expect_u64(rig_open(&rig, "/var/run/eks/token"), 0);
    rig_pass(&rig, 6 * 60 * RIG_SECOND);
    require(rig_open(&rig, "/var/run/eks/token") == 1);
    rig_answer(&rig, "/var/run/eks/token", 0, "two"); /* rotated meanwhile */
    expect_text(rig_need(&rig, "169.254.170.23")->headers, "Authorization: two\n");
    /* While the new ones are on their way, work goes on with the old. */
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    expect_contains(slice_of(rig_need(&rig, "AttachNetworkInterface")->headers), "AKIDONE/");
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDTWO", EXPIRES_LATE));
    rig_answer(&rig, "AttachNetworkInterface", 200, RIG_ATTACHED);
    expect_contains(slice_of(rig_need(&rig, "ModifyNetworkInterface")->headers), "AKIDTWO/");
    rig_end(&rig);
}

TEST(ec2_identity, holds_on_to_the_old_keys_while_renewal_fails)
{
    start(pod_identity());
    rig_answer(&rig, "/var/run/eks/token", 0, "one");
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDONE", "2026-11-25T10:46:40Z"));
    rig_answer(&rig, "CreateNetworkInterface", 200, RIG_CREATED);
    rig_pass(&rig, 51 * 60 * RIG_SECOND);
    rig_answer(&rig, "/var/run/eks/token", 0, "one");
    rig_lose(&rig, "169.254.170.23");
    expect_u64(rig.health, CLOUD_OK);
    rig_attach(&rig, 2);
    expect_u64(rig_ends(&rig, 2), 0);
    expect_contains(slice_of(rig_need(&rig, "CreateNetworkInterface")->headers), "AKIDONE/");

    /* Past their end nobody pretends any more. */
    for (int i = 0; i < 20; i++) {
        rig_pass(&rig, 60 * RIG_SECOND);
        if (rig_open(&rig, "/var/run/eks/token") > 0) {
            rig_lose(&rig, "/var/run/eks/token");
        }
    }
    rig_attach(&rig, 3);
    expect_u64(rig_failure(&rig, 3), CLOUD_UNAVAILABLE);
    expect_u64(rig.health, CLOUD_UNAVAILABLE);
    rig_end(&rig);
}

TEST(ec2_identity, renews_keys_that_ec2_calls_expired_and_repeats_the_call)
{
    start(pod_identity());
    rig_answer(&rig, "/var/run/eks/token", 0, "one");
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDONE", EXPIRES_LATE));
    rig_error(&rig, "CreateNetworkInterface", 400, "ExpiredToken", "the token has expired");
    expect_u64(rig_ends(&rig, 1), 0);
    rig_answer(&rig, "/var/run/eks/token", 0, "two");
    rig_answer(&rig, "169.254.170.23", 200, JSON_KEYS("AKIDTWO", EXPIRES_LATE));
    expect_signed_by("AKIDTWO");
    rig_error(&rig, "CreateNetworkInterface", 400, "ExpiredToken", "the token has expired");
    expect_u64(rig_failure(&rig, 1), CLOUD_DENIED); /* twice is enough */
    rig_end(&rig);
}

/* ---- the clock ---- */

TEST(ec2_identity, learns_the_right_time_from_ec2_and_repeats_the_call)
{
    struct ec2_stats stats;

    start(rig_environment());
    expect_contains(slice_of(rig_need(&rig, "Create")->headers), "X-Amz-Date: 20261125T094640Z\n");
    rig_reply(&rig, rig_need(&rig, "Create"), 400,
              "<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired"
              "</Message></Error></Errors></Response>",
              "Wed, 25 Nov 2026 10:46:40 GMT");
    expect_contains(slice_of(rig_need(&rig, "Create")->headers), "X-Amz-Date: 20261125T104640Z\n");
    ec2_stats(rig.ec2, rig.now_ns, &stats);
    expect_i64(stats.clock_skew_ms, 3600 * 1000);
    rig_answer(&rig, "Create", 200, RIG_CREATED);
    expect_contains(slice_of(rig_need(&rig, "Attach")->headers), "X-Amz-Date: 20261125T104640Z\n");
    rig_end(&rig);
}

TEST(ec2_identity, mistrusts_its_keys_when_the_clock_is_right)
{
    start(rig_environment());
    for (int i = 0; i < 2; i++) {
        rig_reply(&rig, rig_need(&rig, "Create"), 403,
                  "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to "
                  "validate the provided access credentials</Message></Error></Errors></Response>",
                  "Wed, 25 Nov 2026 09:46:41 GMT");
    }
    expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
    expect_u64(rig_open(&rig, "Create"), 0);
    rig_end(&rig);
}

/* ---- endpoints ---- */

static void expect_endpoint(struct ec2_environment env, const char *url)
{
    start(env);
    expect_text(rig_need(&rig, "CreateNetworkInterface")->target, url);
    rig_end(&rig);
}

TEST(ec2_identity, goes_where_the_sdks_go)
{
    struct ec2_environment env = rig_environment();

    env.region = SLICE("cn-north-1");
    expect_endpoint(env, "https://ec2.cn-north-1.amazonaws.com.cn/");
    env.use_dualstack = true;
    expect_endpoint(env, "https://ec2.cn-north-1.api.amazonwebservices.com.cn/");
    env.region = SLICE("us-gov-west-1");
    env.use_dualstack = false;
    env.use_fips = true;
    expect_endpoint(env, "https://ec2.us-gov-west-1.amazonaws.com/");
    env.region = SLICE("us-east-1");
    expect_endpoint(env, "https://ec2-fips.us-east-1.amazonaws.com/");
    env.use_dualstack = true;
    expect_endpoint(env, "https://ec2-fips.us-east-1.api.aws/");
    env.endpoint = SLICE("http://10.0.0.1:4566");
    expect_endpoint(env, "http://10.0.0.1:4566/");
    env.endpoint_ec2 = SLICE("http://[::1]:80/ec2");
    expect_endpoint(env, "http://[::1]/ec2");
    env.ignore_endpoints = true;
    expect_endpoint(env, "https://ec2-fips.us-east-1.api.aws/");
}

TEST(ec2_identity, says_which_endpoint_is_wrong)
{
    struct ec2_environment env = rig_environment();

    env.endpoint_ec2 = SLICE("ec2.internal");
    start(env);
    expect_u64(rig_failure(&rig, 1), CLOUD_DENIED);
    expect_contains(slice_of(rig.messages[0]), "'ec2.internal' is no http or https URL");
    rig_end(&rig);
    env.endpoint_ec2 = (struct slice){ 0 };
    env.region = SLICE("us west 2");
    start(env);
    expect_contains(slice_of(rig.messages[0]), "'us west 2' is no AWS Region");
    rig_end(&rig);
}

TEST(ec2_identity, takes_an_endpoint_from_the_profiles_services)
{
    struct ec2_environment env = rig_environment();

    env.config_file = SLICE("/config");
    start(env);
    rig_answer(&rig, "/config", 0,
               "[default]\nservices = here\nendpoint_url = http://other:1\n"
               "[services here]\nec2 =\n  endpoint_url = http://mine:2\nsts =\n"
               "  endpoint_url = http://mine:3\n");
    expect_text(rig_need(&rig, "CreateNetworkInterface")->target, "http://mine:2/");
    rig_end(&rig);
}
