/*
 * policy.c - statements of an IAM policy, applied to one scope of a request.
 *
 * Knows Effect, Action, Resource and Condition, their wildcards and operators. What it does not
 * know it refuses when the policy is set, so that no test passes for a condition that was
 * overlooked.
 */
#include "policy.h"

/* ---- values and patterns ---- */

/* A member may be one value or a list of them. */
static const struct doc *first_value(const struct doc *value)
{
    return doc_is(value, DOC_SEQUENCE) ? doc_first(value) : value;
}

static const struct doc *next_value(const struct doc *list, const struct doc *value)
{
    return doc_is(list, DOC_SEQUENCE) ? value->next : NULL;
}

static bool any_matches(const struct doc *list, struct slice text, bool like, bool fold)
{
    for (const struct doc *at = first_value(list); at; at = next_value(list, at)) {
        struct slice pattern = doc_text(at);
        if (like   ? sim_glob(pattern, text, fold)
            : fold ? slice_eq_nocase(pattern, text)
                   : slice_eq(pattern, text)) {
            return true;
        }
    }
    return false;
}

/* ---- conditions ---- */

enum { KEY_VALUES_MAX = SIM_TAGS_MAX };

/* What a condition key stands for; none: it is not in the request's context. */
struct key_values {
    struct slice items[KEY_VALUES_MAX];
    uint32_t count;
    bool present;
};

static void one_value(struct key_values *ret, struct slice value)
{
    ret->present = value.len > 0;
    ret->count = ret->present ? 1 : 0;
    ret->items[0] = value;
}

static void tag_value(const struct sim_ec2 *ec2, const struct sim_scope *scope, struct slice tag,
                      bool of_request, struct key_values *ret)
{
    struct slice value = { 0 };

    if (of_request) {
        ret->present = scope->request_tags &&
                       pair_find(scope->request_tags, scope->request_tag_count, tag, &value);
    } else {
        ret->present = scope->resource_tags &&
                       sim_tags_find(ec2, scope->resource_tags, tag, &value);
    }
    ret->count = ret->present;
    ret->items[0] = value;
}

static bool key_tag(struct slice key, const char *prefix, struct slice *ret)
{
    size_t len = strlen(prefix);

    if (key.len <= len || !slice_eq_nocase((struct slice){ key.data, len }, slice_of(prefix))) {
        return false;
    }
    *ret = (struct slice){ key.data + len, key.len - len };
    return true;
}

static void look_up(const struct sim_ec2 *ec2, const struct sim_scope *scope, struct slice key,
                    struct key_values *ret)
{
    struct slice tag = { 0 };

    *ret = (struct key_values){ 0 };
    if (key_tag(key, "aws:RequestTag/", &tag)) {
        tag_value(ec2, scope, tag, true, ret);
    } else if (key_tag(key, "aws:ResourceTag/", &tag) || key_tag(key, "ec2:ResourceTag/", &tag)) {
        tag_value(ec2, scope, tag, false, ret);
    } else if (slice_eq_nocase(key, SLICE("aws:TagKeys"))) {
        for (uint32_t i = 0; i < scope->request_tag_count && i < KEY_VALUES_MAX; i++) {
            ret->items[ret->count++] = scope->request_tags[i].key;
        }
        ret->present = ret->count > 0;
    } else if (slice_eq_nocase(key, SLICE("ec2:CreateAction"))) {
        one_value(ret, scope->create_action);
    } else if (slice_eq_nocase(key, SLICE("ec2:Subnet"))) {
        one_value(ret, scope->subnet);
    } else if (slice_eq_nocase(key, SLICE("ec2:Vpc"))) {
        one_value(ret, scope->vpc);
    } else if (slice_eq_nocase(key, SLICE("ec2:AvailabilityZone"))) {
        one_value(ret, scope->zone);
    } else {
        one_value(ret, ec2->region); /* ec2:Region, aws:RequestedRegion */
    }
}

