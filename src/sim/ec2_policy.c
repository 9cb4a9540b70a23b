#include "ec2_policy.h"
void sim_policies_free(struct sim_ec2 *ec2)
{
    mem_free(ec2->policies);
}
