/*
 * Points in time
 *
 * Forms are tried one after the other; each either takes the whole text or none of it. A date must
 * exist: mktime() would make the second of March of the thirtieth of February.
 */

#include "util/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 64 };

static const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */

/* ---- spans ---- */

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "ms", 1 },
	{ "msec", 1 },
	{ "s", 1000 },
	{ "sec", 1000 },
	{ "second", 1000 },
	{ "seconds", 1000 },
	{ "m", 60000 },
	{ "min", 60000 },
	{ "minute", 60000 },
	{ "minutes", 60000 },
	{ "h", 3600000 },
	{ "hr", 3600000 },
	{ "hour", 3600000 },
	{ "hours", 3600000 },
	{ "d", 86400000 },
	{ "day", 86400000 },
	{ "days", 86400000 },
	{ "w", 604800000 },
	{ "week", 604800000 },
	{ "weeks", 604800000 },
	{ "M", 2629800000 },
	{ "month", 2629800000 },
	{ "months", 2629800000 },
	{ "y", 31557600000 },
	{ "year", 31557600000 },
	{ "years", 31557600000 },
};

static uint64_t unit_of(const char *name, size_t size)
{
	if (size == 0)
		return 1000;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) == size && strncmp(units[i].name, name, size) == 0)
			return units[i].ms;
	}
	return 0;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

int when_parse_span(const char *text, uint64_t *ret_ms)
{
	uint64_t sum = 0;
	const char *at = skip_blanks(text);

	if (*at == '\0')
		return -EINVAL;
	while (*at != '\0') {
		uint64_t n, unit;
		size_t letters;
		char *end;

		if (!isdigit((unsigned char)*at))
			return -EINVAL;
		errno = 0;
		n = strtoull(at, &end, 10);
		at = skip_blanks(end);
		letters = strspn(at, "abcdefghijklmnopqrstuvwxyzM");
		unit = unit_of(at, letters);
		if (errno != 0 || unit == 0 || n > (uint64_t)last_ms / unit)
			return -EINVAL;
		sum += n * unit;
		if (sum > (uint64_t)last_ms)
			return -EINVAL;
		at = skip_blanks(at + letters);
	}
	*ret_ms = sum;
	return 0;
}

/* "-1h", "+1h", "1h ago", "1h left" */
static bool parse_relative(const char *text, int64_t now_ms, int64_t *ret)
{
	size_t size = strlen(text);
	char span[TEXT_MAX];
	int64_t sign = 1;
	uint64_t ms;

	memcpy(span, text, size + 1);
	if (text[0] == '-' || text[0] == '+') {
		sign = text[0] == '-' ? -1 : 1;
		memmove(span, span + 1, size);
	} else if (size > 4 && strcmp(text + size - 4, " ago") == 0) {
		span[size - 4] = '\0';
		sign = -1;
	} else if (size > 5 && strcmp(text + size - 5, " left") == 0) {
		span[size - 5] = '\0';
	} else {
		return false;
	}
	if (when_parse_span(span, &ms) < 0)
		return false;
	*ret = now_ms + sign * (int64_t)ms;
	return true;
}

/* ---- dates ---- */

