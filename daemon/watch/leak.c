/*
 * Leaks of one isolate
 *
 * Each of live set, external and native memory is judged in both windows by watch/trend.h. One
 * check needs more than a window: the slope of a load that comes and goes with the hours of the day
 * is that of a leak, for some hours. So what is only as high as it was before the fast window is no
 * leak yet, once the slow window has seen enough to say so. How much growth matters is the one
 * thing in which rules differ: leak_find() asks it of what was judged without it.
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

static double middle_of(const double v[3])
{
	return fmax(fmin(v[0], v[1]), fmin(fmax(v[0], v[1]), v[2]));
}

/*
 * The highest level of the slow window before a time, each the middle one of three buckets in a
 * row: one alone is high by chance. False when the window has seen too little.
 */
static bool highest_before(const struct series *series, enum series_signal signal, int64_t warm_ns,
			   uint64_t before_ns, double *ret)
{
	uint64_t width_ns = series->spans[WINDOW_SLOW].width_ns;
	uint32_t n = series_buckets(series, WINDOW_SLOW), seen = 0;
	double last[3] = { 0 };

	*ret = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *bucket = series_bucket(series, WINDOW_SLOW, i);
		uint64_t ns = series_bucket_ns(series, WINDOW_SLOW, bucket);

		if (bucket->kib[signal] == BUCKET_ABSENT || !is_warm(ns, warm_ns, 0) ||
		    ns + width_ns > before_ns)
			continue;
		last[seen++ % 3] = 1024.0 * bucket->kib[signal];
		*ret = fmax(*ret, middle_of(last));
	}
	return seen >= HISTORY_MIN;
}

/*
 * The level now in the same way: of the fast window what would be in the three newest buckets of
 * the slow one. INFINITY: too little.
 */
static double newest_level(const struct series *series, enum series_signal signal, int64_t warm_ns)
{
	uint64_t width_ns = series->spans[WINDOW_SLOW].width_ns, end_ns = 0, back;
	double level[3] = { INFINITY, INFINITY, INFINITY };
	bool told[3] = { false };

	for (uint32_t i = series_buckets(series, WINDOW_FAST); i-- > 0;) {
		const struct bucket *bucket = series_bucket(series, WINDOW_FAST, i);
		uint64_t ns = series_bucket_ns(series, WINDOW_FAST, bucket);

		if (end_ns == 0)
			end_ns = ns + series->spans[WINDOW_FAST].width_ns;
		back = (end_ns - ns - 1) / width_ns;
		if (back >= 3)
			break;
		if (bucket->kib[signal] == BUCKET_ABSENT || !is_warm(ns, warm_ns, 0) || told[back])
			continue;
		told[back] = signal == SIGNAL_LIVE && bucket->told;
		level[back] = told[back] ? 1024.0 * bucket->kib[signal]
					 : fmin(level[back], 1024.0 * bucket->kib[signal]);
	}
	return middle_of(level);
}

static double growth_needed(double share, double level)
{
	double growth = share * level;

	return growth > LEAK_GROWTH_MIN_BYTES ? growth : LEAK_GROWTH_MIN_BYTES;
}

/* By less than half of the growth that matters it may be higher by chance. */
static bool is_known_level(const struct leak_past *past, double needed)
{
	return past->known && past->risen <= needed / 2;
}

/*
 * Like is held against like: a slow bucket has the least of more samples than a fast one, and the
 * median of the fast ones is nearer to what the program uses than to what it holds.
 */
static void look_back(struct leak *leak, const struct series *series, enum series_signal signal,
		      int64_t warm_ns, uint64_t first_ns)
{
	struct trend *trend = &leak->trends[WINDOW_FAST][signal];
	struct leak_past *past = &leak->past[signal];
	double highest;

	past->known = (trend->against & ~(unsigned)TREND_SMALL) == 0 &&
		      highest_before(series, signal, warm_ns, first_ns, &highest);
	if (!past->known)
		return;
	past->risen = fmin(trend->level, newest_level(series, signal, warm_ns)) - highest;
	if (is_known_level(past, growth_needed(LEAK_GROWTH_SHARE, trend->level)))
		trend->against |= TREND_KNOWN_LEVEL;
}

static void judge(struct leak *leak, const struct series *series, enum series_window window,
		  enum series_signal signal, int64_t warm_ns, uint64_t warmup_ns)
{
	struct trend_limits limits = { LEAK_GROWTH_SHARE, LEAK_GROWTH_MIN_BYTES, false };
	struct trend *trend = &leak->trends[window][signal];
	struct points points;

