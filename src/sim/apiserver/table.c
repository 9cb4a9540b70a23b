/*
 * table.c - pods as a Table's rows, as the server prints them for kubectl: of lists and of watches.
 *
 * Knows the columns and their cells. Refuses to know who asks.
 */
#include "apiserver.h"

void api_table_columns(struct buf *out)
{
    static const char *const columns[] = {
        "Name", "Ready", "Status",         "Restarts",       "Age",
        "IP",   "Node",  "Nominated Node", "Readiness Gates"
    };

    buf_add_char(out, '[');
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        buf_addf(out,
                 "%s{\"name\":\"%s\",\"type\":\"string\",\"format\":\"\",\"description\":\"\","
                 "\"priority\":%d}",
                 i > 0 ? "," : "", columns[i], i > 4);
    }
    buf_add_char(out, ']');
}

void api_table_row(const struct api *api, const struct api_pod *pod, struct buf *out)
{
    static const char *const phases[] = { "Pending", "Running", "Completed", "Error" };
    bool starting = pod->phase == PHASE_PENDING && pod->node != API_NONE;

    buf_addf(out, "{\"cells\":[\"%.*s-%u\",\"%s\",\"%s\",\"0\",\"5m\",",
             SLICE_ARG(interner_get(&api->names, pod->workload)), pod->number,
             pod->ready ? "1/1" : "0/1", starting ? "ContainerCreating" : phases[pod->phase]);
    if (pod->ip) {
        buf_addf(out, "\"%u.%u.%u.%u\",", pod->ip >> 24, pod->ip >> 16 & 255, pod->ip >> 8 & 255,
                 pod->ip & 255);
    } else {
        buf_add_text(out, "\"\\u003cnone\\u003e\",");
    }
    if (pod->node != API_NONE) {
        buf_addf(out, "\"%.*s\",", SLICE_ARG(api->nodes[pod->node].name));
    } else {
        buf_add_text(out, "\"\\u003cnone\\u003e\",");
    }
    buf_add_text(out, "\"\\u003cnone\\u003e\",\"\\u003cnone\\u003e\"],\"object\":null}");
}

/* The columns come with the first event only. */
void api_table_frame(struct api *api, struct api_watch *watch, const char *type, uint64_t version,
                     struct slice row)
{
    buf_addf(&watch->out,
             "{\"type\":\"%s\",\"object\":{\"kind\":\"Table\",\"apiVersion\":"
             "\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%llu\"},"
             "\"columnDefinitions\":",
             type, (unsigned long long)version);
    if (watch->columns_told) {
        buf_add_text(&watch->out, "null");
    } else {
        api_table_columns(&watch->out);
    }
    watch->columns_told = true;
    buf_addf(&watch->out, ",\"rows\":[%.*s]}}\n", SLICE_ARG(row));
    api->changed = true;
}
