#include "ec2_policy.h"
bool sim_policy_allows(struct sim_call *call)
{
    (void)call;
    return true;
}
void sim_policies_free(struct sim_ec2 *ec2)
{
    mem_free(ec2->policies);
}
