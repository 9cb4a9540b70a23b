/*
 * pod_table.h - every pod that holds or awaits an address, in 12 bytes each, and the counts by
 * node.
 *
 *   rows (open addressing)                   nodes (interned)       counts (by node)
 *   [ key | node, ip, flags ]  ---node--->   "ip-10-0-0-1..."  ---> holding 12, waiting 1, branch 0
 *
 * A pod from a Table has neither namespace nor uid: its key is made of node and name, and two of
 * the same name on one node, in two namespaces, are told apart by their addresses alone. That is
 * enough to count them: an address, once given, may change but does not go before its pod does.
 * What a protobuf watch names has its uid as key from then on.
 */
#ifndef KUBE_POD_TABLE_H
#define KUBE_POD_TABLE_H

#include <headroom/index.h>
#include <headroom/kube_wire.h>

enum { PODS_MAX = 4 << 20 };

struct pod_row {
    uint32_t key_low;
    uint32_t key_high : 22;
    uint32_t ip_high : 10; /* of what stands for the address, see ip_mark; 0: none */
    uint32_t ip_low : 9;
    uint32_t node : 20; /* handle */
    uint32_t identified : 1, branch : 1;
    uint32_t used : 1; /* 0: an empty slot */
};

/* A table of its own for each part of the keys: they grow one after the other, and only one of them
 * is there twice meanwhile. */
struct pod_shard {
    struct pod_row *rows;
    uint32_t size, count;
};

enum { POD_SHARDS = 16 };

struct pod_counts {
    uint32_t holding, waiting, branch;
    bool dirty; /* in the list of those to tell */
};

struct pod_table {
    struct pod_shard shards[POD_SHARDS];
    uint32_t count; /* pods in all of them */
    struct interner nodes;
    struct pod_counts *counts;
    uint32_t counts_capacity;
    uint32_t *dirty; /* handles of nodes whose counts have changed */
    uint32_t dirty_count, dirty_capacity, dirty_told;
};

void pod_table_init(struct pod_table *table);
void pod_table_done(struct pod_table *table);
/* One row of a Table. ERR_LIMIT: more pods than anyone has. */
enum err pod_table_row(struct pod_table *table, struct slice name, struct slice ip,
                       struct slice node, struct error *error);
/* An event of a watch that brings such rows. */
enum err pod_table_row_change(struct pod_table *table, enum kube_change change, struct slice name,
                              struct slice ip, struct slice node, struct error *error);
/* A pod of a protobuf list or a watch. */
enum err pod_table_apply(struct pod_table *table, enum kube_change change,
                         const struct kube_pod *pod, struct error *error);
/* Marks every node whose counts differ from those in `old`. */
void pod_table_compare(struct pod_table *table, const struct pod_table *old);
/* The counts of a node that has appeared are told, also when they were told before: nobody
 * listened. */
void pod_table_retell(struct pod_table *table, struct slice node);
/* Takes one changed node; false: none is left. The name lives as long as the table. */
bool pod_table_changed(struct pod_table *table, struct slice *ret_node,
                       struct pod_counts *ret_counts);

#endif
