/*
 * base_flags_test.c - command lines as people type them, and tables as they read them.
 *
 * Knows flags.h and table.h. Refuses to know any program's flags.
 */
#include <headroom/flags.h>
#include <headroom/table.h>

#include "test.h"

enum { FLAGS = 3 };

struct parsed {
    struct slice listen;
    bool elect, once;
    struct slice operands[2];
    size_t count;
    struct error error;
};

static struct slice no_env(const char *name)
{
    (void)name;
    return (struct slice){ 0 };
}

static struct slice some_env(const char *name)
{
    return strcmp(name, "LISTEN") == 0 ? SLICE("9090") : SLICE("false");
}

static void table_of(struct parsed *parsed, struct flag flags[FLAGS])
{
    const struct flag table[FLAGS] = {
        { "listen", 'l', FLAG_TEXT, "ADDRESS", "LISTEN", ":8080", "where the page is\nserved",
          &parsed->listen },
        { "leader-elect", 0, FLAG_BOOL, NULL, "ELECT", "true", "stand by", &parsed->elect },
        { "once", 0, FLAG_BOOL, NULL, NULL, "false", "once", &parsed->once },
    };

    memcpy(flags, table, sizeof(table));
}

#define parse(parsed, env, ...)                                                                    \
    parse_line((parsed), (env), (const char *const[]){ "program", __VA_ARGS__, NULL })

static enum err parse_line(struct parsed *parsed, flags_env_fn *env, const char *const *line)
{
    struct flag flags[FLAGS];
    char *argv[8];
    int argc = 0;

    *parsed = (struct parsed){ 0 };
    table_of(parsed, flags);
    for (; line[argc]; argc++) {
        argv[argc] = (char *)arena_slice(test_arena(), slice_of(line[argc])).data;
    }
    return flags_parse(flags, FLAGS, argc, argv, env, parsed->operands, 2, &parsed->count,
                       &parsed->error);
}

TEST(flags, are_read_in_every_form)
{
    struct parsed parsed;

    require_ok(parse(&parsed, no_env, "--listen", "1"), &parsed.error);
    expect_slice(parsed.listen, "1");
    require_ok(parse(&parsed, no_env, "--listen=2", "--once"), &parsed.error);
    expect_slice(parsed.listen, "2");
    expect(parsed.once && parsed.elect);
    require_ok(parse(&parsed, no_env, "-l", "3", "--no-leader-elect"), &parsed.error);
    expect_slice(parsed.listen, "3");
    expect(!parsed.elect);
    require_ok(parse(&parsed, no_env, "-l4", "--leader-elect=false", "--listen="), &parsed.error);
    expect_slice(parsed.listen, "");
    expect(!parsed.elect);
    require_ok(parse(&parsed, no_env, "a", "--", "--once"), &parsed.error);
    expect_u64(parsed.count, 2);
    expect_slice(parsed.operands[1], "--once");
    expect(!parsed.once);
}

TEST(flags, fall_back_on_the_environment_then_on_the_default)
{
    struct parsed parsed;

    require_ok(parse(&parsed, no_env, "--once"), &parsed.error);
    expect_slice(parsed.listen, ":8080");
    expect(parsed.elect);
    require_ok(parse(&parsed, some_env, "--once"), &parsed.error);
    expect_slice(parsed.listen, "9090");
    expect(!parsed.elect);
    require_ok(parse(&parsed, some_env, "--leader-elect"), &parsed.error);
    expect(parsed.elect);
}

TEST(flags, say_what_is_wrong_and_what_was_meant)
{
    struct parsed parsed;

    expect_err(parse(&parsed, no_env, "--lisen=1"), ERR_INVALID, &parsed.error);
    expect_text(parsed.error.text, "unknown flag --lisen; did you mean --listen?");
    expect_err(parse(&parsed, no_env, "--nonsense"), ERR_INVALID, &parsed.error);
    expect_text(parsed.error.text, "unknown flag --nonsense; see --help");
    expect_err(parse(&parsed, no_env, "-x"), ERR_INVALID, &parsed.error);
    expect_err(parse(&parsed, no_env, "--listen"), ERR_INVALID, &parsed.error);
    expect_text(parsed.error.text, "--listen needs a value: ADDRESS");
    expect_err(parse(&parsed, no_env, "--leader-elect=perhaps"), ERR_INVALID, &parsed.error);
    expect_contains(slice_of(parsed.error.text), "true or false, not \"perhaps\"");
    expect_err(parse(&parsed, no_env, "--no-listen"), ERR_INVALID, &parsed.error);
    expect_err(parse(&parsed, no_env, "a", "b", "c"), ERR_INVALID, &parsed.error);
    expect_contains(slice_of(parsed.error.text), "\"c\"");
}

TEST(flags, describe_themselves)
{
    struct parsed parsed;
    struct flag flags[FLAGS];
    struct buf text;

    table_of(&parsed, flags);
    buf_init(&text, 4096);
    flags_help(flags, FLAGS, &text);
    expect_slice(buf_slice(&text), "  -l, --listen ADDRESS          where the page is\n"
                                   "                                served\n"
                                   "                                [default :8080, $LISTEN]\n"
                                   "      --leader-elect            stand by\n"
                                   "                                [default true, $ELECT]\n"
                                   "      --once                    once\n");
    buf_done(&text);
}

TEST(table, makes_each_column_as_wide_as_its_widest_cell)
{
    struct table table;
    struct buf text;

    table_init(&table, test_arena(), "SUBNET|>FREE|WHY");
    expect(table_empty(&table));
    table_add(&table, SLICE("subnet-1"));
    table_addf(&table, "%u", 12U);
    table_add(&table, SLICE("gro\xc3\x9f"));
    table_add(&table, SLICE("s"));
    table_addf(&table, "%u", 12345U);
    table_add(&table, SLICE("-"));
    buf_init(&text, 4096);
    table_print(&table, "  ", &text);
    expect_slice(buf_slice(&text), "  SUBNET      FREE   WHY\n"
                                   "  subnet-1      12   gro\xc3\x9f\n"
                                   "  s          12345   -\n");
    buf_done(&text);
}
