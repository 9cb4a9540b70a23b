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

static enum err here(struct cli *cli, struct slice node, struct error *error)
{
    struct engine_config config;
    struct plan_decision decision;
    struct run run;
    enum err err = run_config(&cli->arena, &cli->run, &config, error);

    if (err != ERR_OK) {
        return err;
    }
    struct engine *engine = engine_new(&config);
    run_init(&run, cli->io, engine);
    run.level = LOG_ERROR;
    run.plain_logs = true;
    err = run_until_planned(&run, cli->timeout_ns, error);
    if (err == ERR_OK && !plan_decision_of(engine_planner(engine), node, &decision)) {
        err = error_set(error, ERR_NOT_FOUND, "the cluster has no node \"%.*s\"", SLICE_ARG(node));
    }
    if (err == ERR_OK) {
        print_decision(cli, &decision);
    }
    run_done(&run);
    engine_free(engine);
    return err;
}

static void print_node(struct cli *cli, const struct doc *node)
{
    struct slice why = doc_text(doc_get(node, "detail"));
    const struct doc *stall = doc_get(node, "stallIn");

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
}

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
            print_node(cli, node);
            return ERR_OK;
        }
    }
    return error_set(
        error, ERR_NOT_FOUND,
        "the controller shows its neediest %u of %llu nodes, and \"%.*s\" is not among "
        "them; without --url the plan is made here for every node",
        doc_count(doc_get(state, "nodes")),
        (unsigned long long)doc_u64_or(doc_get(state, "nodeTotal"), 0), SLICE_ARG(name));
}

enum err cli_explain(struct cli *cli, struct slice node, struct error *error)
{
    return cli->url.len > 0 ? there(cli, node, error) : here(cli, node, error);
}
