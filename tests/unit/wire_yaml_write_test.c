/*
 * wire_yaml_write_test.c - what is written as YAML reads back as what it was.
 */
#include <headroom/doc.h>

#include "test.h"

static struct slice yaml_of(struct arena *arena, const char *json)
{
    const struct doc *doc = NULL;
    struct error error;
    struct buf out;

    require(json_parse(arena, slice_of(json), NULL, &doc, &error) == ERR_OK);
    buf_init(&out, 1 << 20);
    yaml_write(doc, 0, &out);
    struct slice text = arena_slice(arena, buf_slice(&out));
    buf_done(&out);
    return text;
}

TEST(wire_yaml_write, is_what_a_person_would_write)
{
    struct arena arena;

    arena_init(&arena);
    struct slice text = yaml_of(
        &arena,
        "{\"kind\":\"Plan\",\"nodes\":[{\"name\":\"ip-10-0-0-1.ec2\",\"ips\":[1,2]},{\"name\":"
        "\"b\",\"why\":\"low: 2 free\"}],\"none\":[],\"empty\":{},\"gone\":null,\"well\":true}");
    expect_slice(text, "kind: Plan\n"
                       "nodes:\n"
                       "  - name: ip-10-0-0-1.ec2\n"
                       "    ips:\n"
                       "      - 1\n"
                       "      - 2\n"
                       "  - name: b\n"
                       "    why: \"low: 2 free\"\n"
                       "none: []\n"
                       "empty: {}\n"
                       "gone: null\n"
                       "well: true\n");
    arena_done(&arena);
}

TEST(wire_yaml_write, keeps_strings_strings)
{
    static const char *const texts[] = { "true",  "no",  "12",   "0x1F",       "1e3", "",
                                         "~",     "- a", "a: b", "a #b",       "*x",  "&x",
                                         "10:30", "x ",  "{a}",  "2026-11-25", "'",   "a\nb",
                                         "\"q\"", "%x",  "@x",   "key:",       "!t",  "|" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct doc *back = NULL;
        struct error error = { 0 };
        struct arena arena;
        struct buf out;

        arena_init(&arena);
        buf_init(&out, 1 << 16);
        buf_add_text(&out, "k: ");
        yaml_write_text(slice_of(texts[i]), &out);
        buf_add_char(&out, '\n');
        require(yaml_parse(&arena, buf_slice(&out), SLICE("text"), NULL, &back, &error) == ERR_OK);
        expect(doc_is(doc_get(back, "k"), DOC_STRING));
        expect_slice(doc_text(doc_get(back, "k")), texts[i]);
        buf_done(&out);
        arena_done(&arena);
    }
}
