/*
 * The stacks in a V8 timeline of allocations
 *
 * The nodes stand before the tree that they refer to: they are read when that is known.
 */

#include "heap/v8_stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap/ids.h"
#include "heap/stacks.h"
#include "heap/v8_head.h"
#include "heap/v8_walk.h"
#include "util/err.h"

struct read {
	struct v8_walk walk;
	struct v8_head head;
	const struct heap_graph *graph; /* borrowed */
	struct heap_stacks *stacks; /* borrowed */
	struct err *err; /* borrowed */
	struct heap_ids ids; /* of calls */
	uint64_t nodes_at; /* behind its '[' */
	bool has_tree;
	struct err full; /* why no more functions can be taken */
	int full_code;
};

static int damaged(const struct read *read, const char *what, uint64_t number)
{
	return err_set(read->err, -EBADMSG, "section \"%s\", before byte %" PRIu64 ": %s %" PRIu64,
		       read->walk.section, read->walk.at, what, number);
}

/* ---- arrays of rows ---- */

static int function_rows(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad)
{
	struct read *read = owner;
	const struct v8_trace_fields *field = &read->head.trace;
	int r = 0;

	(void)first;
	for (size_t i = 0; i < n && r == 0; i++, rows += field->n) {
		const struct heap_function function = {
			.name = (uint32_t)rows[field->name],
			.source = (uint32_t)rows[field->script_name],
			.script = (uint32_t)rows[field->script],
			.line = (uint32_t)rows[field->line],
			.column = (uint32_t)rows[field->column],
		};

		*bad = i;
		if (rows[field->name] >= read->graph->strings.n ||
		    rows[field->script_name] >= read->graph->strings.n ||
		    rows[field->script] > UINT32_MAX || rows[field->line] > UINT32_MAX ||
		    rows[field->column] > UINT32_MAX)
			return -EBADMSG;
		r = heap_stacks_add_function(read->stacks, &function, &read->full);
	}
	read->full_code = r;
	return r;
}

/* 0: it is not known where it was allocated. */
static int node_rows(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad)
{
	struct read *read = owner;
	uint32_t *of = read->stacks->of + first;

	for (size_t i = 0; i < n; i++, rows += read->head.node.n) {
		uint64_t id = rows[read->head.node.call];

		*bad = i;
		if (id == 0)
			continue;
		of[i] = heap_ids_get(&read->ids, id) + 1;
		if (of[i] == 0)
			return -EBADMSG;
	}
	return 0;
}

static int read_rows(struct read *read, const struct v8_array *array, uint64_t at)
{
	struct v8_pool *pool;
	int r = v8_pool_new(&pool, read->walk.text, 1);

	if (r < 0)
		return err_set(read->err, r, "%s", strerror(-r));
	r = v8_array_read(pool, array, &at, read->err);
	if (r == 0)
		r = v8_pool_finish(pool, read->err);
	v8_pool_free(pool);
	read->walk.at = at;
	return r;
}

static int read_functions(struct read *read)
{
	const struct v8_array array = { "trace_function_infos",
					read->head.trace.n,
					UINT64_MAX,
					function_rows,
					read,
					NULL,
					false };
	int r;

	if (read->walk.text->data[read->walk.at] != '[')
		return v8_walk_unexpected(&read->walk, read->err, "an array");
	if (read->stacks->functions_n > 0)
		return v8_walk_twice(&read->walk, read->err);
	r = read_rows(read, &array, read->walk.at + 1);
	if (read->full_code < 0 && r == read->full_code)
		*read->err = read->full;
	return r;
}

static int read_nodes(struct read *read)
{
	const struct v8_array array = {
		"nodes", read->head.node.n, read->graph->nodes, node_rows, read, NULL, false
	};

	return read_rows(read, &array, read->nodes_at);
}

/* ---- the tree ---- */

