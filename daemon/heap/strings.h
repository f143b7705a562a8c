#pragma once

/*
 * The strings of a snapshot
 *
 * They stay in the file, which is mapped, as they are written there: quoted JSON. What is kept of
 * one is where it begins. Equal strings of a V8 snapshot are one string, so that numbers are
 * compared in place of texts; a text is decoded when it is looked at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct heap_strings {
	const char *data; /* borrowed: the file, or made */
	uint64_t *first; /* owned: n + 1 offsets; string i is data[first[i], first[i + 1] - 3) at
			    most */
	uint32_t n, capacity;
	char *made; /* owned: data itself, where it is no file; or NULL */
};

/* What is owned; the file stays. Zeroed is fine. */
void heap_strings_fini(struct heap_strings *strings);

/* Its bytes in the file, between the quotes, escapes and all. i < n. */
const char *heap_string_raw(const struct heap_strings *strings, uint32_t i, size_t *ret_size);

/* Appended to buf as UTF-8; a lone surrogate becomes U+FFFD. i >= n: "?". */
void heap_string_put(const struct heap_strings *strings, uint32_t i, struct buf *buf);

/* Also texts that have an escape in them. */
bool heap_string_is(const struct heap_strings *strings, uint32_t i, const char *text);
bool heap_string_begins(const struct heap_strings *strings, uint32_t i, const char *text);

/* The string of this text (ASCII, without escapes); UINT32_MAX: there is none. Looks at all. */
uint32_t heap_string_find(const struct heap_strings *strings, const char *text);

/* One UTF-16 unit from raw bytes of a string. At least one byte has to be left. */
uint16_t heap_string_unit(const char **at, const char *end);
