#pragma once

/*
 * One step of a path by which heap/match_paths.c finds an object again: a number over texts that do
 * not change from one snapshot to the next, the class of the object, what it is called (functions,
 * the engine's own), and the reference that leads to it: from its dominator, else the last of a
 * shortest path.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/match.h"

enum { MATCH_MOMENTARY = 5 }; /* names of V8's roots for what runs */

struct match_steps {
	const struct heap_side *side; /* borrowed */
	uint64_t *classes; /* owned: by class */
	uint32_t context, momentary[MATCH_MOMENTARY]; /* strings; UINT32_MAX: there is none */
	uint32_t object, prototype; /* the same: "Object", "__proto__" */
};

/* 0, -ENOMEM; fini in any case. */
int match_steps_init(struct match_steps *ret, const struct heap_side *side);
void match_steps_fini(struct match_steps *steps); /* zeroed is fine */

/* An object that has no class but its shape. */
bool match_is_plain(const struct match_steps *steps, uint32_t node);

/* One of which there are others with the same properties. */
bool match_is_shaped(const struct match_steps *steps, uint32_t node);

/* Of its class. A plain object's shape is no lasting name: what was null has no place in it. */
uint64_t match_class(const struct match_steps *steps, uint32_t node);

/* The same with the shape. */
uint64_t match_shape(const struct match_steps *steps, uint32_t node);

/* What it is, without where it is found. */
uint64_t match_what(const struct match_steps *steps, uint32_t node);
uint64_t match_step(const struct match_steps *steps, uint32_t node);

/* Of a reference. Places in tables move: of what is numbered only that it is. */
uint64_t match_edge(const struct heap_graph *graph, uint32_t edge);

/* The names of a context's variables, in no order; 0 where there are none. */
uint64_t match_variables(const struct heap_graph *graph, uint32_t node);

/* Its shortest path begins at what runs: one that the next snapshot will hardly have. */
bool match_is_brief(const struct match_steps *steps, uint32_t node);
