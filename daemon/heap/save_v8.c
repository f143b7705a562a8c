/*
 * A graph to V8's heap snapshot
 *
 * Everything but ASCII is escaped, as V8 does it, so that no reader has to know of an encoding.
 */

#include "heap/save_v8.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "heap/graph.h"
#include "heap/stacks.h"
#include "util/buf.h"

enum {
	BLOCK = 1 << 18,
	ROW_MAX = 256,
	DIGITS_MAX = 20,
	NODE_FIELDS = 6,
	NODE_FIELDS_MAX = NODE_FIELDS + 1, /* with stacks */
	DETACHEDNESS = 3,
};

struct save {
	const struct heap_graph *graph;
	const struct heap_stacks *stacks; /* NULL: there are none */
	unsigned node_fields;
	struct buf buf;
	heap_save_fn *fn;
	void *owner;
	int error;
};

static void flush(struct save *save, size_t more_than)
{
	if (save->error == 0 && save->buf.error < 0)
		save->error = save->buf.error;
	if (save->error == 0 && save->buf.size > more_than)
		save->error = save->fn(save->owner, save->buf.data, save->buf.size);
	if (save->buf.size > more_than)
		buf_clear(&save->buf);
}

static void put(struct save *save, const char *text)
{
	buf_puts(&save->buf, text);
	flush(save, BLOCK);
}

/* ---- the head ---- */

static void put_types(struct save *save)
{
	const struct heap_graph *graph = save->graph;

	for (unsigned i = 0; i < HEAP_TYPES_MAX && graph->type_names[i][0] != '\0'; i++)
		buf_printf(&save->buf, "%s\"%s\"", i > 0 ? "," : "", graph->type_names[i]);
}

static void put_head(struct save *save)
{
	const struct heap_graph *graph = save->graph;

	put(save,
	    "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	    "\"edge_count\"");
	put(save, save->stacks != NULL ? ",\"trace_node_id\"" : "");
	put(save, ",\"detachedness\"],\"node_types\":[[");
	put_types(save);
	put(save, "],\"string\",\"number\",\"number\",\"number\",\"number\"");
	put(save, save->stacks != NULL ? ",\"number\"]," : "],");
	put(save, "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
		  "\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\","
		  "\"shortcut\",\"weak\"],\"string_or_number\",\"node\"],"
		  "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\","
		  "\"script_id\",\"line\",\"column\"],"
		  "\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\","
		  "\"children\"],\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],"
		  "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},");
	buf_printf(&save->buf,
		   "\"node_count\":%u,\"edge_count\":%u,\"trace_function_count\":%u,"
		   "\"extra_native_bytes\":%llu},\n",
		   graph->nodes, graph->edges_n,
		   save->stacks != NULL ? save->stacks->functions_n : 0,
		   (unsigned long long)graph->extra_native_bytes);
}

/* ---- rows ---- */

static size_t put_digits(char *dst, uint64_t value)
{
	char digits[DIGITS_MAX];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	for (size_t i = 0; i < n; i++)
		dst[i] = digits[n - 1 - i];
	return n;
}

static void put_row(struct save *save, bool first, const uint64_t *row, unsigned n)
{
	char text[ROW_MAX];
	size_t size = 0;

	if (!first)
		text[size++] = ',';
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			text[size++] = ',';
		size += put_digits(text + size, row[i]);
	}
	text[size++] = '\n';
	buf_append(&save->buf, text, size);
	flush(save, BLOCK);
}

static void put_nodes(struct save *save)
{
	const struct heap_graph *graph = save->graph;

	put(save, "\"nodes\":[");
	for (uint32_t node = 0; node < graph->nodes && save->error == 0; node++) {
		uint32_t call =
			save->stacks != NULL ? heap_stacks_of(save->stacks, node) : HEAP_NO_CALL;
		uint64_t row[NODE_FIELDS_MAX] = {
			graph->type[node],
			graph->name[node],
			graph->id[node],
			heap_size(graph, node),
			graph->edge_first[node + 1] - graph->edge_first[node],
			call != HEAP_NO_CALL ? save->stacks->calls[call].id : 0,
		};

		row[save->node_fields - 1] = graph->flags[node] & DETACHEDNESS;
		put_row(save, node == 0, row, save->node_fields);
	}
	put(save, "],\n");
}

static void put_edges(struct save *save)
{
	const struct heap_graph *graph = save->graph;

	put(save, "\"edges\":[");
	for (uint32_t i = 0; i < graph->edges_n && save->error == 0; i++) {
		enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);
		const uint64_t row[] = {
			kind == HEAP_HALF ? HEAP_INTERNAL : kind,
			graph->edge_name[i],
			(uint64_t)heap_edge_to(graph->edges[i]) * save->node_fields,
		};

		put_row(save, i == 0, row, sizeof(row) / sizeof(row[0]));
	}
	put(save, "],\n");
}

/* ---- strings ---- */

