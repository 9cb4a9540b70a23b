/*
 * ec2_rig.h - a bench for the EC2 machine: a clock that the test moves, and an endpoint that says
 * what the test wants.
 *
 *     struct rig rig;
 *     rig_start(&rig, NULL);                         // environment credentials, fence open
 *     rig_attach(&rig, 7);                           // the planner's action 7
 *     rig_answer(&rig, "CreateNetworkInterface", 200, xml);
 *     expect(rig_result(&rig, 7, CLOUD_CREATED));
 *     rig_end(&rig);
 */
#ifndef TESTS_EC2_RIG_H
#define TESTS_EC2_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include <headroom/ec2.h>
#include <headroom/json.h>

#include "test.h"

enum { RIG_FETCHES_MAX = 256, RIG_RESULTS_MAX = 256 };

#define RIG_SECOND UINT64_C(1000000000)
#define RIG_MS UINT64_C(1000000)
#define RIG_WALL (UINT64_C(1795600000) * RIG_SECOND) /* 25 November 2026 */

/* A request under way, copied. */
struct rig_fetch {
    uint64_t id;
    enum fetch_kind kind;
    char method[8];
    char target[256];
    char body[16384];
    char headers[4096]; /* "Name: value\n" each */
    char args[512];     /* EXEC: one after the other, "|" between */
    bool open;
};

struct rig {
    struct ec2 *ec2;
    struct ec2_output out;
    uint64_t now_ns, wall_ns;
    struct rig_fetch fetches[RIG_FETCHES_MAX];
    uint32_t fetch_count;
    struct cloud_result results[RIG_RESULTS_MAX]; /* messages cut off */
    char messages[RIG_RESULTS_MAX][256];
    uint32_t result_count;
    enum cloud_code health;
    char health_text[512], health_operation[64];
    uint32_t health_events, subnet_events, eni_events, sweep_events, type_events, unknown_types,
        group_events;
    char logs[65536]; /* every message and text field */
    size_t log_len;
};

__attribute__((unused)) static void rig_note_logs(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->out.logs.count; i++) {
        const struct log_record *record = &rig->out.logs.records[i];
        int len = snprintf(rig->logs + rig->log_len, sizeof(rig->logs) - rig->log_len, "%.*s",
                           SLICE_ARG(record->message));
        rig->log_len += (size_t)len;
        for (uint32_t j = 0; j < record->field_count; j++) {
            len = snprintf(rig->logs + rig->log_len, sizeof(rig->logs) - rig->log_len, " %s=%.*s",
                           record->fields[j].key, (int)record->fields[j].text.len,
                           record->fields[j].text.data ? record->fields[j].text.data : "");
            rig->log_len += (size_t)len;
        }
        len = snprintf(rig->logs + rig->log_len, sizeof(rig->logs) - rig->log_len, "\n");
        rig->log_len += (size_t)len;
        require(rig->log_len + 4096 < sizeof(rig->logs));
    }
}

__attribute__((unused)) static void rig_note_events(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->out.event_count; i++) {
        const struct plan_event *event = &rig->out.events[i];
        expect_u64(event->now_ns, rig->now_ns);
        switch (event->kind) {
        case PLAN_RESULT:
            require(rig->result_count < RIG_RESULTS_MAX);
            rig->results[rig->result_count] = event->result;
            (void)snprintf(rig->messages[rig->result_count], 256, "%.*s: %.*s",
                           (int)event->result.operation.len,
                           event->result.operation.data ? event->result.operation.data : "",
                           (int)event->result.message.len,
                           event->result.message.data ? event->result.message.data : "");
            rig->result_count++;
            break;
        case PLAN_CLOUD:
            rig->health = event->cloud.code;
            rig->health_events++;
            (void)snprintf(rig->health_text, sizeof(rig->health_text), "%.*s",
                           (int)event->cloud.message.len,
                           event->cloud.message.data ? event->cloud.message.data : "");
            (void)snprintf(rig->health_operation, sizeof(rig->health_operation), "%.*s",
                           (int)event->cloud.operation.len,
                           event->cloud.operation.data ? event->cloud.operation.data : "");
            break;
        case PLAN_SUBNETS:
            rig->subnet_events++;
            break;
        case PLAN_ENIS:
            rig->eni_events++;
            break;
        case PLAN_SWEEP:
            rig->sweep_events++;
            break;
        case PLAN_TYPE:
            rig->type_events++;
            break;
        case PLAN_TYPE_UNKNOWN:
            rig->unknown_types++;
            break;
        case PLAN_GROUPS:
            rig->group_events++;
            break;
        default:
            test_fail("an event that the EC2 side does not speak: %d", (int)event->kind);
        }
    }
}

