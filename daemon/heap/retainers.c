/*
 * Who refers to a node
 *
 * Level by level, and then put in the order of a walk into its depth. What is not in the tree is
 * counted when all that is in it is known.
 */

#include "heap/retainers.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"
#include "util/top.h"

struct search {
	const struct heap_analysis *analysis;
	struct heap_retainer *items; /* owned: in the order they were found */
	uint32_t *first; /* owned, by item: those that refer to it are items first[i] .. first[i +
			    1] */
	size_t n, most;
	uint64_t *inside; /* owned: bits by node */
};

/* What is not reached from the program's roots is farther than what is. */
static uint32_t distance_of(const struct search *search, uint32_t node)
{
	int32_t distance = search->analysis->distances[node];

	return distance >= 0 ? (uint32_t)distance : UINT32_MAX;
}

/* Those that refer to it and are not in the tree, from `at` on; UINT32_MAX: no more. Each once. */
static uint32_t next_outside(const struct search *search, uint32_t node, uint32_t *at)
{
	const struct heap_referrers *referrers = &search->analysis->referrers;

	while (*at < referrers->first[node + 1]) {
		uint32_t i = (*at)++, from = referrers->from[i];

		if ((i == referrers->first[node] || referrers->from[i - 1] != from) &&
		    !heap_bit(search->inside, from))
			return from;
	}
	return UINT32_MAX;
}

/* Into its place among the nearest so far. */
static size_t insert(const struct search *search, uint32_t nearest[HEAP_RETAINERS_EACH], size_t n,
		     uint32_t node)
{
	size_t i = n < HEAP_RETAINERS_EACH ? n : HEAP_RETAINERS_EACH;

	for (; i > 0 && distance_of(search, nearest[i - 1]) > distance_of(search, node); i--) {
		if (i < HEAP_RETAINERS_EACH)
			nearest[i] = nearest[i - 1];
	}
	if (i < HEAP_RETAINERS_EACH)
		nearest[i] = node;
	return n < HEAP_RETAINERS_EACH ? n + 1 : n;
}

static void grow(struct search *search, uint32_t item)
{
	uint32_t node = search->items[item].node, at = search->analysis->referrers.first[node];
	uint32_t nearest[HEAP_RETAINERS_EACH], from;
	size_t n = 0;

	while (search->n < search->most && (from = next_outside(search, node, &at)) != UINT32_MAX)
		n = insert(search, nearest, n, from);
	for (size_t i = 0; i < n && search->n < search->most; i++) {
		search->items[search->n++] = (struct heap_retainer){
			.node = nearest[i],
			.edge = heap_edge_between(&search->analysis->graph, nearest[i], node),
			.depth = search->items[item].depth + 1,
		};
		heap_bit_set(search->inside, nearest[i]);
	}
}

static void count_more(struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		struct heap_retainer *item = &search->items[i];
		uint32_t at = search->analysis->referrers.first[item->node];

		while (next_outside(search, item->node, &at) != UINT32_MAX)
			item->more++;
	}
}

/* Each behind its parent: of the children of one the last goes to the stack first. */
static int put_in_order(struct heap_retainers *ret, const struct search *search)
{
	struct heap_stack stack = { .n = 0 };
	int r = heap_stack_push(&stack, 0);

	ret->items = calloc(search->n, sizeof(*ret->items));
	if (ret->items == NULL)
		r = -ENOMEM;
	while (r == 0 && stack.n > 0) {
		uint32_t item = stack.items[--stack.n];

		ret->items[ret->n++] = search->items[item];
		for (uint32_t i = search->first[item + 1]; i > search->first[item] && r == 0; i--)
			r = heap_stack_push(&stack, i - 1);
	}
	heap_stack_fini(&stack);
	return r;
}

int heap_retainers_find(struct heap_retainers *ret, const struct heap_analysis *analysis,
			uint32_t node, uint64_t most)
{
	size_t nodes = analysis->graph.nodes;
	size_t all = top_of(nodes < HEAP_RETAINERS_MAX ? nodes : HEAP_RETAINERS_MAX, most);
	struct search search = {
		.analysis = analysis,
		.most = all,
		.items = calloc(all, sizeof(*search.items)),
		.first = calloc(all + 1, sizeof(*search.first)),
		.inside = heap_bits_alloc(nodes),
	};
	int r = search.items != NULL && search.first != NULL && search.inside != NULL ? 0 : -ENOMEM;

	*ret = (struct heap_retainers){ .n = 0 };
	if (r == 0) {
		search.items[search.n++] =
			(struct heap_retainer){ .node = node, .edge = UINT32_MAX };
		heap_bit_set(search.inside, node);
		for (uint32_t i = 0; i < search.n; i++) {
			search.first[i] = (uint32_t)search.n;
			if (search.items[i].depth < HEAP_RETAINERS_DEPTH)
				grow(&search, i);
		}
		search.first[search.n] = (uint32_t)search.n;
		count_more(&search);
		r = put_in_order(ret, &search);
	}
	free(search.items);
	free(search.first);
	heap_bits_free(search.inside, nodes);
	return r;
}

void heap_retainers_fini(struct heap_retainers *retainers)
{
	free(retainers->items);
	*retainers = (struct heap_retainers){ .n = 0 };
}
