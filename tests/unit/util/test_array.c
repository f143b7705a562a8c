/*
 * Arrays that grow
 */

#include "util/array.h"

#include <criterion/criterion.h>

Test(array, doubles_and_keeps_what_it_holds)
{
	size_t capacity = 0;
	int *items = NULL;

	for (int i = 0; i < 100; i++) {
		size_t before = capacity;

		items = array_room(items, (size_t)i, &capacity, 3, sizeof(*items));
		cr_assert_not_null(items);
		cr_expect_eq(capacity, (size_t)i < before ? before : before > 0 ? 2 * before : 3);
		items[i] = i;
	}
	for (int i = 0; i < 100; i++)
		cr_expect_eq(items[i], i);
	free(items);
}
