/*
 * address.c - addresses and prefixes of ENIs: all that a request asks for, or nothing.
 *
 * Knows the three faces of exhaustion. Refuses to know attachments, but for the limits that the
 * instance's type sets.
 */
#include <assert.h>

#include "state.h"

#define IP_FORMAT "%u.%u.%u.%u"
#define IP_ARGS(ip) (ip) >> 24, (ip) >> 16 & 255, (ip) >> 8 & 255, (ip)&255

/* Whose secondary address it is; ROW_NONE: nobody's. */
static uint32_t holder(const struct sim_ec2 *ec2, uint32_t subnet, uint32_t address)
{
    for (uint32_t row = ec2->subnets[subnet].first_eni; row != ROW_NONE;
         row = ec2->enis[row].next) {
        const struct sim_eni *eni = &ec2->enis[row];
        if (eni->gone_ns == TIMERS_NEVER && sim_u32s_has(&eni->now.ips, address)) {
            return row;
        }
    }
    return ROW_NONE;
}

static bool refuse_short(struct sim_ec2 *ec2, bool creating, bool prefixes,
                         struct sim_problem *problem)
{
    bool parameter = ec2->face == FACE_PARAMETER ||
                     (ec2->face == FACE_MIXED && prng_below(&ec2->prng, 2) == 0);

    if (creating && parameter) {
        return sim_refuse(problem, "InvalidParameterValue",
                          "There aren't sufficient free Ipv4 addresses or prefixes");
    }
    if (prefixes) {
        return sim_refuse(problem, "InsufficientCidrBlocks",
                          "The specified subnet does not have enough free cidr blocks to satisfy "
                          "the request.");
    }
    return sim_refuse(problem, "InsufficientFreeAddressesInSubnet",
                      "The specified subnet does not have enough free addresses to satisfy the "
                      "request.");
}

static bool take_named(struct sim_ec2 *ec2, uint32_t subnet, const struct sim_assign *what,
                       struct sim_u32s *ips, struct sim_u32s *moved, struct sim_problem *problem)
{
    struct sim_space *space = &ec2->subnets[subnet].space;

    for (uint32_t i = 0; i < what->address_count; i++) {
        uint32_t ip = what->addresses[i];
        if (!sim_space_contains(space, ip)) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "Address " IP_FORMAT " does not fall within the subnet's address "
                              "range",
                              IP_ARGS(ip));
        }
        if (sim_space_take(space, ip)) {
            sim_u32s_add(ips, ip);
        } else if (what->allow_reassignment && holder(ec2, subnet, ip) != ROW_NONE &&
                   !sim_u32s_has(moved, ip)) {
            sim_u32s_add(moved, ip);
        } else {
            return sim_refuse(problem, "InvalidIPAddress.InUse", "Address " IP_FORMAT " is in use.",
                              IP_ARGS(ip));
        }
    }
    return true;
}

static bool take_blocks(struct sim_ec2 *ec2, uint32_t subnet, const struct sim_assign *what,
                        bool creating, struct sim_u32s *prefixes, struct sim_problem *problem)
{
    struct sim_space *space = &ec2->subnets[subnet].space;
    uint32_t base = 0;

    for (uint32_t i = 0; i < what->block_count; i++) {
        base = what->blocks[i];
        if (!sim_space_contains(space, base) || base % SPACE_BLOCK != 0) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "The prefix " IP_FORMAT "/28 is not a /28 of the subnet",
                              IP_ARGS(base));
        }
        if (!sim_space_take_block(space, base)) {
            return sim_refuse(problem, "InvalidIPAddress.InUse",
                              "The prefix " IP_FORMAT "/28 is in use.", IP_ARGS(base));
        }
        sim_u32s_add(prefixes, base);
    }
    for (uint32_t i = 0; i < what->prefixes; i++) {
        if (!sim_space_pick_block(space, sim_scatter(ec2), &base)) {
            return refuse_short(ec2, creating, true, problem);
        }
        sim_u32s_add(prefixes, base);
    }
    return true;
}

static bool take_any(struct sim_ec2 *ec2, uint32_t subnet, uint32_t count, bool creating,
                     struct sim_u32s *ips, struct sim_problem *problem)
{
    struct sim_space *space = &ec2->subnets[subnet].space;
    uint32_t ip = 0;

    if (count > space->free) {
        return refuse_short(ec2, creating, false, problem);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool picked = sim_space_pick(space, sim_scatter(ec2), &ip);
        assert(picked);
        sim_u32s_add(ips, ip);
    }
    return true;
}

static void give_back(struct sim_space *space, struct sim_u32s *ips, struct sim_u32s *prefixes)
{
    for (uint32_t i = 0; i < ips->count; i++) {
        sim_space_give(space, ips->items[i]);
    }
    for (uint32_t i = 0; i < prefixes->count; i++) {
        sim_space_give_block(space, prefixes->items[i]);
    }
    ips->count = 0;
    prefixes->count = 0;
}

/* From their holders, who were seen to have them. */
static void move_addresses(struct sim_ec2 *ec2, uint32_t subnet, const struct sim_u32s *moved,
                           struct sim_u32s *ips)
{
    for (uint32_t i = 0; i < moved->count; i++) {
        uint32_t row = holder(ec2, subnet, moved->items[i]);
        assert(row != ROW_NONE);
        sim_eni_touch(ec2, row);
        (void)sim_u32s_remove(&ec2->enis[row].now.ips, moved->items[i]);
        sim_u32s_add(ips, moved->items[i]);
    }
}

