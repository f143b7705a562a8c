#pragma once

/*
 * JSON scanner (RFC 8259)
 *
 * Push bytes in, get events out, in constant memory: depth is bounded, strings longer than the
 * buffer arrive in pieces. It never builds a tree; small documents use json/tree.h. This is what a
 * heap snapshot streams through, so strings are decoded block by block wherever nothing rare
 * stands in them, and arrays of integers have a loop of their own.
 *
 * Input may be cut anywhere, inside an escape or a number too: the events are the same, piece for
 * piece. Strings are delivered decoded to UTF-8; a lone surrogate becomes U+FFFD. Input must be
 * well-formed JSON; raw bytes above 0x7F inside strings pass through unchecked, so a piece may end
 * inside a character. Equal keys in one object are the reader's business.
 *
 * Some names below are also those of jansson.h: a file includes one of the two.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_event_kind {
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY, /* whole; a key longer than the buffer is -E2BIG */
	JSON_STRING_PART, /* the buffer is full; the last piece (maybe empty) is JSON_STRING */
	JSON_STRING,
	JSON_INTEGER, /* fits int64_t and has no fraction or exponent */
	JSON_REAL, /* text of any other number, also of integers that do not fit */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

struct json_event {
	enum json_event_kind kind;
	unsigned depth; /* open objects and arrays around it: 1 for members of the root object */
	const char *text; /* KEY, STRING, STRING_PART, REAL; only during the call; not terminated */
	size_t size;
	int64_t integer;
};

/* Return 0 to go on; anything else ends the scan and is returned by feed as is. */
typedef int json_event_fn(void *owner, const struct json_event *event);

/* V8's heap profiles have two levels per frame, and 128 frames if nobody asked for more. */
enum { JSON_DEPTH_MAX = 1024, JSON_BUFFER_MIN = 64 };

struct json_scan {
	json_event_fn *fn;
	void *owner;
	char *buffer; /* borrowed: strings and cut numbers gather here */
	size_t buffer_size, used;
	uint64_t offset; /* bytes consumed: where an error lies */

	/* private */
	uint64_t number_offset; /* where the number being read began */
	int error; /* sticky */
	uint8_t state;
	uint16_t depth;
	uint8_t literal, matched; /* which of true, false, null; how much of it was seen */
	uint8_t hex_n; /* digits of a \u escape seen; they stand in `hex` */
	uint16_t hex, surrogate; /* a high surrogate that waits for its low half, or 0 */
	bool in_key;
	uint64_t objects[JSON_DEPTH_MAX / 64]; /* a bit per open level: object or array */
};

/* buffer (at least JSON_BUFFER_MIN bytes) is borrowed until the scan is over. */
void json_scan_init(struct json_scan *scan, char *buffer, size_t size, json_event_fn *fn,
		    void *owner);

/*
 * 0; -EBADMSG malformed (scan->offset says where); -E2BIG too deep, or a key or number longer than
 * the buffer; fn's own. After a failure every call returns it again, until json_scan_reset().
 */
int json_scan_feed(struct json_scan *scan, const char *data, size_t size);

/* The document must be whole. As json_scan_feed(): a number may end, and be told, only here. */
int json_scan_end(struct json_scan *scan);

/* Ready for the next document with the same buffer and fn. */
void json_scan_reset(struct json_scan *scan);
