/*
 * scenario.c - from a scenario's YAML to the first state of the modelled EC2. The format:
 * hack/ec2sim/README.md.
 *
 * Knows the fields and their defaults; what it does not know it refuses, with the line. Refuses to
 * know the keys of the nodes' players (nodes, agents ...), which read the same file.
 */
#include <stdarg.h>
#include <stdio.h>

#include "policy.h"
#include "scenario.h"

/* ---- reading fields ---- */

enum err sim_doc_fail(struct error *error, const struct doc *doc, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(error, ERR_INVALID, "line %u: %s", doc && doc->line ? doc->line : 1, text);
}

enum err sim_doc_unknown(struct arena *arena, const struct doc *doc, const char *what,
                         struct slice name, const struct slice *known, uint32_t count,
                         struct error *error)
{
    enum { LISTED = 8 };
    struct slice list = SLICE(""), meant = SLICE("");
    size_t nearest = name.len < 4 ? 2 : 3;

    for (uint32_t i = 0; i < count; i++) {
        size_t far = slice_distance(name, known[i]);
        if (far < nearest) {
            nearest = far;
            meant = known[i];
        }
        if (i < LISTED) {
            list = arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(list), i > 0 ? ", " : "",
                                SLICE_ARG(known[i]));
        }
    }
    if (meant.len > 0) {
        return sim_doc_fail(error, doc, "there is no %s %.*s; did you mean %.*s?", what,
                            SLICE_ARG(name), SLICE_ARG(meant));
    }
    return sim_doc_fail(error, doc, "there is no %s %.*s; there %s %.*s%s", what, SLICE_ARG(name),
                        count == 1 ? "is" : "are", SLICE_ARG(count == 0 ? SLICE("none") : list),
                        count > LISTED ? " ..." : "");
}

static enum err unknown_key(const struct doc *at, const char *what, const char *const *known,
                            struct error *error)
{
    struct slice meant = slice_nearest(at->key, known);
    char list[ERROR_TEXT_MAX] = "";
    struct buf out = { .data = list, .size = sizeof(list), .max = sizeof(list) - 1 };

    if (meant.len > 0) {
        return sim_doc_fail(error, at, "%s has no field \"%.*s\"; did you mean \"%.*s\"?", what,
                            SLICE_ARG(at->key), SLICE_ARG(meant));
    }
    for (const char *const *key = known; *key; key++) {
        buf_addf(&out, "%s%s", key == known ? "" : ", ", *key);
    }
    return sim_doc_fail(error, at, "%s has no field \"%.*s\"; it may have %.*s", what,
                        SLICE_ARG(at->key), (int)out.len, list);
}

enum err sim_doc_keys(const struct doc *doc, const char *what, const char *const *known,
                      struct error *error)
{
    if (!doc_is(doc, DOC_MAPPING)) {
        return sim_doc_fail(error, doc, "%s must be a mapping", what);
    }
    for (const struct doc *at = doc_first(doc); at; at = at->next) {
        const char *const *key = known;
        while (*key && !slice_is(at->key, *key)) {
            key++;
        }
        if (!*key) {
            return unknown_key(at, what, known, error);
        }
    }
    return ERR_OK;
}

enum err sim_doc_cidr(const struct doc *doc, const char *field, struct cidr *ret,
                      struct error *error)
{
    struct slice rest = doc_text(doc);
    struct slice address = slice_cut(&rest, '/');
    uint64_t bits = 0;

    if (slice_ipv4(address, &ret->base) != ERR_OK || slice_u64(rest, 32, &bits) != ERR_OK) {
        return sim_doc_fail(error, doc, "%s must be a CIDR block like 10.0.0.0/24, not \"%.*s\"",
                            field, SLICE_ARG(doc_text(doc)));
    }
    uint32_t base = bits == 32 ? ret->base : ret->base & ~(UINT32_MAX >> bits);
    if (ret->base != base) {
        return sim_doc_fail(error, doc, "%s: a block of /%llu begins at %u.%u.%u.%u, not at %.*s",
                            field, (unsigned long long)bits, base >> 24, base >> 16 & 255,
                            base >> 8 & 255, base & 255, SLICE_ARG(address));
    }
    ret->bits = (uint8_t)bits;
    return ERR_OK;
}

