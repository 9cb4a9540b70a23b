/*
 * histogram.c - counting values into buckets.
 *
 * Knows bounds and counts. Refuses to know what is measured.
 */
#include <assert.h>

#include <headroom/snapshot.h>

void histogram_init(struct histogram *histogram, const double *bounds, uint32_t count)
{
    assert(count <= HISTOGRAM_BUCKETS);
    *histogram = (struct histogram){ .bound_count = count };
    for (uint32_t i = 0; i < count; i++) {
        assert(i == 0 || bounds[i] > bounds[i - 1]);
        histogram->bounds[i] = bounds[i];
    }
}

void histogram_add(struct histogram *histogram, double value)
{
    uint32_t at = 0;

    while (at < histogram->bound_count && value > histogram->bounds[at]) {
        at++;
    }
    histogram->counts[at]++;
    histogram->count++;
    histogram->sum += value;
}
