/*
 * events.c - events.k8s.io/v1 Events: told once, repeated as a series, never a flood.
 *
 *   same reason, object and message within six minutes   --> the series' count grows
 *   same reason and object, too many different messages  --> they join the latest one's series
 *   too many in all                                      --> dropped and counted
 */
#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "core.h"

#define SERIES_IDLE_NS (6 * MINUTE_NS)
#define SERIES_EVERY_NS MINUTE_NS
#define NAMESPACE "default" /* where events of objects without a namespace live */

enum { GROUP_BURST = 10, ALL_BURST = 100, NOTE_MAX = 1024, NAME_PART_MAX = 200 };
static const double group_per_s = 1.0 / 30, all_per_s = 5;

static double refilled(double tokens, double burst, double per_s, uint64_t since_ns)
{
    tokens += (double)since_ns / (double)SECOND_NS * per_s;
    return tokens < burst ? tokens : burst;
}

static bool take_all(struct kube *kube)
{
    struct writer *writer = &kube->writer;

    if (writer->all.at_ns == 0) {
        writer->all.tokens = ALL_BURST;
    } else {
        writer->all.tokens = refilled(writer->all.tokens, ALL_BURST, all_per_s,
                                      kube->now_ns - writer->all.at_ns);
    }
    writer->all.at_ns = kube->now_ns + (kube->now_ns == 0);
    if (writer->all.tokens < 1) {
        return false;
    }
    writer->all.tokens -= 1;
    return true;
}

/* Buckets of reason and object; the one that was used longest ago makes room. */
static bool take_group(struct kube *kube, uint64_t group)
{
    struct writer *writer = &kube->writer;
    uint32_t at = 0;

    for (uint32_t i = 0; i < EVENT_BUCKETS; i++) {
        if (writer->buckets[i].group == group) {
            at = i;
            break;
        }
        at = writer->buckets[i].at_ns < writer->buckets[at].at_ns ? i : at;
    }
    if (writer->buckets[at].group != group) {
        writer->buckets[at].group = group;
        writer->buckets[at].tokens = GROUP_BURST;
    } else {
        writer->buckets[at].tokens = refilled(writer->buckets[at].tokens, GROUP_BURST, group_per_s,
                                              kube->now_ns - writer->buckets[at].at_ns);
    }
    writer->buckets[at].at_ns = kube->now_ns;
    if (writer->buckets[at].tokens < 1) {
        return false;
    }
    writer->buckets[at].tokens -= 1;
    return true;
}

/* ---- rows ---- */

static bool alive(const struct kube *kube, const struct event_row *row)
{
    return row->count > 0 && kube->now_ns - row->last_ns < SERIES_IDLE_NS;
}

/* The row of that key, or the latest of that group when key is 0. */
static struct event_row *find_row(struct kube *kube, uint64_t key, uint64_t group)
{
    struct event_row *best = NULL;

    for (uint32_t i = 0; i < EVENT_ROWS; i++) {
        struct event_row *row = &kube->writer.rows[i];
        bool fits = key ? row->key == key : row->group == group;
        if (fits && alive(kube, row) && (!best || row->last_ns > best->last_ns)) {
            best = row;
        }
    }
    return best;
}

static struct event_row *oldest_row(struct kube *kube)
{
    struct event_row *oldest = &kube->writer.rows[0];

    for (uint32_t i = 1; i < EVENT_ROWS; i++) {
        struct event_row *row = &kube->writer.rows[i];
        oldest = row->last_ns < oldest->last_ns ? row : oldest;
    }
    return oldest;
}

static void repeat(struct kube *kube, struct event_row *row)
{
    row->last_ns = kube->now_ns;
    row->count++;
    if (row->patch_ns == NEVER_NS) {
        /* The second one at once, so that it shows; later ones together. */
        row->patch_ns = kube->now_ns + (row->told <= 1 ? 0 : SERIES_EVERY_NS);
        kube->writer.series_ns = earlier(kube->writer.series_ns, row->patch_ns);
    }
}

/* ---- bodies ---- */

static void write_regarding(struct json_out *json, const struct user_event *event)
{
    json_key(json, "regarding");
    json_begin_object(json);
    json_field_text(json, "apiVersion",
                    event->on_node ? SLICE("v1") : SLICE("headroom.dev/v1alpha1"));
    json_field_text(json, "kind", event->on_node ? SLICE("Node") : SLICE("SubnetPool"));
    json_field_text(json, "name", event->name);
    /* The kubelet's convention, by which `kubectl describe node` finds it: the name stands for the
     * uid. */
    json_field_text(json, "uid", event->on_node ? event->name : event->uid);
    json_end_object(json);
}

static struct slice note_of(struct slice message)
{
    size_t len = message.len < NOTE_MAX ? message.len : NOTE_MAX;

    while (len < message.len && len > 0 && ((unsigned char)message.data[len] & 0xC0) == 0x80) {
        len--; /* not in the middle of a character */
    }
    return (struct slice){ message.data, len };
}

static void write_body(struct kube *kube, const struct user_event *event, const char *name,
                       struct buf *out)
{
    char now[TIMESTAMP_MAX];
    struct json_out json;
    struct slice identity = kube->config.identity;

