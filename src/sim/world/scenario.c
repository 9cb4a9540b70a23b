/*
 * scenario.c - the scenario's keys that are not EC2's: pools, agents, demand, faults. The
 * format: docs/simulator.md.
 *
 * Knows the fields and says which line is wrong. Refuses to know what they lead to.
 */
#include <stdio.h>

#include "../ec2/scenario.h"
#include "state.h"

/* The scenario's instances have been there for so long. */
#define BEFORE_NS (60 * SIM_S)

enum { DURATION_MAX_S = 8 * 86400, COUNT_MAX = 10000000 };

static uint32_t scaled(const struct world *world, uint64_t count)
{
    uint64_t value = (uint64_t)((double)count * world->config.scale + 0.5);

    return (uint32_t)(count > 0 && value == 0 ? 1 : value);
}

static enum err read_time(const struct doc *row, const char *field, uint64_t *ret,
                          struct error *error)
{
    const struct doc *doc = doc_get(row, field);

    if (!doc || duration_parse(doc_text(doc), ret) == ERR_OK) {
        return ERR_OK;
    }
    return sim_doc_fail(error, doc,
                        "%s must be a duration with a unit, such as 90s or 5m, not \"%.*s\"", field,
                        SLICE_ARG(doc_text(doc)));
}

static enum err read_count(const struct doc *row, const char *field, uint64_t *ret,
                           struct error *error)
{
    const struct doc *doc = doc_get(row, field);

    if (!doc) {
        return ERR_OK;
    }
    if (slice_u64(doc_text(doc), COUNT_MAX, ret) != ERR_OK) {
        return sim_doc_fail(error, doc, "%s must be a number from 0 to %d, not \"%.*s\"", field,
                            COUNT_MAX, SLICE_ARG(doc_text(doc)));
    }
    return ERR_OK;
}

/* ---- the agents' settings, ENIConfigs ---- */

static void write_env(struct json_out *json, const struct doc *env)
{
    json_key(json, "env");
    json_begin_array(json);
    for (const struct doc *one = doc_first(env); one; one = one->next) {
        json_begin_object(json);
        json_field_text(json, "name", one->key);
        json_field_text(json, "value", one->text);
        json_end_object(json);
    }
    json_end_array(json);
}

/* The DaemonSet's spec, with the settings as env: what the controller reads. */
static struct slice daemonset_spec(struct world *world)
{
    struct json_out json;
    struct buf out;

    buf_init(&out, 1 << 20);
    json_start(&json, &out);
    json_begin_object(&json);
    json_key(&json, "template");
    json_begin_object(&json);
    json_key(&json, "spec");
    json_begin_object(&json);
    json_key(&json, "containers");
    json_begin_array(&json);
    json_begin_object(&json);
    json_field_text(&json, "name", SLICE("aws-node"));
    json_field_text(&json, "image", SLICE("example/amazon-k8s-cni:v1.23.2"));
    write_env(&json, world->env);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    json_end_object(&json);
    json_end_object(&json);
    struct slice spec = arena_slice(&world->arena, buf_slice(&out));
    buf_done(&out);
    return spec;
}

static enum err read_agent(struct world *world, struct error *error)
{
    const struct doc *object = NULL;
    struct slice odd = SLICE("");

    world->daemonset_spec = daemonset_spec(world);
    struct slice text = arena_printf(&world->arena,
                                     "{\"metadata\":{\"name\":\"aws-node\"},\"spec\":%.*s}",
                                     SLICE_ARG(world->daemonset_spec));
    enum err err = json_parse(&world->arena, text, NULL, &object, error);
    if (err == ERR_OK) {
        err = kube_json_agent(&world->arena, object, &world->settings, &odd, error);
    }
    if (err == ERR_OK && odd.len > 0) {
        err = sim_doc_fail(error, world->env, "the agent would not take %.*s", SLICE_ARG(odd));
    }
    return err;
}

static enum err read_eniconfigs(struct world *world, const struct doc *list, struct error *error)
{
    static const char *const keys[] = { "name", "subnet", "securityGroups", NULL };

