/*
 * apiserver.c - the modelled API server's rows, its log of changes, and who is told of them.
 *
 * Knows versions, selectors' before and after, bookmarks and compaction. Refuses to know bytes:
 * encode.c does.
 */
#include <assert.h>

#include "apiserver.h"

#define S_NS UINT64_C(1000000000)
#define BOOKMARK_NS (60 * S_NS)
/* A server keeps at least what has changed within 75 s; etcd is compacted each five minutes. */
#define KEEP_NS (300 * S_NS)

enum { CHANGES_MAX = 1 << 20, OUT_MAX = 256 << 20, TEXT_MAX = 4 << 20 };

/* ---- life ---- */

static struct slice node_key(const void *rows, uint32_t handle)
{
    return ((const struct api_node *)rows)[handle].name;
}

struct api *api_new(void)
{
    struct api *api = mem_resize(NULL, 1, sizeof(*api));

    memset(api, 0, sizeof(*api));
    arena_init(&api->memory);
    interner_init(&api->names);
    interner_init(&api->events);
    interner_init(&api->told);
    index_init(&api->node_index, node_key);
    for (size_t i = 0; i < sizeof(api->scratch) / sizeof(api->scratch[0]); i++) {
        buf_init(&api->scratch[i], TEXT_MAX);
    }
    for (uint32_t i = 0; i < API_WATCHES_MAX; i++) {
        buf_init(&api->watches[i].out, OUT_MAX);
    }
    api->version = 1000; /* a cluster that has lived */
    return api;
}

static void own(struct slice *field, struct slice value)
{
    char *copy = mem_resize((char *)(uintptr_t)field->data, value.len + 1, 1);

    if (value.len > 0) {
        memmove(copy, value.data, value.len);
    }
    copy[value.len] = '\0';
    *field = (struct slice){ copy, value.len };
}

static void drop(struct slice *field)
{
    mem_free((char *)(uintptr_t)field->data);
    *field = (struct slice){ 0 };
}

static void drop_condition(struct api_condition *condition)
{
    drop(&condition->type);
    drop(&condition->status);
    drop(&condition->reason);
    drop(&condition->message);
}

static void drop_node(struct api_node *node)
{
    for (uint32_t i = 0; i < node->condition_count; i++) {
        drop_condition(&node->conditions[i]);
    }
    *node = (struct api_node){ 0 };
}

void api_free(struct api *api)
{
    if (!api) {
        return;
    }
    for (uint32_t i = 0; i < api->change_count; i++) {
        mem_free(api->changes[(api->change_begin + i) % api->change_capacity].bytes);
    }
    for (uint32_t i = 0; i < api->node_count; i++) {
        drop_node(&api->nodes[i]);
    }
    for (uint32_t i = 0; i < api->object_count; i++) {
        buf_done(&api->objects[i].spec);
        buf_done(&api->objects[i].status);
    }
    for (uint32_t i = 0; i < API_WATCHES_MAX; i++) {
        buf_done(&api->watches[i].out);
    }
    for (size_t i = 0; i < sizeof(api->scratch) / sizeof(api->scratch[0]); i++) {
        buf_done(&api->scratch[i]);
    }
    mem_free(api->changes);
    mem_free(api->nodes);
    mem_free(api->pods);
    mem_free(api->objects);
    index_done(&api->node_index);
    interner_done(&api->names);
    interner_done(&api->events);
    interner_done(&api->told);
    arena_done(&api->memory);
    mem_free(api);
}

uint32_t api_name(struct api *api, struct slice name)
{
    return interner_add(&api->names, name);
}

void api_token(struct api *api, struct slice token)
{
    memcpy(api->old_token, api->token, sizeof(api->token));
    enum err err = slice_copy(token, api->token, sizeof(api->token));
    assert(err == ERR_OK);
}

/* ---- the log of changes ---- */

static void forget_changes(struct api *api, uint64_t until_ns)
{
    while (api->change_count > 0) {
        struct api_change *oldest = &api->changes[api->change_begin];
        if (oldest->at_ns > until_ns && api->change_count < CHANGES_MAX) {
            return;
        }
        api->compacted = oldest->version;
        mem_free(oldest->bytes);
        oldest->bytes = NULL;
        api->change_begin = (api->change_begin + 1) % api->change_capacity;
        api->change_count--;
    }
}

void api_compact(struct api *api)
{
    forget_changes(api, UINT64_MAX);
    api->compacted = api->version;
}

