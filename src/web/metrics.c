/*
 * metrics.c - a snapshot as Prometheus text, format 0.0.4.
 *
 * Knows names, help texts and labels; docs/metrics.md lists them, and they are stable. Refuses to
 * know who scrapes. Source of the format: prometheus.io/docs/instrumenting/exposition_formats.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <headroom/web.h>

struct label {
    const char *name;
    struct slice value;
};

static void add_label_value(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        switch (value.data[i]) {
        case '\\':
            buf_add_text(out, "\\\\");
            break;
        case '"':
            buf_add_text(out, "\\\"");
            break;
        case '\n':
            buf_add_text(out, "\\n");
            break;
        default:
            buf_add_char(out, value.data[i]);
        }
    }
}

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* 0.1 rather than 0.10000000000000001, where that reads back as the same. */
static void add_value(struct buf *out, double value)
{
    char text[40];

    if (isinf(value)) {
        buf_add_text(out, value > 0 ? "+Inf\n" : "-Inf\n");
        return;
    }
    (void)snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value) {
        (void)snprintf(text, sizeof(text), "%.17g", value);
    }
    buf_addf(out, "%s\n", text);
}

/* Labels end with one without a name. */
static void sample(struct buf *out, const char *name, const struct label *labels, double value)
{
    buf_add_text(out, name);
    for (uint32_t i = 0; labels && labels[i].name; i++) {
        buf_addf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        add_label_value(out, labels[i].value);
        buf_add_char(out, '"');
    }
    buf_add_text(out, labels && labels[0].name ? "} " : " ");
    add_value(out, value);
}

#define LABELS(...)                                                                                \
    (const struct label[])                                                                         \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* A family of one sample. */
static void single(struct buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    family(out, name, type, help);
    sample(out, name, NULL, value);
}

/* Bounds are labels and must not change: nine digits show each of ours as it was written. */
static void histogram(struct buf *out, const char *name, const char *help,
                      const struct histogram *histogram)
{
    uint64_t below = 0;

    family(out, name, "histogram", help);
    for (uint32_t i = 0; i < histogram->bound_count; i++) {
        below += histogram->counts[i];
        buf_addf(out, "%s_bucket{le=\"%.9g\"} %llu\n", name, histogram->bounds[i],
                 (unsigned long long)below);
    }
    buf_addf(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)histogram->count);
    buf_addf(out, "%s_sum ", name);
    add_value(out, histogram->sum);
    buf_addf(out, "%s_count %llu\n", name, (unsigned long long)histogram->count);
}

/* ---- the controller ---- */

static void add_controller(struct buf *out, const struct snapshot *snapshot)
{
    family(out, "headroom_build_info", "gauge", "The running version, as a label; the value is 1.");
    sample(out, "headroom_build_info", LABELS({ "version", snapshot->version }), 1);
    single(out, "headroom_ready", "gauge",
           "1 once Kubernetes and EC2 are known and the first plan is made.", snapshot->ready);
    single(out, "headroom_leader", "gauge", "1 while this replica holds the lease and acts.",
           snapshot->leader);
    single(out, "headroom_dry_run", "gauge", "1 when the whole process plans only.",
           snapshot->dry_run);
    histogram(out, "headroom_plan_seconds", "Time that one event takes in the planner.",
              &snapshot->plan_seconds);
    histogram(out, "headroom_reaction_seconds",
              "Time from the arrival of news from Kubernetes to the first byte of the first EC2 "
              "request for the node that it is about.",
              &snapshot->reaction_seconds);
    histogram(out, "headroom_reaction_change_seconds",
              "Time from the arrival of news from Kubernetes to the first byte of the first EC2 "
              "request that changes something for the node that it is about.",
              &snapshot->change_seconds);
    single(out, "headroom_plan_events_total", "counter", "Events that the planner has handled.",
           (double)snapshot->plan_events);
    single(out, "headroom_events_total", "counter",
           "Happenings that were told to users as Kubernetes events.",
           (double)snapshot->user_events);
}

/* ---- pools and subnets ---- */

typedef double subnet_value_fn(const struct subnet_status *subnet);

static double subnet_total(const struct subnet_status *subnet)
{
    return subnet->total;
}

static double subnet_free(const struct subnet_status *subnet)
{
    return subnet->free;
}

