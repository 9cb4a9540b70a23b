/*
 * doctor.c - `headroom doctor`: what keeps Headroom from working in this cluster, and how to mend
 * it.
 *
 * Knows what the manifests install and which rights the controller uses. Asks, and changes nothing:
 * what it asks EC2 are reads and dry runs.
 */
#include <stdarg.h>

#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "doctor.h"

/* ---- checks ---- */

static struct check *add(struct doctor *d, const char *name, enum check_result result)
{
    mem_reserve(&d->checks, &d->check_capacity, d->check_count + 1, sizeof(*d->checks));
    struct check *check = &d->checks[d->check_count++];
    *check = (struct check){ .name = name, .result = result };
    return check;
}

#define SAY(d, check, format)                                                                      \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        (check)->what = arena_vprintf(&(d)->cli->arena, format, args);                             \
        va_end(args);                                                                              \
    } while (0)

void doctor_good(struct doctor *d, const char *name, const char *format, ...)
{
    struct check *check = add(d, name, CHECK_OK);

    SAY(d, check, format);
}

void doctor_skipped(struct doctor *d, const char *name, const char *format, ...)
{
    struct check *check = add(d, name, CHECK_SKIPPED);

    SAY(d, check, format);
}

void doctor_found(struct doctor *d, const char *name, struct slice remedy, const char *format, ...)
{
    struct check *check = add(d, name, CHECK_MEND);

    check->remedy = remedy;
    d->found++;
    SAY(d, check, format);
}

void doctor_unread(struct doctor *d, const char *what, const struct error *error)
{
    doctor_found(d, "unreadable",
                 SLICE("ask with a kubeconfig that may read it, or see the API server's log"),
                 "%s cannot be read: %s", what, error->text);
}

bool doctor_has(const struct doctor *d, const char *name)
{
    uint32_t i = 0;

    while (i < d->check_count && strcmp(d->checks[i].name, name) != 0) {
        i++;
    }
    return i < d->check_count;
}

enum err doctor_get(struct doctor *d, const char *path, const struct doc **ret, struct error *error)
{
    struct slice text = { 0 };
    enum err err = cli_get(d->cli, &d->access, slice_of(path), &text, error);

    if (err == ERR_OK) {
        err = json_parse(&d->cli->arena, text, &(struct doc_limits){ .bytes = 64 << 20 }, ret,
                         error);
    }
    return err;
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
    const struct slice mend = SLICE("kubectl apply -f crds/");
    const struct doc *crd = NULL;
    struct error error = { 0 };
    enum err err = doctor_get(d,
                              "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                              "subnetpools.headroom.dev",
                              &crd, &error);

    if (err == ERR_NOT_FOUND) {
        doctor_found(d, "crd-missing", mend,
                     "this cluster does not know SubnetPools: their CRD is not there");
        return false;
    }
    if (err != ERR_OK) {
        doctor_unread(d, "the CRD subnetpools.headroom.dev", &error);
        return true;
    }
    const struct doc *version = served_version(crd);
    if (!version || !condition_is(crd, "Established", "True")) {
        doctor_found(d, "crd-not-served", mend,
                     "the CRD subnetpools.headroom.dev does not serve v1alpha1");
        return false;
    }
    const struct doc *spec = doc_at(version, "schema", "openAPIV3Schema", "properties", "spec",
                                    "properties");
    for (size_t i = 0; pool_fields[i]; i++) {
        if (!doc_get(spec, pool_fields[i])) {
            doctor_found(d, "crd-outdated", mend,
                         "the CRD is older than this program: it has no spec.%s", pool_fields[i]);
            return true;
        }
    }
    doctor_good(d, "crd", "the CRD is there and has every field that this version knows");
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
            doctor_unread(d, "what the controller may do", &error);
            return;
        }
        if (!doc_bool_or(doc_at(answer, "status", "allowed"), false)) {
            struct slice where = namespace_of(d, right);
            doctor_found(d, "rbac", SLICE("kubectl apply -f manifests/10-rbac.yaml"),
                         "the controller's service account may not %s %s%s%s%s%.*s", right->verb,
                         right->resource, right->subresource[0] ? "/" : "", right->subresource,
                         where.len > 0 ? " in namespace " : "", SLICE_ARG(where));
            missing++;
        }
    }
    if (missing == 0) {
        doctor_good(d, "rbac", "the controller's service account has the rights that it uses");
    }
}

/* ---- the lease ---- */

