/*
 * agent.c - a modelled ipamd v1.23.2: its life, its loop's clock, and the pods that ask it for
 * addresses.
 *
 * Knows when the agent looks: 2.5 s, the pool; 2.5 s, the reconcile; and so on. Slots in which
 * nothing would happen are skipped by arithmetic, so that an idle node costs nothing. Refuses to
 * know what a slot does: pool.c, adopt.c.
 */
#include <stdarg.h>
#include <stdio.h>

#include "agent.h"

/* From the process's start to its first look at its ENIs; the real one serves 0.4 to 0.6 s after
 * its start. */
#define TAKES_START_NS (300 * SIM_MS)
#define START_JITTER_NS (100 * SIM_MS)

/* The kubelet's back-off for a container that exits: at once, 10 s, 20 s, ... 300 s. */
#define CRASH_FIRST_NS (1 * SIM_S)
#define CRASH_BASE_NS (10 * SIM_S)
#define CRASH_MAX_NS (300 * SIM_S)

/* The SDK's back-off: full jitter up to 20 s. */
#define SDK_BASE_MS 500
#define SDK_CAP_MS 20000

enum { TRACE_MAX = 64 * 1024, TRACE_LINE_MAX = 256 };

/* ---- what the other files use ---- */

void agent_trace(struct sim_agent *agent, const char *format, ...)
{
    char line[TRACE_LINE_MAX];
    va_list args;

    if (!agent->tracing || agent->trace.len > TRACE_MAX - TRACE_LINE_MAX) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    buf_add_text(&agent->trace, line);
    buf_add_char(&agent->trace, '\n');
}

void agent_go(struct sim_agent *agent, enum agent_op op, uint64_t delay_ns)
{
    agent->op = op;
    agent->next_ns = agent->now_ns + delay_ns;
    agent->acted = true;
    agent->version = 0;
}

bool agent_call(struct sim_agent *agent, enum cloud_code code)
{
    agent->stats.ec2_calls++;
    agent->stats.ec2_errors += code != CLOUD_OK;
    if ((code == CLOUD_THROTTLED || code == CLOUD_UNAVAILABLE) && ++agent->attempt < SDK_ATTEMPTS) {
        uint64_t wait_ms = prng_backoff(&agent->prng, SDK_BASE_MS, SDK_CAP_MS, agent->attempt);
        agent_go(agent, agent->op, wait_ms * SIM_MS + SIM_MS);
        return true;
    }
    agent->attempt = 0;
    return false;
}

void agent_todo_clear(struct sim_agent *agent)
{
    agent->todo_count = agent->todo_at = 0;
}

void agent_todo_add(struct sim_agent *agent, const struct aws_id *id)
{
    mem_reserve(&agent->todo, &agent->todo_capacity, agent->todo_count + 1, sizeof(struct aws_id));
    agent->todo[agent->todo_count++] = *id;
}

const struct eni *agent_attached(struct sim_agent *agent, uint32_t *ret_count)
{
    return sim_ec2_instance_enis(agent->ec2, &agent->scratch, &agent->instance, ret_count);
}

const struct eni *agent_attached_eni(struct sim_agent *agent, const struct aws_id *id)
{
    return sim_ec2_instance_eni(agent->ec2, &agent->scratch, &agent->instance, id);
}

bool agent_insufficient(enum cloud_code code)
{
    return code == CLOUD_SUBNET_FULL || code == CLOUD_NO_PREFIX;
}

/* ---- the loop ---- */

/* The first slot of a kind at or after `from_ns`. With provisioning disabled every slot is a
 * reconcile. */
static uint64_t first_slot(const struct sim_agent *agent, bool reconcile, uint64_t from_ns)
{
    uint64_t step_ns = 2 * AGENT_HALF_LOOP_NS;
    uint64_t at_ns = agent->slot_ns;

    if (agent->settings.provisioning_disabled) {
        if (!reconcile) {
            return UINT64_MAX;
        }
        step_ns = AGENT_HALF_LOOP_NS;
    } else if (reconcile != agent->slot_reconcile) {
        at_ns += AGENT_HALF_LOOP_NS;
    }
    if (from_ns <= at_ns) {
        return at_ns;
    }
    if (from_ns > UINT64_MAX / 2) {
        return UINT64_MAX;
    }
    return at_ns + (from_ns - at_ns + step_ns - 1) / step_ns * step_ns;
}

