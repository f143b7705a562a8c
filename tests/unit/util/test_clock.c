/* Time: simulated and real readings, and both text forms. */

#include "util/clock.h"

#include <time.h>

#include <criterion/criterion.h>

Test(clock, simulated_time_stands_still)
{
	clock_simulate(5 * NS_PER_S, 1234567890123);
	cr_assert_eq(clock_mono_ns(), 5 * NS_PER_S);
	cr_assert_eq(clock_wall_ms(), 1234567890123);
	cr_assert_eq(clock_mono_ns(), 5 * NS_PER_S);
	clock_simulate(6 * NS_PER_S, -1);
	cr_assert_eq(clock_mono_ns(), 6 * NS_PER_S);
	cr_assert_eq(clock_wall_ms(), -1);
}

Test(clock, real_time_comes_back_and_goes_on)
{
	int64_t before = (int64_t)time(NULL) * 1000;
	uint64_t first;

	clock_simulate(1, 1);
	clock_real();
	first = clock_mono_ns();
	cr_assert_gt(first, 1);
	while (clock_mono_ns() == first)
		;
	cr_assert_gt(clock_mono_ns(), first);
	cr_assert_geq(clock_wall_ms(), before);
	cr_assert_lt(clock_wall_ms(), before + 60000);
}

Test(clock, formats)
{
	static const struct {
		int64_t wall_ms;
		const char *text, *stamp;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z", "19700101T000000Z" },
		{ 1, "1970-01-01T00:00:00.001Z", "19700101T000000Z" },
		{ -1, "1969-12-31T23:59:59.999Z", "19691231T235959Z" },
		{ 1769903999999, "2026-01-31T23:59:59.999Z", "20260131T235959Z" },
		{ 1709164800000, "2024-02-29T00:00:00.000Z", "20240229T000000Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z", "99991231T235959Z" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char dst[CLOCK_TEXT_MAX];

		cr_assert_str_eq(clock_format(dst, cases[i].wall_ms), cases[i].text);
		cr_assert_str_eq(clock_format_stamp(dst, cases[i].wall_ms), cases[i].stamp);
	}
}

Test(clock, time_zone_changes_nothing)
{
	char dst[CLOCK_TEXT_MAX];

	setenv("TZ", "Pacific/Auckland", 1);
	tzset();
	cr_assert_str_eq(clock_format(dst, 0), "1970-01-01T00:00:00.000Z");
}
