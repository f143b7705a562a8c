#pragma once

/*
 * Why a node is there: the chain of its dominators, each of which alone would free it, and a
 * shortest path from a root. Equal steps that follow each other, as along a linked list, are one
 * run of steps.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/analysis.h"

/* A node, and the edge that leads from it to the step before. */
struct heap_step {
	uint32_t node;
	uint32_t edge; /* UINT32_MAX: none leads there directly */
	uint32_t times; /* how many equal ones in a row this is the last of */
};

struct heap_path {
	struct heap_step *steps; /* owned; the first is the node itself */
	size_t n;
};

/* 0, -ENOMEM; fini in any case. */
int heap_path_dominators(struct heap_path *ret, const struct heap_analysis *analysis,
			 uint32_t node);

/*
 * No step but the first when no way leads there. The referrers have to be there
 * (heap_analysis_refer()).
 */
int heap_path_shortest(struct heap_path *ret, const struct heap_analysis *analysis, uint32_t node);

/*
 * By node, the first edge on a shortest way to it, + 1; 0: it is a root, or not reached.
 * heap_free(ret, nodes, 4). NULL on ENOMEM. For more than one path:
 */
uint32_t *heap_ways(const struct heap_analysis *analysis);
int heap_path_along(struct heap_path *ret, const struct heap_analysis *analysis,
		    const uint32_t *ways, uint32_t node);
void heap_path_fini(struct heap_path *path); /* zeroed is fine */
