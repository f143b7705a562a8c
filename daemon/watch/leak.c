/*
 * Leaks of one isolate
 *
 * Each of live set, external and native memory is judged in both windows by watch/trend.h. One
 * check needs more than a window: the slope of a load that comes and goes with the hours of the day
 * is that of a leak, for some hours. So what is only as high as it was before the fast window is no
 * leak yet, once the slow window has seen enough to say so.
 */

#include "watch/leak.h"

#include <math.h>
#include <stddef.h>

/* So many buckets of the slow window before the fast one: a third of it. */
enum { HISTORY_MIN = SLOW_BUCKETS / 3 };

/* More garbage than live set, on average. */
static const double churn_min = 1;

struct points {
	double t[TREND_POINTS_MAX], y[TREND_POINTS_MAX];
	uint32_t n;
	uint64_t first_ns; /* when the first of them was, monotonic */
};

static bool is_warm(uint64_t ns, int64_t start_ns, uint64_t warmup_ns)
{
	return (int64_t)ns - start_ns >= (int64_t)warmup_ns;
}

/* What a window has of a signal after the warm-up, in seconds since its first bucket and bytes. */
static void gather(struct points *points, const struct series *series, enum series_window window,
		   enum series_signal signal, int64_t warm_ns)
{
	uint32_t n = series_buckets(series, window);
	uint64_t first_ns =
		n > 0 ? series_bucket_ns(series, window, series_bucket(series, window, 0)) : 0;

	points->n = 0;
	points->first_ns = 0;
	for (uint32_t i = 0; i < n && points->n < TREND_POINTS_MAX; i++) {
		const struct bucket *bucket = series_bucket(series, window, i);
		uint64_t ns = series_bucket_ns(series, window, bucket);

		if (bucket->kib[signal] == BUCKET_ABSENT || !is_warm(ns, warm_ns, 0))
			continue;
		if (points->n == 0)
			points->first_ns = ns;
		points->t[points->n] = (double)(ns - first_ns) / 1e9;
		points->y[points->n++] = 1024.0 * bucket->kib[signal];
	}
}

/* The highest value of the slow window before a time; false when it has seen too little. */
static bool highest_before(const struct series *series, enum series_signal signal, int64_t warm_ns,
			   uint64_t before_ns, double *ret)
{
	uint64_t width_ns = series->spans[WINDOW_SLOW].width_ns;
	uint32_t n = series_buckets(series, WINDOW_SLOW), seen = 0;

	*ret = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *bucket = series_bucket(series, WINDOW_SLOW, i);
		uint64_t ns = series_bucket_ns(series, WINDOW_SLOW, bucket);
		double value = 1024.0 * bucket->kib[signal];

		if (bucket->kib[signal] == BUCKET_ABSENT || !is_warm(ns, warm_ns, 0) ||
		    ns + width_ns > before_ns)
			continue;
		seen++;
		*ret = value > *ret ? value : *ret;
	}
	return seen >= HISTORY_MIN;
}

/* Half of the growth that matters: slow buckets have the least of more samples than fast ones. */
static double margin_of(double level)
{
	double growth = LEAK_GROWTH_SHARE * level;

	return (growth > LEAK_GROWTH_MIN_BYTES ? growth : LEAK_GROWTH_MIN_BYTES) / 2;
}

static void judge(struct leak *leak, const struct series *series, enum series_window window,
		  enum series_signal signal, int64_t warm_ns, uint64_t warmup_ns)
{
	struct trend_limits limits = { LEAK_GROWTH_SHARE, LEAK_GROWTH_MIN_BYTES, false };
	struct trend *trend = &leak->trends[window][signal];
	struct points points;
	double highest;

	gather(&points, series, window, signal, warm_ns);
	/* What warmed up until now may go on to, for as long again. */
	limits.is_young = !is_warm(points.first_ns, warm_ns, warmup_ns);
	trend_judge(points.t, points.y, points.n, &limits, trend);
	if (window != WINDOW_FAST || trend->against != 0)
		return;
	if (highest_before(series, signal, warm_ns, points.first_ns, &highest) &&
	    trend->level <= highest + margin_of(highest))
		trend->against |= TREND_KNOWN_LEVEL;
}

