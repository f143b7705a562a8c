/*
 * Lists
 *
 * A link may be of a few objects (an entry and its value's promise), so that a few classes may take
 * turns. The way down goes by the largest, and behind the last new link on into what that has
 * besides: a component's children are of the class of the component. What they are held by goes by
 * another name than `next`, so that links are counted to the last that is held by the name most of
 * them are.
 */

#include "heap/leaks_chain.h"

#include "heap/leaks_name.h"

enum { TURN_MAX = 4 };

/* By what links of the first class are held. */
struct tie {
	uint64_t key; /* of a reference: tie_key() */
	uint64_t times;
	uint64_t last; /* how many links there were with the last one that is held so */
};

struct turn {
	uint32_t classes[TURN_MAX];
	size_t n, steps;
	uint64_t count; /* of the first class */
	struct tie ties[TURN_MAX];
	size_t ties_n;
};

/* Of all that is numbered one; 0: its dominator does not refer to it. */
static uint64_t tie_key(const struct leaks_view *view, uint32_t node)
{
	const struct heap_graph *graph = view->graph;
	uint32_t via = view->tree->via[node], word;

	if (via == 0)
		return 0;
	word = graph->edges[via - 1];
	return (uint64_t)heap_edge_kind(word) << 33 | (uint64_t)heap_edge_named(word) << 32 |
	       (heap_edge_named(word) ? graph->edge_name[via - 1] : 0);
}

/* The place of this key, which may be that of one that has come no more often than others went. */
static size_t place_of(struct turn *turn, uint64_t key)
{
	size_t i = 0, least = 0;

	while (i < turn->ties_n && turn->ties[i].key != key)
		i++;
	if (i < TURN_MAX)
		return i;
	for (i = 0; i < TURN_MAX; i++) {
		if (turn->ties[i].times > 0)
			turn->ties[i].times--;
		if (turn->ties[i].times < turn->ties[least].times)
			least = i;
	}
	return turn->ties[least].times == 0 ? least : TURN_MAX;
}

/* What most of them are held by stays among the few (Misra, Gries 1982). */
static void tie(struct turn *turn, uint64_t key)
{
	size_t i = place_of(turn, key);

	if (i == TURN_MAX)
		return;
	if (i == turn->ties_n)
		turn->ties_n++;
	if (turn->ties[i].key != key || turn->ties[i].times == 0)
		turn->ties[i] = (struct tie){ .key = key };
	turn->ties[i].times++;
	turn->ties[i].last = turn->count;
}

/* As far as they are held as most are. */
static uint64_t links_of(const struct turn *turn)
{
	const struct tie *most = &turn->ties[0];

	for (size_t i = 1; i < turn->ties_n; i++) {
		if (turn->ties[i].times > most->times)
			most = &turn->ties[i];
	}
	return turn->ties_n > 0 ? most->last : turn->count;
}

/* Of its class are some already, or there may be one more. */
static bool takes(struct turn *turn, const struct leaks_view *view, uint32_t node)
{
	uint32_t class = view->class[node];

	turn->count += class == turn->classes[0] || turn->n == 0;
	turn->steps++;
	if (turn->n > 0 && class == turn->classes[0])
		tie(turn, tie_key(view, node));
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

/*
 * What runs, or is being compiled, may hold a link for a moment, so that no object of the program
 * dominates the chain: it hangs on who knows that link by a name then.
 */
static int hang_on_name(const struct leaks_view *view, uint32_t below, struct heap_suspect *suspect)
{
	uint32_t edge;
	int r = leaks_nearest_name(view->graph, view->tree, view->distances, below, &edge);

	if (edge != UINT32_MAX) {
		suspect->holder = heap_edge_from(view->graph, edge);
		suspect->via = edge;
	}
	return r;
}

int leaks_chain(struct leaks_view *view, uint32_t first, struct heap_suspect *suspect)
{
	struct turn turn = { .n = 0 };
	uint32_t node = first, below;
	int r = 0;

	while (r == 0 && node != UINT32_MAX && takes(&turn, view, node))
		r = largest_new(view, node, &node);
	if (r < 0 || links_of(&turn) < HEAP_LEAK_MIN_CHAIN)
		return r;
	below = first;
	suspect->holder = hook_of(view, &turn, suspect->holder, &below);
	suspect->via = edge_to(view, below);
	if (view->graph->type[suspect->holder] == HEAP_SYNTHETIC)
		r = hang_on_name(view, below, suspect);
	suspect->class = turn.classes[0];
	suspect->example = first;
	suspect->count = links_of(&turn);
	suspect->kind = HEAP_LEAK_CHAIN;
	return r < 0 ? r : 1;
}
