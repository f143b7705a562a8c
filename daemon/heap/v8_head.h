#pragma once

/*
 * The head of a V8 heap snapshot: `"snapshot":{"meta":{...},"node_count":...}`. It tells by name
 * what the columns of the arrays are and what their types are called, both of which differ from
 * version to version (V8: src/profiler/heap-snapshot-generator.cc).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"

struct err;
struct v8_walk;

enum { V8_FIELDS_MAX = 16, V8_NO_FIELD = V8_FIELDS_MAX };

/* Which number of a row it is; V8_NO_FIELD: none. */
struct v8_node_fields {
	unsigned n;
	unsigned type, name, id, self_size, edge_count, detachedness;
	unsigned call; /* by its id: where it was allocated */
};

struct v8_edge_fields {
	unsigned n;
	unsigned type, name, to;
};

struct v8_location_fields {
	unsigned n; /* 0: the file has none */
	unsigned object, script, line, column;
	unsigned script_object; /* since V8 15 */
};

/* Of three arrays, since V8 15. */
struct v8_scope_fields {
	unsigned n; /* 0: the file has none */
	unsigned script, id, depth, variables, uses;
	unsigned variable_n, name;
	unsigned use_n, declaring, slot;
};

/* Of the functions and the tree of their calls, in a timeline with stacks. */
struct v8_trace_fields {
	unsigned n; /* 0: the file has none */
	unsigned name, script_name, script, line, column;
	unsigned call_n, id, function, count, size;
};

struct v8_head {
	struct v8_node_fields node;
	struct v8_edge_fields edge;
	struct v8_location_fields location;
	struct v8_scope_fields scope;
	struct v8_trace_fields trace;
	uint8_t node_types[HEAP_TYPES_MAX]; /* of the file to ours */
	uint8_t edge_kinds[HEAP_TYPES_MAX];
	unsigned node_types_n, edge_kinds_n;
	char type_names[HEAP_TYPES_MAX][HEAP_TYPE_NAME_MAX]; /* by ours */
	uint64_t nodes, edges, root; /* root: a node */
	uint64_t extra_native_bytes;
};

/*
 * The head, walk standing before its object, and behind it then. 0; -EBADMSG, -ENODATA: err names
 * the place.
 */
int v8_head_read(struct v8_head *ret, struct v8_walk *walk, struct err *err);
