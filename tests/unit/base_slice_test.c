/*
 * Slices: what comes off the wire and out of settings is compared, cut and read here first.
 */
#include "test.h"

TEST(slice, compares_bytes_and_not_pointers)
{
    char left[] = "subnet-1", right[] = "subnet-1";

    expect(slice_eq(slice_of(left), slice_of(right)));
    expect(!slice_eq(SLICE("subnet-1"), SLICE("subnet-2")));
    expect(!slice_eq(SLICE("subnet-1"), SLICE("subnet-")));
    expect(slice_eq(SLICE(""), (struct slice){ NULL, 0 }));
    expect(slice_is(slice_of(NULL), ""));
}

TEST(slice, compares_a_zero_byte_like_any_other)
{
    expect(!slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    expect(slice_contains(SLICE("a\0b"), SLICE("\0b")));
    expect(!slice_is(SLICE("a\0b"), "a"));
}

TEST(slice, knows_its_beginning_its_end_and_its_middle)
{
    struct slice arn = SLICE("arn:aws:ec2:eni");

    expect(slice_starts(arn, SLICE("arn:")));
    expect(!slice_starts(arn, SLICE("arn:aws:ec2:eni-")));
    expect(slice_ends(arn, SLICE(":eni")));
    expect(!slice_ends(SLICE("eni"), SLICE(":eni")));
    expect(slice_contains(arn, SLICE("aws")));
    expect(!slice_contains(arn, SLICE("azure")));
    expect(slice_starts(arn, SLICE("")) && slice_ends(arn, SLICE("")) &&
           slice_contains(arn, SLICE("")));
    expect(slice_contains((struct slice){ NULL, 0 }, (struct slice){ NULL, 0 }));
}

TEST(slice, ignores_case_in_ASCII_only)
{
    expect(slice_eq_nocase(SLICE("Retry-After"), SLICE("retry-AFTER")));
    expect(!slice_eq_nocase(SLICE("Retry-After"), SLICE("Retry_After")));
    expect(!slice_eq_nocase(SLICE("@"), SLICE("`")));   /* 0x40 and 0x60: 0x20 apart, no letters */
    expect(!slice_eq_nocase(SLICE("[a"), SLICE("{a"))); /* right after Z and z */
    expect(!slice_eq_nocase(SLICE("\xC3\x84"), SLICE("\xC3\xA4")));
}

TEST(slice, orders_bytewise_and_the_shorter_first)
{
    expect(slice_cmp(SLICE("a"), SLICE("b")) < 0);
    expect(slice_cmp(SLICE("b"), SLICE("a")) > 0);
    expect(slice_cmp(SLICE("a"), SLICE("ab")) < 0);
    expect(slice_cmp(SLICE("ab"), SLICE("ab")) == 0);
    expect(slice_cmp(SLICE("\x7F"), SLICE("\x80")) < 0); /* bytes have no sign */
    expect(slice_cmp((struct slice){ NULL, 0 }, SLICE("")) == 0);
}

TEST(slice, is_trimmed_at_both_ends_and_not_inside)
{
    expect_slice(slice_trim(SLICE(" \t a b\r\n")), "a b");
    expect_slice(slice_trim(SLICE(" \n ")), "");
    expect_slice(slice_trim(SLICE("")), "");
    expect_u64(slice_trim(SLICE("\0 ")).len, 1);
}

TEST(slice, is_cut_field_by_field_and_tells_an_empty_rest_from_none)
{
    struct slice rest = SLICE("a,,b,");

    expect_slice(slice_cut(&rest, ','), "a");
    expect_slice(slice_cut(&rest, ','), "");
    expect_slice(slice_cut(&rest, ','), "b");
    expect(rest.data != NULL && rest.len == 0); /* one more field, an empty one */
    expect_slice(slice_cut(&rest, ','), "");
    expect(rest.data == NULL);
    expect_slice(slice_cut(&rest, ','), "");
}

TEST(slice, reads_a_number_only_when_all_of_it_is_one)
{
    uint64_t value = 7;

    expect_ok(slice_u64(SLICE("0"), UINT64_MAX, &value), NULL);
    expect_u64(value, 0);
    expect_ok(slice_u64(SLICE("18446744073709551615"), UINT64_MAX, &value), NULL);
    expect_u64(value, UINT64_MAX);
    expect_ok(slice_u64(SLICE("000000000000000000000000042"), 50, &value), NULL);
    expect_u64(value, 42);

    static const char *const wrong[] = { "", " 1", "1 ", "+1", "-1", "1.0", "0x1", "1e3", "one" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_err(slice_u64(slice_of(wrong[i]), UINT64_MAX, &value), ERR_INVALID, NULL);
    }
    expect_u64(value, 42); /* what failed has not written */
}

TEST(slice, says_limit_for_a_number_that_is_too_large)
{
    uint64_t value = 7;

    expect_ok(slice_u64(SLICE("65535"), 65535, &value), NULL);
    expect_err(slice_u64(SLICE("65536"), 65535, &value), ERR_LIMIT, NULL);
    expect_err(slice_u64(SLICE("18446744073709551616"), UINT64_MAX, &value), ERR_LIMIT, NULL);
    expect_err(slice_u64(SLICE("99999999999999999999999"), UINT64_MAX, &value), ERR_LIMIT, NULL);
    expect_err(slice_u64(SLICE("99999999999999999999999x"), UINT64_MAX, &value), ERR_INVALID, NULL);
    expect_u64(value, 65535);
}

TEST(slice, reads_booleans_as_the_agent_does)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    static const char *const neither[] = { "", "yes", "tRUE", "on", " true", "2" };
    bool value = false;

    for (size_t i = 0; i < 6; i++) {
        expect_ok(slice_bool(slice_of(yes[i]), &value), NULL);
        expect(value);
        expect_ok(slice_bool(slice_of(no[i]), &value), NULL);
        expect(!value);
        expect_err(slice_bool(slice_of(neither[i]), &value), ERR_INVALID, NULL);
    }
}

