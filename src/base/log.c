/*
 * log.c - collecting log records and rendering one as a line of JSON.
 *
 * Knows RFC 3339 and JSON's escapes. Refuses to know where the line goes, and reads no clock.
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

/* Length of the UTF-8 sequence at the front of s (RFC 3629, table 3-7 of Unicode); 0: not one. */
static size_t utf8_length(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.data;
    unsigned char low = 0x80, high = 0xBF;
    size_t len = 0;

    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        len = 2;
    } else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        len = 3;
        low = at[0] == 0xE0 ? 0xA0 : low;   /* shorter forms exist */
        high = at[0] == 0xED ? 0x9F : high; /* surrogates */
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        len = 4;
        low = at[0] == 0xF0 ? 0x90 : low;
        high = at[0] == 0xF4 ? 0x8F : high; /* past U+10FFFF */
    }
    if (len == 0 || s.len < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char shorthand[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                      ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

    if (c < sizeof(shorthand) && shorthand[c] != '\0') {
        buf_add_char(out, '\\');
        buf_add_char(out, shorthand[c]);
    } else {
        buf_addf(out, "\\u%04x", c);
    }
}

/* A JSON string. What is not UTF-8 shows as U+FFFD, so that one bad byte costs no log line. */
static void add_string(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    while (s.len > 0) {
        unsigned char c = (unsigned char)s.data[0];
        size_t len = utf8_length(s);
        if (len == 0) {
            buf_add_text(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
            add_escaped(out, c);
        } else {
            buf_add(out, s.data, len);
        }
        s.data += len;
        s.len -= len;
    }
    buf_add_char(out, '"');
}

static void add_member(struct buf *out, const char *key, struct slice value)
{
    buf_add_char(out, ',');
    add_string(out, slice_of(key));
    buf_add_char(out, ':');
    add_string(out, value);
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
        add_string(out, slice_of(field->key));
        buf_addf(out, ":%" PRId64, field->number);
    }
    buf_add_text(out, "}\n");
}
