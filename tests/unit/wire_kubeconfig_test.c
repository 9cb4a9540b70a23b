/* kubeconfig: what kubectl accepts we accept, and what is wrong is named. */
#include <headroom/kubeconfig.h>

#include "test.h"

#define CLUSTER                                                                                    \
    "clusters: [{name: c, cluster: {server: 'https://k8s:6443/', certificate-authority: "          \
    "ca.crt}}]\n"
#define CONTEXT                                                                                    \
    "contexts: [{name: x, context: {cluster: c, user: u, namespace: apps}}]\ncurrent-context: x\n"

static enum err parse(const char *text, struct kube_access *ret, struct error *error)
{
    struct kubeconfig_file file = { SLICE("/home/me/.kube/config"), slice_of(text) };

    return kubeconfig_parse(test_arena(), &file, 1, SLICE(""), ret, error);
}

static struct kube_access access_of(const char *text)
{
    struct kube_access access = { 0 };
    struct error error = { 0 };

    require_ok(parse(text, &access, &error), &error);
    return access;
}

static void expect_refusal(const char *text, const char *why)
{
    struct kube_access access;
    struct error error = { 0 };

    expect(parse(text, &access, &error) != ERR_OK);
    expect_contains(slice_of(error.text), why);
}

TEST(kubeconfig, takes_paths_relative_to_its_folder)
{
    struct kube_access access = access_of(
        CLUSTER CONTEXT
        "users: [{name: u, user: {client-certificate: /abs/me.crt, client-key: me.key}}]\n");

    expect_slice(access.server, "https://k8s:6443");
    expect_slice(access.context, "x");
    expect_slice(access.namespace, "apps");
    expect_slice(access.tls.ca_file, "/home/me/.kube/ca.crt");
    expect_slice(access.tls.cert_file, "/abs/me.crt");
    expect_slice(access.tls.key_file, "/home/me/.kube/me.key");
}

TEST(kubeconfig, decodes_inline_certificates_and_prefers_them)
{
    struct kube_access access = access_of(
        "clusters: [{name: c, cluster: {server: 'https://k', certificate-authority: ca.crt,\n"
        "  certificate-authority-data: aGVsbG8gd29ybGQ=, tls-server-name: k8s.example,\n"
        "  proxy-url: 'http://proxy:3128'}}]\n" CONTEXT
        "users: [{name: u, user: {client-certificate-data: QQ==, client-key-data: QUI=}}]\n");

    expect_slice(access.tls.ca_pem, "hello world");
    expect_slice(access.tls.ca_file, "");
    expect_slice(access.tls.cert_pem, "A");
    expect_slice(access.tls.key_pem, "AB");
    expect_slice(access.tls.server_name, "k8s.example");
    expect_slice(access.tls.proxy_url, "http://proxy:3128");
}

TEST(kubeconfig, reads_what_aws_eks_update_kubeconfig_writes)
{
    struct kube_access access = access_of(
        CLUSTER CONTEXT "kind: Config\npreferences: {}\nusers:\n- name: u\n  user:\n    exec:\n"
                        "      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n"
                        "      - --region\n      - us-west-2\n      - eks\n      - get-token\n"
                        "      command: aws\n      env:\n      - name: AWS_PROFILE\n"
                        "        value: prod\n      provideClusterInfo: false\n");

    expect_slice(access.exec.command, "aws");
    expect_u64(access.exec.arg_count, 4);
    expect_slice(access.exec.args[3], "get-token");
    expect_slice(access.exec.env[0].name, "AWS_PROFILE");
    expect_slice(access.exec.env[0].value, "prod");
    expect_slice(access.exec.api_version, "client.authentication.k8s.io/v1beta1");
}

TEST(kubeconfig, prefers_a_token_file_which_rotates_to_a_token)
{
    struct kube_access access = access_of(CLUSTER CONTEXT
                                          "users: [{name: u, user: {token: t, tokenFile: /t}}]\n");

    expect_slice(access.token, "");
    expect_slice(access.token_file, "/t");
}

TEST(kubeconfig, says_as_whom_to_act_in_headers)
{
    struct kube_access access = access_of(
        CLUSTER CONTEXT
        "users: [{name: u, user: {token: t, as: ann, as-uid: '7', as-groups: [a, b],\n"
        "  as-user-extra: {example.org/scope: [x], Reason: [y, z]}}}]\n");
    static const char *const wanted[][2] = {
        { "Impersonate-User", "ann" },
        { "Impersonate-Uid", "7" },
        { "Impersonate-Group", "a" },
        { "Impersonate-Group", "b" },
        { "Impersonate-Extra-example.org%2Fscope", "x" },
        { "Impersonate-Extra-Reason", "y" },
        { "Impersonate-Extra-Reason", "z" },
    };

    require(access.impersonate_count == 7);
    for (size_t i = 0; i < 7; i++) {
        expect_slice(access.impersonate[i].name, wanted[i][0]);
        expect_slice(access.impersonate[i].value, wanted[i][1]);
    }
    expect_refusal(CLUSTER CONTEXT "users: [{name: u, user: {token: t, as-groups: [a]}}]\n",
                   "user: as is missing: as-uid, as-groups and as-user-extra need it");
}

