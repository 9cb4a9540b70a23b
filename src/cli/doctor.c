/*
 * doctor.c - `headroom doctor`: what keeps Headroom from working in this cluster, and how to mend
 * it.
 *
 * Knows what the manifests install, which rights the controller uses, and the agent's settings that
 * leave a node without a reserve. Asks the Kubernetes API alone, and changes nothing; what EC2 says
 * is in the pools' conditions, which it repeats.
 */
#include <stdarg.h>
#include <stdio.h>

#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "cli.h"

struct doctor {
    struct cli *cli;
    struct kube_access access;
};

static void good(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void good(struct doctor *d, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_addf(&d->cli->out, "ok    %s\n", text);
}

/* `mend`: what to do, in the imperative; `what` may be long. */
static void found(struct doctor *d, struct slice what, const char *mend)
{
    buf_addf(&d->cli->out, "MEND  %.*s\n", SLICE_ARG(what));
    if (mend) {
        buf_addf(&d->cli->out, "      -> %s\n", mend);
    }
    d->cli->findings++;
}

#define FOUND(d, mend, ...) found((d), arena_printf(&(d)->cli->arena, __VA_ARGS__), (mend))

static enum err get(struct doctor *d, const char *path, const struct doc **ret, struct error *error)
{
    struct slice text = { 0 };
    enum err err = cli_get(d->cli, &d->access, slice_of(path), &text, error);

    if (err == ERR_OK) {
        err = json_parse(&d->cli->arena, text, &(struct doc_limits){ .bytes = 64 << 20 }, ret,
                         error);
    }
    return err;
}

/* What is there and may not be read, or does not answer, is a finding too. */
static void unread(struct doctor *d, const char *what, const struct error *error)
{
    FOUND(d, "ask with a kubeconfig that may read it, or see the API server's log",
          "%s cannot be read: %s", what, error->text);
}

static bool condition_is(const struct doc *object, const char *type, const char *value)
{
    for (const struct doc *c = doc_first(doc_at(object, "status", "conditions")); c; c = c->next) {
        if (slice_is(doc_text(doc_get(c, "type")), type)) {
            return slice_is(doc_text(doc_get(c, "status")), value);
        }
    }
    return false;
}

/* ---- the CRD ---- */

static const struct doc *served_version(const struct doc *crd)
{
    for (const struct doc *v = doc_first(doc_at(crd, "spec", "versions")); v; v = v->next) {
        if (slice_is(doc_text(doc_get(v, "name")), "v1alpha1") &&
            doc_bool_or(doc_get(v, "served"), false)) {
            return v;
        }
    }
    return NULL;
}

static bool check_crd(struct doctor *d)
{
    static const char *const fields[] = {
        "subnetSelectorTerms",
        "nodeSelector",
        "weight",
        "securityGroupSelectorTerms",
        "watermarks",
        "reservedIPs",
        "headroom",
        "strategy",
        "addressing",
        "limits",
        "onNodeExhausted",
        "maxDataAge",
        "paused",
        "dryRun",
    };
    static const char mend[] = "kubectl apply -f crds/";
    const struct doc *crd = NULL;
    struct error error = { 0 };
    enum err err = get(d,
                       "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                       "subnetpools.headroom.dev",
                       &crd, &error);

    if (err == ERR_NOT_FOUND) {
        FOUND(d, mend, "this cluster does not know SubnetPools: their CRD is not there");
        return false;
    }
    if (err != ERR_OK) {
        unread(d, "the CRD subnetpools.headroom.dev", &error);
        return true;
    }
    const struct doc *version = served_version(crd);
    if (!version || !condition_is(crd, "Established", "True")) {
        FOUND(d, mend, "the CRD subnetpools.headroom.dev does not serve v1alpha1");
        return false;
    }
    const struct doc *spec = doc_at(version, "schema", "openAPIV3Schema", "properties", "spec",
                                    "properties");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!doc_get(spec, fields[i])) {
            FOUND(d, mend, "the CRD is older than this program: it has no spec.%s", fields[i]);
            return true;
        }
    }
    good(d, "the CRD is there and has every field that this version knows");
    return true;
}

/* ---- rights ---- */

struct right {
    const char *verb, *group, *resource, *subresource, *namespace, *name;
};

