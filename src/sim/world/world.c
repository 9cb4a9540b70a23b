/*
 * world.c - virtual time: whose turn is next, until the scenario is over.
 *
 * Knows the queues and their order. Refuses to know what happens in a turn.
 */
#include <stdio.h>

#include "state.h"

enum { TRACE_MAX = 1 << 20, SAME_TIME_MAX = 200000 };

static const char *const column_names[] = { "agent", "headroom", "oracle" };

const char *world_column_name(enum world_column column)
{
    return column_names[column];
}

/* ---- small things ---- */

uint64_t world_wall_ns(const struct world *world)
{
    return WORLD_BEGIN_WALL_NS + (world->now_ns - world->begin_ns);
}

uint64_t world_controller_wall_ns(const struct world *world)
{
    return (uint64_t)((int64_t)world_wall_ns(world) + world->clock_jump_ns);
}

uint64_t world_draw(const struct world *world, uint64_t who, uint64_t what, uint64_t below)
{
    struct prng prng;

    prng_init(&prng, world->config.seed * UINT64_C(0x9E3779B97F4A7C15) ^ who << 20 ^ what);
    return prng_below(&prng, below);
}

void world_note(struct world *world, const char *format, ...)
{
    va_list args;
    char line[400];

    if (world->trace.len > TRACE_MAX - sizeof(line)) {
        return;
    }
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)len;
    buf_addf(&world->trace, "%.3fs %s\n", (double)(world->now_ns - world->begin_ns) / 1e9, line);
}

const struct slice *world_remarks(const struct world *world, uint32_t *ret_count)
{
    *ret_count = world->remark_count;
    return world->remarks;
}

struct slice world_trace(const struct world *world)
{
    return buf_slice(&world->trace);
}

bool world_condition(const struct world *world, struct slice node, struct slice type,
                     struct slice *ret_status, struct slice *ret_reason)
{
    for (uint32_t i = 0; world->api && i < world->api->node_count; i++) {
        const struct api_node *row = &world->api->nodes[i];
        const struct api_condition *found = row->used && slice_eq(row->name, node)
                                                ? api_find_condition(row, type)
                                                : NULL;
        if (found) {
            *ret_status = found->status;
            *ret_reason = found->reason;
            return true;
        }
    }
    return false;
}

bool world_told(const struct world *world, struct slice reason, struct slice name)
{
    char text[256];
    int len = snprintf(text, sizeof(text), "%.*s %.*s", SLICE_ARG(reason), SLICE_ARG(name));

    return world->api && len > 0 && (size_t)len < sizeof(text) &&
           interner_find(&world->api->told, (struct slice){ text, (size_t)len }) != INDEX_NONE;
}

/* ---- the controller's process ---- */

void world_start_engine(struct world *world)
{
    struct slice identity = arena_printf(&world->arena, "headroom-controller-%llu",
                                         (unsigned long long)++world->incarnation);
    const struct sim_identity *key = &world->ec2->identities[0];
    struct engine_config config = {
        .plan = { .seed = world->config.seed + world->incarnation },
        .kube = {
            .access = {
                .server = SLICE("https://api.sim"),
                .context = SLICE("sim"),
                .token_file = SLICE("/var/run/secrets/token"),
            },
            .seed = world->config.seed * 3 + world->incarnation,
            .identity = identity,
            .user_agent = SLICE("headroom/sim"),
            .leader_elect = true,
        },
        .ec2 = {
            .env = {
                .access_key_id = key->key_id,
                .secret_access_key = key->secret,
                .region = world->ec2->region,
                .endpoint_ec2 = SLICE("http://ec2.sim"),
                .metadata_disabled = true,
                .user_agent = SLICE("headroom/sim"),
            },
            .seed = world->config.seed * 5 + world->incarnation,
        },
        .version = SLICE("sim"),
        .witness = world->config.witness,
        .acted = world->config.acted,
        .witness_of = world->config.witness_of,
    };

    world->engine = engine_new(&config);
    world->engine_back_ns = UINT64_MAX;
    world_note(world, "the controller starts");
    world_check_forget(world);
    world_step_engine(world, NULL);
}

void world_stop_engine(struct world *world)
{
    if (world->engine) {
        engine_free(world->engine);
        world->engine = NULL;
        world_net_crash(world);
        world_note(world, "the controller is killed");
    }
}

