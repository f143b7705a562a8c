/*
 * Heap graph
 */

#include "heap/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "util/array.h"
#include "util/buf.h"

int heap_graph_init(struct heap_graph *graph, uint32_t nodes, uint32_t edges)
{
	graph->nodes = nodes;
	graph->edges_n = edges;
	graph->type = heap_alloc(nodes, sizeof(*graph->type));
	graph->flags = heap_alloc(nodes, sizeof(*graph->flags));
	graph->name = heap_alloc(nodes, sizeof(*graph->name));
	graph->id = heap_alloc(nodes, sizeof(*graph->id));
	graph->size = heap_alloc(nodes, sizeof(*graph->size));
	graph->edge_first = heap_alloc((size_t)nodes + 1, sizeof(*graph->edge_first));
	graph->edges = heap_alloc(edges, sizeof(*graph->edges));
	graph->edge_name = heap_alloc(edges, sizeof(*graph->edge_name));
	if (graph->type == NULL || graph->flags == NULL || graph->name == NULL ||
	    graph->id == NULL || graph->size == NULL || graph->edge_first == NULL ||
	    graph->edges == NULL || graph->edge_name == NULL)
		return -ENOMEM;
	return 0;
}

void heap_graph_drop_edges(struct heap_graph *graph)
{
	if (graph->borrowed)
		return;
	heap_free(graph->edge_first, (size_t)graph->nodes + 1, sizeof(*graph->edge_first));
	heap_free(graph->edges, graph->edges_n, sizeof(*graph->edges));
	heap_free(graph->edge_name, graph->edges_n, sizeof(*graph->edge_name));
	graph->edge_first = graph->edges = graph->edge_name = NULL;
}

static void free_scripts(struct heap_graph *graph)
{
	for (uint32_t i = 0; i < graph->scripts_n; i++)
		free(graph->scripts[i].url);
	free(graph->scripts);
	graph->scripts = NULL;
	graph->scripts_n = 0;
}

