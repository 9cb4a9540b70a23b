/*
 * adopt.c - the agent's second half-loop: what is attached to the instance, and what of it is
 * the agent's.
 *
 * Knows the rules of tags and subnets: which ENI is managed, which subnet gives pods no address,
 * where the agent would create an ENI. Refuses to know why an ENI is there: adoption does not ask
 * who attached it.
 */
#include <stdlib.h>

#include "agent.h"

#define TAKES_DESCRIBE_NS (100 * SIM_MS)
#define TAKES_TAG_NS (100 * SIM_MS)
#define TAKES_SETUP_NS (100 * SIM_MS)

static struct slice tag_value(const struct pair *tags, uint32_t count, const char *key)
{
    struct slice value = { 0 };

    (void)pair_find(tags, count, slice_of(key), &value);
    return value;
}

/* ---- which ENIs are the agent's ---- */

static bool is_unmanaged(const struct sim_agent *agent, const struct aws_id *id)
{
    for (uint32_t i = 0; i < agent->unmanaged_count; i++) {
        if (aws_id_eq(&agent->unmanaged[i], id)) {
            return true;
        }
    }
    return false;
}

static bool tags_make_unmanaged(const struct sim_agent *agent, const struct eni *eni)
{
    struct slice value = { 0 };

    if (eni->device_index == 0 && eni->card == 0) {
        return false;
    }
    if (eni->type == ENI_EFA_ONLY) {
        return true;
    }
    if (pair_find(eni->tags, eni->tag_count, SLICE(TAG_AGENT_NO_MANAGE), &value)) {
        return slice_is(value, "true");
    }
    if (slice_eq(tag_value(eni->tags, eni->tag_count, TAG_AGENT_INSTANCE),
                 aws_id_slice(&agent->instance))) {
        return false;
    }
    return !agent->settings.manage_untagged;
}

/* The agent reads tags only when it meets an ENI that is new to it, and keeps the verdict on all of
 * them until then. */
static void read_tags(struct sim_agent *agent, const struct eni *enis, uint32_t count)
{
    agent->stats.ec2_calls++;
    agent->unmanaged_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (tags_make_unmanaged(agent, &enis[i])) {
            mem_reserve(&agent->unmanaged, &agent->unmanaged_capacity, agent->unmanaged_count + 1,
                        sizeof(struct aws_id));
            agent->unmanaged[agent->unmanaged_count++] = enis[i].id;
        }
    }
}

static bool is_managed(const struct sim_agent *agent, const struct eni *eni)
{
    return eni->card == 0 && !is_unmanaged(agent, &eni->id);
}

static bool has_tag(const struct eni *eni, struct slice key, struct slice value)
{
    struct slice found = { 0 };

    return pair_find(eni->tags, eni->tag_count, key, &found) && slice_eq(found, value);
}

/* The tags that an adopted ENI lacks. */
static uint32_t missing_tags(const struct sim_agent *agent, const struct eni *eni, struct pair *ret)
{
    const struct agent_settings *settings = &agent->settings;
    struct pair wanted[AGENT_TAGS_MAX + 3];
    uint32_t count = 0, missing = 0;

    wanted[count++] = (struct pair){ SLICE(TAG_AGENT_INSTANCE), aws_id_slice(&agent->instance) };
    if (settings->cluster_name.len) {
        wanted[count++] = (struct pair){ SLICE(TAG_AGENT_CLUSTER), settings->cluster_name };
        wanted[count++] = (struct pair){ SLICE(TAG_AGENT_OWNER), SLICE("amazon-vpc-cni") };
    }
    for (uint32_t i = 0; i < settings->extra_tag_count; i++) {
        wanted[count++] = settings->extra_tags[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!has_tag(eni, wanted[i].key, wanted[i].value)) {
            ret[missing++] = wanted[i];
        }
    }
    return missing;
}

/* ---- subnets ---- */

static const struct subnet *find_subnet(const struct subnet *subnets, uint32_t count,
                                        const struct aws_id *id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (aws_id_eq(&subnets[i].id, id)) {
            return &subnets[i];
        }
    }
    return NULL;
}

static bool of_this_cluster(const struct sim_agent *agent, const struct subnet *subnet)
{
    struct slice prefix = SLICE(TAG_SUBNET_CLUSTER_PREFIX);
    bool tagged = false;

    if (agent->settings.cluster_name.len == 0) {
        return true;
    }
    for (uint32_t i = 0; i < subnet->tag_count; i++) {
        struct slice key = subnet->tags[i].key;
        if (!slice_starts(key, prefix)) {
            continue;
        }
        tagged = true;
        struct slice name = { key.data + prefix.len, key.len - prefix.len };
        if (slice_eq(name, agent->settings.cluster_name)) {
            return true;
        }
    }
    return !tagged;
}

