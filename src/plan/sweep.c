/*
 * sweep.c - every ENI of the VPC, as its pages come.
 *
 *   page --> its ENIs, in 130 bytes each --.
 *   page --> ...                           +--last--> nodes, leftovers that are gone, /28 maps
 *        `-> addresses in use, by subnet --'
 *
 * Knows that ENIs of one instance need not stand together, and that a read may break off: what is
 * missing is judged only when the last page is in. Refuses to keep a page: all ENIs of a large
 * cluster, with their tags and texts, are tens of megabytes.
 */
#include "state.h"

static void forget_enis(struct planner *p)
{
    struct sweep *sweep = &p->sweep;

    for (uint32_t i = 0; i < sweep->eni_count; i++) {
        enis_unsee(p, &sweep->enis[i]);
    }
    sweep->enis = mem_resize(sweep->enis, 0, sizeof(*sweep->enis));
    sweep->eni_count = sweep->eni_capacity = 0;
}

void sweep_drop(struct planner *p)
{
    struct sweep *sweep = &p->sweep;

    forget_enis(p);
    for (uint32_t i = 0; i < sweep->map_count; i++) {
        subnet_drop_map(sweep, i);
    }
    mem_free(sweep->maps);
    *sweep = (struct sweep){ .began_ns = p->now_ns };
}

static void note(struct planner *p, const struct eni *eni)
{
    struct sweep *sweep = &p->sweep;

    subnet_note_eni(p, eni);
    if (!aws_id_is_set(&eni->instance)) {
        if (eni->status == ENI_AVAILABLE) {
            leftover_found(p, eni);
        }
        return;
    }
    mem_reserve(&sweep->enis, &sweep->eni_capacity, sweep->eni_count + 1, sizeof(*sweep->enis));
    sweep->eni_count += enis_see(p, eni, &sweep->enis[sweep->eni_count]);
}

/* To each node its ENIs: sorted by counting, so that the cost is that of a pass or two. */
static void hand_out(struct planner *p, uint64_t asked_ns)
{
    struct sweep *sweep = &p->sweep;
    uint32_t *owner = ARENA_ARRAY(&p->arena, uint32_t, sweep->eni_count);
    uint32_t *ends = ARENA_ARRAY(&p->arena, uint32_t, (size_t)p->node_count + 1);
    struct seen_eni **sorted = ARENA_ARRAY(&p->arena, struct seen_eni *, sweep->eni_count);

    for (uint32_t i = 0; i < sweep->eni_count; i++) {
        owner[i] = index_find(&p->node_instances, p, aws_id_slice(&sweep->enis[i].instance));
        if (owner[i] != NONE) {
            ends[owner[i] + 1]++;
        }
    }
    for (uint32_t i = 0; i < p->node_count; i++) {
        ends[i + 1] += ends[i];
    }
    for (uint32_t i = 0; i < sweep->eni_count; i++) {
        if (owner[i] != NONE) {
            sorted[ends[owner[i]]++] = &sweep->enis[i];
        }
    }
    for (uint32_t node = 0, start = 0; node < p->node_count; node++) {
        if (ends[node] > start) {
            enis_replace(p, node, sorted + start, ends[node] - start, asked_ns);
        }
        start = ends[node];
    }
    forget_enis(p);
}

void sweep_page(struct planner *p, const struct plan_event *event)
{
    uint64_t asked_ns = event->enis.asked_ns;

    if (!event->enis.continued) {
        sweep_drop(p);
    }
    for (uint32_t i = 0; i < event->enis.count; i++) {
        note(p, &event->enis.enis[i]);
    }
    if (event->enis.more) {
        return;
    }
    hand_out(p, asked_ns);
    leftover_swept(p, asked_ns, p->sweep.began_ns);
    subnet_map(p, asked_ns);
    if (p->leader && asked_ns >= p->leader_ns) {
        p->swept = true;
    }
    p->swept_ns = asked_ns;
}
