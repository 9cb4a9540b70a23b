/*
 * server.c - the page's server: libwebsockets in a thread of its own.
 *
 *   control thread                    web thread
 *   web_show --> pictures.h --------> lws_service: requests, WebSockets
 *            `-> lws_cancel_service   (the one call of libwebsockets that other threads may make)
 *
 * Knows HTTP paths, who may connect, and when pages are told: all on one beat, so that a picture is
 * rendered once however many look, and each page is sent what is new since the beat before. Refuses
 * to know what a snapshot means, and never changes anything: it only reads.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libwebsockets.h>

#include <headroom/web.h>

#include "history.h"
#include "listen.h"
#include "page.h"
#include "pictures.h"
#include "policy.h"

enum {
    CLIENTS_MAX = 128,     /* WebSockets */
    DESCRIPTORS_MAX = 320, /* all connections: probes find room beside the clients */
    PIECE_MAX = 16 * 1024, /* written at once */
    HEADERS_MAX = 2048,
    BEAT_US = 500000,        /* two pictures a second are enough for an eye */
    FRESH_US = 30 * 1000000, /* control reports at least every 5 s */
    ASKED_US = 10 * 1000000, /* who polls comes again within this time */
    TIMEOUT_S = 10,
    NICE = 10
};

/* libwebsockets keeps one for each connection, zeroed. */
struct session {
    struct text *text; /* being sent */
    size_t at;
    bool websocket, head_only;
    uint64_t seen; /* WebSocket: number of the last picture sent; 0: none */
};

struct web {
    struct lws_context *context;
    struct lws_vhost *vhost;
    pthread_t thread;
    bool thread_runs;
    uint16_t port;
    atomic_bool stop;
    struct pictures pictures;
    atomic_llong shown_us; /* when web_show was last called */
    atomic_uint clients;   /* WebSockets; set by the web thread */
    atomic_llong asked_us; /* when /api/state was last asked for; set by the web thread */
    /* The web thread's from here on. */
    lws_usec_t beat_us; /* the next picture for pages is not made sooner */
    lws_sorted_usec_list_t beat_timer;
    struct history history;
    char policy[WEB_POLICY_MAX];
    unsigned char piece[LWS_PRE + PIECE_MAX];
};

/* ---- bodies ---- */

static struct text *text_of(struct web *web, struct slice s)
{
    struct text *text = text_new(&web->pictures.texts);

    buf_add_slice(&text->bytes, s);
    return text;
}

static struct text *metrics_text(struct web *web)
{
    const struct snapshot *snapshot = pictures_newest(&web->pictures);
    struct text *text = text_new(&web->pictures.texts);

    if (snapshot) {
        web_metrics(snapshot, &text->bytes);
    }
    return text;
}

static struct text *history_text(struct web *web)
{
    struct text *text = text_new(&web->pictures.texts);

    history_write(&web->history, &text->bytes);
    return text;
}

static struct text *health_text(struct web *web, unsigned *ret_status)
{
    lws_usec_t age = lws_now_usecs() - atomic_load(&web->shown_us);

    if (age < FRESH_US) {
        return text_of(web, SLICE("ok\n"));
    }
    struct text *text = text_new(&web->pictures.texts);
    buf_addf(&text->bytes, "the control loop has not reported for %lld s\n",
             (long long)(age / 1000000));
    *ret_status = HTTP_STATUS_SERVICE_UNAVAILABLE;
    return text;
}

static struct text *ready_text(struct web *web, unsigned *ret_status)
{
    const struct snapshot *snapshot = pictures_newest(&web->pictures);
    struct text *text = text_new(&web->pictures.texts);

    if (snapshot && snapshot->ready) {
        buf_add_text(&text->bytes, "ok\n");
    } else {
        *ret_status = HTTP_STATUS_SERVICE_UNAVAILABLE;
        buf_add_slice(&text->bytes, snapshot ? snapshot->not_ready_because : SLICE("starting"));
        buf_add_char(&text->bytes, '\n');
    }
    return text;
}

/* ---- HTTP ---- */

struct answer {
    unsigned status;
    const char *content_type;
    struct text *text;
};

