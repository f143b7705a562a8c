#pragma once

/*
 * What a snapshot holds, for programs: one JSON object of the analysis, the same whoever makes it.
 * docs/ANALYSIS.md describes the members.
 */

#include <stdint.h>
#include "heap/analysis.h"

struct json_writer;

struct heap_report {
	const struct heap_analysis *analysis; /* borrowed */
	const char *path; /* borrowed: of the snapshot, as given */
	uint32_t *classes; /* owned: those to be shown, in order */
	uint32_t classes_n, all_n;
	uint32_t node; /* UINT32_MAX: none asked for */

	/* Members of a class's row, of the node, that are the caller's; or NULL. */
	void (*put_class)(struct json_writer *w, void *owner, const struct heap_class *class);
	void (*put_node)(struct json_writer *w, void *owner);
	void *owner;
};

/*
 * Choose the rows: those that retain most first, at most top of them (0: all), of classes of this
 * name only (NULL: of all). 0, -ENOMEM; fini in any case.
 */
int heap_report_init(struct heap_report *ret, const struct heap_analysis *analysis,
		     const char *path, const char *class, uint64_t top);
void heap_report_fini(struct heap_report *report);

/* The members, within an object of the caller's. */
void heap_report_write(const struct heap_report *report, struct json_writer *w);