	gather(&points, series, window, signal, warm_ns);
	/* What warmed up until now may go on to, for as long again. */
	limits.is_young = !is_warm(points.first_ns, warm_ns, warmup_ns);
	trend_judge(points.t, points.y, points.n, &limits, trend);
	if (window == WINDOW_FAST)
		look_back(leak, series, signal, warm_ns, points.first_ns);
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

/* The limits of growth are the caller's: what the default ones say does not count. */
static bool holds(const struct leak *leak, enum series_window window, enum series_signal signal,
		  double needed)
{
	const struct trend *trend = &leak->trends[window][signal];
	unsigned mask = ~(unsigned)(TREND_SMALL | TREND_KNOWN_LEVEL);

	if (trend->points == 0 || (trend->against & mask) != 0 || !(trend->growth >= needed))
		return false;
	return window != WINDOW_FAST || !is_known_level(&leak->past[signal], needed);
}

static bool find_of(const struct leak *leak, enum leak_cause cause,
		    const struct leak_wanted *wanted, struct leak_found *ret)
{
	enum series_signal signal = leak_signal(cause);

	for (enum series_window w = WINDOW_FAST; w < WINDOWS; w++) {
		const struct trend *trend = &leak->trends[w][signal];
		double needed = growth_needed(wanted->growth_share, trend->level);

		if ((wanted->window != 0 && wanted->window != 1 + (int)w) ||
		    !holds(leak, w, signal, needed))
			continue;
		*ret = (struct leak_found){ .cause = cause,
					    .window = w,
					    .trend = trend,
					    .confidence = trend_confidence(trend, needed) };
		return true;
	}
	return false;
}

bool leak_find(const struct leak *leak, const struct leak_wanted *wanted, struct leak_found *ret)
{
	for (enum leak_cause cause = LEAK_HEAP; cause <= LEAK_NATIVE; cause++) {
		if (wanted->cause != LEAK_NONE && wanted->cause != cause)
			continue;
		if (find_of(leak, cause, wanted, ret))
			return true;
	}
	return false;
}

/* Of how many checks, in the order in which they are told, none speaks against it. */
static unsigned checks_passed(unsigned against)
{
	unsigned n = 0;

	while (n < TREND_CHECKS && (against & 1u << n) == 0)
		n++;
	return n;
}

static struct leak_near near_of(const struct leak *leak, enum leak_cause cause,
				enum series_window window, double growth_share)
{
	enum series_signal signal = leak_signal(cause);
	const struct trend *trend = &leak->trends[window][signal];
	double needed = growth_needed(growth_share, trend->level);
	struct leak_near near = { .cause = cause, .window = window, .against = TREND_FEW };

	if (trend->points == 0 || (trend->against & TREND_FEW) != 0)
		return near;
	near.growth = trend->growth;
	near.needed = needed;
	near.against = trend->against & ~(unsigned)(TREND_SMALL | TREND_KNOWN_LEVEL);
	if (!(trend->growth >= needed))
		near.against |= TREND_SMALL;
	if (window == WINDOW_FAST && is_known_level(&leak->past[signal], needed))
		near.against |= TREND_KNOWN_LEVEL;
	return near;
}

void leak_find_near(const struct leak *leak, const struct leak_wanted *wanted,
		    struct leak_near *ret)
{
	bool begun = false;

	for (enum leak_cause cause = LEAK_HEAP; cause <= LEAK_NATIVE; cause++) {
		if (wanted->cause != LEAK_NONE && wanted->cause != cause)
			continue;
		for (enum series_window w = WINDOW_FAST; w < WINDOWS; w++) {
			struct leak_near near = near_of(leak, cause, w, wanted->growth_share);

			if (wanted->window != 0 && wanted->window != 1 + (int)w)
				continue;
			if (!begun || checks_passed(near.against) > checks_passed(ret->against))
				*ret = near;
			begun = true;
		}
	}
}

static void find_cause(struct leak *leak)
{
	const struct leak_wanted wanted = { .growth_share = LEAK_GROWTH_SHARE };
	struct leak_found found;

	leak->cause = leak->churn >= churn_min ? LEAK_CHURN : LEAK_NONE;
	leak->window = WINDOW_FAST;
	if (!leak_find(leak, &wanted, &found))
		return;
	leak->cause = found.cause;
	leak->window = found.window;
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

uint64_t leak_live_max_ns(const struct series *series)
{
	return SLOW_BUCKETS / 4 * series->spans[WINDOW_SLOW].width_ns;
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
