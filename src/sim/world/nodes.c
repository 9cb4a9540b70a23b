/*
 * nodes.c - instances, their agents, and the Node objects that stand for them.
 *
 * Knows the life of a node from launch to its end. Refuses to know what runs on it.
 */
#include <stdio.h>

#include "state.h"

#define AGENT_SPREAD_NS (3 * SIM_S) /* between the first and the last agent's start */
#define REGISTER_NS (25 * SIM_S)    /* from launch to the Node object */
/* From there to the agent's start, for the pod, its image and its init container. Published
 * timelines have about 20 s (karpenter-provider-aws #4548), and 55 s when the image is pulled
 * (amazon-vpc-cni-k8s #1425); the shorter this is, the less time there is to help. */
#define AGENT_FIRST_NS (5 * SIM_S)
#define DRAIN_NS (30 * SIM_S)  /* from the eviction of pods to the instance's end */
#define DELETE_NS (20 * SIM_S) /* from an instance's end to its Node's */

enum { TRACED_NODES = 64 };
enum { HOST_PODS = 2 }; /* aws-node, kube-proxy: no address of their own */

uint32_t world_node_find(const struct world *world, struct slice name)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct world_node *node = &world->nodes[i];
        if ((node->phase == NODE_UP || node->phase == NODE_LAUNCHING) &&
            slice_is(name, node->name)) {
            return i;
        }
    }
    return ROW_NONE;
}

uint32_t world_node_of_instance(const struct world *world, uint32_t instance_row)
{
    uint32_t row = instance_row < world->node_of_instance_count
                       ? world->node_of_instance[instance_row]
                       : ROW_NONE;

    return row != ROW_NONE && world->nodes[row].phase != NODE_OFF ? row : ROW_NONE;
}

static void note_instance(struct world *world, uint32_t row, uint32_t instance_row)
{
    mem_reserve(&world->node_of_instance, &world->node_of_instance_capacity, instance_row + 1,
                sizeof(*world->node_of_instance));
    while (world->node_of_instance_count <= instance_row) {
        world->node_of_instance[world->node_of_instance_count++] = ROW_NONE;
    }
    world->node_of_instance[instance_row] = row;
}

void world_node_load(struct world *world, uint32_t row)
{
    const struct world_node *node = &world->nodes[row];
    bool takes = node->phase == NODE_UP && node->ready && !node->cordoned && !node->tainted &&
                 world->groups[node->group].taint_count == 0 && node->pods < node->max_pods;
    /* The share of its places that is taken; ties by a number that is the node's own. */
    uint64_t load = node->max_pods ? (uint64_t)node->pods * 1000000 / node->max_pods : 0;

    timers_set(&world->load, row,
               takes ? load << 16 | world_draw(world, row, 1, 65536) : TIMERS_NEVER);
    if (takes && world->pending_count > 0) {
        world->schedule = true;
    }
}

/* ---- the Node object ---- */

static const struct pair *node_labels(struct world *world, const struct world_node *node,
                                      uint32_t *ret_count)
{
    const struct world_group *group = &world->groups[node->group];
    struct pair *labels = ARENA_ARRAY(&world->scratch, struct pair, group->label_count + 6);
    uint32_t count = 0;

    labels[count++] = (struct pair){ SLICE("topology.kubernetes.io/zone"),
                                     interner_get(&world->zones, node->zone) };
    labels[count++] = (struct pair){ SLICE("topology.kubernetes.io/region"), world->ec2->region };
    labels[count++] = (struct pair){ SLICE("node.kubernetes.io/instance-type"), node->type.name };
    labels[count++] = (struct pair){ SLICE("kubernetes.io/os"), SLICE("linux") };
    labels[count++] = (struct pair){ SLICE("kubernetes.io/arch"), SLICE("amd64") };
    labels[count++] = (struct pair){ SLICE("kubernetes.io/hostname"), slice_of(node->name) };
    for (uint32_t i = 0; i < group->label_count; i++) {
        labels[count++] = group->labels[i];
    }
    *ret_count = count;
    return labels;
}

