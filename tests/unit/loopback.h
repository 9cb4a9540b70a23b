/*
 * loopback.h - an HTTP server on 127.0.0.1 for tests: a thread that answers requests in the order
 * of a script.
 *
 *     struct loopback server;
 *     loopback_start(&server, (struct loopback_reply[]){ { .text = SLICE("HTTP/1.1 200 OK\r\n...")
 * } }, 1);
 *     ... ask http://127.0.0.1:server.port/ ...
 *     loopback_stop(&server);             // server.seen holds what was asked, server.connections
 * how many came
 *
 * The last reply is given again when the script is over. With TLS, the certificate is made on the
 * spot for the name that the test gives.
 */
#ifndef HEADROOM_TEST_LOOPBACK_H
#define HEADROOM_TEST_LOOPBACK_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <headroom/buf.h>

#include "test.h"

enum { LOOPBACK_CONNECTIONS_MAX = 16 };

struct loopback_reply {
    struct slice text; /* sent as it is */
    bool close;        /* then the connection is closed */
    uint32_t repeat;   /* text is sent so many times more */
};

struct loopback_connection {
    int fd;
    SSL *ssl;
};

struct loopback {
    uint16_t port;
    int listener, stop;
    pthread_t thread;
    const struct loopback_reply *replies;
    uint32_t reply_count;
    SSL_CTX *tls;
    char certificate_pem[4096], key_pem[4096];
    struct loopback_connection connections_open[LOOPBACK_CONNECTIONS_MAX];
    uint32_t open_count;
    struct buf seen;                            /* read it after loopback_stop */
    atomic_uint connections, requests, resumed; /* resumed: TLS sessions */
};

static inline void loopback_send(struct loopback_connection *connection, struct slice text)
{
    while (text.len > 0) {
        int put = connection->ssl ? SSL_write(connection->ssl, text.data, (int)text.len)
                                  : (int)send(connection->fd, text.data, text.len, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        text.data += put;
        text.len -= (size_t)put;
    }
}

static inline void loopback_close(struct loopback *server, uint32_t at)
{
    struct loopback_connection *connection = &server->connections_open[at];

    if (connection->ssl) {
        (void)SSL_shutdown(connection->ssl);
        SSL_free(connection->ssl);
    }
    (void)close(connection->fd);
    *connection = server->connections_open[--server->open_count];
}

/* One request, head and body; false: the peer has gone. */
static inline bool loopback_request(struct loopback *server, struct loopback_connection *connection)
{
    struct buf request;
    size_t wanted = SIZE_MAX;

    buf_init(&request, 1 << 20);
    while (request.len < wanted) {
        char piece[4096];
        int got = connection->ssl ? SSL_read(connection->ssl, piece, sizeof(piece))
                                  : (int)recv(connection->fd, piece, sizeof(piece), 0);
        if (got <= 0) {
            buf_done(&request);
            return false;
        }
        buf_add(&request, piece, (size_t)got);
        const char *head_end = strstr(request.data, "\r\n\r\n");
        if (head_end) {
            const char *length = strcasestr(request.data, "\r\ncontent-length:");
            wanted = (size_t)(head_end - request.data) + 4;
            wanted += length && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
        }
    }
    buf_add_slice(&server->seen, buf_slice(&request));
    buf_done(&request);
    return true;
}

static inline void loopback_answer(struct loopback *server, uint32_t at)
{
    struct loopback_connection *connection = &server->connections_open[at];

    if (!loopback_request(server, connection)) {
        loopback_close(server, at);
        return;
    }
    uint32_t number = atomic_fetch_add(&server->requests, 1);
    const struct loopback_reply *reply =
        &server->replies[number < server->reply_count ? number : server->reply_count - 1];
    for (uint32_t i = 0; i <= reply->repeat; i++) {
        loopback_send(connection, reply->text);
    }
    if (reply->close) {
        loopback_close(server, at);
    }
}

static inline void loopback_accept(struct loopback *server)
{
    struct loopback_connection connection = {
        .fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC),
    };

    if (connection.fd < 0) {
        return;
    }
    atomic_fetch_add(&server->connections, 1);
    if (server->tls) {
        connection.ssl = SSL_new(server->tls);
        (void)SSL_set_fd(connection.ssl, connection.fd);
        if (SSL_accept(connection.ssl) <= 0) {
            SSL_free(connection.ssl);
            (void)close(connection.fd);
            return;
        }
        atomic_fetch_add(&server->resumed, SSL_session_reused(connection.ssl) ? 1 : 0);
    }
    server->connections_open[server->open_count++] = connection;
}

