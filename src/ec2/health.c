/*
 * health.c - how the EC2 API does as a whole, and what each action has cost.
 *
 * Knows which refusals make a state and which are answers. Refuses to know what anybody does about
 * it.
 */
#include <stdio.h>

#include "machine.h"

/* A refused action that nobody tries any more is forgotten, so that a repaired policy shows. */
#define DENIED_HOLDS_NS (5 * 60 * SECOND_NS)
#define THROTTLED_HOLDS_NS (60 * SECOND_NS)
enum { UNAVAILABLE_IN_A_ROW = 2, THROTTLED_IN_A_ROW = 3 };

void ec2_health_note(struct ec2 *ec2, uint32_t op, enum cloud_code code, struct slice message)
{
    struct op_health *health = &ec2->health[op];

    if (code == CLOUD_FENCED) {
        return; /* said by us, not by EC2 */
    }
    if (code != CLOUD_DENIED && code != CLOUD_UNAVAILABLE && code != CLOUD_THROTTLED) {
        *health = (struct op_health){ .code = CLOUD_OK };
        return;
    }
    health->failures++;
    health->at_ns = ec2->now_ns;
    bool enough = code == CLOUD_DENIED || op == EC2_OP_COUNT ||
                  health->failures >=
                      (code == CLOUD_THROTTLED ? THROTTLED_IN_A_ROW : UNAVAILABLE_IN_A_ROW);
    if (enough) {
        health->code = code;
        (void)snprintf(health->message, sizeof(health->message), "%.*s", (int)message.len,
                       message.data ? message.data : "");
    }
}

static int badness(enum cloud_code code)
{
    return code == CLOUD_DENIED        ? 3
           : code == CLOUD_UNAVAILABLE ? 2
           : code == CLOUD_THROTTLED   ? 1
                                       : 0;
}

static void forget_old(struct ec2 *ec2, struct op_health *health)
{
    uint64_t holds = health->code == CLOUD_THROTTLED ? THROTTLED_HOLDS_NS : DENIED_HOLDS_NS;

    if (health->code != CLOUD_OK && ec2->now_ns - health->at_ns > holds) {
        *health = (struct op_health){ .code = CLOUD_OK };
    }
}

void ec2_health_report(struct ec2 *ec2)
{
    uint32_t worst = ec2->told_op; /* stays the spokesman as long as nothing is worse */

    for (uint32_t op = 0; op <= EC2_OP_COUNT; op++) {
        if (op < EC2_OP_COUNT) {
            forget_old(ec2, &ec2->health[op]);
        }
        if (badness(ec2->health[op].code) > badness(ec2->health[worst].code)) {
            worst = op;
        }
    }
    const struct op_health *health = &ec2->health[worst];
    bool same = health->code == ec2->told_code &&
                (worst == ec2->told_op || health->code == CLOUD_OK);
    if (same && ec2->told_once) {
        return;
    }
    if (!ec2->told_once && health->code == CLOUD_OK && !ec2->answered_once) {
        return; /* nothing has been asked yet */
    }
    ec2->told_once = true;
    ec2->told_code = health->code;
    ec2->told_op = worst;
    const char *operation = worst < EC2_OP_COUNT ? ec2_op_name((enum ec2_op)worst) : "credentials";
    struct plan_event *event = ec2_event_add(ec2, PLAN_CLOUD);
    event->cloud.code = health->code;
    if (health->code != CLOUD_OK) {
        event->cloud.operation = slice_of(operation);
        event->cloud.message = ec2_step_copy(ec2, slice_of(health->message));
    }
    struct log_record *record = log_add(
        ec2->logs, health->code == CLOUD_OK ? LOG_INFO : LOG_ERROR, "ec2",
        health->code == CLOUD_OK ? "the EC2 API answers" : "the EC2 API refuses or fails");
    log_text(ec2->logs, record, "health", slice_of(cloud_code_name(health->code)));
    if (health->code != CLOUD_OK) {
        log_text(ec2->logs, record, "operation", slice_of(operation));
        log_text(ec2->logs, record, "error", slice_of(health->message));
    }
}

void ec2_count(struct ec2 *ec2, enum ec2_op op, struct slice code, uint64_t latency_ns)
{
    struct op_stats *stats = &ec2->stats[op];

    stats->latency_sum_us += latency_ns / 1000;
    stats->latency_count++;
    for (uint32_t i = 0; i < stats->code_count; i++) {
        if (slice_is(code, stats->codes[i].code)) {
            stats->codes[i].count++;
            return;
        }
    }
    uint32_t at = stats->code_count;
    if (at == EC2_CODES_MAX) {
        stats->codes[EC2_CODES_MAX - 1].count++; /* the last place takes the rest */
        return;
    }
    stats->code_count++;
    stats->codes[at].count = 1;
    if (at == EC2_CODES_MAX - 1 ||
        slice_copy(code, stats->codes[at].code, sizeof(stats->codes[at].code))) {
        (void)snprintf(stats->codes[at].code, sizeof(stats->codes[at].code), "other");
    }
}
