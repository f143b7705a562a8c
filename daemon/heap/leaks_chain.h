#pragma once

/* Lists: things that came one out of the other, for heap/leaks.c. */

#include "heap/leaks_parts.h"

/*
 * From `first`, the largest of what came to suspect->holder. 1: it is a chain, and the suspect is
 * filled in, its holder the one that the whole chain hangs on; 0: none; -ENOMEM.
 */
int leaks_chain(struct leaks_view *view, uint32_t first, struct heap_suspect *suspect);
