/*
 * JSC's heap snapshots to a graph
 */

#include "heap/load_jsc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap/import.h"
#include "heap/jsc_class.h"
#include "heap/jsc_read.h"
#include "util/err.h"

enum { NODE_NUMBERS = 4, EDGE_NUMBERS = 4, ROOT_NUMBERS = 3, EDGE_TYPES_MAX = 16 };

/* JSC numbers its objects from 0 on, V8 has odd numbers above those of what we add. */
enum { ID_STEP = 2, ID_FIRST = 3 };

static const uint64_t id_max = (UINT64_MAX - ID_FIRST) / ID_STEP;
static const uint64_t id_max_32 = (UINT32_MAX - ID_FIRST) / ID_STEP;

struct load {
	struct import import;
	struct jsc_file file;
	struct jsc_class *classes; /* owned */
	uint32_t *edge_names, *labels; /* owned: names */
	uint32_t *reason; /* owned: by row, the node a root stands under; or NULL */
	enum heap_edge_kind kinds[EDGE_TYPES_MAX];
	uint32_t empty; /* the name "" */
	bool wide; /* an id does not fit 32 bits */
};

static int wrong(const struct load *load, const struct jsc_reader *reader, const char *what,
		 uint64_t number)
{
	return err_set(load->import.err, -EBADMSG,
		       "section \"%s\", before byte %" PRIu64 ": %s %" PRIu64, reader->walk.section,
		       reader->walk.at, what, number);
}

/* ---- names ---- */

static int read_names(struct load *load, const struct jsc_section *section, const char *name,
		      uint32_t **ret)
{
	struct jsc_reader reader;
	const char *raw;
	size_t size;

	*ret = calloc(section->values + 1, sizeof(**ret));
	if (*ret == NULL)
		return import_no_memory(&load->import);
	jsc_reader_init(&reader, &load->file, section, name, load->import.err);
	for (uint64_t i = 0; i < section->values; i++) {
		int r = jsc_read_text(&reader, &raw, &size);

		if (r < 0)
			return r;
		if (heap_names_put(&load->import.names, raw, size, &(*ret)[i]) < 0)
			return import_no_memory(&load->import);
	}
	return 0;
}

static int read_classes(struct load *load)
{
	const struct jsc_section *section = &load->file.class_names;
	struct jsc_reader reader;
	const char *raw;
	size_t size;

	load->classes = calloc(section->values + 1, sizeof(*load->classes));
	if (load->classes == NULL)
		return import_no_memory(&load->import);
	jsc_reader_init(&reader, &load->file, section, "nodeClassNames", load->import.err);
	for (uint64_t i = 0; i < section->values; i++) {
		int r = jsc_read_text(&reader, &raw, &size);

		if (r < 0)
			return r;
		if (jsc_class_init(&load->classes[i], &load->import.names, raw, size) < 0)
			return import_no_memory(&load->import);
	}
	return 0;
}

static int read_edge_types(struct load *load)
{
	static const struct {
		const char *name;
		enum heap_edge_kind kind;
	} known[] = {
		{ "Property", HEAP_PROPERTY },
		{ "Index", HEAP_ELEMENT },
		{ "Variable", HEAP_CONTEXT },
	};
	const struct jsc_section *section = &load->file.edge_types;
	struct jsc_reader reader;
	const char *raw;
	size_t size;

	jsc_reader_init(&reader, &load->file, section, "edgeTypes", load->import.err);
	if (section->values > EDGE_TYPES_MAX)
		return wrong(load, &reader, "types are too many:", section->values);
	for (uint64_t i = 0; i < section->values; i++) {
		int r = jsc_read_text(&reader, &raw, &size);

		if (r < 0)
			return r;
		load->kinds[i] = HEAP_INTERNAL;
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
			if (strlen(known[k].name) == size && memcmp(known[k].name, raw, size) == 0)
				load->kinds[i] = known[k].kind;
		}
	}
	return 0;
}

/* ---- nodes ---- */

/* One row; *ret_label is 0 where there is none. */
static int read_node(const struct load *load, struct jsc_reader *reader, uint64_t row[NODE_NUMBERS],
		     uint64_t *ret_label)
{
	const char *raw;
	size_t size;
	int r = jsc_read_numbers(reader, row, NODE_NUMBERS);

	*ret_label = 0;
	if (r == 0 && row[0] > id_max)
		return wrong(load, reader, "there is a node of id", row[0]);
	if (r == 0 && row[2] >= load->file.class_names.values)
		return wrong(load, reader, "there is no class", row[2]);
	if (r < 0 || !load->file.debugging)
		return r;
	r = jsc_read_number(reader, ret_label);
	if (r == 0 && *ret_label >= load->file.labels.values && *ret_label > 0)
		return wrong(load, reader, "there is no label", *ret_label);
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = jsc_read_text(reader, &raw, &size); /* the addresses of cell and wrapped */
	return r;
}

