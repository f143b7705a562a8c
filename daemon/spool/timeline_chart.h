#pragma once

/*
 * The chart of a timeline, in its manifest: what was allocated in each stretch of it, and what of
 * that was still alive at its end.
 */

#include <stdint.h>

struct json_writer;
struct tree;

enum { TIMELINE_POINTS_MAX = 60 };

struct timeline_point {
	uint64_t at_ms; /* end of the stretch, from the beginning of the timeline */
	uint64_t seen_bytes; /* the most of it that was ever seen alive */
	uint64_t live_bytes; /* at the end */
};

struct timeline_chart {
	uint64_t n;
	struct timeline_point points[TIMELINE_POINTS_MAX];
};

/* All of it: allocated, still alive, and when it ended. */
struct timeline_point timeline_chart_sum(const struct timeline_chart *chart);

/* The member "timeline", an array of objects; nothing where there are no points. */
void timeline_chart_write(const struct timeline_chart *chart, struct json_writer *w);

/* That array; what it has too many of, and whatever is none, is ignored. */
void timeline_chart_read(const struct tree *array, struct timeline_chart *ret);
