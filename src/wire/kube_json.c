/*
 * kube_json.c - SubnetPools, ENIConfigs and the aws-node DaemonSet from JSON documents.
 *
 * Knows the field names of crds/ and of the agent's environment. Refuses to know what the planner
 * does with them. The API server has checked a SubnetPool against its CRD; objects older than the
 * CRD can still break it.
 */
#include <headroom/kube_wire.h>
#include <headroom/timestamp.h>

enum { TERMS_MAX = 256, PAIRS_MAX = 256 };

static struct slice copied(struct arena *arena, const struct doc *doc)
{
    return arena_slice(arena, doc_text(doc));
}

static enum err bad(struct error *error, const char *field, const char *wanted)
{
    return error_set(error, ERR_INVALID, "%s must be %s", field, wanted);
}

/* ---- selectors ---- */

static enum err read_pairs(struct arena *arena, const struct doc *map, const char *field,
                           const struct pair **ret, uint32_t *ret_count, struct error *error)
{
    uint32_t count = doc_count(map);

    if (map && map->kind != DOC_MAPPING) {
        return bad(error, field, "a mapping of strings");
    }
    if (count > PAIRS_MAX) {
        return error_set(error, ERR_LIMIT, "%s has more than %d entries", field, PAIRS_MAX);
    }
    struct pair *pairs = ARENA_ARRAY(arena, struct pair, count);
    uint32_t at = 0;
    for (const struct doc *entry = doc_first(map); entry; entry = entry->next) {
        pairs[at].key = arena_slice(arena, entry->key);
        pairs[at++].value = copied(arena, entry);
    }
    *ret = pairs;
    *ret_count = count;
    return ERR_OK;
}

static enum err read_terms(struct arena *arena, const struct doc *list, const char *field,
                           const struct selector_term **ret, uint32_t *ret_count,
                           struct error *error)
{
    uint32_t count = doc_count(list);

    if (list && list->kind != DOC_SEQUENCE) {
        return bad(error, field, "a list");
    }
    if (count > TERMS_MAX) {
        return error_set(error, ERR_LIMIT, "%s has more than %d terms", field, TERMS_MAX);
    }
    struct selector_term *terms = ARENA_ARRAY(arena, struct selector_term, count);
    uint32_t at = 0;
    for (const struct doc *term = doc_first(list); term; term = term->next, at++) {
        terms[at].id = copied(arena, doc_get(term, "id"));
        enum err err = read_pairs(arena, doc_get(term, "tags"), field, &terms[at].tags,
                                  &terms[at].tag_count, error);
        if (err != ERR_OK) {
            return err;
        }
        /* A term of neither would match everything by accident. */
        if (terms[at].id.len == 0 && terms[at].tag_count == 0) {
            return bad(error, field, "terms with an id or tags");
        }
    }
    *ret = terms;
    *ret_count = count;
    return ERR_OK;
}

static bool op_of(struct slice name, enum selector_op *ret)
{
    static const char *const names[] = {
        [SELECTOR_IN] = "In",
        [SELECTOR_NOT_IN] = "NotIn",
        [SELECTOR_EXISTS] = "Exists",
        [SELECTOR_NOT_EXISTS] = "DoesNotExist",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(name, names[i])) {
            *ret = (enum selector_op)i;
            return true;
        }
    }
    return false;
}

static void read_values(struct arena *arena, const struct doc *list,
                        struct selector_requirement *ret)
{
    struct slice *values = ARENA_ARRAY(arena, struct slice, doc_count(list));

    ret->value_count = 0;
    for (const struct doc *value = doc_first(list); value; value = value->next) {
        values[ret->value_count++] = copied(arena, value);
    }
    ret->values = values;
}

static enum err read_label_selector(struct arena *arena, const struct doc *selector,
                                    struct label_selector *ret, struct error *error)
{
    const struct doc *labels = doc_get(selector, "matchLabels");
    const struct doc *expressions = doc_get(selector, "matchExpressions");
    uint32_t count = doc_count(labels) + doc_count(expressions);

