/* Writing JSON: what other programs will read of us. */
#include <math.h>

#include <headroom/json.h>

#include "test.h"

TEST(json, writes_objects_and_arrays_with_their_commas)
{
    struct buf buf;
    struct json_out json;

    buf_init(&buf, 1000);
    json_start(&json, &buf);
    json_begin_object(&json);
    json_field_text(&json, "zone", SLICE("us-west-2a"));
    json_key(&json, "subnets");
    json_begin_array(&json);
    json_begin_object(&json);
    json_end_object(&json);
    json_u64(&json, UINT64_MAX);
    json_i64(&json, -3);
    json_null(&json);
    json_end_array(&json);
    json_field_bool(&json, "ready", false);
    expect(!json_complete(&json));
    json_end_object(&json);
    expect(json_complete(&json));
    expect_slice(buf_slice(&buf),
                 "{\"zone\":\"us-west-2a\",\"subnets\":[{},18446744073709551615,-3,"
                 "null],\"ready\":false}");
    buf_done(&buf);
}

TEST(json, escapes_what_a_string_must_not_hold)
{
    struct buf buf;
    struct json_out json;

    buf_init(&buf, 1000);
    json_start(&json, &buf);
    json_string(&json, (struct slice){ "a\"\\\n\x01\xFF\xC3\xA9", 8 });
    expect_slice(buf_slice(&buf), "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA9\"");
    buf_done(&buf);
}

TEST(json, writes_the_shortest_number_that_reads_back)
{
    struct buf buf;
    struct json_out json;

    buf_init(&buf, 1000);
    json_start(&json, &buf);
    json_begin_array(&json);
    json_double(&json, 0.1);
    json_double(&json, 2.0);
    json_double(&json, NAN);
    json_end_array(&json);
    expect_slice(buf_slice(&buf), "[0.1,2,null]");
    buf_done(&buf);
}

static void value_without_key(void *context)
{
    struct json_out *json = context;

    json_begin_object(json);
    json_u64(json, 1);
}

TEST(json, dies_of_a_value_without_a_key)
{
    struct buf buf;
    struct json_out json;

    buf_init(&buf, 1000);
    json_start(&json, &buf);
    expect(test_aborts(value_without_key, &json));
    buf_done(&buf);
}
