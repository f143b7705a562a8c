#pragma once

/*
 * Gecko's core dump, message by message (devtools/shared/heapsnapshot/CoreDump.proto)
 *
 *   (varint32 length, message)*: Metadata first, then a Node each, the root first
 *
 * A text stands where it is used first; everywhere else is its number, in one of two tables, by the
 * order in which texts appeared. So numbers can only be told by reading from the beginning, and
 * every walk over the file counts them anew.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/v8_array.h"

struct err;

enum { GECKO_NO_TEXT = UINT32_MAX };

/* Calls in one another at the most: as redaction has it. Firefox writes 60. */
enum { GECKO_FRAMES_MAX = 1 << 15 };

/* coarseType of a node */
enum gecko_coarse {
	GECKO_OTHER,
	GECKO_OBJECT,
	GECKO_SCRIPT,
	GECKO_STRING,
	GECKO_DOM,
};

struct gecko_text {
	const unsigned char *data; /* in the file */
	uint32_t size; /* bytes */
};

struct gecko_texts {
	struct gecko_text *items; /* owned */
	uint32_t n, capacity;
	uint32_t next; /* the number of the one that appears next */
	uint64_t bytes; /* of all, as names */
};

struct gecko_edge {
	uint64_t to;
	uint32_t name; /* wide; or GECKO_NO_TEXT */
};

/* A call on the stack that a node was allocated on. */
struct gecko_frame {
	uint64_t id;
	bool is_known; /* it is one that was there before, by its id; the rest is not told again */
	uint32_t line, column; /* from 1; 0: not told */
	uint32_t source, function; /* wide; or GECKO_NO_TEXT */
};

struct gecko_node {
	uint64_t id, size, coarse;
	uint32_t type, described; /* wide */
	uint32_t class, script; /* narrow */
	struct gecko_edge *edges; /* owned: used again by the next node */
	uint32_t edges_n, edges_capacity;
	struct gecko_frame *frames; /* owned, as edges: the youngest first */
	uint32_t frames_n, frames_capacity;
};

struct gecko_reader {
	const struct v8_text *text; /* borrowed */
	struct err *err;
	uint64_t at;
	uint64_t message; /* number of the one that is read; 0: Metadata */
	bool traced; /* a node with a stack was there */
	struct gecko_texts wide, narrow; /* UTF-16LE; Latin-1 */
	struct gecko_node node;
};

void gecko_reader_init(struct gecko_reader *reader, const struct v8_text *text, struct err *err);
void gecko_reader_fini(struct gecko_reader *reader);

/* Memory in bytes that all texts take at the most, once they were read, and as names besides. */
uint64_t gecko_reader_cost(const struct gecko_reader *reader);

/* To the first node, past Metadata. 0, -EBADMSG, -ENODATA; err names the place. */
int gecko_rewind(struct gecko_reader *reader);

/* The messages of nodes there are, by their lengths only. As gecko_rewind(). */
int gecko_count(struct gecko_reader *reader, uint64_t *ret);

/* The next one into reader->node: 1; 0 at the end; -EBADMSG, -ENODATA, -ENOMEM. */
int gecko_next(struct gecko_reader *reader);
