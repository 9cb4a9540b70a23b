/*
 * kubeconfig.h - how to reach and to convince a Kubernetes API server.
 *
 * Parses kubeconfig files (YAML; also JSON, which is YAML) as kubectl does: contexts, merging of a
 * list of files (first one wins for each name), client certificates and CAs in files or inline,
 * tokens, token files, exec plugins (client.authentication.k8s.io v1 and v1beta1), tls-server-name,
 * proxy-url, insecure-skip-tls-verify, username and password (Basic), as, as-uid, as-groups and
 * as-user-extra. Refuses by name what is no longer supported (auth-provider) and what needs a
 * terminal (interactiveMode Always). Relative paths are resolved against their file's folder. Of
 * several ways to convince the server the exec plugin is the last: it runs only if there is no
 * token, password or certificate.
 */
#ifndef HEADROOM_KUBECONFIG_H
#define HEADROOM_KUBECONFIG_H

#include <headroom/arena.h>
#include <headroom/fetch.h>

struct kube_access {
    struct slice server;    /* https://host:port, no trailing slash */
    struct slice context;   /* its name, for messages; "in-cluster" */
    struct slice namespace; /* of the context; may be empty */
    struct fetch_tls tls;
    struct slice token;      /* fixed bearer token; secret */
    struct slice token_file; /* re-read: rotates */
    struct slice username, password;
    struct {
        struct slice command; /* empty: no plugin */
        const struct slice *args;
        size_t arg_count;
        const struct fetch_header *env;
        size_t env_count;
        struct slice api_version;
        struct slice install_hint;
        bool provide_cluster_info;
        struct slice cluster_config; /* JSON: what the cluster's entry says for the plugin */
    } exec;
    /* Impersonate-User and its like, as kubectl's --as, --as-group, --as-uid send them. */
    const struct fetch_header *impersonate;
    size_t impersonate_count;
};

struct kubeconfig_file {
    struct slice path; /* for messages and relative paths */
    struct slice content;
};

/* Everything in ret lives in the arena. context empty: current-context. The error names file and
 * field. */
enum err kubeconfig_parse(struct arena *arena, const struct kubeconfig_file *files, size_t count,
                          struct slice context, struct kube_access *ret, struct error *error)
    ERR_CHECKED;

/* The in-cluster account: KUBERNETES_SERVICE_HOST, _PORT and the mounted token and CA, by path. */
void kube_access_in_cluster(struct arena *arena, struct slice host, struct slice port,
                            struct slice token_file, struct slice ca_file, struct kube_access *ret);

/* Deep copy into the arena. */
void kube_access_copy(struct arena *arena, const struct kube_access *from, struct kube_access *ret);

#endif
