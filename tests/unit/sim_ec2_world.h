/*
 * sim_ec2_world.h - the world that the tests of the modelled EC2 share, and how they ask it.
 */
#ifndef TEST_SIM_EC2_WORLD_H
#define TEST_SIM_EC2_WORLD_H

#include <stdio.h>

#include <headroom/sigv4.h>
#include <headroom/sim.h>

#include "test.h"

#define SECOND UINT64_C(1000000000)
#define WALL_NS (UINT64_C(1767322800) * SECOND) /* 2026-01-02 03:00:00 */

static const char network[] =
    "vpc: {id: vpc-test, cidrs: [10.0.0.0/16]}\n"
    "route_tables:\n"
    "- {id: rtb-private, main: true, routes: [{target: nat-1}]}\n"
    "- {id: rtb-public, routes: [{target: igw-1}]}\n"
    "subnets:\n"
    "- {id: subnet-a, name: small, zone: us-west-2a, cidr: 10.0.0.0/27}\n"
    "- {id: subnet-a2, zone: us-west-2a, cidr: 10.0.1.0/24, tags: {role: pods}}\n"
    "- {id: subnet-b, zone: us-west-2b, cidr: 10.0.2.0/24, route_table: rtb-public}\n"
    "- {id: subnet-r, zone: us-west-2a, cidr: 10.0.4.0/26,\n"
    "   reservations: [{cidr: 10.0.4.32/28, type: prefix}, {cidr: 10.0.4.48/29, type: explicit}]}\n"
    "security_groups: [{id: sg-nodes, name: nodes}]\n"
    "types: {test.tiny: {enis: 2, ips: 4, prefixes: false}}\n"
    "instances:\n"
    "- {id: i-a, name: node-a, type: m5.large, subnet: small, groups: [nodes], role: node}\n"
    "- {id: i-tiny, type: test.tiny, subnet: subnet-a2}\n"
    "timing: {attach_ms: 0, detach_ms: 0, terminate_ms: 0}\n"
    "identities:\n"
    "- {name: controller, access_key_id: AKIDTEST, secret_access_key: secret}\n";

/* The world of one test; freed by the test's own end. */
struct world {
    struct sim_ec2 *ec2;
    uint64_t now_ns;
};

static inline void start(struct world *world, const char *more)
{
    struct error error = { 0 };
    struct slice yaml = arena_printf(test_arena(), "%s%s", network, more);

    *world = (struct world){ .now_ns = SECOND };
    require_ok(sim_ec2_new(yaml, 7, world->now_ns, WALL_NS, &world->ec2, &error), &error);
}

static inline struct aws_id id(const char *text)
{
    struct aws_id ret = { 0 };

    (void)snprintf(ret.text, sizeof(ret.text), "%s", text);
    return ret;
}

static inline enum cloud_code create(struct world *world, const char *subnet, uint32_t ips,
                                     uint32_t prefixes, struct aws_id *ret)
{
    struct eni_intent intent = { .subnet = id(subnet), .ips = ips, .prefixes = prefixes };

    return sim_ec2_create_eni(world->ec2, world->now_ns, &intent, ret);
}

static inline enum cloud_code attach(struct world *world, const struct aws_id *eni,
                                     const char *instance, uint32_t index)
{
    struct aws_id to = id(instance);

    return sim_ec2_attach_eni(world->ec2, world->now_ns, eni, &to, index);
}

static inline uint32_t free_of(const struct world *world, const char *subnet)
{
    uint32_t count = 0;
    const struct subnet *subnets = sim_ec2_subnets(world->ec2, test_arena(), &count);

    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(aws_id_slice(&subnets[i].id), subnet)) {
            return subnets[i].available;
        }
    }
    test_fail("no subnet %s", subnet);
    return 0;
}

#define expect_code(call, wanted) expect_text(cloud_code_name(call), cloud_code_name(wanted))

/* ---- over HTTP ---- */

struct asked {
    const char *key, *secret, *token, *service;
    int64_t skew_s;
};

