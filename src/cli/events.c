/*
 * events.c - `headroom events`: what the controller told, the newest last.
 *
 * Knows the shapes of events.k8s.io/v1 and of the controller's happenings. Refuses to know what
 * they are about.
 */
#include <stdlib.h>

#include <headroom/table.h>

#include "cli.h"

#define CONTROLLER "headroom.dev/controller" /* who reports our events, see src/kube */

/* One line, from either source. */
struct line {
    struct slice time, type, reason, on, name, message;
    uint64_t count;
};

static int compare(const void *a, const void *b)
{
    return slice_cmp(((const struct line *)a)->time, ((const struct line *)b)->time);
}

static enum err print_json(struct cli *cli, const struct line *lines, uint32_t count,
                           struct error *error)
{
    struct json_out json;

    cli_json_begin(cli, &json, "Events");
    json_key(&json, "events");
    json_begin_array(&json);
    for (uint32_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        json_begin_object(&json);
        json_field_text(&json, "time", line->time);
        json_field_text(&json, "type", line->type);
        json_field_text(&json, "reason", line->reason);
        json_field_text(&json, "kind", line->on);
        json_field_text(&json, "name", line->name);
        json_field_u64(&json, "count", line->count);
        json_field_text(&json, "message", line->message);
        json_end_object(&json);
    }
    json_end_array(&json);
    return cli_json_end(cli, &json, error);
}

static enum err print(struct cli *cli, struct line *lines, uint32_t count, struct error *error)
{
    struct table table;

    if (count > 0) {
        qsort(lines, count, sizeof(*lines), compare); /* RFC 3339 in UTC sorts as text */
    }
    if (cli->format != CLI_TEXT) {
        return print_json(cli, lines, count, error);
    }
    if (count == 0) {
        buf_add_text(&cli->out, "Nothing has happened yet.\n");
        return ERR_OK;
    }
    table_init(&table, &cli->arena, "TIME|TYPE|REASON|>TIMES|OBJECT|MESSAGE");
    for (uint32_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        table_addf(&table, "%.*s", (int)(line->time.len < 19 ? line->time.len : 19),
                   line->time.data ? line->time.data : "");
        table_add(&table, line->type);
        table_add(&table, line->reason);
        table_addf(&table, "%llu", (unsigned long long)line->count);
        table_addf(&table, "%.*s/%.*s", SLICE_ARG(line->on), SLICE_ARG(line->name));
        table_add(&table, line->message);
    }
    table_print(&table, "", &cli->out);
    return ERR_OK;
}

static enum err from_state(struct cli *cli, struct error *error)
{
    const struct doc *state = NULL;
    struct slice text;
    uint32_t count = 0;
    enum err err = cli_state(cli, &state, &text, error);

    if (err != ERR_OK) {
        return err;
    }
    const struct doc *list = doc_get(state, "happenings");
    struct line *lines = ARENA_ARRAY(&cli->arena, struct line, doc_count(list));
    for (const struct doc *item = doc_first(list); item; item = item->next) {
        lines[count++] = (struct line){
            .time = doc_text(doc_get(item, "time")),
            .type = doc_text(doc_get(item, "type")),
            .reason = doc_text(doc_get(item, "reason")),
            .on = doc_text(doc_get(item, "on")),
            .name = doc_text(doc_get(item, "name")),
            .message = doc_text(doc_get(item, "message")),
            .count = 1,
        };
    }
    return print(cli, lines, count, error);
}

static struct line line_of(const struct doc *event)
{
    const struct doc *series = doc_get(event, "series"), *about = doc_get(event, "regarding");
    struct slice first = doc_text(doc_get(event, "eventTime"));

    return (struct line){
        .time = doc_text_or(doc_get(series, "lastObservedTime"), first),
        .type = doc_text(doc_get(event, "type")),
        .reason = doc_text(doc_get(event, "reason")),
        .on = doc_text(doc_get(about, "kind")),
        .name = doc_text(doc_get(about, "name")),
        .message = doc_text(doc_get(event, "note")),
        .count = doc_u64_or(doc_get(series, "count"), 1),
    };
}

static enum err from_api(struct cli *cli, struct error *error)
{
    struct kube_access access;
    struct slice text;
    const struct doc *list = NULL;
    uint32_t count = 0;
    enum err err = cli_access(cli, &access, error);

    if (err == ERR_OK) {
        err = cli_get(cli, &access,
                      SLICE("/apis/events.k8s.io/v1/events?limit=2000&fieldSelector="
                            "reportingController%3Dheadroom.dev%2Fcontroller"),
                      &text, error);
    }
    if (err == ERR_OK) {
        err = json_parse(&cli->arena, text, &(struct doc_limits){ .bytes = 64 << 20 }, &list,
                         error);
    }
    if (err != ERR_OK) {
        return err;
    }
    const struct doc *items = doc_get(list, "items");
    struct line *lines = ARENA_ARRAY(&cli->arena, struct line, doc_count(items));
    for (const struct doc *event = doc_first(items); event; event = event->next) {
        if (slice_is(doc_text(doc_get(event, "reportingController")), CONTROLLER)) {
            lines[count++] = line_of(event);
        }
    }
    return print(cli, lines, count, error);
}

enum err cli_events(struct cli *cli, struct error *error)
{
    return cli->url.len > 0 ? from_state(cli, error) : from_api(cli, error);
}
