/* Pauses and spans are kept apart, for nothing tells one from the other afterwards. */

#include "watch/gc_stats.h"

#include <stdlib.h>

#include "util/clock.h"

/* The union of those of prom-client and of OpenTelemetry, so that both can be had of them. */
static const double bounds[] = { 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
				 0.5,   0.75,  1,    2,     2.5,  5,     7.5, 10 };

enum { BOUNDS_N = sizeof(bounds) / sizeof(bounds[0]) };

struct gc_stats *gc_stats_new(void)
{
	struct gc_stats *stats = calloc(1, sizeof(*stats));

	for (int kind = 0; stats != NULL && kind < GC_KINDS; kind++) {
		histogram_init(&stats->pauses[kind], bounds, BOUNDS_N);
		histogram_init(&stats->spans[kind], bounds, BOUNDS_N);
	}
	return stats;
}

static void take_sizes(struct gc_stats *stats, const struct gc_event *event)
{
	stats->has_sizes[event->kind] = true;
	if (event->before_bytes > event->after_bytes)
		stats->freed_bytes[event->kind] += event->before_bytes - event->after_bytes;
	if (event->kind != GC_MAJOR)
		return;
	stats->has_live = true;
	stats->live_bytes = event->after_bytes;
	stats->live_ns = clock_mono_ns();
}

void gc_stats_take(struct gc_stats *stats, const struct gc_event *event)
{
	double seconds = (double)event->duration_ns / (double)NS_PER_S;

	if (event->is_span) {
		histogram_observe(&stats->spans[event->kind], seconds);
		stats->spans_n[event->kind]++;
	} else {
		histogram_observe(&stats->pauses[event->kind], seconds);
		stats->pauses_n[event->kind]++;
	}
	/* Its steps are of a collection of the whole heap. */
	stats->collections[event->kind == GC_INCREMENTAL ? GC_MAJOR : event->kind] += event->is_end;
	if (event->has_sizes)
		take_sizes(stats, event);
}