    if (count > PAIRS_MAX) {
        return error_set(error, ERR_LIMIT, "spec.nodeSelector has more than %d requirements",
                         PAIRS_MAX);
    }
    struct selector_requirement *all = ARENA_ARRAY(arena, struct selector_requirement, count);
    uint32_t at = 0;
    for (const struct doc *label = doc_first(labels); label; label = label->next) {
        struct slice *value = ARENA_NEW(arena, struct slice);
        *value = copied(arena, label);
        all[at++] = (struct selector_requirement){ .key = arena_slice(arena, label->key),
                                                   .op = SELECTOR_IN,
                                                   .values = value,
                                                   .value_count = 1 };
    }
    for (const struct doc *one = doc_first(expressions); one; one = one->next) {
        all[at].key = copied(arena, doc_get(one, "key"));
        if (!op_of(doc_text(doc_get(one, "operator")), &all[at].op)) {
            return bad(error, "spec.nodeSelector.matchExpressions[].operator",
                       "In, NotIn, Exists or DoesNotExist");
        }
        read_values(arena, doc_get(one, "values"), &all[at++]);
    }
    *ret = (struct label_selector){ all, count };
    return ERR_OK;
}

/* ---- SubnetPool ---- */

/* 12 or "10%". */
static enum err read_amount(const struct doc *doc, const char *field, struct amount *ret,
                            struct error *error)
{
    struct slice text = doc_text(doc);
    uint64_t value = 0;

    if (!doc) {
        return ERR_OK;
    }
    bool percent = slice_ends(text, SLICE("%"));
    if (percent) {
        text.len--;
    }
    if (text.len == 0 || slice_u64(text, percent ? 100 : UINT32_MAX, &value) != ERR_OK) {
        return bad(error, field, "a count or a share such as \"10%\"");
    }
    *ret = (struct amount){ (uint32_t)value, percent };
    return ERR_OK;
}

static enum err read_u32(const struct doc *doc, const char *field, uint32_t *ret,
                         struct error *error)
{
    uint64_t value = *ret;
    enum err err = doc_read_u64(doc, field, UINT32_MAX, &value, error);

    *ret = (uint32_t)value;
    return err;
}

static enum err read_duration(const struct doc *doc, const char *field, uint64_t *ret,
                              struct error *error)
{
    if (!doc) {
        return ERR_OK;
    }
    return duration_parse(doc_text(doc), ret) == ERR_OK
               ? ERR_OK
               : bad(error, field, "a duration such as \"2m\" or \"90s\"");
}

/* The index of the text among names; absent: as it is. */
static enum err read_choice(const struct doc *doc, const char *field, const char *const *names,
                            uint32_t count, const char *wanted, uint32_t *ret, struct error *error)
{
    if (!doc) {
        return ERR_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(doc_text(doc), names[i])) {
            *ret = i;
            return ERR_OK;
        }
    }
    return bad(error, field, wanted);
}

static enum err read_choices(const struct doc *spec, struct pool *ret, struct error *error)
{
    static const char *const strategies[] = { "MostFree", "Balanced", "Ordered" };
    static const char *const addressings[] = { "Auto", "SecondaryIP", "Prefix" };
    static const char *const reactions[] = { "Report", "Taint" };
    uint32_t strategy = ret->strategy, addressing = ret->addressing, reaction = ret->on_exhausted;

    enum err err = read_choice(doc_get(spec, "strategy"), "spec.strategy", strategies, 3,
                               "MostFree, Balanced or Ordered", &strategy, error);
    if (err == ERR_OK) {
        err = read_choice(doc_get(spec, "addressing"), "spec.addressing", addressings, 3,
                          "Auto, SecondaryIP or Prefix", &addressing, error);
    }
    if (err == ERR_OK) {
        err = read_choice(doc_get(spec, "onNodeExhausted"), "spec.onNodeExhausted", reactions, 2,
                          "Report or Taint", &reaction, error);
    }
    ret->strategy = (enum pool_strategy)strategy;
    ret->addressing = (enum pool_addressing)addressing;
    ret->on_exhausted = (enum pool_exhausted)reaction;
    return err;
}

