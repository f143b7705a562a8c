/*
 * What `leaks` found
 *
 * The short answer first: a sentence for each place. Then a table, then why each place is there:
 * its dominators, which name the holder, and a shortest path.
 */

#include "ctl/leaks_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ctl/grid.h"
#include "ctl/paths.h"
#include "ctl/show.h"
#include "heap/alloc.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

static size_t shown(size_t n, uint64_t top)
{
	return top > 0 && n > top ? (size_t)top : n;
}

static double share(const struct leaks_answer *answer, const struct heap_suspect *suspect)
{
	double growth = (double)answer->leaks.growth;

	return growth > 0 && (double)suspect->bytes < growth ? (double)suspect->bytes / growth : 1;
}

/* ---- names ---- */

static const char *class_name(const struct leaks_answer *answer, uint32_t class)
{
	return answer->last->analysis->classes.items[class].name;
}

/* "/srv/app.js:12"; "" when the place is not known. */
static void put_place(struct buf *buf, const struct leaks_answer *answer, uint32_t node)
{
	const struct heap_graph *graph = &answer->last->analysis->graph;
	const struct heap_place *place;
	const char *file;

	if (graph->place == NULL || graph->place[node] == 0)
		return;
	place = &graph->places[graph->place[node] - 1];
	file = scripts_find(&answer->scripts, place->script);
	if (file != NULL)
		buf_printf(buf, "%s:%" PRIu64, file, (uint64_t)place->line + 1);
}

/* What is beside the class: the name of a function. */
static void put_function(struct buf *buf, const struct leaks_answer *answer, uint32_t node)
{
	const struct heap_graph *graph = &answer->last->analysis->graph;

	if (graph->type[node] == HEAP_CLOSURE)
		heap_node_name(graph, node, buf);
}

/* The variable or property that leads to the holder, nearest first. */
static bool find_name(const struct heap_graph *graph, const struct heap_path *path,
		      uint32_t *ret_edge)
{
	for (size_t i = 1; i < path->n; i++) {
		uint32_t edge = path->steps[i].edge;

		if (edge == UINT32_MAX)
			continue;
		if (heap_edge_kind(graph->edges[edge]) == HEAP_CONTEXT ||
		    heap_edge_kind(graph->edges[edge]) == HEAP_PROPERTY) {
			*ret_edge = edge;
			return true;
		}
	}
	return false;
}

static void put_held_as(struct buf *buf, const struct heap_graph *graph,
			const struct heap_path paths[2])
{
	uint32_t edge;

	if (find_name(graph, &paths[0], &edge) || find_name(graph, &paths[1], &edge))
		heap_edge_name(graph, edge, buf);
}

/* The dominators and a shortest path of the holder; free both. */
static int find_paths(struct heap_path ret[2], const struct leaks_answer *answer, uint32_t holder)
{
	const struct heap_side *side = answer->last;
	int r = heap_path_dominators(&ret[0], side->analysis, holder);

	ret[1] = (struct heap_path){ .steps = NULL };
	return r == 0 ? heap_path_along(&ret[1], side->analysis, side->ways, holder) : r;
}

/* What there is to say of a suspect, in texts. */
struct words {
	struct heap_path paths[2];
	struct buf held_as, function, place;
};

static int words_init(struct words *ret, const struct leaks_answer *answer,
		      const struct heap_suspect *suspect)
{
	int r = find_paths(ret->paths, answer, suspect->holder);

	buf_init(&ret->held_as, SIZE_MAX / 2);
	buf_init(&ret->function, SIZE_MAX / 2);
	buf_init(&ret->place, SIZE_MAX / 2);
	if (r < 0)
		return r;
	put_held_as(&ret->held_as, &answer->last->analysis->graph, ret->paths);
	put_function(&ret->function, answer, suspect->example);
	put_place(&ret->place, answer, suspect->example);
	return buf_text(&ret->held_as) != NULL && buf_text(&ret->function) != NULL &&
			       buf_text(&ret->place) != NULL
		       ? 0
		       : -ENOMEM;
}

static void words_fini(struct words *words)
{
	heap_path_fini(&words->paths[0]);
	heap_path_fini(&words->paths[1]);
	buf_fini(&words->held_as);
	buf_fini(&words->function);
	buf_fini(&words->place);
}

/* ---- for people ---- */

static void put_matching(struct buf *buf, const struct leaks_answer *answer)
{
	const struct heap_agreement *ids = &answer->agreement;
	double percent = ids->both > 0 ? 100.0 * (double)ids->equal / (double)ids->both : 0;

	if (answer->by == HEAP_MATCH_IDS)
		buf_printf(buf,
			   "Objects are the same by id: of %" PRIu64
			   " ids in both snapshots, %.1f %% are of one object.\n",
			   ids->both, percent);
	else
		buf_printf(buf,
			   "Ids were given anew between the snapshots (of %" PRIu64
			   " in both, %.1f %% agree): objects\nare the same by their named "
			   "paths from the root.\n",
			   ids->both, percent);
	if (answer->pasts_n < HEAP_PASTS_MAX)
		buf_puts(buf, "With two snapshots, what only warms up is not told from a leak; a "
			      "third one would tell.\n");
}

