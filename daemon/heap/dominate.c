/*
 * Dominators and retained sizes
 */

#include "heap/dominate.h"

#include <errno.h>

#include "heap/alloc.h"

enum { NONE = 0, AHEAD = 32, PREFETCH_EDGES = 24 };

/* The way from a vertex towards the root, as far as it is known already, and the least on it. */
struct link {
	uint32_t up, low;
};

/* Vertices are numbers in preorder, from 0; `number` has them + 1, NONE: not reached. */
struct search {
	const struct heap_graph *graph;
	const uint64_t *inner;
	uint32_t n; /* reached */
	uint32_t *number; /* by node, until the edges that lead back are stored */
	uint32_t *order; /* by vertex: its node */
	uint32_t *parent; /* by vertex, from then on; before, it is where the link leads up to */
	struct link *links; /* by vertex */
	uint32_t *back_first; /* by vertex: edges that come from behind it in preorder */
	uint32_t *back; /* vertices they come from */
	uint32_t back_n;
	struct heap_stack nodes, next; /* the path of the search, and the next edge of each */
};

/* ---- depth first ---- */

static int enter(struct search *search, uint32_t node, uint32_t parent)
{
	const struct heap_graph *graph = search->graph;
	uint32_t vertex = search->n++, first = graph->edge_first[node];
	uint32_t end = graph->edge_first[node + 1];
	int r;

	search->number[node] = vertex + 1;
	search->order[vertex] = node;
	search->links[vertex] = (struct link){ parent, parent };
	for (uint32_t i = first; i < end && i < first + PREFETCH_EDGES; i++)
		__builtin_prefetch(&search->number[heap_edge_to(graph->edges[i])]);
	r = heap_stack_push(&search->nodes, node);
	return r < 0 ? r : heap_stack_push(&search->next, first);
}

/* The next child that was not reached before; false when there is none. */
static bool step(struct search *search, uint32_t node, uint32_t *next, uint32_t *ret)
{
	const struct heap_graph *graph = search->graph;
	uint32_t vertex = search->number[node] - 1, end = graph->edge_first[node + 1];

	for (uint32_t i = *next; i < end; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]), number;

		if (!heap_edge_counts(graph, search->inner, node, graph->edges[i]))
			continue;
		number = search->number[to];
		if (number == NONE) {
			*next = i + 1;
			*ret = to;
			return true;
		}
		number--;
		if (number < vertex) {
			search->back_first[number]++;
			search->back_n++;
		} else if (vertex < search->links[number].low) {
			search->links[number].low = vertex;
		}
	}
	return false;
}

/* All that is reached from a node, which is reached from the root. */
static int visit(struct search *search, uint32_t node, uint32_t parent)
{
	int r = enter(search, node, parent);

	while (r == 0 && search->nodes.n > 0) {
		uint32_t *next = &search->next.items[search->next.n - 1], child;

		node = search->nodes.items[search->nodes.n - 1];
		if (step(search, node, next, &child)) {
			__builtin_prefetch(&search->graph->edge_first[child]);
			r = enter(search, child, search->number[node] - 1);
		} else {
			search->nodes.n--;
			search->next.n--;
		}
	}
	return r;
}

/*
 * Unreached nodes that nothing refers to. What does refer to an unreached one is unreached as well,
 * so that only those have to be asked.
 */
static int visit_orphans(struct search *search)
{
	const struct heap_graph *graph = search->graph;
	uint64_t *referred = heap_bits_alloc(graph->nodes);
	int r = referred == NULL ? -ENOMEM : 0;

	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		uint32_t end = search->number[node] == NONE ? graph->edge_first[node + 1] : 0;

		for (uint32_t i = graph->edge_first[node]; i < end; i++) {
			if (heap_edge_counts(graph, search->inner, node, graph->edges[i]))
				heap_bit_set(referred, heap_edge_to(graph->edges[i]));
		}
	}
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if (search->number[node] == NONE && !heap_bit(referred, node))
			r = visit(search, node, 0);
	}
	heap_bits_free(referred, graph->nodes);
	return r;
}

