#pragma once

/*
 * Samples to try rules on, as a table of comma-separated values (RFC 4180) with a header:
 *
 *   time,target,isolate,event,heap_used,heap_limit
 *   2026-11-28T10:00:00Z,api,main,,512MiB,1GiB
 *   2026-11-28T10:00:15Z,api,main,restart,64MiB,1GiB
 *
 * `time` is RFC 3339, or seconds; it never goes back. `target` and `isolate` may be left out: "app"
 * and "main". `event` holds what happened right before the sample: target_up, target_down, restart.
 * A column `label:NAME` is a label of the target, of which the first row of each counts. All others
 * are named as values of rules (watch/value.h) and written as thresholds are: 512MiB, 250ms, 12;
 * an empty cell is a value that was not there, a row without values no sample.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/doc.h"
#include "conf/labels.h"

enum { SAMPLES_BYTES_MAX = 64 << 20, SAMPLES_COLUMNS_MAX = 64 };

struct sample_row {
	int64_t wall_ms;
	char *target, *isolate; /* owned */
	unsigned events; /* enum target_event */
	struct labels labels;
	double *values; /* owned; by columns, NAN where there is none */
};

struct sample_table {
	int metrics[SAMPLES_COLUMNS_MAX]; /* value indices */
	size_t columns; /* of values */
	bool has_labels;
	struct sample_row *rows; /* owned */
	size_t n, capacity;
};

/* 0; -EINVAL with the reasons, each with line and column, in problems; -ENOMEM. Fini in any case.
 */
int samples_parse(struct sample_table *ret, const char *text, size_t size, const char *file,
		  struct problems *problems);
void samples_fini(struct sample_table *table);
