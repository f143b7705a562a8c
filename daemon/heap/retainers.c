/*
 * Who refers to a node
 *
 * Level by level: one walk over all references finds those that lead to the nodes of the last
 * level. Then the tree is put in the order of a walk into its depth.
 */

#include "heap/retainers.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"

enum { ALL_MAX = 4096, FAR = 1 << 29 };

struct found {
	uint32_t node, edge, parent; /* parent: in the tree */
};

struct search {
	const struct heap_analysis *analysis;
	struct heap_retainer *items; /* owned: in the order they were found */
	uint32_t *parent; /* owned: by item */
	size_t n, most;
	uint32_t *place; /* owned: by node, item + 1 */
	struct found *found; /* owned */
	size_t found_n, found_capacity;
};

/* What is not reached from the program's roots is farther than what is. */
static int32_t distance_of(const struct search *search, uint32_t node)
{
	int32_t distance = search->analysis->distances[node];

	return distance >= 0 ? distance : FAR;
}

static int note(struct search *search, struct found found)
{
	if (search->found_n == search->found_capacity) {
		size_t capacity = search->found_capacity > 0 ? search->found_capacity * 2 : 256;
		struct found *items = reallocarray(search->found, capacity, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		search->found = items;
		search->found_capacity = capacity;
	}
	search->found[search->found_n++] = found;
	return 0;
}

/* References to items from `first` on. */
static int scan(struct search *search, size_t first)
{
	const struct heap_graph *graph = &search->analysis->graph;
	int r = 0;

	search->found_n = 0;
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		uint32_t last = 0;

		for (uint32_t i = graph->edge_first[node];
		     i < graph->edge_first[node + 1] && r == 0; i++) {
			uint32_t to = heap_edge_to(graph->edges[i]), place = search->place[to];

			if (place <= first || place == last || to == node ||
			    heap_edge_kind(graph->edges[i]) == HEAP_WEAK)
				continue;
			last = place;
			r = note(search, (struct found){ node, i, place - 1 });
		}
	}
	return r;
}

static int by_parent(const void *a, const void *b, void *arg)
{
	const struct found *x = a, *y = b;
	int32_t near, other;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	near = distance_of(arg, x->node);
	other = distance_of(arg, y->node);
	if (near != other)
		return near < other ? -1 : 1;
	return x->edge < y->edge ? -1 : x->edge > y->edge;
}

static void add(struct search *search, const struct found *found, size_t taken)
{
	struct heap_retainer *parent = &search->items[found->parent];

	if (search->place[found->node] != 0)
		return;
	if (taken == HEAP_RETAINERS_EACH || search->n == search->most) {
		parent->more++;
		return;
	}
	search->parent[search->n] = found->parent;
	search->items[search->n++] = (struct heap_retainer){ .node = found->node,
							     .edge = found->edge,
							     .depth = parent->depth + 1 };
	search->place[found->node] = (uint32_t)search->n;
}

static int grow_level(struct search *search, size_t first)
{
	int r = scan(search, first);
	size_t taken = 0;

	if (r < 0)
		return r;
	qsort_r(search->found, search->found_n, sizeof(*search->found), by_parent, search);
	for (size_t i = 0; i < search->found_n; i++) {
		size_t before = search->n;

		if (i > 0 && search->found[i].parent != search->found[i - 1].parent)
			taken = 0;
		add(search, &search->found[i], taken);
		taken += search->n - before;
	}
	return 0;
}

/* Each behind its parent: the children of one stand in a row, so the last is taken first. */
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
		for (size_t i = search->n; i > 1 && r == 0; i--) {
			if (search->parent[i - 1] == item)
				r = heap_stack_push(&stack, (uint32_t)(i - 1));
		}
	}
	heap_stack_fini(&stack);
	return r;
}

int heap_retainers_find(struct heap_retainers *ret, const struct heap_analysis *analysis,
			uint32_t node, uint64_t most)
{
	struct search search = {
		.analysis = analysis,
		.most = most > 0 && most < ALL_MAX ? (size_t)most : ALL_MAX,
		.items = calloc(ALL_MAX, sizeof(*search.items)),
		.parent = calloc(ALL_MAX, sizeof(*search.parent)),
		.place = heap_alloc(analysis->graph.nodes, sizeof(*search.place)),
	};
	size_t first = 0;
	int r = search.items != NULL && search.parent != NULL && search.place != NULL ? 0 : -ENOMEM;

	*ret = (struct heap_retainers){ .n = 0 };
	if (r == 0) {
		search.items[0] = (struct heap_retainer){ .node = node, .edge = UINT32_MAX };
		search.n = 1;
		search.place[node] = 1;
	}
	for (int depth = 0; r == 0 && depth < HEAP_RETAINERS_DEPTH && first < search.n; depth++) {
		size_t end = search.n;

		r = grow_level(&search, first);
		first = end;
	}
	r = r == 0 ? put_in_order(ret, &search) : r;
	free(search.items);
	free(search.parent);
	free(search.found);
	heap_free(search.place, analysis->graph.nodes, sizeof(*search.place));
	return r;
}

void heap_retainers_fini(struct heap_retainers *retainers)
{
	free(retainers->items);
	*retainers = (struct heap_retainers){ .n = 0 };
}
