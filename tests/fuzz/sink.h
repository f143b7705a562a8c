#pragma once

/* The end of a pipeline under fuzz: takes all that a stage makes of an input, cut into pieces. */

#include <stdbool.h>
#include <stddef.h>

#include "pipeline/stage.h"
#include "util/buf.h"

struct sink {
	struct stage stage; /* first */
	struct buf out; /* owned */
};

/* The input is a finding if it does not hold. */
void must(bool holds);

void sink_init(struct sink *sink);
void sink_fini(struct sink *sink);

/*
 * Puts the data through a stage whose next is the sink, in pieces of `step` bytes, and frees the
 * stage. 0, -EBADMSG; anything else is a finding.
 */
int sink_run(struct stage *stage, const void *data, size_t size, size_t step);

/* Have both got the same? */
bool sink_same(const struct sink *a, const struct sink *b);