static struct api_change *add_change(struct api *api)
{
    if (api->now_ns > KEEP_NS) {
        forget_changes(api, api->now_ns - KEEP_NS);
    }
    if (api->change_count == api->change_capacity) {
        uint32_t capacity = api->change_capacity ? api->change_capacity * 2 : 1024;
        struct api_change *fresh = mem_resize(NULL, capacity, sizeof(*fresh));
        for (uint32_t i = 0; i < api->change_count; i++) {
            fresh[i] = api->changes[(api->change_begin + i) % api->change_capacity];
        }
        mem_free(api->changes);
        api->changes = fresh;
        api->change_begin = 0;
        api->change_capacity = capacity;
    }
    return &api->changes[(api->change_begin + api->change_count++) % api->change_capacity];
}

/* What the change is to one who sees only what its selector lets through. */
static const char *type_for(const struct api *api, const struct api_watch *watch,
                            const struct api_change *change)
{
    if (watch->selector.name[0] && !api_named(api, &watch->selector, change->kind, change->row)) {
        return NULL;
    }
    bool was = change->was.there && api_selects(&watch->selector, &change->was);
    bool is = change->is.there && api_selects(&watch->selector, &change->is);

    return is ? (was ? "MODIFIED" : "ADDED") : was ? "DELETED" : NULL;
}

static void tell(struct api *api, struct api_watch *watch, const struct api_change *change)
{
    const char *type = type_for(api, watch, change);

    if (type && watch->table) {
        api_table_frame(api, watch, type, change->version,
                        (struct slice){ change->bytes + change->len, change->row_len });
    } else if (type) {
        api_frame(api, watch, type, (struct slice){ change->bytes, change->len });
    }
    watch->sent = change->version;
}

/* The object's bytes are in `body`, from `len` on its row of a Table. */
static void log_change(struct api *api, enum api_kind kind, uint32_t row, struct api_look was,
                       struct api_look is, const struct buf *body, size_t len)
{
    struct api_change *change = add_change(api);

    *change = (struct api_change){
        .version = api->version,
        .at_ns = api->now_ns,
        .kind = kind,
        .row = row,
        .was = was,
        .is = is,
        .bytes = mem_resize(NULL, body->len + 1, 1),
        .len = len,
        .row_len = body->len - len,
    };
    memcpy(change->bytes, body->data, body->len);
    for (uint32_t i = 0; i < api->watch_count; i++) {
        if (api->watches[i].open && !api->watches[i].over && api->watches[i].kind == kind) {
            tell(api, &api->watches[i], change);
        }
    }
}

/* ---- nodes ---- */

static const struct api_look there = { .there = true }, gone = { 0 };

static const struct pair *copy_pairs(struct api *api, const struct pair *from, uint32_t count)
{
    struct pair *pairs = ARENA_ARRAY(&api->memory, struct pair, count);

    for (uint32_t i = 0; i < count; i++) {
        pairs[i].key = interner_get(&api->names, api_name(api, from[i].key));
        pairs[i].value = interner_get(&api->names, api_name(api, from[i].value));
    }
    return pairs;
}

static void log_node(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->nodes[row].version = ++api->version;
    buf_reset(body);
    api_node_proto(api, &api->nodes[row], body);
    log_change(api, API_NODES, row, was, is, body, body->len);
}

uint32_t api_node_add(struct api *api, const struct api_node *from)
{
    uint32_t row = 0;

    while (row < api->node_count && api->nodes[row].used) {
        row++;
    }
    mem_reserve(&api->nodes, &api->node_capacity, row + 1, sizeof(*api->nodes));
    api->node_count = row == api->node_count ? row + 1 : api->node_count;
    struct api_node *node = &api->nodes[row];
    *node = *from;
    node->used = true;
    node->name = arena_slice(&api->memory, from->name);
    node->provider_id = arena_slice(&api->memory, from->provider_id);
    node->labels = copy_pairs(api, from->labels, from->label_count);
    node->annotations = copy_pairs(api, from->annotations, from->annotation_count);
    node->taint_count = node->condition_count = 0;
    for (uint32_t i = 0; i < from->taint_count; i++) {
        (void)api_node_taint(api, row, &from->taints[i]);
    }
    node->uid = ++api->next_uid;
    node->created_wall_ns = api->wall_ns;
    index_add(&api->node_index, api->nodes, row);
    log_node(api, row, gone, there);
    return row;
}

void api_node_touched(struct api *api, uint32_t row)
{
    log_node(api, row, there, there);
}

