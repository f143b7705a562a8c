/*
 * Strings, collections, detached nodes and dead variables, for people
 */

#include "ctl/extras_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ctl/grid.h"
#include "util/buf.h"
#include "util/str.h"
#include "util/top.h"

static const char *why_unknown(const struct heap_duplicates *duplicates)
{
	return duplicates->why == HEAP_TEXTS_REDACTED
		       ? "duplicated strings: not known, their values were redacted\n"
	       : duplicates->why == HEAP_TEXTS_NONE
		       ? "duplicated strings: not known, this engine's snapshots have no values\n"
		       : NULL;
}

static void put_strings_line(struct buf *buf, const struct heap_duplicates *duplicates)
{
	char wasted[STR_UNIT_MAX];

	if (why_unknown(duplicates) != NULL)
		buf_puts(buf, why_unknown(duplicates));
	else if (duplicates->n == 0)
		buf_puts(buf, "no duplicated strings\n");
	else
		buf_printf(buf, "duplicated strings: %zu values, %s wasted (--strings)\n",
			   duplicates->n, str_format_bytes(wasted, duplicates->wasted));
}

static const char *no_variables(const struct heap_dead_variables *variables)
{
	return variables->why == HEAP_VARIABLES_REDACTED
		       ? "dead variables: not known, numbers were redacted\n"
	       : variables->why == HEAP_VARIABLES_NONE
		       ? "dead variables: not known, the snapshot does not tell of scopes\n"
		       : NULL;
}

static void put_variables_line(struct buf *buf, const struct heap_dead_variables *variables)
{
	if (no_variables(variables) != NULL)
		buf_puts(buf, no_variables(variables));
	else if (variables->n == 0)
		buf_puts(buf, "no dead variables\n");
	else
		buf_printf(buf, "variables that no function can use any more: %zu (--variables)\n",
			   variables->n);
}

void extras_put_summary(struct buf *buf, const struct heap_extras *extras)
{
	const struct heap_detached *detached = &extras->detached;
	char retained[STR_UNIT_MAX];

	put_strings_line(buf, &extras->duplicates);
	if (extras->collections.n > 0)
		buf_printf(buf, "collections of %d entries and more: %zu (--collections)\n",
			   HEAP_COLLECTION_MIN, extras->collections.n);
	if (detached->count > 0)
		buf_printf(buf, "detached DOM nodes: %" PRIu64 ", retaining %s\n", detached->count,
			   str_format_bytes(retained, detached->retained));
	put_variables_line(buf, &extras->variables);
}

static int put_value(struct grid *grid, const struct heap_graph *graph,
		     const struct heap_duplicate *item)
{
	struct buf value;
	int r;

	buf_init(&value, SIZE_MAX / 2);
	heap_string_put(&graph->strings, item->string, &value);
	if (heap_duplicate_is_cut(graph, item))
		buf_puts(&value, "...");
	r = buf_text(&value) != NULL ? grid_put(grid, buf_text(&value)) : value.error;
	buf_fini(&value);
	return r;
}

