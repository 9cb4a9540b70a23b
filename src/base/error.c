/*
 * error.c - error codes' names and the text that goes with a code.
 *
 * Knows how to cut a text at its limit. Refuses to know who fails and what a failure means to whom.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <headroom/error.h>

const char *err_name(enum err code)
{
    static const char *const names[] = {
#define X(name, text) [ERR_##name] = text,
        ERR_CODES(X)
#undef X
    };
    size_t at = (size_t)code;

    return at < sizeof(names) / sizeof(names[0]) ? names[at] : "unknown error";
}

/* A text that is cut must not end inside a UTF-8 sequence: it goes into JSON and Kubernetes' API.
 */
static void trim_partial_utf8(char *text)
{
    size_t len = strlen(text);
    size_t back = 0;

    while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80) {
        back++;
    }
    if (back == len) {
        return;
    }
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t follow = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (follow > back) {
        text[len - 1 - back] = '\0';
    }
}

static void finish(struct error *error, int wanted)
{
    assert(wanted >= 0);
    if ((size_t)wanted >= sizeof(error->text)) {
        trim_partial_utf8(error->text);
    }
}

enum err error_set(struct error *error, enum err code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        finish(error, vsnprintf(error->text, sizeof(error->text), format, args));
        va_end(args);
    }
    return code;
}

enum err error_prefix(struct error *error, const char *format, ...)
{
    if (!error) {
        return ERR_OK;
    }
    char old[ERROR_TEXT_MAX];
    memcpy(old, error->text, sizeof(old));

    va_list args;
    va_start(args, format);
    int len = vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    finish(error, len);
    if ((size_t)len < sizeof(error->text)) {
        size_t at = (size_t)len;
        size_t room = sizeof(error->text) - at;
        int more = snprintf(error->text + at, room, "%s%s", old[0] ? ": " : "", old);
        finish(error, len + more);
    }
    return error->code;
}
