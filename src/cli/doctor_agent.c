/*
 * doctor_agent.c - the settings of aws-node that leave a node without a reserve, or Headroom
 * without a way in.
 *
 * Knows docs/agent.md's table. Refuses to know pools.
 */
#include "doctor.h"

struct settings {
    const struct doc *env;
};

/* As the agent reads it: what is empty is not set. */
static struct slice setting(const struct settings *s, const char *name)
{
    for (const struct doc *e = doc_first(s->env); e; e = e->next) {
        if (slice_is(doc_text(doc_get(e, "name")), name)) {
            return doc_text(doc_get(e, "value"));
        }
    }
    return (struct slice){ 0 };
}

static bool set_to(const struct settings *s, const char *name, const char *value)
{
    return slice_is(setting(s, name), value);
}

/* Present and not "0". */
static bool some(const struct settings *s, const char *name)
{
    struct slice value = setting(s, name);

    return value.len > 0 && !slice_is(value, "0");
}

static void judge_settings(struct doctor *d, const struct settings *s)
{
    uint32_t before = d->found;
    bool prefixes = set_to(s, "ENABLE_PREFIX_DELEGATION", "true");

    if (set_to(s, "ENABLE_IPv6", "true")) {
        doctor_found(d, "agent-ipv6",
                     SLICE("Headroom cannot help an IPv6 cluster, and need not: uninstall it"),
                     "aws-node runs with ENABLE_IPv6");
    }
    if (some(s, "MINIMUM_IP_TARGET") && !some(s, "WARM_IP_TARGET")) {
        doctor_found(
            d, "agent-minimum-without-target",
            SLICE("kubectl -n kube-system set env ds/aws-node WARM_IP_TARGET=2"),
            "aws-node has MINIMUM_IP_TARGET without WARM_IP_TARGET: above the minimum it keeps "
            "no address free, and each further pod waits for EC2");
    }
    if (!prefixes && set_to(s, "WARM_ENI_TARGET", "0") && !some(s, "WARM_IP_TARGET") &&
        !some(s, "MINIMUM_IP_TARGET")) {
        doctor_found(
            d, "agent-nothing-warm",
            SLICE("kubectl -n kube-system set env ds/aws-node WARM_ENI_TARGET=1"),
            "aws-node has WARM_ENI_TARGET=0 and no WARM_IP_TARGET: it keeps no address free, and "
            "pods wait for EC2");
    }
    if (prefixes && !some(s, "WARM_PREFIX_TARGET") && !some(s, "WARM_IP_TARGET") &&
        !some(s, "MINIMUM_IP_TARGET")) {
        doctor_found(
            d, "agent-prefixes-without-target",
            SLICE("kubectl -n kube-system set env ds/aws-node WARM_PREFIX_TARGET=1"),
            "aws-node delegates prefixes and has neither WARM_PREFIX_TARGET nor WARM_IP_TARGET: "
            "it frees any ENI without pods, so Headroom can help waiting pods only");
    }
    if (d->found == before) {
        doctor_good(d, "agent", "the settings of aws-node and Headroom go together");
    }
}

void doctor_agent(struct doctor *d)
{
    const struct doc *set = NULL;
    struct error error = { 0 };
    enum err err = doctor_get(d, "/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node", &set,
                              &error);

    if (err == ERR_NOT_FOUND) {
        doctor_found(
            d, "agent-missing",
            SLICE("Headroom works with the Amazon VPC CNI alone; is this the right cluster?"),
            "there is no DaemonSet kube-system/aws-node");
        return;
    }
    if (err != ERR_OK) {
        doctor_unread(d, "the DaemonSet kube-system/aws-node", &error);
        return;
    }
    const struct doc *containers = doc_at(set, "spec", "template", "spec", "containers");
    for (const struct doc *c = doc_first(containers); c; c = c->next) {
        if (slice_is(doc_text(doc_get(c, "name")), "aws-node")) {
            judge_settings(d, &(struct settings){ doc_get(c, "env") });
            return;
        }
    }
    doctor_found(d, "agent-missing", SLICE("see whether something has edited the DaemonSet"),
                 "the DaemonSet kube-system/aws-node has no container aws-node");
}