static void check_leader(struct doctor *d)
{
    struct slice mend = arena_printf(
        &d->cli->arena,
        "kubectl -n %.*s get pods; their log and /readyz say what they "
        "wait for",
        SLICE_ARG(d->cli->run.namespace));
    const struct doc *lease = NULL;
    struct error error = { 0 };
    uint64_t renewed_ns = 0;
    struct slice path = arena_printf(
        &d->cli->arena, "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases/headroom-controller",
        SLICE_ARG(d->cli->run.namespace));
    enum err err = doctor_get(d, path.data, &lease, &error);

    if (err == ERR_NOT_FOUND) {
        doctor_found(d, "never-led", mend,
                     "no controller has ever led: there is no Lease headroom-controller");
        return;
    }
    if (err != ERR_OK) {
        doctor_unread(d, "the Lease headroom-controller", &error);
        return;
    }
    struct slice holder = doc_text(doc_at(lease, "spec", "holderIdentity"));
    if (holder.len == 0 ||
        timestamp_parse(doc_text(doc_at(lease, "spec", "renewTime")), &renewed_ns) != ERR_OK) {
        doctor_found(d, "no-leader", mend,
                     "no controller leads: nobody holds the Lease headroom-controller");
        return;
    }
    uint64_t now_ns = io_wall_ns();
    uint64_t age_s = now_ns > renewed_ns ? (now_ns - renewed_ns) / 1000000000 : 0;
    if (age_s > 60) {
        struct slice age = cli_duration(&d->cli->arena, age_s);
        doctor_found(d, "no-leader", mend,
                     "no controller leads: %.*s renewed the Lease last, %.*s ago",
                     SLICE_ARG(holder), SLICE_ARG(age));
        return;
    }
    doctor_good(d, "leader", "%.*s leads", SLICE_ARG(holder));
}

/* ---- what is printed ---- */

static const char *const results[] = {
    [CHECK_OK] = "ok", [CHECK_MEND] = "mend", [CHECK_SKIPPED] = "skipped"
};

static void write_text(struct doctor *d, struct buf *out)
{
    static const char *const marks[] = {
        [CHECK_OK] = "ok  ", [CHECK_MEND] = "MEND", [CHECK_SKIPPED] = "skip"
    };

    for (uint32_t i = 0; i < d->check_count; i++) {
        const struct check *check = &d->checks[i];
        buf_addf(out, "%s  %s: %.*s\n", marks[check->result], check->name, SLICE_ARG(check->what));
        if (check->remedy.len > 0) {
            buf_addf(out, "      -> %.*s\n", SLICE_ARG(check->remedy));
        }
    }
    if (d->found > 0) {
        buf_addf(out, "\n%u found to mend.\n", d->found);
    } else {
        buf_add_text(out, "\nNothing to mend.\n");
    }
}

static enum err write_json(struct doctor *d, struct error *error)
{
    struct json_out json;

    cli_json_begin(d->cli, &json, "Diagnosis");
    json_key(&json, "checks");
    json_begin_array(&json);
    for (uint32_t i = 0; i < d->check_count; i++) {
        const struct check *check = &d->checks[i];
        json_begin_object(&json);
        json_field_text(&json, "name", slice_of(check->name));
        json_field_text(&json, "result", slice_of(results[check->result]));
        json_field_text(&json, "message", check->what);
        if (check->remedy.len > 0) {
            json_field_text(&json, "remedy", check->remedy);
        }
        json_end_object(&json);
    }
    json_end_array(&json);
    json_field_u64(&json, "toMend", d->found);
    return cli_json_end(d->cli, &json, error);
}

static enum err examine(struct doctor *d, struct error *error)
{
    const struct doc *version = NULL;
    enum err err = cli_access(d->cli, &d->access, error);

    /* Without an answer there is nothing to examine. */
    if (err == ERR_OK) {
        err = doctor_get(d, "/version", &version, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    doctor_good(d, "api-server", "the API server answers: Kubernetes %.*s",
                SLICE_ARG(doc_text(doc_get(version, "gitVersion"))));
    bool pools = check_crd(d);
    check_rights(d);
    check_leader(d);
    doctor_agent(d);
    if (pools) {
        doctor_pools(d);
    }
    doctor_cloud(d);
    if (pools && d->surveyed) {
        doctor_pools_against_subnets(d);
    }
    return ERR_OK;
}

enum err cli_doctor(struct cli *cli, struct error *error)
{
    struct doctor d = { .cli = cli };
    enum err err = examine(&d, error);

    cli->findings = d.found;
    if (err == ERR_OK && cli->format == CLI_TEXT) {
        write_text(&d, &cli->out);
    } else if (err == ERR_OK) {
        err = write_json(&d, error);
    }
    survey_done(&d.survey);
    mem_free(d.checks);
    return err;
}