static uint64_t reconcile_due(const struct sim_agent *agent)
{
    bool needs_trunk = agent->settings.pod_eni && !store_trunk(&agent->store);

    if (needs_trunk || agent->last_action_ns == 0) {
        return 0;
    }
    return agent->last_action_ns + AGENT_RECONCILE_NS + 1;
}

static void schedule(struct sim_agent *agent)
{
    uint64_t pool_ns = first_slot(agent, false, agent->pool_wake_ns);
    uint64_t reconcile_ns = first_slot(agent, true, reconcile_due(agent));

    agent->next_reconcile = reconcile_ns <= pool_ns;
    agent->next_ns = agent->next_reconcile ? reconcile_ns : pool_ns;
}

static void end_slot(struct sim_agent *agent, bool was_reconcile)
{
    agent->op = OP_LOOP;
    agent->slot_ns = agent->now_ns + AGENT_HALF_LOOP_NS;
    agent->slot_reconcile = !was_reconcile;
}

void agent_tick_done(struct sim_agent *agent)
{
    if (agent->scaled_down) {
        agent->last_decrease_ns = agent->last_action_ns = agent->now_ns;
    }
    if (agent->acted) {
        agent->pool_wake_ns = 0;
    }
    end_slot(agent, false);
}

void agent_reconcile_done(struct sim_agent *agent)
{
    agent->last_action_ns = agent->now_ns;
    end_slot(agent, true);
}

void agent_reconcile_failed(struct sim_agent *agent)
{
    end_slot(agent, true);
}

/* ---- start and end ---- */

static void start(struct sim_agent *agent)
{
    agent->attempt = agent->retry = 0;
    agent_go(agent, OP_START, TAKES_START_NS + prng_below(&agent->prng, START_JITTER_NS));
}

/* The checkpoint file: pods keep their addresses over a restart. */
static void save_pods(struct sim_agent *agent)
{
    for (uint32_t i = 0; i < agent->store.count; i++) {
        const struct agent_eni *eni = &agent->store.enis[i];
        for (uint32_t j = 0; j < eni->cidr_count; j++) {
            const struct agent_cidr *cidr = &eni->cidrs[j];
            for (uint32_t k = 0; k < (cidr->prefix ? PREFIX_SIZE : 1); k++) {
                uint64_t pod = cidr->prefix ? cidr->many[k].pod : cidr->one.pod;
                if (pod) {
                    mem_reserve(&agent->held, &agent->held_capacity, agent->held_count + 1,
                                sizeof(struct agent_held));
                    agent->held[agent->held_count++] = (struct agent_held){ pod, cidr->base + k };
                }
            }
        }
    }
}

static void go_down(struct sim_agent *agent, uint64_t delay_ns)
{
    agent->running = false;
    save_pods(agent);
    store_clear(&agent->store);
    agent->last_action_ns = agent->last_decrease_ns = agent->last_insufficient_ns = 0;
    agent_go(agent, OP_DOWN, delay_ns);
}

void agent_crash(struct sim_agent *agent, const char *why)
{
    uint64_t delay_ns = CRASH_FIRST_NS;

    if (agent->crashes > 0) {
        delay_ns = agent->crashes > 6 ? CRASH_MAX_NS : CRASH_BASE_NS << (agent->crashes - 1);
        delay_ns = delay_ns < CRASH_MAX_NS ? delay_ns : CRASH_MAX_NS;
    }
    agent->crashes++;
    agent_trace(agent, "exits (%s), starts again in %u s", why, (unsigned)(delay_ns / SIM_S));
    go_down(agent, delay_ns);
}

void agent_restore_pods(struct sim_agent *agent)
{
    for (uint32_t i = 0; i < agent->held_count; i++) {
        (void)store_restore(&agent->store, agent->held[i].ip, agent->held[i].pod);
    }
    agent->held_count = 0;
}

void agent_started(struct sim_agent *agent)
{
    agent->running = true;
    agent->crashes = 0;
    agent->pool_wake_ns = 0;
    agent->op = OP_LOOP;
    agent->slot_ns = agent->now_ns + AGENT_HALF_LOOP_NS;
    agent->slot_reconcile = agent->settings.provisioning_disabled;
    agent_trace(agent, "serves, %u %s", agent->store.count,
                agent->store.count == 1 ? "ENI" : "ENIs");
}

static struct slice copy_text(char **at, struct slice text)
{
    struct slice copy = { *at, text.len };

    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
        *at += text.len;
    }
    return copy;
}

