#pragma once

/*
 * Who refers to a node, who to those, and so on: a tree, nearest to a root first. Each node is in
 * it once; what only weak references lead to is not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/analysis.h"

enum { HEAP_RETAINERS_EACH = 5, HEAP_RETAINERS_DEPTH = 8 };

/* A tree of so many at each, so deep: 5^0 + 5^1 + ... + 5^8. */
enum { HEAP_RETAINERS_MAX = 488281 };

struct heap_retainer {
	uint32_t node;
	uint32_t edge; /* to its parent in this tree; UINT32_MAX: it is the first */
	uint32_t depth; /* from 0 */
	uint32_t more; /* that refer to it, and are not in the tree */
};

struct heap_retainers {
	struct heap_retainer
		*items; /* owned: each before those that refer to it, as to be printed */
	size_t n;
};

/*
 * At most HEAP_RETAINERS_EACH at each of them, and so many in all, 0: however many; of equal
 * distance those that come first in the snapshot. The referrers have to be there
 * (heap_analysis_refer()). 0, -ENOMEM; fini in any case.
 */
int heap_retainers_find(struct heap_retainers *ret, const struct heap_analysis *analysis,
			uint32_t node, uint64_t most);
void heap_retainers_fini(struct heap_retainers *retainers); /* zeroed is fine */
