/*
 * doctor_pools.c - SubnetPools that cannot do what they are there for: by their status, and against
 * the subnets, groups and nodes that there are.
 *
 * Knows what a pool needs. Refuses to know who may read it.
 */
#include "doctor.h"

/* ---- by their status: what the controller said ---- */

/* The conditions' messages say what is; this, what to do. */
static struct slice remedy_of(struct slice reason)
{
    static const struct {
        const char *reason;
        const char *remedy;
    } table[] = {
        { "SubnetsNotFound",
          "tag subnets of the VPC as its subnetSelectorTerms ask, or correct the "
          "terms: docs/install.md, step 1" },
        { "SecurityGroupsNotFound",
          "correct its securityGroupSelectorTerms, or leave them out: the "
          "primary ENI's groups serve then" },
        { "CapacityLow", "give the pool another subnet in that zone: docs/runbook.md" },
        { "SubnetsExhausted", "give the pool another subnet in that zone: docs/runbook.md" },
        { "NodesExhausted", "see kubectl describe node: it names the limit; docs/runbook.md" },
        { "Denied", "give the controller's role the policy manifests/iam/policy.json, with the "
                    "cluster's name in it" },
        { "Throttled", "see who else calls EC2 so much: docs/runbook.md" },
        { "Unavailable", "see the controller's way to EC2: endpoint, proxy, DNS" },
        { "ENIQuotaReached", "have the quota of network interfaces per Region raised" },
        { "AddressUsageLimitReached", "have the VPC's quota of network address usage raised" },
        { "IPv6", "uninstall Headroom: an IPv6 cluster does not need it" },
        { "PrefixDelegationDisabled", "kubectl -n kube-system set env ds/aws-node "
                                      "ENABLE_PREFIX_DELEGATION=true, or addressing: Auto" },
        { "PrefixDelegationEnabled", "set addressing: Auto in the pool" },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (slice_is(reason, table[i].reason)) {
            return slice_of(table[i].remedy);
        }
    }
    return SLICE("kubectl describe snp says more");
}

static void check_pool(struct doctor *d, const struct doc *pool)
{
    uint32_t before = d->found;
    struct slice name = doc_text(doc_at(pool, "metadata", "name"));
    const struct doc *status = doc_get(pool, "status");

    if (doc_u64_or(doc_get(status, "observedGeneration"), 0) <
        doc_u64_or(doc_at(pool, "metadata", "generation"), 0)) {
        doctor_found(d, "pool-unseen", SLICE("see whether a controller leads"),
                     "no controller has looked at pool %.*s since it was changed", SLICE_ARG(name));
        return;
    }
    for (const struct doc *c = doc_first(doc_get(status, "conditions")); c; c = c->next) {
        if (slice_is(doc_text(doc_get(c, "status")), "False") &&
            !slice_is(doc_text(doc_get(c, "type")), "Ready")) {
            struct slice message = doc_text(doc_get(c, "message"));
            doctor_found(d, "pool-condition", remedy_of(doc_text(doc_get(c, "reason"))),
                         "pool %.*s, %.*s: %.*s", SLICE_ARG(name),
                         SLICE_ARG(doc_text(doc_get(c, "reason"))), SLICE_ARG(message));
        }
    }
    if (doc_u64_or(doc_at(status, "nodes", "total"), 0) == 0) {
        doctor_found(d, "pool-without-nodes",
                     SLICE("compare its nodeSelector with kubectl get nodes --show-labels"),
                     "pool %.*s serves no node", SLICE_ARG(name));
    }
    if (d->found == before) {
        const struct doc *spec = doc_get(pool, "spec");
        doctor_good(d, "pool", "pool %.*s: %.*s subnets, %.*s nodes%s%s", SLICE_ARG(name),
                    SLICE_ARG(doc_text(doc_at(status, "summary", "subnets"))),
                    SLICE_ARG(doc_text(doc_at(status, "nodes", "total"))),
                    doc_bool_or(doc_get(spec, "paused"), false) ? "; paused" : "",
                    doc_bool_or(doc_get(spec, "dryRun"), false) ? "; dryRun, changes nothing" : "");
    }
}

