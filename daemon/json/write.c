/*
 * JSON writer
 *
 * One bit per depth remembers whether a comma is due. Failures stick in the buffer, so callers
 * write a whole document and check once. Numbers take the shortest form that reads back as the same
 * double. Assumes the "C" locale: the daemon never calls setlocale().
 */

#include "json/write.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"

void json_write_init(struct json_writer *w, struct buf *buf)
{
	*w = (struct json_writer){ .buf = buf };
}

/* Every value goes through here: a comma, unless it is the first one or follows its key. */
static void before_value(struct json_writer *w)
{
	uint32_t bit = UINT32_C(1) << w->depth;

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	assert(w->depth > 0 || !(w->filled & bit)); /* one document */
	if (w->filled & bit)
		buf_puts(w->buf, ",");
	w->filled |= bit;
}

static void open_level(struct json_writer *w, const char *bracket)
{
	before_value(w);
	buf_puts(w->buf, bracket);
	assert(w->depth + 1 < JSON_WRITE_DEPTH_MAX);
	w->depth++;
	w->filled &= ~(UINT32_C(1) << w->depth);
}

static void close_level(struct json_writer *w, const char *bracket)
{
	assert(w->depth > 0 && !w->after_key);
	w->depth--;
	buf_puts(w->buf, bracket);
}

void json_write_object(struct json_writer *w)
{
	open_level(w, "{");
}

void json_write_object_end(struct json_writer *w)
{
	close_level(w, "}");
}

void json_write_array(struct json_writer *w)
{
	open_level(w, "[");
}

void json_write_array_end(struct json_writer *w)
{
	close_level(w, "]");
}

void json_write_key(struct json_writer *w, const char *key)
{
	assert(w->depth > 0 && !w->after_key);
	before_value(w);
	json_quote(w->buf, key, strlen(key));
	buf_puts(w->buf, ":");
	w->after_key = true;
}

void json_write_string(struct json_writer *w, const char *text)
{
	if (text == NULL)
		json_write_null(w);
	else
		json_write_span(w, text, strlen(text));
}

void json_write_span(struct json_writer *w, const char *text, size_t size)
{
	before_value(w);
	json_quote(w->buf, text, size);
}

void json_write_raw(struct json_writer *w, const char *json, size_t size)
{
	before_value(w);
	buf_append(w->buf, json, size);
}

void json_write_uint(struct json_writer *w, uint64_t value)
{
	before_value(w);
	buf_printf(w->buf, "%" PRIu64, value);
}

void json_write_int(struct json_writer *w, int64_t value)
{
	before_value(w);
	buf_printf(w->buf, "%" PRId64, value);
}

void json_write_double(struct json_writer *w, double value)
{
	char text[32]; /* sign, 17 digits, point, exponent of five */

	if (!isfinite(value)) {
		json_write_null(w);
		return;
	}
	before_value(w);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_puts(w->buf, text);
}

void json_write_bool(struct json_writer *w, bool value)
{
	before_value(w);
	buf_puts(w->buf, value ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
	before_value(w);
	buf_puts(w->buf, "null");
}

void json_member_string(struct json_writer *w, const char *key, const char *text)
{
	json_write_key(w, key);
	json_write_string(w, text);
}

void json_member_uint(struct json_writer *w, const char *key, uint64_t value)
{
	json_write_key(w, key);
	json_write_uint(w, value);
}

void json_member_double(struct json_writer *w, const char *key, double value)
{
	json_write_key(w, key);
	json_write_double(w, value);
}

void json_member_bool(struct json_writer *w, const char *key, bool value)
{
	json_write_key(w, key);
	json_write_bool(w, value);
}

/* The letter after the backslash of a short escape; 'u' for the long form; 0 when none is due. */
static char escape_letter(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return (unsigned char)c < 0x20 ? 'u' : '\0';
	}
}

/* How many bytes from the start stand for themselves. */
static size_t plain_run(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size && escape_letter(text[at]) == '\0') {
		size_t n = str_utf8_sequence(text + at, size - at);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}

static void put_special(struct buf *buf, char c)
{
	char letter = escape_letter(c);

	if (letter == '\0')
		buf_puts(buf, "\xef\xbf\xbd"); /* not UTF-8: the replacement character */
	else if (letter == 'u')
		buf_printf(buf, "\\u%04x", (unsigned)c);
	else
		buf_append(buf, (char[]){ '\\', letter }, 2);
}

int json_quote(struct buf *buf, const char *text, size_t size)
{
	buf_puts(buf, "\"");
	while (size > 0) {
		size_t n = plain_run(text, size);

		buf_append(buf, text, n);
		if (n < size)
			put_special(buf, text[n++]);
		text += n;
		size -= n;
	}
	return buf_puts(buf, "\"");
}
