/*
 * pod_table.c - pods by node, counted exactly as the watch tells them.
 *
 * Knows identity: a uid once a watch event has named it, node and name before. Refuses to know
 * where the pods come from and who wants the counts.
 */
#include <assert.h>

#include "pod_table.h"

enum { NODE_HANDLES = 1 << 20, IP_MARK_MAX = (1 << 19) - 1, IP_LOW = (1 << 9) - 1 };

/* Of 150,000 pods two share one once in 100,000 clusters. */
#define KEY_MASK ((UINT64_C(1) << 54) - 1)

/* A sixth stays empty: rows lie side by side, and a search looks at a few. Growing by eighths:
 * half of it empty would be the largest waste of memory of all. */
enum { SIZE_MIN = 64, GROWS = 8, EMPTY = 6 };

void pod_table_init(struct pod_table *table)
{
    *table = (struct pod_table){ 0 };
    interner_init(&table->nodes);
}

void pod_table_done(struct pod_table *table)
{
    for (uint32_t i = 0; i < POD_SHARDS; i++) {
        mem_free(table->shards[i].rows);
        table->shards[i] = (struct pod_shard){ 0 };
    }
    table->count = 0;
    table->counts = mem_resize(table->counts, 0, sizeof(*table->counts));
    table->dirty = mem_resize(table->dirty, 0, sizeof(*table->dirty));
    interner_done(&table->nodes);
}

static uint64_t key_of(const struct pod_row *row)
{
    return (uint64_t)row->key_high << 32 | row->key_low;
}

static uint32_t ip_of(const struct pod_row *row)
{
    return (uint32_t)row->ip_high << 9 | row->ip_low;
}

/* ---- counts ---- */

static void mark_dirty(struct pod_table *table, uint32_t node)
{
    if (table->counts[node].dirty) {
        return;
    }
    table->counts[node].dirty = true;
    mem_reserve(&table->dirty, &table->dirty_capacity, table->dirty_count + 1,
                sizeof(*table->dirty));
    table->dirty[table->dirty_count++] = node;
}

static uint32_t node_handle(struct pod_table *table, struct slice name)
{
    uint32_t node = interner_add(&table->nodes, name);

    assert(node < NODE_HANDLES);
    mem_reserve(&table->counts, &table->counts_capacity, node + 1, sizeof(*table->counts));
    return node;
}

static void count(struct pod_table *table, const struct pod_row *row, uint32_t sign)
{
    uint32_t node = row->node;
    struct pod_counts *counts = &table->counts[node];

    counts->holding += ip_of(row) != 0 ? sign : 0;
    counts->waiting += ip_of(row) == 0 ? sign : 0;
    counts->branch += row->branch ? sign : 0;
    mark_dirty(table, node);
}

void pod_table_retell(struct pod_table *table, struct slice node)
{
    uint32_t handle = interner_find(&table->nodes, node);

    if (handle != INDEX_NONE) {
        mark_dirty(table, handle);
    }
}

bool pod_table_changed(struct pod_table *table, struct slice *ret_node,
                       struct pod_counts *ret_counts)
{
    if (table->dirty_told == table->dirty_count) {
        table->dirty_told = table->dirty_count = 0;
        return false;
    }
    uint32_t node = table->dirty[table->dirty_told++];
    table->counts[node].dirty = false;
    *ret_node = interner_get(&table->nodes, node);
    *ret_counts = table->counts[node];
    return true;
}

/* ---- rows ---- */

static struct pod_shard *shard_of(const struct pod_table *table, uint64_t key)
{
    return (struct pod_shard *)&table->shards[key % POD_SHARDS];
}

/* Where the search for a key begins. */
static uint32_t home(const struct pod_shard *shard, uint64_t key)
{
    return (uint32_t)((key >> 22) * shard->size >> 32);
}

static uint32_t after(const struct pod_shard *shard, uint32_t at)
{
    return at + 1 < shard->size ? at + 1 : 0;
}

/* From one slot on to another, around the end. */
static uint32_t distance(const struct pod_shard *shard, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + shard->size - from;
}

