/*
 * model.c - what can be said about a node, an ENI, a subnet or a pool from itself alone.
 *
 * Knows identifiers, selectors, defaults and the names that users read. Refuses to know how the
 * bytes looked and what is to be done about it.
 */
#include <headroom/model.h>

enum err aws_id_set(struct aws_id *id, struct slice s)
{
    *id = (struct aws_id){ 0 };
    if (s.len >= sizeof(id->text)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-';
        if (!fits) {
            return ERR_INVALID;
        }
    }
    if (s.len > 0) {
        memcpy(id->text, s.data, s.len);
    }
    return ERR_OK;
}

bool aws_id_eq(const struct aws_id *a, const struct aws_id *b)
{
    return strcmp(a->text, b->text) == 0;
}

bool pair_find(const struct pair *pairs, uint32_t count, struct slice key, struct slice *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slice_eq(pairs[i].key, key)) {
            *ret = pairs[i].value;
            return true;
        }
    }
    return false;
}

/* ---- node ---- */

const char *node_exclusion_text(enum node_exclusion exclusion)
{
    static const char *const texts[] = {
#define X(name, text) text,
        NODE_EXCLUSIONS(X)
#undef X
    };

    return texts[exclusion];
}

/* "i-" and hexadecimal digits at the end of the provider id. */
static bool instance_of(struct slice provider_id, struct aws_id *ret)
{
    struct slice rest = provider_id;
    struct slice last = { 0 };

    while (rest.len > 0) {
        last = slice_cut(&rest, '/');
    }
    return slice_starts(last, SLICE("i-")) && last.len > 2 && aws_id_set(ret, last) == ERR_OK;
}

/* aws:///ZONE/i-..., aws:///ZONE/fargate-IP..., aws:///ZONE/sagemaker/cluster/...,
 * eks-hybrid:///REGION/CLUSTER/NAME. */
enum node_exclusion node_instance(const struct node *node, struct aws_id *ret_instance)
{
    struct slice value;

    *ret_instance = (struct aws_id){ 0 };
    if (slice_starts(node->provider_id, SLICE("eks-hybrid:")) ||
        (pair_find(node->labels, node->label_count, SLICE("eks.amazonaws.com/compute-type"),
                   &value) &&
         slice_is(value, "hybrid"))) {
        return NODE_EXCLUDED_HYBRID;
    }
    if (slice_contains(node->provider_id, SLICE("/fargate-")) ||
        (pair_find(node->labels, node->label_count, SLICE("eks.amazonaws.com/compute-type"),
                   &value) &&
         slice_is(value, "fargate"))) {
        return NODE_EXCLUDED_FARGATE;
    }
    if (slice_contains(node->provider_id, SLICE("/sagemaker/")) ||
        (pair_find(node->labels, node->label_count, SLICE("sagemaker.amazonaws.com/compute-type"),
                   &value) &&
         slice_is(value, "hyperpod"))) {
        return NODE_EXCLUDED_HYPERPOD;
    }
    if (pair_find(node->labels, node->label_count, SLICE("eks.amazonaws.com/compute-type"),
                  &value) &&
        slice_is(value, "auto")) {
        return NODE_EXCLUDED_AUTO_MODE;
    }
    if (!instance_of(node->provider_id, ret_instance)) {
        return NODE_EXCLUDED_NO_INSTANCE;
    }
    if (node->os == NODE_OS_WINDOWS) {
        return NODE_EXCLUDED_WINDOWS;
    }
    if (node->ipv6) {
        return NODE_EXCLUDED_IPV6;
    }
    return node->deleting ? NODE_EXCLUDED_LEAVING : NODE_EXCLUDED_NONE;
}

/* ---- the agent ---- */

void agent_settings_default(struct agent_settings *ret)
{
    *ret = (struct agent_settings){
        .warm_eni_target = 1,
        .warm_ip_target = AGENT_UNSET,
        .minimum_ip_target = AGENT_UNSET,
        .warm_prefix_target = AGENT_UNSET,
        .max_eni = AGENT_UNSET,
        .subnet_discovery = true,
        .manage_untagged = true,
        .eniconfig_label = SLICE("k8s.amazonaws.com/eniConfig"),
        .eniconfig_annotation = SLICE("k8s.amazonaws.com/eniConfig"),
    };
}

/* ---- SubnetPool ---- */

static bool requirement_matches(const struct selector_requirement *requirement,
                                const struct pair *labels, uint32_t label_count)
{
    struct slice value;
    bool there = pair_find(labels, label_count, requirement->key, &value);
    bool listed = false;

    for (uint32_t i = 0; there && i < requirement->value_count; i++) {
        listed = listed || slice_eq(requirement->values[i], value);
    }
    switch (requirement->op) {
    case SELECTOR_IN:
        return listed;
    case SELECTOR_NOT_IN:
        return !listed;
    case SELECTOR_EXISTS:
        return there;
    case SELECTOR_NOT_EXISTS:
        return !there;
    }
    return false;
}

