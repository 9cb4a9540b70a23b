/*
 * budget.h - a token bucket for one action: our share of what EC2 documents, halved when EC2 says
 * no.
 *
 *   tokens <= burst        refill grows back in a straight line, RECOVERY_S from 0 to the whole
 *        |<-- refill/s     throttled: refill /= 2, tokens = 0
 *
 * Time is monotonic nanoseconds and comes with each call.
 */
#ifndef EC2_BUDGET_H
#define EC2_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    double tokens, burst;
    double refill_max, refill; /* per second */
    uint64_t at_ns;            /* when tokens and refill were right */
    uint64_t halved_ns;
};

void ec2_bucket_init(struct bucket *bucket, double burst, double refill_per_s);
void ec2_bucket_advance(struct bucket *bucket, uint64_t now_ns);
bool ec2_bucket_has(struct bucket *bucket, uint64_t now_ns);
/* Takes one even where there is none: the debt is paid back before the next. */
void ec2_bucket_take(struct bucket *bucket, uint64_t now_ns);
void ec2_bucket_refund(struct bucket *bucket);
void ec2_bucket_throttled(struct bucket *bucket, uint64_t now_ns);
/* When there will be a token; now_ns when there is one. */
uint64_t ec2_bucket_ready_ns(struct bucket *bucket, uint64_t now_ns);

#endif
