#pragma once

/* Why an object is there, for people and for programs (docs/ANALYSIS.md). */

#include "ctl/places.h"
#include "heap/retain.h"
#include "heap/retainers.h"

struct buf;
struct json_writer;

/*
 * "Map @4711, 2.3 MiB"; a function with its name, what has a place with that, a context with its
 * first variables.
 */
void step_put_node(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   uint32_t node);

/* A line per step but the first, each deeper. */
void path_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
	      const struct heap_path *path);

/* A member of this name: an array of steps. */
void path_put_json(struct json_writer *w, const struct heap_analysis *analysis,
		   struct places *places, const char *member, const struct heap_path *path);

/* Who refers to whom: a line each, the deeper the farther away; an array of rows. */
void retainers_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   const struct heap_retainers *retainers);
void retainers_put_json(struct json_writer *w, const struct heap_analysis *analysis,
			struct places *places, const struct heap_retainers *retainers);
