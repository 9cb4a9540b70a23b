/*
 * watch.c - the log of changes, and the watches that are told of them.
 *
 * Knows selectors' before and after, bookmarks and compaction. Refuses to know bytes: encode.c
 * does.
 */
#include <assert.h>

#include "apiserver.h"

#define S_NS UINT64_C(1000000000)
#define BOOKMARK_NS (60 * S_NS)
/* A server keeps at least what has changed within 75 s; etcd is compacted each five minutes. */
#define KEEP_NS (300 * S_NS)

enum { CHANGES_MAX = 1 << 20 };

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

void api_log_change(struct api *api, enum api_kind kind, uint32_t row, struct api_look was,
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

void api_watch_begin(struct api *api, enum api_kind kind, const struct api_selector *selector,
                     const struct api_query *query, struct slice accept, struct api_response *ret)
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