static inline void *loopback_run(void *context)
{
    struct loopback *server = context;

    for (;;) {
        struct pollfd fds[LOOPBACK_CONNECTIONS_MAX + 2] = {
            { .fd = server->stop, .events = POLLIN },
            { .fd = server->listener, .events = POLLIN },
        };
        uint32_t count = server->open_count;
        for (uint32_t i = 0; i < count; i++) {
            fds[i + 2] = (struct pollfd){ .fd = server->connections_open[i].fd, .events = POLLIN };
        }
        if (poll(fds, count + 2, -1) < 0 || fds[0].revents) {
            return NULL;
        }
        for (uint32_t i = count; i > 0; i--) {
            if (fds[i + 1].revents) {
                loopback_answer(server, i - 1);
            }
        }
        if (fds[1].revents && server->open_count < LOOPBACK_CONNECTIONS_MAX) {
            loopback_accept(server);
        }
    }
}

/* A self-signed certificate for the name (DNS, or IP when it is "127.0.0.1"). */
static inline void loopback_certificate(struct loopback *server, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    char text[128];

    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_set_version(certificate, 2);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void)X509_set_pubkey(certificate, key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     (const unsigned char *)"test", -1, -1, 0);
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    (void)snprintf(text, sizeof(text), "%s:%s", strcmp(name, "127.0.0.1") == 0 ? "IP" : "DNS",
                   name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
    (void)X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    (void)X509_sign(certificate, key, EVP_sha256());

    BIO *memory = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509(memory, certificate);
    int len = BIO_read(memory, server->certificate_pem, sizeof(server->certificate_pem) - 1);
    server->certificate_pem[len > 0 ? len : 0] = '\0';
    (void)PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
    len = BIO_read(memory, server->key_pem, sizeof(server->key_pem) - 1);
    server->key_pem[len > 0 ? len : 0] = '\0';
    BIO_free(memory);
    server->tls = SSL_CTX_new(TLS_server_method());
    (void)SSL_CTX_use_certificate(server->tls, certificate);
    (void)SSL_CTX_use_PrivateKey(server->tls, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* tls_name NULL: plain HTTP. */
static inline void loopback_start_tls(struct loopback *server, const struct loopback_reply *replies,
                                      uint32_t count, const char *tls_name)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    *server = (struct loopback){ .replies = replies, .reply_count = count };
    buf_init(&server->seen, 1 << 20);
    if (tls_name) {
        loopback_certificate(server, tls_name);
    }
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->stop = eventfd(0, EFD_CLOEXEC);
    require(server->listener >= 0 && server->stop >= 0);
    require(bind(server->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    require(listen(server->listener, LOOPBACK_CONNECTIONS_MAX) == 0);
    require(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
    require(pthread_create(&server->thread, NULL, loopback_run, server) == 0);
}

static inline void loopback_start(struct loopback *server, const struct loopback_reply *replies,
                                  uint32_t count)
{
    loopback_start_tls(server, replies, count, NULL);
}

/* Ends the thread; `seen` stays readable until the test's end. */
static inline void loopback_stop(struct loopback *server)
{
    uint64_t one = 1;

    if (write(server->stop, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
        test_fail("cannot stop the server");
        return;
    }
    (void)pthread_join(server->thread, NULL);
    while (server->open_count > 0) {
        loopback_close(server, 0);
    }
    (void)close(server->listener);
    (void)close(server->stop);
    SSL_CTX_free(server->tls);
    struct buf seen = server->seen;
    struct slice copy = arena_slice(test_arena(), buf_slice(&seen));
    server->seen = (struct buf){ .data = (char *)copy.data, .len = copy.len };
    buf_done(&seen);
}

#endif
