/*
 * Times of the calendar
 *
 * Every part is a set of bits, whatever the way it was written. The next time is looked for day by
 * day, and within a day by the sets; only a day that fits is turned into a time by the C library,
 * which knows of summer.
 */

#include "util/calendar.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { DAYS_MAX = 3660, TEXT_MAX = 160, BITS = 192 };

/* A set of small numbers: of years it takes three words. */
struct set {
	uint64_t words[BITS / 64];
};

static void set_add(struct set *set, int bit)
{
	set->words[bit / 64] |= 1ull << (bit % 64);
}

static bool has(const uint64_t *words, int bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

struct reader {
	const char *text, *at;
	struct err *err;
};

static int fail(const struct reader *reader, const char *what)
{
	return err_set_at(reader->err, -EINVAL, 0, (int)(reader->at - reader->text) + 1, "%s",
			  what);
}

/* ---- numbers: *, 5, 1..5, with /2, in lists ---- */

static bool take(struct reader *reader, const char *word)
{
	size_t size = strlen(word);

	if (strncasecmp(reader->at, word, size) != 0)
		return false;
	reader->at += size;
	return true;
}

static int take_number(struct reader *reader, int min, int max, int *ret)
{
	const char *begin = reader->at;
	int value = 0;

	while (isdigit((unsigned char)*reader->at) && reader->at - begin < 5)
		value = value * 10 + (*reader->at++ - '0');
	if (reader->at == begin)
		return fail(reader, "expected a number or *");
	if (value < min || value > max) {
		reader->at = begin;
		return err_set_at(reader->err, -EINVAL, 0, (int)(begin - reader->text) + 1,
				  "%d is out of range (%d to %d)", value, min, max);
	}
	*ret = value;
	return 0;
}

static int take_item(struct reader *reader, int min, int max, struct set *set)
{
	int from = min, to = max, by = 1, r;
	bool star = take(reader, "*");

	if (!star) {
		r = take_number(reader, min, max, &from);
		if (r < 0)
			return r;
		to = from;
		if (take(reader, "..")) {
			r = take_number(reader, from, max, &to);
			if (r < 0)
				return r;
			star = true;
		}
	}
	if (take(reader, "/")) {
		r = take_number(reader, 1, max, &by);
		if (r < 0)
			return r;
		if (!star)
			to = max;
	}
	for (int i = from; i <= to; i += by)
		set_add(set, i - (min >= CALENDAR_YEAR_MIN ? CALENDAR_YEAR_MIN : 0));
	return 0;
}

static int take_part(struct reader *reader, int min, int max, struct set *set)
{
	int r;

	*set = (struct set){ 0 };
	do {
		r = take_item(reader, min, max, set);
	} while (r == 0 && take(reader, ","));
	return r;
}

/* ---- weekdays ---- */

static int take_weekday(struct reader *reader, int *ret)
{
	static const char *const names[] = { "sunday",   "monday", "tuesday", "wednesday",
					     "thursday", "friday", "saturday" };

	for (int i = 0; i < 7; i++) {
		char brief[4];

		memcpy(brief, names[i], 3);
		brief[3] = '\0';
		if (take(reader, names[i]) || take(reader, brief)) {
			*ret = i;
			return 0;
		}
	}
	return fail(reader, "expected a weekday (Mon, Tue, ...)");
}

/* A range may pass the end of the week: Sat..Mon. */
static int take_weekdays(struct reader *reader, uint8_t *set)
{
	*set = 0;
	do {
		int from, to, r;

		r = take_weekday(reader, &from);
		if (r < 0)
			return r;
		to = from;
		if (take(reader, "..") || take(reader, "-")) {
			r = take_weekday(reader, &to);
			if (r < 0)
				return r;
		}
		for (int day = from;; day = (day + 1) % 7) {
			*set = (uint8_t)(*set | 1 << day);
			if (day == to)
				break;
		}
	} while (take(reader, ","));
	return 0;
}

/* ---- the whole ---- */

/* Does the word at hand have this character, before the next blank? */
static bool word_has(const struct reader *reader, char c)
{
	const char *found = strchr(reader->at, c);

	return found != NULL && (size_t)(found - reader->at) < strcspn(reader->at, " ");
}

static void skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " ");
}

