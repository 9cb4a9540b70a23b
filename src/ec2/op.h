/*
 * op.h - the actions of the EC2 API that we call, and what the account may spend on each.
 *
 * Numbers: EC2 developer guide, "Request throttling" (bucket size, refill per second; one account
 * and Region); Attach is not listed there and has the default of mutating actions.
 */
#ifndef EC2_OP_H
#define EC2_OP_H

#include <stdbool.h>

/*    action                           burst refill mutates */
#define EC2_OPS(X)                                                                                 \
    X(DescribeSubnets, 100, 20, false)                                                             \
    X(DescribeNetworkInterfaces, 100, 20, false)                                                   \
    X(DescribeRouteTables, 100, 20, false)                                                         \
    X(DescribeSecurityGroups, 100, 20, false)                                                      \
    X(DescribeInstanceTypes, 100, 20, false)                                                       \
    X(GetSubnetCidrReservations, 100, 20, false)                                                   \
    X(CreateNetworkInterface, 100, 5, true)                                                        \
    X(AttachNetworkInterface, 50, 5, true)                                                         \
    X(ModifyNetworkInterfaceAttribute, 100, 5, true)                                               \
    X(AssignPrivateIpAddresses, 100, 5, true)                                                      \
    X(DeleteNetworkInterface, 100, 5, true)

enum ec2_op {
#define X(name, burst, refill, mutates) OP_##name,
    EC2_OPS(X)
#undef X
        EC2_OP_COUNT
};

const char *ec2_op_name(enum ec2_op op);
bool ec2_op_mutates(enum ec2_op op);

#endif
