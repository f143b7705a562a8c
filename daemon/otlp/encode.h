#pragma once

/*
 * ExportMetricsServiceRequest, as JSON: what is known of the targets now, a part of them at a time,
 * so that a body has a bounded size whatever there is to tell. Pure: no I/O, no clock.
 */

#include <stdint.h>

struct buf;
struct item_list;
struct target;
struct targets;

/* Of all that is written. Borrowed. */
struct otlp_frame {
	const char *version; /* of the daemon */
	const char *host; /* it runs on */
	const struct item_list *attributes; /* struct otlp_attribute_settings; of each resource */
	int64_t wall_ms; /* now */
};

/* How far one is in the list of targets: with ids, for it may change on the way. */
struct otlp_cursor {
	uint64_t target_id; /* this one and those after it are to come */
	uint32_t isolates; /* of it are done */
};

enum {
	/* Nothing is added to a body that has as many bytes. */
	OTLP_BODY_BYTES = 512 << 10,
	/* What is added at once, a target with so many of its isolates, is far below the rest. */
	OTLP_BODY_BYTES_MAX = 4 << 20,
	OTLP_ISOLATES = 16,
	OTLP_E_END = 1, /* there is nothing more */
};

/*
 * The next body, from the cursor on, which moves behind it; *ret_points are in it. 0; OTLP_E_END,
 * and the body is empty; -ENOMEM, -E2BIG, with the cursor moved too.
 */
int otlp_encode(struct buf *body, const struct targets *targets, const struct otlp_frame *frame,
		struct otlp_cursor *cursor, uint64_t *ret_points);
