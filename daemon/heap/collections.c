/*
 * Objects that hold many
 *
 * V8's maps and sets have a table, whose entries are of three places (key, value, next) or of two:
 * of the places of one kind most are occupied when any are. Gecko's refer to what they have
 * themselves.
 */

#include "heap/collections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

enum { STRIDE_MAX = 3 };

static bool is_class(const struct heap_graph *graph, uint32_t node, const char *name)
{
	return heap_string_is(&graph->strings, graph->name[node], name);
}

/* The number at the beginning of the name; false: there is none. */
static bool edge_number(const struct heap_graph *graph, uint32_t edge, uint64_t *ret)
{
	size_t size, i = 0;
	const char *raw;

	*ret = graph->edge_name[edge];
	if (!heap_edge_named(graph->edges[edge]))
		return true;
	if (graph->edge_name[edge] >= graph->strings.n)
		return false;
	raw = heap_string_raw(&graph->strings, graph->edge_name[edge], &size);
	for (*ret = 0; i < size && i < 12 && raw[i] >= '0' && raw[i] <= '9'; i++)
		*ret = *ret * 10 + (uint64_t)(raw[i] - '0');
	return i > 0;
}

static uint64_t table_entries(const struct heap_graph *graph, uint32_t table, unsigned stride)
{
	uint64_t places[STRIDE_MAX] = { 0 }, number, most = 0;

	for (uint32_t i = graph->edge_first[table]; i < graph->edge_first[table + 1]; i++) {
		if (edge_number(graph, i, &number) && heap_edge_kind(graph->edges[i]) != HEAP_WEAK)
			places[number % stride]++;
	}
	for (unsigned i = 0; i < stride; i++)
		most = places[i] > most ? places[i] : most;
	return most;
}

/* Gecko's. Of a set the value is the key. */
static bool is_own_entry(const struct heap_graph *graph, uint32_t edge)
{
	uint32_t name = graph->edge_name[edge];

	return heap_edge_kind(graph->edges[edge]) == HEAP_INTERNAL &&
	       (heap_string_is(&graph->strings, name, "OrderedHashMapObject value") ||
		heap_string_is(&graph->strings, name, "OrderedHashSetObject value"));
}

static uint64_t keyed_entries(const struct heap_graph *graph, uint32_t node, unsigned stride)
{
	uint64_t n = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (graph->type[to] == HEAP_ARRAY &&
		    heap_string_is(&graph->strings, graph->edge_name[i], "table") &&
		    heap_edge_named(graph->edges[i]))
			return table_entries(graph, to, stride);
		n += is_own_entry(graph, i);
	}
	return n;
}

static uint64_t plain_entries(const struct heap_graph *graph, uint32_t node,
			      enum heap_edge_kind kind)
{
	uint64_t n = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++)
		n += heap_edge_kind(graph->edges[i]) == kind &&
		     (kind != HEAP_PROPERTY ||
		      !heap_string_is(&graph->strings, graph->edge_name[i], "__proto__"));
	return n;
}

/* At least where there are so many of them; else fewer, or 0. */
static uint64_t entries_of(const struct heap_graph *graph, uint32_t node, uint64_t min)
{
	if (graph->type[node] != HEAP_OBJECT)
		return 0;
	if (is_class(graph, node, "Map") || is_class(graph, node, "WeakMap"))
		return keyed_entries(graph, node, 3);
	if (is_class(graph, node, "Set"))
		return keyed_entries(graph, node, 2);
	if (is_class(graph, node, "Array"))
		return plain_entries(graph, node, HEAP_ELEMENT);
	if (graph->edge_first[node + 1] - graph->edge_first[node] < min)
		return 0;
	return plain_entries(graph, node, HEAP_PROPERTY) + plain_entries(graph, node, HEAP_ELEMENT);
}

static int put(struct heap_collections *collections, struct heap_collection item)
{
	struct heap_collection *items = array_room(collections->items, collections->n,
						   &collections->capacity, 64, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	collections->items = items;
	collections->items[collections->n++] = item;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const struct heap_collection *x = a, *y = b;

	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	if (x->entries != y->entries)
		return x->entries > y->entries ? -1 : 1;
	return x->node < y->node ? -1 : 1;
}

int heap_collections_find(struct heap_collections *ret, const struct heap_graph *graph,
			  const struct heap_classes *classes, const uint64_t *retained)
{
	int r = 0;

	*ret = (struct heap_collections){ .n = 0 };
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		uint64_t entries = entries_of(graph, node, HEAP_COLLECTION_MIN);

		if (entries >= HEAP_COLLECTION_MIN)
			r = put(ret, (struct heap_collection){
					     .id = heap_id(graph, node),
					     .entries = entries,
					     .retained = retained != NULL ? retained[node] : 0,
					     .node = node,
					     .class = classes->of[node],
				     });
	}
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_size);
	return r;
}

