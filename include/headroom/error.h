/*
 * error.h - how a function says that it could not do what it was asked.
 *
 * A function that can fail returns `enum err` and takes a trailing `struct error *` for the detail.
 * The detail never allocates; NULL is allowed where the caller does not want it. A bug asserts and
 * an empty heap aborts, so neither is an error code: the process is crash-only.
 */
#ifndef HEADROOM_ERROR_H
#define HEADROOM_ERROR_H

#define ERR_CODES(X)                                                                               \
    X(OK, "ok")                                                                                    \
    X(INVALID, "invalid input")     /* it breaks its own format */                                 \
    X(LIMIT, "over a limit")        /* larger, deeper or longer than we accept */                  \
    X(TRUNCATED, "ended too early") /* more bytes were promised than came */                       \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(CONFLICT, "changed by someone else") /* optimistic lock, HTTP 409 */                         \
    X(GONE, "too old")                     /* a watch's resourceVersion, HTTP 410 */               \
    X(DENIED, "denied")                    /* credentials or permissions */                        \
    X(THROTTLED, "throttled")                                                                      \
    X(UNAVAILABLE, "unavailable") /* refused, reset, 5xx: try again later */                       \
    X(TIMEOUT, "timed out")                                                                        \
    X(CANCELLED, "cancelled")                                                                      \
    X(UNSUPPORTED, "not supported")                                                                \
    X(IO, "input/output error") /* the operating system said no; text has errno's */

enum err {
#define X(name, text) ERR_##name,
    ERR_CODES(X)
#undef X
};

enum { ERROR_TEXT_MAX = 384 };

/* Zero-initialise. The text is one line without a full stop, fit after "cannot attach ENI: ". */
struct error {
    enum err code;
    char text[ERROR_TEXT_MAX];
};

#define ERR_CHECKED __attribute__((warn_unused_result))

/* "not found", "throttled" ...; never NULL. */
const char *err_name(enum err code);

/* Sets code and formatted text, cut at ERROR_TEXT_MAX. Returns code, so `return error_set(...)`. */
enum err error_set(struct error *error, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text that is there. Returns the code that is there. */
enum err error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
