#pragma once

/*
 * Distances of nodes from the roots of the program, counted in edges, as Chrome DevTools shows
 * them: by breadth, first from the program's own roots, then from the engine's. They are those of
 * V8's snapshots, with its rules for what is no way.
 */

#include <stdint.h>
#include "heap/graph.h"

enum {
	HEAP_UNREACHED = -5,
	HEAP_SYSTEM_DISTANCE = 100000000, /* of the root, when there are roots of the program */
};

/* By node; heap_free(ret, nodes, 4). NULL on ENOMEM. */
int32_t *heap_distances(const struct heap_graph *graph);
