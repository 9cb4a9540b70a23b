/*
 * budget.c - additive increase, multiplicative decrease on a token bucket.
 *
 * Knows one bucket. Refuses to know which action it is for and who waits.
 */
#include "budget.h"

#define RECOVERY_S 20.0
#define REFILL_LEAST 0.05 /* of the whole: a storm of refusals must not stop us for good */
#define HALVE_APART_NS UINT64_C(1000000000) /* refusals of one burst count once */

void ec2_bucket_init(struct bucket *bucket, double burst, double refill_per_s)
{
    if (burst < 1) {
        burst = 1;
    }
    *bucket = (struct bucket){
        .tokens = burst,
        .burst = burst,
        .refill = refill_per_s,
        .refill_max = refill_per_s,
    };
}

void ec2_bucket_advance(struct bucket *bucket, uint64_t now_ns)
{
    if (now_ns <= bucket->at_ns) {
        return;
    }
    double seconds = (double)(now_ns - bucket->at_ns) / 1e9;
    bucket->at_ns = now_ns;
    bucket->tokens += bucket->refill * seconds;
    if (bucket->tokens > bucket->burst) {
        bucket->tokens = bucket->burst;
    }
    bucket->refill += bucket->refill_max * seconds / RECOVERY_S;
    if (bucket->refill > bucket->refill_max) {
        bucket->refill = bucket->refill_max;
    }
}

/* A hair less than one, so that a deadline rounded down never spins. */
static const double whole = 1.0 - 1e-6;

bool ec2_bucket_has(struct bucket *bucket, uint64_t now_ns)
{
    ec2_bucket_advance(bucket, now_ns);
    return bucket->tokens >= whole;
}

void ec2_bucket_take(struct bucket *bucket, uint64_t now_ns)
{
    ec2_bucket_advance(bucket, now_ns);
    bucket->tokens -= 1;
}

void ec2_bucket_refund(struct bucket *bucket)
{
    bucket->tokens += 1;
    if (bucket->tokens > bucket->burst) {
        bucket->tokens = bucket->burst;
    }
}

void ec2_bucket_throttled(struct bucket *bucket, uint64_t now_ns)
{
    ec2_bucket_advance(bucket, now_ns);
    if (bucket->halved_ns != 0 && now_ns - bucket->halved_ns < HALVE_APART_NS) {
        return;
    }
    bucket->halved_ns = now_ns;
    bucket->refill /= 2;
    if (bucket->refill < bucket->refill_max * REFILL_LEAST) {
        bucket->refill = bucket->refill_max * REFILL_LEAST;
    }
    if (bucket->tokens > 0) {
        bucket->tokens = 0;
    }
}

uint64_t ec2_bucket_ready_ns(struct bucket *bucket, uint64_t now_ns)
{
    if (ec2_bucket_has(bucket, now_ns)) {
        return now_ns;
    }
    double seconds = (1 - bucket->tokens) / bucket->refill;
    return now_ns + (uint64_t)(seconds * 1e9) + 1;
}