static int put_sentence(struct buf *buf, const struct leaks_answer *answer, size_t i)
{
	const struct heap_suspect *suspect = &answer->leaks.items[i];
	const struct heap_analysis *analysis = answer->last->analysis;
	char text[STR_UNIT_MAX];
	struct words words;
	int r = words_init(&words, answer, suspect);

	if (r == 0) {
		buf_printf(buf, "%zu. %" PRIu64 " more ", i + 1, suspect->count);
		show_text(buf, class_name(answer, suspect->class));
		if (words.function.size > 0) {
			buf_puts(buf, " ");
			show_text(buf, buf_text(&words.function));
		}
		if (words.place.size > 0) {
			buf_puts(buf, " (");
			show_text(buf, buf_text(&words.place));
			buf_puts(buf, ")");
		}
		buf_printf(buf, "%s in ", suspect->chain ? ", one holding the next," : "");
		show_text(buf, class_name(answer, analysis->classes.of[suspect->holder]));
		buf_printf(buf, " @%" PRIu64, heap_id(&analysis->graph, suspect->holder));
		if (words.held_as.size > 0) {
			buf_puts(buf, ", held as '");
			show_text(buf, buf_text(&words.held_as));
			buf_puts(buf, "'");
		}
		buf_printf(buf, ": %s, %.0f %% of the growth.\n",
			   str_format_bytes(text, suspect->bytes), 100 * share(answer, suspect));
	}
	words_fini(&words);
	return r;
}

static int put_row(struct grid *grid, const struct leaks_answer *answer,
		   const struct heap_suspect *suspect)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	struct words words;
	char percent[STR_UNIT_MAX];
	int r = words_init(&words, answer, suspect);

	snprintf(percent, sizeof(percent), "%.1f %%", 100 * share(answer, suspect));
	r = r == 0 ? grid_put_bytes(grid, (double)suspect->bytes) : r;
	r = r == 0 ? grid_put(grid, percent) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)suspect->last_bytes) : r;
	r = r == 0 ? grid_put_count(grid, suspect->count) : r;
	r = r == 0 ? grid_put(grid, class_name(answer, suspect->class)) : r;
	r = r == 0 ? grid_put(grid, class_name(answer, analysis->classes.of[suspect->holder])) : r;
	r = r == 0 ? grid_put(grid, words.held_as.size > 0 ? buf_text(&words.held_as) : "-") : r;
	words_fini(&words);
	return r;
}

