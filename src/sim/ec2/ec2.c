/*
 * ec2.c - the modelled EC2 as a whole: making it, its tables, and time.
 *
 * Knows rows and how they are found. Refuses to know HTTP, and what an action is allowed to do.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "policy.h"
#include "state.h"

static struct slice subnet_key(const void *rows, uint32_t row)
{
    return aws_id_slice(&((const struct sim_subnet *)rows)[row].id);
}

static struct slice group_key(const void *rows, uint32_t row)
{
    return aws_id_slice(&((const struct sim_group *)rows)[row].id);
}

static struct slice instance_key(const void *rows, uint32_t row)
{
    return aws_id_slice(&((const struct sim_instance *)rows)[row].id);
}

static struct slice eni_key(const void *rows, uint32_t row)
{
    return aws_id_slice(&((const struct sim_eni *)rows)[row].id);
}

static struct slice token_key(const void *rows, uint32_t row)
{
    return ((const struct sim_token *)rows)[row].key;
}

static struct slice identity_key(const void *rows, uint32_t row)
{
    return ((const struct sim_identity *)rows)[row].key_id;
}

static void init(struct sim_ec2 *ec2, uint64_t seed, uint64_t now_ns, uint64_t wall_ns)
{
    arena_init(&ec2->arena);
    buf_init(&ec2->answer, SIM_XML_MAX);
    interner_init(&ec2->names);
    prng_init(&ec2->prng, seed);
    ec2->seed = seed;
    ec2->now_ns = now_ns;
    ec2->wall_ns = wall_ns;
    index_init(&ec2->subnet_index, subnet_key);
    index_init(&ec2->group_index, group_key);
    index_init(&ec2->instance_index, instance_key);
    index_init(&ec2->eni_index, eni_key);
    index_init(&ec2->token_index, token_key);
    index_init(&ec2->identity_index, identity_key);
    timers_init(&ec2->eni_timers);
    timers_init(&ec2->instance_timers);
}

static struct sim_ec2 *new_ec2(uint64_t seed, uint64_t now_ns, uint64_t wall_ns)
{
    struct sim_ec2 *ec2 = mem_resize(NULL, 1, sizeof(*ec2));

    *ec2 = (struct sim_ec2){ 0 };
    init(ec2, seed, now_ns, wall_ns);
    return ec2;
}

static enum err keep_if_good(struct sim_ec2 *ec2, enum err err, struct sim_ec2 **ret)
{
    if (err != ERR_OK) {
        sim_ec2_free(ec2);
        return err;
    }
    *ret = ec2;
    return ERR_OK;
}

enum err sim_ec2_new_of(const struct doc *scenario, uint64_t seed, uint64_t now_ns,
                        uint64_t wall_ns, struct sim_ec2 **ret, struct error *error)
{
    struct sim_ec2 *ec2 = new_ec2(seed, now_ns, wall_ns);

    return keep_if_good(ec2, sim_scenario_read(ec2, scenario, error), ret);
}

enum err sim_ec2_new(struct slice scenario_yaml, uint64_t seed, uint64_t now_ns, uint64_t wall_ns,
                     struct sim_ec2 **ret, struct error *error)
{
    struct sim_ec2 *ec2 = new_ec2(seed, now_ns, wall_ns);
    const struct doc *top = NULL;

    enum err err = yaml_parse(&ec2->arena, arena_slice(&ec2->arena, scenario_yaml),
                              SLICE("scenario"), NULL, &top, error);
    if (err == ERR_OK) {
        err = sim_scenario_read(ec2, top, error);
        if (err != ERR_OK) {
            (void)error_prefix(error, "scenario");
        }
    }
    return keep_if_good(ec2, err, ret);
}

static void free_rows(struct sim_ec2 *ec2)
{
    for (uint32_t i = 0; i < ec2->eni_rows; i++) {
        struct sim_eni *eni = &ec2->enis[i];
        for (uint32_t j = 0; j < eni->past_count; j++) {
            sim_eni_state_done(&eni->past[j].state);
        }
        mem_free(eni->past);
        sim_eni_state_done(&eni->now);
    }
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        sim_space_done(&ec2->subnets[i].space);
        mem_free(ec2->subnets[i].tags.items);
        mem_free(ec2->subnets[i].past);
    }
    for (uint32_t i = 0; i < ec2->group_count; i++) {
        mem_free(ec2->groups[i].tags.items);
    }
    for (uint32_t i = 0; i < ec2->route_table_count; i++) {
        mem_free(ec2->route_tables[i].tags.items);
    }
    for (uint32_t i = 0; i < ec2->instance_count; i++) {
        mem_free(ec2->instances[i].tags.items);
    }
    for (uint32_t i = 0; i < ec2->token_count; i++) {
        sim_eni_state_done(&ec2->tokens[i].image.now);
    }
    for (uint32_t i = 0; i < ec2->log_capacity; i++) {
        mem_free(ec2->log[i].params);
    }
}

void sim_ec2_free(struct sim_ec2 *ec2)
{
    if (!ec2) {
        return;
    }
    free_rows(ec2);
    sim_policies_free(ec2);
    mem_free(ec2->route_tables);
    mem_free(ec2->subnets);
    mem_free(ec2->groups);
    mem_free(ec2->instances);
    mem_free(ec2->enis);
    mem_free(ec2->free_enis.items);
    mem_free(ec2->gone_enis.items);
    mem_free(ec2->attached.items);
    mem_free(ec2->types);
    mem_free(ec2->tokens);
    mem_free(ec2->identities);
    mem_free(ec2->imds_tokens);
    mem_free(ec2->holds);
    mem_free(ec2->log);
    mem_free(ec2->vpc_tags.items);
    index_done(&ec2->subnet_index);
    index_done(&ec2->group_index);
    index_done(&ec2->instance_index);
    index_done(&ec2->eni_index);
    index_done(&ec2->token_index);
    index_done(&ec2->identity_index);
    timers_done(&ec2->eni_timers);
    timers_done(&ec2->instance_timers);
    interner_done(&ec2->names);
    buf_done(&ec2->answer);
    arena_done(&ec2->arena);
    mem_free(ec2);
}

/* ---- time ---- */

