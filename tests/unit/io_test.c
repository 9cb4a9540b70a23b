/*
 * io_test.c - the loop against a real server on 127.0.0.1, real files, real programs and real
 * signals.
 *
 * Knows io.h alone. Refuses to know curl.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <headroom/io.h>

#include "loopback.h"

enum { PATIENCE_S = 20, FETCHES_MAX = 8 };

/* What came back for one fetch. */
struct answer {
    uint64_t id;
    int status;
    struct slice content_type, date;
    uint32_t retry_after_ms;
    uint64_t asked_ns, sent_ns, arrived_ns;
    struct buf body;
    uint32_t heads, bodies, ends;
    struct error error;
};

struct world {
    struct io *io;
    struct answer answers[FETCHES_MAX];
    uint32_t count, most_events;
    size_t most_bytes;
};

static void world_start(struct world *world)
{
    struct error error = { 0 };

    *world = (struct world){ 0 };
    require_ok(io_new(&world->io, &error), &error);
}

static void world_done(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        buf_done(&world->answers[i].body);
    }
    io_free(world->io);
}

static struct answer *ask(struct world *world, const struct fetch *fetch)
{
    struct answer *answer = &world->answers[world->count++];

    answer->id = fetch->id;
    answer->asked_ns = io_now_ns();
    buf_init(&answer->body, 64 << 20);
    io_start(world->io, fetch);
    return answer;
}

static void take(struct world *world, const struct fetch_event *event)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct answer *answer = &world->answers[i];
        if (answer->id != event->id) {
            continue;
        }
        expect(answer->ends == 0);
        if (event->kind == FETCH_HEAD) {
            answer->heads++;
            answer->status = event->status;
            answer->retry_after_ms = event->retry_after_ms;
            answer->sent_ns = event->sent_ns;
            answer->content_type = arena_slice(test_arena(), event->content_type);
            answer->date = arena_slice(test_arena(), event->date);
        } else if (event->kind == FETCH_BODY) {
            answer->bodies++;
            answer->arrived_ns = event->arrived_ns;
            buf_add_slice(&answer->body, event->body);
        } else {
            answer->ends++;
            answer->error = event->error;
        }
    }
}

static void turn(struct world *world)
{
    uint32_t count = 0;
    size_t bytes = 0;
    const struct fetch_event *events = io_wait(world->io, io_now_ns() + UINT64_C(1000000000),
                                               &count);

    for (uint32_t i = 0; i < count; i++) {
        bytes += events[i].body.len;
        take(world, &events[i]);
    }
    world->most_events = count > world->most_events ? count : world->most_events;
    world->most_bytes = bytes > world->most_bytes ? bytes : world->most_bytes;
}

/* Until the answer has ended. */
static void wait_for(struct world *world, const struct answer *answer)
{
    uint64_t limit = io_now_ns() + PATIENCE_S * UINT64_C(1000000000);

    while (answer->ends == 0) {
        require(io_now_ns() < limit);
        turn(world);
    }
}

static struct slice url(const struct loopback *server, const char *path)
{
    return arena_printf(test_arena(), "%s://127.0.0.1:%u%s", server->tls ? "https" : "http",
                        server->port, path);
}

#define OK_HELLO                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"       \
    "Content-Length: 5\r\n\r\nhello"

TEST(io, brings_a_response_as_head_body_and_end)
{
    struct loopback server;
    struct world world;

    loopback_start(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1);
    world_start(&world);
    struct fetch fetch = {
        .id = 7,
        .target = url(&server, "/api/v1/nodes?limit=1"),
        .headers = (struct fetch_header[]){ { SLICE("User-Agent"), SLICE("headroom/test") },
                                            { SLICE("X-Empty"), SLICE("") } },
        .header_count = 2,
    };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_u64(answer->heads, 1);
    expect_i64(answer->status, 200);
    expect_slice(answer->content_type, "text/plain");
    expect_slice(answer->date, "Fri, 02 Jan 2026 03:04:05 GMT");
    /* What headroom_reaction_seconds is made of. */
    expect(answer->asked_ns <= answer->sent_ns && answer->sent_ns <= answer->arrived_ns);
    expect(answer->arrived_ns <= io_now_ns());
    expect_slice(buf_slice(&answer->body), "hello");
    expect_u64(io_under_way(world.io), 0);
    loopback_stop(&server);
    expect_contains(buf_slice(&server.seen), "GET /api/v1/nodes?limit=1 HTTP/1.1\r\n");
    expect_contains(buf_slice(&server.seen), "User-Agent: headroom/test\r\n");
    expect_contains(buf_slice(&server.seen), "X-Empty:\r\n");
    world_done(&world);
}

