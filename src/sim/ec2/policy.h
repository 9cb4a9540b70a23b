/*
 * policy.h - IAM policies that a scenario or a test gives to identities. Private to
 * src/sim/ec2.
 *
 *   request --policy_scope.c--> scopes: (action, resource, what is known of it)
 *           --policy.c--------> allowed or not
 *
 * A request is allowed when each of its scopes is: by a statement that allows it and none that
 * denies it. Source: IAM user guide, "Policy evaluation logic"; Service Authorization Reference,
 * "Actions, resources, and condition keys for Amazon EC2".
 */
#ifndef SIM_EC2_POLICY_H
#define SIM_EC2_POLICY_H

#include <headroom/doc.h>

#include "call.h"

enum { SIM_SCOPES_MAX = 64 };

struct sim_policy {
    struct slice who;
    const struct doc *document;
};

/* One of the things that must be allowed. */
struct sim_scope {
    struct slice action, resource;        /* "ec2:CreateTags", an ARN or "*" */
    const struct sim_tags *resource_tags; /* NULL: it has none yet */
    const struct pair *request_tags;      /* NULL: the request's tags are not about it */
    uint32_t request_tag_count;
    struct slice create_action;     /* of ec2:CreateTags as part of a create */
    struct slice subnet, vpc, zone; /* ARNs and name, where the reference lists these keys */
};

struct sim_scopes {
    struct sim_scope items[SIM_SCOPES_MAX];
    uint32_t count;
};

/* What must be allowed for this request. */
void sim_policy_scopes(struct sim_call *call, struct sim_scopes *ret);

/* False with UnauthorizedOperation. Who has no policy may do everything. */
bool sim_policy_allows(struct sim_call *call);

/* `document` must outlive the model; replaces the policy that `who` has; NULL: none from now on.
 * The error names what cannot be evaluated: better refused than misunderstood. */
enum err sim_policy_set(struct sim_ec2 *ec2, struct slice who, const struct doc *document,
                        struct error *error) ERR_CHECKED;
void sim_policies_free(struct sim_ec2 *ec2);

#endif
