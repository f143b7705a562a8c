#pragma once

/* What accumulates where no object holds it, for heap/leaks.c. */

#include "heap/leaks_parts.h"

/*
 * Adds a suspect for each class and code below a root of the engine that does not come with
 * another, and one per class that nothing leads to. 0, -ENOMEM.
 */
int leaks_roots(struct heap_leaks *leaks, struct leaks_view *view, const struct root_groups *now);
