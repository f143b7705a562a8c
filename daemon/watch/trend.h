#pragma once

/*
 * Does a series of values grow, steadily and for good? Robust statistics over at most a few dozen
 * points; pure functions, no clock, no memory of their own.
 *
 * - The slope is the median of the slopes between all pairs of points (Theil 1950, Sen 1968), and
 *   the lower end of Sen's 95 % interval is above zero: a fifth of all points may be nonsense.
 * - That there is a trend at all is the rank test of Mann (1945) and Kendall (1975), with the
 *   correction for ties.
 * - What saturates (a warming cache) grows less in its second half; what made one step does not
 *   grow on either side of it. Neither is a leak.
 *
 * docs/BENCHMARKS.md has the shares of leaks found and of false alarms (tests/bench/leak.c).
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	TREND_POINTS_MAX = 96,
	TREND_POINTS_MIN = 30,
	TREND_POINTS_YOUNG = 60, /* in an hour a cache that fills looks like a leak too often */
};

/* What speaks against a leak; a bit each. */
enum trend_check {
	TREND_FEW = 1, /* not enough points yet */
	TREND_FLAT = 2, /* the lower bound of the slope is not above zero */
	TREND_NOISE = 4, /* the order of the values may be chance */
	TREND_SMALL = 8, /* too little to matter, whatever it is */
	TREND_SATURATES = 16, /* the second half alone does not grow, or far less */
	TREND_STEP = 32, /* only one step, no growth before or after it */
	TREND_KNOWN_LEVEL = 64, /* it was as high before the window (watch/leak.h) */
};
enum { TREND_CHECKS = 7 };

struct trend_limits {
	double growth_share; /* of the level, over the window */
	double growth_min; /* in the unit of the values */
	bool is_young; /* what saturates is to be expected: judged later and harder */
};

struct trend {
	uint32_t points;
	double slope; /* per second */
	double z; /* Mann-Kendall's, as a standard normal deviate */
	double level; /* median of the last quarter */
	double growth; /* slope times the time between the first and the last point */
	unsigned against; /* enum trend_check; 0: it grows */
	double confidence; /* 0 to 1; what just passes all checks has 0.5 */
	double others; /* of the confidence: what comes from all checks but that of the growth */
};

/*
 * Points in order of time, seconds, no two at the same; at most TREND_POINTS_MAX, further ones are
 * left out.
 */
void trend_judge(const double *t, const double *y, uint32_t n, const struct trend_limits *limits,
		 struct trend *ret);

/* Its confidence when another growth is needed than it was judged by. */
double trend_confidence(const struct trend *trend, double needed);

/* The parts of it. 0 points or one have slope 0 and z 0. */
double trend_slope(const double *t, const double *y, uint32_t n);
double trend_z(const double *y, uint32_t n);

/* Where the values fall apart best into two levels: the first index of the second. 1 to n - 1. */
uint32_t trend_split(const double *y, uint32_t n);

/* The first of the checks that speak against it, for people; "" for 0. */
const char *trend_why_not(unsigned against);