/* ---- edges that lead back ---- */

/* An edge on its way to its place, while the memory that says where is fetched. */
struct moving {
	uint32_t to, vertex;
};

static void place_back(struct search *search, const struct moving *moving)
{
	uint32_t number = search->number[moving->to];

	if (number != NONE && number - 1 < moving->vertex)
		search->back[search->back_first[number - 1]++] = moving->vertex;
}

/* In the order of the file, in which edges lie; the ring gives memory time to come. */
static void place_backs(struct search *search)
{
	const struct heap_graph *graph = search->graph;
	struct moving ring[AHEAD] = { { .to = 0 } };
	uint64_t put = 0;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint32_t end = search->number[node] != NONE ? graph->edge_first[node + 1] : 0;

		for (uint32_t i = graph->edge_first[node]; i < end; i++) {
			struct moving *slot = &ring[put % AHEAD];

			if (!heap_edge_counts(graph, search->inner, node, graph->edges[i]))
				continue;
			if (put++ >= AHEAD)
				place_back(search, slot);
			*slot = (struct moving){ heap_edge_to(graph->edges[i]),
						 search->number[node] - 1 };
			__builtin_prefetch(&search->number[slot->to]);
		}
	}
	for (uint64_t i = put > AHEAD ? put - AHEAD : 0; i < put; i++)
		place_back(search, &ring[i % AHEAD]);
}

static int collect_backs(struct search *search)
{
	uint32_t sum = 0;

	search->back = heap_alloc(search->back_n, sizeof(*search->back));
	if (search->back == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < search->n; i++) {
		uint32_t count = search->back_first[i];

		search->back_first[i] = sum;
		sum += count;
	}
	place_backs(search);
	return 0;
}

/* What numbered the nodes is done with, and makes room for what the links will no longer tell. */
static int keep_parents(struct search *search)
{
	heap_free(search->number, search->graph->nodes, sizeof(*search->number));
	search->number = NULL;
	search->parent = heap_alloc(search->n, sizeof(*search->parent));
	if (search->parent == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < search->n; i++)
		search->parent[i] = search->links[i].up;
	return 0;
}

/* ---- semidominators ---- */

/* The least semidominator on the way from v up to the first vertex that is not behind w. */
static int least_above(struct search *search, uint32_t v, uint32_t w, uint32_t *ret)
{
	struct link *links = search->links;
	struct heap_stack *path = &search->nodes;
	uint32_t at = v, low, up;

	while (links[at].up > w) {
		int r = heap_stack_push(path, at);

		if (r < 0)
			return r;
		at = links[at].up;
	}
	low = links[at].low;
	up = links[at].up;
	while (path->n > 0) {
		struct link *link = &links[path->items[--path->n]];

		if (low < link->low)
			link->low = low;
		low = link->low;
		link->up = up;
	}
	*ret = low;
	return 0;
}

/*
 * From the last to the first: what is behind w is linked by then. The list of w is no longer
 * needed when it is done; its semidominator takes the place, since low goes on to be that of a way.
 */
static int find_semidominators(struct search *search)
{
	/* back_first[w] is where the list of w ends by now. */
	for (uint32_t w = search->n - 1; w > 0; w--) {
		uint32_t end = search->back_first[w], low = search->links[w].low, least;

		for (uint32_t i = search->back_first[w - 1]; i < end; i++) {
			int r = least_above(search, search->back[i], w, &least);

			if (r < 0)
				return r;
			low = least < low ? least : low;
		}
		search->links[w].low = low;
		search->back_first[w] = low;
	}
	return 0;
}

/* In place of the parents: the nearest ancestor that is not behind the semidominator. */
static void find_dominators(struct search *search)
{
	uint32_t *dominator = search->parent;

	for (uint32_t w = 1; w < search->n; w++) {
		uint32_t d = dominator[w], semi = search->back_first[w];

		while (d > semi)
			d = dominator[d];
		dominator[w] = d;
	}
}

