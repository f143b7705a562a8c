#pragma once

/*
 * Where functions and classes are in a program's sources: by the script of a snapshot's place, its
 * URL from the snapshot itself or from the list beside it, and its source map.
 */

#include "ctl/scripts.h"
#include "ctl/source_maps.h"
#include "heap/analysis.h"

struct buf;

struct places {
	struct scripts scripts;
	struct source_maps maps;
};

/* For the snapshot at this path. CTL_OK, or CTL_FAILURE with the reason; fini in any case. */
int places_open(struct places *ret, const char *snapshot, const struct ctl_options *options,
		struct err *err);
void places_fini(struct places *places); /* zeroed is fine */

/* "src/app.ts:12" appended; nothing when the place is not known. */
void places_put(struct buf *buf, struct places *places, const struct heap_graph *graph,
		uint32_t node);

/* The same of a class, whose key has it. */
void places_put_class(struct buf *buf, struct places *places, const struct heap_graph *graph,
		      const struct heap_class *class);

/* The name in the source of what is defined at the node's place; nothing without a map that tells.
 */
void places_put_name(struct buf *buf, struct places *places, const struct heap_graph *graph,
		     uint32_t node);