/* All texts in one block, no larger than it must be: a world has thousands of agents. */
static void copy_texts(struct sim_agent *agent)
{
    struct agent_settings *settings = &agent->settings;
    size_t size = settings->cluster_name.len + 1;

    for (uint32_t i = 0; i < settings->extra_tag_count; i++) {
        size += settings->extra_tags[i].key.len + settings->extra_tags[i].value.len;
    }
    char *at = agent->texts = mem_resize(NULL, size, 1);
    settings->cluster_name = copy_text(&at, settings->cluster_name);
    agent->extra_tags = mem_resize(NULL, settings->extra_tag_count, sizeof(struct pair));
    for (uint32_t i = 0; i < settings->extra_tag_count; i++) {
        agent->extra_tags[i].key = copy_text(&at, settings->extra_tags[i].key);
        agent->extra_tags[i].value = copy_text(&at, settings->extra_tags[i].value);
    }
    settings->extra_tags = agent->extra_tags;
}

static void copy_config(struct sim_agent *agent, const struct sim_agent_config *config)
{
    struct agent_settings *settings = &agent->settings;
    uint32_t groups = config->eniconfig.group_count;

    agent->instance = config->instance;
    agent->type = config->type;
    agent->type.name = SLICE("");
    agent->max_pods = config->max_pods ? config->max_pods : UINT32_MAX;
    agent->wall_offset_ns = config->wall_offset_ns;
    agent->tracing = config->trace;
    *settings = config->settings;
    settings->eniconfig_label = settings->eniconfig_annotation = settings->version = SLICE("");
    if (settings->extra_tag_count > AGENT_TAGS_MAX) {
        settings->extra_tag_count = AGENT_TAGS_MAX;
    }
    copy_texts(agent);
    agent->eniconfig_subnet = config->eniconfig.subnet;
    agent->eniconfig_group_count = groups;
    if (groups > 0) {
        agent->eniconfig_groups = mem_resize(NULL, groups, sizeof(struct aws_id));
        memcpy(agent->eniconfig_groups, config->eniconfig.groups, groups * sizeof(struct aws_id));
    }
}

static uint32_t at_least_0(int32_t setting, uint32_t absent)
{
    return setting < 0 ? absent : (uint32_t)setting;
}

struct sim_agent *sim_agent_new(const struct sim_agent_config *config, struct sim_ec2 *ec2)
{
    struct sim_agent *agent = mem_resize(NULL, 1, sizeof(*agent));

    *agent = (struct sim_agent){ .ec2 = ec2, .op = OP_DOWN };
    arena_init(&agent->scratch);
    buf_init(&agent->trace, TRACE_MAX);
    prng_init(&agent->prng, config->seed);
    copy_config(agent, config);

    const struct agent_settings *settings = &agent->settings;
    agent->store.prefix_mode = settings->prefix_delegation && agent->type.prefixes;
    agent->per_eni = agent->type.ips_per_eni > 0 ? agent->type.ips_per_eni - 1 : 0;
    agent->max_enis = agent->type.enis;
    if (settings->max_eni >= 1 && (uint32_t)settings->max_eni < agent->max_enis) {
        agent->max_enis = (uint32_t)settings->max_eni;
    }
    agent->warm_enis = at_least_0(settings->warm_eni_target, 1);
    agent->warm_ips = at_least_0(settings->warm_ip_target, 0);
    agent->minimum_ips = at_least_0(settings->minimum_ip_target, 0);
    agent->warm_prefixes = at_least_0(settings->warm_prefix_target, 0);
    agent->targets_defined = agent->warm_ips > 0 || agent->minimum_ips > 0;
    agent->next_ns = config->warm_start_ns;
    if (config->serving) {
        agent->now_ns = config->now_ns;
        agent_know_enis(agent);
        agent_started(agent);
        agent->slot_ns = config->warm_start_ns + AGENT_HALF_LOOP_NS;
        schedule(agent);
    }
    return agent;
}

void sim_agent_free(struct sim_agent *agent)
{
    if (!agent) {
        return;
    }
    store_clear(&agent->store);
    mem_free(agent->unmanaged);
    mem_free(agent->todo);
    mem_free(agent->held);
    buf_done(&agent->trace);
    arena_done(&agent->scratch);
    mem_free(agent->texts);
    mem_free(agent->extra_tags);
    mem_free(agent->eniconfig_groups);
    mem_free(agent);
}

