/*
 * pool.c - the agent's first half-loop: is the pool low or high, and what is done about it.
 *
 * Knows the warm targets, the order in which ENIs and subnets are tried, what an error does, and
 * which ENI is freed, as ipamd v1.23.2 has them. Refuses to know what would be sensible: the model
 * errs where the agent errs.
 *
 *   pool low  --> ASSIGN (each ENI with room) --none--> CREATE (each subnet) --> ATTACH --.
 *                   `- refused: ASSIGN_ONE                `- all refused: cooldown  |     |
 *                                                             UNDO <--- refused ----'     |
 *                                      SETUP_NEW <-- WAIT <-- MODIFY <--------------------'
 *   pool high --> UNASSIGN (each ENI)
 *   too many ENIs --> DETACH --> DELETE
 */
#include <stdio.h>

#include <headroom/timestamp.h>

#include "agent.h"

/* How long EC2 takes (facts/ec2.md: create and attach average 0.6 s together), and the set-up of a
 * link. */
#define TAKES_DESCRIBE_NS (100 * SIM_MS)
#define TAKES_ASSIGN_NS (250 * SIM_MS)
#define TAKES_CREATE_NS (300 * SIM_MS)
#define TAKES_ATTACH_NS (300 * SIM_MS)
#define TAKES_MODIFY_NS (150 * SIM_MS)
#define TAKES_DETACH_NS (300 * SIM_MS)
#define TAKES_DELETE_NS (200 * SIM_MS)
#define TAKES_SETUP_NS (100 * SIM_MS)
#define METADATA_POLL_NS (100 * SIM_MS)
#define BACKOFF_MAX_NS (60 * SIM_S)

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t minus(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static uint32_t in_prefixes(uint32_t ips)
{
    return (ips + PREFIX_SIZE - 1) / PREFIX_SIZE;
}

/* Addresses (prefix mode: prefixes) short of and over WARM_IP_TARGET and MINIMUM_IP_TARGET; 0 when
 * neither is set. */
static void target_state(const struct sim_agent *agent, const struct store_stats *stats,
                         uint32_t *ret_short, uint32_t *ret_over)
{
    uint32_t available = minus(stats->total, stats->assigned);

    *ret_short = *ret_over = 0;
    if (!agent->targets_defined) {
        return;
    }
    *ret_short = larger(minus(agent->warm_ips, available), minus(agent->minimum_ips, stats->total));
    *ret_over = smaller(minus(available, agent->warm_ips), minus(stats->total, agent->minimum_ips));
    if (agent->store.prefix_mode) {
        *ret_short = in_prefixes(*ret_short);
        *ret_over = smaller(stats->free_prefixes,
                            minus(stats->prefixes, in_prefixes(stats->assigned + agent->warm_ips)));
        *ret_over = smaller(*ret_over, minus(stats->prefixes, in_prefixes(agent->minimum_ips)));
    }
}

bool agent_low(const struct sim_agent *agent, const struct store_stats *stats)
{
    uint32_t short_of = 0, over = 0;
    uint32_t available = minus(stats->total, stats->assigned);
    uint32_t warm = agent->store.prefix_mode ? agent->warm_prefixes : agent->warm_enis;
    uint32_t unit = agent->store.prefix_mode ? PREFIX_SIZE : agent->per_eni;

    if (stats->total >= agent->max_pods) {
        return false;
    }
    if (agent->targets_defined) {
        target_state(agent, stats, &short_of, &over);
        return short_of > 0;
    }
    return available < unit * warm || (warm == 0 && available == 0);
}

/* Prefixes or addresses that the agent gives back at once. */
static uint32_t surplus(const struct sim_agent *agent, const struct store_stats *stats)
{
    uint32_t short_of = 0, over = 0;

    if (agent->targets_defined) {
        target_state(agent, stats, &short_of, &over);
        return over;
    }
    return agent->store.prefix_mode ? minus(stats->free_prefixes, agent->warm_prefixes) : 0;
}

static bool attachment_allowed(const struct sim_agent *agent)
{
    return agent->settings.manage_non_schedulable || !agent->cordoned;
}

static bool in_cooldown(const struct sim_agent *agent)
{
    return agent->last_insufficient_ns &&
           agent->now_ns - agent->last_insufficient_ns <= AGENT_COOLDOWN_NS;
}

static bool has_room_for_eni(const struct sim_agent *agent)
{
    uint32_t trunk = agent->settings.pod_eni && agent->type.trunk && !store_trunk(&agent->store);

    return agent->store.count + agent->unmanaged_count + trunk < agent->max_enis;
}

/* How many addresses or prefixes the agent asks for in one go, before the room on an ENI limits it.
 */
static uint32_t wanted(const struct sim_agent *agent)
{
    struct store_stats stats;
    uint32_t short_of = 0, over = 0;

    store_stats(&agent->store, &stats);
    target_state(agent, &stats, &short_of, &over);
    if (agent->store.prefix_mode) {
        uint32_t prefixes = agent->targets_defined
                                ? short_of
                                : minus(agent->warm_prefixes, stats.free_prefixes);
        return larger(prefixes, 1);
    }
    return agent->targets_defined ? short_of : agent->per_eni;
}

/* ---- more addresses ---- */

static void free_tick(struct sim_agent *agent);

static void increase_done(struct sim_agent *agent, bool increased)
{
    if (increased) {
        agent->last_action_ns = agent->now_ns;
    }
    if (agent->then == THEN_START) {
        struct store_stats stats;
        store_stats(&agent->store, &stats);
        if (agent->settings.custom_networking && stats.total == 0) {
            agent_crash(agent, "failed to attach any ENIs for custom networking");
        } else {
            agent_started(agent);
        }
        return;
    }
    free_tick(agent);
}

static void begin_cooldown(struct sim_agent *agent)
{
    agent->last_insufficient_ns = agent->now_ns ? agent->now_ns : 1;
    agent_trace(agent, "has no addresses to get: waits 120 s before it tries again");
}

static void start_allocate(struct sim_agent *agent)
{
    if (!has_room_for_eni(agent)) {
        increase_done(agent, false);
        return;
    }
    agent->want = smaller(wanted(agent), agent->per_eni);
    agent->last_code = CLOUD_OK;
    if (agent->want == 0) {
        increase_done(agent, true);
        return;
    }
    agent_todo_clear(agent);
    agent_choose_subnets(agent);
    if (agent->todo_count == 0) {
        increase_done(agent, false);
        return;
    }
    agent->client_token[0] = '\0';
    agent_go(agent, OP_CREATE, TAKES_DESCRIBE_NS);
}

static void start_increase(struct sim_agent *agent)
{
    if (!attachment_allowed(agent) || in_cooldown(agent)) {
        increase_done(agent, false);
        return;
    }
    agent->want = wanted(agent);
    agent_todo_clear(agent);
    if (agent->want == 0) { /* WARM_IP_TARGET is met */
        increase_done(agent, true);
        return;
    }
    uint32_t count = agent->store.count;
    uint32_t first = store_walk(&agent->store, &agent->prng);
    for (uint32_t i = 0; i < count; i++) {
        const struct agent_eni *eni = &agent->store.enis[(first + i) % count];
        bool barred = eni->trunk || eni->excluded ||
                      (eni->primary && agent->settings.custom_networking);
        if (!barred && eni->cidr_count < agent->per_eni) {
            agent_todo_add(agent, &eni->id);
        }
    }
    if (agent->todo_count == 0) {
        start_allocate(agent);
        return;
    }
    agent_go(agent, OP_ASSIGN, 0);
}

/* Takes into the store what EC2 says the ENI has. */
static void refresh(struct sim_agent *agent, const struct aws_id *id)
{
    const struct eni *truth = agent_attached_eni(agent, id);
    struct agent_eni *eni = store_find(&agent->store, id);

    if (truth && eni) {
        (void)store_sync(eni, truth);
    }
}

static void next_to_assign(struct sim_agent *agent)
{
    agent->todo_at++;
    if (agent->todo_at < agent->todo_count) {
        agent_go(agent, OP_ASSIGN, TAKES_ASSIGN_NS);
    } else {
        start_allocate(agent);
    }
}

static void step_assign(struct sim_agent *agent)
{
    const struct aws_id *id = &agent->todo[agent->todo_at];
    const struct agent_eni *eni = store_find(&agent->store, id);

    if (!eni || eni->cidr_count >= agent->per_eni) {
        next_to_assign(agent);
        return;
    }
    bool one = agent->op == OP_ASSIGN_ONE;
    uint32_t count = one ? 1 : smaller(agent->per_eni - eni->cidr_count, agent->want);
    bool prefixes = agent->store.prefix_mode;
    enum cloud_code code = sim_ec2_assign(agent->ec2, agent->now_ns, id, prefixes ? 0 : count,
                                          prefixes ? count : 0);
    if (agent_call(agent, code)) {
        return;
    }
    if (code == CLOUD_OK || code == CLOUD_IP_LIMIT) {
        refresh(agent, id);
        agent_trace(agent, "assigns %u %s on %s", count, prefixes ? "prefixes" : "addresses",
                    id->text);
        increase_done(agent, true);
    } else if (!one) {
        agent_go(agent, OP_ASSIGN_ONE, TAKES_ASSIGN_NS);
    } else if (agent->settings.subnet_discovery && agent_insufficient(code)) {
        next_to_assign(agent);
    } else {
        if (agent_insufficient(code)) {
            begin_cooldown(agent);
        } else if (agent->then == THEN_START) {
            agent_crash(agent, "error while trying to increase the pool");
            return;
        }
        increase_done(agent, false);
    }
}

static void new_token(struct sim_agent *agent)
{
    agent->tokens++;
    (void)snprintf(agent->client_token, sizeof(agent->client_token), "%s-%llx-%llx",
                   agent->instance.text, (unsigned long long)agent->tokens,
                   (unsigned long long)prng_next(&agent->prng));
}

/* Tags of an ENI that the agent makes itself. */
static uint32_t own_tags(struct sim_agent *agent, struct pair *ret)
{
    uint32_t count = 0;
    char created[TIMESTAMP_MAX];
    struct slice at = timestamp_format(agent->now_ns + agent->wall_offset_ns, 0, created);

    ret[count++] = (struct pair){ SLICE("node.k8s.amazonaws.com/createdAt"),
                                  arena_slice(&agent->scratch, at) };
    ret[count++] = (struct pair){ SLICE(TAG_AGENT_INSTANCE), aws_id_slice(&agent->instance) };
    if (agent->settings.cluster_name.len) {
        ret[count++] = (struct pair){ SLICE(TAG_AGENT_CLUSTER), agent->settings.cluster_name };
        ret[count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    }
    for (uint32_t i = 0; i < agent->settings.extra_tag_count; i++) {
        ret[count++] = agent->settings.extra_tags[i];
    }
    return count;
}

static void create_failed(struct sim_agent *agent)
{
    if (agent_insufficient(agent->last_code)) {
        begin_cooldown(agent);
    }
    increase_done(agent, false);
}

static void step_create(struct sim_agent *agent)
{
    const struct eni *primary = agent_attached_eni(agent, &agent->primary);
    struct pair tags[AGENT_TAGS_MAX + 4];
    struct eni_intent intent = {
        .instance = agent->instance,
        .subnet = agent->todo[agent->todo_at],
        .ips = agent->store.prefix_mode ? 0 : agent->want,
        .prefixes = agent->store.prefix_mode ? agent->want : 0,
        .groups = primary ? primary->groups : NULL,
        .group_count = primary ? primary->group_count : 0,
        .tags = tags,
        .tag_count = own_tags(agent, tags),
        .description = arena_printf(&agent->scratch, "aws-K8S-%s", agent->instance.text),
    };
    if (agent->settings.custom_networking && agent->eniconfig_group_count) {
        intent.groups = agent->eniconfig_groups;
        intent.group_count = agent->eniconfig_group_count;
    }
    if (!agent->client_token[0]) {
        new_token(agent);
    }
    memcpy(intent.client_token, agent->client_token, sizeof(intent.client_token));
    enum cloud_code code = sim_ec2_create_eni(agent->ec2, agent->now_ns, &intent, &agent->eni);
    if (agent_call(agent, code)) {
        return;
    }
    agent->last_code = code;
    agent->client_token[0] = '\0';
    if (code == CLOUD_OK) {
        agent->stats.ec2_calls++; /* DescribeInstances, for a free device index */
        agent_trace(agent, "creates %s in %s with %u %s", agent->eni.text, intent.subnet.text,
                    agent->want, agent->store.prefix_mode ? "prefixes" : "addresses");
        agent_go(agent, OP_ATTACH, TAKES_CREATE_NS + TAKES_DESCRIBE_NS);
    } else if (++agent->todo_at < agent->todo_count) {
        agent_go(agent, OP_CREATE, TAKES_CREATE_NS);
    } else {
        create_failed(agent);
    }
}

/* The agent takes the lowest index that is free. */
static uint32_t free_device_index(struct sim_agent *agent)
{
    uint32_t count = 0, index = 0;
    const struct eni *enis = agent_attached(agent, &count);

    for (uint32_t i = 0; i < count; i++) {
        index += enis[i].card == 0 && enis[i].device_index == index;
    }
    return index;
}

static void step_attach(struct sim_agent *agent)
{
    enum cloud_code code = sim_ec2_attach_eni(agent->ec2, agent->now_ns, &agent->eni,
                                              &agent->instance, free_device_index(agent));
    if (agent_call(agent, code)) {
        return;
    }
    agent->retry = 0;
    if (code == CLOUD_OK) {
        agent_go(agent, OP_MODIFY, TAKES_ATTACH_NS);
    } else {
        agent_trace(agent, "cannot attach %s (%s) and deletes it", agent->eni.text,
                    cloud_code_name(code));
        agent_go(agent, OP_UNDO, TAKES_ATTACH_NS);
    }
}

static uint64_t backoff(const struct sim_agent *agent, uint64_t first_ns)
{
    uint64_t delay_ns = first_ns << smaller(agent->retry, 20);

    return delay_ns < BACKOFF_MAX_NS ? delay_ns : BACKOFF_MAX_NS;
}

static void step_undo(struct sim_agent *agent)
{
    enum cloud_code code = sim_ec2_delete_eni(agent->ec2, agent->now_ns, &agent->eni);

    if (agent_call(agent, code)) {
        return;
    }
    if (code != CLOUD_OK && code != CLOUD_ENI_GONE && ++agent->retry < AGENT_RETRIES) {
        agent_go(agent, OP_UNDO, backoff(agent, 500 * SIM_MS));
        return;
    }
    increase_done(agent, false);
}

static void step_modify(struct sim_agent *agent)
{
    enum cloud_code code = sim_ec2_set_delete_on_termination(agent->ec2, agent->now_ns,
                                                             &agent->eni);

    if (agent_call(agent, code)) {
        return;
    }
    agent->retry = 0;
    /* A refusal here makes the agent free the ENI again; what it has then is a failed increase. */
    agent_go(agent, code == CLOUD_OK ? OP_WAIT : OP_DETACH,
             code == CLOUD_OK ? TAKES_MODIFY_NS : TAKES_DESCRIBE_NS);
}

static void step_wait(struct sim_agent *agent)
{
    const struct eni *eni = agent_attached_eni(agent, &agent->eni);
    uint32_t have = eni ? (agent->store.prefix_mode ? eni->prefix_count : eni->ip_count) : 0;

    if (have < agent->want && ++agent->retry < AGENT_RETRIES) {
        agent_go(agent, OP_WAIT, backoff(agent, METADATA_POLL_NS));
        return;
    }
    if (have == 0) {
        agent_trace(agent, "does not see %s in the metadata", agent->eni.text);
        increase_done(agent, false);
        return;
    }
    agent->stats.enis_created++;
    agent_go(agent, OP_SETUP_NEW, TAKES_SETUP_NS);
}

static void step_setup_new(struct sim_agent *agent)
{
    const struct eni *eni = agent_attached_eni(agent, &agent->eni);

    if (eni && !store_find(&agent->store, &agent->eni)) {
        agent_setup(agent, eni);
    }
    increase_done(agent, eni != NULL);
}

/* ---- fewer addresses ---- */

static void start_decrease(struct sim_agent *agent, uint32_t over)
{
    uint32_t count = agent->store.count;
    /* It walks over a copy of the map, which was filled by a walk over the map. */
    uint32_t first = store_walk(&agent->store, &agent->prng) +
                     store_walk(&agent->store, &agent->prng);

    agent_todo_clear(agent);
    for (uint32_t i = 0; i < count; i++) {
        agent_todo_add(agent, &agent->store.enis[(first + i) % count].id);
    }
    agent->want = over;
    agent->scaled_down = true;
    agent_go(agent, OP_UNASSIGN, 0);
}

/* Takes up to `want` unused cidrs of one kind out of the store; EC2 is told in one call for each
 * kind. */
static uint32_t take_unused(struct sim_agent *agent, struct agent_eni *eni, bool prefixes,
                            uint32_t *bases)
{
    uint32_t taken = 0, count = eni->cidr_count;
    uint32_t begin = count ? (uint32_t)prng_below(&agent->prng, count) : 0;

    for (uint32_t i = 0; i < count && taken < agent->want; i++) {
        const struct agent_cidr *cidr = &eni->cidrs[(begin + i) % count];
        if (cidr->used == 0 && cidr->prefix == prefixes) {
            bases[taken++] = cidr->base;
        }
    }
    for (uint32_t i = 0; i < taken; i++) {
        for (uint32_t j = eni->cidr_count; j-- > 0;) {
            if (eni->cidrs[j].base == bases[i] && eni->cidrs[j].prefix == prefixes) {
                store_remove_cidr(eni, j);
            }
        }
    }
    return taken;
}

static void step_unassign(struct sim_agent *agent)
{
    while (agent->want > 0 && agent->todo_at < agent->todo_count) {
        struct aws_id id = agent->todo[agent->todo_at++];
        struct agent_eni *eni = store_find(&agent->store, &id);
        if (!eni || eni->cidr_count == 0) {
            continue;
        }
        uint32_t *bases = ARENA_ARRAY(&agent->scratch, uint32_t, eni->cidr_count);
        for (int prefixes = 0; prefixes <= 1; prefixes++) {
            uint32_t taken = take_unused(agent, eni, prefixes, bases);
            if (taken == 0) {
                continue;
            }
            agent->want -= taken;
            agent->stats.ec2_calls++;
            enum cloud_code code = sim_ec2_unassign(agent->ec2, agent->now_ns, &id, bases, taken,
                                                    prefixes);
            agent->stats.ec2_errors += code != CLOUD_OK; /* only logged: the next reconcile finds
                                                            them again */
            agent_trace(agent, "gives back %u %s of %s", taken, prefixes ? "prefixes" : "addresses",
                        id.text);
            agent_go(agent, OP_UNASSIGN, TAKES_ASSIGN_NS);
        }
        if (agent->next_ns > agent->now_ns) {
            return;
        }
    }
    free_tick(agent);
}

static struct store_targets targets(const struct sim_agent *agent)
{
    return (struct store_targets){
        .warm_ips = agent->warm_ips,
        .minimum_ips = agent->minimum_ips,
        .warm_prefixes = agent->warm_prefixes,
    };
}

static bool should_free(const struct sim_agent *agent)
{
    const struct store_stats *stats = &agent->tick_stats;
    uint32_t available = minus(stats->total, stats->assigned);
    uint32_t warm = agent->store.prefix_mode ? agent->warm_prefixes : agent->warm_enis;
    uint32_t unit = agent->store.prefix_mode ? agent->per_eni * PREFIX_SIZE : agent->per_eni;

    if (agent->targets_defined || available >= (warm + 1) * unit) {
        return true;
    }
    return agent->store.prefix_mode && store_freeable_exists(&agent->store);
}

static void free_tick(struct sim_agent *agent)
{
    struct store_targets wants = targets(agent);
    uint64_t wake_ns = UINT64_MAX;

    if (!should_free(agent) || !attachment_allowed(agent)) {
        agent_tick_done(agent);
        return;
    }
    struct agent_eni *eni = store_deletable(&agent->store, &agent->prng, agent->now_ns, &wants,
                                            &wake_ns);
    if (!eni) {
        agent->pool_wake_ns = wake_ns;
        agent_tick_done(agent);
        return;
    }
    agent->eni = eni->id;
    agent->retry = 0;
    agent->stats.ec2_calls++; /* DescribeNetworkInterfaces, for the attachment's id */
    agent->stats.enis_freed++;
    agent_trace(agent, "frees %s", eni->id.text);
    store_remove(&agent->store, eni);
    agent->want = 0;
    agent_go(agent, OP_DETACH, TAKES_DESCRIBE_NS);
}

/* After a free that belongs to a failed increase (want > 0) the tick goes on; otherwise it ends
 * here. */
static void free_done(struct sim_agent *agent)
{
    if (agent->want > 0) {
        agent->want = 0;
        increase_done(agent, false);
    } else {
        agent_tick_done(agent);
    }
}

static void step_detach(struct sim_agent *agent)
{
    enum cloud_code code = sim_ec2_detach_eni(agent->ec2, agent->now_ns, &agent->eni);

    if (agent_call(agent, code)) {
        return;
    }
    if (code == CLOUD_OK) {
        agent->retry = 0;
        agent_go(agent, OP_DELETE, TAKES_DETACH_NS + AGENT_DETACH_WAIT_NS);
    } else if (code == CLOUD_ENI_GONE || ++agent->retry >= AGENT_RETRIES) {
        free_done(agent);
    } else {
        agent_go(agent, OP_DETACH, backoff(agent, 200 * SIM_MS));
    }
}

static void step_delete(struct sim_agent *agent)
{
    enum cloud_code code = sim_ec2_delete_eni(agent->ec2, agent->now_ns, &agent->eni);

    if (agent_call(agent, code)) {
        return;
    }
    if (code == CLOUD_OK || code == CLOUD_ENI_GONE || ++agent->retry >= AGENT_RETRIES) {
        free_done(agent);
    } else {
        agent_go(agent, OP_DELETE, backoff(agent, 500 * SIM_MS));
    }
}

/* ---- the tick ---- */

/* When a tick that called nothing may find something to do without anything else happening. */
static uint64_t pool_wake(const struct sim_agent *agent, bool low, uint32_t over)
{
    if (agent->acted) {
        return 0;
    }
    uint64_t wake_ns = agent->pool_wake_ns; /* set by free_tick: an ENI grows up or cools down */
    uint64_t at_ns = UINT64_MAX;
    if (low && attachment_allowed(agent) && in_cooldown(agent)) {
        at_ns = agent->last_insufficient_ns + AGENT_COOLDOWN_NS + 1;
    } else if (!low && over > 0) {
        at_ns = agent->last_decrease_ns + AGENT_DECREASE_NS + 1;
    }
    return at_ns < wake_ns ? at_ns : wake_ns;
}

void agent_pool_tick(struct sim_agent *agent)
{
    agent->then = THEN_TICK;
    agent->acted = agent->scaled_down = false;
    agent->pool_wake_ns = UINT64_MAX;
    store_stats(&agent->store, &agent->tick_stats);
    bool low = agent_low(agent, &agent->tick_stats);
    uint32_t over = surplus(agent, &agent->tick_stats);
    bool throttled = agent->last_decrease_ns &&
                     agent->now_ns - agent->last_decrease_ns <= AGENT_DECREASE_NS;

    if (low) {
        start_increase(agent);
    } else if (over > 0 && !throttled) {
        start_decrease(agent, over);
    } else {
        free_tick(agent);
    }
    if (agent->op == OP_LOOP) { /* all of it was decided without a call */
        agent->pool_wake_ns = pool_wake(agent, low, over);
    }
}

void agent_prescale(struct sim_agent *agent)
{
    struct store_stats stats;

    agent->then = THEN_START;
    store_stats(&agent->store, &stats);
    if (!agent->settings.provisioning_disabled && agent_low(agent, &stats)) {
        start_increase(agent);
    } else {
        agent_started(agent);
    }
}

void agent_pool_step(struct sim_agent *agent)
{
    switch (agent->op) {
    case OP_ASSIGN:
    case OP_ASSIGN_ONE:
        step_assign(agent);
        break;
    case OP_CREATE:
        step_create(agent);
        break;
    case OP_ATTACH:
        step_attach(agent);
        break;
    case OP_UNDO:
        step_undo(agent);
        break;
    case OP_MODIFY:
        step_modify(agent);
        break;
    case OP_WAIT:
        step_wait(agent);
        break;
    case OP_SETUP_NEW:
        step_setup_new(agent);
        break;
    case OP_UNASSIGN:
        step_unassign(agent);
        break;
    case OP_DETACH:
        step_detach(agent);
        break;
    default:
        step_delete(agent);
        break;
    }
}
