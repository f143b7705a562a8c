/*
 * Objects matched by their named dominator paths
 *
 * One step of a path is a number over texts that do not change from one snapshot to the next: the
 * class of the object, what it is called (functions, engine's own), which variables a context has,
 * and the reference that leads to it: from its dominator, else the last of a shortest path.
 */

#include "heap/match_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"

/* ---- one step ---- */

#define HASH_FIRST 0xcbf29ce484222325ull

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static uint64_t hash_bytes(uint64_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	return mix(hash, size);
}

static uint64_t hash_string(const struct heap_graph *graph, uint32_t string)
{
	size_t size;
	const char *text;

	if (string >= graph->strings.n)
		return HASH_FIRST;
	text = heap_string_raw(&graph->strings, string, &size);
	return hash_bytes(HASH_FIRST, text, size);
}

static bool is_number(const struct heap_graph *graph, uint32_t string)
{
	size_t size = 0;
	const char *text =
		string < graph->strings.n ? heap_string_raw(&graph->strings, string, &size) : "";

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return size > 0;
}

/* Places in tables move: of what is numbered only that it is. */
static uint64_t hash_edge(const struct heap_graph *graph, uint32_t edge)
{
	uint32_t word = graph->edges[edge];
	uint64_t hash = mix(HASH_FIRST, heap_edge_kind(word));

	if (!heap_edge_named(word) || is_number(graph, graph->edge_name[edge]))
		return hash;
	return mix(hash, hash_string(graph, graph->edge_name[edge]));
}

/* In no order; 0 where there are none. */
static uint64_t hash_variables(const struct heap_graph *graph, uint32_t node)
{
	uint64_t sum = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_CONTEXT)
			sum += hash_string(graph, graph->edge_name[i]);
	}
	return sum;
}

static bool has_lasting_name(uint8_t type)
{
	return type == HEAP_CLOSURE || type == HEAP_SYNTHETIC || type == HEAP_HIDDEN ||
	       type == HEAP_CODE;
}

struct texts {
	const struct heap_side *side;
	uint64_t *classes; /* owned: by class */
};

static int texts_init(struct texts *ret, const struct heap_side *side)
{
	const struct heap_classes *classes = &side->analysis->classes;

	*ret = (struct texts){ side, calloc((size_t)classes->n + 1, sizeof(uint64_t)) };
	if (ret->classes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < classes->n; i++) {
		const char *key = classes->items[i].key;

		ret->classes[i] = hash_bytes(HASH_FIRST, key, strlen(key));
	}
	return 0;
}

static uint64_t hash_step(const struct texts *texts, uint32_t node)
{
	const struct heap_analysis *analysis = texts->side->analysis;
	const struct heap_graph *graph = &analysis->graph;
	uint32_t via = texts->side->tree.via[node], way = texts->side->ways[node];
	uint64_t hash = mix(texts->classes[analysis->classes.of[node]], graph->type[node]);

	if (has_lasting_name(graph->type[node]))
		hash = mix(hash, hash_string(graph, graph->name[node]));
	hash = mix(hash, hash_variables(graph, node));
	if (via != 0)
		return mix(hash, hash_edge(graph, via - 1));
	if (way == 0)
		return hash;
	hash = mix(hash, texts->classes[analysis->classes.of[heap_edge_from(graph, way - 1)]]);
	return mix(hash, hash_edge(graph, way - 1));
}

/* ---- children of a pair ---- */

struct child {
	uint64_t step, retained;
	uint32_t node;
};

struct children {
	struct child *items; /* owned */
	size_t n, capacity;
};

static int add(struct children *children, struct child child)
{
	if (children->n == children->capacity) {
		size_t capacity = children->capacity > 0 ? children->capacity * 2 : 256;
		struct child *items = reallocarray(children->items, capacity, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		children->items = items;
		children->capacity = capacity;
	}
	children->items[children->n++] = child;
	return 0;
}

static int by_step(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Those without a partner yet. */
static int gather(struct children *children, const struct texts *texts, uint32_t node,
		  const uint64_t *matched)
{
	const struct heap_tree *tree = &texts->side->tree;
	int r = 0;

	children->n = 0;
	for (uint32_t i = tree->first[node]; i < tree->first[node + 1] && r == 0; i++) {
		uint32_t kid = tree->kids[i];

		if (!heap_bit(matched, kid))
			r = add(children,
				(struct child){ hash_step(texts, kid),
						texts->side->analysis->retained[kid], kid });
	}
	if (children->n > 1)
		qsort(children->items, children->n, sizeof(*children->items), by_step);
	return r;
}

struct walk {
	struct heap_match *match;
	struct texts base, last;
	uint64_t *base_matched, *last_matched; /* owned: bits by node */
	struct children before, now;
};

static void pair(struct walk *walk)
{
	const struct child *a = walk->before.items, *a_end = a + walk->before.n;
	const struct child *b = walk->now.items, *b_end = b + walk->now.n;

	while (a < a_end && b < b_end) {
		if (a->step < b->step) {
			a++;
		} else if (a->step > b->step) {
			b++;
		} else {
			walk->match->of[b->node] = a->node;
			heap_bit_set(walk->base_matched, a->node);
			heap_bit_set(walk->last_matched, b->node);
			a++;
			b++;
		}
	}
}

static bool has_kids(const struct texts *texts, uint32_t node)
{
	const struct heap_tree *tree = &texts->side->tree;

	return tree->first[node] < tree->first[node + 1];
}

static int go_on(struct walk *walk, uint32_t node)
{
	uint32_t before = walk->match->of[node];
	int r;

	if (before == UINT32_MAX || !has_kids(&walk->last, node) || !has_kids(&walk->base, before))
		return 0;
	r = gather(&walk->before, &walk->base, before, walk->base_matched);
	r = r == 0 ? gather(&walk->now, &walk->last, node, walk->last_matched) : r;
	if (r == 0 && walk->before.n > 0 && walk->now.n > 0)
		pair(walk);
	return r;
}

static void mark(struct walk *walk)
{
	for (uint32_t node = 0; node < walk->match->nodes; node++) {
		if (walk->match->of[node] == UINT32_MAX)
			continue;
		heap_bit_set(walk->last_matched, node);
		heap_bit_set(walk->base_matched, walk->match->of[node]);
	}
}

static int walk_init(struct walk *ret, struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	int r;

	*ret = (struct walk){ .match = match };
	ret->base_matched = heap_bits_alloc(base->tree.nodes);
	ret->last_matched = heap_bits_alloc(last->tree.nodes);
	if (ret->base_matched == NULL || ret->last_matched == NULL)
		return -ENOMEM;
	r = texts_init(&ret->base, base);
	return r == 0 ? texts_init(&ret->last, last) : r;
}

static void walk_fini(struct walk *walk, const struct heap_side *base)
{
	heap_bits_free(walk->base_matched, base->tree.nodes);
	heap_bits_free(walk->last_matched, walk->match->nodes);
	free(walk->base.classes);
	free(walk->last.classes);
	free(walk->before.items);
	free(walk->now.items);
}

int heap_match_paths(struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	const uint32_t *order = last->analysis->dominators.order;
	struct walk walk;
	int r = walk_init(&walk, match, base, last);

	if (r == 0)
		mark(&walk);
	for (uint32_t i = 0; i < match->nodes && r == 0; i++)
		r = go_on(&walk, order[i]);
	walk_fini(&walk, base);
	return r;
}
