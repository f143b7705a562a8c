#pragma once

/*
 * What may hold that to which nothing in the snapshot leads. JSC since 2.50 does not tell what its
 * maps and sets have, but how large their tables are: one that has no room for so many is none.
 */

#include "heap/leaks_parts.h"

/*
 * Fills in `may` of the suspects that are not reached. What alone may hold one is no suspect of its
 * own for the growth of its table: it is the same leak.
 */
void leaks_room(struct heap_leaks *leaks, const struct leaks_view *view);
