#pragma once

/*
 * References read backwards: who refers to a node. Weak references, and those of a node to itself,
 * are none here.
 */

#include <stdint.h>
#include "heap/graph.h"

struct heap_referrers {
	uint32_t nodes, edges_n;
	/* owned, nodes + 1: those of node i are from[first[i]] .. from[first[i + 1] - 1] */
	uint32_t *first;
	/* owned: nodes, ascending for each; one is there once for each of its references */
	uint32_t *from;
};

/* 0, -ENOMEM; fini in any case. */
int heap_referrers_init(struct heap_referrers *ret, const struct heap_graph *graph);
void heap_referrers_fini(struct heap_referrers *referrers); /* zeroed is fine */
