/*
 * list.c - lists: protobuf, Tables and JSON, with selectors and pages.
 *
 * Knows what a list shows. Pages are of the rows as they are when the page is asked for: what
 * changed meanwhile is newer than the list's resourceVersion, and a watch from there tells of it
 * again.
 */
#include "apiserver.h"

enum { LIST_MAX = 512 << 20 };

bool api_selects(const struct api_selector *selector, const struct api_look *look)
{
    return (selector->host_network < 0 || selector->host_network == look->host_network) &&
           (selector->bound < 0 || selector->bound == look->bound) &&
           (selector->agent < 0 || selector->agent == look->agent) &&
           !(selector->phases & 1U << look->phase);
}

bool api_named(const struct api *api, const struct api_selector *selector, enum api_kind kind,
               uint32_t row)
{
    if (!selector->name[0]) {
        return true;
    }
    if (kind == API_NODES) {
        return slice_is(api->nodes[row].name, selector->name);
    }
    return kind != API_PODS && slice_is(api->objects[row].name, selector->name);
}

/* ---- which rows ---- */

struct walk {
    const struct api *api;
    enum api_kind kind;
    const struct api_selector *selector;
    uint32_t at, left; /* rows still to be shown; UINT32_MAX: all */
};

static uint32_t rows_of(const struct walk *walk)
{
    return walk->kind == API_PODS    ? walk->api->pod_count
           : walk->kind == API_NODES ? walk->api->node_count
                                     : walk->api->object_count;
}

static bool shown(const struct walk *walk, uint32_t row)
{
    const struct api *api = walk->api;

    if (walk->kind == API_PODS) {
        struct api_look look = api_pod_look(&api->pods[row]);
        return api->pods[row].used && api_selects(walk->selector, &look);
    }
    bool used = walk->kind == API_NODES
                    ? api->nodes[row].used
                    : api->objects[row].used && api->objects[row].kind == walk->kind;
    return used && api_named(api, walk->selector, walk->kind, row);
}

/* The next row, or false at the page's end. */
static bool next(struct walk *walk, uint32_t *ret)
{
    for (; walk->left > 0 && walk->at < rows_of(walk); walk->at++) {
        if (shown(walk, walk->at)) {
            *ret = walk->at++;
            walk->left -= walk->left != UINT32_MAX;
            return true;
        }
    }
    return false;
}

/* "version.row" of what comes after the page; empty: nothing. */
static struct slice token_after(struct arena *arena, struct walk *walk, uint64_t version)
{
    uint32_t row = 0;
    struct walk rest = *walk;

    rest.left = 1;
    if (!next(&rest, &row)) {
        return SLICE("");
    }
    return arena_printf(arena, "%llu.%u", (unsigned long long)version, row);
}

/* ---- the three forms ---- */

static void list_proto(struct api *api, struct arena *arena, struct walk *walk, uint64_t version,
                       struct buf *out)
{
    struct buf list, item, meta;
    uint32_t row = 0;

    buf_init(&list, LIST_MAX);
    buf_init(&item, 4 << 20);
    buf_init(&meta, 4096);
    struct slice digits = arena_printf(arena, "%llu", (unsigned long long)version);
    struct buf items;
    buf_init(&items, LIST_MAX);
    while (next(walk, &row)) {
        buf_reset(&item);
        if (walk->kind == API_PODS) {
            api_pod_proto(api, &api->pods[row], &item);
        } else {
            api_node_proto(api, &api->nodes[row], &item);
        }
        api_proto_field(&items, 2, buf_slice(&item));
    }
    api_proto_field(&meta, 1, SLICE(""));
    api_proto_field(&meta, 2, digits);
    api_proto_field(&meta, 3, token_after(arena, walk, version));
    api_proto_field(&list, 1, buf_slice(&meta));
    buf_add_slice(&list, buf_slice(&items));
    api_proto_envelope(out, "v1", walk->kind == API_PODS ? "PodList" : "NodeList",
                       buf_slice(&list));
    buf_done(&list);
    buf_done(&item);
    buf_done(&items);
    buf_done(&meta);
}

