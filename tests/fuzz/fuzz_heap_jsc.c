/*
 * JSC heap snapshots of hostile bytes: they are read or refused with a reason, on one thread and on
 * two alike, and what was read can be analysed to the end. The root retains all there is. It can be
 * converted, and is read then.
 */

#include <stdint.h>

#include "heap/analysis.h"
#include "heap/save_v8.h"
#include "heap_sane.h"
#include "util/buf.h"
#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int gather(void *owner, const void *data, size_t size)
{
	return buf_append(owner, data, size);
}

/* What is written as V8's is that, with as many objects, of the same sizes. */
static void convert(const struct heap_analysis *analysis, const struct v8_text *source)
{
	struct heap_load_options options = { .threads = 1 };
	struct heap_graph graph;
	struct v8_text text;
	struct err err;
	struct buf buf;

	(void)source;
	buf_init(&buf, 1 << 30);
	must(heap_save_v8(&analysis->graph, NULL, gather, &buf) == 0);
	text = (struct v8_text){ .data = buf.data, .size = buf.size };
	must(heap_load(&graph, &text, &options, &err) == 0);
	must(graph.nodes == analysis->graph.nodes && graph.edges_n == analysis->graph.edges_n);
	for (uint32_t node = 0; node < graph.nodes; node++)
		must(heap_size(&graph, node) == heap_size(&analysis->graph, node));
	heap_graph_fini(&graph);
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_sane_bytes(data, size, convert);
	return 0;
}
