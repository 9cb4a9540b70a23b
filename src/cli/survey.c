/*
 * survey.c - keeping what the planner is told.
 *
 * Knows which event replaces which. Refuses to judge any of it.
 */
#include "survey.h"

static struct slice key_of_node(const void *rows, uint32_t handle)
{
    return ((const struct survey_node *)rows)[handle].node.name;
}

/* ---- deep copies ---- */

static const struct pair *copy_pairs(struct arena *arena, const struct pair *pairs, uint32_t count)
{
    struct pair *copy = ARENA_ARRAY(arena, struct pair, count);

    for (uint32_t i = 0; i < count; i++) {
        copy[i] = (struct pair){ arena_slice(arena, pairs[i].key),
                                 arena_slice(arena, pairs[i].value) };
    }
    return copy;
}

static const void *copy_array(struct arena *arena, const void *items, uint32_t count, size_t size)
{
    void *copy = arena_array(arena, count, size);

    if (count > 0) {
        memcpy(copy, items, count * size);
    }
    return copy;
}

static struct node copy_node(struct arena *arena, const struct node *from)
{
    struct node node = *from;

    node.name = arena_slice(arena, from->name);
    node.provider_id = arena_slice(arena, from->provider_id);
    node.zone = arena_slice(arena, from->zone);
    node.instance_type = arena_slice(arena, from->instance_type);
    node.eniconfig_annotation = arena_slice(arena, from->eniconfig_annotation);
    node.labels = copy_pairs(arena, from->labels, from->label_count);
    return node;
}

static struct subnet copy_subnet(struct arena *arena, const struct subnet *from)
{
    struct subnet subnet = *from;

    subnet.zone = arena_slice(arena, from->zone);
    subnet.zone_id = arena_slice(arena, from->zone_id);
    subnet.reservations = copy_array(arena, from->reservations, from->reservation_count,
                                     sizeof(*from->reservations));
    subnet.tags = copy_pairs(arena, from->tags, from->tag_count);
    return subnet;
}

static struct eni copy_eni(struct arena *arena, const struct eni *from)
{
    struct eni eni = *from;

    eni.zone = arena_slice(arena, from->zone);
    eni.attachment_id = arena_slice(arena, from->attachment_id);
    eni.description = (struct slice){ 0 };
    eni.ips = eni.prefixes = NULL; /* their number is enough */
    eni.groups = copy_array(arena, from->groups, from->group_count, sizeof(*from->groups));
    eni.tags = copy_pairs(arena, from->tags, from->tag_count);
    return eni;
}

static struct agent_settings copy_agent(struct arena *arena, const struct agent_settings *from)
{
    struct agent_settings agent = *from;

    agent.cluster_name = arena_slice(arena, from->cluster_name);
    agent.eniconfig_label = arena_slice(arena, from->eniconfig_label);
    agent.eniconfig_annotation = arena_slice(arena, from->eniconfig_annotation);
    agent.version = arena_slice(arena, from->version);
    agent.extra_tags = copy_pairs(arena, from->extra_tags, from->extra_tag_count);
    return agent;
}

/* ---- events ---- */

static struct survey_node *node_of(struct survey *survey, struct slice name)
{
    uint32_t row = index_find(&survey->by_name, survey->nodes, name);

    if (row == INDEX_NONE) {
        row = survey->node_count++;
        mem_reserve(&survey->nodes, &survey->node_capacity, survey->node_count,
                    sizeof(*survey->nodes));
        survey->nodes[row].node.name = arena_slice(survey->arena, name);
        survey->nodes[row].gone = true; /* until the node itself is seen */
        index_add(&survey->by_name, survey->nodes, row);
    }
    return &survey->nodes[row];
}

static void take_node(struct survey *survey, const struct node *node)
{
    struct survey_node *row = node_of(survey, node->name);

    row->node = copy_node(survey->arena, node);
    row->exclusion = node_instance(&row->node, &row->instance);
    row->gone = false;
}

