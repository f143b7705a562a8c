#pragma once

/*
 * Dominators and retained sizes
 *
 * A dominates B when every path from the root to B leads through A: with A, B would go. The
 * algorithm is semi-NCA (Georgiadis, Tarjan, Werneck 2006: Finding Dominators in Practice) over
 * preorder numbers. Of the edges only those that lead back in that order are stored a second time;
 * all others are done with when the search passes them.
 *
 * What the root does not reach: a node that nothing refers to is taken for referred to by the root,
 * and so is what it leads to; what refers to itself in a circle is dominated by the root, and
 * holds nothing (as Chrome DevTools has it).
 */

#include <stdint.h>
#include "heap/alloc.h"
#include "heap/graph.h"

struct heap_dominators {
	uint32_t nodes;
	uint32_t *dominator; /* by node; the root's is itself */
	uint32_t *order; /* all nodes, each behind its dominator; the root first */
};

/*
 * inner: bits by node, or NULL: edges from outside of this set into it count at the root only.
 * 0, -ENOMEM; fini in any case.
 */
int heap_dominators_init(struct heap_dominators *ret, const struct heap_graph *graph,
			 const uint64_t *inner);
void heap_dominators_fini(struct heap_dominators *dominators); /* zeroed is fine */

/* Bytes of each node and all it dominates; heap_free(ret, nodes, 8). NULL on ENOMEM. */
uint64_t *heap_retained(const struct heap_graph *graph, const struct heap_dominators *dominators);

/* The edge counts: one of those whose ends decide about what holds what. */
static inline bool heap_edge_counts(const struct heap_graph *graph, const uint64_t *inner,
				    uint32_t from, uint32_t edge)
{
	uint32_t to = heap_edge_to(edge);
	enum heap_edge_kind kind = heap_edge_kind(edge);

	if (kind >= HEAP_SHORTCUT && (kind != HEAP_SHORTCUT || from != graph->root))
		return false;
	if (to == from)
		return false;
	return inner == NULL || from == graph->root || heap_bit(inner, from) ||
	       !heap_bit(inner, to);
}
