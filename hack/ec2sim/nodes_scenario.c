/*
 * nodes_scenario.c - the scenario's key `kubernetes`, see README.md.
 *
 * Knows the key's fields and says which line is wrong. Refuses to know the rest of the scenario.
 */
#include <headroom/kube_wire.h>
#include <headroom/timestamp.h>

#include "nodes_state.h"

static enum err known_fields(struct nodes *nodes, const struct doc *mapping,
                             const char *const *fields, const char *where, struct error *error)
{
    for (const struct doc *member = doc_first(mapping); member; member = member->next) {
        bool known = false;
        for (uint32_t i = 0; fields[i]; i++) {
            known = known || slice_is(member->key, fields[i]);
        }
        if (!known) {
            return error_set(error, ERR_INVALID, "%.*s:%u: %s has no field \"%.*s\"",
                             SLICE_ARG(nodes->config.scenario_name), member->line, where,
                             SLICE_ARG(member->key));
        }
    }
    return ERR_OK;
}

static enum err read_agent(struct nodes *nodes, const struct doc *node, enum node_agent *ret,
                           struct error *error)
{
    const struct doc *field = doc_get(node, "agent");
    struct slice text = doc_text_or(field, SLICE("model"));

    *ret = slice_is(text, "external") ? AGENT_EXTERNAL
           : slice_is(text, "none")   ? AGENT_NONE
                                      : AGENT_MODEL;
    if (*ret == AGENT_MODEL && !slice_is(text, "model")) {
        return error_set(error, ERR_INVALID,
                         "%.*s:%u: agent must be model, external or none, not \"%.*s\"",
                         SLICE_ARG(nodes->config.scenario_name), field->line, SLICE_ARG(text));
    }
    return ERR_OK;
}

static enum err read_node(struct nodes *nodes, const struct doc *node, struct node_scenario *ret,
                          struct error *error)
{
    static const char *const fields[] = { "instance", "name",  "labels",    "taints",
                                          "maxPods",  "agent", "eniConfig", NULL };
    uint64_t max_pods = 0;
    enum err err = known_fields(nodes, node, fields, "a node", error);

    if (err) {
        return err;
    }
    ret->instance = doc_text(doc_get(node, "instance"));
    ret->name = doc_text(doc_get(node, "name"));
    ret->eniconfig = doc_text(doc_get(node, "eniConfig"));
    ret->labels = doc_get(node, "labels");
    ret->taints = doc_get(node, "taints");
    err = doc_read_u64(doc_get(node, "maxPods"), "maxPods", 10000, &max_pods, error);
    ret->max_pods = (uint32_t)max_pods;
    if (!err) {
        err = read_agent(nodes, node, &ret->agent, error);
    }
    if (!err && ret->instance.len == 0) {
        err = error_set(error, ERR_INVALID, "%.*s:%u: a node must name its instance",
                        SLICE_ARG(nodes->config.scenario_name), node->line);
    }
    return err;
}

static enum err read_nodes(struct nodes *nodes, const struct doc *list, struct error *error)
{
    nodes->scenario = ARENA_ARRAY(&nodes->arena, struct node_scenario, doc_count(list));
    for (const struct doc *node = doc_first(list); node; node = node->next) {
        enum err err = read_node(nodes, node, &nodes->scenario[nodes->scenario_count], error);
        if (err) {
            return err;
        }
        nodes->scenario_count++;
    }
    return ERR_OK;
}

/* The models obey what the DaemonSet says, read as the controller reads it. */
static enum err read_settings(struct nodes *nodes, struct error *error)
{
    const struct doc *daemonset = NULL;
    struct slice odd = { 0 };

    nodes->daemonset = arena_slice(&nodes->arena, nodes_daemonset_json(nodes));
    enum err err = json_parse(&nodes->arena, nodes->daemonset, NULL, &daemonset, error);
    if (!err) {
        err = kube_json_agent(&nodes->arena, daemonset, &nodes->settings, &odd, error);
    }
    if (!err && odd.len > 0) {
        err = error_set(error, ERR_INVALID,
                        "%.*s: kubernetes.agent.%.*s has a value that the agent would not take",
                        SLICE_ARG(nodes->config.scenario_name), SLICE_ARG(odd));
    }
    return err;
}

enum err nodes_read_scenario(struct nodes *nodes, struct error *error)
{
    static const char *const fields[] = {
        "agent", "eniConfigs", "schedule", "retry", "nodes", NULL
    };
    const struct doc *doc = NULL;
    struct slice retry = { 0 };
    enum err err = yaml_parse(&nodes->arena, nodes->config.scenario, nodes->config.scenario_name,
                              NULL, &doc, error);

    if (err) {
        return err;
    }
    const struct doc *kubernetes = doc_get(doc, "kubernetes");
    err = known_fields(nodes, kubernetes, fields, "kubernetes", error);
    if (!err) {
        nodes->env = doc_get(kubernetes, "agent");
        nodes->eniconfigs = doc_get(kubernetes, "eniConfigs");
        err = doc_read_bool(doc_get(kubernetes, "schedule"), "kubernetes.schedule",
                            &nodes->schedule, error);
    }
    if (!err) {
        err = doc_read_text(doc_get(kubernetes, "retry"), "kubernetes.retry", &retry, error);
    }
    if (!err && retry.len > 0 && duration_parse(retry, &nodes->retry_ns) != ERR_OK) {
        err = error_set(error, ERR_INVALID, "%.*s: kubernetes.retry must be a duration such as 10s",
                        SLICE_ARG(nodes->config.scenario_name));
    }
    if (!err) {
        err = read_nodes(nodes, doc_get(kubernetes, "nodes"), error);
    }
    return err ? err : read_settings(nodes, error);
}
