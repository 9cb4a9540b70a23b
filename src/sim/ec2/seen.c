/*
 * seen.c - eventual consistency: what a describe shows is the world as it was `lag` ago.
 *
 * Each row keeps images of how it was, made before each change and dropped when no describe can
 * show them any more. Knows time and images. Refuses to know why something changed.
 */
#include <assert.h>

#include "state.h"

static uint64_t seen_ns(const struct sim_ec2 *ec2)
{
    return ec2->now_ns > ec2->lag_ns ? ec2->now_ns - ec2->lag_ns : 0;
}

void sim_eni_state_copy(struct sim_eni_state *to, const struct sim_eni_state *from)
{
    *to = *from;
    to->ips = (struct sim_u32s){ 0 };
    to->prefixes = (struct sim_u32s){ 0 };
    to->tags = (struct sim_tags){ 0 };
    for (uint32_t i = 0; i < from->ips.count; i++) {
        sim_u32s_add(&to->ips, from->ips.items[i]);
    }
    for (uint32_t i = 0; i < from->prefixes.count; i++) {
        sim_u32s_add(&to->prefixes, from->prefixes.items[i]);
    }
    sim_tags_copy(&to->tags, &from->tags);
}

void sim_eni_state_done(struct sim_eni_state *state)
{
    mem_free(state->ips.items);
    mem_free(state->prefixes.items);
    mem_free(state->tags.items);
    *state = (struct sim_eni_state){ .instance = ROW_NONE };
}

static void drop_oldest(struct sim_eni *eni, uint32_t count)
{
    if (count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        sim_eni_state_done(&eni->past[i].state);
    }
    eni->past_count -= count;
    memmove(eni->past, eni->past + count, eni->past_count * sizeof(*eni->past));
}

/* Images that ended before what the laggiest describe shows. */
static void prune(const struct sim_ec2 *ec2, struct sim_eni *eni)
{
    uint32_t old = 0;

    while (old < eni->past_count && eni->past[old].until_ns <= seen_ns(ec2)) {
        old++;
    }
    if (old > 0) {
        drop_oldest(eni, old);
    }
}

void sim_eni_touch(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_eni *eni = &ec2->enis[row];

    if (eni->now.instance != ROW_NONE) {
        ec2->instances[eni->now.instance].version++;
    }
    prune(ec2, eni);
    if (ec2->lag_ns == 0 || eni->created_ns == ec2->now_ns ||
        (eni->past_count > 0 && eni->past[eni->past_count - 1].until_ns == ec2->now_ns)) {
        return; /* nobody can have seen what it is now */
    }
    if (eni->past_count == SIM_PAST_MAX) {
        drop_oldest(eni, 1);
    }
    mem_reserve(&eni->past, &eni->past_capacity, eni->past_count + 1, sizeof(*eni->past));
    struct sim_eni_past *past = &eni->past[eni->past_count++];
    past->until_ns = ec2->now_ns;
    sim_eni_state_copy(&past->state, &eni->now);
}

const struct sim_eni_state *sim_eni_seen(const struct sim_ec2 *ec2, uint32_t row)
{
    const struct sim_eni *eni = &ec2->enis[row];
    uint64_t at = seen_ns(ec2);

    if (!eni->used || eni->created_ns > at || eni->gone_ns <= at) {
        return NULL;
    }
    for (uint32_t i = 0; i < eni->past_count; i++) {
        if (eni->past[i].until_ns > at) {
            return &eni->past[i].state;
        }
    }
    return &eni->now;
}

void sim_subnet_touch(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_subnet *subnet = &ec2->subnets[row];
    uint64_t at = seen_ns(ec2);

    while (subnet->past_begin < subnet->past_count &&
           subnet->past[subnet->past_begin].until_ns <= at) {
        subnet->past_begin++;
    }
    if (subnet->past_begin > 64 && subnet->past_begin > subnet->past_count / 2) {
        subnet->past_count -= subnet->past_begin;
        memmove(subnet->past, subnet->past + subnet->past_begin,
                subnet->past_count * sizeof(*subnet->past));
        subnet->past_begin = 0;
    }
    if (ec2->lag_ns == 0 || (subnet->past_count > subnet->past_begin &&
                             subnet->past[subnet->past_count - 1].until_ns == ec2->now_ns)) {
        return;
    }
    mem_reserve(&subnet->past, &subnet->past_capacity, subnet->past_count + 1,
                sizeof(*subnet->past));
    subnet->past[subnet->past_count++] = (struct sim_subnet_past){
        .until_ns = ec2->now_ns,
        .free = subnet->space.free,
    };
}

uint32_t sim_subnet_seen(const struct sim_ec2 *ec2, uint32_t row)
{
    const struct sim_subnet *subnet = &ec2->subnets[row];
    uint64_t at = seen_ns(ec2);

    for (uint32_t i = subnet->past_begin; i < subnet->past_count; i++) {
        if (subnet->past[i].until_ns > at) {
            return subnet->past[i].free;
        }
    }
    return subnet->space.free;
}

void sim_instance_touch(struct sim_ec2 *ec2, uint32_t row)
{
    enum { KEPT = sizeof(ec2->instances->past) / sizeof(ec2->instances->past[0]) };
    struct sim_instance *instance = &ec2->instances[row];

    if (ec2->lag_ns == 0 || instance->created_ns == ec2->now_ns) {
        return;
    }
    if (instance->past_count == KEPT) {
        memmove(instance->past, instance->past + 1, (KEPT - 1) * sizeof(*instance->past));
        instance->past_count--;
    }
    instance->past[instance->past_count++] = (struct sim_instance_past){
        .until_ns = ec2->now_ns,
        .state = instance->state,
    };
}

bool sim_instance_seen(const struct sim_ec2 *ec2, uint32_t row, enum sim_instance_state *ret)
{
    const struct sim_instance *instance = &ec2->instances[row];
    uint64_t at = seen_ns(ec2);

    if (instance->created_ns > at) {
        return false;
    }
    *ret = instance->state;
    for (uint32_t i = instance->past_count; i > 0; i--) {
        if (instance->past[i - 1].until_ns > at) {
            *ret = instance->past[i - 1].state;
        }
    }
    return true;
}

/* Until now its subnet's list had it, for describes that still see it. */
static void unlink_from_subnet(struct sim_ec2 *ec2, const struct sim_eni *eni)
{
    if (eni->next != ROW_NONE) {
        ec2->enis[eni->next].prev = eni->prev;
    }
    if (eni->prev != ROW_NONE) {
        ec2->enis[eni->prev].next = eni->next;
    } else {
        ec2->subnets[eni->subnet].first_eni = eni->next;
    }
}

/* Rows of ENIs that are gone for every describe are free to be used again. */
void sim_forget(struct sim_ec2 *ec2)
{
    uint64_t at = seen_ns(ec2);

    while (ec2->gone_begin < ec2->gone_enis.count) {
        uint32_t row = ec2->gone_enis.items[ec2->gone_begin];
        struct sim_eni *eni = &ec2->enis[row];
        if (eni->gone_ns > at) {
            break;
        }
        ec2->gone_begin++;
        unlink_from_subnet(ec2, eni);
        drop_oldest(eni, eni->past_count);
        mem_free(eni->past);
        sim_eni_state_done(&eni->now);
        *eni = (struct sim_eni){ 0 };
        sim_u32s_add(&ec2->free_enis, row);
    }
    if (ec2->gone_begin == ec2->gone_enis.count) {
        ec2->gone_begin = 0;
        ec2->gone_enis.count = 0;
    }
}