static void place_row(struct pod_shard *shard, const struct pod_row *row)
{
    uint32_t at = home(shard, key_of(row));

    while (shard->rows[at].used) {
        at = after(shard, at);
    }
    shard->rows[at] = *row;
}

static void grow(struct pod_shard *shard)
{
    struct pod_row *old = shard->rows;
    uint32_t old_size = shard->size;

    shard->size = old_size ? old_size + old_size / GROWS : SIZE_MIN;
    shard->rows = mem_zeroed(shard->size, sizeof(*shard->rows));
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i].used) {
            place_row(shard, &old[i]);
        }
    }
    mem_free(old);
}

static enum err add_row(struct pod_table *table, const struct pod_row *row, struct error *error)
{
    struct pod_shard *shard = shard_of(table, key_of(row));

    if (table->count == PODS_MAX) {
        return error_set(error, ERR_LIMIT, "more than %d pods", PODS_MAX);
    }
    if (shard->count + 1 > shard->size - shard->size / EMPTY) {
        grow(shard);
    }
    place_row(shard, row);
    shard->count++;
    table->count++;
    count(table, row, 1);
    return ERR_OK;
}

/* Closes the gap, so that a search never meets one too early. */
static void remove_row(struct pod_table *table, struct pod_row *row)
{
    struct pod_shard *shard = shard_of(table, key_of(row));
    uint32_t gap = (uint32_t)(row - shard->rows);

    count(table, row, UINT32_MAX);
    shard->count--;
    table->count--;
    for (uint32_t at = after(shard, gap); shard->rows[at].used; at = after(shard, at)) {
        uint32_t wanted = home(shard, key_of(&shard->rows[at]));
        if (distance(shard, wanted, at) >= distance(shard, gap, at)) {
            shard->rows[gap] = shard->rows[at];
            gap = at;
        }
    }
    shard->rows[gap] = (struct pod_row){ 0 };
}

/* By one of the same key, which stays in its place. */
static void replace_row(struct pod_table *table, struct pod_row *old, const struct pod_row *row)
{
    if (memcmp(old, row, sizeof(*row)) == 0) {
        return; /* nothing to tell */
    }
    count(table, old, UINT32_MAX);
    *old = *row;
    count(table, old, 1);
}

static struct pod_row *find_identified(const struct pod_table *table, uint64_t key)
{
    const struct pod_shard *shard = shard_of(table, key);

    if (shard->size == 0) {
        return NULL;
    }
    for (uint32_t at = home(shard, key); shard->rows[at].used; at = after(shard, at)) {
        if (shard->rows[at].identified && key_of(&shard->rows[at]) == key) {
            return &shard->rows[at];
        }
    }
    return NULL;
}

/* Of the rows of that name on that node which no event has named yet: best the one with the same
 * address, else one without any, else any. */
static struct pod_row *find_nameless(const struct pod_table *table, uint64_t key, uint32_t ip)
{
    const struct pod_shard *shard = shard_of(table, key);
    struct pod_row *best = NULL;
    uint32_t best_rank = 0;

    if (shard->size == 0) {
        return NULL;
    }
    for (uint32_t at = home(shard, key); shard->rows[at].used; at = after(shard, at)) {
        struct pod_row *row = &shard->rows[at];
        uint32_t rank = ip_of(row) == ip ? 3 : ip_of(row) == 0 ? 2 : 1;
        if (!row->identified && key_of(row) == key && rank > best_rank) {
            best = row;
            best_rank = rank;
        }
    }
    return best;
}

/* ---- pods ---- */

static uint64_t name_key(struct slice node, struct slice name)
{
    return (slice_hash_quick(node) * 31 + slice_hash_quick(name)) & KEY_MASK;
}

static uint64_t uid_key(struct slice uid)
{
    return slice_hash_quick(uid) & KEY_MASK;
}

/* Only addresses of pods of one name on one node are compared, and only before they have a uid. */
static uint32_t ip_mark(struct slice ip)
{
    return ip.len == 0 ? 0 : 1 + (uint32_t)(slice_hash_quick(ip) % IP_MARK_MAX);
}

