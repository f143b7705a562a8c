#pragma once

/*
 * How much of a process's memory a snapshot explains, by the manifest beside the capture: what the
 * kernel had resident for it right before, and what the engine said its heap was.
 */

#include <stdbool.h>
#include <stdint.h>
#include "ctl/options.h"
#include "heap/analysis.h"

struct buf;
struct json_writer;

struct memory_share {
	bool known; /* false: no manifest, or none that has it */
	uint64_t resident, heap_used; /* bytes; 0: not told */
};

/* Of the first argument. */
struct memory_share memory_share_of(const struct ctl_options *options);

void memory_share_put(struct buf *buf, const struct memory_share *share,
		      const struct heap_analysis *analysis); /* a line */
void memory_share_json(struct json_writer *w, const struct memory_share *share,
		       const struct heap_analysis *analysis); /* member "memory" */
