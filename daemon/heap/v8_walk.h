#pragma once

/* The JSON around the long arrays of a V8 heap snapshot. What it fails with names the place. */

#include <stdbool.h>
#include <stdint.h>
#include "heap/v8_array.h"

struct err;

enum { V8_SECTION_MAX = 48 };

struct v8_walk {
	const struct v8_text *text;
	uint64_t at;
	char section[V8_SECTION_MAX]; /* the key that was read last */
};

/* To behind `{"snapshot":`. -ENODATA: nothing is there; -EBADMSG: no V8 heap snapshot. */
int v8_walk_begin(struct v8_walk *walk, struct err *err);

/* Behind a value: 1 when a comma was passed, 0 when the object or array has ended. */
int v8_walk_more(struct v8_walk *walk, struct err *err);

/* Past '[': 1 when there is an element, 0 when it has ended already. */
int v8_walk_array(struct v8_walk *walk, struct err *err);

/* Past a key and its colon, to the first byte of its value. */
int v8_walk_key(struct v8_walk *walk, struct err *err);
bool v8_walk_is(const struct v8_walk *walk, const char *section);

/* Past a string; past any value. */
int v8_walk_string(struct v8_walk *walk, struct err *err);
int v8_walk_skip(struct v8_walk *walk, struct err *err);

/* Past a number without a sign. 0; -EBADMSG: there is none, or one of more than 64 bits. */
int v8_walk_number(struct v8_walk *walk, uint64_t *ret, struct err *err);

/* Past an array of numbers of V8's, in a file that was loaded; false: it is at no such. */
bool v8_walk_skip_numbers(struct v8_walk *walk);

/*
 * Each section behind `snapshot` up to the strings, which stand last: fn is called at its value,
 * with its key in walk->section, and goes past it. 0, or the first failure, of fn as well.
 */
int v8_walk_sections(struct v8_walk *walk, int (*fn)(void *owner), void *owner, struct err *err);

/* Behind the last value there is nothing but blanks. 0, -EBADMSG. */
int v8_walk_end(struct v8_walk *walk, struct err *err);

/* It is there already; it is not there at all. -EBADMSG. */
int v8_walk_twice(const struct v8_walk *walk, struct err *err);
int v8_walk_missing(const struct v8_text *text, const char *section, struct err *err);

int v8_walk_unexpected(const struct v8_walk *walk, struct err *err, const char *wanted);
