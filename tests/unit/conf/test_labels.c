/* Labels: sorted, unique, bounded, and only of names that Prometheus takes. */

#include "conf/labels.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static struct labels make(const char *const pairs[][2], size_t n)
{
	struct labels labels = { 0 };

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(labels_set(&labels, pairs[i][0], pairs[i][1]), 0);
	return labels;
}

Test(labels, sorted_whatever_the_order)
{
	static const char *const some[][2] = { { "zone", "a" }, { "env", "prod" }, { "Env", "x" } };
	static const char *const other[][2] = { { "Env", "x" },
						{ "zone", "a" },
						{ "env", "prod" } };
	struct labels a = make(some, 3), b = make(other, 3);

	cr_assert_str_eq(a.items[0].name, "Env");
	cr_assert_str_eq(a.items[1].name, "env");
	cr_assert_str_eq(a.items[2].name, "zone");
	cr_assert(labels_equal(&a, &b));
	cr_assert_eq(labels_set(&b, "env", "dev"), 0);
	cr_assert_eq(b.n, 3);
	cr_assert_str_eq(labels_get(&b, "env"), "dev");
	cr_assert_not(labels_equal(&a, &b));
	cr_assert_null(labels_get(&a, "en"));
	cr_assert_null(labels_get(&a, "zz"));
	labels_fini(&a);
	labels_fini(&b);
	cr_assert_null(labels_get(&a, "env"));
}

Test(labels, a_longer_set_is_another_one)
{
	static const char *const some[][2] = { { "a", "1" }, { "b", "2" } };
	struct labels a = make(some, 1), b = make(some, 2);

	cr_assert_not(labels_equal(&a, &b));
	cr_assert_not(labels_equal(&b, &a));
	labels_fini(&a);
	labels_fini(&b);
}

Test(labels, copies_are_deep)
{
	static const char *const some[][2] = { { "a", "1" }, { "b", "2" } };
	struct labels a = make(some, 2), b;

	cr_assert_eq(labels_copy(&b, &a), 0);
	cr_assert(labels_equal(&a, &b));
	cr_assert_neq(a.items[0].name, b.items[0].name);
	labels_fini(&a);
	cr_assert_str_eq(labels_get(&b, "b"), "2");
	labels_fini(&b);
}

Test(labels, names)
{
	static const char *const good[] = { "a", "_", "__x", "A9_", "le" };
	static const char *const bad[] = { "", "9a", "a-b", "a.b", "a b", "größe", "a:b" };
	struct labels labels = { 0 };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(labels_name_ok(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_not(labels_name_ok(bad[i]), "%s", bad[i]);
		cr_expect_eq(labels_set(&labels, bad[i], "x"), -EINVAL);
	}
	cr_assert_eq(labels_set(&labels, "a", "\xff"), -EINVAL, "not UTF-8");
	cr_assert_eq(labels.n, 0);
}

Test(labels, bounded)
{
	struct labels labels = { 0 };
	char name[16];

	for (int i = 0; i < LABELS_MAX; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		cr_assert_eq(labels_set(&labels, name, "x"), 0);
	}
	cr_assert_eq(labels_set(&labels, "more", "x"), -E2BIG);
	cr_assert_eq(labels_set(&labels, "l7", "y"), 0, "replacing is no growth");
	cr_assert_eq(labels.n, LABELS_MAX);
	labels_fini(&labels);
}
