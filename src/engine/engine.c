/*
 * engine.c - one step: the input to its machine, the machines whose time has come, and all that
 * follows from them.
 *
 * Knows the order of things and the way to a clean stop. Refuses to know what any of it means.
 */
#include <assert.h>

#include "state.h"

/* Attaching takes two calls of 0.3 s each and waits for budget; a plan step takes microseconds. */
static const double attach_bounds[] = { 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300 };
static const double plan_bounds[] = { 0.000001, 0.0000025, 0.000005, 0.00001, 0.000025,
                                      0.00005,  0.0001,    0.00025,  0.0005,  0.001,
                                      0.0025,   0.005,     0.01,     0.1,     1 };

#define BOUNDS(bounds) bounds, sizeof(bounds) / sizeof((bounds)[0])

struct engine *engine_new(const struct engine_config *config)
{
    struct engine *engine = mem_resize(NULL, 1, sizeof(*engine));
    struct kube_config kube = config->kube;
    struct ec2_config ec2 = config->ec2;

    *engine = (struct engine){
        .clock_ns = config->clock_ns,
        .witness = config->witness,
        .acted = config->acted,
        .witness_of = config->witness_of,
        .dry_run = config->plan.dry_run,
        .version = copy_text(config->version),
        .cluster_name = copy_text(config->plan.cluster_name),
    };
    kube.fetch_base = FETCH_KUBE;
    ec2.fetch_base = FETCH_EC2;
    if (ec2.cluster_name.len == 0) {
        ec2.cluster_name = config->plan.cluster_name;
    }
    engine->planner = plan_new(&config->plan);
    engine->kube = kube_new(&kube);
    engine->ec2 = ec2_new(&ec2);
    arena_init(&engine->step);
    arena_init(&engine->view);
    progress_init(engine);
    histogram_init(&engine->attach_seconds, BOUNDS(attach_bounds));
    histogram_init(&engine->plan_seconds, BOUNDS(plan_bounds));
    reaction_init(engine);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (!engine) {
        return;
    }
    plan_free(engine->planner);
    kube_free(engine->kube);
    ec2_free(engine->ec2);
    progress_done(engine);
    account_done(engine);
    arena_done(&engine->step);
    arena_done(&engine->view);
    mem_free(engine->queue);
    mem_free(engine->version);
    mem_free(engine->cluster_name);
    mem_free(engine);
}

static void take_fetch(struct engine *engine, const struct fetch_event *event)
{
    switch (event->id & FETCH_OWNER) {
    case FETCH_KUBE:
        engine->news_ns = event->arrived_ns;
        engine_run_kube(engine, &(struct kube_input){ .kind = KUBE_FETCH, .fetch = *event });
        return;
    case FETCH_EC2:
        reaction_answered(engine, event);
        engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_FETCH, .fetch = *event });
        engine->sequence += event->kind == FETCH_END; /* the budget moves with it */
        return;
    default:
        assert(false); /* nobody else starts fetches */
    }
}

static void tick_who_is_due(struct engine *engine)
{
    if (kube_deadline_ns(engine->kube) <= engine->now_ns) {
        engine_run_kube(engine, &(struct kube_input){ .kind = KUBE_TICK });
    }
    if (ec2_deadline_ns(engine->ec2) <= engine->now_ns) {
        engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_TICK });
    }
    if (plan_deadline_ns(engine->planner) <= engine->now_ns) {
        engine_run_plan(engine, &(struct plan_event){ .kind = PLAN_TICK,
                                                      .now_ns = engine->now_ns,
                                                      .wall_ns = engine->wall_ns });
    }
}

/* EC2 first: the lease is given back only when nothing that it guards is under way. If that takes
 * too long for whoever waits, the lease lapses by itself. */
static void go_on_stopping(struct engine *engine)
{
    if (engine->stopping && !engine->kube_stopping && ec2_idle(engine->ec2)) {
        engine->kube_stopping = true;
        engine_run_kube(engine, &(struct kube_input){ .kind = KUBE_STOP });
        engine_drain(engine);
    }
}

static void note_planned(struct engine *engine)
{
    if (engine->planned || !engine_planned(engine)) {
        return;
    }
    engine->planned = true;
    engine->sequence++;
    struct log_record *record = log_add(&engine->out->logs, LOG_INFO, "engine",
                                        "Kubernetes and EC2 are known, the first plan is made");
    log_number(record, "nodes", plan_node_count(engine->planner));
    log_number(record, "pools", plan_pool_count(engine->planner));
    log_number(record, "after_ms", (int64_t)((engine->now_ns - engine->started_ns) / 1000000));
}

void engine_step(struct engine *engine, const struct engine_input *input, struct engine_output *out)
{
    arena_reset(&engine->step);
    *out = (struct engine_output){
        .fetches.arena = &engine->step,
        .logs.arena = &engine->step,
    };
    engine->out = out;
    engine->now_ns = input->now_ns;
    engine->wall_ns = input->wall_ns;
    if (!engine->started) {
        engine->started = true;
        engine->started_ns = input->now_ns;
        engine->started_wall_ns = input->wall_ns;
        engine_run_kube(engine, &(struct kube_input){ .kind = KUBE_TICK });
        engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_TICK });
    }
    if (input->kind == ENGINE_FETCH) {
        take_fetch(engine, &input->fetch);
    } else if (input->kind == ENGINE_STOP && !engine->stopping) {
        engine->stopping = true;
        engine_run_ec2(engine, &(struct ec2_input){ .kind = EC2_STOP });
    }
    engine_drain(engine);
    tick_who_is_due(engine);
    engine_drain(engine);
    engine->news_ns = 0;
    go_on_stopping(engine);
    note_planned(engine);
    engine->out = NULL;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t engine_deadline_ns(const struct engine *engine)
{
    return earliest(plan_deadline_ns(engine->planner),
                    earliest(kube_deadline_ns(engine->kube), ec2_deadline_ns(engine->ec2)));
}

bool engine_stopped(const struct engine *engine)
{
    return engine->kube_stopping && ec2_idle(engine->ec2) && kube_stopped(engine->kube);
}

uint64_t engine_sequence(const struct engine *engine)
{
    return engine->sequence;
}

struct planner *engine_planner(struct engine *engine)
{
    return engine->planner;
}

void engine_usage(struct engine *engine, double cpu_seconds, uint64_t resident_bytes)
{
    engine->cpu_seconds = cpu_seconds;
    engine->resident_bytes = resident_bytes;
}

void engine_watched(struct engine *engine, bool watched)
{
    engine->watched = watched;
    ec2_watched(engine->ec2, watched);
}