    identity.len = identity.len < 128 ? identity.len : 128;
    json_start(&json, out);
    json_begin_object(&json);
    json_field_text(&json, "apiVersion", SLICE("events.k8s.io/v1"));
    json_field_text(&json, "kind", SLICE("Event"));
    json_key(&json, "metadata");
    json_begin_object(&json);
    json_field_text(&json, "name", slice_of(name));
    json_field_text(&json, "namespace", SLICE(NAMESPACE));
    json_end_object(&json);
    json_field_text(&json, "eventTime", timestamp_format(kube->wall_ns, 6, now));
    json_field_text(&json, "reportingController", SLICE("headroom.dev/controller"));
    json_field_text(&json, "reportingInstance", identity);
    json_field_text(&json, "action", SLICE("KeepHeadroom"));
    json_field_text(&json, "reason", slice_of(event_reason_name(event->reason)));
    json_field_text(&json, "type", event->warning ? SLICE("Warning") : SLICE("Normal"));
    json_field_text(&json, "note", note_of(event->message));
    write_regarding(&json, event);
    json_end_object(&json);
}

static void write_series(struct kube *kube, const struct event_row *row, struct buf *out)
{
    char last[TIMESTAMP_MAX];
    uint64_t ago = kube->now_ns - row->last_ns;
    struct json_out json;

    json_start(&json, out);
    json_begin_object(&json);
    json_key(&json, "series");
    json_begin_object(&json);
    json_field_u64(&json, "count", row->count);
    json_field_text(&json, "lastObservedTime",
                    timestamp_format(kube->wall_ns > ago ? kube->wall_ns - ago : 0, 6, last));
    json_end_object(&json);
    json_end_object(&json);
}

/* ---- adding ---- */

static void tell_new(struct kube *kube, const struct user_event *event, uint64_t key,
                     uint64_t group)
{
    struct event_row *row = oldest_row(kube);
    size_t len = event->name.len < NAME_PART_MAX ? event->name.len : NAME_PART_MAX;
    struct slice name = arena_printf(&kube->step, "%.*s.%016llx", (int)len, event->name.data,
                                     (unsigned long long)prng_next(&kube->prng));
    struct write *write = writer_wish(kube, WRITE_EVENT, name);

    if (!write) {
        kube->stats.events_dropped++;
        return;
    }
    *row = (struct event_row){ .key = key,
                               .group = group,
                               .last_ns = kube->now_ns,
                               .patch_ns = NEVER_NS,
                               .count = 1,
                               .told = 1 };
    if (slice_copy(name, row->name, sizeof(row->name)) != ERR_OK) {
        row->count = 0; /* no series for a name that long */
    }
    write->fresh = true;
    write_body(kube, event, write->name, &write->text);
    writer_queue(kube, write, kube->now_ns);
}

void events_add(struct kube *kube, const struct user_event *event)
{
    uint64_t group = slice_hash(event->name) * 31 + (uint64_t)event->reason * 2 + event->on_node;
    uint64_t key = group * 31 + slice_hash(event->message);
    struct event_row *row = find_row(kube, key, 0);

    if (!row && !take_group(kube, group)) {
        row = find_row(kube, 0, group);
        if (!row) {
            kube->stats.events_dropped++;
            return;
        }
    }
    if (row) {
        repeat(kube, row);
    } else if (take_all(kube)) {
        tell_new(kube, event, key, group);
    } else {
        kube->stats.events_dropped++;
    }
}

/* Not while the event itself is on its way, nor when too many are. */
static void tell_series(struct kube *kube, struct event_row *row)
{
    struct write *write = writer_find(kube, WRITE_EVENT, slice_of(row->name))
                              ? NULL
                              : writer_wish(kube, WRITE_EVENT, slice_of(row->name));

    if (!write) {
        row->patch_ns = kube->now_ns + SECOND_NS;
        return;
    }
    write_series(kube, row, &write->text);
    row->told = row->count;
    row->patch_ns = NEVER_NS;
    writer_queue(kube, write, kube->now_ns);
}

void events_step(struct kube *kube)
{
    struct writer *writer = &kube->writer;

    if (!kube->lease.leading || (!kube->stopping && kube->now_ns < writer->series_ns)) {
        return;
    }
    writer->series_ns = NEVER_NS;
    for (uint32_t i = 0; i < EVENT_ROWS; i++) {
        struct event_row *row = &writer->rows[i];
        if (row->count == 0 || row->patch_ns == NEVER_NS) {
            continue;
        }
        /* Who stops tells what is left untold. */
        if (row->patch_ns <= kube->now_ns || kube->stopping) {
            tell_series(kube, row);
        }
        writer->series_ns = earlier(writer->series_ns, row->patch_ns);
    }
}

uint64_t events_deadline_ns(const struct kube *kube)
{
    return kube->lease.leading ? kube->writer.series_ns : NEVER_NS;
}

/* ---- sending ---- */

static void on_sent(struct kube *kube, void *owner, const struct answer *answer)
{
    struct write *write = owner;

    /* 409: it is there, an earlier answer was lost. */
    if (answer->status == 200 || answer->status == 201 || answer->status == 409) {
        write->fresh = false;
        writer_finish(kube, write);
        return;
    }
    writer_failed(kube, write, answer, "write an Event",
                  "create and patch on events.events.k8s.io in namespace " NAMESPACE);
}

void events_send(struct kube *kube, struct write *write)
{
    static const char path[] = "/apis/events.k8s.io/v1/namespaces/" NAMESPACE "/events";
    struct request_spec spec = {
        .method = write->fresh ? "POST" : "PATCH",
        .path = write->fresh ? SLICE("/apis/events.k8s.io/v1/namespaces/" NAMESPACE "/events")
                             : arena_printf(&kube->step, "%s/%s", path, write->name),
        .content_type = write->fresh ? "application/json" : "application/merge-patch+json",
        .body = buf_slice(&write->text),
        .total_ms = 10000,
        .on_done = on_sent,
        .owner = write,
    };

    write->request = request_http(kube, &spec);
}
