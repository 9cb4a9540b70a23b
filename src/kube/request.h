/* request.h - one HTTP request, file or program under way, and who waits for it. */
#ifndef KUBE_REQUEST_H
#define KUBE_REQUEST_H

#include <headroom/buf.h>
#include <headroom/fetch.h>

struct kube;
struct auth_identity;

enum { REQUESTS_MAX = 64, ANSWER_MAX = 1 << 20 };

/* How a request ended. The body is there unless `on_body` took it; of an error always. */
struct answer {
    int status; /* 0: no answer, see error */
    uint32_t retry_after_ms;
    uint64_t sent_ns;
    struct slice body;  /* borrowed for the call */
    struct error error; /* of the transport or of on_body */
};

typedef enum err request_body_fn(struct kube *kube, void *owner, struct slice body,
                                 struct error *error);
typedef void request_head_fn(struct kube *kube, void *owner, const struct fetch_event *head);
typedef void request_done_fn(struct kube *kube, void *owner, const struct answer *answer);

struct request {
    uint64_t id; /* 0: free */
    uint64_t sent_ns;
    struct auth_identity *identity;
    request_head_fn *on_head; /* or NULL */
    request_body_fn *on_body; /* NULL: collected; a body of another status than 200 always is */
    request_done_fn *on_done;
    void *owner;
    int status;
    uint32_t retry_after_ms;
    struct buf body;
    struct error error; /* of on_body: the rest is ignored */
    bool abandoned;     /* nobody waits any more */
};

struct request_spec {
    const char *method;
    struct slice path; /* with its query, from "/" on */
    const char *accept;
    const char *content_type; /* of body */
    struct slice body;
    uint32_t total_ms, idle_ms;
    bool gzip, stream;
    request_head_fn *on_head;
    request_body_fn *on_body;
    request_done_fn *on_done;
    void *owner;
};

struct requests {
    struct request slots[REQUESTS_MAX];
    uint64_t last_id;
    uint32_t under_way;
};

void requests_init(struct requests *requests, uint64_t base);
void requests_done(struct requests *requests);

/* To the API server, with what convinces it. Returns the id. */
uint64_t request_http(struct kube *kube, const struct request_spec *spec);
/* A file or program of auth's: the caller fills in the fetch. */
struct fetch *request_other(struct kube *kube, request_done_fn *on_done, void *owner);
/* Nobody waits for it any more; on_done is not called. 0: nothing. */
void request_abandon(struct kube *kube, uint64_t id);
void request_event(struct kube *kube, const struct fetch_event *event);

#endif
