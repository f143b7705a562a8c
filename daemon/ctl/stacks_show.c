/*
 * Where objects of a snapshot were allocated
 */

#include "ctl/stacks_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ctl/grid.h"
#include "ctl/show.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/top.h"

int stacks_view_init(struct stacks_view *ret, const struct heap_stacks *stacks,
		     struct places *places)
{
	*ret = (struct stacks_view){ .stacks = stacks, .places = places };
	return stacks->of != NULL ? heap_stacks_sum(stacks, &ret->sums, &ret->sums_n) : 0;
}

void stacks_view_fini(struct stacks_view *view)
{
	free(view->sums);
	view->sums = NULL;
}

/* ---- texts ---- */

/* It is done with; why it failed, `to` has failed. */
static void end_piece(struct buf *piece, struct buf *to)
{
	if (to->error == 0)
		to->error = piece->error;
	buf_fini(piece);
}

static void put_name(struct buf *buf, const struct stacks_view *view, uint32_t function)
{
	size_t before = buf->size;

	heap_string_put(view->stacks->strings, view->stacks->functions[function].name, buf);
	if (buf->size == before)
		buf_puts(buf, "(anonymous)");
}

/* "src/app.ts:12", or only the script where no line is told; nothing without a script. */
static void put_place(struct buf *buf, const struct stacks_view *view, uint32_t number,
		      uint32_t line, uint32_t column)
{
	const struct heap_function *function = &view->stacks->functions[number];
	const struct heap_place place = { function->script, line - 1, column > 0 ? column - 1 : 0 };
	struct buf url;

	buf_init(&url, SHOW_MAX_BYTES);
	heap_string_put(view->stacks->strings, function->source, &url);
	if (url.size > 0 && buf_text(&url) != NULL && line > 0)
		places_put_at(buf, view->places, buf_text(&url), &place);
	else if (url.size > 0)
		buf_append(buf, url.data, url.size);
	end_piece(&url, buf);
}

/* "fill (src/app.ts:12)" */
static void put_function(struct buf *buf, const struct stacks_view *view, uint32_t number,
			 uint32_t line, uint32_t column)
{
	struct buf place;

	buf_init(&place, SHOW_MAX_BYTES);
	put_name(buf, view, number);
	put_place(&place, view, number, line, column);
	if (place.size > 0 && buf_text(&place) != NULL)
		buf_printf(buf, " (%s)", buf_text(&place));
	end_piece(&place, buf);
}

/* ---- for people ---- */

void stacks_put_node(struct buf *buf, const struct stacks_view *view, uint32_t node)
{
	const struct heap_stacks *stacks = view->stacks;
	uint32_t i = heap_stacks_of(stacks, node);
	const char *lead = "allocated by ";

	/* The first one is above all calls, and none itself. */
	for (; i != HEAP_NO_CALL && stacks->calls[i].parent != HEAP_NO_CALL && buf->error == 0;
	     i = stacks->calls[i].parent) {
		const struct heap_call *call = &stacks->calls[i];
		struct buf text;

		buf_init(&text, SHOW_MAX_BYTES);
		put_function(&text, view, call->function, call->line, call->column);
		buf_puts(buf, lead);
		show_text(buf, buf_text(&text) != NULL ? buf_text(&text) : "?");
		buf_puts(buf, "\n");
		end_piece(&text, buf);
		lead = "   called by ";
	}
}

void stacks_put_summary(struct buf *buf, const struct stacks_view *view)
{
	if (view->stacks->of == NULL)
		buf_puts(buf, "allocations: the snapshot has no stacks of them\n");
	else
		buf_printf(buf,
			   "allocations: of %" PRIu64 " objects it is known by which of %" PRIu32
			   " functions%s\n",
			   view->stacks->traced, view->sums_n,
			   view->stacks->live_only ? "; those that are gone are not told" : "");
}

