#pragma once

/*
 * Where the functions come from that have neither a name nor a place: what the function is called
 * in which their code is written.
 */

#include <stdint.h>

struct heap_analysis;

/*
 * ret: the variable or property that leads to it: an edge; UINT32_MAX: it is not told. Looks at all
 * references, a few times. 0, -ENOMEM.
 */
int leaks_made_in(const struct heap_analysis *analysis, uint32_t function, uint32_t *ret);