static size_t count(const struct reader *reader, char c)
{
	size_t n = 0, size = strcspn(reader->at, " ");

	for (size_t i = 0; i < size; i++)
		n += reader->at[i] == c;
	return n;
}

static int take_date(struct reader *reader, struct calendar *ret)
{
	struct set set;
	int r = 0;

	if (count(reader, '-') == 2) {
		r = take_part(reader, CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX, &set);
		memcpy(ret->years, set.words, sizeof(ret->years));
		if (r == 0 && !take(reader, "-"))
			r = fail(reader, "expected - before the month");
	}
	if (r == 0)
		r = take_part(reader, 1, 12, &set);
	if (r < 0)
		return r;
	ret->months = (uint16_t)set.words[0];
	if (!take(reader, "-"))
		return fail(reader, "expected - before the day");
	r = take_part(reader, 1, 31, &set);
	ret->days = (uint32_t)set.words[0];
	return r;
}

static int take_time(struct reader *reader, struct calendar *ret)
{
	struct set set;
	int r = take_part(reader, 0, 23, &set);

	if (r < 0)
		return r;
	ret->hours = (uint32_t)set.words[0];
	if (!take(reader, ":"))
		return fail(reader, "expected : before the minute");
	r = take_part(reader, 0, 59, &set);
	ret->minutes = set.words[0];
	if (r < 0 || !take(reader, ":"))
		return r;
	r = take_part(reader, 0, 59, &set);
	ret->seconds = set.words[0];
	return r;
}

static int take_end(struct reader *reader, struct calendar *ret)
{
	skip_blanks(reader);
	if (strncasecmp(reader->at, "utc", 3) == 0) {
		ret->utc = true;
		reader->at += 3;
		skip_blanks(reader);
	}
	if (*reader->at != '\0')
		return fail(reader, "expected the end, or UTC");
	return 0;
}

static const char *word_of(const char *text)
{
	static const char *const words[][2] = {
		{ "minutely", "*-*-* *:*:00" },
		{ "hourly", "*-*-* *:00:00" },
		{ "daily", "*-*-* 00:00:00" },
		{ "weekly", "Mon *-*-* 00:00:00" },
		{ "monthly", "*-*-01 00:00:00" },
		{ "quarterly", "*-01,04,07,10-01 00:00:00" },
		{ "semiannually", "*-01,07-01 00:00:00" },
		{ "yearly", "*-01-01 00:00:00" },
		{ "annually", "*-01-01 00:00:00" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i][0]) == 0)
			return words[i][1];
	}
	return text;
}

int calendar_parse(const char *text, struct calendar *ret, struct err *err)
{
	struct reader reader = { .text = word_of(text), .err = err };
	int r = 0;

	*ret = (struct calendar){ .weekdays = 0x7f,
				  .years = { UINT64_MAX, UINT64_MAX, UINT64_MAX },
				  .months = 0x1ffe,
				  .days = 0xfffffffe,
				  .hours = 1,
				  .minutes = 1,
				  .seconds = 1 };
	reader.at = reader.text;
	skip_blanks(&reader);
	if (*reader.at == '\0' || strlen(text) > TEXT_MAX)
		return fail(&reader, "expected a time (daily, Mon..Fri 08:00, *-*-01 04:00)");
	if (isalpha((unsigned char)*reader.at))
		r = take_weekdays(&reader, &ret->weekdays);
	if (r == 0 && *reader.at != '\0' && *reader.at != ' ' && reader.at != reader.text &&
	    isalpha((unsigned char)reader.at[-1]))
		r = fail(&reader, "expected a blank after the weekdays");
	skip_blanks(&reader);
	if (r == 0 && word_has(&reader, '-'))
		r = take_date(&reader, ret);
	if (r == 0 && *reader.at != '\0' && *reader.at != ' ' && !word_has(&reader, ':'))
		r = fail(&reader, "expected a date (*-*-01) or a time (04:00)");
	skip_blanks(&reader);
	if (r == 0 && word_has(&reader, ':'))
		r = take_time(&reader, ret);
	return r < 0 ? r : take_end(&reader, ret);
}

