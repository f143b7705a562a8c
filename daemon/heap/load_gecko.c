/*
 * Gecko's heap snapshots to a graph
 *
 * Three walks: what there is; the nodes; their references, which may lead to nodes that come later.
 */

#include "heap/load_gecko.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap/gecko_class.h"
#include "heap/gecko_read.h"
#include "heap/gecko_text.h"
#include "heap/import.h"
#include "util/err.h"

/* What a wide text is as the name of a reference. */
enum use { USE_UNKNOWN, USE_ELEMENT, USE_INTERNAL, USE_NAME };

struct wide {
	uint32_t name; /* or the number of the element */
	uint8_t use;
};

struct load {
	struct import import;
	struct gecko_reader reader;
	struct gecko_classes classes;
	struct wide *wides; /* owned: by number */
	uint32_t *narrows; /* owned: names + 1, by number */
	uint64_t edges;
	uint32_t empty; /* the name "" */
	struct buf buf;
};

/* ---- texts ---- */

static const struct gecko_text *text_of(const struct gecko_texts *texts, uint32_t number)
{
	return number != GECKO_NO_TEXT ? &texts->items[number] : NULL;
}

static int wide_name(struct load *load, uint32_t number, uint32_t *ret)
{
	gecko_put_wide(&load->buf, &load->reader.wide.items[number]);
	return gecko_name(&load->import.names, &load->buf, ret);
}

static int narrow_name(struct load *load, uint32_t number, uint32_t *ret)
{
	int r = 0;

	*ret = UINT32_MAX;
	if (number == GECKO_NO_TEXT)
		return 0;
	if (load->narrows[number] == 0) {
		gecko_put_narrow(&load->buf, &load->reader.narrow.items[number]);
		r = gecko_name(&load->import.names, &load->buf, ret);
		load->narrows[number] = r == 0 ? *ret + 1 : 0;
	}
	*ret = load->narrows[number] - 1;
	return r;
}

/* Names that no program can have given, or hardly: with blanks, or between stars. */
static bool is_internal(const char *name, size_t size)
{
	return (size >= 2 && memcmp(name, "**", 2) == 0) || memchr(name, ' ', size) != NULL ||
	       (size == 5 && memcmp(name, "shape", 5) == 0) ||
	       (size == 4 && memcmp(name, "base", 4) == 0);
}

static int use_of(struct load *load, uint32_t number, const struct wide **ret)
{
	static const struct wide nameless = { .use = USE_INTERNAL };
	struct wide *wide;

	*ret = &nameless;
	if (number == GECKO_NO_TEXT)
		return 0;
	*ret = wide = &load->wides[number];
	if (wide->use != USE_UNKNOWN)
		return 0;
	if (gecko_element(&load->reader.wide.items[number], &wide->name)) {
		wide->use = USE_ELEMENT;
		return 0;
	}
	gecko_put_wide(&load->buf, &load->reader.wide.items[number]);
	if (load->buf.error == 0)
		wide->use =
			is_internal(load->buf.data != NULL ? load->buf.data : "", load->buf.size)
				? USE_INTERNAL
				: USE_NAME;
	return gecko_name(&load->import.names, &load->buf, &wide->name);
}

/* ---- roots ---- */

/* "mCallback, holder 0x7f...": what the reason has of one root alone is cut off. */
static int reason_of(struct load *load, uint32_t number, uint32_t *ret)
{
	static const char *const cuts[] = { ", ", " 0x" };
	struct buf *buf = &load->buf;
	uint32_t name;

	*ret = IMPORT_GC_ROOTS;
	if (number == GECKO_NO_TEXT)
		return 0;
	gecko_put_wide(buf, &load->reader.wide.items[number]);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]) && buf->size > 0; i++) {
		const char *found = memmem(buf->data, buf->size, cuts[i], strlen(cuts[i]));

		if (found != NULL)
			buf->size = (size_t)(found - buf->data);
	}
	if (gecko_name(&load->import.names, buf, &name) < 0)
		return -ENOMEM;
	if (name != load->empty)
		*ret = import_reason(&load->import, name);
	return 0;
}

/* ---- the first walk ---- */

