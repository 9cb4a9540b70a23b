/*
 * queue.c - who is served next: a binary heap of mutations for each kind.
 *
 * Knows the order. A kind has a queue of its own, because its actions have buckets of their own: a
 * delete never waits behind attaches that lack tokens.
 */
#include <assert.h>

#include "machine.h"

static bool before(const struct ec2 *ec2, uint32_t left, uint32_t right)
{
    const struct mutation *a = &ec2->mutations[left];
    const struct mutation *b = &ec2->mutations[right];

    if (a->urgency != b->urgency) {
        return a->urgency < b->urgency;
    }
    return a->rank != b->rank ? a->rank < b->rank : a->sequence < b->sequence;
}

static void swap(struct queue *queue, uint32_t a, uint32_t b)
{
    uint32_t handle = queue->handles[a];

    queue->handles[a] = queue->handles[b];
    queue->handles[b] = handle;
}

void ec2_queue_push(struct ec2 *ec2, enum queue_kind kind, uint32_t handle)
{
    struct queue *queue = &ec2->queues[kind];

    mem_reserve(&queue->handles, &queue->capacity, queue->count + 1, sizeof(*queue->handles));
    uint32_t at = queue->count++;
    queue->handles[at] = handle;
    while (at > 0 && before(ec2, queue->handles[at], queue->handles[(at - 1) / 2])) {
        swap(queue, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

uint32_t ec2_queue_top(const struct ec2 *ec2, enum queue_kind kind)
{
    const struct queue *queue = &ec2->queues[kind];

    return queue->count > 0 ? queue->handles[0] : INDEX_NONE;
}

void ec2_queue_pop(struct ec2 *ec2, enum queue_kind kind)
{
    struct queue *queue = &ec2->queues[kind];
    uint32_t at = 0;

    assert(queue->count > 0);
    queue->handles[0] = queue->handles[--queue->count];
    while (2 * at + 1 < queue->count) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < queue->count &&
            before(ec2, queue->handles[child + 1], queue->handles[child])) {
            child++;
        }
        if (!before(ec2, queue->handles[child], queue->handles[at])) {
            return;
        }
        swap(queue, at, child);
        at = child;
    }
}
