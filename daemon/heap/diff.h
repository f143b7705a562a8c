#pragma once

/*
 * What two snapshots of one program differ in: by class, the objects that came and that went. An
 * object is the same when its id is, which is for the caller to know: agreement.h.
 */

#include <stdint.h>
#include "heap/classes.h"
#include "heap/graph.h"

/* One object of a snapshot. */
struct heap_member {
	uint64_t id, size;
};

/* The objects of a snapshot by class, so that the rest of it can go. */
struct heap_census {
	struct heap_member *members; /* owned: those of a class stand together, ids ascending */
	uint64_t *first; /* owned: by class, classes + 1 */
	uint64_t members_n;
};

/* 0, -ENOMEM; fini in any case. */
int heap_census_init(struct heap_census *ret, const struct heap_graph *graph,
		     const struct heap_classes *classes);
void heap_census_fini(struct heap_census *census); /* zeroed is fine */

struct heap_difference {
	const char *key, *name; /* borrowed of the classes */
	uint64_t added, removed;
	uint64_t added_bytes, removed_bytes;
	uint64_t count[2], bytes[2]; /* of all: in the base, now */
};

/*
 * A row per class in which something came or went; free() it. The classes of both are of the same
 * shapes, those of the current snapshot. 0, -ENOMEM.
 */
int heap_diff(const struct heap_classes *base_classes, const struct heap_census *base,
	      const struct heap_classes *classes, const struct heap_census *current,
	      struct heap_difference **ret, size_t *ret_n);
