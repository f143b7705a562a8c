#pragma once

/*
 * FNV-1a, 64 bits: the same number for the same bytes in every run and on every machine. Not for
 * what somebody may choose to collide. http://www.isthe.com/chongo/tech/comp/fnv/
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FNV1A_FIRST 0xcbf29ce484222325ull

/* Of what was mixed into hash before, and these bytes. */
static inline uint64_t fnv1a(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

static inline uint64_t fnv1a_text(uint64_t hash, const char *text)
{
	return fnv1a(hash, text, strlen(text));
}
