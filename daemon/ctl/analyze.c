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
#include "ctl/places_file.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "ctl/stacks_show.h"
#include "heap/report.h"
#include "heap/v8_scopes.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

struct report {
	struct heap_report heap;
	const struct ctl_options *options;
	const struct heap_extras *extras; /* NULL: not asked for */
	const struct memory_share *memory;
	struct places *places;
	struct stacks_view stacks;
};

/* They take a look at all references, which the classes do not. */
static bool wants_extras(const struct ctl_options *options)
{
	return options->heap.extras || options->heap.strings || options->heap.collections ||
	       options->heap.variables;
}

/* ---- for programs ---- */

static void json_place(struct json_writer *w, void *owner, const struct heap_class *class)
{
	const struct report *report = owner;
	struct buf place;

	buf_init(&place, SIZE_MAX / 2);
	places_put_class(&place, report->places, &report->heap.analysis->graph, class);
	json_member_string(w, "place", place.size > 0 ? buf_text(&place) : NULL);
	buf_fini(&place);
}

static void json_stack(struct json_writer *w, void *owner)
{
	const struct report *report = owner;

	stacks_json_node(w, &report->stacks, report->heap.node);
}

static void put_json(struct buf *buf, const struct report *report)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	heap_report_write(&report->heap, &w);
	if (report->extras != NULL)
		heap_extras_json(&w, report->extras, report->heap.analysis,
				 report->options->heap.top);
	if (report->options->heap.allocations)
		stacks_json(&w, &report->stacks, report->options->heap.top);
	memory_share_json(&w, report->memory, report->heap.analysis);
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
	const struct heap_statistics *s = &report->heap.analysis->statistics;

	buf_printf(buf, "%" PRIu32 " objects, %" PRIu32 " references, %" PRIu32 " classes",
		   report->heap.analysis->graph.nodes, report->heap.analysis->graph.edges_n,
		   report->heap.all_n);
	put_bytes(buf, "\ntotal ", s->total);
	put_bytes(buf, ": code ", s->code);
	put_bytes(buf, ", strings ", s->strings);
	put_bytes(buf, ", arrays ", s->js_arrays);
	put_bytes(buf, ", typed arrays ", s->typed_arrays);
	put_bytes(buf, ", native ", s->native);
	put_bytes(buf, ", system ", s->system);
	buf_puts(buf, "\n");
	if (report->memory->known || report->extras != NULL)
		memory_share_put(buf, report->memory, report->heap.analysis);
	if (report->extras != NULL)
		extras_put_summary(buf, report->extras);
	if (report->options->heap.allocations)
		stacks_put_summary(buf, &report->stacks);
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
	places_put_class(&place, report->places, &report->heap.analysis->graph, class);
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
	const struct heap_analysis *analysis = report->heap.analysis;
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (uint32_t i = 0; i < report->heap.classes_n && r == 0; i++) {
		const struct heap_class *class = &analysis->classes.items[report->heap.classes[i]];
		const struct heap_row *row = &analysis->rows[report->heap.classes[i]];
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
	const struct heap_wish *wish = &options->heap;
	const struct heap_analysis *analysis = report->heap.analysis;
	int r = 0;

	if (!wish->strings && !wish->collections && !wish->variables && !wish->allocations)
		return put_table(buf, report);
	if (wish->strings)
		r = extras_put_strings(buf, report->extras, analysis, options);
	if (wish->strings && wish->collections)
		buf_puts(buf, "\n");
	if (r == 0 && wish->collections)
		r = extras_put_collections(buf, report->extras, analysis, options);
	if (wish->variables && (wish->strings || wish->collections))
		buf_puts(buf, "\n");
	if (r == 0 && wish->variables)
		r = extras_put_variables(buf, report->extras, analysis, options);
	if (wish->allocations && (wish->strings || wish->collections || wish->variables))
		buf_puts(buf, "\n");
	if (r == 0 && wish->allocations)
		r = stacks_put_table(buf, &report->stacks, options);
	return r;
}

static void put_node(struct buf *buf, const struct report *report)
{
	const struct heap_analysis *analysis = report->heap.analysis;
	uint32_t node = report->heap.node;
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_node_name(&analysis->graph, node, &name);
	buf_printf(buf, "@%" PRIu64 " ", heap_id(&analysis->graph, node));
	show_text(buf, buf_text(&name) != NULL ? buf_text(&name) : "?");
	put_bytes(buf, ": self ", heap_size(&analysis->graph, node));
	put_bytes(buf, ", retained ", analysis->retained[node]);
	buf_printf(buf, ", distance %d, dominated by @%" PRIu64 "\n", analysis->distances[node],
		   heap_id(&analysis->graph, analysis->dominators.dominator[node]));
	stacks_put_node(buf, &report->stacks, node);
	buf_puts(buf, "\n");
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
		show_json_end(&buf, &json, report->options->json);
	} else {
		put_summary(&buf, report);
		if (report->heap.node != UINT32_MAX)
			put_node(&buf, report);
		r = put_tables(&buf, report);
	}
	return show_top(&buf, r, report->options, err);
}

