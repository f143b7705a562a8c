#pragma once

/*
 * Classes of nodes
 *
 * Objects go by the name and the place of what constructed them, plain objects by their shape, all
 * others by their type. The key of a class is as Chrome DevTools has it:
 * "SCRIPT,LINE,COLUMN,NAME", or ",NAME" where no place is known. Classes with equal keys are one.
 */

#include <stdint.h>
#include "heap/graph.h"
#include "heap/shapes.h"
#include "util/map.h"

struct heap_class {
	char *key; /* owned, UTF-8 */
	const char *name; /* in key */
};

struct heap_classes {
	uint32_t nodes;
	uint32_t *of; /* by node */
	struct heap_class *items; /* owned */
	uint32_t n;
	size_t capacity;
	struct map by_key; /* to number + 1 */
};

/*
 * 0, -ENOMEM; fini in any case. shapes may be of another graph. known: NULL, or the classes of the
 * same graph by other shapes, which are another only for plain objects.
 */
int heap_classes_init(struct heap_classes *ret, const struct heap_graph *graph,
		      const struct heap_shapes *shapes, const struct heap_classes *known);
void heap_classes_fini(struct heap_classes *classes); /* zeroed is fine */
