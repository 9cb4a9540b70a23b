/*
 * apiserver.c - the modelled API server's life, and its requests taken apart: whose, for what, and
 * with which selectors.
 *
 * Refuses to know rows (objects.c), who is told of changes (watch.c) and bytes (encode.c).
 */
#include <assert.h>

#include "apiserver.h"

enum { OUT_MAX = 256 << 20 };

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
        buf_init(&api->scratch[i], API_TEXT_MAX);
    }
    for (uint32_t i = 0; i < API_WATCHES_MAX; i++) {
        buf_init(&api->watches[i].out, OUT_MAX);
    }
    api->version = 1000; /* a cluster that has lived */
    return api;
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
        api_node_drop(&api->nodes[i]);
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

    buf_init(&body, API_TEXT_MAX);
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
            api_watch_begin(api, place.kind, &selector, &query, request->accept, ret);
        } else {
            api_list(api, arena, place.kind, &selector, &query, request->accept, ret);
        }
    }
}
