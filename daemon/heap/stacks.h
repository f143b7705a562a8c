#pragma once

/*
 * Where objects were allocated
 *
 * A tree of calls, and by node the call that allocated it: in V8's timelines with stacks, and in
 * Gecko's snapshots that were taken while allocations were recorded. It is read when it is asked
 * for, from the file itself: graphs of files without, and commands that do not ask, pay nothing.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/graph.h"

struct err;
struct v8_text;

enum {
	HEAP_CALLS_MAX = 1 << 24, /* also of functions */
	HEAP_NO_CALL = UINT32_MAX,
};

struct heap_function {
	uint32_t name, source; /* strings; source: the URL of its script, "" where it has none */
	uint32_t script; /* of its engine; 0: not told */
	uint32_t line, column; /* from 1; 0: not told */
};

struct heap_call {
	uint32_t parent; /* an earlier one; HEAP_NO_CALL: it is the first */
	uint32_t function;
	uint32_t line, column; /* where it was when it called or allocated, from 1; 0: not told */
	uint32_t id; /* of its file, not 0; each once */
	uint64_t count, bytes; /* that it allocated itself, be they gone or not */
	uint64_t live, live_bytes; /* of these in the snapshot */
};

struct heap_stacks {
	struct heap_function *functions; /* owned */
	struct heap_call *calls; /* owned */
	uint32_t functions_n, functions_capacity, calls_n, calls_capacity;
	uint32_t *of; /* owned: by node, the call + 1; 0: not known. NULL: the file has no stacks */
	uint32_t nodes;
	uint64_t traced; /* nodes whose call is known */
	bool live_only; /* what is gone is not told: count and bytes are those in the snapshot */
	const struct heap_strings *strings; /* borrowed: the graph's, or `made` */
	struct heap_strings made; /* owned */
	uint64_t memory_max; /* bytes for all of it; 0: no limit */
};

/*
 * Those of the graph, which was loaded from this text and has its nodes and strings; all of it
 * lives as long, and ret stays where it is. 0, also when there are none; -EBADMSG, -ENODATA:
 * damaged, with the place in err; -EFBIG: more than memory_max; -EOVERFLOW: more calls than can be
 * read; -ENOMEM. fini in any case.
 */
int heap_stacks_read(struct heap_stacks *ret, const struct heap_graph *graph,
		     const struct v8_text *text, uint64_t memory_max, struct err *err);
void heap_stacks_fini(struct heap_stacks *stacks); /* zeroed is fine */

/* The call that allocated the node; HEAP_NO_CALL: not known. */
static inline uint32_t heap_stacks_of(const struct heap_stacks *stacks, uint32_t node)
{
	return stacks->of != NULL ? stacks->of[node] - 1 : HEAP_NO_CALL;
}

/* What a function allocated itself, in all its calls. */
struct heap_allocation {
	uint32_t function;
	uint64_t count, bytes, live, live_bytes;
};

/* Most bytes first, those that allocated nothing left out; free() it. 0, -ENOMEM. */
int heap_stacks_sum(const struct heap_stacks *stacks, struct heap_allocation **ret,
		    uint32_t *ret_n);

/* ---- for those who read them ---- */

/* 0; -ENOMEM, -EFBIG, -EOVERFLOW, with err set. */
int heap_stacks_add_function(struct heap_stacks *stacks, const struct heap_function *function,
			     struct err *err);
int heap_stacks_add_call(struct heap_stacks *stacks, const struct heap_call *call, struct err *err);

/* The column by node. 0, -ENOMEM, -EFBIG; err is set. */
int heap_stacks_make_column(struct heap_stacks *stacks, uint32_t nodes, struct err *err);

/* Whether so many bytes more may be taken. 0; -EFBIG, with err set. */
int heap_stacks_check(const struct heap_stacks *stacks, uint64_t bytes, struct err *err);