/* TEST_EC2_REQUESTS names a file that gets every signed request as a line of JSON:
 * tests/e2e/botocore_check.py reads it. */
__attribute__((unused)) static void rig_record(const struct fetch *fetch)
{
    const char *path = getenv("TEST_EC2_REQUESTS");
    struct json_out json;
    struct buf line;

    if (!path || fetch->kind != FETCH_HTTP || fetch->body.len == 0) {
        return;
    }
    buf_init(&line, 1024 * 1024);
    json_start(&json, &line);
    json_begin_object(&json);
    json_field_text(&json, "method", slice_of(fetch->method));
    json_field_text(&json, "url", fetch->target);
    json_field_text(&json, "body", fetch->body);
    json_key(&json, "headers");
    json_begin_object(&json);
    for (size_t i = 0; i < fetch->header_count; i++) {
        json_key_slice(&json, fetch->headers[i].name);
        json_string(&json, fetch->headers[i].value);
    }
    json_end_object(&json);
    json_end_object(&json);
    FILE *file = fopen(path, "ae");
    require(file != NULL);
    expect(fprintf(file, "%.*s\n", SLICE_ARG(buf_slice(&line))) > 0);
    expect(fclose(file) == 0);
    buf_done(&line);
}

__attribute__((unused)) static void rig_note_fetch(struct rig *rig, const struct fetch *fetch)
{
    struct rig_fetch *to = NULL;
    size_t at = 0;

    rig_record(fetch);
    for (uint32_t i = 0; i < rig->fetch_count && !to; i++) {
        to = rig->fetches[i].open ? NULL : &rig->fetches[i];
    }
    if (!to) {
        require(rig->fetch_count < RIG_FETCHES_MAX);
        to = &rig->fetches[rig->fetch_count++];
    }
    *to = (struct rig_fetch){ .id = fetch->id, .kind = fetch->kind, .open = true };
    (void)snprintf(to->method, sizeof(to->method), "%s", fetch->method ? fetch->method : "");
    expect_ok(slice_copy(fetch->target, to->target, sizeof(to->target)), NULL);
    expect_ok(slice_copy(fetch->body, to->body, sizeof(to->body)), NULL);
    for (size_t i = 0; i < fetch->header_count && at < sizeof(to->headers); i++) {
        at += (size_t)snprintf(to->headers + at, sizeof(to->headers) - at, "%.*s: %.*s\n",
                               SLICE_ARG(fetch->headers[i].name),
                               SLICE_ARG(fetch->headers[i].value));
    }
    at = 0;
    for (size_t i = 0; i < fetch->arg_count && at < sizeof(to->args); i++) {
        at += (size_t)snprintf(to->args + at, sizeof(to->args) - at, "%.*s|",
                               SLICE_ARG(fetch->args[i]));
    }
}

__attribute__((unused)) static void rig_step(struct rig *rig, struct ec2_input input)
{
    input.now_ns = rig->now_ns;
    input.wall_ns = rig->wall_ns;
    ec2_step(rig->ec2, &input, &rig->out);
    for (uint32_t i = 0; i < rig->out.fetches.start_count; i++) {
        rig_note_fetch(rig, &rig->out.fetches.starts[i]);
    }
    rig_note_events(rig);
    rig_note_logs(rig);
}

__attribute__((unused)) static void rig_tick(struct rig *rig)
{
    rig_step(rig, (struct ec2_input){ .kind = EC2_TICK });
}

/* Moves the clock, stopping at each deadline as the loop would. */
__attribute__((unused)) static void rig_pass(struct rig *rig, uint64_t ns)
{
    uint64_t end = rig->now_ns + ns;

    while (rig->now_ns < end) {
        uint64_t next = ec2_deadline_ns(rig->ec2);
        next = next < rig->now_ns + RIG_MS ? rig->now_ns + RIG_MS : next;
        next = next < end ? next : end;
        rig->wall_ns += next - rig->now_ns;
        rig->now_ns = next;
        rig_tick(rig);
    }
}

__attribute__((unused)) static struct ec2_environment rig_environment(void)
{
    return (struct ec2_environment){
        .access_key_id = SLICE("AKIDRIG"),
        .secret_access_key = SLICE("rig-secret"),
        .region = SLICE("us-west-2"),
        .user_agent = SLICE("headroom/test"),
    };
}

