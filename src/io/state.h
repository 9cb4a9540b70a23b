/*
 * state.h - what the files of src/io share: the loop, its rounds of events, transfers and children.
 *
 *   io_start --> transfer (HTTP, a curl handle) --callbacks--+
 *           \--> child (EXEC, pipes and a pidfd) ------------+--> filling round --io_wait--> shown
 *            \-> FILE: read on the spot ---------------------+
 *
 * Two rounds take turns: what io_wait has handed out stays readable while io_start already adds to
 * the next.
 */
#ifndef HEADROOM_IO_STATE_H
#define HEADROOM_IO_STATE_H

#include <signal.h>
#include <sys/types.h>

#include <curl/curl.h>

#include <headroom/buf.h>
#include <headroom/io.h>

enum {
    IDLE_HANDLES_MAX = 8,
    ROUND_BYTES_MAX = 64 * 1024, /* body bytes of one round; who brings more is paused */
    ROUND_EVENTS_MAX = 512,      /* the same for many small pieces */
    FILE_MAX = 1024 * 1024,
    EXEC_OUTPUT_MAX = 1024 * 1024,
    EXEC_TOTAL_MS = 60000,
    CONNECT_MS = 5000,
    STDERR_LINE_MAX = 256
};

#define NEVER_NS UINT64_MAX
#define MS_NS UINT64_C(1000000)

struct round {
    struct arena arena;
    struct fetch_event *events; /* grows, is kept */
    uint32_t count, capacity;
    size_t bytes;
};

/* An HTTP request under way. */
struct transfer {
    struct transfer *next, *prev;
    struct io *io;
    uint64_t id;
    struct arena arena; /* what curl borrows: the body */
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char curl_error[CURL_ERROR_SIZE];
    struct slice origin; /* scheme://host:port, for messages */
    struct slice proxy;  /* the same of the one that was named for it; may be empty */
    int status;
    uint64_t sent_ns, send_by_ns;
    struct slice content_type, date; /* of the arena, until the HEAD is shown */
    bool head_shown, paused, insecure, stream;
    size_t received, response_max;
    uint32_t connect_ms, total_ms, idle_ms;
    uint64_t idle_deadline_ns;
    struct error error; /* why we ended it ourselves */
};

/* A program under way. */
struct child {
    struct child *next, *prev;
    uint64_t id;
    struct slice program; /* of its arena */
    struct arena arena;
    pid_t pid;
    int pidfd, out, err; /* out and err: -1 after their end */
    struct buf output;
    char line[STDERR_LINE_MAX]; /* the first line of stderr that says something */
    size_t line_len;
    bool line_done;
    bool ended; /* its END is out: only to be reaped */
    uint64_t deadline_ns;
    uint32_t total_ms;
};

struct io {
    CURLM *multi;
    CURL *idle[IDLE_HANDLES_MAX];
    uint32_t idle_count;
    struct transfer *transfers;
    struct child *children;
    uint32_t under_way;
    struct round rounds[2];
    uint32_t filling; /* index of the round that grows */
    int signals;      /* signalfd */
    sigset_t old_mask;
    struct sigaction old_pipe;
    uint32_t stop_requests;
    uint64_t read_dry_ns; /* when all sockets had been read dry */
    uint64_t streamed_ns; /* when a stream last brought something */
    uint64_t arrived_ns;  /* what is read now came then, at the earliest */
    int epoll;            /* everything that is waited for */
    int wakes;            /* eventfd of io_wake */
    bool woken;           /* within this io_wait */
    uint64_t curl_ns;     /* when curl wants to be called, without a socket */
};

/* ---- rounds (io.c) ---- */

/* A zeroed event at the end of the filling round. */
struct fetch_event *round_add(struct io *io, uint64_t id, enum fetch_event_kind kind);
void round_end(struct io *io, uint64_t id, const struct error *error);
/* The loop wakes when it can be read; closing it ends that. Nothing for -1. */
void io_watch(struct io *io, int fd);
void close_fd(int *fd); /* nothing when it is -1, which it is afterwards */
/* More of the peer's bytes would be too much for this round. */
bool round_full(const struct io *io);
struct round *round_filling(struct io *io);

/* ---- HTTP (http.c) ---- */

void http_start(struct io *io, const struct fetch *fetch);
bool http_cancel(struct io *io, uint64_t id);
/* Lets the paused ones go on. */
void http_resume(struct io *io);
/* Ends what has finished or stood idle for too long. */
void http_collect(struct io *io, uint64_t now_ns);
uint64_t http_deadline_ns(const struct io *io);
void http_done(struct io *io);

/* ---- how a transfer is set up, and how its failure reads (setup.c, message.c) ---- */

/* Everything but the callbacks. The text names what is wrong with the request. */
enum err http_setup(struct transfer *transfer, const struct fetch *fetch, struct error *error)
    ERR_CHECKED;
struct slice http_origin(struct arena *arena, struct slice url);
void http_explain(const struct transfer *transfer, CURLcode code, struct error *error);

/* ---- programs (exec.c) ---- */

void exec_start(struct io *io, const struct fetch *fetch);
bool exec_cancel(struct io *io, uint64_t id);
void exec_collect(struct io *io, uint64_t now_ns);
uint64_t exec_deadline_ns(const struct io *io);
void exec_done(struct io *io); /* kills and reaps all */

#endif
