#pragma once

/*
 * Variables that no function can use any more
 *
 * Functions that were made in one place share one context for their variables: what one of them
 * uses stays as long as any of the others. A variable of a context is dead when no function that
 * has this context above it uses it, nor could make one that does (as Chrome DevTools decides,
 * ContextAnalyzer.ts). Told by V8 15 only.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/analysis.h"

struct buf;
struct err;
struct v8_scopes;

enum heap_variables_why {
	HEAP_VARIABLES_KNOWN,
	HEAP_VARIABLES_NONE, /* the snapshot does not tell */
	HEAP_VARIABLES_REDACTED, /* the numbers of its scopes are gone */
};

/* A variable of one scope in all contexts where it is dead. */
struct heap_dead_variable {
	uint32_t scope_info, script; /* nodes */
	uint32_t name; /* a string */
	uint32_t contexts;
	uint64_t retained; /* bytes by its values, of which other objects may hold some too */
	uint64_t alone; /* bytes by those that nothing but the contexts holds */
	uint32_t example, value; /* nodes: the context with the largest value, and that */
};

struct heap_dead_variables {
	enum heap_variables_why why;
	struct heap_dead_variable *items; /* owned: most bytes alone first */
	size_t n, capacity;
};

/*
 * scopes: of this snapshot. memory_max: bytes that may be taken for it; 0: no limit. 0; -ENOMEM,
 * -EFBIG: more than that, with err set. fini in any case.
 */
int heap_dead_variables_find(struct heap_dead_variables *ret, const struct heap_analysis *analysis,
			     const struct v8_scopes *scopes, uint64_t memory_max, struct err *err);
void heap_dead_variables_fini(struct heap_dead_variables *dead); /* zeroed is fine */

/* To buf, which is empty: the URL of a script; nothing where the snapshot has none. */
void heap_dead_variable_script(const struct heap_graph *graph, uint32_t script, struct buf *buf);

/* Where its function begins, in characters of the script; UINT32_MAX: not told. */
uint32_t heap_dead_variable_start(const struct heap_graph *graph,
				  const struct heap_dead_variable *item);