static void take_pool(struct survey *survey, const struct pool *pool)
{
    uint32_t row = 0;

    while (row < survey->pool_count && !slice_eq(survey->pools[row].name, pool->name)) {
        row++;
    }
    if (row == survey->pool_count) {
        mem_reserve(&survey->pools, &survey->pool_capacity, ++survey->pool_count,
                    sizeof(*survey->pools));
    }
    pool_copy(survey->arena, pool, &survey->pools[row]);
}

static void take_eniconfig(struct survey *survey, const struct eniconfig *config)
{
    mem_reserve(&survey->eniconfigs, &survey->eniconfig_capacity, survey->eniconfig_count + 1,
                sizeof(*survey->eniconfigs));
    struct eniconfig *row = &survey->eniconfigs[survey->eniconfig_count++];
    *row = *config;
    row->name = arena_slice(survey->arena, config->name);
    row->groups = copy_array(survey->arena, config->groups, config->group_count,
                             sizeof(*config->groups));
}

static void take_subnets(struct survey *survey, const struct subnet *subnets, uint32_t count)
{
    struct subnet *rows = ARENA_ARRAY(survey->arena, struct subnet, count);

    for (uint32_t i = 0; i < count; i++) {
        rows[i] = copy_subnet(survey->arena, &subnets[i]);
    }
    survey->subnets = rows;
    survey->subnet_count = count;
}

static void add_enis(struct survey *survey, const struct plan_event *event)
{
    mem_reserve(&survey->enis, &survey->eni_capacity, survey->eni_count + event->enis.count,
                sizeof(*survey->enis));
    for (uint32_t i = 0; i < event->enis.count; i++) {
        if (event->enis.enis[i].instance.text[0] != '\0') {
            survey->enis[survey->eni_count++] = copy_eni(survey->arena, &event->enis.enis[i]);
        }
    }
}

/* All there are, once the last page is in. */
static void take_sweep(struct survey *survey, const struct plan_event *event)
{
    survey->swept_count = event->enis.continued ? survey->swept_count : 0;
    mem_reserve(&survey->swept, &survey->swept_capacity, survey->swept_count + event->enis.count,
                sizeof(*survey->swept));
    for (uint32_t i = 0; i < event->enis.count; i++) {
        if (event->enis.enis[i].instance.text[0] != '\0') {
            survey->swept[survey->swept_count++] = copy_eni(survey->arena, &event->enis.enis[i]);
        }
    }
    if (!event->enis.more) {
        mem_free(survey->enis);
        survey->enis = survey->swept;
        survey->eni_count = survey->swept_count;
        survey->eni_capacity = survey->swept_capacity;
        survey->swept = NULL;
        survey->swept_count = survey->swept_capacity = 0;
    }
}

/* What is known of the instances that the answer is complete for is replaced. */
static void take_enis(struct survey *survey, const struct plan_event *event)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < survey->eni_count; i++) {
        bool old = false;
        for (uint32_t k = 0; k < event->enis.instance_count && !old; k++) {
            old = aws_id_eq(&survey->enis[i].instance, &event->enis.instances[k]);
        }
        if (!old) {
            survey->enis[kept++] = survey->enis[i];
        }
    }
    survey->eni_count = kept;
    add_enis(survey, event);
}

static void take_groups(struct survey *survey, const struct plan_event *event)
{
    struct plan_group *rows = ARENA_ARRAY(survey->arena, struct plan_group, event->groups.count);

    for (uint32_t i = 0; i < event->groups.count; i++) {
        rows[i] = event->groups.groups[i];
        rows[i].tags = copy_pairs(survey->arena, rows[i].tags, rows[i].tag_count);
    }
    survey->groups = rows;
    survey->group_count = event->groups.count;
}

