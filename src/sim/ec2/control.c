/*
 * control.c - the control endpoint: what tests and people do to the modelled EC2 from outside.
 * Format: hack/ec2sim/README.md.
 *
 * Knows JSON bodies and routes. The reports are in report.c. Needs no signature: it is a test's
 * own door.
 */
#include <stdio.h>

#include <headroom/doc.h>
#include <headroom/json.h>

#include "control.h"
#include "policy.h"

/* ---- helpers ---- */

static bool bad(struct sim_control *control, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool bad(struct sim_control *control, const char *format, ...)
{
    va_list args;
    char text[320];
    struct json_out json;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_reset(&control->out);
    json_start(&json, &control->out);
    json_begin_object(&json);
    json_field_text(&json, "error", slice_of(text));
    json_end_object(&json);
    return false;
}

static bool ok(struct sim_control *control)
{
    buf_add_text(&control->out, "{\"ok\":true}");
    return true;
}

static bool subnet_of(struct sim_control *control, uint32_t *ret)
{
    struct slice name = doc_text(doc_get(control->body, "subnet"));

    *ret = sim_subnet_by_name(control->ec2, name);
    return *ret != ROW_NONE || bad(control, "no subnet %.*s", SLICE_ARG(name));
}

static bool text_field(const struct doc *body, const char *key, char *ret, size_t size)
{
    return slice_copy(doc_text(doc_get(body, key)), ret, size) == ERR_OK;
}

/* ---- what changes the world ---- */

static bool post_drain(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    struct error error = { 0 };
    uint32_t row = 0;

    if (!doc_get(control->body, "free")) {
        return bad(control, "free is missing");
    }
    if (!subnet_of(control, &row)) {
        return false;
    }
    struct aws_id id = ec2->subnets[row].id;
    uint64_t free = doc_u64_or(doc_get(control->body, "free"), UINT32_MAX);
    if (free > UINT32_MAX) {
        return bad(control, "free is too large");
    }
    if (sim_ec2_drain(ec2, ec2->now_ns, &id, (uint32_t)free, &error) != ERR_OK) {
        return bad(control, "%s", error.text);
    }
    return ok(control);
}

static bool post_terminate(struct sim_control *control)
{
    struct sim_problem problem = { 0 };

    if (!sim_instance_terminate(control->ec2, doc_text(doc_get(control->body, "instance")),
                                &problem)) {
        return bad(control, "%s: %s", problem.code, problem.message);
    }
    return ok(control);
}

static bool post_run(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    const struct doc *body = control->body;
    struct sim_problem problem = { 0 };
    struct sim_run run = { .at_once = true };
    uint32_t subnet = 0, row = 0;
    struct slice id = doc_text(doc_get(body, "id"));

    if (!subnet_of(control, &subnet)) {
        return false;
    }
    if (id.len > 0 && (aws_id_set(&run.id, id) != ERR_OK || !slice_starts(id, SLICE("i-")))) {
        return bad(control, "id must look like i-...");
    }
    run.subnet = aws_id_slice(&ec2->subnets[subnet].id);
    run.type = doc_text_or(doc_get(body, "type"), SLICE("m5.large"));
    run.role = doc_text(doc_get(body, "role"));
    run.dns_name = doc_text(doc_get(body, "name"));
    uint32_t group_count = 0;
    struct slice *groups = ARENA_ARRAY(control->arena, struct slice,
                                       doc_count(doc_get(body, "groups")) + 1);
    for (const struct doc *at = doc_first(doc_get(body, "groups")); at; at = at->next) {
        groups[group_count++] = doc_text(at);
    }
    run.groups = groups;
    run.group_count = group_count;
    if (!sim_instance_run(ec2, &run, &row, &problem)) {
        return bad(control, "%s: %s", problem.code, problem.message);
    }
    buf_addf(&control->out, "{\"ok\":true,\"instance\":\"%s\"}", ec2->instances[row].id.text);
    return true;
}

static bool post_lag(struct sim_control *control)
{
    uint64_t ms = doc_u64_or(doc_get(control->body, "ms"), UINT64_MAX);

    if (ms > 3600000) {
        return bad(control, "ms must be a number up to 3600000");
    }
    control->ec2->lag_ns = ms * 1000000;
    return ok(control);
}

static bool post_clock(struct sim_control *control)
{
    double offset_ms = doc_double_or(doc_get(control->body, "offset_ms"), 0);

    if (!(offset_ms > -1e12 && offset_ms < 1e12)) {
        return bad(control, "offset_ms is out of range");
    }
    control->ec2->clock_offset_ns = (int64_t)(offset_ms * 1e6);
    return ok(control);
}

static bool post_throttle(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    double scale = doc_double_or(doc_get(control->body, "scale"), 1);

    if (!(scale > 0)) {
        return bad(control, "scale must be above 0");
    }
    ec2->throttle = doc_bool_or(doc_get(control->body, "enabled"), true);
    sim_buckets_init(ec2, scale);
    return ok(control);
}

static bool post_quota(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    uint64_t enis = doc_u64_or(doc_get(control->body, "enis"), ec2->quota_enis);
    uint64_t nau = doc_u64_or(doc_get(control->body, "nau"), ec2->quota_nau);

    if (enis > UINT32_MAX / 2 || nau > UINT32_MAX / 2) {
        return bad(control, "a quota is too large");
    }
    ec2->quota_enis = (uint32_t)enis;
    ec2->quota_nau = (uint32_t)nau;
    return ok(control);
}

/* Sessions end now: what a client does about it is the test. */
static bool post_expire_sessions(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;

    for (uint32_t i = 0; i < ec2->identity_count; i++) {
        if (ec2->identities[i].session) {
            ec2->identities[i].expires_wall_ns = ec2->wall_ns;
        }
    }
    return ok(control);
}

/* The document is read once more, into memory that lasts. */
static bool post_policy(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    const struct doc *body = NULL;
    struct error error = { 0 };
    struct slice who = doc_text(doc_get(control->body, "who"));

    if (who.len == 0) {
        return bad(control, "who is missing");
    }
    if (json_parse(&ec2->arena, control->text, NULL, &body, &error) != ERR_OK ||
        sim_policy_set(ec2, who, doc_get(body, "document"), &error) != ERR_OK) {
        return bad(control, "%s", error.text);
    }
    return ok(control);
}

/* ---- faults ---- */

static bool kind_of(struct slice name, enum sim_fault_kind *ret)
{
    static const char *const names[] = { "latency",      "error",    "throttle", "lost_reply",
                                         "lost_request", "cut_body", "hold" };

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(name, names[i])) {
            *ret = (enum sim_fault_kind)i;
            return true;
        }
    }
    return false;
}

