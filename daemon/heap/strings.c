/*
 * The strings of a snapshot
 */

#include "heap/strings.h"

#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "util/buf.h"
#include "util/str.h"

void heap_strings_fini(struct heap_strings *strings)
{
	heap_free(strings->first, strings->capacity, sizeof(*strings->first));
	free(strings->made);
	*strings = (struct heap_strings){ .n = 0 };
}

/* Not before first, whatever stands there. */
static const char *quote_before(const char *first, const char *end)
{
	do {
		end--;
	} while (end > first && *end != '"');
	return end > first ? end : first;
}

const char *heap_string_raw(const struct heap_strings *strings, uint32_t i, size_t *ret_size)
{
	const char *first = strings->data + strings->first[i];
	const char *end = strings->data + strings->first[i + 1];

	/* first[i + 1] is behind the opening quote of the next one, or the closing one of the last.
	 */
	end = quote_before(first, end);
	if (i + 1 < strings->n)
		end = quote_before(first, end);
	*ret_size = (size_t)(end - first);
	return first;
}

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

static uint16_t escaped(const char **at, const char *end)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found;
	char c;

	if (*at == end)
		return '\\';
	c = *(*at)++;
	if (c == 'u' && end - *at >= 4) {
		unsigned unit = 0;

		for (int i = 0; i < 4; i++)
			unit = unit << 4 | (hex_value(*(*at)++) & 15);
		return (uint16_t)unit;
	}
	found = strchr(from, c);
	return (uint16_t)(c != '\0' && found != NULL ? to[found - from] : c);
}

/* Four bytes are two units: the second is asked for where the first has left its other bytes. */
static uint16_t of_utf8(const char **at, const char *end)
{
	size_t n = str_utf8_sequence(*at, (size_t)(end - *at));
	const unsigned char *s = (const unsigned char *)*at;

	if (n == 0 && s[-1] >= 0xf0 && str_utf8_sequence(*at - 1, (size_t)(end - *at) + 1) == 4) {
		*at += 3;
		return (uint16_t)(0xdc00 | (s[1] & 15) << 6 | (s[2] & 63));
	}
	if (n == 4) {
		*at += 1;
		return (uint16_t)(0xd800 +
				  (((s[0] & 7) << 8 | (s[1] & 63) << 2 | (s[2] & 48) >> 4) - 64));
	}
	*at += n > 0 ? n : 1;
	if (n == 2)
		return (uint16_t)((s[0] & 31) << 6 | (s[1] & 63));
	if (n == 3)
		return (uint16_t)((s[0] & 15) << 12 | (s[1] & 63) << 6 | (s[2] & 63));
	return 0xfffd;
}

uint16_t heap_string_unit(const char **at, const char *end)
{
	unsigned char c = (unsigned char)**at;

	if (c == '\\') {
		(*at)++;
		return escaped(at, end);
	}
	if (c >= 0x80)
		return of_utf8(at, end);
	(*at)++;
	return c;
}

static void put_code(struct buf *buf, uint32_t code)
{
	char s[4];

	if (code < 0x80) {
		s[0] = (char)code;
		buf_append(buf, s, 1);
	} else if (code < 0x800) {
		s[0] = (char)(0xc0 | code >> 6);
		s[1] = (char)(0x80 | (code & 63));
		buf_append(buf, s, 2);
	} else if (code < 0x10000) {
		s[0] = (char)(0xe0 | code >> 12);
		s[1] = (char)(0x80 | (code >> 6 & 63));
		s[2] = (char)(0x80 | (code & 63));
		buf_append(buf, s, 3);
	} else {
		s[0] = (char)(0xf0 | code >> 18);
		s[1] = (char)(0x80 | (code >> 12 & 63));
		s[2] = (char)(0x80 | (code >> 6 & 63));
		s[3] = (char)(0x80 | (code & 63));
		buf_append(buf, s, 4);
	}
}

static void put_units(const char *at, const char *end, struct buf *buf)
{
	while (at < end) {
		uint32_t code = heap_string_unit(&at, end);

		if (code >= 0xd800 && code < 0xdc00 && at < end) {
			const char *next = at;
			uint16_t low = heap_string_unit(&next, end);

			if (low >= 0xdc00 && low < 0xe000) {
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00u);
				at = next;
			}
		}
		put_code(buf, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
	}
}

void heap_string_put(const struct heap_strings *strings, uint32_t i, struct buf *buf)
{
	const char *raw;
	size_t size;
	bool plain = true;

	if (i >= strings->n) {
		buf_puts(buf, "?");
		return;
	}
	raw = heap_string_raw(strings, i, &size);
	for (size_t k = 0; k < size && plain; k++)
		plain = raw[k] != '\\' && (unsigned char)raw[k] < 0x80;
	if (plain)
		buf_append(buf, raw, size);
	else
		put_units(raw, raw + size, buf);
}

static bool begins(const struct heap_strings *strings, uint32_t i, const char *text, bool whole)
{
	const char *at, *end;
	size_t size;

	if (i >= strings->n)
		return false;
	at = heap_string_raw(strings, i, &size);
	end = at + size;
	for (; *text != '\0'; text++) {
		if (at == end || heap_string_unit(&at, end) != (unsigned char)*text)
			return false;
	}
	return !whole || at == end;
}

bool heap_string_is(const struct heap_strings *strings, uint32_t i, const char *text)
{
	return begins(strings, i, text, true);
}

bool heap_string_begins(const struct heap_strings *strings, uint32_t i, const char *text)
{
	return begins(strings, i, text, false);
}

uint32_t heap_string_find(const struct heap_strings *strings, const char *text)
{
	size_t size = strlen(text);

	for (uint32_t i = 0; i < strings->n; i++) {
		const char *first = strings->data + strings->first[i];

		if (strings->first[i + 1] - strings->first[i] > size && first[size] == '"' &&
		    memcmp(first, text, size) == 0)
			return i;
	}
	return UINT32_MAX;
}
