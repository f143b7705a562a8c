/* Tables of profiles. */

#include "ctl/profile_show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/grid.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "json/write.h"
#include "profile/profile.h"
#include "profile/report.h"
#include "profile/top.h"
#include "util/buf.h"
#include "util/str.h"
#include "util/top.h"

static const char *name_of(const struct profile *profile, uint32_t function)
{
	const char *name = profile_name(profile, function);

	return name[0] != '\0' ? name : "(anonymous)";
}

/* "file:///srv/app.js:12" */
static int put_place(struct grid *grid, const struct profile *profile, uint32_t function)
{
	const char *url = profile_url(profile, function);
	int line = profile->functions[function].line;
	char text[GRID_CELL_MAX];

	/* The end of an address tells more than its beginning. */
	if (line > 0)
		snprintf(text, sizeof(text), "%s:%d", str_end(url, GRID_CELL_MAX - 16), line);
	else
		snprintf(text, sizeof(text), "%s", str_end(url, GRID_CELL_MAX - 16));
	return grid_put(grid, text);
}

static int put_share(struct grid *grid, uint64_t part, uint64_t whole)
{
	char text[STR_UNIT_MAX];

	snprintf(text, sizeof(text), "%.1f%%",
		 whole > 0 ? 100 * (double)part / (double)whole : 0.0);
	return grid_put(grid, text);
}

/* Into the pager. json: nothing in it when buf is as it is to be. Frees both. */
static int out(struct buf *buf, struct buf *json, int r, const struct ctl_options *options,
	       struct err *err)
{
	if (json->size > 0)
		show_json_end(buf, json, options->json);
	buf_fini(json);
	return show_top(buf, r, options, err);
}

static void json_function(struct json_writer *w, const struct profile *profile, uint32_t function)
{
	json_member_string(w, "function", profile_name(profile, function));
	json_member_string(w, "url", profile_url(profile, function));
	json_member_uint(w, "line", (uint64_t)profile->functions[function].line);
	json_member_uint(w, "column", (uint64_t)profile->functions[function].column);
}

/* ---- top ---- */

static void put_top_json(struct buf *buf, const struct profile *profile,
			 const struct profile_row *rows, size_t n)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	profile_report_facts(profile, &w);
	json_write_key(&w, "functions");
	json_write_array(&w);
	for (size_t i = 0; i < n; i++)
		profile_report_row(profile, &rows[i], 0, &w);
	json_write_array_end(&w);
	json_write_object_end(&w);
}

/* "2.1 MiB alive of what was allocated in 1m, a sample every 32 KiB" */
static void put_facts(struct buf *buf, const struct profile *profile)
{
	static const char *const what[] = {
		[PROFILE_UNKNOWN] = "",
		[PROFILE_LIVE] = " alive",
		[PROFILE_ALLOCATED] = " allocated",
	};
	char text[STR_UNIT_MAX];

	buf_printf(buf, "%s%s", str_format_bytes(text, profile_total_bytes(profile)),
		   what[profile->what]);
	if (profile->duration_ns > 0)
		buf_printf(buf, ", in %s", str_format_duration(text, profile->duration_ns));
	if (profile->interval_bytes > 0)
		buf_printf(buf, ", a sample every %s",
			   str_format_bytes(text, profile->interval_bytes));
	buf_puts(buf, "\n");
}

static int put_top_row(struct grid *grid, const struct profile *profile,
		       const struct profile_row *row, uint64_t all)
{
	int r = grid_put_bytes(grid, (double)row->self_bytes);

	r = r == 0 ? put_share(grid, row->self_bytes, all) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->total_bytes) : r;
	r = r == 0 ? put_share(grid, row->total_bytes, all) : r;
	r = r == 0 ? grid_put_count(grid, row->self_count) : r;
	r = r == 0 ? grid_put(grid, name_of(profile, row->function)) : r;
	return r == 0 ? put_place(grid, profile, row->function) : r;
}

static int put_top_table(struct buf *buf, const struct profile *profile,
			 const struct profile_row *rows, size_t n, bool legend)
{
	const struct grid_column columns[] = {
		{ "SELF", true },
		{ "SELF%", true },
		{ "TOTAL", true },
		{ "TOTAL%", true },
		{ profile->has_objects ? "OBJECTS" : "SAMPLES", true },
		{ "FUNCTION", false },
		{ "PLACE", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	uint64_t all = profile_total_bytes(profile);
	int r = 0;

	if (legend)
		put_facts(buf, profile);
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_top_row(&grid, profile, &rows[i], all);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

int profile_show_top(const struct profile *profile, const struct ctl_options *options,
		     struct err *err)
{
	struct profile_row *rows;
	struct buf buf, json;
	size_t n;
	int r = profile_top(profile, &rows, &n);

	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "out of memory");
	buf_init(&buf, SHOW_MAX_BYTES);
	buf_init(&json, SHOW_MAX_BYTES);
	n = top_of(n, options->heap.top);
	if (options->json != JSON_OFF)
		put_top_json(&json, profile, rows, n);
	else
		r = put_top_table(&buf, profile, rows, n, options->legend);
	free(rows);
	return out(&buf, &json, r, options, err);
}

/* ---- diff ---- */

static void put_diff_json(struct buf *buf, const struct profile *names,
			  const struct profile_change *rows, size_t n)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	json_write_key(&w, "functions");
	json_write_array(&w);
	for (size_t i = 0; i < n; i++) {
		json_write_object(&w);
		json_function(&w, names, rows[i].function);
		json_member_uint(&w, "base_bytes", rows[i].base_bytes);
		json_member_uint(&w, "bytes", rows[i].bytes);
		json_member_uint(&w, "base_count", rows[i].base_count);
		json_member_uint(&w, "count", rows[i].count);
		json_write_object_end(&w);
	}
	json_write_array_end(&w);
	json_write_object_end(&w);
}

static int put_diff_row(struct grid *grid, const struct profile *names,
			const struct profile_change *row)
{
	int r = grid_put_bytes(grid, (double)row->bytes - (double)row->base_bytes);

	r = r == 0 ? grid_put_bytes(grid, (double)row->base_bytes) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->bytes) : r;
	r = r == 0 ? grid_put(grid, name_of(names, row->function)) : r;
	return r == 0 ? put_place(grid, names, row->function) : r;
}

static int put_diff_table(struct buf *buf, const struct profile *names,
			  const struct profile_change *rows, size_t n, bool legend)
{
	static const struct grid_column columns[] = {
		{ "CHANGE", true },    { "BEFORE", true }, { "NOW", true },
		{ "FUNCTION", false }, { "PLACE", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = put_diff_row(&grid, names, &rows[i]);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

int profile_show_diff(const struct profile *base, const struct profile *profile,
		      const struct ctl_options *options, struct err *err)
{
	struct profile_change *rows = NULL;
	struct profile names;
	struct buf buf, json;
	size_t n = 0;
	int r = profile_init(&names);

	if (r == 0)
		r = profile_diff(base, profile, &names, &rows, &n);
	if (r < 0) {
		profile_fini(&names);
		return source_fail(err, CTL_FAILURE, r, "out of memory");
	}
	buf_init(&buf, SHOW_MAX_BYTES);
	buf_init(&json, SHOW_MAX_BYTES);
	n = top_of(n, options->heap.top);
	if (options->json != JSON_OFF)
		put_diff_json(&json, &names, rows, n);
	else
		r = put_diff_table(&buf, &names, rows, n, options->legend);
	free(rows);
	profile_fini(&names);
	return out(&buf, &json, r, options, err);
}
