/* json_text.h - escapes of JSON strings, for those who scan them without a tree. */
#ifndef WIRE_JSON_TEXT_H
#define WIRE_JSON_TEXT_H

#include <headroom/buf.h>

/* Adds what the bytes between the quotes mean. False: an escape that is none. */
bool json_unescape(struct buf *out, struct slice raw);

#endif