void api_node_delete(struct api *api, uint32_t row)
{
    log_node(api, row, there, gone);
    index_remove(&api->node_index, api->nodes, api->nodes[row].name);
    drop_node(&api->nodes[row]);
}

const struct api_condition *api_find_condition(const struct api_node *node, struct slice type)
{
    for (uint32_t i = 0; i < node->condition_count; i++) {
        if (slice_eq(node->conditions[i].type, type)) {
            return &node->conditions[i];
        }
    }
    return NULL;
}

void api_node_condition(struct api *api, uint32_t row, struct slice type, struct slice status,
                        struct slice reason, struct slice message)
{
    struct api_node *node = &api->nodes[row];
    uint32_t at = 0;

    while (at < node->condition_count && !slice_eq(node->conditions[at].type, type)) {
        at++;
    }
    assert(at < API_CONDITIONS_MAX);
    struct api_condition *condition = &node->conditions[at];
    if (at == node->condition_count) {
        node->condition_count++;
        *condition = (struct api_condition){ 0 };
        own(&condition->type, type);
    }
    if (!slice_eq(condition->status, status)) {
        condition->since_wall_ns = api->wall_ns;
    }
    condition->beat_wall_ns = api->wall_ns;
    own(&condition->status, status);
    own(&condition->reason, reason);
    own(&condition->message, message);
}

bool api_has_taint(const struct api_node *node, struct slice key)
{
    for (uint32_t i = 0; i < node->taint_count; i++) {
        if (slice_eq(node->taints[i].key, key)) {
            return true;
        }
    }
    return false;
}

bool api_node_taint(struct api *api, uint32_t row, const struct api_taint *taint)
{
    struct api_node *node = &api->nodes[row];

    if (node->taint_count == API_TAINTS_MAX || api_has_taint(node, taint->key)) {
        return false;
    }
    node->taints[node->taint_count++] = (struct api_taint){
        .key = interner_get(&api->names, api_name(api, taint->key)),
        .value = interner_get(&api->names, api_name(api, taint->value)),
        .effect = interner_get(&api->names, api_name(api, taint->effect)),
    };
    return true;
}

bool api_node_untaint(struct api *api, uint32_t row, struct slice key)
{
    struct api_node *node = &api->nodes[row];

    for (uint32_t i = 0; i < node->taint_count; i++) {
        if (slice_eq(node->taints[i].key, key)) {
            memmove(&node->taints[i], &node->taints[i + 1],
                    (--node->taint_count - i) * sizeof(*node->taints));
            return true;
        }
    }
    return false;
}

/* ---- pods ---- */

struct api_look api_pod_look(const struct api_pod *pod)
{
    return (struct api_look){
        .there = true,
        .bound = pod->node != API_NONE,
        .host_network = pod->host_network,
        .agent = pod->agent,
        .phase = pod->phase,
    };
}

static void log_pod(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->pods[row].version = ++api->version;
    buf_reset(body);
    api_pod_proto(api, &api->pods[row], body);
    size_t len = body->len;
    api_table_row(api, &api->pods[row], body);
    log_change(api, API_PODS, row, was, is, body, len);
}

void api_pod_put(struct api *api, uint32_t row, const struct api_pod *from)
{
    struct api_look was = gone;

    mem_reserve(&api->pods, &api->pod_capacity, row + 1, sizeof(*api->pods));
    api->pod_count = row < api->pod_count ? api->pod_count : row + 1;
    struct api_pod *pod = &api->pods[row];
    uint64_t uid = pod->uid;
    if (pod->used) {
        was = api_pod_look(pod);
    } else {
        uid = ++api->next_uid;
    }
    *pod = *from;
    pod->used = true;
    pod->uid = uid;
    log_pod(api, row, was, api_pod_look(pod));
}

void api_pod_delete(struct api *api, uint32_t row)
{
    log_pod(api, row, api_pod_look(&api->pods[row]), gone);
    api->pods[row] = (struct api_pod){ 0 };
}

/* ---- the rest ---- */

uint32_t api_object_find(const struct api *api, enum api_kind kind, struct slice namespace,
                         struct slice name)
{
    for (uint32_t i = 0; i < api->object_count; i++) {
        const struct api_object *object = &api->objects[i];
        if (object->used && object->kind == kind && slice_eq(object->name, name) &&
            slice_eq(object->namespace, namespace)) {
            return i;
        }
    }
    return API_NONE;
}