static int read_ids(struct load *load)
{
	struct import *import = &load->import;
	uint64_t row[NODE_NUMBERS], label;
	struct jsc_reader reader;

	jsc_reader_init(&reader, &load->file, &load->file.nodes, "nodes", import->err);
	for (uint32_t i = 0; i < import->rows; i++) {
		int r = read_node(load, &reader, row, &label);

		if (r < 0)
			return r;
		if (i == 0 && row[0] != 0)
			return wrong(load, &reader, "the first node is not the root, but", row[0]);
		load->wide |= row[0] > id_max_32;
		if (heap_ids_put(&import->ids, row[0], i) < 0)
			return wrong(load, &reader, "there is another node of id", row[0]);
		if (load->classes[row[2]].global && heap_stack_push(&import->globals, i) < 0)
			return import_no_memory(import);
	}
	return 0;
}

/* Wide ids have a column of their own; in that of 32 bits is then the place in the file. */
static int make_wide(struct load *load)
{
	struct heap_graph *graph = load->import.graph;

	if (!load->wide)
		return 0;
	graph->id64 = heap_alloc(graph->nodes, sizeof(*graph->id64));
	if (graph->id64 == NULL)
		return import_no_memory(&load->import);
	for (uint32_t node = 0; node < import_node(&load->import, 1); node++)
		graph->id64[node] = graph->id[node];
	return 0;
}

static void set_id(struct heap_graph *graph, uint32_t node, uint64_t id)
{
	id = id * ID_STEP + ID_FIRST;
	graph->id[node] = (uint32_t)id;
	if (graph->id64 == NULL)
		return;
	graph->id64[node] = id;
	graph->id[node] = node * ID_STEP + 1;
}

static int read_nodes(struct load *load)
{
	struct import *import = &load->import;
	struct heap_graph *graph = import->graph;
	uint64_t row[NODE_NUMBERS], label;
	struct jsc_reader reader;

	jsc_reader_init(&reader, &load->file, &load->file.nodes, "nodes", import->err);
	for (uint32_t i = 0; i < import->rows; i++) {
		uint32_t node = import_node(import, i);
		const struct jsc_class *class;
		int r = read_node(load, &reader, row, &label);

		if (r < 0)
			return r;
		if (heap_size_set(graph, node, row[1]) < 0)
			return import_no_memory(import);
		if (i == 0)
			continue;
		class = &load->classes[row[2]];
		graph->type[node] = jsc_class_type(class, row[3]);
		graph->name[node] = jsc_class_name(class, row[3]);
		if (graph->type[node] == HEAP_CLOSURE && label > 0 &&
		    load->labels[label] != load->empty)
			graph->name[node] = load->labels[label];
		set_id(graph, node, row[0]);
	}
	return 0;
}

/* ---- roots ---- */

static int read_roots(struct load *load)
{
	struct import *import = &load->import;
	uint64_t n = load->file.roots.values / ROOT_NUMBERS, row[ROOT_NUMBERS];
	struct jsc_reader reader;

	if (!load->file.debugging)
		return 0;
	load->reason = heap_alloc(import->rows, sizeof(*load->reason));
	if (load->reason == NULL)
		return import_no_memory(import);
	jsc_reader_init(&reader, &load->file, &load->file.roots, "roots", import->err);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t name, found;
		int r = jsc_read_numbers(&reader, row, ROOT_NUMBERS);

		if (r < 0)
			return r;
		if (row[1] >= load->file.labels.values || row[2] >= load->file.labels.values)
			return wrong(load, &reader, "there is no label",
				     row[1] > row[2] ? row[1] : row[2]);
		name = load->labels[row[1]] != load->empty ? load->labels[row[1]]
							   : load->labels[row[2]];
		found = heap_ids_get(&import->ids, row[0]);
		if (found == UINT32_MAX)
			return wrong(load, &reader, "there is no node", row[0]);
		if (name != load->empty)
			load->reason[found] = import_reason(import, name);
	}
	return 0;
}

/* ---- edges ---- */

struct edge {
	uint32_t from, to; /* nodes */
	enum heap_edge_kind kind;
	uint32_t name;
};

static int name_edge(const struct load *load, struct jsc_reader *reader, const uint64_t *row,
		     struct edge *ret)
{
	if (row[2] >= load->file.edge_types.values)
		return wrong(load, reader, "there is no type", row[2]);
	ret->kind = load->kinds[row[2]];
	ret->name = load->empty;
	if (ret->kind == HEAP_ELEMENT) {
		if (row[3] >= UINT32_MAX)
			return wrong(load, reader, "there cannot be an element", row[3]);
		ret->name = (uint32_t)row[3];
	} else if (ret->kind != HEAP_INTERNAL) {
		if (row[3] >= load->file.edge_names.values)
			return wrong(load, reader, "there is no name", row[3]);
		ret->name = load->edge_names[row[3]];
	}
	return 0;
}

