/*
 * io.c - the loop: one epoll_wait for sockets, children, signals and wake-ups alike.
 *
 * curl is told of the sockets that have something and of no others: a dozen watches stand idle
 * while one of them brings a thousand events a second, and curl_multi_perform looks at them all.
 *
 * Knows rounds of events and who waits for what. Refuses to know what a request means or who asked.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

enum { CACHED_CONNECTIONS = 32, READY_MAX = 64 };

#define GATHER_NS UINT64_C(1500000)
#define WAITED_NS UINT64_C(50000) /* who waited for less did not wait */
#define SOCKET_OF_CURL (UINT64_C(1) << 32)

struct round *round_filling(struct io *io)
{
    return &io->rounds[io->filling];
}

bool round_full(const struct io *io)
{
    const struct round *round = &io->rounds[io->filling];

    return round->bytes >= ROUND_BYTES_MAX || round->count >= ROUND_EVENTS_MAX;
}

struct fetch_event *round_add(struct io *io, uint64_t id, enum fetch_event_kind kind)
{
    struct round *round = round_filling(io);

    mem_reserve(&round->events, &round->capacity, round->count + 1, sizeof(*round->events));
    struct fetch_event *event = &round->events[round->count++];
    *event = (struct fetch_event){ .id = id, .kind = kind };
    return event;
}

void round_end(struct io *io, uint64_t id, const struct error *error)
{
    round_add(io, id, FETCH_END)->error = *error;
    assert(io->under_way > 0);
    io->under_way--;
}

/* The round that was filled is shown, the one that was shown is emptied. */
static struct round *turn_rounds(struct io *io)
{
    struct round *shown = round_filling(io);

    io->filling = 1 - io->filling;
    struct round *fresh = round_filling(io);
    arena_reset(&fresh->arena);
    fresh->count = 0;
    fresh->bytes = 0;
    return shown;
}

/* Threads that libraries start later inherit the mask: the signals reach nobody but the descriptor.
 */
static enum err take_signals(struct io *io, struct error *error)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &mask, &io->old_mask) != 0 ||
        sigaction(SIGPIPE, &ignore, &io->old_pipe) < 0) {
        return error_set(error, ERR_IO, "cannot set up signals: %s", strerror(errno));
    }
    io->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (io->signals < 0) {
        return error_set(error, ERR_IO, "cannot open a descriptor for signals: %s",
                         strerror(errno));
    }
    return ERR_OK;
}

/* ---- what is waited for ---- */

void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static bool watch(struct io *io, int op, int fd, uint32_t events, bool of_curl)
{
    struct epoll_event event = {
        .events = events,
        .data.u64 = (uint64_t)(uint32_t)fd | (of_curl ? SOCKET_OF_CURL : 0),
    };

    return epoll_ctl(io->epoll, op, fd, &event) == 0;
}

void io_watch(struct io *io, int fd)
{
    if (fd >= 0) {
        bool watched = watch(io, EPOLL_CTL_ADD, fd, EPOLLIN, false);
        assert(watched); /* a descriptor of our own, opened just now */
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct io *io = context;
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        (void)watch(io, EPOLL_CTL_DEL, fd, 0, true); /* closed already: gone by itself */
        return 0;
    }
    /* A number that was closed and opened anew may be in either state. */
    return watch(io, EPOLL_CTL_MOD, fd, events, true) || watch(io, EPOLL_CTL_ADD, fd, events, true)
               ? 0
               : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct io *io = context;

    (void)multi;
    io->curl_ns = timeout_ms < 0 ? NEVER_NS : io_now_ns() + (uint64_t)timeout_ms * MS_NS;
    return 0;
}

static enum err open_loop(struct io *io, struct error *error)
{
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->wakes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (io->epoll < 0 || io->wakes < 0) {
        return error_set(error, ERR_IO, "cannot open descriptors for the loop: %s",
                         strerror(errno));
    }
    io_watch(io, io->signals);
    io_watch(io, io->wakes);
    return ERR_OK;
}