/* ---- driving it ---- */

static void step(struct sim_agent *agent)
{
    switch (agent->op) {
    case OP_DOWN:
        start(agent);
        return;
    case OP_START:
        agent_scan(agent);
        break;
    case OP_LOOP:
        if (agent->next_reconcile) {
            agent_reconcile(agent);
        } else {
            agent_pool_tick(agent);
        }
        break;
    case OP_TAG:
    case OP_SETUP:
        agent_adopt_step(agent);
        break;
    default:
        agent_pool_step(agent);
        break;
    }
    if (agent->op == OP_LOOP) {
        schedule(agent);
    }
}

void sim_agent_advance(struct sim_agent *agent, uint64_t now_ns)
{
    while (agent->next_ns <= now_ns) {
        agent->now_ns = now_ns;
        step(agent);
        arena_done(&agent->scratch);
    }
    agent->now_ns = now_ns;
}

uint64_t sim_agent_deadline_ns(const struct sim_agent *agent)
{
    return agent->next_ns;
}

/* The pool changed from outside: its next slot must not be skipped. */
static void wake(struct sim_agent *agent, uint64_t now_ns)
{
    agent->now_ns = now_ns;
    agent->pool_wake_ns = now_ns;
    if (agent->op == OP_LOOP) {
        schedule(agent);
    }
}

void sim_agent_restart(struct sim_agent *agent, uint64_t now_ns)
{
    agent->now_ns = now_ns;
    agent->crashes = 0;
    go_down(agent, CRASH_FIRST_NS);
}

void sim_agent_cordon(struct sim_agent *agent, uint64_t now_ns, bool cordoned)
{
    if (agent->cordoned != cordoned) {
        agent->cordoned = cordoned;
        wake(agent, now_ns);
    }
}

static uint64_t pod_hash(struct slice pod)
{
    uint64_t hash = slice_hash(pod);

    return hash ? hash : 1;
}

enum err sim_agent_add(struct sim_agent *agent, uint64_t now_ns, struct slice pod, uint32_t *ret_ip,
                       struct error *error)
{
    uint64_t hash = pod_hash(pod);

    if (!agent->running) {
        agent->stats.adds_refused++;
        return error_set(error, ERR_UNAVAILABLE, "the agent on %s does not serve",
                         agent->instance.text);
    }
    if (store_holds(&agent->store, hash, ret_ip)) {
        return ERR_OK;
    }
    if (!store_assign(&agent->store, &agent->prng, now_ns, hash, ret_ip)) {
        agent->stats.adds_refused++;
        if (!agent->refusing) {
            agent->refusing = true;
            agent_trace(agent, "refuses a pod: no address left");
        }
        return error_set(error, ERR_UNAVAILABLE, "failed to assign an IP address to container");
    }
    if (agent->refusing) {
        agent->refusing = false;
        agent_trace(agent, "serves pods again");
    }
    wake(agent, now_ns);
    return ERR_OK;
}

void sim_agent_del(struct sim_agent *agent, uint64_t now_ns, struct slice pod)
{
    uint64_t hash = pod_hash(pod);

    for (uint32_t i = 0; i < agent->held_count; i++) {
        if (agent->held[i].pod == hash) { /* the kubelet repeats a DEL until the agent is up; the
                                             outcome is the same */
            agent->held[i] = agent->held[--agent->held_count];
            return;
        }
    }
    if (store_release(&agent->store, now_ns, hash)) {
        wake(agent, now_ns);
    }
}

void sim_agent_stats(const struct sim_agent *agent, struct sim_agent_stats *ret)
{
    struct store_stats stats;
    uint64_t until_ns = agent->last_insufficient_ns + AGENT_COOLDOWN_NS;

    store_stats(&agent->store, &stats);
    *ret = agent->stats;
    ret->running = agent->running;
    ret->enis = agent->store.count;
    ret->addresses = stats.total;
    ret->assigned = stats.assigned;
    ret->cooling = store_cooling(&agent->store, agent->now_ns);
    ret->cooldown_until_ns = agent->last_insufficient_ns && until_ns >= agent->now_ns ? until_ns
                                                                                      : 0;
}

struct slice sim_agent_trace(struct sim_agent *agent, struct arena *arena)
{
    struct slice lines = arena_slice(arena, buf_slice(&agent->trace));

    buf_reset(&agent->trace);
    return lines;
}
