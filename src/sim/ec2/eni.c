/*
 * eni.c - an ENI's life: created, attached, detached, deleted.
 *
 *   available --attach--> attaching --(timing.attach_ns)--> attached == in-use
 *       ^                                                      |
 *       +------(timing.detach_ns)------- detaching <--detach---+
 *
 * Knows limits, states and client tokens. Refuses to know HTTP and time other than the world's.
 */
#include <assert.h>

#include "state.h"

/* ---- finding, or saying why not ---- */

static bool well_formed(struct slice id, const char *prefix, const char *code,
                        struct sim_problem *problem)
{
    if (!slice_starts(id, slice_of(prefix)) || id.len >= AWS_ID_MAX) {
        return sim_refuse(problem, code, "Invalid id: \"%.*s\" (expecting \"%s...\")",
                          id.len > 64 ? 64 : (int)id.len, id.data ? id.data : "", prefix);
    }
    return true;
}

bool sim_require_eni(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                     struct sim_problem *problem)
{
    if (!well_formed(id, "eni-", "InvalidNetworkInterfaceID.Malformed", problem)) {
        return false;
    }
    *ret = sim_find_eni(ec2, id);
    if (*ret == ROW_NONE) {
        return sim_refuse(problem, "InvalidNetworkInterfaceID.NotFound",
                          "The networkInterface ID '%.*s' does not exist", SLICE_ARG(id));
    }
    return true;
}

bool sim_require_instance(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                          struct sim_problem *problem)
{
    if (!well_formed(id, "i-", "InvalidInstanceID.Malformed", problem)) {
        return false;
    }
    *ret = sim_find_instance(ec2, id);
    if (*ret == ROW_NONE) {
        return sim_refuse(problem, "InvalidInstanceID.NotFound",
                          "The instance ID '%.*s' does not exist", SLICE_ARG(id));
    }
    return true;
}

bool sim_require_subnet(const struct sim_ec2 *ec2, struct slice id, uint32_t *ret,
                        struct sim_problem *problem)
{
    if (!well_formed(id, "subnet-", "InvalidSubnetID.Malformed", problem)) {
        return false;
    }
    *ret = sim_find_subnet(ec2, id);
    if (*ret == ROW_NONE) {
        return sim_refuse(problem, "InvalidSubnetID.NotFound",
                          "The subnet ID '%.*s' does not exist", SLICE_ARG(id));
    }
    return true;
}

static bool find_groups(const struct sim_ec2 *ec2, const struct slice *ids, uint32_t count,
                        uint32_t *rows, struct sim_problem *problem)
{
    if (count > SIM_GROUPS_MAX) {
        return sim_refuse(problem, "SecurityGroupsPerInterfaceLimitExceeded",
                          "The maximum number of security groups per interface has been reached.");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!well_formed(ids[i], "sg-", "InvalidGroupId.Malformed", problem)) {
            return false;
        }
        rows[i] = sim_find_group(ec2, ids[i]);
        if (rows[i] == ROW_NONE) {
            return sim_refuse(problem, "InvalidGroup.NotFound",
                              "The security group '%.*s' does not exist", SLICE_ARG(ids[i]));
        }
    }
    return true;
}

/* The last `width` digits, to the base of 16; returns their end. */
static char *put_hex(char *at, uint64_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--) {
        at[i - 1] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    return at + width;
}

void sim_attachment_id(uint64_t attachment, char ret[40])
{
    static const char prefix[] = "eni-attach-0";

    memcpy(ret, prefix, sizeof(prefix) - 1);
    *put_hex(ret + sizeof(prefix) - 1, attachment, 16) = '\0';
}

/* Numbers look as if drawn; which one an attachment has can be told from its number in turn. */
static const uint64_t ATTACHMENT_STEP = UINT64_C(0x9e3779b97f4a7c15);
static const uint64_t ATTACHMENT_STEP_INVERSE = UINT64_C(0xf1de83e19937733d);

static uint64_t attachment_of_turn(const struct sim_ec2 *ec2, uint64_t turn)
{
    return (turn * ATTACHMENT_STEP) ^ ec2->seed;
}

static uint64_t turn_of_attachment(const struct sim_ec2 *ec2, uint64_t attachment)
{
    return (attachment ^ ec2->seed) * ATTACHMENT_STEP_INVERSE;
}