static void log_object(struct api *api, uint32_t row, struct api_look was, struct api_look is)
{
    struct buf *body = &api->scratch[2];

    api->objects[row].version = ++api->version;
    buf_reset(body);
    api_object_json(api, &api->objects[row], body);
    log_change(api, api->objects[row].kind, row, was, is, body, body->len);
}

void api_object_touched(struct api *api, uint32_t row)
{
    log_object(api, row, there, there);
}

uint32_t api_object_put(struct api *api, enum api_kind kind, struct slice namespace,
                        struct slice name, struct slice spec)
{
    uint32_t row = api_object_find(api, kind, namespace, name);
    bool fresh = row == API_NONE;

    if (fresh) {
        row = api->object_count++;
        mem_reserve(&api->objects, &api->object_capacity, row + 1, sizeof(*api->objects));
        struct api_object *object = &api->objects[row];
        *object = (struct api_object){
            .used = true,
            .kind = kind,
            .name = arena_slice(&api->memory, name),
            .namespace = arena_slice(&api->memory, namespace),
            .uid = ++api->next_uid,
        };
        buf_init(&object->spec, TEXT_MAX);
        buf_init(&object->status, TEXT_MAX);
    }
    struct api_object *object = &api->objects[row];
    if (fresh || !slice_eq(buf_slice(&object->spec), spec)) {
        object->generation++;
        buf_reset(&object->spec);
        buf_add_slice(&object->spec, spec);
        log_object(api, row, fresh ? gone : there, there);
    }
    return row;
}

/* ---- watches ---- */

struct buf *api_watch_out(struct api *api, uint32_t watch)
{
    return &api->watches[watch].out;
}

void api_watch_close(struct api *api, uint32_t watch)
{
    api->watches[watch].open = false;
    buf_reset(&api->watches[watch].out);
}

static uint32_t open_watch(struct api *api, enum api_kind kind, const struct api_selector *selector,
                           const struct api_query *query, struct slice accept)
{
    uint32_t at = 0;

    while (at < API_WATCHES_MAX && api->watches[at].open) {
        at++;
    }
    assert(at < API_WATCHES_MAX);
    api->watch_count = at < api->watch_count ? api->watch_count : at + 1;
    struct api_watch *watch = &api->watches[at];
    struct buf out = watch->out;
    bool table = kind == API_PODS && slice_contains(accept, SLICE("as=Table"));
    *watch = (struct api_watch){
        .open = true,
        .kind = kind,
        .selector = *selector,
        .proto = !table && slice_contains(accept, SLICE("protobuf")),
        .table = table,
        .bookmarks = query->bookmarks,
        .out = out,
        .bookmark_ns = query->bookmarks ? api->now_ns + BOOKMARK_NS : UINT64_MAX,
        .end_ns = api->now_ns + (query->timeout_s ? query->timeout_s : 1800) * S_NS,
    };
    buf_reset(&watch->out);
    return at;
}

static void begin_watch(struct api *api, enum api_kind kind, const struct api_selector *selector,
                        const struct api_query *query, struct slice accept,
                        struct api_response *ret)
{
    uint64_t from = 0;
    uint32_t at = open_watch(api, kind, selector, query, accept);
    struct api_watch *watch = &api->watches[at];
    *ret = (struct api_response){
        .status = 200,
        .content_type = watch->proto ? SLICE("application/vnd.kubernetes.protobuf;stream=watch")
                                     : SLICE("application/json"),
        .watch = at,
    };
    if (slice_u64(query->version, UINT64_MAX, &from) != ERR_OK || from < api->compacted) {
        api_watch_error(api, watch, 410, "Expired", "too old resource version");
        return;
    }
    for (uint32_t i = 0; i < api->change_count; i++) {
        const struct api_change *change =
            &api->changes[(api->change_begin + i) % api->change_capacity];
        if (change->version > from && change->kind == kind) {
            tell(api, watch, change);
        }
    }
}

/* Once a minute, and shortly before the watch ends. */
static uint64_t next_bookmark(const struct api_watch *watch, uint64_t now_ns)
{
    uint64_t last_ns = watch->end_ns - 2 * S_NS;
    uint64_t next_ns = now_ns + BOOKMARK_NS;

    return now_ns < last_ns && next_ns > last_ns ? last_ns : next_ns;
}

void api_advance(struct api *api, uint64_t now_ns, uint64_t wall_ns)
{
    api->now_ns = now_ns;
    api->wall_ns = wall_ns;
    for (uint32_t i = 0; i < api->watch_count; i++) {
        struct api_watch *watch = &api->watches[i];
        if (!watch->open || watch->over) {
            continue;
        }
        if (watch->bookmark_ns <= now_ns) {
            api_bookmark(api, watch);
            watch->bookmark_ns = next_bookmark(watch, now_ns);
        }
        if (watch->end_ns <= now_ns) {
            watch->over = true;
            api->changed = true;
        }
    }
}

