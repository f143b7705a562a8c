/*
 * Why a node is there
 */

#include "heap/retain.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"
#include "util/array.h"

static int add(struct heap_path *path, size_t *capacity, struct heap_step step)
{
	struct heap_step *steps = array_room(path->steps, path->n, capacity, 64, sizeof(*steps));

	if (steps == NULL)
		return -ENOMEM;
	path->steps = steps;
	steps[path->n++] = step;
	return 0;
}

static bool same_edge(const struct heap_graph *graph, uint32_t a, uint32_t b)
{
	if (a == UINT32_MAX || b == UINT32_MAX)
		return a == b;
	return heap_edge_kind(graph->edges[a]) == heap_edge_kind(graph->edges[b]) &&
	       graph->edge_name[a] == graph->edge_name[b];
}

/* The node itself stays a step of its own. */
static void collapse(struct heap_path *path, const struct heap_analysis *analysis)
{
	const uint32_t *class = analysis->classes.of;
	size_t kept = 1;

	for (size_t i = 1; i < path->n; i++) {
		struct heap_step *last = &path->steps[kept - 1], step = path->steps[i];

		if (kept > 1 && class[last->node] == class[step.node] &&
		    same_edge(&analysis->graph, last->edge, step.edge)) {
			step.times = last->times + 1;
			*last = step;
		} else {
			path->steps[kept++] = step;
		}
	}
	path->n = kept;
}

int heap_path_dominators(struct heap_path *ret, const struct heap_analysis *analysis, uint32_t node)
{
	const struct heap_graph *graph = &analysis->graph;
	size_t capacity = 0;
	int r;

	*ret = (struct heap_path){ .steps = NULL };
	r = add(ret, &capacity, (struct heap_step){ node, UINT32_MAX, 1 });
	/* No chain has more links than there are nodes, whatever an index says. */
	while (r == 0 && node != graph->root && ret->n <= graph->nodes) {
		uint32_t above = analysis->dominators.dominator[node];

		r = add(ret, &capacity,
			(struct heap_step){ above, heap_edge_between(graph, above, node), 1 });
		node = above;
	}
	if (r == 0)
		collapse(ret, analysis);
	return r;
}

uint32_t *heap_ways(const struct heap_analysis *analysis)
{
	const struct heap_graph *graph = &analysis->graph;
	const int32_t *distance = analysis->distances;
	uint32_t *way = heap_alloc(graph->nodes, sizeof(*way));

	for (uint32_t node = 0; way != NULL && node < graph->nodes; node++) {
		uint32_t end = distance[node] >= 0 ? graph->edge_first[node + 1] : 0;

		for (uint32_t i = graph->edge_first[node]; i < end; i++) {
			uint32_t to = heap_edge_to(graph->edges[i]);

			if (way[to] == 0 && distance[to] == distance[node] + 1 &&
			    heap_edge_kind(graph->edges[i]) != HEAP_WEAK)
				way[to] = i + 1;
		}
	}
	return way;
}

int heap_path_along(struct heap_path *ret, const struct heap_analysis *analysis,
		    const uint32_t *ways, uint32_t node)
{
	size_t capacity = 0;
	int r;

	*ret = (struct heap_path){ .steps = NULL };
	r = add(ret, &capacity, (struct heap_step){ node, UINT32_MAX, 1 });
	/* No way has more steps than there are nodes, whatever an index says. */
	while (r == 0 && ways[node] != 0 && ret->n <= analysis->graph.nodes) {
		uint32_t edge = ways[node] - 1;

		node = heap_edge_from(&analysis->graph, edge);
		r = add(ret, &capacity, (struct heap_step){ node, edge, 1 });
	}
	if (r == 0)
		collapse(ret, analysis);
	return r;
}

/* The edge that heap_ways() would have, from one that is a step nearer; UINT32_MAX: none. */
static uint32_t way_to(const struct heap_analysis *analysis, uint32_t node)
{
	const struct heap_referrers *referrers = &analysis->referrers;
	const int32_t nearer = analysis->distances[node] - 1;

	for (uint32_t i = referrers->first[node]; nearer >= 0 && i < referrers->first[node + 1];
	     i++) {
		if (analysis->distances[referrers->from[i]] == nearer)
			return heap_edge_between(&analysis->graph, referrers->from[i], node);
	}
	return UINT32_MAX;
}

int heap_path_shortest(struct heap_path *ret, const struct heap_analysis *analysis, uint32_t node)
{
	size_t capacity = 0;
	uint32_t way;
	int r;

	*ret = (struct heap_path){ .steps = NULL };
	r = add(ret, &capacity, (struct heap_step){ node, UINT32_MAX, 1 });
	while (r == 0 && (way = way_to(analysis, node)) != UINT32_MAX) {
		node = heap_edge_from(&analysis->graph, way);
		r = add(ret, &capacity, (struct heap_step){ node, way, 1 });
	}
	if (r == 0)
		collapse(ret, analysis);
	return r;
}

void heap_path_fini(struct heap_path *path)
{
	free(path->steps);
	*path = (struct heap_path){ .steps = NULL };
}
