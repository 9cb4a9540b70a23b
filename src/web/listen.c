/*
 * listen.c - reading and trying the address to listen on.
 *
 * Knows how people write addresses and why a bind fails. Refuses to know what is served there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

static enum err refuse(const struct web_address *address, struct error *error)
{
    return error_set(error, ERR_INVALID,
                     "\"%s\" is no address to listen on: write PORT, :PORT, IP:PORT or [IPv6]:PORT",
                     address->text);
}

enum err web_address_parse(struct slice listen, struct web_address *ret, struct error *error)
{
    unsigned char binary[16];
    uint64_t port = 0;

    *ret = (struct web_address){ 0 };
    if (slice_copy(listen, ret->text, sizeof(ret->text)) != ERR_OK) {
        return error_set(error, ERR_INVALID, "the address to listen on is too long");
    }
    const char *colon = memrchr(listen.data ? listen.data : "", ':', listen.len);
    struct slice host = { listen.data, colon ? (size_t)(colon - listen.data) : 0 };
    struct slice port_text = { colon ? colon + 1 : listen.data, listen.len - host.len - !!colon };
    bool bracket = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (bracket) {
        host = (struct slice){ host.data + 1, host.len - 2 };
    } else if (slice_is(host, "localhost")) {
        host = SLICE("127.0.0.1");
    }
    if (port_text.len == 0 || slice_u64(port_text, UINT16_MAX, &port) != ERR_OK ||
        slice_copy(host, ret->host, sizeof(ret->host)) != ERR_OK) {
        return refuse(ret, error);
    }
    ret->port = (uint16_t)port;
    ret->four_only = ret->host[0] && inet_pton(AF_INET, ret->host, binary) == 1;
    if (ret->host[0] && !ret->four_only &&
        !(bracket && inet_pton(AF_INET6, ret->host, binary) == 1)) {
        return refuse(ret, error);
    }
    return ERR_OK;
}

static int try_bind(const struct web_address *address, int family)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(address->port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
    const struct sockaddr *name = family == AF_INET ? (const struct sockaddr *)&four
                                                    : (const struct sockaddr *)&six;
    socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);
    int one = 1, result = 0;

    if (address->host[0]) {
        (void)inet_pton(family, address->host,
                        family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
    }
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, name, len) < 0 || listen(fd, 1) < 0) {
        result = errno;
    }
    (void)close(fd);
    return result;
}

enum err web_address_probe(struct web_address *address, struct error *error)
{
    int result = try_bind(address, address->four_only ? AF_INET : AF_INET6);

    if (!address->host[0] && (result == EAFNOSUPPORT || result == EADDRNOTAVAIL)) {
        address->four_only = true;
        result = try_bind(address, AF_INET);
    }
    if (result == 0) {
        return ERR_OK;
    }
    const char *hint = result == EADDRINUSE ? "; another process listens there, choose another "
                                              "--listen"
                       : result == EACCES   ? "; ports below 1024 need a privilege"
                                            : "";
    return error_set(error, ERR_IO, "cannot listen on %s: %s%s", address->text, strerror(result),
                     hint);
}
