/*
 * What dominates what, as ranges of numbers
 */

#include "heap/spans.h"

#include <errno.h>

#include "heap/alloc.h"

static void count(struct heap_spans *spans, const struct heap_dominators *dominators)
{
	uint32_t *span = spans->span;

	for (uint32_t i = spans->nodes - 1; i > 0; i--) {
		uint32_t node = dominators->order[i];

		span[dominators->dominator[node]] += ++span[node];
	}
	span[dominators->order[0]]++;
}

/* next: by node, the place of what it dominates next; zeroed. */
static void place(struct heap_spans *spans, const struct heap_dominators *dominators,
		  uint32_t *next)
{
	spans->node[0] = dominators->order[0];
	next[dominators->order[0]] = 1;
	for (uint32_t i = 1; i < spans->nodes; i++) {
		uint32_t node = dominators->order[i], *at = &next[dominators->dominator[node]];

		spans->node[*at] = node;
		next[node] = *at + 1;
		*at += spans->span[node];
	}
}

int heap_spans_init(struct heap_spans *ret, const struct heap_dominators *dominators)
{
	uint32_t n = dominators->nodes, *next = heap_alloc(n, sizeof(*next));

	*ret = (struct heap_spans){
		.nodes = n,
		.node = heap_alloc(n, sizeof(*ret->node)),
		.span = heap_alloc(n, sizeof(*ret->span)),
	};
	if (next == NULL || ret->node == NULL || ret->span == NULL) {
		heap_free(next, n, sizeof(*next));
		return -ENOMEM;
	}
	count(ret, dominators);
	place(ret, dominators, next);
	heap_free(next, n, sizeof(*next));
	return 0;
}

void heap_spans_fini(struct heap_spans *spans)
{
	heap_free(spans->node, spans->nodes, sizeof(*spans->node));
	heap_free(spans->span, spans->nodes, sizeof(*spans->span));
	*spans = (struct heap_spans){ .nodes = 0 };
}
