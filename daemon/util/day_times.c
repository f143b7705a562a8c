/*
 * Times of the day
 *
 * A day is what the clock on the wall says: where the clock is put back an hour, the hour that
 * comes twice counts twice.
 */

#include "util/day_times.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_MIN = 24 * 60 };

/* Two digits at `at`, below `limit`; -1 when they are not. */
static int two_digits(const char *at, int limit)
{
	int value;

	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	value = (at[0] - '0') * 10 + (at[1] - '0');
	return value < limit ? value : -1;
}

/* "HH:MM" as minutes, 24:00 included; -1 when it is none. */
static int clock_minutes(const char *at)
{
	int hours = two_digits(at, 25), minutes;

	if (hours < 0 || at[2] != ':')
		return -1;
	minutes = two_digits(at + 3, 60);
	return minutes < 0 || hours * 60 + minutes > DAY_MIN ? -1 : hours * 60 + minutes;
}

int day_span_parse(const char *text, struct day_span *ret)
{
	int from, to;

	if (strlen(text) != strlen("HH:MM-HH:MM") || text[5] != '-')
		return -EINVAL;
	from = clock_minutes(text);
	to = clock_minutes(text + 6);
	if (from < 0 || from == DAY_MIN || to < 0 || from == to)
		return -EINVAL;
	*ret = (struct day_span){ .from_min = (uint16_t)from, .to_min = (uint16_t)to };
	return 0;
}

char *day_span_format(char dst[DAY_SPAN_TEXT_MAX], const struct day_span *span)
{
	snprintf(dst, DAY_SPAN_TEXT_MAX, "%02u:%02u-%02u:%02u", span->from_min / 60u % 100u,
		 span->from_min % 60u, span->to_min / 60u % 100u, span->to_min % 60u);
	return dst;
}

static bool is_within(const struct day_span *span, unsigned minute)
{
	if (span->from_min < span->to_min)
		return minute >= span->from_min && minute < span->to_min;
	return minute >= span->from_min || minute < span->to_min;
}

const struct day_span *day_times_find(const struct day_times *times, unsigned minute)
{
	for (unsigned i = 0; i < times->n; i++) {
		if (is_within(&times->items[i], minute))
			return &times->items[i];
	}
	return NULL;
}

bool day_times_equal(const struct day_times *a, const struct day_times *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		if (a->items[i].from_min != b->items[i].from_min ||
		    a->items[i].to_min != b->items[i].to_min)
			return false;
	}
	return true;
}

unsigned day_minute(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local = { 0 };

	tzset();
	localtime_r(&seconds, &local);
	return (unsigned)(local.tm_hour * 60 + local.tm_min);
}
