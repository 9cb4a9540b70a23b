/*
 * xml_test.c - what XML says, wherever it is cut; and what is no XML.
 */
#include <headroom/buf.h>

#include "wire/xml.h"

#include "test.h"

/* "<a" start, ">" end, texts as they are: the story of a document. */
static enum err note_start(void *context, struct slice name, struct error *error)
{
    (void)error;
    buf_add_char(context, '<');
    buf_add_slice(context, name);
    buf_add_char(context, ' ');
    return ERR_OK;
}

static enum err note_text(void *context, struct slice text, struct error *error)
{
    if (slice_contains(text, SLICE("STOP"))) {
        return error_set(error, ERR_CANCELLED, "stopped");
    }
    buf_add_slice(context, text);
    return ERR_OK;
}

static enum err note_end(void *context, struct error *error)
{
    (void)error;
    buf_add_char(context, '>');
    return ERR_OK;
}

static enum err read_in(struct slice text, size_t step, struct buf *story, struct error *error)
{
    static const struct xml_handler handler = { note_start, note_text, note_end };
    struct xml xml;
    enum err err = ERR_OK;

    *error = (struct error){ 0 };
    xml_init(&xml, &handler, story);
    while (!err && text.len > 0) {
        size_t len = text.len < step ? text.len : step;
        err = xml_feed(&xml, (struct slice){ text.data, len }, error);
        text = (struct slice){ text.data + len, text.len - len };
    }
    err = err ? err : xml_end(&xml, error);
    xml_done(&xml);
    return err;
}

static void tells(const char *text, const char *wanted)
{
    static const size_t steps[] = { SIZE_MAX, 1, 2, 5 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct buf story;
        struct error error;
        buf_init(&story, 1 << 20);
        expect_ok(read_in(slice_of(text), steps[i], &story, &error), &error);
        expect_slice(buf_slice(&story), wanted);
        buf_done(&story);
    }
}

static enum err fails(struct slice text, struct error *error)
{
    struct buf story;

    buf_init(&story, 1 << 20);
    enum err err = read_in(text, SIZE_MAX, &story, error);
    struct error other;
    expect(read_in(text, 1, &story, &other) == err);
    buf_done(&story);
    return err;
}

TEST(xml, tells_elements_and_their_text_wherever_the_network_cuts)
{
    tells("<a/>", "<a >");
    tells("<a><b>one</b>\n<c.d-e_f:1 />two</a>", "<a <b one>\n<c.d-e_f:1 >two>");
    tells("<a  ><b\n>x</b\t></a >", "<a <b x>>");
}

TEST(xml, resolves_what_xml_itself_escapes)
{
    tells("<a>&lt;&gt;&amp;&quot;&apos;</a>", "<a <>&\"'>");
    tells("<a>&#65;&#x41;&#xe4;&#8364;&#x1F600;</a>", "<a AA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80>");
    tells("<a>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</a>",
          "<a \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80>");
    tells("<a><![CDATA[<b>&amp;]]]]><![CDATA[]]></a>", "<a <b>&amp;]]>");
}

TEST(xml, passes_over_attributes_comments_and_instructions)
{
    tells("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- <x> & - -->"
          "<a xmlns=\"http://x/>\" b = 'it is \"b\"'><?php <y> ?>1<!---->2</a>\n<!-- end --><?z?>",
          "<a 12>");
    tells("<?xml version='1.0' encoding='us-ascii'?><a/>", "<a >");
}

TEST(xml, says_what_is_no_xml_and_where)
{
    static const char *const bad[] = {
        "Service Unavailable",
        "<a></b>",
        "</a>",
        "<a></ab>",
        "<ab></a> ?",
        "<a/><a/>",
        "<a/>x",
        "x<a/>",
        "&#32;<a/>",
        "<![CDATA[ ]]><a/>",
        "<a>&undefined;</a>",
        "<a>& </a>             ",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#xFFFE;</a>",
        "<a>&#x110000;</a>",
        "<a>&#x:;</a>",
        "<a>&#1a;</a>",
        "<a>&;</a>",
        "<a>&#0000000000065;</a>",
        "<a>\x01</a>",
        "<a>\xff</a> ",
        "<a>\xc3</a>",
        "<a><![CDATA[\x02]]></a>",
        "< a/>",
        "<1/>",
        "<>",
        "<a b>",
        "<a b=c>",
        "<a b=\"<\"/>",
        "<a b=\"\x03\"/>",
        "<a b=\"1\"c=\"2\"/>",
        "<a /b>",
        "<a \"b\"/>",
        "<\xc3\xa4/>",
        "<!DOCTYPE a><a/>",
        "<!ELEMENT a ANY><a/>",
        "<!-- a -- b --><a/>",
        "<?\?><a/>",
        "<a/><?xml version=\"1.0\"?>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>",
    };
    struct error error;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (fails(slice_of(bad[i]), &error) != ERR_INVALID) {
            test_fail("%s: %s", bad[i], error.text);
        }
    }
    expect_err(fails(SLICE("<a><b>x</a>"), &error), ERR_INVALID, &error);
    expect_contains(slice_of(error.text), "byte 7");
}

TEST(xml, calls_what_lacks_its_end_truncated)
{
    static const char whole[] = "<?xml version=\"1.0\"?><!-- c --><a b='c'><d/>\xc3\xa4&amp;"
                                "<![CDATA[x]]></a>";
    struct error error;

    for (size_t len = 0; len + 1 < sizeof(whole); len++) {
        expect_err(fails((struct slice){ whole, len }, &error), ERR_TRUNCATED, &error);
    }
    expect_err(fails(SLICE("<a/><!-"), &error), ERR_TRUNCATED, &error);
}

static void repeat(struct buf *buf, const char *text, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        buf_add_text(buf, text);
    }
}

TEST(xml, bounds_what_it_keeps_and_nothing_else)
{
    struct buf text, story;
    struct error error;

    buf_init(&text, 8 << 20);
    buf_init(&story, 8 << 20);
    repeat(&text, "<a>", XML_DEPTH_MAX + 1);
    expect_err(fails(buf_slice(&text), &error), ERR_LIMIT, &error);

    buf_reset(&text);
    buf_add_char(&text, '<');
    repeat(&text, "n", XML_NAME_MAX + 1);
    buf_add_text(&text, "/>");
    expect_err(fails(buf_slice(&text), &error), ERR_LIMIT, &error);

    buf_reset(&text);
    buf_add_text(&text, "<!-- ");
    repeat(&text, "n", XML_TOKEN_MAX);
    expect_err(fails(buf_slice(&text), &error), ERR_LIMIT, &error);

    /* A text is told as it comes: none is too long. */
    buf_reset(&text);
    buf_add_text(&text, "<a>");
    repeat(&text, "0123456789", 100000);
    buf_add_text(&text, "</a>");
    expect_ok(read_in(buf_slice(&text), SIZE_MAX, &story, &error), &error);
    expect_u64(story.len, strlen("<a >") + 1000000);
    buf_done(&text);
    buf_done(&story);
}

TEST(xml, ends_when_who_listens_says_so)
{
    struct buf story;
    struct error error;

    buf_init(&story, 100);
    expect_err(read_in(SLICE("<a>STOP</a>"), SIZE_MAX, &story, &error), ERR_CANCELLED, &error);
    expect_slice(buf_slice(&story), "<a ");
    buf_done(&story);
}
