/*
 * nodes_scenario.c - the scenario's key `kubernetes` and what its instances say of their nodes, see
 * README.md.
 *
 * Knows these fields and says which line is wrong. Refuses to know the rest of the scenario.
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

/* The ids of a row with a count, as the modelled EC2 makes them. */
static enum err instance_id(struct nodes *nodes, const struct doc *row, uint64_t number,
                            uint64_t count, struct aws_id *ret)
{
    struct slice id = doc_text(doc_get(row, "id"));
    struct slice name = doc_text(doc_get(row, "name"));
    const char *format = count > 1 ? "%.*s-%llu" : "%.*s";

    if (id.len == 0) {
        name = arena_printf(&nodes->scratch, format, SLICE_ARG(name), (unsigned long long)number);
        id = arena_printf(&nodes->scratch, "i-0%016llx", (unsigned long long)slice_hash(name));
    } else {
        id = arena_printf(&nodes->scratch, format, SLICE_ARG(id), (unsigned long long)number);
    }
    return aws_id_set(ret, id);
}

static enum err read_instance(struct nodes *nodes, const struct doc *row, struct error *error)
{
    uint64_t count = doc_u64_or(doc_get(row, "count"), 1), max_pods = 0;
    struct node_scenario one = {
        .name = doc_text(doc_get(row, "node")),
        .labels = doc_get(row, "labels"),
        .annotations = doc_get(row, "annotations"),
        .taints = doc_get(row, "taints"),
    };
    enum err err = doc_read_u64(doc_get(row, "max_pods"), "max_pods", 10000, &max_pods, error);

    one.max_pods = (uint32_t)max_pods;
    if (!err) {
        err = read_agent(nodes, row, &one.agent, error);
    }
    for (uint64_t i = 1; i <= count && !err; i++) {
        if (instance_id(nodes, row, i, count, &one.instance) == ERR_OK) {
            mem_reserve(&nodes->scenario, &nodes->scenario_capacity, nodes->scenario_count + 1,
                        sizeof(struct node_scenario));
            nodes->scenario[nodes->scenario_count++] = one;
        }
    }
    return err;
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
    static const char *const fields[] = { "agent", "eniConfigs", "schedule",
                                          "retry", "serving",    NULL };
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
    for (const struct doc *row = doc_first(doc_get(doc, "instances")); row && !err;
         row = row->next) {
        err = read_instance(nodes, row, error);
    }
    return err ? err : read_settings(nodes, error);
}
