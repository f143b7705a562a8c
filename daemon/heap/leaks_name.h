#pragma once

/*
 * By what name a program knows an object
 *
 * What runs may hold it for a moment, by a way that is shorter and has no names. Then it is known
 * by who else refers to it.
 */

#include "heap/analysis.h"

/* The reference is a variable or a property. UINT32_MAX is none. */
bool leaks_is_name(const struct heap_graph *graph, uint32_t edge);

/*
 * Of the names of a node that of who is nearest to a root, and is not held by it; UINT32_MAX: it
 * has none. A look at all references. 0, -ENOMEM.
 */
int leaks_nearest_name(const struct heap_graph *graph, const struct heap_tree *tree,
		       const int32_t *distances, uint32_t node, uint32_t *ret);