void heap_collections_keep(struct heap_collections *collections, const struct heap_classes *classes,
			   const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < collections->n; i++) {
		if (strcmp(classes->items[collections->items[i].class].name, name) == 0)
			collections->items[kept++] = collections->items[i];
	}
	collections->n = kept;
}

void heap_collections_fini(struct heap_collections *collections)
{
	free(collections->items);
	*collections = (struct heap_collections){ .n = 0 };
}

/* ---- of two snapshots ---- */

/* A collection as above, of so many edges at least, and its growth, which glibc copies to sort. */
const struct heap_after heap_collections_after = {
	.edge_bytes = (3 * sizeof(struct heap_collection) +
		       2 * sizeof(struct heap_collection_growth) + HEAP_COLLECTION_MIN - 1) /
		      HEAP_COLLECTION_MIN,
};

static int by_id(const void *a, const void *b)
{
	const struct heap_collection_growth *x = a, *y = b;

	return x->now->id < y->now->id ? -1 : x->now->id > y->now->id;
}

static uint64_t more(const struct heap_collection_growth *growth)
{
	return growth->now->entries - growth->before;
}

static int by_more(const void *a, const void *b)
{
	const struct heap_collection_growth *x = a, *y = b;

	if (more(x) != more(y))
		return more(x) > more(y) ? -1 : 1;
	return x->now->id < y->now->id ? -1 : 1;
}

/* What of it is known by these rows, which are in the order of their ids. */
static void look_back(struct heap_collection_growth *rows, size_t n, const struct heap_graph *base)
{
	for (uint32_t node = 0; node < base->nodes; node++) {
		const struct heap_collection one = { .id = heap_id(base, node) };
		const struct heap_collection_growth key = { .now = &one };
		struct heap_collection_growth *row =
			base->type[node] == HEAP_OBJECT
				? bsearch(&key, rows, n, sizeof(*rows), by_id)
				: NULL;

		if (row != NULL)
			row->before = entries_of(base, node, 0);
	}
}

/* One that was not there has not grown. NULL on ENOMEM. */
static struct heap_collection_growth *rows_of(const struct heap_collections *now)
{
	struct heap_collection_growth *rows = calloc(now->n + 1, sizeof(*rows));

	for (size_t i = 0; rows != NULL && i < now->n; i++)
		rows[i] = (struct heap_collection_growth){ &now->items[i], UINT64_MAX };
	return rows;
}

/* Returns how many have. */
static size_t keep_grown(struct heap_collection_growth *rows, size_t n)
{
	size_t grown = 0;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].before < rows[i].now->entries)
			rows[grown++] = rows[i];
	}
	if (grown > 1)
		qsort(rows, grown, sizeof(*rows), by_more);
	return grown;
}

int heap_collections_grown(const struct heap_graph *base, const struct heap_collections *now,
			   struct heap_collection_growth **ret, size_t *ret_n)
{
	struct heap_collection_growth *rows = rows_of(now);

	*ret = rows;
	*ret_n = 0;
	if (rows == NULL)
		return -ENOMEM;
	if (now->n > 0) {
		qsort(rows, now->n, sizeof(*rows), by_id);
		look_back(rows, now->n, base);
	}
	*ret_n = keep_grown(rows, now->n);
	return 0;
}

int heap_collections_grown_by(const struct heap_graph *base, const struct heap_collections *now,
			      const uint32_t *of, struct heap_collection_growth **ret,
			      size_t *ret_n)
{
	struct heap_collection_growth *rows = rows_of(now);

	*ret = rows;
	*ret_n = 0;
	if (rows == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < now->n; i++) {
		uint32_t before = of[rows[i].now->node];

		if (before != UINT32_MAX)
			rows[i].before = entries_of(base, before, 0);
	}
	*ret_n = keep_grown(rows, now->n);
	return 0;
}