bool label_selector_matches(const struct label_selector *selector, const struct pair *labels,
                            uint32_t label_count)
{
    for (uint32_t i = 0; i < selector->count; i++) {
        if (!requirement_matches(&selector->requirements[i], labels, label_count)) {
            return false;
        }
    }
    return true;
}

static bool term_matches(const struct selector_term *term, struct slice id, const struct pair *tags,
                         uint32_t tag_count)
{
    if (term->id.len > 0) {
        return slice_eq(term->id, id);
    }
    for (uint32_t i = 0; i < term->tag_count; i++) {
        struct slice value;
        if (!pair_find(tags, tag_count, term->tags[i].key, &value) ||
            !(slice_is(term->tags[i].value, "*") || slice_eq(term->tags[i].value, value))) {
            return false;
        }
    }
    /* A term that says nothing selects nothing: the CRD refuses it, and an old object must not
     * select the whole VPC. */
    return term->tag_count > 0;
}

bool selector_terms_match(const struct selector_term *terms, uint32_t term_count, struct slice id,
                          const struct pair *tags, uint32_t tag_count)
{
    for (uint32_t i = 0; i < term_count; i++) {
        if (term_matches(&terms[i], id, tags, tag_count)) {
            return true;
        }
    }
    return false;
}

uint32_t amount_of(struct amount amount, uint32_t total)
{
    enum { WHOLE = 100 };

    return amount.percent ? (uint32_t)((uint64_t)amount.value * total / WHOLE) : amount.value;
}

const char *const pool_fields[] = { "subnetSelectorTerms",
                                    "nodeSelector",
                                    "weight",
                                    "securityGroupSelectorTerms",
                                    "watermarks",
                                    "reservedIPs",
                                    "headroom",
                                    "strategy",
                                    "addressing",
                                    "onNodeExhausted",
                                    "limits",
                                    "maxDataAge",
                                    "paused",
                                    "dryRun",
                                    NULL };

void pool_default(struct pool *ret)
{
    const uint64_t minute_ns = UINT64_C(60000000000);

    *ret = (struct pool){
        .low = { 10, true },
        .high = { 20, true },
        .reserved_ips = 8,
        .lead_ns = 2 * minute_ns,
        .stale_ns = 5 * minute_ns,
    };
}

static const struct pair *copy_pairs(struct arena *arena, const struct pair *from, uint32_t count)
{
    struct pair *copy = ARENA_ARRAY(arena, struct pair, count);

    for (uint32_t i = 0; i < count; i++) {
        copy[i].key = arena_slice(arena, from[i].key);
        copy[i].value = arena_slice(arena, from[i].value);
    }
    return copy;
}

static const struct selector_term *copy_terms(struct arena *arena, const struct selector_term *from,
                                              uint32_t count)
{
    struct selector_term *copy = ARENA_ARRAY(arena, struct selector_term, count);

    for (uint32_t i = 0; i < count; i++) {
        copy[i].id = arena_slice(arena, from[i].id);
        copy[i].tags = copy_pairs(arena, from[i].tags, from[i].tag_count);
        copy[i].tag_count = from[i].tag_count;
    }
    return copy;
}

static struct label_selector copy_selector(struct arena *arena, struct label_selector from)
{
    struct selector_requirement *copy = ARENA_ARRAY(arena, struct selector_requirement, from.count);

    for (uint32_t i = 0; i < from.count; i++) {
        const struct selector_requirement *old = &from.requirements[i];
        struct slice *values = ARENA_ARRAY(arena, struct slice, old->value_count);
        for (uint32_t j = 0; j < old->value_count; j++) {
            values[j] = arena_slice(arena, old->values[j]);
        }
        copy[i] = (struct selector_requirement){
            .key = arena_slice(arena, old->key),
            .op = old->op,
            .values = values,
            .value_count = old->value_count,
        };
    }
    return (struct label_selector){ copy, from.count };
}

void pool_copy(struct arena *arena, const struct pool *from, struct pool *ret)
{
    *ret = *from;
    ret->name = arena_slice(arena, from->name);
    ret->uid = arena_slice(arena, from->uid);
    ret->subnet_terms = copy_terms(arena, from->subnet_terms, from->subnet_term_count);
    ret->group_terms = copy_terms(arena, from->group_terms, from->group_term_count);
    ret->nodes = copy_selector(arena, from->nodes);
}

/* ---- names ---- */

const char *cloud_code_name(enum cloud_code code)
{
    static const char *const names[] = {
#define X(name) #name,
        CLOUD_CODES(X)
#undef X
    };

    return names[code];
}

const char *event_reason_name(enum event_reason reason)
{
    static const char *const names[] = {
#define X(name) #name,
        EVENT_REASONS(X)
#undef X
    };

    return names[reason];
}

const char *subnet_state_name(enum subnet_state state)
{
    static const char *const names[] = {
#define X(name) #name,
        SUBNET_STATES(X)
#undef X
    };

    return names[state];
}
