/*
 * instance.c - instances come and go, and take their ENIs along as DeleteOnTermination says;
 * tags of resources.
 *
 * Knows instance states. Refuses to know images, disks and prices.
 */
#include <stdio.h>

#include "state.h"

const char *sim_instance_state_name(enum sim_instance_state state)
{
    static const char *const names[] = { "pending", "running", "shutting-down", "terminated",
                                         "stopped" };

    return names[state];
}

static void add_primary(struct sim_ec2 *ec2, uint32_t instance, uint32_t eni)
{
    ec2->instances[instance].state = INSTANCE_RUNNING;
    sim_eni_join(ec2, eni, instance, 0, true);
    ec2->enis[eni].now.delete_on_termination = true;
}

static void fill(struct sim_ec2 *ec2, const struct sim_run *run, uint32_t subnet,
                 struct instance_type type, uint32_t row)
{
    struct sim_instance *instance = &ec2->instances[row];

    *instance = (struct sim_instance){
        .id = run->id,
        .type = type,
        .subnet = subnet,
        .role = run->role.len > 0 ? interner_add(&ec2->names, run->role) : ROW_NONE,
        .state = INSTANCE_RUNNING,
        .created_ns = ec2->now_ns,
        .launched_wall_ns = ec2->wall_ns,
    };
    instance->type.name = sim_name(ec2, interner_add(&ec2->names, type.name));
    for (uint32_t i = 0; i < run->tag_count; i++) {
        sim_tags_set(ec2, &instance->tags, run->tags[i].key, run->tags[i].value);
    }
}

/* "ip-10-0-0-9.us-west-2.compute.internal", unless the scenario names the node. */
static void name_instance(struct sim_ec2 *ec2, const struct sim_run *run, uint32_t row,
                          uint32_t primary_ip)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "ip-%u-%u-%u-%u.%.*s.compute.internal", primary_ip >> 24,
                   primary_ip >> 16 & 255, primary_ip >> 8 & 255, primary_ip & 255,
                   SLICE_ARG(ec2->region));
    struct slice name = run->dns_name.len > 0 ? run->dns_name : slice_of(text);
    ec2->instances[row].dns_name = sim_name(ec2, interner_add(&ec2->names, name));
}

static bool check_type(const struct sim_ec2 *ec2, const struct sim_run *run,
                       struct instance_type *ret, struct sim_problem *problem)
{
    bool known = false;

    *ret = sim_type(ec2, run->type, &known);
    if (!known) {
        return sim_refuse(problem, "InvalidParameterValue",
                          "Invalid value '%.*s' for InstanceType.", SLICE_ARG(run->type));
    }
    if (1 + run->secondary_ips + run->prefixes > ret->ips_per_eni) {
        return sim_refuse(problem, "PrivateIpAddressLimitExceeded",
                          "Number of private addresses will exceed limit.");
    }
    return true;
}

bool sim_instance_run(struct sim_ec2 *ec2, const struct sim_run *run, uint32_t *ret_row,
                      struct sim_problem *problem)
{
    struct sim_create create = {
        .subnet = run->subnet,
        .groups = run->groups,
        .group_count = run->group_count,
        .ips = run->secondary_ips,
        .prefixes = run->prefixes,
    };
    struct sim_run named = *run;
    struct instance_type type = { 0 };
    uint32_t eni = 0, token = 0;

    if (!check_type(ec2, run, &type, problem) ||
        !sim_eni_create(ec2, &create, &eni, &token, problem)) {
        return false;
    }
    if (!named.id.text[0]) {
        sim_new_id(ec2, "i", &named.id);
    }
    if (sim_find_instance(ec2, aws_id_slice(&named.id)) != ROW_NONE) {
        sim_eni_gone(ec2, eni);
        return sim_refuse(problem, "InvalidParameterValue", "Instance '%s' exists already",
                          named.id.text);
    }
    mem_reserve(&ec2->instances, &ec2->instance_capacity, ec2->instance_count + 1,
                sizeof(*ec2->instances));
    *ret_row = ec2->instance_count++;
    fill(ec2, &named, ec2->enis[eni].subnet, type, *ret_row);
    index_add(&ec2->instance_index, ec2->instances, *ret_row);
    add_primary(ec2, *ret_row, eni);
    name_instance(ec2, &named, *ret_row, ec2->enis[eni].primary_ip);
    if (!run->at_once && ec2->timing.run_ns > 0) {
        ec2->instances[*ret_row].state = INSTANCE_PENDING;
        timers_set(&ec2->instance_timers, *ret_row, ec2->now_ns + ec2->timing.run_ns);
    }
    return true;
}