TEST(io, sends_a_body_by_any_method_with_its_length)
{
    struct loopback server;
    struct world world;
    static const char *const methods[] = { "POST", "PATCH", "PUT", "DELETE" };

    loopback_start(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1);
    world_start(&world);
    for (uint64_t i = 0; i < 4; i++) {
        struct fetch fetch = { .id = i + 1,
                               .method = methods[i],
                               .target = url(&server, "/"),
                               .body = SLICE("Action=X") };
        wait_for(&world, ask(&world, &fetch));
    }
    struct fetch empty = { .id = 9, .method = "PUT", .target = url(&server, "/latest/api/token") };
    wait_for(&world, ask(&world, &empty));
    loopback_stop(&server);
    struct slice seen = buf_slice(&server.seen);
    expect_contains(seen, "POST / HTTP/1.1");
    expect_contains(seen, "PATCH / HTTP/1.1");
    expect_contains(seen, "DELETE / HTTP/1.1");
    expect_contains(seen, "Content-Length: 8\r\n\r\nAction=X");
    expect_contains(seen, "Content-Length: 0\r\n");
    expect(!slice_contains(seen, SLICE("Expect:")));
    expect(!slice_contains(seen, SLICE("form-urlencoded"))); /* nobody said that it is a form */
    expect_u64(server.connections, 1);                       /* kept alive */
    world_done(&world);
}