static int put_table(struct buf *buf, const struct leaks_answer *answer, size_t n, bool legend)
{
	static const struct grid_column columns[] = {
		{ "BYTES", true },  { "GROWTH", true },  { "LAST STEP", true }, { "COUNT", true },
		{ "CLASS", false }, { "HOLDER", false }, { "HELD AS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = put_row(&grid, answer, &answer->leaks.items[i]);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

static int put_why(struct buf *buf, const struct leaks_answer *answer, size_t i)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	uint32_t holder = answer->leaks.items[i].holder;
	struct heap_path paths[2];
	int r = find_paths(paths, answer, holder);

	if (r == 0) {
		buf_printf(buf, "\n%zu. ", i + 1);
		step_put_node(buf, analysis, holder);
		buf_puts(buf, "\nheld by:\n");
		path_put(buf, analysis, &paths[0]);
		buf_puts(buf, "shortest path:\n");
		path_put(buf, analysis, &paths[1]);
	}
	heap_path_fini(&paths[0]);
	heap_path_fini(&paths[1]);
	return r;
}

static const char *why_apart(const struct leaks_answer *answer)
{
	static const char *const reasons[] = {
		[LEAKS_SAME] = "",
		[LEAKS_ASKED] = "As asked for, objects are not compared, only classes.",
		[LEAKS_OTHER_PROCESS] =
			"The snapshots are of different processes: ids are not comparable, "
			"only classes are.",
		[LEAKS_OTHER_PROGRAM] =
			"Most objects of one snapshot are not found in the other, as of different "
			"processes: ids are\nnot comparable, only classes are.",
	};

	return reasons[answer->apart];
}

static int put_classes(struct buf *buf, const struct leaks_answer *answer, uint64_t top,
		       bool legend)
{
	static const struct grid_column columns[] = {
		{ "GROWTH", true }, { "COUNT", true },  { "BEFORE", true },
		{ "BYTES", true },  { "BEFORE", true }, { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	buf_printf(buf, "%s\n\n", why_apart(answer));
	for (size_t i = 0; i < shown(answer->classes_n, top) && r == 0; i++) {
		const struct heap_class_growth *row = &answer->classes[i];

		r = grid_put_bytes(&grid, (double)row->bytes[1] - (double)row->bytes[0]);
		r = r == 0 ? grid_put_count(&grid, row->count[1]) : r;
		r = r == 0 ? grid_put_count(&grid, row->count[0]) : r;
		r = r == 0 ? grid_put_bytes(&grid, (double)row->bytes[1]) : r;
		r = r == 0 ? grid_put_bytes(&grid, (double)row->bytes[0]) : r;
		r = r == 0 ? grid_put(&grid, row->name) : r;
	}
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}

static void put_verdict(struct buf *buf, const struct leaks_answer *answer)
{
	char growth[STR_UNIT_MAX];

	str_format_bytes(growth, answer->leaks.growth);
	if (answer->leaks.n == 0)
		buf_printf(buf, "Nothing accumulates. The heap grew by %s.\n", growth);
	else
		buf_printf(buf, "Memory accumulates in %zu place%s. The heap grew by %s.\n",
			   answer->leaks.n, answer->leaks.n > 1 ? "s" : "", growth);
}

int leaks_put_text(struct buf *buf, const struct leaks_answer *answer, uint64_t top, bool legend)
{
	size_t n = shown(answer->leaks.n, top);
	int r = 0;

	if (answer->apart != LEAKS_SAME)
		return put_classes(buf, answer, top, legend);
	put_verdict(buf, answer);
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_sentence(buf, answer, i);
	put_matching(buf, answer);
	if (n > 0 && r == 0) {
		buf_puts(buf, "\n");
		r = put_table(buf, answer, n, legend);
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_why(buf, answer, i);
	return r == 0 ? buf->error : r;
}

/* ---- for programs ---- */

static void json_text(struct json_writer *w, const char *name, struct buf *text)
{
	json_member_string(w, name, text->size > 0 ? buf_text(text) : NULL);
}

static int json_suspect(struct json_writer *w, const struct leaks_answer *answer,
			const struct heap_suspect *suspect)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	const struct heap_class *classes = analysis->classes.items;
	struct words words;
	int r = words_init(&words, answer, suspect);

	if (r == 0) {
		json_write_object(w);
		json_member_string(w, "class", classes[suspect->class].key);
		json_text(w, "function", &words.function);
		json_text(w, "place", &words.place);
		json_member_uint(w, "count", suspect->count);
		json_member_uint(w, "others", suspect->others);
		json_member_bool(w, "chain", suspect->chain);
		json_member_uint(w, "bytes", suspect->bytes);
		json_member_uint(w, "last_bytes", suspect->last_bytes);
		json_member_double(w, "share", share(answer, suspect));
		json_member_uint(w, "example", heap_id(&analysis->graph, suspect->example));
		json_member_uint(w, "holder", heap_id(&analysis->graph, suspect->holder));
		json_member_string(w, "holder_class",
				   classes[analysis->classes.of[suspect->holder]].key);
		json_text(w, "held_as", &words.held_as);
		path_put_json(w, analysis, "dominators", &words.paths[0]);
		path_put_json(w, analysis, "shortest_path", &words.paths[1]);
		json_write_object_end(w);
	}
	words_fini(&words);
	return r;
}

static void json_classes(struct json_writer *w, const struct leaks_answer *answer, uint64_t top)
{
	json_write_key(w, "classes");
	json_write_array(w);
	for (size_t i = 0; i < shown(answer->classes_n, top); i++) {
		const struct heap_class_growth *row = &answer->classes[i];

		json_write_object(w);
		json_member_string(w, "key", row->key);
		json_member_string(w, "name", row->name);
		json_member_uint(w, "count", row->count[1]);
		json_member_uint(w, "count_before", row->count[0]);
		json_member_uint(w, "self_bytes", row->bytes[1]);
		json_member_uint(w, "self_bytes_before", row->bytes[0]);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void json_matching(struct json_writer *w, const struct leaks_answer *answer)
{
	static const char *const names[] = { "auto", "ids", "paths" };
	bool apart = answer->apart != LEAKS_SAME;

	json_member_string(w, "matched_by", apart ? "classes" : names[answer->by]);
	json_member_uint(w, "ids_in_both", answer->agreement.both);
	json_member_uint(w, "ids_equal", answer->agreement.equal);
	json_member_string(w, "note", apart ? why_apart(answer) : NULL);
}

int leaks_put_json(struct buf *buf, const struct leaks_answer *answer, uint64_t top)
{
	struct json_writer w;
	int r = 0;

	json_write_init(&w, buf);
	json_write_object(&w);
	json_matching(&w, answer);
	json_member_uint(&w, "growth_bytes", answer->leaks.growth);
	json_member_uint(&w, "threshold_bytes", answer->leaks.threshold);
	json_write_key(&w, "suspects");
	json_write_array(&w);
	for (size_t i = 0; i < shown(answer->leaks.n, top) && r == 0; i++)
		r = json_suspect(&w, answer, &answer->leaks.items[i]);
	json_write_array_end(&w);
	json_classes(&w, answer, top);
	json_write_object_end(&w);
	return r == 0 ? buf->error : r;
}
