/*
 * report_text.c - the plan as text for a terminal: what --once prints.
 *
 * Knows what a person asks first: how much room, who is short of it, what would be done. Refuses to
 * know how the plan came about.
 */
#include <headroom/run.h>
#include <headroom/table.h>

static void add_duration(struct table *table, uint32_t seconds)
{
    if (seconds == FORECAST_NEVER_S) {
        table_add(table, SLICE("-"));
    } else if (seconds >= 5400) {
        table_addf(table, "%uh%um", seconds / 3600, seconds / 60 % 60);
    } else if (seconds >= 90) {
        table_addf(table, "%um", (seconds + 30) / 60);
    } else {
        table_addf(table, "%us", seconds);
    }
}

static void add_subnets(struct arena *arena, const struct pool_status *status, struct buf *out)
{
    struct table table;

    table_init(&table, arena, "SUBNET|ZONE|STATE|>FREE|>TOTAL|>/28|>IN FLIGHT|>RUNS OUT IN");
    for (uint32_t i = 0; i < status->subnet_count; i++) {
        const struct subnet_status *subnet = &status->subnets[i];
        table_add(&table, aws_id_slice(&subnet->id));
        table_add(&table, subnet->zone);
        table_add(&table, slice_of(subnet_state_name(subnet->state)));
        table_addf(&table, "%u", subnet->free);
        table_addf(&table, "%u", subnet->total);
        table_addf(&table, "%u", subnet->free_prefixes);
        table_addf(&table, "%u", subnet->in_flight);
        add_duration(&table, subnet->exhausted_in_s);
    }
    table_print(&table, "  ", out);
}

static void add_pool(struct arena *arena, const struct pool_status *status, struct buf *out)
{
    buf_addf(out, "SubnetPool %.*s: %u of %u nodes covered, %u at risk, %u of these exhausted\n",
             SLICE_ARG(status->name), status->nodes_covered, status->nodes_total,
             status->nodes_at_risk + status->nodes_exhausted, status->nodes_exhausted);
    for (int i = 0; i < POOL_CONDITIONS; i++) {
        const struct condition *condition = &status->conditions[i];
        if (condition->type && condition->value == CONDITION_FALSE &&
            strcmp(condition->type, "Ready") != 0) {
            buf_addf(out, "  ! %s: %.*s\n", condition->reason, SLICE_ARG(condition->message));
        }
    }
    if (status->subnet_count > 0) {
        buf_add_char(out, '\n');
        add_subnets(arena, status, out);
    }
    buf_add_char(out, '\n');
}

static void add_nodes(struct arena *arena, struct planner *planner, struct buf *out)
{
    struct plan_decision decision;
    struct table table;

    table_init(&table, arena, "NODE|ZONE|DECISION|>WAITING|>IN USE|>ENIS|>RUNS OUT IN|WHY");
    for (uint32_t i = 0; plan_decision_at(planner, i, &decision); i++) {
        table_add(&table, decision.node);
        table_add(&table, decision.zone);
        table_add(&table, slice_of(plan_decision_name(decision.kind)));
        table_addf(&table, "%u", decision.waiting);
        table_addf(&table, "%u/%u", decision.holding, decision.addresses);
        table_addf(&table, "%u/%u", decision.enis, decision.eni_limit);
        add_duration(&table, decision.stall_in_s);
        table_add(&table, decision.detail.len > 0 ? decision.detail
                                                  : slice_of(plan_decision_text(decision.kind)));
    }
    if (table_empty(&table)) {
        buf_add_text(out, "No node is known.\n");
    } else {
        table_print(&table, "", out);
    }
}

static void add_actions(struct arena *arena, struct planner *planner, struct buf *out)
{
    struct plan_decision decision;
    struct table table;

    table_init(&table, arena, "NODE|SUBNET|>DEVICE|>ADDRESSES|>PREFIXES");
    for (uint32_t i = 0; plan_decision_at(planner, i, &decision); i++) {
        if (decision.subnet.text[0] == '\0' ||
            (decision.kind != PLAN_DECISION_DryRun && decision.kind != PLAN_DECISION_Attach &&
             decision.kind != PLAN_DECISION_Assign)) {
            continue;
        }
        table_add(&table, decision.node);
        table_add(&table, aws_id_slice(&decision.subnet));
        table_addf(&table, "%u", decision.device_index);
        table_addf(&table, "%u", decision.ips);
        table_addf(&table, "%u", decision.prefixes);
    }
    if (table_empty(&table)) {
        buf_add_text(out, "\nNothing would be attached now.\n");
        return;
    }
    buf_add_text(out, "\nWould be attached now:\n\n");
    table_print(&table, "  ", out);
}

void run_report_text(struct engine *engine, struct slice cluster_name, struct buf *out)
{
    struct planner *planner = engine_planner(engine);
    struct pool_status status;
    struct arena arena;

    arena_init(&arena);
    if (cluster_name.len > 0) {
        buf_addf(out, "Cluster %.*s\n\n", SLICE_ARG(cluster_name));
    }
    if (plan_pool_count(planner) == 0) {
        buf_add_text(out, "There is no SubnetPool: Headroom acts only where one asks it to.\n\n");
    }
    for (uint32_t i = 0; plan_pool_status_at(planner, i, &status); i++) {
        add_pool(&arena, &status, out);
    }
    add_nodes(&arena, planner, out);
    add_actions(&arena, planner, out);
    arena_done(&arena);
}
