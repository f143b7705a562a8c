#pragma once

/*
 * Objects that hold many: maps, sets, arrays, and objects used as maps, by how many entries the
 * snapshot shows. What it has no reference for, such as numbers, is not counted.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/classes.h"
#include "heap/graph.h"

enum { HEAP_COLLECTION_MIN = 50 }; /* entries: fewer are none */

struct heap_collection {
	uint64_t id;
	uint64_t entries;
	uint64_t retained; /* bytes; 0 when not asked for */
	uint32_t node, class;
};

struct heap_collections {
	struct heap_collection *items; /* owned: most retained bytes, then most entries first */
	size_t n, capacity;
};

/* retained: by node, or NULL. 0, -ENOMEM; fini in any case. */
int heap_collections_find(struct heap_collections *ret, const struct heap_graph *graph,
			  const struct heap_classes *classes, const uint64_t *retained);

/* Only those of the classes of this name. */
void heap_collections_keep(struct heap_collections *collections, const struct heap_classes *classes,
			   const char *name);
void heap_collections_fini(struct heap_collections *collections); /* zeroed is fine */

/* One that has more entries than it had, be they few; those that were not there are none. */
struct heap_collection_growth {
	const struct heap_collection *now; /* borrowed */
	uint64_t before; /* entries */
};

/* What both take to find the collections of a snapshot and how they grew. */
extern const struct heap_after heap_collections_after;

/*
 * of: by node of the snapshot of now, its node in the base; UINT32_MAX: it was not there. As
 * heap_collections_grown() else.
 */
int heap_collections_grown_by(const struct heap_graph *base, const struct heap_collections *now,
			      const uint32_t *of, struct heap_collection_growth **ret,
			      size_t *ret_n);

/* By id; most entries more first. free(*ret). base has its edges still. 0, -ENOMEM. */
int heap_collections_grown(const struct heap_graph *base, const struct heap_collections *now,
			   struct heap_collection_growth **ret, size_t *ret_n);