void sim_ec2_advance(struct sim_ec2 *ec2, uint64_t now_ns)
{
    uint32_t row = 0;

    /* Each thing happens at its own time, so that a late call makes the same images as many early
     * ones. */
    while (timers_next_ns(&ec2->eni_timers) <= now_ns ||
           timers_next_ns(&ec2->instance_timers) <= now_ns) {
        uint64_t eni_ns = timers_next_ns(&ec2->eni_timers);
        uint64_t instance_ns = timers_next_ns(&ec2->instance_timers);
        uint64_t due_ns = eni_ns <= instance_ns ? eni_ns : instance_ns;
        if (due_ns > ec2->now_ns) {
            ec2->wall_ns += due_ns - ec2->now_ns;
            ec2->now_ns = due_ns;
        }
        if (timers_pop(&ec2->eni_timers, due_ns, &row)) {
            sim_eni_due(ec2, row);
        } else if (timers_pop(&ec2->instance_timers, due_ns, &row)) {
            sim_instance_due(ec2, row);
        }
    }
    if (now_ns > ec2->now_ns) {
        ec2->wall_ns += now_ns - ec2->now_ns;
        ec2->now_ns = now_ns;
    }
    sim_forget(ec2);
}

void sim_at(struct sim_ec2 *ec2, uint64_t now_ns, uint64_t wall_ns)
{
    sim_ec2_advance(ec2, now_ns);
    ec2->wall_ns = wall_ns;
}

uint64_t sim_ec2_deadline_ns(const struct sim_ec2 *ec2)
{
    uint64_t eni_ns = timers_next_ns(&ec2->eni_timers);
    uint64_t instance_ns = timers_next_ns(&ec2->instance_timers);

    return eni_ns < instance_ns ? eni_ns : instance_ns;
}

/* ---- finding ---- */

uint32_t sim_find_eni(const struct sim_ec2 *ec2, struct slice id)
{
    return index_find(&ec2->eni_index, ec2->enis, id);
}

uint32_t sim_find_subnet(const struct sim_ec2 *ec2, struct slice id)
{
    return index_find(&ec2->subnet_index, ec2->subnets, id);
}