TEST(io, gives_a_stream_a_connection_of_its_own_and_its_head_at_once)
{
    struct loopback server;
    struct world world;

    loopback_start(&server,
                   (struct loopback_reply[]){
                       { .text = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") },
                       { .text = SLICE(OK_HELLO) } },
                   2);
    world_start(&world);
    struct fetch watch = { .id = 1, .target = url(&server, "/watch"), .stream = true };
    struct answer *stream = ask(&world, &watch);
    uint64_t limit = io_now_ns() + PATIENCE_S * UINT64_C(1000000000);
    while (stream->heads == 0 && io_now_ns() < limit) {
        turn(&world);
    }
    expect_i64(stream->status, 200);
    struct fetch other = { .id = 2, .target = url(&server, "/other") };
    wait_for(&world, ask(&world, &other));
    expect_u64(stream->ends, 0);
    expect_u64(server.connections, 2);

    io_cancel(world.io, 1);
    io_cancel(world.io, 2);  /* has ended: nothing happens */
    io_cancel(world.io, 77); /* never was */
    wait_for(&world, stream);
    expect_err(stream->error.code, ERR_CANCELLED, &stream->error);
    expect_u64(io_under_way(world.io), 0);
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, decodes_gzip_and_counts_decoded_bytes_against_the_cap)
{
    /* printf 'aaaa...(1,000)' | gzip -n */
    static const char gzip[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x4b\x4c\x1c\x05\xa3\x60\x14"
        "\x0c\x77\x00\x00\x03\xda\x38\x9a\xe8\x03\x00\x00";
    struct loopback server;
    struct world world;
    struct slice reply = arena_printf(
        test_arena(), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n%*s",
        sizeof(gzip) - 1, (int)sizeof(gzip) - 1, "");

    memcpy((char *)reply.data + reply.len - sizeof(gzip) + 1, gzip, sizeof(gzip) - 1);
    loopback_start(&server, (struct loopback_reply[]){ { .text = reply } }, 1);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = url(&server, "/"), .gzip = true };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_u64(answer->body.len, 1000);

    struct fetch capped = fetch;
    capped.id = 2;
    capped.response_max = 999;
    struct answer *too_much = ask(&world, &capped);
    wait_for(&world, too_much);
    expect_err(too_much->error.code, ERR_LIMIT, &too_much->error);
    expect_contains(slice_of(too_much->error.text), "999 bytes");
    loopback_stop(&server);
    expect_contains(buf_slice(&server.seen), "Accept-Encoding: gzip");
    world_done(&world);
}

TEST(io, bounds_what_one_round_brings_and_loses_nothing)
{
    enum { CHUNK = 64 * 1024, CHUNKS = 160 };
    struct loopback server;
    struct world world;
    struct slice head = arena_printf(test_arena(), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
                                     CHUNK * CHUNKS);
    struct slice reply = arena_printf(test_arena(), "%*s", (int)head.len + CHUNK * CHUNKS, "");

    memcpy((char *)reply.data, head.data, head.len);
    loopback_start(&server, (struct loopback_reply[]){ { .text = reply } }, 1);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = url(&server, "/"), .idle_ms = 10000 };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_u64(answer->body.len, (uint64_t)CHUNK * CHUNKS);
    expect(world.most_bytes > 0 && world.most_bytes < 512 * 1024);
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, ends_a_transfer_that_stands_idle)
{
    struct loopback server;
    struct world world;

    loopback_start(&server,
                   (struct loopback_reply[]){
                       { .text = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") } },
                   1);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = url(&server, "/"), .idle_ms = 50 };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_TIMEOUT, &answer->error);
    expect_contains(slice_of(answer->error.text), "no byte from http://127.0.0.1:");
    expect_slice(buf_slice(&answer->body), "abc");

    struct fetch total = { .id = 2, .target = url(&server, "/"), .total_ms = 50 };
    answer = ask(&world, &total);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_TIMEOUT, &answer->error);
    expect_contains(slice_of(answer->error.text), "within 0.050 s");
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, tells_a_cut_answer_from_a_whole_one)
{
    struct loopback server;
    struct world world;

    loopback_start(
        &server,
        (struct loopback_reply[]){
            { .text = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .close = true },
            { .text = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
              .close = true },
            { .text = SLICE("SSH-2.0-OpenSSH_9.2\r\n"), .close = true } },
        3);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = url(&server, "/") };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_TRUNCATED, &answer->error);
    fetch.id = 2;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect(answer->error.code == ERR_TRUNCATED || answer->error.code == ERR_UNAVAILABLE);
    fetch.id = 3;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_INVALID, &answer->error);
    expect_contains(slice_of(answer->error.text), "does not answer in HTTP");
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, hands_over_retry_after_and_follows_no_redirect)
{
    struct loopback server;
    struct world world;

    loopback_start(&server,
                   (struct loopback_reply[]){
                       { .text = SLICE("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n"
                                       "Content-Length: 0\r\n\r\n") },
                       { .text = SLICE("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                       "Content-Length: 0\r\n\r\n") } },
                   2);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = url(&server, "/") };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_i64(answer->status, 429);
    expect_u64(answer->retry_after_ms, 3000);
    fetch.id = 2;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_i64(answer->status, 302);
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, says_what_is_wrong_when_nobody_listens)
{
    struct loopback server;
    struct world world;

    loopback_start(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1);
    struct slice target = url(&server, "/?secret=x");
    loopback_stop(&server);
    world_start(&world);
    struct fetch fetch = { .id = 1, .target = target };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_UNAVAILABLE, &answer->error);
    expect_contains(slice_of(answer->error.text), "connection refused");
    expect(!strstr(answer->error.text, "secret"));

    static const char *const bad[] = { "ftp://127.0.0.1/", "127.0.0.1/", "http://",
                                       "http://a\r\nb/", "https://user:word@127.0.0.1/" };
    for (uint64_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fetch = (struct fetch){ .id = 10 + i, .target = slice_of(bad[i]) };
        answer = ask(&world, &fetch);
        wait_for(&world, answer);
        expect_err(answer->error.code, ERR_INVALID, &answer->error);
    }
    fetch = (struct fetch){
        .id = 20,
        .target = SLICE("http://127.0.0.1:1/"),
        .headers = (struct fetch_header[]){ { SLICE("Authorization"), SLICE("Bearer a\r\nX: b") } },
        .header_count = 1,
    };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_INVALID, &answer->error);
    world_done(&world);
}

