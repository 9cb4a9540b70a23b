/*
 * doctor.h - what the files of `headroom doctor` share: checks, and what came of each.
 *
 *   doctor.c        the API server, the CRD, rights, the leader; prints
 *   doctor_agent.c  the settings of aws-node
 *   doctor_pools.c  SubnetPools, by their status and against the subnets that there are
 *   doctor_cloud.c  AWS: credentials, rights by dry runs
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli.h"
#include "survey.h"

enum check_result { CHECK_OK, CHECK_MEND, CHECK_SKIPPED };

/* Names are stable, docs/doctor.md lists them. */
struct check {
    const char *name;
    enum check_result result;
    struct slice what;   /* one sentence */
    struct slice remedy; /* MEND: what to do, in the imperative, or a command */
};

struct doctor {
    struct cli *cli;
    struct kube_access access;
    struct check *checks;
    uint32_t check_count, check_capacity;
    uint32_t found;          /* of them to be mended */
    const struct doc *pools; /* the list's first item; NULL: none, or not readable */
    bool surveyed;
    struct survey survey; /* of Kubernetes and EC2, when the rights allow it */
};

void doctor_good(struct doctor *d, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_skipped(struct doctor *d, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_found(struct doctor *d, const char *name, struct slice remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* What is there and may not be read, or does not answer, is a finding too. */
void doctor_unread(struct doctor *d, const char *what, const struct error *error);

bool doctor_has(const struct doctor *d, const char *name); /* a check of that name */

/* A GET of the API server, parsed. */
enum err doctor_get(struct doctor *d, const char *path, const struct doc **ret, struct error *error)
    ERR_CHECKED;

void doctor_agent(struct doctor *d);
void doctor_pools(struct doctor *d);
void doctor_cloud(struct doctor *d); /* surveys, if it may */
void doctor_pools_against_subnets(struct doctor *d);

#endif
