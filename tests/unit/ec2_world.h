/*
 * ec2_world.h - the EC2 machine against the modelled EC2, on a virtual clock: what one asks the
 * other answers, late, wrong or not at all, as the model's faults have it.
 */
#ifndef TESTS_EC2_WORLD_H
#define TESTS_EC2_WORLD_H

#include <stdio.h>

#include <headroom/ec2.h>
#include <headroom/prng.h>
#include <headroom/sim.h>

#include "test.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_SECOND (1000 * WORLD_MS)

enum { WORLD_PENDING_MAX = 512, WORLD_WISHES_MAX = 4096 };

struct world_answer {
    uint64_t id, at_ns;
    int status;
    struct buf body;
    bool cut;
};

struct world {
    struct sim_ec2 *sim;
    struct ec2 *ec2;
    uint64_t now_ns, wall_ns, end_ns;
    struct world_answer pending[WORLD_PENDING_MAX];
    uint32_t pending_count;
    struct arena arena;
    /* What a test does with the machine's events; it may call world_act. */
    void (*on_event)(struct world *world, const struct plan_event *event);
    /* What else happens in the account: it sets others_at_ns, when it comes again. */
    void (*others)(struct world *world);
    uint64_t others_at_ns;
    struct plan_action
        wishes[WORLD_WISHES_MAX]; /* of on_event, taken one after the other; what they point to
                                        is static */
    uint32_t wish_count;
    uint32_t sent, answered; /* requests so far */
};

__attribute__((unused)) static void world_act(struct world *world, struct plan_action action)
{
    require(world->wish_count < WORLD_WISHES_MAX);
    world->wishes[world->wish_count++] = action;
}

__attribute__((unused)) static void world_control(struct world *world, const char *method,
                                                  const char *path, const char *body)
{
    struct sim_http_request request = { .method = slice_of(method),
                                        .path = slice_of(path),
                                        .body = slice_of(body) };
    struct sim_http_response response;

    arena_reset(&world->arena);
    sim_ec2_control(world->sim, &world->arena, world->now_ns, world->wall_ns, &request, &response);
    expect_u64((uint64_t)response.status, 200);
}

__attribute__((unused)) static void world_send(struct world *world, const struct fetch *fetch)
{
    struct slice path = SLICE("/");
    struct sim_http_request request = { .method = slice_of(fetch->method),
                                        .path = path,
                                        .headers = fetch->headers,
                                        .header_count = fetch->header_count,
                                        .body = fetch->body };
    struct sim_http_response response;

    require(fetch->kind == FETCH_HTTP && world->pending_count < WORLD_PENDING_MAX);
    world->sent++;
    sim_ec2_http(world->sim, &world->arena, world->now_ns, world->wall_ns, &request, &response);
    struct world_answer *answer = &world->pending[world->pending_count++];
    *answer = (struct world_answer){ .id = fetch->id,
                                     .at_ns = world->now_ns + response.delay_ns,
                                     .status = response.status };
    if (response.status == 0) {
        answer->at_ns += 100 * WORLD_MS;
    }
    buf_init(&answer->body, 64 * 1024 * 1024);
    answer->cut = response.cut_after < response.body.len;
    buf_add(&answer->body, response.body.data,
            answer->cut ? response.cut_after : response.body.len);
}

__attribute__((unused)) static void world_step(struct world *world, struct ec2_input input)
{
    struct ec2_output out;

    input.now_ns = world->now_ns;
    input.wall_ns = world->wall_ns;
    ec2_step(world->ec2, &input, &out);
    arena_reset(&world->arena);
    for (uint32_t i = 0; i < out.fetches.start_count; i++) {
        world_send(world, &out.fetches.starts[i]);
    }
    for (uint32_t i = 0; i < out.event_count && world->on_event; i++) {
        world->on_event(world, &out.events[i]);
    }
}