/* The number in "eni-attach-0123456789abcdef0"; false: it is none of ours. */
static bool attachment_number(struct slice id, uint64_t *ret)
{
    static const char prefix[] = "eni-attach-0";
    enum { DIGITS = 16 };
    uint64_t number = 0;

    if (id.len != sizeof(prefix) - 1 + DIGITS || !slice_starts(id, slice_of(prefix))) {
        return false;
    }
    for (size_t i = sizeof(prefix) - 1; i < id.len; i++) {
        char c = id.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = number;
    return true;
}

uint32_t sim_attachment_eni(const struct sim_ec2 *ec2, struct slice attachment)
{
    uint64_t number = 0;

    if (!attachment_number(attachment, &number)) {
        return ROW_NONE;
    }
    uint64_t turn = turn_of_attachment(ec2, number);
    if (turn == 0 || turn > ec2->attached.count) {
        return ROW_NONE;
    }
    uint32_t row = ec2->attached.items[turn - 1];
    const struct sim_eni *eni = &ec2->enis[row];
    bool attached = eni->now.attach != ATTACH_NONE && eni->now.attachment == number &&
                    eni->gone_ns == TIMERS_NEVER;
    return attached ? row : ROW_NONE;
}

void sim_mac(uint32_t primary_ip, char ret[20])
{
    char *at = ret;

    memcpy(at, "02:00", 5);
    at += 5;
    for (uint32_t shift = 32; shift > 0; shift -= 8) {
        *at++ = ':';
        at = put_hex(at, primary_ip >> (shift - 8), 2);
    }
    *at = '\0';
}

uint32_t sim_eni_units(const struct sim_eni *eni)
{
    return 1 + eni->now.ips.count + eni->now.prefixes.count;
}

/* ---- rows ---- */

uint32_t sim_eni_new(struct sim_ec2 *ec2, uint32_t subnet, uint32_t primary_ip)
{
    uint32_t row = 0;

    if (ec2->free_enis.count > 0) {
        row = ec2->free_enis.items[--ec2->free_enis.count];
    } else {
        mem_reserve(&ec2->enis, &ec2->eni_capacity, ec2->eni_rows + 1, sizeof(*ec2->enis));
        row = ec2->eni_rows++;
    }
    struct sim_eni *eni = &ec2->enis[row];
    *eni = (struct sim_eni){
        .used = true,
        .subnet = subnet,
        .primary_ip = primary_ip,
        .next = ec2->subnets[subnet].first_eni,
        .prev = ROW_NONE,
        .created_ns = ec2->now_ns,
        .created_wall_ns = ec2->wall_ns,
        .gone_ns = TIMERS_NEVER,
        .now = { .instance = ROW_NONE },
    };
    eni->now.description = interner_add(&ec2->names, SLICE(""));
    do {
        sim_new_id(ec2, "eni", &eni->id);
    } while (sim_find_eni(ec2, aws_id_slice(&eni->id)) != ROW_NONE);
    if (eni->next != ROW_NONE) {
        ec2->enis[eni->next].prev = row;
    }
    ec2->subnets[subnet].first_eni = row;
    index_add(&ec2->eni_index, ec2->enis, row);
    return row;
}

static void leave_instance(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_eni *eni = &ec2->enis[row];
    struct sim_instance *instance = &ec2->instances[eni->now.instance];
    uint32_t at = 0;

    while (instance->enis[at] != row) {
        at++;
        assert(at < instance->eni_count);
    }
    instance->eni_count--;
    memmove(&instance->enis[at], &instance->enis[at + 1],
            (instance->eni_count - at) * sizeof(instance->enis[0]));
}

/* Leaves its instance for good: available again. */
void sim_eni_part(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_eni *eni = &ec2->enis[row];

    sim_eni_touch(ec2, row);
    leave_instance(ec2, row);
    ec2->nau -= sim_eni_units(eni) + (eni->now.device_index > 0);
    eni->now.instance = ROW_NONE;
    eni->now.attach = ATTACH_NONE;
    eni->now.delete_on_termination = false;
    timers_set(&ec2->eni_timers, row, TIMERS_NEVER);
}

void sim_eni_gone(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_eni *eni = &ec2->enis[row];
    struct sim_space *space = &ec2->subnets[eni->subnet].space;

    sim_subnet_touch(ec2, eni->subnet);
    if (eni->tenant) {
        ec2->nau -= sim_eni_units(eni);
    } else {
        ec2->live_enis--;
    }
    for (uint32_t i = 0; i < eni->now.ips.count; i++) {
        sim_space_give(space, eni->now.ips.items[i]);
    }
    for (uint32_t i = 0; i < eni->now.prefixes.count; i++) {
        sim_space_give_block(space, eni->now.prefixes.items[i]);
    }
    sim_space_give(space, eni->primary_ip);
    index_remove(&ec2->eni_index, ec2->enis, aws_id_slice(&eni->id));
    eni->gone_ns = ec2->now_ns;
    sim_u32s_add(&ec2->gone_enis, row);
}

void sim_eni_join(struct sim_ec2 *ec2, uint32_t row, uint32_t instance_row, uint32_t device_index,
                  bool at_once)
{
    struct sim_eni *eni = &ec2->enis[row];
    struct sim_instance *instance = &ec2->instances[instance_row];

    assert(instance->eni_count < SIM_INSTANCE_ENIS);
    sim_eni_touch(ec2, row);
    instance->enis[instance->eni_count++] = row;
    instance->version++;
    eni->now.instance = instance_row;
    eni->now.device_index = device_index;
    eni->now.card = 0;
    eni->now.delete_on_termination = false;
    sim_u32s_add(&ec2->attached, row);
    eni->now.attachment = attachment_of_turn(ec2, ec2->attached.count);
    eni->now.attached_wall_ns = ec2->wall_ns;
    ec2->nau += sim_eni_units(eni) + (device_index > 0);
    if (at_once || ec2->timing.attach_ns == 0) {
        eni->now.attach = ATTACH_ATTACHED;
    } else {
        eni->now.attach = ATTACH_ATTACHING;
        timers_set(&ec2->eni_timers, row, ec2->now_ns + ec2->timing.attach_ns);
    }
}

void sim_eni_due(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_eni *eni = &ec2->enis[row];

    if (eni->now.attach == ATTACH_ATTACHING) {
        sim_eni_touch(ec2, row);
        eni->now.attach = ATTACH_ATTACHED;
    } else if (eni->now.attach == ATTACH_DETACHING) {
        sim_eni_part(ec2, row);
    }
}

/* ---- create ---- */

static bool known_token(struct sim_ec2 *ec2, const struct sim_create *create, uint32_t *ret_row,
                        uint32_t *ret_token, struct sim_problem *problem)
{
    uint32_t token = create->client_token.len > 0
                         ? index_find(&ec2->token_index, ec2->tokens, create->client_token)
                         : ROW_NONE;

    *ret_token = ROW_NONE;
    if (token == ROW_NONE) {
        return true;
    }
    if (ec2->tokens[token].params != create->params) {
        return sim_refuse(problem, "IdempotentParameterMismatch",
                          "The client token was used before, with other parameters");
    }
    *ret_token = token;
    *ret_row = sim_find_eni(ec2, aws_id_slice(&ec2->tokens[token].eni));
    return true;
}

static void remember_token(struct sim_ec2 *ec2, const struct sim_create *create, uint32_t row)
{
    if (create->client_token.len == 0) {
        return;
    }
    mem_reserve(&ec2->tokens, &ec2->token_capacity, ec2->token_count + 1, sizeof(*ec2->tokens));
    struct sim_token *token = &ec2->tokens[ec2->token_count];
    *token = (struct sim_token){
        .key = interner_get(&ec2->names, interner_add(&ec2->names, create->client_token)),
        .params = create->params,
        .eni = ec2->enis[row].id,
        .image = ec2->enis[row],
    };
    token->image.past = NULL;
    token->image.past_count = token->image.past_capacity = 0;
    sim_eni_state_copy(&token->image.now, &ec2->enis[row].now);
    index_add(&ec2->token_index, ec2->tokens, ec2->token_count++);
}

static bool take_primary(struct sim_ec2 *ec2, uint32_t subnet, uint32_t wanted, uint32_t *ret,
                         struct sim_problem *problem)
{
    struct sim_assign named = { .addresses = &wanted, .address_count = 1 };
    struct sim_assign any = { .ips = 1 };
    struct sim_u32s ips = { 0 }, prefixes = { 0 };

    bool taken = sim_take_addresses(ec2, subnet, wanted ? &named : &any, false, &ips, &prefixes,
                                    problem);
    if (taken) {
        *ret = ips.items[0];
    }
    mem_free(ips.items);
    mem_free(prefixes.items);
    return taken;
}

static void fill(struct sim_ec2 *ec2, const struct sim_create *create, const uint32_t *groups,
                 struct sim_eni *eni)
{
    eni->type = create->type;
    eni->now.description = interner_add(&ec2->names, create->description);
    eni->now.group_count = create->group_count;
    memcpy(eni->now.groups, groups, create->group_count * sizeof(*groups));
    if (create->group_count == 0 && ec2->group_count > 0) {
        eni->now.groups[eni->now.group_count++] = 0; /* the VPC's default one comes first */
    }
    for (uint32_t i = 0; i < create->tag_count; i++) {
        sim_tags_set(ec2, &eni->now.tags, create->tags[i].key, create->tags[i].value);
    }
}

bool sim_eni_create(struct sim_ec2 *ec2, const struct sim_create *create, uint32_t *ret_row,
                    uint32_t *ret_token, struct sim_problem *problem)
{
    struct sim_assign more = {
        .ips = create->ips,
        .prefixes = create->prefixes,
        .addresses = create->addresses,
        .address_count = create->address_count,
        .blocks = create->blocks,
        .block_count = create->block_count,
    };
    struct sim_u32s ips = { 0 }, prefixes = { 0 };
    uint32_t groups[SIM_GROUPS_MAX] = { 0 };
    uint32_t subnet = 0, primary = 0;

    if (!known_token(ec2, create, ret_row, ret_token, problem)) {
        return false;
    }
    if (*ret_token != ROW_NONE) {
        return true;
    }
    if (!sim_require_subnet(ec2, create->subnet, &subnet, problem) ||
        !find_groups(ec2, create->groups, create->group_count, groups, problem)) {
        return false;
    }
    if (ec2->live_enis >= ec2->quota_enis) {
        return sim_refuse(problem, "NetworkInterfaceLimitExceeded",
                          "The maximum number of network interfaces has been reached.");
    }
    if (!take_primary(ec2, subnet, create->primary_ip, &primary, problem)) {
        return false;
    }
    if (!sim_take_addresses(ec2, subnet, &more, true, &ips, &prefixes, problem)) {
        sim_space_give(&ec2->subnets[subnet].space, primary);
        mem_free(ips.items);
        mem_free(prefixes.items);
        return false;
    }
    *ret_row = sim_eni_new(ec2, subnet, primary);
    struct sim_eni *eni = &ec2->enis[*ret_row];
    eni->now.ips = ips;
    eni->now.prefixes = prefixes;
    fill(ec2, create, groups, eni);
    ec2->live_enis++;
    remember_token(ec2, create, *ret_row);
    return true;
}

/* ---- attach, detach, delete ---- */

static bool index_is_free(const struct sim_ec2 *ec2, const struct sim_instance *instance,
                          uint32_t device_index)
{
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        if (ec2->enis[instance->enis[i]].now.device_index == device_index) {
            return false;
        }
    }
    return true;
}

