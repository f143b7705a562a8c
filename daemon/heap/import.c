/*
 * Snapshots of other engines
 */

#include "heap/import.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap/v8_rules.h"
#include "util/err.h"
#include "util/str.h"

enum { EDGES_MORE = IMPORT_REASONS_MAX + 1 };

static const char *const type_names[] = {
	[HEAP_HIDDEN] = "hidden",
	[HEAP_ARRAY] = "array",
	[HEAP_STRING] = "string",
	[HEAP_OBJECT] = "object",
	[HEAP_CODE] = "code",
	[HEAP_CLOSURE] = "closure",
	[HEAP_REGEXP] = "regexp",
	[HEAP_NUMBER] = "number",
	[HEAP_NATIVE] = "native",
	[HEAP_SYNTHETIC] = "synthetic",
	[HEAP_CONS_STRING] = "concatenated string",
	[HEAP_SLICED_STRING] = "sliced string",
	[IMPORT_SYMBOL] = "symbol",
	[IMPORT_BIGINT] = "bigint",
	[IMPORT_SHAPE] = "object shape",
};

int import_no_memory(const struct import *import)
{
	return err_set(import->err, -ENOMEM, "out of memory");
}

int import_init(struct import *import, struct heap_graph *graph, struct err *err)
{
	*graph = (struct heap_graph){ .foreign = true };
	*import = (struct import){ .graph = graph, .err = err };
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		str_copy(graph->type_names[i], HEAP_TYPE_NAME_MAX, type_names[i]);
	return heap_names_init(&import->names);
}

void import_fini(struct import *import)
{
	if (import->cursor != NULL)
		heap_free(import->cursor, import->graph->nodes, sizeof(*import->cursor));
	heap_stack_fini(&import->globals);
	heap_ids_fini(&import->ids);
	heap_names_fini(&import->names);
}

int import_check(const struct import *import, uint64_t rows, uint64_t edges, uint64_t text_cost,
		 const struct heap_load_options *options)
{
	/* the columns, the ids, where an edge goes, an address, and the texts */
	uint64_t cost = heap_graph_cost(rows, edges, options->after) + heap_ids_cost(rows) +
			rows * (4 + 8) + text_cost;
	char needed[STR_UNIT_MAX], limit[STR_UNIT_MAX];

	if (rows > HEAP_NODES_MAX - IMPORT_REASONS - IMPORT_REASONS_MAX ||
	    edges >= UINT32_MAX - EDGES_MORE - rows)
		return err_set(import->err, -EOVERFLOW,
			       "%" PRIu64 " nodes and %" PRIu64
			       " edges are more than can be analysed (%d and %" PRIu32 ")",
			       rows, edges, HEAP_NODES_MAX, UINT32_MAX);
	if (options->memory_max > 0 && cost > options->memory_max)
		return err_set(import->err, -EFBIG,
			       "%" PRIu64 " nodes and %" PRIu64 " edges: it needs about %s of "
			       "memory, %s may be taken",
			       rows, edges, str_format_bytes(needed, cost),
			       str_format_bytes(limit, options->memory_max));
	return 0;
}

int import_begin(struct import *import, uint64_t rows, uint64_t edges, uint64_t text_cost,
		 const struct heap_load_options *options)
{
	int r = import_check(import, rows, edges, text_cost, options);

	if (r < 0)
		return r;
	import->rows = (uint32_t)rows;
	import->edges = (uint32_t)edges;
	r = heap_ids_init(&import->ids, import->rows, UINT64_MAX);
	return r < 0 ? err_set(import->err, r, "%s", strerror(-r)) : 0;
}

uint32_t import_reason(struct import *import, uint32_t name)
{
	uint32_t i = 0;

	while (i < import->reasons_n && import->reasons[i] != name)
		i++;
	if (i == IMPORT_REASONS_MAX)
		return IMPORT_GC_ROOTS;
	if (i == import->reasons_n)
		import->reasons[import->reasons_n++] = name;
	return IMPORT_REASONS + i;
}

uint32_t import_node(const struct import *import, uint32_t row)
{
	return row > 0 ? IMPORT_REASONS + import->reasons_n + row - 1 : IMPORT_GC_ROOTS;
}

/* ---- the nodes above those of the file ---- */

static int make_top(struct import *import)
{
	struct heap_graph *graph = import->graph;
	uint32_t empty = 0, gc_roots = 0;

	if (heap_names_put_text(&import->names, "", "", &empty) < 0 ||
	    heap_names_put_text(&import->names, "", "(GC roots)", &gc_roots) < 0)
		return import_no_memory(import);
	for (uint32_t node = 0; node < IMPORT_REASONS + import->reasons_n; node++) {
		graph->type[node] = HEAP_SYNTHETIC;
		graph->name[node] = node == IMPORT_ROOT       ? empty
				    : node == IMPORT_GC_ROOTS ? gc_roots
							      : import->reasons[node - 2];
		/* Those of reasons are even, as V8's of what is not of the language: no engine's
		 * objects have these. */
		graph->id[node] = node < IMPORT_REASONS ? 1 + 2 * node : 2 * (node - 1);
	}
	import_count(import, IMPORT_ROOT);
	for (uint32_t i = 0; i < import->reasons_n; i++)
		import_count(import, IMPORT_GC_ROOTS);
	for (size_t i = 0; i < import->globals.n; i++)
		import_count(import, IMPORT_ROOT);
	return 0;
}

int import_graph(struct import *import)
{
	uint32_t edges = import->edges + 1 + import->reasons_n + (uint32_t)import->globals.n;

	if (heap_graph_init(import->graph, import_node(import, import->rows), edges) < 0)
		return import_no_memory(import);
	import->graph->root = IMPORT_ROOT;
	return make_top(import);
}

static void put_top(struct import *import)
{
	const struct heap_graph *graph = import->graph;

	import_edge(import, IMPORT_ROOT, HEAP_ELEMENT, 1, IMPORT_GC_ROOTS);
	for (uint32_t i = 0; i < import->reasons_n; i++)
		import_edge(import, IMPORT_GC_ROOTS, HEAP_ELEMENT, i, IMPORT_REASONS + i);
	for (size_t i = 0; i < import->globals.n; i++) {
		uint32_t node = import_node(import, import->globals.items[i]);

		import_edge(import, IMPORT_ROOT, HEAP_SHORTCUT, graph->name[node], node);
	}
}

/* ---- edges ---- */

void import_count(struct import *import, uint32_t from)
{
	import->graph->edge_first[from + 1]++;
}

int import_lay_out(struct import *import)
{
	struct heap_graph *graph = import->graph;

	import->cursor = heap_alloc(graph->nodes, sizeof(*import->cursor));
	if (import->cursor == NULL)
		return import_no_memory(import);
	for (uint32_t node = 0; node < graph->nodes; node++) {
		import->cursor[node] = graph->edge_first[node];
		graph->edge_first[node + 1] += graph->edge_first[node];
	}
	put_top(import);
	return 0;
}

void import_edge(struct import *import, uint32_t from, enum heap_edge_kind kind, uint32_t name,
		 uint32_t to)
{
	uint32_t i = import->cursor[from]++;

	import->graph->edges[i] = to | (uint32_t)kind << HEAP_EDGE_SHIFT;
	import->graph->edge_name[i] = name;
}

int import_end(struct import *import)
{
	if (heap_names_give(&import->names, &import->graph->strings) < 0 ||
	    v8_rules_names(import->graph, true) < 0)
		return import_no_memory(import);
	return 0;
}
