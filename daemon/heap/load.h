#pragma once

/* A heap snapshot of any engine to a graph; what it is of is known by how it begins. */

#include "heap/load_v8.h"

enum heap_format { HEAP_FORMAT_V8, HEAP_FORMAT_JSC, HEAP_FORMAT_GECKO };

/* V8 also for what is none: its loader says so. */
enum heap_format heap_format_of(const struct v8_text *text);

/* As heap_load_v8(). */
int heap_load(struct heap_graph *ret, const struct v8_text *text,
	      const struct heap_load_options *options, struct err *err);

/*
 * Where a snapshot breaks off of which only this part could be unpacked, and why: -EBADMSG with
 * section (or node) and byte of the part in err, before the reason. One that is larger than
 * options->memory_max has but its last byte told.
 */
int heap_load_part(const struct v8_text *part, const struct heap_load_options *options,
		   const char *why, struct err *err);
