/*
 * survey.h - the cluster as it is: what Kubernetes and EC2 tell the planner, kept for whoever wants
 * to look at all of it.
 *
 *   engine (read-only) --each event, before the planner has it--> survey
 *
 * Everything lives in the command's arena, but for the tables that grow.
 */
#ifndef CLI_SURVEY_H
#define CLI_SURVEY_H

#include <headroom/index.h>

#include "cli.h"

struct survey_node {
    struct node node; /* deep */
    struct aws_id instance;
    enum node_exclusion exclusion;
    uint32_t holding, waiting, branch;
    bool gone;
};

struct survey {
    struct arena *arena;
    struct survey_node *nodes;
    uint32_t node_count, node_capacity;
    struct index by_name;
    struct pool *pools;
    uint32_t pool_count, pool_capacity;
    struct eniconfig *eniconfigs;
    uint32_t eniconfig_count, eniconfig_capacity;
    bool have_agent;
    struct agent_settings agent;
    /* of the last complete reads */
    const struct subnet *subnets;
    uint32_t subnet_count;
    const struct plan_group *groups;
    uint32_t group_count;
    /* attached to an instance; addresses are counted, not kept */
    struct eni *enis;
    uint32_t eni_count, eni_capacity;
    struct eni *swept; /* pages of a read that is not complete */
    uint32_t swept_count, swept_capacity;
    struct instance_type *types;
    uint32_t type_count, type_capacity;
};

/* An engine that looks and changes nothing runs until its first plan is made. Done with
 * survey_done, whatever came of it. */
enum err survey_make(struct cli *cli, struct survey *ret, struct error *error) ERR_CHECKED;
void survey_done(struct survey *survey);

bool survey_selects(const struct pool *pool, const struct subnet *subnet);
const struct subnet *survey_subnet(const struct survey *survey, const struct aws_id *id);
/* The pool that serves the node; NULL: none. */
const struct pool *survey_pool_of(const struct survey *survey, const struct survey_node *node);

#endif
