#pragma once

/* The second half of heap/match.c. */

#include "heap/match.h"

/*
 * From each pair that is matched already, the root's first, on to what both hold. Neither a node of
 * the base nor one of the last snapshot gets a second partner. 0, -ENOMEM.
 */
int heap_match_paths(struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last);
