#pragma once

/*
 * Leaks of one isolate: whether its memory grows without end, which memory that is, and when it
 * will be at its limit. Judged when a bucket of a window is complete, and only then: between two
 * buckets nothing new is known.
 */

#include <stdbool.h>
#include <stdint.h>
#include "watch/series.h"
#include "watch/trend.h"

/*
 * What grows. Heap that is held comes before what it holds elsewhere, and that before what belongs
 * to neither. Churn is no leak: much garbage between two collections, and nothing that stays.
 */
enum leak_cause {
	LEAK_NONE,
	LEAK_HEAP,
	LEAK_BUFFERS, /* memory outside of the heap, held by objects in it */
	LEAK_NATIVE, /* of the process, neither heap nor buffers: addons, threads, fragments */
	LEAK_CHURN,
	LEAK_CAUSES,
};

#define LEAK_SIGNALS SIGNAL_PEAK /* those before it */

/* A signal beside its own past, where that is known and something grows in the fast window. */
struct leak_past {
	bool known;
	double risen; /* bytes above the highest before the fast window, may be negative */
};

struct leak {
	struct trend trends[WINDOWS][LEAK_SIGNALS];
	struct leak_past past[LEAK_SIGNALS];
	uint32_t slots[WINDOWS]; /* of the newest bucket that was judged */
	bool judged[WINDOWS];
	double churn; /* garbage in heaps of live set, mean of the fast window; 0 unknown */
	enum leak_cause cause; /* by the default limits */
	enum series_window window; /* in which the cause holds; fast when both */
};

/* Growth that matters, unless a rule says otherwise. */
#define LEAK_GROWTH_SHARE     0.05
#define LEAK_GROWTH_MIN_BYTES (10.0 * 1024 * 1024)

/*
 * Judge anew what has new buckets. start_ns is when the isolate began, monotonic and maybe before
 * the clock did; what is older than warmup_ns after it takes no part. True when something was
 * judged.
 */
bool leak_update(struct leak *leak, const struct series *series, int64_t start_ns,
		 uint64_t warmup_ns);

/* A trend that holds, borrowed from its leak. */
struct leak_found {
	enum leak_cause cause;
	enum series_window window;
	const struct trend *trend;
	double confidence; /* as struct trend's, by the growth that was asked for */
};

/* What is looked for: growth by this share of the level over the window, never by less than
 * LEAK_GROWTH_MIN_BYTES. */
struct leak_wanted {
	enum leak_cause cause; /* LEAK_NONE: any */
	int window; /* 0: any, else 1 + enum series_window */
	double growth_share;
};

/* The first that holds: by the order of causes, and of each by that of windows. False: none. */
bool leak_find(const struct leak *leak, const struct leak_wanted *wanted, struct leak_found *ret);

/* The trend that comes nearest to what is looked for and does not reach it. */
struct leak_near {
	enum leak_cause cause;
	enum series_window window;
	unsigned against; /* enum trend_check, by the growth that was asked for */
	double growth, needed; /* bytes over the window; 0 with TREND_FEW */
};

/* When leak_find() finds none: why not, by the trend that passes most of the checks. */
void leak_find_near(const struct leak *leak, const struct leak_wanted *wanted,
		    struct leak_near *ret);

/*
 * For how long a collection says what the heap holds, a quarter of the slow window: longer, and
 * what grows between rare collections is not seen in any window; shorter, and garbage that waits
 * for one is taken for a leak. 6 h with the default windows.
 */
uint64_t leak_live_max_ns(const struct series *series);

static inline bool leak_is_suspected(const struct leak *leak)
{
	return leak->cause != LEAK_NONE && leak->cause != LEAK_CHURN;
}

/* The signal a cause stands for. Not of LEAK_NONE and LEAK_CHURN. */
enum series_signal leak_signal(enum leak_cause cause);

/*
 * Bytes per second by which the live set grows: the slope of the window in which a leak is
 * suspected, else of the fast one once it can be judged, else of the slow one. False: not known.
 */
bool leak_slope(const struct leak *leak, double *ret);

/* The live set could be judged in one of the windows. */
bool leak_is_judged(const struct leak *leak);

/* Of the suspected cause, else of the live set. */
double leak_confidence(const struct leak *leak);

/* Seconds until used bytes are limit bytes; INFINITY when nothing grows, 0 past the limit. */
double leak_eta(double used, double limit, double slope);

const char *leak_cause_name(enum leak_cause cause); /* "heap" */
