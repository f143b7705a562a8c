/*
 * Trends
 *
 * A window has at most 96 points and so 4,560 pairs: the median of their slopes is selected, not
 * sorted. What is dearer than the rank test and the slope is looked at only when
 * these two speak for a leak.
 */

#include "watch/trend.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = TREND_POINTS_MAX * (TREND_POINTS_MAX - 1) / 2 };

/* Standard normal deviates: two-sided 90 %, 95 %, 99 % and 99.9 %. */
static const double z_90 = 1.645, z_95 = 1.96, z_99 = 2.58, z_999 = 3.29;

/*
 * How fast the second half must grow, in slopes of the first, and the parts beside a step, in
 * slopes of the whole. The figures are those with which tests/bench/leak.c finds most and errs
 * least: parts of a window have few points, and the slope of a slow leak is uncertain there.
 */
static const double second_share = 0.405, young_share = 0.7, beside_share = 0.3;

/* What a set of pairs of points says. */
struct pairs {
	double slopes[PAIRS_MAX];
	uint32_t n;
	int64_t rises, falls;
	double variance; /* of rises less falls, if the order were chance */
};

/* ---- selection ---- */

enum { SAMPLE = 15, FEW = 24 };

static void sort_few(double *v, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		double x = v[i];
		uint32_t k = i;

		for (; k > 0 && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

/*
 * About the k-th smallest of v[0..n), by a sample: rather too far from the nearer end than too
 * close to it, so that most of what is left behind is on the other side.
 */
static double guess_kth(const double *v, uint32_t n, uint32_t k)
{
	double sample[SAMPLE];
	uint32_t at = (uint32_t)((uint64_t)k * SAMPLE / n);

	for (uint32_t i = 0; i < SAMPLE; i++)
		sample[i] = v[(uint64_t)i * n / SAMPLE];
	sort_few(sample, SAMPLE);
	if (k < n / 2)
		return sample[at + 1];
	return sample[at > 0 ? at - 1 : 0];
}

/*
 * Those below the pivot (or, with `equal`, not above it) to the front; returns how many. Without a
 * branch that depends on a value: of values without order each second one would be foreseen wrong,
 * and that was most of the time that went into watching leaks.
 */
static uint32_t partition(double *v, uint32_t n, double pivot, bool equal)
{
	uint32_t front = 0;

	for (uint32_t i = 0; i < n; i++) {
		double x = v[i];

		v[i] = v[front];
		v[front] = x;
		front += (x < pivot) | (equal & (x <= pivot));
	}
	return front;
}

/* The k-th smallest (from 0) of v[0..n), which is put in another order: smaller ones in front. */
static double select_kth(double *v, uint32_t n, uint32_t k)
{
	while (n > FEW) {
		double pivot = guess_kth(v, n, k);
		uint32_t front = partition(v, n, pivot, false);

		if (front == 0) {
			/* The least of all, maybe many times. */
			front = partition(v, n, pivot, true);
			if (k < front)
				return pivot;
		}
		if (k < front) {
			n = front;
			continue;
		}
		v += front;
		n -= front;
		k -= front;
	}
	sort_few(v, n);
	return v[k];
}

/* Of an even number the mean of the two in the middle. */
static double median(double *v, uint32_t n)
{
	double upper, lower;

	if (n == 0)
		return 0;
	upper = select_kth(v, n, n / 2);
	if (n % 2 == 1)
		return upper;
	lower = v[0]; /* the selection has left the smaller half in front */
	for (uint32_t i = 1; i < n / 2; i++)
		lower = v[i] > lower ? v[i] : lower;
	return (lower + upper) / 2;
}

/* ---- Theil, Sen, Mann, Kendall ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double variance_part(double n)
{
	return n * (n - 1) * (2 * n + 5);
}

/* What ties take from the variance. */
static double variance_of_ties(const double *y, uint32_t n)
{
	double sorted[TREND_POINTS_MAX], sum = 0;
	uint32_t tied = 1;

	memcpy(sorted, y, n * sizeof(*y));
	qsort(sorted, n, sizeof(*sorted), by_value);
	for (uint32_t i = 1; i <= n; i++) {
		if (i < n && sorted[i] <= sorted[i - 1]) {
			tied++;
			continue;
		}
		if (tied > 1)
			sum += variance_part(tied);
		tied = 1;
	}
	return sum;
}

/* Rises, falls, and the variance of Kendall's S for values without order. */
static void add_order(struct pairs *pairs, const double *y, uint32_t n)
{
	int64_t rises = 0, falls = 0;
	double variance = variance_part(n);

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = i + 1; k < n; k++) {
			rises += y[k] > y[i];
			falls += y[k] < y[i];
		}
	}
	if (rises + falls < (int64_t)n * (n - 1) / 2)
		variance -= variance_of_ties(y, n);
	pairs->rises += rises;
	pairs->falls += falls;
	pairs->variance += variance / 18;
}

