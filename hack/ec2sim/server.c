/*
 * server.c - a small HTTP/1.1 server on libwebsockets that can also misbehave as it is told.
 *
 *   request head -> body -> answer() -> [held] -> [delay] -> head, pieces of body -> next request
 * on the connection
 *
 * Knows libwebsockets. Refuses to know what is asked and answered.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include <libwebsockets.h>

#include "server.h"

enum {
    BODY_MAX = 1024 * 1024,
    HEADERS_MAX = 64,
    HEADER_DATA_MAX = 32 * 1024,
    PIECE_MAX = 64 * 1024,
    CLIENTS_MAX = 2048,
    DESCRIPTORS_MAX = 4096,
    IDLE_S = 3600 /* a client may keep its connection: it must not meet a close in the middle of a
                     request */
};

/* One request and its answer. */
struct exchange {
    struct arena arena;
    struct buf body;
    struct sim_http_request request;
    struct fetch_header headers[HEADERS_MAX];
    size_t header_count;
    struct sim_http_response response;
    bool answered; /* response is there */
    bool head_sent;
    size_t at;
    struct lws *wsi;
    struct exchange *next_held;
};

struct session {
    struct exchange *exchange; /* NULL between requests */
};

struct server {
    struct server_config config;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct exchange *held; /* answers that wait to be released */
    atomic_bool stop;
    uint16_t port;
    char address[64]; /* libwebsockets borrows it */
    unsigned char piece[LWS_PRE + PIECE_MAX];
};

/* ---- exchanges ---- */

static struct exchange *exchange_new(struct lws *wsi)
{
    struct exchange *exchange = mem_resize(NULL, 1, sizeof(*exchange));

    *exchange = (struct exchange){ .wsi = wsi };
    arena_init(&exchange->arena);
    buf_init(&exchange->body, BODY_MAX);
    return exchange;
}

static void exchange_free(struct server *server, struct exchange *exchange)
{
    struct exchange **at = &server->held;

    if (!exchange) {
        return;
    }
    while (*at && *at != exchange) {
        at = &(*at)->next_held;
    }
    if (*at) {
        *at = exchange->next_held;
    }
    arena_done(&exchange->arena);
    buf_done(&exchange->body);
    mem_free(exchange);
}

/* ---- reading the head ---- */

static void add_header(struct exchange *exchange, struct slice name, struct slice value)
{
    if (exchange->header_count < HEADERS_MAX) {
        exchange->headers[exchange->header_count++] = (struct fetch_header){ name, value };
    }
}

/* Of a header that libwebsockets has a number for ("host:"). */
static bool read_known(struct exchange *exchange, struct slice name)
{
    for (int token = 0; token < WSI_TOKEN_COUNT; token++) {
        const unsigned char *text = lws_token_to_string((enum lws_token_indexes)token);
        struct slice known = slice_of((const char *)text);
        if (known.len != name.len + 1 || !slice_starts(known, name)) {
            continue;
        }
        int len = lws_hdr_total_length(exchange->wsi, (enum lws_token_indexes)token);
        if (len <= 0) {
            return false;
        }
        char *value = arena_alloc(&exchange->arena, (size_t)len + 1);
        if (lws_hdr_copy(exchange->wsi, value, len + 1, (enum lws_token_indexes)token) < 0) {
            return false;
        }
        add_header(exchange, name, (struct slice){ value, (size_t)len });
        return true;
    }
    return false;
}

static bool read_custom(struct exchange *exchange, struct slice name)
{
    struct slice colon = arena_printf(&exchange->arena, "%.*s:", SLICE_ARG(name));
    int len = lws_hdr_custom_length(exchange->wsi, colon.data, (int)colon.len);

    if (len < 0) {
        return false;
    }
    char *value = arena_alloc(&exchange->arena, (size_t)len + 1);
    if (lws_hdr_custom_copy(exchange->wsi, value, len + 1, colon.data, (int)colon.len) < 0) {
        return false;
    }
    add_header(exchange, name, (struct slice){ value, (size_t)len });
    return true;
}

static void read_header(struct exchange *exchange, struct slice name)
{
    for (size_t i = 0; i < exchange->header_count; i++) {
        if (slice_eq(exchange->headers[i].name, name)) {
            return;
        }
    }
    if (name.len > 0 && name.len < 128 && !read_known(exchange, name)) {
        (void)read_custom(exchange, name);
    }
}

