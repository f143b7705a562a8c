/*
 * Gecko heap snapshots of hostile bytes: they are read or refused with a reason, on one thread and
 * on two alike, and what was read can be analysed to the end. The root retains all there is. The
 * same of the stacks of its allocations, and of all of it when it was converted.
 */

#include <stdint.h>

#include "heap/analysis.h"
#include "heap/save_v8.h"
#include "heap/stacks.h"
#include "heap_sane.h"
#include "util/buf.h"
#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int gather(void *owner, const void *data, size_t size)
{
	return buf_append(owner, data, size);
}

/* What is written as V8's is that, with as many objects and calls. */
static void convert(const struct heap_analysis *analysis, const struct heap_stacks *stacks)
{
	struct heap_load_options options = { .threads = 1 };
	struct heap_stacks again;
	struct heap_graph graph;
	struct v8_text text;
	struct err err;
	struct buf buf;

	buf_init(&buf, 1 << 30);
	must(heap_save_v8(&analysis->graph, stacks, gather, &buf) == 0);
	text = (struct v8_text){ .data = buf.data, .size = buf.size };
	must(heap_load(&graph, &text, &options, &err) == 0);
	must(graph.nodes == analysis->graph.nodes && graph.edges_n == analysis->graph.edges_n);
	must(heap_stacks_read(&again, &graph, &text, 0, &err) == 0);
	must(again.traced == stacks->traced && again.calls_n == stacks->calls_n);
	heap_stacks_fini(&again);
	heap_graph_fini(&graph);
	buf_fini(&buf);
}

static void read_stacks(const struct heap_analysis *analysis, const struct v8_text *text)
{
	struct heap_stacks stacks;
	struct err err = { .text = "" };
	int r = heap_stacks_read(&stacks, &analysis->graph, text, 64 << 20, &err);

	heap_sane_reason(r, &err);
	if (r == 0) {
		heap_sane_stacks(&stacks, &analysis->graph);
		convert(analysis, &stacks);
	}
	heap_stacks_fini(&stacks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_sane_bytes(data, size, read_stacks);
	return 0;
}
