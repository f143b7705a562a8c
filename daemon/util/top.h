#pragma once

/* The first rows of a table. */

#include <stddef.h>
#include <stdint.h>

/* Of n rows those that are shown when `top` are wanted; 0: all. */
static inline size_t top_of(size_t n, uint64_t top)
{
	return top > 0 && n > top ? (size_t)top : n;
}
