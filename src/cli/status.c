/*
 * status.c - `headroom status`: how much room there is, and which nodes need care.
 *
 * Knows the fields of a SubnetPool's status. Refuses to judge: what is low was decided by the
 * controller.
 */
#include <headroom/table.h>

#include "pool_list.h"

static void add_subnets(struct cli *cli, const struct doc *status)
{
    struct table table;

    table_init(&table, &cli->arena, "SUBNET|ZONE|STATE|>FREE|>TOTAL|>/28|>IN FLIGHT|>RUNS OUT IN");
    for (const struct doc *subnet = doc_first(doc_get(status, "subnets")); subnet;
         subnet = subnet->next) {
        uint64_t left = pool_list_left_s(subnet);
        table_add(&table, doc_text(doc_get(subnet, "id")));
        table_add(&table, doc_text(doc_get(subnet, "zone")));
        table_add(&table, doc_text(doc_get(subnet, "state")));
        table_add(&table, doc_text(doc_get(subnet, "free")));
        table_add(&table, doc_text(doc_get(subnet, "total")));
        table_add(&table, doc_text(doc_get(subnet, "freePrefixes")));
        table_add(&table, doc_text(doc_get(subnet, "inFlight")));
        table_add(&table, left == UINT64_MAX ? SLICE("-") : cli_duration(&cli->arena, left));
    }
    if (!table_empty(&table)) {
        buf_add_char(&cli->out, '\n');
        table_print(&table, "  ", &cli->out);
    }
}

static void add_pool(struct cli *cli, const struct doc *pool)
{
    const struct doc *status = pool_list_status(pool), *nodes = doc_get(status, "nodes");
    struct slice name = pool_list_name(pool);

    if (!doc_is(doc_get(status, "conditions"), DOC_SEQUENCE)) {
        buf_addf(&cli->out, "SubnetPool %.*s: no status yet; is headroom-controller running?\n\n",
                 SLICE_ARG(name));
        return;
    }
    buf_addf(&cli->out,
             "SubnetPool %.*s: %llu of %llu nodes covered, %llu at risk, %llu of these exhausted\n",
             SLICE_ARG(name), (unsigned long long)doc_u64_or(doc_get(nodes, "covered"), 0),
             (unsigned long long)doc_u64_or(doc_get(nodes, "total"), 0),
             (unsigned long long)doc_u64_or(doc_get(nodes, "atRisk"), 0),
             (unsigned long long)doc_u64_or(doc_get(nodes, "exhausted"), 0));
    for (const struct doc *condition = doc_first(doc_get(status, "conditions")); condition;
         condition = condition->next) {
        if (slice_is(doc_text(doc_get(condition, "status")), "False") &&
            !slice_is(doc_text(doc_get(condition, "type")), "Ready")) {
            buf_addf(&cli->out, "  ! %.*s: %.*s\n",
                     SLICE_ARG(doc_text(doc_get(condition, "reason"))),
                     SLICE_ARG(doc_text(doc_get(condition, "message"))));
        }
    }
    add_subnets(cli, status);
    buf_add_char(&cli->out, '\n');
}

static bool is_calm(struct slice decision)
{
    return slice_is(decision, "Enough") || slice_is(decision, "AgentCanGrow") ||
           slice_is(decision, "NoPool") || slice_is(decision, "Excluded");
}

