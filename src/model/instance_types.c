/*
 * instance_types.c - the embedded limits of EC2's instance types.
 *
 * Knows the table that hack/gen-instance-types makes. Refuses to guess: a type that is not in it is
 * unknown, and EC2 is asked (DescribeInstanceTypes).
 */
#include <headroom/model.h>

struct type_row {
    const char *name;
    uint8_t enis, ips_per_eni;
    bool prefixes, trunk;
};

static const struct type_row types[] = {
#define T(name, enis, ips, prefixes, trunk) { name, enis, ips, prefixes, trunk },
#include "instance_types.inc"
#undef T
};

bool instance_type_builtin(struct slice name, struct instance_type *ret)
{
    size_t low = 0;
    size_t high = sizeof(types) / sizeof(types[0]);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct type_row *row = &types[middle];
        int order = slice_cmp(slice_of(row->name), name);
        if (order == 0) {
            *ret = (struct instance_type){
                .name = slice_of(row->name),
                .enis = row->enis,
                .ips_per_eni = row->ips_per_eni,
                .prefixes = row->prefixes,
                .trunk = row->trunk,
            };
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}
