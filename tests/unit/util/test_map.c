/* Map: against a plain array under random operations, tombstones, and owners' keys. */

#include "util/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

enum { KEYS_N = 500 };

Test(map, empty_map_answers)
{
	struct map map;

	map_init(&map);
	cr_assert_null(map_get(&map, "x"));
	cr_assert_null(map_remove(&map, "x"));
	map_fini(&map);
	map_fini(&map);
}

Test(map, put_get_remove)
{
	struct map map;
	int a, b;

	map_init(&map);
	cr_assert_eq(map_put(&map, "a", &a), 0);
	cr_assert_eq(map_put(&map, "a", &b), -EEXIST);
	cr_assert_eq(map_get(&map, "a"), &a, "a refused put changed something");
	cr_assert_eq(map_put(&map, "", &b), 0);
	cr_assert_eq(map_get(&map, ""), &b);
	cr_assert_eq(map.count, 2);
	cr_assert_eq(map_remove(&map, "a"), &a);
	cr_assert_null(map_remove(&map, "a"));
	cr_assert_null(map_get(&map, "a"));
	cr_assert_eq(map_get(&map, ""), &b);
	cr_assert_eq(map.count, 1);
	map_fini(&map);
}

Test(map, random_operations_agree_with_an_array)
{
	char keys[KEYS_N][12];
	int present[KEYS_N] = { 0 };
	unsigned seed = 7;
	struct map map;
	size_t count = 0;

	map_init(&map);
	for (int i = 0; i < KEYS_N; i++)
		snprintf(keys[i], sizeof(keys[i]), "key%d", i);
	for (int round = 0; round < 50000; round++) {
		int i = rand_r(&seed) % KEYS_N;

		if (rand_r(&seed) % 2) {
			cr_assert_eq(map_put(&map, keys[i], keys[i]), present[i] ? -EEXIST : 0);
			count += !present[i];
			present[i] = 1;
		} else {
			void *expected = present[i] ? keys[i] : NULL;

			cr_assert_eq(map_remove(&map, keys[i]), expected);
			count -= (size_t)present[i];
			present[i] = 0;
		}
		cr_assert_eq(map.count, count);
	}
	for (int i = 0; i < KEYS_N; i++)
		cr_assert_eq(map_get(&map, keys[i]), present[i] ? keys[i] : NULL);
	cr_assert_leq(map.capacity, 2048, "grew to %zu for %d keys", map.capacity, KEYS_N);
	map_fini(&map);
}

Test(map, coming_and_going_does_not_grow)
{
	char key[2][16];
	struct map map;

	map_init(&map);
	for (int i = 0; i < 100000; i++) {
		snprintf(key[i % 2], sizeof(key[0]), "id-%d", i);
		cr_assert_eq(map_put(&map, key[i % 2], key[i % 2]), 0);
		cr_assert_eq(map_remove(&map, key[i % 2]), key[i % 2]);
	}
	cr_assert_eq(map.count, 0);
	cr_assert_leq(map.capacity, 16);
	map_fini(&map);
}

Test(map, seeds_differ)
{
	struct map a, b;

	map_init(&a);
	map_init(&b);
	cr_assert_neq(a.seed, b.seed);
}
