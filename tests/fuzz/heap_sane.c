/* Heaps that were read of hostile bytes, looked at. */

#include "heap_sane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/analysis.h"
#include "heap/stacks.h"
#include "util/err.h"

void must(bool holds)
{
	if (!holds)
		abort();
}

void heap_sane_reason(int r, const struct err *err)
{
	bool damaged = r == -EBADMSG || r == -ENODATA;

	must(r == 0 || (err->text[0] != '\0' && r != -ENOMEM));
	must(!damaged ||
	     (strstr(err->text, "byte ") != NULL &&
	      (strstr(err->text, "section") != NULL || strstr(err->text, "node") != NULL)));
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

static int read_on(unsigned threads, const char *data, size_t size, heap_look_fn *look,
		   struct heap_digest *ret)
{
	struct v8_text text = { .data = data, .size = size };
	struct heap_load_options options = { .threads = threads, .memory_max = 64 << 20 };
	struct heap_analysis analysis;
	struct err err = { .text = "" };
	int r = heap_analyse(&analysis, &text, &options, &err);

	if (r == 0) {
		heap_sane(&analysis);
		look(&analysis, &text);
		*ret = heap_digest(&analysis.graph, &analysis.dominators, analysis.retained,
				   analysis.distances);
	}
	heap_sane_reason(r, &err);
	heap_analysis_fini(&analysis);
	return r;
}

/* Of a copy, which ends where the bytes end. */
void heap_sane_bytes(const uint8_t *data, size_t size, heap_look_fn *look)
{
	struct heap_digest one = { 0, 0 }, two = { 0, 0 };
	char *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	memcpy(copy, data, size);
	must((read_on(1, copy, size, look, &one) == 0) ==
	     (read_on(2, copy, size, look, &two) == 0));
	must(one.id_retained == two.id_retained && one.dom_distance == two.dom_distance);
	free(copy);
}
