#pragma once

/*
 * JSC's heap snapshots (Bun, WebKitGTK, WPE, Safari; .jsc.json) of versions 2 and 3, Inspector and
 * GCDebugging, to a graph as V8 would have written it. An id is 2 id + 3, as V8's are odd and the
 * first ones are taken.
 */

#include "heap/load_v8.h"

/* As heap_load_v8(); nothing of the text is kept. */
int heap_load_jsc(struct heap_graph *ret, const struct v8_text *text,
		  const struct heap_load_options *options, struct err *err);