static bool same_place(const struct sim_ec2 *ec2, const struct sim_eni *eni,
                       const struct sim_instance *instance, struct sim_problem *problem)
{
    if (eni->now.attach != ATTACH_NONE || eni->tenant) {
        return sim_refuse(problem, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.",
                          eni->id.text);
    }
    if (!slice_eq(ec2->subnets[eni->subnet].zone, ec2->subnets[instance->subnet].zone)) {
        return sim_refuse(problem, "InvalidParameterCombination",
                          "You may not attach a network interface to an instance if they are not "
                          "in the same availability zone");
    }
    if (instance->state != INSTANCE_RUNNING && instance->state != INSTANCE_STOPPED) {
        return sim_refuse(problem, "IncorrectState", "Instance '%s' is not 'running'.",
                          instance->id.text);
    }
    return true;
}

static bool has_room(const struct sim_ec2 *ec2, const struct sim_eni *eni,
                     const struct sim_instance *instance, uint32_t device_index, uint32_t card,
                     struct sim_problem *problem)
{
    uint32_t count = instance->eni_count + 1;

    if (count > instance->type.enis || count > SIM_INSTANCE_ENIS) {
        return sim_refuse(problem, "AttachmentLimitExceeded",
                          "Interface count %u exceeds the limit for %.*s", count,
                          SLICE_ARG(instance->type.name));
    }
    if (card != 0) {
        return sim_refuse(problem, "InvalidParameterValue",
                          "Network card index %u is not valid for instance '%s'", card,
                          instance->id.text);
    }
    if (!index_is_free(ec2, instance, device_index)) {
        return sim_refuse(problem, "InvalidParameterValue",
                          "Instance '%s' already has an interface attached at device index '%u'.",
                          instance->id.text, device_index);
    }
    if (sim_eni_units(eni) > instance->type.ips_per_eni) {
        return sim_refuse(problem, "PrivateIpAddressLimitExceeded",
                          "Number of private addresses will exceed limit.");
    }
    if (eni->now.prefixes.count > 0 && !instance->type.prefixes) {
        return sim_refuse(problem, "UnsupportedOperation",
                          "Prefixes are not supported on instances of type %.*s",
                          SLICE_ARG(instance->type.name));
    }
    if (ec2->nau + sim_eni_units(eni) + 1 > ec2->quota_nau) {
        return sim_refuse(problem, "NetworkAddressUsageLimitExceeded",
                          "The VPC has reached its limit of %u network address units.",
                          ec2->quota_nau);
    }
    return true;
}

