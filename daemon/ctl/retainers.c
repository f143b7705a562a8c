/*
 * retainers: why an object of a heap snapshot is there
 *
 * The dominators come first: they name the holder. The shortest path is second, since it may lead
 * through what only happens to be near a root. Then all that refers to it, as a tree.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/heap_file.h"
#include "ctl/paths.h"
#include "ctl/places_file.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/path_json.h"
#include "heap/retain.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

typedef int path_fn(struct heap_path *ret, const struct heap_analysis *analysis, uint32_t node);

static const struct {
	const char *title, *member;
	path_fn *find;
} paths[] = {
	{ "held by", "dominators", heap_path_dominators },
	{ "shortest path", "shortest_path", heap_path_shortest },
};

enum { PATHS = sizeof(paths) / sizeof(paths[0]) };

/* The one of the class that retains most; UINT32_MAX: there is none. 0, -ENOMEM. */
static int find_largest(const struct heap_analysis *analysis, const char *name, uint32_t *ret)
{
	const struct heap_classes *classes = &analysis->classes;
	bool *wanted = calloc((size_t)classes->n + 1, sizeof(*wanted));
	uint32_t best = UINT32_MAX;

	if (wanted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < classes->n; i++)
		wanted[i] = strcmp(classes->items[i].name, name) == 0;
	for (uint32_t node = 0; node < analysis->graph.nodes; node++) {
		if (wanted[classes->of[node]] &&
		    (best == UINT32_MAX || analysis->retained[node] > analysis->retained[best]))
			best = node;
	}
	free(wanted);
	*ret = best;
	return 0;
}

/* The node of this id, or the one of the class that retains most. */
static int find(const struct heap_analysis *analysis, const struct heap_wish *wish, uint32_t *ret,
		struct err *err)
{
	int r = 0;

	if (wish->has_node)
		*ret = heap_node_find(&analysis->graph, wish->node);
	else
		r = find_largest(analysis, wish->class, ret);
	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "out of memory");
	if (*ret != UINT32_MAX)
		return CTL_OK;
	if (wish->has_node)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no object @%" PRIu64, wish->node);
	return source_fail(err, CTL_FAILURE, -ENOENT, "no object '%.64s'", wish->class);
}

static int put_tree(struct buf *buf, struct json_writer *w, const struct heap_analysis *analysis,
		    struct places *places, uint32_t node, const struct ctl_options *options)
{
	uint64_t top = options->heap.top;
	struct heap_retainers tree;
	/* The node itself is the first of them. */
	int r = heap_retainers_find(&tree, analysis, node, top > 0 ? top + 1 : 0);

	if (r == 0 && options->json != JSON_OFF) {
		retainers_put_json(w, analysis, places, &tree);
	} else if (r == 0) {
		buf_puts(buf, "\nreferred to by:\n");
		retainers_put(buf, analysis, places, &tree);
	}
	heap_retainers_fini(&tree);
	return r;
}

static int put_all(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   uint32_t node, const struct ctl_options *options)
{
	bool as_json = options->json != JSON_OFF;
	struct json_writer w;
	int r = 0;

	json_write_init(&w, buf);
	if (as_json)
		json_write_object(&w);
	else
		step_put_node(buf, analysis, places, node);
	for (size_t i = 0; i < PATHS && r == 0; i++) {
		struct heap_path path;

		r = paths[i].find(&path, analysis, node);
		if (r == 0 && as_json) {
			path_put_json(&w, analysis, places, paths[i].member, &path);
		} else if (r == 0) {
			buf_printf(buf, "\n%s:\n", paths[i].title);
			path_put(buf, analysis, places, &path);
		}
		heap_path_fini(&path);
	}
	r = r == 0 ? put_tree(buf, &w, analysis, places, node, options) : r;
	if (as_json)
		json_write_object_end(&w);
	return r != 0 ? r : buf->error;
}

static int say(const struct heap_analysis *analysis, struct places *places,
	       const struct ctl_options *options, struct err *err)
{
	struct buf buf, json;
	uint32_t node;
	int r, exit = find(analysis, &options->heap, &node, err);

	if (exit != CTL_OK)
		return exit;
	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF) {
		buf_init(&json, SHOW_MAX_BYTES);
		r = put_all(&json, analysis, places, node, options);
		show_json_end(&buf, &json, options->json);
	} else {
		r = put_all(&buf, analysis, places, node, options);
	}
	return show_top(&buf, r, options, err);
}

int command_retainers(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct heap_request request = { .path = options->args[0],
					.parts = HEAP_PARTS_NODES | HEAP_PARTS_EDGES |
						 HEAP_PARTS_REFERRERS };
	struct heap_analysis analysis;
	struct places_file files = { .maps = { .n = 0 } };
	struct heap_file file;
	int exit;

	(void)source;
	if (!options->heap.has_node && options->heap.class == NULL)
		return source_fail(err, CTL_USAGE, -EINVAL, "--node=@ID or --class=NAME is wanted");
	exit = heap_file_analyse(&file, &analysis, &request, options, err);
	if (exit == CTL_OK && heap_analysis_refer(&analysis) < 0)
		exit = source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	if (exit == CTL_OK)
		exit = places_file_open(&files, options->args[0], options, err);
	if (exit == CTL_OK)
		exit = say(&analysis, &files.places, options, err);
	if (exit == CTL_OK)
		heap_file_keep(&file, &analysis, options);
	places_file_fini(&files);
	heap_analysis_fini(&analysis);
	heap_file_fini(&file);
	return exit;
}
