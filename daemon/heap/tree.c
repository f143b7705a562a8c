/*
 * The dominator tree read downwards
 */

#include "heap/tree.h"

#include <errno.h>

#include "heap/alloc.h"

static void count(struct heap_tree *tree, const uint32_t *dominator, uint32_t root)
{
	uint32_t sum = 0;

	for (uint32_t node = 0; node < tree->nodes; node++) {
		if (node != root)
			tree->first[dominator[node]]++;
	}
	for (uint32_t node = 0; node <= tree->nodes; node++) {
		uint32_t n = tree->first[node];

		tree->first[node] = sum;
		sum += n;
	}
}

static void fill(struct heap_tree *tree, const uint32_t *dominator, uint32_t root)
{
	for (uint32_t node = 0; node < tree->nodes; node++) {
		if (node != root)
			tree->kids[tree->first[dominator[node]]++] = node;
	}
	/* Each is now where the next one begins. */
	for (uint32_t node = tree->nodes; node > 0; node--)
		tree->first[node] = tree->first[node - 1];
	tree->first[0] = 0;
}

/* A name says more than a number; else the first. */
static void find_edges(struct heap_tree *tree, const struct heap_graph *graph,
		       const uint32_t *dominator)
{
	for (uint32_t node = 0; node < tree->nodes; node++) {
		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			uint32_t edge = graph->edges[i], to = heap_edge_to(edge);
			uint32_t *via = &tree->via[to];

			if (dominator[to] != node || heap_edge_kind(edge) == HEAP_WEAK)
				continue;
			if (*via == 0 ||
			    (!heap_edge_named(graph->edges[*via - 1]) && heap_edge_named(edge)))
				*via = i + 1;
		}
	}
}

int heap_tree_init(struct heap_tree *ret, const struct heap_graph *graph,
		   const struct heap_dominators *dominators)
{
	uint32_t nodes = graph->nodes;

	*ret = (struct heap_tree){
		.nodes = nodes,
		.first = heap_alloc((size_t)nodes + 1, sizeof(uint32_t)),
		.kids = heap_alloc(nodes, sizeof(uint32_t)),
		.via = heap_alloc(nodes, sizeof(uint32_t)),
	};
	if (ret->first == NULL || ret->kids == NULL || ret->via == NULL)
		return -ENOMEM;
	count(ret, dominators->dominator, graph->root);
	fill(ret, dominators->dominator, graph->root);
	find_edges(ret, graph, dominators->dominator);
	return 0;
}

void heap_tree_fini(struct heap_tree *tree)
{
	heap_free(tree->first, (size_t)tree->nodes + 1, sizeof(*tree->first));
	heap_free(tree->kids, tree->nodes, sizeof(*tree->kids));
	heap_free(tree->via, tree->nodes, sizeof(*tree->via));
	*tree = (struct heap_tree){ .nodes = 0 };
}
