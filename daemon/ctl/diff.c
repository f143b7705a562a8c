/*
 * diff: objects that came and went between two heap snapshots of one program
 *
 * The current one is read first, because the shapes of plain objects are its; of each only nodes
 * and classes are kept; with --collections the current one's collections, which are looked for in
 * the other one. Which objects came and went their ids tell, where these last; else classes are
 * compared, and collections by their paths.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/beside.h"
#include "ctl/command.h"
#include "ctl/diff_paths.h"
#include "ctl/diff_show.h"
#include "ctl/heap_file.h"
#include "ctl/progress.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/agreement.h"
#include "heap/analysis.h"
#include "heap/class_growth.h"
#include "heap/collections.h"
#include "heap/diff.h"
#include "heap/seed.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/top.h"

struct side {
	struct heap_file file;
	struct heap_analysis analysis;
	struct heap_seed seed;
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
	heap_seed_fini(&side->seed);
	heap_collections_fini(&side->collections);
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
					.parts = HEAP_PARTS_NODES | HEAP_PARTS_EDGES };
	struct err why;
	int r, exit;

	if (beside != NULL) {
		request.shapes = &beside->analysis.shapes;
		request.taken = heap_file_taken(&beside->file, &beside->analysis.graph);
	}
	if (wants_collections(options))
		request.after = &heap_collections_after;
	exit = heap_file_analyse(&side->file, &side->analysis, &request, options, err);
	if (exit != CTL_OK)
		return exit;
	r = heap_seed_init(&side->seed, &side->analysis.graph);
	if (r == 0 && wants_collections(options))
		r = find_collections(side, beside);
	heap_graph_drop_edges(&side->analysis.graph);
	if (r == 0)
		return CTL_OK;
	err_set(&why, r, "out of memory");
	return heap_file_failed(err, path, r, &why);
}

/* ---- by what objects are told apart ---- */

static int agree(struct heap_agreement *ret, const struct side *base, const struct side *current)
{
	struct heap_ids ids;
	int r = heap_ids_of(&ids, &current->analysis.graph);

	r = r == 0 ? heap_agree(ret, &base->analysis, &current->analysis, &ids, NULL) : r;
	heap_ids_fini(&ids);
	return r;
}

/* By the manifests that the daemon left beside captures, or by the snapshots. */
static int find_apart(struct diff_answer *answer, const struct side *base,
		      const struct side *current, const struct ctl_options *options)
{
	enum beside_process process = beside_process(options->args[0], options->args[1], options);
	int r = process == BESIDE_OTHER ? 1 : heap_seeds_differ(&base->seed, &current->seed);

	if (r > 0)
		answer->by = DIFF_OTHER_PROCESS;
	answer->untold = process == BESIDE_UNTOLD && !heap_seeds_tell(&base->seed, &current->seed);
	return r < 0 ? r : 0;
}

static int find_by(struct diff_answer *answer, const struct side *base, const struct side *current,
		   const struct ctl_options *options)
{
	bool asked = strcmp(options->heap.match, "ids") == 0;
	int r = 0;

	answer->addresses = base->analysis.graph.addresses || current->analysis.graph.addresses;
	if (strcmp(options->heap.match, "classes") == 0)
		answer->by = DIFF_ASKED;
	else if (!asked)
		r = find_apart(answer, base, current, options);
	if (!asked && answer->by == DIFF_IDS && answer->addresses)
		answer->by = DIFF_ADDRESSES;
	if (r < 0 || answer->by != DIFF_IDS)
		return r;
	r = agree(&answer->agreement, base, current);
	answer->has_agreement = r == 0;
	if (!asked && !heap_ids_last(&answer->agreement))
		answer->by = DIFF_ANEW;
	return r;
}

/* ---- rows ---- */

static int compare_ids(struct diff_answer *answer, const struct side *base,
		       const struct side *current)
{
	const struct heap_classes *before = &base->analysis.classes;
	const struct heap_classes *now = &current->analysis.classes;
	struct heap_census left = { .members = NULL }, right = left;
	int r = heap_census_init(&left, &base->analysis.graph, before);

	r = r == 0 ? heap_census_init(&right, &current->analysis.graph, now) : r;
	if (r == 0)
		r = heap_diff(before, &left, now, &right, &answer->rows, &answer->rows_n);
	heap_census_fini(&left);
	heap_census_fini(&right);
	return r;
}

static int compare_classes(struct diff_answer *answer, const struct side *base,
			   const struct side *current)
{
	const struct heap_classes *before = &base->analysis.classes;
	const struct heap_classes *now = &current->analysis.classes;
	struct heap_row *left = heap_row_sums(&base->analysis.graph, before);
	struct heap_row *right = heap_row_sums(&current->analysis.graph, now);
	int r = left == NULL || right == NULL ? -ENOMEM : 0;

	if (r == 0)
		r = heap_class_growth(&(struct heap_class_rows){ before, left },
				      &(struct heap_class_rows){ now, right }, &answer->classes,
				      &answer->classes_n);
	if (r == 0)
		answer->classes_n = heap_class_growth_changed(answer->classes, answer->classes_n);
	free(left);
	free(right);
	return r;
}

