#pragma once

/*
 * The intervals of a timeline under way: what the runtime tells of each, event by event, to a chart
 * of a few points. Lives on a capture thread.
 */

#include <stdint.h>

struct intervals;
struct timeline_chart;

int intervals_new(struct intervals **ret); /* 0, -ENOMEM */
void intervals_free(struct intervals *intervals); /* NULL is fine */

/* As download_request.interval; of more than INTERVALS_MAX the rest is not charted. */
void intervals_take(struct intervals *intervals, uint64_t index, uint64_t bytes, uint64_t after_ns);

/* Stretches of equal length, as many as there is something to tell of, at most
 * TIMELINE_POINTS_MAX. */
void intervals_chart(const struct intervals *intervals, uint64_t duration_ns,
		     struct timeline_chart *ret);