/* Only a controller's state tells of nodes one by one. */
static void add_nodes(struct cli *cli, const struct doc *state)
{
    struct table table;

    table_init(&table, &cli->arena, "NODE|ZONE|DECISION|>WAITING|>IN USE|>ENIS|WHY");
    for (const struct doc *node = doc_first(doc_get(state, "nodes")); node; node = node->next) {
        if (is_calm(doc_text(doc_get(node, "decision"))) &&
            doc_u64_or(doc_get(node, "waiting"), 0) == 0) {
            continue;
        }
        struct slice why = doc_text(doc_get(node, "detail"));
        table_add(&table, doc_text(doc_get(node, "name")));
        table_add(&table, doc_text(doc_get(node, "zone")));
        table_add(&table, doc_text(doc_get(node, "decision")));
        table_add(&table, doc_text(doc_get(node, "waiting")));
        table_addf(&table, "%.*s/%.*s", SLICE_ARG(doc_text(doc_get(node, "holding"))),
                   SLICE_ARG(doc_text(doc_get(node, "addresses"))));
        table_addf(&table, "%.*s/%.*s", SLICE_ARG(doc_text(doc_get(node, "enis"))),
                   SLICE_ARG(doc_text(doc_get(node, "eniLimit"))));
        table_add(&table, why.len > 0 ? why : doc_text(doc_get(node, "text")));
    }
    if (table_empty(&table)) {
        buf_add_text(&cli->out, "No node needs care now.\n");
    } else {
        table_print(&table, "", &cli->out);
    }
}

/* What the pools' status says of single nodes: of the neediest, as of when it was written. */
static void add_named(struct cli *cli, const struct pool_list *pools)
{
    struct table table;

    table_init(&table, &cli->arena, "NODE|DECISION|WHY");
    for (const struct doc *pool = pools->first; pool; pool = pool->next) {
        const struct doc *node = doc_first(doc_get(pool_list_status(pool), "nodesAtRisk"));
        for (; node; node = node->next) {
            table_add(&table, doc_text(doc_get(node, "name")));
            table_add(&table, doc_text(doc_get(node, "decision")));
            table_add(&table, doc_text(doc_get(node, "message")));
        }
    }
    if (!table_empty(&table)) {
        table_print(&table, "", &cli->out);
        buf_add_char(&cli->out, '\n');
    }
}

/* Of all nodes, only the controller tells. */
static void find_nodes(struct cli *cli, struct pool_list *pools)
{
    struct error error = { 0 };
    struct slice text;

    if (cli_state(cli, &pools->state, &text, &error) != ERR_OK) {
        pools->state = NULL;
        add_named(cli, pools);
        buf_addf(&cli->out,
                 "Not all nodes are shown: %s.\n"
                 "To see them: kubectl -n %.*s port-forward deploy/headroom-controller 10270,\n"
                 "then headroom status --url http://127.0.0.1:10270\n",
                 error.text, SLICE_ARG(cli->run.namespace));
    }
}

static void add_controller(struct cli *cli, const struct doc *state)
{
    struct slice cluster = doc_text(doc_get(state, "cluster"));
    bool ready = doc_bool_or(doc_get(state, "ready"), false);

    buf_addf(&cli->out, "Cluster %.*s, headroom-controller %.*s, %s%s\n",
             SLICE_ARG(cluster.len > 0 ? cluster : SLICE("(name not known)")),
             SLICE_ARG(doc_text(doc_get(state, "version"))),
             doc_bool_or(doc_get(state, "leader"), false) ? "leading" : "standing by",
             doc_bool_or(doc_get(state, "dryRun"), false) ? ", dry run" : "");
    if (!ready) {
        buf_addf(&cli->out, "Not ready: %.*s\n",
                 SLICE_ARG(doc_text(doc_get(state, "notReadyBecause"))));
    }
    buf_add_char(&cli->out, '\n');
}

enum err cli_status(struct cli *cli, struct error *error)
{
    struct pool_list pools;
    enum err err = pool_list_find(cli, &pools, error);

    if (err != ERR_OK) {
        return err;
    }
    if (cli->format != CLI_TEXT) {
        return cli_add_json(cli, pools.text, error);
    }
    if (pools.state) {
        add_controller(cli, pools.state);
    }
    if (!pools.first) {
        buf_add_text(&cli->out,
                     "There is no SubnetPool: Headroom acts only where one asks it to.\n");
    }
    for (const struct doc *pool = pools.first; pool; pool = pool->next) {
        add_pool(cli, pool);
    }
    if (!pools.state && pools.first) {
        find_nodes(cli, &pools);
    }
    if (pools.state) {
        add_nodes(cli, pools.state);
    }
    return ERR_OK;
}
