/*
 * Dominators and retained sizes of random graphs, against what the definition says: a node is
 * dominated by those without which the root does not reach it.
 */

#include "heap/dominate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"

enum { GRAPHS = 2000, NODES_MAX = 24, EDGES_MAX = 60, CHAIN = 2000000 };

static uint32_t below(unsigned *seed, uint32_t n)
{
	return (uint32_t)rand_r(seed) % n;
}

/* ---- by the definition ---- */

struct naive {
	const struct heap_graph *graph;
	const uint64_t *inner;
	bool orphan[NODES_MAX]; /* the root refers to it, because nothing does */
	bool reached[NODES_MAX];
};

static bool counts(const struct naive *naive, uint32_t from, uint32_t i)
{
	const struct heap_graph *graph = naive->graph;
	uint32_t to = heap_edge_to(graph->edges[i]);
	enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);

	if (from == to || kind == HEAP_WEAK || kind == HEAP_HALF)
		return false;
	if (from == graph->root)
		return true;
	return kind != HEAP_SHORTCUT &&
	       (heap_bit(naive->inner, from) || !heap_bit(naive->inner, to));
}

/* Marks until nothing changes, never going through `without`. */
static void reach(const struct naive *naive, uint32_t without, bool reached[NODES_MAX])
{
	const struct heap_graph *graph = naive->graph;
	bool changed = true;

	memset(reached, 0, NODES_MAX * sizeof(*reached));
	reached[graph->root] = without != graph->root;
	while (changed) {
		changed = false;
		for (uint32_t from = 0; from < graph->nodes; from++) {
			for (uint32_t to = 0; reached[from] && to < graph->nodes; to++) {
				bool leads = from == graph->root && naive->orphan[to];

				for (uint32_t i = graph->edge_first[from];
				     i < graph->edge_first[from + 1]; i++)
					leads |= counts(naive, from, i) &&
						 heap_edge_to(graph->edges[i]) == to;
				if (leads && !reached[to] && to != without)
					reached[to] = changed = true;
			}
		}
	}
}

static void find_orphans(struct naive *naive)
{
	const struct heap_graph *graph = naive->graph;
	bool referred[NODES_MAX] = { false };

	for (uint32_t from = 0; from < graph->nodes; from++) {
		for (uint32_t i = graph->edge_first[from]; i < graph->edge_first[from + 1]; i++)
			referred[heap_edge_to(graph->edges[i])] |= counts(naive, from, i);
	}
	for (uint32_t node = 0; node < graph->nodes; node++)
		naive->orphan[node] = node != graph->root && !referred[node];
	reach(naive, UINT32_MAX, naive->reached);
}

/* Those that dominate a node stand in a row; the nearest is dominated by all others. */
static void dominators_of(const struct naive *naive, uint32_t ret[NODES_MAX])
{
	const struct heap_graph *graph = naive->graph;
	bool without[NODES_MAX][NODES_MAX];
	uint32_t above[NODES_MAX] = { 0 };

	for (uint32_t node = 0; node < graph->nodes; node++)
		reach(naive, node, without[node]);
	for (uint32_t node = 0; node < graph->nodes; node++) {
		for (uint32_t d = 0; d < graph->nodes; d++)
			above[node] += naive->reached[node] && d != node && !without[d][node];
	}
	for (uint32_t node = 0; node < graph->nodes; node++) {
		ret[node] = graph->root;
		for (uint32_t d = 0; d < graph->nodes; d++) {
			if (naive->reached[node] && d != node && !without[d][node] &&
			    above[d] + 1 == above[node])
				ret[node] = d;
		}
	}
}

static uint64_t retained_by(const struct heap_graph *graph, const uint32_t *dominators,
			    uint32_t node)
{
	uint64_t sum = 0;

	for (uint32_t other = 0; other < graph->nodes; other++) {
		uint32_t at = other;

		while (at != node && at != graph->root)
			at = dominators[at];
		sum += at == node ? heap_size(graph, other) : 0;
	}
	return sum;
}

/* ---- graphs ---- */

static void make(struct heap_graph *graph, unsigned *seed)
{
	uint32_t nodes = below(seed, NODES_MAX) + 1, edges = below(seed, EDGES_MAX);

	*graph = (struct heap_graph){ .root = 0 };
	cr_assert_eq(heap_graph_init(graph, nodes, edges), 0);
	graph->root = below(seed, nodes);
	for (uint32_t i = 0; i < edges; i++)
		graph->edge_first[below(seed, nodes) + 1]++;
	for (uint32_t node = 0; node < nodes; node++) {
		graph->edge_first[node + 1] += graph->edge_first[node];
		cr_assert_eq(heap_size_set(graph, node,
					   (uint64_t)below(seed, 100) << (below(seed, 10) * 4)),
			     0);
	}
	for (uint32_t i = 0; i < edges; i++) {
		uint32_t kind = below(seed, 3) > 0 ? HEAP_PROPERTY : below(seed, HEAP_HALF + 1);

		graph->edges[i] = below(seed, nodes) | kind << HEAP_EDGE_SHIFT;
	}
}

Test(dominate, random_graphs_are_as_the_definition_says)
{
	for (unsigned round = 0; round < GRAPHS; round++) {
		unsigned seed = round;
		struct heap_dominators found;
		struct heap_graph graph;
		uint32_t wanted[NODES_MAX];
		uint64_t *retained, inner = 0;

		make(&graph, &seed);
		if (round % 2 == 0)
			inner = (uint64_t)rand_r(&seed);
		struct naive naive = { .graph = &graph, .inner = &inner };
		find_orphans(&naive);
		dominators_of(&naive, wanted);
		cr_assert_eq(heap_dominators_init(&found, &graph, inner != 0 ? &inner : NULL), 0);
		retained = heap_retained(&graph, &found);
		cr_assert_not_null(retained);
		for (uint32_t node = 0; node < graph.nodes; node++) {
			cr_assert_eq(found.dominator[node], wanted[node],
				     "graph %u, node %u: %u, not %u", round, node,
				     found.dominator[node], wanted[node]);
			cr_assert_eq(retained[node], retained_by(&graph, wanted, node),
				     "graph %u, node %u", round, node);
		}
		heap_free(retained, graph.nodes, sizeof(*retained));
		heap_dominators_fini(&found);
		heap_graph_fini(&graph);
	}
}

/* Nothing recurses on it, and nothing takes a way of its length more than a few times. */
Test(dominate, a_chain_of_two_millions_that_refers_back_is_gone_through)
{
	struct heap_graph graph = { .root = 0 };
	struct heap_dominators found;

	cr_assert_eq(heap_graph_init(&graph, CHAIN, 2 * CHAIN), 0);
	for (uint32_t node = 0; node < CHAIN; node++) {
		graph.edge_first[node + 1] = 2 * (node + 1);
		graph.edges[2 * node] = node + 1 < CHAIN ? node + 1 : 0;
		graph.edges[2 * node + 1] = node / 2;
	}
	cr_assert_eq(heap_dominators_init(&found, &graph, NULL), 0);
	for (uint32_t node = 1; node < CHAIN; node++)
		cr_assert_eq(found.dominator[node], node - 1);
	heap_dominators_fini(&found);
	heap_graph_fini(&graph);
}
