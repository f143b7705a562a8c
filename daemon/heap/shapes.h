#pragma once

/*
 * Shapes of plain objects
 *
 * Thousands of objects named "Object" say nothing; `{id, name, tags}` does. The most usual lists of
 * first properties become shapes, and an object is of the shape with most properties of which it
 * has all (Chrome DevTools' interface inference: the same shapes, the same choice).
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"

struct heap_shape {
	char *text; /* owned: "{id, name}" */
	uint32_t *properties; /* owned: numbers, ascending */
	uint32_t n;
};

struct heap_shapes {
	struct heap_shape *items; /* owned; those of more objects come first */
	uint32_t n;
	char **properties; /* owned texts, by number */
	uint32_t *names; /* owned: strings of the graph they were found in, by number */
	uint32_t properties_n;
	const struct heap_graph *graph; /* that one; only compared */
};

enum { HEAP_NO_SHAPE = 0 };

/* 0, -ENOMEM; fini in any case. */
int heap_shapes_find(struct heap_shapes *ret, const struct heap_graph *graph);
void heap_shapes_fini(struct heap_shapes *shapes); /* zeroed is fine */

/* Which shape objects of a graph have, which may be another than that of the shapes. */
struct heap_shaper;

/* NULL on ENOMEM. Both have to live as long; heap_shaper_free(). */
struct heap_shaper *heap_shaper_new(const struct heap_shapes *shapes,
				    const struct heap_graph *graph);

/* 1: *ret is its shape + 1, or HEAP_NO_SHAPE; 0: it is no plain object; -ENOMEM. */
int heap_shaper_ask(struct heap_shaper *shaper, uint32_t node, uint32_t *ret);
void heap_shaper_free(struct heap_shaper *shaper); /* NULL is fine */

/*
 * For each plain object of a graph, which may be another one, its shape + 1 or HEAP_NO_SHAPE.
 * fn is called in the order of nodes. 0, -ENOMEM, and what fn returns but 0.
 */
typedef int heap_shape_fn(void *owner, uint32_t node, uint32_t shape);
int heap_shapes_apply(const struct heap_shapes *shapes, const struct heap_graph *graph,
		      heap_shape_fn *fn, void *owner);
