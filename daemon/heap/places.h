#pragma once

/*
 * Where functions and classes are in a program's sources: by the script of a snapshot's place, its
 * URL from the snapshot itself or from the list beside it, and its source map.
 */

#include "heap/analysis.h"
#include "heap/scripts.h"

struct buf;
struct source_map;

struct places {
	struct scripts scripts; /* owned */
	/* The source map of the script at this URL, whose own word for it may be NULL; NULL: there
	 * is none. May be NULL: there are none. */
	const struct source_map *(*find_map)(void *owner, const char *url, const char *map_url);
	void *owner;
};

void places_fini(struct places *places); /* zeroed is fine */

/* "src/app.ts:12" appended; nothing when the place is not known. */
void places_put(struct buf *buf, struct places *places, const struct heap_graph *graph,
		uint32_t node);

/* The same of a place, from 0, in the script of this URL, by whose number its map is known. */
void places_put_at(struct buf *buf, struct places *places, const char *url,
		   const struct heap_place *place);

/* The same of a class, whose key has it. */
void places_put_class(struct buf *buf, struct places *places, const struct heap_graph *graph,
		      const struct heap_class *class);

/* The name in the source of what is defined at the node's place; nothing without a map that tells.
 */
void places_put_name(struct buf *buf, struct places *places, const struct heap_graph *graph,
		     uint32_t node);
