/*
 * Source maps of hostile bytes: read or refused with a reason; what a place leads to has a source,
 * whatever is asked for.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heap/source_map.h"
#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { .text = "" };
	struct source_map *map = NULL;
	struct source_place place;
	char *copy = malloc(size > 0 ? size : 1);
	int r;

	must(copy != NULL);
	memcpy(copy, data, size);
	r = source_map_parse(&map, copy, size, &err);
	free(copy);
	must((r == 0) == (map != NULL));
	must(r == 0 || (err.text[0] != '\0' && r != -ENOMEM));
	for (uint32_t line = 0; r == 0 && line < 8; line++) {
		for (uint32_t column = 0; column < 64; column++)
			must(!source_map_find(map, line, column, &place) || place.source != NULL);
		must(!source_map_find(map, line, UINT32_MAX, &place) || place.source != NULL);
	}
	source_map_free(map);
	return 0;
}