bool sim_take_addresses(struct sim_ec2 *ec2, uint32_t subnet, const struct sim_assign *what,
                        bool creating, struct sim_u32s *ips, struct sim_u32s *prefixes,
                        struct sim_problem *problem)
{
    struct sim_u32s moved = { 0 };

    sim_subnet_touch(ec2, subnet);
    bool taken = take_named(ec2, subnet, what, ips, &moved, problem) &&
                 take_any(ec2, subnet, what->ips, creating, ips, problem) &&
                 take_blocks(ec2, subnet, what, creating, prefixes, problem);
    if (taken) {
        move_addresses(ec2, subnet, &moved, ips);
    } else {
        give_back(&ec2->subnets[subnet].space, ips, prefixes);
    }
    mem_free(moved.items);
    return taken;
}

static void append(struct sim_u32s *to, const struct sim_u32s *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        sim_u32s_add(to, from->items[i]);
    }
}

/* Limits that come with an attachment. */
static bool fits(const struct sim_ec2 *ec2, const struct sim_eni *eni, uint32_t more,
                 bool wants_prefix, struct sim_problem *problem)
{
    if (eni->now.instance == ROW_NONE) {
        return true;
    }
    const struct instance_type *type = &ec2->instances[eni->now.instance].type;
    if (wants_prefix && !type->prefixes) {
        return sim_refuse(problem, "UnsupportedOperation",
                          "Prefixes are not supported on instances of type %.*s",
                          SLICE_ARG(type->name));
    }
    if (1 + eni->now.ips.count + eni->now.prefixes.count + more > type->ips_per_eni) {
        return sim_refuse(problem, "PrivateIpAddressLimitExceeded",
                          "Number of private addresses will exceed limit.");
    }
    if (ec2->nau + more > ec2->quota_nau) {
        return sim_refuse(problem, "NetworkAddressUsageLimitExceeded",
                          "The VPC has reached its limit of %u network address units.",
                          ec2->quota_nau);
    }
    return true;
}

bool sim_eni_assign(struct sim_ec2 *ec2, const struct sim_assign *assign, uint32_t *ret_row,
                    uint32_t *ret_first_ip, uint32_t *ret_first_prefix, struct sim_problem *problem)
{
    uint32_t ip_total = assign->ips + assign->address_count;
    uint32_t prefix_total = assign->prefixes + assign->block_count;
    struct sim_u32s ips = { 0 }, prefixes = { 0 };

    if (!sim_require_eni(ec2, assign->eni, ret_row, problem)) {
        return false;
    }
    if (ip_total + prefix_total == 0) {
        return sim_refuse(problem, "MissingParameter",
                          "The request must contain the parameter "
                          "secondaryPrivateIpAddressCount, privateIpAddress, ipv4PrefixCount or "
                          "ipv4Prefix");
    }
    struct sim_eni *eni = &ec2->enis[*ret_row];
    if (!fits(ec2, eni, ip_total + prefix_total, prefix_total > 0, problem)) {
        return false;
    }
    bool taken = sim_take_addresses(ec2, eni->subnet, assign, false, &ips, &prefixes, problem);
    if (taken) {
        sim_eni_touch(ec2, *ret_row);
        *ret_first_ip = eni->now.ips.count;
        *ret_first_prefix = eni->now.prefixes.count;
        append(&eni->now.ips, &ips);
        append(&eni->now.prefixes, &prefixes);
        if (eni->now.attach != ATTACH_NONE) {
            ec2->nau += ips.count + prefixes.count;
        }
    }
    mem_free(ips.items);
    mem_free(prefixes.items);
    return taken;
}

static bool require_held(const struct sim_eni *eni, const uint32_t *addresses,
                         uint32_t address_count, const uint32_t *blocks, uint32_t block_count,
                         struct sim_problem *problem)
{
    for (uint32_t i = 0; i < address_count; i++) {
        if (!sim_u32s_has(&eni->now.ips, addresses[i])) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "Some of the specified addresses are not assigned to interface %s "
                              "(" IP_FORMAT ")",
                              eni->id.text, IP_ARGS(addresses[i]));
        }
    }
    for (uint32_t i = 0; i < block_count; i++) {
        if (!sim_u32s_has(&eni->now.prefixes, blocks[i])) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "Some of the specified prefixes are not assigned to interface %s "
                              "(" IP_FORMAT "/28)",
                              eni->id.text, IP_ARGS(blocks[i]));
        }
    }
    return true;
}

bool sim_eni_unassign(struct sim_ec2 *ec2, struct slice id, const uint32_t *addresses,
                      uint32_t address_count, const uint32_t *blocks, uint32_t block_count,
                      struct sim_problem *problem)
{
    uint32_t row = 0;

    if (!sim_require_eni(ec2, id, &row, problem)) {
        return false;
    }
    struct sim_eni *eni = &ec2->enis[row];
    struct sim_space *space = &ec2->subnets[eni->subnet].space;
    if (!require_held(eni, addresses, address_count, blocks, block_count, problem)) {
        return false;
    }
    sim_eni_touch(ec2, row);
    sim_subnet_touch(ec2, eni->subnet);
    uint32_t before = sim_eni_units(eni);
    for (uint32_t i = 0; i < address_count; i++) {
        if (sim_u32s_remove(&eni->now.ips, addresses[i])) {
            sim_space_give(space, addresses[i]);
        }
    }
    for (uint32_t i = 0; i < block_count; i++) {
        if (sim_u32s_remove(&eni->now.prefixes, blocks[i])) {
            sim_space_give_block(space, blocks[i]);
        }
    }
    if (eni->now.attach != ATTACH_NONE) {
        ec2->nau -= before - sim_eni_units(eni);
    }
    return true;
}
