/*
 * Histograms
 *
 * Buckets are kept apart and summed when exposed: observing is then one increment. A value that is
 * not a number is dropped, because one of them would turn the sum into NaN for good.
 */

#include "util/metric.h"

#include <assert.h>
#include <math.h>

void histogram_init(struct histogram *histogram, const double *bounds, size_t n)
{
	assert(n <= HISTOGRAM_BOUNDS_MAX);
	*histogram = (struct histogram){ .bounds = bounds, .bounds_n = n };
}

void histogram_observe(struct histogram *histogram, double value)
{
	size_t i = 0;

	if (isnan(value))
		return;
	while (i < histogram->bounds_n && value > histogram->bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += value;
}
