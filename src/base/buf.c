/*
 * buf.c - growing a byte buffer up to its limit and no further.
 *
 * Knows sizes. Refuses to know what the bytes are.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include <headroom/arena.h>
#include <headroom/buf.h>

enum { FIRST_SIZE = 256 };

void buf_init(struct buf *buf, size_t max)
{
    assert(max < SIZE_MAX / 2);
    *buf = (struct buf){ .max = max };
}

void buf_done(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){ 0 };
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

/* Makes room for `more` bytes and a NUL; false when the limit forbids it. */
static bool make_room(struct buf *buf, size_t more)
{
    if (buf->failed || more > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need > buf->size) {
        size_t size = buf->size ? buf->size : FIRST_SIZE;
        while (size < need) {
            size *= 2;
        }
        if (size > buf->max + 1) {
            size = buf->max + 1;
        }
        buf->data = mem_resize(buf->data, size, 1);
        buf->size = size;
    }
    return true;
}

void buf_add_growing(struct buf *buf, const void *data, size_t len)
{
    if (len > 0 && make_room(buf, len)) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
        buf->data[buf->len] = '\0';
    }
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    if (len == 0 || !make_room(buf, (size_t)len)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->len, buf->size - buf->len, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

void buf_drop(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    if (len == 0) {
        return;
    }
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len);
    buf->data[buf->len] = '\0';
}

enum err buf_check(const struct buf *buf, struct error *error)
{
    if (buf->failed) {
        return error_set(error, ERR_LIMIT, "more than %zu bytes", buf->max);
    }
    return ERR_OK;
}
