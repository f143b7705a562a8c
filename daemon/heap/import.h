#pragma once

/*
 * Snapshots of other engines as V8 would have written them
 *
 * What their loaders share. Above the nodes of the file stand those that V8 has there and that
 * DevTools looks for: the root, "(GC roots)", below it one for each reason that the file gives for
 * a root. The root has a shortcut to each global object, from which distances are counted.
 *
 * A loader goes over its file more than once: ordinals and roots first, then the nodes and how many
 * edges each has, then the edges.
 */

#include <stdint.h>
#include "heap/alloc.h"
#include "heap/graph.h"
#include "heap/ids.h"
#include "heap/load_v8.h"
#include "heap/names.h"

struct err;

/* Types that V8 has besides those of heap_type. */
enum { IMPORT_SYMBOL = HEAP_TYPES, IMPORT_BIGINT, IMPORT_SHAPE };

enum { IMPORT_ROOT, IMPORT_GC_ROOTS, IMPORT_REASONS };

enum { IMPORT_REASONS_MAX = 255 };

struct import {
	struct heap_graph *graph; /* borrowed */
	struct err *err; /* borrowed */
	struct heap_names names;
	struct heap_ids ids; /* of the file, to rows of it: row 0 is its root */
	uint32_t rows, edges; /* of the file */
	struct heap_stack globals; /* rows */
	uint32_t reasons[IMPORT_REASONS_MAX], reasons_n; /* names */
	uint32_t *cursor; /* owned: by node, where its next edge goes */
};

/* 0, -ENOMEM, -EIO; fini in any case. */
int import_init(struct import *import, struct heap_graph *graph, struct err *err);
void import_fini(struct import *import);

/*
 * Whether so much may be loaded; text_cost: bytes of memory that its texts take. 0, -EFBIG,
 * -EOVERFLOW; err is set.
 */
int import_check(const struct import *import, uint64_t rows, uint64_t edges, uint64_t text_cost,
		 const struct heap_load_options *options);

/* Refuse what is too much, or make room for the ids. 0, -EFBIG, -EOVERFLOW, -ENOMEM,
 * -EIO; err is set. */
int import_begin(struct import *import, uint64_t rows, uint64_t edges, uint64_t text_cost,
		 const struct heap_load_options *options);

/* The node under which roots of this reason stand; "(GC roots)" itself when there are too many. */
uint32_t import_reason(struct import *import, uint32_t name);

/* The node of a row. */
uint32_t import_node(const struct import *import, uint32_t row);

/* Make the graph, when ids, globals and reasons are known. 0, -ENOMEM; err is set. */
int import_graph(struct import *import);

/* An edge is counted, and later put. Numbers are those of nodes. */
void import_count(struct import *import, uint32_t from);
int import_lay_out(struct import *import); /* between the two; 0, -ENOMEM; err is set */
void import_edge(struct import *import, uint32_t from, enum heap_edge_kind kind, uint32_t name,
		 uint32_t to);

/* The names to the graph, and what V8's rules make of it. 0, -ENOMEM; err is set. */
int import_end(struct import *import);

/* err says that there is no memory; returns -ENOMEM. */
int import_no_memory(const struct import *import);
