/*
 * Ids to ordinals
 */

#include "heap/ids.h"

#include <errno.h>
#include <stdbool.h>

#include "heap/alloc.h"
#include "util/rand.h"

static uint64_t places(uint64_t nodes)
{
	uint64_t n = 16;

	while (n < nodes + nodes / 2)
		n *= 2;
	return n;
}

uint64_t heap_ids_cost(uint64_t nodes)
{
	return places(nodes) * (sizeof(uint64_t) + sizeof(uint32_t));
}

int heap_ids_init(struct heap_ids *ids, uint32_t nodes, uint64_t last)
{
	bool dense = last < heap_ids_cost(nodes) / sizeof(uint32_t);

	*ids = (struct heap_ids){ .n = dense ? (size_t)last + 1 : (size_t)places(nodes) };
	if (dense) {
		ids->ordinals = heap_alloc(ids->n, sizeof(*ids->ordinals));
		return ids->ordinals != NULL ? 0 : -ENOMEM;
	}
	ids->ids = heap_alloc(ids->n, sizeof(*ids->ids));
	ids->ordinals = heap_alloc(ids->n, sizeof(*ids->ordinals));
	if (ids->ids == NULL || ids->ordinals == NULL)
		return -ENOMEM;
	return rand_bytes(&ids->seed, sizeof(ids->seed));
}

void heap_ids_fini(struct heap_ids *ids)
{
	if (ids->ids != NULL)
		heap_free(ids->ids, ids->n, sizeof(*ids->ids));
	heap_free(ids->ordinals, ids->n, sizeof(*ids->ordinals));
	*ids = (struct heap_ids){ .n = 0 };
}

/* Two rounds of multiply and fold: a file does not know the seed. */
static size_t place_of(const struct heap_ids *ids, uint64_t id)
{
	uint64_t hash = (id ^ ids->seed) * 0x9e3779b97f4a7c15;
	size_t i;

	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9;
	i = (size_t)(hash ^ hash >> 32) & (ids->n - 1);
	while (ids->ordinals[i] != 0 && ids->ids[i] != id)
		i = (i + 1) & (ids->n - 1);
	return i;
}

int heap_ids_put(struct heap_ids *ids, uint64_t id, uint32_t ordinal)
{
	size_t i = ids->ids != NULL ? place_of(ids, id) : (size_t)id;

	if (ids->ordinals[i] != 0)
		return -EEXIST;
	if (ids->ids != NULL)
		ids->ids[i] = id;
	ids->ordinals[i] = ordinal + 1;
	return 0;
}

uint32_t heap_ids_get(const struct heap_ids *ids, uint64_t id)
{
	if (ids->ids == NULL)
		return id < ids->n ? ids->ordinals[id] - 1 : UINT32_MAX;
	return ids->ordinals[place_of(ids, id)] - 1;
}
