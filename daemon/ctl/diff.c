/*
 * diff: objects that came and went between two heap snapshots of one program
 *
 * The current one is read first, because the shapes of plain objects are its; of each only the
 * objects by class are kept; with --collections the current one's collections, which are looked for
 * in the other one.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/heap_file.h"
#include "ctl/progress.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/analysis.h"
#include "heap/collections.h"
#include "heap/diff.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"
#include "util/top.h"

struct side {
	struct heap_file file;
	struct heap_analysis analysis;
	struct heap_census census;
	struct heap_collections collections; /* of the current one */
	struct heap_collection_growth *grown; /* owned: found in the other one */
	size_t grown_n;
};

/* They take a look at all references, which the classes do not. */
static bool wants_collections(const struct ctl_options *options)
{
	return options->heap.extras || options->heap.collections;
}

static void side_fini(struct side *side)
{
	free(side->grown);
	heap_collections_fini(&side->collections);
	heap_census_fini(&side->census);
	heap_analysis_fini(&side->analysis);
	heap_file_fini(&side->file);
}

static int find_collections(struct side *side, const struct side *beside)
{
	if (beside != NULL)
		return heap_collections_grown(&side->analysis.graph, &beside->collections,
					      &side->grown, &side->grown_n);
	return heap_collections_find(&side->collections, &side->analysis.graph,
				     &side->analysis.classes, NULL);
}

/* beside: the other one, which is there already; or NULL. */
static int side_init(struct side *side, const char *path, const struct side *beside,
		     const struct ctl_options *options, struct err *err)
{
	struct heap_request request = { .path = path,
					.only_classes = true,
					.parts = HEAP_PARTS_NODES };
	struct err why;
	int r = 0, exit;

	if (beside != NULL) {
		request.shapes = &beside->analysis.shapes;
		request.parts |= HEAP_PARTS_EDGES; /* by which objects have shapes */
		request.taken = heap_file_taken(&beside->file, &beside->analysis);
	}
	if (wants_collections(options)) {
		request.parts |= HEAP_PARTS_EDGES;
		request.after = &heap_collections_after;
	}
	exit = heap_file_analyse(&side->file, &side->analysis, &request, options, err);
	if (exit != CTL_OK)
		return exit;
	if (wants_collections(options))
		r = find_collections(side, beside);
	heap_graph_drop_edges(&side->analysis.graph);
	if (r == 0)
		r = heap_census_init(&side->census, &side->analysis.graph, &side->analysis.classes);
	if (r == 0)
		return CTL_OK;
	err_set(&why, r, "out of memory");
	return heap_file_failed(err, path, r, &why);
}

static double growth(const struct heap_difference *row)
{
	return (double)row->added_bytes - (double)row->removed_bytes;
}

static int by_growth(const void *a, const void *b)
{
	double x = growth(a), y = growth(b);

	if (x > y || x < y)
		return x > y ? -1 : 1;
	return strcmp(((const struct heap_difference *)a)->key,
		      ((const struct heap_difference *)b)->key);
}

static size_t keep(struct heap_difference *rows, size_t n, const struct heap_wish *wish)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (wish->class == NULL || strcmp(rows[i].name, wish->class) == 0)
			rows[kept++] = rows[i];
	}
	if (kept > 0)
		qsort(rows, kept, sizeof(*rows), by_growth);
	return top_of(kept, wish->top);
}

/* What there is to show. */
struct answer {
	const struct heap_difference *rows;
	size_t rows_n;
	const struct heap_classes *classes; /* of the current one */
	struct heap_collection_growth *grown; /* borrowed; NULL: not asked for */
	size_t grown_n;
};

static void keep_grown(struct answer *answer, const struct heap_wish *wish)
{
	size_t kept = 0;

	for (size_t i = 0; i < answer->grown_n; i++) {
		const struct heap_class *class =
			&answer->classes->items[answer->grown[i].now->class];

		if (wish->class == NULL || strcmp(class->name, wish->class) == 0)
			answer->grown[kept++] = answer->grown[i];
	}
	answer->grown_n = top_of(kept, wish->top);
}

