/*
 * pods.c - pods that hold or await an address, from bytes to counts by node.
 *
 * A list fills a table of its own; the old one serves until the new one is whole. Refuses to know
 * how a table identifies a pod.
 */
#include "core.h"

enum { TOLD_A_STEP = 128 };

/* The order of the reflector's columns. */
enum { CELL_NAME, CELL_IP, CELL_NODE };

static void drop_new(struct kube *kube)
{
    if (kube->pods_hidden) {
        pod_table_done(&kube->new_pods);
        kube->pods_hidden = false;
    }
}

static void begin(struct kube *kube)
{
    drop_new(kube);
    pod_table_init(&kube->new_pods);
    kube->pods_hidden = true;
}

static enum err row(struct kube *kube, const struct slice *cells, struct error *error)
{
    return pod_table_row(&kube->new_pods, cells[CELL_NAME], cells[CELL_IP], cells[CELL_NODE],
                         error);
}

static enum err item(struct kube *kube, struct slice raw, struct error *error)
{
    struct kube_pod pod;
    enum err err = kube_proto_pod(raw, &pod, error);

    return err != ERR_OK ? err : pod_table_apply(&kube->new_pods, KUBE_ADDED, &pod, error);
}

static void end(struct kube *kube)
{
    pod_table_compare(&kube->new_pods, &kube->pods);
    pod_table_done(&kube->pods);
    kube->pods = kube->new_pods;
    kube->pods_hidden = false;
}

static enum err change(struct kube *kube, enum kube_change what, struct slice raw,
                       struct error *error)
{
    struct kube_pod pod;
    enum err err = kube_proto_pod(raw, &pod, error);

    return err != ERR_OK ? err : pod_table_apply(&kube->pods, what, &pod, error);
}

static enum err row_change(struct kube *kube, enum kube_change what, const struct slice *cells,
                           struct error *error)
{
    return pod_table_row_change(&kube->pods, what, cells[CELL_NAME], cells[CELL_IP],
                                cells[CELL_NODE], error);
}

const struct reflector_sink pods_sink = {
    .begin = begin,
    .row = row,
    .item = item,
    .end = end,
    .abort = drop_new,
    .change = change,
    .row_change = row_change,
};

bool pods_pending(const struct kube *kube)
{
    return kube->pods.dirty_count > kube->pods.dirty_told;
}

bool pods_tell(struct kube *kube)
{
    struct pod_counts counts;
    struct slice node;

    for (uint32_t told = 0; told < TOLD_A_STEP && pod_table_changed(&kube->pods, &node, &counts);
         told++) {
        struct plan_event *event = kube_emit(kube, PLAN_PODS);
        event->pods.node = node;
        event->pods.holding = counts.holding;
        event->pods.waiting = counts.waiting;
        event->pods.branch = counts.branch;
    }
    return pods_pending(kube);
}