uint64_t api_deadline_ns(const struct api *api)
{
    uint64_t at = UINT64_MAX;

    for (uint32_t i = 0; i < api->watch_count; i++) {
        const struct api_watch *watch = &api->watches[i];
        if (watch->open && !watch->over) {
            at = watch->bookmark_ns < at ? watch->bookmark_ns : at;
            at = watch->end_ns < at ? watch->end_ns : at;
        }
    }
    return at;
}

/* ---- requests ---- */

/* "%3D" and "+" as they were. */
static struct slice decoded(struct arena *arena, struct slice s)
{
    char *text = arena_alloc(arena, s.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '%' && i + 2 < s.len) {
            unsigned value = 0;
            for (size_t j = 1; j <= 2; j++) {
                unsigned digit = (unsigned char)s.data[i + j] | 0x20U;
                value = value * 16 + (digit <= '9' ? digit - '0' : digit - 'a' + 10);
            }
            c = (char)value;
            i += 2;
        }
        text[len++] = c;
    }
    return (struct slice){ text, len };
}

static void read_query(struct arena *arena, struct slice rest, struct api_query *ret)
{
    *ret = (struct api_query){ 0 };
    while (rest.len > 0) {
        struct slice value = slice_cut(&rest, '&');
        struct slice key = slice_cut(&value, '=');
        bool bad = false;
        value = decoded(arena, value);
        if (slice_is(key, "fieldSelector")) {
            ret->fields = value;
        } else if (slice_is(key, "labelSelector")) {
            ret->labels = value;
        } else if (slice_is(key, "resourceVersion")) {
            ret->version = value;
        } else if (slice_is(key, "resourceVersionMatch")) {
            ret->match = value;
        } else if (slice_is(key, "continue")) {
            ret->next = value;
        } else if (slice_is(key, "limit")) {
            bad = slice_u64(value, 1000000, &ret->limit) != ERR_OK;
        } else if (slice_is(key, "timeoutSeconds")) {
            bad = slice_u64(value, 86400, &ret->timeout_s) != ERR_OK;
        } else if (slice_is(key, "watch")) {
            bad = slice_bool(value, &ret->watch) != ERR_OK;
        } else if (slice_is(key, "allowWatchBookmarks")) {
            bad = slice_bool(value, &ret->bookmarks) != ERR_OK;
        }
        ret->bad = ret->bad || bad;
    }
}

static bool one_field(struct slice key, bool equal, struct slice value, struct api_selector *ret)
{
    if (slice_is(key, "metadata.name")) {
        return equal && slice_copy(value, ret->name, sizeof(ret->name)) == ERR_OK;
    }
    if (slice_is(key, "spec.hostNetwork")) {
        ret->host_network = slice_is(value, "true") == equal;
        return true;
    }
    if (slice_is(key, "spec.nodeName")) {
        ret->bound = value.len == 0 ? !equal : -1;
        return value.len == 0;
    }
    if (slice_is(key, "status.phase")) {
        static const char *const phases[] = { "Pending", "Running", "Succeeded", "Failed" };
        for (uint32_t i = 0; i < 4; i++) {
            if (slice_is(value, phases[i])) {
                ret->phases |= equal ? ~(1U << i) : 1U << i;
            }
        }
        return true;
    }
    return false;
}

static void read_selector(enum api_kind kind, const struct api_query *query,
                          struct api_selector *ret)
{
    struct slice rest = query->fields;

    *ret = (struct api_selector){ .host_network = -1, .bound = -1, .agent = -1 };
    while (rest.len > 0) {
        struct slice term = slice_cut(&rest, ',');
        struct slice value = term;
        struct slice key = slice_cut(&value, '=');
        bool equal = !slice_ends(key, SLICE("!"));
        key.len -= !equal;
        if (value.len > 0 && value.data[0] == '=') {
            value = (struct slice){ value.data + 1, value.len - 1 };
        }
        ret->refuses |= !one_field(key, equal, value, ret) ||
                        (kind != API_PODS && !slice_is(key, "metadata.name"));
    }
    if (query->labels.len > 0) {
        ret->agent = slice_is(query->labels, "k8s-app=aws-node");
        ret->refuses |= kind != API_PODS;
    }
}