static int read_edge(const struct load *load, struct jsc_reader *reader, struct edge *ret)
{
	const struct import *import = &load->import;
	uint64_t row[EDGE_NUMBERS];
	uint32_t from, to;
	int r = jsc_read_numbers(reader, row, EDGE_NUMBERS);

	if (r < 0)
		return r;
	from = heap_ids_get(&import->ids, row[0]);
	to = heap_ids_get(&import->ids, row[1]);
	if (from == UINT32_MAX || to == UINT32_MAX)
		return wrong(load, reader, "there is no node",
			     from == UINT32_MAX ? row[0] : row[1]);
	ret->from = import_node(import, from);
	ret->to = import_node(import, to);
	if (from == 0 && load->reason != NULL && load->reason[to] != 0)
		ret->from = load->reason[to];
	return name_edge(load, reader, row, ret);
}

static int read_edges(struct load *load, bool put)
{
	struct import *import = &load->import;
	struct jsc_reader reader;
	struct edge edge = { 0 };

	jsc_reader_init(&reader, &load->file, &load->file.edges, "edges", import->err);
	for (uint32_t i = 0; i < import->edges; i++) {
		int r = read_edge(load, &reader, &edge);

		if (r < 0)
			return r;
		if (put)
			import_edge(import, edge.from, edge.kind, edge.name, edge.to);
		else
			import_count(import, edge.from);
	}
	return 0;
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

/*
 * JSC tells what has a name or a number twice, with it and as one of the engine's own references,
 * in any order. Where one of them is asked for, the first is taken.
 */
static void put_named_first(struct heap_graph *graph)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint32_t next = graph->edge_first[node];

		for (uint32_t i = next; i < graph->edge_first[node + 1]; i++) {
			if (heap_edge_kind(graph->edges[i]) == HEAP_INTERNAL)
				continue;
			swap(&graph->edges[i], &graph->edges[next]);
			swap(&graph->edge_name[i], &graph->edge_name[next++]);
		}
	}
}

/* ---- all of it ---- */

static int read_all_names(struct load *load)
{
	int r;

	if (heap_names_put_text(&load->import.names, "", "", &load->empty) < 0)
		return import_no_memory(&load->import);
	r = read_classes(load);
	r = r == 0 ? read_edge_types(load) : r;
	r = r == 0 ? read_names(load, &load->file.edge_names, "edgeNames", &load->edge_names) : r;
	if (r == 0 && load->file.debugging)
		r = read_names(load, &load->file.labels, "labels", &load->labels);
	return r;
}

/* Of a class there is the name twice; of every text its number. */
static uint64_t text_cost(const struct jsc_file *file)
{
	const struct jsc_section *classes = &file->class_names, *names = &file->edge_names,
				 *labels = &file->labels;
	enum { AROUND = 32 }; /* bytes that a class's name gets at the most */

	return heap_names_cost(2 * classes->values + names->values + labels->values,
			       2 * (classes->bytes + AROUND * classes->values) + names->bytes +
				       labels->bytes) +
	       classes->values * sizeof(struct jsc_class) +
	       (names->values + labels->values) * sizeof(uint32_t);
}

static int load_all(struct load *load, const struct heap_load_options *options)
{
	struct import *import = &load->import;
	const struct jsc_file *file = &load->file;
	int r = jsc_file_read(&load->file, file->text, import->err);

	if (r == 0)
		r = import_begin(import, file->nodes.values / file->node_fields,
				 file->edges.values / EDGE_NUMBERS, text_cost(file), options);
	if (r == 0 && import->rows == 0)
		return err_set(import->err, -EBADMSG,
			       "section \"nodes\", byte %" PRIu64 ": there is not even a root",
			       file->nodes.at);
	r = r == 0 ? read_all_names(load) : r;
	r = r == 0 ? read_ids(load) : r;
	r = r == 0 ? read_roots(load) : r;
	r = r == 0 ? import_graph(import) : r;
	r = r == 0 ? make_wide(load) : r;
	r = r == 0 ? read_nodes(load) : r;
	r = r == 0 ? read_edges(load, false) : r;
	r = r == 0 ? import_lay_out(import) : r;
	r = r == 0 ? read_edges(load, true) : r;
	if (r < 0)
		return r;
	put_named_first(import->graph);
	return import_end(import);
}

int heap_load_jsc(struct heap_graph *ret, const struct v8_text *text,
		  const struct heap_load_options *options, struct err *err)
{
	struct load load = { .file = { .text = text } };
	int r = import_init(&load.import, ret, err);

	r = r < 0 ? err_set(err, r, "%s", strerror(-r)) : load_all(&load, options);
	heap_free(load.reason, load.import.rows, sizeof(*load.reason));
	free(load.classes);
	free(load.edge_names);
	free(load.labels);
	import_fini(&load.import);
	return r;
}
