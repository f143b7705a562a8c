#pragma once

/* Arrays that grow one item at a time. */

#include <stddef.h>
#include <stdlib.h>

/*
 * Room for one more of so many bytes behind n items: the array, wherever it is now. It doubles,
 * from first items on. NULL on ENOMEM, and the array is as it was.
 */
static inline void *array_room(void *items, size_t n, size_t *capacity, size_t first, size_t size)
{
	size_t more = *capacity > 0 ? *capacity * 2 : first;
	void *ret = items;

	if (n < *capacity)
		return items;
	ret = reallocarray(items, more, size);
	if (ret != NULL)
		*capacity = more;
	return ret;
}
