/*
 * Request statistics
 *
 * Lists, not hashes: there are a few dozen combinations and the common ones were seen first. The
 * labels cannot be blown up from outside: the handler is a pattern of ours, a method that is none
 * of HTTP's is "other", and the codes are those we send.
 */

#include "http/stats.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

struct http_duration {
	struct http_duration *next;
	const char *handler;
	struct histogram histogram;
};

/* The buckets of Prometheus' client libraries. */
static const double duration_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

static const char *const methods[] = { "get",    "head",    "post",  "put",
				       "delete", "options", "patch", NULL };

void stats_fini(struct http_stats *stats)
{
	while (stats->counters != NULL) {
		struct http_counter *next = stats->counters->next;

		free(stats->counters);
		stats->counters = next;
	}
	while (stats->durations != NULL) {
		struct http_duration *next = stats->durations->next;

		free(stats->durations);
		stats->durations = next;
	}
}

static const char *method_label(const char *method)
{
	for (size_t i = 0; methods[i] != NULL; i++) {
		if (strcasecmp(methods[i], method) == 0)
			return methods[i];
	}
	return "other";
}

static struct http_counter *find_counter(struct http_stats *stats, const char *handler,
					 const char *method, int code)
{
	struct http_counter **at = &stats->counters;

	for (; *at != NULL; at = &(*at)->next) {
		if ((*at)->code == code && strcmp((*at)->handler, handler) == 0 &&
		    strcmp((*at)->method, method) == 0)
			return *at;
	}
	*at = calloc(1, sizeof(**at));
	if (*at == NULL)
		return NULL;
	(*at)->handler = handler;
	(*at)->code = code;
	str_copy((*at)->method, sizeof((*at)->method), method);
	return *at;
}

static struct http_duration *find_duration(struct http_stats *stats, const char *handler)
{
	struct http_duration **at = &stats->durations;

	for (; *at != NULL; at = &(*at)->next) {
		if (strcmp((*at)->handler, handler) == 0)
			return *at;
	}
	*at = calloc(1, sizeof(**at));
	if (*at == NULL)
		return NULL;
	(*at)->handler = handler;
	histogram_init(&(*at)->histogram, duration_bounds,
		       sizeof(duration_bounds) / sizeof(duration_bounds[0]));
	return *at;
}

void stats_count(struct http_stats *stats, const char *handler, const char *method, int code,
		 double seconds)
{
	struct http_counter *counter = find_counter(stats, handler, method_label(method), code);
	struct http_duration *duration = find_duration(stats, handler);

	if (counter != NULL)
		counter->requests++;
	if (duration != NULL)
		histogram_observe(&duration->histogram, seconds);
}

const struct histogram *stats_duration(const struct http_stats *stats, const char *handler)
{
	for (const struct http_duration *at = stats->durations; at != NULL; at = at->next) {
		if (strcmp(at->handler, handler) == 0)
			return &at->histogram;
	}
	return NULL;
}
