/*
 * snapshot.c - `headroom snapshot`: the cluster as a scenario that `headroom simulate` plays.
 *
 * Knows the scenario's format (docs/simulator.md) and which of the cluster's facts it has a place
 * for. What it writes holds names, ids and counts: no credentials, no environment beyond the
 * agent's settings that Headroom knows, no labels and tags but those that a SubnetPool asks for.
 */
#include <headroom/timestamp.h>

#include "survey.h"

enum { VPC_BLOCKS_MAX = 49 };

#define SPARE_FIRST (UINT32_C(100) << 24 | UINT32_C(64) << 16) /* of RFC 6598, common for pods */

struct snapshot_writer {
    struct cli *cli;
    const struct survey *survey;
    struct buf *out;
    uint32_t spare; /* a /16 in which nothing is */
};

static void quoted(struct buf *out, struct slice text)
{
    buf_add_json(out,
                 text); /* in a flow mapping a plain scalar would have to be chosen with care */
}

/* ---- what is worth keeping ---- */

static bool pool_asks_subnet_tag(const struct survey *survey, struct slice key)
{
    for (uint32_t i = 0; i < survey->pool_count; i++) {
        const struct pool *pool = &survey->pools[i];
        for (uint32_t t = 0; t < pool->subnet_term_count; t++) {
            for (uint32_t k = 0; k < pool->subnet_terms[t].tag_count; k++) {
                if (slice_eq(pool->subnet_terms[t].tags[k].key, key)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool pool_asks_group_tag(const struct survey *survey, struct slice key)
{
    for (uint32_t i = 0; i < survey->pool_count; i++) {
        const struct pool *pool = &survey->pools[i];
        for (uint32_t t = 0; t < pool->group_term_count; t++) {
            for (uint32_t k = 0; k < pool->group_terms[t].tag_count; k++) {
                if (slice_eq(pool->group_terms[t].tags[k].key, key)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool pool_asks_label(const struct survey *survey, struct slice key)
{
    for (uint32_t i = 0; i < survey->pool_count; i++) {
        const struct label_selector *nodes = &survey->pools[i].nodes;
        for (uint32_t k = 0; k < nodes->count; k++) {
            if (slice_eq(nodes->requirements[k].key, key)) {
                return true;
            }
        }
    }
    return slice_eq(key, survey->agent.eniconfig_label);
}

static bool keeps_subnet_tag(const struct survey *survey, struct slice key)
{
    return slice_is(key, "Name") || slice_is(key, TAG_SUBNET_ROLE) ||
           slice_starts(key, SLICE(TAG_SUBNET_CLUSTER_PREFIX)) || pool_asks_subnet_tag(survey, key);
}

static void write_pairs(struct snapshot_writer *w, const char *name, const struct pair *pairs,
                        uint32_t count, bool (*keeps)(const struct survey *, struct slice))
{
    bool some = false;

    for (uint32_t i = 0; i < count; i++) {
        if (!keeps(w->survey, pairs[i].key)) {
            continue;
        }
        buf_addf(w->out, "%s%s", some ? ", " : ", ", some ? "" : name);
        buf_add_text(w->out, some ? "" : ": {");
        quoted(w->out, pairs[i].key);
        buf_add_text(w->out, ": ");
        quoted(w->out, pairs[i].value);
        some = true;
    }
    buf_add_text(w->out, some ? "}" : "");
}

/* ---- the network ---- */

static bool has_block(const uint32_t *blocks, uint32_t count, uint32_t block)
{
    uint32_t i = 0;

    while (i < count && blocks[i] != block) {
        i++;
    }
    return i < count;
}

/* "us-west-2" of us-west-2a and of us-west-2-lax-1a. */
static struct slice region_of(struct slice zone)
{
    size_t dashes = 0, at = 0;

    while (at < zone.len && (dashes < 2 || (zone.data[at] >= '0' && zone.data[at] <= '9') ||
                             zone.data[at - 1] == '-')) {
        dashes += zone.data[at++] == '-';
    }
    return (struct slice){ zone.data, at };
}

/* The VPC's own blocks are not read; the /16s around its subnets serve as well. One more has room
 * for a subnet that somebody wants to try. */
static void write_vpc(struct snapshot_writer *w)
{
    uint32_t blocks[VPC_BLOCKS_MAX], count = 0;

    buf_addf(w->out, "vpc: {id: %s, cidrs: [", w->survey->subnets[0].vpc.text);
    for (uint32_t i = 0; i < w->survey->subnet_count; i++) {
        uint32_t block = w->survey->subnets[i].cidr.base & UINT32_C(0xffff0000);
        if (!has_block(blocks, count, block) && count < VPC_BLOCKS_MAX) {
            buf_addf(w->out, "%u.%u.0.0/16, ", block >> 24, block >> 16 & 255);
            blocks[count++] = block;
        }
    }
    w->spare = SPARE_FIRST;
    while (has_block(blocks, count, w->spare)) {
        w->spare += UINT32_C(1) << 16;
    }
    buf_addf(w->out, "%u.%u.0.0/16]}\n", w->spare >> 24, w->spare >> 16 & 255);
}

static void write_route_tables(struct snapshot_writer *w)
{
    const struct survey *survey = w->survey;
    bool some = false;

    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        const struct subnet *subnet = &survey->subnets[i];
        bool known = subnet->route_table.text[0] == '\0';
        for (uint32_t k = 0; k < i && !known; k++) {
            known = aws_id_eq(&survey->subnets[k].route_table, &subnet->route_table);
        }
        if (!known) {
            buf_addf(w->out, "%s  - {id: %s, routes: [{target: %s}]}\n",
                     some ? "" : "route_tables:\n", subnet->route_table.text,
                     subnet->route_kind == ROUTE_PUBLIC ? "igw-1" : "nat-1");
            some = true;
        }
    }
}

/* Addresses that the scenario's own ENIs take from the subnet. */
static uint32_t held_in(const struct survey *survey, const struct subnet *subnet)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < survey->eni_count; i++) {
        const struct eni *eni = &survey->enis[i];
        if (aws_id_eq(&eni->subnet, &subnet->id)) {
            held += 1 + eni->ip_count + 16 * eni->prefix_count;
        }
    }
    return held;
}

static void write_subnet(struct snapshot_writer *w, const struct subnet *subnet)
{
    uint32_t base = subnet->cidr.base, size = UINT32_C(1) << (32 - subnet->cidr.bits);
    uint32_t held = held_in(w->survey, subnet) + 5; /* EC2 keeps five itself */
    uint32_t most = size > held ? size - held : 0;

    buf_addf(w->out, "  - {id: %s, zone: %.*s, cidr: %u.%u.%u.%u/%u, free: %u", subnet->id.text,
             SLICE_ARG(subnet->zone), base >> 24, base >> 16 & 255, base >> 8 & 255, base & 255,
             subnet->cidr.bits, subnet->available < most ? subnet->available : most);
    if (subnet->route_table.text[0] != '\0') {
        buf_addf(w->out, ", route_table: %s", subnet->route_table.text);
    }
    if (!subnet->usable) {
        buf_add_text(w->out, ", usable: false");
    }
    for (uint32_t i = 0; i < subnet->reservation_count; i++) {
        const struct cidr_reservation *r = &subnet->reservations[i];
        buf_addf(w->out, "%s{cidr: %u.%u.%u.%u/%u, type: %s}", i > 0 ? ", " : ", reservations: [",
                 r->cidr.base >> 24, r->cidr.base >> 16 & 255, r->cidr.base >> 8 & 255,
                 r->cidr.base & 255, r->cidr.bits, r->prefix ? "prefix" : "explicit");
    }
    buf_add_text(w->out, subnet->reservation_count > 0 ? "]" : "");
    write_pairs(w, "tags", subnet->tags, subnet->tag_count, keeps_subnet_tag);
    buf_add_text(w->out, "}\n");
}

static const struct plan_group *group_of(const struct survey *survey, const struct aws_id *id)
{
    for (uint32_t i = 0; i < survey->group_count; i++) {
        if (aws_id_eq(&survey->groups[i].id, id)) {
            return &survey->groups[i];
        }
    }
    return NULL;
}

static void write_group(struct snapshot_writer *w, struct interner *seen, const struct aws_id *id)
{
    const struct plan_group *group = group_of(w->survey, id);

    if (interner_find(seen, aws_id_slice(id)) != INDEX_NONE) {
        return;
    }
    (void)interner_add(seen, aws_id_slice(id));
    buf_addf(w->out, "%s  - {id: %s", seen->count == 1 ? "security_groups:\n" : "", id->text);
    if (group) {
        write_pairs(w, "tags", group->tags, group->tag_count, pool_asks_group_tag);
    }
    buf_add_text(w->out, "}\n");
}

/* Those that are used, or that a pool or an ENIConfig asks for. */
static void write_groups(struct snapshot_writer *w)
{
    const struct survey *survey = w->survey;
    struct interner seen;

    interner_init(&seen);
    for (uint32_t i = 0; i < survey->eni_count; i++) {
        for (uint32_t k = 0; k < survey->enis[i].group_count; k++) {
            write_group(w, &seen, &survey->enis[i].groups[k]);
        }
    }
    for (uint32_t i = 0; i < survey->eniconfig_count; i++) {
        for (uint32_t k = 0; k < survey->eniconfigs[i].group_count; k++) {
            write_group(w, &seen, &survey->eniconfigs[i].groups[k]);
        }
    }
    for (uint32_t i = 0; i < survey->group_count; i++) {
        const struct plan_group *group = &survey->groups[i];
        for (uint32_t k = 0; k < survey->pool_count; k++) {
            const struct pool *pool = &survey->pools[k];
            if (selector_terms_match(pool->group_terms, pool->group_term_count,
                                     aws_id_slice(&group->id), group->tags, group->tag_count)) {
                write_group(w, &seen, &group->id);
            }
        }
    }
    interner_done(&seen);
}

static void write_types(struct snapshot_writer *w)
{
    bool some = false;

    for (uint32_t i = 0; i < w->survey->type_count; i++) {
        const struct instance_type *type = &w->survey->types[i];
        struct instance_type builtin;
        if (instance_type_builtin(type->name, &builtin)) {
            continue;
        }
        buf_addf(w->out, "%s  %.*s: {enis: %u, ips: %u, prefixes: %s, trunk: %s}\n",
                 some ? "" : "types:\n", SLICE_ARG(type->name), type->enis, type->ips_per_eni,
                 type->prefixes ? "true" : "false", type->trunk ? "true" : "false");
        some = true;
    }
}

/* ---- nodes ---- */

static const struct eni *primary_of(const struct survey *survey, const struct aws_id *instance)
{
    for (uint32_t i = 0; i < survey->eni_count; i++) {
        const struct eni *eni = &survey->enis[i];
        if (eni->device_index == 0 && eni->card == 0 && aws_id_eq(&eni->instance, instance)) {
            return eni;
        }
    }
    return NULL;
}

/* Served by Headroom, with its ENIs known. */
static const struct eni *playable(const struct survey *survey, const struct survey_node *node)
{
    return node->gone || node->exclusion != NODE_EXCLUDED_NONE
               ? NULL
               : primary_of(survey, &node->instance);
}

/* Of both kinds: an agent that was switched to prefixes keeps what it had. */
static void write_addresses(struct snapshot_writer *w, const struct eni *eni, const char *ips)
{
    if (eni->prefix_count > 0) {
        buf_addf(w->out, ", prefixes: %u", eni->prefix_count);
    }
    if (eni->ip_count > 0) {
        buf_addf(w->out, ", %s: %u", ips, eni->ip_count);
    }
}

static void write_enis(struct snapshot_writer *w, const struct aws_id *instance)
{
    bool some = false;

    for (uint32_t i = 0; i < w->survey->eni_count; i++) {
        const struct eni *eni = &w->survey->enis[i];
        if (eni->device_index == 0 || eni->card != 0 || eni->type != ENI_STANDARD ||
            !aws_id_eq(&eni->instance, instance)) {
            continue;
        }
        buf_addf(w->out, "%s{subnet: %s", some ? ", " : ", enis: [", eni->subnet.text);
        write_addresses(w, eni, "ips");
        buf_add_char(w->out, '}');
        some = true;
    }
    buf_add_text(w->out, some ? "]" : "");
}

static void write_node(struct snapshot_writer *w, const struct survey_node *node,
                       const struct eni *primary)
{
    buf_addf(w->out, "  - {id: %s, name: ", node->instance.text);
    quoted(w->out, node->node.name);
    buf_addf(w->out, ", type: %.*s, subnet: %s", SLICE_ARG(node->node.instance_type),
             primary->subnet.text);
    for (uint32_t i = 0; i < primary->group_count; i++) {
        buf_addf(w->out, "%s%s", i > 0 ? ", " : ", groups: [", primary->groups[i].text);
    }
    buf_add_text(w->out, primary->group_count > 0 ? "]" : "");
    write_addresses(w, primary, "secondary_ips");
    if (node->node.max_pods > 0) {
        buf_addf(w->out, ", max_pods: %u", node->node.max_pods);
    }
    if (node->node.eniconfig_annotation.len > 0 && w->survey->agent.eniconfig_annotation.len > 0) {
        buf_add_text(w->out, ", annotations: {");
        quoted(w->out, w->survey->agent.eniconfig_annotation);
        buf_add_text(w->out, ": ");
        quoted(w->out, node->node.eniconfig_annotation);
        buf_add_char(w->out, '}');
    }
    write_pairs(w, "labels", node->node.labels, node->node.label_count, pool_asks_label);
    write_enis(w, &node->instance);
    buf_add_text(w->out, "}\n");
}

static uint32_t write_nodes(struct snapshot_writer *w)
{
    uint32_t left_out = 0;

    buf_add_text(w->out, "instances:\n");
    for (uint32_t i = 0; i < w->survey->node_count; i++) {
        const struct survey_node *node = &w->survey->nodes[i];
        const struct eni *primary = playable(w->survey, node);
        if (primary) {
            write_node(w, node, primary);
        } else {
            left_out += !node->gone;
        }
    }
    return left_out;
}

/* ENIs of these nodes that a scenario has no place for. */
static uint32_t odd_enis(const struct survey *survey)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < survey->eni_count; i++) {
        count += survey->enis[i].card != 0 || survey->enis[i].type != ENI_STANDARD;
    }
    return count;
}

/* ---- Kubernetes ---- */

static void write_target(struct buf *out, const char *name, int32_t value)
{
    if (value != AGENT_UNSET) {
        buf_addf(out, "    %s: \"%d\"\n", name, value);
    }
}

static void write_text_setting(struct buf *out, const char *name, struct slice value)
{
    if (value.len > 0) {
        buf_addf(out, "    %s: ", name);
        quoted(out, value);
        buf_add_char(out, '\n');
    }
}

static void write_agent(struct snapshot_writer *w)
{
    const struct agent_settings *agent = &w->survey->agent;
    const struct {
        const char *name;
        bool value;
    } switches[] = {
        { "ENABLE_PREFIX_DELEGATION", agent->prefix_delegation },
        { "ENABLE_SUBNET_DISCOVERY", agent->subnet_discovery },
        { "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", agent->custom_networking },
        { "ENABLE_POD_ENI", agent->pod_eni },
        { "MANAGE_UNTAGGED_ENI", agent->manage_untagged },
        { "AWS_MANAGE_ENIS_NON_SCHEDULABLE", agent->manage_non_schedulable },
        { "DISABLE_NETWORK_RESOURCE_PROVISIONING", agent->provisioning_disabled },
        { "ENABLE_IPv6", agent->ipv6 },
    };

    buf_add_text(w->out, "kubernetes:\n  serving: true # the agents run already\n  agent:\n");
    write_target(w->out, "WARM_ENI_TARGET", agent->warm_eni_target);
    write_target(w->out, "WARM_IP_TARGET", agent->warm_ip_target);
    write_target(w->out, "MINIMUM_IP_TARGET", agent->minimum_ip_target);
    write_target(w->out, "WARM_PREFIX_TARGET", agent->warm_prefix_target);
    write_target(w->out, "MAX_ENI", agent->max_eni);
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        buf_addf(w->out, "    %s: \"%s\"\n", switches[i].name,
                 switches[i].value ? "true" : "false");
    }
    if (!agent->prefix_delegation && agent->warm_prefix_target == AGENT_UNSET) {
        buf_add_text(w->out,
                     "    # What if prefixes? ENABLE_PREFIX_DELEGATION \"true\", and this one:\n"
                     "    # WARM_PREFIX_TARGET: \"1\"\n");
    }
    write_text_setting(w->out, "CLUSTER_NAME", agent->cluster_name);
    write_text_setting(w->out, "ENI_CONFIG_LABEL_DEF", agent->eniconfig_label);
    write_text_setting(w->out, "ENI_CONFIG_ANNOTATION_DEF", agent->eniconfig_annotation);
    for (uint32_t i = 0; i < w->survey->eniconfig_count; i++) {
        const struct eniconfig *config = &w->survey->eniconfigs[i];
        buf_add_text(w->out, i == 0 ? "  eniConfigs:\n    - {name: " : "    - {name: ");
        quoted(w->out, config->name);
        buf_addf(w->out, ", subnet: %s", config->subnet.text);
        for (uint32_t k = 0; k < config->group_count; k++) {
            buf_addf(w->out, "%s%s", k > 0 ? ", " : ", securityGroups: [", config->groups[k].text);
        }
        buf_add_text(w->out, config->group_count > 0 ? "]}\n" : "}\n");
    }
}

/* Paused pools and dry runs play as if they acted: what would be is the question. */
static void write_pool(struct snapshot_writer *w, const struct doc *pool)
{
    struct doc *spec = (struct doc *)(uintptr_t)doc_get(pool, "spec"); /* of a tree that is ours */
    struct doc kept = *spec, **last = (struct doc **)(uintptr_t)&kept.first;

    kept.count = 0;
    for (struct doc *at = (struct doc *)(uintptr_t)spec->first; at;
         at = (struct doc *)(uintptr_t)at->next) {
        if (!slice_is(at->key, "paused") && !slice_is(at->key, "dryRun")) {
            *last = at;
            last = (struct doc **)(uintptr_t)&at->next;
            kept.count++;
        }
    }
    *last = NULL;
    buf_add_text(w->out, "  - name: ");
    quoted(w->out, doc_text(doc_at(pool, "metadata", "name")));
    buf_add_text(w->out, "\n    spec:\n");
    yaml_write(&kept, 6, w->out);
}

static enum err write_pools(struct snapshot_writer *w, struct error *error)
{
    struct kube_access access;
    const struct doc *list = NULL;
    struct slice text;
    enum err err = cli_access(w->cli, &access, error);

    if (err == ERR_OK) {
        err = cli_get(w->cli, &access, SLICE("/apis/headroom.dev/v1alpha1/subnetpools"), &text,
                      error);
    }
    if (err == ERR_OK) {
        err = json_parse(&w->cli->arena, text, &(struct doc_limits){ .bytes = 64 << 20 }, &list,
                         error);
    }
    if (err != ERR_OK) {
        return err;
    }
    const struct doc *pools = doc_get(list, "items");
    buf_add_text(w->out, doc_count(pools) > 0 ? "pools:\n" : "pools: []\n");
    for (const struct doc *pool = doc_first(pools); pool; pool = pool->next) {
        if (doc_is(doc_get(pool, "spec"), DOC_MAPPING)) {
            write_pool(w, pool);
        }
    }
    return ERR_OK;
}

static void write_act(struct snapshot_writer *w, bool *some, const char *what, struct slice name)
{
    buf_addf(w->out, "%s  - {%s: ", *some ? "" : "demand:\n", what);
    quoted(w->out, name);
    *some = true;
}

/* The tags that make a subnet one of the first pool's. */
static void write_pool_tags(struct snapshot_writer *w)
{
    const struct pool *pool = w->survey->pool_count > 0 ? &w->survey->pools[0] : NULL;

    for (uint32_t i = 0; pool && i < pool->subnet_term_count; i++) {
        if (pool->subnet_terms[i].tag_count == 0) {
            continue;
        }
        for (uint32_t k = 0; k < pool->subnet_terms[i].tag_count; k++) {
            buf_add_text(w->out, k == 0 ? ", tags: {" : ", ");
            quoted(w->out, pool->subnet_terms[i].tags[k].key);
            buf_add_text(w->out, ": ");
            quoted(w->out, pool->subnet_terms[i].tags[k].value);
        }
        buf_add_char(w->out, '}');
        return;
    }
}

static struct slice some_node(const struct snapshot_writer *w)
{
    for (uint32_t i = 0; i < w->survey->node_count; i++) {
        if (playable(w->survey, &w->survey->nodes[i])) {
            return w->survey->nodes[i].node.name;
        }
    }
    return SLICE("NODE");
}

/* Before anything else happens. */
static void write_demand(struct snapshot_writer *w)
{
    bool some = false;

    for (uint32_t i = 0; i < w->survey->node_count; i++) {
        const struct survey_node *node = &w->survey->nodes[i];
        uint32_t pods = node->holding + node->waiting;
        pods -= node->branch < pods ? node->branch : pods;
        if (!playable(w->survey, node)) {
            continue;
        }
        if (node->node.unschedulable) {
            write_act(w, &some, "cordon", node->node.name);
            buf_add_text(w->out, ", at: 0s}\n");
        }
        if (pods > 0) {
            write_act(w, &some, "pods",
                      arena_printf(&w->cli->arena, "on-%.*s", SLICE_ARG(node->node.name)));
            buf_add_text(w->out, ", on: ");
            quoted(w->out, node->node.name);
            buf_addf(w->out, ", at: 0s, count: %u}\n", pods);
        }
    }
    buf_addf(w->out,
             "%s  # What if? For instance (more: docs/tuning.md):\n"
             "  # - {pods: growth, at: 2m, every: 5s, until: 20m, count: 1}\n"
             "  # - {drain: %s, at: 2m, over: 10m, free: 0}\n"
             "  # - {nodes: ",
             some ? "" : "# demand:\n", w->survey->subnets[0].id.text);
    quoted(w->out, some_node(w));
    buf_add_text(w->out, ", at: 3m, count: 10}\n");
}

/* ---- all of it ---- */

/* Those of EC2 by default; of what is used already there must be more. */
static void write_quotas(struct snapshot_writer *w)
{
    const uint64_t enis = 5000, nau = 64000;
    uint64_t units = 0;

    for (uint32_t i = 0; i < w->survey->eni_count; i++) {
        units += 1 + w->survey->enis[i].ip_count + w->survey->enis[i].prefix_count;
    }
    if (w->survey->eni_count > enis / 2 || units > nau / 2) {
        buf_addf(
            w->out, "quotas: {enis: %llu, nau: %llu} # guessed: twice what is used\n",
            (unsigned long long)(enis > 2 * w->survey->eni_count ? enis : 2 * w->survey->eni_count),
            (unsigned long long)(nau > 2 * units ? nau : 2 * units));
    }
}

static enum err write_scenario(struct snapshot_writer *w, struct error *error)
{
    const struct survey *survey = w->survey;
    char time[TIMESTAMP_MAX];
    struct slice when = timestamp_format(io_wall_ns(), 0, time);

    if (survey->subnet_count == 0) {
        return error_set(error, ERR_NOT_FOUND, "the cluster has no node whose VPC could be read");
    }
    buf_addf(
        w->out,
        "# A cluster as `headroom snapshot` found it; `headroom simulate` plays it. Format: "
        "docs/simulator.md.\n"
        "# Guessed, since nobody tells: which addresses are free, and so how many whole /28 "
        "there are; that nobody else takes any,\n"
        "# that no pod ends, and that new pods may go to every node: their taints are left out."
        "%s\n"
        "description: \"%.*s, %.*s\"\nduration: 30m\nregion: %.*s\n",
        survey->agent.prefix_delegation
            ? ""
            : "\n# Not read, as long as the agents use no prefixes: CIDR reservations of subnets.",
        SLICE_ARG(survey->agent.cluster_name.len > 0 ? survey->agent.cluster_name
                                                     : SLICE("a cluster")),
        SLICE_ARG(when), SLICE_ARG(region_of(survey->subnets[0].zone)));
    write_vpc(w);
    write_quotas(w);
    write_route_tables(w);
    buf_add_text(w->out, "subnets:\n");
    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        write_subnet(w, &survey->subnets[i]);
    }
    buf_addf(w->out,
             "  # What if there were one more?\n  # - {name: more, zone: %.*s, cidr: "
             "%u.%u.0.0/20",
             SLICE_ARG(survey->subnets[0].zone), w->spare >> 24, w->spare >> 16 & 255);
    write_pool_tags(w);
    buf_add_text(w->out, "}\n");
    write_groups(w);
    write_types(w);
    uint32_t left_out = write_nodes(w);
    write_agent(w);
    enum err err = write_pools(w, error);
    if (err == ERR_OK) {
        write_demand(w);
    }
    if (left_out > 0) {
        buf_addf(w->out, "# Left out: %u nodes that Headroom leaves alone.\n", left_out);
    }
    if (odd_enis(survey) > 0) {
        buf_addf(w->out,
                 "# Left out: %u ENIs on further network cards, trunks, branches and EFAs.\n",
                 odd_enis(survey));
    }
    return err;
}

enum err cli_snapshot(struct cli *cli, struct error *error)
{
    struct survey survey;
    struct snapshot_writer w = { .cli = cli, .survey = &survey, .out = &cli->out };
    enum err err = survey_make(cli, &survey, error);

    if (err == ERR_OK) {
        err = write_scenario(&w, error);
    }
    survey_done(&survey);
    return err;
}
