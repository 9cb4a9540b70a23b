/* Convincing the API server, also when what convinces it changes. */
#include "kube_fake.h"

static struct kube_config with_file(void)
{
    return (struct kube_config){ .access = { .token_file = SLICE("/run/token") } };
}

static struct kube_config with_plugin(void)
{
    static const struct slice args[] = { { "eks", 3 }, { "get-token", 9 } };

    return (struct kube_config){
        .access = { .exec = { .command = SLICE("aws"),
                              .args = args,
                              .arg_count = 2,
                              .api_version = SLICE("client.authentication.k8s.io/v1"),
                              .install_hint = SLICE("install the AWS CLI"),
                              .provide_cluster_info = true } }
    };
}

static void give_file(struct fake *api, const char *token)
{
    struct fake_fetch *file = fake_request(api, NULL, "/run/token");

    fake_body(api, file, slice_of(token));
    fake_end(api, file, ERR_OK, "");
}

TEST(auth, waits_for_the_token_before_it_asks_anything)
{
    struct kube_config config = with_file();
    struct fake *api = fake_new(&config);

    expect(!fake_peek(api, "GET", "https"));
    give_file(api, "first\n");
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->authorization, "Bearer first");
    fake_done(api);
}

TEST(auth, follows_a_token_file_that_rotates)
{
    struct kube_config config = with_file();
    struct fake *api = fake_new(&config);

    give_file(api, "first\n");
    fake_pass(api, 61 * FAKE_SECOND);
    give_file(api, "second\n");
    fake_end(api, fake_request(api, "GET", "/api/v1/nodes?"), ERR_UNAVAILABLE, "reset");
    fake_pass(api, 5 * FAKE_SECOND);
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->authorization, "Bearer second");
    fake_done(api);
}

TEST(auth, reads_the_token_again_when_the_server_refuses_it)
{
    struct kube_config config = with_file();
    struct fake *api = fake_new(&config);

    give_file(api, "old\n");
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 401, SLICE(""));
    fake_pass(api, 20 * FAKE_SECOND);
    expect(!fake_peek(api, "GET", "/api/v1/nodes?")); /* not with what was just refused */
    give_file(api, "new\n");
    fake_pass(api, 2 * FAKE_SECOND);
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->authorization, "Bearer new");
    fake_done(api);
}

TEST(auth, says_which_file_holds_no_token)
{
    struct kube_config config = with_file();
    struct fake *api = fake_new(&config);

    fake_end(api, fake_request(api, NULL, "/run/token"), ERR_IO, "No such file or directory");
    expect_contains(
        fake_logs(api),
        "cannot read the token file /run/token: No such file or directory; retrying in");
    fake_pass(api, 3 * FAKE_SECOND);
    give_file(api, "");
    expect_contains(fake_logs(api), "it holds no token");
    fake_done(api);
}

static void give_credential(struct fake *api)
{
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    fake_body(api, plugin,
              SLICE("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{"
                    "\"token\":\"t\"}}"));
    fake_end(api, plugin, ERR_OK, "");
}

TEST(auth, runs_a_credential_plugin_as_kubectl_does)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    expect_u64(plugin->kind, FETCH_EXEC);
    expect_slice(plugin->exec_info,
                 "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
                 "\"spec\":{\"cluster\":{\"server\":\"https://api:6443\"},\"interactive\":false}}");
    fake_body(
        api, plugin,
        SLICE("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
              "\"status\":{\"token\":\"k8s-aws-v1.abc\",\"expirationTimestamp\":"
              "\"2026-01-02T03:35:45Z\"}}"));
    fake_end(api, plugin, ERR_OK, "");
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->authorization,
                 "Bearer k8s-aws-v1.abc");
    /* It is good for 15 minutes: asked again shortly before. */
    fake_pass(api, 14 * 60 * FAKE_SECOND);
    expect(!fake_peek(api, NULL, "aws"));
    fake_pass(api, 31 * FAKE_SECOND);
    expect(fake_peek(api, NULL, "aws") != NULL);
    fake_done(api);
}

TEST(auth, runs_a_plugin_at_once_for_a_credential_that_has_worked_and_ever_more_rarely_for_others)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    uint32_t runs = 0;

    give_credential(api);
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 500, SLICE(""));
    fake_answer(api, fake_request(api, "GET", "/daemonsets?"), 401, SLICE(""));
    expect(fake_peek(api, NULL, "aws") != NULL);

    for (uint64_t end = api->now_ns + 600 * FAKE_SECOND; api->now_ns < end;) {
        struct fake_fetch *ask = NULL;
        if (fake_peek(api, NULL, "aws")) {
            runs++;
            give_credential(api);
        }
        while ((ask = fake_peek(api, "GET", "https"))) {
            fake_answer(api, ask, 401, SLICE(""));
        }
        fake_pass(api, FAKE_SECOND / 2);
    }
    expect(runs > 10 && runs < 80);
    fake_done(api);
}

TEST(auth, tells_how_to_get_a_plugin_that_is_missing)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);

    fake_end(api, fake_request(api, NULL, "aws"), ERR_NOT_FOUND, "not found on PATH");
    expect_contains(fake_logs(api),
                    "credential plugin \\\"aws\\\": not found on PATH (install the AWS CLI)");
    fake_done(api);
}

TEST(auth, refuses_a_plugins_answer_without_a_credential)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    fake_body(api, plugin,
              SLICE("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{}}"));
    fake_end(api, plugin, ERR_OK, "");
    expect_contains(fake_logs(api), "neither a token nor a certificate");
    expect(!fake_peek(api, "GET", "https"));
    fake_done(api);
}