enum err sim_doc_ms(const struct doc *doc, const char *field, uint64_t *ret_ns, struct error *error)
{
    enum { MS_MAX = 86400000 };
    uint64_t ms = 0;

    if (!doc) {
        return ERR_OK;
    }
    enum err err = doc_read_u64(doc, field, MS_MAX, &ms, error);
    if (err == ERR_OK) {
        *ret_ns = ms * 1000000;
    }
    return err;
}

enum err sim_doc_tags(struct sim_ec2 *ec2, const struct doc *doc, struct sim_tags *ret,
                      struct error *error)
{
    if (doc && !doc_is(doc, DOC_MAPPING)) {
        return sim_doc_fail(error, doc, "tags must be a mapping");
    }
    for (const struct doc *at = doc_first(doc); at; at = at->next) {
        sim_tags_set(ec2, ret, at->key, doc_text(at));
    }
    return ERR_OK;
}

/* An id as given, or made from the name: the same name makes the same id in every run. */
enum err sim_doc_id(const struct doc *row, const char *prefix, struct aws_id *ret,
                    struct error *error)
{
    struct slice id = doc_text(doc_get(row, "id"));
    struct slice name = doc_text(doc_get(row, "name"));

    if (id.len == 0 && name.len == 0) {
        return sim_doc_fail(error, row, "id or name is missing");
    }
    if (id.len == 0) {
        (void)snprintf(ret->text, sizeof(ret->text), "%s-0%016llx", prefix,
                       (unsigned long long)slice_hash(name));
        return ERR_OK;
    }
    if (aws_id_set(ret, id) != ERR_OK || !slice_starts(id, slice_of(prefix)) ||
        id.len <= strlen(prefix) || id.data[strlen(prefix)] != '-') {
        return sim_doc_fail(error, row, "id must look like %s-...", prefix);
    }
    return ERR_OK;
}

/* ---- account, VPC, budgets ---- */

static enum err read_vpc(struct sim_ec2 *ec2, const struct doc *vpc, struct error *error)
{
    static const char *const keys[] = { "id", "name", "cidrs", "tags", NULL };
    enum { CIDRS_MAX = 50 };
    struct cidr *cidrs = ARENA_ARRAY(&ec2->arena, struct cidr, CIDRS_MAX);

    ec2->vpc_cidrs = cidrs;
    if (!vpc) {
        (void)snprintf(ec2->vpc.text, sizeof(ec2->vpc.text), "vpc-0a1b2c3d4e5f60718");
        cidrs[ec2->vpc_cidr_count++] = (struct cidr){ UINT32_C(10) << 24, 16 };
        return ERR_OK;
    }
    enum err err = sim_doc_keys(vpc, "vpc", keys, error);
    if (err == ERR_OK) {
        err = sim_doc_id(vpc, "vpc", &ec2->vpc, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_tags(ec2, doc_get(vpc, "tags"), &ec2->vpc_tags, error);
    }
    for (const struct doc *at = doc_first(doc_get(vpc, "cidrs")); at && err == ERR_OK;
         at = at->next) {
        if (ec2->vpc_cidr_count == CIDRS_MAX) {
            return sim_doc_fail(error, at, "more than %d cidrs", CIDRS_MAX);
        }
        err = sim_doc_cidr(at, "cidrs", &cidrs[ec2->vpc_cidr_count++], error);
    }
    if (err == ERR_OK && ec2->vpc_cidr_count == 0) {
        return sim_doc_fail(error, vpc, "vpc needs cidrs");
    }
    return err;
}

static enum err read_throttle(struct sim_ec2 *ec2, const struct doc *throttle, struct error *error)
{
    static const char *const keys[] = { "enabled", "scale", "actions", NULL };
    static const char *const action_keys[] = { "burst", "refill", NULL };
    double scale = 1;