/* Up to its calls, which are the last of its numbers. */
static int read_call(struct read *read, uint32_t parent)
{
	const struct v8_trace_fields *field = &read->head.trace;
	struct heap_call call = { .parent = parent };
	uint64_t row[V8_FIELDS_MAX];
	int r, more = 1;

	for (unsigned i = 0; i + 1 < field->call_n; i++) {
		r = v8_walk_number(&read->walk, &row[i], read->err);
		if (r < 0)
			return r;
		more = v8_walk_more(&read->walk, read->err);
		if (more < 0)
			return more;
		if (more == 0)
			return damaged(read, "a call ends after so many of its numbers:", i + 1);
	}
	if (row[field->function] >= read->stacks->functions_n)
		return damaged(read, "there is no function", row[field->function]);
	if (row[field->id] == 0 || row[field->id] >= UINT32_MAX)
		return damaged(read, "there cannot be a call of id", row[field->id]);
	call.function = (uint32_t)row[field->function];
	call.line = read->stacks->functions[call.function].line;
	call.column = read->stacks->functions[call.function].column;
	call.id = (uint32_t)row[field->id];
	call.count = row[field->count];
	call.bytes = row[field->size];
	return heap_stacks_add_call(read->stacks, &call, read->err);
}

/* Behind a call that makes no more: to the next one of its caller, or of a caller above that; 0:
 * there is none. */
static int next_call(struct read *read, uint32_t *parent)
{
	for (;;) {
		int more = v8_walk_more(&read->walk, read->err);

		if (more != 0)
			return more;
		if (*parent == HEAP_NO_CALL)
			return 0;
		*parent = read->stacks->calls[*parent].parent;
	}
}

static int read_tree(struct read *read)
{
	uint32_t parent = HEAP_NO_CALL;
	int r, more;

	if (read->has_tree)
		return v8_walk_twice(&read->walk, read->err);
	read->has_tree = true;
	more = v8_walk_array(&read->walk, read->err);
	while (more > 0) {
		r = read_call(read, parent);
		if (r < 0)
			return r;
		more = v8_walk_array(&read->walk, read->err);
		if (more > 0)
			parent = read->stacks->calls_n - 1;
		else if (more == 0)
			more = next_call(read, &parent);
	}
	return more;
}

static int index_calls(struct read *read)
{
	const struct heap_stacks *stacks = read->stacks;
	uint32_t last = 0;
	int r;

	for (uint32_t i = 0; i < stacks->calls_n; i++)
		last = stacks->calls[i].id > last ? stacks->calls[i].id : last;
	r = heap_stacks_check(stacks, heap_ids_cost(stacks->calls_n), read->err);
	if (r < 0)
		return r;
	r = heap_ids_init(&read->ids, stacks->calls_n, last);
	if (r < 0)
		return err_set(read->err, r, "%s", strerror(-r));
	for (uint32_t i = 0; i < stacks->calls_n; i++) {
		if (heap_ids_put(&read->ids, stacks->calls[i].id, i) < 0)
			return damaged(read, "there is another call of id", stacks->calls[i].id);
	}
	return 0;
}

/* ---- sections ---- */

static int read_head(struct read *read)
{
	int r = v8_walk_begin(&read->walk, read->err);

	return r == 0 ? v8_head_read(&read->head, &read->walk, read->err) : r;
}

static int read_section(void *owner)
{
	struct read *read = owner;
	int r;

	if (v8_walk_is(&read->walk, "nodes"))
		read->nodes_at = read->walk.at + 1;
	if (v8_walk_is(&read->walk, "trace_function_infos"))
		return read_functions(read);
	if (!v8_walk_is(&read->walk, "trace_tree"))
		return v8_walk_skip_numbers(&read->walk) ? 0 : v8_walk_skip(&read->walk, read->err);
	r = read_tree(read);
	return r == 0 ? index_calls(read) : r;
}

int v8_stacks_read(struct heap_stacks *stacks, const struct heap_graph *graph,
		   const struct v8_text *text, struct err *err)
{
	struct read read = { .walk = { .text = text, .section = "snapshot" },
			     .graph = graph,
			     .stacks = stacks,
			     .err = err };
	int r = read_head(&read);

	if (r == 0 && read.head.trace.n == 0)
		r = v8_walk_missing(text, "trace_tree", err);
	r = r == 0 ? v8_walk_sections(&read.walk, read_section, &read, err) : r;
	if (r == 0 && (!read.has_tree || read.nodes_at == 0))
		r = v8_walk_missing(text, "trace_tree", err);
	r = r == 0 ? heap_stacks_make_column(stacks, graph->nodes, err) : r;
	r = r == 0 ? read_nodes(&read) : r;
	heap_ids_fini(&read.ids);
	return r;
}
