#pragma once

/*
 * The scopes of the program's sources, as V8 15 writes them into a heap snapshot: which variables
 * of each are kept in contexts, and which scopes use them (V8: src/profiler/
 * heap-snapshot-generator.cc; read as Chrome DevTools does, ContextAnalyzer.ts).
 */

#include <stdint.h>
#include "heap/alloc.h"

struct err;
struct v8_text;

enum { V8_NO_SCOPE = -1 };

struct v8_scope {
	uint32_t script; /* a node */
	uint32_t id; /* 32 bits, of this script */
	int64_t parent; /* an earlier one; V8_NO_SCOPE: none */
	uint32_t first, variables; /* in names */
};

struct v8_use {
	uint32_t variable, scope;
};

struct v8_scopes {
	struct v8_scope *items; /* owned */
	uint32_t n;
	struct heap_stack names; /* owned: strings, by variable */
	struct v8_use *uses; /* owned: by variable */
	uint32_t uses_n, uses_capacity;
	uint32_t *by_id; /* owned: scopes by script and id */
};

/*
 * n is 0 when the snapshot has none. memory_max: bytes that they may take while they are read; 0:
 * no limit. 0; -ENOMEM; -EFBIG: more than that; -EBADMSG, -ENODATA: damaged, with the place in err.
 * fini in any case.
 */
int v8_scopes_read(struct v8_scopes *ret, const struct v8_text *text, uint64_t memory_max,
		   struct err *err);
void v8_scopes_fini(struct v8_scopes *scopes); /* zeroed is fine */

/* Bytes of memory that they take. */
uint64_t v8_scopes_taken(const struct v8_scopes *scopes);

/* V8_NO_SCOPE: there is none. */
int64_t v8_scopes_find(const struct v8_scopes *scopes, uint32_t script, uint32_t id);