static double subnet_prefixes(const struct subnet_status *subnet)
{
    return subnet->free_prefixes;
}

static double subnet_in_flight(const struct subnet_status *subnet)
{
    return subnet->in_flight;
}

static double subnet_exhausted(const struct subnet_status *subnet)
{
    return subnet->exhausted_in_s == FORECAST_NEVER_S ? (double)INFINITY : subnet->exhausted_in_s;
}

static double subnet_observed(const struct subnet_status *subnet)
{
    return (double)(subnet->observed_wall_ns / 1000000) / 1000;
}

static void each_subnet(struct buf *out, const struct snapshot *snapshot, const char *name,
                        const char *help, subnet_value_fn *value)
{
    family(out, name, "gauge", help);
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        const struct pool_status *pool = &snapshot->pools[i];
        for (uint32_t k = 0; k < pool->subnet_count; k++) {
            const struct subnet_status *subnet = &pool->subnets[k];
            sample(out, name,
                   LABELS({ "pool", pool->name }, { "subnet", aws_id_slice(&subnet->id) },
                          { "zone", subnet->zone }),
                   value(subnet));
        }
    }
}

static const enum subnet_state states[] = {
#define X(name) SUBNET_##name,
    SUBNET_STATES(X)
#undef X
};

static void add_subnet_states(struct buf *out, const struct snapshot *snapshot)
{
    static const char name[] = "headroom_subnet_state";

    family(out, name, "gauge", "1 for the state that the subnet is in, 0 for the others.");
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        const struct pool_status *pool = &snapshot->pools[i];
        for (uint32_t k = 0; k < pool->subnet_count; k++) {
            const struct subnet_status *subnet = &pool->subnets[k];
            for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
                sample(out, name,
                       LABELS({ "pool", pool->name }, { "subnet", aws_id_slice(&subnet->id) },
                              { "zone", subnet->zone },
                              { "state", slice_of(subnet_state_name(states[s])) }),
                       subnet->state == states[s]);
            }
        }
    }
}

static void add_subnets(struct buf *out, const struct snapshot *snapshot)
{
    each_subnet(out, snapshot, "headroom_subnet_total_addresses",
                "Addresses of the subnet that can be used at all.", subnet_total);
    each_subnet(out, snapshot, "headroom_subnet_free_addresses",
                "Free addresses of the subnet, less those in flight.", subnet_free);
    each_subnet(out, snapshot, "headroom_subnet_free_prefixes", "Whole free /28 blocks.",
                subnet_prefixes);
    each_subnet(out, snapshot, "headroom_subnet_in_flight_addresses",
                "Addresses that were asked for and that no observation shows yet.",
                subnet_in_flight);
    each_subnet(out, snapshot, "headroom_subnet_exhausted_seconds",
                "Forecast time until the subnet has no free address; +Inf when none is foreseen.",
                subnet_exhausted);
    each_subnet(out, snapshot, "headroom_subnet_observed_timestamp_seconds",
                "When EC2 was last asked about the subnet.", subnet_observed);
    add_subnet_states(out, snapshot);
}

typedef double pool_value_fn(const struct pool_status *pool);

static double pool_total(const struct pool_status *pool)
{
    return pool->nodes_total;
}

static double pool_covered(const struct pool_status *pool)
{
    return pool->nodes_covered;
}

static double pool_at_risk(const struct pool_status *pool)
{
    return pool->nodes_at_risk;
}

static double pool_exhausted(const struct pool_status *pool)
{
    return pool->nodes_exhausted;
}

static void each_pool(struct buf *out, const struct snapshot *snapshot, const char *name,
                      const char *help, pool_value_fn *value)
{
    family(out, name, "gauge", help);
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        sample(out, name, LABELS({ "pool", snapshot->pools[i].name }), value(&snapshot->pools[i]));
    }
}

static void add_conditions(struct buf *out, const struct snapshot *snapshot)
{
    static const char name[] = "headroom_pool_condition";

    family(out, name, "gauge", "1 while the condition of the SubnetPool is True, else 0.");
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        const struct pool_status *pool = &snapshot->pools[i];
        for (int k = 0; k < POOL_CONDITIONS; k++) {
            const struct condition *condition = &pool->conditions[k];
            if (condition->type) {
                sample(out, name,
                       LABELS({ "pool", pool->name }, { "type", slice_of(condition->type) }),
                       condition->value == CONDITION_TRUE);
            }
        }
    }
}

