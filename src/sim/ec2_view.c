/*
 * ec2_view.c - the modelled EC2's instances as others see them.
 *
 * Knows EC2's rows. Refuses to change any.
 */
#include "ec2_state.h"

static uint32_t primary_ip(const struct sim_ec2 *ec2, const struct sim_instance *instance)
{
    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni *eni = &ec2->enis[instance->enis[i]];
        if (eni->now.device_index == 0 && eni->now.card == 0) {
            return eni->primary_ip;
        }
    }
    return 0;
}

const struct sim_instance_view *sim_ec2_instances(const struct sim_ec2 *ec2, struct arena *arena,
                                                  uint32_t *ret_count)
{
    struct sim_instance_view *views = ARENA_ARRAY(arena, struct sim_instance_view,
                                                  ec2->instance_count);
    uint32_t count = 0;

    for (uint32_t i = 0; i < ec2->instance_count; i++) {
        const struct sim_instance *instance = &ec2->instances[i];
        if (instance->state == INSTANCE_TERMINATED) {
            continue;
        }
        const struct sim_subnet *subnet = &ec2->subnets[instance->subnet];
        views[count++] = (struct sim_instance_view){
            .id = instance->id,
            .subnet = subnet->id,
            .zone = subnet->zone,
            .dns_name = instance->dns_name,
            .type = instance->type,
            .primary_ip = primary_ip(ec2, instance),
            .running = instance->state == INSTANCE_RUNNING,
            .tags = sim_tags_pairs(ec2, &instance->tags, arena),
            .tag_count = instance->tags.count,
        };
    }
    *ret_count = count;
    return views;
}

uint64_t sim_ec2_instance_version(const struct sim_ec2 *ec2, const struct aws_id *instance)
{
    uint32_t row = sim_find_instance(ec2, aws_id_slice(instance));

    return row == ROW_NONE ? 0 : ec2->instances[row].version + 1;
}