/* env NULL: keys from the environment. The fence is open. */
__attribute__((unused)) static void rig_start(struct rig *rig, const struct ec2_environment *env)
{
    struct ec2_config config = {
        .env = env ? *env : rig_environment(),
        .seed = 1,
        .fetch_base = UINT64_C(2) << 56,
        .budget_share = 1,
    };

    memset(rig, 0, sizeof(*rig));
    rig->now_ns = 1000 * RIG_SECOND;
    rig->wall_ns = RIG_WALL;
    rig->ec2 = ec2_new(&config);
    rig_step(rig, (struct ec2_input){ .kind = EC2_FENCE, .fence_ns = UINT64_MAX });
}

__attribute__((unused)) static void rig_end(struct rig *rig)
{
    ec2_free(rig->ec2);
    rig->ec2 = NULL;
}

/* The oldest open request whose body or target contains the text; NULL: none. */
__attribute__((unused)) static struct rig_fetch *rig_find(struct rig *rig, const char *text)
{
    struct rig_fetch *oldest = NULL;

    for (uint32_t i = 0; i < rig->fetch_count; i++) {
        struct rig_fetch *fetch = &rig->fetches[i];
        bool fits = fetch->open && (strstr(fetch->body, text) || strstr(fetch->target, text));
        if (fits && (!oldest || fetch->id < oldest->id)) {
            oldest = fetch;
        }
    }
    return oldest;
}

__attribute__((unused)) static uint32_t rig_open(const struct rig *rig, const char *text)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->fetch_count; i++) {
        const struct rig_fetch *fetch = &rig->fetches[i];
        count += fetch->open && (strstr(fetch->body, text) || strstr(fetch->target, text));
    }
    return count;
}

__attribute__((unused)) static struct rig_fetch *rig_need(struct rig *rig, const char *text)
{
    struct rig_fetch *fetch = rig_find(rig, text);

    if (!fetch) {
        test_fail("no request under way that contains '%s'", text);
        test_end();
    }
    return fetch;
}

__attribute__((unused)) static void rig_event(struct rig *rig, struct fetch_event event)
{
    rig_step(rig, (struct ec2_input){ .kind = EC2_FETCH, .fetch = event });
}

/* Answers a request: head, body in two pieces, end. date may be NULL. */
__attribute__((unused)) static void rig_reply(struct rig *rig, struct rig_fetch *fetch, int status,
                                              const char *body, const char *date)
{
    struct slice text = slice_of(body);
    size_t half = text.len / 2;
    uint64_t id = fetch->id;

    fetch->open = false;
    if (fetch->kind == FETCH_HTTP) {
        rig_event(rig,
                  (struct fetch_event){
                      .id = id, .kind = FETCH_HEAD, .status = status, .date = slice_of(date) });
    }
    rig_event(rig,
              (struct fetch_event){ .id = id, .kind = FETCH_BODY, .body = { text.data, half } });
    rig_event(rig, (struct fetch_event){ .id = id,
                                         .kind = FETCH_BODY,
                                         .body = { text.data + half, text.len - half } });
    rig_event(rig, (struct fetch_event){ .id = id, .kind = FETCH_END });
}

__attribute__((unused)) static void rig_answer(struct rig *rig, const char *text, int status,
                                               const char *body)
{
    rig_reply(rig, rig_need(rig, text), status, body, NULL);
}

__attribute__((unused)) static void rig_error(struct rig *rig, const char *text, int status,
                                              const char *code, const char *message)
{
    char body[2048];

    (void)snprintf(
        body, sizeof(body),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>%s</Code>"
        "<Message>%s</Message></Error></Errors><RequestID>r</RequestID></Response>",
        code, message);
    rig_answer(rig, text, status, body);
}

/* The connection is cut: nobody knows what became of the request. */
__attribute__((unused)) static void rig_lose(struct rig *rig, const char *text)
{
    struct rig_fetch *fetch = rig_need(rig, text);

    fetch->open = false;
    rig_event(rig, (struct fetch_event){
                       .id = fetch->id,
                       .kind = FETCH_END,
                       .error = { .code = ERR_UNAVAILABLE, .text = "connection reset" } });
}

/* ---- answers of EC2 ---- */