static uint32_t count_of(const struct doc *body, uint32_t absent)
{
    const struct doc *count = doc_get(body, "count");
    uint64_t value = doc_u64_or(count, absent);

    return slice_is(doc_text(count), "all") || value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static bool add_fault(struct sim_control *control, struct sim_fault *fault)
{
    struct sim_ec2 *ec2 = control->ec2;
    const struct doc *body = control->body;
    uint32_t kept = 0;

    if (!text_field(body, "action", fault->action, sizeof(fault->action)) ||
        !text_field(body, "who", fault->who, sizeof(fault->who))) {
        return bad(control, "action or who is too long");
    }
    if (fault->action[0] && sim_action_find(slice_of(fault->action)) == ACT_COUNT) {
        return bad(control, "no action %s", fault->action);
    }
    fault->skip = (uint32_t)(doc_u64_or(doc_get(body, "skip"), 0) & UINT32_MAX);
    fault->count = count_of(body, 1);
    fault->probability = doc_double_or(doc_get(body, "probability"), 1);
    /* Those that have struck as often as they should make room. */
    for (uint32_t i = 0; i < ec2->fault_count; i++) {
        if (ec2->faults[i].count > 0) {
            ec2->faults[kept++] = ec2->faults[i];
        }
    }
    ec2->fault_count = kept;
    if (kept == SIM_FAULTS_MAX) {
        return bad(control, "%d faults are waiting already", SIM_FAULTS_MAX);
    }
    fault->id = ++ec2->next_fault;
    ec2->faults[ec2->fault_count++] = *fault;
    buf_addf(&control->out, "{\"ok\":true,\"id\":%llu}", (unsigned long long)fault->id);
    return true;
}

static bool post_fault(struct sim_control *control)
{
    const struct doc *body = control->body;
    struct sim_fault fault = { 0 };
    struct slice kind = doc_text(doc_get(body, "kind"));

    if (!kind_of(kind, &fault.kind)) {
        return bad(control,
                   "kind is latency, error, throttle, lost_reply, lost_request, cut_body "
                   "or hold, not \"%.*s\"",
                   kind.len > 32 ? 32 : (int)kind.len, kind.data ? kind.data : "");
    }
    uint64_t ms = doc_u64_or(doc_get(body, "ms"), 1000);
    uint64_t status = doc_u64_or(doc_get(body, "status"), 0);
    if (ms > 3600000 || (status != 0 && (status < 400 || status > 599))) {
        return bad(control, "ms or status is out of range");
    }
    fault.latency_ns = ms * 1000000;
    fault.status = (int)status;
    fault.cut_after = (size_t)doc_u64_or(doc_get(body, "bytes"), 100);
    if (!text_field(body, "code", fault.code, sizeof(fault.code)) ||
        !text_field(body, "message", fault.message, sizeof(fault.message))) {
        return bad(control, "code or message is too long");
    }
    if (!fault.code[0]) {
        (void)snprintf(fault.code, sizeof(fault.code), "InternalError");
    }
    if (!fault.message[0]) {
        (void)snprintf(fault.message, sizeof(fault.message), "An internal error has occurred");
    }
    return add_fault(control, &fault);
}

static bool post_pause_after(struct sim_control *control)
{
    struct sim_fault fault = { .kind = FAULT_HOLD };

    return add_fault(control, &fault);
}

static bool post_release(struct sim_control *control)
{
    struct sim_ec2 *ec2 = control->ec2;
    uint64_t hold = doc_u64_or(doc_get(control->body, "hold"), 0);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < ec2->hold_count; i++) {
        if (hold != 0 && ec2->holds[i].id != hold) {
            ec2->holds[kept++] = ec2->holds[i];
        }
    }
    buf_addf(&control->out, "{\"ok\":true,\"released\":%u}", ec2->hold_count - kept);
    ec2->hold_count = kept;
    return true;
}