/* "/apis/GROUP/VERSION/[namespaces/NS/]RESOURCE[/NAME[/SUB]]" taken apart. */
struct place {
    enum api_kind kind;
    struct slice namespace, name, subresource;
};

static bool find_place(struct slice path, struct place *ret)
{
    static const struct {
        const char *base, *resource;
    } known[API_KINDS] = {
        [API_NODES] = { "/api/v1/", "nodes" },
        [API_PODS] = { "/api/v1/", "pods" },
        [API_DAEMONSETS] = { "/apis/apps/v1/", "daemonsets" },
        [API_POOLS] = { "/apis/headroom.dev/v1alpha1/", "subnetpools" },
        [API_ENICONFIGS] = { "/apis/crd.k8s.amazonaws.com/v1alpha1/", "eniconfigs" },
        [API_LEASES] = { "/apis/coordination.k8s.io/v1/", "leases" },
        [API_EVENTS] = { "/apis/events.k8s.io/v1/", "events" },
    };

    for (uint32_t kind = 0; kind < API_KINDS; kind++) {
        struct slice base = slice_of(known[kind].base);
        *ret = (struct place){ .kind = (enum api_kind)kind };
        if (!slice_starts(path, base)) {
            continue;
        }
        struct slice rest = { path.data + base.len, path.len - base.len };
        struct slice resource = slice_cut(&rest, '/');
        if (slice_is(resource, "namespaces")) {
            ret->namespace = slice_cut(&rest, '/');
            resource = slice_cut(&rest, '/');
        }
        if (slice_is(resource, known[kind].resource)) {
            ret->name = slice_cut(&rest, '/');
            ret->subresource = rest;
            return true;
        }
    }
    return false;
}

static void get(struct api *api, struct arena *arena, const struct place *place,
                struct api_response *ret)
{
    struct buf body;
    bool found = false;

    buf_init(&body, TEXT_MAX);
    if (place->kind == API_NODES) {
        uint32_t row = index_find(&api->node_index, api->nodes, place->name);
        found = row != INDEX_NONE;
        if (found) {
            api_node_json(api, &api->nodes[row], &body);
        }
    } else if (place->kind != API_PODS && place->kind != API_EVENTS) {
        uint32_t row = api_object_find(api, place->kind, place->namespace, place->name);
        found = row != API_NONE;
        if (found) {
            api_object_json(api, &api->objects[row], &body);
        }
    }
    if (found) {
        *ret = (struct api_response){ 200, SLICE("application/json"),
                                      arena_slice(arena, buf_slice(&body)), API_NONE };
    } else {
        api_status(arena, false, 404, "NotFound",
                   arena_printf(arena, "\"%.*s\" not found", SLICE_ARG(place->name)), ret);
    }
    buf_done(&body);
}

static bool authorized(const struct api *api, struct slice header)
{
    struct slice prefix = SLICE("Bearer ");

    if (!slice_starts(header, prefix)) {
        return false;
    }
    struct slice token = { header.data + prefix.len, header.len - prefix.len };
    return slice_is(token, api->token) || (api->old_token[0] && slice_is(token, api->old_token));
}

void api_serve(struct api *api, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
               const struct api_request *request, struct api_response *ret)
{
    struct slice rest = request->target;
    struct slice path = slice_cut(&rest, '?');
    struct api_query query;
    struct api_selector selector;
    struct place place;
    bool proto = slice_contains(request->accept, SLICE("protobuf"));

    api_advance(api, now_ns, wall_ns);
    api->requests++;
    read_query(arena, rest, &query);
    if (!authorized(api, request->authorization)) {
        api_status(arena, proto, 401, "Unauthorized", SLICE("Unauthorized"), ret);
    } else if (!find_place(path, &place) || api->absent[place.kind]) {
        api_status(arena, proto, 404, "NotFound",
                   SLICE("the server could not find the requested resource"), ret);
    } else if (strcmp(request->method, "GET") != 0) {
        api_write(api, arena, place.kind, place.namespace, place.name, place.subresource, request,
                  ret);
    } else if (place.name.len > 0) {
        get(api, arena, &place, ret);
    } else {
        read_selector(place.kind, &query, &selector);
        if (selector.refuses || query.bad) {
            api_status(arena, proto, 400, "BadRequest",
                       SLICE("a field label or parameter is not supported"), ret);
        } else if (query.watch) {
            begin_watch(api, place.kind, &selector, &query, request->accept, ret);
        } else {
            api_list(api, arena, place.kind, &selector, &query, request->accept, ret);
        }
    }
}
