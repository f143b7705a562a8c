/*
 * The JSON around the long arrays
 */

#include "heap/v8_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "util/err.h"

int v8_walk_unexpected(const struct v8_walk *walk, struct err *err, const char *wanted)
{
	if (walk->at >= walk->text->size)
		return err_set(err, -ENODATA,
			       "the file ends at byte %" PRIu64
			       ", inside of section \"%s\": it is cut short",
			       walk->text->size, walk->section);
	return err_set(err, -EBADMSG, "section \"%s\", byte %" PRIu64 ": %s was expected",
		       walk->section, walk->at, wanted);
}

/* The next byte that is no blank; '\0' at the end. */
static char next(struct v8_walk *walk)
{
	const char *data = walk->text->data;

	while (walk->at < walk->text->size && (data[walk->at] == ' ' || data[walk->at] == '\n' ||
					       data[walk->at] == '\r' || data[walk->at] == '\t'))
		walk->at++;
	return walk->at < walk->text->size ? data[walk->at] : '\0';
}

int v8_walk_twice(const struct v8_walk *walk, struct err *err)
{
	return err_set(err, -EBADMSG, "section \"%s\", byte %" PRIu64 ": it comes twice",
		       walk->section, walk->at);
}

int v8_walk_missing(const struct v8_text *text, const char *section, struct err *err)
{
	return err_set(err, -EBADMSG, "there is no section \"%s\" up to the end at byte %" PRIu64,
		       section, text->size);
}

int v8_walk_end(struct v8_walk *walk, struct err *err)
{
	if (next(walk) == '\0' && walk->at >= walk->text->size)
		return 0;
	return err_set(err, -EBADMSG,
		       "section \"%s\" is the last, but there is more from byte %" PRIu64 " on",
		       walk->section, walk->at);
}

static int not_a_snapshot(const struct v8_walk *walk, struct err *err)
{
	return err_set(err, -EBADMSG,
		       "not a heap snapshot of V8: section \"snapshot\" does not begin as "
		       "{\"snapshot\":{ up to byte %" PRIu64,
		       walk->at);
}

int v8_walk_begin(struct v8_walk *walk, struct err *err)
{
	if (walk->text->size == 0)
		return err_set(err, -ENODATA,
			       "the file is empty: it ends at byte 0, before its first section");
	if (next(walk) != '{')
		return not_a_snapshot(walk, err);
	walk->at++;
	if (next(walk) == '\0')
		return v8_walk_unexpected(walk, err, "a key");
	if (v8_walk_key(walk, err) < 0 || !v8_walk_is(walk, "snapshot") || next(walk) != '{') {
		strcpy(walk->section, "snapshot");
		if (walk->at >= walk->text->size)
			return v8_walk_unexpected(walk, err, "a key");
		return not_a_snapshot(walk, err);
	}
	return 0;
}

int v8_walk_more(struct v8_walk *walk, struct err *err)
{
	char c = next(walk);

	if (c == ',') {
		walk->at++;
		next(walk);
		return 1;
	}
	if (c != ']' && c != '}')
		return v8_walk_unexpected(walk, err, "',' or an end");
	walk->at++;
	return 0;
}

int v8_walk_array(struct v8_walk *walk, struct err *err)
{
	if (next(walk) != '[')
		return v8_walk_unexpected(walk, err, "'['");
	walk->at++;
	if (next(walk) != ']')
		return 1;
	walk->at++;
	return 0;
}

int v8_walk_string(struct v8_walk *walk, struct err *err)
{
	const char *data = walk->text->data, *at, *end = data + walk->text->size;

	if (next(walk) != '"')
		return v8_walk_unexpected(walk, err, "a text");
	at = data + walk->at + 1;
	while (at < end && *at != '"') {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		const char *escape;

		if (quote == NULL) {
			at = end;
			break;
		}
		escape = memchr(at, '\\', (size_t)(quote - at));
		at = escape != NULL ? escape + 2 : quote;
	}
	if (at >= end) {
		walk->at = walk->text->size;
		return v8_walk_unexpected(walk, err, "'\"'");
	}
	walk->at = (uint64_t)(at - data) + 1;
	return 0;
}