uint32_t sim_find_group(const struct sim_ec2 *ec2, struct slice id)
{
    return index_find(&ec2->group_index, ec2->groups, id);
}

uint32_t sim_find_instance(const struct sim_ec2 *ec2, struct slice id)
{
    return index_find(&ec2->instance_index, ec2->instances, id);
}

struct instance_type sim_type(const struct sim_ec2 *ec2, struct slice name, bool *ret_known)
{
    struct instance_type type = { 0 };

    for (uint32_t i = 0; i < ec2->type_count; i++) {
        if (slice_eq(ec2->types[i].name, name)) {
            *ret_known = true;
            return ec2->types[i];
        }
    }
    *ret_known = instance_type_builtin(name, &type);
    return type;
}

void sim_new_id(struct sim_ec2 *ec2, const char *prefix, struct aws_id *ret)
{
    uint64_t bits = prng_next(&ec2->prng);

    (void)snprintf(ret->text, sizeof(ret->text), "%s-0%016llx", prefix, (unsigned long long)bits);
}

struct prng *sim_scatter(struct sim_ec2 *ec2)
{
    return ec2->scattered ? &ec2->prng : NULL;
}

/* ---- small lists ---- */

struct slice sim_name(const struct sim_ec2 *ec2, uint32_t interned)
{
    return interner_get(&ec2->names, interned);
}

static struct sim_tag *find_tag(const struct sim_tags *tags, uint32_t key)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (tags->items[i].key == key) {
            return &tags->items[i];
        }
    }
    return NULL;
}

void sim_tags_set(struct sim_ec2 *ec2, struct sim_tags *tags, struct slice key, struct slice value)
{
    uint32_t name = interner_add(&ec2->names, key);
    struct sim_tag *tag = find_tag(tags, name);

    if (!tag) {
        mem_reserve(&tags->items, &tags->capacity, tags->count + 1, sizeof(*tags->items));
        tag = &tags->items[tags->count++];
        tag->key = name;
    }
    tag->value = interner_add(&ec2->names, value);
}

void sim_tags_remove(struct sim_ec2 *ec2, struct sim_tags *tags, struct slice key,
                     const struct slice *value)
{
    struct sim_tag *tag = find_tag(tags, interner_find(&ec2->names, key));

    if (!tag || (value && !slice_eq(sim_name(ec2, tag->value), *value))) {
        return;
    }
    struct sim_tag *end = tags->items + tags->count;
    memmove(tag, tag + 1, (size_t)(end - tag - 1) * sizeof(*tag));
    tags->count--;
}

bool sim_tags_find(const struct sim_ec2 *ec2, const struct sim_tags *tags, struct slice key,
                   struct slice *ret)
{
    const struct sim_tag *tag = find_tag(tags, interner_find(&ec2->names, key));

    if (tag) {
        *ret = sim_name(ec2, tag->value);
    }
    return tag != NULL;
}

void sim_tags_copy(struct sim_tags *to, const struct sim_tags *from)
{
    mem_reserve(&to->items, &to->capacity, from->count, sizeof(*to->items));
    if (from->count > 0) {
        memcpy(to->items, from->items, from->count * sizeof(*to->items));
    }
    to->count = from->count;
}

const struct pair *sim_tags_pairs(const struct sim_ec2 *ec2, const struct sim_tags *tags,
                                  struct arena *arena)
{
    struct pair *pairs = ARENA_ARRAY(arena, struct pair, tags->count);

    for (uint32_t i = 0; i < tags->count; i++) {
        pairs[i].key = sim_name(ec2, tags->items[i].key);
        pairs[i].value = sim_name(ec2, tags->items[i].value);
    }
    return pairs;
}

void sim_u32s_add(struct sim_u32s *list, uint32_t value)
{
    mem_reserve(&list->items, &list->capacity, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = value;
}

bool sim_u32s_remove(struct sim_u32s *list, uint32_t value)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i] == value) {
            list->count--;
            memmove(list->items + i, list->items + i + 1, (list->count - i) * sizeof(*list->items));
            return true;
        }
    }
    return false;
}

