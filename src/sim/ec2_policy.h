/*
 * ec2_policy.h - IAM policies that a scenario gives to its identities. Private to src/sim/ec2*.c.
 */
#ifndef SIM_EC2_POLICY_H
#define SIM_EC2_POLICY_H

#include "ec2_call.h"

/* False with UnauthorizedOperation. Who has no policy may do everything. */
bool sim_policy_allows(struct sim_call *call);
void sim_policies_free(struct sim_ec2 *ec2);

#endif
