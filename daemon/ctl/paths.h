#pragma once

/* Why an object is there, for people. For programs: heap/path_json.h. */

#include "heap/places.h"
#include "heap/retain.h"
#include "heap/retainers.h"

struct buf;

/*
 * "Map @4711, 2.3 MiB"; a function with its name, what has a place with that, a context with its
 * first variables.
 */
void step_put_node(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   uint32_t node);

/* A line per step but the first, each deeper. */
void path_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
	      const struct heap_path *path);

/* Who refers to whom: a line each, the deeper the farther away. */
void retainers_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   const struct heap_retainers *retainers);
