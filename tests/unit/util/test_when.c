#include "util/when.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

/* Times as systemd.time(7) writes them. */

static const int64_t now_ms = 1795600800250; /* 2026-11-25T10:00:00.250Z, a Wednesday */

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void utc(void)
{
	zone("UTC");
}

TestSuite(when, .init = utc);

static int64_t parsed(const char *text)
{
	int64_t ms = -1;

	cr_expect_eq(when_parse(text, now_ms, &ms), 0, "%s is refused", text);
	return ms;
}

static const struct {
	const char *text;
	int64_t ms;
} times[] = {
	{ "now", 1795600800250 },
	{ "today", 1795564800000 },
	{ "yesterday", 1795564800000 - 86400000 },
	{ "tomorrow", 1795564800000 + 86400000 },
	{ "@1795600800", 1795600800000 },
	{ "2026-11-25", 1795564800000 },
	{ "2026-11-25 10:00", 1795600800000 },
	{ "2026-11-25 10:00:30", 1795600830000 },
	{ "2026-11-25 10:00:30.5", 1795600830500 },
	{ "2026-11-25 10:00 UTC", 1795600800000 },
	{ "2026-11-25 UTC", 1795564800000 },
	{ "2026-11-25T10:00:00Z", 1795600800000 },
	{ "2026-11-25T10:00:00.125Z", 1795600800125 },
	{ "2026-11-25T11:00:00+01:00", 1795600800000 },
	{ "2026-11-25T04:30:00-05:30", 1795600800000 },
	{ "09:30", 1795599000000 },
	{ "09:30:15", 1795599015000 },
	{ "-1h", 1795600800250 - 3600000 },
	{ "+5min", 1795600800250 + 300000 },
	{ "1h ago", 1795600800250 - 3600000 },
	{ "-1h30m", 1795600800250 - 5400000 },
	{ "1h 30min ago", 1795600800250 - 5400000 },
	{ "2 days ago", 1795600800250 - 2 * 86400000 },
	{ "3 weeks left", 1795600800250 + 21 * (int64_t)86400000 },
	{ "-90", 1795600800250 - 90000 },
};

Test(when, known_forms)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		cr_expect_eq(parsed(times[i].text), times[i].ms, "%s: %lld, not %lld",
			     times[i].text, (long long)parsed(times[i].text),
			     (long long)times[i].ms);
}

Test(when, what_is_none)
{
	static const char *const texts[] = {
		"",
		"soon",
		"1h",
		"2026-02-30",
		"2026-13-01",
		"2026-11-25 25:00",
		"2026-11-25 10",
		"2026-11-25T",
		"2026-11-25 10:00:00 CET",
		"2026-11-2510:00",
		"26-11-25",
		"@",
		"@-5",
		"@99999999999999999999",
		"-1 parsec",
		"--1h",
		"-",
		"1h ago ago",
		"2026-11-25T10:00:00+1:00",
		"-99999999999y",
		"-60y",
		"10:00:61",
		"an essay about times that is much longer than any time anyone would ever write "
		"down",
	};
	int64_t ms;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_lt(when_parse(texts[i], now_ms, &ms), 0, "'%s' is taken", texts[i]);
}

Test(when, local_time_with_summer)
{
	zone("Europe/Berlin");
	cr_expect_eq(parsed("2026-11-25 11:00"), 1795600800000, "winter: one hour");
	cr_expect_eq(parsed("2026-07-01 12:00"), 1782900000000, "summer: two");
	cr_expect_eq(parsed("2026-11-25 10:00 UTC"), 1795600800000);
	cr_expect_eq(parsed("today"), 1795561200000);
}

Test(when, spans)
{
	uint64_t ms = 0;

	cr_expect_eq(when_parse_span("14d", &ms), 0);
	cr_expect_eq(ms, 14 * (uint64_t)86400000);
	cr_expect_eq(when_parse_span(" 1h 30min ", &ms), 0);
	cr_expect_eq(ms, 5400000);
	cr_expect_lt(when_parse_span("", &ms), 0);
	cr_expect_lt(when_parse_span("h", &ms), 0);
	cr_expect_lt(when_parse_span("-1h", &ms), 0);
}
