/*
 * diff: objects that came and went between two heap snapshots of one program
 *
 * The current one is read first, because the shapes of plain objects are its; of each only the
 * objects by class are kept.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/heap_file.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/analysis.h"
#include "heap/diff.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"

struct side {
	struct heap_file file;
	struct heap_analysis analysis;
	struct heap_census census;
};

static void side_fini(struct side *side)
{
	heap_census_fini(&side->census);
	heap_analysis_fini(&side->analysis);
	heap_file_fini(&side->file);
}

/* beside: the other one, which is there already; or NULL. */
static int side_init(struct side *side, const char *path, const struct side *beside,
		     const struct ctl_options *options, struct err *err)
{
	struct heap_request request = { .path = path,
					.only_classes = true,
					.parts = HEAP_PARTS_NODES };
	struct err why;
	int r, exit;

	if (beside != NULL) {
		request.parts = HEAP_PARTS_NODES | HEAP_PARTS_EDGES;
		request.shapes = &beside->analysis.shapes;
		request.taken = heap_file_taken(&beside->file, &beside->analysis);
	}
	exit = heap_file_analyse(&side->file, &side->analysis, &request, options, err);
	if (exit != CTL_OK)
		return exit;
	heap_graph_drop_edges(&side->analysis.graph);
	r = heap_census_init(&side->census, &side->analysis.graph, &side->analysis.classes);
	err_set(&why, r, "out of memory");
	return r < 0 ? heap_file_failed(err, path, r, &why) : CTL_OK;
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
	return wish->top > 0 && kept > wish->top ? (size_t)wish->top : kept;
}

static void put_json(struct buf *buf, const struct heap_difference *rows, size_t n)
{
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
	json_write_object_end(&w);
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

static int show(const struct heap_difference *rows, size_t n, const struct ctl_options *options,
		struct err *err)
{
	struct buf buf, json;
	int r;

	buf_init(&buf, SHOW_MAX_BYTES);
	buf_init(&json, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF) {
		put_json(&json, rows, n);
		r = json.error;
		if (buf_text(&json) != NULL)
			show_json_text(&buf, buf_text(&json), options->json);
	} else {
		r = put_table(&buf, rows, n, options->legend);
	}
	buf_fini(&json);
	if (r == 0)
		return show_out(&buf, options->pager);
	buf_fini(&buf);
	return source_fail(err, CTL_FAILURE, r, "too much to show; --top=NUMBER shows less");
}

static int compare(const struct side *base, const struct side *current,
		   const struct ctl_options *options, struct err *err)
{
	struct heap_difference *rows = NULL;
	size_t n;
	int exit;

	if (heap_diff(&base->analysis.classes, &base->census, &current->analysis.classes,
		      &current->census, &rows, &n) < 0)
		return source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	exit = show(rows, keep(rows, n, &options->heap), options, err);
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
