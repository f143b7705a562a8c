/*
 * Trends against references that do it the long way: all slopes sorted, the variance by its
 * formula; and what must hold whatever the values are.
 */

#include "watch/trend.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252ull;

static double uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void fill(double *t, double *y, uint32_t n, double slope, double noise)
{
	for (uint32_t i = 0; i < n; i++) {
		t[i] = 120.0 * i;
		y[i] = 2e8 + slope * t[i] + noise * (uniform() - 0.5);
	}
}

/* All of them sorted: the median, and the lower end of its interval. */
static double reference_slope(const double *t, const double *y, uint32_t n, double *ret_lower)
{
	double *slopes = malloc(n * n * sizeof(*slopes)), result, variance, rank;
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < i; j++)
			slopes[k++] = (y[i] - y[j]) / (t[i] - t[j]);
	}
	qsort(slopes, k, sizeof(*slopes), by_value);
	result = k % 2 ? slopes[k / 2] : (slopes[k / 2 - 1] + slopes[k / 2]) / 2;
	/* Without ties. */
	variance = n * (n - 1.0) * (2.0 * n + 5) / 18;
	rank = floor((k - 1.96 * sqrt(variance)) / 2) - 1;
	*ret_lower = slopes[rank > 0 ? (uint32_t)rank : 0];
	free(slopes);
	return result;
}

Test(trend, slope_is_the_median_of_all_pairs)
{
	double t[TREND_POINTS_MAX], y[TREND_POINTS_MAX], lower;

	for (uint32_t n = 2; n <= TREND_POINTS_MAX; n++) {
		fill(t, y, n, 100 * (uniform() - 0.5), 1e6 * uniform());
		cr_expect_eq(trend_slope(t, y, n), reference_slope(t, y, n, &lower), "of %u points",
			     n);
	}
}

/* Values that come again and again, up to all the same: selections meet equal pivots. */
Test(trend, slope_of_few_different_values)
{
	double t[TREND_POINTS_MAX], y[TREND_POINTS_MAX], lower;

	for (uint32_t n = 2; n <= TREND_POINTS_MAX; n++) {
		for (int values = 1; values < 5; values++) {
			fill(t, y, n, 0, 0);
			for (uint32_t i = 0; i < n; i++)
				y[i] += floor(values * uniform());
			cr_expect_eq(trend_slope(t, y, n), reference_slope(t, y, n, &lower));
		}
	}
}

/* It is flat when the lower end of the interval is not above zero. */
Test(trend, flat_by_the_lower_end)
{
	const struct trend_limits limits = { .growth_share = 0.05, .growth_min = 1 };
	double t[TREND_POINTS_MAX], y[TREND_POINTS_MAX], lower;
	unsigned flat = 0, runs = 0;

	for (uint32_t n = TREND_POINTS_MIN; n <= TREND_POINTS_MAX; n++) {
		for (int run = 0; run < 20; run++) {
			struct trend trend;

			fill(t, y, n, 60 * uniform(), 1e6);
			reference_slope(t, y, n, &lower);
			trend_judge(t, y, n, &limits, &trend);
			cr_expect_eq((trend.against & TREND_FLAT) != 0, !(lower > 0));
			flat += !(lower > 0);
			runs++;
		}
	}
	cr_expect(flat > runs / 10 && flat < runs - runs / 10, "%u of %u", flat, runs);
}

/* Worked by hand: 10 pairs, S = 8, variance 5 * 4 * 15 / 18. */
Test(trend, z_of_five_values)
{
	const double y[] = { 1, 2, 4, 3, 5 }, falling[] = { 5, 3, 4, 2, 1 };

	cr_expect_float_eq(trend_z(y, 5), 7 / sqrt(300.0 / 18), 1e-12);
	cr_expect_float_eq(trend_z(falling, 5), -7 / sqrt(300.0 / 18), 1e-12);
}

/* Two pairs of ties take 2 * 1 * 9 each from the variance: S = 4. */
Test(trend, z_with_ties)
{
	const double y[] = { 1, 1, 2, 2 };

	cr_expect_float_eq(trend_z(y, 4), 3 / sqrt((4 * 3 * 13 - 2 * 18) / 18.0), 1e-12);
}

Test(trend, of_little_or_equal_points)
{
	const double t[] = { 0, 1, 2 }, same[] = { 7, 7, 7 };

	cr_expect_eq(trend_slope(t, same, 0), 0);
	cr_expect_eq(trend_slope(t, same, 1), 0);
	cr_expect_eq(trend_slope(t, same, 3), 0);
	cr_expect_eq(trend_z(same, 3), 0);
	cr_expect_eq(trend_z(same, 1), 0);
}

