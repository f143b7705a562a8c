#pragma once

/* Sections of an index: whether they are what was written, and lead nowhere but into the index. */

#include "heap/index_layout.h"

struct index_map {
	const char *data;
	const struct index_header *header; /* data itself */
	uint64_t text_size; /* of the text that strings are in */
};

/* The section's first byte; NULL when it is empty. */
const void *index_section(const struct index_map *map, enum index_kind kind);

/* Where sections lie and how long they are. 0, -EBADMSG. */
int index_check_layout(const struct index_map *map, uint64_t file_bytes);

/* All sections of the parts, on one thread or two. 0, -EBADMSG. */
int index_check_sections(const struct index_map *map, enum heap_parts parts, unsigned threads);