static bool excluded_by_tags(const struct sim_agent *agent, const struct subnet *subnet)
{
    struct slice role = tag_value(subnet->tags, subnet->tag_count, TAG_SUBNET_ROLE);

    if (role.len == 0) {
        return false;
    }
    return slice_is(role, "0") || !of_this_cluster(agent, subnet);
}

static bool valid_for_creation(const struct sim_agent *agent, const struct subnet *subnet)
{
    struct slice role = tag_value(subnet->tags, subnet->tag_count, TAG_SUBNET_ROLE);

    if (role.len == 0) {
        return aws_id_eq(&subnet->id, &agent->primary_subnet);
    }
    return !slice_is(role, "0") && of_this_cluster(agent, subnet);
}

/* NULL: the call failed. */
static const struct subnet *describe_subnets(struct sim_agent *agent, uint32_t *ret_count)
{
    const struct subnet *subnets = NULL;
    enum cloud_code code = sim_ec2_describe_subnets(agent->ec2, agent->now_ns, &agent->scratch,
                                                    &subnets, ret_count);

    agent->stats.ec2_calls++;
    agent->stats.ec2_errors += code != CLOUD_OK;
    return code == CLOUD_OK ? subnets : NULL;
}

/* A subnet of which nothing is known is not excluded. */
bool agent_subnet_excluded(struct sim_agent *agent, const struct aws_id *id)
{
    uint32_t count = 0;
    const struct subnet *subnets = describe_subnets(agent, &count);
    const struct subnet *subnet = subnets ? find_subnet(subnets, count, id) : NULL;

    return subnet && excluded_by_tags(agent, subnet);
}

static int by_free(const void *a, const void *b)
{
    const struct subnet *left = *(const struct subnet *const *)a,
                        *right = *(const struct subnet *const *)b;

    if (left->available != right->available) {
        return left->available > right->available ? -1 : 1;
    }
    return left < right ? -1 : left > right; /* stable, as the agent's sort is */
}

static void discover_subnets(struct sim_agent *agent)
{
    uint32_t count = 0, chosen = 0;
    const struct subnet *subnets = describe_subnets(agent, &count);

    if (!subnets) { /* then the subnet of the primary ENI it is */
        agent_todo_add(agent, &agent->primary_subnet);
        return;
    }
    const struct subnet *home = find_subnet(subnets, count, &agent->primary_subnet);
    const struct subnet **list = ARENA_ARRAY(&agent->scratch, const struct subnet *, count + 1);
    for (uint32_t i = 0; home && i < count; i++) {
        if (aws_id_eq(&subnets[i].vpc, &home->vpc) && slice_eq(subnets[i].zone, home->zone) &&
            valid_for_creation(agent, &subnets[i])) {
            list[chosen++] = &subnets[i];
        }
    }
    if (chosen > 1) {
        qsort(list, chosen, sizeof(*list), by_free);
    }
    for (uint32_t i = 0; i < chosen; i++) {
        agent_todo_add(agent, &list[i]->id);
    }
}

void agent_choose_subnets(struct sim_agent *agent)
{
    agent->acted = true;
    if (agent->settings.custom_networking) {
        if (agent->eniconfig_subnet.text[0]) {
            agent_todo_add(agent, &agent->eniconfig_subnet);
        }
    } else if (agent->settings.subnet_discovery) {
        discover_subnets(agent);
    } else if (!agent_subnet_excluded(agent, &agent->primary_subnet)) {
        agent_todo_add(agent, &agent->primary_subnet);
    }
}

/* ---- adoption ---- */

void agent_setup(struct sim_agent *agent, const struct eni *eni)
{
    struct agent_eni *row = store_add(&agent->store, eni, agent->now_ns);

    if (agent->settings.subnet_discovery) {
        row->excluded = agent_subnet_excluded(agent, &eni->subnet);
    }
    (void)store_sync(row, eni);
}

static void adoption_done(struct sim_agent *agent)
{
    if (agent->then == THEN_START) {
        agent_restore_pods(agent);
        agent_prescale(agent);
    } else {
        agent_reconcile_done(agent);
    }
}

static void adopt_next(struct sim_agent *agent, uint64_t delay_ns)
{
    agent->retry = 0;
    if (agent->todo_at < agent->todo_count) {
        agent_go(agent, OP_TAG, delay_ns);
    } else {
        adoption_done(agent);
    }
}

