#pragma once

/* Numbers for texts that are the same in every snapshot, where those of strings are not. */

#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"

#define HASH_FIRST 0xcbf29ce484222325ull

static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static inline uint64_t hash_bytes(uint64_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	return hash_mix(hash, size);
}

static inline uint64_t hash_string(const struct heap_graph *graph, uint32_t string)
{
	size_t size;
	const char *text;

	if (string >= graph->strings.n)
		return HASH_FIRST;
	text = heap_string_raw(&graph->strings, string, &size);
	return hash_bytes(HASH_FIRST, text, size);
}
