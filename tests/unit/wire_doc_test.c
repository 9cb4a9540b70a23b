/* Documents: what a user's YAML and a server's JSON become, and what is refused of them. */
#include <stdio.h>

#include <headroom/doc.h>

#include "test.h"

static const struct doc *yaml(const char *text)
{
    const struct doc *doc = NULL;
    struct error error = { 0 };

    require_ok(yaml_parse(test_arena(), slice_of(text), SLICE("t.yaml"), NULL, &doc, &error),
               &error);
    return doc;
}

static const struct doc *json(const char *text)
{
    const struct doc *doc = NULL;
    struct error error = { 0 };

    require_ok(json_parse(test_arena(), slice_of(text), NULL, &doc, &error), &error);
    return doc;
}

static struct slice yaml_refusal(const char *text, enum err wanted)
{
    const struct doc *doc = NULL;
    struct error error = { 0 };

    expect_err(yaml_parse(test_arena(), slice_of(text), SLICE("t.yaml"), NULL, &doc, &error),
               wanted, &error);
    return arena_slice(test_arena(), slice_of(error.text));
}

TEST(doc, reads_a_scenario_written_in_yaml)
{
    const struct doc *doc = yaml("vpc:\n"
                                 "  cidr: 10.0.0.0/16\n"
                                 "subnets:\n"
                                 "- {id: subnet-a, free: 12, public: true}\n"
                                 "- id: \"007\"\n"
                                 "  note: ~\n");

    expect_slice(doc_text(doc_at(doc, "vpc", "cidr")), "10.0.0.0/16");
    const struct doc *subnets = doc_get(doc, "subnets");
    expect_u64(doc_count(subnets), 2);
    const struct doc *first = doc_first(subnets);
    expect_u64(doc_u64_or(doc_get(first, "free"), 0), 12);
    expect(doc_bool_or(doc_get(first, "public"), false));
    expect(doc_is(doc_get(first->next, "id"), DOC_STRING));
    expect(doc_get(first->next, "note") == NULL);
    expect_u64(first->next->line, 5);
    expect(first->next->next == NULL);
}

TEST(doc, reads_json_with_the_same_eyes)
{
    const struct doc *doc = json(
        "{\"a\":[1,-2.5,\"x\\u0041\",null,false,{}],\"n\":18446744073709551615}");
    const struct doc *at = doc_first(doc_get(doc, "a"));

    expect_u64(doc_u64_or(at, 0), 1);
    expect(doc_double_or(at->next, 0) < -2.4 && doc_double_or(at->next, 0) > -2.6);
    expect_slice(doc_text(at->next->next), "xA");
    expect_u64(doc_count(doc_get(doc, "a")), 6);
    expect_u64(doc_u64_or(doc_get(doc, "n"), 0), UINT64_MAX);
    expect(doc_at(doc, "a", "b", "c") == NULL);
}

TEST(doc, names_line_and_column_of_bad_yaml)
{
    expect_contains(yaml_refusal("a: 1\nb: [1, 2\n", ERR_INVALID), "t.yaml: line 3");
    expect_contains(yaml_refusal("a: *x\n", ERR_INVALID), "column 4: an alias without its anchor");
    expect_contains(yaml_refusal("&x a: 1\n", ERR_UNSUPPORTED), "an anchor of a key");
    expect_contains(yaml_refusal("a: &x {}\nb:\n  <<: *x\n", ERR_UNSUPPORTED),
                    "line 3, column 3: merge keys");
    expect_contains(yaml_refusal("a: &x {}\n? *x\n: 1\n", ERR_UNSUPPORTED), "must be a scalar");
    expect_contains(yaml_refusal("a: !!binary xx\n", ERR_UNSUPPORTED), "tags are not accepted");
    expect_contains(yaml_refusal("a: 1\na: 2\n", ERR_INVALID), "line 2, column 1: the key stands");
    expect_contains(yaml_refusal("a: 1\n---\nb: 2\n", ERR_UNSUPPORTED), "second document");
    expect_contains(yaml_refusal("? [a]\n: 1\n", ERR_UNSUPPORTED), "must be a scalar");
}

TEST(doc, puts_what_an_anchor_names_where_its_alias_stands)
{
    const struct doc *doc = yaml("a: &x {n: 1, list: [p, &y q]}\n"
                                 "b: *x\n"
                                 "c: [*y, *x]\n"
                                 "d: &x 2\n"
                                 "e: *x\n");

    expect_u64(doc_u64_or(doc_at(doc, "b", "n"), 0), 1);
    expect_u64(doc_count(doc_at(doc, "b", "list")), 2);
    expect_u64(doc_get(doc, "b")->line, 2);
    expect_slice(doc_text(doc_first(doc_get(doc, "c"))), "q");
    expect_slice(doc_text(doc_first(doc_get(doc_first(doc_get(doc, "c"))->next, "list"))), "p");
    expect_u64(doc_u64_or(doc_get(doc, "e"), 0), 2);
    expect_u64(doc_count(doc), 5);
}

