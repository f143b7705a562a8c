#pragma once

/* What an object holds, for heap/leaks.c: its tables and elements are parts of it. */

#include <stdbool.h>
#include "heap/alloc.h"
#include "heap/leaks.h"

/* Of the parts that a walk has looked through. */
struct leaks_own {
	/* Bytes of those that several children share: of the holder they are no more than these
	 * children are. */
	uint64_t shared;
	uint64_t before[HEAP_PASTS_MAX]; /* bytes that the others had, whoever had them */
};

struct leaks_view {
	/* borrowed, of the last snapshot */
	const struct heap_graph *graph;
	const struct heap_tree *tree;
	const uint32_t *ways, *dominator, *class;
	const int32_t *distances;
	const uint64_t *retained;
	const struct heap_past *pasts;
	size_t pasts_n;
	uint64_t threshold;
	struct heap_stack parts; /* owned: those still to be looked through */
	uint32_t next, end; /* of the one that is */
	bool shared; /* it is */
	struct leaks_own own;
};

static inline uint64_t leaks_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void leaks_view_fini(struct leaks_view *view);

int leaks_add(struct heap_leaks *leaks, const struct heap_suspect *suspect); /* 0, -ENOMEM */

/* It went on through all snapshots: what only warms up, or comes once, does not. */
bool leaks_in_each_step(const struct leaks_view *view, const struct heap_suspect *suspect);

/* It may be a suspect: an object of the program, or one of the embedder's. */
bool leaks_is_holder(const struct leaks_view *view, uint32_t node);

/*
 * A child that counts; engine's own and compiled code come and go by themselves, and a text that
 * several children share is none of the holder's.
 */
bool leaks_is_thing(const struct leaks_view *view, uint32_t node);

/* The variables of a function or block. */
bool leaks_is_context(const struct heap_graph *graph, uint32_t node);

/* A part of what dominates it. */
bool leaks_is_part(const struct leaks_view *view, uint32_t node);

/* One walk at a time. next(): 1, 0 when all were told, -ENOMEM. */
void leaks_parts_begin(struct leaks_view *view, uint32_t holder);
int leaks_parts_next(struct leaks_view *view, uint32_t *ret);
