/* Times and durations as Kubernetes writes them. */
#include <headroom/timestamp.h>

#include "test.h"

TEST(timestamp, writes_what_client_go_reads)
{
    char text[TIMESTAMP_MAX];

    expect_slice(timestamp_format(UINT64_C(1767323045678901234), 0, text), "2026-01-02T03:04:05Z");
    expect_slice(timestamp_format(UINT64_C(1767323045678901234), 6, text),
                 "2026-01-02T03:04:05.678901Z");
    expect_slice(timestamp_format(0, 9, text), "1970-01-01T00:00:00.000000000Z");
}

TEST(timestamp, reads_any_offset_and_fraction)
{
    uint64_t ns = 0;

    expect_ok(timestamp_parse(SLICE("2026-01-02T03:04:05.678901Z"), &ns), NULL);
    expect_u64(ns, UINT64_C(1767323045678901000));
    expect_ok(timestamp_parse(SLICE("2026-01-02T05:34:05+02:30"), &ns), NULL);
    expect_u64(ns, UINT64_C(1767323045000000000));
    expect_err(timestamp_parse(SLICE("2026-01-02"), &ns), ERR_INVALID, NULL);
    expect_err(timestamp_parse(SLICE("2026-13-02T03:04:05Z"), &ns), ERR_INVALID, NULL);
    expect_err(timestamp_parse(SLICE("2026-01-02T03:04:05"), &ns), ERR_INVALID, NULL);
    expect_err(timestamp_parse(SLICE("2026-01-02T03:04:05Z "), &ns), ERR_INVALID, NULL);
}

TEST(timestamp, reads_durations_as_go_does)
{
    uint64_t ns = 0;

    expect_ok(duration_parse(SLICE("2m"), &ns), NULL);
    expect_u64(ns, UINT64_C(120000000000));
    expect_ok(duration_parse(SLICE("1h30m0.5s"), &ns), NULL);
    expect_u64(ns, UINT64_C(5400500000000));
    expect_ok(duration_parse(SLICE("300ms"), &ns), NULL);
    expect_u64(ns, 300000000);
    expect_ok(duration_parse(SLICE("0"), &ns), NULL);
    expect_u64(ns, 0);
    expect_err(duration_parse(SLICE("2"), &ns), ERR_INVALID, NULL);
    expect_err(duration_parse(SLICE("m"), &ns), ERR_INVALID, NULL);
    expect_err(duration_parse(SLICE("-2m"), &ns), ERR_INVALID, NULL);
    expect_err(duration_parse(SLICE("9999999999h"), &ns), ERR_LIMIT, NULL);
}
