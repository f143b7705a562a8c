/*
 * JSON scanner: numbers
 *
 * A number ends where another byte begins, so one that is whole inside the input is read in place
 * and only one that a feed cuts is gathered in the buffer. Its text is taken first (everything
 * that can stand in a number) and judged when it is complete: that way a cut changes nothing about
 * the events or about the place of an error.
 *
 * The nodes and edges of a heap snapshot are arrays of some 10^8 small integers; they are read in
 * a loop that does not go back to the grammar between them.
 */

#include "json/scan.h"

#include <errno.h>
#include <string.h>

#include "json/scan_parts.h"

/* Digits that cannot overflow 63 bits. */
enum { SAFE_DIGITS = 18 };

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_number_byte(char c)
{
	return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static inline int emit_integer(struct json_scan *scan, int64_t value)
{
	struct json_event event = {
		.kind = JSON_INTEGER,
		.depth = scan->depth,
		.integer = value,
	};

	return scan->fn(scan->owner, &event);
}

/* Behind the digits at text[at]; at itself when there is none. */
static size_t skip_digits(const char *text, size_t size, size_t at)
{
	while (at < size && is_digit(text[at]))
		at++;
	return at;
}

/* Behind the longest beginning that fits RFC 8259, section 6; *ret_whole: it is a number. */
static size_t match_number(const char *text, size_t size, bool *ret_whole, bool *ret_real)
{
	size_t at = text[0] == '-', from = at;

	at = at < size && text[at] == '0' ? at + 1 : skip_digits(text, size, at);
	*ret_whole = at > from;
	*ret_real = false;
	if (*ret_whole && at < size && text[at] == '.') {
		from = ++at;
		at = skip_digits(text, size, at);
		*ret_whole = at > from;
		*ret_real = true;
	}
	if (*ret_whole && at < size && (text[at] | 0x20) == 'e') {
		at++;
		if (at < size && (text[at] == '+' || text[at] == '-'))
			at++;
		from = at;
		at = skip_digits(text, size, at);
		*ret_whole = at > from;
		*ret_real = true;
	}
	return at;
}

/* False when the value does not fit. Counts below zero, where there is one value more. */
static bool to_integer(const char *text, size_t size, int64_t *ret)
{
	bool negative = text[0] == '-';
	int64_t value = 0;

	for (size_t i = negative; i < size; i++) {
		if (__builtin_mul_overflow(value, INT64_C(10), &value) ||
		    __builtin_sub_overflow(value, (int64_t)(text[i] - '0'), &value))
			return false;
	}
	if (!negative && __builtin_sub_overflow(INT64_C(0), value, &value))
		return false;
	*ret = value;
	return true;
}

/* The whole text of a number, which began at number_offset. *ret_bad is the place in the text. */
static int finish(struct json_scan *scan, const char *text, size_t size, size_t *ret_bad)
{
	bool whole, real;
	int64_t value;
	int r;

	*ret_bad = size;
	if (size > scan->buffer_size) {
		*ret_bad = scan->buffer_size;
		return -E2BIG;
	}
	*ret_bad = match_number(text, size, &whole, &real);
	if (!whole || *ret_bad < size)
		return -EBADMSG;
	if (!real && to_integer(text, size, &value))
		r = emit_integer(scan, value);
	else
		r = json_emit(scan, JSON_REAL, text, size);
	if (r != 0)
		return r;
	scan->used = 0;
	json_value_done(scan);
	return 0;
}

/* The number may have begun in an earlier feed, so the place is set from its own offset. */
static int fail_at(struct json_scan *scan, struct json_input *in, size_t bad, int code)
{
	scan->offset = scan->number_offset + bad;
	in->at = 0;
	return code;
}

static int gather(struct json_scan *scan, struct json_input *in, const char *text, size_t size)
{
	if (size > scan->buffer_size - scan->used)
		return fail_at(scan, in, scan->buffer_size, -E2BIG);
	memcpy(scan->buffer + scan->used, text, size);
	scan->used += size;
	return 0;
}

int json_scan_number(struct json_scan *scan, struct json_input *in)
{
	const char *text = in->data + in->at;
	size_t left = in->size - in->at, size = 0, bad;
	int r;

	while (size < left && is_number_byte(text[size]))
		size++;
	if (size == left || scan->used > 0) {
		r = gather(scan, in, text, size);
		if (r != 0)
			return r;
		in->at += size;
		if (size == left)
			return 0;
		text = scan->buffer;
		size = scan->used;
		r = finish(scan, text, size, &bad);
	} else {
		in->at += size;
		r = finish(scan, text, size, &bad);
	}
	return r != 0 ? fail_at(scan, in, bad, r) : 0;
}

int json_scan_number_end(struct json_scan *scan)
{
	struct json_input in = { .at = 0 };
	size_t bad;
	int r;

	r = finish(scan, scan->buffer, scan->used, &bad);
	return r != 0 ? fail_at(scan, &in, bad, r) : 0;
}

/* A small integer that ends inside the input: its bytes, or 0 when it has to go the long way. */
static inline size_t take_integer(const char *text, size_t left, int64_t *ret)
{
	size_t first = text[0] == '-', at = first;
	int64_t value = 0;

	while (at < left && at - first < SAFE_DIGITS && is_digit(text[at]))
		value = value * 10 + (text[at++] - '0');
	if (at == left || at == first || is_number_byte(text[at]))
		return 0;
	if (text[first] == '0' && at - first > 1)
		return 0;
	*ret = first > 0 ? -value : value;
	return at;
}

/* Bytes to the next element of an array if it follows at once and begins like a number, or 0. */
static inline size_t to_next_number(const char *text, size_t left)
{
	size_t comma = text[0] == '\n'; /* V8 ends its rows before the comma */

	if (left < comma + 2 || text[comma] != ',')
		return 0;
	return is_digit(text[comma + 1]) || text[comma + 1] == '-' ? comma + 1 : 0;
}

int json_scan_number_begin(struct json_scan *scan, struct json_input *in)
{
	const char *text = in->data + in->at, *end = in->data + in->size;
	struct json_event event = { .kind = JSON_INTEGER, .depth = scan->depth };
	bool in_array = scan->depth > 0 && !json_in_object(scan);
	size_t n, gap = 0;
	int r = 0;

	do {
		text += gap;
		n = take_integer(text, (size_t)(end - text), &event.integer);
		if (n == 0)
			break;
		r = scan->fn(scan->owner, &event);
		text += n;
		gap = in_array && r == 0 ? to_next_number(text, (size_t)(end - text)) : 0;
	} while (gap > 0);
	in->at = (size_t)(text - in->data);
	if (n > 0) {
		json_value_done(scan);
		return r;
	}
	scan->number_offset = scan->offset + in->at;
	scan->state = SCAN_NUMBER;
	return json_scan_number(scan, in);
}
