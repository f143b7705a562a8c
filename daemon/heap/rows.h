#pragma once

/* What a snapshot comes to: a row per class, sums of kinds, and a digest of it all. */

#include <stdint.h>
#include "heap/classes.h"
#include "heap/dominate.h"
#include "heap/graph.h"
#include "heap/spans.h"

/* Of the nodes of a class with a size of their own. */
struct heap_row {
	uint64_t count;
	uint64_t self, retained; /* bytes; retained: of those without one of the class above them */
	int32_t distance; /* the least */
};

/* By class, all but what is retained; free() it. NULL on ENOMEM. */
struct heap_row *heap_rows(const struct heap_graph *graph, const struct heap_classes *classes,
			   const int32_t *distances);

/* What is retained, of rows of heap_rows(); retained: bytes by node. 0, -ENOMEM. */
int heap_rows_retain(struct heap_row *rows, const struct heap_graph *graph,
		     const struct heap_classes *classes, const struct heap_spans *spans,
		     const uint64_t *retained);

/* Only count and self. By class; free() it. NULL on ENOMEM. */
struct heap_row *heap_row_sums(const struct heap_graph *graph, const struct heap_classes *classes);

/* Bytes, as the statistics of Chrome DevTools have them. */
struct heap_statistics {
	uint64_t total, native, typed_arrays;
	uint64_t code, js_arrays, strings, system;
};

/* 0, -ENOMEM. */
int heap_statistics(const struct heap_graph *graph, struct heap_statistics *ret);

/*
 * Over all nodes in the order of the file, in 32 bits that wrap: a = 31 a + id, a = 31 a +
 * retained; b = 31 b + id of the dominator, b = 31 b + distance. Two programs that give the same
 * have computed the same.
 */
struct heap_digest {
	uint32_t id_retained, dom_distance;
};

struct heap_digest heap_digest(const struct heap_graph *graph,
			       const struct heap_dominators *dominators, const uint64_t *retained,
			       const int32_t *distances);
