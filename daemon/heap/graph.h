#pragma once

/*
 * Heap graph
 *
 * Objects and references of one snapshot in columns: an array per field, indexes in place of
 * pointers, so that a walk touches the bytes it needs and no others. A node is its ordinal in the
 * file; its references are edges[edge_first[node] .. edge_first[node + 1]). All of it is of the
 * snapshot's engine only as far as its loader filled it in; what computes on it knows columns.
 *
 * An edge is a 32-bit word: where it leads to in the low 29 bits, of what kind it is in the high
 * three.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/strings.h"

struct buf;

enum {
	HEAP_EDGE_SHIFT = 29,
	HEAP_NODES_MAX = (1 << HEAP_EDGE_SHIFT) - 1,
	HEAP_TYPES_MAX = 48,
	HEAP_TYPE_NAME_MAX = 32,
	/* Functions and classes a program has in its sources. What is of more is of no known one.
	 */
	HEAP_PLACES_MAX = 1 << 20,
};

/* By the names V8 gives them; those of other names are numbered after these. */
enum heap_type {
	HEAP_HIDDEN,
	HEAP_ARRAY,
	HEAP_STRING,
	HEAP_OBJECT,
	HEAP_CODE,
	HEAP_CLOSURE,
	HEAP_REGEXP,
	HEAP_NUMBER,
	HEAP_NATIVE,
	HEAP_SYNTHETIC,
	HEAP_CONS_STRING,
	HEAP_SLICED_STRING,
	HEAP_TYPES, /* as many have a meaning here */
};

enum heap_edge_kind {
	HEAP_CONTEXT,
	HEAP_ELEMENT, /* its name is a number, as is that of a hidden one */
	HEAP_PROPERTY,
	HEAP_INTERNAL,
	HEAP_EDGE_HIDDEN,
	HEAP_SHORTCUT,
	HEAP_WEAK,
	HEAP_HALF, /* internal, and the other of the two owners is the one that counts */
};

/* flags of a node */
enum {
	HEAP_ATTACHED = 1, /* of a DOM tree: reachable from its document */
	HEAP_DETACHED = 2,
	HEAP_RENAMED = 4, /* its name has "Detached " before it */
};

/* A size that does not fit its column, where UINT32_MAX stands. */
struct heap_wide {
	uint32_t node;
	uint64_t bytes;
};

struct heap_graph {
	uint32_t nodes, root;
	uint32_t edges_n;
	uint64_t extra_native_bytes; /* outside of the heap, of no object */
	char type_names[HEAP_TYPES_MAX][HEAP_TYPE_NAME_MAX]; /* by type */
	uint8_t *type;
	uint8_t *flags;
	uint32_t *name; /* of a string */
	uint32_t *id;
	uint64_t *id64; /* ids that do not fit the column above; NULL: all do */
	uint32_t *size; /* bytes; read it by heap_size() */
	uint32_t *place; /* in places, + 1: where its class, or the function itself, was defined;
			  * NULL: of no one known */
	uint32_t *edge_first; /* nodes + 1 */
	uint32_t *edges;
	uint32_t *edge_name; /* of a string, or a number */
	struct heap_strings strings;
	struct heap_wide *wide; /* owned: sorted by node */
	uint32_t wide_n;
	size_t wide_capacity;
	struct heap_place *places; /* owned: each once */
	uint32_t places_n, places_capacity;
	struct heap_script *scripts; /* owned: by id, where the snapshot has nodes of them */
	uint32_t scripts_n, scripts_capacity;
	uint64_t *ephemerons; /* bits by string: names of references from a key to its value;
			       * NULL where distances are known already */
	bool foreign; /* not of V8: no values of strings, nor which nodes are detached */
	bool addresses; /* ids are those: another object's when they are free */
	bool traced; /* the file tells where objects were allocated: heap/stacks.h */
	bool borrowed; /* none of it is its own: it is in an index */
};

/* Where a class is defined: from 0, as V8 counts. */
struct heap_place {
	uint32_t script, line, column;
};

/* A script that the snapshot has a node of. */
struct heap_script {
	uint32_t id;
	uint32_t node; /* while it is read; 0 of an index */
	char *url; /* owned; NULL: it has none */
};

/* Places at the most, of so many nodes. */
static inline uint32_t heap_places_max(uint64_t nodes)
{
	return nodes < HEAP_PLACES_MAX ? (uint32_t)nodes : HEAP_PLACES_MAX;
}

static inline uint32_t heap_edge_to(uint32_t edge)
{
	return edge & HEAP_NODES_MAX;
}

static inline enum heap_edge_kind heap_edge_kind(uint32_t edge)
{
	return (enum heap_edge_kind)(edge >> HEAP_EDGE_SHIFT);
}

/* The arrays for so many nodes and edges, zeroed. 0, -ENOMEM; fini in any case. */
int heap_graph_init(struct heap_graph *graph, uint32_t nodes, uint32_t edges);
void heap_graph_fini(struct heap_graph *graph); /* zeroed is fine */

/* Only what names and references take, when sizes and classes are all that is still wanted. */
void heap_graph_drop_edges(struct heap_graph *graph);

/* What is looked for when the analysis is there takes memory beside its results. */
struct heap_after {
	uint32_t node_bytes, edge_bytes; /* at the most, for each that there is */
};

/*
 * Memory in bytes at the most to analyse so many nodes and edges, without the file itself. after:
 * NULL: nothing.
 */
uint64_t heap_graph_cost(uint64_t nodes, uint64_t edges, const struct heap_after *after);

uint64_t heap_size_wide(const struct heap_graph *graph, uint32_t node);

/* Bytes of the node itself. */
static inline uint64_t heap_size(const struct heap_graph *graph, uint32_t node)
{
	uint32_t size = graph->size[node];

	return size != UINT32_MAX ? size : heap_size_wide(graph, node);
}

int heap_size_set(struct heap_graph *graph, uint32_t node, uint64_t bytes); /* 0, -ENOMEM */

/* The name of a node, with "Detached " where it is; of an edge. UTF-8. */
void heap_node_name(const struct heap_graph *graph, uint32_t node, struct buf *buf);
void heap_edge_name(const struct heap_graph *graph, uint32_t edge, struct buf *buf);

/* The edge has a text for a name, not a number. */
static inline bool heap_edge_named(uint32_t edge)
{
	enum heap_edge_kind kind = heap_edge_kind(edge);

	return kind != HEAP_ELEMENT && kind != HEAP_EDGE_HIDDEN;
}

/* By which the snapshot's own engine tells its objects apart. */
static inline uint64_t heap_id(const struct heap_graph *graph, uint32_t node)
{
	return graph->id64 != NULL ? graph->id64[node] : graph->id[node];
}

/* The node of this id, of its engine or else in the column of 32 bits; UINT32_MAX: none. Looks at
 * all. */
uint32_t heap_node_find(const struct heap_graph *graph, uint64_t id);

/* The URL of a script, as the snapshot has it, borrowed; NULL: it does not tell. */
const char *heap_script_url(const struct heap_graph *graph, uint32_t script);

/* The first reference between them that is not weak; UINT32_MAX: there is none. */
uint32_t heap_edge_between(const struct heap_graph *graph, uint32_t from, uint32_t to);

/* The node whose reference it is. */
uint32_t heap_edge_from(const struct heap_graph *graph, uint32_t edge);
