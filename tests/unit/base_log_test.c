/*
 * Errors, log records and the list of fetches: what a core hands to the outside.
 */
#include <headroom/fetch.h>
#include <headroom/log.h>
#include <headroom/version.h>

#include "test.h"

TEST(error, carries_its_code_and_one_line)
{
    struct error error = { 0 };

    expect_u64(error_set(&error, ERR_DENIED, "%s: HTTP %d", "CreateNetworkInterface", 403),
               ERR_DENIED);
    expect_u64(error.code, ERR_DENIED);
    expect_text(error.text, "CreateNetworkInterface: HTTP 403");
    expect_u64(error_prefix(&error, "cannot attach %s", "eni-1"), ERR_DENIED);
    expect_text(error.text, "cannot attach eni-1: CreateNetworkInterface: HTTP 403");
}

TEST(error, needs_no_place_for_the_detail)
{
    expect_u64(error_set(NULL, ERR_GONE, "resourceVersion %d", 7), ERR_GONE);
    expect_u64(error_prefix(NULL, "list"), ERR_OK);
}

TEST(error, takes_a_context_also_before_there_is_a_text)
{
    struct error error = { .code = ERR_IO };

    expect_u64(error_prefix(&error, "reading the token"), ERR_IO);
    expect_text(error.text, "reading the token");
}

TEST(error, is_cut_at_its_limit_and_not_inside_a_character)
{
    struct error error = { 0 };
    char text[2 * ERROR_TEXT_MAX] = { 0 };

    for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xC3\xA9", 2); /* e with an acute accent, 2 bytes */
    }
    (void)error_set(&error, ERR_INVALID, "%s", text);
    expect_u64(strlen(error.text), ERROR_TEXT_MAX - 2); /* one byte less than there is room for */
    (void)error_prefix(&error, "12");
    expect_u64(strlen(error.text), ERROR_TEXT_MAX - 2);
    expect(slice_starts(slice_of(error.text), SLICE("12: \xC3\xA9")));
    (void)error_prefix(&error, "%s", text + 1);
    expect(error.text[ERROR_TEXT_MAX - 1] == '\0');
}

TEST(error, has_a_name_for_each_code)
{
    expect_text(err_name(ERR_OK), "ok");
    expect_text(err_name(ERR_THROTTLED), "throttled");
    expect_text(err_name(ERR_IO), "input/output error");
    expect_text(err_name((enum err)9999), "unknown error");
    expect_text(err_name((enum err) - 1), "unknown error");
}

static struct slice rendered(const struct log_record *record, uint64_t wall_ns)
{
    struct buf out;

    buf_init(&out, 64 * 1024);
    log_render(record, wall_ns, &out);
    struct slice copy = arena_slice(test_arena(), buf_slice(&out));
    buf_done(&out);
    return copy;
}

TEST(log, writes_one_line_of_JSON_with_the_fields_in_their_order)
{
    struct log_list list = { .arena = test_arena() };
    struct log_record *record = log_add(&list, LOG_WARN, "plan", "%s is low", "subnet");

    log_text(&list, record, "subnet", SLICE("subnet-1"));
    log_number(record, "free", 12);
    log_number(record, "change", INT64_MIN);
    expect_slice(rendered(record, UINT64_C(1767323045678999999)),
                 "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"module\":\"plan\","
                 "\"msg\":\"subnet is low\",\"subnet\":\"subnet-1\",\"free\":12,"
                 "\"change\":-9223372036854775808}\n");
}

TEST(log, knows_leap_days_and_the_ends_of_its_clock)
{
    struct log_list list = { .arena = test_arena() };
    struct log_record *record = log_add(&list, LOG_INFO, "io", "tick");

    expect_contains(rendered(record, 0), "\"1970-01-01T00:00:00.000Z\"");
    expect_contains(rendered(record, UINT64_C(1709251199999000000)),
                    "\"2024-02-29T23:59:59.999Z\"");
    expect_contains(rendered(record, UINT64_MAX), "\"2554-07-21T23:34:33.709Z\"");
}

