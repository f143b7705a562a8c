/*
 * Text: bounded copies, UTF-8, nearest word. Units live in str_unit.c.
 */

#include "util/str.h"

#include <stdlib.h>
#include <string.h>

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (size == 0)
		return false;
	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return false;
	}
	memcpy(dst, src, n + 1);
	return true;
}

char *str_dup_span(const char *text, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

bool str_has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Table 3-7 of the Unicode standard: the second byte decides on overlong forms and surrogates. */
static size_t sequence_of_three(const unsigned char *at)
{
	unsigned char low = at[0] == 0xe0 ? 0xa0 : 0x80, high = at[0] == 0xed ? 0x9f : 0xbf;

	return at[1] >= low && at[1] <= high && is_tail(at[2]) ? 3 : 0;
}

static size_t sequence_of_four(const unsigned char *at)
{
	unsigned char low = at[0] == 0xf0 ? 0x90 : 0x80, high = at[0] == 0xf4 ? 0x8f : 0xbf;

	return at[1] >= low && at[1] <= high && is_tail(at[2]) && is_tail(at[3]) ? 4 : 0;
}

size_t str_utf8_sequence(const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;

	if (size == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return size >= 2 && is_tail(at[1]) ? 2 : 0;
	if ((at[0] & 0xf0) == 0xe0)
		return size >= 3 ? sequence_of_three(at) : 0;
	if (at[0] >= 0xf0 && at[0] <= 0xf4)
		return size >= 4 ? sequence_of_four(at) : 0;
	return 0;
}

bool str_is_utf8(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t n = str_utf8_sequence(text + at, size - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

enum { WORD_MAX = 64, EDITS_MAX = 2 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Optimal string alignment: a swap of neighbours, the commonest slip of the hand, is one edit. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t *spare = before;

		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return row[b_size];
}

const char *str_closest(const char *word, const char *const *words, size_t n)
{
	size_t size = strnlen(word, WORD_MAX + 1), best = EDITS_MAX + 1;
	const char *ret = NULL;

	if (size > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strnlen(words[i], WORD_MAX + 1), distance;

		if (other > WORD_MAX)
			continue;
		distance = edit_distance(word, size, words[i], other);
		/* Turning every letter into another one is no typo. */
		if (distance < best && distance < size && distance < other) {
			best = distance;
			ret = words[i];
		}
	}
	return ret;
}

const char *str_end(const char *text, size_t n)
{
	size_t size = strlen(text);

	return size > n ? text + size - n : text;
}