    world->eniconfigs = ARENA_ARRAY(&world->arena, struct eniconfig, doc_count(list));
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        struct eniconfig *one = &world->eniconfigs[world->eniconfig_count++];
        enum err err = sim_doc_keys(at, "an eniConfig", keys, error);
        if (err != ERR_OK) {
            return err;
        }
        uint32_t subnet = sim_subnet_by_name(world->ec2, doc_text(doc_get(at, "subnet")));
        if (subnet == ROW_NONE) {
            return sim_doc_no_subnet(world->ec2, at, doc_text(doc_get(at, "subnet")), error);
        }
        const struct doc *groups = doc_get(at, "securityGroups");
        struct aws_id *ids = ARENA_ARRAY(&world->arena, struct aws_id, doc_count(groups));
        one->name = doc_text(doc_get(at, "name"));
        one->subnet = world->ec2->subnets[subnet].id;
        for (const struct doc *group = doc_first(groups); group; group = group->next) {
            uint32_t row = sim_find_group(world->ec2, doc_text(group));
            for (uint32_t i = 0; row == ROW_NONE && i < world->ec2->group_count; i++) {
                row = slice_eq(world->ec2->groups[i].name, doc_text(group)) ? i : ROW_NONE;
            }
            if (row == ROW_NONE) {
                return sim_doc_fail(error, group, "there is no security group %.*s",
                                    SLICE_ARG(doc_text(group)));
            }
            ids[one->group_count++] = world->ec2->groups[row].id;
        }
        one->groups = ids;
    }
    return ERR_OK;
}

static enum err read_kubernetes(struct world *world, const struct doc *kubernetes,
                                struct error *error)
{
    static const char *const keys[] = {
        "agent", "eniConfigs", "schedule", "retry", "serving", NULL
    };

    if (kubernetes) {
        enum err err = sim_doc_keys(kubernetes, "kubernetes", keys, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    world->retry_ns = 10 * SIM_S;
    world->env = doc_get(kubernetes, "agent");
    enum err err = read_time(kubernetes, "retry", &world->retry_ns, error);
    if (err == ERR_OK) {
        err = doc_read_bool(doc_get(kubernetes, "serving"), "serving", &world->serving, error);
    }
    if (err == ERR_OK) {
        err = read_eniconfigs(world, doc_get(kubernetes, "eniConfigs"), error);
    }
    return err == ERR_OK ? read_agent(world, error) : err;
}

/* ---- pools: read as the controller reads them ---- */

static void select_subnets(struct world *world, struct world_pool *pool)
{
    pool->subnets = ARENA_ARRAY(&world->arena, bool, world->ec2->subnet_count);
    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        const struct sim_subnet *subnet = &world->ec2->subnets[i];
        const struct pair *tags = sim_tags_pairs(world->ec2, &subnet->tags, &world->arena);
        pool->subnets[i] = selector_terms_match(
            pool->pool.subnet_terms, pool->pool.subnet_term_count, aws_id_slice(&subnet->id), tags,
            subnet->tags.count);
    }
}

/* Subnets by their names, which only scenarios have. */
static const struct doc *with_ids(struct world *world, const struct doc *spec)
{
    const struct doc *terms = doc_get(spec, "subnetSelectorTerms");

    for (const struct doc *term = doc_first(terms); term; term = term->next) {
        struct doc *id = (struct doc *)(uintptr_t)doc_get(term, "id");
        uint32_t row = id ? sim_subnet_by_name(world->ec2, id->text) : ROW_NONE;
        if (row != ROW_NONE) {
            id->text = aws_id_slice(&world->ec2->subnets[row].id);
        }
    }
    return spec;
}

/* A field that the API server would refuse. */
static enum err check_spec(const struct doc *spec, struct error *error)
{
    static const char *const nodes[] = { "matchLabels", "matchExpressions", NULL };
    static const char *const watermarks[] = { "low", "high", NULL };
    static const char *const room[] = { "minIPsPerNode", "leadTime", "maxENIsPerNode", NULL };
    static const char *const limits[] = { "attachPerMinute", "maxENIs", NULL };
    static const char *const lists[] = { "subnetSelectorTerms", "securityGroupSelectorTerms" };
    static const char *const term[] = { "id", "tags", NULL };
    static const struct {
        const char *field;
        const char *const *keys;
    } parts[] = { { "nodeSelector", nodes },
                  { "watermarks", watermarks },
                  { "headroom", room },
                  { "limits", limits } };

