#pragma once

/*
 * What came between two snapshots of one tracking and is alive: by class, the objects of the last
 * whose ids the base has not. JSC numbers objects in the order in which it first sees them, until
 * the client that had Heap enabled leaves.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/analysis.h"
#include "heap/ids.h"

struct json_writer;

struct heap_arrival {
	uint32_t class; /* of the last one's */
	uint64_t count, bytes; /* of the objects themselves */
};

struct heap_arrivals {
	struct heap_arrival *items; /* owned: most bytes first */
	size_t n;
	uint64_t count, bytes; /* of all of them */
};

/* ids: those of the last. Of the base nothing is needed after. 0, -ENOMEM; fini in any case. */
int heap_arrivals_init(struct heap_arrivals *ret, const struct heap_graph *base,
		       const struct heap_analysis *last, const struct heap_ids *ids);
void heap_arrivals_fini(struct heap_arrivals *arrivals); /* zeroed is fine */

/* An object (docs/ANALYSIS.md); top: of so many classes. */
void heap_arrivals_write(const struct heap_arrivals *arrivals, const struct heap_classes *classes,
			 size_t top, struct json_writer *w);
