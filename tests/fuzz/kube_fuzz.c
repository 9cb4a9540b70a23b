/*
 * The whole Kubernetes machine against a server that answers anything, in any order and any pieces.
 *
 *   input: (which request, what happens, length, bytes)...   a script of at most some hundred steps
 */
#include <headroom/kube.h>

#include "fuzz.h"

enum { UNDER_WAY_MAX = 64, STEPS_MAX = 400 };

struct server {
    struct kube *kube;
    uint64_t now_ns;
    uint64_t ids[UNDER_WAY_MAX];
    uint32_t count;
    uint32_t steps;
};

static void step(struct server *server, struct kube_input *input);

static void end(struct server *server, uint64_t id, enum err code)
{
    struct kube_input input = { .kind = KUBE_FETCH };

    for (uint32_t i = 0; i < server->count; i++) {
        if (server->ids[i] == id) {
            server->ids[i] = server->ids[--server->count];
            input.fetch.id = id;
            input.fetch.kind = FETCH_END;
            if (code != ERR_OK) {
                (void)error_set(&input.fetch.error, code, "as scripted");
            }
            step(server, &input);
            return;
        }
    }
}

static void step(struct server *server, struct kube_input *input)
{
    struct kube_output out;
    uint64_t cancelled[UNDER_WAY_MAX];

    input->now_ns = server->now_ns;
    input->wall_ns = UINT64_C(1767323045000000000) + server->now_ns;
    kube_step(server->kube, input, &out);
    uint32_t cancels = out.fetches.cancel_count;
    assert(cancels <= UNDER_WAY_MAX);
    for (uint32_t i = 0; i < cancels; i++) {
        cancelled[i] = out.fetches.cancels[i];
    }
    for (uint32_t i = 0; i < out.fetches.start_count; i++) {
        assert(server->count < UNDER_WAY_MAX);
        server->ids[server->count++] = out.fetches.starts[i].id;
    }
    for (uint32_t i = 0; i < cancels; i++) {
        end(server, cancelled[i], ERR_CANCELLED);
    }
}

static void head(struct server *server, uint64_t id, unsigned char what)
{
    static const int statuses[] = { 200, 200, 200, 201, 400, 401, 403,
                                    404, 409, 410, 422, 429, 500, 504 };
    struct kube_input input = { .kind = KUBE_FETCH };

    input.fetch.id = id;
    input.fetch.kind = FETCH_HEAD;
    input.fetch.status = statuses[what % (sizeof(statuses) / sizeof(statuses[0]))];
    input.fetch.retry_after_ms = what > 200 ? 1000 : 0;
    step(server, &input);
}

static void body(struct server *server, uint64_t id, struct slice bytes)
{
    struct kube_input input = { .kind = KUBE_FETCH };

    input.fetch.id = id;
    input.fetch.kind = FETCH_BODY;
    input.fetch.body = bytes;
    step(server, &input);
}

static void wish(struct server *server, unsigned char what)
{
    struct kube_input input = { .kind = KUBE_ACTION };

    if (what % 3 == 0) {
        input.action.kind = PLAN_NODE_TAINT;
        input.action.taint.node = SLICE("n1");
        input.action.taint.set = what & 4;
    } else if (what % 3 == 1) {
        input.action.kind = PLAN_NODE_CONDITION;
        input.action.condition.node = SLICE("n1");
        input.action.condition.reason = "Reason";
        input.action.condition.message = SLICE("message");
    } else {
        input.action.kind = PLAN_EVENT;
        input.action.event.on_node = true;
        input.action.event.name = SLICE("n1");
        input.action.event.message = SLICE("message");
    }
    step(server, &input);
}

static void play(struct server *server, struct slice script)
{
    struct kube_input tick = { .kind = KUBE_TICK };

    while (script.len >= 4 && server->steps++ < STEPS_MAX) {
        const unsigned char *at = (const unsigned char *)script.data;
        size_t len = at[2] | (size_t)(at[3] & 0x0F) << 8;
        uint64_t id = server->count > 0 ? server->ids[at[0] % server->count] : 0;
        script = (struct slice){ script.data + 4, script.len - 4 };
        len = len < script.len ? len : script.len;
        switch (at[1] % 8) {
        case 0:
        case 1:
            head(server, id, at[2]);
            break;
        case 2:
        case 3:
        case 4:
            body(server, id, (struct slice){ script.data, len });
            script = (struct slice){ script.data + len, script.len - len };
            break;
        case 5:
            end(server, id, at[2] % 4 == 0 ? ERR_UNAVAILABLE : ERR_OK);
            break;
        case 6:
            wish(server, at[2]);
            break;
        default:
            server->now_ns += (uint64_t)(at[2] + 1) * 100000000;
            step(server, &tick);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_config config = {
        .access = { .server = SLICE("https://api"), .token = SLICE("t") },
        .identity = SLICE("me"),
        .leader_elect = size > 0 && (data[0] & 1),
    };
    struct server server = { .kube = kube_new(&config), .now_ns = 1 };
    struct kube_input tick = { .kind = KUBE_TICK }, stop = { .kind = KUBE_STOP };
    struct kube_stats stats;

    step(&server, &tick);
    play(&server, fuzz_input(data, size));
    kube_stats(server.kube, &stats);
    step(&server, &stop);
    for (uint32_t i = 0; i < 20 && !kube_stopped(server.kube); i++) {
        server.now_ns += 1000000000;
        step(&server, &tick);
    }
    assert(kube_stopped(server.kube));
    while (server.count > 0) {
        end(&server, server.ids[0], ERR_CANCELLED);
    }
    kube_free(server.kube);
    return 0;
}
