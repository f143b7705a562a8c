#pragma once

/*
 * Times of the calendar, after OnCalendar= of systemd.time(7):
 *
 *   [WEEKDAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]] [UTC]
 *
 * Each part of date and time is *, a number, a range A..B, either of them with a repetition /N, or
 * a list of such with commas. Weekdays are Mon, Tue, ... (or whole words), with lists and ranges.
 * What is left out: no weekday is any day, no date *-*-*, no time 00:00:00, no second 00. The words
 * minutely, hourly, daily, weekly, monthly, quarterly, semiannually and yearly are understood as
 * there. Local time unless UTC stands behind it. Not understood: other time zones, "~" (days from
 * the end of the month), fractions of seconds.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/err.h"

enum { CALENDAR_YEAR_MIN = 1970, CALENDAR_YEAR_MAX = 2161 };

/* Sets of bits. Plain values. */
struct calendar {
	uint8_t weekdays; /* bit 0: Sunday */
	uint64_t years[3]; /* from CALENDAR_YEAR_MIN */
	uint16_t months; /* bit 1: January */
	uint32_t days; /* bit 1: the first */
	uint32_t hours;
	uint64_t minutes, seconds;
	bool utc;
};

/* 0, or -EINVAL with the column in err. */
int calendar_parse(const char *text, struct calendar *ret, struct err *err);

/*
 * The first such time after this one, milliseconds since 1970; INT64_MAX when there is none in the
 * next ten years. A time that the clocks leave out (summer begins) is left out; one they have twice
 * counts once.
 */
int64_t calendar_next(const struct calendar *calendar, int64_t after_wall_ms);

bool calendar_equal(const struct calendar *a, const struct calendar *b);
