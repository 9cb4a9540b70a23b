/*
 * expect.c - rows of the steps that follow, fetched from memory together.
 *
 *   names --> slots of the index --> rows --> names and ENIs     each arrow waits for memory once,
 *                                                                not once for each node
 *
 * A large cluster lies in memory, where each wait costs as much as a hundred instructions. Knows
 * what a step reads first. Refuses to change anything, or to be right: a row that was fetched in
 * vain costs little.
 */
#include "state.h"

/* Of those whose look is due next. */
enum { TIMERS_MAX = 5 };

static void fetch(const void *begin, size_t size)
{
    const uintptr_t line = 64;
    uintptr_t end = (uintptr_t)begin + size;

    for (uintptr_t at = (uintptr_t)begin / line * line; at < end; at += line) {
        __builtin_prefetch((const void *)at);
    }
}

void plan_fetch(const struct planner *p, const uint32_t *nodes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fetch(&p->nodes[nodes[i]], offsetof(struct node_row, instance));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct node_row *row = &p->nodes[nodes[i]];
        fetch(row->name_text.data, row->name_text.len);
        fetch(row->enis, row->eni_count * sizeof(*row->enis));
    }
}

static struct slice node_of(const struct plan_event *event)
{
    switch (event->kind) {
    case PLAN_NODE:
        return event->node.name;
    case PLAN_PODS:
        return event->pods.node;
    default:
        return SLICE("");
    }
}

void plan_expect(const struct planner *p, const struct plan_event *events, uint32_t count)
{
    uint32_t hashes[PLAN_EXPECT_MAX];
    uint32_t nodes[PLAN_EXPECT_MAX + TIMERS_MAX];
    uint32_t named = 0;
    uint32_t known = 0;

    for (uint32_t i = 0; i < count && i < PLAN_EXPECT_MAX; i++) {
        struct slice name = node_of(&events[i]);
        if (name.len > 0) {
            hashes[named] = index_hash(name);
            index_fetch(&p->node_names, hashes[named++]);
        }
    }
    for (uint32_t i = 0; i < named; i++) {
        nodes[known] = index_guess(&p->node_names, hashes[i]);
        known += nodes[known] != NONE;
    }
    known += timers_first(&p->timers, nodes + known, TIMERS_MAX);
    plan_fetch(p, nodes, known);
}