/* As manifests/10-rbac.yaml gives them; OWN stands for the controller's namespace. */
#define OWN "."
static const struct right rights[] = {
    { "list", "", "nodes", "", "", "" },
    { "watch", "", "nodes", "", "", "" },
    { "get", "", "nodes", "", "", "" },
    { "patch", "", "nodes", "", "", "" },
    { "patch", "", "nodes", "status", "", "" },
    { "list", "", "pods", "", "", "" },
    { "watch", "", "pods", "", "", "" },
    { "list", "headroom.dev", "subnetpools", "", "", "" },
    { "watch", "headroom.dev", "subnetpools", "", "", "" },
    { "patch", "headroom.dev", "subnetpools", "status", "", "" },
    { "list", "crd.k8s.amazonaws.com", "eniconfigs", "", "", "" },
    { "watch", "crd.k8s.amazonaws.com", "eniconfigs", "", "", "" },
    { "list", "apps", "daemonsets", "", "kube-system", "" },
    { "watch", "apps", "daemonsets", "", "kube-system", "" },
    { "create", "coordination.k8s.io", "leases", "", OWN, "" },
    { "get", "coordination.k8s.io", "leases", "", OWN, "headroom-controller" },
    { "update", "coordination.k8s.io", "leases", "", OWN, "headroom-controller" },
    { "create", "events.k8s.io", "events", "", "default", "" },
    { "patch", "events.k8s.io", "events", "", "default", "" },
};

static struct slice namespace_of(const struct doctor *d, const struct right *right)
{
    return right->namespace[0] == '.' ? d->cli->run.namespace : slice_of(right->namespace);
}

static struct slice review_of(struct doctor *d, const struct right *right)
{
    struct buf text;
    struct json_out json;

    buf_init(&text, 4096);
    json_start(&json, &text);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("authorization.k8s.io/v1"));
    json_field_text(&json, "kind", SLICE("SubjectAccessReview"));
    json_key(&json, "spec");
    json_begin_object(&json);
    json_key(&json, "user");
    json_textf(&json, "system:serviceaccount:%.*s:headroom-controller",
               SLICE_ARG(d->cli->run.namespace));
    json_key(&json, "resourceAttributes");
    json_begin_object(&json);
    json_field_text(&json, "verb", slice_of(right->verb));
    json_field_text(&json, "group", slice_of(right->group));
    json_field_text(&json, "resource", slice_of(right->resource));
    json_field_text(&json, "subresource", slice_of(right->subresource));
    json_field_text(&json, "namespace", namespace_of(d, right));
    json_field_text(&json, "name", slice_of(right->name));
    json_end_object(&json);
    json_end_object(&json);
    json_end_object(&json);
    struct slice ret = arena_slice(&d->cli->arena, buf_slice(&text));
    buf_done(&text);
    return ret;
}

static void check_rights(struct doctor *d)
{
    uint32_t missing = 0;

    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        const struct right *right = &rights[i];
        const struct doc *answer = NULL;
        struct slice text = { 0 };
        struct error error = { 0 };
        enum err err = cli_post(d->cli, &d->access,
                                SLICE("/apis/authorization.k8s.io/v1/subjectaccessreviews"),
                                review_of(d, right), &text, &error);
        if (err == ERR_OK) {
            err = json_parse(&d->cli->arena, text, NULL, &answer, &error);
        }
        if (err != ERR_OK) {
            unread(d, "what the controller may do", &error);
            return;
        }
        if (!doc_bool_or(doc_at(answer, "status", "allowed"), false)) {
            struct slice where = namespace_of(d, right);
            FOUND(d, "kubectl apply -f manifests/10-rbac.yaml",
                  "the controller's service account may not %s %s%s%s%s%.*s", right->verb,
                  right->resource, right->subresource[0] ? "/" : "", right->subresource,
                  where.len > 0 ? " in namespace " : "", SLICE_ARG(where));
            missing++;
        }
    }
    if (missing == 0) {
        good(d, "the controller's service account has the rights that it uses");
    }
}

/* ---- the lease ---- */

