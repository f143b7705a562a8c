/*
 * A snapshot, analysed
 *
 *   load -> page's own -+-> dominators ---------------------+-> retained -> rows, statistics
 *                       +-> sizes, distances, shapes, classes +
 *
 * The two branches read the same graph; the second one changes only sizes, which the first does
 * not look at.
 */

#include "heap/analysis.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "heap/alloc.h"
#include "heap/distance.h"
#include "heap/retain.h"
#include "heap/v8_rules.h"
#include "util/err.h"

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int branch(struct heap_analysis *analysis, const struct heap_shapes *shapes)
{
	int r = v8_rules_transfer(&analysis->graph);

	if (r == 0 && shapes == NULL) {
		shapes = &analysis->shapes;
		r = heap_shapes_find(&analysis->shapes, &analysis->graph);
	}
	return r == 0 ? heap_classes_init(&analysis->classes, &analysis->graph, shapes, NULL) : r;
}

static void *second_branch(void *arg)
{
	struct heap_analysis *analysis = arg;
	int r;

	analysis->distances = heap_distances(&analysis->graph);
	r = analysis->distances != NULL ? branch(analysis, NULL) : -ENOMEM;
	return (void *)(intptr_t)r;
}

static int both_branches(struct heap_analysis *analysis, unsigned threads, const uint64_t *inner)
{
	void *other = NULL;
	pthread_t thread;
	int r;

	if (threads < 2 || pthread_create(&thread, NULL, second_branch, analysis) != 0) {
		r = heap_dominators_init(&analysis->dominators, &analysis->graph, inner);
		return r == 0 ? (int)(intptr_t)second_branch(analysis) : r;
	}
	r = heap_dominators_init(&analysis->dominators, &analysis->graph, inner);
	pthread_join(thread, &other);
	return r == 0 ? (int)(intptr_t)other : r;
}

static int compute(struct heap_analysis *analysis, const struct heap_load_options *options)
{
	unsigned threads = options->threads;
	const struct heap_graph *graph = &analysis->graph;
	uint64_t *inner = v8_rules_page_owned(graph);
	int r;

	heap_progress_tell(options->progress, "dominators", HEAP_NO_PERCENT);
	r = inner == NULL ? -ENOMEM : both_branches(analysis, threads, inner);
	heap_bits_free(inner, graph->nodes);
	if (r < 0)
		return r;
	heap_progress_tell(options->progress, "retained sizes", HEAP_NO_PERCENT);
	analysis->retained = heap_retained(graph, &analysis->dominators);
	if (analysis->retained == NULL)
		return -ENOMEM;
	analysis->rows = heap_rows(graph, &analysis->classes, &analysis->dominators,
				   analysis->retained, analysis->distances);
	if (analysis->rows == NULL)
		return -ENOMEM;
	return heap_statistics(graph, analysis->retained, &analysis->statistics);
}

/* They are of other shapes than the index's where they are not in it. */
static void free_classes(struct heap_analysis *analysis)
{
	if (heap_index_has(analysis->index, analysis->classes.of))
		analysis->classes.of = NULL;
	heap_classes_fini(&analysis->classes);
}

int heap_analyse(struct heap_analysis *ret, const struct v8_text *text,
		 const struct heap_load_options *options, struct err *err)
{
	int r;

	*ret = (struct heap_analysis){ .retained = NULL };
	r = heap_load(&ret->graph, text, options, err);
	if (r < 0)
		return r;
	r = compute(ret, options);
	return r < 0 ? out_of_memory(err) : 0;
}

int heap_analyse_classes(struct heap_analysis *ret, const struct v8_text *text,
			 const struct heap_shapes *shapes, const struct heap_load_options *options,
			 struct err *err)
{
	int r;

	*ret = (struct heap_analysis){ .retained = NULL };
	r = heap_load(&ret->graph, text, options, err);
	if (r < 0)
		return r;
	r = branch(ret, shapes);
	return r < 0 ? out_of_memory(err) : 0;
}

int heap_analysis_reshape(struct heap_analysis *analysis, const struct heap_shapes *shapes)
{
	struct heap_classes classes;
	int r;

	free(analysis->rows);
	analysis->rows = NULL;
	r = heap_classes_init(&classes, &analysis->graph, shapes, &analysis->classes);
	free_classes(analysis);
	analysis->classes = classes;
	if (r < 0 || analysis->dominators.order == NULL)
		return r;
	analysis->rows = heap_rows(&analysis->graph, &analysis->classes, &analysis->dominators,
				   analysis->retained, analysis->distances);
	return analysis->rows != NULL ? 0 : -ENOMEM;
}

int heap_analysis_refer(struct heap_analysis *analysis)
{
	return analysis->referrers.first != NULL
		       ? 0
		       : heap_referrers_init(&analysis->referrers, &analysis->graph);
}

int heap_analysis_descend(struct heap_analysis *analysis)
{
	int r = 0;

	if (analysis->tree.first == NULL)
		r = heap_tree_init(&analysis->tree, &analysis->graph, &analysis->dominators);
	if (r == 0 && analysis->ways == NULL)
		analysis->ways = heap_ways(analysis);
	return r == 0 && analysis->ways == NULL ? -ENOMEM : r;
}

struct heap_digest heap_analysis_digest(const struct heap_analysis *analysis)
{
	if (analysis->index != NULL)
		return analysis->digest;
	return heap_digest(&analysis->graph, &analysis->dominators, analysis->retained,
			   analysis->distances);
}

void heap_analysis_fini(struct heap_analysis *analysis)
{
	uint32_t nodes = analysis->graph.nodes;

	free(analysis->rows);
	free_classes(analysis);
	heap_shapes_fini(&analysis->shapes);
	if (analysis->index == NULL) {
		heap_free(analysis->distances, nodes, sizeof(int32_t));
		heap_free(analysis->retained, nodes, sizeof(uint64_t));
		heap_dominators_fini(&analysis->dominators);
	}
	if (!heap_index_has(analysis->index, analysis->referrers.first))
		heap_referrers_fini(&analysis->referrers);
	if (!heap_index_has(analysis->index, analysis->ways))
		heap_free(analysis->ways, nodes, sizeof(*analysis->ways));
	if (!heap_index_has(analysis->index, analysis->tree.first))
		heap_tree_fini(&analysis->tree);
	heap_graph_fini(&analysis->graph);
	heap_index_free(analysis->index);
	*analysis = (struct heap_analysis){ .retained = NULL };
}