    ec2->throttle = true;
    if (throttle) {
        enum err err = sim_doc_keys(throttle, "throttle", keys, error);
        if (err != ERR_OK) {
            return err;
        }
        ec2->throttle = doc_bool_or(doc_get(throttle, "enabled"), true);
        scale = doc_double_or(doc_get(throttle, "scale"), 1);
        if (!(scale > 0)) {
            return sim_doc_fail(error, throttle, "scale must be above 0");
        }
    }
    sim_buckets_init(ec2, scale);
    for (const struct doc *at = doc_first(doc_get(throttle, "actions")); at; at = at->next) {
        enum sim_action action = sim_action_find(at->key);
        if (action == ACT_COUNT) {
            return sim_doc_fail(error, at, "no action %.*s", SLICE_ARG(at->key));
        }
        enum err err = sim_doc_keys(at, "an action of throttle", action_keys, error);
        if (err != ERR_OK) {
            return err;
        }
        struct sim_bucket *bucket = &ec2->buckets[action];
        bucket->burst = doc_double_or(doc_get(at, "burst"), bucket->burst);
        bucket->refill_per_s = doc_double_or(doc_get(at, "refill"), bucket->refill_per_s);
        bucket->tokens = bucket->burst;
    }
    return ERR_OK;
}

static enum err read_latency(struct sim_ec2 *ec2, const struct doc *latency, struct error *error)
{
    uint64_t any_ns = 0;

    enum err err = sim_doc_ms(doc_get(latency, "default"), "latency_ms.default", &any_ns, error);
    for (enum sim_action action = 0; action < ACT_COUNT; action++) {
        ec2->latency_ns[action] = any_ns;
    }
    for (const struct doc *at = doc_first(latency); at && err == ERR_OK; at = at->next) {
        enum sim_action action = sim_action_find(at->key);
        if (action != ACT_COUNT) {
            err = sim_doc_ms(at, "latency_ms", &ec2->latency_ns[action], error);
        } else if (!slice_is(at->key, "default")) {
            err = sim_doc_fail(error, at, "no action %.*s", SLICE_ARG(at->key));
        }
    }
    return err;
}

static enum err read_timing(struct sim_ec2 *ec2, const struct doc *doc, struct error *error)
{
    static const char *const keys[] = { "attach_ms", "detach_ms", "run_ms", "terminate_ms", NULL };
    struct sim_timing *timing = &ec2->timing;

    *timing = (struct sim_timing){ .attach_ns = 200000000,
                                   .detach_ns = 2500000000,
                                   .terminate_ns = 1000000000 };
    if (!doc) {
        return ERR_OK;
    }
    enum err err = sim_doc_keys(doc, "timing", keys, error);
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(doc, "attach_ms"), "attach_ms", &timing->attach_ns, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(doc, "detach_ms"), "detach_ms", &timing->detach_ns, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(doc, "run_ms"), "run_ms", &timing->run_ns, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(doc, "terminate_ms"), "terminate_ms", &timing->terminate_ns,
                         error);
    }
    return err;
}

static enum err read_word(const struct doc *doc, const char *field, const char *const *words,
                          uint32_t *ret, struct error *error)
{
    if (!doc) {
        return ERR_OK;
    }
    for (uint32_t i = 0; words[i]; i++) {
        if (slice_is(doc_text(doc), words[i])) {
            *ret = i;
            return ERR_OK;
        }
    }
    return sim_doc_fail(error, doc, "%s must be %s, %s%s%s", field, words[0], words[1],
                        words[2] ? " or " : "", words[2] ? words[2] : "");
}