/* ---- result ---- */

static int allocate(struct search *search)
{
	size_t n = search->graph->nodes;

	search->number = heap_alloc(n, sizeof(*search->number));
	search->order = heap_alloc(n, sizeof(*search->order));
	search->links = heap_alloc(n, sizeof(*search->links));
	search->back_first = heap_alloc(n, sizeof(*search->back_first));
	return search->number == NULL || search->order == NULL || search->links == NULL ||
			       search->back_first == NULL
		       ? -ENOMEM
		       : 0;
}

/* What only the search itself needs. */
static void free_edges(struct search *search)
{
	size_t n = search->graph->nodes;

	heap_free(search->number, n, sizeof(*search->number));
	heap_free(search->links, n, sizeof(*search->links));
	heap_free(search->back_first, n, sizeof(*search->back_first));
	heap_free(search->back, search->back_n, sizeof(*search->back));
	heap_stack_fini(&search->nodes);
	heap_stack_fini(&search->next);
}

/* Vertices to nodes; circles that nothing reaches come last. */
static int translate(struct search *search, uint32_t *dominator)
{
	const struct heap_graph *graph = search->graph;
	const uint32_t *order = search->order;
	uint64_t *reached = heap_bits_alloc(graph->nodes);

	if (reached == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < search->n; i++) {
		if (i + AHEAD < search->n)
			__builtin_prefetch(&dominator[order[i + AHEAD]], 1);
		dominator[order[i]] = order[search->parent[i]];
		heap_bit_set(reached, order[i]);
	}
	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (!heap_bit(reached, node)) {
			dominator[node] = graph->root;
			search->order[search->n++] = node;
		}
	}
	heap_bits_free(reached, graph->nodes);
	return 0;
}

static int search_all(struct search *search)
{
	int r = allocate(search);

	if (r == 0)
		r = visit(search, search->graph->root, 0);
	if (r == 0 && search->n < search->graph->nodes)
		r = visit_orphans(search);
	if (r == 0)
		r = collect_backs(search);
	if (r == 0)
		r = keep_parents(search);
	if (r == 0)
		r = find_semidominators(search);
	if (r == 0)
		find_dominators(search);
	return r;
}

int heap_dominators_init(struct heap_dominators *ret, const struct heap_graph *graph,
			 const uint64_t *inner)
{
	struct search search = { .graph = graph, .inner = inner };
	int r = search_all(&search);
	uint32_t n = search.n;

	*ret = (struct heap_dominators){ .nodes = graph->nodes, .order = search.order };
	free_edges(&search);
	if (r == 0) {
		ret->dominator = heap_alloc(graph->nodes, sizeof(*ret->dominator));
		r = ret->dominator != NULL ? translate(&search, ret->dominator) : -ENOMEM;
	}
	heap_free(search.parent, n, sizeof(*search.parent));
	return r;
}

void heap_dominators_fini(struct heap_dominators *dominators)
{
	heap_free(dominators->dominator, dominators->nodes, sizeof(*dominators->dominator));
	heap_free(dominators->order, dominators->nodes, sizeof(*dominators->order));
	*dominators = (struct heap_dominators){ .nodes = 0 };
}

uint64_t *heap_retained(const struct heap_graph *graph, const struct heap_dominators *dominators)
{
	uint64_t *retained = heap_alloc(graph->nodes, sizeof(*retained));

	if (retained == NULL)
		return NULL;
	for (uint32_t node = 0; node < graph->nodes; node++)
		retained[node] = heap_size(graph, node);
	for (uint32_t i = graph->nodes - 1; i > 0; i--) {
		uint32_t node = dominators->order[i];

		if (i > AHEAD)
			__builtin_prefetch(&retained[dominators->order[i - AHEAD]]);
		retained[dominators->dominator[node]] += retained[node];
	}
	return retained;
}
