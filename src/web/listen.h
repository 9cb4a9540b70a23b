/*
 * listen.h - the address that the page listens on.
 */
#ifndef HEADROOM_WEB_LISTEN_H
#define HEADROOM_WEB_LISTEN_H

#include <headroom/slice.h>

struct web_address {
    char text[128]; /* as it was given, for messages */
    char host[64];  /* an IP address; "": all */
    uint16_t port;  /* 0: any */
    bool four_only; /* IPv4 */
};

/* "8080", ":8080", "127.0.0.1:8080", "localhost:8080", "[::1]:8080". */
enum err web_address_parse(struct slice listen, struct web_address *ret, struct error *error)
    ERR_CHECKED;

/* Binds and closes again: libwebsockets does not tell why it cannot. Clears the way for a system
 * without IPv6. */
enum err web_address_probe(struct web_address *address, struct error *error) ERR_CHECKED;

#endif
