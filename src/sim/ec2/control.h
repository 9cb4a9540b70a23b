/*
 * control.h - one request to the control endpoint. Private to control.c and
 * report.c.
 */
#ifndef SIM_EC2_CONTROL_H
#define SIM_EC2_CONTROL_H

#include <headroom/doc.h>

#include "call.h"

struct sim_control {
    struct sim_ec2 *ec2;
    struct arena *arena;
    struct slice query;
    struct slice text;
    const struct doc *body; /* of text; NULL: none */
    struct buf out;         /* JSON */
};

bool sim_report_state(struct sim_control *control);
bool sim_report_requests(struct sim_control *control);
bool sim_report_stats(struct sim_control *control);
bool sim_report_holds(struct sim_control *control);

#endif
