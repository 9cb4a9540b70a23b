/*
 * log.c - the request log: who asked what, and what they were told.
 *
 * A ring of the last SIM_LOG_MAX requests. Secrets do not enter it.
 */
#include <stdio.h>

#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "call.h"

enum { PARAMS_MAX = 8192, SHOWN_MAX = 40 };

static bool is_secret(struct slice name)
{
    return slice_is(name, "WebIdentityToken") || slice_is(name, "SecretAccessKey");
}

static char *params_json(const struct sim_call *call)
{
    struct json_out json;
    struct buf buf;
    uint32_t shown = 0;

    buf_init(&buf, PARAMS_MAX);
    json_start(&json, &buf);
    json_begin_object(&json);
    for (uint32_t i = 0; i < call->param_count && buf.len < PARAMS_MAX / 2; i++) {
        const struct sim_param *param = &call->params[i];
        if (slice_is(param->name, "Action") || slice_is(param->name, "Version") ||
            (i > 0 && slice_eq(param->name, call->params[i - 1].name))) {
            continue;
        }
        if (shown++ == SHOWN_MAX) {
            json_key(&json, "...");
            json_u64(&json, call->param_count);
            break;
        }
        json_key_slice(&json, param->name);
        json_string(&json, is_secret(param->name) ? SLICE("(secret)") : param->value);
    }
    json_end_object(&json);
    char *text = mem_resize(NULL, buf.len + 1, 1);
    (void)snprintf(text, buf.len + 1, "%s", buf.failed ? "{}" : buf.data);
    buf_done(&buf);
    return text;
}

void sim_log_add(struct sim_call *call, const char *action, int status, const char *code)
{
    struct sim_ec2 *ec2 = call->ec2;

    if (ec2->log_count < SIM_LOG_MAX) {
        mem_reserve(&ec2->log, &ec2->log_capacity, ec2->log_count + 1, sizeof(*ec2->log));
        ec2->log_count++;
    } else {
        ec2->log_begin = (ec2->log_begin + 1) % SIM_LOG_MAX;
    }
    struct sim_request_log *entry = &ec2->log[(ec2->log_begin + ec2->log_count - 1) % SIM_LOG_MAX];
    mem_free(entry->params);
    *entry = (struct sim_request_log){
        .id = ++ec2->next_log,
        .wall_ns = ec2->wall_ns,
        .status = status,
        .params = params_json(call),
    };
    (void)snprintf(entry->who, sizeof(entry->who), "%.*s", SLICE_ARG(call->who));
    (void)snprintf(entry->action, sizeof(entry->action), "%s", action);
    (void)snprintf(entry->code, sizeof(entry->code), "%s", code);
    (void)snprintf(entry->request_id, sizeof(entry->request_id), "%s", call->request_id);
}

void sim_log_json(const struct sim_request_log *entry, struct buf *out)
{
    struct json_out json;
    char time[TIMESTAMP_MAX];

    json_start(&json, out);
    json_begin_object(&json);
    json_field_u64(&json, "id", entry->id);
    json_field_text(&json, "time", timestamp_format(entry->wall_ns, 6, time));
    json_field_text(&json, "who", slice_of(entry->who));
    json_field_text(&json, "action", slice_of(entry->action));
    json_key(&json, "status");
    json_i64(&json, entry->status);
    json_field_text(&json, "code", slice_of(entry->code));
    json_field_text(&json, "request_id", slice_of(entry->request_id));
    json_key(&json, "params");
    json_raw(&json, slice_of(entry->params));
    json_end_object(&json);
}

struct slice sim_ec2_requests(const struct sim_ec2 *ec2, struct arena *arena, uint64_t id,
                              uint32_t count, uint64_t *ret_last)
{
    struct buf out;
    /* Ids are consecutive: the place of the first one that is wanted follows. */
    uint64_t first = ec2->next_log - ec2->log_count;
    uint64_t skip = id > first ? id - first : 0;

    buf_init(&out, SIM_XML_MAX);
    *ret_last = id;
    for (uint64_t i = skip; i < ec2->log_count && i - skip < count; i++) {
        const struct sim_request_log *entry = &ec2->log[(ec2->log_begin + i) % SIM_LOG_MAX];
        sim_log_json(entry, &out);
        buf_add_char(&out, '\n');
        *ret_last = entry->id;
    }
    struct slice lines = arena_slice(arena, buf_slice(&out));
    buf_done(&out);
    return lines;
}