    enum err err = sim_doc_keys(spec, "spec", pool_fields, error);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && err == ERR_OK; i++) {
        const struct doc *part = doc_get(spec, parts[i].field);
        err = part ? sim_doc_keys(part, parts[i].field, parts[i].keys, error) : ERR_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct doc *at = doc_first(doc_get(spec, lists[i]));
        for (; at && err == ERR_OK; at = at->next) {
            err = sim_doc_keys(at, "a selector term", term, error);
        }
    }
    return err;
}

static enum err read_pool(struct world *world, const struct doc *row, struct error *error)
{
    static const char *const keys[] = { "name", "spec", NULL };
    struct world_pool *pool = &world->pools[world->pool_count++];
    const struct doc *object = NULL;
    struct json_out json;
    struct buf out;

    enum err err = sim_doc_keys(row, "a pool", keys, error);
    if (err == ERR_OK) {
        err = check_spec(doc_get(row, "spec"), error);
    }
    if (err != ERR_OK) {
        return err;
    }
    buf_init(&out, 1 << 20);
    json_start(&json, &out);
    json_doc(&json, with_ids(world, doc_get(row, "spec")));
    pool->spec_json = arena_slice(&world->arena, buf_slice(&out));
    buf_done(&out);
    struct slice text = arena_printf(
        &world->arena, "{\"metadata\":{\"name\":\"%.*s\"},\"spec\":%.*s}",
        SLICE_ARG(doc_text(doc_get(row, "name"))), SLICE_ARG(pool->spec_json));
    err = json_parse(&world->arena, text, NULL, &object, error);
    if (err == ERR_OK) {
        err = kube_json_pool(&world->arena, object, &pool->pool, error);
    }
    if (err != ERR_OK) {
        struct slice why = arena_slice(&world->arena, slice_of(error ? error->text : ""));
        return sim_doc_fail(error, row, "pool %.*s: %.*s",
                            SLICE_ARG(doc_text(doc_get(row, "name"))), SLICE_ARG(why));
    }
    select_subnets(world, pool);
    return ERR_OK;
}

/* ---- instances: what they are as nodes ---- */

static const struct pair *read_pairs(struct world *world, const struct doc *map, uint32_t *count)
{
    struct pair *pairs = ARENA_ARRAY(&world->arena, struct pair, doc_count(map));

    *count = 0;
    for (const struct doc *at = doc_first(map); at; at = at->next) {
        pairs[(*count)++] = (struct pair){ at->key, doc_text(at) };
    }
    return pairs;
}

static enum err read_group(struct world *world, const struct doc *row, struct error *error)
{
    struct world_group *group = &world->groups[world->group_count++];
    uint64_t max_pods = 0;

    *group = (struct world_group){
        .name = doc_text_or(doc_get(row, "name"), doc_text(doc_get(row, "id"))),
        .type = doc_text_or(doc_get(row, "type"), SLICE("m5.large")),
        .subnet = doc_text(doc_get(row, "subnet")),
        .node = doc_text(doc_get(row, "node")),
    };
    group->labels = read_pairs(world, doc_get(row, "labels"), &group->label_count);
    group->annotations = read_pairs(world, doc_get(row, "annotations"), &group->annotation_count);
    for (const struct doc *at = doc_first(doc_get(row, "taints")); at; at = at->next) {
        if (group->taint_count == API_TAINTS_MAX) {
            return sim_doc_fail(error, at, "more than %d taints", API_TAINTS_MAX);
        }
        group->taints[group->taint_count++] = (struct api_taint){
            doc_text(doc_get(at, "key")),
            doc_text(doc_get(at, "value")),
            doc_text_or(doc_get(at, "effect"), SLICE("NoSchedule")),
        };
    }
    enum err err = read_count(row, "max_pods", &max_pods, error);
    group->max_pods = (uint32_t)max_pods;
    return err;
}

/* ---- demand ---- */

