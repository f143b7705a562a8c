/*
 * Rows of classes, statistics, digest
 */

#include "heap/rows.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"

struct heap_row *heap_rows(const struct heap_graph *graph, const struct heap_classes *classes,
			   const int32_t *distances)
{
	struct heap_row *rows = calloc((size_t)classes->n + 1, sizeof(*rows));

	for (uint32_t node = 0; node < graph->nodes && rows != NULL; node++) {
		struct heap_row *row = &rows[classes->of[node]];

		if (graph->size[node] == 0)
			continue;
		if (row->count++ == 0 || distances[node] < row->distance)
			row->distance = distances[node];
		row->self += heap_size(graph, node);
	}
	return rows;
}

int heap_rows_retain(struct heap_row *rows, const struct heap_graph *graph,
		     const struct heap_classes *classes, const struct heap_spans *spans,
		     const uint64_t *retained)
{
	uint32_t *until = calloc((size_t)classes->n + 1, sizeof(*until)); /* by class, a place */

	if (until == NULL)
		return -ENOMEM;
	for (uint32_t place = 0; place < spans->nodes; place++) {
		uint32_t node = spans->node[place], class = classes->of[node];

		if (graph->size[node] == 0 || place < until[class])
			continue;
		rows[class].retained += retained[node];
		until[class] = place + spans->span[node];
	}
	free(until);
	return 0;
}

struct heap_row *heap_row_sums(const struct heap_graph *graph, const struct heap_classes *classes)
{
	struct heap_row *rows = calloc((size_t)classes->n + 1, sizeof(*rows));

	for (uint32_t node = 0; node < graph->nodes && rows != NULL; node++) {
		struct heap_row *row = &rows[classes->of[node]];

		row->count += graph->size[node] != 0;
		row->self += heap_size(graph, node);
	}
	return rows;
}

/* ---- statistics ---- */

/* With the array its elements, if nothing else refers to them. */
static uint64_t array_size(const struct heap_graph *graph, uint32_t node, uint32_t elements,
			   const uint64_t *shared)
{
	uint32_t end = graph->edge_first[node + 1];
	uint64_t size = heap_size(graph, node);

	for (uint32_t i = graph->edge_first[node]; i < end; i++) {
		enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);
		uint32_t to = heap_edge_to(graph->edges[i]);

		if ((kind != HEAP_INTERNAL && kind != HEAP_HALF) || graph->edge_name[i] != elements)
			continue;
		return heap_bit(shared, to) ? size : size + heap_size(graph, to);
	}
	return size;
}

/* Bits by node: more than one edge leads to it. */
static uint64_t *find_shared(const struct heap_graph *graph)
{
	uint64_t *once = heap_bits_alloc(graph->nodes), *shared = heap_bits_alloc(graph->nodes);

	for (uint32_t i = 0; once != NULL && shared != NULL && i < graph->edges_n; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_bit(once, to))
			heap_bit_set(shared, to);
		else
			heap_bit_set(once, to);
	}
	if (once == NULL) {
		heap_bits_free(shared, graph->nodes);
		shared = NULL;
	}
	heap_bits_free(once, graph->nodes);
	return shared;
}

static bool is_string(uint8_t type)
{
	return type == HEAP_STRING || type == HEAP_CONS_STRING || type == HEAP_SLICED_STRING;
}

int heap_statistics(const struct heap_graph *graph, struct heap_statistics *ret)
{
	const uint32_t array = heap_string_find(&graph->strings, "Array");
	const uint32_t data = heap_string_find(&graph->strings, "system / JSArrayBufferData");
	const uint32_t elements = heap_string_find(&graph->strings, "elements");
	uint64_t *shared = find_shared(graph);

	if (shared == NULL)
		return -ENOMEM;
	*ret = (struct heap_statistics){
		.total = graph->extra_native_bytes,
		.native = graph->extra_native_bytes,
	};
	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint8_t type = graph->type[node];
		uint64_t size = heap_size(graph, node);

		ret->total += size; /* the root dominates all of them */
		if (type == HEAP_HIDDEN)
			ret->system += size;
		else if (type == HEAP_NATIVE)
			ret->native += size;
		else if (type == HEAP_CODE)
			ret->code += size;
		else if (is_string(type))
			ret->strings += size;
		else if (graph->name[node] == array)
			ret->js_arrays += array_size(graph, node, elements, shared);
		if (type == HEAP_NATIVE && graph->name[node] == data &&
		    (graph->flags[node] & HEAP_RENAMED) == 0)
			ret->typed_arrays += size;
	}
	heap_bits_free(shared, graph->nodes);
	return 0;
}

struct heap_digest heap_digest(const struct heap_graph *graph,
			       const struct heap_dominators *dominators, const uint64_t *retained,
			       const int32_t *distances)
{
	struct heap_digest digest = { 0, 0 };

	for (uint32_t node = 0; node < graph->nodes; node++) {
		digest.id_retained = digest.id_retained * 31 + graph->id[node];
		digest.id_retained = digest.id_retained * 31 + (uint32_t)retained[node];
		digest.dom_distance =
			digest.dom_distance * 31 + graph->id[dominators->dominator[node]];
		digest.dom_distance = digest.dom_distance * 31 + (uint32_t)distances[node];
	}
	return digest;
}