void doctor_pools(struct doctor *d)
{
    const struct doc *list = NULL;
    struct error error = { 0 };

    if (doctor_get(d, "/apis/headroom.dev/v1alpha1/subnetpools", &list, &error) != ERR_OK) {
        doctor_unread(d, "the SubnetPools", &error);
        return;
    }
    const struct doc *first = doc_first(doc_get(list, "items"));
    if (!first) {
        doctor_found(d, "pool-missing", SLICE("kubectl apply -f manifests/samples/subnetpool.yaml"),
                     "there is no SubnetPool: Headroom acts only where one asks it to");
    }
    for (const struct doc *pool = first; pool; pool = pool->next) {
        check_pool(d, pool);
    }
}

/* ---- against what there is ---- */

struct zone_need {
    struct slice zone;
    uint32_t nodes;
    uint32_t subnets;   /* selected, in the zone */
    uint32_t reachable; /* of them with the route kind of some node's own subnet */
};

enum { ZONES_MAX = 64 };

static struct zone_need *zone_of(struct zone_need *zones, uint32_t *count, struct slice zone)
{
    uint32_t i = 0;

    while (i < *count && !slice_eq(zones[i].zone, zone)) {
        i++;
    }
    if (i == ZONES_MAX) {
        return NULL;
    }
    if (i == *count) {
        zones[(*count)++] = (struct zone_need){ .zone = zone };
    }
    return &zones[i];
}

/* The kind of the subnet that the node itself lives in. */
static enum route_kind kind_of(const struct survey *survey, const struct survey_node *node)
{
    for (uint32_t i = 0; i < survey->eni_count; i++) {
        const struct eni *eni = &survey->enis[i];
        if (eni->device_index == 0 && eni->card == 0 &&
            aws_id_eq(&eni->instance, &node->instance)) {
            const struct subnet *subnet = survey_subnet(survey, &eni->subnet);
            return subnet ? subnet->route_kind : ROUTE_UNKNOWN;
        }
    }
    return ROUTE_UNKNOWN;
}

static void count_zones(const struct survey *survey, const struct pool *pool,
                        struct zone_need *zones, uint32_t *count)
{
    enum route_kind kinds[ZONES_MAX] = { 0 };

    for (uint32_t i = 0; i < survey->node_count; i++) {
        const struct survey_node *node = &survey->nodes[i];
        if (node->gone || node->exclusion != NODE_EXCLUDED_NONE || node->node.zone.len == 0 ||
            survey_pool_of(survey, node) != pool) {
            continue;
        }
        struct zone_need *zone = zone_of(zones, count, node->node.zone);
        if (zone && zone->nodes++ == 0) {
            kinds[zone - zones] = kind_of(survey, node);
        }
    }
    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        const struct subnet *subnet = &survey->subnets[i];
        for (uint32_t z = 0; z < *count; z++) {
            if (slice_eq(zones[z].zone, subnet->zone) && survey_selects(pool, subnet)) {
                zones[z].subnets++;
                zones[z].reachable += kinds[z] == ROUTE_UNKNOWN ||
                                      subnet->route_kind == ROUTE_UNKNOWN ||
                                      subnet->route_kind == kinds[z];
            }
        }
    }
}