static void add_nodes(struct buf *out, const struct snapshot *snapshot)
{
    each_pool(out, snapshot, "headroom_pool_nodes", "Nodes that the pool serves.", pool_total);
    each_pool(out, snapshot, "headroom_node_covered",
              "Nodes of the pool that have or can get room.", pool_covered);
    each_pool(out, snapshot, "headroom_node_at_risk",
              "Nodes of the pool that will run out of addresses unless something is done.",
              pool_at_risk);
    each_pool(out, snapshot, "headroom_node_exhausted",
              "Nodes of the pool with pods that no subnet or slot can give an address.",
              pool_exhausted);
    add_conditions(out, snapshot);
    family(out, "headroom_nodes", "gauge", "Nodes by what was decided for them last.");
    for (uint32_t i = 0; i < sizeof(snapshot->decisions) / sizeof(snapshot->decisions[0]); i++) {
        sample(out, "headroom_nodes",
               LABELS({ "decision", slice_of(plan_decision_name((enum plan_decision_kind)i)) }),
               snapshot->decisions[i]);
    }
}

/* ---- ENIs and EC2 ---- */

static void add_enis(struct buf *out, const struct snapshot *snapshot)
{
    histogram(out, "headroom_eni_attach_seconds",
              "Time from a node's need to its ENI being attached.", &snapshot->attach_seconds);
    single(out, "headroom_enis_attached_total", "counter", "ENIs that were attached to nodes.",
           (double)snapshot->enis_attached);
    single(out, "headroom_eni_attach_failures_total", "counter",
           "Attempts to attach an ENI that EC2 refused or that got no answer.",
           (double)snapshot->enis_failed);
    single(out, "headroom_enis_deleted_total", "counter", "Own leftover ENIs that were deleted.",
           (double)snapshot->enis_deleted);
}

static void add_ec2_requests(struct buf *out, const struct ec2_stats *ec2)
{
    static const char name[] = "headroom_ec2_requests_total";

    family(out, name, "counter", "Requests to EC2 and STS by action and EC2's error code.");
    for (uint32_t i = 0; i < ec2->action_count; i++) {
        const struct ec2_action_stats *action = &ec2->actions[i];
        struct slice action_name = slice_of(action->action);
        bool ok = false;
        for (uint32_t k = 0; k < action->code_count; k++) {
            struct slice code = slice_of(action->codes[k].code);
            ok |= slice_is(code, "ok");
            sample(out, name, LABELS({ "action", action_name }, { "code", code }),
                   (double)action->codes[k].count);
        }
        if (!ok) {
            sample(out, name, LABELS({ "action", action_name }, { "code", SLICE("ok") }), 0);
        }
    }
}

typedef double action_value_fn(const struct ec2_action_stats *action);

static double action_tokens(const struct ec2_action_stats *action)
{
    return action->tokens;
}

static double action_burst(const struct ec2_action_stats *action)
{
    return action->burst;
}

static double action_throttled(const struct ec2_action_stats *action)
{
    return (double)action->throttled;
}

static void each_action(struct buf *out, const struct ec2_stats *ec2, const char *name,
                        const char *type, const char *help, action_value_fn *value)
{
    family(out, name, type, help);
    for (uint32_t i = 0; i < ec2->action_count; i++) {
        sample(out, name, LABELS({ "action", slice_of(ec2->actions[i].action) }),
               value(&ec2->actions[i]));
    }
}

static void add_ec2_latency(struct buf *out, const struct ec2_stats *ec2)
{
    static const char name[] = "headroom_ec2_request_seconds";

    family(out, name, "summary", "Time that EC2 takes to answer, by action.");
    for (uint32_t i = 0; i < ec2->action_count; i++) {
        const struct ec2_action_stats *action = &ec2->actions[i];
        const struct label *labels = LABELS({ "action", slice_of(action->action) });
        sample(out, "headroom_ec2_request_seconds_sum", labels,
               (double)action->latency_sum_us / 1e6);
        sample(out, "headroom_ec2_request_seconds_count", labels, (double)action->latency_count);
    }
}