static int find_node(struct report *report, struct err *err)
{
	uint64_t id = report->options->heap.node;

	report->heap.node = UINT32_MAX;
	if (!report->options->heap.has_node)
		return CTL_OK;
	report->heap.node = heap_node_find(&report->heap.analysis->graph, id);
	if (report->heap.node == UINT32_MAX)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no object @%" PRIu64, id);
	return CTL_OK;
}

/* Scopes and stacks are read of the file itself: no index has them. */
struct besides {
	struct v8_scopes scopes;
	struct heap_stacks stacks;
	struct heap_extras extras;
};

static int say(const struct heap_analysis *analysis, struct besides *besides, struct places *places,
	       const struct ctl_options *options, struct err *err)
{
	struct memory_share memory = memory_share_of(options);
	struct report report = { .options = options, .memory = &memory, .places = places };
	int exit = CTL_OK;

	if (heap_report_init(&report.heap, analysis, options->args[0], options->heap.class,
			     options->heap.top) < 0 ||
	    stacks_view_init(&report.stacks, &besides->stacks, places) < 0)
		exit = source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	if (exit == CTL_OK && options->heap.class != NULL)
		heap_collections_keep(&besides->extras.collections, &analysis->classes,
				      options->heap.class);
	report.heap.put_class = json_place;
	report.heap.put_node = json_stack;
	report.heap.owner = &report;
	report.extras = wants_extras(options) ? &besides->extras : NULL;
	if (exit == CTL_OK)
		exit = find_node(&report, err);
	if (exit == CTL_OK && options->heap.class != NULL && report.heap.classes_n == 0)
		exit = source_fail(err, CTL_FAILURE, -ENOENT, "no class '%.64s'",
				   options->heap.class);
	if (exit == CTL_OK)
		exit = show(&report, err);
	heap_report_fini(&report.heap);
	stacks_view_fini(&report.stacks);
	return exit;
}

static int read_scopes(struct v8_scopes *ret, const struct heap_file *file,
		       const struct heap_analysis *analysis, const struct ctl_options *options,
		       struct err *err)
{
	struct err why;
	uint64_t max;
	int r;

	if (!wants_extras(options) || analysis->graph.foreign)
		return CTL_OK;
	max = heap_file_memory_max(options, heap_file_taken(file, &analysis->graph));
	r = v8_scopes_read(ret, &file->text, max, &why);
	return r < 0 ? heap_file_failed(err, options->args[0], r, &why) : CTL_OK;
}

static int find_extras(struct heap_extras *ret, const struct heap_file *file,
		       const struct heap_analysis *analysis, const struct v8_scopes *scopes,
		       const struct ctl_options *options, struct err *err)
{
	uint64_t taken = heap_file_taken(file, &analysis->graph) + v8_scopes_taken(scopes);
	struct err why;
	int r;

	if (!wants_extras(options))
		return CTL_OK;
	r = heap_extras_init(ret, analysis, scopes, heap_file_memory_max(options, taken), &why);
	return r < 0 ? heap_file_failed(err, options->args[0], r, &why) : CTL_OK;
}

static bool wants_stacks(const struct ctl_options *options)
{
	return options->heap.has_node || options->heap.allocations;
}

static int read_besides(struct besides *ret, const struct heap_file *file,
			const struct heap_analysis *analysis, const struct ctl_options *options,
			struct err *err)
{
	int exit = read_scopes(&ret->scopes, file, analysis, options, err);

	if (exit == CTL_OK)
		exit = find_extras(&ret->extras, file, analysis, &ret->scopes, options, err);
	if (exit == CTL_OK && wants_stacks(options))
		exit = heap_file_stacks(&ret->stacks, file, &analysis->graph,
					heap_file_taken(file, &analysis->graph), options->args[0],
					options, err);
	return exit;
}

int command_analyze(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct heap_request request = { .path = options->args[0], .parts = HEAP_PARTS_SUMMARY };
	struct places_file files = { .maps = { .n = 0 } };
	struct besides besides = { .scopes = { .n = 0 } };
	struct heap_analysis analysis;
	struct heap_file file;
	int exit;

	(void)source;
	request.stacks = wants_stacks(options);
	if (request.stacks)
		request.parts |= HEAP_PARTS_NODES;
	if (wants_extras(options)) {
		request.parts |= HEAP_PARTS_NODES | HEAP_PARTS_EDGES | HEAP_PARTS_ORDER;
		request.after = &heap_extras_after;
		request.text = true;
	}
	exit = heap_file_analyse(&file, &analysis, &request, options, err);
	if (exit == CTL_OK)
		exit = places_file_open(&files, options->args[0], options, err);
	if (exit == CTL_OK)
		exit = read_besides(&besides, &file, &analysis, options, err);
	if (exit == CTL_OK)
		exit = say(&analysis, &besides, &files.places, options, err);
	if (exit == CTL_OK)
		heap_file_keep(&file, &analysis, options);
	heap_extras_fini(&besides.extras);
	v8_scopes_fini(&besides.scopes);
	heap_stacks_fini(&besides.stacks);
	places_file_fini(&files);
	heap_analysis_fini(&analysis);
	heap_file_fini(&file);
	return exit;
}