static uint32_t primary_ip(const struct world *world, const struct world_node *node)
{
    const struct sim_instance *instance = &world->ec2->instances[node->instance_row];

    return instance->eni_count > 0 ? world->ec2->enis[instance->enis[0]].primary_ip : 0;
}

static void register_node(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];
    const struct world_group *group = &world->groups[node->group];
    struct api_node object = {
        .name = slice_of(node->name),
        .provider_id = arena_printf(&world->scratch, "aws:///%.*s/%s",
                                    SLICE_ARG(interner_get(&world->zones, node->zone)),
                                    node->instance.text),
        .annotations = group->annotations,
        .annotation_count = group->annotation_count,
        .ip = primary_ip(world, node),
        .max_pods = node->max_pods + HOST_PODS,
        .taint_count = group->taint_count,
    };

    if (!world->api) {
        return;
    }
    object.labels = node_labels(world, node, &object.label_count);
    memcpy(object.taints, group->taints, sizeof(object.taints));
    node->api = api_node_add(world->api, &object);
    api_node_condition(world->api, node->api, SLICE("Ready"), SLICE("False"),
                       SLICE("KubeletNotReady"), SLICE("cni plugin not initialized"));
    api_node_touched(world->api, node->api);
    node->agent_pod = world_pod_new(world, ROW_NONE, 0);
    struct api_pod pod = { .workload = api_name(world->api, SLICE("aws-node")),
                           .number = row,
                           .node = node->api,
                           .ip = object.ip,
                           .phase = PHASE_RUNNING,
                           .host_network = true,
                           .agent = true };
    api_pod_put(world->api, node->agent_pod, &pod);
}

static void set_ready(struct world *world, struct world_node *node)
{
    node->ready = true;
    if (world->api) {
        api_node_condition(world->api, node->api, SLICE("Ready"), SLICE("True"),
                           SLICE("KubeletReady"), SLICE("kubelet is posting ready status"));
        api_node_touched(world->api, node->api);
    }
}

static void set_agent_ready(struct world *world, struct world_node *node, bool ready)
{
    node->agent_ready = ready;
    if (world->api) {
        struct api_pod pod = world->api->pods[node->agent_pod];
        pod.ready = ready;
        api_pod_put(world->api, node->agent_pod, &pod);
    }
}

/* ---- agents ---- */

static void tell_agent(struct world *world, struct world_node *node)
{
    struct slice lines = sim_agent_trace(node->agent, &world->scratch);

    while (lines.len > 0) {
        struct slice line = slice_cut(&lines, '\n');
        world_note(world, "%s's agent %.*s", node->name, SLICE_ARG(line));
    }
}

void world_agent_changed(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    if (node->agent->trace.len > 0) {
        tell_agent(world, node);
    }

    timers_set(&world->agent_timers, row, sim_agent_deadline_ns(node->agent));
    if (node->agent->running != node->agent_ready) {
        set_agent_ready(world, node, node->agent->running);
        if (node->agent_ready && !node->ready) {
            set_ready(world, node);
            world_node_load(world, row);
            world_schedule(world);
        }
    }
    if (node->agent->stats.enis_created != node->seen_created) {
        node->seen_created = node->agent->stats.enis_created;
        world->moved_ns = world->now_ns;
    }
    if (node->agent->stats.enis_freed != node->seen_freed) {
        world->moved_ns = world->now_ns;
        node->seen_freed = node->agent->stats.enis_freed;
        world_check_agent(world, row);
    }
}

void world_agent_due(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    if (node->phase != NODE_UP || !node->agent) {
        return;
    }
    if (node->waiting > 0) {
        world_account(world, row); /* slots and addresses may change now */
    }
    sim_agent_advance(node->agent, world->now_ns);
    world_agent_changed(world, row);
}

static struct slice label_of(const struct world_group *group, struct slice key)
{
    struct slice value = SLICE("");

    (void)pair_find(group->labels, group->label_count, key, &value);
    return value;
}

