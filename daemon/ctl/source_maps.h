#pragma once

/*
 * The source maps of a directory (--source-map-dir), each read when a script wants it. One that
 * cannot be read is warned of, once, and done without.
 */

#include <stdbool.h>
#include <stddef.h>
#include "heap/source_map.h"

struct source_map_file;
struct source_map_name;

struct source_maps {
	const char *directory; /* borrowed; NULL: there are none */
	bool quiet; /* no warnings */
	struct source_map_file *items; /* owned: the files there, by name */
	size_t n, capacity;
	struct source_map_name *by_file; /* owned: by what they say they are of, when `all` */
	size_t by_file_n;
	int directory_fd; /* owned, when `listed` */
	bool listed;
	bool all; /* all of the directory were read */
};

void source_maps_fini(struct source_maps *maps); /* zeroed is fine */

/*
 * Of the script at this URL: the file its sourceMappingURL ends with (map_url, may be NULL), or
 * that of its name with .map behind, or the one whose `file` is its name. NULL: there is none.
 */
const struct source_map *source_maps_find(struct source_maps *maps, const char *url,
					  const char *map_url);
