#pragma once

/*
 * Things that no object holds: those that the engine's own roots hold directly (timers, listeners,
 * handles), and those that nothing in the snapshot leads to, as JSC does not tell what its maps
 * have. There is no holder whose growth would speak for them, so they are counted by what holds
 * them, their class and the name of a function, or else its code, and the counts of snapshots are
 * compared.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_shapes;
struct heap_side;

enum { HEAP_PASTS_MAX = 2 }; /* earlier snapshots that one is compared with */

#define HEAP_NEW UINT64_MAX

/* By node, what it retained in each earlier snapshot: bytes; HEAP_NEW: it was not there. */
struct root_pasts {
	const uint64_t *retained[HEAP_PASTS_MAX]; /* borrowed */
	size_t n;
};

struct root_group {
	uint64_t key; /* of texts: the same in every snapshot */
	uint32_t code; /* of functions without names: a node of the last; UINT32_MAX: not known */
	uint64_t count, bytes; /* bytes: retained */
	uint64_t new_count[HEAP_PASTS_MAX], new_bytes[HEAP_PASTS_MAX]; /* not there in each past */
	uint32_t holder; /* a node; the root for what nothing leads to */
	uint32_t example; /* a node: the one that retains most */
	bool unreached;
};

struct root_groups {
	struct root_group *items; /* owned: by key, then by code */
	size_t n, capacity;
};

/*
 * shapes: by which plain objects are told apart in every snapshot; codes: by node, the same code in
 * the last, UINT32_MAX where that is not certain, NULL: it is the last; pasts: NULL where none are
 * known. 0, -ENOMEM; fini in any case.
 */
int root_groups_init(struct root_groups *ret, const struct heap_side *side,
		     const struct heap_shapes *shapes, const uint32_t *codes,
		     const struct root_pasts *pasts);
void root_groups_fini(struct root_groups *groups); /* zeroed is fine */

/* The first of this key; *ret_n: how many there are, one for each code. */
const struct root_group *root_groups_find(const struct root_groups *groups, uint64_t key,
					  size_t *ret_n);