TEST(io, trusts_the_given_authority_and_nobody_else)
{
    struct loopback server;
    struct world world;

    loopback_start_tls(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1,
                       "127.0.0.1");
    world_start(&world);
    struct fetch_tls tls = { .ca_pem = slice_of(server.certificate_pem) };
    struct fetch fetch = { .id = 1, .target = url(&server, "/"), .tls = &tls };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_slice(buf_slice(&answer->body), "hello");

    fetch = (struct fetch){ .id = 2, .target = url(&server, "/") };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_DENIED, &answer->error);
    expect_contains(slice_of(answer->error.text), "is not trusted");

    struct fetch_tls insecure = { .insecure = true };
    fetch = (struct fetch){ .id = 3, .target = url(&server, "/"), .tls = &insecure };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);

    struct fetch_tls missing = { .ca_file = SLICE("/nonexistent/ca.crt") };
    fetch = (struct fetch){ .id = 4, .target = url(&server, "/"), .tls = &missing };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_INVALID, &answer->error);
    expect_contains(slice_of(answer->error.text), "/nonexistent/ca.crt");
    loopback_stop(&server);
    world_done(&world);
}

TEST(io, reads_an_authority_anew_that_rotates)
{
    struct loopback old, new;
    struct world world;
    char path[] = "/tmp/headroom-ca-XXXXXX";
    int fd = mkstemp(path);
    struct error error = { 0 };
    struct fetch_tls tls = { .ca_file = slice_of(path) };

    require(fd >= 0);
    (void)close(fd);
    world_start(&world);
    loopback_start_tls(&old, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1,
                       "127.0.0.1");
    loopback_start_tls(&new, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1,
                       "127.0.0.1");
    expect_ok(io_write_file(path, slice_of(old.certificate_pem), &error), &error);
    struct fetch fetch = { .id = 1, .target = url(&old, "/"), .tls = &tls };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);

    expect_ok(io_write_file(path, slice_of(new.certificate_pem), &error), &error);
    fetch = (struct fetch){ .id = 2, .target = url(&new, "/"), .tls = &tls };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    (void)unlink(path);
    loopback_stop(&old);
    loopback_stop(&new);
    world_done(&world);
}

TEST(io, checks_the_certificate_against_the_server_name)
{
    struct loopback server;
    struct world world;

    loopback_start_tls(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1,
                       "kubernetes.default");
    world_start(&world);
    struct fetch_tls tls = { .ca_pem = slice_of(server.certificate_pem) };
    struct fetch fetch = { .id = 1, .target = url(&server, "/"), .tls = &tls };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_DENIED, &answer->error);
    expect_contains(slice_of(answer->error.text), "is for another name");
    expect_contains(slice_of(answer->error.text), "tls-server-name");

    struct fetch_tls named = tls;
    named.server_name = SLICE("kubernetes.default");
    fetch = (struct fetch){ .id = 2, .target = url(&server, "/version"), .tls = &named };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);

    struct fetch_tls wrong = tls;
    wrong.server_name = SLICE("kubernetes.other");
    fetch = (struct fetch){ .id = 3, .target = url(&server, "/"), .tls = &wrong };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_DENIED, &answer->error);
    loopback_stop(&server);
    expect_contains(buf_slice(&server.seen), "GET /version");
    expect(slice_contains(buf_slice(&server.seen),
                          arena_printf(test_arena(), "Host: 127.0.0.1:%u\r\n", server.port)));
    world_done(&world);
}

TEST(io, sends_nothing_when_it_is_too_late)
{
    struct loopback server;
    struct world world;

    loopback_start(&server, (struct loopback_reply[]){ { .text = SLICE(OK_HELLO) } }, 1);
    world_start(&world);
    uint64_t now = io_now_ns();
    struct fetch fetch = { .id = 1, .target = url(&server, "/late"), .send_by_ns = now };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_CANCELLED, &answer->error);
    expect_contains(slice_of(answer->error.text), "too late");

    fetch = (struct fetch){ .id = 2,
                            .target = url(&server, "/early"),
                            .send_by_ns = now + UINT64_C(3600000000000) };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    loopback_stop(&server);
    expect(!slice_contains(buf_slice(&server.seen), SLICE("/late")));
    expect_contains(buf_slice(&server.seen), "/early");
    world_done(&world);
}

