/*
 * Rows of a V8 heap snapshot
 */

#include "heap/v8_rows.h"

#include <errno.h>

enum { DETACHEDNESS_MAX = 2 };

static void note_name(struct v8_rows *rows, uint32_t name)
{
	pthread_mutex_lock(&rows->lock);
	if (name > rows->name_max)
		rows->name_max = name;
	pthread_mutex_unlock(&rows->lock);
}

static int set_wide(struct v8_rows *rows, uint32_t node, uint64_t bytes)
{
	int r;

	pthread_mutex_lock(&rows->lock);
	r = heap_size_set(rows->graph, node, bytes);
	pthread_mutex_unlock(&rows->lock);
	return r;
}

int v8_node_rows(void *owner, uint64_t first, const uint64_t *row, size_t n, size_t *bad)
{
	struct v8_rows *rows = owner;
	const struct v8_node_fields field = rows->head->node;
	struct heap_graph *graph = rows->graph;
	uint64_t name_max = 0;

	for (size_t i = 0; i < n; i++, row += field.n) {
		uint32_t node = (uint32_t)(first + i);
		uint64_t size = row[field.self_size];

		*bad = i;
		if (row[field.type] >= rows->head->node_types_n || row[field.name] >= UINT32_MAX ||
		    row[field.id] > UINT32_MAX || row[field.edge_count] > graph->edges_n)
			return -EBADMSG;
		graph->type[node] = rows->head->node_types[row[field.type]];
		graph->name[node] = (uint32_t)row[field.name];
		graph->id[node] = (uint32_t)row[field.id];
		graph->edge_first[node + 1] = (uint32_t)row[field.edge_count];
		name_max = row[field.name] > name_max ? row[field.name] : name_max;
		graph->size[node] = (uint32_t)size;
		if (size >= UINT32_MAX && set_wide(rows, node, size) < 0)
			return -ENOMEM;
		if (field.detachedness != V8_NO_FIELD) {
			if (row[field.detachedness] > DETACHEDNESS_MAX)
				return -EBADMSG;
			graph->flags[node] = (uint8_t)row[field.detachedness];
		}
	}
	note_name(rows, (uint32_t)name_max);
	return 0;
}

/* Division by a number that is the same for all: exact for dividends below 2^59 (Lemire 2019). */
static inline uint64_t divide(uint64_t value, uint64_t inverse)
{
	return (uint64_t)((unsigned __int128)value * inverse >> 64);
}

int v8_edge_rows(void *owner, uint64_t first, const uint64_t *row, size_t n, size_t *bad)
{
	struct v8_rows *rows = owner;
	const struct v8_edge_fields field = rows->head->edge;
	const uint64_t fields = rows->head->node.n, inverse = UINT64_MAX / fields + 1;
	struct heap_graph *graph = rows->graph;
	const uint64_t end = (uint64_t)graph->nodes * fields;
	uint32_t *edges = graph->edges + first, *names = graph->edge_name + first;
	uint32_t name_max = 0;

	for (size_t i = 0; i < n; i++, row += field.n) {
		uint64_t to = row[field.to], node;
		uint8_t kind;

		*bad = i;
		if (row[field.type] >= rows->head->edge_kinds_n || to >= end ||
		    row[field.name] >= UINT32_MAX)
			return -EBADMSG;
		node = fields > 1 ? divide(to, inverse) : to;
		if (node * fields != to)
			return -EBADMSG;
		kind = rows->head->edge_kinds[row[field.type]];
		edges[i] = (uint32_t)node | (uint32_t)kind << HEAP_EDGE_SHIFT;
		names[i] = (uint32_t)row[field.name];
		if (names[i] > name_max && kind != HEAP_ELEMENT && kind != HEAP_EDGE_HIDDEN)
			name_max = names[i];
	}
	note_name(rows, name_max);
	return 0;
}

int v8_rows_sum(struct heap_graph *graph)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i <= graph->nodes; i++) {
		sum += graph->edge_first[i];
		if (sum > graph->edges_n)
			return -EBADMSG;
		graph->edge_first[i] = (uint32_t)sum;
	}
	return sum == graph->edges_n ? 0 : -EBADMSG;
}