static enum err read_numbers(const struct doc *spec, struct pool *ret, struct error *error)
{
    const struct doc *headroom = doc_get(spec, "headroom"), *limits = doc_get(spec, "limits");
    const struct {
        const struct doc *doc;
        const char *field;
        uint32_t *value;
    } numbers[] = {
        { doc_get(spec, "weight"), "spec.weight", &ret->weight },
        { doc_get(spec, "reservedIPs"), "spec.reservedIPs", &ret->reserved_ips },
        { doc_get(headroom, "minIPsPerNode"), "spec.headroom.minIPsPerNode",
          &ret->min_ips_per_node },
        { doc_get(headroom, "maxENIsPerNode"), "spec.headroom.maxENIsPerNode",
          &ret->max_enis_per_node },
        { doc_get(limits, "attachPerMinute"), "spec.limits.attachPerMinute",
          &ret->attach_per_minute },
        { doc_get(limits, "maxENIs"), "spec.limits.maxENIs", &ret->max_enis },
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        enum err err = read_u32(numbers[i].doc, numbers[i].field, numbers[i].value, error);
        if (err != ERR_OK) {
            return err;
        }
    }
    enum err err = read_duration(doc_get(headroom, "leadTime"), "spec.headroom.leadTime",
                                 &ret->lead_ns, error);
    if (err == ERR_OK) {
        err = read_duration(doc_get(spec, "maxDataAge"), "spec.maxDataAge", &ret->stale_ns, error);
    }
    return err;
}

static enum err read_spec(struct arena *arena, const struct doc *spec, struct pool *ret,
                          struct error *error)
{
    const struct doc *marks = doc_get(spec, "watermarks");

    enum err err = read_terms(arena, doc_get(spec, "subnetSelectorTerms"),
                              "spec.subnetSelectorTerms", &ret->subnet_terms,
                              &ret->subnet_term_count, error);
    if (err == ERR_OK) {
        err = read_terms(arena, doc_get(spec, "securityGroupSelectorTerms"),
                         "spec.securityGroupSelectorTerms", &ret->group_terms,
                         &ret->group_term_count, error);
    }
    if (err == ERR_OK) {
        err = read_label_selector(arena, doc_get(spec, "nodeSelector"), &ret->nodes, error);
    }
    if (err == ERR_OK) {
        err = read_amount(doc_get(marks, "low"), "spec.watermarks.low", &ret->low, error);
    }
    if (err == ERR_OK) {
        err = read_amount(doc_get(marks, "high"), "spec.watermarks.high", &ret->high, error);
    }
    if (err == ERR_OK) {
        err = read_numbers(spec, ret, error);
    }
    if (err == ERR_OK) {
        err = read_choices(spec, ret, error);
    }
    if (err == ERR_OK) {
        err = doc_read_bool(doc_get(spec, "paused"), "spec.paused", &ret->paused, error);
    }
    if (err == ERR_OK) {
        err = doc_read_bool(doc_get(spec, "dryRun"), "spec.dryRun", &ret->dry_run, error);
    }
    return err;
}

enum err kube_json_pool(struct arena *arena, const struct doc *object, struct pool *ret,
                        struct error *error)
{
    const struct doc *meta = doc_get(object, "metadata");

    pool_default(ret);
    ret->name = copied(arena, doc_get(meta, "name"));
    ret->uid = copied(arena, doc_get(meta, "uid"));
    ret->generation = (int64_t)(doc_u64_or(doc_get(meta, "generation"), 0) & INT64_MAX);
    if (ret->name.len == 0) {
        return bad(error, "metadata.name", "there");
    }
    return read_spec(arena, doc_get(object, "spec"), ret, error);
}