void world_step_engine(struct world *world, const struct fetch_event *event)
{
    struct engine_input input = {
        .kind = event ? ENGINE_FETCH : ENGINE_TICK,
        .now_ns = world->now_ns,
        .wall_ns = world_controller_wall_ns(world),
    };
    struct engine_output out;

    if (!world->engine) {
        return;
    }
    if (event) {
        input.fetch = *event;
    }
    engine_step(world->engine, &input, &out);
    for (uint32_t i = 0; i < out.logs.count; i++) {
        const struct log_record *record = &out.logs.records[i];
        if (record->level >= LOG_INFO) {
            world_note(world, "log %s %.*s", log_level_name(record->level),
                       record->message.len < 280 ? (int)record->message.len : 280,
                       record->message.data);
        }
    }
    world_net_take(world, &out.fetches);
    world->engine_due_ns = engine_deadline_ns(world->engine);
}

/* ---- life ---- */

static void init_queues(struct world *world)
{
    timers_init(&world->call_timers);
    timers_init(&world->agent_timers);
    timers_init(&world->node_timers);
    timers_init(&world->pod_timers);
    timers_init(&world->act_timers);
    timers_init(&world->fault_timers);
    timers_init(&world->load);
}

static void begin(struct world *world)
{
    if (world->config.column == WORLD_HEADROOM) {
        world->api = api_new();
        api_advance(world->api, world->now_ns, world_wall_ns(world));
    }
    if (world->config.faults) {
        world_faults_draw(world);
    }
    world_nodes_begin(world);
    world_remark_all(world);
    world_demand_begin(world);
    world_faults_begin(world);
    world_measure_begin(world);
    world->engine_back_ns = world->api ? world->now_ns + 2 * SIM_S : UINT64_MAX;
    world->token_ns = world->api ? world->now_ns + 3600 * SIM_S : UINT64_MAX;
    world->stolen_until_ns = world->steal_next_ns = UINT64_MAX;
}

enum err world_new(const struct world_config *config, struct world **ret, struct error *error)
{
    struct world *world = mem_resize(NULL, 1, sizeof(*world));

    memset(world, 0, sizeof(*world));
    world->config = *config;
    world->now_ns = world->begin_ns = WORLD_BEGIN_NS;
    world->config.scale = config->scale > 0 ? config->scale : 1;
    arena_init(&world->arena);
    arena_init(&world->scratch);
    interner_init(&world->zones);
    buf_init(&world->trace, TRACE_MAX);
    init_queues(world);
    world->config.scenario = arena_slice(&world->arena, config->scenario);
    world->config.name = arena_slice(&world->arena, config->name);
    prng_init(&world->prng, config->seed);
    prng_init(&world->net_prng, config->seed + 77);
    enum err err = world_read_scenario(world, error);
    if (err != ERR_OK) {
        world_free(world);
        return err;
    }
    begin(world);
    *ret = world;
    return ERR_OK;
}

static void free_rows(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_agent_free(world->nodes[i].agent);
    }
    for (uint32_t i = 0; i < world->workload_count; i++) {
        mem_free(world->workloads[i].pods);
    }
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        arena_done(&world->calls[i].arena);
    }
    mem_free(world->nodes);
    mem_free(world->node_of_instance);
    mem_free(world->pods);
    mem_free(world->free_pods);
    mem_free(world->pending);
    mem_free(world->workloads);
    mem_free(world->acts);
    mem_free(world->faults);
    mem_free(world->sample_at);
    mem_free(world->sample_waiting);
    mem_free(world->sample_enis);
    mem_free(world->sample_addresses);
    mem_free(world->sample_free);
    mem_free(world->violations);
    mem_free(world->remarks);
    mem_free(world->made);
    mem_free(world->leaks);
}

void world_free(struct world *world)
{
    if (!world) {
        return;
    }
    engine_free(world->engine);
    free_rows(world);
    api_free(world->api);
    sim_ec2_free(world->ec2);
    timers_done(&world->call_timers);
    timers_done(&world->agent_timers);
    timers_done(&world->node_timers);
    timers_done(&world->pod_timers);
    timers_done(&world->act_timers);
    timers_done(&world->fault_timers);
    timers_done(&world->load);
    interner_done(&world->zones);
    buf_done(&world->trace);
    arena_done(&world->scratch);
    arena_done(&world->arena);
    mem_free(world);
}

/* ---- turns ---- */

enum turn {
    TURN_FAULT,
    TURN_ACT,
    TURN_EC2,
    TURN_NODE,
    TURN_AGENT,
    TURN_POD,
    TURN_API,
    TURN_CALL,
    TURN_ENGINE,
    TURN_START,
    TURN_STEAL,
    TURN_TOKEN,
    TURN_SAMPLE,
    TURN_CHECK,
    TURNS
};

