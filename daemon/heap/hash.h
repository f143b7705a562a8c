#pragma once

/* Numbers for texts that are the same in every snapshot, where those of strings are not. */

#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"
#include "util/fnv.h"

static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static inline uint64_t hash_bytes(uint64_t hash, const char *text, size_t size)
{
	return hash_mix(fnv1a(hash, text, size), size);
}

static inline uint64_t hash_string(const struct heap_graph *graph, uint32_t string)
{
	size_t size;
	const char *text;

	if (string >= graph->strings.n)
		return FNV1A_FIRST;
	text = heap_string_raw(&graph->strings, string, &size);
	return hash_bytes(FNV1A_FIRST, text, size);
}
