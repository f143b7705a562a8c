#pragma once

/* The metrics of one target: what each value is called, and where it comes from. */

#include <stdbool.h>
#include <stdint.h>
#include "otlp/encode.h"

struct isolate;
struct otlp_writer;
struct target;

/* Some of the isolates of a target. Borrowed. */
struct otlp_part {
	const struct target *target;
	const struct isolate *isolates[OTLP_ISOLATES];
	uint32_t isolates_n;
	bool is_first; /* what is of the target itself belongs here */
};

void otlp_write_target(struct otlp_writer *w, const struct otlp_part *part, int64_t wall_ms);
