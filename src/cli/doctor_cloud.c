/*
 * doctor_cloud.c - AWS: whose credentials there are, and by dry runs whether they may do what the
 * controller does.
 *
 * Knows manifests/iam/policy.json's statements. Refuses to change anything: EC2 answers a dry run
 * and does nothing. The credentials are those of whoever runs doctor; run it with the controller's
 * role to examine that one.
 */
#include "doctor.h"

enum { PROBES_MAX = 12, FETCH_BASE_SHIFT = 56 };

struct probe {
    const char *action;
    const char *statement; /* of the policy, as it would be added */
    struct ec2_probe ask;
    bool answered;
    struct cloud_result result;
};

struct prober {
    struct doctor *d;
    struct io *io; /* its own: what is still under way at the end goes with it */
    struct ec2 *ec2;
    struct probe probes[PROBES_MAX];
    uint32_t count, open;
};

#define ON_ENIS(action)                                                                            \
    "{\"Effect\":\"Allow\",\"Action\":\"ec2:" action                                               \
    "\",\"Resource\":\"arn:*:ec2:*:*:network-interface/*\",\"Condition\":{\"StringEquals\":"       \
    "{\"aws:ResourceTag/headroom.dev/cluster\":\"%s\"}}}"
#define ON_ALL(action) "{\"Effect\":\"Allow\",\"Action\":\"ec2:" action "\",\"Resource\":\"*\"}"

/* %s: the cluster's name. */
static const struct {
    const char *action;
    const char *statement;
    bool needs_eni; /* one of ours: the policy speaks of tags */
} table[] = {
    { "DescribeSubnets", ON_ALL("DescribeSubnets"), false },
    { "DescribeNetworkInterfaces", ON_ALL("DescribeNetworkInterfaces"), false },
    { "DescribeRouteTables", ON_ALL("DescribeRouteTables"), false },
    { "DescribeSecurityGroups", ON_ALL("DescribeSecurityGroups"), false },
    { "DescribeInstanceTypes", ON_ALL("DescribeInstanceTypes"), false },
    { "GetSubnetCidrReservations", ON_ALL("GetSubnetCidrReservations"), false },
    { "CreateNetworkInterface",
      "{\"Effect\":\"Allow\",\"Action\":\"ec2:CreateNetworkInterface\",\"Resource\":\"arn:*:ec2:*:*"
      ":"
      "network-interface/*\",\"Condition\":{\"StringEquals\":{\"aws:RequestTag/headroom.dev/"
      "cluster\":\"%s\"}}} and those on subnet/*, security-group/* and ec2:CreateTags",
      false },
    { "AttachNetworkInterface",
      ON_ENIS("AttachNetworkInterface") " and the same action on instance/*", true },
    { "ModifyNetworkInterfaceAttribute", ON_ENIS("ModifyNetworkInterfaceAttribute"), true },
    { "AssignPrivateIpAddresses", ON_ENIS("AssignPrivateIpAddresses"), true },
    { "DeleteNetworkInterface", ON_ENIS("DeleteNetworkInterface"), true },
};

enum { DESCRIBES = 5, ACTIONS = sizeof(table) / sizeof(table[0]) };

static struct slice cluster_name(const struct doctor *d)
{
    return d->cli->run.cluster_name.len > 0 ? d->cli->run.cluster_name
                                            : d->survey.agent.cluster_name;
}

/* ---- asking ---- */

static void step(struct prober *p, struct ec2_input input)
{
    struct ec2_output out;

    input.now_ns = io_now_ns();
    input.wall_ns = io_wall_ns();
    ec2_step(p->ec2, &input, &out);
    for (uint32_t i = 0; i < out.fetches.start_count; i++) {
        io_start(p->io, &out.fetches.starts[i]);
    }
    for (uint32_t i = 0; i < out.fetches.cancel_count; i++) {
        io_cancel(p->io, out.fetches.cancels[i]);
    }
    for (uint32_t i = 0; i < out.event_count; i++) {
        const struct plan_event *event = &out.events[i];
        if (event->kind != PLAN_RESULT) {
            continue;
        }
        struct probe *probe = &p->probes[event->result.action - 1];
        probe->answered = true;
        probe->result = event->result;
        probe->result.message = arena_slice(&p->d->cli->arena, event->result.message);
        p->open--;
    }
}

static void ask(struct prober *p, uint32_t row, const struct ec2_probe *with)
{
    struct probe *probe = &p->probes[p->count++];

    *probe = (struct probe){ .action = table[row].action,
                             .statement = table[row].statement,
                             .ask = *with };
    probe->ask.id = p->count;
    probe->ask.action = table[row].action;
    p->open++;
    step(p, (struct ec2_input){ .kind = EC2_PROBE, .probe = probe->ask });
}