/* In the agent's order: label, annotation, label of the settings, "default". */
static const struct eniconfig *eniconfig_of(struct world *world, const struct world_node *node)
{
    const struct world_group *group = &world->groups[node->group];
    struct slice name = label_of(group, SLICE("vpc.amazonaws.com/externalEniConfig"));

    if (name.len == 0) {
        (void)pair_find(group->annotations, group->annotation_count,
                        world->settings.eniconfig_annotation, &name);
    }
    if (name.len == 0 && world->settings.eniconfig_label.len > 0) {
        name = slice_is(world->settings.eniconfig_label, "topology.kubernetes.io/zone")
                   ? interner_get(&world->zones, node->zone)
                   : label_of(group, world->settings.eniconfig_label);
    }
    if (name.len == 0) {
        name = SLICE("default");
    }
    for (uint32_t i = 0; i < world->eniconfig_count; i++) {
        if (slice_eq(world->eniconfigs[i].name, name)) {
            return &world->eniconfigs[i];
        }
    }
    return NULL;
}

static void start_agent(struct world *world, uint32_t row, uint64_t delay_ns)
{
    struct world_node *node = &world->nodes[row];
    struct sim_agent_config config = {
        .instance = node->instance,
        .node = slice_of(node->name),
        .settings = world->settings,
        .type = node->type,
        .max_pods = node->max_pods + HOST_PODS,
        .seed = world->config.seed * 1000003 + row,
        .warm_start_ns = world->now_ns + delay_ns,
        .serving = world->serving && world->now_ns == world->begin_ns,
        .now_ns = world->now_ns,
        .wall_offset_ns = WORLD_BEGIN_WALL_NS - world->begin_ns,
        .trace = world->node_count <= TRACED_NODES,
    };
    const struct eniconfig *eniconfig = eniconfig_of(world, node);

    if (eniconfig) {
        config.eniconfig = *eniconfig;
    }
    bool throttles = world->ec2->throttle;
    world->ec2->throttle = throttles && !config.serving; /* what it asked, it asked long ago */
    node->agent = sim_agent_new(&config, world->ec2);
    world->ec2->throttle = throttles;
    world_agent_changed(world, row);
}

/* ---- rows ---- */

/* The pool with the highest weight that selects the node, then the first by name. */
static uint32_t pool_of(struct world *world, const struct world_node *node)
{
    uint32_t best = ROW_NONE, count = 0;
    const struct pair *labels = node_labels(world, node, &count);

    for (uint32_t i = 0; i < world->pool_count; i++) {
        const struct pool *pool = &world->pools[i].pool;
        if (!label_selector_matches(&pool->nodes, labels, count)) {
            continue;
        }
        if (best == ROW_NONE || pool->weight > world->pools[best].pool.weight ||
            (pool->weight == world->pools[best].pool.weight &&
             slice_cmp(pool->name, world->pools[best].pool.name) < 0)) {
            best = i;
        }
    }
    return best;
}

static uint32_t default_max_pods(const struct world *world, const struct instance_type *type)
{
    if (world->settings.prefix_delegation && type->prefixes) {
        return 110;
    }
    return type->enis * (type->ips_per_eni - 1) + 2;
}

static uint32_t add_node(struct world *world, uint32_t group_row, uint32_t instance_row)
{
    const struct world_group *group = &world->groups[group_row];
    const struct sim_instance *instance = &world->ec2->instances[instance_row];
    const struct sim_subnet *subnet = &world->ec2->subnets[instance->subnet];

    mem_reserve(&world->nodes, &world->node_capacity, world->node_count + 1, sizeof(*world->nodes));
    uint32_t row = world->node_count++;
    struct world_node *node = &world->nodes[row];
    *node = (struct world_node){
        .phase = NODE_LAUNCHING,
        .instance = instance->id,
        .type = instance->type,
        .group = group_row,
        .instance_row = instance_row,
        .zone = interner_add(&world->zones, subnet->zone),
        .primary_subnet = instance->subnet,
        .api = API_NONE,
        .first_pod = ROW_NONE,
        .accounted_ns = world->now_ns,
    };
    struct slice name = group->node.len > 0 && group->launched == 0 ? group->node
                                                                    : instance->dns_name;
    (void)snprintf(node->name, sizeof(node->name), "%.*s",
                   (int)(name.len < GROUP_TEXT - 1 ? name.len : GROUP_TEXT - 1), name.data);
    world->groups[group_row].launched++;
    node->max_pods = group->max_pods ? group->max_pods : default_max_pods(world, &node->type);
    node->max_pods -= node->max_pods > HOST_PODS ? HOST_PODS : 0;
    node->pool = pool_of(world, node);
    note_instance(world, row, instance_row);
    return row;
}