static void take_type(struct survey *survey, const struct instance_type *type)
{
    mem_reserve(&survey->types, &survey->type_capacity, survey->type_count + 1,
                sizeof(*survey->types));
    struct instance_type *row = &survey->types[survey->type_count++];
    *row = *type;
    row->name = arena_slice(survey->arena, type->name);
}

static void take_pods(struct survey *survey, const struct plan_event *event)
{
    struct survey_node *node = node_of(survey, event->pods.node);

    node->holding = event->pods.holding;
    node->waiting = event->pods.waiting;
    node->branch = event->pods.branch;
}

static void witness(void *witness_of, const struct plan_event *event)
{
    struct survey *survey = witness_of;

    switch (event->kind) {
    case PLAN_NODE:
        take_node(survey, &event->node);
        break;
    case PLAN_NODE_GONE:
        node_of(survey, event->name)->gone = true;
        break;
    case PLAN_PODS:
        take_pods(survey, event);
        break;
    case PLAN_POOL:
        take_pool(survey, &event->pool);
        break;
    case PLAN_AGENT:
        survey->have_agent = true;
        survey->agent = copy_agent(survey->arena, &event->agent);
        break;
    case PLAN_ENICONFIG:
        take_eniconfig(survey, &event->eniconfig);
        break;
    case PLAN_SUBNETS:
        take_subnets(survey, event->subnets.subnets, event->subnets.count);
        break;
    case PLAN_ENIS:
        take_enis(survey, event);
        break;
    case PLAN_GROUPS:
        take_groups(survey, event);
        break;
    case PLAN_SWEEP:
        take_sweep(survey, event);
        break;
    case PLAN_TYPE:
        take_type(survey, &event->type);
        break;
    default: /* time, health of watches, leadership: not what the cluster is */
        break;
    }
}

/* ---- making one ---- */

enum err survey_make(struct cli *cli, struct survey *ret, struct error *error)
{
    struct engine_config config;
    struct io *io = NULL; /* its own: the watches end with it */
    struct run run;

    *ret = (struct survey){ .arena = &cli->arena };
    index_init(&ret->by_name, key_of_node);
    enum err err = run_config(&cli->arena, &cli->run, &config, error);
    if (err == ERR_OK) {
        err = io_new(&io, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    config.witness = witness;
    config.witness_of = ret;
    struct engine *engine = engine_new(&config);
    run_init(&run, io, engine);
    run.level = (enum log_level)(LOG_ERROR + 1); /* the error says it all */
    err = run_until_planned(&run, cli->timeout_ns, error);
    run_done(&run);
    engine_free(engine);
    io_free(io);
    return err;
}

void survey_done(struct survey *survey)
{
    index_done(&survey->by_name);
    mem_free(survey->nodes);
    mem_free(survey->pools);
    mem_free(survey->eniconfigs);
    mem_free(survey->enis);
    mem_free(survey->swept);
    mem_free(survey->types);
}

bool survey_selects(const struct pool *pool, const struct subnet *subnet)
{
    return selector_terms_match(pool->subnet_terms, pool->subnet_term_count,
                                aws_id_slice(&subnet->id), subnet->tags, subnet->tag_count);
}

const struct subnet *survey_subnet(const struct survey *survey, const struct aws_id *id)
{
    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        if (aws_id_eq(&survey->subnets[i].id, id)) {
            return &survey->subnets[i];
        }
    }
    return NULL;
}

const struct pool *survey_pool_of(const struct survey *survey, const struct survey_node *node)
{
    const struct pool *best = NULL;

    for (uint32_t i = 0; i < survey->pool_count; i++) {
        const struct pool *pool = &survey->pools[i];
        if (!label_selector_matches(&pool->nodes, node->node.labels, node->node.label_count)) {
            continue;
        }
        if (!best || pool->weight > best->weight ||
            (pool->weight == best->weight && slice_cmp(pool->name, best->name) < 0)) {
            best = pool;
        }
    }
    return best;
}
