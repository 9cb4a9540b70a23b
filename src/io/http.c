/*
 * http.c - HTTP transfers on a curl multi handle: their life, their callbacks, their end.
 *
 * Knows when a response's head is whole, how much a round may hold, and who has stood idle. Refuses
 * to know how a request is set up (setup.c) and how an error reads (message.c).
 */
#include <assert.h>
#include <strings.h>

#include "state.h"

static uint64_t idle_deadline(const struct transfer *transfer, uint64_t now_ns)
{
    return transfer->idle_ms ? now_ns + transfer->idle_ms * MS_NS : NEVER_NS;
}

static CURL *take_handle(struct io *io)
{
    if (io->idle_count > 0) {
        return io->idle[--io->idle_count];
    }
    CURL *easy = curl_easy_init();
    assert(easy); /* nothing but an empty heap makes it fail */
    return easy;
}

static void give_handle(struct io *io, CURL *easy)
{
    if (io->idle_count == IDLE_HANDLES_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    io->idle[io->idle_count++] = easy;
}

static void transfer_free(struct transfer *transfer)
{
    struct io *io = transfer->io;

    if (transfer->prev) {
        transfer->prev->next = transfer->next;
    } else {
        io->transfers = transfer->next;
    }
    if (transfer->next) {
        transfer->next->prev = transfer->prev;
    }
    give_handle(io, transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    arena_done(&transfer->arena);
    mem_free(transfer);
}

static uint32_t retry_after_ms(CURL *easy)
{
    enum { RETRY_MAX_S = 3600 };
    curl_off_t seconds = 0;

    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0) {
        return 0;
    }
    return (uint32_t)(seconds < RETRY_MAX_S ? seconds : RETRY_MAX_S) * 1000;
}

static void show_head(struct transfer *transfer)
{
    struct arena *arena = &round_filling(transfer->io)->arena;
    struct fetch_event *event = round_add(transfer->io, transfer->id, FETCH_HEAD);

    event->status = transfer->status;
    event->content_type = arena_slice(arena, transfer->content_type);
    event->date = arena_slice(arena, transfer->date);
    event->retry_after_ms = retry_after_ms(transfer->easy);
    event->sent_ns = transfer->sent_ns;
    transfer->head_shown = true;
    if (transfer->status == 401) {
        /* The client certificate that this connection stands for may have expired: the next one is
         * made with what the files hold then. */
        (void)curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

/* "HTTP/1.1 200 OK"; curl has checked it. Anew for each head: 1xx ones precede the real one. */
static void status_line(struct transfer *transfer, struct slice line)
{
    struct slice rest = line;
    uint64_t status = 0;

    (void)slice_cut(&rest, ' ');
    if (slice_u64(slice_cut(&rest, ' '), 999, &status) != ERR_OK) {
        status = 0;
    }
    transfer->status = (int)status;
    transfer->content_type = (struct slice){ 0 };
    transfer->date = (struct slice){ 0 };
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct slice line = slice_trim((struct slice){ data, size * count });

    transfer->idle_deadline_ns = idle_deadline(transfer, io_now_ns());
    if (transfer->head_shown) {
        return size * count; /* a trailer */
    }
    if (slice_starts(line, SLICE("HTTP/"))) {
        status_line(transfer, line);
        return size * count;
    }
    if (line.len == 0) {
        if (transfer->status >= 200) {
            show_head(transfer);
        }
        return size * count;
    }
    struct slice value = line;
    struct slice name = slice_cut(&value, ':');
    if (slice_eq_nocase(name, SLICE("content-type"))) {
        transfer->content_type = arena_slice(&transfer->arena, slice_trim(value));
    } else if (slice_eq_nocase(name, SLICE("date"))) {
        transfer->date = arena_slice(&transfer->arena, slice_trim(value));
    }
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;

    if (round_full(transfer->io)) {
        transfer->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    transfer->idle_deadline_ns = idle_deadline(transfer, io_now_ns());
    if (transfer->response_max > 0 && len > transfer->response_max - transfer->received) {
        (void)error_set(&transfer->error, ERR_LIMIT, "%.*s sent more than the %zu bytes allowed",
                        SLICE_ARG(transfer->origin), transfer->response_max);
        return 0;
    }
    struct round *round = round_filling(transfer->io);
    struct fetch_event *event = round_add(transfer->io, transfer->id, FETCH_BODY);
    event->body = arena_slice(&round->arena, (struct slice){ data, len });
    event->arrived_ns = transfer->io->arrived_ns;
    round->bytes += len;
    if (transfer->stream) {
        transfer->io->streamed_ns = event->arrived_ns;
    }
    transfer->received += len;
    return len;
}

/* Connected, and about to send. */
static int on_send(void *context, char *address, char *own_address, int port, int own_port)
{
    struct transfer *transfer = context;

    (void)address;
    (void)own_address;
    (void)port;
    (void)own_port;
    transfer->sent_ns = io_now_ns();
    if (transfer->send_by_ns > 0 && transfer->sent_ns >= transfer->send_by_ns) {
        (void)error_set(&transfer->error, ERR_CANCELLED, "not sent to %.*s: it is too late for it",
                        SLICE_ARG(transfer->origin));
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static void set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

void http_start(struct io *io, const struct fetch *fetch)
{
    struct transfer *transfer = mem_resize(NULL, 1, sizeof(*transfer));
    struct error error = { 0 };

    *transfer = (struct transfer){
        .io = io,
        .id = fetch->id,
        .next = io->transfers,
        .easy = take_handle(io),
        .response_max = fetch->response_max,
        .stream = fetch->stream,
        .connect_ms = fetch->connect_ms ? fetch->connect_ms : CONNECT_MS,
        .total_ms = fetch->total_ms,
        .idle_ms = fetch->idle_ms,
        .send_by_ns = fetch->send_by_ns,
    };
    arena_init(&transfer->arena);
    if (io->transfers) {
        io->transfers->prev = transfer;
    }
    io->transfers = transfer;
    transfer->origin = http_origin(&transfer->arena, fetch->target);
    transfer->idle_deadline_ns = idle_deadline(transfer, io_now_ns());
    set_callbacks(transfer);
    if (http_setup(transfer, fetch, &error) != ERR_OK) {
        round_end(io, fetch->id, &error);
        transfer_free(transfer);
        return;
    }
    CURLMcode code = curl_multi_add_handle(io->multi, transfer->easy);
    assert(code == CURLM_OK);
}

bool http_cancel(struct io *io, uint64_t id)
{
    for (struct transfer *transfer = io->transfers; transfer; transfer = transfer->next) {
        if (transfer->id == id) {
            (void)curl_multi_remove_handle(io->multi, transfer->easy);
            transfer_free(transfer);
            return true;
        }
    }
    return false;
}

void http_resume(struct io *io)
{
    uint64_t now = io_now_ns();

    for (struct transfer *transfer = io->transfers; transfer; transfer = transfer->next) {
        if (transfer->paused) {
            transfer->paused = false;
            /* While it was paused nobody read: the peer is not to blame. */
            transfer->idle_deadline_ns = idle_deadline(transfer, now);
            (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
        }
    }
}

static void finish(struct transfer *transfer, CURLcode code)
{
    struct error error = transfer->error;

    if (code != CURLE_OK && error.code == ERR_OK) {
        http_explain(transfer, code, &error);
    }
    round_end(transfer->io, transfer->id, &error);
    (void)curl_multi_remove_handle(transfer->io->multi, transfer->easy);
    transfer_free(transfer);
}

static void end_idle(struct io *io, uint64_t now_ns)
{
    struct transfer *next = NULL;

    for (struct transfer *transfer = io->transfers; transfer; transfer = next) {
        next = transfer->next;
        if (!transfer->paused && transfer->idle_deadline_ns <= now_ns) {
            (void)error_set(&transfer->error, ERR_TIMEOUT, "no byte from %.*s for %u.%03u s",
                            SLICE_ARG(transfer->origin), transfer->idle_ms / 1000,
                            transfer->idle_ms % 1000);
            finish(transfer, CURLE_OPERATION_TIMEDOUT);
        }
    }
}

void http_collect(struct io *io, uint64_t now_ns)
{
    int left = 0;
    const CURLMsg *message = NULL;

    while ((message = curl_multi_info_read(io->multi, &left)) != NULL) {
        char *private = NULL;
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
            finish((struct transfer *)(void *)private, code);
        }
    }
    end_idle(io, now_ns);
}

uint64_t http_deadline_ns(const struct io *io)
{
    uint64_t earliest = NEVER_NS;

    for (const struct transfer *transfer = io->transfers; transfer; transfer = transfer->next) {
        if (!transfer->paused && transfer->idle_deadline_ns < earliest) {
            earliest = transfer->idle_deadline_ns;
        }
    }
    return earliest;
}

void http_done(struct io *io)
{
    while (io->transfers) {
        (void)curl_multi_remove_handle(io->multi, io->transfers->easy);
        transfer_free(io->transfers);
    }
    while (io->idle_count > 0) {
        curl_easy_cleanup(io->idle[--io->idle_count]);
    }
}
