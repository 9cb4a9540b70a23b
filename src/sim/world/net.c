/*
 * net.c - requests under way: they take time, can be lost, and end exactly once.
 *
 *   fetch --UP--> server --DOWN--> HEAD, BODY.., END
 *                        --STREAM--> HEAD, BODY as changes come, .. END
 *
 * Knows latency, time limits and broken connections. Refuses to know what is in a request.
 */
#include "state.h"

#define API_UP_NS (2 * SIM_MS)
#define API_DOWN_NS (3 * SIM_MS)
#define API_SPREAD_NS (4 * SIM_MS)
#define EC2_UP_NS (30 * SIM_MS)
#define EC2_DOWN_NS (70 * SIM_MS)
#define EC2_SPREAD_NS (200 * SIM_MS)

enum { PIECE = 256 << 10 };

static uint32_t slot_of(const struct world *world, const struct world_call *call)
{
    return (uint32_t)(call - world->calls);
}

static void set_timer(struct world *world, struct world_call *call, uint64_t at_ns)
{
    call->at_ns = at_ns;
    uint64_t due_ns = at_ns < call->limit_ns ? at_ns : call->limit_ns;
    if (call->phase != CALL_END && call->idle_ns) {
        uint64_t silent_ns = call->heard_ns + call->idle_ns;
        due_ns = silent_ns < due_ns ? silent_ns : due_ns;
    }
    timers_set(&world->call_timers, slot_of(world, call), due_ns);
}

static void release(struct world *world, struct world_call *call)
{
    struct arena arena = call->arena;

    timers_set(&world->call_timers, slot_of(world, call), TIMERS_NEVER);
    if (call->watch != API_NONE && world->api) {
        api_watch_close(world->api, call->watch);
    }
    arena_reset(&arena);
    *call = (struct world_call){ .arena = arena, .watch = API_NONE };
}

/* ---- starting ---- */

static struct world_call *take_slot(struct world *world)
{
    uint32_t slot = 0;

    while (slot < CALLS_MAX && world->calls[slot].used) {
        slot++;
    }
    if (slot == CALLS_MAX) {
        return NULL;
    }
    world->call_count = slot < world->call_count ? world->call_count : slot + 1;
    return &world->calls[slot];
}

static void copy_request(struct world_call *call, const struct fetch *fetch)
{
    call->kind = fetch->kind;
    call->method = fetch->method;
    call->target = arena_slice(&call->arena, fetch->target);
    call->body = arena_slice(&call->arena, fetch->body);
    call->headers = ARENA_ARRAY(&call->arena, struct fetch_header, fetch->header_count);
    call->header_count = fetch->header_count;
    for (size_t i = 0; i < fetch->header_count; i++) {
        call->headers[i].name = arena_slice(&call->arena, fetch->headers[i].name);
        call->headers[i].value = arena_slice(&call->arena, fetch->headers[i].value);
    }
    call->response_max = fetch->response_max;
    call->to_kube = slice_starts(fetch->target, SLICE("https://api.sim"));
}

static void start(struct world *world, const struct fetch *fetch)
{
    struct world_call *call = take_slot(world);

    if (!call) {
        world_violate(world, "more than %d requests under way", CALLS_MAX);
        return;
    }
    *call = (struct world_call){ .used = true,
                                 .id = fetch->id,
                                 .phase = CALL_UP,
                                 .arena = call->arena,
                                 .cut_after = SIZE_MAX,
                                 .watch = API_NONE,
                                 .heard_ns = world->now_ns,
                                 .limit_ns = UINT64_MAX,
                                 .idle_ns = fetch->idle_ms * SIM_MS };
    copy_request(call, fetch);
    if (fetch->total_ms) {
        call->limit_ns = world->now_ns + fetch->total_ms * SIM_MS;
    }
    uint64_t up_ns = call->kind != FETCH_HTTP ? SIM_MS / 10 : call->to_kube ? API_UP_NS : EC2_UP_NS;
    set_timer(world, call, world->now_ns + up_ns + prng_below(&world->net_prng, up_ns));
}

