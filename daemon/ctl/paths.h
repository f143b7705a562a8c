#pragma once

/* Why an object is there, for people and for programs (docs/ANALYSIS.md). */

#include "heap/retain.h"

struct buf;
struct json_writer;

/* "Map @4711, 2.3 MiB" */
void step_put_node(struct buf *buf, const struct heap_analysis *analysis, uint32_t node);

/* A line per step but the first, each deeper. */
void path_put(struct buf *buf, const struct heap_analysis *analysis, const struct heap_path *path);

/* A member of this name: an array of steps. */
void path_put_json(struct json_writer *w, const struct heap_analysis *analysis, const char *member,
		   const struct heap_path *path);