/* ---- ENIConfig ---- */

enum err kube_json_eniconfig(struct arena *arena, const struct doc *object, struct eniconfig *ret,
                             struct error *error)
{
    const struct doc *groups = doc_at(object, "spec", "securityGroups");

    *ret = (struct eniconfig){ .name = copied(arena, doc_at(object, "metadata", "name")) };
    if (ret->name.len == 0) {
        return bad(error, "metadata.name", "there");
    }
    if (aws_id_set(&ret->subnet, doc_text(doc_at(object, "spec", "subnet"))) != ERR_OK) {
        return bad(error, "spec.subnet", "the id of a subnet");
    }
    if (doc_count(groups) > TERMS_MAX) {
        return error_set(error, ERR_LIMIT, "spec.securityGroups has more than %d entries",
                         TERMS_MAX);
    }
    struct aws_id *ids = ARENA_ARRAY(arena, struct aws_id, doc_count(groups));
    for (const struct doc *group = doc_first(groups); group; group = group->next) {
        if (aws_id_set(&ids[ret->group_count++], doc_text(group)) != ERR_OK) {
            return bad(error, "spec.securityGroups[]", "the id of a security group");
        }
    }
    ret->groups = ids;
    return ERR_OK;
}

/* ---- the agent's settings ---- */

/* Go's strconv.Atoi with the agent's own bound: it ignores what is negative. */
static bool set_number(struct slice value, int32_t *ret)
{
    uint64_t number = 0;

    if (slice_u64(value, INT32_MAX, &number) != ERR_OK) {
        return false;
    }
    *ret = (int32_t)number;
    return true;
}

/* ADDITIONAL_ENI_TAGS: a JSON object of strings. */
static bool set_tags(struct arena *arena, struct slice value, struct agent_settings *ret)
{
    struct doc_limits limits = { .bytes = 64 << 10, .nodes = 1000 };
    const struct doc *tags = NULL;

    if (value.len == 0) {
        return true;
    }
    if (json_parse(arena, value, &limits, &tags, NULL) != ERR_OK || tags->kind != DOC_MAPPING ||
        tags->count > AGENT_TAGS_MAX) {
        return false;
    }
    return read_pairs(arena, tags, "", &ret->extra_tags, &ret->extra_tag_count, NULL) == ERR_OK;
}

static bool set_text(struct arena *arena, struct slice name, struct slice value,
                     struct agent_settings *ret)
{
    struct slice *field = NULL;

    if (slice_is(name, "CLUSTER_NAME")) {
        field = &ret->cluster_name;
    } else if (slice_is(name, "ENI_CONFIG_LABEL_DEF")) {
        field = &ret->eniconfig_label;
    } else if (slice_is(name, "ENI_CONFIG_ANNOTATION_DEF")) {
        field = &ret->eniconfig_annotation;
    } else if (slice_is(name, "ADDITIONAL_ENI_TAGS")) {
        return set_tags(arena, value, ret);
    }
    if (field && value.len > 0) {
        *field = arena_slice(arena, value);
    }
    return true;
}

