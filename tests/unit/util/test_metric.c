/* Histograms: edges belong below, the rest is +Inf, NaN is nobody's. */

#include "util/metric.h"

#include <math.h>

#include <criterion/criterion.h>

Test(metric, histogram_buckets)
{
	static const double bounds[] = { 0.1, 1, 10 };
	static const uint64_t expected[] = { 3, 1, 1, 2 };
	struct histogram histogram;

	histogram_init(&histogram, bounds, 3);
	histogram_observe(&histogram, -5);
	histogram_observe(&histogram, 0.05);
	histogram_observe(&histogram, 0.1);
	histogram_observe(&histogram, 0.5);
	histogram_observe(&histogram, 10);
	histogram_observe(&histogram, 10.5);
	histogram_observe(&histogram, 1000);
	cr_assert_float_eq(histogram.sum, 1016.15, 1e-9);
	histogram_observe(&histogram, NAN);
	cr_assert_float_eq(histogram.sum, 1016.15, 1e-9);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(histogram.counts[i], expected[i], "bucket %zu", i);
}

Test(metric, histogram_without_bounds_counts_all)
{
	struct histogram histogram;

	histogram_init(&histogram, NULL, 0);
	histogram_observe(&histogram, 3);
	histogram_observe(&histogram, INFINITY);
	cr_assert_eq(histogram.counts[0], 2);
}
