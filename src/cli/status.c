/*
 * status.c - `headroom status` and `headroom forecast`: how much room there is, and for how long.
 *
 * Knows the fields of a SubnetPool's status; the controller's state has the same under other
 * roofs. Refuses to judge: what is low was decided
 * by the controller.
 */
#include <headroom/table.h>
#include <headroom/timestamp.h>

#include "cli.h"

/* The pools, from whichever source: `status` of each holds the CRD's fields. */
struct pools {
    const struct doc *first;
    const struct doc *state; /* of a controller; NULL: from the Kubernetes API */
    struct slice text;       /* as it came */
};

static enum err find_pools(struct cli *cli, struct pools *ret, struct error *error)
{
    struct kube_access access;
    const struct doc *list = NULL;
    enum err err = ERR_OK;

    *ret = (struct pools){ 0 };
    if (cli->url.len > 0) {
        err = cli_state(cli, &ret->state, &ret->text, error);
        ret->first = doc_first(doc_get(ret->state, "pools"));
        return err;
    }
    err = cli_access(cli, &access, error);
    if (err != ERR_OK) {
        return err;
    }
    err = cli_get(cli, &access, SLICE("/apis/headroom.dev/v1alpha1/subnetpools"), &ret->text,
                  error);
    if (err == ERR_NOT_FOUND) {
        return error_set(error, ERR_NOT_FOUND,
                         "this cluster does not know SubnetPools: install Headroom first "
                         "(kubectl apply -f crds/ -f manifests/)");
    }
    if (err == ERR_OK) {
        err = json_parse(&cli->arena, ret->text, &(struct doc_limits){ .bytes = 64 << 20 }, &list,
                         error);
    }
    ret->first = doc_first(doc_get(list, "items"));
    return err;
}

static const struct doc *status_of(const struct doc *pool)
{
    return doc_is(doc_get(pool, "metadata"), DOC_MAPPING) ? doc_get(pool, "status") : pool;
}

static struct slice name_of(const struct doc *pool)
{
    return doc_text_or(doc_get(pool, "name"), doc_text(doc_at(pool, "metadata", "name")));
}

/* Seconds in the state, a Kubernetes duration in the CRD; UINT64_MAX: no end in sight. */
static uint64_t exhausted_in_s(const struct doc *subnet)
{
    const struct doc *field = doc_get(subnet, "exhaustedIn");
    uint64_t ns = 0;

    if (doc_is(field, DOC_NUMBER)) {
        return doc_u64_or(field, UINT64_MAX);
    }
    if (!field || duration_parse(doc_text(field), &ns) != ERR_OK) {
        return UINT64_MAX;
    }
    return ns / 1000000000;
}

static void add_subnets(struct cli *cli, const struct doc *status)
{
    struct table table;

    table_init(&table, &cli->arena, "SUBNET|ZONE|STATE|>FREE|>TOTAL|>/28|>IN FLIGHT|>RUNS OUT IN");
    for (const struct doc *subnet = doc_first(doc_get(status, "subnets")); subnet;
         subnet = subnet->next) {
        uint64_t left = exhausted_in_s(subnet);
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
    const struct doc *status = status_of(pool), *nodes = doc_get(status, "nodes");
    struct slice name = name_of(pool);

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
static void add_named(struct cli *cli, const struct pools *pools)
{
    struct table table;

    table_init(&table, &cli->arena, "NODE|DECISION|WHY");
    for (const struct doc *pool = pools->first; pool; pool = pool->next) {
        const struct doc *node = doc_first(doc_get(status_of(pool), "nodesAtRisk"));
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
static void find_nodes(struct cli *cli, struct pools *pools)
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
    struct pools pools;
    enum err err = find_pools(cli, &pools, error);

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

/* ---- forecast ---- */

struct line {
    const struct doc *subnet;
    struct slice pool;
    uint64_t left_s;
};

static void add_line(struct line *lines, uint32_t count, struct line line)
{
    uint32_t at = count;

    while (at > 0 && line.left_s < lines[at - 1].left_s) {
        lines[at] = lines[at - 1];
        at--;
    }
    lines[at] = line;
}

static enum err forecast_json(struct cli *cli, const struct line *lines, uint32_t count,
                              struct error *error)
{
    struct json_out json;

    cli_json_begin(cli, &json, "Forecast");
    json_key(&json, "subnets");
    json_begin_array(&json);
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *subnet = lines[i].subnet;
        json_begin_object(&json);
        json_field_text(&json, "subnet", doc_text(doc_get(subnet, "id")));
        json_field_text(&json, "pool", lines[i].pool);
        json_field_text(&json, "zone", doc_text(doc_get(subnet, "zone")));
        json_field_text(&json, "state", doc_text(doc_get(subnet, "state")));
        json_field_u64(&json, "free", doc_u64_or(doc_get(subnet, "free"), 0));
        json_field_u64(&json, "total", doc_u64_or(doc_get(subnet, "total"), 0));
        json_key(&json, "exhaustedInSeconds");
        if (lines[i].left_s == UINT64_MAX) {
            json_null(&json); /* no end in sight */
        } else {
            json_u64(&json, lines[i].left_s);
        }
        json_end_object(&json);
    }
    json_end_array(&json);
    return cli_json_end(cli, &json, error);
}

enum err cli_forecast(struct cli *cli, struct error *error)
{
    struct pools pools;
    struct table table;
    uint32_t count = 0;
    enum err err = find_pools(cli, &pools, error);

    if (err != ERR_OK) {
        return err;
    }
    for (const struct doc *pool = pools.first; pool; pool = pool->next) {
        count += doc_count(doc_get(status_of(pool), "subnets"));
    }
    struct line *lines = ARENA_ARRAY(&cli->arena, struct line, count);
    count = 0;
    for (const struct doc *pool = pools.first; pool; pool = pool->next) {
        for (const struct doc *subnet = doc_first(doc_get(status_of(pool), "subnets")); subnet;
             subnet = subnet->next) {
            add_line(lines, count++,
                     (struct line){ subnet, name_of(pool), exhausted_in_s(subnet) });
        }
    }
    if (cli->format != CLI_TEXT) {
        return forecast_json(cli, lines, count, error);
    }
    table_init(&table, &cli->arena, "RUNS OUT IN|SUBNET|ZONE|STATE|>FREE|>TOTAL|POOL");
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *subnet = lines[i].subnet;
        table_add(&table, lines[i].left_s == UINT64_MAX
                              ? SLICE("no end in sight")
                              : cli_duration(&cli->arena, lines[i].left_s));
        table_add(&table, doc_text(doc_get(subnet, "id")));
        table_add(&table, doc_text(doc_get(subnet, "zone")));
        table_add(&table, doc_text(doc_get(subnet, "state")));
        table_add(&table, doc_text(doc_get(subnet, "free")));
        table_add(&table, doc_text(doc_get(subnet, "total")));
        table_add(&table, lines[i].pool);
    }
    if (table_empty(&table)) {
        buf_add_text(&cli->out, "No SubnetPool has subnets.\n");
    } else {
        table_print(&table, "", &cli->out);
    }
    return ERR_OK;
}
