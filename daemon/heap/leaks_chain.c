/*
 * Lists
 *
 * A link may be of a few objects (an entry and its value's promise), so that a few classes may take
 * turns.
 */

#include "heap/leaks_chain.h"

enum { TURN_MAX = 4 };

struct turn {
	uint32_t classes[TURN_MAX];
	size_t n, steps;
	uint64_t count; /* of the first class */
};

/* Of its class are some already, or there may be one more. */
static bool takes(struct turn *turn, uint32_t class)
{
	turn->count += class == turn->classes[0] || turn->n == 0;
	turn->steps++;
	for (size_t i = 0; i < turn->n; i++) {
		if (turn->classes[i] == class)
			return true;
	}
	if (turn->n == TURN_MAX || turn->steps > TURN_MAX)
		return false;
	turn->classes[turn->n++] = class;
	return true;
}

/* UINT32_MAX: it holds nothing new. */
static int largest_new(struct leaks_view *view, uint32_t node, uint32_t *ret)
{
	uint32_t kid;
	int r;

	*ret = UINT32_MAX;
	leaks_parts_begin(view, node);
	while ((r = leaks_parts_next(view, &kid)) > 0) {
		if (view->pasts[0].retained[kid] == HEAP_NEW && leaks_is_thing(view, kid) &&
		    (*ret == UINT32_MAX || view->retained[kid] > view->retained[*ret]))
			*ret = kid;
	}
	return r;
}

/* Upwards past the links that were there before; *ret_below is the last one. */
static uint32_t hook_of(const struct leaks_view *view, const struct turn *turn, uint32_t holder,
			uint32_t *ret_below)
{
	uint32_t hook = holder, left = view->graph->nodes;

	/* No chain has more links than there are nodes, whatever an index says. */
	for (uint32_t node = holder; node != view->graph->root && left > 0;
	     node = view->dominator[node], left--) {
		bool link = leaks_is_part(view, node);

		for (size_t i = 0; i < turn->n; i++)
			link |= view->class[node] == turn->classes[i];
		hook = node;
		if (!link)
			break;
		*ret_below = node;
	}
	return hook;
}

/* From who dominates it, or else, as when compiled code refers to it too, on the shortest way. */
static uint32_t edge_to(const struct leaks_view *view, uint32_t first)
{
	uint32_t via = view->tree->via[first];

	return (via != 0 ? via : view->ways[first]) - 1; /* 0 becomes UINT32_MAX */
}

int leaks_chain(struct leaks_view *view, uint32_t first, struct heap_suspect *suspect)
{
	struct turn turn = { .n = 0 };
	uint32_t node = first, below;
	int r = 0;

	while (r == 0 && node != UINT32_MAX && takes(&turn, view->class[node]))
		r = largest_new(view, node, &node);
	if (r < 0 || turn.count < HEAP_LEAK_MIN_CHAIN)
		return r;
	below = first;
	suspect->holder = hook_of(view, &turn, suspect->holder, &below);
	suspect->via = edge_to(view, below);
	suspect->class = turn.classes[0];
	suspect->example = first;
	suspect->count = turn.count;
	suspect->kind = HEAP_LEAK_CHAIN;
	return 1;
}