static int put_row(struct grid *grid, const struct stacks_view *view,
		   const struct heap_allocation *sum)
{
	const struct heap_function *function = &view->stacks->functions[sum->function];
	bool told = !view->stacks->live_only;
	struct buf text;
	int r = told ? grid_put_bytes(grid, (double)sum->bytes) : grid_put(grid, "-");

	if (r == 0)
		r = told ? grid_put_count(grid, sum->count) : grid_put(grid, "-");
	r = r == 0 ? grid_put_bytes(grid, (double)sum->live_bytes) : r;
	r = r == 0 ? grid_put_count(grid, sum->live) : r;
	if (r < 0)
		return r;
	buf_init(&text, SHOW_MAX_BYTES);
	put_function(&text, view, sum->function, function->line, function->column);
	r = buf_text(&text) != NULL ? grid_put(grid, buf_text(&text)) : text.error;
	buf_fini(&text);
	return r;
}

int stacks_put_table(struct buf *buf, const struct stacks_view *view,
		     const struct ctl_options *options)
{
	static const struct grid_column columns[] = {
		{ "ALLOCATED", true },  { "COUNT", true },     { "LIVE", true },
		{ "LIVE COUNT", true }, { "FUNCTION", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	if (view->stacks->of == NULL)
		return buf->error;
	for (size_t i = 0; i < top_of(view->sums_n, options->heap.top) && r == 0; i++)
		r = put_row(&grid, view, &view->sums[i]);
	if (r == 0)
		grid_print(&grid, buf, options->legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}

/* ---- for programs ---- */

static void member_function(struct json_writer *w, const struct stacks_view *view, uint32_t number,
			    uint32_t line, uint32_t column)
{
	struct buf name, place;

	buf_init(&name, SHOW_MAX_BYTES);
	buf_init(&place, SHOW_MAX_BYTES);
	put_name(&name, view, number);
	put_place(&place, view, number, line, column);
	json_member_string(w, "function", buf_text(&name));
	json_member_string(w, "place", place.size > 0 ? buf_text(&place) : NULL);
	end_piece(&name, w->buf);
	end_piece(&place, w->buf);
}

void stacks_json_node(struct json_writer *w, const struct stacks_view *view, uint32_t node)
{
	const struct heap_stacks *stacks = view->stacks;
	uint32_t i = heap_stacks_of(stacks, node);

	json_write_key(w, "allocated_at");
	if (i == HEAP_NO_CALL) {
		json_write_null(w);
		return;
	}
	json_write_array(w);
	for (; stacks->calls[i].parent != HEAP_NO_CALL && w->buf->error == 0;
	     i = stacks->calls[i].parent) {
		const struct heap_call *call = &stacks->calls[i];

		json_write_object(w);
		member_function(w, view, call->function, call->line, call->column);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void member_told(struct json_writer *w, const char *key, bool told, uint64_t value)
{
	json_write_key(w, key);
	if (told)
		json_write_uint(w, value);
	else
		json_write_null(w);
}

void stacks_json(struct json_writer *w, const struct stacks_view *view, uint64_t top)
{
	const struct heap_stacks *stacks = view->stacks;

	json_write_key(w, "allocations");
	if (stacks->of == NULL) {
		json_write_null(w);
		return;
	}
	json_write_object(w);
	json_member_uint(w, "objects", stacks->traced);
	json_member_uint(w, "functions_in_all", view->sums_n);
	json_write_key(w, "functions");
	json_write_array(w);
	for (size_t i = 0; i < top_of(view->sums_n, top) && w->buf->error == 0; i++) {
		const struct heap_allocation *sum = &view->sums[i];
		const struct heap_function *function = &stacks->functions[sum->function];

		json_write_object(w);
		member_function(w, view, sum->function, function->line, function->column);
		member_told(w, "count", !stacks->live_only, sum->count);
		member_told(w, "bytes", !stacks->live_only, sum->bytes);
		json_member_uint(w, "live_count", sum->live);
		json_member_uint(w, "live_bytes", sum->live_bytes);
		json_write_object_end(w);
	}
	json_write_array_end(w);
	json_write_object_end(w);
}
