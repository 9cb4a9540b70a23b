/*
 * ec2_policy.h - IAM policies that a scenario gives to its identities. Private to src/sim/ec2*.c.
 */
#ifndef SIM_EC2_POLICY_H
#define SIM_EC2_POLICY_H

#include "ec2_state.h"

void sim_policies_free(struct sim_ec2 *ec2);

#endif
