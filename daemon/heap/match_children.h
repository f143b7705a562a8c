#pragma once

/*
 * The children of an object in its dominator tree that have no partner in the other snapshot yet,
 * in an order in which those that may be partners are beside each other, as heap/match_paths.c goes
 * through two such lists at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match_steps;

struct match_child {
	uint64_t step, variables; /* heap/match_steps.h */
	uint64_t shape; /* by which plain objects of one step are told apart */
	uint64_t retained; /* bytes */
	uint32_t node;
	bool shared; /* its dominator does not refer to it, or not by a name that says anything */
};

struct match_children {
	struct match_child *items; /* owned: in order */
	size_t n, capacity;
};

/*
 * In place of what was there, those of a node that are not in matched, by node. With *late those of
 * the moment are left out, and it says whether there are any; NULL: all. 0, -ENOMEM.
 */
int match_children_gather(struct match_children *children, const struct match_steps *steps,
			  uint32_t node, const uint64_t *matched, bool *late);
void match_children_fini(struct match_children *children); /* zeroed is fine */

/* After a change of what they go by; by bytes retained, the largest first, where that is equal. */
void match_children_sort(struct match_children *children);

/* Only those that have no partner yet. */
void match_children_keep(struct match_children *children, const uint64_t *matched);

/* As qsort() wants it; 0: nothing but their size tells them apart. */
int match_children_compare(const struct match_child *a, const struct match_child *b);

/* How many from the first on are so, before the end. */
size_t match_children_alike(const struct match_child *first, const struct match_child *end);