static void add_ec2(struct buf *out, const struct ec2_stats *ec2)
{
    static const char *const urgencies[] = { "waiting", "forecast", "refresh" };

    add_ec2_requests(out, ec2);
    each_action(out, ec2, "headroom_ec2_throttled_total", "counter",
                "Requests that EC2 refused because the account's API budget was spent.",
                action_throttled);
    each_action(out, ec2, "headroom_ec2_budget_tokens", "gauge",
                "Requests that the controller's own budget allows at once now.", action_tokens);
    each_action(out, ec2, "headroom_ec2_budget_burst_tokens", "gauge",
                "Requests that the controller's own budget allows at once at most.", action_burst);
    add_ec2_latency(out, ec2);
    family(out, "headroom_ec2_queued", "gauge", "Changes that wait for API budget, by urgency.");
    for (uint32_t i = 0; i < URGENCY_COUNT; i++) {
        sample(out, "headroom_ec2_queued", LABELS({ "urgency", slice_of(urgencies[i]) }),
               ec2->queued[i]);
    }
    single(out, "headroom_ec2_clock_skew_seconds", "gauge",
           "How far EC2's clock is ahead of this machine's.", (double)ec2->clock_skew_ms / 1000);
    family(out, "headroom_ec2_credentials_expiry_timestamp_seconds", "gauge",
           "When the AWS credentials in use expire; absent when they do not.");
    if (ec2->identity_expires_wall_ns > 0) {
        sample(out, "headroom_ec2_credentials_expiry_timestamp_seconds", NULL,
               (double)(ec2->identity_expires_wall_ns / 1000000000));
    }
}

/* ---- Kubernetes ---- */

static double watch_lag_s(const struct snapshot *snapshot)
{
    uint64_t contact = snapshot->kube.last_contact_ns;

    /* No contact yet: since the start, whatever that is; the process's own age says it. */
    if (contact == 0) {
        return (double)((snapshot->wall_ns - snapshot->started_wall_ns) / 1000000) / 1000;
    }
    return contact < snapshot->now_ns ? (double)((snapshot->now_ns - contact) / 1000000) / 1000 : 0;
}

static void add_kube(struct buf *out, const struct snapshot *snapshot)
{
    const struct kube_stats *kube = &snapshot->kube;

    single(out, "headroom_watch_events_total", "counter",
           "Events that the watches of the Kubernetes API brought.", (double)kube->watch_events);
    single(out, "headroom_watch_lag_seconds", "gauge",
           "Time since the quietest watch last showed a sign of life.", watch_lag_s(snapshot));
    single(out, "headroom_watch_lists_total", "counter", "Complete lists read.",
           (double)kube->lists);
    single(out, "headroom_watch_relists_total", "counter",
           "Lists read again because a watch could not be resumed.", (double)kube->relists);
    single(out, "headroom_kubernetes_received_bytes_total", "counter",
           "Bytes received from the Kubernetes API, decompressed.", (double)kube->bytes_in);
    single(out, "headroom_kubernetes_writes_total", "counter",
           "Writes to the Kubernetes API: status, events, conditions, taints, lease.",
           (double)kube->writes);
    single(out, "headroom_kubernetes_write_errors_total", "counter", "Writes that failed.",
           (double)kube->write_errors);
    single(out, "headroom_events_dropped_total", "counter",
           "Happenings that were not told because of the rate limit.",
           (double)kube->events_dropped);
    family(out, "headroom_watched_objects", "gauge", "Objects of the Kubernetes API in memory.");
    sample(out, "headroom_watched_objects", LABELS({ "kind", SLICE("Node") }), kube->nodes);
    sample(out, "headroom_watched_objects", LABELS({ "kind", SLICE("Pod") }), kube->pods);
    sample(out, "headroom_watched_objects", LABELS({ "kind", SLICE("SubnetPool") }), kube->pools);
}

static void add_process(struct buf *out, const struct snapshot *snapshot)
{
    single(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent.",
           snapshot->cpu_seconds);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
           (double)snapshot->resident_bytes);
    single(out, "process_start_time_seconds", "gauge", "When the process started.",
           (double)(snapshot->started_wall_ns / 1000000) / 1000);
}

void web_metrics(const struct snapshot *snapshot, struct buf *out)
{
    add_controller(out, snapshot);
    add_subnets(out, snapshot);
    add_nodes(out, snapshot);
    add_enis(out, snapshot);
    add_ec2(out, &snapshot->ec2);
    add_kube(out, snapshot);
    add_process(out, snapshot);
}
