#pragma once

/*
 * Diagnostics: what is known of a target without asking it anything, as one JSON document of a few
 * kilobytes: versions, heap statistics, spaces and recent samples of every isolate, its process and
 * control group, its command line without secrets, the cause.
 */

#include "capture/capture.h"

struct buf;

enum { DIAGNOSTICS_BYTES_MAX = 1 << 20 };

struct diagnostics_context {
	const char *capture_id; /* the snapshot they precede; NULL: none */
	const char *refusal; /* why there is no snapshot; NULL: there is, or none was asked for */
	const char *version; /* of the daemon; NULL: unknown */
};

/* buf->error. */
int diagnostics_write(const struct target *target, const struct manifest *manifest,
		      const struct diagnostics_context *context, struct buf *buf);