/* Terminated: its ENIs go along or become available. */
static void release_enis(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_instance *instance = &ec2->instances[row];

    while (instance->eni_count > 0) {
        uint32_t eni = instance->enis[instance->eni_count - 1];
        bool goes_along = ec2->enis[eni].now.delete_on_termination;
        sim_eni_part(ec2, eni);
        if (goes_along) {
            sim_eni_gone(ec2, eni);
        }
    }
}

void sim_instance_due(struct sim_ec2 *ec2, uint32_t row)
{
    struct sim_instance *instance = &ec2->instances[row];

    if (instance->state == INSTANCE_PENDING) {
        sim_instance_touch(ec2, row);
        instance->state = INSTANCE_RUNNING;
    } else if (instance->state == INSTANCE_SHUTTING_DOWN) {
        sim_instance_touch(ec2, row);
        instance->state = INSTANCE_TERMINATED;
        release_enis(ec2, row);
    }
}

bool sim_instance_terminate(struct sim_ec2 *ec2, struct slice id, struct sim_problem *problem)
{
    uint32_t row = 0;

    if (!sim_require_instance(ec2, id, &row, problem)) {
        return false;
    }
    struct sim_instance *instance = &ec2->instances[row];
    if (instance->state == INSTANCE_TERMINATED || instance->state == INSTANCE_SHUTTING_DOWN) {
        return true;
    }
    sim_instance_touch(ec2, row);
    instance->state = INSTANCE_SHUTTING_DOWN;
    if (ec2->timing.terminate_ns == 0) {
        sim_instance_due(ec2, row);
    } else {
        timers_set(&ec2->instance_timers, row, ec2->now_ns + ec2->timing.terminate_ns);
    }
    return true;
}

/* ---- tags ---- */

static struct sim_tags *resource_tags(struct sim_ec2 *ec2, struct slice id,
                                      struct sim_problem *problem)
{
    uint32_t row = 0;

    if (slice_starts(id, SLICE("eni-"))) {
        if (!sim_require_eni(ec2, id, &row, problem)) {
            return NULL;
        }
        sim_eni_touch(ec2, row);
        return &ec2->enis[row].now.tags;
    }
    if (slice_starts(id, SLICE("subnet-"))) {
        return sim_require_subnet(ec2, id, &row, problem) ? &ec2->subnets[row].tags : NULL;
    }
    if (slice_starts(id, SLICE("i-"))) {
        return sim_require_instance(ec2, id, &row, problem) ? &ec2->instances[row].tags : NULL;
    }
    row = sim_find_group(ec2, id);
    if (row != ROW_NONE) {
        return &ec2->groups[row].tags;
    }
    if (slice_eq(id, aws_id_slice(&ec2->vpc))) {
        return &ec2->vpc_tags;
    }
    (void)sim_refuse(problem, "InvalidID", "The ID '%.*s' is not valid",
                     id.len > 64 ? 64 : (int)id.len, id.data);
    return NULL;
}

static bool tag_fits(const struct sim_ec2 *ec2, const struct sim_tags *tags,
                     const struct pair *more, uint32_t count, struct sim_problem *problem)
{
    uint32_t total = tags->count;
    struct slice value = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        if (slice_starts(more[i].key, SLICE("aws:"))) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "Tag keys starting with 'aws:' are reserved for internal use");
        }
        if (more[i].key.len == 0 || more[i].key.len > 128 || more[i].value.len > 256) {
            return sim_refuse(problem, "InvalidParameterValue",
                              "Tag key exceeds the maximum length of 128 or value of 256 "
                              "characters, or is empty");
        }
        total += !sim_tags_find(ec2, tags, more[i].key, &value);
    }
    if (total > SIM_TAGS_MAX) {
        return sim_refuse(problem, "TagLimitExceeded",
                          "The maximum number of Tags for a resource has been reached.");
    }
    return true;
}

bool sim_tag_resource(struct sim_ec2 *ec2, struct slice id, const struct pair *tags, uint32_t count,
                      bool remove, struct sim_problem *problem)
{
    struct sim_tags *of = resource_tags(ec2, id, problem);

    if (!of || (!remove && !tag_fits(ec2, of, tags, count, problem))) {
        return false;
    }
    if (remove && count == 0) {
        of->count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (remove) {
            sim_tags_remove(ec2, of, tags[i].key, tags[i].value.data ? &tags[i].value : NULL);
        } else {
            sim_tags_set(ec2, of, tags[i].key, tags[i].value);
        }
    }
    return true;
}