static void list_table(struct api *api, struct arena *arena, struct walk *walk, uint64_t version,
                       struct buf *out)
{
    struct walk ahead = *walk;
    uint32_t row = 0;
    bool first = true;

    while (next(&ahead, &row)) {
    }
    buf_addf(out,
             "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
             "\"resourceVersion\":\"%llu\",\"continue\":\"%.*s\"},\"columnDefinitions\":",
             (unsigned long long)version, SLICE_ARG(token_after(arena, &ahead, version)));
    api_table_columns(out);
    buf_add_text(out, ",\"rows\":[");
    for (; next(walk, &row); first = false) {
        if (!first) {
            buf_add_char(out, ',');
        }
        api_table_row(api, &api->pods[row], out);
    }
    buf_add_text(out, "]}\n");
}

static void list_json(struct api *api, struct arena *arena, struct walk *walk, uint64_t version,
                      struct buf *out)
{
    struct buf item;
    uint32_t row = 0;
    bool first = true;

    buf_init(&item, 8 << 20);
    buf_addf(out, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[");
    for (; next(walk, &row); first = false) {
        buf_reset(&item);
        if (walk->kind == API_NODES) {
            api_node_json(api, &api->nodes[row], &item);
        } else {
            api_object_json(api, &api->objects[row], &item);
        }
        if (!first) {
            buf_add_char(out, ',');
        }
        buf_add_slice(out, buf_slice(&item));
    }
    buf_addf(out, "],\"metadata\":{\"resourceVersion\":\"%llu\",\"continue\":\"%.*s\"}}\n",
             (unsigned long long)version, SLICE_ARG(token_after(arena, walk, version)));
    buf_done(&item);
}

/* ---- a list ---- */

/* False: the token is none, or too old. */
static bool read_token(const struct api *api, struct slice token, uint64_t *version, uint32_t *at)
{
    struct slice rest = token;
    struct slice first = slice_cut(&rest, '.');
    uint64_t row = 0;

    if (slice_u64(first, UINT64_MAX, version) != ERR_OK ||
        slice_u64(rest, UINT32_MAX, &row) != ERR_OK || *version < api->compacted) {
        return false;
    }
    *at = (uint32_t)row;
    return true;
}

void api_list(struct api *api, struct arena *arena, enum api_kind kind,
              const struct api_selector *selector, const struct api_query *query,
              struct slice accept, struct api_response *ret)
{
    struct walk walk = { api, kind, selector, 0, UINT32_MAX };
    uint64_t version = api->version;
    bool table = slice_contains(accept, SLICE("as=Table"));
    bool proto = !table && slice_contains(accept, SLICE("protobuf"));
    bool native = kind == API_PODS || kind == API_NODES;
    struct buf out;

    if ((table && kind != API_PODS) || (proto && !native) ||
        (!table && !proto && kind == API_PODS)) {
        api_status(arena, false, 406, "NotAcceptable", SLICE("only the following are accepted"),
                   ret);
        return;
    }
    if (query->next.len > 0 && !read_token(api, query->next, &version, &walk.at)) {
        api_status(arena, proto, 410, "Expired",
                   SLICE("The provided continue parameter is too old to display a consistent list"),
                   ret);
        return;
    }
    /* A server's cache answers "any version" whole. */
    if (query->limit > 0 && !slice_is(query->version, "0")) {
        walk.left = (uint32_t)query->limit;
    }
    buf_init(&out, LIST_MAX);
    if (table) {
        list_table(api, arena, &walk, version, &out);
    } else if (proto) {
        list_proto(api, arena, &walk, version, &out);
    } else {
        list_json(api, arena, &walk, version, &out);
    }
    *ret = (struct api_response){
        .status = 200,
        .content_type = proto ? SLICE("application/vnd.kubernetes.protobuf")
                              : SLICE("application/json"),
        .body = arena_slice(arena, buf_slice(&out)),
        .watch = API_NONE,
    };
    buf_done(&out);
}
