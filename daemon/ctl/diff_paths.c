/*
 * Collections that grew, by paths
 *
 * Dominators and ways are needed for that, which nothing else that `diff` says takes: both files
 * are read a second time, when it has turned out that there is no other way.
 */

#include "ctl/diff_paths.h"

#include <stdlib.h>

#include "ctl/command.h"
#include "ctl/source.h"

static int compare(struct diff_paths *paths, const struct snapshot *base)
{
	const struct heap_graph *graph = &paths->last.analysis.graph;
	enum heap_match_by by = HEAP_MATCH_PATHS;
	struct heap_match match;
	int r = heap_match_init(&match, &base->side, &paths->last.side, &by);

	paths->known = r == 0 && heap_match_most(&match, base->analysis.graph.nodes);
	if (paths->known)
		r = heap_collections_find(&paths->collections, graph, &paths->last.analysis.classes,
					  NULL);
	if (r == 0 && paths->known)
		r = heap_collections_grown_by(&base->analysis.graph, &paths->collections, match.of,
					      &paths->grown, &paths->grown_n);
	heap_match_fini(&match);
	return r;
}

int diff_paths_init(struct diff_paths *ret, char *const paths[2], uint64_t taken,
		    const struct ctl_options *options, struct err *err)
{
	struct snapshot base = { .file = { .mapped = 0 } };
	int exit, r = 0;

	*ret = (struct diff_paths){ .known = false };
	exit = snapshot_init(&ret->last, paths[1], taken, options, err);
	if (exit == CTL_OK)
		exit = snapshot_init(&base, paths[0], taken + snapshot_taken(&ret->last), options,
				     err);
	if (exit == CTL_OK)
		r = compare(ret, &base);
	snapshot_fini(&base);
	return r < 0 ? source_fail(err, CTL_FAILURE, r, "out of memory") : exit;
}

void diff_paths_fini(struct diff_paths *paths)
{
	free(paths->grown);
	heap_collections_fini(&paths->collections);
	snapshot_fini(&paths->last);
}