static void put_unit(struct buf *buf, uint16_t unit)
{
	char c = (char)unit;

	if (unit < ' ' || unit >= 0x7f) {
		buf_printf(buf, "\\u%04x", (unsigned)unit);
		return;
	}
	if (c == '"' || c == '\\')
		buf_append(buf, "\\", 1);
	buf_append(buf, &c, 1);
}

static void put_texts(struct save *save, const struct heap_strings *strings, bool more)
{
	for (uint32_t i = 0; i < strings->n && save->error == 0; i++) {
		const char *at, *end;
		size_t size;

		at = heap_string_raw(strings, i, &size);
		end = at + size;
		buf_puts(&save->buf, i > 0 || more ? ",\n\"" : "\"");
		while (at < end) {
			put_unit(&save->buf, heap_string_unit(&at, end));
			flush(save, BLOCK);
		}
		put(save, "\"");
	}
}

static bool has_strings(const struct save *save)
{
	return save->stacks != NULL && save->stacks->strings != &save->graph->strings;
}

static void put_strings(struct save *save)
{
	const struct heap_strings *strings = &save->graph->strings;

	put(save, "\"strings\":[");
	put_texts(save, strings, false);
	if (has_strings(save))
		put_texts(save, save->stacks->strings, strings->n > 0);
	put(save, "]}\n");
}

/* ---- stacks ---- */

static void put_functions(struct save *save)
{
	const struct heap_stacks *stacks = save->stacks;
	uint64_t before = has_strings(save) ? save->graph->strings.n : 0;

	put(save, "\"trace_function_infos\":[");
	for (uint32_t i = 0; stacks != NULL && i < stacks->functions_n && save->error == 0; i++) {
		const struct heap_function *function = &stacks->functions[i];
		const uint64_t row[] = {
			(uint64_t)i + 1,  before + function->name, before + function->source,
			function->script, function->line,          function->column,
		};

		put_row(save, i == 0, row, sizeof(row) / sizeof(row[0]));
	}
	put(save, "],\n");
}

/* Calls by the one that made them; each of the lists ends with HEAP_NO_CALL. */
struct kids {
	uint32_t *first, *next; /* owned: by call */
};

static int kids_init(struct kids *ret, const struct heap_stacks *stacks)
{
	*ret = (struct kids){ malloc((size_t)stacks->calls_n * sizeof(uint32_t)),
			      malloc((size_t)stacks->calls_n * sizeof(uint32_t)) };
	if (ret->first == NULL || ret->next == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < stacks->calls_n; i++)
		ret->first[i] = ret->next[i] = HEAP_NO_CALL;
	for (uint32_t i = stacks->calls_n; i > 0; i--) {
		uint32_t parent = stacks->calls[i - 1].parent;

		if (parent == HEAP_NO_CALL)
			continue;
		ret->next[i - 1] = ret->first[parent];
		ret->first[parent] = i - 1;
	}
	return 0;
}

static void kids_fini(struct kids *kids)
{
	free(kids->first);
	free(kids->next);
}

static void begin_call(struct save *save, uint32_t i)
{
	const struct heap_call *call = &save->stacks->calls[i];

	buf_printf(&save->buf, "%u,%u,%llu,%llu,[", call->id, call->function,
		   (unsigned long long)call->count, (unsigned long long)call->bytes);
	flush(save, BLOCK);
}

/* Behind a call that makes no more: the next one, or HEAP_NO_CALL. */
static uint32_t end_call(struct save *save, const struct kids *kids, uint32_t call)
{
	while (call != HEAP_NO_CALL) {
		put(save, "]");
		if (kids->next[call] != HEAP_NO_CALL) {
			put(save, ",");
			return kids->next[call];
		}
		call = save->stacks->calls[call].parent;
	}
	return call;
}

/* V8's has one call that is above all; so have the others. */
static void put_tree(struct save *save)
{
	struct kids kids = { NULL, NULL };
	uint32_t call = HEAP_NO_CALL;

	put(save, "\"trace_tree\":[");
	if (save->stacks != NULL && save->error == 0)
		save->error = kids_init(&kids, save->stacks);
	if (save->stacks != NULL && save->stacks->calls_n > 0)
		call = 0;
	while (call != HEAP_NO_CALL && save->error == 0) {
		begin_call(save, call);
		call = kids.first[call] != HEAP_NO_CALL ? kids.first[call]
							: end_call(save, &kids, call);
	}
	kids_fini(&kids);
	put(save, "],\n");
}

int heap_save_v8(const struct heap_graph *graph, const struct heap_stacks *stacks, heap_save_fn *fn,
		 void *owner)
{
	struct save save = { .graph = graph, .fn = fn, .owner = owner, .node_fields = NODE_FIELDS };

	if (stacks != NULL && stacks->of != NULL) {
		save.stacks = stacks;
		save.node_fields = NODE_FIELDS_MAX;
	}
	buf_init(&save.buf, SIZE_MAX / 2);
	put_head(&save);
	put_nodes(&save);
	put_edges(&save);
	put_functions(&save);
	put_tree(&save);
	put(&save, "\"samples\":[],\n\"locations\":[],\n");
	put_strings(&save);
	flush(&save, 0);
	buf_fini(&save.buf);
	return save.error;
}
