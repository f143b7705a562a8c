/*
 * Hash map
 *
 * Linear probing over a power of two. Removal leaves a tombstone (value NULL, key set to the
 * tombstone mark) because moving entries back would cost more than the rare rehash: `used` counts
 * live entries and tombstones, and the table is rebuilt when three quarters are used. The seed is
 * per map, so that names chosen by a target cannot be chosen to collide.
 */

#include "util/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/fnv.h"
#include "util/rand.h"

struct map_slot {
	const char *key; /* NULL: never used; TOMBSTONE: removed */
	void *value;
	uint64_t hash;
};

enum { MAP_FIRST_SLOTS = 16 };

static const char tombstone[] = "";
#define TOMBSTONE (&tombstone[0])

void map_init(struct map *map)
{
	*map = (struct map){ 0 };
	if (rand_bytes(&map->seed, sizeof(map->seed)) < 0)
		map->seed = clock_mono_ns();
}

void map_fini(struct map *map)
{
	free(map->slots);
	map->slots = NULL;
	map->capacity = map->count = map->used = 0;
}

static uint64_t hash_key(const struct map *map, const char *key)
{
	uint64_t hash = fnv1a_text(FNV1A_FIRST ^ map->seed, key);

	return hash ^ (hash >> 32); /* FNV mixes upwards only; the mask takes low bits */
}

static struct map_slot *find(const struct map *map, const char *key, uint64_t hash)
{
	if (map->capacity == 0)
		return NULL;
	for (size_t i = hash;; i++) {
		struct map_slot *slot = &map->slots[i & (map->capacity - 1)];

		if (slot->key == NULL)
			return NULL;
		if (slot->key != TOMBSTONE && slot->hash == hash && strcmp(slot->key, key) == 0)
			return slot;
	}
}

static void insert(struct map *map, struct map_slot entry)
{
	size_t i = entry.hash & (map->capacity - 1);

	while (map->slots[i].key != NULL)
		i = (i + 1) & (map->capacity - 1);
	map->slots[i] = entry;
	map->used++;
	map->count++;
}

/* Room for one more at a load of at most three quarters; sheds all tombstones. */
static int rebuild(struct map *map)
{
	struct map old = *map;
	size_t capacity = MAP_FIRST_SLOTS;
	struct map_slot *slots;

	while (capacity / 2 < map->count + 1)
		capacity *= 2;
	slots = calloc(capacity, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	map->slots = slots;
	map->capacity = capacity;
	map->count = map->used = 0;
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].key != NULL && old.slots[i].key != TOMBSTONE)
			insert(map, old.slots[i]);
	}
	free(old.slots);
	return 0;
}

void *map_get(const struct map *map, const char *key)
{
	struct map_slot *slot = find(map, key, hash_key(map, key));

	return slot != NULL ? slot->value : NULL;
}

int map_put(struct map *map, const char *key, void *value)
{
	uint64_t hash = hash_key(map, key);
	int r;

	assert(value != NULL);
	if (find(map, key, hash) != NULL)
		return -EEXIST;
	if ((map->used + 1) * 4 > map->capacity * 3) {
		r = rebuild(map);
		if (r < 0)
			return r;
	}
	insert(map, (struct map_slot){ .key = key, .value = value, .hash = hash });
	return 0;
}

void *map_remove(struct map *map, const char *key)
{
	struct map_slot *slot = find(map, key, hash_key(map, key));
	void *value;

	if (slot == NULL)
		return NULL;
	value = slot->value;
	*slot = (struct map_slot){ .key = TOMBSTONE };
	map->count--;
	return value;
}