TEST(doc, refuses_an_alias_that_grows_without_end)
{
    expect_contains(yaml_refusal("a: &x [1, *x]\n", ERR_INVALID), "inside of what it names");
    expect_contains(yaml_refusal("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
                                 "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                                 "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                                 "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
                                 "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
                                 "f: [*e, *e]\n",
                                 ERR_LIMIT),
                    "line 6, column 5: more than 200000 values");
}

TEST(doc, is_empty_for_an_empty_file)
{
    expect(doc_is(yaml(""), DOC_NULL));
    expect(doc_is(yaml("# nothing here\n"), DOC_NULL));
}

TEST(doc, refuses_what_nests_too_deep_in_both_syntaxes)
{
    char text[1000];
    const struct doc *doc = NULL;
    struct error error = { 0 };

    memset(text, '[', sizeof(text));
    struct slice deep = { text, sizeof(text) };
    expect_err(yaml_parse(test_arena(), deep, SLICE("x"), NULL, &doc, &error), ERR_LIMIT, &error);
    expect_contains(slice_of(error.text), "deeper than 64");
    expect_err(json_parse(test_arena(), deep, NULL, &doc, &error), ERR_LIMIT, &error);
}

TEST(doc, refuses_more_values_and_bytes_than_allowed)
{
    struct doc_limits few = { .nodes = 3 }, small = { .bytes = 4 };
    const struct doc *doc = NULL;
    struct error error = { 0 };

    expect_err(json_parse(test_arena(), SLICE("[1,2,3]"), &few, &doc, &error), ERR_LIMIT, &error);
    expect_ok(json_parse(test_arena(), SLICE("[1,2]"), &few, &doc, &error), &error);
    expect_ok(json_parse(test_arena(), SLICE("[\"a,b,\\\",c\",2]"), &few, &doc, &error), &error);
    expect_err(json_parse(test_arena(), SLICE("[1,2]"), &small, &doc, &error), ERR_LIMIT, &error);
    expect_err(yaml_parse(test_arena(), SLICE("[1,2]"), SLICE("x"), &small, &doc, &error),
               ERR_LIMIT, &error);
}

TEST(doc, refuses_json_that_is_cut_or_followed_by_more)
{
    const struct doc *doc = NULL;
    struct error error = { 0 };

    expect_err(json_parse(test_arena(), SLICE("{\"a\":"), NULL, &doc, &error), ERR_TRUNCATED,
               &error);
    expect_err(json_parse(test_arena(), SLICE(" "), NULL, &doc, &error), ERR_TRUNCATED, &error);
    expect_err(json_parse(test_arena(), SLICE("{} {}"), NULL, &doc, &error), ERR_INVALID, &error);
    expect_err(json_parse(test_arena(), SLICE("\"\xC3\x28\""), NULL, &doc, &error), ERR_INVALID,
               &error);
    expect_ok(json_parse(test_arena(), SLICE(" 12"), NULL, &doc, &error), &error);
    expect_u64(doc_u64_or(doc, 0), 12);
    expect_ok(json_parse(test_arena(), SLICE("null\n"), NULL, &doc, &error), &error);
    expect(doc_is(doc, DOC_NULL));
}

TEST(doc, tells_a_user_which_field_has_the_wrong_type)
{
    const struct doc *doc = yaml("free: many\nname: 12\nshare: 1.5\non: yes\n");
    struct error error = { 0 };
    uint64_t number = 7;
    struct slice text = SLICE("before");
    bool truth = true;

    expect_err(doc_read_u64(doc_get(doc, "free"), "free", 10, &number, &error), ERR_INVALID,
               &error);
    expect_text(error.text, "line 1: free must be a whole number, not a string");
    expect_err(doc_read_text(doc_get(doc, "name"), "name", &text, &error), ERR_INVALID, &error);
    expect_err(doc_read_u64(doc_get(doc, "share"), "share", 10, &number, &error), ERR_INVALID,
               &error);
    expect_err(doc_read_bool(doc_get(doc, "on"), "on", &truth, &error), ERR_INVALID, &error);
    expect_ok(doc_read_u64(doc_get(doc, "absent"), "absent", 10, &number, &error), &error);
    expect_u64(number, 7);
    expect_slice(text, "before");
}
