/*
 * log.c - collecting log records and rendering one as a line of JSON.
 *
 * Knows RFC 3339. Refuses to know where the line goes, and reads no clock.
 */
#include <inttypes.h>
#include <time.h>

#include <headroom/log.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

const char *log_level_name(enum log_level level)
{
    size_t at = (size_t)level;

    return at < sizeof(level_names) / sizeof(level_names[0]) ? level_names[at] : "unknown";
}

enum err log_level_parse(struct slice s, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (slice_is(s, level_names[i])) {
            *ret = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

struct log_record *log_add(struct log_list *list, enum log_level level, const char *module,
                           const char *format, ...)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 8;
        struct log_record *records = ARENA_ARRAY(list->arena, struct log_record, capacity);
        if (list->count > 0) {
            memcpy(records, list->records, list->count * sizeof(*records));
        }
        list->records = records;
        list->capacity = capacity;
    }
    va_list args;
    va_start(args, format);
    struct slice message = arena_vprintf(list->arena, format, args);
    va_end(args);

    struct log_record *record = &list->records[list->count++];
    *record = (struct log_record){ .level = level, .module = module, .message = message };
    return record;
}

void log_text(struct log_list *list, struct log_record *record, const char *key, struct slice text)
{
    if (record->field_count < LOG_FIELDS_MAX) {
        record->fields[record->field_count++] = (struct log_field){
            .key = key,
            .text = arena_slice(list->arena, text),
        };
    }
}

void log_number(struct log_record *record, const char *key, int64_t number)
{
    if (record->field_count < LOG_FIELDS_MAX) {
        record->fields[record->field_count++] = (struct log_field){
            .key = key,
            .number = number,
            .is_number = true,
        };
    }
}

static void add_member(struct buf *out, const char *key, struct slice value)
{
    buf_add_char(out, ',');
    buf_add_json(out, slice_of(key));
    buf_add_char(out, ':');
    buf_add_json(out, value);
}

void log_render(const struct log_record *record, uint64_t wall_ns, struct buf *out)
{
    time_t seconds = (time_t)(wall_ns / UINT64_C(1000000000));
    unsigned millis = (unsigned)(wall_ns / 1000000 % 1000);
    struct tm utc = { 0 };

    (void)gmtime_r(&seconds, &utc);
    buf_addf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\"", utc.tm_year + 1900,
             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
    add_member(out, "level", slice_of(log_level_name(record->level)));
    add_member(out, "module", slice_of(record->module));
    add_member(out, "msg", record->message);
    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct log_field *field = &record->fields[i];
        if (!field->is_number) {
            add_member(out, field->key, field->text);
            continue;
        }
        buf_add_char(out, ',');
        buf_add_json(out, slice_of(field->key));
        buf_addf(out, ":%" PRId64, field->number);
    }
    buf_add_text(out, "}\n");
}
