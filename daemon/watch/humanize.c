/*
 * Numbers for people, in Prometheus' words
 *
 * Go's %.4g and C's agree but for the infinities and NaN. Its plain %v, by which templates print,
 * is the shortest text that reads back as the same number, with an exponent below 1e-4 and from
 * 1e+06 on.
 */

#include "watch/humanize.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

static const char *special(double value)
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	return NULL;
}

/* %.4g and a unit; the sign of an infinity is always written. */
static int print_4g(double value, const char *prefix, const char *unit, struct buf *buf)
{
	const char *word = special(value);

	if (word != NULL)
		return buf_printf(buf, "%s%s%s", word, prefix, unit);
	return buf_printf(buf, "%.4g%s%s", value, prefix, unit);
}

int humanize_plain(double value, struct buf *buf)
{
	const char *word = special(value);
	char text[40];
	int exponent;

	if (word != NULL)
		return buf_puts(buf, word);
	for (int digits = 0; digits <= 16; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits, value);
		if (strtod(text, NULL) == value) {
			exponent = atoi(strchr(text, 'e') + 1);
			if (exponent < -4 || exponent >= 6)
				return buf_puts(buf, text);
			digits = digits > exponent ? digits - exponent : 0;
			return buf_printf(buf, "%.*f", digits, value);
		}
	}
	return buf_puts(buf, text);
}

/* Divide until below the base, or out of prefixes. */
static int print_large(double value, double base, const char *const prefixes[8], struct buf *buf)
{
	const char *prefix = "";

	for (int i = 0; i < 8 && fabs(value) >= base; i++) {
		prefix = prefixes[i];
		value /= base;
	}
	return print_4g(value, prefix, "", buf);
}

static int print_small(double value, const char *unit, struct buf *buf)
{
	static const char *const prefixes[] = { "m", "u", "n", "p", "f", "a", "z", "y" };
	const char *prefix = "";

	for (int i = 0; i < 8 && fabs(value) < 1; i++) {
		prefix = prefixes[i];
		value *= 1000;
	}
	return print_4g(value, prefix, unit, buf);
}

int humanize(double value, struct buf *buf)
{
	static const char *const prefixes[8] = { "k", "M", "G", "T", "P", "E", "Z", "Y" };

	if (value == 0 || special(value) != NULL)
		return print_4g(value, "", "", buf);
	if (fabs(value) >= 1)
		return print_large(value, 1000, prefixes, buf);
	return print_small(value, "", buf);
}

int humanize_1024(double value, struct buf *buf)
{
	static const char *const prefixes[8] = { "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi" };

	if (fabs(value) <= 1 || special(value) != NULL)
		return print_4g(value, "", "", buf);
	return print_large(value, 1024, prefixes, buf);
}

int humanize_percentage(double value, struct buf *buf)
{
	return print_4g(value * 100, "", "%", buf);
}

static int print_whole_seconds(const char *sign, double seconds, struct buf *buf)
{
	/* More than 2^63 seconds are no duration any more; Go's result is undefined there. */
	uint64_t whole = seconds < 9.2e18 ? (uint64_t)seconds : INT64_MAX;
	unsigned s = (unsigned)(whole % 60), m = (unsigned)(whole / 60 % 60);
	unsigned h = (unsigned)(whole / 3600 % 24);
	unsigned long long d = whole / 86400;

	if (d > 0)
		return buf_printf(buf, "%s%llud %uh %um %us", sign, d, h, m, s);
	if (h > 0)
		return buf_printf(buf, "%s%uh %um %us", sign, h, m, s);
	if (m > 0)
		return buf_printf(buf, "%s%um %us", sign, m, s);
	return buf_printf(buf, "%s%.4gs", sign, seconds);
}

int humanize_duration(double seconds, struct buf *buf)
{
	if (special(seconds) != NULL)
		return print_4g(seconds, "", "", buf);
	if (seconds == 0)
		return print_4g(seconds, "", "s", buf);
	if (fabs(seconds) >= 1)
		return print_whole_seconds(seconds < 0 ? "-" : "", fabs(seconds), buf);
	return print_small(seconds, "s", buf);
}
