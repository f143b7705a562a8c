#pragma once

/* The dominator tree read downwards: what each node holds directly, and by which reference. */

#include <stdint.h>
#include "heap/dominate.h"
#include "heap/graph.h"

struct heap_tree {
	uint32_t nodes;
	uint32_t *first; /* owned, by node, nodes + 1: its children are kids[first[i] .. first[i +
			    1]) */
	uint32_t *kids; /* owned: ascending below each node */
	uint32_t
		*via; /* owned, by node: the edge from its dominator, + 1; 0: none leads directly */
};

/* 0, -ENOMEM; fini in any case. */
int heap_tree_init(struct heap_tree *ret, const struct heap_graph *graph,
		   const struct heap_dominators *dominators);
void heap_tree_fini(struct heap_tree *tree); /* zeroed is fine */