static bool post_clear(struct sim_control *control)
{
    control->ec2->fault_count = 0;
    control->ec2->hold_count = 0;
    control->ec2->clock_offset_ns = 0;
    return ok(control);
}

/* ---- routes ---- */

static const struct {
    const char *method, *path;
    bool (*run)(struct sim_control *control);
} routes[] = {
    { "GET", "/_sim/state", sim_report_state },
    { "GET", "/_sim/requests", sim_report_requests },
    { "GET", "/_sim/stats", sim_report_stats },
    { "GET", "/_sim/holds", sim_report_holds },
    { "POST", "/_sim/drain", post_drain },
    { "POST", "/_sim/run", post_run },
    { "POST", "/_sim/terminate", post_terminate },
    { "POST", "/_sim/lag", post_lag },
    { "POST", "/_sim/clock", post_clock },
    { "POST", "/_sim/throttle", post_throttle },
    { "POST", "/_sim/quota", post_quota },
    { "POST", "/_sim/expire-sessions", post_expire_sessions },
    { "POST", "/_sim/policy", post_policy },
    { "POST", "/_sim/fault", post_fault },
    { "POST", "/_sim/pause-after", post_pause_after },
    { "POST", "/_sim/release", post_release },
    { "POST", "/_sim/clear", post_clear },
};

static bool read_body(struct sim_control *control, struct slice body)
{
    struct error error = { 0 };

    control->text = body;
    if (slice_trim(body).len == 0) {
        return true;
    }
    if (json_parse(control->arena, body, NULL, &control->body, &error) != ERR_OK) {
        return bad(control, "the body is no JSON: %s", error.text);
    }
    return doc_is(control->body, DOC_MAPPING) || bad(control, "the body is no JSON object");
}

static int route(struct sim_control *control, const struct sim_http_request *request)
{
    bool other_method = false;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!slice_is(request->path, routes[i].path)) {
            continue;
        }
        if (!slice_is(request->method, routes[i].method)) {
            other_method = true;
            continue;
        }
        return read_body(control, request->body) && routes[i].run(control) ? 200 : 400;
    }
    (void)bad(control, other_method ? "%s of %.*s is not possible" : "nothing answers %s %.*s",
              arena_slice(control->arena, request->method).data, SLICE_ARG(request->path));
    return other_method ? 405 : 404;
}

void sim_ec2_control(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                     const struct sim_http_request *request, struct sim_http_response *ret)
{
    struct sim_control control = { .ec2 = ec2, .arena = arena, .query = request->query };

    sim_at(ec2, now_ns, wall_ns);
    buf_init(&control.out, SIM_XML_MAX);
    *ret = (struct sim_http_response){ .cut_after = SIZE_MAX };
    ret->status = route(&control, request);
    ret->content_type = SLICE("application/json");
    buf_add_char(&control.out, '\n');
    ret->body = arena_slice(arena, buf_slice(&control.out));
    buf_done(&control.out);
}