static void wait_for_answers(struct prober *p)
{
    uint64_t limit = io_now_ns() + p->d->cli->timeout_ns;

    while (p->open > 0 && io_now_ns() < limit && io_stop_requests(p->io) == 0) {
        uint64_t own = ec2_deadline_ns(p->ec2);
        uint32_t count = 0;
        const struct fetch_event *events = io_wait(p->io, own < limit ? own : limit, &count);
        for (uint32_t i = 0; i < count; i++) {
            step(p, (struct ec2_input){ .kind = EC2_FETCH, .fetch = events[i] });
        }
        if (count == 0) {
            step(p, (struct ec2_input){ .kind = EC2_TICK });
        }
    }
}

/* ---- with what ---- */

static const struct eni *primary_of_some_node(const struct survey *survey)
{
    for (uint32_t i = 0; i < survey->eni_count; i++) {
        if (survey->enis[i].device_index == 0 && survey->enis[i].instance.text[0] != '\0') {
            return &survey->enis[i];
        }
    }
    return NULL;
}

static const struct eni *one_of_ours(const struct doctor *d)
{
    for (uint32_t i = 0; i < d->survey.eni_count; i++) {
        const struct eni *eni = &d->survey.enis[i];
        struct slice value;
        if (eni->attachment_id.len > 0 &&
            pair_find(eni->tags, eni->tag_count, SLICE(TAG_CLUSTER), &value) &&
            slice_eq(value, cluster_name(d))) {
            return eni;
        }
    }
    return NULL;
}

/* A subnet that a pool would take; else any. */
static const struct subnet *some_subnet(const struct survey *survey)
{
    for (uint32_t i = 0; i < survey->subnet_count; i++) {
        for (uint32_t k = 0; k < survey->pool_count; k++) {
            if (survey_selects(&survey->pools[k], &survey->subnets[i])) {
                return &survey->subnets[i];
            }
        }
    }
    return survey->subnet_count > 0 ? &survey->subnets[0] : NULL;
}

/* Like the planner's: what the policy asks of a new ENI is the cluster's tag. */
static struct eni_intent intent_of(struct doctor *d, const struct subnet *subnet,
                                   const struct eni *primary)
{
    struct pair *tags = ARENA_ARRAY(&d->cli->arena, struct pair, 2);
    struct eni_intent intent = {
        .subnet = subnet->id,
        .device_index = 1,
        .groups = primary ? primary->groups : NULL,
        .group_count = primary ? primary->group_count : 0,
        .tags = tags,
        .tag_count = 2,
        .description = SLICE("headroom doctor: a dry run"),
        .client_token = "headroom-doctor",
    };

    tags[0] = (struct pair){ SLICE(TAG_CLUSTER), cluster_name(d) };
    tags[1] = (struct pair){ SLICE(TAG_INTENT), SLICE("headroom-doctor") };
    if (primary) {
        intent.instance = primary->instance;
    }
    return intent;
}

/* ---- what came of it ---- */

static uint32_t judge(struct doctor *d, const struct prober *p, uint32_t from)
{
    uint32_t before = d->found;
    struct slice cluster = cluster_name(d);
    const char *name = cluster.len > 0 ? arena_slice(&d->cli->arena, cluster).data : "CLUSTER_NAME";

    for (uint32_t i = from; i < p->count; i++) {
        const struct probe *probe = &p->probes[i];
        if (!probe->answered) {
            doctor_found(d, "ec2-unreachable",
                         SLICE("see the way to EC2: endpoint, proxy, DNS; or a longer --timeout"),
                         "EC2 did not answer a dry run of ec2:%s", probe->action);
        } else if (probe->result.code == CLOUD_DENIED) {
            const char *at = strstr(probe->statement, "%s");
            struct slice statement = at ? arena_printf(&d->cli->arena, "%.*s%s%s",
                                                       (int)(at - probe->statement),
                                                       probe->statement, name, at + 2)
                                        : slice_of(probe->statement);
            doctor_found(d, "iam-denied",
                         arena_printf(&d->cli->arena,
                                      "add to the role's policy, as manifests/iam/policy.json has "
                                      "it: %.*s",
                                      SLICE_ARG(statement)),
                         "these AWS credentials may not ec2:%s: %.*s", probe->action,
                         SLICE_ARG(probe->result.message));
        } else if (probe->result.code != CLOUD_OK) {
            doctor_skipped(d, "iam", "ec2:%s could not be judged: %.*s", probe->action,
                           SLICE_ARG(probe->result.message));
        }
    }
    return d->found - before;
}

static void check_describes(struct prober *p)
{
    for (uint32_t row = 0; row < DESCRIBES; row++) {
        ask(p, row, &(struct ec2_probe){ 0 });
    }
    wait_for_answers(p);
}

