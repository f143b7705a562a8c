#pragma once

/* What `analyze` says of a snapshot besides its classes. */

#include "heap/analysis.h"
#include "heap/collections.h"
#include "heap/dead_variables.h"
#include "heap/duplicates.h"

struct err;
struct json_writer;
struct v8_scopes;

/* DOM nodes that are in no document any more, and why nothing may be known of them. */
struct heap_detached {
	bool told; /* false: this engine does not tell */
	uint64_t count, self; /* bytes */
	uint64_t retained; /* bytes that go with all of them; each counts once */
};

struct heap_extras {
	struct heap_duplicates duplicates;
	struct heap_collections collections;
	struct heap_detached detached;
	struct heap_dead_variables variables;
};

extern const struct heap_after heap_extras_after;

/*
 * scopes: of the same snapshot. memory_max: bytes for what is found and for the search for dead
 * variables, which alone may need more than heap_extras_after says; 0: no limit. 0; -ENOMEM,
 * -EFBIG: more than that, with err set. fini in any case.
 */
int heap_extras_init(struct heap_extras *ret, const struct heap_analysis *analysis,
		     const struct v8_scopes *scopes, uint64_t memory_max, struct err *err);
void heap_extras_fini(struct heap_extras *extras); /* zeroed is fine */

/*
 * Members "strings", "collections", "detached" and "variables" (docs/ANALYSIS.md); top: so many
 * rows, 0: all.
 */
void heap_extras_json(struct json_writer *w, const struct heap_extras *extras,
		      const struct heap_analysis *analysis, uint64_t top);