TEST(auth, never_logs_a_secret)
{
    struct kube_config config = with_file();
    struct fake *api = fake_new(&config);

    give_file(api, "hush-hush\n");
    fake_answer(api, fake_request(api, "GET", "/api/v1/nodes?"), 401, SLICE(""));
    give_file(api, "hush-hush\n");
    fake_pass(api, 30 * FAKE_SECOND);
    struct slice logs = fake_logs(api);
    expect_contains(logs, "the API server does not accept the credentials of context \\\"test\\\" "
                          "(token file /run/token); they may have expired");
    expect(!slice_contains(logs, SLICE("hush")));
    fake_done(api);
}

TEST(auth, tells_a_plugin_the_authority_that_the_kubeconfig_has_in_a_file)
{
    struct kube_config config = with_plugin();
    config.access.tls.ca_file = SLICE("/etc/ca.crt");
    config.access.exec.cluster_config = SLICE("{\"audience\":\"eks\"}");
    struct fake *api = fake_new(&config);

    expect(!fake_peek(api, NULL, "aws"));
    fake_end(api, fake_request(api, NULL, "/etc/ca.crt"), ERR_NOT_FOUND, "cannot open /etc/ca.crt");
    expect_contains(fake_logs(api), "the certificate authority that the credential plugin is told: "
                                    "cannot open /etc/ca.crt");
    fake_pass(api, 3 * FAKE_SECOND);
    struct fake_fetch *file = fake_request(api, NULL, "/etc/ca.crt");
    fake_body(api, file, SLICE("PEM"));
    fake_end(api, file, ERR_OK, "");
    expect_slice(fake_request(api, NULL, "aws")->exec_info,
                 "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
                 "\"spec\":{\"cluster\":{\"server\":\"https://api:6443\","
                 "\"certificate-authority-data\":\"UEVN\",\"config\":{\"audience\":\"eks\"}},"
                 "\"interactive\":false}}");
    fake_done(api);
}

static void expect_useless(const char *printed, const char *why)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    fake_body(api, plugin, slice_of(printed));
    fake_end(api, plugin, ERR_OK, "");
    expect_contains(fake_logs(api), "credential plugin \\\"aws\\\": ");
    fake_pass(api, 3 * FAKE_SECOND);
    expect(!fake_peek(api, "GET", "https"));
    plugin = fake_request(api, NULL, "aws");
    fake_body(api, plugin, slice_of(printed));
    fake_end(api, plugin, ERR_OK, "");
    struct kube_stats stats;
    kube_stats(api->kube, &stats);
    expect_contains(slice_of(stats.last_error), why);
    fake_done(api);
}

#define ANSWER "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{"

TEST(auth, names_what_is_wrong_with_what_a_plugin_prints)
{
    expect_useless("", "it printed nothing");
    expect_useless("Enter MFA code:", "it printed no ExecCredential: ");
    expect_useless(ANSWER "\"clientCertificateData\":\"CERT\"}}",
                   "its answer has a certificate or a key, not both");
    expect_useless(ANSWER "\"token\":\"t\",\"expirationTimestamp\":\"tomorrow\"}}",
                   "its answer's expirationTimestamp \"tomorrow\" is no time");
    expect_useless("{\"status\":{\"token\":\"t\"}}", "it answered as \"\", not as "
                                                     "client.authentication.k8s.io/v1, which the "
                                                     "kubeconfig asks for");
}

TEST(auth, sends_a_password_and_whom_to_impersonate)
{
    static const struct fetch_header as[] = { { { "Impersonate-User", 16 }, { "admin", 5 } },
                                              { { "Impersonate-Group", 17 }, { "system", 6 } } };
    struct kube_config config = { .access = { .server = SLICE("https://api"),
                                              .username = SLICE("Aladdin"),
                                              .password = SLICE("open sesame"),
                                              .impersonate = as,
                                              .impersonate_count = 2 } };
    struct fake *api = fake_new(&config);

    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->authorization,
                 "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->impersonate, "admin");
    expect_slice(fake_request(api, "GET", "/api/v1/nodes?")->impersonate_group, "system");
    fake_done(api);
}

TEST(auth, takes_a_client_certificate_from_a_plugin)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    fake_body(api, plugin,
              SLICE("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{"
                    "\"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\"}}"));
    fake_end(api, plugin, ERR_OK, "");
    struct fake_fetch *list = fake_request(api, "GET", "/api/v1/nodes?");
    expect_slice(list->authorization, "");
    expect_slice(list->cert_pem, "CERT");
    /* Without a time of expiry it is good until the server refuses it. */
    fake_pass(api, 3600 * FAKE_SECOND);
    expect(!fake_peek(api, NULL, "aws"));
    fake_answer(api, fake_request(api, "GET", "/api/v1/pods?"), 401, SLICE(""));
    expect(fake_peek(api, NULL, "aws") != NULL);
    fake_done(api);
}

TEST(auth, refuses_a_plugin_that_speaks_another_version)
{
    struct kube_config config = with_plugin();
    struct fake *api = fake_new(&config);
    struct fake_fetch *plugin = fake_request(api, NULL, "aws");

    fake_body(api, plugin,
              SLICE("{\"apiVersion\":\"client.authentication.k8s.io/v1alpha1\",\"status\":{"
                    "\"token\":\"t\"}}"));
    fake_end(api, plugin, ERR_OK, "");
    expect_contains(fake_logs(api),
                    "it answered as \\\"client.authentication.k8s.io/v1alpha1\\\", not as");
    fake_done(api);
}
