/*
 * References read backwards
 */

#include "heap/referrers.h"

#include <errno.h>

#include "heap/alloc.h"

enum { AHEAD = 16 };

static bool counts(uint32_t node, uint32_t edge)
{
	return heap_edge_kind(edge) != HEAP_WEAK && heap_edge_to(edge) != node;
}

/* first[i + 1] is how many there are of i, then where those of i begin. */
static uint32_t count(uint32_t *first, const struct heap_graph *graph)
{
	uint32_t sum = 0;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++)
			first[heap_edge_to(graph->edges[i]) + 1] += counts(node, graph->edges[i]);
	}
	for (uint32_t node = 1; node <= graph->nodes; node++) {
		uint32_t n = first[node];

		first[node] = sum;
		sum += n;
	}
	return sum;
}

/* Each first[i + 1] moves on to where those of i end, which is where the next ones begin. */
static void fill(const struct heap_referrers *referrers, const struct heap_graph *graph)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			if (i + AHEAD < graph->edges_n)
				__builtin_prefetch(
					&referrers->first[heap_edge_to(graph->edges[i + AHEAD]) +
							  1]);
			if (counts(node, graph->edges[i]))
				referrers->from[referrers->first[heap_edge_to(graph->edges[i]) +
								 1]++] = node;
		}
	}
}

int heap_referrers_init(struct heap_referrers *ret, const struct heap_graph *graph)
{
	*ret = (struct heap_referrers){
		.nodes = graph->nodes,
		.first = heap_alloc((size_t)graph->nodes + 1, sizeof(uint32_t)),
	};
	if (ret->first == NULL)
		return -ENOMEM;
	ret->edges_n = count(ret->first, graph);
	ret->from = heap_alloc(ret->edges_n, sizeof(uint32_t));
	if (ret->from == NULL)
		return -ENOMEM;
	fill(ret, graph);
	return 0;
}

void heap_referrers_fini(struct heap_referrers *referrers)
{
	heap_free(referrers->first, (size_t)referrers->nodes + 1, sizeof(*referrers->first));
	heap_free(referrers->from, referrers->edges_n, sizeof(*referrers->from));
	*referrers = (struct heap_referrers){ .nodes = 0 };
}
