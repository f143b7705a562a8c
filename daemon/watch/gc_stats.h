#pragma once

/* What the collections of an isolate have come to since it was first seen. */

#include "inspect/gc.h"
#include "util/metric.h"

struct gc_stats {
	struct histogram pauses[GC_KINDS], spans[GC_KINDS]; /* seconds */
	uint64_t pauses_n[GC_KINDS], spans_n[GC_KINDS];
	uint64_t collections[GC_KINDS];
	uint64_t freed_bytes[GC_KINDS];
	bool has_sizes[GC_KINDS]; /* of any of them: freed_bytes is known */
	bool has_live;
	uint64_t live_bytes; /* of the heap in use right after the last of the whole heap */
	uint64_t live_ns; /* when that was told, monotonic */
};

/* NULL without memory. */
struct gc_stats *gc_stats_new(void);

void gc_stats_take(struct gc_stats *stats, const struct gc_event *event);