static void json_grown(struct json_writer *w, const struct answer *answer)
{
	json_write_key(w, "collections");
	json_write_array(w);
	for (size_t i = 0; i < answer->grown_n; i++) {
		const struct heap_collection_growth *item = &answer->grown[i];

		json_write_object(w);
		json_member_uint(w, "id", item->now->id);
		json_member_string(w, "class", answer->classes->items[item->now->class].key);
		json_member_uint(w, "entries", item->now->entries);
		json_member_uint(w, "entries_before", item->before);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void put_json(struct buf *buf, const struct answer *answer)
{
	const struct heap_difference *rows = answer->rows;
	size_t n = answer->rows_n;
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	json_write_key(&w, "classes");
	json_write_array(&w);
	for (size_t i = 0; i < n; i++) {
		json_write_object(&w);
		json_member_string(&w, "key", rows[i].key);
		json_member_string(&w, "name", rows[i].name);
		json_member_uint(&w, "added", rows[i].added);
		json_member_uint(&w, "removed", rows[i].removed);
		json_member_uint(&w, "added_bytes", rows[i].added_bytes);
		json_member_uint(&w, "removed_bytes", rows[i].removed_bytes);
		json_write_object_end(&w);
	}
	json_write_array_end(&w);
	if (answer->grown != NULL)
		json_grown(&w, answer);
	json_write_object_end(&w);
}

static int put_grown(struct buf *buf, const struct answer *answer, bool legend)
{
	static const struct grid_column columns[] = {
		{ "MORE", true }, { "ENTRIES", true }, { "BEFORE", true },
		{ "ID", true },   { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	if (answer->grown_n > 0)
		buf_puts(buf, "\ncollections that have more entries:\n");
	for (size_t i = 0; i < answer->grown_n && r == 0; i++) {
		const struct heap_collection_growth *item = &answer->grown[i];
		char id[STR_UNIT_MAX];

		snprintf(id, sizeof(id), "@%" PRIu64, item->now->id);
		r = grid_put_count(&grid, item->now->entries - item->before);
		r = r == 0 ? grid_put_count(&grid, item->now->entries) : r;
		r = r == 0 ? grid_put_count(&grid, item->before) : r;
		r = r == 0 ? grid_put(&grid, id) : r;
		r = r == 0 ? grid_put(&grid, answer->classes->items[item->now->class].name) : r;
	}
	if (r == 0 && answer->grown_n > 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

static int put_table(struct buf *buf, const struct heap_difference *rows, size_t n, bool legend)
{
	static const struct grid_column columns[] = {
		{ "GROWTH", true },    { "ADDED", true }, { "REMOVED", true },
		{ "ALLOCATED", true }, { "FREED", true }, { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = grid_put_bytes(&grid, growth(&rows[i]));
		r = r == 0 ? grid_put_count(&grid, rows[i].added) : r;
		r = r == 0 ? grid_put_count(&grid, rows[i].removed) : r;
		r = r == 0 ? grid_put_bytes(&grid, (double)rows[i].added_bytes) : r;
		r = r == 0 ? grid_put_bytes(&grid, (double)rows[i].removed_bytes) : r;
		r = r == 0 ? grid_put(&grid, rows[i].name) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

static int show(const struct answer *answer, const struct ctl_options *options, struct err *err)
{
	struct buf buf, json;
	int r = 0;

	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF) {
		buf_init(&json, SHOW_MAX_BYTES);
		put_json(&json, answer);
		show_json_end(&buf, &json, options->json);
	} else {
		r = put_table(&buf, answer->rows, answer->rows_n, options->legend);
		r = r == 0 ? put_grown(&buf, answer, options->legend) : r;
	}
	return show_top(&buf, r, options, err);
}

static int compare(struct side *base, struct side *current, const struct ctl_options *options,
		   struct err *err)
{
	struct heap_difference *rows = NULL;
	struct answer answer = { .classes = &current->analysis.classes,
				 .grown = base->grown,
				 .grown_n = base->grown_n };
	size_t n;
	int exit;
	int r = heap_diff(&base->analysis.classes, &base->census, answer.classes, &current->census,
			  &rows, &n);

	if (r == 0) {
		answer.rows_n = keep(rows, n, &options->heap);
		answer.rows = rows;
		keep_grown(&answer, &options->heap);
		exit = show(&answer, options, err);
	} else {
		exit = source_fail(err, CTL_FAILURE, r, "out of memory");
	}
	free(rows);
	return exit;
}

int command_diff(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct side base = { .file = { .mapped = 0 } }, current = base;
	int exit = side_init(&current, options->args[1], NULL, options, err);

	(void)source;
	if (exit == CTL_OK)
		exit = side_init(&base, options->args[0], &current, options, err);
	if (exit == CTL_OK)
		exit = compare(&base, &current, options, err);
	side_fini(&base);
	side_fini(&current);
	return exit;
}
