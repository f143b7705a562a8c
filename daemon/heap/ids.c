/*
 * The nodes of a snapshot by their ids
 *
 * Open addressing, half full at the most.
 */

#include "heap/ids.h"

#include <errno.h>

#include "heap/alloc.h"

static uint64_t place_of(const struct heap_ids *ids, uint32_t id)
{
	return ((id * 0x9e3779b97f4a7c15) >> 20) & (ids->slots_n - 1);
}

/* Where the id is, or a free slot. */
static uint32_t *slot_of(const struct heap_ids *ids, uint32_t id)
{
	uint64_t at = place_of(ids, id);

	while (ids->slots[at] != 0 && ids->graph->id[ids->slots[at] - 1] != id)
		at = (at + 1) & (ids->slots_n - 1);
	return &ids->slots[at];
}

int heap_ids_init(struct heap_ids *ret, const struct heap_graph *graph)
{
	*ret = (struct heap_ids){ .graph = graph, .slots_n = 16 };
	while (ret->slots_n < (uint64_t)graph->nodes * 2)
		ret->slots_n *= 2;
	ret->slots = heap_alloc(ret->slots_n, sizeof(*ret->slots));
	if (ret->slots == NULL)
		return -ENOMEM;
	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint32_t *slot = slot_of(ret, graph->id[node]);

		if (*slot == 0)
			*slot = node + 1;
	}
	return 0;
}

void heap_ids_fini(struct heap_ids *ids)
{
	heap_free(ids->slots, ids->slots_n, sizeof(*ids->slots));
	*ids = (struct heap_ids){ .slots = NULL };
}

uint32_t heap_ids_find(const struct heap_ids *ids, uint32_t id)
{
	return *slot_of(ids, id) - 1;
}
