#pragma once

/*
 * From the ids of a file to the ordinals of its nodes: open addressing over two columns, or one
 * column by id where ids are no larger than that would be.
 */

#include <stddef.h>
#include <stdint.h>

struct heap_ids {
	uint64_t *ids; /* owned; NULL: the place is the id */
	uint32_t *ordinals; /* owned: + 1; 0 is a free place */
	size_t n; /* places: a power of two where there are ids */
	uint64_t seed;
};

/* Room for so many, none of which is above `last`. 0, -ENOMEM, -EIO; fini in any case. */
int heap_ids_init(struct heap_ids *ids, uint32_t nodes, uint64_t last);
void heap_ids_fini(struct heap_ids *ids); /* zeroed is fine */

/* Bytes it takes for so many. */
uint64_t heap_ids_cost(uint64_t nodes);

int heap_ids_put(struct heap_ids *ids, uint64_t id, uint32_t ordinal); /* 0, -EEXIST */
uint32_t heap_ids_get(const struct heap_ids *ids, uint64_t id); /* UINT32_MAX: there is none */
