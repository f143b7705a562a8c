/*
 * Rows of a V8 heap snapshot
 */

#include "heap/v8_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "util/buf.h"

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

/* ---- where classes are defined ---- */

static bool same_place(const struct heap_place *a, const struct heap_place *b)
{
	return a->script == b->script && a->line == b->line && a->column == b->column;
}

/* The number of an equal place, + 1. Few are different; objects of one class come in runs. */
static uint32_t place_number(struct heap_graph *graph, const struct heap_place *place,
			     uint32_t likely)
{
	struct heap_place *places;

	if (likely > 0 && same_place(&graph->places[likely - 1], place))
		return likely;
	if (graph->places_n == graph->places_capacity) {
		uint32_t capacity = graph->places_capacity > 0 ? graph->places_capacity * 2 : 1024;

		places = reallocarray(graph->places, capacity, sizeof(*places));
		if (places == NULL)
			return 0;
		graph->places = places;
		graph->places_capacity = capacity;
	}
	graph->places[graph->places_n++] = *place;
	return graph->places_n;
}

static int by_id(const void *a, const void *b)
{
	const struct heap_script *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void sort_scripts(struct heap_graph *graph)
{
	uint32_t kept = 0;

	if (graph->scripts_n < 2)
		return;
	qsort(graph->scripts, graph->scripts_n, sizeof(*graph->scripts), by_id);
	for (uint32_t i = 0; i < graph->scripts_n; i++) {
		if (kept == 0 || graph->scripts[kept - 1].id != graph->scripts[i].id)
			graph->scripts[kept++] = graph->scripts[i];
	}
	graph->scripts_n = kept;
}

/* Unless it is the one before. Sorted, each once, by sort_scripts(). */
static int note_script(struct heap_graph *graph, uint32_t id, uint64_t node)
{
	struct heap_script *scripts;

	if (node >= graph->nodes)
		return 0;
	if (graph->scripts_n > 0 && graph->scripts[graph->scripts_n - 1].id == id)
		return 0;
	if (graph->scripts_n == graph->scripts_capacity) {
		sort_scripts(graph);
		if (graph->scripts_n * 2 >= graph->scripts_capacity) {
			uint32_t capacity =
				graph->scripts_capacity > 0 ? graph->scripts_capacity * 2 : 256;

			scripts = reallocarray(graph->scripts, capacity, sizeof(*scripts));
			if (scripts == NULL)
				return -ENOMEM;
			graph->scripts = scripts;
			graph->scripts_capacity = capacity;
		}
	}
	graph->scripts[graph->scripts_n++] = (struct heap_script){ id, (uint32_t)node, NULL };
	return 0;
}

/* "system / Script / URL" */
static int name_script(const struct heap_graph *graph, struct heap_script *script)
{
	static const char begin[] = "system / Script / ";
	uint32_t name = graph->name[script->node];
	struct buf text;
	int r = 0;

	if (!heap_string_begins(&graph->strings, name, begin))
		return 0;
	buf_init(&text, SIZE_MAX / 2);
	heap_string_put(&graph->strings, name, &text);
	if (text.size > strlen(begin) && buf_text(&text) != NULL)
		script->url = strdup(buf_text(&text) + strlen(begin));
	if (text.size > strlen(begin) && script->url == NULL)
		r = -ENOMEM;
	buf_fini(&text);
	return r;
}

int v8_rows_scripts(struct heap_graph *graph)
{
	int r = 0;

	sort_scripts(graph);
	for (uint32_t i = 0; i < graph->scripts_n && r == 0; i++)
		r = name_script(graph, &graph->scripts[i]);
	return r;
}

int v8_location_rows(void *owner, uint64_t first, const uint64_t *row, size_t n, size_t *bad)
{
	struct v8_rows *rows = owner;
	const struct v8_location_fields field = rows->head->location;
	struct heap_graph *graph = rows->graph;
	uint32_t likely = graph->places_n;

	(void)first;
	for (size_t i = 0; i < n; i++, row += field.n) {
		struct heap_place place = { .script = (uint32_t)row[field.script],
					    .line = (uint32_t)row[field.line],
					    .column = (uint32_t)row[field.column] };
		uint64_t node = row[field.object] / rows->head->node.n;

		*bad = i;
		if (node >= graph->nodes || row[field.object] % rows->head->node.n != 0 ||
		    row[field.script] > UINT32_MAX || row[field.line] > UINT32_MAX ||
		    row[field.column] > UINT32_MAX)
			return -EBADMSG;
		/* Of an object its class's place, of a function its own. */
		if (graph->type[node] != HEAP_OBJECT && graph->type[node] != HEAP_CLOSURE)
			continue;
		likely = place_number(graph, &place, likely);
		if (likely == 0)
			return -ENOMEM;
		graph->place[node] = likely;
		if (field.script_object != V8_NO_FIELD &&
		    note_script(graph, place.script,
				row[field.script_object] / rows->head->node.n) < 0)
			return -ENOMEM;
	}
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