static void add_slopes(struct pairs *pairs, const double *t, const double *y, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		double *row = pairs->slopes + pairs->n;

		for (uint32_t k = i + 1; k < n; k++)
			row[k - i - 1] = (y[k] - y[i]) / (t[k] - t[i]);
		pairs->n += n - i - 1;
	}
}

static void pairs_init(struct pairs *pairs)
{
	pairs->n = 0;
	pairs->rises = pairs->falls = 0;
	pairs->variance = 0;
}

static void add_pairs(struct pairs *pairs, const double *t, const double *y, uint32_t n)
{
	if (n < 2)
		return;
	add_slopes(pairs, t, y, n);
	add_order(pairs, y, n);
}

/* S is a whole number: half of a step is taken off before it is held against a normal deviate. */
static double deviate(const struct pairs *pairs)
{
	double s = (double)(pairs->rises - pairs->falls);

	if (!(pairs->variance > 0) || (s < 0.5 && s > -0.5))
		return 0;
	return (s > 0 ? s - 1 : s + 1) / sqrt(pairs->variance);
}

double trend_z(const double *y, uint32_t n)
{
	struct pairs pairs;

	pairs_init(&pairs);
	n = n < TREND_POINTS_MAX ? n : TREND_POINTS_MAX;
	if (n >= 2)
		add_order(&pairs, y, n);
	return deviate(&pairs);
}

/*
 * The lower end of Sen's interval is the slope as many ranks from the median as the rank test
 * cannot tell from chance. It is above zero when fewer slopes than that are not; and those are the
 * pairs that do not rise.
 */
static bool is_flat(const struct pairs *pairs)
{
	double rank = floor((pairs->n - z_95 * sqrt(pairs->variance)) / 2) - 1;

	return (double)(pairs->n - pairs->rises) > (rank > 0 ? rank : 0);
}

double trend_slope(const double *t, const double *y, uint32_t n)
{
	struct pairs pairs;

	pairs_init(&pairs);
	add_slopes(&pairs, t, y, n < TREND_POINTS_MAX ? n : TREND_POINTS_MAX);
	return median(pairs.slopes, pairs.n);
}

/* ---- steps ---- */

uint32_t trend_split(const double *y, uint32_t n)
{
	double sum = 0, left = 0, best = -1;
	uint32_t at = 1;

	for (uint32_t i = 0; i < n; i++)
		sum += y[i];
	/* The least squares around two means are where the means explain most. */
	for (uint32_t i = 1; i < n; i++) {
		double apart, gain;

		left += y[i - 1];
		apart = left / i - (sum - left) / (n - i);
		gain = apart * apart * i * (n - i) / n;
		if (gain > best) {
			best = gain;
			at = i;
		}
	}
	return at;
}

