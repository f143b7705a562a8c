/*
 * Whether two snapshots of V8 are of one process, as far as they tell
 */

#include "heap/seed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "heap/hash.h"
#include "util/array.h"

/*
 * A walk along one table meets the places in another steadily rising, but for once at each end of a
 * part of a larger one, and a few that collided; of another seed it goes down at every second step.
 * With so many texts and parts there is nothing in between.
 */
enum { TEXTS_MIN = 200, PARTS_MAX = 16, FALLS_SHARE = 4 };

/* V8 has some 700, of short names; a file may claim what it likes. */
enum { TEXTS_MAX = 4096, NAME_BYTES_MAX = 256 };

struct heap_seed_text {
	uint64_t name; /* a hash of it: in every snapshot the same */
	uint32_t node;
	uint32_t place; /* in the table, from 1; 0: in none */
};

static int by_node(const void *a, const void *b)
{
	const struct heap_seed_text *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

static int by_name(const void *a, const void *b)
{
	const struct heap_seed_text *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* The child of this name; UINT32_MAX: there is none. */
static uint32_t child(const struct heap_graph *graph, uint32_t node, const char *name)
{
	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (graph->type[to] == HEAP_SYNTHETIC &&
		    heap_string_is(&graph->strings, graph->name[to], name))
			return to;
	}
	return UINT32_MAX;
}

/* What embeds V8 names its own objects right below the root. */
static bool is_of_node(const struct heap_graph *graph)
{
	for (uint32_t i = graph->edge_first[graph->root]; i < graph->edge_first[graph->root + 1];
	     i++) {
		if (heap_string_is(&graph->strings, graph->name[heap_edge_to(graph->edges[i])],
				   "Node / Environment"))
			return true;
	}
	return false;
}

static bool is_named_text(const struct heap_graph *graph, uint32_t edge)
{
	size_t size;

	if (graph->type[heap_edge_to(graph->edges[edge])] != HEAP_STRING ||
	    !heap_edge_named(graph->edges[edge]) || graph->edge_name[edge] >= graph->strings.n)
		return false;
	(void)heap_string_raw(&graph->strings, graph->edge_name[edge], &size);
	return size <= NAME_BYTES_MAX;
}

static int put_texts(struct heap_seed *seed, size_t *capacity, const struct heap_graph *graph,
		     uint32_t root)
{
	for (uint32_t i = graph->edge_first[root]; i < graph->edge_first[root + 1]; i++) {
		struct heap_seed_text *texts;

		if (!is_named_text(graph, i))
			continue;
		if (seed->n == TEXTS_MAX)
			return 0;
		texts = array_room(seed->texts, seed->n, capacity, 1024, sizeof(*texts));
		if (texts == NULL)
			return -ENOMEM;
		seed->texts = texts;
		texts[seed->n++] = (struct heap_seed_text){ hash_string(graph, graph->edge_name[i]),
							    heap_edge_to(graph->edges[i]), 0 };
	}
	return 0;
}

/* No reference more often than once, however often a root is one. */
static int put_all_texts(struct heap_seed *seed, const struct heap_graph *graph, uint32_t roots,
			 uint32_t table)
{
	uint32_t left = graph->edges_n;
	size_t capacity = 0;
	int r = 0;

	for (uint32_t i = graph->edge_first[roots]; i < graph->edge_first[roots + 1] && r == 0;
	     i++) {
		uint32_t root = heap_edge_to(graph->edges[i]);
		uint32_t edges = graph->edge_first[root + 1] - graph->edge_first[root];

		if (root == table || graph->type[root] != HEAP_SYNTHETIC || edges > left)
			continue;
		left -= edges;
		r = put_texts(seed, &capacity, graph, root);
	}
	return r;
}

/* One object may have several names, one beside the other. Where the table has it twice, the first
 * counts. */
static void put_place(struct heap_seed *seed, uint32_t node, uint32_t place)
{
	size_t low = 0, high = seed->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (seed->texts[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < seed->n && seed->texts[low].node == node && seed->texts[low].place == 0; low++)
		seed->texts[low].place = place;
}

static void put_places(struct heap_seed *seed, const struct heap_graph *graph, uint32_t table)
{
	uint32_t first = graph->edge_first[table];

	seed->table = graph->edge_first[table + 1] - first;
	for (uint32_t i = 0; i < seed->table; i++)
		put_place(seed, heap_edge_to(graph->edges[first + i]), i + 1);
}

/* Those in the table, of one name the first. */
static void keep_placed(struct heap_seed *seed)
{
	size_t kept = 0;

	for (size_t i = 0; i < seed->n; i++) {
		const struct heap_seed_text *text = &seed->texts[i];

		if (text->place > 0 && (kept == 0 || seed->texts[kept - 1].name != text->name))
			seed->texts[kept++] = *text;
	}
	seed->n = kept;
}

static void sort(struct heap_seed *seed, int (*order)(const void *, const void *))
{
	if (seed->n > 1)
		qsort(seed->texts, seed->n, sizeof(*seed->texts), order);
}

int heap_seed_init(struct heap_seed *ret, const struct heap_graph *graph)
{
	uint32_t roots = child(graph, graph->root, "(GC roots)"), table = UINT32_MAX;
	int r;

	*ret = (struct heap_seed){ .texts = NULL };
	if (roots != UINT32_MAX)
		table = child(graph, roots, "(Internalized strings)");
	if (table == UINT32_MAX)
		return 0;
	ret->drawn = is_of_node(graph);
	r = put_all_texts(ret, graph, roots, table);
	sort(ret, by_node);
	put_places(ret, graph, table);
	sort(ret, by_name);
	keep_placed(ret);
	return r;
}

void heap_seed_fini(struct heap_seed *seed)
{
	free(seed->texts);
	*seed = (struct heap_seed){ .texts = NULL };
}

/* ---- two of them ---- */

/* Where one text stands in both. */
struct pair {
	uint32_t a, b;
};

static int by_b(const void *x, const void *y)
{
	uint32_t a = ((const struct pair *)x)->b, b = ((const struct pair *)y)->b;

	return a < b ? -1 : a > b;
}

static size_t pair_up(struct pair *pairs, const struct heap_seed *a, const struct heap_seed *b)
{
	size_t n = 0;

	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		const struct heap_seed_text *x = &a->texts[i], *y = &b->texts[j];

		if (x->name == y->name)
			pairs[n++] = (struct pair){ x->place, y->place };
		i += x->name <= y->name;
		j += y->name <= x->name;
	}
	return n;
}

/* How often a walk along the table of b goes down in that of a. */
static size_t falls(struct pair *pairs, size_t n)
{
	size_t ret = 0;

	qsort(pairs, n, sizeof(*pairs), by_b);
	for (size_t i = 1; i < n; i++)
		ret += pairs[i].a < pairs[i - 1].a;
	return ret;
}

static void turn_round(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct pair){ pairs[i].b, pairs[i].a };
}

static bool comparable(const struct heap_seed *a, const struct heap_seed *b)
{
	return a->n >= TEXTS_MIN && b->n >= TEXTS_MIN &&
	       (uint64_t)a->table <= (uint64_t)b->table * PARTS_MAX &&
	       (uint64_t)b->table <= (uint64_t)a->table * PARTS_MAX;
}

bool heap_seeds_tell(const struct heap_seed *a, const struct heap_seed *b)
{
	return a->drawn && b->drawn && comparable(a, b);
}

int heap_seeds_differ(const struct heap_seed *a, const struct heap_seed *b)
{
	struct pair *pairs;
	size_t n;
	bool differ;

	if (!comparable(a, b))
		return 0;
	pairs = calloc(a->n, sizeof(*pairs));
	if (pairs == NULL)
		return -ENOMEM;
	n = pair_up(pairs, a, b);
	/* Along the larger table the places in the smaller one rise; which one was is not told. */
	differ = n >= TEXTS_MIN && falls(pairs, n) * FALLS_SHARE > n;
	turn_round(pairs, n);
	differ = differ && falls(pairs, n) * FALLS_SHARE > n;
	free(pairs);
	return differ;
}