int v8_walk_key(struct v8_walk *walk, struct err *err)
{
	const char *data = walk->text->data;
	uint64_t first = walk->at + 1;
	size_t size;
	int r = v8_walk_string(walk, err);

	if (r < 0)
		return r;
	size = (size_t)(walk->at - 1 - first);
	size = size < V8_SECTION_MAX ? size : V8_SECTION_MAX - 1;
	memcpy(walk->section, data + first, size);
	walk->section[size] = '\0';
	for (size_t i = 0; i < size; i++) {
		if (walk->section[i] < ' ' || walk->section[i] == 0x7f)
			walk->section[i] = '?';
	}
	if (next(walk) != ':')
		return v8_walk_unexpected(walk, err, "':'");
	walk->at++;
	if (next(walk) == '\0')
		return v8_walk_unexpected(walk, err, "a value");
	return 0;
}

bool v8_walk_is(const struct v8_walk *walk, const char *section)
{
	return strcmp(walk->section, section) == 0;
}

static bool ends_scalar(char c)
{
	return c == ',' || c == ']' || c == '}' || c == '\0';
}

/* Values that are not ours are not judged, only passed. */
int v8_walk_skip(struct v8_walk *walk, struct err *err)
{
	const char *data = walk->text->data;
	uint64_t depth = 0;
	int r = 0;

	do {
		char c = next(walk);

		if (c == '"') {
			r = v8_walk_string(walk, err);
		} else if (c == '[' || c == '{') {
			depth++;
			walk->at++;
		} else if (depth > 0 && (c == ']' || c == '}')) {
			depth--;
			walk->at++;
		} else if (depth > 0 && (c == ',' || c == ':')) {
			walk->at++;
		} else if (ends_scalar(c)) {
			return v8_walk_unexpected(walk, err, "a value");
		} else {
			while (walk->at < walk->text->size && !ends_scalar(data[walk->at]) &&
			       data[walk->at] != ':')
				walk->at++;
		}
	} while (r == 0 && depth > 0);
	return r;
}

/* Nearly all of the file, which has no bracket between those of the array. */
bool v8_walk_skip_numbers(struct v8_walk *walk)
{
	static const char *const flat[] = { "nodes", "edges", "samples", "locations" };
	const char *data = walk->text->data, *end = NULL;

	for (size_t i = 0; i < sizeof(flat) / sizeof(flat[0]) && data[walk->at] == '['; i++) {
		if (v8_walk_is(walk, flat[i]))
			end = memchr(data + walk->at, ']', (size_t)(walk->text->size - walk->at));
	}
	if (end != NULL)
		walk->at = (uint64_t)(end + 1 - data);
	return end != NULL;
}

int v8_walk_number(struct v8_walk *walk, uint64_t *ret, struct err *err)
{
	const char *data = walk->text->data;
	uint64_t first = walk->at, value = 0;

	for (; walk->at < walk->text->size; walk->at++) {
		unsigned digit = (unsigned char)data[walk->at] - '0';

		if (digit > 9)
			break;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return v8_walk_unexpected(walk, err, "a smaller number");
	}
	if (walk->at == first)
		return v8_walk_unexpected(walk, err, "a number");
	*ret = value;
	return 0;
}

int v8_walk_sections(struct v8_walk *walk, int (*fn)(void *owner), void *owner, struct err *err)
{
	int r, more;

	while ((more = v8_walk_more(walk, err)) > 0) {
		r = v8_walk_key(walk, err);
		if (r < 0 || v8_walk_is(walk, "strings"))
			return r;
		r = fn(owner);
		if (r < 0)
			return r;
	}
	return more;
}
