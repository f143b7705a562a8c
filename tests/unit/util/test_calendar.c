/* Times of the calendar: those of `systemd-analyze calendar` (252), which refuses Sat..Mon only. */

#include "util/calendar.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"
#include "util/when.h"

static int64_t at(const char *text)
{
	int64_t ms = 0;

	cr_assert_eq(when_parse(text, 0, &ms), 0, "%s", text);
	return ms;
}

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void expect(const char *text, const char *after, const char *next)
{
	struct calendar calendar;
	struct err err = { 0 };
	char got[CLOCK_TEXT_MAX];
	int64_t ms;

	cr_assert_eq(calendar_parse(text, &calendar, &err), 0, "%s: %s", text, err.text);
	ms = calendar_next(&calendar, at(after));
	if (next == NULL) {
		cr_expect_eq(ms, INT64_MAX, "%s", text);
		return;
	}
	cr_expect_eq(ms, at(next), "%s after %s: %s", text, after, clock_format(got, ms));
}

Test(calendar, next)
{
	use_zone("UTC");
	/* 2026-11-28 is a Saturday. */
	expect("*-*-* 04:00", "2026-11-28T03:59:59Z", "2026-11-28T04:00:00Z");
	expect("*-*-* 04:00", "2026-11-28T04:00:00Z", "2026-11-29T04:00:00Z");
	expect("04:00:30", "2026-11-28T04:00:00Z", "2026-11-28T04:00:30Z");
	expect("Mon..Fri 08:00", "2026-11-28T00:00:00Z", "2026-11-30T08:00:00Z");
	expect("Sat,Sun 08:00", "2026-11-28T09:00:00Z", "2026-11-29T08:00:00Z");
	expect("Sat..Mon 08:00", "2026-11-29T09:00:00Z", "2026-11-30T08:00:00Z");
	expect("wednesday", "2026-11-28T09:00:00Z", "2026-12-02T00:00:00Z");
	expect("*:0/15", "2026-11-28T09:16:00Z", "2026-11-28T09:30:00Z");
	expect("*:*:0/20", "2026-11-28T09:59:41Z", "2026-11-28T10:00:00Z");
	expect("08..10,20:00", "2026-11-28T10:30:00Z", "2026-11-28T20:00:00Z");
	expect("*-*-31", "2026-11-28T00:00:00Z", "2026-12-31T00:00:00Z");
	expect("*-02-29", "2026-11-28T00:00:00Z", "2028-02-29T00:00:00Z");
	expect("02-01", "2026-11-28T00:00:00Z", "2027-02-01T00:00:00Z");
	expect("2027-*-01 12:00", "2026-11-28T00:00:00Z", "2027-01-01T12:00:00Z");
	expect("2020-*-*", "2026-11-28T00:00:00Z", NULL);
	expect("*-02-30", "2026-11-28T00:00:00Z", NULL);
	expect("minutely", "2026-11-28T09:59:41Z", "2026-11-28T10:00:00Z");
	expect("hourly", "2026-11-28T09:59:41Z", "2026-11-28T10:00:00Z");
	expect("daily", "2026-11-28T09:59:41Z", "2026-11-29T00:00:00Z");
	expect("weekly", "2026-11-28T09:59:41Z", "2026-11-30T00:00:00Z");
	expect("monthly", "2026-11-28T09:59:41Z", "2026-12-01T00:00:00Z");
	expect("quarterly", "2026-11-28T09:59:41Z", "2027-01-01T00:00:00Z");
	expect("semiannually", "2026-02-28T09:59:41Z", "2026-07-01T00:00:00Z");
	expect("yearly", "2026-11-28T09:59:41Z", "2027-01-01T00:00:00Z");
}

Test(calendar, local_time_and_summer)
{
	use_zone("Europe/Berlin");
	expect("04:00", "2026-11-28T03:30:00Z", "2026-11-29T03:00:00Z");
	expect("04:00 UTC", "2026-11-28T03:30:00Z", "2026-11-28T04:00:00Z");
	/* 02:30 of the 29th of March 2026 is left out by the clocks. */
	expect("02:30", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z");
	use_zone("UTC");
}

Test(calendar, mistakes)
{
	static const struct {
		const char *text;
		int column;
		const char *why;
	} cases[] = {
		{ "", 1, "expected a time (daily, Mon..Fri 08:00, *-*-01 04:00)" },
		{ "soon", 1, "expected a weekday (Mon, Tue, ...)" },
		{ "Mon..Fru 08:00", 6, "expected a weekday (Mon, Tue, ...)" },
		{ "25:00", 1, "25 is out of range (0 to 23)" },
		{ "08:60", 4, "60 is out of range (0 to 59)" },
		{ "*-13-01", 3, "13 is out of range (1 to 12)" },
		{ "*-*-00", 5, "0 is out of range (1 to 31)" },
		{ "08:00 CET", 7, "expected the end, or UTC" },
		{ "*-*~01", 4, "expected a date (*-*-01) or a time (04:00)" },
		{ "08:00:00.5", 9, "expected the end, or UTC" },
		{ "*:0/0", 5, "0 is out of range (1 to 59)" },
		{ "Monday08:00", 7, "expected a blank after the weekdays" },
		{ "12", 1, "expected a date (*-*-01) or a time (04:00)" },
		{ "10..8:00", 5, "8 is out of range (10 to 23)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct calendar calendar;
		struct err err = { 0 };

		cr_expect_eq(calendar_parse(cases[i].text, &calendar, &err), -22, "%s",
			     cases[i].text);
		cr_expect_eq(err.column, cases[i].column, "%s: column %d", cases[i].text,
			     err.column);
		cr_expect_str_eq(err.text, cases[i].why, "%s: %s", cases[i].text, err.text);
	}
}

Test(calendar, equal)
{
	struct calendar a, b;

	cr_assert_eq(calendar_parse("daily", &a, NULL), 0);
	cr_assert_eq(calendar_parse("*-*-* 00:00:00", &b, NULL), 0);
	cr_expect(calendar_equal(&a, &b));
	cr_assert_eq(calendar_parse("daily", &b, NULL), 0);
	b.utc = true;
	cr_expect_not(calendar_equal(&a, &b));
}
