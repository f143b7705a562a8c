#pragma once

/*
 * A graph to V8's heap snapshot, as Chrome DevTools and MemLab load it. It is handed on in blocks
 * as it comes to be. What a graph has no column for is not in it: functions' places.
 */

#include <stddef.h>

struct heap_graph;
struct heap_stacks;

/* Takes the next bytes. 0, or a negative errno that ends it all. */
typedef int heap_save_fn(void *owner, const void *data, size_t size);

/*
 * stacks: of the same snapshot; without any, the file has none. Their strings stand behind those of
 * the graph, unless they are these. 0, -ENOMEM, what the function gave.
 */
int heap_save_v8(const struct heap_graph *graph, const struct heap_stacks *stacks, heap_save_fn *fn,
		 void *owner);