#define PLUGIN                                                                                     \
    "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1, env: null, args: null"

TEST(kubeconfig, runs_a_plugin_only_where_nothing_else_convinces_the_server)
{
    expect_slice(
        access_of(CLUSTER CONTEXT "users: [{name: u, user: {" PLUGIN "}}}]\n").exec.command, "aws");
    static const char *const others[] = { "token: t", "tokenFile: /t", "username: me",
                                          "client-certificate: c, client-key: k" };
    for (size_t i = 0; i < 4; i++) {
        struct slice text = arena_printf(
            test_arena(), CLUSTER CONTEXT "users: [{name: u, user: {%s, " PLUGIN "}}}]\n",
            others[i]);
        expect_slice(access_of(text.data).exec.command, "");
    }
    expect_refusal(CLUSTER CONTEXT "users: [{name: u, user: {" PLUGIN
                                   ", interactiveMode: Always}}}]\n",
                   "user.exec: interactiveMode is Always, and there is no terminal");
}

TEST(kubeconfig, keeps_what_a_cluster_says_for_plugins)
{
    struct kube_access access = access_of(
        "clusters:\n- name: c\n  cluster:\n    server: https://k8s\n    extensions:\n"
        "    - {name: other, extension: {a: 1}}\n    - name: client.authentication.k8s.io/exec\n"
        "      extension: {audience: eks, ports: [1, 007, +2], on: True, off: null}\n" CONTEXT
        "users: [{name: u, user: {" PLUGIN ", provideClusterInfo: true}}}]\n");

    expect(access.exec.provide_cluster_info);
    expect_slice(access.exec.cluster_config,
                 "{\"audience\":\"eks\",\"ports\":[1,\"007\",\"+2\"],\"on\":true,\"off\":null}");
}

TEST(kubeconfig, merges_files_so_that_the_first_one_wins)
{
    struct kubeconfig_file files[] = {
        { SLICE("/a/one"), SLICE("current-context: x\nclusters: [{name: c, cluster: {server: "
                                 "'https://one', certificate-authority: ca}}]\n") },
        { SLICE("/b/two"), SLICE("current-context: y\n" CLUSTER
                                 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                 "users: [{name: u, user: {token: abc}}]\n") },
        { SLICE("/c/empty"), SLICE("") },
    };
    struct kube_access access;
    struct error error = { 0 };

    require_ok(kubeconfig_parse(test_arena(), files, 3, SLICE(""), &access, &error), &error);
    expect_slice(access.server, "https://one");
    expect_slice(access.tls.ca_file, "/a/ca");
    expect_slice(access.token, "abc");
}

TEST(kubeconfig, names_file_and_field_of_what_is_wrong)
{
    expect_refusal(CLUSTER "contexts: []\ncurrent-context: x\n", "context \"x\" is not there");
    expect_refusal(CLUSTER, "no current-context");
    expect_refusal(CLUSTER CONTEXT, "names user \"u\", which no kubeconfig file has");
    expect_refusal(CONTEXT, "names cluster \"c\"");
    expect_refusal("clusters: [{name: c, cluster: {server: k8s}}]\n" CONTEXT,
                   "/home/me/.kube/config: cluster: server must be an http:// or https:// address");
    expect_refusal(
        "clusters: [{name: c, cluster: {server: 'https://k', insecure-skip-tls-verify: true,"
        " certificate-authority: x}}]\n" CONTEXT,
        "insecure-skip-tls-verify cannot be true next to a certificate-authority");
    expect_refusal("clusters: [{name: c, cluster: {server: 'https://k', "
                   "certificate-authority-data: '*'}}]\n" CONTEXT,
                   "certificate-authority-data must be base64");
    expect_refusal(CLUSTER CONTEXT "users: [{name: u, user: {client-certificate: a}}]\n",
                   "client-key is missing");
    expect_refusal(CLUSTER CONTEXT "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n",
                   "auth-provider is no longer supported");
    expect_refusal(CLUSTER CONTEXT "users: [{name: u, user: {exec: {command: aws, apiVersion: "
                                   "client.authentication.k8s.io/v1alpha1}}}]\n",
                   "apiVersion must be client.authentication.k8s.io/v1 or /v1beta1");
    expect_refusal(
        "clusters: [{name: c, cluster: {server: 'https://k', proxy-url: 'proxy:3128'}}]\n" CONTEXT,
        "proxy-url must be an http://, https:// or socks5:// address");
    expect_refusal("[1, 2]", "not a kubeconfig file");
    expect_refusal("a: [", "/home/me/.kube/config: line 2");
}

TEST(kubeconfig, of_a_pod_uses_the_mounted_account)
{
    struct kube_access access;

    kube_access_in_cluster(test_arena(), SLICE("fd00::1"), SLICE("443"), SLICE("/t"), SLICE("/ca"),
                           &access);
    expect_slice(access.server, "https://[fd00::1]:443");
    expect_slice(access.token_file, "/t");
    expect_slice(access.tls.ca_file, "/ca");
    kube_access_in_cluster(test_arena(), SLICE("10.96.0.1"), SLICE("443"), SLICE("/t"),
                           SLICE("/ca"), &access);
    expect_slice(access.server, "https://10.96.0.1:443");
}