static struct world_call *find(struct world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->call_count; i++) {
        if (world->calls[i].used && !world->calls[i].orphan && world->calls[i].id == id) {
            return &world->calls[i];
        }
    }
    return NULL;
}

static void fail(struct world *world, struct world_call *call, enum err code, const char *text)
{
    (void)error_set(&call->error, code, "%s", text);
    call->phase = CALL_END;
    call->limit_ns = UINT64_MAX;
    set_timer(world, call, world->now_ns);
}

/* A request that has left still reaches its server: nobody waits for the answer. */
static void abandon(struct world *world, struct world_call *call)
{
    bool lost = call->at_ns == UINT64_MAX; /* in the silence */

    call->orphan = true;
    call->limit_ns = UINT64_MAX;
    call->idle_ns = 0;
    if (call->phase != CALL_UP || call->kind != FETCH_HTTP || lost) {
        release(world, call);
    }
}

static void cancel(struct world *world, struct world_call *call)
{
    uint64_t id = call->id;

    abandon(world, call);
    struct world_call *end = take_slot(world);
    if (!end) {
        return;
    }
    *end = (struct world_call){
        .used = true, .id = id, .arena = end->arena, .watch = API_NONE, .limit_ns = UINT64_MAX
    };
    fail(world, end, ERR_CANCELLED, "cancelled");
}

void world_net_take(struct world *world, const struct fetch_list *list)
{
    for (uint32_t i = 0; i < list->start_count; i++) {
        start(world, &list->starts[i]);
    }
    for (uint32_t i = 0; i < list->cancel_count; i++) {
        struct world_call *call = find(world, list->cancels[i]);
        if (call && call->phase != CALL_END) {
            cancel(world, call);
        }
    }
}

void world_net_crash(struct world *world)
{
    for (uint32_t i = 0; i < world->call_count; i++) {
        if (world->calls[i].used && !world->calls[i].orphan) {
            abandon(world, &world->calls[i]);
        }
    }
}

void world_net_api_lost(struct world *world)
{
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct world_call *call = &world->calls[i];
        if (call->used && !call->orphan && call->to_kube && call->phase != CALL_END) {
            if (call->watch != API_NONE) {
                api_watch_close(world->api, call->watch);
                call->watch = API_NONE;
            }
            fail(world, call, ERR_UNAVAILABLE, "the connection was reset");
        }
    }
}

/* ---- at the servers ---- */

static struct slice header(const struct world_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++) {
        if (slice_eq_nocase(call->headers[i].name, slice_of(name))) {
            return call->headers[i].value;
        }
    }
    return SLICE("");
}

/* "https://host/path?query" -> "/path?query" */
static struct slice path_of(struct slice url)
{
    struct slice rest = url;

    (void)slice_cut(&rest, '/');
    (void)slice_cut(&rest, '/');
    (void)slice_cut(&rest, '/');
    return rest.data ? (struct slice){ rest.data - 1, rest.len + 1 } : SLICE("/");
}

static void at_kube(struct world *world, struct world_call *call)
{
    struct api_request request = {
        .method = call->method,
        .target = path_of(call->target),
        .accept = header(call, "Accept"),
        .content_type = header(call, "Content-Type"),
        .authorization = header(call, "Authorization"),
        .body = call->body,
    };
    struct api_response response;

    if (world->api_down) {
        if (!call->orphan) {
            fail(world, call, ERR_UNAVAILABLE, "connection refused");
        } else {
            release(world, call);
        }
        return;
    }
    api_serve(world->api, &call->arena, world->now_ns, world_wall_ns(world), &request, &response);
    call->status = response.status;
    call->content_type = response.content_type;
    call->answer = response.body;
    call->watch = response.watch;
    if (call->orphan) {
        release(world, call);
        return;
    }
    call->phase = CALL_DOWN;
    set_timer(world, call,
              world->now_ns + API_DOWN_NS + prng_below(&world->net_prng, API_SPREAD_NS));
}