/* The slope and z of what is left when the two levels are taken apart. */
static double slope_beside_step(const double *t, const double *y, uint32_t n, double *ret_z)
{
	uint32_t split = trend_split(y, n);
	struct pairs pairs;

	pairs_init(&pairs);
	add_pairs(&pairs, t, y, split);
	add_pairs(&pairs, t + split, y + split, n - split);
	*ret_z = deviate(&pairs);
	return median(pairs.slopes, pairs.n);
}

/* ---- judgement ---- */

/* By how much x exceeds what is needed: 0.5 at the limit, 1 from twice the limit on. */
static double margin(double x, double needed)
{
	if (!(x > 0))
		return 0;
	if (!(needed > 0))
		return 1;
	return x < 2 * needed ? x / (2 * needed) : 1;
}

static double level_of(const double *y, uint32_t n)
{
	double last[TREND_POINTS_MAX];
	uint32_t quarter = (n + 3) / 4;

	memcpy(last, y + n - quarter, quarter * sizeof(*y));
	return median(last, quarter);
}

/* The second half, and the parts beside a step; returns the product of their margins. */
static double judge_parts(const double *t, const double *y, uint32_t n, bool is_young,
			  struct trend *trend)
{
	double share = is_young ? young_share : second_share, z_needed = is_young ? z_99 : z_90;
	uint32_t half = n / 2;
	double first = trend_slope(t, y, half);
	double second = trend_slope(t + half, y + half, n - half);
	double z = trend_z(y + half, n - half), beside, beside_z;

	beside = slope_beside_step(t, y, n, &beside_z);
	if (!(z > z_needed) || !(second >= share * first))
		trend->against |= TREND_SATURATES;
	if (!(beside_z > z_90) || !(beside >= beside_share * trend->slope))
		trend->against |= TREND_STEP;
	return margin(z, z_needed) * margin(second, share * first) * margin(beside_z, z_90) *
	       margin(beside, beside_share * trend->slope);
}

void trend_judge(const double *t, const double *y, uint32_t n, const struct trend_limits *limits,
		 struct trend *ret)
{
	struct pairs pairs;
	double needed;

	n = n < TREND_POINTS_MAX ? n : TREND_POINTS_MAX;
	*ret = (struct trend){ .points = n };
	if (n < (limits->is_young ? TREND_POINTS_YOUNG : TREND_POINTS_MIN)) {
		ret->against = TREND_FEW;
		return;
	}
	pairs_init(&pairs);
	add_pairs(&pairs, t, y, n);
	ret->slope = median(pairs.slopes, pairs.n);
	ret->z = deviate(&pairs);
	ret->level = level_of(y, n);
	ret->growth = ret->slope * (t[n - 1] - t[0]);
	needed = limits->growth_share * ret->level;
	if (needed < limits->growth_min)
		needed = limits->growth_min;
	if (is_flat(&pairs))
		ret->against |= TREND_FLAT;
	if (!(ret->z > z_999))
		ret->against |= TREND_NOISE;
	if (!(ret->growth >= needed))
		ret->against |= TREND_SMALL;
	if (ret->against & (TREND_FLAT | TREND_NOISE))
		return;
	ret->others = margin(ret->z, z_999) * judge_parts(t, y, n, limits->is_young, ret);
	ret->confidence = trend_confidence(ret, needed);
}

double trend_confidence(const struct trend *trend, double needed)
{
	return pow(trend->others * margin(trend->growth, needed), 1.0 / 6);
}

const char *trend_why_not(unsigned against)
{
	static const char *const texts[TREND_CHECKS] = {
		"not enough samples after the warm-up",
		"the slope may be zero",
		"no order that could not be chance",
		"too little growth to matter",
		"the second half grows far less than the first, or not at all",
		"one step, and no growth before or after it",
		"it was as high before",
	};

	for (size_t i = 0; i < TREND_CHECKS; i++) {
		if (against & (1u << i))
			return texts[i];
	}
	return "";
}
