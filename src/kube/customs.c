/*
 * customs.c - SubnetPools, ENIConfigs and the agent's DaemonSet, from documents to events.
 *
 * Knows when one has changed in a way that matters: its generation, which a write of its status
 * leaves as it is. Refuses to know the fields, which are kube_json.c's.
 */
#include "core.h"

/* generation and uid in one number: a pool that was deleted and made anew is another one. */
static uint64_t mark_of(const struct doc *object)
{
    const struct doc *meta = doc_get(object, "metadata");

    return slice_hash(doc_text(doc_get(meta, "uid"))) * 31 +
           doc_u64_or(doc_get(meta, "generation"), 0);
}

/* Finds the row and says whether its object is news. */
static struct known *note(struct kube *kube, struct known_set *set, const struct doc *object,
                          const char *what, bool *ret_news)
{
    struct slice name = doc_text(doc_at(object, "metadata", "name"));
    bool is_new = false;
    struct known *known = name.len > 0 ? known_add(set, name, &is_new) : NULL;

    *ret_news = false;
    if (!known) {
        struct error error = { 0 };
        (void)error_set(&error, ERR_LIMIT, "%s without a name, or more than %u of them", what,
                        set->limit);
        report_failure(kube, LOG_ERROR, &error, 0);
        return NULL;
    }
    uint64_t mark = mark_of(object);
    *ret_news = is_new || known->mark != mark;
    known->mark = mark;
    known->seen = set->list;
    return known;
}

static void unreadable(struct kube *kube, const char *what, const struct doc *object,
                       struct error *error)
{
    (void)error_prefix(error, "%s %.*s is left out", what,
                       SLICE_ARG(doc_text(doc_at(object, "metadata", "name"))));
    report_failure(kube, LOG_ERROR, error, 0);
}

static void forget(struct kube *kube, struct known_set *set, struct known *known,
                   enum plan_event_kind gone)
{
    kube_emit(kube, gone)->name = arena_slice(&kube->step, known_name(known));
    known_remove(set, known);
}

static void forget_unseen(struct kube *kube, struct known_set *set, enum plan_event_kind gone)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->rows[i].name && set->rows[i].seen != set->list) {
            forget(kube, set, &set->rows[i], gone);
        }
    }
}

static void forget_object(struct kube *kube, struct known_set *set, const struct doc *object,
                          enum plan_event_kind gone)
{
    struct known *known = known_find(set, doc_text(doc_at(object, "metadata", "name")));

    if (known) {
        forget(kube, set, known, gone);
    }
}

static void nothing(struct kube *kube)
{
    (void)kube;
}

/* ---- SubnetPools ---- */

static void pools_begin(struct kube *kube)
{
    kube->pools.list++;
}

static void pools_document(struct kube *kube, const struct doc *object)
{
    struct error error = { 0 };
    struct pool pool;
    bool news = false;

    if (!note(kube, &kube->pools, object, "a SubnetPool", &news) || !news) {
        return;
    }
    if (kube_json_pool(&kube->step, object, &pool, &error) != ERR_OK) {
        unreadable(kube, "SubnetPool", object, &error);
        return;
    }
    kube_emit(kube, PLAN_POOL)->pool = pool;
}

static void pools_end(struct kube *kube)
{
    forget_unseen(kube, &kube->pools, PLAN_POOL_GONE);
}

static void pools_change(struct kube *kube, enum kube_change change, const struct doc *object)
{
    if (change == KUBE_DELETED) {
        forget_object(kube, &kube->pools, object, PLAN_POOL_GONE);
    } else {
        pools_document(kube, object);
    }
}

const struct reflector_sink pools_sink = {
    .begin = pools_begin,
    .document = pools_document,
    .end = pools_end,
    .abort = nothing,
    .document_change = pools_change,
};

/* ---- ENIConfigs ---- */

static void eniconfigs_begin(struct kube *kube)
{
    kube->eniconfigs.list++;
}

static void eniconfigs_document(struct kube *kube, const struct doc *object)
{
    struct error error = { 0 };
    struct eniconfig eniconfig;
    bool news = false;

    if (!note(kube, &kube->eniconfigs, object, "an ENIConfig", &news) || !news) {
        return;
    }
    if (kube_json_eniconfig(&kube->step, object, &eniconfig, &error) != ERR_OK) {
        unreadable(kube, "ENIConfig", object, &error);
        return;
    }
    kube_emit(kube, PLAN_ENICONFIG)->eniconfig = eniconfig;
}

static void eniconfigs_end(struct kube *kube)
{
    forget_unseen(kube, &kube->eniconfigs, PLAN_ENICONFIG_GONE);
}

static void eniconfigs_change(struct kube *kube, enum kube_change change, const struct doc *object)
{
    if (change == KUBE_DELETED) {
        forget_object(kube, &kube->eniconfigs, object, PLAN_ENICONFIG_GONE);
    } else {
        eniconfigs_document(kube, object);
    }
}

const struct reflector_sink eniconfigs_sink = {
    .begin = eniconfigs_begin,
    .document = eniconfigs_document,
    .end = eniconfigs_end,
    .abort = nothing,
    .document_change = eniconfigs_change,
};

/* ---- the agent's DaemonSet ---- */

/* What else depends on the agent's settings: which annotation of a node is read, and whether pods
 * must be listed with their resource requests. */
static void follow_agent(struct kube *kube, const struct agent_settings *agent)
{
    if (!slice_eq(kube->eniconfig_annotation, agent->eniconfig_annotation)) {
        kube->eniconfig_annotation = arena_slice(&kube->own, agent->eniconfig_annotation);
        if (kube->reflectors[R_NODES].synced || kube->reflectors[R_NODES].phase != REFLECTOR_WAIT) {
            reflector_relist(kube, &kube->reflectors[R_NODES], ENCODING_PROTO);
        }
    }
    if (agent->pod_eni != kube->pod_eni) {
        kube->pod_eni = agent->pod_eni;
        reflector_relist(kube, &kube->reflectors[R_PODS],
                         kube->pod_eni ? ENCODING_PROTO : ENCODING_TABLE);
    }
}

static void agents_begin(struct kube *kube)
{
    kube->agents.list++;
}

static void agents_document(struct kube *kube, const struct doc *object)
{
    struct error error = { 0 };
    struct agent_settings agent;
    struct slice odd;
    bool news = false;

    if (!note(kube, &kube->agents, object, "a DaemonSet", &news) || !news) {
        return;
    }
    if (kube_json_agent(&kube->step, object, &agent, &odd, &error) != ERR_OK) {
        unreadable(kube, "DaemonSet", object, &error);
        return;
    }
    if (odd.len > 0) {
        (void)error_set(&error, ERR_INVALID,
                        "DaemonSet kube-system/aws-node: the agent does not understand %.*s and "
                        "uses its default",
                        SLICE_ARG(odd));
        report_failure(kube, LOG_WARN, &error, 0);
    }
    follow_agent(kube, &agent);
    kube_emit(kube, PLAN_AGENT)->agent = agent;
}

static void agents_change(struct kube *kube, enum kube_change change, const struct doc *object)
{
    if (change != KUBE_DELETED) {
        agents_document(kube, object);
        return;
    }
    /* Its last settings stay: the agents still run, or nothing does. */
    struct known *known = known_find(&kube->agents, doc_text(doc_at(object, "metadata", "name")));
    if (known) {
        known_remove(&kube->agents, known);
    }
}

const struct reflector_sink agents_sink = {
    .begin = agents_begin,
    .document = agents_document,
    .end = nothing,
    .abort = nothing,
    .document_change = agents_change,
};
