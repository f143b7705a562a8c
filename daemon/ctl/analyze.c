/*
 * analyze: what a heap snapshot holds
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/extras_show.h"
#include "ctl/grid.h"
#include "ctl/heap_file.h"
#include "ctl/memory_share.h"
#include "ctl/places.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/analysis.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

struct report {
	const struct heap_analysis *analysis;
	const struct ctl_options *options;
	const struct heap_extras *extras;
	const struct memory_share *memory;
	struct places *places;
	const char *path;
	uint32_t *classes; /* owned: those to be shown, in order */
	uint32_t classes_n, all_n;
	uint32_t node; /* UINT32_MAX: none asked for */
};

/* ---- which classes ---- */

static int by_retained(const void *a, const void *b, void *arg)
{
	const struct heap_analysis *analysis = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct heap_row *x = &analysis->rows[i], *y = &analysis->rows[k];

	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	return strcmp(analysis->classes.items[i].key, analysis->classes.items[k].key);
}

static int choose(struct report *report)
{
	const struct heap_classes *classes = &report->analysis->classes;
	const struct heap_wish *wish = &report->options->heap;

	report->classes = calloc((size_t)classes->n + 1, sizeof(*report->classes));
	if (report->classes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < classes->n; i++) {
		report->all_n += report->analysis->rows[i].count > 0;
		if (report->analysis->rows[i].count > 0 &&
		    (wish->class == NULL || strcmp(classes->items[i].name, wish->class) == 0))
			report->classes[report->classes_n++] = i;
	}
	qsort_r(report->classes, report->classes_n, sizeof(*report->classes), by_retained,
		(void *)report->analysis);
	if (wish->top > 0 && report->classes_n > wish->top)
		report->classes_n = (uint32_t)wish->top;
	return 0;
}

/* ---- for programs ---- */

static void json_name(struct json_writer *w, const char *key, const struct heap_graph *graph,
		      uint32_t node)
{
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_node_name(graph, node, &name);
	json_write_key(w, key);
	json_write_span(w, name.data != NULL ? name.data : "", name.size);
	buf_fini(&name);
}

static void json_node(struct json_writer *w, const struct heap_analysis *analysis, uint32_t node)
{
	const struct heap_graph *graph = &analysis->graph;
	uint32_t dominator = analysis->dominators.dominator[node];

	json_write_object(w);
	json_member_uint(w, "id", heap_id(graph, node));
	json_name(w, "name", graph, node);
	json_member_string(w, "type", graph->type_names[graph->type[node]]);
	json_member_string(w, "class", analysis->classes.items[analysis->classes.of[node]].key);
	json_member_uint(w, "self_bytes", heap_size(graph, node));
	json_member_uint(w, "retained_bytes", analysis->retained[node]);
	json_write_key(w, "distance");
	json_write_int(w, analysis->distances[node]);
	json_member_uint(w, "dominator", heap_id(graph, dominator));
	json_write_object_end(w);
}

static void json_statistics(struct json_writer *w, const struct heap_statistics *statistics)
{
	json_write_key(w, "statistics");
	json_write_object(w);
	json_member_uint(w, "total_bytes", statistics->total);
	json_member_uint(w, "native_bytes", statistics->native);
	json_member_uint(w, "typed_array_bytes", statistics->typed_arrays);
	json_member_uint(w, "code_bytes", statistics->code);
	json_member_uint(w, "js_array_bytes", statistics->js_arrays);
	json_member_uint(w, "string_bytes", statistics->strings);
	json_member_uint(w, "system_bytes", statistics->system);
	json_write_object_end(w);
}

static void json_place(struct json_writer *w, const struct report *report,
		       const struct heap_class *class)
{
	struct buf place;

	buf_init(&place, SIZE_MAX / 2);
	places_put_class(&place, report->places, &report->analysis->graph, class);
	json_member_string(w, "place", place.size > 0 ? buf_text(&place) : NULL);
	buf_fini(&place);
}

