/*
 * log.h - a log record: what a core reports, and controller/ writes as one line of JSON.
 *
 * Cores do not log: they append records to their output. Secrets never enter a record.
 */
#ifndef HEADROOM_LOG_H
#define HEADROOM_LOG_H

#include <headroom/arena.h>
#include <headroom/buf.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum { LOG_FIELDS_MAX = 12 };

struct log_field {
    const char *key; /* literal; snake_case, unit last */
    struct slice text;
    int64_t number;
    bool is_number;
};

struct log_record {
    enum log_level level;
    const char *module;   /* literal: "plan", "kube", "ec2", "engine", "io", "web" */
    struct slice message; /* one sentence, without the fields' values */
    struct log_field fields[LOG_FIELDS_MAX];
    uint32_t field_count;
};

/* A list that grows inside an arena. */
struct log_list {
    struct arena *arena;
    struct log_record *records;
    uint32_t count, capacity;
};

/* Appends a record; the message is formatted into the arena. The pointer is for log_text/log_number
 * and is valid until the next log_add. */
struct log_record *log_add(struct log_list *list, enum log_level level, const char *module,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Copies the text into the list's arena. Fields past LOG_FIELDS_MAX are dropped. */
void log_text(struct log_list *list, struct log_record *record, const char *key, struct slice text);
void log_number(struct log_record *record, const char *key, int64_t number);

/* One line with its newline; what is not UTF-8 shows as U+FFFD:
 * {"time":"2026-01-02T03:04:05.678Z","level":"info","module":"plan","msg":"...","node":"..."} */
void log_render(const struct log_record *record, uint64_t wall_ns, struct buf *out);

const char *log_level_name(enum log_level level);
/* "debug", "info", "warn", "error". */
enum err log_level_parse(struct slice s, enum log_level *ret) ERR_CHECKED;

#endif