/* The long way: the sum of squares around the two means, for each split. */
static uint32_t reference_split(const double *y, uint32_t n)
{
	double best = INFINITY;
	uint32_t at = 1;

	for (uint32_t split = 1; split < n; split++) {
		double mean[2] = { 0, 0 }, sum = 0;

		for (uint32_t i = 0; i < n; i++)
			mean[i >= split] += y[i] / (i >= split ? n - split : split);
		for (uint32_t i = 0; i < n; i++)
			sum += pow(y[i] - mean[i >= split], 2);
		if (sum < best * (1 - 1e-9)) {
			best = sum;
			at = split;
		}
	}
	return at;
}

Test(trend, the_best_split)
{
	double y[40];

	for (int run = 0; run < 200; run++) {
		uint32_t step = 1 + (uint32_t)(38 * uniform());

		for (uint32_t i = 0; i < 40; i++)
			y[i] = (i >= step ? 40 : 0) + 10 * uniform();
		cr_expect_eq(trend_split(y, 40), reference_split(y, 40));
		cr_expect_eq(trend_split(y, 40), step);
	}
}

/* A fifth of the points may be anything. */
Test(trend, nonsense_does_not_move_the_slope)
{
	double t[90], y[90], slope;

	for (int run = 0; run < 50; run++) {
		fill(t, y, 90, 1000, 1e4);
		for (int k = 0; k < 18; k++)
			y[(int)(90 * uniform())] = 1e12 * (uniform() - 0.5);
		slope = trend_slope(t, y, 90);
		cr_expect(slope > 500 && slope < 1500, "%g", slope);
	}
}

/* Shifting and stretching time or values changes what it should and nothing else. */
Test(trend, follows_units)
{
	double t[60], y[60], shifted_t[60], scaled[60];

	for (int run = 0; run < 50; run++) {
		fill(t, y, 60, 500 * (uniform() - 0.5), 1e6);
		for (int i = 0; i < 60; i++) {
			shifted_t[i] = t[i] + 1e6;
			scaled[i] = 4 * y[i];
		}
		double slope = trend_slope(t, y, 60), scale = fabs(slope) + 1;

		cr_expect_float_eq(trend_slope(shifted_t, y, 60), slope, 1e-6 * scale);
		cr_expect_float_eq(trend_slope(t, scaled, 60), 4 * slope, 1e-5 * scale);
		cr_expect_eq(trend_z(scaled, 60), trend_z(y, 60));
	}
}

static unsigned against(const double *t, const double *y, uint32_t n, double *ret_confidence)
{
	const struct trend_limits limits = { 0.05, 10e6, false };
	struct trend trend;

	trend_judge(t, y, n, &limits, &trend);
	cr_assert(trend.confidence >= 0 && trend.confidence <= 1);
	cr_assert(trend.against != 0 || trend.confidence >= 0.5, "all checks pass: %g",
		  trend.confidence);
	*ret_confidence = trend.confidence;
	return trend.against;
}

Test(trend, judgements)
{
	double t[90], y[90], sure, unsure;

	fill(t, y, 90, 11000, 3e6); /* 40 MB/h */
	cr_expect_eq(against(t, y, 90, &sure), 0);
	cr_expect_eq(against(t, y, TREND_POINTS_MIN - 1, &unsure), TREND_FEW);
	cr_expect_eq(unsure, 0);
	fill(t, y, 90, 700, 1e5); /* steady, and nothing to speak of */
	cr_expect_eq(against(t, y, 90, &unsure), TREND_SMALL);
	cr_expect_lt(unsure, sure);
	fill(t, y, 90, -11000, 3e6);
	cr_expect(against(t, y, 90, &unsure) & TREND_FLAT);
	cr_expect_eq(unsure, 0);
	fill(t, y, 90, 0, 3e6);
	for (int i = 0; i < 90; i++)
		y[i] += 80e6 * (1 - exp(-i / 10.0));
	cr_expect(against(t, y, 90, &unsure) & TREND_SATURATES);
	fill(t, y, 90, 0, 3e6);
	for (int i = 45; i < 90; i++)
		y[i] += 40e6;
	cr_expect(against(t, y, 90, &unsure) & TREND_STEP);
}

Test(trend, the_young_are_judged_harder)
{
	struct trend_limits limits = { 0.05, 10e6, false };
	struct trend old, young;
	double t[90], y[90];

	/* The second half has half of the slope of the first. */
	for (int i = 0; i < 90; i++) {
		t[i] = 120.0 * i;
		y[i] = 2e8 + 1e6 * (i < 45 ? i : 45 + (i - 45) / 2.0);
	}
	trend_judge(t, y, 90, &limits, &old);
	limits.is_young = true;
	trend_judge(t, y, 90, &limits, &young);
	cr_expect_eq(old.against, 0);
	cr_expect_eq(young.against, TREND_SATURATES);
}

Test(trend, reasons_are_texts)
{
	cr_expect_str_eq(trend_why_not(0), "");
	for (unsigned bit = TREND_FEW; bit <= TREND_KNOWN_LEVEL; bit *= 2)
		cr_expect_neq(trend_why_not(bit)[0], '\0');
}
