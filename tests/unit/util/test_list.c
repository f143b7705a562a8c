/* Intrusive list: order, removal, removal while walking. */

#include "util/list.h"

#include <criterion/criterion.h>

struct item {
	int number;
	struct link link;
};

static int sum(struct link *list)
{
	int digits = 0;

	list_each (pos, list)
		digits = digits * 10 + container_of(pos, struct item, link)->number;
	return digits;
}

Test(list, keeps_order_and_removes)
{
	struct item items[4];
	struct link list;

	link_init(&list);
	cr_assert(list_empty(&list));
	for (int i = 0; i < 4; i++) {
		items[i].number = i + 1;
		list_append(&list, &items[i].link);
	}
	cr_assert_eq(sum(&list), 1234);
	link_remove(&items[1].link);
	link_remove(&items[1].link);
	cr_assert_eq(sum(&list), 134);
	list_append(&list, &items[1].link);
	cr_assert_eq(sum(&list), 1342);
	list_each_safe (pos, &list) {
		if (container_of(pos, struct item, link)->number % 2 == 0)
			link_remove(pos);
	}
	cr_assert_eq(sum(&list), 13);
	list_each_safe (pos, &list)
		link_remove(pos);
	cr_assert(list_empty(&list));
}