/* ---- what was asked for ---- */

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

static void keep_rows(struct diff_answer *answer, const char *class)
{
	size_t kept = 0;

	for (size_t i = 0; i < answer->rows_n; i++) {
		if (class == NULL || strcmp(answer->rows[i].name, class) == 0)
			answer->rows[kept++] = answer->rows[i];
	}
	if (kept > 1)
		qsort(answer->rows, kept, sizeof(*answer->rows), by_growth);
	answer->rows_n = kept;
}

static void keep_grown(struct diff_answer *answer, const char *class)
{
	size_t kept = 0;

	for (size_t i = 0; i < answer->grown_n; i++) {
		const struct heap_class *its =
			&answer->grown_classes->items[answer->grown[i].now->class];

		if (class == NULL || strcmp(its->name, class) == 0)
			answer->grown[kept++] = answer->grown[i];
	}
	answer->grown_n = kept;
}

static void keep(struct diff_answer *answer, const char *class)
{
	keep_rows(answer, class);
	keep_grown(answer, class);
	if (class != NULL)
		answer->classes_n =
			heap_class_growth_keep(answer->classes, answer->classes_n, class);
}

/* ---- all of it ---- */

static int show(const struct diff_answer *answer, const struct ctl_options *options,
		struct err *err)
{
	struct diff_answer shown = *answer;
	struct buf buf, json;
	int r = 0;

	shown.rows_n = top_of(answer->rows_n, options->heap.top);
	shown.classes_n = top_of(answer->classes_n, options->heap.top);
	shown.grown_n = top_of(answer->grown_n, options->heap.top);
	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF) {
		buf_init(&json, SHOW_MAX_BYTES);
		diff_put_json(&json, &shown);
		show_json_end(&buf, &json, options->json);
	} else {
		r = diff_put_text(&buf, &shown, options->legend);
	}
	return show_top(&buf, r, options, err);
}

/* Of another process, and of classes alone, nothing is known of single objects. */
static int grow_by_paths(struct diff_answer *answer, struct diff_paths *paths,
			 const struct side *base, const struct side *current,
			 const struct ctl_options *options, struct err *err)
{
	uint64_t taken = heap_file_taken(&base->file, &base->analysis.graph) +
			 heap_file_taken(&current->file, &current->analysis.graph);
	int exit;

	if (!answer->wants_collections || (answer->by != DIFF_ADDRESSES && answer->by != DIFF_ANEW))
		return CTL_OK;
	exit = diff_paths_init(paths, options->args, taken, options, err);
	answer->grown_by = paths->known ? DIFF_GROWN_PATHS : DIFF_GROWN_UNKNOWN;
	answer->grown = paths->grown;
	answer->grown_n = paths->grown_n;
	answer->grown_classes = &paths->last.analysis.classes;
	return exit;
}

static int compare(struct side *base, struct side *current, const struct ctl_options *options,
		   struct err *err)
{
	struct diff_answer answer = { .wants_collections = wants_collections(options) };
	struct diff_paths paths = { .known = false };
	int exit, r = find_by(&answer, base, current, options);

	if (r == 0 && answer.by == DIFF_IDS) {
		answer.grown_by = DIFF_GROWN_IDS;
		answer.grown = base->grown;
		answer.grown_n = base->grown_n;
		answer.grown_classes = &current->analysis.classes;
		r = compare_ids(&answer, base, current);
	} else if (r == 0) {
		r = compare_classes(&answer, base, current);
	}
	exit = r == 0 ? grow_by_paths(&answer, &paths, base, current, options, err)
		      : source_fail(err, CTL_FAILURE, r, "out of memory");
	if (exit == CTL_OK) {
		keep(&answer, options->heap.class);
		exit = show(&answer, options, err);
	}
	diff_answer_fini(&answer);
	diff_paths_fini(&paths);
	return exit;
}

int command_diff(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct side base = { .file = { .mapped = 0 } }, current = base;
	int exit;

	(void)source;
	if (strcmp(options->heap.match, "paths") == 0)
		return source_fail(err, CTL_USAGE, -EINVAL,
				   "--match=paths is of leaks: diff takes auto, ids or classes");
	exit = side_init(&current, options->args[1], NULL, options, err);
	if (exit == CTL_OK)
		exit = side_init(&base, options->args[0], &current, options, err);
	if (exit == CTL_OK)
		exit = compare(&base, &current, options, err);
	side_fini(&base);
	side_fini(&current);
	return exit;
}
