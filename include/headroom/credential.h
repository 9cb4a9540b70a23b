/*
 * credential.h - what an API server is shown, and what an exec plugin is told and answers.
 *
 *   token       --> "Bearer ..."
 *   access      --> KUBERNETES_EXEC_INFO --> the plugin --> ExecCredential --> token, certificate
 *
 * The format is client.authentication.k8s.io v1 and v1beta1, which differ in nothing but their
 * name. Running the plugin, and when to run it again, is the caller's.
 */
#ifndef HEADROOM_CREDENTIAL_H
#define HEADROOM_CREDENTIAL_H

#include <headroom/kubeconfig.h>

/* Values of the Authorization header; secret. */
struct slice credential_bearer(struct arena *arena, struct slice token);
struct slice credential_basic(struct arena *arena, struct slice username, struct slice password);

/* How the plugin is run: fills in everything of a fetch but its id. It is given a minute, and may
 * print 256 KiB. ca_pem: the certificate authority, whose bytes a plugin that asks for them is
 * given also where the kubeconfig names a file; empty: the system's. */
void credential_fetch(struct arena *arena, const struct kube_access *access, struct slice ca_pem,
                      struct fetch *ret);
/* The plugin is given the bytes of this file; empty: of none. */
struct slice credential_ca_file(const struct kube_access *access);

struct credential {
    struct slice token, cert_pem, key_pem; /* one of the two ways at least; may be empty */
    uint64_t expires_wall_ns;              /* UINT64_MAX: the plugin does not say */
};

/* What the plugin printed. Lives in the arena; the error says what is wrong with it. */
enum err credential_read(struct arena *arena, struct slice api_version, struct slice text,
                         struct credential *ret, struct error *error) ERR_CHECKED;

/* The server has answered 401: names the context and what it was shown, as in "client certificate
 * /etc/me.crt", but no secret. ERR_DENIED. */
enum err credential_rejected(struct arena *arena, const struct kube_access *access,
                             struct error *error);

/* "credential plugin "aws": ..." before what went wrong, and after it the kubeconfig's hint how to
 * install it, if it was not found. */
void credential_explain(const struct kube_access *access, struct error *error);

#endif
