/*
 * Texts of Gecko's core dump
 */

#include "heap/gecko_text.h"

#include <errno.h>
#include <string.h>

#include "util/buf.h"

enum {
	UNIT = 2, /* bytes */
	HIGH_FIRST = 0xd800,
	LOW_FIRST = 0xdc00,
	LOW_END = 0xe000,
	ASTRAL = 0x10000,
};

static void put_utf8(struct buf *buf, uint32_t code)
{
	unsigned char s[4];
	size_t n = code < 0x800 ? 2 : code < ASTRAL ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		s[i] = (unsigned char)(0x80 | (code & 63));
	s[0] = (unsigned char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | code);
	buf_append(buf, s, n);
}

static void put_code(struct buf *buf, uint32_t code)
{
	char c = (char)code;

	if (code < ' ' || (code >= HIGH_FIRST && code < LOW_END)) {
		buf_printf(buf, "\\u%04x", (unsigned)code);
	} else if (code < 0x80) {
		if (c == '"' || c == '\\')
			buf_append(buf, "\\", 1);
		buf_append(buf, &c, 1);
	} else {
		put_utf8(buf, code);
	}
}

static uint32_t unit_at(const struct gecko_text *text, uint32_t i)
{
	return (uint32_t)(text->data[i * UNIT] | text->data[i * UNIT + 1] << 8);
}

/* Half a unit at the end is nothing. */
void gecko_put_wide(struct buf *buf, const struct gecko_text *text)
{
	uint32_t n = text->size / UNIT;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t code = unit_at(text, i);

		if (code >= HIGH_FIRST && code < LOW_FIRST && i + 1 < n) {
			uint32_t low = unit_at(text, i + 1);

			if (low >= LOW_FIRST && low < LOW_END) {
				code = ASTRAL + ((code - HIGH_FIRST) << 10) + (low - LOW_FIRST);
				i++;
			}
		}
		put_code(buf, code);
	}
}

void gecko_put_narrow(struct buf *buf, const struct gecko_text *text)
{
	for (uint32_t i = 0; i < text->size; i++)
		put_code(buf, text->data[i]);
}

/* At the most: two halves of a code are two escapes. */
static unsigned unit_bytes(uint32_t unit)
{
	enum { ESCAPE = 6 };

	if (unit < ' ' || (unit >= HIGH_FIRST && unit < LOW_END))
		return ESCAPE;
	return unit >= 0x800 ? 3 : unit >= 0x80 || unit == '"' || unit == '\\' ? 2 : 1;
}

uint64_t gecko_wide_bytes(const struct gecko_text *text)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < text->size / UNIT; i++)
		bytes += unit_bytes(unit_at(text, i));
	return bytes;
}

uint64_t gecko_narrow_bytes(const struct gecko_text *text)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < text->size; i++)
		bytes += unit_bytes(text->data[i]);
	return bytes;
}

int gecko_name(struct heap_names *names, struct buf *buf, uint32_t *ret)
{
	int r = buf->error != 0 ? -ENOMEM : heap_names_put(names, buf->data, buf->size, ret);

	buf_clear(buf);
	return r;
}

bool gecko_element(const struct gecko_text *text, uint32_t *ret)
{
	static const char lead[] = "objectElements[";
	uint32_t n = text->size / UNIT, i = 0;
	uint64_t value = 0;

	if (n < strlen(lead) + UNIT || unit_at(text, n - 1) != ']')
		return false;
	for (; i < strlen(lead); i++) {
		if (unit_at(text, i) != (unsigned char)lead[i])
			return false;
	}
	for (; i < n - 1; i++) {
		uint32_t digit = unit_at(text, i) - '0';

		value = value * 10 + digit;
		if (digit > 9 || value >= UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}