static inline struct sim_http_response ask_as(struct world *world, const struct asked *as,
                                              const char *form)
{
    struct arena *arena = test_arena();
    char date[SIGV4_DATE_LEN + 1];
    struct sim_http_response response = { 0 };
    uint64_t wall_ns = WALL_NS + world->now_ns;
    const char *version = strcmp(as->service, "sts") == 0 ? "2011-06-15" : "2016-11-15";

    sigv4_date((uint64_t)((int64_t)wall_ns + as->skew_s * (int64_t)SECOND), date);
    struct fetch_header headers[4] = {
        { SLICE("host"), SLICE("ec2.us-west-2.amazonaws.com") },
        { SLICE("x-amz-date"), slice_of(date) },
        { SLICE("x-amz-security-token"), slice_of(as->token) },
    };
    size_t count = as->token ? 3 : 2;
    struct sigv4_credentials credentials = { slice_of(as->key), slice_of(as->secret),
                                             slice_of(as->token) };
    struct sigv4_request to_sign = {
        .method = SLICE("POST"),
        .path = SLICE("/"),
        .headers = headers,
        .header_count = count,
        .body = arena_printf(arena, "%s&Version=%s", form, version),
    };
    headers[count] = (struct fetch_header){
        SLICE("Authorization"),
        sigv4_authorization(arena, &credentials, SLICE("us-west-2"), slice_of(as->service),
                            slice_of(date), &to_sign),
    };
    struct sim_http_request request = {
        .method = SLICE("POST"),
        .path = SLICE("/"),
        .body = to_sign.body,
        .headers = headers,
        .header_count = count + 1,
    };
    sim_ec2_http(world->ec2, arena, world->now_ns, wall_ns, &request, &response);
    return response;
}

static const struct asked controller = { "AKIDTEST", "secret", NULL, "ec2", 0 };

static inline struct sim_http_response ask(struct world *world, const char *form)
{
    return ask_as(world, &controller, form);
}

static inline struct sim_http_response control(struct world *world, const char *path,
                                               const char *json)
{
    struct sim_http_response response = { 0 };
    struct sim_http_request request = {
        .method = json ? SLICE("POST") : SLICE("GET"),
        .path = slice_of(path),
        .body = slice_of(json),
    };

    sim_ec2_control(world->ec2, test_arena(), world->now_ns, WALL_NS + world->now_ns, &request,
                    &response);
    return response;
}

static inline struct sim_http_response imds(struct world *world, const char *method,
                                            const char *path, const char *header,
                                            struct slice value)
{
    struct sim_http_response response = { 0 };
    struct fetch_header headers[] = { { slice_of(header), value } };
    struct sim_http_request request = {
        .method = slice_of(method),
        .path = slice_of(path),
        .headers = headers,
        .header_count = 1,
    };

    sim_ec2_imds(world->ec2, test_arena(), world->now_ns, WALL_NS + world->now_ns, &request,
                 &response);
    return response;
}

/* The text of the first <tag>. */
static inline struct slice element(struct slice xml, const char *tag)
{
    struct slice open = arena_printf(test_arena(), "<%s>", tag);
    const char *from = xml.len ? memmem(xml.data, xml.len, open.data, open.len) : NULL;

    if (!from) {
        return (struct slice){ 0 };
    }
    struct slice rest = { from + open.len, xml.len - (size_t)(from + open.len - xml.data) };
    return slice_cut(&rest, '<');
}

static inline uint32_t occurrences(struct slice text, const char *part)
{
    uint32_t count = 0;
    size_t len = strlen(part);
    const char *at = text.data, *end = text.data + text.len;

    while (at && (at = memmem(at, (size_t)(end - at), part, len))) {
        count++;
        at += len;
    }
    return count;
}

static inline void expect_refusal(struct sim_http_response response, int status, const char *code)
{
    expect_i64(response.status, status);
    expect_slice(element(response.body, "Code"), code);
}

#endif
