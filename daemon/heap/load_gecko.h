#pragma once

/*
 * Gecko's heap snapshots (Firefox; .fxsnapshot, without its gzip) to a graph as V8 would have
 * written it. Gecko's ids are addresses: they are kept, and as a 32-bit id, which other tools need,
 * a node has its place in the file.
 */

#include "heap/load_v8.h"

/* As heap_load_v8(); nothing of the text is kept. */
int heap_load_gecko(struct heap_graph *ret, const struct v8_text *text,
		    const struct heap_load_options *options, struct err *err);