static struct pod_row make_row(struct pod_table *table, uint64_t key, struct slice ip,
                               struct slice node)
{
    uint32_t mark = ip_mark(ip);

    return (struct pod_row){
        .key_low = (uint32_t)key,
        .key_high = (uint32_t)(key >> 32) & 0x3FFFFF,
        .ip_high = mark >> 9 & 0x3FF,
        .ip_low = mark & IP_LOW,
        .node = node_handle(table, node) & (NODE_HANDLES - 1),
        .used = 1,
    };
}

enum err pod_table_row(struct pod_table *table, struct slice name, struct slice ip,
                       struct slice node, struct error *error)
{
    if (node.len == 0) {
        return ERR_OK;
    }
    struct pod_row row = make_row(table, name_key(node, name), ip, node);
    return add_row(table, &row, error);
}

enum err pod_table_row_change(struct pod_table *table, enum kube_change change, struct slice name,
                              struct slice ip, struct slice node, struct error *error)
{
    if (node.len == 0) {
        return ERR_OK;
    }
    struct pod_row row = make_row(table, name_key(node, name), ip, node);
    /* What is added now cannot be among those that are there. */
    struct pod_row *old = change == KUBE_ADDED ? NULL
                                               : find_nameless(table, key_of(&row), ip_of(&row));
    if (change == KUBE_DELETED) {
        if (old) {
            remove_row(table, old);
        }
        return ERR_OK;
    }
    if (!old) {
        return add_row(table, &row, error);
    }
    replace_row(table, old, &row);
    return ERR_OK;
}

static struct pod_row *find_pod(const struct pod_table *table, enum kube_change change,
                                const struct kube_pod *pod, uint32_t ip)
{
    struct pod_row *row = find_identified(table, uid_key(pod->uid));

    /* What is added now cannot be among those that a list brought before. */
    if (!row && change != KUBE_ADDED) {
        row = find_nameless(table, name_key(pod->node, pod->name), ip);
    }
    return row;
}

enum err pod_table_apply(struct pod_table *table, enum kube_change change,
                         const struct kube_pod *pod, struct error *error)
{
    struct pod_row *old = find_pod(table, change, pod, ip_mark(pod->ip));
    bool leaves = change == KUBE_DELETED || pod->host_network || pod->finished ||
                  pod->node.len == 0;

    if (leaves) {
        if (old) {
            remove_row(table, old);
        }
        return ERR_OK;
    }
    struct pod_row row = make_row(table, uid_key(pod->uid), pod->ip, pod->node);
    row.identified = 1;
    row.branch = pod->branch;
    if (!old) {
        return add_row(table, &row, error);
    }
    if (key_of(old) == key_of(&row)) {
        replace_row(table, old, &row);
        return ERR_OK;
    }
    remove_row(table, old);
    return add_row(table, &row, error);
}

/* ---- a new list against the old one ---- */

static bool counts_equal(const struct pod_counts *a, const struct pod_counts *b)
{
    return a->holding == b->holding && a->waiting == b->waiting && a->branch == b->branch;
}

void pod_table_compare(struct pod_table *table, const struct pod_table *old)
{
    static const struct pod_counts none;

    for (uint32_t i = 0; i < table->dirty_count; i++) {
        table->counts[table->dirty[i]].dirty = false;
    }
    table->dirty_count = table->dirty_told = 0;
    for (uint32_t node = 0; node < old->nodes.count; node++) {
        if (!counts_equal(&old->counts[node], &none) || old->counts[node].dirty) {
            (void)node_handle(table, interner_get(&old->nodes, node));
        }
    }
    for (uint32_t node = 0; node < table->nodes.count; node++) {
        uint32_t before = interner_find(&old->nodes, interner_get(&table->nodes, node));
        bool untold = before != INDEX_NONE && old->counts[before].dirty;
        const struct pod_counts *counts = before == INDEX_NONE ? &none : &old->counts[before];
        if (untold || !counts_equal(&table->counts[node], counts)) {
            mark_dirty(table, node);
        }
    }
}
