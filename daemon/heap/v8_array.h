#pragma once

/*
 * The arrays of rows of a V8 heap snapshot, read piece by piece by one thread or two: the first
 * one looks for where an array ends and counts, and both convert what was counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct v8_pool;

/* The whole file, in memory. */
struct v8_text {
	const char *data;
	uint64_t size;
	bool mapped; /* from a file: pages that were read may be given back */
};

/*
 * n rows from row `first` on, as numbers. 0; -EBADMSG when one makes no sense: *bad is its place
 * among the n.
 */
typedef int v8_rows_fn(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad);

struct v8_array {
	const char *name; /* of the section */
	unsigned fields;
	uint64_t rows; /* as many are expected; UINT64_MAX: any number */
	v8_rows_fn *fn;
	void *owner;
	const struct heap_progress *progress; /* borrowed; or NULL */
	bool with_signs; /* numbers may be negative: numbers_convert_signed() */
};

/* threads: 1 or 2. The text is borrowed. 0, -ENOMEM, -EAGAIN. */
int v8_pool_new(struct v8_pool **ret, const struct v8_text *text, unsigned threads);

/* Waits for the other thread. What pieces are left is forgotten. */
void v8_pool_free(struct v8_pool *pool);

/*
 * Read an array from *at, behind its '[', to behind its ']'. It may go on being converted after the
 * return, so array has to live as long as the pool. 0; -EBADMSG, -ENODATA (the file ends here).
 */
int v8_array_read(struct v8_pool *pool, const struct v8_array *array, uint64_t *at,
		  struct err *err);

/* Convert what is left, wait, and tell what went wrong first in the file. */
int v8_pool_finish(struct v8_pool *pool, struct err *err);
