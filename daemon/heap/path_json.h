#pragma once

/* Why an object is there, for programs (docs/ANALYSIS.md). */

#include "heap/places.h"
#include "heap/retain.h"
#include "heap/retainers.h"

struct json_writer;

/* A member of this name: an array of steps. */
void path_put_json(struct json_writer *w, const struct heap_analysis *analysis,
		   struct places *places, const char *member, const struct heap_path *path);

/* A member `retainers`: who refers to whom, an array of rows. */
void retainers_put_json(struct json_writer *w, const struct heap_analysis *analysis,
			struct places *places, const struct heap_retainers *retainers);