static void answer_path(struct web *web, struct slice path, struct answer *ret)
{
    *ret = (struct answer){ .status = HTTP_STATUS_OK, .content_type = "text/plain; charset=utf-8" };
    if (slice_is(path, "/")) {
        ret->content_type = "text/html; charset=utf-8";
        ret->text = text_of(web, web_page());
    } else if (slice_is(path, "/healthz")) {
        ret->text = health_text(web, &ret->status);
    } else if (slice_is(path, "/readyz")) {
        ret->text = ready_text(web, &ret->status);
    } else if (slice_is(path, "/metrics")) {
        ret->content_type = "text/plain; version=0.0.4; charset=utf-8";
        ret->text = metrics_text(web);
    } else if (slice_is(path, "/api/history")) {
        ret->content_type = "application/json";
        ret->text = history_text(web);
    } else if (slice_is(path, "/api/state")) {
        ret->content_type = "application/json";
        ret->text = pictures_state(&web->pictures);
        atomic_store(&web->asked_us, lws_now_usecs());
        if (!ret->text) {
            ret->status = HTTP_STATUS_SERVICE_UNAVAILABLE;
            ret->text = text_of(web, SLICE("{}\n"));
        }
    } else {
        ret->status = HTTP_STATUS_NOT_FOUND;
        ret->text = text_of(web,
                            SLICE("not found: try /, /healthz, /readyz, /metrics, /api/state or "
                                  "/api/history\n"));
    }
    if (ret->text->bytes.failed) {
        text_drop(ret->text);
        ret->status = HTTP_STATUS_INTERNAL_SERVER_ERROR;
        ret->text = text_of(web, SLICE("too large to show\n"));
    }
}

static bool add_header(struct lws *wsi, const char *name, const char *value, unsigned char **at,
                       unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at,
                                       end) == 0;
}

static int send_head(struct web *web, struct lws *wsi, const struct answer *answer)
{
    unsigned char head[LWS_PRE + HEADERS_MAX];
    unsigned char *begin = head + LWS_PRE, *at = begin, *end = head + sizeof(head) - 1;
    bool ok = lws_add_http_common_headers(wsi, answer->status, answer->content_type,
                                          answer->text->bytes.len, &at, end) == 0 &&
              add_header(wsi, "cache-control:", "no-store", &at, end) &&
              add_header(wsi, "content-security-policy:", web->policy, &at, end) &&
              add_header(wsi, "x-content-type-options:", "nosniff", &at, end) &&
              add_header(wsi, "referrer-policy:", "no-referrer", &at, end);

    if (ok && answer->status == HTTP_STATUS_METHOD_NOT_ALLOWED) {
        ok = add_header(wsi, "allow:", "GET, HEAD", &at, end);
    }
    return ok ? lws_finalize_write_http_header(wsi, begin, &at, end) : 1;
}

static int start_answer(struct web *web, struct lws *wsi, struct session *session, const char *path)
{
    struct answer answer;
    bool head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;

    if (head || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0) {
        answer_path(web, slice_of(path), &answer);
    } else {
        answer = (struct answer){
            .status = HTTP_STATUS_METHOD_NOT_ALLOWED,
            .content_type = "text/plain; charset=utf-8",
            .text = text_of(web, SLICE("this server is read-only\n")),
        };
    }
    session->text = answer.text;
    session->at = 0;
    session->head_only = head;
    if (send_head(web, wsi, &answer) != 0) {
        return 1;
    }
    (void)lws_callback_on_writable(wsi);
    return 0;
}