static enum err read_account(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
{
    static const char *const allocations[] = { "scattered", "lowest", NULL };
    static const char *const faces[] = { "codes", "parameter", "mixed", NULL };
    static const char *const quota_keys[] = { "enis", "nau", NULL };
    const struct doc *quotas = doc_get(top, "quotas");
    uint64_t enis = 5000, nau = 64000;
    uint32_t allocation = 0, face = 0;

    ec2->region = doc_text_or(doc_get(top, "region"), SLICE("us-west-2"));
    ec2->account = doc_text_or(doc_get(top, "account"), SLICE("111122223333"));
    ec2->skew_max_ns = UINT64_C(300) * 1000000000;
    enum err err = quotas ? sim_doc_keys(quotas, "quotas", quota_keys, error) : ERR_OK;
    if (err == ERR_OK) {
        err = doc_read_u64(doc_get(quotas, "enis"), "quotas.enis", UINT32_MAX / 2, &enis, error);
    }
    if (err == ERR_OK) {
        err = doc_read_u64(doc_get(quotas, "nau"), "quotas.nau", UINT32_MAX / 2, &nau, error);
    }
    if (err == ERR_OK) {
        err = read_word(doc_get(top, "allocation"), "allocation", allocations, &allocation, error);
    }
    if (err == ERR_OK) {
        err = read_word(doc_get(top, "exhaustion"), "exhaustion", faces, &face, error);
    }
    if (err == ERR_OK) {
        err = sim_doc_ms(doc_get(top, "lag_ms"), "lag_ms", &ec2->lag_ns, error);
    }
    ec2->quota_enis = (uint32_t)enis;
    ec2->quota_nau = (uint32_t)nau;
    ec2->scattered = allocation == 0;
    ec2->face = (enum sim_face)face;
    return err;
}

/* ---- instance types, identities ---- */

static enum err read_types(struct sim_ec2 *ec2, const struct doc *types, struct error *error)
{
    static const char *const keys[] = { "enis", "ips", "prefixes", "trunk", NULL };

    for (const struct doc *at = doc_first(types); at; at = at->next) {
        uint64_t enis = 0, ips = 0;
        enum err err = sim_doc_keys(at, "an instance type", keys, error);
        if (err == ERR_OK) {
            err = doc_read_u64(doc_get(at, "enis"), "enis", SIM_INSTANCE_ENIS, &enis, error);
        }
        if (err == ERR_OK) {
            err = doc_read_u64(doc_get(at, "ips"), "ips", 64, &ips, error);
        }
        if (err != ERR_OK) {
            return err;
        }
        if (enis == 0 || ips == 0) {
            return sim_doc_fail(error, at, "an instance type needs enis and ips");
        }
        mem_reserve(&ec2->types, &ec2->type_capacity, ec2->type_count + 1, sizeof(*ec2->types));
        ec2->types[ec2->type_count++] = (struct instance_type){
            .name = at->key,
            .enis = (uint32_t)enis,
            .ips_per_eni = (uint32_t)ips,
            .prefixes = doc_bool_or(doc_get(at, "prefixes"), true),
            .trunk = doc_bool_or(doc_get(at, "trunk"), false),
        };
    }
    return ERR_OK;
}

static enum err read_identities(struct sim_ec2 *ec2, const struct doc *list, struct error *error)
{
    static const char *const keys[] = { "name", "access_key_id", "secret_access_key", NULL };

    if (!list) {
        /* AWS's documentation uses keys that end in EXAMPLE. */
        sim_identity_add(ec2, SLICE("AKIACONTROLLEREXAMPLE"),
                         SLICE("controller+secret/for/tests/EXAMPLEKEY"), SLICE("controller"));
        sim_identity_add(ec2, SLICE("AKIAAGENTEXAMPLE"), SLICE("agent+secret/for/tests/EXAMPLEKEY"),
                         SLICE("agent"));
        return ERR_OK;
    }
    for (const struct doc *at = doc_first(list); at; at = at->next) {
        enum err err = sim_doc_keys(at, "an identity", keys, error);
        if (err != ERR_OK) {
            return err;
        }
        struct slice key_id = doc_text(doc_get(at, "access_key_id"));
        struct slice secret = doc_text(doc_get(at, "secret_access_key"));
        struct slice name = doc_text(doc_get(at, "name"));
        if (key_id.len == 0 || secret.len == 0 || name.len == 0) {
            return sim_doc_fail(error, at,
                                "an identity needs name, access_key_id and secret_access_key");
        }
        if (index_find(&ec2->identity_index, ec2->identities, key_id) != INDEX_NONE) {
            return sim_doc_fail(error, at, "access_key_id stands there twice");
        }
        sim_identity_add(ec2, key_id, secret, name);
    }
    return ERR_OK;
}

static enum err read_policies(struct sim_ec2 *ec2, const struct doc *list, struct error *error)
{
    static const char *const keys[] = { "who", "document", NULL };
    struct error detail = { 0 };

    for (const struct doc *at = doc_first(list); at; at = at->next) {
        enum err err = sim_doc_keys(at, "a policy", keys, error);
        if (err != ERR_OK) {
            return err;
        }
        if (sim_policy_set(ec2, doc_text(doc_get(at, "who")), doc_get(at, "document"), &detail) !=
            ERR_OK) {
            return sim_doc_fail(error, at, "%s", detail.text);
        }
    }
    return ERR_OK;
}

/* What is there from the start has been there for long: no lag hides it. */
static void be_old(struct sim_ec2 *ec2)
{
    for (uint32_t i = 0; i < ec2->eni_rows; i++) {
        ec2->enis[i].created_ns = 0;
    }
    for (uint32_t i = 0; i < ec2->instance_count; i++) {
        ec2->instances[i].created_ns = 0;
    }
    for (uint32_t i = 0; i < ec2->subnet_count; i++) {
        ec2->subnets[i].past_begin = ec2->subnets[i].past_count = 0;
    }
}

enum err sim_scenario_read(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
{
    static const char *const keys[] = { "region", "account", "vpc", "route_tables", "subnets",
                                        "security_groups", "types", "instances", "identities",
                                        "policies", "quotas", "throttle", "lag_ms", "timing",
                                        "latency_ms", "allocation", "exhaustion", "sessions",
                                        "imds", "kubernetes", /* of the players of nodes */
                                        /* of the simulator */
                                        "description", "duration", "pools", "demand", "faults",
                                        NULL };
    if (!doc_is(top, DOC_MAPPING)) {
        return sim_doc_fail(error, top,
                            top->kind == DOC_NULL
                                ? "there is nothing in it; a scenario needs subnets"
                                : "a scenario is a mapping, such as subnets: [...]");
    }
    enum err err = sim_doc_keys(top, "the scenario", keys, error);
    if (err == ERR_OK) {
        err = read_account(ec2, top, error);
    }
    if (err == ERR_OK) {
        err = read_timing(ec2, doc_get(top, "timing"), error);
    }
    if (err == ERR_OK) {
        err = read_throttle(ec2, doc_get(top, "throttle"), error);
    }
    if (err == ERR_OK) {
        err = read_latency(ec2, doc_get(top, "latency_ms"), error);
    }
    if (err == ERR_OK) {
        err = read_types(ec2, doc_get(top, "types"), error);
    }
    if (err == ERR_OK) {
        err = read_identities(ec2, doc_get(top, "identities"), error);
    }
    if (err == ERR_OK) {
        err = read_policies(ec2, doc_get(top, "policies"), error);
    }
    if (err == ERR_OK) {
        err = sim_scenario_sessions(ec2, top, error);
    }
    if (err == ERR_OK) {
        err = read_vpc(ec2, doc_get(top, "vpc"), error);
    }
    if (err == ERR_OK) {
        err = sim_scenario_network(ec2, top, error);
    }
    be_old(ec2);
    return err;
}
