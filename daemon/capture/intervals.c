/*
 * Intervals: V8 numbers them from the first on and tells of one again whenever its objects are
 * fewer. The most that was ever told of one is what was seen of it, the last is what lives.
 */

#include "capture/intervals.h"

#include <errno.h>
#include <stdlib.h>

#include "spool/timeline_chart.h"
#include "util/clock.h"

/* V8 makes one in 50 ms, and a timeline lasts at most five minutes. */
enum { INTERVALS_MAX = 8192 };

struct interval {
	uint64_t seen_bytes, live_bytes;
	uint64_t after_ns;
};

struct intervals {
	uint64_t n;
	struct interval items[INTERVALS_MAX];
};

int intervals_new(struct intervals **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret != NULL ? 0 : -ENOMEM;
}

void intervals_free(struct intervals *intervals)
{
	free(intervals);
}

/* Interval 0 is all that was there before. One that is skipped had nothing alive. */
void intervals_take(struct intervals *intervals, uint64_t index, uint64_t bytes, uint64_t after_ns)
{
	struct interval *interval;

	if (index == 0 || index > INTERVALS_MAX)
		return;
	while (intervals->n < index)
		intervals->items[intervals->n++].after_ns = after_ns;
	interval = &intervals->items[index - 1];
	interval->live_bytes = bytes;
	if (bytes > interval->seen_bytes)
		interval->seen_bytes = bytes;
}

/* The pieces of the last word come after the end. */
static uint64_t stretch_of(const struct interval *interval, uint64_t stretch_ns)
{
	uint64_t i = interval->after_ns / stretch_ns;

	return i < TIMELINE_POINTS_MAX ? i : TIMELINE_POINTS_MAX - 1;
}

void intervals_chart(const struct intervals *intervals, uint64_t duration_ns,
		     struct timeline_chart *ret)
{
	uint64_t stretch_ns = duration_ns / TIMELINE_POINTS_MAX + 1;

	*ret = (struct timeline_chart){ .n = intervals->n > 0 ? TIMELINE_POINTS_MAX : 0 };
	for (uint64_t i = 0; i < ret->n; i++)
		ret->points[i].at_ms = (i + 1) * stretch_ns / NS_PER_MS;
	for (uint64_t i = 0; i < intervals->n; i++) {
		const struct interval *interval = &intervals->items[i];
		struct timeline_point *point = &ret->points[stretch_of(interval, stretch_ns)];

		point->seen_bytes += interval->seen_bytes;
		point->live_bytes += interval->live_bytes;
	}
}
