#pragma once

/* What the server counts of itself: requests by handler, method and code; time by handler. */

#include "http/server.h"

struct http_duration;

struct http_stats {
	struct http_counter *counters; /* owned */
	struct http_duration *durations; /* owned */
};

void stats_fini(struct http_stats *stats);

/* handler is a constant: a route's pattern, or "" for paths that have none. Failing to allocate a
 * counter loses the count, nothing else. */
void stats_count(struct http_stats *stats, const char *handler, const char *method, int code,
		 double seconds);
const struct histogram *stats_duration(const struct http_stats *stats, const char *handler);
