#pragma once

/*
 * A document written down as the scanner's events come: the same values in the same order, without
 * the space between them. Of a text that comes in pieces (json/scan.h) only the first is kept.
 */

#include "json/scan.h"

struct buf;

struct json_copy {
	struct buf *buf; /* borrowed; its sticky error is the copy's */
	size_t text_max; /* bytes of a text; longer ones are cut between characters */
	uint64_t filled[JSON_DEPTH_MAX / 64 + 1]; /* bit by depth: something stands there already */
	bool after_key, in_text;
};

void json_copy_init(struct json_copy *copy, struct buf *buf, size_t text_max);

/* 0 or the buffer's error. */
int json_copy_event(struct json_copy *copy, const struct json_event *event);
