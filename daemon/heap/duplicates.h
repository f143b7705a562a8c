#pragma once

/*
 * Texts that are there more than once. Equal texts of a V8 snapshot are one string, so that they
 * are counted by its number. V8 writes the first 1024 characters of a text: longer ones that begin
 * alike are taken for equal. Texts that V8 has not yet put together of their parts are no part of
 * it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"

struct heap_duplicate {
	uint32_t string;
	uint32_t example; /* a node */
	uint64_t count;
	uint64_t bytes; /* of all of them */
	uint64_t wasted; /* bytes: all but the largest */
};

/* Why there is nothing to be said. */
enum heap_duplicates_why { HEAP_TEXTS_KNOWN, HEAP_TEXTS_NONE, HEAP_TEXTS_REDACTED };

struct heap_duplicates {
	struct heap_duplicate *items; /* owned: most wasted first */
	size_t n;
	uint64_t texts; /* texts in all */
	uint64_t wasted; /* bytes in all */
	enum heap_duplicates_why why;
};

/* 0, -ENOMEM; fini in any case. */
int heap_duplicates_find(struct heap_duplicates *ret, const struct heap_graph *graph);
void heap_duplicates_fini(struct heap_duplicates *duplicates); /* zeroed is fine */

/* The text may go on beyond what the snapshot has of it. */
bool heap_duplicate_is_cut(const struct heap_graph *graph, const struct heap_duplicate *duplicate);