static const struct {
    const char *key;
    enum act_kind kind;
} act_keys[] = {
    { "pods", ACT_DO_PODS },         { "jobs", ACT_DO_JOBS },     { "scale", ACT_DO_SCALE },
    { "restart", ACT_DO_RESTART },   { "nodes", ACT_DO_NODES },   { "remove", ACT_DO_REMOVE },
    { "evacuate", ACT_DO_EVACUATE }, { "cordon", ACT_DO_CORDON }, { "vanish", ACT_DO_VANISH },
    { "drain", ACT_DO_DRAIN },       { "agents", ACT_DO_AGENTS },
};

static enum err read_act(struct world *world, const struct doc *row, struct error *error)
{
    static const char *const keys[] = { "pods",   "jobs",     "scale",  "restart", "nodes",
                                        "remove", "evacuate", "cordon", "vanish",  "drain",
                                        "agents", "at",       "every",  "until",   "lifetime",
                                        "over",   "count",    "free",   "on",      NULL };
    struct act act = { .until_ns = UINT64_MAX, .on = doc_text(doc_get(row, "on")) };
    uint64_t count = 1, free = 0;
    bool known = false;

    enum err err = sim_doc_keys(row, "a demand", keys, error);
    for (size_t i = 0; i < sizeof(act_keys) / sizeof(act_keys[0]); i++) {
        const struct doc *field = doc_get(row, act_keys[i].key);
        if (field && known) {
            return sim_doc_fail(error, row,
                                "a demand is one thing, and this one has both %s and %s",
                                act_keys[act.kind].key, act_keys[i].key);
        }
        if (field) {
            act.kind = act_keys[i].kind;
            act.name = doc_text(field);
            known = true;
        }
    }
    if (err == ERR_OK && !known) {
        return sim_doc_fail(error, row,
                            "a demand needs one of pods, jobs, scale, restart, nodes, "
                            "remove, evacuate, cordon, vanish, drain, agents");
    }
    const struct {
        const char *field;
        uint64_t *value;
    } times[] = { { "at", &act.at_ns },
                  { "every", &act.every_ns },
                  { "until", &act.until_ns },
                  { "lifetime", &act.lifetime_ns },
                  { "over", &act.over_ns } };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]) && err == ERR_OK; i++) {
        err = read_time(row, times[i].field, times[i].value, error);
    }
    if (err == ERR_OK) {
        err = read_count(row, "count", &count, error);
    }
    if (err == ERR_OK) {
        err = read_count(row, "free", &free, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (doc_get(row, "every") && act.every_ns == 0) {
        return sim_doc_fail(error, row, "every must be above 0; without it, it happens once");
    }
    if (act.until_ns < act.at_ns) {
        return sim_doc_fail(error, row, "until is before at");
    }
    act.line = row->line;
    act.count = act.kind == ACT_DO_DRAIN ? (uint32_t)free : scaled(world, count);
    if (act.on.len > 0 && act.kind != ACT_DO_PODS) {
        return sim_doc_fail(error, row, "only pods can be on a node from the start");
    }
    if (act.kind == ACT_DO_DRAIN && sim_subnet_by_name(world->ec2, act.name) == ROW_NONE) {
        return sim_doc_no_subnet(world->ec2, row, act.name, error);
    }
    mem_reserve(&world->acts, &world->act_capacity, world->act_count + 1, sizeof(act));
    world->acts[world->act_count++] = act;
    return ERR_OK;
}

/* ---- faults ---- */

static const char *const fault_names[BREAK_KINDS] = {
    [BREAK_LAG] = "lag",
    [BREAK_THROTTLE] = "throttle",
    [BREAK_ERROR] = "error",
    [BREAK_LOST_REPLY] = "lost_reply",
    [BREAK_LOST_REQUEST] = "lost_request",
    [BREAK_CUT] = "cut",
    [BREAK_LATENCY] = "latency",
    [BREAK_CRASH] = "crash",
    [BREAK_SILENCE] = "silence",
    [BREAK_API] = "api_down",
    [BREAK_COMPACT] = "compact",
    [BREAK_STEAL] = "steal_lease",
    [BREAK_CLOCK] = "clock",
};

static bool takes_share(enum world_fault_kind kind)
{
    return kind == BREAK_THROTTLE || kind == BREAK_ERROR || kind == BREAK_LOST_REPLY ||
           kind == BREAK_LOST_REQUEST || kind == BREAK_CUT;
}

static enum err read_fault(struct world *world, const struct doc *row, struct error *error)
{
    struct world_fault fault = { .kind = BREAK_KINDS, .share = 1 };

    for (const struct doc *at = doc_first(row); at; at = at->next) {
        bool known = slice_is(at->key, "at") || slice_is(at->key, "for");
        for (uint32_t i = 0; i < BREAK_KINDS; i++) {
            if (!slice_is(at->key, fault_names[i])) {
                continue;
            }
            known = true;
            fault.kind = (enum world_fault_kind)i;
            if (takes_share(fault.kind)) {
                fault.share = doc_double_or(at, 1);
            } else if (duration_parse(doc_text(at), &fault.amount_ns) != ERR_OK) {
                return sim_doc_fail(error, at, "%s must be a duration such as 30s, not \"%.*s\"",
                                    fault_names[i], SLICE_ARG(doc_text(at)));
            }
        }
        if (!known) {
            return sim_doc_fail(error, at, "a fault has no field \"%.*s\"", SLICE_ARG(at->key));
        }
    }
    if (fault.kind == BREAK_KINDS) {
        return sim_doc_fail(error, row, "a fault needs its kind: lag, throttle, error ...");
    }
    enum err err = read_time(row, "at", &fault.at_ns, error);
    if (err == ERR_OK) {
        err = read_time(row, "for", &fault.for_ns, error);
    }
    mem_reserve(&world->faults, &world->fault_capacity, world->fault_count + 1, sizeof(fault));
    world->faults[world->fault_count++] = fault;
    return err;
}

/* ---- all of it ---- */

static enum err each(struct world *world, const struct doc *list, const char *what,
                     enum err (*read)(struct world *, const struct doc *, struct error *),
                     struct error *error)
{
    enum err err = ERR_OK;

    if (list && !doc_is(list, DOC_SEQUENCE)) {
        return sim_doc_fail(error, list, "%s must be a list", what);
    }
    for (const struct doc *at = doc_first(list); at && err == ERR_OK; at = at->next) {
        err = read(world, at, error);
    }
    return err;
}

/* ---- a smaller cluster ---- */

static struct doc *writable(const struct doc *doc)
{
    return (struct doc *)(uintptr_t)doc; /* of a tree that is ours alone */
}

static void scale_number(struct world *world, const struct doc *field)
{
    uint64_t value = 0;

    if (field && slice_u64(field->text, UINT32_MAX, &value) == ERR_OK) {
        writable(field)->text = arena_printf(&world->arena, "%u", scaled(world, value));
    }
}

/* Blocks shrink by halves; what is still too much is hidden later. */
static uint32_t halvings(const struct world *world)
{
    uint32_t count = 0;

    for (double left = world->config.scale; left <= 0.5; left *= 2) {
        count++;
    }
    return count;
}

static bool read_block(const struct doc *field, uint32_t *base, uint64_t *bits)
{
    struct slice rest = doc_text(field);

    return slice_ipv4(slice_cut(&rest, '/'), base) == ERR_OK && slice_u64(rest, 32, bits) == ERR_OK;
}

static void scale_block(struct world *world, const struct doc *field, uint32_t base, uint64_t bits)
{
    writable(field)->text = arena_printf(&world->arena, "%u.%u.%u.%u/%llu", base >> 24,
                                         base >> 16 & 255, base >> 8 & 255, base & 255,
                                         (unsigned long long)bits);
}

/* They stay where they are in it; one that would be less than a block of 16 goes. */
static void scale_reservations(struct world *world, const struct doc *list, uint32_t base,
                               uint32_t halved)
{
    const struct doc **link = list ? &writable(list)->first : NULL;

    while (link && *link) {
        const struct doc *field = doc_get(*link, "cidr");
        uint32_t inner = 0;
        uint64_t bits = 0;
        bool read = read_block(field, &inner, &bits) && inner >= base;
        if (read && bits + halved > 28) {
            *link = (*link)->next;
            writable(list)->count--;
            continue;
        }
        if (read) {
            scale_block(world, field, base + ((inner - base) >> halved), bits + halved);
        }
        link = &writable(*link)->next;
    }
}

static void scale_subnet(struct world *world, const struct doc *subnet)
{
    const struct doc *cidr = doc_get(subnet, "cidr");
    uint32_t base = 0, halved = halvings(world);
    uint64_t bits = 0;

    if (!read_block(cidr, &base, &bits)) {
        return; /* which will be refused */
    }
    halved = bits + halved > 28 ? (uint32_t)(bits < 28 ? 28 - bits : 0) : halved;
    scale_number(world, doc_get(subnet, "free"));
    scale_block(world, cidr, base, bits + halved);
    scale_reservations(world, doc_get(subnet, "reservations"), base, halved);
}

/* The same scenario for so much of its nodes and addresses. */
static void scale_scenario(struct world *world)
{
    for (const struct doc *at = doc_first(doc_get(world->top, "instances")); at; at = at->next) {
        scale_number(world, doc_get(at, "count"));
    }
    for (const struct doc *at = doc_first(doc_get(world->top, "subnets")); at; at = at->next) {
        scale_subnet(world, at);
    }
}

/* What halving has left over is as if it were not there, the lowest addresses first. */
static void hide_surplus(struct world *world)
{
    double left = world->config.scale;

    while (left <= 0.5) {
        left *= 2;
    }
    for (uint32_t i = 0; i < world->ec2->subnet_count; i++) {
        struct sim_space *space = &world->ec2->subnets[i].space;
        uint32_t surplus = (uint32_t)((double)(space->size - SPACE_OWN) * (1 - left));
        uint32_t ip = 0;
        while (surplus > 0 && sim_space_pick(space, NULL, &ip)) {
            surplus--;
        }
    }
}

static enum err read_rows(struct world *world, struct error *error)
{
    const struct doc *top = world->top;
    const struct doc *pools = doc_get(top, "pools"), *groups = doc_get(top, "instances");

    world->pools = ARENA_ARRAY(&world->arena, struct world_pool, doc_count(pools));
    world->groups = ARENA_ARRAY(&world->arena, struct world_group, doc_count(groups));
    enum err err = each(world, pools, "pools", read_pool, error);
    if (err == ERR_OK) {
        err = each(world, groups, "instances", read_group, error);
    }
    if (err == ERR_OK) {
        err = each(world, doc_get(top, "demand"), "demand", read_act, error);
    }
    if (err == ERR_OK) {
        err = each(world, doc_get(top, "faults"), "faults", read_fault, error);
    }
    return err;
}

static enum err read_all(struct world *world, struct error *error)
{
    uint64_t duration_ns = 1800 * SIM_S;

    if (world->config.scale < 1) {
        scale_scenario(world);
    }
    enum err err = sim_ec2_new_of(world->top, world->config.seed, world->begin_ns - BEFORE_NS,
                                  WORLD_BEGIN_WALL_NS - BEFORE_NS, &world->ec2, error);
    if (err != ERR_OK) {
        return err;
    }
    sim_ec2_advance(world->ec2, world->begin_ns);
    if (world->config.scale < 1) {
        hide_surplus(world);
    }
    err = read_time(world->top, "duration", &duration_ns, error);
    if (err == ERR_OK && (duration_ns == 0 || duration_ns > DURATION_MAX_S * SIM_S)) {
        err = sim_doc_fail(error, doc_get(world->top, "duration"), "duration must be 1s to 192h");
    }
    world->end_ns = world->begin_ns + duration_ns;
    if (err == ERR_OK) {
        err = read_kubernetes(world, doc_get(world->top, "kubernetes"), error);
    }
    if (err == ERR_OK) {
        err = read_rows(world, error);
    }
    return err == ERR_OK ? world_check_names(world, error) : err;
}

enum err world_read_scenario(struct world *world, struct error *error)
{
    static const struct doc_limits limits = { .bytes = WORLD_SCENARIO_MAX, .nodes = 8 << 20 };

    enum err err = yaml_parse(&world->arena, world->config.scenario, world->config.name, &limits,
                              &world->top, error);
    if (err != ERR_OK) {
        return err;
    }
    err = read_all(world, error);
    if (err != ERR_OK) {
        (void)error_prefix(error, "%.*s", SLICE_ARG(world->config.name));
    }
    return err;
}
