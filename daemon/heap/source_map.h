#pragma once

/*
 * Source maps, version 3 (ECMA-426): from a place in a script that was generated to the one in the
 * source it was made of. With sections (an index map) as well; those may not have sections of their
 * own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct source_map;

enum { SOURCE_MAP_BYTES_MAX = 64 << 20 }; /* of the file */

/* Numbers from 0, as V8 counts. */
struct source_place {
	const char *source; /* borrowed of the map, with its sourceRoot; never "" */
	const char *name; /* borrowed; NULL: none */
	uint32_t line, column;
};

/* 0; -EBADMSG with where in err; -EFBIG; -ENOMEM. text is not needed after. */
int source_map_parse(struct source_map **ret, const char *text, size_t size, struct err *err);
void source_map_free(struct source_map *map); /* NULL is fine */

/* The generated file as the map calls it; NULL when it does not say. */
const char *source_map_file(const struct source_map *map);

/* The last segment of the line that does not begin behind the column. False: there is none,
 * or its source has no name. */
bool source_map_find(const struct source_map *map, uint32_t line, uint32_t column,
		     struct source_place *ret);