/* Whatever the signature covers, and what else is of use. */
static void read_headers(struct exchange *exchange)
{
    static const char *const wanted[] = { "authorization",
                                          "host",
                                          "content-type",
                                          "x-amz-date",
                                          "x-amz-security-token",
                                          "x-aws-ec2-metadata-token",
                                          "x-aws-ec2-metadata-token-ttl-seconds",
                                          "user-agent" };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        read_header(exchange, slice_of(wanted[i]));
    }
    if (exchange->header_count == 0 || !slice_is(exchange->headers[0].name, "authorization")) {
        return;
    }
    struct slice rest = exchange->headers[0].value;
    while (rest.len > 0) {
        struct slice names = slice_trim(slice_cut(&rest, ','));
        if (!slice_starts(names, SLICE("SignedHeaders="))) {
            continue;
        }
        (void)slice_cut(&names, '=');
        while (names.len > 0) {
            read_header(exchange, slice_cut(&names, ';'));
        }
    }
}

/* libwebsockets has split the query at "&" and decoded nothing else that matters here. */
static struct slice read_query(struct exchange *exchange)
{
    struct buf query;
    char piece[4096];

    buf_init(&query, BODY_MAX);
    for (int i = 0;
         lws_hdr_copy_fragment(exchange->wsi, piece, sizeof(piece), WSI_TOKEN_HTTP_URI_ARGS, i) > 0;
         i++) {
        if (i > 0) {
            buf_add_char(&query, '&');
        }
        buf_add_text(&query, piece);
    }
    struct slice copy = arena_slice(&exchange->arena, buf_slice(&query));
    buf_done(&query);
    return copy;
}

static struct slice read_method(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {
        { WSI_TOKEN_GET_URI, "GET" },     { WSI_TOKEN_POST_URI, "POST" },
        { WSI_TOKEN_PUT_URI, "PUT" },     { WSI_TOKEN_DELETE_URI, "DELETE" },
        { WSI_TOKEN_PATCH_URI, "PATCH" },
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) {
            return slice_of(methods[i].name);
        }
    }
    return SLICE("OTHER");
}

static void read_head(struct exchange *exchange, struct slice path)
{
    read_headers(exchange);
    exchange->request = (struct sim_http_request){
        .method = read_method(exchange->wsi),
        .path = arena_slice(&exchange->arena, path),
        .query = read_query(exchange),
        .headers = exchange->headers,
        .header_count = exchange->header_count,
    };
}

static bool has_body(struct lws *wsi)
{
    char text[24] = "";

    return lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
           strcmp(text, "0") != 0;
}

/* ---- answering ---- */

/* -1: the connection is to be closed. */
static int start_sending(struct exchange *exchange)
{
    struct sim_http_response *response = &exchange->response;

    if (response->hold != 0) {
        return 0;
    }
    if (response->delay_ns > 0) {
        lws_set_timer_usecs(exchange->wsi, (lws_usec_t)(response->delay_ns / 1000) + 1);
        response->delay_ns = 0;
        return 0;
    }
    if (response->status == 0) {
        return -1;
    }
    (void)lws_callback_on_writable(exchange->wsi);
    return 0;
}

static void release_held(struct server *server)
{
    struct exchange **at = &server->held;

    while (*at) {
        struct exchange *exchange = *at;
        if (server->config.held(server->config.context, exchange->response.hold)) {
            at = &exchange->next_held;
            continue;
        }
        *at = exchange->next_held;
        exchange->next_held = NULL;
        exchange->response.hold = 0;
        if (start_sending(exchange) != 0) {
            lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        }
    }
}

static int answer(struct server *server, struct exchange *exchange)
{
    exchange->answered = true;
    exchange->request.body = buf_slice(&exchange->body);
    server->config.answer(server->config.context, &exchange->arena, &exchange->request,
                          &exchange->response);
    /* While it waits or writes, no time-out of the server's own. */
    lws_set_timeout(exchange->wsi, NO_PENDING_TIMEOUT, 0);
    if (exchange->response.hold != 0) {
        exchange->next_held = server->held;
        server->held = exchange;
    }
    int result = start_sending(exchange);
    release_held(server);
    return result;
}

/* What the SDKs want with a metadata token. False: no room. */
static bool add_token_ttl(struct exchange *exchange, unsigned char **at, unsigned char *end)
{
    static const unsigned char name[] = "X-aws-ec2-metadata-token-ttl-seconds:";
    char value[16];

    if (exchange->response.token_ttl_s == 0) {
        return true;
    }
    int len = snprintf(value, sizeof(value), "%u", exchange->response.token_ttl_s);
    return lws_add_http_header_by_name(exchange->wsi, name, (const unsigned char *)value, len, at,
                                       end) == 0;
}

