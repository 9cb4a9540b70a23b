/*
 * ini_test.c - AWS's shared files as people write them.
 */
#include <headroom/ini.h>

#include "test.h"

static struct ini read_ini(const char *text)
{
    struct ini ini;
    struct error error = { 0 };

    require_ok(ini_parse(test_arena(), slice_of(text), &ini, &error), &error);
    return ini;
}

TEST(ini, reads_sections_keys_and_values)
{
    struct ini ini = read_ini(
        "[default]\r\nregion = us-west-2\r\n\n[profile  \"a b\"]\nregion=eu-west-1\n");

    expect_slice(ini_get(&ini, SLICE("default"), "region"), "us-west-2");
    expect_slice(ini_get(&ini, SLICE("profile a b"), "region"), "eu-west-1");
    expect_u64(ini_get(&ini, SLICE("default"), "output").len, 0);
    expect(ini_has_section(&ini, SLICE("default")));
    expect(!ini_has_section(&ini, SLICE("other")));
}

TEST(ini, leaves_comments_out_and_secrets_whole)
{
    struct ini ini = read_ini("# a\n; b\n[x]\n# region = no\nregion = us-west-2 # home\n"
                              "key=ab#cd;ef\nother = 1\t;two\n");

    expect_slice(ini_get(&ini, SLICE("x"), "region"), "us-west-2");
    expect_slice(ini_get(&ini, SLICE("x"), "key"), "ab#cd;ef");
    expect_slice(ini_get(&ini, SLICE("x"), "other"), "1");
}

TEST(ini, takes_the_last_of_two_and_a_section_that_goes_on)
{
    struct ini ini = read_ini("[x]\na=1\n[y]\na=2\n[x]\na=3\nb=4\n");

    expect_slice(ini_get(&ini, SLICE("x"), "a"), "3");
    expect_slice(ini_get(&ini, SLICE("x"), "b"), "4");
    expect_slice(ini_get(&ini, SLICE("y"), "a"), "2");
}

TEST(ini, reads_keys_below_a_key)
{
    struct ini ini = read_ini("[services s]\nec2 =\n  endpoint_url = http://a\n  x = y\n"
                              "s3 =\n\tendpoint_url = http://b\n");

    expect_slice(ini_get_sub(&ini, SLICE("services s"), "ec2", "endpoint_url"), "http://a");
    expect_slice(ini_get_sub(&ini, SLICE("services s"), "ec2", "x"), "y");
    expect_slice(ini_get_sub(&ini, SLICE("services s"), "s3", "endpoint_url"), "http://b");
    expect_u64(ini_get(&ini, SLICE("services s"), "endpoint_url").len, 0);
}

TEST(ini, names_the_broken_line_and_quotes_nothing_of_it)
{
    struct ini ini;
    struct error error = { 0 };

    expect_err(ini_parse(test_arena(), SLICE("[x]\nSECRETSECRET\n"), &ini, &error), ERR_INVALID,
               &error);
    expect_contains(slice_of(error.text), "line 2");
    expect(!strstr(error.text, "SECRET"));
    expect_err(ini_parse(test_arena(), SLICE("[x\n"), &ini, &error), ERR_INVALID, &error);
}