static void come_up(struct world *world, uint32_t row, uint64_t delay_ns)
{
    world->nodes[row].phase = NODE_UP;
    register_node(world, row);
    start_agent(world, row, delay_ns);
    world->nodes_up++;
    if (world->nodes_up > world->result.nodes_max) {
        world->result.nodes_max = world->nodes_up;
    }
}

static void put_objects(struct world *world)
{
    world->tokens = 0;
    api_token(world->api, SLICE("token-0"));
    (void)api_object_put(world->api, API_DAEMONSETS, SLICE("kube-system"), SLICE("aws-node"),
                         world->daemonset_spec);
    for (uint32_t i = 0; i < world->pool_count; i++) {
        (void)api_object_put(world->api, API_POOLS, SLICE(""), world->pools[i].pool.name,
                             world->pools[i].spec_json);
    }
    world->api->absent[API_ENICONFIGS] = world->eniconfig_count == 0;
    for (uint32_t i = 0; i < world->eniconfig_count; i++) {
        const struct eniconfig *one = &world->eniconfigs[i];
        struct slice groups = SLICE("");
        for (uint32_t j = 0; j < one->group_count; j++) {
            groups = arena_printf(&world->scratch, "%.*s%s\"%s\"", SLICE_ARG(groups),
                                  j > 0 ? "," : "", one->groups[j].text);
        }
        (void)api_object_put(world->api, API_ENICONFIGS, SLICE(""), one->name,
                             arena_printf(&world->scratch,
                                          "{\"subnet\":\"%s\",\"securityGroups\":[%.*s]}",
                                          one->subnet.text, SLICE_ARG(groups)));
    }
}

/* The scenario's instances stand in the order of its groups. */
void world_nodes_begin(struct world *world)
{
    uint32_t row = 0, group = 0;

    if (world->api) {
        put_objects(world);
    }
    const struct doc *at = doc_first(doc_get(world->top, "instances"));
    for (; at; at = at->next, group++) {
        uint64_t count = doc_u64_or(doc_get(at, "count"), 1);
        bool plays = !slice_is(doc_text(doc_get(at, "agent")), "none");
        for (uint64_t i = 0; i < count; i++, row++) {
            if (plays && world->ec2->instances[row].state == INSTANCE_RUNNING) {
                uint32_t node = add_node(world, group, row);
                come_up(world, node, world_draw(world, node, 2, AGENT_SPREAD_NS));
            }
        }
    }
}

uint32_t world_node_launch(struct world *world, uint32_t group_row, uint64_t lifetime_ns)
{
    struct world_group *group = &world->groups[group_row];
    uint32_t subnet = sim_subnet_by_name(world->ec2, group->subnet);
    struct sim_problem problem = { 0 };
    struct sim_run run = {
        .subnet = aws_id_slice(&world->ec2->subnets[subnet].id),
        .type = group->type,
        .at_once = true,
        .dns_name = arena_printf(&world->scratch, "%.*s-x%u", SLICE_ARG(group->name),
                                 group->launched + 1),
    };
    uint32_t row = 0;

    struct slice id = arena_printf(&world->scratch, "i-0%016llx",
                                   (unsigned long long)slice_hash(run.dns_name));
    if (aws_id_set(&run.id, id) != ERR_OK || !sim_instance_run(world->ec2, &run, &row, &problem)) {
        world->result.launch_failures++;
        world_note(world, "no instance in %.*s: %s", SLICE_ARG(group->subnet), problem.message);
        return ROW_NONE;
    }
    uint32_t node = add_node(world, group_row, row);
    world->nodes[node].leaves_ns = lifetime_ns ? world->now_ns + lifetime_ns : 0;
    timers_set(&world->node_timers, node,
               world->now_ns + REGISTER_NS + world_draw(world, node, 3, REGISTER_NS));
    return node;
}