static bool key_is_known(struct slice key)
{
    static const char *const names[] = { "aws:TagKeys",          "ec2:CreateAction",
                                         "ec2:Subnet",           "ec2:Vpc",
                                         "ec2:AvailabilityZone", "ec2:Region",
                                         "aws:RequestedRegion" };
    struct slice tag = { 0 };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_eq_nocase(key, slice_of(names[i]))) {
            return true;
        }
    }
    return key_tag(key, "aws:RequestTag/", &tag) || key_tag(key, "aws:ResourceTag/", &tag) ||
           key_tag(key, "ec2:ResourceTag/", &tag);
}

struct operation {
    const char *name;
    bool negated, like, fold;
};

static const struct operation operations[] = {
    { "StringEquals", false, false, false },
    { "StringNotEquals", true, false, false },
    { "StringEqualsIgnoreCase", false, false, true },
    { "StringNotEqualsIgnoreCase", true, false, true },
    { "StringLike", false, true, false },
    { "StringNotLike", true, true, false },
    { "ArnEquals", false, true, false },
    { "ArnLike", false, true, false },
    { "ArnNotEquals", true, true, false },
    { "ArnNotLike", true, true, false },
};

/* An operator's name taken apart: "ForAllValues:StringLikeIfExists". */
struct test {
    const struct operation *operation; /* NULL: Null */
    bool for_all, for_any, if_exists;
};

static bool parse_operator(struct slice name, struct test *ret)
{
    *ret = (struct test){ 0 };
    if (slice_is(name, "Null")) {
        return true;
    }
    if (slice_starts(name, SLICE("ForAllValues:")) || slice_starts(name, SLICE("ForAnyValue:"))) {
        ret->for_all = slice_starts(name, SLICE("ForAllValues:"));
        ret->for_any = !ret->for_all;
        (void)slice_cut(&name, ':');
    }
    if (slice_ends(name, SLICE("IfExists"))) {
        ret->if_exists = true;
        name.len -= strlen("IfExists");
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (slice_is(name, operations[i].name)) {
            ret->operation = &operations[i];
            return true;
        }
    }
    return false;
}

static bool value_passes(const struct operation *operation, const struct doc *wanted,
                         struct slice value)
{
    return any_matches(wanted, value, operation->like, operation->fold) != operation->negated;
}

static bool key_passes(const struct test *test, const struct doc *wanted,
                       const struct key_values *values)
{
    if (!test->operation) {
        return any_matches(wanted, values->present ? SLICE("false") : SLICE("true"), false, true);
    }
    if (!values->present) {
        return test->if_exists || test->for_all || (test->operation->negated && !test->for_any);
    }
    for (uint32_t i = 0; i < values->count; i++) {
        bool passes = value_passes(test->operation, wanted, values->items[i]);
        if (test->for_all ? !passes : passes) {
            return !test->for_all;
        }
    }
    return test->for_all;
}

