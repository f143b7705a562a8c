#pragma once

/*
 * Hash map from text to pointer: open addressing, FNV-1a with a random seed. Keys
 * are borrowed from the values' owners and must outlive their entry.
 */

#include <stddef.h>
#include <stdint.h>

struct map_slot;

struct map {
	struct map_slot *slots; /* owned */
	size_t capacity, count, used;
	uint64_t seed;
};

void map_init(struct map *map);
void map_fini(struct map *map);
void *map_get(const struct map *map, const char *key);
int map_put(struct map *map, const char *key, void *value); /* 0, -EEXIST, -ENOMEM */
void *map_remove(struct map *map, const char *key); /* the value, or NULL */