static double churn_of(const struct series *series, int64_t warm_ns)
{
	uint32_t n = series_buckets(series, WINDOW_FAST), seen = 0;
	double live = 0, garbage = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *bucket = series_bucket(series, WINDOW_FAST, i);

		if (!is_warm(series_bucket_ns(series, WINDOW_FAST, bucket), warm_ns, 0))
			continue;
		seen++;
		live += bucket->kib[SIGNAL_LIVE];
		if (bucket->kib[SIGNAL_PEAK] > bucket->kib[SIGNAL_LIVE])
			garbage += bucket->kib[SIGNAL_PEAK] - bucket->kib[SIGNAL_LIVE];
	}
	return seen >= TREND_POINTS_MIN && live > 0 ? garbage / live : 0;
}

static void find_cause(struct leak *leak)
{
	leak->cause = leak->churn >= churn_min ? LEAK_CHURN : LEAK_NONE;
	leak->window = WINDOW_FAST;
	for (enum leak_cause cause = LEAK_HEAP; cause <= LEAK_NATIVE; cause++) {
		for (enum series_window w = WINDOW_FAST; w < WINDOWS; w++) {
			const struct trend *trend = &leak->trends[w][leak_signal(cause)];

			if (trend->points == 0 || trend->against != 0)
				continue;
			leak->cause = cause;
			leak->window = w;
			return;
		}
	}
}

/* Has the window a complete bucket that was not judged yet? */
static bool is_due(struct leak *leak, const struct series *series, enum series_window window)
{
	uint32_t n = series_buckets(series, window), slot;

	if (n == 0)
		return false;
	slot = series_bucket(series, window, n - 1)->slot;
	if (leak->judged[window] && leak->slots[window] == slot)
		return false;
	leak->judged[window] = true;
	leak->slots[window] = slot;
	return true;
}

bool leak_update(struct leak *leak, const struct series *series, int64_t start_ns,
		 uint64_t warmup_ns)
{
	int64_t warm_ns = start_ns + (int64_t)warmup_ns;
	bool any = false;

	for (enum series_window w = WINDOW_FAST; w < WINDOWS; w++) {
		if (!is_due(leak, series, w))
			continue;
		any = true;
		for (enum series_signal s = SIGNAL_LIVE; s < LEAK_SIGNALS; s++)
			judge(leak, series, w, s, warm_ns, warmup_ns);
		if (w == WINDOW_FAST)
			leak->churn = churn_of(series, warm_ns);
	}
	if (any)
		find_cause(leak);
	return any;
}

enum series_signal leak_signal(enum leak_cause cause)
{
	return cause == LEAK_BUFFERS  ? SIGNAL_EXTERNAL
	       : cause == LEAK_NATIVE ? SIGNAL_NATIVE
				      : SIGNAL_LIVE;
}

static bool is_judged(const struct trend *trend)
{
	return trend->points > 0 && (trend->against & TREND_FEW) == 0;
}

bool leak_is_judged(const struct leak *leak)
{
	return is_judged(&leak->trends[WINDOW_FAST][SIGNAL_LIVE]) ||
	       is_judged(&leak->trends[WINDOW_SLOW][SIGNAL_LIVE]);
}

bool leak_slope(const struct leak *leak, double *ret)
{
	enum series_window window = leak->cause == LEAK_HEAP ? leak->window : WINDOW_FAST;
	const struct trend *trend = &leak->trends[window][SIGNAL_LIVE];

	if (!is_judged(trend))
		trend = &leak->trends[WINDOW_SLOW][SIGNAL_LIVE];
	*ret = trend->slope;
	return is_judged(trend);
}

double leak_confidence(const struct leak *leak)
{
	const struct trend *trend = &leak->trends[leak->window][leak_signal(leak->cause)];

	return trend->confidence;
}

double leak_eta(double used, double limit, double slope)
{
	if (used >= limit)
		return 0;
	return slope > 0 ? (limit - used) / slope : INFINITY;
}

const char *leak_cause_name(enum leak_cause cause)
{
	static const char *const names[] = { [LEAK_NONE] = "none",
					     [LEAK_HEAP] = "heap",
					     [LEAK_BUFFERS] = "buffers",
					     [LEAK_NATIVE] = "native",
					     [LEAK_CHURN] = "churn" };

	return names[cause];
}
