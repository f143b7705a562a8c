#pragma once

/*
 * V8's heap snapshot (.heapsnapshot) to a graph: Node, Deno, workerd, Chromium, and Bun in that
 * form. Fields and types go by their names, sections by theirs, in the order V8 writes them: the
 * head first, the strings last.
 */

#include "heap/graph.h"
#include "heap/progress.h"
#include "heap/v8_array.h"

struct err;

struct heap_load_options {
	unsigned threads; /* 1 or 2 */
	uint64_t memory_max; /* bytes; 0: no limit */
	const struct heap_progress *progress; /* borrowed; or NULL */
	const struct heap_after *after; /* borrowed: of which memory_max is asked too; or NULL */
};

/*
 * text is borrowed for as long as the graph lives. 0; -EBADMSG: no V8 heap snapshot, or damaged;
 * -ENODATA: empty, or cut short; -EFBIG: it would take more than memory_max; -EOVERFLOW: it
 * has more nodes or edges than a graph can; -ENOMEM. err names section and byte. heap_graph_fini()
 * in any case.
 */
int heap_load_v8(struct heap_graph *ret, const struct v8_text *text,
		 const struct heap_load_options *options, struct err *err);