/* False: the value is not one that the agent would take. */
static bool set_variable(struct arena *arena, struct slice name, struct slice value,
                         struct agent_settings *ret)
{
    const struct {
        const char *name;
        int32_t *number;
        bool *flag;
    } variables[] = {
        { "WARM_ENI_TARGET", &ret->warm_eni_target, NULL },
        { "WARM_IP_TARGET", &ret->warm_ip_target, NULL },
        { "MINIMUM_IP_TARGET", &ret->minimum_ip_target, NULL },
        { "WARM_PREFIX_TARGET", &ret->warm_prefix_target, NULL },
        { "MAX_ENI", &ret->max_eni, NULL },
        { "ENABLE_PREFIX_DELEGATION", NULL, &ret->prefix_delegation },
        { "ENABLE_SUBNET_DISCOVERY", NULL, &ret->subnet_discovery },
        { "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", NULL, &ret->custom_networking },
        { "ENABLE_POD_ENI", NULL, &ret->pod_eni },
        { "MANAGE_UNTAGGED_ENI", NULL, &ret->manage_untagged },
        { "AWS_MANAGE_ENIS_NON_SCHEDULABLE", NULL, &ret->manage_non_schedulable },
        { "DISABLE_NETWORK_RESOURCE_PROVISIONING", NULL, &ret->provisioning_disabled },
        { "ENABLE_IPv6", NULL, &ret->ipv6 },
    };

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (!slice_is(name, variables[i].name)) {
            continue;
        }
        if (value.len == 0) {
            return true;
        }
        return variables[i].number ? set_number(value, variables[i].number)
                                   : slice_bool(value, variables[i].flag) == ERR_OK;
    }
    return set_text(arena, name, value, ret);
}

/* "registry/path:v1.23.2@sha256:..." -> "v1.23.2" */
static struct slice image_tag(struct slice image)
{
    struct slice rest = image;

    image = slice_cut(&rest, '@');
    for (size_t i = image.len; i > 0 && image.data[i - 1] != '/'; i--) {
        if (image.data[i - 1] == ':') {
            return (struct slice){ image.data + i, image.len - i };
        }
    }
    return SLICE("");
}

enum err kube_json_agent(struct arena *arena, const struct doc *object, struct agent_settings *ret,
                         struct slice *ret_odd, struct error *error)
{
    const struct doc *container = doc_first(
        doc_at(object, "spec", "template", "spec", "containers"));

    agent_settings_default(ret);
    *ret_odd = SLICE("");
    while (container && !slice_is(doc_text(doc_get(container, "name")), "aws-node")) {
        container = container->next;
    }
    if (!container) {
        return error_set(error, ERR_NOT_FOUND, "the DaemonSet has no container \"aws-node\"");
    }
    ret->version = arena_slice(arena, image_tag(doc_text(doc_get(container, "image"))));
    const struct doc *variable = doc_first(doc_get(container, "env"));
    for (; variable; variable = variable->next) {
        struct slice name = doc_text(doc_get(variable, "name"));
        struct slice value = doc_text(doc_get(variable, "value"));
        if (!set_variable(arena, name, value, ret) && ret_odd->len == 0) {
            *ret_odd = arena_printf(arena, "%.*s=%.*s", SLICE_ARG(name), SLICE_ARG(value));
        }
    }
    return ERR_OK;
}

/* ---- watches and statuses ---- */

bool kube_change_named(struct slice name, enum kube_change *ret)
{
    static const char *const names[] = {
        [KUBE_ADDED] = "ADDED",       [KUBE_MODIFIED] = "MODIFIED", [KUBE_DELETED] = "DELETED",
        [KUBE_BOOKMARK] = "BOOKMARK", [KUBE_ERROR] = "ERROR",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(name, names[i])) {
            *ret = (enum kube_change)i;
            return true;
        }
    }
    return false;
}

enum err kube_json_watch(const struct doc *line, enum kube_change *ret_change,
                         const struct doc **ret_object, struct error *error)
{
    *ret_object = doc_get(line, "object");
    if (doc_is(*ret_object, DOC_MAPPING) &&
        kube_change_named(doc_text(doc_get(line, "type")), ret_change)) {
        return ERR_OK;
    }
    return error_set(error, ERR_INVALID, "a line that is no watch event");
}

void kube_json_status(const struct doc *object, struct kube_status *ret)
{
    *ret = (struct kube_status){
        .code = (uint32_t)(doc_u64_or(doc_get(object, "code"), 0) & UINT32_MAX),
        .reason = doc_text(doc_get(object, "reason")),
        .message = doc_text(doc_get(object, "message")),
        .retry_after_s = (uint32_t)(doc_u64_or(doc_at(object, "details", "retryAfterSeconds"), 0) &
                                    UINT32_MAX),
    };
}
