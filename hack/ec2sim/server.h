/*
 * server.h - HTTP/1.1 around a function that answers requests: one thread, libwebsockets.
 *
 * Does to a connection what the answer says: waits, cuts it before or within the body, holds the
 * answer until it is released. Headers come as they were sent, as far as a signature or IMDS needs
 * them: those that Authorization names as signed, and a few more.
 */
#ifndef EC2SIM_SERVER_H
#define EC2SIM_SERVER_H

#include <headroom/sim.h>

struct server;

struct server_config {
    const char *address; /* to listen on */
    uint16_t port;       /* 0: any */
    /* The answer lives in the arena. */
    void (*answer)(void *context, struct arena *arena, const struct sim_http_request *request,
                   struct sim_http_response *ret);
    bool (*held)(void *context, uint64_t hold);
    void *context;
};

enum err server_new(const struct server_config *config, struct server **ret, struct error *error)
    ERR_CHECKED;
void server_free(struct server *server);
uint16_t server_port(const struct server *server);
/* Until server_stop. */
void server_run(struct server *server);
/* From any thread or signal handler's flag: server_run returns. */
void server_stop(struct server *server);

#endif