static void check_leader(struct doctor *d)
{
    static const char mend[] =
        "kubectl -n headroom-system get pods; their log and /readyz say what they wait for";
    const struct doc *lease = NULL;
    struct error error = { 0 };
    uint64_t renewed_ns = 0;
    struct slice path = arena_printf(
        &d->cli->arena, "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases/headroom-controller",
        SLICE_ARG(d->cli->run.namespace));
    enum err err = get(d, path.data, &lease, &error);

    if (err == ERR_NOT_FOUND) {
        FOUND(d, mend, "no controller has ever led: there is no Lease headroom-controller");
        return;
    }
    if (err != ERR_OK) {
        unread(d, "the Lease headroom-controller", &error);
        return;
    }
    struct slice holder = doc_text(doc_at(lease, "spec", "holderIdentity"));
    if (holder.len == 0 ||
        timestamp_parse(doc_text(doc_at(lease, "spec", "renewTime")), &renewed_ns) != ERR_OK) {
        FOUND(d, mend, "no controller leads: nobody holds the Lease headroom-controller");
        return;
    }
    uint64_t now_ns = io_wall_ns();
    uint64_t age_s = now_ns > renewed_ns ? (now_ns - renewed_ns) / 1000000000 : 0;
    if (age_s > 60) {
        struct slice age = cli_duration(&d->cli->arena, age_s);
        FOUND(d, mend, "no controller leads: %.*s renewed the Lease last, %.*s ago",
              SLICE_ARG(holder), SLICE_ARG(age));
        return;
    }
    good(d, "%.*s leads", SLICE_ARG(holder));
}

/* ---- the agent ---- */

struct settings {
    const struct doc *env;
};

/* As the agent reads it: what is empty is not set. */
static struct slice setting(const struct settings *s, const char *name)
{
    for (const struct doc *e = doc_first(s->env); e; e = e->next) {
        if (slice_is(doc_text(doc_get(e, "name")), name)) {
            return doc_text(doc_get(e, "value"));
        }
    }
    return (struct slice){ 0 };
}

static bool set_to(const struct settings *s, const char *name, const char *value)
{
    return slice_is(setting(s, name), value);
}

/* Present and not "0". */
static bool some(const struct settings *s, const char *name)
{
    struct slice value = setting(s, name);

    return value.len > 0 && !slice_is(value, "0");
}

static void judge_settings(struct doctor *d, const struct settings *s)
{
    uint32_t before = d->cli->findings;
    bool prefixes = set_to(s, "ENABLE_PREFIX_DELEGATION", "true");

    if (set_to(s, "ENABLE_IPv6", "true")) {
        FOUND(d, "Headroom cannot help an IPv6 cluster, and need not: uninstall it",
              "aws-node runs with ENABLE_IPv6");
    }
    if (some(s, "MINIMUM_IP_TARGET") && !some(s, "WARM_IP_TARGET")) {
        FOUND(d, "kubectl -n kube-system set env ds/aws-node WARM_IP_TARGET=2",
              "aws-node has MINIMUM_IP_TARGET without WARM_IP_TARGET: above the minimum it keeps "
              "no address free, and each further pod waits for EC2");
    }
    if (!prefixes && set_to(s, "WARM_ENI_TARGET", "0") && !some(s, "WARM_IP_TARGET") &&
        !some(s, "MINIMUM_IP_TARGET")) {
        FOUND(d, "kubectl -n kube-system set env ds/aws-node WARM_ENI_TARGET=1",
              "aws-node has WARM_ENI_TARGET=0 and no WARM_IP_TARGET: it keeps no address free, and "
              "pods wait for EC2");
    }
    if (prefixes && !some(s, "WARM_PREFIX_TARGET") && !some(s, "WARM_IP_TARGET") &&
        !some(s, "MINIMUM_IP_TARGET")) {
        FOUND(d, "kubectl -n kube-system set env ds/aws-node WARM_PREFIX_TARGET=1",
              "aws-node delegates prefixes and has neither WARM_PREFIX_TARGET nor WARM_IP_TARGET: "
              "it frees any ENI without pods, so Headroom can help waiting pods only");
    }
    if (d->cli->findings == before) {
        good(d, "the settings of aws-node and Headroom go together");
    }
}