static int end_answer(struct lws *wsi, struct session *session)
{
    text_drop(session->text);
    session->text = NULL;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* The next piece, where libwebsockets may write a frame's head before it: the body itself is shared
 * between clients. */
static unsigned char *take_piece(struct web *web, struct session *session, size_t *ret_len,
                                 bool *ret_last)
{
    size_t left = session->text->bytes.len - session->at;
    size_t len = left < PIECE_MAX ? left : PIECE_MAX;

    if (len > 0) {
        memcpy(web->piece + LWS_PRE, session->text->bytes.data + session->at, len);
    }
    session->at += len;
    *ret_len = len;
    *ret_last = len == left;
    return web->piece + LWS_PRE;
}

static int go_on_answer(struct web *web, struct lws *wsi, struct session *session)
{
    size_t len = 0;
    bool last = false;

    if (!session->text) {
        return 0;
    }
    if (session->head_only || session->text->bytes.len == 0) {
        return end_answer(wsi, session);
    }
    unsigned char *data = take_piece(web, session, &len, &last);
    if (lws_write(wsi, data, len, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0) {
        return -1;
    }
    if (last) {
        return end_answer(wsi, session);
    }
    (void)lws_callback_on_writable(wsi);
    return 0;
}

/* ---- WebSocket ---- */

static const struct lws_protocols protocols[];
static void on_beat(lws_sorted_usec_list_t *timer);

/* Makes the picture that all pages get, if there is news and it is time. */
static void beat(struct web *web)
{
    lws_usec_t now = lws_now_usecs();

    if (atomic_load(&web->clients) == 0) {
        return;
    }
    if (now < web->beat_us) {
        lws_sul_schedule(web->context, 0, &web->beat_timer, on_beat, web->beat_us - now);
    } else if (pictures_draw(&web->pictures)) {
        web->beat_us = now + BEAT_US;
        (void)lws_callback_on_writable_all_protocol(web->context, &protocols[1]);
    }
}

static void on_beat(lws_sorted_usec_list_t *timer)
{
    beat(lws_container_of(timer, struct web, beat_timer));
}

static bool next_picture(struct web *web, struct session *session)
{
    session->text = pictures_next(&web->pictures, &session->seen);
    session->at = 0;
    return session->text != NULL;
}

static int push_state(struct web *web, struct lws *wsi, struct session *session)
{
    size_t len = 0;
    bool last = false;

    if (!session->text && !next_picture(web, session)) {
        return 0;
    }
    bool first = session->at == 0;
    unsigned char *data = take_piece(web, session, &len, &last);
    int flags = lws_write_ws_flags(LWS_WRITE_TEXT, first, last);
    if (lws_write(wsi, data, len, (enum lws_write_protocol)flags) < (int)len) {
        return -1;
    }
    if (last) {
        text_drop(session->text);
        session->text = NULL;
    }
    (void)lws_callback_on_writable(wsi);
    return 0;
}

static bool header(struct lws *wsi, enum lws_token_indexes token, char *value, size_t size)
{
    return lws_hdr_copy(wsi, value, (int)size, token) > 0;
}

/* A page of another site must not read this one through its visitor's browser. */
static bool is_of_ours(struct lws *wsi)
{
    char origin[300] = "", host[300] = "";

    if (!header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin))) {
        return lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0; /* no browser */
    }
    return header(wsi, WSI_TOKEN_HOST, host, sizeof(host)) &&
           web_same_origin(slice_of(origin), slice_of(host));
}

/* libwebsockets' own answer would be in HTTP/1.0, which some clients of WebSockets do not take. */
static int refuse(struct lws *wsi, const char *status, const char *why)
{
    unsigned char head[LWS_PRE + HEADERS_MAX];
    char *text = (char *)head + LWS_PRE;
    int len = snprintf(text, HEADERS_MAX,
                       "HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\n"
                       "content-length: %zu\r\nconnection: close\r\n\r\n%s",
                       status, strlen(why), why);

    assert(len < HEADERS_MAX);
    return lws_write(wsi, head + LWS_PRE, (size_t)len, LWS_WRITE_HTTP_HEADERS) == len ? 1 : -1;
}

/* 0: it may become a WebSocket; 1: it was told why not; -1: and did not even hear that. */
static int confirm_upgrade(struct web *web, struct lws *wsi)
{
    if (!is_of_ours(wsi)) {
        return refuse(wsi, "403 Forbidden", "another site's page may not look at this one\n");
    }
    if (atomic_load(&web->clients) >= CLIENTS_MAX) {
        return refuse(wsi, "503 Service Unavailable",
                      "too many pages are open; ask for /api/state instead\n");
    }
    return 0;
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                        size_t len)
{
    struct web *web = lws_context_user(lws_get_context(wsi));
    struct session *session = user;

    (void)in;
    (void)len;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        *session = (struct session){ .websocket = true };
        atomic_fetch_add(&web->clients, 1);
        beat(web);
        (void)lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return push_state(web, wsi, session);
    case LWS_CALLBACK_CLOSED:
        text_drop(session->text);
        session->text = NULL;
        /* One that never was established was not counted. */
        atomic_fetch_sub(&web->clients, session->websocket);
        session->websocket = false;
        return 0;
    default:
        return 0; /* what a client says is ignored */
    }
}