static int send_head(struct exchange *exchange)
{
    const struct sim_http_response *response = &exchange->response;
    unsigned char head[LWS_PRE + 1024];
    unsigned char *begin = head + LWS_PRE, *at = begin, *end = head + sizeof(head) - 1;
    struct slice type = response->content_type;
    char type_text[80];

    (void)snprintf(type_text, sizeof(type_text), "%.*s", SLICE_ARG(type));
    exchange->head_sent = true;
    if (lws_add_http_common_headers(exchange->wsi, (unsigned)response->status, type_text,
                                    response->body.len, &at, end) != 0 ||
        !add_token_ttl(exchange, &at, end) ||
        lws_finalize_write_http_header(exchange->wsi, begin, &at, end) != 0) {
        return -1;
    }
    (void)lws_callback_on_writable(exchange->wsi);
    return 0;
}

static int end_exchange(struct server *server, struct session *session)
{
    struct lws *wsi = session->exchange->wsi;

    exchange_free(server, session->exchange);
    session->exchange = NULL;
    if (lws_http_transaction_completed(wsi)) {
        return -1;
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE, IDLE_S);
    return 0;
}

static int send_piece(struct server *server, struct session *session)
{
    struct exchange *exchange = session->exchange;
    struct slice body = exchange->response.body;
    size_t cut = exchange->response.cut_after;
    size_t end = cut < body.len ? cut : body.len;
    size_t len = end - exchange->at < PIECE_MAX ? end - exchange->at : PIECE_MAX;
    bool last = exchange->at + len == body.len;

    if (len > 0) {
        memcpy(server->piece + LWS_PRE, body.data + exchange->at, len);
        if (lws_write(exchange->wsi, server->piece + LWS_PRE, len,
                      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0) {
            return -1;
        }
        exchange->at += len;
    }
    if (last) {
        return end_exchange(server, session);
    }
    if (exchange->at == end) {
        return -1; /* the body is cut here */
    }
    (void)lws_callback_on_writable(exchange->wsi);
    return 0;
}

/* ---- libwebsockets' callback ---- */

static int on_request(struct server *server, struct lws *wsi, struct session *session, void *in,
                      size_t len)
{
    exchange_free(server, session->exchange);
    session->exchange = exchange_new(wsi);
    read_head(session->exchange, (struct slice){ in, len });
    if (has_body(wsi)) {
        return 0;
    }
    return answer(server, session->exchange);
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct server *server = lws_context_user(lws_get_context(wsi));
    struct session *session = user;
    struct exchange *exchange = session ? session->exchange : NULL;

    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(server, wsi, session, in, len);
    case LWS_CALLBACK_HTTP_BODY:
        if (exchange) {
            buf_add(&exchange->body, in, len);
        }
        return exchange && exchange->body.failed ? -1 : 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return exchange && !exchange->answered ? answer(server, exchange) : 0;
    case LWS_CALLBACK_TIMER:
        return exchange && exchange->answered ? start_sending(exchange) : 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (!exchange || !exchange->answered || exchange->response.hold != 0) {
            return 0;
        }
        return exchange->head_sent ? send_piece(server, session) : send_head(exchange);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (exchange) {
            exchange_free(server, exchange);
            session->exchange = NULL;
        }
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    { .name = "http", .callback = on_http, .per_session_data_size = sizeof(struct session) },
    { 0 },
};

/* ---- life ---- */

enum err server_new(const struct server_config *config, struct server **ret, struct error *error)
{
    struct server *server = mem_resize(NULL, 1, sizeof(*server));

    memset(server, 0, sizeof(*server));
    server->config = *config;
    atomic_init(&server->stop, false);
    (void)snprintf(server->address, sizeof(server->address), "%s", config->address);
    struct lws_context_creation_info info = {
        .port = config->port,
        .iface = server->address,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .user = server,
        .fd_limit_per_thread = DESCRIPTORS_MAX,
        .max_http_header_pool2 = CLIENTS_MAX,
        .max_http_header_data2 = HEADER_DATA_MAX,
        .pt_serv_buf_size = PIECE_MAX,
        .timeout_secs = 60,
        .keepalive_timeout = IDLE_S,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DISABLE_IPV6,
        .vhost_name = "ec2sim",
        .server_string = "AmazonEC2",
    };
    lws_set_log_level(0, NULL);
    server->context = lws_create_context(&info);
    server->vhost = server->context ? lws_create_vhost(server->context, &info) : NULL;
    int port = server->vhost ? lws_get_vhost_listen_port(server->vhost) : 0;
    if (port <= 0) {
        server_free(server);
        return error_set(error, ERR_IO, "cannot listen on %s:%u", config->address, config->port);
    }
    server->port = (uint16_t)port;
    *ret = server;
    return ERR_OK;
}

void server_free(struct server *server)
{
    if (!server) {
        return;
    }
    if (server->context) {
        lws_context_destroy(server->context);
    }
    mem_free(server);
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

void server_run(struct server *server)
{
    while (!atomic_load(&server->stop) && lws_service(server->context, 0) >= 0) {
    }
}

void server_stop(struct server *server)
{
    atomic_store(&server->stop, true);
    lws_cancel_service(server->context);
}