TEST(io, asks_on_a_new_connection_after_one_was_refused_its_identity)
{
    static const char refused[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    struct loopback_reply replies[] = { { .text = SLICE(OK_HELLO) },
                                        { .text = slice_of(refused) },
                                        { .text = SLICE(OK_HELLO) } };
    struct loopback server;
    struct world world;

    loopback_start(&server, replies, 3);
    world_start(&world);
    for (uint64_t id = 1; id <= 3; id++) {
        struct fetch fetch = { .id = id, .target = url(&server, "/") };
        struct answer *answer = ask(&world, &fetch);
        wait_for(&world, answer);
        expect_ok(answer->error.code, &answer->error);
        /* The first two share one; the third may not. */
        expect_u64(atomic_load(&server.connections), id < 3 ? 1 : 2);
    }
    loopback_stop(&server);
    world_done(&world);
}

/* A session that is resumed stands for the certificate that it began with: one that has been
 * replaced would never be seen. */
TEST(io, shows_a_client_certificate_anew_on_every_connection)
{
    struct loopback_reply closes = { .text = SLICE(OK_HELLO), .close = true };
    struct loopback server;
    struct world world;

    loopback_start_tls(&server, &closes, 1, "127.0.0.1");
    world_start(&world);
    struct fetch_tls plain = { .ca_pem = slice_of(server.certificate_pem) }, shown = plain;
    shown.cert_pem = slice_of(server.certificate_pem);
    shown.key_pem = slice_of(server.key_pem);
    for (uint64_t id = 1; id <= 4; id++) {
        struct fetch fetch = { .id = id,
                               .target = url(&server, "/"),
                               .tls = id <= 2 ? &plain : &shown };
        struct answer *answer = ask(&world, &fetch);
        wait_for(&world, answer);
        expect_ok(answer->error.code, &answer->error);
    }
    loopback_stop(&server);
    expect_u64(atomic_load(&server.connections), 4);
    expect_u64(atomic_load(&server.resumed), 1); /* the second, which showed none */
    world_done(&world);
}

TEST(io, goes_through_the_proxy_that_is_named_for_it)
{
    static const char refused[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    struct loopback_reply replies[] = { { .text = SLICE(OK_HELLO) },
                                        { .text = slice_of(refused), .close = true },
                                        { .text = SLICE("") } };
    struct loopback proxy;
    struct world world;

    require(setenv("NO_PROXY", "*", 1) == 0); /* is about the environment's */
    loopback_start(&proxy, replies, 3);
    world_start(&world);
    struct fetch_tls tls = { .proxy_url = url(&proxy, "") };
    struct fetch fetch = { .id = 1, .target = SLICE("http://k8s.example:8001/api"), .tls = &tls };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_slice(buf_slice(&answer->body), "hello");

    /* https goes through a tunnel: the proxy sees names, and nothing else. */
    fetch = (struct fetch){ .id = 2,
                            .target = SLICE("https://k8s.example:6443/secret/path"),
                            .tls = &tls };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_UNAVAILABLE, &answer->error);
    expect_contains(slice_of(answer->error.text),
                    "does not connect to https://k8s.example:6443: HTTP status 403");
    fetch = (struct fetch){
        .id = 3, .target = SLICE("https://k8s.example:6443/"), .tls = &tls, .connect_ms = 200
    };
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_TIMEOUT, &answer->error);
    expect_contains(slice_of(answer->error.text),
                    "no connection to https://k8s.example:6443 by the proxy http://127.0.0.1:");
    (void)unsetenv("NO_PROXY");
    loopback_stop(&proxy);
    expect_contains(buf_slice(&proxy.seen), "GET http://k8s.example:8001/api HTTP/1.1");
    expect_contains(buf_slice(&proxy.seen), "CONNECT k8s.example:6443 HTTP/1.1");
    expect(!slice_contains(buf_slice(&proxy.seen), SLICE("/secret")));
    world_done(&world);
}

TEST(io, reads_files_and_names_the_one_that_is_missing)
{
    struct world world;
    char path[] = "/tmp/headroom-io-test-XXXXXX";
    int fd = mkstemp(path);
    struct error error = { 0 };

    require(fd >= 0);
    require_ok(io_write(fd, SLICE("token-1"), &error), &error);
    (void)close(fd);
    world_start(&world);
    struct fetch fetch = { .id = 1, .kind = FETCH_FILE, .target = slice_of(path) };
    struct answer *answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_ok(answer->error.code, &answer->error);
    expect_slice(buf_slice(&answer->body), "token-1");
    expect_u64(answer->heads, 0);

    fetch.id = 2;
    fetch.response_max = 3;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_LIMIT, &answer->error);
    (void)unlink(path);

    fetch.id = 3;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_NOT_FOUND, &answer->error);
    expect_contains(slice_of(answer->error.text), path);

    require(mkfifo(path, 0600) == 0);
    fetch.id = 4;
    answer = ask(&world, &fetch);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_INVALID, &answer->error);
    (void)unlink(path);
    world_done(&world);
}

