/*
 * nodes.c - the thread that plays the scenario's instances as Kubernetes nodes.
 *
 * Knows the order of a turn: instances that came and went, agents that are due, pods that are due,
 * requests; then it waits. Refuses to know any object of Kubernetes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "nodes_state.h"

#define LOOK_NS NODES_S /* for instances that came or went */

enum { KUBECONFIG_MAX = 4 << 20 };

static struct slice instance_key(const void *rows, uint32_t handle)
{
    return aws_id_slice(&((const struct node_row *)rows)[handle].view.id);
}

static struct slice row_key(const void *rows, uint32_t handle)
{
    return slice_of(((const struct node_row *)rows)[handle].name);
}

static struct slice pod_key(const void *rows, uint32_t handle)
{
    return slice_of(((const struct pod_row *)rows)[handle].key);
}

/* ---- instances ---- */

static const struct node_scenario *scenario_of(const struct nodes *nodes, const struct aws_id *id)
{
    for (uint32_t i = 0; i < nodes->scenario_count; i++) {
        if (aws_id_eq(&nodes->scenario[i].instance, id)) {
            return &nodes->scenario[i];
        }
    }
    return NULL;
}

/* As the kubelet's bootstrap computes it. */
static uint32_t default_max_pods(const struct nodes *nodes, const struct instance_type *type)
{
    uint32_t by_type = type->enis * (type->ips_per_eni - 1) + 2;

    return nodes->settings.prefix_delegation && type->prefixes ? 110 : by_type;
}

/* The agent's way to the name of its node's ENIConfig. */
static struct slice eniconfig_name(const struct nodes *nodes, const struct node_row *row)
{
    const struct doc *labels = row->scenario ? row->scenario->labels : NULL;
    const struct doc *annotations = row->scenario ? row->scenario->annotations : NULL;
    struct slice label = nodes->settings.eniconfig_label;
    struct slice name = doc_text(doc_get(labels, "vpc.amazonaws.com/externalEniConfig"));

    if (name.len == 0) {
        name = doc_text(doc_get_slice(annotations, nodes->settings.eniconfig_annotation));
    }
    if (name.len == 0 && label.len > 0) {
        name = slice_is(label, "topology.kubernetes.io/zone")
                   ? row->view.zone
                   : doc_text(doc_get_slice(labels, label));
    }
    return name.len > 0 ? name : SLICE("default");
}

static struct eniconfig eniconfig_of(struct nodes *nodes, const struct node_row *row)
{
    struct slice wanted = eniconfig_name(nodes, row);
    const struct doc *config = doc_first(nodes->eniconfigs);
    struct eniconfig found = { 0 };

    while (config && !slice_eq(doc_text(doc_get(config, "name")), wanted)) {
        config = config->next;
    }
    if (!config) {
        return found;
    }
    const struct doc *groups = doc_get(config, "securityGroups");
    struct aws_id *ids = ARENA_ARRAY(&nodes->scratch, struct aws_id, doc_count(groups));
    found.name = wanted;
    (void)!aws_id_set(&found.subnet,
                      nodes_object_id(nodes, doc_text(doc_get(config, "subnet")), "subnet"));
    for (const struct doc *group = doc_first(groups); group; group = group->next) {
        (void)!aws_id_set(&ids[found.group_count++], nodes_object_id(nodes, group->text, "sg"));
    }
    found.groups = ids;
    return found;
}

static void start_agent(struct nodes *nodes, struct node_row *row)
{
    struct sim_agent_config config = {
        .instance = row->view.id,
        .node = slice_of(row->name),
        .settings = nodes->settings,
        .type = row->view.type,
        .max_pods = row->max_pods,
        .eniconfig = eniconfig_of(nodes, row),
        .seed = nodes->config.seed ^ slice_hash(aws_id_slice(&row->view.id)),
        .warm_start_ns = nodes->now_ns,
        .wall_offset_ns = nodes->wall_ns - nodes->now_ns,
        .trace = true,
    };

    row->agent = sim_agent_new(&config, nodes->config.ec2);
}

