#pragma once

/*
 * Where a program's memory accumulates
 *
 * An object is a suspect when it was there in every snapshot, what it retains has grown from each
 * to the next, and the growth is in things that came to it, not in something it held already: that
 * would be the suspect then. Tables and elements are looked through, for they are parts of what
 * owns them. Things that came are many beside each other, or a chain of one out of the other. An
 * object of the program may also have grown itself, by what is no object: numbers, bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/match.h"
#include "heap/root_groups.h"

enum {
	HEAP_LEAK_MIN_BYTES = 20000, /* less is no suspect */
	HEAP_LEAK_MIN_PERMILLE = 5, /* of the heap's growth: nor is this */
	HEAP_LEAK_MIN_COUNT = 5, /* so many things have to come */
	HEAP_LEAK_MIN_CHAIN = 50,
	HEAP_LEAK_STEP_SHARE = 20, /* each step has one in so many of the bytes at least */
	HEAP_LEAK_MAY_MAX = 4, /* of more that may hold it none is told */
};

/* What an earlier snapshot says of the objects of the last one. */
struct heap_past {
	uint32_t nodes;
	uint64_t *retained; /* owned, by node of the last: bytes; HEAP_NEW: it was not there */
	uint32_t *own; /* owned, the same: bytes of a holder and its tables, UINT32_MAX at most */
	uint32_t *self; /* owned, the same: of the object alone; 0: it was not there */
	uint64_t total; /* bytes retained by the root */
	uint64_t *known; /* owned: bits by node of the last: code that was there for certain */
	struct root_groups groups;
};

/* shapes: of the last. 0, -ENOMEM; fini in any case. Nothing of the base is needed after. */
int heap_past_init(struct heap_past *ret, const struct heap_match *match,
		   const struct heap_side *base, const struct heap_shapes *shapes);
void heap_past_fini(struct heap_past *past); /* zeroed is fine */

enum heap_leak_kind {
	HEAP_LEAK_MANY,
	HEAP_LEAK_CHAIN, /* each holds the next */
	HEAP_LEAK_OWN, /* the holder itself: nothing came */
	HEAP_LEAK_ROOTS, /* a root of the engine is the holder */
	HEAP_LEAK_UNREACHED, /* the snapshot does not tell what holds them */
};

struct heap_suspect {
	enum heap_leak_kind kind;
	uint32_t holder; /* a node; of UNREACHED the root */
	uint32_t class; /* of most bytes of what came */
	uint32_t example; /* a node of this class: the one that retains most */
	uint64_t count; /* more of this class than before */
	uint64_t others; /* more of other classes */
	uint64_t bytes; /* that accumulated since the first snapshot */
	uint64_t last_bytes; /* of these, since the one before the last */
	/* The edge to the first of a chain, from the holder if that has one; UINT32_MAX: none, or
	 * it is no chain. */
	uint32_t via;
	uint64_t all; /* of UNREACHED: how many there are now, and what has room for them */
	uint32_t may[HEAP_LEAK_MAY_MAX]; /* nodes */
	uint32_t may_n; /* there are so many: more than have a place above */
};

struct heap_leaks {
	struct heap_suspect *items; /* owned: most bytes first, then by node */
	size_t n, capacity;
	uint64_t growth; /* bytes; 0 when it shrank */
	uint64_t threshold; /* bytes */
};

/* pasts: one or two, the oldest first. 0, -ENOMEM; fini in any case. */
int heap_leaks_find(struct heap_leaks *ret, const struct heap_side *last,
		    const struct heap_past *pasts, size_t pasts_n);
void heap_leaks_fini(struct heap_leaks *leaks); /* zeroed is fine */
