/*
 * By what name a program knows an object
 */

#include "heap/leaks_name.h"

#include <errno.h>

#include "heap/alloc.h"

bool leaks_is_name(const struct heap_graph *graph, uint32_t edge)
{
	return edge != UINT32_MAX && (heap_edge_kind(graph->edges[edge]) == HEAP_CONTEXT ||
				      heap_edge_kind(graph->edges[edge]) == HEAP_PROPERTY);
}

/* The holder and what is held by it: what refers back is no name that others know it by. */
static int mark_held(const struct heap_tree *tree, uint32_t holder, uint64_t *held)
{
	struct heap_stack stack = { .n = 0 };
	int r = heap_stack_push(&stack, holder);

	while (r == 0 && stack.n > 0) {
		uint32_t node = stack.items[--stack.n];

		if (heap_bit(held, node))
			continue;
		heap_bit_set(held, node);
		for (uint32_t i = tree->first[node]; r == 0 && i < tree->first[node + 1]; i++)
			r = heap_stack_push(&stack, tree->kids[i]);
	}
	heap_stack_fini(&stack);
	return r;
}

/* UINT32_MAX: nobody does. */
static uint32_t find_nearest(const struct heap_graph *graph, const int32_t *distances,
			     uint32_t holder, const uint64_t *held)
{
	uint32_t ret = UINT32_MAX;
	int32_t nearest = INT32_MAX;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (distances[node] < 0 || distances[node] >= nearest || heap_bit(held, node))
			continue;
		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			if (heap_edge_to(graph->edges[i]) != holder || !leaks_is_name(graph, i))
				continue;
			nearest = distances[node];
			ret = i;
			break;
		}
	}
	return ret;
}

int leaks_nearest_name(const struct heap_graph *graph, const struct heap_tree *tree,
		       const int32_t *distances, uint32_t node, uint32_t *ret)
{
	uint64_t *held = heap_bits_alloc(graph->nodes);
	int r = held != NULL ? mark_held(tree, node, held) : -ENOMEM;

	*ret = r == 0 ? find_nearest(graph, distances, node, held) : UINT32_MAX;
	heap_bits_free(held, graph->nodes);
	return r;
}
