/*
 * Where functions come from
 *
 * Upwards from the code, through what refers to it and is code or a function itself, a level at a
 * time, until there is a function of other code that has a name. Gecko's code refers to a function
 * of the inner code, so that the way leads through those, too.
 */

#include "heap/leaks_made.h"

#include <errno.h>
#include <stdbool.h>

#include "heap/alloc.h"
#include "heap/analysis.h"
#include "heap/leaks_code.h"

enum { LEVELS_MAX = 8 };

struct climb {
	const struct heap_graph *graph;
	uint32_t code; /* of the function itself */
	uint64_t *seen, *found; /* owned: bits by node; found: functions of other code */
	struct heap_stack level;
	bool any; /* is found */
};

/* A function by what it runs, code by all that it has. */
static bool refers_to_seen(const struct climb *climb, uint32_t node)
{
	const struct heap_graph *graph = climb->graph;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_edge_kind(graph->edges[i]) == HEAP_INTERNAL && heap_bit(climb->seen, to) &&
		    (graph->type[node] == HEAP_CODE || graph->type[to] == HEAP_CODE))
			return true;
	}
	return false;
}

static int climb_one(struct climb *climb)
{
	const struct heap_graph *graph = climb->graph;
	int r = 0;

	climb->level.n = 0;
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if ((graph->type[node] == HEAP_CODE || graph->type[node] == HEAP_CLOSURE) &&
		    !heap_bit(climb->seen, node) && refers_to_seen(climb, node))
			r = heap_stack_push(&climb->level, node);
	}
	for (size_t i = 0; i < climb->level.n; i++) {
		uint32_t node = climb->level.items[i];

		heap_bit_set(climb->seen, node);
		if (graph->type[node] == HEAP_CLOSURE &&
		    leaks_code_of(graph, node) != climb->code) {
			heap_bit_set(climb->found, node);
			climb->any = true;
		}
	}
	return r;
}

/* Of the names of those that were found, the one nearest to a root. */
static uint32_t name_of_found(const struct climb *climb, const int32_t *distances)
{
	const struct heap_graph *graph = climb->graph;
	uint32_t ret = UINT32_MAX;
	int32_t nearest = INT32_MAX;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (distances[node] < 0 || distances[node] >= nearest)
			continue;
		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);

			if ((kind != HEAP_CONTEXT && kind != HEAP_PROPERTY) ||
			    !heap_bit(climb->found, heap_edge_to(graph->edges[i])))
				continue;
			nearest = distances[node];
			ret = i;
			break;
		}
	}
	return ret;
}

int leaks_made_in(const struct heap_analysis *analysis, uint32_t function, uint32_t *ret)
{
	const struct heap_graph *graph = &analysis->graph;
	struct climb climb = { .graph = graph, .code = leaks_code_of(graph, function) };
	int r = 0;

	*ret = UINT32_MAX;
	if (climb.code == UINT32_MAX)
		return 0;
	climb.seen = heap_bits_alloc(graph->nodes);
	climb.found = heap_bits_alloc(graph->nodes);
	if (climb.seen == NULL || climb.found == NULL)
		r = -ENOMEM;
	else
		heap_bit_set(climb.seen, climb.code);
	for (int i = 0; i < LEVELS_MAX && r == 0 && *ret == UINT32_MAX; i++) {
		r = climb_one(&climb);
		if (r == 0 && climb.any)
			*ret = name_of_found(&climb, analysis->distances);
		if (climb.level.n == 0)
			break;
	}
	heap_bits_free(climb.seen, graph->nodes);
	heap_bits_free(climb.found, graph->nodes);
	heap_stack_fini(&climb.level);
	return r;
}