/* ---- the end of a node ---- */

static void lose_pods(struct world *world, uint32_t row)
{
    while (world->nodes[row].first_pod != ROW_NONE) {
        uint32_t pod = world->nodes[row].first_pod;
        world_work_lost(world, pod);
    }
}

static void forget_agent(struct world *world, struct world_node *node)
{
    if (node->agent) {
        world->agents_created += node->agent->stats.enis_created;
        world->agents_calls += node->agent->stats.ec2_calls;
        sim_agent_free(node->agent);
        node->agent = NULL;
    }
}

static void end_instance(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    world_account(world, row);
    (void)sim_ec2_terminate(world->ec2, world->now_ns, &node->instance);
    timers_set(&world->agent_timers, row, TIMERS_NEVER);
    world->nodes_up -= node->phase == NODE_UP;
    node->phase = NODE_LEAVING;
    world_node_load(world, row);
    timers_set(&world->node_timers, row, world->now_ns + DELETE_NS);
}

static void end_node(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    lose_pods(world, row);
    node = &world->nodes[row];
    forget_agent(world, node);
    node->phase = NODE_OFF;
    if (world->api) {
        api_pod_delete(world->api, node->agent_pod);
        api_node_delete(world->api, node->api);
    }
    world_schedule(world);
}

void world_node_cordon(struct world *world, uint32_t row, bool on)
{
    struct world_node *node = &world->nodes[row];
    static const struct api_taint taint = { { "node.kubernetes.io/unschedulable", 32 },
                                            { "", 0 },
                                            { "NoSchedule", 10 } };

    if (node->phase != NODE_UP || node->cordoned == on) {
        return;
    }
    node->cordoned = on;
    sim_agent_cordon(node->agent, world->now_ns, on);
    world_agent_changed(world, row);
    world_node_load(world, row);
    if (world->api) {
        world->api->nodes[node->api].unschedulable = on;
        if (on) {
            (void)api_node_taint(world->api, node->api, &taint);
        } else {
            (void)api_node_untaint(world->api, node->api, taint.key);
        }
        api_node_touched(world->api, node->api);
    }
}

void world_node_remove(struct world *world, uint32_t row, bool gracefully)
{
    struct world_node *node = &world->nodes[row];
    static const struct api_taint taint = { { "ToBeDeletedByClusterAutoscaler", 30 },
                                            { "", 0 },
                                            { "NoSchedule", 10 } };

    if (node->phase != NODE_UP) {
        return;
    }
    node->leaves_ns = 0;
    if (!gracefully) {
        world_note(world, "%s vanishes", node->name);
        end_instance(world, row);
        return;
    }
    if (world->api) {
        (void)api_node_taint(world->api, node->api, &taint);
    }
    world_node_cordon(world, row, true);
    lose_pods(world, row);
    timers_set(&world->node_timers, row, world->now_ns + DRAIN_NS);
    world_schedule(world);
}

void world_node_due(struct world *world, uint32_t row)
{
    struct world_node *node = &world->nodes[row];

    switch (node->phase) {
    case NODE_LAUNCHING:
        come_up(world, row, AGENT_FIRST_NS + world_draw(world, row, 2, AGENT_SPREAD_NS));
        node = &world->nodes[row];
        if (node->leaves_ns) {
            timers_set(&world->node_timers, row, node->leaves_ns);
        }
        return;
    case NODE_UP:
        if (node->leaves_ns) {
            world_node_remove(world, row, true);
        } else {
            end_instance(world, row);
        }
        return;
    case NODE_LEAVING:
        end_node(world, row);
        return;
    case NODE_OFF:
        return;
    }
}
