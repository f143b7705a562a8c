#pragma once

/*
 * What jansson makes of a document, in the canonical text of events.h. It stands apart because
 * jansson.h and json/scan.h use the same names.
 */

#include <stddef.h>

struct buf;

enum by_jansson {
	BY_JANSSON_GOOD,
	BY_JANSSON_BAD,
	/*
	 * It cannot tell: numbers that do not fit, bytes that are not UTF-8, lone surrogates, NUL
	 * or duplicates among keys, and depth are errors there for other reasons than grammar.
	 */
	BY_JANSSON_UNABLE,
};

enum by_jansson by_jansson(const char *data, size_t size, struct buf *canonical);