bool sim_u32s_has(const struct sim_u32s *list, uint32_t value)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i] == value) {
            return true;
        }
    }
    return false;
}

/* ---- refusals ---- */

struct refusal {
    const char *code;
    int status;
    enum cloud_code cloud;
};

/* Source: EC2 API reference, "Error codes"; 400 and INVALID for what is not here. */
static const struct refusal refusals[] = {
    { "InsufficientFreeAddressesInSubnet", 400, CLOUD_SUBNET_FULL },
    { "InsufficientCidrBlocks", 400, CLOUD_NO_PREFIX },
    { "NetworkInterfaceLimitExceeded", 400, CLOUD_ENI_QUOTA },
    { "NetworkAddressUsageLimitExceeded", 400, CLOUD_NAU_LIMIT },
    { "AttachmentLimitExceeded", 400, CLOUD_ATTACH_LIMIT },
    { "PrivateIpAddressLimitExceeded", 400, CLOUD_IP_LIMIT },
    { "IncorrectState", 400, CLOUD_INSTANCE_STATE },
    { "IncorrectInstanceState", 400, CLOUD_INSTANCE_STATE },
    { "InvalidInstanceID.NotFound", 400, CLOUD_INSTANCE_GONE },
    { "InvalidInstanceID.Malformed", 400, CLOUD_INSTANCE_GONE },
    { "InvalidNetworkInterfaceID.NotFound", 400, CLOUD_ENI_GONE },
    { "InvalidNetworkInterface.InUse", 400, CLOUD_ENI_IN_USE },
    { "InvalidSubnetID.NotFound", 400, CLOUD_SUBNET_GONE },
    { "InvalidGroup.NotFound", 400, CLOUD_GROUP_GONE },
    { "IdempotentParameterMismatch", 400, CLOUD_TOKEN_MISMATCH },
    { "UnauthorizedOperation", 403, CLOUD_DENIED },
    { "AccessDenied", 403, CLOUD_DENIED },
    { "AuthFailure", 401, CLOUD_DENIED },
    { "SignatureDoesNotMatch", 403, CLOUD_DENIED },
    { "MissingAuthenticationToken", 403, CLOUD_DENIED },
    { "InvalidClientTokenId", 403, CLOUD_DENIED },
    { "ExpiredToken", 400, CLOUD_DENIED },
    { "RequestExpired", 400, CLOUD_DENIED },
    { "RequestLimitExceeded", 503, CLOUD_THROTTLED },
    { "Throttling", 400, CLOUD_THROTTLED },
    { "Unavailable", 503, CLOUD_UNAVAILABLE },
    { "ServiceUnavailable", 503, CLOUD_UNAVAILABLE },
    { "InternalError", 500, CLOUD_UNAVAILABLE },
    { "InternalFailure", 500, CLOUD_UNAVAILABLE },
    { "DryRunOperation", 412, CLOUD_INVALID },
};

static const struct refusal *find_refusal(const char *code)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(refusals[i].code, code) == 0) {
            return &refusals[i];
        }
    }
    return NULL;
}

bool sim_refuse(struct sim_problem *problem, const char *code, const char *format, ...)
{
    const struct refusal *known = find_refusal(code);
    va_list args;

    problem->code = code;
    problem->status = known ? known->status : 400;
    va_start(args, format);
    (void)vsnprintf(problem->message, sizeof(problem->message), format, args);
    va_end(args);
    return false;
}

enum cloud_code sim_cloud_code(const struct sim_problem *problem)
{
    if (!problem->code) {
        return CLOUD_OK;
    }
    const struct refusal *known = find_refusal(problem->code);
    if (known) {
        return known->cloud;
    }
    if (strcmp(problem->code, "InvalidParameterValue") == 0) {
        struct slice message = slice_of(problem->message);
        if (slice_contains(message, SLICE("sufficient free Ipv4"))) {
            return CLOUD_SUBNET_SHORT;
        }
        if (slice_contains(message, SLICE("device index"))) {
            return CLOUD_INDEX_IN_USE;
        }
    }
    return problem->status >= 500 ? CLOUD_UNAVAILABLE : CLOUD_INVALID;
}