static enum err open_curl(struct io *io, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(io->multi = curl_multi_init())) {
        return error_set(error, ERR_IO, "cannot set up libcurl");
    }
    (void)curl_multi_setopt(io->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    (void)curl_multi_setopt(io->multi, CURLMOPT_MAXCONNECTS, (long)CACHED_CONNECTIONS);
    (void)curl_multi_setopt(io->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(io->multi, CURLMOPT_SOCKETDATA, io);
    (void)curl_multi_setopt(io->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(io->multi, CURLMOPT_TIMERDATA, io);
    return ERR_OK;
}

/* ---- life ---- */

enum err io_new(struct io **ret, struct error *error)
{
    struct io *io = mem_resize(NULL, 1, sizeof(*io));

    *io = (struct io){ .signals = -1, .epoll = -1, .wakes = -1, .curl_ns = NEVER_NS };
    arena_init(&io->rounds[0].arena);
    arena_init(&io->rounds[1].arena);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &io->old_mask);
    (void)sigaction(SIGPIPE, NULL, &io->old_pipe);
    enum err err = take_signals(io, error);
    err = err == ERR_OK ? open_loop(io, error) : err;
    err = err == ERR_OK ? open_curl(io, error) : err;
    if (err != ERR_OK) {
        io_free(io);
        return err;
    }
    *ret = io;
    return ERR_OK;
}

void io_free(struct io *io)
{
    if (!io) {
        return;
    }
    exec_done(io);
    if (io->multi) {
        http_done(io);
        (void)curl_multi_cleanup(io->multi);
        curl_global_cleanup();
    }
    for (int i = 0; i < 2; i++) {
        arena_done(&io->rounds[i].arena);
        mem_free(io->rounds[i].events);
    }
    close_fd(&io->signals);
    close_fd(&io->wakes);
    close_fd(&io->epoll);
    (void)sigaction(SIGPIPE, &io->old_pipe, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &io->old_mask, NULL);
    mem_free(io);
}

static void file_start(struct io *io, const struct fetch *fetch)
{
    struct arena *arena = &round_filling(io)->arena;
    size_t max = fetch->response_max ? fetch->response_max : FILE_MAX;
    struct slice path = arena_slice(arena, fetch->target);
    struct slice content = { 0 };
    struct error error = { 0 };
    struct stat status;

    /* Anything else, a pipe for one, could make the loop wait. */
    if (stat(path.data, &status) == 0 && !S_ISREG(status.st_mode)) {
        (void)error_set(&error, ERR_INVALID, "%s is not a regular file", path.data);
    } else if (io_read_file(arena, path.data, max, &content, &error) == ERR_OK && content.len > 0) {
        round_add(io, fetch->id, FETCH_BODY)->body = content;
    }
    round_end(io, fetch->id, &error);
}

void io_start(struct io *io, const struct fetch *fetch)
{
    io->under_way++;
    switch (fetch->kind) {
    case FETCH_HTTP:
        http_start(io, fetch);
        return;
    case FETCH_FILE:
        file_start(io, fetch);
        return;
    case FETCH_EXEC:
        exec_start(io, fetch);
        return;
    }
    assert(false); /* no other kind */
}

void io_cancel(struct io *io, uint64_t id)
{
    struct error error = { 0 };

    /* Neither knows it: it has ended already, and its END is on the way. */
    if (http_cancel(io, id) || exec_cancel(io, id)) {
        (void)error_set(&error, ERR_CANCELLED, "cancelled");
        round_end(io, id, &error);
    }
}

static void collect_signals(struct io *io)
{
    struct signalfd_siginfo info;

    while (read(io->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        io->stop_requests++;
    }
}

static void collect_wakes(struct io *io)
{
    uint64_t count = 0;

    io->woken |= read(io->wakes, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static int poll_ms(uint64_t now_ns, uint64_t until_ns)
{
    if (until_ns <= now_ns) {
        return 0;
    }
    /* Up, so that a deadline is never met too early and then polled for without a pause. */
    uint64_t ms = (until_ns - now_ns - 1) / MS_NS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* False: it is one of our own. */
static bool serve(struct io *io, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    int bits = (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    int running = 0;

    if (!(event->data.u64 & SOCKET_OF_CURL)) {
        return false;
    }
    (void)curl_multi_socket_action(io->multi, fd, bits, &running);
    return true;
}

static void serve_timer(struct io *io)
{
    int running = 0;

    if (io->curl_ns <= io_now_ns()) {
        io->curl_ns = NEVER_NS;
        (void)curl_multi_socket_action(io->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

/* A busy watch brings a piece each millisecond, and to be woken for each costs more than to read
 * it. What we have to send does not wait. */
static void gather(struct io *io, uint64_t deadline_ns)
{
    uint64_t until = earliest(io->streamed_ns + GATHER_NS, earliest(deadline_ns, io->curl_ns));
    uint64_t now = io_now_ns();

    if (until > now && round_filling(io)->count == 0) {
        struct timespec pause = { .tv_nsec = (long)(until - now) };
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

/* One wait and what it brought. */
static void turn(struct io *io, uint64_t deadline_ns)
{
    struct epoll_event ready[READY_MAX];
    uint64_t until = earliest(earliest(deadline_ns, io->curl_ns),
                              earliest(http_deadline_ns(io), exec_deadline_ns(io)));
    uint64_t before = io_now_ns();
    int timeout = round_filling(io)->count > 0 ? 0 : poll_ms(before, until);
    int count = epoll_wait(io->epoll, ready, READY_MAX, timeout);
    uint64_t after = io_now_ns();

    /* Where there was nothing to wait for, the bytes may be as old as the last look. */
    io->arrived_ns = after - before < WAITED_NS ? io->read_dry_ns : after;
    bool own = false;
    for (int i = 0; i < count; i++) {
        own |= !serve(io, &ready[i]);
    }
    serve_timer(io);
    uint64_t now = io_now_ns();
    io->read_dry_ns = now;
    http_collect(io, now);
    if (io->children) {
        exec_collect(io, now);
    }
    if (own) {
        collect_signals(io);
        collect_wakes(io);
    }
}

const struct fetch_event *io_wait(struct io *io, uint64_t deadline_ns, uint32_t *ret_count)
{
    uint32_t stops = io->stop_requests;

    io->woken = false;
    http_resume(io);
    gather(io, deadline_ns);
    do {
        turn(io, deadline_ns);
    } while (round_filling(io)->count == 0 && io->stop_requests == stops && !io->woken &&
             io_now_ns() < deadline_ns);
    struct round *shown = turn_rounds(io);
    *ret_count = shown->count;
    return shown->events;
}

uint32_t io_stop_requests(const struct io *io)
{
    return io->stop_requests;
}

void io_wake(struct io *io)
{
    uint64_t one = 1;

    /* Full after 2^64 wakes that nobody has seen: then it is awake. */
    if (write(io->wakes, &one, sizeof(one)) < 0) {
        assert(errno == EAGAIN);
    }
}

uint32_t io_under_way(const struct io *io)
{
    return io->under_way;
}
