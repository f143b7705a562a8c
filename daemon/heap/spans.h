#pragma once

/*
 * What dominates what, as ranges of numbers
 *
 * The nodes in preorder of the dominator tree: what a node dominates is span[node] places from its
 * own on, itself included. Whether one of some set stands above a node is then asked of one number.
 */

#include <stdint.h>
#include "heap/dominate.h"

struct heap_spans {
	uint32_t nodes;
	uint32_t *node; /* owned: by place */
	uint32_t *span; /* owned: by node, places */
};

/* 0, -ENOMEM; fini in any case. */
int heap_spans_init(struct heap_spans *ret, const struct heap_dominators *dominators);
void heap_spans_fini(struct heap_spans *spans); /* zeroed is fine */