TEST(log, escapes_what_would_break_the_line_or_the_JSON)
{
    struct log_list list = { .arena = test_arena() };
    struct log_record *record = log_add(&list, LOG_ERROR, "kube", "a \"quoted\\\" line");

    log_text(&list, record, "body", SLICE("\x01\b\t\n\f\r\x1F/\x7F\0z"));
    expect_contains(rendered(record, 0), "\"msg\":\"a \\\"quoted\\\\\\\" line\"");
    expect_contains(rendered(record, 0),
                    "\"body\":\"\\u0001\\b\\t\\n\\f\\r\\u001f/\\u007f\\u0000z\"}");
}

TEST(log, keeps_UTF_8_and_replaces_what_is_none)
{
    static const struct {
        const char *bytes, *shown;
    } cases[] = {
        { "Z\xC3\xBCrich \xE2\x82\xAC \xF0\x9F\x98\x80",
          "Z\xC3\xBCrich \xE2\x82\xAC \xF0\x9F\x98\x80" },
        { "a\xFFz", "a\xEF\xBF\xBDz" },
        { "a\x80z", "a\xEF\xBF\xBDz" },                             /* a continuation alone */
        { "\xC3", "\xEF\xBF\xBD" },                                 /* cut at the end */
        { "\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD" },                 /* cut at the end */
        { "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },                 /* a slash, too long */
        { "\xE0\x9F\xBF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* too long */
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* a surrogate */
        { "\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* past the last
                                                                                     */
        { "\xC3\"", "\xEF\xBF\xBD\\\"" }, /* a bad byte does not swallow the quote after it */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct log_list list = { .arena = test_arena() };
        struct log_record *record = log_add(&list, LOG_INFO, "kube", "%s", cases[i].bytes);
        expect_contains(rendered(record, 0),
                        arena_printf(test_arena(), "\"msg\":\"%s\"}", cases[i].shown).data);
    }
}

TEST(log, drops_fields_past_its_limit_rather_than_the_line)
{
    struct log_list list = { .arena = test_arena() };
    struct log_record *record = log_add(&list, LOG_INFO, "ec2", "many");

    for (int i = 0; i < LOG_FIELDS_MAX; i++) {
        log_number(record, "n", i);
    }
    log_number(record, "one_more", 1);
    log_text(&list, record, "one_more", SLICE("x"));
    expect_u64(record->field_count, LOG_FIELDS_MAX);
    expect(!slice_contains(rendered(record, 0), SLICE("one_more")));
    expect(slice_ends(rendered(record, 0), SLICE("\"n\":11}\n")));
}

TEST(log, keeps_each_record_while_the_list_grows)
{
    struct log_list list = { .arena = test_arena() };

    for (int i = 0; i < 100; i++) {
        char text[8];
        (void)snprintf(text, sizeof(text), "v%d", i);
        log_text(&list, log_add(&list, LOG_DEBUG, "sim", "record %d", i), "k", slice_of(text));
    }
    expect_u64(list.count, 100);
    expect_slice(list.records[0].message, "record 0");
    expect_slice(list.records[0].fields[0].text, "v0");
    expect_slice(list.records[99].fields[0].text, "v99");
}

TEST(log, reads_the_levels_that_it_writes)
{
    enum log_level level = LOG_ERROR;

    for (enum log_level each = LOG_DEBUG; each <= LOG_ERROR; each++) {
        expect_ok(log_level_parse(slice_of(log_level_name(each)), &level), NULL);
        expect_u64(level, each);
    }
    expect_err(log_level_parse(SLICE("INFO"), &level), ERR_INVALID, NULL);
    expect_err(log_level_parse(SLICE(""), &level), ERR_INVALID, NULL);
}

TEST(fetch, lists_what_a_step_asks_for_in_its_order)
{
    struct fetch_list list = { .arena = test_arena() };

    for (uint64_t id = 1; id <= 50; id++) {
        struct fetch *fetch = fetch_add(&list, id);
        expect(fetch->kind == FETCH_HTTP && fetch->method == NULL && fetch->body.len == 0);
        fetch->method = "GET";
        fetch_cancel(&list, 1000 + id);
    }
    expect_u64(list.start_count, 50);
    expect_u64(list.cancel_count, 50);
    for (uint64_t id = 1; id <= 50; id++) {
        expect_u64(list.starts[id - 1].id, id);
        expect_text(list.starts[id - 1].method, "GET");
        expect_u64(list.cancels[id - 1], 1000 + id);
    }
}

TEST(version, is_what_the_build_says)
{
    expect(version_text()[0] != '\0');
}
