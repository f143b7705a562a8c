#pragma once

/* The nodes of a snapshot by their ids. */

#include <stdint.h>
#include "heap/graph.h"

struct heap_ids {
	const struct heap_graph *graph; /* borrowed */
	uint32_t *slots; /* owned: nodes + 1; 0: free */
	uint64_t slots_n; /* a power of two */
};

/* 0, -ENOMEM; fini in any case. */
int heap_ids_init(struct heap_ids *ret, const struct heap_graph *graph);
void heap_ids_fini(struct heap_ids *ids); /* zeroed is fine */

/* UINT32_MAX: there is none. Of equal ids, which no engine writes, the first. */
uint32_t heap_ids_find(const struct heap_ids *ids, uint32_t id);
