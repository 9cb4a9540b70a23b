/*
 * fetch.h - what a core asks of the outside world, and what comes back.
 *
 * A core (kube, ec2) never sees a socket, a file or a process: it emits a `struct fetch` and is
 * given `struct fetch_event`s. src/io answers them with libcurl and the operating system, src/sim
 * with a modelled world. Three kinds are enough: an HTTP request, a file to read (rotating tokens
 * and CAs), a program to run (exec credential plugins, credential_process).
 *
 *   core --- fetch {id 7} ---> io
 *   core <-- HEAD 200, BODY.., BODY.., END ok --- io
 *
 * There is exactly one END for each fetch, also for a cancelled one. FILE and EXEC have no HEAD. An
 * END that is not ERR_OK means that the bytes so far are not the whole.
 */
#ifndef HEADROOM_FETCH_H
#define HEADROOM_FETCH_H

#include <headroom/arena.h>
#include <headroom/slice.h>

enum fetch_kind { FETCH_HTTP, FETCH_FILE, FETCH_EXEC };

struct fetch_header {
    struct slice name, value;
};

/* PEM either inline or in a file; empty slices: the system's trust, no client certificate. */
struct fetch_tls {
    struct slice ca_pem, ca_file;
    struct slice cert_pem, cert_file;
    struct slice key_pem, key_file;
    struct slice server_name; /* whom the certificate must name; empty: the URL's host */
    struct slice proxy_url;   /* empty: HTTPS_PROXY and NO_PROXY of the environment */
    bool insecure;            /* only when the user asked in so many words */
};

struct fetch {
    uint64_t id; /* unique among the fetches under way; the upper byte names the core */
    enum fetch_kind kind;
    const char *method;  /* HTTP: "GET", "POST", "PUT", "PATCH", "DELETE" */
    struct slice target; /* URL, file path, or program (found on PATH) */
    const struct fetch_header *headers;
    size_t header_count;
    struct slice body;
    const struct slice *args; /* EXEC, without the program's name */
    size_t arg_count;
    const struct fetch_header *env; /* EXEC: added to the environment */
    size_t env_count;
    const struct fetch_tls *tls; /* HTTPS; must outlive the fetch; NULL: system trust */
    size_t response_max; /* decoded bytes; more ends it with ERR_LIMIT; 0: no limit in total */
    uint32_t connect_ms; /* 0: 5,000 */
    uint32_t total_ms;   /* 0: none */
    uint32_t idle_ms;    /* no byte for so long ends it with ERR_TIMEOUT; 0: none */
    /* HTTP: from this time on, of the steps' clock, it is not sent any more, however long
     * connecting or a pause of the process took: ERR_CANCELLED. 0: whenever. */
    uint64_t send_by_ns;
    bool gzip;   /* offer gzip; BODY is decoded already */
    bool stream; /* a long-lived response: a connection of its own */
};

enum fetch_event_kind { FETCH_HEAD, FETCH_BODY, FETCH_END };

struct fetch_event {
    uint64_t id;
    enum fetch_event_kind kind;
    int status;                /* HEAD */
    struct slice content_type; /* HEAD */
    struct slice date;         /* HEAD: the Date header, for clock skew; may be empty */
    uint32_t retry_after_ms;   /* HEAD: 0 if absent */
    struct slice body;         /* BODY */
    /* On the clock of the steps; 0: not known. HEAD: when the request's first byte went out;
     * BODY: when the bytes came, at the earliest that is possible. */
    uint64_t sent_ns, arrived_ns;
    struct error error; /* END: ERR_OK, or why it failed; EXEC: ERR_IO, stderr's first line */
};

/* What one step asks for. Memory belongs to the core and lives until its next step. */
struct fetch_list {
    struct arena *arena;
    struct fetch *starts;
    uint32_t start_count, start_capacity;
    uint64_t *cancels; /* each still ends with END ERR_CANCELLED */
    uint32_t cancel_count, cancel_capacity;
};

/* Appends a zeroed fetch, kind FETCH_HTTP. Valid until the next fetch_add. */
struct fetch *fetch_add(struct fetch_list *list, uint64_t id);
void fetch_cancel(struct fetch_list *list, uint64_t id);

#endif