bool sim_eni_attach(struct sim_ec2 *ec2, struct slice eni_id, struct slice instance_id,
                    uint32_t device_index, uint32_t card, uint32_t *ret_row,
                    struct sim_problem *problem)
{
    uint32_t instance = 0;

    if (!sim_require_eni(ec2, eni_id, ret_row, problem) ||
        !sim_require_instance(ec2, instance_id, &instance, problem) ||
        !same_place(ec2, &ec2->enis[*ret_row], &ec2->instances[instance], problem) ||
        !has_room(ec2, &ec2->enis[*ret_row], &ec2->instances[instance], device_index, card,
                  problem)) {
        return false;
    }
    sim_eni_join(ec2, *ret_row, instance, device_index, false);
    return true;
}

bool sim_eni_detach(struct sim_ec2 *ec2, uint32_t row, bool force, struct sim_problem *problem)
{
    struct sim_eni *eni = &ec2->enis[row];

    if (eni->now.attach == ATTACH_NONE) {
        return sim_refuse(problem, "IncorrectState", "Interface '%s' is not attached.",
                          eni->id.text);
    }
    if (eni->now.device_index == 0) {
        return sim_refuse(problem, "OperationNotPermitted",
                          "The network interface at device index 0 cannot be detached.");
    }
    if (eni->now.attach != ATTACH_ATTACHED && !force) {
        return sim_refuse(problem, "IncorrectState", "Interface '%s' is not 'attached'.",
                          eni->id.text);
    }
    sim_eni_touch(ec2, row);
    eni->now.attach = ATTACH_DETACHING;
    if (ec2->timing.detach_ns == 0) {
        sim_eni_part(ec2, row);
    } else {
        timers_set(&ec2->eni_timers, row, ec2->now_ns + ec2->timing.detach_ns);
    }
    return true;
}

bool sim_eni_delete(struct sim_ec2 *ec2, struct slice id, struct sim_problem *problem)
{
    uint32_t row = 0;

    if (!sim_require_eni(ec2, id, &row, problem)) {
        return false;
    }
    const struct sim_eni *eni = &ec2->enis[row];
    if (eni->now.attach != ATTACH_NONE || eni->tenant) {
        return sim_refuse(problem, "InvalidNetworkInterface.InUse",
                          "The network interface '%s' is currently in use", eni->id.text);
    }
    sim_eni_gone(ec2, row);
    return true;
}

bool sim_eni_set_groups(struct sim_ec2 *ec2, uint32_t row, const struct slice *groups,
                        uint32_t count, struct sim_problem *problem)
{
    uint32_t rows[SIM_GROUPS_MAX] = { 0 };

    if (!find_groups(ec2, groups, count, rows, problem)) {
        return false;
    }
    sim_eni_touch(ec2, row);
    memcpy(ec2->enis[row].now.groups, rows, sizeof(rows));
    ec2->enis[row].now.group_count = count;
    return true;
}