static void step_tag(struct sim_agent *agent)
{
    const struct aws_id *id = &agent->todo[agent->todo_at];
    const struct eni *eni = agent_attached_eni(agent, id);
    struct pair tags[AGENT_TAGS_MAX + 3];

    if (!eni) {
        agent->todo_at++;
        adopt_next(agent, 0);
        return;
    }
    uint32_t missing = missing_tags(agent, eni, tags);
    if (missing == 0 || eni->type == ENI_TRUNK || agent->settings.provisioning_disabled) {
        agent_go(agent, OP_SETUP, TAKES_SETUP_NS);
        return;
    }
    enum cloud_code code = sim_ec2_tag(agent->ec2, agent->now_ns, id, tags, missing);
    if (agent_call(agent, code)) {
        return;
    }
    if (code == CLOUD_OK) {
        agent_go(agent, OP_SETUP, TAKES_TAG_NS + TAKES_SETUP_NS);
    } else if (++agent->retry < AGENT_TAG_RETRIES) {
        agent_go(agent, OP_TAG, (500 * SIM_MS) << agent->retry);
    } else if (agent->then == THEN_START) {
        agent_crash(agent, "failed to tag a managed ENI");
    } else {
        agent->todo_at++;
        adopt_next(agent, TAKES_TAG_NS);
    }
}

static void step_setup(struct sim_agent *agent)
{
    const struct aws_id *id = &agent->todo[agent->todo_at++];
    const struct eni *eni = agent_attached_eni(agent, id);

    if (eni && !store_find(&agent->store, id)) {
        agent_setup(agent, eni);
        agent->pool_wake_ns = 0;
        if (agent->then != THEN_START) {
            const char *unit = eni->prefix_count ? "prefixes" : "addresses";
            agent->stats.enis_adopted++;
            agent_trace(agent, "adopts %s with %u %s", id->text,
                        eni->prefix_count ? eni->prefix_count : eni->ip_count, unit);
        }
    }
    adopt_next(agent, 0);
}

void agent_adopt_step(struct sim_agent *agent)
{
    if (agent->op == OP_TAG) {
        step_tag(agent);
    } else {
        step_setup(agent);
    }
}

void agent_scan(struct sim_agent *agent)
{
    uint32_t count = 0;
    const struct eni *enis = agent_attached(agent, &count);

    agent->then = THEN_START;
    agent_todo_clear(agent);
    if (count == 0) {
        agent_crash(agent, "the metadata service shows no ENI");
        return;
    }
    agent->primary = enis[0].id;
    agent->primary_subnet = enis[0].subnet;
    read_tags(agent, enis, count);
    for (uint32_t i = 0; i < count; i++) {
        if (is_managed(agent, &enis[i])) {
            agent_todo_add(agent, &enis[i].id);
        }
    }
    adopt_next(agent, TAKES_DESCRIBE_NS);
}

void agent_know_enis(struct sim_agent *agent)
{
    uint32_t count = 0;
    const struct eni *enis = agent_attached(agent, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (i == 0) {
            agent->primary = enis[i].id;
            agent->primary_subnet = enis[i].subnet;
        }
        if (is_managed(agent, &enis[i])) {
            agent_setup(agent, &enis[i]);
        }
    }
    agent->version = sim_ec2_instance_version(agent->ec2, &agent->instance);
    agent->stats.ec2_calls = agent->stats.ec2_errors = 0; /* that was long ago */
    arena_done(&agent->scratch);
}

/* An ENI that is no longer attached, or no longer managed, is dropped with the addresses that its
 * pods hold. */
static void sweep(struct sim_agent *agent)
{
    for (uint32_t i = agent->store.count; i-- > 0;) {
        struct agent_eni *eni = &agent->store.enis[i];
        if (!eni->seen) {
            agent_trace(agent, "forgets %s, which is gone, with %u pods' addresses", eni->id.text,
                        eni->used);
            store_remove(&agent->store, eni);
            agent->pool_wake_ns = 0;
        }
        eni->seen = false;
    }
}

void agent_reconcile(struct sim_agent *agent)
{
    uint32_t count = 0;
    uint64_t version = sim_ec2_instance_version(agent->ec2, &agent->instance);

    if (version > 0 && version == agent->version) { /* it would find what it found */
        agent_reconcile_done(agent);
        return;
    }
    const struct eni *enis = agent_attached(agent, &count);
    agent->version = version;
    agent->then = THEN_TICK;
    agent_todo_clear(agent);
    if (count == 0) { /* the instance is gone, or the metadata service is down */
        agent_reconcile_failed(agent);
        return;
    }
    bool met_new = false;
    for (uint32_t i = 0; i < count; i++) {
        met_new = met_new ||
                  (is_managed(agent, &enis[i]) && !store_find(&agent->store, &enis[i].id));
    }
    if (met_new) {
        read_tags(agent, enis, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!is_managed(agent, &enis[i])) {
            continue;
        }
        struct agent_eni *row = store_find(&agent->store, &enis[i].id);
        if (!row) {
            agent_todo_add(agent, &enis[i].id);
            continue;
        }
        row->seen = true;
        if (store_sync(row, &enis[i])) {
            agent->stats.ec2_calls++; /* it asks EC2 when the metadata differs from its store */
            agent->pool_wake_ns = 0;
        }
    }
    sweep(agent);
    adopt_next(agent, met_new ? TAKES_DESCRIBE_NS : 0);
}
