/*
 * Strings, collections and detached nodes, for people
 */

#include "ctl/extras_show.h"

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