static void add_node(struct nodes *nodes, const struct sim_instance_view *view)
{
    const struct node_scenario *scenario = scenario_of(nodes, &view->id);
    struct slice name = scenario && scenario->name.len > 0 ? scenario->name : view->dns_name;

    if (!view->running || (scenario && scenario->agent == AGENT_NONE)) {
        return;
    }
    mem_reserve(&nodes->rows, &nodes->row_capacity, nodes->row_count + 1, sizeof(struct node_row));
    struct node_row *row = &nodes->rows[nodes->row_count];
    *row = (struct node_row){
        .used = true, .view = *view, .scenario = scenario, .looked = nodes->looks
    };
    row->view.zone = arena_slice(&nodes->arena, view->zone);
    row->view.type.name = arena_slice(&nodes->arena, view->type.name);
    row->view.tags = NULL;
    row->view.tag_count = 0;
    arena_init(&row->spec);
    if (name.len == 0) {
        name = aws_id_slice(&row->view.id);
    }
    if (slice_copy(name, row->name, sizeof(row->name)) != ERR_OK ||
        index_find(&nodes->row_index, nodes->rows, name) != INDEX_NONE) {
        nodes_log("%s has a node name that is too long or taken: it is left out", view->id.text);
        row->used = false;
        arena_done(&row->spec);
        return;
    }
    row->max_pods = scenario && scenario->max_pods ? scenario->max_pods
                                                   : default_max_pods(nodes, &view->type);
    if (!scenario || scenario->agent == AGENT_MODEL) {
        start_agent(nodes, row);
    }
    index_add(&nodes->row_index, nodes->rows, nodes->row_count);
    index_add(&nodes->instances, nodes->rows, nodes->row_count);
    nodes_register(nodes, nodes->row_count++);
}

/* Rows stay where they are: pods name them. A row that is left keeps its place, without its name.
 */
static void remove_node(struct nodes *nodes, uint32_t index)
{
    struct node_row *row = &nodes->rows[index];

    row->leaving = true;
    nodes_lose_pods(nodes, index);
    nodes_unregister(nodes, index);
    index_remove(&nodes->row_index, nodes->rows, slice_of(row->name));
    index_remove(&nodes->instances, nodes->rows, aws_id_slice(&row->view.id));
    sim_agent_free(row->agent);
    row->agent = NULL;
    row->used = false;
}

static void look_at_instances(struct nodes *nodes)
{
    uint32_t count = 0;
    const struct sim_instance_view *views = sim_ec2_instances(nodes->config.ec2, &nodes->scratch,
                                                              &count);

    nodes->looks++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = index_find(&nodes->instances, nodes->rows, aws_id_slice(&views[i].id));
        if (row != INDEX_NONE) {
            nodes->rows[row].looked = nodes->looks;
        } else {
            add_node(nodes, &views[i]);
        }
    }
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        if (nodes->rows[i].used && nodes->rows[i].looked != nodes->looks) {
            remove_node(nodes, i);
        }
    }
    nodes->look_ns = nodes->now_ns + LOOK_NS;
}

/* ---- a turn ---- */

static void advance_world(struct nodes *nodes)
{
    (void)pthread_mutex_lock(nodes->config.lock);
    nodes->now_ns = io_now_ns(); /* under the lock, so that EC2 never sees time go back */
    nodes->wall_ns = io_wall_ns();
    sim_ec2_advance(nodes->config.ec2, nodes->now_ns);
    if (nodes->now_ns >= nodes->look_ns) {
        look_at_instances(nodes);
    }
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        struct node_row *row = &nodes->rows[i];
        if (row->used && row->agent && sim_agent_deadline_ns(row->agent) <= nodes->now_ns) {
            sim_agent_advance(row->agent, nodes->now_ns);
        }
    }
    (void)pthread_mutex_unlock(nodes->config.lock);
}

static void report_agents(struct nodes *nodes)
{
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        struct node_row *row = &nodes->rows[i];
        if (!row->used) {
            continue;
        }
        if (row->agent) {
            struct slice lines = sim_agent_trace(row->agent, &nodes->scratch);
            while (lines.len > 0) {
                struct slice line = slice_cut(&lines, '\n');
                nodes_log("%s: agent %.*s", row->name, SLICE_ARG(line));
            }
        }
        nodes_agent_ready(nodes, i);
        if (row->registered && nodes->now_ns >= row->heartbeat_ns) {
            nodes_write_status(nodes, i);
        }
    }
}

static uint64_t deadline(const struct nodes *nodes)
{
    uint64_t at_ns = nodes->look_ns;
    uint64_t others[] = { timers_next_ns(&nodes->pod_timers), nodes_requests_deadline_ns(nodes),
                          nodes_streams_deadline_ns(nodes) };

    for (uint32_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        at_ns = others[i] < at_ns ? others[i] : at_ns;
    }
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        const struct node_row *row = &nodes->rows[i];
        uint64_t agent_ns = row->used && row->agent ? sim_agent_deadline_ns(row->agent)
                                                    : UINT64_MAX;
        at_ns = agent_ns < at_ns ? agent_ns : at_ns;
    }
    return at_ns;
}