static struct answer *run(struct world *world, uint64_t id, const char *script, uint32_t total_ms)
{
    struct fetch fetch = {
        .id = id,
        .kind = FETCH_EXEC,
        .target = SLICE("sh"),
        .args = (struct slice[]){ SLICE("-c"), slice_of(script) },
        .arg_count = 2,
        .env = (struct fetch_header[]){ { SLICE("HEADROOM_TEST"), SLICE("from us") } },
        .env_count = 1,
        .total_ms = total_ms,
    };
    struct answer *answer = ask(world, &fetch);

    wait_for(world, answer);
    return answer;
}

TEST(io, runs_a_program_and_brings_its_output)
{
    struct world world;

    world_start(&world);
    struct answer *answer = run(&world, 1, "cat; printf \"%s\" \"$HEADROOM_TEST\"", 0);
    expect_ok(answer->error.code, &answer->error);
    expect_slice(buf_slice(&answer->body), "from us");

    answer = run(&world, 2, "echo partial; echo >&2; echo 'cannot find the profile' >&2; exit 3",
                 0);
    expect_err(answer->error.code, ERR_IO, &answer->error);
    expect_text(answer->error.text, "sh ended with status 3: cannot find the profile");
    expect_u64(answer->bodies, 0);

    answer = run(&world, 3, "sleep 60 & sleep 60", 50);
    expect_err(answer->error.code, ERR_TIMEOUT, &answer->error);

    answer = run(&world, 4, "yes", 0);
    expect_err(answer->error.code, ERR_LIMIT, &answer->error);

    struct fetch missing = { .id = 5, .kind = FETCH_EXEC, .target = SLICE("headroom-no-such") };
    answer = ask(&world, &missing);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_NOT_FOUND, &answer->error);
    expect_contains(slice_of(answer->error.text), "not on PATH");
    world_done(&world);
    /* No child is left, dead or alive. */
    expect(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST(io, kills_a_cancelled_program)
{
    struct world world;

    world_start(&world);
    struct fetch fetch = { .id = 1,
                           .kind = FETCH_EXEC,
                           .target = SLICE("sleep"),
                           .args = (struct slice[]){ SLICE("60") },
                           .arg_count = 1 };
    struct answer *answer = ask(&world, &fetch);
    io_cancel(world.io, 1);
    io_cancel(world.io, 1);
    wait_for(&world, answer);
    expect_err(answer->error.code, ERR_CANCELLED, &answer->error);
    expect_u64(answer->ends, 1);
    world_done(&world);
    expect(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST(io, counts_the_signals_that_ask_it_to_stop)
{
    struct world world;
    uint32_t count = 0;

    world_start(&world);
    expect_u64(io_stop_requests(world.io), 0);
    require(raise(SIGTERM) == 0);
    (void)io_wait(world.io, UINT64_MAX, &count);
    expect_u64(count, 0);
    expect_u64(io_stop_requests(world.io), 1);
    require(raise(SIGINT) == 0);
    (void)io_wait(world.io, UINT64_MAX, &count);
    expect_u64(io_stop_requests(world.io), 2);
    world_done(&world);
}

static void *wake(void *context)
{
    io_wake(context);
    return NULL;
}

TEST(io, is_woken_by_another_thread)
{
    struct world world;
    pthread_t thread;
    uint32_t count = 1;

    world_start(&world);
    require(pthread_create(&thread, NULL, wake, world.io) == 0);
    (void)io_wait(world.io, UINT64_MAX, &count);
    expect_u64(count, 0);
    (void)pthread_join(thread, NULL);
    world_done(&world);
}

TEST(io, waits_no_longer_than_it_was_told)
{
    struct world world;
    uint32_t count = 0;

    world_start(&world);
    uint64_t begin = io_now_ns();
    (void)io_wait(world.io, begin + 30 * UINT64_C(1000000), &count);
    uint64_t waited = io_now_ns() - begin;
    expect(waited >= 30 * UINT64_C(1000000));
    expect(waited < 5 * UINT64_C(1000000000));
    begin = io_now_ns();
    (void)io_wait(world.io, 0, &count);
    expect(io_now_ns() - begin < UINT64_C(1000000000));
    world_done(&world);
}
