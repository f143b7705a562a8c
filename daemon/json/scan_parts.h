#pragma once

/*
 * What the three files of the scanner share: scan.c holds the grammar, scan_string.c and
 * scan_number.c the two scalars that are worth code of their own. Not for anybody else.
 */

#include "json/scan.h"

enum json_scan_state {
	SCAN_VALUE,
	SCAN_VALUE_OR_END, /* after '[' */
	SCAN_KEY,
	SCAN_KEY_OR_END, /* after '{' */
	SCAN_COLON,
	SCAN_AFTER_VALUE,
	SCAN_DONE,
	SCAN_LITERAL,
	SCAN_NUMBER, /* its text so far is in the buffer */
	/* inside a string; these stay last */
	SCAN_STRING,
	SCAN_ESCAPE, /* after a backslash */
	SCAN_HEX, /* inside \uXXXX */
};

/* One feed. On failure `at` stands on the byte to blame. */
struct json_input {
	const char *data;
	size_t at, size;
};

static inline int json_emit(struct json_scan *scan, enum json_event_kind kind, const char *text,
			    size_t size)
{
	struct json_event event = {
		.kind = kind,
		.depth = scan->depth,
		.text = text,
		.size = size,
	};

	return scan->fn(scan->owner, &event);
}

static inline bool json_in_object(const struct json_scan *scan)
{
	unsigned level = scan->depth - 1U;

	return scan->depth > 0 && (scan->objects[level / 64] >> (level % 64) & 1) != 0;
}

static inline void json_value_done(struct json_scan *scan)
{
	scan->state = scan->depth > 0 ? SCAN_AFTER_VALUE : SCAN_DONE;
}

/* Go on inside a string (states STRING, ESCAPE, HEX) until it or the input ends. */
int json_scan_string(struct json_scan *scan, struct json_input *in);

/* A number begins at in->at. */
int json_scan_number_begin(struct json_scan *scan, struct json_input *in);

/* Go on inside a number (state NUMBER) until it or the input ends. */
int json_scan_number(struct json_scan *scan, struct json_input *in);

/* The document ends inside a number, which may be the end of that as well. */
int json_scan_number_end(struct json_scan *scan);
