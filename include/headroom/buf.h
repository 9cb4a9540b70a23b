/*
 * buf.h - a growable byte buffer that knows its upper limit.
 *
 * What a peer sizes has a cap: an addition beyond `max` leaves the content as it was and makes the
 * buffer fail for good (`failed`), so that a run of additions needs one check at its end.
 */
#ifndef HEADROOM_BUF_H
#define HEADROOM_BUF_H

#include <headroom/slice.h>

struct buf {
    char *data; /* owned; NUL-terminated whenever len > 0 */
    size_t len;
    size_t size; /* allocated */
    size_t max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);  /* frees; safe on zeroed memory */
void buf_reset(struct buf *buf); /* empties, keeps the memory, clears failed */

/* buf_add when there is no room for it yet. */
void buf_add_growing(struct buf *buf, const void *data, size_t len);

static inline void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (buf->failed || len >= buf->size - buf->len) {
        buf_add_growing(buf, data, len);
    } else if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
        buf->data[buf->len] = '\0';
    }
}

static inline void buf_add_slice(struct buf *buf, struct slice s)
{
    buf_add(buf, s.data, s.len);
}

static inline void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

static inline void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; what is not UTF-8 shows as U+FFFD. */
void buf_add_json(struct buf *buf, struct slice s);

/* Removes the first `len` bytes. */
void buf_drop(struct buf *buf, size_t len);

/* Borrowed until the next change of the buffer. */
static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){ buf->data, buf->len };
}

/* The one check: ERR_LIMIT if any addition did not fit. */
enum err buf_check(const struct buf *buf, struct error *error) ERR_CHECKED;

#endif