/* ---- the next one ---- */

static void split(const struct calendar *calendar, time_t seconds, struct tm *tm)
{
	if (calendar->utc)
		gmtime_r(&seconds, tm);
	else
		localtime_r(&seconds, tm);
}

static time_t join(const struct calendar *calendar, struct tm *tm)
{
	tm->tm_isdst = -1;
	return calendar->utc ? timegm(tm) : mktime(tm);
}

static bool day_fits(const struct calendar *calendar, const struct tm *tm)
{
	int year = tm->tm_year + 1900;

	return year >= CALENDAR_YEAR_MIN && year <= CALENDAR_YEAR_MAX &&
	       has(calendar->years, year - CALENDAR_YEAR_MIN) &&
	       (calendar->months >> (tm->tm_mon + 1) & 1) && (calendar->days >> tm->tm_mday & 1) &&
	       (calendar->weekdays >> tm->tm_wday & 1);
}

/* The first of the set from `from` on, or -1. */
static int first_of(uint64_t set, int from, int end)
{
	for (int i = from; i < end; i++) {
		if (set >> i & 1)
			return i;
	}
	return -1;
}

static bool find_in_minute(const struct calendar *calendar, time_t minute, time_t after,
			   time_t *ret)
{
	for (int second = first_of(calendar->seconds, 0, 60); second >= 0;
	     second = first_of(calendar->seconds, second + 1, 60)) {
		*ret = minute + second;
		if (*ret > after)
			return true;
	}
	return false;
}

/* The clocks may leave the hour out: then the C library makes another of it. */
static bool find_in_hour(const struct calendar *calendar, const struct tm *day, int hour,
			 time_t after, time_t *ret)
{
	for (int minute = first_of(calendar->minutes, 0, 60); minute >= 0;
	     minute = first_of(calendar->minutes, minute + 1, 60)) {
		struct tm tm = *day;
		time_t begin;

		tm.tm_hour = hour;
		tm.tm_min = minute;
		tm.tm_sec = 0;
		begin = join(calendar, &tm);
		if (tm.tm_hour == hour && find_in_minute(calendar, begin, after, ret))
			return true;
	}
	return false;
}

/* A time of this day, in this hour or later, that lies after. */
static bool find_in_day(const struct calendar *calendar, const struct tm *day, int hour,
			time_t after, time_t *ret)
{
	for (hour = first_of(calendar->hours, hour, 24); hour >= 0;
	     hour = first_of(calendar->hours, hour + 1, 24)) {
		if (find_in_hour(calendar, day, hour, after, ret))
			return true;
	}
	return false;
}

int64_t calendar_next(const struct calendar *calendar, int64_t after_wall_ms)
{
	time_t after = (time_t)(after_wall_ms / 1000), found;
	struct tm day;

	split(calendar, after, &day);
	for (int i = 0; i < DAYS_MAX; i++) {
		int hour = i == 0 ? day.tm_hour : 0;

		if (day_fits(calendar, &day) && find_in_day(calendar, &day, hour, after, &found))
			return (int64_t)found * 1000;
		/* Noon, so that no change of the clocks makes it another day. */
		day.tm_mday++;
		day.tm_hour = 12;
		(void)join(calendar, &day);
	}
	return INT64_MAX;
}

bool calendar_equal(const struct calendar *a, const struct calendar *b)
{
	return a->weekdays == b->weekdays && memcmp(a->years, b->years, sizeof(a->years)) == 0 &&
	       a->months == b->months && a->days == b->days && a->hours == b->hours &&
	       a->minutes == b->minutes && a->seconds == b->seconds && a->utc == b->utc;
}