int extras_put_strings(struct buf *buf, const struct heap_extras *extras,
		       const struct heap_analysis *analysis, const struct ctl_options *options)
{
	static const struct grid_column columns[] = {
		{ "WASTED", true }, { "BYTES", true },   { "COUNT", true },
		{ "FIRST", true },  { "STRING", false },
	};
	const struct heap_duplicates *duplicates = &extras->duplicates;
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	if (why_unknown(duplicates) != NULL)
		return buf->error;
	for (size_t i = 0; i < top_of(duplicates->n, options->heap.top) && r == 0; i++) {
		const struct heap_duplicate *item = &duplicates->items[i];
		char id[STR_UNIT_MAX];

		snprintf(id, sizeof(id), "@%" PRIu64, heap_id(&analysis->graph, item->example));
		r = grid_put_bytes(&grid, (double)item->wasted);
		r = r == 0 ? grid_put_bytes(&grid, (double)item->bytes) : r;
		r = r == 0 ? grid_put_count(&grid, item->count) : r;
		r = r == 0 ? grid_put(&grid, id) : r;
		r = r == 0 ? put_value(&grid, &analysis->graph, item) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, options->legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}

int extras_put_collections(struct buf *buf, const struct heap_extras *extras,
			   const struct heap_analysis *analysis, const struct ctl_options *options)
{
	static const struct grid_column columns[] = {
		{ "RETAINED", true },
		{ "ENTRIES", true },
		{ "ID", true },
		{ "CLASS", false },
	};
	const struct heap_collections *all = &extras->collections;
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < top_of(all->n, options->heap.top) && r == 0; i++) {
		const struct heap_collection *item = &all->items[i];
		const char *name = analysis->classes.items[item->class].name;
		char id[STR_UNIT_MAX];

		snprintf(id, sizeof(id), "@%" PRIu64, item->id);
		r = grid_put_bytes(&grid, (double)item->retained);
		r = r == 0 ? grid_put_count(&grid, item->entries) : r;
		r = r == 0 ? grid_put(&grid, id) : r;
		r = r == 0 ? grid_put(&grid, name) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, options->legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}

/* "https://shop.example/app.js:+310": that many characters on. */
static int put_script(struct grid *grid, const struct heap_graph *graph,
		      const struct heap_dead_variable *item)
{
	uint32_t start = heap_dead_variable_start(graph, item);
	struct buf text;
	int r;

	buf_init(&text, SIZE_MAX / 2);
	heap_dead_variable_script(graph, item->script, &text);
	if (text.size == 0)
		buf_puts(&text, "-");
	if (start != UINT32_MAX)
		buf_printf(&text, ":+%" PRIu32, start);
	r = buf_text(&text) != NULL ? grid_put(grid, buf_text(&text)) : -ENOMEM;
	buf_fini(&text);
	return r;
}

static int put_text(struct grid *grid, const struct heap_graph *graph, uint32_t string)
{
	struct buf text;
	int r;

	buf_init(&text, SIZE_MAX / 2);
	heap_string_put(&graph->strings, string, &text);
	r = buf_text(&text) != NULL ? grid_put(grid, buf_text(&text)) : -ENOMEM;
	buf_fini(&text);
	return r;
}

int extras_put_variables(struct buf *buf, const struct heap_extras *extras,
			 const struct heap_analysis *analysis, const struct ctl_options *options)
{
	static const struct grid_column columns[] = {
		{ "ALONE", true }, { "RETAINED", true },  { "CONTEXTS", true }, { "CONTEXT", true },
		{ "VALUE", true }, { "VARIABLE", false }, { "SCRIPT", false },
	};
	const struct heap_dead_variables *all = &extras->variables;
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	if (no_variables(all) != NULL)
		return buf->error;
	for (size_t i = 0; i < top_of(all->n, options->heap.top) && r == 0; i++) {
		const struct heap_dead_variable *item = &all->items[i];
		char context[STR_UNIT_MAX], value[STR_UNIT_MAX];

		snprintf(context, sizeof(context), "@%" PRIu64,
			 heap_id(&analysis->graph, item->example));
		snprintf(value, sizeof(value), "@%" PRIu64, heap_id(&analysis->graph, item->value));
		r = grid_put_bytes(&grid, (double)item->alone);
		r = r == 0 ? grid_put_bytes(&grid, (double)item->retained) : r;
		r = r == 0 ? grid_put_count(&grid, item->contexts) : r;
		r = r == 0 ? grid_put(&grid, context) : r;
		r = r == 0 ? grid_put(&grid, value) : r;
		r = r == 0 ? put_text(&grid, &analysis->graph, item->name) : r;
		r = r == 0 ? put_script(&grid, &analysis->graph, item) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, options->legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}