static void check_agent(struct doctor *d)
{
    const struct doc *set = NULL;
    struct error error = { 0 };
    enum err err = get(d, "/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node", &set, &error);

    if (err == ERR_NOT_FOUND) {
        FOUND(d, "Headroom works with the Amazon VPC CNI alone; is this the right cluster?",
              "there is no DaemonSet kube-system/aws-node");
        return;
    }
    if (err != ERR_OK) {
        unread(d, "the DaemonSet kube-system/aws-node", &error);
        return;
    }
    const struct doc *containers = doc_at(set, "spec", "template", "spec", "containers");
    for (const struct doc *c = doc_first(containers); c; c = c->next) {
        if (slice_is(doc_text(doc_get(c, "name")), "aws-node")) {
            judge_settings(d, &(struct settings){ doc_get(c, "env") });
            return;
        }
    }
    FOUND(d, NULL, "the DaemonSet kube-system/aws-node has no container aws-node");
}

/* ---- pools ---- */

static void check_pool(struct doctor *d, const struct doc *pool)
{
    uint32_t before = d->cli->findings;
    struct slice name = doc_text(doc_at(pool, "metadata", "name"));
    const struct doc *status = doc_get(pool, "status");

    if (doc_u64_or(doc_get(status, "observedGeneration"), 0) <
        doc_u64_or(doc_at(pool, "metadata", "generation"), 0)) {
        FOUND(d, "see whether a controller leads",
              "no controller has looked at pool %.*s since it was changed", SLICE_ARG(name));
        return;
    }
    for (const struct doc *c = doc_first(doc_get(status, "conditions")); c; c = c->next) {
        if (slice_is(doc_text(doc_get(c, "status")), "False") &&
            !slice_is(doc_text(doc_get(c, "type")), "Ready")) {
            struct slice message = doc_text(doc_get(c, "message"));
            FOUND(d, NULL, "pool %.*s, %.*s: %.*s", SLICE_ARG(name),
                  SLICE_ARG(doc_text(doc_get(c, "reason"))), SLICE_ARG(message));
        }
    }
    if (doc_u64_or(doc_at(status, "nodes", "total"), 0) == 0) {
        FOUND(d, "compare its nodeSelector with kubectl get nodes --show-labels",
              "pool %.*s serves no node", SLICE_ARG(name));
    }
    if (d->cli->findings == before) {
        const struct doc *spec = doc_get(pool, "spec");
        good(d, "pool %.*s: %.*s subnets, %.*s nodes%s%s", SLICE_ARG(name),
             SLICE_ARG(doc_text(doc_at(status, "summary", "subnets"))),
             SLICE_ARG(doc_text(doc_at(status, "nodes", "total"))),
             doc_bool_or(doc_get(spec, "paused"), false) ? "; paused" : "",
             doc_bool_or(doc_get(spec, "dryRun"), false) ? "; dryRun, changes nothing" : "");
    }
}

static void check_pools(struct doctor *d)
{
    const struct doc *list = NULL;
    struct error error = { 0 };

    if (get(d, "/apis/headroom.dev/v1alpha1/subnetpools", &list, &error) != ERR_OK) {
        unread(d, "the SubnetPools", &error);
        return;
    }
    const struct doc *first = doc_first(doc_get(list, "items"));
    if (!first) {
        FOUND(d, "kubectl apply -f manifests/samples/subnetpool.yaml",
              "there is no SubnetPool: Headroom acts only where one asks it to");
    }
    for (const struct doc *pool = first; pool; pool = pool->next) {
        check_pool(d, pool);
    }
}

enum err cli_doctor(struct cli *cli, struct error *error)
{
    struct doctor d = { .cli = cli };
    const struct doc *version = NULL;
    enum err err = cli_access(cli, &d.access, error);

    if (err != ERR_OK) {
        return err;
    }
    /* Without an answer there is nothing to examine. */
    err = get(&d, "/version", &version, error);
    if (err != ERR_OK) {
        return err;
    }
    good(&d, "the API server answers: Kubernetes %.*s",
         SLICE_ARG(doc_text(doc_get(version, "gitVersion"))));
    bool pools = check_crd(&d);
    check_rights(&d);
    check_leader(&d);
    check_agent(&d);
    if (pools) {
        check_pools(&d);
    }
    if (cli->findings > 0) {
        buf_addf(&cli->out, "\n%u found to mend.\n", cli->findings);
    } else {
        buf_add_text(&cli->out, "\nNothing to mend.\n");
    }
    return ERR_OK;
}