static void check_zones(struct doctor *d, const struct pool *pool)
{
    struct zone_need zones[ZONES_MAX];
    uint32_t count = 0;

    count_zones(&d->survey, pool, zones, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (zones[i].subnets == 0) {
            doctor_found(d, "pool-zone-without-subnet",
                         SLICE("let its terms select a subnet there too: an ENI must be in its "
                               "node's zone"),
                         "pool %.*s serves %u nodes in zone %.*s and selects no subnet there",
                         SLICE_ARG(pool->name), zones[i].nodes, SLICE_ARG(zones[i].zone));
        } else if (zones[i].reachable == 0) {
            doctor_found(d, "pool-route-kind",
                         SLICE("select subnets with the same kind of route table, public or "
                               "private, as the nodes' own"),
                         "pool %.*s, zone %.*s: its subnets have another kind of route table than "
                         "the nodes' own; Headroom never mixes them",
                         SLICE_ARG(pool->name), SLICE_ARG(zones[i].zone));
        }
    }
}

static bool has_subnet(const struct survey *survey, const struct pool *pool)
{
    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        if (survey_selects(pool, &survey->subnets[i])) {
            return true;
        }
    }
    return false;
}

static bool has_groups(const struct survey *survey, const struct pool *pool)
{
    for (uint32_t i = 0; i < survey->group_count; i++) {
        const struct plan_group *group = &survey->groups[i];
        if (selector_terms_match(pool->group_terms, pool->group_term_count,
                                 aws_id_slice(&group->id), group->tags, group->tag_count)) {
            return true;
        }
    }
    return pool->group_term_count == 0 || survey->group_count == 0;
}

/* What to type so that the first of the terms finds something. */
static struct slice tag_command(struct doctor *d, const struct pool *pool)
{
    const struct selector_term *term = pool->subnet_terms;

    if (pool->subnet_term_count == 0 || term->tag_count == 0) {
        return SLICE("aws ec2 describe-subnets lists the ids that there are; correct "
                     "subnetSelectorTerms");
    }
    return arena_printf(&d->cli->arena,
                        "aws ec2 create-tags --resources subnet-... --tags Key=%.*s,Value=%.*s, or "
                        "correct subnetSelectorTerms",
                        SLICE_ARG(term->tags[0].key), SLICE_ARG(term->tags[0].value));
}

/* Two pools of one weight that select the same node: which one serves it is decided by name. */
static void check_conflict(struct doctor *d, const struct pool *a, const struct pool *b)
{
    for (uint32_t i = 0; i < d->survey.node_count; i++) {
        const struct node *node = &d->survey.nodes[i].node;
        if (!d->survey.nodes[i].gone && a->weight == b->weight &&
            label_selector_matches(&a->nodes, node->labels, node->label_count) &&
            label_selector_matches(&b->nodes, node->labels, node->label_count)) {
            doctor_found(d, "pool-conflict",
                         SLICE("give one of them a higher weight, or narrow a nodeSelector"),
                         "pools %.*s and %.*s of one weight both select node %.*s",
                         SLICE_ARG(a->name), SLICE_ARG(b->name), SLICE_ARG(node->name));
            return;
        }
    }
}

void doctor_pools_against_subnets(struct doctor *d)
{
    uint32_t before = d->found;

    for (uint32_t i = 0; i < d->survey.pool_count; i++) {
        const struct pool *pool = &d->survey.pools[i];
        if (!has_subnet(&d->survey, pool)) {
            doctor_found(d, "pool-without-subnets", tag_command(d, pool),
                         "pool %.*s selects none of the VPC's %u subnets", SLICE_ARG(pool->name),
                         d->survey.subnet_count);
        } else {
            check_zones(d, pool);
        }
        if (!has_groups(&d->survey, pool)) {
            doctor_found(d, "pool-without-groups",
                         SLICE("correct its securityGroupSelectorTerms, or leave them out"),
                         "pool %.*s: no security group of the VPC matches its terms",
                         SLICE_ARG(pool->name));
        }
        for (uint32_t k = i + 1; k < d->survey.pool_count; k++) {
            check_conflict(d, pool, &d->survey.pools[k]);
        }
    }
    if (d->found == before && d->survey.pool_count > 0) {
        doctor_good(d, "pool-subnets", "every pool has subnets in each zone of its nodes");
    }
}
