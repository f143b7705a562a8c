/*
 * leaks: where memory accumulates, from two or three snapshots
 *
 * The last one is read first and stays; of each earlier one only what it retained is kept, object
 * by object of the last. The indexes of these are made when the answer is out, and so from the
 * files once more: not to wait for them is worth more than what that takes.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/beside.h"
#include "ctl/command.h"
#include "ctl/leaks_show.h"
#include "ctl/places_file.h"
#include "ctl/show.h"
#include "ctl/snapshot.h"
#include "ctl/source.h"
#include "heap/leaks_words.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"

/* By the manifests that the daemon left beside captures. */
static void look_beside(struct leaks_answer *answer, const struct ctl_options *options)
{
	const char *last = options->args[options->args_n - 1];

	answer->same_process = true;
	for (size_t i = 0; i + 1 < options->args_n; i++) {
		enum beside_process process = beside_process(options->args[i], last, options);

		if (process == BESIDE_OTHER)
			answer->apart = LEAKS_OTHER_PROCESS;
		answer->same_process &= process == BESIDE_SAME;
	}
	if (strcmp(options->heap.match, "classes") == 0)
		answer->apart = LEAKS_ASKED;
}

static enum heap_match_by by_wish(const struct ctl_options *options)
{
	const char *match = options->heap.match;

	return strcmp(match, "ids") == 0     ? HEAP_MATCH_IDS
	       : strcmp(match, "paths") == 0 ? HEAP_MATCH_PATHS
					     : HEAP_MATCH_AUTO;
}

/* The first is needed for rows of classes, which may turn out only after it was compared. */
static int compare_one(struct leaks_answer *answer, const struct snapshot *last, size_t i,
		       bool *ret_lacks_index, const struct ctl_options *options, struct err *err)
{
	struct snapshot base;
	int r = 0,
	    exit = snapshot_init(&base, options->args[i], snapshot_taken(last), options, err);

	*ret_lacks_index = heap_file_lacks_index(&base.file, &base.analysis);
	if (exit == CTL_OK)
		r = leaks_answer_add(answer, &base.side, by_wish(options));
	snapshot_fini(&base);
	return r < 0 ? source_fail(err, CTL_FAILURE, r, "out of memory") : exit;
}

/* Of a class, as what came or as the holder; or of one object. */
static bool is_wanted(const struct heap_suspect *suspect, const struct heap_analysis *analysis,
		      const struct heap_wish *wish)
{
	const struct heap_class *classes = analysis->classes.items;
	uint32_t holder = analysis->classes.of[suspect->holder];

	if (wish->class != NULL && strcmp(classes[suspect->class].name, wish->class) != 0 &&
	    strcmp(classes[holder].name, wish->class) != 0)
		return false;
	return !wish->has_node || heap_id(&analysis->graph, suspect->holder) == wish->node ||
	       heap_id(&analysis->graph, suspect->example) == wish->node;
}

static int nothing_of(const struct heap_wish *wish, struct err *err)
{
	if (wish->class != NULL)
		return source_fail(err, CTL_FAILURE, -ENOENT, "of '%.64s' nothing accumulates",
				   wish->class);
	return source_fail(err, CTL_FAILURE, -ENOENT, "in @%" PRIu64 " nothing accumulates",
			   wish->node);
}

/* Only what was asked for. */
static int keep(struct leaks_answer *answer, const struct heap_wish *wish, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < answer->leaks.n; i++) {
		if (is_wanted(&answer->leaks.items[i], answer->last->analysis, wish))
			answer->leaks.items[kept++] = answer->leaks.items[i];
	}
	if (answer->leaks.n > 0 && kept == 0)
		return nothing_of(wish, err);
	answer->leaks.n = kept;
	return CTL_OK;
}

static int keep_classes(struct leaks_answer *answer, const struct heap_wish *wish, struct err *err)
{
	if (wish->has_node)
		return source_fail(err, CTL_FAILURE, -EINVAL, "--node: %s",
				   leaks_why_apart(answer));
	if (wish->class == NULL)
		return CTL_OK;
	answer->classes_n = heap_class_growth_keep(answer->classes, answer->classes_n, wish->class);
	return answer->classes_n > 0
		       ? CTL_OK
		       : source_fail(err, CTL_FAILURE, -ENOENT, "no class '%.64s'", wish->class);
}

static int compare(struct leaks_answer *answer, const struct snapshot *last,
		   bool lacks_index[HEAP_PASTS_MAX], const struct ctl_options *options,
		   struct err *err)
{
	int r, exit = CTL_OK;

	look_beside(answer, options);
	for (size_t i = 0; i + 1 < options->args_n && exit == CTL_OK && answer->classes == NULL;
	     i++)
		exit = compare_one(answer, last, i, &lacks_index[i], options, err);
	if (exit != CTL_OK)
		return exit;
	if (answer->apart != LEAKS_SAME)
		return keep_classes(answer, &options->heap, err);
	r = leaks_answer_find(answer);
	return r < 0 ? source_fail(err, CTL_FAILURE, r, "out of memory")
		     : keep(answer, &options->heap, err);
}

static int put_json(struct buf *buf, const struct leaks_answer *answer, uint64_t top)
{
	struct json_writer w;
	int r;

	json_write_init(&w, buf);
	json_write_object(&w);
	r = leaks_put_members(&w, answer, top);
	json_write_object_end(&w);
	return r == 0 ? buf->error : r;
}

static int show(const struct leaks_answer *answer, const struct ctl_options *options,
		struct err *err)
{
	struct buf buf, json;
	int r;

	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF) {
		buf_init(&json, SHOW_MAX_BYTES);
		r = put_json(&json, answer, options->heap.top);
		show_json_end(&buf, &json, options->json);
	} else {
		r = leaks_put_text(&buf, answer, options->heap.top, options->legend);
	}
	return show_top(&buf, r, options, err);
}

/* It was told from already: what fails now is no failure of the command. */
static void keep_index_of(const char *path, const struct ctl_options *options)
{
	struct heap_request request = snapshot_request(path);
	struct heap_analysis analysis;
	struct heap_file file;
	struct err ignored;

	if (heap_file_analyse(&file, &analysis, &request, options, &ignored) == CTL_OK)
		heap_file_keep(&file, &analysis, options);
	heap_analysis_fini(&analysis);
	heap_file_fini(&file);
}

int command_leaks(struct source *source, const struct ctl_options *options, struct err *err)
{
	const char *path = options->args[options->args_n - 1];
	struct places_file files = { .maps = { .n = 0 } };
	struct leaks_answer answer = { .places = &files.places };
	bool lacks_index[HEAP_PASTS_MAX] = { false };
	struct snapshot last;
	int exit = snapshot_init(&last, path, 0, options, err);

	(void)source;
	answer.last = &last.side;
	if (exit == CTL_OK)
		exit = places_file_open(&files, path, options, err);
	if (exit == CTL_OK)
		exit = compare(&answer, &last, lacks_index, options, err);
	if (exit == CTL_OK)
		exit = show(&answer, options, err);
	if (exit == CTL_OK)
		heap_file_keep(&last.file, &last.analysis, options);
	leaks_answer_fini(&answer);
	places_file_fini(&files);
	snapshot_fini(&last);
	for (size_t i = 0; i < HEAP_PASTS_MAX && exit == CTL_OK; i++) {
		if (lacks_index[i])
			keep_index_of(options->args[i], options);
	}
	return exit;
}