static void json_classes(struct json_writer *w, const struct report *report)
{
	const struct heap_analysis *analysis = report->analysis;

	json_write_key(w, "classes");
	json_write_array(w);
	for (uint32_t i = 0; i < report->classes_n; i++) {
		const struct heap_class *class = &analysis->classes.items[report->classes[i]];
		const struct heap_row *row = &analysis->rows[report->classes[i]];

		json_write_object(w);
		json_member_string(w, "key", class->key);
		json_member_string(w, "name", class->name);
		json_member_uint(w, "count", row->count);
		json_member_uint(w, "self_bytes", row->self);
		json_member_uint(w, "retained_bytes", row->retained);
		json_write_key(w, "distance");
		json_write_int(w, row->distance);
		json_place(w, report, class);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void put_json(struct buf *buf, const struct report *report)
{
	const struct heap_analysis *analysis = report->analysis;
	struct heap_digest digest = heap_digest(&analysis->graph, &analysis->dominators,
						analysis->retained, analysis->distances);
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	json_member_string(&w, "file", report->path);
	json_member_uint(&w, "nodes", analysis->graph.nodes);
	json_member_uint(&w, "edges", analysis->graph.edges_n);
	json_statistics(&w, &analysis->statistics);
	json_write_key(&w, "digest");
	json_write_object(&w);
	json_member_uint(&w, "idRetained", digest.id_retained);
	json_member_uint(&w, "domDistance", digest.dom_distance);
	json_write_object_end(&w);
	json_member_uint(&w, "classes_in_all", report->all_n);
	if (report->node != UINT32_MAX) {
		json_write_key(&w, "node");
		json_node(&w, analysis, report->node);
	}
	json_classes(&w, report);
	heap_extras_json(&w, report->extras, analysis, report->options->heap.top);
	memory_share_json(&w, report->memory, analysis);
	json_write_object_end(&w);
}

/* ---- for people ---- */

static void put_bytes(struct buf *buf, const char *what, uint64_t bytes)
{
	char text[STR_UNIT_MAX];

	buf_printf(buf, "%s%s", what, str_format_bytes(text, bytes));
}

static void put_summary(struct buf *buf, const struct report *report)
{
	const struct heap_statistics *s = &report->analysis->statistics;

	buf_printf(buf, "%" PRIu32 " objects, %" PRIu32 " references, %" PRIu32 " classes",
		   report->analysis->graph.nodes, report->analysis->graph.edges_n, report->all_n);
	put_bytes(buf, "\ntotal ", s->total);
	put_bytes(buf, ": code ", s->code);
	put_bytes(buf, ", strings ", s->strings);
	put_bytes(buf, ", arrays ", s->js_arrays);
	put_bytes(buf, ", typed arrays ", s->typed_arrays);
	put_bytes(buf, ", native ", s->native);
	put_bytes(buf, ", system ", s->system);
	buf_puts(buf, "\n");
	memory_share_put(buf, report->memory, report->analysis);
	extras_put_summary(buf, report->extras);
	buf_puts(buf, "\n");
}

/* "Session (src/app.ts:12)" */
static int put_class(struct grid *grid, const struct report *report, const struct heap_class *class)
{
	struct buf text, place;
	int r;

	buf_init(&text, SIZE_MAX / 2);
	buf_init(&place, SIZE_MAX / 2);
	buf_puts(&text, class->name);
	places_put_class(&place, report->places, &report->analysis->graph, class);
	if (place.size > 0)
		buf_printf(&text, " (%s)", buf_text(&place));
	r = buf_text(&text) != NULL ? grid_put(grid, buf_text(&text)) : -ENOMEM;
	buf_fini(&text);
	buf_fini(&place);
	return r;
}

static int put_table(struct buf *buf, const struct report *report)
{
	static const struct grid_column columns[] = {
		{ "RETAINED", true }, { "SELF", true },   { "COUNT", true },
		{ "DISTANCE", true }, { "CLASS", false },
	};
	const struct heap_analysis *analysis = report->analysis;
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (uint32_t i = 0; i < report->classes_n && r == 0; i++) {
		const struct heap_class *class = &analysis->classes.items[report->classes[i]];
		const struct heap_row *row = &analysis->rows[report->classes[i]];
		char distance[16] = "-";

		if (row->distance >= 0 && row->distance < 100000000)
			snprintf(distance, sizeof(distance), "%d", row->distance);
		r = grid_put_bytes(&grid, (double)row->retained);
		r = r == 0 ? grid_put_bytes(&grid, (double)row->self) : r;
		r = r == 0 ? grid_put_count(&grid, row->count) : r;
		r = r == 0 ? grid_put(&grid, distance) : r;
		r = r == 0 ? put_class(&grid, report, class) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, report->options->legend);
	grid_fini(&grid);
	return r;
}

/* Those that were asked for in place of the classes. */
static int put_tables(struct buf *buf, const struct report *report)
{
	const struct ctl_options *options = report->options;
	int r = 0;

	if (!options->heap.strings && !options->heap.collections)
		return put_table(buf, report);
	if (options->heap.strings)
		r = extras_put_strings(buf, report->extras, report->analysis, options);
	if (options->heap.strings && options->heap.collections)
		buf_puts(buf, "\n");
	if (r == 0 && options->heap.collections)
		r = extras_put_collections(buf, report->extras, report->analysis, options);
	return r;
}

static void put_node(struct buf *buf, const struct report *report)
{
	const struct heap_analysis *analysis = report->analysis;
	uint32_t node = report->node;
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_node_name(&analysis->graph, node, &name);
	buf_printf(buf, "@%" PRIu64 " ", heap_id(&analysis->graph, node));
	show_text(buf, buf_text(&name) != NULL ? buf_text(&name) : "?");
	put_bytes(buf, ": self ", heap_size(&analysis->graph, node));
	put_bytes(buf, ", retained ", analysis->retained[node]);
	buf_printf(buf, ", distance %d, dominated by @%" PRIu64 "\n\n", analysis->distances[node],
		   heap_id(&analysis->graph, analysis->dominators.dominator[node]));
	buf_fini(&name);
}

static int show(const struct report *report, struct err *err)
{
	struct buf buf;
	int r = 0;

	buf_init(&buf, SHOW_MAX_BYTES);
	if (report->options->json != JSON_OFF) {
		struct buf json;

		buf_init(&json, SHOW_MAX_BYTES);
		put_json(&json, report);
		if (buf_text(&json) != NULL)
			show_json_text(&buf, buf_text(&json), report->options->json);
		r = json.error;
		buf_fini(&json);
	} else {
		put_summary(&buf, report);
		if (report->node != UINT32_MAX)
			put_node(&buf, report);
		r = put_tables(&buf, report);
	}
	if (r == 0)
		return show_out(&buf, report->options->pager);
	buf_fini(&buf);
	return source_fail(err, CTL_FAILURE, r, "too much to show; --top=NUMBER shows less");
}

static int find_node(struct report *report, struct err *err)
{
	const char *text = report->options->heap.node;
	uint64_t id;

	report->node = UINT32_MAX;
	if (text == NULL)
		return CTL_OK;
	if (str_parse_uint(text[0] == '@' ? text + 1 : text, &id) < 0)
		return source_fail(err, CTL_USAGE, -EINVAL, "--node: '%.64s' is not @ID", text);
	report->node = heap_node_find(&report->analysis->graph, id);
	if (report->node == UINT32_MAX)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no object @%" PRIu64, id);
	return CTL_OK;
}

static int say(const struct heap_analysis *analysis, struct places *places,
	       const struct ctl_options *options, struct err *err)
{
	struct memory_share memory = memory_share_of(options);
	struct heap_extras extras;
	struct report report = { .analysis = analysis,
				 .options = options,
				 .extras = &extras,
				 .memory = &memory,
				 .places = places,
				 .path = options->args[0] };
	int r = heap_extras_init(&extras, analysis), exit = find_node(&report, err);

	if (exit == CTL_OK && (r < 0 || choose(&report) < 0))
		exit = source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	if (exit == CTL_OK && options->heap.class != NULL && report.classes_n == 0)
		exit = source_fail(err, CTL_FAILURE, -ENOENT, "no class '%.64s'",
				   options->heap.class);
	if (exit == CTL_OK)
		exit = show(&report, err);
	free(report.classes);
	heap_extras_fini(&extras);
	return exit;
}

int command_analyze(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct places places = { .maps = { .n = 0 } };
	struct heap_analysis analysis;
	struct heap_file file;
	int exit = heap_file_analyse(&file, &analysis, options, err);

	(void)source;
	if (exit == CTL_OK)
		exit = places_open(&places, options->args[0], options, err);
	if (exit == CTL_OK)
		exit = say(&analysis, &places, options, err);
	places_fini(&places);
	heap_analysis_fini(&analysis);
	heap_file_fini(&file);
	return exit;
}