static void at_ec2(struct world *world, struct world_call *call)
{
    struct slice rest = path_of(call->target);
    struct sim_http_request request = {
        .method = slice_of(call->method),
        .path = slice_cut(&rest, '?'),
        .query = rest,
        .body = call->body,
        .headers = call->headers,
        .header_count = call->header_count,
    };
    struct sim_http_response response;

    sim_ec2_http(world->ec2, &call->arena, world->now_ns, world_wall_ns(world), &request,
                 &response);
    struct slice form = call->body;
    struct slice name = SLICE("");
    while (form.len > 0) {
        struct slice value = slice_cut(&form, '&');
        if (slice_is(slice_cut(&value, '='), "Action")) {
            name = value;
        }
    }
    world->result.controller_calls++;
    world->minute_calls++;
    enum sim_action action = sim_action_find(name);
    if (action != ACT_COUNT) {
        world->minute_actions[action]++;
        world->result.controller_mutations += sim_action_info(action)->mutating;
        world_check_call(world, action, call->body, response.status, response.body);
    }
    if (call->orphan || response.status == 0) {
        if (!call->orphan) {
            call->limit_ns = call->limit_ns < world->now_ns + 20 * SIM_S
                                 ? call->limit_ns
                                 : world->now_ns + 20 * SIM_S;
            call->phase = CALL_DOWN;
            set_timer(world, call, UINT64_MAX); /* silence, until its patience ends */
            return;
        }
        release(world, call);
        return;
    }
    call->status = response.status;
    call->content_type = response.content_type;
    call->answer = response.body;
    call->cut_after = response.cut_after;
    call->phase = CALL_DOWN;
    uint64_t spread_ns = world->ec2->latency_ns[0] ? SIM_MS : EC2_SPREAD_NS;
    set_timer(world, call,
              world->now_ns + response.delay_ns + EC2_DOWN_NS +
                  prng_below(&world->net_prng, spread_ns));
}

static void at_file(struct world *world, struct world_call *call)
{
    bool token = slice_is(call->target, "/var/run/secrets/token");

    if (call->kind != FETCH_FILE || !token || !world->api) {
        fail(world, call, ERR_NOT_FOUND, "no such file");
        return;
    }
    call->answer = arena_slice(&call->arena, slice_of(world->api->token));
    call->phase = CALL_DOWN;
    set_timer(world, call, world->now_ns);
}

/* ---- the answer ---- */

static bool still(const struct world_call *call, uint64_t id)
{
    return call->used && !call->orphan && call->id == id;
}

static void give_end(struct world *world, struct world_call *call)
{
    struct fetch_event event = { .id = call->id, .kind = FETCH_END, .error = call->error };

    release(world, call);
    world_step_engine(world, &event);
}

/* "Thu, 01 Jan 2026 00:00:00 GMT" */
static struct slice http_date(struct world *world)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began with a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[TIMESTAMP_MAX];
    uint64_t wall_ns = world_wall_ns(world), month = 0;
    struct slice at = timestamp_format(wall_ns, 0, text);
    struct slice digits = { at.data + 5, 2 };

    if (slice_u64(digits, 12, &month) != ERR_OK || month == 0) {
        month = 1;
    }
    return arena_printf(&world->scratch, "%.3s, %.2s %.3s %.4s %.8s GMT",
                        days + wall_ns / (86400 * SIM_S) % 7 * 3, at.data + 8,
                        months + (month - 1) * 3, at.data, at.data + 11);
}

static void give_head(struct world *world, struct world_call *call)
{
    struct fetch_event event = {
        .id = call->id,
        .kind = FETCH_HEAD,
        .status = call->status,
        .content_type = call->content_type,
        .date = http_date(world),
    };

    world_step_engine(world, &event);
}

static void give_body(struct world *world, struct world_call *call, struct slice body)
{
    uint64_t id = call->id;

    while (body.len > 0 && still(call, id)) {
        size_t len = body.len < PIECE ? body.len : PIECE;
        struct fetch_event event = { .id = id, .kind = FETCH_BODY, .body = { body.data, len } };
        body = (struct slice){ body.data + len, body.len - len };
        world_step_engine(world, &event);
    }
}