#define RIG_CREATED                                                                                \
    "<CreateNetworkInterfaceResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"          \
    "<requestId>r</requestId><networkInterface><networkInterfaceId>eni-1</networkInterfaceId>"     \
    "<subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><status>pending</status>"                    \
    "<privateIpAddress>10.0.1.10</privateIpAddress><privateIpAddressesSet>"                        \
    "<item><privateIpAddress>10.0.1.10</privateIpAddress><primary>true</primary></item>"           \
    "<item><privateIpAddress>10.0.1.11</privateIpAddress><primary>false</primary></item>"          \
    "<item><privateIpAddress>10.0.1.12</privateIpAddress><primary>false</primary></item>"          \
    "</privateIpAddressesSet></networkInterface></CreateNetworkInterfaceResponse>"
#define RIG_ATTACHED                                                                               \
    "<AttachNetworkInterfaceResponse><requestId>r</requestId>"                                     \
    "<attachmentId>eni-attach-1</attachmentId></AttachNetworkInterfaceResponse>"
#define RIG_MODIFIED                                                                               \
    "<ModifyNetworkInterfaceAttributeResponse><return>true</return>"                               \
    "</ModifyNetworkInterfaceAttributeResponse>"
#define RIG_DELETED                                                                                \
    "<DeleteNetworkInterfaceResponse><return>true</return></DeleteNetworkInterfaceResponse>"
#define RIG_ENI(status, attachment, tags)                                                          \
    "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item>"                               \
    "<networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-1</subnetId>"                  \
    "<vpcId>vpc-1</vpcId><status>" status "</status>" attachment "<tagSet>" tags                   \
    "</tagSet></item></networkInterfaceSet></DescribeNetworkInterfacesResponse>"
#define RIG_ATTACHMENT(instance, dot)                                                              \
    "<attachment><attachmentId>eni-attach-9</attachmentId><instanceId>" instance "</instanceId>"   \
    "<deviceIndex>3</deviceIndex><deleteOnTermination>" dot "</deleteOnTermination></attachment>"
#define RIG_TAG(key) "<item><key>" key "</key><value>v</value></item>"
#define RIG_NO_ENI                                                                                 \
    "<DescribeNetworkInterfacesResponse><networkInterfaceSet/></"                                  \
    "DescribeNetworkInterfacesResponse>"

/* ---- the planner's wishes ---- */

__attribute__((unused)) static struct eni_intent rig_intent(void)
{
    static const struct pair tags[] = {
        { { "headroom.dev/intent", 19 }, { "token-1", 7 } },
        { { "headroom.dev/node", 17 }, { "node a", 6 } },
    };
    static const struct aws_id groups[] = { { "sg-1" }, { "sg-2" } };

    return (struct eni_intent){
        .instance = { "i-1" },
        .subnet = { "subnet-1" },
        .device_index = 3,
        .ips = 2,
        .groups = groups,
        .group_count = 2,
        .tags = tags,
        .tag_count = 2,
        .description = SLICE("headroom: node a"),
        .client_token = "token-1",
    };
}

__attribute__((unused)) static void rig_act(struct rig *rig, struct plan_action action)
{
    rig_step(rig, (struct ec2_input){ .kind = EC2_ACTION, .action = action });
}

__attribute__((unused)) static void rig_attach(struct rig *rig, uint64_t id)
{
    rig_act(rig, (struct plan_action){ .kind = PLAN_ATTACH, .id = id, .attach = rig_intent() });
}

/* The last result of an action with this stage; NULL: none. */
__attribute__((unused)) static const struct cloud_result *rig_result(const struct rig *rig,
                                                                     uint64_t id,
                                                                     enum cloud_stage stage)
{
    for (uint32_t i = rig->result_count; i-- > 0;) {
        if (rig->results[i].action == id && rig->results[i].stage == stage) {
            return &rig->results[i];
        }
    }
    return NULL;
}

__attribute__((unused)) static const struct cloud_result *rig_need_result(const struct rig *rig,
                                                                          uint64_t id,
                                                                          enum cloud_stage stage)
{
    const struct cloud_result *result = rig_result(rig, id, stage);

    if (!result) {
        test_fail("action %llu has not come to stage %d", (unsigned long long)id, (int)stage);
        test_end();
    }
    return result;
}

__attribute__((unused)) static uint32_t rig_ends(const struct rig *rig, uint64_t id)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->result_count; i++) {
        count += rig->results[i].action == id && rig->results[i].stage >= CLOUD_DONE;
    }
    return count;
}

__attribute__((unused)) static enum cloud_code rig_failure(const struct rig *rig, uint64_t id)
{
    const struct cloud_result *result = rig_result(rig, id, CLOUD_FAILED);

    return result ? result->code : CLOUD_OK;
}

#endif
