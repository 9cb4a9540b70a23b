/*
 * xml.h - XML pushed in as it comes: elements and their text, told one by one. Private to src/wire.
 *
 *   feed("<a>x&am") feed("p;y</a>")   -->   start(a) text(x) text(&) text(y) end()
 *
 * A text may come in several pieces. Attributes, comments and instructions are passed over.
 * Refused: a document type, an entity that XML does not have by itself, bytes that are not UTF-8,
 * names beyond ASCII, anything beside the one root element, and a tag, comment or CDATA section of
 * more than XML_TOKEN_MAX bytes. Not looked for: attributes that stand there twice, entities in
 * attributes, "]]>" in a text. Line ends stay as they are. Source: Extensible Markup Language (XML)
 * 1.0, fifth edition.
 */
#ifndef WIRE_XML_H
#define WIRE_XML_H

#include <headroom/buf.h>

enum { XML_TOKEN_MAX = 4096, XML_NAME_MAX = 128, XML_DEPTH_MAX = 16 };

/* What they return ends the reading unless it is ERR_OK. Slices are borrowed for the call. */
struct xml_handler {
    enum err (*start)(void *context, struct slice name, struct error *error);
    enum err (*text)(void *context, struct slice text, struct error *error);
    enum err (*end)(void *context, struct error *error);
};

struct xml {
    const struct xml_handler *handler;
    void *context;
    struct {
        char name[XML_NAME_MAX];
        size_t len;
    } open[XML_DEPTH_MAX];
    uint32_t depth;
    struct buf rest; /* of the last piece: what ended within a tag, an entity or a character */
    uint64_t read;   /* bytes before `rest` */
    bool closed;     /* the root element has ended */
};

void xml_init(struct xml *xml, const struct xml_handler *handler, void *context);
void xml_done(struct xml *xml);

/* ERR_INVALID: not XML; ERR_LIMIT: over a limit. After an error there is nothing more to feed. */
enum err xml_feed(struct xml *xml, struct slice bytes, struct error *error) ERR_CHECKED;
/* ERR_TRUNCATED: the root element has not ended, or something after it. */
enum err xml_end(const struct xml *xml, struct error *error) ERR_CHECKED;

#endif