static bool conditions_pass(const struct sim_ec2 *ec2, const struct sim_scope *scope,
                            const struct doc *conditions)
{
    struct key_values values;
    struct test test;

    for (const struct doc *at = doc_first(conditions); at; at = at->next) {
        if (!parse_operator(at->key, &test)) {
            return false;
        }
        for (const struct doc *key = doc_first(at); key; key = key->next) {
            look_up(ec2, scope, key->key, &values);
            if (!key_passes(&test, key, &values)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- statements ---- */

static bool statement_matches(const struct sim_ec2 *ec2, const struct sim_scope *scope,
                              const struct doc *statement)
{
    const struct doc *actions = doc_get(statement, "Action");
    const struct doc *resources = doc_get(statement, "Resource");

    if (actions ? !any_matches(actions, scope->action, true, true)
                : any_matches(doc_get(statement, "NotAction"), scope->action, true, true)) {
        return false;
    }
    if (resources ? !any_matches(resources, scope->resource, true, false)
                  : any_matches(doc_get(statement, "NotResource"), scope->resource, true, false)) {
        return false;
    }
    return conditions_pass(ec2, scope, doc_get(statement, "Condition"));
}

/* A policy's Statement may be one or a list. */
static bool scope_is_allowed(const struct sim_ec2 *ec2, const struct sim_scope *scope,
                             const struct doc *document)
{
    const struct doc *statements = doc_get(document, "Statement");
    bool allowed = false;

    for (const struct doc *at = first_value(statements); at; at = next_value(statements, at)) {
        if (!statement_matches(ec2, scope, at)) {
            continue;
        }
        if (slice_is(doc_text(doc_get(at, "Effect")), "Deny")) {
            return false;
        }
        allowed = true;
    }
    return allowed;
}

bool sim_policy_allows(struct sim_call *call)
{
    const struct sim_policy *policy = NULL;
    struct sim_scopes scopes;

    for (uint32_t i = 0; i < call->ec2->policy_count; i++) {
        if (slice_eq(call->ec2->policies[i].who, call->who)) {
            policy = &call->ec2->policies[i];
        }
    }
    if (!policy || !policy->document) {
        return true;
    }
    sim_policy_scopes(call, &scopes);
    for (uint32_t i = 0; i < scopes.count; i++) {
        if (!scope_is_allowed(call->ec2, &scopes.items[i], policy->document)) {
            return sim_refuse(&call->problem, "UnauthorizedOperation",
                              "You are not authorized to perform this operation. User: %.*s is not "
                              "authorized to perform: %.*s on resource: %.*s",
                              SLICE_ARG(call->who), SLICE_ARG(scopes.items[i].action),
                              SLICE_ARG(scopes.items[i].resource));
        }
    }
    return true;
}

/* ---- setting ---- */

static enum err check_conditions(const struct doc *conditions, struct error *error)
{
    struct test test;

    for (const struct doc *at = doc_first(conditions); at; at = at->next) {
        if (!parse_operator(at->key, &test)) {
            return error_set(error, ERR_UNSUPPORTED, "condition operator %.*s is not modelled",
                             SLICE_ARG(at->key));
        }
        for (const struct doc *key = doc_first(at); key; key = key->next) {
            if (!key_is_known(key->key)) {
                return error_set(error, ERR_UNSUPPORTED, "condition key %.*s is not modelled",
                                 SLICE_ARG(key->key));
            }
        }
    }
    return ERR_OK;
}

static enum err check_statement(const struct doc *statement, struct error *error)
{
    static const char *const known[] = { "Sid",      "Effect",      "Action",    "NotAction",
                                         "Resource", "NotResource", "Condition", NULL };
    struct slice effect = doc_text(doc_get(statement, "Effect"));

    for (const struct doc *at = doc_first(statement); at; at = at->next) {
        const char *const *name = known;
        while (*name && !slice_is(at->key, *name)) {
            name++;
        }
        if (!*name) {
            return error_set(error, ERR_UNSUPPORTED, "a statement's %.*s is not modelled",
                             SLICE_ARG(at->key));
        }
    }
    if (!slice_is(effect, "Allow") && !slice_is(effect, "Deny")) {
        return error_set(error, ERR_INVALID, "a statement's Effect is Allow or Deny");
    }
    if (!doc_get(statement, "Action") == !doc_get(statement, "NotAction") ||
        !doc_get(statement, "Resource") == !doc_get(statement, "NotResource")) {
        return error_set(error, ERR_INVALID,
                         "a statement has one of Action and NotAction, and one "
                         "of Resource and NotResource");
    }
    return check_conditions(doc_get(statement, "Condition"), error);
}

enum err sim_policy_set(struct sim_ec2 *ec2, struct slice who, const struct doc *document,
                        struct error *error)
{
    const struct doc *statements = doc_get(document, "Statement");

    if (document && !statements) {
        return error_set(error, ERR_INVALID, "a policy has a Statement");
    }
    for (const struct doc *at = first_value(statements); at; at = next_value(statements, at)) {
        enum err err = check_statement(at, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    for (uint32_t i = 0; i < ec2->policy_count; i++) {
        if (slice_eq(ec2->policies[i].who, who)) {
            ec2->policies[i].document = document;
            return ERR_OK;
        }
    }
    mem_reserve(&ec2->policies, &ec2->policy_capacity, ec2->policy_count + 1,
                sizeof(*ec2->policies));
    ec2->policies[ec2->policy_count++] = (struct sim_policy){
        .who = sim_name(ec2, interner_add(&ec2->names, who)),
        .document = document,
    };
    return ERR_OK;
}

void sim_policies_free(struct sim_ec2 *ec2)
{
    mem_free(ec2->policies);
}
