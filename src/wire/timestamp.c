/*
 * timestamp.c - RFC 3339 and Go's durations.
 *
 * Knows the proleptic Gregorian calendar in UTC. Reads no clock and no time zone.
 */
#include <assert.h>
#include <time.h>

#include <headroom/timestamp.h>

#define SECOND_NS UINT64_C(1000000000)

/* The last `width` digits; returns their end. */
static char *put_digits(char *at, uint64_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

struct slice timestamp_format(uint64_t wall_ns, uint32_t digits, char text[TIMESTAMP_MAX])
{
    time_t seconds = (time_t)(wall_ns / SECOND_NS);
    uint64_t fraction = wall_ns % SECOND_NS;
    struct tm utc = { 0 };

    assert(digits <= 9);
    (void)gmtime_r(&seconds, &utc);
    const struct {
        int value;
        uint32_t width;
        char after;
    } parts[] = {
        { utc.tm_year + 1900, 4, '-' }, { utc.tm_mon + 1, 2, '-' }, { utc.tm_mday, 2, 'T' },
        { utc.tm_hour, 2, ':' },        { utc.tm_min, 2, ':' },     { utc.tm_sec, 2, '.' },
    };
    char *at = text;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        at = put_digits(at, (uint64_t)parts[i].value, parts[i].width);
        *at++ = parts[i].after;
    }
    for (uint32_t i = digits; i < 9; i++) {
        fraction /= 10;
    }
    at = digits > 0 ? put_digits(at, fraction, digits) : at - 1;
    *at++ = 'Z';
    *at = '\0';
    return (struct slice){ text, (size_t)(at - text) };
}

/* Reads `width` digits at the front and moves on; false when they are not there. */
static bool take_digits(struct slice *s, size_t width, int *ret)
{
    uint64_t value = 0;

    if (s->len < width || slice_u64((struct slice){ s->data, width }, 9999, &value) != ERR_OK) {
        return false;
    }
    s->data += width;
    s->len -= width;
    *ret = (int)value;
    return true;
}

static bool take_char(struct slice *s, const char *any)
{
    if (s->len == 0 || s->data[0] == '\0' || !strchr(any, s->data[0])) {
        return false;
    }
    s->data++;
    s->len--;
    return true;
}

static bool take_fraction(struct slice *s, uint64_t *ret_ns)
{
    uint64_t unit = SECOND_NS / 10;
    size_t digits = 0;

    *ret_ns = 0;
    for (; s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9'; digits++) {
        *ret_ns += (uint64_t)(s->data[0] - '0') * unit;
        unit /= 10;
        s->data++;
        s->len--;
    }
    return digits > 0;
}

/* Seconds east of UTC. */
static bool take_offset(struct slice *s, int64_t *ret)
{
    int hours = 0, minutes = 0;

    *ret = 0;
    if (take_char(s, "Zz")) {
        return true;
    }
    bool west = s->len > 0 && s->data[0] == '-';
    if (!take_char(s, "+-") || !take_digits(s, 2, &hours) || !take_char(s, ":") ||
        !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *ret = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

enum err timestamp_parse(struct slice s, uint64_t *ret_wall_ns)
{
    struct tm utc = { 0 };
    uint64_t fraction = 0;
    int64_t offset = 0;

    if (!take_digits(&s, 4, &utc.tm_year) || !take_char(&s, "-") ||
        !take_digits(&s, 2, &utc.tm_mon) || !take_char(&s, "-") ||
        !take_digits(&s, 2, &utc.tm_mday) || !take_char(&s, "Tt ") ||
        !take_digits(&s, 2, &utc.tm_hour) || !take_char(&s, ":") ||
        !take_digits(&s, 2, &utc.tm_min) || !take_char(&s, ":") ||
        !take_digits(&s, 2, &utc.tm_sec)) {
        return ERR_INVALID;
    }
    if (take_char(&s, ".") && !take_fraction(&s, &fraction)) {
        return ERR_INVALID;
    }
    if (!take_offset(&s, &offset) || s.len > 0) {
        return ERR_INVALID;
    }
    if (utc.tm_year < 1970 || utc.tm_year > 2500 || utc.tm_mon < 1 || utc.tm_mon > 12 ||
        utc.tm_mday < 1 || utc.tm_mday > 31 || utc.tm_hour > 23 || utc.tm_min > 59 ||
        utc.tm_sec > 60) {
        return ERR_INVALID;
    }
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    int64_t seconds = (int64_t)timegm(&utc) - offset;
    if (seconds < 0) {
        return ERR_INVALID;
    }
    *ret_wall_ns = (uint64_t)seconds * SECOND_NS + fraction;
    return ERR_OK;
}

static bool take_unit(struct slice *s, uint64_t *ret_ns)
{
    /* Longer names first where one begins another. */
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        { "ns", 1 },       { "us", 1000 },     { "\xC2\xB5s", 1000 },   { "\xCE\xBCs", 1000 },
        { "ms", 1000000 }, { "s", SECOND_NS }, { "m", 60 * SECOND_NS }, { "h", 3600 * SECOND_NS },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct slice name = slice_of(units[i].name);
        if (slice_starts(*s, name)) {
            s->data += name.len;
            s->len -= name.len;
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

/* One "1.5h" of a duration. */
static enum err take_term(struct slice *s, uint64_t *ret_ns)
{
    size_t digits = 0;
    uint64_t whole = 0, fraction = 0, unit = 0;

    while (digits < s->len && s->data[digits] >= '0' && s->data[digits] <= '9') {
        digits++;
    }
    if (digits > 0) {
        enum err err = slice_u64((struct slice){ s->data, digits }, INT64_MAX, &whole);
        if (err != ERR_OK) {
            return err;
        }
        s->data += digits;
        s->len -= digits;
    }
    bool point = take_char(s, ".");
    if (point && !take_fraction(s, &fraction) && digits == 0) {
        return ERR_INVALID;
    }
    if ((digits == 0 && !point) || !take_unit(s, &unit)) {
        return ERR_INVALID;
    }
    if (whole > INT64_MAX / unit) {
        return ERR_LIMIT;
    }
    *ret_ns = whole * unit + (uint64_t)((double)fraction / (double)SECOND_NS * (double)unit + 0.5);
    return ERR_OK;
}

enum err duration_parse(struct slice s, uint64_t *ret_ns)
{
    uint64_t total = 0;

    if (slice_is(s, "0")) {
        *ret_ns = 0;
        return ERR_OK;
    }
    if (s.len == 0) {
        return ERR_INVALID;
    }
    while (s.len > 0) {
        uint64_t term = 0;
        enum err err = take_term(&s, &term);
        if (err != ERR_OK) {
            return err;
        }
        if (term > INT64_MAX - total) {
            return ERR_LIMIT;
        }
        total += term;
    }
    *ret_ns = total;
    return ERR_OK;
}