static bool is_global(const struct gecko_reader *reader)
{
	static const char *const names[] = { "Window", "BackstagePass" };
	const struct gecko_text *text = text_of(&reader->narrow, reader->node.class);

	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (text->size == strlen(names[i]) && memcmp(text->data, names[i], text->size) == 0)
			return true;
	}
	return false;
}

static int see_node(struct load *load, uint32_t row)
{
	struct import *import = &load->import;
	struct gecko_node *node = &load->reader.node;
	uint32_t reason;

	load->edges += node->edges_n;
	if (row > 0 && is_global(&load->reader) && heap_stack_push(&import->globals, row) < 0)
		return import_no_memory(import);
	for (uint32_t i = 0; i < node->edges_n && row == 0; i++) {
		if (reason_of(load, node->edges[i].name, &reason) < 0)
			return import_no_memory(import);
	}
	return 0;
}

/* ---- the second ---- */

static int fill_node(struct load *load, uint32_t row)
{
	struct import *import = &load->import;
	struct heap_graph *graph = import->graph;
	const struct gecko_reader *reader = &load->reader;
	const struct gecko_node *from = &reader->node;
	uint32_t node = import_node(import, row);
	struct gecko_said said = {
		.type = UINT32_MAX,
		.type_text = text_of(&reader->wide, from->type),
		.script = text_of(&reader->narrow, from->script),
		.described = text_of(&reader->wide, from->described),
		.coarse = from->coarse,
	};

	graph->id64[node] = from->id;
	if (heap_size_set(graph, node, from->size) < 0)
		return import_no_memory(import);
	if (row == 0)
		return 0;
	if (from->type != GECKO_NO_TEXT && wide_name(load, from->type, &said.type) < 0)
		return import_no_memory(import);
	if (narrow_name(load, from->class, &said.class) < 0 ||
	    gecko_class(&load->classes, &said, &graph->type[node], &graph->name[node]) < 0)
		return import_no_memory(import);
	graph->id[node] = 2 * node + 1;
	return 0;
}

static int take_node(struct load *load, uint32_t row)
{
	struct import *import = &load->import;
	const struct gecko_node *from = &load->reader.node;
	uint32_t node = import_node(import, row), under;
	int r = 0;

	if (heap_ids_put(&import->ids, from->id, row) < 0)
		return err_set(import->err, -EBADMSG,
			       "node %" PRIu64 ", before byte %" PRIu64
			       ": there is another one of id %" PRIu64,
			       load->reader.message, load->reader.at, from->id);
	for (uint32_t i = 0; i < from->edges_n && r == 0; i++) {
		under = node;
		if (row == 0)
			r = reason_of(load, from->edges[i].name, &under);
		import_count(import, under);
	}
	return r < 0 ? import_no_memory(import) : fill_node(load, row);
}

/* ---- the third ---- */

static enum heap_edge_kind kind_of(const struct load *load, uint32_t row, uint32_t node,
				   uint8_t use, bool object)
{
	const struct heap_graph *graph = load->import.graph;

	if (row > 0 && use == USE_ELEMENT)
		return HEAP_ELEMENT;
	if (row == 0 || !object || use != USE_NAME)
		return HEAP_INTERNAL;
	return gecko_class_is_scope(&load->classes, graph->name[node]) ? HEAP_CONTEXT
								       : HEAP_PROPERTY;
}

static int put_edge(struct load *load, uint32_t row, const struct gecko_edge *edge, bool object)
{
	struct import *import = &load->import;
	uint32_t found = heap_ids_get(&import->ids, edge->to), node = import_node(import, row);
	uint32_t under = node, name = load->empty;
	enum heap_edge_kind kind;
	const struct wide *wide;

	if (found == UINT32_MAX)
		return err_set(import->err, -EBADMSG,
			       "node %" PRIu64 ", before byte %" PRIu64 ": it refers to %" PRIu64
			       ", which is not there: damaged, or cut short behind a node",
			       load->reader.message, load->reader.at, edge->to);
	if (use_of(load, edge->name, &wide) < 0)
		return import_no_memory(import);
	kind = kind_of(load, row, node, wide->use, object);
	if (kind == HEAP_ELEMENT || (edge->name != GECKO_NO_TEXT && wide->use != USE_ELEMENT))
		name = wide->name;
	else if (edge->name != GECKO_NO_TEXT && wide_name(load, edge->name, &name) < 0)
		return import_no_memory(import);
	if (row == 0 && reason_of(load, edge->name, &under) < 0)
		return import_no_memory(import);
	import_edge(import, under, kind, name, import_node(import, found));
	return 0;
}

