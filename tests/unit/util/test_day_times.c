/* Times of the day: what is one, what lies in it, and where the machine stands. */

#include "util/day_times.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static struct day_times times_of(const char *text)
{
	struct day_times times = { .n = 1 };

	cr_assert_eq(day_span_parse(text, &times.items[0]), 0, "%s", text);
	return times;
}

Test(day_times, texts)
{
	static const char *const good[] = { "08:00-09:00", "22:30-06:15", "00:00-24:00",
					    "23:59-00:00" };
	static const char *const bad[] = { "",
					   "08:00",
					   "8:00-9:00",
					   "08:00-08:00",
					   "24:00-08:00",
					   "08:00-24:01",
					   "08:60-09:00",
					   "25:00-09:00",
					   "08:00 09:00",
					   "08:00-09:00 ",
					   "08.00-09.00",
					   "08:00--9:00",
					   "08:00-09:0x" };
	char text[DAY_SPAN_TEXT_MAX];
	struct day_span span = { 1, 2 };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct day_times times = times_of(good[i]);

		cr_expect_str_eq(day_span_format(text, &times.items[0]), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(day_span_parse(bad[i], &span), -EINVAL, "%s", bad[i]);
	cr_expect(span.from_min == 1 && span.to_min == 2, "untouched");
}

Test(day_times, within)
{
	struct day_times day = times_of("08:00-09:00"), night = times_of("22:30-06:00");
	struct day_times both = { { day.items[0], night.items[0] }, 2 }, none = { 0 };

	cr_expect_null(day_times_find(&day, 8 * 60 - 1));
	cr_expect_eq(day_times_find(&day, 8 * 60), &day.items[0]);
	cr_expect_eq(day_times_find(&day, 9 * 60 - 1), &day.items[0]);
	cr_expect_null(day_times_find(&day, 9 * 60));
	cr_expect_null(day_times_find(&night, 22 * 60 + 29));
	cr_expect_not_null(day_times_find(&night, 22 * 60 + 30));
	cr_expect_not_null(day_times_find(&night, 0));
	cr_expect_not_null(day_times_find(&night, 6 * 60 - 1));
	cr_expect_null(day_times_find(&night, 6 * 60));
	cr_expect_eq(day_times_find(&both, 3 * 60), &both.items[1]);
	cr_expect_null(day_times_find(&both, 12 * 60));
	cr_expect_null(day_times_find(&none, 0));
	cr_expect(day_times_equal(&day, &day) && !day_times_equal(&day, &night));
	cr_expect(!day_times_equal(&day, &both) && day_times_equal(&none, &none));
}

/* 2026-07-01T06:30:00Z: summer in Berlin, half past noon in Kolkata. */
Test(day_times, local_time)
{
	const int64_t wall_ms = 1782887400000;

	cr_assert_eq(setenv("TZ", "UTC", 1), 0);
	cr_expect_eq(day_minute(wall_ms), 6 * 60 + 30);
	cr_assert_eq(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	cr_expect_eq(day_minute(wall_ms), 8 * 60 + 30);
	cr_assert_eq(setenv("TZ", "IST-5:30", 1), 0);
	cr_expect_eq(day_minute(wall_ms), 12 * 60);
}
