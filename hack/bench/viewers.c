/*
 * viewers.c - open pages that nearly nobody pays for: WebSockets whose frames are counted and
 * thrown away in the kernel.
 *
 *     page-viewers PORT COUNT
 *
 * Opens so many pages of 127.0.0.1:PORT, says "open", and reads until its standard input ends; then
 * prints `pictures bytes cpu_seconds`.
 *
 * Knows the heads of a server's frames. Refuses to know what is in them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VIEWERS_MAX = 128, HEAD_MAX = 10, EVENTS = 64 };

struct viewer {
    int fd;
    unsigned char head[HEAD_MAX];
    size_t have;
    uint64_t left; /* of the frame's payload */
};

static struct viewer viewers[VIEWERS_MAX];
static uint64_t pictures, bytes;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_viewer(struct viewer *viewer, uint16_t port)
{
    static const char ask[] = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: headroom\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char answer[2048];
    size_t len = 0;

    viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (viewer->fd < 0 || connect(viewer->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(viewer->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(ask) - 1) {
        fail("viewers: cannot open a page");
    }
    /* One by one: what follows the answer's end is the first frame. */
    while (len < 4 || memcmp(answer + len - 4, "\r\n\r\n", 4) != 0) {
        if (len == sizeof(answer) || recv(viewer->fd, answer + len, 1, 0) != 1) {
            fail("viewers: no answer");
        }
        len++;
    }
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0) {
        fail("viewers: turned away");
    }
}

static size_t head_len(const struct viewer *viewer)
{
    if (viewer->have < 2) {
        return 2;
    }
    unsigned short_len = viewer->head[1] & 127;
    return short_len == 127 ? 10 : short_len == 126 ? 4 : 2;
}

static void frame_begins(struct viewer *viewer)
{
    size_t len = head_len(viewer);

    viewer->left = 0;
    if (len == 2) {
        viewer->left = viewer->head[1] & 127;
    }
    for (size_t i = 2; i < len; i++) {
        viewer->left = viewer->left << 8 | viewer->head[i];
    }
    bytes += viewer->left;
    /* The last piece of a message that is no control frame's. */
    pictures += (viewer->head[0] & 0x80) != 0 && (viewer->head[0] & 0x08) == 0;
    viewer->have = 0;
}

static void read_all(struct viewer *viewer)
{
    for (;;) {
        ssize_t got = 0;
        if (viewer->left > 0) {
            /* MSG_TRUNC of a TCP socket: taken out and not copied. */
            got = recv(viewer->fd, NULL, viewer->left, MSG_TRUNC | MSG_DONTWAIT);
            viewer->left -= got > 0 ? (uint64_t)got : 0;
        } else {
            got = recv(viewer->fd, viewer->head + viewer->have, head_len(viewer) - viewer->have,
                       MSG_DONTWAIT);
            viewer->have += got > 0 ? (size_t)got : 0;
            if (got > 0 && viewer->have >= 2 && viewer->have == head_len(viewer)) {
                frame_begins(viewer);
            }
        }
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            fail("viewers: a page was closed");
        }
    }
}

static void serve(int epoll)
{
    struct epoll_event events[EVENTS];
    char rest[64];

    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct viewer *viewer = events[i].data.ptr;
            if (viewer) {
                read_all(viewer);
            } else if (read(STDIN_FILENO, rest, sizeof(rest)) <= 0) {
                return;
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned long port = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    if (port == 0 || port > UINT16_MAX || count > VIEWERS_MAX) {
        (void)fprintf(stderr, "usage: page-viewers PORT COUNT (at most %d)\n", VIEWERS_MAX);
        return 2;
    }
    for (unsigned long i = 0; i < count; i++) {
        open_viewer(&viewers[i], (uint16_t)port);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &viewers[i] };
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, viewers[i].fd, &event);
    }
    struct epoll_event event = { .events = EPOLLIN };
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    (void)puts("open");
    (void)fflush(stdout);
    serve(epoll);
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("%llu %llu %.3f\n", (unsigned long long)pictures, (unsigned long long)bytes,
                 (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