static void give_answer(struct world *world, struct world_call *call)
{
    uint64_t id = call->id;
    struct slice answer = call->answer;

    call->limit_ns = UINT64_MAX;
    if (call->kind == FETCH_HTTP) {
        give_head(world, call);
    }
    if (!still(call, id)) {
        return;
    }
    if (call->watch != API_NONE) {
        call->phase = CALL_STREAM;
        call->heard_ns = world->now_ns;
        set_timer(world, call, UINT64_MAX);
        world->api->changed = true; /* what it had from the start */
        return;
    }
    if (call->cut_after < answer.len) {
        answer.len = call->cut_after;
        (void)error_set(&call->error, ERR_UNAVAILABLE, "the connection broke in the answer");
    } else if (call->response_max && answer.len > call->response_max) {
        answer.len = call->response_max;
        (void)error_set(&call->error, ERR_LIMIT, "the answer is too long");
    }
    give_body(world, call, answer);
    if (still(call, id)) {
        give_end(world, call);
    }
}

/* What a watch has by now, and its end. */
static void give_stream(struct world *world, struct world_call *call)
{
    uint64_t id = call->id;
    uint32_t watch = call->watch;
    struct buf *out = api_watch_out(world->api, watch);

    call->heard_ns = world->now_ns;
    set_timer(world, call, UINT64_MAX);
    if (out->len > 0) {
        struct slice body = arena_slice(&world->scratch, buf_slice(out));
        buf_reset(out);
        give_body(world, call, body);
    }
    if (still(call, id) && world->api->watches[watch].over) {
        give_end(world, call);
    }
}

void world_net_watches(struct world *world)
{
    world->api->changed = false;
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct world_call *call = &world->calls[i];
        if (!call->used || call->phase != CALL_STREAM || call->at_ns != UINT64_MAX ||
            world->silent) {
            continue;
        }
        const struct api_watch *watch = &world->api->watches[call->watch];
        if (watch->out.len > 0 || watch->over) {
            set_timer(world, call,
                      world->now_ns + API_DOWN_NS + prng_below(&world->net_prng, API_SPREAD_NS));
        }
    }
}

static bool out_of_patience(struct world *world, struct world_call *call)
{
    bool total = call->limit_ns <= world->now_ns;
    bool silent = call->idle_ns > 0 && call->heard_ns + call->idle_ns <= world->now_ns &&
                  call->at_ns > world->now_ns;

    if (!total && !silent) {
        return false;
    }
    uint64_t id = call->id;
    if (call->phase == CALL_UP && call->kind == FETCH_HTTP) {
        cancel(world, call);
        struct world_call *end = find(world, id);
        if (end) {
            (void)error_set(&end->error, ERR_TIMEOUT, "no answer in time");
        }
        return true;
    }
    (void)error_set(&call->error, ERR_TIMEOUT,
                    silent ? "no byte for too long" : "no answer in time");
    give_end(world, call);
    return true;
}

void world_net_due(struct world *world, uint32_t slot)
{
    struct world_call *call = &world->calls[slot];

    if (!call->used || (!call->orphan && call->phase != CALL_END && out_of_patience(world, call))) {
        return;
    }
    if (call->at_ns > world->now_ns) {
        set_timer(world, call, call->at_ns);
        return;
    }
    switch (call->phase) {
    case CALL_UP:
        if (call->kind != FETCH_HTTP) {
            at_file(world, call);
        } else if (call->to_kube) {
            if (world->silent && !call->orphan) {
                set_timer(world, call, UINT64_MAX); /* the packets go nowhere */
            } else {
                at_kube(world, call);
            }
        } else {
            at_ec2(world, call);
        }
        return;
    case CALL_DOWN:
        if (call->to_kube && world->silent) {
            set_timer(world, call, UINT64_MAX);
        } else {
            give_answer(world, call);
        }
        return;
    case CALL_STREAM:
        if (world->silent) {
            set_timer(world, call, UINT64_MAX);
        } else {
            give_stream(world, call);
        }
        return;
    case CALL_END:
        give_end(world, call);
        return;
    }
}
