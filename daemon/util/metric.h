#pragma once

/*
 * Metrics: descriptions as data, and the one kind of value that is more than a number. A module
 * keeps plain counters in its own struct; http/ reads them and the table http/metric_table.c says
 * what each means, so that /metrics and docs/METRICS.md cannot disagree.
 */

#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO, METRIC_HISTOGRAM };

enum { METRIC_LABELS_MAX = 8, HISTOGRAM_BOUNDS_MAX = 16 };

struct metric_desc {
	const char *name; /* family name without _total */
	enum metric_type type;
	const char *unit; /* OpenMetrics unit, or "" */
	const char *labels[METRIC_LABELS_MAX]; /* ends with NULL */
	const char *help;
};

struct histogram {
	const double *bounds; /* upper bounds, ascending, without +Inf; borrowed, constant */
	size_t bounds_n;
	uint64_t
		counts[HISTOGRAM_BOUNDS_MAX + 1]; /* per bucket, not cumulative; the last is +Inf */
	double sum;
};

void histogram_init(struct histogram *histogram, const double *bounds, size_t n);
void histogram_observe(struct histogram *histogram, double value);
