/* The ring of points: order, wrapping, limits. */

#include "watch/series.h"

#include <criterion/criterion.h>
#include <errno.h>

static void add(struct series *series, uint64_t number)
{
	struct point point = { .mono_ns = number, .heap_used = number * 10 };

	series_add(series, &point);
}

Test(series, oldest_first_before_and_after_wrapping)
{
	struct series series;

	cr_assert_eq(series_init(&series, 3), 0);
	cr_assert_eq(series.count, 0);
	for (uint64_t number = 1; number <= 10; number++) {
		uint64_t oldest = number > 3 ? number - 2 : 1;

		add(&series, number);
		cr_assert_eq(series.count, number < 3 ? number : 3);
		for (uint32_t i = 0; i < series.count; i++) {
			cr_assert_eq(series_at(&series, i)->mono_ns, oldest + i);
			cr_assert_eq(series_at(&series, i)->heap_used, (oldest + i) * 10);
		}
	}
	series_fini(&series);
	series_fini(&series);
}

Test(series, of_one_point)
{
	struct series series;

	cr_assert_eq(series_init(&series, 1), 0);
	add(&series, 1);
	add(&series, 2);
	cr_assert_eq(series.count, 1);
	cr_assert_eq(series_at(&series, 0)->mono_ns, 2);
	series_fini(&series);
}

Test(series, of_none)
{
	struct series series;

	cr_assert_eq(series_init(&series, 0), -EINVAL);
	add(&series, 1);
	cr_assert_eq(series.count, 0);
	series_fini(&series);
}
