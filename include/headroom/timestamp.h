/*
 * timestamp.h - points in time and durations as Kubernetes and AWS write them. Reads no clock.
 */
#ifndef HEADROOM_TIMESTAMP_H
#define HEADROOM_TIMESTAMP_H

#include <headroom/slice.h>

enum { TIMESTAMP_MAX = 40 };

/* RFC 3339 in UTC with `digits` of fraction (0 to 9): metav1.Time has 0, metav1.MicroTime 6. */
struct slice timestamp_format(uint64_t wall_ns, uint32_t digits, char text[TIMESTAMP_MAX]);

/* RFC 3339 with any offset and fraction; years 1970 to 2500. */
enum err timestamp_parse(struct slice s, uint64_t *ret_wall_ns) ERR_CHECKED;

/* Go's time.ParseDuration without a sign: "2m", "1h30m", "1.5s", "300ms", "0". ERR_LIMIT past 292
 * years. */
enum err duration_parse(struct slice s, uint64_t *ret_ns) ERR_CHECKED;

#endif