static void note(struct web *web)
{
    const struct snapshot *snapshot = pictures_newest(&web->pictures);

    if (snapshot) {
        history_note(&web->history, snapshot);
    }
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct web *web = lws_context_user(lws_get_context(wsi));
    struct session *session = user;

    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return start_answer(web, wsi, session, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return go_on_answer(web, wsi, session);
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return 0; /* nobody wants it, and the answer is on its way */
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session) {
            text_drop(session->text);
            session->text = NULL;
        }
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(web, wsi);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return 1; /* a WebSocket without our protocol */
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        note(web);
        beat(web);
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static const struct lws_protocols protocols[] = {
    { .name = "http", .callback = on_http, .per_session_data_size = sizeof(struct session) },
    { .name = "headroom",
      .callback = on_websocket,
      .per_session_data_size = sizeof(struct session),
      .rx_buffer_size = 1024 },
    { .name = NULL },
};

/* ---- life ---- */

static void *run(void *context)
{
    struct web *web = context;

    /* Whoever looks, control goes first where processors are scarce, and is not interrupted by this
     * thread's waking up. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    (void)sched_setscheduler(gettid(), SCHED_BATCH, &(struct sched_param){ 0 });
    while (!atomic_load(&web->stop) && lws_service(web->context, 0) >= 0) {
    }
    return NULL;
}

static enum err make_context(struct web *web, const struct web_address *address,
                             struct error *error)
{
    struct lws_context_creation_info info = {
        .port = address->port ? address->port : 0,
        .iface = address->host[0] ? address->host : NULL,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .user = web,
        .fd_limit_per_thread = DESCRIPTORS_MAX,
        .keepalive_timeout = TIMEOUT_S,
        .timeout_secs = TIMEOUT_S,
        .max_http_header_pool2 = CLIENTS_MAX,
        .pt_serv_buf_size = PIECE_MAX,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (address->four_only ? LWS_SERVER_OPTION_DISABLE_IPV6 : 0),
        .vhost_name = "headroom",
        .server_string = "headroom",
    };

    lws_set_log_level(0, NULL); /* what matters comes back as a result */
    web->context = lws_create_context(&info);
    if (web->context) {
        web->vhost = lws_create_vhost(web->context, &info);
    }
    if (!web->vhost) {
        return error_set(error, ERR_IO, "cannot listen on %s: the address cannot be used",
                         address->text);
    }
    int port = lws_get_vhost_listen_port(web->vhost);
    web->port = (uint16_t)(port > 0 ? port : 0);
    return ERR_OK;
}

enum err web_new(struct slice listen, struct web **ret, struct error *error)
{
    struct web_address address;
    enum err err = web_address_parse(listen, &address, error);

    if (err == ERR_OK) {
        err = web_address_probe(&address, error);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct web *web = mem_resize(NULL, 1, sizeof(*web));
    memset(web, 0, sizeof(*web));
    atomic_init(&web->stop, false);
    atomic_init(&web->clients, 0);
    atomic_init(&web->asked_us, -ASKED_US);
    atomic_init(&web->shown_us, lws_now_usecs());
    web_policy(web_page(), web->policy);
    err = make_context(web, &address, error);
    if (err == ERR_OK && pthread_create(&web->thread, NULL, run, web) != 0) {
        err = error_set(error, ERR_IO, "cannot start a thread for the page");
    }
    if (err != ERR_OK) {
        web_free(web);
        return err;
    }
    web->thread_runs = true;
    *ret = web;
    return ERR_OK;
}

void web_free(struct web *web)
{
    if (!web) {
        return;
    }
    if (web->thread_runs) {
        atomic_store(&web->stop, true);
        lws_cancel_service(web->context);
        (void)pthread_join(web->thread, NULL);
    }
    if (web->context) {
        lws_sul_cancel(&web->beat_timer);
        lws_context_destroy(web->context);
    }
    pictures_done(&web->pictures);
    history_done(&web->history);
    mem_free(web);
}

uint16_t web_port(const struct web *web)
{
    return web->port;
}

bool web_watched(const struct web *web)
{
    return atomic_load(&web->clients) > 0 ||
           lws_now_usecs() - atomic_load(&web->asked_us) < ASKED_US;
}

void web_show(struct web *web, struct snapshot_ref *ref)
{
    pictures_offer(&web->pictures, ref);
    atomic_store(&web->shown_us, lws_now_usecs());
    lws_cancel_service(web->context);
}
