/*
 * scenario.h - what the readers of a scenario share. Private to scenario*.c.
 *
 * Every error says the line and the field.
 */
#ifndef SIM_EC2_SCENARIO_H
#define SIM_EC2_SCENARIO_H

#include <headroom/doc.h>

#include "state.h"

enum err sim_doc_fail(struct error *error, const struct doc *doc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Only these fields; known ends with NULL. */
enum err sim_doc_keys(const struct doc *doc, const char *what, const char *const *known,
                      struct error *error) ERR_CHECKED;
enum err sim_doc_cidr(const struct doc *doc, const char *field, struct cidr *ret,
                      struct error *error) ERR_CHECKED;
/* Not there: *ret_ns stays. */
enum err sim_doc_ms(const struct doc *doc, const char *field, uint64_t *ret_ns, struct error *error)
    ERR_CHECKED;
enum err sim_doc_tags(struct sim_ec2 *ec2, const struct doc *doc, struct sim_tags *ret,
                      struct error *error) ERR_CHECKED;
/* Field id, or an id made from field name. */
enum err sim_doc_id(const struct doc *row, const char *prefix, struct aws_id *ret,
                    struct error *error) ERR_CHECKED;

/* "there is no node nod-1; did you mean node-1?", or the first few that there are. */
enum err sim_doc_unknown(struct arena *arena, const struct doc *doc, const char *what,
                         struct slice name, const struct slice *known, uint32_t count,
                         struct error *error) ERR_CHECKED;
enum err sim_doc_no_subnet(struct sim_ec2 *ec2, const struct doc *doc, struct slice name,
                           struct error *error) ERR_CHECKED;

/* Route tables, subnets, security groups, instances. */
enum err sim_scenario_network(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
    ERR_CHECKED;
/* Sessions of STS and IMDS. */
enum err sim_scenario_sessions(struct sim_ec2 *ec2, const struct doc *top, struct error *error)
    ERR_CHECKED;

#endif