static void turn(struct nodes *nodes)
{
    uint32_t pod = 0;

    arena_reset(&nodes->scratch);
    advance_world(nodes);
    while (timers_pop(&nodes->pod_timers, nodes->now_ns, &pod)) {
        nodes_pod_due(nodes, pod);
    }
    report_agents(nodes);
    nodes_schedule(nodes);
    nodes_start_streams(nodes);
    nodes_start_requests(nodes);
}

static void *run(void *context)
{
    struct nodes *nodes = context;

    (void)pthread_mutex_lock(&nodes->mutex);
    nodes->now_ns = io_now_ns();
    nodes->wall_ns = io_wall_ns();
    nodes_register_cluster(nodes);
    while (!nodes->stopping) {
        uint32_t count = 0;
        turn(nodes);
        uint64_t until_ns = deadline(nodes);
        (void)pthread_mutex_unlock(&nodes->mutex);
        const struct fetch_event *events = io_wait(nodes->io, until_ns, &count);
        if (io_stop_requests(nodes->io) > 0 && nodes->config.on_stop) {
            nodes->config.on_stop(nodes->config.context);
        }
        (void)pthread_mutex_lock(&nodes->mutex);
        nodes->now_ns = io_now_ns();
        nodes->wall_ns = io_wall_ns();
        for (uint32_t i = 0; i < count; i++) {
            nodes_take_event(nodes, &events[i]);
        }
    }
    (void)pthread_mutex_unlock(&nodes->mutex);
    return NULL;
}

/* ---- life ---- */

static enum err read_access(struct nodes *nodes, struct error *error)
{
    struct kubeconfig_file file = { .path = slice_of(nodes->config.kubeconfig) };
    struct kube_access *access = &nodes->access;
    struct slice token = { 0 };
    enum err err = io_read_file(&nodes->arena, nodes->config.kubeconfig, KUBECONFIG_MAX,
                                &file.content, error);

    if (!err) {
        err = kubeconfig_parse(&nodes->arena, &file, 1, SLICE(""), access, error);
    }
    if (!err && access->exec.command.len > 0) {
        return error_set(error, ERR_UNSUPPORTED,
                         "%s: ec2sim runs no credential plugin: use a token or a certificate",
                         nodes->config.kubeconfig);
    }
    token = access->token;
    if (!err && access->token_file.len > 0) {
        err = io_read_file(&nodes->arena, access->token_file.data, KUBECONFIG_MAX, &token, error);
    }
    if (!err && token.len > 0) {
        nodes->authorization = arena_printf(&nodes->arena, "Bearer %.*s",
                                            SLICE_ARG(slice_trim(token)));
    }
    return err;
}

static void release(struct nodes *nodes)
{
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        sim_agent_free(nodes->rows[i].agent);
        arena_done(&nodes->rows[i].spec);
    }
    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        mem_free(nodes->pods[i].key);
        mem_free(nodes->pods[i].containers);
        if (nodes->pods[i].used) {
            arena_done(&nodes->pods[i].spec);
        }
    }
    for (uint32_t i = 0; i < nodes->request_count; i++) {
        mem_free(nodes->requests[i].path);
        mem_free(nodes->requests[i].body);
        buf_done(&nodes->requests[i].answer);
    }
    mem_free(nodes->rows);
    mem_free(nodes->scenario);
    mem_free(nodes->pods);
    mem_free(nodes->requests);
    mem_free(nodes->waits_s);
    index_done(&nodes->row_index);
    index_done(&nodes->instances);
    index_done(&nodes->pod_index);
    timers_done(&nodes->pod_timers);
    io_free(nodes->io);
    arena_done(&nodes->scratch);
    arena_done(&nodes->arena);
    (void)pthread_mutex_destroy(&nodes->mutex);
    mem_free(nodes);
}

enum err nodes_start(const struct nodes_config *config, struct nodes **ret, struct error *error)
{
    struct nodes *nodes = mem_resize(NULL, 1, sizeof(*nodes));