/* Exactly n digits, within the bounds. */
static bool take_number(const char **at, int n, int min, int max, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*at)[i]))
			return false;
		value = value * 10 + (*at)[i] - '0';
	}
	if (isdigit((unsigned char)(*at)[n]) || value < min || value > max)
		return false;
	*at += n;
	*ret = value;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, struct tm *tm)
{
	int year, month;

	if (!take_number(at, 4, 1970, 9999, &year) || !take_char(at, '-') ||
	    !take_number(at, 2, 1, 12, &month) || !take_char(at, '-') ||
	    !take_number(at, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return true;
}

/* HH:MM[:SS[.digits]] */
static bool take_time(const char **at, struct tm *tm, int64_t *ms)
{
	int scale = 100;

	if (!take_number(at, 2, 0, 23, &tm->tm_hour) || !take_char(at, ':') ||
	    !take_number(at, 2, 0, 59, &tm->tm_min))
		return false;
	if (!take_char(at, ':'))
		return true;
	if (!take_number(at, 2, 0, 60, &tm->tm_sec))
		return false;
	if (!take_char(at, '.'))
		return true;
	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++, scale /= 10)
		*ms += (**at - '0') * scale;
	return true;
}

/* Z, z, " UTC" or +HH:MM; nothing: local time. */
static bool take_zone(const char **at, bool *utc, int64_t *offset_ms)
{
	int hours, minutes, sign;

	if (**at == '\0')
		return true;
	*utc = true;
	if (strcmp(*at, "Z") == 0 || strcmp(*at, "z") == 0 || strcmp(*at, " UTC") == 0) {
		*at += strlen(*at);
		return true;
	}
	sign = **at == '-' ? -1 : 1;
	if (**at != '-' && **at != '+')
		return false;
	(*at)++;
	if (!take_number(at, 2, 0, 23, &hours) || !take_char(at, ':') ||
	    !take_number(at, 2, 0, 59, &minutes))
		return false;
	*offset_ms = sign * (hours * 60 + minutes) * (int64_t)60000;
	return **at == '\0';
}

static bool to_ms(struct tm *tm, bool utc, int64_t *ret)
{
	int day = tm->tm_mday;
	time_t seconds;

	tm->tm_isdst = -1;
	seconds = utc ? timegm(tm) : mktime(tm);
	if (tm->tm_mday != day)
		return false;
	*ret = (int64_t)seconds * 1000;
	return true;
}

static struct tm local_day(int64_t now_ms, int days)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	tm.tm_isdst = -1;
	return tm;
}

static bool parse_date(const char *text, int64_t now_ms, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t ms = 0, offset_ms = 0;
	const char *at = text;
	bool utc = false;

	if (take_date(&at, &tm)) {
		bool timed =
			*at == 'T' || *at == 't' || (*at == ' ' && isdigit((unsigned char)at[1]));

		if (timed && (at++, !take_time(&at, &tm, &ms)))
			return false;
	} else {
		at = text;
		tm = local_day(now_ms, 0);
		if (!take_time(&at, &tm, &ms))
			return false;
	}
	if (!take_zone(&at, &utc, &offset_ms) || !to_ms(&tm, utc, ret))
		return false;
	*ret += ms - offset_ms;
	return true;
}

static bool parse_epoch(const char *text, int64_t *ret)
{
	char *end;

	if (text[0] != '@' || !isdigit((unsigned char)text[1]))
		return false;
	errno = 0;
	*ret = strtoll(text + 1, &end, 10);
	if (errno != 0 || *end != '\0' || *ret > last_ms / 1000)
		return false;
	*ret *= 1000;
	return true;
}

static bool parse_word(const char *text, int64_t now_ms, int64_t *ret)
{
	static const struct {
		const char *name;
		int days;
	} words[] = { { "yesterday", -1 }, { "today", 0 }, { "tomorrow", 1 } };

	if (strcmp(text, "now") == 0) {
		*ret = now_ms;
		return true;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].name) == 0) {
			struct tm tm = local_day(now_ms, words[i].days);

			*ret = (int64_t)mktime(&tm) * 1000;
			return true;
		}
	}
	return false;
}

int when_parse(const char *text, int64_t now_wall_ms, int64_t *ret_wall_ms)
{
	int64_t ms = -1;

	if (strlen(text) >= TEXT_MAX)
		return -EINVAL;
	if (!parse_word(text, now_wall_ms, &ms) && !parse_relative(text, now_wall_ms, &ms) &&
	    !parse_epoch(text, &ms) && !parse_date(text, now_wall_ms, &ms))
		return -EINVAL;
	if (ms < 0 || ms > last_ms)
		return -EINVAL;
	*ret_wall_ms = ms;
	return 0;
}
