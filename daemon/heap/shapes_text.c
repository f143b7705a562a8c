/*
 * Names of properties in shapes: those that would be misread are quoted, as JSON.stringify() does.
 */

#include "heap/shapes_text.h"

#include <stdbool.h>
#include <string.h>

#include "util/buf.h"

static bool wants_quotes(const char *at, const char *end)
{
	while (at < end) {
		uint16_t unit = heap_string_unit(&at, end);

		if (unit == ',' || unit == '\'' || unit == '"' || unit == '{' || unit == '}')
			return true;
	}
	return false;
}

static size_t quoted_units(uint16_t unit)
{
	if (unit == '"' || unit == '\\' || unit == '\b' || unit == '\f' || unit == '\n' ||
	    unit == '\r' || unit == '\t')
		return 2;
	return unit < ' ' || (unit >= 0xd800 && unit < 0xe000) ? 6 : 1;
}

size_t heap_property_units(const struct heap_strings *strings, uint32_t name)
{
	size_t size, units = 0;
	const char *at = heap_string_raw(strings, name, &size), *end = at + size;
	bool quoted = wants_quotes(at, end);

	while (at < end) {
		uint16_t unit = heap_string_unit(&at, end);

		units += quoted ? quoted_units(unit) : 1;
	}
	return units + (quoted ? 2 : 0);
}

static void put_quoted(struct buf *buf, const char *text, size_t size)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";

	buf_puts(buf, "\"");
	for (size_t i = 0; i < size; i++) {
		const char *found = text[i] != '\0' ? strchr(from, text[i]) : NULL;

		if (found != NULL)
			buf_printf(buf, "\\%c", to[found - from]);
		else if ((unsigned char)text[i] < ' ')
			buf_printf(buf, "\\u%04x", text[i]);
		else
			buf_append(buf, text + i, 1);
	}
	buf_puts(buf, "\"");
}

void heap_property_put(const struct heap_strings *strings, uint32_t name, struct buf *buf)
{
	size_t size;
	const char *raw = heap_string_raw(strings, name, &size);
	struct buf plain;

	if (!wants_quotes(raw, raw + size)) {
		heap_string_put(strings, name, buf);
		return;
	}
	buf_init(&plain, size * 4 + 16);
	heap_string_put(strings, name, &plain);
	if (buf_text(&plain) != NULL)
		put_quoted(buf, plain.data, plain.size);
	buf_fini(&plain);
}