TEST(slice, reads_an_IPv4_address_in_its_one_spelling)
{
    uint32_t address = 0;

    expect_ok(slice_ipv4(SLICE("10.0.128.255"), &address), NULL);
    expect_u64(address, 0x0A0080FF);
    expect_ok(slice_ipv4(SLICE("255.255.255.255"), &address), NULL);
    expect_u64(address, UINT32_MAX);
    expect_ok(slice_ipv4(SLICE("0.0.0.0"), &address), NULL);
    expect_u64(address, 0);

    static const char *const wrong[] = {
        "",          "10",         "10.0.0",     "10.0.0.",   "10.0.0.0.", "10.0.0.0.0",
        "10..0.0",   ".10.0.0",    "10.0.0.256", "10.0.0.01", "10.0.0.-1", "10.0.0.1/24",
        " 10.0.0.1", "10.0.0.0x1", "10.0.0.1 ",  "fe80::1",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (slice_ipv4(slice_of(wrong[i]), &address) != ERR_INVALID) {
            test_fail("\"%s\" was read as an address", wrong[i]);
        }
    }
}

TEST(slice, fits_into_an_array_with_its_NUL_or_not_at_all)
{
    char dst[4] = "old";

    expect_ok(slice_copy(SLICE("abc"), dst, sizeof(dst)), NULL);
    expect_text(dst, "abc");
    expect_err(slice_copy(SLICE("abcd"), dst, sizeof(dst)), ERR_LIMIT, NULL);
    expect_text(dst, "");
    expect_ok(slice_copy((struct slice){ NULL, 0 }, dst, sizeof(dst)), NULL);
    expect_text(dst, "");
    expect_err(slice_copy(SLICE(""), dst, 0), ERR_LIMIT, NULL);
}

TEST(slice, says_where_its_UTF_8_ends)
{
    expect_u64(slice_utf8(SLICE("Z\xC3\xBCrich \xE2\x82\xAC \xF0\x9F\x98\x80")), 16);
    expect_u64(slice_utf8(SLICE("")), 0);
    expect_u64(slice_utf8(SLICE("ab\xC1\x9F")), 2); /* a longer form of an ASCII letter */
    expect_u64(slice_utf8(SLICE("ab\xE2\x82")), 2); /* cut */
    expect_u64(slice_utf8(SLICE("\xED\xA0\x80")), 0);
    expect_u64(slice_utf8_char(SLICE("")), 0);
    expect_u64(slice_utf8_char(SLICE("\0")), 1);
    expect_u64(slice_utf8_char(SLICE("\xF4\x8F\xBF\xBF")), 4); /* the last character */
    expect_u64(slice_utf8_char(SLICE("\xF4\x90\x80\x80")), 0);
    expect_u64(slice_utf8_char(SLICE("\xF8\x88\x80\x80\x80")), 0);
}

/* Values from the reference test suite of FNV-1a 64. */
TEST(slice, hashes_like_FNV_1a)
{
    expect_u64(slice_hash(SLICE("")), UINT64_C(0xcbf29ce484222325));
    expect_u64(slice_hash(SLICE("a")), UINT64_C(0xaf63dc4c8601ec8c));
    expect_u64(slice_hash(SLICE("foobar")), UINT64_C(0x85944171f73967e8));
}

/* Long texts that differ in one bit: none may share a hash, nor the half that tables use. */
TEST(slice, hashes_quickly_and_loses_no_bit)
{
    enum { BYTES = 200 };
    char text[BYTES] = { 0 };
    uint64_t zero = slice_hash_quick((struct slice){ text, BYTES });
    uint32_t same = 0, same_high = 0, same_low = 0;

    for (size_t bit = 0; bit < BYTES * 8; bit++) {
        text[bit / 8] = (char)(1U << (bit % 8));
        uint64_t hash = slice_hash_quick((struct slice){ text, BYTES });
        text[bit / 8] = 0;
        same += hash == zero;
        same_high += hash >> 32 == zero >> 32;
        same_low += (uint32_t)hash == (uint32_t)zero;
    }
    expect_u64(same, 0);
    expect_u64(same_high, 0);
    expect_u64(same_low, 0);
    /* Length counts: a NUL more is another text. */
    expect(slice_hash_quick((struct slice){ text, 7 }) !=
           slice_hash_quick((struct slice){ text, 8 }));
}