static int put_edges(struct load *load, uint32_t row)
{
	const struct gecko_node *node = &load->reader.node;
	const struct heap_graph *graph = load->import.graph;
	uint8_t type = graph->type[import_node(&load->import, row)];
	bool object = type == HEAP_OBJECT || type == HEAP_CLOSURE || type == HEAP_REGEXP;
	int r = 0;

	for (uint32_t i = 0; i < node->edges_n && r == 0; i++)
		r = put_edge(load, row, &node->edges[i], object);
	return r;
}

/* ---- all of it ---- */

static int walk(struct load *load, int (*step)(struct load *load, uint32_t row))
{
	uint32_t row = 0;
	int r = gecko_rewind(&load->reader);

	while (r == 0) {
		r = gecko_next(&load->reader);
		if (r <= 0)
			return r;
		r = step(load, row++);
	}
	return r;
}

static int prepare(struct load *load)
{
	struct import *import = &load->import;

	load->wides = calloc((size_t)load->reader.wide.n + 1, sizeof(*load->wides));
	load->narrows = calloc((size_t)load->reader.narrow.n + 1, sizeof(*load->narrows));
	import->graph->id64 = heap_alloc(import->graph->nodes, sizeof(uint64_t));
	import->graph->addresses = true;
	if (load->wides == NULL || load->narrows == NULL || import->graph->id64 == NULL)
		return import_no_memory(import);
	for (uint32_t node = 0; node < IMPORT_REASONS + import->reasons_n; node++)
		import->graph->id64[node] = import->graph->id[node];
	return 0;
}

/* Of every text its number, too. */
static uint64_t text_cost(const struct gecko_reader *reader)
{
	return gecko_reader_cost(reader) + reader->wide.n * sizeof(struct wide) +
	       reader->narrow.n * sizeof(uint32_t);
}

static int load_all(struct load *load, const struct heap_load_options *options)
{
	struct import *import = &load->import;
	uint64_t rows = 0;
	int r;

	if (heap_names_put_text(&import->names, "", "", &load->empty) < 0 ||
	    gecko_classes_init(&load->classes, &import->names) < 0)
		return import_no_memory(import);
	r = gecko_count(&load->reader, &rows);
	if (r == 0 && rows == 0)
		return err_set(import->err, -ENODATA,
			       "the file ends at byte %" PRIu64 ", before the first node",
			       load->reader.text->size);
	/* More nodes than can be are refused before the walk; their edges after it. */
	r = r == 0 ? import_check(import, rows, 0, 0, options) : r;
	r = r == 0 ? walk(load, see_node) : r;
	import->graph->traced = load->reader.traced;
	r = r == 0 ? import_begin(import, rows, load->edges, text_cost(&load->reader), options) : r;
	r = r == 0 ? import_graph(import) : r;
	r = r == 0 ? prepare(load) : r;
	r = r == 0 ? walk(load, take_node) : r;
	r = r == 0 ? import_lay_out(import) : r;
	r = r == 0 ? walk(load, put_edges) : r;
	if (r == 0 && gecko_name_objects(&load->classes, import->graph) < 0)
		return import_no_memory(import);
	return r == 0 ? import_end(import) : r;
}

int heap_load_gecko(struct heap_graph *ret, const struct v8_text *text,
		    const struct heap_load_options *options, struct err *err)
{
	struct load load = { .edges = 0 };
	int r = import_init(&load.import, ret, err);

	gecko_reader_init(&load.reader, text, err);
	buf_init(&load.buf, SIZE_MAX / 2);
	r = r < 0 ? err_set(err, r, "%s", strerror(-r)) : load_all(&load, options);
	buf_fini(&load.buf);
	free(load.wides);
	free(load.narrows);
	gecko_reader_fini(&load.reader);
	import_fini(&load.import);
	return r;
}