    *nodes = (struct nodes){ .config = *config, .free_pod = ROW_NONE, .reschedule = true };
    nodes->streams[STREAM_PODS].path = "/api/v1/pods";
    nodes->streams[STREAM_NODES].path = "/api/v1/nodes";
    (void)pthread_mutex_init(&nodes->mutex, NULL);
    arena_init(&nodes->arena);
    arena_init(&nodes->scratch);
    prng_init(&nodes->prng, config->seed);
    index_init(&nodes->row_index, row_key);
    index_init(&nodes->instances, instance_key);
    index_init(&nodes->pod_index, pod_key);
    timers_init(&nodes->pod_timers);
    nodes->config.scenario = arena_slice(&nodes->arena, config->scenario);
    nodes->config.scenario_name = arena_slice(&nodes->arena, config->scenario_name);
    enum err err = nodes_read_scenario(nodes, error);
    if (!err) {
        err = read_access(nodes, error);
    }
    if (!err) {
        err = io_new(&nodes->io, error);
    }
    if (!err && pthread_create(&nodes->thread, NULL, run, nodes) != 0) {
        err = error_set(error, ERR_IO, "cannot start the nodes' thread");
    }
    if (err) {
        release(nodes);
        return err;
    }
    nodes->started = true;
    *ret = nodes;
    return ERR_OK;
}

void nodes_stop(struct nodes *nodes)
{
    if (!nodes) {
        return;
    }
    (void)pthread_mutex_lock(&nodes->mutex);
    nodes->stopping = true;
    (void)pthread_mutex_unlock(&nodes->mutex);
    io_wake(nodes->io);
    (void)pthread_join(nodes->thread, NULL);
    release(nodes);
}

/* ---- what it tells ---- */

static int by_size(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;

    return left < right ? -1 : left > right;
}

static void describe_waits(struct nodes *nodes, struct json_out *json)
{
    uint32_t count = nodes->wait_count;
    float *sorted = ARENA_ARRAY(&nodes->scratch, float, count + 1);

    if (count > 0) {
        memcpy(sorted, nodes->waits_s, count * sizeof(float));
        qsort(sorted, count, sizeof(float), by_size);
    }
    json_key(json, "waits");
    json_begin_object(json);
    json_field_u64(json, "served", count);
    json_field_u64(json, "refusals", nodes->refusals);
    json_key(json, "p50_s");
    json_double(json, count > 0 ? (double)sorted[count / 2] : 0);
    json_key(json, "p99_s");
    json_double(json, count > 0 ? (double)sorted[count * 99 / 100] : 0);
    json_key(json, "max_s");
    json_double(json, count > 0 ? (double)sorted[count - 1] : 0);
    json_end_object(json);
}

static void describe_node(struct nodes *nodes, uint32_t index, struct json_out *json)
{
    const struct node_row *row = &nodes->rows[index];
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < nodes->pod_count; i++) {
        const struct pod_row *pod = &nodes->pods[i];
        waiting += pod->used && pod->node == index && pod->state == POD_WAITING &&
                   !pod->host_network;
    }
    json_begin_object(json);
    json_field_text(json, "name", slice_of(row->name));
    json_field_text(json, "instance", aws_id_slice(&row->view.id));
    json_field_text(json, "zone", row->view.zone);
    json_field_u64(json, "pods", row->pods);
    json_field_u64(json, "waiting", waiting);
    if (row->agent) {
        struct sim_agent_stats stats;
        sim_agent_stats(row->agent, &stats);
        json_key(json, "agent");
        json_begin_object(json);
        json_field_bool(json, "running", stats.running);
        json_field_u64(json, "enis", stats.enis);
        json_field_u64(json, "addresses", stats.addresses);
        json_field_u64(json, "assigned", stats.assigned);
        json_field_u64(json, "cooling", stats.cooling);
        json_field_u64(json, "created", stats.enis_created);
        json_field_u64(json, "adopted", stats.enis_adopted);
        json_field_u64(json, "freed", stats.enis_freed);
        json_field_u64(json, "refused", stats.adds_refused);
        json_field_u64(json, "ec2_calls", stats.ec2_calls);
        json_field_u64(json, "ec2_errors", stats.ec2_errors);
        json_field_bool(json, "cooldown", stats.cooldown_until_ns > 0);
        json_end_object(json);
    }
    json_end_object(json);
}

void nodes_describe(struct nodes *nodes, struct buf *out)
{
    struct json_out json;

    (void)pthread_mutex_lock(&nodes->mutex);
    json_start(&json, out);
    json_begin_object(&json);
    json_field_bool(&json, "ready",
                    nodes->streams[STREAM_PODS].synced && nodes->streams[STREAM_NODES].synced);
    json_key(&json, "nodes");
    json_begin_array(&json);
    for (uint32_t i = 0; i < nodes->row_count; i++) {
        if (nodes->rows[i].used) {
            describe_node(nodes, i, &json);
        }
    }
    json_end_array(&json);
    describe_waits(nodes, &json);
    json_end_object(&json);
    (void)pthread_mutex_unlock(&nodes->mutex);
}
