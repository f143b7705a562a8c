/* Heaps that were read of hostile bytes, looked at. */

#include "heap_sane.h"

#include <stdint.h>
#include <stdlib.h>

#include "heap/analysis.h"
#include "heap/stacks.h"

void must(bool holds)
{
	if (!holds)
		abort();
}

void heap_sane(const struct heap_analysis *analysis)
{
	const struct heap_graph *graph = &analysis->graph;
	uint64_t sum = 0;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		must(analysis->dominators.dominator[node] < graph->nodes);
		must(analysis->classes.of[node] < analysis->classes.n);
		sum += heap_size(graph, node);
	}
	must(analysis->retained[graph->root] == sum);
}

void heap_sane_stacks(const struct heap_stacks *stacks, const struct heap_graph *graph)
{
	struct heap_allocation *sums;
	uint64_t live = 0;
	uint32_t n;

	for (uint32_t i = 0; i < stacks->calls_n; i++) {
		must(stacks->calls[i].parent < i || stacks->calls[i].parent == HEAP_NO_CALL);
		must(stacks->calls[i].function < stacks->functions_n);
	}
	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint32_t call = heap_stacks_of(stacks, node);

		must(call < stacks->calls_n || call == HEAP_NO_CALL);
	}
	must(heap_stacks_sum(stacks, &sums, &n) == 0);
	for (uint32_t i = 0; i < n; i++)
		live += sums[i].live;
	must(live == stacks->traced);
	free(sums);
}
