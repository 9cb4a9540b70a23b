/*
 * codes.c - what EC2's error means for the next step.
 *
 * Knows EC2's error codes and the messages that hide behind InvalidParameterValue. Refuses to know
 * what is done about them.
 */
#include "machine.h"

struct known {
    const char *code;
    enum cloud_code means;
};

static const struct known exact[] = {
    { "InsufficientFreeAddressesInSubnet", CLOUD_SUBNET_FULL },
    { "InsufficientCidrBlocks", CLOUD_NO_PREFIX },
    { "NetworkInterfaceLimitExceeded", CLOUD_ENI_QUOTA },
    { "NetworkAddressUsageLimitExceeded", CLOUD_NAU_LIMIT },
    { "AttachmentLimitExceeded", CLOUD_ATTACH_LIMIT },
    { "PrivateIpAddressLimitExceeded", CLOUD_IP_LIMIT },
    { "IncorrectState", CLOUD_INSTANCE_STATE },
    { "IncorrectInstanceState", CLOUD_INSTANCE_STATE },
    { "InvalidNetworkInterface.InUse", CLOUD_ENI_IN_USE },
    { "IdempotentParameterMismatch", CLOUD_TOKEN_MISMATCH },
    { "UnauthorizedOperation", CLOUD_DENIED },
    { "AuthFailure", CLOUD_DENIED },
    { "AccessDenied", CLOUD_DENIED },
    { "AccessDeniedException", CLOUD_DENIED },
    { "Blocked", CLOUD_DENIED },
    { "ExpiredToken", CLOUD_DENIED },
    { "ExpiredTokenException", CLOUD_DENIED },
    { "InvalidClientTokenId", CLOUD_DENIED },
    { "InvalidSecurityToken", CLOUD_DENIED },
    { "MissingAuthenticationToken", CLOUD_DENIED },
    { "OptInRequired", CLOUD_DENIED },
    { "PendingVerification", CLOUD_DENIED },
    { "RequestExpired", CLOUD_DENIED },
    { "SignatureDoesNotMatch", CLOUD_DENIED },
    { "UnrecognizedClientException", CLOUD_DENIED },
    { "RequestLimitExceeded", CLOUD_THROTTLED },
    { "Throttling", CLOUD_THROTTLED },
    { "ThrottlingException", CLOUD_THROTTLED },
    { "ThrottledException", CLOUD_THROTTLED },
    { "RequestThrottled", CLOUD_THROTTLED },
    { "RequestThrottledException", CLOUD_THROTTLED },
    { "TooManyRequestsException", CLOUD_THROTTLED },
    { "EC2ThrottledException", CLOUD_THROTTLED },
    { "SlowDown", CLOUD_THROTTLED },
    { "InternalError", CLOUD_UNAVAILABLE },
    { "InternalFailure", CLOUD_UNAVAILABLE },
    { "ServiceUnavailable", CLOUD_UNAVAILABLE },
    { "Unavailable", CLOUD_UNAVAILABLE },
};

/* ".NotFound", ".Malformed" and the plain form alike: for us the thing is not there. */
static const struct known starts[] = {
    { "InvalidInstanceID", CLOUD_INSTANCE_GONE },
    { "InvalidNetworkInterfaceID", CLOUD_ENI_GONE },
    { "InvalidNetworkInterfaceId", CLOUD_ENI_GONE },
    { "InvalidSubnetID", CLOUD_SUBNET_GONE },
    { "InvalidSubnetId", CLOUD_SUBNET_GONE },
    { "InvalidGroup.NotFound", CLOUD_GROUP_GONE },
    { "InvalidGroupId", CLOUD_GROUP_GONE },
    { "InvalidSecurityGroupID", CLOUD_GROUP_GONE },
};

/* In the messages of InvalidParameterValue (facts: ec2.md, "exhaustion has three faces"). */
static const struct known in_message[] = {
    { "sufficient free Ipv4 addresses or prefixes", CLOUD_SUBNET_SHORT },
    { "device index", CLOUD_INDEX_IN_USE },
    { "currently in use", CLOUD_ENI_IN_USE },
};

static bool find(const struct known *rows, size_t count, struct slice s,
                 bool (*fits)(struct slice s, struct slice part), enum cloud_code *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (fits(s, slice_of(rows[i].code))) {
            *ret = rows[i].means;
            return true;
        }
    }
    return false;
}

enum cloud_code ec2_classify(int status, struct slice code, struct slice message)
{
    enum cloud_code means = CLOUD_INVALID;

    if (find(exact, sizeof(exact) / sizeof(exact[0]), code, slice_eq, &means) ||
        find(starts, sizeof(starts) / sizeof(starts[0]), code, slice_starts, &means)) {
        return means;
    }
    if (slice_starts(code, SLICE("InvalidParameter")) &&
        find(in_message, sizeof(in_message) / sizeof(in_message[0]), message, slice_contains,
             &means)) {
        return means;
    }
    if (status == 429) {
        return CLOUD_THROTTLED;
    }
    if (status >= 500) {
        return CLOUD_UNAVAILABLE;
    }
    return code.len == 0 && (status == 401 || status == 403) ? CLOUD_DENIED : CLOUD_INVALID;
}

const char *ec2_op_name(enum ec2_op op)
{
    static const char *const names[] = {
#define X(name, burst, refill, mutates) #name,
        EC2_OPS(X)
#undef X
    };

    return names[op];
}

bool ec2_op_mutates(enum ec2_op op)
{
    static const bool table[] = {
#define X(name, burst, refill, mutates) mutates,
        EC2_OPS(X)
#undef X
    };

    return table[op];
}

struct slice ec2_denial_text(struct arena *arena, enum ec2_op op, struct slice code,
                             struct slice message)
{
    struct slice encoded = SLICE("Encoded authorization failure message");
    struct slice action = arena_printf(arena, "ec2:%s", ec2_op_name(op));
    const char *at = message.len > 0 ? memmem(message.data, message.len, encoded.data, encoded.len)
                                     : NULL;

    if (at) {
        message.len = (size_t)(at - message.data);
    }
    message = slice_trim(message);
    if (message.len > 250) {
        message.len = 250;
    }
    return slice_contains(message, action)
               ? arena_printf(arena, "%.*s: %.*s", SLICE_ARG(code), SLICE_ARG(message))
               : arena_printf(arena, "%.*s for %.*s: %.*s", SLICE_ARG(code), SLICE_ARG(action),
                              SLICE_ARG(message));
}