__attribute__((unused)) static void world_deliver(struct world *world, uint32_t at)
{
    struct world_answer answer = world->pending[at];
    struct fetch_event end = { .id = answer.id, .kind = FETCH_END };

    world->pending[at] = world->pending[--world->pending_count];
    world->answered++;
    if (answer.status != 0) {
        world_step(world,
                   (struct ec2_input){
                       .kind = EC2_FETCH,
                       .fetch = { .id = answer.id, .kind = FETCH_HEAD, .status = answer.status } });
        world_step(world, (struct ec2_input){ .kind = EC2_FETCH,
                                              .fetch = { .id = answer.id,
                                                         .kind = FETCH_BODY,
                                                         .body = buf_slice(&answer.body) } });
    }
    if (answer.status == 0 || answer.cut) {
        (void)error_set(&end.error, ERR_UNAVAILABLE, "connection cut");
    }
    world_step(world, (struct ec2_input){ .kind = EC2_FETCH, .fetch = end });
    buf_done(&answer.body);
}

/* Runs until `done` says so; false: the time is over first. */
__attribute__((unused)) static bool world_run(struct world *world, uint64_t for_ns,
                                              bool (*done)(struct world *world))
{
    uint64_t end = world->now_ns + for_ns;

    while (world->now_ns < end) {
        uint64_t next = ec2_deadline_ns(world->ec2);
        uint32_t first = world->pending_count;
        for (uint32_t i = 0; i < world->pending_count; i++) {
            if (world->pending[i].at_ns <= next) {
                next = world->pending[i].at_ns;
                first = i;
            }
        }
        if (world->wish_count > 0) {
            struct plan_action wish = world->wishes[0];
            world->wish_count--;
            memmove(world->wishes, world->wishes + 1, world->wish_count * sizeof(wish));
            world_step(world, (struct ec2_input){ .kind = EC2_ACTION, .action = wish });
            continue;
        }
        if (world->others && world->others_at_ns < next) {
            next = world->others_at_ns;
            first = world->pending_count;
        }
        next = next > end ? end : next;
        if (next > world->now_ns) {
            world->wall_ns += next - world->now_ns;
            world->now_ns = next;
        }
        sim_ec2_advance(world->sim, world->now_ns);
        if (world->others && world->now_ns >= world->others_at_ns) {
            world->others(world);
        } else if (first < world->pending_count && world->pending[first].at_ns <= world->now_ns) {
            world_deliver(world, first);
        } else {
            world_step(world, (struct ec2_input){ .kind = EC2_TICK });
        }
        if (done && done(world)) {
            return true;
        }
    }
    return !done;
}

__attribute__((unused)) static struct ec2 *world_machine(double share)
{
    struct ec2_config config = {
        .env = { .access_key_id = SLICE("AKIACONTROLLEREXAMPLE"),
                 .secret_access_key = SLICE("controller+secret/for/tests/EXAMPLEKEY"),
                 .region = SLICE("us-west-2"),
                 .endpoint_ec2 = SLICE("http://127.0.0.1:9") },
        .seed = 7,
        .budget_share = share,
    };

    return ec2_new(&config);
}

__attribute__((unused)) static void world_tell_instance(struct world *world, const char *id)
{
    struct ec2_input input = { .kind = EC2_INSTANCE };

    expect_ok(aws_id_set(&input.instance, slice_of(id)), NULL);
    world_step(world, input);
}

/* kill -9 and a restart: what was on its way to the machine is lost, what was on its way to EC2
 * is not. */
__attribute__((unused)) static void world_crash(struct world *world)
{
    for (uint32_t i = 0; i < world->pending_count; i++) {
        buf_done(&world->pending[i].body);
    }
    world->pending_count = world->wish_count = 0;
    ec2_free(world->ec2);
    world->ec2 = world_machine(1);
}

__attribute__((unused)) static void world_start(struct world *world, struct slice scenario,
                                                double share)
{
    struct error error = { 0 };

    memset(world, 0, sizeof(*world));
    arena_init(&world->arena);
    world->now_ns = 5 * WORLD_SECOND;
    world->wall_ns = UINT64_C(1795600000) * WORLD_SECOND;
    require_ok(sim_ec2_new(scenario, 3, world->now_ns, world->wall_ns, &world->sim, &error),
               &error);
    world->ec2 = world_machine(share);
}

__attribute__((unused)) static void world_end(struct world *world)
{
    for (uint32_t i = 0; i < world->pending_count; i++) {
        buf_done(&world->pending[i].body);
    }
    ec2_free(world->ec2);
    sim_ec2_free(world->sim);
    arena_done(&world->arena);
}

#endif
