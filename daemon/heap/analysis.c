/*
 * A snapshot, analysed
 *
 *   load -+-> page's own, dominators -----------------+-+-> retained sizes -+-> rows
 *         +-> distances, sizes, shapes, classes, sums +-+-> spans ----------+
 *
 * Each pair may have two threads. The first two read the same graph; the second one changes only
 * sizes, which the first does not look at.
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

/* Sizes, shapes where none are given, and classes. */
static int classify(struct heap_analysis *analysis, const struct heap_shapes *shapes)
{
	int r = v8_rules_transfer(&analysis->graph);

	if (r == 0 && shapes == NULL) {
		shapes = &analysis->shapes;
		r = heap_shapes_find(&analysis->shapes, &analysis->graph);
	}
	return r == 0 ? heap_classes_init(&analysis->classes, &analysis->graph, shapes, NULL) : r;
}

/* What two threads share. */
struct work {
	struct heap_analysis *analysis; /* borrowed */
	struct heap_spans spans; /* owned */
	int r; /* of the other thread */
	int (*other)(struct work *work);
};

static void *other_thread(void *arg)
{
	struct work *work = arg;

	work->r = work->other(work);
	return NULL;
}

static int side_by_side(struct work *work, unsigned threads, int (*one)(struct work *work),
			int (*other)(struct work *work))
{
	pthread_t thread;
	int r;

	work->other = other;
	if (threads < 2 || pthread_create(&thread, NULL, other_thread, work) != 0) {
		r = one(work);
		return r == 0 ? other(work) : r;
	}
	r = one(work);
	pthread_join(thread, NULL);
	return r == 0 ? work->r : r;
}

static int find_dominators(struct work *work)
{
	struct heap_analysis *analysis = work->analysis;
	uint64_t *inner = v8_rules_page_owned(&analysis->graph);
	int r = inner != NULL ? heap_dominators_init(&analysis->dominators, &analysis->graph, inner)
			      : -ENOMEM;

	heap_bits_free(inner, analysis->graph.nodes);
	return r;
}

static int count_rows(struct heap_analysis *analysis)
{
	analysis->rows = heap_rows(&analysis->graph, &analysis->classes, analysis->distances);
	return analysis->rows != NULL ? 0 : -ENOMEM;
}

static int find_classes(struct work *work)
{
	struct heap_analysis *analysis = work->analysis;
	int r;

	analysis->distances = heap_distances(&analysis->graph);
	r = analysis->distances != NULL ? classify(analysis, NULL) : -ENOMEM;
	r = r == 0 ? count_rows(analysis) : r;
	return r == 0 ? heap_statistics(&analysis->graph, &analysis->statistics) : r;
}

static int add_up(struct work *work)
{
	struct heap_analysis *analysis = work->analysis;

	analysis->retained = heap_retained(&analysis->graph, &analysis->dominators);
	return analysis->retained != NULL ? 0 : -ENOMEM;
}

static int find_spans(struct work *work)
{
	return heap_spans_init(&work->spans, &work->analysis->dominators);
}

static int retain_rows(struct heap_analysis *analysis, const struct heap_spans *spans)
{
	return heap_rows_retain(analysis->rows, &analysis->graph, &analysis->classes, spans,
				analysis->retained);
}

static int compute(struct heap_analysis *analysis, const struct heap_load_options *options)
{
	struct work work = { .analysis = analysis };
	int r;

	heap_progress_tell(options->progress, "dominators", HEAP_NO_PERCENT);
	r = side_by_side(&work, options->threads, find_dominators, find_classes);
	if (r < 0)
		return r;
	heap_progress_tell(options->progress, "retained sizes", HEAP_NO_PERCENT);
	r = side_by_side(&work, options->threads, add_up, find_spans);
	r = r == 0 ? retain_rows(analysis, &work.spans) : r;
	heap_spans_fini(&work.spans);
	heap_release();
	return r;
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
	r = classify(ret, shapes);
	return r < 0 ? out_of_memory(err) : 0;
}

int heap_analysis_reshape(struct heap_analysis *analysis, const struct heap_shapes *shapes)
{
	struct heap_spans spans = { .nodes = 0 };
	struct heap_classes classes;
	int r;

	free(analysis->rows);
	analysis->rows = NULL;
	r = heap_classes_init(&classes, &analysis->graph, shapes, &analysis->classes);
	free_classes(analysis);
	analysis->classes = classes;
	if (r < 0 || analysis->dominators.order == NULL)
		return r;
	r = heap_spans_init(&spans, &analysis->dominators);
	r = r == 0 ? count_rows(analysis) : r;
	r = r == 0 ? retain_rows(analysis, &spans) : r;
	heap_spans_fini(&spans);
	return r;
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
	heap_release();
	*analysis = (struct heap_analysis){ .retained = NULL };
}
