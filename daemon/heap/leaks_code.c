/*
 * What functions are written as
 *
 * JSC links code anew when it has thrown it away, from what is not linked.
 */

#include "heap/leaks_code.h"

#include <stdbool.h>

#include "heap/graph.h"

static const char unlinked[] = "UnlinkedFunctionExecutable";

/* name: NULL: any. UINT32_MAX: none. */
static uint32_t code_below(const struct heap_graph *graph, uint32_t node, const char *name)
{
	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_edge_kind(graph->edges[i]) == HEAP_INTERNAL &&
		    graph->type[to] == HEAP_CODE &&
		    (name == NULL || heap_string_is(&graph->strings, graph->name[to], name)))
			return to;
	}
	return UINT32_MAX;
}

uint32_t leaks_code_of(const struct heap_graph *graph, uint32_t node)
{
	uint32_t code, lasting;

	if (!graph->foreign || graph->type[node] != HEAP_CLOSURE)
		return UINT32_MAX;
	code = code_below(graph, node, NULL);
	lasting = code != UINT32_MAX ? code_below(graph, code, unlinked) : UINT32_MAX;
	return lasting != UINT32_MAX ? lasting : code;
}
