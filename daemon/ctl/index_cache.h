#pragma once

/* The user's cache of indexes: $XDG_CACHE_HOME/heapwatch, or ~/.cache/heapwatch, up to 16 GiB. */

#include <stddef.h>
#include <stdint.h>

/* Its path; it is made if it is not there. 0, -ENOENT: there is no home; -errno. */
int index_cache_folder(char *ret, size_t size);

/* Delete those that were not used for the longest time, until bytes more fit. 0, -ENOSPC, -errno.
 */
int index_cache_make_room(int folder, uint64_t bytes);
