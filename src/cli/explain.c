/*
 * explain.c - `headroom explain NODE`: what was decided for a node, and from which facts.
 *
 * Knows a decision's inputs and how to say them. Refuses to decide: the planner does, the
 * controller's own or one that runs here for a moment
 * and may only read.
 */
#include "cli.h"

static void fact(struct cli *cli, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fact(struct cli *cli, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = arena_vprintf(&cli->arena, format, args);
    va_end(args);
    if (text.len > 0) {
        buf_addf(&cli->out, "  %-16s %.*s\n", name, SLICE_ARG(text));
    }
}

static void print_decision(struct cli *cli, const struct plan_decision *decision)
{
    buf_addf(&cli->out, "%.*s: %s\n  %.*s\n\n", SLICE_ARG(decision->node),
             plan_decision_name(decision->kind),
             SLICE_ARG(decision->detail.len > 0 ? decision->detail
                                                : slice_of(plan_decision_text(decision->kind))));
    fact(cli, "pool", "%.*s", SLICE_ARG(decision->pool));
    fact(cli, "zone", "%.*s", SLICE_ARG(decision->zone));
    fact(cli, "instance", "%s %.*s", decision->instance.text, SLICE_ARG(decision->instance_type));
    if (decision->exclusion != NODE_EXCLUDED_NONE) {
        fact(cli, "left alone", "%s", node_exclusion_text(decision->exclusion));
        return;
    }
    fact(cli, "addresses", "%u, of which pods hold %u and %u are free", decision->addresses,
         decision->holding, decision->avail);
    fact(cli, "pods waiting", "%u", decision->waiting);
    fact(cli, "agent wants", "%u free addresses%s", decision->warm_target,
         decision->low ? ", so it is low" : "");
    fact(cli, "agent can grow", "%s", decision->agent_can_grow ? "yes, by itself" : "no");
    fact(cli, "ENIs", "%u of %u", decision->enis, decision->eni_limit);
    if (decision->stall_in_s != FORECAST_NEVER_S) {
        fact(cli, "runs out in", "%s", cli_duration(&cli->arena, decision->stall_in_s).data);
    }
    if (decision->subnet.text[0] != '\0') {
        fact(cli, "subnet", "%s, device index %u, %u addresses, %u prefixes", decision->subnet.text,
             decision->device_index, decision->ips, decision->prefixes);
    }
}

static enum err decision_json(struct cli *cli, const struct plan_decision *d, struct error *error)
{
    struct json_out json;

    cli_json_begin(cli, &json, "Explanation");
    json_field_text(&json, "node", d->node);
    json_field_text(&json, "decision", slice_of(plan_decision_name(d->kind)));
    json_field_text(&json, "why",
                    d->detail.len > 0 ? d->detail : slice_of(plan_decision_text(d->kind)));
    json_field_text(&json, "pool", d->pool);
    json_field_text(&json, "zone", d->zone);
    json_field_text(&json, "instance", aws_id_slice(&d->instance));
    json_field_text(&json, "instanceType", d->instance_type);
    json_field_u64(&json, "addresses", d->addresses);
    json_field_u64(&json, "holding", d->holding);
    json_field_u64(&json, "available", d->avail);
    json_field_u64(&json, "waiting", d->waiting);
    json_field_u64(&json, "warmTarget", d->warm_target);
    json_field_bool(&json, "low", d->low);
    json_field_bool(&json, "agentCanGrow", d->agent_can_grow);
    json_field_u64(&json, "enis", d->enis);
    json_field_u64(&json, "eniLimit", d->eni_limit);
    if (d->stall_in_s != FORECAST_NEVER_S) {
        json_field_u64(&json, "stallInSeconds", d->stall_in_s);
    }
    if (d->subnet.text[0] != '\0') {
        json_field_text(&json, "subnet", aws_id_slice(&d->subnet));
        json_field_u64(&json, "deviceIndex", d->device_index);
        json_field_u64(&json, "ips", d->ips);
        json_field_u64(&json, "prefixes", d->prefixes);
    }
    return cli_json_end(cli, &json, error);
}

static enum err here(struct cli *cli, struct slice node, struct error *error)
{
    struct engine_config config;
    struct plan_decision decision;
    struct io *io = NULL; /* its own: the watches end with it */
    struct run run;
    enum err err = run_config(&cli->arena, &cli->run, &config, error);

    if (err == ERR_OK) {
        err = io_new(&io, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct engine *engine = engine_new(&config);
    run_init(&run, io, engine);
    run.level = (enum log_level)(LOG_ERROR + 1); /* the error says it all */
    err = run_until_planned(&run, cli->timeout_ns, error);
    if (err == ERR_OK && !plan_decision_of(engine_planner(engine), node, &decision)) {
        err = error_set(error, ERR_NOT_FOUND, "the cluster has no node \"%.*s\"", SLICE_ARG(node));
    }
    if (err == ERR_OK && cli->format != CLI_TEXT) {
        err = decision_json(cli, &decision, error);
    } else if (err == ERR_OK) {
        print_decision(cli, &decision);
    }
    run_done(&run);
    engine_free(engine);
    io_free(io);
    return err;
}

static void field_optional(struct json_out *json, const char *key, const struct doc *value)
{
    if (value) {
        json_field_u64(json, key, doc_u64_or(value, 0));
    }
}

/* The same fields from either source; what a controller's page does not tell is left out. */
static enum err state_json(struct cli *cli, const struct doc *node, struct error *error)
{
    struct json_out json;
    struct slice why = doc_text(doc_get(node, "detail"));

    cli_json_begin(cli, &json, "Explanation");
    json_field_text(&json, "node", doc_text(doc_get(node, "name")));
    json_field_text(&json, "decision", doc_text(doc_get(node, "decision")));
    json_field_text(&json, "why", why.len > 0 ? why : doc_text(doc_get(node, "text")));
    json_field_text(&json, "pool", doc_text(doc_get(node, "pool")));
    json_field_text(&json, "zone", doc_text(doc_get(node, "zone")));
    field_optional(&json, "addresses", doc_get(node, "addresses"));
    field_optional(&json, "holding", doc_get(node, "holding"));
    field_optional(&json, "waiting", doc_get(node, "waiting"));
    field_optional(&json, "enis", doc_get(node, "enis"));
    field_optional(&json, "eniLimit", doc_get(node, "eniLimit"));
    field_optional(&json, "stallInSeconds", doc_get(node, "stallIn"));
    return cli_json_end(cli, &json, error);
}

static enum err print_node(struct cli *cli, const struct doc *node, struct error *error)
{
    struct slice why = doc_text(doc_get(node, "detail"));
    const struct doc *stall = doc_get(node, "stallIn");

    if (cli->format != CLI_TEXT) {
        return state_json(cli, node, error);
    }
    buf_addf(&cli->out, "%.*s: %.*s\n  %.*s\n\n", SLICE_ARG(doc_text(doc_get(node, "name"))),
             SLICE_ARG(doc_text(doc_get(node, "decision"))),
             SLICE_ARG(why.len > 0 ? why : doc_text(doc_get(node, "text"))));
    fact(cli, "pool", "%.*s", SLICE_ARG(doc_text(doc_get(node, "pool"))));
    fact(cli, "zone", "%.*s", SLICE_ARG(doc_text(doc_get(node, "zone"))));
    fact(cli, "addresses", "%.*s, of which pods hold %.*s",
         SLICE_ARG(doc_text(doc_get(node, "addresses"))),
         SLICE_ARG(doc_text(doc_get(node, "holding"))));
    fact(cli, "pods waiting", "%.*s", SLICE_ARG(doc_text(doc_get(node, "waiting"))));
    fact(cli, "ENIs", "%.*s of %.*s", SLICE_ARG(doc_text(doc_get(node, "enis"))),
         SLICE_ARG(doc_text(doc_get(node, "eniLimit"))));
    if (stall) {
        fact(cli, "runs out in", "%s", cli_duration(&cli->arena, doc_u64_or(stall, 0)).data);
    }
    return ERR_OK;
}

/* ERR_NOT_FOUND: the controller shows its neediest nodes only. */
static enum err there(struct cli *cli, struct slice name, struct error *error)
{
    const struct doc *state = NULL;
    struct slice text;
    enum err err = cli_state(cli, &state, &text, error);

    if (err != ERR_OK) {
        return err;
    }
    for (const struct doc *node = doc_first(doc_get(state, "nodes")); node; node = node->next) {
        if (slice_eq(doc_text(doc_get(node, "name")), name)) {
            return print_node(cli, node, error);
        }
    }
    return error_set(
        error, ERR_NOT_FOUND,
        "the controller shows its neediest %u of %llu nodes, and \"%.*s\" is not among "
        "them; with --here the plan is made on this machine for every node",
        doc_count(doc_get(state, "nodes")),
        (unsigned long long)doc_u64_or(doc_get(state, "nodeTotal"), 0), SLICE_ARG(name));
}

/* namespace/name of a pod: its node's name. */
static enum err find_node(struct cli *cli, struct slice what, struct slice *ret,
                          struct error *error)
{
    struct kube_access access;
    const struct doc *pod = NULL;
    struct slice text, name = what, namespace = slice_cut(&name, '/');
    enum err err = ERR_OK;

    *ret = what;
    if (namespace.len == what.len) {
        return ERR_OK;
    }
    err = cli_access(cli, &access, error);
    if (err == ERR_OK) {
        err = cli_get(cli, &access,
                      arena_printf(&cli->arena, "/api/v1/namespaces/%.*s/pods/%.*s",
                                   SLICE_ARG(namespace), SLICE_ARG(name)),
                      &text, error);
    }
    if (err == ERR_OK) {
        err = json_parse(&cli->arena, text, NULL, &pod, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    *ret = doc_text(doc_at(pod, "spec", "nodeName"));
    if (ret->len == 0) {
        return error_set(error, ERR_NOT_FOUND,
                         "pod %.*s is on no node yet: that is the scheduler's to explain, see "
                         "kubectl describe pod",
                         SLICE_ARG(what));
    }
    if (cli->format == CLI_TEXT) {
        struct slice ip = doc_text(doc_at(pod, "status", "podIP"));
        buf_addf(&cli->out, "Pod %.*s is on node %.*s, %s%.*s\n\n", SLICE_ARG(what),
                 SLICE_ARG(*ret), ip.len > 0 ? "with address " : "without an address yet",
                 SLICE_ARG(ip));
    }
    return ERR_OK;
}

/* What the leader decided is the truth; else the same planner decides here. */
enum err cli_explain(struct cli *cli, struct slice what, struct error *error)
{
    struct error first = { 0 };
    struct slice node;
    enum err err = find_node(cli, what, &node, error);

    if (err != ERR_OK || cli->here) {
        return err == ERR_OK ? here(cli, node, error) : err;
    }
    err = there(cli, node, &first);
    if (err == ERR_OK || cli->url.len > 0) {
        *error = first;
        return err;
    }
    err = here(cli, node, error);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        struct error second = *error;
        return error_set(error, err,
                         "%s; nor can the plan be made here: %s. Try kubectl -n %.*s port-forward "
                         "deploy/headroom-controller 10270 and --url http://127.0.0.1:10270",
                         first.text, second.text, SLICE_ARG(cli->run.namespace));
    }
    return err;
}