static void check_mutations(struct prober *p)
{
    struct doctor *d = p->d;
    const struct subnet *subnet = some_subnet(&d->survey);
    const struct eni *primary = primary_of_some_node(&d->survey), *ours = one_of_ours(d);
    uint32_t from = p->count;

    if (!subnet || cluster_name(d).len == 0) {
        doctor_skipped(d, "iam", "creating and attaching were not asked for: %s",
                       subnet ? "the cluster's name is not known" : "no subnet is known");
        return;
    }
    struct ec2_probe with = { .intent = intent_of(d, subnet, primary) };
    if (ours) {
        with.eni = ours->id;
        with.attachment = ours->attachment_id;
        with.intent.instance = ours->instance;
    }
    for (uint32_t row = DESCRIBES; row < ACTIONS; row++) {
        if (!table[row].needs_eni || ours) {
            ask(p, row, &with);
        }
    }
    wait_for_answers(p);
    uint32_t found = judge(d, p, from);
    if (!ours) {
        doctor_skipped(d, "iam",
                       "attaching, filling and deleting were not asked for: the policy "
                       "allows them on Headroom's own ENIs, and there is none yet");
    }
    if (found == 0) {
        doctor_good(d, "iam", "these AWS credentials may %s",
                    ours ? "do all that the controller does" : "read and create");
    }
}

/* ---- the whole ---- */

static bool have_identity(struct prober *p)
{
    struct doctor *d = p->d;
    const struct cloud_result *first = &p->probes[0].result;
    struct slice why = first->message;
    struct ec2_stats stats;

    ec2_stats(p->ec2, io_now_ns(), &stats);
    bool refused = first->code == CLOUD_DENIED &&
                   !slice_starts(why, SLICE("UnauthorizedOperation"));
    if (stats.identity_source[0] != '\0' && !refused) {
        doctor_good(d, "aws-credentials", "%s, in Region %s: what follows holds for them",
                    stats.identity_source, stats.region);
        return true;
    }
    if (slice_starts(why, SLICE("no AWS"))) {
        doctor_skipped(d, "aws-credentials",
                       "AWS was not asked: %.*s. Give the controller's role to examine it, e.g. by "
                       "AWS_PROFILE",
                       SLICE_ARG(why));
    } else {
        doctor_found(d, "aws-credentials",
                     SLICE("correct what is configured, or unset it; aws sts get-caller-identity "
                           "tries the same"),
                     "the AWS credentials cannot be used: %.*s", SLICE_ARG(why));
    }
    return false;
}

static void check_cluster_name(struct doctor *d)
{
    const struct doc *deployment = NULL;
    struct error error = { 0 };
    struct slice path = arena_printf(
        &d->cli->arena, "/apis/apps/v1/namespaces/%.*s/deployments/headroom-controller",
        SLICE_ARG(d->cli->run.namespace));

    if (cluster_name(d).len > 0 || doctor_get(d, path.data, &deployment, &error) != ERR_OK) {
        return;
    }
    const struct doc *containers = doc_at(deployment, "spec", "template", "spec", "containers");
    for (const struct doc *c = doc_first(containers); c; c = c->next) {
        for (const struct doc *a = doc_first(doc_get(c, "args")); a; a = a->next) {
            if (slice_starts(doc_text(a), SLICE("--cluster-name"))) {
                return;
            }
        }
    }
    doctor_found(d, "cluster-name-unknown",
                 SLICE("kubectl -n kube-system set env ds/aws-node CLUSTER_NAME=..., or give the "
                       "controller --cluster-name"),
                 "nothing names the cluster: ENIs would not be marked as this cluster's, and the "
                 "policy would not allow them");
}

static void survey(struct doctor *d)
{
    struct error error = { 0 };

    /* Without them no plan would ever be made. */
    if (doctor_has(d, "agent-missing") || doctor_has(d, "crd-missing") ||
        doctor_has(d, "crd-not-served")) {
        doctor_skipped(d, "pool-subnets",
                       "the pools were not held against the subnets, as long as "
                       "the agent or the CRD is missing");
        return;
    }
    if (survey_make(d->cli, &d->survey, &error) == ERR_OK) {
        d->surveyed = true;
        check_cluster_name(d);
    } else {
        doctor_skipped(d, "pool-subnets", "the pools were not held against the subnets: %s",
                       error.text);
    }
}

void doctor_cloud(struct doctor *d)
{
    struct prober p = { .d = d };
    struct engine_config config;
    struct error error = { 0 };

    if (run_config(&d->cli->arena, &d->cli->run, &config, &error) != ERR_OK ||
        io_new(&p.io, &error) != ERR_OK) {
        doctor_found(d, "aws-credentials", SLICE("correct the variable"), "%s", error.text);
        return;
    }
    config.ec2.fetch_base = UINT64_C(3) << FETCH_BASE_SHIFT;
    p.ec2 = ec2_new(&config.ec2);
    check_describes(&p);
    if (have_identity(&p)) {
        (void)judge(d, &p, 0);
        if (p.probes[0].result.code == CLOUD_OK && p.probes[1].result.code == CLOUD_OK) {
            survey(d); /* the others, the controller can do without */
        }
        if (d->surveyed) {
            check_mutations(&p);
        }
    }
    ec2_free(p.ec2);
    io_free(p.io);
}