void heap_graph_fini(struct heap_graph *graph)
{
	free_scripts(graph);
	if (graph->borrowed)
		*graph = (struct heap_graph){ .nodes = 0 };
	heap_graph_drop_edges(graph);
	heap_free(graph->type, graph->nodes, sizeof(*graph->type));
	heap_free(graph->flags, graph->nodes, sizeof(*graph->flags));
	heap_free(graph->name, graph->nodes, sizeof(*graph->name));
	heap_free(graph->id, graph->nodes, sizeof(*graph->id));
	heap_free(graph->id64, graph->nodes, sizeof(*graph->id64));
	heap_free(graph->size, graph->nodes, sizeof(*graph->size));
	heap_free(graph->place, graph->nodes, sizeof(*graph->place));
	heap_bits_free(graph->ephemerons, graph->strings.n);
	heap_strings_fini(&graph->strings);
	free(graph->wide);
	heap_free(graph->places, graph->places_capacity, sizeof(*graph->places));
	*graph = (struct heap_graph){ .nodes = 0 };
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What a program takes of itself that had nothing to do before: its code, pieces of what it reads.
 */
enum { COST_FIRST = 1 << 20 };

static uint64_t graph_cost(uint64_t nodes, uint64_t edges)
{
	/* type, flags; name, id, size, place, first edge; edges and their names; places. Their
	 * table by hash is smaller than what follows it. */
	return 2 * heap_alloc_cost(nodes, 1) + 5 * heap_alloc_cost(nodes + 1, 4) +
	       2 * heap_alloc_cost(edges, 4) +
	       heap_alloc_cost(heap_places_max(nodes), sizeof(struct heap_place));
}

uint64_t heap_graph_cost(uint64_t nodes, uint64_t edges, const struct heap_after *after)
{
	uint64_t column = heap_alloc_cost(nodes + 1, 4), retained = heap_alloc_cost(nodes, 8);
	/* number or parent, node, link of two, first edge back, a path through all nodes of two
	 * and the half of it that is copied when it grows, distance, owner */
	uint64_t dominators = 10 * column + heap_alloc_cost(edges, 4);
	/* retained, class, order, span, dominator and distance, which are there when the above is
	 * not */
	uint64_t classes = retained + 5 * column;
	/* retained, class, order, dominator and distance */
	uint64_t results = retained + 4 * column;

	if (after != NULL)
		results += nodes * after->node_bytes + edges * after->edge_bytes;
	return COST_FIRST + graph_cost(nodes, edges) + larger(larger(dominators, classes), results);
}

/* ---- sizes ---- */

/* Where the node is, or would be. */
static uint32_t wide_place(const struct heap_graph *graph, uint32_t node)
{
	uint32_t low = 0, high = graph->wide_n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (graph->wide[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t heap_size_wide(const struct heap_graph *graph, uint32_t node)
{
	uint32_t i = wide_place(graph, node);

	return i < graph->wide_n && graph->wide[i].node == node ? graph->wide[i].bytes : UINT32_MAX;
}

int heap_size_set(struct heap_graph *graph, uint32_t node, uint64_t bytes)
{
	struct heap_wide *wide;
	uint32_t i;

	if (bytes < UINT32_MAX) {
		graph->size[node] = (uint32_t)bytes;
		return 0;
	}
	i = wide_place(graph, node);
	graph->size[node] = UINT32_MAX;
	if (i < graph->wide_n && graph->wide[i].node == node) {
		graph->wide[i].bytes = bytes;
		return 0;
	}
	wide = array_room(graph->wide, graph->wide_n, &graph->wide_capacity, 16, sizeof(*wide));
	if (wide == NULL)
		return -ENOMEM;
	graph->wide = wide;
	memmove(graph->wide + i + 1, graph->wide + i, (graph->wide_n - i) * sizeof(*graph->wide));
	graph->wide[i] = (struct heap_wide){ node, bytes };
	graph->wide_n++;
	return 0;
}

/* ---- names ---- */

void heap_node_name(const struct heap_graph *graph, uint32_t node, struct buf *buf)
{
	if (graph->flags[node] & HEAP_RENAMED)
		buf_puts(buf, "Detached ");
	heap_string_put(&graph->strings, graph->name[node], buf);
}

void heap_edge_name(const struct heap_graph *graph, uint32_t edge, struct buf *buf)
{
	if (heap_edge_named(graph->edges[edge]))
		heap_string_put(&graph->strings, graph->edge_name[edge], buf);
	else
		buf_printf(buf, "%u", graph->edge_name[edge]);
}

uint32_t heap_node_find(const struct heap_graph *graph, uint64_t id)
{
	uint32_t found = UINT32_MAX;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (heap_id(graph, node) == id)
			return node;
		if (graph->id[node] == id && found == UINT32_MAX)
			found = node;
	}
	return found;
}

static int by_id(const void *a, const void *b)
{
	const struct heap_script *one = a, *two = b;

	return one->id < two->id ? -1 : one->id > two->id;
}

const char *heap_script_url(const struct heap_graph *graph, uint32_t script)
{
	const struct heap_script wanted = { .id = script };
	const struct heap_script *found =
		graph->scripts_n == 0
			? NULL
			: bsearch(&wanted, graph->scripts, graph->scripts_n, sizeof(wanted), by_id);

	return found != NULL ? found->url : NULL;
}

uint32_t heap_edge_between(const struct heap_graph *graph, uint32_t from, uint32_t to)
{
	for (uint32_t i = graph->edge_first[from]; i < graph->edge_first[from + 1]; i++) {
		if (heap_edge_to(graph->edges[i]) == to &&
		    heap_edge_kind(graph->edges[i]) != HEAP_WEAK)
			return i;
	}
	return UINT32_MAX;
}

uint32_t heap_edge_from(const struct heap_graph *graph, uint32_t edge)
{
	uint32_t low = 0, high = graph->nodes;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (graph->edge_first[middle] <= edge)
			low = middle;
		else
			high = middle;
	}
	return low;
}
