/*
 * The families of what grows: live set, slope, confidence, cause, and when the limits are reached.
 * A value that nobody knows yet is absent; a target that is down has none.
 */

#include "http/prom_parts.h"

#include <stdio.h>

#include "watch/eta.h"
#include "watch/target.h"
#include "watch/value.h"

enum { MORE_MAX = 24 };

/* False: not known. */
typedef bool leak_read_fn(const struct isolate_row *row, double *ret);

static bool read_live(const struct isolate_row *row, double *ret)
{
	return value_read(value_find("heap_live"), row->target, row->isolate, ret);
}

static bool read_slope(const struct isolate_row *row, double *ret)
{
	return leak_slope(&row->isolate->leak, ret);
}

static bool read_confidence(const struct isolate_row *row, double *ret)
{
	*ret = leak_confidence(&row->isolate->leak);
	return row->isolate->leak.judged[WINDOW_FAST];
}

static bool read_suspected(const struct isolate_row *row, double *ret)
{
	*ret = leak_is_suspected(&row->isolate->leak);
	return row->isolate->leak.judged[WINDOW_FAST];
}

static bool read_heap_eta(const struct isolate_row *row, double *ret)
{
	return eta_of_heap(row->isolate, ret);
}

static bool read_cgroup_eta(const struct isolate_row *row, double *ret)
{
	return eta_of_cgroup(row->target, row->isolate, ret);
}

static void write_family(struct exposition_writer *w, const struct prom_rows *rows,
			 enum metric_id id, leak_read_fn *read)
{
	exposition_family(w, id);
	for (size_t i = 0; i < rows->isolates_n; i++) {
		const struct isolate_row *row = &rows->isolates[i];
		double value;

		if (row->isolate->last.present != 0 && read(row, &value))
			sample_double(w, row->labels, NULL, value);
	}
}

static void write_causes(struct exposition_writer *w, const struct prom_rows *rows)
{
	static char more[LEAK_CAUSES][MORE_MAX];

	exposition_family(w, METRIC_LEAK_CAUSE);
	for (size_t i = 0; i < rows->isolates_n; i++) {
		const struct isolate_row *row = &rows->isolates[i];

		if (row->isolate->last.present == 0 || !row->isolate->leak.judged[WINDOW_FAST])
			continue;
		for (enum leak_cause c = LEAK_NONE; c < LEAK_CAUSES; c++) {
			if (more[c][0] == '\0')
				snprintf(more[c], MORE_MAX, "cause=\"%s\"", leak_cause_name(c));
			sample_uint(w, row->labels, more[c], row->isolate->leak.cause == c);
		}
	}
}

void prom_write_leaks(struct exposition_writer *w, const struct prom_rows *rows)
{
	write_family(w, rows, METRIC_HEAP_LIVE, read_live);
	write_family(w, rows, METRIC_HEAP_GROWTH, read_slope);
	write_family(w, rows, METRIC_LEAK_CONFIDENCE, read_confidence);
	write_family(w, rows, METRIC_LEAK_SUSPECTED, read_suspected);
	write_causes(w, rows);
	write_family(w, rows, METRIC_HEAP_ETA, read_heap_eta);
	write_family(w, rows, METRIC_CGROUP_ETA, read_cgroup_eta);
	exposition_family(w, METRIC_LEAKS);
	for (size_t i = 0; i < rows->targets_n; i++)
		sample_uint(w, rows->targets[i].labels, NULL, rows->targets[i].target->leaks);
}