static uint64_t due_ns(const struct world *world, enum turn turn)
{
    switch (turn) {
    case TURN_FAULT:
        return timers_next_ns(&world->fault_timers);
    case TURN_ACT:
        return timers_next_ns(&world->act_timers);
    case TURN_EC2:
        return sim_ec2_deadline_ns(world->ec2);
    case TURN_NODE:
        return timers_next_ns(&world->node_timers);
    case TURN_AGENT:
        return timers_next_ns(&world->agent_timers);
    case TURN_POD:
        return timers_next_ns(&world->pod_timers);
    case TURN_API:
        return world->api ? api_deadline_ns(world->api) : UINT64_MAX;
    case TURN_CALL:
        return timers_next_ns(&world->call_timers);
    case TURN_ENGINE:
        return world->engine ? world->engine_due_ns : UINT64_MAX;
    case TURN_START:
        return world->engine_back_ns;
    case TURN_STEAL:
        return world_steal_deadline_ns(world);
    case TURN_TOKEN:
        return world->token_ns;
    case TURN_SAMPLE:
        return world->sample_ns;
    case TURN_CHECK:
        return world->check_ns;
    case TURNS:
        break;
    }
    return UINT64_MAX;
}

static void rotate_token(struct world *world)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "token-%u", ++world->tokens);
    api_token(world->api, slice_of(text));
    world->token_ns = world->now_ns + 3600 * SIM_S;
}

static void take_queue(struct world *world, struct timers *queue,
                       void (*due)(struct world *, uint32_t))
{
    uint32_t handle = 0;

    if (timers_pop(queue, world->now_ns, &handle)) {
        due(world, handle);
    }
}

static void take_turn(struct world *world, enum turn turn)
{
    switch (turn) {
    case TURN_FAULT:
        take_queue(world, &world->fault_timers, world_fault_due);
        break;
    case TURN_ACT:
        take_queue(world, &world->act_timers, world_act_due);
        break;
    case TURN_EC2:
        sim_ec2_advance(world->ec2, world->now_ns);
        break;
    case TURN_NODE:
        take_queue(world, &world->node_timers, world_node_due);
        break;
    case TURN_AGENT:
        take_queue(world, &world->agent_timers, world_agent_due);
        break;
    case TURN_POD:
        take_queue(world, &world->pod_timers, world_pod_due);
        break;
    case TURN_API:
        api_advance(world->api, world->now_ns, world_wall_ns(world));
        break;
    case TURN_CALL:
        take_queue(world, &world->call_timers, world_net_due);
        break;
    case TURN_ENGINE:
        world_step_engine(world, NULL);
        break;
    case TURN_START:
        world_start_engine(world);
        break;
    case TURN_STEAL:
        world_steal_due(world);
        break;
    case TURN_TOKEN:
        rotate_token(world);
        break;
    case TURN_SAMPLE:
        world_sample(world);
        break;
    case TURN_CHECK:
        world_check_due(world);
        break;
    case TURNS:
        break;
    }
}

static enum turn next_turn(const struct world *world, uint64_t *ret_ns)
{
    enum turn first = TURNS;

    *ret_ns = UINT64_MAX;
    for (enum turn turn = 0; turn < TURNS; turn++) {
        uint64_t at_ns = due_ns(world, turn);
        if (at_ns < *ret_ns) {
            *ret_ns = at_ns;
            first = turn;
        }
    }
    return first;
}

static void end(struct world *world)
{
    world_measure_end(world);
    if (world->config.check) {
        world_check_end(world);
    }
    world->result.steps = world->steps;
}

bool world_run(struct world *world, uint64_t until_ns)
{
    uint64_t limit_ns = world->begin_ns + until_ns;
    uint32_t same = 0;

    while (world->now_ns < world->end_ns) {
        uint64_t at_ns = 0;
        enum turn turn = next_turn(world, &at_ns);
        if (at_ns > world->end_ns) {
            world->now_ns = world->end_ns;
            break;
        }
        if (at_ns > limit_ns) {
            return true;
        }
        same = at_ns <= world->now_ns ? same + 1 : 0;
        if (same > SAME_TIME_MAX) {
            world_violate(world, "time stands still: turn %d for ever", (int)turn);
            world->end_ns = world->now_ns;
            break;
        }
        world->now_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
        arena_reset(&world->scratch);
        if (world->api) {
            world->api->now_ns = world->now_ns;
            world->api->wall_ns = world_wall_ns(world);
        }
        take_turn(world, turn);
        world->steps++;
        if (world->api && world->api->changed) {
            world_net_watches(world);
        }
    }
    if (world->result.steps == 0) {
        end(world);
    }
    return false;
}

uint64_t world_now_ns(const struct world *world)
{
    return world->now_ns - world->begin_ns;
}

uint64_t world_duration_ns(const struct world *world)
{
    return world->end_ns - world->begin_ns;
}

struct slice world_description(const struct world *world)
{
    return doc_text(doc_get(world->top, "description"));
}
